// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every socket type over each transport and under each policy.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use ferromq_engine::{Context, Outgoing, Policy, Socket, Wait};
use ferromq_message::Message;
use ferromq_vocabulary::option::number;
use ferromq_vocabulary::{Code, SocketType};

const POLICIES: [Policy; 3] = [Policy::IoOnly, Policy::Assisted, Policy::Chaos];
const WILDCARDS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://all-types"];

fn soon() -> Wait {
    Wait::Until(Instant::now() + Duration::from_secs(60))
}

fn send(socket: &mut Socket, parts: &[&[u8]]) {
    for (index, part) in parts.iter().enumerate() {
        let more = index + 1 < parts.len();
        socket
            .send_frame(&mut Outgoing::Bytes(part), more, soon())
            .unwrap();
    }
}

fn recv(socket: &mut Socket) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    loop {
        let message = socket.recv_frame(soon()).unwrap_or_else(|code| {
            panic!(
                "{:?} {code}: {parts:?} {:?}",
                socket.socket_type(),
                socket.statistics()
            )
        });
        parts.push(message.to_vec());
        if !message.more() {
            return parts;
        }
    }
}

/// Both ends of a conversation: the first binds.
fn each(near: SocketType, far: SocketType, test: impl Fn(&mut Socket, &mut Socket)) {
    each_with(near, far, |_, _| {}, test);
}

fn each_with(
    near: SocketType,
    far: SocketType,
    prepare: impl Fn(&mut Socket, &mut Socket),
    test: impl Fn(&mut Socket, &mut Socket),
) {
    for policy in POLICIES {
        for endpoint in WILDCARDS {
            let context = Context::new();
            context.set_policy(policy);
            let mut near = context.socket(near).unwrap();
            let mut far = context.socket(far).unwrap();
            prepare(&mut near, &mut far);
            let bound = near.bind(endpoint).unwrap().to_owned();
            far.connect(&bound).unwrap();
            test(&mut near, &mut far);
            drop((near, far));
            assert!(context.terminate(Some(Instant::now() + Duration::from_secs(60))));
        }
    }
}

/// Waits until a condition holds, looking at both sockets so that they move.
fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came to be");
        std::thread::yield_now();
    }
}

#[test]
fn dealer_and_router() {
    each_with(
        SocketType::Router,
        SocketType::Dealer,
        |_, dealer| dealer.set_option(number::ROUTING_ID, &b"me"[..]).unwrap(),
        |router, dealer| {
            for round in 0..100u32 {
                send(dealer, &[b"", &round.to_be_bytes()]);
                let request = recv(router);
                assert_eq!(request, [&b"me"[..], b"", &round.to_be_bytes()]);
                send(router, &[b"me", b"one", b"two"]);
                assert_eq!(recv(dealer), [&b"one"[..], b"two"]);
            }
            assert_eq!(router.peer_state(b"me"), Ok(2));
            assert_eq!(router.peer_state(b"you"), Err(Code::HostUnreachable));
            router.set_option(number::ROUTER_MANDATORY, 1).unwrap();
            let unknown = router.send_frame(&mut Outgoing::Bytes(b"you"), true, Wait::No);
            assert_eq!(unknown, Err(Code::HostUnreachable));
        },
    );
}

#[test]
fn req_router_and_dealer_rep() {
    each(SocketType::Router, SocketType::Req, |router, req| {
        send(req, &[b"question"]);
        let request = recv(router);
        assert_eq!(request[1..], [&b""[..], b"question"]);
        send(router, &[&request[0], b"", b"answer"]);
        assert_eq!(recv(req), [b"answer"]);
    });
    each(SocketType::Rep, SocketType::Dealer, |rep, dealer| {
        send(dealer, &[b"", b"question"]);
        assert_eq!(recv(rep), [b"question"]);
        send(rep, &[b"answer"]);
        assert_eq!(recv(dealer), [&b""[..], b"answer"]);
    });
}

#[test]
fn xpub_and_xsub() {
    each(SocketType::Xpub, SocketType::Xsub, |xpub, xsub| {
        send(xsub, &[b"\x01A"]);
        assert_eq!(recv(xpub), [b"\x01A"]);
        send(xpub, &[b"B", b"lost"]);
        send(xpub, &[b"A", b"1"]);
        assert_eq!(recv(xsub), [&b"A"[..], b"1"]);
        send(xsub, &[b"hello", b"there"]);
        assert_eq!(recv(xpub), [&b"hello"[..], b"there"]);
        send(xsub, &[b"\x00A"]);
        assert_eq!(recv(xpub), [b"\x00A"]);
        send(xpub, &[b"A", b"2"]);
        assert_eq!(xsub.recv_frame(Wait::No).err(), Some(Code::Again));
    });
}

#[test]
fn an_xpub_that_only_sends_learns_of_subscriptions() {
    each(SocketType::Xpub, SocketType::Sub, |xpub, sub| {
        sub.subscribe(b"A").unwrap();
        until(|| {
            send(xpub, &[b"A"]);
            sub.recv_frame(Wait::No).is_ok()
        });
    });
}

