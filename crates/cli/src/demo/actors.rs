// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an actor does: each is a program as a user would write it.

use std::io::{self, BufRead, Write};
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ferromq::{
    Context, Error, Event, Monitor, Multipart, Pair, Pub, Pull, Push, Rep, Req, Socket, Sub,
};

use super::PATIENCE;
use super::stage::{Line, Verb};
use crate::Outcome;

/// The parts to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Client,
    Server,
    Publisher,
    Subscriber,
    Pusher,
    Puller,
    Customer,
    Shop,
    Station,
    Listener,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::Client,
        Self::Server,
        Self::Publisher,
        Self::Subscriber,
        Self::Pusher,
        Self::Puller,
        Self::Customer,
        Self::Shop,
        Self::Station,
        Self::Listener,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
            Self::Pusher => "pusher",
            Self::Puller => "puller",
            Self::Customer => "customer",
            Self::Shop => "shop",
            Self::Station => "station",
            Self::Listener => "listener",
        }
    }
}

/// A process of the demo.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [part, number, arguments @ ..] = arguments else {
        return Err("no part".into());
    };
    let part = Part::ALL
        .into_iter()
        .find(|each| each.name() == part)
        .ok_or("no such part")?;
    play(
        part,
        Context::new(),
        Voice::of_process(number.parse()?),
        arguments,
    );
    Ok(())
}

/// Plays the part, to the end.
pub(super) fn play(part: Part, context: Context, voice: Voice, arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let played = match (part, arguments.as_slice()) {
        (Part::Client, [endpoint, first]) => client(&context, &voice, endpoint, first),
        (Part::Server, [endpoint]) => server(&context, &voice, endpoint),
        (Part::Publisher, [endpoint, name]) => publisher(&context, &voice, endpoint, name),
        (Part::Subscriber, [a, b]) => subscriber(&context, &voice, [a, b]),
        (Part::Pusher, [name, a, b]) => pusher(&context, &voice, name, [a, b]),
        (Part::Puller, [endpoint]) => puller(&context, &voice, endpoint),
        (Part::Customer, [endpoint]) => customer(&context, &voice, endpoint),
        (Part::Shop, [endpoint]) => shop(&context, &voice, endpoint),
        (Part::Station, [endpoint]) => station(&context, &voice, endpoint),
        (Part::Listener, [endpoint]) => listener(&context, &voice, endpoint),
        _ => Err("a part with other arguments".into()),
    };
    // The last handle of a context waits until what was sent has been delivered.
    drop(context);
    match played {
        Ok(()) => voice.say(Verb::Done, "done"),
        Err(error) => voice.say(Verb::Failed, &error.to_string()),
    }
}

/// Binds, and asks.
fn client(context: &Context, voice: &Voice, endpoint: &str, first: &str) -> Outcome<()> {
    let mut req = context.socket::<Req>()?;
    voice.say(Verb::Bound, &req.bind(endpoint)?);
    let first: usize = first.parse()?;
    for number in first..first + QUESTIONS {
        let question = format!("Hello {number}");
        voice.say(Verb::Sent, &question);
        req.send_deadline(question.clone(), soon())?;
        let answer = req.recv_deadline(soon())?;
        voice.say(Verb::Received, &String::from_utf8_lossy(&answer));
        if *answer != *question.as_bytes() {
            return Err("an answer to another question".into());
        }
    }
    voice.say(Verb::Ready, "answered");
    // To be killed.
    voice.hear().map(drop)
}

/// Connects, and answers two clients, one after the other.
fn server(context: &Context, voice: &Voice, endpoint: &str) -> Outcome<()> {
    let mut rep = context.socket::<Rep>()?;
    let monitor = rep.monitor();
    let notes = voice.clone_mouth();
    thread::Builder::new()
        .name("monitor".into())
        .spawn(move || tell_events(&monitor, &notes))?;
    rep.connect(endpoint)?;
    for number in 1..=2 * QUESTIONS {
        let question = rep.recv_deadline(soon())?;
        let text = String::from_utf8_lossy(&question).into_owned();
        voice.say(Verb::Received, &text);
        voice.say(Verb::Sent, &text);
        rep.send_deadline(question, soon())?;
        if number == QUESTIONS && endpoint.starts_with("inproc:") {
            // Over inproc nothing reconnects; and this connects before the other binds.
            voice.hear()?;
            rep.connect(endpoint)?;
            voice.say(Verb::Ready, "again");
        }
    }
    Ok(())
}

fn tell_events(monitor: &Monitor, notes: &Mouth) {
    for event in monitor {
        match event.event {
            Event::HandshakeSucceeded => notes.say(Verb::Note, "connected"),
            Event::Disconnected { .. } => notes.say(Verb::Note, "connection lost, tries again"),
            _ => {}
        }
    }
}

