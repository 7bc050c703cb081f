//! `compare`: the figures of two reports side by side.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::figures::Figures;

/// Two reports.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of a report, or its figures.json.
    #[arg(value_name = "REPORT")]
    before: PathBuf,
    /// Another one.
    #[arg(value_name = "OTHER")]
    after: PathBuf,
    /// Differences up to so many percent are not marked: timings of the same program differ by that.
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    noise: f64,
}

/// One figure of both.
struct Row {
    name: &'static str,
    before: f64,
    after: f64,
}

#[expect(clippy::print_stdout, reason = "the comparison is the command's output")]
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    for (name, figures) in [("A", &before), ("B", &after)] {
        println!("{name}: {} ({})", figures.command, figures.machine);
    }
    println!("{:<24} {:>14} {:>14} {:>8}", "", "A", "B", "B/A");
    for row in rows(&before, &after) {
        println!("{}", row.line(args.noise));
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Figures> {
    let path = if path.is_dir() { path.join("figures.json") } else { path.to_owned() };
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} holds no figures of a run", path.display()))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far from 2^53")]
fn rows(before: &Figures, after: &Figures) -> Vec<Row> {
    type Of = fn(&Figures) -> Option<f64>;
    let all: [(&str, Of); 14] = [
        ("messages/s", |f| Some(f.messages_per_second)),
        ("gateway CPU, us/message", |f| f.gateway_cpu_us),
        ("generator CPU, us/message", |f| Some(f.generator_cpu_us)),
        ("acks, p50 ms", |f| Some(f.acks_ms.p50)),
        ("acks, p99 ms", |f| Some(f.acks_ms.p99)),
        ("replies, p50 ms", |f| Some(f.replies_ms.p50)),
        ("replies, p99 ms", |f| Some(f.replies_ms.p99)),
        ("replies, p99.9 ms", |f| Some(f.replies_ms.p999)),
        ("replies, max ms", |f| Some(f.replies_ms.max)),
        ("valid, p99 ms", |f| Some(f.valid_ms.p99)),
        ("junk, p99 ms", |f| Some(f.junk_ms.p99)),
        ("grants, %", |f| Some(f.grants_percent)),
        ("throttled", |f| Some(f.throttled as f64)),
        ("unanswered", |f| Some(f.unanswered as f64)),
    ];
    let row = |(name, of): (&'static str, Of)| Some(Row { name, before: of(before)?, after: of(after)? });
    all.into_iter().filter_map(row).collect()
}

impl Row {
    /// The figures, their ratio, and an asterisk where that is beyond the noise.
    fn line(&self, noise: f64) -> String {
        let Self { name, before, after } = self;
        let ratio = if *before > 0.0 { after / before } else { f64::NAN };
        let beyond = before != after && (ratio.is_nan() || (ratio - 1.0).abs() > noise / 100.0);
        let ratio = if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.2}") };
        format!("{name:<24} {before:>14.3} {after:>14.3} {ratio:>8}{}", if beyond { " *" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_noise_is_marked() {
        let line = |before, after| Row { name: "x", before, after }.line(10.0);
        assert!(line(100.0, 109.0).ends_with("1.09"));
        assert!(line(100.0, 111.0).ends_with("1.11 *"));
        assert!(line(100.0, 50.0).ends_with("0.50 *"));
        assert!(line(0.0, 0.0).ends_with('-'));
        assert!(line(0.0, 3.0).ends_with("- *"));
    }
}
