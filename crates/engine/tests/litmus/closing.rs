// SPDX-License-Identifier: MIT OR Apache-2.0
//! What close, linger, disconnect and unbind deliver.

use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::Context;
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    ALL, PLENTY, STREAMS, after, each, nothing, number, numbered, recv, send, socket, soon,
    try_send, until, wait_for, within,
};
use crate::peer::{Listener, Peer};

fn lingering(
    context: &Context,
    socket_type: SocketType,
    milliseconds: i32,
) -> ferromq_engine::Socket {
    let mut socket = socket(context, socket_type);
    socket.set_option("LINGER", milliseconds).unwrap();
    socket
}

/// Unread input makes a kernel answer close with a reset, which throws away what it has not sent.
#[test]
fn all_is_delivered_although_input_is_unread() {
    each(&STREAMS, |context, endpoint| {
        let mut pair = lingering(context, SocketType::Pair, -1);
        let events = pair.monitor();
        let bound = pair.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PAIR");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        peer.send(0, &vec![1; 1 << 20]);
        for number in 0..20 {
            send(&mut pair, &numbered(number, 1 << 20));
        }
        drop(pair);
        let ending = thread::spawn({
            let context = context.clone();
            move || context.terminate(Some(after(PLENTY)))
        });
        for expected in 0..20 {
            // A slow reader.
            assert!(!events_pause(&peer));
            let (_, body) = peer.message().expect("cut off");
            assert_eq!((number(&body), body.len()), (expected, 1 << 20));
        }
        assert!(peer.read(1).is_empty(), "more than was sent");
        assert!(ending.join().unwrap());
    });
}

/// Takes some time, in which the peer is not read.
fn events_pause(peer: &Peer) -> bool {
    !peer.has_input(Duration::from_millis(50))
}

#[test]
fn a_slow_receiver_gets_all_of_a_closed_sender() {
    each(&ALL, |context, endpoint| {
        const COUNT: u64 = 20_000;
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("RCVHWM", 10).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let sender = thread::spawn({
            let context = context.clone();
            move || {
                let mut push = lingering(&context, SocketType::Push, -1);
                push.connect(&bound).unwrap();
                for number in 0..COUNT {
                    send(&mut push, &numbered(number, 64));
                }
            }
        });
        for expected in 0..COUNT {
            if expected % 4000 == 0 {
                // The receiver is away.
                thread::park_timeout(Duration::from_millis(20));
            }
            assert_eq!(number(&recv(&mut pull)), expected);
        }
        sender.join().unwrap();
    });
}

/// What a reset leaves unsent stays so for ever: that is not waited for.
#[test]
fn a_reset_ends_an_infinite_linger() {
    each(&STREAMS, |context, endpoint| {
        let mut pair = lingering(context, SocketType::Pair, -1);
        pair.set_option("SNDBUF", 200_000).unwrap();
        let events = pair.monitor();
        let bound = pair.bind(endpoint).unwrap().to_owned();
        let peer = Peer::meet(&bound, "PAIR");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        // More than the peer's kernel takes, and no more than both hold.
        send(&mut pair, &numbered(0, 150_000));
        drop(pair);
        let ending = thread::spawn({
            let context = context.clone();
            move || context.terminate(Some(after(PLENTY)))
        });
        // Until everything has been written, and the rest is waited for.
        thread::park_timeout(Duration::from_millis(50));
        drop(peer);
        assert!(ending.join().unwrap());
    });
}

#[test]
fn without_linger_nothing_is_waited_for() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut push = lingering(context, SocketType::Push, 0);
        push.connect(&listener.endpoint()).unwrap();
        for number in 0..100 {
            send(&mut push, &numbered(number, 1000));
        }
        drop(push);
        // Nobody will ever accept, and unless told otherwise a socket lingers for ever.
        assert!(context.terminate(Some(after(PLENTY))));
    });
}

#[test]
fn a_finite_linger_ends() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut push = lingering(context, SocketType::Push, 150);
        push.connect(&listener.endpoint()).unwrap();
        // One that stands but takes nothing, one that never comes to be.
        let mut peer = listener.accept();
        peer.shake_hands("PULL");
        for number in 0..500 {
            send(&mut push, &numbered(number, 50_000));
        }
        let mut other = lingering(context, SocketType::Push, 150);
        other.connect("tcp://127.0.0.1:1").unwrap();
        send(&mut other, b"never");
        let began = Instant::now();
        drop((push, other));
        assert!(context.terminate(Some(after(PLENTY))));
        assert!(began.elapsed().as_millis() >= 140);
    });
}

