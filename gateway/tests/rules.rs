//! The rule tables that citizens read are reviewed files: `tests/rules`. To write them anew: `REVIEWED_WRITE=1`.

#![cfg(test)]

use std::path::Path;

use icaze_config::regime::Regimes;
use icaze_gateway::permit::rules::rule_table;
use icaze_store::ledger::Language;

fn check(dir: &str, id: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let regimes = Regimes::load(&root.join(dir)).unwrap();
    let regime = regimes.get(id).unwrap();
    let tables = [Language::Az, Language::En, Language::Ru].map(|language| rule_table(regime, language));
    let text = tables.join("\n---\n\n");
    let path = root.join("tests/rules").join(format!("{id}.txt"));
    if std::env::var_os("REVIEWED_WRITE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == reviewed, "{} differs; made now:\n{text}", path.display());
}

#[test]
fn april_is_as_reviewed() {
    check("../config/regimes/az-2020", "az-2020-04");
}

#[test]
fn december_is_as_reviewed() {
    check("../config/regimes/az-2020", "az-2020-12");
}

#[test]
fn the_demo_is_as_reviewed() {
    check("../config/regimes/demo", "demo");
}

#[test]
fn hours_delays_and_joint_quotas_are_as_reviewed() {
    check("tests/decisions/regimes/nicosia", "nicosia");
}
