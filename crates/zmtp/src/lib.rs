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
//! | [`mechanism`] | NULL, PLAIN and CURVE, and the table where other mechanisms get their line |
//! | [`zap`] | asking an authenticator (RFC 27) |
//! | [`handshake`] | greeting and mechanism together, and every way they can fail |
//! | [`transcode`] | traffic that is not ZMTP 3 in the clear: ZMTP 1.0, CURVE |
//! | [`apdu`] | frames in datagrams, as they travel over PGM |
//! | [`heartbeat`] | when to PING, and when to give a silent peer up |
//! | [`subscription`] | subscriptions as commands (3.1) and as messages (3.0) |
//! | [`z85`] | keys as text (RFC 32) |
//! | [`decoder`] | bytes to frames, a walker for tests and tools |
//! | [`connection`] | all of it as one machine: for virtual time, fuzzing, and as the engine's oracle |

//!
//! # From greeting to traffic
//!
//! 1. [`Handshake::with_security`](handshake::Handshake::with_security) (or `new`, for NULL); write
//!    `transmit`, give `handle_input` what arrives.
//! 2. After each call ask [`take_question`](handshake::Handshake::take_question): a server wants to
//!    know something of an authenticator. Put domain, address and routing id to credentials
//!    ([`zap::Request`]), ask the handler, and bring the answer to
//!    [`judged`](handshake::Handshake::judged) or [`admitted`](handshake::Handshake::admitted). Ask
//!    [`take_negotiation`](handshake::Handshake::take_negotiation), too: a security context takes
//!    its step where waiting is allowed, and [`negotiated`](handshake::Handshake::negotiated) hears
//!    what came of it. Until then nothing goes on; do not read meanwhile (input that is not taken is
//!    traffic, to be kept).
//! 3. At `is_done`, take the [`transcoder`](handshake::Handshake::take_transcoder) if there is one
//!    and pass both directions through it; then `into_peer`.
//! 4. After a fault write what `transmit` still holds (an ERROR), then close.

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

pub mod apdu;
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
pub mod transcode;
pub mod z85;
pub mod zap;
