//! Short runs against the gateway that was built beside this test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The gateway of the same profile: a package's tests are built below the directory that its programs are in.
fn icaze() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_icaze-load-tests")).parent().unwrap();
    let icaze = programs.join("icaze");
    assert!(icaze.exists(), "{} is not built: cargo build -p icaze-gateway first", icaze.display());
    icaze
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_in_twenty_kills() {
    let kills = Command::new(env!("CARGO_BIN_EXE_icaze-load-tests"))
        .arg("kills")
        .arg("--icaze")
        .arg(icaze())
        .args(["--kills", "20", "--every", "10", "--documents", "2000", "--seed", "20"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&kills.stdout);
    assert!(kills.status.success(), "{said}\n{}", String::from_utf8_lossy(&kills.stderr));
}

#[test]
fn a_flood_beyond_what_was_agreed_is_put_off_and_the_calm_operator_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("flood.json");
    let flood = Command::new(env!("CARGO_BIN_EXE_icaze-load-tests"))
        .args(["flood", "--calm", "100", "--flood", "50000", "--seconds", "2", "--rounds", "1", "--icaze"])
        .arg(icaze())
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&flood.stdout);
    assert!(flood.status.success(), "{said}\n{}", String::from_utf8_lossy(&flood.stderr));
    let figures: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let put_off = figures["noisy"]["put_off_per_second"].as_f64().unwrap();
    let count = |kind: &str| figures[kind]["count"].as_u64().unwrap();
    assert!(put_off > 0.0, "{said}");
    assert_eq!((count("quiet_acks_ms"), count("flood_acks_ms")), (200, 200), "{said}");
    assert_eq!((count("quiet_replies_ms"), count("flood_replies_ms")), (200, 200), "{said}");
    let held = |when: &str| figures[when].as_u64().unwrap();
    let grown = held("resident_max") - held("resident_before");
    assert!(grown < 64 << 20, "{grown} bytes more\n{said}");
}
