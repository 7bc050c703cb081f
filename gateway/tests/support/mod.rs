//! A gateway for tests: the real program on free ports, with a store of its own, ended with the test.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The repository's root, which the shipped configuration's paths start from.
pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The program, to be run from the root.
pub(crate) fn icaze() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icaze"));
    command.current_dir(workspace()).stdin(Stdio::null());
    command
}

/// A running `icaze serve`, killed when dropped.
pub(crate) struct Gateway {
    process: Child,
    /// Where operators bind, `HOST:PORT`.
    pub(crate) smpp: String,
    /// Where HTTP is served.
    pub(crate) http: String,
    /// Held, so that whatever else it prints has a reader.
    _stdout: BufReader<ChildStdout>,
    home: tempfile::TempDir,
}

impl Gateway {
    /// Starts with the shipped configuration and `settings` (TOML) over it.
    pub(crate) fn start(settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("gateway.toml"), settings).unwrap();
        Self::start_in(home)
    }

    /// Kills the process as a power cut would, and starts another on the same store.
    pub(crate) fn restart(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let empty = tempfile::tempdir().unwrap();
        let home = std::mem::replace(&mut self.home, empty);
        Self::start_in(home)
    }

    fn start_in(home: tempfile::TempDir) -> Self {
        let log = fs::File::create(home.path().join("stderr")).unwrap();
        let mut serve = configured(home.path());
        serve.args(["serve", "--config"]).arg(home.path().join("gateway.toml"));
        let mut process = serve.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let address = |name: &str| {
            let found = ready.split_whitespace().find_map(|word| word.strip_prefix(name));
            found.unwrap_or_else(|| panic!("not ready: {ready:?}\n{}", log_of(home.path()))).to_owned()
        };
        let (smpp, http) = (address("smpp="), address("http="));
        Self { process, smpp, http, _stdout: stdout, home }
    }

    /// A command of the program with this gateway's configuration in its environment.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = configured(self.home.path());
        command.arg(name);
        command
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join("gateway.toml")
    }

    /// Its store.
    pub(crate) fn store(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Texts through it with `icaze sms`; what stands on stdout.
    pub(crate) fn sms(&self, from: &str, text: &str) -> String {
        let output = icaze().args(["sms", "--server", &self.smpp, "--from", from, text]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it measures.
    pub(crate) fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: icaze\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What it has logged.
    pub(crate) fn stderr(&self) -> String {
        log_of(self.home.path())
    }

    /// Asks it to end in order.
    pub(crate) fn terminate(&mut self) {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Its exit status, once it has ended.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log_of(home: &Path) -> String {
    fs::read_to_string(home.join("stderr")).unwrap_or_default()
}

/// The program with the environment of a gateway at `home`.
fn configured(home: &Path) -> Command {
    let mut command = icaze();
    command
        .env("ICAZE_SMPP__LISTEN", "127.0.0.1:0")
        .env("ICAZE_HTTP__LISTEN", "127.0.0.1:0")
        .env("ICAZE_STORE__DIR", home.join("data"))
        .env("ICAZE_STORE__KEY_FILE", home.join("ledger.key"))
        .env("ICAZE_STORE__SEGMENT_MIB", "4");
    command
}
