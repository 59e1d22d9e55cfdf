// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has ended and what begins anew: second connects, the pause between attempts, probes, and what is left behind.

use std::time::Duration;

use ferromq_engine::{MonitorEvents, Wait};
use ferromq_vocabulary::{Event, SocketType, Value};

use crate::common::{
    ALL, INPROC, STREAMS, TCP, after, descriptors, each, recv, recv_parts, resident_bytes, send,
    send_parts, socket, try_send, until, wait_for, within,
};
use crate::peer::{COMMAND, Listener, Peer, command};

/// Types that ignore a second connect to the same endpoint.
const ONCE: [SocketType; 4] = [
    SocketType::Dealer,
    SocketType::Sub,
    SocketType::Pub,
    SocketType::Req,
];

fn peer_of(socket_type: SocketType) -> &'static str {
    match socket_type {
        SocketType::Sub => "PUB",
        SocketType::Pub => "SUB",
        SocketType::Req => "REP",
        _ => "DEALER",
    }
}

/// A connection that was lost, and is not to be made again, can be made again by hand.
#[test]
fn a_lost_connection_can_be_connected_anew() {
    each(&STREAMS, |context, endpoint| {
        for socket_type in ONCE {
            for immediate in [0, 1] {
                let listener = listener(endpoint);
                let mut socket = socket(context, socket_type);
                socket.set_option("RECONNECT_IVL", -1).unwrap();
                socket.set_option("IMMEDIATE", immediate).unwrap();
                let events = socket.monitor();
                for _ in 0..3 {
                    socket.connect(&listener.endpoint()).unwrap();
                    socket.connect(&listener.endpoint()).unwrap();
                    let mut peer = listener.accept();
                    peer.shake_hands(peer_of(socket_type));
                    wait_for(&events, "HANDSHAKE_SUCCEEDED");
                    drop(peer);
                    wait_for(&events, "DISCONNECTED");
                    assert_eq!(socket.peers(), 0, "{socket_type}");
                }
                assert!(
                    listener.try_accept(Duration::from_millis(5)).is_none(),
                    "one each"
                );
                assert!(
                    socket.disconnect(&listener.endpoint()).is_err(),
                    "nothing left"
                );
            }
        }
    });
}

/// So can one that was refused, or ended by a condition of RECONNECT_STOP.
#[test]
fn a_refused_connection_can_be_connected_anew() {
    each(&STREAMS, |context, endpoint| {
        for (option, value) in [("RECONNECT_IVL", -1), ("RECONNECT_STOP", 1)] {
            // At an address that nobody else listens at: nobody takes the port that is given up.
            let endpoint = endpoint.replace("127.0.0.1", "127.200.0.2");
            let mut bound = socket(context, SocketType::Dealer);
            let place = bound.bind(&endpoint).unwrap().to_owned();
            bound.unbind(&place).unwrap();
            if place.starts_with("ipc") && option == "RECONNECT_STOP" {
                // A file that is gone refuses nobody.
                continue;
            }
            let mut dealer = socket(context, SocketType::Dealer);
            dealer.set_option(option, value).unwrap();
            let events = dealer.monitor();
            for _ in 0..3 {
                dealer.connect(&place).unwrap();
                wait_for(&events, "CLOSED");
                assert_eq!(dealer.peers(), 0);
            }
        }
    });
}

/// So can one that has been given up for what the peer said.
#[test]
fn a_connection_given_up_can_be_connected_anew() {
    each(&STREAMS, |context, endpoint| {
        for socket_type in ONCE {
            let listener = listener(endpoint);
            let mut socket = socket(context, socket_type);
            let events = socket.monitor();
            for _ in 0..3 {
                socket.connect(&listener.endpoint()).unwrap();
                listener.accept().shake_hands("PAIR");
                wait_for(&events, "HANDSHAKE_FAILED_PROTOCOL");
                wait_for(&events, "DISCONNECTED");
            }
            socket.disconnect(&listener.endpoint()).unwrap();
        }
    });
}

fn listener(endpoint: &str) -> Listener {
    if endpoint.starts_with("tcp") {
        Listener::tcp()
    } else {
        Listener::unix()
    }
}

/// The pauses between attempts that are told.
fn pauses(events: &MonitorEvents, count: usize) -> Vec<u32> {
    let pause = || match wait_for(events, "CONNECT_RETRIED").event {
        Event::ConnectRetried { interval } => interval,
        other => panic!("{other:?}"),
    };
    (0..count).map(|_| pause()).collect()
}

