// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections whose bytes are not the frames of our queues: encrypted ones, peers of ZMTP 1.0, and
//! plain bytes as STREAM sockets exchange them.
//!
//! The queues hold ZMTP frames all the same. On the way out the pump has them encoded, on the way in
//! whoever reads has them decoded.

use ferromq_message::frame;
use ferromq_pipe::FillFault;
use ferromq_zmtp::handshake::Fault;
use ferromq_zmtp::transcode::{Decoder, Encoder, Transcoder};

/// Most plain bytes that become one message: libzmq reads so many at once, and programs know it.
pub(crate) const MOST_READ: usize = 8192;

/// What the peer has done to lose its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breach {
    /// It has broken a limit, or there is no memory for what it sends.
    Limit(FillFault),
    /// What it sends cannot be decoded.
    Traffic(Fault),
}

impl From<FillFault> for Breach {
    fn from(fault: FillFault) -> Self {
        Self::Limit(fault)
    }
}

/// The way out.
#[derive(Debug)]
pub(crate) struct Outlet {
    encoder: Box<dyn Encoder>,
    /// Encoded, and how much of it the kernel has accepted.
    wire: Vec<u8>,
    sent: usize,
}

impl Outlet {
    /// Takes a piece of our stream of frames.
    pub(crate) fn feed(&mut self, frames: &[u8]) -> Result<(), Fault> {
        self.encoder.encode(frames, &mut self.wire)
    }

    /// What is to be written.
    pub(crate) fn rest(&self) -> &[u8] {
        self.wire.get(self.sent..).unwrap_or(&[])
    }

    /// So many bytes of [`rest`](Self::rest) have been written.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent >= self.wire.len() {
            self.sent = 0;
            self.wire.clear();
            self.wire.shrink_to(KEPT);
        }
    }

    /// Whether commands may go in between.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.encoder.is_at_boundary()
    }
}

/// The way in.
#[derive(Debug)]
pub(crate) struct Inlet {
    decoder: Box<dyn Decoder>,
    frames: Vec<u8>,
    /// Where the application reads to.
    pub(crate) wire: Vec<u8>,
}

impl Inlet {
    /// The frames in what was read.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<&[u8], Fault> {
        self.frames.clear();
        self.frames.shrink_to(KEPT);
        self.decoder.decode(bytes, &mut self.frames)?;
        Ok(&self.frames)
    }

    /// How many bytes to read at once: more if the last read was full.
    pub(crate) fn adapt(&mut self, read: usize) {
        let now = self.wire.len();
        let next = if read == now { now * 4 } else { READ_FIRST };
        self.wire.resize(next.clamp(READ_FIRST, READ_MOST), 0);
        self.wire.shrink_to(KEPT);
    }
}

/// Both ways of a connection.
pub(crate) fn ways(transcoder: Transcoder) -> (Outlet, Inlet) {
    let outlet = Outlet {
        encoder: transcoder.encoder,
        wire: Vec::new(),
        sent: 0,
    };
    let inlet = Inlet {
        decoder: transcoder.decoder,
        frames: Vec::new(),
        wire: vec![0; READ_FIRST],
    };
    (outlet, inlet)
}

/// Plain bytes: the bodies of our frames one after the other; a read is a message.
pub(crate) fn plain() -> Transcoder {
    Transcoder {
        encoder: Box::new(Unframer::default()),
        decoder: Box::new(Framer),
    }
}

/// Takes the frame headers off a stream of frames that comes in pieces.
#[derive(Debug, Default)]
struct Unframer {
    /// The header of the next frame, as far as it has come.
    header: Vec<u8>,
    /// What is left of the body of the present frame.
    left: u64,
    /// Whether that body is none of the application's bytes.
    command: bool,
}

impl Encoder for Unframer {
    fn encode(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        while !piece.is_empty() {
            if self.left > 0 {
                let take = piece
                    .len()
                    .min(usize::try_from(self.left).unwrap_or(usize::MAX));
                let (now, rest) = piece.split_at(take);
                if !self.command {
                    out.extend_from_slice(now);
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
        Ok(())
    }

    fn is_at_boundary(&self) -> bool {
        self.left == 0 && self.header.is_empty()
    }
}

/// Makes a message of what comes.
#[derive(Debug)]
struct Framer;

impl Decoder for Framer {
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if !bytes.is_empty() {
            let (header, len) = frame::encode(0, bytes.len());
            out.extend_from_slice(&header[..len]);
            out.extend_from_slice(bytes);
        }
        Ok(())
    }
}

/// What buffers may keep while nothing is in them.
const KEPT: usize = 1 << 16;
const READ_FIRST: usize = 1 << 12;
const READ_MOST: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::{frame, plain, ways};

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
            let (mut outlet, _inlet) = ways(plain());
            for piece in stream.chunks(size) {
                outlet.feed(piece).unwrap();
            }
            assert_eq!(outlet.rest(), bodies.concat());
            outlet.written(5);
            assert_eq!(outlet.rest(), &bodies.concat()[5..]);
        }
    }

    #[test]
    fn a_read_is_a_message() {
        let (_outlet, mut inlet) = ways(plain());
        assert_eq!(inlet.decode(b"ab").unwrap(), b"\0\x02ab");
        assert_eq!(inlet.decode(b"").unwrap(), b"");
    }
}
