// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of a socket's connections, for whoever asked to see them.
//!
//! A monitor never holds up an I/O thread: its queue is bounded, and when it is full the oldest
//! events go and are counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferromq_vocabulary::{Event, MonitorEvent};

/// Events kept for a monitor that does not look.
pub const MONITOR_QUEUE: usize = 1000;

/// The place for so many events is kept for the next ones.
const FEW: usize = 16;

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<MonitorEvent>,
    lost: u64,
    closed: bool,
}

impl Queue {
    /// The oldest event. The place of a long queue is given back with the last one.
    fn take(&mut self) -> Option<MonitorEvent> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > FEW {
            self.events = VecDeque::new();
        }
        event
    }
}

#[derive(Debug, Default)]
struct Post {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl Post {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of a socket's monitor.
#[derive(Debug)]
pub struct MonitorEvents {
    post: Arc<Post>,
}

impl MonitorEvents {
    /// The next event, if there is one now.
    #[must_use]
    pub fn try_next(&self) -> Option<MonitorEvent> {
        self.post.queue().take()
    }

    /// The next event, waiting for it until the deadline (without one, for ever). `None` also when
    /// the socket has closed and nothing is left.
    #[must_use]
    pub fn next_before(&self, deadline: Option<Instant>) -> Option<MonitorEvent> {
        let mut queue = self.post.queue();
        loop {
            if let Some(event) = queue.take() {
                return Some(event);
            }
            if queue.closed {
                return None;
            }
            queue = match deadline {
                None => self
                    .post
                    .arrived
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    self.post
                        .arrived
                        .wait_timeout(queue, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Events that were dropped because nobody looked.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.post.queue().lost
    }
}

/// A socket's side: who is to be told.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    watched: AtomicBool,
    posts: Mutex<Vec<Arc<Post>>>,
    sink: Mutex<Option<Sink>>,
}

/// Is called with each event, in the thread that reports it; it must not wait.
pub type EventSink = Box<dyn FnMut(&MonitorEvent) + Send>;

struct Sink(EventSink);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

impl Monitor {
    pub(crate) fn open(&self) -> MonitorEvents {
        let post = Arc::new(Post::default());
        self.posts().push(Arc::clone(&post));
        self.watched.store(true, Release);
        MonitorEvents { post }
    }

    /// Has each event from now on told to a function, in place of the last one, which is told the
    /// end. None: only that.
    pub(crate) fn tell_to(&self, sink: Option<EventSink>) {
        let mut place = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut old) = place.take() {
            (old.0)(&MonitorEvent::new(Event::MonitorStopped, "", ""));
        }
        *place = sink.map(Sink);
        if place.is_some() {
            self.watched.store(true, Release);
        }
    }

    fn posts(&self) -> MutexGuard<'_, Vec<Arc<Post>>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports an event; made only if somebody watches.
    pub(crate) fn report(&self, event: impl FnOnce() -> MonitorEvent) {
        if !self.watched.load(Acquire) {
            return;
        }
        let event = event();
        if let Some(sink) = &mut *self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            (sink.0)(&event);
        }
        let mut posts = self.posts();
        // A monitor that was dropped holds the only other reference no more.
        posts.retain(|post| Arc::strong_count(post) > 1);
        for post in posts.iter() {
            let mut queue = post.queue();
            if queue.events.len() == MONITOR_QUEUE {
                queue.events.pop_front();
                queue.lost += 1;
            }
            queue.events.push_back(event.clone());
            post.arrived.notify_all();
        }
    }

    pub(crate) fn close(&self) {
        self.tell_to(None);
        self.report(|| MonitorEvent::new(Event::MonitorStopped, "", ""));
        for post in self.posts().drain(..) {
            post.queue().closed = true;
            post.arrived.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_gives_its_place_back() {
        let monitor = Monitor::default();
        let events = monitor.open();
        let say = |count| {
            for _ in 0..count {
                monitor
                    .report(|| MonitorEvent::new(Event::MonitorStopped, "tcp://127.0.0.1:1", ""));
            }
        };
        let place = || events.post.queue().events.capacity();
        say(FEW / 4);
        while events.try_next().is_some() {}
        let kept = place();
        assert!(kept > 0 && kept <= FEW, "{kept}");
        say(MONITOR_QUEUE + 3);
        assert_eq!(events.lost(), 3);
        for _ in 0..MONITOR_QUEUE - 1 {
            assert!(events.try_next().is_some());
        }
        assert!(place() >= MONITOR_QUEUE);
        assert!(events.try_next().is_some());
        assert_eq!(place(), 0);
        assert!(events.try_next().is_none());
    }
}
