// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stream sockets between two ends that are both ours, over the real kernel.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which stop where they cannot go on"
)]

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use ferromq_os::address::{Address, UnixAddress};
use ferromq_os::connect::{Progress, connect_tcp, connect_unix, finish};
use ferromq_os::listener::{ListenTuning, Listener};
use ferromq_os::poll::{PollFd, poll};
use ferromq_os::stream::{Stream, StreamTuning};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LOOPBACK_6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

fn until(fd: &impl AsRawFd, events: i16) {
    let mut fds = [PollFd::new(fd.as_raw_fd(), events)];
    assert_eq!(
        poll(&mut fds, Some(Duration::from_secs(30))).unwrap(),
        1,
        "nothing happened"
    );
}

fn accept(listener: &Listener) -> (Stream, Address) {
    until(listener, PollFd::IN);
    listener.accept().unwrap()
}

fn bind(address: SocketAddr) -> (Listener, SocketAddr) {
    let listener = Listener::bind_tcp(address, &ListenTuning::default()).unwrap();
    let address = listener.local_address().unwrap().socket_addr().unwrap();
    (listener, address)
}

fn connect(address: SocketAddr, source: Option<SocketAddr>) -> Stream {
    let (stream, progress) = connect_tcp(address, source, None, &StreamTuning::default()).unwrap();
    if progress == Progress::InProgress {
        until(&stream, PollFd::OUT);
    }
    finish(&stream).unwrap();
    stream
}

fn tcp_pair() -> (Stream, Stream) {
    let (listener, address) = bind(LOOPBACK);
    let client = connect(address, None);
    let (server, peer) = accept(&listener);
    assert_eq!(peer, client.local_name().unwrap());
    (client, server)
}

fn unix_pair(address: &UnixAddress) -> (Stream, Stream) {
    let listener = Listener::bind_unix(address, 10).unwrap();
    assert_eq!(
        listener.local_address().unwrap(),
        Address::Unix(address.clone())
    );
    let (client, progress) = connect_unix(address).unwrap();
    assert_eq!(progress, Progress::Done);
    finish(&client).unwrap();
    let (server, peer) = accept(&listener);
    assert_eq!(peer, Address::Unnamed);
    assert_eq!(peer.to_string(), "");
    assert_eq!(client.peer_name().unwrap(), Address::Unix(address.clone()));
    (client, server)
}

fn abstract_name(of: &str) -> UnixAddress {
    UnixAddress::Abstract(format!("ferromq-os-test-{}-{of}", std::process::id()).into_bytes())
}

fn assert_cloexec_and_nonblocking(fd: &impl AsRawFd) {
    // SAFETY: this command takes no pointers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    // SAFETY: this command takes no pointers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    assert_eq!(flags & libc::O_NONBLOCK, libc::O_NONBLOCK);
}

fn option(stream: &Stream, level: i32, name: i32) -> i32 {
    let mut value = 0_i32;
    let mut len = 4;
    // SAFETY: the pointers name `value` and its length.
    let answer = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    assert_eq!(answer, 0);
    value
}

