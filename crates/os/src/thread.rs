// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scheduling and names of threads. All of it is about the calling thread.

use std::ffi::c_ulong;
use std::io;

use crate::signal::SignalsBlocked;
use crate::sys;

/// Lets another thread run on this processor, if one is waiting to.
#[inline]
pub fn yield_now() {
    // SAFETY: sched_yield() takes no pointers; on Linux it always succeeds.
    unsafe { libc::sched_yield() };
}

/// A number that no other thread has while this one lives; not 0.
///
/// It is asked for with each message that goes through C: where the ABI says in which register the thread's own
/// block is found, that is read, which is all that `pthread_self` would do behind two jumps.
#[inline(always)]
#[must_use]
pub fn token() -> u64 {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
    {
        let token: u64;
        // SAFETY: the first word of the block that %fs leads to is its own address (ELF TLS, variant II).
        unsafe {
            std::arch::asm!(
                "mov {token}, qword ptr fs:[0]",
                token = out(reg) token,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        token
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
    // SAFETY: pthread_self() takes nothing and always succeeds.
    unsafe {
        libc::pthread_self()
    }
}

/// How many processors this thread may run on, now.
pub fn cpu_count() -> usize {
    // One word more each time: the kernel refuses a mask shorter than its own.
    let mut mask: Vec<c_ulong> = vec![0; 1024 / WORD];
    while mask.len() <= MAX_CPU / WORD {
        // SAFETY: the mask is as long as stated.
        let answer = unsafe {
            libc::sched_getaffinity(0, size_of_val(mask.as_slice()), mask.as_mut_ptr().cast())
        };
        match sys::check(answer) {
            Ok(_) => {
                let count: u32 = mask.iter().map(|word| word.count_ones()).sum();
                return (count as usize).max(1);
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                mask.resize(mask.len() * 2, 0);
            }
            Err(_) => break,
        }
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Names the thread; the system keeps the first 15 bytes.
pub fn set_name(name: &str) {
    let mut text = [0_u8; 16];
    let end = (0..text.len())
        .rev()
        .find(|&at| name.is_char_boundary(at))
        .unwrap_or(0);
    let bytes = name.bytes().take(end).take_while(|&byte| byte != 0);
    for (to, from) in text.iter_mut().zip(bytes) {
        *to = from;
    }
    // SAFETY: the text ends with a NUL. A valid pointer is all this request needs to succeed.
    unsafe { libc::prctl(libc::PR_SET_NAME, text.as_ptr()) };
}

/// Restricts the thread to some processors.
pub fn set_affinity(cpus: &[usize]) -> io::Result<()> {
    let Some(&last) = cpus.iter().max() else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    if last > MAX_CPU {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut mask: Vec<c_ulong> = vec![0; last / WORD + 1];
    for cpu in cpus {
        if let Some(word) = mask.get_mut(cpu / WORD) {
            *word |= 1 << (cpu % WORD);
        }
    }
    // SAFETY: the mask is as long as stated.
    let answer =
        unsafe { libc::sched_setaffinity(0, size_of_val(mask.as_slice()), mask.as_ptr().cast()) };
    sys::check(answer).map(drop)
}

/// Sets the scheduling policy by the system's number (0 other, 1 FIFO, 2 round robin, 3 batch,
/// 5 idle). Only FIFO and round robin have a priority; it is 0 for the others.
pub fn set_scheduling(policy: i32, priority: i32) -> io::Result<()> {
    // SAFETY: pthread_self() always succeeds.
    let thread = unsafe { libc::pthread_self() };
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the thread is this one, and the parameters live through the call.
    let answer = unsafe { libc::pthread_setschedparam(thread, policy, &raw const parameters) };
    sys::check_errno(answer)
}

/// How much later than asked for the kernel may end a timed wait of this thread, to save wake-ups;
/// 50 000 at first.
pub fn set_timer_slack_ns(nanoseconds: u64) {
    let slack = c_ulong::try_from(nanoseconds).unwrap_or(c_ulong::MAX);
    // SAFETY: this request takes no pointers. Zero, the default again, is the least it accepts.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) };
}

/// Keeps all signals away from the thread while the answer lives; threads started meanwhile never
/// take any, so that the application's handlers run on the application's threads.
pub fn block_all_signals() -> SignalsBlocked {
    SignalsBlocked::new()
}

/// Bits of a mask word.
const WORD: usize = c_ulong::BITS as usize;
/// Far beyond what Linux can be built for; bounds what an option can make us allocate.
const MAX_CPU: usize = (1 << 16) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SignalSet;

    #[test]
    fn affinity_is_what_cpu_count_counts() {
        std::thread::spawn(|| {
            assert!(cpu_count() >= 1);
            let allowed = (0..1024).find(|&cpu| set_affinity(&[cpu]).is_ok());
            assert!(allowed.is_some());
            assert_eq!(cpu_count(), 1);
            assert!(set_affinity(&[]).is_err());
            assert!(set_affinity(&[usize::MAX]).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn names_are_cut_between_characters() {
        std::thread::spawn(|| {
            let name = || std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            set_name("io/0");
            assert_eq!(name(), "io/0\n");
            set_name("fourteen bytesé and more");
            assert_eq!(name(), "fourteen bytes\n");
            set_name("");
            assert_eq!(name(), "\n");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn scheduling_and_slack() {
        std::thread::spawn(|| {
            set_timer_slack_ns(1);
            let slack = std::fs::read_to_string("/proc/thread-self/timerslack_ns");
            assert!(slack.map_or(true, |slack| slack.trim() == "1"));
            set_scheduling(libc::SCHED_OTHER, 0).unwrap();
            assert_eq!(
                set_scheduling(libc::SCHED_OTHER, 5)
                    .unwrap_err()
                    .raw_os_error(),
                Some(libc::EINVAL)
            );
            yield_now();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn threads_started_under_the_guard_take_no_signals() {
        std::thread::spawn(|| {
            let blocked = block_all_signals();
            let child = std::thread::spawn(|| SignalSet::blocked().contains(libc::SIGTERM));
            drop(blocked);
            assert!(!SignalSet::blocked().contains(libc::SIGTERM));
            assert!(child.join().unwrap());
        })
        .join()
        .unwrap();
    }
}
