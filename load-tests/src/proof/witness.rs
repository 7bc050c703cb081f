//! What the operator knows: which messages it handed over, what the gateways said of them, and which replies came.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use super::script::Mo;

/// A message on its way.
#[derive(Debug)]
struct Handed {
    mo: Mo,
    /// The bind that it went out on last.
    bind: usize,
    at: Instant,
    /// When a gateway first said that it has it.
    acked_at: Option<Instant>,
    /// Whether it is on a bind now, without its response.
    open: bool,
}

/// The operator's books. A token is a message's place in them.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    handed: Vec<Handed>,
    /// Messages to deliver once more, in order.
    again: VecDeque<u64>,
    /// Gateway and message_id to phone, as it gave them out.
    acks: BTreeMap<(u8, String), u64>,
    /// Replies by phone and text, and how often each came.
    replies: HashMap<(u64, String), u64>,
    /// When each phone's first reply came.
    heard: HashMap<u64, Instant>,
    seen: u64,
    /// What cannot be, in words.
    pub(crate) impossible: Vec<String>,
    /// Responses that asked to come again later.
    pub(crate) throttled: u64,
    /// How often messages went out, each of them counted as often as it did.
    pub(crate) deliveries: u64,
}

/// How a message fared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    /// When it was handed over first.
    pub(crate) at: Instant,
    /// When a gateway first said that it has it.
    pub(crate) acked_at: Option<Instant>,
    /// When its phone first heard of anything, if it is the phone's first message.
    pub(crate) heard_at: Option<Instant>,
}

impl Witness {
    /// Takes a new message into the books, as if it had been on `bind` before.
    pub(crate) fn hand(&mut self, mo: Mo, bind: usize, at: Instant) -> u64 {
        self.handed.push(Handed { mo, bind, at, acked_at: None, open: false });
        self.handed.len() as u64 - 1
    }

    fn handed(&mut self, token: u64) -> Option<&mut Handed> {
        self.handed.get_mut(usize::try_from(token).ok()?)
    }

    /// Message `token` has found no bind with room.
    pub(crate) fn keep(&mut self, token: u64) {
        self.again.push_back(token);
    }

    /// Message `token` goes out on a bind: what to send.
    pub(crate) fn send(&mut self, token: u64, bind: usize) -> Option<&Mo> {
        self.deliveries += 1;
        let handed = self.handed(token)?;
        handed.bind = bind;
        handed.open = true;
        Some(&handed.mo)
    }

    /// Message `token`, and the bind that it went out on last.
    pub(crate) fn last(&self, token: u64) -> Option<(&Mo, usize)> {
        let handed = self.handed.get(usize::try_from(token).ok()?)?;
        Some((&handed.mo, handed.bind))
    }

    /// A gateway has message `token`, and calls it `message_id`.
    pub(crate) fn acked(&mut self, token: u64, gateway: u8, message_id: &[u8], at: Instant) {
        let Some(handed) = self.handed(token) else { return };
        handed.acked_at.get_or_insert(at);
        handed.open = false;
        let phone = handed.mo.phone;
        let message_id = String::from_utf8_lossy(message_id).into_owned();
        if *self.acks.entry((gateway, message_id.clone())).or_insert(phone) != phone {
            self.impossible.push(format!("message_id {message_id} was given to the messages of two phones"));
        }
    }

    /// The gateway asks to bring message `token` again, or the bind ended before it said anything.
    pub(crate) fn bring_again(&mut self, token: u64) {
        let Some(handed) = self.handed(token) else { return };
        if std::mem::take(&mut handed.open) {
            self.again.push_back(token);
        }
    }

    /// The bind that `token` is on has refused it for good, which nothing of the script deserves.
    pub(crate) fn refused(&mut self, token: u64, status: &str) {
        if let Some(handed) = self.handed(token) {
            handed.open = false;
        }
        self.impossible.push(format!("a message was refused with {status}"));
    }

    /// The operator has lost an answer that did come, and delivers message `token` once more.
    pub(crate) fn forget(&mut self, token: u64) {
        if self.handed(token).is_some_and(|handed| handed.acked_at.is_some() && !handed.open) {
            self.again.push_back(token);
        }
    }

    /// Every message that was on a bind when the gateway died is brought again.
    pub(crate) fn bring_all_again(&mut self) {
        let open = self.handed.iter_mut().zip(0..).filter(|(handed, _)| handed.open);
        for (handed, token) in open {
            handed.open = false;
            self.again.push_back(token);
        }
    }

    /// The next message to bring again.
    pub(crate) fn next_again(&mut self) -> Option<u64> {
        self.again.pop_front()
    }

    /// A reply has come for a phone of ours.
    pub(crate) fn replied(&mut self, phone: u64, text: String, at: Instant) {
        self.seen += 1;
        self.heard.entry(phone).or_insert(at);
        *self.replies.entry((phone, text)).or_default() += 1;
    }

    /// How many replies there have been.
    pub(crate) const fn replies_seen(&self) -> u64 {
        self.seen
    }

    /// How many messages there have been.
    pub(crate) fn messages(&self) -> u64 {
        self.handed.len() as u64
    }

    /// How every message fared, in the order they were handed over.
    pub(crate) fn fates(&self) -> impl Iterator<Item = Fate> {
        let mut heard = self.heard.clone();
        self.handed.iter().map(move |handed| Fate {
            at: handed.at,
            acked_at: handed.acked_at,
            heard_at: heard.remove(&handed.mo.phone),
        })
    }

    /// Whether the gateways have every message.
    pub(crate) fn has_all_acked(&self) -> bool {
        self.again.is_empty() && self.handed.iter().all(|handed| handed.acked_at.is_some() && !handed.open)
    }

    /// What each gateway called the messages, and whose they are.
    pub(crate) const fn acks(&self) -> &BTreeMap<(u8, String), u64> {
        &self.acks
    }

    /// The replies that came, and how often.
    pub(crate) const fn replies(&self) -> &HashMap<(u64, String), u64> {
        &self.replies
    }
}
