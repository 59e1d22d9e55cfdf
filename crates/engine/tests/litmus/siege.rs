// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server under siege: thousands of connections from two processes that misbehave in many ways,
//! while a well-behaved pair goes on talking.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, Policy, Socket};
use ferromq_os::memory::{in_use, trim};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    Process, TCP, after, descriptors, number, numbered, policy_name, recv, recv_parts,
    resident_bytes, role, say, send, send_parts, sit_still, socket, turn, within,
};
use crate::peer::{COMMAND, LONG, MORE, command, frame, greeting, ready};

/// How long a message of the well-behaved may take, on a machine that has much else to do.
const PATIENCE: u64 = 240_000;

/// So many messages of theirs come before.
const WARM: u64 = 100;

/// How long a handshake may take in all but the crowd that is to be complete.
const SHORT: i32 = 5_000;

/// Bytes that a crowd of so many may leave in use: tables that know how many there have been, and for each socket its
/// stock of warm chunks.
const fn may_be_held(crowd: usize) -> usize {
    (8 << 20) + crowd * 100
}

/// Bytes that may be resident then: the allocator gives back whole pages only, and what the application lets go of after it
/// was asked waits for the next crowd.
const fn may_be_kept(crowd: usize) -> usize {
    may_be_held(crowd) + (4 << 20) + crowd * 2048
}

/// What a connection does; from `Subscribes` on they go to the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vice {
    Silent,
    ByteByByte,
    Garbage,
    Http,
    OnlyGreets,
    HalfReady,
    HugeReady,
    HugeFrame,
    EndlessMessage,
    Pings,
    NeverReads,
    Leaves,
    Subscribes,
    SubscribesLong,
    ComesAndGoes,
}

const VICES: [Vice; 15] = [
    Vice::Silent,
    Vice::ByteByByte,
    Vice::Garbage,
    Vice::Http,
    Vice::OnlyGreets,
    Vice::HalfReady,
    Vice::HugeReady,
    Vice::HugeFrame,
    Vice::EndlessMessage,
    Vice::Pings,
    Vice::NeverReads,
    Vice::Leaves,
    Vice::Subscribes,
    Vice::SubscribesLong,
    Vice::ComesAndGoes,
];

struct Besieger {
    vice: Vice,
    stream: Option<TcpStream>,
    /// Turns since the connection was made.
    turn: usize,
}

impl Besieger {
    fn connect(&mut self, endpoints: &[&str]) {
        let of_publisher = matches!(
            self.vice,
            Vice::Subscribes | Vice::SubscribesLong | Vice::ComesAndGoes
        );
        let address = endpoints[usize::from(of_publisher)];
        let stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        self.stream = Some(stream);
        self.turn = 0;
    }

    /// What is said in this turn.
    fn words(&self, salt: usize) -> Vec<u8> {
        let met = |socket_type: &str| [greeting().to_vec(), ready(socket_type)].concat();
        let first = self.turn == 0;
        match self.vice {
            Vice::Silent => Vec::new(),
            Vice::ByteByByte => met("DEALER").get(self.turn).copied().into_iter().collect(),
            Vice::Garbage => (0..500)
                .map(|index: usize| (index.wrapping_mul(salt | 1) >> 3).to_le_bytes()[0])
                .collect(),
            Vice::Http => b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec(),
            Vice::OnlyGreets if first => greeting().to_vec(),
            Vice::HalfReady if first => met("DEALER")[..80].to_vec(),
            Vice::HugeReady if first => [
                greeting().to_vec(),
                [vec![COMMAND | LONG], vec![0x7f; 8]].concat(),
            ]
            .concat(),
            Vice::HugeFrame | Vice::EndlessMessage | Vice::Pings | Vice::NeverReads if first => {
                let start = match self.vice {
                    Vice::HugeFrame => [vec![LONG, 0, 0, 1], vec![0; 5]].concat(),
                    _ => Vec::new(),
                };
                [met("DEALER"), start].concat()
            }
            Vice::HugeFrame => vec![1; 100],
            Vice::EndlessMessage => frame(MORE, b"and so on"),
            Vice::Pings => command("PING", b"\0\x01ping").repeat(100),
            Vice::NeverReads => frame(0, &[0; 1_000]).repeat(4),
            Vice::Leaves => met("DEALER")[..salt % 90].to_vec(),
            _ if first => met("SUB"),
            Vice::Subscribes => (0..100)
                .flat_map(|topic| command("SUBSCRIBE", format!("{salt} {topic}").as_bytes()))
                .collect(),
            Vice::SubscribesLong => frame(0, &[1; 5_000]),
            Vice::ComesAndGoes => [frame(0, b"\x01here"), frame(0, b"\0here")]
                .concat()
                .repeat(100),
            _ => Vec::new(),
        }
    }

