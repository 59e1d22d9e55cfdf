// SPDX-License-Identifier: MIT OR Apache-2.0
//! How handshakes end.

use std::error::Error;
use std::fmt;

use crate::error::Code;
use crate::event::ProtocolError;
use crate::option::Mechanism;
use crate::socket_type::SocketType;

/// A peer whose handshake is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakePeer {
    /// Where it is: a numeric address; for ipc `:uid:gid:pid`.
    pub address: String,
    /// How it has proved who it is.
    pub mechanism: Mechanism,
    /// Its type, if it has said.
    pub socket_type: Option<SocketType>,
    /// Its routing id; empty if it has none.
    pub routing_id: Vec<u8>,
    /// Whom an authenticator knows it as, if one was asked.
    pub user_id: Option<Vec<u8>>,
}

/// A handshake that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeFailure {
    /// Where the peer is: a numeric address; for ipc `:uid:gid:pid`.
    pub address: String,
    /// What was wrong.
    pub error: HandshakeError,
    /// What the peer, or a library, says about it; empty if nothing.
    pub detail: String,
    /// Whether a connecting socket tries again.
    pub retries: bool,
}

/// Why a handshake has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeError {
    /// We have banned the peer.
    Banned,
    /// The peer closed the connection, without a word.
    Closed,
    /// The two socket types do not talk to each other.
    IncompatibleSocketType,
    /// The system reported an error, by its number.
    Io(i32),
    /// We closed the connection, or could not go on for lack of memory or descriptors.
    Local,
    /// An authenticator has to be asked, and there is none, or it cannot be used.
    NoAuthenticator,
    /// The peer, or an authenticator, broke the protocol.
    Protocol(ProtocolError),
    /// Our authenticator has refused the peer.
    Refused {
        /// The ZAP status: 300, 400 or 500.
        status: u16,
    },
    /// The peer has refused us.
    RefusedByPeer {
        /// The ZAP status of its authenticator: 300, 400 or 500; none if it has another reason.
        status: Option<u16>,
    },
    /// GSSAPI: no security context has come about.
    SecurityContext,
    /// It took longer than the option HANDSHAKE_IVL allows.
    TimedOut,
    /// The peer has sent more than the options allow.
    TooLarge,
    /// The peer speaks a version from before ZMTP 3.0, which knows no security.
    UnsupportedVersion,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Banned => "the peer is banned",
            Self::Closed => "the peer closed the connection",
            Self::IncompatibleSocketType => "the peer's socket type does not talk to ours",
            Self::Io(errno) => return Code::Io(*errno).fmt(f),
            Self::Local => "closed here",
            Self::NoAuthenticator => "there is no authenticator to ask",
            Self::Protocol(error) => return error.fmt(f),
            Self::Refused { status } => {
                return write!(f, "the authenticator refused the peer with status {status}");
            }
            Self::RefusedByPeer {
                status: Some(status),
            } => return write!(f, "the peer refused us with status {status}"),
            Self::RefusedByPeer { status: None } => "the peer refused us",
            Self::SecurityContext => "no GSSAPI security context has come about",
            Self::TimedOut => "the handshake took too long",
            Self::TooLarge => "the peer's handshake is too large",
            Self::UnsupportedVersion => "the peer speaks a version without security",
        })
    }
}

impl Error for HandshakeError {}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handshake with {}: {}", self.address, self.error)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl Error for HandshakeFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_who_and_why() {
        let failure = HandshakeFailure {
            address: "192.0.2.1".to_owned(),
            error: HandshakeError::RefusedByPeer { status: None },
            detail: "incompatible socket type".to_owned(),
            retries: false,
        };
        assert_eq!(
            failure.to_string(),
            "handshake with 192.0.2.1: the peer refused us (incompatible socket type)"
        );
    }
}
