//! What a run of chaos found, as tables for the terminal and for a file.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::faults::{Kind, Round};
use super::{Args, gateways, servers};
use crate::machine;
use crate::proof::reconcile::Verdict;
use crate::proof::witness::{Fate, Witness};

/// Of what is lost, and of what is doubled, so many lines are told.
const TOLD_MAX: usize = 20;

/// A run.
#[derive(Debug)]
pub(crate) struct Report {
    set_up: String,
    /// Each kind: how often, how often of these beside another, and the longest wait for an acknowledgement.
    kinds: Vec<(Kind, usize, usize, Duration)>,
    deliveries: u64,
    throttled: u64,
    /// What the gateways counted, as far as they could be asked: decisions undone, conflicts, calls without an answer.
    counted: (u64, u64, u64),
    /// From a text to its acknowledgement, in ms; the same where nothing was wrong; from a phone's first text to its first reply.
    waits: [(&'static str, Histogram<u64>); 3],
}

impl Report {
    pub(crate) fn new(
        args: &Args,
        rounds: &[Round],
        witness: &Witness,
        counted: (u64, u64, u64),
        took: Duration,
    ) -> anyhow::Result<Self> {
        let mut waits = [
            ("from text to acknowledgement", Histogram::new(3)?),
            ("the same, of texts that met no fault", Histogram::new(3)?),
            ("from a phone's first text to its first reply", Histogram::new(3)?),
        ];
        let mut longest = vec![Duration::ZERO; rounds.len()];
        for Fate { at, acked_at, heard_at } in witness.fates() {
            let [all, calm, replies] = &mut waits;
            let record = |waits: &mut (_, Histogram<u64>), to: Instant| {
                waits.1.record(u64::try_from(to.duration_since(at).as_millis()).unwrap_or(u64::MAX))
            };
            if let Some(acked_at) = acked_at {
                record(all, acked_at)?;
                let mut met = rounds
                    .iter()
                    .zip(&mut longest)
                    .filter(|(round, _)| at < round.to && acked_at > round.from)
                    .peekable();
                if met.peek().is_none() {
                    record(calm, acked_at)?;
                }
                met.for_each(|(_, longest)| *longest = acked_at.duration_since(at).max(*longest));
            }
            if let Some(heard_at) = heard_at {
                record(replies, heard_at)?;
            }
        }
        let kinds = Kind::ALL.map(|kind| {
            let of_kind = rounds.iter().zip(&longest).filter(|(round, _)| round.kinds.contains(&kind));
            let beside = of_kind.clone().filter(|(round, _)| round.kinds.len() > 1).count();
            let longest = of_kind.clone().map(|(_, longest)| *longest).max().unwrap_or_default();
            let count = rounds.iter().flat_map(|round| &round.kinds).filter(|&&other| other == kind).count();
            (kind, count, beside, longest)
        });
        Ok(Self {
            set_up: format!(
                "Version {}, seed {}: {} gateways, {} shards of {} Redis servers each, {} messages/s, {} documents; {} s in all",
                env!("CARGO_PKG_VERSION"),
                args.seed,
                gateways::COUNT,
                servers::SHARDS,
                1 + args.replicas,
                args.rate,
                args.documents,
                took.as_secs()
            ),
            kinds: kinds.to_vec(),
            deliveries: witness.deliveries,
            throttled: witness.throttled,
            counted,
            waits,
        })
    }

    fn faults(&self) -> Vec<Vec<String>> {
        let head = ["fault", "injected", "beside another", "longest wait, s"].map(str::to_owned).to_vec();
        let row = |(kind, count, beside, longest): &(Kind, usize, usize, Duration)| {
            let longest = format!("{:.1}", longest.as_secs_f64());
            vec![kind.name().to_owned(), count.to_string(), beside.to_string(), longest]
        };
        [head].into_iter().chain(self.kinds.iter().map(row)).collect()
    }

    fn figures(&self, verdict: &Verdict) -> Vec<Vec<String>> {
        let (undone, conflicts, unanswered) = self.counted;
        let rows = [
            ("messages", verdict.messages),
            ("delivered, every time counted", self.deliveries),
            ("put off by a retry status", self.throttled),
            ("acked", verdict.acked as u64),
            ("decided", verdict.decided as u64),
            ("granted", verdict.granted as u64),
            ("not granted: standing permits, refusals, help", (verdict.decided - verdict.granted) as u64),
            ("answered", verdict.answered as u64),
            ("expired", verdict.expired as u64),
            ("rejected, or undone", verdict.rejected as u64),
            ("seen twice", verdict.seen_twice),
            ("undone because a reservation was lost", undone),
            ("calls to the cluster without an answer", unanswered),
            ("conflicts counted by gateways", conflicts),
            ("conflicts counted by Redis and found in ledgers", verdict.conflicts as u64),
            ("**lost**", verdict.lost.len() as u64),
            ("**doubled**", verdict.doubled.len() as u64),
        ];
        let row = |(name, count): (&str, u64)| vec![name.to_owned(), count.to_string()];
        [vec!["what".to_owned(), "count".to_owned()]].into_iter().chain(rows.map(row)).collect()
    }

    fn times(&self) -> Vec<Vec<String>> {
        let head = ["wait, ms", "p50", "p90", "p99", "p99.9", "longest"].map(str::to_owned).to_vec();
        let row = |(name, waits): &(&str, Histogram<u64>)| {
            let at =
                [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| waits.value_at_quantile(quantile).to_string());
            [vec![(*name).to_owned()], at.to_vec()].concat()
        };
        [head].into_iter().chain(self.waits.iter().map(row)).collect()
    }

    fn verdict(verdict: &Verdict) -> String {
        let wrong = verdict.lost.len() + verdict.doubled.len();
        let mut text = if wrong == 0 {
            let but = match verdict.conflicts {
                0 => String::new(),
                conflicts => format!(" but for {conflicts} grants that are counted as conflicts"),
            };
            format!(
                "Verdict: nothing that was acknowledged was lost, nobody was granted more than the rules allow{but}, and every request\n\
                 was answered.\n"
            )
        } else {
            format!(
                "Verdict: **failed**, {} lost, {} doubled.\n\n",
                verdict.lost.len(),
                verdict.doubled.len()
            )
        };
        let lost = verdict.lost.iter().take(TOLD_MAX).map(|what| format!("* lost: {what}\n"));
        let doubled = verdict.doubled.iter().take(TOLD_MAX).map(|what| format!("* doubled: {what}\n"));
        text.extend(lost.chain(doubled));
        text
    }

    /// Prints how it ended.
    #[expect(clippy::print_stdout, reason = "the tables are the command's output")]
    pub(crate) fn print(&self, verdict: &Verdict) {
        println!("{}", self.set_up);
        for table in [self.faults(), self.figures(verdict), self.times()] {
            println!();
            for row in table {
                let (name, cells) = row.split_first().map_or(("", &[][..]), |(name, cells)| (name, cells));
                let cells: String = cells.iter().map(|cell| format!(" {cell:>14}")).collect();
                println!("{name:<60}{cells}");
            }
        }
        println!("\n{}", Self::verdict(verdict));
    }

    /// The same in Markdown, with how to repeat it.
    pub(crate) fn markdown(&self, verdict: &Verdict) -> String {
        let mut text = String::from(
            "# Chaos report\n\n\
             Three gateways share their allowances in a cluster of Redis, all on one machine. One operator is bound to all three\n\
             and texts the same persons through them at random: requests, repeats from the same and from other phones, junk,\n\
             binary, unknown documents and two-part messages. Whatever had no response, or was put off, is delivered again,\n\
             mostly through another gateway, and 3 in 100 of what had one too. Meanwhile something fails, sometimes two things at\n\
             once, for 0.3 to 4 s (some gateways hang for 11 to 14 s, longer than a reservation holds); what was killed is started\n\
             again, and the next fault waits until the cluster is whole, all gateways are ready and messages are acknowledged.\n\
             At the end everything is to be answered, the gateways end in order, and what the operator saw is held against the\n\
             three ledgers.\n\n\
             *acked*: message_ids that gateways gave out. *seen twice*: replies that came once more, with the same text.\n\
             *longest wait*: from the first delivery of a text that met such a fault to its acknowledgement, all deliveries\n\
             between them included. *lost*: acked without exactly one record of its phone, a part that lacks its decision, a reply due that\n\
             neither came nor ended, a reply without a record. *doubled*: one message decided twice by one gateway, two permits of\n\
             one person and purpose at once or more grants than the day's allowance in all ledgers together, but for those that\n\
             Redis holds as conflicts. What gateways counted is read before they are killed or end.\n\n",
        );
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        for table in [self.faults(), self.figures(verdict), self.times()] {
            for (place, row) in table.iter().enumerate() {
                text += &line(row);
                if place == 0 {
                    let columns =
                        (0..row.len()).map(|column| if column == 0 { "---" } else { "--:" }.to_owned());
                    text += &line(&columns.collect::<Vec<_>>());
                }
            }
            text.push('\n');
        }
        let _ = write!(text, "{}\n{}.\n\n", Self::verdict(verdict), self.set_up);
        text + "Command: `" + &machine::command() + "`\n\nMachine: " + &machine::line() + "\n"
    }
}
