//! What every link of the SMPP port shares: accounts, numbers, keys. Immutable but for the counts of sessions.

use std::hash::Hasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use icaze_codec::pdu::{BindRequest, Message, Status, tlv};
use icaze_codec::session::{SessionConfig, Timers};
use icaze_codec::text::Alphabet;
use icaze_config::gateway::{Config, DefaultAlphabet};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::accounts::{Account, Refused, authenticate};
use crate::pipeline::Numbering;

/// The SMPP port's configuration, made once.
pub struct Port {
    accounts: Vec<Account>,
    terms: Vec<Terms>,
    sessions: Vec<AtomicUsize>,
    short_numbers: Vec<String>,
    /// How phone numbers are told.
    pub numbering: Numbering,
    /// What every session starts with, before it is known whose it is.
    pub session: SessionConfig,
    /// How long a stopping link may take.
    pub drain: Duration,
    identity_key: [u8; 16],
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
}

impl Port {
    /// The port that `config` describes.
    #[must_use]
    pub fn new(config: &Config, identity_key: [u8; 16]) -> Self {
        let smpp = &config.smpp;
        let terms = config.operators.values().map(|operator| Terms {
            window_in: operator.window_in,
            window_out: operator.window_out,
            retry_status: Status(operator.retry_status),
            alphabet: alphabet(operator.data_coding_0),
            identity_tlv: operator.identity_tlv,
        });
        Self {
            accounts: config.operators.iter().map(|(name, operator)| Account::new(name, operator)).collect(),
            terms: terms.collect(),
            sessions: config.operators.iter().map(|_| AtomicUsize::new(0)).collect(),
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
            drain: smpp.drain,
            identity_key,
        }
    }

    /// Whether a message to this address is for us.
    #[must_use]
    pub fn is_ours(&self, destination: &[u8]) -> bool {
        self.short_numbers.iter().any(|number| number.as_bytes() == destination)
    }

    /// What was agreed with an operator.
    #[must_use]
    pub fn terms(&self, operator: u16) -> Option<&Terms> {
        self.terms.get(usize::from(operator))
    }

    /// An operator's name.
    #[must_use]
    pub fn name(&self, operator: u16) -> &str {
        self.accounts.get(usize::from(operator)).map_or("", |account| &account.name)
    }

    /// Checks a bind and counts its session.
    ///
    /// # Errors
    /// [`Refused`] with the first thing that is wrong.
    pub fn open_session(&self, request: &BindRequest<'_>) -> Result<u16, Refused> {
        let operator = authenticate(&self.accounts, request)?;
        let index = usize::from(operator);
        let (Some(account), Some(count)) = (self.accounts.get(index), self.sessions.get(index)) else {
            return Err(Refused::SystemId);
        };
        let room = |open: usize| (open < account.sessions_max).then_some(open + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| Refused::Sessions)?;
        Ok(operator)
    }

    /// A session of `operator` has ended.
    pub fn close_session(&self, operator: u16) {
        if let Some(count) = self.sessions.get(usize::from(operator)) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Hashes all that makes a message of `operator` the same message: SMPP carries no identity of its own.
    #[must_use]
    pub fn identity(&self, operator: u16, message: &Message<'_>) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.identity_key);
        let mut field = |bytes: &[u8]| {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        };
        field(self.name(operator).as_bytes());
        field(message.source.digits);
        field(message.destination.digits);
        field(&[message.esm_class, message.data_coding]);
        field(message.payload);
        // Parts by SAR have the same text in the worst case; their TLVs tell them apart.
        let distinguishing = self.terms(operator).map(|terms| terms.identity_tlv);
        let sar = [tlv::SAR_MSG_REF_NUM, tlv::SAR_TOTAL_SEGMENTS, tlv::SAR_SEGMENT_SEQNUM];
        for tag in distinguishing.into_iter().chain(sar) {
            field(message.tlvs.get(tag).unwrap_or_default());
        }
        hasher.finish128().as_u128()
    }
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
