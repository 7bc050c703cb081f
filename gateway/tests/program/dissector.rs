//! What is said on a connection, as Wireshark's SMPP dissector reads it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// PDUs without any transport below them, each behind tags that name its dissector (Wireshark's "exported PDU").
const LINKTYPE_WIRESHARK_UPPER_PDU: u32 = 252;
const TAG_DISSECTOR_NAME: u16 = 12;

/// Stands between an operator and the gateway, and keeps every PDU that goes through, in either direction.
pub(crate) struct Tap {
    /// Where the operator connects.
    pub(crate) address: String,
    pdus: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One PDU as tshark has decoded it.
#[derive(Debug)]
pub(crate) struct Dissected {
    pub(crate) command_id: u32,
    pub(crate) source: String,
    pub(crate) destination: String,
}

impl Tap {
    /// Carries each connection on to the gateway at `target`.
    pub(crate) fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pdus = Arc::new(Mutex::new(Vec::new()));
        let (target, kept) = (target.to_owned(), Arc::clone(&pdus));
        thread::spawn(move || {
            for operator in listener.incoming() {
                // A peer that comes back once the other one has gone finds nobody.
                let Ok(gateway) = TcpStream::connect(&target) else { continue };
                let operator = operator.unwrap();
                carry(operator.try_clone().unwrap(), gateway.try_clone().unwrap(), Arc::clone(&kept));
                carry(gateway, operator, Arc::clone(&kept));
            }
        });
        Self { address, pdus }
    }

    /// Has tshark dissect all that went through so far: nothing malformed, no warning.
    pub(crate) fn dissect(&self, dir: &Path) -> Vec<Dissected> {
        let pdus = self.pdus.lock().unwrap().clone();
        let capture = dir.join("smpp.pcap");
        fs::write(&capture, pcap(&pdus)).unwrap();
        let fields =
            ["smpp.command_id", "smpp.source_addr", "smpp.destination_addr", "_ws.malformed", "_ws.expert"];
        let output = Command::new("tshark")
            .args(["-n", "-T", "fields", "-E", "separator=|", "-r"])
            .arg(&capture)
            .args(fields.iter().flat_map(|field| ["-e", field]))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.lines().count(), pdus.len(), "one dissection for each PDU");
        let dissected = said.lines().zip(&pdus).map(|(line, pdu)| {
            let [command_id, source, destination, malformed, expert] =
                line.split('|').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!((malformed, expert), ("", ""), "{line} of {pdu:02x?}");
            let command_id = u32::from_str_radix(command_id.trim_start_matches("0x"), 16).unwrap();
            Dissected { command_id, source: source.to_owned(), destination: destination.to_owned() }
        });
        dissected.collect()
    }
}

/// Carries bytes one way and keeps the PDUs among them.
fn carry(mut from: TcpStream, mut to: TcpStream, kept: Arc<Mutex<Vec<Vec<u8>>>>) {
    thread::spawn(move || {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
            while let Some(length) = bytes.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)
                && bytes.len() >= length
            {
                kept.lock().unwrap().push(bytes.drain(..length).collect());
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A capture file of them (the format of libpcap, version 2.4).
fn pcap(pdus: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, LINKTYPE_WIRESHARK_UPPER_PDU] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    let mut tags = Vec::new();
    tags.extend_from_slice(&TAG_DISSECTOR_NAME.to_be_bytes());
    tags.extend_from_slice(b"\0\x04smpp\0\0\0\0");
    for (second, pdu) in (0..).zip(pdus) {
        let length = u32::try_from(tags.len() + pdu.len()).unwrap();
        for word in [second, 0, length, length] {
            file.extend_from_slice(&u32::to_le_bytes(word));
        }
        file.extend_from_slice(&tags);
        file.extend_from_slice(pdu);
    }
    file
}

#[test]
fn the_judge_finds_what_is_malformed() {
    let dir = tempfile::tempdir().unwrap();
    let enquire_link = vec![0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 1];
    let cut = [&[0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2][..], b"\0\x01\x01\x39"].concat();
    let tap = |pdus| Tap { address: String::new(), pdus: Arc::new(Mutex::new(pdus)) };
    assert_eq!(tap(vec![enquire_link.clone()]).dissect(dir.path())[0].command_id, 0x15);
    let judged = std::panic::catch_unwind(|| tap(vec![enquire_link, cut]).dissect(dir.path()));
    assert!(judged.is_err(), "a submit_sm that ends in its source address");
}
