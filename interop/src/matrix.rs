// SPDX-License-Identifier: MIT OR Apache-2.0
//! Type pair × transport × direction × who binds × version: a conversation for each, with how
//! many messages came through in each of its parts.
//!
//! The parts of a conversation, on one pair of sockets, are the columns of the table:
//!
//! 1. *numbered*: small messages in a row, across the high-water mark where nothing may be dropped;
//! 2. *multipart*: parts of all lengths, empty ones in every place;
//! 3. *sizes*: 0 B to 8 MiB, around every boundary of the framing;
//! 4. *subscriptions* (PUB to SUB): only what matches, and no more after an unsubscribe;
//! 5. *binder back* (not over inproc): the binding end dies and returns to its endpoint; what was
//!    sent meanwhile is kept where the pattern keeps it;
//! 6. *connecter back*: the connecting end dies and another connects;
//! 7. *100 MB*: one message of it, once per transport, direction and version.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint;
use crate::envelope::Envelope;
use crate::peer::Burst;
use crate::script::{Part, Seen};
use crate::side::{Event, Implementation, Side, Transport};
use crate::{Failure, Outcome};

/// Runs every conversation of `ours` with each of `theirs`, and writes the table. A conversation
/// that fails, or that leaves a cell of its row empty, is a failure.
pub fn run(ours: &dyn Implementation, theirs: &[&dyn Implementation], table: &Path) -> Outcome<()> {
    let cells = Cell::all(ours, theirs);
    let rows: Vec<Mutex<Row>> = cells.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(at) else { break };
                    let row = cell.run_fairly(ours, theirs[cell.theirs]);
                    if let Ok(mut place) = rows[at].lock() {
                        *place = row;
                    }
                }
            });
        }
    });
    let rows: Vec<(Cell, Row)> = cells
        .into_iter()
        .zip(rows)
        .map(|(cell, row)| (cell, row.into_inner().unwrap_or_default()))
        .collect();
    let (text, failures) = render(ours, theirs, &rows);
    if let Some(folder) = table.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(table, &text)?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("\n")))
    }
}

/// Two types that talk to each other, the sending one (or the first to send) first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pattern {
    sender: &'static str,
    receiver: &'static str,
    /// How many numbered messages; more than the high-water marks hold, if sending waits.
    numbered: u64,
    /// Each message is answered.
    answers: bool,
    /// The receiving end sends as well.
    both_ways: bool,
    /// What is sent while nobody is there is dropped.
    drops: bool,
    /// What each end shows of the way.
    envelopes: [Envelope; 2],
}

impl Pattern {
    /// A draft type, whose messages have one part.
    fn is_draft(&self) -> bool {
        ["CHANNEL", "CLIENT", "PEER", "RADIO", "SCATTER"].contains(&self.sender)
    }

    /// What comes in has been subscribed to, or joined.
    fn subscribes(&self) -> bool {
        self.drops && self.sender != "ROUTER"
    }
}

const PUSH_PULL: Pattern = Pattern {
    sender: "PUSH",
    receiver: "PULL",
    numbered: 10_000,
    answers: false,
    both_ways: false,
    drops: false,
    envelopes: [Envelope::None; 2],
};

const PUB_SUB: Pattern = Pattern {
    sender: "PUB",
    receiver: "SUB",
    numbered: 500,
    drops: true,
    ..PUSH_PULL
};

const REQ_REP: Pattern = Pattern {
    sender: "REQ",
    receiver: "REP",
    numbered: 500,
    answers: true,
    ..PUSH_PULL
};

const PAIR: Pattern = Pattern {
    sender: "PAIR",
    receiver: "PAIR",
    numbered: 5_000,
    both_ways: true,
    ..PUSH_PULL
};

