// SPDX-License-Identifier: MIT OR Apache-2.0
//! DGRAM: datagrams, each with the address it goes to or comes from in front.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_stall};
use crate::sole::Sole;

/// Talks to whoever is there, by address: a message is an address and a body. Where it is not bound, what is sent
/// goes nowhere.
#[derive(Debug, Default)]
pub struct Dgram {
    pipe: Sole,
    writing: Writing,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writing {
    #[default]
    Address,
    Body,
    /// Of a message that goes nowhere.
    LostBody,
}

impl Dgram {
    /// Not bound.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Dgram {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.pipe.attach(id)
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        if self.pipe.detach(id) && self.writing == Writing::Body {
            self.writing = Writing::LostBody;
        }
    }

    #[inline]
    fn readable(&mut self, _: PipeId) {}

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    /// contract 2.4: two parts, no more and no less.
    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if more != (self.writing == Writing::Address) {
            return Err(Refusal::Invalid);
        }
        match (self.writing, self.pipe.get()) {
            (Writing::Address, Some(id)) => {
                if !pipes.has_room(id) {
                    count_stall(pipes, id);
                    return Err(Refusal::Again);
                }
                self.writing = Writing::Body;
                pipes.push(id, frame, true);
                Ok(Sent::To(id))
            }
            (Writing::Body, Some(id)) => {
                self.writing = Writing::Address;
                pipes.push(id, frame, false);
                Ok(Sent::To(id))
            }
            (Writing::Address, None) => {
                self.writing = Writing::LostBody;
                Ok(Sent::Nowhere)
            }
            (Writing::LostBody, _) | (Writing::Body, None) => {
                self.writing = Writing::Address;
                Ok(Sent::Nowhere)
            }
        }
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.pipe.recv(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        // Not bound it is not ready, though what is sent all the same is taken: as libzmq has it.
        self.pipe
            .get()
            .is_some_and(|id| self.writing != Writing::Address || pipes.has_room(id))
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.recv(pipes).is_ok()
    }

    #[inline]
    fn receives_all(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Dgram;
    use crate::pattern::{Attached, Pattern, Refusal, Sent};
    use crate::testing::{Rig, parts};

    #[test]
    fn section_2_4_a_message_is_an_address_and_a_body() {
        let (mut rig, [a]) = Rig::with_peers(Dgram::new());
        assert_eq!(rig.send_part(b"127.0.0.1:1", false), Err(Refusal::Invalid));
        assert_eq!(rig.send_part(b"127.0.0.1:1", true), Ok(Sent::To(a)));
        assert_eq!(rig.send_part(b"body", true), Err(Refusal::Invalid));
        assert_eq!(rig.send_part(b"body", false), Ok(Sent::To(a)));
        assert_eq!(rig.got(a), [parts(&[b"127.0.0.1:1", b"body"])]);
        rig.give(a, &[b"127.0.0.1:1\0", b"answer"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"127.0.0.1:1\0", b"answer"]))));
        assert_eq!(rig.try_connect(0).1, Attached::Refused);
    }

    #[test]
    fn without_a_socket_datagrams_go_nowhere() {
        let (mut rig, [a]) = Rig::with_peers(Dgram::new());
        assert_eq!(rig.send_part(b"127.0.0.1:1", true), Ok(Sent::To(a)));
        rig.disconnect(a);
        assert_eq!(rig.send_part(b"body", false), Ok(Sent::Nowhere));
        assert_eq!(rig.send(&[b"127.0.0.1:1", b"body"]), Ok(Sent::Nowhere));
        assert!(!rig.can_send() && !rig.can_recv());
        let full = rig.connect(1);
        assert_eq!(rig.send(&[b"127.0.0.1:1", b"1"]), Ok(Sent::To(full)));
        assert_eq!(rig.send_part(b"127.0.0.1:1", true), Err(Refusal::Again));
        assert!(!rig.pattern.can_send(&mut rig.near));
    }
}
