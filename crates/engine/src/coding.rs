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
    /// How many bytes of the queue are encoded in `wire`, or held back by the encoder.
    fed: usize,
    /// Frame by frame what was encoded.
    frames: FrameCut,
    /// Of each frame in `wire`, where it ends there and among the bytes of the queue.
    ends: Vec<End>,
    /// Bytes of the queue whose frames the kernel has accepted, and for which nobody has asked yet.
    accepted: usize,
    /// How many of `ends`, and of `fed`, are in `accepted` or were.
    passed: (usize, usize),
}

#[derive(Debug, Clone, Copy)]
struct End {
    wire: usize,
    queue: usize,
}

/// Ends of frames that a connection keeps memory for while it is idle.
const ENDS_KEPT: usize = 16;

impl Outlet {
    fn new(encoder: Box<dyn Encoder>) -> Self {
        Self {
            encoder,
            wire: Vec::new(),
            sent: 0,
            fed: 0,
            frames: FrameCut::default(),
            ends: Vec::new(),
            accepted: 0,
            passed: (0, 0),
        }
    }

    /// Takes a piece of the queue, a stream of our frames.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<(), Fault> {
        self.make_room();
        while !piece.is_empty() {
            let (part, is_end) = self.frames.next(&mut piece);
            self.encoder.encode(part, &mut self.wire)?;
            self.fed += part.len();
            if is_end {
                self.ends.push(End {
                    wire: self.wire.len(),
                    queue: self.fed,
                });
            }
        }
        Ok(())
    }

    /// Takes commands, whole frames that are not of the queue.
    pub(crate) fn feed_commands(&mut self, frames: &[u8]) -> Result<(), Fault> {
        self.make_room();
        self.encoder.encode(frames, &mut self.wire)
    }

    fn make_room(&mut self) {
        if self.wire.capacity() == 0 {
            self.wire = spare::take();
        }
    }

    /// What is to be written.
    pub(crate) fn rest(&self) -> &[u8] {
        self.wire.get(self.sent..).unwrap_or(&[])
    }

    /// So many bytes of [`rest`](Self::rest) have been written.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// How many bytes of the queue the kernel has accepted since this was last asked: those of frames of which it has
    /// every byte that they were encoded to, and what the encoder holds back when nothing is left to be written.
    pub(crate) fn take_accepted(&mut self) -> usize {
        if self.rest().is_empty() {
            self.accepted += self.fed - self.passed.1;
            self.begin_anew();
        } else {
            let (mut ends, mut queue) = self.passed;
            while let Some(end) = self.ends.get(ends).filter(|end| end.wire <= self.sent) {
                (ends, queue) = (ends + 1, end.queue);
            }
            self.accepted += queue - self.passed.1;
            self.passed = (ends, queue);
        }
        std::mem::take(&mut self.accepted)
    }

    fn begin_anew(&mut self) {
        self.sent = 0;
        self.fed = 0;
        self.passed = (0, 0);
        self.ends.clear();
        self.ends.shrink_to(ENDS_KEPT);
        spare::give(&mut self.wire);
    }

    /// Whether commands may go in between.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.encoder.is_at_boundary()
    }
}

/// Cuts a stream of our frames where they end, however it comes in pieces.
#[derive(Debug, Default)]
struct FrameCut {
    /// The beginning of a header.
    header: Vec<u8>,
    /// Bytes of the body still to come, once the header is whole.
    body: Option<u64>,
}

impl FrameCut {
    /// Takes from a piece what belongs to the frame under way; whether that ends there.
    fn next<'a>(&mut self, piece: &mut &'a [u8]) -> (&'a [u8], bool) {
        let mut used = 0;
        if self.body.is_none() && self.header.is_empty() {
            // Mostly it is there whole, or its header is.
            if let Some(header) = frame::decode(piece) {
                used = header.header_len;
                self.body = Some(header.body_len);
            }
        }
        while self.body.is_none() && used < piece.len() {
            self.header.push(piece[used]);
            used += 1;
            if let Some(header) = frame::decode(&self.header) {
                self.header.clear();
                self.body = Some(header.body_len);
            }
        }
        let mut is_end = false;
        if let Some(left) = &mut self.body {
            let here = usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(piece.len() - used);
            used += here;
            *left -= here as u64;
            is_end = *left == 0;
        }
        if is_end {
            self.body = None;
        }
        let (part, rest) = piece.split_at(used);
        *piece = rest;
        (part, is_end)
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
    let outlet = Outlet::new(transcoder.encoder);
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
