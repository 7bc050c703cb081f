//! An operator's SMSC: a session of our own codec, on loopback.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use icaze_codec::pdu::{Address, BindKind, Credentials, Message, MessageKind, Status};
use icaze_codec::session::{BindLimits, CloseReason, Event, RequestId, Role, Session, SessionConfig};

/// Long enough for a busy machine: a test that waits for so long fails anyway.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that ESMEs bind to.
pub(crate) struct Smsc(TcpListener);

/// One ESME's session.
pub(crate) struct Bind {
    stream: TcpStream,
    session: Session,
    pub(crate) kind: Option<BindKind>,
    pub(crate) system_id: String,
    pub(crate) password: Vec<u8>,
    submitted: VecDeque<Submitted>,
    answered: VecDeque<Status>,
    closed: Option<CloseReason>,
}

/// What an ESME submitted.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) request: RequestId,
    pub(crate) to: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) validity_period: String,
    pub(crate) registered_delivery: u8,
}

impl Smsc {
    pub(crate) fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// The next connection, before anything is read.
    pub(crate) fn accept(&self) -> TcpStream {
        self.0.accept().unwrap().0
    }

    /// The next ESME that connects, once its bind is accepted.
    pub(crate) fn bound(&self) -> Bind {
        let mut bind = Bind::new(self.accept());
        bind.accept();
        bind
    }

    /// The same, refused.
    pub(crate) fn refused(&self, status: Status) {
        let mut bind = Bind::new(self.accept());
        while bind.kind.is_none() {
            bind.step();
        }
        bind.session.refuse_bind(status);
        bind.flush();
    }
}

impl Bind {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            session: Session::new(Role::Smsc, SessionConfig::default(), Instant::now()),
            kind: None,
            system_id: String::new(),
            password: Vec::new(),
            submitted: VecDeque::new(),
            answered: VecDeque::new(),
            closed: None,
        }
    }

    /// Connects to an ESME and asks to be bound to.
    pub(crate) fn outbind(address: &str, system_id: &str, password: &str) -> Self {
        let mut bind = Self::new(TcpStream::connect(address).unwrap());
        let credentials = Credentials { system_id, password, ..Credentials::default() };
        bind.session.outbind(&credentials, Instant::now()).unwrap();
        bind.flush();
        bind
    }

    /// Waits for the bind and accepts it.
    pub(crate) fn accept(&mut self) {
        while self.kind.is_none() {
            assert!(self.step(), "closed: {:?}", self.closed);
        }
        self.session.accept_bind(BindLimits::default(), Instant::now());
        self.flush();
    }

    /// Delivers a citizen's text and returns what it is answered.
    pub(crate) fn text(&mut self, from: &str, text: &str) -> Status {
        self.deliver(&Message {
            kind: MessageKind::DeliverSm,
            source: Address { ton: 1, npi: 1, digits: from.as_bytes() },
            destination: Address { ton: 3, npi: 1, digits: b"8103" },
            payload: text.as_bytes(),
            ..Message::default()
        })
    }

    /// Delivers a receipt in the form of Appendix B.
    pub(crate) fn receipt(&mut self, text: &str) -> Status {
        self.deliver(&Message {
            kind: MessageKind::DeliverSm,
            esm_class: 0x04,
            destination: Address { ton: 3, npi: 1, digits: b"8103" },
            payload: text.as_bytes(),
            ..Message::default()
        })
    }

    pub(crate) fn deliver(&mut self, message: &Message<'_>) -> Status {
        self.session.send(message, 0, Instant::now()).unwrap();
        self.flush();
        loop {
            if let Some(status) = self.answered.pop_front() {
                return status;
            }
            assert!(self.step(), "closed: {:?}", self.closed);
        }
    }

    /// What the ESME submits next, to be answered.
    pub(crate) fn submitted(&mut self) -> Submitted {
        loop {
            if let Some(submitted) = self.submitted.pop_front() {
                return submitted;
            }
            assert!(self.step(), "closed: {:?}", self.closed);
        }
    }

    /// The same, taken as `id`.
    pub(crate) fn take(&mut self, id: &str) -> Submitted {
        let submitted = self.submitted();
        self.respond(&submitted, Status::ESME_ROK, id);
        submitted
    }

    /// Delivers a text of a receipt's form, marked or not, from a phone.
    pub(crate) fn receipt_from(&mut self, phone: &str, esm_class: u8, text: &str) -> Status {
        self.deliver(&Message {
            kind: MessageKind::DeliverSm,
            esm_class,
            source: Address { ton: 1, npi: 1, digits: phone.as_bytes() },
            destination: Address { ton: 3, npi: 1, digits: b"8103" },
            payload: text.as_bytes(),
            ..Message::default()
        })
    }

    pub(crate) fn respond(&mut self, submitted: &Submitted, status: Status, id: &str) {
        self.session.respond(submitted.request, status, id.as_bytes());
        self.flush();
    }

    /// Waits until the session is over.
    pub(crate) fn closed(&mut self) -> CloseReason {
        while self.step() {}
        self.closed.unwrap()
    }

    fn flush(&mut self) {
        let output = self.session.output();
        // The ESME may have gone meanwhile.
        let _ = self.stream.write_all(output);
        output.clear();
    }

    /// Takes what comes next; `false` once the session is over.
    fn step(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.session.disconnected(),
            Ok(count) => self.session.handle_input(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.session.disconnected(),
            Err(error) => panic!("nothing came: {error}"),
        }
        while let Some(event) = self.session.poll(Instant::now()) {
            match event {
                Event::Bind(request) => {
                    self.kind = Some(request.kind);
                    self.system_id = request.system_id().to_owned();
                    self.password = request.password().to_vec();
                }
                Event::Message { request, message } => self.submitted.push_back(Submitted {
                    request,
                    to: String::from_utf8_lossy(message.destination.digits).into_owned(),
                    payload: message.payload.to_vec(),
                    validity_period: String::from_utf8_lossy(message.validity_period).into_owned(),
                    registered_delivery: message.registered_delivery,
                }),
                Event::Answered { status, .. } => self.answered.push_back(status),
                Event::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
        self.flush();
        self.closed.is_none()
    }
}
