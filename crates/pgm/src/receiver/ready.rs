// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is ready to be taken.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::StreamId;
use crate::sequence::Sqn;
use crate::tsi::Tsi;

/// Something to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stream has been met.
    StreamUp {
        /// Its number.
        stream: StreamId,
        /// Its name.
        tsi: Tsi,
        /// Who sends it.
        from: IpAddr,
    },
    /// The next bytes of a stream: an APDU.
    Data {
        /// Of this stream.
        stream: StreamId,
        /// The number of its (last) packet.
        sqn: Sqn,
        /// The bytes.
        payload: &'a [u8],
    },
    /// The next packets of a stream are lost for good.
    Lost {
        /// Of this stream.
        stream: StreamId,
        /// The first of them.
        first: Sqn,
        /// How many.
        packets: u32,
    },
    /// A stream is no more. Of what follows under its name the beginning will be missed.
    StreamDown {
        /// This stream.
        stream: StreamId,
        /// Why.
        reason: DownReason,
    },
}

/// Why a stream is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// There were too many.
    Crowded,
    /// Nothing came for too long.
    Expired,
    /// The source has ended it, and everything that could be had was delivered.
    Finished,
    /// The source has broken it off.
    Reset,
}

#[derive(Debug)]
enum Item {
    Up(StreamId, Tsi, IpAddr),
    Data(StreamId, Sqn, Vec<u8>),
    Lost(StreamId, Sqn, u32),
    Down(StreamId, DownReason),
}

#[derive(Debug, Default)]
pub(super) struct Ready {
    items: VecDeque<Item>,
    bytes: usize,
    /// The bytes of the last event.
    lent: Vec<u8>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

impl Ready {
    pub(super) fn next(&mut self) -> Option<Event<'_>> {
        Some(match self.items.pop_front()? {
            Item::Up(stream, tsi, from) => Event::StreamUp { stream, tsi, from },
            Item::Data(stream, sqn, payload) => {
                self.bytes = self.bytes.saturating_sub(cost(&payload));
                let old = std::mem::replace(&mut self.lent, payload);
                self.give_back(old);
                Event::Data {
                    stream,
                    sqn,
                    payload: &self.lent,
                }
            }
            Item::Lost(stream, first, packets) => Event::Lost {
                stream,
                first,
                packets,
            },
            Item::Down(stream, reason) => Event::StreamDown { stream, reason },
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A buffer with these bytes. Without memory there is none: the packet counts as lost on the way.
    pub(super) fn copy(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.try_reserve(payload.len()).ok()?;
        buffer.extend_from_slice(payload);
        Some(buffer)
    }

    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE && (1..=SPARE_LEN).contains(&buffer.capacity()) {
            self.spare.push(buffer);
        }
    }

    pub(super) fn up(&mut self, stream: StreamId, tsi: Tsi, from: IpAddr) {
        self.items.push_back(Item::Up(stream, tsi, from));
    }

    pub(super) fn data(&mut self, stream: StreamId, sqn: Sqn, payload: Vec<u8>) {
        self.bytes += cost(&payload);
        self.items.push_back(Item::Data(stream, sqn, payload));
    }

    pub(super) fn lost(&mut self, stream: StreamId, sqn: Sqn, packets: u32) {
        if let Some(Item::Lost(of, first, count)) = self.items.back_mut()
            && *of == stream
            && first.plus(*count) == sqn
        {
            *count = count.saturating_add(packets);
            return;
        }
        self.items.push_back(Item::Lost(stream, sqn, packets));
    }

    pub(super) fn down(&mut self, stream: StreamId, reason: DownReason) {
        self.items.push_back(Item::Down(stream, reason));
    }
}

fn cost(payload: &[u8]) -> usize {
    payload.len() + size_of::<Item>()
}

/// Most buffers that wait to be used again, and their greatest length.
const SPARE: usize = 128;
const SPARE_LEN: usize = 16 << 10;
