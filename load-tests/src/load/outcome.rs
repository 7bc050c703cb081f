//! What a reply says, told by its first words.

use icaze_codec::pdu::Message;
use icaze_codec::text;

/// What a reply tells the citizen, as far as its first words go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A new permit.
    Granted,
    /// A permit that stands.
    Repeated,
    /// Refused, or not needed, or help about a serial: the reply begins with its tail.
    Refused,
    /// Everything else: help without a serial, above all.
    Other,
}

impl Outcome {
    /// All of them, in the order in which they are counted.
    pub(crate) const ALL: [Self; 4] = [Self::Granted, Self::Repeated, Self::Refused, Self::Other];

    /// Its name in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Other => "help and others",
        }
    }
}

/// The shipped replies in Azerbaijani, the same in Latin letters, in English and in Russian.
const BEGINNINGS: [(&str, Outcome); 9] = [
    ("İCAZƏ VAR:", Outcome::Granted),
    ("ICAZE VAR:", Outcome::Granted),
    ("PERMIT:", Outcome::Granted),
    ("РАЗРЕШЕНО:", Outcome::Granted),
    ("İCAZƏ ARTIQ VAR:", Outcome::Repeated),
    ("ICAZE ARTIQ VAR:", Outcome::Repeated),
    ("PERMIT STILL VALID:", Outcome::Repeated),
    ("УЖЕ РАЗРЕШЕНО:", Outcome::Repeated),
    ("*", Outcome::Refused),
];

/// The beginnings of replies as they stand on the wire.
#[derive(Debug)]
pub(crate) struct Beginnings(Vec<(u8, Vec<u8>, Outcome)>);

impl Beginnings {
    pub(crate) fn new() -> Self {
        let mut encoded = Vec::new();
        for (beginning, outcome) in BEGINNINGS {
            let mut octets = Vec::new();
            let coding = text::encode(beginning, &mut octets).data_coding();
            encoded.push((coding, octets, outcome));
        }
        // A refusal's first character is in either alphabet.
        encoded.push((8, vec![0, b'*'], Outcome::Refused));
        Self(encoded)
    }

    /// What `reply` says.
    pub(crate) fn outcome(&self, reply: &Message<'_>) -> Outcome {
        let begins = |(data_coding, octets, _): &&(u8, Vec<u8>, Outcome)| {
            *data_coding == reply.data_coding && reply.payload.starts_with(octets)
        };
        self.0.iter().find(begins).map_or(Outcome::Other, |&(.., outcome)| outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_told_from_what_begins_like_it() {
        let outcome = |text: &str| {
            let mut payload = Vec::new();
            let coding = text::encode(text, &mut payload);
            let message =
                Message { data_coding: coding.data_coding(), payload: &payload, ..Message::default() };
            Beginnings::new().outcome(&message)
        };
        for (text, expected) in [
            ("İCAZƏ VAR: AZE20000001, kod 2 ərzaq", Outcome::Granted),
            ("ICAZE VAR: AZE20000001, kod 2", Outcome::Granted),
            ("PERMIT: AZE20000001", Outcome::Granted),
            ("РАЗРЕШЕНО: AZE20000001", Outcome::Granted),
            ("İCAZƏ ARTIQ VAR: AZE20000001", Outcome::Repeated),
            ("PERMIT STILL VALID: AZE20000001", Outcome::Repeated),
            ("*001: sənəd tapılmadı", Outcome::Refused),
            ("*001: document not found", Outcome::Refused),
            ("SMS anlaşılmadı", Outcome::Other),
            ("İ", Outcome::Other),
            ("", Outcome::Other),
        ] {
            assert_eq!(outcome(text), expected, "{text}");
        }
    }
}