fn talk(a: &Stream, b: &Stream) {
    let mut buffer = [0; 16];
    assert_eq!(
        a.recv(&mut buffer).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(b.send(b"hello").unwrap(), 5);
    until(a, PollFd::IN);
    assert_eq!(a.recv(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");

    let parts = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    assert_eq!(a.send_vectored(&parts).unwrap(), 7);
    until(b, PollFd::IN);
    let (mut first, mut second) = ([0; 2], [0; 9]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(b.recv_vectored(&mut parts).unwrap(), 7);
    assert_eq!((&first, &second[..5]), (b"on", b"e two".as_slice()));
    assert_eq!(
        b.recv_vectored(&mut []).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );

    let many = vec![IoSlice::new(b"x"); 3000];
    let sent = a.send_vectored(&many).unwrap();
    assert_eq!(sent, 1024);
    let mut count = 0;
    let mut space = [MaybeUninit::uninit(); 4096];
    while count < sent {
        until(b, PollFd::IN);
        count += b.recv_uninit(&mut space).unwrap();
    }
    assert_eq!(count, sent);

    assert!(a.take_error().unwrap().is_none());
    a.shutdown_write().unwrap();
    until(b, PollFd::IN);
    assert_eq!(b.recv(&mut buffer).unwrap(), 0, "the end");
    assert_eq!(b.send(b"still").unwrap(), 5);
    until(a, PollFd::IN);
    assert_eq!(a.recv(&mut buffer).unwrap(), 5);
    b.shutdown_both().unwrap();
    let error = b.send(b"no more").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "and no SIGPIPE");
    assert_eq!(
        a.send(b"no more").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn tcp_talks() {
    let (client, server) = tcp_pair();
    assert_cloexec_and_nonblocking(&client);
    assert_cloexec_and_nonblocking(&server);
    assert_eq!(client.peer_ip(), Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(client.peer_name().unwrap(), server.local_name().unwrap());
    assert_eq!(client.peer_credentials(), None);
    talk(&client, &server);
}

#[test]
fn unix_paths_talk() {
    let path = std::env::temp_dir().join(format!("ferromq-os-test-{}", std::process::id()));
    let address = UnixAddress::Path(path.clone());
    let (client, server) = unix_pair(&address);
    assert_eq!(
        client.peer_name().unwrap().to_string(),
        path.display().to_string()
    );
    assert_eq!(client.peer_ip(), None);
    client
        .tune(&StreamTuning {
            sndbuf: 1 << 16,
            tos: 8,
            ..StreamTuning::default()
        })
        .unwrap();
    talk(&client, &server);
    let taken = Listener::bind_unix(&address, 1).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    std::fs::remove_file(path).unwrap();
    let (_, progress) = connect_unix(&address).unwrap();
    assert_eq!(progress, Progress::Failed(libc::ENOENT));
}

#[test]
fn abstract_names_talk() {
    let address = abstract_name("talk");
    let (client, server) = unix_pair(&address);
    assert!(
        client
            .peer_name()
            .unwrap()
            .to_string()
            .starts_with("@ferromq-os-test-")
    );
    talk(&server, &client);
    drop((client, server));
    let (_, progress) = connect_unix(&address).unwrap();
    assert_eq!(progress, Progress::Failed(libc::ECONNREFUSED));
}

#[test]
fn abstract_names_end_without_a_nul() {
    let UnixAddress::Abstract(name) = abstract_name("raw") else {
        unreachable!()
    };
    let _listener = Listener::bind_unix(&UnixAddress::Abstract(name.clone()), 1).unwrap();
    let listed = std::fs::read("/proc/net/unix").unwrap();
    let text = [b" @".as_slice(), &name, b"\n"].concat();
    assert!(listed.windows(text.len()).any(|window| window == text));
}

#[test]
fn credentials_are_those_of_this_process() {
    let (client, server) = unix_pair(&abstract_name("credentials"));
    // SAFETY: takes no pointers and always succeeds.
    let user = unsafe { libc::getuid() };
    // SAFETY: takes no pointers and always succeeds.
    let group = unsafe { libc::getgid() };
    let process = i32::try_from(std::process::id()).unwrap();
    assert_eq!(client.peer_credentials(), Some((user, group, process)));
    assert_eq!(server.peer_credentials(), Some((user, group, process)));
}

#[test]
fn unix_names_have_limits() {
    let error = |address: UnixAddress| {
        let bound = Listener::bind_unix(&address, 1).unwrap_err().raw_os_error();
        assert_eq!(connect_unix(&address).unwrap_err().raw_os_error(), bound);
        bound
    };
    assert_eq!(
        error(UnixAddress::Path("/".repeat(108).into())),
        Some(libc::ENAMETOOLONG)
    );
    assert_eq!(
        error(UnixAddress::Abstract(vec![b'x'; 108])),
        Some(libc::ENAMETOOLONG)
    );
    assert_eq!(error(UnixAddress::Path(PathBuf::new())), Some(libc::EINVAL));
    assert_eq!(error(UnixAddress::Path("a\0b".into())), Some(libc::EINVAL));
    assert_eq!(error(UnixAddress::Abstract(Vec::new())), Some(libc::EINVAL));

    let UnixAddress::Abstract(mut longest) = abstract_name("longest") else {
        unreachable!()
    };
    longest.resize(107, b'x');
    unix_pair(&UnixAddress::Abstract(longest));
    let dir = std::env::temp_dir();
    let mut longest = dir
        .join(format!("ferromq-os-{}-", std::process::id()))
        .into_os_string();
    if longest.len() <= 107 {
        longest.push("x".repeat(107 - longest.len()));
        unix_pair(&UnixAddress::Path(longest.clone().into()));
        std::fs::remove_file(longest).unwrap();
    }
}

#[test]
fn a_full_unix_backlog_would_block() {
    let address = abstract_name("backlog");
    let listener = Listener::bind_unix(&address, 0).unwrap();
    let first = connect_unix(&address).unwrap();
    let (_, second) = connect_unix(&address).unwrap();
    assert_eq!(second, Progress::Failed(libc::EAGAIN));
    accept(&listener);
    let (_, third) = connect_unix(&address).unwrap();
    assert_eq!(third, Progress::Done);
    drop(first);
}

#[test]
fn nobody_listening_is_refused() {
    // At an address that nobody else listens at, so that nobody takes the port that is given up.
    let elsewhere = Ipv4Addr::new(127, 200, 0, 1);
    let (listener, address) = bind(SocketAddr::from((elsewhere, 0)));
    drop(listener);
    let (stream, progress) = connect_tcp(address, None, None, &StreamTuning::default()).unwrap();
    if let Progress::Failed(errno) = progress {
        assert_eq!(errno, libc::ECONNREFUSED);
        return;
    }
    assert_eq!(progress, Progress::InProgress);
    until(&stream, PollFd::OUT);
    let error = finish(&stream).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let again = finish(&stream).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotConnected);
}

#[test]
fn connections_leave_from_their_source() {
    let (listener, address) = bind(LOOPBACK);
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 9), 0));
    let client = connect(address, Some(source));
    let (_server, peer) = accept(&listener);
    assert_eq!(peer.ip(), Some(source.ip()));
    assert_eq!(client.local_name().unwrap(), peer);
}

#[test]
fn accepting_nothing_would_block() {
    let (listener, _) = bind(LOOPBACK);
    assert_cloexec_and_nonblocking(&listener);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_same_port_twice_is_in_use() {
    let (_listener, address) = bind(LOOPBACK);
    let error = Listener::bind_tcp(address, &ListenTuning::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

/// Not every container has IPv6.
fn has_ipv6() -> bool {
    Listener::bind_tcp(LOOPBACK_6, &ListenTuning::default()).is_ok()
}

#[test]
fn an_ipv6_listener_takes_ipv4_unless_told_not_to() {
    if !has_ipv6() {
        return;
    }
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let (listener, address) = bind(any);
    assert!(address.is_ipv6());
    let port = address.port();
    let _four = connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), None);
    let (server, peer) = accept(&listener);
    assert_eq!(
        server.peer_ip(),
        Some(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into())
    );
    assert!(peer.to_string().starts_with("[::ffff:127.0.0.1]:"));
    server
        .tune(&StreamTuning {
            tos: 0x10,
            ..StreamTuning::default()
        })
        .unwrap();
    assert_eq!(option(&server, libc::IPPROTO_IPV6, libc::IPV6_TCLASS), 0x10);
    assert_eq!(option(&server, libc::IPPROTO_IP, libc::IP_TOS), 0x10);

    let tuning = ListenTuning {
        v6only: true,
        ..ListenTuning::default()
    };
    let listener = Listener::bind_tcp(any, &tuning).unwrap();
    let port = listener
        .local_address()
        .unwrap()
        .socket_addr()
        .unwrap()
        .port();
    let _both = Listener::bind_tcp((Ipv4Addr::UNSPECIFIED, port).into(), &tuning).unwrap();
}

#[test]
fn tuning_reaches_the_socket() {
    let (client, _server) = tcp_pair();
    let tuning = StreamTuning {
        keepalive: 1,
        keepalive_count: 3,
        keepalive_idle: 40,
        keepalive_interval: 5,
        user_timeout_ms: 7000,
        tos: 0x08,
        priority: 4,
        sndbuf: 30_000,
        rcvbuf: 40_000,
        busy_poll: 0,
    };
    assert_eq!(
        option(&client, libc::IPPROTO_TCP, libc::TCP_NODELAY),
        1,
        "from the beginning"
    );
    client.tune(&tuning).unwrap();
    for (level, name, value) in [
        (libc::IPPROTO_TCP, libc::TCP_NODELAY, 1),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 40),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 5),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, 7000),
        (libc::IPPROTO_IP, libc::IP_TOS, 0x08),
        (libc::SOL_SOCKET, libc::SO_PRIORITY, 4),
        (libc::SOL_SOCKET, libc::SO_SNDBUF, 60_000),
        (libc::SOL_SOCKET, libc::SO_RCVBUF, 80_000),
    ] {
        assert_eq!(option(&client, level, name), value, "option {level}/{name}");
    }
    client.tune(&StreamTuning::default()).unwrap();
    assert_eq!(
        option(&client, libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        1,
        "left as it was"
    );
    client
        .tune(&StreamTuning {
            keepalive: 0,
            ..StreamTuning::default()
        })
        .unwrap();
    assert_eq!(option(&client, libc::SOL_SOCKET, libc::SO_KEEPALIVE), 0);
}

#[test]
fn a_failing_option_does_not_keep_the_others_from_being_set() {
    let (client, _server) = tcp_pair();
    let tuning = StreamTuning {
        keepalive: 1,
        keepalive_count: i32::MAX,
        user_timeout_ms: 1234,
        ..StreamTuning::default()
    };
    assert_eq!(
        client.tune(&tuning).unwrap_err().raw_os_error(),
        Some(libc::EINVAL)
    );
    assert_eq!(
        option(&client, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
        1234
    );
}

#[test]
fn listen_tuning_is_inherited() {
    let tuning = ListenTuning {
        sndbuf: 30_000,
        rcvbuf: 40_000,
        tos: 0x08,
        priority: 2,
        ..ListenTuning::default()
    };
    let listener = Listener::bind_tcp(LOOPBACK, &tuning).unwrap();
    let address = listener.local_address().unwrap().socket_addr().unwrap();
    let _client = connect(address, None);
    let (server, _) = accept(&listener);
    assert_eq!(option(&server, libc::SOL_SOCKET, libc::SO_SNDBUF), 60_000);
    assert_eq!(option(&server, libc::SOL_SOCKET, libc::SO_RCVBUF), 80_000);
    let tuning = ListenTuning {
        bind_to_device: Some("no such one".into()),
        ..tuning
    };
    let error = Listener::bind_tcp(LOOPBACK, &tuning).unwrap_err();
    assert!(
        matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EPERM)),
        "{error}"
    );
}

