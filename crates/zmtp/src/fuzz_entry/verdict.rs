// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a handler of ZAP answers, whatever it is, and what becomes of the handshake that asked.

use ferromq_vocabulary::SocketType;

use crate::command;
use crate::greeting::Greeting;
use crate::handshake::{Handshake, Local, Question};
use crate::mechanism::{Entropy, Kind, Security};
use crate::metadata;
use crate::zap::{Reply, Status, Verdict};

/// The first byte says who asks; then come the frames of a reply, each behind its length (0xff: two more bytes).
pub fn zap_reply(data: &[u8]) {
    let Some((setup, rest)) = data.split_first() else {
        return;
    };
    let frames = frames(rest);
    let parsed = Reply::parse(&frames);
    if let Ok(reply) = &parsed {
        says_what_the_frames_say(reply, &frames);
    }
    // The same bytes as a SERVER's one part.
    if let Ok(reply) = Reply::parse_part(rest) {
        let says =
            |words: &[u8]| words.is_empty() || rest.windows(words.len()).any(|part| part == words);
        assert!(says(&reply.user_id) && says(reply.status.digits()));
        assert!(reply.metadata.iter().all(|(_, value)| says(value)));
    }
    let verdict = match parsed.clone() {
        Ok(reply) => Verdict::Reply(reply),
        Err(malformed) => Verdict::Malformed(malformed),
    };
    let kind = if setup & PLAIN == 0 {
        Kind::Null
    } else {
        Kind::Plain
    };
    let mut local = Local::new(SocketType::Router);
    local.asks = true;
    local.reviews = setup & REVIEWS != 0;
    local.needs_handler = setup & NEEDS_HANDLER != 0;
    decide(kind, local, verdict, parsed.ok());
}

/// Frames behind their lengths; the last one may be cut.
fn frames(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some((len, after)) = rest.split_first() {
        let (len, after) = match after.split_first_chunk() {
            Some((long, after)) if *len == 0xff => (usize::from(u16::from_be_bytes(*long)), after),
            _ => (usize::from(*len), after),
        };
        let (frame, after) = after.split_at_checked(len).unwrap_or((after, &[]));
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

fn says_what_the_frames_say(reply: &Reply, frames: &[Vec<u8>]) {
    let [delimiter, version, id, status, _text, user_id, properties] = frames else {
        panic!("taken with {} frames", frames.len());
    };
    assert!(delimiter.is_empty() && version == b"1.0" && id == b"1");
    assert_eq!(reply.status.digits(), status.as_slice());
    assert_eq!(reply.user_id, *user_id);
    let mut again = Vec::new();
    for (name, value) in &reply.metadata {
        assert_eq!(metadata::encode(name, value, &mut again), Ok(()));
    }
    assert!(again.len() <= properties.len());
    assert_eq!(metadata::parse(&again).as_ref(), Ok(&reply.metadata));
}

/// A client that would be let in, and this answer.
fn decide(kind: Kind, local: Local, verdict: Verdict, reply: Option<Reply>) {
    let security = match kind {
        Kind::Plain => Security::PlainServer,
        _ => Security::Null,
    };
    let reviews = local.reviews;
    let mut handshake = Handshake::with_security(local, security, Entropy::none());
    let greeting = Greeting::new(&kind.wire_name(), 0);
    assert!(handshake.handle_input(greeting.ours()).is_ok());
    if kind == Kind::Plain {
        tell(&mut handshake, &hello());
    }
    let Some(Question::Credentials(_)) = handshake.take_question() else {
        panic!("nobody was asked");
    };
    let judged = handshake.judged(verdict.clone());
    let is_welcome = reply
        .as_ref()
        .is_some_and(|reply| reply.status == Status::Success);
    assert_eq!(judged.is_ok(), is_welcome);
    // A second answer changes nothing.
    let later = handshake.judged(verdict);
    assert!(later == judged || later.is_ok());
    if !is_welcome {
        say_all(&mut handshake);
        assert!(!handshake.is_done());
        return;
    }
    tell(&mut handshake, &last_word(kind));
    if reviews {
        let Some(Question::Admission { user_id, .. }) = handshake.take_question() else {
            panic!("nobody was asked about all of it");
        };
        assert!(reply.as_ref().is_some_and(|reply| reply.user_id == user_id));
        assert_eq!(handshake.admitted(Status::Success), Ok(()));
    }
    say_all(&mut handshake);
    assert!(handshake.is_done());
    knows(&handshake.into_peer().properties, reply);
}

/// The peer is who the handler says, and no property is there twice.
fn knows(properties: &metadata::Properties, reply: Option<Reply>) {
    let Some(Reply { user_id, .. }) = reply else {
        return;
    };
    assert_eq!(metadata::find(properties, "User-Id"), Some(&user_id[..]));
    let mut names: Vec<_> = properties
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "a property twice");
}

fn tell(handshake: &mut Handshake, command: &[u8]) {
    say_all(handshake);
    assert_eq!(handshake.handle_input(command), Ok(command.len()));
}

fn say_all(handshake: &mut Handshake) {
    let len = handshake.transmit().len();
    handshake.transmitted(len);
}

fn hello() -> Vec<u8> {
    let mut out = Vec::new();
    command::append(b"HELLO", &[b"\x04user\x08password"], &mut out);
    out
}

fn last_word(kind: Kind) -> Vec<u8> {
    let properties = b"\x0bSocket-Type\0\0\0\x06DEALER\x07User-Id\0\0\0\x04root\x03X-a\0\0\0\x01c";
    let mut out = Vec::new();
    match kind {
        Kind::Plain => command::append(b"INITIATE", &[properties], &mut out),
        _ => command::ready(properties, &mut out),
    }
    out
}

/// Setup.
const PLAIN: u8 = 1;
const REVIEWS: u8 = 2;
const NEEDS_HANDLER: u8 = 4;
