//! A disk that fails, hangs or is full, under the real program (rows 3 and 4 of docs/faults.md): the system calls fail or
//! wait because strace says so, and the full disk is a small one that the gateway alone sees.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use icaze_codec::pdu::{Command, Status};

use crate::cli::{config, granted};
use crate::lookups::look_up;
use crate::operator::{Pdu, Peer, submit};
use crate::support::{Gateway, Site};

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of the store, in bytes: see [`Site::new`].
const SEGMENT: u32 = 1 << 20;

/// What is set aside for the store where the disk is to be full: a few segments and the history.
const DISK: &str = "size=24m";

/// strace around the gateway, which stays the test's own child. `inject` names system calls, and what becomes of them.
fn strace(site: &Site, calls: &str, inject: &[&str]) -> Vec<String> {
    let trace = site.dir.path().join("trace");
    let mut line: Vec<String> = ["strace", "-D", "-f", "-qq", "-o"].map(str::to_owned).into();
    line.extend([trace.to_str().unwrap().to_owned(), "-e".to_owned(), format!("trace={calls}")]);
    for inject in inject {
        line.extend(["-e".to_owned(), format!("inject={inject}")]);
    }
    line
}

fn start(site: &Site, wrapper: &[String]) -> Gateway {
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    site.start_under(&wrapper, &["OPERATORS__DEMO__RETRY_STATUS=0x14"])
}

/// A text of a phone and about a document that no other number has.
fn text(number: u32) -> Vec<u8> {
    submit(number + 2, &format!("99450{number:07}"), "8103", &format!("2 AZE2000{:04}", number % 10_000))
}

/// The entry that a response names.
fn entry(response: &Pdu) -> u64 {
    let id = response.body.split(|&octet| octet == 0).next().unwrap();
    u64::from_str_radix(std::str::from_utf8(id).unwrap(), 16).unwrap()
}

/// Every entry of the ledger in `data` that is a decision.
fn decided(site: &Site, data: &Path) -> BTreeSet<u64> {
    let dump = granted(&["ledger", "dump", data.to_str().unwrap(), "--config", &config(site)]);
    let records = dump.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter(|record| record["kind"] == "decision")
        .map(|record| record["seq"].as_u64().unwrap())
        .collect()
}

/// Texts one after the other until the gateway is gone; the entries that it acknowledged.
fn acknowledged_until_the_end(gateway: &Gateway) -> BTreeSet<u64> {
    let mut peer = Peer::bound(&gateway.smpp);
    let mut acked = BTreeSet::new();
    for number in 0..1000 {
        let sent = peer.sender().write_all(&text(number));
        let response = sent.ok().and_then(|()| peer.read_until(Command::SUBMIT_SM_RESP));
        let Some(response) = response else { return acked };
        assert_eq!(response.status, Status::ESME_ROK);
        acked.insert(entry(&response));
    }
    panic!("the gateway goes on after its disk has failed");
}

/// What `GET /readyz` gets: nothing once the gateway is gone.
fn readiness(address: &str) -> Option<String> {
    use std::io::Read;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: icaze\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// The calls of one thread are counted apart, so that the start goes well and a commit under load does not. What comes
/// after the failure would go well again: a gateway that tried would be found out.
fn fails_once(call: &str, action: &str) {
    let site = Site::new("");
    let fails = format!("{call}:error=EIO:when=15");
    let wrapper = strace(&site, &format!("{call},exit"), &[&fails, "exit:delay_enter=500000"]);
    let mut gateway = start(&site, &wrapper);
    let acked = acknowledged_until_the_end(&gateway);
    assert!(acked.len() > 2, "{acked:?}");

    // The threads take their time over their ends, so that somebody can ask.
    let answer = readiness(&gateway.http).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the ledger failed"), "{answer}");
    assert_eq!(gateway.wait(), Some(1));
    let log = site.log();
    let says = log.lines().find(|line| line.starts_with("icaze: ")).unwrap();
    for word in [action, "/data/", "Input/output error", "check the disk, then restart"] {
        assert!(says.contains(word), "{word:?} is not in {says:?}");
    }
    let trace = fs::read_to_string(site.dir.path().join("trace")).unwrap();
    let failed = trace.lines().position(|line| line.ends_with("(INJECTED)")).unwrap();
    let mut after = trace.lines().skip(failed);
    let thread = after.next().unwrap().split(' ').next().unwrap();
    let again = after.find(|line| line.starts_with(thread) && line.contains(call));
    assert_eq!(again, None, "it is never tried again");

    let gateway = start(&site, &[]);
    assert!(decided(&site, &site.dir.path().join("data")).is_superset(&acked));
    let mut peer = Peer::bound(&gateway.smpp);
    peer.send(&text(5000));
    assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK);
}

