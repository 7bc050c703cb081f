//! HTTP in TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::server::TlsStream;

use crate::tls::Acceptor;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Clients that may be shaking hands at once; others wait in the listener's queue.
const HANDSHAKES_MAX: usize = 256;
/// How long to leave a listener alone that fails, as when no more files may be open.
const PAUSE: Duration = Duration::from_millis(100);

type Client = (TlsStream<TcpStream>, SocketAddr);

/// A listener whose clients have shaken hands. Each does so by itself, so that none keeps others waiting.
pub(super) struct Secure {
    clients: mpsc::Receiver<Client>,
    address: SocketAddr,
}

impl Secure {
    /// Takes clients from `listener` until this is dropped.
    ///
    /// # Errors
    /// If the listener has no address.
    pub(super) fn new(listener: TcpListener, acceptor: Arc<Acceptor>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (ready, clients) = mpsc::channel(1);
        tokio::spawn(async move {
            tokio::select! {
                () = ready.closed() => {}
                () = shake_hands(&listener, &acceptor, &ready) => {}
            }
        });
        Ok(Self { clients, address })
    }
}

async fn shake_hands(listener: &TcpListener, acceptor: &Arc<Acceptor>, ready: &mpsc::Sender<Client>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (acceptor, ready) = (Arc::clone(acceptor), ready.clone());
        tokio::spawn(async move {
            match acceptor.accept(stream, HANDSHAKE).await {
                // It is of no use any more once nobody serves.
                Ok(stream) => drop(ready.send((stream, peer)).await),
                Err(error) => tracing::debug!(%error, "no handshake over HTTP"),
            }
            drop(place);
        });
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Client {
        match self.clients.recv().await {
            Some(client) => client,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
