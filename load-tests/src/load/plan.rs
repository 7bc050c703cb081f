//! What the phones text: the same for the same options, whichever session sends which message.

use std::str::FromStr;

use icaze_codec::text;

use crate::phone::put_digits;
use crate::random::Random;

/// The kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Profile {
    /// Requests as they are asked for, one for each message.
    Steady,
    /// Nine in ten are junk at first and four in ten at last; the rest is written every which way. A rate is the peak,
    /// reached after half of the messages.
    FirstDay,
    /// Every message is delivered twice, on two binds at once.
    Duplicates,
    /// Nine in ten are junk; the rest is as in `steady`.
    Junk,
}

/// The most documents that are told apart.
const DOCUMENTS_MAX: u64 = 1_000_000_000;

/// Documents with consecutive numbers. Each is asked for once before any is asked for again, in an order that no cache
/// foresees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Documents {
    series: String,
    first: u64,
    width: usize,
    count: u64,
    /// Shares no factor with `count`.
    stride: u64,
}

impl FromStr for Documents {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not FIRST:COUNT, such as AZE20000000:100000");
        let (first, count) = text.split_once(':').ok_or_else(wrong)?;
        let digits = first.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let series = first.strip_suffix(digits).unwrap_or_default().to_owned();
        let count =
            count.parse().ok().filter(|count| (1..=DOCUMENTS_MAX).contains(count)).ok_or_else(wrong)?;
        let first = digits.parse().map_err(|_| wrong())?;
        Ok(Self { series, first, width: digits.len(), count, stride: stride(count) })
    }
}

/// The golden section of `count`, or the next number that shares no factor with it.
fn stride(count: u64) -> u64 {
    const fn shares_a_factor(mut a: u64, mut b: u64) -> bool {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a > 1
    }
    let mut stride = (count * 618 / 1000).max(1);
    while shares_a_factor(stride, count) {
        stride += 1;
    }
    stride
}

impl Documents {
    /// How many there are.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The serial that the `index`th phone asks for.
    pub(crate) fn nth(&self, index: u64) -> String {
        let mut serial = Vec::new();
        self.put(index, &mut serial);
        String::from_utf8_lossy(&serial).into_owned()
    }

    /// Appends the serial that the `index`th phone asks for.
    fn put(&self, index: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.series.as_bytes());
        put_digits(self.first + index % self.count * self.stride % self.count, self.width, out);
    }
}

/// The texts of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    profile: Profile,
    documents: Documents,
    purposes: Vec<u8>,
    /// So many in a thousand are junk: for the first phone, and for the last.
    junk: (u64, u64),
    phones: u64,
    seed: u64,
    phrases: Vec<(u8, Vec<u8>)>,
}

/// What is no request, however it is read.
const PHRASES: &[&str] = &[
    "Salam, necəsən?",
    "2",
    "men marketa gedirem",
    "AZE",
    "icaze verin zehmet olmasa",
    "Çörək almağa gedirəm, uşaqlar evdə təkdir",
    "+994501234567",
    "2 2 2",
    "?",
    "test",
    "Здравствуйте, можно выйти в аптеку?",
];

/// What one message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The alphabet that it is written in.
    pub(crate) data_coding: u8,
    /// Whether it is none that can be granted.
    pub(crate) junk: bool,
}

impl Plan {
    /// So many phones, each with one text. `junk` of a hundred are none that can be granted; by default what the profile
    /// says.
    pub(crate) fn new(
        profile: Profile,
        documents: Documents,
        purposes: Vec<u8>,
        junk: Option<u64>,
        phones: u64,
        seed: u64,
    ) -> Self {
        let of_profile = match profile {
            Profile::Steady | Profile::Duplicates => (0, 0),
            Profile::FirstDay => (900, 400),
            Profile::Junk => (900, 900),
        };
        let encode = |phrase: &&str| {
            let mut octets = Vec::new();
            let coding = text::encode(phrase, &mut octets);
            (coding.data_coding(), octets)
        };
        Self {
            profile,
            documents,
            purposes,
            junk: junk.map_or(of_profile, |percent| (10 * percent, 10 * percent)),
            phones,
            seed,
            phrases: PHRASES.iter().map(encode).collect(),
        }
    }

    /// Of a thousand phones like this one, how many send junk.
    fn junk_at(&self, phone: u64) -> u64 {
        let (first, last) = self.junk;
        let passed = phone.min(self.phones);
        (first * (self.phones - passed) + last * passed) / self.phones.max(1)
    }

