//! `icaze check-config`: everything that `serve` would load, and all that is wrong with it.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use icaze_config::Problem;
use icaze_config::gateway::{Config, Store};
use icaze_config::regime::Regimes;
use icaze_store::ledger::{FileStorage, MasterKey};
use icaze_store::register::Register;
use rustix::fs::{Access, access};

use super::{Configured, Output, regime, remark};
use crate::cluster;
use crate::http;
use crate::tls::{Acceptor, client_config};
use crate::world::{load_regimes, load_texts, too_long};

/// How long a server of the cluster has to answer.
const SERVER_WAIT: Duration = Duration::from_secs(2);

/// Checks the settings, the regimes, the replies, the register, the store and the cluster, each as far as the others let it.
///
/// # Errors
/// If there is any problem; each is printed on stderr.
pub fn run(configured: &Configured) -> anyhow::Result<()> {
    let (config, typed) = configured.settings().inspect();
    let mut check = Check { typed: &typed, sound: Vec::new(), problems: Vec::new() };
    check.settings(configured, &config);
    let regimes = check.regimes(&config);
    check.replies(&config, regimes.as_ref());
    check.register(&config, regimes.as_ref());
    check.store(&config.store);
    check.tls(&config);
    check.redis(&config)?;
    check.access(&config);
    let mut out = Output::new();
    for line in &check.sound {
        out.line(line)?;
    }
    out.finish()?;
    for problem in &check.problems {
        remark(problem);
    }
    match check.problems.len() {
        0 => Ok(()),
        1 => anyhow::bail!("1 problem found"),
        count => anyhow::bail!("{count} problems found"),
    }
}

struct Check<'a> {
    /// What is wrong with the settings themselves.
    typed: &'a [Problem],
    /// What was checked, and remarks.
    sound: Vec<String>,
    problems: Vec<String>,
}

