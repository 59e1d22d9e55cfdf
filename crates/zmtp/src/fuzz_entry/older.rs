// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers from before ZMTP 3.0, the whole stream at once and byte by byte.
//!
//! ```text
//! input = setup (1)  what the peer writes
//! ```

use ferromq_vocabulary::SocketType;

use super::SLACK;
use crate::handshake::{Fault, Handshake, Local};

/// The largest frame.
const LARGEST: i64 = 300;

/// What has become of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    handshake: Result<bool, Fault>,
    routing_id: Vec<u8>,
    frames: Vec<u8>,
    traffic: Result<(), Fault>,
}

/// Both ways must come to the same, and memory follows what arrived.
pub fn older(data: &[u8]) {
    let Some((setup, stream)) = data.split_first() else {
        return;
    };
    let whole = course(*setup, stream, usize::MAX);
    let bytewise = course(*setup, stream, 1);
    assert_eq!(whole, bytewise);
    assert!(whole.frames.len() <= stream.len().saturating_mul(2).saturating_add(SLACK));
    assert!(whole.routing_id.len() <= stream.len());
}

/// Gives a handshake a stream in pieces of at most so many bytes.
fn course(setup: u8, stream: &[u8], most: usize) -> Course {
    let socket_type = match setup & 3 {
        0 => SocketType::Dealer,
        1 => SocketType::Xpub,
        2 => SocketType::Sub,
        _ => SocketType::Pair,
    };
    let mut local = Local::new(socket_type);
    local.takes_older = true;
    local.routing_id = vec![7; usize::from(setup >> 4)];
    let mut handshake = Handshake::new(local);
    let mut rest = stream;
    let mut course = Course {
        handshake: Ok(false),
        routing_id: Vec::new(),
        frames: Vec::new(),
        traffic: Ok(()),
    };
    while !rest.is_empty() && !handshake.is_done() {
        let piece = rest.get(..most).unwrap_or(rest);
        match handshake.handle_input(piece) {
            Ok(0) => break,
            Ok(taken) => rest = rest.get(taken..).unwrap_or(&[]),
            Err(fault) => {
                course.handshake = Err(fault);
                return course;
            }
        }
        let sent = handshake.transmit().len();
        assert!(sent <= SLACK);
        handshake.transmitted(sent);
    }
    if !handshake.is_done() {
        return course;
    }
    course.handshake = Ok(true);
    let transcoder = handshake.take_transcoder(LARGEST);
    course.routing_id = handshake.into_peer().routing_id;
    let Some(mut transcoder) = transcoder else {
        return course;
    };
    for piece in rest.chunks(most.min(stream.len())) {
        course.traffic = transcoder.decoder.decode(piece, &mut course.frames);
        if course.traffic.is_err() {
            // How much of the last piece came out before is nobody's business.
            course.frames.clear();
            break;
        }
    }
    course
}
