// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunks that are not in use, so that an idle connection holds none and a busy one gets the same
//! warm memory again and again.

use crate::chunk::{Chunk, Link};

// Models are small: chunks of a few messages.
#[cfg(loom)]
pub(crate) const SMALL: usize = 8;
#[cfg(loom)]
pub(crate) const LARGE: usize = 16;
#[cfg(loom)]
pub(crate) const SLAB: usize = 24;
#[cfg(loom)]
pub(crate) const LEAST: usize = 8;

/// First chunk of a queue that has been quiet: one page with its head.
#[cfg(not(loom))]
pub(crate) const SMALL: usize = 4096 - 64;
/// Chunk of a queue that streams: twice the batch that is flushed at once, so that one batch lies
/// in one piece.
#[cfg(not(loom))]
pub(crate) const LARGE: usize = 128 * 1024 - 64;
/// Least chunk for what an I/O thread has read.
#[cfg(not(loom))]
pub(crate) const LEAST: usize = 512 - 64;
/// What one read from the kernel is offered.
#[cfg(not(loom))]
pub(crate) const SLAB: usize = 256 * 1024 - 64;

/// A socket's stock of chunks. Last in, first out: what comes back is what is warm.
#[derive(Default)]
pub struct Pool {
    small: Vec<Link>,
    large: Vec<Link>,
    slabs: Vec<Link>,
}

// SAFETY: the chunks in a pool are referred to by nobody else; they are plain memory.
unsafe impl Send for Pool {}

impl Pool {
    /// At most this many of each size are kept.
    const KEEP: usize = 4;

    /// An empty pool; memory comes on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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
        list.pop().unwrap_or_else(|| Chunk::bytes(size, false))
    }

    pub(crate) fn take_slab(&mut self) -> Link {
        self.slabs.pop().unwrap_or_else(|| Chunk::bytes(SLAB, true))
    }

    /// # Safety
    /// Nobody else refers to the chunk.
    pub(crate) unsafe fn give(&mut self, link: Link) {
        // SAFETY: alive, and ours by contract.
        let (kind, capacity) = unsafe { ((*link.as_ptr()).kind, (*link.as_ptr()).capacity) };
        let list = match (kind, capacity as usize) {
            (crate::chunk::Kind::Bytes, SMALL) => &mut self.small,
            (crate::chunk::Kind::Bytes, LARGE) => &mut self.large,
            (crate::chunk::Kind::Bytes, SLAB) => &mut self.slabs,
            _ => {
                // SAFETY: ours by contract, and not kept.
                unsafe { Chunk::free(link) };
                return;
            }
        };
        if list.len() < Self::KEEP {
            // SAFETY: ours by contract.
            unsafe { Chunk::rewind(link, 0, 0) };
            list.push(link);
        } else {
            // SAFETY: ours by contract, and not kept.
            unsafe { Chunk::free(link) };
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for link in self
            .small
            .drain(..)
            .chain(self.large.drain(..))
            .chain(self.slabs.drain(..))
        {
            // SAFETY: chunks in a pool are ours alone.
            unsafe { Chunk::free(link) };
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("small", &self.small.len())
            .field("large", &self.large.len())
            .field("slabs", &self.slabs.len())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_handed_out_again_and_only_so_much_is_kept() {
        let mut pool = Pool::new();
        let all: Vec<Link> = (0..6).map(|_| pool.take_bytes(1, false)).collect();
        for &link in &all {
            // SAFETY: taken above and referred to by nobody else.
            unsafe { pool.give(link) };
        }
        assert_eq!(pool.small.len(), Pool::KEEP);
        let again = pool.take_bytes(SMALL, false);
        assert_eq!(again, all[Pool::KEEP - 1], "the warmest first");
        let (streaming, large) = (pool.take_bytes(1, true), pool.take_bytes(SMALL + 1, false));
        let (slab, huge) = (pool.take_slab(), pool.take_bytes(SLAB, false));
        for link in [again, streaming, large, slab, huge] {
            // SAFETY: as above.
            unsafe { pool.give(link) };
        }
        assert_eq!((pool.large.len(), pool.slabs.len()), (2, 2));
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
