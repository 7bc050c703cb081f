//! The floor: an SMSC that answers each submit_sm with its response and one deliver_sm, and does nothing else.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::Context as _;
use icaze_codec::frame::{self, Frame, Header};
use icaze_codec::pdu::{self, Message, MessageKind, Status, Version, tlv};
use icaze_codec::text;

/// As long as a grant is: 67 characters of UCS-2.
const REPLY: &str = "İCAZƏ VAR: AZE20000001, kod 2 ərzaq, 14.12 14:15-17:15, № 7K3M-9QXF";
/// The largest PDU it takes.
const FRAME_MAX: usize = 1 << 16;

/// The echo in a process of its own, which ends with this value.
pub(super) struct Process {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Process {
    /// Starts this program once more.
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("echo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the echo")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse().with_context(|| format!("the echo said {line:?}"))?;
        Ok(Self { child, address })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends once its input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Listens on a free port of loopback, which it prints, until its input ends; a thread for each connection.
#[expect(clippy::print_stdout, reason = "whoever started it reads the port")]
pub(crate) fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reply = Vec::new();
    let data_coding = text::encode(REPLY, &mut reply).data_coding();
    let (mut input, mut filled) = (vec![0; 256 << 10], 0);
    let (mut output, mut sequence) = (Vec::new(), 0);
    loop {
        let count = stream.read(input.get_mut(filled..).unwrap_or_default())?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let mut read = 0;
        loop {
            let rest = input.get(read..filled).unwrap_or_default();
            let split = frame::split(rest, FRAME_MAX);
            let Some((frame, length)) = split.map_err(|error| io::Error::other(error.to_string()))? else {
                break;
            };
            answer(frame, &reply, data_coding, &mut sequence, &mut output);
            read += length;
        }
        input.copy_within(read..filled, 0);
        filled -= read;
        stream.write_all(&output)?;
        output.clear();
    }
}

/// Writes what a PDU is answered with.
fn answer(
    Frame { header, body }: Frame<'_>,
    reply: &[u8],
    data_coding: u8,
    sequence: &mut u32,
    out: &mut Vec<u8>,
) {
    if header.command.is_response() {
        return;
    }
    let response = Header { command: header.command.response(), status: Status::ESME_ROK, ..header };
    match header.command {
        pdu::Command::SUBMIT_SM => {
            let Ok(message) = Message::decode(MessageKind::SubmitSm, body) else { return };
            frame::write(out, response, |out| out.extend_from_slice(b"00000000\0"));
            *sequence += 1;
            let request =
                Header { command: pdu::Command::DELIVER_SM, status: Status::ESME_ROK, sequence: *sequence };
            let delivery = Message {
                kind: MessageKind::DeliverSm,
                source: message.destination,
                destination: message.source,
                data_coding,
                payload: reply,
                ..Message::default()
            };
            frame::write(out, request, |out| delivery.encode(out, Version::V3_4));
        }
        pdu::Command::BIND_TRANSCEIVER => frame::write(out, response, |out| {
            out.extend_from_slice(b"floor\0");
            tlv::put(out, tlv::SC_INTERFACE_VERSION, &[Version::V3_4.0]);
        }),
        _ => frame::write(out, response, |_| ()),
    }
}
