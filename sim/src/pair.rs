// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two connections, a link each way, and the clock that moves them.

use std::time::{Duration, Instant};

use ferromq_zmtp::connection::{Config, Connection, Event};

use crate::link::{Delivery, Link, Profile};

/// One end of a pair.
#[derive(Debug)]
pub struct End {
    /// The machine.
    pub connection: Connection,
    /// What it writes goes here.
    pub outbound: Link,
    /// What happened to it, and when.
    pub events: Vec<(Instant, Event)>,
}

impl End {
    fn new(config: Config, profile: Profile, seed: u64, now: Instant) -> Self {
        Self {
            connection: Connection::new(config, now),
            outbound: Link::new(profile, seed),
            events: Vec::new(),
        }
    }

    /// The events without their times.
    pub fn happened(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().map(|(_, event)| event)
    }

    fn drain(&mut self, now: Instant) {
        let mut bytes = Vec::new();
        if self.connection.poll_transmit(&mut bytes) {
            self.outbound.write(now, &bytes);
        }
        while let Some(event) = self.connection.poll_event() {
            self.events.push((now, event));
        }
        if self.connection.is_closed() {
            self.outbound.close(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.connection.poll_timeout(), self.outbound.poll_timeout()];
        due.into_iter().flatten().min()
    }
}

/// Two connected ends in virtual time.
#[derive(Debug)]
pub struct Pair {
    /// When it began.
    pub start: Instant,
    /// What the clock shows.
    pub now: Instant,
    /// The end that connected.
    pub left: End,
    /// The end that accepted.
    pub right: End,
}

impl Pair {
    /// Two ends whose stream has just come about; each with the link it writes to.
    #[must_use]
    pub fn new(left: (Config, Profile), right: (Config, Profile), seed: u64) -> Self {
        let start = crate::epoch();
        let mut pair = Self {
            start,
            now: start,
            left: End::new(left.0, left.1, seed, start),
            right: End::new(right.0, right.1, !seed, start),
        };
        pair.drain();
        pair
    }

    /// Moves the clock to the next thing that is due and lets it happen; false if nothing is.
    pub fn step(&mut self) -> bool {
        let due = [self.left.poll_timeout(), self.right.poll_timeout()];
        let Some(next) = due.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        deliver(
            self.now,
            &mut self.left.outbound,
            &mut self.right.connection,
        );
        deliver(
            self.now,
            &mut self.right.outbound,
            &mut self.left.connection,
        );
        self.left.connection.handle_timeout(self.now);
        self.right.connection.handle_timeout(self.now);
        self.drain();
        true
    }

    /// Lets everything happen that is due within this time, and moves the clock there.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        let due = |pair: &Self| {
            [pair.left.poll_timeout(), pair.right.poll_timeout()]
                .into_iter()
                .flatten()
                .min()
        };
        while due(self).is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets things happen until both ends are ready; false if that does not come about.
    pub fn run_until_ready(&mut self) -> bool {
        while !(self.left.connection.is_ready() && self.right.connection.is_ready()) {
            let over = self.left.connection.is_closed() || self.right.connection.is_closed();
            if over || !self.step() {
                return false;
            }
        }
        true
    }

    /// To be called after the ends were made to send something.
    pub fn drain(&mut self) {
        self.left.drain(self.now);
        self.right.drain(self.now);
    }
}

fn deliver(now: Instant, link: &mut Link, to: &mut Connection) {
    while let Some(delivery) = link.read(now) {
        match delivery {
            Delivery::Bytes(bytes) => to.handle_input(now, &bytes),
            Delivery::Cut => to.handle_cut(),
        }
    }
}
