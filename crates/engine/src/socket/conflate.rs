// SPDX-License-Identifier: MIT OR Apache-2.0
//! Only the newest message: the option CONFLATE.
//!
//! What waits for a peer and has not begun to go gives way to a newer message; of what has come
//! from a peer only the newest is received, and high-water marks do not keep it out. Messages have
//! one part.

use ferromq_message::Message;
use ferromq_pipe::PipeId;
use ferromq_vocabulary::{Code, SocketOptions, SocketType};

use super::link::Link;
use super::{Socket, Wait};

/// How many messages are to wait to be received; 0 is no limit. Where only the newest counts it must
/// be let in, whatever is there.
pub(crate) fn receive_mark(socket_type: SocketType, options: &SocketOptions) -> u64 {
    let newest_only = options.conflate && socket_type.can_conflate();
    let mark = u64::try_from(options.rcvhwm).unwrap_or(0);
    if newest_only { 0 } else { mark }
}

impl Socket {
    /// Whether only the newest message counts.
    #[inline(always)]
    pub(super) fn conflates(&self) -> bool {
        self.options.conflate && self.socket_type().can_conflate()
    }

    /// What still waits for peers makes way for a newer message.
    pub(super) fn drop_older_output(&mut self) {
        let ids: Vec<PipeId> = self.pipes.ids().collect();
        for id in ids {
            let (Some(Some(Link::Wire(wire))), Some(pipe)) =
                (self.links.get(id.index()), self.pipes.get_mut(id))
            else {
                continue;
            };
            // Whoever holds the lock is writing what would be dropped here.
            if let Some(mut tx) = wire.connection.try_tx()
                && tx.drain.is_at_boundary()
                && !tx.drain.is_drained()
            {
                tx.drain.discard();
                let finished = tx.drain.take_finished();
                drop(tx);
                drop(finished);
                pipe.refresh();
            }
        }
    }

    /// Receives the newest message of the peer whose turn it is.
    pub(super) fn recv_newest(&mut self, wait: Wait) -> Result<Message, Code> {
        self.check_alive()?;
        self.input();
        let mut newest = Message::new();
        let id = self.recv_one(&mut newest, wait)?;
        let Some(id) = id else { return Ok(newest) };
        while let Some(pipe) = self.pipes.get_mut(id)
            && pipe.reader.is_ready()
            && let Some(mut next) = pipe.reader.take()
        {
            next.set_metadata(pipe.peer.metadata.clone());
            newest = next;
        }
        self.count_receive(id);
        self.resume_if_stalled(id);
        self.receive_more = newest.more();
        Ok(newest)
    }
}
