// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known about the connection a message came from.

use std::fmt;

use crate::loom::Arc;

/// Properties of a connection, shared by all messages that came through it. Cloning counts.
///
/// ```
/// use ferromq_message::MetadataBuilder;
///
/// let mut builder = MetadataBuilder::new();
/// builder.insert("Identity", b"worker-7").insert("Peer-Address", b"127.0.0.1");
/// builder.insert("Peer-Address", b"a later one does not count");
/// let metadata = builder.build();
/// assert_eq!(metadata.get("Peer-Address"), Some(&b"127.0.0.1"[..]));
/// assert_eq!(metadata.get("Routing-Id"), Some(&b"worker-7"[..]));
/// ```
#[derive(Clone)]
pub struct Metadata(Arc<Connection>);

impl Metadata {
    /// The value of a property. Names are case-sensitive; "Identity" and "Routing-Id" are the same
    /// one, whichever of them was inserted.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_with_nul(name)
            .and_then(|value| value.strip_suffix(b"\0"))
    }

    /// The value of a property as C wants it: with a NUL byte behind it. It stays in place as long
    /// as there is a handle.
    pub fn get_with_nul(&self, name: &str) -> Option<&[u8]> {
        let alias = match name {
            "Identity" => "Routing-Id",
            "Routing-Id" => "Identity",
            _ => return self.find(name),
        };
        self.find(name).or_else(|| self.find(alias))
    }

    /// All properties, in the order in which they were inserted.
    pub fn iter(&self) -> Properties<'_> {
        Properties(&self.0.properties)
    }

    /// The file descriptor of the connection.
    pub fn fd(&self) -> Option<i32> {
        self.0.fd
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let mut packed = &*self.0.properties;
        std::iter::from_fn(|| unpack(&mut packed))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for &'a Metadata {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = Properties<'a>;

    fn into_iter(self) -> Properties<'a> {
        self.iter()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &[u8]| value.escape_ascii().to_string();
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, text(value))))
            .finish()
    }
}

/// Collects the properties of a connection. The first value of a name counts, so insert what is
/// known here before what the peer claims.
#[derive(Debug, Default)]
pub struct MetadataBuilder {
    packed: Vec<u8>,
    fd: Option<i32>,
}

impl MetadataBuilder {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a property, unless there is one of that name.
    pub fn insert(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let mut packed = &*self.packed;
        let known = std::iter::from_fn(|| unpack(&mut packed)).any(|(known, _)| known == name);
        if !known {
            pack(name, value, &mut self.packed);
        }
        self
    }

    /// Says which file descriptor the connection has.
    pub fn fd(&mut self, fd: i32) -> &mut Self {
        self.fd = Some(fd);
        self
    }

    /// The handle to put into messages.
    pub fn build(self) -> Metadata {
        let properties = self.packed.into_boxed_slice();
        Metadata(Arc::new(Connection {
            properties,
            fd: self.fd,
        }))
    }
}

/// Iterator over the properties of a [`Metadata`].
#[derive(Clone)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Iterator for Properties<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = unpack(&mut self.0)?;
        Some((name, value.strip_suffix(b"\0").unwrap_or_default()))
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

/// A peer's properties, packed: there is one of these for each of perhaps many idle connections.
#[derive(Debug, Default)]
struct Connection {
    /// For each: length of the name, length of the value, name, value, NUL.
    properties: Box<[u8]>,
    fd: Option<i32>,
}

/// Appends a property to the packed ones.
fn pack(name: &str, value: &[u8], packed: &mut Vec<u8>) {
    packed.extend_from_slice(&name.len().to_le_bytes());
    packed.extend_from_slice(&value.len().to_le_bytes());
    packed.extend_from_slice(name.as_bytes());
    packed.extend_from_slice(value);
    packed.push(0);
}

/// Takes the first property off the packed ones: name, and value with its NUL.
fn unpack<'a>(packed: &mut &'a [u8]) -> Option<(&'a str, &'a [u8])> {
    let (name_len, rest) = packed.split_first_chunk()?;
    let (value_len, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(usize::from_le_bytes(*name_len))?;
    let (value, rest) = rest.split_at_checked(usize::from_le_bytes(*value_len) + 1)?;
    *packed = rest;
    Some((std::str::from_utf8(name).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts_and_names_are_exact() {
        let mut builder = MetadataBuilder::new();
        builder
            .insert("User-Id", b"zap")
            .insert("User-Id", b"peer")
            .insert("X-empty", b"")
            .fd(7);
        let metadata = builder.build();
        assert_eq!(metadata.get("User-Id"), Some(&b"zap"[..]));
        assert_eq!(metadata.get_with_nul("User-Id"), Some(&b"zap\0"[..]));
        assert_eq!(metadata.get("user-id"), None);
        assert_eq!(metadata.get("X-empty"), Some(&b""[..]));
        assert_eq!(metadata.fd(), Some(7));
        let all: Vec<_> = metadata.iter().collect();
        assert_eq!(all, [("User-Id", &b"zap"[..]), ("X-empty", b"")]);
        assert_eq!(
            format!("{metadata:?}"),
            r#"{"User-Id": "zap", "X-empty": ""}"#
        );
    }

    #[test]
    fn identity_and_routing_id_are_aliases() {
        for name in ["Identity", "Routing-Id"] {
            let mut builder = MetadataBuilder::new();
            builder.insert(name, b"id\0x");
            let metadata = builder.build();
            assert_eq!(metadata.get("Identity"), Some(&b"id\0x"[..]));
            assert_eq!(metadata.get("Routing-Id"), Some(&b"id\0x"[..]));
        }
        assert_eq!(MetadataBuilder::new().build().get("Identity"), None);
    }
}
