// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a handshake waits for: somebody who says whether the peer may come in, or the next step of a
//! security context. Both may take their time, so neither happens on an I/O thread.
//!
//! 1. [`clerk`]: asks a handler behind a socket (ZAP, RFC 27)
//! 2. [`workers`]: threads that call an [`Authenticator`], and take the steps of GSSAPI
//! 3. [`queue`]: their lines, in which each address has its turn
//!
//! An order brings the answer back to the I/O thread. If anything goes wrong on the way, nobody comes
//! in.

mod clerk;
mod queue;
mod workers;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferromq_vocabulary::SocketType;
use ferromq_zmtp::handshake;
use ferromq_zmtp::mechanism::gssapi::{Negotiation, Provider};
use ferromq_zmtp::zap::{Admission, Credentials, ENDPOINT, Reply, Request, Status, Verdict};

use crate::command::{Finding, Order};
use crate::context::{Context, ContextShared};
use crate::io::IoHandle;
use clerk::{Desk, open_desk};
use workers::{Job, Watched, Workers};

pub(crate) use workers::Wish;

/// Decides who may come in, in place of a handler behind a socket.
///
/// It is called in threads of its own, up to four at once, never in one that moves messages: it may
/// take its time, within the time limit of handshakes. A panic refuses the peer.
pub trait Authenticator: Send + Sync {
    /// Whether the peer may come in, and as whom.
    fn authenticate(&self, request: &Request<'_>) -> Reply;

    /// Whether [`admit`](Self::admit) is to be called; no, unless this says so.
    fn reviews(&self) -> bool {
        false
    }

    /// Whether a peer that may come in stays, now that it has said everything about itself: its
    /// socket type, its routing id, its own properties.
    fn admit(&self, admission: &Admission<'_>) -> Status {
        let _ = admission;
        Status::Success
    }
}

/// Which handshake it is about.
#[derive(Debug, Clone)]
pub(crate) struct Matter {
    pub(crate) id: u64,
    /// Tells this errand from the one before of the same session.
    pub(crate) number: u64,
    pub(crate) io: Arc<IoHandle>,
}

impl Matter {
    fn report(self, finding: Finding) {
        self.io.post(Order::Found {
            id: self.id,
            errand: self.number,
            finding,
        });
    }
}

/// What an authenticator is told besides what the peer shows.
#[derive(Debug)]
pub(crate) struct Circumstances {
    pub(crate) domain: Vec<u8>,
    pub(crate) address: String,
    pub(crate) routing_id: Vec<u8>,
    pub(crate) deadline: Option<Instant>,
}

/// A question to a handler behind a socket.
#[derive(Debug)]
struct Question {
    matter: Matter,
    circumstances: Circumstances,
    credentials: Credentials,
    wish: Watched,
}

impl Question {
    fn request(&self) -> Request<'_> {
        request(&self.circumstances, &self.credentials)
    }

    fn answer(self, verdict: Verdict) {
        self.matter.report(Finding::Judged(verdict));
    }

    /// Whether the handshake still waits for it.
    fn is_open(&self) -> bool {
        let deadline = self.circumstances.deadline;
        self.wish.is_wished() && deadline.is_none_or(|at| at > Instant::now())
    }
}

/// Of a context: who authenticates, and the way there.
#[derive(Default)]
pub(crate) struct Authentication {
    state: Mutex<State>,
    workers: Arc<Workers>,
}

#[derive(Default)]
struct State {
    authenticator: Option<Arc<dyn Authenticator>>,
    desk: Option<Arc<Desk>>,
    gssapi: Option<Arc<dyn Provider>>,
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

    fn authenticator(&self) -> Option<Arc<dyn Authenticator>> {
        self.state().authenticator.clone()
    }

    /// Whoever makes the contexts of GSSAPI, if there is anybody.
    pub(crate) fn gssapi(&self) -> Option<Arc<dyn Provider>> {
        let provider = self.state().gssapi.clone();
        provider.filter(|provider| provider.is_available())
    }

    /// Whether the authenticator wants to see what peers say about themselves.
    pub(crate) fn reviews(&self) -> bool {
        self.authenticator()
            .is_some_and(|authenticator| authenticator.reviews())
    }

    /// The context ends.
    pub(crate) fn close(&self) {
        self.workers.close();
    }
}

/// An errand of a handshake: done as long as somebody wishes it, or what has come of it at once.
pub(crate) type Errand = Result<Wish, Finding>;

