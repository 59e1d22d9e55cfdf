// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sequence numbers.

use std::fmt;

/// A sequence number: 32 bits that wrap. Two are compared by the sign of their difference, so that only
/// numbers less than 2^31 apart have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Sqn(pub u32);

impl Sqn {
    /// The number so many further on.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The number so many before.
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// How far it is from `earlier` to this, which is not before it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this comes before the other.
    #[must_use]
    pub const fn precedes(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() < 0
    }
}

impl fmt::Display for Sqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Sqn;

    #[test]
    fn order_goes_round() {
        for start in [0, 5, u32::MAX - 1, u32::MAX, 1 << 31] {
            let start = Sqn(start);
            for step in [1, 2, 1000, (1 << 31) - 1] {
                assert!(start.precedes(start.plus(step)));
                assert!(!start.plus(step).precedes(start));
                assert_eq!(start.plus(step).since(start), step);
                assert_eq!(start.plus(step).minus(step), start);
            }
            assert!(!start.precedes(start));
        }
    }
}
