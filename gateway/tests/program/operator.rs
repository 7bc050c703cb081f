//! An operator's side, byte by byte: what a session of our own would never send.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use icaze_codec::frame::{self, Header};
use icaze_codec::pdu::{Address, Command, Message, MessageKind, Status, Version};

/// Long enough for a busy machine: a test that waits for so long fails anyway.
const PATIENCE: Duration = Duration::from_secs(30);

/// One PDU from the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pdu {
    pub(crate) command: Command,
    pub(crate) status: Status,
    pub(crate) sequence: u32,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Connected and bound as a transceiver of the demo account.
    pub(crate) fn bound(address: &str) -> Self {
        let mut peer = Self::connect(address);
        assert_eq!(peer.bind("demo", "demo1234").map(|pdu| pdu.status), Some(Status::ESME_ROK));
        peer
    }

    pub(crate) fn bind(&mut self, system_id: &str, password: &str) -> Option<Pdu> {
        // system_type is empty; interface_version 3.4; no address range (SMPP v3.4, 4.1.5).
        let body = [system_id.as_bytes(), &[0], password.as_bytes(), &[0, 0, 0x34, 0, 0, 0]].concat();
        self.send(&pdu(Command::BIND_TRANSCEIVER, 1, &body));
        self.read()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The connection, to write from another thread.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// The next PDU; `None` once the gateway has closed the connection.
    pub(crate) fn read(&mut self) -> Option<Pdu> {
        loop {
            if let Some((frame, length)) = frame::split(&self.received, 1 << 20).unwrap() {
                let Header { command, status, sequence } = frame.header;
                let pdu = Pdu { command, status, sequence, body: frame.body.to_vec() };
                self.received.drain(..length);
                return Some(pdu);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The next PDU of this kind; answers replies and enquire_links on the way.
    pub(crate) fn read_until(&mut self, command: Command) -> Option<Pdu> {
        loop {
            let pdu = self.read()?;
            if pdu.command == command {
                return Some(pdu);
            }
            self.answer(&pdu);
        }
    }

    /// Answers a request as a well-behaved operator does.
    pub(crate) fn answer(&mut self, request: &Pdu) {
        let body: &[u8] = if request.command == Command::DELIVER_SM { &[0] } else { &[] };
        if !request.command.is_response() {
            // A gateway that ends may have closed the connection by now.
            let _ = self.stream.write_all(&pdu(request.command.response(), request.sequence, body));
        }
    }

    /// Whether the gateway closes the connection without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read().is_none()
    }
}

pub(crate) fn pdu(command: Command, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header { command, status: Status::ESME_ROK, sequence };
    frame::write(&mut bytes, header, |out| out.extend_from_slice(body));
    bytes
}

/// A submit_sm from a phone.
pub(crate) fn submit(sequence: u32, from: &str, to: &str, text: &str) -> Vec<u8> {
    let message = Message {
        kind: MessageKind::SubmitSm,
        source: Address { ton: 1, npi: 1, digits: from.as_bytes() },
        destination: Address { ton: 3, npi: 1, digits: to.as_bytes() },
        payload: text.as_bytes(),
        ..Message::default()
    };
    let mut body = Vec::new();
    message.encode(&mut body, Version::V3_4);
    pdu(Command::SUBMIT_SM, sequence, &body)
}
