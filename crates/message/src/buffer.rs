// SPDX-License-Identifier: MIT OR Apache-2.0
//! A block of bytes that grows while a large frame arrives, and then becomes a message as it is.

use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};
use std::slice;

use crate::error::OutOfMemory;
use crate::storage::Heap;

/// A growable block of bytes with one owner. [`Message::from_buffer`] takes it over without a copy.
///
/// Fill it with [`extend_from_slice`](Self::extend_from_slice), or read into
/// [`spare_mut`](Self::spare_mut) and [`commit`](Self::commit) what came.
///
/// [`Message::from_buffer`]: crate::Message::from_buffer
pub struct Buffer {
    block: NonNull<Heap>,
    /// Bytes that count.
    len: usize,
    /// Bytes with a known content, `len <= init <= capacity`.
    init: usize,
}

impl Buffer {
    /// An empty buffer with room for `capacity` bytes.
    ///
    /// The memory has no known content yet: see [`spare_mut`](Self::spare_mut).
    pub fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        let block = Heap::allocate(capacity)?;
        Ok(Self {
            block,
            len: 0,
            init: 0,
        })
    }

    /// Makes room for `capacity` bytes in all; never shrinks. On an error nothing has changed.
    pub fn grow_to(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
        if capacity > self.capacity() {
            // SAFETY: the block is live and ours alone, and only the new pointer is kept.
            self.block = unsafe { Heap::grow(self.block, capacity) }?;
        }
        Ok(())
    }

    /// Appends bytes, growing where needed. On an error nothing has changed.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        let len = self.len.checked_add(bytes.len()).ok_or(OutOfMemory)?;
        if len > self.capacity() {
            let doubled = self.capacity().saturating_mul(2);
            if doubled <= len || self.grow_to(doubled).is_err() {
                self.grow_to(len)?;
            }
        }
        let end = Heap::data(self.block).wrapping_add(self.len);
        // SAFETY: the capacity covers `len`, and the source is not part of our own block.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), end, bytes.len()) };
        self.len = len;
        self.init = self.init.max(len);
        Ok(())
    }

    /// Room to read into, behind what counts. Empty only when the buffer is full.
    ///
    /// It may be shorter than all there is, because memory has to be zeroed first and that happens
    /// piecemeal, shortly before it is used.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        if self.init == self.len {
            let room = self.capacity() - self.init;
            let step = room.min(ZERO_STEP);
            let start = Heap::data(self.block).wrapping_add(self.init);
            // SAFETY: `step` bytes behind `init` are within the capacity.
            unsafe { ptr::write_bytes(start, 0, step) };
            self.init += step;
        }
        let start = Heap::data(self.block).wrapping_add(self.len);
        // SAFETY: the bytes between `len` and `init` have a known content and are ours alone.
        unsafe { slice::from_raw_parts_mut(start, self.init - self.len) }
    }

    /// All that is free, without a known content: for who writes it before it counts.
    pub fn spare_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        let start = Heap::data(self.block).wrapping_add(self.len);
        // SAFETY: within the capacity and ours alone; nothing is claimed of the content.
        unsafe { slice::from_raw_parts_mut(start.cast(), self.capacity() - self.len) }
    }

    /// Counts `n` bytes that were written into [`spare_uninit`](Self::spare_uninit).
    ///
    /// # Safety
    ///
    /// The first `n` bytes of it have been written.
    pub unsafe fn commit_uninit(&mut self, n: usize) {
        debug_assert!(n <= self.capacity() - self.len, "more than there was");
        self.len += n;
        self.init = self.init.max(self.len);
    }

    /// Counts `n` bytes that were written into [`spare_mut`](Self::spare_mut); no more than it had.
    pub fn commit(&mut self, n: usize) {
        debug_assert!(n <= self.init - self.len, "more than spare_mut gave");
        self.len += n.min(self.init - self.len);
    }

    /// Bytes that count.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing counts yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes there is room for in all.
    pub fn capacity(&self) -> usize {
        // SAFETY: the block lives as long as we do.
        unsafe { self.block.as_ref() }.capacity()
    }

    /// The bytes that count.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `len` bytes were written.
        unsafe { slice::from_raw_parts(Heap::data(self.block), self.len) }
    }

    /// The block, now the caller's to free, and how many of its bytes count.
    pub(crate) fn into_block(self) -> (NonNull<Heap>, usize) {
        let this = ManuallyDrop::new(self);
        (this.block, this.len)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the block is live and ours alone.
        unsafe { Heap::free(self.block) };
    }
}

// SAFETY: a buffer owns its block like a Vec does.
unsafe impl Send for Buffer {}
// SAFETY: through a shared reference nothing changes.
unsafe impl Sync for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// How much grown memory is zeroed at a time: large enough for one read, small enough to be still
/// in the cache when the read overwrites it.
const ZERO_STEP: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_keeps_its_bytes() {
        let mut buffer = Buffer::with_capacity(8).unwrap();
        assert_eq!(buffer.spare_mut(), &[0; 8]);
        buffer.extend_from_slice(b"0123456789").unwrap();
        assert!(buffer.capacity() >= 16);
        buffer.grow_to(1000).unwrap();
        assert_eq!(buffer.capacity(), 1000);
        buffer.grow_to(10).unwrap();
        assert_eq!(buffer.capacity(), 1000);
        buffer.spare_mut()[..2].copy_from_slice(b"ab");
        buffer.commit(2);
        assert_eq!(buffer.as_slice(), b"0123456789ab");
        assert_eq!(buffer.len(), 12);
    }

    #[test]
    fn spare_room_is_zero_and_never_empty_before_the_end() {
        let mut buffer = Buffer::with_capacity(0).unwrap();
        assert!(buffer.spare_mut().is_empty());
        buffer.grow_to(2 * ZERO_STEP + 5).unwrap();
        let mut steps = Vec::new();
        while buffer.len() < buffer.capacity() {
            let spare = buffer.spare_mut();
            assert!(spare.iter().all(|&b| b == 0));
            let step = spare.len();
            spare.fill(0xAA);
            steps.push(step);
            buffer.commit(step);
        }
        assert_eq!(steps, [ZERO_STEP, ZERO_STEP, 5]);
        assert!(buffer.spare_mut().is_empty());
        assert!(buffer.as_slice().iter().all(|&b| b == 0xAA));
    }

    #[test]
    fn sizes_nobody_has_are_errors() {
        assert!(Buffer::with_capacity(usize::MAX).is_err());
        assert!(Buffer::with_capacity(isize::MAX as usize).is_err());
        let mut buffer = Buffer::with_capacity(4).unwrap();
        buffer.extend_from_slice(b"keep").unwrap();
        assert_eq!(buffer.grow_to(usize::MAX - 8), Err(OutOfMemory));
        assert_eq!(buffer.as_slice(), b"keep");
    }
}
