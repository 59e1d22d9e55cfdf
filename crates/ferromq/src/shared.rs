// SPDX-License-Identifier: MIT OR Apache-2.0
//! One socket, several threads or tasks.
//!
//! The socket is behind a lock, which nobody holds while it waits: who finds nothing to do
//! announces its wait under the lock, lets go, and sleeps.

use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use ferromq_engine::{self as engine, PeerStatistics, Wait};
use ferromq_message::{Message, Multipart};
use ferromq_vocabulary::SocketType;

use crate::error::{Error, SendError};
use crate::kind::{Kind, Receives, Sends, Subscribes};
use crate::monitor::Monitor;
use crate::outbound::{Outbound, Part, PartOf};
use crate::socket::{Socket, put, take};
use crate::task::{poll_recv, poll_recv_multipart, poll_send};

/// A handle of a socket that several threads or tasks use: cloneable, `Sync`, with verbs that take
/// `&self`. From [`Socket::shared`].
///
/// Calls take turns; a call that waits keeps nobody from calling. Messages are sent and received
/// whole, so that the parts of two threads never mix. The socket is closed with the last handle.
///
/// ```
/// use std::thread;
/// use ferromq::{Context, Pull, Push};
///
/// let context = Context::new();
/// let mut pull = context.socket::<Pull>()?;
/// pull.bind("inproc://shared")?;
/// let mut push = context.socket::<Push>()?;
/// push.connect("inproc://shared")?;
///
/// let push = push.shared();
/// thread::scope(|scope| {
///     for number in 0..4u8 {
///         let push = &push;
///         scope.spawn(move || push.send(&[number]).unwrap());
///     }
/// });
/// let sum: u8 = (0..4).map(|_| pull.recv().unwrap()[0]).sum();
/// assert_eq!(sum, 6);
/// # Ok::<(), ferromq::Error>(())
/// ```
#[derive(Debug)]
pub struct Shared<K> {
    joint: Arc<Joint<K>>,
}

/// The half that sends, from [`Socket::split`].
#[derive(Debug)]
pub struct SendHalf<K> {
    joint: Arc<Joint<K>>,
}

/// The half that receives, from [`Socket::split`].
#[derive(Debug)]
pub struct RecvHalf<K> {
    joint: Arc<Joint<K>>,
}

#[derive(Debug)]
struct Joint<K> {
    socket: Mutex<Socket<K>>,
    waiting: Waiting,
}

/// Who waits, while others use the socket. What a receiving call reads from the kernel, those that
/// wait for the kernel never hear of: so it looks, before it leaves, whether there is something for
/// them. A send that succeeds reads nothing.
#[derive(Debug, Default)]
struct Waiting {
    /// Threads that wait for a message.
    readers: AtomicU32,
    /// Threads that wait for room.
    writers: AtomicU32,
    /// Tasks may wait for a message.
    reading_tasks: AtomicBool,
    /// Tasks may wait for room.
    writing_tasks: AtomicBool,
}

/// How long a call may wait.
#[derive(Debug, Clone, Copy)]
enum Patience {
    Option,
    No,
    Until(Instant),
}

impl<K: Kind> Socket<K> {
    /// Makes it a handle for several threads or tasks.
    #[must_use]
    pub fn shared(self) -> Shared<K> {
        Shared {
            joint: Joint::of(self),
        }
    }
}

impl<K: Sends + Receives> Socket<K> {
    /// Makes it two halves, for two threads or tasks: one sends, the other receives. Neither waits
    /// for the other. [`RecvHalf::unsplit`] makes it whole again.
    ///
    /// ```
    /// use std::thread;
    /// use ferromq::{Context, Pair};
    ///
    /// let context = Context::new();
    /// let mut here = context.socket::<Pair>()?;
    /// here.bind("inproc://split")?;
    /// let mut there = context.socket::<Pair>()?;
    /// there.connect("inproc://split")?;
    ///
    /// let (mut tx, mut rx) = there.split();
    /// let echo = thread::spawn(move || rx.recv());
    /// tx.send("ping")?;
    /// assert_eq!(here.recv()?, "ping");
    /// here.send("pong")?;
    /// assert_eq!(echo.join().unwrap()?, "pong");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (SendHalf<K>, RecvHalf<K>) {
        let joint = Joint::of(self);
        (
            SendHalf {
                joint: Arc::clone(&joint),
            },
            RecvHalf { joint },
        )
    }
}

