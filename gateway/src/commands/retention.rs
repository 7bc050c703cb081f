//! `icaze retention`: what personal data is left in the store, and whether any is there that should be gone.

use icaze_store::ledger::retention::survey;
use jiff::{SignedDuration, Timestamp};

use super::{Configured, Output, ledger};
use crate::clock::Now;
use crate::retention::KINDS;

/// Destroying takes its time: what is due for less is not overdue.
const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// Tells what personal data is left, from the key files themselves, also while the gateway runs. Exit status 1 if some should be
/// gone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the limits are, and the store.
    #[command(flatten)]
    configured: Configured,
    /// A line for each segment as well.
    #[arg(long)]
    segments: bool,
}

/// Tells it.
///
/// # Errors
/// If the store cannot be read, or something is overdue.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    let ages = survey(&ledger::open(&config.store.dir)?)?;
    let now = Now::read().wall;
    let mut out = Output::new();
    let mut overdue = Vec::new();
    for (subject, name) in KINDS {
        let limit = subject.limit(&config.retention);
        let signed = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
        let (oldest, segments) = subject.left(&ages);
        let late = oldest.is_some_and(|oldest| now.duration_since(oldest) > signed.saturating_add(GRACE));
        if late {
            overdue.push(name);
        }
        out.line(format_args!(
            "{name:<8} kept for {:<6} in {segments} of {} segments, {}{}",
            span(signed),
            ages.len(),
            oldest.map_or("none with a record".to_owned(), |oldest| since(oldest, now)),
            if late { ": OVERDUE" } else { "" },
        ))?;
    }
    if args.segments {
        for age in &ages {
            let left = [(age.text, "texts"), (age.person, "people")];
            let left: Vec<&str> = left.into_iter().filter(|(left, _)| *left).map(|(_, name)| name).collect();
            out.line(format_args!(
                "segment {}: from record {}, {}{}; left: {}",
                age.number,
                age.first_seq,
                age.began.map_or("empty".to_owned(), |began| since(began, now)),
                if age.closed.is_none() { ", being written to" } else { "" },
                if left.is_empty() { "nothing personal".to_owned() } else { left.join(", ") },
            ))?;
        }
    }
    out.finish()?;
    anyhow::ensure!(
        overdue.is_empty(),
        "overdue: {}: is the gateway running, and its clock right? its log says what it could not destroy",
        overdue.join(", ")
    );
    Ok(())
}

fn since(instant: Timestamp, now: Timestamp) -> String {
    format!("the oldest since {:.0} ({})", instant, span(now.duration_since(instant)))
}

/// A time in its largest whole unit.
fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        172_800.. => (seconds / 86_400, "d"),
        7_200.. => (seconds / 3600, "h"),
        120.. => (seconds / 60, "min"),
        _ => (seconds, "s"),
    };
    format!("{number} {unit}")
}
