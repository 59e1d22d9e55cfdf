// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads that are cancelled: where `pthread_cancel(3)` may end one, and where not.
//!
//! A cancelled thread ends in one of certain system calls, by an unwinding of C's own kind. Rust code can let that
//! pass only through frames that have nothing to clean up. So there are two kinds of code: what runs behind a
//! [`Shield`], or makes its system calls past the C library, where nothing is cancelled; and a wait as in
//! [`poll`], which is called by such frames alone.

use std::ffi::c_int;
use std::io;
use std::marker::PhantomData;
#[cfg(not(zmq_force_poll))]
use std::mem::MaybeUninit;
#[cfg(not(zmq_force_poll))]
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use crate::poll::PollFd;
use crate::signal::SignalSet;
use crate::sys;

const DISABLE: c_int = 1;

unsafe extern "C-unwind" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    #[link_name = "poll"]
    fn c_poll(fds: *mut libc::pollfd, count: libc::nfds_t, milliseconds: c_int) -> c_int;
    #[link_name = "ppoll"]
    fn c_ppoll(
        fds: *mut libc::pollfd,
        count: libc::nfds_t,
        time: *const libc::timespec,
        mask: *const libc::sigset_t,
    ) -> c_int;
    #[link_name = "epoll_wait"]
    fn c_epoll_wait(
        set: c_int,
        events: *mut libc::epoll_event,
        room: c_int,
        milliseconds: c_int,
    ) -> c_int;
}

/// As long as it is there the calling thread is not cancelled; what asks for that waits.
#[derive(Debug)]
pub struct Shield {
    before: c_int,
    /// It belongs to its thread.
    here: PhantomData<*mut ()>,
}

impl Shield {
    /// From here on.
    #[inline]
    pub fn raise() -> Self {
        let mut before = DISABLE;
        // SAFETY: the pointer leads to `before`; disabling never acts on a cancellation.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
        Self {
            before,
            here: PhantomData,
        }
    }
}

impl Drop for Shield {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: no pointer but null. A deferred cancellation, and only that is supported, is acted on at the next
        // system call that is meant for it, not here.
        unsafe { pthread_setcancelstate(self.before, ptr::null_mut()) };
    }
}

/// As [`poll`](crate::poll::poll), but a thread that is cancelled ends here: the unwinding passes through the calling
/// frames, none of which may have anything to clean up.
///
/// # Errors
/// Those of `poll(2)`.
#[inline]
pub fn poll(
    fds: &mut [PollFd],
    timeout: Option<Duration>,
    mask: Option<&SignalSet>,
) -> io::Result<usize> {
    let count = fds.len() as libc::nfds_t;
    let place = fds.as_mut_ptr().cast();
    let answer = match (timeout, mask) {
        // Valgrind 3.19 stumbles over `ppoll(2)`.
        // SAFETY: `fds` has the layout of pollfd and is as long as stated.
        (None, None) => unsafe { c_poll(place, count, -1) },
        (Some(time), None) if time >= LONG => {
            // SAFETY: as above.
            unsafe { c_poll(place, count, milliseconds(time)) }
        }
        _ => {
            let time = timeout.map(sys::timespec);
            let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
            let mask = mask.map_or(ptr::null(), SignalSet::as_ptr);
            // SAFETY: as above; the other pointers are null or lead to values that live through the call.
            unsafe { c_ppoll(place, count, time, mask) }
        }
    };
    sys::check(answer).map(|count| count.cast_unsigned() as usize)
}

/// The same for a set of descriptors; the time is for ever, or at least [`LONG`].
#[cfg(not(zmq_force_poll))]
#[inline]
pub(crate) fn epoll_wait(
    set: RawFd,
    events: &mut [MaybeUninit<libc::epoll_event>],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let room = c_int::try_from(events.len()).unwrap_or(c_int::MAX);
    let time = timeout.map_or(-1, milliseconds);
    // SAFETY: there is as much room as stated.
    let answer = unsafe { c_epoll_wait(set, events.as_mut_ptr().cast(), room, time) };
    sys::check(answer).map(|count| count.cast_unsigned() as usize)
}

fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// Waits as long as this may be a millisecond longer.
pub(crate) const LONG: Duration = Duration::from_millis(20);