impl<K: Kind> Joint<K> {
    fn of(socket: Socket<K>) -> Arc<Self> {
        Arc::new(Self {
            socket: Mutex::new(socket),
            waiting: Waiting::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Socket<K>> {
        // A panic of a caller between two verbs leaves the socket as it is.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the socket, and then looks whether there is something for those that
    /// wait.
    fn with<R>(&self, call: impl FnOnce(&mut Socket<K>) -> R) -> R {
        let mut socket = self.lock();
        let result = call(&mut socket);
        self.waiting.look(&mut socket.engine);
        result
    }

    fn send<M: Outbound>(&self, message: M, patience: Patience) -> Result<(), SendError<M>> {
        let mut message = message;
        let mut deadline = None;
        loop {
            let mut socket = self.lock();
            match put(&mut socket.engine, message, Wait::No) {
                Err(SendError {
                    error: Error::Again,
                    message: back,
                }) => message = back,
                done => return done,
            }
            self.waiting.look(&mut socket.engine);
            let until =
                deadline.get_or_insert_with(|| patience.deadline(socket.engine.options().sndtimeo));
            if let Err(error) = until.and_then(|until| self.wait(socket, false, until)) {
                return Err(SendError::new(error, message));
            }
        }
    }

    fn receive<T>(
        &self,
        patience: Patience,
        mut receive: impl FnMut(&mut engine::Socket) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut deadline = None;
        loop {
            let mut socket = self.lock();
            let received = receive(&mut socket.engine);
            self.waiting.look(&mut socket.engine);
            match received {
                Err(Error::Again) => {}
                done => return done,
            }
            let until = *deadline
                .get_or_insert_with(|| patience.deadline(socket.engine.options().rcvtimeo));
            self.wait(socket, true, until?)?;
        }
    }

    fn recv(&self, patience: Patience) -> Result<Message, Error> {
        self.receive(patience, |engine| Ok(engine.recv_frame(Wait::No)?))
    }

    fn recv_multipart(&self, patience: Patience) -> Result<Multipart, Error> {
        self.receive(patience, |engine| take(engine, Wait::No))
    }

    /// Announces a wait, lets go of the socket, and sleeps; returns when it is time to look again.
    fn wait(
        &self,
        mut socket: MutexGuard<'_, Socket<K>>,
        for_input: bool,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let ticket = if for_input {
            socket.engine.prepare(true, false)?
        } else {
            socket.engine.prepare_to_send()?
        };
        let Some(ticket) = ticket else {
            return match deadline {
                Some(at) if at <= Instant::now() => Err(Error::Again),
                _ => Ok(()),
            };
        };
        let waiting = if for_input {
            &self.waiting.readers
        } else {
            &self.waiting.writers
        };
        // Under the lock, so that whoever uses the socket from now on knows.
        waiting.fetch_add(1, Relaxed);
        drop(socket);
        let result = ticket.sleep(deadline);
        waiting.fetch_sub(1, Relaxed);
        Ok(result?)
    }

    async fn send_async<M: Outbound>(&self, message: M) -> Result<(), SendError<M>> {
        let mut message = Some(message);
        poll_fn(|task| {
            let mut socket = self.lock();
            let result = poll_send(&mut socket.engine, &mut message, task);
            if result.is_pending() {
                self.waiting.look(&mut socket.engine);
                self.waiting.writing_tasks.store(true, Relaxed);
            }
            result
        })
        .await
    }

    async fn recv_async(&self) -> Result<Message, Error> {
        poll_fn(|task| self.poll_input(|engine| poll_recv(engine, task))).await
    }

    async fn recv_multipart_async(&self) -> Result<Multipart, Error> {
        poll_fn(|task| self.poll_input(|engine| poll_recv_multipart(engine, task))).await
    }

    fn poll_input<T>(&self, poll: impl FnOnce(&mut engine::Socket) -> Poll<T>) -> Poll<T> {
        let mut socket = self.lock();
        let result = poll(&mut socket.engine);
        self.waiting.look(&mut socket.engine);
        if result.is_pending() {
            self.waiting.reading_tasks.store(true, Relaxed);
        }
        result
    }
}

impl Waiting {
    /// Wakes those that wait if there is something for them. To be called under the lock.
    #[inline]
    fn look(&self, socket: &mut engine::Socket) {
        let reading = self.readers.load(Relaxed) > 0 || self.reading_tasks.load(Relaxed);
        let writing = self.writers.load(Relaxed) > 0 || self.writing_tasks.load(Relaxed);
        if reading || writing {
            self.wake(socket, reading, writing);
        }
    }

    #[cold]
    fn wake(&self, socket: &mut engine::Socket, reading: bool, writing: bool) {
        // The end of the context has woken them already.
        let Ok(ready) = socket.readiness() else {
            return;
        };
        if reading && ready.readable || writing && ready.writable {
            self.reading_tasks.store(false, Relaxed);
            self.writing_tasks.store(false, Relaxed);
            socket.wake_others();
        }
    }
}

impl Patience {
    /// Until when to wait, or that there is no waiting.
    fn deadline(self, option: i32) -> Result<Option<Instant>, Error> {
        match (self, u64::try_from(option)) {
            (Self::No, _) | (Self::Option, Ok(0)) => Err(Error::Again),
            (Self::Until(at), _) => Ok(Some(at)),
            (Self::Option, Err(_forever)) => Ok(None),
            (Self::Option, Ok(ms)) => Ok(Instant::now().checked_add(Duration::from_millis(ms))),
        }
    }
}

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self {
            joint: Arc::clone(&self.joint),
        }
    }
}

impl<K: Kind> Shared<K> {
    /// As [`Socket::bind`].
    ///
    /// # Errors
    /// As there.
    pub fn bind(&self, endpoint: &str) -> Result<String, Error> {
        self.joint.lock().bind(endpoint)
    }

    /// As [`Socket::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn connect(&self, endpoint: &str) -> Result<(), Error> {
        self.joint.lock().connect(endpoint)
    }

    /// Does something with the socket itself, while all others wait: options, statistics, unbind.
    ///
    /// ```
    /// # use ferromq::{Context, Push};
    /// # let push = Context::new().socket::<Push>()?.shared();
    /// push.with(|socket| socket.set_send_high_water_mark(10))?;
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    pub fn with<R>(&self, call: impl FnOnce(&mut Socket<K>) -> R) -> R {
        self.joint.with(call)
    }

    /// As [`Socket::monitor`].
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.joint.lock().monitor()
    }

