// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the modules share: return values, socket options, time and socket names in the kernel's form.

use std::ffi::{OsStr, c_int};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::address::{Address, UnixAddress};

/// The return value of a call that answers -1 on failure.
#[inline]
pub(crate) fn check(answer: c_int) -> io::Result<c_int> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

/// The return value of a call that answers a count, or -1 on failure.
#[inline]
pub(crate) fn check_count(answer: isize) -> io::Result<usize> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer.cast_unsigned())
    }
}

/// The return value of a call that answers an error number (the pthread family).
#[inline]
pub(crate) fn check_errno(answer: c_int) -> io::Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(answer))
    }
}

/// System calls past the C library, in which no thread is cancelled: see [`cancel`](crate::cancel).
pub(crate) mod direct {
    use std::ffi::{c_int, c_long, c_void};
    use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
    use std::ptr;

    /// # Safety
    /// `buffer` leads to room for `length` bytes.
    #[inline]
    pub(crate) unsafe fn recv(fd: RawFd, buffer: *mut c_void, length: usize) -> isize {
        let (from, from_length) = (ptr::null_mut::<c_void>(), ptr::null_mut::<c_void>());
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: as the caller promises; nobody asks for the sender's address.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_recvfrom,
                fd,
                buffer,
                length,
                flags,
                from,
                from_length,
            )
        };
        count(answer)
    }

    /// # Safety
    /// `bytes` leads to `length` bytes.
    #[inline]
    pub(crate) unsafe fn send(
        fd: RawFd,
        bytes: *const c_void,
        length: usize,
        flags: c_int,
    ) -> isize {
        let (to, to_length) = (ptr::null::<c_void>(), 0_usize);
        // SAFETY: as the caller promises; a connected socket needs no address.
        let answer =
            unsafe { libc::syscall(libc::SYS_sendto, fd, bytes, length, flags, to, to_length) };
        count(answer)
    }

    /// # Safety
    /// `message` leads to a header, and that to buffers, that may be written to.
    #[inline]
    pub(crate) unsafe fn recvmsg(fd: RawFd, message: *mut libc::msghdr) -> isize {
        // SAFETY: as the caller promises.
        count(unsafe { libc::syscall(libc::SYS_recvmsg, fd, message, libc::MSG_DONTWAIT) })
    }

    /// # Safety
    /// `message` leads to a header, and that to buffers, that may be read.
    #[inline]
    pub(crate) unsafe fn sendmsg(fd: RawFd, message: *const libc::msghdr, flags: c_int) -> isize {
        // SAFETY: as the caller promises.
        count(unsafe { libc::syscall(libc::SYS_sendmsg, fd, message, flags) })
    }

    /// # Safety
    /// `events` leads to room for so many events.
    #[inline]
    pub(crate) unsafe fn epoll_wait(
        fd: RawFd,
        events: *mut libc::epoll_event,
        room: c_int,
        milliseconds: c_int,
    ) -> c_int {
        let mask = ptr::null::<libc::sigset_t>();
        // SAFETY: as the caller promises; without a mask its size is not looked at.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait,
                fd,
                events,
                room,
                milliseconds,
                mask,
                0_usize,
            )
        };
        answer as c_int
    }

    /// # Safety
    /// `bytes` leads to eight bytes.
    #[inline]
    pub(crate) unsafe fn write_word(fd: RawFd, bytes: *const u64) {
        // SAFETY: as the caller promises.
        unsafe { libc::syscall(libc::SYS_write, fd, bytes, size_of::<u64>()) };
    }

    /// # Safety
    /// `bytes` leads to room for eight bytes.
    #[inline]
    pub(crate) unsafe fn read_word(fd: RawFd, bytes: *mut u64) {
        // SAFETY: as the caller promises.
        unsafe { libc::syscall(libc::SYS_read, fd, bytes, size_of::<u64>()) };
    }

    pub(crate) fn close(fd: OwnedFd) {
        // SAFETY: ours, and given up with this.
        unsafe { libc::syscall(libc::SYS_close, fd.into_raw_fd()) };
    }

    #[inline]
    fn count(answer: c_long) -> isize {
        answer as isize
    }
}

/// Takes possession of a descriptor that a system call has just made.
///
/// # Safety
///
/// `answer` is the return value of a call that creates a descriptor, and nobody else owns it.
pub(crate) unsafe fn own(answer: c_int) -> io::Result<OwnedFd> {
    let fd: RawFd = check(answer)?;
    // SAFETY: not negative, so it is a fresh descriptor, and the caller says that it is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[inline]
pub(crate) fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    }
}

/// The size of a type, as the socket calls want it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "kernel structures are far below 4 GiB"
)]
pub(crate) const fn socklen<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

