//! A country's data, compiled: its series, its telephone numbers, and the words that matter.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use icaze_store::ledger::Language;
use serde::Deserialize;

use super::glyph::Glyph;
use super::token::{BITS, PACKED, Word, packed_end};

/// What a word does to the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A number beside it is the purpose: `kod 2`.
    Code,
    /// A word for "code" if it touches the digit behind it: `k2`.
    CodeLetter,
    /// It opens a reason: `səbəb`.
    Reason,
    /// It may stand between a series or a word for "code" and its number: `nömrə`.
    Filler,
    /// A number on this side belongs to it: a count, a measure, a time, an address.
    Claim(Side),
    /// The digit before it is an ordinal: `2-ci`.
    Ordinal,
    /// The same before a word for "code", and else as a count: `2 nömrəli`.
    Numbered,
    /// The ending of a case: `1500-də`.
    Case,
    /// A number in letters: `iki`.
    Count(u8),
    /// A rank in letters: `ikinci`.
    Rank(u8),
    /// The language to answer in.
    Answer(Language),
    /// Latin letters in the answer.
    Latin,
    /// It asks for something else than a permit, and does so anywhere in a text. `KÖMƏK` is not among
    /// these, because people write it in requests too.
    Command,
    /// It takes the request back, or says that something in it is wrong: `istəmirəm`.
    Correction,
    /// It denies what stands beside it: `deyil`.
    Negation,
    /// It sets right what stands before it, or names another way: `ya`.
    Amend,
    /// A permit: a 1 before it is an article.
    Permit,
    /// To give: a 1 before a word for "code" is an article.
    Give,
    /// A permit for another day: `sabah`.
    Later,
    /// A passport or a certificate.
    Passport,
    /// It says nothing about the request, and may stand between a digit and the serial.
    Polite,
}

/// Where a word's number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `3 nəfər`.
    Before,
    /// `mənzil 5`.
    After,
    /// `2 saat`, `saat 2`.
    Either,
}

/// Which language a word shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// An ordinary English word.
    English,
    /// An English word that needs another one beside it.
    SomeEnglish,
    /// A Russian word in Latin letters.
    Russian,
}

/// What is known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Meaning {
    pub(super) class: Option<Class>,
    pub(super) spoken: Option<Spoken>,
    /// The letter that is called so, as [`Word::end`] holds it.
    pub(super) letter: Option<u64>,
    /// A number behind it is what it names or counts.
    pub(super) names: bool,
}

/// A series of documents.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) letters: String,
    /// How many digits its numbers have.
    pub(super) digits: usize,
    /// The letters as [`Word::end`] holds them.
    pub(super) packed: u64,
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed
    }
}

impl Series {
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }
}

/// How telephone numbers begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phone {
    pub(super) prefix: String,
    /// How many digits there are from there.
    pub(super) digits: usize,
}

