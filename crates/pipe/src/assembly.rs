// SPDX-License-Identifier: MIT OR Apache-2.0
//! A frame too large for a slab, in a block that grows with the bytes that arrive.

use std::io;

use ferromq_message::{Buffer, Message};
use ferromq_os::stream::Stream;

use crate::fill::FillFault;

/// A frame gets at most this much before its bytes are there.
const ANNOUNCED: usize = 1024 * 1024;
/// How much is read at once when another large frame is expected: its beginning, the rest goes to where it will stay.
pub const BEGINNING: usize = 4 * 1024;

/// A large frame that is being put together.
pub struct Assembly {
    pub(crate) flags: u8,
    pub(crate) body_len: u64,
    pub(crate) buffer: Buffer,
}

impl Assembly {
    /// Of a frame with a body of so many bytes there is the beginning.
    ///
    /// # Errors
    /// No memory for it, or more than could be addressed.
    pub fn begin(flags: u8, body_len: u64, beginning: &[u8]) -> Result<Self, FillFault> {
        let len = usize::try_from(body_len).map_err(|_too_large| FillFault::TooLarge)?;
        let buffer = Buffer::with_capacity(len.min(ANNOUNCED))
            .map_err(|_out_of_memory| FillFault::OutOfMemory)?;
        let mut assembly = Self {
            flags,
            body_len,
            buffer,
        };
        assembly.extend(beginning)?;
        Ok(assembly)
    }

    /// Appends what is here of the rest; returns what lies behind the frame.
    ///
    /// # Errors
    /// No memory for it.
    pub fn extend<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FillFault> {
        let (now, rest) = bytes.split_at(bytes.len().min(self.missing()));
        self.buffer
            .extend_from_slice(now)
            .map_err(|_out_of_memory| FillFault::OutOfMemory)?;
        Ok(rest)
    }

    /// The body, as far as it has come.
    #[must_use]
    pub fn into_body(self) -> Message {
        Message::from_buffer(self.buffer)
    }

    /// Bytes that have not come yet.
    #[must_use]
    pub fn missing(&self) -> usize {
        (self.body_len - self.buffer.len() as u64) as usize
    }

    /// Where to read them to: as much as there is memory for now.
    pub(crate) fn room(&mut self) -> Result<&mut [u8], FillFault> {
        self.make_room()?;
        let missing = self.missing();
        let room = self.buffer.spare_mut();
        let room_len = room.len().min(missing);
        Ok(&mut room[..room_len])
    }

    /// Reads some of them, and what comes behind them into `behind`, cut to so many bytes; returns how
    /// many came and were offered.
    ///
    /// # Errors
    /// No memory for them; within, those of the read.
    pub fn read(
        &mut self,
        stream: &Stream,
        cut: impl FnOnce(usize) -> usize,
        behind: &mut [u8],
    ) -> Result<io::Result<(usize, usize)>, FillFault> {
        self.make_room()?;
        let missing = self.missing();
        let room = self.buffer.spare_uninit();
        let here = room.len().min(missing);
        let beyond = if here == missing { behind.len() } else { 0 };
        let offered = cut(here + beyond);
        let here = here.min(offered);
        let beyond = beyond.min(offered - here);
        let result = stream.recv_uninit_vectored(&mut room[..here], &mut behind[..beyond]);
        let read = match result {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        // SAFETY: the kernel has written so many bytes at the beginning of the room.
        unsafe { self.buffer.commit_uninit(read.min(here)) };
        Ok(Ok((read, here + beyond)))
    }

    fn make_room(&mut self) -> Result<(), FillFault> {
        if self.buffer.len() == self.buffer.capacity() {
            let double = (self.buffer.capacity() as u64 * 2).min(self.body_len) as usize;
            self.buffer
                .grow_to(double)
                .map_err(|_out_of_memory| FillFault::OutOfMemory)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly")
            .field("missing", &self.missing())
            .finish_non_exhaustive()
    }
}
