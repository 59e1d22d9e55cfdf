// SPDX-License-Identifier: MIT OR Apache-2.0
//! Limits and bans, and what libzmq's advisories teach, as peers meet them.

use std::net::UdpSocket;
use std::time::Duration;

use ferromq_engine::{MonitorEvents, Socket, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    STREAMS, after, each, nothing, recv, recv_parts, resident_bytes, send, socket, try_send, until,
    wait_for,
};
use crate::peer::{COMMAND, MORE, Peer, command, frame, greeting, ready};

const EPERM: u64 = 1;
const EUSERS: u64 = 87;

/// READY of this type with one more property.
fn ready_with(socket_type: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", socket_type.as_bytes()), (name, value)] {
        body.push(u8::try_from(name.len()).unwrap());
        body.extend(name.as_bytes());
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value);
    }
    frame(COMMAND, &body)
}

fn turned_away(events: &MonitorEvents, bound: &str, errno: u64) {
    Peer::connect(bound).until_closed();
    let event = wait_for(events, "ACCEPT_FAILED");
    assert_eq!(event.event.value(), errno);
}

#[test]
fn connections_of_a_listener_and_of_an_address() {
    each(&STREAMS, |context, endpoint| {
        for limit in ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS"] {
            let mut pull = socket(context, SocketType::Pull);
            pull.set_option(limit, 3).unwrap();
            let events = pull.monitor();
            let bound = pull.bind(endpoint).unwrap().to_owned();
            let mut peers: Vec<_> = (0..3).map(|_| Peer::meet(&bound, "PUSH")).collect();
            turned_away(&events, &bound, EUSERS);
            for peer in &mut peers {
                peer.send(0, b"still here");
                assert_eq!(recv(&mut pull), b"still here");
            }
            peers.pop();
            until("a place that is free again", || {
                !Peer::connect(&bound).read(1).is_empty()
            });
        }
    });
}

/// A DEALER of this name that has said something.
fn dealer(router: &mut Socket, bound: &str, name: &[u8]) -> Peer {
    let mut peer = Peer::connect(bound);
    peer.write(&greeting());
    peer.write(&ready_with("DEALER", "Identity", name));
    peer.send(0, b"hello");
    assert_eq!(recv_parts(router), [name, b"hello"]);
    peer
}

#[test]
fn who_is_banned_stays_away() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let events = router.monitor();
        let bound = router.bind(endpoint).unwrap().to_owned();
        assert_eq!(
            router.ban_routing_id(b"nobody", None),
            Err(Code::HostUnreachable)
        );
        // Who is disconnected may come back.
        let mut peer = dealer(&mut router, &bound, b"rude");
        router.disconnect_routing_id(b"rude").unwrap();
        peer.until_closed();
        // Who is banned may not, nor anybody else from there.
        let mut peer = dealer(&mut router, &bound, b"rude");
        let mut other = dealer(&mut router, &bound, b"other");
        router.ban_routing_id(b"rude", None).unwrap();
        peer.until_closed();
        other.until_closed();
        turned_away(&events, &bound, EPERM);
        router.lift_bans();
        let mut peer = dealer(&mut router, &bound, b"rude");
        // A ban with an end.
        router.ban_routing_id(b"rude", Some(after(50))).unwrap();
        peer.until_closed();
        until("an end of the ban", || {
            !Peer::connect(&bound).read(1).is_empty()
        });
        dealer(&mut router, &bound, b"rude");
    });
}

#[test]
fn subscriptions_of_a_peer() {
    each(&STREAMS, |context, endpoint| {
        for kind in [SocketType::Pub, SocketType::Xpub] {
            let mut publisher = socket(context, kind);
            publisher.set_option("MAX_SUBSCRIPTIONS", 10).unwrap();
            let bytes = 1_000i64;
            publisher
                .set_option("MAX_SUBSCRIPTION_BYTES", bytes)
                .unwrap();
            let bound = publisher.bind(endpoint).unwrap().to_owned();
            let mut modest = Peer::meet(&bound, "SUB");
            for topic in 0..10u8 {
                modest.write(&command("SUBSCRIBE", &[b'a' + topic]));
            }
            let mut greedy = Peer::meet(&bound, "SUB");
            for topic in 0..11u8 {
                greedy.write(&command("SUBSCRIBE", &[b'A' + topic]));
            }
            let mut wordy = Peer::meet(&bound, "SUB");
            wordy.write(&frame(0, &[1; 1_002]));
            for peer in [&mut greedy, &mut wordy] {
                until("an end", || {
                    send(&mut publisher, b"nobody's");
                    peer.has_input(Duration::from_millis(1))
                });
                assert_eq!(peer.frame(), None);
            }
            until("the modest one's", || {
                send(&mut publisher, b"j");
                modest.has_input(Duration::from_millis(1))
            });
            assert_eq!(modest.message().unwrap(), (0, b"j".to_vec()));
        }
    });
}

