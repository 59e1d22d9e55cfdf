// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pgm://`: PGM over IP, which needs the right to open raw sockets.
//!
//! What it has in common with [`epgm`](super::epgm) is in [`group`](super::group), and for publishers and
//! subscribers in [`publisher`](super::publisher) and [`subscriber`](super::subscriber).

use ferromq_vocabulary::{Code, GroupAddress, SocketOptions, SocketType};

use super::carrier::Carrier;
use super::group::{Encapsulation, Place};
use super::publisher::Publisher;
use super::subscriber::Subscriber;

pub(super) fn open(
    address: &GroupAddress,
    socket_type: SocketType,
    options: &SocketOptions,
) -> Result<Box<dyn Carrier>, Code> {
    open_as(Encapsulation::Ip, address, socket_type, options)
}

/// The half of PGM that a socket has.
pub(super) fn open_as(
    encapsulation: Encapsulation,
    address: &GroupAddress,
    socket_type: SocketType,
    options: &SocketOptions,
) -> Result<Box<dyn Carrier>, Code> {
    let place = Place::find(address, encapsulation, options)?;
    match socket_type {
        SocketType::Pub | SocketType::Xpub => Ok(Box::new(Publisher::open(place, options)?)),
        SocketType::Sub | SocketType::Xsub => Ok(Box::new(Subscriber::open(place, options)?)),
        _ => Err(Code::IncompatibleProtocol),
    }
}
