//! Several gateways as one, on a real cluster of Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use icaze_codec::pdu::Command;

use crate::cli::{code, granted, icaze, refused, sms};
use crate::crowd::{Answers, Codes, Crowd, document};
use crate::lookups::post;
use crate::operator::{Pdu, Peer, pdu, submit};
use crate::servers::{self, Servers};
use crate::support::{Gateway, Site, until};

const HOME: &str = "+994501234567";
const OTHER: &str = "+994507654321";

/// Gateways of one country: the same key, another number each.
pub(crate) fn sites(servers: &Servers, count: usize) -> Vec<Site> {
    let nodes: Vec<String> = servers.ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let site = |id| Site::new(&format!("[node]\nid = {id}\n[redis]\nnodes = [{}]\n", nodes.join(", ")));
    let sites: Vec<Site> = (0..count).map(site).collect();
    for site in &sites {
        give_key(site, "07");
    }
    sites
}

pub(crate) fn give_key(site: &Site, byte: &str) {
    let path = site.dir.path().join("ledger.key");
    fs::write(&path, byte.repeat(32)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn cluster() -> (tokio::runtime::Runtime, Servers) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = runtime.block_on(Servers::start());
    (runtime, servers)
}

/// Texts that the operator is asked to send again are sent again.
pub(crate) fn insist(gateway: &Gateway, from: &str, text: &str) -> String {
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
    let (first, second) = (sites[0].start_with(&["LOG__LEVEL=trace"]), sites[1].start());
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

    let log = sites[0].log();
    assert!(log.contains("settled with the cluster"), "the log was read: {log}");
    for personal in ["501234567", "10000001", "20000005", permit] {
        assert!(!log.contains(personal), "{personal} is in the log");
    }
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

/// Redis forgets all that it knew.
pub(crate) fn forget(runtime: &tokio::runtime::Runtime, servers: &Servers) {
    runtime.block_on(async {
        for index in servers.primaries().await {
            let mut server = servers::admin(servers.ports[index]).await.unwrap();
            let () = redis::cmd("FLUSHALL").query_async(&mut server).await.unwrap();
        }
    });
}

#[test]
fn a_restart_confirms_what_its_ledger_holds_and_ends_what_was_granted_to_others_meanwhile() {
    let (runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let (first, second) = (sites[0].start(), sites[1].start());
    // As if the gateway had been killed between its sync and its confirmation: no reply was sent, and Redis knows nothing.
    let mut operator = Peer::connect(&first.smpp);
    operator.send(&pdu(Command::BIND_TRANSMITTER, 1, b"demo\0demo1234\0\0\x34\0\0\0"));
    assert!(operator.read().unwrap().status.is_ok());
    for (sequence, person) in [(2, 1), (3, 2)] {
        operator.send(&submit(sequence, HOME, "8103", &request(person)));
        assert!(operator.read_until(Command::SUBMIT_SM_RESP).unwrap().status.is_ok());
    }
    drop(first);
    forget(&runtime, &servers);
    let taken = sms(&second, HOME, &request(1));

    let first = sites[0].start();
    let confirmed = sms(&second, HOME, &request(2));
    let own = granted_in(&sites[0]).0;
    assert_eq!(own[&document(2)], BTreeSet::from([code(&confirmed).unwrap().to_owned()]), "{confirmed}");
    until("the other one to end", || !granted_in(&sites[0]).0.contains_key(&document(1)));
    let again = sms(&first, HOME, &request(1));
    assert_eq!(code(&again), code(&taken), "{again}");
}

#[test]
fn what_redis_lost_is_confirmed_again_when_another_server_takes_over() {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 2);
    let (first, second) = (sites[0].start(), sites[1].start());
    let reply = sms(&first, HOME, &request(1));
    forget(&runtime, &servers);
    let victim = runtime.block_on(servers.primaries())[0];
    servers.kill(victim);
    runtime.block_on(servers::until(async || servers.primaries().await.len() == 3));
    servers.restart(victim);
    runtime.block_on(servers.whole());
    let told = "confirmed again after another server took over count=1 left=0";
    until("the gateway to notice", || sites[0].log().contains(told));
    assert_eq!(code(&sms(&second, HOME, &request(1))), code(&reply));
}

/// A gateway whose disk hangs for so many microseconds with one commit, once it is under way.
pub(crate) fn start_hanging(site: &Site, micros: u32, settings: &[&str]) -> Gateway {
    // The calls of one thread are counted apart, so that the start goes well.
    let hangs = format!("inject=fdatasync:delay_enter={micros}:when=15");
    let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &hangs];
    site.start_under(&strace, settings)
}

/// Texts about one person after the other until the disk hangs: whose text that is, and a thread that ends with its response,
/// `None` if the session ends without.
pub(crate) fn text_until_it_hangs(gateway: &Gateway) -> (usize, JoinHandle<Option<Pdu>>) {
    let (told, answered) = mpsc::channel();
    let mut operator = Peer::bound(&gateway.smpp);
    let texts = std::thread::spawn(move || {
        for person in 0..100 {
            operator.send(&submit(person as u32 + 2, HOME, "8103", &request(person)));
            let response = operator.read_until(Command::SUBMIT_SM_RESP);
            // Nobody listens any more after the one that hung.
            if response.is_none() || told.send(person).is_err() {
                return response;
            }
        }
        panic!("the disk does not hang");
    });
    // The first text of which nothing is heard for so long is the one.
    let quick = std::iter::from_fn(|| answered.recv_timeout(Duration::from_secs(2)).ok());
    (quick.last().map_or(0, |last| last + 1), texts)
}

fn request(person: usize) -> String {
    format!("2 {}", document(person))
}

#[test]
fn a_decision_that_lost_its_reservation_is_undone_before_anybody_hears_of_it() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let second = sites[1].start();
    // Longer than a reservation holds.
    let first = start_hanging(&sites[0], 16_000_000, &[]);
    let (hung, texts) = text_until_it_hangs(&first);
    let taken = insist(&second, HOME, &request(hung));
    assert_eq!(texts.join().unwrap(), None, "its session ends without a response");
    assert_eq!(code(&sms(&first, HOME, &request(hung))), code(&taken));
    assert!(!granted_in(&sites[0]).0.contains_key(&document(hung)));
    let metrics = first.metrics();
    assert!(metrics.contains("icaze_cluster_late_total{result=\"undone\"} 1"), "{metrics}");
}

