// SPDX-License-Identifier: MIT OR Apache-2.0
//! Large buffers between two uses: an idle connection holds none, and a busy thread gets back the one it had last,
//! which is warm. To allocate and free one for each message costs as much as its encryption.

use std::cell::RefCell;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, with room in it if this thread has one to spare.
#[must_use]
pub fn take() -> Vec<u8> {
    // A thread that ends has none.
    SPARE
        .try_with(|spare| spare.borrow_mut().pop())
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Gives back what [`take`] gave, or another buffer, and leaves an empty one. One of a few bytes stays where it is.
pub fn give(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() <= SMALL {
        return;
    }
    let buffer = std::mem::take(buffer);
    if buffer.capacity() > LARGE {
        return;
    }
    SPARE
        .try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT {
                spare.push(buffer);
            }
        })
        .ok();
}

/// A connection may keep so much.
const SMALL: usize = 1 << 10;
/// Larger ones are freed.
const LARGE: usize = 1 << 19;
/// So many are kept for a thread: there are hardly ever more in use at once.
const KEPT: usize = 3;

#[cfg(test)]
mod tests {
    use super::{give, take};

    #[test]
    fn what_is_given_is_taken_again() {
        let mut large = vec![1; 100_000];
        let at = large.as_ptr();
        give(&mut large);
        assert_eq!(large.capacity(), 0);
        let again = take();
        assert!(again.is_empty() && again.as_ptr() == at);
        let mut small = vec![1; 100];
        give(&mut small);
        assert!(small.is_empty() && small.capacity() >= 100);
        let mut huge = Vec::with_capacity(1 << 20);
        give(&mut huge);
        assert_eq!(take().capacity(), 0);
    }
}
