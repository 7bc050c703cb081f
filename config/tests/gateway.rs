//! The gateway's settings as an engineer meets them: layers, defaults, and what a wrong file is told.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use icaze_config::gateway::{Bind, DefaultAlphabet, Problem, Role, SHIPPED, Settings};
use proptest::prelude::*;

fn vars(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    vars.iter().map(|(name, said)| (OsString::from(name), OsString::from(said))).collect()
}

fn with_file(text: &str) -> Settings {
    let mut settings = Settings::shipped();
    settings.file("site.toml", text);
    settings
}

fn problems(settings: &Settings) -> Vec<Problem> {
    settings.validate().err().map(|problems| problems.0).unwrap_or_default()
}

fn lines(settings: &Settings) -> Vec<String> {
    problems(settings).iter().map(Problem::to_string).collect()
}

fn problem_keys(settings: &Settings) -> Vec<String> {
    problems(settings).into_iter().map(|problem| problem.key).collect()
}

#[test]
fn the_shipped_file_is_valid_and_says_what_the_contract_promises() {
    let config = Settings::shipped().validate().unwrap();
    assert_eq!(config.smpp.listen.to_string(), "127.0.0.1:2775");
    assert_eq!(config.smpp.short_numbers, ["8103"]);
    assert_eq!(config.smpp.dedupe, Duration::from_secs(600));
    assert_eq!(config.smpp.answer_lifetime, Duration::from_secs(600));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.dir.to_str(), Some("data"));
    assert_eq!(config.store.key_file.to_str(), Some("keys/ledger.key"));
    assert_eq!(config.register.path.to_str(), Some("config/demo/residents.csv"));
    assert_eq!(config.regime.dir.to_str(), Some("config/regimes/demo"));
    assert_eq!(config.replies.dir, None);
    assert!(config.redis.nodes.is_empty());
    assert_eq!(config.operators.keys().collect::<Vec<_>>(), ["demo"]);
    let demo = &config.operators["demo"];
    assert_eq!((demo.system_id.as_str(), demo.password.expose()), ("demo", b"demo1234".as_slice()));
    assert_eq!((demo.role, demo.rate_in, demo.rate_out), (Role::Listen, None, None));
    assert_eq!((demo.window_in, demo.window_out), (1000, 1000));
    assert_eq!((demo.retry_status, demo.identity_tlv), (0x58, 0x0204));
    assert_eq!(demo.data_coding_0, DefaultAlphabet::Gsm7);
}

#[test]
fn a_question_is_open_for_no_longer_than_texts_are_kept() {
    assert_eq!(Settings::shipped().validate().unwrap().limits.ask, Duration::from_secs(600));
    assert!(with_file("[limits]\nask_s = 700\n[retention]\ntexts_s = 700\n").validate().is_ok());
    assert_eq!(problem_keys(&with_file("[retention]\ntexts_s = 599\n")), ["limits.ask_s"]);
}

#[test]
fn a_later_layer_overrides_an_earlier_one_and_lacks_nothing() {
    let mut settings =
        with_file("[smpp]\nlisten = \"127.0.0.1:1\"\ndedupe_s = 60\n[limits]\nphone_max = 7\n");
    settings.environment(vars(&[
        ("ICAZE_SMPP__LISTEN", "127.0.0.1:2"),
        ("ICAZE_SMPP__SHORT_NUMBERS", "8103, +8104"),
        ("ICAZE_LIMITS__PHONE_MAX", "8"),
        ("PATH", "/bin"),
    ]));
    settings.flag("--smpp", "smpp.listen", "127.0.0.1:3");
    let config = settings.validate().unwrap();
    assert_eq!(config.smpp.listen.port(), 3);
    assert_eq!(config.smpp.short_numbers, ["8103", "+8104"]);
    assert_eq!(config.smpp.dedupe, Duration::from_secs(60));
    assert_eq!(config.limits.phone_max, 8);
    assert_eq!(config.limits.notice, Duration::from_secs(600));
}

