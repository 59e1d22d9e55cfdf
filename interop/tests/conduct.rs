// SPDX-License-Identifier: MIT OR Apache-2.0
//! ferromq beside the real libzmq in what the matrix does not have: heartbeats, types that do not
//! fit, bursts of several peers, many topics, one restart after another.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails says where, and with which library"
)]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ferromq::{
    AnySocket, Context, DisconnectReason, Error, Event, Monitor, MonitorEvent, ProtocolError,
    SocketType,
};
use ferromq_interop::endpoint;
use ferromq_interop::peer::{Answer, Burst, Peer};
use ferromq_interop::script::{Part, Seen, Tally, numbered};
use ferromq_interop::side::Transport;
use ferromq_interop::versions::{RealLibrary, real_libraries};
use ferromq_interop::{Failure, Outcome};

const PATIENCE: Duration = Duration::from_secs(60);
/// For how long something must not happen.
const QUIET: Duration = Duration::from_millis(1000);

// ---- heartbeats ----------------------------------------------------------------------------

#[test]
fn our_heartbeat_notices_a_stopped_peer() {
    each_at_some_pace(|library, endpoint, pace| {
        let mut peer = spawn(library);
        let pull = peer.open("PULL")?;
        peer.bind(pull, endpoint)?;
        let (_context, mut push) = ours("PUSH");
        push.set_option("HEARTBEAT_IVL", i32::try_from(100 * pace).unwrap())
            .unwrap();
        push.set_option("HEARTBEAT_TIMEOUT", i32::try_from(300 * pace).unwrap())
            .unwrap();
        push.set_option("HANDSHAKE_IVL", i32::try_from(500 * pace).unwrap())
            .unwrap();
        let monitor = push.monitor();
        push.connect(endpoint).unwrap();
        await_handshake(&monitor);
        push.send("before").unwrap();
        assert_eq!(receive(&mut peer, pull), [Seen::text("before")]);
        if let Some(event) = monitor.next(Some(QUIET * pace)) {
            return Err(Failure::new(format!("{event:?}")));
        }

        signal(&peer, "STOP");
        let reason = await_end(&monitor);
        assert_eq!(reason, Some(DisconnectReason::HeartbeatTimeout));
        signal(&peer, "CONT");
        await_handshake(&monitor);
        push.send("after").unwrap();
        assert_eq!(receive(&mut peer, pull), [Seen::text("after")]);
        Ok(())
    });
}

#[test]
fn their_time_to_live_is_kept() {
    for away in [true, false] {
        each_at_some_pace(|library, endpoint, pace| {
            let (_context, mut pull) = ours("PULL");
            let monitor = pull.monitor();
            pull.bind(endpoint).unwrap();
            let mut peer = spawn(library);
            let push = peer.open("PUSH")?;
            peer.set(push, "reconnect_ivl", 10)?;
            peer.set(push, "heartbeat_ivl", i64::from(100 * pace))?;
            peer.set(push, "heartbeat_timeout", 0)?;
            peer.set(push, "heartbeat_ttl", i64::from(400 * pace))?;
            peer.connect(push, endpoint)?;
            await_handshake(&monitor);
            if let Some(event) = monitor.next(Some(QUIET * pace)) {
                return Err(Failure::new(format!("{event:?}")));
            }
            signal(&peer, "STOP");
            // Whether the application is in a call or not.
            if !away {
                assert_eq!(receive_part(&mut pull, QUIET), Err(Error::Again));
            }
            let reason = await_end(&monitor);
            assert_eq!(reason, Some(DisconnectReason::HeartbeatTimeout));
            signal(&peer, "CONT");
            await_handshake(&monitor);
            assert!(peer.send(push, &[Part::text("after")], PATIENCE)?);
            while receive_part(&mut pull, PATIENCE).unwrap() != b"after" {}
            Ok(())
        });
    }
}

