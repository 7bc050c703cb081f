//! What the operator saw, held against the ledgers.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::ledger::{End, Grant, Interval, Ledger, Place, Record, What};
use super::witness::Witness;

/// The demo regime's only quota: this purpose once a day, and no other purpose counted.
const QUOTA_PURPOSE: u8 = 2;
const QUOTA_LIMIT: usize = 1;

/// A grant's moment in milliseconds since 1970, and the slot that its person is in: what the cluster keeps of a conflict.
pub(crate) type Moment = (u32, i64);

/// Slots of persons in the cluster.
const PERSON_SLOTS: u32 = 1024;

/// The figures of a run, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Distinct messages.
    pub(crate) messages: u64,
    /// Distinct message_ids that the gateways gave out.
    pub(crate) acked: usize,
    /// Decisions in the ledgers.
    pub(crate) decided: usize,
    /// New permits among them.
    pub(crate) granted: usize,
    /// Decisions whose reply came.
    pub(crate) answered: usize,
    /// Decisions whose reply expired.
    pub(crate) expired: usize,
    /// Decisions whose reply the operator refused for good.
    pub(crate) rejected: usize,
    /// Grants one too many that the gateways themselves know of and count.
    pub(crate) conflicts: usize,
    /// Replies that came once more.
    pub(crate) seen_twice: u64,
    /// Acked and without a record, or due and never answered, in words.
    pub(crate) lost: Vec<String>,
    /// Decided twice, or granted beyond the rules, in words.
    pub(crate) doubled: Vec<String>,
}

/// Reconciles. Until `all_in` replies may still come and parts may still await their siblings. `counted` are grants one too
/// many that the gateways know of.
pub(crate) fn reconcile(
    witness: &Witness,
    ledger: &Ledger,
    counted: &HashSet<Moment>,
    all_in: bool,
) -> Verdict {
    let mut verdict = Verdict {
        messages: witness.messages(),
        acked: witness.acks().len(),
        lost: witness.impossible.clone(),
        ..Verdict::default()
    };
    let ends: HashMap<Place, End> = ledger.ends.iter().copied().collect();
    acks(witness, &ledger.records, &mut verdict);
    replies(witness, &ledger.records, &ends, all_in, &mut verdict);
    parts(&ledger.records, all_in, &mut verdict);
    identities(&ledger.records, &ends, &mut verdict);
    grants(&ledger.records, &ends, counted, &mut verdict);
    verdict
}

/// Every acked message has exactly one record, of its own phone.
fn acks(witness: &Witness, records: &[Record], verdict: &mut Verdict) {
    let mut of_id: HashMap<(u8, &str), Vec<&Record>> = HashMap::new();
    for record in records {
        of_id.entry((record.place.node, &record.message_id)).or_default().push(record);
    }
    for ((gateway, id), &phone) in witness.acks() {
        let what = format!("message {id} that gateway {gateway} acked");
        match of_id.get(&(*gateway, id.as_str())).map(Vec::as_slice) {
            Some([record]) if record.phone == Some(phone) => {}
            Some([_]) => verdict.lost.push(format!("{what} is another phone's in the ledger")),
            Some(_) => verdict.doubled.push(format!("{what} has several records")),
            None => verdict.lost.push(format!("{what} has no record")),
        }
    }
}

/// Every reply that came is in the ledger, and every one in the ledger came or is known to have ended.
fn replies(
    witness: &Witness,
    records: &[Record],
    ends: &HashMap<Place, End>,
    all_in: bool,
    verdict: &mut Verdict,
) {
    let mut owed: HashMap<(u64, &str), u64> = HashMap::new();
    for record in records {
        let What::Decision { reply, .. } = &record.what else { continue };
        verdict.decided += 1;
        match ends.get(&record.place) {
            Some(End::Expired) => verdict.expired += 1,
            Some(End::Refused) => verdict.rejected += 1,
            None => {}
        }
        let (Some(phone), Some(text)) = (record.phone, reply) else { continue };
        let owed = owed.entry((phone, text)).or_default();
        *owed += 1;
        let came = witness.replies().get(&(phone, text.clone())).copied().unwrap_or_default();
        if came >= *owed {
            verdict.answered += 1;
        } else if all_in && !ends.contains_key(&record.place) {
            verdict.lost.push(format!("decision {} was never answered", record.place));
        }
    }
    for ((phone, text), &came) in witness.replies() {
        match owed.get(&(*phone, text)) {
            Some(&owed) => verdict.seen_twice += came.saturating_sub(owed),
            None => verdict.lost.push("a reply came that the ledger does not have".to_owned()),
        }
    }
}

