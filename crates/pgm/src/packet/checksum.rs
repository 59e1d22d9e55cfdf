// SPDX-License-Identifier: MIT OR Apache-2.0
//! The internet checksum, over a whole packet and nothing else (no pseudo-header).

/// The one's complement sum of 16-bit words, folded. The byte order does not matter to such a sum but for
/// a swap at the end, so it is taken in the order that is cheapest.
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0_u64;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        if let Ok(word) = word.try_into() {
            total += u64::from(u32::from_le_bytes(word));
        }
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(words.remainder()) {
        *to = *from;
    }
    total += u64::from(u32::from_le_bytes(last));
    fold(total).swap_bytes()
}

/// A sum of sums.
#[must_use]
pub fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(0xffff)
}

/// What stands in the packet: zero is kept for "none", so that its twin is sent instead.
#[must_use]
pub fn of(sum: u16) -> u16 {
    match !sum {
        0 => 0xffff,
        checksum => checksum,
    }
}

/// Whether a packet with a checksum in it sums up as it should.
#[must_use]
pub fn is_right(bytes: &[u8]) -> bool {
    sum(bytes) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plainly(bytes: &[u8]) -> u16 {
        let mut total = 0_u64;
        for word in bytes.chunks(2) {
            total += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
        }
        fold(total)
    }

    #[test]
    fn it_is_the_plain_sum() {
        let bytes: Vec<u8> = (0..2000_u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for len in (0..70).chain([1400, 1401, 1402, 1403, 2000]) {
            assert_eq!(sum(&bytes[..len]), plainly(&bytes[..len]), "{len}");
        }
        assert_eq!(sum(&[0xff; 1400]), 0xffff);
        assert_eq!(sum(&[]), 0);
    }

    #[test]
    fn zero_is_not_sent() {
        assert_eq!(of(0xffff), 0xffff);
        assert_eq!(of(0), 0xffff);
        assert_eq!(of(1), 0xfffe);
    }
}
