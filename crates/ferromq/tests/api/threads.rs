// SPDX-License-Identifier: MIT OR Apache-2.0
//! One socket, several threads.

use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant};

use ferromq::{
    Channel, Client, Context, Dish, Error, Gather, Message, Multipart, Pair, Peer, Pull, Push,
    Radio, Receives, Rep, Req, Scatter, Sends, Server, Typed,
};

use crate::{LONG, each, pair, soon};

const MANY: u32 = 5000;
/// How many threads share a socket, and what each of them does.
const THREADS: u32 = 4;
const EACH: u32 = 200;

#[test]
fn halves_send_and_receive_at_once() {
    each(|context, endpoint| {
        let (here, there) = pair::<Pair, Pair>(context, endpoint);
        let threads: Vec<_> = [here, there]
            .into_iter()
            .flat_map(|socket| {
                let (mut tx, mut rx) = socket.split();
                let sender = thread::spawn(move || {
                    for number in 0..MANY {
                        tx.send([&number.to_be_bytes()[..], b"body"]).unwrap();
                    }
                });
                let receiver = thread::spawn(move || {
                    for number in 0..MANY {
                        let parts = rx.recv_multipart().unwrap();
                        assert_eq!(parts.get(0).unwrap(), &number.to_be_bytes());
                    }
                });
                [sender, receiver]
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_waiting_half_does_not_hold_the_other_one_up() {
    each(|context, endpoint| {
        let (here, mut there) = pair::<Pair, Pair>(context, endpoint);
        let (mut tx, mut rx) = here.split();
        let waiting = thread::spawn(move || (rx.recv_deadline(soon()).unwrap(), rx));
        for _ in 0..10 {
            tx.send("not held up").unwrap();
            assert_eq!(there.recv().unwrap(), "not held up");
        }
        there.send("at last").unwrap();
        let (message, rx) = waiting.join().unwrap();
        assert_eq!(message, "at last");

        // Whole again.
        let mut here = rx.unsplit(tx).unwrap();
        here.send("whole").unwrap();
        assert_eq!(there.recv().unwrap(), "whole");
    });
}

#[test]
fn halves_have_all_forms() {
    each(|context, endpoint| {
        let (mut here, there) = pair::<Pair, Pair>(context, endpoint);
        let (mut tx, mut rx) = there.split();
        assert_eq!(rx.try_recv().err(), Some(Error::Again));
        assert_eq!(rx.try_recv_multipart().err(), Some(Error::Again));
        let short = Instant::now() + Duration::from_millis(20);
        assert_eq!(rx.recv_multipart_deadline(short).err(), Some(Error::Again));
        assert!(Instant::now() >= short);
        tx.send_part("a", true).unwrap();
        tx.send_part("b", false).unwrap();
        tx.try_send("c").unwrap();
        tx.send_deadline("d", soon()).unwrap();
        assert_eq!(
            here.recv_multipart().unwrap(),
            Multipart::from_iter(["a", "b"])
        );
        assert_eq!(here.recv().unwrap(), "c");
        assert_eq!(here.recv().unwrap(), "d");
        here.send(["e", "f"]).unwrap();
        assert_eq!(rx.recv_part().unwrap(), "e");
        assert!(rx.receive_more());
        assert_eq!(rx.recv_part().unwrap(), "f");
        assert!(!rx.receive_more());
    });
}

#[test]
fn many_threads_share_a_sender() {
    each(|context, endpoint| {
        let (mut pull, push) = pair::<Pull, Push>(context, endpoint);
        let push = push.shared();
        thread::scope(|scope| {
            for thread in 0..4u32 {
                let push = push.clone();
                scope.spawn(move || {
                    for number in 0..MANY {
                        push.send([&thread.to_be_bytes()[..], &number.to_be_bytes()])
                            .unwrap();
                    }
                });
            }
            let mut next = [0; 4];
            for _ in 0..4 * MANY {
                let parts = pull.recv_multipart().unwrap();
                let number =
                    |index| u32::from_be_bytes(parts.get(index).unwrap()[..].try_into().unwrap());
                assert_eq!(parts.len(), 2, "parts of two threads have met");
                let next = &mut next[usize::try_from(number(0)).unwrap()];
                assert_eq!(number(1), *next, "in order within a thread");
                *next += 1;
            }
        });
        let push = push.into_socket().unwrap();
        assert_eq!(push.undelivered(), 0);
    });
}

#[test]
fn many_threads_share_a_receiver() {
    each(|context, endpoint| {
        let (pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let pull = pull.shared();
        let received: u32 = thread::scope(|scope| {
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let pull = &pull;
                    scope.spawn(move || {
                        let mut received = 0;
                        while pull.recv().unwrap() != "end" {
                            received += 1;
                        }
                        received
                    })
                })
                .collect();
            for _ in 0..MANY {
                push.send("work").unwrap();
            }
            for _ in 0..3 {
                push.send("end").unwrap();
            }
            receivers
                .into_iter()
                .map(|receiver| receiver.join().unwrap())
                .sum()
        });
        assert_eq!(received, MANY);
        assert_eq!(pull.try_recv().err(), Some(Error::Again));
    });
}

#[test]
fn a_shared_socket_sends_while_another_thread_waits_to_receive() {
    each(|context, endpoint| {
        let (here, mut there) = pair::<Pair, Pair>(context, endpoint);
        let here = here.shared();
        thread::scope(|scope| {
            let receivers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| here.recv_deadline(soon()).unwrap()))
                .collect();
            here.send("out").unwrap();
            assert_eq!(there.recv().unwrap(), "out");
            there.send("in").unwrap();
            there.send("in").unwrap();
            for receiver in receivers {
                assert_eq!(receiver.join().unwrap(), "in");
            }
        });
        assert_eq!(here.with(|socket| socket.peers()), 1);
    });
}

#[test]
fn a_full_shared_socket_waits_for_room() {
    each(|context, endpoint| {
        let mut pull = context
            .socket_builder::<Pull>()
            .receive_high_water_mark(2)
            .open()
            .unwrap();
        let bound = pull.bind(endpoint).unwrap();
        let push = context
            .socket_builder::<Push>()
            .send_high_water_mark(2)
            .open()
            .unwrap();
        let push = push.shared();
        push.connect(&bound).unwrap();
        let body = vec![0; 50_000];
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        push.send_deadline(&body, soon()).unwrap();
                    }
                });
            }
            for _ in 0..400 {
                assert_eq!(pull.recv_deadline(soon()).unwrap().len(), 50_000);
            }
        });
    });
}

