// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options (RFC 3208, section 9).
//!
//! ```text
//! OPT_LENGTH  00, 04, total length 2           always the first; the total includes it
//! option      type 1 (80: the last one), length 1, reserved and OPX 1, specific 1, ...
//! ```
//!
//! OPX says what is to be done with an option one does not know: ignore it (0), invalidate it (1, for
//! routers), or discard the packet (2).

use super::Fault;
use crate::sequence::Sqn;

/// The options of a packet that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// OPT_FRAGMENT.
    pub fragment: Option<Fragment>,
    /// OPT_NAK_LIST: further numbers.
    pub nak_list: NakList<'a>,
    /// OPT_JOIN: the first number that a late joiner may ask for.
    pub join: Option<Sqn>,
    /// OPT_SYN: the stream begins.
    pub syn: bool,
    /// OPT_FIN: the stream has ended.
    pub fin: bool,
    /// OPT_RST: the stream has broken off.
    pub rst: bool,
}

/// Which part of an APDU a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The number of the packet with the first part.
    pub first: Sqn,
    /// Where in the APDU this part begins.
    pub offset: u32,
    /// The length of the APDU.
    pub length: u32,
}

/// Numbers, up to 62 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NakList<'a>(&'a [u8]);

impl<'a> NakList<'a> {
    /// The numbers.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Sqn> + 'a {
        let number = |bytes: &[u8]| Sqn(bytes.try_into().map_or(0, u32::from_be_bytes));
        self.0.chunks_exact(4).map(number)
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Reads the options at the front; returns them and what follows.
pub(super) fn read(bytes: &[u8]) -> Result<(Options<'_>, &[u8]), Fault> {
    let (&[kind, len, high, low], _) = bytes.split_first_chunk().ok_or(Fault::Options)?;
    let total = usize::from(u16::from_be_bytes([high, low]));
    if kind != OPT_LENGTH || len != 4 {
        return Err(Fault::Options);
    }
    let (inside, after) = bytes.split_at_checked(total).ok_or(Fault::Options)?;
    let mut rest = inside.get(4..).ok_or(Fault::Options)?;
    let mut options = Options::default();
    loop {
        let [kind, len, opx, ..] = *rest else {
            return Err(Fault::Options);
        };
        let (option, next) = rest
            .split_at_checked(usize::from(len))
            .ok_or(Fault::Options)?;
        let data = option.get(4..).ok_or(Fault::Options)?;
        take(&mut options, kind & !LAST, opx & 3, data)?;
        rest = next;
        if kind & LAST != 0 {
            break;
        }
    }
    if rest.is_empty() {
        Ok((options, after))
    } else {
        Err(Fault::Options)
    }
}

fn take<'a>(options: &mut Options<'a>, kind: u8, opx: u8, data: &'a [u8]) -> Result<(), Fault> {
    match kind {
        OPT_FRAGMENT => {
            let [first, offset, length] = words(data).ok_or(Fault::Options)?;
            options.fragment = Some(Fragment {
                first: Sqn(first),
                offset,
                length,
            });
        }
        OPT_NAK_LIST => {
            if data.is_empty() || !data.len().is_multiple_of(4) || data.len() > 4 * NAK_LIST_MAX {
                return Err(Fault::Options);
            }
            options.nak_list = NakList(data);
        }
        OPT_JOIN => {
            let [first] = words(data).ok_or(Fault::Options)?;
            options.join = Some(Sqn(first));
        }
        OPT_SYN => options.syn = true,
        OPT_FIN => options.fin = true,
        OPT_RST => options.rst = true,
        // Known, and of no use to an end system without routers and repairers.
        0x04..=0x0c | 0x10..=0x13 => {}
        _ if opx == OPX_DISCARD => return Err(Fault::Refused),
        _ => {}
    }
    Ok(())
}

fn words<const N: usize>(data: &[u8]) -> Option<[u32; N]> {
    let mut words = [0; N];
    if data.len() != 4 * N {
        return None;
    }
    for (word, bytes) in words.iter_mut().zip(data.chunks_exact(4)) {
        *word = u32::from_be_bytes(bytes.try_into().ok()?);
    }
    Some(words)
}

/// "No more than 62 sequence numbers" besides that of the packet itself.
pub const NAK_LIST_MAX: usize = 62;

pub(super) const OPT_LENGTH: u8 = 0x00;
pub(super) const OPT_FRAGMENT: u8 = 0x01;
pub(super) const OPT_NAK_LIST: u8 = 0x02;
pub(super) const OPT_JOIN: u8 = 0x03;
pub(super) const OPT_SYN: u8 = 0x0d;
pub(super) const OPT_FIN: u8 = 0x0e;
pub(super) const OPT_RST: u8 = 0x0f;
pub(super) const LAST: u8 = 0x80;
const OPX_DISCARD: u8 = 2;
