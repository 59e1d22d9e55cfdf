// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers of ZMTP 1.0, 2.0 and 3.0, scripted byte by byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, Outgoing, Policy, Socket, Wait};
use ferromq_os::listener::{ListenTuning, Listener};
use ferromq_vocabulary::SocketType;

const POLICIES: [Policy; 3] = [Policy::IoOnly, Policy::Assisted, Policy::Chaos];
const LONG: Duration = Duration::from_secs(60);

fn soon() -> Wait {
    Wait::Until(Instant::now() + LONG)
}

/// One of ours that is bound, and a connection to it.
fn each(kind: SocketType, test: impl Fn(&mut Socket, &mut TcpStream)) {
    for policy in POLICIES {
        let context = Context::new();
        context.set_policy(policy);
        let mut socket = context.socket(kind).unwrap();
        socket.set_option("LINGER", 0).unwrap();
        let bound = socket.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        let mut peer = TcpStream::connect(bound.strip_prefix("tcp://").unwrap()).unwrap();
        peer.set_read_timeout(Some(LONG)).unwrap();
        test(&mut socket, &mut peer);
        drop((socket, peer));
        assert!(context.terminate(Some(Instant::now() + LONG)));
    }
}

fn read<const N: usize>(peer: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

fn recv(socket: &mut Socket) -> Vec<u8> {
    socket.recv_frame(soon()).unwrap().to_vec()
}

fn send(socket: &mut Socket, body: &[u8]) {
    socket
        .send_frame(&mut Outgoing::Bytes(body), false, soon())
        .unwrap();
}

const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
const PULL: u8 = 7;
const PUSH: u8 = 8;
const SUB: u8 = 2;

/// The greeting of ZMTP 2.0, both ways, ours and the peer's routing id included.
fn meet_2_0(peer: &mut TcpStream, theirs: u8, ours: u8) {
    peer.write_all(&SIGNATURE).unwrap();
    assert_eq!(read(peer), SIGNATURE);
    peer.write_all(&[1, theirs, 0, 0]).unwrap();
    assert_eq!(read(peer), [3, ours, 0, 0]);
}

#[test]
fn zmtp_2_0_pushes_and_pulls() {
    each(SocketType::Pull, |pull, peer| {
        meet_2_0(peer, PUSH, PULL);
        peer.write_all(b"\x01\x01a\0\x01b").unwrap();
        assert_eq!(recv(pull), b"a");
        assert!(pull.receive_more());
        assert_eq!(recv(pull), b"b");
    });
    each(SocketType::Push, |push, peer| {
        meet_2_0(peer, PULL, PUSH);
        send(push, b"hello");
        assert_eq!(read(peer), *b"\0\x05hello");
    });
}

#[test]
fn zmtp_2_0_subscribes_by_messages() {
    each(SocketType::Pub, |publisher, peer| {
        meet_2_0(peer, SUB, 1);
        peer.write_all(b"\0\x02\x01A").unwrap();
        let deadline = Instant::now() + LONG;
        peer.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        while got.len() < 5 {
            assert!(Instant::now() < deadline);
            send(publisher, b"B no");
            send(publisher, b"A y");
            let mut bytes = [0; 5];
            match peer.read(&mut bytes) {
                Ok(read) => got.extend_from_slice(&bytes[..read]),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(got[..5], *b"\0\x03A y");
    });
}

#[test]
fn zmtp_1_0_behind_a_signature() {
    each(SocketType::Pull, |pull, peer| {
        peer.write_all(&SIGNATURE).unwrap();
        assert_eq!(read(peer), SIGNATURE);
        peer.write_all(&[0, PUSH]).unwrap();
        peer.write_all(b"\x01\0").unwrap();
        assert_eq!(read(peer), [3, PULL, 1, 0]);
        peer.write_all(b"\x02\x01a\x03\0bc").unwrap();
        assert_eq!(recv(pull), b"a");
        assert!(pull.receive_more());
        assert_eq!(recv(pull), b"bc");
    });
}

#[test]
fn zmtp_1_0_without_any_greeting() {
    each(SocketType::Router, |router, peer| {
        // Our signature is the header of our empty routing id to it.
        peer.write_all(b"\x03\0me\x02\x01x\x02\0y").unwrap();
        assert_eq!(read(peer), [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]);
        assert_eq!(recv(router), b"me");
        assert_eq!(recv(router), b"x");
        assert_eq!(recv(router), b"y");
        router
            .send_frame(&mut Outgoing::Bytes(b"me"), true, soon())
            .unwrap();
        let long = [7; 300];
        send(router, &long);
        assert_eq!(read(peer), *b"\xff\0\0\0\0\0\0\x01\x2d\0");
        assert_eq!(read::<300>(peer), long);
    });
}

#[test]
fn zmtp_1_0_subscribers_are_taken_to_want_everything() {
    each(SocketType::Pub, |publisher, peer| {
        peer.write_all(b"\x01\0").unwrap();
        read::<10>(peer);
        peer.set_nonblocking(true).unwrap();
        let deadline = Instant::now() + LONG;
        let mut got = Vec::new();
        while got.len() < 5 {
            assert!(Instant::now() < deadline);
            send(publisher, b"all");
            let mut bytes = [0; 5];
            match peer.read(&mut bytes) {
                Ok(read) => got.extend_from_slice(&bytes[..read]),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(got[..5], *b"\x04\0all");
    });
}

/// With a receive buffer that does not take much.
fn small_listener() -> TcpListener {
    let tuning = ListenTuning {
        rcvbuf: 8192,
        ..ListenTuning::default()
    };
    let listener = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), &tuning).unwrap();
    let listener = TcpListener::from(listener.as_fd().try_clone_to_owned().unwrap());
    listener.set_nonblocking(false).unwrap();
    listener
}

/// What a peer that stops reading and goes has not got of what the kernel had not taken, the next connection begins with:
/// whole messages, none of them twice.
#[test]
fn zmtp_1_0_resumes_where_the_kernel_stopped() {
    const MANY: u64 = 3000;
    const SIZE: usize = 1024;
    for policy in POLICIES {
        let context = Context::new();
        context.set_policy(policy);
        let listener = small_listener();
        let mut push = context.socket(SocketType::Push).unwrap();
        push.set_option("LINGER", 0).unwrap();
        push.set_option("SNDHWM", 0).unwrap();
        push.set_option("SNDBUF", 8192).unwrap();
        push.set_option("RECONNECT_IVL", 1).unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        push.connect(&endpoint).unwrap();
        let meet = || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.set_read_timeout(Some(LONG)).unwrap();
            peer.write_all(b"\x01\0").unwrap();
            assert_eq!(read(&mut peer), SIGNATURE);
            peer
        };
        let number_of = |peer: &mut TcpStream| {
            let [long, length @ .., flags]: [u8; 10] = read(peer);
            assert_eq!((long, flags), (0xff, 0));
            assert_eq!(length, (SIZE as u64 + 1).to_be_bytes());
            let body: [u8; SIZE] = read(peer);
            u64::from_be_bytes(*body.first_chunk().unwrap())
        };
        let mut first = meet();
        for number in 0..MANY {
            let mut body = [0; SIZE];
            body[..8].copy_from_slice(&number.to_be_bytes());
            send(&mut push, &body);
        }
        for expected in 0..10 {
            assert_eq!(number_of(&mut first), expected);
        }
        // Half of the next, too, is not taken back from the kernel.
        read::<500>(&mut first);
        drop(first);
        let mut second = meet();
        let resumed = number_of(&mut second);
        // So much fits into the kernel's buffers, which are twice what was asked for.
        assert!((11..11 + 40).contains(&resumed), "{policy:?}: {resumed}");
        for expected in resumed + 1..MANY {
            assert_eq!(number_of(&mut second), expected);
        }
        drop((push, second));
        assert!(context.terminate(Some(Instant::now() + LONG)));
    }
}
