// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mechanism × transport × socket types × who binds × who is the server: a conversation for each.
//!
//! In each the peers beat, messages of all lengths and of several parts go to and fro, publishers
//! send what was subscribed to, the authenticator sees what it is to see, and the server's messages
//! tell whom it knows.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint;
use crate::script::{Part, Seen};
use crate::side::{Event, Implementation, Means, Role, Side, Transport};
use crate::{Failure, Outcome};

/// How two types talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// The first sends.
    OneWay,
    /// The first sends what the second has subscribed to; the second may be heard, too.
    Topics,
    /// The first sends into groups.
    Groups,
    /// The second answers each message.
    Answers,
    /// The second answers, with the envelope it got.
    Envelopes,
}

/// Two types that talk to each other.
#[derive(Debug, Clone, Copy)]
struct Pair {
    first: &'static str,
    second: &'static str,
    talk: Talk,
    /// Messages of several parts.
    parts: bool,
    /// Of the draft interface.
    draft: bool,
}

const fn pair(first: &'static str, second: &'static str, talk: Talk) -> Pair {
    Pair {
        first,
        second,
        talk,
        parts: true,
        draft: false,
    }
}

const fn draft(first: &'static str, second: &'static str, talk: Talk) -> Pair {
    Pair {
        parts: false,
        draft: true,
        ..pair(first, second, talk)
    }
}

const PAIRS: [Pair; 13] = [
    pair("PUSH", "PULL", Talk::OneWay),
    pair("PUB", "SUB", Talk::Topics),
    pair("XPUB", "XSUB", Talk::Topics),
    pair("REQ", "REP", Talk::Answers),
    pair("DEALER", "ROUTER", Talk::Envelopes),
    pair("DEALER", "DEALER", Talk::Answers),
    pair("REQ", "ROUTER", Talk::Envelopes),
    pair("PAIR", "PAIR", Talk::Answers),
    draft("CLIENT", "SERVER", Talk::Answers),
    draft("RADIO", "DISH", Talk::Groups),
    draft("SCATTER", "GATHER", Talk::OneWay),
    draft("CHANNEL", "CHANNEL", Talk::Answers),
    draft("PEER", "PEER", Talk::Answers),
];

/// The coordinates of one conversation.
#[derive(Debug, Clone, Copy)]
struct Cell {
    theirs: usize,
    means: Means,
    transport: Transport,
    pair: Pair,
    ours_is_first: bool,
    ours_binds: bool,
    ours_serves: bool,
}

/// A conversation, for the question whether there can be one.
#[derive(Debug)]
pub struct Place<'a> {
    /// With whom.
    pub name: &'a str,
    /// By what means.
    pub means: Means,
    /// The first of the two types.
    pub first: &'static str,
    /// Whether that is ours.
    pub ours_is_first: bool,
    /// Whether ours is the server.
    pub ours_serves: bool,
}

/// Why there cannot be a conversation; `None`: there can.
pub type Exception = fn(&Place<'_>) -> Option<&'static str>;

/// Runs every conversation of `ours` with each of `theirs` by each of the means, and writes the
/// table: how many were held, of how many, and what failed.
pub fn run(
    ours: &dyn Implementation,
    theirs: &[&dyn Implementation],
    means: &[Means],
    except: Exception,
    table: &Path,
) -> Outcome<()> {
    let cells = cells(theirs, means);
    let rows: Vec<Mutex<Option<Outcome<u64>>>> = cells.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut sides = Sides::default();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(at) else { break };
                    let name = theirs[cell.theirs].name();
                    if except(&cell.place(&name)).is_some() {
                        continue;
                    }
                    let row = sides.converse(cell, ours, theirs[cell.theirs]);
                    if row.is_err() {
                        // Whatever state they are in.
                        sides = Sides::default();
                    }
                    if let Ok(mut place) = rows[at].lock() {
                        *place = Some(row);
                    }
                }
            });
        }
    });
    let rows: Vec<_> = cells
        .iter()
        .zip(rows)
        .map(|(cell, row)| (cell, row.into_inner().unwrap_or_default()))
        .collect();
    let (text, failures) = render(ours, theirs, &rows, except);
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

