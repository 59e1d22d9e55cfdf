// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers of the application.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use ferromq_vocabulary::Code;

use crate::boundary;
use crate::errno::FAILED;
use crate::handle::{self, Handled};

/// What a timer calls.
pub type TimerFn = Option<unsafe extern "C" fn(c_int, *mut c_void)>;

/// All timers behind one handle.
#[derive(Default)]
struct Timers {
    timers: Vec<Timer>,
    last_id: c_int,
}

#[derive(Clone, Copy)]
struct Timer {
    id: c_int,
    interval: Duration,
    due: Instant,
    handler: unsafe extern "C" fn(c_int, *mut c_void),
    argument: *mut c_void,
}

// SAFETY: the argument is the caller's business.
unsafe impl Send for Timers {}

impl Handled for Timers {
    const KIND: u8 = 4;
    const WRONG: Code = Code::Fault;
}

impl Timers {
    fn find(&mut self, id: c_int) -> Result<&mut Timer, Code> {
        let found = self.timers.iter_mut().find(|timer| timer.id == id);
        found.ok_or(Code::Invalid)
    }

    /// The timer that is due first, if it is by then. Of several due at once the oldest.
    fn next(&self, by: Option<Instant>) -> Option<Timer> {
        let next = self.timers.iter().min_by_key(|timer| timer.due).copied();
        next.filter(|timer| by.is_none_or(|by| timer.due <= by))
    }
}

fn milliseconds(interval: usize) -> Duration {
    Duration::from_millis(u64::try_from(interval).unwrap_or(u64::MAX))
}

fn after(interval: Duration) -> Result<Instant, Code> {
    Instant::now().checked_add(interval).ok_or(Code::Invalid)
}

/// Makes a set of timers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_new() -> *mut c_void {
    boundary::call(ptr::null_mut(), || handle::insert(Box::<Timers>::default()))
}

/// Ends it and clears the pointer to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_destroy(timers: *mut *mut c_void) -> c_int {
    boundary::answer(|| {
        if timers.is_null() {
            return Err(Code::Fault);
        }
        // SAFETY: the caller's pointer.
        drop(handle::remove::<Timers>(unsafe { timers.read() })?);
        // SAFETY: as above.
        unsafe { timers.write(ptr::null_mut()) };
        Ok(())
    })
}

/// Adds a timer that calls `handler` every so many milliseconds; returns its number.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_add(
    timers: *mut c_void,
    interval: usize,
    handler: TimerFn,
    argument: *mut c_void,
) -> c_int {
    boundary::call(FAILED, || {
        handle::with(timers, |timers: &mut Timers| {
            let handler = handler.ok_or(Code::Fault)?;
            let interval = milliseconds(interval);
            let due = after(interval)?;
            timers.last_id += 1;
            timers.timers.push(Timer {
                id: timers.last_id,
                interval,
                due,
                handler,
                argument,
            });
            Ok(timers.last_id)
        })
    })
}

/// Removes a timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_cancel(timers: *mut c_void, id: c_int) -> c_int {
    boundary::answer(|| {
        handle::with(timers, |timers: &mut Timers| {
            timers.find(id)?;
            timers.timers.retain(|timer| timer.id != id);
            Ok(())
        })
    })
}

/// Changes a timer's interval, which begins anew.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_set_interval(
    timers: *mut c_void,
    id: c_int,
    interval: usize,
) -> c_int {
    boundary::answer(|| {
        handle::with(timers, |timers: &mut Timers| {
            let interval = milliseconds(interval);
            let timer = timers.find(id)?;
            timer.due = after(interval)?;
            timer.interval = interval;
            Ok(())
        })
    })
}

/// Has a timer's interval begin anew.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_reset(timers: *mut c_void, id: c_int) -> c_int {
    boundary::answer(|| {
        handle::with(timers, |timers: &mut Timers| {
            let timer = timers.find(id)?;
            timer.due = after(timer.interval)?;
            Ok(())
        })
    })
}

/// Milliseconds until the next timer is due; -1 without timers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    boundary::call(-1, || {
        handle::with(timers, |timers: &mut Timers| {
            Ok(timers.next(None).map_or(-1, |timer| {
                let left = timer.due.saturating_duration_since(Instant::now());
                // Not a moment too early.
                let left = left.as_nanos().div_ceil(1_000_000);
                c_long::try_from(left).unwrap_or(c_long::MAX)
            }))
        })
    })
}

/// Calls the handlers of all timers that are due. They may use the timers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    boundary::answer(|| {
        let now = Instant::now();
        while let Some(timer) = handle::with(timers, |timers: &mut Timers| {
            let next = timers.next(Some(now));
            if let Some(Timer { id, interval, .. }) = next {
                // One that is due at once again waits for the next call.
                let again = interval.max(Duration::from_nanos(1));
                timers.find(id)?.due = now.checked_add(again).ok_or(Code::Invalid)?;
            }
            Ok(next)
        })? {
            // SAFETY: the caller's function, with the caller's argument; nothing is held.
            unsafe { (timer.handler)(timer.id, timer.argument) };
        }
        Ok(())
    })
}
