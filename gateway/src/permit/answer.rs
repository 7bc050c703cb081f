//! What the citizen reads: a decision, in words.

use icaze_store::Reason;
use icaze_store::ledger::{Interval, Language};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Request;
use super::code::Code;
use super::moment::Moment;
use super::read::Tail;
use super::reply::{self, Values};
use crate::world::World;

/// All of a decision that is put into words.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// `None` for a grant.
    pub reason: Option<Reason>,
    /// The language to answer in.
    pub language: Language,
    /// Whether Latin letters were asked for.
    pub latin: bool,
    /// What was asked for, if it could be read.
    pub request: Option<Request>,
    /// The end of the serial as it was typed.
    pub tail: Option<Tail>,
    /// The permit's code and times, if they may be told.
    pub permit: Option<(Code, Interval)>,
    /// When to ask again.
    pub again: Option<Timestamp>,
}

/// Writes the reply over `out`.
pub fn write(answer: &Answer, world: &World, moment: &Moment<'_>, out: &mut String) {
    let Some(key) =
        reply::key(answer.reason.map_or(icaze_store::Outcome::Granted, Reason::outcome), answer.reason)
    else {
        return out.clear();
    };
    let regime = moment.rules().ok().map(|rules| rules.regime);
    let next = moment.rules().err().flatten().and_then(|next| world.regimes.at(next));
    let zone = regime.or(next).map_or(TimeZone::UTC, |regime| regime.zone.clone());
    let words = regime.and_then(|regime| world.words(regime, answer.language));
    let purpose = answer.request.map(|request| request.purpose);
    let of_purpose = words.zip(purpose).and_then(|(words, purpose)| words.purpose(purpose));
    let civil = |instant: Timestamp| zone.to_datetime(instant);
    let code = answer.permit.map(|(code, _)| code.letters());
    let values = Values {
        document: answer.request.map(|request| request.document),
        purpose,
        name: of_purpose.map_or("", |words| &words.name),
        codes: words.map_or("", |words| &words.codes),
        hours: of_purpose.map_or("", |words| &words.hours),
        period: answer.permit.map(|(_, interval)| (civil(interval.start), civil(interval.end))),
        code: code.as_ref().and_then(|code| std::str::from_utf8(code).ok()).unwrap_or_default(),
        again: answer.again.map(civil),
        hotline: &world.contacts.hotline,
        emergency: &world.contacts.emergency,
        example: &world.contacts.example,
    };
    reply::render(&world.texts, key, answer.language, answer.latin, &values, out);
}
