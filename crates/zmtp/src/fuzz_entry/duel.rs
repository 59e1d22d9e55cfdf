// SPDX-License-Identifier: MIT OR Apache-2.0
//! One side of a mechanism against a genuine partner, whose words somebody on the wire keeps, changes,
//! repeats or replaces. The input is a script:
//!
//! ```text
//! script = setup (1)  step*
//! step   = verb (1)  what the verb needs (the last one's may be missing)
//! ```

use std::sync::Arc;

use ferromq_message::{Message, frame};

use super::rehearsal::Rehearsal;
use super::{SLACK, frames_of};
use crate::command::{self, Command, append_header};
use crate::handshake::Fault;
use crate::mechanism::gssapi::{self, Principal};
use crate::mechanism::plain::{self, Login};
use crate::mechanism::{Mechanism, Status};
use crate::transcode::{Begun, Transcoder};
use crate::zap::Status as Judgement;

/// PLAIN, the side that logs in.
pub fn plain_client(data: &[u8]) {
    duel(data, |setup| Duel::between(plain(), false, setup));
}

/// PLAIN, the side that asks an authenticator.
pub fn plain_server(data: &[u8]) {
    duel(data, |setup| Duel::between(plain(), true, setup));
}

/// CURVE, the side that knows the server's key.
#[cfg(feature = "curve")]
pub fn curve_client(data: &[u8]) {
    duel(data, |setup| {
        Duel::between(curve::sides(), false, setup).sealed()
    });
}

/// CURVE, the side whose key is known.
#[cfg(feature = "curve")]
pub fn curve_server(data: &[u8]) {
    duel(data, |setup| {
        Duel::between(curve::sides(), true, setup).sealed()
    });
}

/// GSSAPI, the side that begins.
pub fn gssapi_client(data: &[u8]) {
    duel(data, |setup| Duel::between(gssapi(setup), false, setup));
}

/// GSSAPI, the side that is called.
pub fn gssapi_server(data: &[u8]) {
    duel(data, |setup| Duel::between(gssapi(setup), true, setup));
}

/// A client and its server.
type Sides = (Box<dyn Mechanism>, Box<dyn Mechanism>);

fn plain() -> Sides {
    let login = Login::new(b"user", b"password").unwrap_or_default();
    let client = plain::Client::new(login, OF_CLIENT.to_vec());
    (
        Box::new(client),
        Box::new(plain::Server::new(OF_SERVER.to_vec())),
    )
}

fn gssapi(setup: u8) -> Sides {
    let named = |name: &str| gssapi::Setup {
        provider: Arc::new(Rehearsal {
            rounds: setup.wrapping_shr(4) & 3,
        }),
        own: Principal::host_based(name),
        service: Principal::host_based("server"),
        plaintext: setup & PLAINTEXT != 0,
    };
    let client = gssapi::Client::new(&named("client"), OF_CLIENT.to_vec());
    let server = gssapi::Server::new(&named("server"), OF_SERVER.to_vec());
    (Box::new(client), Box::new(server))
}

#[cfg(feature = "curve")]
mod curve {
    use std::sync::OnceLock;

    use super::{OF_CLIENT, OF_SERVER, Sides};
    use crate::mechanism::curve::{Client, ClientKeys, SecretKey, Server, ServerKeys};
    use crate::mechanism::{ENTROPY_LEN, Entropy};

    /// Made once: making keys takes longer than all the rest.
    static KEYS: OnceLock<(ClientKeys, ServerKeys)> = OnceLock::new();

    pub(super) fn sides() -> Sides {
        let (of_client, of_server) = KEYS.get_or_init(|| {
            let (own, server) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
            let keys = ClientKeys {
                public: own.public(),
                secret: own,
                server: server.public(),
            };
            (keys, ServerKeys::new(server))
        });
        let entropy = |byte| Entropy::new([byte; ENTROPY_LEN]);
        let client = Client::new(of_client.clone(), OF_CLIENT.to_vec(), &entropy(3));
        let server = Server::new(of_server.clone(), OF_SERVER.to_vec(), &entropy(4));
        (Box::new(client), Box::new(server))
    }
}

/// What is left of a script.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Zero at the end.
    fn number(&mut self) -> usize {
        self.byte().map_or(0, usize::from)
    }

    /// As many bytes as the next one says, or what is left.
    fn bytes(&mut self) -> &'a [u8] {
        let len = self.number();
        let (bytes, rest) = self.0.split_at_checked(len).unwrap_or((self.0, &[]));
        self.0 = rest;
        bytes
    }
}

