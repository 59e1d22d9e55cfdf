// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything at once: sockets of many types come, go, are refused, killed, stopped and handed from thread to thread,
//! contexts begin and end, and the accounts are kept: of messages, of memory, of descriptors.
//!
//! Two stages of everything are a test; `cargo xtask soak` does it for ten minutes.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, Outgoing, Socket, Wait};
use ferromq_os::memory::{in_use, trim};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    Process, counts_every_byte, descriptors, number, numbered, recv, recv_parts, role, say, send,
    send_parts, socket, try_send, until, until_subscribed, wait_for, within,
};
use crate::killed::peers_are_killed;
use crate::peer::{Listener, Peer, frame, greeting, ready};
use crate::round::{Round, place, size_of};
use crate::secured::{MECHANISMS, Mechanism};

/// Does this to a socket in another thread, from which it comes back.
fn elsewhere<R: Send>(
    mut socket: Socket,
    work: impl FnOnce(&mut Socket) -> R + Send,
) -> (Socket, R) {
    thread::scope(|scope| {
        scope
            .spawn(move || {
                let done = work(&mut socket);
                (socket, done)
            })
            .join()
            .unwrap()
    })
}

/// Senders come, say what they have to say and go, from one thread to another in between; so does the receiver. All that
/// was sent arrives: in order, whole, once.
fn senders_come_and_go(index: usize) {
    const SENDERS: u64 = 12;
    const EACH: u64 = 300;
    let round = Round::new("senders", place(index, 4));
    let (near, far) = [
        (SocketType::Pull, SocketType::Push),
        (SocketType::Dealer, SocketType::Dealer),
        (SocketType::Router, SocketType::Dealer),
        (SocketType::Rep, SocketType::Dealer),
    ][index % 4];
    let (mut receiver, bound) = round.server(near);
    receiver.set_option("RCVHWM", 50).unwrap();
    let receiver = thread::scope(|scope| {
        for lane in 0..3 {
            let (round, bound) = (&round, &bound);
            scope.spawn(move || {
                for id in (lane..SENDERS).step_by(3) {
                    let mut sender = round.client(far);
                    sender.set_option("LINGER", -1).unwrap();
                    sender.set_option("SNDHWM", 50).unwrap();
                    sender.connect(bound).unwrap();
                    for chunk in 0..3 {
                        let (same, ()) = elsewhere(sender, |sender| {
                            for count in chunk * EACH / 3..(chunk + 1) * EACH / 3 {
                                say_number(sender, near, id, count);
                            }
                        });
                        sender = same;
                    }
                }
            });
        }
        let mut next: HashMap<u64, u64> = HashMap::new();
        for _ in 0..SENDERS {
            let (same, all) = elsewhere(receiver, |receiver| {
                let mut hear = || {
                    let mut parts = recv_parts(receiver);
                    if near == SocketType::Rep {
                        send(receiver, b"");
                    }
                    parts.split_off(parts.len() - 2)
                };
                (0..EACH).map(|_| hear()).collect::<Vec<_>>()
            });
            receiver = same;
            for parts in all {
                let (id, count) = (number(&parts[0]), number(&parts[1]));
                let expected = next.entry(id).or_insert(0);
                assert_eq!(count, *expected, "of {id}");
                assert!(parts[1] == numbered(count, size_of(count)), "of {id}");
                *expected += 1;
            }
        }
        assert!(next.values().all(|count| *count == EACH), "{next:?}");
        receiver
    });
    drop(receiver);
    round.over();
}

/// Who sent it, and which it is.
fn say_number(sender: &mut Socket, to: SocketType, id: u64, count: u64) {
    let (id, body) = (numbered(id, 8), numbered(count, size_of(count)));
    if to == SocketType::Rep {
        send_parts(sender, &[b"", &id, &body]);
    } else {
        send_parts(sender, &[&id, &body]);
    }
}

