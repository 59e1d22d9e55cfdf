// SPDX-License-Identifier: MIT OR Apache-2.0
//! Actors, their words, and the screen.
//!
//! All processes of a scene write their lines into one pipe, each line in one piece, so that they
//! appear in the order of cause and effect.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, PipeWriter, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ferromq::Context;

use super::actors::{self, Part, Voice};
use super::{PATIENCE, ROLE_COMMAND};
use crate::Outcome;

/// What an actor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// It is bound there.
    Bound,
    /// It sends that.
    Sent,
    /// It has received that.
    Received,
    /// Something happened.
    Note,
    /// It is ready for what comes next.
    Ready,
    /// It has done its part.
    Done,
    /// It cannot go on.
    Failed,
}

impl Verb {
    const ALL: [Self; 7] = [
        Self::Bound,
        Self::Sent,
        Self::Received,
        Self::Note,
        Self::Ready,
        Self::Done,
        Self::Failed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Bound => "binds",
            Self::Sent => "sends",
            Self::Received => "receives",
            Self::Note => "notes",
            Self::Ready => "ready",
            Self::Done => "done",
            Self::Failed => "fails",
        }
    }
}

/// A line of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) actor: usize,
    pub(super) verb: Verb,
    pub(super) text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.actor, self.verb.name(), self.text)
    }
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let actor = words.next()?.parse().ok()?;
        let name = words.next()?;
        let verb = Verb::ALL.into_iter().find(|verb| verb.name() == name)?;
        Some(Self {
            actor,
            verb,
            text: words.next()?.to_owned(),
        })
    }
}

/// Where a scene is played.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    screen: &'a mut Screen,
    actors: Vec<Actor>,
    lines: Receiver<Line>,
    sender: Sender<Line>,
    /// For processes.
    pipe: PipeWriter,
    /// For threads.
    context: Option<Context>,
    script: Vec<Line>,
    /// Which lines of it somebody has waited for: each ends one wait.
    awaited: BTreeSet<usize>,
}

#[derive(Debug)]
struct Actor {
    name: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Process(Child),
    Thread(Option<JoinHandle<()>>, Sender<String>),
}

impl<'a> Stage<'a> {
    /// For processes, or for threads of this one.
    pub(super) fn new(screen: &'a mut Screen, processes: bool) -> Outcome<Self> {
        let (sender, lines) = channel();
        let (reader, pipe) = io::pipe()?;
        let of_pipe = sender.clone();
        thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            for line in lines.filter_map(|line| Line::parse(&line)) {
                if of_pipe.send(line).is_err() {
                    break;
                }
            }
        });
        let context = (!processes).then(Context::new);
        Ok(Self {
            screen,
            actors: Vec::new(),
            lines,
            sender,
            pipe,
            context,
            script: Vec::new(),
            awaited: BTreeSet::new(),
        })
    }

    /// A new actor. Its number counts from 0.
    pub(super) fn enter(&mut self, name: &str, part: Part, arguments: &[&str]) -> Outcome<usize> {
        let number = self.actors.len();
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let body = if let Some(context) = &self.context {
            let (to_actor, words) = channel();
            let voice = Voice::of_thread(number, self.sender.clone(), words);
            let context = context.clone();
            let play = move || actors::play(part, context, voice, &arguments);
            Body::Thread(
                Some(thread::Builder::new().name(name.into()).spawn(play)?),
                to_actor,
            )
        } else {
            let child = Command::new(env::current_exe()?)
                .args([ROLE_COMMAND, part.name(), &number.to_string()])
                .args(&arguments)
                .stdin(Stdio::piped())
                .stdout(self.pipe.try_clone()?)
                .spawn()?;
            Body::Process(child)
        };
        let name = match &body {
            Body::Process(child) => format!("{name} [{}]", child.id()),
            Body::Thread(..) => name.to_owned(),
        };
        self.actors.push(Actor { name, body });
        Ok(number)
    }

    /// Shows what is said until this actor says this; that is returned.
    pub(super) fn until(&mut self, actor: usize, verb: Verb) -> Outcome<String> {
        let deadline = Instant::now() + PATIENCE;
        let said = |line: &Line| line.actor == actor && line.verb == verb && !line.text.is_empty();
        // It may have been said while somebody else was listened to.
        let mut lines = self.script.iter().enumerate();
        let earlier = lines.find(|(at, line)| said(line) && !self.awaited.contains(at));
        if let Some((at, line)) = earlier {
            self.awaited.insert(at);
            return Ok(line.text.clone());
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let name = &self.actors[actor].name;
                    return Err(format!("{name} does not say that it {}", verb.name()).into());
                }
            };
            let name = &self.actors[line.actor].name;
            if line.verb == Verb::Failed {
                return Err(format!("{name} fails: {}", line.text).into());
            }
            self.screen.show(line.actor, name, &line)?;
            let found = said(&line);
            self.script.push(line.clone());
            if found {
                self.awaited.insert(self.script.len() - 1);
                return Ok(line.text);
            }
        }
    }

    /// Says a word to an actor.
    pub(super) fn tell(&mut self, actor: usize, word: &str) -> Outcome<()> {
        match &mut self.actors[actor].body {
            Body::Process(child) => {
                let input = child.stdin.as_mut().ok_or("an actor without ears")?;
                writeln!(input, "{word}")?;
            }
            Body::Thread(_, words) => words.send(word.to_owned())?,
        }
        Ok(())
    }

    /// Ends an actor: a process by SIGKILL, in the middle of whatever it does; a thread is asked.
    pub(super) fn kill(&mut self, actor: usize) -> Outcome<()> {
        let Actor { name, body } = &mut self.actors[actor];
        let how = match body {
            Body::Process(child) => {
                child.kill()?;
                child.wait()?;
                "is killed: SIGKILL"
            }
            Body::Thread(thread, words) => {
                words.send("stop".to_owned())?;
                join(thread)?;
                "closes its socket and is gone"
            }
        };
        self.screen.event(actor, name, how)
    }

    /// Waits until an actor has done its part and is gone.
    pub(super) fn exit(&mut self, actor: usize) -> Outcome<()> {
        self.until(actor, Verb::Done)?;
        let Actor { name, body } = &mut self.actors[actor];
        match body {
            Body::Process(child) => {
                // It ends itself when it is left alone, which is too early.
                let _input = child.stdin.take();
                let status = child.wait()?;
                if !status.success() {
                    return Err(format!("{name} ends with {status}").into());
                }
            }
            Body::Thread(thread, _) => join(thread)?,
        }
        Ok(())
    }

    /// What these actors have said with this verb.
    pub(super) fn said(&self, actors: &[usize], verb: Verb) -> Vec<&str> {
        let lines = self.script.iter();
        lines
            .filter(|line| actors.contains(&line.actor) && line.verb == verb)
            .map(|line| line.text.as_str())
            .collect()
    }

    /// Everything is checked: so many messages were to arrive.
    pub(super) fn close(self, messages: usize) {
        self.screen.messages += messages;
        self.screen.scenes += 1;
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for actor in &mut self.actors {
            if let Body::Process(child) = &mut actor.body {
                // It fails where the process has ended, as it should have.
                child.kill().ok();
                child.wait().ok();
            }
        }
        if let Some(context) = &self.context {
            context.shutdown();
        }
    }
}

