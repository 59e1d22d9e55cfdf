// SPDX-License-Identifier: MIT OR Apache-2.0
//! The input of sockets whose application reads it itself, for the time it does not.
//!
//! A socket's epoll holds its connections; the I/O thread waits for that one descriptor. When it
//! fires, the application gets some time to read; while it does, the I/O thread stays away. A
//! socket nobody has read from for a whole tick is read in the background, at once from then on,
//! until the application reads again.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use ferromq_os::epoll::{BellSet, Events, Interest};
use ferromq_pipe::interest;

use super::thread::IoThread;
use super::traffic::tell_readable;
use crate::command::Order;
use crate::connection::Absorbed;
use crate::shared::{BELL, SocketShared};
use crate::tuning::{LEASE_ELSEWHERE, LEASE_TICK};

#[derive(Debug)]
pub(crate) struct Leased {
    socket: Arc<SocketShared>,
    /// What its connections are in: open as long as it is waited for here.
    set: Arc<BellSet>,
    /// Reads the application had made at the last look.
    reads: u32,
    /// Looks that found it asleep on the descriptor.
    asleep: u8,
    /// Looks that found nothing read, though the application was reading other sockets.
    elsewhere: u8,
    /// It has stayed away: its input is read here.
    reclaimed: bool,
    /// From which session something has been, for it to receive when it comes.
    given: Option<u64>,
    /// Looked at with each tick.
    ticking: bool,
}

impl IoThread {
    pub(super) fn take_lease(&mut self, socket: Arc<SocketShared>) {
        let id = socket.id;
        let Some(set) = socket.set() else {
            return;
        };
        let Some(fd) = set.set().as_pollable() else {
            return;
        };
        let wanted = Interest::READ | Interest::ONESHOT;
        if self.handle.epoll.add(fd, id, wanted).is_ok() {
            socket.lease.armed.store(true, SeqCst);
            let leased = Leased {
                socket: Arc::clone(&socket),
                set: Arc::clone(&set),
                reads: socket.lease.reads.load(Relaxed),
                asleep: 0,
                elsewhere: 0,
                reclaimed: false,
                given: None,
                ticking: false,
            };
            self.leases.insert(id, leased);
        }
    }

    pub(super) fn drop_lease(&mut self, id: u64) {
        if let Some(leased) = self.leases.remove(&id)
            && let Some(fd) = leased.set.set().as_pollable()
        {
            // It leaves the set when it is closed, at the latest.
            self.handle.epoll.delete(fd).ok();
        }
    }

    /// Something has come for a leased socket.
    pub(super) fn lease_event(&mut self, id: u64) {
        let Some(leased) = self.leases.get_mut(&id) else {
            return;
        };
        let lease = &leased.socket.lease;
        lease.armed.store(false, SeqCst);
        let reads = lease.reads.load(Relaxed);
        if leased.reclaimed && reads == leased.reads {
            self.harvest(id);
        } else {
            self.leave_to_application(id);
        }
    }

    /// The application reads; whether it still does is looked at with each tick.
    fn leave_to_application(&mut self, id: u64) {
        let Some(leased) = self.leases.get_mut(&id) else {
            return;
        };
        leased.reclaimed = false;
        leased.asleep = 0;
        leased.elsewhere = 0;
        let lease = &leased.socket.lease;
        // One less than it is, so that the first look never finds "nothing read since".
        leased.reads = lease.reads.load(Relaxed).wrapping_sub(1);
        leased.ticking = true;
        lease.watched.store(true, SeqCst);
        if self.next_lease_tick.is_none() {
            self.next_lease_tick = Some(self.now + LEASE_TICK);
        }
    }

    pub(super) fn run_lease_ticks(&mut self) {
        if self.next_lease_tick.is_none_or(|at| at > self.now) {
            return;
        }
        self.next_lease_tick = None;
        let reads = self.context.reads.load(Relaxed);
        let alive = std::mem::replace(&mut self.context_reads, reads) != reads;
        let ticking: Vec<u64> = self
            .leases
            .iter()
            .filter(|(_, leased)| leased.ticking)
            .map(|(id, _)| *id)
            .collect();
        for id in ticking {
            self.lease_tick(id, alive);
        }
        if self.leases.values().any(|leased| leased.ticking) {
            self.next_lease_tick = Some(Instant::now() + LEASE_TICK);
        }
    }

    /// `alive`: something has been read in this context since the last tick.
    fn lease_tick(&mut self, id: u64, alive: bool) {
        let Some(leased) = self.leases.get_mut(&id) else {
            return;
        };
        let socket = &leased.socket;
        let reads = socket.lease.reads.load(Relaxed);
        if reads != leased.reads {
            leased.reads = reads;
            leased.asleep = 0;
            leased.elsewhere = 0;
            return;
        }
        if socket.wake.state() & interest::IN != 0 {
            // It sleeps on the very descriptor, or is about to.
            leased.asleep += 1;
            if leased.asleep > 2 {
                socket.lease.watched.store(false, SeqCst);
                ferromq_os::fence::heavy();
                if socket.wake.state() & interest::IN != 0 {
                    leased.ticking = false;
                } else {
                    socket.lease.watched.store(true, SeqCst);
                }
            }
            return;
        }
        // An application that goes round many sockets comes to this one in its turn.
        if alive && leased.elsewhere < LEASE_ELSEWHERE {
            leased.elsewhere += 1;
            return;
        }
        leased.reclaimed = true;
        leased.given = None;
        self.look_through_all(id);
        self.harvest(id);
    }

