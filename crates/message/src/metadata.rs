// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known about the connection a message came from.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr;

use crate::loom::Arc;
use crate::spare::Spares;

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
pub struct Metadata(ManuallyDrop<Arc<Connection>>);

thread_local! {
    static SPARES: Spares<Connection> = const { Spares::new() };
}

impl Clone for Metadata {
    #[inline]
    fn clone(&self) -> Self {
        let connection = Arc::as_ptr(&self.0);
        // A thread that is about to end has none.
        if SPARES.try_with(|spares| spares.take(connection)) == Ok(true) {
            // SAFETY: a second handle for the reference that has been handed out.
            return Self(unsafe { ptr::read(&raw const self.0) });
        }
        Self(ManuallyDrop::new(Arc::clone(&self.0)))
    }
}

impl Drop for Metadata {
    #[inline]
    fn drop(&mut self) {
        // The last one keeps nothing alive.
        if Arc::strong_count(&self.0) > 1 {
            let connection = Arc::as_ptr(&self.0);
            // SAFETY: the pointer is what `into_raw` would give, and the reference is not used again if it is kept.
            let kept = SPARES.try_with(|spares| unsafe { spares.keep(connection) });
            if kept == Ok(true) {
                return;
            }
        }
        // SAFETY: dropped here only.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

impl Metadata {
    /// Whether both are handles of the same connection's.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }

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
        Properties(self.0.properties.as_slice())
    }

    /// The file descriptor of the connection.
    pub fn fd(&self) -> Option<i32> {
        self.0.fd
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let mut packed = self.0.properties.as_slice();
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
        Metadata(ManuallyDrop::new(Arc::new(Connection {
            properties: Packed::new(&self.packed),
            fd: self.fd,
        })))
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

/// What is known of one of perhaps many idle connections.
#[derive(Debug)]
struct Connection {
    properties: Packed,
    fd: Option<i32>,
}

#[cfg(not(loom))]
const _: () = assert!(
    size_of::<Connection>() == 72,
    "with the counts, what the allocator keeps in 96 bytes"
);

/// Properties, for each: length of the name, length of the value, name, value, NUL.
#[derive(Debug)]
enum Packed {
    /// Those of most connections take no memory of their own.
    Here {
        len: u8,
        bytes: [u8; HERE],
    },
    There(Box<[u8]>),
}

/// Type, an empty identity and an IPv4 address take 61 bytes at most.
const HERE: usize = 62;

impl Packed {
    fn new(packed: &[u8]) -> Self {
        let mut bytes = [0; HERE];
        match bytes.get_mut(..packed.len()) {
            Some(room) => {
                room.copy_from_slice(packed);
                let len = packed.len() as u8;
                Self::Here { len, bytes }
            }
            None => Self::There(packed.into()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Here { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::There(bytes) => bytes,
        }
    }
}

/// Appends a property to the packed ones.
fn pack(name: &str, value: &[u8], packed: &mut Vec<u8>) {
    pack_len(name.len(), packed);
    pack_len(value.len(), packed);
    packed.extend_from_slice(name.as_bytes());
    packed.extend_from_slice(value);
    packed.push(0);
}

/// One byte, or, where that does not do, this one and eight more.
const LONG: u8 = u8::MAX;

fn pack_len(len: usize, packed: &mut Vec<u8>) {
    match u8::try_from(len) {
        Ok(short) if short != LONG => packed.push(short),
        _ => {
            packed.push(LONG);
            packed.extend_from_slice(&(len as u64).to_le_bytes());
        }
    }
}

fn unpack_len(packed: &[u8]) -> Option<(usize, &[u8])> {
    let (short, rest) = packed.split_first()?;
    if *short != LONG {
        return Some((usize::from(*short), rest));
    }
    let (len, rest) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*len) as usize, rest))
}

/// Takes the first property off the packed ones: name, and value with its NUL.
fn unpack<'a>(packed: &mut &'a [u8]) -> Option<(&'a str, &'a [u8])> {
    let (name_len, rest) = unpack_len(packed)?;
    let (value_len, rest) = unpack_len(rest)?;
    let (name, rest) = rest.split_at_checked(name_len)?;
    let (value, rest) = rest.split_at_checked(value_len + 1)?;
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
    fn values_of_any_length_come_back() {
        for len in [0, 1, 40, 61, 62, 254, 255, 256, 70_000] {
            let mut builder = MetadataBuilder::new();
            let value = vec![b'v'; len];
            builder.insert("Socket-Type", b"DEALER");
            builder.insert("X-long", &value);
            builder.insert(&"n".repeat(300), b"last");
            let metadata = builder.build();
            assert_eq!(metadata.get("X-long"), Some(&value[..]));
            assert_eq!(metadata.get(&"n".repeat(300)), Some(&b"last"[..]));
            assert_eq!(metadata.iter().count(), 3);
        }
    }

    #[test]
    fn those_of_most_connections_take_no_memory_of_their_own() {
        let mut builder = MetadataBuilder::new();
        builder
            .insert("Socket-Type", b"DEALER")
            .insert("Identity", b"")
            .insert("Peer-Address", b"127.255.255.255");
        let metadata = builder.build();
        assert!(matches!(metadata.0.properties, Packed::Here { .. }));
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
