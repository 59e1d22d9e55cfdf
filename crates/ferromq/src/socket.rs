// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets.

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ferromq_engine::{
    self as engine, MulticastStatistics, Outgoing, PeerStatistics, Readiness, Wait,
};
use ferromq_message::{Message, Multipart};
use ferromq_vocabulary::{Endpoint, SocketType};

use crate::context::Share;
use crate::error::{Error, SendError};
use crate::kind::{Any, Kind, Receives, Sends, Subscribes, Typed};
use crate::monitor::Monitor;
use crate::outbound::{Outbound, Part, Sink};

/// A socket of a kind: `Socket<Push>` sends, `Socket<Pull>` receives, `Socket<Req>` does both.
///
/// Verbs take `&mut self`; no lock is taken. For two threads there is [`split`](Self::split), for
/// more [`shared`](Self::shared).
///
/// Each verb comes in four forms with one meaning: `send` waits as long as the
/// [time-out](crate::SocketBuilder::send_timeout) says, which is for ever at first;
/// `send_deadline` waits until then; `try_send` does not wait; `send_async` is for tasks.
///
/// Dropping a socket closes it and never waits: what has been sent is delivered in the background
/// for as long as [`linger`](crate::SocketBuilder::linger) says.
#[derive(Debug)]
pub struct Socket<K> {
    // The order matters: the share outlives the engine's socket.
    pub(crate) engine: engine::Socket,
    pub(crate) share: Share,
    kind: PhantomData<fn() -> K>,
}

/// A socket whose type is known at run time only. It has all verbs; those its type does not have
/// answer [`NotSupported`](Error::NotSupported).
pub type AnySocket = Socket<Any>;

/// What [`Socket::close`] has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Messages that waited for peers at the call and have reached their side since: its system has acknowledged them.
    pub delivered: u64,
    /// Messages that were given up, or were on their way when the time was over: nobody knows how far.
    pub discarded: u64,
}

impl<K: Kind> Socket<K> {
    pub(crate) const fn of(engine: engine::Socket, share: Share) -> Self {
        Self {
            engine,
            share,
            kind: PhantomData,
        }
    }

    /// Listens at an endpoint; gives it back with wildcards resolved, as a peer can connect to it.
    ///
    /// | endpoint | |
    /// |---|---|
    /// | `tcp://127.0.0.1:5555`, `tcp://[::1]:5555`, `tcp://eth0:5555` | one address |
    /// | `tcp://*:5555`, `tcp://127.0.0.1:*` | all addresses; a free port |
    /// | `ipc:///tmp/feed`, `ipc://@feed`, `ipc://*` | a path; an abstract name; a free one |
    /// | `inproc://feed` | a name within the context |
    /// | `epgm://eth0;239.192.1.1:5555`, `pgm://…` | a multicast group, for PUB, SUB, XPUB and XSUB; bind and connect are the same |
    /// | `udp://*:5555`, `udp://239.192.1.1:5555` | datagrams, for DISH and DGRAM |
    ///
    /// # Errors
    /// [`Endpoint`](Error::Endpoint), [`AddressInUse`](Error::AddressInUse),
    /// [`AddressNotAvailable`](Error::AddressNotAvailable), [`NoDevice`](Error::NoDevice),
    /// [`AccessDenied`](Error::AccessDenied), [`NoThread`](Error::NoThread),
    /// [`Terminated`](Error::Terminated); `zmq_bind(3)`.
    pub fn bind(&mut self, endpoint: &str) -> Result<String, Error> {
        Endpoint::check_bind(endpoint, self.socket_type())?;
        Endpoint::parse_bind(endpoint)?;
        Ok(self.engine.bind(endpoint)?.to_owned())
    }

    /// Connects to an endpoint, in the background: it need not be there yet, and if the connection
    /// is lost it is made again.
    ///
    /// # Errors
    /// [`Endpoint`](Error::Endpoint), [`NoThread`](Error::NoThread),
    /// [`Terminated`](Error::Terminated); `zmq_connect(3)`.
    pub fn connect(&mut self, endpoint: &str) -> Result<(), Error> {
        Endpoint::check_connect(endpoint, self.socket_type())?;
        Endpoint::parse_connect(endpoint)?;
        Ok(self.engine.connect(endpoint)?)
    }

