//! `GET /operators`: what `icaze operators` prints. Nothing personal, no secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use icaze_codec::pdu::{Status, Version};
use icaze_codec::session::Direction;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::gateway::Gateway;
use crate::pipeline;
use crate::smpp::accounts::{PASSWORD_MAX, Refused, SYSTEM_ID_MAX, SYSTEM_TYPE_MAX};
use crate::smpp::binds::{self, Attempt, Bind, Cause, What, kind_name};
use crate::smpp::port::Tallies;
use crate::smpp::recent::Seen;
use crate::smpp::unheard::Unheard;

/// All operators at one moment, and who was turned away.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// In the order of their names.
    pub operators: Vec<Operator>,
    /// Failed attempts to bind, the latest last.
    pub refused: Vec<Event>,
    /// Older ones that are no longer kept.
    pub refused_before: u64,
}

/// One operator.
#[derive(Debug, Serialize, Deserialize)]
pub struct Operator {
    /// Its name in the configuration.
    pub name: String,
    /// Replies that wait for a bind to take them.
    pub waiting: usize,
    /// Optional parameters that were refused since the start, by name.
    pub parameters_refused: BTreeMap<String, u64>,
    /// Texts that were put aside since the start, by cause.
    pub put_aside: BTreeMap<String, u64>,
    /// Its open binds.
    pub binds: Vec<OpenBind>,
    /// How it answers our replies.
    pub unheard: Unheard,
    /// Its last errors, the latest last.
    pub errors: Vec<Event>,
}

/// One bind.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenBind {
    /// Its number among the operator's.
    pub number: usize,
    /// Transceiver, transmitter or receiver.
    pub kind: String,
    /// The SMPP version that was agreed.
    pub version: String,
    /// The peer.
    pub address: String,
    /// Since when.
    pub since: Timestamp,
    /// Their messages that await our response.
    pub window_in: Window,
    /// Ours that await theirs.
    pub window_out: Window,
    /// From them.
    pub received: Flow,
    /// To them.
    pub sent: Flow,
}

/// How full a window is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Window {
    /// Messages without a response.
    pub used: usize,
    /// At most.
    pub size: usize,
}

/// Messages one way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Since the bind.
    pub messages: u64,
    /// Those that were asked to come again.
    pub throttled: u64,
    /// Messages/s, the mean of the last ten seconds.
    pub per_second: f64,
}

/// Something that happened, in words.
#[derive(Debug, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub what: String,
    /// The peer.
    pub address: String,
    /// The first time.
    pub first: Timestamp,
    /// The latest time.
    pub last: Timestamp,
    /// How often.
    pub count: u64,
}

pub(super) async fn operators(State(gateway): State<Arc<Gateway>>) -> Json<Report> {
    Json(report(&gateway, Now::read()))
}

fn report(gateway: &Gateway, now: Now) -> Report {
    let port = gateway.port();
    let waiting: Vec<(String, usize, BTreeMap<String, u64>, Unheard)> = {
        let pipeline = gateway.pipeline();
        let put_aside = |id| {
            let causes = pipeline.stats().put_aside(id).filter(|&(_, count)| count > 0);
            causes.map(|(cause, count)| (cause.name().to_owned(), count)).collect()
        };
        let of = |(id, operator): (u16, &pipeline::Operator)| {
            let waiting = pipeline.outbox().waiting(id);
            (operator.name.to_string(), waiting, put_aside(id), Unheard::of(id, &pipeline, &port))
        };
        (0_u16..).zip(pipeline.operators()).map(of).collect()
    };
    let open = gateway.binds.list();
    let parameters = |id| {
        let refused = port.tallies(id).map(Tallies::refused_parameters).unwrap_or_default();
        refused.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    };
    let operators = (0_u16..).zip(waiting).map(|(id, (name, waiting, put_aside, unheard))| Operator {
        name,
        waiting,
        parameters_refused: parameters(id),
        put_aside,
        unheard,
        binds: open
            .iter()
            .filter(|bind| bind.operator == id)
            .map(|bind| open_bind(gateway, bind, now))
            .collect(),
        errors: gateway
            .binds
            .errors(id)
            .into_iter()
            .map(|seen| event(&seen, seen.what.address.to_string(), error(seen.what.what)))
            .collect(),
    });
    let operators = operators.collect();
    let (refused, refused_before) = gateway.binds.attempts();
    let refused =
        refused.iter().map(|seen| event(seen, seen.what.address.to_string(), attempt(&seen.what))).collect();
    Report { at: now.wall, operators, refused, refused_before }
}

