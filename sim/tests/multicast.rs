// SPDX-License-Identifier: MIT OR Apache-2.0
//! PGM over a bad network: everything inside the recovery window arrives, in order, once, everywhere.

use std::time::Duration;

use ferromq_pgm::Sqn;
use ferromq_pgm::rate::Limit;
use ferromq_pgm::receiver::DownReason;
use ferromq_sim::multicast::{Heard, Multicast, Weather};
use ferromq_sim::rng::SplitMix64;

const SECOND: Duration = Duration::from_secs(1);

/// Sends a message every so often.
fn send(net: &mut Multicast, count: u64, gap: Duration) {
    for _ in 0..count {
        net.send(100);
        net.pass(gap);
    }
}

/// Everything from some message on, in order, once, nothing lost.
fn assert_whole(net: &Multicast, receiver: usize, first: u64, count: u64, seed: u64) {
    let expected: Vec<_> = (first..first + count).map(Heard::Message).collect();
    let mut heard = net.heard(receiver).to_vec();
    if let Some(Heard::Down(DownReason::Finished)) = heard.last() {
        heard.pop();
    }
    assert!(
        heard == expected,
        "seed {seed}, receiver {receiver}: {heard:?}"
    );
}

#[test]
fn any_weather_and_every_message_arrives() {
    for seed in 0..150 {
        let mut rng = SplitMix64::new(seed);
        let mut config = Multicast::source_config();
        // Near the end of the numbers, so that they wrap.
        config.first = Sqn(u32::MAX - u32::try_from(rng.below(200)).unwrap_or(0));
        let receiver = Multicast::receiver_config();
        let receivers = 1 + rng.length(0, 7);
        let mut net = Multicast::new(config, &receiver, receivers, Weather::fair(), seed);
        // Everybody is there before the storm begins: what comes before one joins is not asked for.
        net.send(8);
        net.pass(SECOND);
        net.change_weather(Weather::random(&mut rng));
        let gap = rng.duration(Duration::from_millis(20));
        send(&mut net, 200, gap);
        assert!(
            net.pass_until(60 * SECOND, Multicast::is_complete),
            "seed {seed} {net:?}"
        );
        net.pass(SECOND);
        for receiver in 0..receivers {
            assert_whole(&net, receiver, 0, 201, seed);
        }
    }
}

#[test]
fn an_end_waits_for_those_who_miss_the_tail() {
    for seed in 0..60 {
        let mut rng = SplitMix64::new(seed);
        let (config, receiver) = (Multicast::source_config(), Multicast::receiver_config());
        let mut net = Multicast::new(config, &receiver, 5, Weather::fair(), seed);
        net.send(8);
        net.pass(SECOND);
        let mut weather = Weather::random(&mut rng);
        weather.lost_by_one = 100;
        weather.lost_by_all = 50;
        net.change_weather(weather);
        send(&mut net, 20, Duration::ZERO);
        net.close(None);
        assert!(net.pass_until(30 * SECOND, |net| net.source().is_closed()));
        net.pass(SECOND);
        for receiver in 0..5 {
            assert_whole(&net, receiver, 0, 21, seed);
        }
    }
}

#[test]
fn a_cut_shorter_than_the_window_loses_nothing() {
    let (config, receiver) = (Multicast::source_config(), Multicast::receiver_config());
    let mut net = Multicast::new(config, &receiver, 6, Weather::fair(), 1);
    send(&mut net, 100, Duration::from_millis(10));
    net.cut(0..3, 5 * SECOND);
    send(&mut net, 1000, Duration::from_millis(10));
    net.pass(5 * SECOND);
    for receiver in 0..6 {
        assert_whole(&net, receiver, 0, 1100, 1);
    }
}

#[test]
fn a_cut_longer_than_the_window_is_told_exactly() {
    let mut config = Multicast::source_config();
    config.window_packets = 300;
    let receiver = Multicast::receiver_config();
    let mut net = Multicast::new(config, &receiver, 4, Weather::fair(), 1);
    send(&mut net, 100, Duration::from_millis(10));
    net.cut(0..2, 60 * SECOND);
    send(&mut net, 6100, Duration::from_millis(10));
    net.pass(5 * SECOND);
    for receiver in 2..4 {
        assert_whole(&net, receiver, 0, 6200, 1);
    }
    for receiver in 0..2 {
        let (mut next, mut lost) = (0, 0);
        for heard in net.heard(receiver) {
            match heard {
                Heard::Message(number) => {
                    assert_eq!(*number, next);
                    next += 1;
                }
                Heard::Lost(count) => {
                    next += u64::from(*count);
                    lost += u64::from(*count);
                }
                Heard::Down(reason) => panic!("{reason:?}"),
            }
        }
        assert_eq!(next, 6200);
        assert!((5600..6000).contains(&lost), "{lost}");
    }
}

