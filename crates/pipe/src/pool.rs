// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunks that are not in use, so that an idle connection holds none and a busy one gets the same
//! warm memory again and again.

use std::collections::VecDeque;

use crate::chunk::{Chunk, Link};
use crate::loom::Arc;
use crate::try_lock::TryLock;

// Models are small: chunks of a few messages.
#[cfg(loom)]
pub(crate) const SMALL: usize = 8;
#[cfg(loom)]
pub(crate) const LARGE: usize = 16;
#[cfg(loom)]
pub(crate) const SLAB: usize = 24;
#[cfg(loom)]
pub(crate) const LEAST: usize = 8;
#[cfg(loom)]
pub(crate) const MORE: usize = 8;

/// First chunk of a queue that has been quiet: one page with its head.
#[cfg(not(loom))]
pub(crate) const SMALL: usize = 4096 - HEAD;
/// Chunk of a queue that streams: twice the batch that is flushed at once, so that one batch lies
/// in one piece.
#[cfg(not(loom))]
pub(crate) const LARGE: usize = 128 * 1024 - HEAD;
/// Least chunk for what an I/O thread has read.
#[cfg(not(loom))]
pub(crate) const LEAST: usize = 128 - HEAD;
/// Up to here each is twice as large as the one before.
#[cfg(not(loom))]
pub(crate) const MORE: usize = 512 - HEAD;
/// What one read from the kernel is offered.
#[cfg(not(loom))]
pub(crate) const SLAB: usize = 256 * 1024 - HEAD;

/// What the head of a chunk takes of its block.
pub(crate) const HEAD: usize = 64;

/// Chunks of a stream between two threads that cool down before they are written again: together more than the
/// caches which belong to one CPU alone.
const COOLING: usize = 24;

/// Chunks that nobody refers to.
#[derive(Default)]
struct Chunks(Vec<Link>);

// SAFETY: the chunks are referred to by nobody else; they are plain memory.
unsafe impl Send for Chunks {}

impl Drop for Chunks {
    fn drop(&mut self) {
        for link in self.0.drain(..) {
            // SAFETY: ours alone.
            unsafe { Chunk::free(link) };
        }
    }
}

/// Slabs that several sockets use in turn, so that whichever reads gets one that is warm.
pub struct Stock(TryLock<Chunks>);

impl Default for Stock {
    fn default() -> Self {
        Self(TryLock::new(Chunks::default()))
    }
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").finish_non_exhaustive()
    }
}

/// A socket's stock of chunks. Last in, first out: what comes back is what is warm.
#[derive(Default)]
pub struct Pool {
    small: Chunks,
    large: Chunks,
    slabs: Chunks,
    stock: Option<Arc<Stock>>,
    cooling: Cooling,
}

/// Large chunks, the coolest first.
#[derive(Default)]
struct Cooling(VecDeque<Link>);

// SAFETY: as for `Chunks`.
unsafe impl Send for Cooling {}

impl Drop for Cooling {
    fn drop(&mut self) {
        for link in self.0.drain(..) {
            // SAFETY: ours alone.
            unsafe { Chunk::free(link) };
        }
    }
}

impl Pool {
    /// An empty pool; memory comes on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty pool that takes slabs from a stock, and gives them back to it.
    #[must_use]
    pub fn with_stock(stock: Arc<Stock>) -> Self {
        Self {
            stock: Some(stock),
            ..Self::default()
        }
    }

    pub(crate) fn take_bytes(&mut self, at_least: usize, streaming: bool) -> Link {
        if at_least > LARGE {
            // What might come back to be lent out as a slab must be zeroed like one.
            return Chunk::bytes(at_least, at_least == SLAB);
        }
        let (list, size) = if streaming || at_least > SMALL {
            (&mut self.large, LARGE)
        } else {
            (&mut self.small, SMALL)
        };
        list.0.pop().unwrap_or_else(|| Chunk::bytes(size, false))
    }

    /// A large chunk for what a thread on another CPU is to read; `spare` is one that this thread is through with.
    /// It still lies in the caches of that CPU, and each of its lines would have to be asked back from there,
    /// which takes longer than to write it. One that was passed a while ago lies in the cache of all.
    ///
    /// # Safety
    /// Nobody else refers to the spare one.
    pub(crate) unsafe fn take_cool(&mut self, spare: Option<Link>) -> Link {
        if let Some(spare) = spare {
            // SAFETY: alive, and ours by contract.
            if unsafe { (*spare.as_ptr()).capacity } as usize == LARGE {
                self.cooling.0.push_back(spare);
            } else {
                // SAFETY: ours by contract.
                unsafe { self.give(spare) };
            }
        }
        let full = self.cooling.0.len() >= COOLING;
        let coolest = if full {
            self.cooling.0.pop_front()
        } else {
            None
        };
        coolest.unwrap_or_else(|| self.take_bytes(LARGE, true))
    }

