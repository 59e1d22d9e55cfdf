// SPDX-License-Identifier: MIT OR Apache-2.0
//! The smallest things that must work, over each transport and under each policy.

#![expect(
    clippy::unwrap_used,
    clippy::redundant_clone,
    reason = "helpers of tests"
)]

use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, Outgoing, Policy, Socket, Wait};
use ferromq_vocabulary::{Code, SocketType};

const POLICIES: [Policy; 3] = [Policy::IoOnly, Policy::Assisted, Policy::Chaos];
const WILDCARDS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://first-light"];

fn soon() -> Wait {
    Wait::Until(Instant::now() + Duration::from_secs(60))
}

fn send(socket: &mut Socket, body: &[u8], more: bool) {
    socket
        .send_frame(&mut Outgoing::Bytes(body), more, soon())
        .unwrap();
}

fn recv(socket: &mut Socket) -> Vec<u8> {
    match socket.recv_frame(soon()) {
        Ok(message) => message.to_vec(),
        Err(code) => panic!(
            "{:?} {code}: {:?}",
            socket.socket_type(),
            socket.statistics()
        ),
    }
}

fn each(test: impl Fn(Context, &str)) {
    for policy in POLICIES {
        for endpoint in WILDCARDS {
            let context = Context::new();
            context.set_policy(policy);
            test(context.clone(), endpoint);
            assert!(context.terminate(Some(Instant::now() + Duration::from_secs(60))));
        }
    }
}

#[test]
fn push_pull() {
    each(|context, endpoint| {
        let mut pull = context.socket(SocketType::Pull).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = context.socket(SocketType::Push).unwrap();
        push.connect(&bound).unwrap();
        for number in 0..10_000u32 {
            if number % 100 == 0 {
                // Both ends in one thread: never more under way than fits.
                for _ in 0..if number == 0 { 0 } else { 100 } {
                    recv(&mut pull);
                }
            }
            send(&mut push, &number.to_be_bytes(), false);
        }
        for number in 9_900..10_000u32 {
            assert_eq!(recv(&mut pull), number.to_be_bytes());
        }
        assert_eq!(pull.recv_frame(Wait::No).err(), Some(Code::Again));
    });
}

#[test]
fn a_stream_between_threads() {
    each(|context, endpoint| {
        let mut pull = context.socket(SocketType::Pull).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let sender = {
            let context = context.clone();
            thread::spawn(move || {
                let mut push = context.socket(SocketType::Push).unwrap();
                push.connect(&bound).unwrap();
                for number in 0..20_000u32 {
                    let mut body = vec![0; (number as usize * 7919) % 3000 + 4];
                    body[..4].copy_from_slice(&number.to_be_bytes());
                    send(&mut push, &body, number % 3 == 0);
                    if number % 3 == 0 {
                        send(&mut push, b"second part", false);
                    }
                }
            })
        };
        for number in 0..20_000u32 {
            let body = recv(&mut pull);
            assert_eq!(body.len(), (number as usize * 7919) % 3000 + 4);
            assert_eq!(body[..4], number.to_be_bytes());
            assert_eq!(pull.receive_more(), number % 3 == 0);
            if number % 3 == 0 {
                assert_eq!(recv(&mut pull), b"second part");
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn request_reply() {
    each(|context, endpoint| {
        let mut rep = context.socket(SocketType::Rep).unwrap();
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut req = context.socket(SocketType::Req).unwrap();
        req.connect(&bound).unwrap();
        for number in 0..200u32 {
            send(&mut req, &number.to_be_bytes(), false);
            assert_eq!(recv(&mut rep), number.to_be_bytes());
            send(&mut rep, b"answer", false);
            assert_eq!(recv(&mut req), b"answer");
        }
    });
}

#[test]
fn publish_subscribe() {
    each(|context, endpoint| {
        let mut publisher = context.socket(SocketType::Pub).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut sub = context.socket(SocketType::Sub).unwrap();
        sub.subscribe(b"a").unwrap();
        sub.connect(&bound).unwrap();
        // Until the subscription has arrived, messages are dropped.
        let mut first = None;
        let deadline = Instant::now() + Duration::from_secs(60);
        for number in 0u32.. {
            assert!(Instant::now() < deadline);
            send(&mut publisher, format!("b{number}").as_bytes(), false);
            send(&mut publisher, format!("a{number}").as_bytes(), false);
            let wait = Wait::Until(Instant::now() + Duration::from_millis(1));
            if let Ok(message) = sub.recv_frame(wait) {
                first = Some(message.to_vec());
                break;
            }
        }
        assert_eq!(first.unwrap()[0], b'a');
        send(&mut publisher, b"a-last", false);
        while recv(&mut sub) != b"a-last" {}
    });
}

#[test]
fn request_reply_between_threads() {
    each(|context, endpoint| {
        let mut rep = context.socket(SocketType::Rep).unwrap();
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let asker = {
            let context = context.clone();
            thread::spawn(move || {
                let mut req = context.socket(SocketType::Req).unwrap();
                req.connect(&bound).unwrap();
                for number in 0..500u32 {
                    send(&mut req, &number.to_be_bytes(), false);
                    assert_eq!(recv(&mut req), number.to_be_bytes());
                }
            })
        };
        for _ in 0..500u32 {
            let question = recv(&mut rep);
            send(&mut rep, &question, false);
        }
        asker.join().unwrap();
    });
}
