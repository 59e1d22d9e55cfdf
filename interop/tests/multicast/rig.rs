// SPDX-License-Identifier: MIT OR Apache-2.0
//! Publishers and subscribers on hosts of their own, and what is done with them.

use std::env;
use std::io::{Write, stderr};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ferromq_interop::network::{Capture, Network, Seen, is_possible};
use ferromq_interop::peer::{Burst, Peer};
use ferromq_interop::script::{self, Part};
use ferromq_interop::versions::{RealLibrary, real_libraries, target};
use ferromq_interop::{Failure, Outcome};

/// Nothing here waits so long, unless the machine is very busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const GROUP: &str = "239.192.0.1";
pub(crate) const PORT: u16 = 5555;
/// So long one listens before something is sent again.
pub(crate) const OFTEN: Duration = Duration::from_millis(100);
/// One message a packet, or nearly.
pub(crate) const SIZE: usize = 1200;

/// Who plays a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Player {
    Ours,
    Theirs,
}
pub(crate) use Player::{Ours, Theirs};

/// A socket of a peer.
pub(crate) type Member = (Peer, u32);

/// The transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Epgm,
    Pgm,
}

impl Over {
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Epgm => "epgm",
            Self::Pgm => "pgm",
        }
    }

    pub(crate) fn endpoint(self, network: &Network, host: usize) -> String {
        self.endpoint_of(network, host, GROUP)
    }

    /// The same with these groups, and where to send to.
    pub(crate) fn endpoint_of(self, network: &Network, host: usize, groups: &str) -> String {
        let address = network.address(host);
        format!("{}://{address};{groups}:{PORT}", self.scheme())
    }

    /// Which packets of the group a host is to lose.
    pub(crate) fn losing(self, which: &str) -> String {
        self.losing_to(GROUP, which)
    }

    /// Which of those to a host or to groups.
    pub(crate) fn losing_to(self, address: &str, which: &str) -> String {
        match self {
            Self::Epgm => format!("ip daddr {address} udp dport {PORT} {which}"),
            Self::Pgm => format!("ip daddr {address} ip protocol 113 {which}"),
        }
    }

    /// Which of those that are not SPMs: the type is the fifth byte.
    pub(crate) fn losing_data(self, which: &str) -> String {
        match self {
            Self::Epgm => self.losing(&format!("@th,96,8 != 0 {which}")),
            Self::Pgm => self.losing(&format!("@th,32,8 != 0 {which}")),
        }
    }
}

/// False, loudly, where such networks cannot be made.
pub(crate) fn possible() -> bool {
    is_possible()
        .inspect_err(|why| skipped("no interop of PGM", why))
        .is_ok()
}

/// Past the harness, which keeps what passing tests print to itself; xtask counts these lines.
pub(crate) fn skipped(what: &str, why: &str) {
    writeln!(stderr(), "SKIPPED: {what}: {}", why.trim()).ok();
}

pub(crate) fn debian() -> Outcome<RealLibrary> {
    let found = real_libraries()?.into_iter().find(|l| l.name == "4.3.4");
    found.ok_or_else(|| Failure::new("Debian's libzmq"))
}

pub(crate) fn example() -> Outcome<PathBuf> {
    let test = env::current_exe()?;
    let folder = test.ancestors().nth(2).map(|f| f.join("examples"));
    folder
        .map(|folder| folder.join("ferromq-peer"))
        .filter(|path| path.is_file())
        .ok_or_else(|| Failure::new("no ferromq-peer among the examples"))
}

pub(crate) fn enter(network: &Network, host: usize, player: Player) -> Outcome<Peer> {
    match player {
        Ours => {
            let command = network.command(host, &example()?);
            Peer::start(command, format!("ferromq at {host}"), "ferromq")
        }
        Theirs => {
            let program = PathBuf::from(env!("CARGO_BIN_EXE_libzmq-peer"));
            Peer::spawn_by(network.command(host, &program), &debian()?)
        }
    }
}

/// A socket with room for what is sent here.
pub(crate) fn open(peer: &mut Peer, kind: &str) -> Outcome<u32> {
    let socket = peer.open(kind)?;
    peer.set(socket, "rate", 40_000)?;
    peer.set(socket, "recovery_ivl", 30_000)?;
    peer.set(socket, "sndhwm", 10_000)?;
    peer.set(socket, "rcvhwm", 10_000)?;
    Ok(socket)
}

pub(crate) fn subscriber(
    network: &Network,
    host: usize,
    player: Player,
    over: Over,
) -> Outcome<Member> {
    subscriber_of(network, host, player, &over.endpoint(network, host))
}

