// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets as streams and sinks of the futures crates. Feature `stream`.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use ferromq_message::Multipart;
use futures_core::Stream;
use futures_sink::Sink;

use crate::error::Error;
use crate::kind::{Receives, Sends};
use crate::outbound::Outbound;
use crate::socket::Socket;

/// All messages that come; ends when the context does.
impl<K: Receives> Stream for Socket<K> {
    type Item = Result<Multipart, Error>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut()
            .poll_recv_multipart(task)
            .map(|received| match received {
                Err(Error::Terminated) => None,
                other => Some(other),
            })
    }
}

/// Sends what is given to it. There is nothing to be flushed: what was sent is on its way.
impl<K: Sends, M: Outbound> Sink<M> for Socket<K> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_ready_to_send(task)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        Ok(self.get_mut().try_send(message)?)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
