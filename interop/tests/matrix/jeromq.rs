// SPDX-License-Identifier: MIT OR Apache-2.0
//! JeroMQ 0.3.6, which speaks ZMTP 2.0: no commands, no types beyond the greeting's. It is not held
//! to the whole matrix: when connections came and went, messages were missing on its side; why was not looked into.

use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ferromq_interop::envelope::Envelope;
use ferromq_interop::peer::Peer;
use ferromq_interop::script::{Part, Seen};
use ferromq_interop::side::{Event, Implementation, Side};
use ferromq_interop::versions::target;
use ferromq_interop::{Failure, Outcome};

use crate::ours::Ferromq;

/// Debian's jar and a Java that runs from sources.
#[derive(Debug)]
struct Jeromq {
    jar: PathBuf,
}

impl Jeromq {
    fn found() -> Option<Self> {
        let inside = "usr/share/java/jeromq.jar";
        let places = [
            Path::new("/").join(inside),
            target().join("sysroot").join(inside),
        ];
        let jar = places.into_iter().find(|place| place.exists())?;
        let java = Command::new("java").arg("--version").output().ok()?;
        java.status.success().then_some(Self { jar })
    }
}

impl Implementation for Jeromq {
    fn name(&self) -> String {
        "JeroMQ 0.3.6".to_owned()
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        let mut command = Command::new("java");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix/JeromqPeer.java");
        command.args(["-Xmx256m", "-cp"]).arg(&self.jar).arg(source);
        Ok(Box::new(JavaSide {
            peer: Peer::start(command, self.name(), "JeroMQ")?,
            socket: 0,
        }))
    }
}

/// A process, which ends when this is dropped.
#[derive(Debug)]
struct JavaSide {
    peer: Peer,
    socket: u32,
}

