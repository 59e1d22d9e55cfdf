// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZAP (RFC 27): asking an authenticator whether a peer may come in.
//!
//! ```text
//! request  "" "1.0" id domain address routing-id mechanism credentials…
//! reply    "" "1.0" id status text user-id metadata
//! ```
//!
//! This is what the frames say. How they get to the handler is the business of whoever drives the
//! handshake. A handler behind a SERVER, whose messages have one part, gets them [in one](Request::part), without the delimiter.

use std::error::Error;
use std::fmt;

use ferromq_vocabulary::event::ProtocolError;
use zeroize::Zeroizing;

use crate::metadata::{self, Properties};

mod part;

/// Where a handler listens.
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// What a peer shows of itself, in the words of its mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// NULL: none. PLAIN: user, password. CURVE: the 32 bytes of the client's public key. GSSAPI: the
    /// client's name.
    pub frames: Vec<Zeroizing<Vec<u8>>>,
    /// What it has said about itself by now: with CURVE everything, with the others nothing yet.
    pub metadata: Properties,
}

impl Credentials {
    /// These, of a peer that has not said more.
    #[must_use]
    pub fn new(mechanism: &'static str, frames: Vec<Zeroizing<Vec<u8>>>) -> Self {
        Self {
            mechanism,
            frames,
            metadata: Properties::new(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// A question to a handler.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The option ZAP_DOMAIN of the asking socket.
    pub domain: &'a [u8],
    /// The peer's address; for ipc `:uid:gid:pid`.
    pub address: &'a str,
    /// The asking socket's own routing id.
    ///
    /// contract 3.11: "identity (of the *server's own* socket ROUTING_ID option, not the client's)"
    pub routing_id: &'a [u8],
    /// What the peer shows.
    pub credentials: &'a Credentials,
}

impl Request<'_> {
    /// The frames a handler behind REP or ROUTER gets, the delimiter of the envelope first.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let fixed: [&[u8]; 7] = [
            b"",
            VERSION,
            REQUEST_ID,
            self.domain,
            self.address.as_bytes(),
            self.routing_id,
            self.credentials.mechanism.as_bytes(),
        ];
        let shown = self.credentials.frames.iter().map(|frame| frame.to_vec());
        fixed.into_iter().map(<[u8]>::to_vec).chain(shown).collect()
    }

    /// The one part that a handler behind SERVER gets: the frames from the version on, each behind its length, which is a
    /// byte, or from 255 on 0xff and four bytes (big-endian).
    #[must_use]
    pub fn part(&self) -> Vec<u8> {
        part::encode(self.frames().get(1..).unwrap_or_default())
    }
}

/// What a handler decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200: come in.
    Success,
    /// 300: not now, try again.
    TemporaryError,
    /// 400: no.
    AuthenticationFailure,
    /// 500: the handler cannot tell.
    InternalError,
}

impl Status {
    /// Reads the three digits.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Self> {
        match digits {
            b"200" => Some(Self::Success),
            b"300" => Some(Self::TemporaryError),
            b"400" => Some(Self::AuthenticationFailure),
            b"500" => Some(Self::InternalError),
            _ => None,
        }
    }

    /// The three digits.
    #[must_use]
    pub fn digits(self) -> &'static [u8] {
        match self {
            Self::Success => b"200",
            Self::TemporaryError => b"300",
            Self::AuthenticationFailure => b"400",
            Self::InternalError => b"500",
        }
    }

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
}

/// What a handler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its decision.
    pub status: Status,
    /// Why, for people.
    pub text: String,
    /// Whom it knows the peer as; becomes the property `User-Id`.
    pub user_id: Vec<u8>,
    /// What else it knows.
    pub metadata: Properties,
}

impl Reply {
    /// Reads the frames of a reply, the delimiter of the envelope first.
    pub fn parse<F: AsRef<[u8]>>(frames: &[F]) -> Result<Self, MalformedReply> {
        let Some((delimiter, rest)) = frames.split_first() else {
            return Err(MalformedReply::Frames);
        };
        if frames.len() == FRAMES && !delimiter.as_ref().is_empty() {
            return Err(MalformedReply::Delimiter);
        }
        Self::from_version(rest)
    }

    /// Reads the reply of a handler behind SERVER: [one part](Request::part).
    pub fn parse_part(part: &[u8]) -> Result<Self, MalformedReply> {
        Self::from_version(&part::decode(part).ok_or(MalformedReply::Frames)?)
    }

