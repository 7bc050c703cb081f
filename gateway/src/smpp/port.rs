//! What every link of the SMPP port shares: accounts, numbers, keys. Immutable but for counts and receipts.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use icaze_codec::pdu::{BindRequest, Message, Outbind, Status, tlv};
use icaze_codec::session::{self, BindLimits, SessionConfig, Timers};
use icaze_codec::text::Alphabet;
use icaze_config::gateway::{Config, DefaultAlphabet, Operator, OutsideRanges, ReceiptIds, Role, Validity};
use icaze_store::Msisdn;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::accounts::{self, Origin, Refused, allows, authenticate, expects};
use super::awaited::Awaited;
use super::receipt::Fate;
use crate::pipeline::Numbering;

/// The SMPP port's configuration, made anew when the gateway's is read again.
pub struct Port {
    /// By id, which an operator keeps for as long as the process lives.
    operators: Vec<Entry>,
    short_numbers: Vec<String>,
    /// How phone numbers are told.
    pub numbering: Numbering,
    /// What every session starts with, before it is known whose it is.
    pub session: SessionConfig,
    identity_key: [u8; 16],
}

/// One operator.
struct Entry {
    name: String,
    /// `None`: the configuration has it no longer.
    operator: Option<Operator>,
    /// Sessions that began in another epoch are ended: what was agreed has changed.
    epoch: u32,
    shared: Arc<Shared>,
}

/// What stays when the configuration is read again.
#[derive(Default)]
struct Shared {
    /// Sessions that the operator has opened.
    sessions: AtomicUsize,
    tallies: Tallies,
    awaited: Mutex<Awaited>,
}

/// Counts of an operator, for the metrics.
#[derive(Debug, Default)]
pub struct Tallies {
    /// Messages from numbers in none of its ranges.
    pub outside_ranges: AtomicU64,
    /// Receipts of replies that it has delivered.
    pub delivered: AtomicU64,
    /// Receipts of replies that it will not deliver.
    pub failed: AtomicU64,
    /// Receipts that say nothing final.
    pub underway: AtomicU64,
    /// Receipts of nothing that is remembered, or of what has had one.
    pub unknown: AtomicU64,
    /// Receipts that were acknowledged and put aside, because no reply awaits them.
    pub receipts_aside: AtomicU64,
    /// Optional parameters that were passed over although they say something, by name.
    refused_parameters: Mutex<BTreeMap<&'static str, u64>>,
}

/// What was agreed with an operator, as far as a link needs it.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Requests of theirs without our response, at most.
    pub window_in: usize,
    /// Requests of ours without their response, at most.
    pub window_out: usize,
    /// What asks them to come again.
    pub retry_status: Status,
    /// What their data_coding 0 means.
    pub alphabet: Alphabet,
    /// The TLV that tells messages of the same content apart.
    pub identity_tlv: u16,
    /// The session timers.
    pub timers: Timers,
    /// registered_delivery of our submit_sm.
    pub registered_delivery: u8,
    /// How it says until when it is of use.
    pub validity: Validity,
    /// How phone numbers are told.
    pub numbering: Numbering,
    /// What these terms are of.
    pub epoch: u32,
}

impl Tallies {
    /// A receipt came, of a reply that is remembered or (`None`) of none.
    pub fn receipt(&self, fate: Option<Fate>) {
        let tally = match fate {
            Some(Fate::Delivered) => &self.delivered,
            Some(Fate::Failed) => &self.failed,
            Some(Fate::Underway) => &self.underway,
            None => &self.unknown,
        };
        tally.fetch_add(1, Ordering::Relaxed);
        if fate.is_none() {
            self.receipts_aside.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An optional parameter could not be read, or stood beside a better one.
    pub fn refused_parameter(&self, tag: u16) {
        *held(&self.refused_parameters).entry(tlv::name(tag)).or_default() += 1;
    }

    /// How often which parameter was refused.
    #[must_use]
    pub fn refused_parameters(&self) -> BTreeMap<&'static str, u64> {
        held(&self.refused_parameters).clone()
    }
}

impl Terms {
    /// What a session is held to.
    #[must_use]
    pub fn limits(&self) -> BindLimits {
        BindLimits {
            window_in: self.window_in,
            window_out: self.window_out,
            retry_status: Some(self.retry_status),
            timers: Some(self.timers),
            ..BindLimits::default()
        }
    }
}

impl Port {
    /// The port that `config` describes, with the operators' ids in the order of `names`.
    #[must_use]
    pub fn new<'a>(
        config: &Config,
        names: impl IntoIterator<Item = &'a str>,
        identity_key: [u8; 16],
    ) -> Self {
        Self::build(config, names, identity_key, &[])
    }

