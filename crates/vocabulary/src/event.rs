// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a monitor reports.

use std::error::Error;
use std::fmt;

use crate::handshake::HandshakeFailure;

/// Something that happened to a connection or a listener, with the value that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The transport is connected; the handshake follows.
    Connected {
        /// Of the connection.
        fd: i32,
    },
    /// The connection is under way.
    ConnectDelayed {
        /// EINPROGRESS.
        errno: i32,
    },
    /// Another attempt follows.
    ConnectRetried {
        /// In milliseconds, from now.
        interval: u32,
    },
    /// Bound.
    Listening {
        /// Of the listener.
        fd: i32,
    },
    /// Could not bind.
    BindFailed {
        /// Why.
        errno: i32,
    },
    /// A peer connected; the handshake follows.
    Accepted {
        /// Of the connection.
        fd: i32,
    },
    /// A peer could not be accepted.
    AcceptFailed {
        /// Why.
        errno: i32,
    },
    /// A listener, or a connection that never was, is closed.
    Closed {
        /// Of what is closed.
        fd: i32,
    },
    /// Could not close.
    CloseFailed {
        /// Why.
        errno: i32,
    },
    /// A connection has ended.
    Disconnected {
        /// Of the connection.
        fd: i32,
    },
    /// Nothing more will be reported.
    MonitorStopped,
    /// The handshake ended for a reason without a name.
    HandshakeFailedNoDetail {
        /// Why, as far as known.
        errno: i32,
    },
    /// Messages may flow.
    HandshakeSucceeded,
    /// The peer does not speak our language.
    HandshakeFailedProtocol {
        /// What it said wrong.
        error: ProtocolError,
    },
    /// The peer, or we, may not in.
    HandshakeFailedAuth {
        /// The ZAP status: 300, 400 or 500.
        status: u32,
    },
    /// Packets of a multicast stream are lost for good, and the messages in them. No event of libzmq's: its number
    /// lies beyond those.
    DataLost {
        /// How many.
        packets: u64,
    },
}

impl Event {
    /// All events of the first monitor version.
    pub const ALL_V1: u64 = 0xFFFF;

    /// The bit of the C interface.
    pub const fn number(&self) -> u64 {
        match self {
            Self::Connected { .. } => 0x0001,
            Self::ConnectDelayed { .. } => 0x0002,
            Self::ConnectRetried { .. } => 0x0004,
            Self::Listening { .. } => 0x0008,
            Self::BindFailed { .. } => 0x0010,
            Self::Accepted { .. } => 0x0020,
            Self::AcceptFailed { .. } => 0x0040,
            Self::Closed { .. } => 0x0080,
            Self::CloseFailed { .. } => 0x0100,
            Self::Disconnected { .. } => 0x0200,
            Self::MonitorStopped => 0x0400,
            Self::HandshakeFailedNoDetail { .. } => 0x0800,
            Self::HandshakeSucceeded => 0x1000,
            Self::HandshakeFailedProtocol { .. } => 0x2000,
            Self::HandshakeFailedAuth { .. } => 0x4000,
            Self::DataLost { .. } => 0x1_0000_0000,
        }
    }

    /// The value of the C interface: file descriptor, errno, milliseconds, a code, or a count.
    pub const fn value(&self) -> u64 {
        match *self {
            Self::Connected { fd }
            | Self::Listening { fd }
            | Self::Accepted { fd }
            | Self::Closed { fd }
            | Self::Disconnected { fd } => fd.cast_unsigned() as u64,
            Self::ConnectDelayed { errno }
            | Self::BindFailed { errno }
            | Self::AcceptFailed { errno }
            | Self::CloseFailed { errno }
            | Self::HandshakeFailedNoDetail { errno } => errno.cast_unsigned() as u64,
            Self::ConnectRetried { interval } => interval as u64,
            Self::MonitorStopped | Self::HandshakeSucceeded => 0,
            Self::HandshakeFailedProtocol { error } => error.number() as u64,
            Self::HandshakeFailedAuth { status } => status as u64,
            Self::DataLost { packets } => packets,
        }
    }

