// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory for packets that come in order and go in order: large blocks filled one after the other. A buffer for each
//! packet would have the allocator ask the system for memory every few packets while a window grows.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::ops::Range;

/// Memory that somebody else has for packets to be kept in.
pub trait Memory: AsRef<[u8]> + AsMut<[u8]> + Debug + Send {}

impl<T: AsRef<[u8]> + AsMut<[u8]> + Debug + Send> Memory for T {}

/// Packets in the order in which they were pushed.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    /// The number of the first block.
    first: u64,
    /// What is to be filled next.
    spare: VecDeque<Bytes>,
    /// Blocks begun since one came back: it grows.
    begun: usize,
}

#[derive(Debug)]
struct Block {
    bytes: Bytes,
    /// How many packets are in it.
    packets: usize,
}

/// What packets are appended to, up to its capacity.
#[derive(Debug)]
enum Bytes {
    Own(Vec<u8>),
    Lent { memory: Box<dyn Memory>, len: usize },
}

impl Bytes {
    fn len(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Lent { len, .. } => *len,
        }
    }

    fn room(&self) -> usize {
        let capacity = match self {
            Self::Own(bytes) => bytes.capacity(),
            Self::Lent { memory, .. } => memory.as_ref().as_ref().len(),
        };
        capacity.saturating_sub(self.len())
    }

    /// There is room.
    fn append(&mut self, more: &[u8]) {
        match self {
            Self::Own(bytes) => bytes.extend_from_slice(more),
            Self::Lent { memory, len } => {
                let end = *len + more.len();
                if let Some(to) = memory.as_mut().as_mut().get_mut(*len..end) {
                    to.copy_from_slice(more);
                    *len = end;
                }
            }
        }
    }

    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        match self {
            Self::Own(bytes) => bytes.get(range),
            Self::Lent { memory, len } => memory.as_ref().as_ref().get(..*len)?.get(range),
        }
    }

    fn truncate(&mut self, to: usize) {
        match self {
            Self::Own(bytes) => bytes.truncate(to),
            Self::Lent { len, .. } => *len = to.min(*len),
        }
    }
}

/// Where a packet is.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    block: u64,
    range: Range<usize>,
}

impl Spot {
    pub(super) fn len(&self) -> usize {
        self.range.len()
    }
}

/// There is no memory for another packet.
#[derive(Debug)]
pub(super) struct Full;

impl Blocks {
    /// A packet, in two parts.
    pub(super) fn push(&mut self, head: &[u8], payload: &[u8]) -> Result<Spot, Full> {
        let len = head.len() + payload.len();
        if self
            .blocks
            .back()
            .is_none_or(|block| block.bytes.room() < len)
        {
            self.begin_block(len)?;
        }
        let number = self.first + self.blocks.len().saturating_sub(1) as u64;
        let block = self.blocks.back_mut().ok_or(Full)?;
        let begin = block.bytes.len();
        block.bytes.append(head);
        block.bytes.append(payload);
        block.packets += 1;
        Ok(Spot {
            block: number,
            range: begin..block.bytes.len(),
        })
    }

    fn begin_block(&mut self, least: usize) -> Result<(), Full> {
        self.blocks.try_reserve(1).map_err(|_no_memory| Full)?;
        let fits = |bytes: &Bytes| bytes.room() >= least;
        let bytes = match self.spare.front() {
            Some(first) if fits(first) => self.spare.pop_front(),
            _ => None,
        };
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => own(least.max(BLOCK))?,
        };
        self.blocks.push_back(Block { bytes, packets: 0 });
        self.begun += 1;
        Ok(())
    }

    /// How many pieces of memory [`lend`](Self::lend) would find a use for: a small window needs none, and one that has as many blocks
    /// as it needs fills them again.
    pub(super) fn wants_memory(&self) -> usize {
        if self.begun < FEW {
            return 0;
        }
        SPARE.saturating_sub(self.spare.len())
    }

    /// Memory for a block.
    pub(super) fn lend(&mut self, memory: Box<dyn Memory>) {
        self.keep(Bytes::Lent { memory, len: 0 });
    }

    pub(super) fn get(&self, spot: &Spot) -> &[u8] {
        let at = usize::try_from(spot.block.wrapping_sub(self.first)).ok();
        let block = at.and_then(|at| self.blocks.get(at));
        block
            .and_then(|block| block.bytes.get(spot.range.clone()))
            .unwrap_or_default()
    }

    /// The first packet goes.
    pub(super) fn drop_first(&mut self) {
        if let Some(block) = self.blocks.front_mut() {
            block.packets = block.packets.saturating_sub(1);
        }
        while self.blocks.front().is_some_and(|block| block.packets == 0) {
            if let Some(block) = self.blocks.pop_front() {
                self.first += 1;
                self.begun = 0;
                self.keep(block.bytes);
            }
        }
    }

    /// The last packet goes.
    pub(super) fn drop_last(&mut self, spot: &Spot) {
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        block.bytes.truncate(spot.range.start);
        block.packets = block.packets.saturating_sub(1);
        if block.packets == 0
            && let Some(block) = self.blocks.pop_back()
        {
            self.keep(block.bytes);
        }
    }

    fn keep(&mut self, mut bytes: Bytes) {
        bytes.truncate(0);
        if bytes.room() <= BLOCK && self.spare.len() < SPARE {
            self.spare.push_back(bytes);
        }
    }
}

