// SPDX-License-Identifier: MIT OR Apache-2.0
//! Beginnings, ends, and what is lost for good.

use std::time::{Duration, Instant};

use ferromq_interop::network::Network;
use ferromq_interop::peer::{Burst, Peer};
use ferromq_interop::script::Part;
use ferromq_interop::{Failure, Outcome};

use crate::rig::*;

#[test]
fn late_joiners_and_a_publisher_that_comes_back() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for (publishing, subscribing) in PAIRS {
            come_and_go(over, publishing, subscribing)
                .map_err(|f| f.within(format!("{over:?} {publishing:?} to {subscribing:?}")))?;
        }
    }
    Ok(())
}

fn come_and_go(over: Over, publishing: Player, subscribing: Player) -> Outcome<()> {
    let network = Network::new(2)?;
    let mut first = publisher(&network, 0, publishing, over)?;
    first.0.burst(first.1, numbered(0, 100), PATIENCE)?;
    // It misses what was before, and nothing after its first.
    let mut subscribers = [subscriber(&network, 1, subscribing, over)?];
    meet(&mut first, &mut subscribers)?;
    publish(&mut first, &mut subscribers, 100, 100)?;
    // A tail, then the end: everything arrives, though the last packets are lost at first.
    network.lose(1, &over.losing("numgen inc mod 10 3-6"))?;
    first.0.burst(first.1, numbered(200, 60), PATIENCE)?;
    if (publishing, subscribing) == (Ours, Ours) {
        first.0.close(first.1)?;
    }
    collect(&mut first, &mut subscribers[0], 200, 60)?;
    network.lose(1, "")?;
    // The same place, another stream.
    drop(first);
    let mut second = publisher(&network, 0, publishing, over)?;
    meet(&mut second, &mut subscribers)?;
    publish(&mut second, &mut subscribers, 1000, 200).map_err(|f| f.within("again"))
}

fn numbered(first: u64, count: u64) -> Burst {
    Burst {
        source: 1,
        first,
        count,
        size: SIZE,
    }
}

/// What the rate has not let out yet when the socket is closed goes out within the linger, and so does the last message,
/// which nothing follows.
#[test]
fn what_is_queued_at_the_close_still_arrives() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    let network = Network::new(2)?;
    for over in [Over::Epgm, Over::Pgm] {
        let mut subscribers = [subscriber(&network, 1, Ours, over)?];
        for count in [1, 2, 3, 5, 8, 60] {
            let mut peer = enter(&network, 0, Ours)?;
            let socket = peer.open("PUB")?;
            // Sixty take a second.
            peer.set(socket, "rate", 600)?;
            peer.set(socket, "linger", 20_000)?;
            peer.connect(socket, &over.endpoint(&network, 0))?;
            let mut publisher = (peer, socket);
            meet(&mut publisher, &mut subscribers)?;
            publisher
                .0
                .burst(publisher.1, numbered(0, count), PATIENCE)?;
            publisher.0.close(publisher.1)?;
            collect(&mut publisher, &mut subscribers[0], 0, count)
                .map_err(|f| f.within(format!("{over:?}, {count}")))?;
        }
    }
    Ok(())
}

/// The queue is empty, the window full, and half of the last header still to be packed: that is no end yet.
#[test]
fn the_last_byte_waits_for_the_rate_and_the_end_for_it() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    let network = Network::new(2)?;
    for over in [Over::Epgm, Over::Pgm] {
        let mut subscribers = [subscriber(&network, 1, Ours, over)?];
        // At the default rate nine packets go out at once and nine more fill the window, or a few less: what has gone before
        // counts, too.
        let mut publishers = Vec::new();
        for packets in 15..=19 {
            let endpoint = over.endpoint(&network, 0);
            let options = [("rate", 100)];
            let mut publisher = publisher_of(&network, 0, Ours, &endpoint, &options)?;
            meet(&mut publisher, &mut subscribers)?;
            publishers.push((packets, publisher));
        }
        for (packets, (peer, socket)) in &mut publishers {
            peer.send(*socket, &filling(over, *packets), PATIENCE)?;
            // All of them are closed at once.
            peer.tell(&format!("close {socket}"))?;
        }
        let (peer, socket) = &mut subscribers[0];
        let mut missing: Vec<_> = publishers.iter().map(|(packets, _)| *packets).collect();
        while !missing.is_empty() {
            let received = peer.receive(*socket, PATIENCE)?;
            let Some(received) = received else {
                return Err(Failure::new(format!("{over:?}: {missing:?} packets")));
            };
            missing.retain(|packets| {
                let parts = filling(over, *packets);
                received != parts.iter().map(Part::seen).collect::<Vec<_>>()
            });
        }
    }
    Ok(())
}

/// A message that fills so many packets and needs one byte of another one.
fn filling(over: Over, packets: usize) -> [Part; 2] {
    let below = match over {
        Over::Epgm => 20 + 8,
        Over::Pgm => 20,
    };
    // Headers of PGM and of data, and the offset.
    let each = 1500 - below - 16 - 8 - 2;
    // The header of a long frame takes 10 bytes, that of an empty one 2.
    let len = packets * each - 1 - 10;
    [Part::Pattern { len, seed: 1 }, Part::Bytes(Vec::new())]
}

