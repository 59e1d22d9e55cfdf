// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connected stream socket, TCP or unix.

use std::ffi::c_int;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::address::Address;
use crate::sys::{self, direct};

/// A stream socket that is connected or becoming so.
///
/// No call blocks, whatever the mode of the descriptor: what cannot be done now answers
/// [`io::ErrorKind::WouldBlock`]. Errors carry the bare error number and cost no allocation.
#[derive(Debug)]
pub struct Stream(ManuallyDrop<OwnedFd>);

impl Stream {
    /// Reads what is there. `Ok(0)` is the end of the stream, or no room in `buffer`.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and the length describe `buffer`.
        let answer =
            unsafe { direct::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        sys::check_count(answer)
    }

    /// As [`recv`](Self::recv), into memory that was not written yet; as many bytes from the
    /// beginning of `buffer` as answered are initialised then.
    #[inline]
    pub fn recv_uninit(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        // SAFETY: the pointer and the length describe `buffer`, and the kernel only writes to it.
        let answer =
            unsafe { direct::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        sys::check_count(answer)
    }

    /// As [`recv_uninit`](Self::recv_uninit), and into a second buffer when the first is full.
    #[inline]
    pub fn recv_uninit_vectored(
        &self,
        buffer: &mut [MaybeUninit<u8>],
        behind: &mut [u8],
    ) -> io::Result<usize> {
        if behind.is_empty() {
            return self.recv_uninit(buffer);
        }
        let mut buffers = [
            libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len(),
            },
            libc::iovec {
                iov_base: behind.as_mut_ptr().cast(),
                iov_len: behind.len(),
            },
        ];
        let mut message = message(buffers.as_mut_ptr(), buffers.len());
        // SAFETY: `message` names the two buffers and nothing else, and the kernel only writes to them.
        let answer = unsafe { direct::recvmsg(self.0.as_raw_fd(), &raw mut message) };
        sys::check_count(answer)
    }