    /// Takes back a [`bind`](Self::bind), named as it answered.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there was none, [`Endpoint`](Error::Endpoint),
    /// [`Terminated`](Error::Terminated); `zmq_unbind(3)`.
    pub fn unbind(&mut self, endpoint: &str) -> Result<(), Error> {
        Endpoint::parse_bind(endpoint)?;
        Ok(self.engine.unbind(endpoint)?)
    }

    /// Takes back a [`connect`](Self::connect), named as it was given. Sent messages go on being
    /// delivered for as long as linger says.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there was none, [`Endpoint`](Error::Endpoint),
    /// [`Terminated`](Error::Terminated); `zmq_disconnect(3)`.
    pub fn disconnect(&mut self, endpoint: &str) -> Result<(), Error> {
        Endpoint::parse_connect(endpoint)?;
        Ok(self.engine.disconnect(endpoint)?)
    }

    /// Watches what happens to its connections from now on.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::of(self.engine.monitor())
    }

    /// What has gone to and come from each peer there is, exactly.
    #[must_use]
    pub fn statistics(&mut self) -> Vec<PeerStatistics> {
        self.engine.statistics()
    }

    /// What has gone over each `pgm://` and `epgm://` endpoint: packets, losses, repairs. Under load it may be 20 ms
    /// old.
    #[must_use]
    pub fn multicast_statistics(&self) -> Vec<MulticastStatistics> {
        self.engine.multicast_statistics()
    }

    /// Messages that were queued for peers whose connection ended for good, and are lost.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.engine.undelivered()
    }

    /// What it could do at once without waiting.
    ///
    /// # Errors
    /// [`Terminated`](Error::Terminated), [`Interrupted`](Error::Interrupted) after a fork.
    pub fn readiness(&mut self) -> Result<Readiness, Error> {
        Ok(self.engine.readiness()?)
    }

    /// A descriptor for an event loop of your own: it becomes readable when
    /// [`readiness`](Self::readiness) may have changed. `ZMQ_FD`.
    ///
    /// It shows edges, not states: ask for the readiness whenever it becomes readable, and again
    /// after each send and receive; never read from it. Sockets that are watched in this way
    /// work a little harder for each message, for the rest of their life.
    ///
    /// To register it beyond the borrow, duplicate it with `try_clone_to_owned`.
    ///
    /// # Errors
    /// [`Terminated`](Error::Terminated).
    pub fn readiness_fd(&mut self) -> Result<BorrowedFd<'_>, Error> {
        Ok(self.engine.readiness_fd()?)
    }

    /// Its type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        self.engine.socket_type()
    }

    /// The endpoint last bound or connected, wildcards resolved; empty if there was none.
    #[must_use]
    pub fn last_endpoint(&self) -> &str {
        self.engine.last_endpoint()
    }

    /// How many peers it has: connected, or awaited at an endpoint it connects to.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.engine.peers()
    }

    /// Forgets at compile time of what type it is.
    #[must_use]
    pub fn into_any(self) -> AnySocket {
        Socket::of(self.engine, self.share)
    }

    /// Closes it, waits until everything sent has been delivered or the time is over, and tells
    /// what has become of it. `Drop` does not wait.
    #[must_use = "closes the socket in any case; drop it if the outcome does not matter"]
    pub fn close(self, time: Duration) -> CloseReport {
        let now = Instant::now();
        let deadline = now.checked_add(time).unwrap_or(now + FOR_EVER);
        let report = self.engine.close_reporting(deadline);
        CloseReport {
            delivered: report.delivered,
            discarded: report.discarded,
        }
    }
}

impl AnySocket {
    /// Says of what type it is after all.
    ///
    /// # Errors
    /// Gives the socket back if it is of another type.
    #[expect(clippy::result_large_err, reason = "it is the socket that came in")]
    pub fn into_typed<K: Typed>(self) -> Result<Socket<K>, Self> {
        if self.socket_type() == K::TYPE {
            Ok(Socket::of(self.engine, self.share))
        } else {
            Err(self)
        }
    }
}

