//! `icaze explain`: the whole story of one decision, from its record and the records that refer to it.

use std::fmt::Display;

use anyhow::Context as _;
use icaze_config::regime::Regimes;
use icaze_store::ledger::{
    self, Channel, Decision, Entry, Facts, Mark, MasterKey, Record, RegimeRef, Visible,
};
use icaze_store::{Outcome, Reason};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::regime::local;
use super::{Configured, Output, remark, told};
use crate::permit::code::Code;
use crate::world::load_regimes;

/// Tells the whole story of one decision: request, facts, rule, permit, reply and delivery.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The number of the decision's record, or the code of a permit, however it is spelt.
    #[arg(value_name = "SEQ|CODE")]
    wanted: String,
    #[command(flatten)]
    configured: Configured,
}

/// Reads the ledger, also while the gateway writes it.
///
/// # Errors
/// If there is no such decision, or the ledger cannot be read.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    let wanted = Wanted::of(&args.wanted)?;
    let storage = super::ledger::open(&config.store.dir)?;
    let key = match MasterKey::load(&config.store.key_file) {
        Err(error) if wanted.iter().all(Wanted::needs_key) => {
            return Err(error).context("without the store's key no permit is found by its code");
        }
        Err(error) => {
            remark(format_args!("without personal fields: {error}"));
            None
        }
        Ok(key) => Some(key),
    };
    let regimes = load_regimes(&config.regime.dir);
    let regimes = regimes.map_err(|error| remark(told(&error))).ok();
    for wanted in wanted {
        let mut story = Story::new(wanted, regimes.as_ref());
        ledger::read(&storage, key.as_ref(), |record, visible| story.hear(record, visible))?;
        if story.seq.is_some() {
            return story.tell();
        }
    }
    anyhow::bail!(
        "{}: {} has no such decision; look at its spelling, and at store.dir",
        args.wanted,
        config.store.dir.display()
    )
}

/// What a decision is looked for by.
#[derive(Clone, Copy)]
enum Wanted {
    Seq(u64),
    Code(Code),
}

impl Wanted {
    /// What was typed may be either: eight digits can be a code.
    fn of(typed: &str) -> anyhow::Result<Vec<Self>> {
        let seq = typed.trim().parse().ok().map(Self::Seq);
        match (seq, typed.parse().map(Self::Code)) {
            (None, Err(error)) => {
                anyhow::bail!("{typed}: {error}; write the code as in the reply, or the number of a record")
            }
            (seq, code) => Ok(seq.into_iter().chain(code).collect()),
        }
    }

    fn needs_key(&self) -> bool {
        matches!(self, Self::Code(_))
    }

    fn is(self, record: &Record<'_>) -> bool {
        match (self, &record.entry) {
            (Self::Seq(seq), _) => record.seq == seq,
            (
                Self::Code(code),
                Entry::Decision(Decision { outcome: Outcome::Granted, permit: Some(permit), .. }),
            ) => permit.code == code.as_u64(),
            (Self::Code(_), _) => false,
        }
    }
}

/// What has been heard so far of a decision, as it will be told.
struct Story<'a> {
    wanted: Wanted,
    regimes: Option<&'a Regimes>,
    /// The decision's record, once it was met.
    seq: Option<u64>,
    /// Where the regime counts its hours.
    zone: TimeZone,
    lines: Vec<String>,
    /// A reply was due, and what became of it is not known yet.
    waiting: bool,
    granted: bool,
}

impl<'a> Story<'a> {
    fn new(wanted: Wanted, regimes: Option<&'a Regimes>) -> Self {
        let (zone, lines) = (TimeZone::UTC, Vec::new());
        Self { wanted, regimes, seq: None, zone, lines, waiting: false, granted: false }
    }

    fn hear(&mut self, record: &Record<'_>, visible: Visible) {
        match (self.seq, &record.entry) {
            (None, entry) if self.wanted.is(record) => {
                self.seq = Some(record.seq);
                match entry {
                    Entry::Decision(decision) => self.decision(record, decision, visible),
                    other => self.say("record", format_args!("{}: {}", record.seq, other_kind(other))),
                }
            }
            (Some(seq), Entry::Mark(mark, of)) if of.contains(&seq) => self.mark(record, *mark),
            (Some(seq), Entry::Revocation(of)) if *of == seq => {
                self.say(
                    "revoked",
                    format_args!("{}, record {}; why: icaze audit", self.at(record.decided_at), record.seq),
                );
            }
            (Some(seq), Entry::Decision(later)) if later.refers_to == Some(seq) => {
                let what = if later.outcome == Outcome::Repeated { "asked again" } else { "answered" };
                let told = later.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
                let (at, outcome) = (self.at(record.decided_at), later.outcome);
                self.say(what, format_args!("{at}, record {}: {outcome}{told}", record.seq));
            }
            (Some(seq), Entry::Decision(later)) if later.parts.contains(&seq) => {
                self.say("joined", format_args!("{}, record {}", self.at(record.decided_at), record.seq));
            }
            _ => {}
        }
    }

