// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measuring time, and letting it pass.

use std::ffi::{c_int, c_ulong, c_void};
use std::time::{Duration, Instant};

/// Starts a stopwatch.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    Box::into_raw(Box::new(Instant::now())).cast()
}

/// Microseconds since the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    // SAFETY: null, or made by `zmq_stopwatch_start` and not stopped.
    let start = unsafe { watch.cast::<Instant>().as_ref() };
    start.map_or(0, |start| {
        c_ulong::try_from(start.elapsed().as_micros()).unwrap_or(c_ulong::MAX)
    })
}

/// Microseconds since the start; ends the stopwatch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    // SAFETY: as the caller promises.
    let elapsed = unsafe { zmq_stopwatch_intermediate(watch) };
    if !watch.is_null() {
        // SAFETY: made as a box of this type, and stopped once.
        drop(unsafe { Box::from_raw(watch.cast::<Instant>()) });
    }
    elapsed
}

/// Sleeps.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_sleep(seconds: c_int) {
    std::thread::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
}