    /// As [`Socket::statistics`].
    #[must_use]
    pub fn statistics(&self) -> Vec<PeerStatistics> {
        self.joint.lock().statistics()
    }

    /// Its type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        self.joint.lock().socket_type()
    }

    /// As [`Socket::last_endpoint`].
    #[must_use]
    pub fn last_endpoint(&self) -> String {
        self.joint.lock().last_endpoint().to_owned()
    }

    /// Gives the socket back if this is the last handle.
    ///
    /// # Errors
    /// This handle, if there are others.
    pub fn into_socket(self) -> Result<Socket<K>, Self> {
        match Arc::try_unwrap(self.joint) {
            Ok(joint) => Ok(joint
                .socket
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)),
            Err(joint) => Err(Self { joint }),
        }
    }
}

impl<K: Sends> Shared<K> {
    /// As [`Socket::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send<M: Outbound>(&self, message: M) -> Result<(), SendError<M>> {
        self.joint.send(message, Patience::Option)
    }

    /// As [`Socket::try_send`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send<M: Outbound>(&self, message: M) -> Result<(), SendError<M>> {
        self.joint.send(message, Patience::No)
    }

    /// As [`Socket::send_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn send_deadline<M: Outbound>(
        &self,
        message: M,
        deadline: Instant,
    ) -> Result<(), SendError<M>> {
        self.joint.send(message, Patience::Until(deadline))
    }

    /// As [`Socket::send_async`]; cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn send_async<M: Outbound>(&self, message: M) -> Result<(), SendError<M>> {
        self.joint.send_async(message).await
    }
}

impl<K: Receives> Shared<K> {
    /// As [`Socket::recv`]: where messages have one part. Of one with several it takes the
    /// first, and whoever receives next gets the second.
    ///
    /// # Errors
    /// As there.
    pub fn recv(&self) -> Result<Message, Error> {
        self.joint.recv(Patience::Option)
    }

