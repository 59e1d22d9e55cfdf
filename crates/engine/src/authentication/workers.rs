// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads for what may take its time during a handshake: authenticators, and the steps of GSSAPI.
//!
//! There are as many as there is work, up to a few; they end when there is none for a while. A job
//! whose handshake has ended meanwhile is not begun.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ferromq_os::thread;

use super::queue::FairQueue;

/// The wish that a job be done, as long as this is kept.
#[derive(Debug, Default)]
pub(crate) struct Wish(Arc<AtomicBool>);

impl Wish {
    pub(super) fn watch(&self) -> Watched {
        Watched(Arc::clone(&self.0))
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Tells whether somebody still wishes it.
#[derive(Debug, Clone)]
pub(super) struct Watched(Arc<AtomicBool>);

impl Watched {
    pub(super) fn is_wished(&self) -> bool {
        !self.0.load(Relaxed)
    }
}

/// Something to do for a peer.
pub(super) struct Job {
    pub(super) wish: Watched,
    pub(super) work: Box<dyn FnOnce() + Send>,
}

/// The threads and their line.
#[derive(Default)]
pub(crate) struct Workers {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: FairQueue<Job>,
    threads: usize,
    idle: usize,
    /// No more threads, and no more jobs.
    closed: bool,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workers")
    }
}

impl Workers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done for the peer at this address; false if there is no thread for it.
    pub(super) fn give(self: &Arc<Self>, address: &str, job: Job) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        // Those who are idle may have been woken for the jobs that wait already.
        if state.jobs.len() >= state.idle && state.threads < MOST {
            let workers = Arc::clone(self);
            let blocked = thread::block_all_signals();
            let spawned = std::thread::Builder::new().spawn(move || {
                thread::set_name("ZMQbg/Auth");
                workers.work();
            });
            drop(blocked);
            if spawned.is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                return false;
            }
        }
        state.jobs.push(address, job);
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// The context ends: nothing more is begun.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.jobs = FairQueue::default();
        drop(state);
        self.arrived.notify_all();
    }

    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop() {
                drop(state);
                if job.wish.is_wished() {
                    // A panic ends this thread's work for this peer, whose handshake runs out.
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(job.work)).ok();
                }
                state = self.state();
                continue;
            }
            if state.closed {
                break;
            }
            let until = Instant::now() + IDLE;
            state.idle += 1;
            while state.jobs.is_empty() && !state.closed && Instant::now() < until {
                let left = until.saturating_duration_since(Instant::now());
                state = self
                    .arrived
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            state.idle -= 1;
            if state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

/// Threads at once: password hashes take a processor each, name servers of Kerberos none.
const MOST: usize = 4;
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A job that tells that it has begun, and lasts until it may end.
    fn job(begun: &Sender<()>, wish: &Wish) -> (Job, Sender<()>) {
        let (end, ends): (_, Receiver<()>) = channel();
        let begun = begun.clone();
        let work = Box::new(move || {
            begun.send(()).unwrap();
            ends.recv().ok();
        });
        let wish = wish.watch();
        (Job { wish, work }, end)
    }

    /// Whoever takes long holds up nobody, as long as there may be another thread.
    #[test]
    fn nobody_waits_for_a_thread_that_has_been_promised_to_another() {
        let (wish, (begun, begin)) = (Wish::default(), channel());
        for _ in 0..100 {
            let workers = Arc::new(Workers::default());
            let (first, end) = job(&begun, &wish);
            assert!(workers.give("one", first));
            begin.recv_timeout(LONG).unwrap();
            drop(end);
            let ends = [(); MOST].map(|()| {
                let (next, end) = job(&begun, &wish);
                assert!(workers.give("other", next));
                end
            });
            for _ in &ends {
                begin.recv_timeout(LONG).unwrap();
            }
            drop(ends);
            workers.close();
        }
    }
}
