//! Our binds to operators' SMSCs: opened, kept open, and opened again elsewhere when they end.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use icaze_codec::pdu::BindKind;
use icaze_codec::session::CloseReason;
use icaze_config::gateway::{Bind, Operator, Role};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout};

use super::binds::What;
use super::driver::{Driver, Ended};
use super::link::Link;
use super::open::{Guard, Open};
use crate::clock::Now;
use crate::gateway::{Gateway, Phase};
use crate::tls;

/// The first wait, once no address has answered; each further round doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait. A bind that lasted so long has forgotten the failures before it.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait after so many rounds in which all addresses failed: doubled from a second up to a minute, of which
/// `random`, from 0 to 1, takes up to a half, so that binds that were lost together do not come back together.
#[must_use]
pub fn wait(rounds: u32, random: f64) -> Duration {
    let longest = (FIRST * 2_u32.pow(rounds.saturating_sub(1).min(6))).min(LONGEST);
    longest.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
}

/// Keeps the binds of all operators that we connect to.
pub struct Connector {
    gateway: Arc<Gateway>,
    workers: Vec<Handle>,
    open: Arc<Open>,
    /// The epoch of the operators whose binds are kept.
    kept: Mutex<BTreeMap<u16, u32>>,
}

impl Connector {
    /// Keeps none yet.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, workers: Vec<Handle>, open: Arc<Open>) -> Self {
        Self { gateway, workers, open, kept: Mutex::default() }
    }

    /// Opens the binds that the port's configuration asks for. Those of an earlier configuration of an operator end by
    /// themselves.
    pub fn renew(&self) {
        let port = self.gateway.port();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workers = self.workers.iter().cycle();
        for (id, _) in (0_u16..).zip(port.names()) {
            let (Some(operator), Some(epoch)) = (port.operator(id), port.epoch(id)) else { continue };
            if kept.insert(id, epoch) == Some(epoch) {
                continue;
            }
            for kind in kinds(operator) {
                for number in 0..operator.connections {
                    let keeper =
                        Keeper { operator: id, epoch, kind, number, gateway: Arc::clone(&self.gateway) };
                    let open = Arc::clone(&self.open);
                    if let Some(worker) = workers.next() {
                        worker.spawn(keeper.run(open));
                    }
                }
            }
        }
    }
}

/// Whether a bind was none of the failures that make the next wait longer: it lasted, or it was we
/// who ended it.
fn held(ended: Option<Ended>, lasted: Duration) -> bool {
    ended.is_some_and(|ended| ended.bound && (lasted >= LONGEST || ended.reason == CloseReason::Unbound))
}

/// The kinds of bind that we make to an operator.
fn kinds(operator: &Operator) -> Vec<BindKind> {
    if operator.role == Role::Listen || operator.addresses.is_empty() {
        return Vec::new();
    }
    let has = |kind| operator.binds.contains(&kind);
    if has(Bind::Transceiver) {
        return vec![BindKind::Transceiver];
    }
    let (transmitter, receiver) = (has(Bind::Transmitter), has(Bind::Receiver));
    let kinds = [transmitter.then_some(BindKind::Transmitter), receiver.then_some(BindKind::Receiver)];
    kinds.into_iter().flatten().collect()
}

/// Keeps one bind.
struct Keeper {
    operator: u16,
    epoch: u32,
    kind: BindKind,
    /// Among those of its kind: they begin at different addresses.
    number: usize,
    gateway: Arc<Gateway>,
}

impl Keeper {
    async fn run(self, open: Arc<Open>) {
        // Since the last bind that lasted.
        let mut failures = 0_usize;
        while self.is_wanted()
            && let Some(operator) = self.gateway.port().operator(self.operator).cloned()
        {
            let addresses = operator.addresses.len().max(1);
            let Some(address) = operator.addresses.get((self.number + failures) % addresses) else { return };
            let began = Instant::now();
            let ended = self.bind(&operator, address, Arc::clone(&open)).await;
            let ended = ended.ok();
            failures = if held(ended, began.elapsed()) { 0 } else { failures.saturating_add(1) };
            if failures.is_multiple_of(addresses) {
                let rounds = u32::try_from(failures / addresses).unwrap_or(u32::MAX);
                self.sleep(wait(rounds, fastrand::f64())).await;
            }
        }
    }

