//! The program as people run it: what they type, what they read, and its exit status.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Gateway, Site, workspace};

const HOME: &str = "+994501234567";
const OTHER: &str = "+994507654321";

/// What a command said.
pub(crate) struct Said {
    pub(crate) ok: bool,
    status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn icaze(args: &[&str]) -> Said {
    let output =
        Command::new(env!("CARGO_BIN_EXE_icaze")).args(args).current_dir(workspace()).output().unwrap();
    Said {
        ok: output.status.success(),
        status: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command that must fail with status 1 and say all of `words` on one line.
pub(crate) fn refused(args: &[&str], words: &[&str]) {
    let said = icaze(args);
    assert_eq!(said.status, Some(1), "{args:?}: {}{}", said.out, said.err);
    let told = said.err.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(told, "{args:?} said {:?}, which lacks {words:?}", said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

pub(crate) fn granted(args: &[&str]) -> String {
    let said = icaze(args);
    assert!(said.ok, "{args:?}: {}{}", said.out, said.err);
    said.out
}

pub(crate) fn sms(gateway: &Gateway, from: &str, text: &str) -> String {
    granted(&["sms", "--from", from, "--server", &gateway.smpp, text]).trim_end().to_owned()
}

fn path(site: &Site, name: &str) -> String {
    site.dir.path().join(name).to_str().unwrap().to_owned()
}

pub(crate) fn config(site: &Site) -> String {
    path(site, "gateway.toml")
}

/// The permit's code: four letters, a dash, four letters.
pub(crate) fn code(reply: &str) -> Option<&str> {
    let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-';
    let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    reply.split_whitespace().filter(is_code).find(plain)
}

fn has_times(reply: &str) -> bool {
    reply
        .as_bytes()
        .windows(5)
        .any(|five| five[2] == b':' && [0, 1, 3, 4].iter().all(|&at| five[at].is_ascii_digit()))
}

#[test]
fn the_known_documents_get_the_replies_that_the_readme_promises() {
    let site = Site::new("");
    let gateway = site.start();
    let first = sms(&gateway, HOME, "2 AZE10000001");
    let permit = code(&first).unwrap_or_else(|| panic!("no code in {first:?}"));
    assert!(first.starts_with("İCAZƏ VAR: AZE10000001, kod 2") && has_times(&first), "{first}");
    assert_eq!(code(&sms(&gateway, HOME, "2 AZE10000001")), Some(permit));
    // The same person by an older card, in other words: the same permit.
    assert_eq!(code(&sms(&gateway, HOME, "kod 2 aa1000001")), Some(permit));
    let stranger = sms(&gateway, OTHER, "2 AZE10000001");
    assert!(stranger.starts_with("*001") && code(&stranger).is_none() && !has_times(&stranger), "{stranger}");
    for (document, says) in [
        ("AZE10000003", "yaşa görə"),
        ("AZE10000004", "müddəti bitib"),
        ("AZE10000005", "itmiş"),
        ("AZE10000006", "bu sənədlə icazə verilmir"),
        ("AZE10000007", "evdə qalın"),
        ("AZE10000008", "icazə lazım deyil"),
        ("AZE10000009", "sənəd tapılmadı"),
    ] {
        let reply = sms(&gateway, OTHER, &format!("2 {document}"));
        assert!(
            reply.contains(says) && reply.starts_with(&format!("*{}", &document[8..])),
            "{document}: {reply}"
        );
    }
    assert!(sms(&gateway, OTHER, "salam").contains("Nümunə: 2 AZE12345678"));

    let config = config(&site);
    let story = granted(&["explain", &permit.to_lowercase().replace('-', " "), "--config", &config]);
    for word in ["AZE10000001", "every check passed", "as loaded now", permit, "other_phone", "sent:"] {
        assert!(story.contains(word), "{word} in {story}");
    }
    let data = path(&site, "data");
    assert!(granted(&["ledger", "verify", &data]).contains("sound"), "beside a running gateway");
    let dump = granted(&["ledger", "dump", &data, "--config", &config]);
    assert!(dump.lines().any(|line| line.contains(permit) && line.contains("\"granted\"")), "{dump}");
    refused(&["serve", "--config", &config], &[&data, "in use"]);
}

#[test]
fn a_question_and_its_answer_explain_each_other() {
    let site = Site::new("");
    let gateway = site.start();
    assert!(sms(&gateway, HOME, "AZE10000002").starts_with("*002: kod yazılmayıb"));
    let granted_by_answer = sms(&gateway, HOME, "2");
    let permit = code(&granted_by_answer).unwrap_or_else(|| panic!("no code in {granted_by_answer:?}"));
    let config = config(&site);
    let told = granted(&["explain", permit, "--config", &config]);
    let line = told.lines().find(|line| line.starts_with("answers")).unwrap_or_else(|| panic!("{told}"));
    let help = line.split_whitespace().nth(2).unwrap().trim_end_matches(':');
    let asked = granted(&["explain", help, "--config", &config]);
    for word in ["help, no_purpose", "asks until", "\"AZE10000002\"", "answered", "granted"] {
        assert!(asked.contains(word), "{word} in {asked}");
    }
    let completed = "icaze_helps_completed_total{reason=\"no_purpose\"} 1";
    assert!(gateway.metrics().contains(completed), "{}", gateway.metrics());
}

#[test]
fn a_permit_outlives_a_kill_and_a_drained_gateway_ends_well() {
    let site = Site::new("");
    let gateway = site.start();
    let before = sms(&gateway, HOME, "2 AZE10000002");
    drop(gateway);
    let mut gateway = site.start();
    assert_eq!(sms(&gateway, HOME, "2 AZE10000002"), before);
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));
    assert!(granted(&["ledger", "verify", &path(&site, "data")]).contains("sound"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let site = Site::new("");
    drop(site.start());
    let mut dump = Command::new(env!("CARGO_BIN_EXE_icaze"))
        .args(["ledger", "dump", &path(&site, "data"), "--config", &config(&site)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(dump.stdout.take());
    let output = dump.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_wrong_configuration_is_refused_with_every_problem() {
    let site = Site::new(
        "[smpp2]\nx = 1\n[regime]\ndir = \"nowhere\"\n[register]\npath = \"nothing.csv\"\n\
         [oidc]\nissuer = \"https://login.example\"\naudience = \"icaze\"\nclient_secret_file = \"no-file\"\n",
    );
    let config = config(&site);
    refused(&["serve", "--config", &config], &[&config, "smpp2.x", "no such key"]);
    for words in [
        [config.as_str(), "smpp2.x"],
        ["nowhere", "regime.dir"],
        ["nothing.csv", "[register]"],
        ["no-file", "oidc.client_secret_file"],
    ] {
        refused(&["check-config", "--config", &config], &words);
    }
    refused(&["serve", "--config", "not-there.toml"], &["not-there.toml", "--config"]);
}

#[test]
fn a_sound_configuration_is_told_with_what_was_checked() {
    let site = Site::new("");
    let told = granted(&["check-config", "--config", &config(&site)]);
    for word in ["gateway.toml: ok", "regimes/demo: ok", "replies: ok", "residents.csv: ok", "ledger.key"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    assert!(!site.dir.path().join("data").exists(), "a check changes nothing");
}

#[test]
fn overlapping_regimes_and_overlong_replies_are_refused() {
    let site = Site::new("");
    let (regimes, replies) = (site.dir.path().join("regimes"), site.dir.path().join("replies"));
    copy(&workspace().join("config/regimes/demo"), &regimes);
    let text = fs::read_to_string(regimes.join("demo.toml")).unwrap();
    fs::write(regimes.join("more.toml"), text.replacen("id = \"demo\"", "id = \"more\"", 1)).unwrap();
    refused(&["regime", "check", regimes.to_str().unwrap()], &["more.toml", "is in force"]);

    copy(&workspace().join("config/replies"), &replies);
    let text = fs::read_to_string(replies.join("az.toml")).unwrap();
    fs::write(replies.join("az.toml"), text.replace("{tail}", &format!("{{tail}} {}", "uzun ".repeat(40))))
        .unwrap();
    let more = format!("[replies]\ndir = {replies:?}\n");
    let site = Site::new(&more);
    let config = config(&site);
    let words = [replies.to_str().unwrap(), "az.toml", "other_phone", "shorten"];
    refused(&["check-config", "--config", &config], &words);
    refused(&["serve", "--config", &config], &words);
    assert!(granted(&["replies", "--config", &config]).contains("TOO LONG"));
}

#[test]
fn a_register_is_built_as_a_whole_or_not_at_all() {
    let site = Site::new("");
    let (csv, snapshot) = (path(&site, "r.csv"), path(&site, "r.snap"));
    granted(&["register", "synth", "--count", "20", "--seed", "7", "--out", &csv]);
    assert!(granted(&["register", "info", &csv]).contains("documents: 32"));
    let mut text = fs::read_to_string(&csv).unwrap();
    text.push_str("AZE1,nobody\n");
    fs::write(&csv, text).unwrap();
    let import = ["register", "import", &csv, "--out", &snapshot];
    refused(&import, &["r.csv", "line 34", "seven columns"]);
    refused(&import, &["nothing written", "--accept-rejects"]);
    assert!(!Path::new(&snapshot).exists());
    let accepting = [import.as_slice(), &["--accept-rejects"]].concat();
    granted(&accepting);
    assert!(granted(&accepting).contains("generation 2"), "it replaces the first");
    let said = icaze(&accepting);
    assert!(said.ok && said.err.contains("1 line left out\n"), "{}", said.err);
    let text = fs::read_to_string(&csv).unwrap();
    let (mostly, _) = text.split_at(text.len() - "AZE1,nobody\n".len());
    let examples = "AA1111111,90,1980-01-01,,valid,Baku,\nMYI1234567,91,1980-01-01,,valid,Baku,\n";
    fs::write(&csv, format!("{mostly}{examples}")).unwrap();
    let said = icaze(&import);
    assert!(
        said.ok && said.err.contains("2 lines left out, with serials of replies.examples"),
        "{}",
        said.err
    );
    assert!(said.out.contains("documents: 32"), "{}", said.out);
    // The CSV is no snapshot to replace.
    refused(&["register", "import", &csv, "--out", &csv], &["r.csv", "--out"]);

    let bytes = fs::read(&snapshot).unwrap();
    fs::write(&snapshot, &bytes[..bytes.len() / 2]).unwrap();
    refused(&["register", "info", &snapshot], &["r.snap", "not copied as a whole"]);
    let site = Site::new(&format!("[register]\npath = {snapshot:?}\n"));
    refused(&["serve", "--config", &config(&site)], &["r.snap", "copy it again"]);
}

#[test]
fn a_store_without_its_key_or_with_another_is_refused() {
    let site = Site::new("");
    let gateway = site.start();
    sms(&gateway, HOME, "2 AZE10000002");
    drop(gateway);
    let (config, key, data) = (config(&site), path(&site, "ledger.key"), path(&site, "data"));
    let right = fs::read(&key).unwrap();
    fs::rename(&key, path(&site, "kept")).unwrap();
    refused(&["serve", "--config", &config], &[&key, "missing", "restore"]);
    refused(&["check-config", "--config", &config], &[&key, "missing", "restore"]);
    assert!(!Path::new(&key).exists(), "no new key takes its place");
    fs::copy(path(&site, "kept"), &key).unwrap();
    fs::write(&key, "0".repeat(64)).unwrap();
    refused(&["serve", "--config", &config], &["another master key", "store.key_file"]);
    let dump = icaze(&["ledger", "dump", &data, "--config", &config]);
    assert!(dump.ok && dump.err.contains("without personal fields"), "{}", dump.err);
    assert!(dump.out.contains("\"granted\"") && !dump.out.contains("AZE10000002"), "{}", dump.out);
    fs::write(&key, right).unwrap();
    assert!(granted(&["ledger", "dump", &data, "--config", &config]).contains("AZE10000002"));
}

#[test]
fn a_damaged_ledger_is_located_and_nothing_is_skipped() {
    let site = Site::new("");
    let gateway = site.start();
    for document in ["AZE10000001", "AZE10000002", "AZE20000000", "AZE20000001"] {
        sms(&gateway, HOME, &format!("2 {document}"));
    }
    drop(gateway);
    // The next start proves what is there to be durable.
    drop(site.start());
    let data = path(&site, "data");
    let mut logs: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let mut bytes = fs::read(&logs[0]).unwrap();
    // The operator's name stands in every entry, and is not sealed.
    let name = bytes.windows(4).position(|four| four == b"demo").unwrap();
    bytes[name] ^= 1;
    fs::write(&logs[0], bytes).unwrap();
    let file = logs[0].to_str().unwrap();
    refused(&["ledger", "verify", &data], &[file, "byte", "restore"]);
    refused(&["serve", "--config", &config(&site)], &[file, "byte", "restore"]);
}

#[test]
fn what_is_not_there_is_said_so() {
    let site = Site::new("");
    drop(site.start());
    let config = config(&site);
    refused(&["explain", "4711", "--config", &config], &["4711", "no such decision"]);
    refused(&["explain", "ABC", "--config", &config], &["ABC", "eight characters"]);
    let nowhere = path(&site, "nowhere");
    refused(&["ledger", "verify", &nowhere], &[&nowhere, "store.dir"]);
    refused(&["ledger", "dump", &nowhere], &[&nowhere, "store.dir"]);
    refused(&["register", "info", &nowhere], &[&nowhere]);
    refused(&["regime", "check", &nowhere], &[&nowhere, "cannot be read"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::new("");
    let text = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), text.replacen("127.0.0.1:0", &address, 1)).unwrap();
    refused(&["serve", "--config", &config(&site)], &["smpp.listen", &address]);
    refused(&["sms", "--from", HOME, "--server", "127.0.0.1:1", "2 AZE10000001"], &["127.0.0.1:1"]);
}

#[test]
fn the_rules_and_the_replies_are_shown_in_each_language() {
    let december = ["regime", "show", "--at", "2020-12-20T12:00:00+04:00", "config/regimes/az-2020"];
    assert!(granted(&december).contains("az-2020-12"));
    let russian = granted(&[december.as_slice(), &["--language", "ru"]].concat());
    assert!(russian.contains("Правила") && russian.contains("Код 2"), "{russian}");
    let gap = ["regime", "show", "--at", "2020-08-01T00:00:00+04:00", "config/regimes/az-2020"];
    assert!(granted(&gap).contains("the next, az-2020-12"));
    assert!(
        granted(&["regime", "check", "config/regimes/az-2020"])
            .contains("no regime is in force from 2020-07-06")
    );
    let replies = granted(&["replies"]);
    for word in ["İCAZƏ VAR", "PERMIT", "РАЗРЕШЕНО", "latin full"] {
        assert!(replies.contains(word), "{word} in {replies}");
    }
    assert!(!replies.contains("TOO LONG"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
