//! Officers ask any of several gateways.

use std::fs;
use std::process::Command;

use icaze_store::ledger::{FileStorage, MasterKey};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::cli::{code, config, granted, icaze, sms};
use crate::cluster::{cluster, forget, insist, sites, start_hanging, text_until_it_hangs};
use crate::crowd::document;
use crate::lookups::{ask, get, look_up, post};
use crate::servers::Servers;
use crate::support::{Gateway, Site, until, workspace};
use crate::tls::Authority;

const HOME: &str = "+994501234567";
const OTHER: &str = "+994507654321";

/// Verdict, the first permit's state, and who is missing.
fn told(answer: &Value) -> (Value, Value, Value) {
    (answer["verdict"].clone(), answer["permits"][0]["state"].clone(), answer["missing_nodes"].clone())
}

/// Waits until both gateways know where the other one answers: then each tells what the other one holds.
fn acquainted(first: &Gateway, second: &Gateway) {
    for gateway in [first, second] {
        until("the gateways to know each other", || {
            look_up(gateway, "health", "phone", OTHER)["missing_nodes"].is_null()
        });
    }
}

fn trail(gateway: &Gateway) -> Vec<Value> {
    let page = get(gateway, "auditor", "/v1/audit").json();
    page["records"].as_array().unwrap().clone()
}

fn revoke(gateway: &Gateway, code: &str) -> crate::support::Answer {
    post(gateway, "admin", &format!("/v1/permits/{code}/revocation"), &json!({"reason": "forged papers"}))
}

