// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values filed under byte strings, found by everything that begins with them.

/// A compact radix trie. Nothing here recurses, however long a key is.
///
/// Nodes lie in one vector. A node with a value keeps its number until the value is gone, whatever
/// is added or removed around it: edges are split above it and joined into it. Only
/// [`compact`](Radix::compact) gives it another one.
#[derive(Debug)]
pub(crate) struct Radix<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
}

/// The number of a node.
pub(crate) type NodeId = u32;

/// What is filed: it may be nothing.
pub(crate) trait Value: Default {
    fn is_empty(&self) -> bool;
}

#[derive(Debug, Default)]
struct Node<T> {
    /// The bytes between the parent and here; empty for the root alone.
    label: Label,
    /// Where it goes on, ordered by first byte. Most nodes are leaves, and of the others few have
    /// many branches: there is no room to spare.
    branches: Box<[Branch]>,
    parent: NodeId,
    value: T,
}

#[derive(Debug, Clone, Copy)]
struct Branch {
    first: u8,
    node: NodeId,
}

/// The bytes of an edge: few of them lie in the node itself.
#[derive(Debug)]
enum Label {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<Long>),
}

/// Elsewhere, lest every node be as large as a slice.
#[derive(Debug)]
struct Long {
    bytes: Box<[u8]>,
}

/// Bytes of a label that need no memory of their own.
const SHORT: usize = 14;

impl Label {
    fn new(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT {
            let bytes = bytes.into();
            return Self::Long(Box::new(Long { bytes }));
        }
        let mut short = [0; SHORT];
        short[..bytes.len()].copy_from_slice(bytes);
        Self::Short {
            len: bytes.len() as u8,
            bytes: short,
        }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(long) => &long.bytes,
        }
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::new(&[])
    }
}

/// How many bytes two strings begin with alike.
fn common(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let alike = a
        .chunks_exact(STEP)
        .zip(b.chunks_exact(STEP))
        .take_while(|(a, b)| a == b)
        .count()
        * STEP;
    let rest = a[alike..].iter().zip(&b[alike..]);
    alike + rest.take_while(|(a, b)| a == b).count()
}

/// A list with one more entry.
fn with<T: Copy>(list: &[T], position: usize, entry: T) -> Box<[T]> {
    let (before, after) = list.split_at(position);
    [before, &[entry], after].concat().into()
}

/// A list with one entry less.
fn without<T: Copy>(list: &[T], position: usize) -> Box<[T]> {
    [&list[..position], &list[position + 1..]].concat().into()
}

impl<T: Value> Default for Radix<T> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
        }
    }
}

impl<T: Value> Radix<T> {
    /// The node of a key, made if there is none. The caller gives it a value, or prunes it.
    pub(crate) fn insert(&mut self, key: &[u8]) -> NodeId {
        let (mut at, mut rest) = (ROOT, key);
        while let Some(&first) = rest.first() {
            let position = match self.branch(at, first) {
                Ok(position) => position,
                Err(position) => return self.add_leaf(at, position, rest),
            };
            let child = self.node(at).branches[position].node;
            let label = self.node(child).label.as_slice();
            let common = common(label, rest);
            at = if common == label.len() {
                child
            } else {
                self.split(child, position, common)
            };
            rest = &rest[common..];
        }
        at
    }

    /// Removes a node that has no value any more, with what is above it for its sake alone.
    pub(crate) fn prune(&mut self, node: NodeId) {
        let mut at = node;
        while at != ROOT && self.node(at).value.is_empty() {
            let parent = self.node(at).parent;
            match *self.node(at).branches {
                [] => {
                    self.unlink(at);
                    self.release(at);
                    at = parent;
                }
                [only] => return self.join(at, only.node),
                _ => return,
            }
        }
    }

