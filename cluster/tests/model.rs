//! The functions on a real server against a plain model of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the faults are the other test's")]
mod common;

use common::{Servers, quotas, text};
use icaze_cluster::{Allowance, Call, Cluster, Confirm, Confirmed, Grant, Hold, Reserved};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const TIMEOUT_MS: u64 = 50;
const REPEAT_MS: u64 = 200;
const DAY_MS: u64 = 1000;
const PERMIT_MS: u64 = 300;
const DAY_MAX: u8 = 2;

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Reserve {
        node: usize,
        identity: u8,
    },
    /// Of the reservation that was made so many before the last.
    Confirm {
        back: usize,
        mode: Confirm,
        /// Under another name than its reservation's.
        renamed: bool,
    },
    Release {
        back: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mode = prop_oneof![3 => Just(Confirm::Live), 1 => Just(Confirm::Replay)];
    let step = prop_oneof![
        2 => (1..150_u64).prop_map(Step::Pass),
        1 => Just(Step::Pass(PERMIT_MS)),
        4 => (0..2_usize, 0..3_u8).prop_map(|(node, identity)| Step::Reserve { node, identity }),
        4 => (0..3_usize, mode, any::<bool>()).prop_map(|(back, mode, renamed)| Step::Confirm { back, mode, renamed }),
        1 => (0..3_usize).prop_map(|back| Step::Release { back }),
    ];
    prop::collection::vec(step, 1..40)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved,
    Granted,
    Released,
}

/// What the model keeps of one reservation.
#[derive(Debug, Clone)]
struct Entry {
    grant: Grant,
    node: usize,
    identity: u8,
    asked_ms: u64,
    day: u16,
    ends_ms: u64,
    state: State,
}

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
}

impl Model {
    fn open(&self, now: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.state == State::Reserved && entry.ends_ms > now)
    }

    fn granted(&self, day: u16) -> usize {
        self.entries.iter().filter(|entry| entry.state == State::Granted && entry.day == day).count()
    }

    fn used(&self, day: u16, now: u64) -> usize {
        self.granted(day) + self.open(now).filter(|entry| entry.day == day).count()
    }

    fn reserve(&mut self, node: usize, identity: u8, now: u64) -> Reserved {
        let permit = |entry: &Entry| text(format!("permit-of-{}", entry.grant.0));
        let same = |entry: &&Entry| entry.identity == identity && now - entry.asked_ms < REPEAT_MS;
        let granted = self.entries.iter().filter(|entry| entry.state == State::Granted);
        if let Some(entry) = granted.clone().filter(same).max_by_key(|entry| entry.ends_ms) {
            return Reserved::Same(entry.grant, permit(entry));
        }
        if let Some(entry) = self.open(now).find(|entry| same(entry) && entry.node == node) {
            return Reserved::Held(entry.grant);
        }
        if let Some(entry) = granted.filter(|entry| entry.ends_ms > now).max_by_key(|entry| entry.ends_ms) {
            return Reserved::Standing(entry.grant, permit(entry));
        }
        if self.open(now).next().is_some() {
            return Reserved::Busy;
        }
        let day = day(now);
        if self.used(day, now) >= DAY_MAX.into() {
            return Reserved::Used { day: true, week: false };
        }
        let grant = Grant(text(format!("{identity}@{now}")));
        // The same moment again after a release: that name is ended for good, so the model asks only at new moments.
        self.entries.push(Entry {
            grant,
            node,
            identity,
            asked_ms: now,
            day,
            ends_ms: now + TIMEOUT_MS,
            state: State::Reserved,
        });
        Reserved::Held(grant)
    }

    /// `grant` is its name from now on.
    fn confirm(&mut self, index: usize, now: u64, mode: Confirm, grant: &Grant) -> Confirmed {
        let entry = self.entries[index].clone();
        match entry.state {
            State::Granted => return Confirmed::Granted,
            State::Released => return Confirmed::Released,
            State::Reserved => {}
        }
        let own = usize::from(entry.ends_ms > now);
        let others =
            self.entries.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
        let within = |other: &&Entry| other.ends_ms > entry.asked_ms && other.asked_ms < now + PERMIT_MS;
        let stands = others.clone().filter(within).any(|other| other.state == State::Granted);
        let counts = others.filter(within).any(|other| other.state == State::Reserved && other.ends_ms > now);
        let over = stands || counts || self.used(entry.day, now) - own >= DAY_MAX.into();
        if mode == Confirm::Live && over {
            return Confirmed::Late;
        }
        let before = self.granted(entry.day);
        let entry = &mut self.entries[index];
        (entry.state, entry.ends_ms) = (State::Granted, now + PERMIT_MS);
        if entry.grant != *grant {
            // Nobody asks as a permit's code.
            (entry.grant, entry.identity) = (*grant, u8::MAX);
        }
        if stands || before >= DAY_MAX.into() { Confirmed::Conflict } else { Confirmed::Granted }
    }
}

