// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thousand DEALERs on one ROUTER, and one peer that is louder than all others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ferromq_engine::{Context, Outgoing, Socket, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    PLENTY, POLICIES, STREAMS, after, each, recv, recv_parts, send, send_parts, socket, turn,
    within,
};

const DEALERS: usize = 1_000;
const ROUNDS: u32 = 20;

fn dealer(context: &Context, number: usize, endpoint: &str) -> Socket {
    let mut dealer = socket(context, SocketType::Dealer);
    let name = format!("d{number:04}");
    dealer.set_option("ROUTING_ID", name.as_bytes()).unwrap();
    dealer.set_option("LINGER", 60_000).unwrap();
    dealer.connect(endpoint).unwrap();
    dealer
}

/// Answers everybody, and counts how often everybody has been heard.
fn serve(router: &mut Socket, done: &AtomicBool) -> Vec<u32> {
    let mut heard = vec![0; DEALERS];
    while !done.load(Ordering::Relaxed) {
        let Ok(name) = router.recv_frame(within(50)) else {
            continue;
        };
        let number: usize = std::str::from_utf8(&name[1..]).unwrap().parse().unwrap();
        heard[number] += 1;
        let question = recv_parts(router);
        // Whoever has gone meanwhile does not get it.
        let parts: Vec<&[u8]> = std::iter::once(&name[..])
            .chain(question.iter().map(Vec::as_slice))
            .collect();
        send_parts(router, &parts);
    }
    heard
}

/// Every question is answered once and in order, also to those that go and come back; and nobody
/// gets a second turn before all have had one.
#[test]
fn item_26_a_thousand_dealers_of_which_a_tenth_come_back() {
    let _turn = turn();
    for policy in POLICIES {
        let context = Context::new();
        context.set_policy(policy);
        let mut router = socket(&context, SocketType::Router);
        router.set_option("ROUTER_HANDOVER", 1).unwrap();
        router.set_option("BACKLOG", 2_000).unwrap();
        let bound = router.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        let done = AtomicBool::new(false);
        let heard = thread::scope(|scope| {
            let router = &mut router;
            let server = scope.spawn(|| serve(router, &done));
            let mut dealers: Vec<_> = (0..DEALERS)
                .map(|number| dealer(&context, number, &bound))
                .collect();
            for round in 0..ROUNDS {
                for dealer in &mut dealers {
                    send_parts(dealer, &[b"", &round.to_be_bytes()]);
                }
                for (number, dealer) in dealers.iter_mut().enumerate() {
                    let answer = recv_parts(dealer);
                    assert_eq!(answer, [&b""[..], &round.to_be_bytes()], "{number}");
                }
                // A tenth, each time another.
                let first = round as usize % 10;
                for number in (first..DEALERS).step_by(10) {
                    dealers[number] = dealer(&context, number, &bound);
                }
            }
            for dealer in &mut dealers {
                assert_eq!(dealer.recv_frame(Wait::No).err(), Some(Code::Again));
            }
            done.store(true, Ordering::Relaxed);
            server.join().unwrap()
        });
        assert!(heard.iter().all(|&count| count == ROUNDS), "{policy:?}");
        drop(router);
        assert!(context.terminate(Some(after(PLENTY))));
        println!("{policy:?}");
    }
}

/// Dozens of requests under way from each of a hundred peers: every one is answered once, in order.
#[test]
fn item_26_a_hundred_dealers_that_do_not_wait_for_answers() {
    each(&STREAMS, |context, endpoint| {
        const PEERS: usize = 100;
        const DEPTH: u32 = 64;
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let done = AtomicBool::new(false);
        let heard = thread::scope(|scope| {
            let server = scope.spawn(|| serve(&mut router, &done));
            let mut dealers: Vec<_> = (0..PEERS)
                .map(|number| dealer(context, number, &bound))
                .collect();
            for round in 0..3 {
                for dealer in &mut dealers {
                    for number in 0..DEPTH {
                        send(dealer, &(round * DEPTH + number).to_be_bytes());
                    }
                }
                for dealer in &mut dealers {
                    for number in 0..DEPTH {
                        assert_eq!(recv(dealer), (round * DEPTH + number).to_be_bytes());
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
            server.join().unwrap()
        });
        assert!(heard[..PEERS].iter().all(|&count| count == 3 * DEPTH));
    });
}

/// All at once: of those that wait each is heard once before anybody is heard twice.
#[test]
fn item_26_turns_are_fair() {
    each(&STREAMS, |context, endpoint| {
        const EACH: usize = 10;
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut dealers: Vec<_> = (0..100)
            .map(|number| dealer(context, number, &bound))
            .collect();
        for dealer in &mut dealers {
            send(dealer, b"here");
        }
        for _ in 0..dealers.len() {
            recv_parts(&mut router);
        }
        for dealer in &mut dealers {
            for _ in 0..EACH {
                send(dealer, b"x");
            }
        }
        // Until everything has come to the other side.
        let waiting = |router: &mut Socket| -> u64 {
            router.readiness().unwrap();
            let peers = router.statistics();
            peers.iter().map(|peer| peer.messages_readable).sum()
        };
        let mut heard = vec![0usize; dealers.len()];
        let mut spread = 0;
        let all = (dealers.len() * EACH) as u64;
        let deadline = after(2_000);
        while waiting(&mut router) < all && std::time::Instant::now() < deadline {
            thread::yield_now();
        }
        for _ in 0..all {
            let name = recv_parts(&mut router).swap_remove(0);
            let number: usize = std::str::from_utf8(&name[1..]).unwrap().parse().unwrap();
            heard[number] += 1;
            let most = heard.iter().max().unwrap();
            let least = heard.iter().min().unwrap();
            spread = spread.max(most - least);
        }
        assert!(heard.iter().all(|&count| count == EACH));
        println!("apart by {spread}");
        assert!(spread <= EACH / 2, "{spread}");
    });
}

/// One that sends without end does not keep the others waiting.
#[test]
fn item_26_a_flood_starves_nobody() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut loud = dealer(context, 9_999, &bound);
            loud.set_option("LINGER", 0).unwrap();
            let flood = scope.spawn(|| {
                let mut sent = 0u64;
                while !done.load(Ordering::Relaxed) {
                    let mut body = Outgoing::Bytes(&[0; 100]);
                    if loud.send_frame(&mut body, false, within(20)).is_ok() {
                        sent += 1;
                    }
                }
                drop(loud);
                sent
            });
            let server = scope.spawn(|| {
                let mut loud = 0u64;
                while !done.load(Ordering::Relaxed) {
                    let Ok(name) = router.recv_frame(within(50)) else {
                        continue;
                    };
                    let question = recv_parts(&mut router);
                    if name[..] == *b"d9999" {
                        loud += 1;
                    } else {
                        send_parts(&mut router, &[&name, &question[0]]);
                    }
                }
                loud
            });
            let mut quiet: Vec<_> = (0..20)
                .map(|number| dealer(context, number, &bound))
                .collect();
            for round in 0..50u32 {
                for dealer in &mut quiet {
                    send(dealer, &round.to_be_bytes());
                }
                for dealer in &mut quiet {
                    assert_eq!(recv(dealer), round.to_be_bytes());
                }
            }
            done.store(true, Ordering::Relaxed);
            let (sent, heard) = (flood.join().unwrap(), server.join().unwrap());
            println!("{sent} sent by the loud one, {heard} heard");
            assert!(heard > 1_000, "the flood was {heard}");
        });
    });
}
