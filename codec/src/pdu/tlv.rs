//! Optional parameters (SMPP v5.0 4.8): tag, length, value.

use std::ops::RangeInclusive;

/// sar_msg_ref_num: which multi-part message, 2 octets.
pub const SAR_MSG_REF_NUM: u16 = 0x020C;
/// sar_total_segments: of how many parts, 1 octet.
pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
/// sar_segment_seqnum: which part, from 1, 1 octet.
pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
/// user_message_reference: the sender's own number, 2 octets.
pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
/// qos_time_to_live: data_sm's validity, seconds, 4 octets.
pub const QOS_TIME_TO_LIVE: u16 = 0x0017;
/// receipted_message_id: the message_id that a receipt is about, C-Octet String of at most 65.
pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
/// message_state: what a receipt says, 1 octet.
pub const MESSAGE_STATE: u16 = 0x0427;
/// network_error_code: 3 octets.
pub const NETWORK_ERROR_CODE: u16 = 0x0423;
/// message_payload: the text, where it is not in short_message.
pub const MESSAGE_PAYLOAD: u16 = 0x0424;
/// sc_interface_version: the SMSC's version, in the bind's response, 1 octet.
pub const SC_INTERFACE_VERSION: u16 = 0x0210;

/// The optional parameters of a PDU, still in their octets. Iterates leniently: any tag, any order, any value length.
///
/// Fewer than four octets at the end, too few for a TLV, are ignored.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    /// TLVs as they are on the wire.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// As they are on the wire.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The value of the first TLV with this tag.
    #[must_use]
    pub fn get(self, tag: u16) -> Option<&'a [u8]> {
        self.into_iter().find_map(|(found, value)| (found == tag).then_some(value))
    }

    /// The same as a big-endian number, of one to four octets whatever the specification says of this tag.
    #[must_use]
    pub fn get_number(self, tag: u16) -> Option<u32> {
        let value = self.get(tag)?;
        (1..=4)
            .contains(&value.len())
            .then(|| value.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)))
    }

    /// What stands behind the mandatory parameters: the optional ones that are whole, and the tag
    /// of one behind them whose length goes past the end. One stray NUL before them is passed over,
    /// which some senders write behind short_message.
    pub(super) fn read(octets: &'a [u8]) -> (Self, Option<u16>) {
        let (whole, rest) = Self::split(octets);
        let cut = rest.first_chunk::<4>();
        (whole, cut.map(|[high, low, ..]| u16::from_be_bytes([*high, *low])))
    }

    /// Those that are whole, and what stands behind them.
    fn split(octets: &'a [u8]) -> (Self, &'a [u8]) {
        let (mut octets, mut rest) = (octets, Self(octets).rest());
        if let Some((0, behind)) = octets.split_first().filter(|_| rest.len() >= 4) {
            let other = Self(behind).rest();
            if other.len() + 1 < rest.len() {
                (octets, rest) = (behind, other);
            }
        }
        let whole = octets.len() - rest.len();
        (Self(octets.get(..whole).unwrap_or_default()), rest)
    }

    /// Whether no TLV's length goes past the end.
    pub(super) fn is_sound(self) -> bool {
        self.rest().len() < 4
    }

    /// What is no whole TLV.
    fn rest(self) -> &'a [u8] {
        let mut tlvs = self.into_iter();
        tlvs.by_ref().for_each(drop);
        tlvs.0
    }
}

/// Whether what stands behind short_message is optional parameters, and not the end of its text
/// that an sm_length too small has left out: an answer to half a text would be to another one.
///
/// Octets of a text, read as a parameter, have a length that goes past the end (two characters of
/// one octet, or one of another alphabet), or a tag that is a character of UCS-2. The tag 0x0030 is
/// its zero.
pub(super) fn are_parameters(octets: &[u8]) -> bool {
    let (tlvs, rest) = Tlvs::split(octets);
    let behind = match *rest {
        [] | [0] => true,
        [t0, t1, l0, _, ..] => match u16::from_be_bytes([t0, t1]) {
            MESSAGE_PAYLOAD => true,
            tag => l0 == 0 && tag != 0x0030 && (VENDORS.contains(&tag) || is_known(tag)),
        },
        _ => false,
    };
    behind && tlvs.into_iter().all(|(tag, _)| tag >= *VENDORS.start() || is_known(tag))
}

/// The tags of vendors; beyond them are reserved ones, which may come to be used (SMPP v3.4, 5.3.1).
const VENDORS: RangeInclusive<u16> = 0x1400..=0x3FFF;

/// Whether the tag is one of SMPP v3.4's (5.3.2) or v5.0's (4.8.1).
const fn is_known(tag: u16) -> bool {
    matches!(
        tag,
        0x0005..=0x0008
            | 0x000D..=0x0010
            | 0x0017
            | 0x0019
            | 0x001D
            | 0x001E
            | 0x0030
            | 0x0201..=0x0205
            | 0x020A..=0x0210
            | 0x0302..=0x0304
            | 0x0381
            | 0x0420..=0x0428
            | 0x0501
            | 0x0600..=0x0613
            | 0x1201
            | 0x1203
            | 0x1204
            | 0x130C
            | 0x1380
            | 0x1383
    )
}

