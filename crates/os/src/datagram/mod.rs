// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams: UDP and raw IP sockets, multicast groups, and many packets in one system call.

mod batch;

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use crate::address::Address;
use crate::sys::{self, SocketName};
pub use batch::{Inbound, MOST_AT_ONCE, Outbound};

/// A socket for datagrams.
///
/// No call blocks, whatever the mode of the descriptor.
#[derive(Debug)]
pub struct Datagram {
    fd: OwnedFd,
    is_v6: bool,
    is_raw: bool,
    /// What the kernel delivers begins with the IP header: raw sockets of IPv4.
    has_ip_header: bool,
    /// The only peer.
    peer: Option<SocketAddr>,
}

/// What the system has for such a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UDP.
    Udp,
    /// Raw IP, of this protocol number. Needs `CAP_NET_RAW`: `EPERM` otherwise.
    Raw(u8),
}

impl Datagram {
    /// A socket that is not bound. Of IPv6 it takes IPv4, too, unless [`v6only`](Self::v6only) forbids it.
    pub fn new(kind: Kind, ipv6: bool) -> io::Result<Self> {
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
        let (kind, protocol) = match kind {
            Kind::Udp => (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
            Kind::Raw(protocol) => (libc::SOCK_RAW, c_int::from(protocol)),
        };
        let flags = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket() takes no pointers.
        let answer = unsafe { libc::socket(family, flags, protocol) };
        // SAFETY: `answer` is a fresh descriptor or negative.
        let fd = unsafe { sys::own(answer) }?;
        Ok(Self {
            fd,
            is_v6: ipv6,
            is_raw: kind == libc::SOCK_RAW,
            has_ip_header: kind == libc::SOCK_RAW && !ipv6,
            peer: None,
        })
    }

    /// Others may bind the same address and port: every socket gets what is sent to a group, one of them
    /// what is sent to this host. They must belong to the same user and say so, too.
    pub fn share_address(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        self.set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)
    }

