//! Servers that let nobody in without a password, and the rights that a gateway needs there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the faults are the other tests'")]
mod common;

use std::time::Duration;

use common::{Servers, admin, allowance, text};
use icaze_cluster::{
    Access, Call, Cluster, Confirm, Confirmed, Error, Fate, Grant, Hold, Options, Queue, Replies, Reserved,
    Whereabouts, index, members, remedy, verify,
};
use redis::aio::MultiplexedConnection;

const TIMEOUT: Duration = Duration::from_secs(5);
const SECRET: &str = "open-sesame";

/// The line of the documentation that makes the user, with the test's password in it.
fn documented() -> Vec<String> {
    let text = include_str!("../../docs/cluster.md");
    let line = text.lines().find(|line| line.starts_with("ACL SETUSER icaze ")).unwrap();
    line.replace("PASSWORD", SECRET).split(' ').skip(1).map(str::to_owned).collect()
}

/// A user for the gateways, and no way in for whoever else has no password; connections of the test's own that are in already.
async fn lock(servers: &Servers, user: &[String]) -> Vec<MultiplexedConnection> {
    let mut admins = Vec::new();
    for &port in &servers.ports {
        let mut admin = admin(port).await.unwrap();
        let () = redis::cmd("ACL").arg(user).query_async(&mut admin).await.unwrap();
        for setting in ["masterauth", "requirepass"] {
            let asked = ["SET", setting, "admins-own"];
            let () = redis::cmd("CONFIG").arg(&asked).query_async(&mut admin).await.unwrap();
        }
        admins.push(admin);
    }
    admins
}

fn options(servers: &Servers, access: &Access) -> Options {
    Options {
        servers: servers.ports.iter().map(|port| access.server(&format!("127.0.0.1:{port}"))).collect(),
        access: access.clone(),
        node: "0".to_owned(),
        replicas: 1,
        timeout: TIMEOUT,
        deadline: Duration::from_secs(30),
    }
}

fn access(user: &str, password: &str) -> Access {
    Access { user: user.to_owned(), password: Some(password.to_owned()), tls: None }
}

/// Everything that a gateway does to its servers.
async fn live(cluster: &Cluster) {
    let allowance = allowance(7);
    let calls = [Call::Reserve {
        allowance: allowance.clone(),
        identity: text("first"),
        now_ms: 1_800_000_000_000,
        timeout_ms: 60_000,
        repeat_ms: 600_000,
        standing_from_ms: 0,
    }];
    let held = cluster.call(&calls).await.remove(0).unwrap();
    let Some(Reserved::Held(hold)) = Reserved::read(&held) else { panic!("{held:?}") };
    let grant = Grant(text("12@1800000000000"));
    let confirm = |hold, permit: &str, mode| Call::Confirm {
        allowance: allowance.clone(),
        grant,
        hold,
        now_ms: 1_800_000_000_000,
        until_ms: 1_800_007_200_000,
        permit: text(permit),
        mode,
    };
    let mut calls = vec![confirm(Hold::Named(hold), "12", Confirm::Live)];
    calls.extend(index(vec![(12, 7)]));
    let confirmed = cluster.call(&calls).await.remove(0).unwrap();
    assert_eq!(Confirmed::read(&confirmed), Some(Confirmed::Granted));
    // One too many is written down.
    let other = Call::Confirm {
        allowance: allowance.clone(),
        grant: Grant(text("13@1800000000001")),
        hold: Hold::Own,
        now_ms: 1_800_000_000_001,
        until_ms: 1_800_007_200_000,
        permit: text("13"),
        mode: Confirm::Replay,
    };
    let conflict = cluster.call(&[other]).await.remove(0).unwrap();
    assert_eq!(Confirmed::read(&conflict), Some(Confirmed::Conflict));
    assert_eq!(cluster.conflicts().await.unwrap(), 1);
    let released = cluster.call(&[Call::Release { allowance: allowance.clone(), grant }]).await;
    assert!(released[0].is_ok(), "{released:?}");
    assert_eq!(cluster.grants(7).await.unwrap().len(), 2);
    assert_eq!(cluster.person(0, 12).await.unwrap(), Some(7));
    assert_eq!(cluster.agree("node:0", "store").await.unwrap(), "store");
    cluster.announce(0, "127.0.0.1:8080", TIMEOUT).await.unwrap();
    assert_eq!(cluster.members(0..2).await.unwrap(), [(0, Some("127.0.0.1:8080".to_owned()))]);
    cluster.learn().await.unwrap();

    let queue = Queue { origin: 0, operator: "north".into() };
    cluster.hold_lease(0, TIMEOUT).await.unwrap();
    assert!(cluster.holds_lease(0).await.unwrap());
    let mut replies = Replies::default();
    replies.push(1 << 40, |out| out.extend_from_slice(b"sealed"));
    let keep = Call::Keep { queue: queue.clone(), replies };
    cluster.call(&[keep]).await.remove(0).unwrap();
    let kept = cluster.claim(&queue, 0, true, &[]).await.unwrap();
    assert_eq!(kept, [(1 << 40, b"sealed".to_vec())]);
    assert_eq!(cluster.whereabouts(&queue).await.unwrap(), [(1 << 40, Whereabouts::Kept)]);
    cluster.end(&queue, 1, &[(1 << 40, Fate::Sent)]).await.unwrap();
    cluster.call(&[Call::Drop { queue, seqs: vec![1 << 40] }]).await.remove(0).unwrap();
}