/// A length bounded by the size of a socket name, as the socket calls want it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers pass lengths below 4 GiB"
)]
const fn short_socklen(len: usize) -> libc::socklen_t {
    len as libc::socklen_t
}

pub(crate) fn set_option(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which lives through the call.
    let answer = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            socklen::<c_int>(),
        )
    };
    check(answer).map(drop)
}

pub(crate) fn option(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = socklen::<c_int>();
    // SAFETY: the pointers name `value` and its length, which live through the call.
    let answer = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    check(answer).map(|_| value)
}

/// Sets an option whose value is a name.
pub(crate) fn set_bytes(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &[u8],
) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which lives through the call.
    let answer = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            short_socklen(value.len()),
        )
    };
    check(answer).map(drop)
}

/// Ties a socket to one network interface.
pub(crate) fn bind_to_device(fd: BorrowedFd<'_>, device: &str) -> io::Result<()> {
    set_bytes(
        fd,
        libc::SOL_SOCKET,
        libc::SO_BINDTODEVICE,
        device.as_bytes(),
    )
}

/// Type of service for both families; an IPv6 socket may carry IPv4 by mapped addresses.
pub(crate) fn set_type_of_service(fd: BorrowedFd<'_>, tos: c_int) -> io::Result<()> {
    let v4 = set_option(fd, libc::IPPROTO_IP, libc::IP_TOS, tos);
    if domain(fd)? == libc::AF_INET6 {
        // The v4 half is a courtesy there: a socket with IPV6_V6ONLY may refuse it.
        return set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, tos);
    }
    v4
}

/// The address family of a socket.
pub(crate) fn domain(fd: BorrowedFd<'_>) -> io::Result<c_int> {
    option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)
}

/// A new stream socket, close-on-exec and non-blocking.
pub(crate) fn stream_socket(family: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket() takes no pointers.
    let answer = unsafe { libc::socket(family, kind, 0) };
    // SAFETY: `answer` is a fresh descriptor or negative.
    unsafe { own(answer) }
}

pub(crate) fn family_of(address: &SocketAddr) -> c_int {
    if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

pub(crate) fn bind(fd: BorrowedFd<'_>, name: &SocketName) -> io::Result<()> {
    // SAFETY: `name` hands out a pointer to itself and its own length.
    let answer = unsafe { libc::bind(fd.as_raw_fd(), name.as_ptr(), name.len()) };
    check(answer).map(drop)
}

/// A socket address in the kernel's form.
pub(crate) struct SocketName {
    raw: RawName,
    len: libc::socklen_t,
}

#[repr(C)]
union RawName {
    storage: libc::sockaddr_storage,
    any: libc::sockaddr,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    unix: UnixName,
}

/// `sockaddr_un`, with bytes for a name: what C calls a character has a sign here and none there.
#[derive(Clone, Copy)]
#[repr(C)]
struct UnixName {
    family: libc::sa_family_t,
    path: [u8; UNIX_ROOM],
}

const _: () = assert!(size_of::<UnixName>() == size_of::<libc::sockaddr_un>());
const _: () = assert!(std::mem::offset_of!(UnixName, path) == UNIX_HEADER);

/// Where the path begins in a `sockaddr_un`.
const UNIX_HEADER: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);
/// How many bytes a unix name has room for.
const UNIX_ROOM: usize = size_of::<libc::sockaddr_un>() - UNIX_HEADER;

impl SocketName {
    /// Room for any name, to be filled by a system call through [`Self::as_mut_ptr`].
    pub(crate) fn blank() -> Self {
        // SAFETY: all bytes zero is a valid value of every member, they are plain integers.
        let raw: RawName = unsafe { std::mem::zeroed() };
        Self {
            raw,
            len: socklen::<RawName>(),
        }
    }