/// A process that answers for ever.
#[test]
fn worker() {
    let Some(argument) = role() else { return };
    let (socket_type, endpoint) = argument.split_once(' ').unwrap();
    let context = Context::new();
    let socket_type = match socket_type {
        "REP" => SocketType::Rep,
        "DEALER" => SocketType::Dealer,
        _ => SocketType::Router,
    };
    let mut worker = socket(&context, socket_type);
    worker.connect(endpoint).unwrap();
    say("begins");
    loop {
        let mut parts: Vec<(Vec<u8>, bool)> = Vec::new();
        while parts.last().is_none_or(|(_, more)| *more) {
            if let Some(frame) = uninterrupted(|| worker.recv_frame(Wait::Forever)) {
                parts.push((frame.to_vec(), frame.more()));
            }
        }
        for (part, more) in parts {
            let mut frame = Outgoing::Bytes(&part);
            while uninterrupted(|| worker.send_frame(&mut frame, more, Wait::Forever)).is_none() {}
        }
    }
}

/// SIGCONT interrupts waits.
fn uninterrupted<T>(call: impl FnOnce() -> Result<T, Code>) -> Option<T> {
    match call() {
        Ok(done) => Some(done),
        Err(code) => {
            assert_eq!(code, Code::Interrupted);
            None
        }
    }
}

/// Workers in other processes are killed, replaced, stopped and woken. Each request is answered once by whoever lives;
/// what the dead had is all that is missing.
fn workers_are_killed(index: usize) {
    const AT_A_TIME: usize = 30;
    let round = Round::between_processes("workers", place(index, 3));
    let kind = ["REP", "DEALER", "ROUTER"][index % 3];
    let (mut dealer, bound) = round.server(SocketType::Dealer);
    let start = || {
        let mut process = Process::start("churn::worker", round.policy, &format!("{kind} {bound}"));
        assert_eq!(process.hear(), "begins");
        process
    };
    let mut workers = [start(), start(), start()];
    let mut asked = 0u64;
    let mut open: HashSet<u64> = HashSet::new();
    let mut given_up = 0;
    for step in 0..6 {
        let goal = asked + 300;
        let most = open.len() + AT_A_TIME;
        while asked < goal {
            while open.len() < most {
                send_parts(&mut dealer, &[b"", &numbered(asked, size_of(asked))]);
                open.insert(asked);
                asked += 1;
            }
            if let Some(answer) = answer(&mut dealer, within(1)) {
                assert!(
                    open.remove(&answer),
                    "{answer} was not asked, or answered before"
                );
            } else {
                // They are with the dead, or with a sleeper.
                given_up += open.len();
                break;
            }
        }
        match step {
            0 => workers[0].signal("-STOP"),
            2 => workers[0].signal("-CONT"),
            1 | 3 => {
                workers[1].kill();
                workers[1] = start();
            }
            _ => {}
        }
    }
    // The living have answered everything they were given.
    until("an answer is missing", || {
        while let Some(answer) = answer(&mut dealer, Wait::No) {
            assert!(
                open.remove(&answer),
                "{answer} was not asked, or answered before"
            );
        }
        let statistics = dealer.statistics();
        statistics.len() == 3
            && statistics
                .iter()
                .all(|peer| peer.messages_sent == peer.messages_received)
    });
    assert!(dealer.undelivered() <= open.len() as u64);
    println!(
        "{kind}: {asked} asked, {} with the dead, {given_up} waited for",
        open.len()
    );
    drop((dealer, workers));
    round.over();
}

fn answer(dealer: &mut Socket, wait: Wait) -> Option<u64> {
    match dealer.recv_frame(wait) {
        Ok(first) => {
            assert!(first.is_empty() && first.more());
            let body = recv(dealer);
            let answer = number(&body);
            assert!(!dealer.receive_more() && body == numbered(answer, size_of(answer)));
            Some(answer)
        }
        Err(code) => {
            assert_eq!(code, Code::Again);
            None
        }
    }
}

