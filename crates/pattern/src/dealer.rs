// SPDX-License-Identifier: MIT OR Apache-2.0
//! DEALER: sends to each in turn and receives from all in turn.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Deals messages out and takes them in, each as it is. Blocks in sending without a peer.
#[derive(Debug, Default)]
pub struct Dealer {
    balance: LoadBalance,
    queue: FairQueue,
}

impl Dealer {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Dealer {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.balance.attach(id);
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.balance.detach(id);
        self.queue.detach(id);
    }

    fn stop_sending(&mut self, id: PipeId) {
        self.balance.detach(id);
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

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
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.queue
            .take(pipes)
            .map(Received::From)
            .ok_or(Refusal::Again)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.balance.can_send(pipes)
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.look(pipes).is_some()
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
    use super::Dealer;
    use crate::pattern::{Refusal, Sent};
    use crate::testing::{Rig, parts};

    #[test]
    fn item_26_deals_out_and_takes_in_turn() {
        let (mut rig, [a, b]) = Rig::with_peers(Dealer::new());
        for id in [a, b, a] {
            assert_eq!(rig.send(&[b"1", b"2"]), Ok(Sent::To(id)));
        }
        assert_eq!(rig.got(b), [parts(&[b"1", b"2"])]);
        rig.give(a, &[b"", b"3"]);
        rig.give(a, &[b"4"]);
        rig.give(b, &[b"5"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"", b"3"]))));
        assert_eq!(rig.recv(), Ok((b, parts(&[b"5"]))));
        assert_eq!(rig.recv(), Ok((a, parts(&[b"4"]))));
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }
}
