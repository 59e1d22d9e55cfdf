// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that are killed, stopped and started again while messages flow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, Outgoing};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    PLENTY, POLICIES, Process, STREAMS, after, each, number, numbered, recv_parts, role, say,
    sit_still, socket, soon, try_send, turn, wait_for, within,
};
use crate::peer::Listener;

/// A process that sends numbered messages of two parts for ever.
#[test]
fn sender() {
    let Some(endpoint) = role() else { return };
    let context = Context::new();
    let mut push = socket(&context, SocketType::Push);
    push.connect(&endpoint).unwrap();
    let id = u64::from(std::process::id());
    say("begins");
    for count in 0u64.. {
        let size = 8 + (count as usize * 613) % 3000;
        for (part, more) in [(numbered(id, 8), true), (numbered(count, size), false)] {
            let mut frame = Outgoing::Bytes(&part);
            // SIGCONT interrupts waits.
            while let Err(code) = push.send_frame(&mut frame, more, soon()) {
                assert_eq!(code, Code::Interrupted);
            }
        }
    }
}

/// What comes behind the last numbered message.
const END: &[u8] = b".";

/// A process that receives numbered messages, checks them and reports how many.
#[test]
fn receiver() {
    let Some(endpoint) = role() else { return };
    let context = Context::new();
    let mut pull = socket(&context, SocketType::Pull);
    pull.connect(&endpoint).unwrap();
    say("begins");
    let mut last = None;
    let mut count = 0u64;
    loop {
        let message = match pull.recv_frame(soon()) {
            Ok(message) if message.as_slice() == END => break,
            Ok(message) => message,
            Err(code) => {
                // SIGCONT interrupts waits.
                assert_eq!(code, Code::Interrupted);
                continue;
            }
        };
        let got = number(&message);
        assert!(last < Some(got), "{got} after {last:?}");
        assert!(message.as_slice() == numbered(got, message.len()));
        last = Some(got);
        count += 1;
    }
    say(&count.to_string());
    sit_still();
}

/// Senders come and go in every way: what each has sent arrives in order, once, and whole.
#[test]
fn senders_are_killed_and_stopped() {
    let _turn = turn();
    if role().is_some() {
        return;
    }
    for policy in POLICIES {
        for endpoint in STREAMS {
            let context = Context::new();
            context.set_policy(policy);
            let mut pull = socket(&context, SocketType::Pull);
            let bound = pull.bind(endpoint).unwrap().to_owned();
            let start = || Process::start("unrest::sender", policy, &bound);
            let mut senders = [start(), start(), start()];
            let mut next: HashMap<u64, u64> = HashMap::new();
            let over = after(1200);
            let mut round = 0u64;
            while Instant::now() < over {
                for _ in 0..500 {
                    let parts = recv_parts(&mut pull);
                    assert_eq!(parts.len(), 2);
                    let (id, count) = (number(&parts[0]), number(&parts[1]));
                    let expected = next.entry(id).or_insert(0);
                    assert_eq!(count, *expected, "of {id}");
                    assert_eq!(parts[1].len(), 8 + (count as usize * 613) % 3000);
                    *expected += 1;
                }
                round += 1;
                match round % 12 {
                    3 => senders[0].signal("-STOP"),
                    6 => senders[0].signal("-CONT"),
                    9 => {
                        senders[1].kill();
                        senders[1] = start();
                    }
                    _ => {}
                }
            }
            println!(
                "{policy:?} {endpoint}: {} of {} senders",
                next.values().sum::<u64>(),
                next.len()
            );
            drop((pull, senders));
            assert!(context.terminate(Some(after(PLENTY))));
        }
    }
}

