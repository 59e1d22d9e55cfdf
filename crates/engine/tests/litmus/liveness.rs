// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heartbeats, subscriptions and commands behind piles; readiness shown by a descriptor alone.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Policy, Readiness, Socket, Wait};
use ferromq_os::poll::{PollFd, poll};
use ferromq_os::process::cpu_time;
use ferromq_vocabulary::{Code, DisconnectReason, SocketType};

use crate::common::{
    PLENTY, STREAMS, at_some_pace, each, number, numbered, recv, send_parts, socket, takes_at_most,
    try_send, until, wait_for, within,
};
use crate::peer::{COMMAND, Listener, MORE, Peer, command, frame};

fn ping(ttl: u16, context: &[u8]) -> Vec<u8> {
    let mut data = ttl.to_be_bytes().to_vec();
    data.extend(context);
    command("PING", &data)
}

fn pong(context: &[u8]) -> (u8, Vec<u8>) {
    (COMMAND, [b"\x04PONG".as_slice(), context].concat())
}

/// A pile of messages, and a PING on top of it.
fn pile(count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend(frame(0, &numbered(number, 64)));
    }
    bytes.extend(ping(0, b"pile"));
    bytes
}

#[test]
fn pings_are_answered_behind_a_pile() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("RCVHWM", 100_000).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PUSH");
        let mut waiting = 0;
        for taken in 0..3 {
            peer.write(&pile(20_000));
            for _ in 0..taken {
                recv(&mut pull);
            }
            waiting += 20_000 - taken;
            // The application is away from here on.
            assert_eq!(peer.frame(), Some(pong(b"pile")));
        }
        for _ in 0..waiting {
            recv(&mut pull);
        }
        assert_eq!(pull.recv_frame(Wait::No).err(), Some(Code::Again));
    });
}

#[test]
fn pings_are_answered_while_the_application_sends_elsewhere() {
    each(&STREAMS, |context, endpoint| {
        let mut pair = socket(context, SocketType::Pair);
        pair.set_option("RCVHWM", 100_000).unwrap();
        pair.set_option("SNDHWM", 1).unwrap();
        let bound = pair.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PAIR");
        peer.send(0, b"go");
        assert_eq!(recv(&mut pair), b"go");
        let over = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                // The peer reads nothing but what the kernel holds: stuck, and nothing received.
                while !over.load(Ordering::Relaxed) {
                    try_send(&mut pair, &vec![0; 100_000], within(200)).ok();
                }
            }
        });
        // Let it run into the high-water mark first.
        assert!(peer.has_input(Duration::from_secs(5)));
        thread::park_timeout(Duration::from_millis(100));
        assert!(peer.try_write(&pile(20_000)));
        let began = Instant::now();
        loop {
            let (flags, body) = peer.frame().unwrap();
            if flags == COMMAND {
                assert_eq!((flags, body), pong(b"pile"));
                break;
            }
            assert!(began.elapsed() < Duration::from_millis(PLENTY));
        }
        println!("  PONG after {:?}", began.elapsed());
        over.store(true, Ordering::Relaxed);
        drop(peer);
        sender.join().unwrap();
    });
}

#[test]
fn every_type_answers_pings_and_ignores_what_it_does_not_know() {
    each(&STREAMS, |context, endpoint| {
        for (ours, theirs) in [
            (SocketType::Push, "PULL"),
            (SocketType::Pull, "PUSH"),
            (SocketType::Pub, "SUB"),
            (SocketType::Sub, "PUB"),
            (SocketType::Req, "REP"),
            (SocketType::Rep, "REQ"),
            (SocketType::Pair, "PAIR"),
        ] {
            let mut socket = socket(context, ours);
            let bound = socket.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::meet(&bound, theirs);
            peer.write(&command("NOBODY-KNOWS", b"anything"));
            peer.write(&command("PONG", b""));
            peer.write(&ping(0, b"0123456789abcdef and more"));
            assert_eq!(peer.frame(), Some(pong(b"0123456789abcdef")));
            peer.write(&ping(600, b""));
            assert_eq!(peer.frame(), Some(pong(b"")));
        }
    });
}

