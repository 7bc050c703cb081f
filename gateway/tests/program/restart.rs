//! A start from a checkpoint: as good as one that reads the whole ledger, and never a way round what was lost.

use std::fs;
use std::path::PathBuf;

use crate::cli::{code, config, refused, sms};
use crate::support::{Gateway, Site};

const HOME: &str = "+994501234567";
const ELSEWHERE: &str = "+994507654321";

fn stop(mut gateway: Gateway) {
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));
}

fn checkpoint(site: &Site) -> PathBuf {
    site.dir.path().join("data/usage.checkpoint")
}

#[test]
fn a_start_knows_the_same_with_the_checkpoint_without_it_and_with_a_damaged_one() {
    let site = Site::new("");
    let gateway = site.start();
    let reply = sms(&gateway, HOME, "2 AZE10000001");
    let permit = code(&reply).unwrap().to_owned();
    stop(gateway);
    let whole = fs::read(checkpoint(&site)).unwrap();
    assert!(!whole.windows(8).any(|bytes| bytes == b"10000001"));
    let damages: [(&str, &dyn Fn()); 3] = [
        ("from checkpoint", &|| {}),
        ("damaged", &|| {
            let mut bytes = fs::read(checkpoint(&site)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(checkpoint(&site), bytes).unwrap();
        }),
        ("without", &|| fs::remove_file(checkpoint(&site)).unwrap()),
    ];
    for (what, damage) in damages {
        damage();
        let gateway = site.start();
        assert_eq!(code(&sms(&gateway, HOME, "2 AZE10000001")), Some(permit.as_str()), "{what}");
        assert_eq!(
            code(&sms(&gateway, ELSEWHERE, "2 AZE10000001")),
            None,
            "{what}: it stands, for another phone"
        );
        stop(gateway);
        let warned = site.log().contains("the ledger is read from its beginning");
        assert_eq!(warned, what == "damaged", "{what}: {}", site.log());
    }
}

#[test]
fn a_text_after_a_kill_gets_its_own_answer_and_not_the_one_that_may_come_again() {
    let site = Site::new("");
    for number in 1..=3 {
        let gateway = site.start();
        let document = format!("AZE2000000{number}");
        assert!(sms(&gateway, HOME, &format!("2 {document}")).contains(&document));
        // The mark of that reply is not on disk yet, mostly.
        drop(gateway);
    }
}

#[test]
fn a_ledger_that_lost_what_a_checkpoint_has_seen_is_refused() {
    let site = Site::new("");
    for _ in 0..2 {
        let gateway = site.start();
        sms(&gateway, HOME, "2 AZE10000001");
        stop(gateway);
    }
    let data = site.dir.path().join("data");
    let mut segments: Vec<PathBuf> =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.sort();
    fs::remove_file(segments.last().unwrap()).unwrap();
    let words = ["its checkpoint has seen record", "put the missing segments back", "usage.checkpoint"];
    refused(&["serve", "--config", &config(&site)], &words);
    fs::remove_file(checkpoint(&site)).unwrap();
    stop(site.start());
}
