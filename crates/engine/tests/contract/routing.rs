// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets that name their peers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ferromq_engine::{Outgoing, Wait};
use ferromq_vocabulary::{Code, SocketType, Value};

use crate::common::{
    ALL, PLENTY, STREAMS, each, nothing, recv, recv_parts, send, send_parts, socket, try_send,
    until, wait_for, within,
};
use crate::peer::{MORE, Peer};

const TCP: [&str; 1] = ["tcp://127.0.0.1:*"];

/// A name of our own is five bytes, the first of them zero, and no two are the same.
#[test]
fn item_30_names_that_nobody_chose() {
    each(&ALL, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut names = Vec::new();
        let mut dealers = Vec::new();
        for _ in 0..3 {
            let mut dealer = socket(context, SocketType::Dealer);
            dealer.connect(&bound).unwrap();
            send(&mut dealer, b"x");
            let name = recv_parts(&mut router).swap_remove(0);
            assert_eq!((name.len(), name[0]), (5, 0));
            names.push(u32::from_be_bytes(name[1..].try_into().unwrap()));
            dealers.push(dealer);
        }
        assert_eq!(names[1], names[0].wrapping_add(1));
        assert_eq!(names[2], names[0].wrapping_add(2));
    });
}

/// Who comes under a name in use stays connected, and is not heard; unless names are handed over.
#[test]
fn item_30_a_name_in_use() {
    each(&STREAMS, |context, endpoint| {
        for handover in [0, 1] {
            let mut router = socket(context, SocketType::Router);
            router.set_option("ROUTER_HANDOVER", handover).unwrap();
            let events = router.monitor();
            let bound = router.bind(endpoint).unwrap().to_owned();
            let mut dealers: Vec<_> = (0..2)
                .map(|number| {
                    let mut dealer = socket(context, SocketType::Dealer);
                    dealer.set_option("ROUTING_ID", &b"name"[..]).unwrap();
                    // One whose name was taken over comes back and takes it over again.
                    dealer.set_option("RECONNECT_IVL", -1).unwrap();
                    dealer.connect(&bound).unwrap();
                    wait_for(&events, "HANDSHAKE_SUCCEEDED");
                    send(&mut dealer, &[number]);
                    if number == 0 {
                        assert_eq!(recv_parts(&mut router), [&b"name"[..], &[0]]);
                    }
                    dealer
                })
                .collect();
            let heard = usize::try_from(handover).unwrap();
            if handover == 1 {
                assert_eq!(recv_parts(&mut router), [&b"name"[..], &[1]]);
            } else {
                nothing(&mut router, 20);
            }
            send_parts(&mut router, &[b"name", b"answer"]);
            assert_eq!(recv(&mut dealers[heard]), b"answer");
            nothing(&mut dealers[1 - heard], 20);
        }
    });
}

/// With MANDATORY a send waits for room with that peer, and only with that.
#[test]
fn item_31_mandatory() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        router.set_option("ROUTER_MANDATORY", 1).unwrap();
        router.set_option("SNDHWM", 2).unwrap();
        let bound = router.bind(endpoint).unwrap().to_owned();
        let meet = |name: &[u8]| {
            let mut dealer = socket(context, SocketType::Dealer);
            dealer.set_option("ROUTING_ID", name).unwrap();
            dealer.set_option("RCVHWM", 2).unwrap();
            dealer.connect(&bound).unwrap();
            send(&mut dealer, b"here");
            dealer
        };
        let (mut slow, mut quick) = (meet(b"slow"), meet(b"quick"));
        recv_parts(&mut router);
        recv_parts(&mut router);
        let to = |router: &mut ferromq_engine::Socket, name: &[u8], wait| {
            router.send_frame(&mut Outgoing::Bytes(name), true, wait)?;
            try_send(router, &vec![1; 100_000], within(PLENTY))
        };
        assert_eq!(
            to(&mut router, b"nobody", Wait::No),
            Err(Code::HostUnreachable)
        );
        // The kernel takes in what it has room for at its own pace: filled until it stays full.
        let mut sent = 0;
        loop {
            while to(&mut router, b"slow", within(50)).is_ok() {
                sent += 1;
            }
            to(&mut router, b"quick", within(PLENTY)).unwrap();
            assert_eq!(recv(&mut quick).len(), 100_000);
            if router.peer_state(b"slow") == Ok(0) {
                break;
            }
        }
        for _ in 0..sent {
            recv(&mut slow);
        }
        to(&mut router, b"slow", within(PLENTY)).unwrap();
        recv(&mut slow);
    });
}