    /// As [`recv`](Self::recv), into several buffers in turn; those beyond 1024 stay unused.
    #[inline]
    pub fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut message = message(buffers.as_mut_ptr().cast(), buffers.len());
        // SAFETY: IoSliceMut has the layout of iovec, as std promises; `message` names the buffers
        // and nothing else.
        let answer = unsafe { direct::recvmsg(self.0.as_raw_fd(), &raw mut message) };
        sys::check_count(answer)
    }

    /// Hands bytes to the kernel, which may take only the first of them. Never raises `SIGPIPE`.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_flagged(bytes, 0)
    }

    /// As [`send`](Self::send), and more follows at once: a segment that is not full waits for it.
    #[inline]
    pub fn send_more(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_flagged(bytes, libc::MSG_MORE)
    }

    #[inline]
    fn send_flagged(&self, bytes: &[u8], flags: c_int) -> io::Result<usize> {
        // SAFETY: the pointer and the length describe `bytes`.
        let answer = unsafe {
            direct::send(
                self.0.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | flags,
            )
        };
        sys::check_count(answer)
    }

    /// As [`send`](Self::send), from several buffers in turn; those beyond 1024 are left over.
    #[inline]
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let message = message(buffers.as_ptr().cast_mut().cast(), buffers.len());
        // SAFETY: IoSlice has the layout of iovec, as std promises; `message` names the buffers and
        // nothing else, and sendmsg only reads them.
        let answer = unsafe {
            direct::sendmsg(
                self.0.as_raw_fd(),
                &raw const message,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        sys::check_count(answer)
    }

    /// Ends the sending direction: the peer reads what was sent, then the end of the stream.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(libc::SHUT_WR)
    }

    /// Ends both directions.
    pub fn shutdown_both(&self) -> io::Result<()> {
        self.shutdown(libc::SHUT_RDWR)
    }

    fn shutdown(&self, how: c_int) -> io::Result<()> {
        // SAFETY: shutdown() takes no pointers.
        sys::check(unsafe { libc::shutdown(self.0.as_raw_fd(), how) }).map(drop)
    }

    /// How much of what was sent the peer has not taken yet: bytes that its kernel has not
    /// acknowledged (TCP), or memory that its reader has not freed (unix; zero means all was read).
    pub fn unsent(&self) -> io::Result<usize> {
        let mut count: c_int = 0;
        // SAFETY: this request writes one int, and `count` lives through the call.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), SIOCOUTQ, &raw mut count) };
        sys::check(answer)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Whether both ends of this internet connection are on one machine, as far as addresses tell.
    pub fn is_local(&self) -> bool {
        let (Some(peer), Ok(own)) = (self.peer_ip(), self.local_name()) else {
            return false;
        };
        peer.to_canonical().is_loopback() || own.ip() == Some(peer)
    }

    /// The name of the algorithm that decides how fast TCP sends, such as `cubic` or `bbr`.
    pub fn congestion_control(&self) -> io::Result<String> {
        let mut name = [0u8; 16];
        let mut len = sys::socklen::<[u8; 16]>();
        // SAFETY: the pointers name `name` and its length, which live through the call.
        let answer = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_CONGESTION,
                name.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        sys::check(answer)?;
        let end = name.iter().position(|byte| *byte == 0);
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Chooses another one, of those the system allows.
    pub fn set_congestion_control(&self, name: &str) -> io::Result<()> {
        sys::set_bytes(
            self.as_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_bytes(),
        )
    }

    /// The most bytes that one segment of this connection carries; `None` if it is not TCP.
    pub fn segment_size(&self) -> Option<u32> {
        let size = sys::option(self.as_fd(), libc::IPPROTO_TCP, libc::TCP_MAXSEG).ok()?;
        u32::try_from(size).ok().filter(|size| *size > 0)
    }

    /// Takes the error that is pending on the socket, such as why it could not be connected.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match sys::option(self.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => Ok(None),
            number => Ok(Some(io::Error::from_raw_os_error(number))),
        }
    }

    /// The internet address of the peer, as the socket sees it: on an IPv6 socket an IPv4 peer has
    /// a mapped address.
    pub fn peer_ip(&self) -> Option<IpAddr> {
        self.peer_name().ok()?.ip()
    }

    /// User, group and process of the peer of a unix socket, as they were when it connected.
    pub fn peer_credentials(&self) -> Option<(u32, u32, i32)> {
        // The kernel answers for other families too, with nobody's credentials.
        if sys::domain(self.as_fd()).ok()? != libc::AF_UNIX {
            return None;
        }
        let mut peer = libc::ucred {
            pid: 0,
            uid: 0,
            gid: 0,
        };
        let mut len = sys::socklen::<libc::ucred>();
        // SAFETY: the pointers name `peer` and its length, which live through the call.
        let answer = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut peer).cast(),
                &raw mut len,
            )
        };
        sys::check(answer).ok()?;
        Some((peer.uid, peer.gid, peer.pid))
    }

    /// The name of the other end.
    pub fn peer_name(&self) -> io::Result<Address> {
        sys::peer_name(self.as_fd())
    }

    /// The name of this end.
    pub fn local_name(&self) -> io::Result<Address> {
        sys::local_name(self.as_fd())
    }

    /// Applies the options that make sense for this kind of socket. `TCP_NODELAY` is always set.
    ///
    /// All are tried; the answer is the first failure. The usual one is `EPERM`, for a priority
    /// above 6 or busy polling without the capability.
    pub fn tune(&self, tuning: &StreamTuning) -> io::Result<()> {
        let domain = sys::domain(self.as_fd())?;
        let mut first = Ok(());
        let mut note = |result: io::Result<()>| {
            if first.is_ok() {
                first = result;
            }
        };
        let is_ip = domain == libc::AF_INET || domain == libc::AF_INET6;
        // Before the priority, which it changes.
        if is_ip && tuning.tos != 0 {
            note(sys::set_type_of_service(self.as_fd(), tuning.tos));
        }
        let mut set = |level, name, value| note(sys::set_option(self.as_fd(), level, name, value));

        if tuning.sndbuf >= 0 {
            set(libc::SOL_SOCKET, libc::SO_SNDBUF, tuning.sndbuf);
        }
        if tuning.rcvbuf >= 0 {
            set(libc::SOL_SOCKET, libc::SO_RCVBUF, tuning.rcvbuf);
        }
        if !is_ip {
            return first;
        }
        set(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
        if tuning.keepalive >= 0 {
            set(
                libc::SOL_SOCKET,
                libc::SO_KEEPALIVE,
                c_int::from(tuning.keepalive > 0),
            );
        }
        if tuning.keepalive > 0 {
            for (name, value) in [
                (libc::TCP_KEEPCNT, tuning.keepalive_count),
                (libc::TCP_KEEPIDLE, tuning.keepalive_idle),
                (libc::TCP_KEEPINTVL, tuning.keepalive_interval),
            ] {
                if value > 0 {
                    set(libc::IPPROTO_TCP, name, value);
                }
            }
        }
        if tuning.user_timeout_ms > 0 {
            set(
                libc::IPPROTO_TCP,
                libc::TCP_USER_TIMEOUT,
                tuning.user_timeout_ms,
            );
        }
        if tuning.priority != 0 {
            set(libc::SOL_SOCKET, libc::SO_PRIORITY, tuning.priority);
        }
        if tuning.busy_poll > 0 {
            set(libc::SOL_SOCKET, libc::SO_BUSY_POLL, tuning.busy_poll);
        }
        first
    }
}