/// Every two types that fit. STREAM, which has no messages, is tried elsewhere.
const PATTERNS: [Pattern; 17] = [
    PUSH_PULL,
    PUB_SUB,
    REQ_REP,
    PAIR,
    Pattern {
        sender: "DEALER",
        receiver: "ROUTER",
        envelopes: [Envelope::None, Envelope::Kept(1)],
        ..REQ_REP
    },
    Pattern {
        receiver: "ROUTER",
        envelopes: [Envelope::None, Envelope::Kept(2)],
        ..REQ_REP
    },
    Pattern {
        sender: "DEALER",
        envelopes: [Envelope::Empty, Envelope::None],
        ..REQ_REP
    },
    Pattern {
        sender: "DEALER",
        receiver: "DEALER",
        ..PAIR
    },
    Pattern {
        sender: "XPUB",
        ..PUB_SUB
    },
    Pattern {
        receiver: "XSUB",
        envelopes: [Envelope::None, Envelope::Topics],
        ..PUB_SUB
    },
    Pattern {
        sender: "XPUB",
        receiver: "XSUB",
        envelopes: [Envelope::None, Envelope::Topics],
        ..PUB_SUB
    },
    Pattern {
        sender: "SCATTER",
        receiver: "GATHER",
        ..PUSH_PULL
    },
    Pattern {
        sender: "CHANNEL",
        receiver: "CHANNEL",
        ..PAIR
    },
    Pattern {
        sender: "CLIENT",
        receiver: "SERVER",
        ..REQ_REP
    },
    Pattern {
        sender: "PEER",
        receiver: "PEER",
        ..REQ_REP
    },
    Pattern {
        sender: "RADIO",
        receiver: "DISH",
        envelopes: [Envelope::Group; 2],
        ..PUB_SUB
    },
    Pattern {
        sender: "ROUTER",
        receiver: "ROUTER",
        drops: true,
        envelopes: [
            Envelope::Named("sender", "receiver"),
            Envelope::Named("receiver", "sender"),
        ],
        ..REQ_REP
    },
];

/// The coordinates of one conversation.
#[derive(Debug, Clone, Copy)]
struct Cell {
    pattern: Pattern,
    transport: Transport,
    ours_sends: bool,
    ours_binds: bool,
    theirs: usize,
}

impl Cell {
    fn all(ours: &dyn Implementation, theirs: &[&dyn Implementation]) -> Vec<Self> {
        let mut cells = Vec::new();
        for (theirs, implementation) in theirs.iter().enumerate() {
            let drafts = ours.has_drafts() && implementation.has_drafts();
            let fits = |pattern: &Pattern| !pattern.is_draft() || drafts;
            for pattern in PATTERNS.into_iter().filter(fits) {
                for &transport in implementation.transports() {
                    for (ours_sends, ours_binds) in
                        [(true, true), (true, false), (false, true), (false, false)]
                    {
                        cells.push(Self {
                            pattern,
                            transport,
                            ours_sends,
                            ours_binds,
                            theirs,
                        });
                    }
                }
            }
        }
        cells
    }

    /// Which columns must have a number.
    fn plan(&self) -> [bool; COLUMNS.len()] {
        let pushes = self.pattern.sender == PUSH_PULL.sender;
        [
            true,
            !self.pattern.is_draft(),
            true,
            self.pattern.subscribes() && !self.pattern.is_draft(),
            self.transport != Transport::Inproc,
            true,
            pushes && self.ours_binds,
        ]
    }

    /// Begins again what has failed by no fault of ours: when a peer's process has died, as the real one does now
    /// and then over an assertion of its own, or when nobody is ours. What is wrong here fails every time.
    fn run_fairly(&self, ours: &dyn Implementation, theirs: &dyn Implementation) -> Row {
        let all_real = ours.is_real() && theirs.is_real();
        let mut row = self.run(ours, theirs);
        for _ in 1..TRIES {
            let Some(failure) = &row.failure else { break };
            if !all_real && !failure.is_of_dead_peer {
                break;
            }
            row = self.run(ours, theirs);
        }
        row
    }