/// Receivers are stopped and killed: sent = received + waiting + counted, but for what kernels and
/// the dead held.
#[test]
fn receivers_are_killed_and_stopped() {
    let _turn = turn();
    if role().is_some() {
        return;
    }
    for policy in POLICIES {
        for endpoint in STREAMS {
            let context = Context::new();
            context.set_policy(policy);
            let mut push = socket(&context, SocketType::Push);
            push.set_option("SNDHWM", 100).unwrap();
            let bound = push.bind(endpoint).unwrap().to_owned();
            let start = || Process::start("unrest::receiver", policy, &bound);
            let (mut steady, mut stopped, mut doomed) = (start(), start(), start());
            for process in [&mut steady, &mut stopped, &mut doomed] {
                assert_eq!(process.hear(), "begins");
            }
            crate::common::until("not all peers", || {
                push.readiness().unwrap();
                push.peers() == 3
            });
            stopped.signal("-STOP");
            let mut sent = 0u64;
            let mut given = 0;
            for step in 0..3000u64 {
                if step == 1000 {
                    given = push
                        .statistics()
                        .iter()
                        .map(|peer| peer.messages_sent)
                        .sum();
                    assert_eq!(given, sent);
                    doomed.kill();
                }
                if step == 2000 {
                    stopped.signal("-CONT");
                }
                try_send(
                    &mut push,
                    &numbered(sent, 10 + (step as usize * 31) % 9000),
                    soon(),
                )
                .unwrap();
                sent += 1;
            }
            assert!(given > 0);
            crate::common::until("something waits", || {
                push.readiness().unwrap();
                let statistics = push.statistics();
                statistics.len() == 2 && statistics.iter().all(|peer| peer.messages_waiting == 0)
            });
            let statistics = push.statistics();
            assert_eq!(statistics.len(), 2, "the dead one is still there");
            let theirs: u64 = statistics.iter().map(|peer| peer.messages_sent).sum();
            // Until each has one: who was found full just now is left out for a moment.
            crate::common::until("both hear of the end", || {
                try_send(&mut push, END, soon()).unwrap();
                let now = push.statistics();
                let mut pairs = statistics.iter().zip(&now);
                pairs.all(|(before, now)| now.messages_sent > before.messages_sent)
            });
            let received: u64 = [&mut steady, &mut stopped]
                .map(|process| process.hear().parse::<u64>().unwrap())
                .iter()
                .sum();
            assert!(statistics.iter().all(|peer| peer.messages_waiting == 0));
            assert_eq!(received, theirs, "to the living");
            let to_the_dead = sent - theirs;
            assert!(push.undelivered() <= to_the_dead);
            println!(
                "{policy:?} {endpoint}: {received}, {to_the_dead} to the dead, {} counted",
                push.undelivered()
            );
            drop((push, steady, stopped));
            assert!(context.terminate(Some(after(PLENTY))));
        }
    }
}

/// A connecting sender with a kept queue, and with one that goes with its connection.
#[test]
fn a_queue_is_kept_or_not() {
    each(&["tcp", "ipc"], |context, transport| {
        for immediate in [false, true] {
            let listener = if transport == "tcp" {
                Listener::tcp()
            } else {
                Listener::unix()
            };
            let mut push = socket(context, SocketType::Push);
            push.set_option("IMMEDIATE", immediate).unwrap();
            push.set_option("SNDHWM", 50).unwrap();
            push.set_option("SNDBUF", 4096).unwrap();
            let events = push.monitor();
            push.connect(&listener.endpoint()).unwrap();
            if immediate {
                assert_eq!(push.peers(), 0);
                assert_eq!(
                    try_send(&mut push, b"", ferromq_engine::Wait::No),
                    Err(Code::Again)
                );
            }
            let mut peer = listener.accept();
            peer.shake_hands("PULL");
            wait_for(&events, "HANDSHAKE_SUCCEEDED");
            let mut sent = 0;
            while try_send(&mut push, &numbered(sent, 50_000), within(60)).is_ok() {
                sent += 1;
            }
            let first = push.statistics()[0].clone();
            assert!(first.messages_waiting >= 40, "{first:?}");
            drop(peer);
            wait_for(&events, "DISCONNECTED");
            if immediate {
                crate::common::until("the pipe stays", || {
                    push.readiness().unwrap();
                    push.undelivered() >= first.messages_waiting - 10
                });
            }
            let mut peer = listener.accept();
            peer.shake_hands("PULL");
            wait_for(&events, "HANDSHAKE_SUCCEEDED");
            if immediate {
                try_send(&mut push, &numbered(sent, 50_000), soon()).unwrap();
                assert_eq!(number(&peer.message().unwrap().1), sent);
            } else {
                // What the kernel had is gone, the rest comes without a gap.
                let resumed = number(&peer.message().unwrap().1);
                assert!(resumed <= sent - first.messages_waiting + 10);
                for expected in resumed + 1..sent {
                    assert_eq!(number(&peer.message().unwrap().1), expected);
                }
                try_send(&mut push, &numbered(sent, 50_000), soon()).unwrap();
                assert_eq!(number(&peer.message().unwrap().1), sent);
                assert_eq!(push.undelivered(), 0);
            }
            assert!(!peer.has_input(Duration::from_millis(5)));
        }
    });
}

