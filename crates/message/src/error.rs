// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with a message.

use std::error::Error;
use std::fmt;

/// The allocator has no block of the size asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl Error for OutOfMemory {}

/// A group name is longer than 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTooLong;

impl fmt::Display for GroupTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group name has at most 255 bytes")
    }
}

impl Error for GroupTooLong {}
