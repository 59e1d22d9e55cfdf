// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for many sockets and descriptors.

use std::ffi::{c_int, c_long, c_short, c_void};
use std::io;
use std::time::{Duration, Instant};

use ferromq_engine::Ticket;
use ferromq_os::poll::{PollFd, poll_masked};
use ferromq_os::signal::{RawSignalSet, SignalSet};
use ferromq_vocabulary::Code;

use crate::boundary;
use crate::errno::FAILED;
use crate::handle;
use crate::send;
use crate::socket::{self, Socket};

/// What can be waited for.
pub(crate) mod event {
    use std::ffi::c_short;

    pub(crate) const IN: c_short = 1;
    pub(crate) const OUT: c_short = 2;
    pub(crate) const ERR: c_short = 4;
    pub(crate) const PRI: c_short = 8;
}

/// A `zmq_pollitem_t`: one thing to wait for, and what was found.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PollItem {
    /// A socket, or null for a descriptor.
    pub socket: *mut c_void,
    /// The descriptor.
    pub fd: c_int,
    /// What to wait for.
    pub events: c_short,
    /// What was found.
    pub revents: c_short,
}

/// Waits until one of the items is ready, for so many milliseconds or (-1) for ever; returns how
/// many are.
///
/// `items` leads to `count` items.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poll(items: *mut PollItem, count: c_int, timeout: c_long) -> c_int {
    boundary::call(FAILED, || {
        // SAFETY: as the caller promises.
        let items = unsafe { items_of(items, count) }?;
        Ok(send::count(wait(items, deadline(timeout), None)?))
    })
}

/// As `zmq_poll`, with other signals blocked while it waits.
///
/// `items` leads to `count` items, `mask` to a `sigset_t`, or it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ppoll(
    items: *mut PollItem,
    count: c_int,
    timeout: c_long,
    mask: *const c_void,
) -> c_int {
    boundary::call(FAILED, || {
        // SAFETY: as the caller promises.
        let items = unsafe { items_of(items, count) }?;
        // SAFETY: null or as the caller promises.
        let mask = unsafe { mask.cast::<RawSignalSet>().as_ref() };
        let mask = mask.map(|mask| SignalSet::from_raw(*mask));
        Ok(send::count(wait(items, deadline(timeout), mask.as_ref())?))
    })
}

/// # Safety
/// `items` leads to `count` items that nobody else uses.
unsafe fn items_of<'a>(items: *mut PollItem, count: c_int) -> Result<&'a mut [PollItem], Code> {
    let count = usize::try_from(count).map_err(|_negative| Code::Invalid)?;
    if count == 0 {
        return Ok(&mut []);
    }
    if items.is_null() {
        return Err(Code::Fault);
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts_mut(items, count) })
}

/// Until when to wait for so many milliseconds; `None` is for ever.
pub(crate) fn deadline(milliseconds: c_long) -> Option<Instant> {
    let limit = u64::try_from(milliseconds).ok()?;
    Instant::now().checked_add(Duration::from_millis(limit))
}

/// Waits until one of the items is ready; returns how many are, 0 when the deadline has come. The
/// first look never sleeps. With a mask exactly these signals are blocked while it sleeps.
pub(crate) fn wait(
    items: &mut [PollItem],
    deadline: Option<Instant>,
    mask: Option<&SignalSet>,
) -> Result<usize, Code> {
    look_at_descriptors(items)?;
    loop {
        let ready = look_at_sockets(items)?;
        if ready > 0 || deadline.is_some_and(|at| at <= Instant::now()) {
            return Ok(ready);
        }
        let mut sleepers = Sleepers::default();
        if sleepers.announce(items)? {
            sleepers.sleep(items, deadline, mask)?;
        } else {
            look_at_descriptors(items)?;
        }
    }
}

/// Looks at the descriptors once. They come first: one of them may be the `ZMQ_FD` of a socket, and
/// a look at that takes in what the descriptor tells of.
fn look_at_descriptors(items: &mut [PollItem]) -> Result<(), Code> {
    let watched = |item: &&mut PollItem| item.socket.is_null();
    let mut fds: Vec<_> = items
        .iter_mut()
        .filter(watched)
        .map(|item| PollFd::new(item.fd, to_system(item.events)))
        .collect();
    if !fds.is_empty() {
        poll_masked(&mut fds, Some(Duration::ZERO), None).map_err(|error| code(&error))?;
    }
    for (item, fd) in items.iter_mut().filter(watched).zip(&fds) {
        item.revents = from_system(fd.revents);
    }
    Ok(())
}