/// Sending. When a send has returned, the message is delivered if the peer is there, even if the
/// program never calls the library again.
///
/// Errors: [`Again`](Error::Again) if it would have to wait longer than it may,
/// [`State`](Error::State) where it is not the turn of a REQ or REP socket,
/// [`Terminated`](Error::Terminated), [`Interrupted`](Error::Interrupted) by a signal,
/// [`NoParts`](Error::NoParts), [`NotSupported`](Error::NotSupported) on an [`AnySocket`];
/// `zmq_msg_send(3)`. Each comes as a [`SendError`] with the message in it.
impl<K: Sends> Socket<K> {
    /// Sends a message, of one part or several; waits for room as long as the
    /// [time-out](Self::set_send_timeout) says.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn send<M: Outbound>(&mut self, message: M) -> Result<(), SendError<M>> {
        self.put(message, Wait::Option)
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn try_send<M: Outbound>(&mut self, message: M) -> Result<(), SendError<M>> {
        self.put(message, Wait::No)
    }

    /// Sends a message; waits for room until the deadline, whatever the time-out says.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn send_deadline<M: Outbound>(
        &mut self,
        message: M,
        deadline: Instant,
    ) -> Result<(), SendError<M>> {
        self.put(message, Wait::Until(deadline))
    }

    /// Sends one part of a message; if there are `more`, they are to follow, and nothing leaves
    /// before the last of them. Waits as [`send`](Self::send) does, on the first part only.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn send_part<P: Part>(&mut self, mut part: P, more: bool) -> Result<(), SendError<P>> {
        let sent =
            part.with(|out: &mut Outgoing<'_>| self.engine.send_frame(out, more, Wait::Option));
        sent.map_err(|code| SendError::new(code.into(), part))
    }

    #[inline]
    fn put<M: Outbound>(&mut self, message: M, wait: Wait) -> Result<(), SendError<M>> {
        put(&mut self.engine, message, wait)
    }
}

/// Receiving.
///
/// A message has one part or several. Where your protocol has messages of one part, call
/// [`recv`](Self::recv); otherwise [`recv_multipart`](Self::recv_multipart). The parts of a message
/// arrive together: after the first, the others do not keep you waiting.
///
/// Errors: [`Again`](Error::Again) if nothing comes in the time it may wait,
/// [`State`](Error::State) where it is not the turn of a REQ or REP socket,
/// [`Terminated`](Error::Terminated), [`Interrupted`](Error::Interrupted) by a signal,
/// [`NotSupported`](Error::NotSupported) on an [`AnySocket`]; `zmq_msg_recv(3)`.
impl<K: Receives> Socket<K> {
    /// Receives a message of one part; waits as long as the [time-out](Self::set_receive_timeout)
    /// says. Of a message of several parts it is the first: [`Message::more`] and
    /// [`receive_more`](Self::receive_more) say so, and the next calls bring the others.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn recv(&mut self) -> Result<Message, Error> {
        Ok(self.engine.recv_frame(Wait::Option)?)
    }

    /// Receives a message of one part if there is one now.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        Ok(self.engine.recv_frame(Wait::No)?)
    }

    /// Receives a message of one part; waits until the deadline, whatever the time-out says.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Message, Error> {
        Ok(self.engine.recv_frame(Wait::Until(deadline))?)
    }

    /// Receives the next part of a message: the name to use where parts are received one by one.
    /// The same as [`recv`](Self::recv).
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn recv_part(&mut self) -> Result<Message, Error> {
        self.recv()
    }

    /// Receives a message of one part into a buffer of yours; gives its full length, which may be
    /// more than fitted (the rest is lost), and whether other parts follow.
    ///
    /// # Errors
    /// See above.
    #[inline(always)]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), Error> {
        Ok(self.engine.recv_into(buffer, Wait::Option)?)
    }

    /// Receives a message of one part into a buffer of yours if there is one now.
    ///
    /// # Errors
    /// See above.
    #[inline]
    pub fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), Error> {
        Ok(self.engine.recv_into(buffer, Wait::No)?)
    }

    /// Receives a message with all its parts (that are left, if some have been received); waits as
    /// long as the time-out says.
    ///
    /// # Errors
    /// See above.
    pub fn recv_multipart(&mut self) -> Result<Multipart, Error> {
        take(&mut self.engine, Wait::Option)
    }

    /// Receives a message with all its parts if there is one now.
    ///
    /// # Errors
    /// See above.
    pub fn try_recv_multipart(&mut self) -> Result<Multipart, Error> {
        take(&mut self.engine, Wait::No)
    }

    /// Receives a message with all its parts; waits until the deadline, whatever the time-out says.
    ///
    /// # Errors
    /// See above.
    pub fn recv_multipart_deadline(&mut self, deadline: Instant) -> Result<Multipart, Error> {
        take(&mut self.engine, Wait::Until(deadline))
    }

    /// Whether the part last received is followed by others.
    #[must_use]
    pub fn receive_more(&self) -> bool {
        self.engine.receive_more()
    }
}