/// Binds, and publishes on three topics, in two rounds.
fn publisher(context: &Context, voice: &Voice, endpoint: &str, name: &str) -> Outcome<()> {
    let mut publisher = context.socket::<Pub>()?;
    voice.say(Verb::Bound, &publisher.bind(endpoint)?);
    for (round, mark) in MARKS.iter().enumerate() {
        // Again and again: nobody misses it, whenever he subscribes.
        while voice.hear_before(OFTEN)?.is_none() {
            publisher.send(format!("{mark} {name}"))?;
        }
        for number in 1 + round * NUMBERS..=NUMBERS + round * NUMBERS {
            for topic in TOPICS {
                let text = format!("{topic} {name}{number}");
                voice.say(Verb::Sent, &text);
                publisher.send(text)?;
            }
        }
    }
    publisher.send(format!("{END} {name}"))?;
    Ok(())
}

/// Connects to two publishers; wants two topics of three, later only one.
fn subscriber(context: &Context, voice: &Voice, endpoints: [&str; 2]) -> Outcome<()> {
    let [weather, sport, _news] = TOPICS;
    let mut sub = context.socket::<Sub>()?;
    voice.say(
        Verb::Note,
        &format!("subscribes to {weather:?} and {sport:?}"),
    );
    for topic in [weather, sport, END, MARKS[0]] {
        sub.subscribe(topic)?;
    }
    for endpoint in endpoints {
        sub.connect(endpoint)?;
    }
    let mut next = || -> Outcome<String> {
        Ok(String::from_utf8_lossy(&sub.recv_deadline(soon())?).into_owned())
    };
    both(&mut next, MARKS[0])?;
    voice.say(Verb::Ready, "subscribed");
    for _ in 0..2 * 2 * NUMBERS {
        let text = without_marks(&mut next)?;
        voice.say(Verb::Received, &text);
    }
    voice.say(Verb::Note, &format!("unsubscribes from {sport:?}"));
    sub.unsubscribe(sport)?;
    // Once this has come back from both, both know about the other.
    sub.subscribe(MARKS[1])?;
    let mut next = || -> Outcome<String> {
        Ok(String::from_utf8_lossy(&sub.recv_deadline(soon())?).into_owned())
    };
    both(&mut next, MARKS[1])?;
    voice.say(Verb::Ready, "unsubscribed");
    let mut ends = 0;
    while ends < 2 {
        let text = without_marks(&mut next)?;
        if text.starts_with(END) {
            ends += 1;
        } else {
            voice.say(Verb::Received, &text);
        }
    }
    Ok(())
}

/// Waits for this mark from both publishers.
fn both(next: &mut impl FnMut() -> Outcome<String>, mark: &str) -> Outcome<()> {
    let (mut a, mut b) = (false, false);
    while !(a && b) {
        let text = next()?;
        let Some((topic, name)) = text.split_once(' ') else {
            continue;
        };
        if topic == mark {
            a |= name == "A";
            b |= name == "B";
        } else if !MARKS.contains(&topic) {
            return Err(format!("{text:?} before its time").into());
        }
    }
    Ok(())
}

fn without_marks(next: &mut impl FnMut() -> Outcome<String>) -> Outcome<String> {
    loop {
        let text = next()?;
        if !MARKS.iter().any(|mark| text.starts_with(mark)) {
            return Ok(text);
        }
    }
}

/// Connects to two pullers, and hands out work in turns.
fn pusher(context: &Context, voice: &Voice, name: &str, endpoints: [&str; 2]) -> Outcome<()> {
    let mut push = context.socket::<Push>()?;
    for endpoint in endpoints {
        push.connect(endpoint)?;
    }
    for number in 1..=TASKS {
        let task = format!("task {name}{number}");
        voice.say(Verb::Sent, &task);
        push.send_deadline(task, soon())?;
    }
    Ok(())
}

/// Binds, and takes a half of the work.
fn puller(context: &Context, voice: &Voice, endpoint: &str) -> Outcome<()> {
    let mut pull = context.socket::<Pull>()?;
    voice.say(Verb::Bound, &pull.bind(endpoint)?);
    for _ in 0..TASKS {
        let task = pull.recv_deadline(soon())?;
        voice.say(Verb::Received, &String::from_utf8_lossy(&task));
    }
    Ok(())
}

/// Sends an order of four parts, and compares the receipt.
fn customer(context: &Context, voice: &Voice, endpoint: &str) -> Outcome<()> {
    let mut pair = context.socket::<Pair>()?;
    pair.connect(endpoint)?;
    let order = Multipart::from_iter(ORDER);
    voice.say(Verb::Sent, &show(&order));
    pair.send_deadline(order, soon())?;
    let receipt = pair.recv_multipart_deadline(soon())?;
    voice.say(Verb::Received, &show(&receipt));
    if !receipt
        .iter()
        .map(AsRef::as_ref)
        .eq(ORDER.iter().map(|part| part.as_bytes()))
    {
        return Err("the receipt differs".into());
    }
    Ok(())
}

