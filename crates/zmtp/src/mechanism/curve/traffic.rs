// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traffic of CURVE: every frame in a MESSAGE of its own.
//!
//! ```text
//! frame    = flags (no MORE, no COMMAND)  length  MESSAGE
//! MESSAGE  = 07 "MESSAGE"  counter (8)  tag (16)  sealed (flags  body)
//! flags    = 1 MORE, 2 COMMAND
//! ```
//!
//! contract 3.8: "sent as MESSAGE frame with NO MORE and NO COMMAND bit (libzmq), although RFC 26
//! calls MESSAGE a command. Receiver must accept it without the COMMAND bit": we take either.

use std::fmt;

use ferromq_message::{Message, frame};

use super::TAG_LEN;
use super::sealing::{BoxKey, short_nonce};
use crate::command::append_header;
use crate::handshake::Fault;
use crate::mechanism::envelope::{NAME, inner_flags, largest, outer_flags};
use crate::transcode::frames::Frames;
use crate::transcode::{Begun, Decoder, Encoder, Opened, Transcoder, spare};

/// Our messages, sealed.
pub struct Sealer {
    key: BoxKey,
    prefix: Prefix,
    /// The counter of our next MESSAGE.
    next: u64,
    /// The header of a frame, as far as it has come.
    header: Vec<u8>,
    /// A frame whose body has not come whole.
    begun: Option<Unfinished>,
}

/// A MESSAGE as it goes over the wire, but not sealed, and without the end.
struct Unfinished {
    record: Vec<u8>,
    /// Where the tag is to stand.
    tag_at: usize,
    counter: u64,
    missing: usize,
}

/// The peer's messages, opened.
pub struct Opener {
    key: BoxKey,
    prefix: Prefix,
    /// The counter of the peer's last command.
    last: u64,
    max_frame_size: u64,
    frames: Frames,
}

/// What the nonces of one direction begin with.
type Prefix = [u8; 16];

/// Both directions of a connection after its handshake: what their nonces begin with, the counter
/// of our next command and of the peer's last one.
pub(super) fn transcoder(
    key: &BoxKey,
    (ours, next): (Prefix, u64),
    (theirs, last): (Prefix, u64),
    max_frame_size: i64,
) -> Transcoder {
    Transcoder {
        encoder: Box::new(Sealer {
            key: key.clone(),
            prefix: ours,
            next,
            header: Vec::new(),
            begun: None,
        }),
        decoder: Box::new(Opener {
            key: key.clone(),
            prefix: theirs,
            last,
            max_frame_size: largest(max_frame_size),
            frames: Frames::default(),
        }),
    }
}

impl Sealer {
    /// Appends all of a MESSAGE but its body, and makes room for that; where the tag is to stand, and the counter.
    fn begin(
        &mut self,
        flags: u8,
        body_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(usize, u64), Fault> {
        let counter = self.next;
        self.next = counter.checked_add(1).ok_or(Fault::InvalidSequence)?;
        out.try_reserve(body_len.saturating_add(ROOM))
            .map_err(|_full| Fault::OutOfMemory)?;
        append_header(0, body_len.saturating_add(OVERHEAD), out);
        out.extend_from_slice(NAME);
        out.extend_from_slice(&counter.to_be_bytes());
        let tag_at = out.len();
        out.extend_from_slice(&[0; TAG_LEN]);
        out.push(inner_flags(flags));
        Ok((tag_at, counter))
    }

    fn seal_from(&self, tag_at: usize, counter: u64, out: &mut [u8]) {
        let sealed = out.get_mut(tag_at..).unwrap_or_default();
        if let Some((tag, text)) = sealed.split_first_chunk_mut() {
            *tag = self
                .key
                .seal_in_place(&short_nonce(&self.prefix, counter), text);
        }
    }

    fn seal(&mut self, flags: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let (tag_at, counter) = self.begin(flags, body.len(), out)?;
        out.extend_from_slice(body);
        self.seal_from(tag_at, counter, out);
        Ok(())
    }

    /// Begins a frame of which only the header is here. It is put together where it will be sealed: in the caller's
    /// buffer, if nothing is in that.
    fn begin_in_pieces(
        &mut self,
        header: frame::Header,
        out: &mut Vec<u8>,
    ) -> Result<Unfinished, Fault> {
        let mut record = if out.is_empty() {
            std::mem::take(out)
        } else {
            spare::take()
        };
        let missing = usize::try_from(header.body_len).map_err(|_len| Fault::FrameTooLarge)?;
        let (tag_at, counter) = self.begin(header.flags, missing, &mut record)?;
        Ok(Unfinished {
            record,
            tag_at,
            counter,
            missing,
        })
    }

    /// The body has come whole.
    fn finish(&self, mut begun: Unfinished, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.seal_from(begun.tag_at, begun.counter, &mut begun.record);
        if out.is_empty() {
            std::mem::swap(out, &mut begun.record);
        } else {
            out.try_reserve(begun.record.len())
                .map_err(|_full| Fault::OutOfMemory)?;
            out.extend_from_slice(&begun.record);
        }
        spare::give(&mut begun.record);
        Ok(())
    }
}

impl Opener {
    /// Appends the frame in a MESSAGE.
    fn append(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let (sealed, text) = Sealed::split(message)?;
        // Flags there are at least.
        let body_len = text.len().checked_sub(1).ok_or(Fault::MalformedMessage)?;
        out.try_reserve(body_len.saturating_add(ROOM))
            .map_err(|_full| Fault::OutOfMemory)?;
        // The flags are sealed: the header is put right when they are known. It ends where the
        // body begins, so the flags take the place of its last byte for a while.
        let at = out.len();
        append_header(0, body_len, out);
        let last_of_header = out.pop().unwrap_or(0);
        let start = out.len();
        out.extend_from_slice(text);
        let text = out.get_mut(start..).unwrap_or_default();
        let flags = match self.open_in_place(&sealed, text) {
            Ok(flags) => flags,
            Err(fault) => {
                out.truncate(at);
                return Err(fault);
            }
        };
        if let Some(byte) = text.first_mut() {
            *byte = last_of_header;
        }
        if let Some(header) = out.get_mut(at) {
            *header |= flags;
        }
        Ok(())
    }