    pub(crate) fn ip(address: &SocketAddr) -> Self {
        let mut name = Self::blank();
        match address {
            SocketAddr::V4(v4) => {
                name.raw.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: v4.ip().to_bits().to_be(),
                    },
                    sin_zero: [0; 8],
                };
                name.len = socklen::<libc::sockaddr_in>();
            }
            SocketAddr::V6(v6) => {
                name.raw.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: v6.ip().octets(),
                    },
                    sin6_scope_id: v6.scope_id(),
                };
                name.len = socklen::<libc::sockaddr_in6>();
            }
        }
        name
    }

    pub(crate) fn unix(address: &UnixAddress) -> io::Result<Self> {
        // A path carries its NUL and must leave room for it, an abstract name begins with one.
        let (bytes, is_abstract) = match address {
            UnixAddress::Path(path) => (path.as_os_str().as_bytes(), false),
            UnixAddress::Abstract(name) => (name.as_slice(), true),
        };
        if bytes.is_empty() || (!is_abstract && bytes.contains(&0)) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if bytes.len() >= UNIX_ROOM {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        let mut path = [0; UNIX_ROOM];
        for (to, from) in path.iter_mut().skip(usize::from(is_abstract)).zip(bytes) {
            *to = *from;
        }
        let mut name = Self::blank();
        name.raw.unix = UnixName {
            family: libc::AF_UNIX as libc::sa_family_t,
            path,
        };
        name.len = short_socklen(UNIX_HEADER + 1 + bytes.len());
        Ok(name)
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.raw).cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.raw).cast()
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub(crate) fn len_mut(&mut self) -> *mut libc::socklen_t {
        &raw mut self.len
    }

    /// How much room there is for a name.
    pub(crate) const ROOM: libc::socklen_t = socklen::<RawName>();

    /// A system call has written a name of this length.
    pub(crate) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len.min(Self::ROOM);
    }

    /// The whole of it.
    pub(crate) fn storage(&self) -> libc::sockaddr_storage {
        // SAFETY: the union began as zeroes, so all of it is initialised, and every bit pattern is a storage.
        unsafe { self.raw.storage }
    }

    /// Copies a name out of a list of the system's.
    ///
    /// # Safety
    ///
    /// `address` is null or points to a whole socket address of the family that it states.
    pub(crate) unsafe fn copy_of(address: *const libc::sockaddr) -> Option<Self> {
        if address.is_null() {
            return None;
        }
        // SAFETY: not null, hence readable, says the caller.
        let family = c_int::from(unsafe { (*address).sa_family });
        let mut name = Self::blank();
        match family {
            libc::AF_INET => {
                // SAFETY: the family says that this is a sockaddr_in.
                name.raw.v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
                name.len = socklen::<libc::sockaddr_in>();
            }
            libc::AF_INET6 => {
                // SAFETY: the family says that this is a sockaddr_in6.
                name.raw.v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
                name.len = socklen::<libc::sockaddr_in6>();
            }
            _ => return None,
        }
        Some(name)
    }

    /// The address as the rest of the program knows it, `None` for families it does not know.
    pub(crate) fn address(&self) -> Option<Address> {
        let len = self.len as usize;
        if len < size_of::<libc::sa_family_t>() {
            return Some(Address::Unnamed);
        }
        // SAFETY: every member begins with the family, and the union began as zeroes.
        let family = c_int::from(unsafe { self.raw.any.sa_family });
        match family {
            libc::AF_INET | libc::AF_INET6 => self.socket_addr().map(Address::Ip),
            libc::AF_UNIX => {
                // SAFETY: the union began as zeroes, so all of it is initialised.
                let path = unsafe { self.raw.unix.path };
                // The kernel answers with the length of the name, even if it had no room for it.
                let bytes = path.get(..len.saturating_sub(UNIX_HEADER)).unwrap_or(&path);
                Some(match bytes.split_first() {
                    None => Address::Unnamed,
                    Some((0, name)) => Address::Unix(UnixAddress::Abstract(name.to_vec())),
                    Some(_) => {
                        let path = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
                        let path = OsStr::from_bytes(path).into();
                        Address::Unix(UnixAddress::Path(path))
                    }
                })
            }
            _ => None,
        }
    }

    pub(crate) fn socket_addr(&self) -> Option<SocketAddr> {
        // SAFETY: every member begins with the family, and the union began as zeroes.
        let family = c_int::from(unsafe { self.raw.any.sa_family });
        match family {
            libc::AF_INET => {
                // SAFETY: the union began as zeroes, so all of it is initialised.
                let v4 = unsafe { self.raw.v4 };
                let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: the union began as zeroes, so all of it is initialised.
                let v6 = unsafe { self.raw.v6 };
                Some(
                    SocketAddrV6::new(
                        Ipv6Addr::from(v6.sin6_addr.s6_addr),
                        u16::from_be(v6.sin6_port),
                        v6.sin6_flowinfo,
                        v6.sin6_scope_id,
                    )
                    .into(),
                )
            }
            _ => None,
        }
    }
}

/// The name a socket is bound to.
pub(crate) fn local_name(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let mut name = SocketName::blank();
    let len = name.len_mut();
    // SAFETY: both pointers lead into `name`, whose length says how much room there is.
    let answer = unsafe { libc::getsockname(fd.as_raw_fd(), name.as_mut_ptr(), len) };
    check(answer)?;
    name.address().ok_or_else(unknown_family)
}

/// The name of the other end of a socket.
pub(crate) fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let mut name = SocketName::blank();
    let len = name.len_mut();
    // SAFETY: both pointers lead into `name`, whose length says how much room there is.
    let answer = unsafe { libc::getpeername(fd.as_raw_fd(), name.as_mut_ptr(), len) };
    check(answer)?;
    name.address().ok_or_else(unknown_family)
}

fn unknown_family() -> io::Error {
    io::Error::from_raw_os_error(libc::EAFNOSUPPORT)
}
