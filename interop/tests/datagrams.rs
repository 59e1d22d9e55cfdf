// SPDX-License-Identifier: MIT OR Apache-2.0
//! RADIO, DISH and DGRAM over udp, multicast and not, against libzmq 4.3.5, both ways, between hosts of their own.
//! Where network namespaces are not allowed this is skipped, and said.

use std::env;
use std::io::{Write, stderr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use ferromq_interop::network::{Network, is_possible};
use ferromq_interop::peer::Peer;
use ferromq_interop::script::{Part, Seen};
use ferromq_interop::versions::real_libraries;
use ferromq_interop::{Failure, Outcome};

/// Who plays a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Player {
    Ours,
    Theirs,
}
use Player::{Ours, Theirs};

/// Both ways, and ours with ours.
const PAIRS: [(Player, Player); 3] = [(Ours, Theirs), (Theirs, Ours), (Ours, Ours)];

#[test]
fn dishes_hear_radios_of_other_hosts() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for (sending, receiving) in PAIRS {
        let network = Network::new(3)?;
        for endpoint in ["udp://eth0;239.192.0.7:5556", "udp://10.77.0.2:5557"] {
            let what = format!("{sending:?} to {receiving:?}, {endpoint}");
            // A group has two that hear it, a host is one.
            let hosts = if endpoint.contains(';') { 2 } else { 1 };
            let mut dishes = Vec::new();
            for host in 1..=hosts {
                let mut dish = enter(&network, host, receiving)?;
                let socket = dish.open("DISH")?;
                dish.bind(socket, endpoint).map_err(|f| f.within(&what))?;
                dish.ask(&format!("join {socket} TV"))?;
                dishes.push((dish, socket));
            }
            let mut radio = enter(&network, 0, sending)?;
            let socket = radio.open("RADIO")?;
            radio
                .connect(socket, endpoint)
                .map_err(|f| f.within(&what))?;
            broadcast(&mut (radio, socket), &mut dishes).map_err(|f| f.within(&what))?;
        }
    }
    Ok(())
}

/// Programmes on two channels, of which the dishes want one.
fn broadcast(radio: &mut (Peer, u32), dishes: &mut [(Peer, u32)]) -> Outcome<()> {
    let sync = [Part::text("TV"), Part::text("sync")];
    for (dish, socket) in dishes.iter_mut() {
        let deadline = Instant::now() + PATIENCE;
        while dish.receive(*socket, OFTEN)?.is_none() {
            radio.0.send(radio.1, &sync, PATIENCE)?;
            if Instant::now() > deadline {
                return Err(Failure::new("nothing is heard"));
            }
        }
    }
    let programme = |group: &str, number: u64| {
        let len = usize::try_from(number * 13).unwrap_or(0);
        let body = Part::Pattern { len, seed: number };
        [Part::text(group), body]
    };
    // UDP may lose what comes while the receive buffer is full, and on a busy machine a receiver is not always at work: no
    // more is under way at once than any buffer holds.
    for first in (0..100).step_by(10) {
        for number in first..first + 10 {
            radio.0.send(radio.1, &programme("FM", number), PATIENCE)?;
            radio.0.send(radio.1, &programme("TV", number), PATIENCE)?;
        }
        for (dish, socket) in dishes.iter_mut() {
            for number in first..first + 10 {
                let mut received = receive(dish, *socket)?;
                // More of those may have been on the way.
                while received == seen(&sync) {
                    received = receive(dish, *socket)?;
                }
                if received != seen(&programme("TV", number)) {
                    return Err(Failure::new(format!("{received:?} for {number}")));
                }
            }
        }
    }
    Ok(())
}

