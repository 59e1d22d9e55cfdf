// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every way a handshake, or what a transcoder takes, can fail.

use std::error::Error;
use std::fmt;

use ferromq_vocabulary::event::ProtocolError;

use crate::decoder::DecodeError;
use crate::zap::MalformedReply;

/// Why a handshake cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// CURVE: a box that does not open.
    Cryptographic,
    /// A frame of traffic longer than allowed.
    FrameTooLarge,
    /// The peer's commands are larger than allowed.
    HandshakeTooLarge,
    /// The two socket types do not talk to each other, or the peer's is unknown.
    IncompatibleSocketType,
    /// The properties of the peer's READY cannot be read.
    InvalidMetadata,
    /// CURVE: a command whose nonce is not larger than the last one's: repeated or out of order.
    InvalidSequence,
    /// CURVE: a key of small order, or a vouch for other keys.
    KeyExchange,
    /// A command without a proper name.
    MalformedCommand,
    /// An ERROR whose reason cannot be read.
    MalformedError,
    /// A frame of ZMTP 1.0 without its flags.
    MalformedFrame,
    /// A HELLO that cannot be read.
    MalformedHello,
    /// An INITIATE that cannot be read.
    MalformedInitiate,
    /// A MESSAGE that cannot be read.
    MalformedMessage,
    /// A READY that cannot be read.
    MalformedReady,
    /// A WELCOME that cannot be read.
    MalformedWelcome,
    /// The authenticator's answer cannot be read.
    MalformedReply(MalformedReply),
    /// The peer's mechanism is another one than ours.
    MechanismMismatch,
    /// An authenticator has to be asked, and there is none.
    NoHandler,
    /// What the peer sends begins like no version of ZMTP.
    NotZmtp,
    /// There is no memory for what the peer sent.
    OutOfMemory,
    /// The peer ended the handshake with ERROR.
    PeerError {
        /// The ZAP status, if the reason was exactly 300, 400 or 500.
        status: Option<u16>,
    },
    /// An authenticator has refused the peer.
    Refused {
        /// The ZAP status: 300, 400 or 500.
        status: u16,
    },
    /// GSSAPI: no security context comes about, or it refuses our message.
    SecurityContext,
    /// A command that has no place in the handshake, or not at this point.
    UnexpectedCommand,
    /// A message before the handshake is over.
    UnexpectedMessage,
    /// An authenticator has to be asked, and what is bound there cannot answer.
    UnusableHandler,
    /// The peer speaks a version from before ZMTP 3.0; see [`Handshake::protocol`](super::Handshake::protocol).
    UnsupportedVersion,
}

impl Fault {
    /// What the monitor event says; `None` for those it reports in another way.
    #[must_use]
    pub fn protocol_error(self) -> Option<ProtocolError> {
        Some(match self {
            // contract 3.5: ERROR is an authentication failure (HANDSHAKE_FAILED_AUTH) or "ends the
            // handshake without an event".
            Self::NoHandler
            | Self::OutOfMemory
            | Self::PeerError { .. }
            | Self::Refused { .. }
            | Self::SecurityContext
            | Self::UnusableHandler => return None,
            Self::Cryptographic => ProtocolError::ZmtpCryptographic,
            Self::InvalidSequence => ProtocolError::ZmtpInvalidSequence,
            Self::KeyExchange => ProtocolError::ZmtpKeyExchange,
            Self::MalformedHello => ProtocolError::ZmtpMalformedCommandHello,
            Self::MalformedInitiate => ProtocolError::ZmtpMalformedCommandInitiate,
            Self::MalformedMessage => ProtocolError::ZmtpMalformedCommandMessage,
            Self::MalformedReady => ProtocolError::ZmtpMalformedCommandReady,
            Self::MalformedWelcome => ProtocolError::ZmtpMalformedCommandWelcome,
            Self::MalformedReply(malformed) => malformed.protocol_error(),
            Self::IncompatibleSocketType | Self::InvalidMetadata => {
                ProtocolError::ZmtpInvalidMetadata
            }
            Self::MalformedCommand => ProtocolError::ZmtpMalformedCommandUnspecified,
            Self::MalformedError => ProtocolError::ZmtpMalformedCommandError,
            Self::MechanismMismatch => ProtocolError::ZmtpMechanismMismatch,
            Self::UnexpectedCommand | Self::UnexpectedMessage => {
                ProtocolError::ZmtpUnexpectedCommand
            }
            Self::FrameTooLarge
            | Self::HandshakeTooLarge
            | Self::MalformedFrame
            | Self::NotZmtp
            | Self::UnsupportedVersion => ProtocolError::ZmtpUnspecified,
        })
    }

