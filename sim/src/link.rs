// SPDX-License-Identifier: MIT OR Apache-2.0
//! One direction of a stream. Bytes keep their order and none is lost before a stall or a cut;
//! everything else may happen to them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rng::SplitMix64;

/// How bad a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Writes arrive in pieces of 1 up to so many bytes.
    pub max_fragment: usize,
    /// Every piece takes up to so long.
    pub max_delay: Duration,
    /// So many pieces of a thousand take `pause` longer, and hold up what is behind them.
    pub pauses_per_mille: u64,
    /// How long a pause is.
    pub pause: Duration,
    /// What happens to the stream at some byte.
    pub fate: Fate,
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// After so many bytes the receiver sees the end of the stream.
    Cut(u64),
    /// It never does.
    Lasting,
    /// After so many bytes nothing arrives any more, and the receiver is not told.
    Stall(u64),
}

impl Profile {
    /// Everything arrives at once and as it was written.
    #[must_use]
    pub const fn perfect() -> Self {
        Self {
            max_fragment: usize::MAX,
            max_delay: Duration::ZERO,
            pauses_per_mille: 0,
            pause: Duration::ZERO,
            fate: Fate::Lasting,
        }
    }

    /// Every byte for itself.
    #[must_use]
    pub const fn bytewise() -> Self {
        Self {
            max_fragment: 1,
            ..Self::perfect()
        }
    }

    /// Bad in a way of the seed's choosing, but lasting.
    pub fn random(rng: &mut SplitMix64) -> Self {
        let longest = [1, 2, 7, 64, 1500, usize::MAX];
        let most_millis = [0, 1, 20, 200];
        let choose = |rng: &mut SplitMix64, len: usize| rng.length(0, len - 1);
        Self {
            max_fragment: longest[choose(rng, longest.len())],
            max_delay: Duration::from_millis(most_millis[choose(rng, most_millis.len())]),
            pauses_per_mille: rng.below(20),
            pause: Duration::from_millis(rng.below(300)),
            fate: Fate::Lasting,
        }
    }

    /// The same with another end.
    #[must_use]
    pub const fn with_fate(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }
}

/// What comes out of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next piece of the stream.
    Bytes(Vec<u8>),
    /// The end of the stream; nothing follows.
    Cut,
}

/// One direction of a stream.
#[derive(Clone, Debug)]
pub struct Link {
    profile: Profile,
    rng: SplitMix64,
    in_flight: VecDeque<(Instant, Delivery)>,
    accepted: u64,
    ended: bool,
}

impl Link {
    /// A link that is as bad as the profile says, in the way the seed says.
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self {
            profile,
            rng: SplitMix64::new(seed),
            in_flight: VecDeque::new(),
            accepted: 0,
            ended: false,
        }
    }

    /// Bytes are written. Behind a stall or a cut they vanish.
    pub fn write(&mut self, now: Instant, bytes: &[u8]) {
        let mut rest = match self.profile.fate {
            Fate::Lasting => bytes,
            Fate::Cut(at) | Fate::Stall(at) => {
                let left = usize::try_from(at.saturating_sub(self.accepted)).unwrap_or(usize::MAX);
                bytes
                    .split_at_checked(left)
                    .map_or(bytes, |(front, _)| front)
            }
        };
        if self.ended {
            rest = &[];
        }
        self.accepted = self.accepted.saturating_add(rest.len() as u64);
        while !rest.is_empty() {
            let len = self
                .rng
                .length(1, self.profile.max_fragment.min(rest.len()));
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            self.enqueue(now, Delivery::Bytes(piece.to_vec()));
        }
        match self.profile.fate {
            Fate::Cut(at) if self.accepted >= at => self.close(now),
            Fate::Stall(at) if self.accepted >= at => self.ended = true,
            Fate::Cut(_) | Fate::Lasting | Fate::Stall(_) => {}
        }
    }

    /// The writer closes the stream: what is on its way arrives, then the end.
    pub fn close(&mut self, now: Instant) {
        if !self.ended {
            self.ended = true;
            self.enqueue(now, Delivery::Cut);
        }
    }

    /// From now on nothing arrives any more, not even what is on its way.
    pub fn stall(&mut self) {
        self.ended = true;
        self.in_flight.clear();
    }

    /// What has arrived by now, piece by piece.
    pub fn read(&mut self, now: Instant) -> Option<Delivery> {
        let (at, _) = self.in_flight.front()?;
        if *at > now {
            return None;
        }
        self.in_flight.pop_front().map(|(_, delivery)| delivery)
    }

    /// When something arrives next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.front().map(|(at, _)| *at)
    }

    /// How many bytes have been written that arrive or have arrived.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    fn enqueue(&mut self, now: Instant, delivery: Delivery) {
        let mut at = now + self.rng.duration(self.profile.max_delay);
        if self.rng.chance(self.profile.pauses_per_mille) {
            at += self.profile.pause;
        }
        // A stream keeps its order.
        let last = self.in_flight.back().map_or(at, |(last, _)| *last);
        self.in_flight.push_back((at.max(last), delivery));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(link: &mut Link) -> (Vec<u8>, bool, Option<Instant>) {
        let (mut bytes, mut cut, mut last) = (Vec::new(), false, None);
        while let Some(at) = link.poll_timeout() {
            assert!(last.is_none_or(|last| last <= at));
            last = Some(at);
            match link.read(at) {
                Some(Delivery::Bytes(piece)) => bytes.extend_from_slice(&piece),
                Some(Delivery::Cut) => cut = true,
                None => unreachable!("due by its own word"),
            }
        }
        (bytes, cut, last)
    }

    #[test]
    fn no_seed_loses_or_reorders_a_byte() {
        let now = crate::epoch();
        for seed in 0..200 {
            let mut rng = SplitMix64::new(seed);
            let mut link = Link::new(Profile::random(&mut rng), seed);
            let sent = rng.bytes(3000);
            for piece in sent.chunks(500) {
                link.write(now, piece);
            }
            assert_eq!(everything(&mut link).0, sent, "seed {seed}");
        }
    }

    #[test]
    fn fates_come_at_their_byte() {
        let now = crate::epoch();
        for at in 0..=6 {
            for (fate, ends) in [(Fate::Cut(at), true), (Fate::Stall(at), false)] {
                let mut link = Link::new(Profile::bytewise().with_fate(fate), at);
                link.write(now, b"abc");
                link.write(now, b"def");
                let (bytes, cut, _) = everything(&mut link);
                assert_eq!(bytes.len() as u64, at);
                assert_eq!(cut, ends);
            }
        }
    }

    #[test]
    fn a_stall_takes_what_is_on_its_way() {
        let mut link = Link::new(Profile::perfect(), 0);
        link.write(crate::epoch(), b"abc");
        link.stall();
        assert_eq!(link.poll_timeout(), None);
    }
}
