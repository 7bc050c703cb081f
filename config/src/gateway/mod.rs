//! The gateway's own settings: [`Settings`] is what was typed, [`Config`] what was validated.
//!
//! ```
//! use icaze_config::gateway::Settings;
//!
//! let mut settings = Settings::shipped();
//! settings.file("site.toml", "[smpp]\nshort_numbers = [\"8103\", \"8104\"]\n");
//! settings.flag("--smpp", "smpp.listen", "127.0.0.1:0");
//! let config = settings.validate()?;
//! assert_eq!(config.smpp.short_numbers.len(), 2);
//! # Ok::<(), icaze_config::gateway::Problems>(())
//! ```
//!
//! The meaning of every key, and how to size it, is in `docs/configuration.md`.

mod live;
mod settings;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use crate::problem::{Problem, Problems};
pub use crate::regime::Away;
pub use settings::{SHIPPED, Settings};

/// The validated configuration of one gateway. Made only by [`Settings::validate`]; [`Settings::inspect`] makes a stand-in.
#[derive(Debug, Clone)]
pub struct Config {
    /// This gateway's number among its peers, 0–15: part of every permit code and record.
    pub node: u8,
    /// The SMPP side.
    pub smpp: Smpp,
    /// The operators by name; the name is what ledger, metrics and logs say. At least one.
    pub operators: BTreeMap<String, Operator>,
    /// What one phone may send.
    pub limits: Limits,
    /// What is for tests only.
    pub probe: Probe,
    /// The gateway's own certificate, which its listeners show.
    pub tls: Option<Identity>,
    /// The API and the dashboard.
    pub http: Http,
    /// Who else may say who somebody is.
    pub oidc: Option<Oidc>,
    /// The ledger and what is derived from it.
    pub store: Store,
    /// When personal data ends.
    pub retention: Retention,
    /// The register file.
    pub register: Register,
    /// The rules.
    pub regime: Regime,
    /// The texts that citizens read.
    pub replies: Replies,
    /// The shared view.
    pub redis: Redis,
    /// What the process writes about itself.
    pub log: Log,
}

/// `[smpp]`: the listener, the short numbers, and the timers and bounds of every session.
#[derive(Debug, Clone)]
pub struct Smpp {
    /// Where operators bind to us; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where operators bind to us in TLS.
    pub tls_listen: Option<SocketAddr>,
    /// Authorities, in PEM, one of which must have signed a client's certificate; `None`: clients need none.
    pub tls_client_ca: Option<PathBuf>,
    /// The destinations that are ours, each 1–20 digits; never empty.
    pub short_numbers: Vec<String>,
    /// The country calling code, 1–3 digits, no `+`.
    pub country_code: String,
    /// Digits of a national number without the country code and the trunk prefix, 4–14.
    pub national_digits: u8,
    /// How long an identical message is the same request.
    pub dedupe: Duration,
    /// How long a reply is worth sending, from receipt.
    pub answer_lifetime: Duration,
    /// SMPP `session_init_timer`: from connection to bind.
    pub session_init_timer: Duration,
    /// SMPP `enquire_link_timer`: silence after which we ask; shorter than `inactivity_timer`.
    pub enquire_link_timer: Duration,
    /// SMPP `inactivity_timer`: no message for so long ends the session.
    pub inactivity_timer: Duration,
    /// SMPP `response_timer`: a request unanswered for so long gives its window slot back.
    pub response_timer: Duration,
    /// From a PDU's first byte to its last.
    pub pdu_timer: Duration,
    /// From SIGTERM to the end of draining.
    pub drain: Duration,
    /// Sessions at once, of all operators.
    pub sessions_max: usize,
    /// Connections at once that have not bound yet.
    pub unbound_sessions_max: usize,
    /// How long the parts of a multi-part message are awaited.
    pub parts_timeout: Duration,
    /// How long the parts that came are kept for those that come late.
    pub parts_keep: Duration,
    /// Multi-part messages at once that are kept.
    pub parts_max: usize,
}

