// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contexts: where sockets live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromq_engine as engine;
use ferromq_vocabulary::option::{CONTEXT_OPTIONS, OptionKey, OptionSpec};
use ferromq_vocabulary::{ContextOptions, OptionError, SocketType, Value};

use crate::Policy;
use crate::error::Error;
use crate::kind::{Any, Typed};
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
    #[must_use]
    pub fn builder() -> ContextBuilder {
        ContextBuilder { options: ContextOptions::default(), policy: None, wrong: None }
    }

    fn of(engine: engine::Context) -> Self {
        Self { handle: Arc::new(Handle { life: Some(Arc::new(Life { engine })) }) }
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
        self.any_builder(socket_type).open()
    }

    /// For a socket with options of its own: `context.builder::<Push>().linger(..).open()`.
    // The two kinds of builder have little in common but the word.
    pub fn socket_builder<K: Typed>(&self) -> SocketBuilder<K> {
        self.builder_of(K::TYPE)
    }

    /// For a socket with options of its own, whose type is known at run time only.
    pub fn any_builder(&self, socket_type: SocketType) -> SocketBuilder<Any> {
        self.builder_of(socket_type)
    }

    fn builder_of<K: crate::Kind>(&self, socket_type: SocketType) -> SocketBuilder<K> {
        SocketBuilder::new(self.clone(), socket_type)
    }
}
