//! Connections, the bytes on them, and what operators do with them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use icaze_codec::pdu::BindKind;
use icaze_gateway::smpp::accounts::Origin;
use icaze_gateway::smpp::link::Link;

use super::{Simulation, Step};
use crate::model::Held;
use crate::operator::{End, Seen, texts};
use crate::random::Random;
use crate::world::{OPERATORS, WINDOW_OUT};

/// Where all operators connect from.
const ORIGIN: Origin = Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: false };

/// An operator's connection, with what is on its way.
pub(super) struct Connection {
    pub(super) id: usize,
    pub(super) end: End,
    /// The gateway's side, until it is gone.
    pub(super) link: Option<Link>,
    pub(super) to_gateway: Vec<u8>,
    pub(super) to_operator: Vec<u8>,
    /// How much of the frame at the front of the link's output has been written.
    pub(super) begun: usize,
    /// Nothing arrives any more, and nobody is told.
    pub(super) hung: bool,
    /// When the gateway had last written all it had to write.
    pub(super) drained_at: Instant,
}

/// How many of the bytes that could move do.
#[derive(Clone, Copy)]
pub(super) enum Share {
    All,
    /// All or fewer.
    Some,
}

impl Share {
    fn of(self, length: usize, random: &mut Random) -> usize {
        match self {
            Self::Some if random.chance(40) => random.below(length + 1),
            _ => length,
        }
    }
}

impl Simulation {
    pub(super) fn some_connection(&mut self, act: impl FnOnce(&mut Self, usize) -> Step) -> Step {
        if self.connections.is_empty() {
            Ok(())
        } else {
            let at = self.random.below(self.connections.len());
            act(self, at)
        }
    }

    pub(super) fn connect(&mut self) -> Step {
        // Whoever has none comes back soon.
        let without = (0..OPERATORS.len()).find(|&o| self.connections.iter().all(|c| c.end.operator != o));
        let chosen = self.random.below(OPERATORS.len());
        let operator = without.filter(|_| self.random.chance(70)).unwrap_or(chosen);
        let kinds = [BindKind::Transceiver, BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver];
        let kind = *self.random.pick(&kinds);
        if self.connections.len() >= 8 {
            return Ok(());
        }
        let before = self.connections.len();
        self.open(operator, kind)?;
        if self.connections.len() > before && self.random.chance(80) {
            self.feed(before, Share::All)?;
            self.fetch(before, Share::All)?;
        }
        Ok(())
    }

    pub(super) fn open(&mut self, operator: usize, kind: BindKind) -> Step {
        let Some(node) = &self.node else { return Ok(()) };
        if self.away_until[operator] > self.now.monotonic {
            return Ok(());
        }
        self.opened += 1;
        self.trace.note(|| format!("connection {} of operator {operator} as {kind:?}", self.opened));
        self.connections.push(Connection {
            id: self.opened,
            end: End::new(operator, kind, self.now.monotonic),
            link: Some(Link::accepted(&node.port, ORIGIN, self.now)),
            to_gateway: Vec::new(),
            to_operator: Vec::new(),
            begun: 0,
            hung: false,
            drained_at: self.now.monotonic,
        });
        Ok(())
    }

    /// Carries bytes to the gateway: all of them, or some.
    pub(super) fn feed(&mut self, at: usize, share: Share) -> Step {
        let connection = &mut self.connections[at];
        connection.to_gateway.append(connection.end.session.output());
        let length = connection.to_gateway.len();
        let count = share.of(length, &mut self.random);
        let bytes: Vec<u8> = connection.to_gateway.drain(..count).collect();
        if let (Some(link), Some(node), false) = (&mut connection.link, &mut self.node, connection.hung)
            && link.closed().is_none()
            && !bytes.is_empty()
        {
            link.receive(&bytes, &node.port, self.now, |_, _| {});
            let wake = node.exchange(link, self.now);
            self.trace.note(|| format!("{} takes {count} bytes: {:?}", connection.id, wake.commit));
            if connection.to_gateway.is_empty() && link.closed().is_none() {
                self.model.heard(connection.id, self.now.monotonic);
            }
            if link.session().unanswered_out() > WINDOW_OUT {
                return Err("more replies under way than the window allows".to_owned());
            }
        }
        Ok(())
    }

    /// Writes what may leave, and carries bytes to the operator.
    pub(super) fn fetch(&mut self, at: usize, share: Share) -> Step {
        self.write(at, share)?;
        let connection = &mut self.connections[at];
        let length = connection.to_operator.len();
        let count = share.of(length, &mut self.random);
        let bytes: Vec<u8> = connection.to_operator.drain(..count).collect();
        if !connection.hung {
            connection.end.session.handle_input(&bytes);
        }
        self.drive(at);
        Ok(())
    }