#[test]
fn an_operator_comes_from_the_file_or_from_variables_alone() {
    let mut settings = with_file("[operators.north]\nsystem_id = \"n\"\npassword = \"p\"\nrate_in = 5\n");
    settings.environment(vars(&[
        ("ICAZE_OPERATORS__NORTH__BINDS", "receiver,transmitter"),
        ("ICAZE_OPERATORS__SOUTH_2__SYSTEM_ID", "s"),
        ("ICAZE_OPERATORS__SOUTH_2__PASSWORD", "q"),
        ("ICAZE_OPERATORS__SOUTH_2__RETRY_STATUS", "0x14"),
    ]));
    let config = settings.validate().unwrap();
    assert_eq!(config.operators.keys().collect::<Vec<_>>(), ["demo", "north", "south_2"]);
    assert_eq!(config.operators["north"].rate_in, Some(5));
    assert_eq!(config.operators["north"].binds, [Bind::Receiver, Bind::Transmitter]);
    assert_eq!(config.operators["south_2"].retry_status, 0x14);
    assert_eq!(config.operators["south_2"].window_in, 1000, "what it lacks has the shipped default");
}

#[test]
fn every_problem_is_told_with_its_place_and_key() {
    let mut settings = with_file(
        "[smpp]\nlisten = \"nowhere\"\ndedup_s = 60\n\n[node]\nid = 16\n[log]\nlevel = 3\n[smtp]\n[http]\nlisten = \"[::1]:80\"\n",
    );
    settings.environment(vars(&[("ICAZE_LIMITS__PHONE_MAX", "many"), ("ICAZE_STORE__DIRR", "x")]));
    let told = lines(&settings);
    let starts = [
        "site.toml:2: smpp.listen: is not ADDRESS:PORT; ",
        "site.toml:3: smpp.dedup_s: there is no such key; did you mean dedupe_s?",
        "site.toml:6: node.id: is out of range; write a number from 0 to 15",
        "site.toml:8: log.level: is a whole number, not a text; ",
        "site.toml:9: smtp: an empty section; ",
        "ICAZE_LIMITS__PHONE_MAX: limits.phone_max: is not a whole number; ",
        "ICAZE_STORE__DIRR: store.dirr: there is no such key; did you mean dir?",
    ];
    for start in starts {
        assert!(told.iter().any(|line| line.starts_with(start)), "{start} is not among {told:#?}");
    }
    assert_eq!(told.len(), starts.len(), "{told:#?}");
}

#[test]
fn a_variable_with_single_underscores_is_a_slip_and_a_service_variable_is_not() {
    let mut settings = Settings::shipped();
    settings.environment(vars(&[("ICAZE_SERVICE_HOST", "10.0.0.1"), ("ICAZE_HTTP_PORT", "80")]));
    assert!(lines(&settings).is_empty());
    settings.environment(vars(&[("ICAZE_SMPP_LISTEN", "127.0.0.1:5")]));
    assert_eq!(problems(&settings)[0].remedy, "write ICAZE_SMPP__LISTEN");
}

#[test]
fn broken_toml_is_located_and_what_can_be_read_is_still_checked() {
    let told = lines(&with_file("[smpp]\ndedupe_s = \n[node]\nid = 99\n"));
    assert!(told.iter().any(|line| line.starts_with("site.toml:2: ")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("site.toml:4: node.id")), "{told:#?}");
}