/// A peer that has a name before it is there can be sent to at once.
#[test]
fn item_31_a_named_peer_is_routable_at_once() {
    each(&TCP, |context, endpoint| {
        let mut far = socket(context, SocketType::Dealer);
        let bound = far.bind(endpoint).unwrap().to_owned();
        let mut router = socket(context, SocketType::Router);
        router.set_option("ROUTER_MANDATORY", 1).unwrap();
        router
            .set_option("CONNECT_ROUTING_ID", &b"far"[..])
            .unwrap();
        router.connect(&bound).unwrap();
        send_parts(&mut router, &[b"far", b"early"]);
        assert_eq!(recv(&mut far), b"early");
    });
}

/// A name with nothing behind it is nothing; one whose peer has gone is unknown when that is seen.
#[test]
fn item_32_a_name_alone() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let events = router.monitor();
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.set_option("ROUTING_ID", &b"me"[..]).unwrap();
        dealer.connect(&bound).unwrap();
        send(&mut dealer, b"here");
        recv_parts(&mut router);
        send(&mut router, b"me");
        send_parts(&mut router, &[b"me", b"told"]);
        assert_eq!(recv(&mut dealer), b"told");
        drop(dealer);
        wait_for(&events, "DISCONNECTED");
        router.set_option("ROUTER_MANDATORY", 1).unwrap();
        until("it stays known", || {
            router.readiness().unwrap();
            router.peer_state(b"me") == Err(Code::HostUnreachable)
        });
    });
}

#[test]
fn item_33_coming_and_going_look_the_same() {
    each(&TCP, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        router.set_option("ROUTER_NOTIFY", 3).unwrap();
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "DEALER");
        let came = recv_parts(&mut router);
        assert_eq!(came[1], b"");
        peer.send(0, b"whole");
        assert_eq!(recv_parts(&mut router)[1], b"whole");
        // Half a message, and gone.
        peer.send(MORE, b"half");
        drop(peer);
        assert_eq!(recv_parts(&mut router), came);
        nothing(&mut router, 10);
    });
}

/// PROBE_ROUTER: an empty message ahead of everything.
#[test]
fn item_34_probes() {
    each(&ALL, |context, endpoint| {
        for kind in [SocketType::Dealer, SocketType::Router, SocketType::Req] {
            let mut router = socket(context, SocketType::Router);
            let bound = router.bind(endpoint).unwrap().to_owned();
            let mut prober = socket(context, kind);
            prober.set_option("PROBE_ROUTER", 1).unwrap();
            prober.set_option("ROUTING_ID", &b"prober"[..]).unwrap();
            prober.connect(&bound).unwrap();
            assert_eq!(recv_parts(&mut router), [&b"prober"[..], b""]);
            if endpoint.starts_with("inproc") {
                router.unbind(endpoint).unwrap();
            }
        }
        let mut dealer = socket(context, SocketType::Dealer);
        let bound = dealer.bind(endpoint).unwrap().to_owned();
        let mut prober = socket(context, SocketType::Router);
        prober.set_option("PROBE_ROUTER", 1).unwrap();
        prober.connect(&bound).unwrap();
        assert_eq!(recv_parts(&mut dealer), [b""]);
    });
}

