// SPDX-License-Identifier: MIT OR Apache-2.0
//! The greeting: 64 bytes that say who speaks which version.
//!
//! ```text
//!  0     1                    9     10     11     12               32         33        64
//! ┌─────┬────────────────────┬─────┬──────┬──────┬────────────────┬──────────┬─────────┐
//! │ FF  │ padding (8)        │ 7F  │ 03   │ 01   │ mechanism (20) │ as-server│ 00 (31) │
//! └─────┴────────────────────┴─────┴──────┴──────┴────────────────┴──────────┴─────────┘
//!  signature                        version
//! ```
//!
//! The two sides feel their way, because a peer from before 3.0 would take the rest of the greeting
//! for frames: first the signature; the major version once the peer's signature is whole and
//! versioned; everything else once the peer's revision is known to be 3.0 or later. A peer may send
//! all 64 bytes at once, or one at a time.

use crate::mechanism::NAME_LEN;

/// Bytes of the signature, which goes out before anything is known of the peer.
pub const SIGNATURE_LEN: usize = 10;
/// Bytes of a whole greeting.
pub const GREETING_LEN: usize = 64;

/// What the peer's first bytes say it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// ZMTP 1.0 that knows no versions: its first byte is the length of its identity frame.
    V1_0Unversioned,
    /// ZMTP 1.0 framing behind a signature (revision 0), or a long identity frame.
    V1_0,
    /// ZMTP 2.0 (revision 1).
    V2_0,
    /// ZMTP 3.0.
    V3_0,
    /// ZMTP 3.1, or something later that must speak it with us.
    V3_1,
}

/// The version both sides speak from the end of the greeting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// Another framing, see [`transcode::v1`](crate::transcode::v1); no commands.
    V1_0,
    /// The framing of 3.0; no commands.
    V2_0,
    /// Subscriptions are messages.
    V3_0,
    /// Subscriptions are commands.
    V3_1,
}

/// The first byte can begin neither a signature nor an identity frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotZmtp;

/// Both halves of the greeting: takes the peer's bytes one by one if need be, and says what of ours
/// may go out by now.
#[derive(Clone, Debug)]
pub struct Greeting {
    ours: [u8; GREETING_LEN],
    theirs: Vec<u8>,
    protocol: Option<Protocol>,
}

impl Greeting {
    /// A greeting for `mechanism` (20 bytes, padded with zeros). `identity_len` is the length of
    /// our routing id: the padding of the signature makes it the header of a ZMTP 1.0 frame.
    #[must_use]
    pub fn new(mechanism: &[u8; NAME_LEN], identity_len: usize) -> Self {
        let [a, b, c, d, e, f, g, h] = u64::try_from(identity_len)
            .unwrap_or(u64::MAX)
            .saturating_add(1)
            .to_be_bytes();
        let mut ours = [0; GREETING_LEN];
        let head = [0xff, a, b, c, d, e, f, g, h, 0x7f, MAJOR, MINOR];
        // contract 3.1: "as-server ALWAYS 0, even for PLAIN/CURVE servers"
        for (to, from) in ours.iter_mut().zip(head.iter().chain(mechanism)) {
            *to = *from;
        }
        Self {
            ours,
            theirs: Vec::new(),
            protocol: None,
        }
    }