    /// Writes the text of `phone` over `out`.
    pub(crate) fn text(&self, phone: u64, out: &mut Vec<u8>) -> Kind {
        let mut random = Random::of(self.seed, phone);
        out.clear();
        if random.below(1000) < self.junk_at(phone) {
            return Kind { data_coding: self.junk(phone, &mut random, out), junk: true };
        }
        // Digits, capitals and these separators are the same in ASCII and in the GSM alphabet.
        let (before, separator) = match self.profile {
            Profile::FirstDay => {
                random.of_these(&[("", " "), ("", ""), ("kod ", "#"), ("", " * "), ("", "\n")])
            }
            _ => ("", " "),
        };
        out.extend_from_slice(before.as_bytes());
        put_digits(random.of_these(&self.purposes).into(), 1, out);
        out.extend_from_slice(separator.as_bytes());
        self.documents.put(phone, out);
        if self.profile == Profile::FirstDay && random.percent(20) {
            out.make_ascii_lowercase();
        }
        Kind { data_coding: 0, junk: false }
    }

    fn junk(&self, phone: u64, random: &mut Random, out: &mut Vec<u8>) -> u8 {
        match random.below(10) {
            // Well-formed, but in no register.
            0 | 1 => {
                out.extend_from_slice(b"2 AZE9");
                put_digits(random.below(10_000_000), 7, out);
            }
            // Digits that lack.
            2 => {
                out.extend_from_slice(b"2 AZE");
                put_digits(random.below(100_000), 5, out);
            }
            // A purpose that lacks.
            3 => self.documents.put(phone, out),
            _ => {
                let phrase = usize::try_from(random.below(self.phrases.len() as u64)).unwrap_or_default();
                if let Some((data_coding, octets)) = self.phrases.get(phrase) {
                    out.extend_from_slice(octets);
                    return *data_coding;
                }
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn texts(profile: Profile, junk: Option<u64>, count: u64) -> Vec<(String, Kind)> {
        let plan = Plan::new(profile, "AA0000098:5".parse().unwrap(), vec![2], junk, count, 1);
        let mut text = Vec::new();
        let texts = (0..count).map(|phone| {
            let kind = plan.text(phone, &mut text);
            (String::from_utf8_lossy(&text).into_owned(), kind)
        });
        texts.collect()
    }

    #[test]
    fn documents_keep_their_zeros_and_come_again_only_after_all() {
        let texts = texts(Profile::Steady, None, 10);
        let first: BTreeSet<_> = texts[..5].iter().map(|(text, _)| text.as_str()).collect();
        let all = ["2 AA0000098", "2 AA0000099", "2 AA0000100", "2 AA0000101", "2 AA0000102"];
        assert_eq!(first, all.into());
        assert_eq!(texts[..5], texts[5..]);
        for count in [1, 2, 3, 10, 100_000, 999_983, DOCUMENTS_MAX] {
            let documents: Documents = format!("AZE20000000:{count}").parse().unwrap();
            let serials: BTreeSet<_> = (0..count.min(1000))
                .map(|index| {
                    let mut out = Vec::new();
                    documents.put(index, &mut out);
                    out
                })
                .collect();
            assert_eq!(serials.len() as u64, count.min(1000), "{count}");
        }
    }

    #[test]
    fn a_first_day_is_nearly_all_junk_at_first_and_written_every_which_way() {
        let texts = texts(Profile::FirstDay, None, 10_000);
        let junk = |texts: &[(String, Kind)]| texts.iter().filter(|(_, kind)| kind.junk).count();
        assert!((835..915).contains(&junk(&texts[..1000])), "{}", junk(&texts[..1000]));
        assert!((375..475).contains(&junk(&texts[9000..])), "{}", junk(&texts[9000..]));
        for beginning in ["kod 2#AA", "2 * AA", "2AA", "2aa", "2\nAA"] {
            assert!(texts.iter().any(|(text, _)| text.starts_with(beginning)), "{beginning}");
        }
        assert!(texts.iter().any(|(_, kind)| kind.data_coding == 8));
    }

    #[test]
    fn the_share_of_junk_can_be_given() {
        let junk = |profile, share| {
            let texts = texts(profile, share, 2000);
            texts.into_iter().filter(|(_, kind)| kind.junk).count()
        };
        assert_eq!((junk(Profile::Steady, None), junk(Profile::Junk, Some(100))), (0, 2000));
        assert!((1740..1860).contains(&junk(Profile::Junk, None)));
        assert!((400..600).contains(&junk(Profile::FirstDay, Some(25))));
    }

    #[test]
    fn documents_that_are_none_are_refused() {
        for wrong in ["", "AZE20000000", "AZE20000000:0", "AZE:5", "AZE2x:5", "AZE2:-1", "AZE2:1000000001"] {
            assert!(wrong.parse::<Documents>().is_err(), "{wrong}");
        }
    }
}
