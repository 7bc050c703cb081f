//! What operators say of our replies: responses in time and late, silence, and receipts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use icaze_codec::pdu::{self, Status};
use icaze_codec::session::{RequestId, Role};
use icaze_store::Msisdn;
use icaze_store::ledger::Mark;

use super::{Batch, Bound, Link};
use crate::clock::Now;
use crate::pipeline::Pipeline;
use crate::pipeline::outbox::Verdict;
use crate::smpp::port::Port;
use crate::smpp::receipt::{Fate, Receipt};

/// What a peer said of replies, until the pipeline hears it.
#[derive(Default)]
pub(super) struct Replied {
    pub(super) said: Vec<(u64, Said)>,
    /// What became of replies, and the receipts that say so.
    fates: Vec<(u64, Fate, Option<RequestId>)>,
}

/// What was heard of a reply that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    /// Its response.
    InTime(Verdict),
    /// Its response, after its time.
    Late(Verdict),
    /// Nothing in time.
    Nothing,
    /// Nothing, and the session has ended.
    Lost,
}

/// The response to a reply.
pub(super) struct Response<'a> {
    pub(super) seq: u64,
    pub(super) status: Status,
    pub(super) message_id: &'a [u8],
    /// Whom the reply went to.
    pub(super) phone: Option<Msisdn>,
    /// The bind's number.
    pub(super) bind: u32,
}

impl Replied {
    /// Takes a response, which is `said` in time or late.
    pub(super) fn response(
        &mut self,
        Response { seq, status, message_id, phone, bind }: Response<'_>,
        said: fn(Verdict) -> Said,
        bound: &Bound,
        port: &Port,
    ) {
        let Some(operator) = port.operator(bound.operator) else { return };
        let verdict = verdict(status, &operator.retry_on, bind);
        self.said.push((seq, said(verdict)));
        let id = std::str::from_utf8(message_id).ok().filter(|id| !id.is_empty());
        if let Some(id) = id.filter(|_| bound.awaits_receipts() && status.is_ok())
            && let Some(mut awaited) = port.awaited(bound.operator)
            && let Some(fate) = awaited.taken(id, seq, phone, operator.receipt_ids)
        {
            self.fates.push((seq, fate, None));
        }
    }
}

impl Bound {
    /// Whether we ask for receipts of our replies.
    pub(super) fn awaits_receipts(&self) -> bool {
        self.role == Role::Esme && self.terms.registered_delivery != 0
    }
}

impl Batch {
    /// A receipt of a reply that awaits it ends its story; any other is of no use to anybody, and put aside.
    /// Whether it is one: what is not told for one and is of no reply is a text.
    pub(super) fn receipt(
        &mut self,
        request: RequestId,
        receipt: Receipt,
        bound: &Bound,
        port: &Port,
    ) -> bool {
        let (fate, told) = (receipt.fate, receipt.told);
        let ids = port.operator(bound.operator).map(|operator| operator.receipt_ids);
        let reply = ids.and_then(|ids| port.awaited(bound.operator)?.receipt(receipt, ids));
        let Some(seq) = reply else {
            if told {
                self.put_aside(request, bound, port);
            }
            return told;
        };
        if let Some(tallies) = port.tallies(bound.operator) {
            tallies.receipt(Some(fate));
        }
        self.replied.fates.push((seq, fate, Some(request)));
        true
    }

    /// Acknowledges a receipt that is of no reply.
    pub(super) fn put_aside(&mut self, request: RequestId, bound: &Bound, port: &Port) {
        if let Some(tallies) = port.tallies(bound.operator) {
            tallies.receipt(None);
        }
        self.answers.push((request, Status::ESME_ROK));
    }
}

impl Link {
    /// Tells the pipeline what the peer said of replies.
    pub(super) fn tell(&mut self, pipeline: &mut Pipeline, now: Now) {
        for (seq, said) in self.batch.replied.said.drain(..) {
            match said {
                Said::InTime(verdict) => {
                    self.disowned.hear(verdict, pipeline.outbox().failures(seq), now.monotonic);
                    pipeline.answered(seq, verdict, now);
                }
                Said::Late(verdict) => pipeline.late(seq, verdict, now),
                Said::Nothing => pipeline.overdue(seq, self.number, now),
                Said::Lost => pipeline.unanswered(seq, now),
            }
        }
        if self.disowned.twice {
            self.leave();
        }
    }

    /// Notes what became of replies, and encodes the responses to the receipts that said so. Returns the last entry that one of
    /// them waits for.
    pub(super) fn settle(&mut self, bound: Bound, pipeline: &mut Pipeline, now: Now) -> u64 {
        let mut last = 0;
        for (seq, fate, receipt) in self.batch.replied.fates.drain(..) {
            let noted = match fate {
                Fate::Delivered => pipeline.receipt(seq, Mark::Delivered, now),
                Fate::Failed => pipeline.receipt(seq, Mark::Rejected, now),
                Fate::Underway => Ok(0),
            };
            last = last.max(noted.unwrap_or(0));
            let status = if noted.is_ok() { Status::ESME_ROK } else { bound.terms.retry_status };
            if let Some(receipt) = receipt {
                self.session.respond(receipt, status, &[]);
            }
        }
        last
    }
}

