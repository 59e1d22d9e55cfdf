// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket has subscribed to, as its I/O threads need it: to be told to every new publisher.
//!
//! The pattern, which looks messages up, keeps the topics in a trie of its own; here they are a log of
//! changes, the most compact thing that can be read through from the beginning.

use std::collections::HashMap;

/// Topics that have come and gone, in order.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// Of each change how long the topic is and whether it is one more ([`head`]), then the topic.
    log: Vec<u8>,
    /// How many topics there are.
    live: usize,
    /// Changes that cancel each other out, both counted.
    dead: usize,
}

impl Topics {
    /// A topic more, which was not there, or one less, which was.
    pub(crate) fn change(&mut self, topic: &[u8], add: bool) {
        self.append(topic, add);
        if add {
            self.live += 1;
            return;
        }
        self.live = self.live.saturating_sub(1);
        self.dead += 2;
        if self.live == 0 {
            *self = Self::default();
        } else if self.dead > self.live.max(DEAD) {
            self.compact();
        }
    }

    /// Each topic once.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&[u8])) {
        if self.dead == 0 {
            return self.changes().for_each(|(topic, _)| each(topic));
        }
        // What is there is what was said last.
        let mut last = HashMap::with_capacity(self.live);
        for (index, (topic, _)) in self.changes().enumerate() {
            last.insert(topic, index);
        }
        for (index, (topic, add)) in self.changes().enumerate() {
            if add && last.get(topic) == Some(&index) {
                each(topic);
            }
        }
    }

    fn compact(&mut self) {
        let mut compact = Self::default();
        self.for_each(|topic| compact.append(topic, true));
        compact.live = self.live;
        compact.log.shrink_to_fit();
        *self = compact;
    }

    fn append(&mut self, topic: &[u8], add: bool) {
        let mut head = (topic.len() as u64) << 1 | u64::from(add);
        while head >= 0x80 {
            self.log.push(head as u8 | 0x80);
            head >>= 7;
        }
        self.log.push(head as u8);
        self.log.extend_from_slice(topic);
    }

    fn changes(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut rest = self.log.as_slice();
        std::iter::from_fn(move || {
            let (mut head, mut shift) = (0u64, 0);
            loop {
                let (&byte, after) = rest.split_first()?;
                rest = after;
                head |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let (topic, after) = rest.split_at_checked(usize::try_from(head >> 1).ok()?)?;
            rest = after;
            Some((topic, head & 1 == 1))
        })
    }
}

/// So many dead changes are not worth a thought.
const DEAD: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Topics;

    #[test]
    fn agrees_with_a_set() {
        let (mut topics, mut oracle) = (Topics::default(), BTreeSet::new());
        let mut seed = 7u64;
        for step in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = seed >> 33;
            let topic = vec![random as u8 % 5; (random >> 8) as usize % 200];
            let add = !oracle.contains(&topic);
            if add {
                oracle.insert(topic.clone());
            } else {
                oracle.remove(&topic);
            }
            topics.change(&topic, add);
            if step % 100 == 0 {
                let mut found = Vec::new();
                topics.for_each(|topic| found.push(topic.to_vec()));
                found.sort();
                assert_eq!(found, Vec::from_iter(oracle.iter().cloned()));
            }
        }
        let most: usize = oracle.iter().map(|topic| topic.len() + 2).sum();
        assert!(topics.log.len() < 4 * most, "it is compacted");
        for topic in oracle {
            topics.change(&topic, false);
        }
        assert_eq!(topics.log.capacity(), 0);
    }

    #[test]
    fn a_topic_of_a_megabyte() {
        let long = vec![b'x'; 1 << 20];
        let mut topics = Topics::default();
        topics.change(b"", true);
        topics.change(&long, true);
        let mut found = Vec::new();
        topics.for_each(|topic| found.push(topic.len()));
        assert_eq!(found, [0, 1 << 20]);
    }
}