/// Two ROUTERs need names; a DEALER writes the delimiter for a REP itself.
#[test]
fn item_35_compositions() {
    each(&ALL, |context, endpoint| {
        let mut near = socket(context, SocketType::Router);
        near.set_option("ROUTING_ID", &b"near"[..]).unwrap();
        let mut far = socket(context, SocketType::Router);
        far.set_option("ROUTING_ID", &b"far"[..]).unwrap();
        let bound = near.bind(endpoint).unwrap().to_owned();
        far.connect(&bound).unwrap();
        until("no way", || {
            send_parts(&mut far, &[b"near", b"ping"]);
            near.recv_frame(within(20)).is_ok()
        });
        while near.recv_frame(Wait::No).is_ok() {}
        send_parts(&mut near, &[b"far", b"pong"]);
        assert_eq!(recv_parts(&mut far), [&b"near"[..], b"pong"]);
        if endpoint.starts_with("inproc") {
            near.unbind(endpoint).unwrap();
        }
        let mut rep = socket(context, SocketType::Rep);
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.connect(&bound).unwrap();
        send(&mut dealer, b"no delimiter");
        send_parts(&mut dealer, &[b"trace", b"", b"question"]);
        assert_eq!(recv_parts(&mut rep), [b"question"]);
        send(&mut rep, b"answer");
        assert_eq!(recv_parts(&mut dealer), [&b"trace"[..], b"", b"answer"]);
    });
}

/// STREAM: who, then what; nothing ends the connection.
#[test]
fn item_43_plain_connections() {
    each(&TCP, |context, endpoint| {
        let mut stream = socket(context, SocketType::Stream);
        let bound = stream.bind(endpoint).unwrap().to_owned();
        let mut peer = TcpStream::connect(bound.strip_prefix("tcp://").unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(PLENTY)))
            .unwrap();
        let came = recv_parts(&mut stream);
        assert_eq!((came[0].len(), came[0][0], &came[1][..]), (5, 0, &b""[..]));
        peer.write_all(b"hello").unwrap();
        assert_eq!(recv_parts(&mut stream), [&came[0][..], b"hello"]);
        // MORE means nothing on data.
        for (part, more) in [
            (&came[0][..], true),
            (b"one ", true),
            (&came[0], true),
            (b"two", false),
        ] {
            stream
                .send_frame(&mut Outgoing::Bytes(part), more, within(PLENTY))
                .unwrap();
        }
        let mut answer = [0; 7];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"one two");
        send_parts(&mut stream, &[&came[0], b""]);
        assert_eq!(peer.read(&mut answer).unwrap(), 0);
        let unknown = stream.send_frame(&mut Outgoing::Bytes(b"nobody"), true, Wait::No);
        assert_eq!(unknown, Err(Code::HostUnreachable));

        // Who connects learns the name from the option.
        let mut far = socket(context, SocketType::Stream);
        far.connect(&bound).unwrap();
        let met = recv_parts(&mut far);
        assert_eq!(
            far.get_option("ROUTING_ID"),
            Ok(Value::Bytes(met[0].clone()))
        );
    });
}

/// Types of single parts refuse to send several, and drop several that come.
#[test]
fn item_44_single_parts() {
    each(&TCP, |context, endpoint| {
        let mut client = socket(context, SocketType::Client);
        client.connect("tcp://127.0.0.1:9").unwrap();
        let more = client.send_frame(&mut Outgoing::Bytes(b"x"), true, Wait::No);
        assert_eq!(more, Err(Code::Invalid));
        for (kind, other) in [
            (SocketType::Server, "CLIENT"),
            (SocketType::Gather, "SCATTER"),
            (SocketType::Channel, "CHANNEL"),
        ] {
            let mut near = socket(context, kind);
            let bound = near.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::meet(&bound, other);
            peer.send(MORE, b"several");
            peer.send(0, b"parts");
            peer.send(0, b"one");
            assert_eq!(recv_parts(&mut near), [b"one"], "{kind:?}");
        }
    });
}
