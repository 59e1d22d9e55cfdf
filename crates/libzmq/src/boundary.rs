// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wall between Rust and C: no panic crosses it.
//!
//! Nor does an unwinding of C's own kind meet Rust code that has something to clean up: behind the wall no thread is
//! cancelled. A call that sleeps comes out for that (`call_in_steps`).

use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ferromq_os::cancel::Shield;
use ferromq_vocabulary::Code;

use crate::errno;
use crate::sleep;

/// How far a call has come.
pub(crate) enum Step<R> {
    Done(R),
    /// It has to sleep, and has left what belongs to that (see [`sleep`](crate::sleep)).
    Sleep,
}

impl<R> Step<R> {
    pub(crate) fn map<S>(self, with: impl FnOnce(R) -> S) -> Step<S> {
        match self {
            Self::Done(value) => Step::Done(with(value)),
            Self::Sleep => Step::Sleep,
        }
    }
}

/// Runs a call; a panic in it becomes EFAULT. What the call had in its hands is gone (see
/// `handle::Held`), so nothing half done is seen.
#[inline(always)]
fn caught<R>(failed: R, run: impl FnOnce() -> Result<R, Code>) -> R {
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

/// Runs a call: see [`caught`].
#[inline]
pub(crate) fn call<R>(failed: R, run: impl FnOnce() -> Result<R, Code>) -> R {
    caught(failed, || {
        let _shield = Shield::raise();
        run()
    })
}

/// As [`call`], for calls that answer 0 or -1.
#[inline]
pub(crate) fn answer(run: impl FnOnce() -> Result<(), Code>) -> c_int {
    call(errno::FAILED, || run().map(|()| 0))
}

/// As [`answer`] without a shield, for calls that make no system call that could be cancelled.
#[inline(always)]
pub(crate) fn answer_at_once(run: impl FnOnce() -> Result<(), Code>) -> c_int {
    caught(errno::FAILED, || run().map(|()| 0))
}

/// As [`call`], for calls that sleep: `first` is tried once, without a shield, for it is on the way of every message
/// (nothing on that way can be cancelled); then come a sleep and `again`, in turn. Neither closure may own anything.
#[inline(always)]
pub(crate) fn call_in_steps<R: Copy>(
    failed: R,
    first: impl FnOnce() -> Result<Step<R>, Code>,
    mut again: impl FnMut() -> Result<Step<R>, Code>,
) -> R {
    match caught(Step::Done(failed), first) {
        Step::Done(value) => value,
        Step::Sleep => go_on(failed, &mut again),
    }
}

#[cold]
#[inline(never)]
fn go_on<R: Copy>(failed: R, again: &mut dyn FnMut() -> Result<Step<R>, Code>) -> R {
    loop {
        sleep::sleep();
        let step = caught(Step::Done(failed), || {
            let _shield = Shield::raise();
            again()
        });
        if let Step::Done(value) = step {
            return value;
        }
    }
}
