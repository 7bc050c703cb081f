//! The texts that citizens are answered with: one file per language, each text in a full and a short form.
//!
//! A form is literal text with placeholders such as `{serial}`. Which placeholders a text has to hold, may hold and may
//! hold in its full form only is fixed by [`KEYS`]; which form is sent is the gateway's business.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use crate::problem::Problem;

/// The languages, by the names of their files.
pub const LANGUAGES: [&str; 3] = ["az", "en", "ru"];

const SHIPPED: [&str; 3] = [
    include_str!("../replies/az.toml"),
    include_str!("../replies/en.toml"),
    include_str!("../replies/ru.toml"),
];

/// What stands in a text for a value that is known only when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// The document's serial: `AZE20000001`.
    Serial,
    /// Its last three characters: `*001`.
    Tail,
    /// The purpose's digit: `2`.
    Purpose,
    /// The purpose's short name: `shopping`.
    Name,
    /// The regime's purposes: `1 medical, 2 shopping`.
    Codes,
    /// When the permit holds: `14.12 14:15-17:15`, over midnight `14.12 23:15-15.12 02:15`.
    Period,
    /// The permit's code: `7K3M-9QXF`.
    Code,
    /// The purpose's times of day: `06:00-21:00`.
    Hours,
    /// The day from which another request makes sense: `15.12`.
    Date,
    /// The time of that day: `00:00`.
    Time,
    /// The hot line's number.
    Hotline,
    /// The medical emergency number.
    Emergency,
    /// A request as it should be: `2 AZE12345678`.
    Example,
}

use Placeholder::{
    Code, Codes, Date, Emergency, Example, Hotline, Hours, Name, Period, Purpose, Serial, Tail, Time,
};

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Self; 13] =
        [Serial, Tail, Purpose, Name, Codes, Period, Code, Hours, Date, Time, Hotline, Emergency, Example];

    /// What it is written with between braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Serial => "serial",
            Tail => "tail",
            Purpose => "purpose",
            Name => "name",
            Codes => "codes",
            Period => "period",
            Code => "code",
            Hours => "hours",
            Date => "date",
            Time => "time",
            Hotline => "hotline",
            Emergency => "emergency",
            Example => "example",
        }
    }
}

/// A text that every language has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// `granted`, or the reason's name.
    pub name: &'static str,
    /// What both forms must hold.
    pub required: &'static [Placeholder],
    /// What is known whenever the text is sent, beside the required and [`ALWAYS`].
    pub given: &'static [Placeholder],
    /// What is not known every time: the short form does without.
    pub optional: &'static [Placeholder],
}

/// What every text may hold: it comes from the configuration.
pub const ALWAYS: [Placeholder; 3] = [Hotline, Emergency, Example];

const fn key(
    name: &'static str,
    required: &'static [Placeholder],
    given: &'static [Placeholder],
    optional: &'static [Placeholder],
) -> Key {
    Key { name, required, given, optional }
}

/// The texts, in the order in which people read about them.
pub const KEYS: [Key; 30] = [
    key("granted", &[Serial, Purpose, Period, Code], &[Tail], &[Name]),
    key("standing", &[Serial, Purpose, Period, Code], &[Tail], &[Name]),
    key("other_phone", &[Tail], &[], &[]),
    key("unknown_document", &[Tail], &[], &[]),
    key("document_expired", &[Tail], &[], &[]),
    key("document_lost", &[Tail], &[], &[]),
    key("document_invalid", &[Tail], &[], &[]),
    key("age", &[Tail, Emergency], &[Purpose], &[Name]),
    key("stay_home", &[Tail, Emergency], &[Purpose], &[Name]),
    key("blocked", &[Tail], &[Purpose], &[Name]),
    key("quota", &[Tail], &[Purpose], &[Name, Date, Time]),
    key("hours", &[Tail], &[Purpose], &[Name, Hours]),
    key("area", &[Tail], &[], &[]),
    key("no_regime", &[], &[], &[Date, Time]),
    key("purpose_unknown", &[], &[Purpose], &[Codes]),
    key("unreadable", &[Example], &[], &[Codes]),
    key("no_purpose", &[Example], &[], &[Codes]),
    key("no_document", &[Example], &[], &[Codes]),
    key("ask_purpose", &[Tail], &[], &[Codes]),
    key("ask_series", &[Tail], &[], &[]),
    key("confirm", &[Serial], &[], &[]),
    key("several_questions", &[Example], &[], &[]),
    key("series", &[Example], &[], &[]),
    key("wrong_length", &[], &[], &[]),
    key("fin", &[Example], &[], &[]),
    key("two_documents", &[], &[], &[]),
    key("example", &[], &[], &[]),
    key("incomplete", &[], &[], &[]),
    key("binary", &[], &[], &[]),
    key("phone", &[], &[Date, Time], &[]),
];

impl Key {
    fn allows(&self, placeholder: Placeholder, form: FormName) -> bool {
        let known = [self.required, self.given, &ALWAYS].iter().any(|set| set.contains(&placeholder));
        known || (form == FormName::Full && self.optional.contains(&placeholder))
    }
}

