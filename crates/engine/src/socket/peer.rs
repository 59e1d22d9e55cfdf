// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single peers: their names, what they are greeted with, and what is done with one of them.

use ferromq_message::Message;
use ferromq_pattern::Pattern;
use ferromq_pipe::{Outgoing, PipeId};
use ferromq_vocabulary::{Code, SocketOptions, SocketType};

use super::Socket;
use super::link::Link;
use super::sending::code_of;
use crate::command::{Linger, Order};
use crate::connection::Extent;

/// Whether each new connection begins with an empty message (`PROBE_ROUTER`).
pub(crate) fn probes(socket_type: SocketType, options: &SocketOptions) -> bool {
    use SocketType::{Dealer, Req, Router};
    options.probe_router && matches!(socket_type, Dealer | Req | Router)
}

/// `ZMQ_POLLOUT`, in the state of a peer.
const WRITABLE: i32 = 2;

impl Socket {
    /// The name that the next connection's peer is to have, which must be free.
    pub(super) fn next_routing_id(&self) -> Result<Vec<u8>, Code> {
        let routing_id = &self.options.connect_routing_id;
        if !routing_id.is_empty() && self.pattern.find_peer(routing_id).is_some() {
            return Err(Code::Invalid);
        }
        Ok(routing_id.clone())
    }

    /// The peer of a pipe made before has come: a socket of this process.
    pub(super) fn introduce(&mut self, id: PipeId, routing_id: Vec<u8>) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.peer.known = true;
            pipe.peer.routing_id = routing_id.into();
        }
        self.pattern.identified(&mut self.pipes, id);
    }

    /// Whether input is taken in by the pattern as it comes, not as it is received.
    pub(super) fn takes_input_in(&self) -> bool {
        !self.socket_type().receives() || self.socket_type() == SocketType::Xpub
    }

    /// The first message to a peer of this process that we connect to; to others it goes when they
    /// connect.
    pub(super) fn greet_inproc(&mut self, id: PipeId) {
        let connected = self.pipes.get(id).is_some_and(|pipe| pipe.peer.connected);
        if connected && !self.options.hello_msg.is_empty() {
            let mut hello = Outgoing::Bytes(&self.options.hello_msg);
            self.pipes.push(id, &mut hello, false);
        }
    }

    /// A new peer of this process is told that we are there, if the option says so.
    pub(super) fn probe_inproc(&mut self, id: PipeId) {
        if probes(self.socket_type(), &self.options) {
            self.pipes.push(id, &mut Outgoing::Bytes(&[]), false);
        }
    }

    /// What has been put into a new pipe is on its way.
    pub(super) fn send_first(&mut self, id: PipeId) {
        if self
            .pipes
            .get(id)
            .is_some_and(|pipe| pipe.writer.messages() > 0)
        {
            self.sent(id);
        }
    }

    /// A peer that came to us has gone: the application is told, if it has asked to be.
    pub(super) fn say_goodbye(&mut self, id: PipeId) {
        let accepted = self
            .pipes
            .get(id)
            .is_some_and(|pipe| pipe.peer.known && !pipe.peer.connected);
        if accepted && !self.options.disconnect_msg.is_empty() {
            let message = Message::copy_from_slice(&self.options.disconnect_msg);
            self.pattern.deliver(id, message);
        }
    }

    /// Tells the publishers what sends have changed.
    #[cold]
    pub(super) fn spread_topics(&mut self) {
        for change in self.pattern.take_topics() {
            self.spread(&change.topic, change.add, change.news);
        }
    }

    /// Closes the connections that the pattern wants closed; what is queued goes out first.
    pub(super) fn report_closing(&mut self) {
        for id in self.pattern.take_closing() {
            self.close_pipe(id);
        }
    }

    /// Closes one connection, in an orderly way.
    fn close_pipe(&mut self, id: PipeId) {
        self.pump(id, Extent::All);
        if let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) {
            let linger = Linger::from_option(self.options.linger);
            let id = wire.connection.id;
            wire.connection.io.post(Order::Close { id, linger });
        }
        self.let_go(id);
    }

    /// Connects as [`connect`](Self::connect) and returns the peer's number (PEER).
    ///
    /// # Errors
    /// Those of `connect`; `NotSupported` for other types, `Fault` with the option IMMEDIATE.
    pub fn connect_peer(&mut self, endpoint: &str) -> Result<u32, Code> {
        if self.socket_type() != SocketType::Peer {
            return Err(Code::NotSupported);
        }
        if self.options.immediate {
            return Err(Code::Fault);
        }
        self.connect(endpoint)?;
        let number = self.last_routing_id.as_slice().try_into();
        Ok(number.map_or(0, u32::from_be_bytes))
    }

    /// Ends the connection with one peer (SERVER, PEER).
    ///
    /// # Errors
    /// `HostUnreachable` without such a peer, `NotSupported` for other types, `Terminated`.
    pub fn disconnect_peer(&mut self, number: u32) -> Result<(), Code> {
        self.check_alive()?;
        self.take_news();
        if !matches!(self.socket_type(), SocketType::Server | SocketType::Peer) {
            return Err(Code::NotSupported);
        }
        let id = self.pattern.find_peer(&number.to_be_bytes());
        self.close_pipe(id.ok_or(Code::HostUnreachable)?);
        Ok(())
    }

    /// What may be done with one peer (ROUTER): 2 if a message may be sent to it.
    ///
    /// # Errors
    /// `HostUnreachable` without such a peer, `NotSupported` for other types, `Terminated`.
    pub fn peer_state(&mut self, routing_id: &[u8]) -> Result<i32, Code> {
        self.check_alive()?;
        self.take_news();
        if self.socket_type() != SocketType::Router {
            return Err(Code::NotSupported);
        }
        let id = self.pattern.find_peer(routing_id);
        let id = id.ok_or(Code::HostUnreachable)?;
        let may_refresh = std::mem::replace(&mut self.pipes.may_refresh, true);
        let room = self.pipes.has_room(id);
        self.pipes.may_refresh = may_refresh;
        Ok(if room { WRITABLE } else { 0 })
    }

    /// Joins a group (DISH).
    ///
    /// # Errors
    /// `Invalid` if it has been joined or its name is too long, `NotSupported` for other types,
    /// `Terminated`.
    pub fn join(&mut self, group: &[u8]) -> Result<(), Code> {
        self.check_alive()?;
        self.pattern.join(group).map_err(code_of)?;
        self.spread(group, true, true);
        Ok(())
    }

    /// Leaves a group (DISH).
    ///
    /// # Errors
    /// `Invalid` if it was not joined, `NotSupported` for other types, `Terminated`.
    pub fn leave(&mut self, group: &[u8]) -> Result<(), Code> {
        self.check_alive()?;
        self.pattern.leave(group).map_err(code_of)?;
        self.spread(group, false, true);
        Ok(())
    }
}
