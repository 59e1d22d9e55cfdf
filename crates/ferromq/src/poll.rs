// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for many sockets and descriptors at once.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use ferromq_engine::{self as engine, Readiness};

use crate::error::Error;
use crate::kind::Kind;
use crate::socket::Socket;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two directions")]
pub enum Interest {
    /// Until a message can be received, or the descriptor read. `ZMQ_POLLIN`.
    Input,
    /// Until a message can be sent, or the descriptor written. `ZMQ_POLLOUT`.
    Output,
    /// Until either.
    Both,
}

impl Interest {
    const fn input(self) -> bool {
        matches!(self, Self::Input | Self::Both)
    }

    const fn output(self) -> bool {
        matches!(self, Self::Output | Self::Both)
    }
}

/// One thing to wait for, and what was found.
#[derive(Debug)]
pub struct PollItem<'a> {
    target: Target<'a>,
    interest: Interest,
    found: Readiness,
    error: bool,
}

#[derive(Debug)]
enum Target<'a> {
    Socket(&'a mut engine::Socket),
    Fd(BorrowedFd<'a>),
}

impl<'a> PollItem<'a> {
    /// Waits for a socket.
    pub fn socket<K: Kind>(socket: &'a mut Socket<K>, interest: Interest) -> Self {
        Self::of(Target::Socket(&mut socket.engine), interest)
    }

    /// Waits for a descriptor of the system.
    #[must_use]
    pub fn fd(fd: BorrowedFd<'a>, interest: Interest) -> Self {
        Self::of(Target::Fd(fd), interest)
    }

    fn of(target: Target<'a>, interest: Interest) -> Self {
        Self {
            target,
            interest,
            found: Readiness::default(),
            error: false,
        }
    }

    /// Waits for something else the next time.
    pub const fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    /// Whether there is something to receive or read, of what was asked for.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.found.readable
    }

    /// Whether there is room to send or write, of what was asked for.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.found.writable
    }

    /// Whether a descriptor is in error, or its peer gone. `ZMQ_POLLERR`.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.error
    }

    /// Whether anything was found.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.found.readable || self.found.writable || self.error
    }
}

/// Waits until at least one item is ready, or the time is over: without a time-out for ever, with
/// zero it only looks. Gives the number of items that are ready; `zmq_poll(3)`.
///
/// ```
/// use std::time::Duration;
/// use ferromq::{Context, Interest, PollItem, Pull, Push, poll};
///
/// let context = Context::new();
/// let mut tasks = context.socket::<Pull>()?;
/// tasks.bind("inproc://poll-tasks")?;
/// let mut control = context.socket::<Pull>()?;
/// control.bind("inproc://poll-control")?;
/// let mut push = context.socket::<Push>()?;
/// push.connect("inproc://poll-control")?;
/// push.send("stop")?;
///
/// let mut items = [
///     PollItem::socket(&mut tasks, Interest::Input),
///     PollItem::socket(&mut control, Interest::Input),
/// ];
/// assert_eq!(poll(&mut items, Some(Duration::from_secs(5)))?, 1);
/// let stop = items[1].is_readable();
/// assert!(stop && !items[0].is_ready());
/// assert_eq!(control.recv()?, "stop");
/// # Ok::<(), ferromq::Error>(())
/// ```
///
/// # Errors
/// [`Terminated`](Error::Terminated), [`Interrupted`](Error::Interrupted) by a signal, those of
/// `poll(2)`.
pub fn poll(items: &mut [PollItem<'_>], timeout: Option<Duration>) -> Result<usize, Error> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut inner: Vec<_> = items
        .iter_mut()
        .map(|item| {
            let (input, output) = (item.interest.input(), item.interest.output());
            match &mut item.target {
                Target::Socket(socket) => engine::PollItem::socket(socket, input, output),
                Target::Fd(fd) => engine::PollItem::fd(fd.as_raw_fd(), input, output),
            }
        })
        .collect();
    let result = engine::poll(&mut inner, deadline);
    let found: Vec<_> = inner
        .into_iter()
        .map(|item| (item.found, item.error))
        .collect();
    for (item, (found, error)) in items.iter_mut().zip(found) {
        (item.found, item.error) = (found, error);
    }
    Ok(result?)
}
