// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets call, here so that tests of the stable toolchain can replay their corpora.
//!
//! An entry panics where a promise is broken; everything else about its input is allowed.

use std::net::{Ipv4Addr, Ipv6Addr};

use ferromq_vocabulary::SocketOptions;

use crate::transport::socks::{Destination, DestinationHost, Socks};

/// With a login or without, where to, and what the proxy says: whole and byte by byte, with the same end.
pub fn socks(data: &[u8]) {
    let Some((setup, said)) = data.split_first() else {
        return;
    };
    let mut options = SocketOptions::default();
    if setup & 1 != 0 {
        options.socks_username = b"user".to_vec();
    }
    let host = match setup >> 1 & 3 {
        0 => DestinationHost::Address(Ipv4Addr::LOCALHOST.into()),
        1 => DestinationHost::Address(Ipv6Addr::LOCALHOST.into()),
        2 => DestinationHost::Name("example.org".to_owned()),
        _ => DestinationHost::Name("n".repeat(300)),
    };
    let destination = Destination { host, port: 5555 };
    let mut whole = Socks::new(destination.clone(), &options);
    let mut bytewise = Socks::new(destination, &options);
    let end = whole.handle_input(said);
    let steps = said.iter().try_for_each(|byte| {
        let step = bytewise.handle_input(&[*byte]);
        assert!(bytewise.transmit().len() <= MOST_SAID);
        step
    });
    assert_eq!(end, steps);
    assert_eq!(whole.transmit(), bytewise.transmit());
    assert_eq!(whole.is_done(), bytewise.is_done());
    if end.is_ok() {
        let rest = whole.into_rest();
        assert_eq!(rest, bytewise.into_rest());
        assert!(said.ends_with(&rest));
    }
}

/// Methods, a login of two texts, and a request with a name.
const MOST_SAID: usize = 3 + (3 + 2 * 255) + (4 + 1 + 255 + 2);
