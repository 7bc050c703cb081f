//! The auditor's page: who looked whom up.

use askama::Template;
use jiff::tz::TimeZone;

use super::page::Page;
use crate::http::lookups::about::{About, Entry, TrailPage};

/// The page: the whole trail, or one person's part of it.
#[derive(Template)]
#[template(path = "audit.html")]
pub(super) struct Audit {
    pub(super) page: Page,
    pub(super) lines: Vec<Line>,
    /// Look-ups of the person that are withheld; `None` on the whole trail.
    pub(super) withheld: Option<usize>,
    /// Where the next page of the whole trail begins.
    pub(super) next: Option<u64>,
    /// Why there is no answer.
    pub(super) problem: Option<&'static str>,
}

/// A record in a few words.
pub(super) struct Line {
    what: &'static str,
    allowed: bool,
    at: String,
    who: String,
    institution: String,
    reason: String,
}

impl Audit {
    pub(super) fn of_trail(page: Page, trail: TrailPage, zone: &TimeZone) -> Self {
        let lines = lines(&page, trail.records, zone);
        Self { page, lines, withheld: None, next: trail.next, problem: None }
    }

    pub(super) fn of_person(page: Page, about: About, zone: &TimeZone) -> Self {
        let lines = lines(&page, about.lookups, zone);
        Self { page, lines, withheld: Some(about.withheld), next: None, problem: None }
    }

    pub(super) fn failed(page: Page, problem: &'static str) -> Self {
        Self { page, lines: Vec::new(), withheld: None, next: None, problem: Some(problem) }
    }
}

fn lines(page: &Page, records: Vec<Entry>, zone: &TimeZone) -> Vec<Line> {
    let words = page.words;
    let line = |entry: Entry| Line {
        what: words.action(entry.action),
        allowed: entry.allowed,
        at: zone.to_datetime(entry.at).strftime("%d.%m.%Y %H:%M:%S").to_string(),
        who: entry.who,
        institution: entry.institution,
        reason: entry.reason.unwrap_or_default(),
    };
    records.into_iter().map(line).collect()
}
