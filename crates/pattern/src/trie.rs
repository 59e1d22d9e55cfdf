// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who has subscribed to what, at the publisher.

use ferromq_pipe::PipeId;

use crate::radix::{NodeId, Radix, Value};

/// For each topic the set of pipes that have subscribed to it.
///
/// A pipe subscribes to a topic or does not: subscribing twice and cancelling once is not to be
/// subscribed (contract 3.12), for the subscriber does the counting.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    radix: Radix<Subscribers>,
    pipes: Vec<Subscriber>,
    /// Counts the messages that had to be looked up with care, to see a pipe again.
    round: u64,
    /// Topics with at least one subscriber.
    topics: usize,
}

/// What is known of a pipe, by its index.
#[derive(Debug, Default, Clone)]
struct Subscriber {
    /// Where it has subscribed. Each set it is in knows the place in this list.
    nodes: Vec<NodeId>,
    /// The last round it was seen in.
    seen: u64,
}

/// The pipes that have subscribed to one topic, in order: mostly one.
#[derive(Debug, Default)]
enum Subscribers {
    #[default]
    Nobody,
    One(Entry),
    /// At least two. Elsewhere, lest every node be as large as a vector.
    Many(Box<Crowd>),
}

#[derive(Debug)]
struct Crowd {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: PipeId,
    /// Where the topic is in the pipe's list.
    place: u32,
}

impl Trie {
    /// Adds a subscription. False: it is there already.
    pub(crate) fn add(&mut self, id: PipeId, topic: &[u8]) -> bool {
        let node = self.radix.insert(topic);
        let set = self.radix.value_mut(node);
        let Err(position) = set.position(id) else {
            return false;
        };
        if self.pipes.len() <= id.index() {
            self.pipes.resize(id.index() + 1, Subscriber::default());
        }
        self.topics += usize::from(set.is_empty());
        let nodes = &mut self.pipes[id.index()].nodes;
        let place = nodes.len() as u32;
        set.insert(position, Entry { id, place });
        nodes.push(node);
        true
    }

    /// Takes a subscription back. False: there is none.
    pub(crate) fn remove(&mut self, id: PipeId, topic: &[u8]) -> bool {
        let Some(node) = self.radix.find(topic) else {
            return false;
        };
        let set = self.radix.value_mut(node);
        let Ok(position) = set.position(id) else {
            return false;
        };
        let place = set.as_slice()[position].place as usize;
        set.remove(position);
        self.topics -= usize::from(set.is_empty());
        let nodes = &mut self.pipes[id.index()].nodes;
        nodes.swap_remove(place);
        if let Some(&moved) = nodes.get(place) {
            let set = self.radix.value_mut(moved);
            if let Ok(position) = set.position(id) {
                set.as_mut_slice()[position].place = place as u32;
            }
        }
        self.radix.prune(node);
        self.compact();
        true
    }

    /// How many pipes have subscribed to a topic.
    pub(crate) fn subscribers(&mut self, topic: &[u8]) -> usize {
        self.radix
            .find(topic)
            .map_or(0, |node| self.radix.value_mut(node).as_slice().len())
    }

    /// Takes all subscriptions of a pipe back; tells each topic, and whether nobody is left there.
    pub(crate) fn remove_pipe_telling(&mut self, id: PipeId, mut tell: impl FnMut(Vec<u8>, bool)) {
        let nodes = self
            .pipes
            .get(id.index())
            .map_or_else(Vec::new, |subscriber| subscriber.nodes.clone());
        for node in nodes {
            let alone = self.radix.value_mut(node).as_slice().len() == 1;
            tell(self.radix.key(node), alone);
        }
        self.remove_pipe(id);
    }

    /// Whether a pipe has subscribed to something that `bytes` begin with.
    pub(crate) fn matches_pipe(&mut self, bytes: &[u8], id: PipeId) -> bool {
        let mut found = false;
        self.matches(bytes, |other| found |= other == id);
        found
    }

    /// Takes all subscriptions of a pipe back.
    pub(crate) fn remove_pipe(&mut self, id: PipeId) {
        let Some(subscriber) = self.pipes.get_mut(id.index()) else {
            return;
        };
        for node in std::mem::take(&mut subscriber.nodes) {
            let set = self.radix.value_mut(node);
            if let Ok(position) = set.position(id) {
                set.remove(position);
                self.topics -= usize::from(set.is_empty());
            }
            self.radix.prune(node);
        }
        self.compact();
    }

