//! Who may bind.

use std::net::IpAddr;

use icaze_codec::pdu::{BadBind, BindKind, BindRequest, Malformed, Outbind, Status};
use icaze_config::gateway::{Bind, Operator, Password, Role};
use subtle::ConstantTimeEq as _;

/// Where a connection to us comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The peer's address.
    pub address: IpAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
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
    /// The operator does not connect from there.
    #[error("address")]
    Address,
    /// The operator binds in TLS, or without, and this was the other.
    #[error("tls")]
    Tls,
    /// The operator does not bind to us.
    #[error("role")]
    Role,
    /// The operator does not bind in this way.
    #[error("bind_kind")]
    Kind,
    /// The operator has as many sessions as were agreed.
    #[error("sessions")]
    Sessions,
    /// The system_id has so many octets, too many for its field.
    #[error("system_id_length")]
    SystemIdLength(usize),
    /// The same of the password.
    #[error("password_length")]
    PasswordLength(usize),
    /// The same of the system_type.
    #[error("system_type_length")]
    SystemTypeLength(usize),
    /// The gateway is stopping or not ready.
    #[error("not_ready")]
    NotReady,
}

/// Longest system_id, password and system_type, without their NULs (SMPP v3.4, 4.1.1).
pub const SYSTEM_ID_MAX: usize = 15;
/// The same of the password.
pub const PASSWORD_MAX: usize = 8;
/// The same of the system_type.
pub const SYSTEM_TYPE_MAX: usize = 12;

impl Refused {
    /// Why a bind could not be read, if one of its strings was too long.
    #[must_use]
    pub fn of(bad: BadBind<'_>, fault: Malformed) -> Option<Self> {
        match fault {
            Malformed::SystemId if bad.octets > SYSTEM_ID_MAX => Some(Self::SystemIdLength(bad.octets)),
            Malformed::Password if bad.octets > PASSWORD_MAX => Some(Self::PasswordLength(bad.octets)),
            Malformed::SystemType if bad.octets > SYSTEM_TYPE_MAX => Some(Self::SystemTypeLength(bad.octets)),
            _ => None,
        }
    }

    /// Whether a string of the bind was too long.
    #[must_use]
    pub const fn is_of_length(self) -> bool {
        matches!(self, Self::SystemIdLength(_) | Self::PasswordLength(_) | Self::SystemTypeLength(_))
    }

    /// The command_status of the bind's response (SMPP v3.4, 5.1.3).
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::SystemId | Self::SystemIdLength(_) => Status::ESME_RINVSYSID,
            Self::Password | Self::PasswordLength(_) => Status::ESME_RINVPASWD,
            Self::SystemType | Self::SystemTypeLength(_) => Status::ESME_RINVSYSTYP,
            Self::Address | Self::Tls | Self::Role | Self::Kind | Self::Sessions => Status::ESME_RBINDFAIL,
            Self::NotReady => Status::ESME_RSYSERR,
        }
    }
}

/// Whether an operator's agreement names `address`.
#[must_use]
pub fn names(operator: &Operator, address: IpAddr) -> bool {
    let address = address.to_canonical();
    operator.allow.iter().any(|net| net.contains(&address))
}

/// Whether an operator connects from `address`.
#[must_use]
pub fn allows(operator: &Operator, address: IpAddr) -> bool {
    operator.allow.is_empty() || names(operator, address)
}

/// Whether `request` from `origin` may bind as `operator`; `None`: nobody has its system_id.
///
/// The time taken does not depend on where a password differs, nor on whether the system_id exists.
///
/// # Errors
/// [`Refused`] with the first thing that is wrong.
pub fn authenticate(
    operator: Option<&Operator>,
    request: &BindRequest<'_>,
    origin: Origin,
) -> Result<(), Refused> {
    let same = is_same(operator.map(|operator| &operator.password), request.password());
    let operator = operator.ok_or(Refused::SystemId)?;
    // Before the password, so that it cannot be guessed from elsewhere.
    if !allows(operator, origin.address) {
        return Err(Refused::Address);
    }
    if !same {
        return Err(Refused::Password);
    }
    if operator.tls != origin.tls {
        return Err(Refused::Tls);
    }
    if operator.role == Role::Connect {
        return Err(Refused::Role);
    }
    if !operator.system_type.is_empty() && operator.system_type != request.system_type() {
        return Err(Refused::SystemType);
    }
    let kind = match request.kind {
        BindKind::Transceiver => Bind::Transceiver,
        BindKind::Transmitter => Bind::Transmitter,
        BindKind::Receiver => Bind::Receiver,
    };
    if operator.binds.contains(&kind) { Ok(()) } else { Err(Refused::Kind) }
}

/// Whether an SMSC that wants to be bound to is this operator's.
///
/// # Errors
/// [`Refused`] with the first thing that is wrong.
pub fn expects(operator: Option<&Operator>, request: &Outbind<'_>, origin: Origin) -> Result<(), Refused> {
    let outbind = operator.and_then(|operator| operator.outbind.as_ref());
    let same = is_same(outbind.map(|outbind| &outbind.password), request.password());
    let operator = operator.filter(|_| outbind.is_some()).ok_or(Refused::SystemId)?;
    if !allows(operator, origin.address) {
        return Err(Refused::Address);
    }
    if !same {
        return Err(Refused::Password);
    }
    if operator.tls == origin.tls { Ok(()) } else { Err(Refused::Tls) }
}

/// In the same time, wherever they differ.
fn is_same(expected: Option<&Password>, said: &[u8]) -> bool {
    let expected = expected.map_or(&b""[..], Password::expose);
    bool::from(padded(expected).ct_eq(&padded(said))) && said.len() == expected.len()
}

/// A password field holds eight characters and a NUL at most (SMPP v3.4, 4.1.1).
fn padded(password: &[u8]) -> [u8; 9] {
    let mut field = [0; 9];
    for (to, from) in field.iter_mut().zip(password) {
        *to = *from;
    }
    field
}
