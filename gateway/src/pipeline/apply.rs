//! What an entry of the ledger changes in memory: the same at a start, from the disk, as in the run that wrote it.

use icaze_store::ledger::{Address, Decision, Entry, Mark, Part, Record};
use icaze_store::{Msisdn, Outcome, Reason};
use jiff::Timestamp;

use super::outbox::{Envelope, Issued};
use super::parts::{MessageKey, Piece};
use super::permits::{Ending, Holder, Number, Permit};
use super::{Operator, Pipeline, Revocation};
use crate::permit::code::Code;
use crate::permit::read::read;

impl Pipeline {
    /// Remembers an entry that an earlier run wrote.
    pub fn replay(&mut self, record: &Record<'_>) {
        self.pass_landmark(record.seq);
        self.time = self.time.max(record.decided_at);
        self.adopt(&record.entry);
        self.apply(record.seq, record.decided_at, &record.entry);
        if let Entry::Decision(Decision { operator, reply: Some(_), .. }) = record.entry {
            let operator = self.id(operator);
            if self.operators.get(usize::from(operator)).is_some_and(|operator| operator.receivers > 0) {
                self.outbox.touch(record.seq);
            }
        }
        self.forget();
    }

    /// Takes an entry's effect.
    pub(super) fn apply(&mut self, seq: u64, at: Timestamp, entry: &Entry<'_>) {
        match entry {
            Entry::Decision(decision) => self.apply_decision(seq, at, decision),
            Entry::Part(part) => self.apply_part(seq, at, part),
            Entry::Mark(mark, seqs) => self.apply_marks(seq, *mark, seqs, at),
            Entry::Revocation(decision) => self.apply_revocation(seq, *decision, at),
            Entry::Receiver(operator, open) => {
                let operator = self.id(operator);
                if let Some(entry) = self.operators.get_mut(usize::from(operator)) {
                    entry.receivers = usize::from(*open);
                }
                if *open {
                    self.outbox.touch_before(operator, seq);
                }
            }
            Entry::Start | Entry::Stop => {
                self.operators.iter_mut().for_each(|operator| operator.receivers = 0);
            }
        }
    }

    fn apply_decision(&mut self, seq: u64, at: Timestamp, decision: &Decision<'_>) {
        let operator = self.id(decision.operator);
        let phone = self.phone(&decision.from);
        for &part in &*decision.parts {
            // What was decided under no identity is help for parts that did not all come.
            if decision.identity == 0 {
                self.parts.helped(part, seq);
            } else {
                self.parts.forget(part, at);
            }
        }
        if let Some(phone) = phone.filter(|_| decision.document.is_some()) {
            self.parts.asked(phone);
        }
        if decision.identity != 0 {
            let fresh_until = decision.again.unwrap_or(Timestamp::MAX);
            self.remember(decision.identity, seq, at, fresh_until);
        }
        if let Some(phone) = phone.filter(|_| decision.outcome != Outcome::Ignored) {
            self.limits.count(phone, seq, at);
            self.apply_guess(phone, seq, at, decision);
        }
        if let Some(phone) = phone {
            let names = &self.settings.names;
            self.questions.apply(phone, seq, at, decision, |text| read(text, names));
        }
        let issued = match decision {
            Decision { outcome: Outcome::Granted, person: Some(person), purpose: Some(purpose), .. } => {
                Some((*person, *purpose))
            }
            _ => None,
        };
        let issued = issued.and_then(|holder| self.issue(holder, seq, at, decision, phone));
        if matches!(decision.reason, Some(Reason::Standing | Reason::Forwarded))
            && let Some(first) = decision.refers_to
        {
            self.outbox.keep_permit(first);
        }
        if let Some(reply) = &decision.reply {
            let envelope = Envelope {
                source: decision.to,
                destination: decision.from,
                text: reply.text,
                expires_at: reply.expires_at,
            };
            self.outbox.insert(seq, operator, &envelope, issued);
        }
    }

