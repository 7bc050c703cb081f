//! The listener: who may connect at all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::accounts::{Origin, Refused};
use super::binds::{Attempt, Cause};
use super::driver::Driver;
use super::link::Link;
use super::open::{Guard, Open};
use crate::clock::Now;
use crate::gateway::{Gateway, Phase};
use crate::tls::Acceptor;

/// Binds a listener of the SMPP port.
///
/// # Errors
/// If the address is taken or not ours; the message names the `key`.
pub async fn bind(key: &str, listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .with_context(|| format!("{key}: cannot listen on {listen}; choose a free port, or 0 to take any"))
}

/// Bounds of the listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub sessions_max: usize,
    /// Connections at once that have not bound.
    pub unbound_max: usize,
}

/// Accepts connections, with `tls` in TLS, and gives each in turn to one of `workers`, until the gateway drains.
pub async fn accept(
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
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
        if !gateway.port().admits(peer.ip()) {
            refuse("address", Cause::Refused(Refused::Address));
            continue;
        }
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
        let (gateway, tls) = (Arc::clone(&gateway), tls.clone());
        worker.spawn(async move {
            if let Err(error) = drive(stream, peer, tls, gateway, guard).await {
                tracing::debug!(%error, "a connection ended before it was one");
            }
        });
    }
}

async fn drive(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Acceptor>>,
    gateway: Arc<Gateway>,
    guard: Guard,
) -> io::Result<()> {
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    let port = gateway.port();
    let origin = Origin { address: peer.ip(), tls: tls.is_some() };
    let link = |now| Link::accepted(&port, origin, now);
    match tls {
        None => Driver::new(stream, link(Now::read()), gateway, guard).run().await,
        Some(tls) => {
            let stream = tls.accept(stream, port.session.timers.session_init).await;
            let stream = stream.inspect_err(|_| {
                gateway.telemetry.bind_refused("handshake");
                let cause = Cause::Handshake;
                gateway.binds.refused(Attempt { address: peer.ip(), asked: None, cause }, Now::read().wall);
            })?;
            Driver::new(stream, link(Now::read()), gateway, guard).run().await
        }
    };
    Ok(())
}
