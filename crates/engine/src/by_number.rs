// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of what has a number that the context has given out.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by numbers of the context. They are given out in turn and nobody else chooses them, so that they need no
/// hash that withstands attacks.
pub(crate) type ByNumber<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// Spreads numbers that lie close together over all bits.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio; a table looks at both ends of the result.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::ByNumber;

    #[test]
    fn numbers_are_found() {
        let table: ByNumber<u64> = (0..10_000).map(|number| (number, 2 * number)).collect();
        assert_eq!(table.len(), 10_000);
        assert!((0..10_000).all(|number| table[&number] == 2 * number));
    }
}
