// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers that are held back for others to go with them: they come all the same, whatever the
//! application does next.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use ferromq_engine::{Context, Policy, Socket, Wait};
use ferromq_vocabulary::SocketType;

use crate::common::{
    PLENTY, POLICIES, Process, STREAMS, after, each, numbered, recv, recv_parts, role, say, send,
    send_parts, sit_still, socket, turn, until,
};
use crate::peer::{Peer, frame, greeting, ready};

/// Requests that a peer sends in one piece.
const ASKED: usize = 20;

fn ask(peer: &mut Peer, count: usize) {
    ask_from(peer, 0, count);
}

/// Asks so many questions in one piece, numbered from here on.
fn ask_from(peer: &mut Peer, first: usize, count: usize) {
    peer.write(&questions(first, count));
}

fn questions(first: usize, count: usize) -> Vec<u8> {
    (first..first + count)
        .flat_map(|number| frame(0, &[u8::try_from(number).unwrap()]))
        .collect()
}

/// The next answers of a peer, which are to be these.
fn hear(peer: &mut Peer, answers: std::ops::Range<usize>) {
    for expected in answers {
        let (_, body) = peer.message().unwrap();
        assert_eq!(body, [u8::try_from(expected).unwrap()]);
    }
}

/// Answers the next request; who sent it.
fn answer_one(router: &mut Socket) -> Vec<u8> {
    let mut parts = recv_parts(router);
    let pieces: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    send_parts(router, &pieces);
    parts.swap_remove(0)
}

/// The process of a router that answers some requests and never calls again.
#[test]
fn answerer() {
    let Some(argument) = role() else { return };
    let (endpoint, count) = argument.split_once(' ').unwrap();
    let context = Context::new();
    let mut router = socket(&context, SocketType::Router);
    say(router.bind(endpoint).unwrap());
    for _ in 0..count.parse().unwrap() {
        answer_one(&mut router);
    }
    say("answered");
    sit_still();
}

/// An application that has answered some of many requests sleeps for ever.
#[test]
fn those_of_an_application_that_sleeps() {
    let _turn = turn();
    for policy in POLICIES {
        for endpoint in STREAMS {
            for answered in [1, 2, 7, ASKED - 1] {
                let argument = format!("{endpoint} {answered}");
                let mut process = Process::start("held::answerer", policy, &argument);
                let bound = process.hear();
                let mut peer = Peer::meet(&bound, "DEALER");
                ask(&mut peer, ASKED);
                assert_eq!(process.hear(), "answered");
                hear(&mut peer, 0..answered);
                process.kill();
                println!("{policy:?} {endpoint} {answered}");
            }
        }
    }
}

/// The first peer of a socket asks with the last word of its handshake. Its first question is answered while its
/// connection is being made; some more are answered later, and the application makes no further call.
#[test]
fn those_of_a_first_peer() {
    each(&STREAMS, |context, endpoint| {
        for _ in 0..30 {
            let mut router = socket(context, SocketType::Router);
            let bound = router.bind(endpoint).unwrap().to_owned();
            let mut peer = Peer::connect(&bound);
            peer.write(&[greeting().to_vec(), ready("DEALER"), questions(0, ASKED)].concat());
            answer_at_once(&mut router);
            peer.hear_hands_shaken();
            hear(&mut peer, 0..1);
            // For so long that the I/O thread no longer looks at it.
            assert!(!peer.has_input(Duration::from_millis(20)));
            for _ in 1..7 {
                answer_one(&mut router);
            }
            hear(&mut peer, 1..7);
        }
    });
}

/// Answers the next request as soon as it can be seen.
fn answer_at_once(router: &mut Socket) {
    let mut id = None;
    until("no request comes", || {
        id = router.recv_frame(Wait::No).ok();
        id.is_some()
    });
    let question = recv(router);
    send_parts(router, &[&id.unwrap(), &question]);
}

/// The same with many peers, so that each has had some of its turns.
#[test]
fn those_of_many_peers() {
    const PEERS: usize = 50;
    let _turn = turn();
    for policy in POLICIES {
        let argument = format!("{} {}", STREAMS[0], PEERS * ASKED / 2);
        let mut process = Process::start("held::answerer", policy, &argument);
        let bound = process.hear();
        let mut peers: Vec<_> = (0..PEERS).map(|_| Peer::meet(&bound, "DEALER")).collect();
        for peer in &mut peers {
            ask(peer, ASKED);
        }
        assert_eq!(process.hear(), "answered");
        let mut heard = vec![0; PEERS];
        until("not all answers have come", || {
            for (peer, heard) in peers.iter_mut().zip(&mut heard) {
                while peer.has_input(Duration::ZERO) {
                    hear(peer, *heard..*heard + 1);
                    *heard += 1;
                }
            }
            heard.iter().sum::<usize>() == PEERS * ASKED / 2
        });
        process.kill();
        println!("{policy:?}");
    }
}

/// An application that does not answer the last request, and is busy with another peer.
#[test]
fn those_of_an_application_that_turns_to_others() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let mut patient = Peer::meet(&bound, "DEALER");
        let mut busy = Peer::meet(&bound, "DEALER");
        ask(&mut patient, 3);
        let first = answer_one(&mut router);
        assert_eq!(answer_one(&mut router), first);
        assert_eq!(recv_parts(&mut router).len(), 2);
        until("the answers are held for ever", || {
            ask(&mut busy, 2);
            answer_one(&mut router);
            answer_one(&mut router);
            hear(&mut busy, 0..2);
            patient.has_input(Duration::ZERO)
        });
        hear(&mut patient, 0..2);
    });
}

