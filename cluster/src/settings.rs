//! What the servers must be set to, checked on the running ones.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, Value};

use crate::access::{Access, is_refusal};
use crate::client::Options;

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

/// Reads the settings of one server, named as by [`Access::server`]. Nothing is changed there.
///
/// # Errors
///
/// If it does not answer within `timeout`, or refuses `access`, `CONFIG GET` or `INFO`: [`remedy`](crate::remedy()) says what to do.
pub async fn verify(server: &str, access: &Access, timeout: Duration) -> Result<Vec<Fault>, RedisError> {
    let mut connection = connect(server, access, timeout).await?;
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

/// The servers of the cluster that `server` belongs to, primaries and replicas, each named as by [`Access::server`].
///
/// # Errors
///
/// If it does not answer within `timeout`, or is in no cluster.
pub async fn members(server: &str, access: &Access, timeout: Duration) -> Result<Vec<String>, RedisError> {
    let mut connection = connect(server, access, timeout).await?;
    let shards: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    let mut members = Vec::new();
    // First slot, last slot, then the servers: host, port, identity.
    for server in shards.iter().flat_map(|shard| shard.iter().skip(2)) {
        let Value::Array(server) = server else { continue };
        let [host, port, ..] = server.as_slice() else { continue };
        let (host, port) =
            (redis::from_redis_value_ref::<String>(host), redis::from_redis_value_ref::<u16>(port));
        if let (Ok(host), Ok(port)) = (host, port) {
            members.push(access.server(&format!("{host}:{port}")));
        }
    }
    members.sort_unstable();
    members.dedup();
    Ok(members)
}

/// Why the first of the servers that refuses this node does so, with its address; `None` if none does.
pub(crate) async fn refusal(options: &Options) -> Option<RedisError> {
    for server in &options.servers {
        let Err(error) = members(server, &options.access, options.timeout).await else { continue };
        if is_refusal(&error) {
            let what = "a server lets this gateway not in";
            return Some((ErrorKind::AuthenticationFailed, what, format!("{server}: {error}")).into());
        }
    }
    None
}

async fn connect(
    server: &str,
    access: &Access,
    timeout: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    access.client(server)?.get_multiplexed_async_connection_with_config(&config).await
}

type Check = (&'static str, &'static str, fn(&str) -> bool);

const CHECKS: [Check; 5] = [
    ("cluster-enabled", "yes", |value| value == "yes"),
    ("appendonly", "yes", |value| value == "yes"),
    ("appendfsync", "everysec or always", |value| matches!(value, "everysec" | "always")),
    ("maxmemory-policy", "noeviction", |value| value == "noeviction"),
    ("min-replicas-to-write", "1 or more", |value| value.parse::<u32>().is_ok_and(|replicas| replicas >= 1)),
];