#[test]
fn without_a_way_back_time_ends_it() {
    let (config, receiver) = (Multicast::source_config(), Multicast::receiver_config());
    let mut net = Multicast::new(config, &receiver, 1, Weather::fair(), 1);
    send(&mut net, 10, Duration::from_millis(10));
    net.silence_receivers();
    net.cut(0..1, Duration::from_millis(15));
    send(&mut net, 10, Duration::from_millis(10));
    net.pass(9 * SECOND);
    assert_eq!(net.heard(0).len(), 10);
    net.pass(3 * SECOND);
    let heard = net.heard(0);
    assert_eq!(heard[10], Heard::Lost(2));
    assert_eq!(
        heard[11..],
        (12..20).map(Heard::Message).collect::<Vec<_>>()
    );
}

#[test]
fn a_rate_is_kept_and_repairs_get_through() {
    let mut config = Multicast::source_config();
    config.limit = Some(Limit::new(2_000_000, 1500));
    let weather = Weather {
        lost_by_one: 100,
        ..Weather::fair()
    };
    let receiver = Multicast::receiver_config();
    let mut net = Multicast::new(config, &receiver, 10, Weather::fair(), 3);
    net.send(8);
    net.pass(SECOND);
    net.change_weather(weather);
    let begin = net.time();
    for _ in 0..1000 {
        net.send(1400);
    }
    assert!(net.pass_until(60 * SECOND, Multicast::is_complete));
    let seconds = (net.time() - begin).as_secs_f64();
    let statistics = net.source().statistics();
    let bits = (statistics.packets + statistics.repairs) as f64 * 1452.0 * 8.0;
    // With ten receivers of a tenth each, repairs are most of what is sent.
    assert!(bits / seconds < 2_150_000.0, "{bits} in {seconds}");
    for receiver in 0..10 {
        assert_whole(&net, receiver, 0, 1001, 3);
    }
}

/// How many NAK packets a loss costs that all receivers share, by the number of receivers.
#[test]
fn naks_do_not_implode() {
    println!("receivers | packets lost by all | NAKs | per loss | most the source heard at once");
    for receivers in [1, 10, 100, 1000] {
        let (config, receiver) = (Multicast::source_config(), Multicast::receiver_config());
        let mut net = Multicast::new(config, &receiver, receivers, Weather::fair(), 5);
        net.change_weather(Weather {
            delay: Duration::from_micros(500),
            jitter: Duration::from_micros(200),
            ..Weather::fair()
        });
        send(&mut net, 10, Duration::from_millis(10));
        let (mut most, losses, before) = (0, 30, net.source().statistics().naks);
        for _ in 0..losses {
            // This one is lost by all, the next one shows it.
            let naks = net.source().statistics().naks;
            net.cut(0..receivers, Duration::from_micros(1));
            net.send(100);
            net.pass(Duration::from_millis(5));
            net.send(100);
            net.pass(Duration::from_millis(300));
            most = most.max(net.source().statistics().naks - naks);
        }
        net.pass(SECOND);
        let naks = net.source().statistics().naks - before;
        let per_loss = naks as f64 / f64::from(losses);
        println!("{receivers:>9} | {losses:>19} | {naks:>4} | {per_loss:>8.1} | {most}");
        for receiver in 0..receivers {
            assert_whole(
                &net,
                receiver,
                0,
                10 + 2 * u64::try_from(losses).unwrap_or(0),
                5,
            );
        }
        assert!(per_loss < 15.0, "{receivers}: {per_loss}");
        assert!(net.source().statistics().repairs <= naks + 30);
    }
}

#[test]
fn a_thousand_receivers_in_bad_weather() {
    let (config, receiver) = (Multicast::source_config(), Multicast::receiver_config());
    let mut net = Multicast::new(config, &receiver, 1000, Weather::fair(), 9);
    send(&mut net, 5, Duration::from_millis(10));
    net.change_weather(Weather {
        lost_by_all: 20,
        lost_by_one: 5,
        doubled: 5,
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(2),
    });
    send(&mut net, 150, Duration::from_millis(5));
    assert!(net.pass_until(30 * SECOND, Multicast::is_complete));
    for receiver in 0..1000 {
        assert_whole(&net, receiver, 0, 155, 9);
    }
    let statistics = net.source().statistics();
    println!(
        "1000 receivers, 2 % lost by all, 0.5 % by each: {} data packets, {} NAKs, {} NCFs, {} repairs",
        statistics.packets, statistics.naks, statistics.ncfs, statistics.repairs
    );
    // About 5 of 1000 miss any packet: most packets are repaired once or twice.
    assert!(statistics.repairs < 150 * 8, "{statistics:?}");
}
