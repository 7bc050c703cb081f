//! `icaze sms`: one text through a running gateway, as an operator would deliver it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use icaze_codec::pdu::{BindKind, Credentials};
use icaze_codec::session::SessionConfig;

use super::remark;
use crate::smpp::client::{Client, Incoming};

/// How long the reply is awaited.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long another one is awaited after one that came before the response to the text. As after a crash, that is the reply to
/// an earlier text, unless that was the same.
const AFTER_EARLIER: Duration = Duration::from_secs(1);

/// Sends one SMS through a running gateway's SMPP port and prints the reply.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The phone that texts, such as +994501234567.
    #[arg(long, value_name = "MSISDN")]
    from: String,
    /// What it texts.
    text: String,
    /// The gateway's SMPP port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:2775")]
    server: String,
    /// The operator's account.
    #[arg(long, default_value = "demo")]
    system_id: String,
    /// Its password.
    #[arg(long, default_value = "demo1234", env = "ICAZE_SMS_PASSWORD", hide_env_values = true)]
    password: String,
    /// The short number that is texted.
    #[arg(long, value_name = "SHORT", default_value = "8103")]
    to: String,
}

/// Texts and waits for the reply to this phone; replies to others that share the account are left to them.
///
/// # Errors
/// If the gateway cannot be reached, refuses, or sends no reply within ten seconds.
#[expect(clippy::print_stdout, reason = "the reply is the command's output")]
pub async fn run(args: Args) -> anyhow::Result<()> {
    let reply = tokio::time::timeout(PATIENCE, exchange(&args)).await;
    let (reply, took) =
        reply.with_context(|| format!("no reply from {} within {} s", args.server, PATIENCE.as_secs()))??;
    println!("{reply}");
    remark(format_args!("answered after {:.1} ms", 1000.0 * took.as_secs_f64()));
    Ok(())
}

/// The reply, and how long after the text it came.
async fn exchange(args: &Args) -> anyhow::Result<(String, Duration)> {
    let credentials =
        Credentials { system_id: &args.system_id, password: &args.password, ..Credentials::default() };
    let mut client = Client::bind(
        &args.server,
        BindKind::Transceiver,
        &credentials,
        SessionConfig::default(),
        Some(&args.from),
    )
    .await?;
    // The process's number tells the parts of one call from another's.
    let reference = u8::try_from(std::process::id() & 0xFF).unwrap_or_default();
    let began = Instant::now();
    let mut unanswered = client.text(&args.from, &args.to, &args.text, reference, 0)?;
    let mut earlier = None;
    let answered = loop {
        let patience = if unanswered == 0 && earlier.is_some() { AFTER_EARLIER } else { PATIENCE };
        match tokio::time::timeout(patience, client.next()).await {
            // The text is the one that the earlier reply was for.
            Err(_) => break earlier.context("no reply")?,
            Ok(incoming) => match incoming? {
                Incoming::Response { status: Some(status), .. } if !status.is_ok() => {
                    bail!("the gateway refused the text: {} ({:#x})", status.name(), status.0);
                }
                Incoming::Response { .. } => unanswered = unanswered.saturating_sub(1),
                Incoming::Reply { text, .. } if unanswered > 0 => earlier = Some((text, began.elapsed())),
                Incoming::Reply { text, .. } => break (text, began.elapsed()),
                Incoming::Closed(reason) => bail!("the gateway closed the session: {reason}"),
                _ => {}
            },
        }
    };
    client.unbind();
    while !matches!(client.next().await, Ok(Incoming::Closed(_)) | Err(_)) {}
    Ok(answered)
}
