// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop of an I/O thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ferromq_os::epoll::{Event, Events, Interest};
use ferromq_os::memory::trim;
use ferromq_vocabulary::DisconnectReason;

use super::ebb::Ebb;
use super::held::HeldLook;
use super::lease::Leased;
use super::listening::Listening;
use super::session::{Origin, Session, State};
use super::station::Station;
use super::{BELL, IoHandle};
use crate::by_number::ByNumber;
use crate::command::{Linger, Order};
use crate::context::ContextShared;
use crate::tuning::SCRATCH;

pub(crate) struct IoThread {
    pub(super) handle: Arc<IoHandle>,
    pub(super) context: Arc<ContextShared>,
    pub(super) sessions: ByNumber<Box<Session>>,
    pub(super) listeners: ByNumber<Listening>,
    pub(super) leases: ByNumber<Leased>,
    pub(super) stations: ByNumber<Box<Station>>,
    /// Messages from datagrams on their way to a queue.
    pub(super) datagram_frames: Vec<u8>,
    /// Connections that have been promised another look.
    pub(super) watched: Vec<u64>,
    /// Sockets that hold answers back under a promise to look.
    pub(super) held: Vec<HeldLook>,
    pub(super) next_lease_tick: Option<Instant>,
    /// Reads made in this context, as of the last tick.
    pub(super) context_reads: u32,
    /// Connections that had more than one visit moves, and whose edge is used up.
    pub(super) unread: Vec<u64>,
    /// When to look at which session or listener; some entries are out of date, which a look shows.
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    pub(super) scratch: Vec<u8>,
    pub(super) now: Instant,
    ebb: Ebb,
    stopping: bool,
}

impl IoThread {
    pub(crate) fn new(handle: Arc<IoHandle>, context: Arc<ContextShared>) -> Self {
        Self {
            handle,
            context,
            sessions: ByNumber::default(),
            listeners: ByNumber::default(),
            leases: ByNumber::default(),
            stations: ByNumber::default(),
            datagram_frames: Vec::new(),
            watched: Vec::new(),
            held: Vec::new(),
            next_lease_tick: None,
            context_reads: 0,
            unread: Vec::new(),
            timers: BinaryHeap::new(),
            scratch: vec![0; SCRATCH],
            now: Instant::now(),
            ebb: Ebb::default(),
            stopping: false,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.stopping {
            let timeout = self.timeout();
            match self.handle.epoll.wait(&mut events, timeout) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.context.fail();
                    return;
                }
            }
            self.now = Instant::now();
            for event in events.iter() {
                self.dispatch(event);
            }
            self.run_watched();
            self.run_held();
            self.run_lease_ticks();
            self.run_timers();
            self.run_unread();
            self.run_ebb();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let watched = self
            .watched
            .iter()
            .filter_map(|id| Some(self.sessions.get(id)?.watch.as_ref()?.due))
            .min();
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let held = self.next_held_look();
        [watched, held, self.next_lease_tick, timer, self.ebb.due()]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    fn dispatch(&mut self, event: Event) {
        let id = event.token();
        if id == BELL {
            self.handle.event.clear();
            for order in self.handle.mailbox.take_all() {
                self.carry_out(order);
            }
        } else if self.sessions.contains_key(&id) {
            self.guarded(id, |thread| thread.session_event(id, event));
        } else if self.stations.contains_key(&id) {
            self.guarded(id, |thread| thread.station_event(id, event));
        } else if self.leases.contains_key(&id) {
            self.lease_event(id);
        } else if self.listeners.contains_key(&id) {
            self.accept_from(id);
        }
    }

    /// A fault in the handling of one connection ends that connection, not the process.
    pub(super) fn guarded(&mut self, id: u64, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.abandon(id, DisconnectReason::Local);
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Listen {
                id,
                bound,
                socket,
                options,
            } => {
                self.listen(id, *bound, socket, options);
            }
            Order::Connect {
                id,
                connection,
                socket,
                options,
                target,
            } => {
                self.add_connecting(id, connection, socket, options, *target);
            }
            Order::Carry { station } => self.add_station(*station),
            Order::Resolved { id, addresses } => {
                self.guarded(id, |thread| thread.resolved(id, addresses));
            }
            Order::Arm { id } if self.stations.contains_key(&id) => {
                self.guarded(id, |thread| thread.station_armed(id));
            }
            Order::Arm { id } => self.guarded(id, |thread| thread.armed(id)),
            Order::Lost { id } => self.guarded(id, |thread| thread.found_lost(id)),
            Order::Resume { id } if self.stations.contains_key(&id) => {
                self.guarded(id, |thread| thread.station_resumed(id));
            }
            Order::Resume { id } => self.guarded(id, |thread| thread.resume_reading(id)),
            Order::Pinged { id, ttl } => self.pinged(id, ttl),
            Order::Lease { socket } => self.take_lease(socket),
            Order::Fault { id } if self.stations.contains_key(&id) => {
                self.close_station(id, Linger::For(Duration::ZERO));
            }
            Order::Fault { id } => self.guarded(id, |thread| thread.fault(id)),
            Order::Overrun { id, breach } => {
                self.guarded(id, |thread| thread.give_up_for(id, breach));
            }
            Order::Admit {
                listener,
                stream,
                granted,
            } => self.admitted(listener, *stream, granted),
            Order::Found {
                id,
                errand,
                finding,
            } => {
                self.guarded(id, |thread| thread.found(id, errand, finding));
            }
            Order::Hold { socket } => self.watch_held(socket),
            Order::Watch { socket } => self.watch_lease(socket),
            Order::LookThrough { id } => {
                let connection = self.sessions.get(&id).and_then(|s| s.connection.clone());
                if let Some(connection) = connection {
                    self.guarded(id, |thread| thread.look_after(&connection));
                }
            }
            Order::Reclaim { socket } => self.reclaim(socket),
            Order::Close { id, linger } if self.stations.contains_key(&id) => {
                self.close_station(id, linger);
            }
            Order::Close { id, linger } => self.close(id, linger),
            Order::Unlisten { id, linger, done } => {
                self.unlisten(id, linger);
                drop(done);
            }
            Order::CloseSocket { socket, linger } => self.close_socket(socket, linger),
            Order::Stop => self.stopping = true,
        }
    }

