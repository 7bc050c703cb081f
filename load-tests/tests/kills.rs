//! A short run of kills against the gateway that was built beside this test.

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