#[test]
fn a_failed_sync_ends_the_program_and_nothing_is_acknowledged_after_it() {
    fails_once("fdatasync", "cannot sync ");
}

#[test]
fn a_failed_write_ends_the_program_and_nothing_is_acknowledged_after_it() {
    fails_once("pwrite64", "cannot write to ");
}

#[test]
fn a_second_signal_ends_at_once_even_if_the_end_hangs() {
    let site = Site::new("");
    let mut gateway = start(&site, &strace(&site, "exit", &["exit:delay_enter=3000000"]));
    gateway.terminate();
    // Its threads do not end.
    while !readiness(&gateway.http).unwrap().contains("stopped") {
        std::thread::yield_now();
    }
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(1));
}

/// A small disk of its own under the store, which goes with the process.
fn small_disk(site: &Site) -> Vec<String> {
    let data = site.dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let script = format!("mount -t tmpfs -o {DISK} icaze '{}' && exec \"$@\"", data.display());
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
}

#[test]
fn a_full_disk_puts_messages_off_and_once_there_is_room_they_are_taken() {
    let site = Site::new("");
    let wrapper = small_disk(&site);
    let gateway = start(&site, &wrapper);
    let mut peer = Peer::bound(&gateway.smpp);
    let inside = PathBuf::from(format!("/proc/{}/root", gateway.id()));
    let data = inside.join(site.dir.path().strip_prefix("/").unwrap()).join("data");
    let ballast = data.join("ballast");
    fill(&ballast);

    let mut acked = BTreeSet::new();
    let mut numbers = 0..;
    let mut submit = |acked: &mut BTreeSet<u64>| {
        peer.send(&text(numbers.next().unwrap()));
        let response = peer.read_until(Command::SUBMIT_SM_RESP).unwrap();
        if response.status.is_ok() {
            acked.insert(entry(&response));
        }
        response.status
    };
    // What is set aside is used first.
    while submit(&mut acked).is_ok() {}
    assert_eq!(submit(&mut acked), Status::ESME_RMSGQFUL, "as the operator has agreed");
    assert_eq!(gateway.ask("GET /readyz", &[], "").status, 200);
    let metrics = gateway.metrics();
    let free = metrics.lines().find_map(|line| line.strip_prefix("icaze_disk_free_bytes ")).unwrap();
    assert!(free.parse::<f64>().unwrap() < f64::from(SEGMENT), "{free}");
    assert_eq!(gateway.ask("GET /login", &[], "").status, 200);
    let found = look_up(&gateway, "inspector", "document", "AZE10000002");
    assert_eq!(found["verdict"], "not_valid", "look-ups go on, and are written down: {found}");
    assert!(decided(&site, &data).is_superset(&acked));

    fs::remove_file(&ballast).unwrap();
    let until = Instant::now() + PATIENCE;
    while !submit(&mut acked).is_ok() {
        assert!(Instant::now() < until, "no message is taken although there is room\n{}", site.log());
    }
}

/// Writes to a file until the disk has no room for another byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 20, 4096, 1] {
        let error = std::iter::repeat_with(|| file.write_all(&vec![1; size])).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    }
}
