// SPDX-License-Identifier: MIT OR Apache-2.0
//! ferromq, to be measured.

use std::time::Duration;

use ferromq::{
    AnySocket, Context as Inner, Error, Interest, Message, PollItem, SocketType, poll, proxy,
};

use crate::library::{Context, Go, Kind, Socket};
use crate::task::Calls;
use crate::{Failure, Outcome};

/// A context of ours.
#[derive(Debug, Clone)]
pub struct Ours(Inner);

/// A socket of ours.
#[derive(Debug)]
pub struct OurSocket(AnySocket);

impl Ours {
    /// A context with the default options.
    pub fn open() -> Self {
        Self(Inner::new())
    }
}

impl Context for Ours {
    type Socket = OurSocket;

    fn socket(&self, kind: Kind) -> Outcome<OurSocket> {
        let kind = SocketType::from_number(kind as i32)
            .ok_or_else(|| Failure::new("no such socket type"))?;
        Ok(OurSocket(self.0.any_socket(kind)?))
    }
}

impl Socket for OurSocket {
    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        Ok(self.0.bind(endpoint)?)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        Ok(self.0.connect(endpoint)?)
    }

    fn set(&mut self, option: i32, value: i32) -> Outcome<()> {
        Ok(self.0.set_option(option, value)?)
    }

    fn set_bytes(&mut self, option: i32, value: &[u8]) -> Outcome<()> {
        Ok(self.0.set_option(option, value)?)
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        Ok(self.0.subscribe(topic)?)
    }

    fn join(&mut self, group: &str) -> Outcome<()> {
        Ok(self.0.join(group)?)
    }

    #[inline]
    fn send_to(&mut self, group: &str, bytes: &[u8]) -> Outcome<()> {
        let mut message = Message::from(bytes);
        message
            .set_group(group.as_bytes())
            .map_err(|error| Failure::new(error.to_string()))?;
        self.0.send(message).map_err(|failed| failed.error.into())
    }

    #[inline]
    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.0.send(bytes).map_err(|failed| failed.error.into())
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> Outcome<usize> {
        Ok(self.0.recv_into(buffer)?.0)
    }

    #[inline]
    fn send_message(&mut self, len: usize, byte: u8, write: impl FnOnce(&mut [u8])) -> Outcome<()> {
        let mut body = vec![byte; len];
        write(&mut body);
        self.0
            .send(Message::from(body))
            .map_err(|failed| failed.error.into())
    }

    #[inline]
    fn send_body(&mut self, body: Vec<u8>) -> Outcome<()> {
        let sent = self.0.send(Message::from_owner(body));
        sent.map_err(|failed| failed.error.into())
    }

    #[inline]
    fn recv_message<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Outcome<R> {
        Ok(look(&self.0.recv()?))
    }

    #[inline]
    fn echo(&mut self) -> Outcome<()> {
        let message = self.0.recv_multipart()?;
        let sent = self.0.send(message);
        sent.map_err(|failed| failed.error.into())
    }

    fn look(&mut self) -> Outcome<bool> {
        Ok(self.0.readiness()?.readable)
    }

    fn proxy(front: &mut Self, back: &mut Self) -> Outcome<()> {
        Ok(proxy(&mut front.0, &mut back.0, None)?)
    }

    fn read_all(
        sockets: &mut [Self],
        // There is one way to wait for many, and one to receive without a copy too many.
        _: Calls,
        buffer: &mut [u8],
        mut take: impl FnMut(usize, &[u8]) -> Outcome<Go>,
    ) -> Outcome<()> {
        // There is no `try_recv_into`; this is what it would be.
        for socket in sockets.iter_mut() {
            socket.0.set_receive_timeout(Some(Duration::ZERO))?;
        }
        let mut readable = Vec::with_capacity(sockets.len());
        loop {
            let item = |socket| PollItem::socket(socket, Interest::Input);
            let mut items: Vec<_> = sockets
                .iter_mut()
                .map(|socket| item(&mut socket.0))
                .collect();
            poll(&mut items, None)?;
            readable.clear();
            readable.extend(items.iter().map(PollItem::is_readable));
            for (at, (socket, _)) in sockets
                .iter_mut()
                .zip(&readable)
                .enumerate()
                .filter(|(_, (_, ready))| **ready)
            {
                loop {
                    let len = match socket.0.recv_into(buffer) {
                        Ok((len, _more)) => len,
                        Err(Error::Again) => break,
                        Err(error) => return Err(error.into()),
                    };
                    if take(at, &buffer[..len.min(buffer.len())])? == Go::Stop {
                        return Ok(());
                    }
                }
            }
        }
    }
}
