// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values filed under byte strings, found by everything that begins with them.

/// A compact radix trie. Nothing here recurses, however long a key is.
///
/// Nodes lie in one vector. A node with a value keeps its number until the value is gone, whatever
/// is added or removed around it: edges are split above it and joined into it.
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
    label: Box<[u8]>,
    parent: NodeId,
    /// Where it goes on, ordered by first byte.
    branches: Vec<Branch>,
    value: T,
}

#[derive(Debug, Clone, Copy)]
struct Branch {
    first: u8,
    node: NodeId,
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
            let label = &self.node(child).label;
            let common = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
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
            labels.push(&*self.node(at).label);
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
            key.extend_from_slice(&node.label);
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

    /// One node further along `rest`.
    #[inline]
    fn step<'a>(&self, at: NodeId, rest: &'a [u8]) -> Option<(NodeId, &'a [u8])> {
        let position = self.branch(at, *rest.first()?).ok()?;
        let child = self.node(at).branches[position].node;
        Some((child, rest.strip_prefix(&*self.node(child).label)?))
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
        self.node_mut(parent).branches.insert(
            position,
            Branch {
                first: label[0],
                node: leaf,
            },
        );
        leaf
    }

    /// Puts a node in the middle of the edge that leads to `child`.
    fn split(&mut self, child: NodeId, position: usize, at: usize) -> NodeId {
        let label = std::mem::take(&mut self.node_mut(child).label);
        let (above, below) = label.split_at(at);
        let parent = self.node(child).parent;
        let middle = self.make(parent, above);
        self.node_mut(middle).branches.push(Branch {
            first: below[0],
            node: child,
        });
        self.node_mut(parent).branches[position].node = middle;
        let child = self.node_mut(child);
        child.label = below.into();
        child.parent = middle;
        middle
    }

    /// Takes a node out of the middle of the edge that leads to its only `child`.
    fn join(&mut self, middle: NodeId, child: NodeId) {
        let above = std::mem::take(&mut self.node_mut(middle).label);
        let parent = self.node(middle).parent;
        if let Ok(position) = self.branch(parent, above[0]) {
            self.node_mut(parent).branches[position].node = child;
        }
        let child = self.node_mut(child);
        child.label = [above, std::mem::take(&mut child.label)].concat().into();
        child.parent = parent;
        self.release(middle);
    }

    fn unlink(&mut self, node: NodeId) {
        let (parent, first) = (self.node(node).parent, self.node(node).label[0]);
        if let Ok(position) = self.branch(parent, first) {
            self.node_mut(parent).branches.remove(position);
        }
    }

    fn make(&mut self, parent: NodeId, label: &[u8]) -> NodeId {
        let node = Node {
            label: label.into(),
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