/// `[operators.NAME]`: one operator's account and what was agreed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who connects to whom.
    pub role: Role,
    /// Where we connect to, `host:port`, the first that answers; empty: nowhere.
    pub addresses: Vec<String>,
    /// 1–15 bytes; differs between operators.
    pub system_id: String,
    /// 1–8 bytes.
    pub password: Password,
    /// 0–12 bytes; empty: anything the peer says is accepted.
    pub system_type: String,
    /// The kinds of bind the operator may make (or that we make); never empty.
    pub binds: Vec<Bind>,
    /// Sessions that it opens at once, at most.
    pub sessions: usize,
    /// Binds of each kind that we hold open, 1–100.
    pub connections: usize,
    /// What our bind says that we speak: 0x33, 0x34 or 0x50.
    pub interface_version: u8,
    /// The addresses that our bind says we serve.
    pub address_range: AddressRange,
    /// SMPP `enquire_link_timer` of its sessions; shorter than `inactivity_timer`.
    pub enquire_link_timer: Duration,
    /// SMPP `inactivity_timer` of its sessions.
    pub inactivity_timer: Duration,
    /// Requests of theirs that may await our response, per session.
    pub window_in: usize,
    /// Requests of ours that may await their response, per session.
    pub window_out: usize,
    /// Messages a second from them, over all sessions; `None`: unlimited.
    pub rate_in: Option<u32>,
    /// Messages a second to them, over all sessions; `None`: unlimited.
    pub rate_out: Option<u32>,
    /// The command_status that makes the operator send a submit_sm again later; never `ESME_ROK`.
    pub retry_status: u32,
    /// The command_status that makes its SMSC send a deliver_sm again later; never `ESME_ROK`.
    pub connect_retry_status: u32,
    /// Statuses after which a reply is kept and tried again later.
    pub retry_on: Vec<u32>,
    /// Copies of a reply that it does not answer, at most 5.
    pub copies_max: u8,
    /// registered_delivery of our submit_sm: 0, no receipts.
    pub registered_delivery: u8,
    /// How its receipts write the ids of its responses.
    pub receipt_ids: ReceiptIds,
    /// How our submit_sm says until when it is worth delivering.
    pub validity: Validity,
    /// Addresses it may connect from; empty: any.
    pub allow: Vec<IpNet>,
    /// What its SMSC's outbind must say; `None`: no outbind is taken.
    pub outbind: Option<Outbind>,
    /// Prefixes of its subscribers' numbers with the country code, digits; empty: any.
    pub ranges: Vec<String>,
    /// What is done with a message from another's range.
    pub outside_ranges: OutsideRanges,
    /// Whether its sessions are in TLS.
    pub tls: bool,
    /// Authorities, in PEM, one of which must have signed its SMSC's certificate.
    pub tls_ca: Option<PathBuf>,
    /// The certificate that we show to its SMSC.
    pub tls_identity: Option<Identity>,
    /// What data_coding 0 means to this SMSC.
    pub data_coding_0: DefaultAlphabet,
    /// Replies in Latin letters always.
    pub latin: bool,
    /// The tag of the TLV that, with the message, tells a redelivery from a new message.
    pub identity_tlv: u16,
}

/// Who opens the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator binds to us.
    Listen,
    /// We bind to the operator's SMSC.
    Connect,
    /// Either.
    Both,
}

/// A kind of bind, as the one who binds sees it (SMPP v3.4, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// Both directions.
    Transceiver,
    /// Sends requests only.
    Transmitter,
    /// Receives requests only.
    Receiver,
}

/// The addresses that a bind says it serves (SMPP v3.4, 5.2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan indicator.
    pub npi: u8,
    /// A pattern, at most 40 bytes; empty: the SMSC knows.
    pub digits: String,
}

/// What an SMSC's outbind must say (SMPP v3.4, 4.1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbind {
    /// 1–15 bytes.
    pub system_id: String,
    /// 0–8 bytes.
    pub password: Password,
}

/// How an SMSC's receipts write the message_ids that its responses gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptIds {
    /// To be learned from those that match.
    Auto,
    /// As the responses do.
    Same,
    /// In hexadecimal what the responses write in decimal.
    Hex,
    /// In decimal what the responses write in hexadecimal.
    Decimal,
}

/// How a submit_sm tells its validity_period (SMPP v3.4, 5.2.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Not at all: the SMSC's default.
    None,
    /// As a time from now, by the SMSC's clock.
    Relative,
    /// As an instant in UTC.
    Absolute,
}

/// What is done with a message whose sender is in none of the operator's ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideRanges {
    /// It is taken and counted: subscribers keep their numbers when they change operators.
    Take,
    /// It is refused and counted.
    Refuse,
}

/// A certificate and its key, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The SMSC default alphabet (SMPP v3.4, 5.2.19, data_coding 0), which is each SMSC's own choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultAlphabet {
    /// GSM 03.38, one septet in each octet.
    Gsm7,
    /// GSM 03.38, septets packed as on the air.
    Gsm7Packed,
    /// ISO 8859-1.
    Latin1,
    /// IA5.
    Ascii,
    /// UTF-16BE.
    Ucs2,
}

