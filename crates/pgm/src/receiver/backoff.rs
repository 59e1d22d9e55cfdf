// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long to wait before asking, so that a thousand receivers that miss the same packet do not all ask.
//!
//! Waits are drawn from a truncated exponential distribution: most are long, a few are short, and those who
//! drew a short one ask for all (RFC 3208 leaves the distribution open; RFC 5401 argues for this one). How steep it is
//! is learned. A lone receiver waits evenly between nothing and the longest wait; where confirmations
//! come for what one has not asked for, there are others.

use crate::clock::Tick;
use crate::rng::Rng;

#[derive(Clone, Copy, Debug)]
pub(super) struct BackOff {
    /// The steepness; 0 is an even distribution.
    lambda: f64,
}

impl BackOff {
    pub(super) fn new() -> Self {
        Self { lambda: FIRST }
    }

    /// A wait, above zero and at most `longest`.
    pub(super) fn draw(self, longest: Tick, rng: &mut Rng) -> Tick {
        let unit = rng.unit();
        // The inverse of the distribution function of an exponential cut off at 1.
        let share = if self.lambda < 0.01 {
            unit
        } else {
            (unit * self.lambda.exp_m1()).ln_1p() / self.lambda
        };
        scale(longest, share).max(1)
    }

    /// A confirmation has come for what was not asked for yet: somebody else was faster.
    pub(super) fn others(&mut self) {
        self.lambda = (self.lambda + 0.5).min(STEEPEST);
    }

    /// A second confirmation has come for the same: several have asked.
    pub(super) fn crowd(&mut self) {
        self.lambda = (self.lambda + 1.0).min(STEEPEST);
    }

    /// It was us who asked, and nobody else.
    pub(super) fn alone(&mut self) {
        self.lambda = (self.lambda - 0.25).max(0.0);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is no longer than it, and not negative"
)]
fn scale(longest: Tick, share: f64) -> Tick {
    (longest as f64 * share.clamp(0.0, 1.0)) as Tick
}

/// Until it is known better: a handful of receivers.
const FIRST: f64 = 2.0;
/// Good for tens of thousands.
const STEEPEST: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many draw less than `window` after the shortest: those ask.
    fn asking(receivers: usize, lambda: f64, window: f64) -> f64 {
        let mut rng = Rng::new(7);
        let mut sum = 0;
        for _ in 0..200 {
            let longest = 1_000_000_000;
            let mut waits: Vec<_> = (0..receivers)
                .map(|_| BackOff { lambda }.draw(longest, &mut rng))
                .collect();
            waits.sort_unstable();
            let limit = waits[0] + scale(longest, window);
            sum += waits.iter().filter(|wait| **wait <= limit).count();
        }
        sum as f64 / 200.0
    }

    #[test]
    fn a_steep_distribution_lets_few_ask() {
        // A confirmation that takes a fiftieth of the longest wait: 1 ms of 50.
        let (even, steep) = (asking(1000, 0.0, 0.02), asking(1000, 8.0, 0.02));
        assert!(even > 15.0 && steep < 4.0, "{even} {steep}");
    }

    #[test]
    fn waits_are_within_bounds() {
        let mut rng = Rng::new(1);
        for lambda in [0.0, 1.0, 12.0] {
            for _ in 0..1000 {
                let wait = BackOff { lambda }.draw(1000, &mut rng);
                assert!((1..=1000).contains(&wait));
            }
        }
    }
}