impl Cell {
    fn place<'a>(&self, name: &'a str) -> Place<'a> {
        Place {
            name,
            means: self.means,
            first: self.pair.first,
            ours_is_first: self.ours_is_first,
            ours_serves: self.ours_serves,
        }
    }
}

fn cells(theirs: &[&dyn Implementation], means: &[Means]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (theirs, implementation) in theirs.iter().enumerate() {
        for &means in means {
            for &transport in implementation.transports() {
                for pair in PAIRS {
                    if pair.draft && !implementation.has_drafts() {
                        continue;
                    }
                    for number in 0..8 {
                        let is = |bit: u8| number >> bit & 1 == 1;
                        cells.push(Cell {
                            theirs,
                            means,
                            transport,
                            pair,
                            ours_is_first: is(0),
                            ours_binds: is(1),
                            ours_serves: is(2),
                        });
                    }
                }
            }
        }
    }
    cells
}

/// The two sides, which are used again and again.
#[derive(Default)]
struct Sides {
    ours: Option<Box<dyn Side>>,
    theirs: Option<(usize, Box<dyn Side>)>,
}

impl Sides {
    fn converse(
        &mut self,
        cell: &Cell,
        ours: &dyn Implementation,
        theirs: &dyn Implementation,
    ) -> Outcome<u64> {
        let beats = ours.has_heartbeats() && theirs.has_heartbeats();
        if self.ours.is_none() {
            self.ours = Some(ours.side()?);
        }
        if self
            .theirs
            .as_ref()
            .is_none_or(|(of, _)| *of != cell.theirs)
        {
            self.theirs = Some((cell.theirs, theirs.side()?));
        }
        let (Some(ours), Some((_, theirs))) = (&mut self.ours, &mut self.theirs) else {
            return Err(Failure::new("no sides"));
        };
        let mut conversation = Conversation {
            cell: *cell,
            ours: ours.as_mut(),
            theirs: theirs.as_mut(),
            messages: 0,
            beats,
        };
        conversation.hold().map(|()| conversation.messages)
    }
}

struct Conversation<'a> {
    cell: Cell,
    ours: &'a mut dyn Side,
    theirs: &'a mut dyn Side,
    messages: u64,
    /// Both know what a PING is.
    beats: bool,
}

