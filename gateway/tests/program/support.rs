//! A gateway as a process of its own: its configuration and store in a directory that goes with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

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
        fs::write(dir.path().join("gateway.toml"), text).unwrap();
        Self { dir }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    /// What the last gateway here has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Starts `icaze serve` and waits until it is ready.
    pub(crate) fn start(&self) -> Gateway {
        self.start_with(&[])
    }

    /// The same with `settings` over the configuration, each `SECTION__KEY=VALUE`.
    pub(crate) fn start_with(&self, settings: &[&str]) -> Gateway {
        self.start_under(&[], settings)
    }

    /// The same by way of another program: `wrapper` is its name and arguments, and it must become the gateway.
    pub(crate) fn start_under(&self, wrapper: &[&str], settings: &[&str]) -> Gateway {
        let settings = settings.iter().map(|setting| setting.split_once('=').unwrap());
        let line: Vec<&str> = [wrapper, &[env!("CARGO_BIN_EXE_icaze"), "serve", "--config"]].concat();
        let mut process = Command::new(line[0])
            .args(&line[1..])
            .arg(self.config())
            .envs(settings.map(|(key, value)| (format!("ICAZE_{key}"), value)))
            .current_dir(workspace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let address =
            |name| ready.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        let (smpp, smpp_tls, http) = (address("smpp="), address("smpp_tls="), address("http="));
        let gateway = Gateway {
            process,
            smpp: smpp.unwrap_or_default(),
            smpp_tls: smpp_tls.unwrap_or_default(),
            http: http.unwrap_or_default(),
            _stdout: stdout,
        };
        assert!(!gateway.smpp.is_empty(), "not ready: {ready:?}\n{}", self.log());
        gateway
    }
}

/// Waits until it holds, which it must within a minute.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// A running gateway, killed when dropped.
pub(crate) struct Gateway {
    process: Child,
    pub(crate) smpp: String,
    /// Empty where none is served.
    pub(crate) smpp_tls: String,
    pub(crate) http: String,
    /// Held, so that whatever else it prints has a reader.
    _stdout: BufReader<ChildStdout>,
}

impl Gateway {
    /// What it measures.
    pub(crate) fn metrics(&self) -> String {
        self.ask("GET /metrics", &[], "").body
    }

    /// One of its figures, with its labels as they are written; 0 until there is one.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Asks over HTTP: `line` is method and path, `headers` are lines of their own.
    pub(crate) fn ask(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: icaze\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Asks it to read its configuration again.
    pub(crate) fn reload(&self) {
        let asked = Command::new("kill").args(["-HUP", &self.process.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    /// Asks it to end in order.
    pub(crate) fn terminate(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its exit status, once it has ended.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

/// What was answered over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
