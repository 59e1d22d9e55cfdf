// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake: greeting, then the mechanism's commands, up to READY both ways.
//!
//! Driving it: give it what the peer sent, write what [`Handshake::transmit`] holds, and repeat
//! until it [is done](Handshake::is_done) or has failed. It stops right behind the peer's READY;
//! what follows in the stream is traffic. How long it may take is the caller's deadline.

use ferromq_vocabulary::SocketType;

use crate::decoder::{Decoder, Frame};
use crate::greeting::{GREETING_LEN, Greeting, NotZmtp, Protocol};
use crate::mechanism::{Entropy, Kind, Mechanism, Security, Status};
use crate::metadata::{self, Properties};
use crate::transcode::Transcoder;
use crate::zap::{self, Credentials, Verdict};

mod fault;
mod older;

pub use fault::Fault;

use older::Older;

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
    /// NULL has an authenticator asked.
    ///
    /// contract 3.6: "With ZAP_DOMAIN set (and a handler) each side first asks ZAP".
    pub asks: bool,
    /// Without a handler nobody comes in (the option ZAP_ENFORCE_DOMAIN, with a domain).
    pub needs_handler: bool,
    /// Peers from before ZMTP 3.0 are taken as well; whoever sets this must use
    /// [`Handshake::take_transcoder`] and must not send them commands.
    pub takes_older: bool,
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
            asks: false,
            needs_handler: false,
            takes_older: false,
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