    fn run(&self, ours: &dyn Implementation, theirs: &dyn Implementation) -> Row {
        let mut row = Row::default();
        let mut conversation = match Conversation::begin(self, ours, theirs) {
            Ok(conversation) => conversation,
            Err(failure) => {
                row.failure = Some(failure.within("beginning"));
                return row;
            }
        };
        let parts: [fn(&mut Conversation) -> Outcome<u64>; COLUMNS.len()] = [
            Conversation::numbered,
            Conversation::multipart,
            Conversation::sizes,
            Conversation::subscriptions,
            Conversation::binder_back,
            Conversation::connecter_back,
            Conversation::huge,
        ];
        for (at, part) in parts
            .into_iter()
            .enumerate()
            .filter(|(at, _)| self.plan()[*at])
        {
            match part(&mut conversation) {
                Ok(count) => row.counts[at] = Some(count),
                Err(failure) => {
                    row.failure = Some(failure.within(COLUMNS[at]));
                    break;
                }
            }
        }
        row
    }
}

/// What came of a conversation.
#[derive(Debug, Default)]
struct Row {
    counts: [Option<u64>; COLUMNS.len()],
    failure: Option<Failure>,
}

fn render(
    ours: &dyn Implementation,
    theirs: &[&dyn Implementation],
    rows: &[(Cell, Row)],
) -> (String, Vec<String>) {
    let mut text = format!("# {}: messages that came through\n\n", ours.name());
    let mut failures = Vec::new();
    line(
        &mut text,
        format!(
            "| ours | theirs | transport | binds | with | {} |",
            COLUMNS.join(" | ")
        ),
    );
    line(
        &mut text,
        format!("|---|---|---|---|---|{}", "---:|".repeat(COLUMNS.len())),
    );
    for (cell, row) in rows {
        let Pattern {
            sender, receiver, ..
        } = cell.pattern;
        let (ours_is, theirs_is) = if cell.ours_sends {
            (format!("{sender} →"), receiver.to_owned())
        } else {
            (receiver.to_owned(), format!("{sender} →"))
        };
        let transport = match cell.transport {
            Transport::Tcp => "tcp",
            Transport::Ipc => "ipc",
            Transport::Inproc => "inproc",
        };
        let binds = if cell.ours_binds { "ours" } else { "theirs" };
        let with = theirs[cell.theirs].name();
        let name = format!("{ours_is} | {theirs_is} | {transport} | {binds} | {with}");
        let mut counts = String::new();
        let mut empty = Vec::new();
        for (at, planned) in cell.plan().into_iter().enumerate() {
            let shown = match row.counts[at] {
                Some(count) if count > 0 => count.to_string(),
                _ if planned => {
                    empty.push(COLUMNS[at]);
                    "FAILED".to_owned()
                }
                _ => "–".to_owned(),
            };
            counts += &format!(" {shown} |");
        }
        line(&mut text, format!("| {name} |{counts}"));
        if !empty.is_empty() || row.failure.is_some() {
            let reason = row
                .failure
                .as_ref()
                .map_or("no reason", |failure| &failure.text);
            failures.push(format!("{name}: {} empty: {reason}", empty.join(", ")));
        }
    }
    let messages: u64 = rows.iter().flat_map(|(_, row)| row.counts).flatten().sum();
    line(
        &mut text,
        format!("\n{} conversations, {messages} messages.", rows.len()),
    );
    for failure in &failures {
        line(&mut text, format!("\n* FAILED {failure}"));
    }
    (text, failures)
}

#[expect(clippy::let_underscore_must_use, reason = "a String takes everything")]
fn line(text: &mut String, line: String) {
    let _ = writeln!(text, "{line}");
}

/// Two sockets that are being tried on each other.
struct Conversation {
    pattern: Pattern,
    transport: Transport,
    sender: Box<dyn Side>,
    receiver: Box<dyn Side>,
    sender_binds: bool,
    endpoint: String,
    /// The number of the next numbered message, and of the next round of probes.
    next: u64,
}

