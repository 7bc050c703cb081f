//! The reply to a decision: the first form of its text that fits one short message.

use icaze_codec::text::{Alphabet, Coding, gsm7};
use icaze_config::replies::{KEYS, Piece, Placeholder, Text, Texts};
use icaze_store::ledger::Language;
use icaze_store::{Document, Outcome, Reason};
use jiff::civil::{DateTime, date};

use super::latin;
use super::read::Tail;

/// The name of the text that answers a decision; `None` where no answer is called for.
#[must_use]
pub fn key(outcome: Outcome, reason: Option<Reason>) -> Option<&'static str> {
    match (outcome, reason) {
        (Outcome::Granted, _) => Some(Outcome::Granted.name()),
        (Outcome::Ignored, _) | (_, None) => None,
        (_, Some(reason)) => Some(reason.name()),
    }
}

/// A text that is sent under the reason of another one: a question instead of a help, or what stands
/// instead of a word about the text that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instead {
    /// A permit, to the phone that asked for it.
    Status,
    /// Which purpose?
    AskPurpose,
    /// Which series?
    AskSeries,
    /// The serial has to be written again with its series.
    Series,
    /// An answer that several questions could have.
    SeveralQuestions,
}

impl Instead {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Status, Self::AskPurpose, Self::AskSeries, Self::Series, Self::SeveralQuestions];

    /// The text's name in the reply files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::AskPurpose => "ask_purpose",
            Self::AskSeries => "ask_series",
            Self::Series => "series",
            Self::SeveralQuestions => "several_questions",
        }
    }
}

/// What a text's placeholders stand for. What is empty or `None` is not known: the last form does without it.
#[derive(Clone, Copy, Default)]
pub struct Values<'a> {
    /// The document that was asked for.
    pub document: Option<Document>,
    /// The end of the serial as it was typed, where no document could be read.
    pub tail: Option<Tail>,
    /// The purpose's digit, 0 to 9.
    pub purpose: Option<u8>,
    /// The purpose's short name in the reply's language.
    pub name: &'a str,
    /// The regime's purposes in the reply's language: `1 medical, 2 shopping`.
    pub codes: &'a str,
    /// The purpose's times of day: `06:00-21:00`.
    pub hours: &'a str,
    /// The permit's times, by the clock of the regime's time zone: a [`period`].
    pub period: &'a str,
    /// The permit's code: `7K3M-9QXF`.
    pub code: &'a str,
    /// From when on another request makes sense, by the same clock.
    pub again: Option<DateTime>,
    /// How many permits are left today, or how many documents were wrong.
    pub count: Option<u32>,
    /// The hot line's number.
    pub hotline: &'a str,
    /// The medical emergency number.
    pub emergency: &'a str,
    /// A request as it should be.
    pub example: &'a str,
}

/// Which form of a text was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// As its language is written.
    Full,
    /// The same, in fewer words.
    Short,
    /// In the fewest words.
    Least,
    /// The full form in Latin letters.
    LatinFull,
    /// The short form in Latin letters.
    LatinShort,
    /// The shortest one in Latin letters.
    LatinLeast,
}

impl Form {
    const PROPER: [Self; 6] =
        [Self::Full, Self::Short, Self::Least, Self::LatinFull, Self::LatinShort, Self::LatinLeast];
    const LATIN: [Self; 3] = [Self::LatinFull, Self::LatinShort, Self::LatinLeast];

    /// What `icaze replies` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Short => "short",
            Self::Least => "least",
            Self::LatinFull => "latin full",
            Self::LatinShort => "latin short",
            Self::LatinLeast => "latin least",
        }
    }

    fn pieces(self, text: &Text) -> Option<&[Piece]> {
        match self {
            Self::Full | Self::LatinFull => Some(&text.full),
            Self::Short | Self::LatinShort => Some(&text.short),
            Self::Least | Self::LatinLeast => text.least.as_deref(),
        }
    }

    const fn is_latin(self) -> bool {
        matches!(self, Self::LatinFull | Self::LatinShort | Self::LatinLeast)
    }
}

/// Writes the text called `key` over `out`, in the first form whose values are known and which fits
/// one message: full, short, least, then these in Latin letters. `latin` asks for Latin letters at once.
///
/// Returns the form. `None` if none fits: `out` then holds the last one, to be sent in parts; [`longest`] shows where that
/// can happen. `None` with an empty `out`: there is no such text, or a value that it requires is not known.
pub fn render(
    texts: &Texts,
    key: &str,
    language: Language,
    latin: bool,
    values: &Values<'_>,
    out: &mut String,
) -> Option<Form> {
    out.clear();
    let text = texts.get(language.name(), key)?;
    let forms: &[Form] = if latin { &Form::LATIN } else { &Form::PROPER };
    let written = |form: &Form| form.pieces(text).map(|pieces| (*form, pieces));
    let mut fitting = forms.iter().filter_map(written).filter(|(form, pieces)| {
        out.clear();
        if !values.write(pieces, language, form.is_latin(), out) {
            out.clear();
        }
        !out.is_empty() && fits(out)
    });
    fitting.next().map(|(form, _)| form)
}

