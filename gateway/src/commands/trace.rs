//! `icaze trace OPERATOR`: the PDUs of one operator, as they pass through the running gateway.

use std::time::Duration;

use super::{Configured, Output, remark};
use crate::control::client;
use crate::control::trace::{Ask, Seen};

/// How often the gateway is asked.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows one operator's PDUs as they pass through the running gateway, until it is interrupted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name in the configuration.
    operator: String,
    /// Shows numbers and texts too. The gateway logs that somebody did.
    #[arg(long)]
    show_texts: bool,
    /// Ends after so many PDUs.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    configured: Configured,
}

/// Asks the gateway that runs on this configuration's store, again and again.
///
/// # Errors
/// If none runs there, it has no such operator, or somebody else begins a trace.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let dir = args.configured.store_dir()?;
    let mut ask = Ask { operator: args.operator, shows: args.show_texts, viewer: None };
    let mut left = args.count.unwrap_or(usize::MAX);
    while left > 0 {
        let seen: Seen = client::post(&dir, "/trace", &ask).await?;
        if ask.viewer.is_none() {
            remark(format_args!("tracing {}; interrupt to end", ask.operator));
        }
        ask.viewer = Some(seen.viewer);
        let mut out = Output::new();
        for line in seen.lines.iter().take(left) {
            out.line(line)?;
        }
        out.finish()?;
        left = left.saturating_sub(seen.lines.len());
        if seen.lost > 0 {
            remark(format_args!("{} more PDUs than could be kept", seen.lost));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
