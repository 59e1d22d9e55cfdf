// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time as the machines keep it: nanoseconds since they began, which takes half the room of an instant.

use std::time::{Duration, Instant};

/// Nanoseconds since the machine began.
pub(crate) type Tick = u64;

/// Where they are counted from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new(origin: Instant) -> Self {
        Self(origin)
    }

    pub(crate) fn tick(self, now: Instant) -> Tick {
        ticks(now.saturating_duration_since(self.0))
    }

    pub(crate) fn instant(self, tick: Tick) -> Instant {
        // Centuries away it makes no difference.
        let far = Duration::from_secs(u64::from(u32::MAX));
        let distance = Duration::from_nanos(tick).min(far);
        self.0.checked_add(distance).unwrap_or(self.0)
    }
}

/// A length of time.
pub(crate) fn ticks(time: Duration) -> Tick {
    u64::try_from(time.as_nanos()).unwrap_or(FOREVER)
}

/// Later than anything.
pub(crate) const FOREVER: Tick = u64::MAX / 2;
pub(crate) const MILLISECOND: Tick = 1_000_000;
