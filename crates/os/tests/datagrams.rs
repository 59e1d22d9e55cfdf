// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams between sockets that are all ours, over the real kernel. What the machine does not allow (raw
//! sockets, groups on the loopback interface) is skipped, and said.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which stop where they cannot go on"
)]

use std::io::{Write, stderr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::Duration;

use ferromq_os::datagram::{Datagram, Inbound, Kind, Outbound, source_for};
use ferromq_os::interface;
use ferromq_os::poll::{PollFd, poll};

fn udp(address: IpAddr) -> (Datagram, SocketAddr) {
    let socket = Datagram::new(Kind::Udp, address.is_ipv6()).unwrap();
    socket.bind(SocketAddr::new(address, 0)).unwrap();
    let address = socket.local_address().unwrap().socket_addr().unwrap();
    (socket, address)
}

fn arrives(socket: &Datagram, time: Duration) -> bool {
    let mut fds = [PollFd::new(socket.as_raw_fd(), PollFd::IN)];
    poll(&mut fds, Some(time)).unwrap() == 1
}

/// Everything that comes until so many have.
fn collect(socket: &Datagram, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut inbound = Inbound::new(16, 2000);
    let mut all = Vec::new();
    while all.len() < count {
        assert!(
            arrives(socket, Duration::from_secs(30)),
            "{} came",
            all.len()
        );
        inbound.receive(socket).unwrap();
        all.extend(inbound.iter().map(|(from, bytes)| (from, bytes.to_vec())));
    }
    all
}

fn send(socket: &Datagram, to: SocketAddr, bodies: &[Vec<u8>]) {
    let mut outbound = Outbound::new();
    for body in bodies {
        let begin = outbound.buffer().len();
        outbound.buffer().extend_from_slice(body);
        let end = outbound.buffer().len();
        outbound.push(begin..end, to);
    }
    assert_eq!(outbound.len(), bodies.len());
    while !outbound.send(socket).unwrap() {
        let mut fds = [PollFd::new(socket.as_raw_fd(), PollFd::OUT)];
        poll(&mut fds, Some(Duration::from_secs(30))).unwrap();
    }
    assert!(outbound.is_empty() && outbound.buffer().is_empty());
}

fn bodies(count: u32) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| number.to_be_bytes().repeat(1 + number as usize % 300))
        .collect()
}

#[test]
fn batches_arrive_whole_and_in_order() {
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), v6] {
        let (receiver, address) = udp(ip);
        receiver.large_receive_buffer(4 << 20).unwrap();
        let (sender, from) = udp(ip);
        let sent = bodies(100);
        send(&sender, address, &sent);
        let came = collect(&receiver, sent.len());
        assert!(came.iter().all(|(who, _)| *who == from));
        assert!(came.into_iter().map(|(_, bytes)| bytes).eq(sent));
    }
}

/// Those of one length travel together, whoever takes them apart again; nobody can tell.
#[test]
fn what_travels_together_arrives_one_by_one() {
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), v6] {
        for merged in [false, true] {
            let (receiver, address) = udp(ip);
            receiver.large_receive_buffer(8 << 20).unwrap();
            if merged && receiver.receive_merged().is_err() {
                skip("no merging of datagrams before Linux 5.0");
                continue;
            }
            let (sender, from) = udp(ip);
            let mut sent = Vec::new();
            for (len, count) in [(1000, 100), (7, 1), (1, 70), (0, 3), (1452, 64), (9000, 20)] {
                sent.extend((0..count).map(|number: u8| vec![number; len]));
            }
            send(&sender, address, &sent);
            let mut inbound = Inbound::new(16, 65_535);
            let (mut came, mut calls) = (Vec::new(), 0);
            while came.len() < sent.len() {
                assert!(
                    arrives(&receiver, Duration::from_secs(30)),
                    "{}",
                    came.len()
                );
                calls += inbound.receive(&receiver).unwrap();
                let before = came.len();
                came.extend(inbound.iter().map(|(who, bytes)| (who, bytes.to_vec())));
                assert_eq!(came.len() - before, inbound.len());
            }
            assert!(came.iter().all(|(who, _)| *who == from));
            assert!(
                came.iter().map(|(_, bytes)| bytes).eq(&sent),
                "{ip} {merged}"
            );
            assert!(merged || calls == sent.len(), "{calls}");
            assert_eq!(receiver.dropped().unwrap(), 0);
        }
    }
}