    pub(crate) fn take_slab(&mut self) -> Link {
        let stocked = || self.stock.as_ref()?.0.try_lock()?.0.pop();
        stocked()
            .or_else(|| self.slabs.0.pop())
            .unwrap_or_else(|| Chunk::bytes(SLAB, true))
    }

    /// # Safety
    /// Nobody else refers to the chunk.
    pub(crate) unsafe fn give(&mut self, link: Link) {
        // SAFETY: alive, and ours by contract.
        let (kind, capacity) = unsafe { ((*link.as_ptr()).kind, (*link.as_ptr()).capacity) };
        let list = match (kind, capacity as usize) {
            (crate::chunk::Kind::Bytes, SMALL) => &mut self.small,
            (crate::chunk::Kind::Bytes, LARGE) => &mut self.large,
            (crate::chunk::Kind::Bytes, SLAB) => return self.give_slab(link),
            _ => {
                // SAFETY: ours by contract, and not kept.
                unsafe { Chunk::free(link) };
                return;
            }
        };
        list.keep(link);
    }

    fn give_slab(&mut self, link: Link) {
        let stock = self.stock.as_ref().and_then(|stock| stock.0.try_lock());
        match stock {
            Some(mut stock) => stock.keep(link),
            None => self.slabs.keep(link),
        }
    }
}

impl Chunks {
    /// At most this many are kept.
    const KEEP: usize = 4;

    /// Keeps a chunk that nobody refers to, or frees it.
    fn keep(&mut self, link: Link) {
        if self.0.len() < Self::KEEP {
            // SAFETY: referred to by nobody else.
            unsafe { Chunk::rewind(link, 0, 0) };
            self.0.push(link);
        } else {
            // SAFETY: as above, and not kept.
            unsafe { Chunk::free(link) };
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("small", &self.small.0.len())
            .field("large", &self.large.0.len())
            .field("slabs", &self.slabs.0.len())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_read_cools_down_before_it_is_written_again() {
        let mut pool = Pool::new();
        // SAFETY: nobody else refers to what the pool gives.
        let mut pass = |link| unsafe { pool.take_cool(Some(link)) };
        let first = Chunk::bytes(LARGE, false);
        let (mut order, mut link) = (vec![first], first);
        for _ in 1..COOLING {
            link = pass(link);
            assert!(!order.contains(&link), "a fresh one");
            order.push(link);
        }
        for expected in order {
            link = pass(link);
            assert_eq!(link, expected, "the coolest");
        }
        // SAFETY: as above.
        unsafe { Chunk::free(link) };
        // SAFETY: as above.
        let other = unsafe { pool.take_cool(Some(Chunk::bytes(SMALL, false))) };
        assert_eq!((pool.small.0.len(), pool.cooling.0.len()), (1, COOLING - 1));
        // SAFETY: as above.
        unsafe { Chunk::free(other) };
    }

    #[test]
    fn what_comes_back_is_handed_out_again_and_only_so_much_is_kept() {
        let mut pool = Pool::new();
        let all: Vec<Link> = (0..6).map(|_| pool.take_bytes(1, false)).collect();
        for &link in &all {
            // SAFETY: taken above and referred to by nobody else.
            unsafe { pool.give(link) };
        }
        assert_eq!(pool.small.0.len(), Chunks::KEEP);
        let again = pool.take_bytes(SMALL, false);
        assert_eq!(again, all[Chunks::KEEP - 1], "the warmest first");
        let (streaming, large) = (pool.take_bytes(1, true), pool.take_bytes(SMALL + 1, false));
        let (slab, huge) = (pool.take_slab(), pool.take_bytes(SLAB, false));
        for link in [again, streaming, large, slab, huge] {
            // SAFETY: as above.
            unsafe { pool.give(link) };
        }
        assert_eq!((pool.large.0.len(), pool.slabs.0.len()), (2, 2));
        let slab = pool.take_slab();
        // SAFETY: a slab, ours alone.
        let bytes = unsafe { std::slice::from_raw_parts(Chunk::data(slab), SLAB) };
        assert!(bytes.iter().all(|&byte| byte == 0));
        // SAFETY: as above.
        unsafe { Chunk::free(slab) };
        let sentinel = Chunk::sentinel();
        // SAFETY: a sentinel is left alone by whoever gets it.
        unsafe { pool.give(std::ptr::NonNull::from(&sentinel)) };
    }
}