impl Conversation {
    fn begin(cell: &Cell, ours: &dyn Implementation, theirs: &dyn Implementation) -> Outcome<Self> {
        let (sender, receiver) = if cell.ours_sends {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        let mut conversation = Self {
            pattern: cell.pattern,
            transport: cell.transport,
            sender: cell.pattern.envelopes[0].open(sender.side()?),
            receiver: cell.pattern.envelopes[1].open(receiver.side()?),
            sender_binds: cell.ours_sends == cell.ours_binds,
            endpoint: String::new(),
            next: 0,
        };
        conversation.sender.open(cell.pattern.sender)?;
        conversation.receiver.open(cell.pattern.receiver)?;
        let endpoint = endpoint::unused(cell.transport);
        conversation.endpoint = conversation.binder().bind(&endpoint)?;
        conversation.connect()?;
        conversation.subscribe_to_all()?;
        conversation.introduce()?;
        Ok(conversation)
    }

    fn numbered(&mut self) -> Outcome<u64> {
        if self.pattern.drops {
            self.settle(PATIENCE)?;
        }
        self.numbers(self.pattern.numbered)
    }

    fn multipart(&mut self) -> Outcome<u64> {
        let part = |len: usize| Part::Pattern { len, seed: 1 };
        let lengths: [&[usize]; 9] = [
            &[1, 1],
            &[0, 0],
            &[0, 1],
            &[1, 0],
            &[1, 0, 1],
            &[0; 20],
            &[255, 256, 0, 257],
            &[0, 300, 0, 70_000, 0],
            &[10; 1000],
        ];
        let messages: Vec<Vec<Part>> = lengths
            .iter()
            .map(|lengths| lengths.iter().map(|len| part(*len)).collect())
            .collect();
        self.messages(&messages)
    }

    fn sizes(&mut self) -> Outcome<u64> {
        let sizes = [
            0, 1, 31, 32, 33, 34, 254, 255, 256, 257, 8_191, 8_192, 8_193, 16_384, 65_535, 65_536,
            65_537, 262_144, 1_048_575, 1_048_576, 1_048_577, 8_388_608, 2,
        ];
        self.messages(&sizes.map(|len| {
            vec![Part::Pattern {
                len,
                seed: len as u64,
            }]
        }))
    }

    fn huge(&mut self) -> Outcome<u64> {
        self.messages(&[vec![Part::Pattern {
            len: 100_000_000,
            seed: 100,
        }]])
    }

    /// What does not match stays away, before and after an unsubscribe.
    fn subscriptions(&mut self) -> Outcome<u64> {
        for topic in ["a", "b.long", SYNC] {
            self.receiver.subscribe(topic.as_bytes())?;
        }
        self.receiver.unsubscribe(b"")?;
        self.until_gone("c")?;
        let topics = ["a", "abc", "b", "b.", "b.long", "b.longer", "c", "", "Sync"];
        let expected = ["a", "abc", "b.long", "b.longer"];
        let mut count = self.publish(&topics, &expected)?;
        self.receiver.unsubscribe(b"a")?;
        self.until_gone("a")?;
        count += self.publish(&topics, &expected[2..])?;
        self.receiver.subscribe(b"")?;
        self.settle(PATIENCE)?;
        Ok(count)
    }

    /// Publishes every topic, and sees exactly the expected ones come in.
    fn publish(&mut self, topics: &[&str], expected: &[&str]) -> Outcome<u64> {
        let rounds = 20;
        for _ in 0..rounds {
            for topic in topics {
                self.send(&[Part::text(topic), Part::text("body")])?;
            }
        }
        let end = self.fresh();
        self.send(&[Part::text(SYNC), Part::text(&end)])?;
        let mut seen = Vec::new();
        loop {
            let parts = self.receive()?;
            if parts == [Seen::text(SYNC), Seen::text(&end)] {
                break;
            }
            seen.push(parts);
        }
        let wanted: Vec<Vec<Seen>> = expected
            .iter()
            .map(|topic| vec![Seen::text(topic), Seen::text("body")])
            .collect();
        if seen.len() != rounds * wanted.len() || seen.chunks(wanted.len()).any(|one| one != wanted)
        {
            return Err(Failure::new(format!(
                "{} messages, not {expected:?}",
                seen.len()
            )));
        }
        Ok(seen.len() as u64)
    }

    fn binder_back(&mut self) -> Outcome<u64> {
        self.binder().vanish()?;
        self.connecter().event(Event::Disconnected, PATIENCE)?;
        // Sent with nobody there: it waits in the queue of the connection.
        let keeps = !self.sender_binds && !self.pattern.drops && !self.pattern.answers;
        let burst = Burst {
            source: SOURCE,
            first: self.next,
            count: AGAIN,
            size: 32,
        };
        if keeps && self.sender.burst(burst, PATIENCE)? != AGAIN {
            return Err(Failure::new("no room without a peer"));
        }
        let (endpoint, kind) = (self.endpoint.clone(), self.kind(self.sender_binds));
        self.binder().open(kind)?;
        // The name may be held for a moment, by the dead process.
        let deadline = Instant::now() + PATIENCE;
        while let Err(failure) = self.binder().bind(&endpoint) {
            if Instant::now() >= deadline {
                return Err(failure);
            }
        }
        if self.sender_binds {
            self.connecter()
                .event(Event::HandshakeSucceeded, PATIENCE)?;
        } else {
            self.subscribe_to_all()?;
        }
        self.introduce()?;
        if keeps {
            let tally = self.receiver.drain(AGAIN, PATIENCE)?;
            if !tally.is_exactly(SOURCE, self.next, AGAIN) {
                return Err(Failure::new(format!("{AGAIN} from {}: {tally}", self.next)));
            }
            self.next += AGAIN;
            return Ok(AGAIN + self.numbers(AGAIN)?);
        }
        if self.pattern.drops {
            self.settle(PATIENCE)?;
        }
        self.numbers(AGAIN)
    }

    fn connecter_back(&mut self) -> Outcome<u64> {
        self.another_connecter()?;
        if self.pattern.subscribes() {
            self.settle(PATIENCE)?;
        }
        if self.pattern.both_ways || self.pattern.drops && !self.pattern.subscribes() {
            // A PAIR takes the new peer, and a ROUTER a name again, only once the application's calls
            // have let it see the last of the old one; libzmq's leaves a peer that came too early
            // unheard for good.
            let deadline = Instant::now() + PATIENCE;
            while let Err(failure) = self.settle(PATIENCE / 20) {
                if Instant::now() > deadline {
                    return Err(failure);
                }
                self.another_connecter()?;
            }
        }
        self.numbers(AGAIN)
    }

    fn another_connecter(&mut self) -> Outcome<()> {
        self.connecter().vanish()?;
        let reports = self.transport != Transport::Inproc;
        if reports {
            self.binder().event(Event::Disconnected, PATIENCE)?;
        }
        if self.pattern.both_ways && self.binder().receive(PROBE)?.is_some() {
            return Err(Failure::new("a message of nobody"));
        }
        let kind = self.kind(!self.sender_binds);
        self.connecter().open(kind)?;
        self.connect()?;
        if self.sender_binds {
            self.subscribe_to_all()?;
        }
        if reports {
            // An old libzmq tells of an accepted connection while the pipe of the one that has gone is still being
            // taken down by its I/O thread. By the time its part of the handshake is here that is over.
            self.connecter()
                .event(Event::HandshakeSucceeded, PATIENCE)?;
            self.binder().event(Event::HandshakeSucceeded, PATIENCE)?;
        }
        self.introduce()
    }

    /// Numbered messages in a row: each comes in once and in order.
    fn numbers(&mut self, count: u64) -> Outcome<u64> {
        let burst = Burst {
            source: SOURCE,
            first: self.next,
            count,
            size: 32,
        };
        self.next += count;
        if self.pattern.answers {
            return self.round_trips(burst);
        }
        one_way(&mut *self.sender, &mut *self.receiver, burst)?;
        if self.pattern.both_ways {
            one_way(&mut *self.receiver, &mut *self.sender, burst)?;
            return Ok(2 * count);
        }
        Ok(count)
    }

    /// Numbered messages, each sent back before the next.
    fn round_trips(&mut self, burst: Burst) -> Outcome<u64> {
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        thread::scope(|scope| {
            let echoes = scope.spawn(|| receiver.echo(burst.count, PATIENCE));
            for number in burst.first..burst.first + burst.count {
                let part = Part::Pattern {
                    len: 32,
                    seed: number,
                };
                if !sender.send(std::slice::from_ref(&part), PATIENCE)? {
                    return Err(Failure::new(format!("no room for number {number}")));
                }
                let answer = sender.receive(PATIENCE)?;
                if answer != Some(vec![part.seen()]) {
                    return Err(Failure::new(format!("answer to {number}: {answer:?}")));
                }
            }
            let echoed = join(echoes)?;
            if echoed != burst.count {
                return Err(Failure::new(format!("{echoed} echoes of {}", burst.count)));
            }
            Ok(echoed)
        })
    }

    /// Each message arrives as it was sent, before the next is sent; and back, with answers.
    fn messages(&mut self, messages: &[Vec<Part>]) -> Outcome<u64> {
        for parts in messages {
            let expected: Vec<Seen> = parts.iter().map(Part::seen).collect();
            whole(&mut *self.sender, &mut *self.receiver, parts, &expected)?;
            if self.pattern.answers || self.pattern.both_ways {
                whole(&mut *self.receiver, &mut *self.sender, parts, &expected)?;
            }
        }
        Ok(messages.len() as u64)
    }

    /// Probes until one comes through, then sees the last of them off.
    fn settle(&mut self, patience: Duration) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        let probe = self.probe("probe");
        loop {
            self.sender.send(&probe, PROBE)?;
            if self.receiver.receive(PROBE)?.is_some() {
                break;
            }
            if Instant::now() > deadline {
                return Err(Failure::new("no probe came through"));
            }
        }
        let end = self.fresh();
        let end = self.probe(&end);
        let expected: Vec<Seen> = end.iter().map(Part::seen).collect();
        self.send(&end)?;
        while self.receive()? != expected {}
        Ok(())
    }

