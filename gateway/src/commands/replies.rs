//! `icaze replies`: what citizens read, each text at its longest.

use std::collections::HashSet;

use icaze_store::ledger::Language;

use super::{Configured, Output, Speech};
use crate::permit::reply::Form;
use crate::world::{Contacts, Words, load_regimes, load_texts};

/// Prints every reply text in every language at its longest, with its length and the length of one message.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this language.
    #[arg(long, value_enum)]
    language: Option<Speech>,
    #[command(flatten)]
    configured: Configured,
}

/// Prints them, with the words of each regime.
///
/// # Errors
/// If the configuration, the regimes or the texts are not right. A text that is too long is shown so.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    let regimes = load_regimes(&config.regime.dir)?;
    let texts = load_texts(&config.replies)?;
    let contacts = Contacts::of(&config.replies);
    let languages = match args.language {
        Some(language) => vec![language.into()],
        None => vec![Language::Az, Language::En, Language::Ru],
    };
    let mut out = Output::new();
    row(&mut out, ["text", "language", "form", "length", "limit"], "at its longest")?;
    let mut printed = HashSet::new();
    for &language in &languages {
        for regime in regimes.as_slice() {
            for line in Words::of(regime, language).longest(&texts, language, &contacts) {
                let form = line.form.map_or("TOO LONG", Form::name);
                let cells =
                    [line.key, language.name(), form, &line.units.to_string(), &line.units_max.to_string()];
                if printed.insert((line.key, line.text.clone())) {
                    row(&mut out, cells, &line.text)?;
                }
            }
        }
    }
    Ok(out.finish()?)
}

fn row(out: &mut Output, [key, language, form, units, limit]: [&str; 5], text: &str) -> std::io::Result<()> {
    out.line(format_args!("{key:<17} {language:<8} {form:<11} {units:>6} {limit:>5}  {text}"))
}
