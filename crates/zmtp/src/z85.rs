// SPDX-License-Identifier: MIT OR Apache-2.0
//! Z85 (RFC 32): four bytes as five printable characters, for keys in configuration files.
//!
//! ```text
//! 4 bytes, big-endian  =  c0 * 85^4 + c1 * 85^3 + c2 * 85^2 + c3 * 85 + c4
//! ```

use std::error::Error;
use std::fmt;

/// The text or the bytes cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvalidZ85 {
    /// A character that is none of the 85.
    Character,
    /// The number of bytes is not divisible by 4, or the number of characters not by 5.
    Length,
    /// Five characters that stand for more than 32 bits.
    Overflow,
}

impl fmt::Display for InvalidZ85 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "a character that Z85 does not know",
            Self::Length => "the length must be divisible by 4 (bytes) or 5 (characters)",
            Self::Overflow => "five characters that stand for more than 32 bits",
        })
    }
}

impl Error for InvalidZ85 {}

/// The text of these bytes; their number must be divisible by 4.
pub fn encode(bytes: &[u8]) -> Result<String, InvalidZ85> {
    let (groups, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(InvalidZ85::Length);
    }
    let mut text = String::with_capacity(groups.len().saturating_mul(5));
    for group in groups {
        let value = u32::from_be_bytes(*group);
        for divisor in POWERS {
            let digit = value.checked_div(divisor).unwrap_or(0).wrapping_rem(85);
            let digit = usize::try_from(digit).unwrap_or(0);
            text.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        }
    }
    Ok(text)
}

/// The bytes of this text; the number of its characters must be divisible by 5.
pub fn decode(text: &str) -> Result<Vec<u8>, InvalidZ85> {
    let (groups, rest) = text.as_bytes().as_chunks::<5>();
    if !rest.is_empty() {
        return Err(InvalidZ85::Length);
    }
    let mut bytes = Vec::with_capacity(groups.len().saturating_mul(4));
    for group in groups {
        let mut value = 0_u64;
        for character in group {
            let digit = digit_of(*character).ok_or(InvalidZ85::Character)?;
            value = value.saturating_mul(85).saturating_add(digit);
        }
        let value = u32::try_from(value).map_err(|_large| InvalidZ85::Overflow)?;
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    Ok(bytes)
}

/// A key of 32 bytes from its 40 characters.
pub fn decode_key(text: &str) -> Result<[u8; 32], InvalidZ85> {
    let mut bytes = decode(text)?;
    let key = bytes.first_chunk().copied().filter(|_| bytes.len() == 32);
    bytes.fill(0);
    key.ok_or(InvalidZ85::Length)
}

/// Looks at all 85 whatever the character: keys are secrets, and an index would tell of them.
fn digit_of(character: u8) -> Option<u64> {
    let mut found = None;
    for (digit, candidate) in (0_u64..).zip(DIGITS) {
        if *candidate == character {
            found = Some(digit);
        }
    }
    found
}

const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const POWERS: [u32; 5] = [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(encode(&bytes).unwrap(), "HelloWorld");
        assert_eq!(decode("HelloWorld").unwrap(), bytes);
    }

    #[test]
    fn the_test_keys_of_the_rfc() {
        let key = [
            0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b, 0x30, 0xc5, 0x5a, 0x53, 0x21, 0xce,
            0xbb, 0x5a, 0xab, 0x2b, 0x70, 0xa3, 0x98, 0x64, 0x5c, 0x26, 0xdc, 0xa2, 0xb2, 0xfc,
            0xb4, 0x3f, 0xc5, 0x18,
        ];
        let text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
        assert_eq!(encode(&key).unwrap(), text);
        assert_eq!(decode_key(text).unwrap(), key);
    }

    #[test]
    fn every_group_comes_back() {
        for value in (0..=u32::MAX).step_by(65_521).chain([u32::MAX]) {
            let bytes = value.to_be_bytes();
            assert_eq!(decode(&encode(&bytes).unwrap()).unwrap(), bytes);
        }
        assert_eq!(encode(b"").unwrap(), "");
        assert_eq!(decode("").unwrap(), b"");
    }

    #[test]
    fn what_is_none_is_told_apart() {
        let cases = [
            ("0000", InvalidZ85::Length),
            ("000000", InvalidZ85::Length),
            ("0000\\", InvalidZ85::Character),
            ("0000 ", InvalidZ85::Character),
            ("000é", InvalidZ85::Character),
            ("%nSc1", InvalidZ85::Overflow),
            ("#####", InvalidZ85::Overflow),
        ];
        for (text, error) in cases {
            assert_eq!(decode(text), Err(error), "{text}");
            assert!(!error.to_string().is_empty());
        }
        assert_eq!(decode("%nSc0").unwrap(), [0xff; 4]);
        assert_eq!(encode(b"abc"), Err(InvalidZ85::Length));
        assert_eq!(decode_key("HelloWorld"), Err(InvalidZ85::Length));
    }
}