#[test]
fn shutdown_wakes_all() {
    each(|context, endpoint| {
        let (rep, req) = pair::<Rep, Req>(context, endpoint);
        let (rep, _req) = (rep.shared(), req);
        thread::scope(|scope| {
            let receivers: Vec<_> = (0..3).map(|_| scope.spawn(|| rep.recv())).collect();
            context.shutdown();
            for receiver in receivers {
                assert_eq!(receiver.join().unwrap().err(), Some(Error::Terminated));
            }
        });
        let after = rep.recv_deadline(Instant::now() + LONG);
        assert_eq!(after.err(), Some(Error::Terminated));
    });
}

/// The types of single parts, each end of them used by several threads at once.
#[test]
fn item_46_thread_safe_types() {
    each(|context, endpoint| {
        // Questions come back to whoever is waiting.
        let (server, client) = pair::<Server, Client>(context, endpoint);
        let (server, client) = (server.shared(), client.shared());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let (server, client) = (server.clone(), client.clone());
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let question = server.recv().unwrap();
                        assert!(question.routing_id().is_some());
                        server.send(question).unwrap();
                    }
                });
                scope.spawn(move || {
                    for number in 0..EACH {
                        client.send(&number.to_be_bytes()).unwrap();
                        assert_eq!(client.recv().unwrap().len(), 4);
                    }
                });
            }
        });
        drop((server, client));
        one_way::<Gather, Scatter>(context, endpoint);
        one_way::<Channel, Channel>(context, endpoint);
        groups(context, endpoint);
    });
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        numbers(&Context::new(), endpoint);
    }

    fn one_way<A: Typed + Receives, B: Typed + Sends>(context: &Context, endpoint: &str) {
        let endpoint = endpoint.replace("here", A::TYPE.name());
        let (receiver, sender) = pair::<A, B>(context, &endpoint);
        let (receiver, sender) = (receiver.shared(), sender.shared());
        let sum = thread::scope(|scope| {
            let receivers: Vec<_> = (0..THREADS)
                .map(|_| {
                    let (receiver, sender) = (receiver.clone(), sender.clone());
                    scope.spawn(move || {
                        for number in 0..EACH {
                            sender.send(&number.to_be_bytes()).unwrap();
                        }
                        let received = (0..EACH).map(|_| receiver.recv().unwrap());
                        received
                            .map(|body| u32::from_be_bytes(body[..].try_into().unwrap()))
                            .sum::<u32>()
                    })
                })
                .collect();
            receivers
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<u32>()
        });
        assert_eq!(sum, THREADS * (EACH * (EACH - 1) / 2));
    }
}

