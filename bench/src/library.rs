// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a library must offer to be measured: one call here is one call there.

use crate::Outcome;
use crate::task::Calls;

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
    /// `ZMQ_DEALER`
    Dealer = 5,
    /// `ZMQ_ROUTER`
    Router = 6,
    /// `ZMQ_PULL`
    Pull = 7,
    /// `ZMQ_PUSH`
    Push = 8,
    /// `ZMQ_XPUB`
    Xpub = 9,
    /// `ZMQ_RADIO`
    Radio = 14,
    /// `ZMQ_DISH`
    Dish = 15,
}

/// `ZMQ_RATE`
pub const RATE: i32 = 8;
/// `ZMQ_RCVBUF`
pub const RCVBUF: i32 = 12;
/// `ZMQ_SNDHWM`
pub const SNDHWM: i32 = 23;
/// `ZMQ_RCVHWM`
pub const RCVHWM: i32 = 24;
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

    /// Sets an option made of bytes.
    fn set_bytes(&mut self, option: i32, value: &[u8]) -> Outcome<()>;

    /// Subscribes to what begins so.
    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()>;

    /// Joins a group: a DISH.
    fn join(&mut self, group: &str) -> Outcome<()>;

    /// Sends a copy of these bytes to a group: a RADIO.
    fn send_to(&mut self, group: &str, bytes: &[u8]) -> Outcome<()>;

    /// Sends a copy of these bytes.
    fn send(&mut self, bytes: &[u8]) -> Outcome<()>;

    /// Receives into a buffer; returns the message's length.
    fn recv(&mut self, buffer: &mut [u8]) -> Outcome<usize>;

    /// Makes a message of so many times this byte, has some of it written over, sends it.
    fn send_message(&mut self, len: usize, byte: u8, write: impl FnOnce(&mut [u8])) -> Outcome<()>;

    /// Sends this body as it lies there, and drops it when it has been sent.
    fn send_body(&mut self, body: Vec<u8>) -> Outcome<()>;

    /// Receives a message and shows it.
    fn recv_message<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Outcome<R>;

    /// Receives a message, however many parts it has, and sends it back as it is.
    fn echo(&mut self) -> Outcome<()>;

    /// Looks whether a message is there.
    fn look(&mut self) -> Outcome<bool>;

    /// Passes on whatever comes on either to the other, and does not return.
    fn proxy(front: &mut Self, back: &mut Self) -> Outcome<()>;

    /// Polls all of them, reads each ready one until nothing is left, and shows what it gets with
    /// the socket's place, until told to stop.
    fn read_all(
        sockets: &mut [Self],
        calls: Calls,
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
