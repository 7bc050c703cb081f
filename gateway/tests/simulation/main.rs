//! The whole core of the gateway in virtual time, on simulated operators, disk and clock, from a seed.
//!
//! `ICAZE_SEED=N` replays one run and prints its trace; `ICAZE_SEEDS=N` runs that many.

#![cfg(test)]

mod disk;
mod model;
mod node;
mod operator;
mod plan;
mod random;
mod simulation;
mod story;
mod trace;
mod world;

use std::thread;

use crate::plan::Variant;
use crate::simulation::Simulation;

/// Runs in an ordinary `cargo test`.
const SEEDS: u64 = 1000;
/// Within so many runs the model notices each thing that is broken on purpose.
const MUTANT_SEEDS: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Runs the seeds of one of two threads; what they did, and how the first of them failed.
fn run(seeds: impl Iterator<Item = u64>) -> ([usize; 3], u64, Vec<String>) {
    let ([mut decisions, mut grants, mut completed], mut left, mut failures) = ([0; 3], 0, Vec::new());
    for seed in seeds {
        match Simulation::new(seed, Variant::Sound).run() {
            Ok(report) => {
                decisions += report.decisions;
                grants += report.grants;
                completed += report.completed;
                left += report.left;
            }
            Err(violation) => failures.push(violation.to_string()),
        }
    }
    ([decisions, grants, completed], left, failures)
}

#[test]
fn every_seed_keeps_the_invariants() {
    let seeds = if number("ICAZE_SEED").is_some() { 0 } else { number("ICAZE_SEEDS").unwrap_or(SEEDS) };
    let odd = thread::spawn(move || run((1..seeds).step_by(2)));
    let even = run((0..seeds).step_by(2));
    let odd = odd.join().unwrap();
    let failures: Vec<_> = even.2.iter().chain(&odd.2).collect();
    assert!(failures.is_empty(), "{} of {seeds} seeds failed\n{}", failures.len(), first(&failures));
    let [decisions, grants, completed] = [0, 1, 2].map(|kind| even.0[kind] + odd.0[kind]);
    let left = even.1 + odd.1;
    println!(
        "{seeds} seeds: {decisions} decisions, {grants} grants, {completed} by answers, {left} responses and replies"
    );
    // A simulation in which nothing happens holds every invariant.
    assert!(decisions as u64 >= seeds * 20 && grants as u64 >= seeds * 3, "{decisions}, {grants}");
    assert!(completed as u64 >= seeds, "{completed}");
}

fn first(failures: &[&String]) -> String {
    failures.iter().take(10).map(|failure| failure.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_seed() {
    let seed = number("ICAZE_SEED").unwrap_or(1);
    match Simulation::new(seed, Variant::Sound).tracing().run() {
        Ok(report) if number("ICAZE_SEED").is_some() => {
            report.lines.iter().for_each(|line| println!("{line}"))
        }
        Ok(_) => {}
        Err(violation) => {
            violation.lines.iter().for_each(|line| println!("{line}"));
            panic!("{violation}");
        }
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 0..10 {
        let hash = || Simulation::new(seed, Variant::Sound).run().map(|report| report.hash).ok();
        assert_eq!(hash(), hash(), "seed {seed}");
    }
}

#[test]
fn what_is_broken_on_purpose_is_noticed() {
    let mutants = [
        Variant::AckBeforeSync,
        Variant::SyncRetried,
        Variant::Forgetful,
        Variant::DocumentIsPerson,
        Variant::RestartGivesBack,
        Variant::RestoredTwice,
        Variant::MarksForgotten,
        Variant::RevocationsForgotten,
        Variant::QuestionsForgotten,
        Variant::ReceiversForgotten,
        Variant::CheckpointAhead,
        Variant::DamageCut,
    ];
    for mutant in mutants {
        let found = (0..MUTANT_SEEDS).find_map(|seed| Simulation::new(seed, mutant).run().err());
        let violation = found.unwrap_or_else(|| panic!("{mutant:?} lives through {MUTANT_SEEDS} seeds"));
        println!("{mutant:?}: {violation}");
    }
}