    /// Whether the connection is still there afterwards. What the kernel does not take is not said.
    fn act(&mut self, salt: usize) -> bool {
        let words = self.words(salt);
        let Some(stream) = &mut self.stream else {
            return false;
        };
        self.turn += 1;
        let written = words.is_empty() || alive(&stream.write(&words));
        let reads = !matches!(self.vice, Vice::NeverReads | Vice::Pings);
        let read = !reads || alive(&stream.read(&mut [0; 4096]));
        if !written || !read || self.vice == Vice::Leaves {
            self.stream = None;
        }
        self.stream.is_some()
    }
}

/// Whether a connection of which this was heard is still there.
fn alive(done: &std::io::Result<usize>) -> bool {
    match done {
        Ok(bytes) => *bytes > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// What a hostile process does: so many connections that misbehave in so many rounds, and stay until the input
/// ends.
#[test]
fn besiegers() {
    let Some(role) = role() else { return };
    let [router, publisher, count, rounds, vices] = role.split(' ').collect::<Vec<_>>()[..] else {
        return;
    };
    let count: usize = count.parse().unwrap();
    let rounds: usize = rounds.parse().unwrap();
    let vices: Vec<Vice> = vices
        .split(',')
        .map(|index| VICES[index.parse::<usize>().unwrap()])
        .collect();
    let mut all: Vec<_> = (0..count)
        .map(|index| Besieger {
            vice: vices[index % vices.len()],
            stream: None,
            turn: 0,
        })
        .collect();
    for one in &mut all {
        one.connect(&[router, publisher]);
    }
    let (mut made, mut ended) = (count, 0);
    say("all here");
    let (over, end) = channel();
    thread::spawn(move || {
        sit_still();
        over.send(()).unwrap();
    });
    let mut salt = 0;
    for _ in 0..rounds {
        for one in &mut all {
            salt += 1;
            if one.act(salt) {
                continue;
            }
            ended += 1;
            // Not more than the system has ports for.
            if made < count * 2 {
                one.connect(&[router, publisher]);
                made += 1;
            }
        }
        // So fast, and no faster, unless it is over.
        if end.recv_timeout(Duration::from_millis(10)).is_ok() {
            break;
        }
    }
    say("have done their worst");
    end.recv().ok();
    drop(all);
    say(&format!("{made} made, {ended} ended"));
}

/// Answers everybody; what the good one says is published, too. Tells whenever nobody has anything to say.
fn serve(router: &mut Socket, publisher: &mut Socket, over: &AtomicBool, quiet: &SyncSender<()>) {
    while !over.load(Ordering::Relaxed) {
        let name = match router.recv_frame(within(20)) {
            Ok(name) => name,
            Err(error) => {
                assert_eq!(error, Code::Again);
                // A publisher hears of cancels, and of those that have gone, when it is used.
                send(publisher, b"nobody's");
                // It may know already.
                quiet.try_send(()).ok();
                continue;
            }
        };
        let words = recv_parts(router);
        let mut answer = vec![&name[..]];
        answer.extend(words.iter().map(Vec::as_slice));
        send_parts(router, &answer);
        if name[..] == *b"good" {
            send_parts(publisher, &[b"news", &words[0]]);
        }
    }
}

/// Asks and hears, until it is over; how often. Tells when it has gone well for a while.
fn converse(
    dealer: &mut Socket,
    sub: &mut Socket,
    over: &AtomicBool,
    count: &AtomicUsize,
    warm: SyncSender<()>,
) {
    let mut warm = Some(warm);
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        send(dealer, &numbered(round, 100));
        let answer = dealer.recv_frame(within(PATIENCE)).unwrap();
        assert_eq!(number(&answer), round);
        sub.recv_frame(within(PATIENCE)).unwrap();
        assert_eq!(number(&recv(sub)), round);
        round += 1;
        count.fetch_add(1, Ordering::Relaxed);
        if round == WARM
            && let Some(warm) = warm.take()
        {
            warm.send(()).unwrap();
        }
    }
}

/// Looks again each time the server has nothing to do, until it is true or the deadline has come.
fn when_quiet(quiet: &Receiver<()>, mut test: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_millis(PATIENCE);
    while !test() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || quiet.recv_timeout(left).is_err() {
            return;
        }
    }
}

