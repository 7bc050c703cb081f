//! What other gateways hold. Redis tells which of them to ask: the one that issued a code, those that granted a person something.
//! Where Redis does not reach, all are asked. Who does not answer is missing, and what Redis knows of its permits stands in for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::By;
use super::answer::Held;
use super::find::{Found, PERMITS_MAX, code};
use super::peers::Question;
use crate::cluster::{self, Elsewhere};
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::pipeline::permits::RECENT;

/// How long another gateway may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Redis has all that was granted since so long ago: it drops what is of no week that counts, at the earliest after seven days.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// No permit that was decided longer than this before an instant is told of it, as in the history.
const REACH: SignedDuration = SignedDuration::from_hours(48);

/// Whom to ask, and what is known without them.
struct Plan {
    ask: BTreeSet<u8>,
    /// What Redis knows of permits that they hold.
    known: Vec<Elsewhere>,
    /// Whether that is all that could be valid.
    sure: bool,
}

/// Adds to this gateway's `own` what others hold.
///
/// # Errors
/// 422 if `value` is no such thing.
pub(super) async fn find(
    shared: &Shared,
    cluster: &cluster::Shared,
    by: By,
    value: &str,
    (at, now): (Option<Timestamp>, Timestamp),
    own: Found,
) -> Result<Found, Problem> {
    let own_node = cluster.node();
    let all = || cluster.peers.numbers().into_iter().collect::<BTreeSet<u8>>();
    let mut plan = match (by, own.person) {
        (By::Code, _) => {
            let (node, _) = cluster.origin(code(value)?);
            // A number that no gateway has had issued nothing.
            let ask = all().into_iter().filter(|&other| other == node && own.held.is_empty()).collect();
            Plan { ask, known: Vec::new(), sure: false }
        }
        (By::Document, Some(person)) => {
            let then = at.unwrap_or(now);
            match cluster.permits_of(person).await {
                Ok(mut known) => {
                    known.retain(|permit| permit.node != own_node && may_matter(permit, at, now));
                    let sure = then - REACH >= now - KEPT;
                    let ask = if sure { known.iter().map(|permit| permit.node).collect() } else { all() };
                    Plan { ask, known, sure }
                }
                Err(error) => {
                    tracing::warn!(%error, "a look-up asks the other gateways: the cluster does not answer");
                    Plan { ask: all(), known: Vec::new(), sure: false }
                }
            }
        }
        // Nobody has issued anything to a person who is in no register, but for what the registers of other days had.
        (By::Document, None) if at.is_none() => Plan { ask: BTreeSet::new(), known: Vec::new(), sure: true },
        (By::Document | By::Phone, _) => Plan { ask: all(), known: Vec::new(), sure: false },
    };
    if plan.ask.is_empty() {
        return Ok(own);
    }
    let question = Arc::new(Question { by, value: value.to_owned(), at });
    let answers = ask(shared, &plan.ask, &question).await;
    let missing: Vec<u8> = plan.ask.into_iter().filter(|node| !answers.contains_key(node)).collect();
    if by == By::Code && !missing.is_empty() {
        match cluster.permit_with(code(value)?).await {
            Ok(permit) => {
                // Without one it may still be that Redis has forgotten it.
                plan.sure = permit.is_some();
                plan.known.extend(permit.filter(|permit| at.is_none_or(|at| permit.decided_at <= at)));
            }
            Err(error) => tracing::warn!(%error, "a look-up misses a gateway, and the cluster"),
        }
    }
    let world = shared.gateway.world();
    let elsewhere = plan.known.iter().filter(|permit| missing.contains(&permit.node));
    let elsewhere = elsewhere.filter_map(|permit| Held::elsewhere(permit, at.unwrap_or(now), &world));
    let mut held = own.held;
    held.extend(answers.into_values().flatten().chain(elsewhere));
    held.sort_by_key(|held| Reverse(held.permit.decided_at));
    held.truncate(PERMITS_MAX);
    Ok(Found { held, sure: plan.sure || missing.is_empty(), missing, ..own })
}

/// Whether a look-up shows a permit: one that was decided not long before and, now, has not ended long ago.
fn may_matter(permit: &Elsewhere, at: Option<Timestamp>, now: Timestamp) -> bool {
    let then = at.unwrap_or(now);
    let lately = permit.decided_at <= then && then - REACH < permit.decided_at;
    // What was given back does not say when.
    lately && (at.is_some() || permit.holds.is_none_or(|(_, until)| until > now - RECENT))
}

/// What these gateways answer, all asked at once. Who does not is left out.
async fn ask(shared: &Shared, nodes: &BTreeSet<u8>, question: &Arc<Question>) -> BTreeMap<u8, Vec<Held>> {
    let mut asked = JoinSet::new();
    for &node in nodes {
        let (gateway, question) = (Arc::clone(&shared.gateway), Arc::clone(question));
        asked.spawn(async move {
            let peers = &gateway.shared.as_ref()?.peers;
            match peers.ask(node, "/peers/lookups", &*question, PATIENCE).await {
                Ok(held) => Some((node, held)),
                Err(error) => {
                    tracing::warn!(node, %error, "a look-up misses a gateway");
                    None
                }
            }
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use icaze_store::ledger::Interval;

    use super::*;
    use crate::permit::code::CodeKey;

    #[test]
    fn what_a_look_up_shows_is_asked_for_and_nothing_else() {
        let at = |hours: i64| Timestamp::from_second(1_607_940_000 + hours * 3600).unwrap();
        let permit = |decided: i64, until: Option<i64>| Elsewhere {
            node: 1,
            code: CodeKey::new([1; 16]).code(1, 1).unwrap(),
            person: 1,
            purpose: 2,
            decided_at: at(decided),
            holds: until.map(|until| (Interval { start: at(decided), end: at(until) }, at(until))),
        };
        assert!(may_matter(&permit(0, Some(3)), None, at(1)), "stands");
        assert!(may_matter(&permit(0, Some(3)), None, at(3)), "ended lately");
        assert!(!may_matter(&permit(0, Some(3)), None, at(4)), "ended long ago");
        assert!(may_matter(&permit(0, Some(3)), Some(at(4)), at(9)), "of an instant, the history tells it");
        assert!(!may_matter(&permit(5, Some(8)), Some(at(4)), at(9)), "not decided then");
        assert!(may_matter(&permit(0, None), None, at(47)) && !may_matter(&permit(0, None), None, at(48)));
    }
}
