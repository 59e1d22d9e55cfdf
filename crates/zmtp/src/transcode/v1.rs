// SPDX-License-Identifier: MIT OR Apache-2.0
//! The framing of ZMTP 1.0 (RFC 13).
//!
//! ```text
//! frame = length flags body          length counts flags and body
//! length = 1..254 | FF and eight bytes, big-endian
//! ```
//!
//! Commands have no place in it: ours are left out.

use ferromq_message::frame;

use super::{Decoder, Encoder};
use crate::command::append_header;
use crate::handshake::Fault;

/// Most bytes of a header.
pub const MAX_HEADER: usize = 10;

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// More frames of this message follow.
    pub more: bool,
    /// Bytes of the header.
    pub header_len: usize,
    /// Bytes behind it.
    pub body_len: u64,
}

/// Appends a header.
pub fn encode_header(more: bool, body_len: u64, out: &mut Vec<u8>) {
    let len = body_len.saturating_add(1);
    // contract 3.2: "A 1.0 length octet may not be 0xFF for short (body <= 253)."
    match u8::try_from(len) {
        Ok(short) if short < LONG => out.push(short),
        _ => {
            out.push(LONG);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    out.push(u8::from(more));
}

/// Reads a header; `None` if it is not whole.
pub fn decode_header(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let (len, rest, header_len) = if *first == LONG {
        let Some((len, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        (u64::from_be_bytes(*len), rest, 10)
    } else {
        (u64::from(*first), rest, 2)
    };
    // contract 3.2: "len 0 is an error"
    let body_len = len.checked_sub(1).ok_or(Fault::MalformedFrame)?;
    let Some(flags) = rest.first() else {
        return Ok(None);
    };
    // RFC 13: "Bits 7-1: Reserved [...] and must be zero": so a browser that calls is found out.
    if *flags > 1 {
        return Err(Fault::MalformedFrame);
    }
    Ok(Some(Header {
        more: *flags == 1,
        header_len,
        body_len,
    }))
}

/// From our framing to that of ZMTP 1.0.
#[derive(Debug, Default)]
pub struct V1Encoder {
    /// The beginning of a header.
    header: Vec<u8>,
    /// Bytes of the body still to come, and whether they are left out.
    body: u64,
    leave_out: bool,
}

/// From the framing of ZMTP 1.0 to ours.
#[derive(Debug)]
pub struct V1Decoder {
    max_frame_size: u64,
    /// The beginning of a header.
    header: Vec<u8>,
    /// Bytes of the body still to come.
    body: u64,
    /// A subscription to everything is still to be made up.
    phantom: bool,
}

impl V1Decoder {
    /// Refuses bodies larger than `max_frame_size`; a negative number is no limit. With `phantom`
    /// the peer seems to have subscribed to everything.
    ///
    /// contract 3.3: "For an *unversioned 1.0* peer PUB/XPUB inject a phantom subscribe-all (2.x SUB
    /// did not forward)."
    #[must_use]
    pub fn new(max_frame_size: i64, phantom: bool) -> Self {
        Self {
            max_frame_size: u64::try_from(max_frame_size).unwrap_or(i64::MAX.unsigned_abs()),
            header: Vec::new(),
            body: 0,
            phantom,
        }
    }
}

impl Encoder for V1Encoder {
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut rest = frames;
        loop {
            let body = split_body(&mut self.body, &mut rest);
            if !self.leave_out {
                append(body, out)?;
            }
            let Some((byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.header.push(*byte);
            if let Some(header) = frame::decode(&self.header) {
                self.header.clear();
                self.body = header.body_len;
                self.leave_out = header.command();
                if !self.leave_out {
                    encode_header(header.more(), header.body_len, out);
                }
            }
        }
    }

    fn is_at_boundary(&self) -> bool {
        self.header.is_empty() && self.body == 0
    }
}

impl Decoder for V1Decoder {
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if std::mem::take(&mut self.phantom) {
            append_header(0, 1, out);
            out.push(1);
        }
        let mut rest = bytes;
        loop {
            append(split_body(&mut self.body, &mut rest), out)?;
            let Some((byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.header.push(*byte);
            if let Some(header) = decode_header(&self.header)? {
                self.header.clear();
                let body_len = usize::try_from(header.body_len)
                    .ok()
                    .filter(|_len| header.body_len <= self.max_frame_size)
                    .ok_or(Fault::FrameTooLarge)?;
                self.body = header.body_len;
                append_header(if header.more { frame::MORE } else { 0 }, body_len, out);
            }
        }
    }
}

/// Splits off what belongs to the body that is under way.
fn split_body<'a>(left: &mut u64, rest: &mut &'a [u8]) -> &'a [u8] {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
    let (body, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
    *rest = after;
    *left = left.saturating_sub(body.len() as u64);
    body
}

fn append(body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.try_reserve(body.len())
        .map_err(|_full| Fault::OutOfMemory)?;
    out.extend_from_slice(body);
    Ok(())
}

const LONG: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(bodies: &[(&[u8], bool)]) -> Vec<u8> {
        let mut frames = Vec::new();
        for (body, more) in bodies {
            append_header(u8::from(*more), body.len(), &mut frames);
            frames.extend_from_slice(body);
        }
        frames
    }

    #[test]
    fn both_ways_and_cut_anywhere() {
        let long = vec![7; 300];
        let edge = vec![9; 253];
        let over = vec![9; 254];
        let frames = ours(&[
            (b"", true),
            (b"a", false),
            (&long, true),
            (&edge, false),
            (&over, false),
        ]);
        for step in [1, 2, 3, 100, 10_000] {
            let (mut wire, mut back) = (Vec::new(), Vec::new());
            let (mut encoder, mut decoder) = (V1Encoder::default(), V1Decoder::new(-1, false));
            for part in frames.chunks(step) {
                encoder.encode(part, &mut wire).unwrap();
            }
            assert!(encoder.is_at_boundary());
            assert!(wire.starts_with(b"\x01\x01\x02\0a\xff\0\0\0\0\0\0\x01\x2d\x01"));
            for part in wire.chunks(step) {
                decoder.decode(part, &mut back).unwrap();
            }
            assert_eq!(back, frames);
        }
    }

    #[test]
    fn commands_are_left_out() {
        let mut frames = ours(&[(b"a", false)]);
        append_header(frame::COMMAND, 7, &mut frames);
        frames.extend_from_slice(b"\x04PING\0\0");
        frames.extend_from_slice(&ours(&[(b"b", false)]));
        let mut wire = Vec::new();
        V1Encoder::default().encode(&frames, &mut wire).unwrap();
        assert_eq!(wire, b"\x02\0a\x02\0b");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refuse = |bytes: &[u8], max| V1Decoder::new(max, false).decode(bytes, &mut Vec::new());
        assert_eq!(refuse(b"\0", -1), Err(Fault::MalformedFrame));
        assert_eq!(
            refuse(b"\xff\0\0\0\0\0\0\0\0\0", -1),
            Err(Fault::MalformedFrame)
        );
        assert_eq!(refuse(b"\x04\x02abc", -1), Err(Fault::MalformedFrame));
        let huge = [[255; 9].as_slice(), &[0]].concat();
        assert_eq!(refuse(&huge, -1), Err(Fault::FrameTooLarge));
        assert_eq!(refuse(b"\x04\0abc", 2), Err(Fault::FrameTooLarge));
        assert_eq!(refuse(b"\x04\0abc", 3), Ok(()));
    }

    #[test]
    fn an_old_subscriber_seems_to_have_subscribed() {
        let mut out = Vec::new();
        V1Decoder::new(-1, true).decode(b"", &mut out).unwrap();
        assert_eq!(out, b"\0\x01\x01");
    }
}
