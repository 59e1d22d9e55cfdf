// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often the allocator is asked, and that all of it goes back.
#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ferromq_message::{Buffer, Message};

/// Counts what each thread asks for and gives back.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

fn count(counter: &'static std::thread::LocalKey<Cell<usize>>) {
    counter.with(|c| c.set(c.get() + 1));
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(&FREED);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Blocks allocated by `make`, and those not given back when its result is dropped.
fn cost<T>(make: impl FnOnce() -> T) -> (usize, usize) {
    let (allocated, freed) = (ALLOCATED.get(), FREED.get());
    let made = make();
    let asked = ALLOCATED.get() - allocated;
    drop(made);
    (asked, (ALLOCATED.get() - allocated) - (FREED.get() - freed))
}

#[test]
fn one_block_at_most() {
    let bytes = vec![1_u8; 1 << 16];
    for len in [0, 1, 40] {
        assert_eq!(cost(|| Message::copy_from_slice(&bytes[..len])), (0, 0));
        assert_eq!(cost(|| Message::zeroed(len)), (0, 0));
    }
    for len in [41, 64, 1 << 16] {
        assert_eq!(cost(|| Message::copy_from_slice(&bytes[..len])), (1, 0));
        assert_eq!(cost(|| Message::zeroed(len)), (1, 0));
        assert_eq!(cost(|| Message::from_vec(bytes[..len].to_vec())), (2, 0));
    }
    assert_eq!(cost(|| Message::from_static(b"static")), (0, 0));
    let message = Message::copy_from_slice(&bytes);
    assert_eq!(cost(|| message.clone()), (0, 0));
}

#[test]
fn a_buffer_becomes_a_message_as_it_is() {
    let made = cost(|| {
        let mut buffer = Buffer::with_capacity(100).unwrap();
        buffer.extend_from_slice(&[1; 70]).unwrap();
        buffer.grow_to(100_000).unwrap();
        Message::from_buffer(buffer)
    });
    assert_eq!(made, (1, 0));
}

#[test]
fn what_else_a_message_carries_goes_back() {
    let (_, left) = cost(|| {
        let mut message = Message::copy_from_slice(&[1; 100]);
        message.set_group(b"group").unwrap();
        message.set_group(b"another").unwrap();
        let mut copy = message.clone();
        copy.make_mut();
        copy.set_group(b"").unwrap();
        (message, copy)
    });
    assert_eq!(left, 0);
}