    /// A connecting socket gives this endpoint up; otherwise it may try again.
    ///
    /// contract 4, item 21: "protocol_error [...] on the *connecting* side ends the session
    /// permanently"; 3.11: "300 close silently so the client retries".
    #[must_use]
    pub fn is_permanent(self) -> bool {
        !matches!(
            self,
            Self::NoHandler
                | Self::OutOfMemory
                | Self::MalformedReply(_)
                | Self::PeerError { status: Some(300) }
                | Self::Refused { status: 300 }
                | Self::SecurityContext
                | Self::UnusableHandler
        )
    }

    /// What the peer is told of it, where there is still somebody who listens: what it can only
    /// find out by looking at its own configuration.
    pub(super) fn explanation(self) -> Option<&'static str> {
        match self {
            Self::HandshakeTooLarge => Some("handshake too large"),
            Self::IncompatibleSocketType => Some("incompatible socket type"),
            Self::InvalidMetadata => Some("invalid metadata"),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cryptographic => "the peer's command cannot be decrypted",
            Self::FrameTooLarge => "the peer sent a frame longer than allowed",
            Self::HandshakeTooLarge => "the peer's handshake is too large",
            Self::IncompatibleSocketType => "the peer's socket type does not talk to ours",
            Self::InvalidMetadata => "the peer's properties cannot be read",
            Self::InvalidSequence => "the peer's nonces are out of order",
            Self::KeyExchange => "the peer's keys do not fit together",
            Self::MalformedFrame => "the peer sent a frame without flags",
            Self::MalformedHello => "the peer sent a HELLO that cannot be read",
            Self::MalformedInitiate => "the peer sent an INITIATE that cannot be read",
            Self::MalformedMessage => "the peer sent a MESSAGE that cannot be read",
            Self::MalformedReady => "the peer sent a READY that cannot be read",
            Self::MalformedReply(malformed) => return malformed.fmt(f),
            Self::MalformedWelcome => "the peer sent a WELCOME that cannot be read",
            Self::MalformedCommand => "the peer sent a command without a proper name",
            Self::MalformedError => "the peer sent an ERROR that cannot be read",
            Self::MechanismMismatch => "the peer uses another security mechanism",
            Self::NoHandler => "there is no authenticator to ask",
            Self::NotZmtp => "the peer does not speak ZMTP",
            Self::OutOfMemory => "there is no memory for the peer's handshake",
            Self::PeerError {
                status: Some(status),
            } => {
                return write!(f, "the peer refused us with status {status}");
            }
            Self::PeerError { status: None } => "the peer refused us",
            Self::Refused { status } => {
                return write!(f, "the authenticator refused the peer with status {status}");
            }
            Self::SecurityContext => "no GSSAPI security context comes about",
            Self::UnexpectedCommand => "the peer sent a command out of place",
            Self::UnexpectedMessage => "the peer sent a message before it was ready",
            Self::UnusableHandler => "what is bound as authenticator cannot answer",
            Self::UnsupportedVersion => "the peer speaks a version from before ZMTP 3.0",
        })
    }
}

impl Error for Fault {}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::OutOfMemory => Self::OutOfMemory,
            DecodeError::TooLarge => Self::HandshakeTooLarge,
        }
    }
}

impl From<MalformedReply> for Fault {
    fn from(malformed: MalformedReply) -> Self {
        Self::MalformedReply(malformed)
    }
}
