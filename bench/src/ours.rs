// SPDX-License-Identifier: MIT OR Apache-2.0
//! ferromq, to be measured.

use ferromq_engine::{Context as Engine, Outgoing, PollItem, PollTarget, Socket as Raw, Wait, poll};
use ferromq_message::Message;
use ferromq_vocabulary::{Code, SocketType};

use crate::library::{Context, Go, Kind, Socket};
use crate::{Failure, Outcome};

/// A context of ours.
#[derive(Debug, Clone)]
pub struct Ours(Engine);

/// A socket of ours.
#[derive(Debug)]
pub struct OurSocket(Raw);

impl Ours {
    /// A context with the default options.
    pub fn open() -> Self {
        Self(Engine::new())
    }
}

impl Context for Ours {
    type Socket = OurSocket;

    fn socket(&self, kind: Kind) -> Outcome<OurSocket> {
        let kind = SocketType::from_number(kind as i32)
            .ok_or_else(|| Failure::new("no such socket type"))?;
        Ok(OurSocket(self.0.socket(kind)?))
    }
}

impl Socket for OurSocket {
    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        Ok(self.0.bind(endpoint)?.to_owned())
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        Ok(self.0.connect(endpoint)?)
    }

    fn set(&mut self, option: i32, value: i32) -> Outcome<()> {
        Ok(self.0.set_option(option, value)?)
    }

    fn subscribe_all(&mut self) -> Outcome<()> {
        Ok(self.0.subscribe(b"")?)
    }

    #[inline]
    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.0.send_frame(&mut Outgoing::Bytes(bytes), false, Wait::Option)?)
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> Outcome<usize> {
        Ok(self.0.recv_into(buffer, Wait::Option)?.0)
    }

    #[inline]
    fn try_recv(&mut self, buffer: &mut [u8]) -> Outcome<Option<usize>> {
        receive_now(&mut self.0, buffer)
    }

    #[inline]
    fn send_message(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Outcome<()> {
        let mut message = Message::zeroed(len)?;
        fill(message.make_mut());
        Ok(self.0.send_frame(&mut Outgoing::Message(&mut message), false, Wait::Option)?)
    }

    #[inline]
    fn recv_message<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Outcome<R> {
        let message = self.0.recv_frame(Wait::Option)?;
        Ok(look(&message))
    }

    fn read_all(
        sockets: &mut [Self],
        buffer: &mut [u8],
        mut take: impl FnMut(usize, &[u8]) -> Outcome<Go>,
    ) -> Outcome<()> {
        let mut items: Vec<_> =
            sockets.iter_mut().map(|socket| PollItem::socket(&mut socket.0, true, false)).collect();
        loop {
            poll(&mut items, None)?;
            for (at, item) in items.iter_mut().enumerate() {
                if !item.found.readable {
                    continue;
                }
                let PollTarget::Socket(socket) = &mut item.target else { continue };
                while let Some(len) = receive_now(socket, buffer)? {
                    if take(at, &buffer[..len.min(buffer.len())])? == Go::Stop {
                        return Ok(());
                    }
                }
            }
        }
    }
}

#[inline]
fn receive_now(socket: &mut Raw, buffer: &mut [u8]) -> Outcome<Option<usize>> {
    match socket.recv_into(buffer, Wait::No) {
        Ok((len, _more)) => Ok(Some(len)),
        Err(Code::Again) => Ok(None),
        Err(code) => Err(code.into()),
    }
}
