// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets call, here so that tests of the stable toolchain can replay their corpora.
//!
//! An entry panics where a promise is broken; everything else about its input is allowed.

#![expect(
    clippy::panic,
    reason = "a broken promise is a panic: that is what a fuzzer looks for"
)]

mod duel;
mod older;
pub mod rehearsal;
mod verdict;

#[cfg(feature = "curve")]
pub use duel::{curve_client, curve_server};
pub use duel::{gssapi_client, gssapi_server, plain_client, plain_server};
pub use older::older;
pub use verdict::zap_reply;

use std::time::{Duration, Instant};

use ferromq_vocabulary::SocketType;

use crate::apdu::{Packer, Unpacker};
use crate::command;
use crate::connection::{Config, Connection, Event};
use crate::decoder::{Decoder, Frame};
use crate::greeting::{GREETING_LEN, Greeting};
use crate::heartbeat;
use crate::mechanism::Kind;
use crate::subscription;

/// The greeting, whole and byte by byte: both must see the same.
pub fn greeting(data: &[u8]) {
    let mut whole = Greeting::new(&Kind::Null.wire_name(), 0);
    let mut bytewise = whole.clone();
    let taken = whole.handle_input(data);
    let mut steps = Ok(0_usize);
    for byte in data {
        match bytewise.handle_input(&[*byte]) {
            Ok(n) => steps = steps.map(|sum| sum.saturating_add(n)),
            Err(fault) => {
                steps = Err(fault);
                break;
            }
        }
        assert!(bytewise.sendable() <= GREETING_LEN);
    }
    assert_eq!(taken, steps);
    assert_eq!(whole.protocol(), bytewise.protocol());
    assert_eq!(whole.version(), bytewise.version());
    assert!(whole.theirs().len() <= GREETING_LEN);
}

/// Frames: the limit holds, and memory follows what arrived, not what was announced.
pub fn frames(data: &[u8]) {
    let Some((limit, stream)) = data.split_first() else {
        return;
    };
    let limit = if *limit == 0xff {
        -1
    } else {
        i64::from(*limit)
    };
    let mut decoder = Decoder::new(limit);
    let mut rest = stream;
    while let Ok(Some(frame)) = decoder.decode(&mut rest) {
        assert!(limit < 0 || frame.body.len() as u64 <= limit.unsigned_abs());
    }
    assert!(decoder.held() <= stream.len().saturating_mul(2).saturating_add(SLACK));
}

/// APDUs: a length in two bytes, whose highest bit says that something before was lost, and so many bytes. Only
/// whole messages come out, and what is held follows what came. Then the bytes themselves as our frames, packed.
pub fn apdu(data: &[u8]) {
    let Some((limit, mut rest)) = data.split_first() else {
        return;
    };
    let limit = if *limit == 0xff {
        -1
    } else {
        i64::from(*limit)
    };
    let mut unpacker = Unpacker::new(limit);
    let mut out = Vec::new();
    while let Some((&[high, low], after)) = rest.split_first_chunk() {
        if high & 0x80 != 0 {
            unpacker.lose();
        }
        let len = usize::from(u16::from_be_bytes([high & 0x7f, low]));
        let (apdu, next) = after.split_at_checked(len).unwrap_or((after, &[]));
        let whole = unpacker.feed(apdu, &mut out).is_ok();
        assert!(whole || unpacker.held() == 0);
        rest = next;
    }
    assert!(unpacker.held() <= data.len().saturating_mul(4).saturating_add(KEPT_OF_APDU));
    // What comes out are our frames, each within the limit, and the last one ends its message.
    let mut decoder = Decoder::new(limit);
    let mut frames = out.as_slice();
    let mut more = false;
    while let Ok(Some(frame)) = decoder.decode(&mut frames) {
        more = frame.flags & 1 != 0;
    }
    assert!(frames.is_empty() && decoder.is_at_boundary() && !more);

    let mut packer = Packer::new(data.len().rem_euclid(256).max(3));
    let mut again = Unpacker::new(-1);
    let (mut fed, mut back) = (0_usize, Vec::new());
    loop {
        fed = fed.saturating_add(packer.feed(out.get(fed..).unwrap_or_default()));
        if packer.is_empty() {
            break;
        }
        assert!(again.feed(packer.apdu(), &mut back).is_ok());
        packer.clear();
    }
    assert!(back == out, "what was packed does not come back");
}

