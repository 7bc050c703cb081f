//! The register is changed while the gateway runs.

use std::fs;
use std::path::PathBuf;

use crate::cli::{config, granted, refused, sms};
use crate::support::{Gateway, Site, until};

const PHONE: &str = "+994501234567";
const OTHER: &str = "+994507654321";
const COLUMNS: &str = "document,person,birth_date,document_expires,status,region,flags";

/// A gateway whose register is a snapshot of the known documents and a few adults.
struct Bench {
    site: Site,
}

impl Bench {
    fn new() -> Self {
        let site = Site::new("");
        let bench = Self { site };
        granted(&["register", "synth", "--count", "100", "--out", &bench.path("residents.csv")]);
        granted(&[
            "register",
            "import",
            &bench.path("residents.csv"),
            "--out",
            &bench.path("register.snapshot"),
        ]);
        bench
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.site.dir.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    fn start(&self) -> Gateway {
        self.site.start_with(&[&format!("REGISTER__PATH={}", self.path("register.snapshot"))])
    }

    /// A file of changes with this line.
    fn changes(&self, line: &str) -> String {
        let path = self.path("changes.csv");
        fs::write(&path, format!("{COLUMNS}\n{line}\n")).unwrap();
        path
    }

    fn apply(&self, file: &str) -> String {
        granted(&["register", "apply", file, "--config", &config(&self.site)])
    }

    fn register_of_last_decision(&self) -> u64 {
        let dump = granted(&["ledger", "dump", &self.path("data"), "--config", &config(&self.site)]);
        let lines = dump.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|record| record["register"].as_u64()).next_back().unwrap()
    }
}

#[test]
fn a_change_is_decided_from_at_once_named_by_decisions_and_there_after_a_restart() {
    let bench = Bench::new();
    let mut gateway = bench.start();
    let unknown = sms(&gateway, PHONE, "2 AZE77777777");
    assert!(!unknown.starts_with("İCAZƏ VAR"), "{unknown}");
    assert_eq!(bench.register_of_last_decision(), 1);
    let said = bench.apply(&bench.changes("AZE77777777,77777,1990-01-01,,valid,Baku,"));
    assert!(said.starts_with("generation 2: "), "{said}");
    // The same text from the same phone would be the same message again, and get the same answer.
    assert!(sms(&gateway, OTHER, "2 AZE77777777").starts_with("İCAZƏ VAR"));
    assert_eq!(bench.register_of_last_decision(), 2);
    bench.apply(&bench.changes("AZE20000000,1000,1985-03-12,,revoked,Baku,"));
    assert!(!sms(&gateway, PHONE, "2 AZE20000000").starts_with("İCAZƏ VAR"));
    let sent = "icaze_replies_total{operator=\"demo\",result=\"sent\"} 3";
    until(sent, || gateway.metrics().contains(sent));
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));
    let gateway = bench.start();
    // A phone that no earlier reply can still be on its way to.
    let reply = sms(&gateway, "+994501112233", "1 AZE77777777");
    assert!(reply.starts_with("İCAZƏ VAR"), "{reply}");
    assert_eq!(bench.register_of_last_decision(), 3);
}

#[test]
fn what_is_not_right_changes_nothing_and_the_old_register_serves() {
    let bench = Bench::new();
    let gateway = bench.start();
    let config = config(&bench.site);
    let apply =
        |file: &str, words: &[&str]| refused(&["register", "apply", file, "--config", &config], words);
    apply(&bench.changes("AZE77777777,77777,1990-01-01,,good,Baku,"), &["line 2", "status"]);
    let whole = fs::read(bench.path("register.snapshot")).unwrap();
    let cut = bench.path("cut.snapshot");
    fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    apply(&cut, &["cut.snapshot", "copy it again"]);
    granted(&["register", "synth", "--count", "50", "--out", &bench.path("fewer.csv")]);
    let fewer = bench.path("fewer.snapshot");
    granted(&["register", "import", &bench.path("fewer.csv"), "--out", &fewer]);
    apply(&fewer, &["shrunk by more than 5 %", "agree to more"]);
    assert!(sms(&gateway, PHONE, "2 AZE20000099").starts_with("İCAZƏ VAR"), "still there");
    assert_eq!(bench.register_of_last_decision(), 1);
    granted(&["register", "apply", &fewer, "--shrink-max", "60", "--config", &config]);
    assert!(!sms(&gateway, PHONE, "2 AZE20000098").starts_with("İCAZƏ VAR"), "agreed to");
}

#[test]
fn a_register_in_csv_is_not_changed_in_use() {
    let site = Site::new("");
    let _gateway = site.start();
    let changes = site.dir.path().join("changes.csv");
    fs::write(&changes, format!("{COLUMNS}\nAZE77777777,77777,1990-01-01,,valid,Baku,\n")).unwrap();
    refused(
        &["register", "apply", changes.to_str().unwrap(), "--config", &config(&site)],
        &["a CSV file", "icaze register import"],
    );
}

#[test]
fn texts_are_decided_rightly_while_the_register_is_exchanged() {
    let bench = Bench::new();
    let gateway = bench.start();
    let changes: Vec<String> = (0..10)
        .map(|number| {
            let path = bench.path(&format!("changes-{number}.csv"));
            let line = format!("AZE7777777{number},7777{number},1990-01-01,,valid,Baku,");
            fs::write(&path, format!("{COLUMNS}\n{line}\n")).unwrap();
            path
        })
        .collect();
    let config = config(&bench.site);
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            changes.iter().for_each(|file| {
                granted(&["register", "apply", file, "--config", &config]);
            });
        });
        for number in 0..100 {
            if changing.is_finished() {
                break;
            }
            let phone = format!("+99450765{number:04}");
            let reply = sms(&gateway, &phone, &format!("2 AZE200000{number:02}"));
            assert!(reply.starts_with("İCAZƏ VAR"), "{reply}");
            let reply = sms(&gateway, &phone, "2 AZE88888888");
            assert!(!reply.starts_with("İCAZƏ VAR"), "{reply}");
        }
    });
    assert!(sms(&gateway, PHONE, "2 AZE77777779").starts_with("İCAZƏ VAR"), "the last change is there");
    assert_eq!(bench.register_of_last_decision(), 11);
}