#[test]
fn sizes_of_the_handshake_and_its_properties() {
    each(&STREAMS, |context, endpoint| {
        for (option, size) in [("MAX_METADATA_SIZE", 256), ("MAX_HANDSHAKE_SIZE", 512)] {
            let mut pull = socket(context, SocketType::Pull);
            pull.set_option(option, size).unwrap();
            let events = pull.monitor();
            let bound = pull.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::connect(&bound);
            peer.write(&greeting());
            peer.write(&ready_with("PUSH", "X-Fill", &[0; 600]));
            peer.until_closed();
            wait_for(&events, "HANDSHAKE_FAILED_PROTOCOL");
            let mut peer = Peer::connect(&bound);
            peer.write(&greeting());
            peer.write(&ready_with("PUSH", "X-Fill", &[0; 200]));
            peer.send(0, b"fits");
            assert_eq!(recv(&mut pull), b"fits");
        }
    });
}

#[test]
fn size_of_all_parts_together() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let size = 1_000i64;
        pull.set_option("MAX_MULTIPART_SIZE", size).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PUSH");
        peer.send(MORE, &[0; 400]);
        peer.send(0, &[0; 600]);
        assert_eq!(recv_parts(&mut pull).len(), 2);
        for _ in 0..3 {
            peer.try_write(&frame(MORE, &[0; 400]));
        }
        peer.until_closed();
        nothing(&mut pull, 5);
    });
}

/// CVE-2020-15166: who has not proved who it is has no place in a socket's queues.
#[test]
fn item_58_strangers_get_no_pipe() {
    each(&STREAMS, |context, endpoint| {
        for mechanism in ["NULL", "PLAIN"] {
            let mut push = socket(context, SocketType::Push);
            let plain = mechanism == "PLAIN";
            push.set_option("PLAIN_SERVER", i32::from(plain)).unwrap();
            let bound = push.bind(endpoint).unwrap().to_owned();
            let mut greeting = greeting();
            greeting[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
            let whole = ready("PULL");
            let strangers: Vec<_> = (0..50)
                .map(|_| {
                    let mut peer = Peer::connect(&bound);
                    peer.write(&greeting);
                    let mut read = 0;
                    while read < greeting.len() {
                        read += peer.read(greeting.len() - read).len();
                    }
                    if !plain {
                        peer.write(&whole[..whole.len() - 1]);
                    }
                    peer
                })
                .collect();
            assert_eq!(try_send(&mut push, b"x", Wait::No), Err(Code::Again));
            assert_eq!(push.statistics(), []);
            drop(strangers);
        }
    });
}

/// GHSA-wfr2-29gj-5w87: messages to a publisher, with their metadata, are forgotten at once.
#[test]
fn item_58_what_a_publisher_does_not_want_leaves_nothing() {
    const COUNT: usize = 200;
    each(&STREAMS, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Pub);
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "SUB");
        let unwanted = frame(0, &[7; 100]).repeat(1_000);
        let before = resident_bytes();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..COUNT).for_each(|_| peer.write(&unwanted)));
            until("all of it read", || {
                send(&mut publisher, b"nobody's");
                let read = publisher.statistics().first().map(|peer| peer.bytes_read);
                read.is_some_and(|read| read >= (COUNT * unwanted.len()) as u64)
            });
        });
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 8 << 20, "{} KiB", grown >> 10);
    });
}

/// Of 2026-06: lengths are no signed numbers, and no longer than what has come.
#[test]
fn item_58_datagrams_that_lie() {
    each(&["udp://127.0.0.1:*"], |context, endpoint| {
        let mut dish = socket(context, SocketType::Dish);
        let long = [b'g'; 200];
        dish.join(b"TV").unwrap();
        dish.join(&long).unwrap();
        let bound = dish.bind(endpoint).unwrap().to_owned();
        let speaker = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = bound.strip_prefix("udp://").unwrap();
        let beyond = [&[255][..], &[b'g'; 254]].concat();
        let huge = [&b"\x02XX"[..], &vec![0; 60_000]].concat();
        for lie in [&b""[..], b"\xff", b"\x80x", b"\x03TV", &beyond, &huge] {
            speaker.send_to(lie, address).unwrap();
        }
        let true_one = [&[200][..], &long, b"long"].concat();
        speaker.send_to(&true_one, address).unwrap();
        speaker.send_to(b"\x02TVshort", address).unwrap();
        assert_eq!(recv(&mut dish), b"long");
        assert_eq!(recv(&mut dish), b"short");
        nothing(&mut dish, 5);
    });
}
