//! The control socket: what whoever runs the gateway asks of it while it runs. A Unix socket in the store's directory, which
//! only the gateway's own user may open; `icaze` commands are its clients.

pub mod client;
pub mod operators;
pub mod register;
pub mod trace;

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use rustix::fs::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket};

use self::register::Changes;
use crate::gateway::Gateway;

/// The socket's name in the store's directory.
const SOCKET: &str = "control.sock";
/// Commands that wait to be accepted.
const BACKLOG: u32 = 16;
/// The longest path that a Unix socket's address holds, without its NUL.
const PATH_MAX: usize = 107;

/// Takes the socket in the store's directory `dir`. The store's lock must be held: whatever socket is there is a dead gateway's.
///
/// # Errors
/// If the directory's file system knows no sockets; the message names the key.
pub fn listen(dir: &Path) -> anyhow::Result<UnixListener> {
    let taken = || -> io::Result<UnixListener> {
        match fs::remove_file(dir.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let address = Address::new(dir)?;
        let socket = UnixSocket::new_stream()?;
        // The mode of the socket before it has a name is the mode that it gets with its name.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.bind(&address.path)?;
        socket.listen(BACKLOG)
    };
    taken().with_context(|| {
        format!("store.dir: cannot make {}; put the store on a local file system", dir.join(SOCKET).display())
    })
}

/// Serves until the task is dropped; `register` is the file that the register is kept in.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: UnixListener, gateway: Arc<Gateway>, register: PathBuf) -> io::Result<()> {
    let register = Arc::new(Changes::new(register));
    let router = Router::new()
        .route("/operators", get(operators::operators))
        .route("/register", post(register::apply))
        .route("/trace", post(trace::trace))
        .with_state(Control { gateway, register });
    axum::serve(listener, router).await
}

/// What the commands' requests work on.
#[derive(Clone, FromRef)]
struct Control {
    gateway: Arc<Gateway>,
    register: Arc<Changes>,
}

/// The socket's path, in a form that fits an address.
struct Address {
    path: PathBuf,
    /// Held while the path leads through it.
    _directory: Option<File>,
}

impl Address {
    fn new(dir: &Path) -> io::Result<Self> {
        let path = dir.join(SOCKET);
        if path.as_os_str().len() <= PATH_MAX {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn the_socket_is_the_owners_replaces_a_dead_ones_and_may_lie_deep() {
        let store = tempfile::tempdir().unwrap();
        let deep = store.path().join("d".repeat(200));
        fs::create_dir(&deep).unwrap();
        for dir in [store.path(), &deep] {
            drop(listen(dir).unwrap());
            let absent = client::get::<()>(dir, "/").await.unwrap_err().to_string();
            assert!(absent.contains("no gateway runs") && absent.contains(dir.to_str().unwrap()), "{absent}");
            let listener = listen(dir).unwrap();
            let mode = fs::metadata(dir.join(SOCKET)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            tokio::spawn(async move { axum::serve(listener, Router::new()).await });
            let told = client::get::<()>(dir, "/").await.unwrap_err().to_string();
            assert!(told.contains("404"), "{told}");
        }
    }
}