    /// The name of the C interface, without its prefix: `"CONNECTED"`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "CONNECTED",
            Self::ConnectDelayed { .. } => "CONNECT_DELAYED",
            Self::ConnectRetried { .. } => "CONNECT_RETRIED",
            Self::Listening { .. } => "LISTENING",
            Self::BindFailed { .. } => "BIND_FAILED",
            Self::Accepted { .. } => "ACCEPTED",
            Self::AcceptFailed { .. } => "ACCEPT_FAILED",
            Self::Closed { .. } => "CLOSED",
            Self::CloseFailed { .. } => "CLOSE_FAILED",
            Self::Disconnected { .. } => "DISCONNECTED",
            Self::MonitorStopped => "MONITOR_STOPPED",
            Self::HandshakeFailedNoDetail { .. } => "HANDSHAKE_FAILED_NO_DETAIL",
            Self::HandshakeSucceeded => "HANDSHAKE_SUCCEEDED",
            Self::HandshakeFailedProtocol { .. } => "HANDSHAKE_FAILED_PROTOCOL",
            Self::HandshakeFailedAuth { .. } => "HANDSHAKE_FAILED_AUTH",
            Self::DataLost { .. } => "DATA_LOST",
        }
    }
}

/// An [`Event`] and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorEvent {
    /// What happened.
    pub event: Event,
    /// Our endpoint; empty when unknown.
    pub local: String,
    /// The peer's endpoint; empty when unknown or when there is none.
    pub remote: String,
    /// Whether this side was bound, and the peer came to it; else this side connected.
    pub bound: bool,
    /// The routing id of the peer, once the handshake told it.
    pub peer: Option<Vec<u8>>,
    /// Why a connection ended.
    pub reason: Option<DisconnectReason>,
    /// Why a handshake failed, and with whom.
    pub failure: Option<HandshakeFailure>,
}

impl MonitorEvent {
    /// An event between two endpoints, nothing else known. With a local endpoint alone it is that
    /// of a listener.
    pub fn new(event: Event, local: impl Into<String>, remote: impl Into<String>) -> Self {
        let (local, remote) = (local.into(), remote.into());
        Self {
            event,
            bound: remote.is_empty() && !local.is_empty(),
            local,
            remote,
            peer: None,
            reason: None,
            failure: None,
        }
    }

    /// The endpoint that was bound or connected: the one that the first version of the C
    /// interface tells.
    pub fn endpoint(&self) -> &str {
        if self.bound {
            &self.local
        } else {
            &self.remote
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The peer closed it.
    PeerClosed,
    /// The system reported an error, by its number.
    Io(i32),
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The handshake took too long.
    HandshakeTimeout,
    /// Nothing came in answer to a PING.
    HeartbeatTimeout,
    /// A frame was longer than MAXMSGSIZE.
    TooLarge,
    /// We closed it.
    Local,
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Io(errno) => crate::error::Code::Io(*errno).fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::HandshakeTimeout => f.write_str("the handshake took too long"),
            Self::HeartbeatTimeout => f.write_str("no answer to a heartbeat"),
            Self::TooLarge => f.write_str("a frame was longer than allowed"),
            Self::Local => f.write_str("closed here"),
        }
    }
}

