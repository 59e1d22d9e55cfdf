// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connecting, and connecting again.

use std::time::Duration;

use ferromq_engine::{MonitorEvents, Socket, Wait};
use ferromq_vocabulary::{Code, Event, SocketType};

use crate::common::{
    ALL, PLENTY, STREAMS, after, each, nothing, recv, send, socket, try_send, until, wait_for,
    within,
};
use crate::peer::{Listener, Peer, greeting};

const TCP: [&str; 1] = ["tcp://127.0.0.1:*"];
/// For how long something must not happen.
const QUIET: Duration = Duration::from_millis(150);

/// With IMMEDIATE there is no queue before the handshake, and none after the connection.
#[test]
fn item_17_immediate_queues_for_nobody() {
    each(&TCP, |context, _| {
        let listener = Listener::tcp();
        let mut push = socket(context, SocketType::Push);
        push.set_option("IMMEDIATE", 1).unwrap();
        let events = push.monitor();
        push.connect(&listener.endpoint()).unwrap();
        assert_eq!(try_send(&mut push, b"early", Wait::No), Err(Code::Again));
        let mut peer = listener.accept();
        assert_eq!(try_send(&mut push, b"early", within(20)), Err(Code::Again));
        peer.shake_hands("PULL");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        // More than the kernel takes, so that there is a queue to be lost.
        let mut sent = 0;
        while sent < 400 && try_send(&mut push, &vec![1; 65_536], within(50)).is_ok() {
            sent += 1;
        }
        drop(peer);
        wait_for(&events, "DISCONNECTED");
        assert_eq!(try_send(&mut push, b"", Wait::No), Err(Code::Again));
        let mut peer = listener.accept();
        peer.shake_hands("PULL");
        send(&mut push, b"fresh");
        assert_eq!(peer.message().unwrap().1, b"fresh");
    });
}

/// The queue outlives the connection; of the message that was cut, all parts come again.
#[test]
fn item_18_the_queue_outlives_the_connection() {
    each(&TCP, |context, _| {
        let listener = Listener::tcp();
        let mut push = socket(context, SocketType::Push);
        push.connect(&listener.endpoint()).unwrap();
        listener.accept().shake_hands("PULL");
        let mut peer = listener.accept();
        for number in 0..10u8 {
            let sent = push.send_frame(
                &mut ferromq_engine::Outgoing::Bytes(&[number]),
                true,
                crate::common::soon(),
            );
            sent.unwrap();
            send(&mut push, b"last");
        }
        peer.shake_hands("PULL");
        for number in 0..10u8 {
            assert_eq!(peer.message().unwrap(), (1, vec![number]));
            assert_eq!(peer.message().unwrap(), (0, b"last".to_vec()));
        }
    });
}

/// The waits that a monitor tells of.
fn waits(events: &MonitorEvents, count: usize) -> Vec<u32> {
    let mut waits = Vec::new();
    while waits.len() < count {
        if let Event::ConnectRetried { interval } = wait_for(events, "CONNECT_RETRIED").event {
            waits.push(interval);
        }
    }
    waits
}

#[test]
fn item_19_waits_between_attempts() {
    each(&TCP, |context, _| {
        let nobody = Listener::tcp().endpoint();
        let connect = |interval: i32, most: i32| {
            let mut push = socket(context, SocketType::Push);
            push.set_option("RECONNECT_IVL", interval).unwrap();
            push.set_option("RECONNECT_IVL_MAX", most).unwrap();
            let events = push.monitor();
            push.connect(&nobody).unwrap();
            (push, events)
        };
        let (_push, events) = connect(10, 60);
        assert_eq!(waits(&events, 5), [10, 20, 40, 60, 60]);
        let (_push, events) = connect(20, 0);
        assert!(waits(&events, 5).iter().all(|wait| (20..40).contains(wait)));
        let (_push, events) = connect(50, 10);
        assert_eq!(waits(&events, 3), [10; 3]);
        // A connection that was lost is waited for, too.
        let listener = Listener::tcp();
        let mut push = socket(context, SocketType::Push);
        let events = push.monitor();
        push.connect(&listener.endpoint()).unwrap();
        listener.accept().shake_hands("PULL");
        wait_for(&events, "DISCONNECTED");
        wait_for(&events, "CONNECT_RETRIED");
        listener.accept().shake_hands("PULL");
    });
}

