// SPDX-License-Identifier: MIT OR Apache-2.0
//! The asymmetric memory barrier: free on the side that runs often, a system call on the rare side.
//!
//! One thread stores A, calls [`light`], loads B; another stores B, calls [`heavy`], loads A: at
//! least one of them sees the other's store. With membarrier(2) the light side is only a fence for
//! the compiler, because the heavy side interrupts every running thread of the process. Where the
//! kernel has no membarrier both sides are `fence(SeqCst)`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

use crate::thread;

/// Announces to the kernel that this process will use [`heavy`], and makes [`light`] light.
///
/// To be called before the first use, and again in a forked child; calling it more often is
/// harmless. Until then both sides use full fences.
pub fn register() {
    if FORCED.load(Ordering::Relaxed) || UNAVAILABLE.load(Ordering::Relaxed) {
        return;
    }
    match membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
        // The light side may lean on the heavy one only from here on, and `heavy` asks the kernel
        // whatever this flag says, so a late reader of it on that side does no harm.
        Ok(()) => ASYMMETRIC.store(true, Ordering::Release),
        Err(_) => give_up(),
    }
}

/// The side that runs often.
#[inline(always)]
pub fn light() {
    if ASYMMETRIC.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The side that runs rarely: about 0.4 µs with one thread.
pub fn heavy() {
    fence(Ordering::SeqCst);
    if FORCED.load(Ordering::Relaxed) || UNAVAILABLE.load(Ordering::Relaxed) {
        return;
    }
    for _ in 0..MAX_TRIES {
        match membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
            Ok(()) => return,
            // Not registered: the first use, or a forked child.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => register(),
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => break,
            // Out of memory, for a moment.
            Err(_) => thread::yield_now(),
        }
        if UNAVAILABLE.load(Ordering::Relaxed) {
            break;
        }
    }
    give_up();
    fence(Ordering::SeqCst);
}

/// Whether [`light`] is only a fence for the compiler.
pub fn is_asymmetric() -> bool {
    ASYMMETRIC.load(Ordering::Relaxed)
}

/// Behaves as if the kernel had no membarrier, or stops doing so. For tests.
///
/// Only while no other thread relies on the two fences: the switch itself is not synchronised.
pub fn force_symmetric(forced: bool) {
    FORCED.store(forced, Ordering::SeqCst);
    if forced {
        ASYMMETRIC.store(false, Ordering::SeqCst);
    } else {
        register();
    }
}

/// [`light`] leans on membarrier. False until the kernel has agreed.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);
/// The kernel has refused. Never set once `ASYMMETRIC` has been, short of the kernel changing its mind.
static UNAVAILABLE: AtomicBool = AtomicBool::new(false);
/// A test wants the fallback.
static FORCED: AtomicBool = AtomicBool::new(false);

/// How often to ask a kernel that is out of memory.
const MAX_TRIES: u32 = 100;

/// Full fences on both sides from here on.
#[cold]
fn give_up() {
    ASYMMETRIC.store(false, Ordering::SeqCst);
    UNAVAILABLE.store(true, Ordering::SeqCst);
}

fn membarrier(command: libc::c_int) -> io::Result<()> {
    // SAFETY: membarrier takes no pointers and changes nothing but the order of memory accesses.
    let answer = unsafe { libc::syscall(libc::SYS_membarrier, command, 0_u32, 0_i32) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;

    /// Store buffering: were the fences too weak, both threads would miss the other's store.
    fn both_sides_never_miss_each_other(rounds: u32) {
        static A: AtomicU32 = AtomicU32::new(0);
        static B: AtomicU32 = AtomicU32::new(0);
        let gate = Barrier::new(2);
        let seen_by_light: Vec<u32> = std::thread::scope(|scope| {
            let often = scope.spawn(|| {
                (1..=rounds)
                    .map(|round| {
                        gate.wait();
                        A.store(round, Ordering::Relaxed);
                        light();
                        let seen = B.load(Ordering::Relaxed);
                        gate.wait();
                        seen
                    })
                    .collect()
            });
            let seen_by_heavy: Vec<u32> = (1..=rounds)
                .map(|round| {
                    gate.wait();
                    B.store(round, Ordering::Relaxed);
                    heavy();
                    let seen = A.load(Ordering::Relaxed);
                    gate.wait();
                    seen
                })
                .collect();
            let seen_by_light: Vec<u32> = often.join().unwrap();
            for (index, (light, heavy)) in seen_by_light.iter().zip(&seen_by_heavy).enumerate() {
                let round = u32::try_from(index).unwrap() + 1;
                assert!(
                    *light == round || *heavy == round,
                    "round {round}: both missed"
                );
            }
            seen_by_light
        });
        assert_eq!(seen_by_light.len(), rounds as usize);
        A.store(0, Ordering::Relaxed);
        B.store(0, Ordering::Relaxed);
    }

    #[test]
    fn with_and_without_membarrier() {
        register();
        register();
        both_sides_never_miss_each_other(5_000);
        force_symmetric(true);
        assert!(!is_asymmetric());
        both_sides_never_miss_each_other(5_000);
        register();
        assert!(!is_asymmetric(), "forced stays forced");
        force_symmetric(false);
        heavy();
        light();
    }
}