    /// Gives memory back if most of the nodes are gone; tells each node that has another number now, and its value.
    ///
    /// Whoever keeps numbers calls it after he has removed something. It costs no more than what was removed.
    pub(crate) fn compact(&mut self, mut moved: impl FnMut(NodeId, &T)) {
        let live = self.nodes.len() - self.free.len();
        if self.nodes.len() < FEW || live > self.nodes.len() / SPARSE {
            return;
        }
        let tail = self.nodes.split_off(live);
        let mut is_free = vec![false; live + tail.len()];
        for &node in &self.free {
            is_free[node as usize] = true;
        }
        let mut gaps = std::mem::take(&mut self.free)
            .into_iter()
            .filter(|node| (*node as usize) < live);
        // Where those from behind are now: links are told when all have moved.
        let mut places = Vec::with_capacity(tail.len());
        for (node, &free) in tail.into_iter().zip(&is_free[live..]) {
            let gap = if free { None } else { gaps.next() };
            if let Some(gap) = gap {
                self.nodes[gap as usize] = node;
            }
            places.push(gap.unwrap_or_default());
        }
        let place = |node: NodeId| {
            let behind = (node as usize).checked_sub(live);
            behind.map_or(node, |behind| places[behind])
        };
        for node in &mut self.nodes {
            node.parent = place(node.parent);
            for branch in &mut node.branches {
                branch.node = place(branch.node);
            }
        }
        self.nodes.shrink_to_fit();
        for (&at, free) in places.iter().zip(&is_free[live..]) {
            if !free {
                moved(at, &self.node(at).value);
            }
        }
    }

    /// The value of a node.
    pub(crate) fn value_mut(&mut self, node: NodeId) -> &mut T {
        &mut self.nodes[node as usize].value
    }

    /// The value of the empty key.
    #[inline]
    pub(crate) fn root(&self) -> &T {
        &self.nodes[ROOT as usize].value
    }

    /// Whether there is no key but the empty one.
    #[inline]
    pub(crate) fn is_only_root(&self) -> bool {
        self.nodes[ROOT as usize].branches.is_empty()
    }

