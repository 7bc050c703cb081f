//! Which outcome a reply tells, from its text alone: all that a phone ever learns.

use icaze_config::replies::{KEYS, LANGUAGES, Piece, Placeholder, Texts};
use icaze_store::{Outcome, Reason};

use crate::permit::latin;

/// What a reply tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The class.
    pub outcome: Outcome,
    /// Its reason; a grant has none.
    pub reason: Option<Reason>,
}

/// The reply texts, to be found again.
#[derive(Debug)]
pub struct Outcomes {
    forms: Vec<Form>,
}

/// The literal stretches of one form of a text.
#[derive(Debug)]
struct Form {
    told: Told,
    starts: bool,
    ends: bool,
    literals: Vec<String>,
}

impl Outcomes {
    /// Those of these texts.
    #[must_use]
    pub fn of(texts: &Texts) -> Self {
        let mut forms = Vec::new();
        for key in KEYS {
            let Some(told) = told(key.name) else { continue };
            for text in LANGUAGES.iter().filter_map(|language| texts.get(language, key.name)) {
                for pieces in [&text.full, &text.short].into_iter().chain(&text.least) {
                    forms.push(Form::new(told, pieces, str::to_owned));
                    forms.push(Form::new(told, pieces, in_latin));
                }
            }
        }
        Self { forms }
    }

    /// What a reply tells; `None` if it is none of these texts.
    #[must_use]
    pub fn find(&self, reply: &str) -> Option<Told> {
        let fitting = self.forms.iter().filter(|form| form.fits(reply));
        // The one that says most: a short form may fit by accident.
        fitting.max_by_key(|form| form.literals.iter().map(String::len).sum::<usize>()).map(|form| form.told)
    }
}

impl Form {
    fn new(told: Told, pieces: &[Piece], spelled: impl Fn(&str) -> String) -> Self {
        // Behind the serial's tail a text begins with a small letter, and without one with a capital.
        let about = pieces.first() == Some(&Piece::Value(Placeholder::About));
        let literal = |(index, piece): (usize, &Piece)| match piece {
            Piece::Literal(text) if about && index == 1 => Some(spelled(behind_the_first(text))),
            Piece::Literal(text) => Some(spelled(text)),
            Piece::Value(_) => None,
        };
        Self {
            told,
            starts: matches!(pieces.first(), Some(Piece::Literal(_))),
            ends: matches!(pieces.last(), Some(Piece::Literal(_))),
            literals: pieces.iter().enumerate().filter_map(literal).collect(),
        }
    }

    fn fits(&self, reply: &str) -> bool {
        let mut rest = reply;
        for (index, literal) in self.literals.iter().enumerate() {
            let at = if self.ends && index + 1 == self.literals.len() {
                rest.ends_with(literal.as_str()).then(|| rest.len() - literal.len())
            } else {
                rest.find(literal.as_str())
            };
            match at.and_then(|at| Some((at, rest.get(at + literal.len()..)?))) {
                Some((at, after)) if at == 0 || index > 0 || !self.starts => rest = after,
                _ => return false,
            }
        }
        !self.literals.is_empty() && (!self.ends || rest.is_empty())
    }
}

fn behind_the_first(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

fn told(name: &str) -> Option<Told> {
    if name == Outcome::Granted.name() {
        return Some(Told { outcome: Outcome::Granted, reason: None });
    }
    // A help that asks has another text.
    let name = match name {
        "status" => Reason::Forwarded.name(),
        "ask_purpose" | "several_questions" => Reason::NoPurpose.name(),
        "ask_series" => Reason::Series.name(),
        other => other,
    };
    let reason = *Reason::ALL.iter().find(|reason| reason.name() == name)?;
    Some(Told { outcome: reason.outcome(), reason: Some(reason) })
}

fn in_latin(text: &str) -> String {
    let mut latin = String::new();
    latin::push(text, &mut latin);
    latin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permit::reply::{Values, render};
    use icaze_store::ledger::Language;
    use jiff::civil::date;

    #[test]
    fn every_text_is_found_again_in_every_language_and_in_latin() {
        let texts = Texts::shipped().unwrap();
        let outcomes = Outcomes::of(&texts);
        let day = date(2020, 12, 14).at(14, 15, 0, 0);
        let values = Values {
            document: Some("AZE20000017".parse().unwrap()),
            tail: None,
            purpose: Some(2),
            name: "ərzaq",
            codes: "1 tibb, 2 ərzaq",
            hours: "06:00-21:00",
            period: "14.12 14:15-17:15",
            code: "7K3M-9QXF",
            again: Some(day),
            count: Some(5),
            hotline: "9108",
            emergency: "103",
            example: "2 AZE12345678",
        };
        for key in KEYS {
            for language in [Language::Az, Language::En, Language::Ru] {
                for (latin, document) in
                    [false, true].into_iter().flat_map(|latin| [(latin, values.document), (latin, None)])
                {
                    let mut reply = String::new();
                    let values = Values { document, ..values };
                    if render(&texts, key.name, language, latin, &values, &mut reply).is_some() {
                        assert_eq!(outcomes.find(&reply), told(key.name), "{}: {reply}", key.name);
                    }
                }
            }
        }
        assert_eq!(outcomes.find("Salam"), None);
    }
}