fn join(thread: &mut Option<JoinHandle<()>>) -> Outcome<()> {
    thread
        .take()
        .map_or(Ok(()), JoinHandle::join)
        .map_err(|_panic| "a thread panicked".into())
}

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    coloured: bool,
    messages: usize,
    scenes: usize,
}

impl Screen {
    /// In colour on a terminal only.
    pub(super) fn open() -> Outcome<Self> {
        let coloured = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
        let screen = Self {
            coloured,
            messages: 0,
            scenes: 0,
        };
        let version = env!("CARGO_PKG_VERSION");
        screen.line(&format!(
            "ferromq {version}: services, publishers, pipelines"
        ))?;
        Ok(screen)
    }

    /// The title of a scene.
    pub(super) fn title(&self, text: &str) -> Outcome<()> {
        let text = self.paint(BOLD, text);
        self.line(&format!("\n{text}"))
    }

    /// A line as it is.
    pub(super) fn line(&self, text: &str) -> Outcome<()> {
        Ok(writeln!(io::stdout().lock(), "{text}")?)
    }

    fn show(&self, actor: usize, name: &str, line: &Line) -> Outcome<()> {
        let verb = match line.verb {
            Verb::Note => "",
            Verb::Ready | Verb::Done | Verb::Failed => return Ok(()),
            verb => verb.name(),
        };
        self.act(actor, name, verb, &line.text)
    }

    fn event(&self, actor: usize, name: &str, text: &str) -> Outcome<()> {
        let text = self.paint(RED, text);
        self.act(actor, name, "", &text)
    }

    fn act(&self, actor: usize, name: &str, verb: &str, text: &str) -> Outcome<()> {
        let name = self.paint(COLOURS[actor % COLOURS.len()], &format!("{name:<20}"));
        let verb = if verb.is_empty() { "*" } else { verb };
        self.line(&format!("  {name} {verb:<9} {text}"))
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// How it went.
    pub(super) fn summary(&self, seconds: f64) -> Outcome<()> {
        let Self {
            messages, scenes, ..
        } = *self;
        self.title(&format!(
            "{scenes} scenes, {messages} messages: all that were to arrive did, in order, and no \
             others; {seconds:.1} s"
        ))
    }
}

const BOLD: &str = "1";
const RED: &str = "31";
const COLOURS: [&str; 4] = ["36", "33", "35", "32"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_the_pipe() {
        for (verb, text) in [(Verb::Received, "weather from A"), (Verb::Done, "")] {
            let line = Line {
                actor: 3,
                verb,
                text: text.to_owned(),
            };
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
        assert_eq!(Line::parse("thread panicked"), None);
    }

    #[test]
    fn what_is_said_early_is_not_waited_for_in_vain() {
        let mut screen = Screen::open().unwrap();
        let mut stage = Stage::new(&mut screen, false).unwrap();
        for name in ["a", "b"] {
            let body = Body::Thread(None, channel().0);
            let name = name.to_owned();
            stage.actors.push(Actor { name, body });
        }
        for (actor, text) in [(1, "first"), (0, "only"), (1, "second")] {
            let text = text.to_owned();
            let verb = Verb::Ready;
            stage.sender.send(Line { actor, verb, text }).unwrap();
        }
        assert_eq!(stage.until(0, Verb::Ready).unwrap(), "only");
        assert_eq!(stage.until(1, Verb::Ready).unwrap(), "first");
        assert_eq!(stage.until(1, Verb::Ready).unwrap(), "second");
    }
}