/// Subscribers come and go while a publisher that may drop nothing publishes. Who stays gets everything, who comes and
/// goes gets everything in between.
fn subscribers_come_and_go(index: usize) {
    const NEWCOMERS: usize = 12;
    let round = Round::new("subscribers", index);
    let (mut publisher, bound) = round.server(SocketType::Xpub);
    publisher.set_option("XPUB_NODROP", 1).unwrap();
    publisher.set_option("SNDHWM", 20).unwrap();
    let mut steady = round.client(SocketType::Sub);
    steady.set_option("RCVHWM", 20).unwrap();
    steady.subscribe(b"").unwrap();
    steady.connect(&bound).unwrap();
    until_subscribed(&mut publisher, 1);
    let over = AtomicBool::new(false);
    let published = thread::scope(|scope| {
        let received = scope.spawn(move || {
            let mut count = 0;
            while number_or_end(&mut steady).is_some_and(|got| got == count) {
                count += 1;
            }
            count
        });
        let lanes: Vec<_> = (0..2)
            .map(|_| {
                let (round, bound) = (&round, &bound);
                scope.spawn(move || {
                    for _ in 0..NEWCOMERS / 2 {
                        let mut newcomer = round.client(SocketType::Sub);
                        newcomer.set_option("RCVHWM", 5).unwrap();
                        newcomer.subscribe(b"").unwrap();
                        newcomer.connect(bound).unwrap();
                        let first = number(&recv(&mut newcomer));
                        for expected in first + 1..first + 40 {
                            let (same, got) = elsewhere(newcomer, recv);
                            newcomer = same;
                            assert_eq!(number(&got), expected);
                        }
                    }
                })
            })
            .collect();
        let publishing = scope.spawn({
            let over = &over;
            move || {
                let mut published = 0u64;
                while !over.load(Ordering::Relaxed) {
                    send(&mut publisher, &numbered(published, size_of(published)));
                    while publisher.recv_frame(Wait::No).is_ok() {}
                    published += 1;
                }
                send(&mut publisher, END);
                // Until the subscriber has it.
                (published, publisher)
            }
        });
        for lane in lanes {
            lane.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
        let (published, publisher) = publishing.join().unwrap();
        assert_eq!(received.join().unwrap(), published);
        drop(publisher);
        published
    });
    println!("{published} published");
    round.over();
}

/// What comes behind the last numbered message.
const END: &[u8] = b".";

fn number_or_end(socket: &mut Socket) -> Option<u64> {
    let body = recv(socket);
    (body != END).then(|| number(&body))
}

/// Peers that are refused, say nothing, say the wrong thing or stop in the middle, one after the other; two who are good
/// go on with their conversation.
fn bad_peers_are_refused(index: usize) {
    let round = Round::new("refused", place(index, 4));
    let (near, far) = [
        (SocketType::Rep, SocketType::Req),
        (SocketType::Router, SocketType::Req),
        (SocketType::Dealer, SocketType::Rep),
        (SocketType::Pair, SocketType::Pair),
    ][index % 4];
    let (mut server, bound) = round.server(near);
    let mut client = round.client(far);
    client.connect(&bound).unwrap();
    for attempt in 0..40 {
        let bad = round
            .is_stream()
            .then(|| misbehave(&round, &bound, attempt));
        if far == SocketType::Rep {
            let question = numbered(attempt, 100);
            send_parts(&mut server, &[b"", &question]);
            assert_eq!(recv(&mut client), question);
            send(&mut client, b"answer");
            assert_eq!(recv_parts(&mut server), [&b""[..], b"answer"]);
        } else {
            send(&mut client, &numbered(attempt, 100));
            let asked = recv_parts(&mut server);
            assert_eq!(number(asked.last().unwrap()), attempt);
            let answer: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
            send_parts(&mut server, &answer);
            assert_eq!(number(&recv(&mut client)), attempt);
        }
        drop(bad);
    }
    drop((server, client));
    round.over();
}

/// Somebody who does it wrong, to be kept for a while.
fn misbehave(round: &Round, bound: &str, attempt: u64) -> Box<dyn Any> {
    let mut peer = match attempt % 6 {
        5 if round.mechanism != Mechanism::Null => {
            let mut stranger = socket(&round.context, SocketType::Dealer);
            stranger.set_option("RECONNECT_IVL", 1).unwrap();
            round.mechanism.ask(&mut stranger, false);
            let events = stranger.monitor();
            stranger.connect(bound).unwrap();
            wait_for(&events, "CONNECTED");
            return Box::new(stranger);
        }
        _ => Peer::connect(bound),
    };
    let words = match attempt % 6 {
        0 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        1 => greeting().to_vec(),
        2 => greeting()[..40].to_vec(),
        3 => [greeting().to_vec(), ready("SUB")].concat(),
        4 => [greeting().to_vec(), frame(0, b"no handshake")].concat(),
        _ => Vec::new(),
    };
    peer.try_write(&words);
    Box::new(peer)
}

/// The peer that was connected to ends and begins again under the same name. Nothing comes twice or out of order, and
/// what is missing is what was on its way to those that ended.
fn the_other_side_is_restarted(index: usize) {
    const LIVES: usize = 10;
    let place = place(index, 4);
    let round = Round {
        endpoint: if place.is_multiple_of(2) {
            // Nobody else takes the port there.
            "tcp://127.200.0.3:*".to_owned()
        } else {
            format!("ipc:///tmp/litmus-churn-{}", std::process::id())
        },
        mechanism: MECHANISMS[place / 6 % 3],
        ..Round::new("restarted", place)
    };
    let (near, far) = [
        (SocketType::Push, SocketType::Pull),
        (SocketType::Dealer, SocketType::Dealer),
        (SocketType::Dealer, SocketType::Router),
        (SocketType::Pair, SocketType::Pair),
    ][index % 4];
    let (mut server, bound) = round.server(far);
    let mut client = round.client(near);
    client.set_option("SNDHWM", 20).unwrap();
    client.set_option("RECONNECT_IVL", 1).unwrap();
    client.connect(&bound).unwrap();
    let over = AtomicBool::new(false);
    let (sent, received, server) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = 0u64;
            while !over.load(Ordering::Relaxed) {
                match try_send(&mut client, &numbered(sent, size_of(sent)), within(10)) {
                    Ok(()) => sent += 1,
                    Err(code) => assert_eq!(code, Code::Again),
                }
            }
            sent
        });
        let (mut received, mut last) = (0u64, None);
        for life in 0..LIVES {
            for _ in 0..100 {
                let got = number(recv_parts(&mut server).last().unwrap());
                assert!(last < Some(got), "{got} after {last:?}");
                last = Some(got);
                received += 1;
            }
            if life + 1 < LIVES {
                drop(server);
                server = again(&round, far, &bound);
            }
        }
        over.store(true, Ordering::Relaxed);
        let sent = sending.join().unwrap();
        // The queue was kept: the last of them comes.
        while last != Some(sent - 1) {
            let got = number(recv_parts(&mut server).last().unwrap());
            assert!(last < Some(got), "{got} after {last:?}");
            last = Some(got);
            received += 1;
        }
        (sent, received, server)
    });
    assert_eq!(client.undelivered(), 0);
    println!("{sent} sent, {received} received by {LIVES}");
    drop((client, server));
    round.over();
}

