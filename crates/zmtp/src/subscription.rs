// SPDX-License-Identifier: MIT OR Apache-2.0
//! Subscriptions on the wire: commands to a 3.1 peer, messages to an older one.
//!
//! contract 3.5: "libzmq accepts subscriptions in both encodings on any version", and so do we.

use ferromq_message::frame;

use crate::command::{self, Command};
use crate::greeting::Version;

/// A change of a subscriber's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription<'a> {
    /// No longer what begins with this topic.
    Cancel(&'a [u8]),
    /// What begins with this topic.
    Subscribe(&'a [u8]),
}

/// Appends a frame that subscribes to `topic`.
pub fn encode_subscribe(version: Version, topic: &[u8], out: &mut Vec<u8>) {
    match version {
        Version::V1_0 | Version::V2_0 | Version::V3_0 => append_message(SUBSCRIBE, topic, out),
        Version::V3_1 => command::subscribe(topic, out),
    }
}

/// Appends a frame that ends a subscription to `topic`.
pub fn encode_cancel(version: Version, topic: &[u8], out: &mut Vec<u8>) {
    match version {
        Version::V1_0 | Version::V2_0 | Version::V3_0 => append_message(CANCEL, topic, out),
        Version::V3_1 => command::cancel(topic, out),
    }
}

/// Whether a frame that reached a publisher is a subscription.
#[must_use]
pub fn classify(flags: u8, body: &[u8]) -> Option<Subscription<'_>> {
    if flags & frame::COMMAND != 0 {
        return match command::parse(body) {
            Ok(Command::Subscribe(topic)) => Some(Subscription::Subscribe(topic)),
            Ok(Command::Cancel(topic)) => Some(Subscription::Cancel(topic)),
            Ok(_) | Err(_) => None,
        };
    }
    match body.split_first()? {
        (&SUBSCRIBE, topic) => Some(Subscription::Subscribe(topic)),
        (&CANCEL, topic) => Some(Subscription::Cancel(topic)),
        _ => None,
    }
}

fn append_message(prefix: u8, topic: &[u8], out: &mut Vec<u8>) {
    // The length counts the prefix: a topic of 255 bytes needs the long form.
    command::append_header(0, topic.len().saturating_add(1), out);
    out.push(prefix);
    out.extend_from_slice(topic);
}

const CANCEL: u8 = 0x00;
const SUBSCRIBE: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(frame: &[u8]) -> (u8, &[u8]) {
        let header = frame::decode(frame).unwrap();
        let body = &frame[header.header_len..];
        assert_eq!(body.len() as u64, header.body_len);
        (header.flags, body)
    }

    #[test]
    fn both_forms_are_these_bytes() {
        let mut out = Vec::new();
        encode_subscribe(Version::V3_1, b"a", &mut out);
        encode_cancel(Version::V3_1, b"a", &mut out);
        encode_subscribe(Version::V3_0, b"a", &mut out);
        encode_cancel(Version::V3_0, b"a", &mut out);
        assert_eq!(
            out,
            b"\x04\x0b\x09SUBSCRIBEa\x04\x08\x06CANCELa\x00\x02\x01a\x00\x02\x00a"
        );
    }

    #[test]
    fn every_length_comes_back() {
        for version in [Version::V3_0, Version::V3_1] {
            for len in [0, 1, 244, 245, 246, 253, 254, 255, 256, 70_000] {
                let topic = vec![b't'; len];
                let mut out = Vec::new();
                encode_subscribe(version, &topic, &mut out);
                let (flags, body) = split(&out);
                assert_eq!(
                    classify(flags, body),
                    Some(Subscription::Subscribe(&topic)),
                    "{len}"
                );
                out.clear();
                encode_cancel(version, &topic, &mut out);
                let (flags, body) = split(&out);
                assert_eq!(
                    classify(flags, body),
                    Some(Subscription::Cancel(&topic)),
                    "{len}"
                );
            }
        }
    }

    #[test]
    fn other_frames_are_none() {
        for (flags, body) in [
            (0, &b""[..]),
            (0, b"\x02topic"),
            (0, b"\x09SUBSCRIBEa"),
            (frame::COMMAND, b"\x01a"),
            (frame::COMMAND, b""),
            (frame::COMMAND, b"\x04PING\0\0"),
            (frame::COMMAND, b"\x06CANCE"),
        ] {
            assert_eq!(classify(flags, body), None, "{body:?}");
        }
    }
}
