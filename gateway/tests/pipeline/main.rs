//! The pipeline as an operator's texts meet it, one story a test; restarts through a ledger in memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod asking;
mod parts;
mod questions;
mod shared;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use icaze_codec::text::Part;
use icaze_config::gateway::{Config, Settings};
use icaze_config::regime::Regimes;
use icaze_config::replies::Texts;
use icaze_gateway::clock::Now;
use icaze_gateway::permit::code::{Code, CodeKey};
use icaze_gateway::pipeline::checkpoint::Snapshot;
use icaze_gateway::pipeline::codes::Codes;
use icaze_gateway::pipeline::intake::{Body, Intake};
use icaze_gateway::pipeline::outbox::Verdict;
use icaze_gateway::pipeline::{self, Operator, Pipeline};
use icaze_gateway::world::{Contacts, World};
use icaze_store::Msisdn;
use icaze_store::ledger::{Address, Batch, FaultyStorage, Ledger, Mark, MasterKey, Options};
use icaze_store::register::{Builder, synth};
use jiff::{SignedDuration, Timestamp};

const OPTIONS: Options = Options { segment_bytes: 256 << 10, visit_from: 1 };
const HELP: &str = "SMS anlaşılmadı";

/// A node without sockets.
struct Node {
    storage: FaultyStorage,
    key: MasterKey,
    config: Config,
    settings: pipeline::Settings,
    world: World,
    pipeline: Pipeline,
    ledger: Ledger<FaultyStorage>,
    spare: Batch,
    now: Now,
    sent: u64,
}

impl Node {
    fn start(at: &str) -> Self {
        Self::start_with(at, |_| {})
    }

    fn start_with(at: &str, change: impl FnOnce(&mut pipeline::Settings)) -> Self {
        let mut settings = Settings::shipped();
        settings.file("test", "[limits]\nphone_max = 5\n[smpp]\nparts_timeout_s = 60\n");
        let config = settings.validate().unwrap();
        let now = Now { wall: at.parse().unwrap(), ..Now::read() };
        let storage = FaultyStorage::new(1);
        let key = MasterKey::random().unwrap();
        let world = world();
        let mut settings = pipeline::Settings::of(&config, &world.names);
        change(&mut settings);
        let (pipeline, ledger) = open(&config, &settings, &storage, &key, now);
        let spare = pipeline.spare_batch();
        Self { storage, key, config, settings, world, pipeline, ledger, spare, now, sent: 0 }
    }

    /// The process ends at once, and starts again on what the disk has.
    fn crash(&mut self) {
        self.storage = self.storage.crash();
        let (pipeline, ledger) = open(&self.config, &self.settings, &self.storage, &self.key, self.now);
        self.spare = pipeline.spare_batch();
        (self.pipeline, self.ledger) = (pipeline, ledger);
    }

    fn pass(&mut self, seconds: i64) {
        self.now.wall += SignedDuration::from_secs(seconds);
        self.now.monotonic += Duration::from_secs(u64::try_from(seconds).unwrap());
        self.pipeline.tick(&self.world, self.now);
        self.commit();
    }

    fn commit(&mut self) {
        self.pipeline.take_batch(&mut self.spare);
        self.ledger.commit(&mut self.spare).unwrap();
    }

    /// A message, made durable; the number of its entry.
    fn take(&mut self, from: &str, identity: u128, body: Body<'_>) -> u64 {
        self.offer(from, identity, body).unwrap()
    }

    /// The same of a message that may be put off: `None`.
    fn offer(&mut self, from: &str, identity: u128, body: Body<'_>) -> Option<u64> {
        let mut intake = Intake::default();
        let phone = Msisdn::parse(from, 994, 9);
        intake.push(address(from), address("8103"), phone, identity, self.now.wall, body);
        let mut entry = None;
        self.pipeline.receive(0, &intake, &self.world, self.now, |accepted| {
            entry = accepted.ok().map(|accepted| accepted.seq);
        });
        self.commit();
        entry
    }

    /// A text that is like no other, and its reply; none if nothing is to be sent.
    fn text(&mut self, from: &str, text: &str) -> Option<String> {
        self.sent += 1;
        self.take(from, u128::from(self.sent), Body::Text(text));
        self.reply()
    }

    fn part(&mut self, from: &str, number: u8, total: u8, text: &str) -> Option<String> {
        self.sent += 1;
        let part = Part::new(7, total, number).unwrap();
        self.take(from, u128::from(self.sent), Body::Part(part, text));
        self.reply()
    }