#[test]
fn a_cluster_that_goes_away_before_a_confirmation_holds_acknowledgements_back_and_the_next_start_settles_them()
 {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 1);
    let mut gateway = start_hanging(&sites[0], 4_000_000, &["SMPP__DRAIN_S=1"]);
    let (hung, texts) = text_until_it_hangs(&gateway);
    (0..6).for_each(|index| servers.kill(index));
    until("the disk to go on", || granted_in(&sites[0]).0.contains_key(&document(hung)));
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0), "it ends in order all the same\n{}", sites[0].log());
    assert_eq!(texts.join().unwrap(), None, "what is not confirmed is not acknowledged");
    (0..6).for_each(|index| servers.restart(index));
    runtime.block_on(servers.whole());
    let gateway = sites[0].start();
    let reply = sms(&gateway, HOME, &request(hung));
    let codes = granted_in(&sites[0]).0.remove(&document(hung)).unwrap();
    assert_eq!(codes, BTreeSet::from([code(&reply).unwrap().to_owned()]), "{reply}");
}

#[test]
fn settings_that_lose_are_named_and_gateways_of_another_key_or_store_are_refused() {
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

    // A gateway that lost its disk would give the codes of the lost one again.
    drop(sites[0].start());
    fs::remove_dir_all(sites[0].dir.path().join("data")).unwrap();
    refused(&["serve", "--config", config], &["node.id", "another store"]);
    fs::remove_dir_all(sites[0].dir.path().join("data")).unwrap();
    drop(sites[0].start_with(&["NODE__ID=2"]));
}

/// What a ledger says of each document: the codes it was granted, but for those that ended undelivered, and whether any decision
/// names it.
fn granted_in(site: &Site) -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let (data, config) = (site.dir.path().join("data"), site.config());
    let dump = granted(&["ledger", "dump", data.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    let records: Vec<serde_json::Value> =
        dump.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let undelivered: BTreeSet<u64> = records
        .iter()
        .filter(|record| record["kind"] == "undelivered")
        .flat_map(|record| {
            record["refers_to"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64)
        })
        .collect();
    let (mut codes, mut decided) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeSet::new());
    for record in records.iter().filter(|record| record["kind"] == "decision") {
        let document = record["document"].as_str().unwrap().to_owned();
        if record["outcome"] == "granted" && !undelivered.contains(&record["seq"].as_u64().unwrap()) {
            let code = record["permit"]["code"].as_str().unwrap().to_owned();
            codes.entry(document.clone()).or_default().insert(code);
        }
        decided.insert(document);
    }
    (codes, decided)
}

#[test]
fn servers_and_gateways_are_killed_under_load_and_nothing_acked_is_lost_nor_granted_twice() {
    const PERSONS: usize = 3_000;
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 3);
    let mut gateways: Vec<Gateway> = sites.iter().map(Site::start).collect();
    let told = Codes::default();
    let mut crowds: Vec<Crowd> =
        gateways.iter().map(|gateway| Crowd::text(&gateway.smpp, PERSONS, &told)).collect();

    crowds[0].has_acked(PERSONS / 10);
    drop(gateways.remove(0));
    crowds[1].has_acked(PERSONS / 4);
    let victim = runtime.block_on(servers.primaries())[0];
    servers.kill(victim);
    assert!(crowds.iter().all(|crowd| !crowd.is_done()), "too late: nothing was under way");
    runtime.block_on(servers::until(async || servers.primaries().await.len() == 3));
    servers.restart(victim);
    // More than the two other primaries have: all three take writes.
    crowds[2].has_acked(PERSONS * 9 / 10);
    gateways.insert(0, sites[0].start());
    crowds[0].moved_to(&gateways[0].smpp);

    let answers: Vec<Answers> = crowds.into_iter().map(Crowd::end).collect();
    drop(gateways);
    let told = told.lock().unwrap();
    let ledgers: Vec<_> = sites.iter().map(granted_in).collect();
    for person in 0..PERSONS {
        let document = document(person);
        let codes: BTreeSet<&String> =
            ledgers.iter().flat_map(|(codes, _)| codes.get(&document).into_iter().flatten()).collect();
        assert_eq!(codes.len(), 1, "{document} has one permit");
        let told: BTreeSet<&String> = told[&person].iter().collect();
        assert_eq!(told, codes, "{document} is told that permit");
        for (_, decided) in &ledgers {
            assert!(decided.contains(&document), "{document} was acknowledged");
        }
    }
    let put_off: usize = answers.iter().map(|answers| answers.put_off).sum();
    println!("{put_off} of {} were asked to come again", PERSONS * answers.len());
}
