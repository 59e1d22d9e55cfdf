// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers of each type, in processes of their own, that are killed or stopped in the middle of a conversation. Who stays
//! hears of each what it said, whole and in order, and goes on with the next one.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use ferromq_engine::{Context, Outgoing, Socket, Wait};
use ferromq_message::Message;
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    PLENTY, Process, after, number, numbered, recv, role, say, send, socket, turn, until, within,
};
use crate::round::{Round, place, size_of};

/// Who is killed, and who stays.
const PAIRS: [(SocketType, SocketType); 18] = [
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
    (SocketType::Client, SocketType::Server),
    (SocketType::Server, SocketType::Client),
    (SocketType::Peer, SocketType::Peer),
    (SocketType::Radio, SocketType::Dish),
    (SocketType::Dish, SocketType::Radio),
    (SocketType::Stream, SocketType::Stream),
];

/// What a RADIO says it to.
const GROUP: &[u8] = b"all";

/// How many messages each side hears before the end.
const ENOUGH: u64 = 50;
/// More than one life says.
const LIFE: u64 = 1 << 32;

fn talks(socket_type: SocketType) -> bool {
    use SocketType::{Dish, Gather, Pull, Sub, Xsub};
    !matches!(socket_type, Pull | Sub | Xsub | Gather | Dish)
}

fn listens(socket_type: SocketType) -> bool {
    use SocketType::{Pub, Push, Radio, Scatter, Xpub};
    !matches!(socket_type, Push | Pub | Xpub | Scatter | Radio)
}

/// Whether it hears all that one of the peers has said until it was killed. A PAIR may have to wait for its turn, and
/// begins with what is left.
fn loses_nothing(socket_type: SocketType) -> bool {
    use SocketType::{Dealer, Gather, Peer, Pull, Rep, Server, Stream};
    matches!(
        socket_type,
        Pull | Gather | Rep | Dealer | Server | Peer | Stream
    )
}

/// Whom a socket speaks to that has to say so.
enum To {
    Anybody,
    /// None if it has heard of nobody yet.
    Number(Option<NonZeroU32>),
    Stream(Streams),
}

/// What a STREAM knows of its peers.
#[derive(Default)]
struct Streams {
    /// Who came last.
    last: Vec<u8>,
    /// What each has said, from the message on that is not whole.
    heard: HashMap<Vec<u8>, Vec<u8>>,
    /// Numbers of messages that were.
    whole: VecDeque<u64>,
}

impl Streams {
    /// Takes what a peer has said: nothing when it comes and when it goes.
    fn take(&mut self, id: Vec<u8>, bytes: &[u8]) {
        if bytes.is_empty() {
            if self.heard.remove(&id).is_none() {
                self.heard.insert(id.clone(), Vec::new());
                self.last = id;
            } else if self.last == id {
                self.last.clear();
            }
            return;
        }
        let heard = self.heard.get_mut(&id).expect("nobody speaks unannounced");
        heard.extend_from_slice(bytes);
        while heard.len() >= 8 {
            let size = size_of(number(heard) % LIFE);
            if heard.len() < size {
                break;
            }
            let body: Vec<u8> = heard.drain(..size).collect();
            assert!(body == numbered(number(&body), size));
            self.whole.push_back(number(&body));
        }
    }
}

/// One end of a conversation.
struct Speaker {
    socket: Socket,
    socket_type: SocketType,
    to: To,
    /// What it says next.
    next: u64,
    /// What it has heard last, of each life.
    last: HashMap<u64, u64>,
}

impl Speaker {
    fn new(mut socket: Socket, socket_type: SocketType, next: u64) -> Self {
        let mut to = To::Anybody;
        match socket_type {
            SocketType::Sub => socket.subscribe(b"").unwrap(),
            SocketType::Xsub => send(&mut socket, b"\x01"),
            SocketType::Dish => socket.join(GROUP).unwrap(),
            SocketType::Server | SocketType::Peer => to = To::Number(None),
            SocketType::Stream => to = To::Stream(Streams::default()),
            _ => {}
        }
        Self {
            socket,
            socket_type,
            to,
            next,
            last: HashMap::new(),
        }
    }

    fn connect(&mut self, endpoint: &str) {
        if self.socket_type == SocketType::Peer {
            let number = self.socket.connect_peer(endpoint).unwrap();
            self.to = To::Number(NonZeroU32::new(number));
        } else {
            self.socket.connect(endpoint).unwrap();
        }
    }

    fn say(&mut self) -> Result<(), Code> {
        let mut body = Message::from(numbered(self.next, size_of(self.next % LIFE)));
        match &self.to {
            To::Anybody if self.socket_type == SocketType::Radio => body.set_group(GROUP).unwrap(),
            To::Anybody => {}
            To::Number(None) => return Err(Code::Again),
            To::Number(number) => body.set_routing_id(*number),
            To::Stream(streams) => {
                let mut id = Outgoing::Bytes(&streams.last);
                self.socket.send_frame(&mut id, true, Wait::No)?;
            }
        }
        self.socket
            .send_frame(&mut Outgoing::Message(&mut body), false, Wait::No)
    }

    /// The number of the next message.
    fn hear(&mut self) -> Result<u64, Code> {
        if let To::Stream(streams) = &mut self.to
            && let Some(number) = streams.whole.pop_front()
        {
            return Ok(number);
        }
        let frame = self.socket.recv_frame(within(1))?;
        match &mut self.to {
            To::Anybody => {}
            To::Number(number) => *number = frame.routing_id(),
            To::Stream(streams) => {
                streams.take(frame.to_vec(), &recv(&mut self.socket));
                return streams.whole.pop_front().ok_or(Code::Again);
            }
        }
        let heard = number(&frame);
        assert!(frame[..] == numbered(heard, size_of(heard % LIFE)));
        Ok(heard)
    }

    /// Says something if it can, and hears something if there is something: of which life.
    fn turn(&mut self) -> Option<u64> {
        if talks(self.socket_type) {
            match self.say() {
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
        let heard = match self.hear() {
            Ok(heard) => heard,
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

/// SIGCONT interrupts waits; whom it was said to may have gone.
fn is_for_now(code: Code) -> bool {
    use Code::{Again, HostUnreachable, Interrupted, State};
    matches!(code, Again | State | Interrupted | HostUnreachable)
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
    let mut speaker = Speaker::new(socket, socket_type, life * LIFE);
    speaker.connect(endpoint);
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
    let round = Round::between_processes("killed", place(index, PAIRS.len()));
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
        assert!(peer.is_running(), "{killed} has found a fault");
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
    let _turn = turn();
    for index in 0..PAIRS.len() {
        peers_are_killed(index);
    }
}