/// Subscriptions. Publishers filter: what nobody has subscribed to does not travel.
/// Verbs of single types, which answer [`NotSupported`](Error::NotSupported) on all others.
impl AnySocket {
    /// As for a DISH.
    ///
    /// # Errors
    /// See there; [`NotSupported`](Error::NotSupported).
    pub fn join(&mut self, group: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.join(group.as_ref())?)
    }

    /// As for a DISH.
    ///
    /// # Errors
    /// See there; [`NotSupported`](Error::NotSupported).
    pub fn leave(&mut self, group: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.leave(group.as_ref())?)
    }

    /// As for a PEER.
    ///
    /// # Errors
    /// See there; [`NotSupported`](Error::NotSupported).
    pub fn connect_peer(&mut self, endpoint: &str) -> Result<u32, Error> {
        Ok(self.engine.connect_peer(endpoint)?)
    }
}

impl Socket<crate::kind::Dish> {
    /// Asks for messages to this group, of up to 255 bytes.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) if it has joined the group already, or the name is too long.
    pub fn join(&mut self, group: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.join(group.as_ref())?)
    }

    /// Takes [`join`](Self::join) back.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) if it has not joined the group.
    pub fn leave(&mut self, group: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.leave(group.as_ref())?)
    }
}

impl Socket<crate::kind::Peer> {
    /// Connects, and returns the routing id to send to that peer by.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub fn connect_peer(&mut self, endpoint: &str) -> Result<u32, Error> {
        Ok(self.engine.connect_peer(endpoint)?)
    }

    /// Ends the connection to a peer.
    ///
    /// # Errors
    /// [`HostUnreachable`](Error::HostUnreachable) if there is none.
    pub fn disconnect_peer(&mut self, routing_id: u32) -> Result<(), Error> {
        Ok(self.engine.disconnect_peer(routing_id)?)
    }
}

impl<K: Subscribes> Socket<K> {
    /// Asks for messages whose first part begins with `topic`; the empty one is for all. Counts:
    /// what was subscribed twice must be unsubscribed twice. `ZMQ_SUBSCRIBE`.
    ///
    /// # Errors
    /// [`Terminated`](Error::Terminated); [`NotSupported`](Error::NotSupported) on an
    /// [`AnySocket`] that is no SUB.
    pub fn subscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.subscribe(topic.as_ref())?)
    }

    /// Takes one [`subscribe`](Self::subscribe) back; does nothing if there was none.
    /// `ZMQ_UNSUBSCRIBE`.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.unsubscribe(topic.as_ref())?)
    }
}

/// Sends a whole message.
#[inline(always)]
pub(crate) fn put<M: Outbound>(
    engine: &mut engine::Socket,
    mut message: M,
    wait: Wait,
) -> Result<(), SendError<M>> {
    match message.put(&mut Sink::new(engine, wait)) {
        Ok(()) => Ok(()),
        Err(error) => Err(SendError::new(error, message)),
    }
}

/// Receives a whole message. Its parts are published together, so only the first may have to be
/// waited for.
pub(crate) fn take(engine: &mut engine::Socket, wait: Wait) -> Result<Multipart, Error> {
    let mut parts = Multipart::new();
    let mut wait = wait;
    loop {
        let part = engine.recv_frame(wait)?;
        let more = part.more();
        parts.push_back(part);
        if !more {
            return Ok(parts);
        }
        wait = Wait::Forever;
    }
}

/// Longer than any process lives, and still a time that clocks can tell.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);