/// A command body: what can be written comes back as it was.
pub fn commands(data: &[u8]) {
    let Ok(parsed) = command::parse(data) else {
        return;
    };
    let mut out = Vec::new();
    match parsed {
        command::Command::Cancel(topic) => command::cancel(topic, &mut out),
        command::Command::Error { reason } => command::error(reason, &mut out),
        command::Command::Join(group) => command::join(group, &mut out),
        command::Command::Leave(group) => command::leave(group, &mut out),
        command::Command::Ping { ttl, context } if context.len() <= command::MAX_CONTEXT => {
            command::ping(ttl, context, &mut out);
        }
        command::Command::Pong { context } if context.len() <= command::MAX_CONTEXT => {
            command::pong(context, &mut out);
        }
        command::Command::Ready(properties) => {
            command::ready(properties, &mut out);
            if let Ok(properties) = crate::metadata::parse(properties) {
                assert!(properties.len() <= data.len());
            }
        }
        command::Command::Subscribe(topic) => command::subscribe(topic, &mut out),
        _ => return,
    }
    let mut rest = out.as_slice();
    let Ok(Some(frame)) = Decoder::new(-1).decode(&mut rest) else {
        panic!("our own frame cannot be read");
    };
    assert!(rest.is_empty());
    assert_eq!(command::parse(&frame.body), Ok(parsed));
    let is_subscription = matches!(
        parsed,
        command::Command::Subscribe(_) | command::Command::Cancel(_)
    );
    assert_eq!(
        subscription::classify(frame.flags, &frame.body).is_some(),
        is_subscription
    );
}

/// A connection fed with anything, in pieces, while time passes. The first byte says which socket
/// it is, the second how long the pieces are.
pub fn connection(data: &[u8]) {
    let [kind, step, stream @ ..] = data else {
        return;
    };
    let types = [
        SocketType::Dealer,
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Radio,
    ];
    let socket_type = types
        .get(usize::from(kind & 3))
        .copied()
        .unwrap_or(SocketType::Dealer);
    let mut config = Config::new(socket_type);
    config.max_frame_size = if kind & 4 == 0 { -1 } else { 64 };
    config.local.max_handshake_bytes = 4096;
    config.heartbeat.interval = Duration::from_millis(u64::from(kind >> 4));
    let heartbeats = config.heartbeat != heartbeat::Config::default();

    #[expect(
        clippy::disallowed_methods,
        reason = "any base will do: only differences count"
    )]
    let base = Instant::now();
    let mut connection = Connection::new(config, base);
    let (mut now, mut out, mut seen) = (base, Vec::new(), Seen::default());
    for chunk in stream.chunks(usize::from(*step).max(1)) {
        connection.handle_input(now, chunk);
        now = now.checked_add(Duration::from_millis(1)).unwrap_or(now);
        connection.handle_timeout(now);
        while let Some(event) = connection.poll_event() {
            seen.check(&event, stream.len());
        }
        connection.poll_transmit(&mut out);
        assert!(connection.poll_timeout().is_none_or(|at| at >= now));
        assert!(connection.held() <= stream.len().saturating_mul(2).saturating_add(SLACK));
        assert_eq!(
            connection.send_frame(0, b"x").is_ok(),
            connection.is_ready()
        );
        if out.len() > OUTPUT_CHECK {
            break;
        }
    }
    // A PONG is never longer than the PING it answers, and a PING of ours costs a millisecond.
    let pings = if heartbeats {
        stream.len().saturating_mul(9)
    } else {
        0
    };
    let bound = stream
        .len()
        .saturating_mul(4)
        .saturating_add(pings)
        .saturating_add(SLACK);
    assert!(
        out.len() <= bound,
        "{} bytes out for {} in",
        out.len(),
        stream.len()
    );
    connection.handle_cut();
    assert!(connection.is_closed() && connection.poll_timeout().is_none());
}

/// The whole frames at the front of these bytes.
fn frames_of(mut bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::new(-1);
    std::iter::from_fn(|| decoder.decode(&mut bytes).ok().flatten()).collect()
}

#[derive(Default)]
struct Seen {
    ready: bool,
    closed: bool,
}

impl Seen {
    fn check(&mut self, event: &Event, limit: usize) {
        assert!(!self.closed, "an event behind the last one");
        match event {
            Event::Ready(_) => {
                assert!(!self.ready, "ready twice");
                self.ready = true;
            }
            Event::Closed(_) => self.closed = true,
            Event::Frame(frame) => assert!(self.ready && frame.body.len() <= limit),
            Event::Cancelled(bytes)
            | Event::Joined(bytes)
            | Event::Left(bytes)
            | Event::Subscribed(bytes) => assert!(self.ready && bytes.len() <= limit),
        }
    }
}

/// What an empty buffer of an unpacker keeps.
const KEPT_OF_APDU: usize = 32 << 10;
/// What a machine may hold whatever its input.
const SLACK: usize = 512;
/// More output than any input of a sane length explains.
const OUTPUT_CHECK: usize = 16 << 20;
