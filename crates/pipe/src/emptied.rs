// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunks that have been drained, as plain memory for whoever has a use for it. The producer has written all of it, so that the
//! system has given its pages already.

use ferromq_os::memory;

use crate::chunk::{Chunk, Kind, Link};
use crate::pool::LARGE;

/// The memory of a large chunk that has gone through a queue. What it holds means nothing.
pub struct Emptied(Link);

// SAFETY: nobody else refers to the chunk; it is plain memory.
unsafe impl Send for Emptied {}

impl Emptied {
    /// Whether a chunk can become one.
    ///
    /// # Safety
    /// The chunk is alive.
    pub(crate) unsafe fn suits(link: Link) -> bool {
        // SAFETY: alive by contract, and neither ever changes.
        let (kind, capacity) = unsafe { ((*link.as_ptr()).kind, (*link.as_ptr()).capacity) };
        kind == Kind::Bytes && capacity as usize == LARGE
    }

    /// # Safety
    /// The chunk suits, its producer has sealed it, and nobody else refers to it any more.
    pub(crate) unsafe fn new(link: Link) -> Self {
        // SAFETY: alive by contract.
        let end = unsafe { Chunk::load(link) }.end().min(LARGE);
        // SAFETY: alive by contract.
        unsafe { Chunk::track(link) }.own();
        // SAFETY: within the chunk. What lies before the end has been written by the producer; now all of it has been.
        unsafe { Chunk::data(link).add(end).write_bytes(0, LARGE - end) };
        Self(link)
    }
}

impl AsRef<[u8]> for Emptied {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so many bytes, all of them initialised, and ours alone.
        unsafe { std::slice::from_raw_parts(Chunk::data(self.0), LARGE) }
    }
}

impl AsMut<[u8]> for Emptied {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(Chunk::data(self.0), LARGE) }
    }
}

impl Drop for Emptied {
    fn drop(&mut self) {
        // The allocator of the application's thread has it among others, and could give it back only with all that came after it.
        memory::forget(self.as_mut());
        // SAFETY: ours alone, and referred to for the last time.
        unsafe { Chunk::free(self.0) };
    }
}

impl std::fmt::Debug for Emptied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emptied").finish_non_exhaustive()
    }
}
