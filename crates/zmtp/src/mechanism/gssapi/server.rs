// SPDX-License-Identifier: MIT OR Apache-2.0
//! The side of GSSAPI that is called.

use std::fmt;

use zeroize::Zeroizing;

use super::client::{expected, say_ready, take_ready};
use super::{ContextFailed, Negotiated, Negotiation, Setup, Talk};
use crate::handshake::Fault;
use crate::mechanism::{Door, Expected, INITIATE, Mechanism, Status, expect};
use crate::metadata::Properties;
use crate::transcode::Transcoder;
use crate::zap::{Credentials, Status as Judgement};

/// A server's side of the handshake.
pub struct Server {
    talk: Talk,
    stage: Stage,
    door: Door,
    /// The client's name, once the contexts have found each other.
    client: Option<Vec<u8>>,
    credentials: Option<Credentials>,
    plaintext: bool,
    metadata: Vec<u8>,
    properties: Properties,
}

/// What comes when the contexts have found each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client confirms that its context stands, too.
    AwaitLast,
    SayReady,
    AwaitReady,
    Ready,
}

impl Server {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(setup: &Setup, metadata: Vec<u8>) -> Self {
        let context = setup.provider.accept(&setup.own);
        Self {
            talk: Talk::Await(context),
            stage: Stage::AwaitLast,
            door: Door::Shut,
            client: None,
            credentials: None,
            plaintext: setup.plaintext,
            metadata,
            properties: Properties::new(),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<(), Fault> {
        let Talk::Established(context) = &mut self.talk else {
            return self.talk.take(body);
        };
        match self.stage {
            Stage::AwaitLast => {
                // Nothing, or a token without a byte.
                if !body.is_empty() && expect(body, INITIATE)? != [0; 4] {
                    return Err(Fault::MalformedInitiate);
                }
                let client = self.client.take().unwrap_or_default();
                self.credentials = Some(Credentials::new("GSSAPI", vec![Zeroizing::new(client)]));
                self.stage = Stage::SayReady;
            }
            Stage::AwaitReady => {
                self.properties = take_ready(context.as_mut(), self.plaintext, body)?;
                self.stage = Stage::Ready;
            }
            Stage::SayReady | Stage::Ready => return Err(Fault::UnexpectedCommand),
        }
        Ok(())
    }
}

impl Mechanism for Server {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.take(body)
            .inspect_err(|_fault| self.talk = Talk::Failed)
    }

    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        if self.talk.say(out) {
            return true;
        }
        let (Talk::Established(context), Stage::SayReady) = (&mut self.talk, self.stage) else {
            return false;
        };
        if self.door != Door::Open {
            return self.door.refuse(out);
        }
        let said = say_ready(context.as_mut(), self.plaintext, &self.metadata, out);
        self.stage = Stage::AwaitReady;
        if said.is_err() {
            self.talk = Talk::Failed;
        }
        said.is_ok()
    }

    fn status(&self) -> Status {
        match (&self.talk, self.stage) {
            (Talk::Failed, _) => Status::Failed,
            _ if self.door.is_refused() => Status::Failed,
            (Talk::Established(_), Stage::Ready) => Status::Ready,
            _ => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        expected(&self.talk, max_metadata)
    }

    fn take_properties(&mut self) -> Properties {
        std::mem::take(&mut self.properties)
    }

    fn take_credentials(&mut self) -> Option<Credentials> {
        self.credentials.take()
    }

    fn judged(&mut self, judgement: Judgement) {
        self.door.judged(judgement);
    }

    fn take_negotiation(&mut self) -> Option<Negotiation> {
        self.talk.take_negotiation()
    }

    fn negotiated(&mut self, outcome: Negotiated) -> Result<(), ContextFailed> {
        if let Some(client) = self.talk.negotiated(outcome)? {
            self.client = Some(client);
        }
        Ok(())
    }

    fn take_transcoder(&mut self, max_frame_size: i64) -> Option<Transcoder> {
        if self.plaintext || self.status() != Status::Ready {
            return None;
        }
        self.talk.take_transcoder(max_frame_size)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
