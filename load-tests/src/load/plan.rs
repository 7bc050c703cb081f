//! What the phones text: the same for the same options, whichever session sends which message.

use std::fmt::Write as _;
use std::str::FromStr;

use crate::random::Random;

/// The kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Profile {
    /// Requests as they are asked for, one for each message.
    Steady,
    /// Six in ten cannot be read or name an unknown document, and the rest is written every which way.
    FirstDay,
    /// Every message is delivered twice, on two binds at once.
    Duplicates,
    /// Nothing can be read.
    Junk,
}

/// Documents with consecutive numbers, asked for in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Documents {
    series: String,
    first: u64,
    width: usize,
    count: u64,
}

impl FromStr for Documents {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not FIRST:COUNT, such as AZE20000000:100000");
        let (first, count) = text.split_once(':').ok_or_else(wrong)?;
        let digits = first.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let series = first.strip_suffix(digits).unwrap_or_default().to_owned();
        let count = count.parse().ok().filter(|&count| count > 0).ok_or_else(wrong)?;
        Ok(Self { series, first: digits.parse().map_err(|_| wrong())?, width: digits.len(), count })
    }
}

impl Documents {
    /// Appends the serial of the `index`th document, beginning anew after the last.
    pub(crate) fn write(&self, index: u64, out: &mut String) {
        let Self { series, first, width, count } = self;
        let _ = write!(out, "{series}{:0width$}", first + index % count);
    }
}

/// The texts of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) documents: Documents,
    pub(crate) purposes: Vec<u8>,
    pub(crate) seed: u64,
}

const JUNK: &[&str] = &[
    "salam necesen",
    "2",
    "men marketa gedirem",
    "AZE",
    "2 AZE2000",
    "icaze verin zehmet olmasa",
    "+994501234567",
    "2 2 2",
    "?",
    "test",
];

impl Plan {
    /// Which phone sends message `index`.
    pub(crate) const fn phone(&self, index: u64) -> u64 {
        match self.profile {
            Profile::Duplicates => index / 2,
            _ => index,
        }
    }

    /// How many phones send `messages` messages.
    pub(crate) const fn phones(&self, messages: u64) -> u64 {
        if messages == 0 { 0 } else { self.phone(messages - 1) + 1 }
    }

    /// Writes the text of message `index` over `out`.
    pub(crate) fn text(&self, index: u64, out: &mut String) {
        let phone = self.phone(index);
        let mut random = Random::of(self.seed, phone);
        out.clear();
        match self.profile {
            Profile::Steady | Profile::Duplicates => self.request(phone, " ", &mut random, out),
            Profile::Junk => out.push_str(random.of_these(JUNK)),
            Profile::FirstDay => match random.below(10) {
                0..=3 => out.push_str(random.of_these(JUNK)),
                // Well-formed, but in no register.
                4..=5 => {
                    let _ = write!(out, "2 AZE9{:07}", random.below(10_000_000));
                }
                6 => self.request(phone, " ", &mut random, out),
                7 => self.request(phone, "", &mut random, out),
                8 => {
                    out.push_str("kod ");
                    self.request(phone, "#", &mut random, out);
                }
                _ => {
                    self.request(phone, " * ", &mut random, out);
                    out.make_ascii_lowercase();
                }
            },
        }
    }

    fn request(&self, phone: u64, separator: &str, random: &mut Random, out: &mut String) {
        let _ = write!(out, "{}{separator}", random.of_these(&self.purposes));
        self.documents.write(phone, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(profile: Profile, count: u64) -> Vec<String> {
        let documents = "AA0000098:5".parse().unwrap();
        let plan = Plan { profile, documents, purposes: vec![2], seed: 1 };
        let mut text = String::new();
        let texts = (0..count).map(|index| {
            plan.text(index, &mut text);
            text.clone()
        });
        texts.collect()
    }

    #[test]
    fn documents_run_on_keep_their_zeros_and_begin_anew() {
        let expected =
            ["2 AA0000098", "2 AA0000099", "2 AA0000100", "2 AA0000101", "2 AA0000102", "2 AA0000098"];
        assert_eq!(texts(Profile::Steady, 6), expected);
    }

    #[test]
    fn a_redelivery_is_the_same_phone_and_the_same_text() {
        let plan = Plan {
            profile: Profile::Duplicates,
            documents: "AA0000000:9".parse().unwrap(),
            purposes: vec![1, 2],
            seed: 5,
        };
        assert_eq!((plan.phone(6), plan.phone(7), plan.phones(7), plan.phones(0)), (3, 3, 4, 0));
        let texts = texts(Profile::Duplicates, 8);
        assert!(texts.chunks(2).all(|pair| pair[0] == pair[1]));
        assert_ne!(texts[0], texts[2]);
    }

    #[test]
    fn a_first_day_is_mostly_wrong() {
        let texts = texts(Profile::FirstDay, 1000);
        let known = texts.iter().filter(|text| text.to_uppercase().contains("AA00001")).count();
        assert!((200..450).contains(&known), "{known} of 1,000 name a known document");
        assert!(texts.iter().any(|text| text.starts_with("kod 2#")));
    }

    #[test]
    fn documents_that_are_none_are_refused() {
        for wrong in ["", "AZE20000000", "AZE20000000:0", "AZE:5", "AZE2x:5", "AZE2:-1"] {
            assert!(wrong.parse::<Documents>().is_err(), "{wrong}");
        }
    }
}