fn quiet(events: &MonitorEvents, name: &str) {
    let deadline = after(200);
    while let Some(event) = events.next_before(Some(deadline)) {
        assert_ne!(event.event.name(), name);
    }
}

#[test]
fn item_20_no_attempt_after_a_refusal() {
    each(&TCP, |context, _| {
        let nobody = Listener::tcp().endpoint();
        let mut push = stopping(context, 1);
        let events = push.monitor();
        push.connect(&nobody).unwrap();
        wait_for(&events, "CLOSED");
        quiet(&events, "CONNECT_RETRIED");
        assert_eq!(try_send(&mut push, b"", Wait::No), Err(Code::Again));
    });
}

#[test]
fn item_20_no_attempt_after_a_failed_handshake() {
    each(&STREAMS, |context, endpoint| {
        for (stop, again) in [(2, false), (0, true)] {
            let listener = if endpoint.starts_with("tcp") {
                Listener::tcp()
            } else {
                Listener::unix()
            };
            let mut push = stopping(context, stop);
            push.connect(&listener.endpoint()).unwrap();
            let mut peer = listener.accept();
            peer.write(&greeting()[..20]);
            drop(peer);
            let wait = if again {
                Duration::from_millis(PLENTY)
            } else {
                QUIET
            };
            assert_eq!(listener.try_accept(wait).is_some(), again);
        }
    });
}

#[test]
fn item_20_no_attempt_after_a_disconnect() {
    each(&TCP, |context, _| {
        for (stop, again) in [(4, false), (0, true)] {
            let listener = Listener::tcp();
            let mut push = stopping(context, stop);
            push.set_option("LINGER", 60_000).unwrap();
            let events = push.monitor();
            push.connect(&listener.endpoint()).unwrap();
            let mut peer = listener.accept();
            peer.shake_hands("PULL");
            wait_for(&events, "HANDSHAKE_SUCCEEDED");
            while try_send(&mut push, &vec![1; 65_536], within(30)).is_ok() {}
            push.disconnect(&listener.endpoint()).unwrap();
            drop(peer);
            let wait = if again {
                Duration::from_millis(PLENTY)
            } else {
                QUIET
            };
            assert_eq!(listener.try_accept(wait).is_some(), again);
            // What is left goes with the socket.
            push.close_lingering(ferromq_engine::Linger::For(Duration::ZERO));
        }
    });
}

fn stopping(context: &ferromq_engine::Context, stop: i32) -> Socket {
    let mut socket = socket(context, SocketType::Push);
    socket.set_option("RECONNECT_STOP", stop).unwrap();
    socket
}

/// Who connected to somebody that breaks the protocol leaves it at that.
#[test]
fn item_21_a_protocol_error_ends_the_session() {
    each(&TCP, |context, _| {
        for answer in [
            [&greeting()[..], b"\x04\x06\x05BOGUS"].concat(),
            [&greeting()[..], &crate::peer::ready("SUB")].concat(),
        ] {
            let listener = Listener::tcp();
            let mut push = socket(context, SocketType::Push);
            let events = push.monitor();
            push.connect(&listener.endpoint()).unwrap();
            let mut peer = listener.accept();
            peer.write(&answer);
            wait_for(&events, "HANDSHAKE_FAILED_PROTOCOL");
            assert!(listener.try_accept(QUIET).is_none(), "again");
            until("the queue stays", || {
                try_send(&mut push, b"", Wait::No) == Err(Code::Again)
            });
            push.disconnect(&listener.endpoint()).unwrap();
        }
    });
}

fn topics(peer: &mut Peer, count: usize) -> Vec<Vec<u8>> {
    let topics = (0..count).map(|_| {
        let (_, body) = peer.frame().unwrap();
        match body.strip_prefix(b"\x09SUBSCRIBE") {
            Some(topic) => topic.to_vec(),
            None => body.strip_prefix(b"\x01").expect("a subscription").to_vec(),
        }
    });
    let mut topics: Vec<_> = topics.collect();
    topics.sort();
    topics
}