impl Conversation<'_> {
    fn hold(&mut self) -> Outcome<()> {
        let Cell { pair, means, .. } = self.cell;
        self.first().open(pair.first)?;
        self.second().open(pair.second)?;
        let (ours, theirs) = if self.cell.ours_serves {
            (Role::Server, Role::Client)
        } else {
            (Role::Client, Role::Server)
        };
        self.ours.secure(ours, means)?;
        self.theirs.secure(theirs, means)?;
        // With heartbeats a DISH of libzmq 4.3.5 hears nothing, not even of libzmq's RADIO.
        if self.beats && pair.talk != Talk::Groups {
            self.ours.beat()?;
            self.theirs.beat()?;
        }
        let transport = self.cell.transport;
        let endpoint = self.binder().bind(&endpoint::unused(transport))?;
        let held = self.hold_at(&endpoint);
        if let Some(path) = endpoint.strip_prefix("ipc://") {
            drop(fs::remove_file(path));
        }
        held
    }

    fn hold_at(&mut self, endpoint: &str) -> Outcome<()> {
        self.connecter()
            .connect(endpoint)
            .map_err(|failure| failure.within("connect"))?;
        let began = Instant::now();
        self.connecter()
            .event(Event::HandshakeSucceeded, PATIENCE)
            .map_err(|failure| failure.within("handshake"))?;
        self.settle().map_err(|failure| failure.within("settle"))?;
        // Several beats of either heart, with traffic before, between and behind.
        loop {
            self.round().map_err(|failure| failure.within("messages"))?;
            if began.elapsed() > BEATS {
                break;
            }
        }
        // Not before: the event of an old libzmq is that of the connection.
        let shown = self.shown();
        shown.map_err(|failure| failure.within("authenticator"))
    }

    /// What the server's authenticator has seen.
    fn shown(&mut self) -> Outcome<()> {
        let means = self.cell.means;
        let server = if self.cell.ours_serves {
            &mut *self.ours
        } else {
            &mut *self.theirs
        };
        let Some(shown) = server.shown()? else {
            return Ok(());
        };
        // Version, id, domain, address, routing id, mechanism, what the client shows.
        let mechanism = shown.get(5).map(Vec::as_slice);
        let credentials = shown.get(6..).unwrap_or_default();
        let domain = shown.get(2).map(Vec::as_slice);
        if mechanism == Some(means.mechanism().as_bytes())
            && credentials == means.credentials()
            && domain == Some(b"here")
        {
            return Ok(());
        }
        Err(Failure::new(format!("it was asked {shown:?}")))
    }

    /// Subscribes, joins, and waits until that has come through.
    fn settle(&mut self) -> Outcome<()> {
        let kind = self.cell.pair.second;
        match self.cell.pair.talk {
            Talk::Topics if kind == "SUB" => {
                self.second().subscribe(b"topic")?;
                self.second().subscribe(b"gone")?;
                self.second().unsubscribe(b"gone")?;
            }
            Talk::Topics => drop(self.second().send(&[Part::text("\u{1}topic")], PATIENCE)?),
            Talk::Groups => self.second().join("group")?,
            // Who binds learns the number of its peer from a message of it.
            _ if kind == "PEER" && self.cell.ours_is_first == self.cell.ours_binds => {
                self.second().send(&[Part::text("hello")], PATIENCE)?;
                self.first().receive(PATIENCE)?;
                return Ok(());
            }
            _ => return Ok(()),
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let probe = self.message(&[Part::text("topic probe")]);
            self.first().send(&probe, PATIENCE)?;
            if self.second().receive(PROBE)?.is_some() {
                break;
            }
            if Instant::now() > deadline {
                return Err(Failure::new("no probe came through"));
            }
        }
        // The last of them.
        let end = self.message(&[Part::text("topic end")]);
        self.first().send(&end, PATIENCE)?;
        let last = Seen::text("topic end");
        while let Some(parts) = self.second().receive(PATIENCE)? {
            if parts.last() == Some(&last) {
                return Ok(());
            }
        }
        Err(Failure::new("the last probe did not come through"))
    }

    /// Some messages to and fro.
    fn round(&mut self) -> Outcome<()> {
        let pattern = |len: usize| Part::Pattern {
            len,
            seed: len as u64,
        };
        let mut messages: Vec<Vec<Part>> = [0, 1, 200, 222, 223, 255, 256, 1_000, 8_192, 70_000]
            .map(|len| vec![pattern(len)])
            .into();
        if self.cell.pair.parts {
            messages.push(vec![pattern(1), pattern(0), pattern(300)]);
            messages.push(vec![pattern(9); 20]);
        }
        for mut parts in messages {
            if self.cell.pair.talk == Talk::Topics {
                parts.insert(0, Part::text("topic"));
                let other = [Part::text("other"), pattern(3)];
                self.first().send(&other, PATIENCE)?;
            }
            self.exchange(&parts)?;
            self.messages += 1;
        }
        Ok(())
    }

    fn exchange(&mut self, parts: &[Part]) -> Outcome<()> {
        let talk = self.cell.pair.talk;
        let sent = self.message(parts);
        let expected: Vec<Seen> = sent.iter().map(Part::seen).collect();
        if !self.first().send(&sent, PATIENCE)? {
            return Err(Failure::new("no room"));
        }
        let seen = self.second().receive(PATIENCE)?;
        let seen = seen.ok_or_else(|| Failure::new("nothing came"))?;
        let envelope = match talk {
            Talk::Envelopes => seen.len() - expected.len(),
            _ => 0,
        };
        if seen[envelope..] != expected {
            return Err(Failure::new(format!("{expected:?} became {seen:?}")));
        }
        if self.cell.ours_is_first != self.cell.ours_serves {
            self.check_user(true)?;
        }
        if !matches!(talk, Talk::Answers | Talk::Envelopes) {
            return Ok(());
        }
        let mut answer: Vec<Part> = seen[..envelope]
            .iter()
            .map(|part| match part {
                Seen::Bytes(bytes) => Part::Bytes(bytes.clone()),
                Seen::Hashed { .. } => Part::Bytes(Vec::new()),
            })
            .collect();
        answer.extend_from_slice(parts);
        if !self.second().send(&answer, PATIENCE)? {
            return Err(Failure::new("no room for an answer"));
        }
        let seen = self.first().receive(PATIENCE)?;
        let seen = seen.ok_or_else(|| Failure::new("no answer came"))?;
        if seen != expected {
            return Err(Failure::new(format!("answer {expected:?} became {seen:?}")));
        }
        if self.cell.ours_is_first == self.cell.ours_serves {
            self.check_user(false)?;
        }
        Ok(())
    }

    /// The server has just received a message: it knows of whom.
    fn check_user(&mut self, second_is_server: bool) -> Outcome<()> {
        let server = if second_is_server {
            self.second()
        } else {
            self.first()
        };
        let user = server.user()?;
        match user.as_deref() {
            Some(name) if !name.is_empty() => Ok(()),
            _ => Err(Failure::new(format!("the user is {user:?}"))),
        }
    }

    /// A message as the first type sends it.
    fn message(&self, parts: &[Part]) -> Vec<Part> {
        let mut message = parts.to_vec();
        if self.cell.pair.talk == Talk::Groups {
            message.insert(0, Part::text("group"));
        }
        message
    }

    fn first(&mut self) -> &mut dyn Side {
        if self.cell.ours_is_first {
            self.ours
        } else {
            self.theirs
        }
    }

    fn second(&mut self) -> &mut dyn Side {
        if self.cell.ours_is_first {
            self.theirs
        } else {
            self.ours
        }
    }

    fn binder(&mut self) -> &mut dyn Side {
        if self.cell.ours_binds {
            self.ours
        } else {
            self.theirs
        }
    }

    fn connecter(&mut self) -> &mut dyn Side {
        if self.cell.ours_binds {
            self.theirs
        } else {
            self.ours
        }
    }
}