/// Whether a text is one message: 70 UTF-16 units in any alphabet, which are at most 140 septets, or 160 septets.
fn fits(text: &str) -> bool {
    let in_plane_0 = text.bytes().fold(0, u8::max) < 0xF0;
    let units = if in_plane_0 { text.chars().count() } else { text.encode_utf16().count() };
    units <= Coding::Ucs2.units_max()
        || gsm7::septets(text).is_some_and(|septets| septets <= Coding::Gsm7.units_max())
}

/// How many units a text takes, and how many one message holds.
fn length(text: &str) -> (usize, usize) {
    let coding = Coding::of(text, Alphabet::Gsm7);
    (coding.units(text), coding.units_max())
}

impl Values<'_> {
    /// Appends the pieces; `false` if a value is not known.
    fn write(&self, pieces: &[Piece], language: Language, latin: bool, out: &mut String) -> bool {
        let (about, pieces) = match pieces.split_first() {
            Some((Piece::Value(Placeholder::About), rest)) => (true, rest),
            _ => (false, pieces),
        };
        let mut capital = false;
        if about {
            capital = self.value(Placeholder::Tail, latin, out).is_none();
            out.push_str(if capital { "" } else { ": " });
        }
        pieces.iter().all(|piece| match piece {
            Piece::Literal(text) if std::mem::take(&mut capital) => {
                let mut chars = text.chars();
                let first = chars.next().map(|first| in_capitals(first, language)).unwrap_or_default();
                word(&first, latin, out) && (word(chars.as_str(), latin, out) || !first.is_empty())
            }
            Piece::Literal(text) => word(text, latin, out),
            Piece::Value(placeholder) => self.value(*placeholder, latin, out).is_some(),
        })
    }

    fn value(&self, placeholder: Placeholder, latin: bool, out: &mut String) -> Option<()> {
        let text = match placeholder {
            Placeholder::Serial => return self.document.map(|document| serial(document, out)),
            Placeholder::Tail | Placeholder::About => return self.tail(out),
            Placeholder::Purpose => return self.purpose.map(|digit| digits(u32::from(digit), 1, out)),
            Placeholder::Date => return self.again.map(|again| day(again, out)),
            Placeholder::Time => return self.again.map(|again| time(again, out)),
            Placeholder::Count => return self.count.map(|count| out.push_str(&count.to_string())),
            Placeholder::Period => self.period,
            Placeholder::Name => self.name,
            Placeholder::Codes => self.codes,
            Placeholder::Code => self.code,
            Placeholder::Hours => self.hours,
            Placeholder::Hotline => self.hotline,
            Placeholder::Emergency => self.emergency,
            Placeholder::Example => self.example,
        };
        word(text, latin, out).then_some(())
    }

    /// Writes the end of the serial, as far as one is known.
    fn tail(&self, out: &mut String) -> Option<()> {
        match (self.document, self.tail) {
            (Some(document), _) => tail(document, out),
            (None, Some(typed)) => {
                out.push('*');
                out.push_str(&typed.to_string());
            }
            (None, None) => return None,
        }
        Some(())
    }
}

/// Appends a text; `false` if there is none.
fn word(text: &str, latin: bool, out: &mut String) -> bool {
    if latin {
        latin::push(text, out);
    } else {
        out.push_str(text);
    }
    !text.is_empty()
}

/// The capital of a letter: of the Azerbaijani i it has a dot.
fn in_capitals(letter: char, language: Language) -> String {
    match (letter, language) {
        ('i', Language::Az) => "İ".to_owned(),
        _ => letter.to_uppercase().collect(),
    }
}

fn serial(document: Document, out: &mut String) {
    out.push_str(std::str::from_utf8(document.series_bytes()).unwrap_or_default());
    digits(document.number(), document.digits(), out);
}

fn tail(document: Document, out: &mut String) {
    out.push('*');
    digits(document.number() % 1000, 3, out);
}

/// A permit's first minute and the first after it: `14.12 14:15-17:15`, over midnight `14.12 23:15-15.12 02:15`.
#[must_use]
pub fn period(start: DateTime, end: DateTime) -> String {
    let mut out = String::new();
    day(start, &mut out);
    out.push(' ');
    time(start, &mut out);
    out.push('-');
    if end.date() != start.date() {
        day(end, &mut out);
        out.push(' ');
    }
    time(end, &mut out);
    out
}

fn day(at: DateTime, out: &mut String) {
    pair(at.day(), out);
    out.push('.');
    pair(at.month(), out);
}