#[test]
fn their_heartbeats_are_answered() {
    for kind in ["PUSH", "PULL", "PUB", "SUB", "REQ", "REP", "PAIR"] {
        each_at_some_pace(|library, endpoint, pace| {
            let (_context, mut socket) = ours(kind);
            socket.bind(endpoint).unwrap();
            let mut peer = spawn(library);
            let other = peer.open(partner(kind))?;
            peer.set(other, "heartbeat_ivl", i64::from(50 * pace))?;
            peer.set(other, "heartbeat_timeout", i64::from(400 * pace))?;
            peer.connect(other, endpoint)?;
            peer.event(other, "handshake_succeeded", PATIENCE)?;
            // An application that stays away, behind messages that nobody receives.
            if kind == "PULL" || kind == "PAIR" {
                peer.burst(other, burst(0, 500), PATIENCE)?;
            }
            let gone = |peer: &mut Peer, patience| has_event(peer, other, "disconnected", patience);
            if gone(&mut peer, QUIET * pace) {
                return Err(Failure::new("given up while nobody receives"));
            }
            // One that waits, or has waited.
            if kind == "PULL" || kind == "PAIR" {
                assert!(drain(&mut socket, 500).is_exactly(0, 0, 500));
            }
            drop(receive_part(&mut socket, QUIET * pace));
            if gone(&mut peer, Duration::ZERO) {
                return Err(Failure::new("given up while somebody waits"));
            }
            Ok(())
        });
    }
}

// ---- what does not fit ---------------------------------------------------------------------

#[test]
fn types_that_do_not_fit_are_refused() {
    for (kind, other) in [
        ("PUSH", "SUB"),
        ("PUB", "PULL"),
        ("SUB", "REQ"),
        ("REQ", "REQ"),
        ("REP", "PAIR"),
        ("PAIR", "PUSH"),
        ("PULL", "DEALER"),
    ] {
        each(|library, endpoint| {
            // We connect: when we know why there is no further attempt.
            let mut peer = spawn(library);
            let binder = peer.open(other)?;
            peer.bind(binder, endpoint)?;
            let (_context, mut socket) = ours(kind);
            let monitor = socket.monitor();
            socket.connect(endpoint).unwrap();
            await_event(&monitor, refused(ProtocolError::ZmtpInvalidMetadata));
            await_end(&monitor);
            assert_eq!(monitor.next(Some(QUIET / 10)), None, "{kind} to {other}");
            peer.close(binder)?;
            drop(socket);

            // We bind: the next peer that fits is welcome.
            let (_context, mut socket) = ours(kind);
            let monitor = socket.monitor();
            socket.bind(endpoint).unwrap();
            let connecter = peer.open(other)?;
            peer.connect(connecter, endpoint)?;
            await_event(&monitor, failed(ProtocolError::ZmtpInvalidMetadata));
            assert!(!has_event(
                &mut peer,
                connecter,
                "handshake_succeeded",
                QUIET / 10
            ));
            let fits = peer.open(partner(kind))?;
            peer.connect(fits, endpoint)?;
            await_handshake(&monitor);
            Ok(())
        });
    }
}

#[test]
fn another_mechanism_is_refused() {
    let failed = failed(ProtocolError::ZmtpMechanismMismatch);
    each(|library, endpoint| {
        let mut peer = spawn(library);
        let pull = peer.open("PULL")?;
        peer.set(pull, "plain_server", 1)?;
        peer.bind(pull, endpoint)?;
        let (_context, mut push) = ours("PUSH");
        let monitor = push.monitor();
        push.connect(endpoint).unwrap();
        await_event(&monitor, &failed);
        peer.close(pull)?;
        drop(push);

        let (_context, mut pull) = ours("PULL");
        let monitor = pull.monitor();
        pull.bind(endpoint).unwrap();
        let push = peer.open("PUSH")?;
        peer.set(push, "plain_username", "x61")?;
        peer.set(push, "plain_password", "x61")?;
        peer.connect(push, endpoint)?;
        await_event(&monitor, &failed);
        Ok(())
    });
}

// ---- load ----------------------------------------------------------------------------------

#[test]
fn bursts_of_several_pushers_arrive() {
    each(|library, endpoint| {
        let (_context, mut pull) = ours("PULL");
        pull.bind(endpoint).unwrap();
        let tally = thread::scope(|scope| {
            for source in 0..3 {
                scope.spawn(move || -> Outcome<()> {
                    let mut peer = spawn(library);
                    let push = peer.open("PUSH")?;
                    peer.set(push, "linger", -1)?;
                    peer.connect(push, endpoint)?;
                    assert_eq!(peer.burst(push, burst(source, MANY), PATIENCE)?, MANY);
                    peer.close(push)
                });
            }
            drain(&mut pull, 3 * MANY)
        });
        for source in 0..3 {
            let sequence = tally.sources[&source];
            assert_eq!(
                (sequence.count, sequence.missing, sequence.stale),
                (MANY, 0, 0)
            );
        }
        assert_eq!(receive_part(&mut pull, Duration::ZERO), Err(Error::Again));
        Ok(())
    });
}

