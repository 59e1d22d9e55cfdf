// SPDX-License-Identifier: MIT OR Apache-2.0
//! Client and server against each other, and against commands that were tampered with.

use super::*;
use crate::command::append_header;
use crate::handshake::Fault;
use crate::mechanism::{Entropy, Mechanism, Status};
use crate::transcode::Transcoder;
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
    let server = Server::new(key, b"\x01s\0\0\0\x012".to_vec(), &entropy(100));
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
    let mut server = Server::new(secret(2), Vec::new(), &entropy(100));
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