/// A line per implementation, means, transport and type pair.
fn render(
    ours: &dyn Implementation,
    theirs: &[&dyn Implementation],
    rows: &[(&Cell, Option<Outcome<u64>>)],
    except: Exception,
) -> (String, Vec<String>) {
    let mut text = format!("# {}: secured conversations\n\n", ours.name());
    text.push_str("| with | mechanism | transport | types | conversations | messages | |\n");
    text.push_str("|---|---|---|---|---:|---:|---|\n");
    let (mut failures, mut all, mut at) = (Vec::new(), 0, 0);
    while let Some((cell, _)) = rows.get(at) {
        let line = rows[at..].iter().take(8);
        let (mut held, mut messages, mut exceptions) = (0, 0, Vec::new());
        for (cell, row) in line {
            let name = theirs[cell.theirs].name();
            match row {
                Some(Ok(count)) => {
                    held += 1;
                    messages += count;
                }
                Some(Err(failure)) => failures.push(format!("{name}: {cell:?}: {failure}")),
                None => {
                    exceptions.extend(except(&cell.place(&name)));
                }
            }
        }
        exceptions.dedup();
        let transport = match cell.transport {
            Transport::Tcp => "tcp",
            Transport::Ipc => "ipc",
            Transport::Inproc => "inproc",
        };
        let Pair { first, second, .. } = cell.pair;
        writeln!(
            text,
            "| {} | {:?} | {transport} | {first}, {second} | {held} | {messages} | {} |",
            theirs[cell.theirs].name(),
            cell.means,
            exceptions.join("; ")
        )
        .ok();
        all += held;
        at += 8;
    }
    writeln!(
        text,
        "\nOf each line eight: who is of the first type, who binds, who is the server. {all} held, {} \
         failed.",
        failures.len()
    )
    .ok();
    for failure in &failures {
        writeln!(text, "\n* FAILED {failure}").ok();
    }
    (text, failures)
}

/// How long anything may take on a busy machine before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a probe may take before the next is sent.
const PROBE: Duration = Duration::from_millis(20);
/// How long a conversation lasts at least: some beats.
const BEATS: Duration = Duration::from_millis(30);