/// Fault 27: SMPP's account fields are refused beyond their length, never cut.
#[test]
fn an_account_beyond_smpp_is_refused() {
    let account = |id: usize, password: usize, system_type: usize| {
        let (id, password, kind) = ("i".repeat(id), "p".repeat(password), "t".repeat(system_type));
        with_file(&format!(
            "[operators.a]\nsystem_id = \"{id}\"\npassword = \"{password}\"\nsystem_type = \"{kind}\"\n"
        ))
    };
    let longest = account(15, 8, 12).validate().unwrap();
    assert_eq!(longest.operators["a"].system_id.len(), 15);
    assert_eq!(longest.operators["a"].password.expose().len(), 8);
    for (settings, key) in [
        (account(16, 8, 12), "operators.a.system_id"),
        (account(15, 9, 12), "operators.a.password"),
        (account(15, 8, 13), "operators.a.system_type"),
        (account(0, 8, 12), "operators.a.system_id"),
        (account(15, 0, 12), "operators.a.password"),
        (with_file("[operators.a]\nsystem_id = \"a\\u0000\"\npassword = \"p\"\n"), "operators.a.system_id"),
        // 8 characters, 16 bytes.
        (with_file("[operators.a]\nsystem_id = \"a\"\npassword = \"əəəəəəəə\"\n"), "operators.a.password"),
    ] {
        assert_eq!(problem_keys(&settings), [key]);
    }
}

#[test]
fn an_operator_without_an_account_is_refused_rather_than_given_the_public_one() {
    let told = lines(&with_file("[operators.a]\nrate_in = 5\n"));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("site.toml:2: operators.a.system_id: is missing"));
    assert!(told[1].starts_with("site.toml:2: operators.a.password: is missing"));
    assert_eq!(lines(&with_file("[operators.a]\n")).len(), 1, "an empty section is said");
}

#[test]
fn the_demo_account_stays_on_loopback() {
    for listener in ["[smpp]\nlisten = \"0.0.0.0:2775\"\n", "[http]\nlisten = \"[::]:80\"\n"] {
        let account = ["operators.demo.system_id", "operators.demo.password"];
        assert_eq!(problem_keys(&with_file(listener)), account);
        let own = "[operators.north]\nsystem_id = \"n\"\npassword = \"p\"\n";
        let config = with_file(&format!("{listener}{own}")).validate().unwrap();
        assert_eq!(
            config.operators.keys().collect::<Vec<_>>(),
            ["north"],
            "nobody asked for the demo account"
        );
        let typed = format!("{listener}{own}[operators.demo]\nrate_in = 1\n");
        assert_eq!(problem_keys(&with_file(&typed)), account, "and who asks is refused");
        let borrowed = format!("{listener}[operators.north]\nsystem_id = \"n\"\npassword = \"demo1234\"\n");
        assert_eq!(problem_keys(&with_file(&borrowed)), ["operators.north.password"]);
    }
    let mut settings = Settings::shipped();
    settings.flag("--http", "http.listen", "0.0.0.0:80");
    assert_eq!(problems(&settings).len(), 2, "a flag is no way around it");
}

#[test]
fn two_operators_cannot_share_a_system_id() {
    let one = "system_id = \"x\"\npassword = \"p\"\n";
    let settings = with_file(&format!("[operators.a]\n{one}[operators.b]\n{one}"));
    assert_eq!(problem_keys(&settings), ["operators.b.system_id"]);
}

