// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that does with the real libzmq what its standard input says; see
//! `ferromq_interop::script` for the lines. It ends with its standard input.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the answers")]

use std::collections::BTreeMap;
use std::env;
use std::ffi::CString;
use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferromq_interop::library::{
    Context, EVENTS, LibZmq, OPTIONS, OptionKind, SOCKET_TYPES, Socket, To, ZMQ_EVENT_ALL,
    ZMQ_LINGER, ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE, ZmqError,
};
use ferromq_interop::script::{self, Hex, Part, Seen, Tally, number};
use ferromq_interop::{Failure, Outcome};

fn main() -> Outcome<()> {
    let path = env::args_os().nth(1).map(PathBuf::from);
    let library = LibZmq::open(&path.ok_or_else(|| Failure::new("which library?"))?)?;
    let (major, minor, patch) = library.version();
    println!("ok {major}.{minor}.{patch} {}", library.path().display());

    let mut peer = Peer {
        library,
        sockets: BTreeMap::new(),
        opened: 0,
    };
    for line in stdin().lock().lines() {
        let line = line?;
        if line == "exit" {
            break;
        }
        match peer.request(&line) {
            Ok(Answer::Values(values)) if values.is_empty() => println!("ok"),
            Ok(Answer::Values(values)) => println!("ok {values}"),
            Ok(Answer::Again) => println!("again"),
            Err(failure) => println!("error {}", failure.to_string().replace('\n', " ")),
        }
    }
    Ok(())
}

enum Answer {
    Values(String),
    /// Not in time.
    Again,
}

struct Peer {
    library: &'static LibZmq,
    sockets: BTreeMap<u32, Open>,
    opened: u32,
}

/// A socket in a context of its own, so that closing it is over when the context is gone.
struct Open {
    // In this order they go.
    handler: Option<Handler>,
    socket: Socket,
    kind: String,
    /// Of PEER: whom it has connected to.
    number: u32,
    monitor: Socket,
    context: Context,
}

/// A ZAP handler that lets everybody in, as the user "theirs".
struct Handler {
    asked: Arc<Mutex<Vec<Vec<Vec<u8>>>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Handler {
    fn open(context: &Context) -> Outcome<Self> {
        let mut socket = context.socket(named(SOCKET_TYPES, "REP")?)?;
        socket.bind("inproc://zeromq.zap.01")?;
        socket.set_patience(Duration::from_millis(20))?;
        let (asked, end) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (asked, end) = (Arc::clone(&asked), Arc::clone(&end));
            thread::spawn(move || answer_all(&mut socket, &asked, &end))
        };
        Ok(Self {
            asked,
            end,
            thread: Some(thread),
        })
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Until it is to end, or the context does.
fn answer_all(socket: &mut Socket, asked: &Mutex<Vec<Vec<Vec<u8>>>>, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        let question = match socket.receive_parts() {
            Err(error) if error.is_again() => continue,
            Err(_ended) => return,
            Ok(question) => question,
        };
        let id = question.get(1).cloned().unwrap_or_default();
        let answer: [&[u8]; 6] = [b"1.0", &id, b"200", b"OK", b"theirs", b""];
        if let Ok(mut asked) = asked.lock() {
            asked.push(question);
        }
        if socket.send_parts(&answer).is_err() {
            return;
        }
    }
}

impl Peer {
    fn request(&mut self, line: &str) -> Outcome<Answer> {
        let words: Vec<&str> = line.split(' ').collect();
        let (verb, words) = words.split_first().ok_or_else(|| Failure::new("no verb"))?;
        if let ("open", [kind]) = (*verb, words) {
            self.opened += 1;
            self.sockets
                .insert(self.opened, Open::new(self.library, kind)?);
            return Ok(Answer::Values(self.opened.to_string()));
        }
        let (id, words) = words
            .split_first()
            .ok_or_else(|| Failure::new("which socket?"))?;
        let id = number(id)?;
        if *verb == "close" {
            let open = self.sockets.remove(&id);
            return open
                .map(|_| done())
                .ok_or_else(|| Failure::new("no such socket"));
        }
        let open = self
            .sockets
            .get_mut(&id)
            .ok_or_else(|| Failure::new("no such socket"))?;
        open.request(verb, words)
    }
}

impl Open {
    fn new(library: &'static LibZmq, kind: &str) -> Outcome<Self> {
        let context = Context::new(library)?;
        let mut socket = context.socket(named(SOCKET_TYPES, kind)?)?;
        socket.set_int(ZMQ_LINGER, 0)?;
        socket.monitor(MONITOR, ZMQ_EVENT_ALL)?;
        let mut monitor = context.socket(named(SOCKET_TYPES, "PAIR")?)?;
        let (option, _) = option("rcvhwm")?;
        monitor.set_int(option, 0)?; // unread events must not stop the I/O thread
        monitor.connect(MONITOR)?;
        Ok(Self {
            handler: None,
            socket,
            kind: kind.to_owned(),
            number: 0,
            monitor,
            context,
        })
    }