/// The country's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    series: Vec<SeriesOfFile>,
    passport_letters: Vec<String>,
    phone: Vec<Phone>,
    replies: Vec<String>,
    reply_heads: String,
    letters: BTreeMap<String, String>,
    words: WordsOfFile,
    named: BTreeMap<String, String>,
    endings: BTreeMap<String, String>,
    number: Vec<NumberOfFile>,
    answers: Answers,
    keywords: Languages,
    spoken: SpokenOfFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesOfFile {
    letters: String,
    digits: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordsOfFile {
    code: String,
    code_letter: String,
    reason: String,
    filler: String,
    claims_before: String,
    claims_after: String,
    claims: String,
    ordinal: String,
    numbered: String,
    case: String,
    later: String,
    command: String,
    correction: String,
    negation: String,
    amends: String,
    permit: String,
    give: String,
    passport: String,
    latin: String,
    polite: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberOfFile {
    value: u8,
    count: String,
    rank: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    yes: String,
    no: String,
    joins: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Languages {
    az: String,
    en: String,
    ru: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpokenOfFile {
    en: String,
    en_with_another: String,
    ru: String,
}

/// The file, compiled.
pub(super) struct Lexicon {
    pub(super) series: Vec<Series>,
    /// The last letters of all series, one bit for the code of each.
    pub(super) last_letters: u32,
    pub(super) phones: Vec<Phone>,
    entries: Vec<Entry>,
    /// Where the entries begin that begin with a letter, by its code.
    starts: [usize; LETTERS + 1],
    passport_letters: Vec<Folded>,
    /// Words side by side that only our replies have.
    pub(super) replies: Vec<Vec<Folded>>,
    pub(super) reply_heads: Vec<Folded>,
    /// Endings of family names, as [`Word::end`] holds them, with their lengths.
    name_endings: Vec<(u64, usize)>,
    yes: Vec<Folded>,
    no: Vec<Folded>,
    joins: Vec<Folded>,
}

/// A word as it is compared: its first letters and how many it has.
pub(super) type Folded = (u64, usize);

/// The country that the program is built for.
pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and tests read it")]
    let file = toml::from_str(include_str!("azerbaijan.toml")).expect("azerbaijan.toml");
    Lexicon::of(file)
});

#[derive(Debug, Clone, Copy)]
struct Entry {
    head: u64,
    len: usize,
    /// The word may go on.
    stem: bool,
    meaning: Meaning,
    /// The longest other stem that this entry begins with.
    within: Option<usize>,
}

impl Entry {
    fn matches(&self, word: &Word) -> bool {
        match word.len.cmp(&self.len) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => word.head == self.head,
            std::cmp::Ordering::Greater => self.stem && prefix(word.head, self.len) == self.head,
        }
    }
}

/// The head of a word of `len` letters that one with `head` begins with.
fn prefix(head: u64, len: usize) -> u64 {
    let dropped = BITS * PACKED.saturating_sub(len as u32);
    head.checked_shr(dropped).unwrap_or(0).checked_shl(dropped).unwrap_or(0)
}

/// A word of the file, folded as texts are.
pub(super) fn fold(text: &str) -> Word {
    let mut word = Word::EMPTY;
    for c in text.chars() {
        if let Glyph::Letter(letter, script) = Glyph::of(c) {
            word.push(letter, script);
        }
    }
    word
}

fn folded(list: &str) -> Vec<Folded> {
    let words = list.split_whitespace().map(fold);
    words.map(|word| (word.head, word.len)).collect()
}

impl Lexicon {
    fn of(file: File) -> Self {
        let words = &file.words;
        let mut entries = Entries::default();
        let classes = [
            (Class::Code, &words.code),
            (Class::CodeLetter, &words.code_letter),
            (Class::Reason, &words.reason),
            (Class::Filler, &words.filler),
            (Class::Ordinal, &words.ordinal),
            (Class::Numbered, &words.numbered),
            (Class::Correction, &words.correction),
            (Class::Negation, &words.negation),
            (Class::Amend, &words.amends),
            (Class::Permit, &words.permit),
            (Class::Give, &words.give),
            (Class::Claim(Side::Either), &words.claims),
            (Class::Claim(Side::Before), &words.claims_before),
            (Class::Claim(Side::After), &words.claims_after),
            (Class::Later, &words.later),
            (Class::Command, &words.command),
            (Class::Case, &words.case),
            (Class::Passport, &words.passport),
            (Class::Latin, &words.latin),
            (Class::Answer(Language::Az), &file.keywords.az),
            (Class::Answer(Language::En), &file.keywords.en),
            (Class::Answer(Language::Ru), &file.keywords.ru),
        ];
        for number in &file.number {
            entries.classify(Class::Count(number.value), &number.count);
            entries.classify(Class::Rank(number.value), &number.rank);
        }
        for (class, list) in classes {
            entries.classify(class, list);
        }
        entries.classify(Class::Polite, &words.polite);
        entries.speak(Spoken::English, &file.spoken.en);
        entries.speak(Spoken::SomeEnglish, &file.spoken.en_with_another);
        entries.speak(Spoken::Russian, &file.spoken.ru);
        for list in file.named.values() {
            entries.each(list, |meaning| meaning.names = true);
        }
        for (letter, names) in &file.letters {
            entries.each(names, |meaning| meaning.letter = Some(packed_end(letter)));
        }
        let entries = entries.linked();
        let endings = file.endings.values().flat_map(|list| list.split_whitespace()).map(fold);
        let series: Vec<Series> = file.series.into_iter().map(Series::from).collect();
        Self {
            last_letters: series.iter().fold(0, |bits, series| bits | 1 << (series.packed & 31)),
            series,
            phones: file.phone,
            starts: starts(&entries),
            entries,
            passport_letters: file.passport_letters.iter().flat_map(|letter| folded(letter)).collect(),
            reply_heads: folded(&file.reply_heads),
            replies: file.replies.iter().map(|words| folded(words)).collect(),
            name_endings: endings.map(|word| (word.end, word.len)).collect(),
            yes: folded(&file.answers.yes),
            no: folded(&file.answers.no),
            joins: folded(&file.answers.joins),
        }
    }

    /// What is known of a word.
    pub(super) fn meaning(&self, word: &Word) -> Meaning {
        let first = (word.head >> (BITS * (PACKED - 1))) as usize;
        let (from, to) = (self.starts.get(first), self.starts.get(first + 1));
        let from = from.copied().unwrap_or_default();
        let beside = to.and_then(|&to| self.entries.get(from..to)).unwrap_or_default();
        let before = beside.partition_point(|entry| (entry.head, entry.len) <= (word.head, word.len));
        let Some(mut at) = before.checked_sub(1).map(|before| from + before) else {
            return Meaning::default();
        };
        while let Some(entry) = self.entries.get(at) {
            if entry.matches(word) {
                // A case of the word is another word: "в аптеку 2".
                let names = entry.meaning.names && entry.len == word.len;
                return Meaning { names, ..entry.meaning };
            }
            // The entry before the word may not be one that it begins with, but a stem of that one may.
            let Some(within) = entry.within else { break };
            at = within;
        }
        Meaning::default()
    }

    /// Whether a number that this letter stands before is a passport's.
    pub(super) fn is_passport_letter(&self, word: Folded) -> bool {
        self.passport_letters.contains(&word)
    }

    /// Whether a word with these last letters ends as family names do.
    pub(super) fn ends_as_name(&self, end: u64) -> bool {
        self.name_endings.iter().any(|&(letters, len)| end & ((1 << (BITS * len as u32)) - 1) == letters)
    }

    /// Whether a word joins what stands before it with what stands behind: `və`.
    pub(super) fn joins(&self, word: Folded) -> bool {
        self.joins.contains(&word)
    }

    /// Whether a word alone answers a question with yes (`true`) or no.
    pub(super) fn answer(&self, word: Folded) -> Option<bool> {
        let yes = self.yes.contains(&word);
        (yes || self.no.contains(&word)).then_some(yes)
    }
}

impl From<SeriesOfFile> for Series {
    fn from(SeriesOfFile { letters, digits }: SeriesOfFile) -> Self {
        Self { packed: packed_end(&letters), letters, digits }
    }
}

/// Codes of letters: 1 is A, 26 Z, 27 any other.
const LETTERS: usize = 28;

/// Where the entries begin that begin with each letter; the last place is where all end.
fn starts(entries: &[Entry]) -> [usize; LETTERS + 1] {
    std::array::from_fn(|letter| {
        entries.partition_point(|entry| (entry.head >> (BITS * (PACKED - 1))) < letter as u64)
    })
}

/// Entries by their heads and lengths, while they are gathered.
#[derive(Default)]
struct Entries(BTreeMap<Folded, (bool, Meaning)>);

impl Entries {
    /// A word that has a class keeps it.
    fn classify(&mut self, class: Class, list: &str) {
        self.each(list, |meaning| {
            meaning.class.get_or_insert(class);
        });
    }

    fn speak(&mut self, spoken: Spoken, list: &str) {
        self.each(list, |meaning| meaning.spoken = Some(spoken));
    }

    fn each(&mut self, list: &str, mut learn: impl FnMut(&mut Meaning)) {
        for text in list.split_whitespace() {
            let word = fold(text);
            let (stem, meaning) = self.0.entry((word.head, word.len)).or_default();
            *stem |= text.ends_with('*');
            learn(meaning);
        }
    }

    /// Sorted, each with the stem that it lies within, from which it has what it lacks itself.
    fn linked(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.0.len());
        for ((head, len), (stem, mut meaning)) in self.0 {
            let holds =
                |entry: &Entry| entry.stem && entry.len < len && prefix(head, entry.len) == entry.head;
            let within = entries.iter().rposition(holds);
            if let Some(outer) = within.and_then(|at| entries.get(at)) {
                meaning.class = meaning.class.or(outer.meaning.class);
                meaning.spoken = meaning.spoken.or(outer.meaning.spoken);
            }
            entries.push(Entry { head, len, stem, meaning, within });
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<Class> {
        LEXICON.meaning(&fold(text)).class
    }

    #[test]
    fn words_are_found_by_stem_or_whole() {
        assert_eq!(class("kodumuzdakılardan"), Some(Class::Code));
        assert_eq!(class("KOD"), Some(Class::Code));
        assert_eq!(class("kod"), class("kodu"));
        assert_eq!(class("od"), None);
        assert_eq!(class("iki"), Some(Class::Count(2)));
        assert_eq!(class("ikimiz"), None);
        assert_eq!(class("ikincisi"), Some(Class::Rank(2)));
        assert_eq!(class("два"), class("dva"));
        assert_eq!(class("nömrəli"), Some(Class::Numbered));
        assert_eq!(class("nömrə"), Some(Class::Filler));
    }

    #[test]
    fn a_word_behind_one_that_hides_its_stem_is_found() {
        // `xəstə` and `xəstəxana` lie between the stem and the word.
        for (text, like) in
            [("xəstəxanadayam", "xəstəxana"), ("icazəsiz", "icazə"), ("sabahınıza", "sabahınız")]
        {
            assert_eq!(class(text), class(like), "{text}");
        }
    }

    #[test]
    fn stems_are_no_longer_than_a_packed_word() {
        for entry in &LEXICON.entries {
            assert!(!entry.stem || entry.len < PACKED as usize, "{entry:?} may be cut short");
        }
    }

    #[test]
    fn names_end_as_names_do() {
        for name in ["Əliyev", "Məmmədova", "Quliyeva", "oğlu", "Rəsulzadə", "Иванова"] {
            assert!(LEXICON.ends_as_name(fold(name).end), "{name}");
        }
        assert!(!LEXICON.ends_as_name(fold("çanta").end));
    }
}
