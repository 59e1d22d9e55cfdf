// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders that make no further call: everything arrives all the same.

use ferromq_engine::{Context, Outgoing, Policy};
use ferromq_vocabulary::SocketType;

use crate::common::{
    PLENTY, POLICIES, Process, STREAMS, after, number, numbered, recv, role, say, send, sit_still,
    socket, soon, turn, until,
};
use crate::peer::Peer;

const BURSTS: [(u64, usize); 5] = [(1, 20), (3, 20), (10, 20), (999, 20), (1, 1 << 20)];

/// The sender's process: connects, sends a burst, and never calls again.
#[test]
fn sender() {
    let Some(argument) = role() else { return };
    let words: Vec<&str> = argument.split(' ').collect();
    let (kind, count, size) = (
        words[0],
        words[1].parse().unwrap(),
        words[2].parse().unwrap(),
    );
    let context = Context::new();
    let socket_type = SocketType::from_name(kind).unwrap();
    let mut socket = socket(&context, socket_type);
    if socket_type == SocketType::Pub {
        // With a mark it may drop what it was asked to send while not everybody had subscribed.
        socket.set_option("SNDHWM", 0).unwrap();
    }
    for endpoint in &words[3..] {
        socket.connect(endpoint).unwrap();
    }
    match socket_type {
        SocketType::Rep => {
            let request = recv(&mut socket);
            assert_eq!(request, b"request");
        }
        SocketType::Pub => {
            // Until everybody has subscribed: each has the topic "ready" until it says so.
            until("nobody subscribes", || {
                send(&mut socket, b"ready");
                socket
                    .statistics()
                    .iter()
                    .filter(|peer| peer.messages_sent > 0)
                    .count()
                    == words.len() - 3
            });
        }
        _ => {}
    }
    let peers = if socket_type == SocketType::Push {
        words.len() - 3
    } else {
        1
    };
    if socket_type == SocketType::Push {
        // Only then does the burst go round.
        until("no peers", || socket.readiness().unwrap().writable);
    }
    for number in 0..count {
        for _ in 0..peers {
            let topic: &[u8] = if socket_type == SocketType::Pub {
                b"topic"
            } else {
                b""
            };
            if !topic.is_empty() {
                socket
                    .send_frame(&mut Outgoing::Bytes(topic), true, soon())
                    .unwrap();
            }
            send(&mut socket, &numbered(number, size));
        }
    }
    say("sent");
    sit_still();
}

fn each_burst(kind: &str, receive: impl Fn(Policy, &str, &Context, u64, usize)) {
    let _turn = turn();
    if role().is_some() {
        return;
    }
    for policy in POLICIES {
        for endpoint in STREAMS {
            for (count, size) in BURSTS {
                if kind != "PUSH" && kind != "PUB" && count > 1 && kind != "PAIR" {
                    continue;
                }
                let context = Context::new();
                context.set_policy(policy);
                println!("{kind} {policy:?} {endpoint} {count} x {size}");
                receive(policy, endpoint, &context, count, size);
                assert!(context.terminate(Some(after(PLENTY))));
            }
        }
    }
}

fn start(policy: Policy, kind: &str, count: u64, size: usize, endpoints: &[String]) -> Process {
    let argument = format!("{kind} {count} {size} {}", endpoints.join(" "));
    Process::start("never_again::sender", policy, &argument)
}

#[test]
fn push_and_pair() {
    for kind in ["PUSH", "PAIR"] {
        let theirs = if kind == "PUSH" {
            SocketType::Pull
        } else {
            SocketType::Pair
        };
        each_burst(kind, |policy, endpoint, context, count, size| {
            let peers = if kind == "PUSH" { 3 } else { 1 };
            let mut pulls: Vec<_> = (0..peers).map(|_| socket(context, theirs)).collect();
            let bound: Vec<_> = pulls
                .iter_mut()
                .map(|pull| pull.bind(endpoint).unwrap().to_owned())
                .collect();
            let mut process = start(policy, kind, count, size, &bound);
            assert_eq!(process.hear(), "sent");
            for pull in &mut pulls {
                for expected in 0..count {
                    assert_eq!(number(&recv(pull)), expected);
                }
            }
            process.kill();
        });
    }
}

#[test]
fn publish_to_mixed_filters() {
    each_burst("PUB", |policy, endpoint, context, count, size| {
        let mut subs: Vec<_> = (0..4).map(|_| socket(context, SocketType::Sub)).collect();
        let bound: Vec<_> = subs
            .iter_mut()
            .zip([b"topic".as_slice(), b"t", b"other", b""])
            .map(|(sub, topic)| {
                sub.set_option("RCVHWM", 0).unwrap();
                sub.subscribe(topic).unwrap();
                sub.subscribe(b"ready").unwrap();
                sub.bind(endpoint).unwrap().to_owned()
            })
            .collect();
        let mut process = start(policy, "PUB", count, size, &bound);
        assert_eq!(process.hear(), "sent");
        for (index, sub) in subs.iter_mut().enumerate() {
            let expected = if index == 2 { 0 } else { count };
            for expected in 0..expected {
                let mut topic = recv(sub);
                while topic == b"ready" {
                    topic = recv(sub);
                }
                assert_eq!(topic, b"topic");
                assert_eq!(number(&recv(sub)), expected);
            }
        }
        process.kill();
    });
}

#[test]
fn request() {
    each_burst("REQ", |policy, endpoint, context, count, size| {
        let mut rep = socket(context, SocketType::Rep);
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut process = start(policy, "REQ", count, size, &[bound]);
        assert_eq!(process.hear(), "sent");
        assert_eq!(recv(&mut rep), numbered(0, size));
        send(&mut rep, b"reply");
        process.kill();
    });
}

#[test]
fn reply() {
    each_burst("REP", |policy, endpoint, context, count, size| {
        let mut req = socket(context, SocketType::Req);
        let bound = req.bind(endpoint).unwrap().to_owned();
        let mut process = start(policy, "REP", count, size, &[bound]);
        send(&mut req, b"request");
        assert_eq!(process.hear(), "sent");
        assert_eq!(recv(&mut req), numbered(0, size));
        process.kill();
    });
}

/// The same with the sender's thread asleep in a receive of another socket, under each policy.
#[test]
fn asleep_elsewhere() {
    crate::common::each(&STREAMS, |context, endpoint| {
        for (count, size) in BURSTS {
            let mut push = socket(context, SocketType::Push);
            let bound = push.bind(endpoint).unwrap().to_owned();
            let mut elsewhere = socket(context, SocketType::Pull);
            let woken_by = elsewhere.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::meet(&bound, "PULL");
            let sender = std::thread::spawn(move || {
                for number in 0..count {
                    send(&mut push, &numbered(number, size));
                }
                // Until everything has arrived.
                assert_eq!(recv(&mut elsewhere), b"wake up");
                push
            });
            for expected in 0..count {
                assert_eq!(number(&peer.message().unwrap().1), expected);
            }
            let mut waker = socket(context, SocketType::Push);
            waker.connect(&woken_by).unwrap();
            send(&mut waker, b"wake up");
            drop(sender.join().unwrap());
        }
    });
}
