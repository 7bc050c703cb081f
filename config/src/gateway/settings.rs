//! What was typed: the shipped file, then a file, then the environment, then flags, each with the place it was said.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::problem::Problem;

/// The shipped file: the only place where a default is written.
pub const SHIPPED: &str = include_str!("../../gateway.toml");

const SHIPPED_PLACE: &str = "shipped default";
const OPERATORS: &str = "operators.";
/// The shipped account, whose keys are also the defaults of every other operator's.
pub(super) const DEMO: &str = "demo";
const DEMO_SYSTEM_ID: &str = "operators.demo.system_id";
const DEMO_PASSWORD: &str = "operators.demo.password";
const OPERATOR_NAME_MAX: usize = 32;

/// The value of one key. The type of a key is the type of its shipped value.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<String>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a whole number",
            Self::Switch(_) => "true or false",
            Self::List(_) => "a list of texts",
        }
    }

    /// Reads what a variable or a flag says as a value of this one's type.
    fn parse_like(&self, said: &str) -> Option<Self> {
        Some(match self {
            Self::Text(_) => Self::Text(said.to_owned()),
            Self::Number(_) => Self::Number(match said.strip_prefix("0x") {
                Some(hex) => i64::from_str_radix(hex, 16).ok()?,
                None => said.parse().ok()?,
            }),
            Self::Switch(_) => Self::Switch(said.parse().ok()?),
            Self::List(_) => Self::List(
                said.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            ),
        })
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        Some(match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                Self::Number(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
            }
            DeValue::Boolean(on) => Self::Switch(*on),
            DeValue::Array(items) => {
                let item = |value: &DeValue<'_>| match Self::from_toml(value)? {
                    Self::Text(text) => Some(text),
                    Self::Number(number) => Some(number.to_string()),
                    Self::Switch(_) | Self::List(_) => None,
                };
                Self::List(items.iter().map(|value| item(value.get_ref())).collect::<Option<_>>()?)
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => return None,
        })
    }
}

/// A value and the place where it was said.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) place: String,
}

/// Everything that was typed, layer over layer, not yet validated.
///
/// Holds passwords, therefore has no `Debug`.
#[derive(Clone)]
pub struct Settings {
    pub(super) typed: BTreeMap<String, Setting>,
    shipped: BTreeMap<String, Setting>,
    pub(super) problems: Vec<Problem>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::shipped()
    }
}

impl Settings {
    /// The shipped defaults alone.
    #[must_use]
    pub fn shipped() -> Self {
        let mut settings = Self { typed: BTreeMap::new(), shipped: BTreeMap::new(), problems: Vec::new() };
        for (key, setting) in settings.flatten(SHIPPED_PLACE, SHIPPED) {
            settings.shipped.insert(key, setting);
        }
        settings
    }

