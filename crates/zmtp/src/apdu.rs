// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZeroMQ over PGM: a stream of ZMTP 1.0 frames in datagrams (contract 2.5).
//!
//! ```text
//! APDU   = offset stream             at most as long as a packet of PGM
//! offset = two bytes, big-endian: where in the stream the first message that begins here does, FFFF if none does
//! stream = frames of ZMTP 1.0, without greeting; a frame may go on in the next APDU
//! ```
//!
//! Whoever comes late, or has missed something, begins at the next offset. An offset that is the length of
//! the stream is fine: the next APDU begins with a message. There are no commands: publishers send everything,
//! subscribers filter.

use std::fmt;

use ferromq_message::frame;

use crate::command::append_header;
use crate::handshake::Fault;
use crate::transcode::v1::{Header, MAX_HEADER, decode_header, encode_header};

/// Bytes of the offset.
pub const OFFSET_LEN: usize = 2;
/// No message begins here.
pub const NO_OFFSET: u16 = 0xffff;

/// Puts our frames into APDUs.
pub struct Packer {
    most: usize,
    apdu: Vec<u8>,
    offset: Option<u16>,
    /// The beginning of a header of ours.
    header: Vec<u8>,
    /// What is left to be written of the header that goes out in its place.
    staged: Vec<u8>,
    /// What is left of the body under way, and whether it is left out.
    body: u64,
    leave_out: bool,
    /// The next frame belongs to a message that has begun.
    mid_message: bool,
}