/// Who accepts and drops what it has accepted is tried more and more rarely; the first pause is the first again after a
/// handshake.
#[test]
fn pauses_grow_until_a_handshake_is_over() {
    each(&STREAMS, |context, endpoint| {
        for raw in [false, true] {
            let listener = listener(endpoint);
            let kind = if raw {
                SocketType::Stream
            } else {
                SocketType::Dealer
            };
            if raw && !endpoint.starts_with("tcp") {
                continue;
            }
            let mut socket = socket(context, kind);
            socket.set_option("RECONNECT_IVL", 2).unwrap();
            socket.set_option("RECONNECT_IVL_MAX", 40).unwrap();
            let events = socket.monitor();
            socket.connect(&listener.endpoint()).unwrap();
            let mut seen = Vec::new();
            for _ in 0..6 {
                drop(listener.accept());
                seen.extend(pauses(&events, 1));
            }
            assert_eq!(seen, [2, 4, 8, 16, 32, 40]);
            let mut peer = listener.accept();
            if raw {
                peer.write(b"something");
                let mut bytes = 0;
                while bytes < 9 {
                    bytes += recv_parts(&mut socket)[1].len();
                }
            } else {
                peer.shake_hands("DEALER");
                wait_for(&events, "HANDSHAKE_SUCCEEDED");
            }
            drop(peer);
            assert_eq!(pauses(&events, 1), [2]);
        }
    });
}

/// PROBE_ROUTER: each connection begins with an empty message, those after a loss as well.
#[test]
fn every_connection_is_probed() {
    each(&STREAMS, |context, endpoint| {
        for socket_type in [SocketType::Dealer, SocketType::Req, SocketType::Router] {
            let listener = listener(endpoint);
            let mut prober = socket(context, socket_type);
            prober.set_option("PROBE_ROUTER", 1).unwrap();
            prober.connect(&listener.endpoint()).unwrap();
            for _ in 0..3 {
                let mut peer = listener.accept();
                peer.shake_hands("ROUTER");
                assert_eq!(peer.message().unwrap().1, b"");
            }
        }
    });
}

/// The last message comes before the word that the peer has gone, on the connecting side of STREAM too.
#[test]
fn bytes_come_before_the_end() {
    each(&[TCP], |context, _| {
        for round in 0..20 {
            let listener = Listener::tcp();
            let mut stream = socket(context, SocketType::Stream);
            stream.connect(&listener.endpoint()).unwrap();
            let mut peer = listener.accept();
            assert_eq!(recv_parts(&mut stream)[1], b"", "it is there");
            if round % 2 == 0 {
                peer.write(b"last words");
            } else {
                peer.write(&vec![7; 100_000]);
            }
            drop(peer);
            let mut bytes = 0;
            loop {
                let parts = recv_parts(&mut stream);
                bytes += parts[1].len();
                if parts[1].is_empty() {
                    break;
                }
            }
            assert_eq!(bytes, if round % 2 == 0 { 10 } else { 100_000 });
        }
    });
}

/// Peers in this process that come and go leave neither descriptors nor news behind, whether the other side is called or
/// not.
#[test]
fn peers_that_have_closed_leave_nothing() {
    each(&[INPROC], |context, endpoint| {
        for socket_type in [SocketType::Pull, SocketType::Router, SocketType::Pub] {
            let mut bound = socket(context, socket_type);
            bound.bind(endpoint).unwrap();
            let other = match socket_type {
                SocketType::Pull => SocketType::Push,
                SocketType::Pub => SocketType::Sub,
                _ => SocketType::Dealer,
            };
            let come_and_go = |count: usize| {
                for _ in 0..count {
                    let mut peer = socket(context, other);
                    if other == SocketType::Sub {
                        peer.set_option("SUBSCRIBE", "topic").unwrap();
                    }
                    peer.connect(endpoint).unwrap();
                }
            };
            come_and_go(100);
            let before = descriptors();
            come_and_go(300);
            assert!(descriptors() <= before + 8, "{socket_type}");
            assert_eq!(bound.peers(), 0, "{socket_type}");
            bound.unbind(endpoint).unwrap();
        }
    });
}

/// Those that wait for a name nobody binds keep no descriptor once they are closed, though they have something to
/// deliver.
#[test]
fn who_waits_for_a_name_keeps_no_descriptor() {
    each(&[INPROC], |context, _| {
        let wait = |count: usize| {
            for _ in 0..count {
                let mut push = context.socket(SocketType::Push).unwrap();
                push.connect("inproc://nobody").unwrap();
                send(&mut push, b"kept");
            }
        };
        wait(100);
        let before = descriptors();
        wait(200);
        assert!(descriptors() <= before + 8);
        let mut pull = socket(context, SocketType::Pull);
        pull.bind("inproc://nobody").unwrap();
        for _ in 0..300 {
            assert_eq!(recv(&mut pull), b"kept");
        }
    });
}

