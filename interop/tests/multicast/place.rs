// SPDX-License-Identifier: MIT OR Apache-2.0
//! Groups and interfaces.

use std::path::Path;

use ferromq_interop::network::Network;
use ferromq_interop::peer::Peer;
use ferromq_interop::script::Part;
use ferromq_interop::{Failure, Outcome};

use crate::rig::*;

#[test]
fn one_host_hears_itself_if_it_wants_to() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        let network = Network::new(1)?;
        let endpoint = over.endpoint(&network, 0);
        // libzmq's subscribers are among those who hear.
        let mut subscribers = [
            subscriber(&network, 0, Ours, over)?,
            subscriber(&network, 0, Theirs, over)?,
        ];
        // Unset it is off, as in libzmq.
        let mut quiet = publisher(&network, 0, Ours, over)?;
        for _ in 0..20 {
            quiet.0.send(quiet.1, &[Part::text("nobody")], PATIENCE)?;
        }
        quiet.0.close(quiet.1)?;

        // Two publishers that share an address and a port, each asked for its own.
        let mut publishers = Vec::new();
        for _ in 0..2 {
            let options = [("multicast_loop", 1)];
            publishers.push(publisher_of(&network, 0, Ours, &endpoint, &options)?);
        }
        for subscriber in &mut subscribers {
            let heard = greet(&mut publishers[0], subscriber)?;
            assert_eq!(heard, [Part::text(GREETING).seen()], "{over:?}");
        }
        for publisher in &mut publishers {
            meet(publisher, &mut subscribers)?;
        }
        network.lose(0, &over.losing("numgen random mod 100 < 10"))?;
        for (at, publisher) in publishers.iter_mut().enumerate() {
            let (lost, first) = (network.dropped(0)?, 1_000_000 * at as u64);
            let here = (&network, 0);
            publish_until_lost(here, publisher, &mut subscribers, (first, 200), lost + 5)
                .map_err(|f| f.within(format!("{over:?}, publisher {at}")))?;
        }
    }
    Ok(())
}

/// A subscriber hears publishers of several groups, each of which repairs; nobody else does.
#[test]
fn several_groups_at_once() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    const BOTH: &str = "239.192.0.1,239.192.0.2";
    for over in [Over::Epgm, Over::Pgm] {
        for (publishing, subscribing) in PAIRS {
            let what = format!("{over:?} {publishing:?} to {subscribing:?}");
            let network = Network::new(4)?;
            let capture = capture(&network, over)?;
            let endpoint = |host, groups: &str| over.endpoint_of(&network, host, groups);
            let mut both = [subscriber_of(&network, 1, subscribing, &endpoint(1, BOTH))?];
            let alone = endpoint(2, "239.192.0.2");
            let mut alone = subscriber_of(&network, 2, Ours, &alone)?;
            // The second one would hear both groups, and sends to the second of them.
            let mut publishers = Vec::new();
            // libzmq's need a host each, lest each be asked for what the other one has sent.
            let hosts = [0, if publishing == Ours { 0 } else { 3 }];
            let groups = ["239.192.0.1", "239.192.0.1,239.192.0.2;239.192.0.2"];
            for (host, groups) in hosts.into_iter().zip(groups) {
                let endpoint = endpoint(host, groups);
                publishers.push(publisher_of(&network, host, publishing, &endpoint, &[])?);
            }
            for publisher in &mut publishers {
                meet(publisher, &mut both)?;
            }
            let groups = "{ 239.192.0.1, 239.192.0.2 }";
            let mut first = 0;
            for publisher in &mut publishers {
                network.lose(1, &over.losing_to(groups, "numgen random mod 100 < 10"))?;
                first = publish_until_lost((&network, 1), publisher, &mut both, (first, 300), 10)
                    .map_err(|f| f.within(&what))?;
            }
            network.lose(1, "")?;
            let (peer, socket) = &mut alone;
            let heard = peer.receive(*socket, PATIENCE)?;
            let from_the_second = [GREETING, "go"].map(|word| Some(vec![Part::text(word).seen()]));
            assert!(from_the_second.contains(&heard), "{what}: {heard:?}");
            let seen = finish(capture, &what)?;
            for group in ["239.192.0.1", "239.192.0.2"] {
                let mut to_it = seen.packets.iter().filter(|packet| packet.to == group);
                assert!(to_it.any(|packet| packet.kind == "RDATA"), "{what} {group}");
            }
        }
    }
    Ok(())
}

/// Without an interface the routes decide.
#[test]
fn any_interface_will_do() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for without in ["", ";"] {
            let network = Network::new(2)?;
            let endpoint = format!("{}://{without}{GROUP}:{PORT}", over.scheme());
            let mut subscribers = [subscriber_of(&network, 1, Ours, &endpoint)?];
            let mut publisher = publisher_of(&network, 0, Ours, &endpoint, &[])?;
            meet(&mut publisher, &mut subscribers)?;
            network.lose(1, &over.losing("numgen random mod 100 < 10"))?;
            let there = (&network, 1);
            publish_until_lost(there, &mut publisher, &mut subscribers, (0, 300), 10)
                .map_err(|f| f.within(endpoint))?;
        }
    }
    Ok(())
}

