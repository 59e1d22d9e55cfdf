// SPDX-License-Identifier: MIT OR Apache-2.0
//! `libzmq.so.5`: the C interface of ZeroMQ on ferromq.
//!
//! One file per section of `zmq.h`. Every function is a thin face on `ferromq-engine`:
//!
//! * [`errno`]: codes to `errno`, texts
//! * [`handle`]: what a `void *` of the interface stands for, and how a stale one is told
//! * [`boundary`]: a panic never crosses into C; `sleep`: where calls sleep, and may be cancelled
//! * [`context`], [`message`], [`socket`], [`option`], [`send`], [`recv`], [`poll`], [`legacy`], ...
//!
//! Arguments are checked as far as C allows; a pointer to memory that is not there cannot be.
// A `multiple_unsafe_ops` rule would tear each out-parameter apart; every block argues its case.
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    clippy::missing_safety_doc,
    reason = "the safety contract of each function is the C interface's, in its manual page"
)]

pub mod atomic_counter;
pub mod boundary;
pub mod context;
pub mod curve;
pub mod errno;
pub mod handle;
pub mod has;
pub mod legacy;
pub mod message;
pub mod monitor;
pub mod option;
pub mod peer;
pub mod poll;
pub mod poller;
pub mod proxy;
pub mod recv;
pub mod send;
mod sleep;
pub mod socket;
pub mod stopwatch;
pub mod thread;
pub mod timers;
pub mod z85;
