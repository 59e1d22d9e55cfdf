// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exact counters per peer.

use std::sync::atomic::Ordering::Relaxed;

use ferromq_pipe::PipeId;

use super::Socket;
use super::link::Link;
use crate::command::News;
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
    /// How many peers it has, connected or awaited. Those that have gone do not count, though something of them may be
    /// left to be received.
    #[must_use]
    pub fn peers(&self) -> usize {
        let here = self.pipes.ids().filter(|id| self.is_here(*id)).count();
        let (mut come, mut gone) = (0, 0);
        self.shared.news.for_each(|news| match news {
            News::Attach { .. } => come += 1,
            News::AttachInproc { tie, .. } => come += usize::from(!tie.is_closed()),
            News::Ended { id, .. } => {
                let known = self.by_connection.get(id);
                // Who has come and gone unheard of is no more than that.
                gone += usize::from(known.is_none_or(|id| self.is_here(*id)));
            }
            _ => {}
        });
        (here + come).saturating_sub(gone)
    }

    /// Whether a pipe's peer has not gone, as far as is known.
    fn is_here(&self, id: PipeId) -> bool {
        let untied = matches!(self.links.get(id.index()), Some(Some(Link::Inproc(link))) if link.tie.is_closed());
        !untied && !self.ending.contains(&id)
    }

    /// The counters of each peer there is.
    #[must_use]
    pub fn statistics(&mut self) -> Vec<PeerStatistics> {
        if self.check_alive().is_ok() {
            self.hear_all();
        }
        self.known_statistics()
    }

    /// The counters of each peer that the last call knew of.
    #[must_use]
    pub fn known_statistics(&mut self) -> Vec<PeerStatistics> {
        let ids: Vec<_> = self.pipes.ids().filter(|id| self.is_here(*id)).collect();
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
        let untied = |id: &PipeId| !self.is_here(*id) && !self.ending.contains(id);
        let unheard: u64 = self
            .pipes
            .ids()
            .filter(untied)
            .map(|id| self.lost_in_process(id))
            .sum();
        self.shared.undelivered.load(Relaxed) + unheard
    }

    /// Messages for a peer in this process that has gone, those apart that would have been with it over a wire.
    pub(super) fn lost_in_process(&self, id: PipeId) -> u64 {
        let (Some(Some(Link::Inproc(link))), Some(pipe)) =
            (self.links.get(id.index()), self.pipes.get(id))
        else {
            return 0;
        };
        let queued = pipe.writer.messages() - pipe.writer.taken();
        queued.saturating_sub(link.tie.share(pipe.peer.connected))
    }
}
