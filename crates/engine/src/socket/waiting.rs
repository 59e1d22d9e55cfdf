// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting: a short while looking, then asleep on the connections themselves.
//!
//! Who sleeps says so first and looks once more ([`Socket::prepare`]); only then does it sleep
//! ([`Ticket::sleep`]), without the socket in its hands, so that others may use it meanwhile. Of
//! several sleepers on one socket one waits for the kernel, the others for it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use ferromq_os::clock::ticks;
use ferromq_os::epoll::{BellSet, Events};
use ferromq_os::poll::{PollFd, poll};
use ferromq_os::thread::yield_now;
use ferromq_pattern::{AnyPattern, Pattern};
use ferromq_pipe::{PipeId, Pipes, interest};
use ferromq_vocabulary::Code;

use super::link::Link;
use super::sending::Deadline;
use super::{Glance, Socket, looks_each_time};
use crate::command::Order;
use crate::io::lease;
use crate::policy::Policy;
use crate::shared::{BELL, SocketShared};
use crate::tuning::{
    CROWD_BYTES, FLUSH_GAP_US, GATHER_MOST, GATHER_PER_US, SPIN_PROBE_MASK, SPIN_SCORE_MAX,
};

/// How many connections a sleeper learns of at once.
const EVENTS: usize = 64;
/// How long a sender that lets others have the socket meanwhile keeps it all the same.
const SOON: Duration = Duration::from_millis(1);

/// Who sleeps on a socket.
#[derive(Debug, Default)]
pub(crate) struct Sleepers {
    state: Mutex<SleepState>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct SleepState {
    leader: bool,
    wakes: u64,
    readers: u32,
    writers: u32,
}

impl Sleepers {
    fn lock(&self) -> MutexGuard<'_, SleepState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn are_none(&self) -> bool {
        let state = self.lock();
        state.readers == 0 && state.writers == 0
    }
}

/// Permission to sleep: everything has been announced, and there was nothing at the last look.
#[derive(Debug)]
pub struct Ticket {
    shared: Arc<SocketShared>,
    /// What it sleeps on: open until it wakes.
    set: Arc<BellSet>,
    interest: u32,
    wakes: u64,
    /// It is the one that waits for the kernel.
    leads: bool,
}

/// What a socket could do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// A message can be received.
    pub readable: bool,
    /// A message can be sent.
    pub writable: bool,
}

impl Ticket {
    /// Sleeps until something happens, or the deadline comes (`Again`), or a signal
    /// (`Interrupted`).
    ///
    /// # Errors
    /// As said.
    pub fn sleep(mut self, deadline: Option<Instant>) -> Result<(), Code> {
        if !self.take_turn(deadline)? {
            return Ok(());
        }
        let mut events = Events::with_capacity(EVENTS);
        let slept = self.set.set().wait(&mut events, left_until(deadline));
        self.end_turn(deadline, slept, &events)
    }

    /// As [`sleep`](Self::sleep), but a thread that is cancelled ends in it: by an unwinding of C's own kind, which the
    /// frames of the callers must let pass. `events` is where the kernel puts what it has to tell.
    ///
    /// # Errors
    /// As for `sleep`.
    pub fn sleep_cancellably(
        &mut self,
        events: &mut Events,
        deadline: Option<Instant>,
    ) -> Result<(), Code> {
        if !self.take_turn(deadline)? {
            return Ok(());
        }
        let left = left_until(deadline);
        let slept = self.set.set().wait_cancellably(events, left);
        self.end_turn(deadline, slept, events)
    }

    /// Room for what the kernel has to tell.
    #[must_use]
    pub fn events() -> Events {
        Events::with_capacity(EVENTS)
    }

