// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the MESSAGEs of CURVE and of GSSAPI have in common: their name, and flags of their own within.

use ferromq_message::frame;

/// What a MESSAGE begins with.
pub(super) const NAME: &[u8] = b"\x07MESSAGE";

/// contract 3.8: "Inner flags: 1 MORE, 2 COMMAND (not the ZMTP 4!)", and 3.9 likewise.
const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// The flags within a MESSAGE for a frame with these.
pub(super) fn inner_flags(flags: u8) -> u8 {
    let more = if flags & frame::MORE == 0 { 0 } else { MORE };
    let command = if flags & frame::COMMAND == 0 {
        0
    } else {
        COMMAND
    };
    more | command
}

/// The flags of a frame for these within a MESSAGE.
pub(super) fn outer_flags(flags: u8) -> u8 {
    let more = if flags & MORE == 0 { 0 } else { frame::MORE };
    let command = if flags & COMMAND == 0 {
        0
    } else {
        frame::COMMAND
    };
    more | command
}

/// The largest frame that is accepted: negative is no limit, and no implementation gets beyond a signed length.
pub(super) fn largest(max_frame_size: i64) -> u64 {
    u64::try_from(max_frame_size).unwrap_or(i64::MAX.unsigned_abs())
}
