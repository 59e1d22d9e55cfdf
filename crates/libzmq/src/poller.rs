// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pollers: a set of sockets and descriptors to wait for.

use std::ffi::{c_int, c_long, c_short, c_void};
use std::os::fd::AsRawFd;
use std::ptr;
use std::thread::sleep;
use std::time::Duration;

use ferromq_os::cancel::Shield;
use ferromq_vocabulary::Code;

use crate::boundary::{self, Step};
use crate::errno::{self, FAILED};
use crate::handle::{self, Handled};
use crate::poll::{self, PollItem, event};
use crate::socket;

/// A `zmq_poller_event_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PollerEvent {
    /// The socket, or null for a descriptor.
    pub socket: *mut c_void,
    /// The descriptor.
    pub fd: c_int,
    /// What was given when it was added.
    pub user_data: *mut c_void,
    /// What was found.
    pub events: c_short,
}

const NOTHING: PollerEvent = PollerEvent {
    socket: ptr::null_mut(),
    fd: -1,
    user_data: ptr::null_mut(),
    events: 0,
};

#[derive(Default)]
struct Poller {
    entries: Vec<PollerEvent>,
}

// SAFETY: the pointers are handles, and the caller's business.
unsafe impl Send for Poller {}

impl Handled for Poller {
    const KIND: u8 = 3;
    const WRONG: Code = Code::Fault;
}

/// What a poller can wait for.
#[derive(Clone, Copy)]
enum Target {
    Socket(*mut c_void),
    Fd(c_int),
}

impl Target {
    fn check(self) -> Result<(), Code> {
        match self {
            Self::Socket(socket) => socket::with(socket, |_| Ok(())),
            Self::Fd(fd) if fd < 0 => Err(Code::Io(libc::EBADF)),
            Self::Fd(_) => Ok(()),
        }
    }

    fn is(self, entry: &PollerEvent) -> bool {
        match self {
            Self::Socket(socket) => entry.socket == socket,
            Self::Fd(fd) => entry.socket.is_null() && entry.fd == fd,
        }
    }
}

fn check_events(events: c_short) -> Result<(), Code> {
    let all = event::IN | event::OUT | event::ERR | event::PRI;
    if events & !all == 0 {
        Ok(())
    } else {
        Err(Code::Invalid)
    }
}

fn add(poller: *mut c_void, target: Target, user_data: *mut c_void, events: c_short) -> c_int {
    boundary::answer(|| {
        exists(poller)?;
        target.check()?;
        check_events(events)?;
        handle::with(poller, |poller: &mut Poller| {
            if poller.entries.iter().any(|entry| target.is(entry)) {
                return Err(Code::Invalid);
            }
            let (socket, fd) = match target {
                Target::Socket(socket) => (socket, -1),
                Target::Fd(fd) => (ptr::null_mut(), fd),
            };
            poller.entries.push(PollerEvent {
                socket,
                fd,
                user_data,
                events,
            });
            Ok(())
        })
    })
}

fn modify(poller: *mut c_void, target: Target, events: c_short) -> c_int {
    boundary::answer(|| {
        exists(poller)?;
        target.check()?;
        check_events(events)?;
        handle::with(poller, |poller: &mut Poller| {
            let entry = poller.entries.iter_mut().find(|entry| target.is(entry));
            entry.ok_or(Code::Invalid)?.events = events;
            Ok(())
        })
    })
}

fn remove(poller: *mut c_void, target: Target) -> c_int {
    boundary::answer(|| {
        exists(poller)?;
        target.check()?;
        handle::with(poller, |poller: &mut Poller| {
            let place = poller.entries.iter().position(|entry| target.is(entry));
            poller.entries.remove(place.ok_or(Code::Invalid)?);
            Ok(())
        })
    })
}

fn exists(poller: *mut c_void) -> Result<(), Code> {
    handle::with(poller, |_: &mut Poller| Ok(()))
}

/// Makes a poller.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_new() -> *mut c_void {
    boundary::call(ptr::null_mut(), || handle::insert(Box::<Poller>::default()))
}

/// Ends it and clears the pointer to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_destroy(poller: *mut *mut c_void) -> c_int {
    boundary::answer(|| {
        if poller.is_null() {
            return Err(Code::Fault);
        }
        // SAFETY: the caller's pointer.
        drop(handle::remove::<Poller>(unsafe { poller.read() })?);
        // SAFETY: as above.
        unsafe { poller.write(ptr::null_mut()) };
        Ok(())
    })
}

/// How many sockets and descriptors it waits for.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_size(poller: *mut c_void) -> c_int {
    boundary::call(FAILED, || {
        handle::with(poller, |poller: &mut Poller| {
            Ok(c_int::try_from(poller.entries.len()).unwrap_or(c_int::MAX))
        })
    })
}

/// Adds a socket.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_add(
    poller: *mut c_void,
    socket: *mut c_void,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    add(poller, Target::Socket(socket), user_data, events)
}

/// Changes what is waited for on a socket.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_modify(
    poller: *mut c_void,
    socket: *mut c_void,
    events: c_short,
) -> c_int {
    modify(poller, Target::Socket(socket), events)
}