pub(crate) fn subscriber_of(
    network: &Network,
    host: usize,
    player: Player,
    endpoint: &str,
) -> Outcome<Member> {
    let mut peer = enter(network, host, player)?;
    let socket = open(&mut peer, "SUB")?;
    peer.subscribe(socket, b"")?;
    peer.connect(socket, endpoint)?;
    Ok((peer, socket))
}

pub(crate) fn publisher(
    network: &Network,
    host: usize,
    player: Player,
    over: Over,
) -> Outcome<Member> {
    publisher_of(network, host, player, &over.endpoint(network, host), &[])
}

/// One with options of its own.
pub(crate) fn publisher_of(
    network: &Network,
    host: usize,
    player: Player,
    endpoint: &str,
    options: &[(&str, i32)],
) -> Outcome<Member> {
    let mut peer = enter(network, host, player)?;
    let socket = open(&mut peer, "PUB")?;
    peer.set(socket, "linger", 30_000)?;
    for (name, value) in options {
        peer.set(socket, name, value)?;
    }
    peer.connect(socket, endpoint)?;
    Ok((peer, socket))
}

/// Until every subscriber hears the publisher; what follows is for all of them.
pub(crate) fn meet(publisher: &mut Member, subscribers: &mut [Member]) -> Outcome<()> {
    for subscriber in subscribers.iter_mut() {
        greet(publisher, subscriber)?;
    }
    publisher
        .0
        .send(publisher.1, &[Part::text("go")], PATIENCE)?;
    for (peer, socket) in subscribers {
        wait_for(peer, *socket, "go")?;
    }
    Ok(())
}

pub(crate) fn greet(publisher: &mut Member, subscriber: &mut Member) -> Outcome<Vec<script::Seen>> {
    hear(publisher, subscriber, GREETING)
}

/// Sends a word until the subscriber hears anything; what that was.
pub(crate) fn hear(
    publisher: &mut Member,
    (peer, socket): &mut Member,
    word: &str,
) -> Outcome<Vec<script::Seen>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let message = [Part::text(word)];
        publisher.0.send(publisher.1, &message, PATIENCE)?;
        if let Some(heard) = peer.receive(*socket, OFTEN)? {
            return Ok(heard);
        }
    }
    let sent = counters(&mut publisher.0, publisher.1);
    let heard = counters(peer, *socket);
    Err(Failure::new(format!("they do not meet: {sent}; {heard}")))
}

pub(crate) const GREETING: &str = "sync";

/// What one of ours has counted.
pub(crate) fn counters(peer: &mut Peer, socket: u32) -> String {
    peer.ask(&format!("statistics {socket}"))
        .unwrap_or_else(|_theirs| "not counted".to_owned())
}

/// Asks again and again until the answer is as wanted. Each question goes to another process, and its answer is waited for.
pub(crate) fn until<T: std::fmt::Debug>(
    mut ask: impl FnMut() -> Outcome<T>,
    is_fine: impl Fn(&T) -> bool,
) -> Outcome<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask()?;
        if is_fine(&answer) {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{answer:?}, still")));
        }
    }
}

/// Receives up to this word.
pub(crate) fn wait_for(peer: &mut Peer, socket: u32, word: &str) -> Outcome<()> {
    let expected = vec![Part::text(word).seen()];
    loop {
        match peer.receive(socket, PATIENCE)? {
            Some(parts) if parts == expected => return Ok(()),
            Some(_) => {}
            None => return Err(Failure::new(format!("no {word:?}")).within(peer.name())),
        }
    }
}

/// Publishes numbered messages; every subscriber must get all of them, in order, once.
pub(crate) fn publish(
    publisher: &mut Member,
    subscribers: &mut [Member],
    first: u64,
    count: u64,
) -> Outcome<()> {
    let burst = Burst {
        source: 1,
        first,
        count,
        size: SIZE,
    };
    assert_eq!(publisher.0.burst(publisher.1, burst, PATIENCE)?, count);
    for subscriber in subscribers {
        collect(publisher, subscriber, first, count)?;
    }
    Ok(())
}

/// Publishes so many at a time until a host has lost so many packets of it: how many messages share a packet, and
/// how many of those the kernel carries as one, depends on how busy the machine is. Returns the next number.
pub(crate) fn publish_until_lost(
    (network, host): (&Network, usize),
    publisher: &mut Member,
    subscribers: &mut [Member],
    (mut first, count): (u64, u64),
    enough: u64,
) -> Outcome<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        publish(publisher, subscribers, first, count)?;
        first += count;
        let lost = network.dropped(host)?;
        if lost > enough {
            return Ok(first);
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{lost} packets lost, not {enough}")));
        }
    }
}