/// A RADIO and a DISH, each in several threads.
fn groups(context: &Context, endpoint: &str) {
    let endpoint = endpoint.replace("here", "groups");
    let mut radio = context
        .socket_builder::<Radio>()
        .send_high_water_mark(0)
        .open()
        .unwrap();
    let bound = radio.bind(&endpoint).unwrap();
    let mut dish = context
        .socket_builder::<Dish>()
        .receive_high_water_mark(0)
        .open()
        .unwrap();
    dish.connect(&bound).unwrap();
    dish.join("ours").unwrap();
    let grouped = |group: &[u8], number: u32| {
        let mut message = Message::from(&number.to_be_bytes()[..]);
        message.set_group(group).unwrap();
        message
    };
    // Until the RADIO knows; then the last probe.
    while dish
        .recv_deadline(Instant::now() + Duration::from_millis(10))
        .is_err()
    {
        radio.send(grouped(b"ours", u32::MAX)).unwrap();
    }
    radio.send(grouped(b"ours", u32::MAX - 1)).unwrap();
    while dish.recv().unwrap() != (u32::MAX - 1).to_be_bytes()[..] {}
    let (radio, dish) = (radio.shared(), dish.shared());
    let sum: u32 = thread::scope(|scope| {
        let receivers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (radio, dish) = (radio.clone(), dish.clone());
                scope.spawn(move || {
                    for number in 0..EACH {
                        radio.send(grouped(b"others", number)).unwrap();
                        radio.send(grouped(b"ours", number)).unwrap();
                    }
                    (0..EACH)
                        .map(|_| dish.recv().unwrap())
                        .inspect(|message| assert_eq!(message.group(), b"ours"))
                        .map(|body| u32::from_be_bytes(body[..].try_into().unwrap()))
                        .sum::<u32>()
                })
            })
            .collect();
        receivers
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(sum, THREADS * (EACH * (EACH - 1) / 2));
}

/// Two PEERs, each in several threads.
fn numbers(context: &Context, endpoint: &str) {
    let mut answers = context.socket::<Peer>().unwrap();
    let bound = answers.bind(endpoint).unwrap();
    let mut asks = context.socket::<Peer>().unwrap();
    let number = NonZeroU32::new(asks.connect_peer(&bound).unwrap());
    let (answers, asks) = (answers.shared(), asks.shared());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (answers, asks) = (answers.clone(), asks.clone());
            scope.spawn(move || {
                for _ in 0..EACH {
                    let question = answers.recv().unwrap();
                    answers.send(question).unwrap();
                }
            });
            scope.spawn(move || {
                for each in 0..EACH {
                    let mut question = Message::from(&each.to_be_bytes()[..]);
                    question.set_routing_id(number);
                    asks.send(question).unwrap();
                    assert_eq!(asks.recv().unwrap().routing_id(), number);
                }
            });
        }
    });
}
