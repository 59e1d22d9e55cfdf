// SPDX-License-Identifier: MIT OR Apache-2.0
//! The epoll back end.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Events, Interest, MAX_EVENTS};
use crate::cancel;
use crate::poll::{PollFd, poll};
use crate::sys::{self, direct};

/// A set of descriptors to wait for; see the [module](super) for the contract.
///
/// The set is shared with forked children: a child must neither change it nor wait on it.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// Empty.
    pub fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1() takes no pointers.
        let answer = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        // SAFETY: `answer` is a fresh descriptor or negative.
        unsafe { sys::own(answer) }.map(Self)
    }

    /// Adds a descriptor that is not in the set.
    #[inline]
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes token and interest of a descriptor in the set, and wakes a silent one-shot member.
    #[inline]
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Removes a descriptor. A wait that is returning in another thread may still report it.
    #[inline]
    pub fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::NONE)
    }

    /// Waits until something is ready or the time is over; answers how many events there are.
    ///
    /// `None` waits for ever, `Some(ZERO)` not at all. A signal ends the wait with
    /// [`io::ErrorKind::Interrupted`]. On an error `events` is empty.
    #[inline]
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<usize> {
        events.buffer.clear();
        match timeout {
            None => self.wait_coarse(events, -1),
            Some(Duration::ZERO) => self.wait_coarse(events, 0),
            Some(time) => self.wait_fine(events, time),
        }
    }

    /// As [`wait`](Self::wait), but a thread that is cancelled ends here: see [`cancel`](crate::cancel).
    ///
    /// # Errors
    /// As for `wait`.
    #[inline]
    pub fn wait_cancellably(
        &self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        events.buffer.clear();
        if timeout.is_none_or(|time| time >= cancel::LONG) {
            let room = free(events);
            let count = cancel::epoll_wait(self.0.as_raw_fd(), room, timeout)?;
            // SAFETY: the kernel has filled so many.
            unsafe { events.buffer.set_len(count) };
            return Ok(count);
        }
        let mut fds = [PollFd::new(self.0.as_raw_fd(), PollFd::IN)];
        match cancel::poll(&mut fds, timeout, None)? {
            0 => Ok(0),
            _ => self.wait_coarse(events, 0),
        }
    }

    /// A descriptor that is readable while this set has something to report, to be waited for or
    /// put into another set. `None` where the back end has no such thing.
    #[inline]
    pub fn as_pollable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    #[inline]
    fn control(
        &self,
        operation: c_int,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.0,
            u64: token,
        };
        // SAFETY: `event` lives through the call; the descriptors are open.
        let answer = unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                operation,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        sys::check(answer).map(drop)
    }

    /// Waits for some milliseconds, -1 being for ever.
    #[inline]
    fn wait_coarse(&self, events: &mut Events, milliseconds: c_int) -> io::Result<usize> {
        // SAFETY: the buffer has room for as many events as stated.
        let answer = unsafe {
            direct::epoll_wait(
                self.0.as_raw_fd(),
                events.buffer.as_mut_ptr(),
                room(events),
                milliseconds,
            )
        };
        let count = sys::check(answer)?.cast_unsigned() as usize;
        // SAFETY: the kernel has filled so many.
        unsafe { events.buffer.set_len(count) };
        Ok(count)
    }

    /// Waits for some nanoseconds.
    fn wait_fine(&self, events: &mut Events, time: Duration) -> io::Result<usize> {
        if !COARSE.load(Ordering::Relaxed) {
            let time = sys::timespec(time);
            // SAFETY: the buffer has room for as many events as stated, `time` lives through the
            // call, and without a signal mask its size is not looked at.
            let answer = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    self.0.as_raw_fd(),
                    events.buffer.as_mut_ptr(),
                    room(events),
                    &raw const time,
                    ptr::null::<libc::sigset_t>(),
                    0_usize,
                )
            };
            match usize::try_from(answer) {
                Ok(count) => {
                    // SAFETY: the kernel has filled so many.
                    unsafe { events.buffer.set_len(count) };
                    return Ok(count);
                }
                Err(_negative) => {
                    let error = io::Error::last_os_error();
                    // Before Linux 5.11, under valgrind, or in a sandbox that knows no better.
                    if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) {
                        return Err(error);
                    }
                    COARSE.store(true, Ordering::Relaxed);
                }
            }
        }
        if time >= LONG {
            let milliseconds = time.as_nanos().div_ceil(1_000_000);
            return self.wait_coarse(events, c_int::try_from(milliseconds).unwrap_or(c_int::MAX));
        }
        let mut fds = [PollFd::new(self.0.as_raw_fd(), PollFd::IN)];
        match poll(&mut fds, Some(time))? {
            0 => Ok(0),
            _ => self.wait_coarse(events, 0),
        }
    }
}

/// Waits as on a kernel without `epoll_pwait2`, or stops doing so. For tests.
pub fn force_coarse_wait(forced: bool) {
    COARSE.store(forced, Ordering::Relaxed);
}

/// Without a finer clock, waits as long as this may be a millisecond longer.
const LONG: Duration = Duration::from_millis(20);

/// There is no `epoll_pwait2` here.
static COARSE: AtomicBool = AtomicBool::new(false);

/// Where the kernel puts events; nothing is there yet.
#[inline]
fn free(events: &mut Events) -> &mut [MaybeUninit<libc::epoll_event>] {
    let room = events.room;
    let free = events.buffer.spare_capacity_mut();
    let room = room.min(free.len());
    &mut free[..room]
}

#[inline]
fn room(events: &Events) -> c_int {
    const { assert!(MAX_EVENTS <= c_int::MAX as usize) };
    c_int::try_from(events.room).unwrap_or(c_int::MAX)
}