    /// The reply that waits, taken by the operator.
    fn reply(&mut self) -> Option<String> {
        let (seq, text) = self.pending()?;
        self.pipeline.answered(seq, Verdict::Taken, self.now);
        Some(text)
    }

    /// The reply that waits, in flight on a bind that comes and goes for it.
    fn pending(&mut self) -> Option<(u64, String)> {
        self.pipeline.receiver(0, true);
        let taken = self.pipeline.take_reply(0, 1, self.now);
        let taken = taken.map(|(seq, _, envelope)| (seq, envelope.text.to_owned()));
        self.pipeline.receiver(0, false);
        taken
    }
}

fn open(
    config: &Config,
    settings: &pipeline::Settings,
    storage: &FaultyStorage,
    key: &MasterKey,
    now: Now,
) -> (Pipeline, Ledger<FaultyStorage>) {
    let codes = Codes::new(CodeKey::new(key.derive("code")), 0);
    let mut pipeline = Pipeline::new(settings.clone(), Operator::of(config), codes, now).unwrap();
    let mut options = OPTIONS;
    if let Some(snapshot) = Snapshot::read(storage, key, 0).unwrap() {
        options.visit_from = snapshot.visit_from();
        pipeline.resume(snapshot);
    }
    let replay = |record: &icaze_store::ledger::Record<'_>| pipeline.replay(record);
    let (ledger, batch) = Ledger::open(storage.clone(), key, 0, options, replay).unwrap();
    pipeline.start(batch, now);
    (pipeline, ledger)
}

fn world() -> World {
    let mut builder = Builder::default();
    for (line, row) in (1..).zip(synth::rows(20, 1)) {
        builder.add(line, &row).unwrap();
    }
    let regimes =
        Regimes::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/regimes/demo"))).unwrap();
    let contacts = Contacts::of(&Settings::shipped().validate().unwrap().replies);
    World::new(builder.finish(1, Timestamp::UNIX_EPOCH), regimes, Texts::shipped().unwrap(), contacts)
}

fn address(digits: &str) -> Address<'_> {
    Address { ton: 1, npi: 1, digits: digits.as_bytes() }
}

/// The permit code in a reply.
fn code(reply: &str) -> &str {
    reply.split_whitespace().last().unwrap()
}

const ANNA: &str = "994501111111";
const BORIS: &str = "994502222222";
const NOON: &str = "2024-03-06T12:00:00+04:00";

#[test]
fn a_repeat_is_answered_with_the_permit_and_a_stranger_with_neither_times_nor_code() {
    let mut node = Node::start(NOON);
    let granted = node.text(ANNA, "2 AZE20000000").unwrap();
    assert!(
        granted.starts_with("İCAZƏ VAR: AZE20000000") && granted.contains("06.03 12:00-15:00"),
        "{granted}"
    );
    node.pass(60);
    let repeated = node.text(ANNA, "kod 2 aze 20000000").unwrap();
    assert!(repeated.starts_with("İCAZƏ ARTIQ VAR") && repeated.contains("12:00-15:00"), "{repeated}");
    assert_eq!(code(&repeated), code(&granted));
    let stranger = node.text(BORIS, "2 AZE20000000").unwrap();
    assert!(!stranger.contains("15:00") && !stranger.contains(code(&granted)), "{stranger}");
    node.pass(3 * 3600);
    let spent = node.text(ANNA, "2 AZE20000000").unwrap();
    assert!(spent.contains("limit bitib") && spent.contains("07.03 saat 00:00"), "{spent}");
    node.pass(9 * 3600);
    let next_day = node.text(ANNA, "2 AZE20000000").unwrap();
    assert!(next_day.starts_with("İCAZƏ VAR") && code(&next_day) != code(&granted), "{next_day}");
}

#[test]
fn a_serial_of_any_series_example_is_nobodys() {
    let mut node = Node::start(NOON);
    for serial in ["AZE12345678", "AZE11111111", "AA1234567", "AA1111111", "MYI1234567", "MOM1111111"] {
        let reply = node.text(BORIS, &format!("2 {serial}")).unwrap();
        assert!(reply.starts_with("Bu nümunədir"), "{serial}: {reply}");
        node.pass(600);
    }
}

