// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heartbeats in virtual time.

use std::time::Duration;

use ferromq_sim::link::Profile;
use ferromq_sim::pair::Pair;
use ferromq_sim::rng::SplitMix64;
use ferromq_sim::script::Script;
use ferromq_sim::wire;
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::connection::{Config, Event, Reason};

const SECOND: Duration = Duration::from_secs(1);

fn config(interval: Duration, ttl: Duration, timeout: Option<Duration>) -> Config {
    let mut config = Config::new(SocketType::Dealer);
    config.heartbeat.interval = interval;
    config.heartbeat.ttl = ttl;
    config.heartbeat.timeout = timeout;
    config
}

fn plain() -> Config {
    Config::new(SocketType::Dealer)
}

#[test]
fn the_conversation() {
    let tenth = SECOND / 10;
    Script::ready(config(SECOND, SECOND * 3, None), "ROUTER", 1)
        .wait(SECOND - tenth)
        .hears_nothing()
        .wait(tenth)
        .hears(&wire::command("PING", &[0, 30]))
        .wait(SECOND - tenth)
        .says(&wire::command("PONG", b""))
        .wait(tenth)
        .hears(&wire::command("PING", &[0, 30]))
        .says(&wire::message(b"as good as a pong"))
        .wait(SECOND)
        .hears(&wire::command("PING", &[0, 30]))
        .wait(SECOND - Duration::from_nanos(1))
        .hears_nothing()
        .wait(Duration::from_nanos(1))
        .sees(&Event::Frame(ferromq_zmtp::decoder::Frame {
            flags: 0,
            body: b"as good as a pong".to_vec(),
        }))
        .closes(Reason::HeartbeatTimeout);
}

#[test]
fn answers_carry_the_context_and_ttls_count() {
    Script::ready(plain(), "ROUTER", 1)
        .says(&wire::command("PING", b"\x00\x0ahello"))
        .hears(&wire::command("PONG", b"hello"))
        .wait(SECOND - Duration::from_nanos(1))
        .says(&wire::command("PING", b"\x00\x0a0123456789abcdefTOO LONG"))
        .hears(&wire::command("PONG", b"0123456789abcdef"))
        .wait(SECOND - Duration::from_nanos(1))
        .sees_nothing()
        .wait(Duration::from_nanos(1))
        .closes(Reason::HeartbeatTimeout);
    // 65.6 seconds and more do not wrap.
    Script::ready(plain(), "ROUTER", 1)
        .says(&wire::command("PING", &656_u16.to_be_bytes()))
        .wait(Duration::from_millis(65_599))
        .sees_nothing()
        .wait(Duration::from_millis(1))
        .closes(Reason::HeartbeatTimeout);
    // Any frame behind it takes the ttl back.
    Script::ready(plain(), "ROUTER", 1)
        .says(&wire::command("PING", b"\x00\x0a"))
        .says(&wire::command("PONG", b""))
        .wait(SECOND * 1000)
        .sees_nothing();
}

#[test]
fn half_a_frame_is_no_sign_of_life() {
    Script::ready(config(SECOND, Duration::ZERO, None), "ROUTER", 1)
        .wait(SECOND)
        .says(&wire::message(b"unfinished")[..5])
        .wait(SECOND)
        .closes(Reason::HeartbeatTimeout);
}

#[test]
fn a_dead_network_is_noticed_by_both_at_their_own_instant() {
    for timeout in [None, Some(SECOND / 4), Some(SECOND * 5 / 2)] {
        let left = (config(SECOND, SECOND * 3, timeout), Profile::perfect());
        let mut pair = Pair::new(left, (plain(), Profile::perfect()), 0);
        assert!(pair.run_until_ready());
        pair.run_for(SECOND * 7 / 2);
        pair.left.outbound.stall();
        pair.right.outbound.stall();
        pair.run_for(SECOND * 60);
        // The last PING answered was that of second 3, the first unanswered that of second 4.
        let left_end = pair.start + SECOND * 4 + timeout.unwrap_or(SECOND);
        let right_end = pair.start + SECOND * 6;
        let closed = Event::Closed(Reason::HeartbeatTimeout);
        assert_eq!(pair.left.events.last(), Some(&(left_end, closed.clone())));
        assert_eq!(pair.right.events.last(), Some(&(right_end, closed)));
    }
}

#[test]
fn one_dead_direction_is_noticed_too() {
    let left = (config(SECOND, SECOND * 3, None), Profile::perfect());
    let mut pair = Pair::new(left, (plain(), Profile::perfect()), 0);
    assert!(pair.run_until_ready());
    // Its PINGs arrive, the answers do not; when it gives up, the other hears the end.
    pair.right.outbound.stall();
    pair.run_for(SECOND * 10);
    let end = pair.start + SECOND * 2;
    assert_eq!(
        pair.left.events.last(),
        Some(&(end, Event::Closed(Reason::HeartbeatTimeout)))
    );
    assert_eq!(
        pair.right.events.last(),
        Some(&(end, Event::Closed(Reason::Cut)))
    );
}

#[test]
fn no_seed_loses_a_living_connection() {
    for seed in 0..1000 {
        let mut rng = SplitMix64::new(seed);
        let profile = |rng: &mut SplitMix64| {
            let mut profile = Profile::random(rng);
            // A PING and its PONG are at most 12 bytes each, held up by 700 ms in all.
            profile.max_delay = profile.max_delay.min(SECOND / 5);
            profile.pauses_per_mille = 0;
            profile
        };
        let ttl = Duration::from_millis(1500 + rng.below(2000));
        let left = (config(SECOND, ttl, None), profile(&mut rng));
        let right = (config(SECOND * 2 / 3, ttl, Some(SECOND)), profile(&mut rng));
        let mut pair = Pair::new(left, right, seed);
        assert!(pair.run_until_ready(), "seed {seed}");
        pair.run_for(SECOND * 100);
        assert!(
            pair.left.connection.is_ready(),
            "seed {seed}: {:?}",
            pair.left.events
        );
        assert!(
            pair.right.connection.is_ready(),
            "seed {seed}: {:?}",
            pair.right.events
        );
    }
}

#[test]
fn idle_without_heartbeats_nothing_is_ever_due() {
    let mut pair = Pair::new(
        (plain(), Profile::perfect()),
        (plain(), Profile::perfect()),
        0,
    );
    assert!(pair.run_until_ready());
    assert!(!pair.step());
}
