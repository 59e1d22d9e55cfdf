// SPDX-License-Identifier: MIT OR Apache-2.0
//! PUSH: sends to each peer in turn.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::load_balance::LoadBalance;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Hands work out: every message goes to one peer, in turn. Blocks when nobody has room.
#[derive(Debug, Default)]
pub struct Push {
    balance: LoadBalance,
}

impl Push {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Push {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.balance.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.balance.detach(id);
    }

    #[inline]
    fn readable(&mut self, _: PipeId) {}

    #[inline]
    fn writable(&mut self, id: PipeId) {
        self.balance.activate(id);
    }

    #[inline(always)]
    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        self.balance.send(pipes, frame, more)
    }

    #[inline(always)]
    fn recv(&mut self, _: &mut Pipes) -> Result<Received, Refusal> {
        Err(Refusal::NotSupported)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.balance.can_send(pipes)
    }

    fn can_recv(&mut self, _: &mut Pipes) -> bool {
        false
    }

    #[inline]
    fn sends_to_any(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Push;
    use crate::pattern::{Pattern, Refusal, Sent};
    use crate::testing::{Rig, parts};

    #[test]
    fn item_5_blocks_without_peers() {
        let mut rig = Rig::new(Push::new());
        assert!(!rig.can_send());
        assert_eq!(rig.send(&[b"x"]), Err(Refusal::Again));
        let id = rig.connect(0);
        assert!(rig.can_send());
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::To(id)));
    }

    #[test]
    fn item_1_high_water_mark_counts_whole_messages() {
        let mut rig = Rig::new(Push::new());
        let id = rig.connect(2);
        rig.send(&[b"1", b"2", b"3", b"4"]).unwrap();
        assert_eq!(rig.send_part(b"5", true), Ok(Sent::To(id)));
        // A message that was begun is let in to its end.
        assert!(rig.can_send());
        assert_eq!(rig.send_part(b"6", true), Ok(Sent::To(id)));
        assert_eq!(rig.send_part(b"7", false), Ok(Sent::To(id)));
        assert!(!rig.can_send());
        assert_eq!(rig.send_message(b"8"), Err(Refusal::Again));
        assert_eq!(rig.near.get(id).unwrap().stalls, 1);
        assert_eq!(rig.got(id).len(), 2);
        // Nobody reports the room, yet it is found.
        assert_eq!(rig.send_message(b"8"), Ok(Sent::To(id)));
    }

    #[test]
    fn item_26_load_balance_round_robin() {
        let (mut rig, [a, b, c]) = Rig::with_peers(Push::new());
        let sent: Vec<_> = (0..9).map(|_| rig.send(&[b"x"]).unwrap()).collect();
        assert_eq!(sent, [a, b, c, a, b, c, a, b, c].map(Sent::To));
    }

    #[test]
    fn item_26_multipart_sticks_to_its_pipe() {
        let (mut rig, [a, b]) = Rig::with_peers(Push::new());
        assert_eq!(rig.send(&[b"1", b"2", b"3"]), Ok(Sent::To(a)));
        assert_eq!(rig.send(&[b"4", b"5"]), Ok(Sent::To(b)));
        assert_eq!(rig.got(a), [parts(&[b"1", b"2", b"3"])]);
        assert_eq!(rig.got(b), [parts(&[b"4", b"5"])]);
    }

    #[test]
    fn item_26_full_pipes_are_left_out_until_writable() {
        let mut rig = Rig::new(Push::new());
        let (a, b, c) = (rig.connect(0), rig.connect(1), rig.connect(0));
        let round = |rig: &mut Rig<Push>, count| {
            (0..count)
                .map(|_| rig.send(&[b"x"]).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(round(&mut rig, 6), [a, b, c, a, c, a].map(Sent::To));
        assert_eq!(rig.got(b).len(), 1);
        assert_eq!(round(&mut rig, 2), [c, a].map(Sent::To));
        rig.pattern.writable(b);
        rig.pattern.writable(b);
        assert_eq!(round(&mut rig, 4), [c, a, b, c].map(Sent::To));
    }

    #[test]
    fn item_26_the_rest_of_a_message_is_swallowed_when_its_pipe_dies() {
        let (mut rig, [a, b]) = Rig::with_peers(Push::new());
        assert_eq!(rig.send_part(b"1", true), Ok(Sent::To(a)));
        rig.disconnect(a);
        // The new peer has the number of the old one.
        assert_eq!(rig.connect(0), a);
        assert!(rig.can_send());
        assert_eq!(rig.send_part(b"2", true), Ok(Sent::Nowhere));
        assert_eq!(rig.send_message(b"3"), Ok(Sent::Nowhere));
        assert_eq!(rig.send(&[b"4"]), Ok(Sent::To(b)));
        assert_eq!(rig.send(&[b"5"]), Ok(Sent::To(a)));
        assert_eq!(rig.got(a), [parts(&[b"5"])]);
        assert_eq!(rig.got(b), [parts(&[b"4"])]);
    }

    #[test]
    fn other_pipes_die_without_harm_to_a_message() {
        let (mut rig, [a, b, c]) = Rig::with_peers(Push::new());
        rig.send(&[b"0"]).unwrap();
        assert_eq!(rig.send_part(b"1", true), Ok(Sent::To(b)));
        rig.disconnect(a);
        assert_eq!(rig.send_part(b"2", true), Ok(Sent::To(b)));
        rig.disconnect(c);
        assert_eq!(rig.send_part(b"3", false), Ok(Sent::To(b)));
        assert_eq!(rig.got(b), [parts(&[b"1", b"2", b"3"])]);
    }

    #[test]
    fn does_not_receive() {
        let (mut rig, [a]) = Rig::with_peers(Push::new());
        rig.give(a, &[b"x"]);
        assert!(!rig.can_recv());
        assert_eq!(rig.recv(), Err(Refusal::NotSupported));
    }
}
