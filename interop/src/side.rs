// SPDX-License-Identifier: MIT OR Apache-2.0
//! One end of a conversation: a socket, whoever implements it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::peer::{Burst, Peer};
use crate::script::{Hex, Part, Seen, Tally, bytes, numbered};
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

    /// Names the socket towards its peers, before it is bound or connected.
    fn name(&mut self, name: &str) -> Outcome<()> {
        let _ = name;
        Err(Failure::new("takes no name"))
    }

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

    /// Secures the socket, before it is bound or connected. A server has an authenticator that lets
    /// in whoever shows the right things, under a name.
    fn secure(&mut self, role: Role, means: Means) -> Outcome<()> {
        let _ = (role, means);
        Err(Failure::new("cannot be secured"))
    }

    /// Beats, quickly.
    fn beat(&mut self) -> Outcome<()> {
        Err(Failure::new("cannot beat"))
    }

    /// Joins a group.
    fn join(&mut self, group: &str) -> Outcome<()> {
        let _ = group;
        Err(Failure::new("joins no groups"))
    }

    /// Whom the authenticator knows the sender of the message received last as.
    fn user(&mut self) -> Outcome<Option<Vec<u8>>> {
        Err(Failure::new("knows nobody"))
    }

    /// What the authenticator was shown last; none if it cannot be told.
    fn shown(&mut self) -> Outcome<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

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

/// Which side of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that asks its authenticator.
    Server,
    /// The side that proves who it is.
    Client,
}

/// How peers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Not at all, but an authenticator is asked.
    Null,
    /// With a name and a password.
    Plain,
    /// With keys.
    Curve,
    /// With tickets; messages are wrapped.
    Gssapi,
    /// With tickets; messages are not wrapped.
    GssapiPlaintext,
}

impl Means {
    /// What an authenticator is shown.
    pub fn credentials(self) -> Vec<Vec<u8>> {
        match self {
            Self::Null => Vec::new(),
            Self::Plain => vec![USER.into(), PASSWORD.into()],
            Self::Curve => vec![CLIENT_KEY_BYTES.to_vec()],
            Self::Gssapi | Self::GssapiPlaintext => vec![PRINCIPAL.into()],
        }
    }

    /// The mechanism's name.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Plain => "PLAIN",
            Self::Curve => "CURVE",
            Self::Gssapi | Self::GssapiPlaintext => "GSSAPI",
        }
    }
}

/// Who a client of PLAIN is, and what it says to prove it.
pub const USER: &str = "admin";
/// See [`USER`].
pub const PASSWORD: &str = "open sesame";
/// Keys of CURVE: those of `zmq_curve(7)`.
pub const CLIENT_KEY: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
/// See [`CLIENT_KEY`].
pub const CLIENT_SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
/// See [`CLIENT_KEY`].
pub const SERVER_KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
/// See [`CLIENT_KEY`].
pub const SERVER_SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT_KEY_BYTES: [u8; 32] = [
    0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b, 0x30, 0xc5, 0x5a, 0x53, 0x21, 0xce, 0xbb, 0x5a,
    0xab, 0x2b, 0x70, 0xa3, 0x98, 0x64, 0x5c, 0x26, 0xdc, 0xa2, 0xb2, 0xfc, 0xb4, 0x3f, 0xc5, 0x18,
];
/// Whom a client of GSSAPI means, and who it is.
pub const SERVICE: &str = "zmq@localhost";
/// See [`SERVICE`].
pub const PRINCIPAL: &str = "alice@FERROMQ.TEST";
/// What the authenticator of a libzmq calls everybody.
pub const THEIRS: &[u8] = b"theirs";

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

    /// Whether it has the socket types of the draft interface.
    fn has_drafts(&self) -> bool {
        true
    }

    /// Whether it is not ours: what two of these do to each other is no fault of ours.
    fn is_real(&self) -> bool {
        false
    }

    /// Whether its sides may be pinged: a libzmq 4.1 gives a PING to the application as a message.
    fn has_heartbeats(&self) -> bool {
        true
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

    fn has_drafts(&self) -> bool {
        self.library.has_drafts
    }

    fn is_real(&self) -> bool {
        true
    }

    fn has_heartbeats(&self) -> bool {
        !self.library.is_old()
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Ok(Box::new(RealSide {
            real: self.clone(),
            process: None,
            has_bound: false,
        }))
    }
}

