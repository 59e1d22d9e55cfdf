// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many datagrams in one system call, and in one packet's way through the kernel where they are of one length.

use std::ffi::{c_int, c_uint};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;

use super::Datagram;
use crate::sys::{self, SocketName};

/// Room for several datagrams, to be filled in one call.
pub struct Inbound {
    bytes: Vec<u8>,
    /// Bytes of room for each.
    size: usize,
    names: Vec<SocketName>,
    came: Vec<Came>,
    headers: Vec<libc::mmsghdr>,
    pieces: Vec<libc::iovec>,
    controls: Vec<Control>,
    skips_ip_header: bool,
}

/// What the kernel has handed out at once.
struct Came {
    len: usize,
    /// It fitted.
    whole: bool,
    /// The length of each datagram in it but the last.
    each: usize,
}

// SAFETY: the pointers in `headers` and `pieces` are set before each call and used in it alone.
unsafe impl Send for Inbound {}

impl Inbound {
    /// Room for so many datagrams of at most so many bytes. Longer ones are passed over.
    #[must_use]
    pub fn new(count: usize, size: usize) -> Self {
        let count = count.clamp(1, MOST_AT_ONCE);
        Self {
            // A byte more shows what was too long.
            bytes: vec![0; count * (size + 1)],
            size: size + 1,
            names: (0..count).map(|_| SocketName::blank()).collect(),
            came: Vec::with_capacity(count),
            headers: vec![blank_header(); count],
            pieces: vec![blank_piece(); count],
            controls: vec![Control::blank(); count],
            skips_ip_header: false,
        }
    }

    /// Takes what is there; how many datagrams, those that were handed out together counting as one. Fewer than there is room for
    /// are all that there were.
    pub fn receive(&mut self, socket: &Datagram) -> io::Result<usize> {
        self.came.clear();
        self.point();
        let count = c_uint::try_from(self.headers.len()).unwrap_or(0);
        // SAFETY: `headers` holds `count` headers, each with pointers to a piece of `bytes` and a name, and one of
        // `controls`, which all live in `self` and are not touched until the call returns.
        let answer = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(sys::check(answer)?).unwrap_or(0);
        self.skips_ip_header = socket.has_ip_header;
        let names = self.names.iter_mut().zip(&self.controls);
        for (header, (name, control)) in self.headers.iter().zip(names).take(count) {
            let len = usize::try_from(header.msg_len).unwrap_or(0);
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let whole = !cut && len < self.size;
            name.set_len(header.msg_hdr.msg_namelen);
            self.came.push(Came {
                len: len.min(self.size),
                whole,
                each: control.merged(&header.msg_hdr).unwrap_or(len),
            });
        }
        Ok(count)
    }

    /// Where each datagram and its sender's name are to go.
    fn point(&mut self) {
        let rooms = self.bytes.chunks_exact_mut(self.size);
        for (piece, room) in self.pieces.iter_mut().zip(rooms) {
            piece.iov_base = room.as_mut_ptr().cast();
            piece.iov_len = room.len();
        }
        let parts = self.pieces.iter_mut().zip(&mut self.names);
        let parts = parts.zip(&mut self.controls);
        for (header, ((piece, name), control)) in self.headers.iter_mut().zip(parts) {
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = SocketName::ROOM;
            header.msg_hdr.msg_control = (&raw mut *control).cast();
            header.msg_hdr.msg_controllen = size_of::<Control>();
        }
    }

    /// How many datagrams came last.
    #[must_use]
    pub fn len(&self) -> usize {
        self.came.iter().map(Came::datagrams).sum()
    }

    /// Whether none came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.came.is_empty()
    }

    /// How many there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.names.len()
    }

    /// The datagrams that came last, each with its sender; without those that were too long.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let rooms = self.bytes.chunks_exact(self.size);
        let skips = self.skips_ip_header;
        let parts = self.came.iter().zip(&self.names).zip(rooms);
        parts
            .filter_map(|((came, name), room)| Some((came, name.socket_addr()?, room)))
            .flat_map(move |(came, from, room)| {
                let ranges = (0..came.datagrams()).map(|at| came.range(at));
                ranges.filter_map(move |range| {
                    let bytes = room.get(range).filter(|_| came.whole)?;
                    let bytes = if skips {
                        behind_ip_header(bytes)?
                    } else {
                        bytes
                    };
                    Some((from, bytes))
                })
            })
    }

    /// How many of those that came last were too long.
    #[must_use]
    pub fn too_long(&self) -> usize {
        self.came.iter().filter(|came| !came.whole).count()
    }
}

