// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was sent and may be asked for again, and behind it what has not been sent yet.

use std::collections::VecDeque;

use super::blocks::{Blocks, Full, Memory, Spot};
use crate::clock::Tick;
use crate::packet::{DATA_HEADER_LEN, DataHead, FRAGMENT_LEN, Fragment, Header, put_data_head};
use crate::sequence::Sqn;

/// A packet that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    spot: Spot,
    head: DataHead,
    is_fragment: bool,
    sent: Option<Tick>,
    /// When it was confirmed that it will be sent again, and when it was.
    pub(super) confirmed: Option<Tick>,
    pub(super) repaired: Option<Tick>,
    /// It is among those to be sent again.
    pub(super) queued: bool,
}

/// What has been appended to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Bytes of the packet, and of its payload.
    pub(super) len: usize,
    pub(super) payload: usize,
}

#[derive(Debug)]
pub(super) struct Window {
    /// The number of the first packet.
    trail: Sqn,
    packets: VecDeque<Kept>,
    /// How many at the end have not been sent.
    unsent: usize,
    bytes: usize,
    unsent_bytes: usize,
    /// The packets themselves.
    blocks: Blocks,
    /// Room to write what comes before a payload.
    head: Vec<u8>,
}

impl Window {
    pub(super) fn new(first: Sqn) -> Self {
        Self {
            trail: first,
            packets: VecDeque::new(),
            unsent: 0,
            bytes: 0,
            unsent_bytes: 0,
            blocks: Blocks::default(),
            head: Vec::new(),
        }
    }

    pub(super) fn push(
        &mut self,
        header: &Header,
        fragment: Option<Fragment>,
        payload: &[u8],
    ) -> Result<(), Full> {
        self.packets.try_reserve(1).map_err(|_no_memory| Full)?;
        let sqn = self.end();
        self.head.clear();
        put_data_head(header, sqn, fragment, payload.len(), &mut self.head);
        let head = DataHead::of(&self.head, payload);
        let spot = self.blocks.push(&self.head, payload)?;
        self.bytes += cost(&spot);
        self.unsent_bytes += spot.len();
        self.unsent += 1;
        self.packets.push_back(Kept {
            head,
            spot,
            is_fragment: fragment.is_some(),
            sent: None,
            confirmed: None,
            repaired: None,
            queued: false,
        });
        Ok(())
    }

    /// Appends the next packet that has not been sent; it counts as sent from now on.
    pub(super) fn send_next(&mut self, tick: Tick, out: &mut Vec<u8>) -> Option<Written> {
        let at = self.packets.len().checked_sub(self.unsent)?;
        let kept = self.packets.get_mut(at)?;
        kept.sent = Some(tick);
        self.unsent -= 1;
        self.unsent_bytes = self.unsent_bytes.saturating_sub(kept.spot.len());
        self.write(at, false, out)
    }

    /// Appends a packet again, unless it is gone.
    pub(super) fn repair(&mut self, tick: Tick, sqn: Sqn, out: &mut Vec<u8>) -> Option<Written> {
        let kept = self.sent(sqn)?;
        kept.queued = false;
        kept.repaired = Some(tick);
        let at = usize::try_from(sqn.since(self.trail)).ok()?;
        self.write(at, true, out)
    }

    /// Appends a packet as it is to be sent now.
    fn write(&self, at: usize, repair: bool, out: &mut Vec<u8>) -> Option<Written> {
        let kept = self.packets.get(at)?;
        let begin = out.len();
        out.extend_from_slice(self.blocks.get(&kept.spot));
        let packet = out.get_mut(begin..)?;
        kept.head.finish(packet, repair, self.trail);
        let fragment = if kept.is_fragment { FRAGMENT_LEN } else { 0 };
        Some(Written {
            len: packet.len(),
            payload: packet.len().saturating_sub(DATA_HEADER_LEN + fragment),
        })
    }

    /// A packet that has been sent and is still here.
    pub(super) fn sent(&mut self, sqn: Sqn) -> Option<&mut Kept> {
        let at = usize::try_from(sqn.since(self.trail)).ok()?;
        self.packets.get_mut(at).filter(|kept| kept.sent.is_some())
    }

    pub(super) fn drop_first(&mut self) {
        if let Some(kept) = self.packets.pop_front() {
            self.trail = self.trail.plus(1);
            self.bytes = self.bytes.saturating_sub(cost(&kept.spot));
            self.blocks.drop_first();
        }
    }

    /// How many pieces of memory would be used soon.
    pub(super) fn wants_memory(&self) -> usize {
        self.blocks.wants_memory()
    }

    /// Memory to keep packets in.
    pub(super) fn lend(&mut self, memory: Box<dyn Memory>) {
        self.blocks.lend(memory);
    }

    /// Gives up what has not been sent.
    pub(super) fn drop_unsent(&mut self) {
        while self.unsent > 0 {
            self.unsent -= 1;
            if let Some(kept) = self.packets.pop_back() {
                self.bytes = self.bytes.saturating_sub(cost(&kept.spot));
                self.blocks.drop_last(&kept.spot);
            }
        }
        self.unsent_bytes = 0;
    }

    /// The number of the first packet, or of the next one if there is none.
    pub(super) fn trail(&self) -> Sqn {
        self.trail
    }

    /// The number of the next packet to be pushed.
    pub(super) fn end(&self) -> Sqn {
        self.trail.plus(count(self.packets.len()))
    }

    /// The number of the next packet to be sent.
    pub(super) fn sent_end(&self) -> Sqn {
        self.trail.plus(count(self.packets.len() - self.unsent))
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// When the first packet was sent.
    pub(super) fn oldest(&self) -> Option<Tick> {
        self.packets.front().and_then(|kept| kept.sent)
    }

    /// When the last packet that was sent was, the first time.
    pub(super) fn last_sent(&self) -> Option<Tick> {
        let at = self.packets.len().checked_sub(self.unsent + 1)?;
        self.packets.get(at)?.sent
    }
}

/// What a packet takes.
fn cost(spot: &Spot) -> usize {
    spot.len() + size_of::<Kept>()
}

/// The window holds less than 2^31.
fn count(packets: usize) -> u32 {
    u32::try_from(packets).unwrap_or(u32::MAX)
}
