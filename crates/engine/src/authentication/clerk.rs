// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clerk: a thread that puts the questions of all handshakes to the handler bound at
//! `inproc://zeromq.zap.01`.
//!
//! ```text
//! I/O thread ── Question ──► desk ──► clerk (thread) ── request ──► handler
//!     ▲                                 │                             │
//!     └────────── Order::Judged ────────┴──────────── reply ──────────┘
//! ```
//! It has a counter (a DEALER, or a CLIENT of a SERVER) for each open question; a reply belongs to the question of its
//! counter.
//! A question stays open for no longer than its handshake.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ferromq_message::Message;
use ferromq_os::event_fd::EventFd;
use ferromq_os::thread;
use ferromq_pipe::Outgoing;
use ferromq_vocabulary::{Code, SocketType};
use ferromq_zmtp::zap::{ENDPOINT, Reply, Verdict};

use super::Question;
use super::queue::FairQueue;
use crate::command::Linger;
use crate::context::{Context, ContextShared};
use crate::poll::{PollItem, poll};
use crate::socket::{Socket, Wait};

/// Where I/O threads leave their questions.
#[derive(Debug)]
pub(super) struct Desk {
    questions: Mutex<FairQueue<Question>>,
    bell: EventFd,
}

impl Desk {
    pub(super) fn leave(&self, question: Question) {
        let address = question.circumstances.address.clone();
        self.questions().push(&address, question);
        self.bell.signal();
    }

    fn questions(&self) -> MutexGuard<'_, FairQueue<Question>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn open_desk(context: &Arc<ContextShared>) -> Result<Arc<Desk>, Code> {
    let desk = Arc::new(Desk {
        questions: Mutex::default(),
        bell: EventFd::new()?,
    });
    let context = Context::of(context);
    // Not one of the application's, and it sees to it that the thread hears of the end.
    let anchor = context.socket_inside(SocketType::Pair)?;
    let clerk = Clerk {
        context,
        desk: Arc::clone(&desk),
        anchor,
        counters: Vec::new(),
    };
    let blocked = thread::block_all_signals();
    let spawned = std::thread::Builder::new().spawn(move || {
        thread::set_name("ZMQbg/ZAP");
        clerk.run();
    });
    drop(blocked);
    spawned.map_err(|_error| Code::TooManySockets)?;
    Ok(desk)
}

/// The thread that asks.
struct Clerk {
    context: Context,
    desk: Arc<Desk>,
    anchor: Socket,
    counters: Vec<Counter>,
}

/// A connection to a handler.
struct Counter {
    socket: Socket,
    /// The handler's socket.
    handler: u64,
    /// That is a SERVER, whose messages have one part.
    in_one_part: bool,
    question: Option<Question>,
}

impl Counter {
    fn ask(&mut self, question: &Question) -> Result<(), Code> {
        let request = question.request();
        let frames = match self.in_one_part {
            true => vec![request.part()],
            false => request.frames(),
        };
        let last = frames.len() - 1;
        for (at, frame) in frames.into_iter().enumerate() {
            let mut frame = Message::from_vec(frame);
            let mut frame = Outgoing::Message(&mut frame);
            self.socket.send_frame(&mut frame, at < last, Wait::No)?;
        }
        Ok(())
    }

    /// What the handler says, if it has said it all.
    fn hear(&mut self) -> Option<Verdict> {
        let frames = whole_message(&mut self.socket)?;
        let reply = match &frames[..] {
            [part] if self.in_one_part => Reply::parse_part(part),
            frames => Reply::parse(frames),
        };
        Some(match reply {
            Ok(reply) => Verdict::Reply(reply),
            Err(malformed) => Verdict::Malformed(malformed),
        })
    }
}

impl Clerk {
    fn run(mut self) {
        loop {
            self.forget_expired();
            self.take_questions();
            match self.wait() {
                Ok(()) => self.bring_answers(),
                Err(Code::Interrupted) => {}
                Err(_terminated) => break,
            }
        }
        while let Some(question) = self.next_question() {
            question.answer(Verdict::Unusable);
        }
    }

    fn take_questions(&mut self) {
        self.desk.bell.clear();
        while self.open_questions() < MOST_OPEN {
            let Some(question) = self.next_question() else {
                return;
            };
            if question.is_open() {
                self.put(question);
            }
        }
    }