    pub(super) fn write(&mut self, at: usize, share: Share) -> Step {
        let connection = &mut self.connections[at];
        let (Some(link), Some(node)) = (&mut connection.link, &mut self.node) else { return Ok(()) };
        let held = Held { position: node.position(), failed_at: node.failed_at };
        let durable = node.durable();
        let bytes = link.writable(durable, |_| {});
        let count = share.of(bytes.len(), &mut self.random);
        // A frame counts as left with its first byte.
        while connection.begun < count {
            let operator = connection.end.operator;
            connection.begun += self.model.leaves(
                connection.id,
                operator,
                &bytes[connection.begun..],
                &held,
                connection.drained_at,
            )?;
        }
        connection.begun -= count;
        connection.to_operator.extend_from_slice(&bytes[..count]);
        link.written(count);
        if link.unwritten() == 0 {
            connection.drained_at = self.now.monotonic;
        }
        if count > 0 {
            self.trace.note(|| format!("{} is written {count} bytes at {}", connection.id, held.position));
        }
        Ok(())
    }

    /// Takes what an operator's end has to say.
    pub(super) fn drive(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        for seen in connection.end.drive(&self.plan, self.calm, &mut self.random, self.now.monotonic) {
            match seen {
                Seen::Answered { pdu, status } => {
                    self.pdus[pdu].under_way -= 1;
                    self.pdus[pdu].acked |= status.is_ok();
                }
                Seen::Unanswered { pdu } => self.pdus[pdu].under_way -= 1,
                Seen::Reply { sequence, status, late } => {
                    self.trace.note(|| {
                        format!("{} answers reply {sequence}: {status:?}, late {late}", connection.id)
                    });
                    self.model.replied(connection.id, sequence, status, late);
                }
            }
        }
    }

    /// Ends what has ended on one side.
    pub(super) fn bury(&mut self) -> Step {
        for at in (0..self.connections.len()).rev() {
            let connection = &mut self.connections[at];
            let link_over = connection.link.as_ref().is_none_or(|link| link.closed().is_some());
            if connection.end.closed {
                self.feed(at, Share::All)?;
                self.close(at)?;
            } else if link_over {
                self.fetch(at, Share::All)?;
                self.close(at)?;
            }
        }
        Ok(())
    }

    /// Breaks a connection: bytes on their way are lost from some point on.
    pub(super) fn cut(&mut self, at: usize) -> Step {
        self.fetch(at, Share::Some)?;
        self.feed(at, Share::Some)?;
        self.close(at)
    }

    pub(super) fn close(&mut self, at: usize) -> Step {
        let mut connection = self.connections.swap_remove(at);
        self.trace.note(|| format!("{} ends", connection.id));
        if let (Some(link), Some(node)) = (&mut connection.link, &mut self.node) {
            link.disconnected(&node.port, self.now);
            node.exchange(link, self.now);
            if let Some(bound) = link.bound() {
                node.port.close_session(bound.operator);
            }
        }
        connection.link = None;
        connection.end.session.disconnected();
        let id = connection.id;
        self.connections.push(connection);
        let last = self.connections.len() - 1;
        self.drive(last);
        self.connections.pop();
        self.model.ends(id);
        Ok(())
    }

    // Operators.

    pub(super) fn text(&mut self) -> Step {
        let ready = self.connections.iter().filter(|c| c.end.transmits()).map(|c| c.end.operator);
        let ready: Vec<usize> = ready.collect();
        let anyone = self.random.below(OPERATORS.len());
        let operator = if ready.is_empty() { anyone } else { *self.random.pick(&ready) };
        let more = texts(operator, &self.plan, &self.people, &mut self.random);
        for pdu in more {
            self.pdus.push(pdu);
            self.send(self.pdus.len() - 1);
        }
        Ok(())
    }

    pub(super) fn send(&mut self, index: usize) {
        let pdu = &mut self.pdus[index];
        let ready = |c: &Connection| c.end.operator == pdu.operator && c.end.transmits();
        let ready: Vec<usize> =
            (0..self.connections.len()).filter(|&at| ready(&self.connections[at])).collect();
        if ready.is_empty() {
            return;
        }
        let connection = &mut self.connections[*self.random.pick(&ready)];
        let before = connection.end.session.output().len();
        connection.end.send(index, pdu, self.now.monotonic);
        let frame = &connection.end.session.output()[before..];
        let sequence = u32::from_be_bytes(frame[12..16].try_into().unwrap());
        self.model.arrives(connection.id, sequence, pdu);
    }

    /// What was not acked goes again; at times also what was, as on a second bind.
    pub(super) fn redeliver(&mut self) -> Step {
        if self.pdus.is_empty() {
            return Ok(());
        }
        for _ in 0..3 {
            let recent = self.pdus.len().min(30);
            let index = self.pdus.len() - 1 - self.random.below(recent);
            let pdu = &self.pdus[index];
            let again = if pdu.acked || pdu.under_way > 0 { self.random.chance(15) } else { true };
            if again {
                self.send(index);
            }
        }
        Ok(())
    }

    pub(super) fn answer(&mut self) -> Step {
        for connection in &mut self.connections {
            let end = &mut connection.end;
            while !end.late.is_empty() && (self.calm || self.random.chance(50)) {
                let (request, status) = end.late.remove(0);
                end.session.respond(request, status, &[]);
            }
        }
        Ok(())
    }

    pub(super) fn away(&mut self) -> Step {
        let operator = self.random.below(OPERATORS.len());
        let seconds = *self.random.pick(&[5, 60, 900]);
        self.away_until[operator] = self.now.monotonic + Duration::from_secs(seconds);
        while let Some(at) = self.connections.iter().position(|c| c.end.operator == operator) {
            self.cut(at)?;
        }
        Ok(())
    }
}