/// Receives what was published. libzmq's subscribers fall silent now and then when much is repaired at once, whoever
/// publishes, until something new comes (libzmq #3340): they get something new. Ours must not need it.
pub(crate) fn collect(
    publisher: &mut Member,
    (peer, socket): &mut Member,
    first: u64,
    count: u64,
) -> Outcome<()> {
    let deadline = Instant::now() + PATIENCE;
    let (mut next, end) = (first, first + count);
    let ours = peer.name().starts_with("ferromq");
    loop {
        let patience = if ours { PATIENCE } else { SILENCE };
        let tally = peer.drain(*socket, end - next, patience)?;
        if let Some(part) = tally.sources.get(&1) {
            let whole = part.first == next && part.missing == 0 && part.stale == 0;
            if !whole || part.next > end || tally.sources.len() != 1 {
                return Err(Failure::new(format!("{tally}, not {next}")).within(peer.name()));
            }
            next = part.next;
        }
        if next == end {
            return Ok(());
        }
        let silent = tally.count() == 0;
        if Instant::now() > deadline || silent && ours {
            return Err(Failure::new(format!("{next} of {end}")).within(peer.name()));
        }
        if silent {
            println!("({} is silent at {next} of {first} to {end})", peer.name());
            let nudge = [Part::text(NUDGE)];
            publisher.0.send(publisher.1, &nudge, PATIENCE)?;
        }
    }
}

/// After so long libzmq is taken to have fallen silent.
const SILENCE: Duration = Duration::from_millis(500);
/// A message of no meaning.
pub(crate) const NUDGE: &str = "nudge";

/// The next message of a meaning.
pub(crate) fn receive(
    publisher: &mut Member,
    (peer, socket): &mut Member,
) -> Outcome<Vec<script::Seen>> {
    let deadline = Instant::now() + PATIENCE;
    let ours = peer.name().starts_with("ferromq");
    let patience = if ours { PATIENCE } else { SILENCE };
    loop {
        match peer.receive(*socket, patience)? {
            Some(parts) if parts == [Part::text(NUDGE).seen()] => {}
            Some(parts) => return Ok(parts),
            None if Instant::now() > deadline || ours => {
                return Err(Failure::new("nothing comes").within(peer.name()));
            }
            None => {
                publisher
                    .0
                    .send(publisher.1, &[Part::text(NUDGE)], PATIENCE)?;
            }
        }
    }
}

pub(crate) struct Run {
    pub(crate) network: Network,
    pub(crate) publisher: Member,
    pub(crate) subscribers: Vec<Member>,
    capture: Capture,
}

/// What passes the first subscriber's host.
pub(crate) fn capture(network: &Network, over: Over) -> Outcome<Capture> {
    let (process, thread) = (std::process::id(), thread::current().id());
    let name = format!("multicast-{process}-{over:?}-{thread:?}.pcapng");
    network.capture(1, &target().join(name))
}

/// The publisher at host 0, subscribers at the others, all acquainted, with a capture at the first subscriber.
pub(crate) fn begin(over: Over, publishing: Player, subscribing: &[Player]) -> Outcome<Run> {
    let network = Network::new(1 + subscribing.len())?;
    let capture = capture(&network, over)?;
    let mut subscribers = Vec::new();
    for (at, player) in subscribing.iter().enumerate() {
        subscribers.push(subscriber(&network, at + 1, *player, over)?);
    }
    let mut publisher = publisher(&network, 0, publishing, over)?;
    meet(&mut publisher, &mut subscribers)?;
    Ok(Run {
        network,
        publisher,
        subscribers,
        capture,
    })
}

impl Run {
    /// What went over the wire, all of it well-formed.
    pub(crate) fn finish(self, what: &str) -> Outcome<Seen> {
        finish(self.capture, what)
    }
}

/// The end of a capture in which nothing is malformed.
pub(crate) fn finish(capture: Capture, what: &str) -> Outcome<Seen> {
    let seen = capture.finish(PORT)?;
    println!("{what}: {:?}", seen.types);
    assert_eq!((seen.bad, seen.fragments), (0, 0), "{what}: {seen:?}");
    assert!(seen.count("ODATA") > 0, "{what}: {seen:?}");
    Ok(seen)
}

/// Both ways, and ours with ours.
pub(crate) const PAIRS: [(Player, Player); 3] = [(Ours, Theirs), (Theirs, Ours), (Ours, Ours)];