    fn decision(&mut self, record: &Record<'_>, decision: &Decision<'_>, visible: Visible) {
        let hash = decision.regime.and_then(|regime| Some((regime, self.regimes?.get(regime.id)?)));
        if let Some((_, loaded)) = hash {
            self.zone = loaded.zone.clone();
        }
        self.say("record", format_args!("{} of node {}", record.seq, record.node));
        self.say("received", self.at(record.received_at));
        self.say("decided", self.at(record.decided_at));
        self.request(decision, visible);
        self.ruling(decision);
        self.permit(decision, visible);
        self.reply(decision, visible);
    }

    fn request(&mut self, decision: &Decision<'_>, visible: Visible) {
        let Decision { operator, .. } = decision;
        let channel = match decision.channel {
            Channel::Sms => "SMS",
            Channel::Test => "a test",
        };
        let digits = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
        let from = if visible.person { digits(decision.from.digits) } else { HIDDEN.to_owned() };
        self.say(
            "channel",
            format_args!("{channel} by operator {operator}, from {from} to {}", digits(decision.to.digits)),
        );
        if !decision.parts.is_empty() {
            self.say("parts", format_args!("joined from records {:?} and this one", decision.parts));
        }
        if let Some(purpose) = decision.purpose {
            let document = decision.document.filter(|_| visible.person).map(|document| document.to_string());
            self.say(
                "request",
                format_args!("purpose {purpose}, document {}", document.as_deref().unwrap_or(HIDDEN)),
            );
        }
        if visible.text && !decision.text.is_empty() {
            self.say("text", format_args!("{:?}", decision.text));
        }
    }

    fn ruling(&mut self, decision: &Decision<'_>) {
        if decision.purpose.is_some() {
            let generation = decision.register;
            self.say(
                "register",
                if generation == 0 {
                    "a CSV file (generation 0)".to_owned()
                } else {
                    format!("generation {generation}")
                },
            );
        }
        match &decision.facts {
            Some(facts) => self.say("facts", facts_in_words(facts)),
            None if decision.purpose.is_some() => {
                self.say("facts", "none: nobody was found, or no regime was in force")
            }
            None => {}
        }
        match decision.regime {
            Some(regime) => self.say("regime", regime_in_words(regime, self.regimes)),
            None => self.say("regime", "none was in force"),
        }
        let reason = decision.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
        self.say("outcome", format_args!("{}{reason}", decision.outcome));
        self.say("rule", why(decision.reason));
        if let Some(again) = decision.again {
            let asks = decision.outcome == Outcome::Help;
            self.say(if asks { "asks until" } else { "again from" }, self.at(again));
        }
        if let Some(earlier) = decision.refers_to.filter(|_| decision.outcome != Outcome::Repeated) {
            self.say(
                "answers",
                format_args!("record {earlier}: `icaze explain {earlier}` tells what it asked"),
            );
        } else if let Some(earlier) = decision.refers_to {
            self.say(
                "repeats",
                format_args!("record {earlier}: `icaze explain {earlier}` tells of its permit"),
            );
        }
    }

    fn permit(&mut self, decision: &Decision<'_>, visible: Visible) {
        self.granted = decision.outcome == Outcome::Granted;
        let Some(permit) = &decision.permit else { return };
        let code = Code::from_u64(permit.code).filter(|_| visible.person);
        let code = code.map_or(HIDDEN.to_owned(), |code| code.to_string());
        self.say("permit", format_args!("{code}, of the allowance of {}", permit.day));
        for interval in &*permit.intervals {
            self.say(
                "holds",
                format_args!("from {} until {}", self.at(interval.start), self.at(interval.end)),
            );
        }
    }

    fn reply(&mut self, decision: &Decision<'_>, visible: Visible) {
        let Some(reply) = &decision.reply else { return self.say("reply", "none is due") };
        let text = if visible.person { reply.text } else { HIDDEN };
        self.say(
            "reply",
            format_args!("{text} ({}, of use until {})", reply.language.name(), self.at(reply.expires_at)),
        );
        self.waiting = true;
    }

    fn mark(&mut self, record: &Record<'_>, mark: Mark) {
        self.waiting = false;
        let returned = if self.granted { "; the permit ended and the allowance returned" } else { "" };
        let became = match mark {
            Mark::Sent => "sent: the operator took it".to_owned(),
            Mark::Delivered => "delivered: the handset has it".to_owned(),
            Mark::Expired => "expired: its time of use passed before it was known to be sent".to_owned(),
            Mark::Undelivered => format!("undelivered: refused for good, or never sent in time{returned}"),
            Mark::Rejected => "rejected: the operator refused it for good".to_owned(),
            Mark::Unconfirmed => {
                "unconfirmed: sent as often as it may be, and the operator said nothing; a permit stands"
                    .to_owned()
            }
        };
        self.say("delivery", format_args!("{}, {became}", self.at(record.decided_at)));
    }

    fn at(&self, at: Timestamp) -> String {
        local(at, &self.zone)
    }

    fn say(&mut self, what: &str, told: impl Display) {
        self.lines.push(format!("{what:<12} {told}"));
    }

