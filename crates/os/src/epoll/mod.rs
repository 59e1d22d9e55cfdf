// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for many descriptors.
//!
//! [`Epoll`] has two back ends with the same contract:
//!
//! 1. `kernel`: epoll(7), the default
//! 2. `table`: poll(2) over a table of our own, with `--cfg zmq_force_poll`; the base for systems
//!    without epoll, and what tells a wrong assumption about epoll from a right one
//!
//! The contract: a set of descriptors, each with a token and an [`Interest`]. [`Epoll::wait`]
//! reports what is ready. Every method takes `&self`, and the set may be changed while another
//! thread waits; a change takes effect in that wait. Errors and hang-ups are reported whether asked
//! for or not, *also with [`Interest::NONE`]*; only after a [`ONESHOT`](Interest::ONESHOT) report a
//! member is silent. [`modify`](Epoll::modify) and [`add`](Epoll::add) look at the present state:
//! what is ready already is reported even with [`EDGE`](Interest::EDGE). An `EDGE` member may be
//! reported more often than there are edges, never less. A descriptor is deleted before it is
//! closed: epoll forgets a closed one by itself, a table may take its successor for it.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

mod bell;
#[cfg(not(zmq_force_poll))]
mod kernel;
#[cfg(any(zmq_force_poll, test))]
#[cfg_attr(
    not(zmq_force_poll),
    expect(dead_code, unreachable_pub, reason = "the tests run both back ends")
)]
mod table;

pub use bell::BellSet;
#[cfg(not(zmq_force_poll))]
pub use kernel::{Epoll, force_coarse_wait};
#[cfg(zmq_force_poll)]
pub use table::{Epoll, force_coarse_wait};

/// What to wait for, and how to report it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interest(u32);

impl Interest {
    /// Nothing but errors and hang-ups, which cannot be refused: with `NONE` alone a connection
    /// that hangs up is reported by every wait. `NONE | ONESHOT` reports it once.
    pub const NONE: Self = Self(0);
    /// Something to read, or the end of it.
    pub const READ: Self = Self(libc::EPOLLIN.cast_unsigned());
    /// Room to write.
    pub const WRITE: Self = Self(libc::EPOLLOUT.cast_unsigned());
    /// The peer has shut its sending direction.
    pub const RDHUP: Self = Self(libc::EPOLLRDHUP.cast_unsigned());
    /// Report when readiness comes, not as long as it lasts.
    pub const EDGE: Self = Self(libc::EPOLLET.cast_unsigned());
    /// Report once, then stay silent until [`Epoll::modify`].
    pub const ONESHOT: Self = Self(libc::EPOLLONESHOT.cast_unsigned());

    /// Whether everything in `other` is in `self`.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Interest {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Interest {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Interest, &str); 5] = [
            (Interest::READ, "READ"),
            (Interest::WRITE, "WRITE"),
            (Interest::RDHUP, "RDHUP"),
            (Interest::EDGE, "EDGE"),
            (Interest::ONESHOT, "ONESHOT"),
        ];
        let mut between = "";
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.contains(*flag)) {
            write!(f, "{between}{name}")?;
            between = " | ";
        }
        if between.is_empty() {
            f.write_str("NONE")
        } else {
            Ok(())
        }
    }
}

/// What [`Epoll::wait`] has to say about one descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    flags: u32,
    token: u64,
}

impl Event {
    /// The token the descriptor was registered with.
    #[inline]
    pub const fn token(&self) -> u64 {
        self.token
    }

    /// Reading will not block: data, end of stream, hang-up or an error.
    #[inline]
    pub const fn readable(&self) -> bool {
        const FLAGS: i32 = libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLRDHUP;
        self.flags & FLAGS.cast_unsigned() != 0
    }

    /// Writing will not block: room, hang-up or an error.
    #[inline]
    pub const fn writable(&self) -> bool {
        const FLAGS: i32 = libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR;
        self.flags & FLAGS.cast_unsigned() != 0
    }

    /// The peer sends no more, or an error is pending. The former is seen only where
    /// [`Interest::RDHUP`] was asked for.
    #[inline]
    pub const fn ended(&self) -> bool {
        const FLAGS: i32 = libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR;
        self.flags & FLAGS.cast_unsigned() != 0
    }

    /// Both directions are shut, or an error is pending.
    #[inline]
    pub const fn hangup(&self) -> bool {
        const FLAGS: i32 = libc::EPOLLHUP | libc::EPOLLERR;
        self.flags & FLAGS.cast_unsigned() != 0
    }
}

/// Where [`Epoll::wait`] puts its answer.
pub struct Events {
    /// Filled anew by each wait, never beyond `room`.
    buffer: Vec<libc::epoll_event>,
    room: usize,
}

impl Events {
    /// Room for this many events per wait, at least one. More descriptors may be ready: the next
    /// wait reports them.
    pub fn with_capacity(capacity: usize) -> Self {
        let room = capacity.clamp(1, MAX_EVENTS);
        Self {
            buffer: Vec::with_capacity(room),
            room,
        }
    }

    /// The events of the last wait.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event> {
        self.buffer.iter().map(|event| Event {
            flags: event.events,
            token: event.u64,
        })
    }

    /// How many events the last wait brought.
    #[inline]
    pub const fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the last wait brought nothing.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The kernel refuses buffers beyond 2 GiB; nobody wants a hundredth of that.
const MAX_EVENTS: usize = 1 << 16;

#[cfg(test)]
mod tests;
