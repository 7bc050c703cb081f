//! What a real cluster does to the shared state when servers die, hang, drop connections or are full.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Servers, admin, allowance, text};
use icaze_cluster::{
    Access, Call, Cluster, Confirm, Confirmed, Error, Grant, Hold, Reserved, members, verify,
};
use rustix::process::Signal;

const NOW_MS: u64 = 1_800_000_000_000;

fn reserve(person: u32, identity: &str) -> Call {
    Call::Reserve {
        allowance: allowance(person),
        identity: text(identity),
        now_ms: NOW_MS,
        timeout_ms: 60_000,
        repeat_ms: 600_000,
        standing_from_ms: 0,
    }
}

fn confirm(person: u32, grant: Grant, mode: Confirm) -> Call {
    let permit = text(format!("code-{person}"));
    Call::Confirm {
        allowance: allowance(person),
        grant,
        hold: Hold::Own,
        now_ms: NOW_MS,
        until_ms: NOW_MS + 7_200_000,
        permit,
        mode,
    }
}

async fn reserved(node: &mut Cluster, calls: &[Call]) -> Vec<Reserved> {
    node.call(calls).await.into_iter().map(|answer| Reserved::read(&answer.unwrap()).unwrap()).collect()
}

async fn confirmed(node: &mut Cluster, calls: &[Call]) -> Vec<Confirmed> {
    node.call(calls).await.into_iter().map(|answer| Confirmed::read(&answer.unwrap()).unwrap()).collect()
}

/// Reserves and confirms for each person, in batches; the grants are what ledgers would hold as acknowledged.
async fn grant_all(mut node: Cluster, persons: std::ops::Range<u32>) -> Vec<(u32, Grant)> {
    let mut grants = Vec::new();
    for batch in persons.collect::<Vec<_>>().chunks(25) {
        let calls: Vec<_> = batch.iter().map(|&person| reserve(person, "first")).collect();
        let held: Vec<_> = reserved(&mut node, &calls)
            .await
            .into_iter()
            .map(|answer| match answer {
                Reserved::Held(grant) => grant,
                other => panic!("{other:?}"),
            })
            .collect();
        let calls: Vec<_> =
            batch.iter().zip(&held).map(|(&person, grant)| confirm(person, *grant, Confirm::Live)).collect();
        assert!(confirmed(&mut node, &calls).await.iter().all(|answer| *answer == Confirmed::Granted));
        grants.extend(batch.iter().copied().zip(held));
    }
    grants
}

/// Another node finds every permit standing, after what the failover lost was confirmed again.
async fn all_stand(node: &mut Cluster, grants: &[(u32, Grant)]) {
    for _ in 0..2 {
        let replay: Vec<_> =
            grants.iter().map(|(person, grant)| confirm(*person, *grant, Confirm::Replay)).collect();
        assert!(confirmed(node, &replay).await.iter().all(|answer| *answer == Confirmed::Granted));
    }
    let again: Vec<_> = grants.iter().map(|(person, _)| reserve(*person, "second")).collect();
    for ((person, grant), answer) in grants.iter().zip(reserved(node, &again).await) {
        assert_eq!(answer, Reserved::Standing(*grant, text(format!("code-{person}"))));
    }
    assert_eq!(node.conflicts().await.unwrap(), 0);
}

#[tokio::test]
async fn a_primary_is_killed_under_load_and_no_confirmed_grant_is_lost_or_doubled() {
    let mut servers = Servers::start().await;
    let (node, mut other) = (servers.connect("a").await, servers.connect("b").await);
    let load = tokio::spawn(grant_all(node, 0..1500));
    let victim = servers.primaries().await[0];
    servers.kill(victim);
    assert!(!load.is_finished(), "too late: nothing was under way");
    // Its replica takes over, and takes no writes before it has a replica itself.
    common::until(async || servers.primaries().await.len() == 3).await;
    servers.restart(victim);
    let grants = load.await.unwrap();
    servers.whole().await;
    all_stand(&mut other, &grants).await;
}

#[tokio::test]
async fn a_primary_that_hangs_and_connections_that_are_reset_only_delay() {
    let servers = Servers::start().await;
    let (node, mut other) = (servers.connect("a").await, servers.connect("b").await);
    let load = tokio::spawn(grant_all(node, 0..1500));
    for &port in &servers.ports {
        let mut server = admin(port).await.unwrap();
        let _: redis::Value =
            redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).query_async(&mut server).await.unwrap();
    }
    let victim = servers.primaries().await[1];
    servers.signal(victim, Signal::STOP);
    assert!(!load.is_finished(), "too late: nothing was under way");
    common::until(async || servers.primaries().await.len() == 3).await;
    servers.signal(victim, Signal::CONT);
    let grants = load.await.unwrap();
    servers.whole().await;
    all_stand(&mut other, &grants).await;
}

