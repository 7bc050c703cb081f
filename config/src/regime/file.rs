//! A regime as it is typed, and the checks that make it a [`Regime`].

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::{
    Area, Away, DAY_MINUTES, Exemption, Hours, Name, Names, OutsideArea, Period, Problem, Purpose, Quota,
    Regime, first_instant,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegimeFile {
    id: Spanned<String>,
    time_zone: Spanned<String>,
    from: Spanned<Datetime>,
    until: Option<Spanned<Datetime>>,
    #[serde(default)]
    ends_standing: bool,
    minimum_minutes: Spanned<u16>,
    documents: Spanned<Vec<String>>,
    #[serde(default)]
    exempt_from: BTreeSet<Exemption>,
    #[serde(default = "grant")]
    outside_area: OutsideArea,
    without_cluster: Option<Away>,
    areas: Option<Spanned<Vec<AreaFile>>>,
    purpose: Vec<PurposeFile>,
    #[serde(default)]
    quota: Vec<QuotaFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaFile {
    region: Spanned<String>,
    az: String,
    en: String,
    ru: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurposeFile {
    code: Spanned<u8>,
    minutes: Spanned<u16>,
    #[serde(default)]
    delay_minutes: Option<Spanned<u16>>,
    hours: Option<Spanned<Vec<String>>>,
    age_over: Option<u8>,
    stay_home: bool,
    names: Spanned<Names<Name>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaFile {
    purposes: Spanned<Vec<u8>>,
    per: Period,
    limit: Spanned<u8>,
}

fn grant() -> OutsideArea {
    OutsideArea::Grant
}

/// Reads one file; `path` is only for messages.
pub(super) fn parse(path: &Path, text: &str) -> Result<Regime, Vec<Problem>> {
    let mut check = Check { path, text, problems: Vec::new() };
    let file: RegimeFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            check.typed_wrongly(&error);
            return Err(check.problems);
        }
    };
    match check.regime(file) {
        Some(mut regime) if check.problems.is_empty() => {
            regime.set_hash();
            Ok(regime)
        }
        _ => Err(check.problems),
    }
}

/// Collects every problem of a file instead of stopping at the first.
struct Check<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, span: Range<usize>, key: &str, what: impl Into<String>, remedy: &str) {
        let line = self.line(span.start);
        self.problems.push(Problem::in_file(self.path, line, key, what.into(), remedy));
    }

    fn line(&self, offset: usize) -> Option<usize> {
        Some(self.text.as_bytes().get(..offset)?.iter().filter(|&&byte| byte == b'\n').count() + 1)
    }

    fn typed_wrongly(&mut self, error: &toml::de::Error) {
        let what = error.message().replace('\n', " ");
        let line = error.span().and_then(|span| self.line(span.start));
        let remedy = "correct it as in the shipped regimes; unknown keys are errors";
        self.problems.push(Problem::in_file(self.path, line, "", what, remedy));
    }

    /// `None` only where a problem was reported.
    fn regime(&mut self, file: RegimeFile) -> Option<Regime> {
        let minimum_minutes = self.minutes("minimum_minutes", &file.minimum_minutes, 1);
        let documents = self.documents(&file.documents);
        let areas = file.areas.map(|areas| self.areas(areas));
        let purposes = self.purposes(file.purpose, minimum_minutes);
        let quotas = self.quotas(file.quota, &purposes);
        self.id(&file.id);
        let (zone, from, until) = self.times(&file.time_zone, &file.from, file.until.as_ref())?;
        Some(Regime {
            id: file.id.into_inner(),
            zone,
            from,
            until,
            ends_standing: file.ends_standing,
            minimum_minutes,
            documents,
            exempt_from: file.exempt_from.into_iter().collect(),
            outside_area: file.outside_area,
            without_cluster: file.without_cluster,
            areas,
            purposes,
            quotas,
            hash: 0,
        })
    }

    fn id(&mut self, id: &Spanned<String>) {
        if !is_slug(id.get_ref()) {
            self.report(id.span(), "id", "is no name", "write 1 to 32 of a-z, 0-9 and -");
        }
    }

    fn times(
        &mut self,
        name: &Spanned<String>,
        from: &Spanned<Datetime>,
        until: Option<&Spanned<Datetime>>,
    ) -> Option<(TimeZone, Timestamp, Option<Timestamp>)> {
        let Ok(zone) = TimeZone::get(name.get_ref()) else {
            let what = format!("{:?} is no time zone", name.get_ref());
            self.report(name.span(), "time_zone", what, "write an IANA name such as \"Asia/Baku\"");
            return None;
        };
        let begins = self.instant("from", from, &zone)?;
        let ends = match until {
            None => None,
            Some(until) => Some(self.instant("until", until, &zone)?),
        };
        if let Some(until) = until
            && ends.is_some_and(|ends| ends <= begins)
        {
            self.report(
                until.span(),
                "until",
                "is not after `from`",
                "correct either; it is the first instant after the regime",
            );
        }
        Some((zone, begins, ends))
    }

    fn instant(&mut self, key: &str, typed: &Spanned<Datetime>, zone: &TimeZone) -> Option<Timestamp> {
        let civil = civil(typed.get_ref());
        if civil.is_none() {
            let remedy =
                "write a date and a local time of whole minutes without offset, such as 2020-12-14T00:00";
            self.report(typed.span(), key, "is no local time of whole minutes", remedy);
        }
        Some(first_instant(zone, civil?))
    }

    fn documents(&mut self, documents: &Spanned<Vec<String>>) -> Vec<String> {
        let series: BTreeSet<&String> = documents.get_ref().iter().collect();
        let sound =
            |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if series.is_empty() || !series.iter().all(|text| sound(text)) {
            let remedy = "list at least one series of one to three letters A-Z, such as \"AZE\"";
            self.report(documents.span(), "documents", "is no list of series", remedy);
        }
        series.into_iter().cloned().collect()
    }

    fn areas(&mut self, areas: Spanned<Vec<AreaFile>>) -> Vec<Area> {
        if areas.get_ref().is_empty() {
            self.report(
                areas.span(),
                "areas",
                "is empty",
                "list the regions, or leave the key out for the whole country",
            );
        }
        let mut seen = BTreeSet::new();
        let mut checked = Vec::new();
        for area in areas.into_inner() {
            let span = area.region.span();
            let region = area.region.into_inner();
            if !is_slug(&region) {
                self.report(
                    span.clone(),
                    "areas.region",
                    "is no region",
                    "write it as in the register: 1 to 32 of a-z, 0-9 and -",
                );
            }
            if !seen.insert(region.clone()) {
                self.report(span.clone(), "areas.region", format!("{region} is listed twice"), "remove one");
            }
            let names = Names { az: area.az, en: area.en, ru: area.ru };
            self.names(span, "areas", [&names.az, &names.en, &names.ru]);
            checked.push(Area { region, names });
        }
        checked.sort_by(|a, b| a.region.cmp(&b.region));
        checked
    }

    fn purposes(&mut self, purposes: Vec<PurposeFile>, minimum_minutes: u16) -> Vec<Purpose> {
        let mut checked: Vec<Purpose> = Vec::new();
        for purpose in purposes {
            let code = *purpose.code.get_ref();
            if code > 9 {
                self.report(
                    purpose.code.span(),
                    "purpose.code",
                    format!("is {code}"),
                    "write one digit, 0 to 9",
                );
            }
            if checked.iter().any(|other| other.code == code) {
                self.report(
                    purpose.code.span(),
                    "purpose.code",
                    format!("{code} is there twice"),
                    "give each purpose its own digit",
                );
            }
            let span = purpose.names.span();
            let names = purpose.names.into_inner();
            for name in [&names.az, &names.en, &names.ru] {
                self.names(span.clone(), "purpose.names", [&name.short, &name.long]);
            }
            checked.push(Purpose {
                code,
                names,
                minutes: self.minutes("purpose.minutes", &purpose.minutes, minimum_minutes),
                delay_minutes: purpose
                    .delay_minutes
                    .map_or(0, |delay| self.minutes("purpose.delay_minutes", &delay, 0)),
                hours: purpose
                    .hours
                    .map_or_else(|| vec![Hours::ALL_DAY], |hours| self.hours(&hours, minimum_minutes)),
                age_over: purpose.age_over,
                stay_home: purpose.stay_home,
            });
        }
        if checked.is_empty() {
            self.report(0..0, "purpose", "is missing", "describe at least one [[purpose]]");
        }
        checked.sort_by_key(|purpose| purpose.code);
        checked
    }

    fn minutes(&mut self, key: &str, minutes: &Spanned<u16>, least: u16) -> u16 {
        let value = *minutes.get_ref();
        if !(least..=DAY_MINUTES).contains(&value) {
            let remedy = format!("write {least} to {DAY_MINUTES} minutes");
            self.report(minutes.span(), key, format!("is {value}"), &remedy);
        }
        value
    }

    fn hours(&mut self, hours: &Spanned<Vec<String>>, minimum_minutes: u16) -> Vec<Hours> {
        let mut checked = Vec::new();
        for text in hours.get_ref() {
            match Hours::parse(text) {
                Some(hours) => checked.push(hours),
                None => {
                    let remedy = "write HH:MM-HH:MM, 24:00 for the end of the day";
                    self.report(hours.span(), "purpose.hours", format!("{text:?} is no time of day"), remedy);
                }
            }
        }
        match longest_run(&checked) {
            None => self.report(hours.span(), "purpose.hours", "overlap", "write each hour of the day once"),
            Some(longest) if longest < minimum_minutes => {
                let what = format!("leave {longest} minutes at a time, fewer than minimum_minutes");
                self.report(
                    hours.span(),
                    "purpose.hours",
                    what,
                    "widen them, lower minimum_minutes, or remove the purpose",
                );
            }
            Some(_) => {}
        }
        checked
    }

    fn quotas(&mut self, quotas: Vec<QuotaFile>, purposes: &[Purpose]) -> Vec<Quota> {
        let mut checked: Vec<Quota> = Vec::new();
        for quota in quotas {
            let codes: BTreeSet<u8> = quota.purposes.get_ref().iter().copied().collect();
            let known = |code: &u8| purposes.iter().any(|purpose| purpose.code == *code);
            if codes.is_empty() || !codes.iter().all(known) {
                let remedy = "list codes of this regime's purposes";
                self.report(
                    quota.purposes.span(),
                    "quota.purposes",
                    "names none, or one that is not there",
                    remedy,
                );
            }
            let limit = *quota.limit.get_ref();
            if !(1..=Quota::LIMIT_MAX).contains(&limit) {
                let remedy =
                    format!("write 1 to {}; remove the purpose if nobody may use it", Quota::LIMIT_MAX);
                self.report(quota.limit.span(), "quota.limit", format!("is {limit}"), &remedy);
            }
            let codes: Vec<u8> = codes.into_iter().collect();
            if checked.iter().any(|other| other.purposes == codes && other.per == quota.per) {
                self.report(
                    quota.purposes.span(),
                    "quota",
                    "is there twice",
                    "keep one for the same purposes and time",
                );
            }
            checked.push(Quota { purposes: codes, per: quota.per, limit });
        }
        checked.sort_by(|a, b| (a.per.name(), &a.purposes).cmp(&(b.per.name(), &b.purposes)));
        checked
    }

    fn names<'n>(&mut self, span: Range<usize>, key: &str, names: impl IntoIterator<Item = &'n String>) {
        for name in names {
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                self.report(
                    span.clone(),
                    key,
                    format!("{name:?} is no name"),
                    "write a word or more on one line",
                );
            }
        }
    }
}

