//! Finds permits. What stands is in memory, and so is what ended lately; a reply leaves only after its permit is there. What is
//! older is in the history.

use std::sync::Arc;

use icaze_store::audit::{Keys, Subject};
use icaze_store::{Document, Msisdn};
use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;

use super::answer::Held;
use super::{By, across};
use crate::history::Wanted;
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::permit::code::Code;
use crate::pipeline::permits::{Permit, RECENT};

/// Permits in one answer, at most; the newest.
pub(super) const PERMITS_MAX: usize = 100;
/// Permits that are looked through for a phone's before the pipeline is let go for a moment.
const STRIDE: usize = 8192;

/// What was found.
pub(super) struct Found {
    /// Newest first.
    pub(super) held: Vec<Held>,
    /// The person whose permits these are, if a document of theirs was asked for.
    pub(super) person: Option<u32>,
    /// Gateways that may know more, and did not answer.
    pub(super) missing: Vec<u8>,
    /// Whether none of theirs can be valid.
    pub(super) sure: bool,
}

impl Found {
    /// Whom the look-up was about.
    pub(super) fn subjects(&self, keys: &Keys, asked: &str) -> Vec<Subject> {
        let mut persons: Vec<u32> = self.held.iter().map(|held| held.person).chain(self.person).collect();
        persons.sort_unstable();
        persons.dedup();
        if persons.is_empty() {
            return vec![keys.unknown(asked.trim())];
        }
        persons.into_iter().map(|person| keys.person(person)).collect()
    }
}

/// The permits that `by` and `value` name, as they are at `now` or, with `at`, were then: those that stand, and those that had ended
/// lately; of all gateways that share their allowances.
///
/// # Errors
/// 422 if `value` is no such thing; 503 if the history is needed and has no answer now.
pub(super) async fn find(
    shared: &Shared,
    by: By,
    value: &str,
    (at, now): (Option<Timestamp>, Timestamp),
) -> Result<Found, Problem> {
    let own = own(shared, by, value, (at, now)).await?;
    match &shared.gateway.shared {
        None => Ok(own),
        Some(cluster) => across::find(shared, cluster, by, value, (at, now), own).await,
    }
}

/// Those of this gateway alone.
///
/// # Errors
/// The same.
pub(super) async fn own(
    shared: &Shared,
    by: By,
    value: &str,
    (at, now): (Option<Timestamp>, Timestamp),
) -> Result<Found, Problem> {
    let (mut permits, person, wanted) = in_memory(shared, by, value.trim())?;
    let (oldest, none) = {
        let pipeline = shared.gateway.pipeline();
        let kept_since = pipeline.time() - RECENT + SignedDuration::from_mins(1);
        let all = pipeline.permits().first() == 0;
        (if all { Timestamp::MIN } else { kept_since }, permits.is_empty() && !all)
    };
    // A code on paper is told to be over, however long it has been.
    if at.is_some_and(|at| at < oldest) || (by == By::Code && none) {
        let archived = archived(shared, wanted, at.unwrap_or(now)).await?;
        let known: Vec<u64> = permits.iter().map(|permit| permit.seq).collect();
        permits.extend(archived.into_iter().filter(|permit| !known.contains(&permit.seq)));
    }
    if let Some(at) = at {
        permits.retain(|permit| permit.decided_at <= at);
    }
    permits.truncate(PERMITS_MAX);
    let world = shared.gateway.world();
    let held = permits.iter().map(|permit| Held::of(permit, at.unwrap_or(now), &world)).collect();
    Ok(Found { held, person, missing: Vec::new(), sure: true })
}

/// What memory has, and what the history would be asked for.
fn in_memory(shared: &Shared, by: By, value: &str) -> Result<(Vec<Permit>, Option<u32>, Wanted), Problem> {
    let gateway = &shared.gateway;
    Ok(match by {
        By::Code => {
            let code = code(value)?;
            let permits = gateway.pipeline().permit_by_code(code).into_iter().collect();
            (permits, None, Wanted::Code(code.as_u64()))
        }
        By::Document => {
            let document = document(value)?;
            let person = gateway.world().register.find(document).map(|entry| entry.person);
            let pipeline = gateway.pipeline();
            let permits = person.map(|person| pipeline.permits_of(person).take(PERMITS_MAX).collect());
            let wanted = person.map_or(Wanted::Document(document), Wanted::Person);
            (permits.unwrap_or_default(), person, wanted)
        }
        By::Phone => {
            let numbering = gateway.port().numbering;
            let phone = Msisdn::parse(value, numbering.country, numbering.national).ok_or_else(|| {
                Problem::unusable("value", "no subscriber's number: write it as +994501234567")
            })?;
            (of_phone(shared, phone), None, Wanted::Phone(phone))
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

/// A permit's code, however it is typed.
pub(super) fn code(value: &str) -> Result<Code, Problem> {
    value.parse().map_err(|error| Problem::unusable("value", format!("{error}")))
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
