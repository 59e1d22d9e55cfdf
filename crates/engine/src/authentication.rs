// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asking an authenticator (ZAP, RFC 27): a thread of its own puts the questions of all handshakes
//! to whoever is bound at `inproc://zeromq.zap.01`, or to an [`Authenticator`].
//!
//! ```text
//! I/O thread ── Question ──► desk ──► clerk (thread) ── request ──► handler
//!     ▲                                 │                             │
//!     └────────── Order::Judged ────────┴──────────── reply ──────────┘
//! ```
//! An authenticator may take its time, so it is never called on an I/O thread. The clerk has a
//! counter (a DEALER) for each open question; a reply belongs to the question of its counter. How
//! long a question may stay open is the handshake's time limit.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferromq_message::Message;
use ferromq_os::event_fd::EventFd;
use ferromq_os::thread;
use ferromq_pipe::Outgoing;
use ferromq_vocabulary::{Code, SocketType};
use ferromq_zmtp::zap::{Credentials, ENDPOINT, Reply, Request, Verdict};

use crate::command::{Linger, Order};
use crate::context::{Context, ContextShared};
use crate::io::IoHandle;
use crate::poll::{PollItem, poll};
use crate::socket::{Socket, Wait};

/// Decides who may come in, in place of a handler behind a socket.
///
/// It is called in a thread of its own, one question at a time; it may take its time, within the
/// time limit of handshakes.
pub trait Authenticator: Send + Sync {
    /// Whether the peer may come in, and as whom.
    fn authenticate(&self, request: &Request<'_>) -> Reply;
}

/// A handshake that waits for an answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: u64,
    /// Tells this handshake from the next one of the same session.
    pub(crate) number: u64,
    pub(crate) io: Arc<IoHandle>,
    pub(crate) domain: Vec<u8>,
    pub(crate) address: String,
    pub(crate) routing_id: Vec<u8>,
    pub(crate) credentials: Credentials,
    pub(crate) deadline: Option<Instant>,
}

impl Question {
    fn request(&self) -> Request<'_> {
        Request {
            domain: &self.domain,
            address: &self.address,
            routing_id: &self.routing_id,
            credentials: &self.credentials,
        }
    }

    fn answer(self, verdict: Verdict) {
        self.io.post(Order::Judged {
            id: self.id,
            question: self.number,
            verdict,
        });
    }
}

/// Of a context: who authenticates, and the way there.
#[derive(Default)]
pub(crate) struct Authentication {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    authenticator: Option<Arc<dyn Authenticator>>,
    desk: Option<Arc<Desk>>,
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authentication")
    }
}

impl Authentication {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_authenticator(&self, authenticator: Option<Arc<dyn Authenticator>>) {
        self.state().authenticator = authenticator;
    }
}

impl ContextShared {
    /// Puts a question; false if there is nobody to ask.
    pub(crate) fn ask(self: &Arc<Self>, question: Question) -> bool {
        let mut state = self.authentication.state();
        if state.authenticator.is_none() && self.zap_handler().is_none() {
            return false;
        }
        let desk = match &state.desk {
            Some(desk) => Arc::clone(desk),
            None => match open_desk(self) {
                Ok(desk) => Arc::clone(state.desk.insert(desk)),
                Err(_no_thread) => return false,
            },
        };
        drop(state);
        desk.questions().push_back(question);
        desk.bell.signal();
        true
    }

    fn zap_handler(&self) -> Option<u64> {
        self.registry.holder(ENDPOINT.strip_prefix("inproc://")?)
    }
}

/// Where I/O threads leave their questions.
#[derive(Debug)]
struct Desk {
    questions: Mutex<VecDeque<Question>>,
    bell: EventFd,
}

impl Desk {
    fn questions(&self) -> MutexGuard<'_, VecDeque<Question>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_desk(context: &Arc<ContextShared>) -> Result<Arc<Desk>, Code> {
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
    question: Option<Question>,
}