    /// Takes the peer's bytes and says how many belonged to the greeting. Stops where the greeting
    /// ends, and as soon as the peer turns out to be older than 3.0.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<usize, NotZmtp> {
        let mut taken = 0_usize;
        for byte in input {
            if self.is_settled() {
                break;
            }
            if self.theirs.is_empty() && *byte == 0 {
                // A ZMTP 1.0 length counts the flags octet, so it is never zero.
                return Err(NotZmtp);
            }
            self.theirs.push(*byte);
            taken = taken.saturating_add(1);
            self.protocol = detect(&self.theirs);
        }
        Ok(taken)
    }

    /// How many of the bytes of [`ours`](Self::ours) may have gone out by now.
    #[must_use]
    pub fn sendable(&self) -> usize {
        // An unversioned peer, or not enough of its signature to tell.
        if !self.signature_is_versioned() {
            return SIGNATURE_LEN;
        }
        // contract 3.1: "After receiving byte 10 (peer revision): revision 0 or 1 -> it sends ONE
        // byte: its socket type [...]; otherwise it sends minor=1, mechanism, 32 zero bytes".
        match self.theirs.get(REVISION_AT) {
            None | Some(0 | 1) => MAJOR_END,
            Some(_) => GREETING_LEN,
        }
    }

    /// Our side of the greeting, all 64 bytes.
    #[must_use]
    pub fn ours(&self) -> &[u8; GREETING_LEN] {
        &self.ours
    }

    /// What arrived so far; a peer older than 3.0 has these bytes as the beginning of its stream.
    #[must_use]
    pub fn theirs(&self) -> &[u8] {
        &self.theirs
    }

    /// What the peer speaks, as soon as its bytes say so (before the greeting is over).
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// The version to speak, once the peer's greeting is complete.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        if self.theirs.len() < GREETING_LEN {
            return None;
        }
        match self.protocol {
            Some(Protocol::V3_0) => Some(Version::V3_0),
            Some(Protocol::V3_1) => Some(Version::V3_1),
            _ => None,
        }
    }

    /// The peer's mechanism, as the 20 bytes it sent.
    #[must_use]
    pub fn mechanism(&self) -> Option<[u8; NAME_LEN]> {
        self.theirs.get(MECHANISM_AT..)?.first_chunk().copied()
    }

    /// Nothing more of the peer's stream belongs to the greeting.
    fn is_settled(&self) -> bool {
        match self.protocol {
            Some(Protocol::V3_0 | Protocol::V3_1) => self.theirs.len() >= GREETING_LEN,
            Some(_) => true,
            None => false,
        }
    }

    fn signature_is_versioned(&self) -> bool {
        self.theirs.first() == Some(&0xff)
            && self
                .theirs
                .get(FLAGS_AT)
                .is_some_and(|flags| flags & 1 == 1)
    }
}

/// contract 3.1, items 2 to 4.
fn detect(theirs: &[u8]) -> Option<Protocol> {
    // "First byte != 0xFF -> unversioned ZMTP/1.0 peer."
    if *theirs.first()? != 0xff {
        return Some(Protocol::V1_0Unversioned);
    }
    // "After 10 bytes: if byte[9] bit0 == 0 -> ZMTP/1.0 peer (byte 9 was the flags octet of a long
    // identity frame)."
    if theirs.get(FLAGS_AT)? & 1 == 0 {
        return Some(Protocol::V1_0Unversioned);
    }
    // "rev 0 -> 1.0 framing with versioned signature; rev 1 -> 2.0; rev 3 minor 0 -> 3.0; rev 3
    // minor>=1 and any other revision (2, 4...) -> 3.1."
    match *theirs.get(REVISION_AT)? {
        0 => Some(Protocol::V1_0),
        1 => Some(Protocol::V2_0),
        MAJOR => match theirs.get(MINOR_AT) {
            None => None,
            Some(0) => Some(Protocol::V3_0),
            Some(_) => Some(Protocol::V3_1),
        },
        _ => Some(Protocol::V3_1),
    }
}

