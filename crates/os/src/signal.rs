// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signal sets, and keeping signals away from a thread.

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// The system's own form of a signal set, as C programs pass it.
pub type RawSignalSet = libc::sigset_t;

/// A set of signals.
#[derive(Clone, Copy)]
pub struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// No signal.
    pub fn empty() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset fills the set it is given.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: just filled; the call cannot fail with a valid pointer.
        Self(unsafe { set.assume_init() })
    }

    /// Every signal.
    pub fn full() -> Self {
        let mut set = Self::empty();
        // SAFETY: sigfillset fills the set it is given.
        unsafe { libc::sigfillset(&raw mut set.0) };
        set
    }

    /// The set a C program has made.
    pub fn from_raw(set: RawSignalSet) -> Self {
        Self(set)
    }

    /// Adds a signal by its number; numbers that are none are ignored.
    pub fn insert(&mut self, signal: i32) {
        // SAFETY: the set is valid, and numbers out of range are refused.
        unsafe { libc::sigaddset(&raw mut self.0, signal) };
    }

    /// Whether the signal with this number is in the set.
    pub fn contains(&self, signal: i32) -> bool {
        // SAFETY: the set is valid, and numbers out of range are refused.
        unsafe { libc::sigismember(&raw const self.0, signal) == 1 }
    }

    /// The signals the calling thread blocks.
    pub fn blocked() -> Self {
        Self::change_mask(libc::SIG_BLOCK, &Self::empty())
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sigset_t {
        &raw const self.0
    }

    /// Changes the calling thread's mask and answers what it was.
    fn change_mask(how: libc::c_int, set: &Self) -> Self {
        let mut old = Self::empty();
        // SAFETY: both pointers lead to valid sets. The only possible failure is a wrong `how`.
        unsafe { libc::pthread_sigmask(how, set.as_ptr(), &raw mut old.0) };
        old
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries((1..=64).filter(|&signal| self.contains(signal)))
            .finish()
    }
}

/// While it lives, the calling thread takes no signals, and the threads it starts never do.
#[derive(Debug)]
#[must_use = "signals come back when this is dropped"]
pub struct SignalsBlocked {
    before: SignalSet,
    /// The mask belongs to the thread, so this must end where it began.
    not_send: PhantomData<*const ()>,
}

impl SignalsBlocked {
    pub(crate) fn new() -> Self {
        let before = SignalSet::change_mask(libc::SIG_SETMASK, &SignalSet::full());
        Self {
            before,
            not_send: PhantomData,
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        SignalSet::change_mask(libc::SIG_SETMASK, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_know_their_members() {
        let mut set = SignalSet::empty();
        assert!(!set.contains(libc::SIGUSR1));
        set.insert(libc::SIGUSR1);
        set.insert(-1);
        assert!(set.contains(libc::SIGUSR1));
        assert_eq!(format!("{set:?}"), format!("{{{}}}", libc::SIGUSR1));
        assert!(SignalSet::full().contains(libc::SIGTERM));
    }
}
