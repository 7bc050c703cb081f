//! Who may take part: gateways of one key, each with a number and a store of its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use icaze_cluster::Cluster;
use icaze_config::gateway::Config;
use icaze_store::ledger::MasterKey;

/// In the store: what tells it from every other one.
const FILE: &str = "cluster.id";

/// Takes part, as the gateway of this number.
///
/// # Errors
/// If the others use another key or another store has this number: permit codes of two gateways could be the same.
pub(super) async fn admit(cluster: &Cluster, config: &Config, key: &MasterKey) -> anyhow::Result<()> {
    let print = hex(key.derive("cluster fingerprint"));
    let known = cluster.agree("key", &print).await.context("redis.nodes")?;
    anyhow::ensure!(
        known == print,
        "store.key_file: the gateways of this cluster use another key; give each the same file before its first start"
    );
    let (dir, number) = (&config.store.dir, config.node);
    let store = identity(dir).with_context(|| format!("{}", dir.join(FILE).display()))?;
    let known = cluster.agree(&format!("node:{number}"), &store).await.context("redis.nodes")?;
    anyhow::ensure!(
        known == store,
        "node.id: another store than {} has the number {number} in this cluster; give this gateway one that none has had",
        dir.display()
    );
    Ok(())
}

/// The store's own name, made when it is first asked for.
fn identity(dir: &Path) -> io::Result<String> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no random bytes"))?;
    // Renamed once it is whole: a crash leaves the name or none.
    let (name, unfinished) = (hex(bytes), path.with_extension("new"));
    let mut file = File::create(&unfinished)?;
    writeln!(file, "{name}")?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(dir)?.sync_all()?;
    Ok(name)
}

fn hex(bytes: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_keeps_its_name_and_has_it_alone() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = identity(one.path()).unwrap();
        assert_eq!(identity(one.path()).unwrap(), name);
        assert_ne!(identity(other.path()).unwrap(), name);
    }
}
