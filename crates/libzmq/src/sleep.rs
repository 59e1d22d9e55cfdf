// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where calls sleep.
//!
//! A thread that is cancelled (`pthread_cancel(3)`) while it sleeps ends there, by an unwinding of C's own kind, which
//! must not meet anything to clean up on its way out. So a call that has to sleep leaves what belongs to that in its
//! thread, comes back to the outermost frame ([`boundary`](crate::boundary)), which sleeps, and goes on from there.
//! If the thread ends instead, what it has left is cleaned up with the thread.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Instant;

use ferromq_engine::Ticket;
use ferromq_os::epoll::Events;
use ferromq_os::event_fd::EventFd;
use ferromq_os::poll::PollFd;
use ferromq_os::signal::SignalSet;
use ferromq_vocabulary::Code;

use crate::handle;
use crate::socket::{For, Socket};

thread_local! {
    static SLEEP: RefCell<Option<Sleep>> = const { RefCell::new(None) };
}

/// What belongs to a sleep.
enum Sleep {
    /// On one socket.
    One(One),
    /// On several sockets and descriptors.
    Many(Many),
}

/// A wait for one socket.
pub(crate) struct One {
    waiting: Waiting,
    ticket: Ticket,
    events: Events,
    deadline: Option<Instant>,
    slept: Result<(), Code>,
}

/// The waits that have been announced to several sockets, and what else is waited for.
pub(crate) struct Many {
    waits: Vec<(Waiting, Ticket)>,
    pub(crate) fds: Vec<PollFd>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) mask: Option<SignalSet>,
    pub(crate) slept: Result<(), Code>,
    /// What has one of the descriptors.
    owner: Option<Arc<EventFd>>,
}

/// That a socket is waited for, as the socket knows it; taken back when dropped.
pub(crate) struct Waiting {
    socket: *mut c_void,
    readers: u32,
    writers: u32,
}

impl Waiting {
    /// To be counted by the holder of the socket.
    pub(crate) fn begin(body: &mut Socket, socket: *mut c_void, input: bool, room: bool) -> Self {
        let waiting = Self {
            socket,
            readers: input.into(),
            writers: room.into(),
        };
        body.readers += waiting.readers;
        body.writers += waiting.writers;
        waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Whoever has closed it meanwhile has forgotten us.
        let _closed = handle::with(self.socket, |body: &mut Socket| {
            body.readers -= self.readers;
            body.writers -= self.writers;
            Ok(())
        });
    }
}

impl One {
    pub(crate) fn new(
        body: &mut Socket,
        socket: *mut c_void,
        what: For,
        ticket: Ticket,
        deadline: Option<Instant>,
    ) -> Self {
        let input = what == For::Input;
        Self {
            waiting: Waiting::begin(body, socket, input, !input),
            ticket,
            events: Ticket::events(),
            deadline,
            slept: Ok(()),
        }
    }

    /// How the sleep has ended; the wait is taken back.
    pub(crate) fn end(self) -> Result<(), Code> {
        let Self {
            waiting,
            ticket,
            slept,
            ..
        } = self;
        drop(ticket);
        drop(waiting);
        slept
    }
}

impl Many {
    pub(crate) fn new(deadline: Option<Instant>, mask: Option<SignalSet>) -> Self {
        Self {
            waits: Vec::new(),
            fds: Vec::new(),
            deadline,
            mask,
            slept: Ok(()),
            owner: None,
        }
    }

    /// The owner of a descriptor that is waited for.
    pub(crate) fn keep(&mut self, owner: Arc<EventFd>) {
        self.owner = Some(owner);
    }

    pub(crate) fn add(&mut self, waiting: Waiting, ticket: Ticket) {
        self.waits.push((waiting, ticket));
    }

    /// All waits are taken back.
    pub(crate) fn end(&mut self) {
        for (waiting, ticket) in self.waits.drain(..) {
            drop(ticket);
            drop(waiting);
        }
    }

    fn sleep(&mut self) {
        let left = self
            .deadline
            .map(|at| at.saturating_duration_since(Instant::now()));
        let slept = ferromq_os::cancel::poll(&mut self.fds, left, self.mask.as_ref());
        self.slept = slept
            .map(drop)
            .map_err(|error| error.raw_os_error().map_or(Code::Invalid, Code::from_errno));
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        self.end();
    }
}

/// Leaves what belongs to a sleep to the thread. What a sleep has left that its thread has jumped out of is cleaned up.
fn leave(sleep: Sleep) -> Result<(), Code> {
    let before = SLEEP.try_with(|place| place.borrow_mut().replace(sleep));
    // A thread that is ending cannot wait any more.
    drop(before.map_err(|_ended| Code::Interrupted)?);
    Ok(())
}

pub(crate) fn leave_one(one: One) -> Result<(), Code> {
    leave(Sleep::One(one))
}

pub(crate) fn leave_many(many: Many) -> Result<(), Code> {
    leave(Sleep::Many(many))
}

fn take() -> Option<Sleep> {
    SLEEP.try_with(|place| place.borrow_mut().take()).ok()?
}

/// What was left by [`leave_one`].
pub(crate) fn take_one() -> Result<One, Code> {
    match take() {
        Some(Sleep::One(one)) => Ok(one),
        _ => Err(Code::Fault),
    }
}

/// What was left by [`leave_many`].
pub(crate) fn take_many() -> Result<Many, Code> {
    match take() {
        Some(Sleep::Many(many)) => Ok(many),
        _ => Err(Code::Fault),
    }
}

/// Sleeps as was left to this thread. If it is cancelled it ends here: no frame from here outwards has anything to clean
/// up, this one included.
pub(crate) fn sleep() {
    let Ok(place) = SLEEP.try_with(RefCell::as_ptr) else {
        return;
    };
    // SAFETY: the place is this thread's own, alive as long as the thread, and whoever would use it is in this call.
    match unsafe { &mut *place } {
        Some(Sleep::One(one)) => {
            one.slept = one.ticket.sleep_cancellably(&mut one.events, one.deadline);
        }
        Some(Sleep::Many(many)) => many.sleep(),
        None => {}
    }
}
