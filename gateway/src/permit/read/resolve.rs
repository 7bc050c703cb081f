//! One reading or none: from what a text holds to the request, or to what keeps it from being one.

use arrayvec::ArrayVec;
use icaze_store::Document;

use super::lexicon::{Class, LEXICON};
use super::piece::{Piece, Pieces, Role};
use super::purpose::{self, Choice};
use super::serial::{SPANS_MAX, Serial, Serials, Span, State};
use super::{Help, Partial, Place, Reading, Tail, language};
use crate::permit::Request;
use crate::permit::code::Code;

/// A request, or the help and what is known.
type Read = Result<(Request, Place, Place), (Help, Partial)>;

/// The reading of `text`, which `pieces` and `serials` are of.
pub(super) fn resolve(text: &str, pieces: &Pieces, serials: &Serials) -> Reading {
    let (language, latin) = language::of(pieces);
    let resolver = Resolver::new(text, pieces, serials);
    let read = resolver.read();
    let serial = resolver.only.or(resolver.example);
    let series = serial.and_then(|serial| serial.series).or(serials.lone.filter(|_| serial.is_none()));
    let (request, partial, places) = match read {
        Ok((request, purpose, serial)) => (Ok(request), Partial::Nothing, Some((purpose, serial))),
        Err((help, partial)) => (Err(help), partial, None),
    };
    Reading {
        language,
        latin,
        request,
        tail: serial.map(Serial::tail),
        series: series.map(|series| series.letters.as_str()),
        partial,
        places,
    }
}

struct Resolver<'a> {
    text: &'a str,
    pieces: &'a Pieces,
    serials: &'a Serials,
    /// The serial or number that may be one, if there is exactly one, but for the example's.
    only: Option<&'a Serial>,
    /// There are more.
    several: bool,
    example: Option<&'a Serial>,
}

impl<'a> Resolver<'a> {
    fn new(text: &'a str, pieces: &'a Pieces, serials: &'a Serials) -> Self {
        let is_example = |serial: &&Serial| serial.document() == Some(Document::EXAMPLE);
        let example = serials.found.iter().find(is_example);
        let mut others = serials.found.iter().filter(|serial| !is_example(serial)).chain(&serials.bare);
        let only = others.next();
        let several = others.next().is_some();
        Self { text, pieces, serials, only: only.filter(|_| !several), several, example }
    }

    fn read(&self) -> Read {
        let help = |help| Err((help, Partial::Nothing));
        if self.pieces.too_many || self.serials.too_many {
            return help(Help::Unreadable);
        }
        if let Some(code) = self.forwarded() {
            return Err((Help::Forwarded, code.map_or(Partial::Nothing, Partial::Forwarded)));
        }
        if self.pieces.command {
            return help(Help::Unreadable);
        }
        if self.several {
            return help(Help::TwoDocuments);
        }
        let Some(serial) = self.only else { return Err(self.without_document()) };
        if serial.state == State::WrongLength {
            return help(if self.pieces.fin { Help::Fin } else { Help::WrongLength });
        }
        if self.is_later() {
            return help(Help::Later);
        }
        if self.goes_on_behind(serial) {
            return help(Help::TwoDocuments);
        }
        let choice = self.purpose(&self.serials.spans, serial.goes_on);
        match serial.series {
            Some(_) => self.with_series(serial, choice),
            None => Err(self.without_series(serial, choice)),
        }
    }

    fn with_series(&self, serial: &Serial, choice: Choice) -> Read {
        let Some(document) = serial.document() else { return Err((Help::WrongLength, Partial::Nothing)) };
        let known = serial.state == State::Known;
        match choice {
            Choice::DigitTooMany => Err((Help::WrongLength, Partial::Nothing)),
            Choice::Several => Err((Help::TwoPurposes, Partial::Nothing)),
            Choice::None if known => Err((Help::NoPurpose, Partial::Document(document))),
            Choice::None | Choice::Denied => Err((Help::NoPurpose, Partial::Nothing)),
            Choice::One(purpose, place) => {
                let request = Request { purpose, document };
                if !known {
                    return Err((Help::Confirm, Partial::Doubtful(request)));
                }
                Ok((request, self.place(place, place), self.place(serial.first, serial.last)))
            }
        }
    }

    /// A number as long as a serial's, whose series is missing or cannot be read.
    fn without_series(&self, serial: &Serial, choice: Choice) -> (Help, Partial) {
        if self.has(Class::Passport) || self.serials.passport {
            return (Help::Passport, Partial::Nothing);
        }
        let purpose = match choice {
            Choice::One(purpose, _) if !self.serials.foreign => purpose,
            Choice::Several => return (Help::TwoPurposes, Partial::Nothing),
            _ => return (Help::Series, Partial::Nothing),
        };
        let Ok(number) = u32::try_from(serial.value) else { return (Help::Series, Partial::Nothing) };
        let Some(series) = Serials::only_series(serial.len) else {
            let digits = serial.len as u8;
            return (Help::Series, Partial::Number { purpose, number, digits });
        };
        match Document::from_number(&series.letters, number, serial.len) {
            Ok(Document::EXAMPLE) => (Help::Example, Partial::Nothing),
            Ok(document) => (Help::Confirm, Partial::Doubtful(Request { purpose, document })),
            Err(_) => (Help::Series, Partial::Nothing),
        }
    }