/// Removes a socket.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_remove(poller: *mut c_void, socket: *mut c_void) -> c_int {
    remove(poller, Target::Socket(socket))
}

/// Adds a descriptor.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_add_fd(
    poller: *mut c_void,
    fd: c_int,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    add(poller, Target::Fd(fd), user_data, events)
}

/// Changes what is waited for on a descriptor.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_modify_fd(poller: *mut c_void, fd: c_int, events: c_short) -> c_int {
    modify(poller, Target::Fd(fd), events)
}

/// Removes a descriptor.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_remove_fd(poller: *mut c_void, fd: c_int) -> c_int {
    remove(poller, Target::Fd(fd))
}

/// Waits for one event; 0 when there is one, -1 with EAGAIN when the time is over.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poller_wait(
    poller: *mut c_void,
    found: *mut PollerEvent,
    timeout: c_long,
) -> c_int {
    // SAFETY: as the caller promises.
    let count = unsafe { zmq_poller_wait_all(poller, found, 1, timeout) };
    if count < 0 {
        if !found.is_null() {
            // SAFETY: as the caller promises.
            unsafe { found.write(NOTHING) };
        }
        return FAILED;
    }
    0
}

/// Waits for up to `count` events; returns how many there are, -1 with EAGAIN when the time is over.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poller_wait_all(
    poller: *mut c_void,
    found: *mut PollerEvent,
    count: c_int,
    timeout: c_long,
) -> c_int {
    boundary::call_in_steps(
        FAILED,
        || {
            let _shield = Shield::raise();
            let entries = entries_of(poller)?;
            if found.is_null() {
                return Err(Code::Fault);
            }
            // SAFETY: as the caller promises.
            let found = unsafe { places(found, count) }?;
            if entries.iter().all(|entry| entry.events == 0) {
                return Err(nothing_to_wait_for(timeout));
            }
            let mut items: Vec<_> = entries.iter().map(item).collect();
            let step = poll::begin(&mut items, poll::deadline(timeout), None)?;
            tell(step, &entries, &items, found)
        },
        || {
            let entries = entries_of(poller)?;
            let mut items: Vec<_> = entries.iter().map(item).collect();
            let step = poll::go_on(&mut items)?;
            // SAFETY: as the caller promises.
            let found = unsafe { places(found, count) }?;
            tell(step, &entries, &items, found)
        },
    )
}

fn entries_of(poller: *mut c_void) -> Result<Vec<PollerEvent>, Code> {
    handle::with(poller, |poller: &mut Poller| Ok(poller.entries.clone()))
}

/// # Safety
/// `found` leads to room for `count` events that nobody else uses while the result is used.
unsafe fn places<'a>(found: *mut PollerEvent, count: c_int) -> Result<&'a mut [PollerEvent], Code> {
    let count = usize::try_from(count).map_err(|_negative| Code::Invalid)?;
    // SAFETY: as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts_mut(found, count) })
}

/// Tells what has been found, if anything has.
fn tell(
    step: Step<usize>,
    entries: &[PollerEvent],
    items: &[PollItem],
    found: &mut [PollerEvent],
) -> Result<Step<c_int>, Code> {
    let Step::Done(ready) = step else {
        return Ok(Step::Sleep);
    };
    let events = entries.iter().zip(items);
    let mut events = events.filter(|(_, item)| item.revents != 0);
    for place in found.iter_mut() {
        *place = events.next().map_or(NOTHING, |(entry, item)| PollerEvent {
            events: item.revents,
            ..*entry
        });
    }
    if ready == 0 {
        return Err(Code::Again);
    }
    let ready = c_int::try_from(ready.min(found.len()));
    Ok(Step::Done(ready.unwrap_or(c_int::MAX)))
}

fn item(entry: &PollerEvent) -> PollItem {
    PollItem {
        socket: entry.socket,
        fd: entry.fd,
        events: entry.events,
        revents: 0,
    }
}

/// An empty poller lets time pass, unless that were for ever.
fn nothing_to_wait_for(timeout: c_long) -> Code {
    let Ok(limit) = u64::try_from(timeout) else {
        return Code::Fault;
    };
    sleep(Duration::from_millis(limit));
    Code::Again
}

/// The descriptor that shows when a thread-safe socket of the poller may be ready; there must be
/// exactly one such socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_fd(poller: *mut c_void, fd: *mut c_int) -> c_int {
    boundary::answer(|| {
        let entries = entries_of(poller)?;
        if fd.is_null() {
            return Err(Code::Fault);
        }
        for entry in entries.iter().filter(|entry| !entry.socket.is_null()) {
            let found = socket::with(entry.socket, |engine| {
                if !engine.socket_type().is_thread_safe() {
                    return Ok(None);
                }
                Ok(Some(engine.readiness_fd()?.as_raw_fd()))
            })?;
            if let Some(found) = found {
                // SAFETY: the caller's place for it.
                unsafe { fd.write(found) };
                return Ok(());
            }
        }
        errno::set(libc::EINVAL);
        Err(Code::Invalid)
    })
}
