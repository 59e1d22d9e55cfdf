// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the two ends of a wire queue share, and how a queue is made.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::chunk::{Chunk, Kind, Link};
use crate::drain::Drain;
use crate::fill::Fill;
use crate::loom::{Arc, AtomicPtr, AtomicU64};
use crate::reader::Reader;
use crate::writer::{Writer, drop_descriptors};

/// A queue out to a peer: frames go in, bytes come out.
#[must_use]
pub fn outbound() -> (Writer, Drain) {
    let shared = Arc::new(Shared::new(false));
    (Writer::new(Arc::clone(&shared), false), Drain::new(shared))
}

/// A queue in from a peer: bytes go in, whole messages come out. A frame larger than `max_frame`
/// bytes is refused.
#[must_use]
pub fn inbound(max_frame: u64) -> (Fill, Reader) {
    let shared = Arc::new(Shared::new(false));
    (
        Fill::new(Arc::clone(&shared), max_frame),
        Reader::new(shared, false),
    )
}

/// A queue between two sockets of one process: frames go in, frames come out, large ones by
/// reference.
#[must_use]
pub fn inproc() -> (Writer, Reader) {
    let shared = Arc::new(Shared::new(true));
    (
        Writer::new(Arc::clone(&shared), true),
        Reader::new(shared, true),
    )
}

pub(crate) struct Shared {
    sentinel: UnsafeCell<Chunk>,
    /// Messages the consumer is through with. Written by the consumer alone; the sentinel before
    /// it fills a cache line of its own.
    taken: AtomicU64,
    /// One chunk on its way back from the consumer to the producer.
    spare: AtomicPtr<Chunk>,
    /// Where it goes on behind a chunk that the producer has left without a successor.
    ahead: AtomicPtr<Chunk>,
    /// Where the consumer was when it was dropped.
    left_at: AtomicPtr<Chunk>,
    left_offset: AtomicU64,
    /// Whether messages travel by value in the chunks.
    inproc: bool,
}

// SAFETY: the sentinel is only reached through the chunk protocol; everything else is atomic.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(inproc: bool) -> Self {
        Self {
            inproc,
            sentinel: UnsafeCell::new(Chunk::sentinel()),
            taken: AtomicU64::new(0),
            spare: AtomicPtr::new(ptr::null_mut()),
            ahead: AtomicPtr::new(ptr::null_mut()),
            left_at: AtomicPtr::new(ptr::null_mut()),
            left_offset: AtomicU64::new(0),
        }
    }

    pub(crate) fn sentinel(&self) -> Link {
        // SAFETY: the address of a field is not null.
        unsafe { NonNull::new_unchecked(self.sentinel.get()) }
    }

    #[inline(always)]
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Acquire)
    }

    #[inline(always)]
    pub(crate) fn set_taken(&self, messages: u64) {
        self.taken.store(messages, Release);
    }

    pub(crate) fn take_spare(&self) -> Option<Link> {
        if self.spare.load(Relaxed).is_null() {
            return None;
        }
        NonNull::new(self.spare.swap(ptr::null_mut(), AcqRel))
    }

    /// Hands a finished chunk back to the producer, or frees it.
    ///
    /// # Safety
    /// The consumer has passed the chunk and nobody else refers to it.
    pub(crate) unsafe fn recycle(&self, link: Link) {
        // SAFETY: alive and ours by contract.
        let kind = unsafe { (*link.as_ptr()).kind };
        let old = match kind {
            Kind::Sentinel => return,
            Kind::Reference | Kind::Range => link.as_ptr(),
            Kind::Bytes => self.spare.swap(link.as_ptr(), AcqRel),
        };
        if let Some(old) = NonNull::new(old) {
            // SAFETY: either the chunk itself or the one it has pushed out of the slot.
            unsafe { Chunk::free(old) };
        }
    }

    /// Where the consumer is to go on when it has come to a chunk that is sealed and has no successor.
    pub(crate) fn set_ahead(&self, link: Link) {
        self.ahead.store(link.as_ptr(), Release);
    }

    /// Has it go on elsewhere, if it has not gone to `from` yet.
    pub(crate) fn move_ahead(&self, from: Link, to: Link) -> bool {
        let (from, to) = (from.as_ptr(), to.as_ptr());
        self.ahead
            .compare_exchange(from, to, AcqRel, Relaxed)
            .is_ok()
    }

    /// The consumer goes on there.
    pub(crate) fn take_ahead(&self) -> Option<Link> {
        NonNull::new(self.ahead.swap(ptr::null_mut(), AcqRel))
    }

    /// The consumer goes and leaves the rest of the chain behind.
    pub(crate) fn leave(&self, link: Link, at: usize) {
        self.left_offset.store(at as u64, Relaxed);
        self.left_at.store(link.as_ptr(), Release);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(spare) = self.take_spare() {
            // SAFETY: both ends are gone.
            unsafe { Chunk::free(spare) };
        }
        let mut at = NonNull::new(self.left_at.load(Acquire));
        let mut from = self.left_offset.load(Relaxed) as usize;
        while let Some(link) = at {
            // SAFETY: both ends are gone; the chain from where the consumer stopped is ours.
            at = unsafe { Chunk::next(link) }.or_else(|| self.take_ahead());
            if self.inproc {
                // SAFETY: as above; what is published and not taken are whole frames.
                unsafe { drop_descriptors(link, from, Chunk::load(link).end()) };
            }
            from = 0;
            // SAFETY: as above, and its successor has been read.
            unsafe { Chunk::free(link) };
        }
    }
}