    fn without_document(&self) -> (Help, Partial) {
        if self.example.is_some() {
            return (Help::Example, Partial::Nothing);
        }
        if self.pieces.fin {
            return (Help::Fin, Partial::Nothing);
        }
        if self.serials.passport {
            return (Help::Passport, Partial::Nothing);
        }
        if let Some(answer) = self.answer() {
            return (Help::Unreadable, answer);
        }
        match self.purpose(&[], false) {
            Choice::One(purpose, place) if self.says_only(place) => {
                (Help::NoDocument, Partial::Purpose(purpose, self.bare_tail()))
            }
            Choice::One(..) => (Help::NoDocument, Partial::Nothing),
            _ => (Help::Unreadable, Partial::Nothing),
        }
    }

    /// An answer to a question, alone in its text.
    fn answer(&self) -> Option<Partial> {
        if self.text.trim() == "+" {
            return Some(Partial::Yes);
        }
        let all = self.pieces.all.as_slice();
        if all.is_empty() {
            return self.text.contains('👍').then_some(Partial::Yes);
        }
        let suffix = |piece: &&Piece| !matches!(piece.class(), Some(Class::Filler | Class::Ordinal));
        let mut said = all.iter().filter(suffix);
        if let (Some(series), None) = (said.next().and_then(Piece::series), said.next()) {
            return Some(Partial::Series(&series.letters));
        }
        // "Bəli, düzdür", "yes please": every word says the same, or is polite.
        let mut answer = None;
        for word in all {
            let word = word.word()?;
            match (LEXICON.answer(word.folded), answer) {
                (Some(yes), None) => answer = Some(yes),
                (Some(yes), Some(before)) if yes != before => return None,
                (Some(_), Some(_)) => {}
                (None, _) if word.class == Some(Class::Polite) && !word.hides => {}
                (None, _) => return None,
            }
        }
        Some(if answer? { Partial::Yes } else { Partial::No })
    }

    fn purpose(&self, serials: &[Span], goes_on: bool) -> Choice {
        let example = self.example.filter(|_| self.only.is_some());
        let example = example.map(|example| (example.first, example.last));
        let own = |span: &Span| Some(*span) != example;
        let serials: ArrayVec<Span, SPANS_MAX> = serials.iter().copied().filter(own).collect();
        purpose::find(&self.pieces.all, &serials, example, goes_on)
    }

    /// The text says nothing but the piece at `place`, and asks nothing.
    fn says_only(&self, place: usize) -> bool {
        let mut others = self.pieces.all.iter().enumerate().filter(|&(other, _)| other != place);
        !self.text.contains('?')
            && others.all(|(_, piece)| {
                piece.word().is_some_and(|word| word.is_harmless() && word.class != Some(Class::Permit))
                    || piece.free().is_some_and(|digits| digits.len == 3)
            })
    }

    /// The end of a serial without the rest: `2 001`.
    fn bare_tail(&self) -> Option<Tail> {
        let mut numbers = self.pieces.all.iter().filter_map(Piece::free).filter(|digits| digits.len > 1);
        let number = numbers.next().filter(|digits| digits.len == 3)?;
        let digit = |at: u32| b'0' + (number.value / 10_u64.pow(at) % 10) as u8;
        numbers.next().is_none().then(|| Tail([digit(2), digit(1), digit(0)]))
    }

    /// A number that may be a piece of another serial: `AZE20000001/87`, `AZE20000001 və 3589`.
    fn goes_on_behind(&self, serial: &Serial) -> bool {
        const JOINTS: &str = ",/+&";
        let all = self.pieces.all.as_slice();
        let year = |value: u64| (1900..=2029).contains(&value);
        let piece_of_serial = |piece: &Piece| {
            piece.free().is_some_and(|digits| {
                matches!(digits.len, 2..=6 | 9) && !digits.leading_zero_of_purpose() && !year(digits.value)
            })
        };
        let joined = |piece: &Piece| {
            piece.gap.mark().is_some_and(|mark| JOINTS.contains(mark)) || piece.gap.tight() == Some('-')
        };
        let behind = all.get(serial.last + 1..).unwrap_or_default();
        let beside = match behind {
            [number, ..] if piece_of_serial(number) => joined(number),
            [word, number, ..] => {
                word.word().is_some_and(|word| LEXICON.joins(word.folded)) && piece_of_serial(number)
            }
            _ => false,
        };
        let long = |piece: &Piece| piece.free().is_some_and(|digits| matches!(digits.len, 6 | 9));
        beside || behind.iter().any(long)
    }

