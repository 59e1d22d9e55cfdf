// SPDX-License-Identifier: MIT OR Apache-2.0
//! GSSAPI (RFC 38): who the peers are says Kerberos, or whatever else is behind the interface of
//! [RFC 2743](https://www.rfc-editor.org/rfc/rfc2743).
//!
//! ```text
//! client                             server
//! INITIATE  token    ──────►
//!                    ◄──────  INITIATE  token         as often as the two contexts ask for it
//! (nothing)          ──────►         asks an authenticator about the client's name
//!                    ◄──────  READY     properties    or ERROR
//! READY   properties ──────►
//! MESSAGE            ◄─────►  MESSAGE
//! ```
//!
//! Here is the framing alone. What makes and takes tokens is a [`SecurityContext`]; it may ask
//! servers far away, so the handshake stops for each of its steps and has a [`Negotiation`] that
//! somebody else runs.
//!
//! READY and MESSAGE are wrapped (encrypted) by the context, unless the application has asked for
//! [`plaintext`](Setup::plaintext): then the peers only know whom they talk to.
//!
//! contract 3.9: "RFC text uses TOKEN; libzmq uses INITIATE." And, as seen on the wire: a side whose
//! context has nothing more to say when it is its turn sends an empty command.

mod client;
mod server;
pub mod traffic;

pub use client::Client;
pub use server::Server;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ferromq_message::frame;
use zeroize::Zeroizing;

use super::{INITIATE, expect};
use crate::command::{self, append_header};
use crate::handshake::Fault;
use crate::transcode::Transcoder;

/// Longest token accepted from a peer: tickets that list many groups are this long.
pub const MAX_TOKEN: usize = 48 * 1024;
/// What wrapping may add to a text, with room to spare.
pub(super) const MAX_WRAPPING: usize = 512;

/// One side of a security context, as GSSAPI libraries have it.
pub trait SecurityContext: fmt::Debug + Send {
    /// Takes the peer's token, which is empty for the first step of the side that begins. This may
    /// wait for a network.
    fn step(&mut self, token: &[u8]) -> Result<Step, ContextFailed>;

    /// Appends the text, encrypted and protected against changes, repetition and reordering. Only
    /// of an established context, and never waits.
    fn wrap(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed>;

    /// Appends the text of what the peer's [`wrap`](Self::wrap) made. What is not encrypted, or
    /// comes again, is refused. Only of an established context, and never waits.
    fn unwrap(&mut self, wrapped: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed>;
}

/// What a step has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The token is for the peer, and an answer is awaited.
    Continue(Vec<u8>),
    /// The context is established.
    Complete {
        /// For the peer; empty if there is nothing more to say.
        token: Vec<u8>,
        /// The name of the peer.
        peer: Vec<u8>,
    },
}

/// Why there is no context, or why it refuses a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextFailed {
    /// In the words of the library.
    pub text: String,
}

impl fmt::Display for ContextFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ContextFailed {}

/// What kind of name a principal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameType {
    /// `service@host`.
    #[default]
    HostBased,
    /// A user of this machine.
    User,
    /// As Kerberos writes it: `service/host@REALM`.
    Krb5Principal,
}

/// Somebody's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The name; empty for whoever the system takes us for.
    pub name: Vec<u8>,
    /// What kind of name it is.
    pub name_type: NameType,
}

impl Principal {
    /// A service: `service@host`.
    #[must_use]
    pub fn host_based(name: &str) -> Self {
        Self::new(name, NameType::HostBased)
    }

    /// A user of this machine.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self::new(name, NameType::User)
    }

    /// As Kerberos writes it: `service/host@REALM`.
    #[must_use]
    pub fn krb5(name: &str) -> Self {
        Self::new(name, NameType::Krb5Principal)
    }

    fn new(name: &str, name_type: NameType) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            name_type,
        }
    }
}

/// Makes security contexts.
pub trait Provider: fmt::Debug + Send + Sync {
    /// A context of the side that begins: as `own`, with `service`. Nothing is asked before its
    /// first step.
    fn initiate(&self, own: &Principal, service: &Principal) -> Box<dyn SecurityContext>;

    /// A context of the side that is called, as `own`.
    fn accept(&self, own: &Principal) -> Box<dyn SecurityContext>;