impl ContextShared {
    /// Asks whoever is there whether a peer may come in, or stay.
    pub(crate) fn ask(
        self: &Arc<Self>,
        matter: Matter,
        circumstances: Circumstances,
        question: handshake::Question,
    ) -> Errand {
        let authenticator = self.authentication.authenticator();
        match (question, authenticator) {
            (handshake::Question::Credentials(credentials), Some(authenticator)) => {
                let address = circumstances.address.clone();
                self.give(&address, matter, UNUSABLE, move || {
                    let request = request(&circumstances, &credentials);
                    let judge = AssertUnwindSafe(|| authenticator.authenticate(&request));
                    Finding::Judged(catch_unwind(judge).map_or(Verdict::Unusable, Verdict::Reply))
                })
            }
            (handshake::Question::Credentials(credentials), None) => {
                self.ask_handler(matter, circumstances, credentials)
            }
            (
                handshake::Question::Admission {
                    mechanism,
                    user_id,
                    metadata,
                },
                Some(authenticator),
            ) => {
                let address = circumstances.address.clone();
                self.give(&address, matter, INTERNAL_ERROR, move || {
                    let admission = Admission {
                        domain: &circumstances.domain,
                        address: &circumstances.address,
                        routing_id: &circumstances.routing_id,
                        mechanism,
                        user_id: &user_id,
                        metadata: &metadata,
                    };
                    let admit = AssertUnwindSafe(|| authenticator.admit(&admission));
                    catch_unwind(admit).map_or(INTERNAL_ERROR, Finding::Admitted)
                })
            }
            // Who wanted to see it has gone meanwhile.
            (handshake::Question::Admission { .. }, None) => Err(INTERNAL_ERROR),
        }
    }

    fn ask_handler(
        self: &Arc<Self>,
        matter: Matter,
        circumstances: Circumstances,
        credentials: Credentials,
    ) -> Errand {
        if self.zap_handler().is_none() {
            return Err(Finding::Judged(Verdict::NoHandler));
        }
        let mut state = self.authentication.state();
        let desk = match &state.desk {
            Some(desk) => Arc::clone(desk),
            None => match open_desk(self) {
                Ok(desk) => Arc::clone(state.desk.insert(desk)),
                Err(_no_thread) => return Err(UNUSABLE),
            },
        };
        drop(state);
        let wish = Wish::default();
        desk.leave(Question {
            matter,
            circumstances,
            credentials,
            wish: wish.watch(),
        });
        Ok(wish)
    }

    /// Has a security context take its next step.
    pub(crate) fn negotiate(
        &self,
        matter: Matter,
        address: &str,
        negotiation: Negotiation,
    ) -> Errand {
        let step = move || Finding::Negotiated(Box::new(negotiation.run()));
        self.give(address, matter, Finding::NoThread, step)
    }

    /// Has something found out by a worker; `failing` is what is reported if there is none.
    fn give(
        &self,
        address: &str,
        matter: Matter,
        failing: Finding,
        work: impl FnOnce() -> Finding + Send + 'static,
    ) -> Errand {
        let wish = Wish::default();
        let job = Job {
            wish: wish.watch(),
            work: Box::new(move || matter.report(work())),
        };
        if self.authentication.workers.give(address, job) {
            Ok(wish)
        } else {
            Err(failing)
        }
    }

    fn zap_handler(&self) -> Option<(u64, SocketType)> {
        self.registry.holder(ENDPOINT.strip_prefix("inproc://")?)
    }
}

fn request<'a>(circumstances: &'a Circumstances, credentials: &'a Credentials) -> Request<'a> {
    Request {
        domain: &circumstances.domain,
        address: &circumstances.address,
        routing_id: &circumstances.routing_id,
        credentials,
    }
}

impl Context {
    /// Who decides on peers in place of a handler at `inproc://zeromq.zap.01`; `None` leaves it to
    /// that.
    pub fn set_authenticator(&self, authenticator: Option<Arc<dyn Authenticator>>) {
        self.shared().authentication.state().authenticator = authenticator;
    }

    /// Who makes the security contexts of GSSAPI; without, there is no such mechanism.
    pub fn set_gssapi(&self, provider: Option<Arc<dyn Provider>>) {
        self.shared().authentication.state().gssapi = provider;
    }
}

const UNUSABLE: Finding = Finding::Judged(Verdict::Unusable);
const INTERNAL_ERROR: Finding = Finding::Admitted(Status::InternalError);
