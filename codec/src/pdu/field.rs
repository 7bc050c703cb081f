//! The mandatory fields of a body, in order, and what is wrong with them.

use super::Status;

/// The field that makes a body unreadable. Holds nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The body ends before its mandatory fields do, or goes on after them.
    #[error("the body is shorter or longer than its fields")]
    CommandLength,
    /// Over 5 octets, or without its NUL.
    #[error("service_type")]
    ServiceType,
    /// Over 20 octets (64 in data_sm), or without its NUL.
    #[error("source_addr")]
    SourceAddress,
    /// Over 20 octets (64 in data_sm), or without its NUL.
    #[error("destination_addr")]
    DestinationAddress,
    /// Over 16 octets, or without its NUL.
    #[error("schedule_delivery_time")]
    ScheduleDeliveryTime,
    /// Over 16 octets, or without its NUL.
    #[error("validity_period")]
    ValidityPeriod,
    /// sm_length says more than the body holds.
    #[error("sm_length")]
    MessageLength,
    /// The length of the TLV with this tag says more than the body holds.
    #[error("the optional parameters")]
    TlvStream(u16),
    /// Over 15 octets, not ASCII, or without its NUL.
    #[error("system_id")]
    SystemId,
    /// Over 8 octets, not ASCII, or without its NUL.
    #[error("password")]
    Password,
    /// Over 12 octets, not ASCII, or without its NUL.
    #[error("system_type")]
    SystemType,
    /// Over 40 octets, not ASCII, or without its NUL.
    #[error("address_range")]
    AddressRange,
}

impl Malformed {
    /// The status that the specification names for it.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::CommandLength => Status::ESME_RINVCMDLEN,
            Self::ServiceType => Status::ESME_RINVSERTYP,
            Self::SourceAddress => Status::ESME_RINVSRCADR,
            Self::DestinationAddress => Status::ESME_RINVDSTADR,
            Self::ScheduleDeliveryTime => Status::ESME_RINVSCHED,
            Self::ValidityPeriod => Status::ESME_RINVEXPIRY,
            Self::MessageLength => Status::ESME_RINVMSGLEN,
            Self::TlvStream(_) => Status::ESME_RINVTLVSTREAM,
            Self::SystemId => Status::ESME_RINVSYSID,
            Self::Password => Status::ESME_RINVPASWD,
            Self::SystemType => Status::ESME_RINVSYSTYP,
            Self::AddressRange => Status::ESME_RBINDFAIL,
        }
    }
}

/// Reads fields off the front of a body.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// A C-Octet String of at most `max` octets, which include its NUL. Gives it without the NUL.
    #[inline]
    pub(super) fn c_octets(&mut self, max: usize, error: Malformed) -> Result<&'a [u8], Malformed> {
        if self.0.is_empty() {
            return Err(Malformed::CommandLength);
        }
        let end = self.0.iter().take(max).position(|&octet| octet == 0).ok_or(error)?;
        let (value, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(value)
    }

    #[inline]
    pub(super) fn octets<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (value, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::CommandLength)?;
        self.0 = rest;
        Ok(*value)
    }

    #[inline]
    pub(super) fn slice(&mut self, length: usize, error: Malformed) -> Result<&'a [u8], Malformed> {
        let (value, rest) = self.0.split_at_checked(length).ok_or(error)?;
        self.0 = rest;
        Ok(value)
    }
}

/// Appends a C-Octet String and its NUL.
#[inline]
pub(super) fn put_c_octets(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value);
    out.push(0);
}
