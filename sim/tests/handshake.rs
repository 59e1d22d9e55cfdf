// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handshakes over bad networks: each completes, or ends at the very instant it has to.

use std::time::Duration;

use ferromq_sim::link::{Fate, Profile};
use ferromq_sim::pair::{End, Pair};
use ferromq_sim::rng::SplitMix64;
use ferromq_sim::script::Script;
use ferromq_sim::wire;
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::connection::{Config, Event, Reason};
use ferromq_zmtp::handshake::{Fault, Version};
use ferromq_zmtp::metadata;

const TIMEOUT: Duration = Duration::from_secs(30);

fn dealer() -> Config {
    Config::new(SocketType::Dealer)
}

fn router() -> Config {
    Config::new(SocketType::Router)
}

/// What a dealer without routing id writes during its handshake.
fn dealer_hello() -> Vec<u8> {
    let ready = wire::ready(&[("Socket-Type", b"DEALER"), ("Identity", b"")]);
    [wire::greeting(3, 1, "NULL"), ready].concat()
}

fn is_ready_first(end: &End) -> bool {
    matches!(end.happened().next(), Some(Event::Ready(_)))
}

/// The end became ready in time, or timed out exactly in time, or was hung up on at that instant.
fn assert_exact(pair: &Pair, end: &End, seed: u64) {
    let deadline = pair.start + TIMEOUT;
    match end.events.first() {
        Some((at, Event::Ready(_))) => assert!(*at <= deadline, "seed {seed}"),
        Some((at, Event::Closed(Reason::HandshakeTimeout))) => {
            assert_eq!(*at, deadline, "seed {seed}");
        }
        Some((at, Event::Closed(Reason::Cut))) => assert!(*at >= deadline, "seed {seed}"),
        other => panic!("seed {seed}: {other:?}"),
    }
}

#[test]
fn every_seed_completes_on_a_lasting_network() {
    for seed in 0..1500 {
        let mut rng = SplitMix64::new(seed);
        let profiles = [Profile::random(&mut rng), Profile::random(&mut rng)];
        let mut left = dealer();
        left.local.routing_id = rng.bytes(rng.clone().length(0, 255));
        left.local.metadata = vec![("X-seed".to_owned(), seed.to_be_bytes().to_vec())];
        left.handshake_timeout = None;
        let mut right = router();
        right.handshake_timeout = None;
        let routing_id = left.local.routing_id.clone();
        let mut pair = Pair::new((left, profiles[0]), (right, profiles[1]), seed);
        assert!(pair.run_until_ready(), "seed {seed}");
        let Some(Event::Ready(peer)) = pair.right.happened().next() else {
            panic!("seed {seed}: {:?}", pair.right.events)
        };
        assert_eq!(peer.version, Version::V3_1);
        assert_eq!(peer.socket_type, Some(SocketType::Dealer));
        assert_eq!(peer.routing_id, routing_id, "seed {seed}");
        assert_eq!(
            metadata::find(&peer.properties, "x-seed"),
            Some(&seed.to_be_bytes()[..])
        );
        assert!(is_ready_first(&pair.left), "seed {seed}");
    }
}

#[test]
fn every_seed_completes_or_times_out_at_the_instant_on_a_stalling_network() {
    let (mut completed, mut timed_out) = (0, 0);
    let whole = dealer_hello().len() as u64 + 20;
    for seed in 0..1500 {
        let mut rng = SplitMix64::new(seed);
        let fate = |rng: &mut SplitMix64| {
            if rng.chance(500) {
                Fate::Stall(rng.below(whole))
            } else {
                Fate::Lasting
            }
        };
        let (left_fate, right_fate) = (fate(&mut rng), fate(&mut rng));
        let mut slow = Profile::random(&mut rng);
        slow.pause = Duration::from_secs(rng.below(3));
        let left = (dealer(), slow.with_fate(left_fate));
        let right = (router(), Profile::random(&mut rng).with_fate(right_fate));
        let mut pair = Pair::new(left, right, seed);
        pair.run_for(TIMEOUT);
        // A timed-out end hangs up; let the other one hear it.
        pair.run_for(Duration::from_secs(60));
        assert_exact(&pair, &pair.left, seed);
        assert_exact(&pair, &pair.right, seed);
        if is_ready_first(&pair.left) && is_ready_first(&pair.right) {
            completed += 1;
        } else {
            timed_out += 1;
        }
    }
    assert!(
        completed > 300 && timed_out > 300,
        "{completed} completed, {timed_out} did not"
    );
}

#[test]
fn a_peer_that_falls_silent_anywhere_is_given_up_at_the_deadline() {
    let hello = dealer_hello();
    for said in 0..hello.len() {
        let script = Script::new(router()).says(&hello[..said]);
        script
            .wait(TIMEOUT - Duration::from_nanos(1))
            .sees_nothing()
            .wait(Duration::from_nanos(1))
            .closes(Reason::HandshakeTimeout);
    }
    Script::new(router())
        .says(&hello)
        .becomes_ready()
        .wait(TIMEOUT * 2)
        .sees_nothing();
}

