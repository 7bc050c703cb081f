//! The alphabets of short messages, and messages in several parts.
