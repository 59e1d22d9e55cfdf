// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lines spoken between a test and a peer process.
//!
//! The peer greets with `ok VERSION PATH`. Then each line is a request, `VERB SOCKET ARGUMENT…`,
//! and has one answer, `ok VALUE…` or `error TEXT`; an answer that nothing came in time is
//! `again`. Waiting is always bounded by an argument.
//!
//! | request | answer |
//! |---|---|
//! | `open TYPE` | the number of the new socket, for the requests below |
//! | `set N OPTION VALUE`, `get N OPTION` | |
//! | `bind N ENDPOINT`, `connect N ENDPOINT` | the last endpoint |
//! | `unbind N ENDPOINT`, `disconnect N ENDPOINT` | |
//! | `subscribe N BYTES`, `unsubscribe N BYTES`, `join N GROUP` | |
//! | `zap N` | from now on its context has a ZAP handler, which lets everybody in as "theirs" |
//! | `asked N` | the frames of the last question to it |
//! | `user N` | whom an authenticator knows the sender of the last message as, or `none` |
//! | `send N MILLISECONDS PART…` | |
//! | `recv N MILLISECONDS` | the parts as [`Seen`] |
//! | `burst N MILLISECONDS SOURCE FIRST COUNT SIZE` | how many were sent |
//! | `drain N MILLISECONDS COUNT` | a [`Tally`] |
//! | `echo N MILLISECONDS COUNT` | how many were received and sent back |
//! | `event N MILLISECONDS NAME` | the monitor event was seen; those before it are gone |
//! | `close N` | everything of it is gone when the answer comes |
//! | `exit` | |
//!
//! Bytes are `x` and hexadecimal digits; a value may be a decimal number instead.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::Failure;

/// One part of a message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes that follow from the seed.
    Pattern {
        /// How many bytes.
        len: usize,
        /// Different seeds give different bytes.
        seed: u64,
    },
}

impl Part {
    /// A part of this text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    /// The bytes to send.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Pattern { len, seed } => {
                let mut bytes = Vec::with_capacity(len.next_multiple_of(8));
                let mut word = seed.wrapping_mul(GOLDEN).wrapping_add(GOLDEN);
                while bytes.len() < *len {
                    word = (word ^ (word >> 29)).wrapping_mul(GOLDEN);
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
                bytes.truncate(*len);
                bytes
            }
        }
    }

    /// What a receiver of this part sees.
    pub fn seen(&self) -> Seen {
        Seen::of(&self.bytes())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "x{}", Hex(bytes)),
            Self::Pattern { len, seed } => write!(f, "p{len}.{seed}"),
        }
    }
}

impl FromStr for Part {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let Some(pattern) = word.strip_prefix('p') else {
            return bytes(word).map(Self::Bytes);
        };
        let (len, seed) = pattern.split_once('.').ok_or_else(|| not_a("part", word))?;
        Ok(Self::Pattern {
            len: number(len)?,
            seed: number(seed)?,
        })
    }
}

/// One part of a message that was received: whole if it is short, otherwise its length and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A longer part.
    Hashed {
        /// How many bytes.
        len: usize,
        /// Their hash.
        hash: u64,
    },
}

impl Seen {
    /// What these bytes are seen as.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.len() <= SHORT {
            return Self::Bytes(bytes.to_vec());
        }
        Self::Hashed {
            len: bytes.len(),
            hash: hash(bytes),
        }
    }

    /// What a text is seen as.
    pub fn text(text: &str) -> Self {
        Self::of(text.as_bytes())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "x{}", Hex(bytes)),
            Self::Hashed { len, hash } => write!(f, "h{len}.{hash}"),
        }
    }
}

impl FromStr for Seen {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let Some(hashed) = word.strip_prefix('h') else {
            return bytes(word).map(Self::Bytes);
        };
        let (len, hash) = hashed.split_once('.').ok_or_else(|| not_a("part", word))?;
        Ok(Self::Hashed {
            len: number(len)?,
            hash: number(hash)?,
        })
    }
}

/// A numbered message: who sent it, its number, and filling up to the size (16 at least).
pub fn numbered(source: u64, number: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0x5a; size.max(NUMBERED)];
    bytes[..8].copy_from_slice(&source.to_le_bytes());
    bytes[8..NUMBERED].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// What came in of numbered messages, by their source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By source.
    pub sources: BTreeMap<u64, Sequence>,
    /// Messages that are no numbered ones.
    pub foreign: u64,
}

/// What came in from one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequence {
    /// How many messages.
    pub count: u64,
    /// The number of the first.
    pub first: u64,
    /// The number after the highest.
    pub next: u64,
    /// Numbers left out.
    pub missing: u64,
    /// Messages with a number not above one seen before: duplicates or out of order.
    pub stale: u64,
}

impl Tally {
    /// Counts a message, given as its parts.
    pub fn add<P: AsRef<[u8]>>(&mut self, parts: &[P]) {
        let part = parts.last().map_or(&[][..], AsRef::as_ref);
        let (Some((source, rest)), 1) = (part.split_first_chunk::<8>(), parts.len()) else {
            self.foreign += 1;
            return;
        };
        let Some((number, filling)) = rest.split_first_chunk::<8>() else {
            self.foreign += 1;
            return;
        };
        if filling.iter().any(|byte| *byte != 0x5a) {
            self.foreign += 1;
            return;
        }
        let number = u64::from_le_bytes(*number);
        let sequence = self
            .sources
            .entry(u64::from_le_bytes(*source))
            .or_insert_with(|| Sequence {
                first: number,
                next: number,
                ..Sequence::default()
            });
        sequence.count += 1;
        if number < sequence.next {
            sequence.stale += 1;
        } else {
            sequence.missing += number - sequence.next;
            sequence.next = number + 1;
        }
    }

