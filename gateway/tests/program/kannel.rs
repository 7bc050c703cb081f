//! Kannel's bearerbox and smsbox bound to the gateway, as an operator's own gateway is.
//!
//! Needs Debian's kannel, which `./check install` installs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::dissector::Tap;
use crate::support::{Site, until};

const SUBMIT_SM: u32 = 0x04;
const DELIVER_SM: u32 = 0x05;
const ERRORS: u32 = 0x8000_0000;

/// A program that is killed when this is dropped.
struct Box(Child);

impl Drop for Box {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts both boxes: one SMSC, the gateway, with this kind of bind; what comes from it is handed to `inbox`.
fn start(dir: &Path, gateway: &str, bind: &str, inbox: u16) -> ([Box; 2], u16) {
    let (admin, boxes, sendsms) = (free_port(), free_port(), free_port());
    let (host, port) = gateway.rsplit_once(':').unwrap();
    // Kannel takes a transmitter and a receiver for two SMSCs.
    let binds: String = match bind {
        "transceiver" => vec![format!("port = {port}\ntransceiver-mode = true")],
        _ => vec![format!("port = {port}"), format!("receive-port = {port}")],
    }
    .iter()
    .map(|bind| {
        format!(
            "group = smsc\nsmsc = smpp\nhost = {host}\n{bind}\nsmsc-username = kannel\nsmsc-password = s3cret\n\
             system-type = \"\"\nsource-addr-ton = 1\nsource-addr-npi = 1\ndest-addr-ton = 0\ndest-addr-npi = 1\n\
             reconnect-delay = 1\n\n"
        )
    })
    .collect();
    let config = format!(
        "group = core\nadmin-port = {admin}\nadmin-interface = 127.0.0.1\nadmin-password = x\nsmsbox-port = {boxes}\n\
         smsbox-interface = 127.0.0.1\nbox-allow-ip = 127.0.0.1\n\n\
         {binds}group = smsbox\nbearerbox-host = 127.0.0.1\nbearerbox-port = {boxes}\nsendsms-port = {sendsms}\n\
         sendsms-interface = 127.0.0.1\n\n\
         group = sendsms-user\nusername = phones\npassword = x\nconcatenation = true\nmax-messages = 4\n\n\
         group = sms-service\nkeyword = default\ncatch-all = true\naccept-x-kannel-headers = true\nmax-messages = 0\n\
         get-url = \"http://127.0.0.1:{inbox}/?from=%p&to=%P&text=%b\"\n"
    );
    let path = dir.join("kannel.conf");
    fs::write(&path, config).unwrap();
    let run = |program: &str| {
        let log = fs::File::create(dir.join(format!("{program}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(["-v", "1"]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Box(command
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; ./check install installs kannel")))
    };
    let bearerbox = run("bearerbox");
    connect(boxes);
    let smsbox = run("smsbox");
    connect(sendsms);
    // A text that comes before smsbox has found bearerbox ends smsbox.
    until("smsbox finds bearerbox", || get(admin, "status.txt?password=x").contains("smsbox:"));
    ([bearerbox, smsbox], sendsms)
}

/// Waits until somebody listens.
fn connect(port: u16) -> TcpStream {
    let mut stream = None;
    until("somebody listens", || {
        stream = TcpStream::connect(("127.0.0.1", port)).ok();
        stream.is_some()
    });
    stream.unwrap()
}

/// Has a phone text `text`, as Kannel's sendsms takes it.
fn text(sendsms: u16, phone: &str, text: &str, coding: u8) {
    let escaped: String = match coding {
        2 => text.encode_utf16().flat_map(u16::to_be_bytes).map(|byte| format!("%{byte:02X}")).collect(),
        _ => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    };
    let ask = format!("from={phone}&to=8103&coding={coding}&text={escaped}");
    let answer = get(sendsms, &format!("cgi-bin/sendsms?username=phones&password=x&{ask}"));
    assert!(answer.starts_with("HTTP/1.0 202 "), "{answer}");
}

/// What Kannel answers over HTTP; nothing while it does not.
fn get(port: u16, path: &str) -> String {
    let mut stream = connect(port);
    write!(stream, "GET /{path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// The next reply that Kannel hands over: from, to, and the bytes of its text.
fn reply(inbox: &TcpListener) -> (String, String, Vec<u8>) {
    let (mut stream, _) = inbox.accept().unwrap();
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
    stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let query = line.split(' ').nth(1).unwrap().trim_start_matches("/?").to_owned();
    let mut values = query.split('&').map(|pair| unescape(pair.split_once('=').unwrap().1));
    let mut next = || values.next().unwrap();
    let plain = |bytes| String::from_utf8(bytes).unwrap();
    (plain(next()), plain(next()), next())
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap() as u8;
        bytes.push(match byte {
            b'%' => digit() * 16 + digit(),
            b'+' => b' ',
            other => other,
        });
    }
    bytes
}

fn converse(bind: &str, first: u32) {
    let site = Site::new("[operators.kannel]\nsystem_id = \"kannel\"\npassword = \"s3cret\"\n");
    let gateway = site.start();
    let tap = Tap::before(&gateway.smpp);
    let inbox = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (_boxes, sendsms) = start(dir.path(), &tap.address, bind, inbox.local_addr().unwrap().port());
    let long = format!("{} bazara gedirem", "x".repeat(180));
    // Text, coding as Kannel counts it, and how the reply begins.
    let cases = [
        (format!("2 AZE{first}"), 0, "İCAZƏ VAR"),
        (format!("ru 2 aze{}", first + 1), 0, "РАЗРЕШЕНО"),
        (format!("2 АZЕ{}", first + 2), 2, "İCAZƏ VAR"),
        (format!("2 AZE{} {long}", first + 3), 0, "İCAZƏ VAR"),
    ];
    let mut phones = Vec::new();
    for (index, (words, coding, begins)) in cases.iter().enumerate() {
        let phone = format!("99450{:07}", first as usize % 1_000_000 + index);
        text(sendsms, &phone, words, *coding);
        let (from, to, bytes) = reply(&inbox);
        assert_eq!((from.as_str(), to.trim_start_matches('+')), ("8103", phone.as_str()));
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let read = String::from_utf16(&units).unwrap();
        let document = format!("AZE{}", first as usize + index);
        assert!(read.starts_with(begins) && read.contains(&document), "{words:?} got {read:?}");
        phones.push(phone);
    }
    let dissected = tap.dissect(dir.path());
    assert!(dissected.iter().all(|pdu| pdu.command_id != ERRORS), "no generic_nack");
    let of = |command| dissected.iter().filter(move |pdu| pdu.command_id == command);
    assert!(of(SUBMIT_SM).count() > phones.len(), "the last text has two parts");
    assert!(of(SUBMIT_SM).all(|pdu| phones.contains(&pdu.source) && pdu.destination == "8103"));
    let answered: Vec<_> = of(DELIVER_SM).map(|pdu| pdu.destination.clone()).collect();
    assert_eq!(answered, phones);
}

#[test]
fn kannel_as_a_transceiver() {
    converse("transceiver", 20_000_500);
}

#[test]
fn kannel_as_a_transmitter_and_a_receiver() {
    converse("pair", 20_000_600);
}
