//! `icaze serve`: the gateway.

use anyhow::Context as _;
use icaze_config::gateway::Config;
use tokio::signal::unix::{SignalKind, signal};

use crate::node::Node;

/// Runs the gateway until SIGTERM or Ctrl-C, which let it drain; a second one ends it at once.
///
/// # Errors
/// If it cannot start, or its ledger fails.
#[expect(clippy::print_stdout, reason = "the ready line is the command's output")]
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let node = Node::start(config).await?;
    println!("ready smpp={} http={}", node.smpp, node.http);
    tracing::info!(smpp = %node.smpp, http = %node.http, "ready");
    let failed = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = node.failed() => true,
    };
    tracing::info!("draining; once more ends at once");
    let stop = node.stop(if failed { std::time::Duration::ZERO } else { config.smpp.drain });
    tokio::select! {
        stopped = stop => stopped.context("stopped with an error"),
        _ = terminate.recv() => anyhow::bail!("ended before it was drained"),
        _ = interrupt.recv() => anyhow::bail!("ended before it was drained"),
    }
}
