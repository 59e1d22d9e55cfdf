// SPDX-License-Identifier: MIT OR Apache-2.0
//! Client and server against each other, and against commands that were tampered with.

use ferromq_message::Message;

use super::*;
use crate::command::append_header;
use crate::handshake::Fault;
use crate::mechanism::{Entropy, Mechanism, Status};
use crate::transcode::{Decoder, Opened, Transcoder};
use crate::zap::Status as Judgement;

fn secret(byte: u8) -> SecretKey {
    SecretKey::new([byte; KEY_LEN])
}

fn entropy(byte: u8) -> Entropy {
    let mut bytes = [byte; crate::mechanism::ENTROPY_LEN];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = byte.wrapping_add(u8::try_from(at).unwrap());
    }
    Entropy::new(bytes)
}

fn client_for(server: &SecretKey) -> Client {
    let keys = ClientKeys {
        public: secret(1).public(),
        secret: secret(1),
        server: server.public(),
    };
    Client::new(keys, b"\x01c\0\0\0\x011".to_vec(), &entropy(10))
}

fn pair() -> (Client, Server) {
    let key = secret(2);
    let client = client_for(&key);
    let server = Server::new(
        ServerKeys::new(key),
        b"\x01s\0\0\0\x012".to_vec(),
        &entropy(100),
    );
    (client, server)
}

/// The body of the next command of one side.
fn say(side: &mut dyn Mechanism) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(side.next_command(&mut out), "has something to say");
    let header = ferromq_message::frame::decode(&out).unwrap();
    assert!(header.command());
    out.split_off(header.header_len)
}

fn shake(client: &mut Client, server: &mut Server) {
    server.process_command(&say(client)).unwrap();
    client.process_command(&say(server)).unwrap();
    server.process_command(&say(client)).unwrap();
    assert!(!server.next_command(&mut Vec::new()), "nobody was asked");
    let credentials = server.take_credentials().unwrap();
    assert_eq!(credentials.mechanism, "CURVE");
    assert_eq!(credentials.frames[0][..], secret(1).public());
    server.judged(Judgement::Success);
    client.process_command(&say(server)).unwrap();
}

fn traffic(max: i64) -> (Transcoder, Transcoder) {
    let (mut client, mut server) = pair();
    shake(&mut client, &mut server);
    (
        client.take_transcoder(max).unwrap(),
        server.take_transcoder(max).unwrap(),
    )
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_header(flags, body.len(), &mut out);
    out.extend_from_slice(body);
    out
}

#[test]
fn keys_of_the_man_page_belong_together() {
    // zmq_curve(7): the test keys of every implementation.
    let secret = SecretKey::from_z85("JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6").unwrap();
    let public = z85::encode(&secret.public()).unwrap();
    assert_eq!(public, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    assert_eq!(format!("{secret:?}"), "SecretKey");
}

#[test]
fn commands_have_the_sizes_of_the_contract() {
    let (mut client, mut server) = pair();
    let hello = say(&mut client);
    assert_eq!((hello.len(), &hello[..8]), (200, &b"\x05HELLO\x01\0"[..]));
    server.process_command(&hello).unwrap();
    let welcome = say(&mut server);
    assert_eq!(welcome.len(), 168);
    client.process_command(&welcome).unwrap();
    let initiate = say(&mut client);
    assert_eq!(initiate.len(), 257 + 7);
    server.process_command(&initiate).unwrap();
    server.judged(Judgement::Success);
    let ready = say(&mut server);
    assert_eq!(ready.len(), 30 + 7);
    client.process_command(&ready).unwrap();
    assert_eq!(client.take_properties(), [("s".to_owned(), b"2".to_vec())]);
    assert_eq!(server.take_properties(), [("c".to_owned(), b"1".to_vec())]);
    assert_eq!(client.status(), Status::Ready);
    assert_eq!(server.status(), Status::Ready);
}

#[test]
fn traffic_arrives_cut_anywhere() {
    let long = vec![5; 3_000];
    let frames = [
        frame(1, b"a"),
        frame(0, b""),
        frame(4, b"\x04PING\0\0"),
        frame(0, &long),
    ]
    .concat();
    for step in [1, 7, 100, 10_000] {
        let (mut client, mut server) = traffic(-1);
        for (from, to) in [(0, 1), (1, 0)] {
            let sides = [&mut client, &mut server];
            let (mut wire, mut back) = (Vec::new(), Vec::new());
            let [c, s] = sides;
            let (sender, receiver) = if (from, to) == (0, 1) { (c, s) } else { (s, c) };
            for part in frames.chunks(step) {
                sender.encoder.encode(part, &mut wire).unwrap();
            }
            assert!(sender.encoder.is_at_boundary());
            for part in wire.chunks(step) {
                receiver.decoder.decode(part, &mut back).unwrap();
            }
            assert_eq!(back, frames);
            assert!(
                !wire.windows(4).any(|window| window == [5; 4]),
                "in the clear"
            );
        }
    }
}

/// What an engine makes of what it reads: bytes in pieces, and large records where they lie.
fn receive(decoder: &mut dyn Decoder, wire: &[u8], step: usize) -> Result<Vec<u8>, Fault> {
    let (mut back, mut rest) = (Vec::new(), wire);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(step.min(rest.len()));
        rest = after;
        decoder.decode(part, &mut back)?;
        if let Some(begun) = decoder.take_begun() {
            let len = usize::try_from(begun.len).unwrap();
            let (end, after) = rest.split_at(len - begun.beginning.len());
            rest = after;
            let record = Message::from_vec([&begun.beginning, end].concat());
            let Opened { flags, body } = decoder.open(record)?;
            back.extend_from_slice(&frame(flags, &body));
        }
    }
    Ok(back)
}

