//! What a run of kills found, as a table for the terminal and for a file.

use std::fmt::Write as _;
use std::time::Duration;

use crate::machine;
use crate::proof::reconcile::Verdict;

/// Of what is lost, and of what is doubled, so many lines are told.
const TOLD_MAX: usize = 20;
const COLUMNS: [&str; 11] = [
    "kills",
    "messages",
    "acked",
    "decided",
    "granted",
    "answered",
    "expired",
    "rejected",
    "seen twice",
    "lost",
    "doubled",
];

/// A run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<[String; COLUMNS.len()]>,
    /// Kills that came before the ready line.
    pub(crate) early: u64,
    /// Responses that asked to come again later.
    pub(crate) throttled: u64,
    /// The longest start.
    pub(crate) start_max: Duration,
    /// The whole run.
    pub(crate) seconds: u64,
}

impl Report {
    /// Prints one look at the ledger, and keeps it.
    #[expect(clippy::print_stdout, reason = "the table is the command's output")]
    pub(crate) fn row(&mut self, kills: u64, verdict: &Verdict) {
        let row = [
            kills.to_string(),
            verdict.messages.to_string(),
            verdict.acked.to_string(),
            verdict.decided.to_string(),
            verdict.granted.to_string(),
            verdict.answered.to_string(),
            verdict.expired.to_string(),
            verdict.rejected.to_string(),
            verdict.seen_twice.to_string(),
            verdict.lost.len().to_string(),
            verdict.doubled.len().to_string(),
        ];
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>10}")).collect();
            cells.join(" ")
        };
        if self.rows.is_empty() {
            println!("{}", line(&COLUMNS.map(str::to_owned)));
        }
        println!("{}", line(&row));
        self.rows.push(row);
    }

    fn wrong(verdict: &Verdict) -> Vec<String> {
        let lost = verdict.lost.iter().map(|what| format!("lost: {what}"));
        let doubled = verdict.doubled.iter().map(|what| format!("doubled: {what}"));
        lost.take(TOLD_MAX).chain(doubled.take(TOLD_MAX)).collect()
    }

    fn notes(&self) -> String {
        format!(
            "{} kills before the gateway was ready; longest start {} ms; {} messages throttled; {} s in all",
            self.early,
            self.start_max.as_millis(),
            self.throttled,
            self.seconds
        )
    }

    /// Prints how it ended, below the rows.
    #[expect(clippy::print_stdout, reason = "the table is the command's output")]
    pub(crate) fn print(&self, verdict: &Verdict) {
        println!("{}", self.notes());
        for line in Self::wrong(verdict) {
            println!("{line}");
        }
    }

    /// The same in Markdown, with how to repeat it.
    pub(crate) fn markdown(&self, verdict: &Verdict) -> String {
        let mut text = String::from(
            "# Kill report\n\n\
             The gateway is killed with SIGKILL at random instants of its start and of its work, restarted on the same store,\n\
             and loaded over SMPP all the while: requests, repeats from the same and from other phones, junk, binary, unknown\n\
             documents and two-part messages; whatever had no response is delivered again on another bind, and 3 in 100 of what\n\
             had one too. What the operator saw is then held against the ledger. Each row is one look, and counts from the start.\n\n\
             *acked*: message_ids that the gateway gave out. *seen twice*: replies that came once more, with the same text: after\n\
             a kill between a reply and its response, and to a message that was delivered again. *lost*: acked without exactly one\n\
             record of its phone, a part that lacks its decision, a reply due that neither came nor ended, a reply without a record.\n\
             *doubled*: one message decided twice, two permits of one person and purpose at once, more grants than the day's\n\
             allowance.\n\n",
        );
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text += &line(&COLUMNS.map(str::to_owned));
        text += &line(&COLUMNS.map(|_| "--:".to_owned()));
        self.rows.iter().for_each(|row| text += &line(row));
        let _ = write!(text, "\n{}.\n\n", self.notes());
        Self::wrong(verdict).iter().for_each(|wrong| text += &format!("* {wrong}\n"));
        text + "Command: `" + &machine::command() + "`\n\nMachine: " + &machine::line() + "\n"
    }
}
