// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake: greeting, then the mechanism's commands, up to READY both ways.
//!
//! Driving it: give it what the peer sent, write what [`Handshake::transmit`] holds, and repeat
//! until it [is done](Handshake::is_done) or has failed. It stops right behind the peer's READY;
//! what follows in the stream is traffic. How long it may take is the caller's deadline.
//!
//! Of a peer that nobody knows yet it holds what has come of one command, which may be no longer than the mechanism has use
//! for: some hundred bytes; with GSSAPI a token, whose bytes are held as they come.

use ferromq_vocabulary::SocketType;
use zeroize::Zeroize;

use crate::command::{self, Command};
use crate::decoder::{DecodeError, Decoder, Frame};
use crate::greeting::{GREETING_LEN, Greeting, NotZmtp, Protocol};
use crate::mechanism::gssapi::{ContextFailed, Negotiated, Negotiation};
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
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
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
    /// The most bytes of properties the peer may send.
    pub max_metadata: usize,
    /// NULL has an authenticator asked.
    ///
    /// contract 3.6: "With ZAP_DOMAIN set (and a handler) each side first asks ZAP".
    pub asks: bool,
    /// An authenticator wants to see what the peer has said about itself, too.
    pub reviews: bool,
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
            max_metadata: MAX_METADATA,
            reviews: false,
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
    /// What is to be done elsewhere before it goes on.
    errand: Errand,
    /// The mechanism's name, if an authenticator has been asked.
    asked: Option<&'static str>,
    /// What the authenticator knows of the peer.
    known: Option<zap::Reply>,
    /// This side may tell the peer what is wrong.
    explains: bool,
    /// Why the handshake failed, in the words of the peer's ERROR or of a library.
    detail: Option<String>,
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
        let (kind, explains) = (security.kind(), security.explains());
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
            errand: Errand::None,
            asked: None,
            known: None,
            explains,
            detail: None,
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

    /// What an authenticator is to say something about now; given once.
    pub fn take_question(&mut self) -> Option<Question> {
        match std::mem::replace(&mut self.errand, Errand::Asked) {
            Errand::Ask(question) => Some(question),
            other => {
                self.errand = other;
                None
            }
        }
    }

    /// A step of a security context, to be taken now where waiting is allowed; given once.
    pub fn take_negotiation(&mut self) -> Option<Negotiation> {
        match std::mem::replace(&mut self.errand, Errand::Negotiating) {
            Errand::Negotiate(negotiation) => Some(negotiation),
            other => {
                self.errand = other;
                None
            }
        }
    }

    /// Something is being done elsewhere: nothing goes on, and nothing is to be read, until
    /// [`judged`](Self::judged), [`admitted`](Self::admitted) or [`negotiated`](Self::negotiated).
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !matches!(self.errand, Errand::None)
    }

    /// What the authenticator said of the peer's credentials. Unasked-for verdicts are ignored.
    pub fn judged(&mut self, verdict: Verdict) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !matches!(self.errand, Errand::Asked) {
            return Ok(());
        }
        self.errand = Errand::None;
        let reply = match verdict {
            Verdict::Reply(reply) => Some(reply),
            Verdict::Malformed(malformed) => return self.fail(Fault::from(malformed)),
            Verdict::Unusable => return self.fail(Fault::UnusableHandler),
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
        if status == zap::Status::Success {
            self.known = reply;
        }
        self.answer(status)
    }

    /// What the authenticator said of the peer as a whole. Unasked-for answers are ignored.
    pub fn admitted(&mut self, status: zap::Status) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !matches!(self.errand, Errand::Asked) || self.peer.is_none() {
            return Ok(());
        }
        self.errand = Errand::None;
        self.local.reviews = false;
        self.answer(status)
    }

    /// What the step of a security context has come to.
    pub fn negotiated(&mut self, outcome: Negotiated) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let Some(mechanism) = &mut self.mechanism else {
            return Ok(());
        };
        self.errand = Errand::None;
        if let Err(ContextFailed { text }) = mechanism.negotiated(outcome) {
            self.detail = Some(text);
            return self.fail(Fault::SecurityContext);
        }
        self.pump();
        Ok(())
    }

    /// Why it failed, where somebody has said so: the peer in its ERROR, or a library.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
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
            // There may have been a password in it.
            self.out.zeroize();
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
        self.fault.is_none()
            && self.peer.is_some()
            && is_ready
            && !self.is_waiting()
            && self.transmit().is_empty()
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
        while self.peer.is_none() && !self.is_waiting() {
            let Some(mechanism) = &self.mechanism else {
                break;
            };
            let expected = mechanism.expects(self.local.max_metadata);
            let expected = expected.within(self.budget);
            if self.decoder.is_at_boundary() {
                let limit = i64::try_from(expected.limit).unwrap_or(i64::MAX);
                self.decoder.limit(limit);
            }
            let before = rest.len();
            let frame = match self.decoder.decode(rest) {
                Ok(frame) => frame,
                Err(DecodeError::TooLarge) => return Err(self.explain(expected.fault)),
                Err(DecodeError::OutOfMemory) => return Err(Fault::OutOfMemory),
            };
            self.budget = self
                .budget
                .saturating_sub(before.saturating_sub(rest.len()));
            let Some(mut frame) = frame else { break };
            let taken = self.take_frame(&frame);
            frame.body.zeroize();
            taken?;
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
        if let Err(fault) = mechanism.process_command(&frame.body) {
            if matches!(fault, Fault::PeerError { .. })
                && let Ok(Command::Error { reason }) = command::parse(&frame.body)
            {
                self.detail = Some(String::from_utf8_lossy(reason).into_owned());
            }
            return Err(self.explain(fault));
        }
        if mechanism.peer_is_ready() {
            let properties = mechanism.take_properties();
            match self.judge(properties) {
                Ok(peer) => self.peer = Some(peer),
                Err(fault) => return Err(self.explain(fault)),
            }
        }
        self.pump();
        Ok(())
    }

    /// Tells the peer what is wrong, if there is anything that it would not know, and if it listens.
    fn explain(&mut self, fault: Fault) -> Fault {
        if self.explains
            && let Some(reason) = fault.explanation()
        {
            command::error(reason.as_bytes(), &mut self.out);
        }
        fault
    }

    /// The authenticator's answer to either question.
    fn answer(&mut self, status: zap::Status) -> Result<(), Fault> {
        if let Some(mechanism) = &mut self.mechanism {
            mechanism.judged(status);
        }
        if status == zap::Status::Success {
            self.pump();
            return Ok(());
        }
        self.speak();
        self.fail(Fault::Refused {
            status: status.code(),
        })
    }

    /// Moves into `out` what the mechanism wants to say, and finds out what is to be done first.
    fn pump(&mut self) {
        if let Some(mechanism) = &mut self.mechanism
            && let Some(credentials) = mechanism.take_credentials()
        {
            self.asked = Some(credentials.mechanism);
            self.errand = Errand::Ask(Question::Credentials(credentials));
            self.speak();
            return;
        }
        if self.local.reviews
            && let (Some(mechanism), Some(peer)) = (self.asked, &self.peer)
        {
            let known = self.known.as_ref();
            self.errand = Errand::Ask(Question::Admission {
                mechanism,
                user_id: known.map_or_else(Vec::new, |known| known.user_id.clone()),
                metadata: peer.properties.clone(),
            });
            return;
        }
        self.speak();
        if let Some(mechanism) = &mut self.mechanism
            && let Some(negotiation) = mechanism.take_negotiation()
        {
            self.errand = Errand::Negotiate(negotiation);
        }
    }

    fn speak(&mut self) {
        if let Some(mechanism) = &mut self.mechanism {
            while mechanism.next_command(&mut self.out) {}
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

/// Something that is done elsewhere before the handshake goes on.
#[derive(Debug)]
enum Errand {
    None,
    Ask(Question),
    /// The question has been taken and not been answered.
    Asked,
    Negotiate(Negotiation),
    /// The step is being taken.
    Negotiating,
}

/// What an authenticator is asked.
#[derive(Debug)]
pub enum Question {
    /// Whether the peer is who it says; [`Handshake::judged`] takes the answer.
    Credentials(Credentials),
    /// Whether it may stay, now that everything is known of it; [`Handshake::admitted`] takes the
    /// answer.
    Admission {
        /// The mechanism's name.
        mechanism: &'static str,
        /// Whom the authenticator knows it as.
        user_id: Vec<u8>,
        /// Everything it has said about itself.
        metadata: Properties,
    },
}

/// Room for every command of a handshake, the longest token of GSSAPI among them; how much of it is
/// held at once says [`Expected`](crate::mechanism::Expected).
const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;
/// A few KiB: nobody has needed more than some hundred bytes.
const MAX_METADATA: usize = 8 * 1024;
const MAX_ROUTING_ID: usize = 255;
const IDENTITY: &str = "Identity";
const SOCKET_TYPE: &str = "Socket-Type";
const USER_ID: &str = "User-Id";

#[cfg(test)]
mod secured_tests;
#[cfg(test)]
mod tests;
