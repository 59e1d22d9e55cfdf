// SPDX-License-Identifier: MIT OR Apache-2.0
//! ZeroMQ, natively in Rust: message queues in a library, without a broker.
//!
//! A [`Socket`] sends and receives whole messages, over tcp, between processes (ipc) or between
//! threads (inproc). It connects in the background, again and again, talks to many peers at once,
//! and queues for those that are busy. What kind of socket it is says who gets which message. On
//! the wire it is ZMTP 3.1 ([RFC 37](https://rfc.zeromq.org/spec/37/)) and talks to every other
//! ZeroMQ.
//!
//! 1. [A first program](#a-first-program)
//! 2. [Patterns](#patterns)
//! 3. [Messages](#messages)
//! 4. [Waiting](#waiting)
//! 5. [Options](#options)
//! 6. [Security](#security)
//! 7. [Threads](#threads)
//! 8. [Tasks](#tasks)
//! 9. [Errors](#errors)
//! 10. [Watching](#watching)
//! 11. [The end](#the-end)
//! 12. [Coming from libzmq](#coming-from-libzmq)
//!
//! # A first program
//!
//! A service that answers, and a client that asks. Elsewhere than in this example they are two
//! programs, and the endpoint is `tcp://*:5555` on one side and `tcp://server:5555` on the other.
//! Who binds and who connects, and who starts first, does not matter.
//!
//! ```
//! use std::thread;
//! use ferromq::{Context, Error, Rep, Req};
//!
//! let context = Context::new();
//! let mut service = context.socket::<Rep>()?;
//! let endpoint = service.bind("tcp://127.0.0.1:*")?;
//! let server = thread::spawn(move || -> Result<(), Error> {
//!     let name = service.recv()?;
//!     service.send(format!("Hello {}", String::from_utf8_lossy(&name)))?;
//!     Ok(())
//! });
//!
//! let mut client = context.socket::<Req>()?;
//! client.connect(&endpoint)?;
//! client.send("World")?;
//! assert_eq!(client.recv()?, "Hello World");
//! # server.join().unwrap()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! # Patterns
//!
//! The type parameter says what a socket is, and which verbs it has: see [`kind`].
//!
//! **Request and reply**: [`Req`] asks one of the services it is connected to, in turns; [`Rep`]
//! answers whoever asked. Both keep to the order; a call out of turn is [`Error::State`]. See the
//! first program.
//!
//! **Publish and subscribe**: [`Pub`] sends to all [`Sub`]s that want it, by the first bytes of the
//! first part. Nobody waits for anybody: a subscriber that is slow or not there yet misses
//! messages.
//!
//! ```
//! use ferromq::{Context, Pub, Sub};
//!
//! let context = Context::new();
//! let mut weather = context.socket::<Pub>()?;
//! weather.bind("inproc://weather")?;
//! let mut sub = context.socket_builder::<Sub>().subscribe("10001 ").open()?;
//! sub.connect("inproc://weather")?;
//!
//! weather.send("20095 23 60")?;
//! weather.send("10001 31 52")?;
//! assert_eq!(sub.recv()?, "10001 31 52");
//! # Ok::<(), ferromq::Error>(())
//! ```
//!
//! **Pipeline**: [`Push`] hands out work to the [`Pull`]s, in turns and as far as each has room.
//!
//! ```
//! use ferromq::{Context, Pull, Push};
//!
//! let context = Context::new();
//! let mut ventilator = context.socket::<Push>()?;
//! ventilator.bind("inproc://tasks")?;
//! let mut workers = [context.socket::<Pull>()?, context.socket::<Pull>()?];
//! for worker in &mut workers {
//!     worker.connect("inproc://tasks")?;
//! }
//! ventilator.send("one")?;
//! ventilator.send("two")?;
//! assert_eq!(workers[0].recv()?, "one");
//! assert_eq!(workers[1].recv()?, "two");
//! # Ok::<(), ferromq::Error>(())
//! ```
//!
//! **Routing**: [`Dealer`] and [`Router`] are [`Req`] and [`Rep`] without turns: a ROUTER names each
//! peer in front of its messages, and sends to the one that is named in front of what it is given.
//!
//! ```
//! use ferromq::{Context, Dealer, Router};
//!
//! let context = Context::new();
//! let mut router = context.socket::<Router>()?;
//! router.bind("inproc://routed")?;
//! let mut dealer = context.socket_builder::<Dealer>().routing_id(b"worker-1").open()?;
//! dealer.connect("inproc://routed")?;
//! dealer.send("ready")?;
//! let message = router.recv_multipart()?;
//! assert_eq!(message.get(0).unwrap(), "worker-1");
//! router.send(["worker-1", "task"])?;
//! assert_eq!(dealer.recv()?, "task");
//! # Ok::<(), ferromq::Error>(())
//! ```
//!
//! **Exclusive pair**: two [`Pair`]s, usually two threads over inproc. An example is at
//! [`Socket::split`].
//!
//! Tools that learn the type at run time use [`AnySocket`].
//!
//! # Messages
//!
//! A [`Message`] is bytes: it derefs to `[u8]`. Whatever is [`Outbound`] can be sent: bytes, text,
//! messages, and several of those as the parts of one message. Parts are frames around data, as in
//! an envelope: they cost little, and they arrive together or not at all.
//!
//! ```
//! # use ferromq::{Context, Pull, Push};
//! # let context = Context::new();
//! # let mut pull = context.socket::<Pull>()?;
//! # pull.bind("inproc://messages")?;
//! # let mut push = context.socket::<Push>()?;
//! # push.connect("inproc://messages")?;
//! push.send("alone")?;
//! push.send(["key", "value"])?;
//!
//! // Where all messages have one part:
//! assert_eq!(pull.recv()?, "alone");
//! // Where they have not:
//! let parts = pull.recv_multipart()?;
//! assert_eq!(parts.len(), 2);
//! assert_eq!(parts.get(1).unwrap(), "value");
//! # Ok::<(), ferromq::Error>(())
//! ```
//!
//! Bytes and text are copied into the queue. Large data that you own need not be: make it a
//! message, `Message::from(vec)`. Received messages may be sent on, kept, cloned, and given to
//! other threads; large ones are shared, not copied.
//!
//! # Waiting
//!
//! Each verb comes in four forms with one meaning:
//!
//! | form | waits |
//! |---|---|
//! | `recv()` | as long as [`receive_timeout`](SocketBuilder::receive_timeout) says; for ever unless you say so |
//! | `recv_deadline(at)` | until then |
//! | `try_recv()` | not at all |
//! | `recv_async().await` | as a task |
//!
//! A send waits while there is no peer, or while the queues of all are full:
//! [`send_high_water_mark`](SocketBuilder::send_high_water_mark). [`Pub`] drops instead.
//!
//! To wait for several sockets and file descriptors at once there is [`poll()`]; for an event loop
//! of your own [`Socket::readiness_fd`].
//!
//! # Options
//!
//! Before a socket is opened, through [`Context::socket_builder`]; afterwards, those that can
//! still be changed, through `set_` methods. By the names and numbers of `zmq_setsockopt(3)` with
//! [`Socket::set_option`].
//!
//! ```
//! # use ferromq::{Context, Push};
//! # use std::time::Duration;
//! # let context = Context::new();
//! let mut push = context
//!     .socket_builder::<Push>()
//!     .send_high_water_mark(100)
//!     .heartbeat_interval(Duration::from_secs(5))
//!     .open()?;
//! push.set_send_timeout(Some(Duration::from_millis(1)))?;
//! push.connect("tcp://127.0.0.1:9")?;
//! # push.set_linger(Duration::ZERO)?;
//! # Ok::<(), ferromq::Error>(())
//! ```
//!
//! # Security
//!
//! Who may connect, and how that is proved: [`security`].
//!
//! # Threads
//!
//! A [`Context`] is for all threads. A [`Socket`] may go from thread to thread, and belongs to one
//! at a time: its verbs take `&mut self` and cost no lock. Where two threads need it at once, one
//! that sends and one that receives, [`Socket::split`] it; where more do, [`Socket::shared`] makes
//! a handle whose clones take turns. Cheapest is a socket for each thread.
//!
//! [`proxy()`] joins two sockets, which makes a broker of a thread.
//!
//! # Tasks
//!
//! The verbs ending in `_async` work on every executor, and need no feature and no set-up. They
//! are cancel safe: drop one before it is ready, in a `select!` say, and nothing has been sent or
//! received. They keep no time: use the timer of your executor.
//!
//! ```
//! # use ferromq::{Context, Error, Rep, Req};
//! async fn echo(mut service: ferromq::Socket<Rep>) -> Result<(), Error> {
//!     loop {
//!         let message = service.recv_multipart_async().await?;
//!         service.send_async(message).await?;
//!     }
//! }
//! # let context = Context::new();
//! # let mut service = context.socket::<Rep>()?;
//! # service.bind("inproc://echo")?;
//! # let mut client = context.socket::<Req>()?;
//! # client.connect("inproc://echo")?;
//! # struct Unpark(std::thread::Thread);
//! # impl std::task::Wake for Unpark {
//! #     fn wake(self: std::sync::Arc<Self>) {
//! #         self.0.unpark();
//! #     }
//! # }
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
//! #     let mut future = std::pin::pin!(future);
//! #     loop {
//! #         let mut task = std::task::Context::from_waker(&waker);
//! #         if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut task) {
//! #             return done;
//! #         }
//! #         std::thread::park();
//! #     }
//! # }
//! # let task = std::thread::spawn(|| block_on(echo(service)));
//! # client.send(["a", "b"])?;
//! # assert_eq!(client.recv_multipart()?.len(), 2);
//! # context.shutdown();
//! # assert_eq!(task.join().unwrap(), Err(Error::Terminated));
//! # Ok::<(), Error>(())
//! ```
//!
//! With the feature `stream` sockets are `Stream`s of [`Multipart`] and `Sink`s.
//!
//! # Errors
//!
//! There is one [`Error`], and it says [whose fault](Error::fault) it is. A failed send gives the
//! message back, in a [`SendError`]; `?` makes it an [`Error`] where the message is of no use.
//! [`Error::Again`] is not a failure: the time was not right. Connections come and go without
//! errors: that is what a [`Monitor`] is for.
//!
//! ```
//! # use ferromq::{Context, Error, Fault, Push};
//! # let context = Context::new();
//! # let mut push = context.socket::<Push>()?;
//! let error = push.connect("tpc://127.0.0.1:5555").unwrap_err();
//! assert_eq!(error.fault(), Fault::Caller);
//! assert_eq!(error.to_string(), "no such transport");
//! # Ok::<(), Error>(())
//! ```
//!
//! # Watching
//!
//! [`Socket::monitor`] tells what happens to connections, [`Socket::statistics`] what has gone over
//! each: exact counts of messages, bytes, and drops.
//!
//! # The end
//!
//! Dropping a socket closes it and does not wait: what was sent is delivered in the background,
//! for up to 30 s ([`linger`](SocketBuilder::linger)). Dropping the last handle of the [`Context`]
//! waits for that, so a `main` that ends loses nothing. [`Socket::close`] waits here and now, and
//! tells what was delivered. [`Context::shutdown`] ends all calls, in all threads, with
//! [`Error::Terminated`]; [`Context::terminate`] waits with a time-out.
//!
//! ```
//! # use ferromq::{Context, Error, Pull};
//! # use std::thread;
//! # use std::time::Duration;
//! # let context = Context::new();
//! # let mut pull = context.socket::<Pull>()?;
//! # pull.bind("inproc://end")?;
//! let worker = thread::spawn(move || {
//!     while let Ok(work) = pull.recv() {
//!         // ...
//!         # let _ = work;
//!     }
//! });
//! context.terminate(Some(Duration::from_secs(10)))?;
//! # worker.join().unwrap();
//! # Ok::<(), Error>(())
//! ```
//!
//! # Coming from libzmq
//!
//! | there | here |
//! |---|---|
//! | `zmq_ctx_new`, `zmq_ctx_set`, `zmq_ctx_term` | [`Context::new`], [`Context::builder`], drop or [`Context::terminate`] |
//! | `zmq_socket(ctx, ZMQ_PUSH)` | `context.socket::<Push>()` |
//! | `zmq_setsockopt(s, ZMQ_SNDHWM, ..)` | `set_send_high_water_mark(..)`, or `set_option("SNDHWM", ..)` |
//! | `zmq_send(.., ZMQ_DONTWAIT)` | `try_send(..)` |
//! | `zmq_send(.., ZMQ_SNDMORE)` | `send([..])`, or `send_part(.., true)` |
//! | `ZMQ_RCVMORE` | [`Message::more`], or [`Socket::recv_multipart`] |
//! | `zmq_poll`, `ZMQ_FD` | [`poll()`], [`Socket::readiness_fd`] |
//! | `zmq_socket_monitor` | [`Socket::monitor`] |
//! | `zmq_errno()` | [`Error::errno`] |
//!
//! What differs: a socket lingers for 30 s, not for ever; a monitor is no socket; `send` takes
//! parts together.
#![forbid(unsafe_code)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod context;
mod error;
pub mod kind;
mod monitor;
mod options;
mod outbound;
mod peers;
mod poll;
mod proxy;
pub mod security;
mod shared;
mod socket;
#[cfg(feature = "stream")]
mod stream;
mod task;