    /// How many messages came in.
    pub fn count(&self) -> u64 {
        self.foreign
            + self
                .sources
                .values()
                .map(|sequence| sequence.count)
                .sum::<u64>()
    }

    /// Whether this is all of these numbers from this source, once each, in order, and no more.
    pub fn is_exactly(&self, source: u64, first: u64, count: u64) -> bool {
        let whole = Sequence {
            count,
            first,
            next: first + count,
            missing: 0,
            stale: 0,
        };
        self.foreign == 0 && self.sources.len() == 1 && self.sources.get(&source) == Some(&whole)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "foreign={}", self.foreign)?;
        for (
            source,
            Sequence {
                count,
                first,
                next,
                missing,
                stale,
            },
        ) in &self.sources
        {
            write!(f, " {source}={count}:{first}:{next}:{missing}:{stale}")?;
        }
        Ok(())
    }
}

impl FromStr for Tally {
    type Err = Failure;

    fn from_str(line: &str) -> Result<Self, Failure> {
        let mut tally = Self::default();
        for word in line.split(' ') {
            let (name, value) = word.split_once('=').ok_or_else(|| not_a("tally", line))?;
            if name == "foreign" {
                tally.foreign = number(value)?;
                continue;
            }
            let numbers = value
                .split(':')
                .map(number)
                .collect::<Result<Vec<u64>, _>>()?;
            let [count, first, next, missing, stale] = numbers[..] else {
                return Err(not_a("tally", line));
            };
            let sequence = Sequence {
                count,
                first,
                next,
                missing,
                stale,
            };
            tally.sources.insert(number(name)?, sequence);
        }
        Ok(tally)
    }
}

/// Bytes as hexadecimal digits.
#[derive(Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads `x` and hexadecimal digits.
pub fn bytes(word: &str) -> Result<Vec<u8>, Failure> {
    let digits = word
        .strip_prefix('x')
        .filter(|digits| digits.len() % 2 == 0 && digits.is_ascii());
    let digits = digits.ok_or_else(|| not_a("byte string", word))?;
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
        .collect::<Result<_, _>>()
        .map_err(|_error| not_a("byte string", word))
}

/// Reads a number.
pub fn number<N: FromStr>(word: &str) -> Result<N, Failure> {
    word.parse().map_err(|_error| not_a("number", word))
}

fn not_a(what: &str, word: &str) -> Failure {
    Failure::new(format!("not a {what}: {word}"))
}

/// FNV-1a over words of eight bytes, the last one filled up with zeros, and the length.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut add = |word: u64| hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    add(u64::from_le_bytes(last));
    add(bytes.len() as u64);
    hash
}

/// Up to here a received part is shown whole.
const SHORT: usize = 256;
/// The shortest numbered message.
const NUMBERED: usize = 16;
/// 2^64 divided by the golden ratio: an odd number without a pattern.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_the_line() {
        for part in [
            Part::Bytes(Vec::new()),
            Part::Bytes(vec![0, 255, 16]),
            Part::Pattern {
                len: 1_000_001,
                seed: 7,
            },
        ] {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        for seen in [Seen::of(&[]), Seen::of(&[1; 256]), Seen::of(&[1; 257])] {
            assert_eq!(seen.to_string().parse(), Ok(seen));
        }
    }

    #[test]
    fn broken_words_are_refused() {
        for word in ["", "x0", "xgg", "xöö", "p1", "p1.", "y"] {
            assert!(word.parse::<Part>().is_err(), "{word}");
        }
    }

    #[test]
    fn every_byte_of_a_pattern_counts() {
        let part = Part::Pattern { len: 1003, seed: 1 };
        let bytes = part.bytes();
        assert_eq!(bytes.len(), 1003);
        assert_ne!(part.seen(), Part::Pattern { len: 1003, seed: 2 }.seen());
        for at in [0, 500, 1002] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(Seen::of(&other), part.seen());
        }
    }

    #[test]
    fn a_tally_sees_gaps_repetition_and_strangers() {
        let tally = |numbers: &[u64]| {
            let mut tally = Tally::default();
            numbers
                .iter()
                .for_each(|n| tally.add(&[numbered(3, *n, 20)]));
            tally
        };
        assert!(tally(&[5, 6, 7]).is_exactly(3, 5, 3));
        assert!(!tally(&[5, 6, 7]).is_exactly(3, 5, 4));
        assert_eq!(tally(&[5, 8]).sources[&3].missing, 2);
        assert_eq!(tally(&[5, 6, 6, 5]).sources[&3].stale, 2);
        let mut strange = tally(&[1]);
        strange.add(&[b"short"]);
        strange.add(&[numbered(3, 2, 16), Vec::new()]);
        assert_eq!((strange.foreign, strange.count()), (2, 3));
        assert_eq!(strange.to_string().parse(), Ok(strange));
    }
}
