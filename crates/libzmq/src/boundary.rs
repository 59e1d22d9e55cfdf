// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wall between Rust and C: no panic crosses it.

use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ferromq_vocabulary::Code;

use crate::errno;

/// Runs a call; a panic in it becomes EFAULT. What the call had in its hands is gone (see
/// `handle::Held`), so nothing half done is seen.
#[inline(always)]
pub(crate) fn call<R>(failed: R, run: impl FnOnce() -> Result<R, Code>) -> R {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => value,
        Ok(Err(code)) => {
            errno::set(code.errno());
            failed
        }
        Err(payload) => {
            // Dropping the payload could panic again.
            let _left = ManuallyDrop::new(payload);
            errno::set(libc::EFAULT);
            failed
        }
    }
}

/// As [`call`], for calls that answer 0 or -1.
#[inline(always)]
pub(crate) fn answer(run: impl FnOnce() -> Result<(), Code>) -> c_int {
    call(errno::FAILED, || run().map(|()| 0))
}