#[test]
fn bursts_of_ours_are_shared_out() {
    each(|library, endpoint| {
        let (_context, mut push) = ours("PUSH");
        let monitor = push.monitor();
        push.bind(endpoint).unwrap();
        let mut pullers = Vec::new();
        for _ in 0..3 {
            let mut peer = spawn(library);
            let pull = peer.open("PULL")?;
            peer.connect(pull, endpoint)?;
            await_handshake(&monitor);
            pullers.push((peer, pull));
        }
        // With room for everybody each gets its third; otherwise who is quick gets more.
        let count = AtomicU64::new(0);
        let over = Instant::now() + PATIENCE;
        thread::scope(|scope| {
            for (peer, pull) in &mut pullers {
                let count = &count;
                scope.spawn(move || {
                    let mut next = 0;
                    while count.load(Ordering::Relaxed) < 3 * MANY && Instant::now() < over {
                        let tally = peer.drain(*pull, 3 * MANY, QUIET).unwrap();
                        let Some(sequence) = tally.sources.get(&0) else {
                            continue;
                        };
                        assert_eq!((sequence.stale, tally.foreign), (0, 0));
                        assert!(sequence.first >= next, "{tally}, not from {next} on");
                        next = sequence.next;
                        count.fetch_add(sequence.count, Ordering::Relaxed);
                    }
                });
            }
            send_burst(&mut push, burst(0, 3 * MANY));
        });
        let count = count.into_inner();
        assert_eq!(count, 3 * MANY);
        Ok(())
    });
}

#[test]
fn a_lossless_publisher_loses_nothing_either_way() {
    each(|library, endpoint| {
        let (_context, mut publisher) = ours("PUB");
        publisher.set_option("XPUB_NODROP", true).unwrap();
        publisher.bind(endpoint).unwrap();
        let mut peers = Vec::new();
        for _ in 0..3 {
            let mut peer = spawn(library);
            let sub = peer.open("SUB")?;
            peer.connect(sub, endpoint)?;
            peer.subscribe(sub, b"")?;
            while peer.receive(sub, Duration::ZERO)?.is_none() {
                publisher.send("sync").unwrap();
            }
            peers.push((peer, sub));
        }
        publisher.send("end").unwrap();
        for (peer, sub) in &mut peers {
            while receive(peer, *sub) != [Seen::text("end")] {}
        }
        thread::scope(|scope| {
            let drains: Vec<_> = peers
                .iter_mut()
                .map(|(peer, sub)| scope.spawn(move || peer.drain(*sub, MANY, PATIENCE)))
                .collect();
            send_burst(&mut publisher, burst(0, MANY));
            for drain in drains {
                let tally = drain.join().unwrap().unwrap();
                assert!(tally.is_exactly(0, 0, MANY), "{tally}");
            }
        });
        Ok(())
    });
    each(|library, endpoint| {
        let mut peer = spawn(library);
        let publisher = peer.open("PUB")?;
        peer.set(publisher, "xpub_nodrop", 1)?;
        peer.bind(publisher, endpoint)?;
        let (_context, mut sub) = ours("SUB");
        sub.subscribe("").unwrap();
        sub.connect(endpoint).unwrap();
        await_probe(&mut peer, publisher, &mut sub, "sync");
        thread::scope(|scope| {
            scope.spawn(|| peer.burst(publisher, burst(0, MANY), PATIENCE));
            let tally = drain(&mut sub, MANY);
            assert!(tally.is_exactly(0, 0, MANY), "{tally}");
        });
        Ok(())
    });
}

// ---- many topics ---------------------------------------------------------------------------

const TOPICS: usize = 5_000;
const LAST: &str = "zync";

fn topic(number: usize) -> String {
    format!("topic/{number:05}/")
}

