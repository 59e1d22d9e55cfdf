// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes to packets.

use std::net::IpAddr;

use super::{
    Body, Data, FAMILY_V4, FAMILY_V6, Fault, Header, Nak, NakKind, OPTIONS_PRESENT, Options,
    PARITY, Packet, Spm, TYPE_NAK, TYPE_NCF, TYPE_NULL_NAK, TYPE_ODATA, TYPE_RDATA, TYPE_SPM,
    TYPE_SPMR, checksum, option,
};
use crate::sequence::Sqn;
use crate::tsi::Gsi;

impl<'a> Packet<'a> {
    /// Reads a packet: the whole of a UDP datagram, or what an IP packet carries.
    ///
    /// # Errors
    /// It is none. Nothing of it should be believed then.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut rest = Bytes(bytes);
        let source_port = rest.u16()?;
        let destination_port = rest.u16()?;
        let [kind, flags] = rest.array()?;
        let stated = rest.u16()?;
        let header = Header {
            source_port,
            destination_port,
            gsi: Gsi(rest.array()?),
        };
        let tsdu_length = usize::from(rest.u16()?);
        let is_data = matches!(kind, TYPE_ODATA | TYPE_RDATA);
        // Without a checksum, "zero [...] indicates that the transmitter generated no checksum", data has no
        // protection at all where UDP is not below.
        if stated == 0 && is_data || stated != 0 && !checksum::is_right(bytes) {
            return Err(Fault::Checksum);
        }
        let body = match kind {
            TYPE_SPM => {
                let spm = Spm {
                    sqn: Sqn(rest.u32()?),
                    trail: Sqn(rest.u32()?),
                    lead: Sqn(rest.u32()?),
                    address: rest.address()?,
                };
                if spm.lead.plus(1).precedes(spm.trail) {
                    return Err(Fault::Sequence);
                }
                Body::Spm(spm, rest.options(flags)?)
            }
            TYPE_ODATA | TYPE_RDATA => return rest.data(header, kind, flags, tsdu_length),
            TYPE_NAK | TYPE_NULL_NAK | TYPE_NCF => {
                let nak = Nak {
                    kind: match kind {
                        TYPE_NAK => NakKind::Nak,
                        TYPE_NULL_NAK => NakKind::Null,
                        _ => NakKind::Confirmation,
                    },
                    sqn: Sqn(rest.u32()?),
                    source: rest.address()?,
                    group: rest.address()?,
                    parity: flags & PARITY != 0,
                };
                Body::Nak(nak, rest.options(flags)?)
            }
            TYPE_SPMR => {
                rest.options(flags)?;
                Body::Spmr
            }
            other => {
                return Ok(Self {
                    header,
                    body: Body::Other(other),
                });
            }
        };
        if rest.0.len() != tsdu_length {
            return Err(Fault::TsduLength);
        }
        Ok(Self { header, body })
    }
}

/// What has not been read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Fault::Length)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    fn address(&mut self) -> Result<IpAddr, Fault> {
        let family = self.u16()?;
        let _reserved = self.u16()?;
        match family {
            FAMILY_V4 => Ok(IpAddr::from(self.array::<4>()?)),
            FAMILY_V6 => Ok(IpAddr::from(self.array::<16>()?)),
            _ => Err(Fault::AddressFamily),
        }
    }

    fn options(&mut self, flags: u8) -> Result<Options<'a>, Fault> {
        if flags & OPTIONS_PRESENT == 0 {
            return Ok(Options::default());
        }
        let (options, rest) = option::read(self.0)?;
        self.0 = rest;
        Ok(options)
    }

    fn data(
        mut self,
        header: Header,
        kind: u8,
        flags: u8,
        tsdu_length: usize,
    ) -> Result<Packet<'a>, Fault> {
        let sqn = Sqn(self.u32()?);
        let trail = Sqn(self.u32()?);
        // RFC 3208, 8.2: a window is smaller than half of all numbers.
        if sqn.precedes(trail) || sqn.since(trail) >= MOST_APART {
            return Err(Fault::Sequence);
        }
        let fragment = self.options(flags)?.fragment;
        let payload = self.0;
        if payload.len() != tsdu_length {
            return Err(Fault::TsduLength);
        }
        if let Some(fragment) = fragment {
            let end = u64::from(fragment.offset) + payload.len() as u64;
            if end > u64::from(fragment.length) || sqn.precedes(fragment.first) {
                return Err(Fault::Sequence);
            }
        }
        Ok(Packet {
            header,
            body: Body::Data(Data {
                repair: kind == TYPE_RDATA,
                sqn,
                trail,
                fragment,
                parity: flags & PARITY != 0,
                payload,
            }),
        })
    }
}

const MOST_APART: u32 = (1 << 31) - 2;
