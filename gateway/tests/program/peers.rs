//! The gateway as operators' own software meets it: Python's smpplib, Node's smpp and Rust's rusmppc, over real sockets.
//!
//! Needs what `./check peers` installs, hence the feature `peers`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dissector::Tap;
use crate::support::{Site, workspace};
use serde_json::{Value, json};

const PASSWORD: &str = "s3cret";

const SUBMIT_SM: u32 = 0x04;
const DELIVER_SM: u32 = 0x05;
const DATA_SM: u32 = 0x103;

/// Where `./check peers` installs: in the target directory.
pub(crate) fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers")
}

fn python(script: &str) -> Command {
    let mut command = Command::new(installed().join("venv/bin/python"));
    command.arg(workspace().join("gateway/tests/peers").join(script));
    command
}

fn smpplib() -> Command {
    python("smpplib_operator.py")
}

fn node() -> Command {
    javascript("node_operator.js")
}

fn javascript(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(workspace().join("gateway/tests/peers").join(script));
    command.env("NODE_PATH", installed().join("node_modules"));
    command
}

fn rusmppc() -> Command {
    Command::new(installed().join("rusmppc/debug/icaze-peer-rusmppc"))
}

/// One message as the scenario has it, and how its one reply begins and what else it holds.
struct Case {
    text: String,
    encoding: &'static str,
    form: &'static str,
    begins: &'static str,
    holds: String,
}

/// A text in every encoding and form; `first` is the first of the synthetic documents to use, so that each is granted.
fn cases(first: u32) -> Vec<Case> {
    let rows = [
        ("2 AZE", "gsm", "plain", "İCAZƏ VAR"),
        ("en 2 AZE", "gsm", "plain", "PERMIT"),
        ("2 aze", "latin1", "plain", "İCAZƏ VAR"),
        ("2*AZE", "ucs2", "plain", "İCAZƏ VAR"),
        // Cyrillic А and Е, as a phone in Russian types them.
        ("2 АZЕ", "ucs2", "plain", "İCAZƏ VAR"),
        ("RU 2 AZE", "ucs2", "plain", "РАЗРЕШЕНО"),
        ("2 AZE", "gsm", "udh8", "İCAZƏ VAR"),
        ("2 AZE", "ucs2", "udh16", "İCAZƏ VAR"),
        ("2 AZE", "gsm", "sar", "İCAZƏ VAR"),
        ("2 AZE", "ucs2", "payload", "İCAZƏ VAR"),
        ("2 AZE", "gsm", "data_sm", "İCAZƏ VAR"),
    ];
    let granted = rows.into_iter().zip(first..).map(|((before, encoding, form, begins), serial)| Case {
        text: format!("{before}{serial}"),
        encoding,
        form,
        begins,
        holds: format!("AZE{serial}"),
    });
    let help = Case {
        text: "Sabahınız xeyir, əziz şəhər".to_owned(),
        encoding: "ucs2",
        form: "plain",
        begins: "",
        holds: "2 AZE12345678".to_owned(),
    };
    granted.chain([help]).collect()
}

/// Runs a peer on every case that is in one of its forms: each phone gets exactly one reply, and it is the right one.
fn converse(mut peer: Command, bind: &str, forms: &[&str], first: u32) {
    let account = format!("[operators.peer]\nsystem_id = \"peer\"\npassword = {PASSWORD:?}\n");
    let site = Site::new(&account);
    let gateway = site.start();
    let tap = Tap::before(&gateway.smpp);
    let (host, port) = tap.address.rsplit_once(':').unwrap();
    let cases: BTreeMap<String, Case> =
        (994_501_000_000_u64..).map(|phone| phone.to_string()).zip(cases(first)).collect();
    let cases: BTreeMap<String, Case> =
        cases.into_iter().filter(|(_, case)| forms.contains(&case.form)).collect();
    let messages: Vec<Value> = cases
        .iter()
        .map(|(phone, case)| {
            json!({ "from": phone, "to": "8103", "text": case.text, "encoding": case.encoding, "form": case.form })
        })
        .collect();
    let scenario = json!({
        "system_id": "peer", "password": PASSWORD, "bind": bind,
        "replies": cases.len(), "timeout_s": 30, "messages": messages,
    });

    let mut run = peer.args([host, port]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(scenario.to_string().as_bytes()).unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "the peer's own words are above");

    let replies: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(replies.len(), cases.len());
    let by_phone: BTreeMap<&str, &Value> =
        replies.iter().map(|reply| (reply["to"].as_str().unwrap(), reply)).collect();
    assert_eq!(by_phone.len(), cases.len(), "one reply to each phone");
    for (phone, case) in &cases {
        let reply = by_phone[phone.as_str()];
        let text = reply["text"].as_str().unwrap();
        assert_eq!(reply["from"], "8103");
        assert!(
            text.starts_with(case.begins) && text.contains(&case.holds),
            "{:?} as {} by {} got {text:?}",
            case.text,
            case.encoding,
            case.form
        );
    }
    let dissected = tap.dissect(site.dir.path());
    let phone = |phone: &String| cases.contains_key(phone);
    let replies = dissected.iter().filter(|pdu| pdu.command_id == DELIVER_SM);
    assert_eq!(replies.clone().count(), cases.len());
    assert!(replies.clone().all(|pdu| phone(&pdu.destination) && pdu.source == "8103"));
    let mut messages = dissected.iter().filter(|pdu| [SUBMIT_SM, DATA_SM].contains(&pdu.command_id));
    assert!(messages.all(|pdu| phone(&pdu.source) && pdu.destination == "8103"));
}

