//! What the operator knows: which messages it handed over, what the gateway said of them, and which replies came.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::script::Mo;

/// A message on its way.
#[derive(Debug)]
struct Handed {
    mo: Mo,
    /// The bind that it went out on last.
    bind: usize,
    /// Whether the gateway has ever said that it has it.
    acked: bool,
    /// Whether it is on a bind now, without its response.
    open: bool,
}

/// The operator's books. A token is a message's place in them.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    handed: Vec<Handed>,
    /// Messages to deliver once more, in order.
    again: VecDeque<u64>,
    /// message_id to phone, as the gateway gave them out.
    acks: BTreeMap<String, u64>,
    /// Replies by phone and text, and how often each came.
    replies: HashMap<(u64, String), u64>,
    seen: u64,
    /// What cannot be, in words.
    pub(crate) impossible: Vec<String>,
    /// Responses that asked to come again later.
    pub(crate) throttled: u64,
}

impl Witness {
    /// Takes a new message into the books.
    pub(crate) fn hand(&mut self, mo: Mo) -> u64 {
        self.handed.push(Handed { mo, bind: 0, acked: false, open: false });
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
        let handed = self.handed(token)?;
        handed.bind = bind;
        handed.open = true;
        Some(&handed.mo)
    }

    /// The bind that message `token` went out on last.
    pub(crate) fn bind_of(&self, token: u64) -> usize {
        usize::try_from(token).ok().and_then(|index| self.handed.get(index)).map_or(0, |handed| handed.bind)
    }

    /// The gateway has message `token`, and calls it `message_id`.
    pub(crate) fn acked(&mut self, token: u64, message_id: &[u8]) {
        let Some(handed) = self.handed(token) else { return };
        handed.acked = true;
        handed.open = false;
        let phone = handed.mo.phone;
        let message_id = String::from_utf8_lossy(message_id).into_owned();
        if *self.acks.entry(message_id.clone()).or_insert(phone) != phone {
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
        if self.handed(token).is_some_and(|handed| handed.acked && !handed.open) {
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
    pub(crate) fn replied(&mut self, phone: u64, text: String) {
        self.seen += 1;
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

    /// Whether the gateway has every message.
    pub(crate) fn has_all_acked(&self) -> bool {
        self.again.is_empty() && self.handed.iter().all(|handed| handed.acked && !handed.open)
    }

    /// What the gateway called the messages, and whose they are.
    pub(crate) const fn acks(&self) -> &BTreeMap<String, u64> {
        &self.acks
    }

    /// The replies that came, and how often.
    pub(crate) const fn replies(&self) -> &HashMap<(u64, String), u64> {
        &self.replies
    }
}
