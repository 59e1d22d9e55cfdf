// SPDX-License-Identifier: MIT OR Apache-2.0
//! The side of CURVE whose key is known.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::sealing::{BoxKey, long_nonce, short_nonce};
use super::traffic;
use super::{COOKIE_LEN, SecretKey, ServerKeys, TAG_LEN, VOUCH_LEN};
use crate::command;
use crate::handshake::Fault;
use crate::mechanism::{
    Door, Entropy, Expected, HELLO, INITIATE, Mechanism, READY, Status, WELCOME, expect, properties,
};
use crate::metadata::Properties;
use crate::transcode::Transcoder;
use crate::zap::{Credentials, Status as Judgement};

/// A server's side of the handshake.
pub struct Server {
    state: State,
    door: Door,
    keys: ServerKeys,
    /// For this connection only.
    short: SecretKey,
    entropy: Entropy,
    credentials: Option<Credentials>,
    metadata: Vec<u8>,
    properties: Properties,
}

enum State {
    AwaitHello,
    SayWelcome(Hello),
    AwaitInitiate {
        hello: Hello,
        cookie: [u8; COOKIE_LEN],
    },
    /// The key of the connection, and the counter of the client's INITIATE.
    SayReady(BoxKey, u64),
    Ready(BoxKey, u64),
    Failed,
}

/// What HELLO told.
struct Hello {
    client_short: [u8; 32],
    counter: u64,
    key: BoxKey,
}

impl Server {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(keys: ServerKeys, metadata: Vec<u8>, entropy: &Entropy) -> Self {
        Self {
            state: State::AwaitHello,
            door: Door::Shut,
            keys,
            short: SecretKey::new(entropy.key()),
            entropy: entropy.clone(),
            credentials: None,
            metadata,
            properties: Properties::new(),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<State, Fault> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::AwaitHello => self.take_hello(expect(body, HELLO)?).map(State::SayWelcome),
            State::AwaitInitiate { hello, cookie } => {
                self.take_initiate(&hello, &cookie, expect(body, INITIATE)?)
            }
            _ => Err(Fault::UnexpectedCommand),
        }
    }

    fn take_hello(&self, data: &[u8]) -> Result<Hello, Fault> {
        // contract 3.8: "HELLO | 200", its name included
        let data: &[u8; HELLO_LEN] = data.try_into().map_err(|_len| Fault::MalformedHello)?;
        let rest = data
            .strip_prefix(&[1, 0])
            .and_then(|rest| rest.get(72..))
            .ok_or(Fault::MalformedHello)?;
        let (client_short, rest) = rest.split_first_chunk().ok_or(Fault::MalformedHello)?;
        let (counter, sealed) = rest.split_first_chunk().ok_or(Fault::MalformedHello)?;
        let counter = u64::from_be_bytes(*counter);
        let key = BoxKey::between(&self.keys.secret, client_short)?;
        key.open(&short_nonce(b"CurveZMQHELLO---", counter), sealed)?;
        Ok(Hello {
            client_short: *client_short,
            counter,
            key,
        })
    }

    fn welcome(&self, hello: &Hello, out: &mut Vec<u8>) -> Option<[u8; COOKIE_LEN]> {
        let (random, cookie_random) = self.entropy.nonces();
        let secrets = Zeroizing::new([hello.client_short, *self.short.reveal()].concat());
        let sealed = BoxKey::symmetric(self.entropy.cookie_key())
            .seal(&long_nonce(b"COOKIE--", &cookie_random), &secrets);
        let cookie = [&cookie_random[..], &sealed].concat();
        let text = [&self.short.public()[..], &cookie].concat();
        let sealed = hello.key.seal(&long_nonce(b"WELCOME-", &random), &text);
        command::append(WELCOME, &[&random, &sealed], out);
        cookie.first_chunk().copied()
    }