impl Packer {
    /// APDUs of at most so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most: most.clamp(OFFSET_LEN + 1, usize::from(NO_OFFSET)),
            apdu: vec![0; OFFSET_LEN],
            offset: None,
            header: Vec::new(),
            staged: Vec::new(),
            body: 0,
            leave_out: false,
            mid_message: false,
        }
    }

    /// Takes as much of our frames, which may come cut anywhere, as goes into this APDU; returns how much.
    pub fn feed(&mut self, frames: &[u8]) -> usize {
        let mut rest = frames;
        loop {
            self.write_staged();
            let wanted = usize::try_from(self.body).unwrap_or(usize::MAX);
            let mut here = wanted.min(rest.len());
            if !self.leave_out {
                here = here.min(self.room());
            }
            let (body, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            if !self.leave_out {
                self.apdu.extend_from_slice(body);
            }
            self.body = self.body.saturating_sub(body.len() as u64);
            rest = after;
            if self.is_full() || self.body > 0 {
                break;
            }
            if self.header.is_empty()
                && let Some(header) = frame::decode(rest)
            {
                rest = rest.get(header.header_len..).unwrap_or_default();
                self.begin(header);
                continue;
            }
            // It is cut.
            let Some((byte, after)) = rest.split_first() else {
                break;
            };
            rest = after;
            self.header.push(*byte);
            if let Some(header) = frame::decode(&self.header) {
                self.header.clear();
                self.begin(header);
            }
        }
        frames.len().saturating_sub(rest.len())
    }

    fn begin(&mut self, header: frame::Header) {
        self.body = header.body_len;
        self.leave_out = header.command();
        if self.leave_out {
            return;
        }
        if !self.mid_message && self.offset.is_none() {
            self.offset = u16::try_from(self.apdu.len().saturating_sub(OFFSET_LEN)).ok();
        }
        self.mid_message = header.more();
        let fits = self.room() >= MAX_HEADER;
        let to = if fits {
            &mut self.apdu
        } else {
            &mut self.staged
        };
        encode_header(header.more(), header.body_len, to);
    }

    fn write_staged(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let here = self.staged.len().min(self.room());
        self.apdu.extend(self.staged.drain(..here));
    }

    fn room(&self) -> usize {
        self.most.saturating_sub(self.apdu.len())
    }

    /// Nothing more goes into this APDU.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// There is nothing in it to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.apdu.len() <= OFFSET_LEN
    }

    /// The APDU as it is to be sent.
    pub fn apdu(&mut self) -> &[u8] {
        let ended = !self.mid_message
            && self.body == 0
            && self.staged.is_empty()
            && self.header.is_empty()
            && !self.is_full();
        let offset = match self.offset {
            Some(offset) => offset,
            None if ended => {
                u16::try_from(self.apdu.len().saturating_sub(OFFSET_LEN)).unwrap_or(NO_OFFSET)
            }
            None => NO_OFFSET,
        };
        for (to, from) in self.apdu.iter_mut().zip(offset.to_be_bytes()) {
            *to = from;
        }
        &self.apdu
    }

    /// The APDU has been sent: begins the next one.
    pub fn clear(&mut self) {
        self.apdu.truncate(OFFSET_LEN);
        self.offset = None;
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer")
            .field("len", &self.apdu.len())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Takes whole messages out of the APDUs of one stream.
pub struct Unpacker {
    max_frame: u64,
    /// It is known where in the stream one is.
    joined: bool,
    /// The beginning of a header of theirs.
    header: Vec<u8>,
    body: u64,
    /// The frame under way is not the last of its message.
    more: bool,
    /// Our frames of a message that goes on in the next APDU.
    partial: Vec<u8>,
}

impl Unpacker {
    /// Refuses frames longer than `max_frame_size`; a negative number is no limit.
    #[must_use]
    pub fn new(max_frame_size: i64) -> Self {
        Self {
            max_frame: u64::try_from(max_frame_size).unwrap_or(i64::MAX.unsigned_abs()),
            joined: false,
            header: Vec::new(),
            body: 0,
            more: false,
            partial: Vec::new(),
        }
    }

    /// Takes the next APDU and appends our frames of the messages that are whole now.
    ///
    /// # Errors
    /// It is none, or a frame is too long. What was whole before that has been appended; the rest is
    /// dropped, and the stream is joined again at the next offset.
    pub fn feed(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some((offset, stream)) = apdu.split_first_chunk::<OFFSET_LEN>() else {
            self.lose();
            return Err(Fault::MalformedFrame);
        };
        let offset = u16::from_be_bytes(*offset);
        let stream = if self.joined {
            stream
        } else if offset == NO_OFFSET {
            return Ok(());
        } else {
            stream
                .get(usize::from(offset)..)
                .ok_or(Fault::MalformedFrame)?
        };
        self.joined = true;
        let walked = self.walk(stream, out);
        if walked.is_err() {
            self.lose();
        }
        walked
    }

    fn walk(&mut self, mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        // A message that is whole in this APDU goes straight to where it is wanted.
        let mut direct = self.partial.is_empty() && self.header.is_empty();
        let mut whole = out.len();
        loop {
            let here = usize::try_from(self.body)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (body, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            let target = if direct { &mut *out } else { &mut self.partial };
            target
                .try_reserve(body.len())
                .map_err(|_full| Fault::OutOfMemory)
                .inspect_err(|_fault| out.truncate(whole))?;
            let target = if direct { &mut *out } else { &mut self.partial };
            target.extend_from_slice(body);
            self.body = self.body.saturating_sub(body.len() as u64);
            rest = after;
            let at_end = self.body == 0 && !self.more && self.header.is_empty();
            if at_end {
                if !direct {
                    out.append(&mut self.partial);
                    self.partial.shrink_to(KEPT);
                    direct = true;
                }
                whole = out.len();
            }
            if rest.is_empty() {
                break;
            }
            let header = self
                .take_header(&mut rest)
                .inspect_err(|_fault| out.truncate(whole))?;
            if let Some(header) = header {
                let body_len = usize::try_from(header.body_len)
                    .ok()
                    .filter(|_len| header.body_len <= self.max_frame)
                    .ok_or(Fault::FrameTooLarge)
                    .inspect_err(|_fault| out.truncate(whole))?;
                self.body = header.body_len;
                self.more = header.more;
                let flags = if header.more { frame::MORE } else { 0 };
                let target = if direct { &mut *out } else { &mut self.partial };
                append_header(flags, body_len, target);
            }
        }
        if direct && out.len() > whole {
            self.partial
                .extend_from_slice(out.get(whole..).unwrap_or_default());
            out.truncate(whole);
        }
        Ok(())
    }

    /// Takes a header, or a byte of one that is cut.
    fn take_header(&mut self, rest: &mut &[u8]) -> Result<Option<Header>, Fault> {
        if self.header.is_empty()
            && let Some(header) = decode_header(rest)?
        {
            *rest = rest.get(header.header_len..).unwrap_or_default();
            return Ok(Some(header));
        }
        if let Some((byte, after)) = rest.split_first() {
            *rest = after;
            self.header.push(*byte);
        }
        let header = decode_header(&self.header)?;
        if header.is_some() {
            self.header.clear();
        }
        Ok(header)
    }

    /// Something of the stream is missing: the message under way is dropped, and the stream is joined again at
    /// the next offset. Whether there was a message under way.
    pub fn lose(&mut self) -> bool {
        let under_way = self.joined && (!self.partial.is_empty() || !self.header.is_empty());
        self.joined = false;
        self.header.clear();
        self.body = 0;
        self.more = false;
        self.partial = Vec::new();
        under_way
    }

    /// Bytes of memory held for a message under way.
    #[must_use]
    pub fn held(&self) -> usize {
        self.partial.capacity()
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker")
            .field("joined", &self.joined)
            .field("partial", &self.partial.len())
            .finish_non_exhaustive()
    }
}

/// What an empty buffer keeps.
const KEPT: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    type Messages = Vec<Vec<Vec<u8>>>;

    fn frames(messages: &Messages) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            for (at, part) in message.iter().enumerate() {
                let more = if at + 1 < message.len() {
                    frame::MORE
                } else {
                    0
                };
                append_header(more, part.len(), &mut out);
                out.extend_from_slice(part);
            }
        }
        out
    }

    /// APDUs of a stream that comes in such pieces; one is sent whenever nothing more is there.
    fn pack(frames: &[u8], most: usize, piece: usize) -> Vec<Vec<u8>> {
        let mut packer = Packer::new(most);
        let mut apdus = Vec::new();
        for mut piece in frames.chunks(piece) {
            while !piece.is_empty() {
                let taken = packer.feed(piece);
                piece = &piece[taken..];
                if packer.is_full() || piece.is_empty() && !packer.is_empty() {
                    apdus.push(packer.apdu().to_vec());
                    packer.clear();
                }
            }
        }
        // A header at the end of the last one may wait for room.
        packer.feed(&[]);
        if !packer.is_empty() {
            apdus.push(packer.apdu().to_vec());
        }
        apdus
    }

    fn mixed() -> Messages {
        let part = |len: usize| (0..len).map(|i| (i * 31 + len) as u8).collect::<Vec<_>>();
        vec![
            vec![part(9)],
            vec![vec![], part(3)],
            vec![part(253), part(254), part(255), part(256)],
            vec![part(5000)],
            vec![part(1)],
            vec![vec![]],
            vec![part(70_000), part(2)],
            vec![part(100)],
        ]
    }

    #[test]
    fn whole_messages_come_back_however_they_are_cut() {
        let messages = mixed();
        let stream = frames(&messages);
        for most in [3, 5, 64, 1428, 65_535] {
            for piece in [1, 7, 1000, stream.len()] {
                let mut unpacker = Unpacker::new(-1);
                let mut out = Vec::new();
                let apdus = pack(&stream, most, piece);
                assert!(apdus.iter().all(|apdu| apdu.len() <= most.max(3)));
                for apdu in apdus {
                    unpacker.feed(&apdu, &mut out).unwrap();
                }
                assert!(out == stream, "{most} {piece}");
                assert!(unpacker.held() <= KEPT);
            }
        }
    }

    #[test]
    fn the_bytes_are_libzmqs() {
        // "Seen first bytes: 00 00 | 0a 01 A0000000(9) | 65 00 ..."
        let stream = frames(&vec![vec![b"A0000000".to_vec(), vec![7; 100]]]);
        let apdus = pack(&stream, 1428, stream.len());
        let expected = [b"\0\0\x09\x01A0000000\x65\0".as_slice(), &[7; 100]].concat();
        assert_eq!(apdus, [expected]);
        // "5000-byte messages: 1428-byte TSDUs, offsets 0000, FFFF, FFFF, 02E7"
        let stream = frames(&vec![vec![vec![1; 5000]]]);
        let offsets: Vec<_> = pack(&stream, 1428, stream.len())
            .iter()
            .map(|apdu| u16::from_be_bytes([apdu[0], apdu[1]]))
            .collect();
        assert_eq!(offsets, [0, 0xffff, 0xffff, 5000 + 10 - 3 * 1426]);
    }

    #[test]
    fn a_late_one_begins_with_the_next_message() {
        let messages = mixed();
        let stream = frames(&messages);
        for most in [40, 300, 1428] {
            let apdus = pack(&stream, most, stream.len());
            for first in 0..apdus.len() {
                let mut unpacker = Unpacker::new(-1);
                let mut out = Vec::new();
                for apdu in &apdus[first..] {
                    unpacker.feed(apdu, &mut out).unwrap();
                }
                let is_tail = (0..=messages.len())
                    .any(|skipped| out == frames(&messages[skipped..].to_vec()));
                assert!(is_tail, "{most} {first}");
            }
        }
    }

    #[test]
    fn what_was_lost_takes_its_message_with_it_and_no_other() {
        let messages: Messages = (0..60_usize)
            .map(|n| vec![vec![n as u8; 10 + n * 7], vec![n as u8; n]])
            .collect();
        let stream = frames(&messages);
        let apdus = pack(&stream, 200, stream.len());
        for lost in 0..apdus.len() {
            let mut unpacker = Unpacker::new(-1);
            let mut out = Vec::new();
            for (at, apdu) in apdus.iter().enumerate() {
                if at == lost {
                    unpacker.lose();
                } else {
                    unpacker.feed(apdu, &mut out).unwrap();
                }
            }
            // Whole messages, in order, and no more missing than two APDUs can hold.
            let mut rest = out.as_slice();
            let mut kept = 0;
            for message in &messages {
                let bytes = frames(&vec![message.clone()]);
                if let Some(after) = rest.strip_prefix(bytes.as_slice()) {
                    rest = after;
                    kept += 1;
                }
            }
            assert!(rest.is_empty(), "{lost}");
            assert!(kept + 12 >= messages.len(), "{lost} {kept}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_forgotten() {
        let mut out = Vec::new();
        let mut unpacker = Unpacker::new(10);
        assert_eq!(unpacker.feed(b"\0", &mut out), Err(Fault::MalformedFrame));
        let beyond = b"\0\x05\x02\0a";
        assert_eq!(unpacker.feed(beyond, &mut out), Err(Fault::MalformedFrame));
        // Joins at the very end, and waits.
        assert_eq!(unpacker.feed(b"\0\x03\x02\0a", &mut out), Ok(()));
        assert_eq!(out, b"");
        assert_eq!(unpacker.feed(b"\xff\xff\x02\0b\x04", &mut out), Ok(()));
        assert_eq!(out, b"\0\x01b");
        // The first of two is whole; the second is too long.
        let long = b"\xff\xff\0abc\x0c\0";
        assert_eq!(unpacker.feed(long, &mut out), Err(Fault::FrameTooLarge));
        assert_eq!(out, b"\0\x01b\0\x03abc");
        assert!(!unpacker.lose());
        // Until the next offset everything is passed over.
        assert_eq!(unpacker.feed(b"\xff\xff\0", &mut out), Ok(()));
        assert_eq!(unpacker.feed(b"\0\x01x\x02\0c", &mut out), Ok(()));
        assert_eq!(out, b"\0\x01b\0\x03abc\0\x01c");
        // A part of a message that never ends holds what has come, not what was announced.
        let mut unpacker = Unpacker::new(-1);
        let head = b"\0\0\xff\0\xff\xff\xff\xff\xff\xff\xff\0abc";
        assert_eq!(unpacker.feed(head, &mut out), Ok(()));
        assert!(unpacker.held() < 100);
    }

    #[test]
    fn commands_stay_here() {
        let mut stream = frames(&vec![vec![b"a".to_vec()]]);
        append_header(frame::COMMAND, 5, &mut stream);
        stream.extend_from_slice(b"\x04PING");
        stream.extend_from_slice(&frames(&vec![vec![b"b".to_vec()]]));
        let apdus = pack(&stream, 1428, stream.len());
        assert_eq!(apdus, [b"\0\0\x02\0a\x02\0b".to_vec()]);
    }
}