impl From<OwnedFd> for Stream {
    fn from(fd: OwnedFd) -> Self {
        Self(ManuallyDrop::new(fd))
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> Self {
        let mut stream = ManuallyDrop::new(stream);
        // SAFETY: taken once, and the stream is not used any more.
        unsafe { ManuallyDrop::take(&mut stream.0) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: taken once, and the stream is not used any more.
        direct::close(unsafe { ManuallyDrop::take(&mut self.0) });
    }
}

impl AsFd for Stream {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stream {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Socket options of a connection. The default leaves all to the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTuning {
    /// Keep-alives on (1), off (0), or as the system has it (-1).
    pub keepalive: i32,
    /// Probes without answer until the connection is given up; not above zero: as the system has it.
    pub keepalive_count: i32,
    /// Seconds of silence until the first probe; not above zero: as the system has it.
    pub keepalive_idle: i32,
    /// Seconds between two probes; not above zero: as the system has it.
    pub keepalive_interval: i32,
    /// Milliseconds without acknowledgement until the connection is given up; 0: as the system has it.
    pub user_timeout_ms: i32,
    /// Type of service, traffic class of IPv6; 0: as the system has it.
    pub tos: i32,
    /// Priority in the queues of this machine; 0: as the system has it.
    pub priority: i32,
    /// Bytes of the kernel's send buffer; -1: as the system has it.
    pub sndbuf: i32,
    /// Bytes of the kernel's receive buffer; -1: as the system has it.
    pub rcvbuf: i32,
    /// Microseconds to busy poll the network device; 0: not.
    pub busy_poll: i32,
}

impl Default for StreamTuning {
    fn default() -> Self {
        Self {
            keepalive: -1,
            keepalive_count: -1,
            keepalive_idle: -1,
            keepalive_interval: -1,
            user_timeout_ms: 0,
            tos: 0,
            priority: 0,
            sndbuf: -1,
            rcvbuf: -1,
            busy_poll: 0,
        }
    }
}

/// The ioctl is older than its socket name, which libc has only for some targets.
const SIOCOUTQ: libc::Ioctl = libc::TIOCOUTQ;
/// The kernel refuses more with `EMSGSIZE`.
const IOV_MAX: usize = 1024;

/// A message header that names some buffers and nothing else.
#[inline]
fn message(buffers: *mut libc::iovec, count: usize) -> libc::msghdr {
    // SAFETY: all bytes zero is a valid msghdr, of null pointers and no lengths.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = buffers;
    message.msg_iovlen = count.min(IOV_MAX);
    message
}
