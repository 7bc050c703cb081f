//! `icaze operator add`: asks what a bind sheet asks, writes it into the configuration, and prints the sheet to send.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use icaze_config::Problem;
use icaze_config::gateway::Settings;

use super::{Configured, Output, remark, replace};

/// Changes who may connect.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Asks what a bind sheet asks, writes the operator's section into the configuration, and prints the sheet to send.
    Add {
        /// What ledger, metrics and logs call it: at most 32 of a-z, 0-9, - and _.
        name: String,
        /// Answers a question beforehand: a key of docs/configuration.md and its value, such as `allow=192.0.2.0/24`.
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = answer)]
        answers: Vec<(String, String)>,
        /// Asks nothing: what is not set has its default.
        #[arg(long)]
        defaults: bool,
        /// Where it is written.
        #[command(flatten)]
        configured: Configured,
    },
}

/// How a value is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Switch,
    /// Texts, separated by commas.
    List,
}

/// A line of the bind sheet.
struct Question {
    key: &'static str,
    kind: Kind,
    /// What is asked, and what the sheet calls it.
    asks: &'static str,
    default: &'static str,
}

const fn question(key: &'static str, kind: Kind, asks: &'static str, default: &'static str) -> Question {
    Question { key, kind, asks, default }
}

const QUESTIONS: [Question; 19] = [
    question("role", Kind::Text, "who connects: listen (the operator), connect (we) or both", "listen"),
    question("allow", Kind::List, "addresses it may connect from, by commas; empty: any", ""),
    question("addresses", Kind::List, "HOST:PORT of its SMSC, by commas, where we connect", ""),
    question("system_id", Kind::Text, "system_id, 1 to 15 characters", ""),
    question("password", Kind::Text, "password, 1 to 8 characters; empty: one is made up", ""),
    question("system_type", Kind::Text, "system_type, at most 12 characters; empty: any", ""),
    question("binds", Kind::List, "kinds of bind, by commas", "transceiver,transmitter,receiver"),
    question("sessions", Kind::Number, "sessions that it may open", "256"),
    question("interface_version", Kind::Text, "version that our bind says: 3.3, 3.4 or 5.0", "3.4"),
    question("window_in", Kind::Number, "messages to us that may await our response, per session", "1000"),
    question("window_out", Kind::Number, "replies that may await its response, per session", "1000"),
    question("rate_in", Kind::Number, "messages/s from it; 0: no limit", "0"),
    question("rate_out", Kind::Number, "replies/s to it; 0: no limit", "0"),
    question("retry_status", Kind::Number, "the status that makes it send a message again later", "0x58"),
    question(
        "data_coding_0",
        Kind::Text,
        "what data_coding 0 means: gsm7, gsm7_packed, latin1, ascii or ucs2",
        "gsm7",
    ),
    question("registered_delivery", Kind::Number, "receipts that we ask its SMSC for: 0, 1 or 2", "0"),
    question("ranges", Kind::List, "prefixes of its numbers, by commas; empty: any", ""),
    question("outside_ranges", Kind::Text, "other numbers: take or refuse", "take"),
    question("tls", Kind::Switch, "in TLS: true or false", "false"),
];

/// Asks, checks, writes and prints.
///
/// # Errors
/// If the answers are not right, the operator is there already, or the file cannot be written. Nothing is changed then.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Args::Add { name, answers, defaults, configured } = args;
    let known = |key: &str| QUESTIONS.iter().any(|question| question.key == key);
    if let Some((key, _)) = answers.iter().find(|(key, _)| !known(key)) {
        anyhow::bail!("--set {key}: no question of the bind sheet; write it into the file");
    }
    let path = &configured.config;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let section = format!("[operators.{name}]");
    ensure!(
        !text.lines().any(|line| line.trim() == section),
        "{} has {section} already: change it there",
        path.display()
    );
    let given = |key: &str| answers.iter().find(|(given, _)| given == key).map(|(_, value)| value.clone());
    let mut sheet = Vec::new();
    for question in &QUESTIONS {
        let value = match given(question.key) {
            Some(value) => value,
            None if *defaults => question.default.to_owned(),
            None => ask(question)?,
        };
        let made_up = question.key == "password" && value.is_empty();
        sheet.push((question, if made_up { password()? } else { value }));
    }
    let text = format!("{}\n\n{section}\n{}", text.trim_end(), toml(&sheet));
    let problems = problems(path, name, &text);
    if !problems.is_empty() {
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        anyhow::bail!("{}\n{} is as it was", lines.join("\n"), path.display());
    }
    replace(path, |file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = Output::new();
    out.line(format_args!("Bind sheet: {name}\n"))?;
    for (question, value) in &sheet {
        let value = if question.key == "password" { "by telephone" } else { value };
        let value = if value.is_empty() { "-" } else { value };
        out.line(format_args!("{:<20} {:<40} {}", question.key, value, question.asks))?;
    }
    out.finish()?;
    remark(format_args!(
        "written to {}, with the password; the running gateway takes it on SIGHUP, without dropping anybody else",
        path.display()
    ));
    Ok(())
}

