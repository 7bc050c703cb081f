//! Replies of gateways that are gone, which this one sends, and its own that others have claimed.
//!
//! A reply has one holder at a time. Own replies leave while it is certain that nobody has claimed them, or while nobody can be
//! asked. Adopted ones have entries that no ledger has: what becomes of them is told to where they were claimed.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Instant;

use icaze_cluster::{Fate, Whereabouts};
use icaze_store::ledger::Mark;

use super::Pipeline;
use super::outbox::{ADOPTED, Envelope, Settled, Verdict};

/// A reply that another gateway decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// That gateway's number.
    pub node: u8,
    /// Which operator it is for, here.
    pub operator: u16,
    /// The decision's entry there.
    pub seq: u64,
}

/// Who holds which replies.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// No reply leaves from this moment on; `None`: there is no other gateway.
    until: Option<Instant>,
    /// By the entry that a reply has here, while it has not ended.
    adopted: HashMap<u64, Origin>,
    next: u64,
    /// What became of them, until it is told.
    ended: HashMap<Origin, Fate>,
    /// Of all of these.
    origins: HashSet<Origin>,
    /// Own ones that another gateway holds.
    elsewhere: HashSet<u64>,
}

impl Handover {
    pub(super) fn may_send(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Pipeline {
    /// Replies may leave until this moment.
    pub fn may_send_until(&mut self, until: Instant) {
        self.handover.until = Some(until);
    }

    /// Visits the replies of these entries that have not ended.
    pub fn unsent(&self, entries: Range<u64>, mut visit: impl FnMut(u16, u64, &Envelope<'_>)) {
        for seq in entries {
            if let Some((operator, envelope)) = self.outbox.unsent(seq) {
                visit(operator, seq, &envelope);
            }
        }
    }

    /// Sends a reply that was claimed; whether it is new here.
    pub fn adopt_reply(&mut self, origin: Origin, envelope: &Envelope<'_>) -> bool {
        if !self.handover.origins.insert(origin) {
            return false;
        }
        let id = ADOPTED | self.handover.next;
        self.handover.next += 1;
        self.handover.adopted.insert(id, origin);
        self.outbox.adopt(id, origin.operator, envelope);
        true
    }

    /// It is not certain any more that adopted replies are this gateway's: none of them leaves.
    pub fn withdraw_adopted(&mut self) {
        for (id, origin) in self.handover.adopted.drain() {
            self.outbox.withdraw(id);
            self.handover.origins.remove(&origin);
        }
    }

    /// How many adopted replies have not ended.
    #[must_use]
    pub fn adopted(&self) -> usize {
        self.handover.adopted.len()
    }

    /// What became of adopted replies, as far as it is not told.
    #[must_use]
    pub fn ended_adopted(&self) -> Vec<(Origin, Fate)> {
        self.handover.ended.iter().map(|(origin, fate)| (*origin, *fate)).collect()
    }

    /// It is told what became of this one.
    pub fn told_of_adopted(&mut self, origin: &Origin) {
        self.handover.ended.remove(origin);
        self.handover.origins.remove(origin);
    }

    /// Leaves adopted replies of these operators to other gateways.
    pub fn give_back_adopted(&mut self, of: impl Fn(u16) -> bool) {
        let Handover { adopted, ended, .. } = &mut self.handover;
        for (id, origin) in adopted.extract_if(|_, origin| of(origin.operator)) {
            self.outbox.withdraw(id);
            ended.insert(origin, Fate::GivenBack);
        }
    }

    /// Where this gateway's replies are now, by operator and entry. What others neither hold nor are through with is its own
    /// again; what has ended need not be kept.
    pub fn learn_whereabouts(&mut self, found: Vec<(u16, u64, Whereabouts)>) {
        let away = found.iter().filter(|(.., whereabouts)| *whereabouts != Whereabouts::Kept);
        let away: HashSet<u64> = away.map(|(_, seq, _)| *seq).collect();
        let back = self.handover.elsewhere.iter().copied().filter(|seq| !away.contains(seq));
        let back: Vec<u64> = back.collect();
        back.into_iter().for_each(|seq| self.is_back(seq));
        for (operator, seq, whereabouts) in found {
            if self.outbox.unsent(seq).is_none() {
                // Whoever claimed it says so first.
                if !matches!(whereabouts, Whereabouts::Claimed(_)) {
                    self.share_reply_end(operator, seq);
                }
                continue;
            }
            if away.contains(&seq) && self.outbox.withhold(seq) {
                self.handover.elsewhere.insert(seq);
            }
            let verdict = match whereabouts {
                // In flight here, or on its way to the ledger.
                _ if !self.handover.elsewhere.contains(&seq) => continue,
                Whereabouts::Kept | Whereabouts::Claimed(_) => continue,
                Whereabouts::Ended(Fate::Sent) => Verdict::Taken,
                Whereabouts::Ended(Fate::Refused) => Verdict::Refused,
                Whereabouts::Ended(Fate::Expired | Fate::GivenBack) => {
                    self.is_back(seq);
                    continue;
                }
            };
            self.handover.elsewhere.remove(&seq);
            let settled = self.outbox.answered(seq, verdict, self.started);
            self.settled(settled);
        }
    }

    fn is_back(&mut self, seq: u64) {
        self.handover.elsewhere.remove(&seq);
        self.outbox.back(seq);
    }

    /// How many own replies others hold.
    #[must_use]
    pub fn elsewhere(&self) -> usize {
        self.handover.elsewhere.len()
    }

    /// A reply's story has ended: the ledger is to say so, or whoever lent it.
    pub(super) fn settled(&mut self, settled: Option<Settled>) {
        let Some(settled) = settled else { return };
        match self.handover.adopted.remove(&settled.seq) {
            Some(origin) => {
                let fate = match settled.mark {
                    Mark::Sent | Mark::Delivered => Fate::Sent,
                    Mark::Rejected | Mark::Undelivered => Fate::Refused,
                    // It was sent as often as it may be: nobody else is to send it.
                    Mark::Expired | Mark::Unconfirmed => Fate::Expired,
                };
                self.handover.ended.insert(origin, fate);
            }
            None => self.marks.push(settled),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use icaze_config::gateway::Settings;
    use icaze_store::ledger::{Address, FaultyStorage, Ledger, MasterKey, Options};
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::clock::Now;
    use crate::permit::code::CodeKey;
    use crate::permit::read::PurposeNames;
    use crate::pipeline::codes::Codes;
    use crate::pipeline::shared::{News, Shared};
    use crate::pipeline::{self, Operator};

    const ORIGIN: Origin = Origin { node: 3, operator: 0, seq: 17 };

    /// A pipeline with one operator that takes replies.
    fn pipeline(now: Now) -> Pipeline {
        let (config, key) = (Settings::shipped().validate().unwrap(), MasterKey::random().unwrap());
        let codes = Codes::new(CodeKey::new(key.derive("code")), 0);
        let settings = pipeline::Settings::of(&config, &PurposeNames::default());
        let mut pipeline = Pipeline::new(settings, Operator::of(&config), codes, now).unwrap();
        let opened = Ledger::open(FaultyStorage::new(1), &key, 0, Options::default(), |_| {});
        pipeline.start(opened.unwrap().1, now);
        pipeline.receiver(0, true);
        pipeline
    }

    fn adopt(pipeline: &mut Pipeline, origin: Origin, expires_at: Timestamp) -> bool {
        let address = Address { ton: 1, npi: 1, digits: b"994501234567" };
        pipeline.adopt_reply(
            origin,
            &Envelope { source: address, destination: address, text: "reply", expires_at },
        )
    }

    /// The entries of what may leave.
    fn sent(pipeline: &mut Pipeline, now: Now) -> Vec<u64> {
        std::iter::from_fn(|| pipeline.take_reply(0, 1, now).map(|(id, ..)| id)).collect()
    }

    #[test]
    fn an_adopted_reply_leaves_once_and_its_end_is_told_to_where_it_came_from_and_to_no_ledger() {
        let now = Now::read();
        let mut pipeline = pipeline(now);
        let later = now.wall + SignedDuration::from_secs(60);
        assert!(adopt(&mut pipeline, ORIGIN, later) && !adopt(&mut pipeline, ORIGIN, later), "one of a kind");
        let noted = pipeline.position();
        let (id, after, envelope) = pipeline.take_reply(0, 1, now).unwrap();
        assert_eq!((envelope.text, after), ("reply", noted), "after the bind's own entry");
        pipeline.answered(id, Verdict::Taken, now);
        assert_eq!(pipeline.ended_adopted(), [(ORIGIN, Fate::Sent)]);
        assert!(!adopt(&mut pipeline, ORIGIN, later), "while that is not told it is no new one");
        let before = pipeline.position();
        assert_eq!(pipeline.receipt(id, Mark::Delivered, now), Ok(0), "its receipt is acknowledged");
        pipeline.take_batch(&mut pipeline.spare_batch());
        assert_eq!(pipeline.position(), before, "no mark");
        pipeline.told_of_adopted(&ORIGIN);
        assert_eq!((pipeline.ended_adopted(), pipeline.adopted()), (Vec::new(), 0));
        assert!(adopt(&mut pipeline, ORIGIN, later));
    }

    #[test]
    fn refusals_expiries_and_what_is_given_back_or_withdrawn_are_told_as_such() {
        let now = Now::read();
        let mut pipeline = pipeline(now);
        let origins = [0, 1, 2, 3].map(|seq| Origin { seq, ..ORIGIN });
        for origin in origins {
            adopt(&mut pipeline, origin, now.wall + SignedDuration::from_secs(601 + origin.seq as i64));
        }
        let refused = pipeline.take_reply(0, 1, now).map(|(id, ..)| id).unwrap();
        pipeline.answered(refused, Verdict::Refused, now);
        let later = Duration::from_secs(602);
        let then = Now { wall: now.wall + later, monotonic: now.monotonic + later };
        let ids = sent(&mut pipeline, then);
        assert_eq!(ids.len(), 2, "one has expired");
        pipeline.give_back_adopted(|operator| operator == 1);
        pipeline.give_back_adopted(|_| true);
        let mut told = pipeline.ended_adopted();
        told.sort_unstable_by_key(|(origin, _)| origin.seq);
        let fates = [Fate::Refused, Fate::Expired, Fate::GivenBack, Fate::GivenBack];
        assert_eq!(told, origins.into_iter().zip(fates).collect::<Vec<_>>());
        pipeline.answered(ids[0], Verdict::Taken, then);
        assert_eq!(pipeline.ended_adopted().len(), 4, "a late answer changes nothing");

        let mine = Origin { seq: 9, ..ORIGIN };
        adopt(&mut pipeline, mine, then.wall + SignedDuration::from_secs(9));
        pipeline.withdraw_adopted();
        assert_eq!((sent(&mut pipeline, then), pipeline.ended_adopted().len()), (Vec::new(), 4));
        assert!(
            adopt(&mut pipeline, mine, then.wall + SignedDuration::from_secs(9)),
            "it may be claimed anew"
        );
    }

    #[test]
    fn what_the_ledger_knows_to_have_ended_is_not_kept_and_what_another_one_holds_is_left_to_it() {
        let now = Now::read();
        let mut pipeline = pipeline(now);
        pipeline.share(Shared::new([1; 16]));
        let at = [Whereabouts::Kept, Whereabouts::Ended(Fate::Sent), Whereabouts::Claimed(2)];
        pipeline.learn_whereabouts((5..).zip(at).map(|(seq, at)| (0, seq, at)).collect());
        let (mut batch, mut news) = (pipeline.spare_batch(), News::default());
        pipeline.take_batch(&mut batch);
        pipeline.take_news(&batch, &mut news);
        assert_eq!(news.ended, [(0, 5), (0, 6)]);
    }

    #[test]
    fn nothing_leaves_from_the_moment_on_at_which_others_may_have_claimed_it() {
        let now = Now::read();
        let mut pipeline = pipeline(now);
        pipeline.may_send_until(now.monotonic + Duration::from_secs(1));
        adopt(&mut pipeline, ORIGIN, now.wall + SignedDuration::from_secs(60));
        let then = Now { monotonic: now.monotonic + Duration::from_secs(1), ..now };
        assert!(sent(&mut pipeline, then).is_empty());
        pipeline.may_send_until(now.monotonic + Duration::from_secs(2));
        assert_eq!(sent(&mut pipeline, then).len(), 1);
    }
}
