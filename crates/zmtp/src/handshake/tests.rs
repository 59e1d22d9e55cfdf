// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every way a handshake ends.

use super::*;
use crate::command;
use crate::decoder::DecodeError;
use ferromq_vocabulary::event::ProtocolError;

fn greeting(revision: u8, minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, revision, minor];
    bytes.extend_from_slice(mechanism);
    bytes.resize(GREETING_LEN, 0);
    bytes
}

fn null_greeting() -> Vec<u8> {
    greeting(3, 1, b"NULL")
}

fn ready(properties: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in properties {
        metadata::encode(name, value, &mut body).unwrap();
    }
    let mut frame = Vec::new();
    command::ready(&body, &mut frame);
    frame
}

fn drain(handshake: &mut Handshake) -> Vec<u8> {
    let bytes = handshake.transmit().to_vec();
    handshake.transmitted(bytes.len());
    bytes
}

fn dealer() -> Handshake {
    Handshake::new(Local::new(SocketType::Dealer))
}

#[test]
fn step_by_step_in_the_order_of_libzmq() {
    let mut handshake = dealer();
    let theirs = null_greeting();
    assert_eq!(drain(&mut handshake), [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]);
    assert_eq!(handshake.handle_input(&theirs[..10]), Ok(10));
    assert_eq!(drain(&mut handshake), [3]);
    assert_eq!(handshake.handle_input(&theirs[10..11]), Ok(1));
    assert_eq!(drain(&mut handshake), theirs[11..]);
    assert_eq!(handshake.handle_input(&theirs[11..63]), Ok(52));
    assert_eq!(drain(&mut handshake), b"");
    assert_eq!(handshake.handle_input(&theirs[63..]), Ok(1));
    let expected = ready(&[("Socket-Type", b"DEALER"), ("Identity", b"")]);
    assert_eq!(drain(&mut handshake), expected);
    assert!(!handshake.is_done());
    let theirs = ready(&[
        ("Socket-Type", b"ROUTER"),
        ("Identity", b"me"),
        ("X-k", b"v"),
    ]);
    assert_eq!(handshake.handle_input(&theirs), Ok(theirs.len()));
    assert!(handshake.is_done());
    let peer = handshake.into_peer();
    assert_eq!(
        (peer.version, peer.socket_type),
        (Version::V3_1, Some(SocketType::Router))
    );
    assert_eq!(peer.routing_id, b"me");
    assert_eq!(metadata::find(&peer.properties, "x-K"), Some(&b"v"[..]));
    assert_eq!(peer.properties.len(), 3);
}

#[test]
fn all_at_once_leaves_the_traffic() {
    for minor in [0, 1] {
        let mut handshake = dealer();
        let mut input = greeting(3, minor, b"NULL");
        input.extend_from_slice(&ready(&[("Socket-Type", b"REP")]));
        let end = input.len();
        input.extend_from_slice(b"\x00\x05hello");
        assert_eq!(handshake.handle_input(&input), Ok(end));
        assert!(!handshake.is_done(), "ours is not written yet");
        assert_eq!(handshake.handle_input(&input[end..]), Ok(0));
        let out = drain(&mut handshake);
        assert_eq!(out[..64], null_greeting());
        assert!(handshake.is_done());
        let expected = if minor == 0 {
            Version::V3_0
        } else {
            Version::V3_1
        };
        assert_eq!(handshake.into_peer().version, expected);
    }
}

#[test]
fn byte_by_byte_is_the_same() {
    let mut input = null_greeting();
    input.extend_from_slice(&ready(&[("Socket-Type", b"ROUTER")]));
    let mut handshake = dealer();
    for (at, byte) in input.iter().enumerate() {
        assert!(handshake.peer.is_none(), "at {at}");
        assert_eq!(handshake.handle_input(&[*byte]), Ok(1));
    }
    drain(&mut handshake);
    assert!(handshake.is_done());
}

#[test]
fn transmit_can_be_taken_in_pieces() {
    let mut handshake = dealer();
    let mut out = Vec::new();
    handshake.transmitted(0);
    out.push(handshake.transmit()[0]);
    handshake.transmitted(1);
    handshake.handle_input(&null_greeting()).unwrap();
    while let Some(byte) = handshake.transmit().first() {
        out.push(*byte);
        handshake.transmitted(1);
    }
    assert_eq!(out[..64], null_greeting());
    assert_eq!(
        out[64..],
        ready(&[("Socket-Type", b"DEALER"), ("Identity", b"")])
    );
}

