// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket keeps beside each pipe: how the other end is reached.

use std::sync::Arc;

use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::transport::inproc::Tie;
use crate::tuning::BATCH_BYTES;

/// How a pipe's other end is reached.
#[derive(Debug)]
pub(crate) enum Link {
    Wire(Box<Wire>),
    Inproc(Box<InprocLink>),
}

#[derive(Debug)]
pub(crate) struct InprocLink {
    pub(crate) tie: Arc<Tie>,
    /// The other socket; absent until the name is bound.
    pub(crate) peer: Option<Arc<SocketShared>>,
    /// Messages received when the sender was last woken.
    pub(crate) woken_at: u64,
    /// After how many messages that happens.
    pub(crate) credit_step: u64,
}

/// The application's notes on a connection, for deciding when to write.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) connection: Arc<Connection>,
    /// How far the queue had been handed on at the last write.
    pub(crate) flushed_bytes: u64,
    pub(crate) flushed_messages: u64,
    /// More bytes than this in the queue since then are a batch: one more message like the last
    /// ones would not fit into it.
    pub(crate) flush_above: u64,
    pub(crate) last_flush: u64,
    /// What a write costs, averaged, in ticks.
    pub(crate) cost: u64,
    /// Messages sent before the present burst.
    pub(crate) burst_began: u64,
    /// Messages come so fast that so many of them need no look at the clock.
    pub(crate) ahead: u32,
    pub(crate) last_check: u64,
    /// Since when an answer is held back, in ticks of the clock; 0 if none is.
    pub(crate) held_since: u64,
    /// The last read was a large one.
    pub(crate) streams: bool,
    /// The kernel may hold input.
    pub(crate) hot: bool,
    pub(crate) ending: bool,
}

impl Wire {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            flushed_bytes: 0,
            flushed_messages: 0,
            flush_above: u64::from(BATCH_BYTES) - 1,
            last_flush: 0,
            cost: 0,
            burst_began: 0,
            ahead: 0,
            last_check: 0,
            held_since: 0,
            streams: false,
            hot: false,
            ending: false,
        }
    }
}

impl Link {
    pub(crate) fn wire(&self) -> Option<&Wire> {
        match self {
            Self::Wire(wire) => Some(wire),
            Self::Inproc(_) => None,
        }
    }

    /// The socket goes: who is tied to it hears of it.
    pub(crate) fn close(&self, own: &SocketShared) {
        if let Self::Inproc(link) = self {
            link.close(own);
        }
    }
}

impl InprocLink {
    pub(crate) fn close(&self, own: &SocketShared) {
        if self.tie.close()
            && let Some(peer) = self.tie.other(own)
        {
            peer.tell_untied(&self.tie);
        }
    }
}