#[test]
fn an_infinite_linger_waits_for_the_peer_to_come() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let endpoint = listener.endpoint();
        let Listener::Tcp(_) = &listener else {
            // A file with nobody behind it is what a dead process leaves.
            return late_unix_peer(context, listener);
        };
        drop(listener);
        let mut push = lingering(context, SocketType::Push, -1);
        push.connect(&endpoint).unwrap();
        for number in 0..100 {
            send(&mut push, &numbered(number, 100));
        }
        drop(push);
        assert!(!context.terminate(Some(after(60))));
        let place = endpoint.strip_prefix("tcp://").unwrap();
        let listener = Listener::Tcp(std::net::TcpListener::bind(place).unwrap());
        collect(&listener);
    });
}

fn late_unix_peer(context: &Context, listener: Listener) {
    let endpoint = listener.endpoint();
    let path = endpoint.strip_prefix("ipc://").unwrap().to_owned();
    drop(listener);
    let mut push = lingering(context, SocketType::Push, -1);
    push.connect(&endpoint).unwrap();
    for number in 0..100 {
        send(&mut push, &numbered(number, 100));
    }
    drop(push);
    assert!(!context.terminate(Some(after(60))));
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    collect(&Listener::Unix(unix, path));
}

fn collect(listener: &Listener) {
    let mut peer = listener.accept();
    peer.shake_hands("PULL");
    for expected in 0..100 {
        assert_eq!(number(&peer.message().unwrap().1), expected);
    }
    assert_eq!(peer.message(), None);
}

#[test]
fn disconnect_delivers_what_was_sent() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut push = lingering(context, SocketType::Push, -1);
        push.connect(&listener.endpoint()).unwrap();
        for number in 0..100 {
            send(&mut push, &numbered(number, 10_000));
        }
        push.disconnect(&listener.endpoint()).unwrap();
        assert_eq!(push.disconnect(&listener.endpoint()), Err(Code::NotFound));
        assert_eq!(try_send(&mut push, b"nobody", within(10)), Err(Code::Again));
        collect(&listener);
        assert!(
            listener.try_accept(Duration::from_millis(50)).is_none(),
            "connects again"
        );
    });
}

#[test]
fn unbind_keeps_what_has_come_and_delivers_what_was_sent() {
    each(&STREAMS, |context, endpoint| {
        let mut pair = lingering(context, SocketType::Pair, -1);
        let events = pair.monitor();
        let bound = pair.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PAIR");
        for number in 0..10 {
            peer.send(0, &numbered(number, 100));
        }
        assert_eq!(number(&recv(&mut pair)), 0);
        for number in 0..50 {
            send(&mut pair, &numbered(number, 10_000));
        }
        pair.unbind(&bound).unwrap();
        wait_for(&events, "CLOSED");
        for expected in 0..50 {
            assert_eq!(number(&peer.message().unwrap().1), expected);
        }
        assert_eq!(peer.message(), None);
        until("the pipe stays", || {
            while pair.recv_frame(within(1)).is_ok() {}
            pair.peers() == 0
        });
    });
}

/// A peer that sends right after the unbind is not heard, however quickly it and we are.
#[test]
fn nothing_is_received_after_an_unbind() {
    each(&STREAMS, |context, endpoint| {
        for _ in 0..20 {
            let mut pull = socket(context, SocketType::Pull);
            let bound = pull.bind(endpoint).unwrap().to_owned();
            let mut push = socket(context, SocketType::Push);
            push.set_option("RECONNECT_IVL", -1).unwrap();
            push.connect(&bound).unwrap();
            send(&mut push, b"before");
            assert_eq!(recv(&mut pull), b"before");
            pull.unbind(&bound).unwrap();
            try_send(&mut push, b"after", within(0)).ok();
            nothing(&mut pull, 5);
        }
    });
}

/// What nobody will get is counted.
#[test]
fn losses_are_counted() {
    each(&STREAMS, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        let events = push.monitor();
        let bound = push.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PULL");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        let mut sent = 0;
        while try_send(&mut push, &numbered(sent, 20_000), within(50)).is_ok() {
            sent += 1;
        }
        let waiting = push.statistics()[0].messages_waiting;
        assert!(waiting > 400);
        for expected in 0..10 {
            assert_eq!(number(&peer.message().unwrap().1), expected);
        }
        drop(peer);
        wait_for(&events, "DISCONNECTED");
        until("the pipe stays", || {
            push.readiness().unwrap();
            push.peers() == 0
        });
        let lost = push.undelivered();
        // The kernel may have taken some more in between.
        assert!(
            (waiting - 500..=waiting).contains(&lost),
            "{lost} of {waiting}"
        );
        assert_eq!(
            push.send_frame(&mut ferromq_engine::Outgoing::Bytes(b""), false, within(5)),
            Err(Code::Again)
        );
        let _peer = Peer::meet(&bound, "PULL");
        push.send_frame(&mut ferromq_engine::Outgoing::Bytes(b""), false, soon())
            .unwrap();
    });
}