    /// A probe; of one part where there may be one only.
    fn probe(&self, text: &str) -> Vec<Part> {
        if self.pattern.is_draft() {
            return vec![Part::text(text)];
        }
        vec![Part::text(SYNC), Part::text(text)]
    }

    /// Probes with this topic until it does not come through any more.
    fn until_gone(&mut self, topic: &str) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let end = self.fresh();
            self.send(&[Part::text(topic), Part::text(&end)])?;
            self.send(&[Part::text(SYNC), Part::text(&end)])?;
            let mut gone = true;
            loop {
                // Without an answer the subscription to SYNC has not arrived: another round.
                let Some(parts) = self.receiver.receive(PROBE)? else {
                    gone = false;
                    break;
                };
                if parts.get(1) != Some(&Seen::text(&end)) {
                    continue;
                }
                if parts.first() == Some(&Seen::text(SYNC)) {
                    break;
                }
                gone = false;
            }
            if gone {
                return Ok(());
            }
        }
        Err(Failure::new(format!(
            "{topic} still comes in after an unsubscribe"
        )))
    }

    fn send(&mut self, parts: &[Part]) -> Outcome<()> {
        if self.sender.send(parts, PATIENCE)? {
            Ok(())
        } else {
            Err(Failure::new("no room"))
        }
    }

    fn receive(&mut self) -> Outcome<Vec<Seen>> {
        self.receiver
            .receive(PATIENCE)?
            .ok_or_else(|| Failure::new("nothing came in"))
    }

    fn subscribe_to_all(&mut self) -> Outcome<()> {
        if self.pattern.subscribes() {
            self.receiver.subscribe(b"")
        } else {
            Ok(())
        }
    }

    /// A PEER that was bound knows the number of its peer by a message of it.
    fn introduce(&mut self) -> Outcome<()> {
        if self.pattern.sender != "PEER" || !self.sender_binds {
            return Ok(());
        }
        if !self.receiver.send(&[Part::text("hello")], PATIENCE)? {
            return Err(Failure::new("no room for a hello"));
        }
        match self.sender.receive(PATIENCE)? {
            Some(hello) if hello == [Seen::text("hello")] => Ok(()),
            other => Err(Failure::new(format!("a hello became {other:?}"))),
        }
    }

    fn connect(&mut self) -> Outcome<()> {
        let endpoint = self.endpoint.clone();
        self.connecter().connect(&endpoint)
    }

    fn binder(&mut self) -> &mut dyn Side {
        if self.sender_binds {
            &mut *self.sender
        } else {
            &mut *self.receiver
        }
    }

    fn connecter(&mut self) -> &mut dyn Side {
        if self.sender_binds {
            &mut *self.receiver
        } else {
            &mut *self.sender
        }
    }

    fn kind(&self, of_sender: bool) -> &'static str {
        if of_sender {
            self.pattern.sender
        } else {
            self.pattern.receiver
        }
    }

    /// A text that was not used before.
    fn fresh(&mut self) -> String {
        self.next += 1;
        format!("end {}", self.next)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // A killed process leaves its file behind.
        if let Some(path) = self.endpoint.strip_prefix("ipc://") {
            drop(fs::remove_file(path));
        }
    }
}

