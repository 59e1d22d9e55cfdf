// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host names.

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::net::SocketAddr;
use std::ptr;

use crate::sys::SocketName;

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6; a host that only has IPv4 answers with mapped addresses.
    V6,
    /// Whatever the host has, in the system's order of preference.
    Any,
}

/// The addresses of a host, at least one. Blocks for as long as the name servers let it.
///
/// An empty `host` is any address of this machine if `passive` (to be bound to), else the loopback
/// address. An address in digits is answered without asking anybody. A host that does not exist is
/// [`io::ErrorKind::NotFound`], a name server that may know later [`io::ErrorKind::WouldBlock`].
pub fn lookup(host: &str, port: u16, family: Family, passive: bool) -> io::Result<Vec<SocketAddr>> {
    let flags = if passive { libc::AI_PASSIVE } else { 0 };
    query(host, port, family, flags)
}

/// The address that `host` spells in digits (with `%interface` for a link-local one), without
/// asking anybody. `None` if it spells none of the family.
pub fn numeric(host: &str, port: u16, family: Family) -> Option<SocketAddr> {
    if host.is_empty() {
        return None;
    }
    query(host, port, family, libc::AI_NUMERICHOST)
        .ok()?
        .first()
        .copied()
}

fn query(host: &str, port: u16, family: Family, flags: c_int) -> io::Result<Vec<SocketAddr>> {
    let (family, mapped) = match family {
        Family::V4 => (libc::AF_INET, 0),
        Family::V6 => (libc::AF_INET6, libc::AI_V4MAPPED),
        Family::Any => (libc::AF_UNSPEC, 0),
    };
    let host = CString::new(host)?;
    let node = if host.is_empty() {
        ptr::null()
    } else {
        host.as_ptr()
    };
    let service = CString::new(port.to_string())?;
    // SAFETY: all bytes zero is a valid addrinfo, of null pointers and no wishes.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = family;
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = flags | mapped | libc::AI_NUMERICSERV;

    let mut first = ptr::null_mut();
    // SAFETY: the strings and the hints live through the call, `first` is a place for the answer.
    let answer =
        unsafe { libc::getaddrinfo(node, service.as_ptr(), &raw const hints, &raw mut first) };
    if answer != 0 {
        return Err(failure(answer));
    }
    let list = List(first);
    let addresses: Vec<SocketAddr> = list.iter().collect();
    if addresses.is_empty() {
        Err(failure(libc::EAI_NONAME))
    } else {
        Ok(addresses)
    }
}

/// What getaddrinfo answers.
struct List(*mut libc::addrinfo);

impl List {
    fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        let mut next = self.0;
        let entries = std::iter::from_fn(move || {
            // SAFETY: null or an entry of the list, which lives as long as `self`.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ai_next;
            Some(entry)
        });
        entries.filter_map(|entry| {
            // SAFETY: null or a whole address of the family it states.
            unsafe { SocketName::copy_of(entry.ai_addr) }?.socket_addr()
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from getaddrinfo and is freed once.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

fn failure(code: c_int) -> io::Error {
    let kind = match code {
        libc::EAI_SYSTEM => return io::Error::last_os_error(),
        libc::EAI_MEMORY => io::ErrorKind::OutOfMemory,
        libc::EAI_AGAIN => io::ErrorKind::WouldBlock,
        _ => io::ErrorKind::NotFound,
    };
    // SAFETY: gai_strerror() takes any number.
    let text = unsafe { libc::gai_strerror(code) };
    // SAFETY: its answer is always a string, and never freed.
    let text = unsafe { CStr::from_ptr(text) };
    io::Error::new(kind, text.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

    #[test]
    fn digits_need_no_server() {
        let v4 = lookup("127.0.0.1", 5555, Family::V4, false).unwrap();
        assert_eq!(v4, [SocketAddr::from((Ipv4Addr::LOCALHOST, 5555))]);
        let v6 = lookup("::1", 1, Family::Any, false).unwrap();
        assert_eq!(v6, [SocketAddr::from((Ipv6Addr::LOCALHOST, 1))]);
        let mapped = numeric("10.0.0.1", 2, Family::V6).unwrap();
        assert_eq!(
            mapped,
            SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped(), 2))
        );
        assert_eq!(numeric("localhost", 1, Family::Any), None);
        assert_eq!(numeric("", 1, Family::Any), None);
    }

    #[test]
    fn link_local_addresses_keep_their_scope() {
        let index = crate::interface::index_of("lo").unwrap();
        let address = numeric("fe80::1%lo", 3, Family::V6).unwrap();
        let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        assert_eq!(address, SocketAddrV6::new(ip, 3, 0, index).into());
    }

    #[test]
    fn nobody_is_any_address_or_this_machine() {
        let any = lookup("", 7, Family::V4, true).unwrap();
        assert_eq!(any, [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7))]);
        let own = lookup("", 7, Family::V4, false).unwrap();
        assert_eq!(own, [SocketAddr::from((Ipv4Addr::LOCALHOST, 7))]);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(lookup("nul\0inside", 1, Family::Any, false).is_err());
        assert!(lookup("999.999.999.999.invalid", 1, Family::V4, false).is_err());
    }
}
