//! The listener: who may connect at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::binds::{Attempt, Cause};
use super::driver::Driver;
use super::link::Link;
use super::open::{Guard, Open};
use crate::clock::Now;
use crate::gateway::{Gateway, Phase};

/// Binds the listener of the SMPP port.
///
/// # Errors
/// If the address is taken or not ours; the message names the key.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!("smpp.listen: cannot listen on {listen}; choose a free port, or 0 to take any")
    })
}

/// Bounds of the listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub sessions_max: usize,
    /// Connections at once that have not bound.
    pub unbound_max: usize,
}

/// Accepts connections and gives each in turn to one of `workers`, until the gateway drains.
pub async fn accept(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    workers: Vec<Handle>,
    limits: Limits,
    open: Arc<Open>,
) {
    let mut phase = gateway.phase();
    let mut next = workers.iter().cycle();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        };
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the ones that close make room.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let now = Now::read();
        let refuse = |label, cause| {
            gateway.telemetry.bind_refused(label);
            gateway.binds.refused(Attempt { address: peer.ip(), asked: None, cause }, now.wall);
        };
        if open.blocks(peer.ip(), now.monotonic) {
            refuse("backoff", Cause::Backoff);
            continue;
        }
        if open.links() >= limits.sessions_max || open.unbound() >= limits.unbound_max {
            refuse("too_many_connections", Cause::Connections);
            continue;
        }
        let Some(worker) = next.next() else { return };
        let guard = Guard::new(Arc::clone(&open), peer);
        let gateway = Arc::clone(&gateway);
        worker.spawn(async move {
            let driven = async {
                let stream = TcpStream::from_std(stream)?;
                stream.set_nodelay(true)?;
                let link = Link::new(&gateway.port(), Now::read());
                Driver::new(stream, link, gateway, guard).run().await
            };
            if let Err(error) = driven.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}