/// Every part is in one decision, but for those of texts whose parts did not all come in time: help
/// named those that had come, and one that came late made one more decision, which refers to the
/// help or repeats a permit; or none, if the phone had asked since. A part that came again when its
/// text was decided is in none.
fn parts(records: &[Record], all_in: bool, verdict: &mut Verdict) {
    let mut named: HashMap<Place, Vec<&Record>> = HashMap::new();
    for record in records {
        let What::Decision { parts, .. } = &record.what else { continue };
        parts.iter().for_each(|part| named.entry(*part).or_default().push(record));
    }
    let mut seen: HashSet<(u8, &str)> = HashSet::new();
    // By gateway and phone: whether it has asked since it got help.
    let mut helped: HashMap<(u8, Option<u64>), bool> = HashMap::new();
    for record in records {
        let (place, phone) = (record.place, (record.place.node, record.phone));
        let again = !record.is_help() && !seen.insert((place.node, &record.identity));
        if let What::Decision { asked, .. } = &record.what {
            if record.is_help() {
                helped.insert(phone, false);
            } else if let Some(since) = helped.get_mut(&phone) {
                *since |= asked;
            }
            continue;
        }
        match named.get(&place).map(Vec::as_slice).unwrap_or_default() {
            [_] => {}
            [help, late] if help.is_help() && completes(late, help) => {}
            [] if all_in && !again && helped.get(&phone) != Some(&true) => {
                verdict.lost.push(format!("part {place} is in no decision"));
            }
            [] => {}
            several => verdict.doubled.push(format!("part {place} is in {} decisions", several.len())),
        }
    }
}

/// Whether a decision says that it is of a text that got this help before.
fn completes(late: &Record, help: &Record) -> bool {
    let What::Decision { refers_to, repeats, .. } = &late.what else { return false };
    // What repeats a permit refers to the permit's own decision.
    !late.is_help() && (*refers_to == Some(help.place) || *repeats)
}

/// The same message is decided once by one gateway, unless its permit ended with a reply that the operator refused, or midnight, when
/// allowances return, lies between.
fn identities(records: &[Record], ends: &HashMap<Place, End>, verdict: &mut Verdict) {
    let mut decided: HashMap<(u8, &str), &Record> = HashMap::new();
    for record in records {
        // What is decided of parts whose siblings never came has none.
        if record.what == What::Part || record.is_help() {
            continue;
        }
        let identity = record.identity.as_str();
        let Some(before) = decided.insert((record.place.node, identity), record) else { continue };
        let anew = ends.contains_key(&before.place) || day(before) != day(record);
        if !anew {
            let (one, other) = (before.place, record.place);
            verdict.doubled.push(format!("decisions {one} and {other} are of one message"));
        }
    }
}

/// Nobody has two permits for one purpose at once, nor more in a day than the rules allow, but for what is counted.
fn grants(records: &[Record], ends: &HashMap<Place, End>, counted: &HashSet<Moment>, verdict: &mut Verdict) {
    let mut permits: BTreeMap<(u32, u8), Vec<(Interval, Place)>> = BTreeMap::new();
    let mut spent: BTreeMap<(u32, Option<Date>), usize> = BTreeMap::new();
    let mut granted: Vec<(&Record, &Grant)> = Vec::new();
    for record in records {
        if let What::Decision { grant: Some(grant), .. } = &record.what {
            granted.push((record, grant));
        }
    }
    verdict.granted = granted.len();
    // The same order whichever ledger was read first.
    granted.sort_unstable_by_key(|(record, _)| (record.decided_at, record.place));
    for (record, Grant { person, purpose, intervals }) in granted {
        if ends.get(&record.place) == Some(&End::Refused) {
            continue;
        }
        if counted.contains(&(person % PERSON_SLOTS, record.decided_at.as_millisecond())) {
            verdict.conflicts += 1;
            continue;
        }
        let held = permits.entry((*person, *purpose)).or_default();
        held.extend(intervals.iter().map(|&interval| (interval, record.place)));
        if *purpose == QUOTA_PURPOSE {
            let spent = spent.entry((*person, day(record))).or_default();
            *spent += 1;
            if *spent > QUOTA_LIMIT {
                verdict.doubled.push(format!("grant {} is beyond the day's allowance", record.place));
            }
        }
    }
    for held in permits.values_mut() {
        held.sort_unstable();
        for pair in held.windows(2) {
            let [(first, one), (second, other)] = pair else { continue };
            if second.start < first.end {
                verdict.doubled.push(format!("grants {one} and {other} overlap"));
            }
        }
    }
}