/// The same place once more, as soon as the socket that was there has let it go.
fn again(round: &Round, socket_type: SocketType, bound: &str) -> Socket {
    let mut server = socket(&round.context, socket_type);
    round.mechanism.serve(&mut server);
    until("the place stays taken", || server.bind(bound).is_ok());
    server
}

/// Contexts end while their sockets are used by other threads; every call of each then says so.
fn contexts_end(index: usize) {
    for _ in 0..5 {
        let round = Round::new("contexts", index);
        let (mut pull, bound) = round.server(SocketType::Pull);
        let received = AtomicU64::new(0);
        thread::scope(|scope| {
            let (end, ended) = mpsc::channel::<u64>();
            for _ in 0..2 {
                let mut push = round.client(SocketType::Push);
                push.connect(&bound).unwrap();
                let end = end.clone();
                scope.spawn(move || {
                    let mut sent = 0;
                    let code = loop {
                        match try_send(&mut push, &numbered(sent, 100), Wait::Forever) {
                            Ok(()) => sent += 1,
                            Err(code) => break code,
                        }
                    };
                    assert_eq!(code, Code::Terminated);
                    assert_eq!(push.recv_frame(Wait::No).err(), Some(Code::Terminated));
                    end.send(sent).unwrap();
                });
            }
            drop(end);
            let received = &received;
            let reader = scope.spawn(move || {
                let code = loop {
                    match pull.recv_frame(Wait::Forever) {
                        Ok(_) => received.fetch_add(1, Ordering::Relaxed),
                        Err(code) => break code,
                    };
                };
                assert_eq!(code, Code::Terminated);
                assert_eq!(pull.readiness().err(), Some(Code::Terminated));
            });
            until("nothing comes", || received.load(Ordering::Relaxed) >= 200);
            round.context.shutdown();
            reader.join().unwrap();
            let sent: u64 = ended.iter().sum();
            assert!(received.load(Ordering::Relaxed) <= sent);
        });
        round.over();
    }
}