/// What cannot be sent at all does not take with it what it would have travelled with, nor end the travelling.
#[test]
fn what_is_refused_together_is_tried_alone() {
    let (receiver, address) = udp(Ipv4Addr::LOCALHOST.into());
    receiver.receive_merged().ok();
    let (sender, _) = udp(Ipv4Addr::LOCALHOST.into());
    let mut outbound = Outbound::new();
    let nowhere = SocketAddr::new(address.ip(), 0);
    for to in [address, nowhere, nowhere, nowhere, address, address] {
        let begin = outbound.buffer().len();
        outbound.buffer().extend_from_slice(b"four");
        outbound.push(begin..begin + 4, to);
    }
    let mut refused = 0;
    while !outbound.is_empty() {
        refused += usize::from(outbound.send(&sender).is_err());
    }
    assert_eq!(refused, 3);
    assert_eq!(collect(&receiver, 3).len(), 3);
    // A receiver that nobody has given a buffer loses what does not fit, and counts it.
    let (small, address) = udp(Ipv4Addr::LOCALHOST.into());
    small.receive_buffer(1).unwrap();
    send(&sender, address, &vec![vec![1; 1000]; 50]);
    let mut inbound = Inbound::new(64, 2000);
    let came = inbound.receive(&small).unwrap_or(0) as u64;
    assert!(came < 50, "{came}");
    assert_eq!(came + small.dropped().unwrap(), 50);
}

#[test]
fn what_is_too_long_is_passed_over() {
    let (receiver, address) = udp(Ipv4Addr::LOCALHOST.into());
    let (sender, _) = udp(Ipv4Addr::LOCALHOST.into());
    send(&sender, address, &[vec![1; 101], vec![2; 100], vec![]]);
    let mut inbound = Inbound::new(8, 100);
    assert!(arrives(&receiver, Duration::from_secs(30)));
    assert_eq!(inbound.receive(&receiver).unwrap(), 3);
    assert_eq!(inbound.too_long(), 1);
    let came: Vec<_> = inbound.iter().map(|(_, bytes)| bytes.to_vec()).collect();
    assert_eq!(came, [vec![2; 100], vec![]]);
    assert!(inbound.receive(&receiver).is_err());
    assert_eq!(inbound.iter().count(), 0);
}

#[test]
fn one_bad_datagram_does_not_stop_the_others() {
    let (receiver, address) = udp(Ipv4Addr::LOCALHOST.into());
    let (sender, _) = udp(Ipv4Addr::LOCALHOST.into());
    let mut outbound = Outbound::new();
    for len in [1, 70_000, 2] {
        let begin = outbound.buffer().len();
        outbound.buffer().resize(begin + len, 7);
        outbound.push(begin..begin + len, address);
    }
    let error = outbound.send(&sender).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(90)); // EMSGSIZE
    assert_eq!(outbound.len(), 1);
    assert!(outbound.send(&sender).unwrap());
    let lens: Vec<_> = collect(&receiver, 2).iter().map(|(_, b)| b.len()).collect();
    assert_eq!(lens, [1, 2]);
}

/// With the interface for IPv6, where such groups are in scope.
fn scoped(address: IpAddr, port: u16, index: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, index).into(),
        IpAddr::V4(_) => SocketAddr::new(address, port),
    }
}

/// Past the harness, which keeps what passing tests print to itself; xtask counts these lines.
fn skip(why: &str) {
    writeln!(stderr(), "SKIPPED: {why}").ok();
}

