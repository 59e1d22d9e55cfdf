// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake: greeting, then the mechanism's commands, up to READY both ways.
//!
//! Driving it: give it what the peer sent, write what [`Handshake::transmit`] holds, and repeat
//! until it [is done](Handshake::is_done) or has failed. It stops right behind the peer's READY;
//! what follows in the stream is traffic. How long it may take is the caller's deadline.

use std::error::Error;
use std::fmt;

use ferromq_vocabulary::SocketType;
use ferromq_vocabulary::event::ProtocolError;

use crate::decoder::{DecodeError, Decoder, Frame};
use crate::greeting::{GREETING_LEN, Greeting, NotZmtp, Protocol};
use crate::mechanism::{Kind, Mechanism};
use crate::metadata::{self, Properties};

pub use crate::greeting::Version;

/// What we say about ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Our socket type.
    pub socket_type: SocketType,
    /// Our routing id; sent only by the types that send one, and then even if it is empty.
    pub routing_id: Vec<u8>,
    /// Further properties (`X-` keys). One whose name is empty or longer than 255 bytes is left
    /// out.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The most bytes of commands the peer may send before it is ready.
    pub max_handshake_bytes: usize,
}

impl Local {
    /// A socket of this type without routing id and further properties.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            routing_id: Vec::new(),
            metadata: Vec::new(),
            max_handshake_bytes: MAX_HANDSHAKE_BYTES,
        }
    }

    /// contract 3.4: "libzmq sends "Socket-Type" first, then "Identity" (only REQ/DEALER/ROUTER,
    /// even if empty), then app metadata sorted by key."
    fn encode(&self) -> Vec<u8> {
        let mut properties = vec![(SOCKET_TYPE, self.socket_type.name().as_bytes())];
        if self.socket_type.sends_routing_id() {
            properties.push((IDENTITY, &self.routing_id));
        }
        let mut further: Vec<_> = self
            .metadata
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        further.sort_by_key(|(name, _)| *name);
        properties.append(&mut further);

        let mut out = Vec::new();
        for (name, value) in properties {
            match metadata::encode(name, value, &mut out) {
                Ok(()) | Err(metadata::InvalidProperty) => {}
            }
        }
        out
    }
}

/// What the peer says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The version to speak with it.
    pub version: Version,
    /// Its socket type; some implementations do not say.
    pub socket_type: Option<SocketType>,
    /// Its routing id, empty if it has none.
    pub routing_id: Vec<u8>,
    /// Everything it said, in its order; of two properties with the same name the first.
    pub properties: Properties,
}

/// Why a handshake cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The peer's commands are larger than allowed.
    HandshakeTooLarge,
    /// The two socket types do not talk to each other, or the peer's is unknown.
    IncompatibleSocketType,
    /// The properties of the peer's READY cannot be read.
    InvalidMetadata,
    /// A command without a proper name.
    MalformedCommand,
    /// An ERROR whose reason cannot be read.
    MalformedError,
    /// The peer's mechanism is another one than ours.
    MechanismMismatch,
    /// What the peer sends begins like no version of ZMTP.
    NotZmtp,
    /// There is no memory for what the peer sent.
    OutOfMemory,
    /// The peer ended the handshake with ERROR.
    PeerError {
        /// The ZAP status, if the reason was exactly 300, 400 or 500.
        status: Option<u16>,
    },
    /// A command that has no place in the handshake, or not at this point.
    UnexpectedCommand,
    /// A message before the handshake is over.
    UnexpectedMessage,
    /// The peer speaks a version from before ZMTP 3.0; see [`Handshake::protocol`].
    UnsupportedVersion,
}

impl Fault {
    /// What the monitor event says; `None` for those it reports in another way.
    #[must_use]
    pub fn protocol_error(self) -> Option<ProtocolError> {
        Some(match self {
            // contract 3.5: ERROR is an authentication failure (HANDSHAKE_FAILED_AUTH) or "ends the
            // handshake without an event".
            Self::OutOfMemory | Self::PeerError { .. } => return None,
            Self::IncompatibleSocketType | Self::InvalidMetadata => {
                ProtocolError::ZmtpInvalidMetadata
            }
            Self::MalformedCommand => ProtocolError::ZmtpMalformedCommandUnspecified,
            Self::MalformedError => ProtocolError::ZmtpMalformedCommandError,
            Self::MechanismMismatch => ProtocolError::ZmtpMechanismMismatch,
            Self::UnexpectedCommand | Self::UnexpectedMessage => {
                ProtocolError::ZmtpUnexpectedCommand
            }
            Self::HandshakeTooLarge | Self::NotZmtp | Self::UnsupportedVersion => {
                ProtocolError::ZmtpUnspecified
            }
        })
    }