    fn request(&mut self, verb: &str, words: &[&str]) -> Outcome<Answer> {
        let socket = &mut self.socket;
        match (verb, words) {
            ("shutdown", []) => self.context.shutdown()?,
            ("zap", []) => self.handler = Some(Handler::open(&self.context)?),
            ("asked", []) => {
                let asked = self.handler.as_ref().map(|handler| handler.asked.lock());
                let Some(Ok(asked)) = asked else {
                    return Err(Failure::new("no handler"));
                };
                let last = asked.last().map_or(&[][..], Vec::as_slice);
                let words: Vec<_> = last.iter().map(|part| format!("x{}", Hex(part))).collect();
                return Ok(Answer::Values(words.join(" ")));
            }
            ("user", []) => {
                let user = socket.last().user.as_deref();
                return Ok(Answer::Values(user.map_or_else(
                    || "none".to_owned(),
                    |user| format!("x{}", Hex(user)),
                )));
            }
            ("join", [group]) => socket.join(group)?,
            ("connect", [endpoint]) if self.kind == "PEER" => {
                self.number = socket.connect_peer(endpoint)?;
                return Ok(Answer::Values(socket.last_endpoint()?));
            }
            ("bind", [endpoint]) => {
                socket.bind(endpoint)?;
                return Ok(Answer::Values(socket.last_endpoint()?));
            }
            ("connect", [endpoint]) => {
                socket.connect(endpoint)?;
                return Ok(Answer::Values(socket.last_endpoint()?));
            }
            ("unbind", [endpoint]) => socket.unbind(endpoint)?,
            ("disconnect", [endpoint]) => socket.disconnect(endpoint)?,
            ("subscribe", [topic]) => socket.set_bytes(ZMQ_SUBSCRIBE, &script::bytes(topic)?)?,
            ("unsubscribe", [topic]) => {
                socket.set_bytes(ZMQ_UNSUBSCRIBE, &script::bytes(topic)?)?;
            }
            ("set", [name, value]) => set(socket, name, value)?,
            ("get", [name]) => return get(socket, name).map(Answer::Values),
            (_, [patience, words @ ..]) => {
                let patience = Duration::from_millis(number(patience)?);
                return self.waiting(verb, patience, words);
            }
            _ => {
                return Err(Failure::new(format!(
                    "no such request: {verb} {}",
                    words.join(" ")
                )));
            }
        }
        Ok(done())
    }

    /// Requests that may take as long as their first argument says.
    fn waiting(&mut self, verb: &str, patience: Duration, words: &[&str]) -> Outcome<Answer> {
        self.socket.set_patience(patience)?;
        match (verb, words) {
            ("send", parts) => {
                let parts = parts.iter().map(|word| Ok(word.parse::<Part>()?.bytes()));
                let parts = parts.collect::<Outcome<Vec<_>>>()?;
                answer(self.send(&parts)?, |()| String::new())
            }
            ("recv", []) => answer(self.receive(), |parts| {
                let words: Vec<_> = parts
                    .iter()
                    .map(|part| Seen::of(part).to_string())
                    .collect();
                words.join(" ")
            }),
            ("burst", [source, first, count, size]) => {
                let (source, first, count) = (number(source)?, number(first)?, number(count)?);
                self.burst(source, first, count, number(size)?)
            }
            ("drain", [count]) => self.drain(number(count)?, patience),
            ("echo", [count]) => self.echo(number(count)?),
            ("event", [name]) => self.event(name, patience),
            _ => Err(Failure::new(format!(
                "no such request: {verb} {}",
                words.join(" ")
            ))),
        }
    }