#[test]
fn every_fault_has_its_input() {
    let with = |bytes: &[u8]| [&null_greeting(), bytes].concat();
    let long_id = [7; 256];
    let cases: Vec<(Vec<u8>, Fault)> = vec![
        (with(b"\x06\0\0\0\0\0\x10\0\0"), Fault::HandshakeTooLarge),
        (
            with(b"\x06\xff\xff\xff\xff\xff\xff\xff\xff"),
            Fault::HandshakeTooLarge,
        ),
        (
            with(&ready(&[("Socket-Type", b"PUB")])),
            Fault::IncompatibleSocketType,
        ),
        (
            with(&ready(&[("Socket-Type", b"TROUT")])),
            Fault::IncompatibleSocketType,
        ),
        (
            with(&ready(&[("Socket-Type", b"\xff")])),
            Fault::IncompatibleSocketType,
        ),
        (
            with(&ready(&[("Identity", &long_id)])),
            Fault::InvalidMetadata,
        ),
        (with(b"\x04\x07\x05READYx"), Fault::InvalidMetadata),
        (with(b"\x04\x00"), Fault::MalformedCommand),
        (with(b"\x04\x02\x05R"), Fault::MalformedCommand),
        (with(b"\x04\x06\x05ERROR"), Fault::MalformedError),
        (greeting(3, 1, b"PLAIN"), Fault::MechanismMismatch),
        (greeting(3, 1, b"NULL2"), Fault::MechanismMismatch),
        (greeting(3, 1, b"null"), Fault::MechanismMismatch),
        (
            greeting(3, 1, b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x"),
            Fault::MechanismMismatch,
        ),
        (vec![0], Fault::NotZmtp),
        (
            with(b"\x04\x0a\x05ERROR\x03300"),
            Fault::PeerError { status: Some(300) },
        ),
        (
            with(b"\x04\x0a\x05ERROR\x03400"),
            Fault::PeerError { status: Some(400) },
        ),
        (
            with(b"\x04\x08\x05ERROR\x01x"),
            Fault::PeerError { status: None },
        ),
        (with(b"\x04\x07\x04PING\0\0"), Fault::UnexpectedCommand),
        (with(b"\x04\x06\x05HELLO"), Fault::UnexpectedCommand),
        (with(b"\x00\x06\x05READY"), Fault::UnexpectedMessage),
        (vec![1, 0], Fault::UnsupportedVersion),
        (greeting(0, 0, b""), Fault::UnsupportedVersion),
        (greeting(1, 5, b""), Fault::UnsupportedVersion),
    ];
    for (input, fault) in cases {
        let mut whole = dealer();
        assert_eq!(whole.handle_input(&input), Err(fault));
        assert_eq!(whole.handle_input(b""), Err(fault), "a fault is final");
        assert!(!whole.is_done());

        let mut bytewise = dealer();
        let seen = input
            .iter()
            .find_map(|byte| bytewise.handle_input(&[*byte]).err());
        assert_eq!(seen, Some(fault));
    }
}

#[test]
fn the_older_ones_can_be_told_apart_and_got_no_more_than_they_can_take() {
    let cases: [(&[u8], Protocol, &[u8]); 4] = [
        (&[1, 0], Protocol::V1_0Unversioned, &null_greeting()[..10]),
        (
            &[0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0],
            Protocol::V1_0Unversioned,
            &null_greeting()[..10],
        ),
        (&greeting(0, 0, b""), Protocol::V1_0, &null_greeting()[..11]),
        (&greeting(1, 5, b""), Protocol::V2_0, &null_greeting()[..11]),
    ];
    for (input, protocol, sent) in cases {
        let mut handshake = dealer();
        assert_eq!(
            handshake.handle_input(input),
            Err(Fault::UnsupportedVersion)
        );
        assert_eq!(handshake.protocol(), Some(protocol));
        assert_eq!(handshake.transmit(), sent);
        assert!(input.starts_with(handshake.peer_greeting()));
    }
}

#[test]
fn a_silent_socket_type_is_accepted() {
    let mut handshake = dealer();
    let input = [null_greeting(), ready(&[])].concat();
    assert_eq!(handshake.handle_input(&input), Ok(input.len()));
    drain(&mut handshake);
    assert!(handshake.is_done());
    assert_eq!(handshake.into_peer().socket_type, None);
}

#[test]
fn the_size_of_the_handshake_is_bounded() {
    let mut local = Local::new(SocketType::Dealer);
    local.max_handshake_bytes = 100;
    let value = [0; 100];
    for len in 0..100 {
        let frame = ready(&[("X-k", &value[..len])]);
        let body = frame.len() - 2;
        let mut handshake = Handshake::new(local.clone());
        let outcome = handshake.handle_input(&[null_greeting(), frame].concat());
        assert_eq!(outcome.is_ok(), body <= 100, "{body}");
    }
}

#[test]
fn only_some_types_send_their_routing_id() {
    for (socket_type, sends) in [
        (SocketType::Dealer, true),
        (SocketType::Router, true),
        (SocketType::Req, true),
        (SocketType::Rep, false),
        (SocketType::Pub, false),
    ] {
        let mut local = Local::new(socket_type);
        local.routing_id = b"me".to_vec();
        local.metadata = vec![
            ("X-b".to_owned(), b"2".to_vec()),
            ("X-a".to_owned(), b"1".to_vec()),
            (String::new(), Vec::new()),
            ("n".repeat(300), Vec::new()),
        ];
        let properties = metadata::parse(&local.encode()).unwrap();
        let names: Vec<_> = properties.iter().map(|(name, _)| name.as_str()).collect();
        let expected: &[&str] = if sends {
            &["Socket-Type", "Identity", "X-a", "X-b"]
        } else {
            &["Socket-Type", "X-a", "X-b"]
        };
        assert_eq!(names, expected);
    }
}

#[test]
fn faults_know_their_event_and_whether_to_try_again() {
    let table = [
        (Fault::Cryptographic, Some(0x1100_0001), true),
        (Fault::FrameTooLarge, Some(0x1000_0000), true),
        (Fault::HandshakeTooLarge, Some(0x1000_0000), true),
        (Fault::IncompatibleSocketType, Some(0x1000_0018), true),
        (Fault::InvalidMetadata, Some(0x1000_0018), true),
        (Fault::InvalidSequence, Some(0x1000_0002), true),
        (Fault::KeyExchange, Some(0x1000_0003), true),
        (Fault::MalformedCommand, Some(0x1000_0011), true),
        (Fault::MalformedError, Some(0x1000_0015), true),
        (Fault::MalformedFrame, Some(0x1000_0000), true),
        (Fault::MalformedHello, Some(0x1000_0013), true),
        (Fault::MalformedInitiate, Some(0x1000_0014), true),
        (Fault::MalformedMessage, Some(0x1000_0012), true),
        (Fault::MalformedReady, Some(0x1000_0016), true),
        (Fault::MalformedWelcome, Some(0x1000_0017), true),
        (
            Fault::MalformedReply(zap::MalformedReply::Frames),
            Some(0x2000_0001),
            false,
        ),
        (Fault::MechanismMismatch, Some(0x1100_0002), true),
        (Fault::NoHandler, None, false),
        (Fault::NotZmtp, Some(0x1000_0000), true),
        (Fault::OutOfMemory, None, false),
        (Fault::PeerError { status: None }, None, true),
        (Fault::PeerError { status: Some(300) }, None, false),
        (Fault::PeerError { status: Some(400) }, None, true),
        (Fault::PeerError { status: Some(500) }, None, true),
        (Fault::Refused { status: 300 }, None, false),
        (Fault::Refused { status: 400 }, None, true),
        (Fault::UnexpectedCommand, Some(0x1000_0001), true),
        (Fault::UnexpectedMessage, Some(0x1000_0001), true),
        (Fault::UnsupportedVersion, Some(0x1000_0000), true),
    ];
    for (fault, code, permanent) in table {
        assert_eq!(fault.protocol_error().map(code_of), code, "{fault:?}");
        assert_eq!(fault.is_permanent(), permanent, "{fault:?}");
        assert!(!fault.to_string().is_empty());
    }
    assert!(table.is_sorted_by_key(|(fault, ..)| *fault));
    assert_eq!(Fault::from(DecodeError::OutOfMemory), Fault::OutOfMemory);
}

fn code_of(error: ProtocolError) -> u32 {
    error.number()
}
