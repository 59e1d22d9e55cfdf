// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket types, and who may talk to whom.

use std::fmt;

/// The kind of a socket. The discriminants are the numbers of the C interface and of the ZMTP 2.0
/// greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SocketType {
    /// One peer, both directions.
    Pair = 0,
    /// Publishes to all who subscribed.
    Pub = 1,
    /// Subscribes.
    Sub = 2,
    /// Asks, then waits for the answer.
    Req = 3,
    /// Answers whoever asked.
    Rep = 4,
    /// Sends round robin, receives from all; no states.
    Dealer = 5,
    /// Sends to the peer named in the first part.
    Router = 6,
    /// Receives work.
    Pull = 7,
    /// Hands out work.
    Push = 8,
    /// PUB that sees the subscriptions.
    Xpub = 9,
    /// SUB that sends subscriptions as messages.
    Xsub = 10,
    /// Raw TCP.
    Stream = 11,
    /// Thread-safe ROUTER, single part.
    Server = 12,
    /// Thread-safe DEALER, single part.
    Client = 13,
    /// Publishes to groups.
    Radio = 14,
    /// Joins groups.
    Dish = 15,
    /// Thread-safe PULL, single part.
    Gather = 16,
    /// Thread-safe PUSH, single part.
    Scatter = 17,
    /// Raw UDP.
    Dgram = 18,
    /// SERVER that also connects to its like.
    Peer = 19,
    /// Thread-safe PAIR, single part.
    Channel = 20,
}

impl SocketType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::Pair,
        Self::Pub,
        Self::Sub,
        Self::Req,
        Self::Rep,
        Self::Dealer,
        Self::Router,
        Self::Pull,
        Self::Push,
        Self::Xpub,
        Self::Xsub,
        Self::Stream,
        Self::Server,
        Self::Client,
        Self::Radio,
        Self::Dish,
        Self::Gather,
        Self::Scatter,
        Self::Dgram,
        Self::Peer,
        Self::Channel,
    ];

    /// The type of a C number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The type of a name as in ZMTP; capitals count.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The number of the C interface.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The name as in ZMTP: `"PUSH"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "PAIR",
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Req => "REQ",
            Self::Rep => "REP",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
            Self::Pull => "PULL",
            Self::Push => "PUSH",
            Self::Xpub => "XPUB",
            Self::Xsub => "XSUB",
            Self::Stream => "STREAM",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::Radio => "RADIO",
            Self::Dish => "DISH",
            Self::Gather => "GATHER",
            Self::Scatter => "SCATTER",
            Self::Dgram => "DGRAM",
            Self::Peer => "PEER",
            Self::Channel => "CHANNEL",
        }
    }

    /// The types it talks to; none for STREAM and DGRAM, whose peers are not ZeroMQ sockets.
    pub const fn peers(self) -> &'static [Self] {
        match self {
            Self::Pair => &[Self::Pair],
            Self::Pub | Self::Xpub => &[Self::Sub, Self::Xsub],
            Self::Sub | Self::Xsub => &[Self::Pub, Self::Xpub],
            Self::Req => &[Self::Rep, Self::Router],
            Self::Rep => &[Self::Req, Self::Dealer],
            Self::Dealer => &[Self::Rep, Self::Dealer, Self::Router],
            Self::Router => &[Self::Req, Self::Dealer, Self::Router],
            Self::Pull => &[Self::Push],
            Self::Push => &[Self::Pull],
            Self::Stream | Self::Dgram => &[],
            Self::Server => &[Self::Client],
            Self::Client => &[Self::Server],
            Self::Radio => &[Self::Dish],
            Self::Dish => &[Self::Radio],
            Self::Gather => &[Self::Scatter],
            Self::Scatter => &[Self::Gather],
            Self::Peer => &[Self::Peer],
            Self::Channel => &[Self::Channel],
        }
    }

    /// Whether a handshake between the two may succeed. It does not matter which side asks.
    pub fn compatible(self, other: Self) -> bool {
        self.peers().contains(&other)
    }

    /// Whether the application may send.
    pub const fn sends(self) -> bool {
        !matches!(self, Self::Sub | Self::Pull | Self::Dish | Self::Gather)
    }

    /// Whether the application may receive.
    pub const fn receives(self) -> bool {
        !matches!(self, Self::Pub | Self::Push | Self::Radio | Self::Scatter)
    }

    /// Whether several threads may use the socket at once.
    pub const fn is_thread_safe(self) -> bool {
        self.is_single_part()
    }

    /// Whether the routing id goes into READY as "Identity", even when it is empty.
    pub const fn sends_routing_id(self) -> bool {
        matches!(self, Self::Req | Self::Dealer | Self::Router)
    }

    /// Whether CONFLATE has an effect.
    pub const fn can_conflate(self) -> bool {
        matches!(
            self,
            Self::Push | Self::Pull | Self::Pub | Self::Sub | Self::Dealer
        )
    }

    /// Whether messages have one part only; others are refused on sending, dropped on receiving.
    pub const fn is_single_part(self) -> bool {
        matches!(
            self,
            Self::Server
                | Self::Client
                | Self::Radio
                | Self::Dish
                | Self::Gather
                | Self::Scatter
                | Self::Peer
                | Self::Channel
        )
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::SocketType as T;
    use super::*;

    #[test]
    fn numbers_and_names_lead_back() {
        for (number, socket_type) in (0..).zip(SocketType::ALL) {
            assert_eq!(socket_type.number(), number);
            assert_eq!(SocketType::from_number(number), Some(socket_type));
            assert_eq!(SocketType::from_name(socket_type.name()), Some(socket_type));
        }
        for number in [-1, 21, i32::MIN, i32::MAX] {
            assert_eq!(SocketType::from_number(number), None);
        }
        for name in ["", "push", "XREQ", "PUSH "] {
            assert_eq!(SocketType::from_name(name), None);
        }
    }

    #[test]
    fn compatibility_is_mutual() {
        for a in SocketType::ALL {
            for b in SocketType::ALL {
                assert_eq!(a.compatible(b), b.compatible(a), "{a} {b}");
            }
        }
        assert!(T::Req.compatible(T::Router) && T::Dealer.compatible(T::Dealer));
        assert!(!T::Req.compatible(T::Dealer) && !T::Pub.compatible(T::Pull));
    }

    #[test]
    fn every_type_sends_or_receives() {
        for t in SocketType::ALL {
            assert!(t.sends() || t.receives(), "{t}");
            assert!(!t.peers().iter().any(|p| !t.sends() && !p.sends()), "{t}");
        }
    }
}