    fn has(&self, class: Class) -> bool {
        self.pieces.all.iter().any(|piece| piece.class() == Some(class))
    }

    /// `sabah`, but not "sabah xeyir", which is good morning.
    fn is_later(&self) -> bool {
        let all = &self.pieces.all;
        all.iter().enumerate().any(|(place, piece)| {
            let greets =
                |next: &Piece| next.word().is_some_and(|word| LEXICON.answer(word.folded) == Some(false));
            piece.class() == Some(Class::Later) && !all.get(place + 1).is_some_and(greets)
        })
    }

    /// A reply of ours that came back, with its permit's code if that can be read. Replies have times
    /// and a code of two groups of four: `14:15-17:15, № 7K3M-9QXF`.
    fn forwarded(&self) -> Option<Option<Code>> {
        let has_time = |piece: &Piece| piece.number().is_some_and(|digits| digits.role == Role::Time);
        let times = self.pieces.all.iter().filter(|piece| has_time(piece)).count();
        // The search for a code looks at every character, and hardly a text has either.
        let code = if times > 0 || self.pieces.signs { permit_code(self.text) } else { None };
        let code = code.filter(|code| times > 0 || code.is_marked);
        let form = times == 4 && self.has(Class::Code) && self.only.is_some();
        let form = form
            || self.only.is_some_and(|serial| self.has_reply_words(serial))
            || (self.pieces.signs && begins_with_tail(self.text));
        (code.is_some() || form).then(|| code.and_then(|code| code.letters.parse().ok()))
    }

    /// Words before the serial that only replies have.
    fn has_reply_words(&self, serial: &Serial) -> bool {
        let all = &self.pieces.all;
        if let [head, number, ..] = all.as_slice()
            && head.word().is_some_and(|word| LEXICON.reply_heads.contains(&word.folded))
            && number.series().is_some()
            && number.gap.mark() == Some(':')
        {
            return true;
        }
        (0..serial.first).any(|at| {
            LEXICON.replies.iter().any(|words| {
                let found = all.iter().skip(at).map(|piece| piece.word().map(|word| word.folded));
                found.take(words.len()).eq(words.iter().copied().map(Some))
            })
        })
    }

    fn place(&self, first: usize, last: usize) -> Place {
        let at = |place: usize| self.pieces.all.get(place).map_or(Place::of(0, 0), |piece| piece.place);
        Place { start: at(first).start, end: at(last).end }
    }
}

/// Replies begin with the end of the serial: `*001: …`. Whoever quotes one may write before it.
fn begins_with_tail(text: &str) -> bool {
    text.match_indices('*').any(|(at, _)| {
        let behind = text.as_bytes().get(at + 1..at + 5);
        behind
            .is_some_and(|behind| matches!(behind, [tail @ .., b':'] if tail.iter().all(u8::is_ascii_digit)))
    })
}

/// What has the form of a permit's code.
struct PermitCode<'a> {
    letters: &'a str,
    /// `№` stands before it.
    is_marked: bool,
}

/// The first stretch of a text that has the form of a permit's code, with letters and digits.
fn permit_code(text: &str) -> Option<PermitCode<'_>> {
    let is_dash = |c: char| matches!(c, '-' | '–' | '—' | '‑');
    if let Some(letters) = joined_code(text) {
        return Some(PermitCode { letters, is_marked: true });
    }
    text.match_indices(is_dash).find_map(|(at, dash)| {
        let start = at.checked_sub(4)?;
        let behind = at + dash.len();
        let (left, right) = (text.get(start..at)?, text.get(behind..behind + 4)?);
        let before = text.get(..start)?.chars().next_back();
        let after = text.get(behind + 4..)?.chars().next();
        let both = || left.bytes().chain(right.bytes());
        let form = both().all(|byte| byte.is_ascii_alphanumeric())
            && both().any(|byte| byte.is_ascii_alphabetic())
            && both().any(|byte| byte.is_ascii_digit())
            && !before.is_some_and(char::is_alphanumeric)
            && !after.is_some_and(char::is_alphanumeric);
        let mark = text.get(..start)?.trim_end();
        let is_marked = ["№", " No", " NO", " no", " N"].iter().any(|sign| mark.ends_with(sign));
        form.then_some(PermitCode { letters: text.get(start..behind + 4)?, is_marked })
    })
}

/// A code without its dash, behind `№`.
fn joined_code(text: &str) -> Option<&str> {
    text.split('№').skip(1).map(str::trim_start).find_map(|behind| {
        let letters = behind.get(..8)?;
        let apart = !behind.get(8..)?.starts_with(char::is_alphanumeric);
        let begins = |start: &str| letters.get(..start.len()).is_some_and(|l| l.eq_ignore_ascii_case(start));
        let serial = LEXICON.series.iter().any(|series| begins(&series.letters));
        let form = letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && letters.bytes().any(|byte| byte.is_ascii_alphabetic())
            && letters.bytes().any(|byte| byte.is_ascii_digit());
        (form && apart && !serial).then_some(letters)
    })
}
