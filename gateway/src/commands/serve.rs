//! `icaze serve`: the gateway.

use anyhow::Context as _;
use icaze_config::gateway::Config;
use tokio::signal::unix::{SignalKind, signal};

use super::Configured;
use crate::node::Node;
use crate::telemetry;

/// Runs the gateway until SIGTERM or Ctrl-C, which let it drain; a second one ends it at once. SIGHUP reads the configuration
/// and the certificates again.
///
/// # Errors
/// If it cannot start, or its ledger fails.
#[expect(clippy::print_stdout, reason = "the ready line is the command's output")]
pub async fn run(configured: &Configured) -> anyhow::Result<()> {
    let mut config = configured.load()?;
    telemetry::log(&config.log);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let node = Node::start(&config).await?;
    let secure = node.smpp_tls.map(|address| format!(" smpp_tls={address}")).unwrap_or_default();
    println!("ready smpp={} http={}{secure}", node.smpp, node.http);
    tracing::info!(smpp = %node.smpp, http = %node.http, "ready");
    let drain = config.smpp.drain;
    let failed = loop {
        tokio::select! {
            _ = terminate.recv() => break false,
            _ = interrupt.recv() => break false,
            _ = hangup.recv() => renew(&node, configured, &mut config),
            () = node.failed() => break true,
        }
    };
    tracing::info!("draining; once more ends at once");
    let stop = node.stop(if failed { std::time::Duration::ZERO } else { drain });
    tokio::select! {
        stopped = stop => stopped.context("stopped with an error"),
        _ = terminate.recv() => anyhow::bail!("ended before it was drained"),
        _ = interrupt.recv() => anyhow::bail!("ended before it was drained"),
    }
}

/// Takes the configuration as it is now, or, if anything is wrong with it, none of it.
fn renew(node: &Node, configured: &Configured, config: &mut Config) {
    match configured.load() {
        Ok(renewed) => {
            node.renew(&renewed, config);
            *config = renewed;
            tracing::info!("the configuration was read again");
        }
        Err(problems) => {
            for problem in &problems.0 {
                tracing::error!(%problem, "the configuration was not read again");
            }
        }
    }
}
