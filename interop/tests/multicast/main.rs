// SPDX-License-Identifier: MIT OR Apache-2.0
//! PGM and EPGM against Debian's libzmq with OpenPGM, both ways, between hosts of their own on a network that loses
//! packets. tshark looks at every packet. Where network namespaces are not allowed this is skipped, and said.
//!
//! What must not depend on how fast the machine is, or on how many packets the kernel carries as one: tests publish
//! until enough has been lost, and wait for what they want to see.

#![expect(clippy::print_stdout, reason = "figures")]

mod life;
mod loss;
mod options;
mod place;
mod rig;
