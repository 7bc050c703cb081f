//! The regimes that ship are sound, and say what was announced.

#![cfg(test)]

use std::path::Path;

use icaze_config::regime::{OutsideArea, Regimes};

fn load(dir: &str) -> Regimes {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("regimes").join(dir);
    Regimes::load(&dir).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn at<'r>(regimes: &'r Regimes, instant: &str) -> Option<&'r str> {
    regimes.at(instant.parse().unwrap()).map(|regime| regime.id.as_str())
}

#[test]
fn each_regime_of_2020_is_in_force_in_its_days() {
    let regimes = load("az-2020");
    for (instant, id) in [
        ("2020-04-04T23:59:59+04:00", None),
        ("2020-04-05T00:00:00+04:00", Some("az-2020-04")),
        ("2020-04-26T23:59:59+04:00", Some("az-2020-04")),
        ("2020-04-27T00:00:00+04:00", Some("az-2020-04-27")),
        ("2020-05-04T00:00:00+04:00", None),
        ("2020-06-21T00:00:00+04:00", Some("az-2020-06")),
        ("2020-07-05T23:59:59+04:00", Some("az-2020-06")),
        ("2020-07-06T00:00:00+04:00", None),
        ("2020-12-13T23:59:59+04:00", None),
        ("2020-12-14T00:00:00+04:00", Some("az-2020-12")),
        ("2021-01-18T23:59:59+04:00", Some("az-2020-12")),
        ("2021-01-19T00:00:00+04:00", None),
    ] {
        assert_eq!(at(&regimes, instant), id, "{instant}");
    }
    let gaps: Vec<_> = regimes.gaps().map(|gap| (gap.after.id.as_str(), gap.before.id.as_str())).collect();
    assert_eq!(gaps, [("az-2020-04-27", "az-2020-06"), ("az-2020-06", "az-2020-12")]);
}

#[test]
fn the_demo_is_december_without_end() {
    let demo = load("demo");
    let regimes = load("az-2020");
    let (demo, december) = (demo.get("demo").unwrap(), regimes.get("az-2020-12").unwrap());
    assert_eq!(demo.until, None);
    assert_eq!(demo.outside_area, OutsideArea::NotNeeded);
    assert!(demo.restricts("baku") && demo.restricts("Baku") && !demo.restricts("lerik"));
    let of_its_own = |line: &&str| !["id", "until", "outside_area"].iter().any(|key| line.starts_with(key));
    let (demo, december) = (demo.canonical(), december.canonical());
    assert!(demo.lines().filter(of_its_own).eq(december.lines().filter(of_its_own)));
}