/// Nobody reads while a burst comes; what the kernel keeps for us is enough for it.
#[test]
fn a_burst_waits_for_a_dish_that_is_not_at_work() -> Outcome<()> {
    if !possible() || !has_room() {
        return Ok(());
    }
    let network = Network::new(2)?;
    for endpoint in ["udp://eth0;239.192.0.7:5556", "udp://10.77.0.2:5557"] {
        let mut dish = enter(&network, 1, Ours)?;
        let hears = dish.open("DISH")?;
        dish.bind(hears, endpoint)?;
        dish.ask(&format!("join {hears} TV"))?;
        let mut radio = enter(&network, 0, Ours)?;
        let sends = radio.open("RADIO")?;
        radio.set(sends, "linger", 10_000)?;
        radio.connect(sends, endpoint)?;
        let sync = [Part::text("TV"), Part::text("sync")];
        let deadline = Instant::now() + PATIENCE;
        while dish.receive(hears, OFTEN)?.is_none() {
            radio.send(sends, &sync, PATIENCE)?;
            assert!(Instant::now() < deadline, "{endpoint}: nothing is heard");
        }
        signal(&dish, "-STOP")?;
        let song = |seed| [Part::text("TV"), Part::Pattern { len: 1000, seed }];
        for number in 0..BURST {
            radio.send(sends, &song(number), PATIENCE)?;
        }
        // All of it has been handed over when this returns.
        radio.close(sends)?;
        signal(&dish, "-CONT")?;
        for number in 0..BURST {
            let mut received = receive(&mut dish, hears)?;
            while received == seen(&sync) {
                received = receive(&mut dish, hears)?;
            }
            assert_eq!(received, seen(&song(number)), "{endpoint}: {number}");
        }
        let counted = dish.ask(&format!("statistics {hears}"))?;
        assert!(counted.contains("overflowed: 0"), "{counted}");
    }
    Ok(())
}

/// More than the system's default buffer holds, and less than a high-water mark.
const BURST: u64 = 400;

/// Whether a receive buffer may be as large as we ask for.
fn has_room() -> bool {
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    let enough = most.trim().parse().is_ok_and(|most: u64| most >= 1 << 20);
    let is_root = || std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if enough || is_root() {
        return true;
    }
    writeln!(
        stderr(),
        "SKIPPED: no burst of datagrams: net.core.rmem_max is small here"
    )
    .ok();
    false
}

fn signal(peer: &Peer, signal: &str) -> Outcome<()> {
    let status = Command::new("kill")
        .args([signal, &peer.id().to_string()])
        .status()?;
    assert!(status.success(), "kill {signal}");
    Ok(())
}

#[test]
fn dgrams_answer_each_other_from_host_to_host() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for (asking, answering) in PAIRS {
        let what = format!("{asking:?} asks {answering:?}");
        let network = Network::new(2)?;
        let mut client = enter(&network, 0, asking)?;
        let from = client.open("DGRAM")?;
        client.bind(from, "udp://10.77.0.1:5601")?;
        let mut server = enter(&network, 1, answering)?;
        let to = server.open("DGRAM")?;
        server.bind(to, "udp://10.77.0.2:5602")?;
        // A datagram that comes before libzmq's I/O thread has bound is lost.
        let hello = [Part::text("10.77.0.2:5602"), Part::text("hello")];
        let deadline = Instant::now() + PATIENCE;
        while server.receive(to, OFTEN)?.is_none() {
            assert!(Instant::now() < deadline, "{what}: they do not meet");
            client.send(from, &hello, PATIENCE)?;
        }
        for number in 0..50 {
            let body = Part::Pattern {
                len: 20,
                seed: number,
            };
            client.send(
                from,
                &[Part::text("10.77.0.2:5602"), body.clone()],
                PATIENCE,
            )?;
            let mut question = receive(&mut server, to).map_err(|f| f.within(&what))?;
            while question[1..] == [hello[1].seen()] {
                question = receive(&mut server, to).map_err(|f| f.within(&what))?;
            }
            assert_eq!(question[1..], [body.seen()], "{what}");
            server.send(to, &[Part::text("10.77.0.1:5601"), body.clone()], PATIENCE)?;
            let answer = receive(&mut client, from).map_err(|f| f.within(&what))?;
            assert_eq!(answer[1..], [body.seen()], "{what}");
        }
    }
    Ok(())
}

