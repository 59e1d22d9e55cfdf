// SPDX-License-Identifier: MIT OR Apache-2.0
//! PAIR: one peer, both ways.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_stall};
use crate::sole::Sole;

/// Talks to one peer and refuses every other as long as that one is there. Blocks without it.
#[derive(Debug, Default)]
pub struct Pair {
    peer: Sole,
    /// Whether more parts of a message are to be sent.
    mid_message: bool,
    /// Whether the peer went in the middle of it, so that they go nowhere.
    orphan: bool,
}

impl Pair {
    /// Without a peer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Pair {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.peer.attach(id)
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        if self.peer.detach(id) {
            self.orphan = self.mid_message;
        }
    }

    fn stop_sending(&mut self, id: PipeId) {
        if self.peer.get() == Some(id) {
            self.orphan = self.mid_message;
        }
    }

    #[inline]
    fn readable(&mut self, _: PipeId) {}

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    #[inline(always)]
    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if self.orphan {
            self.orphan = more;
            self.mid_message = more;
            return Ok(Sent::Nowhere);
        }
        let Some(id) = self.peer.get() else {
            return Err(Refusal::Again);
        };
        if !self.mid_message && !pipes.has_room(id) {
            count_stall(pipes, id);
            return Err(Refusal::Again);
        }
        pipes.push(id, frame, more);
        self.mid_message = more;
        Ok(Sent::To(id))
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.peer.recv(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.mid_message || self.peer.get().is_some_and(|id| pipes.has_room(id))
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.recv(pipes).is_ok()
    }

    #[inline]
    fn sends_to_any(&self) -> bool {
        true
    }

    #[inline]
    fn receives_all(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Pair;
    use crate::pattern::{Attached, Refusal, Sent};
    use crate::testing::{Rig, parts};

    #[test]
    fn item_42_a_second_peer_is_refused() {
        let (mut rig, [a]) = Rig::with_peers(Pair::new());
        let (b, attached) = rig.try_connect(0);
        assert_eq!(attached, Attached::Refused);
        rig.disconnect(b);
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::To(a)));
        rig.disconnect(a);
        let next = rig.connect(0);
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::To(next)));
    }

    #[test]
    fn both_ways() {
        let (mut rig, [a]) = Rig::with_peers(Pair::new());
        assert!(!rig.can_recv());
        rig.give(a, &[b"1", b"2"]);
        assert!(rig.can_recv());
        assert_eq!(rig.recv(), Ok((a, parts(&[b"1", b"2"]))));
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert_eq!(rig.send(&[b"3", b"4"]), Ok(Sent::To(a)));
        assert_eq!(rig.got(a), [parts(&[b"3", b"4"])]);
    }

    #[test]
    fn blocks_without_a_peer_and_without_room() {
        let mut rig = Rig::new(Pair::new());
        assert!(!rig.can_send());
        assert_eq!(rig.send(&[b"x"]), Err(Refusal::Again));
        assert_eq!(rig.recv(), Err(Refusal::Again));
        let id = rig.connect(1);
        assert_eq!(rig.send(&[b"1", b"2"]), Ok(Sent::To(id)));
        assert!(!rig.can_send());
        assert_eq!(rig.send_message(b"3"), Err(Refusal::Again));
        assert_eq!(rig.got(id).len(), 1);
        assert!(rig.can_send());
        assert_eq!(rig.send_message(b"3"), Ok(Sent::To(id)));
    }

    #[test]
    fn item_26_the_rest_of_a_message_is_swallowed_when_its_pipe_dies() {
        let (mut rig, [a]) = Rig::with_peers(Pair::new());
        rig.send_part(b"1", true).unwrap();
        rig.disconnect(a);
        assert!(rig.can_send());
        assert_eq!(rig.send_part(b"2", true), Ok(Sent::Nowhere));
        let id = rig.connect(0);
        assert_eq!(rig.send_message(b"3"), Ok(Sent::Nowhere));
        assert_eq!(rig.send(&[b"4"]), Ok(Sent::To(id)));
        assert_eq!(rig.got(id), [parts(&[b"4"])]);
    }
}
