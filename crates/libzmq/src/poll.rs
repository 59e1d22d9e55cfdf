// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for many sockets and descriptors.

use std::ffi::{c_int, c_long, c_short, c_void};
use std::io;
use std::mem;
use std::ptr;
use std::time::{Duration, Instant};

use ferromq_engine::MANY_SOCKETS;
use ferromq_os::cancel::Shield;
use ferromq_os::poll::{PollFd, poll_masked};
use ferromq_os::signal::{RawSignalSet, SignalSet};
use ferromq_vocabulary::Code;

use crate::boundary::{self, Step};
use crate::errno::FAILED;
use crate::handle;
use crate::send;
use crate::sleep::{self, Many, Waiting};
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
pub unsafe extern "C-unwind" fn zmq_poll(
    items: *mut PollItem,
    count: c_int,
    timeout: c_long,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_ppoll(items, count, timeout, ptr::null()) }
}

/// As `zmq_poll`, with other signals blocked while it waits.
///
/// `items` leads to `count` items, `mask` to a `sigset_t`, or it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_ppoll(
    items: *mut PollItem,
    count: c_int,
    timeout: c_long,
    mask: *const c_void,
) -> c_int {
    // SAFETY: as the caller promises.
    let items = || unsafe { items_of(items, count) };
    let mut until = None;
    boundary::call_in_steps(
        FAILED,
        || {
            let _shield = Shield::raise();
            until = deadline(timeout);
            // SAFETY: null or as the caller promises.
            let mask = unsafe { mask.cast::<RawSignalSet>().as_ref() };
            let mask = mask.map(|mask| SignalSet::from_raw(*mask));
            Ok(begin(items()?, until, mask)?.map(send::count))
        },
        || Ok(go_on(items()?)?.map(send::count)),
    )
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

/// Begins to wait until one of the items is ready: how many are, 0 when the deadline has come, or a sleep to come
/// before [`go_on`]. The first look never sleeps. With a mask exactly these signals are blocked while it sleeps.
pub(crate) fn begin(
    items: &mut [PollItem],
    deadline: Option<Instant>,
    mask: Option<SignalSet>,
) -> Result<Step<usize>, Code> {
    look_at_descriptors(items)?;
    look(items, deadline, mask, None)
}

/// Goes on after a sleep.
pub(crate) fn go_on(items: &mut [PollItem]) -> Result<Step<usize>, Code> {
    let mut many = sleep::take_many()?;
    for (item, fd) in items.iter_mut().zip(&many.fds) {
        if item.socket.is_null() {
            item.revents = from_system(fd.revents);
        } else if fd.revents != 0 {
            socket::with(item.socket, |engine| {
                engine.drain_readiness();
                Ok(())
            })?;
        }
    }
    many.end();
    many.slept?;
    let told = mem::take(&mut many.fds);
    look(items, many.deadline, many.mask, Some(told))
}

/// Looks until something is ready, or there is reason to sleep. `told` is what the system has just told of the items.
fn look(
    items: &mut [PollItem],
    deadline: Option<Instant>,
    mask: Option<SignalSet>,
    mut told: Option<Vec<PollFd>>,
) -> Result<Step<usize>, Code> {
    loop {
        let ready = look_at_sockets(items, told.take())?;
        if ready > 0 || deadline.is_some_and(|at| at <= Instant::now()) {
            return Ok(Step::Done(ready));
        }
        let mut many = Many::new(deadline, mask);
        if announce(&mut many, items)? {
            sleep::leave_many(many)?;
            return Ok(Step::Sleep);
        }
        look_at_descriptors(items)?;
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
fn look_at_sockets(items: &mut [PollItem], told: Option<Vec<PollFd>>) -> Result<usize, Code> {
    let told = match told {
        Some(told) => told,
        None => ask_for_all(items)?,
    };
    for (index, item) in items.iter_mut().enumerate() {
        if !item.socket.is_null() {
            let is_quiet = told.get(index).is_some_and(|fd| fd.revents == 0);
            item.revents = found(item.socket, is_quiet)? & item.events;
        }
    }
    Ok(items.iter().filter(|item| item.revents != 0).count())
}

/// What the descriptors of many sockets tell, each at its item's place; nothing for a few.
fn ask_for_all(items: &[PollItem]) -> Result<Vec<PollFd>, Code> {
    let sockets = items.iter().filter(|item| !item.socket.is_null()).count();
    if sockets < MANY_SOCKETS {
        return Ok(Vec::new());
    }
    let mut fds = Vec::with_capacity(items.len());
    for item in items {
        fds.push(if item.socket.is_null() {
            PollFd::new(-1, 0)
        } else {
            let fd = socket::with(item.socket, |engine| engine.pollable_fd())?;
            PollFd::new(fd, PollFd::IN)
        });
    }
    poll_masked(&mut fds, Some(Duration::ZERO), None).map_err(|error| code(&error))?;
    Ok(fds)
}

/// What a socket could do at once; its descriptor may have told that the kernel has nothing new.
fn found(socket: *mut c_void, is_quiet: bool) -> Result<c_short, Code> {
    let ready = socket::with(socket, |engine| {
        if is_quiet {
            engine.readiness_of_quiet()
        } else {
            engine.readiness()
        }
    })?;
    let readable = if ready.readable { event::IN } else { 0 };
    let writable = if ready.writable { event::OUT } else { 0 };
    Ok(readable | writable)
}

/// Announces the wait to every socket; false if one has something after all.
fn announce(many: &mut Many, items: &[PollItem]) -> Result<bool, Code> {
    for item in items {
        if item.socket.is_null() {
            many.fds.push(PollFd::new(item.fd, to_system(item.events)));
            continue;
        }
        let input = item.events & event::IN != 0;
        let room = item.events & event::OUT != 0;
        let prepared = handle::with(item.socket, |body: &mut Socket| {
            let prepared = body.engine.prepare(input, room)?;
            body.look_for_others();
            let Some(ticket) = prepared else {
                return Ok(None);
            };
            let fd = body.engine.pollable_fd()?;
            Ok(Some((
                Waiting::begin(body, item.socket, input, room),
                ticket,
                fd,
            )))
        })?;
        let Some((waiting, ticket, fd)) = prepared else {
            return Ok(false);
        };
        many.fds.push(PollFd::new(fd, PollFd::IN));
        many.add(waiting, ticket);
    }
    Ok(true)
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