/// A stretch of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// To be sent as it is.
    Literal(Box<str>),
    /// To be replaced by its value.
    Value(Placeholder),
}

/// One text in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What is sent if it fits.
    pub full: Box<[Piece]>,
    /// What is sent if the full form does not fit or one of its values is not known.
    pub short: Box<[Piece]>,
}

/// Every text in every language: each of [`KEYS`] is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    az: Box<[Text]>,
    en: Box<[Text]>,
    ru: Box<[Text]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormName {
    Full,
    Short,
}

/// A text as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    full: String,
    short: String,
}

impl Texts {
    /// The texts that ship with the program.
    ///
    /// # Errors
    /// Never, as the tests of this module show: the signature is that of [`load`](Self::load).
    pub fn shipped() -> Result<Self, Vec<Problem>> {
        Self::parse(LANGUAGES.map(|language| format!("{language}.toml")), SHIPPED.map(str::to_owned))
    }

    /// Reads `az.toml`, `en.toml` and `ru.toml` of a directory.
    ///
    /// # Errors
    /// Everything that is wrong with them, in the order of the files.
    pub fn load(dir: &Path) -> Result<Self, Vec<Problem>> {
        let paths = LANGUAGES.map(|language| dir.join(format!("{language}.toml")));
        let mut problems = Vec::new();
        let written = paths.each_ref().map(|path| {
            std::fs::read_to_string(path).unwrap_or_else(|error| {
                problems.push(Problem {
                    place: path.display().to_string(),
                    key: String::new(),
                    reason: format!("cannot be read: {error}"),
                    remedy: "put a reply file there, or leave replies.dir out to use the shipped texts"
                        .into(),
                });
                String::new()
            })
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Self::parse(paths.map(|path| path.display().to_string()), written)
    }

    fn parse(places: [String; 3], written: [String; 3]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let [az_place, en_place, ru_place] = places;
        let [az_file, en_file, ru_file] = written;
        let mut file = |place, file| File { place, problems: &mut problems }.parse(file);
        let texts = Self {
            az: file(&az_place, &az_file),
            en: file(&en_place, &en_file),
            ru: file(&ru_place, &ru_file),
        };
        if problems.is_empty() { Ok(texts) } else { Err(problems) }
    }

    /// The text of a key in a language, both by name. `None` if there is no such key or language.
    #[must_use]
    pub fn get(&self, language: &str, key: &str) -> Option<&Text> {
        let texts = match language {
            "az" => &self.az,
            "en" => &self.en,
            "ru" => &self.ru,
            _ => return None,
        };
        texts.get(KEYS.iter().position(|known| known.name == key)?)
    }
}

/// A file on its way to being texts.
struct File<'a> {
    place: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl File<'_> {
    fn parse(mut self, file: &str) -> Box<[Text]> {
        let mut written: BTreeMap<String, Written> = match toml::from_str(file) {
            Ok(written) => written,
            Err(error) => {
                self.not_toml(file, &error);
                return Box::default();
            }
        };
        let texts = KEYS.iter().filter_map(|key| self.text(key, written.remove(key.name))).collect();
        for name in written.keys() {
            let names = KEYS.map(|key| key.name).join(", ");
            self.problem(name, "no such text", &format!("remove it; the texts are {names}"));
        }
        texts
    }

    fn text(&mut self, key: &Key, written: Option<Written>) -> Option<Text> {
        let Some(written) = written else {
            self.problem(
                key.name,
                "the text is missing",
                &format!("add [{}] with `full` and `short`", key.name),
            );
            return None;
        };
        let full = self.form(key, FormName::Full, &written.full)?;
        let short = self.form(key, FormName::Short, &written.short)?;
        Some(Text { full, short })
    }

    fn form(&mut self, key: &Key, name: FormName, written: &str) -> Option<Box<[Piece]>> {
        let path = match name {
            FormName::Full => format!("{}.full", key.name),
            FormName::Short => format!("{}.short", key.name),
        };
        let pieces = match pieces(written) {
            Ok(pieces) => pieces,
            Err((reason, remedy)) => {
                self.problem(&path, &reason, &remedy);
                return None;
            }
        };
        let held = |wanted: Placeholder| pieces.contains(&Piece::Value(wanted));
        let known = self.problems.len();
        if pieces.is_empty() {
            self.problem(&path, "the text is empty", "write what the citizen is to read");
        }
        for wanted in key.required.iter().filter(|&&wanted| !held(wanted)) {
            self.problem(&path, &format!("{{{}}} is missing", wanted.name()), "add it: citizens rely on it");
        }
        for held in Placeholder::ALL.into_iter().filter(|&one| held(one) && !key.allows(one, name)) {
            let reason = format!("{{{}}} is not always known here", held.name());
            let remedy = format!(
                "use only {}",
                list(Placeholder::ALL.into_iter().filter(|&one| key.allows(one, name)))
            );
            self.problem(&path, &reason, &remedy);
        }
        (known == self.problems.len()).then(|| pieces.into())
    }

    fn not_toml(&mut self, file: &str, error: &toml::de::Error) {
        let start = error.span().map_or(0, |span| span.start);
        let line = file.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
        let place = format!("{}:{line}", self.place);
        let remedy = "write each text as [name] with the strings `full` and `short`";
        File { place: &place, problems: self.problems }.problem("", error.message().trim_end(), remedy);
    }

    fn problem(&mut self, key: &str, reason: &str, remedy: &str) {
        self.problems.push(Problem {
            place: self.place.to_owned(),
            key: key.to_owned(),
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        });
    }
}

/// Cuts a form at its braces. An error is a reason and a remedy.
fn pieces(written: &str) -> Result<Vec<Piece>, (String, String)> {
    let mut pieces = Vec::new();
    let mut rest = written;
    while !rest.is_empty() {
        let literal = rest.find(['{', '}']).unwrap_or(rest.len());
        if literal > 0 {
            let (text, after) = rest.split_at(literal);
            pieces.push(Piece::Literal(text.into()));
            rest = after;
            continue;
        }
        let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            return Err((
                "a brace stands alone".into(),
                "braces only enclose placeholders, such as {serial}".into(),
            ));
        };
        let Some(placeholder) = Placeholder::ALL.into_iter().find(|placeholder| placeholder.name() == name)
        else {
            return Err((
                format!("no such placeholder: {{{name}}}"),
                format!("use one of {}", list(Placeholder::ALL.into_iter())),
            ));
        };
        pieces.push(Piece::Value(placeholder));
        rest = after;
    }
    Ok(pieces)
}

