// SPDX-License-Identifier: MIT OR Apache-2.0
//! The framing, around contexts that protect nothing.

use super::*;
use crate::fuzz_entry::rehearsal::Rehearsal;
use crate::mechanism::{Mechanism, Status};
use crate::zap::Status as Judgement;

fn setup(name: &str, rounds: u8, plaintext: bool) -> Setup {
    let principal = |name: &str| Principal {
        name: name.as_bytes().to_vec(),
        name_type: NameType::HostBased,
    };
    Setup {
        provider: Arc::new(Rehearsal { rounds }),
        own: principal(name),
        service: principal("server"),
        plaintext,
    }
}

fn pair(rounds: u8, plaintext: bool) -> (Client, Server) {
    let client = Client::new(
        &setup("client", rounds, plaintext),
        b"\x01c\0\0\0\x011".to_vec(),
    );
    let server = Server::new(
        &setup("server", rounds, plaintext),
        b"\x01s\0\0\0\x012".to_vec(),
    );
    (client, server)
}

/// Takes the steps that are to be taken, and says the next command; its body.
fn say(side: &mut dyn Mechanism) -> Vec<u8> {
    step(side);
    let mut out = Vec::new();
    assert!(side.next_command(&mut out), "{side:?} has something to say");
    let header = frame::decode(&out).unwrap();
    assert!(header.command());
    out.split_off(header.header_len)
}

fn step(side: &mut dyn Mechanism) {
    if let Some(negotiation) = side.take_negotiation() {
        assert!(side.take_negotiation().is_none());
        assert!(!side.next_command(&mut Vec::new()), "waits for the step");
        side.negotiated(negotiation.run()).unwrap();
    }
}

/// Up to the question about the client.
fn negotiate(rounds: u8, client: &mut Client, server: &mut Server) {
    for _ in 0..rounds {
        server.process_command(&say(client)).unwrap();
        client.process_command(&say(server)).unwrap();
    }
    assert_eq!(say(client), b"", "nothing to say is said");
    server.process_command(b"").unwrap();
    let credentials = server.take_credentials().unwrap();
    assert_eq!(credentials.mechanism, "GSSAPI");
    assert_eq!(credentials.frames[0].as_slice(), b"client");
}

#[test]
fn the_whole_conversation() {
    for rounds in [1, 2, 5] {
        for plaintext in [false, true] {
            let (mut client, mut server) = pair(rounds, plaintext);
            negotiate(rounds, &mut client, &mut server);
            assert!(!server.next_command(&mut Vec::new()), "nobody has judged");
            server.judged(Judgement::Success);
            let ready = say(&mut server);
            assert_eq!(ready.starts_with(b"\x05READY"), plaintext);
            client.process_command(&ready).unwrap();
            assert!(client.peer_is_ready() && !server.peer_is_ready());
            server.process_command(&say(&mut client)).unwrap();
            assert_eq!(
                (client.status(), server.status()),
                (Status::Ready, Status::Ready)
            );
            assert_eq!(client.take_properties(), [("s".to_owned(), b"2".to_vec())]);
            assert_eq!(server.take_properties(), [("c".to_owned(), b"1".to_vec())]);
            assert_eq!(client.take_transcoder(-1).is_none(), plaintext);
            assert_eq!(server.take_transcoder(-1).is_none(), plaintext);
        }
    }
}

#[test]
fn a_token_is_framed_as_libzmq_frames_it() {
    let (mut client, _) = pair(1, false);
    let body = say(&mut client);
    assert_eq!(body, b"\x08INITIATE\0\0\0\x0bI am client");
}

#[test]
fn a_refused_client_hears_of_it() {
    let (mut client, mut server) = pair(1, false);
    negotiate(1, &mut client, &mut server);
    server.judged(Judgement::AuthenticationFailure);
    let fault = Fault::PeerError { status: Some(400) };
    assert_eq!(client.process_command(&say(&mut server)), Err(fault));
    assert_eq!(
        (client.status(), server.status()),
        (Status::Failed, Status::Failed)
    );
}

