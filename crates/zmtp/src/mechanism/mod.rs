// SPDX-License-Identifier: MIT OR Apache-2.0
//! Security mechanisms: what the two sides say between greeting and traffic.
//!
//! One file (or folder) a mechanism, and one line in [`TABLE`]:
//!
//! 1. [`null`] — READY both ways, nothing checked but what an authenticator knows of addresses.
//! 2. [`plain`] — user and password in clear text.
//! 3. [`curve`] — keys on both sides, everything encrypted.
//! 4. [`gssapi`] — Kerberos, or whatever else a security context brings with it.
//!
//! A server that knows its client's credentials stops and has a question
//! ([`Mechanism::take_credentials`]) that [`Mechanism::judged`] answers. A security context takes its
//! steps elsewhere ([`Mechanism::take_negotiation`]).

#[cfg(feature = "curve")]
pub mod curve;
mod envelope;
pub mod gssapi;
pub mod null;
pub mod plain;

use std::fmt;

use zeroize::Zeroizing;

use crate::command::{self, Command, MalformedCommand};
use crate::handshake::Fault;
use crate::metadata::{self, Properties};
use crate::transcode::Transcoder;
use crate::zap::{Credentials, Status as Judgement};
use gssapi::{ContextFailed, Negotiated, Negotiation};

/// Bytes of a mechanism's name in the greeting.
pub const NAME_LEN: usize = 20;
/// Random bytes a handshake may need.
pub const ENTROPY_LEN: usize = 96;

/// How far a mechanism has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Commands are still to be sent or taken.
    Handshaking,
    /// Both sides have said READY (or what stands for it).
    Ready,
    /// One side has ended the handshake.
    Failed,
}

/// One side of a mechanism's exchange of commands.
pub trait Mechanism: fmt::Debug + Send {
    /// Takes the body of a command the peer sent.
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault>;

    /// Appends the next command to send as a whole frame; false if it is not our turn.
    fn next_command(&mut self, out: &mut Vec<u8>) -> bool;

    /// How far both sides have come.
    fn status(&self) -> Status;

    /// The peer has said its last word of the handshake: what follows in the stream is traffic.
    fn peer_is_ready(&self) -> bool;

    /// How large the body of the peer's next command may be.
    fn expects(&self, max_metadata: usize) -> Expected;

    /// What the peer's properties say, once they are here.
    fn take_properties(&mut self) -> Properties;

    /// What an authenticator is to judge now; given once, and nothing goes on until
    /// [`judged`](Self::judged).
    fn take_credentials(&mut self) -> Option<Credentials> {
        None
    }

    /// What the authenticator said. Anything but success ends the handshake: then there may be an
    /// ERROR to send.
    fn judged(&mut self, _judgement: Judgement) {}

    /// A step of a security context, to be taken elsewhere; given once, and nothing goes on until
    /// [`negotiated`](Self::negotiated).
    fn take_negotiation(&mut self) -> Option<Negotiation> {
        None
    }

    /// What the step has come to.
    fn negotiated(&mut self, _outcome: Negotiated) -> Result<(), ContextFailed> {
        Ok(())
    }

    /// What traffic goes through, if it does not go in the clear; given once, after the handshake.
    fn take_transcoder(&mut self, _max_frame_size: i64) -> Option<Transcoder> {
        None
    }
}

/// What a command may be: so much is taken in of a peer nobody knows yet, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Most bytes of its body.
    pub limit: usize,
    /// What it is if it is larger.
    pub fault: Fault,
}

impl Expected {
    /// So many bytes behind its name; there is always room for an ERROR.
    fn up_to(data: usize, fault: Fault) -> Self {
        Self {
            limit: data.saturating_add(MAX_NAME).max(MAX_ERROR),
            fault,
        }
    }

    /// If the peer may send no more than this at all.
    pub(crate) fn within(self, budget: usize) -> Self {
        if self.limit <= budget {
            return self;
        }
        Self {
            limit: budget,
            fault: Fault::HandshakeTooLarge,
        }
    }
}

/// The mechanisms that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No security.
    Null,
    /// User and password.
    Plain,
    /// Keys and encryption.
    #[cfg(feature = "curve")]
    Curve,
    /// Kerberos and its like.
    Gssapi,
}

