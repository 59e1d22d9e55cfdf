// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZAP (RFC 27): asking whether a peer may come in.
//!
//! ```text
//! request: empty | "1.0" | request id | domain | address | routing id | mechanism | credentials...
//! reply:   empty | "1.0" | request id | status | text | user id | metadata
//! ```
//!
//! The empty frame is the envelope of a REQ; a REP removes it. Here requests and replies are lists of
//! frames without it, except in [`Request::encode`] and [`Reply::parse`], whose other end may be a
//! ROUTER.

use std::error::Error;
use std::fmt;

use ferromq_vocabulary::event::ProtocolError;
use zeroize::Zeroizing;

use crate::metadata::{self, Properties};

/// The version both frames carry.
pub const VERSION: &[u8] = b"1.0";
/// contract 3.11: "request id "1" (always "1": libzmq opens one private pipe per connection)".
pub const REQUEST_ID: &[u8] = b"1";
/// Where the handler is bound.
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// What a mechanism has found out and an authenticator is to judge.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the mechanism.
    pub mechanism: &'static str,
    /// NULL: none; PLAIN: user and password; CURVE: the client's key of 32 bytes; GSSAPI: the
    /// principal.
    pub frames: Vec<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Credentials {
    /// Passwords are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// A question to a ZAP handler.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The ZAP domain of the socket.
    pub domain: Vec<u8>,
    /// Where the peer is: a numeric address.
    pub address: Vec<u8>,
    /// contract 3.11: "identity (of the *server's own* socket ROUTING_ID option, not the client's)".
    pub routing_id: Vec<u8>,
    /// The name of the mechanism.
    pub mechanism: Vec<u8>,
    /// What follows in further frames.
    pub credentials: Vec<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Request {
    /// Passwords are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("domain", &self.domain.escape_ascii().to_string())
            .field("address", &self.address.escape_ascii().to_string())
            .field("mechanism", &self.mechanism.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

/// The frames are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRequest;

impl Request {
    /// The frames to send, the empty one first.
    #[must_use]
    pub fn encode(&self) -> Vec<Vec<u8>> {
        let head = [
            b"",
            VERSION,
            REQUEST_ID,
            &self.domain,
            &self.address,
            &self.routing_id,
            &self.mechanism,
        ];
        let credentials = self.credentials.iter().map(|frame| frame.as_slice());
        head.into_iter()
            .chain(credentials)
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// The request and its id, from frames without the empty one: what a REP receives.
    pub fn parse<'a>(frames: &[&'a [u8]]) -> Result<(Self, &'a [u8]), MalformedRequest> {
        let [
            version,
            id,
            domain,
            address,
            routing_id,
            mechanism,
            credentials @ ..,
        ] = frames
        else {
            return Err(MalformedRequest);
        };
        if *version != VERSION || domain.len() > MAX_TEXT || address.len() > MAX_TEXT {
            return Err(MalformedRequest);
        }
        let credentials = credentials
            .iter()
            .map(|frame| Zeroizing::new(frame.to_vec()))
            .collect();
        let request = Self {
            domain: domain.to_vec(),
            address: address.to_vec(),
            routing_id: routing_id.to_vec(),
            mechanism: mechanism.to_vec(),
            credentials,
        };
        Ok((request, id))
    }
}

/// What a handler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// 200: the peer may come in.
    Success,
    /// 300: not now; the peer may try again.
    TemporaryError,
    /// 400: no.
    AuthenticationFailure,
    /// 500: the handler is in trouble.
    InternalError,
}

impl Status {
    /// The number.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::TemporaryError => 300,
            Self::AuthenticationFailure => 400,
            Self::InternalError => 500,
        }
    }

    /// The three digits.
    #[must_use]
    pub fn digits(self) -> &'static [u8; 3] {
        match self {
            Self::Success => b"200",
            Self::TemporaryError => b"300",
            Self::AuthenticationFailure => b"400",
            Self::InternalError => b"500",
        }
    }

    /// contract 3.11: "status "200"/"300"/"400"/"500"", exactly.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Self> {
        Some(match digits {
            b"200" => Self::Success,
            b"300" => Self::TemporaryError,
            b"400" => Self::AuthenticationFailure,
            b"500" => Self::InternalError,
            _ => return None,
        })
    }
}

/// The answer of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whether the peer may come in.
    pub status: Status,
    /// Why, for people.
    pub text: Vec<u8>,
    /// Who the peer is.
    pub user_id: Vec<u8>,
    /// What else is known of it.
    pub metadata: Properties,
}