fn duel(data: &[u8], begin: impl Fn(u8) -> Duel) {
    let mut script = Script(data);
    let Some(setup) = script.byte() else { return };
    let mut duel = begin(setup);
    duel.attend();
    while let Some(verb) = script.byte() {
        duel.step(verb, &mut script);
        duel.attend();
        duel.check();
    }
    assert!(duel.out <= data.len().saturating_mul(64).saturating_add(SLACK * 4));
}

/// The side that is tried, its partner, and what is known of both.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Duel {
    tried: Box<dyn Mechanism>,
    partner: Box<dyn Mechanism>,
    is_server: bool,
    /// Nothing but the partner's own words may be taken.
    is_sealed: bool,
    /// Largest body of traffic.
    most: i64,
    /// The last thing the partner said.
    last: Vec<u8>,
    has_taken_last: bool,
    /// Traffic comes in pieces of so many bytes.
    piece: usize,
    /// The partner has heard something it did not like.
    is_alone: bool,
    /// The tried side has refused something.
    is_broken: bool,
    /// It has said what an authenticator is to be asked.
    has_asked: bool,
    judgement: Option<Judgement>,
    errors_said: usize,
    traffic: Option<Traffic>,
    /// Bytes the tried side has said.
    out: usize,
}

/// Traffic of both sides, and what the partner has sent.
struct Traffic {
    tried: Transcoder,
    partner: Option<Transcoder>,
    /// Our frames that the partner has sealed, and the last of it as the wire has it.
    sent: Vec<Vec<u8>>,
    wire: Vec<u8>,
    /// How many of `sent` the tried side has passed.
    passed: usize,
    fed: usize,
    opened: usize,
    /// A record of the partner's, or a forged one, that is put together elsewhere.
    large: Option<Begun>,
}

impl Duel {
    fn between((client, server): Sides, tries_server: bool, setup: u8) -> Self {
        let (tried, partner) = if tries_server {
            (server, client)
        } else {
            (client, server)
        };
        Self {
            tried,
            partner,
            is_server: tries_server,
            is_sealed: false,
            most: if setup & LIMITED == 0 { -1 } else { LIMIT },
            last: Vec::new(),
            has_taken_last: false,
            piece: match setup & PIECES {
                0 => usize::MAX,
                4 => 1,
                8 => 7,
                _ => 33,
            },
            is_alone: false,
            is_broken: false,
            has_asked: false,
            judgement: None,
            errors_said: 0,
            traffic: None,
            out: 0,
        }
    }

    #[cfg(feature = "curve")]
    fn sealed(self) -> Self {
        Self {
            is_sealed: true,
            ..self
        }
    }

    fn step(&mut self, verb: u8, script: &mut Script<'_>) {
        match verb & 7 {
            0 => {
                let body = script.bytes().to_vec();
                self.tell(&body);
            }
            1 => {
                let body = self.partner_says();
                self.tell(&body);
            }
            2 => {
                let mut body = self.partner_says();
                change(&mut body, script);
                self.tell(&body);
            }
            3 => {
                let mut body = self.partner_says();
                body.truncate(script.number());
                body.extend_from_slice(script.bytes());
                self.tell(&body);
            }
            4 => {
                let body = self.last.clone();
                self.tell(&body);
            }
            5 => self.judge(script.number()),
            6 => {
                let bytes = script.bytes().to_vec();
                self.hear_traffic(&bytes);
            }
            _ => self.exchange(verb, script),
        }
    }

    /// The partner's next command, empty if it is not its turn.
    fn partner_says(&mut self) -> Vec<u8> {
        attend_partner(&mut *self.partner);
        let mut out = Vec::new();
        if self.is_alone || !self.partner.next_command(&mut out) {
            return Vec::new();
        }
        self.last = body_of(&out);
        self.has_taken_last = false;
        self.last.clone()
    }

