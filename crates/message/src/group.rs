// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RADIO/DISH group of a message: one pointer, shared by clones, NUL behind the name for C.

use std::ptr::{self, NonNull};
use std::slice;

use crate::error::{GroupTooLong, OutOfMemory};
use crate::storage::Heap;

/// A group name that is not empty.
pub(crate) struct Group(NonNull<Heap>);

impl Group {
    /// `None` for the empty name, which is no group.
    pub(crate) fn new(name: &[u8]) -> Result<Option<Self>, GroupError> {
        if name.is_empty() {
            return Ok(None);
        }
        if name.len() > GROUP_MAX {
            return Err(GroupError::TooLong(GroupTooLong));
        }
        let block = Heap::allocate(name.len() + 1).map_err(GroupError::Memory)?;
        let data = Heap::data(block);
        // SAFETY: the block is fresh and one byte larger than the name.
        unsafe { ptr::copy_nonoverlapping(name.as_ptr(), data, name.len()) };
        // SAFETY: that one byte.
        unsafe { data.wrapping_add(name.len()).write(0) };
        Ok(Some(Self(block)))
    }

    /// The name and a NUL byte.
    pub(crate) fn with_nul(&self) -> &[u8] {
        // SAFETY: the block lives as long as a handle does.
        let len = unsafe { self.0.as_ref() }.capacity();
        // SAFETY: all bytes were written in `new`, nobody changes them.
        unsafe { slice::from_raw_parts(Heap::data(self.0), len) }
    }
}

impl Clone for Group {
    fn clone(&self) -> Self {
        // SAFETY: the block lives as long as a handle does.
        unsafe { self.0.as_ref() }.refs().retain();
        Self(self.0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the block lives as long as a handle does.
        if unsafe { self.0.as_ref() }.refs().release() {
            // SAFETY: this was the last handle.
            unsafe { Heap::free(self.0) };
        }
    }
}

/// Why there is no group.
pub(crate) enum GroupError {
    TooLong(GroupTooLong),
    Memory(OutOfMemory),
}

/// The longest group name: its length travels in one byte.
pub(crate) const GROUP_MAX: usize = 255;
