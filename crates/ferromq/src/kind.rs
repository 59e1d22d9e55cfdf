// SPDX-License-Identifier: MIT OR Apache-2.0
//! The types of sockets, as types.
//!
//! A marker says which verbs a [`Socket`](crate::Socket) has: sending belongs to those that
//! implement [`Sends`], receiving to [`Receives`], subscriptions to [`Subscribes`].
//!
//! | marker | pattern | sends | receives | peers |
//! |---|---|---|---|---|
//! | [`Req`] | request-reply ([RFC 28](https://rfc.zeromq.org/spec/28/)) | in turns | in turns | [`Rep`] |
//! | [`Rep`] | request-reply | in turns | in turns | [`Req`] |
//! | [`Pub`] | publish-subscribe ([RFC 29](https://rfc.zeromq.org/spec/29/)) | to all who subscribed | | [`Sub`] |
//! | [`Sub`] | publish-subscribe | | from all | [`Pub`] |
//! | [`Push`] | pipeline ([RFC 30](https://rfc.zeromq.org/spec/30/)) | to one after the other | | [`Pull`] |
//! | [`Pull`] | pipeline | | from all, fairly | [`Push`] |
//! | [`Pair`] | exclusive pair ([RFC 31](https://rfc.zeromq.org/spec/31/)) | to the one peer | from it | [`Pair`] |
//! | [`Dealer`], [`Router`] | request-reply without turns | to one after the other; to whom the first part names | from all, fairly | [`Dealer`], [`Router`], [`Req`], [`Rep`] |
//! | [`Xpub`], [`Xsub`] | publish-subscribe, subscriptions as messages | as [`Pub`]; subscriptions | subscriptions; as [`Sub`] | [`Pub`], [`Sub`], [`Xpub`], [`Xsub`] |
//! | [`Stream`] | plain tcp | to whom the first part names | from all | anybody |
//! | [`Client`], [`Server`] | client-server ([RFC 41](https://rfc.zeromq.org/spec/41/)) | to one after the other; to [`routing_id`](crate::Message::routing_id) | from all | each other |
//! | [`Radio`], [`Dish`] | radio-dish ([RFC 48](https://rfc.zeromq.org/spec/48/)) | to a [`group`](crate::Message::group) | from joined groups | each other |
//! | [`Scatter`], [`Gather`] | pipeline of single parts ([RFC 49](https://rfc.zeromq.org/spec/49/)) | to one after the other | from all, fairly | each other |
//! | [`Channel`] | exclusive pair of single parts ([RFC 52](https://rfc.zeromq.org/spec/52/)) | to the one peer | from it | [`Channel`] |
//! | [`Peer`] | peer to peer | to [`routing_id`](crate::Message::routing_id) | from all | [`Peer`] |
//! | [`Any`] | known at run time only | if its type does | if its type does | |
//!
//! What a type does not do, does not compile:
//!
//! ```compile_fail,E0599
//! # use ferromq::{Context, Req};
//! let mut req = Context::new().socket::<Req>().unwrap();
//! req.subscribe("weather");
//! ```
//! ```compile_fail,E0599
//! # use ferromq::{Context, Push};
//! let mut push = Context::new().socket::<Push>().unwrap();
//! push.recv();
//! ```
//! ```compile_fail,E0599
//! # use ferromq::{Context, Pull};
//! let mut pull = Context::new().socket::<Pull>().unwrap();
//! pull.send("work");
//! ```
//! ```compile_fail,E0599
//! # use ferromq::{Context, Sub};
//! let mut sub = Context::new().socket::<Sub>().unwrap();
//! sub.try_send("news");
//! ```
//! ```compile_fail,E0599
//! # use ferromq::{Context, Pub};
//! // There is nothing to be split: a PUB only sends.
//! Context::new().socket::<Pub>().unwrap().split();
//! ```
//! ```compile_fail,E0599
//! # use ferromq::{Context, Push};
//! Context::new().socket_builder::<Push>().no_drop(true);
//! ```
//! ```compile_fail,E0277
//! # use ferromq::{Any, Context};
//! // Of what type?
//! Context::new().socket::<Any>();
//! ```
//! ```compile_fail,E0596
//! # use ferromq::{Context, Push};
//! // A socket is for one thread at a time: its verbs take `&mut self`.
//! let push = Context::new().socket::<Push>().unwrap();
//! push.send("work");
//! ```

