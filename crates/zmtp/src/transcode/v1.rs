// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZMTP 1.0 framing (RFC 13), the wire of ZeroMQ 2.x.
//!
//! ```text
//! short:  length + 1, 1 byte (1 to 254)      | flags (MORE) | body
//! long:   0xFF | length + 1, 8 bytes         | flags (MORE) | body
//! ```
//!
//! Only headers are rewritten; bodies pass through, so nothing is held but a half header.

use ferromq_message::frame;

use super::Transcoder;
use crate::command::append_header;
use crate::handshake::Fault;

/// ZMTP 3 framing to and from ZMTP 1.0 framing.
#[derive(Debug)]
pub struct V1 {
    outbound: Direction,
    inbound: Direction,
    max_frame_size: u64,
    /// What the peer would say if it were younger.
    due: Vec<u8>,
}

/// One direction: inside a header, or this many bytes before the next one.
#[derive(Debug, Default)]
struct Direction {
    header: Vec<u8>,
    body: u64,
    /// The body is thrown away.
    skip: bool,
}

impl V1 {
    /// Accepts bodies up to `max_frame_size` bytes; a negative number is no limit.
    ///
    /// contract 3.3: "For an *unversioned 1.0* peer PUB/XPUB inject a phantom subscribe-all (2.x
    /// SUB did not forward)": that is what `subscribes_to_all` asks for.
    #[must_use]
    pub fn new(max_frame_size: i64, subscribes_to_all: bool) -> Self {
        let mut due = Vec::new();
        if subscribes_to_all {
            crate::subscription::encode_subscribe(crate::greeting::Version::V3_0, b"", &mut due);
        }
        Self {
            outbound: Direction::default(),
            inbound: Direction::default(),
            max_frame_size: u64::try_from(max_frame_size).unwrap_or(UNLIMITED),
            due,
        }
    }
}

impl Transcoder for V1 {
    /// Commands are left out: ZMTP 1.0 knows none.
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut rest = frames;
        while self.outbound.pass_body(&mut rest, out)? {
            let Some((byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.outbound.header.push(*byte);
            let Some(header) = frame::decode(&self.outbound.header) else {
                continue;
            };
            if !header.command() {
                encode_header(header.more(), header.body_len, out);
            }
            self.outbound.begin_body(header.body_len, header.command());
        }
        Ok(())
    }

    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        out.append(&mut self.due);
        let mut rest = bytes;
        while self.inbound.pass_body(&mut rest, out)? {
            let Some((byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.inbound.header.push(*byte);
            let Some(header) = decode_header(&self.inbound.header)? else {
                continue;
            };
            // contract 3.2: "MAXMSGSIZE checked against the length before allocation"
            if header.body_len > self.max_frame_size {
                return Err(Fault::FrameTooLarge);
            }
            let len = usize::try_from(header.body_len).map_err(|_large| Fault::FrameTooLarge)?;
            let flags = if header.more { frame::MORE } else { 0 };
            append_header(flags, len, out);
            self.inbound.begin_body(header.body_len, false);
        }
        Ok(())
    }

    fn is_at_boundary(&self) -> bool {
        self.outbound.body == 0 && self.outbound.header.is_empty()
    }
}

impl Direction {
    /// Moves what there is of the body; true when it is at its end.
    fn pass_body(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        if self.body == 0 {
            return Ok(true);
        }
        let len = usize::try_from(self.body)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let (part, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        if !self.skip {
            out.try_reserve(part.len())
                .map_err(|_full| Fault::OutOfMemory)?;
            out.extend_from_slice(part);
        }
        *rest = after;
        self.body = self.body.saturating_sub(part.len() as u64);
        Ok(self.body == 0)
    }

    fn begin_body(&mut self, len: u64, skip: bool) {
        self.header.clear();
        self.body = len;
        self.skip = skip;
    }
}

/// A header of ZMTP 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) more: bool,
    pub(crate) header_len: usize,
    pub(crate) body_len: u64,
}

/// The header at the start of `bytes`; `None` while bytes are missing.
///
/// contract 3.2: "len 0 is an error": it counts the flags octet.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let (len, header_len, flags) = match bytes {
        [0xff, rest @ ..] => {
            let Some(len) = rest.first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*len), LONG_HEADER, rest.get(8))
        }
        [len, rest @ ..] => (u64::from(*len), SHORT_HEADER, rest.first()),
        [] => return Ok(None),
    };
    let body_len = len.checked_sub(1).ok_or(Fault::MalformedFrame)?;
    Ok(flags.map(|flags| Header {
        more: flags & frame::MORE != 0,
        header_len,
        body_len,
    }))
}

