// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place from which this crate takes its atomics, so that loom can stand in for them.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence},
};

#[cfg(not(loom))]
#[expect(
    clippy::disallowed_types,
    reason = "this is the module everything else must use"
)]
mod plain {
    // Aliases, not re-exports: the lint sees through the latter.
    pub(crate) use std::sync::Mutex;
    pub(crate) type Arc<T> = std::sync::Arc<T>;
    pub(crate) type AtomicPtr<T> = std::sync::atomic::AtomicPtr<T>;
    pub(crate) type AtomicU8 = std::sync::atomic::AtomicU8;
    pub(crate) type AtomicU32 = std::sync::atomic::AtomicU32;
    pub(crate) type AtomicU64 = std::sync::atomic::AtomicU64;
}
#[cfg(not(loom))]
pub(crate) use plain::*;

/// The cheap half of the asymmetric fence: paired with [`heavy`] on the other side.
///
/// loom models both as a full fence; the real pair is a compiler fence and `membarrier`.
#[inline(always)]
pub(crate) fn light() {
    #[cfg(loom)]
    fence(std::sync::atomic::Ordering::SeqCst);
    #[cfg(not(loom))]
    ferromq_os::fence::light();
}

/// The dear half of the asymmetric fence.
pub(crate) fn heavy() {
    #[cfg(loom)]
    fence(std::sync::atomic::Ordering::SeqCst);
    #[cfg(not(loom))]
    ferromq_os::fence::heavy();
}

/// Tells loom who touches the plain memory of a chunk or a lock, so that a missing `Acquire` or
/// `Release` shows as a race. Nothing without loom.
#[cfg(loom)]
pub(crate) struct Track {
    head: loom::cell::UnsafeCell<()>,
    bytes: Vec<loom::cell::UnsafeCell<()>>,
}

#[cfg(loom)]
impl Track {
    /// Chunks in models are small; of a larger one only the beginning is watched.
    const MOST: usize = 24;

    pub(crate) fn new(bytes: usize) -> Self {
        let cell = || loom::cell::UnsafeCell::new(());
        Self {
            head: cell(),
            bytes: (0..bytes.min(Self::MOST)).map(|_| cell()).collect(),
        }
    }

    fn range(&self, from: usize, to: usize) -> &[loom::cell::UnsafeCell<()>] {
        let len = self.bytes.len();
        &self.bytes[from.min(len)..to.min(len).max(from.min(len))]
    }

    /// These bytes are written.
    pub(crate) fn write(&self, from: usize, to: usize) {
        self.range(from, to)
            .iter()
            .for_each(|cell| cell.with_mut(|_| ()));
    }

    /// These bytes are read.
    pub(crate) fn read(&self, from: usize, to: usize) {
        self.range(from, to)
            .iter()
            .for_each(|cell| cell.with(|_| ()));
    }

    /// Whatever does not change while it is shared is read.
    pub(crate) fn look(&self) {
        self.head.with(|_| ());
    }

    /// Nobody else refers to it.
    pub(crate) fn own(&self) {
        self.head.with_mut(|_| ());
        self.write(0, usize::MAX);
    }
}

#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct Track;

#[cfg(not(loom))]
#[expect(clippy::unused_self, reason = "stands in for loom's")]
impl Track {
    #[inline(always)]
    pub(crate) const fn new(_bytes: usize) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn write(&self, _from: usize, _to: usize) {}

    #[inline(always)]
    pub(crate) const fn read(&self, _from: usize, _to: usize) {}

    #[inline(always)]
    pub(crate) const fn look(&self) {}

    #[inline(always)]
    pub(crate) const fn own(&self) {}
}