    /// The shipped defaults, the file at `path`, and the process's environment.
    ///
    /// A file that cannot be read is a problem, reported by [`Settings::validate`].
    #[must_use]
    pub fn load(path: &Path, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut settings = Self::shipped();
        let place = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => settings.file(&place, &text),
            Err(error) => settings.problem(
                &place,
                "",
                format!("cannot be read ({error})"),
                "name another file with --config, or let the gateway's user read this one",
            ),
        }
        settings.environment(vars);
        settings
    }

    /// Lays the TOML `text` over what is there; `place` names it in problems.
    pub fn file(&mut self, place: &str, text: &str) {
        for (key, setting) in self.flatten(place, text) {
            self.type_or_complain(key, setting);
        }
    }

    /// Lays the variables `ICAZE_SECTION__KEY` over what is there. Other variables are none of ours, except one that
    /// spells a key with single underscores, which is a slip and a problem.
    pub fn environment(&mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, said) in vars {
            let Some(name) = name.to_str() else { continue };
            let Some(path) = name.strip_prefix("ICAZE_") else { continue };
            let key = path.replace("__", ".").to_lowercase();
            if !key.contains('.') {
                self.complain_of_single_underscores(name, &key);
            } else if let Some(said) = said.to_str() {
                self.say(name, &key, said);
            } else {
                self.problem(name, &key, "is not UTF-8".to_owned(), "write it in UTF-8");
            }
        }
    }

    /// Lays one command-line flag over what is there: `settings.flag("--smpp", "smpp.listen", "127.0.0.1:0")`.
    pub fn flag(&mut self, flag: &str, key: &str, said: &str) {
        self.say(flag, key, said);
    }

    /// The names of the operators that were typed.
    pub(super) fn operators(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .typed
            .keys()
            .filter_map(|key| key.strip_prefix(OPERATORS)?.split('.').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        names
    }

    /// What was typed for `key`, else its shipped value. `None` for the account of an operator that lacks it: only
    /// the shipped operator has the shipped account.
    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.typed.get(key).or_else(|| {
            let like = like_shipped(key);
            let account = like == DEMO_SYSTEM_ID || like == DEMO_PASSWORD;
            self.shipped.get(&like).filter(|_| !account || like == key)
        })
    }

    /// Whether `key` has the value that it, or the demo operator's key like it, is shipped with.
    pub(super) fn is_as_shipped(&self, key: &str) -> bool {
        let shipped = self.shipped.get(&like_shipped(key));
        self.get(key).map(|setting| &setting.value) == shipped.map(|setting| &setting.value)
    }

    /// Where `key` was said; for a missing one, where its section was.
    pub(super) fn place(&self, key: &str) -> String {
        let section = key.rsplit_once('.').map_or(String::new(), |(section, _)| format!("{section}."));
        let sibling = || {
            let (key, setting) = self.typed.range(section.clone()..).next()?;
            key.starts_with(&section).then_some(setting)
        };
        self.get(key)
            .or_else(sibling)
            .map_or_else(|| SHIPPED_PLACE.to_owned(), |setting| setting.place.clone())
    }

    fn say(&mut self, place: &str, key: &str, said: &str) {
        let Some(shipped) = self.shipped.get(&like_shipped(key)) else {
            return self.complain_of_unknown(place, key);
        };
        match shipped.value.parse_like(said) {
            Some(value) => self.type_or_complain(key.to_owned(), Setting { value, place: place.to_owned() }),
            None => {
                let kind = shipped.value.kind();
                self.problem(place, key, format!("is not {kind}"), &format!("write {kind}"));
            }
        }
    }

    fn type_or_complain(&mut self, key: String, setting: Setting) {
        let Some(shipped) = self.shipped.get(&like_shipped(&key)) else {
            return self.complain_of_unknown(&setting.place, &key);
        };
        if std::mem::discriminant(&shipped.value) != std::mem::discriminant(&setting.value) {
            let (expected, found) = (shipped.value.kind(), setting.value.kind());
            return self.problem(
                &setting.place,
                &key,
                format!("is {found}, not {expected}"),
                &format!("write {expected}"),
            );
        }
        if operator_name(&key).is_some_and(|name| !is_operator_name(name)) {
            return self.problem(
                &setting.place,
                &key,
                "the operator's name is not usable in metrics and variables".to_owned(),
                "use at most 32 of a-z, 0-9, - and single _",
            );
        }
        self.typed.insert(key, setting);
    }

    fn complain_of_unknown(&mut self, place: &str, key: &str) {
        let remedy = match self.shipped.keys().min_by_key(|known| distance(known, &like_shipped(key))) {
            Some(near) if distance(near, &like_shipped(key)) <= 3 => {
                let near = near.rsplit('.').next().unwrap_or(near);
                format!("did you mean {near}? docs/configuration.md lists every key")
            }
            _ => "remove it; docs/configuration.md lists every key".to_owned(),
        };
        self.problem(place, &printable(key), "there is no such key".to_owned(), &remedy);
    }

    fn complain_of_single_underscores(&mut self, name: &str, said: &str) {
        if let Some(key) = self.shipped.keys().find(|key| key.replace('.', "_") == said).cloned() {
            let right = format!("ICAZE_{}", key.replace('.', "__").to_uppercase());
            self.problem(
                name,
                &key,
                "single underscores between section and key".to_owned(),
                &format!("write {right}"),
            );
        }
    }

    fn problem(&mut self, place: &str, key: &str, reason: String, remedy: &str) {
        self.problems.push(Problem {
            place: place.to_owned(),
            key: key.to_owned(),
            reason,
            remedy: remedy.to_owned(),
        });
    }

    /// Reads `text` into dotted keys with their lines; what cannot be read becomes problems.
    fn flatten(&mut self, place: &str, text: &str) -> Vec<(String, Setting)> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let reason = printable(error.message());
            self.problem(&format!("{place}:{line}"), "", reason, "correct the TOML on this line");
        }
        let mut settings = Vec::new();
        self.walk(place, text, "", table.get_ref(), &mut settings);
        settings
    }

    fn walk(
        &mut self,
        place: &str,
        text: &str,
        section: &str,
        table: &DeTable<'_>,
        into: &mut Vec<(String, Setting)>,
    ) {
        for (name, value) in table {
            let at = match place {
                SHIPPED_PLACE => place.to_owned(),
                _ => format!("{place}:{}", line_of(text, name.span().start)),
            };
            let key = printable(&format!("{section}{}", name.get_ref()));
            if name.get_ref().contains('.') {
                self.problem(&at, &key, "a quoted name with a dot".to_owned(), "write the name without dots");
            } else if let DeValue::Table(inner) = value.get_ref() {
                if inner.is_empty() && !self.shipped.keys().any(|known| known.starts_with(&format!("{key}.")))
                {
                    self.problem(&at, &key, "an empty section".to_owned(), "fill it in or remove it");
                }
                self.walk(place, text, &format!("{key}."), inner, into);
            } else if let Some(value) = Value::from_toml(value.get_ref()) {
                into.push((key, Setting { value, place: at }));
            } else {
                self.problem(
                    &at,
                    &key,
                    "is neither a text, a whole number, a switch nor a list of texts".to_owned(),
                    "write it as docs/configuration.md shows",
                );
            }
        }
    }
}

fn operator_name(key: &str) -> Option<&str> {
    key.strip_prefix(OPERATORS)?.split('.').next()
}

fn is_operator_name(name: &str) -> bool {
    (1..=OPERATOR_NAME_MAX).contains(&name.len())
        && !name.contains("__")
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// The shipped key whose type and value `key` falls back on: for an operator's key, the demo operator's.
fn like_shipped(key: &str) -> String {
    match key.strip_prefix(OPERATORS).and_then(|rest| rest.split_once('.')) {
        Some((_, key)) => format!("{OPERATORS}{DEMO}.{key}"),
        None => key.to_owned(),
    }
}

/// One line whatever was typed.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// Levenshtein's distance in characters, to suggest the key that was meant.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(128).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(128).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(from != *to)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
