//! A real cluster of Redis on loopback, with the settings that docs/cluster.md asks for.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::proof::reconcile::Moment;
use crate::random::Random;

pub(crate) const SHARDS: usize = 3;
/// How long one server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What docs/cluster.md demands. A shorter node time-out than most would choose, so that more happens in a minute.
const SETTINGS: &[&str] = &[
    "--cluster-enabled yes --cluster-node-timeout 1000",
    "--appendonly yes --appendfsync everysec --maxmemory-policy noeviction",
    "--min-replicas-to-write 1 --min-replicas-max-lag 2 --repl-diskless-sync-delay 0",
];

/// The servers of a cluster, by their places. Killed when they are dropped.
pub(crate) struct Servers {
    dir: TempDir,
    ports: Vec<u16>,
    children: Vec<Child>,
}

/// What a server says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
}

#[derive(Debug)]
enum Reply {
    Text(String),
    List(Vec<Self>),
}

impl Servers {
    /// Starts three shards, each with so many replicas.
    pub(crate) fn start(replicas: usize) -> anyhow::Result<Self> {
        let ports = free_ports(SHARDS * (1 + replicas))?;
        let mut servers = Self { dir: TempDir::with_prefix("icaze-redis-")?, ports, children: Vec::new() };
        for place in 0..servers.ports.len() {
            servers.children.push(servers.spawn(place)?);
        }
        let answers =
            |servers: &Self| (0..servers.ports.len()).all(|place| servers.ask(place, "PING").is_ok());
        until("the servers to answer", || Ok(answers(&servers)))?;
        let create = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(servers.nodes())
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .output()?;
        ensure!(
            create.status.success(),
            "redis-cli --cluster create: {}",
            String::from_utf8_lossy(&create.stdout)
        );
        until("the cluster to be whole", || Ok(servers.is_whole()))?;
        Ok(servers)
    }

    fn spawn(&self, place: usize) -> anyhow::Result<Child> {
        let port = self.port(place)?.to_string();
        let dir = self.dir.path().join(&port);
        fs::create_dir_all(&dir)?;
        // The server ends with the thread that started it, however that ends.
        Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "redis-server",
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(SETTINGS.iter().flat_map(|line| line.split(' ')))
            .arg("--dir")
            .arg(&dir)
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-server with setpriv")
    }

    fn port(&self, place: usize) -> anyhow::Result<u16> {
        self.ports.get(place).copied().context("no such server")
    }

    /// Where they listen, as `HOST:PORT`.
    pub(crate) fn nodes(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.ports.len()
    }