impl Reply {
    /// An answer without text, user and metadata.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            status,
            text: Vec::new(),
            user_id: Vec::new(),
            metadata: Properties::new(),
        }
    }

    /// The frames a REP sends in answer to the request with this id.
    #[must_use]
    pub fn encode(&self, request_id: &[u8]) -> Vec<Vec<u8>> {
        let mut properties = Vec::new();
        for (name, value) in &self.metadata {
            match metadata::encode(name, value, &mut properties) {
                Ok(()) | Err(metadata::InvalidProperty) => {}
            }
        }
        vec![
            VERSION.to_vec(),
            request_id.to_vec(),
            self.status.digits().to_vec(),
            self.text.clone(),
            self.user_id.clone(),
            properties,
        ]
    }

    /// Reads the seven frames of a reply, the empty one included.
    ///
    /// contract 3.11: "Reply exactly 7 frames [...] Malformed -> protocol error events."
    pub fn parse<T: AsRef<[u8]>>(frames: &[T]) -> Result<Self, MalformedReply> {
        let frames: Vec<&[u8]> = frames.iter().map(AsRef::as_ref).collect();
        let [empty, version, id, status, text, user_id, properties] = frames.as_slice() else {
            return Err(MalformedReply::Frames);
        };
        if !empty.is_empty() {
            return Err(MalformedReply::Envelope);
        }
        if *version != VERSION {
            return Err(MalformedReply::Version);
        }
        if *id != REQUEST_ID {
            return Err(MalformedReply::RequestId);
        }
        let status = Status::parse(status).ok_or(MalformedReply::Status)?;
        let metadata = metadata::parse(properties)
            .map_err(|metadata::InvalidMetadata| MalformedReply::Metadata)?;
        Ok(Self {
            status,
            text: text.to_vec(),
            user_id: user_id.to_vec(),
            metadata,
        })
    }
}

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MalformedReply {
    /// The first frame is not empty.
    Envelope,
    /// There are not exactly seven frames.
    Frames,
    /// The metadata cannot be read.
    Metadata,
    /// It answers another request.
    RequestId,
    /// The status is none of the four.
    Status,
    /// The version is not 1.0.
    Version,
}

impl MalformedReply {
    /// What the monitor event says.
    #[must_use]
    pub fn protocol_error(self) -> ProtocolError {
        match self {
            Self::Frames => ProtocolError::ZapMalformedReply,
            Self::Envelope => ProtocolError::ZapUnspecified,
            Self::Metadata => ProtocolError::ZapInvalidMetadata,
            Self::RequestId => ProtocolError::ZapBadRequestId,
            Self::Status => ProtocolError::ZapInvalidStatusCode,
            Self::Version => ProtocolError::ZapBadVersion,
        }
    }
}

impl fmt::Display for MalformedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.protocol_error().fmt(f)
    }
}

impl Error for MalformedReply {}

/// How a question to an authenticator came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A handler answered.
    Reply(Reply),
    /// A handler answered with something else than a reply.
    Malformed(MalformedReply),
    /// There is no handler.
    NoHandler,
}

/// RFC 27: domain and address are short strings.
const MAX_TEXT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Request {
        Request {
            domain: b"global".to_vec(),
            address: b"127.0.0.1".to_vec(),
            routing_id: b"me".to_vec(),
            mechanism: b"PLAIN".to_vec(),
            credentials: vec![
                Zeroizing::new(b"admin".to_vec()),
                Zeroizing::new(b"secret".to_vec()),
            ],
        }
    }

    #[test]
    fn requests_are_these_frames() {
        let frames = plain().encode();
        let expected: [&[u8]; 9] = [
            b"",
            b"1.0",
            b"1",
            b"global",
            b"127.0.0.1",
            b"me",
            b"PLAIN",
            b"admin",
            b"secret",
        ];
        assert_eq!(frames, expected);
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        assert_eq!(Request::parse(&views[1..]), Ok((plain(), &b"1"[..])));
        assert_eq!(Request::parse(&views), Err(MalformedRequest));
        assert_eq!(Request::parse(&views[1..6]), Err(MalformedRequest));
        assert!(!format!("{:?}", plain()).contains("secret"));
    }

    #[test]
    fn replies_come_back() {
        let mut reply = Reply::new(Status::Success);
        reply.text = b"OK".to_vec();
        reply.user_id = b"admin".to_vec();
        reply.metadata = vec![("X-role".to_owned(), b"boss".to_vec())];
        let mut frames = reply.encode(b"1");
        frames.insert(0, Vec::new());
        assert_eq!(Reply::parse(&frames), Ok(reply));
    }

    #[test]
    fn every_malformed_reply_has_its_event() {
        let good: [&[u8]; 7] = [b"", b"1.0", b"1", b"200", b"OK", b"", b""];
        assert!(Reply::parse(&good).is_ok());
        let cases: [(usize, &[u8], MalformedReply, u32); 10] = [
            (0, b"x", MalformedReply::Envelope, 0x2000_0000),
            (1, b"1.1", MalformedReply::Version, 0x2000_0003),
            (1, b"", MalformedReply::Version, 0x2000_0003),
            (2, b"2", MalformedReply::RequestId, 0x2000_0002),
            (3, b"201", MalformedReply::Status, 0x2000_0004),
            (3, b"20", MalformedReply::Status, 0x2000_0004),
            (3, b"2000", MalformedReply::Status, 0x2000_0004),
            (3, b"", MalformedReply::Status, 0x2000_0004),
            (6, b"\x01", MalformedReply::Metadata, 0x2000_0005),
            (6, b"\x01a\xff\xff\xff\xff", MalformedReply::Metadata, 0x2000_0005),
        ];
        for (at, bytes, malformed, number) in cases {
            let mut frames = good;
            frames[at] = bytes;
            assert_eq!(Reply::parse(&frames), Err(malformed));
            assert_eq!(malformed.protocol_error().number(), number);
        }
        assert_eq!(Reply::parse(&good[..6]), Err(MalformedReply::Frames));
        let long = [&good[..], &[b""]].concat();
        assert_eq!(Reply::parse(&long), Err(MalformedReply::Frames));
        assert_eq!(MalformedReply::Frames.protocol_error().number(), 0x2000_0001);
    }
}