pub use context::{Context, ContextBuilder};
pub use error::{Error, Fault, SendError};
pub use kind::{
    Any, Channel, Client, Dealer, Dish, Gather, Kind, Pair, Peer, Pub, Publishes, Pull, Push,
    Radio, Receives, Rep, Req, Router, Scatter, Sends, Server, Stream, Sub, Subscribes, Typed,
    Xpub, Xsub,
};
pub use monitor::{Monitor, MonitorIter};
pub use options::{Linger, ReconnectStop, SocketBuilder};
pub use outbound::{Outbound, Part};
pub use poll::{Interest, PollItem, poll};
pub use proxy::{AsEngine, proxy, proxy_steerable};
pub use security::{Authenticator, Certificate, InvalidKey, KeyPair, PublicKey, SecretKey};
pub use shared::{RecvHalf, SendHalf, Shared};
pub use socket::{AnySocket, CloseReport, Socket};

pub use ferromq_engine::{
    HandshakeEnd, MulticastStatistics, MulticastStream, PeerStatistics, Policy, Readiness,
    ReceiverStatistics, SourceStatistics, StreamStatistics,
};
pub use ferromq_message::{Buffer, Message, Metadata, MetadataBuilder, Multipart, OutOfMemory};
pub use ferromq_vocabulary::option::OptionKey;
pub use ferromq_vocabulary::{
    Code, DisconnectReason, Endpoint, EndpointError, Event, HandshakeError, HandshakeFailure,
    HandshakePeer, Mechanism, MonitorEvent, Network, OptionError, ProtocolError, SocketType, Value,
};