/// A group socket hears its group and nothing else; the loop is up to the sender.
fn group_on_loopback(group: IpAddr, local: IpAddr) {
    let index = interface::index_of("lo").unwrap();
    let receiver = Datagram::new(Kind::Udp, group.is_ipv6()).unwrap();
    receiver.share_address().unwrap();
    receiver.bind(scoped(group, 0, index)).unwrap();
    let port = receiver
        .local_address()
        .unwrap()
        .socket_addr()
        .unwrap()
        .port();
    receiver.own_groups_only().unwrap();
    if let Err(error) = receiver.join(group, index) {
        skip(&format!(
            "no groups on the loopback interface here: {error}"
        ));
        return;
    }
    // Another one at the same address.
    let second = Datagram::new(Kind::Udp, group.is_ipv6()).unwrap();
    second.share_address().unwrap();
    second.bind(scoped(group, port, index)).unwrap();
    second.join(group, index).unwrap();
    let (sender, _) = udp(local);
    sender.multicast_interface(index).unwrap();
    sender.multicast_hops(1).unwrap();
    sender.multicast_loop(true).unwrap();
    sender.type_of_service(0xb8).unwrap();
    sender.dont_fragment().unwrap();
    let outcome = sender.send_to(b"group", scoped(group, port, index));
    if let Err(error) = outcome {
        skip(&format!("nothing can be sent to groups here: {error}"));
        return;
    }
    if !arrives(&receiver, Duration::from_secs(5)) {
        skip("the loopback interface does not carry groups here");
        return;
    }
    assert_eq!(collect(&receiver, 1)[0].1, b"group");
    assert_eq!(collect(&second, 1)[0].1, b"group");
    if let (IpAddr::V4(of), IpAddr::V4(from)) = (group, local) {
        // It hears others, but not the one that it has blocked.
        second.block(of, from, index).unwrap();
        let (other, _) = udp(Ipv4Addr::new(127, 0, 0, 2).into());
        other.multicast_interface(index).unwrap();
        other.multicast_loop(true).unwrap();
        for (socket, bytes) in [(&sender, b"from one"), (&other, b"from two")] {
            socket.send_to(bytes, scoped(group, port, index)).unwrap();
        }
        assert_eq!(collect(&second, 1)[0].1, b"from two");
        let heard = collect(&receiver, 2);
        assert_eq!([&heard[0].1, &heard[1].1], [b"from one", b"from two"]);
    }
    // What goes to this host is not for a group socket, also at the same port.
    let (_holder, to) = {
        let unicast = Datagram::new(Kind::Udp, group.is_ipv6()).unwrap();
        unicast.share_address().unwrap();
        unicast.bind(SocketAddr::new(local, port)).unwrap();
        (unicast, SocketAddr::new(local, port))
    };
    sender.send_to(b"host", to).unwrap();
    assert_eq!(collect(&_holder, 1)[0].1, b"host");
    assert!(!arrives(&receiver, Duration::from_millis(20)));
}

#[test]
fn groups_of_ipv4() {
    group_on_loopback([239, 192, 7, 7].into(), Ipv4Addr::LOCALHOST.into());
}

#[test]
fn groups_of_ipv6() {
    let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x7a65, 0x726f);
    group_on_loopback(group.into(), Ipv6Addr::LOCALHOST.into());
}

#[test]
fn raw_sockets_carry_any_protocol() {
    for ip in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        // 253 and 254 are for experiments.
        let receiver = match Datagram::new(Kind::Raw(253), ip.is_ipv6()) {
            Ok(socket) => socket,
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(1));
                skip("no raw sockets for this user");
                return;
            }
        };
        receiver.bind(SocketAddr::new(ip, 0)).unwrap();
        let sender = Datagram::new(Kind::Raw(253), ip.is_ipv6()).unwrap();
        sender.bind(SocketAddr::new(ip, 0)).unwrap();
        send(&sender, SocketAddr::new(ip, 4000), &[b"raw".to_vec()]);
        let came = collect(&receiver, 1);
        assert_eq!((came[0].0.ip(), came[0].1.as_slice()), (ip, &b"raw"[..]));
    }
}

#[test]
fn the_system_knows_its_interfaces() {
    let socket = Datagram::new(Kind::Udp, false).unwrap();
    assert!(socket.mtu_of("lo").unwrap() > 1000);
    assert!(socket.mtu_of("no such interface here").is_err());
    assert!(socket.mtu_of("nosuch0").is_err());
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(source_for(local), Some(local));
    assert!(interface::all().iter().any(|each| each.address == local));
}
