//! The officer's page: a look-up on a phone, at night, on a bad network.

use askama::Template;
use jiff::Timestamp;

use super::figures::Clock;
use super::page::Page;
use super::words::{INQUIRIES, Words};

/// The page.
#[derive(Template)]
#[template(path = "officer.html")]
pub(super) struct Officer {
    pub(super) page: Page,
    pub(super) form: Form,
    /// What is wrong with what was sent.
    pub(super) problem: Option<String>,
    pub(super) verdict: Option<Verdict>,
    /// Whether this officer may look up by phone.
    pub(super) by_phone: bool,
    /// The time zone in which times are typed and shown.
    pub(super) zone: String,
}

/// What was chosen, kept for the next look-up. What was looked up is not.
pub(super) struct Form {
    pub(super) by: By,
    /// One of [`INQUIRIES`].
    pub(super) reason: String,
    /// As the browser writes it.
    pub(super) at: String,
    /// Kept only when it has to be mended.
    pub(super) value: String,
}

/// What somebody is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum By {
    #[default]
    Document,
    Code,
    Phone,
}

/// What the officer reads first.
pub(super) struct Verdict {
    /// `17:15`, if a permit stands, else nothing.
    valid_until: Option<String>,
    /// The instant that was asked about.
    at: String,
    /// Whether that has passed.
    past: bool,
    permits: Vec<PermitRow>,
}

/// A permit as the look-up found it.
pub(super) struct Found {
    pub(super) document: String,
    /// `2 shopping`.
    pub(super) purpose: String,
    pub(super) code: String,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// The state's name in a look-up's answer.
    pub(super) state: &'static str,
    pub(super) decided_at: Timestamp,
    /// Whether the citizen's operator has the reply.
    pub(super) delivered: bool,
}

struct PermitRow {
    valid: bool,
    state: String,
    document: String,
    purpose: String,
    code: String,
    times: String,
    /// `received 14:10, reply not delivered`.
    note: Option<String>,
}

impl By {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Code => "code",
            Self::Phone => "phone",
        }
    }
}

impl Verdict {
    /// Of what was found for `at`, asked at `now`.
    pub(super) fn new(
        words: &Words,
        clock: &Clock,
        found: &[Found],
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let asked = at.unwrap_or(now);
        let valid = found.iter().filter(|permit| permit.state == "valid");
        let until = valid.map(|permit| permit.end).max();
        let today = clock.0.to_datetime(asked).date();
        let until = until.map(|end| {
            let another_day = clock.0.to_datetime(end).date() != today;
            if another_day { clock.instant(end) } else { clock.minute(end) }
        });
        let row = |permit: &Found| PermitRow {
            valid: permit.state == "valid",
            state: words.state(permit.state).to_owned(),
            document: permit.document.clone(),
            purpose: permit.purpose.clone(),
            code: permit.code.clone(),
            times: clock.interval(permit.start, permit.end),
            note: (!permit.delivered).then(|| {
                let words = &words.officer;
                format!("{} {}, {}", words.received, clock.minute(permit.decided_at), words.not_delivered)
            }),
        };
        Self {
            valid_until: until,
            at: clock.instant(asked),
            past: at.is_some(),
            permits: found.iter().map(row).collect(),
        }
    }
}

impl Officer {
    fn ways(&self) -> Vec<(By, &str)> {
        let words = &self.page.words.officer;
        let mut ways = vec![(By::Document, &*words.document), (By::Code, &*words.code)];
        if self.by_phone {
            ways.push((By::Phone, &words.phone));
        }
        ways
    }

    /// Name, words, and whether it was chosen.
    fn inquiries(&self) -> Vec<(&'static str, &str, bool)> {
        let words = self.page.words;
        INQUIRIES.map(|name| (name, words.inquiry(name), name == self.form.reason)).to_vec()
    }
}
