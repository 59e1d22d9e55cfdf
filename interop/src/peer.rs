// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test's end of a process that runs the real libzmq.

use std::env;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::script::{Hex, Part, Seen, Tally, number};
use crate::versions::RealLibrary;
use crate::{Failure, Outcome};

/// A peer process with one or more libzmq sockets. It is killed when this is dropped.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

/// An answer of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done, with these words as the result.
    Done(String),
    /// It could not be done in time.
    Again,
}

impl Answer {
    /// The words; that it was too late is a failure.
    pub fn in_time(self) -> Outcome<String> {
        match self {
            Self::Done(words) => Ok(words),
            Self::Again => Err(Failure::new("not in time")),
        }
    }
}

impl Peer {
    /// Starts the process `program` (see [`program`]) with this library, and asserts that it is
    /// this library that is loaded there.
    pub fn spawn(program: &Path, library: &RealLibrary) -> Outcome<Self> {
        Self::spawn_by(Command::new(program), library)
    }

    /// The same by a command that ends in the program: it may lead to another place first.
    pub fn spawn_by(mut command: Command, library: &RealLibrary) -> Outcome<Self> {
        command.arg(&library.path);
        // Under `cargo test` this names target folders; an unpacked library wants its neighbours.
        command.env_remove("LD_LIBRARY_PATH");
        if library
            .path
            .components()
            .any(|part| part.as_os_str() == "sysroot")
        {
            command.env(
                "LD_LIBRARY_PATH",
                library.path.parent().unwrap_or(&library.path),
            );
        }
        let path = library.path.canonicalize()?;
        let greeting = format!("{} {}", library.name, path.display());
        Self::start(command, format!("libzmq {}", library.name), &greeting)
    }