    /// Waits until nobody else waits for the kernel; false if there has been a wake-up since the ticket.
    fn take_turn(&mut self, deadline: Option<Instant>) -> Result<bool, Code> {
        let sleepers = &self.shared.sleepers;
        let mut state = sleepers.lock();
        // A wake-up between the ticket and now counts.
        while state.leader && state.wakes == self.wakes {
            state = match deadline {
                None => sleepers
                    .woken
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline
                        .checked_duration_since(Instant::now())
                        .ok_or(Code::Again)?;
                    sleepers
                        .woken
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        if state.wakes != self.wakes {
            return Ok(false);
        }
        state.leader = true;
        self.leads = true;
        Ok(true)
    }

    fn end_turn(
        &mut self,
        deadline: Option<Instant>,
        slept: io::Result<usize>,
        events: &Events,
    ) -> Result<(), Code> {
        let result = match slept {
            Ok(0) if deadline.is_some_and(|at| at <= Instant::now()) => Err(Code::Again),
            Ok(_) => {
                self.keep_events(events);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Code::Interrupted),
            Err(_) => Err(Code::Terminated),
        };
        self.give_turn();
        result
    }

    /// Somebody else may wait for the kernel.
    fn give_turn(&mut self) {
        if std::mem::take(&mut self.leads) {
            let sleepers = &self.shared.sleepers;
            let mut state = sleepers.lock();
            state.leader = false;
            state.wakes += 1;
            sleepers.woken.notify_all();
        }
    }
}

/// How long it is until then.
fn left_until(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()))
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Still its turn if its thread has ended in its sleep.
        self.give_turn();
        let mut state = self.shared.sleepers.lock();
        let mut over = 0;
        if self.interest & interest::IN != 0 {
            state.readers -= 1;
            over |= if state.readers == 0 { interest::IN } else { 0 };
        }
        if self.interest & interest::OUT != 0 {
            state.writers -= 1;
            over |= if state.writers == 0 { interest::OUT } else { 0 };
        }
        self.shared.wake.withdraw(over);
        drop(state);
        if over & interest::IN != 0 && self.shared.reads_itself {
            lease::restore(&self.shared);
        }
    }
}

impl Ticket {
    /// Keeps what a sleeper has learned from the kernel for whoever has the socket next.
    fn keep_events(&self, events: &Events) {
        let mut harvest = self
            .shared
            .harvested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for event in events.iter() {
            if event.token() == BELL {
                self.set.clear();
                if self.shared.closed.load(SeqCst) {
                    // Whoever else sleeps here must hear of it, too.
                    self.set.ring();
                }
            } else {
                harvest.push(event.token());
            }
        }
    }
}

impl Socket {
    /// What it could do at once; reads connections to find out.
    ///
    /// # Errors
    /// `Terminated`, `Interrupted` after a fork.
    pub fn readiness(&mut self) -> Result<Readiness, Code> {
        self.look(true)
    }

    /// The same for somebody who has seen just now that the [descriptor](Self::pollable_fd) has nothing to tell: the
    /// kernel is not asked for what is not there.
    ///
    /// # Errors
    /// As for [`readiness`](Self::readiness).
    pub fn readiness_of_quiet(&mut self) -> Result<Readiness, Code> {
        self.look(false)
    }

    fn look(&mut self, asks_kernel: bool) -> Result<Readiness, Code> {
        self.check_alive()?;
        if asks_kernel && self.shared.wake.state() & interest::WATCHED != 0 {
            // From here on the descriptor tells of what comes after this look.
            self.harvest();
        }
        self.take_news();
        self.take_harvest();
        let mut readable = self.can_recv();
        self.glance.begin();
        while !readable && self.socket_type().receives() {
            if !self.input_if(asks_kernel) {
                if !self.is_contended() {
                    break;
                }
                yield_now();
            }
            readable = self.can_recv();
        }
        self.glance.wanted = false;
        // The look may have brought what is received without a message in a queue.
        readable = readable || self.can_recv();
        let writable = self.can_send();
        Ok(Readiness { readable, writable })
    }

