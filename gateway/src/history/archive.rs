//! Permits that have left memory, read from the ledger: the views say which records they are in.

use std::path::PathBuf;

use icaze_config::gateway::Config;
use icaze_store::ledger::{Entry, FileStorage, Mark, MasterKey, ReadError, Record, read_some};
use icaze_store::views::{Index, ViewsError};
use icaze_store::{Document, Msisdn};
use jiff::{SignedDuration, Timestamp};

use super::History;
use crate::pipeline::Numbering;
use crate::pipeline::permits::{Ending, Permit};

/// No permit that was decided longer than this before an instant is told of it.
const REACH: SignedDuration = SignedDuration::from_hours(48);
/// Decisions of one person, phone or document that are looked through, at most; the newest.
const DECISIONS_MAX: usize = 1000;

/// Whose permits, or which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The one with this code.
    Code(u64),
    /// Those of a person.
    Person(u32),
    /// Those of a document whose holder the register does not know.
    Document(Document),
    /// Those that a phone asked for.
    Phone(Msisdn),
}

impl Wanted {
    /// The index goes by hashes; the record itself says whether it is meant.
    fn is_met_by(self, permit: &Permit) -> bool {
        match self {
            Self::Code(code) => permit.code == code,
            Self::Person(person) => permit.person == person,
            Self::Document(document) => permit.document == document,
            Self::Phone(phone) => permit.phone == phone,
        }
    }

    /// The decisions that may be meant and were made until the second of `at`, newest first.
    fn decisions(self, index: &Index, at: Timestamp) -> Result<Vec<u64>, ViewsError> {
        let until = at.saturating_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX);
        let within = index.by_time(at.saturating_sub(REACH).unwrap_or(Timestamp::MIN)..until)?;
        match self {
            Self::Code(code) => index.by_code(code),
            Self::Person(person) => index.by_person(person, within, DECISIONS_MAX),
            Self::Document(document) => index.by_document(document, within, DECISIONS_MAX),
            Self::Phone(phone) => index.by_phone(phone, within, DECISIONS_MAX),
        }
    }
}

/// With more records that the history does not have yet it is not waited for.
const NEWER_MAX: u64 = 4 << 20;

