// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line in which each address has its turn: who asks a thousand times waits behind himself alone.

use std::collections::{HashMap, VecDeque};

#[derive(Debug)]
pub(super) struct FairQueue<T> {
    lines: HashMap<String, VecDeque<T>>,
    /// Whose turn it is, each address once.
    turns: VecDeque<String>,
    len: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn push(&mut self, address: &str, item: T) {
        self.len += 1;
        match self.lines.get_mut(address) {
            Some(line) => line.push_back(item),
            None => {
                self.lines
                    .insert(address.to_owned(), VecDeque::from([item]));
                self.turns.push_back(address.to_owned());
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let address = self.turns.pop_front()?;
        let line = self.lines.get_mut(&address)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        self.len -= usize::from(item.is_some());
        item
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::FairQueue;

    #[test]
    fn each_address_has_its_turn() {
        let mut queue = FairQueue::default();
        for number in 0..3 {
            queue.push("flood", ("flood", number));
        }
        queue.push("one", ("one", 0));
        queue.push("two", ("two", 0));
        queue.push("two", ("two", 1));
        assert_eq!(queue.len(), 6);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        let expected = [
            ("flood", 0),
            ("one", 0),
            ("two", 0),
            ("flood", 1),
            ("two", 1),
            ("flood", 2),
        ];
        assert_eq!(order, expected);
        assert_eq!(queue.len(), 0);
        assert!(queue.is_empty() && queue.lines.is_empty());
    }
}
