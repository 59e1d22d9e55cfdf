// SPDX-License-Identifier: MIT OR Apache-2.0
//! What options do, as it is seen on the wire.

use std::time::{Duration, Instant};

use ferromq_interop::Outcome;
use ferromq_interop::network::{Network, Seen};
use ferromq_interop::script::Part;

use crate::rig::*;

#[test]
fn packets_go_so_far_and_are_so_long() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for (publishing, subscribing) in PAIRS {
            for (hops, longest) in [(1, 1500), (7, 900)] {
                let what = format!("{over:?} {publishing:?} to {subscribing:?}, {hops} {longest}");
                let options = [("multicast_hops", hops), ("multicast_maxtpdu", longest)];
                let seen =
                    wire(over, publishing, subscribing, &options).map_err(|f| f.within(&what))?;
                let (hops, longest) = (hops.unsigned_abs(), longest.unsigned_abs() as usize);
                let mut full = 0;
                for packet in seen.packets.iter().filter(|packet| packet.to == GROUP) {
                    assert_eq!(packet.hops, hops, "{what}: {packet:?}");
                    assert!(packet.len <= longest, "{what}: {packet:?}");
                    // libzmq keeps room for a header that it never sends.
                    let spare = if publishing == Ours { 0 } else { 100 };
                    full += usize::from(packet.len >= longest - spare);
                }
                let repaired = seen.count("RDATA") > 0;
                assert!(repaired && full >= 60, "{what}: {full} {:?}", seen.types);
            }
        }
    }
    Ok(())
}

/// What is seen of a publisher with these options, some of whose packets are lost.
fn wire(
    over: Over,
    publishing: Player,
    subscribing: Player,
    options: &[(&str, i32)],
) -> Outcome<Seen> {
    let network = Network::new(2)?;
    let capture = capture(&network, over)?;
    let mut subscribers = [subscriber(&network, 1, subscribing, over)?];
    let endpoint = over.endpoint(&network, 0);
    let mut publisher = publisher_of(&network, 0, publishing, &endpoint, options)?;
    meet(&mut publisher, &mut subscribers)?;
    network.lose(1, &over.losing("numgen random mod 100 < 10"))?;
    let there = (&network, 1);
    publish_until_lost(there, &mut publisher, &mut subscribers, (0, 300), 10)?;
    // How many short messages share a packet depends on how busy the machine is. These fill three at least.
    let long = Part::Pattern { len: 5000, seed: 1 };
    for _ in 0..20 {
        let (peer, socket) = &mut publisher;
        peer.send(*socket, std::slice::from_ref(&long), PATIENCE)?;
        let heard = receive(&mut publisher, &mut subscribers[0])?;
        assert_eq!(heard, [long.seen()]);
    }
    finish(capture, &format!("{over:?} {options:?}"))
}

/// However fast the machine, it takes at least so long.
#[test]
fn a_publisher_keeps_to_its_rate() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        let network = Network::new(2)?;
        let mut subscribers = [subscriber(&network, 1, Ours, over)?];
        let endpoint = over.endpoint(&network, 0);
        let mut publisher = publisher_of(&network, 0, Ours, &endpoint, &[("rate", 1000)])?;
        meet(&mut publisher, &mut subscribers)?;
        let begin = Instant::now();
        publish(&mut publisher, &mut subscribers, 0, 150)?;
        let time = begin.elapsed();
        // So much may go at once.
        let (bytes, burst) = (150 * SIZE as u64, 12_500);
        let least = Duration::from_micros((bytes - burst) * 8);
        assert!(time >= least, "{over:?}: {time:?}, not {least:?}");
    }
    Ok(())
}