    /// As [`Socket::try_recv`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&self) -> Result<Message, Error> {
        self.joint.recv(Patience::No)
    }

    /// As [`Socket::recv_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Message, Error> {
        self.joint.recv(Patience::Until(deadline))
    }

    /// As [`Socket::recv_multipart`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_multipart(&self) -> Result<Multipart, Error> {
        self.joint.recv_multipart(Patience::Option)
    }

    /// As [`Socket::try_recv_multipart`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv_multipart(&self) -> Result<Multipart, Error> {
        self.joint.recv_multipart(Patience::No)
    }

    /// As [`Socket::recv_multipart_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_multipart_deadline(&self, deadline: Instant) -> Result<Multipart, Error> {
        self.joint.recv_multipart(Patience::Until(deadline))
    }

    /// As [`Socket::recv_async`]; cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_async(&self) -> Result<Message, Error> {
        self.joint.recv_async().await
    }

    /// As [`Socket::recv_multipart_async`]; cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_multipart_async(&self) -> Result<Multipart, Error> {
        self.joint.recv_multipart_async().await
    }
}

impl<K: Subscribes> Shared<K> {
    /// As [`Socket::subscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        self.joint.lock().subscribe(topic)
    }

    /// As [`Socket::unsubscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        self.joint.lock().unsubscribe(topic)
    }
}

impl<K: Sends> SendHalf<K> {
    /// As [`Socket::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send<M: Outbound>(&mut self, message: M) -> Result<(), SendError<M>> {
        self.joint.send(message, Patience::Option)
    }

    /// As [`Socket::try_send`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send<M: Outbound>(&mut self, message: M) -> Result<(), SendError<M>> {
        self.joint.send(message, Patience::No)
    }

    /// As [`Socket::send_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn send_deadline<M: Outbound>(
        &mut self,
        message: M,
        deadline: Instant,
    ) -> Result<(), SendError<M>> {
        self.joint.send(message, Patience::Until(deadline))
    }

    /// As [`Socket::send_async`]; cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn send_async<M: Outbound>(&mut self, message: M) -> Result<(), SendError<M>> {
        self.joint.send_async(message).await
    }

    /// As [`Socket::send_part`].
    ///
    /// # Errors
    /// As there.
    pub fn send_part<P: Part>(&mut self, part: P, more: bool) -> Result<(), SendError<P>> {
        self.joint
            .send(PartOf { part, more }, Patience::Option)
            .map_err(|failed| SendError::new(failed.error, failed.message.part))
    }
}

impl<K: Receives> RecvHalf<K> {
    /// As [`Socket::recv`].
    ///
    /// # Errors
    /// As there.
    pub fn recv(&mut self) -> Result<Message, Error> {
        self.joint.recv(Patience::Option)
    }

    /// As [`Socket::try_recv`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        self.joint.recv(Patience::No)
    }

    /// As [`Socket::recv_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Message, Error> {
        self.joint.recv(Patience::Until(deadline))
    }

    /// As [`Socket::recv_multipart`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_multipart(&mut self) -> Result<Multipart, Error> {
        self.joint.recv_multipart(Patience::Option)
    }

    /// As [`Socket::try_recv_multipart`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv_multipart(&mut self) -> Result<Multipart, Error> {
        self.joint.recv_multipart(Patience::No)
    }

    /// As [`Socket::recv_multipart_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_multipart_deadline(&mut self, deadline: Instant) -> Result<Multipart, Error> {
        self.joint.recv_multipart(Patience::Until(deadline))
    }

    /// As [`Socket::recv_async`]; cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_async(&mut self) -> Result<Message, Error> {
        self.joint.recv_async().await
    }

    /// As [`Socket::recv_multipart_async`]; cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_multipart_async(&mut self) -> Result<Multipart, Error> {
        self.joint.recv_multipart_async().await
    }

    /// As [`Socket::recv_part`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_part(&mut self) -> Result<Message, Error> {
        self.recv()
    }

    /// As [`Socket::receive_more`].
    #[must_use]
    pub fn receive_more(&self) -> bool {
        self.joint.lock().receive_more()
    }
}

impl<K: Sends + Receives> RecvHalf<K> {
    /// Makes the socket whole again.
    ///
    /// # Errors
    /// Both, if they are halves of different sockets.
    pub fn unsplit(self, other: SendHalf<K>) -> Result<Socket<K>, (SendHalf<K>, Self)> {
        if !Arc::ptr_eq(&self.joint, &other.joint) {
            return Err((other, self));
        }
        let SendHalf { joint } = other;
        drop(joint);
        Shared { joint: self.joint }
            .into_socket()
            .map_err(|shared| {
                let joint = shared.joint;
                (
                    SendHalf {
                        joint: Arc::clone(&joint),
                    },
                    Self { joint },
                )
            })
    }
}
