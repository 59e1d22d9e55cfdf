// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exact counters per peer.

use std::sync::atomic::Ordering::Relaxed;

use super::Socket;
use super::link::Link;
use crate::connection::Connection;
use crate::transport::endpoint_of;

/// What has gone between a socket and one peer. Messages are whole ones, bytes are those on the
/// wire, frame headers included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerStatistics {
    /// The routing id the peer introduced itself with.
    pub routing_id: Vec<u8>,
    /// This side's address; empty over inproc and while there is no connection.
    pub local: String,
    /// The peer's address, or the endpoint that was connected to; empty over inproc.
    pub remote: String,
    /// Messages given to this peer's queue.
    pub messages_sent: u64,
    /// Bytes given to this peer's queue.
    pub bytes_sent: u64,
    /// Of those messages, how many wait for the peer.
    pub messages_waiting: u64,
    /// The same as `ZMQ_EVENT_PIPES_STATS` tells it: the peer's progress counts in steps of half a
    /// high-water mark, so that this stays at the mark while a full queue trickles into the
    /// kernel.
    pub messages_waiting_in_steps: u64,
    /// Whole messages that wait to be received, as far as they have been read.
    pub messages_readable: u64,
    /// Messages received by the application.
    pub messages_received: u64,
    /// Bytes received by the application.
    pub bytes_received: u64,
    /// Bytes read from the kernel.
    pub bytes_read: u64,
    /// Messages dropped because the queue was full.
    pub messages_dropped: u64,
    /// How often a message found the queue full.
    pub stalls: u64,
}

impl Socket {
    /// The counters of each peer there is.
    #[must_use]
    pub fn statistics(&mut self) -> Vec<PeerStatistics> {
        let ids: Vec<_> = self.pipes.ids().collect();
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            let (local, remote) = match self.links.get(id.index()) {
                Some(Some(Link::Wire(wire))) => self.addresses_of(&wire.connection),
                _ => Default::default(),
            };
            let Some(pipe) = self.pipes.get_mut(id) else {
                continue;
            };
            let link = self.links.get(id.index()).and_then(Option::as_ref);
            let bytes_read = link.and_then(Link::wire).map_or_else(
                || pipe.reader.bytes(),
                |wire| wire.connection.bytes_in.load(Relaxed),
            );
            let messages_readable = match link.and_then(Link::wire) {
                Some(wire) => wire.connection.wait_rx().fill.waiting(),
                None => pipe.reader.waiting(),
            };
            let (sent, taken) = (pipe.writer.messages(), pipe.writer.taken());
            all.push(PeerStatistics {
                routing_id: pipe.peer.routing_id.to_vec(),
                local,
                remote,
                messages_sent: sent,
                bytes_sent: pipe.writer.bytes(),
                messages_waiting: sent - taken,
                messages_waiting_in_steps: pipe.waiting_in_steps(),
                messages_readable,
                messages_received: pipe.reader.taken(),
                bytes_received: pipe.reader.bytes(),
                bytes_read,
                messages_dropped: pipe.dropped,
                stalls: pipe.stalls,
            });
        }
        all
    }

    /// Both ends of a connection.
    fn addresses_of(&self, connection: &Connection) -> (String, String) {
        let stream = connection.wait_tx().stream.clone();
        let (local, remote) = stream.map_or_else(Default::default, |stream| {
            (
                endpoint_of(stream.local_name().ok().as_ref()),
                endpoint_of(stream.peer_name().ok().as_ref()),
            )
        });
        match self.connected_to(connection.id) {
            Some(endpoint) => (local, endpoint.to_owned()),
            None => (local, remote),
        }
    }

    /// Messages that were queued for peers whose connection ended for good.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.shared.undelivered.load(Relaxed)
    }
}
