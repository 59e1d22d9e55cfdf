// SPDX-License-Identifier: MIT OR Apache-2.0
//! A set of descriptors with a bell in it that anybody can ring.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Epoll, Interest};
use crate::event_fd::EventFd;

/// A set to wait for, of which one member, the bell, is readable from [`ring`](Self::ring) to [`clear`](Self::clear).
///
/// It takes one descriptor: what stands for the bell is a descriptor that is readable for ever, and that many sets
/// share. Ringing is asking the set to report it.
#[derive(Debug)]
pub struct BellSet {
    set: Epoll,
    bell: Bell,
    token: u64,
}

#[derive(Debug)]
enum Bell {
    /// Readable for ever; of interest while it rings.
    Shared(Arc<EventFd>),
    /// Where the set itself cannot be waited for, but the bell must be.
    Own(EventFd),
}

/// The bell that is handed out, and to how many sets.
static CURRENT: Mutex<(Weak<EventFd>, u32)> = Mutex::new((Weak::new(), 0));

/// The kernel lets a descriptor be in so many sets, times those that these sets are in, and no more: some hundreds.
const SETS_PER_BELL: u32 = 64;

impl BellSet {
    /// With nothing in it but the bell, which is reported as `token`.
    pub fn new(token: u64) -> io::Result<Self> {
        let set = Epoll::new()?;
        let bell = if set.as_pollable().is_some() {
            let bell = share()?;
            set.add(bell.as_fd(), token, Interest::NONE)?;
            Bell::Shared(bell)
        } else {
            let bell = EventFd::new()?;
            set.add(bell.as_fd(), token, Interest::READ)?;
            Bell::Own(bell)
        };
        Ok(Self { set, bell, token })
    }

    /// The set, for everything else that is to be in it.
    #[inline]
    pub fn set(&self) -> &Epoll {
        &self.set
    }

    /// Has the bell reported until it is cleared. Never blocks; ringing twice is ringing once.
    #[inline]
    pub fn ring(&self) {
        match &self.bell {
            Bell::Shared(_) => self.show(Interest::READ),
            Bell::Own(bell) => bell.signal(),
        }
    }

    /// Ends that. Never blocks.
    #[inline]
    pub fn clear(&self) {
        match &self.bell {
            Bell::Shared(_) => self.show(Interest::NONE),
            Bell::Own(bell) => bell.clear(),
        }
    }

    fn show(&self, interest: Interest) {
        if let Bell::Shared(bell) = &self.bell {
            // It is in the set as long as this is alive: there is nothing that could fail.
            self.set.modify(bell.as_fd(), self.token, interest).ok();
        }
    }

    /// What becomes readable when there is something to report; if there are other members than the bell and this is the
    /// bell's, because the set has no descriptor, then not for theirs.
    #[inline]
    pub fn readable_fd(&self) -> BorrowedFd<'_> {
        match (&self.bell, self.set.as_pollable()) {
            (Bell::Own(bell), _) => bell.as_fd(),
            (Bell::Shared(_), Some(set)) => set,
            (Bell::Shared(bell), None) => bell.as_fd(),
        }
    }
}

/// A descriptor that is readable for ever.
fn share() -> io::Result<Arc<EventFd>> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if current.1 < SETS_PER_BELL
        && let Some(bell) = current.0.upgrade()
    {
        current.1 += 1;
        return Ok(bell);
    }
    let bell = Arc::new(EventFd::new()?);
    bell.signal();
    *current = (Arc::downgrade(&bell), 1);
    Ok(bell)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use super::*;
    use crate::epoll::Events;
    use crate::poll::{PollFd, poll};

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn tokens(set: &BellSet) -> Vec<u64> {
        let mut events = Events::with_capacity(4);
        set.set().wait(&mut events, NOW).unwrap();
        events.iter().map(|event| event.token()).collect()
    }

    fn is_readable(set: &BellSet) -> bool {
        let mut fds = [PollFd::new(set.readable_fd().as_raw_fd(), PollFd::IN)];
        poll(&mut fds, NOW).unwrap() > 0
    }

    #[test]
    fn rings_until_it_is_cleared_for_its_own_set_alone() {
        let sets: Vec<BellSet> = (0..3).map(|token| BellSet::new(token).unwrap()).collect();
        assert!(sets.iter().all(|set| tokens(set).is_empty()));
        sets[1].ring();
        sets[1].ring();
        assert_eq!(
            sets.iter().map(is_readable).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!((tokens(&sets[0]), tokens(&sets[1])), (vec![], vec![1]));
        assert_eq!(tokens(&sets[1]), [1]);
        sets[1].clear();
        sets[1].clear();
        assert!(!is_readable(&sets[1]) && tokens(&sets[1]).is_empty());
    }

    #[test]
    fn wakes_who_waits_in_the_set_and_who_waits_for_the_set() {
        let set = BellSet::new(7).unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let mut events = Events::with_capacity(4);
                set.set().wait(&mut events, None).unwrap();
                events.iter().next().unwrap().token()
            });
            let outside = scope.spawn(|| {
                let mut fds = [PollFd::new(set.readable_fd().as_raw_fd(), PollFd::IN)];
                poll(&mut fds, None).unwrap()
            });
            std::thread::yield_now();
            set.ring();
            assert_eq!((inside.join().unwrap(), outside.join().unwrap()), (7, 1));
        });
    }

    /// The kernel counts in how many sets a descriptor is, and in how many these are.
    #[test]
    fn a_thousand_sets_fit_into_others() {
        let outer: Vec<Epoll> = (0..3).map(|_| Epoll::new().unwrap()).collect();
        let count = 1000.min(crate::limits::max_open_files() / 2);
        let sets: Vec<BellSet> = (0..count)
            .map(|token| BellSet::new(token).unwrap())
            .collect();
        for (token, set) in (0..).zip(&sets) {
            for outer in &outer {
                outer.add(set.readable_fd(), token, Interest::READ).unwrap();
            }
        }
        sets[0].ring();
        let mut events = Events::with_capacity(4);
        for outer in &outer {
            assert_eq!(outer.wait(&mut events, NOW).unwrap(), 1);
        }
    }
}