    fn next_question(&self) -> Option<Question> {
        self.desk.questions().pop()
    }

    fn open_questions(&self) -> usize {
        let open = |counter: &&Counter| counter.question.is_some();
        self.counters.iter().filter(open).count()
    }

    /// Sends a question to the handler.
    fn put(&mut self, question: Question) {
        let Some((handler, handler_type)) = self.context.shared().zap_handler() else {
            question.answer(Verdict::NoHandler);
            return;
        };
        // contract 3.11: "bound by REP, ROUTER or SERVER(draft) - anything else aborts."
        let answers = [SocketType::Rep, SocketType::Router, SocketType::Server];
        if !answers.contains(&handler_type) {
            question.answer(Verdict::Unusable);
            return;
        }
        self.counters
            .retain(|counter| counter.question.is_some() || counter.handler == handler);
        let free = |counter: &Counter| counter.question.is_none();
        let counter = match self.counters.iter().position(free) {
            Some(index) => self.counters.swap_remove(index),
            None => match self.open_counter(handler, handler_type == SocketType::Server) {
                Ok(counter) => counter,
                Err(_code) => {
                    question.answer(Verdict::Unusable);
                    return;
                }
            },
        };
        self.send(counter, question);
    }

    fn open_counter(&self, handler: u64, in_one_part: bool) -> Result<Counter, Code> {
        let socket_type = match in_one_part {
            true => SocketType::Client,
            false => SocketType::Dealer,
        };
        let mut socket = self.context.socket_inside(socket_type)?;
        socket.set_option("LINGER", 0)?;
        socket.connect(ENDPOINT)?;
        Ok(Counter {
            socket,
            handler,
            in_one_part,
            question: None,
        })
    }

    fn send(&mut self, mut counter: Counter, question: Question) {
        if counter.ask(&question).is_err() {
            question.answer(Verdict::Unusable);
            return;
        }
        counter.question = Some(question);
        self.counters.push(counter);
    }

    /// Handshakes that have ended meanwhile.
    fn forget_expired(&mut self) {
        let expired = |counter: &Counter| {
            let question = counter.question.as_ref();
            question.is_some_and(|question| !question.is_open())
        };
        // With the connection, lest the reply be taken for that to the next question.
        self.counters.retain(|counter| !expired(counter));
    }

    fn wait(&mut self) -> Result<(), Code> {
        let deadlines = self.counters.iter().filter_map(|counter| {
            let question = counter.question.as_ref()?;
            question.circumstances.deadline
        });
        let mut deadline = deadlines.min();
        if !self.desk.questions().is_empty() {
            // More questions than counters: some of those may be open for peers that have gone.
            let soon = Instant::now() + LOOK_AGAIN;
            deadline = Some(deadline.map_or(soon, |deadline| deadline.min(soon)));
        }
        let bell = self.desk.bell.as_fd().as_raw_fd();
        let mut items = vec![
            PollItem::fd(bell, true, false),
            PollItem::socket(&mut self.anchor, true, false),
        ];
        let counters = self.counters.iter_mut();
        items.extend(counters.map(|counter| PollItem::socket(&mut counter.socket, true, false)));
        poll(&mut items, deadline).map(|_ready| ())
    }

    fn bring_answers(&mut self) {
        for counter in &mut self.counters {
            let Some(verdict) = counter.hear() else {
                continue;
            };
            let Some(question) = counter.question.take() else {
                continue;
            };
            question.answer(verdict);
        }
        let mut kept = 0;
        self.counters.retain(|counter| {
            kept += usize::from(counter.question.is_none());
            counter.question.is_some() || kept <= MOST_IDLE
        });
    }
}

fn whole_message(socket: &mut Socket) -> Option<Vec<Message>> {
    let mut frames = vec![socket.recv_frame(Wait::No).ok()?];
    while frames.last().is_some_and(Message::more) {
        frames.push(socket.recv_frame(Wait::No).ok()?);
    }
    Some(frames)
}

impl Drop for Clerk {
    fn drop(&mut self) {
        for counter in self.counters.drain(..) {
            counter.socket.close_lingering(Linger::For(Duration::ZERO));
        }
    }
}

/// Looks for questions that have lost their peers, while others wait in line.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Open questions at once; further ones wait in line.
const MOST_OPEN: usize = 64;
const MOST_IDLE: usize = 2;
