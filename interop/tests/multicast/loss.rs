// SPDX-License-Identifier: MIT OR Apache-2.0
//! What gets lost on the way arrives all the same.

use std::fs;
use std::path::Path;
use std::time::Instant;

use ferromq_interop::Outcome;
use ferromq_interop::network::Network;
use ferromq_interop::peer::Peer;
use ferromq_interop::script::Part;

use crate::rig::*;

#[test]
fn without_loss_and_with() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for (publishing, subscribing) in PAIRS {
            let what = format!("{over:?} {publishing:?} to {subscribing:?}");
            let mut run = begin(over, publishing, &[subscribing])?;
            publish(&mut run.publisher, &mut run.subscribers, 0, 300)
                .map_err(|f| f.within(format!("{what}, no loss")))?;
            // A tenth of all packets, at random.
            run.network
                .lose(1, &over.losing("numgen random mod 100 < 10"))?;
            let there = (&run.network, 1);
            let (publisher, subscribers) = (&mut run.publisher, &mut run.subscribers);
            let next = publish_until_lost(there, publisher, subscribers, (300, 400), 20)
                .map_err(|f| f.within(format!("{what}, a tenth lost")))?;
            // Twelve in a row, now and then. Not of SPMs: were those that tell of the last packets lost, the next would
            // be half a minute away.
            run.network
                .lose(1, &over.losing_data("numgen inc mod 60 20-31"))?;
            publish_until_lost(there, publisher, subscribers, (next, 300), 20)
                .map_err(|f| f.within(format!("{what}, bursts lost")))?;
            run.network.lose(1, "")?;
            let seen = run.finish(&what)?;
            let repaired = seen.count("NAK") > 0 && seen.count("RDATA") > 0;
            assert!(repaired, "{what}: {:?}", seen.types);
        }
    }
    Ok(())
}

/// Where no wire is between the hosts, packets of one length travel together; a loss takes many of them.
#[test]
fn packets_that_travel_together_are_lost_together() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for (over, subscribing) in [(Over::Epgm, Ours), (Over::Epgm, Theirs), (Over::Pgm, Ours)] {
        let network = Network::unsegmented(2)?;
        let mut subscribers = [subscriber(&network, 1, subscribing, over)?];
        let mut publisher = publisher(&network, 0, Ours, over)?;
        meet(&mut publisher, &mut subscribers)?;
        network.lose(1, &over.losing("numgen inc mod 10 3-4"))?;
        let there = (&network, 1);
        publish_until_lost(there, &mut publisher, &mut subscribers, (0, 400), 5)
            .map_err(|f| f.within(format!("{over:?} to {subscribing:?}")))?;
    }
    Ok(())
}

/// A stream that is dense enough is not waited for packet by packet; a message alone is, whatever was before it. Ours only:
/// OpenPGM falls silent at such rates now and then.
#[test]
fn dense_streams_come_whole_and_what_follows_them_too() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        let network = Network::pair()?;
        let mut subscribers = [subscriber(&network, 1, Ours, over)?];
        let (endpoint, fast) = (over.endpoint(&network, 0), [("rate", 2_000_000)]);
        let mut publisher = publisher_of(&network, 0, Ours, &endpoint, &fast)?;
        meet(&mut publisher, &mut subscribers)?;
        let mut first = 0;
        for count in [4000, 1, 4000, 1, 1] {
            publish(&mut publisher, &mut subscribers, first, count)
                .map_err(|f| f.within(over.scheme()))?;
            first += count;
        }
    }
    Ok(())
}

#[test]
fn two_subscribers_and_losses_of_their_own() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for publishing in [Ours, Theirs] {
            let what = format!("{over:?} {publishing:?} to two");
            let mut run = begin(over, publishing, &[Ours, Theirs])?;
            for host in [1, 2] {
                let rule = over.losing("numgen random mod 100 < 8");
                run.network.lose(host, &rule)?;
            }
            let mut first = 0;
            for host in [1, 2] {
                let there = (&run.network, host);
                let (publisher, subscribers) = (&mut run.publisher, &mut run.subscribers);
                first = publish_until_lost(there, publisher, subscribers, (first, 300), 10)
                    .map_err(|f| f.within(&what))?;
            }
            run.finish(&what)?;
        }
    }
    Ok(())
}

#[test]
fn large_and_multipart_messages() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for (publishing, subscribing) in PAIRS {
            let what = format!("{over:?} {publishing:?} to {subscribing:?}, large");
            let mut run = begin(over, publishing, &[subscribing])?;
            let rule = over.losing("numgen random mod 100 < 10");
            run.network.lose(1, &rule)?;
            let mut first = 0;
            // Thirty or so packets of each round are lost, as a rule.
            while run.network.dropped(1)? < 10 {
                large(&mut run, first..first + 40).map_err(|f| f.within(&what))?;
                first += 40;
            }
            run.finish(&what)?;
        }
    }
    Ok(())
}

