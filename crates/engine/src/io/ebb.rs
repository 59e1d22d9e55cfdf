// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a crowd of connections has gone, so that the memory it took can be given back.
//!
//! An allocator keeps what is freed for the next who asks, in our case hundreds of MiB after ten thousand
//! connections that have come to annoy. It is asked when a crowd has gone, and a few times more, further and further
//! apart: the application lets go of its share when it gets round to it. Never while connections come and go in the
//! usual way.

use std::time::{Duration, Instant};

/// Fewer connections than this are no crowd.
const CROWD: usize = 1_000;
/// It has gone when no more than one in so many is left.
const LEFT: usize = 4;
/// So long nobody has gone.
const QUIET: Duration = Duration::from_secs(1);
/// People that come and go do not put it off for longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// So often the memory is asked for once more, after 2, 4, 8 ... times [`QUIET`].
const AGAIN: u32 = 6;

#[derive(Debug, Default)]
pub(super) struct Ebb {
    /// Most connections since memory was last given back.
    most: usize,
    /// When to give up waiting for everybody to have gone, and when to give memory back.
    due: Option<(Instant, Instant)>,
    /// When to ask once more what became free meanwhile, and how often that has been done.
    again: Option<(Instant, u32)>,
}

impl Ebb {
    /// One more has come; there are so many now.
    pub(super) fn come(&mut self, now_here: usize) {
        self.most = self.most.max(now_here);
    }

    /// One has gone; so many are left.
    pub(super) fn go(&mut self, left: usize, now: Instant) {
        if self.most < CROWD || left > self.most / LEFT {
            return;
        }
        let latest = self.due.map_or(now + PATIENCE, |(latest, _)| latest);
        self.due = Some((latest, latest.min(now + QUIET)));
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.due.map(|(_, due)| due);
        let again = self.again.map(|(at, _)| at);
        due.into_iter().chain(again).min()
    }

    /// Whether it is time to give back what the crowd has left; so many are here.
    pub(super) fn is_over(&mut self, here: usize, now: Instant) -> bool {
        let done = if self.due.is_some_and(|(_, due)| due <= now) {
            self.due = None;
            self.most = here;
            0
        } else if let Some((at, done)) = self.again
            && at <= now
        {
            done
        } else {
            return false;
        };
        self.again = (done < AGAIN).then(|| (now + QUIET * (2 << done), done + 1));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{AGAIN, CROWD, Ebb, PATIENCE, QUIET};

    fn leave(ebb: &mut Ebb, from: usize, to: usize, now: Instant) {
        for left in (to..from).rev() {
            ebb.go(left, now);
        }
    }

    #[test]
    fn few_are_no_crowd() {
        let (mut ebb, now) = (Ebb::default(), Instant::now());
        for _ in 0..10 {
            ebb.come(CROWD - 1);
            leave(&mut ebb, CROWD - 1, 0, now);
        }
        assert_eq!(ebb.due(), None);
    }

    #[test]
    fn a_crowd_has_gone_when_most_have() {
        let (mut ebb, now) = (Ebb::default(), Instant::now());
        ebb.come(4 * CROWD);
        leave(&mut ebb, 4 * CROWD, CROWD + 1, now);
        assert_eq!(ebb.due(), None);
        ebb.go(CROWD, now);
        assert_eq!(ebb.due(), Some(now + QUIET));
        assert!(!ebb.is_over(CROWD, now));
        // The last ones put it off.
        let later = now + QUIET / 2;
        leave(&mut ebb, CROWD, 0, later);
        assert!(!ebb.is_over(0, now + QUIET));
        assert!(ebb.is_over(0, later + QUIET));
        assert!(!ebb.is_over(0, later + QUIET));
        // What became free meanwhile, a few times for each crowd; who comes and goes puts nothing off.
        let mut looks = 0;
        while let Some(at) = ebb.due() {
            ebb.come(1);
            ebb.go(0, later + QUIET);
            assert!(!ebb.is_over(0, at - QUIET / 2));
            assert!(ebb.is_over(0, at));
            looks += 1;
        }
        assert_eq!(looks, AGAIN);
    }

    #[test]
    fn who_comes_and_goes_does_not_put_it_off_for_ever() {
        let (mut ebb, start) = (Ebb::default(), Instant::now());
        ebb.come(CROWD);
        let mut now = start;
        while !ebb.is_over(0, now) {
            ebb.come(1);
            ebb.go(0, now);
            now += Duration::from_millis(100);
            assert!(now <= start + PATIENCE + QUIET);
        }
        assert!(now >= start + PATIENCE);
    }
}
