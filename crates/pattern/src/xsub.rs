// SPDX-License-Identifier: MIT OR Apache-2.0
//! XSUB: as SUB, but the application sends the subscriptions, and receives everything.

use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::subscription::classify;

use crate::Subscription;
use crate::distribute::Distribute;
use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, Topic};
use crate::subscriptions::Subscriptions;

/// Subscribes by messages that begin with 1 and cancels by such with 0; other messages go to all
/// publishers.
#[derive(Debug, Default)]
pub struct Xsub {
    peers: Vec<PipeId>,
    queue: FairQueue,
    subscriptions: Subscriptions,
    changes: Vec<Topic>,
    distribute: Distribute,
    only_first: bool,
    all_cancels: bool,
    /// The part sent last has a successor.
    mid_message: bool,
}

impl Xsub {
    /// Without publishers and without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }

    /// Whether a part is a change of subscriptions; it is made then.
    fn change(&mut self, body: &[u8]) -> bool {
        let (topic, add, news) = match classify(0, body) {
            Some(Subscription::Subscribe(topic)) => (topic, true, self.subscriptions.add(topic)),
            Some(Subscription::Cancel(topic)) => (topic, false, self.subscriptions.remove(topic)),
            None => return false,
        };
        // contract 3.12: every subscription, again and again.
        if add || news || self.all_cancels {
            self.changes.push(Topic {
                topic: topic.to_vec(),
                add,
                news,
            });
        }
        true
    }
}

impl Pattern for Xsub {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.peers.push(id);
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.peers.retain(|&peer| peer != id);
        self.queue.detach(id);
        self.distribute.detach(id);
    }

    fn stop_sending(&mut self, id: PipeId) {
        self.peers.retain(|&peer| peer != id);
        self.distribute.detach(id);
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        let first = !std::mem::replace(&mut self.mid_message, more);
        let may_change = !self.distribute.is_mid_message() && (first || !self.only_first);
        if may_change && self.change(frame.as_slice()) {
            return Ok(Sent::Topic);
        }
        if !self.distribute.is_mid_message() {
            let chosen = self.distribute.choose();
            chosen.extend(&self.peers);
            self.distribute.make_room(pipes)?;
        }
        Ok(self.distribute.send(pipes, frame, more))
    }

    fn touched(&self) -> &[PipeId] {
        self.distribute.chosen()
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.queue
            .take(pipes)
            .map(Received::From)
            .ok_or(Refusal::Again)
    }

    /// Always, as in libzmq.
    fn can_send(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.look(pipes).is_some()
    }

    fn topics(&self) -> Vec<Vec<u8>> {
        self.subscriptions.topics()
    }

    fn topics_count(&self) -> usize {
        self.subscriptions.len()
    }

    fn take_topics(&mut self) -> Vec<Topic> {
        std::mem::take(&mut self.changes)
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.only_first = options.only_first_subscribe;
        self.all_cancels = options.xsub_verbose_unsubscribe;
    }

    #[inline]
    fn receives_all(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Xsub;
    use crate::pattern::{Pattern, Sent, Topic};
    use crate::testing::{Rig, parts};

    #[test]
    fn section_3_12_every_subscription_and_the_last_cancel_are_told() {
        let (mut rig, [a, b]) = Rig::with_peers(Xsub::new());
        for body in [&b"\x01x"[..], b"\x01x", b"\x00x", b"\x00x", b"\x00x"] {
            assert_eq!(rig.send(&[body]), Ok(Sent::Topic));
        }
        let topic = |add, news| Topic {
            topic: b"x".to_vec(),
            add,
            news,
        };
        let told = rig.pattern.take_topics();
        assert_eq!(
            told,
            [topic(true, true), topic(true, false), topic(false, true)]
        );
        assert_eq!(rig.send(&[b"\x02hello", b"\x01x"]), Ok(Sent::Many));
        for id in [a, b] {
            assert_eq!(rig.got(id), [parts(&[b"\x02hello", b"\x01x"])]);
        }
        // Nothing is filtered here.
        rig.give(a, &[b"y"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"y"]))));
    }
}
