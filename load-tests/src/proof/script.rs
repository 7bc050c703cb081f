//! What the phones text in a run of kills: messages of every kind, from a seed.

use std::collections::VecDeque;

use crate::connection::UDHI;
use crate::random::Random;

/// One message, as an operator hands it over: always the same octets, however often it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mo {
    /// Which phone.
    pub(crate) phone: u64,
    pub(crate) esm_class: u8,
    pub(crate) data_coding: u8,
    pub(crate) payload: Vec<u8>,
}

/// An endless sequence of messages.
#[derive(Debug)]
pub(crate) struct Script {
    random: Random,
    documents: u64,
    phones: u64,
    /// Requests that may be asked for again.
    recent: VecDeque<Request>,
    due: VecDeque<Mo>,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    phone: u64,
    purpose: u64,
    document: u64,
}

const RECENT_MAX: usize = 200;
/// data_coding of a binary message (SMPP v3.4, 5.2.19).
const BINARY: u8 = 4;

impl Script {
    /// Requests for so many documents from AZE20000000 on.
    pub(crate) fn new(seed: u64, documents: u64) -> Self {
        Self {
            random: Random::new(seed),
            documents,
            phones: 0,
            recent: VecDeque::new(),
            due: VecDeque::new(),
        }
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Mo {
        if let Some(mo) = self.due.pop_front() {
            return mo;
        }
        match self.random.below(100) {
            0..=54 => {
                let request = self.request();
                text(request.phone, &spelt(request))
            }
            55..=64 => self.again(),
            65..=74 => self.another_phone(),
            75..=79 => {
                let phone = self.phone();
                text(phone, &format!("2 AZE9{:07}", self.random.below(10_000_000)))
            }
            80..=87 => {
                let phone = self.phone();
                text(phone, &format!("salam {}", self.random.below(1000)))
            }
            88..=90 => Mo { phone: self.phone(), esm_class: 0, data_coding: BINARY, payload: vec![0, 1, 2] },
            _ => self.in_two_parts(),
        }
    }

    /// The part that a text still lacks, if the last message was its first.
    pub(crate) fn rest(&mut self) -> Option<Mo> {
        self.due.pop_front()
    }

    fn phone(&mut self) -> u64 {
        self.phones += 1;
        self.phones - 1
    }

    fn request(&mut self) -> Request {
        let phone = self.phone();
        let request =
            Request { phone, purpose: 1 + self.random.below(2), document: self.random.below(self.documents) };
        self.recent.push_back(request);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        request
    }

    fn recent(&mut self) -> Option<usize> {
        let index = self.random.below(self.recent.len() as u64);
        usize::try_from(index).ok().filter(|&index| index < self.recent.len())
    }

    /// The same phone asks for the same once more, in another spelling. Only once: its replies are told by their texts.
    fn again(&mut self) -> Mo {
        let request = self.recent().and_then(|index| self.recent.remove(index));
        let request = request.unwrap_or_else(|| self.request());
        text(request.phone, &format!("kod {}#aze{}", request.purpose, 20_000_000 + request.document))
    }

    fn another_phone(&mut self) -> Mo {
        let asked = self.recent().and_then(|index| self.recent.get(index).copied());
        let asked = asked.unwrap_or(Request { phone: 0, purpose: 2, document: 0 });
        text(self.phone(), &spelt(asked))
    }

    /// A request cut in two, the second part first now and then.
    fn in_two_parts(&mut self) -> Mo {
        let request = self.request();
        let whole = spelt(request);
        let cut = 3 + usize::try_from(self.random.below(6)).unwrap_or_default();
        let (head, tail) = whole.split_at(cut);
        let reference = self.random.next() as u8;
        let mut parts = [(1, head), (2, tail)].map(|(number, piece)| Mo {
            esm_class: UDHI,
            payload: [&[5, 0, 3, reference, 2, number], piece.as_bytes()].concat(),
            ..text(request.phone, "")
        });
        if self.random.percent(20) {
            parts.reverse();
        }
        let [first, second] = parts;
        self.due.push_back(second);
        first
    }
}

fn spelt(request: Request) -> String {
    format!("{} AZE{}", request.purpose, 20_000_000 + request.document)
}

fn text(phone: u64, text: &str) -> Mo {
    Mo { phone, esm_class: 0, data_coding: 0, payload: text.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_seed_repeats_and_every_kind_comes() {
        let draw = |seed| {
            let mut script = Script::new(seed, 100);
            (0..2000).map(|_| script.next()).collect::<Vec<_>>()
        };
        let mos = draw(1);
        assert_eq!(mos, draw(1));
        assert_ne!(mos, draw(2));
        let share = |of: fn(&Mo) -> bool| mos.iter().filter(|mo| of(mo)).count();
        assert!((150..550).contains(&share(|mo| mo.esm_class == UDHI)));
        assert!(share(|mo| mo.data_coding == BINARY) > 20);
        assert!(share(|mo| mo.payload.starts_with(b"kod")) > 100);
    }

    #[test]
    fn no_phone_sends_the_same_octets_twice_nor_more_than_three_messages() {
        let mut script = Script::new(3, 10);
        let mut sent: HashMap<u64, Vec<Mo>> = HashMap::new();
        for mo in (0..5000).map(|_| script.next()) {
            let before = sent.entry(mo.phone).or_default();
            assert!(!before.contains(&mo));
            before.push(mo);
            assert!(before.len() <= 3, "two parts and a repeat");
        }
    }
}
