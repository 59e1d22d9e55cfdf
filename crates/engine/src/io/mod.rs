// SPDX-License-Identifier: MIT OR Apache-2.0
//! I/O threads: the fallback that guarantees delivery, and the owners of every connection's life.
//!
//! 1. [`thread`]: the loop, its tables, its timers
//! 2. [`listening`]: listeners and what they accept; [`admission`]: accept filters; [`crowd`]: limits
//! 3. [`connecting`]: connecting and connecting again
//! 4. [`greeting`]: the handshake, up to a connection that is ready; [`security`]: its mechanism;
//!    [`outcome`]: how it ends
//! 5. [`traffic`]: what the application has left: tails, blocked peers, background reads, heartbeats
//! 6. [`lease`]: the input of sockets whose application stays away
//! 7. [`ending`]: lost connections, closed sockets, linger
//! 8. [`station`]: transports of datagrams, which have no connections
//! 9. [`ebb`]: when a crowd has gone and its memory can be given back
//! 10. [`held`]: answers that applications hold back for a moment
//!
//! One thread owns a [`session::Session`] per connection; nobody else touches it. Sockets talk to
//! the thread by [`Order`]s, it talks to them by news.

pub(crate) mod admission;
pub(crate) mod connecting;
mod crowd;
mod ebb;
pub(crate) mod ending;
pub(crate) mod greeting;
pub(crate) mod held;
pub(crate) mod lease;
pub(crate) mod listening;
mod outcome;
mod security;
pub(crate) mod session;
pub(crate) mod station;
pub(crate) mod thread;
pub(crate) mod traffic;

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicUsize;

use ferromq_os::epoll::{Epoll, Interest};
use ferromq_os::event_fd::EventFd;
use ferromq_pipe::Mailbox;

use crate::command::Order;

/// Token of an I/O thread's own wake descriptor.
const BELL: u64 = 0;

/// What others know of an I/O thread.
#[derive(Debug)]
pub(crate) struct IoHandle {
    pub(crate) epoll: Epoll,
    event: EventFd,
    mailbox: Mailbox<Order>,
    /// Connections and listeners it has, for choosing the one with the least.
    pub(crate) load: AtomicUsize,
}

impl IoHandle {
    pub(crate) fn new() -> io::Result<Self> {
        let event = EventFd::new()?;
        let epoll = Epoll::new()?;
        epoll.add(event.as_fd(), BELL, Interest::READ)?;
        Ok(Self {
            epoll,
            event,
            mailbox: Mailbox::default(),
            load: AtomicUsize::new(0),
        })
    }

    /// Gives an order; wakes the thread only if it had none.
    pub(crate) fn post(&self, order: Order) {
        if self.mailbox.post(order) {
            self.event.signal();
        }
    }
}