#[test]
fn large_messages_are_opened_where_they_lie() {
    let frames = [
        frame(1, &vec![1; 40_000]),
        frame(0, b"short"),
        frame(4, &vec![2; 100_000]),
        frame(0, b""),
        frame(0, &vec![3; 70_000]),
    ]
    .concat();
    for step in [1, 10, 1_000, 1_000_000] {
        let (mut client, mut server) = traffic(-1);
        let mut wire = Vec::new();
        client.encoder.encode(&frames, &mut wire).unwrap();
        let back = receive(&mut *server.decoder, &wire, step).unwrap();
        assert!(back == frames, "in pieces of {step}");
    }
}

#[test]
fn large_messages_that_were_tampered_with_end_it() {
    let body = vec![1; 40_000];
    for (at, expected) in [
        (9, Fault::UnexpectedCommand),
        (17 + 7, Fault::InvalidSequence),
        (17 + 8, Fault::Cryptographic),
        (20_000, Fault::Cryptographic),
    ] {
        let (mut client, mut server) = traffic(-1);
        let (mut first, mut wire) = (Vec::new(), Vec::new());
        client.encoder.encode(&frame(0, b"1"), &mut first).unwrap();
        client.encoder.encode(&frame(0, &body), &mut wire).unwrap();
        receive(&mut *server.decoder, &first, 100).unwrap();
        wire[at] = if expected == Fault::InvalidSequence {
            0
        } else {
            wire[at] ^ 1
        };
        let result = receive(&mut *server.decoder, &wire, 100);
        assert_eq!(result.unwrap_err(), expected);
    }
    let (_, mut server) = traffic(-1);
    for short in [&b""[..], b"\x07MESSAGE", &[0; 32]] {
        let record = Message::from(short);
        server.decoder.open(record).unwrap_err();
    }
    let record = Message::from_vec([b"\x07MESSAGE\xff".as_slice(), &[0; 23]].concat());
    assert_eq!(
        server.decoder.open(record).unwrap_err(),
        Fault::Cryptographic
    );
}

#[test]
fn repeated_and_changed_messages_end_it() {
    let (mut client, mut server) = traffic(-1);
    let mut wire = Vec::new();
    client
        .encoder
        .encode(&frame(0, b"once"), &mut wire)
        .unwrap();
    let mut back = Vec::new();
    server.decoder.decode(&wire, &mut back).unwrap();
    assert_eq!(
        server.decoder.decode(&wire, &mut back),
        Err(Fault::InvalidSequence)
    );

    let (mut client, mut server) = traffic(-1);
    let mut wire = Vec::new();
    client
        .encoder
        .encode(&frame(0, b"once"), &mut wire)
        .unwrap();
    *wire.last_mut().unwrap() ^= 1;
    let mut back = Vec::new();
    assert_eq!(
        server.decoder.decode(&wire, &mut back),
        Err(Fault::Cryptographic)
    );
    assert_eq!(back, b"", "nothing of it is seen");
    assert_eq!(
        server
            .decoder
            .decode(&frame(0, b"\x07MESSAGE123"), &mut back),
        Err(Fault::MalformedMessage)
    );
    assert_eq!(
        server.decoder.decode(&frame(0, b"in the clear"), &mut back),
        Err(Fault::UnexpectedCommand)
    );
}

