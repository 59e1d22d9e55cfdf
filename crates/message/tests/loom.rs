// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reference count under loom: the last holder, on whatever thread, sees what the others did,
//! and the payload goes exactly once. Run with `RUSTFLAGS="--cfg loom" cargo test --test loom`.
#![cfg(loom)]

use std::sync::atomic::Ordering;

use ferromq_message::Message;
use loom::cell::UnsafeCell;
use loom::thread;

/// Stands for the payload: readers look at it, the owner's drop writes to it, and loom reports a
/// race when the drop is not ordered behind every look. A plain pointer, because loom's `Arc` would
/// bring an order of its own.
#[derive(Clone, Copy)]
struct Witness(*const UnsafeCell<usize>);

impl Witness {
    fn new() -> Self {
        Self(Box::into_raw(Box::new(UnsafeCell::new(0))))
    }

    fn cell(&self) -> &UnsafeCell<usize> {
        // SAFETY: freed in `drops` only, when all threads are through.
        unsafe { &*self.0 }
    }

    fn look(&self) {
        // SAFETY: loom checks that nobody writes at the same time.
        self.cell()
            .with(|drops| assert_eq!(unsafe { *drops }, 0, "not dropped yet"));
    }

    /// How often the owner was dropped. Ends the witness.
    fn drops(self) -> usize {
        // SAFETY: made by `new`, and no thread is left.
        let cell = unsafe { Box::from_raw(self.0.cast_mut()) };
        // SAFETY: loom checks that nobody writes at the same time.
        cell.with(|drops| unsafe { *drops })
    }
}

// SAFETY: that accesses are ordered is what the model checks.
unsafe impl Send for Witness {}
// SAFETY: as above.
unsafe impl Sync for Witness {}

/// Owns the bytes of a message.
struct Owner(Witness);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &[7; 4]
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: loom checks that nobody reads at the same time.
        self.0.cell().with_mut(|drops| unsafe { *drops += 1 });
    }
}

#[test]
fn the_last_clone_drops_the_payload_once() {
    loom::model(|| {
        let witness = Witness::new();
        let message = Message::from_owner(Owner(witness));
        let threads = [(); 2].map(|()| {
            let clone = message.clone();
            thread::spawn(move || {
                assert_eq!(clone, [7; 4]);
                witness.look();
                drop(clone);
            })
        });
        witness.look();
        drop(message);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(witness.drops(), 1);
    });
}

#[test]
fn whoever_is_alone_may_write() {
    // Not every order of threads is a model of its own, so see to it that both outcomes come up.
    static WRITTEN: Counter = Counter::new(0);
    static SHARED: Counter = Counter::new(0);
    loom::model(|| {
        let witness = Witness::new();
        let clone = Message::copy_from_slice(&[1; 64]);
        let mut message = clone.clone();
        let thread = thread::spawn(move || {
            let Some(bytes) = message.as_mut_slice() else {
                SHARED.fetch_add(1, Ordering::Relaxed);
                return;
            };
            bytes.fill(2);
            // SAFETY: alone, so the other thread has looked; loom checks it.
            witness.cell().with_mut(|drops| unsafe { *drops = 1 });
            WRITTEN.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(clone, [1; 64]);
        witness.look();
        drop(clone);
        thread.join().unwrap();
        assert!(witness.drops() <= 1);
    });
    assert!(WRITTEN.load(Ordering::Relaxed) > 0);
    assert!(SHARED.load(Ordering::Relaxed) > 0);
}

/// Counts across models, which loom's own may not.
#[expect(clippy::disallowed_types, reason = "not part of a model")]
type Counter = std::sync::atomic::AtomicUsize;
