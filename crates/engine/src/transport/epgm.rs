// SPDX-License-Identifier: MIT OR Apache-2.0
//! `epgm://`: PGM in UDP. The endpoint's port is that of UDP, for groups and for hosts, and PGM's
//! data-destination port.

use ferromq_vocabulary::{Code, GroupAddress, SocketOptions, SocketType};

use super::carrier::Carrier;
use super::group::Encapsulation;
use super::pgm;

pub(super) fn open(
    address: &GroupAddress,
    socket_type: SocketType,
    options: &SocketOptions,
) -> Result<Box<dyn Carrier>, Code> {
    pgm::open_as(Encapsulation::Udp, address, socket_type, options)
}
