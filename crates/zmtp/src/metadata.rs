// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties: what READY says about a peer.
//!
//! ```text
//! property = name-length (1)  name  value-length (4, big-endian)  value
//! ```

use std::collections::BTreeSet;

/// The longest name: its length is one octet.
pub const MAX_NAME: usize = 255;
/// The most bytes of properties accepted from a peer.
pub const MAX_TOTAL: usize = 64 * 1024;

/// Properties in wire order.
pub type Properties = Vec<(String, Vec<u8>)>;

/// The bytes are not a list of properties, or there are too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMetadata;

/// The name is empty or longer than 255 bytes, or the value longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidProperty;

/// Appends one property.
pub fn encode(name: &str, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidProperty> {
    let name_len = u8::try_from(name.len()).ok().filter(|len| *len > 0);
    let (Some(name_len), Ok(value_len)) = (name_len, u32::try_from(value.len())) else {
        return Err(InvalidProperty);
    };
    out.push(name_len);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&value_len.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// Reads all properties. Of two with the same name (RFC 37: "names SHALL be case-insensitive") the
/// first is kept. A trailing half property is an error.
pub fn parse(bytes: &[u8]) -> Result<Properties, InvalidMetadata> {
    if bytes.len() > MAX_TOTAL {
        return Err(InvalidMetadata);
    }
    let mut properties = Properties::new();
    let mut names = BTreeSet::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (name, value, after) = split_property(rest).ok_or(InvalidMetadata)?;
        rest = after;
        if names.insert(name.to_ascii_lowercase()) {
            properties.push((name.to_owned(), value.to_vec()));
        }
    }
    Ok(properties)
}

/// The value of a property, whatever the case of its name.
#[must_use]
pub fn find<'a>(properties: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    properties
        .iter()
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_slice())
}

fn split_property(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (name_len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
    let (value_len, rest) = rest.split_first_chunk()?;
    let value_len = usize::try_from(u32::from_be_bytes(*value_len)).ok()?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty())?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed() {
        let mut bytes = Vec::new();
        encode("Socket-Type", b"DEALER", &mut bytes).unwrap();
        encode("Identity", b"", &mut bytes).unwrap();
        assert_eq!(bytes[..16], *b"\x0bSocket-Type\0\0\0\x06");
        let properties = parse(&bytes).unwrap();
        assert_eq!(
            properties,
            [
                ("Socket-Type".to_owned(), b"DEALER".to_vec()),
                ("Identity".to_owned(), Vec::new())
            ]
        );
        assert_eq!(find(&properties, "socket-TYPE"), Some(&b"DEALER"[..]));
        assert_eq!(find(&properties, "Resource"), None);
    }

    #[test]
    fn the_first_of_two_names_wins_whatever_the_case() {
        let mut bytes = Vec::new();
        for (name, value) in [("X-a", "1"), ("x-A", "2"), ("X-b", "3")] {
            encode(name, value.as_bytes(), &mut bytes).unwrap();
        }
        let properties = parse(&bytes).unwrap();
        assert_eq!(properties.len(), 2);
        assert_eq!(find(&properties, "X-A"), Some(&b"1"[..]));
    }

    #[test]
    fn broken_lists_are_refused() {
        let cases: &[&[u8]] = &[
            b"\x01",
            b"\x03ab",
            b"\x01a",
            b"\x01a\0\0\0",
            b"\x01a\0\0\0\x02x",
            b"\x01a\xff\xff\xff\xffx",
            b"\0\0\0\0\0",
            b"\x01\xff\0\0\0\0",
            b"\x01a\0\0\0\x01x\x07",
        ];
        for bytes in cases {
            assert_eq!(parse(bytes), Err(InvalidMetadata), "{bytes:?}");
        }
        assert_eq!(parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn the_total_is_bounded() {
        let mut bytes = Vec::new();
        encode("a", &vec![0; MAX_TOTAL - 6], &mut bytes).unwrap();
        assert_eq!(bytes.len(), MAX_TOTAL);
        assert!(parse(&bytes).is_ok());
        encode("b", b"", &mut bytes).unwrap();
        assert_eq!(parse(&bytes), Err(InvalidMetadata));
    }

    #[test]
    fn names_that_do_not_fit_are_not_written() {
        let mut out = Vec::new();
        assert_eq!(encode("", b"", &mut out), Err(InvalidProperty));
        assert_eq!(
            encode(&"n".repeat(256), b"", &mut out),
            Err(InvalidProperty)
        );
        assert!(out.is_empty());
        assert_eq!(encode(&"n".repeat(MAX_NAME), b"", &mut out), Ok(()));
    }
}