impl Kind {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Plain => "PLAIN",
            #[cfg(feature = "curve")]
            Self::Curve => "CURVE",
            Self::Gssapi => "GSSAPI",
        }
    }

    /// The name as the greeting carries it: padded with zeros.
    #[must_use]
    pub fn wire_name(self) -> [u8; NAME_LEN] {
        let mut padded = [0; NAME_LEN];
        for (to, from) in padded.iter_mut().zip(self.name().bytes()) {
            *to = from;
        }
        padded
    }
}

/// Every mechanism that is built in.
pub const TABLE: &[Kind] = &[
    Kind::Null,
    Kind::Plain,
    #[cfg(feature = "curve")]
    Kind::Curve,
    Kind::Gssapi,
];

/// Which mechanism to use, in which role, with which secrets.
#[derive(Clone, Debug, Default)]
pub enum Security {
    /// No security.
    #[default]
    Null,
    /// PLAIN, as the one who has to show who he is.
    PlainClient(plain::Login),
    /// PLAIN, as the one who asks an authenticator.
    PlainServer,
    /// CURVE, as the one who knows the server's key.
    #[cfg(feature = "curve")]
    CurveClient(curve::ClientKeys),
    /// CURVE, as the one whose key is known.
    #[cfg(feature = "curve")]
    CurveServer(curve::ServerKeys),
    /// GSSAPI, as the one who knows whom it wants to talk to.
    GssapiClient(gssapi::Setup),
    /// GSSAPI, as the one who is called.
    GssapiServer(gssapi::Setup),
}

impl Security {
    /// The mechanism.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::PlainClient(_) | Self::PlainServer => Kind::Plain,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) | Self::CurveServer(_) => Kind::Curve,
            Self::GssapiClient(_) | Self::GssapiServer(_) => Kind::Gssapi,
        }
    }

    /// Whether this side says READY only when it knows everything about its peer: until then it can
    /// tell it what is wrong.
    pub(crate) fn explains(&self) -> bool {
        match self {
            Self::PlainServer => true,
            #[cfg(feature = "curve")]
            Self::CurveServer(_) => true,
            _ => false,
        }
    }

    /// A mechanism that will send these encoded properties. `asks` says whether NULL has an
    /// authenticator asked; the servers of the others always do.
    pub(crate) fn start(
        self,
        metadata: Vec<u8>,
        entropy: &Entropy,
        asks: bool,
    ) -> Box<dyn Mechanism> {
        #[cfg(not(feature = "curve"))]
        let _unused = entropy;
        match self {
            Self::Null if asks => Box::new(null::Null::asking(metadata)),
            Self::Null => Box::new(null::Null::new(metadata)),
            Self::PlainClient(login) => Box::new(plain::Client::new(login, metadata)),
            Self::PlainServer => Box::new(plain::Server::new(metadata)),
            #[cfg(feature = "curve")]
            Self::CurveClient(keys) => Box::new(curve::Client::new(keys, metadata, entropy)),
            #[cfg(feature = "curve")]
            Self::CurveServer(keys) => Box::new(curve::Server::new(keys, metadata, entropy)),
            Self::GssapiClient(setup) => Box::new(gssapi::Client::new(&setup, metadata)),
            Self::GssapiServer(setup) => Box::new(gssapi::Server::new(&setup, metadata)),
        }
    }
}

/// Randomness for one handshake: nothing here draws any itself. CURVE makes its short-term keys of
/// it, so it must come from the system's source and never be used twice.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "curve"),
    expect(dead_code, reason = "CURVE alone draws from it")
)]
pub struct Entropy(Zeroizing<[u8; ENTROPY_LEN]>);

