// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes to frames, one frame at a time.
//!
//! For handshakes, tests and tools; the engine parses traffic in place. Memory grows with the bytes
//! that have arrived, never with the length a peer announces.

use ferromq_message::frame;

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// [`frame::MORE`] and [`frame::COMMAND`].
    pub flags: u8,
    /// The body.
    pub body: Vec<u8>,
}

impl Frame {
    /// The frame is a command.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.flags & frame::COMMAND != 0
    }
}

/// Why no more frames will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecodeError {
    /// There is no memory for the bytes that arrived.
    OutOfMemory,
    /// The header announces more than is allowed.
    TooLarge,
}

/// Collects one frame at a time.
#[derive(Clone, Debug)]
pub struct Decoder {
    max_frame_size: u64,
    header: [u8; frame::MAX_HEADER],
    header_len: usize,
    /// Flags and bytes still missing, once the header is complete.
    pending: Option<(u8, u64)>,
    body: Vec<u8>,
}

impl Decoder {
    /// Accepts bodies up to `max_frame_size` bytes; a negative number is no limit.
    #[must_use]
    pub fn new(max_frame_size: i64) -> Self {
        Self {
            max_frame_size: u64::try_from(max_frame_size).unwrap_or(UNLIMITED),
            header: [0; frame::MAX_HEADER],
            header_len: 0,
            pending: None,
            body: Vec::new(),
        }
    }

    /// Takes bytes off the front of `input` until a frame is complete or nothing is left.
    ///
    /// After an error the decoder is of no further use.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, DecodeError> {
        loop {
            if let Some((flags, missing)) = self.pending {
                let part = take(input, missing);
                self.make_room(part.len(), missing)?;
                self.body.extend_from_slice(part);
                let missing = missing.saturating_sub(part.len() as u64);
                if missing > 0 {
                    self.pending = Some((flags, missing));
                    return Ok(None);
                }
                self.pending = None;
                self.header_len = 0;
                return Ok(Some(Frame {
                    flags,
                    body: std::mem::take(&mut self.body),
                }));
            }
            let Some((byte, rest)) = input.split_first() else {
                return Ok(None);
            };
            *input = rest;
            if !self.take_header_byte(*byte)? {
                continue;
            }
        }
    }

    /// Changes the limit for the frames whose headers are not here yet.
    pub fn limit(&mut self, max_frame_size: i64) {
        self.max_frame_size = u64::try_from(max_frame_size).unwrap_or(UNLIMITED);
    }

    /// The stream stands between two frames.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.header_len == 0
    }

    /// Bytes of memory held for the frame that is on its way.
    #[must_use]
    pub fn held(&self) -> usize {
        self.body.capacity()
    }

    /// Room for what has arrived: to grow by steps twice that at most, and never more than is missing.
    fn make_room(&mut self, arrived: usize, missing: u64) -> Result<(), DecodeError> {
        if self.body.capacity().saturating_sub(self.body.len()) >= arrived {
            return Ok(());
        }
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let room = self.body.len().max(arrived).min(missing).max(arrived);
        self.body
            .try_reserve_exact(room)
            .map_err(|_full| DecodeError::OutOfMemory)
    }

    /// True once the header is complete.
    fn take_header_byte(&mut self, byte: u8) -> Result<bool, DecodeError> {
        if let Some(slot) = self.header.get_mut(self.header_len) {
            *slot = byte;
            self.header_len = self.header_len.saturating_add(1);
        }
        let so_far = self.header.get(..self.header_len).unwrap_or(&self.header);
        let Some(header) = frame::decode(so_far) else {
            return Ok(false);
        };
        // contract 3.2: "MAXMSGSIZE checked against the length before allocation"
        if header.body_len > self.max_frame_size {
            return Err(DecodeError::TooLarge);
        }
        self.pending = Some((
            header.flags & (frame::MORE | frame::COMMAND),
            header.body_len,
        ));
        Ok(true)
    }
}