/// Peers that go with answers held for them, and a socket that is closed.
#[test]
fn those_of_peers_that_go() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        router.set_option("LINGER", 60_000).unwrap();
        let bound = router.bind(endpoint).unwrap().to_owned();
        for _ in 0..20 {
            let mut gone = Peer::meet(&bound, "DEALER");
            let mut stays = Peer::meet(&bound, "DEALER");
            ask_from(&mut gone, GONE, 3);
            answer_one(&mut router);
            ask(&mut stays, 3);
            drop(gone);
            answer_those_who_stay(&mut router, 3);
            hear(&mut stays, 0..3);
        }
        let mut last = Peer::meet(&bound, "DEALER");
        ask(&mut last, 3);
        answer_those_who_stay(&mut router, 2);
        router.close();
        hear(&mut last, 0..2);
    });
}

/// Answers so many requests of peers that stay. Of those who have gone there may be others, or not, in between.
fn answer_those_who_stay(router: &mut Socket, count: usize) {
    let mut answered = 0;
    while answered < count {
        let request = recv_parts(router);
        let parts: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        send_parts(router, &parts);
        answered += usize::from(usize::from(request[1][0]) < GONE);
    }
}

/// The first number of who is going to go.
const GONE: usize = 100;

/// A pipelining client and one that waits for each answer, at the same service.
#[test]
fn replies() {
    each(&STREAMS, |context, endpoint| {
        let mut rep = socket(context, SocketType::Rep);
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut many = Peer::meet(&bound, "DEALER");
        let mut one = socket(context, SocketType::Req);
        one.connect(&bound).unwrap();
        let questions: Vec<u8> = (0..50_u8)
            .flat_map(|number| [frame(crate::peer::MORE, b""), frame(0, &[number])].concat())
            .collect();
        many.write(&questions);
        send(&mut one, b"x");
        for _ in 0..51 {
            let question = recv(&mut rep);
            send(&mut rep, &question);
        }
        assert_eq!(recv(&mut one), b"x");
        for number in 0..50 {
            assert_eq!(many.message().unwrap().1, b"");
            assert_eq!(many.message().unwrap().1, [number]);
        }
        assert!(rep.recv_frame(Wait::No).is_err());
    });
}

/// A context of two I/O threads: the promise is given by one, the connections are of both.
#[test]
fn those_of_several_io_threads() {
    let _turn = turn();
    for policy in [Policy::Assisted, Policy::Chaos] {
        let context = Context::new();
        context.set_policy(policy);
        context.options(|options| options.io_threads = 2);
        let mut router = socket(&context, SocketType::Router);
        let mut peers = Vec::new();
        for thread in [0, 1, 0, 1] {
            router.set_option("AFFINITY", 1u64 << thread).unwrap();
            let bound = router.bind(STREAMS[0]).unwrap().to_owned();
            let mut peer = Peer::meet(&bound, "DEALER");
            ask(&mut peer, 2);
            peers.push(peer);
        }
        let mut heard = 0;
        for _ in 0..4 {
            answer_one(&mut router);
        }
        // No further call.
        until("not all answers have come", || {
            for peer in &mut peers {
                while peer.has_input(Duration::ZERO) {
                    peer.message().unwrap();
                    heard += 1;
                }
            }
            heard == 4
        });
        drop(router);
        assert!(context.terminate(Some(after(PLENTY))));
    }
}

/// Stops the I/O thread that wakes this task until a message comes.
struct Stop {
    stopped: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Wake for Stop {
    fn wake(self: Arc<Self>) {
        // Woken once more, there is nobody left.
        if self.stopped.send(()).is_ok() {
            self.go_on.lock().unwrap().recv().ok();
        }
    }
}

/// What a burst has left to the I/O thread does not wait for that, if its sender comes to wait for somebody else.
#[test]
fn the_end_of_a_burst_is_sent_by_whoever_waits_next() {
    let _turn = turn();
    const LENGTH: u64 = 100;
    for endpoint in STREAMS {
        let (here, there) = (Context::new(), Context::new());
        here.set_policy(Policy::Assisted);
        let pair = |far: SocketType, near: SocketType| {
            let mut bound = socket(&there, far);
            let place = bound.bind(endpoint).unwrap().to_owned();
            let mut connected = socket(&here, near);
            connected.connect(&place).unwrap();
            (bound, connected)
        };
        let (mut pull, mut push) = pair(SocketType::Pull, SocketType::Push);
        let (mut rep, mut req) = pair(SocketType::Rep, SocketType::Req);
        let (mut poker, mut idle) = pair(SocketType::Push, SocketType::Pull);
        let answerer = thread::spawn(move || {
            for _ in 0..3 {
                let question = recv(&mut rep);
                send(&mut rep, &question);
            }
            rep
        });
        let ask = |req: &mut Socket| {
            send(req, b"?");
            assert_eq!(recv(req), b"?");
        };
        send(&mut push, b"first");
        assert_eq!(recv(&mut pull), b"first");
        ask(&mut req);

        let (stopped, has_stopped) = channel();
        let (go, go_on) = channel();
        let stop = Stop {
            stopped,
            go_on: Mutex::new(go_on),
        };
        let waker = Waker::from(Arc::new(stop));
        assert!(!idle.prepare_task(&waker, false).unwrap());
        send(&mut poker, b"stop");
        has_stopped
            .recv_timeout(Duration::from_millis(PLENTY))
            .unwrap();
        for _ in 0..2 {
            for number in 0..LENGTH {
                send(&mut push, &numbered(number, 10));
            }
            ask(&mut req);
            for number in 0..LENGTH {
                assert_eq!(recv(&mut pull), numbered(number, 10));
            }
        }
        drop(go);
        drop(answerer.join().unwrap());
    }
}