fn day(now: u64) -> u16 {
    u16::try_from(now / DAY_MS).unwrap()
}

async fn ask(node: &mut Cluster, call: &Call) -> redis::Value {
    // Twice, as after an unknown outcome; the second answer is the one that counts.
    node.call(std::slice::from_ref(call)).await.remove(0).unwrap();
    node.call(std::slice::from_ref(call)).await.remove(0).unwrap()
}

/// One person's life. Every call is made twice.
async fn live(nodes: &mut [Cluster; 2], person: u32, steps: &[Step]) {
    let (mut model, mut now, mut conflicts) = (Model::default(), 10_u64, 0);
    let allowance = |day| Allowance { person, purpose: 3, day, week: day / 7, quotas: quotas(DAY_MAX, 15) };
    let before = nodes[0].conflicts().await.unwrap();
    for step in steps {
        now += 1;
        match *step {
            Step::Pass(ms) => now += ms,
            Step::Reserve { node, identity } => {
                let expected = model.reserve(node, identity, now);
                let call = Call::Reserve {
                    allowance: allowance(day(now)),
                    identity: text(identity.to_string()),
                    now_ms: now,
                    timeout_ms: TIMEOUT_MS,
                    repeat_ms: REPEAT_MS,
                    standing_from_ms: 0,
                };
                assert_eq!(Reserved::read(&ask(&mut nodes[node], &call).await).unwrap(), expected);
            }
            Step::Confirm { back, mode, renamed } => {
                let Some(index) = model.entries.len().checked_sub(back + 1) else { continue };
                let entry = model.entries[index].clone();
                let renamed = renamed && entry.state == State::Reserved;
                let grant = if renamed {
                    Grant(text(format!("code-{index}@{}", entry.asked_ms)))
                } else {
                    entry.grant
                };
                let expected = model.confirm(index, now, mode, &grant);
                conflicts += u64::from(expected == Confirmed::Conflict);
                // A repeat of a conflict is a grant like any other, counted once.
                let expected = if expected == Confirmed::Conflict { Confirmed::Granted } else { expected };
                let call = Call::Confirm {
                    allowance: allowance(entry.day),
                    permit: text(format!("permit-of-{}", grant.0)),
                    hold: if renamed { Hold::Named(entry.grant) } else { Hold::Own },
                    grant,
                    now_ms: now,
                    until_ms: now + PERMIT_MS,
                    mode,
                };
                assert_eq!(Confirmed::read(&ask(&mut nodes[entry.node], &call).await).unwrap(), expected);
            }
            Step::Release { back } => {
                let Some(index) = model.entries.len().checked_sub(back + 1) else { continue };
                let entry = &mut model.entries[index];
                entry.state = State::Released;
                let call = Call::Release { allowance: allowance(entry.day), grant: entry.grant };
                ask(&mut nodes[entry.node], &call).await;
            }
        }
    }
    assert_eq!(nodes[0].conflicts().await.unwrap() - before, conflicts);
}

#[test]
fn the_functions_do_what_the_model_does_however_often_they_are_repeated() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = runtime.block_on(Servers::start());
    let nodes = runtime.block_on(async { [servers.connect("0").await, servers.connect("1").await] });
    let person = std::cell::Cell::new(0);
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            person.set(person.get() + 1);
            runtime.block_on(live(&mut nodes.clone(), person.get(), &steps));
            Ok(())
        })
        .unwrap();
}
