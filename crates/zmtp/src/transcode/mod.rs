// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traffic that is not ZMTP 3 in the clear.
//!
//! Everything above the connection knows one framing, that of ZMTP 2.0 and later in the clear. What
//! a peer speaks instead goes through a [`Transcoder`]: [`v1`] for peers of ZMTP 1.0, and
//! [`curve`](crate::mechanism::curve::traffic) for encrypted traffic.

pub(crate) mod frames;
pub mod spare;
pub mod v1;

use std::fmt;

use ferromq_message::Message;

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

    /// If the last bytes decoded have begun a large record, all that is held of it. Whoever takes it reads the rest to
    /// where it will stay, and has the whole [`open`](Self::open)ed before anything else is decoded.
    fn take_begun(&mut self) -> Option<Begun> {
        None
    }

    /// The frame in a large record.
    fn open(&mut self, _record: Message) -> Result<Opened, Fault> {
        Err(Fault::MalformedMessage)
    }
}

/// A large record of which not all is here.
#[derive(Debug)]
pub struct Begun {
    /// How many bytes it has.
    pub len: u64,
    /// Those that are here: to be given back to [`spare`].
    pub beginning: Vec<u8>,
}

/// A frame that lies in the record it was opened in.
#[derive(Debug)]
pub struct Opened {
    /// MORE and COMMAND of ZMTP 3.
    pub flags: u8,
    /// Its body.
    pub body: Message,
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Transcoder {
    /// The way out.
    pub encoder: Box<dyn Encoder>,
    /// The way in.
    pub decoder: Box<dyn Decoder>,
}