    /// A crowd that has gone takes its memory with it, although others have stayed.
    fn compact(&mut self) {
        let pipes = &mut self.pipes;
        self.radix.compact(|node, set| {
            for entry in set.as_slice() {
                pipes[entry.id.index()].nodes[entry.place as usize] = node;
            }
        });
    }

    /// How many distinct topics there are.
    pub(crate) fn topics(&self) -> usize {
        self.topics
    }

    /// Calls `each` once with every pipe that has subscribed to a topic `bytes` begins with.
    #[inline]
    pub(crate) fn matches(&mut self, bytes: &[u8], mut each: impl FnMut(PipeId)) {
        if self.radix.is_only_root() {
            return self.radix.root().for_each(each);
        }
        let mut sets = self.radix.prefixes(bytes);
        let Some(first) = sets.next() else { return };
        let Some(second) = sets.next() else {
            return first.for_each(each);
        };
        // A set has everybody once, but two may share some.
        self.round += 1;
        for entry in [first, second]
            .into_iter()
            .chain(sets)
            .flat_map(Subscribers::as_slice)
        {
            let seen = &mut self.pipes[entry.id.index()].seen;
            if *seen != self.round {
                *seen = self.round;
                each(entry.id);
            }
        }
    }
}

impl Subscribers {
    #[inline]
    fn for_each(&self, each: impl FnMut(PipeId)) {
        self.as_slice().iter().map(|entry| entry.id).for_each(each);
    }