    fn from_version<F: AsRef<[u8]>>(frames: &[F]) -> Result<Self, MalformedReply> {
        let [version, id, status, text, user_id, properties] = frames else {
            return Err(MalformedReply::Frames);
        };
        if version.as_ref() != VERSION {
            return Err(MalformedReply::Version);
        }
        if id.as_ref() != REQUEST_ID {
            return Err(MalformedReply::RequestId);
        }
        let status = Status::parse(status.as_ref()).ok_or(MalformedReply::Status)?;
        let metadata = metadata::parse(properties.as_ref())
            .map_err(|metadata::InvalidMetadata| MalformedReply::Metadata)?;
        Ok(Self {
            status,
            text: String::from_utf8_lossy(text.as_ref()).into_owned(),
            user_id: user_id.as_ref().to_vec(),
            metadata,
        })
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The handler has answered.
    Reply(Reply),
    /// It has answered something that cannot be read.
    Malformed(MalformedReply),
    /// Nobody is there to ask.
    NoHandler,
    /// Somebody is there who cannot answer: another type than REP, ROUTER and SERVER, say.
    Unusable,
}

/// A question about a peer that has proved who it is and has said everything about itself.
#[derive(Clone, Debug)]
pub struct Admission<'a> {
    /// As for [`Request`].
    pub domain: &'a [u8],
    /// As for [`Request`].
    pub address: &'a str,
    /// As for [`Request`].
    pub routing_id: &'a [u8],
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// Whom the authenticator has said it knows the peer as.
    pub user_id: &'a [u8],
    /// Every property the peer has sent: socket type, routing id, and its own.
    pub metadata: &'a [(String, Vec<u8>)],
}

/// Why a reply cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MalformedReply {
    /// The first frame is not empty.
    Delimiter,
    /// There are not seven frames.
    Frames,
    /// The properties cannot be read.
    Metadata,
    /// It answers another question.
    RequestId,
    /// The status is none of 200, 300, 400, 500.
    Status,
    /// The version is not "1.0".
    Version,
}

impl MalformedReply {
    /// What the monitor event says.
    #[must_use]
    pub fn protocol_error(self) -> ProtocolError {
        match self {
            Self::Delimiter => ProtocolError::ZapUnspecified,
            Self::Frames => ProtocolError::ZapMalformedReply,
            Self::Metadata => ProtocolError::ZapInvalidMetadata,
            Self::RequestId => ProtocolError::ZapBadRequestId,
            Self::Status => ProtocolError::ZapInvalidStatusCode,
            Self::Version => ProtocolError::ZapBadVersion,
        }
    }
}

impl fmt::Display for MalformedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delimiter => "the authenticator's reply does not begin with an empty frame",
            Self::Frames => "the authenticator's reply has not seven frames",
            Self::Metadata => "the authenticator's properties cannot be read",
            Self::RequestId => "the authenticator answers another question",
            Self::Status => "the authenticator's status is none of 200, 300, 400, 500",
            Self::Version => "the authenticator's version is not 1.0",
        })
    }
}

impl Error for MalformedReply {}

const VERSION: &[u8] = b"1.0";
/// contract 3.11: "Reply exactly 7 frames"
const FRAMES: usize = 7;
/// contract 3.11: "request id "1" (always "1": libzmq opens one private pipe per connection)"
const REQUEST_ID: &[u8] = b"1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_frames_of_the_rfc() {
        let shown = [&b"admin"[..], b"secret"].map(|text| Zeroizing::new(text.to_vec()));
        let credentials = Credentials::new("PLAIN", shown.into());
        let request = Request {
            domain: b"global",
            address: "127.0.0.1",
            routing_id: b"IDENT",
            credentials: &credentials,
        };
        let expected: [&[u8]; 9] = [
            b"",
            b"1.0",
            b"1",
            b"global",
            b"127.0.0.1",
            b"IDENT",
            b"PLAIN",
            b"admin",
            b"secret",
        ];
        assert_eq!(request.frames(), expected);
        let part = b"\x031.0\x011\x06global\x09127.0.0.1\x05IDENT\x05PLAIN\x05admin\x06secret";
        assert_eq!(request.part(), part);
        assert!(
            !format!("{request:?}").contains("115, 101, 99"),
            "no secrets"
        );
    }

    #[test]
    fn a_reply_is_taken_to_the_letter() {
        let good: [&[u8]; 7] = [
            b"",
            b"1.0",
            b"1",
            b"200",
            b"OK",
            b"anonymous",
            b"\x05Hello\0\0\0\x05World",
        ];
        let reply = Reply::parse(&good).unwrap();
        assert_eq!(reply.status, Status::Success);
        assert_eq!(reply.user_id, b"anonymous");
        assert_eq!(reply.metadata, [("Hello".to_owned(), b"World".to_vec())]);

        let with = |at: usize, frame: &'static [u8]| {
            let mut frames = good;
            frames[at] = frame;
            Reply::parse(&frames).unwrap_err()
        };
        assert_eq!(with(0, b"x"), MalformedReply::Delimiter);
        assert_eq!(with(1, b"2.0"), MalformedReply::Version);
        assert_eq!(with(2, b"2"), MalformedReply::RequestId);
        assert_eq!(with(3, b"204"), MalformedReply::Status);
        assert_eq!(with(6, b"\x05Hello"), MalformedReply::Metadata);
        assert_eq!(
            Reply::parse(&good[..6]).unwrap_err(),
            MalformedReply::Frames
        );
        let one = part::encode(&good[1..]);
        assert_eq!(Reply::parse_part(&one), Reply::parse(&good));
        for cut in 0..one.len() {
            let fault = Reply::parse_part(&one[..cut]).unwrap_err();
            assert_eq!(fault, MalformedReply::Frames);
        }
        let whole = part::encode(&good);
        assert_eq!(Reply::parse_part(&whole), Err(MalformedReply::Frames));
    }
}
