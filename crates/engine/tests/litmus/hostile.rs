// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that lie, stall, or are too many.

use std::process::Command;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, MonitorEvents};
use ferromq_vocabulary::SocketType;

use crate::common::{
    IPC, PLENTY, Process, STREAMS, TCP, at_some_pace, each, nothing, number, numbered, policy_name,
    recv, resident_bytes, role, say, send, socket, until, wait_for,
};
use crate::peer::{COMMAND, LONG, Listener, MORE, Peer, command, frame, greeting, ready};

/// Everything a peer might say instead of a greeting and READY, and how we take it.
fn nonsense() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |place: usize, value: u8| {
        let mut bytes = greeting().to_vec();
        bytes[place] = value;
        bytes
    };
    let then = |body: Vec<u8>| [greeting().to_vec(), body].concat();
    let protocol = "HANDSHAKE_FAILED_PROTOCOL";
    let detail = "HANDSHAKE_FAILED_NO_DETAIL";
    vec![
        (
            "http",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3),
            "any",
        ),
        ("zeros", vec![0; 200], "any"),
        ("ones", vec![0xff; 200], "any"),
        ("another mechanism", with(12, b'X'), protocol),
        ("no mechanism", with(12, 0), protocol),
        ("too old", with(10, 0), "any"),
        ("no command", then(frame(0, b"hello")), protocol),
        ("not READY", then(command("HELLO", b"")), protocol),
        ("empty command", then(frame(COMMAND, b"")), protocol),
        (
            "a name longer than its frame",
            then(frame(COMMAND, b"\xffREADY")),
            protocol,
        ),
        ("wrong type", then(ready("PUB")), protocol),
        ("no type", then(ready("")), protocol),
        (
            "torn property",
            then(command("READY", b"\x0bSocket-Type\0\0\x01\0PUSH")),
            protocol,
        ),
        (
            "endless property",
            then(command("READY", b"\x0bSocket-Type\xff\xff\xff\xffPUSH")),
            protocol,
        ),
        (
            "endless READY",
            then([vec![COMMAND | LONG], vec![0xff; 8], vec![0; 100]].concat()),
            "any",
        ),
        (
            "READY of a terabyte",
            then([vec![COMMAND | LONG, 0, 0, 1], vec![0; 5]].concat()),
            "any",
        ),
        (
            "ERROR",
            then(command("ERROR", b"\x03400")),
            "HANDSHAKE_FAILED_AUTH",
        ),
        ("bad ERROR", then(command("ERROR", b"\xff400")), protocol),
        ("leaves", greeting()[..30].to_vec(), detail),
        ("leaves after the greeting", greeting().to_vec(), detail),
    ]
}

#[test]
fn nonsense_is_dropped_with_an_event() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let events = pull.monitor();
        // Some of it is only the beginning of what could be more. On a busy machine the rest, too, may come too late.
        at_some_pace(|pace| {
            let limit = 200 * i32::try_from(pace).unwrap();
            pull.set_option("HANDSHAKE_IVL", limit).unwrap();
            let bound = pull.bind(endpoint).unwrap().to_owned();
            nonsense_is_dropped(&bound, &events)
        });
        // And it goes on.
        pull.set_option("HANDSHAKE_IVL", 30_000).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PUSH");
        peer.send(0, b"well");
        assert_eq!(recv(&mut pull), b"well");
    });
}

