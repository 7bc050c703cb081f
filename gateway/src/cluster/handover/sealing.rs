//! How replies are kept where others can open them and the servers cannot.
//!
//! Sealed with AES-256-GCM-SIV (RFC 8452) under a key that all gateways of a country derive from theirs. They draw nonces at random
//! without knowing of each other; should two be the same, that tells no more than whether two replies are the same too.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use icaze_cluster::{Queue, Replies};
use icaze_store::ledger::{Address, MasterKey};
use jiff::Timestamp;

use crate::pipeline::outbox::Envelope;

/// Bytes of a tag (RFC 8452, section 4).
const TAG_LEN: usize = 16;

/// Seals and opens replies.
pub(in super::super) struct Sealing(LessSafeKey);

impl Sealing {
    /// With a key of the gateways' common one.
    pub(in super::super) fn new(key: &MasterKey) -> anyhow::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, &key.derive::<32>("unsent replies"));
        Ok(Self(LessSafeKey::new(key.map_err(|_| anyhow::anyhow!("no key for unsent replies"))?)))
    }

    /// Seals what was [written](write), in place. Without random bytes of the system it is zeros, which open nowhere.
    pub(super) fn seal(&self, queue: &Queue, replies: &mut Replies) {
        // One draw for all, which counts on.
        let mut drawn = [0; 16];
        let random = aws_lc_rs::rand::fill(&mut drawn).is_ok();
        let mut number = u128::from_be_bytes(drawn);
        replies.for_each_mut(|seq, reply| {
            number = number.wrapping_add(1);
            let sealed = random.then(|| self.seal_one(queue, seq, number, reply)).flatten();
            if sealed.is_none() {
                reply.fill(0);
            }
        });
    }

    fn seal_one(&self, queue: &Queue, seq: u64, number: u128, reply: &mut [u8]) -> Option<()> {
        let (reply, nonce_room) = reply.split_last_chunk_mut::<NONCE_LEN>()?;
        let (reply, tag_room) = reply.split_last_chunk_mut::<TAG_LEN>()?;
        *nonce_room = *number.to_be_bytes().last_chunk()?;
        let nonce = Nonce::assume_unique_for_key(*nonce_room);
        let tag = self.0.seal_in_place_separate_tag(nonce, about(queue, seq), reply).ok()?;
        tag_room.copy_from_slice(tag.as_ref());
        Some(())
    }

    /// Opens in place; `None` if it was not sealed with this key for this place.
    pub(super) fn open<'r>(&self, queue: &Queue, seq: u64, sealed: &'r mut [u8]) -> Option<&'r [u8]> {
        let (sealed, nonce) = sealed.split_last_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_in_place(nonce, about(queue, seq), sealed).ok().map(|reply| &*reply)
    }
}

/// What a sealed reply cannot be moved from.
fn about(queue: &Queue, seq: u64) -> Aad<Vec<u8>> {
    Aad::from([&[queue.origin][..], &seq.to_be_bytes(), queue.operator.as_bytes()].concat())
}

/// Appends a reply: source and destination, each as type, plan, length and digits; expiry; text; and room for what sealing adds.
pub(super) fn write(envelope: &Envelope<'_>, bytes: &mut Vec<u8>) {
    for Address { ton, npi, digits } in [envelope.source, envelope.destination] {
        let len = u8::try_from(digits.len()).unwrap_or(u8::MAX);
        bytes.extend([ton, npi, len]);
        bytes.extend_from_slice(digits.get(..len.into()).unwrap_or_default());
    }
    bytes.extend(envelope.expires_at.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(envelope.text.as_bytes());
    bytes.extend_from_slice(&[0; TAG_LEN + NONCE_LEN]);
}

/// The reply again; `None` if it was not written so.
pub(super) fn read(bytes: &[u8]) -> Option<Envelope<'_>> {
    let (source, rest) = address(bytes)?;
    let (destination, rest) = address(rest)?;
    let (expires_at, text) = rest.split_first_chunk()?;
    Some(Envelope {
        source,
        destination,
        expires_at: Timestamp::from_microsecond(i64::from_be_bytes(*expires_at)).ok()?,
        text: std::str::from_utf8(text).ok()?,
    })
}

fn address(bytes: &[u8]) -> Option<(Address<'_>, &[u8])> {
    let (&[ton, npi, len], rest) = bytes.split_first_chunk()?;
    let (digits, rest) = rest.split_at_checked(len.into())?;
    Some((Address { ton, npi, digits }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope<'static> {
        Envelope {
            source: Address { ton: 0, npi: 1, digits: b"8103" },
            destination: Address { ton: 1, npi: 1, digits: b"994501234567" },
            text: "*001 Kod: 12",
            expires_at: Timestamp::from_microsecond(1_607_900_000_000_001).unwrap(),
        }
    }

    fn queue(origin: u8, operator: &str) -> Queue {
        Queue { origin, operator: operator.into() }
    }

    /// The last of two, as entry 7.
    fn seal(sealing: &Sealing, queue: &Queue) -> Vec<u8> {
        let (mut replies, mut sealed) = (Replies::default(), Vec::new());
        for seq in [6, 7] {
            replies.push(seq, |out| write(&envelope(), out));
        }
        sealing.seal(queue, &mut replies);
        replies.for_each_mut(|_, reply| sealed.push(reply.to_vec()));
        let [first, last] = <[Vec<u8>; 2]>::try_from(sealed).unwrap();
        assert_ne!(first.last_chunk::<NONCE_LEN>(), last.last_chunk::<NONCE_LEN>());
        last
    }

    #[test]
    fn a_reply_is_opened_as_it_was_sealed_by_gateways_of_its_key_and_nowhere_else() {
        let key = MasterKey::random().unwrap();
        let (sealing, queue_1) = (Sealing::new(&key).unwrap(), queue(1, "demo"));
        let sealed = seal(&sealing, &queue_1);
        assert_ne!(sealed, seal(&sealing, &queue_1), "each has a nonce of its own");
        assert!(!sealed.windows(4).any(|window| window == b"8103" || window == b"Kod:"));
        let open = |sealing: &Sealing, queue: &Queue, seq| {
            let mut sealed = sealed.clone();
            sealing.open(queue, seq, &mut sealed).map(<[u8]>::to_vec)
        };
        let opened = open(&Sealing::new(&key).unwrap(), &queue_1, 7).unwrap();
        let reply = read(&opened).unwrap();
        let parts = |envelope: &Envelope<'static>| (envelope.text.to_owned(), envelope.expires_at);
        assert_eq!((reply.text.to_owned(), reply.expires_at), parts(&envelope()));
        assert_eq!((reply.source, reply.destination), (envelope().source, envelope().destination));
        for (queue, seq) in [(queue(2, "demo"), 7), (queue(1, "other"), 7), (queue_1.clone(), 8)] {
            assert_eq!(open(&sealing, &queue, seq), None, "{queue:?} {seq}");
        }
        let stranger = Sealing::new(&MasterKey::random().unwrap()).unwrap();
        assert_eq!(open(&stranger, &queue_1, 7), None);
    }

    #[test]
    fn what_is_cut_short_is_no_reply() {
        let mut bytes = Vec::new();
        write(&envelope(), &mut bytes);
        bytes.truncate(bytes.len() - TAG_LEN - NONCE_LEN);
        let text = bytes.len() - envelope().text.len();
        for len in 0..text {
            assert!(read(&bytes[..len]).is_none(), "{len}");
        }
        assert!(read(&[&bytes[..text], b"\xff"].concat()).is_none(), "no UTF-8");
    }
}
