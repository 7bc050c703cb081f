//! A minute of chaos on the gateway that was built beside this test. A file of its own, so that nothing runs beside it.

use std::path::Path;
use std::process::Command;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_while_gateways_and_servers_of_a_cluster_fail() {
    let chaos = env!("CARGO_BIN_EXE_icaze-load-tests");
    let icaze = Path::new(chaos).parent().unwrap().join("icaze");
    assert!(icaze.exists(), "{} is not built: cargo build -p icaze-gateway first", icaze.display());
    let report = tempfile::NamedTempFile::new().unwrap();
    let chaos = Command::new(chaos)
        .arg("chaos")
        .arg("--icaze")
        .arg(icaze)
        .args(["--minutes", "1", "--seed", "1", "--documents", "3000", "--replicas", "1", "--report"])
        .arg(report.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&chaos.stdout);
    assert!(chaos.status.success(), "{said}\n{}", String::from_utf8_lossy(&chaos.stderr));
    // Every kind of fault has come, and met a load.
    let report = std::fs::read_to_string(report.path()).unwrap();
    let count = |row: &str| -> u64 {
        let row = report.lines().find_map(|line| line.strip_prefix(&format!("| {row}")));
        row.unwrap().split('|').nth(1).unwrap().trim().parse().unwrap()
    };
    for fault in ["a primary is killed", "a replica is killed", "a gateway is killed", "a primary hangs"] {
        assert!(count(fault) > 0, "{fault}: {report}");
    }
    for fault in ["a gateway hangs", "connections break", "every Redis server", "a gateway is restarted"] {
        assert!(count(fault) > 0, "{fault}: {report}");
    }
    assert!(count("acked") > 5_000 && count("granted") > 1_000, "{report}");
}
