// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections whose bytes are not the frames of our queues: encrypted ones, peers of ZMTP 1.0, and
//! plain bytes as STREAM sockets exchange them.
//!
//! The queues hold ZMTP frames all the same. On the way out the pump has them encoded, on the way in
//! whoever reads has them decoded.

use std::cell::Cell;
use std::io;

use ferromq_message::frame;
use ferromq_os::stream::Stream;
use ferromq_pipe::{Assembly, BEGINNING, FillFault};
use ferromq_zmtp::handshake::Fault;
use ferromq_zmtp::transcode::{Decoder, Encoder, Opened, Transcoder, spare};

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
        if self.wire.capacity() == 0 {
            self.wire = spare::take();
        }
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
            spare::give(&mut self.wire);
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
    /// A large record that is read to where it will stay.
    large: Option<Assembly>,
    /// The record before was a large one.
    was_large: bool,
    /// Most bytes to read at once.
    most: usize,
}

/// What has been decoded.
pub(crate) enum Decoded<'a> {
    /// Frames, each whole.
    Frames(&'a [u8]),
    /// A large one.
    Large(Opened),
}

/// Who takes what has been decoded.
type Taker<'a> = &'a mut dyn FnMut(Decoded<'_>) -> Result<(), FillFault>;

impl Inlet {
    /// Reads once and decodes; `cut` says how much may be read. Returns how much was read and offered.
    pub(crate) fn read(
        &mut self,
        stream: &Stream,
        cut: impl FnOnce(usize) -> usize,
        take: Taker<'_>,
    ) -> Result<io::Result<(usize, usize)>, Breach> {
        with_room(|room| {
            let Some(large) = &mut self.large else {
                // Behind one large record there is often another: its beginning is enough.
                let most = if std::mem::take(&mut self.was_large) {
                    BEGINNING
                } else {
                    self.most
                };
                let offered = cut(most);
                return match stream.recv(&mut room[..offered]) {
                    Ok(read) => self
                        .decode(&room[..read], take)
                        .map(|()| Ok((read, offered))),
                    Err(error) => Ok(Err(error)),
                };
            };
            let missing = large.missing();
            let came = large.read(stream, cut, &mut room[..BEGINNING])?;
            if let Ok((read, _)) = &came {
                self.decode(&room[..read.saturating_sub(missing)], take)?;
            }
            Ok(came)
        })
    }

    /// Decodes what was read: nothing, at first, for a decoder that has frames of its own to begin with.
    pub(crate) fn decode(&mut self, mut bytes: &[u8], take: Taker<'_>) -> Result<(), Breach> {
        if let Some(large) = &mut self.large {
            bytes = large.extend(bytes)?;
            let Some(whole) = self.large.take_if(|large| large.missing() == 0) else {
                return Ok(());
            };
            self.was_large = true;
            let opened = self
                .decoder
                .open(whole.into_body())
                .map_err(Breach::Traffic)?;
            take(Decoded::Large(opened))?;
            if bytes.is_empty() {
                return Ok(());
            }
        }
        self.frames.clear();
        if self.frames.capacity() == 0 {
            self.frames = spare::take();
        }
        self.decoder
            .decode(bytes, &mut self.frames)
            .map_err(Breach::Traffic)?;
        take(Decoded::Frames(&self.frames))?;
        spare::give(&mut self.frames);
        if let Some(mut begun) = self.decoder.take_begun() {
            self.large = Some(Assembly::begin(0, begun.len, &begun.beginning)?);
            spare::give(&mut begun.beginning);
        }
        Ok(())
    }
}

/// Room to read into, which every connection of this thread uses in turn.
fn with_room<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // At the end of the thread there is none any more.
    let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
    room.resize(READ_MOST, 0);
    let done = work(&mut room);
    ROOM.try_with(|place| place.set(room)).ok();
    done
}

/// Both ways of a connection.
pub(crate) fn ways(transcoder: Transcoder, raw: bool) -> (Outlet, Inlet) {
    let outlet = Outlet {
        encoder: transcoder.encoder,
        wire: Vec::new(),
        sent: 0,
    };
    let inlet = Inlet {
        decoder: transcoder.decoder,
        frames: Vec::new(),
        large: None,
        was_large: false,
        most: if raw { MOST_READ } else { READ_MOST },
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

/// Most bytes that are read at once of what has to be decoded.
const READ_MOST: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::{Decoded, frame, plain, ways};

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
            let (mut outlet, _inlet) = ways(plain(), true);
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
        let (_outlet, mut inlet) = ways(plain(), true);
        let mut all = Vec::new();
        for read in [&b"ab"[..], b"", b"c"] {
            let mut take = |decoded: Decoded<'_>| {
                if let Decoded::Frames(frames) = decoded {
                    all.extend_from_slice(frames);
                }
                Ok(())
            };
            inlet.decode(read, &mut take).unwrap();
        }
        assert_eq!(all, b"\0\x02ab\0\x01c");
    }
}