#[test]
fn every_gateway_tells_and_ends_the_permits_of_the_others_and_the_asked_ones_trail_has_who_asked() {
    let (_runtime, mut servers) = cluster();
    let sites = sites(&servers, 2);
    let settings = ["LOG__LEVEL=trace", "HTTP__RATE=0"];
    let (first, second) = (sites[0].start_with(&settings), sites[1].start_with(&settings));
    acquainted(&first, &second);
    let reply = sms(&first, HOME, "2 AZE10000001");
    let code = code(&reply).unwrap();
    let (before, elsewhere) = (trail(&second).len(), trail(&first).len());
    let questions = [
        ("inspector", "code", code),
        ("inspector", "document", "AZE10000001"),
        ("inspector", "document", "aa 1000001"),
        ("health", "phone", HOME),
    ];
    for (scope, by, value) in questions {
        let answer = look_up(&second, scope, by, value);
        assert_eq!(told(&answer), (json!("valid"), json!("valid"), Value::Null), "{by}: {answer}");
        let permit = &answer["permits"][0];
        assert_eq!(answer["permits"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!((&permit["code"], &permit["document"]), (&json!(code), &json!("AZE10000001")), "{answer}");
        assert_eq!(permit, &look_up(&first, scope, by, value)["permits"][0], "as its own gateway tells it");
    }
    // Reading a trail is in it.
    assert_eq!(trail(&second).len() - before, questions.len() + 1, "one record for each look-up");
    assert_eq!(trail(&first).len() - elsewhere, questions.len() + 1, "of its own look-ups only");

    let answer = revoke(&second, code);
    assert_eq!(answer.status, 200, "{answer:?}");
    for gateway in [&second, &first] {
        for (by, value) in [("code", code), ("document", "AZE10000001")] {
            let answer = look_up(gateway, "inspector", by, value);
            assert_eq!(told(&answer), (json!("not_valid"), json!("revoked"), Value::Null), "{by}: {answer}");
        }
    }
    assert_eq!(revoke(&second, code).status, 404, "none that stands");

    let kept = all_of(&servers);
    assert!(kept.contains(":p:") && kept.contains(":n:0:") && kept.contains(":http:1"), "{kept}");
    for personal in ["501234567", "10000001"] {
        assert!(!kept.contains(personal), "{personal} is in Redis: {kept}");
    }

    (0..6).for_each(|index| servers.kill(index));
    let answer = look_up(&second, "inspector", "document", "AZE10000001");
    let ended = (json!("not_valid"), json!("revoked"), Value::Null);
    assert_eq!(told(&answer), ended, "without Redis the others are asked: {answer}");
    for site in &sites {
        let log = site.log();
        for personal in ["501234567", "10000001", &code.replace('-', ""), code] {
            assert!(!log.contains(personal), "{personal} is in the log");
        }
    }
}

/// All that the servers have, as text.
pub(crate) fn all_of(servers: &Servers) -> String {
    let cli = |port: &str, command: &[&str]| {
        let output = Command::new("redis-cli").args(["-p", port]).args(command).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut text = String::new();
    for port in servers.ports.iter().map(u16::to_string) {
        for key in cli(&port, &["KEYS", "*"]).lines() {
            // A replica leads on to its primary.
            text += &format!("{key} {} {}\n", cli(&port, &["HGETALL", key]), cli(&port, &["GET", key]));
        }
    }
    text
}

#[test]
fn what_a_gateway_that_is_away_has_granted_is_told_from_redis_and_what_only_it_knows_is_said_to_be_missing() {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 2);
    let settings = ["HTTP__RATE=0"];
    let (first, second) = (sites[0].start_with(&settings), sites[1].start_with(&settings));
    acquainted(&first, &second);
    let replies = [sms(&first, HOME, "2 AZE10000001"), sms(&first, OTHER, "2 AZE10000002")];
    let [standing, revoked] = replies.each_ref().map(|reply| code(reply).unwrap());
    assert_eq!(revoke(&first, revoked).status, 200);
    // Its drop kills it.
    drop(first);

    let away = json!([0]);
    for (by, value) in [("code", standing), ("document", "AA1000001")] {
        let answer = look_up(&second, "inspector", by, value);
        assert_eq!(told(&answer), (json!("valid"), json!("valid"), away.clone()), "{by}: {answer}");
        let permit = &answer["permits"][0];
        assert_eq!((&permit["code"], &permit["document"]), (&json!(standing), &Value::Null), "{answer}");
    }
    for (by, value) in [("code", revoked), ("document", "AZE10000002")] {
        let answer = look_up(&second, "inspector", by, value);
        assert_eq!(told(&answer), (json!("not_valid"), json!("revoked"), away.clone()), "{by}: {answer}");
    }
    let answer = look_up(&second, "inspector", "document", "AZE10000003");
    assert_eq!(
        told(&answer),
        (json!("not_valid"), Value::Null, Value::Null),
        "Redis knows all that count: {answer}"
    );
    let nobody_knows = (json!("unknown"), Value::Null, away.clone());
    let answer = look_up(&second, "health", "phone", HOME);
    assert_eq!(told(&answer), nobody_knows, "{answer}");
    let mut long_ago = ask("document", "AZE10000001");
    long_ago["at"] = json!((Timestamp::now() - jiff::SignedDuration::from_hours(240)).to_string());
    let answer = post(&second, "inspector", "/v1/lookups", &long_ago).json();
    assert_eq!(told(&answer), nobody_knows, "older than what Redis keeps: {answer}");
    let refused = revoke(&second, standing);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{refused:?}");
    assert!(refused.body.contains("gateway 0"), "{refused:?}");

    forget(&runtime, &servers);
    let answer = look_up(&second, "inspector", "code", standing);
    assert_eq!(told(&answer), nobody_knows, "{answer}");
    (0..6).for_each(|index| servers.kill(index));
    for (by, value) in [("code", standing), ("document", "AZE10000001")] {
        let answer = look_up(&second, "inspector", by, value);
        assert_eq!(told(&answer), nobody_knows, "without Redis too, {by}: {answer}");
    }
    (0..6).for_each(|index| servers.restart(index));
    runtime.block_on(servers.whole());

    let first = sites[0].start();
    acquainted(&first, &second);
    let answer = look_up(&second, "inspector", "code", standing);
    assert_eq!(told(&answer), (json!("valid"), json!("valid"), Value::Null), "{answer}");
    assert_eq!(answer["permits"][0]["document"], "AZE10000001");
    let answer = post(&second, "inspector", "/v1/lookups", &long_ago).json();
    assert_eq!(told(&answer), (json!("not_valid"), Value::Null, Value::Null), "it has been asked: {answer}");
}

#[test]
fn what_all_of_redis_lost_is_replayed_from_the_ledgers_and_what_was_granted_again_meanwhile_is_counted() {
    let (runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let (first, second) = (sites[0].start(), sites[1].start());
    acquainted(&first, &second);
    let replies =
        ["AZE10000001", "AZE10000002", "MYI1000001"].map(|id| sms(&first, HOME, &format!("2 {id}")));
    let [standing, doubled, revoked] = replies.each_ref().map(|reply| code(reply).unwrap());
    assert_eq!(revoke(&first, revoked).status, 200);
    forget(&runtime, &servers);
    let again = sms(&second, HOME, "2 AZE10000002");
    assert!(code(&again).is_some_and(|code| code != doubled), "nobody knows better: {again}");

    for (running, conflicts) in [(Some(first), 1), (None, 0)] {
        let report = granted(&["cluster", "replay", "--config", &config(&sites[0])]);
        assert!(report.contains("3 permits of the last 8 days"), "{report}");
        assert_eq!(report.contains("1 of them are one too many"), conflicts == 1, "counted once: {report}");
        // Its drop kills it: then a ledger is told without its gateway.
        drop(running);
    }
    let answer = sms(&second, HOME, "kod 2 AZE10000001");
    assert_eq!(code(&answer), Some(standing), "{answer}");
    let answer = look_up(&second, "inspector", "code", revoked);
    assert_eq!(told(&answer).1, json!("revoked"), "{answer}");
    let spent = sms(&second, OTHER, "2 MYI1000001");
    assert!(code(&spent).is_none(), "its allowance stays spent: {spent}");
}

/// A token as the gateways of this site's key make them.
fn token(site: &Site, asked: &str, for_s: i64) -> String {
    let storage = FileStorage::read_only(&site.dir.path().join("data")).unwrap();
    let key = MasterKey::open(&site.dir.path().join("ledger.key"), &storage).unwrap();
    let secret: [u8; 32] = key.derive("questions between gateways");
    let exp = Timestamp::now().as_second() + for_s;
    let claims = json!({"iss": "icaze-node-1", "aud": asked, "exp": exp});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(&secret)).unwrap()
}

#[test]
fn only_gateways_of_the_same_key_are_answered_as_such_and_nowhere_else() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 1);
    let gateway = sites[0].start();
    let question = json!({"by": "document", "value": "AZE10000001", "at": null}).to_string();
    let ask = |gateway: &Gateway, path: &str, token: &str, body: &str| {
        let headers = [&*format!("Authorization: Bearer {token}"), "Content-Type: application/json"];
        gateway.ask(&format!("POST {path}"), &headers, body).status
    };
    let good = token(&sites[0], "icaze-node-0", 10);
    assert_eq!(ask(&gateway, "/peers/lookups", &good, &question), 200);
    let [head, claims, mac] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let forged = format!("{head}.{claims}.{}", mac.chars().rev().collect::<String>());
    let (over, elsewhere) = (token(&sites[0], "icaze-node-0", -10), token(&sites[0], "icaze-node-1", 10));
    for wrong in [&forged, &over, &elsewhere, "demo-inspector", "demo-admin", ""] {
        assert_eq!(ask(&gateway, "/peers/lookups", wrong, &question), 401, "{wrong}");
        assert_eq!(ask(&gateway, "/peers/revocations", wrong, "{\"code\":\"\"}"), 401, "{wrong}");
    }
    let officer = json!({"by": "document", "value": "AZE10000001", "reason": "check"}).to_string();
    assert_eq!(ask(&gateway, "/v1/lookups", &good, &officer), 401, "no officer's token");
    let alone = Site::new("");
    let alone = alone.start();
    assert_eq!(ask(&alone, "/peers/lookups", &good, &question), 404, "nobody shares with it");
}

