// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters that several threads may use.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::{Acquire, Release};

/// # Safety
/// Null, or made by `zmq_atomic_counter_new` and not destroyed.
unsafe fn counter<'a>(counter: *mut c_void) -> Option<&'a AtomicI32> {
    // SAFETY: as the caller promises.
    unsafe { counter.cast::<AtomicI32>().as_ref() }
}

/// Makes a counter, at 0.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    Box::into_raw(Box::new(AtomicI32::new(0))).cast()
}

/// Sets it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_set(handle: *mut c_void, value: c_int) {
    // SAFETY: as the caller promises.
    if let Some(counter) = unsafe { counter(handle) } {
        counter.store(value, Release);
    }
}

/// Counts up; returns the value before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_inc(handle: *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { counter(handle) }.map_or(0, |counter| counter.fetch_add(1, AcqRel))
}

/// Counts down; 1 if it is above zero afterwards, 0 if not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_dec(handle: *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    let before = unsafe { counter(handle) }.map_or(0, |counter| counter.fetch_sub(1, AcqRel));
    (before > 1).into()
}

/// The value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_value(handle: *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { counter(handle) }.map_or(0, |counter| counter.load(Acquire))
}

/// Ends a counter and clears the pointer to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_destroy(handle: *mut *mut c_void) {
    if handle.is_null() {
        return;
    }
    // SAFETY: the caller's pointer.
    let counter = unsafe { handle.replace(ptr::null_mut()) };
    if !counter.is_null() {
        // SAFETY: made as a box of this type, and ended once, as the caller promises.
        drop(unsafe { Box::from_raw(counter.cast::<AtomicI32>()) });
    }
}
