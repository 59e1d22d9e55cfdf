// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message is whole, or it is not there: what becomes of one half received, or half sent, when the application lets go
//! of its peer.

use ferromq_engine::{Context, Outgoing, Socket, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    ALL, STREAMS, each, nothing, recv, recv_parts, send, send_parts, socket, soon, try_send, until,
    wait_for,
};

/// Types whose messages have several parts, as sender and receiver, and what stands before what is received.
const PAIRS: [(SocketType, SocketType, bool); 7] = [
    (SocketType::Push, SocketType::Pull, false),
    (SocketType::Pub, SocketType::Sub, false),
    (SocketType::Xpub, SocketType::Xsub, false),
    (SocketType::Dealer, SocketType::Dealer, false),
    (SocketType::Dealer, SocketType::Router, true),
    (SocketType::Pair, SocketType::Pair, false),
    (SocketType::Push, SocketType::Pull, false),
];

/// A receiver that everything is for.
fn receiver(context: &Context, socket_type: SocketType) -> Socket {
    let mut receiver = socket(context, socket_type);
    if socket_type == SocketType::Sub {
        receiver.set_option("SUBSCRIBE", "").unwrap();
    }
    receiver
}

fn subscribe(receiver: &mut Socket) {
    if receiver.socket_type() == SocketType::Xsub {
        send(receiver, &[1]);
    }
}

/// Sends until something comes.
fn until_met(sender: &mut Socket, receiver: &mut Socket) {
    until("they do not meet", || {
        try_send(sender, b"hello", Wait::No).ok();
        receiver.recv_frame(Wait::No).is_ok()
    });
    send(sender, b"met");
    while recv(receiver) != b"met" {}
}

/// Receives the parts of a message up to and with its first one.
fn receive_first(receiver: &mut Socket, named: bool) -> Vec<u8> {
    if named {
        recv(receiver);
        assert!(receiver.receive_more());
    }
    let first = recv(receiver);
    assert!(receiver.receive_more(), "one part of several");
    first
}

/// The rest of a message half received can be received to its end, and nothing of that peer after it; nothing of a
/// message that has not been begun is there.
#[test]
fn what_has_been_begun_is_received_to_its_end() {
    each(&ALL, |context, endpoint| {
        for (index, (sends, receives, named)) in PAIRS.into_iter().enumerate() {
            for half in [false, true] {
                let mut sender = socket(context, sends);
                let name = if endpoint.starts_with("inproc") {
                    format!("{endpoint}-{index}-{half}")
                } else {
                    endpoint.to_owned()
                };
                let bound = sender.bind(&name).unwrap().to_owned();
                let mut receiver = receiver(context, receives);
                receiver.connect(&bound).unwrap();
                subscribe(&mut receiver);
                until_met(&mut sender, &mut receiver);
                for _ in 0..3 {
                    send_parts(&mut sender, &[b"1", b"2", b"3"]);
                }
                if half {
                    assert_eq!(receive_first(&mut receiver, named), b"1");
                } else {
                    until("no message", || receiver.readiness().unwrap().readable);
                }
                receiver.disconnect(&bound).unwrap();
                if half {
                    assert_eq!(recv(&mut receiver), b"2");
                    assert!(receiver.receive_more());
                    assert_eq!(recv(&mut receiver), b"3");
                    assert!(!receiver.receive_more());
                }
                nothing(&mut receiver, 5);
                receiver.connect(&bound).unwrap();
                subscribe(&mut receiver);
                until("nothing comes after connecting again", || {
                    try_send(&mut sender, b"new", Wait::No).ok();
                    receiver
                        .recv_frame(Wait::No)
                        .is_ok_and(|part| named || &part[..] == b"new")
                });
            }
        }
    });
}

/// The parts of another peer's message are not put behind those of one that has gone.
#[test]
fn nothing_is_glued() {
    each(&ALL, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let (mut one, mut two) = (
            socket(context, SocketType::Push),
            socket(context, SocketType::Push),
        );
        let name = |number: u8| match endpoint.split_once("//") {
            Some(("inproc:", name)) => format!("inproc://{name}-{number}"),
            _ => endpoint.to_owned(),
        };
        let first = one.bind(&name(1)).unwrap().to_owned();
        let second = two.bind(&name(2)).unwrap().to_owned();
        pull.connect(&first).unwrap();
        pull.connect(&second).unwrap();
        send_parts(&mut one, &[b"1a", b"1b", b"1c"]);
        assert_eq!(recv(&mut pull), b"1a");
        send_parts(&mut two, &[b"2a", b"2b"]);
        until("the other's message", || {
            pull.readiness().unwrap();
            pull.statistics()
                .iter()
                .any(|peer| peer.messages_readable > 0)
        });
        pull.disconnect(&first).unwrap();
        assert_eq!(recv(&mut pull), b"1b");
        assert_eq!(recv(&mut pull), b"1c");
        assert!(!pull.receive_more());
        assert_eq!(recv_parts(&mut pull), [b"2a", b"2b"]);
    });
}

