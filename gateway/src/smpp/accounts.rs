//! Who may bind.

use icaze_codec::pdu::{BindKind, BindRequest, Status};
use icaze_config::gateway::{Bind, Operator, Password};
use subtle::ConstantTimeEq as _;

/// An operator's account: what its bind must say.
#[derive(Debug, Clone)]
pub struct Account {
    /// The operator's name in the configuration.
    pub name: String,
    system_id: String,
    password: Password,
    system_type: String,
    binds: Vec<Bind>,
    /// Sessions at once, at most.
    pub sessions_max: usize,
}

/// Why a bind is refused: what the metrics say, and what the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No operator has this system_id.
    #[error("system_id")]
    SystemId,
    /// The password is another.
    #[error("password")]
    Password,
    /// The system_type is another.
    #[error("system_type")]
    SystemType,
    /// The operator does not bind in this way.
    #[error("bind_kind")]
    Kind,
    /// The operator has as many sessions as were agreed.
    #[error("sessions")]
    Sessions,
    /// The gateway is stopping or not ready.
    #[error("not_ready")]
    NotReady,
}

impl Refused {
    /// The command_status of the bind's response (SMPP v3.4, 5.1.3).
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::SystemId => Status::ESME_RINVSYSID,
            Self::Password => Status::ESME_RINVPASWD,
            Self::SystemType => Status::ESME_RINVSYSTYP,
            Self::Kind | Self::Sessions => Status::ESME_RBINDFAIL,
            Self::NotReady => Status::ESME_RSYSERR,
        }
    }
}

impl Account {
    /// The account of an operator.
    #[must_use]
    pub fn new(name: &str, operator: &Operator) -> Self {
        Self {
            name: name.to_owned(),
            system_id: operator.system_id.clone(),
            password: operator.password.clone(),
            system_type: operator.system_type.clone(),
            binds: operator.binds.clone(),
            sessions_max: operator.sessions,
        }
    }
}

/// Finds the account that a bind may use; its index is the operator's id.
///
/// The time taken does not depend on where a password differs, nor on whether the system_id exists.
///
/// # Errors
/// [`Refused`] with the first thing that is wrong.
pub fn authenticate(accounts: &[Account], request: &BindRequest<'_>) -> Result<u16, Refused> {
    let found = accounts.iter().position(|account| account.system_id == request.system_id());
    let expected =
        found.and_then(|index| accounts.get(index)).map_or(&b""[..], |account| account.password.expose());
    let same = bool::from(padded(expected).ct_eq(&padded(request.password())));
    let account = found.and_then(|index| accounts.get(index)).ok_or(Refused::SystemId)?;
    if !same || request.password().len() != expected.len() {
        return Err(Refused::Password);
    }
    if !account.system_type.is_empty() && account.system_type != request.system_type() {
        return Err(Refused::SystemType);
    }
    let kind = match request.kind {
        BindKind::Transceiver => Bind::Transceiver,
        BindKind::Transmitter => Bind::Transmitter,
        BindKind::Receiver => Bind::Receiver,
    };
    if !account.binds.contains(&kind) {
        return Err(Refused::Kind);
    }
    found.and_then(|index| u16::try_from(index).ok()).ok_or(Refused::SystemId)
}

/// A password field holds eight characters and a NUL at most (SMPP v3.4, 4.1.1).
fn padded(password: &[u8]) -> [u8; 9] {
    let mut field = [0; 9];
    for (to, from) in field.iter_mut().zip(password) {
        *to = *from;
    }
    field
}
