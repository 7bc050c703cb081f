//! What a session is told before it begins.

use std::time::Duration;

use crate::pdu::{Status, Version};

/// Which side of SMPP this session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The message centre: it is bound to. submit_sm comes in, deliver_sm goes out.
    Smsc,
    /// The other side: it binds. deliver_sm comes in, submit_sm goes out.
    Esme,
}

/// The session timers (SMPP v3.4 7.2), and one for a PDU that does not end. Whoever configures them keeps each under a
/// year: an instant beyond `Instant`'s range panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// From the connection to the bind request; then the session ends. Default 10 s.
    pub session_init: Duration,
    /// From the last PDU heard to an enquire_link. Unanswered for this long again, or for `response` if that is less, the
    /// session ends: a dead connection is noticed within two of these. Default 30 s.
    pub enquire_link: Duration,
    /// From the last message, either way, to an unbind. Default none.
    pub inactivity: Option<Duration>,
    /// From a request to its response. Then a message comes out as [`super::Event::Unanswered`], and a bind or unbind
    /// ends the session. Default 10 s.
    pub response: Duration,
    /// From a PDU's first octet to its last; then the session ends. Default 10 s.
    pub pdu: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self {
            session_init: ten,
            enquire_link: Duration::from_secs(30),
            inactivity: None,
            response: ten,
            pdu: ten,
        }
    }
}

/// What one operator's bind is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindLimits {
    /// Messages from the peer that may await our response. More are answered with the retry status. Each costs what
    /// the caller keeps of it; the session keeps a number. Default 1,000.
    pub window_in: usize,
    /// Messages to the peer that may await its response. Costs up to 128 octets each while in use. Default 1,000.
    pub window_out: usize,
    /// What tells the peer to try again later; none: ESME_RTHROTTLED (0x58) from an SMSC, ESME_RX_T_APPN (0x64)
    /// from an ESME. SMSCs differ in what they retry.
    pub retry_status: Option<Status>,
    /// The highest version to agree upon. Default 5.0.
    pub version_max: Version,
    /// The session timers from the bind on; none: as before it. Default none.
    pub timers: Option<Timers>,
}

impl Default for BindLimits {
    fn default() -> Self {
        Self {
            window_in: 1000,
            window_out: 1000,
            retry_status: None,
            version_max: Version::V5_0,
            timers: None,
        }
    }
}

/// What a session is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// The name in our bind responses: at most 15 ASCII octets (a longer one is sent as none). Default `icaze`.
    pub system_id: String,
    /// The session timers.
    pub timers: Timers,
    /// Largest command_length before the bind, in octets: bounds what a stranger can make us hold. Default 1,024.
    pub frame_max_open: usize,
    /// Largest command_length after it, in octets. Default 69,632: a message_payload of 65,535 and all the rest.
    pub frame_max: usize,
    /// As an ESME, the limits; as an SMSC, [`super::Session::accept_bind`] brings them.
    pub limits: BindLimits,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            system_id: "icaze".to_owned(),
            timers: Timers::default(),
            frame_max_open: 1024,
            frame_max: 69_632,
            limits: BindLimits::default(),
        }
    }
}
