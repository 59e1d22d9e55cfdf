// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traffic that is not ZMTP 3 in the clear.
//!
//! Everything above the connection knows one framing, that of ZMTP 2.0 and later in the clear. What
//! a peer speaks instead goes through a [`Transcoder`]: [`v1`] for peers of ZMTP 1.0, and
//! [`curve`](crate::mechanism::curve::traffic) for encrypted traffic.

pub mod v1;

use std::fmt;

use crate::handshake::Fault;

/// Our traffic, from the framing of ZMTP 3 to what the wire carries. Bytes may come cut anywhere.
pub trait Encoder: fmt::Debug + Send {
    /// Takes our frames and appends what is to be written.
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Nothing is held back that waits for the rest of its frame.
    fn is_at_boundary(&self) -> bool;
}

/// The peer's traffic, from what the wire carries to the framing of ZMTP 3. Bytes may come cut
/// anywhere.
pub trait Decoder: fmt::Debug + Send {
    /// Takes what was read and appends the peer's frames.
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Transcoder {
    /// The way out.
    pub encoder: Box<dyn Encoder>,
    /// The way in.
    pub decoder: Box<dyn Decoder>,
}