    #[inline]
    fn as_slice(&self) -> &[Entry] {
        match self {
            Self::Nobody => &[],
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(crowd) => &crowd.entries,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Entry] {
        match self {
            Self::Nobody => &mut [],
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Many(crowd) => &mut crowd.entries,
        }
    }

    fn position(&self, id: PipeId) -> Result<usize, usize> {
        self.as_slice().binary_search_by_key(&id, |entry| entry.id)
    }

    fn insert(&mut self, position: usize, entry: Entry) {
        match self {
            Self::Nobody => *self = Self::One(entry),
            Self::One(other) => {
                let mut entries = vec![*other];
                entries.insert(position, entry);
                *self = Self::Many(Box::new(Crowd { entries }));
            }
            Self::Many(crowd) => crowd.entries.insert(position, entry),
        }
    }

    fn remove(&mut self, position: usize) {
        match self {
            Self::Nobody => {}
            Self::One(_) => *self = Self::Nobody,
            Self::Many(crowd) => {
                crowd.entries.remove(position);
                if let [only] = crowd.entries[..] {
                    *self = Self::One(only);
                }
            }
        }
    }
}

impl Value for Subscribers {
    #[inline]
    fn is_empty(&self) -> bool {
        matches!(self, Self::Nobody)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ferromq_pipe::PipeId;

    use super::Trie;
    use crate::testing::{Random, names};

    impl Trie {
        fn matching(&mut self, bytes: &[u8]) -> Vec<PipeId> {
            let mut found = Vec::new();
            self.matches(bytes, |id| found.push(id));
            found.sort();
            found
        }
    }

    /// Topics over a small alphabet, so that they meet often.
    fn topic(random: &mut Random) -> Vec<u8> {
        (0..random.below(7))
            .map(|_| b"ab\0\xff"[random.below(4)])
            .collect()
    }

    #[test]
    fn agrees_with_a_plain_set() {
        let mut random = Random(36);
        let ids = names(6);
        let mut trie = Trie::default();
        let mut oracle = BTreeSet::new();
        for step in 0..60_000 {
            let id = ids[random.below(ids.len())];
            let some = topic(&mut random);
            match random.below(16) {
                0 => {
                    trie.remove_pipe(id);
                    oracle.retain(|(_, other)| *other != id);
                }
                1..6 => assert_eq!(trie.remove(id, &some), oracle.remove(&(some, id))),
                6..10 => assert_eq!(trie.add(id, &some), oracle.insert((some, id))),
                _ => {
                    let hits = oracle.iter().filter(|(prefix, _)| some.starts_with(prefix));
                    let expected: BTreeSet<_> = hits.map(|&(_, id)| id).collect();
                    assert_eq!(
                        trie.matching(&some),
                        Vec::from_iter(expected),
                        "step {step}"
                    );
                }
            }
            if step % 64 == 0 {
                let mut topics = Vec::new();
                trie.radix.for_each(|topic, set| {
                    topics.extend(
                        set.as_slice()
                            .iter()
                            .map(|entry| (topic.to_vec(), entry.id)),
                    );
                });
                assert_eq!(topics, Vec::from_iter(oracle.iter().cloned()));
            }
        }
        ids.iter().for_each(|&id| trie.remove_pipe(id));
        assert_eq!(trie.radix.len(), 1);
    }

    /// GHSA-qq65-x72m-9wr8: a long topic, and one node for each of its bytes.
    #[test]
    fn item_58_a_topic_of_a_megabyte() {
        let [a, b] = names(2)[..] else { panic!("two") };
        let long = vec![b'x'; 1 << 20];
        let mut trie = Trie::default();
        trie.add(a, &long);
        assert_eq!(trie.matching(&long), [a]);
        assert_eq!(trie.matching(&long[1..]), []);
        for len in (0..4_000).rev() {
            trie.add(b, &long[..len]);
        }
        assert_eq!(trie.radix.len(), 4_001);
        assert_eq!(trie.matching(&long), [a, b]);
        drop(trie);

        let mut trie = Trie::default();
        for len in 0..4_000 {
            trie.add(b, &long[..len]);
        }
        trie.add(a, &long);
        trie.remove_pipe(b);
        assert_eq!(trie.radix.len(), 2);
        assert_eq!(trie.matching(&long), [a]);
        assert!(trie.remove(a, &long));
        assert_eq!(trie.radix.len(), 1);
    }

    #[test]
    fn many_topics() {
        let ids = names(10);
        let mut trie = Trie::default();
        let topics: Vec<_> = (0..100_000)
            .map(|number| format!("topic/{number}"))
            .collect();
        for (number, topic) in topics.iter().enumerate() {
            assert!(trie.add(ids[number % 10], topic.as_bytes()));
        }
        assert_eq!(trie.matching(b"topic/4711"), [ids[1], ids[4], ids[7]]);
        assert_eq!(trie.matching(b"topic/99999 and more"), [ids[9]]);
        for id in &ids[..5] {
            trie.remove_pipe(*id);
        }
        assert_eq!(trie.matching(b"topic/4711"), [ids[7]]);
        for (number, topic) in topics.iter().enumerate() {
            assert_eq!(
                trie.remove(ids[number % 10], topic.as_bytes()),
                number % 10 >= 5
            );
        }
        assert_eq!(trie.radix.len(), 1);
    }

    #[test]
    fn who_stays_does_not_hold_the_memory_of_those_who_have_gone() {
        let ids = names(3);
        let mut trie = Trie::default();
        // The first, the last, and some in between.
        for number in 0..10_000 {
            let topic = format!("topic/{number}");
            trie.add(ids[usize::from(number % 1_111 == 0)], topic.as_bytes());
        }
        trie.add(ids[2], b"topic/9999");
        trie.remove_pipe(ids[0]);
        assert!(trie.radix.places() <= 4 * trie.radix.len());
        assert_eq!(trie.matching(b"topic/9999"), [ids[1], ids[2]]);
        assert_eq!(trie.matching(b"topic/1111 and more"), [ids[1]]);
        assert_eq!(trie.matching(b"topic/1112"), []);
        // Everybody's list knows the new numbers.
        trie.remove_pipe(ids[1]);
        assert_eq!(trie.matching(b"topic/9999"), [ids[2]]);
        assert!(trie.remove(ids[2], b"topic/9999"));
        assert_eq!((trie.radix.len(), trie.topics()), (1, 0));
    }

    #[test]
    fn many_subscribers_to_one_topic() {
        let ids = names(10_000);
        let mut trie = Trie::default();
        for &id in ids.iter().rev() {
            trie.add(id, b"");
            trie.add(id, b"x");
        }
        assert_eq!(trie.matching(b"x"), ids);
        for &id in &ids {
            trie.remove_pipe(id);
        }
        assert_eq!(trie.matching(b"x"), []);
    }
}
