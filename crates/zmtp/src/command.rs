// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands: frames with the COMMAND flag, for the peers themselves and not for the application.
//!
//! ```text
//! command body = name-length (1)  name  data
//! ERROR data   = reason-length (1)  reason
//! PING data    = time to live in tenths of a second (2, big-endian)  context (0 to 16)
//! PONG data    = context
//! ```
//!
//! The prose of RFC 37 ends names with "a null octet"; its grammar and every implementation prefix
//! them with their length.

use ferromq_message::frame;

/// The most context a PING may carry; what is longer is echoed only up to here.
pub const MAX_CONTEXT: usize = 16;
/// The longest group JOIN and LEAVE may name.
pub const MAX_GROUP: usize = 255;

/// A parsed command body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The end of a subscription to everything that begins with this topic.
    Cancel(&'a [u8]),
    /// The peer ends the handshake.
    Error {
        /// Why, in the peer's words; libzmq sends the three digits of a ZAP status.
        reason: &'a [u8],
    },
    /// A DISH joins a group.
    Join(&'a [u8]),
    /// A DISH leaves a group.
    Leave(&'a [u8]),
    /// Well-formed and none of the others: a mechanism's, or a later version's.
    Other {
        /// The command's name.
        name: &'a [u8],
        /// What follows the name.
        data: &'a [u8],
    },
    /// A heartbeat that asks for an answer.
    Ping {
        /// For how many tenths of a second the peer wants to be believed alive; zero: not asked.
        ttl: u16,
        /// To be sent back, up to [`MAX_CONTEXT`] bytes.
        context: &'a [u8],
    },
    /// The answer to a PING.
    Pong {
        /// The context of the PING.
        context: &'a [u8],
    },
    /// The last command of the handshake: the peer's properties (with NULL, not encrypted).
    Ready(&'a [u8]),
    /// A subscription to everything that begins with this topic.
    Subscribe(&'a [u8]),
}

/// What is wrong with a command body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MalformedCommand {
    /// The reason of an ERROR is missing or longer than its frame.
    Error,
    /// The group of a JOIN or LEAVE is longer than 255 bytes.
    Group,
    /// The name is empty, missing or longer than its frame.
    Name,
    /// A PING too short to hold its time to live.
    Ping,
}

/// Parses the body of a frame with the COMMAND flag.
pub fn parse(body: &[u8]) -> Result<Command<'_>, MalformedCommand> {
    let (name, data) = split_name(body).ok_or(MalformedCommand::Name)?;
    Ok(match name {
        CANCEL => Command::Cancel(data),
        ERROR => Command::Error {
            reason: split_reason(data).ok_or(MalformedCommand::Error)?,
        },
        JOIN => Command::Join(group(data)?),
        LEAVE => Command::Leave(group(data)?),
        PING => {
            let (ttl, context) = data.split_first_chunk().ok_or(MalformedCommand::Ping)?;
            Command::Ping {
                ttl: u16::from_be_bytes(*ttl),
                context,
            }
        }
        PONG => Command::Pong { context: data },
        READY => Command::Ready(data),
        SUBSCRIBE => Command::Subscribe(data),
        _ => Command::Other { name, data },
    })
}

/// Appends a CANCEL frame.
pub fn cancel(topic: &[u8], out: &mut Vec<u8>) {
    append(CANCEL, &[topic], out);
}

/// Appends an ERROR frame. Only the first 255 bytes of the reason can be sent.
pub fn error(reason: &[u8], out: &mut Vec<u8>) {
    let reason = reason.get(..usize::from(u8::MAX)).unwrap_or(reason);
    let len = u8::try_from(reason.len()).unwrap_or(u8::MAX);
    append(ERROR, &[&[len], reason], out);
}

/// Appends a JOIN frame: a DISH wants this group. Only the first 255 bytes of the name are sent.
pub fn join(group: &[u8], out: &mut Vec<u8>) {
    append(JOIN, &[truncate_group(group)], out);
}

/// Appends a LEAVE frame: a DISH no longer wants this group. Only the first 255 bytes are sent.
pub fn leave(group: &[u8], out: &mut Vec<u8>) {
    append(LEAVE, &[truncate_group(group)], out);
}

/// Appends a PING frame. Only the first 16 bytes of the context are sent.
pub fn ping(ttl_deciseconds: u16, context: &[u8], out: &mut Vec<u8>) {
    append(
        PING,
        &[&ttl_deciseconds.to_be_bytes(), truncate_context(context)],
        out,
    );
}

/// Appends a PONG frame.
///
/// RFC 37: "ping-context = 0*16OCTET", and contract 3.5: "libzmq truncates to 16".
pub fn pong(context: &[u8], out: &mut Vec<u8>) {
    append(PONG, &[truncate_context(context)], out);
}

/// Appends a READY frame with these encoded properties.
pub fn ready(metadata: &[u8], out: &mut Vec<u8>) {
    append(READY, &[metadata], out);
}

/// Appends a SUBSCRIBE frame.
pub fn subscribe(topic: &[u8], out: &mut Vec<u8>) {
    append(SUBSCRIBE, &[topic], out);
}

/// Appends a command frame.
pub(crate) fn append(name: &[u8], data: &[&[u8]], out: &mut Vec<u8>) {
    let body = data.iter().fold(name.len().saturating_add(1), |sum, part| {
        sum.saturating_add(part.len())
    });
    append_header(frame::COMMAND, body, out);
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
    for part in data {
        out.extend_from_slice(part);
    }
}

/// Appends the header of a frame with this many bytes of body.
pub(crate) fn append_header(flags: u8, body_len: usize, out: &mut Vec<u8>) {
    let (header, len) = frame::encode(flags, body_len);
    out.extend_from_slice(header.get(..len).unwrap_or(&header));
}

fn split_name(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = body.split_first()?;
    // RFC 37: "command-name = OCTET 1*255command-name-char"
    if *len == 0 {
        return None;
    }
    rest.split_at_checked(usize::from(*len))
}

/// Bytes behind the reason are ignored, as libzmq does: the connection ends anyway.
fn split_reason(data: &[u8]) -> Option<&[u8]> {
    let (len, rest) = data.split_first()?;
    rest.get(..usize::from(*len))
}

fn group(data: &[u8]) -> Result<&[u8], MalformedCommand> {
    if data.len() > MAX_GROUP {
        return Err(MalformedCommand::Group);
    }
    Ok(data)
}

fn truncate_group(group: &[u8]) -> &[u8] {
    group.get(..MAX_GROUP).unwrap_or(group)
}

fn truncate_context(context: &[u8]) -> &[u8] {
    context.get(..MAX_CONTEXT).unwrap_or(context)
}

const CANCEL: &[u8] = b"CANCEL";
const ERROR: &[u8] = b"ERROR";
const JOIN: &[u8] = b"JOIN";
const LEAVE: &[u8] = b"LEAVE";
const PING: &[u8] = b"PING";
const PONG: &[u8] = b"PONG";
const READY: &[u8] = b"READY";
const SUBSCRIBE: &[u8] = b"SUBSCRIBE";

#[cfg(test)]
mod tests {
    use super::*;

    fn built(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        build(&mut out);
        out
    }

    #[test]
    fn frames_are_these_bytes() {
        let cases: &[(Vec<u8>, &[u8])] = &[
            (built(|out| ready(b"m", out)), b"\x04\x07\x05READYm"),
            (built(|out| error(b"400", out)), b"\x04\x0a\x05ERROR\x03400"),
            (built(|out| subscribe(b"a", out)), b"\x04\x0b\x09SUBSCRIBEa"),
            (built(|out| cancel(b"a", out)), b"\x04\x08\x06CANCELa"),
            (
                built(|out| ping(0x0102, b"xy", out)),
                b"\x04\x09\x04PING\x01\x02xy",
            ),
            (built(|out| pong(b"xy", out)), b"\x04\x07\x04PONGxy"),
            (built(|out| join(b"g", out)), b"\x04\x06\x04JOINg"),
            (built(|out| leave(b"g", out)), b"\x04\x07\x05LEAVEg"),
        ];
        for (frame, expected) in cases {
            assert_eq!(frame, expected);
        }
    }

    #[test]
    fn long_bodies_get_long_headers() {
        let short = built(|out| subscribe(&[b't'; 245], out));
        assert_eq!(short[..2], [4, 255]);
        let long = built(|out| subscribe(&[b't'; 246], out));
        assert_eq!(long[..9], [6, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(parse(&long[9..]), Ok(Command::Subscribe(&[b't'; 246])));
    }

    #[test]
    fn bodies_are_parsed() {
        let cases: &[(&[u8], Command<'_>)] = &[
            (b"\x05READY", Command::Ready(b"")),
            (b"\x05ERROR\x03300", Command::Error { reason: b"300" }),
            (b"\x05ERROR\x00", Command::Error { reason: b"" }),
            (b"\x05ERROR\x01abc", Command::Error { reason: b"a" }),
            (b"\x09SUBSCRIBEtopic", Command::Subscribe(b"topic")),
            (b"\x06CANCEL", Command::Cancel(b"")),
            (
                b"\x04PING\x00\x0a",
                Command::Ping {
                    ttl: 10,
                    context: b"",
                },
            ),
            (
                b"\x04PING\xff\xffhi",
                Command::Ping {
                    ttl: 65_535,
                    context: b"hi",
                },
            ),
            (b"\x04PONGhi", Command::Pong { context: b"hi" }),
            (b"\x04JOINg", Command::Join(b"g")),
            (b"\x05LEAVE", Command::Leave(b"")),
            (
                b"\x05HELLOx",
                Command::Other {
                    name: b"HELLO",
                    data: b"x",
                },
            ),
            (
                b"\x05ready",
                Command::Other {
                    name: b"ready",
                    data: b"",
                },
            ),
        ];
        for (body, command) in cases {
            assert_eq!(parse(body), Ok(*command), "{body:?}");
        }
    }

    #[test]
    fn malformed_bodies_are_told_apart() {
        let mut long_group = b"\x04JOIN".to_vec();
        long_group.extend_from_slice(&[b'g'; 256]);
        let cases: &[(&[u8], MalformedCommand)] = &[
            (b"", MalformedCommand::Name),
            (b"\x00", MalformedCommand::Name),
            (b"\x05READ", MalformedCommand::Name),
            (b"\x05ERROR", MalformedCommand::Error),
            (b"\x05ERROR\x04300", MalformedCommand::Error),
            (b"\x04PING", MalformedCommand::Ping),
            (b"\x04PING\x00", MalformedCommand::Ping),
            (&long_group, MalformedCommand::Group),
        ];
        for (body, malformed) in cases {
            assert_eq!(parse(body), Err(*malformed), "{body:?}");
        }
        assert_eq!(parse(&long_group[..260]), Ok(Command::Join(&[b'g'; 255])));
    }

    #[test]
    fn contexts_are_cut_to_sixteen() {
        let context = b"0123456789abcdefgh";
        assert_eq!(
            built(|out| pong(context, out)),
            b"\x04\x15\x04PONG0123456789abcdef"
        );
        assert_eq!(
            built(|out| ping(0, context, out)),
            b"\x04\x17\x04PING\0\x000123456789abcdef"
        );
    }

    #[test]
    fn groups_are_cut_to_255() {
        let frame = built(|out| join(&[b'g'; 256], out));
        assert_eq!(parse(&frame[9..]), Ok(Command::Join(&[b'g'; 255])));
        let frame = built(|out| leave(&[b'g'; 300], out));
        assert_eq!(parse(&frame[9..]), Ok(Command::Leave(&[b'g'; 255])));
    }

    #[test]
    fn reasons_are_cut_to_255() {
        let frame = built(|out| error(&[b'r'; 300], out));
        assert_eq!(
            parse(&frame[9..]),
            Ok(Command::Error {
                reason: &[b'r'; 255]
            })
        );
    }
}