fn nonsense_is_dropped(bound: &str, events: &MonitorEvents) -> Result<(), String> {
    for (what, bytes, expected) in nonsense() {
        let mut peer = Peer::connect(bound);
        peer.try_write(&bytes);
        if what.starts_with("leaves") {
            drop(peer);
        } else {
            peer.until_closed();
        }
        let deadline = crate::common::after(PLENTY);
        loop {
            let event = events
                .next_before(Some(deadline))
                .unwrap_or_else(|| panic!("{what}: no event"));
            let name = event.event.name();
            if name.starts_with("HANDSHAKE_") {
                if name != expected && !(expected == "any" && name.contains("FAILED")) {
                    return Err(format!("{what}: {name}"));
                }
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn who_stalls_in_the_handshake_is_dropped() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("HANDSHAKE_IVL", 60).unwrap();
        let events = pull.monitor();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let all = [greeting().to_vec(), ready("PUSH")].concat();
        for stop in [0, 1, 10, 11, 12, 63, 64, 65, 70, all.len() - 1] {
            let began = Instant::now();
            let mut peer = Peer::connect(&bound);
            // Where this process was not at work for long it is over already.
            peer.try_write(&all[..stop]);
            peer.until_closed();
            let took = began.elapsed().as_millis();
            // Without the option it would be half a minute.
            assert!(took >= 50, "after {stop} bytes: {took} ms");
            let event = wait_for(&events, "HANDSHAKE_FAILED_NO_DETAIL");
            assert_eq!(event.event.value(), 110);
        }
        // Byte by byte is slow, but no stall.
        pull.set_option("HANDSHAKE_IVL", 30_000).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::connect(&bound);
        for byte in &all {
            peer.write(&[*byte]);
        }
        peer.send(0, b"well");
        assert_eq!(recv(&mut pull), b"well");
    });
}

#[test]
fn who_connects_gives_a_stalling_server_up_and_tries_again() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut push = socket(context, SocketType::Push);
        push.set_option("HANDSHAKE_IVL", 40).unwrap();
        push.connect(&listener.endpoint()).unwrap();
        for stop in [0, 11, 64] {
            let mut peer = listener.accept();
            // Where this process was not at work for long it is over already.
            peer.try_write(&greeting()[..stop]);
            peer.until_closed();
        }
        send(&mut push, b"well");
        let mut message = None;
        until("no handshake in time", || {
            message = listener.accept().first_message("PULL");
            message.is_some()
        });
        assert_eq!(message, Some((0, b"well".to_vec())));
    });
}

#[test]
fn who_exceeds_the_size_is_dropped() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("MAXMSGSIZE", 1000i64).unwrap();
        let events = pull.monitor();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let announced = |size: u64| [vec![LONG], size.to_be_bytes().to_vec()].concat();
        for bytes in [
            frame(0, &[0; 1001]),
            announced(1001),
            announced(1 << 40),
            announced(u64::MAX),
            announced(1 << 63),
            [frame(MORE, b"a"), announced(u64::MAX - 1)].concat(),
        ] {
            let mut peer = Peer::meet(&bound, "PUSH");
            peer.send(0, &[1; 1000]);
            assert_eq!(recv(&mut pull), [1; 1000]);
            peer.try_write(&bytes);
            peer.until_closed();
            wait_for(&events, "DISCONNECTED");
        }
        nothing(&mut pull, 5);
    });
}

#[test]
fn a_broken_subscriber_does_not_break_the_publisher() {
    each(&STREAMS, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Pub);
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut odd = Peer::meet(&bound, "SUB");
        for bytes in [
            frame(0, b""),
            frame(0, b"\x07what"),
            frame(MORE, b"\x01multi"),
            frame(0, b"part"),
            frame(COMMAND, b"\x09SUBSCRIBE"),
            frame(COMMAND, b"\x06CANCELnever subscribed"),
            frame(0, &[0; 300]),
            frame(0, &vec![1; 100_000]),
        ] {
            odd.write(&bytes);
        }
        let mut good = Peer::meet(&bound, "SUB");
        good.write(&command("SUBSCRIBE", b"topic"));
        until("no subscription", || {
            send(&mut publisher, b"topic");
            good.has_input(Duration::from_millis(1))
        });
        assert_eq!(good.message().unwrap(), (0, b"topic".to_vec()));
    });
}

/// Peers that shake hands and send the beginning of a frame; one in a hundred announces a terabyte.
const TORN: u64 = 5000;

