//! The gateways of a run: one key and one register, a number and a store each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::blocking::Client;
use rustix::process::Signal;
use tempfile::TempDir;

use super::servers::until;
use crate::gateway::{Gateway, Ports, Site, Started, write_register};
use crate::phone::Phones;
use crate::proof::ledger::Ledger;

/// How many there are.
pub(crate) const COUNT: u8 = 3;
/// Segments are small, so that many are begun and finished; lone parts are not waited for for long.
const SETTINGS: &[(&str, &str)] = &[("STORE__SEGMENT_MIB", "1"), ("SMPP__PARTS_TIMEOUT_S", "5")];
/// How long one may take to start while servers of the cluster are still missing, and how long to drain.
const PATIENCE: Duration = Duration::from_secs(90);
/// What is read of their metrics.
const COUNTED: [&str; 5] = [
    "icaze_cluster_late_total{result=\"undone\"}",
    "icaze_cluster_late_total{result=\"conflict\"}",
    "icaze_cluster_errors_total{error=\"unsure\"}",
    "icaze_cluster_errors_total{error=\"full\"}",
    "icaze_cluster_errors_total{error=\"server\"}",
];

pub(crate) struct Gateways {
    /// Has the register and the key.
    _dir: TempDir,
    sites: Vec<Site>,
    running: BTreeMap<u8, (Gateway, Ports)>,
    client: Client,
    /// What lives that have ended had counted, as far as they could be asked.
    counted: [u64; COUNTED.len()],
}

impl Gateways {
    pub(crate) fn new(icaze: &Path, documents: u32, nodes: &[String]) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("icaze-chaos-")?;
        let (register, key) = (dir.path().join("residents.csv"), dir.path().join("ledger.key"));
        write_register(&register, documents)?;
        let (key, nodes) = (key.to_str().context("a temporary directory in UTF-8")?, nodes.join(","));
        let mut sites = Vec::new();
        for number in 0..COUNT {
            let number = number.to_string();
            let own: [(&str, &str); 3] =
                [("NODE__ID", &number), ("REDIS__NODES", &nodes), ("STORE__KEY_FILE", key)];
            sites.push(Site::with_register(icaze, &register, &[SETTINGS, &own].concat())?);
        }
        let client = Client::builder().timeout(Duration::from_secs(2)).build()?;
        Ok(Self { _dir: dir, sites, running: BTreeMap::new(), client, counted: [0; COUNTED.len()] })
    }

    fn site(&self, number: u8) -> anyhow::Result<&Site> {
        self.sites.get(usize::from(number)).context("no such gateway")
    }

    fn gateway(&mut self, number: u8) -> anyhow::Result<&mut Gateway> {
        Ok(&mut self.running.get_mut(&number).context("that gateway does not run")?.0)
    }

    /// Starts one, as whoever supervises it would: again, if the cluster lets it not yet.
    pub(crate) fn start(&mut self, number: u8) -> anyhow::Result<Ports> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.site(number)?.start(None) {
                Ok((gateway, Started::Ready(ports, _))) => {
                    self.running.insert(number, (gateway, ports));
                    return Ok(ports);
                }
                Ok((_, Started::Early)) => bail!("a start without a kill was killed"),
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Where one takes binds.
    pub(crate) fn target(&self, number: u8) -> anyhow::Result<SocketAddr> {
        Ok(self.running.get(&number).context("that gateway does not run")?.1.smpp)
    }

    pub(crate) fn kill(&mut self, number: u8) -> anyhow::Result<()> {
        self.count(number);
        self.gateway(number)?.kill()?;
        self.running.remove(&number);
        Ok(())
    }

    pub(crate) fn signal(&mut self, number: u8, signal: Signal) -> anyhow::Result<()> {
        self.gateway(number)?.signal(signal)
    }

    /// Asks one to end in order.
    pub(crate) fn terminate(&mut self, number: u8) -> anyhow::Result<()> {
        self.count(number);
        self.gateway(number)?.terminate()
    }

    /// Waits until one that was asked to has ended in order.
    pub(crate) fn ended(&mut self, number: u8) -> anyhow::Result<()> {
        let mut status = None;
        let gateway = self.gateway(number)?;
        until("a gateway to drain", || {
            status = gateway.has_ended()?;
            Ok(status.is_some())
        })?;
        let ended = status.is_some_and(|status| status.success());
        ensure!(ended, "SIGTERM: {status:?}:\n{}", self.site(number)?.log());
        self.running.remove(&number);
        Ok(())
    }

    /// Whether all are there and say that they are ready. Fails if one has ended by itself.
    pub(crate) fn are_ready(&mut self) -> anyhow::Result<bool> {
        let mut ready = self.running.len() == usize::from(COUNT);
        for (&number, (gateway, ports)) in &mut self.running {
            if let Some(status) = gateway.has_ended()? {
                let log = self.sites.get(usize::from(number)).map(Site::log).unwrap_or_default();
                bail!("gateway {number} ended by itself, {status}:\n{log}");
            }
            let said = self.client.get(format!("http://{}/readyz", ports.http)).send();
            ready &= said.is_ok_and(|said| said.status() == 200);
        }
        Ok(ready)
    }

    /// Adds what a life that is about to end has counted. One that cannot be asked is left out.
    fn count(&mut self, number: u8) {
        let Some((_, ports)) = self.running.get(&number) else { return };
        let said = self.client.get(format!("http://{}/metrics", ports.http)).send();
        let Ok(said) = said.and_then(reqwest::blocking::Response::text) else { return };
        for (name, sum) in COUNTED.iter().zip(&mut self.counted) {
            *sum += metric(&said, name);
        }
    }

    /// What was counted: decisions undone, conflicts, and calls without an answer.
    pub(crate) const fn counted(&self) -> (u64, u64, u64) {
        let [undone, conflicts, unsure, full, server] = self.counted;
        (undone, conflicts, unsure + full + server)
    }

    /// Reads every ledger, while none runs.
    pub(crate) fn ledger(&self, phones: Phones) -> anyhow::Result<Ledger> {
        let mut ledger = Ledger::default();
        for site in &self.sites {
            site.verify()?;
            site.dump(|line| ledger.line(line, phones))?;
        }
        Ok(ledger)
    }

    /// What they last wrote to their logs.
    pub(crate) fn logs(&self) -> String {
        self.sites
            .iter()
            .zip(0..)
            .map(|(site, number)| format!("gateway {number}:\n{}", site.log()))
            .collect()
    }
}

fn metric(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_name_and_labels() {
        let text = "# TYPE x counter\nx{a=\"1\"} 4\nx{a=\"10\"} 5\n";
        assert_eq!((metric(text, "x{a=\"10\"}"), metric(text, "x{a=\"2\"}")), (5, 0));
    }
}
