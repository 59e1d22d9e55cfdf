// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unwelcome peers, and news of those who come.

use std::time::Instant;

use ferromq_pattern::Pattern;
use ferromq_pipe::{Pipe, PipeId};
use ferromq_vocabulary::Code;

use super::Socket;
use super::link::Link;
use crate::command::{Linger, Order};
use crate::handshakes::{HandshakeEnd, Nothing};

impl Socket {
    /// Ends the connection with the peer of this routing id at once: what is queued for it is lost.
    /// It may come back.
    ///
    /// # Errors
    /// `HostUnreachable` without such a peer, `Terminated`.
    pub fn disconnect_routing_id(&mut self, routing_id: &[u8]) -> Result<(), Code> {
        let id = self.named(routing_id)?;
        self.cut(id);
        Ok(())
    }

    /// Ends the connection with the peer of this routing id at once, and every other one with its
    /// address. Until then (for ever without a time) nobody may come from that address, nor under
    /// the routing id that the peer has given itself.
    ///
    /// # Errors
    /// `HostUnreachable` without such a peer, `Terminated`.
    pub fn ban_routing_id(
        &mut self,
        routing_id: &[u8],
        until: Option<Instant>,
    ) -> Result<(), Code> {
        let id = self.named(routing_id)?;
        let Some(pipe) = self.pipes.get(id) else {
            return Err(Code::HostUnreachable);
        };
        let own_id = pipe.peer.routing_id.clone();
        let address = address_of(pipe).unwrap_or_default();
        self.shared.bans.add_routing_id(&own_id, until);
        self.cut(id);
        self.ban_address(&address, until)
    }

    /// Ends every connection with this address at once, and lets nobody come from there until then,
    /// for ever without a time. Addresses are those of the property `Peer-Address`.
    ///
    /// # Errors
    /// `Terminated`.
    pub fn ban_address(&mut self, address: &str, until: Option<Instant>) -> Result<(), Code> {
        self.check_alive()?;
        self.shared.bans.add_address(address, until);
        self.take_news();
        if address.is_empty() {
            return Ok(());
        }
        let there: Vec<_> = self
            .pipes
            .ids()
            .filter(|id| self.pipes.get(*id).and_then(address_of).as_deref() == Some(address))
            .collect();
        for id in there {
            self.cut(id);
        }
        Ok(())
    }

    /// Everybody may come again.
    pub fn lift_bans(&mut self) {
        self.shared.bans.lift();
    }

    /// Waits for the end of the next handshake, or takes that of an earlier one: the last
    /// [`HANDSHAKES_KEPT`](crate::HANDSHAKES_KEPT) that nobody has asked for are kept. Attempts to
    /// connect that do not come to a handshake have no end here.
    ///
    /// # Errors
    /// `Again` if none ends before the deadline, `Terminated`.
    pub fn next_handshake(&mut self, deadline: Option<Instant>) -> Result<HandshakeEnd, Code> {
        self.check_alive()?;
        let shared = &self.shared;
        let end = shared.handshakes.take(deadline, || !shared.is_terminated());
        end.map_err(|nothing| match nothing {
            Nothing::InTime => Code::Again,
            Nothing::Alive => Code::Terminated,
        })
    }

    /// The pipe of the peer of this routing id: the one that messages are sent to, or else one that
    /// has introduced itself so.
    fn named(&mut self, routing_id: &[u8]) -> Result<PipeId, Code> {
        self.check_alive()?;
        self.take_news();
        if let Some(id) = self.pattern.find_peer(routing_id) {
            return Ok(id);
        }
        let is_it = |id: &PipeId| {
            let pipe = self.pipes.get(*id);
            !routing_id.is_empty() && pipe.is_some_and(|pipe| *pipe.peer.routing_id == *routing_id)
        };
        self.pipes.ids().find(is_it).ok_or(Code::HostUnreachable)
    }

    /// Ends a connection at once.
    fn cut(&mut self, id: PipeId) {
        if let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) {
            let linger = Linger::For(std::time::Duration::ZERO);
            let id = wire.connection.id;
            wire.connection.io.post(Order::Close { id, linger });
        }
        self.detach(id);
    }
}

fn address_of(pipe: &Pipe) -> Option<String> {
    let metadata = pipe.peer.metadata.as_ref()?;
    let address = metadata.get("Peer-Address")?;
    Some(String::from_utf8_lossy(address).into_owned())
}
