// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messaging patterns of ZeroMQ, on pipes alone: no threads, no clock, no transports.
//!
//! One file a socket type:
//!
//! | module | type | sends | receives |
//! |---|---|---|---|
//! | `channel.rs` | [`Channel`] | to its one peer, single parts | from its one peer |
//! | `client.rs` | [`Client`] | to each in turn, single parts | from all in turn |
//! | `dealer.rs` | [`Dealer`] | to each in turn | from all in turn |
//! | `dgram.rs` | [`Dgram`] | datagrams to the address named first | datagrams, their sender first |
//! | `dish.rs` | [`Dish`] | nothing | from all in turn, the groups it joined |
//! | `gather.rs` | [`Gather`] | nothing | from all in turn, single parts |
//! | `pair.rs` | [`Pair`] | to its one peer | from its one peer |
//! | `peer.rs` | [`Peer`] | to the peer with the number | from all in turn, with numbers |
//! | `pub.rs` | [`Pub`] | to all subscribers that match | nothing |
//! | `pull.rs` | [`Pull`] | nothing | from all in turn |
//! | `push.rs` | [`Push`] | to each in turn | nothing |
//! | `radio.rs` | [`Radio`] | to all who joined the group | nothing |
//! | `rep.rs` | [`Rep`] | to who asked | from all in turn, one request at a time |
//! | `req.rs` | [`Req`] | to each in turn, one request at a time | from who was asked |
//! | `router.rs` | [`Router`] | to the peer named first | from all in turn, named first |
//! | `scatter.rs` | [`Scatter`] | to each in turn, single parts | nothing |
//! | `server.rs` | [`Server`] | to the peer with the number | from all in turn, with numbers |
//! | `stream.rs` | [`Stream`] | bytes to the peer named first | bytes from all in turn |
//! | `sub.rs` | [`Sub`] | nothing | from all in turn, what it subscribed to |
//! | `xpub.rs` | [`Xpub`] | to all subscribers that match | subscriptions, and what else they send |
//! | `xsub.rs` | [`Xsub`] | subscriptions, and anything else to all | from all in turn |
//!
//! composed of strategies, one file each: `load_balance.rs` and `fair_queue.rs` (both on a
//! `rotation.rs`), `distribute.rs`, `sole.rs`; and of what is subscribed to: `trie.rs` at the publisher,
//! `subscriptions.rs` at the subscriber, both on a `radix.rs`.
//!
//! What they have in common is [`Pattern`]; [`AnyPattern`] is one of them, chosen by socket type.

#![forbid(unsafe_code)]

mod allowance;
mod any;
mod channel;
mod client;
mod dealer;
mod dgram;
mod dish;
mod distribute;
mod fair_queue;
mod gather;
mod load_balance;
mod pair;
mod pattern;
mod peer;
mod r#pub;
mod pull;
mod push;
mod radio;
mod radix;
mod rep;
mod req;
mod rotation;
mod router;
mod routes;
mod routing_id;
mod scatter;
mod server;
mod sole;
mod stream;
mod sub;
mod subscriptions;
#[cfg(test)]
mod testing;
mod trie;
mod xpub;
mod xsub;

pub use any::AnyPattern;
pub use channel::Channel;
pub use client::Client;
pub use dealer::Dealer;
pub use dgram::Dgram;
pub use dish::Dish;
pub use ferromq_zmtp::subscription::Subscription;
pub use gather::Gather;
pub use pair::Pair;
pub use pattern::{Attached, Group, Pattern, Received, Refusal, Sent, Topic};
pub use peer::Peer;
pub use r#pub::Pub;
pub use pull::Pull;
pub use push::Push;
pub use radio::Radio;
pub use rep::Rep;
pub use req::Req;
pub use router::Router;
pub use scatter::Scatter;
pub use server::Server;
pub use stream::Stream;
pub use sub::Sub;
pub use xpub::Xpub;
pub use xsub::Xsub;
