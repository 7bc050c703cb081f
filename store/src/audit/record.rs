//! What a record says.

use std::fmt;
use std::hash::Hasher as _;
use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::hex;
use crate::ledger::MasterKey;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Permits were looked up by their code.
    LookUpByCode,
    /// By a document.
    LookUpByDocument,
    /// By a phone.
    LookUpByPhone,
    /// A permit was ended.
    Revoke,
    /// Somebody asked who looked a person up.
    ReadAbout,
    /// Somebody read the trail.
    ReadTrail,
}

/// One thing that was done with people's data.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// Its number; 0 for one that is not written yet.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// For which institution.
    pub institution: String,
    /// What.
    pub action: Action,
    /// Whether it was allowed: what was refused is kept too.
    pub allowed: bool,
    /// Whether it is withheld from the person it is about.
    pub covert: bool,
    /// Whom it is about.
    pub subjects: Vec<Subject>,
    /// What was asked, and why. `None` when read without the key.
    pub detail: Option<Detail>,
}

/// What was asked, and why. Personal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The code, serial or number that was asked for, as it was written.
    pub asked: String,
    /// The reason that was given.
    pub reason: String,
}

/// Whom a record is about: a keyed hash, which tells nothing without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject(u64);

/// The keys of a trail.
#[derive(Clone)]
pub struct Keys {
    seal: [u8; 32],
    subject: [u8; 16],
}

/// A record as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    pub(super) number: u64,
    at: Timestamp,
    who: String,
    institution: String,
    action: Action,
    allowed: bool,
    covert: bool,
    subjects: Vec<String>,
    sealed: String,
}

impl Keys {
    /// Those that belong to `master`.
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        Self { seal: master.derive("audit trail"), subject: master.derive("audit subject") }
    }

    /// The subject that is the holder of this number in the register.
    #[must_use]
    pub fn person(&self, person: u32) -> Subject {
        self.hash(&person.to_le_bytes())
    }

    /// The subject that a text names, where the register knows no person: a serial or a number.
    #[must_use]
    pub fn unknown(&self, text: &str) -> Subject {
        self.hash(text.as_bytes())
    }

    fn hash(&self, bytes: &[u8]) -> Subject {
        let mut hash = SipHasher24::new_with_key(&self.subject);
        hash.write(bytes);
        Subject(hash.finish())
    }

    fn key(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.seal).ok()
    }

    fn seal(&self, number: u64, detail: &Detail) -> Option<String> {
        let mut text = serde_json::to_vec(detail).ok()?;
        let aad = Aad::from(number.to_le_bytes());
        let nonce = self.key()?.seal_in_place_append_tag(aad, &mut text).ok()?;
        Some(hex::encode(&[nonce.as_ref().as_slice(), &text].concat()))
    }

    fn open(&self, number: u64, sealed: &str) -> Option<Detail> {
        let bytes = hex::decode(sealed)?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let aad = Aad::from(number.to_le_bytes());
        let opened = self.key()?.open_in_place(nonce.into(), aad, &mut text).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Detail(…)")
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("number", &self.number)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

impl Record {
    pub(super) fn sealed(&self, number: u64, keys: &Keys) -> io::Result<Sealed> {
        let detail = self.detail.as_ref().ok_or_else(|| io::Error::other("a record without detail"))?;
        let sealed =
            keys.seal(number, detail).ok_or_else(|| io::Error::other("the record cannot be sealed"))?;
        Ok(Sealed {
            number,
            at: self.at,
            who: self.who.clone(),
            institution: self.institution.clone(),
            action: self.action,
            allowed: self.allowed,
            covert: self.covert,
            subjects: self.subjects.iter().map(|subject| format!("{:016x}", subject.0)).collect(),
            sealed,
        })
    }
}

impl Sealed {
    pub(super) fn is_about(&self, subject: Subject) -> bool {
        let subject = format!("{:016x}", subject.0);
        self.subjects.contains(&subject)
    }

    pub(super) fn open(self, keys: &Keys) -> Record {
        let detail = keys.open(self.number, &self.sealed);
        let subjects = self.subjects.iter().filter_map(|subject| u64::from_str_radix(subject, 16).ok());
        Record {
            number: self.number,
            at: self.at,
            who: self.who,
            institution: self.institution,
            action: self.action,
            allowed: self.allowed,
            covert: self.covert,
            subjects: subjects.map(Subject).collect(),
            detail,
        }
    }
}