#[test]
fn a_silent_peer_is_given_up() {
    each(&STREAMS, |context, endpoint| {
        for ours in [SocketType::Pull, SocketType::Push] {
            let theirs = if ours == SocketType::Pull {
                "PUSH"
            } else {
                "PULL"
            };
            at_some_pace(|pace| {
                let mut socket = socket(context, ours);
                socket
                    .set_option("HEARTBEAT_IVL", i32::try_from(20 * pace).unwrap())
                    .unwrap();
                socket
                    .set_option("HEARTBEAT_TIMEOUT", i32::try_from(60 * pace).unwrap())
                    .unwrap();
                socket.set_option("HEARTBEAT_TTL", 500).unwrap();
                let events = socket.monitor();
                let bound = socket.bind(endpoint).unwrap().to_owned();
                let mut peer = Peer::meet(&bound, theirs);
                // As long as it answers it is believed alive.
                let began = Instant::now();
                let mut silent = began;
                while began.elapsed() < Duration::from_millis(200) * pace {
                    let Some(frame) = peer.frame() else {
                        return Err(format!("over after {:?}", began.elapsed()));
                    };
                    assert_eq!(frame, (COMMAND, b"\x04PING\0\x05".to_vec()));
                    silent = Instant::now();
                    peer.try_write(&command("PONG", b""));
                }
                let event = wait_for(&events, "DISCONNECTED");
                assert_eq!(event.reason, Some(DisconnectReason::HeartbeatTimeout));
                assert!(silent.elapsed() >= Duration::from_millis(40) * pace);
                peer.until_closed();
                Ok(())
            });
        }
    });
}

#[test]
fn a_peer_that_said_how_long_it_lives_is_believed() {
    each(&STREAMS, |context, endpoint| {
        for ours in [SocketType::Pull, SocketType::Push] {
            let theirs = if ours == SocketType::Pull {
                "PUSH"
            } else {
                "PULL"
            };
            at_some_pace(|pace| {
                let mut socket = socket(context, ours);
                let events = socket.monitor();
                let bound = socket.bind(endpoint).unwrap().to_owned();
                let mut peer = Peer::meet(&bound, theirs);
                let mut last = Instant::now();
                for _ in 0..8 {
                    last = Instant::now();
                    peer.try_write(&ping(2 * u16::try_from(pace).unwrap(), b""));
                    let frame = peer.frame();
                    if frame.is_none() || peer.has_input(Duration::from_millis(50) * pace) {
                        return Err("given up too early".to_owned());
                    }
                    assert_eq!(frame, Some(pong(b"")));
                }
                let event = wait_for(&events, "DISCONNECTED");
                assert_eq!(event.reason, Some(DisconnectReason::HeartbeatTimeout));
                assert!(last.elapsed() >= Duration::from_millis(190) * pace);
                Ok(())
            });
        }
    });
}

/// Bytes that wait in the kernel for an application that is busy are a sign of life.
#[test]
fn a_peer_that_sends_is_alive_though_nobody_receives() {
    each(&STREAMS, |context, endpoint| {
        at_some_pace(|pace| {
            let mut pull = socket(context, SocketType::Pull);
            pull.set_option("HEARTBEAT_IVL", i32::try_from(20 * pace).unwrap())
                .unwrap();
            pull.set_option("HEARTBEAT_TIMEOUT", i32::try_from(60 * pace).unwrap())
                .unwrap();
            pull.set_option("RCVHWM", 3).unwrap();
            let events = pull.monitor();
            let bound = pull.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::meet(&bound, "PUSH");
            wait_for(&events, "HANDSHAKE_SUCCEEDED");
            for number in 0..100 {
                peer.try_write(&frame(0, &numbered(number, 100)));
            }
            let quiet = crate::common::after(300 * u64::from(pace));
            if let Some(event) = events.next_before(Some(quiet)) {
                return Err(format!("{event:?}"));
            }
            for expected in 0..100 {
                assert_eq!(number(&recv(&mut pull)), expected);
            }
            Ok(())
        });
    });
}

/// A publisher that does nothing but send hears of subscriptions.
#[test]
fn a_deaf_publisher() {
    each(&STREAMS, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Pub);
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let over = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                for number in 0u64.. {
                    let topic = if number % 2 == 0 { b"a" } else { b"b" };
                    let body = numbered(number, 4000);
                    send_parts(&mut publisher, &[topic, &body, &body]);
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        });
        let mut peer = Peer::meet(&bound, "SUB");
        assert!(!peer.has_input(Duration::from_millis(5)));
        let whole = |peer: &mut Peer| {
            let (flags, topic) = peer.message().unwrap();
            assert_eq!(flags, MORE);
            let (flags, first) = peer.message().unwrap();
            assert_eq!((flags, first.len()), (MORE, 4000));
            assert_eq!(peer.message().unwrap(), (0, first));
            topic
        };
        peer.write(&command("SUBSCRIBE", b"a"));
        for _ in 0..100 {
            assert_eq!(whole(&mut peer), b"a");
        }
        peer.write(&command("CANCEL", b"a"));
        // In the old way, as a message.
        peer.send(0, b"\x01b");
        while whole(&mut peer) == b"a" {}
        for _ in 0..100 {
            assert_eq!(whole(&mut peer), b"b");
        }
        peer.send(0, b"\0b");
        while peer.has_input(Duration::from_millis(50)) {
            peer.message().unwrap();
        }
        over.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
}

