// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for many sockets and descriptors at once.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use ferromq_os::poll::{PollFd, poll as poll_fds};
use ferromq_vocabulary::Code;

use crate::socket::{Readiness, Socket, Ticket};

/// What is waited for.
#[derive(Debug)]
pub enum PollTarget<'a> {
    /// A socket.
    Socket(&'a mut Socket),
    /// A descriptor of the system.
    Fd(RawFd),
}

/// One thing to wait for, and what was found.
#[derive(Debug)]
pub struct PollItem<'a> {
    /// What is waited for.
    pub target: PollTarget<'a>,
    /// Wait until a message can be received, or the descriptor read.
    pub readable: bool,
    /// Wait until a message can be sent, or the descriptor written.
    pub writable: bool,
    /// What was found, of what was waited for.
    pub found: Readiness,
    /// A descriptor in error.
    pub error: bool,
}

impl<'a> PollItem<'a> {
    /// Waits for a socket.
    pub fn socket(socket: &'a mut Socket, readable: bool, writable: bool) -> Self {
        Self {
            target: PollTarget::Socket(socket),
            readable,
            writable,
            found: Readiness::default(),
            error: false,
        }
    }

    /// Waits for a descriptor.
    #[must_use]
    pub fn fd(fd: RawFd, readable: bool, writable: bool) -> Self {
        Self {
            target: PollTarget::Fd(fd),
            readable,
            writable,
            found: Readiness::default(),
            error: false,
        }
    }

    /// What the system has found out about a descriptor.
    fn note(&mut self, fd: &PollFd) {
        self.found = Readiness {
            readable: fd.revents & PollFd::IN != 0,
            writable: fd.revents & PollFd::OUT != 0,
        };
        self.error = fd.revents & (PollFd::ERR | PollFd::HUP | PollFd::NVAL) != 0;
    }

    fn is_found(&self) -> bool {
        self.found.readable || self.found.writable || self.error
    }
}

/// Waits until at least one item is ready, or the deadline comes; returns how many are. A deadline
/// that has passed looks once.
///
/// # Errors
/// `Terminated`, `Interrupted`, those of `poll(2)`.
pub fn poll(items: &mut [PollItem<'_>], deadline: Option<Instant>) -> Result<usize, Code> {
    look_at_descriptors(items)?;
    let mut told = None;
    loop {
        let ready = look_at_sockets(items, told.take())?;
        if ready > 0 {
            return Ok(ready);
        }
        if deadline.is_some_and(|at| at <= Instant::now()) {
            return Ok(0);
        }
        let mut tickets = Vec::with_capacity(items.len());
        if prepare(items, &mut tickets)? {
            told = Some(sleep(items, deadline)?);
        } else {
            look_at_descriptors(items)?;
        }
    }
}

/// Looks at the descriptors once, without waiting. They come first: one of them may be a socket's
/// own, and a look at that takes in what the descriptor tells of.
fn look_at_descriptors(items: &mut [PollItem<'_>]) -> Result<(), Code> {
    let mut fds = Vec::new();
    for item in items.iter() {
        if let PollTarget::Fd(fd) = item.target {
            fds.push(PollFd::new(fd, events(item.readable, item.writable)));
        }
    }
    if !fds.is_empty() {
        poll_fds(&mut fds, Some(std::time::Duration::ZERO)).map_err(|error| code(&error))?;
        note_fds(items, &fds);
    }
    Ok(())
}

/// Looks at the sockets once, without waiting; how many items, descriptors included, are ready. `told` is what the
/// system has just told of the items.
fn look_at_sockets(items: &mut [PollItem<'_>], told: Option<Vec<PollFd>>) -> Result<usize, Code> {
    let told = match told {
        Some(told) => told,
        None => ask_for_all(items)?,
    };
    for (index, item) in items.iter_mut().enumerate() {
        if let PollTarget::Socket(socket) = &mut item.target {
            let found = match told.get(index) {
                Some(fd) if fd.revents == 0 => socket.readiness_of_quiet(),
                _ => socket.readiness(),
            }?;
            item.found = Readiness {
                readable: found.readable && item.readable,
                writable: found.writable && item.writable,
            };
        }
    }
    Ok(items.iter().filter(|item| item.is_found()).count())
}

/// From so many sockets on the kernel is asked about all of them at once, instead of about each.
pub const MANY_SOCKETS: usize = 4;

/// What the descriptors of many sockets tell, each at its item's place; nothing for a few.
fn ask_for_all(items: &mut [PollItem<'_>]) -> Result<Vec<PollFd>, Code> {
    let is_socket = |item: &&PollItem<'_>| matches!(item.target, PollTarget::Socket(_));
    if items.iter().filter(is_socket).count() < MANY_SOCKETS {
        return Ok(Vec::new());
    }
    let mut fds = Vec::with_capacity(items.len());
    for item in items.iter_mut() {
        fds.push(match &mut item.target {
            PollTarget::Socket(socket) => PollFd::new(socket.pollable_fd()?, PollFd::IN),
            PollTarget::Fd(_) => PollFd::new(-1, 0),
        });
    }
    poll_fds(&mut fds, Some(std::time::Duration::ZERO)).map_err(|error| code(&error))?;
    Ok(fds)
}

fn events(readable: bool, writable: bool) -> i16 {
    let mut events = 0;
    if readable {
        events |= PollFd::IN;
    }
    if writable {
        events |= PollFd::OUT;
    }
    events
}

fn note_fds(items: &mut [PollItem<'_>], fds: &[PollFd]) {
    let targets = items
        .iter_mut()
        .filter(|item| matches!(item.target, PollTarget::Fd(_)));
    for (item, fd) in targets.zip(fds) {
        item.note(fd);
    }
}

/// Announces the wait to every socket; false if one has something after all.
fn prepare(items: &mut [PollItem<'_>], tickets: &mut Vec<Ticket>) -> Result<bool, Code> {
    for item in items {
        if let PollTarget::Socket(socket) = &mut item.target {
            match socket.prepare(item.readable, item.writable)? {
                Some(ticket) => tickets.push(ticket),
                None => return Ok(false),
            }
        }
    }
    Ok(true)
}

/// Sleeps until the system has something to tell of one of the items; what it tells of each.
fn sleep(items: &mut [PollItem<'_>], deadline: Option<Instant>) -> Result<Vec<PollFd>, Code> {
    let mut fds = Vec::with_capacity(items.len());
    for item in items.iter_mut() {
        fds.push(match &mut item.target {
            PollTarget::Socket(socket) => PollFd::new(socket.pollable_fd()?, PollFd::IN),
            PollTarget::Fd(fd) => PollFd::new(*fd, events(item.readable, item.writable)),
        });
    }
    let timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    poll_fds(&mut fds, timeout).map_err(|error| code(&error))?;
    for (item, fd) in items.iter_mut().zip(&fds) {
        if matches!(item.target, PollTarget::Fd(_)) {
            item.note(fd);
        }
        if let PollTarget::Socket(socket) = &mut item.target
            && fd.revents != 0
        {
            socket.drain_readiness();
        }
    }
    Ok(fds)
}

fn code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::Interrupted => Code::Interrupted,
        _ => error.raw_os_error().map_or(Code::Invalid, Code::from_errno),
    }
}

impl Socket {
    /// The descriptor to wait on after [`prepare`](Self::prepare); it stays the same as long as
    /// the socket is open.
    ///
    /// # Errors
    /// None at present.
    pub fn pollable_fd(&self) -> Result<RawFd, Code> {
        Ok(self.set().readable_fd().as_raw_fd())
    }
}