#[test]
fn two_documents_of_one_person_share_their_allowance() {
    let mut node = Node::start(NOON);
    let granted = node.text(ANNA, "2 AZE10000001").unwrap();
    let repeated = node.text(ANNA, "2 AA1000001").unwrap();
    assert_eq!(code(&repeated), code(&granted));
}

#[test]
fn the_same_message_again_gets_the_same_entry_and_the_same_text() {
    let mut node = Node::start(NOON);
    let first = node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    let reply = node.reply().unwrap();
    assert_eq!(node.take(ANNA, 1, Body::Text("2 AZE20000000")), first);
    assert_eq!(node.reply().as_ref(), Some(&reply));
    node.crash();
    assert_eq!(node.take(ANNA, 1, Body::Text("2 AZE20000000")), first, "also after a restart");
    assert_eq!(node.reply().as_ref(), Some(&reply));
    node.pass(601);
    assert_ne!(node.take(ANNA, 1, Body::Text("2 AZE20000000")), first, "after its time it is a new request");
    assert_eq!(code(&node.reply().unwrap()), code(&reply));
}

#[test]
fn a_redelivery_while_the_reply_waits_makes_no_second_reply() {
    let mut node = Node::start(NOON);
    node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    assert!(node.reply().is_some());
    assert_eq!(node.reply(), None);
}