const MAJOR: u8 = 3;
const MINOR: u8 = 1;
const FLAGS_AT: usize = 9;
const REVISION_AT: usize = 10;
const MINOR_AT: usize = 11;
const MECHANISM_AT: usize = 12;
const MAJOR_END: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::Kind;

    fn null() -> Greeting {
        Greeting::new(&Kind::Null.wire_name(), 0)
    }

    fn peer(revision: u8, minor: u8) -> Vec<u8> {
        let mut bytes = null().ours().to_vec();
        bytes[REVISION_AT] = revision;
        bytes[MINOR_AT] = minor;
        bytes
    }

    #[test]
    fn ours_is_laid_out_as_the_rfc_draws_it() {
        let greeting = Greeting::new(&Kind::Null.wire_name(), 4);
        let ours = greeting.ours();
        assert_eq!(ours[..10], [0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0x7f]);
        assert_eq!(ours[10..12], [3, 1]);
        assert_eq!(ours[12..32], *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(ours[32..], [0; 32]);
    }

    #[test]
    fn every_kind_of_peer_is_told_apart() {
        let long_identity = [0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0];
        let cases: &[(&[u8], Protocol, usize, usize)] = &[
            // bytes, what they say, how many are taken, how many of ours may be out
            (&[1, 0], Protocol::V1_0Unversioned, 1, 10),
            (
                &[6, 0, b'h', b'e', b'l', b'l', b'o'],
                Protocol::V1_0Unversioned,
                1,
                10,
            ),
            (b"GET / HTTP/1.1\r\n", Protocol::V1_0Unversioned, 1, 10),
            (&long_identity, Protocol::V1_0Unversioned, 10, 10),
            (&peer(0, 0), Protocol::V1_0, 11, 11),
            (&peer(1, 5), Protocol::V2_0, 11, 11),
            (&peer(2, 0), Protocol::V3_1, 64, 64),
            (&peer(3, 0), Protocol::V3_0, 64, 64),
            (&peer(3, 1), Protocol::V3_1, 64, 64),
            (&peer(3, 9), Protocol::V3_1, 64, 64),
            (&peer(4, 0), Protocol::V3_1, 64, 64),
            (&peer(255, 0), Protocol::V3_1, 64, 64),
        ];
        for (bytes, protocol, taken, sendable) in cases {
            let mut whole = null();
            assert_eq!(whole.handle_input(bytes), Ok(*taken), "{bytes:?}");
            assert_eq!(whole.protocol(), Some(*protocol), "{bytes:?}");
            assert_eq!(whole.sendable(), *sendable, "{bytes:?}");
            assert_eq!(whole.version().is_some(), *taken == 64);

            let mut bytewise = null();
            let total: usize = bytes
                .iter()
                .map(|byte| bytewise.handle_input(&[*byte]).unwrap())
                .sum();
            assert_eq!(
                (total, bytewise.protocol()),
                (*taken, Some(*protocol)),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_zero_first_byte_is_no_zmtp() {
        assert_eq!(null().handle_input(&[0]), Err(NotZmtp));
    }

    #[test]
    fn our_bytes_are_released_step_by_step() {
        let mut greeting = null();
        let theirs = peer(3, 1);
        let mut seen = vec![greeting.sendable()];
        for byte in &theirs {
            greeting.handle_input(&[*byte]).unwrap();
            seen.push(greeting.sendable());
        }
        assert_eq!(seen[..10], [10; 10]);
        assert_eq!(seen[10], 11);
        assert_eq!(seen[11..], [64; 54]);
    }

    #[test]
    fn padding_as_server_and_filler_are_not_looked_at() {
        let mut theirs = peer(3, 1);
        theirs[1..9].fill(0xaa);
        theirs[9] = 0x01;
        theirs[32..].fill(0xee);
        let mut greeting = null();
        assert_eq!(greeting.handle_input(&theirs), Ok(64));
        assert_eq!(greeting.version(), Some(Version::V3_1));
        assert_eq!(greeting.mechanism(), Some(Kind::Null.wire_name()));
    }

    #[test]
    fn bytes_behind_the_greeting_are_left() {
        let mut theirs = peer(3, 0);
        theirs.extend_from_slice(&[4, 1, 2, 3]);
        let mut greeting = null();
        assert_eq!(greeting.handle_input(&theirs), Ok(64));
        assert_eq!(greeting.handle_input(&[4]), Ok(0));
        assert_eq!(greeting.theirs().len(), 64);
    }
}
