// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoints, good and bad.

use super::*;
use EndpointError::{Incompatible, Invalid, NameTooLong, UnknownScheme};

#[test]
fn bind_endpoints_are_printed_canonically() {
    let table = [
        ("tcp://*:5555", "tcp://*:5555"),
        ("tcp://*:*", "tcp://*:*"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:*"),
        ("tcp://eth0:80", "tcp://eth0:80"),
        ("tcp://eth0:1:80", "tcp://eth0:1:80"),
        ("tcp://localhost:00080", "tcp://localhost:80"),
        ("tcp://host_a.example:65535", "tcp://host_a.example:65535"),
        ("tcp://[::]:5555", "tcp://[::]:5555"),
        ("tcp://[*]:5555", "tcp://*:5555"),
        ("tcp://::1:5555", "tcp://[::1]:5555"),
        ("tcp://[fe80::1%eth0]:1", "tcp://[fe80::1%eth0]:1"),
        ("tcp://[FE80:0::1]:1", "tcp://[fe80::1]:1"),
        ("ipc:///tmp/x y", "ipc:///tmp/x y"),
        ("ipc://*", "ipc://*"),
        ("ipc://@abstract", "ipc://@abstract"),
        ("inproc://a", "inproc://a"),
        ("inproc://a://b", "inproc://a://b"),
        ("inproc://*", "inproc://*"),
        ("pgm://eth0;239.0.0.1:1", "pgm://eth0;239.0.0.1:1"),
        ("epgm://;239.0.0.1:1", "epgm://239.0.0.1:1"),
        ("udp://*:0", "udp://*:*"),
    ];
    for (text, canonical) in table {
        let endpoint = Endpoint::parse_bind(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(endpoint.to_string(), canonical);
        assert_eq!(Endpoint::parse_bind(canonical), Ok(endpoint));
    }
}

#[test]
fn connect_endpoints_are_printed_canonically() {
    let table = [
        ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
        ("tcp://localhost:1", "tcp://localhost:1"),
        ("tcp://a-b_c.example:1", "tcp://a-b_c.example:1"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0"),
        ("tcp://[::1]:5555", "tcp://[::1]:5555"),
        ("tcp://::1:5555", "tcp://[::1]:5555"),
        ("tcp://[fe80::1%lo]:5", "tcp://[fe80::1%lo]:5"),
        (
            "tcp://127.0.0.1:0;10.0.0.1:80",
            "tcp://127.0.0.1:*;10.0.0.1:80",
        ),
        ("tcp://eth0:*;host:80", "tcp://eth0:*;host:80"),
        ("tcp://[::1]:99;[::2]:80", "tcp://[::1]:99;[::2]:80"),
        ("ipc://relative", "ipc://relative"),
        ("ipc://@x", "ipc://@x"),
        ("inproc://name with spaces", "inproc://name with spaces"),
    ];
    for (text, canonical) in table {
        let endpoint = Endpoint::parse_connect(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(endpoint.to_string(), canonical);
        assert_eq!(Endpoint::parse_connect(canonical), Ok(endpoint));
    }
}

#[test]
fn what_nobody_takes() {
    let table = [
        ("", Invalid),
        ("tcp", Invalid),
        ("tcp:/host:1", Invalid),
        ("://host:1", Invalid),
        ("tcp://", Invalid),
        ("ipc://", Invalid),
        ("inproc://", Invalid),
        ("TCP://127.0.0.1:1", UnknownScheme),
        ("norm://127.0.0.1:1", UnknownScheme),
        ("epgm://eth0:1", Invalid),
        ("pgm://eth0;10.0.0.1:1", Invalid),
        ("ws://127.0.0.1:1", UnknownScheme),
        ("vsock://2:1", UnknownScheme),
        ("invalid://localhost:1234", UnknownScheme),
        ("tcp://localhost", Invalid),
        ("tcp://localhost:", Invalid),
        ("tcp://:5555", Invalid),
        ("tcp://localhost:invalid", Invalid),
        ("tcp://in val id:1234", Invalid),
        ("tcp://127.0.0.1:65536", Invalid),
        ("tcp://127.0.0.1:65537", Invalid),
        ("tcp://127.0.0.1:99999999999999999999", Invalid),
        ("tcp://127.0.0.1:+5", Invalid),
        ("tcp://127.0.0.1:-5", Invalid),
        ("tcp://127.0.0.1: 5", Invalid),
        ("tcp://[]:5", Invalid),
        ("tcp://[::1:5", Invalid),
        ("tcp://::1]:5", Invalid),
        ("tcp://[name]:5", Invalid),
        ("tcp://[::1%]:5", Invalid),
        ("tcp://127.0.0.1%eth0:5", Invalid),
        ("tcp://name%eth0:5", Invalid),
        ("tcp://a/b:5", Invalid),
        ("tcp://h\u{f6}st\u{a0}x:5", Invalid),
        ("ipc://@", Invalid),
        ("ipc://a\0b", Invalid),
    ];
    for (text, error) in table {
        assert_eq!(Endpoint::parse_bind(text), Err(error), "bind {text:?}");
        assert_eq!(
            Endpoint::parse_connect(text),
            Err(error),
            "connect {text:?}"
        );
    }
}

#[test]
fn what_only_bind_takes() {
    let only_bind = [
        "tcp://*:5555",
        "tcp://127.0.0.1:*",
        "tcp://*:*",
        "tcp://eth0:1:80",
        "ipc://*",
    ];
    for text in only_bind {
        assert!(Endpoint::parse_bind(text).is_ok(), "{text}");
        assert_eq!(Endpoint::parse_connect(text), Err(Invalid), "{text}");
    }
    for text in [
        "tcp://1.1.1.1:1;2.2.2.2:2",
        "tcp://1.1.1.1;2.2.2.2:2",
        "tcp://a:1;b:00",
    ] {
        assert_eq!(Endpoint::parse_bind(text), Err(Invalid), "{text}");
    }
    for text in [
        "tcp://1.1.1.1;2.2.2.2:2",
        "tcp://a:1;b:2;c:3",
        "tcp://;a:1",
        "tcp://a:1;",
    ] {
        assert_eq!(Endpoint::parse_connect(text), Err(Invalid), "{text}");
    }
}

#[test]
fn paths_must_fit_a_socket_address() {
    for (prefix, fits) in [("/", true), ("@", true)] {
        let path = |len: usize| format!("ipc://{prefix}{}", "x".repeat(len - 1));
        assert_eq!(Endpoint::parse_bind(&path(107)).is_ok(), fits);
        assert_eq!(Endpoint::parse_bind(&path(108)), Err(NameTooLong));
        assert_eq!(Endpoint::parse_connect(&path(5000)), Err(NameTooLong));
    }
}

#[test]
fn raw_types_have_their_own_transports() {
    let bind = Endpoint::check_bind;
    assert_eq!(bind("tcp://*:1", SocketType::Stream), Ok(()));
    assert_eq!(bind("ipc://*", SocketType::Stream), Ok(()));
    assert_eq!(bind("tcp://*:1", SocketType::Dgram), Err(Incompatible));
    assert_eq!(bind("ipc://*", SocketType::Push), Ok(()));
    // That comes before what stands behind it.
    let (epgm, udp) = ("epgm://lo", "udp://x");
    for socket_type in SocketType::ALL {
        use SocketType::{Dgram, Dish, Pub, Radio, Sub, Xpub, Xsub};
        let publishes = matches!(socket_type, Pub | Sub | Xpub | Xsub);
        assert_eq!(bind(epgm, socket_type).is_ok(), publishes);
        assert_eq!(
            Endpoint::check_connect(epgm, socket_type).is_ok(),
            publishes
        );
        assert_eq!(
            bind(udp, socket_type).is_ok(),
            matches!(socket_type, Dish | Dgram)
        );
        assert_eq!(
            Endpoint::check_connect(udp, socket_type).is_ok(),
            socket_type == Radio
        );
    }
}

#[test]
fn errors_have_codes() {
    let codes = [Incompatible, Invalid, NameTooLong, UnknownScheme].map(EndpointError::code);
    assert_eq!(
        codes,
        [
            Code::IncompatibleProtocol,
            Code::Invalid,
            Code::NameTooLong,
            Code::ProtocolNotSupported
        ]
    );
    assert_eq!(Port::Wildcard.number(), 0);
}

/// A cheap stand-in for a fuzzer: pieces of endpoints in any order parse or fail, and what parses
/// prints to something that parses to the same.
#[test]
fn any_mixture_parses_or_fails() {
    let pieces = [
        "tcp", "ipc", "://", ":", ";", "*", "[", "]", "%", "::1", "0", "65535", "@", "ä",
    ];
    let mut state = 1_u32;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..8 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
        }
        for text in [text.clone(), format!("tcp://{text}")] {
            if let Ok(endpoint) = Endpoint::parse_bind(&text) {
                assert_eq!(
                    Endpoint::parse_bind(&endpoint.to_string()),
                    Ok(endpoint),
                    "{text}"
                );
            }
            if let Ok(endpoint) = Endpoint::parse_connect(&text) {
                assert_eq!(
                    Endpoint::parse_connect(&endpoint.to_string()),
                    Ok(endpoint),
                    "{text}"
                );
            }
        }
    }
}