/// Looks at the sockets once; returns how many items, descriptors included, are ready.
fn look_at_sockets(items: &mut [PollItem]) -> Result<usize, Code> {
    for item in &mut *items {
        if !item.socket.is_null() {
            item.revents = found(item.socket)? & item.events;
        }
    }
    Ok(items.iter().filter(|item| item.revents != 0).count())
}

/// What a socket could do at once.
fn found(socket: *mut c_void) -> Result<c_short, Code> {
    let ready = socket::with(socket, |engine| engine.readiness())?;
    let readable = if ready.readable { event::IN } else { 0 };
    let writable = if ready.writable { event::OUT } else { 0 };
    Ok(readable | writable)
}

/// The waits that have been announced to sockets; taken back when dropped.
#[derive(Default)]
struct Sleepers {
    tickets: Vec<(Waiting, Ticket)>,
    fds: Vec<PollFd>,
}

struct Waiting {
    socket: *mut c_void,
    readers: u32,
    writers: u32,
}

impl Sleepers {
    /// Announces the wait to every socket; false if one has something after all.
    fn announce(&mut self, items: &[PollItem]) -> Result<bool, Code> {
        for item in items {
            if item.socket.is_null() {
                self.fds.push(PollFd::new(item.fd, to_system(item.events)));
                continue;
            }
            let input = item.events & event::IN != 0;
            let room = item.events & event::OUT != 0;
            let waiting = Waiting {
                socket: item.socket,
                readers: input.into(),
                writers: room.into(),
            };
            let prepared = handle::with(item.socket, |body: &mut Socket| {
                let prepared = body.engine.prepare(input, room)?;
                body.look_for_others();
                let Some(ticket) = prepared else {
                    return Ok(None);
                };
                let fd = body.engine.pollable_fd()?;
                body.readers += waiting.readers;
                body.writers += waiting.writers;
                Ok(Some((ticket, fd)))
            })?;
            let Some((ticket, fd)) = prepared else {
                return Ok(false);
            };
            self.fds.push(PollFd::new(fd, PollFd::IN));
            self.tickets.push((waiting, ticket));
        }
        Ok(true)
    }

    fn sleep(
        &mut self,
        items: &mut [PollItem],
        deadline: Option<Instant>,
        mask: Option<&SignalSet>,
    ) -> Result<(), Code> {
        let timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let slept = poll_masked(&mut self.fds, timeout, mask);
        for (item, fd) in items.iter_mut().zip(&self.fds) {
            if item.socket.is_null() {
                item.revents = from_system(fd.revents);
            } else if fd.revents != 0 {
                socket::with(item.socket, |engine| {
                    engine.drain_readiness();
                    Ok(())
                })?;
            }
        }
        slept.map(|_ready| ()).map_err(|error| code(&error))
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for (waiting, ticket) in self.tickets.drain(..) {
            drop(ticket);
            // Whoever has closed it meanwhile has forgotten us.
            let _closed = handle::with(waiting.socket, |body: &mut Socket| {
                body.readers -= waiting.readers;
                body.writers -= waiting.writers;
                Ok(())
            });
        }
    }
}

/// What to ask the system for.
fn to_system(events: c_short) -> c_short {
    let pairs = [
        (event::IN, PollFd::IN),
        (event::OUT, PollFd::OUT),
        (event::PRI, PollFd::PRI),
    ];
    pairs
        .iter()
        .filter(|(ours, _)| events & ours != 0)
        .fold(0, |all, (_, system)| all | system)
}

/// What the system has found; whatever else there is counts as an error.
fn from_system(found: c_short) -> c_short {
    let pairs = [
        (event::IN, PollFd::IN),
        (event::OUT, PollFd::OUT),
        (event::PRI, PollFd::PRI),
        (event::ERR, !(PollFd::IN | PollFd::OUT | PollFd::PRI)),
    ];
    pairs
        .iter()
        .filter(|(_, system)| found & system != 0)
        .fold(0, |all, (ours, _)| all | ours)
}

fn code(error: &io::Error) -> Code {
    error.raw_os_error().map_or(Code::Invalid, Code::from_errno)
}