/// Gives an order back as its receipt.
fn shop(context: &Context, voice: &Voice, endpoint: &str) -> Outcome<()> {
    let mut pair = context.socket::<Pair>()?;
    voice.say(Verb::Bound, &pair.bind(endpoint)?);
    let order = pair.recv_multipart_deadline(soon())?;
    voice.say(Verb::Received, &show(&order));
    voice.say(Verb::Sent, &show(&order));
    pair.send_deadline(order, soon())?;
    Ok(())
}

/// Publishes to a group, also to the processes of this machine.
pub(super) fn sending(context: &Context, endpoint: &str) -> Result<Socket<Pub>, Error> {
    let mut publisher = context.socket::<Pub>()?;
    publisher.set_option("MULTICAST_LOOP", 1)?;
    publisher.set_option("RATE", KILOBITS)?;
    publisher.connect(endpoint)?;
    Ok(publisher)
}

/// Hears what is published to a group.
pub(super) fn listening(context: &Context, endpoint: &str) -> Result<Socket<Sub>, Error> {
    let mut sub = context.socket::<Sub>()?;
    sub.subscribe("")?;
    sub.connect(endpoint)?;
    Ok(sub)
}

fn station(context: &Context, voice: &Voice, endpoint: &str) -> Outcome<()> {
    let mut publisher = sending(context, endpoint)?;
    while voice.hear_before(OFTEN)?.is_none() {
        publisher.send(MARKS[0])?;
    }
    for number in 1..=SONGS {
        let song = format!("song {number}");
        voice.say(Verb::Sent, &song);
        publisher.send(song)?;
    }
    // What got lost on the way is asked for here.
    voice.hear().map(drop)
}

fn listener(context: &Context, voice: &Voice, endpoint: &str) -> Outcome<()> {
    let mut sub = listening(context, endpoint)?;
    voice.say(Verb::Bound, endpoint);
    let mut next = || -> Outcome<String> {
        Ok(String::from_utf8_lossy(&sub.recv_deadline(soon())?).into_owned())
    };
    next()?;
    voice.say(Verb::Ready, "tuned in");
    for _ in 0..SONGS {
        let song = without_marks(&mut next)?;
        voice.say(Verb::Received, &song);
    }
    Ok(())
}

fn show(message: &Multipart) -> String {
    let parts = message
        .iter()
        .map(|part| format!("[{}]", String::from_utf8_lossy(part)));
    parts.collect::<Vec<_>>().join(" ")
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// An actor's mouth and ears.
#[derive(Debug)]
pub(super) struct Voice {
    mouth: Mouth,
    words: Receiver<String>,
}

/// Where an actor speaks.
#[derive(Debug, Clone)]
pub(super) struct Mouth {
    actor: usize,
    /// To the stage; without one, the standard output.
    stage: Option<Sender<Line>>,
}

impl Voice {
    fn of_process(actor: usize) -> Self {
        let (sender, words) = channel();
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
            // Whoever started this is gone.
            process::exit(3);
        });
        Self {
            mouth: Mouth { actor, stage: None },
            words,
        }
    }

    pub(super) fn of_thread(actor: usize, stage: Sender<Line>, words: Receiver<String>) -> Self {
        Self {
            mouth: Mouth {
                actor,
                stage: Some(stage),
            },
            words,
        }
    }

    fn clone_mouth(&self) -> Mouth {
        self.mouth.clone()
    }

    fn say(&self, verb: Verb, text: &str) {
        self.mouth.say(verb, text);
    }

    /// The next word.
    fn hear(&self) -> Outcome<String> {
        self.hear_before(PATIENCE)?
            .ok_or_else(|| "nobody says how to go on".into())
    }

    /// The next word, if one is said in that time.
    fn hear_before(&self, time: Duration) -> Outcome<Option<String>> {
        match self.words.recv_timeout(time) {
            Ok(word) => Ok(Some(word)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("nobody is there".into()),
        }
    }
}

impl Mouth {
    fn say(&self, verb: Verb, text: &str) {
        let line = Line {
            actor: self.actor,
            verb,
            text: text.to_owned(),
        };
        // Where nobody listens any more, the play is over.
        match &self.stage {
            Some(stage) => stage.send(line).ok(),
            // In one piece.
            None => io::stdout()
                .lock()
                .write_all(format!("{line}\n").as_bytes())
                .ok(),
        };
    }
}

/// Questions of each client.
pub(super) const QUESTIONS: usize = 3;
/// What publishers tell about.
pub(super) const TOPICS: [&str; 3] = ["weather", "sport", "news"];
/// Messages of each publisher on each topic, in each round.
pub(super) const NUMBERS: usize = 2;
/// Tasks of each pusher.
pub(super) const TASKS: usize = 6;
/// Songs on the air.
pub(super) const SONGS: usize = 3;
/// ZMQ_RATE of a station; the default is a hundred.
const KILOBITS: i32 = 100_000;
/// What is ordered; a part may be empty.
const ORDER: [&str; 4] = ["order 42", "", "seven apples", "by bicycle"];
/// What publishers say before each round.
const MARKS: [&str; 2] = ["mark-1", "mark-2"];
/// What they say in the end.
const END: &str = "end";
pub(super) const OFTEN: Duration = Duration::from_millis(5);