/// The day of a record by the demo regime's clock.
fn day(record: &Record) -> Option<Date> {
    let zone = TimeZone::get("Asia/Baku").ok()?;
    Some(zone.to_datetime(record.decided_at).date())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::phone::Phones;
    use crate::proof::script::Mo;

    const AT: &str = r#""received_at":"2020-12-14T10:00:00Z","decided_at":"2020-12-14T10:00:00Z""#;

    fn phone(index: u64) -> String {
        String::from_utf8(Phones::of(1).digits(index).to_vec()).unwrap()
    }

    fn granted(seq: u64, from: u64, identity: &str, start: &str) -> String {
        granted_by(0, seq, from, identity, start)
    }

    fn granted_by(node: u8, seq: u64, from: u64, identity: &str, start: &str) -> String {
        format!(
            r#"{{"node":{node},"seq":{seq},{AT},"kind":"decision","message_id":"{seq:08X}","from":"{}","identity":"{identity}","person":7,"purpose":2,"outcome":"granted","permit":{{"code":"0000-0000","intervals":[{{"start":"{start}","end":"2020-12-14T13:00:00Z"}}]}},"reply":{{"text":"yes {seq}","language":"az","expires_at":"2020-12-14T10:10:00Z"}}}}"#,
            phone(from)
        )
    }

    fn part(seq: u64, from: u64) -> String {
        part_of(seq, from, &format!("part {seq}"))
    }

    fn part_of(seq: u64, from: u64, identity: &str) -> String {
        format!(
            r#"{{"node":0,"seq":{seq},{AT},"kind":"part","message_id":"{seq:08X}","from":"{}","identity":"{identity}"}}"#,
            phone(from)
        )
    }

    /// A decision of phone 5 that names part 2.
    fn of_part(seq: u64, identity: &str, rest: &str) -> String {
        format!(
            r#"{{"node":0,"seq":{seq},{AT},"kind":"decision","from":"{}","identity":"{identity}","parts":[2],{rest}}}"#,
            phone(5)
        )
    }

    /// The help for part 2, whose sibling was awaited in vain.
    fn help(seq: u64) -> String {
        of_part(seq, "0000", r#""outcome":"help""#)
    }

    /// What is wrong with parts, once all is in.
    fn wrong(lines: &[String]) -> Vec<String> {
        let mut verdict = Verdict::default();
        parts(&ledger(lines).records, true, &mut verdict);
        [verdict.lost, verdict.doubled].concat()
    }

    fn ledger(lines: &[String]) -> Ledger {
        let mut ledger = Ledger::default();
        lines.iter().for_each(|line| ledger.line(line, Phones::of(1)).unwrap());
        ledger
    }

    /// An operator that handed over one message of phone 5, acked as record 2.
    fn witness() -> Witness {
        let mut witness = Witness::default();
        let mo = Mo { phone: 5, esm_class: 0, data_coding: 0, payload: Vec::new() };
        let token = witness.hand(mo, 0, Instant::now());
        witness.send(token, 0);
        witness.acked(token, 0, b"00000002", Instant::now());
        witness
    }

    fn judge(witness: &Witness, ledger: &Ledger, all_in: bool) -> Verdict {
        reconcile(witness, ledger, &HashSet::new(), all_in)
    }

    const START: &str = "2020-12-14T10:00:00Z";

    #[test]
    fn a_message_that_is_recorded_and_answered_is_in_order() {
        let mut witness = witness();
        let ledger = ledger(&[granted(2, 5, "a", START)]);
        assert_eq!(judge(&witness, &ledger, false).lost, [""; 0], "the reply may still come");
        assert_eq!(judge(&witness, &ledger, true).lost, ["decision 2 of gateway 0 was never answered"]);
        witness.replied(5, "yes 2".to_owned(), Instant::now());
        witness.replied(5, "yes 2".to_owned(), Instant::now());
        let verdict = judge(&witness, &ledger, true);
        let expected = Verdict {
            messages: 1,
            acked: 1,
            decided: 1,
            granted: 1,
            answered: 1,
            seen_twice: 1,
            ..Verdict::default()
        };
        assert_eq!(verdict, expected);
    }

    #[test]
    fn what_was_acked_must_be_there_once_and_under_its_phone() {
        let lost = |lines: &[String]| judge(&witness(), &ledger(lines), false).lost;
        assert_eq!(lost(&[]), ["message 00000002 that gateway 0 acked has no record"]);
        assert_eq!(
            lost(&[granted(2, 6, "a", START)]),
            ["message 00000002 that gateway 0 acked is another phone's in the ledger"]
        );
        let twice = [granted(2, 5, "a", START), part(2, 5)];
        let doubled = judge(&witness(), &ledger(&twice), false).doubled;
        assert_eq!(doubled, ["message 00000002 that gateway 0 acked has several records"]);
    }

    #[test]
    fn a_reply_of_no_record_was_sent_before_it_was_durable() {
        let mut witness = witness();
        witness.replied(5, "yes 3".to_owned(), Instant::now());
        let verdict = judge(&witness, &ledger(&[granted(2, 5, "a", START)]), false);
        assert_eq!(verdict.lost, ["a reply came that the ledger does not have"]);
    }

    #[test]
    fn a_reply_that_ended_is_not_lost() {
        for kind in ["expired", "undelivered", "rejected"] {
            let end = format!(r#"{{"node":0,"seq":3,{AT},"kind":"{kind}","refers_to":[2]}}"#);
            let verdict = judge(&witness(), &ledger(&[granted(2, 5, "a", START), end]), true);
            assert_eq!(verdict.lost, [""; 0], "{kind}");
            assert_eq!(verdict.expired + verdict.rejected, 1, "{kind}");
        }
    }

    #[test]
    fn a_message_decided_twice_and_two_permits_at_once_are_found() {
        let lines = [granted(2, 5, "a", START), granted(3, 5, "a", "2020-12-14T11:00:00Z")];
        let expected = [
            "decisions 2 of gateway 0 and 3 of gateway 0 are of one message",
            "grant 3 of gateway 0 is beyond the day's allowance",
            "grants 2 of gateway 0 and 3 of gateway 0 overlap",
        ];
        assert_eq!(judge(&witness(), &ledger(&lines), false).doubled, expected);
        let ended = format!(r#"{{"node":0,"seq":4,{AT},"kind":"undelivered","refers_to":[2]}}"#);
        let lines = [lines[0].clone(), ended, lines[1].clone()];
        assert_eq!(judge(&witness(), &ledger(&lines), false).doubled, [""; 0], "the first one ended");
    }

    #[test]
    fn a_grant_of_another_gateway_is_found_and_forgiven_only_where_it_is_counted() {
        let later = "2020-12-14T11:00:00Z";
        // The same sequence number and message: those are each gateway's own.
        let lines = [granted(2, 5, "a", START), granted_by(1, 2, 6, "a", later)];
        let expected = [
            "grant 2 of gateway 1 is beyond the day's allowance",
            "grants 2 of gateway 0 and 2 of gateway 1 overlap",
        ];
        assert_eq!(judge(&witness(), &ledger(&lines), false).doubled, expected);
        let at = "2020-12-14T10:00:05.125Z";
        let lines = [
            lines[0].clone(),
            lines[1].replace("decided_at\":\"2020-12-14T10:00:00Z", &format!("decided_at\":\"{at}")),
        ];
        let moment = at.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let judged = |slot| reconcile(&witness(), &ledger(&lines), &HashSet::from([(slot, moment)]), false);
        assert_eq!((judged(7).doubled, judged(7).conflicts), (vec![], 1));
        assert_eq!((judged(8).doubled.len(), judged(8).conflicts), (2, 0), "another person's");
    }

    const FINE: [&str; 0] = [];
    const REFUSED: &str = r#""purpose":2,"outcome":"refused""#;

    #[test]
    fn a_part_belongs_to_one_decision() {
        assert_eq!(wrong(&[part(2, 5), of_part(3, "a", REFUSED)]), FINE);
        assert_eq!(wrong(&[part(2, 5)]), ["part 2 of gateway 0 is in no decision"]);
        let mut verdict = Verdict::default();
        parts(&ledger(&[part(2, 5)]).records, false, &mut verdict);
        assert_eq!(verdict, Verdict::default(), "its sibling may still come");
        let twice = [part(2, 5), of_part(3, "a", REFUSED), of_part(4, "b", REFUSED)];
        assert_eq!(wrong(&twice), ["part 2 of gateway 0 is in 2 decisions"]);
    }

    #[test]
    fn a_part_that_got_help_is_in_one_more_decision_that_says_why() {
        let late = |rest: &str| wrong(&[part(2, 5), help(3), of_part(4, "a", rest)]);
        let refused = |refers_to: u64| format!(r#"{REFUSED},"refers_to":{refers_to}"#);
        assert_eq!(wrong(&[part(2, 5), help(3)]), FINE);
        assert_eq!(late(&refused(3)), FINE);
        assert_eq!(late(r#""purpose":2,"outcome":"repeated","refers_to":1"#), FINE, "a permit stands");
        let doubled = ["part 2 of gateway 0 is in 2 decisions"];
        assert_eq!(late(REFUSED), doubled);
        assert_eq!(late(&refused(1)), doubled);
        assert_eq!(wrong(&[part(2, 5), help(3), help(4)]), doubled, "help twice");
        assert_eq!(
            wrong(&[part(2, 5), of_part(3, "a", REFUSED), help(4)]),
            doubled,
            "help for what is decided"
        );
        let thrice = [part(2, 5), help(3), of_part(4, "a", &refused(3)), of_part(5, "b", &refused(3))];
        assert_eq!(wrong(&thrice), ["part 2 of gateway 0 is in 3 decisions"]);
    }

    #[test]
    fn a_part_that_comes_late_is_in_no_decision_only_where_its_phone_asked_since() {
        let late =
            |from, between: &[String]| wrong(&[&[part(2, 5), help(3)], between, &[part(9, from)]].concat());
        let lost = ["part 9 of gateway 0 is in no decision"];
        assert_eq!(late(5, &[granted(4, 5, "a", START)]), FINE);
        assert_eq!(late(5, &[]), lost);
        assert_eq!(late(5, &[granted(4, 6, "a", START)]), lost, "another phone asked");
        assert_eq!(late(6, &[granted(4, 6, "a", START)]), lost, "another phone got help");
        assert_eq!(late(5, &[granted(4, 5, "a", START).replace(r#""purpose":2,"#, "")]), lost, "not asked");
        let before = [granted(1, 5, "a", START), part(2, 5), help(3), part(9, 5)];
        assert_eq!(wrong(&before), lost, "it asked before the help");
    }

    #[test]
    fn a_part_that_came_again_is_in_no_decision() {
        let decided = [part_of(2, 5, "a"), of_part(3, "b", REFUSED)];
        let again = |part: String| wrong(&[&decided[..], &[part]].concat());
        assert_eq!(again(part_of(4, 5, "a")), FINE, "it came before as a part");
        assert_eq!(again(part_of(4, 5, "b")), FINE, "it came before as the last part");
        let lost = ["part 4 of gateway 0 is in no decision"];
        assert_eq!(again(part_of(4, 5, "c")), lost);
        let elsewhere = part_of(4, 5, "a").replace(r#""node":0"#, r#""node":1"#);
        assert_eq!(again(elsewhere), ["part 4 of gateway 1 is in no decision"], "of another gateway");
        let reversed =
            [part_of(2, 5, "a"), part_of(4, 5, "a"), of_part(5, "b", REFUSED).replace("[2]", "[4]")];
        assert_eq!(wrong(&reversed), ["part 2 of gateway 0 is in no decision"], "the first of them");
    }
}
