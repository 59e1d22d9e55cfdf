// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frames of one message, in order.

use std::collections::{VecDeque, vec_deque};
use std::iter::FusedIterator;

use crate::message::Message;

/// A message of several parts.
///
/// The MORE flags follow from the places: every part but the last has it, at any time.
///
/// ```
/// use ferromq_message::Multipart;
///
/// let mut parts: Multipart = ["envelope", "", "body"].into_iter().collect();
/// assert_eq!(parts.iter().map(|p| p.more()).collect::<Vec<_>>(), [true, true, false]);
/// parts.push_front("id");
/// assert_eq!(parts.pop_front().unwrap(), "id");
/// assert_eq!(parts.len(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart {
    parts: VecDeque<Message>,
}

impl Multipart {
    /// No parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// No parts, but room for some.
    pub fn with_capacity(parts: usize) -> Self {
        Self {
            parts: VecDeque::with_capacity(parts),
        }
    }

    /// Adds a part at the end.
    pub fn push_back(&mut self, part: impl Into<Message>) {
        if let Some(last) = self.parts.back_mut() {
            last.set_more(true);
        }
        let mut part = part.into();
        part.set_more(false);
        self.parts.push_back(part);
    }

    /// Adds a part at the front.
    pub fn push_front(&mut self, part: impl Into<Message>) {
        let mut part = part.into();
        part.set_more(!self.parts.is_empty());
        self.parts.push_front(part);
    }

    /// Takes the first part; its MORE flag says whether there are others.
    pub fn pop_front(&mut self) -> Option<Message> {
        self.parts.pop_front()
    }

    /// Takes the last part.
    pub fn pop_back(&mut self) -> Option<Message> {
        let part = self.parts.pop_back();
        if let Some(last) = self.parts.back_mut() {
            last.set_more(false);
        }
        part
    }

    /// Lets all parts go.
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    /// How many parts there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part at a place, counted from zero.
    pub fn get(&self, index: usize) -> Option<&Message> {
        self.parts.get(index)
    }

    /// The first part.
    pub fn front(&self) -> Option<&Message> {
        self.parts.front()
    }

    /// The last part.
    pub fn back(&self) -> Option<&Message> {
        self.parts.back()
    }

    /// The parts in order.
    pub fn iter(&self) -> vec_deque::Iter<'_, Message> {
        self.parts.iter()
    }
}

impl IntoIterator for Multipart {
    type Item = Message;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.parts.into_iter())
    }
}

impl<'a> IntoIterator for &'a Multipart {
    type Item = &'a Message;
    type IntoIter = vec_deque::Iter<'a, Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<M: Into<Message>> FromIterator<M> for Multipart {
    fn from_iter<I: IntoIterator<Item = M>>(parts: I) -> Self {
        let mut all = Self::new();
        all.extend(parts);
        all
    }
}

impl<M: Into<Message>> Extend<M> for Multipart {
    fn extend<I: IntoIterator<Item = M>>(&mut self, parts: I) {
        for part in parts {
            self.push_back(part);
        }
    }
}

impl From<Message> for Multipart {
    fn from(part: Message) -> Self {
        Self::from_iter([part])
    }
}

impl From<Vec<Message>> for Multipart {
    fn from(parts: Vec<Message>) -> Self {
        Self::from_iter(parts)
    }
}

/// Iterator that gives the parts away, MORE flags set.
#[derive(Debug)]
pub struct IntoIter(vec_deque::IntoIter<Message>);

impl Iterator for IntoIter {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}
impl FusedIterator for IntoIter {}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(parts: &Multipart) -> Vec<bool> {
        parts.iter().map(Message::more).collect()
    }

    #[test]
    fn more_flags_follow_from_the_places() {
        let mut parts = Multipart::new();
        let mut stray = Message::from("b");
        stray.set_more(true);
        parts.push_back(stray);
        assert_eq!(flags(&parts), [false]);
        parts.push_front("a");
        parts.push_back("c");
        assert_eq!(flags(&parts), [true, true, false]);
        assert_eq!(parts.pop_back().unwrap(), "c");
        assert_eq!(flags(&parts), [true, false]);
        assert!(parts.pop_front().unwrap().more());
        let last = parts.pop_front().unwrap();
        assert!(!last.more() && parts.is_empty() && parts.pop_front().is_none());
    }

    #[test]
    fn conversions_keep_the_order() {
        let parts = Multipart::from(vec![Message::from("x"), Message::from("y")]);
        assert_eq!(parts, ["x", "y"].into_iter().collect());
        let given: Vec<_> = parts.into_iter().map(|p| (p.to_vec(), p.more())).collect();
        assert_eq!(given, [(b"x".to_vec(), true), (b"y".to_vec(), false)]);
        assert_eq!(Multipart::from(Message::from("z")).len(), 1);
    }
}