/// Connections that were lost leave nothing behind, though nobody calls: neither in memory nor in descriptors.
#[test]
fn lost_connections_leave_nothing() {
    each(&[TCP], |context, _| {
        for socket_type in [
            SocketType::Push,
            SocketType::Pub,
            SocketType::Dealer,
            SocketType::Sub,
        ] {
            let listener = Listener::tcp();
            let mut socket = socket(context, socket_type);
            socket.set_option("RECONNECT_IVL", 1).unwrap();
            socket.connect(&listener.endpoint()).unwrap();
            let lose = |count: usize| {
                for _ in 0..count {
                    let mut peer = listener.accept();
                    peer.shake_hands(match socket_type {
                        SocketType::Push => "PULL",
                        other => peer_of(other),
                    });
                }
            };
            lose(200);
            let before = (descriptors(), resident_bytes());
            lose(1000);
            let now = (descriptors(), resident_bytes());
            assert!(now.0 <= before.0 + 8, "{socket_type}: {before:?} {now:?}");
            // 667 bytes for each were 650 KiB once.
            assert!(
                now.1 <= before.1 + (300 << 10),
                "{socket_type}: {before:?} {now:?}"
            );
        }
    });
}

/// How a peer that has gone shows at once, though no other call is made.
#[test]
fn who_has_gone_is_not_named() {
    each(&ALL, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        let bound = push.bind(endpoint).unwrap().to_owned();
        let mut pull = socket(context, SocketType::Pull);
        pull.connect(&bound).unwrap();
        until("nobody comes", || push.peers() == 1);
        assert_eq!(push.statistics().len(), 1);
        drop(pull);
        until("it is still named", || push.peers() == 0);
        assert!(push.statistics().is_empty());
    });
}

/// Ten messages wait, and the receiver goes: ten are lost, whatever the transport.
#[test]
fn losses_are_counted_alike() {
    each(&ALL, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 10).unwrap();
        push.set_option("SNDBUF", 4096).unwrap();
        let bound = push.bind(endpoint).unwrap().to_owned();
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("RCVHWM", 10).unwrap();
        pull.set_option("RCVBUF", 4096).unwrap();
        pull.connect(&bound).unwrap();
        while try_send(&mut push, &vec![7; 100_000], within(100)).is_ok() {}
        let waiting = push.statistics()[0].messages_waiting;
        drop(pull);
        until("it is still named", || push.peers() == 0);
        let lost = push.undelivered();
        // Inside a process the queue holds the receiver's share as well.
        if endpoint == INPROC {
            assert_eq!((waiting, lost), (20, 10));
        } else {
            // The kernel may have taken some more.
            assert!(lost > 0 && lost <= waiting, "{lost} of {waiting}");
        }
        push.readiness().unwrap();
        assert_eq!(push.undelivered(), lost, "counted once");
    });
}

/// What a reader that does not read has not got is not reported as delivered.
#[test]
fn what_nobody_has_got_is_not_delivered() {
    each(&STREAMS, |context, endpoint| {
        let listener = listener(endpoint);
        let mut push = context.socket(SocketType::Push).unwrap();
        let events = push.monitor();
        push.connect(&listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PULL");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        for number in 0..50u8 {
            send(&mut push, &vec![number; 100_000]);
        }
        let queued = push.statistics()[0].messages_waiting;
        let report = push.close_reporting(after(200));
        assert_eq!(report.delivered + report.discarded, queued);
        let mut got = 0;
        while peer.message().is_some() {
            got += 1;
        }
        let before = 50 - queued;
        assert!(
            before + report.delivered <= got,
            "{report:?}, {before} before, got {got}"
        );
    });
}

/// A second socket of this process is told what it is sent after it has been there before.
#[test]
fn a_name_can_be_connected_to_again_and_again() {
    each(&[INPROC], |context, endpoint| {
        let mut rep = socket(context, SocketType::Rep);
        rep.bind(endpoint).unwrap();
        let mut req = socket(context, SocketType::Req);
        for _ in 0..20 {
            req.connect(endpoint).unwrap();
            send_parts(&mut req, &[b"ask", b"more"]);
            assert_eq!(recv_parts(&mut rep), [&b"ask"[..], b"more"]);
            send(&mut rep, b"answer");
            assert_eq!(recv(&mut req), b"answer");
            req.disconnect(endpoint).unwrap();
            assert!(req.disconnect(endpoint).is_err());
        }
        assert_eq!(
            req.get_option("EVENTS")
                .map(|events| matches!(events, Value::Int(0))),
            Ok(true)
        );
    });
}

