//! The demo as anybody runs it, without a terminal and from any directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn demo(messages: u64, seed: u64) -> Output {
    let elsewhere = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_icaze"))
        .args(["demo", "--messages", &messages.to_string(), "--seed", &seed.to_string()])
        .current_dir(elsewhere.path())
        .output()
        .unwrap()
}

/// The number before `word` in the line that begins with `name`.
fn number(out: &str, name: &str, word: &str) -> u64 {
    let line = out.lines().find(|line| line.starts_with(name)).unwrap();
    let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|other| *other == word).unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn three_hundred_texts_get_three_hundred_replies() {
    let output = demo(300, 1);
    let (out, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{errors}\n{out}");
    assert_eq!(number(&out, "texts", "in"), 300);
    assert_eq!(number(&out, "texts", "answered"), 300);
    let messages = number(&out, "texts", "messages");
    assert!(messages > 300, "some texts take several messages");
    assert_eq!(number(&out, "texts", "acked"), messages);
    let count = |outcome: &str| -> u64 {
        let line = out.lines().rev().find(|line| line.starts_with(outcome)).unwrap();
        line.strip_prefix(outcome).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    };
    let counts = ["granted", "repeated", "refused", "not needed", "help", "limited"].map(count);
    assert_eq!(counts.iter().sum::<u64>(), 300, "every reply is one of the gateway's texts:\n{out}");
    let [granted, repeated, refused, _, help, limited] = counts;
    assert!(granted > 50 && repeated > 0 && refused > 0 && help > 80, "{counts:?}");
    assert!(limited <= 1, "there is one answering machine, and it is told once");
    assert!(!out.contains('\u{1b}'), "colours are for terminals");
}