impl Entropy {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: [u8; ENTROPY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For NULL and PLAIN, which need none.
    #[must_use]
    pub fn none() -> Self {
        Self::new([0; ENTROPY_LEN])
    }

    /// The short-term secret key.
    #[cfg(feature = "curve")]
    pub(crate) fn key(&self) -> [u8; 32] {
        let [key, _, _] = self.thirds();
        key
    }

    /// The key of the cookie.
    #[cfg(feature = "curve")]
    pub(crate) fn cookie_key(&self) -> [u8; 32] {
        let [_, key, _] = self.thirds();
        key
    }

    /// Two nonces.
    #[cfg(feature = "curve")]
    pub(crate) fn nonces(&self) -> ([u8; 16], [u8; 16]) {
        let [_, _, nonces] = self.thirds();
        let (mut first, mut second) = ([0; 16], [0; 16]);
        first.copy_from_slice(nonces.split_at(16).0);
        second.copy_from_slice(nonces.split_at(16).1);
        (first, second)
    }

    #[cfg(feature = "curve")]
    fn thirds(&self) -> [[u8; 32]; 3] {
        let mut thirds = [[0; 32]; 3];
        for (to, from) in thirds.as_flattened_mut().iter_mut().zip(self.0.iter()) {
            *to = *from;
        }
        thirds
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// The door of a server: what became of the question it has for an authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nobody is to be asked, or the answer was yes.
    Open,
    /// Nothing to ask yet, or asked and not answered.
    Shut,
    /// The answer was no; the peer has not been told.
    Refused(Judgement),
    /// The answer was no, and everything is said.
    Barred,
}

impl Door {
    pub(crate) fn judged(&mut self, judgement: Judgement) {
        *self = match judgement {
            Judgement::Success => Self::Open,
            refusal => Self::Refused(refusal),
        };
    }

    pub(crate) fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_) | Self::Barred)
    }

    /// Says no, once.
    ///
    /// contract 3.11: "300 close silently so the client retries; 400/500 ERROR sent then closed".
    pub(crate) fn refuse(&mut self, out: &mut Vec<u8>) -> bool {
        let Self::Refused(refusal) = *self else {
            return false;
        };
        *self = Self::Barred;
        if refusal == Judgement::TemporaryError {
            return false;
        }
        command::error(refusal.digits(), out);
        true
    }
}

/// Splits off the name a command has to have.
pub(crate) fn expect<'a>(body: &'a [u8], name: &[u8]) -> Result<&'a [u8], Fault> {
    match command::parse(body) {
        Ok(Command::Other { name: found, data }) if found == name => Ok(data),
        Ok(Command::Ready(data)) if name == READY => Ok(data),
        Ok(Command::Error { reason }) => Err(Fault::PeerError {
            status: status_of(reason),
        }),
        Ok(_) => Err(Fault::UnexpectedCommand),
        Err(MalformedCommand::Error) => Err(Fault::MalformedError),
        Err(MalformedCommand::Name) => Err(Fault::MalformedCommand),
        // Well-formed or not, this is not the time for them.
        Err(MalformedCommand::Group | MalformedCommand::Ping) => Err(Fault::UnexpectedCommand),
    }
}

/// The body of a READY with these encoded properties.
pub(crate) fn ready_body(metadata: &[u8]) -> Vec<u8> {
    [b"\x05READY", metadata].concat()
}

/// Reads the properties at the end of a command.
pub(crate) fn properties(bytes: &[u8]) -> Result<Properties, Fault> {
    metadata::parse(bytes).map_err(|metadata::InvalidMetadata| Fault::InvalidMetadata)
}

/// contract 3.5: "libzmq clients interpret exactly "300","400","500" as AUTH failure".
fn status_of(reason: &[u8]) -> Option<u16> {
    Judgement::parse(reason)
        .filter(|status| *status != Judgement::Success)
        .map(Judgement::code)
}

/// Bytes of the longest name of a command here, and its length.
const MAX_NAME: usize = 9;
/// Bytes of the body of the longest ERROR.
const MAX_ERROR: usize = 7 + 255;
pub(crate) const HELLO: &[u8] = b"HELLO";
pub(crate) const INITIATE: &[u8] = b"INITIATE";
pub(crate) const READY: &[u8] = b"READY";
pub(crate) const WELCOME: &[u8] = b"WELCOME";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_greeting_and_are_different() {
        let mut names: Vec<_> = TABLE.iter().map(|kind| kind.wire_name()).collect();
        assert!(TABLE.iter().all(|kind| kind.name().len() <= NAME_LEN));
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }
}
