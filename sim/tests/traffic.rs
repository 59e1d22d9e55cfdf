// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages and subscriptions over bad networks.

use std::time::Duration;

use ferromq_sim::link::{Fate, Profile};
use ferromq_sim::pair::Pair;
use ferromq_sim::rng::SplitMix64;
use ferromq_sim::script::Script;
use ferromq_sim::wire;
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::connection::{Config, Event, Reason};
use ferromq_zmtp::decoder::Frame;

fn random_frames(rng: &mut SplitMix64) -> Vec<Frame> {
    let count = rng.length(0, 30);
    (0..count)
        .map(|_| {
            let longest = if rng.chance(100) { 5000 } else { 300 };
            let len = rng.length(0, longest);
            Frame {
                flags: u8::from(rng.chance(300)),
                body: rng.bytes(len),
            }
        })
        .collect()
}

fn frames_of(events: &[(std::time::Instant, Event)]) -> Vec<Frame> {
    let frame = |(_, event): &(_, Event)| match event {
        Event::Frame(frame) => Some(frame.clone()),
        _ => None,
    };
    events.iter().filter_map(frame).collect()
}

#[test]
fn every_frame_of_every_seed_arrives_once_and_in_order() {
    let mut arrived = 0;
    for seed in 0..1000 {
        let mut rng = SplitMix64::new(seed);
        let left = (Config::new(SocketType::Dealer), Profile::random(&mut rng));
        let right = (Config::new(SocketType::Router), Profile::random(&mut rng));
        let mut pair = Pair::new(left, right, seed);
        assert!(pair.run_until_ready(), "seed {seed}");
        let sent = [random_frames(&mut rng), random_frames(&mut rng)];
        for (frames, left) in [(&sent[0], true), (&sent[1], false)] {
            for frame in frames {
                let end = if left {
                    &mut pair.left
                } else {
                    &mut pair.right
                };
                end.connection.send_frame(frame.flags, &frame.body).unwrap();
                pair.drain();
                if rng.chance(200) {
                    pair.step();
                }
            }
        }
        while pair.step() {}
        assert_eq!(frames_of(&pair.right.events), sent[0], "seed {seed}");
        assert_eq!(frames_of(&pair.left.events), sent[1], "seed {seed}");
        arrived += sent[0].len() + sent[1].len();
    }
    assert!(arrived > 20_000, "{arrived}");
}

#[test]
fn a_cut_anywhere_leaves_whole_frames_only() {
    for seed in 0..300 {
        let mut rng = SplitMix64::new(seed);
        let frames = random_frames(&mut rng);
        let fate = Fate::Cut(64 + rng.below(4000));
        let left = (
            Config::new(SocketType::Push),
            Profile::random(&mut rng).with_fate(fate),
        );
        let right = (Config::new(SocketType::Pull), Profile::perfect());
        let mut pair = Pair::new(left, right, seed);
        if !pair.run_until_ready() {
            continue;
        }
        for frame in &frames {
            pair.left
                .connection
                .send_frame(frame.flags, &frame.body)
                .unwrap();
        }
        pair.drain();
        while pair.step() {}
        let arrived = frames_of(&pair.right.events);
        assert_eq!(arrived, frames[..arrived.len()], "seed {seed}");
        if arrived.len() < frames.len() {
            let last = pair.right.happened().last();
            assert_eq!(last, Some(&Event::Closed(Reason::Cut)), "seed {seed}");
        }
    }
}

#[test]
fn subscriptions_reach_the_publisher_over_every_seed() {
    for seed in 0..1000 {
        let mut rng = SplitMix64::new(seed);
        let left = (Config::new(SocketType::Sub), Profile::random(&mut rng));
        let right = (Config::new(SocketType::Pub), Profile::random(&mut rng));
        let mut pair = Pair::new(left, right, seed);
        assert!(pair.run_until_ready(), "seed {seed}");
        let mut expected = Vec::new();
        for _ in 0..rng.length(1, 20) {
            let len = rng.length(0, 300);
            let topic = rng.bytes(len);
            if rng.chance(500) {
                pair.left.connection.subscribe(&topic).unwrap();
                expected.push(Event::Subscribed(topic));
            } else {
                pair.left.connection.cancel(&topic).unwrap();
                expected.push(Event::Cancelled(topic));
            }
            pair.drain();
        }
        while pair.step() {}
        let seen: Vec<_> = pair.right.happened().skip(1).cloned().collect();
        assert_eq!(seen, expected, "seed {seed}");
    }
}

#[test]
fn commands_to_a_3_1_publisher_messages_to_a_3_0_one() {
    let talk = |minor| {
        Script::ready(Config::new(SocketType::Sub), "PUB", minor).does(|subscriber| {
            subscriber.subscribe(b"news").unwrap();
            subscriber.cancel(b"news").unwrap();
        })
    };
    talk(1)
        .hears(&wire::command("SUBSCRIBE", b"news"))
        .hears(&wire::command("CANCEL", b"news"))
        .hears_nothing();
    talk(0)
        .hears(&wire::message(b"\x01news"))
        .hears(&wire::message(b"\x00news"));
}

#[test]
fn a_publisher_takes_either_form_from_either_version() {
    for minor in [0, 1] {
        Script::ready(Config::new(SocketType::Xpub), "SUB", minor)
            .spells(&wire::command("SUBSCRIBE", b"a"))
            .spells(&wire::message(b"\x01b"))
            .spells(&wire::command("CANCEL", b"a"))
            .spells(&wire::message(b"\x00b"))
            .spells(&wire::message(b"user"))
            .sees(&Event::Subscribed(b"a".to_vec()))
            .sees(&Event::Subscribed(b"b".to_vec()))
            .sees(&Event::Cancelled(b"a".to_vec()))
            .sees(&Event::Cancelled(b"b".to_vec()))
            .sees(&Event::Frame(Frame {
                flags: 0,
                body: b"user".to_vec(),
            }))
            .sees_nothing();
    }
}

#[test]
fn frames_may_stall_forever_once_the_handshake_is_over() {
    Script::ready(Config::new(SocketType::Pull), "PUSH", 1)
        .says(&wire::message(b"half a message")[..8])
        .wait(Duration::from_secs(100_000))
        .sees_nothing()
        .says(&wire::message(b"half a message")[8..])
        .sees(&Event::Frame(Frame {
            flags: 0,
            body: b"half a message".to_vec(),
        }));
}

#[test]
fn the_limit_ends_the_connection_at_the_header() {
    let mut config = Config::new(SocketType::Pull);
    config.max_frame_size = 1000;
    Script::ready(config, "PUSH", 1)
        .says(&wire::message(&[7; 1000]))
        .sees(&Event::Frame(Frame {
            flags: 0,
            body: vec![7; 1000],
        }))
        .says(&wire::message(&[7; 1001])[..9])
        .closes(Reason::FrameTooLarge);
}