fn is_slug(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(sound)
}

/// A local date and time of whole minutes.
fn civil(typed: &Datetime) -> Option<DateTime> {
    let (Some(date), Some(time), None) = (typed.date, typed.time, typed.offset) else { return None };
    if time.second.unwrap_or(0) != 0 || time.nanosecond.unwrap_or(0) != 0 {
        return None;
    }
    let part = |value: u8| i8::try_from(value).ok();
    let year = i16::try_from(date.year).ok()?;
    DateTime::new(year, part(date.month)?, part(date.day)?, part(time.hour)?, part(time.minute)?, 0, 0).ok()
}

/// The longest time without a break in minutes, over midnight too; `None` if two of them overlap.
fn longest_run(hours: &[Hours]) -> Option<u16> {
    let mut open = [false; DAY_MINUTES as usize];
    for hours in hours {
        let from = hours.from_minute();
        let until = hours.until_minute() + if hours.until_minute() > from { 0 } else { DAY_MINUTES };
        for minute in from..until {
            let slot = open.get_mut(usize::from(minute % DAY_MINUTES))?;
            if std::mem::replace(slot, true) {
                return None;
            }
        }
    }
    let (mut longest, mut run) = (0, 0);
    for &open in open.iter().chain(&open) {
        run = if open { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    Some(longest.min(DAY_MINUTES))
}