    /// Sends as the type of the socket wants it: a RADIO takes the group in front.
    fn send(&mut self, parts: &[Vec<u8>]) -> Outcome<Result<(), ZmqError>> {
        let to = match (self.kind.as_str(), parts) {
            ("RADIO", [group, _]) => {
                To::Group(CString::new(group.clone()).map_err(|_nul| Failure::new("no group"))?)
            }
            ("SERVER" | "PEER", [_]) => To::Number(match self.socket.last().number {
                0 => self.number,
                number => number,
            }),
            _ => return Ok(self.socket.send_parts(parts)),
        };
        Ok(self
            .socket
            .send_to(parts.last().map_or(&[], Vec::as_slice), &to))
    }

    /// What a DISH has received has the group in front.
    fn receive(&mut self) -> Result<Vec<Vec<u8>>, ZmqError> {
        let mut parts = self.socket.receive_parts()?;
        if self.kind == "DISH" {
            parts.insert(0, self.socket.last().group.clone());
        }
        Ok(parts)
    }

    fn burst(&mut self, source: u64, first: u64, count: u64, size: usize) -> Outcome<Answer> {
        for sent in 0..count {
            match self
                .socket
                .send(&script::numbered(source, first + sent, size), false)
            {
                Err(error) if error.is_again() => return Ok(Answer::Values(sent.to_string())),
                result => result?,
            }
        }
        Ok(Answer::Values(count.to_string()))
    }

    fn drain(&mut self, count: u64, patience: Duration) -> Outcome<Answer> {
        let deadline = Instant::now() + patience;
        let mut tally = Tally::default();
        while tally.count() < count {
            match self.socket.receive_parts() {
                Err(error) if error.is_again() => break,
                parts => tally.add(&parts?),
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(Answer::Values(tally.to_string()))
    }

    fn echo(&mut self, count: u64) -> Outcome<Answer> {
        for echoed in 0..count {
            let returned = match self.receive() {
                Ok(parts) => self.send(&parts)?,
                Err(error) => Err(error),
            };
            match returned {
                Err(error) if error.is_again() => return Ok(Answer::Values(echoed.to_string())),
                result => result?,
            }
        }
        Ok(Answer::Values(count.to_string()))
    }

    fn event(&mut self, name: &str, patience: Duration) -> Outcome<Answer> {
        let wanted = named(EVENTS, name)?;
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.monitor.set_patience(left)?;
            let parts = match self.monitor.receive_parts() {
                Err(error) if error.is_again() => return Ok(Answer::Again),
                parts => parts?,
            };
            // The number in the machine's byte order, which is this on all that Debian and we run.
            let number = parts.first().and_then(|part| part.first_chunk());
            if number.is_some_and(|number| u16::from_le_bytes(*number) == wanted) {
                return Ok(done());
            }
        }
    }
}

fn answer<T>(result: Result<T, ZmqError>, words: impl FnOnce(T) -> String) -> Outcome<Answer> {
    match result {
        Err(error) if error.is_again() => Ok(Answer::Again),
        result => Ok(Answer::Values(words(result?))),
    }
}

fn done() -> Answer {
    Answer::Values(String::new())
}

fn set(socket: &mut Socket, name: &str, value: &str) -> Outcome<()> {
    let (option, kind) = option(name)?;
    match kind {
        OptionKind::Int => socket.set_int(option, number(value)?)?,
        OptionKind::Long => socket.set_long(option, number(value)?)?,
        OptionKind::Bytes => socket.set_bytes(option, &script::bytes(value)?)?,
    }
    Ok(())
}

fn get(socket: &Socket, name: &str) -> Outcome<String> {
    let (option, kind) = option(name)?;
    Ok(match kind {
        OptionKind::Int => socket.int(option)?.to_string(),
        OptionKind::Long => socket.long(option)?.to_string(),
        OptionKind::Bytes => format!("x{}", Hex(&socket.bytes(option)?)),
    })
}

fn option(name: &str) -> Outcome<(i32, OptionKind)> {
    let found = OPTIONS.iter().find(|(other, ..)| *other == name);
    let (_, number, kind) = found.ok_or_else(|| Failure::new(format!("no option {name}")))?;
    Ok((*number, *kind))
}

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Outcome<T> {
    let found = table.iter().find(|(other, _)| *other == name);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Failure::new(format!("nothing named {name}")))
}

const MONITOR: &str = "inproc://monitor";