/// Whether a parameter says what a text is, or which part of one.
pub(super) const fn is_of_text(tag: u16) -> bool {
    matches!(tag, MESSAGE_PAYLOAD | SAR_MSG_REF_NUM | SAR_TOTAL_SEGMENTS | SAR_SEGMENT_SEQNUM)
}

/// The specification's name of a parameter that a message may have, or `other`: labels stay few.
#[must_use]
pub const fn name(tag: u16) -> &'static str {
    match tag {
        SAR_MSG_REF_NUM => "sar_msg_ref_num",
        SAR_TOTAL_SEGMENTS => "sar_total_segments",
        SAR_SEGMENT_SEQNUM => "sar_segment_seqnum",
        USER_MESSAGE_REFERENCE => "user_message_reference",
        QOS_TIME_TO_LIVE => "qos_time_to_live",
        RECEIPTED_MESSAGE_ID => "receipted_message_id",
        MESSAGE_STATE => "message_state",
        NETWORK_ERROR_CODE => "network_error_code",
        MESSAGE_PAYLOAD => "message_payload",
        _ => "other",
    }
}

impl<'a> IntoIterator for Tlvs<'a> {
    type Item = (u16, &'a [u8]);
    type IntoIter = TlvIter<'a>;

    fn into_iter(self) -> TlvIter<'a> {
        TlvIter(self.0)
    }
}

impl std::fmt::Debug for Tlvs<'_> {
    /// Tags only: values may be personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.into_iter().map(|(tag, _)| tag)).finish()
    }
}

/// Yields tag and value; ends at the first TLV that goes past the end.
#[derive(Clone)]
pub struct TlvIter<'a>(&'a [u8]);

impl<'a> Iterator for TlvIter<'a> {
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let ([t0, t1, l0, l1], rest) = self.0.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([*l0, *l1]).into())?;
        self.0 = rest;
        Some((u16::from_be_bytes([*t0, *t1]), value))
    }
}

/// Appends one TLV. A value over 65,535 octets, which no TLV can hold, is left out.
pub fn put(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len()) else { return };
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_any_width_and_a_cut_end() {
        let tlvs = Tlvs::new(&[0x02, 0x0C, 0, 1, 9, 0x02, 0x0E, 0, 0, 0x00, 0x17, 0, 5, 1, 2, 3, 4, 5, 0xFF]);
        assert_eq!(tlvs.get_number(SAR_MSG_REF_NUM), Some(9));
        assert_eq!(tlvs.get_number(SAR_TOTAL_SEGMENTS), None, "empty");
        assert_eq!(tlvs.get_number(QOS_TIME_TO_LIVE), None, "five octets");
        assert!(tlvs.is_sound(), "one stray octet is tolerated");
        assert!(!Tlvs::new(&[0x02, 0x0C, 0, 2, 9]).is_sound(), "a length past the end is not");
    }

    #[test]
    fn a_stray_nul_before_them_and_a_cut_one_behind_them_cost_no_other() {
        let sar = [0x02, 0x0C, 0, 2, 0, 7];
        let (cut, long_cut) = ([0x04, 0x27, 0, 1], [0x14, 0, 0, 9, 1, 2]);
        for (octets, refused) in [
            (sar.to_vec(), None),
            ([&[0][..], &sar].concat(), None),
            ([&sar[..], &cut].concat(), Some(MESSAGE_STATE)),
            ([&[0][..], &sar, &long_cut].concat(), Some(0x1400)),
        ] {
            let (tlvs, tag) = Tlvs::read(&octets);
            assert_eq!((tlvs.get_number(SAR_MSG_REF_NUM), tag), (Some(7), refused), "{octets:02x?}");
            assert!(tlvs.is_sound());
        }
        assert_eq!(Tlvs::read(&[0]).1, None);
        assert_eq!(Tlvs::read(&[0, 0, 0, 9, 0]).1, Some(0), "NULs alone are a cut parameter");
    }

    #[test]
    fn the_end_of_a_text_is_no_parameter() {
        let text = "ərzaq üçün 2 AZE20000001, Орду РАЙОНУ";
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for octets in [&wide[..], b"2 AZE20000001"] {
            for at in 1..octets.len() {
                // Of a NUL alone nobody knows whose it is.
                let rest = &octets[at..];
                assert!(!are_parameters(rest) || rest == [0], "{rest:02x?}");
            }
        }
        let vendors = [0x14, 0, 0, 1, 7, 0x02, 0x04, 0, 2, 0, 9];
        for octets in [&[][..], &[0], &vendors, &[0, 0x02, 0x04, 0, 2, 0, 9], &[0x04, 0x27, 0, 1]] {
            assert!(are_parameters(octets), "{octets:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_in_part(octets: Vec<u8>) {
            let (tlvs, _) = Tlvs::read(&octets);
            prop_assert!(tlvs.is_sound());
        }

        #[test]
        fn what_was_put_is_found_again(tlvs in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..9)), 0..9)) {
            let mut out = Vec::new();
            for (tag, value) in &tlvs {
                put(&mut out, *tag, value);
            }
            let read: Vec<_> = Tlvs::new(&out).into_iter().map(|(tag, value)| (tag, value.to_vec())).collect();
            prop_assert_eq!(read, tlvs);
            prop_assert!(Tlvs::new(&out).is_sound());
        }
    }
}