    /// A command for the tried side.
    fn tell(&mut self, body: &[u8]) {
        let expected = self.tried.expects(MAX_METADATA);
        assert!(expected.limit <= MOST_EXPECTED);
        let was_broken = self.is_broken;
        let before = self.tried.status();
        let taken = self.tried.process_command(body);
        assert!(!(was_broken && taken.is_ok()), "goes on after a fault");
        if self.is_sealed && taken.is_ok() {
            let is_genuine = *body == *self.last && !self.has_taken_last;
            // Of HELLO the padding alone is not protected.
            assert!(
                is_genuine || is_hello(body),
                "a forged command was taken, or one twice"
            );
            self.has_taken_last = true;
        }
        if taken.is_err() && before != Status::Ready {
            self.is_broken = true;
            assert_eq!(self.tried.status(), Status::Failed);
        }
        if self.tried.peer_is_ready() {
            let held: usize = self
                .tried
                .take_properties()
                .iter()
                .map(|(name, value)| name.len().saturating_add(value.len()))
                .sum();
            assert!(held <= body.len());
        }
    }

    fn judge(&mut self, number: usize) {
        if !self.has_asked || self.judgement.is_some() {
            return;
        }
        let judgement = match number & 3 {
            0 => Judgement::Success,
            1 => Judgement::TemporaryError,
            2 => Judgement::AuthenticationFailure,
            _ => Judgement::InternalError,
        };
        self.judgement = Some(judgement);
        self.tried.judged(judgement);
    }

    /// Does what the tried side waits for, and carries what it says.
    fn attend(&mut self) {
        while let Some(negotiation) = self.tried.take_negotiation() {
            if self.tried.negotiated(negotiation.run()).is_err() {
                self.is_broken = true;
                assert_eq!(self.tried.status(), Status::Failed);
            }
        }
        if let Some(credentials) = self.tried.take_credentials() {
            assert!(self.is_server && !self.has_asked, "asked twice");
            assert!(!credentials.frames.is_empty());
            self.has_asked = true;
        }
        let mut out = Vec::new();
        while self.tried.next_command(&mut out) {
            assert!(!self.is_broken, "speaks after a fault");
            let body = body_of(&out);
            self.out = self.out.saturating_add(out.len());
            out.clear();
            if matches!(command::parse(&body), Ok(Command::Error { .. })) {
                self.errors_said = self.errors_said.saturating_add(1);
            } else {
                let is_shut = self.has_asked && self.judgement != Some(Judgement::Success);
                assert!(!is_shut, "goes on before an answer, or after a refusal");
            }
            attend_partner(&mut *self.partner);
            if !self.is_alone && self.partner.process_command(&body).is_err() {
                self.is_alone = true;
            }
            attend_partner(&mut *self.partner);
        }
        if self.traffic.is_none() && self.tried.status() == Status::Ready && !self.is_broken {
            self.begin_traffic();
        }
    }

    fn begin_traffic(&mut self) {
        let partner_is_ready = !self.is_alone && self.partner.status() == Status::Ready;
        let Some(tried) = self.tried.take_transcoder(self.most) else {
            return;
        };
        self.traffic = Some(Traffic {
            tried,
            partner: partner_is_ready
                .then(|| self.partner.take_transcoder(-1))
                .flatten(),
            sent: Vec::new(),
            wire: Vec::new(),
            passed: 0,
            fed: 0,
            opened: 0,
            large: None,
        });
    }

    fn check(&self) {
        assert!(self.errors_said <= 1);
        if self.tried.status() == Status::Ready && self.is_server {
            assert_eq!(self.judgement, Some(Judgement::Success), "let in unasked");
        }
    }

    /// The partner seals a frame that is changed on the way, or is sent one itself.
    fn exchange(&mut self, verb: u8, script: &mut Script<'_>) {
        let Some(traffic) = &mut self.traffic else {
            return;
        };
        let frame = frame_of(verb.wrapping_shr(3), script.bytes());
        if verb & ANSWER != 0 {
            traffic.answer(&frame);
            return;
        }
        let Some(partner) = &mut traffic.partner else {
            return;
        };
        if verb & REPEAT == 0 {
            traffic.wire.clear();
            assert_eq!(partner.encoder.encode(&frame, &mut traffic.wire), Ok(()));
            traffic.sent.push(frame);
        }
        let mut wire = traffic.wire.clone();
        change(&mut wire, script);
        self.hear_traffic(&wire);
    }

    fn hear_traffic(&mut self, bytes: &[u8]) {
        let Some(traffic) = &mut self.traffic else {
            return;
        };
        let mut pieces = bytes.chunks(self.piece);
        if pieces.any(|piece| traffic.hear(piece, self.is_sealed, self.most).is_err()) {
            // The connection ends here.
            self.traffic = None;
            self.is_broken = true;
        }
    }
}