/// Appends a header of ZMTP 1.0.
pub(crate) fn encode_header(more: bool, body_len: u64, out: &mut Vec<u8>) {
    let len = body_len.saturating_add(1);
    match u8::try_from(len) {
        // contract 3.2: "A 1.0 length octet may not be 0xFF for short (body <= 253)."
        Ok(short) if short != 0xff => out.push(short),
        _ => {
            out.push(0xff);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    out.push(u8::from(more));
}

const SHORT_HEADER: usize = 2;
const LONG_HEADER: usize = 10;
/// No implementation gets beyond a signed length.
const UNLIMITED: u64 = i64::MAX.unsigned_abs();

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(frames: &[u8], step: usize) -> Vec<u8> {
        let mut v1 = V1::new(-1, false);
        let mut out = Vec::new();
        for piece in frames.chunks(step) {
            v1.encode(piece, &mut out).unwrap();
        }
        assert!(v1.is_at_boundary());
        out
    }

    fn decoded(bytes: &[u8], step: usize) -> Result<Vec<u8>, Fault> {
        let mut v1 = V1::new(300, false);
        let mut out = Vec::new();
        for piece in bytes.chunks(step) {
            v1.decode(piece, &mut out)?;
        }
        Ok(out)
    }

    #[test]
    fn known_frames_both_ways() {
        let body = |len| vec![b'x'; len];
        let cases: [(Vec<u8>, Vec<u8>); 6] = [
            (b"\0\0".to_vec(), b"\x01\0".to_vec()),
            (b"\x01\x01a\0\x01b".to_vec(), b"\x02\x01a\x02\0b".to_vec()),
            (
                [&[0, 253][..], &body(253)].concat(),
                [&[254, 0][..], &body(253)].concat(),
            ),
            (
                [&[0, 254][..], &body(254)].concat(),
                [&[255, 0, 0, 0, 0, 0, 0, 0, 255, 0][..], &body(254)].concat(),
            ),
            (
                [&[1, 255][..], &body(255)].concat(),
                [&[255, 0, 0, 0, 0, 0, 0, 1, 0, 1][..], &body(255)].concat(),
            ),
            (
                [&[2, 0, 0, 0, 0, 0, 0, 1, 0][..], &body(256)].concat(),
                [&[255, 0, 0, 0, 0, 0, 0, 1, 1, 0][..], &body(256)].concat(),
            ),
        ];
        for (v3, v1) in cases {
            for step in [1, 2, 7, 1000] {
                assert_eq!(encoded(&v3, step), v1);
                assert_eq!(decoded(&v1, step).unwrap(), v3);
            }
        }
    }

    #[test]
    fn commands_do_not_reach_it() {
        let frames = b"\x04\x07\x04PING\0\0\0\x01a\x06\0\0\0\0\0\0\0\x01x\0\x01b";
        for step in [1, 3, 100] {
            assert_eq!(encoded(frames, step), b"\x02\0a\x02\0b");
        }
    }

    #[test]
    fn lengths_are_checked_before_anything_is_held() {
        let cases: [(&[u8], Fault); 4] = [
            (b"\0", Fault::MalformedFrame),
            (b"\xff\0\0\0\0\0\0\0\0\0", Fault::MalformedFrame),
            (b"\xff\0\0\0\0\0\0\x01\x2e\0", Fault::FrameTooLarge),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", Fault::FrameTooLarge),
        ];
        for (bytes, fault) in cases {
            assert_eq!(decoded(bytes, 1), Err(fault), "{bytes:?}");
            assert_eq!(decoded(bytes, 100), Err(fault), "{bytes:?}");
        }
        assert!(decoded(b"\xff\0\0\0\0\0\0\x01\x2d\0", 1).is_ok());
    }

    #[test]
    fn a_peer_that_cannot_subscribe_wants_everything() {
        let mut v1 = V1::new(-1, true);
        let mut out = Vec::new();
        v1.decode(b"", &mut out).unwrap();
        assert_eq!(out, b"\0\x01\x01");
        v1.decode(b"", &mut out).unwrap();
        assert_eq!(out.len(), 3);
    }
}
