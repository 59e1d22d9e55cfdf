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

use ferromq_message::frame;

use super::TAG_LEN;
use super::sealing::StreamKey;
use crate::command::append_header;
use crate::handshake::Fault;
use crate::transcode::{Decoder, Encoder, Transcoder};

/// Our messages, sealed.
pub struct Sealer {
    key: StreamKey,
    /// The counter of our next MESSAGE.
    next: u64,
    /// The beginning of a frame whose end is not here.
    held: Vec<u8>,
}

/// The peer's messages, opened.
pub struct Opener {
    key: StreamKey,
    /// The counter of the peer's last command.
    last: u64,
    max_frame_size: u64,
    /// The beginning of a frame whose end is not here.
    held: Vec<u8>,
}

/// Both directions of a connection after its handshake.
pub(super) fn transcoder(
    (ours, next): (StreamKey, u64),
    (theirs, last): (StreamKey, u64),
    max_frame_size: i64,
) -> Transcoder {
    Transcoder {
        encoder: Box::new(Sealer {
            key: ours,
            next,
            held: Vec::new(),
        }),
        decoder: Box::new(Opener {
            key: theirs,
            last,
            max_frame_size: u64::try_from(max_frame_size).unwrap_or(UNLIMITED),
            held: Vec::new(),
        }),
    }
}

impl Sealer {
    fn seal(&mut self, flags: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let counter = self.next;
        self.next = counter.checked_add(1).ok_or(Fault::InvalidSequence)?;
        out.try_reserve(body.len().saturating_add(ROOM))
            .map_err(|_full| Fault::OutOfMemory)?;
        append_header(0, body.len().saturating_add(OVERHEAD), out);
        out.extend_from_slice(NAME);
        out.extend_from_slice(&counter.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&[0; TAG_LEN]);
        out.push(inner_flags(flags));
        out.extend_from_slice(body);
        let sealed = out.get_mut(start..).unwrap_or_default();
        if let Some((to, text)) = sealed.split_first_chunk_mut() {
            *to = self.key.seal(counter, text);
        }
        Ok(())
    }
}

impl Opener {
    fn open(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let data = message.strip_prefix(NAME).ok_or(Fault::UnexpectedCommand)?;
        let (counter, rest) = data.split_first_chunk().ok_or(Fault::MalformedMessage)?;
        let (tag, sealed) = rest.split_first_chunk().ok_or(Fault::MalformedMessage)?;
        // Flags there are at least.
        let body_len = sealed.len().checked_sub(1).ok_or(Fault::MalformedMessage)?;
        let counter = u64::from_be_bytes(*counter);
        // contract 3.8: "Receiver requires strictly greater than the last peer nonce [...]:
        // violation -> INVALID_SEQUENCE, connection dropped."
        if counter <= self.last {
            return Err(Fault::InvalidSequence);
        }
        out.try_reserve(body_len.saturating_add(ROOM))
            .map_err(|_full| Fault::OutOfMemory)?;
        // The flags are sealed: the header is put right when they are known. It ends where the
        // body begins, so the flags take the place of its last byte for a while.
        let at = out.len();
        append_header(0, body_len, out);
        let last_of_header = out.pop().unwrap_or(0);
        let start = out.len();
        out.extend_from_slice(sealed);
        let text = out.get_mut(start..).unwrap_or_default();
        if let Err(fault) = self.key.open(counter, tag, text) {
            out.truncate(at);
            return Err(fault);
        }
        self.last = counter;
        let flags = text.first().copied().unwrap_or(0);
        if let Some(byte) = text.first_mut() {
            *byte = last_of_header;
        }
        if let Some(header) = out.get_mut(at) {
            *header |= outer_flags(flags);
        }
        Ok(())
    }
}