    /// Others may bind the same address and port after this, as [`share_address`](Self::share_address) but of
    /// any user.
    pub fn reuse_address(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)
    }

    /// An IPv6 socket refuses IPv4.
    pub fn v6only(&self, only: bool) -> io::Result<()> {
        self.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only.into())
    }

    /// Binds. A socket bound to a group gets only what is sent to that group.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        sys::bind(self.fd.as_fd(), &SocketName::ip(&address))
    }

    /// Gets what is sent to a group, on this interface; 0 leaves it to the system which.
    pub fn join(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        let name = SocketName::ip(&SocketAddr::new(group, 0));
        let request = libc::group_req {
            gr_interface: interface,
            gr_group: name.storage(),
        };
        let level = match group {
            IpAddr::V4(_) => libc::IPPROTO_IP,
            IpAddr::V6(_) => libc::IPPROTO_IPV6,
        };
        self.set_record(level, libc::MCAST_JOIN_GROUP, &request)
    }

    /// Nothing that this sender sends to a group which has been joined on that interface; of IPv4.
    pub fn block(&self, group: Ipv4Addr, sender: Ipv4Addr, interface: u32) -> io::Result<()> {
        let name = |ip: Ipv4Addr| SocketName::ip(&SocketAddr::new(ip.into(), 0)).storage();
        let request = libc::group_source_req {
            gsr_interface: interface,
            gsr_group: name(group),
            gsr_source: name(sender),
        };
        self.set_record(libc::IPPROTO_IP, libc::MCAST_BLOCK_SOURCE, &request)
    }

    /// Only what comes to groups this socket has joined, not to those any other has.
    pub fn own_groups_only(&self) -> io::Result<()> {
        if self.is_v6 {
            self.set(libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        } else {
            self.set(libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)
        }
    }

    /// Where what is sent to groups goes out.
    pub fn multicast_interface(&self, interface: u32) -> io::Result<()> {
        let index = c_int::try_from(interface)
            .map_err(|_huge| io::Error::from_raw_os_error(libc::ENODEV))?;
        if self.is_v6 {
            return self.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, index);
        }
        let request = libc::ip_mreqn {
            imr_multiaddr: libc::in_addr { s_addr: 0 },
            imr_address: libc::in_addr { s_addr: 0 },
            imr_ifindex: index,
        };
        self.set_record(libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)
    }

    /// Whether other sockets of this host get what is sent to groups.
    pub fn multicast_loop(&self, on: bool) -> io::Result<()> {
        if self.is_v6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, on.into())
        } else {
            self.set(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, on.into())
        }
    }

    /// How many routers pass on what is sent to groups, plus one; 0 keeps it on this host.
    pub fn multicast_hops(&self, hops: i32) -> io::Result<()> {
        if self.is_v6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, hops)
        } else {
            self.set(libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, hops)
        }
    }

    /// The same for what is sent to hosts.
    pub fn unicast_hops(&self, hops: i32) -> io::Result<()> {
        if self.is_v6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, hops)
        } else {
            self.set(libc::IPPROTO_IP, libc::IP_TTL, hops)
        }
    }

    /// Packets are not cut up on the way: one that is too long is an error, `EMSGSIZE`.
    pub fn dont_fragment(&self) -> io::Result<()> {
        if self.is_v6 {
            let value = libc::IPV6_PMTUDISC_DO;
            self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, value)
        } else {
            let value = libc::IP_PMTUDISC_DO;
            self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value)
        }
    }

    /// Type of service, traffic class of IPv6.
    pub fn type_of_service(&self, tos: i32) -> io::Result<()> {
        sys::set_type_of_service(self.fd.as_fd(), tos)
    }

    /// Priority in the queues of this machine.
    pub fn priority(&self, priority: i32) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_PRIORITY, priority)
    }

    /// Bytes of the kernel's send buffer, as far as the system allows.
    pub fn send_buffer(&self, bytes: i32) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_SNDBUF, bytes)
    }

    /// Bytes of the kernel's receive buffer, as far as the system allows.
    pub fn receive_buffer(&self, bytes: i32) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)
    }

    /// As [`receive_buffer`](Self::receive_buffer), beyond what the system allows where this process may.
    pub fn large_receive_buffer(&self, bytes: i32) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
            .or_else(|_not_allowed| self.receive_buffer(bytes))
    }

    /// Bytes of the kernel's receive buffer; its own overhead for each packet counts, too.
    pub fn receive_room(&self) -> io::Result<u64> {
        let bytes = sys::option(self.fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Ties it to one interface.
    pub fn bind_to_device(&self, device: &str) -> io::Result<()> {
        sys::bind_to_device(self.fd.as_fd(), device)
    }

    /// What it is bound to, with the port that was chosen.
    pub fn local_address(&self) -> io::Result<Address> {
        sys::local_name(self.fd.as_fd())
    }

    /// Names the only peer: the system finds out from which address packets go there, and nothing comes but from there.
    pub fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        let name = SocketName::ip(&self.mapped(address));
        // SAFETY: `name` hands out a pointer to itself and its own length.
        let answer = unsafe { libc::connect(self.fd.as_raw_fd(), name.as_ptr(), name.len()) };
        sys::check(answer)?;
        self.peer = Some(address);
        Ok(())
    }

    /// Sends one datagram.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let name = SocketName::ip(&self.mapped(to));
        // SAFETY: the pointers and lengths describe `bytes` and `name`.
        let answer = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                name.as_ptr(),
                name.len(),
            )
        };
        sys::check_count(answer)
    }

    /// Takes the error that is pending, such as that nobody listens where something was sent.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match sys::option(self.fd.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => Ok(None),
            number => Ok(Some(io::Error::from_raw_os_error(number))),
        }
    }

    /// Datagrams of one sender that came in a row may be handed out together, which costs less: [`Inbound`] takes them apart. It
    /// needs room for 65535 bytes then. Linux 5.0, udp(7): `UDP_GRO`.
    pub fn receive_merged(&self) -> io::Result<()> {
        self.set(libc::SOL_UDP, libc::UDP_GRO, 1)
    }

    /// How many datagrams have been dropped so far because the receive buffer was full (socket(7), `SO_MEMINFO`; Linux 4.12).
    pub fn dropped(&self) -> io::Result<u64> {
        let mut values = [0_u32; MEMINFO_DROPS + 1];
        let mut len = sys::socklen::<[u32; MEMINFO_DROPS + 1]>();
        // SAFETY: the pointer and the length describe `values`, which lives through the call.
        let answer = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                (&raw mut values).cast(),
                &raw mut len,
            )
        };
        sys::check(answer)?;
        Ok(u64::from(values[MEMINFO_DROPS]))
    }

    /// The largest packet an interface carries, headers included.
    pub fn mtu_of(&self, interface: &str) -> io::Result<u32> {
        // SAFETY: all bytes zero is a valid ifreq: integers and arrays of them.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let room = request.ifr_name.len() - 1;
        if interface.len() > room {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = libc::c_char::from_le_bytes([from]);
        }
        // SAFETY: this request reads the name and writes an int, both within `request`.
        let answer =
            unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) };
        sys::check(answer)?;
        // SAFETY: the call has written this member; the union began as zeroes in any case.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        Ok(u32::try_from(mtu).unwrap_or(0))
    }

    /// An address as this socket's family has it.
    fn mapped(&self, mut address: SocketAddr) -> SocketAddr {
        if self.is_raw {
            // There are no ports, and the kernel minds.
            address.set_port(0);
        }
        match address {
            SocketAddr::V4(v4) if self.is_v6 => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            other => other,
        }
    }

    /// An option whose value is a record of the C library's.
    fn set_record<T: Copy>(&self, level: c_int, name: c_int, record: &T) -> io::Result<()> {
        // SAFETY: the pointer and the length describe `record`, which lives through the call.
        let answer = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                ptr::from_ref(record).cast(),
                sys::socklen::<T>(),
            )
        };
        sys::check(answer).map(drop)
    }

    fn set(&self, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
        sys::set_option(self.fd.as_fd(), level, name, value)
    }
}

impl AsFd for Datagram {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Datagram {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The address of this host from which packets go to another, as the routes say.
pub fn source_for(destination: IpAddr) -> Option<IpAddr> {
    let mut socket = Datagram::new(Kind::Udp, destination.is_ipv6()).ok()?;
    socket.connect(SocketAddr::new(destination, 9)).ok()?;
    let ip = socket.local_address().ok()?.ip()?;
    (!ip.is_unspecified()).then_some(ip)
}

/// "SK_MEMINFO_DROPS" of linux/sock_diag.h, the last of its numbers.
const MEMINFO_DROPS: usize = 8;
/// The libc crate has it not for every target.
const IPV6_MULTICAST_ALL: c_int = 29;
