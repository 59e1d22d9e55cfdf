// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an option does, where no numbered item is about it.

use ferromq_engine::Wait;
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{ALL, STREAMS, each, recv, recv_parts, send, send_parts, socket, try_send};
use crate::peer::{Listener, MORE, Peer, greeting, ready};

/// Requests carry a number, and only the reply that has it is taken.
#[test]
fn a_correlated_request_takes_its_own_reply_only() {
    each(&STREAMS[..1], |context, _| {
        let listener = Listener::tcp();
        let mut req = socket(context, SocketType::Req);
        req.set_option("REQ_CORRELATE", 1).unwrap();
        req.connect(&listener.endpoint()).unwrap();
        let mut rep = listener.accept();
        rep.shake_hands("REP");
        send(&mut req, b"question");
        let (flags, number) = rep.message().unwrap();
        assert_eq!((flags, number.len()), (MORE, 4));
        assert_eq!(rep.message(), Some((MORE, Vec::new())));
        assert_eq!(rep.message(), Some((0, b"question".to_vec())));
        let other: Vec<u8> = number.iter().map(|byte| !byte).collect();
        for (number, reply) in [(&other, b"another's"), (&number, b"its own 1")] {
            rep.send(MORE, number);
            rep.send(MORE, b"");
            rep.send(0, reply);
        }
        assert_eq!(recv(&mut req), b"its own 1");
    });
}

/// A request may follow a request; the reply to the one that was given up is not taken.
#[test]
fn a_relaxed_request_may_be_given_up() {
    each(&ALL, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut strict = socket(context, SocketType::Req);
        strict.connect(&bound).unwrap();
        send(&mut strict, b"1");
        let refused = try_send(&mut strict, b"2", Wait::No);
        assert_eq!(refused.err(), Some(Code::State));
        recv_parts(&mut router);
        drop(strict);
        let mut relaxed = socket(context, SocketType::Req);
        relaxed.set_option("REQ_RELAXED", 1).unwrap();
        relaxed.set_option("REQ_CORRELATE", 1).unwrap();
        relaxed.connect(&bound).unwrap();
        send(&mut relaxed, b"given up");
        let first = recv_parts(&mut router);
        send(&mut relaxed, b"asked");
        let second = recv_parts(&mut router);
        assert_eq!(second.last().unwrap(), b"asked");
        for request in [first, second] {
            let parts: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            send_parts(&mut router, &parts);
        }
        assert_eq!(recv(&mut relaxed), b"asked");
    });
}

/// Properties of one's own are told to the peer, whose messages carry them.
#[test]
fn properties_of_ones_own_reach_the_peer() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        push.set_option("METADATA", &b"X-colour:blue"[..]).unwrap();
        push.connect(&bound).unwrap();
        send(&mut push, b"x");
        let message = pull.recv_frame(crate::common::soon()).unwrap();
        let properties = message.metadata().unwrap();
        assert_eq!(properties.get("X-colour"), Some(&b"blue"[..]));
        assert_eq!(properties.get("X-size"), None);
    });
}

/// Behind the first part nothing is a subscription.
#[test]
fn only_the_first_part_subscribes() {
    each(&STREAMS, |context, endpoint| {
        for only_first in [false, true] {
            let mut xpub = socket(context, SocketType::Xpub);
            xpub.set_option("ONLY_FIRST_SUBSCRIBE", i32::from(only_first))
                .unwrap();
            let bound = xpub.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::meet(&bound, "SUB");
            peer.send(MORE, b"\x01A");
            peer.send(0, b"\x01B");
            peer.send(0, b"\x01end");
            while recv(&mut xpub) != b"\x01end" {}
            send(&mut xpub, b"B");
            send(&mut xpub, b"A");
            send(&mut xpub, b"end");
            let mut heard = Vec::new();
            while heard.last().is_none_or(|last: &Vec<u8>| last != b"end") {
                heard.push(peer.message().unwrap().1);
            }
            let expected: &[&[u8]] = if only_first {
                &[b"A", b"end"]
            } else {
                &[b"B", b"A", b"end"]
            };
            assert_eq!(heard, expected, "{only_first}");
        }
    });
}

/// Each of several equal subscriptions is taken back by itself.
#[test]
fn every_unsubscription_is_told() {
    each(&STREAMS, |context, endpoint| {
        for verbose in [false, true] {
            let mut xpub = socket(context, SocketType::Xpub);
            xpub.set_option("XPUB_VERBOSER", 1).unwrap();
            let bound = xpub.bind(endpoint).unwrap().to_owned();
            let mut xsub = socket(context, SocketType::Xsub);
            xsub.set_option("XSUB_VERBOSE_UNSUBSCRIBE", i32::from(verbose))
                .unwrap();
            xsub.connect(&bound).unwrap();
            // What is taken back before the connection stands is told to nobody.
            send(&mut xsub, b"\x01here");
            assert_eq!(recv(&mut xpub), b"\x01here");
            for message in [&b"\x01A"[..], b"\x01A", b"\0A", b"\0A", b"\x01end"] {
                send(&mut xsub, message);
            }
            let mut told = 0;
            loop {
                match &recv(&mut xpub)[..] {
                    b"\0A" => told += 1,
                    b"\x01end" => break,
                    other => assert_eq!(other, b"\x01A"),
                }
            }
            assert_eq!(told, if verbose { 2 } else { 1 });
        }
    });
}

/// With a domain and nobody to ask, everybody is refused.
#[test]
fn a_domain_that_is_enforced_needs_a_handler() {
    each(&STREAMS[..1], |context, endpoint| {
        for enforced in [false, true] {
            let mut pull = socket(context, SocketType::Pull);
            pull.set_option("ZAP_DOMAIN", &b"here"[..]).unwrap();
            pull.set_option("ZAP_ENFORCE_DOMAIN", i32::from(enforced))
                .unwrap();
            let bound = pull.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::connect(&bound);
            peer.write(&greeting());
            peer.write(&ready("PUSH"));
            let mut theirs = 0;
            while theirs < 64 {
                theirs += peer.read(64 - theirs).len();
            }
            let answer = peer.frame().map(|(_, body)| body);
            let is_ready = answer.is_some_and(|body| body.starts_with(b"\x05READY"));
            assert_eq!(is_ready, !enforced);
        }
    });
}