/// One asks a group, its members answer to the address that the question came from.
#[test]
fn dgrams_ask_groups_and_are_answered() -> Outcome<()> {
    if !possible() {
        return Ok(());
    }
    for (asking, answering) in PAIRS {
        let what = format!("{asking:?} asks {answering:?}");
        let network = Network::new(3)?;
        let mut members = Vec::new();
        for host in [1, 2] {
            let mut member = enter(&network, host, answering)?;
            let socket = member.open("DGRAM")?;
            member
                .bind(socket, "udp://eth0;239.192.0.9:5603")
                .map_err(|f| f.within(&what))?;
            members.push((member, socket));
        }
        let mut client = enter(&network, 0, asking)?;
        let from = client.open("DGRAM")?;
        client.bind(from, "udp://10.77.0.1:5604")?;
        converse(&mut client, from, &mut members).map_err(|f| f.within(&what))?;
    }
    Ok(())
}

fn converse(client: &mut Peer, from: u32, members: &mut [(Peer, u32)]) -> Outcome<()> {
    let group = Part::text("239.192.0.9:5603");
    let hello = [group.clone(), Part::text("hello")];
    let deadline = Instant::now() + PATIENCE;
    for (member, socket) in members.iter_mut() {
        while member.receive(*socket, OFTEN)?.is_none() {
            client.send(from, &hello, PATIENCE)?;
            if Instant::now() > deadline {
                return Err(Failure::new("they do not meet"));
            }
        }
    }
    for seed in 0..50 {
        let body = Part::Pattern { len: 30, seed };
        client.send(from, &[group.clone(), body.clone()], PATIENCE)?;
        for (at, (member, socket)) in members.iter_mut().enumerate() {
            let mut question = receive(member, *socket)?;
            while question[1..] == [hello[1].seen()] {
                question = receive(member, *socket)?;
            }
            assert_eq!(question, [Seen::text("10.77.0.1:5604\0"), body.seen()]);
            let address = Part::text("10.77.0.1:5604");
            member.send(*socket, &[address, body.clone()], PATIENCE)?;
            // It comes from the member's own address.
            let answer = receive(client, from)?;
            let sender = format!("10.77.0.{}:5603\0", at + 2);
            assert_eq!(answer, [Seen::text(&sender), body.seen()]);
        }
    }
    Ok(())
}

fn receive(peer: &mut Peer, socket: u32) -> Outcome<Vec<Seen>> {
    let parts = peer.receive(socket, PATIENCE)?;
    parts.ok_or_else(|| Failure::new("nothing comes").within(peer.name()))
}

fn seen(parts: &[Part]) -> Vec<Seen> {
    parts.iter().map(Part::seen).collect()
}

fn enter(network: &Network, host: usize, player: Player) -> Outcome<Peer> {
    if player == Theirs {
        let found = real_libraries()?.into_iter().find(|l| l.name == "4.3.5");
        let library = found.ok_or_else(|| Failure::new("libzmq 4.3.5"))?;
        let program = PathBuf::from(env!("CARGO_BIN_EXE_libzmq-peer"));
        return Peer::spawn_by(network.command(host, &program), &library);
    }
    let test = env::current_exe()?;
    let folder = test.ancestors().nth(2).map(|f| f.join("examples"));
    let example = folder
        .map(|folder| folder.join("ferromq-peer"))
        .filter(|path| path.is_file())
        .ok_or_else(|| Failure::new("no ferromq-peer among the examples"))?;
    let command = network.command(host, &example);
    Peer::start(command, format!("ferromq at {host}"), "ferromq")
}

/// False, loudly, where such networks cannot be made.
fn possible() -> bool {
    let Err(why) = is_possible() else {
        return true;
    };
    // Past the harness, which keeps what passing tests print to itself; xtask counts these lines.
    writeln!(stderr(), "SKIPPED: no interop of datagrams: {why}").ok();
    false
}

const PATIENCE: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_millis(50);
