//! How the servers let this gateway in, as the configuration and the files that it names say.

use std::fs;

use anyhow::Context as _;
use icaze_cluster::{Access, Tls};
use icaze_config::gateway::Redis;

use crate::tls;

/// Reads the password and the authorities.
///
/// # Errors
/// If a file cannot be read, or is empty.
pub fn access(redis: &Redis) -> anyhow::Result<Access> {
    let password = redis.password_file.as_ref().map(|path| {
        let text = fs::read_to_string(path)
            .with_context(|| format!("redis.password_file: cannot read {}", path.display()))?;
        let password = text.trim().to_owned();
        anyhow::ensure!(
            !password.is_empty(),
            "redis.password_file: {} is empty; write the password there",
            path.display()
        );
        Ok(password)
    });
    let authorities = redis.tls_ca.as_ref().map(|path| {
        // What the client says of a file that will not do names no file.
        tls::client_config(path, None).context("redis.tls_ca")?;
        fs::read(path).with_context(|| format!("redis.tls_ca: cannot read {}", path.display()))
    });
    let tls = Tls { authorities: authorities.transpose()? };
    Ok(Access { user: redis.user.clone(), password: password.transpose()?, tls: redis.tls.then_some(tls) })
}
