// SPDX-License-Identifier: MIT OR Apache-2.0
//! High-water marks, from above and from below.

use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Socket, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    ALL, PLENTY, STREAMS, at_some_pace, each, nothing, number, numbered, recv, send, socket, soon,
    try_send, until, until_subscribed, wait_for, within,
};
use crate::peer::Peer;

/// Each end holds a thousand, and nobody receives before both have sent 1900.
#[test]
fn both_send_first() {
    each(&ALL, |context, endpoint| {
        const COUNT: u64 = 1900;
        let mut one = socket(context, SocketType::Pair);
        let bound = one.bind(endpoint).unwrap().to_owned();
        let mut other = socket(context, SocketType::Pair);
        other.connect(&bound).unwrap();
        let run = |mut socket: Socket, size| {
            thread::spawn(move || {
                let body = numbered(0, size);
                for _ in 0..COUNT {
                    try_send(&mut socket, &body, soon()).expect("stuck in send");
                }
                for _ in 0..COUNT {
                    assert_eq!(
                        socket.recv_frame(soon()).expect("stuck in recv").len(),
                        size
                    );
                }
                socket
            })
        };
        let size = if endpoint.starts_with("inproc") {
            64
        } else {
            64 * 1024
        };
        let (one, other) = (run(one, size), run(other, size));
        drop((one.join().unwrap(), other.join().unwrap()));
    });
}

#[test]
fn item_3_neither_much_more_nor_less_than_the_marks() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let mut push = socket(context, SocketType::Push);
        for (socket, mark) in [(&mut pull, "RCVHWM"), (&mut push, "SNDHWM")] {
            socket.set_option(mark, 500).unwrap();
            socket.set_option("SNDBUF", 4096).unwrap();
            socket.set_option("RCVBUF", 4096).unwrap();
        }
        let bound = pull.bind(endpoint).unwrap().to_owned();
        push.connect(&bound).unwrap();
        let mut sent = 0;
        while try_send(
            &mut push,
            &numbered(sent, 8192),
            within(if sent < 1000 { PLENTY } else { 100 }),
        )
        .is_ok()
        {
            sent += 1;
            assert!(sent <= 1040, "more and more");
        }
        assert!(sent >= 1000, "only {sent}");
        // The kernel may have taken a little more since.
        let waiting = push.statistics()[0].messages_waiting;
        assert!((400..=500).contains(&waiting), "{waiting} waiting");
        for expected in 0..sent {
            assert_eq!(number(&recv(&mut pull)), expected);
        }
        nothing(&mut pull, 5);
        assert_eq!(push.statistics()[0].messages_sent, sent);
        assert_eq!(pull.statistics()[0].messages_received, sent);
    });
}

#[test]
fn item_3_inproc_holds_the_sum() {
    each(&["inproc://sum"], |context, endpoint| {
        for bind_first in [true, false] {
            let mut pull = socket(context, SocketType::Pull);
            pull.set_option("RCVHWM", 3).unwrap();
            let mut push = socket(context, SocketType::Push);
            push.set_option("SNDHWM", 4).unwrap();
            if bind_first {
                pull.bind(endpoint).unwrap();
                push.connect(endpoint).unwrap();
            } else {
                push.connect(endpoint).unwrap();
                for number in 0..4 {
                    try_send(&mut push, &numbered(number, 8), Wait::No).unwrap();
                }
                assert_eq!(try_send(&mut push, b"", Wait::No), Err(Code::Again));
                pull.bind(endpoint).unwrap();
            }
            for number in if bind_first { 0 } else { 4 }..7 {
                try_send(&mut push, &numbered(number, 8), within(100)).unwrap();
            }
            assert_eq!(try_send(&mut push, b"", within(5)), Err(Code::Again));
            for expected in 0..7 {
                assert_eq!(number(&recv(&mut pull)), expected);
            }
            pull.unbind(endpoint).unwrap();
        }
    });
}

/// A loop of sends that do not wait must see the queue full, however fast the kernel empties it.
#[test]
fn a_tight_loop_sees_the_queue_full() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("RCVHWM", 1).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 1).unwrap();
        let events = push.monitor();
        push.connect(&bound).unwrap();
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        let body = vec![0; 64 * 1024];
        let mut sent = 0;
        for round in [10, 20] {
            while try_send(&mut push, &body, Wait::No).is_ok() {
                sent += 1;
                assert!(sent < round, "{sent} at once");
            }
            // Some time passes.
            assert!(
                events
                    .next_before(Some(crate::common::after(100)))
                    .is_none()
            );
        }
    });
}