/// Waits until the memory of a crowd has gone; bytes in use and resident bytes then.
fn ebb(siege: &Siege, before: (usize, usize), quiet: &Receiver<()>) -> (usize, usize) {
    let crowd = siege.connections;
    let mut now = (0, 0);
    when_quiet(quiet, || {
        now = (in_use().unwrap_or(0), resident_bytes());
        let held_back = now.0 <= before.0 + may_be_held(crowd);
        let given_back = !siege.gives_back || now.1 <= before.1 + may_be_kept(crowd);
        held_back && given_back
    });
    now
}

/// What the process under siege does; its memory and descriptors are its own.
#[test]
fn besieged() {
    let Some(role) = role() else { return };
    let Some(siege) = role.strip_prefix("besieged ") else {
        return;
    };
    let siege = Siege::parse(siege);
    let context = Context::new();
    let mut router = socket(&context, SocketType::Router);
    let mut publisher = socket(&context, SocketType::Pub);
    publisher.set_option("MAX_SUBSCRIPTIONS", 500).unwrap();
    let bytes = 20_000i64;
    publisher
        .set_option("MAX_SUBSCRIPTION_BYTES", bytes)
        .unwrap();
    for socket in [&mut router, &mut publisher] {
        socket.set_option("BACKLOG", 4_000).unwrap();
        socket.set_option("SNDHWM", 100).unwrap();
        socket.set_option("RCVHWM", 100).unwrap();
        socket.set_option("HANDSHAKE_IVL", siege.handshake).unwrap();
    }
    let endpoints =
        [&mut router, &mut publisher].map(|socket| socket.bind(TCP).unwrap().to_owned());
    let mut dealer = socket(&context, SocketType::Dealer);
    dealer.set_option("ROUTING_ID", "good").unwrap();
    dealer.connect(&endpoints[0]).unwrap();
    let mut sub = socket(&context, SocketType::Sub);
    sub.connect(&endpoints[1]).unwrap();
    sub.subscribe(b"news").unwrap();
    crate::common::until("no subscription", || {
        send_parts(&mut publisher, &[b"news", b"warm"]);
        sub.recv_frame(within(1)).is_ok()
    });
    while sub.recv_frame(within(20)).is_ok() {}
    let (over, done, count) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicUsize::new(0),
    );
    let (ended, end) = channel();
    let (warm, warmed_up) = sync_channel(1);
    let (quiet, is_quiet) = sync_channel(1);
    thread::scope(|scope| {
        let talk = scope.spawn(|| converse(&mut dealer, &mut sub, &over, &count, warm));
        let server = scope.spawn(|| serve(&mut router, &mut publisher, &done, &quiet));
        warmed_up
            .recv_timeout(Duration::from_millis(PATIENCE))
            .unwrap();
        let before = (resident_bytes(), descriptors());
        let in_use_before = in_use().unwrap_or(0);
        say(&endpoints.join(" "));
        scope.spawn(|| {
            sit_still();
            over.store(true, Ordering::Relaxed);
            ended.send(()).unwrap();
        });
        let mut most = before;
        while end.recv_timeout(Duration::from_millis(20)).is_err() {
            most = (most.0.max(resident_bytes()), most.1.max(descriptors()));
        }
        talk.join().unwrap();
        when_quiet(&is_quiet, || descriptors() <= before.1);
        let (held, kept) = ebb(&siege, (in_use_before, before.0), &is_quiet);
        // The crowd was too small for the library to ask; or there was no crowd, and it has not.
        trim();
        let end = (resident_bytes(), descriptors());
        done.store(true, Ordering::Relaxed);
        server.join().unwrap();
        let messages = count.load(Ordering::Relaxed);
        let memory = [before.0, most.0, kept, end.0, in_use_before, held]
            .map(|bytes| (bytes >> 10).to_string())
            .join(" ");
        say(&format!(
            "{messages} {} {} {} {memory}",
            before.1, most.1, end.1
        ));
    });
    drop((router, publisher, dealer, sub));
    assert!(context.terminate(Some(after(PATIENCE))));
}

/// What is to happen.
struct Siege {
    /// Of all hostile processes together.
    connections: usize,
    /// Milliseconds that a handshake may take; 0: as long as it likes.
    handshake: i32,
    /// So many stay to the end that the library gives back the memory they took, unasked.
    gives_back: bool,
}

impl Siege {
    /// With all kinds of ends, most of them early.
    const fn of(connections: usize) -> Self {
        Self {
            connections,
            handshake: SHORT,
            gives_back: false,
        }
    }

    fn to_words(&self) -> String {
        let Self {
            connections,
            handshake,
            gives_back,
        } = self;
        format!("{connections} {handshake} {gives_back}")
    }

