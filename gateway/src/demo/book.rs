//! What was sent, and what has become of it: each message has its response, each text its one reply.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use icaze_store::Outcome;

use super::crowd::{Phone, Text};
use super::outcomes::Told;

/// A text and its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What was texted, and from where.
    pub text: Text,
    /// What was answered.
    pub reply: String,
    /// What the reply tells; `None` if it is none of the gateway's texts.
    pub told: Option<Told>,
    /// From the text to the reply, as the phone's operator sees it.
    pub latency: Duration,
}

/// A text on its way.
#[derive(Debug)]
struct Open {
    text: Text,
    sent_at: Instant,
    /// Messages without their response.
    unacked: usize,
    /// What the reply told, once it is there.
    replied: Option<Option<Told>>,
}

/// How the story of a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every message has its response, and the text its reply, which tells this.
    Answered(Option<Told>),
    /// A message was not accepted.
    Refused,
}

/// How often something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Texts sent.
    pub texts: u64,
    /// Messages that these took: long texts take several.
    pub messages: u64,
    /// Messages with the response `ESME_ROK`.
    pub acked: u64,
    /// Messages with another response, or none in time, or that could not be sent.
    pub refused: u64,
    /// Replies that answered a text.
    pub answered: u64,
    /// Replies to a phone that waited for none.
    pub extra: u64,
    /// Replies that are none of the gateway's texts.
    pub strange: u64,
    /// Texts that waited for a reply in vain.
    pub unanswered: u64,
}

/// The books of the demo.
#[derive(Debug)]
pub struct Book {
    open: HashMap<Phone, Open>,
    counts: Counts,
    told: BTreeMap<Told, u64>,
    latency: Histogram<u64>,
    /// When how many texts and answers there had been.
    past: VecDeque<(Instant, Counts)>,
}

impl Book {
    /// How long a text waits for its reply.
    pub const PATIENCE: Duration = Duration::from_secs(20);
    /// The time over which rates are taken.
    const RATE_OVER: Duration = Duration::from_secs(2);