    /// Whether a message could be sent at once. Unlike [`readiness`](Self::readiness) it does not read connections.
    ///
    /// # Errors
    /// `Terminated`, `Interrupted` after a fork.
    pub fn is_writable(&mut self) -> Result<bool, Code> {
        self.check_alive()?;
        self.take_news();
        Ok(self.can_send())
    }

    fn can_send(&mut self) -> bool {
        let may_refresh = std::mem::replace(&mut self.pipes.may_refresh, true);
        let mut writable = self.pattern.can_send(&mut self.pipes);
        if !writable && self.socket_type().sends() {
            self.make_room();
            writable = self.pattern.can_send(&mut self.pipes);
        }
        self.pipes.may_refresh = may_refresh;
        writable
    }

    /// The descriptor that becomes readable when something may have changed (`ZMQ_FD`): ask for
    /// the [`readiness`](Self::readiness) whenever it does, and after each send and receive.
    ///
    /// # Errors
    /// `Terminated`.
    pub fn readiness_fd(&mut self) -> Result<BorrowedFd<'_>, Code> {
        self.check_alive()?;
        if self.shared.wake.state() & interest::WATCHED == 0 {
            self.shared.wake.announce(interest::WATCHED);
            // What has happened before is to be seen, too.
            self.set.ring();
        }
        Ok(self.set.readable_fd())
    }

    /// Announces a wait and looks once more; a ticket to sleep with if there is still nothing.
    ///
    /// # Errors
    /// `Terminated`.
    pub fn prepare(&mut self, for_input: bool, for_room: bool) -> Result<Option<Ticket>, Code> {
        self.prepare_with(for_input, for_room, Self::has_room_at_all)
    }

    /// The same for somebody whose message has been refused, and who waits for room for it.
    ///
    /// # Errors
    /// `Terminated`.
    pub fn prepare_to_send(&mut self) -> Result<Option<Ticket>, Code> {
        self.prepare_with(false, true, Self::has_room_for_refused)
    }

    fn prepare_with(
        &mut self,
        for_input: bool,
        for_room: bool,
        has_room: impl FnOnce(&mut Self) -> bool,
    ) -> Result<Option<Ticket>, Code> {
        self.check_alive()?;
        self.flush_all();
        let interest =
            if for_input { interest::IN } else { 0 } | if for_room { interest::OUT } else { 0 };
        let wakes = {
            let sleepers = &self.shared.sleepers;
            let mut state = sleepers.lock();
            state.readers += u32::from(for_input);
            state.writers += u32::from(for_room);
            state.wakes
        };
        let ticket = Ticket {
            shared: Arc::clone(&self.shared),
            set: Arc::clone(&self.set),
            interest,
            wakes,
            leads: false,
        };
        if for_room {
            self.take_harvest();
            self.hand_over_input();
            self.arm_blocked();
        } else if self.shared.reads_itself {
            lease::suspend(&self.shared);
        }
        self.shared.wake.announce(interest);
        self.check_alive()?;
        let news = self.shared.wake.is_signalled();
        if news {
            self.take_news();
        }
        self.take_harvest();
        let ready = news
            || for_input && (self.look_again() || !self.pattern.receives_all() && self.can_recv())
            || for_room && has_room(self);
        Ok((!ready).then_some(ticket))
    }

    fn has_room_at_all(&mut self) -> bool {
        self.look_for_room(AnyPattern::can_send)
    }

    /// Whether the message that was refused last would go through now.
    fn has_room_for_refused(&mut self) -> bool {
        self.look_for_room(AnyPattern::can_send_refused) && !self.waits_for_all()
    }

    fn look_for_room(&mut self, look: impl FnOnce(&mut AnyPattern, &mut Pipes) -> bool) -> bool {
        self.make_room();
        self.pipes.may_refresh = true;
        let room = look(&mut self.pattern, &mut self.pipes);
        self.pipes.may_refresh = looks_each_time(self.socket_type(), &self.options);
        room
    }

    /// A publisher that may not drop waits until no queue is full.
    fn waits_for_all(&self) -> bool {
        let full = |id| {
            self.pipes
                .get(id)
                .is_some_and(|pipe| !pipe.has_room_as_seen())
        };
        self.options.xpub_nodrop && self.pipes.ids().any(full)
    }

    /// Whether anything has come while the wait was announced.
    fn look_again(&mut self) -> bool {
        if self.by_connection.len() != 1 || self.inproc_pipes > 0 || !self.shared.reads_itself {
            return self.input() || self.is_contended();
        }
        if self.is_contended() {
            yield_now();
            return true;
        }
        // A single connection shows by its edge what has come since the last read; what an I/O
        // thread has read shows in the queue.
        let only = self.by_connection.values().next().copied();
        only.and_then(|id| self.pipes.get_mut(id))
            .is_some_and(|pipe| pipe.reader.is_ready())
    }

    /// For a face that keeps no hold of the socket while it sleeps: looks for input for a short,
    /// learned while, then announces the wait. `None`: there may be something now. After the
    /// ticket's sleep comes [`woken`](Self::woken).
    ///
    /// # Errors
    /// `Terminated`.
    pub fn wait_for_input(&mut self, deadline: Option<Instant>) -> Result<Option<Ticket>, Code> {
        self.flush_all();
        self.pace.has_waited = true;
        if self.spin(deadline.map_or(Deadline::Never, Deadline::At)) {
            return Ok(None);
        }
        self.prepare(true, false)
    }

    /// The same for room to send.
    ///
    /// # Errors
    /// `Terminated`.
    pub fn wait_for_room(&mut self) -> Result<Option<Ticket>, Code> {
        // A send that may not wait has not looked at a queue that was written just now.
        if self.has_room_for_refused() {
            return Ok(None);
        }
        if self.inproc_pipes > 0 && self.give_way() {
            return Ok(None);
        }
        // In a stream there is room soon, and the I/O thread would only pass the word on. Not for longer: the caller
        // may have to let others have the socket while it sleeps.
        let watched = self.shared.wake.state() & interest::WATCHED != 0;
        if !watched && self.shared.sleepers.are_none() {
            match self.wait_for_the_only_peer(Deadline::At(Instant::now() + SOON)) {
                Some(Ok(())) => return Ok(None),
                Some(Err(Code::Again)) | None => {}
                Some(Err(code)) => return Err(code),
            }
        }
        self.prepare_to_send()
    }

    /// Takes in what a sleeper has learned from the kernel.
    pub fn woken(&mut self) {
        self.take_harvest();
    }

    /// Wakes all who wait for this socket, threads and tasks, to look again: for a caller that has
    /// taken in, or left behind, what they could use.
    pub fn wake_others(&self) {
        if self.is_forked() {
            return;
        }
        let sleepers = &self.shared.sleepers;
        let mut state = sleepers.lock();
        state.wakes += 1;
        sleepers.woken.notify_all();
        drop(state);
        self.shared.wake.notify(interest::IN | interest::OUT);
    }

    /// Takes over what sleepers have learned from the kernel.
    pub(super) fn take_harvest(&mut self) {
        let harvest = {
            let mut kept = self
                .shared
                .harvested
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if kept.is_empty() {
                return;
            }
            std::mem::take(&mut *kept)
        };
        for token in harvest {
            if let Some(id) = self.by_connection.get(&token).copied() {
                self.heat(id);
            }
        }
    }

    /// Registers a task to be woken when a message can be received (or sent); looks once more
    /// afterwards: true if it can be now, and the task will not be woken for this.
    ///
    /// # Errors
    /// `Terminated`.
    pub fn prepare_task(&mut self, waker: &Waker, for_room: bool) -> Result<bool, Code> {
        self.check_alive()?;
        self.flush_all();
        let wanted = if for_room {
            interest::OUT
        } else {
            interest::IN
        };
        if for_room {
            self.arm_blocked();
        }
        self.shared.wake.announce_task(wanted, waker);
        self.check_alive()?;
        let readable = self.readiness()?.readable;
        let ready = if for_room {
            self.has_room_for_refused()
        } else {
            readable
        };
        if !ready {
            // After the last read of our own: from now on it is the I/O thread that reads.
            self.hand_over_input();
        }
        Ok(ready)
    }

    /// Looks for a short while, then sleeps, until there may be input.
    pub(super) fn wait_in(&mut self, deadline: Deadline) -> Result<(), Code> {
        if deadline.is_over() {
            return Err(Code::Again);
        }
        self.flush_all();
        self.pace.has_waited = true;
        if self.spin(deadline) {
            return Ok(());
        }
        if let Some(ticket) = self.prepare(true, false)? {
            ticket.sleep(deadline.instant())?;
            self.take_harvest();
        }
        self.check_alive()
    }

    /// Looks again and again for a bounded, learned time. On one CPU that is once, after giving the
    /// CPU to whoever has the answer.
    fn spin(&mut self, deadline: Deadline) -> bool {
        self.pace.probe = self.pace.probe.wrapping_add(1);
        if self.shared.policy == Policy::IoOnly
            || self.pace.score == 0 && self.pace.probe & SPIN_PROBE_MASK != 0
            || self.pipes.is_empty()
            || self.carried > 0 && self.carriers_rest()
        {
            return false;
        }
        let limit = match deadline {
            Deadline::At(at) => {
                let left = at.saturating_duration_since(Instant::now());
                let left = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
                self.pace
                    .spin
                    .min(left.saturating_mul(ferromq_os::clock::ticks_per_us()))
            }
            Deadline::Never => self.pace.spin,
            Deadline::Now => return false,
        };
        let began = ticks();
        loop {
            // The peer may be waiting for this very CPU.
            yield_now();
            self.let_gather();
            if self.input() {
                self.pace.score = (self.pace.score + 1).min(SPIN_SCORE_MAX);
                return true;
            }
            if ticks().wrapping_sub(began) >= limit {
                self.pace.score = self.pace.score.saturating_sub(1);
                return false;
            }
        }
    }

    /// Whether input comes from transports of datagrams alone, and at their timers.
    fn carriers_rest(&self) -> bool {
        let wires = self.links.iter().flatten().filter_map(|link| match link {
            Link::Wire(wire) => Some(&wire.connection),
            Link::Inproc(_) => None,
        });
        self.by_connection.len() == self.carried
            && wires
                .into_iter()
                .all(|connection| connection.rests.load(Relaxed))
    }

    /// After a large read the next one may wait for as much again: each look takes the lock under
    /// which the kernel delivers, and each read has its price.
    fn let_gather(&self) {
        let per_us = self.pace.gap / FLUSH_GAP_US;
        let bytes = (self.pace.last_read as u64).min(GATHER_MOST);
        let due = self.pace.last_read_at + bytes * per_us / GATHER_PER_US;
        while ticks() < due {
            std::hint::spin_loop();
        }
    }

    /// Sleeps until there may be room.
    pub(super) fn wait_out(&mut self, deadline: Deadline) -> Result<(), Code> {
        if deadline.is_over() {
            return Err(Code::Again);
        }
        if let Some(done) = self.wait_for_the_only_peer(deadline) {
            return done;
        }
        if self.inproc_pipes > 0 && self.give_way() {
            return self.check_alive();
        }
        if let Some(ticket) = self.prepare_to_send()? {
            ticket.sleep(deadline.instant())?;
        }
        self.check_alive()
    }

    /// The reader is a thread of this process: lets it read for a while. True if it has made room.
    fn give_way(&mut self) -> bool {
        if self.shared.policy == Policy::IoOnly {
            return false;
        }
        let ids = self.pipes.ids();
        let full = ids.filter(|&id| self.pipes.get(id).is_some_and(|p| !p.has_room_as_seen()));
        let full: Vec<PipeId> = full.collect();
        let began = ticks();
        while !full.is_empty() {
            yield_now();
            for &id in &full {
                let Some(pipe) = self.pipes.get_mut(id) else {
                    continue;
                };
                pipe.refresh();
                // Some more than one, or the two would meet at every message.
                if pipe.waiting() <= pipe.limit() - pipe.limit().div_ceil(8) {
                    self.pattern.writable(id);
                    return true;
                }
            }
            if ticks().wrapping_sub(began) >= self.pace.spin {
                break;
            }
        }
        false
    }

    /// With one peer that takes no more, the caller itself waits for the kernel: the I/O thread
    /// could only pass the word on. `None` where that is not the case.
    fn wait_for_the_only_peer(&self, deadline: Deadline) -> Option<Result<(), Code>> {
        if self.pipes.len() != 1
            || self.shared.reads_itself
            || self.shared.policy != Policy::Assisted
        {
            return None;
        }
        let Some(Link::Wire(wire)) = self.links.iter().flatten().next() else {
            return None;
        };
        let connection = Arc::clone(&wire.connection);
        let stream = connection.try_tx()?.stream.clone()?;
        if !connection.blocked.load(Relaxed) {
            return None;
        }
        self.shared.wake.announce(interest::OUT);
        let mut result = self.check_alive();
        if result.is_ok() && !self.shared.wake.is_signalled() {
            let mut fds = [
                PollFd::new(stream.as_fd().as_raw_fd(), PollFd::OUT),
                PollFd::new(self.set.readable_fd().as_raw_fd(), PollFd::IN),
            ];
            let timeout = deadline
                .instant()
                .map(|at| at.saturating_duration_since(Instant::now()));
            connection.waits_for_room.store(true, Relaxed);
            result = match poll(&mut fds, timeout) {
                Ok(0) => Err(Code::Again),
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Code::Interrupted),
                Err(_) => Err(Code::Terminated),
            };
            connection.waits_for_room.store(false, Relaxed);
            if fds[1].readable() {
                self.set.clear();
            }
            if fds[0].writable() {
                connection.blocked.store(false, Relaxed);
            }
        }
        self.shared.wake.withdraw(interest::OUT);
        Some(result)
    }

    /// The I/O thread writes for a sender that sleeps.
    fn arm_blocked(&self) {
        for link in self.links.iter().flatten().filter_map(Link::wire) {
            let was_attended = link.connection.leave();
            if link.connection.arming.arm() || was_attended {
                link.connection.io.post(Order::Arm {
                    id: link.connection.id,
                });
            }
        }
    }

    /// The caller will not read for a while: the I/O thread reads from now on.
    fn hand_over_input(&mut self) {
        if !self.shared.reads_itself {
            return;
        }
        self.shared.tell_home(Order::Reclaim {
            socket: self.shared.id,
        });
        // What we know of, nobody else hears of.
        for id in std::mem::take(&mut self.hot) {
            if let Some(Link::Wire(wire)) = self.links.get_mut(id.index()).and_then(Option::as_mut)
            {
                wire.hot = false;
                wire.connection.unread.store(false, Relaxed);
                wire.connection.io.post(Order::Resume {
                    id: wire.connection.id,
                });
            }
        }
    }
}

impl Deadline {
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::At(at) if at <= Instant::now())
    }

    pub(super) fn instant(self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(at),
            Self::Never => None,
            Self::Now => Some(Instant::now()),
        }
    }
}

impl Socket {
    /// The descriptor of [`readiness_fd`](Self::readiness_fd) has become readable in a wait that
    /// was announced by [`prepare`](Self::prepare): learns from the kernel why.
    pub fn drain_readiness(&mut self) {
        self.harvest();
    }
}

impl Glance {
    /// Whoever only asks what could be received reads but a little.
    fn begin(&mut self) {
        self.wanted = true;
    }

    /// What such a read goes to.
    pub(super) fn scratch(&mut self) -> &mut [u8] {
        if self.scratch.is_empty() {
            self.scratch = vec![0; CROWD_BYTES].into_boxed_slice();
        }
        &mut self.scratch
    }
}