    /// Opens what is sealed, flags and body; the flags of its frame.
    fn open_in_place(&mut self, sealed: &Sealed, text: &mut [u8]) -> Result<u8, Fault> {
        // contract 3.8: "Receiver requires strictly greater than the last peer nonce [...]:
        // violation -> INVALID_SEQUENCE, connection dropped."
        if sealed.counter <= self.last {
            return Err(Fault::InvalidSequence);
        }
        let nonce = short_nonce(&self.prefix, sealed.counter);
        self.key.open_in_place(&nonce, &sealed.tag, text)?;
        self.last = sealed.counter;
        text.first()
            .map(|flags| outer_flags(*flags))
            .ok_or(Fault::MalformedMessage)
    }
}

/// What stands before the text of a MESSAGE.
struct Sealed {
    counter: u64,
    tag: [u8; TAG_LEN],
}

impl Sealed {
    /// Also the text.
    fn split(message: &[u8]) -> Result<(Self, &[u8]), Fault> {
        let data = message.strip_prefix(NAME).ok_or(Fault::UnexpectedCommand)?;
        let (counter, rest) = data.split_first_chunk().ok_or(Fault::MalformedMessage)?;
        let (tag, text) = rest.split_first_chunk().ok_or(Fault::MalformedMessage)?;
        let counter = u64::from_be_bytes(*counter);
        Ok((Self { counter, tag: *tag }, text))
    }
}

impl Encoder for Sealer {
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut rest = frames;
        loop {
            if let Some(begun) = &mut self.begun {
                let take = begun.missing.min(rest.len());
                let (part, after) = rest.split_at_checked(take).unwrap_or((rest, &[]));
                begun.record.extend_from_slice(part);
                begun.missing = begun.missing.saturating_sub(part.len());
                rest = after;
                let Some(whole) = self.begun.take_if(|begun| begun.missing == 0) else {
                    return Ok(());
                };
                self.finish(whole, out)?;
            }
            if self.header.is_empty()
                && let Some((header, body, after)) = split_frame(rest)
            {
                self.seal(header.flags, body, out)?;
                rest = after;
                continue;
            }
            let Some((byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.header.push(*byte);
            if let Some(header) = frame::decode(&self.header) {
                self.header.clear();
                self.begun = Some(self.begin_in_pieces(header, out)?);
            }
        }
    }

    fn is_at_boundary(&self) -> bool {
        self.header.is_empty() && self.begun.is_none()
    }
}

/// The frame at the front, if it is whole, and what follows it.
fn split_frame(bytes: &[u8]) -> Option<(frame::Header, &[u8], &[u8])> {
    let header = frame::decode(bytes)?;
    let len = usize::try_from(header.body_len).ok()?;
    let (body, after) = bytes.get(header.header_len..)?.split_at_checked(len)?;
    Some((header, body, after))
}

impl Decoder for Opener {
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let limit = self.max_frame_size.saturating_add(OVERHEAD as u64);
        let mut whole = std::mem::take(&mut self.frames);
        let result = whole.each(bytes, limit, |_flags, message| self.append(message, out));
        self.frames = whole;
        result
    }

    fn take_begun(&mut self) -> Option<Begun> {
        self.frames.take_begun(LARGE)
    }

    fn open(&mut self, mut record: Message) -> Result<Opened, Fault> {
        let (sealed, _text) = Sealed::split(&record)?;
        // Nobody else has it.
        let bytes = record.as_mut_slice().unwrap_or_default();
        let text = bytes.get_mut(OVERHEAD.saturating_sub(1)..);
        let flags = self.open_in_place(&sealed, text.unwrap_or_default())?;
        record.advance(OVERHEAD);
        Ok(Opened {
            flags,
            body: record,
        })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// Name, counter, tag, flags.
const OVERHEAD: usize = 33;
/// From here on a MESSAGE is opened where it was read to. Fuzzers have only short ones.
const LARGE: u64 = if cfg!(fuzzing) { 1 << 7 } else { 1 << 15 };
/// What a frame may grow by, its header included.
const ROOM: usize = OVERHEAD + frame::MAX_HEADER;
