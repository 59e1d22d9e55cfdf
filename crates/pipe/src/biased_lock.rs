// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lock that leans towards the thread that uses it all the time, and costs that thread no atomic
//! read-modify-write.
//!
//! Everybody else takes the *long way*: the flag `held`, as in any lock. Who has come that way
//! often enough in a row becomes the *owner*, and takes the *short way* from then on: it stores that it
//! is busy, and loads whether it still is the owner. Whoever comes the long way and finds an owner
//! stores that there is none, and then loads whether the old one is busy. Between the two stands the
//! asymmetric fence on either side, so that at least one of them sees the other.
//!
//! To take the right away is dear: it takes longer to win each time, and after some times nobody wins
//! it any more. Each time it is won there is another place to say "busy" in: a thread that lost the
//! right long ago may still be about to write to the old one.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::loom::{AtomicU8, AtomicU32, AtomicU64, heavy, light};

/// So many long ways in a row make a thread the owner, at first; it doubles each time.
#[cfg(not(loom))]
const LEAST: [u32; TURNS] = [32, 64, 128, 256, 512, 1024, 2048, 4096];
#[cfg(loom)]
const LEAST: [u32; TURNS] = [1, 1];
/// How often a thread can become the owner.
#[cfg(not(loom))]
const TURNS: usize = 8;
#[cfg(loom)]
const TURNS: usize = 2;
/// In a word that names the owner, below its number: the turn.
const TURN_BITS: u32 = 8;

/// See the module documentation.
#[derive(Debug)]
pub struct BiasedLock {
    /// Somebody is inside, or looks whether he may go in, by the long way.
    held: AtomicU32,
    /// Who may take the short way, and in which turn; 0 is nobody. Changed by the holder of `held` only.
    owner: AtomicU64,
    /// The owner of each turn is inside by the short way. Changed by that thread only.
    busy: [AtomicU8; TURNS],
    /// How often there has been an owner. The holder's of `held`.
    turns: AtomicU32,
    /// Who took the long way last, and how often in a row. The holder's of `held`.
    last: AtomicU64,
    streak: AtomicU32,
}

/// How a lock was taken, and has to be given back: as its owner, in this turn, or as anybody. One
/// plain byte, for it is to travel in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way(u8);

impl Way {
    const LONG: Self = Self(u8::MAX);
}

impl Default for BiasedLock {
    fn default() -> Self {
        Self::new()
    }
}

