// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messaging patterns of ZeroMQ, on pipes alone: no threads, no clock, no transports.
//!
//! One file a socket type:
//!
//! | module | type | sends | receives |
//! |---|---|---|---|
//! | `pair.rs` | [`Pair`] | to its one peer | from its one peer |
//! | `pub.rs` | [`Pub`] | to all subscribers that match | nothing |
//! | `pull.rs` | [`Pull`] | nothing | from all in turn |
//! | `push.rs` | [`Push`] | to each in turn | nothing |
//! | `rep.rs` | [`Rep`] | to who asked | from all in turn, one request at a time |
//! | `req.rs` | [`Req`] | to each in turn, one request at a time | from who was asked |
//! | `sub.rs` | [`Sub`] | nothing | from all in turn, what it subscribed to |
//!
//! composed of strategies, one file each: `load_balance.rs` and `fair_queue.rs` (both on a
//! `rotation.rs`), `distribute.rs`; and of what is subscribed to: `trie.rs` at the publisher,
//! `subscriptions.rs` at the subscriber, both on a `radix.rs`.
//!
//! What they have in common is [`Pattern`]; [`AnyPattern`] is one of them, chosen by socket type.

#![forbid(unsafe_code)]

mod any;
mod distribute;
mod fair_queue;
mod load_balance;
mod pair;
mod pattern;
mod r#pub;
mod pull;
mod push;
mod radix;
mod rep;
mod req;
mod rotation;
mod sub;
mod subscriptions;
#[cfg(test)]
mod testing;
mod trie;

pub use any::AnyPattern;
pub use ferromq_zmtp::subscription::Subscription;
pub use pair::Pair;
pub use pattern::{Attached, Pattern, Received, Refusal, Sent};
pub use r#pub::Pub;
pub use pull::Pull;
pub use push::Push;
pub use rep::Rep;
pub use req::Req;
pub use sub::Sub;
