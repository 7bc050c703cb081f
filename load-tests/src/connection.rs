//! One bind of a simulated operator: a socket and the ESME's side of a session.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use icaze_codec::pdu::{Address, BindKind, Credentials, Message, MessageKind, Status};
use icaze_codec::session::{BindLimits, Event, RequestId, Role, SendError, Session, SessionConfig, Timers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What one read takes at most.
const READ_MAX: usize = 256 << 10;
/// How long a message may wait for its response.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a bind may take; the session's own timer ends it before.
const BIND_MAX: Duration = Duration::from_secs(60);
/// The user data begins with a header (SMPP v3.4, 5.2.12).
pub(crate) const UDHI: u8 = 0x40;

/// What came from the gateway.
pub(crate) enum Incoming<'a> {
    /// Its word on a message.
    Response {
        /// As given to [`Connection::text`].
        token: u64,
        /// ESME_ROK: the gateway has it.
        status: Status,
        /// The gateway's name for it.
        message_id: &'a [u8],
    },
    /// A message that will have no response on this bind.
    Unanswered {
        /// As given to [`Connection::text`].
        token: u64,
    },
    /// A reply for a phone.
    Reply(Message<'a>),
}

/// Where to bind, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Account {
    /// The operator's account.
    #[arg(long, default_value = "demo")]
    pub(crate) system_id: String,
    /// Its password.
    #[arg(long, default_value = "demo1234")]
    pub(crate) password: String,
    /// The short number that is texted.
    #[arg(long, value_name = "SHORT", default_value = "8103")]
    pub(crate) to: String,
}

/// A text as it goes on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The phone, in E.164.
    pub(crate) from: &'a [u8],
    /// The short number.
    pub(crate) to: &'a [u8],
    /// 0, or [`UDHI`].
    pub(crate) esm_class: u8,
    /// The alphabet.
    pub(crate) data_coding: u8,
    /// The user data.
    pub(crate) payload: &'a [u8],
}

/// A bound ESME.
pub(crate) struct Connection {
    stream: TcpStream,
    session: Session,
    buffer: Vec<u8>,
    /// Replies to answer once polling is over.
    replies: Vec<(RequestId, Status)>,
    /// Whether the socket did not take all that there was to write.
    unwritten: bool,
    closed: bool,
}

impl Connection {
    /// Connects and binds. At most `window` messages await their responses.
    pub(crate) fn bind(
        target: SocketAddr,
        account: &Account,
        kind: BindKind,
        window: usize,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target).with_context(|| format!("cannot connect to {target}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let limits = BindLimits { window_in: usize::MAX, window_out: window, ..BindLimits::default() };
        let timers = Timers { response: PATIENCE, enquire_link: PATIENCE, ..Timers::default() };
        let config = SessionConfig { limits, timers, ..SessionConfig::default() };
        let mut session = Session::new(Role::Esme, config, Instant::now());
        let credentials = Credentials {
            system_id: &account.system_id,
            password: &account.password,
            ..Credentials::default()
        };
        session.bind(kind, &credentials, Instant::now())?;
        let mut connection = Self {
            stream,
            session,
            buffer: vec![0; READ_MAX],
            replies: Vec::new(),
            unwritten: false,
            closed: false,
        };
        while connection.session.bind_kind().is_none() {
            connection.write();
            wait([&connection], BIND_MAX, |_| {})?;
            connection.read();
            connection.session.handle_timeout(Instant::now());
            match connection.session.poll(Instant::now()) {
                Some(Event::BindRefused { status }) => {
                    bail!("{target} refused the bind: {} ({:#x})", status.name(), status.0);
                }
                Some(Event::Closed(reason)) => bail!("{target} did not answer the bind: {reason}"),
                _ => {}
            }
        }
        Ok(connection)
    }

    /// Puts a text into the output.
    pub(crate) fn text(&mut self, text: &Text<'_>, token: u64, now: Instant) -> Result<(), SendError> {
        let message = Message {
            kind: MessageKind::SubmitSm,
            source: Address { ton: 1, npi: 1, digits: text.from },
            destination: Address { ton: 3, npi: 1, digits: text.to },
            esm_class: text.esm_class,
            data_coding: text.data_coding,
            payload: text.payload,
            ..Message::default()
        };
        self.session.send(&message, token, now)
    }

    /// Texts that may be sent before a response comes.
    pub(crate) fn window_free(&self) -> usize {
        self.session.window_free()
    }

    /// Whether the gateway, or the network, has ended it.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Ends it without a word: what was not read is lost. [`Self::take`] afterwards.
    pub(crate) fn reset(&mut self) {
        self.session.disconnected();
    }

    /// Asks the gateway to end the session.
    pub(crate) fn unbind(&mut self) {
        self.session.unbind(Instant::now());
    }

    /// Hands out everything that has come. What `f` says of a reply is its response.
    pub(crate) fn take(&mut self, now: Instant, mut f: impl FnMut(Incoming<'_>) -> Status) {
        while let Some(event) = self.session.poll(now) {
            match event {
                Event::Answered { token, status, message_id } => {
                    f(Incoming::Response { token, status, message_id });
                }
                Event::Unanswered { token } => {
                    f(Incoming::Unanswered { token });
                }
                Event::Message { request, message } => {
                    self.replies.push((request, f(Incoming::Reply(message))));
                }
                Event::Closed(_) => self.closed = true,
                _ => {}
            }
        }
        for (request, status) in self.replies.drain(..) {
            self.session.respond(request, status, &[]);
        }
        if self.closed {
            // The answer to an unbind: nobody turns to a closed connection again.
            self.write();
        }
    }

    /// Writes and reads what can be without waiting. [`Self::take`] afterwards.
    pub(crate) fn pump(&mut self) {
        self.write();
        self.read();
        self.session.handle_timeout(Instant::now());
    }

    /// Lets the session's timers run. [`Self::take`] afterwards.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
    }

    /// When the session's next timer runs out.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.session.next_timeout()
    }

    /// Writes as much as the socket takes. Where the other side has gone, what it wrote before can still be read: reading
    /// finds the end.
    pub(crate) fn write(&mut self) {
        let output = self.session.output();
        while !output.is_empty() {
            match self.stream.write(output) {
                Ok(count) => drop(output.drain(..count)),
                Err(_) => break,
            }
        }
        self.unwritten = !output.is_empty();
    }

    /// Reads once. [`Self::take`] afterwards.
    pub(crate) fn read(&mut self) {
        match self.stream.read(&mut self.buffer) {
            Ok(0) => self.session.disconnected(),
            Ok(count) => self.session.handle_input(self.buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.session.disconnected(),
        }
    }
}

/// Waits until one of them can be read, or can be written where something is left to write, at most so long. `ready` hears
/// of each, in order.
pub(crate) fn wait<'a>(
    connections: impl IntoIterator<Item = &'a Connection>,
    longest: Duration,
    ready: impl FnMut(bool),
) -> io::Result<()> {
    let wanted = |connection: &'a Connection| {
        let flags = if connection.unwritten { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        PollFd::new(&connection.stream, flags)
    };
    let mut fds: Vec<_> = connections.into_iter().map(wanted).collect();
    match poll(&mut fds, Timespec::try_from(longest).ok().as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    fds.iter().map(|fd| !fd.revents().is_empty()).for_each(ready);
    Ok(())
}
