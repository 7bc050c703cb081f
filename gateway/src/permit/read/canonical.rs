//! Requests as they are announced: `2 AZE20000001`. Most texts are, and need no taking apart.

use icaze_store::Document;
use icaze_store::ledger::Language;

use super::lexicon::LEXICON;
use super::{Partial, Place, Reading, Tail};
use crate::permit::Request;

/// The reading of a purpose, one blank or none, and a serial in capitals or small letters: the same
/// that all the rules would come to. `None` for any other text.
#[inline]
pub(super) fn read(text: &str) -> Option<Reading> {
    let [purpose @ b'0'..=b'9', rest @ ..] = text.as_bytes() else { return None };
    let serial = rest.strip_prefix(b" ").unwrap_or(rest);
    let letters = serial.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (letters, digits) = serial.split_at_checked(letters)?;
    let is_series = |letters: &[u8], series: &str| letters.eq_ignore_ascii_case(series.as_bytes());
    let series = LEXICON
        .series
        .iter()
        .find(|series| series.digits == digits.len() && is_series(letters, &series.letters))?;
    let mut number = 0_u32;
    for digit in digits {
        number = number * 10 + u32::from(char::from(*digit).to_digit(10)? as u8);
    }
    let document = Document::from_number(&series.letters, number, digits.len()).ok()?;
    let [.., a, b, c] = digits else { return None };
    if document == Document::EXAMPLE {
        return None;
    }
    Some(Reading {
        language: Language::Az,
        latin: false,
        request: Ok(Request { purpose: purpose - b'0', document }),
        tail: Some(Tail([*a, *b, *c])),
        series: Some(&series.letters),
        partial: Partial::Nothing,
        places: Some((Place::of(0, 1), Place::of(text.len() - serial.len(), text.len()))),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{PurposeNames, read_in_pieces};
    use super::*;

    proptest! {
        #[test]
        fn what_is_read_at_once_is_read_so_by_all_the_rules(
            text in "[0-9] ?(AZE|aze|AzE|AA|aa|MYI|DYI|MOM|mom|AZ|AAA|AZN)[0-9]{6,9}",
        ) {
            let by_rules = read_in_pieces(&text, &PurposeNames::default());
            match read(&text) {
                Some(reading) => prop_assert_eq!(reading, by_rules, "{}", text),
                None => prop_assert!(by_rules.request.is_err() || text.contains(char::is_lowercase), "{}", text),
            }
        }

        #[test]
        fn nothing_else_is_read_at_once(text in "[0-9A-Za-z ,.:-]{0,16}") {
            if let Some(reading) = read(&text) {
                prop_assert_eq!(reading, read_in_pieces(&text, &PurposeNames::default()));
            }
        }
    }
}
