// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to the connections of a socket.

use std::time::{Duration, Instant};

use ferromq_engine::MonitorEvents;
use ferromq_vocabulary::MonitorEvent;

/// The events of a socket, from [`Socket::monitor`](crate::Socket::monitor) on, in order.
///
/// It may go to another thread, and it outlives the socket, whose last event is
/// [`MonitorStopped`](crate::Event::MonitorStopped). A monitor never holds anything up: of events
/// that nobody takes the last 1000 are kept, and the others [counted](Self::lost).
///
/// ```
/// use std::time::Duration;
/// use ferromq::{Context, Event, Pull, Push};
///
/// let context = Context::new();
/// let mut pull = context.socket::<Pull>()?;
/// let monitor = pull.monitor();
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let mut push = context.socket::<Push>()?;
/// push.connect(&endpoint)?;
///
/// for event in &monitor {
///     println!("{}: {:?}", event.local, event.event);
///     if event.event == Event::HandshakeSucceeded {
///         break;
///     }
/// }
/// drop(pull);
/// assert!(monitor.iter().any(|event| event.event == Event::MonitorStopped));
/// assert!(monitor.next(Some(Duration::ZERO)).is_none());
/// # Ok::<(), ferromq::Error>(())
/// ```
#[derive(Debug)]
pub struct Monitor {
    events: MonitorEvents,
}

impl Monitor {
    pub(crate) const fn of(events: MonitorEvents) -> Self {
        Self { events }
    }

    /// The next event; waits for it, without a time-out for ever. `None` when the time is over,
    /// and when the socket has been closed and nothing is left.
    #[must_use]
    pub fn next(&self, timeout: Option<Duration>) -> Option<MonitorEvent> {
        self.events
            .next_before(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The next event if there is one now.
    #[must_use]
    pub fn try_next(&self) -> Option<MonitorEvent> {
        self.events.try_next()
    }

    /// Waits for event after event until the socket has been closed.
    #[must_use]
    pub const fn iter(&self) -> MonitorIter<'_> {
        MonitorIter { monitor: self }
    }

    /// How many events nobody took in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.events.lost()
    }
}

impl<'a> IntoIterator for &'a Monitor {
    type Item = MonitorEvent;
    type IntoIter = MonitorIter<'a>;

    fn into_iter(self) -> MonitorIter<'a> {
        self.iter()
    }
}

/// The events of a [`Monitor`], each of which is waited for.
#[derive(Debug, Clone)]
pub struct MonitorIter<'a> {
    monitor: &'a Monitor,
}

impl Iterator for MonitorIter<'_> {
    type Item = MonitorEvent;

    fn next(&mut self) -> Option<MonitorEvent> {
        self.monitor.next(None)
    }
}