/// Every topic is told once to each new connection, and what came before stays readable.
#[test]
fn item_22_topics_are_told_again_once() {
    each(&TCP, |context, _| {
        let listener = Listener::tcp();
        let mut sub = socket(context, SocketType::Sub);
        for topic in [b"a", b"b", b"b", b"c"] {
            sub.subscribe(topic).unwrap();
        }
        let events = sub.monitor();
        sub.connect(&listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PUB");
        assert_eq!(topics(&mut peer, 3), [b"a", b"b", b"c"]);
        peer.send(0, b"a before");
        until("nothing comes", || sub.readiness().unwrap().readable);
        drop(peer);
        wait_for(&events, "DISCONNECTED");
        sub.unsubscribe(b"c").unwrap();
        sub.unsubscribe(b"b").unwrap();
        sub.subscribe(b"d").unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PUB");
        assert_eq!(topics(&mut peer, 3), [b"a", b"b", b"d"]);
        assert_eq!(recv(&mut sub), b"a before");
        peer.send(0, b"d after");
        assert_eq!(recv(&mut sub), b"d after");
    });
}

/// A peer that is silent, connected as it is, is found out by heartbeats.
#[test]
fn item_23_only_heartbeats_find_out_a_dead_peer() {
    each(&TCP, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let mut minded = socket(context, SocketType::Pull);
        minded.set_option("HEARTBEAT_IVL", 30).unwrap();
        let (events, minded_events) = (pull.monitor(), minded.monitor());
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let minded_bound = minded.bind(endpoint).unwrap().to_owned();
        let _silent = [
            Peer::meet(&bound, "PUSH"),
            Peer::meet(&minded_bound, "PUSH"),
        ];
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        wait_for(&minded_events, "DISCONNECTED");
        quiet(&events, "DISCONNECTED");
    });
}

/// HELLO first on every connection, HICCUP where one that stood is lost.
#[test]
fn item_24_hello_and_hiccup() {
    each(&TCP, |context, _| {
        let listener = Listener::tcp();
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.set_option("HELLO_MSG", &b"hello"[..]).unwrap();
        dealer.set_option("HICCUP_MSG", &b"hiccup"[..]).unwrap();
        dealer.connect(&listener.endpoint()).unwrap();
        send(&mut dealer, b"queued");
        // A connection without a handshake is none.
        drop(listener.accept());
        let mut peer = listener.accept();
        peer.shake_hands("ROUTER");
        assert_eq!(peer.message().unwrap().1, b"hello");
        assert_eq!(peer.message().unwrap().1, b"queued");
        nothing(&mut dealer, 5);
        drop(peer);
        assert_eq!(recv(&mut dealer), b"hiccup");
        let mut peer = listener.accept();
        peer.shake_hands("ROUTER");
        assert_eq!(peer.message().unwrap().1, b"hello");
        nothing(&mut dealer, 5);
    });
}

/// DISCONNECT where the other side came to us.
#[test]
fn item_24_disconnect_messages_are_for_who_was_bound() {
    each(&ALL, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        router.set_option("DISCONNECT_MSG", &b"gone"[..]).unwrap();
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.set_option("ROUTING_ID", &b"me"[..]).unwrap();
        dealer.connect(&bound).unwrap();
        send(&mut dealer, b"here");
        assert_eq!(
            crate::common::recv_parts(&mut router),
            [&b"me"[..], b"here"]
        );
        drop(dealer);
        assert_eq!(
            crate::common::recv_parts(&mut router),
            [&b"me"[..], b"gone"]
        );
        nothing(&mut router, 5);
    });
}

#[test]
fn item_25_some_types_connect_once() {
    each(&TCP, |context, _| {
        for (kind, second) in [
            (SocketType::Dealer, false),
            (SocketType::Sub, false),
            (SocketType::Pub, false),
            (SocketType::Req, false),
            (SocketType::Push, true),
            (SocketType::Router, true),
        ] {
            let listener = Listener::tcp();
            let mut socket = socket(context, kind);
            socket.connect(&listener.endpoint()).unwrap();
            socket.connect(&listener.endpoint()).unwrap();
            let _first = listener.accept();
            let wait = if second {
                Duration::from_millis(PLENTY)
            } else {
                QUIET / 3
            };
            assert_eq!(listener.try_accept(wait).is_some(), second, "{kind:?}");
        }
    });
}