/// `ICAZE_REDELIVERIES=N` makes it so many.
#[test]
fn redeliveries_make_no_second_permit() {
    let redeliveries = std::env::var("ICAZE_REDELIVERIES").map_or(3000, |number| number.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(7);
    let mut node = Node::start_with(NOON, |settings| settings.phone.texts_max = u32::MAX);
    // By person: the code of the permit that stands, and since when. No quota is in the way of a second one.
    let mut permits = BTreeMap::new();
    for _ in 0..redeliveries {
        match random.u32(..1000) {
            0..2 => node.crash(),
            2..20 => node.pass(random.i64(1..900)),
            _ => {}
        }
        // Replies whose marks a crash took go out once more.
        while node.reply().is_some() {}
        let person = random.u32(..20);
        let (phone, text) = (format!("9945011111{person:02}"), format!("1 AZE200000{person:02}"));
        node.take(&phone, u128::from(person), Body::Text(&text));
        let reply = node.reply().unwrap();
        let code = code(&reply);
        let (standing, since) = permits.entry(person).or_insert_with(|| (code.to_owned(), node.now.wall));
        if standing != code {
            // Three hours from the start of its minute.
            let stood = node.now.wall.duration_since(*since);
            assert!(stood > SignedDuration::from_mins(179), "a second permit after {stood:#}: {reply}");
            (*standing, *since) = (code.to_owned(), node.now.wall);
        }
    }
    assert_eq!(permits.len(), 20);
}

#[test]
fn a_refusal_until_midnight_is_not_repeated_after_it() {
    let mut node = Node::start("2024-03-06T19:50:00+04:00");
    node.text(ANNA, "2 AZE20000000").unwrap();
    node.pass(4 * 3600);
    let refused = node.take(ANNA, 99, Body::Text("2 AZE20000000"));
    assert!(node.reply().unwrap().contains("limit bitib"));
    node.crash();
    node.pass(599);
    assert_eq!(node.take(ANNA, 99, Body::Text("2 AZE20000000")), refused);
    assert!(node.reply().unwrap().contains("limit bitib"));
    node.pass(2);
    assert_ne!(node.take(ANNA, 99, Body::Text("2 AZE20000000")), refused);
    assert!(node.reply().unwrap().starts_with("İCAZƏ VAR"));
}

#[test]
fn one_phone_gets_one_notice_and_its_neighbour_none() {
    let mut node = Node::start(NOON);
    for _ in 0..5 {
        assert!(node.text(ANNA, "salam").unwrap().starts_with(HELP));
    }
    let notice = node.text(ANNA, "salam").unwrap();
    assert!(notice.contains("Yenidən: saat 12:10"), "{notice}");
    assert_eq!(node.text(ANNA, "salam"), None);
    node.crash();
    assert_eq!(node.text(ANNA, "2 AZE20000000"), None, "a restart forgives nothing");
    assert!(node.text(BORIS, "2 AZE20000000").is_some());
    node.pass(600);
    assert!(node.text(ANNA, "2 AZE20000001").unwrap().starts_with("İCAZƏ VAR"));
}

#[test]
fn an_auto_reply_phone_that_repeats_itself_falls_silent() {
    let mut node = Node::start(NOON);
    let mut replies = Vec::new();
    for _ in 0..20 {
        node.take(ANNA, 1, Body::Text("I am driving"));
        replies.extend(node.reply());
    }
    assert_eq!(replies.len(), 6, "five answers and one notice");
}

#[test]
fn short_codes_names_and_receipts_are_never_answered() {
    let mut node = Node::start(NOON);
    assert_eq!(node.text("8103", "2 AZE20000000"), None);
    assert_eq!(node.text("Azercell", "2 AZE20000000"), None);
    node.take(ANNA, 77, Body::Receipt);
    assert_eq!(node.reply(), None);
    node.take(ANNA, 78, Body::Binary);
    assert!(node.reply().is_some(), "a binary message is answered with help");
}

#[test]
fn parts_in_any_order_are_one_request_also_across_a_restart() {
    let mut node = Node::start(NOON);
    assert_eq!(node.part(ANNA, 3, 3, "0000"), None);
    assert_eq!(node.part(ANNA, 1, 3, "salam, mənə icazə verin: 2 A"), None);
    node.crash();
    let reply = node.part(ANNA, 2, 3, "ZE2000").unwrap();
    assert!(reply.starts_with("İCAZƏ VAR: AZE20000000"), "{reply}");
    node.pass(61);
    assert_eq!(node.reply(), None, "nothing is left over");
}

#[test]
fn a_part_that_never_comes_is_answered_with_help() {
    let mut node = Node::start(NOON);
    assert_eq!(node.part(ANNA, 1, 2, "2 AZE2000"), None);
    node.pass(30);
    node.crash();
    node.pass(29);
    assert_eq!(node.reply(), None);
    node.pass(1);
    assert!(node.reply().is_some());
    assert_eq!(node.part(BORIS, 2, 2, "0000"), None, "another phone's is no sibling");
}

#[test]
fn the_last_part_again_awaits_no_siblings_even_if_its_reply_was_refused() {
    let mut node = Node::start(NOON);
    let part = |number, text| Body::Part(Part::new(7, 2, number).unwrap(), text);
    node.take(ANNA, 1, part(1, "2 AZE2000"));
    let decided = node.take(ANNA, 2, part(2, "0000"));
    let (seq, _) = node.pending().unwrap();
    node.pipeline.answered(seq, Verdict::Refused, node.now);
    assert_eq!(node.take(ANNA, 2, part(2, "0000")), decided);
    node.pass(61);
    assert_eq!(node.reply(), None);
}

/// A node at noon whose phones may text as often as they like.
fn patient() -> Node {
    Node::start_with(NOON, |settings| settings.phone.texts_max = u32::MAX)
}

/// Five serials that the register lacks.
fn guess_five(node: &mut Node) {
    for serial in 0..5 {
        assert!(node.text(ANNA, &format!("2 AZE9900000{serial}")).unwrap().contains("tapılmadı"));
    }
}

#[test]
fn guessing_serials_is_slowed() {
    let mut node = patient();
    guess_five(&mut node);
    let notice = node.text(ANNA, "2 AZE99000009").unwrap();
    assert_eq!(notice, "Bu nömrədən 5 səhv sənəd yazılıb. Yenidən: saat 13:00. Kömək: 9108");
    node.commit();
    node.crash();
    assert!(node.text(ANNA, "2 AZE99000008").unwrap().contains("tapılmadı"), "the first other one");
    assert!(node.text(ANNA, "2 AZE20000002").unwrap().starts_with("İCAZƏ VAR"), "the second");
    node.commit();
    node.crash();
    assert_eq!(node.text(ANNA, "2 AZE20000003"), None, "told once, silent from then on");
    assert!(node.text(ANNA, "2 AZE20000002").unwrap().starts_with("İCAZƏ ARTIQ VAR"));
    assert!(node.text(BORIS, "2 AZE20000003").unwrap().starts_with("İCAZƏ VAR"), "another phone");
    node.pass(3600);
    assert!(node.text(ANNA, "2 AZE20000004").unwrap().starts_with("İCAZƏ VAR"), "an hour later");
}

#[test]
fn a_phone_that_guesses_is_answered_for_documents_that_it_used_before() {
    let mut node = patient();
    node.text(ANNA, "2 AZE20000000").unwrap();
    node.pass(1200);
    assert!(node.text(ANNA, "2 AZE99000006").unwrap().contains("tapılmadı"));
    assert!(node.text(ANNA, "2 AZE10000003").unwrap().contains("yaşa görə"), "asked for, without a permit");
    for serial in 0..4 {
        node.text(ANNA, &format!("2 AZE9900000{serial}")).unwrap();
    }
    node.commit();
    node.crash();
    assert!(
        node.text(ANNA, "2 AZE20000004").unwrap().starts_with("İCAZƏ VAR"),
        "a right one needs no notice"
    );
    assert!(node.text(ANNA, "2 AZE20000005").unwrap().starts_with("İCAZƏ VAR"));
    assert!(node.text(ANNA, "2 AZE20000006").unwrap().contains("5 səhv sənəd"), "a third other one");
    assert_eq!(node.text(ANNA, "2 AZE20000007"), None);
    assert!(node.text(ANNA, "1 AZE20000000").unwrap().starts_with("İCAZƏ VAR"));
    assert!(node.text(ANNA, "1 AZE10000003").unwrap().contains("yaşa görə"));
}

#[test]
fn a_digit_too_few_is_no_guess() {
    let mut node = patient();
    for serial in 0..9 {
        assert!(node.text(ANNA, &format!("2 AZE990000{serial}")).unwrap().contains("rəqəmlərin sayı"));
    }
}

#[test]
fn a_permit_that_no_phone_can_have_ends_and_gives_its_allowance_back_once() {
    let mut node = Node::start(NOON);
    node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    node.pass(601);
    assert_eq!(node.reply(), None, "expired, with no bind that takes replies");
    let again = node.text(BORIS, "2 AZE20000000").unwrap();
    assert!(again.starts_with("İCAZƏ VAR"), "the permit has ended, the allowance is back: {again}");
    node.pass(3 * 3600);
    assert!(node.text(BORIS, "2 AZE20000000").unwrap().contains("limit bitib"), "once");
    node.crash();
    assert!(node.text(BORIS, "2 AZE20000000").unwrap().contains("limit bitib"), "and not once more");
}

#[test]
fn a_permit_that_a_phone_may_have_stands_and_stays_spent() {
    let mut node = Node::start(NOON);
    node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    let (seq, text) = node.pending().unwrap();
    node.pipeline.unanswered(seq, node.now);
    node.pass(601);
    assert_eq!(node.pending(), None);
    let ended: Vec<_> = node.pipeline.stats().replies(0).filter(|&(_, count)| count > 0).collect();
    assert_eq!(ended, [(Mark::Expired, 1)]);
    let repeated = node.text(ANNA, "2 aze20000000").unwrap();
    assert_eq!(code(&repeated), code(&text));
    node.pass(3 * 3600);
    assert!(node.text(ANNA, "2 AZE20000000").unwrap().contains("limit bitib"));
}

#[test]
fn a_crash_with_a_receiver_bound_counts_as_sent() {
    for (bound, expected) in [(true, "limit bitib"), (false, "İCAZƏ VAR")] {
        let mut node = Node::start(NOON);
        if bound {
            node.pipeline.receiver(0, true);
        }
        node.take(ANNA, 1, Body::Text("2 AZE20000000"));
        node.crash();
        node.pass(3 * 3600 + 1);
        let reply = node.text(BORIS, "2 AZE20000000").unwrap();
        assert!(reply.contains(expected), "bound: {bound}: {reply}");
    }
}

#[test]
fn a_reply_that_was_refused_for_good_gives_the_allowance_back() {
    let mut node = Node::start(NOON);
    let first = node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    let (seq, text) = node.pending().unwrap();
    node.pipeline.answered(seq, Verdict::Refused, node.now);
    node.commit();
    assert_ne!(node.take(ANNA, 1, Body::Text("2 AZE20000000")), first, "a dead permit is no answer");
    let granted = node.reply().unwrap();
    assert!(granted.starts_with("İCAZƏ VAR") && code(&granted) != code(&text), "{granted}");
}

#[test]
fn what_is_delivered_stays_so_whatever_is_said_of_a_copy() {
    let mut node = Node::start(NOON);
    for (identity, serial, before) in [(1, "AZE20000000", None), (2, "AZE20000001", Some(Mark::Rejected))] {
        let seq = node.take(ANNA, identity, Body::Text(&format!("2 {serial}")));
        node.reply().unwrap();
        for mark in before.into_iter().chain([Mark::Delivered]) {
            assert!(node.pipeline.receipt(seq, mark, node.now).unwrap() > seq, "{mark:?}");
        }
        node.commit();
        let position = node.pipeline.position();
        for mark in [Mark::Rejected, Mark::Delivered] {
            assert_eq!(node.pipeline.receipt(seq, mark, node.now), Ok(0), "{mark:?}");
        }
        assert_eq!(node.pipeline.position(), position, "nothing is written");
    }
}

#[test]
fn a_crash_between_decision_and_reply_sends_the_same_reply() {
    let mut node = Node::start(NOON);
    node.take(ANNA, 1, Body::Text("2 AZE20000000"));
    let (_, before) = node.pending().unwrap();
    node.crash();
    assert_eq!(node.reply(), Some(before));
    node.commit();
    node.crash();
    assert_eq!(node.reply(), None, "its mark is in the ledger");
}

#[test]
fn without_room_a_message_is_put_off_and_nothing_is_spent() {
    let mut node = Node::start(NOON);
    node.pipeline.set_room(false);
    assert_eq!(node.offer(ANNA, 1, Body::Text("2 AZE20000000")), None);
    node.pipeline.set_room(true);
    assert!(node.text(ANNA, "2 AZE20000000").unwrap().starts_with("İCAZƏ VAR"));
}

#[test]
fn ledger_time_never_goes_back() {
    let mut node = Node::start("2024-03-06T23:59:50+04:00");
    node.text(ANNA, "1 AZE20000000").unwrap();
    node.pass(20);
    assert!(node.text(ANNA, "2 AZE20000001").unwrap().contains("07.03 00:00"));
    node.now.wall -= SignedDuration::from_secs(3600);
    // Until the clock is believed.
    (0..62).for_each(|_| node.pass(1));
    assert!(node.text(ANNA, "2 AZE20000002").unwrap().contains("07.03 00:00"), "the same midnight once");
}

#[test]
fn a_clock_that_is_stepped_reaches_no_permit_and_no_expiry() {
    for hours in [1, -1] {
        let mut node = Node::start(NOON);
        node.take(ANNA, 1, Body::Text("2 AZE20000000"));
        let step = SignedDuration::from_hours(hours);
        node.now.wall += step;
        assert!(node.offer(BORIS, 2, Body::Text("2 AZE20000001")).is_none(), "before anybody has looked");
        node.pass(59);
        assert!(node.reply().unwrap().contains("12:00-15:00"), "it has not expired");
        node.now.wall -= step;
        assert!(node.text(BORIS, "2 AZE20000001").unwrap().contains("12:00-15:00"), "and time is right");
    }
}

#[test]
fn permits_are_found_by_code_and_by_person_also_after_a_restart() {
    let mut node = Node::start(NOON);
    let texts = ["2 AZE20000000", "1 AZE20000000", "2 AZE20000001"];
    let replies = texts.map(|text| node.text(ANNA, text).unwrap());
    node.crash();
    let codes = replies.each_ref().map(|reply| code(reply).parse::<Code>().unwrap());
    let [shopping, medical, others] = codes.map(|code| node.pipeline.permit_by_code(code).unwrap());
    assert_eq!((shopping.purpose, medical.purpose, others.purpose), (2, 1, 2));
    assert_eq!(node.pipeline.permits_of(shopping.person).collect::<Vec<_>>(), [medical, shopping]);
    assert_eq!(node.pipeline.permits_of(others.person).collect::<Vec<_>>(), [others]);
    let unknown = CodeKey::new([1; 16]).code(0, 7).unwrap();
    assert_eq!(node.pipeline.permit_by_code(unknown), None);
    node.pass(5 * 3600);
    assert_eq!(node.pipeline.permit_by_code(codes[0]), None, "over for a while, and in the history");
    let standing = node.pipeline.permits().standing_count();
    assert_eq!((standing, node.pipeline.permits().len()), (0, 0));
}

#[test]
fn an_operator_of_whom_too_many_replies_wait_is_asked_to_come_again() {
    let mut node = Node::start_with(NOON, |settings| settings.waiting_max = 2);
    for identity in 1..=2 {
        node.take(ANNA, identity, Body::Text("salam"));
    }
    assert_eq!(node.offer(BORIS, 3, Body::Text("2 AZE20000000")), None);
    assert!(node.reply().is_some());
    node.take(BORIS, 3, Body::Text("2 AZE20000000"));
}