#[test]
fn what_a_server_does_not_take() {
    let first: &[(&[u8], Fault)] = &[
        (b"", Fault::MalformedCommand),
        (b"\x08INITIATE", Fault::MalformedInitiate),
        (b"\x08INITIATE\0\0\0\x05toke", Fault::MalformedInitiate),
        (b"\x08INITIATE\0\0\0\x03token", Fault::MalformedInitiate),
        (
            b"\x08INITIATE\xff\xff\xff\xfftoken",
            Fault::MalformedInitiate,
        ),
        (b"\x05READY", Fault::UnexpectedCommand),
        (b"\x07MESSAGE\0\0\0\0", Fault::UnexpectedCommand),
        (b"\x05ERROR\x03400", Fault::PeerError { status: Some(400) }),
    ];
    for (body, fault) in first {
        let (_, mut server) = pair(1, false);
        assert_eq!(server.process_command(body), Err(*fault), "{body:?}");
        assert_eq!(server.status(), Status::Failed);
        let again = server.process_command(b"\x08INITIATE\0\0\0\x01x");
        assert_eq!(again, Err(Fault::UnexpectedCommand));
    }
    // The step of a context decides about the token.
    let (_, mut server) = pair(1, false);
    server.process_command(b"\x08INITIATE\0\0\0\x01x").unwrap();
    let negotiation = server.take_negotiation().unwrap();
    assert!(server.negotiated(negotiation.run()).is_err());
    assert_eq!(server.status(), Status::Failed);
    // And while it is being taken nothing else is.
    let (mut client, mut server) = pair(1, false);
    server.process_command(&say(&mut client)).unwrap();
    let early = server.process_command(b"\x08INITIATE\0\0\0\x01x");
    assert_eq!(early, Err(Fault::UnexpectedCommand));
}

#[test]
fn ready_in_the_clear_is_a_downgrade() {
    let (mut client, mut server) = pair(1, false);
    negotiate(1, &mut client, &mut server);
    let clear = client.process_command(b"\x05READY");
    assert_eq!(clear, Err(Fault::UnexpectedCommand));
    assert_eq!(client.status(), Status::Failed);
}

#[test]
fn traffic_is_wrapped_both_ways_and_comes_cut_anywhere() {
    let (mut client, mut server) = pair(1, false);
    negotiate(1, &mut client, &mut server);
    server.judged(Judgement::Success);
    client.process_command(&say(&mut server)).unwrap();
    server.process_command(&say(&mut client)).unwrap();
    let mut client = client.take_transcoder(-1).unwrap();
    let mut server = server.take_transcoder(300).unwrap();
    let mut frames = Vec::new();
    for (flags, body) in [
        (frame::MORE, &b"one"[..]),
        (0, &[2; 300]),
        (frame::COMMAND, b"\x04PING\0\0"),
    ] {
        append_header(flags, body.len(), &mut frames);
        frames.extend_from_slice(body);
    }
    let (mut wire, mut back) = (Vec::new(), Vec::new());
    for piece in frames.chunks(7) {
        client.encoder.encode(piece, &mut wire).unwrap();
    }
    assert!(!wire.windows(4).any(|window| window == [2; 4]));
    for piece in wire.chunks(5) {
        server.decoder.decode(piece, &mut back).unwrap();
    }
    assert_eq!(back, frames);
    // The same once more: repeated.
    assert_eq!(
        server.decoder.decode(&wire, &mut back),
        Err(Fault::Cryptographic)
    );
}

#[test]
fn topics_of_libzmq_become_commands() {
    let mut context = Rehearsal { rounds: 1 }.accept(&Principal::default());
    context.step(b"I am x").unwrap();
    for (flag, expected) in [
        (4, &b"\x04\x0d\x09SUBSCRIBEabc"[..]),
        (8, b"\x04\x0a\x06CANCELabc"),
    ] {
        let mut peer = Rehearsal { rounds: 1 }.accept(&Principal::default());
        peer.step(b"I am x").unwrap();
        let mut wire = Vec::new();
        traffic::wrap(peer.as_mut(), 0, flag, b"abc", &mut wire).unwrap();
        let mut receiver = Rehearsal { rounds: 1 }.accept(&Principal::default());
        receiver.step(b"I am x").unwrap();
        let mut transcoder = traffic::transcoder(receiver, -1);
        let mut back = Vec::new();
        transcoder.decoder.decode(&wire, &mut back).unwrap();
        assert_eq!(back, expected);
    }
}
