// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real libzmq as a peer, in a process of its own.
//!
//! 1. [`versions`]: which real libraries there are on this machine, and the building of one.
//! 2. [`library`]: one of them loaded into this process, and proof of which one it is.
//! 3. [`script`]: the lines spoken between a test and a peer process.
//! 4. [`peer`]: the test's end of such a process (`src/bin/libzmq-peer.rs` is the other).
//! 5. [`side`]: one end of a conversation, whoever plays it.
//! 6. [`network`]: hosts of their own, on a network that loses what it is told to.
//! 7. [`matrix`]: every type pair, transport, direction and version, with message counts.
//! 8. [`secured`]: every mechanism, transport, type pair, and who binds and serves.
//! 9. [`realm`]: a Kerberos realm that is thrown away afterwards.
//! 10. [`endpoint`]: endpoints that nobody else has.
//!
//! `cargo test` puts target folders on the library path, so nothing here loads a library by its
//! bare name: ours against ours would prove nothing.

pub mod endpoint;
pub mod envelope;
pub mod library;
pub mod matrix;
pub mod network;
pub mod peer;
pub mod realm;
pub mod script;
pub mod secured;
pub mod side;
pub mod versions;

use std::fmt;

/// What went wrong, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    text: String,
    is_of_dead_peer: bool,
}

/// A value, or what went wrong.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// Says what went wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_of_dead_peer: false,
        }
    }

    /// Says that a peer's process has ended where nobody asked for it.
    fn of_dead_peer(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_of_dead_peer: true,
        }
    }

    /// Says where it went wrong, too.
    #[must_use]
    pub fn within(self, place: impl fmt::Display) -> Self {
        Self {
            text: format!("{place}: {}", self.text),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