/// What the process of [`memory_stays_bounded`] does: it is measured alone.
#[test]
fn many_torn_peers() {
    let Some(endpoint) = role() else { return };
    let context = Context::new();
    let mut pull = socket(&context, SocketType::Pull);
    let events = pull.monitor();
    let bound = pull.bind(&endpoint).unwrap().to_owned();
    let mut good = Peer::meet(&bound, "PUSH");
    good.send(0, b"warm");
    recv(&mut pull);
    let before = resident_bytes();
    let mut peers = Vec::new();
    for index in 0..TORN {
        let mut peer = Peer::meet(&bound, "PUSH");
        match index % 100 {
            0 => peer.write(
                &[
                    vec![LONG],
                    (1u64 << 40).to_be_bytes().to_vec(),
                    vec![1; 1000],
                ]
                .concat(),
            ),
            1..=10 => peer.write(&[MORE, 200, 1, 2, 3]),
            _ => peer.write(&[0]),
        }
        peers.push(peer);
        while let Some(event) = events.try_next() {
            assert_ne!(event.event.name(), "DISCONNECTED");
        }
        if index % 500 == 0 {
            good.send(0, &numbered(index, 100));
            assert_eq!(number(&recv(&mut pull)), index);
        }
    }
    nothing(&mut pull, 50);
    let grown = resident_bytes().saturating_sub(before);
    // The peers themselves live here, too.
    assert!(grown < 30 << 20, "{} KiB for {TORN} peers", grown >> 10);
    for peer in &mut peers {
        // It announced much, and stays welcome.
        assert!(!peer.has_input(Duration::ZERO));
    }
    say(&grown.to_string());
    drop(pull);
    assert!(context.terminate(Some(crate::common::after(PLENTY))));
}

#[test]
fn memory_stays_bounded() {
    let _turn = crate::common::turn();
    if role().is_some() {
        return;
    }
    for policy in crate::common::POLICIES {
        for endpoint in [TCP, IPC] {
            let mut shell = Command::new("sh");
            shell.args([
                "-c",
                "ulimit -n 11000; exec \"$0\" --exact hostile::many_torn_peers --nocapture",
            ]);
            shell.arg(std::env::current_exe().unwrap());
            shell.env("FERROMQ_POLICY", policy_name(policy));
            let mut process = Process::from_command(shell, endpoint);
            let grown: usize = process.hear().parse().unwrap();
            println!("{policy:?} {endpoint}: {} KiB", grown >> 10);
            assert!(process.wait());
        }
    }
}

/// What the process of [`out_of_descriptors`] does, with few descriptors.
#[test]
fn few_descriptors() {
    let Some(endpoint) = role() else { return };
    let context = Context::new();
    let mut pull = socket(&context, SocketType::Pull);
    let events = pull.monitor();
    let bound = pull.bind(&endpoint).unwrap().to_owned();
    say(&bound);
    wait_for(&events, "ACCEPT_FAILED");
    say("full");
    // The one that could not be accepted at first.
    loop {
        if recv(&mut pull) == b"last" {
            say("last");
            break;
        }
    }
    drop(pull);
    assert!(context.terminate(Some(crate::common::after(PLENTY))));
}

#[test]
fn out_of_descriptors() {
    let _turn = crate::common::turn();
    if role().is_some() {
        return;
    }
    for endpoint in [TCP, IPC] {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "ulimit -n 40; exec \"$0\" --exact hostile::few_descriptors --nocapture",
        ]);
        shell.arg(std::env::current_exe().unwrap());
        let mut process = Process::from_command(shell, endpoint);
        let bound = process.hear();
        let mut peers: Vec<_> = (0..60).map(|_| Peer::connect(&bound)).collect();
        assert_eq!(process.hear(), "full");
        let mut last = peers.pop().unwrap();
        drop(peers);
        last.shake_hands("PUSH");
        last.send(0, b"last");
        assert_eq!(process.hear(), "last");
        assert!(process.wait());
    }
}