fn open_bind(gateway: &Gateway, bind: &Bind, now: Now) -> OpenBind {
    let figures = bind.figures();
    let port = gateway.port();
    let terms = port.operator(bind.operator);
    let flow = |meter: &crate::smpp::meter::Meter, throttled| Flow {
        messages: meter.total(),
        throttled,
        per_second: meter.per_second(now.monotonic),
    };
    OpenBind {
        number: bind.number,
        kind: kind_name(bind.kind).to_owned(),
        version: version(bind.version),
        address: bind.address.to_string(),
        since: bind.since,
        window_in: Window { used: figures.unanswered_in, size: terms.map_or(0, |terms| terms.window_in) },
        window_out: Window { used: figures.unanswered_out, size: terms.map_or(0, |terms| terms.window_out) },
        received: flow(&figures.received, figures.throttled_in),
        sent: flow(&figures.sent, figures.throttled_out),
    }
}

fn event<T>(seen: &Seen<T>, address: String, what: String) -> Event {
    Event { what, address, first: seen.first, last: seen.last, count: seen.count }
}

fn error(what: What) -> String {
    match what {
        What::Answered(Direction::Out, command, status) => {
            format!("we answered {} {} ({:#04x})", command.name(), status.name(), status.0)
        }
        What::Answered(_, command, status) => {
            format!("it answered {} {} ({:#04x})", command.name(), status.name(), status.0)
        }
        What::Ended(reason) => format!("the session ended: {reason}"),
        What::Disowned => {
            let (status, code) = (Status::ESME_RINVBNDSTS.name(), Status::ESME_RINVBNDSTS.0);
            format!(
                "it answered replies {status} ({code:#04x}) twice within a minute: bind ended, to be made anew"
            )
        }
        What::Connecting(error) => format!("we could not connect: {error}"),
        What::BindRefused(status) => {
            format!("it refused our bind: {} ({:#04x})", status.name(), status.0)
        }
    }
}

fn attempt(attempt: &Attempt) -> String {
    let cause = match attempt.cause {
        Cause::Refused(refused) => wrong(refused),
        Cause::Backoff => "kept waiting, for so many attempts had failed before".to_owned(),
        Cause::Handshake => "no TLS, or no certificate that is trusted; see smpp.tls_client_ca".to_owned(),
        Cause::Connections => {
            "too many connections; see smpp.sessions_max and smpp.unbound_sessions_max".to_owned()
        }
        Cause::Ended(reason, None) => format!("no bind: {reason}"),
        Cause::Ended(reason, Some((command, status))) => {
            format!("no bind: {reason}, after {} {} ({:#04x})", command.name(), status.name(), status.0)
        }
    };
    match &attempt.asked {
        None => cause,
        Some(binds::Asked { kind, system_id, version: None }) => {
            format!("{} as {system_id}: {cause}", kind_name(*kind))
        }
        Some(binds::Asked { kind, system_id, version: Some(spoken) }) => {
            format!("{} as {system_id:?}, version {}: {cause}", kind_name(*kind), version(*spoken))
        }
    }
}

/// What was wrong with a bind.
fn wrong(refused: Refused) -> String {
    let words = match refused {
        Refused::SystemIdLength(octets) => return too_long("system_id", octets, SYSTEM_ID_MAX),
        Refused::PasswordLength(octets) => return too_long("password", octets, PASSWORD_MAX),
        Refused::SystemTypeLength(octets) => return too_long("system_type", octets, SYSTEM_TYPE_MAX),
        Refused::SystemId => "no operator has this system_id",
        Refused::Password => "wrong password",
        Refused::SystemType => "another system_type than was agreed",
        Refused::Kind => "this kind of bind was not agreed; see the operator's binds",
        Refused::Sessions => "as many sessions as were agreed are open; see the operator's sessions",
        Refused::Address => "from an address that was not agreed; see the operator's allow",
        Refused::Tls => {
            "in TLS where that was not agreed, or not in TLS where it was; see the operator's tls"
        }
        Refused::Role => "we bind to this operator, not it to us; see the operator's role",
        Refused::NotReady => "the gateway was stopping",
    };
    words.to_owned()
}

fn too_long(field: &str, octets: usize, max: usize) -> String {
    format!("{field} of {octets} octets, at most {max}")
}

fn version(version: Version) -> String {
    format!("{version:?}")
}