    fn tell(mut self) -> anyhow::Result<()> {
        if self.waiting {
            self.say("delivery", "waiting, or on its way");
        }
        let mut out = Output::new();
        for line in self.lines {
            out.line(line)?;
        }
        Ok(out.finish()?)
    }
}

/// In place of what cannot be read.
const HIDDEN: &str = "(needs the key)";

fn other_kind(entry: &Entry<'_>) -> String {
    match entry {
        Entry::Decision(_) => "a decision".to_owned(),
        Entry::Part(part) => format!("part {} of {} of a message", part.number, part.total),
        Entry::Mark(mark, of) => format!("what became of the replies of records {of:?}: {mark:?}"),
        Entry::Revocation(of) => format!("the permit of record {of} was revoked"),
        Entry::Receiver(operator, true) => format!("a bind of {operator} that takes replies opened"),
        Entry::Receiver(operator, false) => format!("the last bind of {operator} that takes replies closed"),
        Entry::Start => "the node opened its ledger".to_owned(),
        Entry::Stop => "the node closed its ledger in order".to_owned(),
    }
}

fn facts_in_words(facts: &Facts<'_>) -> String {
    let names = ["under isolation", "lately arrived", "exempt", "deceased", "blocked from this purpose"];
    let flags =
        names.iter().enumerate().filter(|(bit, _)| facts.flags >> bit & 1 == 1).map(|(_, name)| *name);
    let mut words = vec![
        format!("region {}", facts.region),
        format!("aged {} to {}", facts.age_band, facts.age_band.saturating_add(9)),
    ];
    words.extend(flags.map(str::to_owned));
    words.join(", ")
}

fn regime_in_words(regime: RegimeRef<'_>, regimes: Option<&Regimes>) -> String {
    let now = match regimes.and_then(|regimes| regimes.get(regime.id)) {
        None => "its file is not loaded now",
        Some(loaded) if loaded.hash() == regime.hash => "as loaded now",
        Some(_) => "NOT as loaded now: the file has been changed since",
    };
    format!("{}, hash {:016x}, {now}", regime.id, regime.hash)
}

/// The rule that decided, in words.
const fn why(reason: Option<Reason>) -> &'static str {
    match reason {
        None => "every check passed: document, area, person, hours and quotas",
        Some(Reason::Standing) => {
            "a permit for the same person and purpose stands, and this phone asked for it: told again, nothing spent"
        }
        Some(Reason::OtherPhone) => {
            "a permit for the same person and purpose stands, and another phone asked for it: neither times nor code are told"
        }
        Some(Reason::UnknownDocument) => "the register has no document with this serial",
        Some(Reason::DocumentExpired) => "the document's last day of validity has passed",
        Some(Reason::DocumentLost) => "the document was reported lost",
        Some(Reason::DocumentInvalid) => {
            "the document was revoked, its holder is deceased, or the regime does not accept its series"
        }
        Some(Reason::Age) => "the holder has more completed years than the purpose allows",
        Some(Reason::StayHome) => {
            "the holder is under isolation or has lately arrived, and must stay at home"
        }
        Some(Reason::Blocked) => "the holder is blocked from this purpose",
        Some(Reason::Quota) => "the holder's allowance for the purpose is used up",
        Some(Reason::Hours) => "it is outside the purpose's hours, or too little of them is left",
        Some(Reason::PurposeUnknown) => "the regime has no purpose with this digit",
        Some(Reason::Area) => "the holder is registered where no permit is needed",
        Some(Reason::NoRegime) => "no regime was in force, so nobody needed a permit",
        Some(Reason::Unreadable) => "nothing in the text looks like a request",
        Some(Reason::NoPurpose) => "the text has a document but no purpose",
        Some(Reason::NoDocument) => "the text has a purpose but no document",
        Some(Reason::WrongLength) => "the serial has a known series, but too many or too few digits",
        Some(Reason::Fin) => "the text has the personal code (FIN) instead of the document's serial",
        Some(Reason::TwoDocuments) => "the text has more than one document",
        Some(Reason::Example) => "the serial is the one of the examples",
        Some(Reason::TwoPurposes) => "the text has a document and more than one purpose",
        Some(Reason::Series) => {
            "the text has a number as long as a serial's, and no series that could be read"
        }
        Some(Reason::Passport) => "the text has the number of a passport or of a certificate",
        Some(Reason::Later) => "the text asks for a permit for another day",
        Some(Reason::Forwarded) => "the text is a reply of ours that came back",
        Some(Reason::Confirm) => {
            "the text has a purpose and a serial that the citizen has to confirm, because it could be read otherwise"
        }
        Some(Reason::Incomplete) => "parts of the text never came",
        Some(Reason::Binary) => "the message is no text",
        Some(Reason::Phone) => "the phone is beyond its limit: one notice, then silence",
        Some(Reason::Guesses) => {
            "the phone texted too many serials that the register lacks: told once, then silence for others than its own"
        }
        Some(Reason::Loop) => "the sender is a short code or a name, which an answer could set off again",
        Some(Reason::Receipt) => "the message is a delivery receipt",
    }
}
