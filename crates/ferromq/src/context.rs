// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contexts: where sockets live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromq_engine as engine;
use ferromq_vocabulary::option::{CONTEXT_OPTIONS, OptionKey, OptionSpec};
use ferromq_vocabulary::{ContextOptions, OptionError, SocketType, Value};

use crate::Policy;
use crate::error::Error;
use crate::kind::{Any, Kind, Typed};
use crate::options::SocketBuilder;
use crate::socket::{AnySocket, Socket};

/// Owns the I/O threads and the names of `inproc://` endpoints. A program has one, as a rule.
///
/// Clones are handles of the same context. Threads start with the first socket.
///
/// # The end
///
/// Dropping the last handle waits until all its sockets, which must have been dropped or closed
/// before, have delivered what was sent on them, or have given up (see
/// [`linger`](SocketBuilder::linger): 30 s unless you say otherwise). Sockets that are still open
/// then stay usable, and nothing waits: what they have not delivered when the process ends is
/// lost, so keep a handle until the end of `main`.
///
/// [`terminate`](Self::terminate) does the same at a time, and within a time, of your choice.
///
/// ```
/// use ferromq::{Context, Pull, Push};
///
/// let context = Context::new();
/// let mut pull = context.socket::<Pull>()?;
/// pull.bind("inproc://context")?;
/// let mut push = context.socket::<Push>()?;
/// push.connect("inproc://context")?;
/// push.send("hello")?;
/// assert_eq!(pull.recv()?, "hello");
/// # Ok::<(), ferromq::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    handle: Arc<Handle>,
}

/// What the handles share; goes with the last of them.
#[derive(Debug)]
struct Handle {
    life: Option<Arc<Life>>,
}

/// What handles and sockets share; whoever goes last ends the context.
#[derive(Debug)]
pub(crate) struct Life {
    engine: engine::Context,
}

/// A socket's share in its context. To be dropped after the engine's socket.
#[derive(Debug)]
pub(crate) struct Share {
    life: Option<Arc<Life>>,
}

impl Context {
    /// A context with the default options: one I/O thread, up to 1023 sockets.
    #[must_use]
    pub fn new() -> Self {
        Self::of(engine::Context::new())
    }

    /// For a context with options of your own.
    pub fn builder() -> ContextBuilder {
        ContextBuilder {
            options: ContextOptions::default(),
            policy: None,
            wrong: None,
        }
    }

    fn of(engine: engine::Context) -> Self {
        #[cfg(feature = "gssapi")]
        engine.set_gssapi(Some(ferromq_gssapi::system()));
        Self {
            handle: Arc::new(Handle {
                life: Some(Arc::new(Life { engine })),
            }),
        }
    }

    /// Opens a socket with the default options: `context.socket::<Push>()`.
    ///
    /// # Errors
    /// [`TooManySockets`](Error::TooManySockets) beyond the context's number or without
    /// descriptors, [`Terminated`](Error::Terminated) after [`shutdown`](Self::shutdown).
    pub fn socket<K: Typed>(&self) -> Result<Socket<K>, Error> {
        self.builder_of(K::TYPE).open()
    }

    /// Opens a socket whose type is known at run time only.
    ///
    /// # Errors
    /// As for [`socket`](Self::socket); [`Invalid`](Error::Invalid) for a type that this version
    /// does not have.
    pub fn any_socket(&self, socket_type: SocketType) -> Result<AnySocket, Error> {
        self.any_socket_builder(socket_type).open()
    }

    /// For a socket with options of its own: `context.socket_builder::<Push>().linger(..).open()`.
    pub fn socket_builder<K: Typed>(&self) -> SocketBuilder<K> {
        self.builder_of(K::TYPE)
    }

    /// The same for a type that is known at run time only.
    pub fn any_socket_builder(&self, socket_type: SocketType) -> SocketBuilder<Any> {
        self.builder_of(socket_type)
    }

    fn builder_of<K: Kind>(&self, socket_type: SocketType) -> SocketBuilder<K> {
        SocketBuilder::new(self.clone(), socket_type)
    }

    /// Who moves the bytes of sockets opened from now on; by default the calling thread whenever
    /// it can.
    pub fn set_policy(&self, policy: Policy) {
        self.engine().set_policy(policy);
    }

