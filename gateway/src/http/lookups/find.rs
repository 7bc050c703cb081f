//! Finds permits. What stands is in memory, and so is what ended lately; a reply leaves only after its permit is there.

use icaze_store::audit::{Keys, Subject};
use icaze_store::{Document, Msisdn};
use jiff::{SignedDuration, Timestamp};

use super::By;
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::permit::code::Code;
use crate::pipeline::permits::{Permit, RECENT};

/// Permits in one answer, at most; the newest.
const PERMITS_MAX: usize = 100;
/// Permits that are looked through for a phone's before the pipeline is let go for a moment.
const STRIDE: usize = 8192;

/// What was found.
pub(super) struct Found {
    /// Newest first.
    pub(super) permits: Vec<Permit>,
    /// The person whose permits these are, if a document of theirs was asked for.
    person: Option<u32>,
}

impl Found {
    /// Whom the look-up was about.
    pub(super) fn subjects(&self, keys: &Keys, asked: &str) -> Vec<Subject> {
        let mut persons: Vec<u32> =
            self.permits.iter().map(|permit| permit.person).chain(self.person).collect();
        persons.sort_unstable();
        persons.dedup();
        if persons.is_empty() {
            return vec![keys.unknown(asked.trim())];
        }
        persons.into_iter().map(|person| keys.person(person)).collect()
    }
}

/// The permits that `by` and `value` name, of which one may have stood at `at`, or stand now.
///
/// # Errors
/// 422 if `value` is no such thing; 503 if `at` lies before what memory holds.
pub(super) fn find(shared: &Shared, by: By, value: &str, at: Option<Timestamp>) -> Result<Found, Problem> {
    let gateway = &shared.gateway;
    let value = value.trim();
    let mut found = match by {
        By::Code => {
            let code: Code = value.parse().map_err(|error| Problem::unusable("value", format!("{error}")))?;
            Found { permits: gateway.pipeline().permit_by_code(code).into_iter().collect(), person: None }
        }
        By::Document => {
            let document = document(value)?;
            let person = gateway.world().register.find(document).map(|entry| entry.person);
            let pipeline = gateway.pipeline();
            let permits = person.map(|person| pipeline.permits_of(person).take(PERMITS_MAX).collect());
            Found { permits: permits.unwrap_or_default(), person }
        }
        By::Phone => {
            let numbering = gateway.port().numbering;
            let phone = Msisdn::parse(value, numbering.country, numbering.national).ok_or_else(|| {
                Problem::unusable("value", "no subscriber's number: write it as +994501234567")
            })?;
            Found { permits: of_phone(shared, phone), person: None }
        }
    };
    if let Some(at) = at {
        let pipeline = gateway.pipeline();
        if at < pipeline.time() - RECENT + SignedDuration::from_mins(1) && pipeline.permits().first() > 0 {
            let detail = "that long ago is not in memory any more, and the history cannot be asked yet";
            return Err(Problem::unavailable(detail));
        }
        found.permits.retain(|permit| permit.decided_at <= at);
    }
    Ok(found)
}

/// A serial as people write it: small letters and blanks do not matter.
pub(super) fn document(value: &str) -> Result<Document, Problem> {
    let plain: String = value.chars().filter(|character| !character.is_whitespace()).collect();
    let document = plain.to_ascii_uppercase().parse();
    document.map_err(|error| Problem::unusable("value", format!("no serial: {error}")))
}

/// The permits that a phone asked for. The pipeline is held for a stride at a time, so that no message waits for it.
fn of_phone(shared: &Shared, phone: Msisdn) -> Vec<Permit> {
    let (mut permits, mut before) = (Vec::new(), None);
    loop {
        let pipeline = shared.gateway.pipeline();
        let numbers = pipeline.permits().first()..before.unwrap_or_else(|| pipeline.permits().end());
        let stride = numbers.clone().rev().take(STRIDE);
        let of_phone = stride.clone().filter_map(|number| pipeline.permits().get(number));
        permits.extend(of_phone.filter(|permit| permit.phone == phone).take(PERMITS_MAX - permits.len()));
        before = stride.last();
        if before.is_none() || permits.len() == PERMITS_MAX {
            return permits;
        }
    }
}