impl Traffic {
    /// As an engine does: the rest of a large record is put where it will stay, and opened there.
    fn decode(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(mut large) = self.large.take() {
            let missing = usize::try_from(large.len)
                .unwrap_or(usize::MAX)
                .saturating_sub(large.beginning.len());
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            large.beginning.extend_from_slice(now);
            bytes = rest;
            if now.len() < missing {
                self.large = Some(large);
                return Ok(());
            }
            let opened = self
                .tried
                .decoder
                .open(Message::from_vec(large.beginning))?;
            append_header(opened.flags, opened.body.len(), out);
            out.extend_from_slice(&opened.body);
        }
        self.tried.decoder.decode(bytes, out)?;
        self.large = self.tried.decoder.take_begun();
        Ok(())
    }

    fn hear(&mut self, bytes: &[u8], is_sealed: bool, most: i64) -> Result<(), Fault> {
        let mut out = Vec::new();
        let taken = self.decode(bytes, &mut out);
        self.fed = self.fed.saturating_add(bytes.len());
        self.opened = self.opened.saturating_add(out.len());
        assert!(self.opened <= self.fed.saturating_mul(4).saturating_add(SLACK));
        for frame in frames_of(&out) {
            let is_message = frame.flags & frame::COMMAND == 0;
            assert!(most < 0 || !is_message || frame.body.len() as u64 <= most.unsigned_abs());
            if is_sealed {
                let mut whole = Vec::new();
                append_header(frame.flags, frame.body.len(), &mut whole);
                whole.extend_from_slice(&frame.body);
                let ahead = self.sent.get(self.passed..).unwrap_or_default();
                let Some(at) = ahead.iter().position(|sent| *sent == whole) else {
                    panic!("a frame nobody has sent, or not in its order");
                };
                self.passed = self.passed.saturating_add(at).saturating_add(1);
            }
        }
        taken
    }

    /// What the tried side sends arrives.
    fn answer(&mut self, frame: &[u8]) {
        let Some(partner) = &mut self.partner else {
            return;
        };
        let (mut wire, mut back) = (Vec::new(), Vec::new());
        assert_eq!(self.tried.encoder.encode(frame, &mut wire), Ok(()));
        assert!(self.tried.encoder.is_at_boundary());
        assert_eq!(partner.decoder.decode(&wire, &mut back), Ok(()));
        assert!(back == frame, "what was sealed does not come back");
    }
}

/// Does what the partner waits for; its authenticator lets everybody in.
fn attend_partner(partner: &mut dyn Mechanism) {
    while let Some(negotiation) = partner.take_negotiation() {
        if partner.negotiated(negotiation.run()).is_err() {
            return;
        }
    }
    if partner.take_credentials().is_some() {
        partner.judged(Judgement::Success);
    }
}

/// Changes some bits of one byte, if it is there.
fn change(bytes: &mut [u8], script: &mut Script<'_>) {
    let at = script.number().wrapping_mul(256) | script.number();
    let mask = script.byte().unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= mask;
    }
}

fn frame_of(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_header(flags & (frame::MORE | frame::COMMAND), body.len(), &mut out);
    out.extend_from_slice(body);
    out
}

/// The body of a command, which is one whole frame.
fn body_of(said: &[u8]) -> Vec<u8> {
    let mut frames = frames_of(said);
    let Some(command) = frames.pop() else {
        panic!("a command that cannot be read");
    };
    assert!(frames.is_empty() && command.is_command());
    command.body
}

fn is_hello(body: &[u8]) -> bool {
    body.len() == HELLO_LEN && body.starts_with(b"\x05HELLO\x01\0")
}

const OF_CLIENT: &[u8] = b"\x0bSocket-Type\0\0\0\x06DEALER\x03X-a\0\0\0\x01c";
const OF_SERVER: &[u8] = b"\x0bSocket-Type\0\0\0\x06ROUTER\x03X-a\0\0\0\x01s";
const MAX_METADATA: usize = 8 * 1024;
/// The longest token of GSSAPI, and a name before it.
const MOST_EXPECTED: usize = 64 * 1024;
/// Setup: GSSAPI without encryption; a limit for frames; how traffic is cut.
const PLAINTEXT: u8 = 1;
const LIMITED: u8 = 2;
const PIECES: u8 = 12;
const LIMIT: i64 = 64;
/// Verb 7: the tried side sends; the last frame comes once more.
const ANSWER: u8 = 0x40;
const REPEAT: u8 = 0x80;
/// Name, version, padding, key, counter, tag, signature.
const HELLO_LEN: usize = 200;
