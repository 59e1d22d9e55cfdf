// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random operations against a simple model, repeatable by their seed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fan_out;
mod inbound;
mod inproc;
mod outbound;
mod threads;

/// splitmix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A size with a taste for limits: mostly small, at times up to `most`.
    pub(crate) fn size(&mut self, most: usize) -> usize {
        const EDGES: [usize; 14] = [
            0,
            1,
            253,
            254,
            255,
            256,
            1023,
            1024,
            4030,
            4032,
            16 * 1024 - 1,
            16 * 1024,
            65535,
            65536,
        ];
        let size = match self.below(16) {
            0..=7 => self.below(40),
            8..=10 => self.below(600),
            11..=12 => EDGES[self.below(EDGES.len())],
            13 => self.below(5000),
            14 => self.below(70_000),
            _ => self.below(most + 1),
        };
        size.min(most)
    }

    pub(crate) fn body(&mut self, most: usize) -> Vec<u8> {
        let len = self.size(most);
        let mut seed = self.next();
        let mut body = Vec::with_capacity(len + 8);
        while body.len() < len {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            body.extend_from_slice(&seed.to_le_bytes());
        }
        body.truncate(len);
        body
    }
}

/// How many seeds: fewer where every step is dear (`FERROMQ_TEST_ROUNDS=2` under valgrind).
pub(crate) fn rounds(usual: u64) -> u64 {
    std::env::var("FERROMQ_TEST_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(usual)
}
