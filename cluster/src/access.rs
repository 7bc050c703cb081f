//! How the servers let a client in: a user, a password, and TLS.

use std::fmt;

use redis::cluster::ClusterClientBuilder;
use redis::{Client, ErrorKind, IntoConnectionInfo as _, RedisError, ServerErrorKind, TlsCertificates};

/// How the servers let a client in. All of a cluster's do so alike.
#[derive(Clone, Default)]
pub struct Access {
    /// Empty: the user `default`.
    pub user: String,
    /// `None`: they ask for none.
    pub password: Option<String>,
    /// `None`: in the clear.
    pub tls: Option<Tls>,
}

/// Whose certificates are taken.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Authorities in PEM, one of which must have signed a server's certificate; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
}

impl Access {
    /// The address of a server (`HOST:PORT`) as the client takes it. Holds no secret.
    #[must_use]
    pub fn server(&self, node: &str) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{node}")
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let Tls { authorities } = self.tls.as_ref()?;
        Some(TlsCertificates { client_tls: None, root_cert: authorities.clone() })
    }

    /// What reaches one server.
    pub(crate) fn client(&self, server: &str) -> Result<Client, RedisError> {
        let info = server.into_connection_info()?;
        let mut settings = info.redis_settings().clone();
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
            if !self.user.is_empty() {
                settings = settings.set_username(&self.user);
            }
        }
        let info = info.set_redis_settings(settings);
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    /// The same for a whole cluster.
    pub(crate) fn enter(&self, mut builder: ClusterClientBuilder) -> ClusterClientBuilder {
        if let Some(password) = &self.password {
            builder = builder.password(password);
            if !self.user.is_empty() {
                builder = builder.username(&self.user);
            }
        }
        match self.certificates() {
            Some(certificates) => builder.certs(certificates),
            None => builder,
        }
    }
}

/// Without what is secret.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password, tls } = self;
        let password = password.as_ref().map(|_| "..");
        f.debug_struct("Access").field("user", user).field("password", &password).field("tls", tls).finish()
    }
}

/// Whether a server refuses whoever asks, and not what is asked.
pub(crate) fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || error.code() == Some("NOAUTH")
}

/// What whoever runs the gateways can do about an error.
#[must_use]
pub fn remedy(error: &RedisError) -> &'static str {
    match error.kind() {
        _ if is_refusal(error) => {
            "correct redis.user and the password in redis.password_file, or the user's password on every server (ACL SETUSER)"
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "grant the user what docs/cluster.md lists, on every server (ACL SETUSER)"
        }
        ErrorKind::Io if error.to_string().contains("certificate") => {
            "name the authority of the servers' certificates in redis.tls_ca; each certificate must be for the address that the \
             cluster names its server by"
        }
        ErrorKind::Io => "start the servers, or name others in redis.nodes; redis.tls must be as there",
        _ => "check redis.nodes and the servers' version (7.0 or later, in cluster mode)",
    }
}