fn answer(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    pair.ok_or_else(|| format!("{text} is not KEY=VALUE"))
}

#[expect(clippy::print_stderr, reason = "a question is for the person who typed the command")]
fn ask(question: &Question) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let default = if question.default.is_empty() { "" } else { " " };
        eprint!(
            "{}{default}{}: ",
            question.asks,
            if default.is_empty() { String::new() } else { format!("[{}]", question.default) }
        );
        std::io::stderr().flush()?;
    }
    let mut line = String::new();
    ensure!(stdin.lock().read_line(&mut line)? > 0, "{}: no answer; give --set or --defaults", question.key);
    let line = line.trim();
    Ok(if line.is_empty() { question.default } else { line }.to_owned())
}

/// Eight letters and digits, none of which is taken for another.
fn password() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut drawn = [0; 8];
    aws_lc_rs::rand::fill(&mut drawn).map_err(|_| anyhow::anyhow!("the system has no random bytes"))?;
    let letters = drawn.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    Ok(letters.map(|&letter| char::from(letter)).collect())
}

/// The section's keys, without those that have their default.
fn toml(sheet: &[(&Question, String)]) -> String {
    let mut text = String::new();
    for (question, value) in sheet.iter().filter(|(question, value)| value != question.default) {
        let _ = writeln!(text, "{} = {}", question.key, written(question.kind, value));
    }
    text
}

/// A value as TOML has it.
fn written(kind: Kind, value: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.trim().to_owned()).to_string();
    match kind {
        Kind::Text => quoted(value),
        Kind::Number | Kind::Switch => value.to_owned(),
        Kind::List => {
            let items: Vec<String> =
                value.split(',').filter(|item| !item.trim().is_empty()).map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// What would be wrong with this operator, or with the file as a whole.
fn problems(path: &Path, name: &str, text: &str) -> Vec<Problem> {
    let mut settings = Settings::shipped();
    settings.file(&path.display().to_string(), text);
    settings.environment(std::env::vars_os());
    let (_, mut problems) = settings.inspect();
    let section = format!("operators.{name}");
    problems.retain(|problem| problem.key.is_empty() || problem.key.starts_with(&section));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_the_shipped_default() {
        let shipped: toml::Table = icaze_config::gateway::SHIPPED.parse().unwrap();
        let shipped = &shipped["operators"]["demo"];
        for question in QUESTIONS.iter().filter(|q| !["system_id", "password"].contains(&q.key)) {
            let said: toml::Table =
                format!("x = {}", written(question.kind, question.default)).parse().unwrap();
            assert_eq!(said["x"], shipped[question.key], "{}", question.key);
        }
    }

    #[test]
    fn what_differs_from_the_default_is_written_as_toml_has_it() {
        let sheet: Vec<(&Question, String)> = QUESTIONS
            .iter()
            .map(|question| {
                let value = match question.key {
                    "system_id" => "a\"b",
                    "allow" => "192.0.2.0/24, 2001:db8::1,",
                    "rate_in" => "500",
                    "tls" => "true",
                    _ => question.default,
                };
                (question, value.to_owned())
            })
            .collect();
        let text = toml(&sheet);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table.len(), 4, "{text}");
        assert_eq!(table["system_id"].as_str(), Some("a\"b"));
        assert_eq!(table["allow"].as_array().unwrap().len(), 2);
        assert_eq!((table["rate_in"].as_integer(), table["tls"].as_bool()), (Some(500), Some(true)));
        assert_eq!((password().unwrap().len(), password().unwrap() == password().unwrap()), (8, false));
    }
}