#[test]
fn our_many_topics_reach_them_and_survive_their_restart() {
    each(|library, endpoint| {
        let (_context, mut sub) = ours("SUB");
        let monitor = sub.monitor();
        sub.connect(endpoint).unwrap();
        for number in 0..TOPICS {
            sub.subscribe(topic(number)).unwrap();
        }
        // The last in every order: who has heard of it has heard of all.
        sub.subscribe(LAST).unwrap();
        // Twice subscribed, once taken back: it stays.
        sub.subscribe(topic(0)).unwrap();
        sub.unsubscribe(topic(0)).unwrap();
        for number in (1..TOPICS).step_by(2) {
            sub.unsubscribe(topic(number)).unwrap();
        }
        for round in 0..3 {
            let mut peer = spawn(library);
            let publisher = peer.open("PUB")?;
            peer.set(publisher, "sndhwm", 0)?;
            peer.bind(publisher, endpoint)?;
            await_handshake(&monitor);
            await_probe(&mut peer, publisher, &mut sub, LAST);
            for number in (0..TOPICS).step_by(TOPICS / 50 + 1) {
                let text = topic(number) + "more";
                assert!(peer.send(publisher, &[Part::text(&text)], PATIENCE)?);
            }
            assert!(peer.send(publisher, &[Part::text("zync/end")], PATIENCE)?);
            for number in (0..TOPICS)
                .step_by(TOPICS / 50 + 1)
                .filter(|number| number % 2 == 0)
            {
                let text = topic(number) + "more";
                assert_eq!(
                    receive_part(&mut sub, PATIENCE).unwrap(),
                    text.as_bytes(),
                    "round {round}"
                );
            }
            assert_eq!(receive_part(&mut sub, PATIENCE).unwrap(), b"zync/end");
            peer.kill()?;
            remove(endpoint);
            await_end(&monitor);
        }
        Ok(())
    });
}

#[test]
fn their_many_topics_reach_us() {
    each(|library, endpoint| {
        let mut peer = spawn(library);
        let sub = peer.open("SUB")?;
        peer.set(sub, "reconnect_ivl", 10)?;
        // Subscriptions wait in the queue to the publisher, and are dropped where it is full.
        peer.set(sub, "sndhwm", 0)?;
        peer.connect(sub, endpoint)?;
        for number in 0..TOPICS {
            peer.subscribe(sub, topic(number).as_bytes())?;
        }
        for number in (1..TOPICS).step_by(2) {
            peer.unsubscribe(sub, topic(number).as_bytes())?;
        }
        peer.subscribe(sub, LAST.as_bytes())?;
        for _ in 0..3 {
            let (context, mut publisher) = ours("PUB");
            publisher.bind(endpoint).unwrap();
            let mut probes = 0;
            while peer.receive(sub, Duration::from_millis(1))?.is_none() {
                publisher.send(LAST).unwrap();
                probes += 1;
                assert!(probes < 30_000, "no probe came through");
            }
            publisher.send("zync/begin").unwrap();
            while receive(&mut peer, sub) != [Seen::text("zync/begin")] {}
            for number in (0..TOPICS).step_by(TOPICS / 50 + 1) {
                publisher.send([topic(number), "part".to_owned()]).unwrap();
            }
            publisher.send("zync/end").unwrap();
            for number in (0..TOPICS)
                .step_by(TOPICS / 50 + 1)
                .filter(|number| number % 2 == 0)
            {
                let expected = [Seen::text(&topic(number)), Seen::text("part")];
                assert_eq!(receive(&mut peer, sub), expected);
            }
            assert_eq!(receive(&mut peer, sub), [Seen::text("zync/end")]);
            drop(publisher);
            context.terminate(Some(PATIENCE)).unwrap();
        }
        Ok(())
    });
}

// ---- one restart after another ---------------------------------------------------------------

#[test]
fn our_client_asks_on_over_restarts_of_their_server() {
    each(|library, endpoint| {
        let (_context, mut req) = ours("REQ");
        let monitor = req.monitor();
        req.connect(endpoint).unwrap();
        for restart in 0..5 {
            let mut peer = spawn(library);
            let rep = peer.open("REP")?;
            peer.bind(rep, endpoint)?;
            thread::scope(|scope| {
                scope.spawn(|| peer.echo(rep, 100, PATIENCE));
                for number in 0..100 {
                    let text = format!("{restart} {number}");
                    req.send(&text).unwrap();
                    assert_eq!(receive_part(&mut req, PATIENCE).unwrap(), text.as_bytes());
                }
            });
            peer.kill()?;
            remove(endpoint);
            await_end(&monitor);
        }
        Ok(())
    });
}

