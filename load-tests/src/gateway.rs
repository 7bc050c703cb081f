//! The real gateway, as a process of its own on a store of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a start, and how long a stop in order may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program, and the directory of its store, its key and its register, which goes when this does.
pub(crate) struct Site {
    icaze: PathBuf,
    dir: TempDir,
    register: PathBuf,
    settings: Vec<(String, String)>,
}

/// A running gateway. Killed when it is dropped.
pub(crate) struct Gateway {
    child: Child,
}

/// Where a gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) smpp: SocketAddr,
    pub(crate) http: SocketAddr,
}

/// How a start ended.
pub(crate) enum Started {
    /// Where it listens, and how long it took.
    Ready(Ports, Duration),
    /// It was not ready when it was to be killed.
    Early,
}

impl Site {
    /// A fresh store with a register of so many documents from AZE20000000 on, and `settings`, as `SECTION__KEY` and value.
    pub(crate) fn new(icaze: &Path, documents: u32, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let icaze = program(icaze)?;
        let dir = TempDir::with_prefix("icaze-")?;
        let register = dir.path().join("residents.csv");
        write_register(&register, documents)?;
        Self::of(icaze, dir, register, settings)
    }

    /// A fresh store with this register.
    pub(crate) fn with_register(
        icaze: &Path,
        register: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::of(program(icaze)?, TempDir::with_prefix("icaze-")?, register.to_owned(), settings)
    }

    fn of(
        icaze: PathBuf,
        dir: TempDir,
        register: PathBuf,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let settings =
            settings.iter().map(|(key, value)| (format!("ICAZE_{key}"), (*value).to_owned())).collect();
        fs::write(dir.path().join("gateway.toml"), "")?;
        Ok(Self { icaze, dir, register, settings })
    }

    /// Where all of it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program with a store, key and register of its own, on free ports.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.icaze);
        let path = |name: &str| self.dir.path().join(name);
        command
            // The shipped regime is named by a path of the repository.
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .env("ICAZE_SMPP__LISTEN", "127.0.0.1:0")
            .env("ICAZE_HTTP__LISTEN", "127.0.0.1:0")
            .env("ICAZE_STORE__DIR", path("data"))
            .env("ICAZE_STORE__KEY_FILE", path("ledger.key"))
            .env("ICAZE_REGISTER__PATH", &self.register)
            .env("ICAZE_LOG__LEVEL", "warn")
            .envs(self.settings.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts the gateway; unless it is ready by `kill_at`, kills it.
    pub(crate) fn start(&self, kill_at: Option<Instant>) -> anyhow::Result<(Gateway, Started)> {
        let began = Instant::now();
        let log = File::create(self.dir.path().join("gateway.log"))?;
        let mut command = self.command();
        command.args(["serve", "--config"]).arg(self.dir.path().join("gateway.toml"));
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().context("cannot start icaze")?;
        let stdout = child.stdout.take();
        let mut gateway = Gateway { child };
        let (said, ready) = mpsc::channel();
        thread::spawn(move || {
            let line = stdout.and_then(|stdout| BufReader::new(stdout).lines().next());
            // Nobody listens any more where the gateway was killed before.
            let _ = said.send(line.and_then(Result::ok));
        });
        let until = kill_at.unwrap_or(began + PATIENCE);
        match ready.recv_timeout(until.saturating_duration_since(began)) {
            Ok(Some(line)) => Ok((gateway, Started::Ready(ports(&line)?, began.elapsed()))),
            Ok(None) => bail!("the gateway ended before it was ready:\n{}", self.log()),
            Err(_) if kill_at.is_some() => {
                gateway.kill()?;
                Ok((gateway, Started::Early))
            }
            Err(_) => bail!("the gateway was not ready within {} s:\n{}", PATIENCE.as_secs(), self.log()),
        }
    }

    /// What the gateway wrote to its log since its start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("gateway.log")).unwrap_or_default()
    }

    /// Checks the ledger while the gateway is down.
    pub(crate) fn verify(&self) -> anyhow::Result<()> {
        let verified =
            self.command().args(["ledger", "verify"]).arg(self.dir.path().join("data")).output()?;
        let said = String::from_utf8_lossy(&verified.stderr);
        ensure!(verified.status.success(), "icaze ledger verify: {}\n{said}", verified.status);
        Ok(())
    }

    /// Hands out the lines of the ledger's dump.
    pub(crate) fn dump(&self, mut line: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut command = self.command();
        command.args(["ledger", "dump"]).arg(self.dir.path().join("data"));
        command.arg("--config").arg(self.dir.path().join("gateway.toml"));
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        if let Some(stdout) = child.stdout.take() {
            for read in BufReader::new(stdout).lines() {
                line(&read?)?;
            }
        }
        let status = child.wait()?;
        ensure!(status.success(), "icaze ledger dump: {status}");
        Ok(())
    }
}

impl Gateway {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has ended of its own accord.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Asks it to drain and end.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn program(icaze: &Path) -> anyhow::Result<PathBuf> {
    let named = icaze.display();
    icaze.canonicalize().with_context(|| {
        format!("{named} is not there; build it first: cargo build --profile dist -p icaze-gateway")
    })
}

fn ports(line: &str) -> anyhow::Result<Ports> {
    let port = |name| line.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
    let ports =
        line.starts_with("ready ").then(|| Some(Ports { smpp: port("smpp=")?, http: port("http=")? }));
    ports.flatten().with_context(|| format!("the gateway's first line is not its ready line: {line}"))
}

/// A register of so many documents from AZE20000000 on, of one person each.
pub(crate) fn write_register(path: &Path, documents: u32) -> anyhow::Result<()> {
    let mut register = BufWriter::new(File::create(path)?);
    writeln!(register, "document,person,birth_date,document_expires,status,region,flags")?;
    for index in 0..documents {
        let (document, person) = (20_000_000 + index, 1000 + index);
        writeln!(register, "AZE{document},{person},1985-03-12,2149-12-31,valid,Baku,")?;
    }
    Ok(register.into_inner()?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_ports() {
        let ready = ports("ready smpp=127.0.0.1:40123 http=127.0.0.1:40124").unwrap();
        assert_eq!(ready.smpp, "127.0.0.1:40123".parse().unwrap());
        assert_eq!(ready.http, "127.0.0.1:40124".parse().unwrap());
        assert!(ports("icaze 0.1.0").is_err());
        assert!(ports("ready smpp=127.0.0.1:40123").is_err());
    }
}