    /// The node of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<NodeId> {
        let (mut at, mut rest) = (ROOT, key);
        while !rest.is_empty() {
            (at, rest) = self.step(at, rest)?;
        }
        Some(at)
    }

    /// The key under which a node is filed.
    pub(crate) fn key(&self, node: NodeId) -> Vec<u8> {
        let mut labels = Vec::new();
        let mut at = node;
        while at != ROOT {
            labels.push(self.node(at).label.as_slice());
            at = self.node(at).parent;
        }
        labels.reverse();
        labels.concat()
    }

    /// The values of all keys that `bytes` begins with, shortest first.
    #[inline]
    pub(crate) fn prefixes<'a>(&'a self, bytes: &'a [u8]) -> Prefixes<'a, T> {
        Prefixes {
            radix: self,
            next: Some((ROOT, bytes)),
        }
    }

    /// Calls `each` with every key that has a value, in order.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&[u8], &T)) {
        let mut key = Vec::new();
        let mut stack = vec![(ROOT, 0)];
        while let Some((at, depth)) = stack.pop() {
            let node = self.node(at);
            key.truncate(depth);
            key.extend_from_slice(node.label.as_slice());
            if !node.value.is_empty() {
                each(&key, &node.value);
            }
            stack.extend(
                node.branches
                    .iter()
                    .rev()
                    .map(|branch| (branch.node, key.len())),
            );
        }
    }

    /// How many nodes there are, the root among them.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// How many there is memory for.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.nodes.capacity()
    }

    /// One node further along `rest`.
    #[inline]
    fn step<'a>(&self, at: NodeId, rest: &'a [u8]) -> Option<(NodeId, &'a [u8])> {
        let position = self.branch(at, *rest.first()?).ok()?;
        let child = self.node(at).branches[position].node;
        Some((child, rest.strip_prefix(self.node(child).label.as_slice())?))
    }

    #[inline]
    fn branch(&self, at: NodeId, first: u8) -> Result<usize, usize> {
        self.node(at)
            .branches
            .binary_search_by_key(&first, |branch| branch.first)
    }

    #[inline]
    fn node(&self, node: NodeId) -> &Node<T> {
        &self.nodes[node as usize]
    }

    fn node_mut(&mut self, node: NodeId) -> &mut Node<T> {
        &mut self.nodes[node as usize]
    }

    fn add_leaf(&mut self, parent: NodeId, position: usize, label: &[u8]) -> NodeId {
        let leaf = self.make(parent, label);
        let branch = Branch {
            first: label[0],
            node: leaf,
        };
        let parent = self.node_mut(parent);
        parent.branches = with(&parent.branches, position, branch);
        leaf
    }

    /// Puts a node in the middle of the edge that leads to `child`.
    fn split(&mut self, child: NodeId, position: usize, at: usize) -> NodeId {
        let label = std::mem::take(&mut self.node_mut(child).label);
        let (above, below) = label.as_slice().split_at(at);
        let parent = self.node(child).parent;
        let middle = self.make(parent, above);
        let branch = Branch {
            first: below[0],
            node: child,
        };
        self.node_mut(middle).branches = [branch].into();
        self.node_mut(parent).branches[position].node = middle;
        let child = self.node_mut(child);
        child.label = Label::new(below);
        child.parent = middle;
        middle
    }

    /// Takes a node out of the middle of the edge that leads to its only `child`.
    fn join(&mut self, middle: NodeId, child: NodeId) {
        let above = std::mem::take(&mut self.node_mut(middle).label);
        let parent = self.node(middle).parent;
        if let Ok(position) = self.branch(parent, above.as_slice()[0]) {
            self.node_mut(parent).branches[position].node = child;
        }
        let child = self.node_mut(child);
        child.label = Label::new(&[above.as_slice(), child.label.as_slice()].concat());
        child.parent = parent;
        self.release(middle);
    }

    fn unlink(&mut self, node: NodeId) {
        let (parent, label) = (self.node(node).parent, self.node(node).label.as_slice());
        if let Ok(position) = self.branch(parent, label[0]) {
            let parent = self.node_mut(parent);
            parent.branches = without(&parent.branches, position);
        }
    }

    fn make(&mut self, parent: NodeId, label: &[u8]) -> NodeId {
        let node = Node {
            label: Label::new(label),
            parent,
            ..Node::default()
        };
        if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = node;
            return id;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as NodeId
    }

    fn release(&mut self, node: NodeId) {
        *self.node_mut(node) = Node::default();
        self.free.push(node);
        if self.free.len() == self.nodes.len() - 1 {
            // Only the root is left: the memory goes back.
            self.nodes.truncate(1);
            self.nodes.shrink_to_fit();
            self.free = Vec::new();
        }
    }
}

/// See [`Radix::prefixes`].
#[derive(Debug)]
pub(crate) struct Prefixes<'a, T> {
    radix: &'a Radix<T>,
    next: Option<(NodeId, &'a [u8])>,
}

impl<'a, T: Value> Iterator for Prefixes<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        loop {
            let (at, rest) = self.next?;
            self.next = self.radix.step(at, rest);
            let value = &self.radix.node(at).value;
            if !value.is_empty() {
                return Some(value);
            }
        }
    }
}

const ROOT: NodeId = 0;
/// Fewer nodes than this are not worth moving.
const FEW: usize = if cfg!(test) { 8 } else { 1024 };
/// Nodes are moved when no more than one place in so many is taken.
const SPARSE: usize = 4;

#[cfg(test)]
mod tests {
    use super::{Label, Node, SHORT, common};

    #[test]
    fn nodes_are_small() {
        assert_eq!(size_of::<Label>(), 16);
        assert_eq!(size_of::<Node<u32>>(), 40);
    }

    #[test]
    fn labels_of_any_length() {
        for len in [0, 1, SHORT, SHORT + 1, 1000] {
            let bytes: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            assert_eq!(Label::new(&bytes).as_slice(), bytes);
        }
    }

    #[test]
    fn what_strings_have_in_common() {
        let long: Vec<u8> = (0..300_u16).map(|byte| byte.to_le_bytes()[0]).collect();
        for len in [0, 1, 63, 64, 65, 128, 299, 300] {
            assert_eq!(common(&long, &long[..len]), len);
            let mut other = long.clone();
            if let Some(byte) = other.get_mut(len) {
                *byte ^= 1;
                assert_eq!(common(&long, &other), len);
            }
        }
    }
}
