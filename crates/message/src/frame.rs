// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame header of ZMTP 2.0, 3.0 and 3.1 (RFC 15, 23, 37).
//!
//! ```text
//! short:  flags (LONG clear) | length, 1 byte                 | body
//! long:   flags (LONG set)   | length, 8 bytes, network order | body
//! ```
//!
//! A sender uses the long form only for bodies of more than 255 bytes; a receiver takes either.

/// Flag bit: more frames of the same message follow.
pub const MORE: u8 = 0x01;
/// Flag bit: the length has eight bytes.
pub const LONG: u8 = 0x02;
/// Flag bit: the frame is a command, not a message.
pub const COMMAND: u8 = 0x04;
/// The longest header, in bytes.
pub const MAX_HEADER: usize = 9;

/// A decoded frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`MORE`], [`LONG`] and [`COMMAND`] as received; other bits are cleared.
    pub flags: u8,
    /// Bytes the header itself takes: 2 or 9.
    pub header_len: usize,
    /// Bytes of body that follow, as the peer claims.
    pub body_len: u64,
}

impl Header {
    /// More frames of the same message follow.
    #[inline(always)]
    pub const fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// The frame is a command.
    #[inline(always)]
    pub const fn command(&self) -> bool {
        self.flags & COMMAND != 0
    }
}

/// Bytes that the header of a body of this length takes: 2 or 9.
#[inline(always)]
pub const fn header_len(body_len: usize) -> usize {
    if body_len > SHORT_MAX { MAX_HEADER } else { 2 }
}

/// Encodes a header; `flags` are [`MORE`] and [`COMMAND`], the form follows from the length.
///
/// The second value is the number of bytes that count, 2 or 9; the rest is zero.
#[inline(always)]
pub fn encode(flags: u8, body_len: usize) -> ([u8; MAX_HEADER], usize) {
    let flags = flags & (MORE | COMMAND);
    if body_len > SHORT_MAX {
        let [a, b, c, d, e, f, g, h] = (body_len as u64).to_be_bytes();
        ([flags | LONG, a, b, c, d, e, f, g, h], MAX_HEADER)
    } else {
        ([flags, body_len as u8, 0, 0, 0, 0, 0, 0, 0], 2)
    }
}

/// Decodes the header at the start of `bytes`; `None` while bytes are missing.
///
/// Unknown flag bits are ignored and a long form is taken for a short body, as libzmq does. Whether
/// the body length is acceptable is the caller's decision, to be made before anything is allocated.
#[inline(always)]
pub fn decode(bytes: &[u8]) -> Option<Header> {
    let (&first, rest) = bytes.split_first()?;
    let flags = first & (MORE | LONG | COMMAND);
    if flags & LONG == 0 {
        let &len = rest.first()?;
        Some(Header {
            flags,
            header_len: 2,
            body_len: u64::from(len),
        })
    } else {
        let &len = rest.first_chunk::<8>()?;
        Some(Header {
            flags,
            header_len: MAX_HEADER,
            body_len: u64::from_be_bytes(len),
        })
    }
}

/// The longest body of the short form.
const SHORT_MAX: usize = 0xFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_headers() {
        let table: [(u8, usize, &[u8]); 8] = [
            (0, 0, &[0x00, 0x00]),
            (0, 5, &[0x00, 0x05]),
            (MORE, 255, &[0x01, 0xFF]),
            (COMMAND, 26, &[0x04, 0x1A]),
            (MORE | COMMAND, 1, &[0x05, 0x01]),
            (0, 256, &[0x02, 0, 0, 0, 0, 0, 0, 1, 0]),
            (MORE, 0x0102_0304, &[0x03, 0, 0, 0, 0, 1, 2, 3, 4]),
            (COMMAND, 65_536, &[0x06, 0, 0, 0, 0, 0, 1, 0, 0]),
        ];
        for (flags, body_len, wire) in table {
            let (bytes, len) = encode(flags, body_len);
            assert_eq!(&bytes[..len], wire);
            assert_eq!(header_len(body_len), len);
            for cut in 0..len {
                assert_eq!(decode(&bytes[..cut]), None, "{cut} of {wire:02x?}");
            }
            let header = decode(wire).unwrap();
            assert_eq!(header.header_len, len);
            assert_eq!(header.body_len, body_len as u64);
            assert_eq!(header.more(), flags & MORE != 0);
            assert_eq!(header.command(), flags & COMMAND != 0);
        }
    }

    #[test]
    fn a_long_form_need_not_be_minimal() {
        let header = decode(&[LONG, 0, 0, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c']).unwrap();
        assert_eq!(
            header,
            Header {
                flags: LONG,
                header_len: 9,
                body_len: 3
            }
        );
    }

    #[test]
    fn unknown_flag_bits_are_ignored() {
        let header = decode(&[0xF9, 7]).unwrap();
        assert_eq!(
            header,
            Header {
                flags: MORE,
                header_len: 2,
                body_len: 7
            }
        );
    }

    #[test]
    fn the_largest_length_is_only_a_number() {
        let header = decode(&[0xFF; 9]).unwrap();
        assert_eq!(header.body_len, u64::MAX);
        let (bytes, len) = encode(0, usize::MAX);
        assert_eq!(decode(&bytes[..len]).unwrap().body_len, usize::MAX as u64);
    }

    #[test]
    fn encode_takes_no_foreign_bits() {
        assert_eq!(encode(0xFF, 1).0[0], MORE | COMMAND);
    }
}
