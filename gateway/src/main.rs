//! The `icaze` program.
fn main() {}