/// Input of the last connection and of a new one under the same endpoint, when the pipe does not
/// live on.
#[test]
fn unread_input_outlives_its_pipe() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("IMMEDIATE", true).unwrap();
        pull.connect(&listener.endpoint()).unwrap();
        let events = pull.monitor();
        for round in 0..5 {
            let mut peer = listener.accept();
            peer.shake_hands("PUSH");
            for number in 0..20 {
                peer.send(0, &numbered(round * 20 + number, 100));
            }
            drop(peer);
            wait_for(&events, "DISCONNECTED");
        }
        let mut peer = listener.accept();
        peer.shake_hands("PUSH");
        peer.send(0, &numbered(100, 100));
        let mut all: Vec<u64> = (0..=100)
            .map(|_| number(&crate::common::recv(&mut pull)))
            .collect();
        // Fair between the pipes, in order within each.
        all.sort_unstable();
        assert!(all.into_iter().eq(0..=100));
        peer.send(0, &numbered(101, 100));
        assert_eq!(number(&crate::common::recv(&mut pull)), 101);
    });
}

/// One slow peer, one that reads nothing, and one that is quick: the quick one is not held up.
#[test]
fn a_publisher_is_not_held_up() {
    each(&STREAMS, |context, endpoint| {
        use crate::peer::{Peer, command};
        let mut publisher = socket(context, SocketType::Pub);
        publisher.set_option("SNDHWM", 100).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut peers: Vec<_> = (0..2).map(|_| Peer::meet(&bound, "SUB")).collect();
        for peer in &mut peers {
            peer.write(&command("SUBSCRIBE", b""));
        }
        crate::common::until("no subscriptions", || {
            try_send(&mut publisher, b"", soon()).unwrap();
            publisher
                .statistics()
                .iter()
                .filter(|peer| peer.messages_sent > 0)
                .count()
                == 2
        });
        let mut quick = peers.pop().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                let (mut last, mut count) = (None, 0);
                while let Some((_, body)) = quick.message() {
                    if body.is_empty() {
                        continue;
                    }
                    if body == b"over" {
                        break;
                    }
                    assert!(last < Some(number(&body)));
                    last = Some(number(&body));
                    count += 1;
                }
                over.store(true, Ordering::Relaxed);
                count
            }
        });
        for number in 0..3000 {
            try_send(&mut publisher, &numbered(number, 5000), soon()).unwrap();
            if number % 50 == 0 {
                thread::yield_now();
            }
        }
        while !over.load(Ordering::Relaxed) {
            try_send(&mut publisher, b"over", soon()).unwrap();
            thread::yield_now();
        }
        let count = reader.join().unwrap();
        // As much as its queue holds, at the very least: room comes back in steps of half the mark.
        assert!(count >= 50, "{count} of 3000");
    });
}