    fn session_event(&mut self, id: u64, event: Event) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        // One shot: the descriptor is silent now until it is registered for something again.
        if session.registered.is_some() {
            session.registered = Some(Interest::NONE);
        }
        match &session.state {
            State::Connecting => self.connecting_event(id),
            State::Greeting(greeting) if greeting.handshake.is_waiting() => self.left_unjudged(id),
            State::Greeting(_) => self.greeting_event(id),
            State::Proxying(_) => self.proxying_event(id),
            State::Ready => self.traffic_event(id, event),
            State::Trailing => self.trailing_event(id),
            State::Resolving | State::Waiting => {}
        }
    }

    /// Registers a session's descriptor for what it waits for, once.
    pub(super) fn want(&mut self, id: u64, interest: Interest) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(stream) = session.stream.clone() else {
            return;
        };
        let wanted = interest | Interest::ONESHOT;
        let result = match session.registered {
            Some(now) if now == wanted => Ok(()),
            Some(_) => self.handle.epoll.modify(stream.as_fd(), id, wanted),
            None => self.handle.epoll.add(stream.as_fd(), id, wanted),
        };
        session.registered = Some(wanted);
        if result.is_err() {
            self.abandon(id, DisconnectReason::Local);
        }
    }

    /// Makes sure that a session is looked at when its next deadline comes.
    pub(super) fn schedule(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(at) = session.deadline() else { return };
        if session.scheduled.is_none_or(|scheduled| at < scheduled) {
            session.scheduled = Some(at);
            self.schedule_at(at, id);
        }
    }

    pub(super) fn schedule_at(&mut self, at: Instant, id: u64) {
        if self.timers.len() == self.timers.capacity() {
            self.forget_timers();
        }
        self.timers.push(Reverse((at, id)));
    }

    /// Takes out the entries of sessions that have gone, or wait for nothing any more: every
    /// handshake leaves one.
    fn forget_timers(&mut self) {
        let (sessions, listeners) = (&mut self.sessions, &self.listeners);
        let stations = &self.stations;
        self.timers.retain(|Reverse((at, id))| {
            let Some(session) = sessions.get_mut(id) else {
                let station = stations.get(id);
                return station.map_or_else(
                    || listeners.contains_key(id),
                    |station| station.is_scheduled_at(*at),
                );
            };
            if session.scheduled != Some(*at) {
                return false;
            }
            let waits = session.deadline().is_some();
            if !waits {
                session.scheduled = None;
            }
            waits
        });
    }

    fn run_timers(&mut self) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > self.now {
                return;
            }
            self.timers.pop();
            if let Some(session) = self.sessions.get_mut(&id) {
                // Another entry, for an earlier time, has taken this one's place.
                if session.scheduled != Some(at) {
                    continue;
                }
                session.scheduled = None;
                self.guarded(id, |thread| thread.session_timer(id));
            } else if self.stations.contains_key(&id) {
                self.guarded(id, |thread| thread.station_timer(id, at));
            } else if self.listeners.contains_key(&id) {
                self.listener_timer(id);
            }
        }
    }

    /// Gives back the memory of a crowd that has gone.
    fn run_ebb(&mut self) {
        if !self.ebb.is_over(self.sessions.len(), self.now) {
            return;
        }
        self.forget_timers();
        self.timers.shrink_to_fit();
        self.sessions.shrink_to_fit();
        self.watched.shrink_to_fit();
        self.unread.shrink_to_fit();
        trim();
    }

    /// Something of a session may be due.
    fn session_timer(&mut self, id: u64) {
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session
            .closing
            .as_ref()
            .is_some_and(|closing| due(closing.deadline))
        {
            self.end_linger(id);
        } else if due(session.patience) {
            if matches!(session.state, State::Greeting(_)) {
                self.handshake_timed_out(id);
            } else {
                self.connect_timed_out(id);
            }
        } else if due(session.retry_at) {
            self.retry(id);
        } else if session
            .closing
            .as_ref()
            .is_some_and(|closing| due(closing.look_at))
        {
            self.go_on_closing(id);
        } else if session.heartbeat.is_some() {
            self.beat(id);
        }
        self.schedule(id);
    }

    pub(super) fn insert(&mut self, session: Session) {
        self.handle.load.fetch_add(1, Relaxed);
        self.sessions.insert(session.id, Box::new(session));
        self.ebb.come(self.sessions.len());
    }

    /// Forgets a session.
    pub(super) fn remove(&mut self, id: u64) -> Option<Box<Session>> {
        let session = self.sessions.remove(&id)?;
        self.ebb.go(self.sessions.len(), self.now);
        if let Origin::Accepted(listener) = session.origin
            && let Some(listening) = self.listeners.get_mut(&listener)
        {
            listening.crowd.leave(id);
        }
        self.handle.load.fetch_sub(1, Relaxed);
        self.watched.retain(|watched| *watched != id);
        self.context.session_ended(session.socket.id);
        Some(session)
    }
}