    /// Sets an option by the name or number of `zmq_ctx_set(3)`. Those of threads count only
    /// until the first socket is opened.
    ///
    /// # Errors
    /// [`Option`](Error::Option) for one that does not exist, or not with this value.
    #[expect(
        single_use_lifetimes,
        reason = "impl Trait in an argument cannot elide them"
    )]
    pub fn set_option<'a>(
        &self,
        key: impl Into<OptionKey<'a>>,
        value: impl Into<Value>,
    ) -> Result<(), Error> {
        let key = key.into();
        let result = self.engine().options(|options| options.set(key, value));
        result.map_err(|reason| option_error(key, reason))
    }

    /// Reads an option by the name or number of `zmq_ctx_get(3)`.
    ///
    /// # Errors
    /// [`Option`](Error::Option) for one that does not exist or cannot be read.
    #[expect(
        single_use_lifetimes,
        reason = "impl Trait in an argument cannot elide them"
    )]
    pub fn get_option<'a>(&self, key: impl Into<OptionKey<'a>>) -> Result<Value, Error> {
        let key = key.into();
        let result = self.engine().options(|options| options.get(key));
        result.map_err(|reason| option_error(key, reason))
    }

    /// Ends every call on every socket, now and from now on, with
    /// [`Terminated`](Error::Terminated). Waits for nothing; `zmq_ctx_shutdown(3)`.
    pub fn shutdown(&self) {
        self.engine().shutdown();
    }

    /// Shuts down, then waits until every socket has been dropped or closed and has delivered, or
    /// given up, what was sent on it; without a time-out for as long as that takes.
    /// `zmq_ctx_term(3)`.
    ///
    /// # Errors
    /// [`Again`](Error::Again) if the time-out came first. It can be called again.
    pub fn terminate(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if self.engine().terminate(deadline) {
            Ok(())
        } else {
            Err(Error::Again)
        }
    }

    /// Whether it was shut down.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.engine().is_terminated()
    }

    pub(crate) fn engine(&self) -> &engine::Context {
        &self.life().engine
    }

    #[expect(
        clippy::expect_used,
        reason = "only the drop of the handle takes it out"
    )]
    fn life(&self) -> &Arc<Life> {
        self.handle
            .life
            .as_ref()
            .expect("a handle that is not being dropped")
    }

    /// A socket of the engine, and its share in this context.
    pub(crate) fn open(&self, socket_type: SocketType) -> Result<(engine::Socket, Share), Error> {
        let socket = self.engine().socket(socket_type)?;
        Ok((
            socket,
            Share {
                life: Some(Arc::clone(self.life())),
            },
        ))
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Open sockets have shares of their own; then the last of them ends the context.
        if let Some(life) = self.life.take().and_then(Arc::into_inner) {
            life.engine.terminate(None);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(life) = self.life.take().and_then(Arc::into_inner) {
            // Dropping a socket never waits: somebody else does. Without a thread to be had the
            // I/O threads go on until the process ends.
            let ending = std::thread::Builder::new().name("ferromq/end".into());
            ending.spawn(move || life.engine.terminate(None)).ok();
        }
    }
}

/// A [`Context`] to be, with its options.
///
/// ```
/// use ferromq::{Context, Policy};
///
/// let context = Context::builder().io_threads(2).max_sockets(100).policy(Policy::IoOnly).build()?;
/// # Ok::<(), ferromq::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ContextBuilder {
    options: ContextOptions,
    policy: Option<Policy>,
    wrong: Option<Error>,
}

impl ContextBuilder {
    /// Any option, by the name or number of `zmq_ctx_set(3)`.
    #[expect(
        single_use_lifetimes,
        reason = "impl Trait in an argument cannot elide them"
    )]
    pub fn option<'a>(mut self, key: impl Into<OptionKey<'a>>, value: impl Into<Value>) -> Self {
        let key = key.into();
        if let Err(reason) = self.options.set(key, value) {
            self.wrong.get_or_insert_with(|| option_error(key, reason));
        }
        self
    }

    /// How many threads look after connections. One carries a gigabyte a second; 0 is enough for
    /// `inproc://`, and bars all else. Default: 1. `ZMQ_IO_THREADS`.
    pub fn io_threads(self, threads: u16) -> Self {
        self.option("IO_THREADS", i32::from(threads))
    }

    /// How many sockets there may be at once, at least 1. Default: 1023. `ZMQ_MAX_SOCKETS`.
    pub fn max_sockets(self, sockets: u32) -> Self {
        self.option("MAX_SOCKETS", i32::try_from(sockets).unwrap_or(i32::MAX))
    }

    /// Whether new sockets use IPv6 as well. Default: no. `ZMQ_IPV6`.
    pub fn ipv6(self, allowed: bool) -> Self {
        self.option("IPV6", allowed)
    }

    /// What the names of its threads start with, up to 16 bytes. Default: nothing.
    /// `ZMQ_THREAD_NAME_PREFIX`.
    pub fn thread_name_prefix(self, prefix: &str) -> Self {
        self.option("THREAD_NAME_PREFIX", prefix)
    }

    /// The CPUs its threads may run on. Default: all. `ZMQ_THREAD_AFFINITY_CPU_ADD`.
    pub fn thread_affinity(self, cpus: impl IntoIterator<Item = u16>) -> Self {
        let add = |builder: Self, cpu| builder.option("THREAD_AFFINITY_CPU_ADD", i32::from(cpu));
        cpus.into_iter().fold(self, add)
    }

    /// Who moves the bytes. Default: [`Policy::Assisted`], unless the environment variable
    /// `FERROMQ_POLICY` names another.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// [`Option`](Error::Option) for the first option that does not take its value.
    pub fn build(self) -> Result<Context, Error> {
        if let Some(error) = self.wrong {
            return Err(error);
        }
        let context = Context::of(engine::Context::with_options(self.options));
        if let Some(policy) = self.policy {
            context.set_policy(policy);
        }
        Ok(context)
    }
}

fn option_error(key: OptionKey<'_>, reason: OptionError) -> Error {
    let of_key = |spec: &&OptionSpec<ContextOptions>| match key {
        OptionKey::Name(name) => spec.name.eq_ignore_ascii_case(name),
        OptionKey::Number(number) => spec.number == number,
    };
    let name = CONTEXT_OPTIONS
        .iter()
        .find(of_key)
        .map_or("", |spec| spec.name);
    Error::Option { name, reason }
}
