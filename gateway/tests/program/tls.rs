//! Operators in TLS, in both roles.