    /// An empty book.
    ///
    /// # Errors
    /// If the histogram's bounds do not hold: a defect of the demo.
    pub fn new() -> anyhow::Result<Self> {
        let longest = u64::try_from(Self::PATIENCE.as_micros())?;
        Ok(Self {
            open: HashMap::new(),
            counts: Counts::default(),
            told: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, longest, 3)?,
            past: VecDeque::new(),
        })
    }

    /// A text leaves, in as many messages.
    pub fn sent(&mut self, text: Text, messages: usize, now: Instant) {
        self.counts.texts += 1;
        self.counts.messages += messages as u64;
        self.open.insert(text.phone, Open { text, sent_at: now, unacked: messages, replied: None });
    }

    /// A message of a phone has its response; the end of its text, if that is it.
    pub fn acked(&mut self, phone: Phone, ok: bool) -> Option<End> {
        let open = self.open.get_mut(&phone)?;
        if !ok {
            self.counts.refused += 1;
            self.open.remove(&phone);
            return Some(End::Refused);
        }
        self.counts.acked += 1;
        open.unacked = open.unacked.saturating_sub(1);
        self.close(phone)
    }

    /// A reply to a phone; the exchange that it completes.
    pub fn replied(
        &mut self,
        phone: Phone,
        reply: String,
        told: Option<Told>,
        now: Instant,
    ) -> Option<Exchange> {
        let Some(open) = self.open.get_mut(&phone).filter(|open| open.replied.is_none()) else {
            self.counts.extra += 1;
            return None;
        };
        let latency = now.saturating_duration_since(open.sent_at);
        self.counts.answered += 1;
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        match told {
            Some(told) => *self.told.entry(told).or_default() += 1,
            None => self.counts.strange += 1,
        }
        open.replied = Some(told);
        Some(Exchange { text: open.text.clone(), reply, told, latency })
    }

    /// Closes the text of a phone if nothing of it is missing.
    pub fn close(&mut self, phone: Phone) -> Option<End> {
        let told = self.open.get(&phone).filter(|open| open.unacked == 0)?.replied?;
        self.open.remove(&phone);
        Some(End::Answered(told))
    }

    /// Gives up texts that have waited too long, except of those phones where silence is right. Returns their phones.
    pub fn expire(&mut self, now: Instant, silence: impl Fn(Phone) -> bool) -> Vec<Phone> {
        let late = |open: &Open| now.saturating_duration_since(open.sent_at) >= Self::PATIENCE;
        let late: Vec<Phone> =
            self.open.iter().filter(|(_, open)| late(open)).map(|(phone, _)| *phone).collect();
        for phone in &late {
            let open = self.open.remove(phone);
            let answered = open.is_some_and(|open| open.replied.is_some() && open.unacked == 0);
            self.counts.unanswered += u64::from(!answered && !silence(*phone));
        }
        late
    }

    /// Texts without a response or a reply.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Whether this phone waits.
    #[must_use]
    pub fn waits(&self, phone: Phone) -> bool {
        self.open.contains_key(&phone)
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How often what was told.
    pub fn told(&self) -> impl Iterator<Item = (Told, u64)> {
        self.told.iter().map(|(told, count)| (*told, *count))
    }

    /// How often which class was told.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.told().filter(|(told, _)| told.outcome == outcome).map(|(_, count)| count).sum()
    }

    /// The latency below which this share of replies came, 0 to 1.
    #[must_use]
    pub fn latency(&self, share: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(share))
    }

    /// Texts and answers a second, lately. To be called a few times a second.
    pub fn rates(&mut self, now: Instant) -> (f64, f64) {
        self.past.push_back((now, self.counts));
        while self.past.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > Self::RATE_OVER) {
            self.past.pop_front();
        }
        let Some((at, then)) = self.past.front() else { return (0.0, 0.0) };
        let seconds = now.saturating_duration_since(*at).as_secs_f64().max(0.001);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        (rate(self.counts.texts, then.texts), rate(self.counts.answered, then.answered))
    }

    /// What is missing or too much; empty if every message has its response and every text its one reply.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let Counts { refused, extra, strange, unanswered, .. } = self.counts;
        let open = self.open.len() as u64;
        let faults = [
            (refused, "messages were not accepted"),
            (unanswered + open, "texts had no reply"),
            (extra, "replies came to phones that waited for none"),
            (strange, "replies are none of the gateway's texts"),
        ];
        faults.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(phone: Phone) -> Text {
        Text { phone, operator: 0, body: "2 AZE20000017".to_owned() }
    }

    const GRANTED: Option<Told> = Some(Told { outcome: Outcome::Granted, reason: None });

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_text_is_done_when_every_part_is_acked_and_the_reply_is_there() {
        let (mut book, start) = (Book::new().unwrap(), Instant::now());
        book.sent(text(1), 2, start);
        assert_eq!(book.acked(1, true), None);
        let exchange = book.replied(1, "yes".to_owned(), GRANTED, at(start, 3)).unwrap();
        assert_eq!(exchange.latency, Duration::from_millis(3));
        assert_eq!(book.close(1), None, "the reply came on another session, before the last response");
        assert_eq!(book.acked(1, true), Some(End::Answered(GRANTED)));
        assert!(!book.waits(1));
        assert_eq!(book.faults(), Vec::<String>::new());
        assert_eq!((book.counts().messages, book.counts().acked, book.counts().answered), (2, 2, 1));
        assert_eq!(book.outcome(Outcome::Granted), 1);
        assert!(book.latency(1.0).abs_diff(Duration::from_millis(3)) < Duration::from_micros(10));
    }

    #[test]
    fn a_second_reply_is_one_too_many() {
        let (mut book, start) = (Book::new().unwrap(), Instant::now());
        book.sent(text(1), 2, start);
        assert!(book.replied(1, "yes".to_owned(), GRANTED, start).is_some());
        assert!(book.replied(1, "yes".to_owned(), GRANTED, start).is_none());
        assert_eq!([book.acked(1, true), book.acked(1, true)], [None, Some(End::Answered(GRANTED))]);
        assert!(book.replied(1, "yes".to_owned(), GRANTED, start).is_none());
        assert_eq!(book.faults(), ["2 replies came to phones that waited for none"]);
    }

    #[test]
    fn silence_is_a_fault_except_where_it_is_right() {
        let (mut book, start) = (Book::new().unwrap(), Instant::now());
        for phone in 1..=3 {
            book.sent(text(phone), 1, start);
            book.acked(phone, true);
        }
        assert_eq!(book.faults(), ["3 texts had no reply"], "even before its time is over");
        book.replied(3, "?".to_owned(), None, start);
        book.close(3);
        let mut late = book.expire(start + Book::PATIENCE, |phone| phone == 1);
        late.sort_unstable();
        assert_eq!(late, [1, 2]);
        assert_eq!(book.faults(), ["1 texts had no reply", "1 replies are none of the gateway's texts"]);
    }

    #[test]
    fn a_refusal_is_a_fault_and_ends_the_story() {
        let (mut book, start) = (Book::new().unwrap(), Instant::now());
        book.sent(text(1), 3, start);
        assert_eq!(book.acked(1, false), Some(End::Refused));
        assert_eq!(book.acked(1, false), None, "the other parts' refusals find nothing more");
        assert_eq!(book.faults(), ["1 messages were not accepted"]);
    }

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let (mut book, start) = (Book::new().unwrap(), Instant::now());
        book.rates(start);
        for phone in 0..100 {
            book.sent(text(phone), 1, start);
        }
        assert_eq!(book.rates(at(start, 1000)), (100.0, 0.0));
        assert_eq!(book.rates(at(start, 2500)), (0.0, 0.0), "none since the first second");
    }
}
