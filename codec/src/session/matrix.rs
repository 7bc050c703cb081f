//! Who may send what in which state (SMPP v3.4 2.3, v5.0 2.4), and what the others are answered.

use super::{CloseReason, Role};
use crate::frame::Header;
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
    /// The peer has ended it. Nothing more is read; what it sent before is still answered.
    Closing {
        /// Why.
        reason: CloseReason,
        /// What it is told behind the last of the answers.
        last: Header,
    },
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
    if matches!(state, State::Closing { .. } | State::Ended(_)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns: open, binding, bound as receiver, as transmitter, as transceiver, unbinding.
    /// `+` taken, `.` ignored, `~` asked to try again; else the status: B not bound, A already bound, C no such operation
    /// here, F the operation's own failure.
    fn column(role: Role, command: Command) -> String {
        let binding = State::Binding { kind: BindKind::Receiver, sequence: 1 };
        let bound = [BindKind::Receiver, BindKind::Transmitter, BindKind::Transceiver].map(State::Bound);
        let unbinding = State::Unbinding(CloseReason::Unbound);
        let states = [&[State::Open, binding][..], &bound, &[unbinding]].concat();
        assert_eq!(verdict(role, State::Ended(CloseReason::Unbound), command), Verdict::Ignore);
        states
            .into_iter()
            .map(|state| match verdict(role, state, command) {
                Verdict::Take => '+',
                Verdict::Ignore => '.',
                Verdict::Retry => '~',
                Verdict::Refuse(Status::ESME_RINVBNDSTS) => 'B',
                Verdict::Refuse(Status::ESME_RALYBND) => 'A',
                Verdict::Refuse(Status::ESME_RINVCMDID) => 'C',
                Verdict::Refuse(_) => 'F',
            })
            .collect()
    }

    #[test]
    #[rustfmt::skip]
    fn who_may_send_what_when() {
        let table = [
            // From the peer                  at an SMSC  at an ESME
            (Command::BIND_RECEIVER,          "+AAAAA",   "CCCCCC"),
            (Command::BIND_TRANSMITTER,       "+AAAAA",   "CCCCCC"),
            (Command::BIND_TRANSCEIVER,       "+AAAAA",   "CCCCCC"),
            (Command::BIND_RECEIVER_RESP,     "......",   ".+...."),
            (Command::BIND_TRANSMITTER_RESP,  "......",   "......"),
            (Command::BIND_TRANSCEIVER_RESP,  "......",   "......"),
            (Command::OUTBIND,                "+.....",   "+....."),
            (Command::SUBMIT_SM,              "BBB++~",   "BBCCC~"),
            (Command::DELIVER_SM,             "BBCCC~",   "BB+B+~"),
            (Command::DATA_SM,                "BBB++~",   "BB+B+~"),
            (Command::SUBMIT_SM_RESP,         "..++++",   "..++++"),
            (Command::DELIVER_SM_RESP,        "..++++",   "..++++"),
            (Command::DATA_SM_RESP,           "..++++",   "..++++"),
            (Command::ENQUIRE_LINK,           "BB++++",   "BB++++"),
            (Command::ENQUIRE_LINK_RESP,      "..++++",   "..++++"),
            (Command::UNBIND,                 "BB++++",   "BB++++"),
            (Command::UNBIND_RESP,            "..++++",   "..++++"),
            (Command::GENERIC_NACK,           ".+++++",   ".+++++"),
            (Command::ALERT_NOTIFICATION,     "......",   "......"),
            (Command::QUERY_SM,               "BBFFFF",   "BBFFFF"),
            (Command::CANCEL_SM,              "BBFFFF",   "BBFFFF"),
            (Command::REPLACE_SM,             "BBFFFF",   "BBFFFF"),
            (Command::SUBMIT_MULTI,           "BBFFFF",   "BBFFFF"),
            (Command::BROADCAST_SM,           "BBFFFF",   "BBFFFF"),
            (Command::QUERY_BROADCAST_SM,     "BBFFFF",   "BBFFFF"),
            (Command::CANCEL_BROADCAST_SM,    "BBFFFF",   "BBFFFF"),
            (Command::QUERY_SM_RESP,          "......",   "......"),
            (Command::SUBMIT_MULTI_RESP,      "......",   "......"),
            (Command(0x0000_0077),            "CCCCCC",   "CCCCCC"),
            (Command(0x8000_0077),            "......",   "......"),
        ];
        for (command, smsc, esme) in table {
            assert_eq!(column(Role::Smsc, command), smsc, "{command:?} at an SMSC");
            assert_eq!(column(Role::Esme, command), esme, "{command:?} at an ESME");
        }
    }

    #[test]
    fn what_the_gateway_does_not_do_fails_by_its_own_name() {
        let bound = State::Bound(BindKind::Transceiver);
        for (command, status) in [
            (Command::QUERY_SM, Status::ESME_RQUERYFAIL),
            (Command::CANCEL_SM, Status::ESME_RCANCELFAIL),
            (Command::REPLACE_SM, Status::ESME_RREPLACEFAIL),
            (Command::SUBMIT_MULTI, Status::ESME_RSUBMITFAIL),
            (Command::BROADCAST_SM, Status::ESME_RBCASTFAIL),
            (Command::QUERY_BROADCAST_SM, Status::ESME_RBCASTQUERYFAIL),
            (Command::CANCEL_BROADCAST_SM, Status::ESME_RBCASTCANCELFAIL),
        ] {
            assert_eq!(verdict(Role::Smsc, bound, command), Verdict::Refuse(status));
        }
    }
}
