// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections without framing: plain bytes, as STREAM sockets exchange them.
//!
//! The queues hold ZMTP frames all the same. On the way out the pump takes the frame headers off;
//! on the way in whatever one read brings becomes a frame.

use ferromq_message::frame;

/// Most bytes that become one message: libzmq reads so many at once, and programs know it.
pub(crate) const MOST_READ: usize = 8192;

/// Takes the frame headers off a stream of frames that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Unframer {
    /// The header of the next frame, as far as it has come.
    header: Vec<u8>,
    /// What is left of the body of the present frame.
    left: u64,
    /// Whether that body is none of the application's bytes.
    command: bool,
    /// Bytes without headers, and how many of them the kernel has accepted.
    plain: Vec<u8>,
    sent: usize,
}

impl Unframer {
    /// Takes a piece of the stream.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.left > 0 {
                let take = piece
                    .len()
                    .min(usize::try_from(self.left).unwrap_or(usize::MAX));
                let (now, rest) = piece.split_at(take);
                if !self.command {
                    self.plain.extend_from_slice(now);
                }
                self.left -= take as u64;
                piece = rest;
                continue;
            }
            self.header.push(piece[0]);
            piece = &piece[1..];
            if let Some(header) = frame::decode(&self.header) {
                self.left = header.body_len;
                self.command = header.flags & frame::COMMAND != 0;
                self.header.clear();
            }
        }
    }

    /// What is to be written.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain[self.sent..]
    }

    /// So many bytes of [`plain`](Self::plain) have been written.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.plain.len() {
            self.sent = 0;
            self.plain.clear();
            self.plain.shrink_to(1 << 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Unframer, frame};

    #[test]
    fn headers_go_wherever_the_pieces_end() {
        let bodies = [vec![1u8; 3], vec![], vec![2; 300], vec![3; 255]];
        let mut stream = Vec::new();
        for body in &bodies {
            let (header, len) = frame::encode(0, body.len());
            stream.extend_from_slice(&header[..len]);
            stream.extend_from_slice(body);
        }
        for size in [1, 2, 3, 7, 300, stream.len()] {
            let mut unframer = Unframer::default();
            for piece in stream.chunks(size) {
                unframer.feed(piece);
            }
            assert_eq!(unframer.plain(), bodies.concat());
            unframer.written(5);
            assert_eq!(unframer.plain(), &bodies.concat()[5..]);
        }
    }
}
