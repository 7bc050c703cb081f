//! Telling a new permit from other replies, by its first words.

use icaze_codec::pdu::Message;
use icaze_codec::text;

/// How a grant begins: in Azerbaijani, the same in Latin letters, in English and in Russian.
const BEGINNINGS: [&str; 4] = ["İCAZƏ VAR:", "ICAZE VAR:", "PERMIT:", "РАЗРЕШЕНО:"];

/// The beginnings of grants as they stand on the wire.
#[derive(Debug)]
pub(crate) struct Grants(Vec<(u8, Vec<u8>)>);

impl Grants {
    pub(crate) fn new() -> Self {
        let encoded = BEGINNINGS.into_iter().map(|beginning| {
            let mut octets = Vec::new();
            let coding = text::encode(beginning, &mut octets);
            (coding.data_coding(), octets)
        });
        Self(encoded.collect())
    }

    /// Whether `reply` is one.
    pub(crate) fn contain(&self, reply: &Message<'_>) -> bool {
        let begins = |(data_coding, octets): &(u8, Vec<u8>)| {
            *data_coding == reply.data_coding && reply.payload.starts_with(octets)
        };
        self.0.iter().any(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_told_from_what_begins_like_one() {
        let reply = |text: &str| {
            let mut payload = Vec::new();
            let coding = text::encode(text, &mut payload);
            let message =
                Message { data_coding: coding.data_coding(), payload: &payload, ..Message::default() };
            Grants::new().contain(&message)
        };
        assert!(reply("İCAZƏ VAR: AZE20000001, kod 2 ərzaq"));
        assert!(reply("ICAZE VAR: AZE20000001, kod 2"));
        assert!(reply("PERMIT: AZE20000001"));
        assert!(reply("РАЗРЕШЕНО: AZE20000001"));
        assert!(!reply("İCAZƏ ARTIQ VAR: AZE20000001"));
        assert!(!reply("PERMIT STILL VALID: AZE20000001"));
        assert!(!reply("İ"));
    }
}
