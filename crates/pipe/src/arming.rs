// SPDX-License-Identifier: MIT OR Apache-2.0
//! The promise of an I/O thread to look at a connection again.
//!
//! While it stands, a send is one store and one load. The application makes the I/O thread give
//! it ([`Arming::arm`]) when it leaves something behind; the I/O thread takes it back
//! ([`Arming::disarm`]) and looks once more: the application stores its message and then loads
//! the promise, the I/O thread stores the end of the promise and then looks for messages, with
//! the asymmetric fence between the two on either side.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

use crate::loom::{AtomicU32, heavy, light};

/// See the module documentation.
#[derive(Debug)]
pub struct Arming {
    armed: AtomicU32,
}

impl Default for Arming {
    fn default() -> Self {
        Self {
            armed: AtomicU32::new(0),
        }
    }
}

impl Arming {
    /// After a message has been published: whether the I/O thread will look without being told.
    #[inline(always)]
    #[must_use]
    pub fn covers(&self) -> bool {
        light();
        self.armed.load(Relaxed) != 0
    }

    /// The application wants the promise; whether the I/O thread must be told, because it was not
    /// given before.
    #[must_use]
    pub fn arm(&self) -> bool {
        self.armed.load(Acquire) == 0 && self.armed.swap(1, AcqRel) == 0
    }

    /// The I/O thread takes the promise back; it must look for messages afterwards and
    /// [`arm`](Self::arm) again if there are any.
    pub fn disarm(&self) {
        // All changes are read-modify-writes: a plain store beside the swap of `arm` would leave
        // loom in doubt which of them came last.
        self.armed.swap(0, SeqCst);
        heavy();
    }
}