/// A side that is played by a process with the real libzmq.
#[derive(Debug)]
struct RealSide {
    real: Real,
    process: Option<(Peer, u32)>,
    /// Its socket was bound, so that it accepts.
    has_bound: bool,
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
        self.has_bound = false;
        Ok(())
    }

    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        self.has_bound = true;
        let (peer, socket) = self.process()?;
        peer.bind(socket, endpoint)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.connect(socket, endpoint)
    }

    fn name(&mut self, name: &str) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.set(socket, "routing_id", format!("x{}", Hex(name.as_bytes())))
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
        let name = match event {
            Event::Disconnected => "disconnected",
            Event::HandshakeSucceeded if !self.real.library.is_old() => "handshake_succeeded",
            // The next best thing that it tells of.
            Event::HandshakeSucceeded if self.has_bound => "accepted",
            Event::HandshakeSucceeded => "connected",
        };
        let (peer, socket) = self.process()?;
        peer.event(socket, name, patience)?;
        // What the I/O thread of a libzmq has done the socket learns in its calls, and a send looks
        // once in a millisecond only: without this it goes on sending to a peer that has gone.
        peer.ask(&format!("get {socket} events")).map(drop)
    }

    fn secure(&mut self, role: Role, means: Means) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        let text = |text: &str| format!("x{}", Hex(text.as_bytes()));
        let server = role == Role::Server;
        if server {
            peer.ask(&format!("zap {socket}"))?;
            peer.set(socket, "zap_domain", text("here"))?;
        }
        let options: Vec<(&str, String)> = match (means, role) {
            (Means::Null, _) => Vec::new(),
            (Means::Plain, Role::Server) => vec![("plain_server", "1".to_owned())],
            (Means::Plain, Role::Client) => vec![
                ("plain_username", text(USER)),
                ("plain_password", text(PASSWORD)),
            ],
            (Means::Curve, Role::Server) => vec![
                ("curve_server", "1".to_owned()),
                ("curve_secretkey", text(SERVER_SECRET)),
            ],
            (Means::Curve, Role::Client) => vec![
                ("curve_serverkey", text(SERVER_KEY)),
                ("curve_publickey", text(CLIENT_KEY)),
                ("curve_secretkey", text(CLIENT_SECRET)),
            ],
            (_, Role::Server) => vec![
                ("gssapi_server", "1".to_owned()),
                ("gssapi_principal", text(SERVICE)),
                ("gssapi_principal_nametype", "0".to_owned()),
            ],
            (_, Role::Client) => vec![
                ("gssapi_principal", text("alice")),
                ("gssapi_principal_nametype", "1".to_owned()),
                ("gssapi_service_principal", text(SERVICE)),
                ("gssapi_service_principal_nametype", "0".to_owned()),
            ],
        };
        for (option, value) in options {
            peer.set(socket, option, value)?;
        }
        if means == Means::GssapiPlaintext {
            peer.set(socket, "gssapi_plaintext", 1)?;
        }
        Ok(())
    }

    fn beat(&mut self) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.set(socket, "heartbeat_ivl", 10)?;
        peer.set(socket, "heartbeat_ttl", 5_000)?;
        peer.set(socket, "heartbeat_timeout", 10_000)
    }

    fn join(&mut self, group: &str) -> Outcome<()> {
        let (peer, socket) = self.process()?;
        peer.ask(&format!("join {socket} {group}")).map(drop)
    }

    fn user(&mut self) -> Outcome<Option<Vec<u8>>> {
        let (peer, socket) = self.process()?;
        match peer.ask(&format!("user {socket}"))?.as_str() {
            "none" => Ok(None),
            word => bytes(word).map(Some),
        }
    }

    fn shown(&mut self) -> Outcome<Option<Vec<Vec<u8>>>> {
        let (peer, socket) = self.process()?;
        let words = peer.ask(&format!("asked {socket}"))?;
        words
            .split(' ')
            .map(bytes)
            .collect::<Outcome<_>>()
            .map(Some)
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
