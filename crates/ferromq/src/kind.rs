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
    ///
    /// ```
    /// use ferromq::{Context, SocketType};
    ///
    /// let context = Context::new();
    /// let mut pull = context.any_socket(SocketType::Pull)?;
    /// pull.bind("inproc://any")?;
    /// let mut push = context.any_socket(SocketType::Push)?;
    /// push.connect("inproc://any")?;
    /// push.send("work")?;
    /// assert_eq!(pull.recv()?, "work");
    /// assert!(pull.try_send("a PULL does not send").is_err());
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Any: Sends, Receives, Subscribes, Publishes;
    /// [`Pair`] for messages of one part; several threads may use it at once.
    ///
    /// ```
    /// use ferromq::{Channel, Context};
    ///
    /// let context = Context::new();
    /// let mut here = context.socket::<Channel>()?;
    /// here.bind("inproc://channel")?;
    /// let mut there = context.socket::<Channel>()?;
    /// there.connect("inproc://channel")?;
    /// here.send("to")?;
    /// assert_eq!(there.recv()?, "to");
    /// there.send("fro")?;
    /// assert_eq!(here.recv()?, "fro");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Channel: Sends, Receives;
    /// Asks [`Server`]s in turns, and hears from all, without rules; messages of one part.
    ///
    /// ```
    /// use ferromq::{Client, Context, Server};
    ///
    /// let context = Context::new();
    /// let mut server = context.socket::<Server>()?;
    /// let endpoint = server.bind("tcp://127.0.0.1:*")?;
    /// let mut client = context.socket::<Client>()?;
    /// client.connect(&endpoint)?;
    /// // Nobody has to wait for an answer before asking on.
    /// client.send("one")?;
    /// client.send("two")?;
    /// for _ in 0..2 {
    ///     let question = server.recv()?;
    ///     server.send(question)?;
    /// }
    /// assert_eq!(client.recv()?, "one");
    /// assert_eq!(client.recv()?, "two");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Client: Sends, Receives;
    /// Asks without taking turns: sends to one after the other, hears from all.
    ///
    /// ```
    /// use ferromq::{Context, Dealer, Rep};
    ///
    /// let context = Context::new();
    /// let mut rep = context.socket::<Rep>()?;
    /// let endpoint = rep.bind("tcp://127.0.0.1:*")?;
    /// let mut dealer = context.socket::<Dealer>()?;
    /// dealer.connect(&endpoint)?;
    /// // A REP wants an empty part between envelope and question.
    /// dealer.send(["", "question"])?;
    /// assert_eq!(rep.recv()?, "question");
    /// rep.send("answer")?;
    /// let answer = dealer.recv_multipart()?;
    /// assert_eq!(answer.get(1).unwrap(), "answer");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Dealer: Sends, Receives;
    /// Receives the groups it has joined.
    ///
    /// ```
    /// use ferromq::{Context, Dish, Message, Radio};
    ///
    /// let context = Context::new();
    /// let mut radio = context.socket::<Radio>()?;
    /// radio.bind("inproc://waves")?;
    /// let mut dish = context.socket::<Dish>()?;
    /// dish.connect("inproc://waves")?;
    /// dish.join("jazz")?;
    /// for group in ["news", "jazz"] {
    ///     let mut message = Message::from("on air");
    ///     message.set_group(group.as_bytes()).expect("a short name");
    ///     radio.send(message)?;
    /// }
    /// assert_eq!(dish.recv()?.group(), b"jazz");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Dish: Receives;
    /// Receives messages of one part from all [`Scatter`]s.
    ///
    /// ```
    /// use ferromq::{Context, Gather, Scatter};
    ///
    /// let context = Context::new();
    /// let mut gather = context.socket::<Gather>()?;
    /// gather.bind("inproc://results")?;
    /// for result in ["one", "two"] {
    ///     let mut scatter = context.socket::<Scatter>()?;
    ///     scatter.connect("inproc://results")?;
    ///     scatter.send(result)?;
    ///     assert_eq!(gather.recv()?, result);
    /// }
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Gather: Receives;
    /// One peer, both directions, no rules: made for two threads of a process.
    ///
    /// ```
    /// use ferromq::{Context, Pair};
    ///
    /// let context = Context::new();
    /// let mut here = context.socket::<Pair>()?;
    /// here.bind("inproc://threads")?;
    /// let mut there = context.socket::<Pair>()?;
    /// there.connect("inproc://threads")?;
    /// let thread = std::thread::spawn(move || there.send("done"));
    /// assert_eq!(here.recv()?, "done");
    /// # thread.join().unwrap()?;
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Pair: Sends, Receives;
    /// Talks to peers by their [`routing_id`](crate::Message::routing_id); messages of one part.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use ferromq::{Context, Message, Peer};
    ///
    /// let context = Context::new();
    /// let mut here = context.socket::<Peer>()?;
    /// let endpoint = here.bind("tcp://127.0.0.1:*")?;
    /// let mut there = context.socket::<Peer>()?;
    /// // Who connects knows the number of its peer at once,
    /// let number = there.connect_peer(&endpoint)?;
    /// let mut hello = Message::from("hello");
    /// hello.set_routing_id(NonZeroU32::new(number));
    /// there.send(hello)?;
    /// // who was bound by its messages.
    /// let mut message = here.recv()?;
    /// assert_eq!(message, "hello");
    /// here.send(message)?;
    /// assert_eq!(there.recv()?.routing_id(), NonZeroU32::new(number));
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Peer: Sends, Receives;
    /// Publishes to all who subscribed. Whoever is slow loses messages: it never waits, unless
    /// [`no_drop`](crate::SocketBuilder::no_drop) says so.
    ///
    /// ```
    /// use ferromq::{Context, Pub, Sub};
    ///
    /// let context = Context::new();
    /// let mut publisher = context.socket::<Pub>()?;
    /// publisher.bind("inproc://news")?;
    /// publisher.send("nobody hears this")?;
    /// let mut subscriber = context.socket_builder::<Sub>().subscribe("sports").open()?;
    /// subscriber.connect("inproc://news")?;
    /// publisher.send(["sports", "2:1"])?;
    /// publisher.send(["weather", "rain"])?;
    /// assert_eq!(subscriber.recv_multipart()?.get(1).unwrap(), "2:1");
    /// assert!(subscriber.try_recv().is_err());
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Pub: Sends, Publishes;
    /// Receives work from all PUSH sockets it is connected to, in turns.
    ///
    /// ```
    /// use ferromq::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let mut pull = context.socket::<Pull>()?;
    /// pull.bind("inproc://sink")?;
    /// for result in ["one", "two"] {
    ///     let mut push = context.socket::<Push>()?;
    ///     push.connect("inproc://sink")?;
    ///     push.send(result)?;
    ///     assert_eq!(pull.recv()?, result);
    /// }
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Pull: Receives;
    /// Hands out work to the PULL sockets it is connected to, in turns; waits if none has room.
    ///
    /// ```
    /// use ferromq::{Context, Error, Pull, Push};
    ///
    /// let context = Context::new();
    /// let mut push = context.socket::<Push>()?;
    /// push.bind("inproc://ventilator")?;
    /// let refused = push.try_send("for nobody").unwrap_err();
    /// assert_eq!(refused.into_message(), "for nobody");
    /// let mut pull = context.socket::<Pull>()?;
    /// pull.connect("inproc://ventilator")?;
    /// push.send("work")?;
    /// assert_eq!(pull.recv()?, "work");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Push: Sends;
    /// Sends to all who have joined the message's [`group`](crate::Message::group).
    ///
    /// ```
    /// use ferromq::{Context, Dish, Message, Radio};
    ///
    /// let context = Context::new();
    /// let mut radio = context.socket::<Radio>()?;
    /// radio.bind("inproc://radio")?;
    /// let mut dish = context.socket::<Dish>()?;
    /// dish.join("weather")?;
    /// dish.connect("inproc://radio")?;
    /// let mut message = Message::from("sunny");
    /// message.set_group(b"weather").expect("a short name");
    /// radio.send(message)?;
    /// assert_eq!(dish.recv()?, "sunny");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Radio: Sends;
    /// Answers: receive, send, receive, send. The answer goes to whoever asked.
    ///
    /// ```
    /// use ferromq::{Context, Rep, Req};
    ///
    /// let context = Context::new();
    /// let mut rep = context.socket::<Rep>()?;
    /// rep.bind("inproc://rep")?;
    /// let mut clients = [context.socket::<Req>()?, context.socket::<Req>()?];
    /// for (client, name) in clients.iter_mut().zip(["one", "two"]) {
    ///     client.connect("inproc://rep")?;
    ///     client.send(name)?;
    /// }
    /// for _ in 0..2 {
    ///     let name = rep.recv()?;
    ///     rep.send(name)?;
    /// }
    /// assert_eq!(clients[0].recv()?, "one");
    /// assert_eq!(clients[1].recv()?, "two");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Rep: Sends, Receives;
    /// Asks: send, receive, send, receive.
    ///
    /// ```
    /// use ferromq::{Context, Error, Rep, Req};
    ///
    /// let context = Context::new();
    /// let mut rep = context.socket::<Rep>()?;
    /// rep.bind("inproc://service")?;
    /// let mut req = context.socket::<Req>()?;
    /// req.connect("inproc://service")?;
    /// assert_eq!(req.recv(), Err(Error::State), "first the question");
    /// req.send("question")?;
    /// assert_eq!(rep.recv()?, "question");
    /// rep.send("answer")?;
    /// assert_eq!(req.recv()?, "answer");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Req: Sends, Receives;
    /// Names its peers: the first part of what it receives says from whom, the first part of what
    /// it sends to whom.
    ///
    /// ```
    /// use ferromq::{Context, Req, Router};
    ///
    /// let context = Context::new();
    /// let mut router = context.socket::<Router>()?;
    /// let endpoint = router.bind("tcp://127.0.0.1:*")?;
    /// let mut req = context.socket::<Req>()?;
    /// req.connect(&endpoint)?;
    /// req.send("question")?;
    /// // Who asks, an empty part, the question.
    /// let question = router.recv_multipart()?;
    /// assert_eq!(question.get(2).unwrap(), "question");
    /// router.send([question.get(0).unwrap(), &b""[..], b"answer"])?;
    /// assert_eq!(req.recv()?, "answer");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Router: Sends, Receives;
    /// Hands out messages of one part to [`Gather`]s, in turns.
    ///
    /// ```
    /// use ferromq::{Context, Gather, Scatter};
    ///
    /// let context = Context::new();
    /// let mut scatter = context.socket::<Scatter>()?;
    /// scatter.bind("inproc://work")?;
    /// let mut workers = [context.socket::<Gather>()?, context.socket::<Gather>()?];
    /// for worker in &mut workers {
    ///     worker.connect("inproc://work")?;
    /// }
    /// scatter.send("one")?;
    /// scatter.send("two")?;
    /// for worker in &mut workers {
    ///     assert_eq!(worker.recv()?.len(), 3);
    /// }
    /// assert!(scatter.try_send(["one part", "only"]).is_err());
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Scatter: Sends;
    /// Answers [`Client`]s by their [`routing_id`](crate::Message::routing_id).
    ///
    /// ```
    /// use ferromq::{Client, Context, Message, Server};
    ///
    /// let context = Context::new();
    /// let mut server = context.socket::<Server>()?;
    /// server.bind("inproc://server")?;
    /// let mut client = context.socket::<Client>()?;
    /// client.connect("inproc://server")?;
    /// client.send("question")?;
    /// let question = server.recv()?;
    /// let mut answer = Message::from("answer");
    /// answer.set_routing_id(question.routing_id());
    /// server.send(answer)?;
    /// assert_eq!(client.recv()?, "answer");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Server: Sends, Receives;
    /// Plain tcp: connections named by the first part, bytes in the second.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use ferromq::{Context, Stream};
    ///
    /// let context = Context::new();
    /// let mut stream = context.socket::<Stream>()?;
    /// let endpoint = stream.bind("tcp://127.0.0.1:*")?;
    /// let mut client = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    /// // A connection begins, and ends, with an empty message.
    /// let connected = stream.recv_multipart()?;
    /// let who = connected.get(0).unwrap();
    /// client.write_all(b"GET /").unwrap();
    /// let request = stream.recv_multipart()?;
    /// assert_eq!(request.get(1).unwrap(), "GET /");
    /// stream.send([&who[..], b"200"])?;
    /// // Sending nothing hangs up.
    /// stream.send([&who[..], b""])?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer).unwrap();
    /// assert_eq!(answer, "200");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Stream: Sends, Receives;
    /// Receives what it has subscribed to, which is nothing at first.
    ///
    /// ```
    /// use ferromq::{Context, Pub, Sub};
    ///
    /// let context = Context::new();
    /// let mut publisher = context.socket::<Pub>()?;
    /// publisher.bind("inproc://sub")?;
    /// let mut subscriber = context.socket::<Sub>()?;
    /// subscriber.connect("inproc://sub")?;
    /// subscriber.subscribe("a")?;
    /// subscriber.subscribe("b")?;
    /// subscriber.unsubscribe("a")?;
    /// for topic in ["a", "b", "c"] {
    ///     publisher.send(topic)?;
    /// }
    /// assert_eq!(subscriber.recv()?, "b");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Sub: Receives, Subscribes;
    /// [`Pub`] that receives the subscriptions of its peers: 1 or 0 and the topic.
    ///
    /// ```
    /// use ferromq::{Context, Sub, Xpub};
    ///
    /// let context = Context::new();
    /// let mut xpub = context.socket::<Xpub>()?;
    /// xpub.bind("inproc://xpub")?;
    /// let mut sub = context.socket_builder::<Sub>().subscribe("topic").open()?;
    /// sub.connect("inproc://xpub")?;
    /// assert_eq!(xpub.recv()?, "\u{1}topic");
    /// xpub.send("topic and more")?;
    /// assert_eq!(sub.recv()?, "topic and more");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    Xpub: Sends, Receives, Publishes;
    /// [`Sub`] that subscribes by sending 1 or 0 and the topic.
    ///
    /// ```
    /// use ferromq::{Context, Pub, Xsub};
    ///
    /// let context = Context::new();
    /// let mut publisher = context.socket::<Pub>()?;
    /// publisher.bind("inproc://xsub")?;
    /// let mut xsub = context.socket::<Xsub>()?;
    /// xsub.connect("inproc://xsub")?;
    /// xsub.send("\u{1}topic")?;
    /// publisher.send("topic and more")?;
    /// assert_eq!(xsub.recv()?, "topic and more");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
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
