// SPDX-License-Identifier: MIT OR Apache-2.0
//! Security mechanisms: what the two sides say between greeting and traffic.
//!
//! One file a mechanism, and one line in [`TABLE`]:
//!
//! 1. [`null`] — READY both ways, nothing checked.

pub mod null;

use std::fmt;

use crate::handshake::Fault;
use crate::metadata::Properties;

/// Bytes of a mechanism's name in the greeting.
pub const NAME_LEN: usize = 20;

/// How far a mechanism has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Commands are still to be sent or taken.
    Handshaking,
    /// Both sides have said READY (or what stands for it).
    Ready,
    /// One side has ended the handshake.
    Failed,
}

/// One side of a mechanism's exchange of commands.
pub trait Mechanism: fmt::Debug + Send {
    /// Takes the body of a command the peer sent.
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault>;

    /// Appends the next command to send as a whole frame; false if it is not our turn.
    fn next_command(&mut self, out: &mut Vec<u8>) -> bool;

    /// How far both sides have come.
    fn status(&self) -> Status;

    /// The peer has said its last word of the handshake: what follows in the stream is traffic.
    fn peer_is_ready(&self) -> bool;

    /// What the peer's properties say, once they are here.
    fn take_properties(&mut self) -> Properties;
}

/// The mechanisms that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No security.
    Null,
}

impl Kind {
    /// The name as the greeting carries it: padded with zeros.
    #[must_use]
    pub fn wire_name(self) -> [u8; NAME_LEN] {
        let mut padded = [0; NAME_LEN];
        for (to, from) in padded.iter_mut().zip(self.row().name.bytes()) {
            *to = from;
        }
        padded
    }

    /// A mechanism that will send these encoded properties.
    #[must_use]
    pub fn start(self, metadata: Vec<u8>) -> Box<dyn Mechanism> {
        (self.row().start)(metadata)
    }

    fn row(self) -> &'static Row {
        match self {
            Self::Null => &NULL,
        }
    }
}

/// One mechanism.
#[derive(Debug)]
pub struct Row {
    /// Which one.
    pub kind: Kind,
    /// Its name in the greeting.
    pub name: &'static str,
    start: fn(Vec<u8>) -> Box<dyn Mechanism>,
}

/// Every mechanism that is built in.
pub const TABLE: [&Row; 1] = [&NULL];

static NULL: Row = Row {
    kind: Kind::Null,
    name: "NULL",
    start: |metadata| Box::new(null::Null::new(metadata)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_kinds_agree() {
        for row in TABLE {
            assert_eq!(row.kind.row().name, row.name);
            assert!(row.name.len() <= NAME_LEN);
        }
    }
}
