// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between the ZMTP 3 framing the queues hold and what another kind of peer has on its wire.
//!
//! A transcoder is a pair of streams without ends: both directions take their bytes in any pieces
//! and append what follows from them. Nobody needs one for ZMTP 2.0, 3.0 and 3.1 without
//! encryption: there the queue's bytes are the wire's.
//!
//! | module | for |
//! |---|---|
//! | [`v1`] | peers that speak ZMTP 1.0 |
//! | [`curve`](crate::mechanism::curve::traffic) | traffic of the CURVE mechanism |

pub mod v1;

use std::fmt;

use crate::handshake::Fault;

/// Rewrites the two directions of one connection.
///
/// Both verbs append to `out` and leave what is in it alone. After an error the transcoder is of no
/// further use, and the connection is to be ended.
pub trait Transcoder: fmt::Debug + Send {
    /// Takes the next bytes of the outbound queue (ZMTP 3 framing, cut anywhere) and appends what
    /// the peer is to read.
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Takes the peer's next bytes and appends ZMTP 3 framing; a frame may come in several pieces.
    ///
    /// To be called once without bytes when traffic begins: something may be due at once.
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;

    /// No frame of the outbound queue is half encoded: the place for frames of another source.
    fn is_at_boundary(&self) -> bool;
}
