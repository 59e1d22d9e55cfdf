// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traffic of GSSAPI: every frame wrapped, in a MESSAGE of its own.
//!
//! ```text
//! frame    = flags (no MORE, no COMMAND)  length  MESSAGE
//! MESSAGE  = 07 "MESSAGE"  length (4, big-endian)  wrapped (flags  body)
//! flags    = 1 MORE, 2 COMMAND, 4 SUBSCRIBE, 8 CANCEL
//! ```
//!
//! The last two come from libzmq: a topic without the command around it. We send commands.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{MAX_WRAPPING, SecurityContext};
use crate::command::{self, append_header};
use crate::handshake::Fault;
use crate::mechanism::envelope::{NAME, inner_flags, largest, outer_flags};
use crate::transcode::frames::Frames;
use crate::transcode::{Decoder, Encoder, Transcoder};

/// The context of a connection, for both directions.
type Shared = Arc<Mutex<Box<dyn SecurityContext>>>;

/// Our messages, wrapped.
pub struct Wrapper {
    context: Shared,
    frames: Frames,
}

/// The peer's messages, unwrapped.
pub struct Unwrapper {
    context: Shared,
    max_frame_size: u64,
    frames: Frames,
}

/// Both directions of a connection after its handshake.
pub(super) fn transcoder(context: Box<dyn SecurityContext>, max_frame_size: i64) -> Transcoder {
    let context = Arc::new(Mutex::new(context));
    Transcoder {
        encoder: Box::new(Wrapper {
            context: Arc::clone(&context),
            frames: Frames::default(),
        }),
        decoder: Box::new(Unwrapper {
            context,
            max_frame_size: largest(max_frame_size),
            frames: Frames::default(),
        }),
    }
}

/// Appends a MESSAGE as a frame with these flags.
pub(super) fn wrap(
    context: &mut dyn SecurityContext,
    outer: u8,
    inner: u8,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut text = Vec::new();
    text.try_reserve_exact(body.len().saturating_add(1))
        .map_err(|_full| Fault::OutOfMemory)?;
    text.push(inner);
    text.extend_from_slice(body);
    let mut wrapped = Vec::new();
    context
        .wrap(&text, &mut wrapped)
        .map_err(|_failed| Fault::SecurityContext)?;
    let len = u32::try_from(wrapped.len()).map_err(|_len| Fault::FrameTooLarge)?;
    append_header(outer, wrapped.len().saturating_add(OVERHEAD), out);
    out.extend_from_slice(NAME);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&wrapped);
    Ok(())
}

/// Flags and body of a MESSAGE, one after the other.
pub(super) fn unwrap(context: &mut dyn SecurityContext, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let data = message.strip_prefix(NAME).ok_or(Fault::UnexpectedCommand)?;
    let (len, wrapped) = data.split_first_chunk().ok_or(Fault::MalformedMessage)?;
    if u32::from_be_bytes(*len) as usize != wrapped.len() {
        return Err(Fault::MalformedMessage);
    }
    let mut text = Vec::new();
    context
        .unwrap(wrapped, &mut text)
        .map_err(|_failed| Fault::Cryptographic)?;
    Ok(text)
}

impl Encoder for Wrapper {
    fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        self.frames.each(frames, u64::MAX, |flags, body| {
            wrap(context.as_mut(), 0, inner_flags(flags), body, out)
        })
    }

    fn is_at_boundary(&self) -> bool {
        self.frames.is_at_boundary()
    }
}

impl Decoder for Unwrapper {
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let most = self.max_frame_size;
        let limit = most.saturating_add((OVERHEAD + MAX_WRAPPING) as u64);
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        self.frames.each(bytes, limit, |_flags, message| {
            let text = unwrap(context.as_mut(), message)?;
            let (flags, body) = text.split_first().ok_or(Fault::MalformedMessage)?;
            if body.len() as u64 > most {
                return Err(Fault::FrameTooLarge);
            }
            match flags & (SUBSCRIBE | CANCEL) {
                SUBSCRIBE => command::subscribe(body, out),
                CANCEL => command::cancel(body, out),
                _ => {
                    append_header(outer_flags(*flags), body.len(), out);
                    out.extend_from_slice(body);
                }
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapper").finish_non_exhaustive()
    }
}

impl fmt::Debug for Unwrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwrapper").finish_non_exhaustive()
    }
}

/// contract 3.9: "flags 1 MORE 2 COMMAND 4 SUBSCRIBE 8 CANCEL".
const SUBSCRIBE: u8 = 4;
const CANCEL: u8 = 8;
/// Name and length.
pub(super) const OVERHEAD: usize = 12;
