//! Officers who look permits up, at a steady rate, while the gateway decides.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde_json::json;

use super::plan::Documents;

/// Looks documents up over HTTP at a steady rate, and measures from when each should have been asked; fails unless all are answered.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's HTTP port.
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// A token of the scope inspector.
    #[arg(long, default_value = "demo-inspector")]
    token: String,
    /// Look-ups a second; the gateway's `http.rate` must allow them.
    #[arg(long, default_value_t = 40)]
    rate: u32,
    /// How many there are.
    #[arg(long, default_value_t = 400)]
    count: u32,
    /// The documents that are looked up.
    #[arg(long, value_name = "FIRST:COUNT", default_value = "AZE20000000:100000")]
    documents: Documents,
}

/// Looks them up.
#[expect(clippy::print_stdout, reason = "the figures are the command's output")]
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.rate > 0, "--rate is at least 1 look-up a second");
    let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let address = format!("http://{}/v1/lookups", args.target);
    let (mut micros, mut valid) = (Histogram::<u64>::new(3)?, 0_u32);
    let begin = Instant::now();
    for number in 0..args.count {
        let due = begin + Duration::from_secs(number.into()) / args.rate;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let document = args.documents.nth(number.into());
        let asked = json!({"by": "document", "value": document, "reason": "a load test"});
        let answer = client.post(&address).bearer_auth(&args.token).json(&asked).send()?;
        let status = answer.status();
        let told = answer.text()?;
        ensure!(status == 200, "look-up {number} was answered with {status}: {told}");
        valid += u32::from(told.contains("\"verdict\":\"valid\""));
        micros.record(due.elapsed().as_micros().try_into().context("a look-up took too long")?)?;
    }
    println!("look-ups        {}, {} a second, {valid} found valid", args.count, args.rate);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        println!("{name}             {:.2} ms", micros.value_at_quantile(quantile) as f64 / 1000.0);
    }
    Ok(())
}