impl Clerk {
    fn run(mut self) {
        loop {
            self.take_questions();
            self.forget_expired();
            match self.wait() {
                Ok(()) => self.bring_answers(),
                Err(Code::Interrupted) => {}
                Err(_terminated) => break,
            }
        }
        for question in self.desk.questions().drain(..) {
            question.answer(Verdict::NoHandler);
        }
    }

    fn take_questions(&mut self) {
        self.desk.bell.clear();
        while self.open_questions() < MOST_OPEN {
            let Some(question) = self.desk.questions().pop_front() else {
                return;
            };
            if let Some(authenticator) = self.authenticator() {
                let reply = authenticator.authenticate(&question.request());
                question.answer(Verdict::Reply(reply));
            } else {
                self.put(question);
            }
        }
    }

    fn authenticator(&self) -> Option<Arc<dyn Authenticator>> {
        let state = self.context.shared().authentication.state();
        state.authenticator.clone()
    }

    fn open_questions(&self) -> usize {
        let open = |counter: &&Counter| counter.question.is_some();
        self.counters.iter().filter(open).count()
    }

    /// Sends a question to the handler.
    fn put(&mut self, question: Question) {
        let Some(handler) = self.context.shared().zap_handler() else {
            question.answer(Verdict::NoHandler);
            return;
        };
        self.counters
            .retain(|counter| counter.question.is_some() || counter.handler == handler);
        let free = |counter: &Counter| counter.question.is_none();
        let counter = match self.counters.iter().position(free) {
            Some(index) => self.counters.swap_remove(index),
            None => match self.open_counter(handler) {
                Ok(counter) => counter,
                Err(_code) => {
                    question.answer(Verdict::NoHandler);
                    return;
                }
            },
        };
        self.send(counter, question);
    }

    fn open_counter(&self, handler: u64) -> Result<Counter, Code> {
        let mut socket = self.context.socket_inside(SocketType::Dealer)?;
        socket.set_option("LINGER", 0)?;
        socket.connect(ENDPOINT)?;
        Ok(Counter {
            socket,
            handler,
            question: None,
        })
    }

    fn send(&mut self, mut counter: Counter, question: Question) {
        let frames = question.request().frames();
        let last = frames.len() - 1;
        for (at, frame) in frames.into_iter().enumerate() {
            let mut frame = Message::from_vec(frame);
            let mut frame = Outgoing::Message(&mut frame);
            if counter
                .socket
                .send_frame(&mut frame, at < last, Wait::No)
                .is_err()
            {
                question.answer(Verdict::NoHandler);
                return;
            }
        }
        counter.question = Some(question);
        self.counters.push(counter);
    }

    /// Handshakes that have ended meanwhile.
    fn forget_expired(&mut self) {
        let now = Instant::now();
        let expired = |counter: &Counter| {
            let deadline = counter.question.as_ref().and_then(|q| q.deadline);
            deadline.is_some_and(|at| at <= now)
        };
        // With the connection, lest the reply be taken for that to the next question.
        self.counters.retain(|counter| !expired(counter));
    }

    fn wait(&mut self) -> Result<(), Code> {
        let deadlines = self.counters.iter().filter_map(|counter| {
            let question = counter.question.as_ref()?;
            question.deadline
        });
        let deadline = deadlines.min();
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
            let Some(frames) = whole_message(&mut counter.socket) else {
                continue;
            };
            let Some(question) = counter.question.take() else {
                continue;
            };
            question.answer(match Reply::parse(&frames) {
                Ok(reply) => Verdict::Reply(reply),
                Err(malformed) => Verdict::Malformed(malformed),
            });
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

impl Context {
    /// Who decides on peers in place of a handler at `inproc://zeromq.zap.01`; `None` leaves it to
    /// that.
    pub fn set_authenticator(&self, authenticator: Option<Arc<dyn Authenticator>>) {
        self.shared()
            .authentication
            .set_authenticator(authenticator);
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        for counter in self.counters.drain(..) {
            counter
                .socket
                .close_lingering(Linger::For(std::time::Duration::ZERO));
        }
    }
}

/// Open questions at once; further ones wait in line.
const MOST_OPEN: usize = 64;
const MOST_IDLE: usize = 2;
