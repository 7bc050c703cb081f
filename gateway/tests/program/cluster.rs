//! Several gateways as one, on a real cluster of Redis.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::cli::{code, granted, icaze, refused, sms};
use crate::lookups::post;
use crate::servers::{self, Servers};
use crate::support::{Gateway, Site, until};

const HOME: &str = "+994501234567";
const OTHER: &str = "+994507654321";

/// Gateways of one country: the same key, another number each.
fn sites(servers: &Servers, count: usize) -> Vec<Site> {
    let nodes: Vec<String> = servers.ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let site = |id| Site::new(&format!("[node]\nid = {id}\n[redis]\nnodes = [{}]\n", nodes.join(", ")));
    let sites: Vec<Site> = (0..count).map(site).collect();
    for site in &sites {
        give_key(site, "07");
    }
    sites
}

fn give_key(site: &Site, byte: &str) {
    let path = site.dir.path().join("ledger.key");
    fs::write(&path, byte.repeat(32)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn cluster() -> (tokio::runtime::Runtime, Servers) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = runtime.block_on(Servers::start());
    (runtime, servers)
}

/// Texts that the operator is asked to send again are sent again.
fn insist(gateway: &Gateway, from: &str, text: &str) -> String {
    let mut reply = None;
    until("an answer", || {
        let said = icaze(&["sms", "--from", from, "--server", &gateway.smpp, text]);
        reply = said.ok.then(|| said.out.trim_end().to_owned());
        reply.is_some()
    });
    reply.unwrap()
}

#[test]
fn one_person_has_one_permit_whichever_gateway_is_texted() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let (first, second) = (sites[0].start(), sites[1].start());
    let reply = sms(&first, HOME, "2 AZE10000001");
    let permit = code(&reply).unwrap_or_else(|| panic!("no code in {reply:?}"));
    // The other card, the other gateway.
    let again = sms(&second, HOME, "kod 2 aa1000001");
    assert_eq!(code(&again), Some(permit), "{again}");
    let stranger = sms(&second, OTHER, "2 AZE10000001");
    assert!(stranger.starts_with("*001") && code(&stranger).is_none(), "{stranger}");

    // Another purpose is another allowance, and has no quota here.
    let medical = sms(&second, HOME, "1 AZE10000001");
    assert_ne!(code(&medical), Some(permit));
    assert_eq!(code(&sms(&first, HOME, "1 AZE10000001")), code(&medical));

    // What one gateway revokes stands at none, and is spent.
    let body = serde_json::json!({"reason": "court"});
    let answer = post(&first, "admin", &format!("/v1/permits/{permit}/revocation"), &body);
    assert!(answer.status < 300, "{answer:?}");
    let spent = sms(&second, HOME, "2 AZE10000001");
    assert!(spent.contains("00:00") && code(&spent).is_none(), "{spent}");

    // A text in parts knows its person only with the last.
    let long = format!("2{}AZE20000005", " ".repeat(200));
    let reply = sms(&second, HOME, &long);
    assert!(code(&reply).is_some(), "{reply}");
    assert_eq!(code(&sms(&first, HOME, "2 AZE20000005")), code(&reply));
}

#[test]
fn without_the_cluster_operators_are_asked_to_come_again_and_with_it_they_are_answered() {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 1);
    let gateway = sites[0].start();
    let before = sms(&gateway, HOME, "2 AZE20000001");
    (0..6).for_each(|index| servers.kill(index));
    let text = |text: &str| icaze(&["sms", "--from", HOME, "--server", &gateway.smpp, text]);
    let said = text("2 AZE20000002");
    assert!(!said.ok && said.err.contains("ESME_RTHROTTLED"), "{}{}", said.out, said.err);
    assert!(sms(&gateway, HOME, "salam").contains("Nümunə"), "what grants nothing needs nobody");
    assert_eq!(code(&sms(&gateway, HOME, "2 AZE20000001")), code(&before), "what this gateway knows stands");
    until("not ready", || gateway.ask("GET /readyz", &[], "").status == 503);
    (0..6).for_each(|index| servers.restart(index));
    runtime.block_on(servers.whole());
    let reply = insist(&gateway, HOME, "2 AZE20000002");
    assert!(code(&reply).is_some(), "{reply}");
    until("ready", || gateway.ask("GET /readyz", &[], "").status == 200);
    let metrics = gateway.metrics();
    for name in [
        "icaze_cluster_calls_total{call=\"reserve\"}",
        "icaze_cluster_errors_total",
        "icaze_cluster_round_trip_seconds",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

#[test]
fn a_cluster_that_loses_is_named_and_one_of_another_key_is_refused() {
    let (runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let config = sites[0].config();
    let config = config.to_str().unwrap();
    let sound = granted(&["check-config", "--config", config]);
    for port in &servers.ports {
        assert!(sound.contains(&format!("redis://127.0.0.1:{port}: ok")), "{sound}");
    }
    runtime.block_on(async {
        let mut admin = servers::admin(servers.ports[2]).await.unwrap();
        let asked = ["SET", "maxmemory-policy", "allkeys-lru"];
        let () = redis::cmd("CONFIG").arg(&asked).query_async(&mut admin).await.unwrap();
    });
    let server = format!("127.0.0.1:{}", servers.ports[2]);
    refused(
        &["check-config", "--config", config],
        &[&server, "maxmemory-policy", "allkeys-lru", "must be noeviction"],
    );

    drop(sites[0].start());
    give_key(&sites[1], "08");
    let other = sites[1].config();
    refused(&["serve", "--config", other.to_str().unwrap()], &["store.key_file", "another key"]);
}
