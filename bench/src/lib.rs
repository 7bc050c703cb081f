//! What the benches measure, on [`sample`]s of the real thing, and what fuzzing checks.
//!
//! The benches are in `benches/`; the fuzz targets in `fuzz/` call the [`checks`] with what libFuzzer makes up, and the
//! tests call them with the seeds in `fuzz/seeds/`.

pub mod checks;
pub mod sample;