fn list(placeholders: impl Iterator<Item = Placeholder>) -> String {
    placeholders.map(|one| format!("{{{}}}", one.name())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong once `from` in the shipped Azerbaijani texts has become `to`.
    fn problems(from: &str, to: &str) -> Vec<String> {
        assert!(SHIPPED[0].contains(from), "the shipped file has no {from:?}");
        let changed = SHIPPED[0].replacen(from, to, 1);
        let written = [changed, SHIPPED[1].to_owned(), SHIPPED[2].to_owned()];
        let texts = Texts::parse(LANGUAGES.map(|language| format!("replies/{language}.toml")), written);
        texts.err().unwrap_or_default().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn shipped_texts_are_whole() {
        let texts = Texts::shipped().unwrap();
        for key in KEYS {
            for language in LANGUAGES {
                assert!(texts.get(language, key.name).is_some(), "{language} {}", key.name);
            }
        }
        assert_eq!(texts.get("az", "granted").unwrap().full[0], Piece::Literal("İCAZƏ VAR: ".into()));
        assert_eq!(texts.get("az", "granted").unwrap().full[1], Piece::Value(Serial));
        assert_eq!((texts.get("de", "granted"), texts.get("az", "no")), (None, None));
    }

    #[test]
    fn a_text_must_be_there() {
        let found = problems("[fin]", "[finn]");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], "replies/az.toml: fin: the text is missing; add [fin] with `full` and `short`");
        assert!(
            found[1].starts_with("replies/az.toml: finn: no such text; remove it; the texts are granted, ")
        );
    }

    #[test]
    fn placeholders_are_known() {
        let found = problems("{serial}, kod", "{seriya}, kod");
        assert!(found[0].starts_with(
            "replies/az.toml: granted.full: no such placeholder: {seriya}; use one of {serial}, "
        ));
        assert_eq!(problems("{serial}, kod", "{serial, kod").len(), 1);
        assert!(problems("{serial}, kod", "serial}, kod")[0].contains("a brace stands alone"));
    }

    #[test]
    fn a_grant_holds_what_an_officer_checks() {
        let found = problems(" № {code}", "");
        assert_eq!(found, ["replies/az.toml: granted.full: {code} is missing; add it: citizens rely on it"]);
    }

    #[test]
    fn the_short_form_needs_no_optional_value() {
        let text = "\"{tail}: {date}\"";
        let quota = format!("[quota]\nfull = {text}\nshort = {text}\n[quota_was]");
        let found = problems("[quota]", &quota);
        assert!(found[0].starts_with(
            "replies/az.toml: quota.short: {date} is not always known here; use only {tail}, {purpose}, {hotline}"
        ));
        assert!(problems("Bu FİN-dir", "{code}")[0].contains("fin.full: {code} is not always known here"));
    }

    #[test]
    fn what_is_no_toml_is_named_with_its_line() {
        let found = problems("[granted]", "[granted]\nfull = 1");
        assert!(found[0].starts_with("replies/az.toml:"), "{found:?}");
        assert!(found[0].ends_with("write each text as [name] with the strings `full` and `short`"));
    }

    #[test]
    fn a_directory_is_read_like_the_shipped_files() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Texts::load(dir.path()).unwrap_err()[0].to_string().contains("az.toml: cannot be read"));
        for (language, file) in LANGUAGES.iter().zip(SHIPPED) {
            std::fs::write(dir.path().join(format!("{language}.toml")), file).unwrap();
        }
        assert_eq!(Texts::load(dir.path()), Texts::shipped());
    }
}
