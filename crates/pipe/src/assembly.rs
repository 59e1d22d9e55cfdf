// SPDX-License-Identifier: MIT OR Apache-2.0
//! A frame too large for a slab, in a block that grows with the bytes that arrive.

use std::io;

use ferromq_message::Buffer;
use ferromq_os::stream::Stream;

use crate::fill::FillFault;

/// A large frame that is being put together.
pub(crate) struct Assembly {
    pub(crate) flags: u8,
    pub(crate) body_len: u64,
    pub(crate) buffer: Buffer,
}

impl Assembly {
    /// Bytes that have not come yet.
    pub(crate) fn missing(&self) -> usize {
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

    /// Reads some of them, cut to so many bytes; returns how many came and were offered.
    pub(crate) fn read(
        &mut self,
        stream: &Stream,
        cut: impl FnOnce(usize) -> usize,
    ) -> Result<io::Result<(usize, usize)>, FillFault> {
        self.make_room()?;
        let missing = self.missing();
        let room = self.buffer.spare_uninit();
        let whole = room.len().min(missing);
        let offered = cut(whole).min(whole);
        let read = match stream.recv_uninit(&mut room[..offered]) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        // SAFETY: the kernel has written so many bytes at the beginning of the room.
        unsafe { self.buffer.commit_uninit(read) };
        Ok(Ok((read, offered)))
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
