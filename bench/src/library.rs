// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a library must offer to be measured: one call here is one call there.

use crate::Outcome;

/// The socket types at work here, as zmq.h numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// `ZMQ_PUB`
    Pub = 1,
    /// `ZMQ_SUB`
    Sub = 2,
    /// `ZMQ_REQ`
    Req = 3,
    /// `ZMQ_REP`
    Rep = 4,
    /// `ZMQ_PULL`
    Pull = 7,
    /// `ZMQ_PUSH`
    Push = 8,
}

/// `ZMQ_XPUB_NODROP`
pub const XPUB_NODROP: i32 = 69;

/// A context. Clones are the same one.
pub trait Context: Clone + Send + 'static {
    /// Its sockets.
    type Socket: Socket;

    /// Makes a socket.
    fn socket(&self, kind: Kind) -> Outcome<Self::Socket>;
}

/// A socket.
pub trait Socket: Send + Sized + 'static {
    /// Binds, and says where.
    fn bind(&mut self, endpoint: &str) -> Outcome<String>;

    /// Connects.
    fn connect(&mut self, endpoint: &str) -> Outcome<()>;

    /// Sets an option of type int.
    fn set(&mut self, option: i32, value: i32) -> Outcome<()>;

    /// Subscribes to everything.
    fn subscribe_all(&mut self) -> Outcome<()>;

    /// Sends a copy of these bytes.
    fn send(&mut self, bytes: &[u8]) -> Outcome<()>;

    /// Receives into a buffer; returns the message's length.
    fn recv(&mut self, buffer: &mut [u8]) -> Outcome<usize>;

    /// Makes a message of this length, has it filled, sends it.
    fn send_message(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Outcome<()>;

    /// Receives a message and shows it.
    fn recv_message<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Outcome<R>;

    /// Looks whether a message is there.
    fn look(&mut self) -> Outcome<bool>;

    /// Polls all of them, reads each ready one until nothing is left, and shows what it gets with
    /// the socket's place, until told to stop.
    fn read_all(
        sockets: &mut [Self],
        buffer: &mut [u8],
        take: impl FnMut(usize, &[u8]) -> Outcome<Go>,
    ) -> Outcome<()>;
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// On.
    On,
    /// No further.
    Stop,
}
