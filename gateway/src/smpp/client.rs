//! The other side: an operator's ESME, for `icaze sms` and the demo.

use std::collections::VecDeque;
use std::io;

use icaze_codec::pdu::{Address, BindKind, Credentials, Message, MessageKind, Status};
use icaze_codec::session::{CloseReason, Event, RequestId, Role, SendError, Session, SessionConfig};
use icaze_codec::text::{self, Alphabet, segment};
use tokio::net::TcpStream;
use tokio::time::sleep_until;

use crate::clock::Now;

/// International number, E.164.
const SUBSCRIBER: (u8, u8) = (1, 1);
/// Network specific: a short number.
const SHORT: (u8, u8) = (3, 1);
/// The user data begins with a header.
const UDHI: u8 = 0x40;

/// A bound ESME.
pub struct Client {
    stream: TcpStream,
    session: Session,
    incoming: VecDeque<Incoming>,
    /// Messages to answer once polling is over.
    unanswered: Vec<(RequestId, Status)>,
    /// The only phone whose replies are taken.
    phone: Option<String>,
    buffer: Vec<u8>,
}

/// What came from the gateway.
#[derive(Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Our bind was accepted.
    Bound,
    /// It was not.
    Refused(Status),
    /// The gateway's word on a text.
    Response {
        /// As given to [`Client::text`].
        token: u64,
        /// What it says; `None` if it did not come in time.
        status: Option<Status>,
    },
    /// A reply for a phone.
    Reply {
        /// The phone.
        to: String,
        /// What it reads.
        text: String,
    },
    /// The session is over.
    Closed(CloseReason),
}

impl Client {
    /// Connects to `server` (`HOST:PORT`) and binds.
    /// `only`: replies to this phone are taken; others are for the operator's other sessions, and put back.
    ///
    /// # Errors
    /// If the connection or the bind fails.
    pub async fn bind(
        server: &str,
        kind: BindKind,
        credentials: &Credentials<'_>,
        config: SessionConfig,
        only: Option<&str>,
    ) -> anyhow::Result<Self> {
        use anyhow::{Context as _, bail};
        let stream = TcpStream::connect(server)
            .await
            .with_context(|| format!("cannot connect to {server}: is `icaze serve` running there?"))?;
        stream.set_nodelay(true)?;
        let session = Session::new(Role::Esme, config, Now::read().monotonic);
        let buffer = vec![0; 64 << 10];
        // A reply may come right behind the response to the bind.
        let phone = only.map(|phone| digits(phone).to_owned());
        let (incoming, unanswered) = (VecDeque::new(), Vec::new());
        let mut client = Self { stream, session, incoming, unanswered, phone, buffer };
        client.session.bind(kind, credentials, Now::read().monotonic)?;
        match client.next().await? {
            Incoming::Bound => Ok(client),
            Incoming::Refused(status) => {
                bail!(
                    "{server} refused the bind: {} ({:#x}); check system_id and password",
                    status.name(),
                    status.0
                )
            }
            Incoming::Closed(reason) => bail!("{server} closed the connection: {reason}"),
            _ => bail!("{server} answered the bind with something else"),
        }
    }

    /// Texts from a phone to a short number, in parts if it is long. Each part has its response under `token`.
    ///
    /// # Errors
    /// If the window is full or the text is too long.
    pub fn text(
        &mut self,
        from: &str,
        to: &str,
        body: &str,
        reference: u8,
        token: u64,
    ) -> Result<usize, SendError> {
        let parts = text::split(body, Alphabet::Gsm7, segment::Reference::Octet(reference));
        let parts: Vec<_> = parts.map_err(|_| SendError::WindowFull)?.collect();
        if self.session.window_free() < parts.len() {
            return Err(SendError::WindowFull);
        }
        let mut payload = Vec::new();
        for part in &parts {
            payload.clear();
            part.write(&mut payload);
            let message = Message {
                kind: MessageKind::SubmitSm,
                source: Address { ton: SUBSCRIBER.0, npi: SUBSCRIBER.1, digits: digits(from).as_bytes() },
                destination: Address { ton: SHORT.0, npi: SHORT.1, digits: to.as_bytes() },
                esm_class: if part.udhi() { UDHI } else { 0 },
                data_coding: part.coding.data_coding(),
                payload: &payload,
                ..Message::default()
            };
            self.session.send(&message, token, Now::read().monotonic)?;
        }
        Ok(parts.len())
    }

    /// Texts that may be sent before a response comes.
    #[must_use]
    pub fn window_free(&self) -> usize {
        self.session.window_free()
    }

    /// Asks the gateway to end the session.
    pub fn unbind(&mut self) {
        self.session.unbind(Now::read().monotonic);
    }

    /// What comes next. Replies are acknowledged when they are handed out. Can be dropped and called again.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn next(&mut self) -> io::Result<Incoming> {
        loop {
            self.poll();
            if let Some(incoming) = self.incoming.pop_front() {
                // What can be written must not wait for the next call; what cannot is tried again then.
                self.write()?;
                return Ok(incoming);
            }
            let unwritten = self.write()?;
            let deadline = self.session.next_timeout();
            let far = Now::read().monotonic + std::time::Duration::from_secs(3600);
            tokio::select! {
                ready = self.stream.readable() => {
                    ready?;
                    self.read()?;
                }
                ready = self.stream.writable(), if unwritten => ready?,
                () = sleep_until(deadline.unwrap_or(far).into()) => {
                    self.session.handle_timeout(Now::read().monotonic);
                }
            }
        }
    }

    /// Writes what the socket takes now; whether something is left.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn write(&mut self) -> io::Result<bool> {
        let output = self.session.output();
        while !output.is_empty() {
            match self.stream.try_write(output) {
                Ok(count) => drop(output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn read(&mut self) -> io::Result<()> {
        match self.stream.try_read(&mut self.buffer) {
            Ok(0) => self.session.disconnected(),
            Ok(count) => self.session.handle_input(self.buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn poll(&mut self) {
        let now = Now::read().monotonic;
        while let Some(event) = self.session.poll(now) {
            let incoming = match event {
                Event::Bound => Incoming::Bound,
                Event::BindRefused { status } => Incoming::Refused(status),
                Event::Answered { token, status, .. } => Incoming::Response { token, status: Some(status) },
                Event::Unanswered { token } => Incoming::Response { token, status: None },
                Event::Message { request, message } => {
                    let mine = self.phone.as_ref().is_none_or(|p| p.as_bytes() == message.destination.digits);
                    self.unanswered
                        .push((request, if mine { Status::ESME_ROK } else { Status::ESME_RX_T_APPN }));
                    if !mine {
                        continue;
                    }
                    reply(&message)
                }
                Event::Closed(reason) => Incoming::Closed(reason),
                Event::Bind(_)
                | Event::Late { .. }
                | Event::Malformed { .. }
                | Event::Outbind(_)
                | Event::Unbinding => continue,
            };
            self.incoming.push_back(incoming);
        }
        for (request, status) in self.unanswered.drain(..) {
            self.session.respond(request, status, &[]);
        }
    }
}

fn reply(message: &Message<'_>) -> Incoming {
    let mut body = String::new();
    if let Ok(alphabet) = Alphabet::of(message.data_coding, Alphabet::Gsm7) {
        text::read(alphabet, message.esm_class & UDHI != 0, message.payload, &mut body);
    }
    Incoming::Reply { to: String::from_utf8_lossy(message.destination.digits).into_owned(), text: body }
}

fn digits(phone: &str) -> &str {
    phone.trim_start_matches('+')
}