#[test]
fn their_client_asks_on_over_restarts_of_our_server() {
    each(|library, endpoint| {
        let mut peer = spawn(library);
        let req = peer.open("REQ")?;
        peer.set(req, "reconnect_ivl", 10)?;
        peer.connect(req, endpoint)?;
        for restart in 0..5 {
            let (context, mut rep) = ours("REP");
            rep.bind(endpoint).unwrap();
            for number in 0..100 {
                let text = format!("{restart} {number}");
                assert!(peer.send(req, &[Part::text(&text)], PATIENCE)?);
                let deadline = Instant::now() + PATIENCE;
                let request = rep.recv_multipart_deadline(deadline).unwrap();
                rep.send(request).unwrap();
                assert_eq!(receive(&mut peer, req), [Seen::text(&text)]);
            }
            drop(rep);
            context.terminate(Some(PATIENCE)).unwrap();
            peer.event(req, "disconnected", PATIENCE)?;
        }
        Ok(())
    });
}

// ---- killed and stopped under load -----------------------------------------------------------

#[test]
fn their_receiver_is_killed_under_load() {
    for size in [64, 20_000] {
        each(|library, endpoint| {
            let (context, mut push) = ours("PUSH");
            let monitor = push.monitor();
            push.connect(endpoint).unwrap();
            thread::scope(|scope| {
                let sender = scope.spawn(move || {
                    for number in 0.. {
                        match push.send(numbered(0, number, size)) {
                            Ok(()) => {}
                            Err(error) => return Error::from(error),
                        }
                    }
                    unreachable!("it ends with an error");
                });
                let mut next = 0;
                for _ in 0..4 {
                    let mut peer = spawn(library);
                    let pull = peer.open("PULL").unwrap();
                    peer.bind(pull, endpoint).unwrap();
                    let tally = peer.drain(pull, 10_000, PATIENCE).unwrap();
                    let sequence = tally.sources[&0];
                    // What was on its way to the last one is lost; nothing comes twice, or later.
                    assert_eq!((tally.foreign, sequence.count), (0, 10_000));
                    assert_eq!((sequence.missing, sequence.stale), (0, 0), "{tally}");
                    assert!(sequence.first >= next, "{tally}, not from {next} on");
                    next = sequence.next;
                    peer.kill().unwrap();
                    remove(endpoint);
                    await_end(&monitor);
                }
                context.shutdown();
                assert_eq!(sender.join().unwrap(), Error::Terminated);
            });
            Ok(())
        });
    }
}

#[test]
fn their_senders_are_killed_under_load() {
    for size in [64, 20_000] {
        each(|library, endpoint| {
            let (_context, mut pull) = ours("PULL");
            let monitor = pull.monitor();
            pull.bind(endpoint).unwrap();
            for source in 0..4 {
                let mut peer = spawn(library);
                let push = peer.open("PUSH")?;
                peer.connect(push, endpoint)?;
                let patience = PATIENCE.as_millis();
                peer.tell(&format!(
                    "burst {push} {patience} {source} 0 1000000000 {size}"
                ))?;
                let mut tally = drain(&mut pull, 5_000);
                peer.kill()?;
                // The end is seen when all that came before it has been received: no half of a
                // message, and nothing after a gap.
                let deadline = Instant::now() + PATIENCE;
                let mut is_over = false;
                loop {
                    while let Ok(message) = receive_part(&mut pull, Duration::from_millis(1)) {
                        assert_eq!(message.len(), size);
                        tally.add(&[message]);
                    }
                    if is_over {
                        break;
                    }
                    is_over = std::iter::from_fn(|| monitor.try_next())
                        .any(|event| matches!(event.event, Event::Disconnected { .. }));
                    assert!(Instant::now() < deadline, "no end: {tally}");
                }
                let count = tally.count();
                assert!(
                    tally.is_exactly(source, 0, count) && count >= 5_000,
                    "{tally}"
                );
            }
            Ok(())
        });
    }
}

