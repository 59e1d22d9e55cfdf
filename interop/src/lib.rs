// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real libzmq as a peer, in a process of its own.
//!
//! 1. [`versions`]: which real libraries there are on this machine, and the building of one.
//! 2. [`library`]: one of them loaded into this process, and proof of which one it is.
//! 3. [`script`]: the lines spoken between a test and a peer process.
//! 4. [`peer`]: the test's end of such a process (`src/bin/libzmq-peer.rs` is the other).
//! 5. [`side`]: one end of a conversation, whoever plays it.
//! 6. [`matrix`]: every type pair, transport, direction and version, with message counts.
//!
//! `cargo test` puts target folders on the library path, so nothing here loads a library by its
//! bare name: ours against ours would prove nothing.

pub mod library;
pub mod matrix;
pub mod peer;
pub mod script;
pub mod side;
pub mod versions;

use std::fmt;

/// What went wrong, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

/// A value, or what went wrong.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// Says what went wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Says where it went wrong, too.
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

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
