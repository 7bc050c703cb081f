//! Binds and outbinds (SMPP v3.4 4.1, v5.0 4.1.1), through `rusmpp-core`.

use std::fmt;

use rusmpp_core::decode::DecodeError;
use rusmpp_core::decode::borrowed::Decode;
use rusmpp_core::encode::Encode;
use rusmpp_core::fields::SmppField;
use rusmpp_core::pdus::borrowed as rusmpp;
use rusmpp_core::types::borrowed::COctetString;
use rusmpp_core::values::{InterfaceVersion, Npi, Ton};

use super::tlv::{self, Tlvs};
use super::{Address, Command, Malformed, MessageResp};

/// What a bind is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindKind {
    /// The ESME receives.
    Receiver,
    /// The ESME sends.
    Transmitter,
    /// Both. Not in SMPP 3.3, yet allowed to whoever asks for it.
    Transceiver,
}

impl BindKind {
    /// Its command_id.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::Receiver => Command::BIND_RECEIVER,
            Self::Transmitter => Command::BIND_TRANSMITTER,
            Self::Transceiver => Command::BIND_TRANSCEIVER,
        }
    }

    /// The kind of bind that this command_id, or its response's, asks for.
    #[must_use]
    pub const fn of(command: Command) -> Option<Self> {
        match command {
            Command::BIND_RECEIVER | Command::BIND_RECEIVER_RESP => Some(Self::Receiver),
            Command::BIND_TRANSMITTER | Command::BIND_TRANSMITTER_RESP => Some(Self::Transmitter),
            Command::BIND_TRANSCEIVER | Command::BIND_TRANSCEIVER_RESP => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// Whether the ESME may send messages.
    #[must_use]
    pub const fn transmits(self) -> bool {
        matches!(self, Self::Transmitter | Self::Transceiver)
    }

    /// Whether the ESME may be sent messages.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::Receiver | Self::Transceiver)
    }
}

/// An interface_version: 0x34 is SMPP 3.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8);

impl Version {
    /// SMPP 3.3, which has no optional parameters and message_ids of at most 8 hexadecimal digits.
    pub const V3_3: Self = Self(0x33);
    /// SMPP 3.4.
    pub const V3_4: Self = Self(0x34);
    /// SMPP 5.0.
    pub const V5_0: Self = Self(0x50);

    /// What two sides speak with each other: the lower of the two, as one of the three versions that exist.
    /// Everything up to 0x33 is 3.3 (v5.0 4.7.13).
    #[must_use]
    pub fn agreed(self, other: Self) -> Self {
        match self.min(other).0 {
            ..=0x33 => Self::V3_3,
            0x34..=0x4F => Self::V3_4,
            0x50.. => Self::V5_0,
        }
    }

    /// Whether optional parameters may be sent.
    #[must_use]
    pub const fn has_tlvs(self) -> bool {
        self.0 >= Self::V3_4.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 4, self.0 & 15)
    }
}

/// Who binds, as the ESME says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// At most 15 ASCII octets.
    pub system_id: &'a str,
    /// At most 8 ASCII octets.
    pub password: &'a str,
    /// At most 12 ASCII octets.
    pub system_type: &'a str,
    /// What the ESME speaks.
    pub interface_version: Version,
    /// The addresses it serves; at most 40 ASCII octets.
    pub address_range: Address<'a>,
}

impl Default for Credentials<'_> {
    fn default() -> Self {
        let address_range = Address::default();
        Self { system_id: "", password: "", system_type: "", interface_version: Version::V3_4, address_range }
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials of {:?}", self.system_id)
    }
}

/// A credential that does not fit its field: too long, not ASCII, or with a NUL inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is too long, not ASCII, or holds a NUL")]
pub struct BadCredential(pub &'static str);

impl Credentials<'_> {
    /// Appends the body of a bind.
    pub(crate) fn encode_bind(&self, out: &mut Vec<u8>) -> Result<(), BadCredential> {
        let (system_id, password) = (nul(self.system_id.as_bytes()), nul(self.password.as_bytes()));
        let (system_type, range) = (nul(self.system_type.as_bytes()), nul(self.address_range.digits));
        // The three binds have one body (v5.0 4.1.1.1).
        let bind = rusmpp::BindTransceiver {
            system_id: string(&system_id, "system_id")?,
            password: string(&password, "password")?,
            system_type: string(&system_type, "system_type")?,
            interface_version: InterfaceVersion::from(self.interface_version.0),
            addr_ton: Ton::from(self.address_range.ton),
            addr_npi: Npi::from(self.address_range.npi),
            address_range: string(&range, "address_range")?,
        };
        append(out, &bind);
        Ok(())
    }

    /// Appends the body of an outbind.
    pub(crate) fn encode_outbind(&self, out: &mut Vec<u8>) -> Result<(), BadCredential> {
        let (system_id, password) = (nul(self.system_id.as_bytes()), nul(self.password.as_bytes()));
        append(out, &rusmpp::Outbind::new(string(&system_id, "system_id")?, string(&password, "password")?));
        Ok(())
    }
}

fn nul(value: &[u8]) -> Vec<u8> {
    [value, &[0]].concat()
}

fn string<'a, const MAX: usize>(
    value: &'a [u8],
    field: &'static str,
) -> Result<COctetString<'a, 1, MAX>, BadCredential> {
    COctetString::new(value).map_err(|_| BadCredential(field))
}