impl Came {
    /// An empty one is one, too.
    fn datagrams(&self) -> usize {
        if self.each == 0 {
            return 1;
        }
        self.len.div_ceil(self.each).max(1)
    }

    fn range(&self, at: usize) -> Range<usize> {
        let begin = at * self.each;
        begin..(begin + self.each).min(self.len)
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound")
            .field("room", &self.names.len())
            .field("came", &self.came.len())
            .finish_non_exhaustive()
    }
}

/// What an IPv4 packet carries; `None` if it is none.
fn behind_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let words = usize::from(packet.first()? & 0x0f);
    packet.get(words.max(5) * 4..)
}

/// Datagrams on their way out, several in one call.
#[derive(Default)]
pub struct Outbound {
    bytes: Vec<u8>,
    entries: Vec<(Range<usize>, SocketAddr)>,
    sent: usize,
    names: Vec<Option<SocketName>>,
    headers: Vec<libc::mmsghdr>,
    pieces: Vec<libc::iovec>,
    controls: Vec<Control>,
    /// How many datagrams each header stands for.
    covers: Vec<usize>,
    /// So many are to go one by one: together they were refused.
    singly: usize,
    /// Refusals in a row of several together.
    refusals: u8,
}

// SAFETY: the pointers in `headers` and `pieces` are set before each call and used in it alone.
unsafe impl Send for Outbound {}

impl Outbound {
    /// Nothing to be sent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer that the datagrams' bytes are appended to.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// These bytes of the buffer are a datagram to this address.
    pub fn push(&mut self, range: Range<usize>, to: SocketAddr) {
        self.entries.push((range, to));
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.sent
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands what waits to the kernel; `Ok(true)` if all of it was taken, `Ok(false)` if the kernel takes no more for
    /// now.
    ///
    /// # Errors
    /// Of the first datagram that waits: it is passed over, and the rest can be sent by another call.
    pub fn send(&mut self, socket: &Datagram) -> io::Result<bool> {
        while !self.is_empty() {
            self.point(socket);
            let count = c_uint::try_from(self.headers.len()).unwrap_or(0);
            // SAFETY: `headers` holds `count` headers, each with pointers to a piece of `bytes` and perhaps a name, which all
            // live in `self` and are not touched until the call returns; it only reads the bytes.
            let answer = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    count,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            match sys::check(answer) {
                Ok(sent) => self.have_gone(usize::try_from(sent).unwrap_or(0)),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::ENOBUFS) => return Ok(false),
                    Some(libc::EINTR) => {}
                    _ if self.covers.first().is_some_and(|count| *count > 1) => {
                        // The kernel cannot, or not so long ones, or it is the address: one by one it will be seen.
                        self.singly = self.covers.first().copied().unwrap_or(0);
                        self.refusals = self.refusals.saturating_add(1);
                    }
                    _ => {
                        self.have_gone(1);
                        self.clear_if_done();
                        return Err(error);
                    }
                },
            }
        }
        self.clear_if_done();
        Ok(true)
    }

    /// The first headers have been seen to.
    fn have_gone(&mut self, headers: usize) {
        for &count in self.covers.iter().take(headers) {
            self.sent += count;
            self.singly = self.singly.saturating_sub(count);
            if count > 1 {
                self.refusals = 0;
            }
        }
    }

    fn clear_if_done(&mut self) {
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.entries.clear();
            self.sent = 0;
        }
    }

    fn point(&mut self, socket: &Datagram) {
        self.headers.clear();
        self.pieces.clear();
        self.names.clear();
        self.controls.clear();
        self.covers.clear();
        let mut at = self.sent;
        while self.covers.len() < MOST_AT_ONCE
            && let Some((first, to)) = self.entries.get(at)
        {
            let singly = socket.is_raw || self.refusals >= MOST_REFUSALS;
            let (count, end) = match self.singly.checked_sub(at - self.sent) {
                None | Some(0) if !singly => self.run_from(at),
                _ => (1, first.end),
            };
            let bytes = self.bytes.get(first.start..end).unwrap_or_default();
            self.pieces.push(libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            });
            // What goes to the only peer needs none.
            let name = (socket.peer != Some(*to)).then(|| SocketName::ip(&socket.mapped(*to)));
            self.names.push(name);
            self.controls.push(Control::segments(first.len()));
            self.covers.push(count);
            at += count;
        }
        let parts = self.pieces.iter_mut().zip(&mut self.names);
        let parts = parts.zip(self.controls.iter_mut().zip(&self.covers));
        for ((piece, name), (control, count)) in parts {
            let mut header = blank_header();
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
            if let Some(name) = name {
                header.msg_hdr.msg_namelen = name.len();
                header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            }
            if *count > 1 {
                header.msg_hdr.msg_control = (&raw mut *control).cast();
                header.msg_hdr.msg_controllen = control.header.cmsg_len;
            }
            self.headers.push(header);
        }
    }

    /// How many datagrams from there on may go together, and where the last of them ends: side by side, to one place,
    /// of one length but for the last, which may be shorter.
    fn run_from(&self, at: usize) -> (usize, usize) {
        let mut waiting = self.entries.iter().skip(at);
        let Some((first, to)) = waiting.next() else {
            return (0, 0);
        };
        let (mut count, mut end) = (1, first.end);
        for (range, other) in waiting {
            let fits = range.start == end
                && other == to
                && !range.is_empty()
                && range.len() <= first.len()
                && range.end - first.start <= MOST_TOGETHER
                && count < MOST_SEGMENTS;
            if !fits {
                break;
            }
            (count, end) = (count + 1, range.end);
            if range.len() < first.len() {
                break;
            }
        }
        (count, end)
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("waiting", &self.len())
            .finish_non_exhaustive()
    }
}

