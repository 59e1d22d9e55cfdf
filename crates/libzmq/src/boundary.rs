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

impl Step<c_int> {
    /// What is no `c_int` stands for a sleep.
    #[inline(always)]
    fn into_one(self) -> i64 {
        match self {
            Self::Done(value) => value.into(),
            Self::Sleep => i64::MAX,
        }
    }
}

/// Runs a call; a panic in it becomes EFAULT. What the call had in its hands is gone (see
/// `handle::Held`), so nothing half done is seen.
///
/// What comes over the wall is one plain value: the two sides meet in memory, and what is written there in pieces and
/// read as a whole waits until all that was written before is in the cache.
#[inline(always)]
fn caught<R: Copy>(failed: R, run: impl FnOnce() -> Result<R, Code>) -> R {
    let run = || {
        run().unwrap_or_else(|code| {
            errno::set(code.errno());
            failed
        })
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => value,
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
pub(crate) fn call<R: Copy>(failed: R, run: impl FnOnce() -> Result<R, Code>) -> R {
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
pub(crate) fn call_in_steps(
    failed: c_int,
    first: impl FnOnce() -> Result<Step<c_int>, Code>,
    mut again: impl FnMut() -> Result<Step<c_int>, Code>,
) -> c_int {
    let come = caught(i64::from(failed), || first().map(Step::into_one));
    c_int::try_from(come).unwrap_or_else(|_sleep| go_on(failed, &mut again))
}

#[cold]
#[inline(never)]
fn go_on(failed: c_int, again: &mut dyn FnMut() -> Result<Step<c_int>, Code>) -> c_int {
    loop {
        sleep::sleep();
        let come = caught(i64::from(failed), || {
            let _shield = Shield::raise();
            again().map(Step::into_one)
        });
        if let Ok(value) = c_int::try_from(come) {
            return value;
        }
    }
}
