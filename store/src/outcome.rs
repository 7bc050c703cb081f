//! What became of a request, in the words that ledger, metrics, API, reply files and statistics share.

/// Declares an enum whose variants have a stable byte on disk and a stable name everywhere else.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $(#[doc = $meaning:literal] $variant:ident = $byte:literal $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $meaning] $variant = $byte,)+ }

        impl $name {
            /// Every variant, in the order of its byte.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in ledger dumps, metrics, the API and reply files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What it means, as a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning.trim_ascii()),+ }
            }

            /// The variant with this byte on disk.
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$variant),)+ _ => None }
            }

            /// The byte on disk.
            #[must_use]
            pub const fn byte(self) -> u8 {
                self as u8
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named! {
    /// The class of a decision.
    Outcome {
        /// A new permit.
        Granted = 1 "granted",
        /// The permit asked for stands already.
        Repeated = 2 "repeated",
        /// No permit.
        Refused = 3 "refused",
        /// No permit is needed.
        NotNeeded = 4 "not_needed",
        /// The text could not be read as one request.
        Help = 5 "help",
        /// The phone is beyond its limit.
        Limited = 6 "limited",
        /// Never answered.
        Ignored = 7 "ignored",
    }
}

named! {
    /// Why a decision has its [`Outcome`]. `granted` has none.
    Reason {
        /// The phone that asked for the standing permit asks again.
        Standing = 1 "standing",
        /// Another phone asks for a standing permit.
        OtherPhone = 2 "other_phone",
        /// Well-formed, but not in the register.
        UnknownDocument = 10 "unknown_document",
        /// Past its last day.
        DocumentExpired = 11 "document_expired",
        /// Reported lost.
        DocumentLost = 12 "document_lost",
        /// Revoked, or its holder is deceased.
        DocumentInvalid = 13 "document_invalid",
        /// The regime's age rule.
        Age = 14 "age",
        /// Isolation or recent arrival.
        StayHome = 15 "stay_home",
        /// This person may not use this purpose.
        Blocked = 16 "blocked",
        /// The allowance is used up.
        Quota = 17 "quota",
        /// Outside the purpose's hours, or too little of them remains.
        Hours = 18 "hours",
        /// The regime has no such purpose.
        PurposeUnknown = 19 "purpose_unknown",
        /// The person's region is not restricted.
        Area = 20 "area",
        /// No regime is in force.
        NoRegime = 21 "no_regime",
        /// Nothing in the text looks like a request.
        Unreadable = 30 "unreadable",
        /// A document, but no purpose.
        NoPurpose = 31 "no_purpose",
        /// A purpose, but no document.
        NoDocument = 32 "no_document",
        /// A known series with too many or too few digits.
        WrongLength = 33 "wrong_length",
        /// The personal code (FIN) instead of the document's serial.
        Fin = 34 "fin",
        /// More than one document.
        TwoDocuments = 35 "two_documents",
        /// The example's serial.
        Example = 36 "example",
        /// Parts of the text never came.
        Incomplete = 37 "incomplete",
        /// The message is no text.
        Binary = 38 "binary",
        /// A document, and more than one purpose.
        TwoPurposes = 39 "two_purposes",
        /// A number without a series, or with one that cannot be read.
        Series = 60 "series",
        /// The number of a passport or a certificate instead of the document's serial.
        Passport = 61 "passport",
        /// A permit for another day.
        Later = 62 "later",
        /// A reply of ours that came back.
        Forwarded = 63 "forwarded",
        /// The document that was read has to be confirmed.
        Confirm = 64 "confirm",
        /// One phone beyond its limit.
        Phone = 40 "phone",
        /// One phone with too many serials that the register lacks.
        Guesses = 41 "guesses",
        /// A sender that an answer could set off again: a short code or a name.
        Loop = 50 "loop",
        /// A delivery receipt.
        Receipt = 51 "receipt",
    }
}

impl Reason {
    /// The outcome that the reason belongs to.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Standing | Self::OtherPhone => Outcome::Repeated,
            Self::UnknownDocument
            | Self::DocumentExpired
            | Self::DocumentLost
            | Self::DocumentInvalid
            | Self::Age
            | Self::StayHome
            | Self::Blocked
            | Self::Quota
            | Self::Hours
            | Self::PurposeUnknown => Outcome::Refused,
            Self::Area | Self::NoRegime => Outcome::NotNeeded,
            Self::Unreadable
            | Self::NoPurpose
            | Self::NoDocument
            | Self::WrongLength
            | Self::Fin
            | Self::TwoDocuments
            | Self::Example
            | Self::Incomplete
            | Self::Binary
            | Self::TwoPurposes
            | Self::Series
            | Self::Passport
            | Self::Later
            | Self::Forwarded
            | Self::Confirm => Outcome::Help,
            Self::Phone | Self::Guesses => Outcome::Limited,
            Self::Loop | Self::Receipt => Outcome::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_lead_back_to_their_variants() {
        for &outcome in Outcome::ALL {
            assert_eq!(Outcome::from_byte(outcome.byte()), Some(outcome));
        }
        for &reason in Reason::ALL {
            assert_eq!(Reason::from_byte(reason.byte()), Some(reason));
        }
        assert_eq!(Reason::from_byte(0), None);
    }
}
