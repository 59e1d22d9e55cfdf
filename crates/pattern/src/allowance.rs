// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much a publisher keeps for one subscriber.

use std::collections::HashMap;

use ferromq_pipe::PipeId;
use ferromq_vocabulary::SocketOptions;

/// The limits, and what of them is used up. Without limits nothing is counted.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// 0 is no limit, here and below.
    most: u64,
    most_bytes: u64,
    used: HashMap<PipeId, Used>,
    /// Who has gone beyond, until the connection is ended.
    faulty: Vec<PipeId>,
}

#[derive(Debug, Default)]
struct Used {
    topics: u64,
    bytes: u64,
    /// Changes that the application has not received yet.
    told: u64,
    over: bool,
}

impl Allowance {
    pub(crate) fn configure(&mut self, options: &SocketOptions) {
        self.most = u64::try_from(options.max_subscriptions).unwrap_or(0);
        self.most_bytes = u64::try_from(options.max_subscription_bytes).unwrap_or(0);
    }

    fn is_limited(&self) -> bool {
        self.most > 0 || self.most_bytes > 0
    }

    /// Whether this peer has gone beyond its limit: nothing more is taken from it.
    pub(crate) fn is_over(&self, id: PipeId) -> bool {
        self.used.get(&id).is_some_and(|used| used.over)
    }

    /// A peer has one more topic.
    pub(crate) fn add(&mut self, id: PipeId, topic: &[u8]) {
        self.change(id, |used| {
            used.topics += 1;
            used.bytes += topic.len() as u64;
        });
    }

    /// A peer has one topic less.
    pub(crate) fn remove(&mut self, id: PipeId, topic: &[u8]) {
        self.change(id, |used| {
            used.topics = used.topics.saturating_sub(1);
            used.bytes = used.bytes.saturating_sub(topic.len() as u64);
        });
    }

    /// The application is to be told of a change.
    pub(crate) fn tell(&mut self, id: PipeId) {
        self.change(id, |used| used.told += 1);
    }

    /// The application has been told.
    pub(crate) fn told(&mut self, id: PipeId) {
        self.change(id, |used| used.told = used.told.saturating_sub(1));
    }

    fn change(&mut self, id: PipeId, change: impl FnOnce(&mut Used)) {
        if !self.is_limited() {
            return;
        }
        let (most, most_bytes) = (self.most, self.most_bytes);
        let used = self.used.entry(id).or_default();
        change(used);
        // Each topic may come and go before the application looks.
        let over = most > 0 && (used.topics > most || used.told > most.saturating_mul(2))
            || most_bytes > 0 && used.bytes > most_bytes;
        if over && !used.over {
            used.over = true;
            self.faulty.push(id);
        }
    }

    pub(crate) fn detach(&mut self, id: PipeId) {
        self.used.remove(&id);
        self.faulty.retain(|&faulty| faulty != id);
    }

    pub(crate) fn take_faulty(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.faulty)
    }
}