#[test]
fn a_stopped_receiver_goes_on() {
    each(|library, endpoint| {
        let (_context, mut push) = ours("PUSH");
        push.connect(endpoint).unwrap();
        let mut peer = spawn(library);
        let pull = peer.open("PULL")?;
        peer.bind(pull, endpoint)?;
        push.send(numbered(0, 0, 64)).unwrap();
        assert!(peer.drain(pull, 1, PATIENCE)?.is_exactly(0, 0, 1));
        signal(&peer, "STOP");
        // As many as there is room for, with the kernel's buffers.
        push.set_option("SNDTIMEO", 100).unwrap();
        let mut sent = 1;
        while push.send(numbered(0, sent, 1000)).is_ok() {
            sent += 1;
        }
        // The mark, less what the room is told of in steps of half of it.
        assert!(sent >= 1000, "{sent}");
        signal(&peer, "CONT");
        let tally = peer.drain(pull, sent - 1, PATIENCE)?;
        assert!(tally.is_exactly(0, 1, sent - 1), "{tally}");
        Ok(())
    });
}

// ---- Python ----------------------------------------------------------------------------------

/// Answers until it is told to stop.
const PYTHON_ECHO: &str = "
import sys, zmq
socket = zmq.Context().socket(zmq.REP)
socket.connect(sys.argv[1])
while True:
    parts = socket.recv_multipart()
    socket.send_multipart(parts)
    if parts == [b'stop']:
        break
socket.close()
";

#[test]
fn pyzmq_answers() {
    let (_context, mut req) = ours("REQ");
    let endpoint = req.bind("tcp://127.0.0.1:*").unwrap();
    let (python, folder) = python();
    let mut child = Command::new(python)
        .args(["-c", PYTHON_ECHO, &endpoint])
        .env("PYTHONPATH", folder)
        .env_remove("LD_LIBRARY_PATH")
        .spawn()
        .unwrap();
    for number in 0..1000_usize {
        let parts = [number.to_string(), String::new(), "x".repeat(number * 7)];
        req.send(&parts[..]).unwrap();
        let answer = req
            .recv_multipart_deadline(Instant::now() + PATIENCE)
            .unwrap();
        assert!(
            answer
                .iter()
                .map(|part| &part[..])
                .eq(parts.iter().map(String::as_bytes))
        );
    }
    req.send("stop").unwrap();
    assert_eq!(receive_part(&mut req, PATIENCE).unwrap(), b"stop");
    assert!(child.wait().unwrap().success());
}

/// A Python that has pyzmq, and where it is to look for it: what `cargo xtask setup` has fetched,
/// or what is installed.
fn python() -> (&'static str, std::path::PathBuf) {
    let fetched = ferromq_interop::versions::target().join("pyenv");
    for (python, folder) in [
        ("python3", fetched),
        ("python3", "".into()),
        ("/usr/bin/python3", "".into()),
    ] {
        let mut import = Command::new(python);
        import.args(["-c", "import zmq"]).env("PYTHONPATH", &folder);
        if import.output().is_ok_and(|output| output.status.success()) {
            return (python, folder);
        }
    }
    panic!("no Python with pyzmq: run `cargo xtask setup`")
}

// ---- tools -----------------------------------------------------------------------------------

/// How many messages a burst has.
const MANY: u64 = 50_000;

/// With each real library, over tcp and ipc, at an endpoint nobody else has.
fn each(test: impl Fn(&RealLibrary, &str) -> Outcome<()>) {
    for library in real_libraries().unwrap() {
        for transport in [Transport::Tcp, Transport::Ipc] {
            let endpoint = endpoint::unused(transport);
            println!("{} {transport:?}", library.name);
            test(&library, &endpoint).unwrap();
            remove(&endpoint);
        }
    }
}

/// As [`each`], with times as they are, and four and sixteen times as long, until it succeeds: on a busy machine
/// nobody answers in time.
fn each_at_some_pace(test: impl Fn(&RealLibrary, &str, u32) -> Outcome<()>) {
    each(|library, endpoint| {
        for pace in [1, 4] {
            match test(library, endpoint, pace) {
                Ok(()) => return Ok(()),
                Err(failure) => println!("at pace {pace}: {failure}"),
            }
            remove(endpoint);
        }
        test(library, endpoint, 16)
    });
}

/// A killed process leaves the file of its ipc endpoint behind.
fn remove(endpoint: &str) {
    if let Some(path) = endpoint.strip_prefix("ipc://") {
        drop(std::fs::remove_file(path));
    }
}

fn spawn(library: &RealLibrary) -> Peer {
    Peer::spawn(Path::new(env!("CARGO_BIN_EXE_libzmq-peer")), library).unwrap()
}