#[test]
fn the_unspoken_demo_account_makes_way_for_one_that_has_its_system_id() {
    let config = with_file("[operators.a]\nsystem_id = \"demo\"\npassword = \"p\"\n").validate().unwrap();
    assert_eq!(config.operators.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn numbers_are_read_in_every_notation_of_toml() {
    let text = "[smpp]\nparts_max = 20_000\n[operators.demo]\nretry_status = 0x0000_0014\nwindow_in = +7\n";
    let config = with_file(text).validate().unwrap();
    assert_eq!(config.smpp.parts_max, 20_000);
    assert_eq!(config.operators["demo"].retry_status, 0x14);
    assert_eq!(config.operators["demo"].window_in, 7);
}

#[test]
fn servers_of_the_cluster_are_hosts_and_ports() {
    let config =
        with_file("[redis]\nnodes = [\"127.0.0.1:7000\", \"redis-2.example:6379\", \"[::1]:7000\"]\n");
    assert_eq!(config.validate().unwrap().redis.nodes.len(), 3);
    for wrong in ["127.0.0.1", ":7000", "redis://a:7000", "a:0", "a:b@c:7000", "a:70000"] {
        let told = problems(&with_file(&format!("[redis]\nnodes = [{wrong:?}]\n")));
        assert_eq!((told.len(), told[0].key.as_str()), (1, "redis.nodes"), "{wrong}: {told:#?}");
    }
    let advertised = |address: &str| with_file(&format!("[http]\nadvertise = {address:?}\n"));
    let config = advertised("icaze-2.example:8080").validate().unwrap();
    assert_eq!(config.http.advertise.as_deref(), Some("icaze-2.example:8080"));
    let told = problems(&advertised("http://icaze-2.example"));
    assert_eq!((told.len(), told[0].key.as_str()), (1, "http.advertise"), "{told:#?}");
    let away =
        |redis: &str| with_file(&format!("[http]\nlisten = \"0.0.0.0:8080\"\n[redis]\nnodes = [{redis}]\n"));
    let unreachable =
        |redis| problems(&away(redis)).iter().filter(|problem| problem.key == "http.advertise").count();
    assert_eq!(unreachable("\"127.0.0.1:7000\""), 1, "where should the others ask?");
    assert_eq!(unreachable(""), 0, "nobody asks");
    let told = problems(&with_file("[redis]\naway = \"grant\"\n"));
    assert_eq!((told.len(), told[0].key.as_str()), (1, "redis.away"), "{told:#?}");
}

#[test]
fn the_clusters_user_has_a_password_in_a_file() {
    let text = "[redis]\nuser = \"icaze\"\npassword_file = \"keys/redis\"\ntls = true\ntls_ca = \"ca.pem\"\n";
    let redis = with_file(text).validate().unwrap().redis;
    assert_eq!((redis.user.as_str(), redis.tls), ("icaze", true));
    assert_eq!(redis.password_file.as_deref(), Some(Path::new("keys/redis")));
    assert_eq!(redis.tls_ca.as_deref(), Some(Path::new("ca.pem")));
    for (wrong, key) in [
        ("user = \"icaze\"", "redis.user"),
        ("user = \"ica ze\"\npassword_file = \"keys/redis\"", "redis.user"),
        ("tls_ca = \"ca.pem\"", "redis.tls_ca"),
        ("password = \"secret\"", "redis.password"),
    ] {
        let told = problems(&with_file(&format!("[redis]\n{wrong}\n")));
        assert_eq!((told.len(), told[0].key.as_str()), (1, key), "{wrong}: {told:#?}");
        assert!(!told[0].to_string().contains("secret"));
    }
}

#[test]
fn http_in_tls_needs_a_certificate() {
    let told = problems(&with_file("[http]\ntls = true\n"));
    assert_eq!((told.len(), told[0].key.as_str()), (1, "http.tls"), "{told:#?}");
    let text = "[http]\ntls = true\n[tls]\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\n";
    assert!(with_file(text).validate().unwrap().http.tls);
}

/// An operator as its bind sheet says, beyond the account.
fn sheet(said: &str) -> Settings {
    with_file(&format!("[operators.a]\nsystem_id = \"a\"\npassword = \"p\"\n{said}\n"))
}

#[test]
fn a_bind_sheet_is_taken_as_a_whole() {
    let settings = sheet(
        "role = \"both\"\naddresses = [\"smsc.example:2775\", \"[2001:db8::7]:2775\"]\nbinds = [\"transmitter\", \"receiver\"]\n\
         connections = 2\ninterface_version = \"5.0\"\naddress_ton = 1\naddress_npi = 1\naddress_range = \"^8103$\"\n\
         enquire_link_timer_s = 5\nregistered_delivery = 1\nvalidity = \"relative\"\nallow = [\"192.0.2.0/24\", \"2001:db8::7\"]\n\
         outbind_system_id = \"SMSC\"\nranges = [\"99450\"]\noutside_ranges = \"refuse\"",
    );
    let operator = &settings.validate().unwrap().operators["a"];
    assert_eq!((operator.role, operator.addresses.len(), operator.connections), (Role::Both, 2, 2));
    assert_eq!((operator.interface_version, operator.connect_retry_status), (0x50, 0x64));
    assert_eq!(operator.enquire_link_timer, Duration::from_secs(5));
    assert_eq!(operator.inactivity_timer, Duration::from_secs(300), "as the node's");
    assert_eq!(operator.outbind.as_ref().map(|outbind| outbind.system_id.as_str()), Some("SMSC"));
    let caller =
        |address: &str| operator.allow.iter().any(|net| net.contains(&address.parse::<IpAddr>().unwrap()));
    assert!(caller("192.0.2.200") && caller("2001:db8::7") && !caller("192.0.3.1"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let connects = "role = \"connect\"\naddresses = [\"smsc.example:2775\"]\n";
    for (said, key) in [
        ("role = \"connect\"".to_owned(), "addresses"),
        ("addresses = [\"smsc.example:2775\"]".to_owned(), "addresses"),
        ("outbind_system_id = \"SMSC\"".to_owned(), "outbind_system_id"),
        (format!("{connects}outbind_system_id = \"SMSC\""), "allow"),
        (format!("{connects}outbind_password = \"x\""), "outbind_system_id"),
        (format!("{connects}binds = [\"receiver\"]"), "binds"),
        (format!("{connects}binds = [\"transmitter\"]"), "binds"),
        (format!("{connects}tls = true"), "tls_ca"),
        (format!("{connects}tls_ca = \"ca.pem\""), "tls_ca"),
        (format!("{connects}tls = true\ntls_ca = \"ca.pem\"\ntls_key = \"key.pem\""), "tls_certificate"),
        ("tls = true".to_owned(), "tls"),
        ("enquire_link_timer_s = 400".to_owned(), "inactivity_timer_s"),
        ("interface_version = \"6.0\"".to_owned(), "interface_version"),
        ("allow = [\"192.0.2.0/33\"]".to_owned(), "allow"),
    ] {
        assert_eq!(problem_keys(&sheet(&said)), [format!("operators.a.{key}")], "{said}");
    }
    assert_eq!(problem_keys(&with_file("[smpp]\ntls_listen = \"127.0.0.1:3550\"\n")), ["smpp.tls_listen"]);
    assert_eq!(problem_keys(&with_file("[tls]\ncertificate = \"cert.pem\"\n")), ["tls.key"]);
    let listens = "[smpp]\ntls_listen = \"127.0.0.1:3550\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
    assert!(with_file(&format!("{listens}[operators.demo]\ntls = true\n")).validate().is_ok());
}

#[test]
fn values_that_cannot_work_are_refused() {
    for (text, key) in [
        ("[smpp]\nshort_numbers = []", "smpp.short_numbers"),
        ("[smpp]\nshort_numbers = [\"8103\", \"81 04\"]", "smpp.short_numbers"),
        ("[smpp]\nlisten = \"127.0.0.1:65536\"", "smpp.listen"),
        ("[smpp]\nenquire_link_timer_s = 300", "smpp.inactivity_timer_s"),
        ("[smpp]\nnational_digits = 14", "smpp.national_digits"),
        ("[smpp]\nparts_timeout_s = -1", "smpp.parts_timeout_s"),
        ("[smpp]\nparts_keep_s = 0", "smpp.parts_keep_s"),
        ("[operators.demo]\nwindow_out = 0", "operators.demo.window_out"),
        ("[operators.demo]\nretry_status = 0", "operators.demo.retry_status"),
        ("[operators.demo]\nbinds = []", "operators.demo.binds"),
        ("[operators.demo]\ndata_coding_0 = \"ebcdic\"", "operators.demo.data_coding_0"),
        ("[operators.Demo]\nrate_in = 1", "operators.Demo.rate_in"),
        ("[operators.demo]\nidentity_tlv = 0x10000", "operators.demo.identity_tlv"),
        ("[store]\ndir = \"\"", "store.dir"),
        ("[store]\nsegment_mib = 4096", "store.segment_mib"),
        ("[replies]\nhotline = \"call us\"", "replies.hotline"),
        ("[replies]\nexample = \"2 AZE12345678 and more words\"", "replies.example"),
        ("[replies]\nexample = \"2 AA7654321\"", "replies.example"),
        ("[replies]\nexamples = [\"AZE12345678\", \"AA 1234567\"]", "replies.examples"),
        ("[log]\nformat = \"xml\"", "log.format"),
    ] {
        let told = problems(&with_file(text));
        assert_eq!(told.len(), 1, "{text}: {told:#?}");
        assert_eq!(told[0].key, key);
        assert!(!told[0].remedy.is_empty());
    }
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let told = problems(&Settings::load(&dir.path().join("none.toml"), []));
    assert_eq!(told.len(), 1);
    assert!(told[0].place.ends_with("none.toml"));
}

#[test]
fn a_password_is_in_no_debug_and_no_problem() {
    let file = "[operators.a]\nsystem_id = \"a\"\npassword = \"s3cr3t\"\n";
    let shown = format!("{:?}", with_file(file).validate().unwrap());
    assert!(!shown.contains("s3cr3t") && !shown.contains("demo1234"), "{shown}");
    let told = lines(&with_file(&file.replace("s3cr3t", "s3cr3t and far too long")));
    assert_eq!(told.len(), 1);
    assert!(!told[0].contains("s3cr3t"), "{told:?}");
    let torn = lines(&with_file("[operators.a]\npassword = \"s3cr3t\n"));
    assert!(!torn.is_empty() && !torn.concat().contains("s3cr3t"), "{torn:?}");
}

/// `section.key = value` of every key, as the shipped file has it.
fn shipped() -> Vec<String> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in SHIPPED.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = if name == "operators.demo" { "operators.NAME" } else { name },
            None if line.contains(" = ") => rows.push(format!("{section}.{line}")),
            None => {}
        }
    }
    rows
}

/// The same, as the document has it: a heading for each section, a table row for each key.
fn documented() -> Vec<String> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in include_str!("../../docs/configuration.md").lines() {
        if let Some(name) = line.strip_prefix("## `[").and_then(|line| line.strip_suffix("]`")) {
            section = name;
        } else if let Some((key, rest)) = line.strip_prefix("| `").and_then(|row| row.split_once("` | `")) {
            let value = rest.split_once("` |").map_or(rest, |(value, _)| value);
            rows.push(format!("{section}.{key} = {value}"));
        }
    }
    rows
}

#[test]
fn the_documented_keys_are_the_shipped_ones_with_their_defaults() {
    assert!(shipped().len() > 50);
    assert_eq!(documented(), shipped());
}

proptest! {
    #[test]
    fn no_file_and_no_variable_panics(text in "\\PC{0,200}", key in "[A-Z_]{0,30}", said in "\\PC{0,30}") {
        let mut settings = with_file(&text);
        settings.environment(vars(&[(&format!("ICAZE_{key}"), &said)]));
        for problem in problems(&settings) {
            prop_assert_eq!(problem.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn whatever_number_is_typed_is_honoured_or_refused(number in any::<i64>()) {
        let settings = with_file(&format!("[limits]\nphone_max = {number}\n"));
        match settings.validate() {
            Ok(config) => prop_assert_eq!(i64::from(config.limits.phone_max), number),
            Err(problems) => prop_assert_eq!(&problems.0[0].key, "limits.phone_max"),
        }
    }
}
