//! Replies that have not left yet: each node keeps its own here, sealed, and another one sends them where it is gone.
//!
//! A node holds a lease and renews it. While it runs, nobody claims its replies; once it has run out, others may, and each reply
//! has one holder at a time. The node that returns asks who holds what before it sends anything.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};

use crate::call::tag;
use crate::client::{Cluster, Error};

/// Fields that one call looks at, about: a page of a long hash.
const PAGE: u32 = 500;
/// Of the origin itself, which holds its replies until somebody claims them, in the functions.
const ORIGIN: &str = "-";
/// Of nobody: the reply has left, or will not.
const ENDED: &str = "=";

/// The replies of one node to one operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue {
    /// The node that decided them.
    pub origin: u8,
    /// The operator's name.
    pub operator: Arc<str>,
}

impl Queue {
    pub(crate) fn slot(&self) -> u32 {
        self.origin.into()
    }

    fn key(&self) -> String {
        format!("{}:replies:{}", tag(self.slot()), self.operator)
    }

    pub(crate) fn keep(&self, cmd: &mut Cmd, replies: &Replies) {
        cmd.arg("icaze_keep").arg(1).arg(self.key()).arg(&replies.bytes);
    }

    pub(crate) fn drop_ended(&self, cmd: &mut Cmd, seqs: &[u64]) {
        cmd.arg("icaze_drop").arg(1).arg(self.key()).arg(seqs);
    }
}

/// Replies one behind the other, as the functions read them: entry (8 bytes), length (4 bytes), both big-endian, and the sealed reply.
#[derive(Clone, Default)]
pub struct Replies {
    bytes: Vec<u8>,
    len: usize,
}

impl Replies {
    const HEAD: usize = 12;

    /// Adds the reply of entry `seq`, which `write` appends. At most 4 GiB.
    pub fn push(&mut self, seq: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let head = self.bytes.len();
        self.bytes.extend_from_slice(&seq.to_be_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        write(&mut self.bytes);
        let len = u32::try_from(self.bytes.len() - head - Self::HEAD).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(head + 8..head + Self::HEAD) {
            place.copy_from_slice(&len.to_be_bytes());
        }
        self.len += 1;
    }

    /// Visits each, by entry.
    pub fn for_each_mut(&mut self, mut visit: impl FnMut(u64, &mut [u8])) {
        let mut rest = &mut *self.bytes;
        while let Some((seq, after)) = rest.split_first_chunk_mut::<8>()
            && let Some((len, after)) = after.split_first_chunk_mut::<4>()
            && let Some((reply, after)) = after.split_at_mut_checked(u32::from_be_bytes(*len) as usize)
        {
            visit(u64::from_be_bytes(*seq), reply);
            rest = after;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replies({} in {} bytes)", self.len, self.bytes.len())
    }
}

fn lease(node: u8) -> String {
    format!("{}:lease", tag(node.into()))
}

/// How a claimed reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The operator has it.
    Sent,
    /// The operator will never take it.
    Refused,
    /// It was not sent in time; its origin knows what that means.
    Expired,
    /// It was not sent: its origin, or another node if that is gone, may.
    GivenBack,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::GivenBack => "back",
        }
    }

    fn read(name: &[u8]) -> Option<Self> {
        [Self::Sent, Self::Refused, Self::Expired].into_iter().find(|fate| fate.name().as_bytes() == name)
    }
}

/// Where a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Its origin holds it.
    Kept,
    /// This node claimed it, and will send it.
    Claimed(u8),
    /// Whoever claimed it is through with it.
    Ended(Fate),
}

impl Whereabouts {
    /// `None` if another version wrote it.
    fn read(value: &[u8]) -> Option<Self> {
        let blank = value.iter().position(|&byte| byte == b' ')?;
        let (holder, rest) = (value.get(..blank)?, value.get(blank + 1..)?);
        if holder == ENDED.as_bytes() {
            return Fate::read(rest).map(Self::Ended);
        }
        if holder == ORIGIN.as_bytes() {
            return Some(Self::Kept);
        }
        Some(Self::Claimed(std::str::from_utf8(holder).ok()?.parse().ok()?))
    }
}

/// One page of a queue: where the next one begins, 0 if there is none, and what is in it.
type Page = (u64, Vec<(u64, Vec<u8>)>);

impl Cluster {
    /// Holds the lease of `node` from now on for so long. Asked before a moment, it has not run out that long after it.
    ///
    /// # Errors
    /// If its shard does not answer; then it may be held or not.
    pub async fn hold_lease(&self, node: u8, time: Duration) -> Result<(), Error> {
        let mut command = redis::cmd("SET");
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        command.arg(lease(node)).arg("held").arg("PX").arg(ms);
        self.ask(&command).await
    }

