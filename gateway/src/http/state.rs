//! What the handlers share.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::FromRef;
use icaze_config::gateway::Config;

use super::access::{Access, TokensError};
use crate::gateway::Gateway;

/// A clone is the same state. Extractors take parts of it.
#[derive(Clone, FromRef)]
pub struct Shared {
    /// The running gateway.
    pub gateway: Arc<Gateway>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// The directory of the ledger.
    pub(super) store: Arc<PathBuf>,
}

impl Shared {
    /// The state of the gateway that was configured so.
    ///
    /// # Errors
    /// If the file of tokens is there and cannot be read.
    pub fn new(gateway: Arc<Gateway>, config: &Config) -> Result<Self, TokensError> {
        let access = Arc::new(Access::new(config)?);
        Ok(Self { gateway, access, store: Arc::new(config.store.dir.clone()) })
    }
}