    /// Asks one server.
    fn ask(&self, place: usize, line: &str) -> anyhow::Result<Reply> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port(place)?));
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        read(&mut BufReader::new(stream))
    }

    fn text(&self, place: usize, line: &str) -> anyhow::Result<String> {
        match self.ask(place, line)? {
            Reply::Text(text) => Ok(text),
            Reply::List(_) => bail!("{line} is answered with a list"),
        }
    }

    /// Tells every server that answers.
    pub(crate) fn tell_all(&self, line: &str) {
        for place in 0..self.count() {
            // Whoever is dead or hangs hears nothing.
            let _ = self.ask(place, line);
        }
    }

    /// Those that answer and are this.
    pub(crate) fn with_role(&self, role: Role) -> Vec<usize> {
        let is = |place| {
            let said = self.text(place, "INFO replication").unwrap_or_default();
            let found = if said.contains("role:master") { Role::Primary } else { Role::Replica };
            !said.is_empty() && found == role
        };
        (0..self.count()).filter(|&place| is(place)).collect()
    }

    /// Whether every shard takes writes, and every replica is up to date.
    pub(crate) fn is_whole(&self) -> bool {
        (0..self.count()).all(|place| {
            let state = self.text(place, "CLUSTER INFO").unwrap_or_default();
            let role = self.text(place, "INFO replication").unwrap_or_default();
            let linked = role.contains("master_link_status:up")
                || role
                    .lines()
                    .any(|line| line.starts_with("min_slaves_good_slaves:") && !line.ends_with(":0"));
            state.contains("cluster_state:ok") && linked
        }) && self.with_role(Role::Primary).len() == SHARDS
    }

    /// The grants one too many that the cluster knows of.
    pub(crate) fn conflicts(&self) -> anyhow::Result<HashSet<Moment>> {
        let mut conflicts = HashSet::new();
        for place in self.with_role(Role::Primary) {
            let Reply::List(keys) = self.ask(place, "KEYS icaze:*:conflicts")? else { bail!("KEYS") };
            for key in keys {
                let Reply::Text(key) = key else { bail!("KEYS") };
                let Reply::List(members) = self.ask(place, &format!("SMEMBERS {key}"))? else {
                    bail!("SMEMBERS")
                };
                for member in members {
                    let moment = match &member {
                        Reply::Text(member) => moment(&key, member),
                        Reply::List(_) => None,
                    };
                    conflicts.insert(moment.with_context(|| format!("{key} has {member:?}"))?);
                }
            }
        }
        Ok(conflicts)
    }

    /// Kills one with SIGKILL.
    pub(crate) fn kill(&mut self, place: usize) -> anyhow::Result<()> {
        let child = self.children.get_mut(place).context("no such server")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts one again.
    pub(crate) fn restart(&mut self, place: usize) -> anyhow::Result<()> {
        let child = self.spawn(place)?;
        *self.children.get_mut(place).context("no such server")? = child;
        Ok(())
    }

    pub(crate) fn signal(&self, place: usize, signal: Signal) -> anyhow::Result<()> {
        let child = self.children.get(place).context("no such server")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !so()? {
        ensure!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Each for a server, with its bus ten thousand above, below those that the kernel hands out.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // Not from the seed: runs beside each other take others.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos();
    let mut random = Random::of(now.into(), std::process::id().into());
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = Vec::new();
    for _ in 0..10_000 {
        let port = 12_000 + u16::try_from(random.below(10_000))?;
        if !ports.contains(&port) && free(port) && free(port + 10_000) {
            ports.push(port);
        }
        if ports.len() == count {
            return Ok(ports);
        }
    }
    bail!("no {count} ports are free between 12000 and 22000")
}

/// Reads one answer of the protocol of Redis, version 2.
fn read(from: &mut impl BufRead) -> anyhow::Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).context("no answer")?;
    match kind {
        "+" | ":" => Ok(Reply::Text(rest.to_owned())),
        "$" => {
            let length: u64 = rest.parse().with_context(|| format!("an answer of length {rest}"))?;
            let mut text = String::new();
            from.take(length + 2).read_to_string(&mut text)?;
            Ok(Reply::Text(text.trim_end().to_owned()))
        }
        "*" => (0..rest.parse::<u64>()?).map(|_| read(from)).collect::<Result<_, _>>().map(Reply::List),
        _ => bail!("{line}"),
    }
}

/// A member of a set of conflicts: CODE@MILLISECONDS in `icaze:{SLOT}:conflicts`.
fn moment(key: &str, member: &str) -> Option<Moment> {
    let slot = key.strip_prefix("icaze:{")?.strip_suffix("}:conflicts")?;
    let (_, at) = member.rsplit_once('@')?;
    Some((slot.parse().ok()?, at.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_errors_are_told() {
        let mut from: &[u8] = b"*2\r\n$5\r\nab\r\nc\r\n:7\r\n";
        assert_eq!(format!("{:?}", read(&mut from).unwrap()), r#"List([Text("ab\r\nc"), Text("7")])"#);
        assert!(from.is_empty(), "the end of a line belongs to its answer");
        assert_eq!(
            read(&mut &b"-OOM command not allowed\r\n"[..]).unwrap_err().to_string(),
            "-OOM command not allowed"
        );
        assert!(read(&mut &b""[..]).is_err());
    }

    #[test]
    fn a_conflict_is_known_by_slot_and_moment() {
        assert_eq!(moment("icaze:{7}:conflicts", "12345@1800000000125"), Some((7, 1_800_000_000_125)));
        assert_eq!(moment("icaze:{7}:p:1031", "12345@1"), None);
    }
}
