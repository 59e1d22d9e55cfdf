// SPDX-License-Identifier: MIT OR Apache-2.0
//! The semantic items of the contract that show only from outside, each named by its number;
//! `cargo xtask contract` finds them, and tells of an item that has none. What a pattern decides on
//! its own is tested beside it, and what is feared most in the litmus tests.

#![allow(
    dead_code,
    reason = "the litmus tests use more of what is shared with them"
)]

#[cfg(test)]
#[path = "../litmus/common.rs"]
mod common;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod marks;
#[cfg(test)]
#[path = "../litmus/peer.rs"]
mod peer;
#[cfg(test)]
mod publishing;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod waiting;