impl Check<'_> {
    fn settings(&mut self, configured: &Configured, config: &Config) {
        self.problems.extend(self.typed.iter().map(Problem::to_string));
        if self.typed.is_empty() {
            let names: Vec<&str> = config.operators.keys().map(String::as_str).collect();
            let count = names.len();
            let operators = if count == 1 { "operator" } else { "operators" };
            let file = configured.config.display();
            self.sound.push(format!("{file}: ok, {count} {operators}: {}", names.join(", ")));
        }
    }

    fn tls(&mut self, config: &Config) {
        if let Some(identity) = &config.tls {
            let loaded = self.loaded(Acceptor::new(identity, config.smpp.tls_client_ca.as_deref()));
            self.sound.extend(loaded.map(|_| format!("{}: ok", identity.certificate.display())));
        }
        for operator in config.operators.values() {
            if let Some(ca) = &operator.tls_ca {
                let loaded = self.loaded(client_config(ca, operator.tls_identity.as_ref()));
                self.sound.extend(loaded.map(|_| format!("{}: ok", ca.display())));
            }
        }
    }

    /// Asks the servers that the configuration names, and those that they name, for their settings.
    fn redis(&mut self, config: &Config) -> anyhow::Result<()> {
        if !self.usable("redis") || config.redis.nodes.is_empty() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let access = self.loaded(cluster::access(&config.redis).map_err(|error| format!("{error:#}")));
        if let Some(access) = access {
            runtime.block_on(self.servers(&config.redis.nodes, &access));
        }
        Ok(())
    }

    async fn servers(&mut self, nodes: &[String], access: &icaze_cluster::Access) {
        let mut servers: Vec<String> = nodes.iter().map(|node| access.server(node)).collect();
        let mut next = 0;
        while let Some(server) = servers.get(next).cloned() {
            next += 1;
            match icaze_cluster::verify(&server, access, SERVER_WAIT).await {
                Ok(faults) if faults.is_empty() => self.sound.push(format!("{server}: ok")),
                Ok(faults) => self.problems.extend(faults.iter().map(ToString::to_string)),
                Err(error) => self.problems.push(format!(
                    "Redis server {server}: does not tell its settings ({error}); {}",
                    icaze_cluster::remedy(&error)
                )),
            }
            // One that is in no cluster has said so above.
            let members = icaze_cluster::members(&server, access, SERVER_WAIT).await.unwrap_or_default();
            servers
                .extend(members.into_iter().filter(|member| !servers.contains(member)).collect::<Vec<_>>());
        }
    }

    /// The tokens, and the issuer of log-ins, which is not asked.
    fn access(&mut self, config: &Config) {
        if !self.usable("oidc") || !self.usable("store") {
            return;
        }
        let loaded = self.loaded(http::access::Access::new(config).map_err(|error| format!("{error:#}")));
        if let (Some(_), Some(oidc)) = (loaded, &config.oidc) {
            self.sound.push(format!("{}: an issuer of log-ins, which was not asked", oidc.issuer));
        }
    }

    /// Whether the settings of a section will do, so that what they name can be looked at.
    fn usable(&self, section: &str) -> bool {
        !self.typed.iter().any(|problem| problem.key.split('.').next() == Some(section))
    }

    /// What was loaded, or `None` and its problems.
    fn loaded<T>(&mut self, loaded: Result<T, impl Display>) -> Option<T> {
        loaded.map_err(|error| self.problems.extend(error.to_string().lines().map(str::to_owned))).ok()
    }

    fn regimes(&mut self, config: &Config) -> Option<Regimes> {
        if !self.usable("regime") {
            return None;
        }
        let regimes = self.loaded(load_regimes(&config.regime.dir))?;
        self.sound.extend(regime::report(&config.regime.dir, &regimes));
        Some(regimes)
    }

    fn replies(&mut self, config: &Config, regimes: Option<&Regimes>) {
        if !self.usable("replies") {
            return;
        }
        let Some(texts) = self.loaded(load_texts(&config.replies)) else { return };
        let Some(regimes) = regimes else { return };
        let problems = too_long(&config.replies, &texts, regimes);
        if problems.is_empty() {
            let place = config.replies.dir.as_deref().map_or("shipped".into(), Path::to_string_lossy);
            self.sound.push(format!("{place} replies: ok, each fits one message at its longest"));
        }
        self.problems.extend(problems);
    }

    fn register(&mut self, config: &Config, regimes: Option<&Regimes>) {
        if !self.usable("register") {
            return;
        }
        let path = config.register.path.display();
        let Some(register) = self.loaded(Register::load(&config.register.path)) else { return };
        let (documents, persons) = (register.documents(), register.persons());
        self.sound.push(format!("{path}: ok, {documents} documents of {persons} persons"));
        for regime in regimes.into_iter().flat_map(Regimes::as_slice) {
            let lives = |name: &str| register.regions().any(|region| region.eq_ignore_ascii_case(name));
            let areas = regime.areas.iter().flatten().map(|area| area.region.as_str());
            let empty: Vec<&str> = areas.filter(|area| !lives(area)).collect();
            if !empty.is_empty() {
                let (id, empty) = (&regime.id, empty.join(", "));
                self.sound
                    .push(format!("{path}: remark: nobody lives in these areas of regime {id}: {empty}"));
            }
        }
    }

    fn store(&mut self, store: &Store) {
        if !self.usable("store") {
            return;
        }
        let dir_is_writable = self.writable("store.dir", &store.dir);
        let key = match FileStorage::read_only(&store.dir) {
            Ok(storage) => self.loaded(MasterKey::find(&store.key_file, &storage)),
            // No store is as good as an empty one, but a key that is there must do all the same.
            Err(_) if store.key_file.exists() => self.loaded(MasterKey::load(&store.key_file).map(Some)),
            Err(_) => Some(None),
        };
        let Some(key) = key else { return };
        let folder = store.key_file.parent().unwrap_or(Path::new(""));
        if dir_is_writable && (key.is_some() || self.writable("store.key_file", folder)) {
            let made = if key.is_some() { "ok" } else { "will be made at the first start" };
            self.sound.push(format!("{}: ok, writable", store.dir.display()));
            self.sound.push(format!("{}: {made}", store.key_file.display()));
        }
    }

    /// Whether a directory, or the nearest one above it that is there, can be written to.
    fn writable(&mut self, key: &str, dir: &Path) -> bool {
        let there = |path: &&Path| path.as_os_str().is_empty() || path.exists();
        let nearest = dir.ancestors().find(there).filter(|path| !path.as_os_str().is_empty());
        let nearest = nearest.unwrap_or(Path::new("."));
        let reason = if !nearest.is_dir() {
            "is no directory".to_owned()
        } else if let Err(error) = access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
            format!("cannot be written to ({error})")
        } else {
            return true;
        };
        let place = nearest.display();
        self.problems
            .push(format!("{place}: {key}: {reason}; let the gateway's user write there, or name another"));
        false
    }
}
