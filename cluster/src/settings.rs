//! What the servers must be set to, checked on the running ones.

use std::fmt;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisError};

/// One setting of one server that loses or forgets what was promised. Displays what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The server's address.
    pub server: String,
    /// The setting.
    pub setting: &'static str,
    /// Its value there.
    pub found: String,
    /// What it has to be.
    pub needed: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, setting, found, needed } = self;
        write!(f, "Redis server {server}: {setting} is {found:?}, must be {needed}; set it in its redis.conf")
    }
}

/// Reads the settings of one server (`redis://HOST:PORT`). Nothing is changed there.
///
/// # Errors
///
/// If it does not answer within `timeout`, or refuses `CONFIG GET` or `INFO`.
pub async fn verify(server: &str, timeout: Duration) -> Result<Vec<Fault>, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    let mut connection = Client::open(server)?.get_multiplexed_async_connection_with_config(&config).await?;
    let mut faults = Vec::new();
    let mut expect = |setting, found: &str, needed, good: bool| {
        if !good {
            faults.push(Fault { server: server.to_owned(), setting, found: found.to_owned(), needed });
        }
    };

    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default();
    // Valkey names the version of Redis that it stands for.
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    expect("redis_version", version, "7.0 or later", major >= Some(7));

    for (setting, needed, good) in CHECKS {
        let (_, found): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg(setting).query_async(&mut connection).await?;
        expect(setting, &found, needed, good(&found));
    }
    Ok(faults)
}

type Check = (&'static str, &'static str, fn(&str) -> bool);

const CHECKS: [Check; 5] = [
    ("cluster-enabled", "yes", |value| value == "yes"),
    ("appendonly", "yes", |value| value == "yes"),
    ("appendfsync", "everysec or always", |value| matches!(value, "everysec" | "always")),
    ("maxmemory-policy", "noeviction", |value| value == "noeviction"),
    ("min-replicas-to-write", "1 or more", |value| value.parse::<u32>().is_ok_and(|replicas| replicas >= 1)),
];
