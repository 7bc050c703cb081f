//! Simulated operators and phones, against the gateway as a black box.
fn main() {}
