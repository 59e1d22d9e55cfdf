// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copies a few bytes without a call to `memcpy`.

use std::ptr;

/// How many bytes fit into the message itself.
pub(crate) const INLINE_MAX: usize = 40;

/// Copies `len` bytes with a handful of fixed-size moves; the last one overlaps the one before.
///
/// # Safety
///
/// `len <= INLINE_MAX`; `src` is readable and `dst` writable for `len` bytes; they do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_small(dst: *mut u8, src: *const u8, len: usize) {
    debug_assert!(len <= INLINE_MAX, "caller checks the length");
    if len > 16 {
        // SAFETY: 16 < len.
        unsafe { copy_at::<16>(dst, src, 0) };
        if len > 32 {
            // SAFETY: 16 + 16 < len.
            unsafe { copy_at::<16>(dst, src, 16) };
        }
        // SAFETY: ends at len, and starts at or before where the copies above ended.
        unsafe { copy_at::<16>(dst, src, len - 16) };
    } else if len >= 8 {
        // SAFETY: 8 <= len.
        unsafe { copy_at::<8>(dst, src, 0) };
        // SAFETY: ends at len; len <= 16.
        unsafe { copy_at::<8>(dst, src, len - 8) };
    } else if len >= 4 {
        // SAFETY: 4 <= len.
        unsafe { copy_at::<4>(dst, src, 0) };
        // SAFETY: ends at len; len < 8.
        unsafe { copy_at::<4>(dst, src, len - 4) };
    } else if len > 0 {
        // SAFETY: 0 < len.
        unsafe { copy_at::<1>(dst, src, 0) };
        // SAFETY: len / 2 < len.
        unsafe { copy_at::<1>(dst, src, len / 2) };
        // SAFETY: the last byte; with the two above, every byte of three.
        unsafe { copy_at::<1>(dst, src, len - 1) };
    }
}

/// # Safety
///
/// `src` is readable and `dst` writable for `offset + N` bytes; they do not overlap.
#[inline(always)]
unsafe fn copy_at<const N: usize>(dst: *mut u8, src: *const u8, offset: usize) {
    // SAFETY: as the caller promises; wrapping_add stays inside what the caller named.
    unsafe { ptr::copy_nonoverlapping(src.wrapping_add(offset), dst.wrapping_add(offset), N) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_copies_exactly_its_bytes() {
        let src: Vec<u8> = (1..=40).collect();
        for len in 0..=INLINE_MAX {
            for misalign in 0..8 {
                let mut dst = [0xEE_u8; INLINE_MAX + 16];
                // SAFETY: 40 bytes behind both pointers at every misalignment below 8.
                unsafe { copy_small(dst.as_mut_ptr().wrapping_add(misalign), src.as_ptr(), len) };
                assert!(dst[..misalign].iter().all(|&b| b == 0xEE));
                assert_eq!(&dst[misalign..misalign + len], &src[..len]);
                assert!(dst[misalign + len..].iter().all(|&b| b == 0xEE));
            }
        }
    }
}
