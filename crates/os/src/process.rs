// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forks, memory and processor time of this process.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How many forks lie between this process and the one that first called [`watch_forks`].
///
/// Remember it where something must not be used by a child, and compare.
#[inline]
pub fn fork_generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Makes [`fork_generation`] count. Forks before the first call are not seen.
pub fn watch_forks() {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler only touches an atomic, which a child may do.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// Memory of this process that lies in RAM; 0 if the system does not say.
pub fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<usize>().ok());
    // SAFETY: sysconf() takes no pointers.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages
        .unwrap_or(0)
        .saturating_mul(usize::try_from(page).unwrap_or(0))
}

/// Processor time that all threads of this process have used.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer leads to `time`. The clock exists, so the call succeeds; if it did not,
    // the answer would be zero.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Does nothing until the process ends. Signals are handled meanwhile.
pub fn pause_forever() -> ! {
    loop {
        // SAFETY: pause() takes no pointers.
        unsafe { libc::pause() };
    }
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn children_have_another_generation() {
        watch_forks();
        watch_forks();
        let before = fork_generation();
        // SAFETY: the child only reads an atomic and leaves.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let advanced = fork_generation().wrapping_sub(before);
            // SAFETY: leaves without running anything of the parent's.
            unsafe { libc::_exit(i32::try_from(advanced).unwrap_or(99)) };
        }
        let mut status = 0;
        // SAFETY: the pointer leads to `status`.
        let reaped = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(reaped, child);
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), 1);
        assert_eq!(fork_generation(), before);
    }

    #[test]
    fn accounts_grow() {
        assert!(resident_bytes() > 100_000);
        let (start, before) = (Instant::now(), cpu_time());
        while cpu_time() == before {
            assert!(start.elapsed() < Duration::from_secs(60));
        }
    }
}
