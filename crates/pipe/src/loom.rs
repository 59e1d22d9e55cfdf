// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place from which this crate takes its atomics, so that loom can stand in for them.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell as LoomCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, fence},
    },
};

#[cfg(not(loom))]
#[expect(clippy::disallowed_types, reason = "this is the module everything else must use")]
mod plain {
    pub(crate) use std::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64},
    };
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