fn time(at: DateTime, out: &mut String) {
    pair(at.hour(), out);
    out.push(':');
    pair(at.minute(), out);
}

/// Two digits: a day, a month, an hour or a minute.
fn pair(number: i8, out: &mut String) {
    let number = number.unsigned_abs();
    out.push(char::from(b'0' + number / 10 % 10));
    out.push(char::from(b'0' + number % 10));
}

/// The last `width` decimal digits of `number`, at most 9, leading zeros included.
fn digits(number: u32, width: u8, out: &mut String) {
    let mut ascii = [b'0'; 9];
    let mut rest = number;
    for digit in ascii.iter_mut().rev().take(usize::from(width)) {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let start = ascii.len().saturating_sub(usize::from(width));
    let digits = ascii.get(start..).unwrap_or_default();
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// A text at its longest in one form: what `icaze replies` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text's name.
    pub key: &'static str,
    /// Its language.
    pub language: Language,
    /// The form that is sent; `None` if none fits one message.
    pub form: Option<Form>,
    /// How long it is, in septets or UTF-16 units.
    pub units: usize,
    /// How long it may be, in the same.
    pub units_max: usize,
    /// What is sent.
    pub text: String,
}

impl Line {
    /// What is wrong with it, with the remedy; `None` if it fits.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let Self { key, language, units, units_max, text, .. } = self;
        self.form.is_none().then(|| {
            format!(
                "{}.toml: {key}: at its longest even the shortest form takes {units} characters of {units_max}: \"{text}\"; \
                 shorten the text, the names of the purposes or the hot line's number",
                language.name()
            )
        })
    }
}

/// What a regime and the configuration put into the texts of one language.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Of each purpose its digit, its short name and its times of day; at least one.
    pub purposes: &'a [(u8, &'a str, &'a str)],
    /// All purposes: `1 medical, 2 shopping`.
    pub codes: &'a str,
    /// The hot line's number.
    pub hotline: &'a str,
    /// The medical emergency number.
    pub emergency: &'a str,
    /// A request as it should be.
    pub example: &'a str,
}

/// Every text of a language in the words of a regime, with each of the values that may make it longest, in the order of [`KEYS`].
/// Of the purposes only the one with the longest reply is shown. A text appears once more for a permit
/// over midnight, for a text without a serial, for other values that are not known, and in Latin letters,
/// if that makes another reply.
#[must_use]
pub fn longest(texts: &Texts, language: Language, words: &Words<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for key in KEYS {
        for latin in [false, true] {
            let serial = key.required.iter().filter(|&&one| one == Placeholder::About);
            let no_serial = serial.map(|about| (true, std::slice::from_ref(about)));
            let known_and_not = [(false, &[][..]), (true, &[]), (true, key.optional)];
            for (over_midnight, unknown) in known_and_not.into_iter().chain(no_serial) {
                let line = words
                    .values(over_midnight, unknown)
                    .map(|values| line(texts, key.name, language, latin, &values))
                    .max_by_key(|line| {
                        (line.form.is_none(), line.form.is_some_and(Form::is_latin), line.units)
                    });
                let known =
                    |line: &Line| lines.iter().any(|other| other.key == key.name && other.text == line.text);
                lines.extend(line.filter(|line| !known(line)));
            }
        }
    }
    lines
}

fn line(texts: &Texts, key: &'static str, language: Language, latin: bool, values: &Values<'_>) -> Line {
    let mut text = String::new();
    let form = render(texts, key, language, latin, values, &mut text);
    let (units, units_max) = length(&text);
    Line { key, language, form, units, units_max, text }
}

impl<'a> Words<'a> {
    /// For each purpose the longest values, but for those that are `unknown`.
    fn values(
        &self,
        over_midnight: bool,
        unknown: &'static [Placeholder],
    ) -> impl Iterator<Item = Values<'a>> {
        let known = |placeholder| !unknown.contains(&placeholder);
        let text = move |placeholder, text: &'a str| if known(placeholder) { text } else { "" };
        let common = Values {
            // No serial is longer than three letters and nine digits.
            document: Document::new("AZE", "200000001").ok().filter(|_| known(Placeholder::About)),
            period: if over_midnight { "14.12 23:15-15.12 23:45" } else { "14.12 23:15-23:45" },
            code: "7K3M-9QXF",
            again: (known(Placeholder::Date) && known(Placeholder::Time))
                .then_some(date(2020, 12, 15).at(0, 0, 0, 0)),
            count: known(Placeholder::Count).then_some(10),
            codes: text(Placeholder::Codes, self.codes),
            hotline: self.hotline,
            emergency: self.emergency,
            example: self.example,
            ..Values::default()
        };
        self.purposes.iter().map(move |&(purpose, name, hours)| Values {
            purpose: Some(purpose),
            name: text(Placeholder::Name, name),
            hours: text(Placeholder::Hours, hours),
            ..common
        })
    }
}