    /// Starts any program that speaks the same lines and begins with this greeting.
    pub fn start(mut command: Command, name: String, greeting: &str) -> Outcome<Self> {
        let program = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|e| Failure::from(e).within(program))?;
        let (Some(requests), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("no pipes to the peer"));
        };
        let (sender, answers) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut peer = Self {
            name,
            child,
            requests,
            answers,
        };
        let heard = peer.answer(MARGIN)?.in_time()?;
        if heard != greeting {
            return Err(Failure::new(format!("{} is {heard}", peer.name)));
        }
        Ok(peer)
    }

    /// Which library it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request without waiting for the answer.
    pub fn tell(&mut self, request: &str) -> Outcome<()> {
        let line = format!("{request}\n");
        let written = self.requests.write_all(line.as_bytes());
        written.map_err(|e| Failure::of_dead_peer(format!("{}: {request}: {e}", self.name)))
    }

    /// Waits for the answer to the oldest request that has none yet.
    pub fn answer(&mut self, patience: Duration) -> Outcome<Answer> {
        match self.answers.recv_timeout(patience) {
            Ok(line) => match line.split_once(' ').unwrap_or((&line, "")) {
                ("ok", words) => Ok(Answer::Done(words.to_owned())),
                ("again", _) => Ok(Answer::Again),
                ("error", text) => Err(Failure::new(format!("{}: {text}", self.name))),
                _ => Err(Failure::new(format!("{} says {line}", self.name))),
            },
            Err(RecvTimeoutError::Timeout) => Err(Failure::new(format!(
                "{}: no answer in {patience:?}",
                self.name
            ))),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                Err(Failure::of_dead_peer(format!(
                    "{}: ended, {status}",
                    self.name
                )))
            }
        }
    }

    /// Sends a request that is answered at once, and waits for the answer.
    pub fn ask(&mut self, request: &str) -> Outcome<String> {
        self.ask_patiently(request, Duration::ZERO)?.in_time()
    }

    /// Sends a request that takes up to `patience`, and waits for the answer.
    pub fn ask_patiently(&mut self, request: &str, patience: Duration) -> Outcome<Answer> {
        self.tell(request)?;
        let answer = self.answer(patience + MARGIN);
        answer.map_err(|failure| failure.within(request.get(..80).unwrap_or(request)))
    }

    /// Opens a socket of this type, `PUSH` or `SUB`; its number is for the requests.
    pub fn open(&mut self, kind: &str) -> Outcome<u32> {
        number(&self.ask(&format!("open {kind}"))?)
    }

    /// Sets an option to a number.
    pub fn set(&mut self, socket: u32, option: &str, value: impl Display) -> Outcome<()> {
        self.ask(&format!("set {socket} {option} {value}"))
            .map(drop)
    }

    /// Binds; the endpoint it got.
    pub fn bind(&mut self, socket: u32, endpoint: &str) -> Outcome<String> {
        self.ask(&format!("bind {socket} {endpoint}"))
    }

    /// Connects.
    pub fn connect(&mut self, socket: u32, endpoint: &str) -> Outcome<()> {
        self.ask(&format!("connect {socket} {endpoint}")).map(drop)
    }

    /// Subscribes.
    pub fn subscribe(&mut self, socket: u32, topic: &[u8]) -> Outcome<()> {
        self.ask(&format!("subscribe {socket} x{}", Hex(topic)))
            .map(drop)
    }

    /// Takes back one subscription.
    pub fn unsubscribe(&mut self, socket: u32, topic: &[u8]) -> Outcome<()> {
        self.ask(&format!("unsubscribe {socket} x{}", Hex(topic)))
            .map(drop)
    }

    /// Sends a message; false if there was no room in time.
    pub fn send(&mut self, socket: u32, parts: &[Part], patience: Duration) -> Outcome<bool> {
        let mut request = waiting("send", socket, patience);
        for part in parts {
            request += &format!(" {part}");
        }
        Ok(self.ask_patiently(&request, patience)? != Answer::Again)
    }

    /// Receives a message, if one comes in time.
    pub fn receive(&mut self, socket: u32, patience: Duration) -> Outcome<Option<Vec<Seen>>> {
        match self.ask_patiently(&waiting("recv", socket, patience), patience)? {
            Answer::Done(words) => words
                .split(' ')
                .map(str::parse)
                .collect::<Outcome<_>>()
                .map(Some),
            Answer::Again => Ok(None),
        }
    }

    /// Sends numbered messages; how many, which is fewer if there was no room in time.
    pub fn burst(&mut self, socket: u32, burst: Burst, patience: Duration) -> Outcome<u64> {
        let Burst {
            source,
            first,
            count,
            size,
        } = burst;
        let request = waiting("burst", socket, patience);
        let request = format!("{request} {source} {first} {count} {size}");
        // The patience is for each message; they come in a row.
        number(&self.ask_patiently(&request, 2 * patience)?.in_time()?)
    }

    /// Receives so many numbered messages, or fewer if they do not come in time.
    pub fn drain(&mut self, socket: u32, count: u64, patience: Duration) -> Outcome<Tally> {
        let request = format!("{} {count}", waiting("drain", socket, patience));
        self.ask_patiently(&request, 2 * patience)?
            .in_time()?
            .parse()
    }

    /// Receives so many messages and sends each back; how many it were.
    pub fn echo(&mut self, socket: u32, count: u64, patience: Duration) -> Outcome<u64> {
        let request = format!("{} {count}", waiting("echo", socket, patience));
        number(&self.ask_patiently(&request, 2 * patience)?.in_time()?)
    }

    /// Waits for a monitor event by its name in zmq.h, `disconnected`; those before it are gone.
    pub fn event(&mut self, socket: u32, name: &str, patience: Duration) -> Outcome<()> {
        let request = format!("{} {name}", waiting("event", socket, patience));
        let answer = self.ask_patiently(&request, patience)?;
        answer
            .in_time()
            .map(drop)
            .map_err(|failure| failure.within(name))
    }

    /// Closes a socket; everything of it is gone when this returns.
    pub fn close(&mut self, socket: u32) -> Outcome<()> {
        self.ask(&format!("close {socket}")).map(drop)
    }

    /// Ends the process hard (SIGKILL), and waits until it is gone.
    pub fn kill(mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Whether it lived or not, it is gone and reaped after this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Numbered messages to be sent in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Who sends them.
    pub source: u64,
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// How long each is, 16 at least.
    pub size: usize,
}

/// The peer program that cargo built beside the test that runs. (In this package's own tests
/// `env!("CARGO_BIN_EXE_libzmq-peer")` names it, too.)
pub fn program() -> Outcome<PathBuf> {
    let test = env::current_exe()?;
    let places = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("libzmq-peer"));
    places
        .into_iter()
        .find(|place| place.is_file())
        .ok_or_else(|| {
            Failure::new("no libzmq-peer: `cargo build -p ferromq-interop --bins` makes it")
        })
}

fn waiting(verb: &str, socket: u32, patience: Duration) -> String {
    format!("{verb} {socket} {}", patience.as_millis())
}

/// How much longer than asked a process may take to answer on a busy machine.
const MARGIN: Duration = Duration::from_secs(30);