    /// The application has read much at once: if it takes its time somebody must look at what it
    /// has read.
    pub(super) fn watch_lease(&mut self, id: u64) {
        if self.leases.get(&id).is_some_and(|leased| !leased.ticking) {
            self.leave_to_application(id);
        }
    }

    fn look_through_all(&mut self, id: u64) {
        let Some(leased) = self.leases.get(&id) else {
            return;
        };
        let connections: Vec<_> = leased.socket.connections().values().cloned().collect();
        for connection in connections {
            if self.sessions.contains_key(&connection.id) {
                self.guarded(connection.id, |thread| thread.look_after(&connection));
            } else {
                connection.io.post(Order::LookThrough { id: connection.id });
            }
        }
    }

    /// The application waits for something else than input: its input is read here at once.
    pub(super) fn reclaim(&mut self, id: u64) {
        let Some(leased) = self.leases.get_mut(&id) else {
            return;
        };
        leased.reclaimed = true;
        leased.given = None;
        leased.reads = leased.socket.lease.reads.load(Relaxed);
        self.harvest(id);
    }

    /// Reads whatever has come for a socket, then waits for more; unless the application has
    /// received meanwhile what was read for it before: it goes round many sockets, and finds each
    /// message here already, so that it never comes to read.
    pub(super) fn harvest(&mut self, id: u64) {
        let Some(leased) = self.leases.get(&id) else {
            return;
        };
        let (socket, set) = (Arc::clone(&leased.socket), Arc::clone(&leased.set));
        let mut given = leased.given;
        let received = given.is_some_and(|session| !self.waits_to_be_received(session));
        let mut events = Events::with_capacity(256);
        if set
            .set()
            .wait(&mut events, Some(std::time::Duration::ZERO))
            .is_ok()
        {
            for event in events.iter().filter(|event| event.token() != BELL) {
                self.harvest_one(&socket, event.token());
                if self.waits_to_be_received(event.token()) {
                    given = Some(event.token());
                }
            }
        }
        if received {
            self.leave_to_application(id);
        } else if let Some(leased) = self.leases.get_mut(&id) {
            leased.given = given;
            leased.ticking = false;
            self.arm_lease(id);
        }
    }

    /// Whether something of what was read from a connection has not been received.
    fn waits_to_be_received(&self, session: u64) -> bool {
        let session = self.sessions.get(&session);
        let connection = session.and_then(|session| session.connection.as_ref());
        let rx = connection.and_then(|connection| connection.try_rx());
        rx.is_some_and(|rx| rx.fill.waiting() > 0)
    }

    fn harvest_one(&mut self, socket: &SocketShared, session: u64) {
        if self.sessions.contains_key(&session) {
            self.guarded(session, |thread| {
                let came = thread.absorb_from(session);
                thread.after_harvest(session, came);
            });
            return;
        }
        // A connection of another I/O thread.
        let connection = socket.connections().get(&session).cloned();
        if let Some(connection) = connection {
            connection.io.post(Order::Resume { id: session });
        }
    }

    /// Goes by what a read for an application that stays away has come to.
    fn after_harvest(&mut self, session: u64, came: Option<Absorbed>) {
        match came {
            Some(Absorbed::Ended(_) | Absorbed::Fault(_)) => self.read_ended(session, came),
            Some(Absorbed::Paused) => self.read_on(session),
            Some(Absorbed::Empty | Absorbed::Full) => {}
            None => {
                // The application is reading: it takes it from here.
                if let Some(session) = self.sessions.get(&session)
                    && let Some(connection) = &session.connection
                {
                    tell_readable(&session.socket, connection);
                }
                self.read_later(session);
            }
        }
    }

    /// The next arrival is to be heard of.
    fn arm_lease(&mut self, id: u64) {
        let Some(leased) = self.leases.get(&id) else {
            return;
        };
        let socket = &leased.socket;
        socket.lease.watched.store(false, SeqCst);
        socket.lease.armed.store(true, SeqCst);
        if let Some(fd) = leased.set.set().as_pollable()
            && self
                .handle
                .epoll
                .modify(fd, id, Interest::READ | Interest::ONESHOT)
                .is_err()
        {
            self.leases.remove(&id);
        }
    }
}

/// The application is about to sleep on its own descriptor: the I/O thread need not hear of the
/// next arrival as well.
pub(crate) fn suspend(socket: &SocketShared) {
    if socket.lease.armed.swap(false, SeqCst) {
        set(socket, Interest::NONE | Interest::ONESHOT);
    }
}

/// The application has woken: from now on somebody must look if it stays away.
pub(crate) fn restore(socket: &SocketShared) {
    if !socket.lease.watched.load(SeqCst) && !socket.lease.armed.swap(true, SeqCst) {
        set(socket, Interest::READ | Interest::ONESHOT);
    }
}

fn set(socket: &SocketShared, wanted: Interest) {
    let home = socket
        .home
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let (Some(io), Some(set)) = (home.as_ref(), socket.set())
        && let Some(fd) = set.set().as_pollable()
    {
        // Not registered yet: the I/O thread will do it with the right interest.
        io.epoll.modify(fd, socket.id, wanted).ok();
    }
}
