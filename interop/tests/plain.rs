// SPDX-License-Identifier: MIT OR Apache-2.0
//! STREAM, which speaks plain TCP, with that of the real libzmq: bytes, not messages.

#![forbid(unsafe_code)]

use std::path::Path;
use std::time::{Duration, Instant};

use ferromq::{AnySocket, Context, Multipart, SocketType};
use ferromq_interop::peer::Peer;
use ferromq_interop::script::{Part, Seen};
use ferromq_interop::versions::real_libraries;
use ferromq_interop::{Failure, Outcome};

#[test]
fn both_ways_whoever_binds() -> Outcome<()> {
    for library in real_libraries()? {
        for ours_binds in [true, false] {
            let context = Context::new();
            let builder = context.any_socket_builder(SocketType::Stream);
            let mut ours = builder.linger(Duration::ZERO).open().expect("a socket");
            let mut theirs = Peer::spawn(Path::new(env!("CARGO_BIN_EXE_libzmq-peer")), &library)?;
            let socket = theirs.open("STREAM")?;
            if ours_binds {
                let endpoint = ours.bind("tcp://127.0.0.1:*").expect("a port");
                theirs.connect(socket, &endpoint)?;
            } else {
                let endpoint = theirs.bind(socket, "tcp://127.0.0.1:*")?;
                ours.connect(&endpoint).expect("an endpoint");
            }
            converse(&mut ours, &mut theirs, socket)
                .map_err(|failure| failure.within(format!("{}, {ours_binds}", library.name)))?;
        }
    }
    Ok(())
}

/// Each is told of the connection; bytes go both ways; ours hangs up, and they are told.
fn converse(ours: &mut AnySocket, theirs: &mut Peer, socket: u32) -> Outcome<()> {
    let connected = receive(ours);
    assert_eq!((connected.len(), connected[1].len()), (2, 0));
    let their_name = first(&receive_theirs(theirs, socket)?);
    for len in [1_usize, 300, 5_000] {
        let body = vec![b'x'; len];
        ours.send([&connected[0][..], &body]).expect("room");
        let mut came = 0;
        while came < len {
            match &receive_theirs(theirs, socket)?[1] {
                Seen::Bytes(bytes) => came += bytes.len(),
                Seen::Hashed { len, .. } => came += len,
            }
        }
        assert_eq!(came, len);
        let parts = [Part::Bytes(their_name.clone()), Part::Bytes(body)];
        assert!(theirs.send(socket, &parts, PATIENCE)?);
        let mut came = 0;
        while came < len {
            let piece = receive(ours);
            assert_eq!(piece[0], connected[0]);
            came += piece[1].len();
        }
        assert_eq!(came, len);
    }
    ours.send([&connected[0][..], b""]).expect("room");
    let end = receive_theirs(theirs, socket)?;
    assert_eq!(end, [Seen::Bytes(their_name), Seen::Bytes(Vec::new())]);
    Ok(())
}

fn receive(ours: &mut AnySocket) -> Vec<Vec<u8>> {
    let parts: Multipart = ours
        .recv_multipart_deadline(Instant::now() + PATIENCE)
        .expect("something");
    parts.iter().map(|part| part.to_vec()).collect()
}

fn receive_theirs(theirs: &mut Peer, socket: u32) -> Outcome<Vec<Seen>> {
    theirs
        .receive(socket, PATIENCE)?
        .ok_or_else(|| Failure::new("nothing came"))
}

fn first(parts: &[Seen]) -> Vec<u8> {
    match &parts[0] {
        Seen::Bytes(bytes) => bytes.clone(),
        Seen::Hashed { .. } => Vec::new(),
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