    /// Whether there is what they are made of; without, there is no such mechanism.
    fn is_available(&self) -> bool {
        true
    }
}

/// What either side needs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whoever makes the contexts.
    pub provider: Arc<dyn Provider>,
    /// Who we are.
    pub own: Principal,
    /// Whom a client means.
    pub service: Principal,
    /// Whether messages go unencrypted.
    pub plaintext: bool,
}

/// A step to be taken: [`run`](Self::run) it where waiting is allowed, and bring what it has come
/// to back to the handshake.
#[derive(Debug)]
pub struct Negotiation {
    context: Box<dyn SecurityContext>,
    token: Zeroizing<Vec<u8>>,
}

impl Negotiation {
    /// Takes the step; may wait for a network.
    #[must_use]
    pub fn run(self) -> Negotiated {
        let Self { mut context, token } = self;
        let result = context.step(&token);
        Negotiated { context, result }
    }
}

/// What a step has come to, and the context that took it.
#[derive(Debug)]
pub struct Negotiated {
    context: Box<dyn SecurityContext>,
    result: Result<Step, ContextFailed>,
}

/// How the two contexts find each other: alike on both sides.
#[derive(Debug)]
enum Talk {
    /// A step is to be taken.
    Begun(Negotiation),
    /// It is being taken.
    Away,
    /// This is to be said; then an answer is awaited.
    Say(Box<dyn SecurityContext>, Vec<u8>),
    Await(Box<dyn SecurityContext>),
    /// The same, with an established context.
    SayLast(Box<dyn SecurityContext>, Vec<u8>),
    Established(Box<dyn SecurityContext>),
    Failed,
}

impl Talk {
    /// The side that begins.
    fn begin(context: Box<dyn SecurityContext>) -> Self {
        Self::Begun(Negotiation {
            context,
            token: Zeroizing::default(),
        })
    }

    /// Takes a command with a token, if one is awaited.
    fn take(&mut self, body: &[u8]) -> Result<(), Fault> {
        let Self::Await(context) = std::mem::replace(self, Self::Failed) else {
            return Err(Fault::UnexpectedCommand);
        };
        let data = expect(body, INITIATE)?;
        let token = data
            .split_first_chunk()
            .filter(|(len, token)| u32::from_be_bytes(**len) as usize == token.len())
            .map(|(_, token)| Zeroizing::new(token.to_vec()))
            .ok_or(Fault::MalformedInitiate)?;
        *self = Self::Begun(Negotiation { context, token });
        Ok(())
    }

    fn take_negotiation(&mut self) -> Option<Negotiation> {
        match std::mem::replace(self, Self::Away) {
            Self::Begun(negotiation) => Some(negotiation),
            other => {
                *self = other;
                None
            }
        }
    }

    /// The name of the peer, once the context is established.
    fn negotiated(&mut self, outcome: Negotiated) -> Result<Option<Vec<u8>>, ContextFailed> {
        let Negotiated { context, result } = outcome;
        let step = result.inspect_err(|_failed| *self = Self::Failed)?;
        Ok(match step {
            Step::Continue(token) => {
                *self = Self::Say(context, token);
                None
            }
            Step::Complete { token, peer } => {
                *self = Self::SayLast(context, token);
                Some(peer)
            }
        })
    }

    /// What traffic goes through, with the context that is established.
    fn take_transcoder(&mut self, max_frame_size: i64) -> Option<Transcoder> {
        match std::mem::replace(self, Self::Away) {
            Self::Established(context) => Some(traffic::transcoder(context, max_frame_size)),
            _ => None,
        }
    }

    /// Says the next token.
    fn say(&mut self, out: &mut Vec<u8>) -> bool {
        let (next, token) = match std::mem::replace(self, Self::Failed) {
            Self::Say(context, token) => (Self::Await(context), token),
            Self::SayLast(context, token) => (Self::Established(context), token),
            other => {
                *self = other;
                return false;
            }
        };
        *self = next;
        match u32::try_from(token.len()) {
            Ok(0) => append_header(frame::COMMAND, 0, out),
            Ok(len) => command::append(INITIATE, &[&len.to_be_bytes(), &token], out),
            Err(_too_long) => *self = Self::Failed,
        }
        true
    }
}

#[cfg(test)]
mod tests;