fn one_way(sender: &mut dyn Side, receiver: &mut dyn Side, burst: Burst) -> Outcome<()> {
    let (sent, tally) = thread::scope(|scope| {
        let sent = scope.spawn(|| sender.burst(burst, PATIENCE));
        let tally = receiver.drain(burst.count, PATIENCE);
        (join(sent), tally)
    });
    let (sent, tally) = (sent?, tally?);
    if sent == burst.count && tally.is_exactly(burst.source, burst.first, burst.count) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} from {}: sent {sent}, {tally}",
        burst.count, burst.first
    )))
}

fn whole(
    sender: &mut dyn Side,
    receiver: &mut dyn Side,
    parts: &[Part],
    expected: &[Seen],
) -> Outcome<()> {
    let (sent, seen) = thread::scope(|scope| {
        let sent = scope.spawn(|| sender.send(parts, PATIENCE));
        let seen = receiver.receive(PATIENCE);
        (join(sent), seen)
    });
    let what = || format!("{} parts, the first {}", parts.len(), parts[0]);
    if !sent? {
        return Err(Failure::new("no room").within(what()));
    }
    match seen? {
        Some(seen) if seen == expected => Ok(()),
        Some(seen) => Err(Failure::new(format!("other {} parts came", seen.len())).within(what())),
        None => Err(Failure::new("nothing came in").within(what())),
    }
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Outcome<T>>) -> Outcome<T> {
    thread
        .join()
        .unwrap_or_else(|_panic| Err(Failure::new("a thread panicked")))
}

const COLUMNS: [&str; 7] = [
    "numbered",
    "multipart",
    "sizes",
    "subscriptions",
    "binder back",
    "connecter back",
    "100 MB",
];

/// How long anything may take on a busy machine before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a conversation begins at most.
const TRIES: u32 = 3;
/// How long a probe may take before the next is sent.
const PROBE: Duration = Duration::from_millis(20);
/// How many numbered messages are sent after somebody came back.
const AGAIN: u64 = 100;
/// The only source of numbered messages here.
const SOURCE: u64 = 1;
/// The topic and first part of probes.
const SYNC: &str = "sync";
