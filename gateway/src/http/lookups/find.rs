//! Finds permits. What stands is in memory, and so is what ended lately; a reply leaves only after its permit is there. What is
//! older is in the history.

use std::sync::Arc;

use icaze_store::audit::{Keys, Subject};
use icaze_store::{Document, Msisdn};
use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;

use super::By;
use crate::clock::Now;
use crate::history::Wanted;
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

/// The permits that `by` and `value` name: those that stand or, with `at`, stood then, and those that had ended lately.
///
/// # Errors
/// 422 if `value` is no such thing; 503 if the history is needed and has no answer now.
pub(super) async fn find(
    shared: &Shared,
    by: By,
    value: &str,
    at: Option<Timestamp>,
) -> Result<Found, Problem> {
    let (mut found, wanted) = in_memory(shared, by, value.trim())?;
    let (oldest, none) = {
        let pipeline = shared.gateway.pipeline();
        let kept_since = pipeline.time() - RECENT + SignedDuration::from_mins(1);
        let all = pipeline.permits().first() == 0;
        (if all { Timestamp::MIN } else { kept_since }, found.permits.is_empty() && !all)
    };
    // A code on paper is told to be over, however long it has been.
    let now = Now::read().wall;
    if at.is_some_and(|at| at < oldest) || (by == By::Code && none) {
        let archived = archived(shared, wanted, at.unwrap_or(now)).await?;
        let known: Vec<u64> = found.permits.iter().map(|permit| permit.seq).collect();
        found.permits.extend(archived.into_iter().filter(|permit| !known.contains(&permit.seq)));
    }
    if let Some(at) = at {
        found.permits.retain(|permit| permit.decided_at <= at);
    }
    found.permits.truncate(PERMITS_MAX);
    Ok(found)
}

/// What memory has, and what the history would be asked for.
fn in_memory(shared: &Shared, by: By, value: &str) -> Result<(Found, Wanted), Problem> {
    let gateway = &shared.gateway;
    Ok(match by {
        By::Code => {
            let code: Code = value.parse().map_err(|error| Problem::unusable("value", format!("{error}")))?;
            let permits = gateway.pipeline().permit_by_code(code).into_iter().collect();
            (Found { permits, person: None }, Wanted::Code(code.as_u64()))
        }
        By::Document => {
            let document = document(value)?;
            let person = gateway.world().register.find(document).map(|entry| entry.person);
            let pipeline = gateway.pipeline();
            let permits = person.map(|person| pipeline.permits_of(person).take(PERMITS_MAX).collect());
            let wanted = person.map_or(Wanted::Document(document), Wanted::Person);
            (Found { permits: permits.unwrap_or_default(), person }, wanted)
        }
        By::Phone => {
            let numbering = gateway.port().numbering;
            let phone = Msisdn::parse(value, numbering.country, numbering.national).ok_or_else(|| {
                Problem::unusable("value", "no subscriber's number: write it as +994501234567")
            })?;
            (Found { permits: of_phone(shared, phone), person: None }, Wanted::Phone(phone))
        }
    })
}

/// What the history has, which memory has forgotten only what it has.
async fn archived(shared: &Shared, wanted: Wanted, at: Timestamp) -> Result<Vec<Permit>, Problem> {
    let (archive, gateway) = (shared.archive.clone(), Arc::clone(&shared.gateway));
    let read = spawn_blocking(move || archive.permits(&gateway.history, wanted, at)).await;
    read.map_err(|_| Problem::internal())?.map_err(|error| {
        tracing::warn!(%error, "a look-up in the history has no answer");
        Problem::unavailable("that is not in memory any more, and the history has no answer now; ask again")
    })
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
