//! Alert rules, dashboard and runbook speak of metrics that exist, and of each other.

use std::collections::BTreeSet;
use std::fs;

use crate::cli::sms;
use crate::lookups::look_up;
use crate::support::{Site, workspace};

/// The names of metrics in `text`: ours, and the process's.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words.filter(|word| word.starts_with("icaze_") || word.starts_with("process_")).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join("docs").join(path)).unwrap()
}

#[test]
fn each_metric_of_alerts_and_dashboard_is_exported() {
    let site = Site::new("");
    let gateway = site.start();
    sms(&gateway, "+994501234567", "2 AZE10000001");
    look_up(&gateway, "inspector", "document", "AZE10000001");
    // Each of these comes with its first event; those of the cluster are shown where there is one.
    let later = [
        "icaze_cluster_calls_total",
        "icaze_cluster_errors_total",
        "icaze_cluster_late_total",
        "icaze_cluster_local_total",
        "icaze_lookups_in_bulk_total",
        "icaze_smpp_binds_refused_total",
        "icaze_throttled_total",
    ];
    let metrics = gateway.metrics();
    let exported = names(&metrics);
    for file in ["operations/alerts.yml", "operations/alerts_test.yml", "operations/grafana.json"] {
        let text = read(file);
        let missing: Vec<&str> = names(&text)
            .into_iter()
            .filter(|name| !exported.contains(name) && !later.contains(name))
            .collect();
        assert!(missing.is_empty(), "{file} names {missing:?}, which nothing exports");
    }
}

#[test]
fn each_alert_has_its_entry_in_the_runbook_and_a_test() {
    let (rules, tests, runbook) =
        (read("operations/alerts.yml"), read("operations/alerts_test.yml"), read("runbook.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 12);
    for alert in alerts {
        assert!(runbook.contains(&format!("\n## {alert}\n")), "{alert} has no entry in runbook.md");
        assert!(
            rules.contains(&format!("docs/runbook.md#{}}}", alert.to_lowercase())),
            "{alert} links elsewhere"
        );
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert} has no test");
    }
}