#[tokio::test]
async fn a_user_with_the_documented_rights_can_do_all_that_a_gateway_does_and_nothing_else() {
    let servers = Servers::start().await;
    let mut admins = lock(&servers, &documented()).await;
    let access = access("icaze", SECRET);
    let cluster = Cluster::connect(options(&servers, &access)).await.unwrap();
    live(&cluster).await;
    let first = access.server(&format!("127.0.0.1:{}", servers.ports[0]));
    assert_eq!(verify(&first, &access, TIMEOUT).await.unwrap(), []);
    // Servers hear of each other by and by.
    common::until(async || members(&first, &access, TIMEOUT).await.unwrap().len() == 6).await;
    for admin in &mut admins {
        let refused: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query_async(admin).await.unwrap();
        assert_eq!(refused, [], "nothing that it asked for was refused");
    }

    let client =
        redis::Client::open(format!("redis://icaze:{SECRET}@127.0.0.1:{}", servers.ports[0])).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for forbidden in [
        "GET other",
        "FLUSHALL",
        "KEYS *",
        "CONFIG SET appendonly no",
        "FUNCTION FLUSH",
        "ACL LIST",
        "SHUTDOWN",
    ] {
        let mut words = forbidden.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = command.arg(word));
        let error = command.query_async::<redis::Value>(&mut connection).await.unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"), "{forbidden}: {error}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_where_and_what_to_do_and_no_secret() {
    let servers = Servers::start().await;
    let mut user = documented();
    user.retain(|right| right != "+function|load" && right != "+config|get");
    lock(&servers, &user).await;
    let first = format!("127.0.0.1:{}", servers.ports[0]);
    let wrong = "wide-open";
    for (access, expected) in [
        (access("icaze", wrong), ["Password authentication failed", "redis.password_file"]),
        (access("stranger", SECRET), ["Password authentication failed", "redis.user"]),
        (access("", wrong), ["Password authentication failed", "redis.password_file"]),
        (Access::default(), ["Authentication required", "redis.password_file"]),
        (access("icaze", SECRET), ["function|load", "docs/cluster.md"]),
    ] {
        let error = Cluster::connect(options(&servers, &access)).await.err().unwrap();
        assert!(matches!(error, Error::Server(_)), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(&first) || expected[0] == "function|load", "{error}");
        assert!(expected.iter().all(|expected| error.contains(expected)), "{expected:?}: {error}");
        let refused = verify(&access.server(&first), &access, TIMEOUT).await.unwrap_err();
        let told =
            [error, refused.to_string(), remedy(&refused).to_owned(), format!("{access:?}")].join("\n");
        assert!(!told.contains(SECRET) && !told.contains(wrong), "{told}");
    }
}

#[tokio::test]
async fn a_password_alone_is_the_default_users() {
    let servers = Servers::start().await;
    lock(&servers, &documented()).await;
    Cluster::connect(options(&servers, &access("", "admins-own"))).await.unwrap();
}