#[tokio::test]
async fn lost_writes_are_replayed_and_a_grant_too_many_is_counted_once() {
    let servers = Servers::start().await;
    let mut node = servers.connect("a").await;
    let mut grants = grant_all(node.clone(), 0..300).await;
    for index in servers.primaries().await {
        let mut server = admin(servers.ports[index]).await.unwrap();
        let _: redis::Value = redis::cmd("FLUSHALL").query_async(&mut server).await.unwrap();
    }
    // Before the replay another node gives person 7 the allowance that Redis forgot.
    let mut other = servers.connect("b").await;
    let Reserved::Held(second) = reserved(&mut other, &[reserve(7, "second")]).await.remove(0) else {
        panic!()
    };
    assert_eq!(confirmed(&mut other, &[confirm(7, second, Confirm::Live)]).await, [Confirmed::Granted]);

    fastrand::shuffle(&mut grants);
    for round in 0..2 {
        let replay: Vec<_> =
            grants.iter().map(|(person, grant)| confirm(*person, *grant, Confirm::Replay)).collect();
        let conflicts: Vec<_> = grants
            .iter()
            .zip(confirmed(&mut node, &replay).await)
            .filter(|(_, answer)| *answer == Confirmed::Conflict)
            .map(|((person, _), _)| *person)
            .collect();
        assert_eq!(conflicts, if round == 0 { vec![7] } else { vec![] });
        assert_eq!(node.conflicts().await.unwrap(), 1);
    }
    let again: Vec<_> = (0..300).map(|person| reserve(person, "third")).collect();
    let standing = reserved(&mut other, &again).await;
    assert!(standing.iter().all(|answer| matches!(answer, Reserved::Standing(..))));
}

#[tokio::test]
async fn a_purpose_without_a_quota_has_one_permit_at_a_time_whoever_comes_late() {
    let servers = Servers::start().await;
    let (mut slow, mut quick) = (servers.connect("a").await, servers.connect("b").await);
    let without_quota = |mut call: Call| {
        let (Call::Reserve { allowance, .. } | Call::Confirm { allowance, .. }) = &mut call else { panic!() };
        allowance.quotas.clear();
        call
    };
    let [first, mut second] = ["first", "second"].map(|identity| without_quota(reserve(1, identity)));
    let Reserved::Held(lost) = reserved(&mut slow, &[first]).await.remove(0) else { panic!() };
    // By the time of the other gateway that one ran out.
    if let Call::Reserve { now_ms, .. } = &mut second {
        *now_ms += 120_000;
    }
    let Reserved::Held(taken) = reserved(&mut quick, &[second]).await.remove(0) else { panic!() };
    let taken = without_quota(confirm(1, taken, Confirm::Live));
    assert_eq!(confirmed(&mut quick, &[taken]).await, [Confirmed::Granted]);
    let late = |mode| without_quota(confirm(1, lost, mode));
    assert_eq!(confirmed(&mut slow, &[late(Confirm::Live)]).await, [Confirmed::Late]);
    // What somebody has heard of stands, and is counted.
    assert_eq!(confirmed(&mut slow, &[late(Confirm::Replay)]).await, [Confirmed::Conflict]);
    assert_eq!(slow.conflicts().await.unwrap(), 1);
}

#[tokio::test]
async fn a_full_server_refuses_and_recovers() {
    let servers = Servers::start().await;
    let node = servers.connect("a").await;
    for (limit, full) in [("1", true), ("0", false)] {
        for &port in &servers.ports {
            let mut server = admin(port).await.unwrap();
            let _: redis::Value = redis::cmd("CONFIG")
                .arg(&["SET", "maxmemory", limit])
                .query_async(&mut server)
                .await
                .unwrap();
        }
        let answer = node.call(&[reserve(1, "first")]).await.remove(0);
        assert_eq!(matches!(answer, Err(Error::Full)), full, "{answer:?}");
    }
}

#[tokio::test]
async fn what_no_replica_has_is_no_answer() {
    let servers = Servers::start().await;
    let (mut patient, hasty) =
        (servers.connect("a").await, servers.connect_until("a", Duration::from_secs(2)).await);
    let primaries = servers.primaries().await;
    // WAIT alone is to be seen.
    for &index in &primaries {
        let mut server = admin(servers.ports[index]).await.unwrap();
        let _: redis::Value = redis::cmd("CONFIG")
            .arg(&["SET", "min-replicas-to-write", "0"])
            .query_async(&mut server)
            .await
            .unwrap();
    }
    let replicas: Vec<_> = (0..6).filter(|index| !primaries.contains(index)).collect();
    replicas.iter().for_each(|&index| servers.signal(index, Signal::STOP));
    let answer = hasty.call(&[reserve(1, "first")]).await.remove(0);
    assert!(matches!(answer, Err(Error::Unsure { .. })), "{answer:?}");
    replicas.iter().for_each(|&index| servers.signal(index, Signal::CONT));
    // The same request again, from another connection: it is still this node's.
    let answers = reserved(&mut patient, &[reserve(1, "first")]).await;
    assert!(matches!(answers.as_slice(), [Reserved::Held(_)]), "{answers:?}");
}

#[tokio::test]
async fn settings_that_lose_are_named() {
    let servers = Servers::start().await;
    let (server, timeout) = (format!("redis://127.0.0.1:{}", servers.ports[0]), Duration::from_secs(5));
    let access = Access::default();
    assert_eq!(verify(&server, &access, timeout).await.unwrap(), []);
    let mut all: Vec<_> = servers.ports.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
    all.sort_unstable();
    // Servers hear of each other by and by.
    common::until(async || members(&server, &access, timeout).await.unwrap() == all).await;
    let mut admin = admin(servers.ports[0]).await.unwrap();
    for (setting, value) in [
        ("appendonly", "no"),
        ("appendfsync", "no"),
        ("maxmemory-policy", "allkeys-lru"),
        ("min-replicas-to-write", "0"),
    ] {
        let _: redis::Value =
            redis::cmd("CONFIG").arg(&["SET", setting, value]).query_async(&mut admin).await.unwrap();
        let faults = verify(&server, &access, timeout).await.unwrap();
        assert!(faults.iter().any(|fault| fault.setting == setting && fault.found == value), "{faults:?}");
    }
}
