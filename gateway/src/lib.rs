//! The gateway: SMPP in, decisions in the middle, SMPP and HTTP out.
pub mod permit;
