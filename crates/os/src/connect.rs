// SPDX-License-Identifier: MIT OR Apache-2.0
//! Outgoing stream connections.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::address::UnixAddress;
use crate::stream::{Stream, StreamTuning};
use crate::sys::{self, SocketName};

/// How far a new connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It stands.
    Done,
    /// It is being made: wait until it is writable, then call [`finish`].
    InProgress,
    /// It has failed at once, with this error of the system.
    Failed(i32),
}

/// Begins a TCP connection, from `source` and through an interface where these are given.
///
/// The options are set before the first packet leaves.
pub fn connect_tcp(
    address: SocketAddr,
    source: Option<SocketAddr>,
    bind_to_device: Option<&str>,
    tuning: &StreamTuning,
) -> io::Result<(Stream, Progress)> {
    let stream = Stream::from(sys::stream_socket(sys::family_of(&address))?);
    stream.tune(tuning)?;
    if let Some(device) = bind_to_device {
        sys::bind_to_device(stream.as_fd(), device)?;
    }
    if let Some(source) = source {
        sys::set_option(stream.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if source.port() == 0 {
            // Choose the port when the peer is known, which allows many more connections. A kernel
            // that cannot chooses it now, as ever.
            let late = libc::IP_BIND_ADDRESS_NO_PORT;
            sys::set_option(stream.as_fd(), libc::IPPROTO_IP, late, 1).ok();
        }
        sys::bind(stream.as_fd(), &SocketName::ip(&source))?;
    }
    let progress = connect(stream.as_fd(), &SocketName::ip(&address));
    Ok((stream, progress))
}

/// Makes a unix connection. It stands or fails at once; with a listener whose backlog is full it fails
/// with `EAGAIN`, to be tried again later with a new call.
pub fn connect_unix(address: &UnixAddress) -> io::Result<(Stream, Progress)> {
    let name = SocketName::unix(address)?;
    let stream = Stream::from(sys::stream_socket(libc::AF_UNIX)?);
    let progress = connect(stream.as_fd(), &name);
    Ok((stream, progress))
}

/// What became of a connection that was [`InProgress`](Progress::InProgress), once it is writable.
///
/// [`io::ErrorKind::NotConnected`] if it is still being made, or if its error was taken already.
pub fn finish(stream: &Stream) -> io::Result<()> {
    match stream.take_error()? {
        Some(error) => Err(error),
        None => stream.peer_name().map(drop),
    }
}

fn connect(fd: BorrowedFd<'_>, name: &SocketName) -> Progress {
    // SAFETY: `name` hands out a pointer to itself and its own length.
    let answer = unsafe { libc::connect(fd.as_raw_fd(), name.as_ptr(), name.len()) };
    let Err(error) = sys::check(answer) else {
        return Progress::Done;
    };
    match error.raw_os_error().unwrap_or(libc::EINVAL) {
        // An interrupted connect goes on in the background.
        libc::EINPROGRESS | libc::EINTR => Progress::InProgress,
        errno => Progress::Failed(errno),
    }
}
