//! How people write: one request in many ways, and much that is none.

use fastrand::Rng;

/// Texts that are no request, one a line: `^` stands for any digit, `\n` for a new line.
const JUNK: &str = include_str!("junk.txt");
/// Long texts with a request in them, as `{request}`.
const RAMBLING: &str = include_str!("rambling.txt");

/// Documents that are refused, each for another reason, or need no permit: of the known ones in every register.
const REFUSED: [&str; 6] =
    ["AZE10000003", "AZE10000004", "AZE10000005", "AZE10000006", "AZE10000007", "AZE10000008"];

/// How a request is put: `{p}` the purpose, `{s}` the serial, `{d}` its digits.
const WAYS: [&str; 26] = [
    "{p} {s}",
    "{p} {s}",
    "{p} {s}",
    "{p} {s}",
    "{p} {s}",
    "{p}{s}",
    "{p} {l}",
    "{p}{l}",
    "kod {p} {s}",
    "Kod{p} {l}",
    "*{p}*{s}#",
    "{s} {p}",
    "{p}, {s}",
    "{p}-{s}",
    "{p}/{s}",
    "{p}. {s}.",
    "{p} AZE {d}",
    "{p} АЗЕ{d}",
    "salam {p} {s}",
    "{p} {s} EN",
    "EN {p} {l}",
    "{p} {s} RU",
    "Здравствуйте, код {p} {s}",
    "{p} {s} LAT",
    "{p} {s} zəhmət olmasa",
    "{p} AZE {o}",
];

/// What a citizen asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The purpose's digit.
    pub purpose: u8,
    /// The eight digits after `AZE`.
    pub number: u32,
}

/// A request in one of many ways.
pub fn request(random: &mut Rng, wish: Wish) -> String {
    let way = random.choice(WAYS).unwrap_or("{p} {s}");
    put(way, wish)
}

fn put(way: &str, wish: Wish) -> String {
    let digits = format!("{:08}", wish.number);
    way.replace("{p}", &wish.purpose.to_string())
        .replace("{s}", &format!("AZE{digits}"))
        .replace("{l}", &format!("aze{digits}"))
        // As one writes a number by ear.
        .replace("{o}", &digits.replace('0', "O"))
        .replace("{d}", &digits)
}

/// A long text with a request somewhere in it: several short messages on the wire.
pub fn rambling(random: &mut Rng, wish: Wish) -> String {
    let text = line(random, RAMBLING);
    unescape(text).replace("{request}", &put("{p} {s}", wish))
}

/// A text that is no request.
pub fn junk(random: &mut Rng) -> String {
    let text = line(random, JUNK);
    unescape(text).chars().map(|c| if c == '^' { random.digit(10) } else { c }).collect()
}

/// A request that is understood and refused, or needs no permit.
pub fn refused(random: &mut Rng) -> String {
    let purpose = random.u8(1..=2);
    match random.u8(0..8) {
        // Beyond every synthetic number.
        0 => format!("{purpose} AZE9{:07}", random.u32(0..10_000_000)),
        1 => format!("{} {}", random.u8(3..=9), "AZE10000002"),
        _ => format!("{purpose} {}", random.choice(REFUSED).unwrap_or("AZE10000003")),
    }
}

/// Any line of `text`, which has one at least.
fn line<'a>(random: &mut Rng, text: &'a str) -> &'a str {
    let index = random.usize(0..text.lines().count().max(1));
    text.lines().nth(index).unwrap_or_default()
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permit::read::{self, PurposeNames, Reading};

    const WISH: Wish = Wish { purpose: 2, number: 20_000_017 };

    fn is_wish(text: &str) -> bool {
        let read = read(text).request.ok();
        read.is_some_and(|request| request.purpose == 2 && request.document == "AZE20000017".parse().unwrap())
    }

    fn read(text: &str) -> Reading {
        read::read(text, &PurposeNames::default())
    }

    #[test]
    fn every_way_to_put_a_request_is_one() {
        for way in WAYS {
            let text = put(way, WISH);
            assert!(is_wish(&text), "{text}");
        }
    }

    #[test]
    fn every_rambling_text_holds_the_request_and_needs_several_messages() {
        let mut random = Rng::with_seed(1);
        for _ in 0..100 {
            let text = rambling(&mut random, WISH);
            assert!(is_wish(&text), "{text}");
            assert!(text.chars().count() > 70, "{text}");
        }
    }

    #[test]
    fn no_junk_is_a_request() {
        for seed in 0..2000 {
            let text = junk(&mut Rng::with_seed(seed));
            assert!(read(&text).request.is_err(), "{text}");
        }
        assert!(JUNK.lines().all(|line| !line.trim().is_empty()));
        assert!(JUNK.lines().count() >= 80);
    }

    #[test]
    fn what_is_refused_was_understood() {
        for seed in 0..200 {
            let text = refused(&mut Rng::with_seed(seed));
            assert!(read(&text).request.is_ok(), "{text}");
        }
    }
}
