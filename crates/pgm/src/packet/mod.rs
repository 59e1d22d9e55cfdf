// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets to and from bytes (RFC 3208, sections 8 and 9).
//!
//! ```text
//! header   source port 2, destination port 2, type 1, options 1, checksum 2, GSI 6, TSDU length 2
//! SPM      sequence number 4, trail 4, lead 4, address
//! data     sequence number 4, trail 4                        ODATA, RDATA
//! NAK      sequence number 4, address of the source, address of the group         NAK, N-NAK, NCF
//! SPMR     nothing
//! address  family 2 (1: IPv4, 2: IPv6), reserved 2, 4 or 16 bytes
//! ```
//!
//! All numbers are big-endian. Options follow the body, see [`option`]; of data packets the payload
//! follows them.

pub mod checksum;
pub mod option;
mod read;
mod write;

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use crate::sequence::Sqn;
use crate::tsi::{Gsi, Tsi};

pub use option::{Fragment, NakList, Options};
pub(crate) use write::{DataHead, put_data_head};
pub use write::{write_data, write_nak, write_spm, write_spmr};

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What every packet has.
    pub header: Header,
    /// What kind it is.
    pub body: Body<'a>,
}

/// What every packet has, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Downstream (SPM, data, NCF) that of the stream; upstream (NAK, SPMR) the data-destination port.
    pub source_port: u16,
    /// Downstream the data-destination port; upstream that of the stream.
    pub destination_port: u16,
    /// The source's, upstream too.
    pub gsi: Gsi,
}

impl Header {
    /// The stream that a packet from a source belongs to.
    #[must_use]
    pub const fn downstream(&self) -> Tsi {
        Tsi {
            gsi: self.gsi,
            port: self.source_port,
        }
    }

    /// The stream that a packet to a source is about.
    #[must_use]
    pub const fn upstream(&self) -> Tsi {
        Tsi {
            gsi: self.gsi,
            port: self.destination_port,
        }
    }
}

/// What kind of packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A source path message: a source is there.
    Spm(Spm, Options<'a>),
    /// A part of the stream.
    Data(Data<'a>),
    /// A word about missing parts.
    Nak(Nak, Options<'a>),
    /// A request for an SPM.
    Spmr,
    /// A type that is not for us: POLL, POLR, ACK or unknown.
    Other(u8),
}

/// A source path message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spm {
    /// Counts SPMs, and nothing else.
    pub sqn: Sqn,
    /// The first sequence number that can be repaired.
    pub trail: Sqn,
    /// The last that was sent. Of a stream without data: one less than `trail`.
    pub lead: Sqn,
    /// Where NAKs are to be sent.
    pub address: IpAddr,
}

/// A part of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Whether it was sent before (RDATA).
    pub repair: bool,
    /// Its number.
    pub sqn: Sqn,
    /// The first sequence number that can be repaired.
    pub trail: Sqn,
    /// Of which APDU it is a fragment.
    pub fragment: Option<Fragment>,
    /// It is a parity packet, of no use here.
    pub parity: bool,
    /// The bytes.
    pub payload: &'a [u8],
}

/// Asks, or confirms that one was asked, for a part to be sent again. More numbers may be in
/// the options' list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nak {
    /// Which of the three it is.
    pub kind: NakKind,
    /// The first number.
    pub sqn: Sqn,
    /// Where the source said that NAKs are to be sent.
    pub source: IpAddr,
    /// The group.
    pub group: IpAddr,
    /// It asks for parity packets.
    pub parity: bool,
}

/// The packets that look like a NAK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NakKind {
    /// A receiver asks.
    Nak,
    /// A repairer asks, and needs no answer.
    Null,
    /// The source has heard.
    Confirmation,
}

/// Why bytes are no packet. The sender is at fault, or the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// An address of neither family.
    AddressFamily,
    /// The checksum is wrong, or data has none.
    Checksum,
    /// Shorter than its type demands.
    Length,
    /// An option that is malformed.
    Options,
    /// An option that we do not know and that says that its packet is to be discarded then.
    Refused,
    /// The numbers contradict each other.
    Sequence,
    /// The length of the payload is another than stated.
    TsduLength,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddressFamily => "an address of an unknown family",
            Self::Checksum => "the checksum is wrong",
            Self::Length => "too short",
            Self::Options => "malformed options",
            Self::Refused => "an unknown option that must be known",
            Self::Sequence => "sequence numbers that contradict each other",
            Self::TsduLength => "another length than stated",
        })
    }
}

impl Error for Fault {}

/// Whether bytes look like a packet from a receiver to a source: a NAK or a request for an SPM. They
/// may be none all the same.
#[must_use]
pub fn is_upstream(bytes: &[u8]) -> bool {
    matches!(
        bytes.get(AT_TYPE),
        Some(&(TYPE_NAK | TYPE_NULL_NAK | TYPE_SPMR))
    )
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 16;
/// Bytes before the payload of a data packet without options.
pub const DATA_HEADER_LEN: usize = HEADER_LEN + 8;
/// Bytes of the options of a fragment.
pub const FRAGMENT_LEN: usize = 4 + 16;

pub(crate) const TYPE_SPM: u8 = 0x00;
pub(crate) const TYPE_ODATA: u8 = 0x04;
pub(crate) const TYPE_RDATA: u8 = 0x05;
pub(crate) const TYPE_NAK: u8 = 0x08;
pub(crate) const TYPE_NULL_NAK: u8 = 0x09;
pub(crate) const TYPE_NCF: u8 = 0x0a;
pub(crate) const TYPE_SPMR: u8 = 0x0c;

/// "Parity: the packet is a parity packet, or asks for one."
pub(crate) const PARITY: u8 = 0x80;
/// "One or more options are present and network-significant."
pub(crate) const OPTIONS_NETWORK: u8 = 0x02;
/// "Options are present."
pub(crate) const OPTIONS_PRESENT: u8 = 0x01;

pub(crate) const FAMILY_V4: u16 = 1;
pub(crate) const FAMILY_V6: u16 = 2;

/// Where in a packet what is.
pub(crate) const AT_TYPE: usize = 4;
pub(crate) const AT_CHECKSUM: usize = 6;
pub(crate) const AT_TRAIL: usize = 20;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