#[test]
fn gateways_that_may_decide_alone_grant_so_many_permits_and_tell_them_when_the_cluster_is_back() {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 2);
    let settings = ["REDIS__AWAY=local", "REDIS__LOCAL_AFTER_S=1", "REDIS__LOCAL_MAX=2"];
    let (first, second) = (sites[0].start_with(&settings), sites[1].start_with(&settings));
    let text =
        |gateway: &Gateway, text: &str| icaze(&["sms", "--from", HOME, "--server", &gateway.smpp, text]);
    (0..6).for_each(|index| servers.kill(index));
    let once = insist(&first, HOME, "2 AZE20000001");
    let twice = insist(&second, HOME, "2 AZE20000001");
    assert!(code(&once).is_some() && code(&twice).is_some() && code(&once) != code(&twice), "{once} {twice}");
    assert_eq!(code(&sms(&first, HOME, "2 AZE20000001")), code(&once), "what it knows itself counts");
    assert_eq!(first.ask("GET /readyz", &[], "").status, 200, "it grants");
    let other = sms(&first, HOME, "2 AZE20000002");
    let refused = text(&first, "2 AZE20000003");
    assert!(!refused.ok && refused.err.contains("ESME_RTHROTTLED"), "{}{}", refused.out, refused.err);
    until("not ready", || first.ask("GET /readyz", &[], "").body.contains("redis.local_max"));
    assert!(first.metrics().contains("icaze_cluster_local_total 2"), "{}", first.metrics());

    (0..6).for_each(|index| servers.restart(index));
    runtime.block_on(servers.whole());
    for site in &sites {
        until("the grants to be told", || {
            site.log().contains("the cluster knows what was granted without it")
        });
    }
    assert_eq!(code(&insist(&second, HOME, "2 AZE20000002")), code(&other));
    assert!(code(&insist(&first, HOME, "2 AZE20000003")).is_some());
    let conflicts = |gateway: &Gateway| {
        let metrics = gateway.metrics();
        metrics.lines().filter(|line| *line == "icaze_cluster_late_total{result=\"conflict\"} 1").count()
    };
    assert_eq!(conflicts(&first) + conflicts(&second), 1, "the one grant too many is counted");
    until("ready", || first.ask("GET /readyz", &[], "").status == 200);
}