#[test]
fn a_stall_in_either_direction_at_every_byte() {
    let len = dealer_hello().len() as u64;
    for at in 0..=len {
        let left = (dealer(), Profile::perfect().with_fate(Fate::Stall(at)));
        let mut pair = Pair::new(left, (router(), Profile::bytewise()), at);
        pair.run_for(TIMEOUT * 2);
        assert_exact(&pair, &pair.left, at);
        assert_exact(&pair, &pair.right, at);
        assert_eq!(is_ready_first(&pair.right), at == len, "{at}");
    }
}

#[test]
fn a_cut_at_every_byte_is_seen_as_a_cut() {
    let hello = dealer_hello();
    for said in 0..hello.len() {
        Script::new(router())
            .says(&hello[..said])
            .hangs_up()
            .closes(Reason::Cut);
        let left = (
            dealer(),
            Profile::perfect().with_fate(Fate::Cut(said as u64)),
        );
        let mut pair = Pair::new(left, (router(), Profile::perfect()), 0);
        assert!(!pair.run_until_ready());
        pair.run_for(Duration::ZERO);
        assert_eq!(
            pair.right.events,
            [(pair.start, Event::Closed(Reason::Cut))],
            "{said}"
        );
        // The one that hears of it may have been ready: its half was complete.
        let last = pair.left.happened().last();
        assert_eq!(last, Some(&Event::Closed(Reason::Cut)), "{said}");
    }
}

#[test]
fn bytes_one_by_one_in_both_directions() {
    let mut pair = Pair::new(
        (dealer(), Profile::bytewise()),
        (router(), Profile::bytewise()),
        1,
    );
    assert!(pair.run_until_ready());
    assert_eq!(pair.now, pair.start, "a perfect network takes no time");
    Script::new(router())
        .spells(&dealer_hello())
        .becomes_ready()
        .sees_nothing();
}

#[test]
fn the_conversation_with_a_peer_that_waits_for_every_step() {
    Script::new(dealer())
        .hears(&wire::SIGNATURE)
        .hears_nothing()
        .says(&wire::SIGNATURE)
        .hears(&[3])
        .hears_nothing()
        .says(&[3])
        .hears(&wire::greeting(3, 1, "NULL")[11..])
        .hears_nothing()
        .says(&wire::greeting(3, 0, "NULL")[11..])
        .hears(&wire::ready(&[
            ("Socket-Type", b"DEALER"),
            ("Identity", b""),
        ]))
        .hears_nothing()
        .says(&wire::ready(&[
            ("socket-type", b"ROUTER"),
            ("X-Who", b"me"),
        ]))
        .becomes_ready_with(|peer| {
            assert_eq!(peer.version, Version::V3_0);
            assert_eq!(peer.socket_type, Some(SocketType::Router));
            assert_eq!(metadata::find(&peer.properties, "x-who"), Some(&b"me"[..]));
        })
        .hears_nothing();
}

#[test]
fn what_a_faulty_peer_says_and_how_it_ends() {
    let hello = |rest: Vec<u8>| [wire::greeting(3, 1, "NULL"), rest].concat();
    let cases = [
        (vec![0], Fault::NotZmtp),
        (vec![1, 0], Fault::UnsupportedVersion),
        (wire::greeting(1, 5, ""), Fault::UnsupportedVersion),
        (wire::greeting(3, 1, "CURVE"), Fault::MechanismMismatch),
        (hello(wire::message(b"early")), Fault::UnexpectedMessage),
        (
            hello(wire::command("PING", b"\0\0")),
            Fault::UnexpectedCommand,
        ),
        (
            hello(wire::command("ERROR", b"\x03400")),
            Fault::PeerError { status: Some(400) },
        ),
        (
            hello(wire::ready(&[("Socket-Type", b"PUB")])),
            Fault::IncompatibleSocketType,
        ),
        (hello(wire::command("READY", b"x")), Fault::InvalidMetadata),
        (
            hello(wire::command("READY", &vec![0; 70_000])),
            Fault::HandshakeTooLarge,
        ),
    ];
    for (bytes, fault) in cases {
        Script::new(dealer())
            .says(&bytes)
            .closes(Reason::Fault(fault));
        Script::new(dealer())
            .spells(&bytes)
            .closes(Reason::Fault(fault));
    }
}

#[test]
fn wrong_partners_part_on_every_network() {
    for seed in 0..100 {
        let mut rng = SplitMix64::new(seed);
        let left = (dealer(), Profile::random(&mut rng));
        let right = (Config::new(SocketType::Pull), Profile::random(&mut rng));
        let mut pair = Pair::new(left, right, seed);
        assert!(!pair.run_until_ready());
        pair.run_for(TIMEOUT);
        let wrong = Event::Closed(Reason::Fault(Fault::IncompatibleSocketType));
        let ends = [&pair.left, &pair.right].map(|end| end.happened().last() == Some(&wrong));
        assert!(ends.contains(&true), "seed {seed}");
        for end in [&pair.left, &pair.right] {
            assert_eq!(end.events.len(), 1, "seed {seed}");
        }
    }
}