/// Why the archive has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The views are being made.
    #[error("the history is being prepared")]
    NotReady,
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The same.
    #[error("cannot open {}: {source}", store.display())]
    Store {
        /// The directory.
        store: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The ledger, for looking back.
#[derive(Clone)]
pub struct Archive {
    store: PathBuf,
    key: MasterKey,
    numbering: Numbering,
}

impl Archive {
    /// The ledger in `config.store.dir`.
    #[must_use]
    pub fn new(config: &Config, key: &MasterKey) -> Self {
        Self { store: config.store.dir.clone(), key: key.clone(), numbering: Numbering::of(config) }
    }

    /// The permits that are wanted, decided until `at` and not long before, as far as the history has them; newest first. Reads
    /// from disk: some milliseconds for each segment of the ledger that has one.
    ///
    /// # Errors
    /// If the history has no answer now, or the ledger cannot be read.
    pub fn permits(
        &self,
        history: &History,
        wanted: Wanted,
        at: Timestamp,
    ) -> Result<Vec<Permit>, ArchiveError> {
        let seqs = history.look_up(|index| wanted.decisions(index, at)).ok_or(ArchiveError::NotReady)?;
        let mut permits = Vec::new();
        self.read(history, seqs, |record| {
            if let Entry::Decision(decision) = &record.entry
                && let Some(permit) = Permit::issued(record, decision, self.numbering)
                && wanted.is_met_by(&permit)
                && permit.decided_at <= at
            {
                permits.push(permit);
            }
        })?;
        let later = history.look_up(|index| {
            let marks = permits.iter().map(|permit| index.marks(permit.seq));
            Ok(marks.collect::<Result<Vec<_>, _>>()?.concat())
        });
        self.read(history, later.ok_or(ArchiveError::NotReady)?, |record| {
            for permit in &mut permits {
                tell_what_became(permit, record);
            }
        })?;
        permits.reverse();
        Ok(permits)
    }

    /// The records that the history does not have yet: those behind `position`, up to `durable`.
    pub(super) fn newer(
        &self,
        history: &History,
        position: u64,
        durable: u64,
        visit: impl FnMut(&Record<'_>),
    ) -> Result<(), ArchiveError> {
        if durable.saturating_sub(position) > NEWER_MAX {
            return Err(ArchiveError::NotReady);
        }
        self.read(history, (position + 1..durable + 1).collect(), visit)
    }

    pub(super) fn read(
        &self,
        history: &History,
        seqs: Vec<u64>,
        mut visit: impl FnMut(&Record<'_>),
    ) -> Result<(), ArchiveError> {
        let _segments = history.segments_stay();
        let storage = FileStorage::read_only(&self.store)
            .map_err(|source| ArchiveError::Store { store: self.store.clone(), source })?;
        Ok(read_some(&storage, Some(&self.key), seqs, |record, _| visit(record))?)
    }
}

/// What a later record says of a permit, if it speaks of it.
fn tell_what_became(permit: &mut Permit, record: &Record<'_>) {
    let end = |permit: &mut Permit, ending| {
        permit.ended.get_or_insert((record.decided_at, ending));
    };
    match &record.entry {
        Entry::Mark(mark, seqs) if seqs.contains(&permit.seq) => {
            permit.delivery = Some(*mark);
            if *mark == Mark::Undelivered {
                end(permit, Ending::Undelivered);
            }
        }
        Entry::Revocation(seq) if *seq == permit.seq => end(permit, Ending::Revoked),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use icaze_config::gateway::Settings;
    use icaze_store::Outcome;
    use icaze_store::ledger::{Address, Channel, Decision, Interval, Ledger, Options, read_closed};
    use icaze_store::views::{Keying, Views};

    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const PHONE: &str = "994501234567";

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_607_900_000 + hours * 3600).unwrap()
    }

    /// A grant of the hour `number`, for three hours.
    fn grant(number: u64, intervals: &[Interval]) -> Entry<'_> {
        Entry::Decision(Decision {
            channel: Channel::Sms,
            operator: "demo",
            from: Address { ton: 1, npi: 1, digits: PHONE.as_bytes() },
            to: Address { ton: 0, npi: 1, digits: b"8103" },
            parts: Cow::Borrowed(&[]),
            identity: number.into(),
            document: Document::new("AZE", &format!("{:08}", 20_000_000 + number % 3)).ok(),
            person: Some((number % 3) as u32),
            purpose: Some(2),
            regime: None,
            register: 1,
            facts: None,
            outcome: Outcome::Granted,
            reason: None,
            permit: Some(icaze_store::ledger::Permit {
                code: number << 5,
                day: Default::default(),
                intervals: Cow::Borrowed(intervals),
            }),
            reply: None,
            refers_to: None,
            again: None,
            text: "",
        })
    }

    /// Two hundred grants, one an hour and each followed by what became of it, in closed segments that the history has.
    fn archive(dir: &std::path::Path) -> (Archive, History, Views) {
        let key = MasterKey::random().unwrap();
        let options = Options { segment_bytes: 16 << 10, ..Options::default() };
        let (mut ledger, mut batch) =
            Ledger::open(FileStorage::open(dir).unwrap(), &key, 0, options, |_| {}).unwrap();
        for number in 1..=200 {
            let hour = number as i64;
            let intervals = [Interval { start: at(hour), end: at(hour) + HOUR * 3 }];
            let seq = batch.append(at(hour), at(hour), &grant(number, &intervals)).unwrap();
            let became = match number % 4 {
                0 => Entry::Mark(Mark::Undelivered, vec![seq].into()),
                1 => Entry::Revocation(seq),
                _ => Entry::Mark(Mark::Delivered, vec![seq].into()),
            };
            batch.append(at(hour), at(hour) + HOUR / 2, &became).unwrap();
            if number % 9 == 0 {
                ledger.commit(&mut batch).unwrap();
            }
        }
        ledger.commit(&mut batch).unwrap();
        let storage = FileStorage::read_only(dir).unwrap();
        let config = Settings::shipped().validate().unwrap();
        let numbering = Numbering::of(&config);
        let keying = Keying { secret: [1; 16], country: numbering.country, national: numbering.national };
        let (history, mut views) = (History::default(), Views::open(&dir.join("views"), keying).unwrap());
        loop {
            let (position, mut run) = (views.position(), views.run());
            let closed = read_closed(&storage, Some(&key), position, |record, _| run.add(record)).unwrap();
            run.load().unwrap();
            if closed.is_none() {
                break;
            }
        }
        history.publish(&views);
        (Archive { store: dir.to_owned(), key, numbering }, history, views)
    }

    #[test]
    fn what_stood_long_ago_is_read_from_the_ledger_with_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, history, _views) = archive(dir.path());
        let hours = |wanted, at| {
            let permits = archive.permits(&history, wanted, at).unwrap();
            permits.iter().map(|permit| permit.code >> 5).collect::<Vec<_>>()
        };
        assert_eq!(hours(Wanted::Person(1), at(100))[..3], [100, 97, 94], "newest first, none of later");
        assert_eq!(hours(Wanted::Person(1), at(100)).last(), Some(&52), "none of much earlier");
        let document = Document::new("AZE", "20000002").unwrap();
        assert_eq!(hours(Wanted::Document(document), at(100))[..2], [98, 95]);
        let phone = Msisdn::parse(PHONE, 994, 9).unwrap();
        assert_eq!(hours(Wanted::Phone(phone), at(100))[..3], [100, 99, 98]);
        assert_eq!(hours(Wanted::Code(7 << 5), at(100)), [7], "by its code however old");
        assert!(hours(Wanted::Code(120 << 5), at(100)).is_empty(), "not decided then");
        assert!(hours(Wanted::Person(9), at(100)).is_empty());

        let one = |number: u64| archive.permits(&history, Wanted::Code(number << 5), at(150)).unwrap()[0];
        let (undelivered, revoked, delivered) = (one(4), one(5), one(6));
        assert_eq!(undelivered.ended, Some((at(4) + HOUR / 2, Ending::Undelivered)));
        assert_eq!((revoked.ended, revoked.delivery), (Some((at(5) + HOUR / 2, Ending::Revoked)), None));
        assert_eq!((delivered.ended, delivered.delivery), (None, Some(Mark::Delivered)));
        assert_eq!(delivered.interval, Interval { start: at(6), end: at(9) });
        assert_eq!(delivered.phone, phone);
    }

    #[test]
    fn without_views_there_is_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, history, _views) = archive(dir.path());
        history.withdraw();
        let answer = archive.permits(&history, Wanted::Person(1), at(100));
        assert!(matches!(answer, Err(ArchiveError::NotReady)), "{answer:?}");
    }
}
