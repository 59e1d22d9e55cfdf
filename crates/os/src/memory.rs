// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory straight from the system: what is not touched costs nothing, and what is given back is gone.

use std::ptr::{self, NonNull};

/// So many bytes, zeroed and aligned to a page; `None` if there are none.
#[must_use]
pub fn map(len: usize) -> Option<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping: it touches no memory that is in use.
    let at = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    (at != libc::MAP_FAILED)
        .then(|| NonNull::new(at.cast()))
        .flatten()
}

/// Gives it back.
///
/// # Safety
/// It comes from [`map`] with this length, and nobody refers to it any more.
pub unsafe fn unmap(at: NonNull<u8>, len: usize) {
    // SAFETY: a mapping of this length, by contract. It fails for no valid mapping.
    unsafe { libc::munmap(at.as_ptr().cast(), len) };
}

/// Gives back the pages that lie wholly within these bytes, which the allocator has handed out: they hold zeroes from now on, and cost
/// as much as fresh ones when they are written again.
pub fn forget(bytes: &mut [u8]) {
    // SAFETY: it takes no pointers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
    let skipped = bytes.as_ptr().align_offset(page.max(1));
    let Some(inner) = bytes.get_mut(skipped..) else {
        return;
    };
    let len = inner.len() - inner.len() % page.max(1);
    // SAFETY: whole pages of memory that is the caller's alone; whatever is there afterwards are bytes. An error leaves everything as
    // it is.
    unsafe { libc::madvise(inner.as_mut_ptr().cast(), len, libc::MADV_DONTNEED) };
}

/// Has the allocator give back what it keeps of memory that has been freed, where it can be asked (glibc).
///
/// It holds each of the allocator's locks for a while and makes a system call for every gap it finds: tens of
/// milliseconds with hundreds of MiB. For when a crowd has gone, and for tests.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointers, and any thread may call it at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes that the program has asked the allocator for and not freed; `None` where it does not say (not glibc). To tell
/// what is in use from what the allocator only keeps.
#[must_use]
pub fn in_use() -> Option<usize> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it takes no pointers, and any thread may call it at any time.
        let all = unsafe { libc::mallinfo2() };
        Some(all.uordblks.saturating_add(all.hblkhd))
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

#[cfg(test)]
mod tests {
    use super::{forget, in_use, map, trim, unmap};

    #[test]
    fn mapped_memory_is_zeroed_and_can_be_written() {
        let at = map(1 << 16).unwrap();
        // SAFETY: so many bytes are ours.
        let bytes = unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), 1 << 16) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(7);
        assert_eq!(bytes[65_535], 7);
        // SAFETY: from above, and `bytes` is not used any more.
        unsafe { unmap(at, 1 << 16) };
        assert!(map(usize::MAX).is_none());
        trim();
    }

    #[test]
    fn what_is_forgotten_can_be_written_again() {
        let mut bytes = vec![7_u8; 1 << 18];
        forget(&mut bytes[100..]);
        assert!(bytes[..100].iter().all(|byte| *byte == 7));
        assert_eq!(bytes[1 << 17], 0);
        bytes.fill(8);
        assert!(bytes.iter().all(|byte| *byte == 8));
        forget(&mut bytes[..10]);
        forget(&mut []);
        assert!(bytes.iter().all(|byte| *byte == 8));
    }

    #[test]
    fn what_is_asked_for_is_in_use() {
        let large = vec![7_u8; 64 << 20];
        if let Some(bytes) = in_use() {
            assert!(bytes >= large.len());
        }
    }
}
