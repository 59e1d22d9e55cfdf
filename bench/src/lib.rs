// SPDX-License-Identifier: MIT OR Apache-2.0
//! Benchmarks of ferromq beside a given libzmq: the same work, the same code, two libraries.
//!
//! 1. [`command`]: the command line, for the `bench` binary and for `ferromq bench`
//! 2. [`table`]: what is measured, and the bars; [`workload`]: what is learnt from each
//! 3. [`compare`]: interleaved pairs, and their lines of the table
//!    ([`plot`]: pictures of it)
//! 4. [`runner`]: the processes of one run
//! 5. [`role`]: what such a process does, told by its arguments ([`task`])
//! 6. [`work`]: the work itself, over any [`library`]
//! 7. [`ours`], [`theirs`]: the two libraries
//! 8. [`system`]: CPU time, affinity, limits
//!
//! Over epgm, pgm and udp each process has a network namespace of its own, with a veth pair and a bridge between them, and both libraries
//! the same `ZMQ_RCVBUF`.
//!
//! A run has two processes (over inproc, two threads of one). The clock runs from the first to the
//! last message received; CPU time is that of both processes, from `wait4`.

pub mod command;
pub mod compare;
pub mod library;
pub mod ours;
pub mod plot;
pub mod role;
pub mod runner;
pub mod system;
pub mod table;
pub mod task;
pub mod theirs;
pub mod work;
pub mod workload;

use std::error::Error;
use std::fmt;

/// The first argument of a process that a runner has started.
pub const ROLE_COMMAND: &str = "bench-role";

/// Why a run has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

/// What can fail here.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// With this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same, and where it happened.
    #[must_use]
    pub fn within(self, place: impl fmt::Display) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

macro_rules! failure_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )*};
}

failure_from!(
    ferromq_interop::Failure,
    std::io::Error,
    std::num::ParseIntError,
    std::num::TryFromIntError,
    std::ffi::NulError,
    libloading::Error,
    ferromq::Error,
    ferromq::OutOfMemory,
    hdrhistogram::CreationError,
    hdrhistogram::RecordError
);
