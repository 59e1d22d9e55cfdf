// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers from before ZMTP 3.0: each side sends its routing id as the first frame, and that is all.
//!
//! ```text
//! ZMTP 2.0             signature  revision  socket type  routing id (framing of 2.0)
//! ZMTP 1.0, versioned  signature  revision  socket type  routing id (framing of 1.0)
//! ZMTP 1.0                                               routing id (framing of 1.0)
//! ```
//!
//! Towards the last kind our signature is the header of our routing id's frame (contract 3.1: "the 8
//! bytes are big-endian (own identity length + 1): i.e. a valid ZMTP/1.0 long-form length").

use ferromq_message::frame;
use ferromq_vocabulary::SocketType;

use super::{Local, MAX_ROUTING_ID, Peer};
use crate::command::append_header;
use crate::greeting::{Protocol, Version};
use crate::handshake::Fault;
use crate::metadata::Properties;
use crate::transcode::{Transcoder, v1};

/// What such a peer has said.
#[derive(Debug)]
pub(super) struct Older {
    protocol: Protocol,
    /// Awaited, from the ones that send it.
    socket_type: Option<u8>,
    /// The peer's first frame as far as it is here.
    first: Vec<u8>,
}

impl Older {
    /// `seen` is what was taken for the beginning of a greeting.
    pub(super) fn new(protocol: Protocol, seen: &[u8]) -> Self {
        let first = match protocol {
            Protocol::V1_0Unversioned => seen.to_vec(),
            _ => Vec::new(),
        };
        Self {
            protocol,
            socket_type: None,
            first,
        }
    }

    /// What we say of ourselves.
    pub(super) fn introduce(&self, local: &Local, out: &mut Vec<u8>) {
        let id = local.routing_id.as_slice();
        // contract 3.1: "revision 0 or 1 -> it sends ONE byte: its socket type"
        let number = u8::try_from(local.socket_type.number()).unwrap_or(u8::MAX);
        match self.protocol {
            Protocol::V1_0Unversioned => {}
            Protocol::V1_0 => {
                out.push(number);
                v1::encode_header(false, id.len() as u64, out);
            }
            _ => {
                out.push(number);
                append_header(0, id.len(), out);
            }
        }
        out.extend_from_slice(id);
    }

    /// Takes what belongs to the handshake.
    pub(super) fn handle_input(&mut self, rest: &mut &[u8]) -> Result<Option<Peer>, Fault> {
        loop {
            let header = self.header()?;
            if let Some((at, end)) = header
                && self.first.len() >= end
            {
                let routing_id = self.first.get(at..).unwrap_or_default().to_vec();
                return Ok(Some(self.peer(routing_id)));
            }
            let Some((byte, after)) = rest.split_first() else {
                return Ok(None);
            };
            *rest = after;
            if self.protocol != Protocol::V1_0Unversioned && self.socket_type.is_none() {
                self.socket_type = Some(*byte);
            } else {
                self.first.push(*byte);
            }
        }
    }

    /// What traffic goes through.
    pub(super) fn transcoder(&self, max_frame_size: i64, ours: SocketType) -> Option<Transcoder> {
        if self.protocol == Protocol::V2_0 {
            return None;
        }
        let publishes = matches!(ours, SocketType::Pub | SocketType::Xpub);
        let phantom = publishes && self.protocol == Protocol::V1_0Unversioned;
        Some(Transcoder {
            encoder: Box::new(v1::V1Encoder::default()),
            decoder: Box::new(v1::V1Decoder::new(max_frame_size, phantom)),
        })
    }

    /// Where the body of the first frame begins and ends.
    fn header(&self) -> Result<Option<(usize, usize)>, Fault> {
        let (header_len, body_len) = if self.protocol == Protocol::V2_0 {
            match frame::decode(&self.first) {
                Some(header) => (header.header_len, header.body_len),
                None => return Ok(None),
            }
        } else {
            match v1::decode_header(&self.first)? {
                Some(header) => (header.header_len, header.body_len),
                None => return Ok(None),
            }
        };
        let body_len = usize::try_from(body_len)
            .ok()
            .filter(|len| *len <= MAX_ROUTING_ID)
            .ok_or(Fault::InvalidMetadata)?;
        Ok(Some((header_len, header_len.saturating_add(body_len))))
    }

    fn peer(&self, routing_id: Vec<u8>) -> Peer {
        let version = match self.protocol {
            Protocol::V2_0 => Version::V2_0,
            _ => Version::V1_0,
        };
        // contract 3.1: "Socket type numbers in 2.0 greeting equal the ZMQ_* type values; libzmq
        // does not validate them."
        let socket_type = self
            .socket_type
            .and_then(|number| SocketType::from_number(i32::from(number)));
        Peer {
            version,
            socket_type,
            routing_id,
            properties: Properties::new(),
        }
    }
}
