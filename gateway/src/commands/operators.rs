//! `icaze operators`: what the running gateway's binds do, and who was turned away.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Configured, Output};
use crate::control::client;
use crate::control::operators::{Event, OpenBind, Operator, Report};
use crate::smpp::unheard::Unheard;

/// Shows the running gateway's binds, windows, rates, last errors and refused bind attempts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    configured: Configured,
}

/// Asks the gateway that runs on this configuration's store.
///
/// # Errors
/// If none runs there.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let dir = args.configured.store_dir()?;
    let report: Report = client::get(&dir, "/operators").await?;
    let mut out = Output::new();
    if args.json {
        out.line(serde_json::to_string_pretty(&report)?)?;
    } else {
        for operator in &report.operators {
            tell(&mut out, operator)?;
        }
        refused(&mut out, &report)?;
    }
    Ok(out.finish()?)
}

fn tell(out: &mut Output, operator: &Operator) -> std::io::Result<()> {
    let Operator { name, waiting, parameters_refused, put_aside, binds, unheard, errors } = operator;
    let total = |rate: fn(&OpenBind) -> f64| binds.iter().map(rate).fold(0.0, |sum, rate| sum + rate);
    out.line(format_args!(
        "{name}: {} open, in {:.1}/s, out {:.1}/s, {waiting} {} waiting",
        counted(binds.len(), "bind", "binds"),
        total(|bind| bind.received.per_second),
        total(|bind| bind.sent.per_second),
        if *waiting == 1 { "reply" } else { "replies" },
    ))?;
    if !binds.is_empty() {
        row(
            out,
            [
                "#",
                "bind",
                "version",
                "peer",
                "since",
                "window in",
                "out",
                "in/s",
                "out/s",
                "put off in",
                "out",
            ],
        )?;
    }
    for bind in binds {
        row(
            out,
            [
                &bind.number.to_string(),
                &bind.kind,
                &bind.version,
                &bind.address,
                &moment(bind.since),
                &format!("{}/{}", bind.window_in.used, bind.window_in.size),
                &format!("{}/{}", bind.window_out.used, bind.window_out.size),
                &format!("{:.1}", bind.received.per_second),
                &format!("{:.1}", bind.sent.per_second),
                &bind.received.throttled.to_string(),
                &bind.sent.throttled.to_string(),
            ],
        )?;
    }
    counts(out, "optional parameters refused", parameters_refused)?;
    counts(out, "texts put aside", put_aside)?;
    told(out, *unheard)?;
    events(out, errors)
}

fn counts(out: &mut Output, what: &str, counts: &BTreeMap<String, u64>) -> std::io::Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    out.line(format_args!("  {what}: {}", counts.join(", ")))
}

/// How the operator answers our replies, where there is something to say.
fn told(out: &mut Output, unheard: Unheard) -> std::io::Result<()> {
    let Unheard { unanswered, since, held, copied, unconfirmed, receipts_aside } = unheard;
    if let Some(since) = since.filter(|_| unanswered > 0) {
        let replies = counted(unanswered as usize, "reply", "replies");
        out.line(format_args!("  {replies} unanswered in a row, since {}", moment(since)))?;
    }
    if held > 0 {
        let copies = counted(held, "copy", "copies");
        out.line(format_args!("  {copies} held back until it answers a reply"))?;
    }
    if copied > 0 || unconfirmed > 0 {
        let copies = counted(copied as usize, "copy", "copies");
        let replies = counted(unconfirmed as usize, "reply", "replies");
        out.line(format_args!("  {copies} sent of replies that it had not answered; {replies} unconfirmed"))?;
    }
    if receipts_aside > 0 {
        let receipts = counted(receipts_aside as usize, "receipt", "receipts");
        out.line(format_args!("  {receipts} put aside, of no reply that awaits one; see receipt_ids"))?;
    }
    Ok(())
}

fn refused(out: &mut Output, report: &Report) -> std::io::Result<()> {
    if report.refused.is_empty() {
        return out.line("no bind was refused");
    }
    out.line("refused binds:")?;
    if report.refused_before > 0 {
        out.line(format_args!("  {} before these", report.refused_before))?;
    }
    events(out, &report.refused)
}

fn events(out: &mut Output, events: &[Event]) -> std::io::Result<()> {
    for Event { what, address, first, last, count } in events {
        let times =
            if *count == 1 { String::new() } else { format!(", {count} times since {}", moment(*first)) };
        out.line(format_args!("  {}  {address}  {what}{times}", moment(*last)))?;
    }
    Ok(())
}

fn row(out: &mut Output, cells: [&str; 11]) -> std::io::Result<()> {
    let [number, kind, version, peer, since, window_in, window_out, rate_in, rate_out, off_in, off_out] =
        cells;
    out.line(format_args!(
        "  {number:>3} {kind:<11} {version:<7} {peer:<21} {since:<20} {window_in:>11} {window_out:>9} {rate_in:>8} \
         {rate_out:>8} {off_in:>10} {off_out:>5}"
    ))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// In whole seconds.
fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}