impl Side for JavaSide {
    fn open(&mut self, kind: &str) -> Outcome<()> {
        self.vanish()?;
        self.socket = self.peer.open(kind)?;
        Ok(())
    }

    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        self.peer.bind(self.socket, endpoint)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        self.peer.connect(self.socket, endpoint)
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.peer.subscribe(self.socket, topic)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.peer.unsubscribe(self.socket, topic)
    }

    fn send(&mut self, parts: &[Part], patience: Duration) -> Outcome<bool> {
        self.peer.send(self.socket, parts, patience)
    }

    fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<Seen>>> {
        self.peer.receive(self.socket, patience)
    }

    fn event(&mut self, _event: Event, _patience: Duration) -> Outcome<()> {
        Err(Failure::new("tells of no events"))
    }

    fn vanish(&mut self) -> Outcome<()> {
        match std::mem::take(&mut self.socket) {
            0 => Ok(()),
            socket => self.peer.close(socket),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Pattern {
    sender: (&'static str, Envelope),
    receiver: (&'static str, Envelope),
    /// The receiver sends each message back.
    answers: bool,
    /// What does not match is dropped.
    topics: bool,
}

const fn pattern(sender: &'static str, receiver: &'static str) -> Pattern {
    Pattern {
        sender: (sender, Envelope::None),
        receiver: (receiver, Envelope::None),
        answers: false,
        topics: false,
    }
}

const PATTERNS: [Pattern; 9] = [
    pattern("PUSH", "PULL"),
    Pattern {
        answers: true,
        ..pattern("PAIR", "PAIR")
    },
    Pattern {
        answers: true,
        ..pattern("REQ", "REP")
    },
    Pattern {
        receiver: ("ROUTER", Envelope::Kept(2)),
        answers: true,
        ..pattern("REQ", "ROUTER")
    },
    Pattern {
        receiver: ("ROUTER", Envelope::Kept(1)),
        answers: true,
        ..pattern("DEALER", "ROUTER")
    },
    Pattern {
        sender: ("DEALER", Envelope::Empty),
        answers: true,
        ..pattern("DEALER", "REP")
    },
    Pattern {
        topics: true,
        ..pattern("PUB", "SUB")
    },
    Pattern {
        topics: true,
        ..pattern("XPUB", "SUB")
    },
    Pattern {
        receiver: ("XSUB", Envelope::Topics),
        topics: true,
        ..pattern("PUB", "XSUB")
    },
];

#[test]
fn ferromq_against_jeromq() -> Outcome<()> {
    let Some(theirs) = Jeromq::found() else {
        writeln!(
            stderr(),
                "SKIPPED: no JeroMQ, or no Java to run it (Debian's libjeromq-java, default-jdk-headless)"
        )
        .ok();
        return Ok(());
    };
    let mut failures = Vec::new();
    for pattern in PATTERNS {
        for (ours_sends, ours_binds) in [(true, true), (true, false), (false, true), (false, false)]
        {
            if let Err(failure) = converse(&theirs, pattern, ours_sends, ours_binds) {
                let (sender, receiver) = (pattern.sender.0, pattern.receiver.0);
                let what =
                    format!("{sender} to {receiver}, ours sends {ours_sends}, binds {ours_binds}");
                failures.push(failure.within(what).to_string());
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failure::new(failures.join("\n")))
}

fn converse(theirs: &Jeromq, pattern: Pattern, ours_sends: bool, ours_binds: bool) -> Outcome<()> {
    let (ours, theirs) = (Ferromq.side()?, theirs.side()?);
    let (sender, receiver) = if ours_sends {
        (ours, theirs)
    } else {
        (theirs, ours)
    };
    let mut sender = pattern.sender.1.open(sender);
    let mut receiver = pattern.receiver.1.open(receiver);
    sender.open(pattern.sender.0)?;
    receiver.open(pattern.receiver.0)?;
    let (binder, connecter) = if ours_sends == ours_binds {
        (&mut sender, &mut receiver)
    } else {
        (&mut receiver, &mut sender)
    };
    let endpoint = binder.bind("tcp://127.0.0.1:*")?;
    connecter.connect(&endpoint)?;
    if pattern.topics {
        subscribe(&mut *sender, &mut *receiver)?;
    }
    for parts in messages() {
        one(&mut *sender, &mut *receiver, &parts)?;
        if pattern.answers {
            one(&mut *receiver, &mut *sender, &parts)?;
        }
    }
    Ok(())
}

/// To all that begins as messages do; what does not stays away.
fn subscribe(sender: &mut dyn Side, receiver: &mut dyn Side) -> Outcome<()> {
    receiver.subscribe(b"to")?;
    let deadline = Instant::now() + PATIENCE;
    let probe = [Part::text("topic"), Part::text("probe")];
    loop {
        sender.send(&probe, PROBE)?;
        if receiver.receive(PROBE)?.is_some() {
            break;
        }
        if Instant::now() > deadline {
            return Err(Failure::new("no probe came through"));
        }
    }
    // The probes before the last are still on their way, perhaps.
    let end = [Part::text("topic"), Part::text("end")];
    sender.send(&[Part::text("nothing to it")], PATIENCE)?;
    sender.send(&end, PATIENCE)?;
    loop {
        match receiver.receive(PATIENCE)? {
            Some(parts) if parts == end.each_ref().map(Part::seen) => return Ok(()),
            Some(parts) if parts == probe.each_ref().map(Part::seen) => {}
            other => return Err(Failure::new(format!("{other:?} came in"))),
        }
    }
}

fn one(sender: &mut dyn Side, receiver: &mut dyn Side, parts: &[Part]) -> Outcome<()> {
    let what = || format!("{} parts, the second {}", parts.len(), parts[1]);
    if !sender.send(parts, PATIENCE)? {
        return Err(Failure::new("no room").within(what()));
    }
    let seen: Vec<Seen> = parts.iter().map(Part::seen).collect();
    match receiver.receive(PATIENCE)? {
        Some(parts) if parts == seen => Ok(()),
        Some(_other) => Err(Failure::new("something else came").within(what())),
        None => Err(Failure::new("nothing came").within(what())),
    }
}

/// Of several parts, with a topic in front.
fn messages() -> Vec<Vec<Part>> {
    let lengths: [&[usize]; 12] = [
        &[0],
        &[1],
        &[254],
        &[255],
        &[256],
        &[8_192],
        &[65_536],
        &[1_048_577],
        &[0; 20],
        &[0, 300, 0, 70_000, 0],
        &[255, 256, 0, 257],
        &[10; 300],
    ];
    let message = |lengths: &[usize]| {
        let parts = lengths.iter().map(|&len| Part::Pattern { len, seed: 7 });
        std::iter::once(Part::text("topic")).chain(parts).collect()
    };
    let numbered = (0..100).map(|seed| vec![Part::text("topic"), Part::Pattern { len: 16, seed }]);
    lengths.into_iter().map(message).chain(numbered).collect()
}

const PATIENCE: Duration = Duration::from_secs(30);
/// How long a probe may take before the next is sent.
const PROBE: Duration = Duration::from_millis(20);
