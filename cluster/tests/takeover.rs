//! Several gateways after the same allowances, while the servers beneath them change their roles.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use common::{Servers, admin, allowance, text};
use icaze_cluster::{Call, Cluster, Confirm, Confirmed, Grant, Hold, Reserved};
use rustix::process::Signal;
use tokio::task::JoinHandle;

const NOW_MS: u64 = 1_800_000_000_000;
const PERSONS: u32 = 1_200;
/// Gateways.
const LOADS: u32 = 6;

type Load = JoinHandle<Vec<(u32, Grant)>>;

/// Asks for every person's allowance until it is known whose it is; the grants that this node may acknowledge.
async fn ask_for_all(node: Cluster, number: u32) -> Vec<(u32, Grant)> {
    let identity = text(number.to_string());
    // Each begins with others, and all meet.
    let from = number * PERSONS / LOADS;
    let (mut left, mut grants) = ((from..PERSONS).chain(0..from).collect::<Vec<_>>(), Vec::new());
    while !left.is_empty() {
        let mut again = Vec::new();
        for batch in left.chunks(25) {
            let reserve = |&person| Call::Reserve {
                allowance: allowance(person),
                identity,
                now_ms: NOW_MS,
                timeout_ms: 60_000,
                repeat_ms: 600_000,
                standing_from_ms: 0,
            };
            let calls: Vec<_> = batch.iter().map(reserve).collect();
            let (mut held, mut confirm) = (Vec::new(), Vec::new());
            for (&person, answer) in batch.iter().zip(node.call(&calls).await) {
                match Reserved::read(&answer.unwrap()).unwrap() {
                    Reserved::Held(grant) => {
                        confirm.push(Call::Confirm {
                            allowance: allowance(person),
                            grant,
                            hold: Hold::Own,
                            now_ms: NOW_MS,
                            until_ms: NOW_MS + 7_200_000,
                            permit: text(format!("of {identity}")),
                            mode: Confirm::Live,
                        });
                        held.push((person, grant));
                    }
                    Reserved::Standing(..) => {}
                    Reserved::Busy => again.push(person),
                    other => panic!("{other:?}"),
                }
            }
            for (grant, answer) in held.into_iter().zip(node.call(&confirm).await) {
                match Confirmed::read(&answer.unwrap()).unwrap() {
                    Confirmed::Granted => grants.push(grant),
                    Confirmed::Late => again.push(grant.0),
                    other => panic!("{other:?}"),
                }
            }
        }
        left = again;
    }
    grants
}

/// Everybody was granted once, by one of them, and that grant is what the cluster has.
async fn each_has_one(node: Cluster, loads: Vec<Load>) {
    let mut of_person: BTreeMap<u32, Vec<Grant>> = BTreeMap::new();
    for load in loads {
        for (person, grant) in load.await.unwrap() {
            of_person.entry(person).or_default().push(grant);
        }
    }
    for person in 0..PERSONS {
        let grants = of_person.remove(&person).unwrap_or_default();
        assert_eq!(grants.len(), 1, "person {person}");
        let asked = Call::Reserve {
            allowance: allowance(person),
            identity: text("third"),
            now_ms: NOW_MS + 1,
            timeout_ms: 60_000,
            repeat_ms: 600_000,
            standing_from_ms: 0,
        };
        let answer = Reserved::read(&node.call(&[asked]).await.remove(0).unwrap()).unwrap();
        let Reserved::Standing(stands, _) = answer else { panic!("person {person}: {answer:?}") };
        assert_eq!(grants, [stands], "person {person}");
    }
    assert_eq!(node.conflicts().await.unwrap(), 0);
}

async fn loads(servers: &Servers) -> Vec<Load> {
    let mut loads = Vec::new();
    for number in 0..LOADS {
        let node = servers.connect(&number.to_string()).await;
        loads.push(tokio::spawn(ask_for_all(node, number)));
    }
    loads
}

