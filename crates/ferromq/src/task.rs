// SPDX-License-Identifier: MIT OR Apache-2.0
//! The verbs for tasks. Any executor will do: all they need is a `Waker`.

use std::future::poll_fn;
use std::task::{Context as Task, Poll};

use ferromq_engine::{self as engine, Wait};
use ferromq_message::{Message, Multipart};

use crate::error::{Error, SendError};
use crate::kind::{Receives, Sends};
use crate::outbound::Outbound;
use crate::socket::{Socket, put, take};

/// Sending from a task.
impl<K: Sends> Socket<K> {
    /// Sends a message, of one part or several, when there is room; the time-out does not count.
    ///
    /// Cancel safe: a future that is dropped before it is ready has sent nothing; the message goes
    /// with it. Use [`ready_to_send`](Self::ready_to_send) and [`try_send`](Self::try_send) to keep
    /// it.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), but for `Again`.
    pub async fn send_async<M: Outbound>(&mut self, message: M) -> Result<(), SendError<M>> {
        let mut message = Some(message);
        poll_fn(|task| poll_send(&mut self.engine, &mut message, task)).await
    }

    /// Waits until there may be room for a message.
    ///
    /// # Errors
    /// [`Terminated`](Error::Terminated).
    pub async fn ready_to_send(&mut self) -> Result<(), Error> {
        poll_fn(|task| self.poll_ready_to_send(task)).await
    }

    /// [`ready_to_send`](Self::ready_to_send), to be called from a future of your own.
    ///
    /// # Errors
    /// [`Terminated`](Error::Terminated).
    pub fn poll_ready_to_send(&mut self, task: &mut Task<'_>) -> Poll<Result<(), Error>> {
        match self.engine.prepare_task(task.waker(), true) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(code) => Poll::Ready(Err(code.into())),
        }
    }
}

/// Receiving in a task.
impl<K: Receives> Socket<K> {
    /// Receives a message of one part, or the next part of one; the time-out does not count.
    ///
    /// Cancel safe: a future that is dropped before it is ready has taken nothing.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv), but for `Again`.
    pub async fn recv_async(&mut self) -> Result<Message, Error> {
        poll_fn(|task| self.poll_recv(task)).await
    }

    /// Receives a message with all its parts; the time-out does not count.
    ///
    /// Cancel safe: a future that is dropped before it is ready has taken nothing.
    ///
    /// # Errors
    /// Those of [`recv_multipart`](Self::recv_multipart), but for `Again`.
    pub async fn recv_multipart_async(&mut self) -> Result<Multipart, Error> {
        poll_fn(|task| self.poll_recv_multipart(task)).await
    }

    /// [`recv_async`](Self::recv_async), to be called from a future of your own.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv), but for `Again`.
    pub fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Message, Error>> {
        poll_recv(&mut self.engine, task)
    }

    /// [`recv_multipart_async`](Self::recv_multipart_async), to be called from a future of your
    /// own.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv), but for `Again`.
    pub fn poll_recv_multipart(&mut self, task: &mut Task<'_>) -> Poll<Result<Multipart, Error>> {
        poll_recv_multipart(&mut self.engine, task)
    }
}

/// Sends what is in `message`, which stays there for as long as this is pending.
pub(crate) fn poll_send<M: Outbound>(
    engine: &mut engine::Socket,
    message: &mut Option<M>,
    task: &Task<'_>,
) -> Poll<Result<(), SendError<M>>> {
    for _ in 0..LOOKS {
        let Some(taken) = message.take() else {
            return Poll::Pending;
        };
        match put(engine, taken, Wait::No) {
            Err(SendError {
                error: Error::Again,
                message: back,
            }) => match engine.prepare_task(task.waker(), true) {
                Ok(true) => *message = Some(back),
                Ok(false) => {
                    *message = Some(back);
                    return Poll::Pending;
                }
                Err(code) => return Poll::Ready(Err(SendError::new(code.into(), back))),
            },
            done => return Poll::Ready(done),
        }
    }
    task.waker().wake_by_ref();
    Poll::Pending
}

pub(crate) fn poll_recv(
    engine: &mut engine::Socket,
    task: &Task<'_>,
) -> Poll<Result<Message, Error>> {
    poll_input(engine, task, |engine| Ok(engine.recv_frame(Wait::No)?))
}

pub(crate) fn poll_recv_multipart(
    engine: &mut engine::Socket,
    task: &Task<'_>,
) -> Poll<Result<Multipart, Error>> {
    poll_input(engine, task, |engine| take(engine, Wait::No))
}

fn poll_input<T>(
    engine: &mut engine::Socket,
    task: &Task<'_>,
    receive: impl Fn(&mut engine::Socket) -> Result<T, Error>,
) -> Poll<Result<T, Error>> {
    for _ in 0..LOOKS {
        match receive(engine) {
            Err(Error::Again) => {}
            done => return Poll::Ready(done),
        }
        match engine.prepare_task(task.waker(), false) {
            Ok(true) => {}
            Ok(false) => return Poll::Pending,
            Err(code) => return Poll::Ready(Err(code.into())),
        }
    }
    task.waker().wake_by_ref();
    Poll::Pending
}

/// How often a task looks again, when the socket says that it can and then cannot after all,
/// before others have their turn.
const LOOKS: usize = 4;