    /// The port as `config` describes it now, with the operators' ids in the order of `names`: those that there were, then
    /// new ones. How numbers are written stays: the pipeline's memory knows phones by it.
    #[must_use]
    pub fn renewed<'a>(&self, config: &Config, names: impl IntoIterator<Item = &'a str>) -> Self {
        let renewed = Self::build(config, names, self.identity_key, &self.operators);
        Self { numbering: self.numbering, ..renewed }
    }

    fn build<'a>(
        config: &Config,
        names: impl IntoIterator<Item = &'a str>,
        identity_key: [u8; 16],
        before: &[Entry],
    ) -> Self {
        let smpp = &config.smpp;
        let operators = names.into_iter().map(|name| {
            let operator = config.operators.get(name).cloned();
            let before = before.iter().find(|entry| entry.name == name);
            let same = before
                .is_none_or(|before| before.operator.as_ref().map(lasting) == operator.as_ref().map(lasting));
            Entry {
                name: name.to_owned(),
                operator,
                epoch: before.map_or(0, |before| before.epoch + u32::from(!same)),
                shared: before.map_or_else(Arc::default, |before| Arc::clone(&before.shared)),
            }
        });
        Self {
            operators: operators.collect(),
            short_numbers: smpp.short_numbers.clone(),
            numbering: Numbering::of(config),
            session: SessionConfig {
                timers: Timers {
                    session_init: smpp.session_init_timer,
                    enquire_link: smpp.enquire_link_timer,
                    inactivity: Some(smpp.inactivity_timer),
                    response: smpp.response_timer,
                    pdu: smpp.pdu_timer,
                },
                ..SessionConfig::default()
            },
            identity_key,
        }
    }

    /// Whether a message to this address is for us. A leading `+` says what TON 1 says, and no more.
    #[must_use]
    pub fn is_ours(&self, destination: &[u8]) -> bool {
        let destination = bare(destination);
        self.short_numbers.iter().any(|number| bare(number.as_bytes()) == destination)
    }

    /// What a bind that is refused is answered with. Whoever comes from an address that no agreement
    /// names, or that of the account does not, is not told which accounts there are.
    #[must_use]
    pub fn bind_status(&self, cause: Refused, origin: Option<Origin>) -> Status {
        let known =
            |origin: Origin| self.configured().any(|operator| accounts::names(operator, origin.address));
        match cause {
            Refused::SystemId if !origin.is_some_and(known) => Refused::Password.status(),
            Refused::Address => Refused::Password.status(),
            cause => cause.status(),
        }
    }

    /// Whether anybody connects to us from `address`.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let mut callers =
            self.configured().filter(|operator| operator.role != Role::Connect || operator.outbind.is_some());
        callers.any(|operator| allows(operator, address))
    }

    /// An operator as it is configured now.
    #[must_use]
    pub fn operator(&self, id: u16) -> Option<&Operator> {
        self.entry(id)?.operator.as_ref()
    }

    /// What was agreed with an operator, for the side that we are.
    #[must_use]
    pub fn terms(&self, id: u16, role: session::Role) -> Option<Terms> {
        let entry = self.entry(id)?;
        let operator = entry.operator.as_ref()?;
        let retry_status = match role {
            session::Role::Smsc => operator.retry_status,
            session::Role::Esme => operator.connect_retry_status,
        };
        Some(Terms {
            window_in: operator.window_in,
            window_out: operator.window_out,
            retry_status: Status(retry_status),
            alphabet: alphabet(operator.data_coding_0),
            identity_tlv: operator.identity_tlv,
            timers: Timers {
                enquire_link: operator.enquire_link_timer,
                inactivity: Some(operator.inactivity_timer),
                ..self.session.timers
            },
            registered_delivery: operator.registered_delivery,
            validity: operator.validity,
            numbering: self.numbering,
            epoch: entry.epoch,
        })
    }

    /// Whether what was agreed with an operator is still what it was in `epoch`.
    #[must_use]
    pub fn is_current(&self, id: u16, epoch: u32) -> bool {
        self.epoch(id) == Some(epoch)
    }

    /// Counts how often what was agreed with an operator has changed; `None` without an agreement.
    #[must_use]
    pub fn epoch(&self, id: u16) -> Option<u32> {
        let entry = self.entry(id)?;
        entry.operator.as_ref().map(|_| entry.epoch)
    }

    /// An operator's name.
    #[must_use]
    pub fn name(&self, id: u16) -> &str {
        self.entry(id).map_or("", |entry| &entry.name)
    }

    /// The operators' names, in the order of their ids.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.operators.iter().map(|entry| entry.name.as_str())
    }

    /// An operator's counts.
    #[must_use]
    pub fn tallies(&self, id: u16) -> Option<&Tallies> {
        Some(&self.entry(id)?.shared.tallies)
    }

    /// The replies of an operator that a receipt may come for.
    #[must_use]
    pub fn awaited(&self, id: u16) -> Option<MutexGuard<'_, Awaited>> {
        Some(held(&self.entry(id)?.shared.awaited))
    }

    /// Checks a bind and counts its session.
    ///
    /// # Errors
    /// [`Refused`] with the first thing that is wrong.
    pub fn open_session(&self, request: &BindRequest<'_>, origin: Origin) -> Result<u16, Refused> {
        let found = self.find(|operator| operator.system_id == request.system_id());
        authenticate(found.map(|(_, operator, _)| operator), request, origin)?;
        let (id, operator, shared) = found.ok_or(Refused::SystemId)?;
        let room = |open: usize| (open < operator.sessions).then_some(open + 1);
        let counted = shared.sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        counted.map(|_| id).map_err(|_| Refused::Sessions)
    }

    /// A session that `operator` opened has ended.
    pub fn close_session(&self, operator: u16) {
        if let Some(entry) = self.entry(operator) {
            entry.shared.sessions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Checks an outbind; whose it is.
    ///
    /// # Errors
    /// [`Refused`] with the first thing that is wrong.
    pub fn expects(&self, request: &Outbind<'_>, origin: Origin) -> Result<u16, Refused> {
        let says = |operator: &Operator| {
            operator.outbind.as_ref().is_some_and(|outbind| outbind.system_id == request.system_id())
        };
        let found = self.find(says);
        expects(found.map(|(_, operator, _)| operator), request, origin)?;
        found.map(|(id, ..)| id).ok_or(Refused::SystemId)
    }

    /// Whether `phone` may text by this operator. One from another's range is counted, and what is done then is the
    /// operator's own policy.
    #[must_use]
    pub fn takes(&self, id: u16, phone: Msisdn) -> bool {
        let Some(Entry { operator: Some(operator), shared, .. }) = self.entry(id) else { return false };
        if operator.ranges.is_empty() {
            return true;
        }
        let digits = phone.as_u64().to_string();
        if operator.ranges.iter().any(|range| digits.starts_with(range.as_str())) {
            return true;
        }
        shared.tallies.outside_ranges.fetch_add(1, Ordering::Relaxed);
        operator.outside_ranges == OutsideRanges::Take
    }

    fn entry(&self, id: u16) -> Option<&Entry> {
        self.operators.get(usize::from(id))
    }

    fn configured(&self) -> impl Iterator<Item = &Operator> {
        self.operators.iter().filter_map(|entry| entry.operator.as_ref())
    }

    fn find(&self, is: impl Fn(&Operator) -> bool) -> Option<(u16, &Operator, &Shared)> {
        (0_u16..).zip(&self.operators).find_map(|(id, entry)| {
            let operator = entry.operator.as_ref().filter(|operator| is(operator))?;
            Some((id, operator, &*entry.shared))
        })
    }

    /// Hashes all that makes a message of `operator` the same message: SMPP carries no identity of its own. What is hashed is
    /// gathered in `fields`, to be hashed at one go.
    #[must_use]
    pub fn identity(&self, operator: u16, message: &Message<'_>, fields: &mut Vec<u8>) -> u128 {
        fields.clear();
        let mut field = |bytes: &[u8]| {
            fields.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            fields.extend_from_slice(bytes);
        };
        field(self.name(operator).as_bytes());
        field(message.source.digits);
        field(message.destination.digits);
        field(&[message.esm_class, message.data_coding]);
        field(message.payload);
        // Parts by SAR have the same text in the worst case; their TLVs tell them apart.
        let distinguishing = self.operator(operator).map(|operator| operator.identity_tlv);
        let sar = [tlv::SAR_MSG_REF_NUM, tlv::SAR_TOTAL_SEGMENTS, tlv::SAR_SEGMENT_SEQNUM];
        for tag in distinguishing.into_iter().chain(sar) {
            field(message.tlvs.get(tag).unwrap_or_default());
        }
        let mut hasher = SipHasher24::new_with_key(&self.identity_key);
        hasher.write(fields);
        hasher.finish128().as_u128()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a session is bound to for as long as it lasts; the rest takes effect at once.
fn lasting(operator: &Operator) -> Operator {
    Operator {
        rate_in: None,
        rate_out: None,
        retry_on: Vec::new(),
        copies_max: 0,
        receipt_ids: ReceiptIds::Auto,
        allow: Vec::new(),
        ranges: Vec::new(),
        outside_ranges: OutsideRanges::Take,
        latin: false,
        ..operator.clone()
    }
}

/// A number without its `+`.
fn bare(number: &[u8]) -> &[u8] {
    number.strip_prefix(b"+").unwrap_or(number)
}

fn alphabet(default: DefaultAlphabet) -> Alphabet {
    match default {
        DefaultAlphabet::Gsm7 => Alphabet::Gsm7,
        DefaultAlphabet::Gsm7Packed => Alphabet::Gsm7Packed,
        DefaultAlphabet::Latin1 => Alphabet::Latin1,
        DefaultAlphabet::Ascii => Alphabet::Ascii,
        DefaultAlphabet::Ucs2 => Alphabet::Ucs2,
    }
}