    /// A connecting socket gives this endpoint up; otherwise it may try again.
    ///
    /// contract 4, item 21: "protocol_error [...] on the *connecting* side ends the session
    /// permanently"; 3.11: "300 close silently so the client retries".
    #[must_use]
    pub fn is_permanent(self) -> bool {
        match self {
            Self::OutOfMemory | Self::PeerError { status: Some(300) } => false,
            Self::HandshakeTooLarge
            | Self::IncompatibleSocketType
            | Self::InvalidMetadata
            | Self::MalformedCommand
            | Self::MalformedError
            | Self::MechanismMismatch
            | Self::NotZmtp
            | Self::PeerError { .. }
            | Self::UnexpectedCommand
            | Self::UnexpectedMessage
            | Self::UnsupportedVersion => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandshakeTooLarge => "the peer's handshake is too large",
            Self::IncompatibleSocketType => "the peer's socket type does not talk to ours",
            Self::InvalidMetadata => "the peer's properties cannot be read",
            Self::MalformedCommand => "the peer sent a command without a proper name",
            Self::MalformedError => "the peer sent an ERROR that cannot be read",
            Self::MechanismMismatch => "the peer uses another security mechanism",
            Self::NotZmtp => "the peer does not speak ZMTP",
            Self::OutOfMemory => "there is no memory for the peer's handshake",
            Self::PeerError {
                status: Some(status),
            } => {
                return write!(f, "the peer refused us with status {status}");
            }
            Self::PeerError { status: None } => "the peer refused us",
            Self::UnexpectedCommand => "the peer sent a command out of place",
            Self::UnexpectedMessage => "the peer sent a message before it was ready",
            Self::UnsupportedVersion => "the peer speaks a version from before ZMTP 3.0",
        })
    }
}

impl Error for Fault {}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::OutOfMemory => Self::OutOfMemory,
            DecodeError::TooLarge => Self::HandshakeTooLarge,
        }
    }
}

/// One side of a handshake.
#[derive(Debug)]
pub struct Handshake {
    local: Local,
    kind: Kind,
    greeting: Greeting,
    /// Bytes of our greeting that are in `out` or beyond it.
    released: usize,
    /// Present from the end of the peer's greeting on.
    mechanism: Option<Box<dyn Mechanism>>,
    decoder: Decoder,
    /// Bytes of commands the peer may still send.
    budget: usize,
    out: Vec<u8>,
    sent: usize,
    peer: Option<Peer>,
    fault: Option<Fault>,
}

impl Handshake {
    /// A handshake with the NULL mechanism. The signature may go out at once.
    #[must_use]
    pub fn new(local: Local) -> Self {
        let kind = Kind::Null;
        let greeting = Greeting::new(&kind.wire_name(), local.routing_id.len());
        let mut handshake = Self {
            budget: local.max_handshake_bytes,
            local,
            kind,
            greeting,
            released: 0,
            mechanism: None,
            decoder: Decoder::new(0),
            out: Vec::new(),
            sent: 0,
            peer: None,
            fault: None,
        };
        handshake.release_greeting();
        handshake
    }