/// A publisher that has not looked for many connections knows what the last has subscribed to, and no more of the others
/// than it has to.
#[test]
fn what_lost_connections_had_subscribed_to_is_superseded() {
    each(&STREAMS, |context, endpoint| {
        let listener = listener(endpoint);
        let mut publisher = socket(context, SocketType::Pub);
        publisher.set_option("RECONNECT_IVL", 1).unwrap();
        publisher.connect(&listener.endpoint()).unwrap();
        let connect = |number: u8| subscribed(listener.accept(), &[number]);
        for lost in 1..20 {
            drop(connect(lost));
        }
        let mut last = connect(20);
        send(&mut publisher, &[20]);
        assert_eq!(last.message().unwrap(), (0, vec![20]));
        let topics = publisher.get_option("TOPICS_COUNT").unwrap();
        // The first, where the publisher was all the time, the last that was lost, and this one.
        assert_eq!(topics, Value::Int(3));
    });
}

/// A peer of a publisher that says what it wants; what was sent before that has been read.
fn subscribed(mut peer: Peer, topic: &[u8]) -> Peer {
    peer.shake_hands("SUB");
    peer.write(&command("SUBSCRIBE", topic));
    peer.write(&command("PING", b"\0\0"));
    assert_eq!(peer.frame().unwrap(), (COMMAND, b"\x04PONG".to_vec()));
    peer
}

/// An XPUB that stays away is told afterwards what the last peers had subscribed to that have come and gone: a good
/// many of them, but not all.
#[test]
fn what_many_peers_had_subscribed_to_is_not_all_kept() {
    each(&ALL, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Xpub);
        let events = publisher.monitor();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        for number in 0..200u8 {
            if endpoint == INPROC {
                let mut subscriber = socket(context, SocketType::Sub);
                subscriber.subscribe(&[number]).unwrap();
                subscriber.connect(&bound).unwrap();
            } else {
                drop(subscribed(Peer::connect(&bound), &[number]));
                wait_for(&events, "DISCONNECTED");
            }
        }
        let mut words = Vec::new();
        until("the last is not told of", || {
            while let Ok(frame) = publisher.recv_frame(Wait::No) {
                words.push(frame.to_vec());
            }
            words.last().is_some_and(|word| *word == [0, 199])
        });
        let told = (136..200u8).flat_map(|number| [vec![1, number], vec![0, number]]);
        assert!(words.into_iter().eq(told));
    });
}

/// What a peer that has gone has sent besides is kept, with what it has subscribed to.
#[test]
fn messages_to_an_xpub_are_kept() {
    each(&ALL, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Xpub);
        let events = publisher.monitor();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        for number in 0..100u8 {
            if endpoint == INPROC {
                let mut subscriber = socket(context, SocketType::Xsub);
                subscriber.connect(&bound).unwrap();
                send(&mut subscriber, &[1, number]);
                send(&mut subscriber, &[2, number]);
            } else {
                let mut subscriber = subscribed(Peer::connect(&bound), &[number]);
                subscriber.write(&[0, 2, 2, number]);
                drop(subscriber);
                wait_for(&events, "DISCONNECTED");
            }
        }
        let mut messages = Vec::new();
        until("some are missing", || {
            while let Ok(frame) = publisher.recv_frame(Wait::No) {
                messages.extend((frame[0] == 2).then(|| frame[1]));
            }
            messages.len() == 100
        });
        assert!(messages.into_iter().eq(0..100));
    });
}

/// The same where the XPUB connects: it is told what the first ones and the last have subscribed to.
#[test]
fn what_many_connections_had_subscribed_to_is_not_all_kept() {
    each(&STREAMS, |context, endpoint| {
        let listener = listener(endpoint);
        let mut publisher = socket(context, SocketType::Xpub);
        publisher.set_option("RECONNECT_IVL", 1).unwrap();
        publisher.connect(&listener.endpoint()).unwrap();
        for number in 0..200u8 {
            drop(subscribed(listener.accept(), &[number]));
        }
        let mut last = subscribed(listener.accept(), &[200]);
        send(&mut publisher, &[200]);
        assert_eq!(last.message().unwrap(), (0, vec![200]));
        let mut words = Vec::new();
        while let Ok(frame) = publisher.recv_frame(Wait::No) {
            words.push(frame.to_vec());
        }
        let first = (0..65u8).map(|number| vec![1, number]);
        let told = first.chain([vec![1, 199], vec![1, 200]]);
        assert!(words.iter().cloned().eq(told), "{words:?}");
    });
}
