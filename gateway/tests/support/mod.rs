//! A gateway as a process of its own: its configuration and store in a directory that goes with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The folder that the program's default paths start from.
pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A configuration on free ports, with a store that is empty at first.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
}

impl Site {
    /// With `more` at the end of its configuration.
    pub(crate) fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[smpp]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [store]\ndir = {:?}\nkey_file = {:?}\nsegment_mib = 1\n{more}",
            dir.path().join("data"),
            dir.path().join("ledger.key"),
        );
        std::fs::write(dir.path().join("gateway.toml"), text).unwrap();
        Self { dir }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    /// Starts `icaze serve` and waits until it is ready.
    pub(crate) fn start(&self) -> Gateway {
        let mut process = Command::new(env!("CARGO_BIN_EXE_icaze"))
            .args(["serve", "--config"])
            .arg(self.config())
            .current_dir(workspace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let smpp = ready.strip_prefix("ready smpp=").and_then(|rest| rest.split_whitespace().next());
        let smpp = smpp.map(str::to_owned);
        let gateway = Gateway { process, smpp: smpp.unwrap_or_default(), _stdout: stdout };
        assert!(!gateway.smpp.is_empty(), "not ready: {ready:?}");
        gateway
    }
}

/// A running gateway, killed when dropped.
pub(crate) struct Gateway {
    pub(crate) process: Child,
    pub(crate) smpp: String,
    /// Held, so that whatever else it prints has a reader.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
