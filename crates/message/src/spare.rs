// SPDX-License-Identifier: MIT OR Apache-2.0
//! References to connections that a thread has let go of, and is likely to take again with the next message.
//!
//! A message that is received refers to what is known of its connection, and lets it go soon after, mostly on the same
//! thread. Two atomic operations on the count, each of which waits for all that has been written before, would be a good
//! part of what a short message costs. So a thread keeps some of the references that it lets go of, and hands them out
//! again. It gives them back when it ends, and when other connections need their places.

use std::cell::Cell;
use std::ptr;

use crate::loom::Arc;

/// How many places a thread has. Those of one connection all have the same.
const PLACES: usize = 16;
/// As many references to one connection are kept.
const MOST: u32 = 64;

/// References to one connection.
struct Place<T> {
    /// From `Arc::into_raw`; null where there are none.
    connection: Cell<*const T>,
    references: Cell<u32>,
}

/// The references that a thread keeps.
pub(crate) struct Spares<T>([Place<T>; PLACES]);

impl<T> Spares<T> {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Place {
                    connection: Cell::new(ptr::null()),
                    references: Cell::new(0),
                }
            }; PLACES],
        )
    }

    #[inline(always)]
    fn place(&self, connection: *const T) -> &Place<T> {
        // The product's upper bits hang on all of the address.
        let mixed = (connection.addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.0[(mixed >> 60) as usize % PLACES]
    }

    /// Hands out a reference, if there is one to this connection: it is the caller's.
    #[inline(always)]
    pub(crate) fn take(&self, connection: *const T) -> bool {
        let place = self.place(connection);
        let references = place.references.get();
        if references == 0 || place.connection.get() != connection {
            return false;
        }
        place.references.set(references - 1);
        true
    }

    /// Keeps a reference; if not, it still is the caller's.
    ///
    /// # Safety
    /// The pointer comes from `Arc::into_raw`, and a reference is the caller's.
    #[inline(always)]
    pub(crate) unsafe fn keep(&self, connection: *const T) -> bool {
        let place = self.place(connection);
        let references = place.references.get();
        if references > 0 && place.connection.get() != connection {
            place.let_go();
            place.references.set(0);
        } else if references >= MOST {
            return false;
        }
        place.connection.set(connection);
        place.references.set(place.references.get() + 1);
        true
    }
}

impl<T> Place<T> {
    /// Gives the references back; to be followed by another count of them.
    #[cold]
    fn let_go(&self) {
        for _ in 0..self.references.get() {
            // SAFETY: as many references are this place's, from `Arc::into_raw`.
            unsafe { Arc::decrement_strong_count(self.connection.get()) };
        }
    }
}

impl<T> Drop for Spares<T> {
    fn drop(&mut self) {
        for place in &self.0 {
            place.let_go();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a reference go as messages do.
    fn let_go(spares: &Spares<u32>, connection: Arc<u32>) {
        let raw = Arc::into_raw(connection);
        // SAFETY: from `Arc::into_raw`, and ours.
        if !unsafe { spares.keep(raw) } {
            // SAFETY: as above, and still ours.
            drop(unsafe { Arc::from_raw(raw) });
        }
    }

    #[test]
    fn what_was_let_go_is_handed_out_again() {
        let spares = Spares::new();
        let connection = Arc::new(7);
        let raw = Arc::as_ptr(&connection);
        assert!(!spares.take(raw), "there is none");
        for _ in 0..2 * MOST {
            let_go(&spares, Arc::clone(&connection));
        }
        assert_eq!(Arc::strong_count(&connection), 1 + MOST as usize);
        assert!(spares.take(raw));
        // SAFETY: handed out, so ours.
        drop(unsafe { Arc::from_raw(raw) });
        assert_eq!(Arc::strong_count(&connection), MOST as usize);
        drop(spares);
        assert_eq!(Arc::strong_count(&connection), 1, "the thread has ended");
    }

    #[test]
    fn few_connections_are_kept_however_many_there_are() {
        let spares = Spares::new();
        let connections: Vec<Arc<u32>> = (0..1000).map(Arc::new).collect();
        for connection in &connections {
            let_go(&spares, Arc::clone(connection));
            let_go(&spares, Arc::clone(connection));
        }
        let kept = |connection: &&Arc<u32>| Arc::strong_count(connection) > 1;
        assert!(connections.iter().filter(kept).count() <= PLACES);
        drop(spares);
        assert_eq!(connections.iter().filter(kept).count(), 0);
    }
}
