// SPDX-License-Identifier: MIT OR Apache-2.0
//! The poll(2) back end.
//!
//! A table under a mutex. A wait copies it, polls the copy together with an eventfd of its own, and
//! matches what it found against the table: an entry changed meanwhile has a new serial number and
//! is left for the next round. Whoever changes the table signals the eventfds of the running waits.
//!
//! Edges cannot be seen by poll(2). An edge-triggered member is reported again while it stays
//! readable, which ends when the data is read; states that last (room to write, hang-up) would make
//! every wait return at once, so after a report they are looked at again only after [`HOLD`].

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Events, Interest};
use crate::cancel::Shield;
use crate::event_fd::EventFd;
use crate::poll::{PollFd, poll};

/// A set of descriptors to wait for; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Epoll {
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    entries: Vec<Entry>,
    next_serial: u64,
    /// Where the next report begins, so that a small buffer starves nobody.
    turn: usize,
    /// The eventfds of the waits that are running.
    waiting: Vec<Arc<EventFd>>,
    /// Eventfds for waits to come, cleared.
    spare: Vec<Arc<EventFd>>,
}

#[derive(Debug)]
struct Entry {
    fd: RawFd,
    token: u64,
    interest: Interest,
    /// Changes whenever the entry does.
    serial: u64,
    /// Reported as one-shot, and silent since.
    spent: bool,
    /// The lasting states of an edge-triggered member that were reported, and when.
    held: Option<(i16, Instant)>,
}

/// Where an entry was when the table was copied.
#[derive(Debug, Clone, Copy)]
struct Key {
    index: usize,
    serial: u64,
}

/// How long a lasting state of an edge-triggered member is not looked at again.
const HOLD: Duration = Duration::from_millis(1);
/// States that do not end when the data is read.
const LASTING: i16 = PollFd::OUT | PollFd::HUP | PollFd::ERR | PollFd::RDHUP;

impl Epoll {
    /// Empty.
    pub fn new() -> io::Result<Self> {
        let table = Table {
            entries: Vec::new(),
            next_serial: 0,
            turn: 0,
            waiting: Vec::new(),
            spare: vec![Arc::new(EventFd::new()?)],
        };
        Ok(Self {
            table: Mutex::new(table),
        })
    }

    /// Adds a descriptor that is not in the set.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let fd = fd.as_raw_fd();
        let mut table = self.lock();
        if table.position(fd).is_some() {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        let serial = table.serial();
        table.entries.push(Entry {
            fd,
            token,
            interest,
            serial,
            spent: false,
            held: None,
        });
        table.interrupt();
        Ok(())
    }