    fn take_initiate(
        &mut self,
        hello: &Hello,
        cookie: &[u8; COOKIE_LEN],
        data: &[u8],
    ) -> Result<State, Fault> {
        // contract 3.8: "INITIATE | 257+meta"
        let (their_cookie, rest) = data
            .split_first_chunk::<COOKIE_LEN>()
            .ok_or(Fault::MalformedInitiate)?;
        let (counter, sealed) = rest.split_first_chunk().ok_or(Fault::MalformedInitiate)?;
        if sealed.len() < INITIATE_LEAST {
            return Err(Fault::MalformedInitiate);
        }
        // Its key is this connection's alone, so to compare is to open.
        if !bool::from(their_cookie.ct_eq(cookie)) {
            return Err(Fault::Cryptographic);
        }
        let counter = u64::from_be_bytes(*counter);
        if counter <= hello.counter {
            return Err(Fault::InvalidSequence);
        }
        let key = BoxKey::between(&self.short, &hello.client_short)?;
        let text = key.open(&short_nonce(b"CurveZMQINITIATE", counter), sealed)?;
        let (client, rest) = text.split_first_chunk().ok_or(Fault::MalformedInitiate)?;
        let (random, rest) = rest.split_first_chunk().ok_or(Fault::MalformedInitiate)?;
        let (vouch, metadata) = rest
            .split_first_chunk::<VOUCH_LEN>()
            .ok_or(Fault::MalformedInitiate)?;
        // A key of small order is nobody's: such a vouch cannot be opened.
        let vouched = BoxKey::between(&self.short, client)
            .map_err(|_small_order| Fault::Cryptographic)?
            .open(&long_nonce(b"VOUCH---", random), vouch)?;
        let expected = [hello.client_short, self.keys.public].concat();
        if !bool::from(vouched.ct_eq(&expected)) {
            return Err(Fault::KeyExchange);
        }
        self.properties = properties(metadata)?;
        self.credentials = Some(Credentials {
            metadata: self.properties.clone(),
            ..Credentials::new("CURVE", vec![Zeroizing::new(client.to_vec())])
        });
        Ok(State::SayReady(key, counter))
    }
}

impl Mechanism for Server {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.state = self.take(body)?;
        Ok(())
    }

    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::SayWelcome(hello) => {
                let Some(cookie) = self.welcome(&hello, out) else {
                    return false;
                };
                self.state = State::AwaitInitiate { hello, cookie };
                true
            }
            State::SayReady(key, last) if self.door == Door::Open => {
                let nonce = short_nonce(b"CurveZMQREADY---", READY_COUNTER);
                let sealed = key.seal(&nonce, &self.metadata);
                command::append(READY, &[&READY_COUNTER.to_be_bytes(), &sealed], out);
                self.state = State::Ready(key, last);
                true
            }
            State::SayReady(key, last) => {
                self.state = State::SayReady(key, last);
                self.door.refuse(out)
            }
            other => {
                self.state = other;
                false
            }
        }
    }

    fn status(&self) -> Status {
        match self.state {
            State::Failed => Status::Failed,
            _ if self.door.is_refused() => Status::Failed,
            State::Ready(..) => Status::Ready,
            _ => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        matches!(self.state, State::SayReady(..) | State::Ready(..))
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        match self.state {
            State::AwaitInitiate { .. } => {
                let sealed = max_metadata.saturating_add(COOKIE_LEN + 8 + INITIATE_LEAST);
                Expected::up_to(sealed, Fault::HandshakeTooLarge)
            }
            _ => Expected::up_to(HELLO_LEN, Fault::MalformedHello),
        }
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

    fn take_transcoder(&mut self, max_frame_size: i64) -> Option<Transcoder> {
        let State::Ready(key, last) = &self.state else {
            return None;
        };
        let ours = (*b"CurveZMQMESSAGES", READY_COUNTER.saturating_add(1));
        let theirs = (*b"CurveZMQMESSAGEC", *last);
        Some(traffic::transcoder(key, ours, theirs, max_frame_size))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// contract 3.8: "server READY 1"
const READY_COUNTER: u64 = 1;
/// Version, padding, key, counter, tag, signature.
const HELLO_LEN: usize = 194;
/// The box of INITIATE without properties: tag, key, nonce, vouch.
const INITIATE_LEAST: usize = TAG_LEN + 32 + 16 + VOUCH_LEN;