fn blank_header() -> libc::mmsghdr {
    // SAFETY: all bytes zero is a valid mmsghdr, of null pointers and no lengths.
    unsafe { std::mem::zeroed() }
}

fn blank_piece() -> libc::iovec {
    libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }
}

/// A control message of UDP: how long datagrams are that travel together (udp(7), `UDP_SEGMENT`, `UDP_GRO`).
#[derive(Clone, Copy)]
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    value: [u8; 8],
}

// "CMSG_DATA": the value comes right behind the header.
const _: () = assert!(std::mem::offset_of!(Control, value) == size_of::<libc::cmsghdr>());

#[expect(
    clippy::host_endian_bytes,
    reason = "numbers for the kernel and from it"
)]
impl Control {
    fn blank() -> Self {
        // SAFETY: all bytes zero is a valid cmsghdr, of plain integers.
        let header = unsafe { std::mem::zeroed() };
        Self {
            header,
            value: [0; 8],
        }
    }

    /// Asks for datagrams of so many bytes, and one that may be shorter.
    fn segments(len: usize) -> Self {
        let mut control = Self::blank();
        let len = u16::try_from(len).unwrap_or(u16::MAX).to_ne_bytes();
        control.header.cmsg_len = size_of::<libc::cmsghdr>() + len.len();
        control.header.cmsg_level = libc::SOL_UDP;
        control.header.cmsg_type = libc::UDP_SEGMENT;
        control.value[..len.len()].copy_from_slice(&len);
        control
    }

    /// How long the datagrams are that have come together; `None` for one alone.
    fn merged(&self, header: &libc::msghdr) -> Option<usize> {
        let is_there = header.msg_controllen >= size_of::<libc::cmsghdr>() + size_of::<c_int>()
            && self.header.cmsg_level == libc::SOL_UDP
            && self.header.cmsg_type == libc::UDP_GRO;
        let value = self.value.first_chunk().filter(|_| is_there)?;
        usize::try_from(c_int::from_ne_bytes(*value)).ok()
    }
}

/// Most datagrams in one call.
pub const MOST_AT_ONCE: usize = 64;
/// "UDP_MAX_SEGMENTS", of the kernels that have the least.
const MOST_SEGMENTS: usize = 64;
/// What fits into a packet of IP, less headers of any kind.
const MOST_TOGETHER: usize = 65_000;
/// After so many refusals in a row all go one by one.
const MOST_REFUSALS: u8 = 3;
/// What an empty buffer keeps.
const KEPT: usize = 256 << 10;