/// One side of a handshake.
#[derive(Debug)]
pub struct Handshake {
    local: Local,
    kind: Kind,
    /// Until the mechanism begins.
    security: Option<(Security, Entropy)>,
    greeting: Greeting,
    /// Bytes of our greeting that are in `out` or beyond it.
    released: usize,
    /// Present from the end of the peer's greeting on.
    mechanism: Option<Box<dyn Mechanism>>,
    /// In its place if the peer is from before ZMTP 3.0.
    older: Option<Older>,
    /// A question that nobody has taken yet.
    credentials: Option<Credentials>,
    /// The question has been taken and not been answered.
    waits: bool,
    /// What the authenticator knows of the peer.
    known: Option<zap::Reply>,
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
        Self::with_security(local, Security::Null, Entropy::none())
    }

    /// A handshake with any mechanism. The signature may go out at once.
    #[must_use]
    pub fn with_security(local: Local, security: Security, entropy: Entropy) -> Self {
        let kind = security.kind();
        let greeting = Greeting::new(&kind.wire_name(), local.routing_id.len());
        let mut handshake = Self {
            budget: local.max_handshake_bytes,
            local,
            kind,
            security: Some((security, entropy)),
            greeting,
            released: 0,
            mechanism: None,
            older: None,
            credentials: None,
            waits: false,
            known: None,
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
            Err(fault) => self.fail(fault),
        }
    }

    /// Whom an authenticator is to judge now; given once.
    pub fn take_credentials(&mut self) -> Option<Credentials> {
        self.credentials.take()
    }

    /// An authenticator is being asked: nothing goes on, and nothing is to be read, until
    /// [`judged`](Self::judged).
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    /// What the authenticator said. Unasked-for verdicts are ignored.
    pub fn judged(&mut self, verdict: Verdict) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !std::mem::take(&mut self.waits) {
            return Ok(());
        }
        self.credentials = None;
        let reply = match verdict {
            Verdict::Reply(reply) => Some(reply),
            Verdict::Malformed(malformed) => return self.fail(Fault::from(malformed)),
            // contract 3.7: "A server without any ZAP handler refuses every client"; 3.8: "No ZAP
            // handler: accepted (unless ZAP_ENFORCE_DOMAIN + domain)."
            Verdict::NoHandler if self.kind == Kind::Plain || self.local.needs_handler => {
                return self.fail(Fault::NoHandler);
            }
            Verdict::NoHandler => None,
        };
        let status = reply
            .as_ref()
            .map_or(zap::Status::Success, |reply| reply.status);
        self.known = reply;
        if let Some(mechanism) = &mut self.mechanism {
            mechanism.judged(status);
        }
        self.pump();
        if status == zap::Status::Success {
            Ok(())
        } else {
            self.fail(Fault::Refused {
                status: status.code(),
            })
        }
    }

    /// What traffic has to go through, if it is not ZMTP 3 in the clear; to be asked once the
    /// handshake [is done](Self::is_done). Bodies of the peer larger than `max_frame_size` are
    /// refused; a negative number is no limit.
    pub fn take_transcoder(&mut self, max_frame_size: i64) -> Option<Transcoder> {
        if let Some(older) = &self.older {
            return older.transcoder(max_frame_size, self.local.socket_type);
        }
        self.mechanism.as_mut()?.take_transcoder(max_frame_size)
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
        let is_ready = self
            .mechanism
            .as_ref()
            .is_none_or(|mechanism| mechanism.status() == Status::Ready);
        self.fault.is_none() && self.peer.is_some() && is_ready && self.transmit().is_empty()
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
        let mut peer = self.peer.unwrap_or_else(nobody);
        if let Some(known) = self.known {
            peer.properties = merge(known, peer.properties);
        }
        peer
    }

    fn fail<T>(&mut self, fault: Fault) -> Result<T, Fault> {
        self.fault = Some(fault);
        Err(fault)
    }

    fn advance(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        if self.mechanism.is_none() && self.older.is_none() {
            self.take_greeting(rest)?;
        }
        if let Some(older) = &mut self.older
            && self.peer.is_none()
        {
            self.peer = older.handle_input(rest)?;
            return Ok(());
        }
        while self.peer.is_none() && self.mechanism.is_some() && !self.waits {
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
        if let Some(protocol) = self.greeting.protocol()
            && protocol < Protocol::V3_0
        {
            return self.begin_older(protocol);
        }
        if self.greeting.version().is_none() {
            return Ok(());
        }
        // contract 3.1: "Mechanism compare is an exact 20-byte match"
        if self.greeting.mechanism() != Some(self.kind.wire_name()) {
            return Err(Fault::MechanismMismatch);
        }
        if let Some((security, entropy)) = self.security.take() {
            let metadata = self.local.encode();
            self.mechanism = Some(security.start(metadata, &entropy, self.local.asks));
        }
        self.pump();
        Ok(())
    }

    /// contract 3.1: "ZMTP 1.0/2.0 peers are rejected when mechanism != NULL or ZAP_DOMAIN set."
    fn begin_older(&mut self, protocol: Protocol) -> Result<(), Fault> {
        if !self.local.takes_older || self.kind != Kind::Null || self.local.asks {
            return Err(Fault::UnsupportedVersion);
        }
        let older = Older::new(protocol, self.greeting.theirs());
        older.introduce(&self.local, &mut self.out);
        self.older = Some(older);
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
        if let Some(credentials) = mechanism.take_credentials() {
            self.credentials = Some(credentials);
            self.waits = true;
        }
    }

    /// Moves into `out` what of our greeting may go by now.
    fn release_greeting(&mut self) {
        let sendable = self.greeting.sendable().min(GREETING_LEN);
        if let Some(part) = self.greeting.ours().get(self.released..sendable) {
            self.out.extend_from_slice(part);
            self.released = sendable;
        }
    }

    fn judge(&self, mut properties: Properties) -> Result<Peer, Fault> {
        // Who it is, only an authenticator says.
        properties.retain(|(name, _)| !name.eq_ignore_ascii_case(USER_ID));
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

/// contract 1.5: "ZAP values win over ZMTP ones"; "User-Id" is there even if it is empty.
fn merge(known: zap::Reply, said: Properties) -> Properties {
    let mut merged = vec![(USER_ID.to_owned(), known.user_id)];
    for (name, value) in known.metadata.into_iter().chain(said) {
        if metadata::find(&merged, &name).is_none() {
            merged.push((name, value));
        }
    }
    merged
}

/// Room for a READY with generous properties, and no more than one connection may cost before it
/// is one.
const MAX_HANDSHAKE_BYTES: usize = metadata::MAX_TOTAL;
const MAX_ROUTING_ID: usize = 255;
const IDENTITY: &str = "Identity";
const SOCKET_TYPE: &str = "Socket-Type";
const USER_ID: &str = "User-Id";

#[cfg(test)]
mod tests;
