//! What is wrong with a regime is said with its file, its line and a remedy, all of it at once.

#![cfg(test)]

use std::path::PathBuf;

use icaze_config::regime::{Away, Problem, Regimes};

const SOUND: &str = r#"
id = "sound"
time_zone = "Asia/Baku"
from = 2021-01-01T00:00
until = 2021-02-01T00:00
minimum_minutes = 15
documents = ["AZE"]
areas = [{ region = "baku", az = "Bakı", en = "Baku", ru = "Баку" }]

[[purpose]]
code = 2
names.az = { short = "ərzaq", long = "ərzaq" }
names.en = { short = "shopping", long = "food" }
names.ru = { short = "покупки", long = "продукты" }
minutes = 180
hours = ["06:00-21:00"]
stay_home = true

[[quota]]
purposes = [2]
per = "day"
limit = 1
"#;

fn parse(texts: &[&str]) -> Result<Regimes, Vec<Problem>> {
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| (PathBuf::from(format!("{index}.toml")), (*text).to_owned()))
        .collect();
    Regimes::parse(&files)
}

fn problems(texts: &[&str]) -> Vec<String> {
    parse(texts).map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

/// The sound regime with one change, under another id.
fn with(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from}");
    SOUND.replacen(from, to, 1)
}

#[test]
fn each_mistake_is_named_with_its_line() {
    assert_eq!(problems(&[SOUND]), [""; 0]);
    for (from, to, expected) in [
        ("id = \"sound\"", "id = \"So und\"", "0.toml:2: id: is no name"),
        ("Asia/Baku", "Asia/Bakı", "0.toml:3: time_zone: \"Asia/Bakı\" is no time zone"),
        ("from = 2021-01-01T00:00", "from = 2021-01-01", "0.toml:4: from: is no local time"),
        ("from = 2021-01-01T00:00", "from = 2021-01-01T00:00:30", "0.toml:4: from: is no local time"),
        ("from = 2021-01-01T00:00", "from = 2021-01-01T00:00Z", "0.toml:4: from: is no local time"),
        ("until = 2021-02-01T00:00", "until = 2021-01-01T00:00", "0.toml:5: until: is not after `from`"),
        ("minimum_minutes = 15", "minimum_minutes = 0", "0.toml:6: minimum_minutes: is 0"),
        ("minimum_minutes = 15", "minimum_minute = 15", "0.toml:6: unknown field `minimum_minute`"),
        (
            "minimum_minutes = 15",
            "without_cluster = \"grant\"\nminimum_minutes = 15",
            "0.toml:6: unknown variant `grant`, expected `refuse` or `local`",
        ),
        ("minimum_minutes = 15", "without_cluster = true\nminimum_minutes = 15", "0.toml:6: "),
        ("[\"AZE\"]", "[]", "0.toml:7: documents: is no list"),
        ("[\"AZE\"]", "[\"aze\"]", "0.toml:7: documents: is no list"),
        ("region = \"baku\"", "region = \"Bakı\"", "0.toml:8: areas.region: is no region"),
        ("az = \"Bakı\"", "az = \"Ba\\nkı\"", "0.toml:8: areas: \"Ba\\nkı\" is no name"),
        ("code = 2", "code = 10", "0.toml:11: purpose.code: is 10"),
        ("short = \"ərzaq\"", "short = \" \"", "0.toml:12: purpose.names: \" \" is no name"),
        ("names.ru = { short = \"покупки\", long = \"продукты\" }\n", "", "missing field `ru`"),
        ("minutes = 180", "minutes = 10", "0.toml:15: purpose.minutes: is 10"),
        ("minutes = 180", "minutes = 1441", "0.toml:15: purpose.minutes: is 1441"),
        ("minutes = 180", "minutes = 70000", "0.toml:15: invalid value"),
        ("06:00-21:00", "06:00-25:00", "0.toml:16: purpose.hours: \"06:00-25:00\" is no time of day"),
        ("\"06:00-21:00\"", "\"06:00-21:00\", \"20:00-06:01\"", "0.toml:16: purpose.hours: overlap"),
        ("06:00-21:00", "06:00-06:14", "0.toml:16: purpose.hours: leave 14 minutes"),
        (
            "purposes = [2]",
            "purposes = [3]",
            "0.toml:20: quota.purposes: names none, or one that is not there",
        ),
        ("purposes = [2]", "purposes = []", "0.toml:20: quota.purposes: names none"),
        ("\"day\"", "\"month\"", "0.toml:21: unknown variant `month`"),
        ("limit = 1", "limit = 0", "0.toml:22: quota.limit: is 0"),
        ("limit = 1", "limit = 16", "0.toml:22: quota.limit: is 16"),
        ("[[quota]]", "[[quotas]]", "unknown field `quotas`"),
        ("[[quota]]", "[[quota]", "0.toml:19: "),
    ] {
        let found = problems(&[&with(from, to)]);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{to}: {found:#?}");
        assert!(found.iter().all(|problem| problem.contains("; ")), "no remedy: {found:#?}");
    }
}

#[test]
fn all_problems_are_found_at_once() {
    let text = with("minutes = 180", "minutes = 0").replace("limit = 1", "limit = 0").replace("\"AZE\"", "");
    assert_eq!(problems(&[&text, "id = 5"]).len(), 4);
}

#[test]
fn two_minutes_before_midnight_and_two_after_make_a_run() {
    let hours = "\"23:50-24:00\", \"00:00-00:05\"";
    assert_eq!(problems(&[&with("\"06:00-21:00\"", hours)]), [""; 0]);
}

#[test]
fn regimes_may_touch_but_neither_overlap_nor_share_an_id() {
    let later = |from: &str| {
        with("\"sound\"", "\"later\"")
            .replace("from = 2021-01-01T00:00", &format!("from = {from}"))
            .replace("until = 2021-02-01T00:00\n", "")
    };
    let touching = parse(&[&later("2021-02-01T00:00"), SOUND]).unwrap();
    assert_eq!(touching.gaps().count(), 0);
    let apart = parse(&[&later("2021-02-01T00:01"), SOUND]).unwrap();
    assert_eq!(apart.gaps().map(|gap| gap.before.id.as_str()).collect::<Vec<_>>(), ["later"]);
    let overlapping = problems(&[&later("2021-01-31T23:59"), SOUND]);
    assert_eq!(overlapping.len(), 1, "{overlapping:?}");
    assert!(
        overlapping.iter().all(|problem| problem.contains("0.toml: from: begins while 1.toml is in force"))
    );
    let same_id = problems(&[&later("2021-02-01T00:00").replace("\"later\"", "\"sound\""), SOUND]);
    assert!(same_id.iter().all(|problem| problem.contains("id: is that of 1.toml too")), "{same_id:?}");
    assert_eq!(same_id.len(), 1);
}

#[test]
fn a_regime_without_end_overlaps_every_later_one() {
    let endless = with("until = 2021-02-01T00:00\n", "");
    let short = with("\"sound\"", "\"b\"").replace("2021-", "2022-");
    let late = with("\"sound\"", "\"c\"").replace("2021-", "2023-");
    assert_eq!(problems(&[&endless, &short, &late]).len(), 2);
}

#[test]
fn the_hash_is_of_the_meaning() {
    let hash =
        |text: &str| parse(&[text]).unwrap().as_slice().first().map(icaze_config::regime::Regime::hash);
    // Pinned: decisions in ledgers name it.
    assert_eq!(hash(SOUND), Some(6_316_686_750_742_932_596));
    let laid_out =
        SOUND.replace(" = ", "=").replace("T00:00", "T00:00:00").replace("[[quota]]", "# why\n[[quota]]");
    assert_eq!(hash(&laid_out), hash(SOUND));
    for (from, to) in [
        ("limit = 1", "limit = 2"),
        ("\"day\"", "\"week\""),
        ("stay_home = true", "stay_home = false"),
        ("stay_home = true", "stay_home = true\nage_over = 65"),
        ("stay_home = true", "stay_home = true\ndelay_minutes = 5"),
        ("minutes = 180", "minutes = 181"),
        ("21:00", "21:01"),
        ("minimum_minutes = 15", "minimum_minutes = 16"),
        ("minimum_minutes = 15", "minimum_minutes = 15\nends_standing = true"),
        ("minimum_minutes = 15", "minimum_minutes = 15\nexempt_from = [\"age\"]"),
        ("minimum_minutes = 15", "minimum_minutes = 15\noutside_area = \"not_needed\""),
        ("minimum_minutes = 15", "minimum_minutes = 15\nwithout_cluster = \"refuse\""),
        ("minimum_minutes = 15", "minimum_minutes = 15\nwithout_cluster = \"local\""),
        ("Asia/Baku", "Asia/Dubai"),
        ("from = 2021-01-01T00:00", "from = 2021-01-01T00:01"),
        ("until = 2021-02-01T00:00", ""),
        ("\"AZE\"", "\"AZE\", \"AA\""),
        ("\"baku\"", "\"ganja\""),
        ("food", "food and drink"),
    ] {
        assert_ne!(hash(&with(from, to)), hash(SOUND), "{to}");
    }
}

#[test]
fn a_regime_may_state_what_becomes_of_requests_while_the_cluster_is_away() {
    let stated = |text: &str| parse(&[text]).unwrap().as_slice()[0].without_cluster;
    assert_eq!(stated(SOUND), None);
    let mut hashes = Vec::new();
    for (said, away) in [("refuse", Away::Refuse), ("local", Away::Local)] {
        let text = with("minimum", &format!("without_cluster = {said:?}\nminimum"));
        assert_eq!(stated(&text), Some(away));
        hashes.push(parse(&[&text]).unwrap().as_slice()[0].hash());
    }
    assert_ne!(hashes[0], hashes[1], "a decision tells which it was made under");
}

#[test]
fn a_directory_without_regimes_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("readme.md"), "no regime").unwrap();
    assert_eq!(Regimes::load(dir.path()).unwrap_err().len(), 1);
    assert_eq!(Regimes::load(&dir.path().join("missing")).unwrap_err().len(), 1);
    std::fs::write(dir.path().join("broken.toml"), [0xff]).unwrap();
    let problems = Regimes::load(dir.path()).unwrap_err();
    assert!(problems.iter().all(|problem| problem.reason.contains("cannot be read")), "{problems:?}");
}

#[test]
fn a_permit_ends_with_the_first_regime_that_ends_standing_ones() {
    let second = with("\"sound\"", "\"second\"")
        .replace("from = 2021-01-01T00:00", "from = 2021-02-01T00:00")
        .replace("until = 2021-02-01T00:00", "until = 2021-02-02T00:00\nends_standing = true");
    let third = second
        .replace("second", "third")
        .replace("2021-02-02", "2021-02-03")
        .replace("2021-02-01", "2021-02-02");
    let regimes = parse(&[SOUND, &second, &third]).unwrap();
    let at = |text: &str| format!("{text}+04:00").parse().unwrap();
    let end = |decided: &str, end: &str| regimes.standing_end(at(decided), at(end));
    assert_eq!(end("2021-01-31T22:00", "2021-01-31T23:00"), at("2021-01-31T23:00"));
    assert_eq!(end("2021-01-31T23:00", "2021-02-01T02:00"), at("2021-02-01T00:00"));
    assert_eq!(end("2021-01-31T23:00", "2021-02-03T00:00"), at("2021-02-01T00:00"));
    assert_eq!(end("2021-02-01T00:00", "2021-02-01T03:00"), at("2021-02-01T03:00"));
}
