//! `icaze regime`: the rules as citizens read them, and what is wrong with them.

use std::path::{Path, PathBuf};

use icaze_config::regime::{Regime, Regimes};
use icaze_store::ledger::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Configured, Output, Speech};
use crate::clock::Now;
use crate::permit::rules::rule_table;
use crate::world::load_regimes;

/// Shows or checks the dated rules.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Prints the rule table of the regime in force, as citizens read it.
    Show {
        /// The language.
        #[arg(long, value_enum, default_value = "en")]
        language: Speech,
        /// The regime in force at this instant, such as 2020-12-14T09:00:00+04:00, instead of now.
        #[arg(long, value_name = "INSTANT")]
        at: Option<Timestamp>,
        /// Every regime, in the order of time.
        #[arg(long, conflicts_with = "at")]
        all: bool,
        /// Where the regimes are.
        #[command(flatten)]
        place: Place,
    },
    /// Checks every file, and that no two regimes overlap.
    Check {
        /// Where the regimes are.
        #[command(flatten)]
        place: Place,
    },
}

/// Where the regimes are.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// A directory of regimes, instead of the configuration's.
    dir: Option<PathBuf>,
    /// Else the configuration names it.
    #[command(flatten)]
    configured: Configured,
}

impl Place {
    fn load(&self) -> anyhow::Result<(PathBuf, Regimes)> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => self.configured.load()?.regime.dir,
        };
        let regimes = load_regimes(&dir)?;
        Ok((dir, regimes))
    }
}

/// Shows or checks.
///
/// # Errors
/// With every problem of the files.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut out = Output::new();
    match args {
        Args::Show { language, at, all, place } => {
            let (_, regimes) = place.load()?;
            let at = at.unwrap_or_else(|| Now::read().wall);
            show(&regimes, (*language).into(), (!all).then_some(at), &mut out)?;
        }
        Args::Check { place } => {
            let (dir, regimes) = place.load()?;
            for line in report(&dir, &regimes) {
                out.line(line)?;
            }
        }
    }
    Ok(out.finish()?)
}

fn show(
    regimes: &Regimes,
    language: Language,
    at: Option<Timestamp>,
    out: &mut Output,
) -> anyhow::Result<()> {
    let in_force = at.map(|at| (at, regimes.at(at)));
    let shown: Vec<&Regime> = match in_force {
        None => regimes.as_slice().iter().collect(),
        Some((_, Some(regime))) => vec![regime],
        Some((at, None)) => {
            out.line(format_args!("no regime is in force at {at}"))?;
            if let Some(next) = regimes.next_after(at) {
                out.line(format_args!("the next, {}, begins {}", next.id, local(next.from, &next.zone)))?;
            }
            return Ok(());
        }
    };
    for (index, regime) in shown.into_iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        out.line(rule_table(regime, language).trim_end())?;
    }
    Ok(())
}

/// What a sound directory holds, and the gaps in it, one a line.
pub(super) fn report(dir: &Path, regimes: &Regimes) -> Vec<String> {
    let dir = dir.display();
    let count = regimes.as_slice().len();
    let mut lines = vec![format!("{dir}: ok, {count} {}", if count == 1 { "regime" } else { "regimes" })];
    for Regime { id, from, until, zone, without_cluster, .. } in regimes.as_slice() {
        let until = until.map_or("without end".to_owned(), |until| format!("until {}", local(until, zone)));
        let stated =
            without_cluster.map_or(String::new(), |away| format!(", without_cluster {}", away.name()));
        lines.push(format!("  {id}: from {} {until}{stated}", local(*from, zone)));
    }
    for gap in regimes.gaps() {
        let from = gap.after.until.unwrap_or(gap.before.from);
        lines.push(format!(
            "{dir}: remark: no regime is in force from {} to {}, between {} and {}",
            local(from, &gap.after.zone),
            local(gap.before.from, &gap.before.zone),
            gap.after.id,
            gap.before.id
        ));
    }
    lines
}

/// An instant as the clock on the wall shows it.
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}
