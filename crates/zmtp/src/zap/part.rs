// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several frames in one part, for sockets whose messages have no more than one.
//!
//! RFC 27 does not say how a SERVER is to be asked. This is what CZMQ's `zmsg_encode` makes of a message and what its
//! `zmsg_decode` reads: each frame behind its length, a byte, or 0xff and four bytes (big-endian) from 255 on.

const LONG: u8 = 0xff;

pub(super) fn encode<F: AsRef<[u8]>>(frames: &[F]) -> Vec<u8> {
    let mut part = Vec::new();
    for frame in frames {
        let frame = frame.as_ref();
        match u8::try_from(frame.len()) {
            Ok(len) if len != LONG => part.push(len),
            _ => {
                // Nobody shows 4 GiB: what a peer may send in a handshake has a size.
                let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                part.push(LONG);
                part.extend_from_slice(&len.to_be_bytes());
            }
        }
        part.extend_from_slice(frame);
    }
    part
}

/// The frames, if the last one ends where the part does.
pub(super) fn decode(mut part: &[u8]) -> Option<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while let Some((len, rest)) = part.split_first() {
        let (len, rest) = match *len {
            LONG => {
                let (len, rest) = rest.split_first_chunk()?;
                (usize::try_from(u32::from_be_bytes(*len)).ok()?, rest)
            }
            len => (usize::from(len), rest),
        };
        let (frame, rest) = rest.split_at_checked(len)?;
        frames.push(frame);
        part = rest;
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_czmq_has_it() {
        let frames: Vec<_> = [0, 2, 254, 255].map(|len| vec![b'x'; len]).into();
        let part = encode(&frames);
        // Read off zmsg_encode of CZMQ 4.2.1: all but these are an x.
        let lengths = [
            (0, 0),
            (1, 2),
            (4, 254),
            (259, 255),
            (260, 0),
            (261, 0),
            (262, 0),
            (263, 255),
        ];
        let expected: Vec<u8> = (0..519)
            .map(|at| {
                lengths
                    .iter()
                    .find(|(place, _)| *place == at)
                    .map_or(b'x', |(_, byte)| *byte)
            })
            .collect();
        assert_eq!(part, expected);
        assert_eq!(
            decode(&part),
            Some(frames.iter().map(Vec::as_slice).collect())
        );
        assert_eq!(decode(b""), Some(Vec::new()));
    }

    #[test]
    fn what_is_cut_is_not_read() {
        for cut in [
            &b"\x01"[..],
            b"\x03ab",
            b"\xff",
            b"\xff\0\0\0",
            b"\xff\xff\xff\xff\xffx",
            b"\x01ab",
        ] {
            assert_eq!(decode(cut), None, "{cut:?}");
        }
    }
}