fn append(out: &mut Vec<u8>, body: &impl Encode) {
    let start = out.len();
    out.resize(start + body.length(), 0);
    if let Some(place) = out.get_mut(start..) {
        body.encode(place);
    }
}

/// A bind that a peer asks for. Debug leaves the password out.
pub struct BindRequest<'a> {
    /// Which of the three.
    pub kind: BindKind,
    bind: rusmpp::BindTransceiver<'a>,
}

impl<'a> BindRequest<'a> {
    /// Reads the body of a bind. Optional parameters after it, which the specification does not know, are ignored.
    pub(super) fn decode(kind: BindKind, body: &'a [u8]) -> Result<Self, Malformed> {
        let (bind, length) = rusmpp::BindTransceiver::decode(body).map_err(|error| malformed(&error))?;
        at_end(body, length)?;
        Ok(Self { kind, bind })
    }

    /// At most 15 ASCII octets.
    #[must_use]
    pub fn system_id(&self) -> &str {
        self.bind.system_id.as_str()
    }

    /// At most 8 ASCII octets.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        self.bind.password.as_str().as_bytes()
    }

    /// At most 12 ASCII octets.
    #[must_use]
    pub fn system_type(&self) -> &str {
        self.bind.system_type.as_str()
    }

    /// What the peer says that it speaks.
    #[must_use]
    pub fn interface_version(&self) -> Version {
        Version(self.bind.interface_version.into())
    }

    /// The addresses that the peer serves.
    #[must_use]
    pub fn address_range(&self) -> Address<'_> {
        Address {
            ton: self.bind.addr_ton.into(),
            npi: self.bind.addr_npi.into(),
            digits: self.bind.address_range.as_str().as_bytes(),
        }
    }
}

impl fmt::Debug for BindRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BindRequest {:?} of {:?}, version {:?}",
            self.kind,
            self.system_id(),
            self.interface_version()
        )
    }
}

/// A bind that cannot be read, as far as it can be told to whoever looks after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBind<'a> {
    /// Which of the three.
    pub kind: BindKind,
    /// What should be its system_id. Any octets, of any number.
    pub system_id: &'a [u8],
    /// How many octets the string at fault has. What stands in it is nobody's business.
    pub octets: usize,
}

impl<'a> BadBind<'a> {
    /// Looks at a body that cannot be read because of `fault`; `None` if the command is no bind.
    #[must_use]
    pub fn of(command: Command, body: &'a [u8], fault: Malformed) -> Option<Self> {
        let kind = BindKind::of(command).filter(|_| !command.is_response())?;
        let mut strings = body.split(|&octet| octet == 0);
        let system_id = strings.clone().next().unwrap_or_default();
        let place = match fault {
            Malformed::Password => 1,
            Malformed::SystemType => 2,
            _ => 0,
        };
        Some(Self { kind, system_id, octets: strings.nth(place).map_or(0, <[u8]>::len) })
    }
}

/// The response to a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindResp {
    /// What the SMSC speaks. One that does not say so speaks 3.3 (v5.0 4.8.4.51).
    pub version: Version,
}

impl BindResp {
    /// Reads a response: never fails, for its header already tells the outcome.
    pub(super) fn decode(body: &[u8]) -> Self {
        let version = MessageResp::decode(body).tlvs.get_number(tlv::SC_INTERFACE_VERSION);
        Self {
            version: version.and_then(|version| u8::try_from(version).ok()).map_or(Version::V3_3, Version),
        }
    }

    /// Appends the body of a bind's positive response: our system_id and, except to a 3.3 peer, the version.
    pub(crate) fn encode(self, out: &mut Vec<u8>, system_id: &str) {
        let version = self.version.has_tlvs().then(|| InterfaceVersion::from(self.version.0));
        let system_id = nul(system_id.as_bytes());
        let system_id = COctetString::new(&system_id).unwrap_or_default();
        append(out, &rusmpp::BindTransceiverResp::new(system_id, version));
    }
}

/// An SMSC asks to be bound to. Debug leaves the password out.
pub struct Outbind<'a>(rusmpp::Outbind<'a>);

impl<'a> Outbind<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let (outbind, length) = rusmpp::Outbind::decode(body).map_err(|error| malformed(&error))?;
        at_end(body, length)?;
        Ok(Self(outbind))
    }

    /// At most 15 ASCII octets.
    #[must_use]
    pub fn system_id(&self) -> &str {
        self.0.system_id.as_str()
    }

    /// At most 8 ASCII octets.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        self.0.password.as_str().as_bytes()
    }
}

impl fmt::Debug for Outbind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbind of {:?}", self.system_id())
    }
}

/// What decoding consumed must be the whole body, but for sound TLVs.
fn at_end(body: &[u8], length: usize) -> Result<(), Malformed> {
    let rest = body.get(length..).unwrap_or_default();
    if Tlvs::new(rest).is_sound() { Ok(()) } else { Err(Malformed::CommandLength) }
}

fn malformed(error: &DecodeError) -> Malformed {
    for (field, fault) in [
        (SmppField::system_id, Malformed::SystemId),
        (SmppField::password, Malformed::Password),
        (SmppField::system_type, Malformed::SystemType),
        (SmppField::address_range, Malformed::AddressRange),
    ] {
        if error.field_exists(field) {
            return fault;
        }
    }
    Malformed::CommandLength
}
