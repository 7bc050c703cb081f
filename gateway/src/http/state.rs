//! What the handlers share.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::FromRef;
use icaze_config::gateway::Config;
use icaze_store::audit::{Keys, Trail};
use icaze_store::ledger::MasterKey;

use super::access::Access;
use super::bulk::Bulk;
use super::events::Streams;
use super::reports::{Pseudonyms, Reports};
use super::trail::Audit;
use crate::gateway::Gateway;
use crate::history::Archive;

/// A clone is the same state. Extractors take parts of it.
#[derive(Clone, FromRef)]
pub struct Shared {
    /// The running gateway.
    pub gateway: Arc<Gateway>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// Who looked whom up.
    pub audit: Audit,
    /// Who watches live counts.
    pub(super) streams: Streams,
    /// Who looks people up in bulk.
    pub(super) bulk: Arc<Bulk>,
    /// What reports share.
    pub(super) reports: Reports,
    /// What has left memory.
    pub(super) archive: Archive,
    /// What persons are called in reports.
    pub(super) pseudonyms: Pseudonyms,
    /// The directory of the ledger.
    pub(super) store: Arc<PathBuf>,
}

impl Shared {
    /// The state of the gateway that was configured so.
    ///
    /// # Errors
    /// If the file of tokens is there and cannot be read, or the audit trail is not what was written.
    pub fn new(gateway: Arc<Gateway>, config: &Config, key: &MasterKey) -> anyhow::Result<Self> {
        let access = Arc::new(Access::new(config)?);
        let audit = Audit::new(Trail::open(&config.store.dir.join("audit"), Keys::new(key))?);
        let bulk = Arc::default();
        let archive = Archive::new(config, key);
        Ok(Self {
            gateway,
            access,
            audit,
            streams: Streams::default(),
            bulk,
            reports: Reports::default(),
            pseudonyms: Pseudonyms::new(key.derive("pseudonyms of persons")),
            archive,
            store: Arc::new(config.store.dir.clone()),
        })
    }
}