/// `[limits]`: what one phone may send before it is told to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Texts from one phone in a window.
    pub phone_max: u32,
    /// The window's length.
    pub phone_window: Duration,
    /// Well-formed serials that the register lacks, from one phone in their window, before it is slowed.
    pub unknown_max: u32,
    /// The length of that window, which begins with the first of them.
    pub unknown_window: Duration,
    /// One notice that a phone is beyond its limit in this time.
    pub notice: Duration,
    /// How long a question to a phone waits for its answer, from receipt; at most `texts_s`.
    pub ask: Duration,
}

/// `[probe]`: handsets and documents that are for tests only. They are answered like any other, and counted in no statistics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// Numbers with the country code, digits, with or without `+`.
    pub phones: Vec<String>,
    /// Serials, such as `AZE10000009`.
    pub documents: Vec<String>,
}

/// `[http]`: the API and the dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where other gateways of `[redis]` ask this one, `HOST:PORT`; `None`: where it listens.
    pub advertise: Option<String>,
    /// Whether HTTP is in TLS, with the certificate of `[tls]`.
    pub tls: bool,
    /// Requests a second of one token or browser session; 0: unlimited.
    pub rate: u32,
}

/// `[oidc]`: an OpenID Connect issuer whose tokens and log-ins are taken beside our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Its identifier, as in its discovery document: `https`, or `http` on loopback.
    pub issuer: String,
    /// What people call it: the button of the log-in page says so.
    pub name: String,
    /// What we are called there. Empty: nobody logs in by a browser.
    pub client_id: String,
    /// The file of our password there; `None`: we have none.
    pub client_secret_file: Option<PathBuf>,
    /// Whom access tokens must be for.
    pub audience: String,
    /// The claim that has scopes, in one string or a list.
    pub scope_claim: String,
    /// What our scopes begin with there.
    pub scope_prefix: String,
    /// The claim that names the institution.
    pub institution_claim: String,
    /// By how much its clock and ours may differ.
    pub leeway: Duration,
    /// Its keys are asked for again after so long.
    pub refresh: Duration,
    /// Where browsers find us, without a slash at the end.
    pub public_url: String,
}

/// `[store]`: the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The store's directory, made if missing.
    pub dir: PathBuf,
    /// The ledger's key, made on the first start with an empty store.
    pub key_file: PathBuf,
    /// The size of a ledger segment, in MiB, 1–1024.
    pub segment_mib: u32,
}

/// `[retention]`: how long what is personal stays. Each is destroyed by the time it is that old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// What was texted, where it could not be read.
    pub texts: Duration,
    /// Who asked, for whom, and what they were answered.
    pub people: Duration,
    /// What is left of a decision without them. No shorter than `people`.
    pub records: Duration,
}

/// `[register]`: the population register's extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// A CSV file or a snapshot.
    pub path: PathBuf,
}

/// `[regime]`: the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regime {
    /// The directory of dated regimes.
    pub dir: PathBuf,
}

/// `[replies]`: what the texts to citizens say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replies {
    /// The directory of reply files; `None`: the shipped ones.
    pub dir: Option<PathBuf>,
    /// The hot line's number, 1–15 digits.
    pub hotline: String,
    /// The medical emergency number, 1–15 digits.
    pub emergency: String,
    /// A correct request, shown in help; at most 20 characters. It ends with one of `examples`.
    pub example: String,
    /// Serials that are nobody's because examples show them, such as `AZE12345678`.
    pub examples: Vec<String>,
}

/// `[redis]`: the allowances that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Servers of the cluster, each `HOST:PORT`, which name the others; empty: embedded.
    pub nodes: Vec<String>,
    /// What this gateway is called there; empty: the servers' user `default`.
    pub user: String,
    /// The file of its password there; `None`: it has none.
    pub password_file: Option<PathBuf>,
    /// Whether the servers are spoken to in TLS.
    pub tls: bool,
    /// Authorities, in PEM, one of which must have signed a server's certificate; `None`: the system's.
    pub tls_ca: Option<PathBuf>,
    /// What becomes of requests while the cluster is away, where the regime in force does not say.
    pub away: Away,
    /// The cluster must have been away for so long before anything is granted without it.
    pub local_after: Duration,
    /// So many grants without it, at most, until it is back.
    pub local_max: u32,
}

/// `[log]`: what the process writes to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least severe event that is written.
    pub level: LogLevel,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How severe an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name, as `tracing` knows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// An SMPP password, at most 8 bytes. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The bytes to compare (in constant time) or to put on the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
