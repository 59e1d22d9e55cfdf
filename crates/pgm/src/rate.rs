// SPDX-License-Identifier: MIT OR Apache-2.0
//! A token bucket that counts in nanoseconds (the generic cell rate algorithm).
//!
//! It needs no tick: what it keeps is the moment at which everything sent so far would have been sent at the
//! exact rate. Sending is allowed while that moment is at most a burst ahead of now.

use std::time::{Duration, Instant};

use crate::clock::{Clock, FOREVER, Tick, ticks};

/// Bits per second and how much may go out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bits per second, above zero.
    pub bits_per_second: u64,
    /// Bytes that may go out at once after a pause.
    pub burst: usize,
}

impl Limit {
    /// A burst that suits the rate and packets of this size: two packets at least; a second's worth of
    /// slow rates, up to 12,500 bytes (as OpenPGM does at 100 kbit/s); two milliseconds' worth of fast ones, up to 128
    /// KiB, so that timers of a millisecond reach the rate and receivers' buffers are not overrun.
    #[must_use]
    pub fn new(bits_per_second: u64, packet: usize) -> Self {
        let bytes_per_second = usize::try_from(bits_per_second / 8).unwrap_or(usize::MAX);
        let slow = bytes_per_second.min(SLOW_BURST);
        let fast = (bytes_per_second / 500).min(FAST_BURST);
        Self {
            bits_per_second: bits_per_second.max(1),
            burst: slow.max(fast).max(packet.saturating_mul(2)),
        }
    }
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    clock: Clock,
    /// When everything spent so far is paid for.
    paid: Tick,
    limit: Option<Limit>,
    /// Nanoseconds that a burst is worth.
    burst: Tick,
}

impl Bucket {
    /// A full bucket; without a limit it is always full.
    #[must_use]
    pub fn new(limit: Option<Limit>, now: Instant) -> Self {
        let clock = Clock::new(now);
        let mut bucket = Self {
            clock,
            paid: 0,
            limit,
            burst: 0,
        };
        bucket.burst = limit.map_or(FOREVER, |limit| bucket.cost(limit.burst));
        bucket
    }

    /// Most bytes that go out at once; `None` without a limit.
    #[must_use]
    pub fn burst(&self) -> Option<usize> {
        self.limit.map(|limit| limit.burst)
    }

    /// Whether a packet may go out now.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.limit.is_none() || self.paid <= self.clock.tick(now).saturating_add(self.burst)
    }

    /// A packet of so many bytes has gone out.
    pub fn spend(&mut self, now: Instant, bytes: usize) {
        if self.limit.is_some() {
            self.paid = self.paid.max(self.clock.tick(now)) + self.cost(bytes);
        }
    }

    /// When half a burst may go out, or everything that waits if that is less: to wake up for less would
    /// mean to wake up for every packet.
    #[must_use]
    pub fn opens_for(&self, waiting: usize) -> Instant {
        let Some(limit) = self.limit else {
            return self.clock.instant(0);
        };
        let gather = self.cost(waiting.min(limit.burst / 2));
        let at = (self.paid + gather).saturating_sub(self.burst);
        self.clock.instant(at)
    }

    fn cost(&self, bytes: usize) -> Tick {
        let Some(limit) = self.limit else { return 0 };
        let bits = bytes as u128 * 8 * u128::from(NANOSECONDS);
        u64::try_from(bits / u128::from(limit.bits_per_second)).unwrap_or(FOREVER)
    }

    /// How long so many bytes take at this rate.
    #[must_use]
    pub fn time_for(&self, bytes: usize) -> Duration {
        Duration::from_nanos(self.cost(bytes).min(ticks(Duration::from_secs(3600))))
    }
}

const NANOSECONDS: u64 = 1_000_000_000;
const SLOW_BURST: usize = 12_500;
const FAST_BURST: usize = 128 << 10;

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the moment that virtual time begins at"
)]
mod tests {
    use super::*;

    /// Sends as fast as it may for so long; how much, and how often it woke up.
    fn run(bits_per_second: u64, packet: usize, time: Duration) -> (usize, usize) {
        let begin = Instant::now();
        let limit = Limit::new(bits_per_second, packet);
        let mut bucket = Bucket::new(Some(limit), begin);
        let (mut now, mut bytes, mut wakes) = (begin, 0, 0);
        while now.duration_since(begin) < time {
            while bucket.is_open(now) {
                bucket.spend(now, packet);
                bytes += packet;
            }
            let next = bucket.opens_for(1 << 20);
            assert!(next > now);
            now = next;
            wakes += 1;
        }
        (bytes, wakes)
    }

    #[test]
    fn rates_from_a_modem_to_the_fastest_are_kept() {
        for rate in [
            100_000,
            1_000_000,
            40_000_000,
            1_000_000_000,
            10_000_000_000,
            100_000_000_000,
        ] {
            let seconds = if rate > 1_000_000_000 { 1 } else { 10 };
            let (bytes, wakes) = run(rate, 1480, Duration::from_secs(seconds));
            let expected = rate as f64 / 8.0 * seconds as f64;
            let burst = Limit::new(rate, 1480).burst as f64;
            let error = bytes as f64 - expected;
            assert!(
                error > -2.0 * 1480.0 && error < burst + 2.0 * 1480.0 + expected * 0.005,
                "{rate} {error}"
            );
            // A gigabit: some thousand times a second, not a hundred thousand.
            if rate == 1_000_000_000 {
                assert!(wakes < 30_000, "{wakes}");
            }
        }
    }

    #[test]
    fn a_burst_of_the_default_rate_is_that_of_openpgm() {
        // "burst of 8 packets, then one 1480-byte packet per 118 ms"
        let begin = Instant::now();
        let mut bucket = Bucket::new(Some(Limit::new(100_000, 1480)), begin);
        let mut count = 0;
        while bucket.is_open(begin) {
            bucket.spend(begin, 1480);
            count += 1;
        }
        assert!((8..=9).contains(&count), "{count}");
        let wait = bucket.opens_for(1480).duration_since(begin).as_millis();
        assert!((100..=250).contains(&wait), "{wait}");
    }

    #[test]
    fn without_a_limit_it_is_open() {
        let begin = Instant::now();
        let mut bucket = Bucket::new(None, begin);
        for _ in 0..1000 {
            assert!(bucket.is_open(begin));
            bucket.spend(begin, 1 << 20);
        }
        assert!(bucket.opens_for(1) <= begin);
    }
}
