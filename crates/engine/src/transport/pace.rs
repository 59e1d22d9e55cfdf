// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often to look for datagrams that come one after the other.
//!
//! A thread that waits for a socket is woken by each packet that comes after it has read the last one, and so gets them in
//! ones and twos. To be woken costs more than to read, and where the sender is on the same machine it is its thread that pays.
//! While a stream is dense, the socket is therefore not waited for: it is looked at again after a while, as network cards
//! moderate their interrupts. The first look that finds nothing ends that.

use std::time::{Duration, Instant};

use crate::tuning::{DENSE_PACKETS, DENSE_TIME, LONG_REST, REST, VERY_DENSE_PACKETS};

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Pace {
    /// What the sockets' buffers hold.
    room: u64,
    /// For how long to rest if the stream is very dense.
    longest: Duration,
    /// When what is counted here began.
    since: Instant,
    packets: u64,
    /// For how long to rest, if the stream is dense.
    rest: Option<Duration>,
    /// When the last look was, and the next one is to be.
    looked: Instant,
    rests_until: Option<Instant>,
}

impl Pace {
    /// Of sockets of which the smallest buffer holds so many bytes. `merged`: packets that came in a row are handed out together, so
    /// that there are few to be spared.
    pub(super) fn new(room: u64, merged: bool, now: Instant) -> Self {
        Self {
            room,
            longest: if merged { REST } else { LONG_REST },
            since: now,
            packets: 0,
            rest: None,
            looked: now,
            rests_until: None,
        }
    }

    /// So many packets, and bytes, have come since the last look, and there are no more; whether to rest now.
    pub(super) fn rest(&mut self, now: Instant, packets: u64, bytes: u64) -> bool {
        self.count(now, packets);
        let gap = now.saturating_duration_since(self.looked);
        self.looked = now;
        let fits = |rest: &Duration| packets > 0 && self.has_room(*rest, gap, bytes);
        let rest = self.rest.filter(fits);
        self.rests_until = rest.map(|rest| now + rest);
        rest.is_some()
    }

    /// There is more to be read at once.
    pub(super) fn go_on(&mut self, now: Instant, packets: u64) {
        self.count(now, packets);
        self.looked = now;
        self.rests_until = None;
    }

    /// When to look again, if nothing else tells.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    fn count(&mut self, now: Instant, packets: u64) {
        self.packets += packets;
        let time = now.saturating_duration_since(self.since);
        if time >= DENSE_TIME {
            // However much later than it should be.
            let times =
                u64::try_from(time.as_micros() / DENSE_TIME.as_micros()).unwrap_or(u64::MAX);
            self.rest = match self.packets / times {
                ..DENSE_PACKETS => None,
                DENSE_PACKETS..VERY_DENSE_PACKETS => Some(REST),
                VERY_DENSE_PACKETS.. => Some(self.longest),
            };
            self.since = now;
            self.packets = 0;
        }
    }

    /// Whether what comes in a rest, at the rate of late, leaves most of the buffer free: who wakes up may do so late.
    fn has_room(&self, rest: Duration, gap: Duration, bytes: u64) -> bool {
        let gap = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX).max(1);
        let rest = u64::try_from(rest.as_micros()).unwrap_or(u64::MAX);
        let expected = bytes.saturating_mul(rest) / gap;
        expected.saturating_mul(ROOM_SHARE) <= self.room
    }
}

/// What comes in a rest is to take no more than this part of the buffer, in which packets take more than their bytes.
const ROOM_SHARE: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every so often, and each time finds so many packets of 1000 bytes; whether it rests at the end.
    fn stream(pace: &mut Pace, now: &mut Instant, every: Duration, packets: u64) -> bool {
        (0..200).fold(false, |_, _| {
            *now += every;
            pace.rest(*now, packets, packets * 1000)
        })
    }

    #[test]
    fn dense_streams_let_it_rest_and_thin_ones_do_not() {
        let mut now = Instant::now();
        let mut pace = Pace::new(1 << 20, false, now);
        let often = Duration::from_micros(10);
        assert!(!stream(&mut pace, &mut now, often * 10, 1));
        assert!(stream(&mut pace, &mut now, often, 1));
        assert_eq!(pace.rests_until(), Some(now + REST));
        // A look that finds nothing ends it.
        assert!(!pace.rest(now, 0, 0));
        assert_eq!(pace.rests_until(), None);
        // Dense again at once, until it is not.
        assert!(pace.rest(now + often, 1, 1000));
        pace.go_on(now + often, 100);
        assert_eq!(pace.rests_until(), None);
        let later = now + Duration::from_secs(1);
        assert!(!pace.rest(later, 1, 1000));
    }

    #[test]
    fn the_denser_the_longer() {
        let mut now = Instant::now();
        let mut pace = Pace::new(1 << 20, false, now);
        let often = Duration::from_micros(10);
        assert!(stream(&mut pace, &mut now, often, 2));
        assert_eq!(pace.rests_until(), Some(now + LONG_REST));
        assert!(stream(&mut pace, &mut now, often, 1));
        assert_eq!(pace.rests_until(), Some(now + REST));
        let mut pace = Pace::new(1 << 20, true, now);
        assert!(stream(&mut pace, &mut now, often, 2));
        assert_eq!(pace.rests_until(), Some(now + REST));
    }

    #[test]
    fn what_a_small_buffer_could_not_hold_is_waited_for() {
        let mut now = Instant::now();
        let mut pace = Pace::new(16 << 10, false, now);
        let often = Duration::from_micros(10);
        assert!(!stream(&mut pace, &mut now, often, 1));
        let mut pace = Pace::new(1 << 20, false, now);
        assert!(stream(&mut pace, &mut now, often, 1));
        assert!(!stream(&mut pace, &mut now, often, 100));
    }
}
