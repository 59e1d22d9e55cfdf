// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cycle counter for spin limits: a tenth of the price of `clock_gettime`.
//!
//! Ticks measure short spans on one machine. They are no wall clock, and where the processor's
//! counter is not invariant they are not even a steady one.

use std::sync::OnceLock;

/// The processor's time stamp counter.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: reading the counter has no effect; every x86-64 processor has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// The processor's virtual counter.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn ticks() -> u64 {
    let count: u64;
    // SAFETY: Linux lets user space read the virtual counter, and reading it has no effect.
    unsafe {
        std::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack, preserves_flags));
    }
    count
}

/// Nanoseconds of the monotonic clock, where no counter is known.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub fn ticks() -> u64 {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// How many ticks a microsecond has, at least one.
///
/// The first call may sleep for 2 ms to find out; [`calibrate`] does that at a time of your choice.
#[inline]
pub fn ticks_per_us() -> u64 {
    *TICKS_PER_US.get_or_init(|| measure().max(1))
}

/// Finds out the rate of [`ticks`] now.
pub fn calibrate() {
    ticks_per_us();
}

static TICKS_PER_US: OnceLock<u64> = OnceLock::new();

#[cfg(target_arch = "x86_64")]
fn measure() -> u64 {
    use std::time::{Duration, Instant};

    /// Long enough that the error of the two readings stays below one in a thousand.
    const SPAN: Duration = Duration::from_millis(2);

    /// Both clocks at one moment: of a few tries, the one that was interrupted least.
    fn reading() -> (u64, Instant) {
        let mut best = (u64::MAX, 0, Instant::now());
        for _ in 0..5 {
            let before = ticks();
            let now = Instant::now();
            let width = ticks().saturating_sub(before);
            if width < best.0 {
                best = (width, before + width / 2, now);
            }
        }
        (best.1, best.2)
    }

    let (first, start) = reading();
    std::thread::sleep(SPAN);
    let (last, end) = reading();
    let nanoseconds = end.saturating_duration_since(start).as_nanos().max(1);
    let rate = u128::from(last.saturating_sub(first)) * 1000 / nanoseconds;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(target_arch = "aarch64")]
fn measure() -> u64 {
    let frequency: u64;
    // SAFETY: Linux lets user space read the counter's frequency, and reading it has no effect.
    unsafe {
        std::arch::asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags));
    }
    frequency / 1_000_000
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn measure() -> u64 {
    1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_rate_agrees_with_the_monotonic_clock() {
        calibrate();
        // A loaded machine may pause us between two readings: one good try of several is enough.
        let good = (0..20).any(|_| {
            let (start, first) = (Instant::now(), ticks());
            std::thread::sleep(Duration::from_millis(5));
            let (elapsed, last) = (start.elapsed(), ticks());
            let by_ticks = (last - first) / ticks_per_us();
            let by_clock = u64::try_from(elapsed.as_micros()).unwrap();
            by_ticks.abs_diff(by_clock) * 20 < by_clock
        });
        assert!(good);
        assert!(ticks_per_us() >= 1);
    }
}