/// The same where this side is bound, and the other end ends with the listener.
#[test]
fn an_unbind_leaves_what_has_been_begun() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.connect(&bound).unwrap();
        send_parts(&mut dealer, &[b"1", b"2", b"3"]);
        assert_eq!(receive_first(&mut router, true), b"1");
        router.unbind(&bound).unwrap();
        assert_eq!(recv(&mut router), b"2");
        assert!(router.receive_more());
        assert_eq!(recv(&mut router), b"3");
        assert!(!router.receive_more());
        nothing(&mut router, 5);
    });
}

/// Of a message half sent nothing arrives, the rest of it goes nowhere, and the next one is whole.
#[test]
fn what_is_half_sent_is_taken_back() {
    each(&ALL, |context, endpoint| {
        for socket_type in [SocketType::Dealer, SocketType::Pair, SocketType::Push] {
            let name = if endpoint.starts_with("inproc") {
                format!("{endpoint}-{socket_type}")
            } else {
                endpoint.to_owned()
            };
            let receives = match socket_type {
                SocketType::Push => SocketType::Pull,
                other => other,
            };
            let mut receiver = socket(context, receives);
            let bound = receiver.bind(&name).unwrap().to_owned();
            let mut sender = socket(context, socket_type);
            sender.connect(&bound).unwrap();
            send(&mut sender, b"first");
            assert_eq!(recv(&mut receiver), b"first");
            let part = |sender: &mut Socket, body: &[u8], more| {
                sender.send_frame(&mut Outgoing::Bytes(body), more, soon())
            };
            part(&mut sender, b"half", true).unwrap();
            sender.disconnect(&bound).unwrap();
            part(&mut sender, b"a message", true).unwrap();
            part(&mut sender, b"to nobody", false).unwrap();
            assert_eq!(try_send(&mut sender, b"early", Wait::No), Err(Code::Again));
            // A PAIR takes one after the other.
            until("still there", || {
                receiver.readiness().unwrap();
                receiver.peers() == 0
            });
            sender.connect(&bound).unwrap();
            send_parts(&mut sender, &[b"whole", b"message"]);
            assert_eq!(recv_parts(&mut receiver), [&b"whole"[..], b"message"]);
        }
    });
}

/// Half received and half sent over the same connection: the one is received, the other taken back.
#[test]
fn both_ways_at_once() {
    each(&ALL, |context, endpoint| {
        let mut there = socket(context, SocketType::Dealer);
        let bound = there.bind(endpoint).unwrap().to_owned();
        let mut here = socket(context, SocketType::Dealer);
        here.connect(&bound).unwrap();
        send_parts(&mut there, &[b"1", b"2"]);
        assert_eq!(recv(&mut here), b"1");
        here.send_frame(&mut Outgoing::Bytes(b"half"), true, soon())
            .unwrap();
        here.disconnect(&bound).unwrap();
        here.send_frame(&mut Outgoing::Bytes(b"rest"), false, soon())
            .unwrap();
        assert_eq!(recv(&mut here), b"2");
        assert!(!here.receive_more());
        nothing(&mut there, 5);
        here.connect(&bound).unwrap();
        send_parts(&mut here, &[b"3", b"4"]);
        assert_eq!(recv_parts(&mut there), [b"3", b"4"]);
    });
}

/// A name is no part of a message: what follows it is still there when the peer is let go between the two.
#[test]
fn a_name_is_followed_by_its_message() {
    each(&STREAMS, |context, endpoint| {
        let mut dealer = socket(context, SocketType::Dealer);
        let bound = dealer.bind(endpoint).unwrap().to_owned();
        let mut router = socket(context, SocketType::Router);
        let events = router.monitor();
        router.connect(&bound).unwrap();
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        send_parts(&mut dealer, &[b"1", b"2"]);
        recv(&mut router);
        assert!(router.receive_more());
        router.disconnect(&bound).unwrap();
        assert_eq!(recv_parts(&mut router), [b"1", b"2"]);
        nothing(&mut router, 5);
    });
}
