// SPDX-License-Identifier: MIT OR Apache-2.0
//! A routing id as it is kept.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Ids of so many bytes need no memory of their own. Those that are made have five.
const SHORT: usize = 22;

/// The name that a peer is sent to by.
#[derive(Clone)]
pub(crate) struct RoutingId(Bytes);

#[derive(Clone)]
enum Bytes {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl From<&[u8]> for RoutingId {
    fn from(id: &[u8]) -> Self {
        Self(match u8::try_from(id.len()) {
            Ok(len) if id.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..id.len()].copy_from_slice(id);
                Bytes::Short(len, bytes)
            }
            _ => Bytes::Long(id.into()),
        })
    }
}

impl Deref for RoutingId {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short(len, bytes) => &bytes[..usize::from(*len)],
            Bytes::Long(bytes) => bytes,
        }
    }
}

// A table is asked for the bytes alone: equality and hash are theirs.
impl Borrow<[u8]> for RoutingId {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Hash for RoutingId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl PartialEq for RoutingId {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RoutingId {}

impl fmt::Debug for RoutingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn ids_of_every_length_are_found_by_their_bytes() {
        let name = |len: u8| (0..len).collect::<Vec<u8>>();
        let table: HashMap<RoutingId, u8> = (0..=255)
            .map(|len| (RoutingId::from(&name(len)[..]), len))
            .collect();
        for len in 0..=255 {
            assert_eq!(table.get(&name(len)[..]), Some(&len));
            assert_eq!(&RoutingId::from(&name(len)[..])[..], name(len));
        }
    }

    #[test]
    fn they_take_no_more_than_a_vector() {
        assert_eq!(size_of::<Option<RoutingId>>(), size_of::<Vec<u8>>());
    }
}
