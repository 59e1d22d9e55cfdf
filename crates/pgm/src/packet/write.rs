// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets to bytes.

use std::net::IpAddr;

use super::option::{LAST, NAK_LIST_MAX, OPT_FIN, OPT_FRAGMENT, OPT_LENGTH, OPT_NAK_LIST};
use super::{
    AT_CHECKSUM, AT_TRAIL, AT_TYPE, FAMILY_V4, FAMILY_V6, Fragment, Header, Nak, NakKind,
    OPTIONS_NETWORK, OPTIONS_PRESENT, PARITY, Spm, TYPE_NAK, TYPE_NCF, TYPE_NULL_NAK, TYPE_ODATA,
    TYPE_RDATA, TYPE_SPM, TYPE_SPMR, checksum,
};
use crate::sequence::Sqn;

/// Appends an SPM, perhaps one that says that the stream has ended.
pub fn write_spm(header: &Header, spm: &Spm, fin: bool, out: &mut Vec<u8>) {
    let begin = out.len();
    let flags = if fin { OPTIONS_PRESENT } else { 0 };
    put_header(header, TYPE_SPM, flags, 0, out);
    for number in [spm.sqn, spm.trail, spm.lead] {
        out.extend_from_slice(&number.0.to_be_bytes());
    }
    put_address(spm.address, out);
    if fin {
        out.extend_from_slice(&[OPT_LENGTH, 4, 0, 8, OPT_FIN | LAST, 4, 0, 0]);
    }
    seal(begin, out);
}

/// Appends a NAK or NCF for up to 63 numbers; of more only the first.
pub fn write_nak(header: &Header, nak: &Nak, more: &[Sqn], out: &mut Vec<u8>) {
    let begin = out.len();
    let kind = match nak.kind {
        NakKind::Nak => TYPE_NAK,
        NakKind::Null => TYPE_NULL_NAK,
        NakKind::Confirmation => TYPE_NCF,
    };
    let more = more.get(..NAK_LIST_MAX).unwrap_or(more);
    let mut flags = if nak.parity { PARITY } else { 0 };
    if !more.is_empty() {
        flags |= OPTIONS_PRESENT | OPTIONS_NETWORK;
    }
    put_header(header, kind, flags, 0, out);
    out.extend_from_slice(&nak.sqn.0.to_be_bytes());
    put_address(nak.source, out);
    put_address(nak.group, out);
    if !more.is_empty() {
        // At most 4 + 4 * 62 bytes: it fits.
        let len = u8::try_from(4 + 4 * more.len()).unwrap_or(u8::MAX);
        let total = u16::from(len) + 4;
        out.extend_from_slice(&[OPT_LENGTH, 4]);
        out.extend_from_slice(&total.to_be_bytes());
        out.extend_from_slice(&[OPT_NAK_LIST | LAST, len, 0, 0]);
        for number in more {
            out.extend_from_slice(&number.0.to_be_bytes());
        }
    }
    seal(begin, out);
}

/// Appends a request for an SPM.
pub fn write_spmr(header: &Header, out: &mut Vec<u8>) {
    let begin = out.len();
    put_header(header, TYPE_SPMR, 0, 0, out);
    seal(begin, out);
}

/// Appends a data packet as it is sent for the first time. More than 65,535 bytes of payload do not fit; what
/// is too much is left out.
pub fn write_data(
    header: &Header,
    sqn: Sqn,
    trail: Sqn,
    fragment: Option<Fragment>,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let payload = payload.get(..usize::from(u16::MAX)).unwrap_or(payload);
    let begin = out.len();
    put_data_head(header, sqn, fragment, payload.len(), out);
    let head = DataHead::of(out.get(begin..).unwrap_or_default(), payload);
    out.extend_from_slice(payload);
    if let Some(packet) = out.get_mut(begin..) {
        head.finish(packet, false, trail);
    }
}

/// Appends what stands before the payload of a data packet, all but what is different whenever it is sent.
pub(crate) fn put_data_head(
    header: &Header,
    sqn: Sqn,
    fragment: Option<Fragment>,
    payload_len: usize,
    out: &mut Vec<u8>,
) {
    let tsdu_length = u16::try_from(payload_len).unwrap_or(u16::MAX);
    let flags = if fragment.is_some() {
        OPTIONS_PRESENT
    } else {
        0
    };
    put_header(header, 0, flags, tsdu_length, out);
    out.extend_from_slice(&sqn.0.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    if let Some(fragment) = fragment {
        out.extend_from_slice(&[OPT_LENGTH, 4, 0, 20, OPT_FRAGMENT | LAST, 16, 0, 0]);
        for word in [fragment.first.0, fragment.offset, fragment.length] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// A data packet's sum without type, trail and checksum: they are set anew each time it is sent, which
/// costs no further look at the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataHead {
    sum: u16,
}

impl DataHead {
    /// Of what [`put_data_head`] has written, whose length is even, and a payload.
    pub(crate) fn of(head: &[u8], payload: &[u8]) -> Self {
        let sums = [checksum::sum(head), checksum::sum(payload)];
        Self {
            sum: checksum::fold(sums.into_iter().map(u64::from).sum()),
        }
    }

    /// Makes a copy of it a packet that can be sent.
    pub(crate) fn finish(self, packet: &mut [u8], repair: bool, trail: Sqn) {
        let kind = if repair { TYPE_RDATA } else { TYPE_ODATA };
        let trail = trail.0.to_be_bytes();
        let [a, b, c, d] = trail;
        let words = [
            u16::from_be_bytes([kind, 0]),
            u16::from_be_bytes([a, b]),
            u16::from_be_bytes([c, d]),
            self.sum,
        ];
        let sum = checksum::fold(words.into_iter().map(u64::from).sum());
        set(packet, AT_TYPE, &[kind]);
        set(packet, AT_TRAIL, &trail);
        set(packet, AT_CHECKSUM, &checksum::of(sum).to_be_bytes());
    }
}

fn put_header(header: &Header, kind: u8, flags: u8, tsdu_length: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&header.source_port.to_be_bytes());
    out.extend_from_slice(&header.destination_port.to_be_bytes());
    out.extend_from_slice(&[kind, flags, 0, 0]);
    out.extend_from_slice(&header.gsi.0);
    out.extend_from_slice(&tsdu_length.to_be_bytes());
}

fn put_address(address: IpAddr, out: &mut Vec<u8>) {
    let family = match address {
        IpAddr::V4(_) => FAMILY_V4,
        IpAddr::V6(_) => FAMILY_V6,
    };
    out.extend_from_slice(&family.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    match address {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
}

/// Sets the checksum of the packet that begins there.
fn seal(begin: usize, out: &mut [u8]) {
    if let Some(packet) = out.get_mut(begin..) {
        let checksum = checksum::of(checksum::sum(packet));
        set(packet, AT_CHECKSUM, &checksum.to_be_bytes());
    }
}

fn set(packet: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
