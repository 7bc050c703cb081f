//! Who may send what in which state (SMPP v3.4 2.3, v5.0 2.4), and what the others are answered.

use super::{CloseReason, Role};
use crate::pdu::{BindKind, Command, MessageKind, Status};

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Connected, not bound.
    Open,
    /// A bind awaits its response: the peer's, or as an SMSC the caller's.
    Binding {
        /// What was asked for.
        kind: BindKind,
        /// The request's.
        sequence: u32,
    },
    /// Bound.
    Bound(BindKind),
    /// Our unbind awaits its response. Responses still go both ways.
    Unbinding(CloseReason),
    /// Over. Nothing is read or written any more.
    Ended(CloseReason),
}

/// What becomes of a PDU that a peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is decoded and acted upon.
    Take,
    /// Its response, or generic_nack where it has none, carries this status.
    Refuse(Status),
    /// A message at the wrong moment: its response asks to try again.
    Retry,
    /// It is counted and otherwise as if it had not come.
    Ignore,
}

/// What a session of `role` in `state` does with a PDU from its peer.
///
/// Operations that the gateway does not perform fail in their own response, each with the failure that SMPP names for it,
/// so that a peer's library reads them as a failed operation and not as a broken session. An unknown command_id is
/// answered with generic_nack and ESME_RINVCMDID. Responses are never answered.
pub(super) fn verdict(role: Role, state: State, command: Command) -> Verdict {
    if matches!(state, State::Ended(_)) {
        return Verdict::Ignore;
    }
    if command.is_response() { response(role, state, command) } else { request(role, state, command) }
}

fn response(role: Role, state: State, command: Command) -> Verdict {
    let taken = match command {
        Command::GENERIC_NACK => state != State::Open,
        Command::ENQUIRE_LINK_RESP
        | Command::SUBMIT_SM_RESP
        | Command::DELIVER_SM_RESP
        | Command::DATA_SM_RESP
        | Command::UNBIND_RESP => matches!(state, State::Bound(_) | State::Unbinding(_)),
        _ => match (role, state, BindKind::of(command)) {
            (Role::Esme, State::Binding { kind, .. }, Some(bound)) => kind == bound,
            _ => false,
        },
    };
    if taken { Verdict::Take } else { Verdict::Ignore }
}

fn request(role: Role, state: State, command: Command) -> Verdict {
    let bound = match state {
        State::Bound(kind) => Some(kind),
        _ => None,
    };
    let usable = bound.is_some() || matches!(state, State::Unbinding(_));
    match command {
        _ if !command.is_known() => Verdict::Refuse(Status::ESME_RINVCMDID),
        Command::ALERT_NOTIFICATION => Verdict::Ignore,
        Command::OUTBIND if state == State::Open => Verdict::Take,
        Command::OUTBIND => Verdict::Ignore,
        Command::BIND_RECEIVER | Command::BIND_TRANSMITTER | Command::BIND_TRANSCEIVER => match (role, state)
        {
            (Role::Smsc, State::Open) => Verdict::Take,
            (Role::Smsc, _) => Verdict::Refuse(Status::ESME_RALYBND),
            (Role::Esme, _) => Verdict::Refuse(Status::ESME_RINVCMDID),
        },
        _ if !usable => Verdict::Refuse(Status::ESME_RINVBNDSTS),
        Command::ENQUIRE_LINK | Command::UNBIND => Verdict::Take,
        Command::SUBMIT_SM => message(role, bound, MessageKind::SubmitSm),
        Command::DELIVER_SM => message(role, bound, MessageKind::DeliverSm),
        Command::DATA_SM => message(role, bound, MessageKind::DataSm),
        Command::QUERY_SM => Verdict::Refuse(Status::ESME_RQUERYFAIL),
        Command::CANCEL_SM => Verdict::Refuse(Status::ESME_RCANCELFAIL),
        Command::REPLACE_SM => Verdict::Refuse(Status::ESME_RREPLACEFAIL),
        Command::SUBMIT_MULTI => Verdict::Refuse(Status::ESME_RSUBMITFAIL),
        Command::BROADCAST_SM => Verdict::Refuse(Status::ESME_RBCASTFAIL),
        Command::QUERY_BROADCAST_SM => Verdict::Refuse(Status::ESME_RBCASTQUERYFAIL),
        Command::CANCEL_BROADCAST_SM => Verdict::Refuse(Status::ESME_RBCASTCANCELFAIL),
        _ => Verdict::Refuse(Status::ESME_RINVCMDID),
    }
}

fn message(role: Role, bound: Option<BindKind>, kind: MessageKind) -> Verdict {
    let sender = match role {
        Role::Smsc => Role::Esme,
        Role::Esme => Role::Smsc,
    };
    match bound {
        None => Verdict::Retry,
        Some(_) if !sends(sender, kind) => Verdict::Refuse(Status::ESME_RINVCMDID),
        Some(bind) if !carries(bind, sender) => Verdict::Refuse(Status::ESME_RINVBNDSTS),
        Some(_) => Verdict::Take,
    }
}

/// Whether this side ever sends this kind of message.
pub(super) const fn sends(sender: Role, kind: MessageKind) -> bool {
    match kind {
        MessageKind::SubmitSm => matches!(sender, Role::Esme),
        MessageKind::DeliverSm => matches!(sender, Role::Smsc),
        MessageKind::DataSm => true,
    }
}

/// Whether this bind carries messages of this sender.
pub(super) const fn carries(bind: BindKind, sender: Role) -> bool {
    match sender {
        Role::Esme => bind.transmits(),
        Role::Smsc => bind.receives(),
    }
}
