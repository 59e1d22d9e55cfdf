// SPDX-License-Identifier: MIT OR Apache-2.0
//! The side of GSSAPI that knows whom it wants to talk to.

use std::fmt;

use super::traffic;
use super::{ContextFailed, MAX_TOKEN, MAX_WRAPPING, Negotiated, Negotiation, Setup, Talk};
use crate::command;
use crate::handshake::Fault;
use crate::mechanism::{Expected, Mechanism, READY, Status, expect, properties, ready_body};
use crate::metadata::Properties;
use crate::transcode::Transcoder;

/// A client's side of the handshake.
pub struct Client {
    talk: Talk,
    ready: Ready,
    plaintext: bool,
    metadata: Vec<u8>,
    properties: Properties,
}

/// How far the two READYs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Await,
    Say,
    Said,
}

impl Client {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(setup: &Setup, metadata: Vec<u8>) -> Self {
        let context = setup.provider.initiate(&setup.own, &setup.service);
        Self {
            talk: Talk::begin(context),
            ready: Ready::Await,
            plaintext: setup.plaintext,
            metadata,
            properties: Properties::new(),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<(), Fault> {
        let Talk::Established(context) = &mut self.talk else {
            return self.talk.take(body);
        };
        if self.ready != Ready::Await {
            return Err(Fault::UnexpectedCommand);
        }
        self.properties = take_ready(context.as_mut(), self.plaintext, body)?;
        self.ready = Ready::Say;
        Ok(())
    }
}

/// The properties of a READY, wrapped or not. An ERROR is never wrapped.
pub(super) fn take_ready(
    context: &mut dyn super::SecurityContext,
    plaintext: bool,
    body: &[u8],
) -> Result<Properties, Fault> {
    if plaintext {
        return properties(expect(body, READY)?);
    }
    let text = match traffic::unwrap(context, body) {
        Err(Fault::UnexpectedCommand) => return Err(unexpected(body)),
        text => text?,
    };
    // libzmq does not flag it as a command here; it is one all the same.
    let (_flags, body) = text.split_first().ok_or(Fault::MalformedMessage)?;
    properties(expect(body, READY)?)
}

/// What a command says that is no MESSAGE: an ERROR, or nothing of use.
fn unexpected(body: &[u8]) -> Fault {
    match expect(body, READY) {
        // In the clear where it should be wrapped: a downgrade.
        Ok(_) => Fault::UnexpectedCommand,
        Err(fault) => fault,
    }
}

/// Appends READY, wrapped or not.
pub(super) fn say_ready(
    context: &mut dyn super::SecurityContext,
    plaintext: bool,
    metadata: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    if plaintext {
        command::ready(metadata, out);
        return Ok(());
    }
    let outer = ferromq_message::frame::COMMAND;
    traffic::wrap(context, outer, 0, &ready_body(metadata), out)
}

/// What the peer may say next, on either side.
pub(super) fn expected(talk: &Talk, max_metadata: usize) -> Expected {
    match talk {
        Talk::Established(_) => Expected::up_to(
            max_metadata.saturating_add(MAX_WRAPPING),
            Fault::HandshakeTooLarge,
        ),
        _ => Expected::up_to(MAX_TOKEN.saturating_add(4), Fault::MalformedInitiate),
    }
}

impl Mechanism for Client {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.take(body)
            .inspect_err(|_fault| self.talk = Talk::Failed)
    }

    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        if self.talk.say(out) {
            return true;
        }
        let (Talk::Established(context), Ready::Say) = (&mut self.talk, self.ready) else {
            return false;
        };
        let said = say_ready(context.as_mut(), self.plaintext, &self.metadata, out);
        self.ready = Ready::Said;
        if said.is_err() {
            self.talk = Talk::Failed;
        }
        said.is_ok()
    }

    fn status(&self) -> Status {
        match (&self.talk, self.ready) {
            (Talk::Failed, _) => Status::Failed,
            (Talk::Established(_), Ready::Said) => Status::Ready,
            _ => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        self.ready != Ready::Await
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        expected(&self.talk, max_metadata)
    }

    fn take_properties(&mut self) -> Properties {
        std::mem::take(&mut self.properties)
    }

    fn take_negotiation(&mut self) -> Option<Negotiation> {
        self.talk.take_negotiation()
    }

    fn negotiated(&mut self, outcome: Negotiated) -> Result<(), ContextFailed> {
        self.talk.negotiated(outcome).map(drop)
    }

    fn take_transcoder(&mut self, max_frame_size: i64) -> Option<Transcoder> {
        if self.plaintext || self.status() != Status::Ready {
            return None;
        }
        self.talk.take_transcoder(max_frame_size)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
