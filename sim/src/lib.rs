// SPDX-License-Identifier: MIT OR Apache-2.0
//! Virtual time, a seeded bad network and scripted peers.
//!
//! Nothing here sleeps or waits. A test that fails names its seed; the same seed gives the same run
//! on every machine.
//!
//! | module | holds |
//! |---|---|
//! | [`rng`] | [`SplitMix64`](rng::SplitMix64), the only source of chance |
//! | [`link`] | one direction of a stream: fragments, delays, stalls, cuts, never a lost byte |
//! | [`multicast`] | a PGM source, up to thousands of receivers, and the datagrams between them |
//! | [`pair`] | two connections with a link each way, and the clock that moves them |
//! | [`script`] | one connection against bytes written by hand |
//! | [`wire`] | those bytes |

#![forbid(unsafe_code)]

pub mod link;
pub mod multicast;
pub mod pair;
pub mod rng;
pub mod script;
pub mod wire;

use std::time::Instant;

/// The instant a virtual clock starts from. Only differences to it mean anything.
#[must_use]
pub fn epoch() -> Instant {
    Instant::now()
}