/// Subscriptions do not travel: an XPUB sends everything, a SUB takes its pick, an XSUB takes all.
#[test]
fn each_takes_what_it_has_subscribed_to() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for over in [Over::Epgm, Over::Pgm] {
        for (publishing, subscribing) in PAIRS {
            let what = format!("{over:?} {publishing:?} to {subscribing:?}");
            let network = Network::new(2)?;
            let mut subscribers = Vec::new();
            for kind in ["SUB", "XSUB"] {
                let mut peer = enter(&network, 1, subscribing)?;
                let socket = open(&mut peer, kind)?;
                if kind == "SUB" {
                    for topic in [&b"A"[..], GREETING.as_bytes(), b"go"] {
                        peer.subscribe(socket, topic)?;
                    }
                }
                // Whatever the verb.
                peer.bind(socket, &over.endpoint(&network, 1))?;
                subscribers.push((peer, socket));
            }
            let mut peer = enter(&network, 0, publishing)?;
            let socket = open(&mut peer, "XPUB")?;
            peer.bind(socket, &over.endpoint(&network, 0))?;
            let mut publisher = (peer, socket);
            meet(&mut publisher, &mut subscribers)?;
            let message = |number: usize| {
                let topic = ["A", "B", "AB"][number % 3];
                [Part::text(topic), Part::text(&number.to_string())]
            };
            for number in 0..90 {
                let (peer, socket) = &mut publisher;
                peer.send(*socket, &message(number), PATIENCE)?;
            }
            for (subscriber, filters) in subscribers.iter_mut().zip([true, false]) {
                for number in (0..90).filter(|number| !filters || number % 3 != 1) {
                    let heard = receive(&mut publisher, subscriber)?;
                    let expected = message(number).map(|part| part.seen());
                    assert_eq!(heard, expected, "{what}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_missing_is_an_error() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    let network = Network::new(1)?;
    let mut peer = enter(&network, 0, Ours)?;
    for (kind, verb) in [
        ("PUB", "connect"),
        ("PUB", "bind"),
        ("SUB", "connect"),
        ("SUB", "bind"),
    ] {
        let socket = peer.open(kind)?;
        let mut enter = |endpoint: &str| peer.ask(&format!("{verb} {socket} {endpoint}"));
        for endpoint in [
            "epgm://nosuch0;239.192.0.1:5555",
            "epgm://10.9.9.9;239.192.0.1:5555",
            "epgm://10.9.0.0/16;239.192.0.1:5555",
            "epgm://[fd99::1];[ff08::77]:5555",
            "epgm://eth0;10.0.0.1:5555",
            "epgm://eth0;:5555",
            "epgm://eth0;nosuchgroup:5555",
            "epgm://eth0;239.192.0.1",
            "epgm://eth0;239.192.0.1:0",
            "pgm://nosuch0;239.192.0.1:5555",
        ] {
            assert!(enter(endpoint).is_err(), "{kind} {verb} {endpoint}");
        }
        enter("epgm://10.77.0.0/16;239.192.0.1:5555")?;
    }
    // Without the right to open raw sockets, which even root can do without.
    let mut command = network.command(0, Path::new("setpriv"));
    command.args(["--bounding-set=-net_raw", "--inh-caps=-net_raw", "--"]);
    command.arg(example()?);
    let mut peer = Peer::start(command, "ferromq without a right".to_owned(), "ferromq")?;
    for kind in ["PUB", "SUB"] {
        let socket = peer.open(kind)?;
        for verb in ["bind", "connect"] {
            let refused = peer.ask(&format!("{verb} {socket} pgm://eth0;239.192.0.1:5555"));
            let Err(failure) = refused else {
                return Err(Failure::new(format!("{kind} may {verb}")));
            };
            assert!(failure.to_string().contains("permitted"), "{failure}");
        }
        peer.connect(socket, "epgm://eth0;239.192.0.1:5555")?;
    }
    Ok(())
}

/// Whoever can reach the port can send anything.
#[test]
fn what_is_malformed_is_counted_and_nothing_else() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    let over = Over::Epgm;
    let network = Network::new(2)?;
    let mut subscribers = [subscriber(&network, 1, Ours, over)?];
    let mut publisher = publisher(&network, 0, Ours, over)?;
    meet(&mut publisher, &mut subscribers)?;
    let garbage = |target: &str| -> Outcome<()> {
        let script = format!("printf '%050d' 0 > /dev/udp/{target}/{PORT}");
        let mut shell = network.command(1, Path::new("bash"));
        shell.args(["-c", &script]).status()?;
        let mut shell = network.command(0, Path::new("bash"));
        shell.args(["-c", &script]).status()?;
        Ok(())
    };
    for (target, (peer, socket)) in [
        (GROUP, &mut subscribers[0]),
        (network.address(0).as_str(), &mut publisher),
    ] {
        let ask = || {
            garbage(target)?;
            peer.ask(&format!("statistics {socket}"))
        };
        until(ask, |counted| !counted.contains("malformed: 0,"))?;
    }
    publish(&mut publisher, &mut subscribers, 0, 300)
}