impl BiasedLock {
    /// A free lock that nobody owns.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: AtomicU32::new(0),
            owner: AtomicU64::new(0),
            busy: [const { AtomicU8::new(0) }; TURNS],
            turns: AtomicU32::new(0),
            last: AtomicU64::new(0),
            streak: AtomicU32::new(0),
        }
    }

    /// A free lock that nobody owns.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            held: AtomicU32::new(0),
            owner: AtomicU64::new(0),
            busy: std::array::from_fn(|_| AtomicU8::new(0)),
            turns: AtomicU32::new(0),
            last: AtomicU64::new(0),
            streak: AtomicU32::new(0),
        }
    }

    /// Takes the lock if it is free. `me` is the calling thread's alone as long as it lives, not 0, and
    /// less than 2^56. Now and then this fails though nobody holds the lock: a thread was looking.
    #[inline(always)]
    #[must_use]
    pub fn try_lock(&self, me: u64) -> Option<Way> {
        let owner = self.owner.load(Relaxed);
        if owner >> TURN_BITS == me {
            let turn = owner as u8;
            let busy = &self.busy[usize::from(turn) % TURNS];
            // If the owner is inside already, this is a call within a call.
            if busy.load(Acquire) == 0 {
                busy.store(1, Relaxed);
                light();
                if self.owner.load(Relaxed) == owner {
                    return Some(Way(turn));
                }
                busy.store(0, Release);
            }
        }
        self.try_long_way(me)
    }

    #[inline(never)]
    fn try_long_way(&self, me: u64) -> Option<Way> {
        if self.held.load(Relaxed) != 0
            || self.held.compare_exchange(0, 1, Acquire, Relaxed).is_err()
        {
            return None;
        }
        if self.owner.load(Relaxed) != 0 {
            self.owner.store(0, Relaxed);
            heavy();
            self.last.store(0, Relaxed);
        }
        // The last one to be the owner may be inside still. Those before it have been waited for.
        let turns = self.turns.load(Relaxed) as usize;
        if turns > 0 && self.busy[turns - 1].load(Acquire) != 0 {
            self.held.store(0, Release);
            return None;
        }
        let streak = if self.last.load(Relaxed) == me {
            self.streak.load(Relaxed).saturating_add(1)
        } else {
            self.last.store(me, Relaxed);
            1
        };
        self.streak.store(streak, Relaxed);
        Some(Way::LONG)
    }

    /// Gives the lock back, the way it was taken, by whom it was taken.
    #[inline(always)]
    pub fn unlock(&self, way: Way) {
        if way == Way::LONG {
            self.unlock_long_way();
        } else {
            self.busy[usize::from(way.0) % TURNS].store(0, Release);
        }
    }

    fn unlock_long_way(&self) {
        let turn = self.turns.load(Relaxed);
        let least = LEAST.get(turn as usize);
        if least.is_some_and(|&least| self.streak.load(Relaxed) >= least) {
            self.turns.store(turn + 1, Relaxed);
            let owner = self.last.load(Relaxed) << TURN_BITS | u64::from(turn);
            self.owner.store(owner, Relaxed);
        }
        self.held.store(0, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn turn(lock: &BiasedLock, me: u64) -> Way {
        let way = lock.try_lock(me).expect("a free lock");
        lock.unlock(way);
        way
    }

    #[test]
    fn who_comes_often_becomes_the_owner_and_loses_it_to_others() {
        ferromq_os::fence::register();
        let lock = BiasedLock::new();
        for _ in 0..LEAST[0] {
            assert_eq!(turn(&lock, 1), Way::LONG);
        }
        assert_eq!(turn(&lock, 1), Way(0));
        assert_eq!(turn(&lock, 2), Way::LONG);
        for _ in 0..LEAST[1] {
            assert_eq!(turn(&lock, 1), Way::LONG, "it takes longer now");
        }
        assert_eq!(turn(&lock, 1), Way(1));
        for _ in 0..TURNS {
            turn(&lock, 2);
            for _ in 0..LEAST[TURNS - 1] {
                turn(&lock, 1);
            }
        }
        assert_eq!(turn(&lock, 1), Way::LONG, "and not any more");
    }

    #[test]
    fn nobody_comes_in_while_somebody_is_inside() {
        ferromq_os::fence::register();
        let lock = BiasedLock::new();
        let way = lock.try_lock(1).expect("a free lock");
        assert_eq!((lock.try_lock(1), lock.try_lock(2)), (None, None));
        lock.unlock(way);
        while turn(&lock, 1) == Way::LONG {}
        let way = lock.try_lock(1).expect("a free lock");
        assert_eq!(way, Way(0));
        assert_eq!((lock.try_lock(2), lock.try_lock(1)), (None, None));
        lock.unlock(way);
        assert_eq!(turn(&lock, 2), Way::LONG);
    }

    #[test]
    fn threads_count_together() {
        ferromq_os::fence::register();
        struct Shared(BiasedLock, std::cell::UnsafeCell<u64>);
        // SAFETY: the count is touched under the lock only.
        unsafe impl Sync for Shared {}
        let shared = Shared(BiasedLock::new(), std::cell::UnsafeCell::new(0));
        std::thread::scope(|scope| {
            for me in 1..=3 {
                let shared = &shared;
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let way = loop {
                            match shared.0.try_lock(me) {
                                Some(way) => break way,
                                None => std::thread::yield_now(),
                            }
                        };
                        // SAFETY: under the lock.
                        unsafe { *shared.1.get() += 1 };
                        shared.0.unlock(way);
                        if round % 500 == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(shared.1.into_inner(), 60_000);
    }
}
