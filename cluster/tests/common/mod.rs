//! A real cluster of six servers on loopback: three primaries, each with a replica. Needs `redis-server` and `redis-cli`.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use icaze_cluster::{Access, Allowance, Cluster, Options, Per, Quota, Text};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// What the clusters of this process have taken, or are about to.
static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());

/// Whatever is awaited of the servers happens within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Servers {
    dir: TempDir,
    pub(crate) ports: Vec<u16>,
    /// What each is started with beyond the usual.
    more: Vec<Vec<String>>,
    children: Vec<Child>,
}

/// A port, whose bus's is ten thousand above; both are below those that the kernel hands out.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(12_000..22_000);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        let mut taken = TAKEN.lock().unwrap();
        if !taken.contains(&port) && free(port) && free(port + 10_000) {
            taken.push(port);
            return port;
        }
    }
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let ports: Vec<u16> = (0..6).map(|_| free_port()).collect();
        Self::start_as(ports.clone(), vec![Vec::new(); 6], &ports, &[]).await
    }

    /// Each with `more` arguments. They know each other by the ports `known`, to which `redis-cli` speaks with `options`; the test
    /// itself speaks to them at `ports` in the clear.
    pub(crate) async fn start_as(
        ports: Vec<u16>,
        more: Vec<Vec<String>>,
        known: &[u16],
        options: &[&str],
    ) -> Self {
        let mut servers = Self { dir: tempfile::tempdir().unwrap(), ports, more, children: Vec::new() };
        for index in 0..6 {
            let child = servers.spawn(index);
            servers.children.push(child);
        }
        for &port in &servers.ports {
            until(async || admin(port).await.is_some()).await;
        }
        let create = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(known.iter().map(|port| format!("127.0.0.1:{port}")))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .args(options)
            .output()
            .unwrap();
        assert!(create.status.success(), "{create:?}");
        servers.whole().await;
        servers
    }

    fn spawn(&self, index: usize) -> Child {
        let port = self.ports[index];
        let dir = self.dir.path().join(port.to_string());
        fs::create_dir_all(&dir).unwrap();
        // The server ends with the thread that started it, however that ends.
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"])
            .args([
                "--min-replicas-to-write",
                "1",
                "--min-replicas-max-lag",
                "2",
                "--repl-diskless-sync-delay",
                "0",
            ])
            .arg("--dir")
            .arg(&dir)
            .args(&self.more[index])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Until every shard takes writes and has its replica.
    pub(crate) async fn whole(&self) {
        until(async || {
            for &port in &self.ports {
                let Some(mut server) = admin(port).await else { return false };
                let state: String =
                    redis::cmd("CLUSTER").arg("INFO").query_async(&mut server).await.unwrap_or_default();
                let role: String =
                    redis::cmd("INFO").arg("replication").query_async(&mut server).await.unwrap_or_default();
                // A replica that is connected is not yet one that writes may rely on.
                let linked =
                    role.contains("master_link_status:up") || role.contains("min_slaves_good_slaves:1");
                if !state.contains("cluster_state:ok") || !linked {
                    return false;
                }
            }
            true
        })
        .await;
    }

    pub(crate) async fn connect(&self, node: &str) -> Cluster {
        self.connect_until(node, PATIENCE).await
    }

    pub(crate) async fn connect_until(&self, node: &str, deadline: Duration) -> Cluster {
        let options = Options {
            servers: self.ports.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect(),
            access: Access::default(),
            node: node.to_owned(),
            replicas: 1,
            timeout: Duration::from_millis(500),
            deadline,
        };
        Cluster::connect(options).await.unwrap()
    }

    pub(crate) async fn primaries(&self) -> Vec<usize> {
        let mut primaries = Vec::new();
        for (index, &port) in self.ports.iter().enumerate() {
            let Some(mut server) = admin(port).await else { continue };
            let role: String = redis::cmd("INFO").arg("replication").query_async(&mut server).await.unwrap();
            if role.contains("role:master") {
                primaries.push(index);
            }
        }
        primaries
    }

    pub(crate) fn kill(&mut self, index: usize) {
        self.children[index].kill().unwrap();
        self.children[index].wait().unwrap();
    }

    pub(crate) fn restart(&mut self, index: usize) {
        self.children[index] = self.spawn(index);
    }

    pub(crate) fn signal(&self, index: usize, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.children[index].id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
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

/// A connection of the test's own to one server; `None` if it does not answer.
pub(crate) async fn admin(port: u16) -> Option<MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection =
        timeout(Duration::from_secs(1), client.get_multiplexed_async_connection()).await.ok()?.ok()?;
    let ping = timeout(Duration::from_secs(1), redis::cmd("PING").query_async::<()>(&mut connection)).await;
    ping.ok()?.ok().map(|()| connection)
}

/// Asks again and again until it is so.
pub(crate) async fn until(mut so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !so().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "waited in vain");
}

pub(crate) fn text(text: impl AsRef<str>) -> Text {
    Text::from(text.as_ref()).unwrap()
}

pub(crate) fn allowance(person: u32) -> Allowance {
    Allowance { person, purpose: 1, day: 2000, week: 285, quotas: quotas(1, 7) }
}

/// Quotas of purposes 1 and 3 together.
pub(crate) fn quotas(day: u8, week: u8) -> Vec<Quota> {
    let quota = |(per, limit)| Quota { purposes: [1, 3].into_iter().collect(), per, limit };
    [(Per::Day, day), (Per::Week, week)].map(quota).into()
}