    fn issue(
        &mut self,
        holder @ (person, purpose): Holder,
        seq: u64,
        at: Timestamp,
        decision: &Decision<'_>,
        phone: Option<Msisdn>,
    ) -> Option<Issued> {
        let (permit, document, phone) = (decision.permit.as_ref()?, decision.document?, phone?);
        let &interval = permit.intervals.first()?;
        let (code, day) = (permit.code, permit.day);
        if seq <= self.counted {
            let kept = self.permits.of_entry_from(seq, self.restored);
            self.restored = kept.map_or(self.restored, |number| number + 1);
            // One that was forgotten still has an allowance to give back.
            return Some(Issued { number: kept.unwrap_or(Number::MAX), holder, day });
        }
        if let Some(code) = Code::from_u64(code) {
            self.codes.used(code);
        }
        let before = self.usage.spend(person, purpose, day.into(), self.permits.end());
        let (ended, delivery, decided_at) = (None, None, at);
        let permit =
            Permit { seq, code, person, purpose, interval, ended, delivery, phone, document, decided_at };
        let number = self.permits.insert(&permit, before);
        Some(Issued { number, holder, day })
    }

    fn apply_part(&mut self, seq: u64, at: Timestamp, part: &Part<'_>) {
        let phone = self.phone(&part.from);
        let known = phone.and_then(|phone| self.found_before(phone, part.identity)).is_some();
        self.remember(part.identity, seq, at, Timestamp::MAX);
        let Some(phone) = phone else { return };
        let (reference, total) = (part.reference, part.total);
        let key = MessageKey { operator: self.id(part.operator), phone, reference, total };
        let repeated = known && !self.parts.lacks(&key, part.number);
        let piece = Piece { seq, text: part.text.into(), repeated };
        self.parts.insert(key, part.number, piece, [part.from, part.to], at);
    }

    fn remember(&mut self, identity: u128, seq: u64, at: Timestamp, fresh_until: Timestamp) {
        if let Some(first) = self.requests.insert(identity, seq, at, fresh_until) {
            self.outbox.forget_before(first);
        }
    }

    /// What became of replies, as entry `entry` of the ledger says at `at`. An undelivered permit ends, and its allowance returns.
    pub(super) fn apply_marks(&mut self, entry: u64, mark: Mark, seqs: &[u64], at: Timestamp) {
        for &seq in seqs {
            let reply = self.outbox.apply(seq, mark);
            if let Some((operator, _)) = reply {
                self.stats.replied(operator, mark);
                self.share_reply_end(operator, seq);
            }
            let issued = reply.and_then(|(_, issued)| issued);
            // A receipt may come when its reply is forgotten.
            let number = issued.map(|issued| issued.number).or_else(|| match mark {
                Mark::Delivered => self.permits.of_entry(seq),
                _ => None,
            });
            if let Some(number) = number {
                self.permits.delivery(number, mark);
            }
            if let Some(Issued { number, holder, day }) = issued.filter(|_| mark == Mark::Undelivered) {
                self.permits.end_early(number, at, Ending::Undelivered);
                if entry > self.counted {
                    self.usage.give_back(holder.0, holder.1, day.into());
                }
                if let Some(permit) = self.permits.get(number) {
                    self.share_return(entry, &permit, day);
                }
            }
        }
    }

    /// Entry `seq` ends the permit of an earlier decision. Its allowance stays spent.
    fn apply_revocation(&mut self, seq: u64, decision: u64, at: Timestamp) {
        let number = self.permits.of_entry(decision);
        if let Some((number, permit)) = number.and_then(|number| Some((number, self.permits.get(number)?))) {
            self.permits.end_early(number, at, Ending::Revoked);
            self.revocations.push(Revocation { seq, at, phone: permit.phone });
            if let Some(permit) = self.permits.get(number) {
                self.share_end(seq, &permit);
            }
        }
    }

    /// The subscriber behind an address.
    pub(super) fn phone(&self, address: &Address<'_>) -> Option<Msisdn> {
        Msisdn::parse(address.digits, self.settings.numbering.country, self.settings.numbering.national)
    }

    /// An operator's id. One that the configuration no longer has gets the next: nothing can be sent to it, so that
    /// its replies expire.
    fn id(&self, name: &str) -> u16 {
        let index = self.operators.iter().position(|operator| &*operator.name == name);
        index.and_then(|index| u16::try_from(index).ok()).unwrap_or(u16::MAX)
    }

    /// Makes room for an operator that the configuration no longer has.
    fn adopt(&mut self, entry: &Entry<'_>) {
        let name = match entry {
            Entry::Decision(decision) => decision.operator,
            Entry::Part(part) => part.operator,
            _ => return,
        };
        if self.id(name) == u16::MAX {
            self.operators.push(Operator {
                name: name.into(),
                rate_in: 0,
                rate_out: 0,
                copies_max: 0,
                latin: false,
                receivers: 0,
                receiver_entry: None,
            });
            self.outbox.add_operator(self.started);
        }
    }
}