impl Encoder for Sealer {
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut held = std::mem::take(&mut self.held);
        let mut rest = frames;
        while let Some((flags, body)) = next_frame(&mut held, &mut rest, u64::MAX)? {
            self.seal(flags, body.of(&held), out)?;
            body.forget(&mut held);
        }
        self.held = held;
        Ok(())
    }

    fn is_at_boundary(&self) -> bool {
        self.held.is_empty()
    }
}

impl Decoder for Opener {
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let limit = self.max_frame_size.saturating_add(OVERHEAD as u64);
        let mut held = std::mem::take(&mut self.held);
        let mut rest = bytes;
        while let Some((_flags, message)) = next_frame(&mut held, &mut rest, limit)? {
            self.open(message.of(&held), out)?;
            message.forget(&mut held);
        }
        self.held = held;
        Ok(())
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

/// Where the body of a whole frame lies.
enum Body<'a> {
    /// In the input.
    Input(&'a [u8]),
    /// In what was held, behind so many bytes.
    Held(usize),
}

impl Body<'_> {
    fn of<'b>(&'b self, held: &'b [u8]) -> &'b [u8] {
        match self {
            Self::Input(body) => body,
            Self::Held(at) => held.get(*at..).unwrap_or(&[]),
        }
    }

    /// A large buffer is given back: an idle connection has none.
    fn forget(&self, held: &mut Vec<u8>) {
        if matches!(self, Self::Held(_)) {
            *held = Vec::new();
        }
    }
}

/// The next whole frame: from `rest` where it lies there whole, else from `held`, which collects
/// what has arrived of it and nothing more.
fn next_frame<'a>(
    held: &mut Vec<u8>,
    rest: &mut &'a [u8],
    limit: u64,
) -> Result<Option<(u8, Body<'a>)>, Fault> {
    loop {
        let seen = if held.is_empty() {
            *rest
        } else {
            held.as_slice()
        };
        let missing = match frame::decode(seen) {
            // Byte by byte: what follows a header may be another frame.
            None => 1,
            Some(header) => {
                if header.body_len > limit {
                    return Err(Fault::FrameTooLarge);
                }
                let total = usize::try_from(header.body_len)
                    .ok()
                    .and_then(|len| len.checked_add(header.header_len))
                    .ok_or(Fault::FrameTooLarge)?;
                if !held.is_empty() && held.len() == total {
                    return Ok(Some((header.flags, Body::Held(header.header_len))));
                }
                if held.is_empty()
                    && let Some((whole, after)) = rest.split_at_checked(total)
                {
                    *rest = after;
                    let body = whole.get(header.header_len..).unwrap_or(&[]);
                    return Ok(Some((header.flags, Body::Input(body))));
                }
                total.saturating_sub(held.len())
            }
        };
        let (part, after) = rest
            .split_at_checked(missing.min(rest.len()))
            .unwrap_or((rest, &[]));
        if part.is_empty() {
            return Ok(None);
        }
        held.try_reserve(part.len())
            .map_err(|_full| Fault::OutOfMemory)?;
        held.extend_from_slice(part);
        *rest = after;
    }
}

fn inner_flags(flags: u8) -> u8 {
    let more = if flags & frame::MORE == 0 { 0 } else { MORE };
    let command = if flags & frame::COMMAND == 0 {
        0
    } else {
        COMMAND
    };
    more | command
}

fn outer_flags(flags: u8) -> u8 {
    let more = if flags & MORE == 0 { 0 } else { frame::MORE };
    let command = if flags & COMMAND == 0 {
        0
    } else {
        frame::COMMAND
    };
    more | command
}

/// contract 3.8: "Inner flags: 1 MORE, 2 COMMAND (not the ZMTP 4!)."
const MORE: u8 = 1;
const COMMAND: u8 = 2;
const NAME: &[u8] = b"\x07MESSAGE";
/// Name, counter, tag, flags.
const OVERHEAD: usize = 33;
/// What a frame may grow by, its header included.
const ROOM: usize = OVERHEAD + frame::MAX_HEADER;
/// No implementation gets beyond a signed length.
const UNLIMITED: u64 = i64::MAX.unsigned_abs();