/// Regimes of a site's own: the demo's rules, each with what it states, one from the instant on at which the one before ends.
fn state(site: &Site, first: &str, then: Option<(Timestamp, &str)>) -> String {
    let dir = site.dir.path().join("regimes");
    fs::create_dir(&dir).unwrap();
    let demo = fs::read_to_string(workspace().join("config/regimes/demo/demo.toml")).unwrap();
    let (from, id) = ("from = 2020-12-14T00:00\n", "id = \"demo\"");
    assert!(demo.contains(from) && demo.contains(id), "{demo}");
    let local = |at: Timestamp| {
        TimeZone::get("Asia/Baku").unwrap().to_datetime(at).strftime("%Y-%m-%dT%H:%M").to_string()
    };
    let until = then.map_or(String::new(), |(at, _)| format!("until = {}\n", local(at)));
    fs::write(
        dir.join("first.toml"),
        demo.replace(from, &format!("{from}{until}without_cluster = {first:?}\n")),
    )
    .unwrap();
    if let Some((at, choice)) = then {
        let text = demo.replace(id, "id = \"second\"");
        let from_then = format!("from = {}\nwithout_cluster = {choice:?}\n", local(at));
        fs::write(dir.join("second.toml"), text.replace(from, &from_then)).unwrap();
    }
    format!("REGIME__DIR={}", dir.display())
}

