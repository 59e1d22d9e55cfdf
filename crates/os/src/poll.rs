// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for few descriptors, with nanosecond timeouts.

use std::ffi::c_int;
use std::io;
use std::mem::offset_of;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use crate::signal::SignalSet;
use crate::sys;

/// One descriptor to wait for, laid out as the system's `struct pollfd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PollFd {
    /// The descriptor; a negative one is skipped.
    pub fd: RawFd,
    /// What to wait for: [`IN`](Self::IN), [`OUT`](Self::OUT), [`PRI`](Self::PRI).
    pub events: i16,
    /// What has happened, filled by [`poll`].
    pub revents: i16,
}

const _: () = assert!(size_of::<PollFd>() == size_of::<libc::pollfd>());
const _: () = assert!(align_of::<PollFd>() == align_of::<libc::pollfd>());
const _: () = assert!(offset_of!(PollFd, fd) == offset_of!(libc::pollfd, fd));
const _: () = assert!(offset_of!(PollFd, events) == offset_of!(libc::pollfd, events));
const _: () = assert!(offset_of!(PollFd, revents) == offset_of!(libc::pollfd, revents));

impl PollFd {
    /// Something to read, or the end of it.
    pub const IN: i16 = libc::POLLIN;
    /// Room to write.
    pub const OUT: i16 = libc::POLLOUT;
    /// An error is pending; reported without being asked for.
    pub const ERR: i16 = libc::POLLERR;
    /// Something urgent to read.
    pub const PRI: i16 = libc::POLLPRI;
    /// Both directions are shut; reported without being asked for.
    pub const HUP: i16 = libc::POLLHUP;
    /// Not an open descriptor; reported without being asked for.
    pub const NVAL: i16 = libc::POLLNVAL;
    /// The peer has shut its sending direction.
    pub const RDHUP: i16 = libc::POLLRDHUP;

    /// Waits for `events` on `fd`.
    #[inline]
    pub const fn new(fd: RawFd, events: i16) -> Self {
        Self {
            fd,
            events,
            revents: 0,
        }
    }

    /// Reading will not block: data, end of stream, hang-up or an error.
    #[inline]
    pub const fn readable(&self) -> bool {
        self.revents & (Self::IN | Self::HUP | Self::ERR) != 0
    }

    /// Writing will not block: room, hang-up or an error.
    #[inline]
    pub const fn writable(&self) -> bool {
        self.revents & (Self::OUT | Self::HUP | Self::ERR) != 0
    }
}

/// Waits until something happens or the time is over; answers how many descriptors have news.
///
/// `None` waits for ever. A signal ends the wait with [`io::ErrorKind::Interrupted`].
#[inline]
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    match milliseconds(timeout) {
        Some(whole) => poll_coarsely(fds, whole),
        None => poll_masked(fds, timeout, None),
    }
}

/// The time in whole milliseconds, -1 for ever; `None` if it is no such number.
fn milliseconds(timeout: Option<Duration>) -> Option<c_int> {
    match timeout {
        None => Some(-1),
        Some(time) if time.subsec_nanos() % 1_000_000 == 0 => {
            c_int::try_from(time.as_millis()).ok()
        }
        Some(_finer) => None,
    }
}

/// Without a mask and a finer clock `poll(2)` does: valgrind 3.19 stumbles over `ppoll(2)`.
fn poll_coarsely(fds: &mut [PollFd], milliseconds: c_int) -> io::Result<usize> {
    // SAFETY: `fds` has the layout of pollfd (asserted above) and is as long as stated.
    let answer = unsafe {
        libc::poll(
            fds.as_mut_ptr().cast(),
            fds.len() as libc::nfds_t,
            milliseconds,
        )
    };
    sys::check(answer).map(|count| count.cast_unsigned() as usize)
}

/// As [`poll`]; during the wait the thread blocks exactly the signals in `mask`.
#[inline]
pub fn poll_masked(
    fds: &mut [PollFd],
    timeout: Option<Duration>,
    mask: Option<&SignalSet>,
) -> io::Result<usize> {
    let time = timeout.map(sys::timespec);
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mask = mask.map_or(ptr::null(), SignalSet::as_ptr);
    // SAFETY: `fds` has the layout of pollfd (asserted above) and is as long as stated; the other
    // two pointers are null or lead to values that live through the call.
    let answer = unsafe {
        libc::ppoll(
            fds.as_mut_ptr().cast(),
            fds.len() as libc::nfds_t,
            time,
            mask,
        )
    };
    sys::check(answer).map(|count| count.cast_unsigned() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_fd::EventFd;
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    #[test]
    fn timeouts_are_finer_than_a_millisecond() {
        let shortest = (0..50)
            .map(|_| {
                let start = Instant::now();
                assert_eq!(poll(&mut [], Some(Duration::from_micros(100))).unwrap(), 0);
                start.elapsed()
            })
            .min()
            .unwrap();
        assert!(shortest >= Duration::from_micros(100));
        assert!(shortest < Duration::from_millis(1), "{shortest:?}");
    }

    #[test]
    fn closed_descriptors_are_reported_and_negative_ones_skipped() {
        let event = EventFd::new().unwrap();
        event.signal();
        let mut fds = [
            PollFd::new(-1, PollFd::IN),
            PollFd::new(i32::MAX, PollFd::IN),
            PollFd::new(event.as_raw_fd(), PollFd::IN | PollFd::OUT),
        ];
        assert_eq!(
            poll_masked(&mut fds, None, Some(&SignalSet::full())).unwrap(),
            2
        );
        assert_eq!(fds[0].revents, 0);
        assert_eq!(fds[1].revents, PollFd::NVAL);
        assert!(fds[2].readable() && fds[2].writable());
    }
}
