//! The API against its own description, as Schemathesis reads it: no server error, and no answer that is not described.

use std::process::Command;

use crate::peers::installed;
use crate::support::Site;

/// Streams for ever.
const STREAM: &str = "/v1/events";

#[test]
fn what_is_answered_is_what_is_described() {
    let site = Site::new("");
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    let description = format!("http://{}/openapi.json", gateway.http);
    for scope in ["inspector", "health", "admin", "auditor"] {
        let run = Command::new(installed().join("venv/bin/schemathesis"))
            .args(["run", &description, "--header", &format!("Authorization: Bearer demo-{scope}")])
            .args(["--exclude-path", STREAM, "--phases", "examples,coverage,fuzzing"])
            // No pattern says what makes a serial, a code or a number right.
            .args(["--exclude-checks", "positive_data_acceptance"])
            .args(["--max-examples", "50", "--seed", "8103", "--generation-database", "none"])
            .env("NO_COLOR", "1")
            .current_dir(site.dir.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{scope}:\n{}", String::from_utf8_lossy(&run.stdout));
    }
}