    fn parse(words: &str) -> Self {
        let words: Vec<_> = words.split(' ').collect();
        let [connections, handshake, gives_back] = words[..] else {
            panic!("{words:?}");
        };
        Self {
            connections: connections.parse().unwrap(),
            handshake: handshake.parse().unwrap(),
            gives_back: gives_back.parse().unwrap(),
        }
    }
}

/// This binary in this role, with as many descriptors as the system lets it have.
fn start(role: &str, argument: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n $(ulimit -H -n); exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", role, "--nocapture", "--test-threads=1"]);
    command.env("FERROMQ_POLICY", policy_name(Policy::Assisted));
    Process::from_command(command, argument)
}

/// So many processes, whose connections misbehave in so many rounds, in these ways.
fn besiege(siege: &Siege, processes: usize, rounds: usize, vices: &str) {
    let role = format!("besieged {}", siege.to_words());
    let mut server = start("siege::besieged", &role);
    let endpoints = server.hear();
    let each = siege.connections / processes;
    let argument = format!("{endpoints} {each} {rounds} {vices}");
    let mut hostile: Vec<_> = (0..processes)
        .map(|_| start("siege::besiegers", &argument))
        .collect();
    for said in ["all here", "have done their worst"] {
        for process in &mut hostile {
            assert_eq!(process.hear(), said);
        }
    }
    for process in &mut hostile {
        process.end_input();
        println!("{vices}: {}", process.hear());
        assert!(process.wait());
    }
    server.end_input();
    let figures = server.hear();
    println!(
        "messages; descriptors before, at most, afterwards; KiB before, at most, afterwards, without what the allocator \
         keeps, in use before, afterwards: {figures}"
    );
    assert!(server.wait());
    let figures: Vec<usize> = figures
        .split(' ')
        .map(|word| word.parse().unwrap())
        .collect();
    let [
        messages,
        fds_before,
        fds_most,
        fds_end,
        before,
        most,
        kept,
        end,
        held_before,
        held,
    ] = figures[..]
    else {
        panic!("{figures:?}");
    };
    let connections = siege.connections;
    assert!(messages > 100, "the well-behaved were held up");
    assert!(
        most - before < 64 * connections + 16_384,
        "memory under siege"
    );
    let allowed = may_be_kept(connections) >> 10;
    assert!(end <= before + allowed, "resident memory afterwards");
    if siege.gives_back && in_use().is_some() {
        assert!(kept <= before + allowed, "given back unasked");
    }
    let allowed = may_be_held(connections) >> 10;
    assert!(held <= held_before + allowed, "memory in use afterwards");
    assert!(
        fds_most <= fds_before + connections + 100,
        "descriptors under siege"
    );
    assert!(fds_end <= fds_before, "descriptors afterwards");
}

fn every() -> String {
    (0..VICES.len())
        .map(|index| index.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

#[test]
fn a_thousand_hostile_connections() {
    let _turn = turn();
    if role().is_none() {
        besiege(&Siege::of(1_000), 2, 200, &every());
    }
}

/// So many that stay are a crowd, and what it took is given back when it has gone.
#[test]
fn the_memory_of_a_crowd_is_given_back() {
    let _turn = turn();
    if role().is_none() {
        let siege = Siege {
            connections: 1_200,
            // As long as it likes: nobody is to leave because of that, however slow the machine.
            handshake: 0,
            gives_back: true,
        };
        let stay = [
            Vice::Silent,
            Vice::ByteByByte,
            Vice::OnlyGreets,
            Vice::HalfReady,
            Vice::HugeFrame,
            Vice::EndlessMessage,
            Vice::NeverReads,
            Vice::SubscribesLong,
            Vice::ComesAndGoes,
        ];
        let at = |vice: &Vice| VICES.iter().position(|other| other == vice).unwrap();
        let stay: Vec<_> = stay.iter().map(|vice| at(vice).to_string()).collect();
        besiege(&siege, 2, 60, &stay.join(","));
    }
}

/// Which of them it is that leaves something behind.
#[test]
fn a_hundred_of_each_kind() {
    let _turn = turn();
    if role().is_none() {
        for (index, vice) in VICES.iter().enumerate() {
            println!("{vice:?}");
            besiege(&Siege::of(100), 1, 150, &index.to_string());
        }
    }
}

#[test]
#[ignore = "10,000 descriptors, and minutes on a machine that has something else to do"]
fn ten_thousand_hostile_connections() {
    let _turn = turn();
    if role().is_none() {
        let siege = Siege {
            gives_back: true,
            ..Siege::of(10_000)
        };
        besiege(&siege, 2, 400, &every());
    }
}
