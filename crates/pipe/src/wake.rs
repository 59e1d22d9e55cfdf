// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a socket's user waits, and how whoever has news finds out that it must wake it.
//!
//! A thread that is about to sleep stores what it waits for ([`WakeSlot::announce`]), looks once
//! more, and sleeps. Whoever changes something stores the change and then looks at the slot
//! ([`WakeSlot::notify`], or [`WakeSlot::notify_light`] where the sleeper pays for the fence).
//! Either the sleeper's last look sees the change or the other side sees the wish: that is the
//! whole proof, and what the loom model checks.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::task::Waker;

use crate::loom::{AtomicU32, Mutex, heavy, light};

/// What somebody waits for.
pub mod interest {
    /// A message to receive.
    pub const IN: u32 = 1;
    /// Room to send.
    pub const OUT: u32 = 2;
    /// Whatever happens is to be shown by the readiness descriptor, for as long as the socket
    /// lives.
    pub const WATCHED: u32 = 4;
    /// A task is registered, besides or instead of a thread.
    pub const TASK: u32 = 8;
}

/// There are commands in the mailbox: taken back when they are taken.
const MAIL: u32 = 1;
/// The socket's context has ended: for good, whoever has seen it.
const ENDED: u32 = 2;

/// What wakes the sleeping thread.
pub trait Bell: Send + Sync {
    /// Makes the sleeper's wait return.
    fn ring(&self);
}

/// One socket's wake slot.
pub struct WakeSlot<B> {
    state: AtomicU32,
    /// `MAIL` and `ENDED`. Looked at on the hot path.
    signals: AtomicU32,
    tasks: Mutex<Tasks>,
    bell: B,
}

#[derive(Default)]
struct Tasks {
    readers: Vec<Waker>,
    writers: Vec<Waker>,
}

impl<B: Bell> WakeSlot<B> {
    /// A slot in which nobody waits.
    pub fn new(bell: B) -> Self {
        Self {
            state: AtomicU32::new(0),
            signals: AtomicU32::new(0),
            tasks: Mutex::new(Tasks::default()),
            bell,
        }
    }

    /// What wakes the sleeping thread.
    pub fn bell(&self) -> &B {
        &self.bell
    }

    /// What is waited for now.
    #[inline]
    pub fn state(&self) -> u32 {
        self.state.load(Acquire)
    }

    /// Says what the caller is going to wait for. It must look again afterwards, before it sleeps.
    pub fn announce(&self, interest: u32) {
        self.state.fetch_or(interest, SeqCst);
        heavy();
    }

    /// The caller does not wait any more.
    pub fn withdraw(&self, interest: u32) {
        self.state.fetch_and(!interest, AcqRel);
    }

    /// Registers a task; as with [`announce`](Self::announce), it must look again afterwards.
    pub fn announce_task(&self, interest: u32, waker: &Waker) {
        {
            let mut tasks = self.lock_tasks();
            let list = if interest & interest::OUT != 0 {
                &mut tasks.writers
            } else {
                &mut tasks.readers
            };
            if !list.iter().any(|known| known.will_wake(waker)) {
                list.push(waker.clone());
            }
        }
        self.announce(interest::TASK);
    }

    /// Whether there may be commands in the mailbox, or the context has ended; one load.
    #[inline(always)]
    pub fn is_signalled(&self) -> bool {
        self.signals.load(Relaxed) != 0
    }

    /// Takes the mark set by [`post_news`](Self::post_news), before the mailbox is emptied.
    pub fn take_news(&self) -> bool {
        self.signals.load(Relaxed) & MAIL != 0 && self.signals.fetch_and(!MAIL, AcqRel) & MAIL != 0
    }

    /// There is something in the mailbox: wakes whoever waits, for whatever.
    pub fn post_news(&self) {
        self.signal(MAIL);
    }

    /// The context has ended: wakes whoever waits. No call takes this back, so that each later one sees it.
    pub fn end(&self) {
        self.signal(ENDED);
    }

    /// Whether [`end`](Self::end) was called.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.signals.load(Relaxed) & ENDED != 0
    }

    fn signal(&self, signal: u32) {
        self.signals.fetch_or(signal, SeqCst);
        self.notify(interest::IN | interest::OUT);
    }

    /// Something changed that a waiter for `interest` wants to know. The change must have been
    /// stored before.
    pub fn notify(&self, interest: u32) {
        crate::loom_fence();
        self.ring_for(interest);
    }

    /// The same with the cheap half of the fence: for the path of every message.
    #[inline(always)]
    pub fn notify_light(&self, interest: u32) {
        light();
        if self.state.load(Relaxed) != 0 {
            self.ring_for(interest);
        }
    }

    #[cold]
    #[inline(never)]
    fn ring_for(&self, interest: u32) {
        let state = self.state.load(Acquire);
        if state & (interest | interest::WATCHED) != 0 {
            self.bell.ring();
        }
        if state & interest::TASK != 0 {
            self.wake_tasks(interest);
        }
    }

    fn wake_tasks(&self, interest: u32) {
        let mut woken = Vec::new();
        {
            let mut tasks = self.lock_tasks();
            if interest & interest::IN != 0 {
                woken.append(&mut tasks.readers);
            }
            if interest & interest::OUT != 0 {
                woken.append(&mut tasks.writers);
            }
            if tasks.readers.is_empty() && tasks.writers.is_empty() {
                self.withdraw(interest::TASK);
            }
        }
        // Outside the lock: a waker is foreign code.
        for waker in woken {
            waker.wake();
        }
    }

    fn lock_tasks(&self) -> impl std::ops::DerefMut<Target = Tasks> + '_ {
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<B> std::fmt::Debug for WakeSlot<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WakeSlot")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
