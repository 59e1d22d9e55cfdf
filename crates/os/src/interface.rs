// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network interfaces by name.

use std::ffi::{CStr, CString};
use std::net::IpAddr;
use std::ptr;

use crate::sys::SocketName;

/// An address of the interface, the first one of the family; of IPv6, one that is valid beyond the
/// link if there is any.
pub fn address_of(name: &str, ipv6: bool) -> Option<IpAddr> {
    let list = List::new()?;
    let mut of_link = None;
    for (of, address) in list.iter() {
        if of.to_bytes() != name.as_bytes() || address.is_ipv6() != ipv6 {
            continue;
        }
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                of_link.get_or_insert(address);
            }
            _ => return Some(address),
        }
    }
    of_link
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// It is up.
    pub up: bool,
    /// It can send to groups.
    pub multicast: bool,
    /// It leads nowhere but back to this host.
    pub loopback: bool,
}

/// All addresses of all interfaces, in the system's order.
pub fn all() -> Vec<InterfaceAddress> {
    let has = |flags: u32, flag: libc::c_int| flags & flag.cast_unsigned() != 0;
    let list = List::new();
    let entries = list.iter().flat_map(List::entries);
    entries
        .filter_map(|(name, flags, address)| {
            let name = name.to_str().ok()?.to_owned();
            Some(InterfaceAddress {
                index: index_of(&name)?,
                name,
                address,
                up: has(flags, libc::IFF_UP),
                multicast: has(flags, libc::IFF_MULTICAST),
                loopback: has(flags, libc::IFF_LOOPBACK),
            })
        })
        .collect()
}

/// The number of the interface, which is the scope of its link-local addresses.
pub fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the pointer leads to a string that lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The system's list of interface addresses.
struct List(*mut libc::ifaddrs);

impl List {
    fn new() -> Option<Self> {
        let mut first = ptr::null_mut();
        // SAFETY: the pointer leads to a place for the list's address.
        let answer = unsafe { libc::getifaddrs(&raw mut first) };
        (answer == 0).then_some(Self(first))
    }

    /// The internet addresses, each with the name of its interface.
    fn iter(&self) -> impl Iterator<Item = (&CStr, IpAddr)> {
        self.entries().map(|(name, _, address)| (name, address))
    }

    /// The same, and the flags of the interface.
    fn entries(&self) -> impl Iterator<Item = (&CStr, u32, IpAddr)> {
        let mut next = self.0;
        let entries = std::iter::from_fn(move || {
            // SAFETY: null or an entry of the list, which lives as long as `self`.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ifa_next;
            Some(entry)
        });
        entries.filter_map(|entry| {
            // SAFETY: null or a whole address of the family it states.
            let address = unsafe { SocketName::copy_of(entry.ifa_addr) }?;
            // SAFETY: every entry has a name, which lives as long as the list.
            let name = unsafe { CStr::from_ptr(entry.ifa_name) };
            Some((name, entry.ifa_flags, address.socket_addr()?.ip()))
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from getifaddrs and is freed once.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_loopback_interface_has_its_address() {
        assert_eq!(address_of("lo", false), Some(Ipv4Addr::LOCALHOST.into()));
        assert!(index_of("lo").is_some());
        assert_eq!(address_of("no such interface", false), None);
        assert_eq!(index_of("no such interface"), None);
        assert_eq!(index_of("nul\0inside"), None);
        let of_lo = all()
            .into_iter()
            .find(|each| each.address == IpAddr::from([127, 0, 0, 1]));
        let of_lo = of_lo.unwrap();
        assert_eq!(
            (of_lo.name.as_str(), of_lo.loopback, of_lo.up),
            ("lo", true, true)
        );
        assert_eq!(Some(of_lo.index), index_of("lo"));
    }
}
