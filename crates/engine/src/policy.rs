// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who moves the bytes.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Who moves the bytes between queues and kernel. The queues and the protocol between threads are
/// the same under each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The thread that is in a call, whenever it can; the I/O thread is the fallback.
    #[default]
    Assisted,
    /// The I/O thread alone: a send makes no write, a receive no read.
    IoOnly,
    /// For tests: who moves them is drawn at random, locks fail at random, and reads and writes
    /// are cut to a byte now and then.
    Chaos,
}

impl Policy {
    /// What the environment variable `FERROMQ_POLICY` asks for: `assisted`, `io-only` or `chaos`.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var("FERROMQ_POLICY").as_deref() {
            Ok("io-only") => Self::IoOnly,
            Ok("chaos") => Self::Chaos,
            _ => Self::Assisted,
        }
    }
}

/// The dice of [`Policy::Chaos`]; never fall under the others.
#[derive(Debug)]
pub(crate) struct Dice {
    state: AtomicU64,
    thrown: bool,
}

impl Dice {
    pub(crate) fn new(policy: Policy, seed: u64) -> Self {
        let state = AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self {
            state,
            thrown: policy == Policy::Chaos,
        }
    }

    /// True once in `n` under chaos, never otherwise.
    #[inline]
    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.thrown && self.throw().is_multiple_of(n)
    }

    /// How much of `length` may be moved in one call.
    #[inline]
    pub(crate) fn cut(&self, length: usize) -> usize {
        if !self.thrown || length == 0 {
            return length;
        }
        match self.throw() % 4 {
            0 => 1,
            1 => length.min(7),
            _ => length,
        }
    }

    #[cold]
    fn throw(&self) -> u64 {
        // Lost updates only make it more random.
        let mut x = self.state.load(Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.state.store(x, Relaxed);
        x >> 11
    }
}