#[test]
fn a_device_restricts_connections() {
    let (listener, address) = bind(LOOPBACK);
    let tuning = StreamTuning::default();
    match connect_tcp(address, None, Some("lo"), &tuning) {
        Ok((stream, _)) => {
            until(&stream, PollFd::OUT);
            finish(&stream).unwrap();
            accept(&listener);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
    }
    let error = connect_tcp(address, None, Some("no such one"), &tuning).unwrap_err();
    assert!(
        matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EPERM)),
        "{error}"
    );
}

#[test]
fn unsent_falls_to_zero_when_the_peer_has_read() {
    let (client, server) = unix_pair(&abstract_name("unsent"));
    assert_eq!(client.unsent().unwrap(), 0);
    client.send(b"some bytes").unwrap();
    assert!(client.unsent().unwrap() >= 10);
    server.recv(&mut [0; 16]).unwrap();
    assert_eq!(client.unsent().unwrap(), 0);

    let (client, server) = tcp_pair();
    // Far more than the peer's window, so that some must remain.
    let mut sent = 0;
    loop {
        match client.send(&[0; 8192]) {
            Ok(count) => sent += count,
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(client.unsent().unwrap() > 0);
    let mut buffer = vec![0; 1 << 16];
    while sent > 0 {
        until(&server, PollFd::IN);
        sent -= server.recv(&mut buffer).unwrap();
    }
}

#[test]
fn a_listener_from_outside_becomes_one_of_ours() {
    let theirs = std::net::TcpListener::bind(LOOPBACK).unwrap();
    let address = theirs.local_addr().unwrap();
    let listener = Listener::from_fd(OwnedFd::from(theirs)).unwrap();
    assert_cloexec_and_nonblocking(&listener);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let _client = connect(address, None);
    accept(&listener);
}

#[test]
fn a_blocking_stream_from_outside_does_not_block() {
    let (theirs, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = Stream::from(OwnedFd::from(theirs));
    assert_eq!(
        stream.recv(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    while stream.send(&[0; 8192]).is_ok() {}
    let _fd: OwnedFd = stream.into();
}

#[test]
fn a_reset_is_an_error_not_an_end() {
    let (client, server) = tcp_pair();
    client.send(b"never read").unwrap();
    until(&server, PollFd::IN);
    drop(server);
    until(&client, PollFd::IN);
    let error: io::Error = client.recv(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
