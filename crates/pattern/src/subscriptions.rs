// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has been subscribed to, at the subscriber.

use crate::radix::{Radix, Value};

/// For each topic how often it has been subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    counts: Radix<u32>,
    topics: usize,
}

impl Subscriptions {
    /// Subscribes once more. True: for the first time.
    pub(crate) fn add(&mut self, topic: &[u8]) -> bool {
        let node = self.counts.insert(topic);
        let count = self.counts.value_mut(node);
        // Nobody subscribes more often, and if so more cancels are too many.
        *count = count.saturating_add(1);
        let first = *count == 1;
        self.topics += usize::from(first);
        first
    }

    /// Subscribes once less. True: it was the last time.
    pub(crate) fn remove(&mut self, topic: &[u8]) -> bool {
        let Some(node) = self.counts.find(topic) else {
            return false;
        };
        let count = self.counts.value_mut(node);
        if *count == 0 {
            return false;
        }
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.topics -= 1;
        self.counts.prune(node);
        // Nobody keeps numbers of nodes here.
        self.counts.compact(|_, _| {});
        true
    }

    /// Whether everything matches, because the empty topic is subscribed to.
    #[inline(always)]
    pub(crate) fn match_all(&self) -> bool {
        *self.counts.root() > 0
    }

    /// Whether a message that begins with `bytes` is wanted.
    #[inline]
    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        self.match_all() || self.counts.prefixes(bytes).next().is_some()
    }

    /// How many different topics there are.
    pub(crate) fn len(&self) -> usize {
        self.topics
    }

    /// Each topic once.
    pub(crate) fn topics(&self) -> Vec<Vec<u8>> {
        let mut topics = Vec::with_capacity(self.topics);
        self.counts.for_each(|topic, _| topics.push(topic.to_vec()));
        topics
    }
}

impl Value for u32 {
    #[inline]
    fn is_empty(&self) -> bool {
        *self == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Subscriptions;
    use crate::testing::Random;

    #[test]
    fn agrees_with_a_plain_map() {
        let mut random = Random(40);
        let mut subscriptions = Subscriptions::default();
        let mut oracle = BTreeMap::<Vec<u8>, u32>::new();
        for _ in 0..60_000 {
            let topic: Vec<_> = (0..random.below(7))
                .map(|_| b"ab\0\xff"[random.below(4)])
                .collect();
            match random.below(4) {
                0 => {
                    let count = oracle.entry(topic.clone()).or_default();
                    *count += 1;
                    assert_eq!(subscriptions.add(&topic), *count == 1);
                }
                1 => {
                    let count = oracle.get_mut(&topic);
                    let last = count.map(|count| {
                        *count -= 1;
                        *count == 0
                    });
                    assert_eq!(subscriptions.remove(&topic), last == Some(true));
                    oracle.retain(|_, count| *count > 0);
                }
                _ => {
                    let expected = oracle.keys().any(|prefix| topic.starts_with(prefix));
                    assert_eq!(subscriptions.matches(&topic), expected);
                }
            }
            assert_eq!(subscriptions.len(), oracle.len());
        }
        assert_eq!(subscriptions.topics(), Vec::from_iter(oracle.into_keys()));
    }

    #[test]
    fn everything_and_nothing() {
        let mut subscriptions = Subscriptions::default();
        assert!(!subscriptions.matches(b""));
        assert!(!subscriptions.matches(b"x"));
        subscriptions.add(b"");
        assert!(subscriptions.match_all());
        assert!(subscriptions.matches(b""));
        assert!(subscriptions.matches(b"x"));
    }

    #[test]
    fn item_58_a_topic_of_a_megabyte() {
        let long = vec![0; 1 << 20];
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(&long);
        subscriptions.add(&long[..1 << 19]);
        assert!(subscriptions.matches(&long));
        assert!(!subscriptions.matches(&long[..1 << 18]));
        assert_eq!(subscriptions.topics(), [&long[..1 << 19], &long]);
        assert!(subscriptions.remove(&long[..1 << 19]));
        assert!(!subscriptions.matches(&long[..1 << 19]));
        assert!(subscriptions.remove(&long));
        assert!(!subscriptions.remove(&long));
    }
}
