// SPDX-License-Identifier: MIT OR Apache-2.0
//! A whole connection as one machine: handshake, frames, commands, heartbeats, deadlines.
//!
//! The engine of the library parses traffic in place and does without this; here clarity comes
//! first. It is what virtual-time tests and fuzzers drive, and what the engine is compared with.
//!
//! Driving it: call one of the `handle_` or sending verbs, then drain [`Connection::poll_transmit`]
//! and [`Connection::poll_event`], then ask [`Connection::poll_timeout`].
//!
//! ```text
//!             peer's READY            Fault, FrameTooLarge, HeartbeatTimeout, Cut
//! handshaking ───────────► ready ─────────────────────────────────────────────► closed
//!      │                                                                          ▲
//!      └──────────────────── Fault, HandshakeTimeout, Cut ────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use ferromq_message::frame;
use ferromq_vocabulary::SocketType;

use crate::command::{self, Command};
use crate::decoder::{DecodeError, Decoder, Frame};
use crate::handshake::{Fault, Handshake, Local, Peer, Version};
use crate::heartbeat::{self, Action, Heartbeat};
use crate::subscription::{self, Subscription};

/// What a connection needs to know of its socket.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we say about ourselves.
    pub local: Local,
    /// How long the handshake may take; `None`: forever.
    pub handshake_timeout: Option<Duration>,
    /// The heartbeat options.
    pub heartbeat: heartbeat::Config,
    /// The longest body accepted; a negative number is no limit.
    pub max_frame_size: i64,
}

impl Config {
    /// The defaults of libzmq: 30 seconds for the handshake, no heartbeats, no limit.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            local: Local::new(socket_type),
            handshake_timeout: Some(Duration::from_secs(30)),
            heartbeat: heartbeat::Config::default(),
            max_frame_size: -1,
        }
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer no longer wants what begins with this topic.
    Cancelled(Vec<u8>),
    /// The connection is over; the last event.
    Closed(Reason),
    /// A frame of a message.
    Frame(Frame),
    /// The peer (a DISH) joined this group.
    Joined(Vec<u8>),
    /// The peer (a DISH) left this group.
    Left(Vec<u8>),
    /// The handshake is over; the first event of a connection that comes about.
    Ready(Peer),
    /// The peer wants what begins with this topic.
    Subscribed(Vec<u8>),
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The stream ended.
    Cut,
    /// The handshake failed.
    Fault(Fault),
    /// A frame of traffic longer than allowed.
    FrameTooLarge,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer was silent for too long.
    HeartbeatTimeout,
    /// There is no memory for what the peer sent.
    OutOfMemory,
}

impl Reason {
    /// A connecting socket gives this endpoint up; otherwise it may try again.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        match self {
            Self::Fault(fault) => fault.is_permanent(),
            // contract 3.2: "a CONNECTING side then gives up for good"
            Self::FrameTooLarge => true,
            Self::Cut | Self::HandshakeTimeout | Self::HeartbeatTimeout | Self::OutOfMemory => {
                false
            }
        }
    }
}

/// Traffic can be sent only while a connection is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotReady;

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is not ready")
    }
}

impl Error for NotReady {}

/// One side of a connection.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    out: Vec<u8>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum State {
    Handshaking {
        handshake: Box<Handshake>,
        deadline: Option<Instant>,
    },
    Ready {
        version: Version,
        decoder: Decoder,
        heartbeat: Heartbeat,
    },
    Closed,
}