fn own(bytes: usize) -> Result<Bytes, Full> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(bytes).map_err(|_no_memory| Full)?;
    Ok(Bytes::Own(vec))
}

/// Bytes of a block: so many that an allocator maps it for itself and gives it back as a whole. What is not written
/// takes no memory.
const BLOCK: usize = 256 << 10;
/// Blocks that wait to be filled.
const SPARE: usize = 2;
/// So many are begun before a window is one that grows.
const FEW: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn push(blocks: &mut Blocks, byte: u8, len: usize) -> Spot {
        let (head, payload) = (vec![byte; len / 3], vec![byte; len - len / 3]);
        blocks.push(&head, &payload).unwrap()
    }

    #[test]
    fn packets_stay_what_they_are_while_others_come_and_go() {
        let mut blocks = Blocks::default();
        let mut kept: VecDeque<(u8, Spot)> = VecDeque::new();
        for round in 0..5000_usize {
            let byte = round as u8;
            let spot = push(&mut blocks, byte, 1 + round * 7 % 1400);
            kept.push_back((byte, spot));
            // It grows, shrinks to nothing, and grows again.
            let most = 1 + (round / 3) % 700;
            while kept.len() > most {
                blocks.drop_first();
                kept.pop_front();
            }
            if round % 64 == 0 {
                blocks.lend(Box::new(vec![0xee; 30_000]));
            }
            for (byte, spot) in kept.iter().step_by(97) {
                let bytes = blocks.get(spot);
                assert_eq!(bytes.len(), spot.len());
                assert!(bytes.iter().all(|each| each == byte), "{round}");
            }
        }
        while let Some((_, spot)) = kept.pop_back() {
            blocks.drop_last(&spot);
            assert!(blocks.get(&spot).is_empty());
        }
        assert!(blocks.blocks.is_empty());
    }

    #[test]
    fn blocks_are_filled_again_and_no_more_are_kept_than_are_needed() {
        let mut blocks = Blocks::default();
        let per_block = BLOCK / 1000;
        for round in 0..10 * per_block {
            push(&mut blocks, 0, 1000);
            if round >= per_block {
                blocks.drop_first();
            }
            assert!(blocks.blocks.len() <= 3);
        }
        // A packet longer than a block has one of its own, which goes with it.
        let huge = push(&mut blocks, 1, 2 * BLOCK);
        assert_eq!(blocks.get(&huge).len(), 2 * BLOCK);
        for _ in 0..per_block {
            blocks.drop_first();
        }
        blocks.drop_last(&huge);
        assert!(blocks.blocks.is_empty());
        let spare: Vec<usize> = blocks.spare.iter().map(Bytes::room).collect();
        assert_eq!(spare, [BLOCK; SPARE]);
    }

    #[test]
    fn a_window_that_grows_does_so_in_what_is_lent() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.wants_memory(), 0);
        while blocks.wants_memory() == 0 {
            push(&mut blocks, 1, 1000);
        }
        for _ in 0..blocks.wants_memory() {
            blocks.lend(Box::new(vec![0; 100_000]));
        }
        assert_eq!(blocks.wants_memory(), 0);
        let own = blocks.blocks.len();
        let spots: Vec<_> = (0..BLOCK / 1000 + 150)
            .map(|at| push(&mut blocks, at as u8, 1000))
            .collect();
        assert_eq!(blocks.blocks.len(), own + 2);
        assert!(matches!(blocks.blocks[own].bytes, Bytes::Lent { .. }));
        for (at, spot) in spots.iter().enumerate() {
            assert_eq!(blocks.get(spot), [at as u8; 1000]);
        }
        // Not what is too long for it.
        blocks.lend(Box::new(vec![0; 100_000]));
        push(&mut blocks, 2, 150_000);
        push(&mut blocks, 2, 200_000);
        assert!(matches!(blocks.blocks[own + 2].bytes, Bytes::Own(_)));
        // It does not grow any more.
        while blocks.blocks.len() > own {
            blocks.drop_first();
        }
        blocks.spare.clear();
        assert_eq!(blocks.wants_memory(), 0);
    }
}
