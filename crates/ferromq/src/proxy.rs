// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proxies: everything that comes on one socket goes out on another, and back.

use ferromq_engine as engine;

use crate::error::Error;
use crate::kind::Kind;
use crate::socket::Socket;

/// Any socket, whatever its kind. Sealed.
pub trait AsEngine: sealed::Sealed {
    #[doc(hidden)]
    fn engine(&mut self) -> &mut engine::Socket;
}

mod sealed {
    #[expect(unnameable_types, reason = "that is how a trait is sealed")]
    pub trait Sealed {}
}

impl<K: Kind> sealed::Sealed for Socket<K> {}

impl<K: Kind> AsEngine for Socket<K> {
    fn engine(&mut self) -> &mut engine::Socket {
        &mut self.engine
    }
}

/// Passes messages on between two sockets, in both directions as far as they have them, until an
/// error ends it. A copy of each part goes to `capture`, which must send. `zmq_proxy(3)`.
///
/// ```
/// use std::thread;
/// use ferromq::{Context, Error, Pull, Push, proxy};
///
/// let context = Context::new();
/// let mut tasks = context.socket::<Pull>()?;
/// tasks.bind("inproc://proxy-tasks")?;
/// let mut workers = context.socket::<Push>()?;
/// workers.bind("inproc://proxy-workers")?;
/// let streamer = thread::spawn(move || proxy(&mut tasks, &mut workers, None));
///
/// let mut ventilator = context.socket::<Push>()?;
/// ventilator.connect("inproc://proxy-tasks")?;
/// let mut worker = context.socket::<Pull>()?;
/// worker.connect("inproc://proxy-workers")?;
/// ventilator.send("task")?;
/// assert_eq!(worker.recv()?, "task");
///
/// context.shutdown();
/// assert_eq!(streamer.join().unwrap(), Err(Error::Terminated));
/// # Ok::<(), ferromq::Error>(())
/// ```
///
/// # Errors
/// [`Terminated`](Error::Terminated) when the context ends, [`Interrupted`](Error::Interrupted) by
/// a signal, whatever a send or receive may answer.
pub fn proxy<F: Kind, B: Kind>(
    frontend: &mut Socket<F>,
    backend: &mut Socket<B>,
    capture: Option<&mut dyn AsEngine>,
) -> Result<(), Error> {
    proxy_steerable(frontend, backend, capture, None)
}

/// The same, steered by messages on `control`: `PAUSE`, `RESUME`, and `TERMINATE`, which makes it
/// return. A REP socket there answers each with an empty message. `zmq_proxy_steerable(3)`.
///
/// # Errors
/// As for [`proxy`].
pub fn proxy_steerable<F: Kind, B: Kind>(
    frontend: &mut Socket<F>,
    backend: &mut Socket<B>,
    capture: Option<&mut dyn AsEngine>,
    control: Option<&mut dyn AsEngine>,
) -> Result<(), Error> {
    let capture = capture.map(AsEngine::engine);
    let control = control.map(AsEngine::engine);
    engine::proxy_steerable(&mut frontend.engine, &mut backend.engine, capture, control)?;
    Ok(())
}
