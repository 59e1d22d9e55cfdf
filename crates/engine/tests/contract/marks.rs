// SPDX-License-Identifier: MIT OR Apache-2.0
//! High-water marks and flow control.

use ferromq_engine::{Outgoing, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    ALL, STREAMS, each, nothing, recv, send, socket, try_send, until, until_subscribed, within,
};
use crate::peer::Peer;

/// Parts are not counted, and the message enters as a whole.
#[test]
fn item_1_marks_count_messages_not_parts() {
    each(&["inproc://parts"], |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let mut push = socket(context, SocketType::Push);
        pull.set_option("RCVHWM", 1).unwrap();
        push.set_option("SNDHWM", 1).unwrap();
        pull.bind(endpoint).unwrap();
        push.connect(endpoint).unwrap();
        for _ in 0..2 {
            for part in 0..100 {
                let more = part < 99;
                push.send_frame(&mut Outgoing::Bytes(b"part"), more, Wait::No)
                    .unwrap();
            }
        }
        assert_eq!(try_send(&mut push, b"", Wait::No), Err(Code::Again));
        for _ in 0..200 {
            recv(&mut pull);
        }
    });
}

/// Whoever waits for room goes on when half of the queue has been received, at the latest.
#[test]
fn item_2_room_comes_back_at_half() {
    each(&["inproc://halves"], |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let mut push = socket(context, SocketType::Push);
        pull.set_option("RCVHWM", 4).unwrap();
        push.set_option("SNDHWM", 6).unwrap();
        pull.bind(endpoint).unwrap();
        push.connect(endpoint).unwrap();
        for _ in 0..10 {
            try_send(&mut push, b"x", Wait::No).unwrap();
        }
        assert_eq!(try_send(&mut push, b"x", within(20)), Err(Code::Again));
        for _ in 0..3 {
            for _ in 0..5 {
                recv(&mut pull);
            }
            for _ in 0..5 {
                send(&mut push, b"x");
            }
            assert_eq!(try_send(&mut push, b"x", within(20)), Err(Code::Again));
        }
    });
}

#[test]
fn item_4_marks_move_while_connected() {
    each(&ALL, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let mut push = socket(context, SocketType::Push);
        pull.set_option("RCVHWM", 1).unwrap();
        push.set_option("SNDHWM", 1).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        push.connect(&bound).unwrap();
        let body = vec![0; 1 << 20];
        let mut sent = 0;
        while try_send(&mut push, &body, within(100)).is_ok() {
            sent += 1;
        }
        push.set_option("SNDHWM", 30).unwrap();
        for _ in 0..20 {
            try_send(&mut push, &body, Wait::No).unwrap();
        }
        for _ in 0..sent + 20 {
            assert_eq!(recv(&mut pull).len(), body.len());
        }
    });
}

/// What is sent before the peer is there waits for it, up to the mark; where only a bind could
/// bring peers, there is nowhere to wait.
#[test]
fn item_5_a_connect_makes_the_queue() {
    each(&["tcp://127.0.0.1:*"], |context, endpoint| {
        let mut place = socket(context, SocketType::Pull);
        let bound = place.bind(endpoint).unwrap().to_owned();
        drop(place);
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 3).unwrap();
        push.connect(&bound).unwrap();
        for _ in 0..3 {
            try_send(&mut push, b"early", Wait::No).unwrap();
        }
        assert_eq!(try_send(&mut push, b"", Wait::No), Err(Code::Again));
        let mut waiting = socket(context, SocketType::Dealer);
        waiting.bind(endpoint).unwrap();
        assert_eq!(try_send(&mut waiting, b"", Wait::No), Err(Code::Again));
        let mut pull = socket(context, SocketType::Pull);
        until("the place stays taken", || pull.bind(&bound).is_ok());
        for _ in 0..3 {
            assert_eq!(recv(&mut pull), b"early");
        }
    });
}

/// Whoever reads nothing governs the publisher that may not drop.
#[test]
fn item_6_the_slowest_subscriber_governs() {
    each(&ALL, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Pub);
        publisher.set_option("XPUB_NODROP", 1).unwrap();
        publisher.set_option("SNDHWM", 2).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut subs: Vec<_> = (0..2)
            .map(|_| {
                let mut sub = socket(context, SocketType::Sub);
                sub.set_option("RCVHWM", 2).unwrap();
                sub.subscribe(b"").unwrap();
                sub.connect(&bound).unwrap();
                sub
            })
            .collect();
        let mut got = [0; 2];
        while got.contains(&0) {
            send(&mut publisher, b"probe");
            for (sub, got) in subs.iter_mut().zip(&mut got) {
                while sub.recv_frame(within(2)).is_ok() {
                    *got += 1;
                }
            }
        }
        let body = vec![1; 1 << 20];
        let mut sent = 0;
        while try_send(&mut publisher, &body, within(50)).is_ok() {
            sent += 1;
            while subs[0].recv_frame(within(1)).is_ok() {}
        }
        assert!(publisher.readiness().unwrap().writable);
        while subs[0].recv_frame(within(20)).is_ok() {}
        let mut received = 0;
        while received < sent {
            let message = recv(&mut subs[1]);
            // Some of the first may come late.
            if message != b"probe" {
                assert_eq!(message.len(), body.len());
                received += 1;
            }
        }
        nothing(&mut subs[1], 10);
    });
}

/// Where libzmq drops subscriptions at the mark, none is lost here.
#[test]
fn item_7_subscriptions_are_never_dropped() {
    each(&ALL, |context, endpoint| {
        let mut sub = socket(context, SocketType::Sub);
        sub.set_option("SNDHWM", 1).unwrap();
        let mut publisher = socket(context, SocketType::Xpub);
        publisher.set_option("RCVHWM", 1).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        sub.connect(&bound).unwrap();
        for topic in 0..2000u32 {
            sub.subscribe(&topic.to_be_bytes()).unwrap();
        }
        let mut told = std::collections::HashSet::new();
        while told.len() < 2000 {
            let message = recv(&mut publisher);
            assert_eq!(message[0], 1);
            told.insert(message[1..].to_vec());
        }
    });
}

/// Topics come and go without a byte of data lost.
#[test]
fn item_9_topics_that_come_and_go_cost_no_data() {
    each(&STREAMS, |context, endpoint| {
        let mut sub = socket(context, SocketType::Sub);
        sub.set_option("RCVHWM", 2).unwrap();
        sub.set_option("SNDHWM", 2).unwrap();
        sub.subscribe(b"data").unwrap();
        let mut publisher = socket(context, SocketType::Pub);
        publisher.set_option("SNDHWM", 2).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        sub.connect(&bound).unwrap();
        until_subscribed(&mut publisher, 1);
        for round in 0..300u32 {
            sub.subscribe(b"other").unwrap();
            sub.unsubscribe(b"other").unwrap();
            let body = [&b"data"[..], &round.to_be_bytes()].concat();
            send(&mut publisher, &body);
            assert_eq!(recv(&mut sub), body);
        }
    });
}

/// A peer over a wire has a queue on each side, and the kernel's between.
#[test]
fn item_3_the_kernel_holds_more() {
    each(&STREAMS, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 2).unwrap();
        let bound = push.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PULL");
        let mut sent = 0u64;
        while try_send(&mut push, &[7; 16_000], within(100)).is_ok() {
            sent += 1;
        }
        assert!(sent > 2, "only {sent}");
        for _ in 0..sent {
            assert_eq!(peer.message().unwrap().1, [7; 16_000]);
        }
    });
}