/// Messages of four parts, the first of 5000 bytes.
fn large(run: &mut Run, seeds: std::ops::Range<u64>) -> Outcome<()> {
    let parts = |seed: u64| {
        let pattern = |len: u64| Part::Pattern {
            len: usize::try_from(len).unwrap_or(0),
            seed,
        };
        let empty = Part::Bytes(Vec::new());
        let lengths = (seed % 40 * 17, 250 + seed % 10);
        vec![pattern(5000), empty, pattern(lengths.0), pattern(lengths.1)]
    };
    for seed in seeds.clone() {
        let (peer, socket) = &mut run.publisher;
        peer.send(*socket, &parts(seed), PATIENCE)?;
    }
    for seed in seeds {
        let received = receive(&mut run.publisher, &mut run.subscribers[0])?;
        let expected: Vec<_> = parts(seed).iter().map(Part::seen).collect();
        assert_eq!(received, expected);
    }
    Ok(())
}

#[test]
fn over_ipv6_too() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for (over, losing) in [
        (
            Over::Epgm,
            format!("ip6 daddr ff08::77 udp dport {PORT} numgen random mod 100 < 10"),
        ),
        (
            Over::Pgm,
            "ip6 daddr ff08::77 ip6 nexthdr 113 numgen random mod 100 < 10".to_owned(),
        ),
    ] {
        let network = Network::new(2)?;
        let capture = capture(&network, over)?;
        let scheme = over.scheme();
        let endpoint = format!("{scheme}://eth0;[ff08::77]:{PORT}");
        let mut subscribers = [subscriber_of(&network, 1, Ours, &endpoint)?];
        let mut peer = enter(&network, 0, Ours)?;
        let socket = open(&mut peer, "PUB")?;
        peer.bind(socket, &endpoint)?;
        let mut publisher = (peer, socket);
        meet(&mut publisher, &mut subscribers)?;
        network.lose(1, &losing)?;
        let there = (&network, 1);
        publish_until_lost(there, &mut publisher, &mut subscribers, (0, 300), 10)
            .map_err(|f| f.within(scheme))?;
        let seen = finish(capture, &format!("IPv6 {scheme}"))?;
        let repaired = seen.count("NAK") > 0 && seen.count("RDATA") > 0;
        assert!(repaired, "{scheme}: {:?}", seen.types);
        let mut sent = seen.packets.iter().filter(|packet| packet.to == "ff08::77");
        assert!(sent.all(|packet| packet.hops == 1 && packet.len <= 1500));
    }
    Ok(())
}

/// The I/O thread stops reading at the mark, and must go on when there is room again.
#[test]
fn a_full_queue_is_read_on_from() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    let over = Over::Epgm;
    let network = Network::new(2)?;
    let mut peer = enter(&network, 1, Ours)?;
    let socket = peer.open("SUB")?;
    peer.set(socket, "rcvhwm", 100)?;
    // What does not fit into buffers is asked for again, and must still be had.
    peer.set(socket, "recovery_ivl", 120_000)?;
    peer.subscribe(socket, b"")?;
    peer.connect(socket, &over.endpoint(&network, 1))?;
    let mut subscribers = [(peer, socket)];
    let mut peer = enter(&network, 0, Ours)?;
    let socket = peer.open("PUB")?;
    peer.set(socket, "rate", 400_000)?;
    peer.set(socket, "recovery_ivl", 120_000)?;
    peer.set(socket, "xpub_nodrop", 1)?;
    peer.connect(socket, &over.endpoint(&network, 0))?;
    let mut publisher = (peer, socket);
    meet(&mut publisher, &mut subscribers)?;
    publish(&mut publisher, &mut subscribers, 0, 10_000)
}

/// While the interface takes no more the publisher sleeps, however much it may send.
#[test]
fn a_full_interface_is_waited_for() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    let over = Over::Epgm;
    let network = Network::new(2)?;
    let slow = "qdisc add dev eth0 root tbf rate 8mbit burst 4kb limit 8mb";
    let mut command = network.command(0, Path::new("tc"));
    let output = command.args(slow.split(' ')).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        skipped("no interface that takes no more", &why);
        return Ok(());
    }
    let mut subscribers = [subscriber(&network, 1, Ours, over)?];
    let options = [("rate", i32::MAX), ("sndbuf", 16 << 10), ("xpub_nodrop", 1)];
    let endpoint = over.endpoint(&network, 0);
    let mut publisher = publisher_of(&network, 0, Ours, &endpoint, &options)?;
    meet(&mut publisher, &mut subscribers)?;
    let (begin, before) = (Instant::now(), processor_ticks(&publisher.0)?);
    publish(&mut publisher, &mut subscribers, 0, 3000)?;
    let (time, ticks) = (begin.elapsed(), processor_ticks(&publisher.0)? - before);
    println!("{ticks} ticks of the processor in {time:?}");
    // Three seconds at least, whatever else the machine does; a tick is ten milliseconds.
    assert!(
        u128::from(ticks) * 10 < time.as_millis() / 2,
        "{ticks} {time:?}"
    );
    Ok(())
}

/// What a process has had of the processor so far: proc(5), `utime` and `stime`.
fn processor_ticks(peer: &Peer) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", peer.id()))?;
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2);
    Ok(ticks.filter_map(|field| field.parse::<u64>().ok()).sum())
}
