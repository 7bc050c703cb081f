//! Criterion benches of each stage of the hot path.