#[test]
fn what_is_lost_for_good_is_told_and_takes_whole_messages() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for publishing in [Ours, Theirs] {
            lose_for_good(over, publishing)
                .map_err(|f| f.within(format!("{over:?} {publishing:?}")))?;
        }
    }
    Ok(())
}

fn lose_for_good(over: Over, publishing: Player) -> Outcome<()> {
    let network = Network::new(2)?;
    let mut subscriber = impatient(&network, 1, over, 600)?;
    let mut publisher = publisher(&network, 0, publishing, over)?;
    meet(&mut publisher, std::slice::from_mut(&mut subscriber))?;
    // Nothing comes back to the publisher, and some of what it sends gets lost.
    network.lose(0, &over.losing_to(&network.address(0), ""))?;
    network.lose(1, &over.losing_data("numgen inc mod 50 10-12"))?;
    let message = |seed| {
        [
            Part::Pattern { len: 2000, seed },
            Part::Pattern { len: 900, seed },
        ]
    };
    for seed in 0..100 {
        publisher.0.send(publisher.1, &message(seed), PATIENCE)?;
    }
    // Two hundred packets or more: at least four times it was three.
    until(|| network.dropped(1), |dropped| *dropped >= 9)?;
    network.lose(1, "")?;
    let (peer, socket) = &mut subscriber;
    let (end, deadline) = (Part::text("end"), Instant::now() + PATIENCE);
    let mut received = 0;
    loop {
        let Some(parts) = peer.receive(*socket, OFTEN)? else {
            // It may get lost, too: it cannot be asked for.
            publisher
                .0
                .send(publisher.1, std::slice::from_ref(&end), PATIENCE)?;
            if Instant::now() > deadline {
                return Err(Failure::new("no end"));
            }
            continue;
        };
        if parts == [end.seen()] {
            break;
        }
        let whole = (0..100).any(|seed| parts == message(seed).map(|part| part.seen()));
        assert!(whole, "half a message: {parts:?}");
        received += 1;
    }
    // Each loss took a message with it, or two.
    let (lost, _) = tell_of_loss(peer, *socket)?;
    println!("{over:?} {publishing:?}: {received} of 100 messages, {lost} packets lost");
    assert!((3..100).contains(&lost), "{lost}");
    assert!((60..100).contains(&received), "{received}");
    Ok(())
}

/// A subscriber that gives up after so many milliseconds.
fn impatient(network: &Network, host: usize, over: Over, milliseconds: i32) -> Outcome<Member> {
    let mut peer = enter(network, host, Ours)?;
    let socket = open(&mut peer, "SUB")?;
    peer.subscribe(socket, b"")?;
    peer.set(socket, "recovery_ivl", milliseconds)?;
    peer.connect(socket, &over.endpoint(network, host))?;
    Ok((peer, socket))
}

/// How many packets the events say are lost, once there are some and the statistics agree.
fn tell_of_loss(peer: &mut Peer, socket: u32) -> Outcome<(u64, String)> {
    let ask = || {
        let lost: u64 = peer.ask(&format!("lost {socket}"))?.parse().unwrap_or(0);
        Ok((lost, peer.ask(&format!("statistics {socket}"))?))
    };
    until(ask, |(lost, statistics)| {
        *lost > 0 && statistics.contains(&format!("unrecovered: {lost},"))
    })
}

/// How long a subscriber waits for a repair is its own affair.
#[test]
fn the_recovery_interval_ends_the_wait_for_a_repair() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        let network = Network::new(3)?;
        let mut subscribers = [
            impatient(&network, 1, over, 300)?,
            impatient(&network, 2, over, 600_000)?,
        ];
        let mut publisher = publisher(&network, 0, Ours, over)?;
        meet(&mut publisher, &mut subscribers)?;
        // Each misses one packet, and cannot say so.
        network.lose(0, &over.losing_to(&network.address(0), ""))?;
        for host in [1, 2] {
            network.lose(host, &over.losing_data("numgen inc mod 1000000 < 1"))?;
        }
        let (peer, socket) = (&mut publisher.0, publisher.1);
        peer.send(socket, &[Part::text("missing")], PATIENCE)?;
        let [short, long] = &mut subscribers;
        let heard = hear(&mut publisher, short, "there")?;
        assert_eq!(heard, [Part::text("there").seen()], "{over:?}");
        tell_of_loss(&mut short.0, short.1)?;
        // The other one still waits, and gets it.
        let heard = long.0.receive(long.1, Duration::ZERO)?;
        assert_eq!(heard, None, "{over:?}");
        network.lose(0, "")?;
        let heard = long.0.receive(long.1, PATIENCE)?;
        assert_eq!(heard, Some(vec![Part::text("missing").seen()]), "{over:?}");
        wait_for(&mut long.0, long.1, "there")?;
    }
    Ok(())
}
