// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waking a thread that waits for descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::sys::{self, direct};

/// A descriptor that is readable from [`signal`](Self::signal) to [`clear`](Self::clear).
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// Not signalled.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd() takes no pointers.
        let answer = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        // SAFETY: `answer` is a fresh descriptor or negative.
        unsafe { sys::own(answer) }.map(Self)
    }

    /// Makes the descriptor readable. Never blocks; signalling twice is signalling once.
    #[inline]
    pub fn signal(&self) {
        let one: u64 = 1;
        // SAFETY: the pointer leads to `one`. The only possible failure is a full
        // counter, which is a signalled one.
        unsafe { direct::write_word(self.0.as_raw_fd(), &raw const one) };
    }

    /// Makes the descriptor unreadable until the next signal. Never blocks.
    #[inline]
    pub fn clear(&self) {
        let mut count: u64 = 0;
        // SAFETY: the pointer leads to `count`. The only possible failure is an
        // empty counter, which is a cleared one.
        unsafe { direct::read_word(self.0.as_raw_fd(), &raw mut count) };
    }
}

impl AsFd for EventFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventFd {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::{PollFd, poll};
    use std::time::Duration;

    #[test]
    fn readable_from_signal_to_clear() {
        let event = EventFd::new().unwrap();
        let mut fds = [PollFd::new(event.as_raw_fd(), PollFd::IN)];
        assert_eq!(poll(&mut fds, Some(Duration::ZERO)).unwrap(), 0);
        event.signal();
        event.signal();
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        event.clear();
        event.clear();
        assert_eq!(poll(&mut fds, Some(Duration::ZERO)).unwrap(), 0);
    }
}