use ferromq_vocabulary::SocketType;

/// What stands for a type of sockets. Sealed: the types there are, are those of this module.
pub trait Kind: sealed::Sealed + 'static {}

/// A kind that is known when the program is compiled, which is all but [`Any`].
pub trait Typed: Kind {
    /// Its type.
    const TYPE: SocketType;
}

/// Sockets that send.
#[diagnostic::on_unimplemented(
    message = "{Self} sockets do not send",
    note = "PULL and SUB sockets only receive"
)]
pub trait Sends: Kind {}

/// Sockets that receive.
#[diagnostic::on_unimplemented(
    message = "{Self} sockets do not receive",
    note = "PUSH and PUB sockets only send"
)]
pub trait Receives: Kind {}

/// Sockets that subscribe.
#[diagnostic::on_unimplemented(message = "{Self} sockets do not subscribe")]
pub trait Subscribes: Kind {}

/// Sockets that publish.
#[diagnostic::on_unimplemented(message = "{Self} sockets do not publish")]
pub trait Publishes: Kind {}

mod sealed {
    #[expect(unnameable_types, reason = "that is how a trait is sealed")]
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $($role:ident),*;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct $name;

        impl sealed::Sealed for $name {}
        impl Kind for $name {}
        $(impl $role for $name {})*
    )*};
}

kinds! {
    /// Any type, known at run time: verbs its type does not have answer
    /// [`NotSupported`](crate::Error::NotSupported).
    Any: Sends, Receives, Subscribes, Publishes;
    /// [`Pair`] for messages of one part; several threads may use it at once.
    Channel: Sends, Receives;
    /// Asks [`Server`]s in turns, and hears from all, without rules; messages of one part.
    Client: Sends, Receives;
    /// Asks without taking turns: sends to one after the other, hears from all.
    Dealer: Sends, Receives;
    /// Receives the groups it has joined.
    Dish: Receives;
    /// Receives messages of one part from all [`Scatter`]s.
    Gather: Receives;
    /// One peer, both directions, no rules: made for two threads of a process.
    Pair: Sends, Receives;
    /// Talks to peers by their [`routing_id`](crate::Message::routing_id); messages of one part.
    Peer: Sends, Receives;
    /// Publishes to all who subscribed. Whoever is slow loses messages: it never waits, unless
    /// [`no_drop`](crate::SocketBuilder::no_drop) says so.
    Pub: Sends, Publishes;
    /// Receives work from all PUSH sockets it is connected to, in turns.
    Pull: Receives;
    /// Hands out work to the PULL sockets it is connected to, in turns; waits if none has room.
    Push: Sends;
    /// Sends to all who have joined the message's [`group`](crate::Message::group).
    Radio: Sends;
    /// Answers: receive, send, receive, send. The answer goes to whoever asked.
    Rep: Sends, Receives;
    /// Asks: send, receive, send, receive.
    Req: Sends, Receives;
    /// Names its peers: the first part of what it receives says from whom, the first part of what
    /// it sends to whom.
    Router: Sends, Receives;
    /// Hands out messages of one part to [`Gather`]s, in turns.
    Scatter: Sends;
    /// Answers [`Client`]s by their [`routing_id`](crate::Message::routing_id).
    Server: Sends, Receives;
    /// Plain tcp: connections named by the first part, bytes in the second.
    Stream: Sends, Receives;
    /// Receives what it has subscribed to, which is nothing at first.
    Sub: Receives, Subscribes;
    /// [`Pub`] that receives the subscriptions of its peers: 1 or 0 and the topic.
    Xpub: Sends, Receives, Publishes;
    /// [`Sub`] that subscribes by sending 1 or 0 and the topic.
    Xsub: Sends, Receives;
}

macro_rules! types {
    ($($name:ident)*) => {$(
        impl Typed for $name {
            const TYPE: SocketType = SocketType::$name;
        }
    )*};
}

types! {
    Channel Client Dealer Dish Gather Pair Peer Pub Pull Push Radio Rep Req Router Scatter Server Stream Sub Xpub Xsub
}
