// SPDX-License-Identifier: MIT OR Apache-2.0
//! One end of a conversation: a socket, whoever implements it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::peer::{Burst, Peer};
use crate::script::{Part, Seen, Tally, numbered};
use crate::versions::RealLibrary;
use crate::{Failure, Outcome};

/// One socket of some implementation. Nothing waits longer than its `patience`.
pub trait Side: Send {
    /// Opens the socket (the one there was is gone), of this type: `PUSH`, `SUB`. Reconnecting
    /// is to be quick and linger zero.
    fn open(&mut self, kind: &str) -> Outcome<()>;

    /// Binds; the endpoint it got, with the port chosen for a wildcard.
    fn bind(&mut self, endpoint: &str) -> Outcome<String>;

    /// Connects.
    fn connect(&mut self, endpoint: &str) -> Outcome<()>;

    /// Subscribes.
    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()>;

    /// Takes back one subscription.
    fn unsubscribe(&mut self, topic: &[u8]) -> Outcome<()>;

    /// Sends a message; false if there was no room for it in time.
    fn send(&mut self, parts: &[Part], patience: Duration) -> Outcome<bool>;

    /// Receives a message, if one comes in time.
    fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<Seen>>>;

    /// Waits until the monitor reports this. What it reported before is gone.
    fn event(&mut self, event: Event, patience: Duration) -> Outcome<()>;

    /// Goes away: a process is killed, a socket within this one is closed at once. When this
    /// returns, the endpoint can be bound again.
    fn vanish(&mut self) -> Outcome<()>;

    /// Sends numbered messages; how many, which is fewer if there was no room in time.
    fn burst(&mut self, burst: Burst, patience: Duration) -> Outcome<u64> {
        for sent in 0..burst.count {
            let message = numbered(burst.source, burst.first + sent, burst.size);
            if !self.send(&[Part::Bytes(message)], patience)? {
                return Ok(sent);
            }
        }
        Ok(burst.count)
    }

    /// Receives so many numbered messages (of up to 256 bytes), fewer if they do not come in time.
    fn drain(&mut self, count: u64, patience: Duration) -> Outcome<Tally> {
        let deadline = Instant::now() + patience;
        let mut tally = Tally::default();
        while tally.count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(parts) = self.receive(left)? else {
                break;
            };
            let parts = parts.into_iter().map(|part| match part {
                Seen::Bytes(bytes) => bytes,
                Seen::Hashed { .. } => Vec::new(), // counts as foreign
            });
            tally.add(&parts.collect::<Vec<_>>());
        }
        Ok(tally)
    }

    /// Receives so many messages (of parts up to 256 bytes) and sends each back; how many it were.
    fn echo(&mut self, count: u64, patience: Duration) -> Outcome<u64> {
        for echoed in 0..count {
            let Some(parts) = self.receive(patience)? else {
                return Ok(echoed);
            };
            let parts = parts.into_iter().map(|part| match part {
                Seen::Bytes(bytes) => Ok(Part::Bytes(bytes)),
                Seen::Hashed { len, .. } => {
                    Err(Failure::new(format!("{len} bytes are too long to echo")))
                }
            });
            if !self.send(&parts.collect::<Outcome<Vec<_>>>()?, patience)? {
                return Ok(echoed);
            }
        }
        Ok(count)
    }
}

/// What a monitor reports, as far as the matrix waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connection came to its end.
    Disconnected,
    /// A connection is there and both ends know each other.
    HandshakeSucceeded,
}

/// Where two sides meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `tcp://`
    Tcp,
    /// `ipc://`
    Ipc,
    /// `inproc://`: no monitor reports anything, and who binds does not come back to its peers.
    Inproc,
}

/// An implementation, which makes sides.
pub trait Implementation: Send + Sync {
    /// Its name and version.
    fn name(&self) -> String;

    /// Over what others meet its sides.
    fn transports(&self) -> &'static [Transport] {
        &[Transport::Tcp, Transport::Ipc]
    }

    /// A new side, without a socket yet.
    fn side(&self) -> Outcome<Box<dyn Side>>;
}

/// The real libzmq; each side is a process of its own.
#[derive(Debug, Clone)]
pub struct Real {
    /// Which one.
    pub library: RealLibrary,
    /// The peer program (`peer::program` finds it).
    pub program: PathBuf,
}

impl Implementation for Real {
    fn name(&self) -> String {
        format!("libzmq {}", self.library.name)
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Ok(Box::new(RealSide {
            real: self.clone(),
            process: None,
        }))
    }
}

/// A side that is played by a process with the real libzmq.
#[derive(Debug)]
struct RealSide {
    real: Real,
    process: Option<(Peer, u32)>,
}

impl RealSide {
    fn process(&mut self) -> Outcome<(&mut Peer, u32)> {
        let (peer, socket) = self
            .process
            .as_mut()
            .ok_or_else(|| Failure::new("not open"))?;
        Ok((peer, *socket))
    }
}

impl Side for RealSide {
    fn open(&mut self, kind: &str) -> Outcome<()> {
        let mut peer = match self.process.take() {
            None => Peer::spawn(&self.real.program, &self.real.library)?,
            Some((mut peer, socket)) => {
                peer.close(socket)?;
                peer
            }
        };
        let socket = peer.open(kind)?;
        peer.set(socket, "reconnect_ivl", 10)?;
        self.process = Some((peer, socket));
        Ok(())
    }

    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        let (peer, socket) = self.process()?;
        peer.bind(socket, endpoint)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.connect(socket, endpoint)
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.subscribe(socket, topic)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.unsubscribe(socket, topic)
    }

    fn send(&mut self, parts: &[Part], patience: Duration) -> Outcome<bool> {
        let (peer, socket) = self.process()?;
        peer.send(socket, parts, patience)
    }

    fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<Seen>>> {
        let (peer, socket) = self.process()?;
        peer.receive(socket, patience)
    }

    fn event(&mut self, event: Event, patience: Duration) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        let name = match event {
            Event::Disconnected => "disconnected",
            Event::HandshakeSucceeded => "handshake_succeeded",
        };
        peer.event(socket, name, patience)?;
        // What the I/O thread of a libzmq has done the socket learns in its calls, and a send looks
        // once in a millisecond only: without this it goes on sending to a peer that has gone.
        peer.ask(&format!("get {socket} events")).map(drop)
    }

    fn vanish(&mut self) -> Outcome<()> {
        match self.process.take() {
            Some((peer, _)) => peer.kill(),
            None => Ok(()),
        }
    }

    fn burst(&mut self, burst: Burst, patience: Duration) -> Outcome<u64> {
        let (peer, socket) = self.process()?;
        peer.burst(socket, burst, patience)
    }

    fn drain(&mut self, count: u64, patience: Duration) -> Outcome<Tally> {
        let (peer, socket) = self.process()?;
        peer.drain(socket, count, patience)
    }

    fn echo(&mut self, count: u64, patience: Duration) -> Outcome<u64> {
        let (peer, socket) = self.process()?;
        peer.echo(socket, count, patience)
    }
}
