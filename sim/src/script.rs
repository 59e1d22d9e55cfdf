// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that follows a script: the test reads as the conversation on the wire.
//!
//! ```
//! use ferromq_sim::{script::Script, wire};
//! use ferromq_vocabulary::SocketType;
//! use ferromq_zmtp::connection::Config;
//!
//! Script::new(Config::new(SocketType::Pull))
//!     .hears(&wire::SIGNATURE)
//!     .says(&wire::greeting(3, 1, "NULL"))
//!     .hears(&wire::greeting(3, 1, "NULL")[10..])
//!     .hears(&wire::ready(&[("Socket-Type", b"PULL")]))
//!     .says(&wire::ready(&[("Socket-Type", b"PUSH")]))
//!     .becomes_ready()
//!     .hears_nothing();
//! ```

use std::time::{Duration, Instant};

use ferromq_zmtp::connection::{Config, Connection, Event, Reason};
use ferromq_zmtp::handshake::Peer;

use crate::wire;

/// A connection in the hands of a scripted peer.
#[derive(Debug)]
pub struct Script {
    /// The machine under test.
    pub connection: Connection,
    now: Instant,
    heard: Vec<u8>,
}

impl Script {
    /// A connection whose stream has just come about.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let now = crate::epoch();
        Self {
            connection: Connection::new(config, now),
            now,
            heard: Vec::new(),
        }
    }

    /// A connection that has shaken hands with a peer of this type over ZMTP 3.`minor`.
    #[must_use]
    #[track_caller]
    pub fn ready(config: Config, peer: &str, minor: u8) -> Self {
        let mut script = Self::new(config)
            .says(&wire::greeting(3, minor, "NULL"))
            .says(&wire::ready(&[("Socket-Type", peer.as_bytes())]))
            .becomes_ready();
        script.listen();
        script.heard.clear();
        script
    }

    /// The peer sends these bytes.
    pub fn says(mut self, bytes: &[u8]) -> Self {
        self.connection.handle_input(self.now, bytes);
        self
    }

    /// The peer sends these bytes one by one.
    pub fn spells(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.connection.handle_input(self.now, &[*byte]);
        }
        self
    }

    /// The peer ends the stream.
    pub fn hangs_up(mut self) -> Self {
        self.connection.handle_cut();
        self
    }

    /// The next bytes the machine writes are these.
    #[track_caller]
    pub fn hears(mut self, expected: &[u8]) -> Self {
        self.listen();
        assert!(
            self.heard.starts_with(expected),
            "\nexpected {}\nheard    {}",
            expected.escape_ascii(),
            self.heard.escape_ascii()
        );
        self.heard.drain(..expected.len());
        self
    }

    /// The machine has written nothing more.
    #[track_caller]
    pub fn hears_nothing(mut self) -> Self {
        self.listen();
        assert!(self.heard.is_empty(), "heard {}", self.heard.escape_ascii());
        self
    }

    /// Time passes; what is due in between happens at its own instant.
    pub fn wait(mut self, duration: Duration) -> Self {
        let end = self.now + duration;
        while let Some(at) = self.connection.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.connection.handle_timeout(self.now);
        }
        self.now = end;
        self
    }

    /// The next event is this one.
    #[track_caller]
    pub fn sees(mut self, expected: &Event) -> Self {
        assert_eq!(self.connection.poll_event().as_ref(), Some(expected));
        self
    }

    /// There is no further event.
    #[track_caller]
    pub fn sees_nothing(mut self) -> Self {
        assert_eq!(self.connection.poll_event(), None);
        self
    }

    /// The next event is the end of the handshake.
    #[track_caller]
    pub fn becomes_ready(self) -> Self {
        self.becomes_ready_with(|_| {})
    }

    /// The next event is the end of the handshake, and this is asked about the peer.
    #[track_caller]
    pub fn becomes_ready_with(mut self, check: impl FnOnce(&Peer)) -> Self {
        match self.connection.poll_event() {
            Some(Event::Ready(peer)) => check(&peer),
            other => panic!("expected to become ready, saw {other:?}"),
        }
        self
    }

    /// The last event: the connection is over, for this reason.
    #[track_caller]
    pub fn closes(self, reason: Reason) -> Self {
        self.sees(&Event::Closed(reason)).sees_nothing()
    }

    /// Something else is done with the machine.
    pub fn does(mut self, action: impl FnOnce(&mut Connection)) -> Self {
        action(&mut self.connection);
        self
    }

    fn listen(&mut self) {
        self.connection.poll_transmit(&mut self.heard);
    }
}