macro_rules! protocol_errors {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// What a peer did wrong, with the numbers of the C interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum ProtocolError {
            $(#[doc = concat!($text, ".")] $name = $number,)*
        }

        impl ProtocolError {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

protocol_errors! {
    ZmtpUnspecified = 0x1000_0000, "ZMTP: something is wrong";
    ZmtpUnexpectedCommand = 0x1000_0001, "ZMTP: a command at the wrong time";
    ZmtpInvalidSequence = 0x1000_0002, "ZMTP: a nonce out of order";
    ZmtpKeyExchange = 0x1000_0003, "ZMTP: the key exchange failed";
    ZmtpMalformedCommandUnspecified = 0x1000_0011, "ZMTP: a malformed command";
    ZmtpMalformedCommandMessage = 0x1000_0012, "ZMTP: a malformed MESSAGE";
    ZmtpMalformedCommandHello = 0x1000_0013, "ZMTP: a malformed HELLO";
    ZmtpMalformedCommandInitiate = 0x1000_0014, "ZMTP: a malformed INITIATE";
    ZmtpMalformedCommandError = 0x1000_0015, "ZMTP: a malformed ERROR";
    ZmtpMalformedCommandReady = 0x1000_0016, "ZMTP: a malformed READY";
    ZmtpMalformedCommandWelcome = 0x1000_0017, "ZMTP: a malformed WELCOME";
    ZmtpInvalidMetadata = 0x1000_0018, "ZMTP: unusable metadata";
    ZmtpCryptographic = 0x1100_0001, "ZMTP: a box that does not open";
    ZmtpMechanismMismatch = 0x1100_0002, "ZMTP: another security mechanism";
    ZapUnspecified = 0x2000_0000, "ZAP: something is wrong";
    ZapMalformedReply = 0x2000_0001, "ZAP: a malformed reply";
    ZapBadRequestId = 0x2000_0002, "ZAP: a reply to another request";
    ZapBadVersion = 0x2000_0003, "ZAP: a reply of another version";
    ZapInvalidStatusCode = 0x2000_0004, "ZAP: an unknown status code";
    ZapInvalidMetadata = 0x2000_0005, "ZAP: unusable metadata";
    WsUnspecified = 0x3000_0000, "WebSocket: something is wrong";
}

impl ProtocolError {
    /// The error of a number of the C interface.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.number() == number)
    }

    /// The number of the C interface.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_one_bit_each_in_order() {
        let error = ProtocolError::ZmtpMechanismMismatch;
        let events = [
            (Event::Connected { fd: 3 }, 3),
            (Event::ConnectDelayed { errno: 115 }, 115),
            (Event::ConnectRetried { interval: 100 }, 100),
            (Event::Listening { fd: 4 }, 4),
            (Event::BindFailed { errno: 98 }, 98),
            (Event::Accepted { fd: 5 }, 5),
            (Event::AcceptFailed { errno: 24 }, 24),
            (Event::Closed { fd: -1 }, 0xFFFF_FFFF),
            (Event::CloseFailed { errno: 9 }, 9),
            (Event::Disconnected { fd: 7 }, 7),
            (Event::MonitorStopped, 0),
            (Event::HandshakeFailedNoDetail { errno: 32 }, 32),
            (Event::HandshakeSucceeded, 0),
            (Event::HandshakeFailedProtocol { error }, 0x1100_0002),
            (Event::HandshakeFailedAuth { status: 400 }, 400),
        ];
        for (bit, (event, value)) in events.into_iter().enumerate() {
            assert_eq!(event.number(), 1 << bit, "{event:?}");
            assert_eq!(event.value(), value, "{event:?}");
            let name = event.name().replace('_', "").to_lowercase();
            let debug = format!("{event:?}").to_lowercase();
            assert!(debug.starts_with(&name), "{debug} {name}");
        }
        let lost = Event::DataLost { packets: 1 << 40 };
        assert_eq!((lost.number(), lost.value()), (1 << 32, 1 << 40));
    }

    #[test]
    fn protocol_errors_lead_back() {
        assert_eq!(ProtocolError::ALL.len(), 21);
        for &error in ProtocolError::ALL {
            assert_eq!(ProtocolError::from_number(error.number()), Some(error));
        }
        assert!(ProtocolError::ALL.is_sorted_by_key(|e| e.number()));
        assert_eq!(ProtocolError::from_number(0), None);
    }
}