fn take<'a>(input: &mut &'a [u8], at_most: u64) -> &'a [u8] {
    let at = usize::try_from(at_most)
        .unwrap_or(usize::MAX)
        .min(input.len());
    let (part, rest) = input.split_at_checked(at).unwrap_or((input, &[]));
    *input = rest;
    part
}

/// RFC 37: lengths are 64-bit, but no implementation gets beyond a signed one.
const UNLIMITED: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(decoder: &mut Decoder, mut input: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = decoder.decode(&mut input).unwrap() {
            frames.push(frame);
        }
        assert!(input.is_empty());
        frames
    }

    fn stream() -> (Vec<u8>, Vec<Frame>) {
        let frames =
            [(1, 0), (0, 3), (4, 255), (0, 256), (1, 1000), (0, 0)].map(|(flags, len)| Frame {
                flags,
                body: vec![len as u8; len],
            });
        let mut bytes = Vec::new();
        for frame in &frames {
            crate::command::append_header(frame.flags, frame.body.len(), &mut bytes);
            bytes.extend_from_slice(&frame.body);
        }
        (bytes, frames.to_vec())
    }

    #[test]
    fn frames_come_back_whole_and_bytewise() {
        let (bytes, frames) = stream();
        assert_eq!(all(&mut Decoder::new(-1), &bytes), frames);
        for step in [1, 2, 3, 7, 64] {
            let mut decoder = Decoder::new(-1);
            let seen: Vec<_> = bytes
                .chunks(step)
                .flat_map(|chunk| all(&mut decoder, chunk))
                .collect();
            assert_eq!(seen, frames);
            assert!(decoder.is_at_boundary());
        }
    }

    #[test]
    fn the_limit_is_inclusive_and_checked_at_the_header() {
        let mut decoder = Decoder::new(3);
        assert_eq!(all(&mut decoder, b"\x00\x03abc")[0].body, b"abc");
        assert_eq!(
            decoder.decode(&mut &b"\x00\x04"[..]),
            Err(DecodeError::TooLarge)
        );
        let mut decoder = Decoder::new(0);
        assert_eq!(all(&mut decoder, b"\x00\x00").len(), 1);
        assert_eq!(
            decoder.decode(&mut &b"\x00\x01"[..]),
            Err(DecodeError::TooLarge)
        );
    }

    #[test]
    fn announced_sizes_allocate_nothing() {
        let mut decoder = Decoder::new(-1);
        let mut input = &b"\x02\x7f\xff\xff\xff\xff\xff\xff\xffabc"[..];
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(decoder.held() < 64);
        assert!(!decoder.is_at_boundary());
        let mut input = &b"\x02\x80\0\0\0\0\0\0\0"[..];
        assert_eq!(
            Decoder::new(-1).decode(&mut input),
            Err(DecodeError::TooLarge)
        );
    }

    #[test]
    fn memory_follows_what_has_arrived() {
        let mut decoder = Decoder::new(-1);
        assert_eq!(
            decoder.decode(&mut &b"\x06\0\0\0\0\0\0\xc0\0"[..]),
            Ok(None)
        );
        assert_eq!(decoder.held(), 0);
        for arrived in (100..0xc000).step_by(100) {
            assert_eq!(decoder.decode(&mut &[1; 100][..]), Ok(None));
            assert!(decoder.held() <= (2 * arrived).min(0xc000), "{arrived}");
        }
        let rest = [1; 0xc000 % 100];
        let frame = decoder.decode(&mut &rest[..]).unwrap().unwrap();
        assert_eq!((frame.body.len(), decoder.held()), (0xc000, 0));
    }

    #[test]
    fn unknown_flags_and_long_forms_of_short_bodies_are_taken() {
        let frames = all(&mut Decoder::new(-1), b"\xfa\0\0\0\0\0\0\0\x01x\xf9\x01y");
        assert_eq!(
            frames[0],
            Frame {
                flags: 0,
                body: b"x".to_vec()
            }
        );
        assert_eq!(
            frames[1],
            Frame {
                flags: 1,
                body: b"y".to_vec()
            }
        );
    }
}