fn ours(kind: &str) -> (Context, AnySocket) {
    let context = Context::new();
    let kind = SocketType::from_name(kind).unwrap();
    let builder = context.any_socket_builder(kind).linger(Duration::ZERO);
    let builder = builder.reconnect_interval(Duration::from_millis(10));
    let socket = builder.send_timeout(Some(PATIENCE)).open().unwrap();
    (context, socket)
}

fn partner(kind: &str) -> &'static str {
    match kind {
        "PUSH" => "PULL",
        "PULL" => "PUSH",
        "PUB" => "SUB",
        "SUB" => "PUB",
        "REQ" => "REP",
        "REP" => "REQ",
        _ => "PAIR",
    }
}

fn burst(source: u64, count: u64) -> Burst {
    Burst {
        source,
        first: 0,
        count,
        size: 64,
    }
}

fn send_burst(socket: &mut AnySocket, burst: Burst) {
    for number in burst.first..burst.first + burst.count {
        socket
            .send(numbered(burst.source, number, burst.size))
            .unwrap();
    }
}

fn drain(socket: &mut AnySocket, count: u64) -> Tally {
    let deadline = Instant::now() + PATIENCE;
    let mut tally = Tally::default();
    while tally.count() < count {
        match socket.recv_multipart_deadline(deadline) {
            Ok(parts) => tally.add(&parts.iter().collect::<Vec<_>>()),
            Err(Error::Again) => break,
            Err(error) => panic!("{error}"),
        }
    }
    tally
}

fn receive_part(socket: &mut AnySocket, patience: Duration) -> Result<Vec<u8>, Error> {
    socket
        .recv_deadline(Instant::now() + patience)
        .map(|message| message.to_vec())
}

fn receive(peer: &mut Peer, socket: u32) -> Vec<Seen> {
    peer.receive(socket, PATIENCE).unwrap().expect("a message")
}

/// Publishes until something comes, and sees the last of it off.
fn await_probe(peer: &mut Peer, publisher: u32, sub: &mut AnySocket, topic: &str) {
    let mut probes = 0;
    loop {
        assert!(
            peer.send(publisher, &[Part::text(topic)], PATIENCE)
                .unwrap()
        );
        if receive_part(sub, Duration::from_millis(1)).is_ok() {
            break;
        }
        probes += 1;
        assert!(probes < 30_000, "no probe came through");
    }
    let end = format!("{topic}/begin");
    assert!(peer.send(publisher, &[Part::text(&end)], PATIENCE).unwrap());
    while receive_part(sub, PATIENCE).unwrap() != end.as_bytes() {}
}

fn signal(peer: &Peer, name: &str) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(peer.id().to_string());
    assert!(kill.status().unwrap().success());
}

fn has_event(peer: &mut Peer, socket: u32, name: &str, patience: Duration) -> bool {
    let request = format!("event {socket} {} {name}", patience.as_millis());
    peer.ask_patiently(&request, patience).unwrap() != Answer::Again
}

/// The first event that `wanted` takes.
fn await_event(monitor: &Monitor, wanted: impl Fn(&Event) -> bool) -> MonitorEvent {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(event) = monitor.next(Some(left)) else {
            panic!("only these: {seen:?}");
        };
        if wanted(&event.event) {
            return event;
        }
        seen.push(event);
    }
}

fn await_handshake(monitor: &Monitor) {
    await_event(monitor, |event| *event == Event::HandshakeSucceeded);
}

fn await_end(monitor: &Monitor) -> Option<DisconnectReason> {
    await_event(monitor, |event| matches!(event, Event::Disconnected { .. })).reason
}

/// The handshake fails for this reason.
fn refused(error: ProtocolError) -> impl Fn(&Event) -> bool {
    move |event| match event {
        Event::HandshakeFailedProtocol { error: found } => *found == error,
        Event::HandshakeSucceeded => panic!("no {error}"),
        _ => false,
    }
}

/// The handshake fails for this reason, or for one that is not told: a libzmq that refuses us may
/// close the connection before it has said anything.
fn failed(error: ProtocolError) -> impl Fn(&Event) -> bool {
    let refused = refused(error);
    move |event| matches!(event, Event::HandshakeFailedNoDetail { .. }) || refused(event)
}