#[test]
fn large_messages_are_refused_before_they_are_here() {
    let (mut client, mut server) = traffic(10);
    let mut wire = Vec::new();
    client
        .encoder
        .encode(&frame(0, &[0; 11]), &mut wire)
        .unwrap();
    assert_eq!(
        server.decoder.decode(&wire[..2], &mut Vec::new()),
        Err(Fault::FrameTooLarge)
    );
}

#[test]
fn every_changed_bit_of_the_handshake_ends_it() {
    // Of each command one bit in each byte: HELLO at the server, WELCOME at the client, and so on.
    let mut rounds = 0;
    for stage in 0..4 {
        for at in 0.. {
            let (mut client, mut server) = pair();
            let Some(outcome) = shake_with(stage, at, &mut client, &mut server) else {
                break;
            };
            rounds += 1;
            // What stands in the clear and is not used: the padding of HELLO.
            let is_padding = stage == 0 && (8..80).contains(&at);
            assert_eq!(outcome.is_ok(), is_padding, "stage {stage}, byte {at}");
        }
    }
    assert!(rounds > 650);
}

/// Changes one byte of one command; `None` if it is not that long.
fn shake_with(
    stage: usize,
    at: usize,
    client: &mut Client,
    server: &mut Server,
) -> Option<Result<(), Fault>> {
    for turn in 0..4 {
        if turn == 3 {
            server.judged(Judgement::Success);
        }
        let (from, to): (&mut dyn Mechanism, &mut dyn Mechanism) = if turn % 2 == 0 {
            (&mut *client, &mut *server)
        } else {
            (&mut *server, &mut *client)
        };
        let mut body = say(from);
        if turn == stage {
            *body.get_mut(at)? ^= 0x10;
            return Some(to.process_command(&body));
        }
        to.process_command(&body).unwrap();
    }
    None
}

#[test]
fn the_wrong_server_is_found_out() {
    let mut client = client_for(&secret(3));
    let mut server = Server::new(ServerKeys::new(secret(2)), Vec::new(), &entropy(100));
    let hello = say(&mut client);
    assert_eq!(server.process_command(&hello), Err(Fault::Cryptographic));
    assert_eq!(server.status(), Status::Failed);
}

#[test]
fn a_stolen_name_is_found_out() {
    for public in [secret(9).public(), [0; KEY_LEN]] {
        let (_, mut server) = pair();
        let mut client = Client::new(
            ClientKeys {
                public,
                secret: secret(1),
                server: secret(2).public(),
            },
            Vec::new(),
            &entropy(10),
        );
        server.process_command(&say(&mut client)).unwrap();
        client.process_command(&say(&mut server)).unwrap();
        let initiate = say(&mut client);
        assert_eq!(server.process_command(&initiate), Err(Fault::Cryptographic));
    }
}

#[test]
fn keys_of_small_order_are_refused() {
    let (mut client, mut server) = pair();
    let mut hello = say(&mut client);
    hello[80..112].fill(0);
    assert_eq!(server.process_command(&hello), Err(Fault::KeyExchange));
}

#[test]
fn a_refused_client_hears_of_it_or_not() {
    for (judgement, said) in [
        (Judgement::TemporaryError, &b""[..]),
        (
            Judgement::AuthenticationFailure,
            b"\x04\x0a\x05ERROR\x03400",
        ),
    ] {
        let (mut client, mut server) = pair();
        server.process_command(&say(&mut client)).unwrap();
        client.process_command(&say(&mut server)).unwrap();
        server.process_command(&say(&mut client)).unwrap();
        server.judged(judgement);
        let mut out = Vec::new();
        while server.next_command(&mut out) {}
        assert_eq!(out, said);
        assert_eq!(server.status(), Status::Failed);
        if !said.is_empty() {
            assert_eq!(
                client.process_command(&out[2..]),
                Err(Fault::PeerError { status: Some(400) })
            );
        }
    }
}