/// Whom the replies of a link went to whose responses are awaited, also late: receipts have to come from there.
#[derive(Default)]
pub(super) struct Addressees(HashMap<u64, Msisdn>);

/// Windows of replies whose phones are kept: the one in flight, and those whose late responses the session knows.
const WINDOWS: usize = 5;

impl Addressees {
    /// Reply `seq` goes to an address.
    pub(super) fn keep(&mut self, seq: u64, to: &pdu::Address<'_>, bound: &Bound) {
        let numbering = bound.terms.numbering;
        let phone = Msisdn::parse(to.digits, numbering.country, numbering.national);
        if let Some(phone) = phone.filter(|_| self.0.len() < bound.terms.window_out.saturating_mul(WINDOWS)) {
            self.0.insert(seq, phone);
        }
    }

    /// Whom reply `seq` went to.
    pub(super) fn take(&mut self, seq: u64) -> Option<Msisdn> {
        self.0.remove(&seq)
    }
}

/// How a peer speaks of its bind: one that twice within a minute says that it is none, and takes no
/// reply between, has to be made anew.
#[derive(Default)]
pub(super) struct Disowned {
    last: Option<Instant>,
    pub(super) twice: bool,
}

/// Within this, two denials are of one bind that is broken.
const DENIALS: Duration = Duration::from_secs(60);
/// So many failures of one reply may be its bind's; further ones are its own, so that no reply ends
/// one bind after the other.
const OF_BIND: u8 = 2;

impl Disowned {
    /// The peer said this of a reply that has failed so often before.
    pub(super) fn hear(&mut self, verdict: Verdict, failures: u8, now: Instant) {
        match verdict {
            Verdict::Taken => self.last = None,
            Verdict::Unbound(_) if failures < OF_BIND => {
                let before = self.last.replace(now);
                self.twice |= before.is_some_and(|before| now.saturating_duration_since(before) <= DENIALS);
            }
            _ => {}
        }
    }
}

/// What a status says of the reply that it answers; `retry_on`: those that are worth another try later.
fn verdict(status: Status, retry_on: &[u32], bind: u32) -> Verdict {
    match status {
        Status::ESME_ROK => Verdict::Taken,
        _ if retry_on.contains(&status.0) => Verdict::Throttled,
        Status::ESME_RSUBMITFAIL => Verdict::Failed,
        Status::ESME_RINVBNDSTS => Verdict::Unbound(bind),
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use icaze_config::gateway::Settings;

    use super::*;

    #[test]
    fn statuses_that_speak_of_a_moment_are_tried_again_and_the_list_is_the_operators() {
        let shipped = Settings::shipped().validate().unwrap();
        let retry_on = &shipped.operators["demo"].retry_on;
        for status in (0..=0x4FF).map(Status) {
            let again = verdict(status, retry_on, 7) == Verdict::Throttled;
            assert_eq!(again, status.is_retryable(), "{status:?}");
        }
        for (status, expected) in [
            (Status::ESME_ROK, Verdict::Taken),
            (Status::ESME_RSUBMITFAIL, Verdict::Failed),
            (Status::ESME_RINVBNDSTS, Verdict::Unbound(7)),
            (Status::ESME_RX_P_APPN, Verdict::Refused),
            (Status::ESME_RX_R_APPN, Verdict::Refused),
            (Status(0x400), Verdict::Refused),
        ] {
            assert_eq!(verdict(status, retry_on, 7), expected, "{status:?}");
        }
        let listed = [0x45, 0x65, 0x400];
        assert!(listed.iter().all(|&status| verdict(Status(status), &listed, 7) == Verdict::Throttled));
        assert_eq!(verdict(Status::ESME_RTHROTTLED, &listed, 7), Verdict::Refused);
    }

    #[test]
    fn two_denials_within_a_minute_are_one_broken_bind() {
        let (now, mut disowned) = (Now::read().monotonic, Disowned::default());
        for (seconds, twice) in [(0, false), (61, false), (200, false), (260, true)] {
            disowned.hear(Verdict::Unbound(1), 0, now + Duration::from_secs(seconds));
            disowned.hear(Verdict::Throttled, 0, now + Duration::from_secs(seconds));
            assert_eq!(disowned.twice, twice, "{seconds}");
        }
    }

    #[test]
    fn a_bind_that_takes_replies_is_whole_and_one_reply_ends_no_second_bind() {
        let (now, mut disowned) = (Now::read().monotonic, Disowned::default());
        for _ in 0..3 {
            disowned.hear(Verdict::Unbound(1), 0, now);
            disowned.hear(Verdict::Taken, 0, now);
        }
        assert!(!disowned.twice, "it takes replies");
        (2..5).for_each(|failures| disowned.hear(Verdict::Unbound(1), failures, now));
        assert!(!disowned.twice, "a reply that failed by other binds");
        (0..2).for_each(|failures| disowned.hear(Verdict::Unbound(1), failures, now));
        assert!(disowned.twice);
    }
}