impl Connection {
    /// A connection whose stream has just come about.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let handshake = Box::new(Handshake::new(config.local.clone()));
        let deadline = config
            .handshake_timeout
            .and_then(|timeout| now.checked_add(timeout));
        let mut connection = Self {
            config,
            state: State::Handshaking {
                handshake,
                deadline,
            },
            out: Vec::new(),
            events: VecDeque::new(),
        };
        connection.flush_handshake();
        connection
    }

    /// Bytes have arrived. Everything is taken; a closed connection throws them away.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) {
        let mut rest = input;
        if let State::Handshaking { handshake, .. } = &mut self.state {
            match handshake.handle_input(rest) {
                Ok(taken) => rest = rest.get(taken..).unwrap_or(&[]),
                Err(fault) => {
                    self.flush_handshake();
                    self.close(Reason::Fault(fault));
                }
            }
            self.flush_handshake();
            self.finish_handshake(now);
        }
        while let State::Ready {
            decoder, heartbeat, ..
        } = &mut self.state
        {
            match decoder.decode(&mut rest) {
                Ok(Some(frame)) => {
                    heartbeat.on_traffic(now);
                    self.take_frame(now, frame);
                }
                Ok(None) => break,
                Err(DecodeError::OutOfMemory) => self.close(Reason::OutOfMemory),
                Err(DecodeError::TooLarge) => self.close(Reason::FrameTooLarge),
            }
        }
    }

    /// The stream has ended: nothing more will arrive, nothing more can be written.
    pub fn handle_cut(&mut self) {
        self.close(Reason::Cut);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        loop {
            match &mut self.state {
                State::Handshaking { deadline, .. } => {
                    if deadline.is_some_and(|deadline| deadline <= now) {
                        self.close(Reason::HandshakeTimeout);
                    }
                    return;
                }
                State::Ready { heartbeat, .. } => match heartbeat.handle_timeout(now) {
                    Some(Action::SendPing) => {
                        command::ping(heartbeat.ping_ttl(), &[], &mut self.out);
                    }
                    Some(Action::Expired) => self.close(Reason::HeartbeatTimeout),
                    None => return,
                },
                State::Closed => return,
            }
        }
    }

    /// Moves what is to be written to the end of `out`; false if there is nothing.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let is_some = !self.out.is_empty();
        out.append(&mut self.out);
        is_some
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends one frame of a message; of `flags` only [`frame::MORE`] counts.
    pub fn send_frame(&mut self, flags: u8, body: &[u8]) -> Result<(), NotReady> {
        self.version()?;
        command::append_header(flags & frame::MORE, body.len(), &mut self.out);
        self.out.extend_from_slice(body);
        Ok(())
    }

    /// Sends a subscription, in the form the peer understands.
    pub fn subscribe(&mut self, topic: &[u8]) -> Result<(), NotReady> {
        subscription::encode_subscribe(self.version()?, topic, &mut self.out);
        Ok(())
    }

    /// Sends the end of a subscription, in the form the peer understands.
    pub fn cancel(&mut self, topic: &[u8]) -> Result<(), NotReady> {
        subscription::encode_cancel(self.version()?, topic, &mut self.out);
        Ok(())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Handshaking { deadline, .. } => *deadline,
            State::Ready { heartbeat, .. } => heartbeat.poll_timeout(),
            State::Closed => None,
        }
    }

    /// The handshake is over and the connection is not.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// The connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes of memory held for the frame that is on its way.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.state {
            State::Ready { decoder, .. } => decoder.held(),
            State::Handshaking { .. } | State::Closed => 0,
        }
    }

    fn version(&self) -> Result<Version, NotReady> {
        match self.state {
            State::Ready { version, .. } => Ok(version),
            State::Handshaking { .. } | State::Closed => Err(NotReady),
        }
    }

    fn flush_handshake(&mut self) {
        if let State::Handshaking { handshake, .. } = &mut self.state {
            let bytes = handshake.transmit();
            self.out.extend_from_slice(bytes);
            let len = bytes.len();
            handshake.transmitted(len);
        }
    }

    fn finish_handshake(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Handshaking { handshake, .. } if handshake.is_done() => {
                let peer = handshake.into_peer();
                let heartbeat::Config {
                    interval,
                    ttl,
                    timeout,
                } = self.config.heartbeat;
                self.state = State::Ready {
                    version: peer.version,
                    decoder: Decoder::new(self.config.max_frame_size),
                    heartbeat: Heartbeat::new(interval, ttl, timeout, now),
                };
                self.events.push_back(Event::Ready(peer));
            }
            other => self.state = other,
        }
    }

    fn take_frame(&mut self, now: Instant, frame: Frame) {
        if frame.is_command() {
            self.take_command(now, &frame.body);
            return;
        }
        let subscription = if self.is_publisher() {
            subscription::classify(frame.flags, &frame.body)
        } else {
            None
        };
        self.events.push_back(match subscription {
            Some(Subscription::Cancel(topic)) => Event::Cancelled(topic.to_vec()),
            Some(Subscription::Subscribe(topic)) => Event::Subscribed(topic.to_vec()),
            None => Event::Frame(frame),
        });
    }

    /// contract 3.5: "Unknown commands after the handshake are ignored [...] Malformed ones: return
    /// value ignored"; so are those that make no sense to our socket type.
    fn take_command(&mut self, now: Instant, body: &[u8]) {
        let Ok(command) = command::parse(body) else {
            return;
        };
        match command {
            Command::Cancel(topic) if self.is_publisher() => {
                self.events.push_back(Event::Cancelled(topic.to_vec()));
            }
            Command::Subscribe(topic) if self.is_publisher() => {
                self.events.push_back(Event::Subscribed(topic.to_vec()));
            }
            Command::Join(group) if self.is_radio() => {
                self.events.push_back(Event::Joined(group.to_vec()));
            }
            Command::Leave(group) if self.is_radio() => {
                self.events.push_back(Event::Left(group.to_vec()));
            }
            Command::Ping { ttl, context } => {
                command::pong(context, &mut self.out);
                if let State::Ready { heartbeat, .. } = &mut self.state {
                    heartbeat.on_ping(ttl, now);
                }
            }
            Command::Cancel(_)
            | Command::Error { .. }
            | Command::Join(_)
            | Command::Leave(_)
            | Command::Other { .. }
            | Command::Pong { .. }
            | Command::Ready(_)
            | Command::Subscribe(_) => {}
        }
    }

    fn is_publisher(&self) -> bool {
        matches!(
            self.config.local.socket_type,
            SocketType::Pub | SocketType::Xpub
        )
    }

    fn is_radio(&self) -> bool {
        self.config.local.socket_type == SocketType::Radio
    }

    fn close(&mut self, reason: Reason) {
        if !self.is_closed() {
            self.state = State::Closed;
            self.events.push_back(Event::Closed(reason));
        }
    }
}

#[cfg(test)]
mod tests;