/// Listeners that accept and drop, that are not there, or speak something else: whoever connects goes on trying, and
/// leaves nothing behind.
fn nobody_good_listens(index: usize) {
    let round = Round::new("nobody", index);
    let types = [
        SocketType::Push,
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Req,
        SocketType::Dealer,
        SocketType::Router,
        SocketType::Xsub,
        SocketType::Pair,
    ];
    for socket_type in types {
        let listener = if index.is_multiple_of(2) {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut socket = round.client(socket_type);
        socket.set_option("RECONNECT_IVL", 1).unwrap();
        socket.connect(&listener.endpoint()).unwrap();
        for attempt in 0..20u64 {
            let mut peer = listener.accept();
            let words = match attempt % 4 {
                0 => Vec::new(),
                1 => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
                2 => greeting().to_vec(),
                _ => [greeting().to_vec(), ready("STREAM")].concat(),
            };
            peer.try_write(&words);
            if attempt % 2 == 1 || attempt % 4 == 2 && round.mechanism != Mechanism::Null {
                // Who says something wrong is not asked again.
                peer.until_closed();
                socket.disconnect(&listener.endpoint()).unwrap();
                socket.connect(&listener.endpoint()).unwrap();
            }
        }
    }
    round.over();
}

/// One kind of unrest, a round at a time.
type Kind = fn(usize);

const KINDS: [(&str, Kind); 8] = [
    ("senders come and go", senders_come_and_go),
    ("workers are killed", workers_are_killed),
    ("peers are killed", peers_are_killed),
    ("subscribers come and go", subscribers_come_and_go),
    ("bad peers are refused", bad_peers_are_refused),
    ("the other side is restarted", the_other_side_is_restarted),
    ("contexts end", contexts_end),
    ("nobody good listens", nobody_good_listens),
];

/// What this process has when all is quiet.
#[derive(Debug, Clone, Copy)]
struct Account {
    descriptors: usize,
    /// Bytes that the allocator has given out.
    bytes: usize,
}

impl Account {
    fn now() -> Self {
        trim();
        Self {
            descriptors: descriptors(),
            bytes: in_use().unwrap_or(0),
        }
    }
}

/// How many rounds of each kind make up a stage, after each of which everything has ended and the accounts are looked at.
const ROUNDS: usize = 2;

#[test]
fn everything_at_once() {
    if !counts_every_byte("churn::everything_at_once") {
        return;
    }
    let long = std::env::var("SOAK_SECONDS").ok();
    let time = long.map_or(Duration::ZERO, |seconds| {
        Duration::from_secs(seconds.parse().unwrap())
    });
    let began = Instant::now();
    let before = Account::now();
    let mut settled = None;
    for stage in 0.. {
        thread::scope(|scope| {
            for (name, kind) in KINDS {
                scope.spawn(move || {
                    for index in stage * ROUNDS..(stage + 1) * ROUNDS {
                        let began = Instant::now();
                        kind(index);
                        println!("{name}, {index}: {:?}", began.elapsed());
                    }
                });
            }
        });
        let now = Account::now();
        println!("stage {stage}, {:?}: {now:?}", began.elapsed());
        assert!(now.descriptors <= before.descriptors, "{before:?} {now:?}");
        // What there is once in a process is there after the first.
        let settled = *settled.get_or_insert(now);
        assert!(
            now.bytes <= settled.bytes + (64 << 10),
            "{settled:?} {now:?}"
        );
        // The second stage is the first that there is something to compare with.
        if stage > 0 && began.elapsed() >= time {
            break;
        }
    }
}