/// Sets how many replicas a primary must see to take writes.
async fn demand_replicas(servers: &Servers, count: &str) {
    for &port in &servers.ports {
        let mut server = admin(port).await.unwrap();
        let asked = ["SET", "min-replicas-to-write", count];
        let _: redis::Value = redis::cmd("CONFIG").arg(&asked).query_async(&mut server).await.unwrap();
    }
}

fn are_under_way(loads: &[Load]) -> bool {
    loads.iter().all(|load| !load.is_finished())
}

#[tokio::test]
async fn a_replica_is_killed_under_load_and_its_shard_waits_for_it() {
    let mut servers = Servers::start().await;
    let loads = loads(&servers).await;
    let primaries = servers.primaries().await;
    let victim = (0..6).find(|index| !primaries.contains(index)).unwrap();
    servers.kill(victim);
    assert!(are_under_way(&loads), "too late: nothing was under way");
    // Its primary notices, and takes no writes before it is back.
    common::until(async || {
        let mut without = 0;
        for &index in &primaries {
            let mut server = admin(servers.ports[index]).await.unwrap();
            let said: String = redis::cmd("INFO").arg("replication").query_async(&mut server).await.unwrap();
            without += usize::from(said.contains("min_slaves_good_slaves:0"));
        }
        without == 1
    })
    .await;
    assert!(are_under_way(&loads), "the shard takes writes without a replica");
    servers.restart(victim);
    servers.whole().await;
    each_has_one(servers.connect("c").await, loads).await;
}

#[tokio::test]
async fn a_primary_returns_to_a_successor_that_it_does_not_know_and_no_grant_is_lost_or_doubled() {
    let servers = Servers::start().await;
    // Nothing but WAIT and the slots' owners stands between the two primaries.
    demand_replicas(&servers, "0").await;
    let loads = loads(&servers).await;
    let old = servers.primaries().await[0];
    let mut server = admin(servers.ports[old]).await.unwrap();
    let said: String = redis::cmd("INFO").arg("replication").query_async(&mut server).await.unwrap();
    let line = said.lines().find(|line| line.starts_with("slave0:")).unwrap();
    let port: u16 = line.split("port=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    servers.signal(old, Signal::STOP);
    assert!(are_under_way(&loads), "too late: nothing was under way");
    // Without asking the others: then there are two primaries, and calls wait in the sockets of the old one.
    let mut replica = admin(port).await.unwrap();
    let _: redis::Value =
        redis::cmd("CLUSTER").arg(&["FAILOVER", "TAKEOVER"]).query_async(&mut replica).await.unwrap();
    common::until(async || {
        let said: String = redis::cmd("INFO").arg("replication").query_async(&mut replica).await.unwrap();
        said.contains("role:master")
    })
    .await;
    servers.signal(old, Signal::CONT);
    common::until(async || servers.primaries().await.len() == 3).await;
    demand_replicas(&servers, "1").await;
    servers.whole().await;
    each_has_one(servers.connect("c").await, loads).await;
}

#[tokio::test]
async fn slots_move_to_another_shard_under_load_and_no_grant_is_lost_or_doubled() {
    let servers = Servers::start().await;
    let primaries = servers.primaries().await;
    let mut ids = Vec::new();
    for &index in &primaries {
        let mut server = admin(servers.ports[index]).await.unwrap();
        let id: String = redis::cmd("CLUSTER").arg("MYID").query_async(&mut server).await.unwrap();
        ids.push(id);
    }
    let mut reshard = Command::new("redis-cli")
        .args(["--cluster", "reshard", &format!("127.0.0.1:{}", servers.ports[primaries[0]])])
        .args([
            "--cluster-from",
            &ids[0],
            "--cluster-to",
            &ids[1],
            "--cluster-slots",
            "2000",
            "--cluster-yes",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let loads = loads(&servers).await;
    assert!(are_under_way(&loads) && reshard.try_wait().unwrap().is_none(), "they meet");
    let moved = tokio::task::spawn_blocking(move || reshard.wait()).await.unwrap();
    assert!(moved.unwrap().success());
    each_has_one(servers.connect("c").await, loads).await;
}
