// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lock that is tried, never waited for: who finds it taken leaves the work to the holder.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::loom::{AtomicU32, Track};

/// See the module documentation.
pub struct TryLock<T> {
    held: AtomicU32,
    track: Track,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by the one thread that has set `held`.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// A free lock.
    pub fn new(value: T) -> Self {
        Self {
            held: AtomicU32::new(0),
            track: Track::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let free = self.held.load(Relaxed) == 0
            && self.held.compare_exchange(0, 1, Acquire, Relaxed).is_ok();
        free.then(|| {
            self.track.own();
            Guard { lock: self }
        })
    }

    /// Whether somebody holds it now.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.held.load(Acquire) != 0
    }

    /// The value, when nobody else can hold the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> std::fmt::Debug for TryLock<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TryLock")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// Holding it; dropping it gives the lock back.
#[derive(Debug)]
pub struct Guard<'a, T> {
    lock: &'a TryLock<T>,
}

// SAFETY: a guard is a `&mut T`.
unsafe impl<T: Sync> Sync for Guard<'_, T> {}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.track.own();
        self.lock.held.store(0, Release);
    }
}