const FORMS: [&str; 6] = ["plain", "udh8", "udh16", "sar", "payload", "data_sm"];
/// rusmppc has no data_sm.
const WITHOUT_DATA_SM: &[&str] = FORMS.split_at(5).0;

#[test]
fn smpplib_as_a_transceiver() {
    converse(smpplib(), "transceiver", &FORMS, 20_000_100);
}

#[test]
fn smpplib_as_a_transmitter_and_a_receiver() {
    converse(smpplib(), "pair", &FORMS, 20_000_200);
}

#[test]
fn node_smpp_as_a_transceiver() {
    converse(node(), "transceiver", &FORMS, 20_000_300);
}

#[test]
fn node_smpp_as_a_transmitter_and_a_receiver() {
    converse(node(), "pair", &FORMS, 20_000_400);
}

#[test]
fn rusmppc_as_a_transceiver() {
    converse(rusmppc(), "transceiver", WITHOUT_DATA_SM, 20_000_800);
}

#[test]
fn rusmppc_as_a_transmitter_and_a_receiver() {
    converse(rusmppc(), "pair", WITHOUT_DATA_SM, 20_000_900);
}

/// Has the gateway bind to an SMSC, whose subscribers text in these forms, and reads what they get.
fn serve(mut smsc: Command, binds: &str, forms: &[&str], first: u32) {
    let scenario = json!({
        "system_id": "icaze", "password": PASSWORD, "replies": forms.len(), "timeout_s": 30,
        "messages": forms.iter().enumerate().map(|(index, form)| {
            let (encoding, form) = form.split_once(' ').unwrap();
            let text = format!("2 AZE{}", first as usize + index);
            json!({ "from": format!("99450100{:04}", index), "to": "8103", "text": text, "encoding": encoding, "form": form })
        }).collect::<Vec<_>>(),
    });
    let mut run = smsc.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(scenario.to_string().as_bytes()).unwrap();
    let mut said = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = said.next().unwrap();
    let tap = Tap::before(&format!("127.0.0.1:{port}"));
    let site = Site::new(&format!(
        "[operators.peer]\nrole = \"connect\"\nsystem_id = \"icaze\"\npassword = {PASSWORD:?}\nbinds = {binds}\n\
         addresses = [{:?}]\n",
        tap.address
    ));
    let _gateway = site.start();
    let replies: Vec<Value> =
        said.by_ref().take(forms.len()).map(|line| serde_json::from_str(&line).unwrap()).collect();
    assert!(run.wait().unwrap().success(), "the peer's own words are above");
    assert_eq!(replies.len(), forms.len());
    for (index, form) in forms.iter().enumerate() {
        let phone = format!("99450100{index:04}");
        let reply = replies.iter().find(|reply| reply["to"] == phone.as_str()).unwrap();
        let text = reply["text"].as_str().unwrap();
        let document = format!("AZE{}", first as usize + index);
        assert!(text.starts_with("İCAZƏ VAR") && text.contains(&document), "{form}: {text:?}");
    }
    let dissected = tap.dissect(site.dir.path());
    let submitted = dissected.iter().filter(|pdu| pdu.command_id == SUBMIT_SM && pdu.source == "8103");
    assert_eq!(submitted.count(), forms.len());
}

const PAIR: &str = "[\"transmitter\", \"receiver\"]";
const TRANSCEIVER: &str = "[\"transceiver\"]";

#[test]
fn node_smpp_as_an_smsc_of_a_transceiver() {
    let forms = ["gsm plain", "ucs2 plain", "ucs2 payload", "gsm data_sm"];
    serve(javascript("node_smsc.js"), TRANSCEIVER, &forms, 20_000_700);
}

#[test]
fn node_smpp_as_an_smsc_of_a_transmitter_and_a_receiver() {
    serve(javascript("node_smsc.js"), PAIR, &["gsm plain", "ucs2 plain"], 20_000_710);
}

#[test]
fn smpplib_as_an_smsc_of_a_transceiver() {
    serve(python("smpplib_smsc.py"), TRANSCEIVER, &["gsm plain", "ucs2 plain", "ucs2 payload"], 20_000_720);
}

#[test]
fn smpplib_as_an_smsc_of_a_transmitter_and_a_receiver() {
    serve(python("smpplib_smsc.py"), PAIR, &["gsm plain", "ucs2 plain"], 20_000_730);
}