    /// Takes the peer's bytes and says how many belonged to the handshake; what is left is traffic.
    ///
    /// A fault is final: every further call gives the same one.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<usize, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut rest = input;
        match self.advance(&mut rest) {
            Ok(()) => Ok(input.len().saturating_sub(rest.len())),
            Err(fault) => {
                self.fault = Some(fault);
                Err(fault)
            }
        }
    }

    /// What is to be written now.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or(&[])
    }

    /// The first `n` bytes of [`transmit`](Self::transmit) are written.
    pub fn transmitted(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n);
        if self.sent >= self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// The peer's READY is here and everything of ours is written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.peer.is_some() && self.transmit().is_empty()
    }

    /// What the peer speaks, as soon as that is known; for the one who takes over from
    /// [`Fault::UnsupportedVersion`].
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        self.greeting.protocol()
    }

    /// The peer's greeting so far.
    #[must_use]
    pub fn peer_greeting(&self) -> &[u8] {
        self.greeting.theirs()
    }

    /// What the peer said. To be called when the handshake [is done](Self::is_done); before that
    /// nothing is known of the peer.
    #[must_use]
    pub fn into_peer(self) -> Peer {
        let nobody = || Peer {
            version: Version::V3_0,
            socket_type: None,
            routing_id: Vec::new(),
            properties: Vec::new(),
        };
        self.peer.unwrap_or_else(nobody)
    }

    fn advance(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        if self.mechanism.is_none() {
            self.take_greeting(rest)?;
        }
        while self.peer.is_none() && self.mechanism.is_some() {
            if self.decoder.is_at_boundary() {
                self.decoder
                    .limit(i64::try_from(self.budget).unwrap_or(i64::MAX));
            }
            let before = rest.len();
            let frame = self.decoder.decode(rest)?;
            self.budget = self
                .budget
                .saturating_sub(before.saturating_sub(rest.len()));
            let Some(frame) = frame else { break };
            self.take_frame(&frame)?;
        }
        Ok(())
    }

    fn take_greeting(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        let taken = self
            .greeting
            .handle_input(rest)
            .map_err(|NotZmtp| Fault::NotZmtp)?;
        *rest = rest.get(taken..).unwrap_or(&[]);
        self.release_greeting();
        if self
            .greeting
            .protocol()
            .is_some_and(|protocol| protocol < Protocol::V3_0)
        {
            return Err(Fault::UnsupportedVersion);
        }
        if self.greeting.version().is_none() {
            return Ok(());
        }
        // contract 3.1: "Mechanism compare is an exact 20-byte match"
        if self.greeting.mechanism() != Some(self.kind.wire_name()) {
            return Err(Fault::MechanismMismatch);
        }
        self.mechanism = Some(self.kind.start(self.local.encode()));
        self.pump();
        Ok(())
    }

    fn take_frame(&mut self, frame: &Frame) -> Result<(), Fault> {
        let Some(mechanism) = &mut self.mechanism else {
            return Ok(());
        };
        if !frame.is_command() {
            return Err(Fault::UnexpectedMessage);
        }
        mechanism.process_command(&frame.body)?;
        if mechanism.peer_is_ready() {
            let properties = mechanism.take_properties();
            self.peer = Some(self.judge(properties)?);
        }
        self.pump();
        Ok(())
    }

    /// Moves into `out` what the mechanism wants to say.
    fn pump(&mut self) {
        let Some(mechanism) = &mut self.mechanism else {
            return;
        };
        while mechanism.next_command(&mut self.out) {}
    }

    /// Moves into `out` what of our greeting may go by now.
    fn release_greeting(&mut self) {
        let sendable = self.greeting.sendable().min(GREETING_LEN);
        if let Some(part) = self.greeting.ours().get(self.released..sendable) {
            self.out.extend_from_slice(part);
            self.released = sendable;
        }
    }

    fn judge(&self, properties: Properties) -> Result<Peer, Fault> {
        // contract 3.4: "missing Socket-Type accepted"
        let socket_type = match metadata::find(&properties, SOCKET_TYPE) {
            None => None,
            Some(name) => Some(self.compatible(name).ok_or(Fault::IncompatibleSocketType)?),
        };
        let routing_id = metadata::find(&properties, IDENTITY)
            .unwrap_or_default()
            .to_vec();
        // RFC 37: "identity = 0*255OCTET"
        if routing_id.len() > MAX_ROUTING_ID {
            return Err(Fault::InvalidMetadata);
        }
        let version = self.greeting.version().unwrap_or(Version::V3_0);
        Ok(Peer {
            version,
            socket_type,
            routing_id,
            properties,
        })
    }

    fn compatible(&self, name: &[u8]) -> Option<SocketType> {
        let theirs = SocketType::from_name(std::str::from_utf8(name).ok()?)?;
        self.local.socket_type.compatible(theirs).then_some(theirs)
    }
}

/// Room for a READY with generous properties, and no more than one connection may cost before it
/// is one.
const MAX_HANDSHAKE_BYTES: usize = metadata::MAX_TOTAL;
const MAX_ROUTING_ID: usize = 255;
const IDENTITY: &str = "Identity";
const SOCKET_TYPE: &str = "Socket-Type";

#[cfg(test)]
mod tests;
