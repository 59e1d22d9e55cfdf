// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZMTP 3.1 without I/O.
//!
//! Every machine here is driven the same way: give it bytes (`handle_input`) and time
//! (`handle_timeout`), then take what it wants written (`transmit` / `poll_transmit`), what
//! happened (`poll_event`) and when it next wants to be called (`poll_timeout`). Nothing here reads
//! a clock, starts a thread or knows a file descriptor.
//!
//! | module | holds |
//! |---|---|
//! | [`greeting`] | the 64 bytes both sides begin with, and which version the peer speaks |
//! | [`command`] | the commands of ZMTP 3.1, to and from frame bodies |
//! | [`metadata`] | the properties READY carries |
//! | [`mechanism`] | NULL, and the table where other mechanisms get their line |
//! | [`handshake`] | greeting and mechanism together, and every way they can fail |
//! | [`heartbeat`] | when to PING, and when to give a silent peer up |
//! | [`subscription`] | subscriptions as commands (3.1) and as messages (3.0) |
//! | [`z85`] | keys as text (RFC 32) |
//! | [`decoder`] | bytes to frames, a walker for tests and tools |
//! | [`connection`] | all of it as one machine: for virtual time, fuzzing, and as the engine's oracle |

#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)
)]

pub mod command;
pub mod connection;
pub mod decoder;
#[doc(hidden)]
pub mod fuzz_entry;
pub mod greeting;
pub mod handshake;
pub mod heartbeat;
pub mod mechanism;
pub mod metadata;
pub mod subscription;
pub mod z85;
