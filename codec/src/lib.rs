//! SMPP 3.3, 3.4 and 5.0: bytes to PDUs to sessions, and the alphabets of short messages.
//!
//! No sockets, no clock, no knowledge of permits.
pub mod frame;
pub mod pdu;
pub mod session;
pub mod text;
