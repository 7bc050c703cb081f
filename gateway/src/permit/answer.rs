//! What the citizen reads: a decision, in words.

use icaze_config::regime::Regime;
use icaze_store::ledger::{Interval, Language};
use icaze_store::{Document, Outcome, Reason};
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
    /// The name of its text, where the reason has several.
    pub text: Option<&'static str>,
    /// The document that a question is about.
    pub about: Option<Document>,
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

/// Puts decisions into words. The permits of one minute and purpose mostly have the same times: they are put into words once.
#[derive(Default)]
pub struct Writer {
    /// By purpose.
    periods: [Period; 10],
}

/// A permit's times, in a regime's time zone, in words.
#[derive(Default)]
struct Period {
    of: Option<(u64, Interval)>,
    text: String,
}

impl Period {
    /// The times of `interval` in the time zone of `regime`.
    fn text(&mut self, interval: Interval, regime: &Regime) -> &str {
        let of = Some((regime.hash(), interval));
        if self.of != of {
            let civil = |instant| regime.zone.to_datetime(instant);
            self.text = reply::period(civil(interval.start), civil(interval.end));
            self.of = of;
        }
        &self.text
    }
}

impl Writer {
    /// Writes the reply over `out`.
    pub fn write(&mut self, answer: &Answer, world: &World, moment: &Moment<'_>, out: &mut String) {
        let outcome = answer.reason.map_or(Outcome::Granted, Reason::outcome);
        let Some(key) = answer.text.or_else(|| reply::key(outcome, answer.reason)) else {
            return out.clear();
        };
        let regime = moment.rules().ok().map(|rules| rules.regime);
        let next = moment.rules().err().flatten().and_then(|next| world.regimes.at(next));
        let words = regime.and_then(|regime| world.words(regime, answer.language));
        let purpose = answer.request.map(|request| request.purpose);
        let of_purpose = words.zip(purpose).and_then(|(words, purpose)| words.purpose(purpose));
        let zoned = regime.or(next);
        let period = purpose.and_then(|purpose| self.periods.get_mut(usize::from(purpose)));
        let period = period.zip(answer.permit).zip(zoned);
        let period = period.map(|((period, (_, interval)), regime)| period.text(interval, regime));
        let civil = |instant: Timestamp| match zoned {
            Some(regime) => regime.zone.to_datetime(instant),
            None => TimeZone::UTC.to_datetime(instant),
        };
        let code = answer.permit.map(|(code, _)| code.letters());
        let values = Values {
            document: answer.request.map(|request| request.document).or(answer.about),
            purpose,
            name: of_purpose.map_or("", |words| &words.name),
            codes: words.map_or("", |words| &words.codes),
            hours: of_purpose.map_or("", |words| &words.hours),
            period: period.unwrap_or_default(),
            code: code.as_ref().and_then(|code| std::str::from_utf8(code).ok()).unwrap_or_default(),
            again: answer.again.map(civil),
            hotline: &world.contacts.hotline,
            emergency: &world.contacts.emergency,
            example: &world.contacts.example,
        };
        reply::render(&world.texts, key, answer.language, answer.latin, &values, out);
    }
}