    /// Connects and binds once, and drives the link to its end.
    async fn bind(&self, operator: &Operator, address: &str, open: Arc<Open>) -> io::Result<Ended> {
        let port = self.gateway.port();
        let within = port.session.timers.session_init;
        let connected = async {
            let stream = timeout(within, TcpStream::connect(address)).await??;
            stream.set_nodelay(true)?;
            let peer = stream.peer_addr()?;
            Ok::<_, io::Error>((stream, peer))
        };
        let (stream, peer) = connected.await.inspect_err(|error| self.failed(None, error))?;
        let guard = Guard::ours(open, peer);
        let link =
            || Link::connecting(&port, self.operator, self.kind, Now::read()).ok_or(io::ErrorKind::NotFound);
        let ended = if operator.tls {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let ca = operator.tls_ca.as_deref().ok_or(io::ErrorKind::NotFound)?;
            let stream = tls::connect(stream, host, ca, operator.tls_identity.as_ref(), within).await;
            let stream = stream.inspect_err(|error| self.failed(Some(peer), error))?;
            Driver::new(stream, link()?, Arc::clone(&self.gateway), guard).run().await
        } else {
            Driver::new(stream, link()?, Arc::clone(&self.gateway), guard).run().await
        };
        if let Some(status) = ended.refused {
            self.note(Some(peer), What::BindRefused(status));
            let name = port.name(self.operator);
            tracing::warn!(operator = name, %peer, status = status.name(), "our bind was refused");
        } else if !ended.bound {
            self.note(Some(peer), What::Ended(ended.reason));
        }
        Ok(ended)
    }

    fn failed(&self, peer: Option<SocketAddr>, error: &io::Error) {
        self.note(peer, What::Connecting(error.kind()));
        let name = self.gateway.port().name(self.operator).to_owned();
        tracing::warn!(operator = name, %error, "cannot connect to the SMSC");
    }

    fn note(&self, peer: Option<SocketAddr>, what: What) {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.gateway.binds.failed(self.operator, peer.unwrap_or(nowhere), what, Now::read().wall);
    }

    fn is_wanted(&self) -> bool {
        *self.gateway.phase().borrow() == Phase::Running
            && self.gateway.port().is_current(self.operator, self.epoch)
    }

    /// Waits, unless the bind is no longer wanted.
    async fn sleep(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut phase = self.gateway.phase();
        let Some(mut changed) = self.gateway.siblings(self.operator) else { return };
        while self.is_wanted() {
            tokio::select! {
                () = sleep_until(until) => return,
                _ = phase.changed() => {}
                changed = changed.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_ended_ourselves_is_no_failure() {
        let ended = |reason, bound| Some(Ended { reason, refused: None, bound });
        let second = Duration::from_secs(1);
        assert!(held(ended(CloseReason::Unbound, true), second));
        assert!(held(ended(CloseReason::Disconnected, true), LONGEST));
        for failure in [None, ended(CloseReason::PeerUnbound, true), ended(CloseReason::BindRefused, false)] {
            assert!(!held(failure, second), "{failure:?}");
        }
        assert!(!held(ended(CloseReason::Disconnected, true), second));
    }

    #[test]
    fn waits_double_up_to_a_minute_and_are_never_the_same() {
        let seconds = |round, random| wait(round, random).as_secs_f64();
        for (round, longest) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (1000, 60.0), (0, 1.0)] {
            assert!((seconds(round, 0.0) - longest).abs() < 1e-9, "{round}");
            assert!((seconds(round, 1.0) - longest / 2.0).abs() < 1e-9, "{round}");
            assert!(seconds(round, 0.3) < seconds(round, 0.2));
        }
    }
}
