// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole frames of ZMTP 2 and 3 out of bytes that come cut anywhere.

use ferromq_message::frame;

use super::{Begun, spare};
use crate::handshake::Fault;

/// The beginning of a frame whose end is not here, and nothing more.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Nothing is held.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes out what is held of a frame whose body has at least so many bytes.
    #[cfg_attr(
        not(feature = "curve"),
        expect(dead_code, reason = "its records are large")
    )]
    pub(crate) fn take_begun(&mut self, at_least: u64) -> Option<Begun> {
        let header = frame::decode(&self.held)?;
        if header.body_len < at_least {
            return None;
        }
        let mut beginning = std::mem::take(&mut self.held);
        beginning.drain(..header.header_len);
        Some(Begun {
            len: header.body_len,
            beginning,
        })
    }

    /// Shows flags and body of each frame that is whole by now, in order. A body longer than
    /// `limit` is refused as soon as its header is here.
    pub(crate) fn each(
        &mut self,
        bytes: &[u8],
        limit: u64,
        mut show: impl FnMut(u8, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut rest = bytes;
        while let Some((flags, body)) = self.next(&mut rest, limit)? {
            match body {
                Body::Input(body) => show(flags, body)?,
                Body::Held(at) => {
                    let mut held = std::mem::take(&mut self.held);
                    let shown = show(flags, held.get(at..).unwrap_or(&[]));
                    spare::give(&mut held);
                    shown?;
                }
            }
        }
        Ok(())
    }

    /// The next whole frame: from `rest` where it lies there whole, else from what was held.
    fn next<'a>(
        &mut self,
        rest: &mut &'a [u8],
        limit: u64,
    ) -> Result<Option<(u8, Body<'a>)>, Fault> {
        loop {
            let held = &mut self.held;
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
            if held.capacity() == 0 && missing > LARGE {
                *held = spare::take();
            }
            // At once what a large frame needs; what is more than large, as it arrives.
            let room = missing.min(AT_ONCE).max(part.len());
            held.try_reserve(room).map_err(|_full| Fault::OutOfMemory)?;
            held.extend_from_slice(part);
            *rest = after;
        }
    }
}

/// Where the body of a whole frame lies.
enum Body<'a> {
    /// In the input.
    Input(&'a [u8]),
    /// In what was held, behind so many bytes.
    Held(usize),
}

/// From here on a frame gets a buffer that has been used before.
const LARGE: usize = 1 << 12;
/// A frame in pieces gets at most this much before its bytes are there.
const AT_ONCE: usize = 1 << 17;
