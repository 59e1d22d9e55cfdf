// SPDX-License-Identifier: MIT OR Apache-2.0
//! The side of CURVE that knows whom it wants to talk to.

use std::fmt;

use zeroize::Zeroizing;

use super::sealing::{BoxKey, long_nonce, short_nonce};
use super::traffic;
use super::{COOKIE_LEN, ClientKeys, KEY_LEN, SecretKey, TAG_LEN};
use crate::command;
use crate::handshake::Fault;
use crate::mechanism::{
    Entropy, Expected, HELLO, INITIATE, Mechanism, READY, Status, WELCOME, expect, properties,
};
use crate::metadata::Properties;
use crate::transcode::Transcoder;

/// A client's side of the handshake.
pub struct Client {
    state: State,
    keys: ClientKeys,
    /// For this connection only.
    short: SecretKey,
    short_public: [u8; KEY_LEN],
    vouch_nonce: [u8; 16],
    metadata: Vec<u8>,
    properties: Properties,
}

enum State {
    SayHello,
    AwaitWelcome(BoxKey),
    SayInitiate {
        cookie: [u8; COOKIE_LEN],
        server_short: [u8; 32],
    },
    AwaitReady(BoxKey),
    Ready {
        key: BoxKey,
        /// The counter of the server's READY.
        last: u64,
    },
    Failed,
}

impl Client {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(keys: ClientKeys, metadata: Vec<u8>, entropy: &Entropy) -> Self {
        let short = SecretKey::new(entropy.key());
        Self {
            state: State::SayHello,
            keys,
            short_public: short.public(),
            short,
            vouch_nonce: entropy.nonces().0,
            metadata,
            properties: Properties::new(),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<State, Fault> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::AwaitWelcome(key) => take_welcome(&key, body),
            State::AwaitReady(key) => {
                let data = expect(body, READY)?;
                // contract 3.8: "READY | 30+meta"
                let (counter, sealed) = data
                    .split_first_chunk()
                    .filter(|(_, sealed)| sealed.len() >= TAG_LEN)
                    .ok_or(Fault::MalformedReady)?;
                let last = u64::from_be_bytes(*counter);
                let text = key.open(&short_nonce(b"CurveZMQREADY---", last), sealed)?;
                self.properties = properties(&text)?;
                Ok(State::Ready { key, last })
            }
            _ => Err(Fault::UnexpectedCommand),
        }
    }

    fn hello(&self, out: &mut Vec<u8>) -> Result<State, Fault> {
        let key = BoxKey::between(&self.short, &self.keys.server)?;
        let sealed = key.seal(&short_nonce(b"CurveZMQHELLO---", HELLO_COUNTER), &[0; 64]);
        let counter = HELLO_COUNTER.to_be_bytes();
        let parts = [&[1, 0][..], &[0; 72], &self.short_public, &counter, &sealed];
        command::append(HELLO, &parts, out);
        Ok(State::AwaitWelcome(key))
    }

    fn initiate(
        &self,
        cookie: &[u8; COOKIE_LEN],
        server_short: &[u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<State, Fault> {
        let vouch = BoxKey::between(&self.keys.secret, server_short)?.seal(
            &long_nonce(b"VOUCH---", &self.vouch_nonce),
            &[self.short_public, self.keys.server].concat(),
        );
        let text = Zeroizing::new(
            [
                &self.keys.public[..],
                &self.vouch_nonce,
                &vouch,
                &self.metadata,
            ]
            .concat(),
        );
        let key = BoxKey::between(&self.short, server_short)?;
        let sealed = key.seal(&short_nonce(b"CurveZMQINITIATE", INITIATE_COUNTER), &text);
        let counter = INITIATE_COUNTER.to_be_bytes();
        command::append(INITIATE, &[cookie, &counter, &sealed], out);
        Ok(State::AwaitReady(key))
    }
}

fn take_welcome(key: &BoxKey, body: &[u8]) -> Result<State, Fault> {
    let data = expect(body, WELCOME)?;
    // contract 3.8: "WELCOME | 168"
    if data.len() != WELCOME_LEN {
        return Err(Fault::MalformedWelcome);
    }
    let (random, sealed) = data.split_first_chunk().ok_or(Fault::MalformedWelcome)?;
    let text = key.open(&long_nonce(b"WELCOME-", random), sealed)?;
    let (server_short, cookie) = text.split_first_chunk().ok_or(Fault::MalformedWelcome)?;
    let cookie = cookie.first_chunk().ok_or(Fault::MalformedWelcome)?;
    Ok(State::SayInitiate {
        cookie: *cookie,
        server_short: *server_short,
    })
}

impl Mechanism for Client {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.state = self.take(body)?;
        Ok(())
    }

    /// A server key of small order ends it here: nothing is said, and the deadline does the rest.
    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        let next = match &self.state {
            State::SayHello => self.hello(out),
            State::SayInitiate {
                cookie,
                server_short,
            } => self.initiate(cookie, server_short, out),
            _ => return false,
        };
        let said = next.is_ok();
        self.state = next.unwrap_or(State::Failed);
        said
    }

    fn status(&self) -> Status {
        match self.state {
            State::Ready { .. } => Status::Ready,
            State::Failed => Status::Failed,
            _ => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        match self.state {
            State::AwaitReady(_) => {
                let sealed = max_metadata.saturating_add(8 + TAG_LEN);
                Expected::up_to(sealed, Fault::HandshakeTooLarge)
            }
            _ => Expected::up_to(WELCOME_LEN, Fault::MalformedWelcome),
        }
    }

    fn take_properties(&mut self) -> Properties {
        std::mem::take(&mut self.properties)
    }

    fn take_transcoder(&mut self, max_frame_size: i64) -> Option<Transcoder> {
        let State::Ready { key, last } = &self.state else {
            return None;
        };
        let ours = (*b"CurveZMQMESSAGEC", INITIATE_COUNTER.saturating_add(1));
        let theirs = (*b"CurveZMQMESSAGES", *last);
        Some(traffic::transcoder(key, ours, theirs, max_frame_size))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// contract 3.8: "HELLO uses 1, INITIATE 2, then MESSAGEs"
const HELLO_COUNTER: u64 = 1;
const INITIATE_COUNTER: u64 = 2;
/// Nonce, tag, key, cookie.
const WELCOME_LEN: usize = 160;