#[test]
fn a_slow_sender_never_sees_it_full() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 1).unwrap();
        let events = push.monitor();
        push.connect(&bound).unwrap();
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        // Who has written says so a moment later.
        at_some_pace(|pace| {
            for number in 0..60 {
                try_send(&mut push, &numbered(number, 100), Wait::No)
                    .map_err(|code| format!("{number}: {code}"))?;
                assert_eq!(recv(&mut pull), numbered(number, 100));
                nothing(&mut pull, 3 * u64::from(pace));
            }
            Ok(())
        });
    });
}

/// A send that waits goes on as soon as any of its peers takes something.
#[test]
fn any_of_several_peers_makes_room() {
    each(&STREAMS, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 2).unwrap();
        let bound = push.bind(endpoint).unwrap().to_owned();
        let mut peers: Vec<_> = (0..3).map(|_| Peer::meet(&bound, "PULL")).collect();
        until("not all peers", || {
            push.readiness().unwrap();
            push.peers() == 3
        });
        let mut sent = 0;
        while try_send(&mut push, &numbered(sent, 64 * 1024), within(100)).is_ok() {
            sent += 1;
        }
        let mut seen = [0u64; 3];
        let mut last = [None; 3];
        for round in 0..6 {
            let which = round % 3;
            let sender = thread::spawn(move || {
                let began = Instant::now();
                let result = try_send(&mut push, &numbered(sent, 64 * 1024), soon());
                (push, result, began.elapsed())
            });
            // Far more than the kernel holds back before it says that there is room again.
            for _ in 0..40 {
                if !peers[which].has_input(Duration::from_millis(50)) {
                    break;
                }
                let (_, body) = peers[which].message().unwrap();
                assert!(last[which] < Some(number(&body)), "out of order");
                last[which] = Some(number(&body));
                seen[which] += 1;
            }
            let (back, result, _) = sender.join().unwrap();
            push = back;
            result.unwrap_or_else(|code| panic!("peer {which}, round {round}: {code}"));
            sent += 1;
        }
        while seen.iter().sum::<u64>() < sent {
            for (index, peer) in peers.iter_mut().enumerate() {
                while peer.has_input(Duration::from_millis(20)) {
                    let (_, body) = peer.message().unwrap();
                    assert!(last[index] < Some(number(&body)), "out of order");
                    last[index] = Some(number(&body));
                    seen[index] += 1;
                }
            }
        }
        assert_eq!(seen.iter().sum::<u64>(), sent);
    });
}

#[test]
fn item_8_what_a_publisher_drops_is_counted() {
    each(&ALL, |context, endpoint| {
        const COUNT: u64 = 5000;
        let mut publisher = socket(context, SocketType::Pub);
        publisher.set_option("SNDHWM", 10).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut sub = socket(context, SocketType::Sub);
        sub.set_option("RCVHWM", 10).unwrap();
        sub.subscribe(b"").unwrap();
        sub.connect(&bound).unwrap();
        until_subscribed(&mut publisher, 1);
        let before = publisher.statistics().remove(0);
        for number in 0..COUNT {
            send(&mut publisher, &numbered(number, 4096));
        }
        let now = publisher.statistics().remove(0);
        let sent = now.messages_sent - before.messages_sent;
        let dropped = now.messages_dropped - before.messages_dropped;
        assert_eq!(sent + dropped, COUNT);
        assert!(dropped > 0);
        let mut last = None;
        let mut received = 0;
        while received < sent {
            let number = number(&recv(&mut sub));
            assert!(last < Some(number));
            last = Some(number);
            received += 1;
        }
        nothing(&mut sub, 10);
    });
}

/// A program with one thread that holds both ends.
#[test]
fn one_thread_with_both_ends() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        push.connect(&bound).unwrap();
        // More than fits into the kernel, less than the marks allow.
        for round in 0..3 {
            for index in 0..900 {
                send(&mut push, &numbered(round * 900 + index, 20_000));
            }
            for index in 0..900 {
                assert_eq!(number(&recv(&mut pull)), round * 900 + index);
            }
        }
        let mut rep = socket(context, SocketType::Rep);
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut req = socket(context, SocketType::Req);
        req.connect(&bound).unwrap();
        for size in [0, 1, 100_000, 30_000_000, 5] {
            send(&mut req, &vec![1; size]);
            assert_eq!(recv(&mut rep).len(), size);
            send(&mut rep, &vec![2; size]);
            assert_eq!(recv(&mut req).len(), size);
        }
    });
}