    /// Changes token and interest of a descriptor in the set, and wakes a silent one-shot member.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let fd = fd.as_raw_fd();
        let mut table = self.lock();
        let serial = table.serial();
        let position = table.position(fd);
        let Some(entry) = position.and_then(|at| table.entries.get_mut(at)) else {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        };
        *entry = Entry {
            fd,
            token,
            interest,
            serial,
            spent: false,
            held: None,
        };
        table.interrupt();
        Ok(())
    }

    /// Removes a descriptor. A wait that is returning in another thread may still report it.
    pub fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut table = self.lock();
        let Some(position) = table.position(fd.as_raw_fd()) else {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        };
        table.entries.swap_remove(position);
        table.interrupt();
        Ok(())
    }

    /// Waits until something is ready or the time is over; answers how many events there are.
    ///
    /// `None` waits for ever, `Some(ZERO)` not at all. A signal ends the wait with
    /// [`io::ErrorKind::Interrupted`]. On an error `events` is empty.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<usize> {
        events.buffer.clear();
        // A time too far away to be expressed is for ever.
        let deadline = timeout.and_then(|time| Instant::now().checked_add(time));
        let wake = self.enter()?;
        let result = self.wait_entered(events, deadline, &wake);
        self.leave(wake);
        result
    }

    /// As [`wait`](Self::wait): this back end knows nothing of cancelled threads.
    ///
    /// # Errors
    /// As for `wait`.
    pub fn wait_cancellably(
        &self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let shield = Shield::raise();
        let result = self.wait(events, timeout);
        drop(shield);
        result
    }

    /// A descriptor that is readable while this set has something to report, to be waited for or
    /// put into another set. `None` where the back end has no such thing.
    #[inline]
    pub fn as_pollable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn wait_entered(
        &self,
        events: &mut Events,
        deadline: Option<Instant>,
        wake: &EventFd,
    ) -> io::Result<usize> {
        let mut fds = Vec::new();
        let mut keys = Vec::new();
        loop {
            let now = Instant::now();
            let again = self.lock().collect(&mut fds, &mut keys, wake, now);
            let until = [deadline, again].into_iter().flatten().min();
            poll(
                &mut fds,
                until.map(|until| until.saturating_duration_since(now)),
            )?;

            let changed = fds.pop().is_some_and(|fd| fd.readable());
            if changed {
                wake.clear();
            }
            self.lock().report(&fds, &keys, events);
            if !events.is_empty() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(events.len());
            }
        }
    }

    fn enter(&self) -> io::Result<Arc<EventFd>> {
        let mut table = self.lock();
        let wake = match table.spare.pop() {
            Some(wake) => wake,
            None => Arc::new(EventFd::new()?),
        };
        table.waiting.push(Arc::clone(&wake));
        Ok(wake)
    }

    fn leave(&self, wake: Arc<EventFd>) {
        let mut table = self.lock();
        table.waiting.retain(|other| !Arc::ptr_eq(other, &wake));
        wake.clear();
        table.spare.push(wake);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock panics half way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn position(&self, fd: RawFd) -> Option<usize> {
        self.entries.iter().position(|entry| entry.fd == fd)
    }

    fn serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    fn interrupt(&self) {
        for wake in &self.waiting {
            wake.signal();
        }
    }

    /// Fills `fds` with what to poll and, last, `wake`; answers when a held member is due.
    fn collect(
        &mut self,
        fds: &mut Vec<PollFd>,
        keys: &mut Vec<Key>,
        wake: &EventFd,
        now: Instant,
    ) -> Option<Instant> {
        fds.clear();
        keys.clear();
        let mut due = None;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if let Some((_, since)) = entry.held {
                if now.saturating_duration_since(since) >= HOLD {
                    entry.held = None;
                } else {
                    let end = since + HOLD;
                    due = Some(due.map_or(end, |due: Instant| due.min(end)));
                }
            }
            if let Some(events) = entry.poll_events() {
                fds.push(PollFd::new(entry.fd, events));
                keys.push(Key {
                    index,
                    serial: entry.serial,
                });
            }
        }
        fds.push(PollFd::new(wake.as_raw_fd(), PollFd::IN));
        due
    }

    /// Turns what `poll` found into events.
    fn report(&mut self, fds: &[PollFd], keys: &[Key], events: &mut Events) {
        let now = Instant::now();
        let start = self.turn % fds.len().max(1);
        self.turn = 0;
        for index in (start..fds.len()).chain(0..start) {
            let (Some(fd), Some(key)) = (fds.get(index), keys.get(index)) else {
                break;
            };
            if fd.revents == 0 {
                continue;
            }
            // Another thread may have changed or reported the entry during the poll.
            let Some(entry) = self.entry(*key).filter(|entry| !entry.spent) else {
                continue;
            };
            let flags = fd.revents & (entry.wanted() | PollFd::ERR | PollFd::HUP);
            if flags == 0 {
                continue;
            }
            if events.buffer.len() == events.room {
                self.turn = index;
                break;
            }
            entry.reported(flags, now);
            events.buffer.push(libc::epoll_event {
                events: c_int::from(flags).cast_unsigned(),
                u64: entry.token,
            });
        }
        self.forget_closed(fds, keys);
    }

    /// Forgets descriptors that were closed without being deleted, as epoll does.
    fn forget_closed(&mut self, fds: &[PollFd], keys: &[Key]) {
        for (fd, key) in fds.iter().zip(keys) {
            if fd.revents & PollFd::NVAL != 0 {
                self.entries.retain(|entry| entry.serial != key.serial);
            }
        }
    }

    /// The entry as it was copied, or none if it was changed since.
    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        let index = match self.entries.get(key.index) {
            Some(entry) if entry.serial == key.serial => key.index,
            _ => self
                .entries
                .iter()
                .position(|entry| entry.serial == key.serial)?,
        };
        self.entries.get_mut(index)
    }
}

impl Entry {
    fn reported(&mut self, flags: i16, now: Instant) {
        self.spent = self.interest.contains(Interest::ONESHOT);
        if self.interest.contains(Interest::EDGE) && flags & LASTING != 0 {
            let before = self.held.map_or(0, |(before, _)| before);
            self.held = Some((before | flags & LASTING, now));
        }
    }

    /// What was asked for, in poll(2)'s terms.
    fn wanted(&self) -> i16 {
        let mut events = 0;
        for (interest, flag) in [
            (Interest::READ, PollFd::IN),
            (Interest::WRITE, PollFd::OUT),
            (Interest::RDHUP, PollFd::RDHUP),
        ] {
            if self.interest.contains(interest) {
                events |= flag;
            }
        }
        events
    }

    /// What to poll for now; `None` for a member that must not be polled at all.
    fn poll_events(&self) -> Option<i16> {
        let held = self.held.map_or(0, |(held, _)| held);
        // Errors and hang-ups cannot be masked: poll(2) would return at once.
        let silent = self.spent || held & (PollFd::HUP | PollFd::ERR) != 0;
        (!silent).then(|| self.wanted() & !held)
    }
}

/// Waits as on a kernel without `epoll_pwait2`, or stops doing so. For tests: nothing to force here.
pub fn force_coarse_wait(_forced: bool) {}
