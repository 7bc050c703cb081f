//! The GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1) held against another implementation of it, for every code point.

use std::collections::BTreeMap;
use std::process::Command;

use icaze_codec::text::{self, Alphabet, Coding, Shifts};
use serde_json::Value;

use crate::peers::installed;
use crate::support::workspace;

const ESCAPE: u8 = 0x1B;

#[test]
fn every_code_point_is_encoded_and_decoded_as_node_smpp_does() {
    let output = Command::new("node")
        .arg(workspace().join("gateway/tests/peers/gsm7.js"))
        .env("NODE_PATH", installed().join("node_modules"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut theirs = BTreeMap::new();
    for line in lines.lines() {
        let [what, number, value]: [Value; 3] = serde_json::from_str(line).unwrap();
        let (number, value) = (number.as_u64().unwrap() as u32, value.as_str().unwrap().to_owned());
        match what.as_str().unwrap() {
            // An escape by itself is no character: 6.2.1 has a space shown for it, they hand it on.
            _ if number == u32::from(ESCAPE) => {}
            "encode" => drop(theirs.insert(number, value)),
            "decode" => assert_eq!(decoded(&[number as u8]), value, "septet {number:#04x}"),
            // What the extension table lacks is shown as the default alphabet has it (6.2.1.1); they show the escape too.
            _ if value.starts_with('\u{1b}') => assert_eq!(decoded(&[ESCAPE, number as u8]), value[1..]),
            _ => assert_eq!(decoded(&[ESCAPE, number as u8]), value, "escape {number:#04x}"),
        }
    }
    for character in (0..0x1_0000).filter_map(char::from_u32) {
        let mut octets = Vec::new();
        let coding = text::encode(&character.to_string(), &mut octets);
        let ours = (coding == Coding::Gsm7).then(|| octets.iter().map(|o| format!("{o:02x}")).collect());
        let theirs: Option<&String> = theirs.get(&u32::from(character));
        assert_eq!(ours.as_ref(), theirs, "{character:?}");
    }
}

fn decoded(septets: &[u8]) -> String {
    let mut text = String::new();
    text::decode(Alphabet::Gsm7, Shifts::default(), septets, &mut text);
    text
}
