// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets that accept connections.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::address::{Address, UnixAddress};
use crate::stream::Stream;
use crate::sys::{self, SocketName};

/// A listening stream socket.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens on a TCP port; port 0 takes a free one.
    pub fn bind_tcp(address: SocketAddr, tuning: &ListenTuning) -> io::Result<Self> {
        let socket = sys::stream_socket(sys::family_of(&address))?;
        let fd = socket.as_fd();
        sys::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if address.is_ipv6() {
            sys::set_option(
                fd,
                libc::IPPROTO_IPV6,
                libc::IPV6_V6ONLY,
                tuning.v6only.into(),
            )?;
        }
        // Accepted sockets inherit these, and the window is negotiated before they are accepted.
        if tuning.sndbuf >= 0 {
            sys::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, tuning.sndbuf)?;
        }
        if tuning.rcvbuf >= 0 {
            sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, tuning.rcvbuf)?;
        }
        // Before the priority, which it changes.
        if tuning.tos != 0 {
            sys::set_type_of_service(fd, tuning.tos)?;
        }
        if tuning.priority != 0 {
            sys::set_option(fd, libc::SOL_SOCKET, libc::SO_PRIORITY, tuning.priority)?;
        }
        if let Some(device) = &tuning.bind_to_device {
            sys::bind_to_device(fd, device)?;
        }
        if tuning.busy_poll > 0 {
            sys::set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, tuning.busy_poll)?;
        }
        sys::bind(fd, &SocketName::ip(&address))?;
        Self::listen(socket, tuning.backlog)
    }

    /// Listens on a unix address. A file that is in the way is an error, `EADDRINUSE`: to remove it
    /// is up to the caller, as is removing it afterwards.
    pub fn bind_unix(address: &UnixAddress, backlog: i32) -> io::Result<Self> {
        let name = SocketName::unix(address)?;
        let socket = sys::stream_socket(libc::AF_UNIX)?;
        sys::bind(socket.as_fd(), &name)?;
        Self::listen(socket, backlog)
    }

    /// Takes over a socket that is bound and listening already, and makes it non-blocking and
    /// close-on-exec.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: this command takes no pointers.
        let flags = sys::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
        // SAFETY: this command takes an int.
        let answer =
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) };
        sys::check(answer)?;
        // SAFETY: this command takes an int.
        let answer = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        sys::check(answer)?;
        Ok(Self(fd))
    }

    /// Takes over a descriptor by its number, as [`from_fd`](Self::from_fd); whoever gave the number
    /// must leave the descriptor alone from here on.
    ///
    /// # Errors
    /// `EBADF` if it is none, `EINVAL` if it is not a socket that listens.
    pub fn adopt(fd: RawFd) -> io::Result<Self> {
        if fd < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // SAFETY: borrowed for this one question, which fails for a number that is no descriptor.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let listens = sys::option(borrowed, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)?;
        if listens == 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: it is open, as the question has shown, and the caller has handed it over.
        Self::from_fd(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Takes the next connection, or answers [`io::ErrorKind::WouldBlock`].
    ///
    /// Connections that broke while they were waiting are passed over. What remains are errors of
    /// this process and machine (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`): the connection stays in
    /// the queue and the listener readable, so the caller must pause.
    pub fn accept(&self) -> io::Result<(Stream, Address)> {
        for _ in 0..MAX_BROKEN {
            let mut name = SocketName::blank();
            let len = name.len_mut();
            // SAFETY: both pointers lead into `name`, whose length says how much room there is.
            let answer = unsafe {
                libc::accept4(
                    self.0.as_raw_fd(),
                    name.as_mut_ptr(),
                    len,
                    libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                )
            };
            // SAFETY: `answer` is a fresh descriptor or negative.
            match unsafe { sys::own(answer) } {
                Ok(fd) => return Ok((fd.into(), name.address().unwrap_or(Address::Unnamed))),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    /// What the socket is bound to, with the port or path that was chosen.
    pub fn local_address(&self) -> io::Result<Address> {
        sys::local_name(self.as_fd())
    }

    fn listen(socket: OwnedFd, backlog: i32) -> io::Result<Self> {
        // SAFETY: listen() takes no pointers.
        sys::check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
        Ok(Self(socket))
    }
}

impl AsFd for Listener {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Listener {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Socket options of a listener. The default is a backlog of 100 and the rest as the system has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTuning {
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// Bytes of the kernel's send buffers; -1: as the system has it.
    pub sndbuf: i32,
    /// Bytes of the kernel's receive buffers; -1: as the system has it.
    pub rcvbuf: i32,
    /// Type of service, traffic class of IPv6; 0: as the system has it.
    pub tos: i32,
    /// Priority in the queues of this machine; 0: as the system has it.
    pub priority: i32,
    /// The only network interface to accept from.
    pub bind_to_device: Option<String>,
    /// An IPv6 listener refuses IPv4.
    pub v6only: bool,
    /// Microseconds to busy poll the network device; 0: not.
    pub busy_poll: i32,
}

impl Default for ListenTuning {
    fn default() -> Self {
        Self {
            backlog: 100,
            sndbuf: -1,
            rcvbuf: -1,
            tos: 0,
            priority: 0,
            bind_to_device: None,
            v6only: false,
            busy_poll: 0,
        }
    }
}

/// How many broken connections one call passes over, so that a flood of them is not a busy loop.
const MAX_BROKEN: u32 = 64;

/// Errors that accept(2) reports for a connection, not for the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EINTR
                | libc::ECONNABORTED
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
        )
    )
}
