//! Gateways whose Redis servers want a password, and speak TLS.

use std::fs;
use std::path::Path;

use crate::cli::{code, granted, refused, sms};
use crate::cluster::{give_key, insist};
use crate::servers::{self, Servers};
use crate::support::{Site, until};
use crate::tls::Authority;

const HOME: &str = "+994501234567";
const SECRET: &str = "open-sesame";

/// The line of the documentation that makes the user, with the test's password in it.
fn documented() -> Vec<String> {
    let text = include_str!("../../../docs/cluster.md");
    let line = text.lines().find(|line| line.starts_with("ACL SETUSER icaze ")).unwrap();
    line.replace("PASSWORD", SECRET).split(' ').skip(1).map(str::to_owned).collect()
}

/// Servers that speak TLS to each other and to gateways, and the ports where they do. `dir` has their certificate (`redis.pem`,
/// `redis.key`) and its authority (`ca.pem`).
async fn start(dir: &Path) -> (Servers, Vec<u16>) {
    let [plain, secure] = [(); 2].map(|()| (0..6).map(|_| servers::free_port()).collect::<Vec<u16>>());
    let path = |name: &str| dir.join(name).display().to_string();
    let more = |port: &u16| {
        let settings = [
            ["--tls-port", &port.to_string()],
            ["--tls-cluster", "yes"],
            ["--tls-replication", "yes"],
            ["--tls-auth-clients", "no"],
            ["--tls-cert-file", &path("redis.pem")],
            ["--tls-key-file", &path("redis.key")],
            ["--tls-ca-cert-file", &path("ca.pem")],
        ];
        settings.concat().into_iter().map(str::to_owned).collect()
    };
    let more = secure.iter().map(more).collect();
    let tls = ["--tls", "--cacert", &path("ca.pem")];
    (Servers::start_as(plain, more, &secure, &tls).await, secure)
}

/// Makes the user, and lets nobody else in.
async fn lock(servers: &Servers) {
    for &port in &servers.ports {
        let mut admin = servers::admin(port).await.unwrap();
        let () = redis::cmd("ACL").arg(documented()).query_async(&mut admin).await.unwrap();
        for setting in ["masterauth", "requirepass"] {
            let asked = ["SET", setting, "admins-own"];
            let () = redis::cmd("CONFIG").arg(&asked).query_async(&mut admin).await.unwrap();
        }
    }
}

#[test]
fn gateways_share_allowances_in_tls_with_a_password_and_say_what_is_wrong_with_either() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    authority.sign("127.0.0.1").save(dir.path(), "redis");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (ca, nobody) = (file("ca.pem", &authority.1), file("nobody.pem", &other.1));
    let (password, wrong) = (file("password", &format!("{SECRET}\n")), file("wrong", "wide-open\n"));
    let (mut servers, ports) = runtime.block_on(start(dir.path()));
    runtime.block_on(lock(&servers));

    let nodes: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let site = |id: u8, password: &Path, rest: &str| {
        let site = Site::new(&format!(
            "[node]\nid = {id}\n[redis]\nnodes = [{}]\nuser = \"icaze\"\npassword_file = {password:?}\n{rest}\n",
            nodes.join(", ")
        ));
        give_key(&site, "07");
        site
    };
    let tls = |ca: &Path| format!("tls = true\ntls_ca = {ca:?}");
    let sites = [0, 1].map(|id| site(id, &password, &tls(&ca)));
    let (first, second) = (sites[0].start_with(&["LOG__LEVEL=trace"]), sites[1].start());
    let reply = sms(&first, HOME, "2 AZE10000001");
    assert!(code(&reply).is_some(), "{reply}");
    assert_eq!(code(&sms(&second, HOME, "2 AZE10000001")), code(&reply), "they share");

    let config = |site: &Site| site.config().to_str().unwrap().to_owned();
    let sound = granted(&["check-config", "--config", &config(&sites[0])]);
    for port in &ports {
        assert!(sound.contains(&format!("rediss://127.0.0.1:{port}: ok")), "{sound}");
    }
    let server = format!("127.0.0.1:{}", ports[0]);
    let said = "Password authentication failed";
    for (wrong, expected) in [
        (site(2, &wrong, &tls(&ca)), [&*server, said, "redis.password_file"]),
        (site(2, &password, &tls(&nobody)), [&*server, "certificate", "redis.tls_ca"]),
        (site(2, &password, ""), [&*server, "redis.nodes", "redis.tls"]),
        (site(2, &dir.path().join("none"), &tls(&ca)), ["redis.password_file", "none", "cannot read"]),
        (site(2, &password, &tls(&password)), ["redis.tls_ca", "password", "certificate"]),
    ] {
        refused(&["check-config", "--config", &config(&wrong)], &expected);
        // What `serve` says of servers names whichever answers first.
        refused(&["serve", "--config", &config(&wrong)], &expected[1..]);
    }
    for secret in [SECRET, "wide-open"] {
        assert!(!sites[0].log().contains(secret), "{secret} is in the log");
    }

    // Connections that are made again are let in again.
    (0..6).for_each(|index| servers.kill(index));
    until("not ready", || first.ask("GET /readyz", &[], "").status == 503);
    (0..6).for_each(|index| servers.restart(index));
    // They have no password any more but the default user's right to all; the gateway's user is made anew.
    runtime.block_on(servers.whole());
    runtime.block_on(lock(&servers));
    assert_eq!(code(&insist(&second, HOME, "2 AZE10000001")), code(&reply));
    assert!(code(&insist(&second, HOME, "2 AZE10000002")).is_some());
}
