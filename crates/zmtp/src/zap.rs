// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZAP (RFC 27): asking an authenticator whether a peer may come in.
//!
//! ```text
//! request  "" "1.0" id domain address routing-id mechanism credentials…
//! reply    "" "1.0" id status text user-id metadata
//! ```
//!
//! This is what the frames say. How they get to the handler is the business of whoever drives the
//! handshake.

use std::error::Error;
use std::fmt;

use ferromq_vocabulary::event::ProtocolError;
use zeroize::Zeroizing;

use crate::metadata::{self, Properties};

/// Where a handler listens.
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// What a peer shows of itself, in the words of its mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// NULL: none. PLAIN: user, password. CURVE: the 32 bytes of the client's public key.
    pub frames: Vec<Zeroizing<Vec<u8>>>,
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
        // contract 3.11: "Reply exactly 7 frames"
        let [delimiter, version, id, status, text, user_id, properties] = frames else {
            return Err(MalformedReply::Frames);
        };
        if !delimiter.as_ref().is_empty() {
            return Err(MalformedReply::Delimiter);
        }
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
/// contract 3.11: "request id "1" (always "1": libzmq opens one private pipe per connection)"
const REQUEST_ID: &[u8] = b"1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_frames_of_the_rfc() {
        let credentials = Credentials {
            mechanism: "PLAIN",
            frames: vec![
                Zeroizing::new(b"admin".to_vec()),
                Zeroizing::new(b"secret".to_vec()),
            ],
        };
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
    }
}