    /// Whether `node` holds its lease.
    ///
    /// # Errors
    /// If its shard does not answer.
    pub async fn holds_lease(&self, node: u8) -> Result<bool, Error> {
        let mut command = redis::cmd("EXISTS");
        command.arg(lease(node));
        self.ask(&command).await
    }

    /// Claims replies of `queue` for `claimer`: those that their origin holds if its lease has run out, and those that nodes in
    /// `gone` hold; `again`, what it holds itself too, as after an answer that did not come. The origin claims back what it names
    /// `gone` with itself as `claimer`. By entry, sealed.
    ///
    /// # Errors
    /// If the shard does not answer; then some may be claimed: ask `again`.
    pub async fn claim(
        &self,
        queue: &Queue,
        claimer: u8,
        again: bool,
        gone: &[u8],
    ) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let by = if claimer == queue.origin { ORIGIN.to_owned() } else { claimer.to_string() };
        let mut claimed = Vec::new();
        let mut cursor = 0;
        loop {
            let mut command = redis::cmd("FCALL");
            command.arg("icaze_claim").arg(2).arg(lease(queue.origin)).arg(queue.key());
            command.arg((&by, u8::from(again), cursor, PAGE));
            // One by one: bytes in a row would be one argument.
            for node in gone {
                command.arg(*node);
            }
            let (next, page): Page = self.page(&command).await?;
            claimed.extend(page);
            cursor = next;
            if cursor == 0 {
                return Ok(claimed);
            }
        }
    }

    /// Where the replies of `queue` are, by entry.
    ///
    /// # Errors
    /// If the shard does not answer.
    pub async fn whereabouts(&self, queue: &Queue) -> Result<Vec<(u64, Whereabouts)>, Error> {
        let mut found = Vec::new();
        let mut cursor = 0;
        loop {
            let mut command = redis::cmd("FCALL");
            command.arg("icaze_whereabouts").arg(1).arg(queue.key()).arg(cursor).arg(PAGE);
            let (next, page): Page = self.page(&command).await?;
            found.extend(page.into_iter().filter_map(|(seq, value)| Some((seq, Whereabouts::read(&value)?))));
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }

    /// Says how replies ended that `claimer` holds. Those that somebody else has claimed meanwhile are left alone.
    ///
    /// # Errors
    /// If the shard does not answer: say it again.
    pub async fn end(&self, queue: &Queue, claimer: u8, ended: &[(u64, Fate)]) -> Result<(), Error> {
        for ended in ended.chunks(PAGE as usize) {
            let mut command = redis::cmd("FCALL");
            command.arg("icaze_end").arg(1).arg(queue.key()).arg(claimer);
            for (seq, fate) in ended {
                command.arg(seq).arg(fate.name());
            }
            let _: Value = self.ask(&command).await?;
        }
        Ok(())
    }

    async fn page(&self, command: &Cmd) -> Result<Page, Error> {
        let (cursor, flat): (u64, Vec<Vec<u8>>) = self.ask(command).await?;
        let (pairs, _) = flat.as_chunks::<2>();
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
        let read = |[field, value]: &[Vec<u8>; 2]| Some((number(field)?, value.clone()));
        Ok((cursor, pairs.iter().filter_map(read).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_lie_one_behind_the_other() {
        let mut replies = Replies::default();
        replies.push(258, |out| out.extend_from_slice(b"one"));
        replies.push(u64::MAX, |_| {});
        replies.for_each_mut(|seq, reply| {
            if let Some(first) = reply.first_mut() {
                (*first, _) = (b'O', assert_eq!(seq, 258));
            }
        });
        let first = b"\0\0\0\0\0\0\x01\x02\0\0\0\x03One".as_slice();
        assert_eq!(replies.bytes, [first, &[255; 8], &[0; 4]].concat());
        assert_eq!((replies.len(), replies.is_empty()), (2, false));
    }

    #[test]
    fn holders_and_fates_are_read_and_nothing_else_is() {
        assert_eq!(Whereabouts::read(b"12 sealed \0"), Some(Whereabouts::Claimed(12)));
        assert_eq!(Whereabouts::read(b"- "), Some(Whereabouts::Kept));
        for fate in [Fate::Sent, Fate::Refused, Fate::Expired] {
            let value = format!("{ENDED} {}", fate.name());
            assert_eq!(Whereabouts::read(value.as_bytes()), Some(Whereabouts::Ended(fate)));
        }
        for other in [&b""[..], b"12", b"-", b"300 sealed", b"= lost", b"\xff "] {
            assert_eq!(Whereabouts::read(other), None, "{other:?}");
        }
    }
}
