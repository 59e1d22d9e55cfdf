// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers of each type, in processes of their own, that are killed or stopped in the middle of a conversation. Who stays
//! hears of each what it said, whole and in order, and goes on with the next one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use ferromq_engine::{Context, Socket, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::churn::{Round, size_of};
use crate::common::{
    PLENTY, Process, after, number, numbered, role, say, send, socket, try_send, until, within,
};

/// Who is killed, and who stays.
const PAIRS: [(SocketType, SocketType); 12] = [
    (SocketType::Push, SocketType::Pull),
    (SocketType::Pull, SocketType::Push),
    (SocketType::Pub, SocketType::Sub),
    (SocketType::Sub, SocketType::Pub),
    (SocketType::Xpub, SocketType::Xsub),
    (SocketType::Xsub, SocketType::Xpub),
    (SocketType::Req, SocketType::Rep),
    (SocketType::Pair, SocketType::Pair),
    (SocketType::Scatter, SocketType::Gather),
    (SocketType::Gather, SocketType::Scatter),
    (SocketType::Channel, SocketType::Channel),
    (SocketType::Dealer, SocketType::Dealer),
];

/// How many messages each side hears before the end.
const ENOUGH: u64 = 50;
/// More than one life says.
const LIFE: u64 = 1 << 32;

fn talks(socket_type: SocketType) -> bool {
    use SocketType::{Gather, Pull, Sub, Xsub};
    !matches!(socket_type, Pull | Sub | Xsub | Gather)
}

fn listens(socket_type: SocketType) -> bool {
    use SocketType::{Pub, Push, Scatter, Xpub};
    !matches!(socket_type, Push | Pub | Xpub | Scatter)
}

/// Whether it hears all that one of the peers has said until it was killed. A PAIR may have to wait for its turn, and
/// begins with what is left.
fn loses_nothing(socket_type: SocketType) -> bool {
    use SocketType::{Dealer, Gather, Pull, Rep};
    matches!(socket_type, Pull | Gather | Rep | Dealer)
}

/// One end of a conversation.
struct Speaker {
    socket: Socket,
    socket_type: SocketType,
    /// What it says next.
    next: u64,
    /// What it has heard last, of each life.
    last: HashMap<u64, u64>,
}

impl Speaker {
    fn new(mut socket: Socket, socket_type: SocketType, next: u64) -> Self {
        match socket_type {
            SocketType::Sub => socket.subscribe(b"").unwrap(),
            SocketType::Xsub => send(&mut socket, b"\x01"),
            _ => {}
        }
        Self {
            socket,
            socket_type,
            next,
            last: HashMap::new(),
        }
    }

    /// Says something if it can, and hears something if there is something: of which life.
    fn turn(&mut self) -> Option<u64> {
        if talks(self.socket_type) {
            let body = numbered(self.next, size_of(self.next % LIFE));
            match try_send(&mut self.socket, &body, Wait::No) {
                Ok(()) => self.next += 1,
                // Nobody is there, or it is not its turn.
                Err(code) => assert!(is_for_now(code), "{code:?}"),
            }
        }
        if !listens(self.socket_type) {
            while self.socket_type == SocketType::Xpub && self.socket.recv_frame(Wait::No).is_ok() {
            }
            return None;
        }
        let heard = match self.socket.recv_frame(within(1)) {
            Ok(frame) => number(&frame),
            Err(code) => {
                assert!(is_for_now(code), "{code:?}");
                return None;
            }
        };
        let (life, count) = (heard / LIFE, heard % LIFE);
        let last = self.last.insert(life, count);
        if loses_nothing(self.socket_type) {
            // Who stays has said something to others before.
            let first = if life == 0 { count } else { 0 };
            assert_eq!(count, last.map_or(first, |last| last + 1), "of {life}");
        } else {
            assert!(last < Some(count), "{count} after {last:?} of {life}");
        }
        Some(life)
    }
}

/// SIGCONT interrupts waits.
fn is_for_now(code: Code) -> bool {
    matches!(code, Code::Again | Code::State | Code::Interrupted)
}

/// Talks and listens for ever; says when it has heard enough.
#[test]
fn peer() {
    let Some(argument) = role() else { return };
    let mut words = argument.split(' ');
    let mut word = || words.next().unwrap();
    let (name, life, endpoint) = (word(), word().parse::<u64>().unwrap(), word());
    let of_that_name = |pair: &&(SocketType, SocketType)| pair.0.to_string() == name;
    let (socket_type, _) = *PAIRS.iter().find(of_that_name).unwrap();
    let context = Context::new();
    let mut socket = socket(&context, socket_type);
    socket.set_option("RECONNECT_IVL", 1).unwrap();
    // What is on the way when it is killed is to be heard soon.
    socket.set_option("SNDHWM", 20).unwrap();
    socket.set_option("SNDBUF", 8 << 10).unwrap();
    socket.connect(endpoint).unwrap();
    let mut speaker = Speaker::new(socket, socket_type, life * LIFE);
    let mut heard = 0;
    loop {
        heard += u64::from(speaker.turn().is_some());
        if heard == ENOUGH {
            say("heard enough");
            heard += 1;
        }
    }
}

/// Peers of one type are killed, or stopped and then killed, one after the other.
pub(crate) fn peers_are_killed(index: usize) {
    let (killed, stays) = PAIRS[index % PAIRS.len()];
    let round = Round::between_processes("killed", index);
    let (mut near, bound) = round.server(stays);
    near.set_option("SNDHWM", 20).unwrap();
    near.set_option("RCVBUF", 8 << 10).unwrap();
    let mut near = Speaker::new(near, stays, 0);
    for life in 1..4 {
        let argument = format!("{killed} {life} {bound}");
        let mut peer = Process::start("killed::peer", round.policy, &argument);
        let has_heard = AtomicBool::new(!listens(killed));
        let mut heard = 0;
        thread::scope(|scope| {
            if listens(killed) {
                scope.spawn(|| {
                    assert_eq!(peer.hear(), "heard enough");
                    has_heard.store(true, Ordering::Relaxed);
                });
            }
            until("a conversation ends", || {
                heard += u64::from(near.turn() == Some(life));
                has_heard.load(Ordering::Relaxed) && (heard >= ENOUGH || !listens(stays))
            });
        });
        if life == 2 {
            peer.signal("-STOP");
            for _ in 0..20 {
                near.turn();
            }
        }
        peer.kill();
    }
    // What the dead had said is heard first.
    let mut deadline = after(PLENTY);
    while near.socket.peers() > 0 {
        if near.turn().is_some() {
            deadline = after(PLENTY);
        }
        assert!(Instant::now() < deadline, "a peer is still there");
    }
    println!("{killed} was killed, {stays} said {}", near.next);
    drop(near);
    round.over();
}

/// One round of each; the unrest of [`crate::churn`] has some of them beside everything else.
#[test]
fn each_type_is_killed() {
    for index in 0..PAIRS.len() {
        peers_are_killed(index);
    }
}