#[test]
fn each_regime_states_whether_permits_are_granted_without_the_cluster_and_what_was_granted_so_is_told_under_the_next()
 {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 2);
    // Late enough that the first regime is in force for what it is to decide.
    let then = Timestamp::from_second((Timestamp::now().as_second() + 30).div_euclid(60) * 60 + 60).unwrap();
    let bounds = ["REDIS__LOCAL_AFTER_S=1", "REDIS__LOCAL_MAX=2"];
    let start = |site: &Site, away: &str, regimes: &str| {
        site.start_with(&[&bounds[..], &[&format!("REDIS__AWAY={away}"), regimes]].concat())
    };
    let changing = start(&sites[0], "refuse", &state(&sites[0], "local", Some((then, "refuse"))));
    let refusing = start(&sites[1], "local", &state(&sites[1], "refuse", None));
    let text =
        |gateway: &Gateway, text: &str| icaze(&["sms", "--from", HOME, "--server", &gateway.smpp, text]);
    let refused = |gateway: &Gateway, asked: &str| {
        let said = text(gateway, asked);
        assert!(!said.ok && said.err.contains("ESME_RTHROTTLED"), "{}{}", said.out, said.err);
    };
    let granted_alone = |gateway: &Gateway, count: u64| {
        assert_eq!(gateway.metric("icaze_cluster_local_total"), count);
    };
    (0..6).for_each(|index| servers.kill(index));
    // Each text is put off for two seconds, so that the cluster has been away for long after the first.
    (0..2).for_each(|_| refused(&refusing, "2 AZE20000002"));
    let alone = insist(&changing, HOME, "2 AZE20000001");
    assert!(code(&alone).is_some(), "{alone}");
    refused(&refusing, "2 AZE20000002");
    granted_alone(&refusing, 0);
    assert_eq!(changing.ask("GET /readyz", &[], "").status, 200, "it grants");
    assert_eq!(refusing.ask("GET /readyz", &[], "").status, 503, "it does not");
    assert!(Timestamp::now() < then, "too slow a machine: the second regime is in force already");

    std::thread::sleep((then - Timestamp::now()).unsigned_abs());
    until("not ready", || changing.ask("GET /readyz", &[], "").status == 503);
    refused(&changing, "2 AZE20000002");
    granted_alone(&changing, 1);
    assert_eq!(code(&sms(&changing, HOME, "2 AZE20000001")), code(&alone), "its permit stands");

    (0..6).for_each(|index| servers.restart(index));
    runtime.block_on(servers.whole());
    let told = "the cluster knows what was granted without it granted=1";
    until("the grant to be told", || sites[0].log().contains(told));
    assert_eq!(code(&insist(&refusing, HOME, "2 AZE20000001")), code(&alone), "its permit stands everywhere");
    assert!(code(&insist(&changing, HOME, "2 AZE20000002")).is_some());
    until("ready", || [&changing, &refusing].iter().all(|it| it.ask("GET /readyz", &[], "").status == 200));
}

#[test]
fn what_was_under_way_when_the_cluster_went_is_acknowledged_by_a_gateway_that_may_decide_alone() {
    let (runtime, mut servers) = cluster();
    let sites = sites(&servers, 2);
    let gateway = start_hanging(&sites[0], 4_000_000, &["REDIS__AWAY=local", "REDIS__LOCAL_AFTER_S=1"]);
    let (hung, texts) = text_until_it_hangs(&gateway);
    (0..6).for_each(|index| servers.kill(index));
    let response = texts.join().unwrap();
    assert!(response.is_some_and(|response| response.status.is_ok()), "acknowledged without the cluster");
    (0..6).for_each(|index| servers.restart(index));
    runtime.block_on(servers.whole());
    until("the grant to be told", || {
        sites[0].log().contains("the cluster knows what was granted without it")
    });
    let text = format!("2 {}", document(hung));
    assert_eq!(code(&insist(&sites[1].start(), HOME, &text)), code(&sms(&gateway, HOME, &text)));
}

#[test]
fn gateways_ask_each_other_in_tls_and_not_whom_nobody_vouches_for() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 3);
    let (authority, dir) = (Authority::new(), sites[0].dir.path());
    authority.sign("127.0.0.1").save(dir, "gateway");
    let roots = dir.join("roots.pem");
    fs::write(&roots, &authority.1).unwrap();
    let first = sites[0].start_with(&[
        "HTTP__TLS=true",
        &format!("TLS__CERTIFICATE={}", dir.join("gateway.pem").display()),
        &format!("TLS__KEY={}", dir.join("gateway.key").display()),
    ]);
    let trusting =
        sites[1].start_under(&["env", &format!("SSL_CERT_FILE={}", roots.display())], &["HTTP__RATE=0"]);
    let doubting = sites[2].start_with(&["HTTP__RATE=0"]);
    let reply = sms(&first, HOME, "2 AZE10000001");
    until("it to be asked", || {
        look_up(&trusting, "inspector", "code", code(&reply).unwrap())["missing_nodes"].is_null()
    });
    let answer = look_up(&trusting, "inspector", "document", "AZE10000001");
    assert_eq!(answer["permits"][0]["document"], "AZE10000001", "{answer}");
    let answer = look_up(&doubting, "inspector", "document", "AZE10000001");
    assert_eq!(told(&answer), (json!("valid"), json!("valid"), json!([0])), "only Redis tells it: {answer}");
    let log = sites[2].log();
    assert!(log.contains("a look-up misses a gateway") && !log.contains("nobody has heard of it"), "{log}");
}