#[test]
fn client_and_server() {
    each(SocketType::Server, SocketType::Client, |server, client| {
        send(client, &[b"question"]);
        let mut message = server.recv_frame(soon()).unwrap();
        assert_eq!(&message[..], b"question");
        assert!(message.routing_id().is_some());
        server
            .send_frame(&mut Outgoing::Message(&mut message), false, soon())
            .unwrap();
        assert_eq!(recv(client), [b"question"]);
        let more = client.send_frame(&mut Outgoing::Bytes(b"x"), true, Wait::No);
        assert_eq!(more, Err(Code::Invalid));
    });
}

#[test]
fn peer_and_peer() {
    each(SocketType::Peer, SocketType::Peer, |near, far| {
        let endpoint = near.last_endpoint().to_owned();
        let number = far.connect_peer(&endpoint).unwrap();
        let mut message = Message::copy_from_slice(b"hello");
        message.set_routing_id(std::num::NonZeroU32::new(number));
        far.send_frame(&mut Outgoing::Message(&mut message), false, soon())
            .unwrap();
        let mut message = near.recv_frame(soon()).unwrap();
        near.send_frame(&mut Outgoing::Message(&mut message), false, soon())
            .unwrap();
        let answer = far.recv_frame(soon()).unwrap();
        assert_eq!(answer.routing_id().unwrap().get(), number);
        far.disconnect_peer(number).unwrap();
        assert_eq!(far.disconnect_peer(number), Err(Code::HostUnreachable));
    });
}

#[test]
fn radio_and_dish() {
    each(SocketType::Radio, SocketType::Dish, |radio, dish| {
        dish.join(b"TV").unwrap();
        assert_eq!(dish.join(b"TV"), Err(Code::Invalid));
        let mut got = None;
        until(|| {
            for group in [&b"Movies"[..], b"TV"] {
                let mut message = Message::copy_from_slice(b"news");
                message.set_group(group).unwrap();
                radio
                    .send_frame(&mut Outgoing::Message(&mut message), false, soon())
                    .unwrap();
            }
            got = dish.recv_frame(Wait::No).ok();
            got.is_some()
        });
        let got = got.unwrap();
        assert_eq!((got.group(), &got[..]), (&b"TV"[..], &b"news"[..]));
        dish.leave(b"TV").unwrap();
    });
}

#[test]
fn scatter_gather_and_channel() {
    each(
        SocketType::Gather,
        SocketType::Scatter,
        |gather, scatter| {
            for _ in 0..100 {
                send(scatter, &[b"x"]);
                assert_eq!(recv(gather), [b"x"]);
            }
        },
    );
    each(SocketType::Channel, SocketType::Channel, |near, far| {
        send(far, &[b"x"]);
        assert_eq!(recv(near), [b"x"]);
        send(near, &[b"y"]);
        assert_eq!(recv(far), [b"y"]);
    });
}

#[test]
fn hello_and_disconnect_messages() {
    each_with(
        SocketType::Server,
        SocketType::Client,
        |server, client| {
            server.set_option(number::HELLO_MSG, &b"hello"[..]).unwrap();
            server
                .set_option(number::DISCONNECT_MSG, &b"bye"[..])
                .unwrap();
            client.set_option(number::HELLO_MSG, &b"me"[..]).unwrap();
        },
        |server, client| {
            assert_eq!(recv(client), [b"hello"]);
            assert_eq!(recv(server), [b"me"]);
            let endpoint = server.last_endpoint().to_owned();
            client.disconnect(&endpoint).unwrap();
            assert_eq!(recv(server), [b"bye"]);
        },
    );
}

#[test]
fn a_router_names_the_peer_it_connects_to() {
    each_with(
        SocketType::Router,
        SocketType::Router,
        |near, far| {
            near.set_option(number::ROUTING_ID, &b"near"[..]).unwrap();
            far.set_option(number::CONNECT_ROUTING_ID, &b"you"[..])
                .unwrap();
            far.set_option(number::ROUTING_ID, &b"far"[..]).unwrap();
        },
        |near, far| {
            send(far, &[b"you", b"1"]);
            assert_eq!(recv(near), [&b"far"[..], b"1"]);
            send(near, &[b"far", b"2"]);
            assert_eq!(recv(far), [&b"you"[..], b"2"]);
        },
    );
}

/// ROUTER_RAW: what libzmq had before STREAM.
#[test]
fn a_router_of_plain_connections() {
    use std::io::{Read, Write};
    for policy in POLICIES {
        let context = Context::new();
        context.set_policy(policy);
        let mut router = context.socket(SocketType::Router).unwrap();
        router.set_option(number::ROUTER_RAW, 1).unwrap();
        let bound = router.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        let mut peer = std::net::TcpStream::connect(bound.strip_prefix("tcp://").unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let hello = recv(&mut router);
        assert_eq!(hello[1], b"");
        peer.write_all(b"GET /").unwrap();
        let mut request = Vec::new();
        while request.len() < 5 {
            let parts = recv(&mut router);
            assert_eq!(parts[0], hello[0]);
            request.extend_from_slice(&parts[1]);
        }
        assert_eq!(request, b"GET /");
        send(&mut router, &[&hello[0], b"200"]);
        let mut answer = [0; 3];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"200");
        send(&mut router, &[&hello[0], b""]);
        assert_eq!(peer.read(&mut answer).unwrap(), 0);
    }
}