/// Waits for the descriptor to become readable, then says what is ready.
fn told(socket: &mut Socket, milliseconds: u64) -> Option<Readiness> {
    let fd = socket.readiness_fd().unwrap().as_raw_fd();
    let mut fds = [PollFd::new(fd, PollFd::IN)];
    if poll(&mut fds, Some(Duration::from_millis(milliseconds))).unwrap() == 0 {
        return None;
    }
    Some(socket.readiness().unwrap())
}

#[test]
fn item_47_the_descriptor_tells_of_everything() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut sub = socket(context, SocketType::Sub);
        sub.subscribe(b"topic").unwrap();
        sub.connect(&listener.endpoint()).unwrap();
        assert!(!sub.readiness().unwrap().readable);
        for _ in 0..3 {
            let mut peer = listener.accept();
            peer.shake_hands("PUB");
            assert_eq!(
                peer.frame().unwrap(),
                (COMMAND, b"\x09SUBSCRIBEtopic".to_vec())
            );
            // Nothing is owed after some looks, and then nothing is spent.
            while told(&mut sub, 30).is_some() {}
            takes_at_most(Duration::from_millis(20), || {
                let before = cpu_time();
                assert_eq!(told(&mut sub, 200), None);
                cpu_time() - before
            });
            peer.send(0, b"topic one");
            until("not told", || {
                told(&mut sub, PLENTY).is_some_and(|ready| ready.readable)
            });
            assert_eq!(sub.recv_frame(Wait::No).unwrap().as_slice(), b"topic one");
            assert!(!sub.readiness().unwrap().readable);
            peer.send(0, b"other");
            peer.write(&frame(0, b"topic two")[..5]);
            let quiet = crate::common::after(30);
            while Instant::now() < quiet {
                assert!(told(&mut sub, 10).is_none_or(|ready| !ready.readable));
            }
            peer.write(&frame(0, b"topic two")[5..]);
            until("not told", || {
                told(&mut sub, PLENTY).is_some_and(|ready| ready.readable)
            });
            assert_eq!(sub.recv_frame(Wait::No).unwrap().as_slice(), b"topic two");
        }
    });
}

#[test]
fn item_48_the_descriptor_tells_of_room() {
    each(&STREAMS, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 2).unwrap();
        let bound = push.bind(endpoint).unwrap().to_owned();
        assert!(!push.readiness().unwrap().writable);
        let mut peer = Peer::meet(&bound, "PULL");
        until("no peer", || {
            told(&mut push, PLENTY).is_some_and(|ready| ready.writable)
        });
        while try_send(&mut push, &vec![1; 50_000], within(50)).is_ok() {}
        while told(&mut push, 20).is_some() {}
        assert!(!push.readiness().unwrap().writable);
        let reader = thread::spawn(move || {
            while peer.has_input(Duration::from_millis(500)) {
                peer.message().unwrap();
            }
            peer
        });
        until("no room", || {
            told(&mut push, PLENTY).is_some_and(|ready| ready.writable)
        });
        try_send(&mut push, b"", Wait::No).unwrap();
        drop(reader.join().unwrap());
    });
}

/// Nobody calls, nothing comes, nothing is spent.
#[test]
fn idle_costs_nothing() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut pushes: Vec<_> = (0..50)
            .map(|_| {
                let mut push = socket(context, SocketType::Push);
                push.connect(&bound).unwrap();
                push
            })
            .collect();
        for push in &mut pushes {
            try_send(push, b"hello", within(PLENTY)).unwrap();
        }
        for _ in 0..50 {
            recv(&mut pull);
        }
        // What is promised is kept for a while.
        let quiet = pushes[0].monitor();
        assert_eq!(quiet.next_before(Some(crate::common::after(50))), None);
        takes_at_most(Duration::from_millis(10), || {
            let before = cpu_time();
            assert_eq!(quiet.next_before(Some(crate::common::after(200))), None);
            cpu_time() - before
        });
        assert_eq!(Policy::default(), Policy::Assisted);
    });
}

#[test]
fn who_takes_no_pongs_gets_few() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("SNDBUF", 4096).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PUSH");
        // Answers to all of them would be 7 MB.
        for sent in 0..300_u64 {
            let pings = ping(0, b"0123456789abcdef").repeat(1_000);
            peer.write(&[pings, frame(0, &numbered(sent, 8))].concat());
            assert_eq!(number(&recv(&mut pull)), sent);
        }
        peer.write(&ping(0, b"before the last"));
        peer.write(&frame(0, b"all of it"));
        assert_eq!(recv(&mut pull), b"all of it");
        let mut pongs = 0;
        while peer.has_input(Duration::from_millis(300)) {
            peer.frame().unwrap();
            pongs += 1;
        }
        println!("  {pongs} PONGs");
        assert!(pongs < 100_000, "{pongs} PONGs were kept");
        // It is answered again.
        peer.write(&ping(0, b"well?"));
        assert_eq!(peer.frame(), Some(pong(b"well?")));
    });
}
