// SPDX-License-Identifier: MIT OR Apache-2.0
//! SUB: receives what it has subscribed to, from all publishers in turn.

use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};
use crate::subscriptions::Subscriptions;

/// Subscribes: a message is received if its first part begins with a topic subscribed to.
///
/// Publishers filter, but not all of them and not at once after a change, so that every message
/// is looked at here as well.
#[derive(Debug, Default)]
pub struct Sub {
    queue: FairQueue,
    subscriptions: Subscriptions,
    invert_matching: bool,
}

impl Sub {
    /// Without publishers and without subscriptions: it receives nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }

    /// The pipe whose next frame is wanted. Messages that are not are dropped whole.
    fn look(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        loop {
            let turn = self.queue.look(pipes)?;
            if !turn.first {
                return Some(turn.id);
            }
            if let Some((_, first)) = pipes.get_mut(turn.id)?.reader.peek()
                && self.subscriptions.matches(first) != self.invert_matching
            {
                return Some(turn.id);
            }
            self.queue.skip(pipes);
        }
    }
}

impl Pattern for Sub {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    #[inline(always)]
    fn send(&mut self, _: &mut Pipes, _: &mut Outgoing<'_>, _: bool) -> Result<Sent, Refusal> {
        Err(Refusal::NotSupported)
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        if self.subscriptions.match_all() && !self.invert_matching {
            return self
                .queue
                .take(pipes)
                .map(Received::From)
                .ok_or(Refusal::Again);
        }
        let Some(id) = self.look(pipes) else {
            return Err(Refusal::Again);
        };
        self.queue.begin();
        Ok(Received::From(id))
    }

    fn can_send(&mut self, _: &mut Pipes) -> bool {
        false
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.look(pipes).is_some()
    }

    fn subscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        self.subscriptions.add(topic);
        // contract 3.12: every one is told, again and again.
        Ok(true)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        Ok(self.subscriptions.remove(topic))
    }

    fn topics(&self) -> Vec<Vec<u8>> {
        self.subscriptions.topics()
    }

    fn topics_count(&self) -> usize {
        self.subscriptions.len()
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.invert_matching = options.invert_matching;
    }

    #[inline]
    fn receives_all(&self) -> bool {
        self.subscriptions.match_all() && !self.invert_matching
    }
}

#[cfg(test)]
mod tests {
    use super::Sub;
    use crate::pattern::{Pattern, Refusal};
    use crate::testing::{Rig, parts};

    #[test]
    fn item_39_filters_by_prefix_of_the_first_part() {
        let (mut rig, [a, b]) = Rig::with_peers(Sub::new());
        rig.give(a, &[b"x"]);
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert_eq!(rig.pattern.subscribe(b"x"), Ok(true));
        rig.give(a, &[b"y", b"x"]);
        rig.give(a, &[b"xa", b"y"]);
        rig.give(a, &[b""]);
        rig.give(b, &[b"x"]);
        rig.give(b, &[b"y"]);
        // The first of `a` is dropped whole, and was its turn.
        assert_eq!(rig.recv(), Ok((b, parts(&[b"x"]))));
        assert_eq!(rig.recv(), Ok((a, parts(&[b"xa", b"y"]))));
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn can_recv_means_that_recv_succeeds() {
        let (mut rig, [a]) = Rig::with_peers(Sub::new());
        rig.pattern.subscribe(b"x").unwrap();
        rig.give(a, &[b"y", b"y"]);
        assert!(!rig.can_recv());
        rig.give(a, &[b"y", b"x"]);
        rig.give(a, &[b"x", b"1"]);
        assert!(rig.can_recv());
        assert!(rig.can_recv());
        assert_eq!(rig.recv_part(), Ok((a, b"x".to_vec(), true)));
        assert!(rig.can_recv());
        assert_eq!(rig.recv_part(), Ok((a, b"1".to_vec(), false)));
        assert!(!rig.can_recv());
    }

    #[test]
    fn item_39_inverted_matching() {
        let (mut rig, [a]) = Rig::with_peers(Sub::new());
        let options = ferromq_vocabulary::SocketOptions {
            invert_matching: true,
            ..Default::default()
        };
        rig.pattern.configure(&mut rig.near, &options);
        rig.pattern.subscribe(b"x").unwrap();
        for body in [b"x", b"y"] {
            rig.give(a, &[body]);
        }
        assert_eq!(rig.recv_all(), ["y"]);
        rig.pattern.subscribe(b"").unwrap();
        rig.give(a, &[b"y"]);
        assert_eq!(rig.recv_all(), [""; 0]);
    }

    #[test]
    fn section_3_12_subscriptions_are_counted() {
        let mut sub = Sub::new();
        assert_eq!(sub.subscribe(b"x"), Ok(true));
        // Said again: a verbose XPUB behind a forwarder is to see each one.
        assert_eq!(sub.subscribe(b"x"), Ok(true));
        assert_eq!(sub.subscribe(b""), Ok(true));
        assert_eq!(sub.topics(), [b"".to_vec(), b"x".to_vec()]);
        assert_eq!(sub.unsubscribe(b"x"), Ok(false));
        assert_eq!(sub.topics_count(), 2);
        assert_eq!(sub.unsubscribe(b"x"), Ok(true));
        assert_eq!(sub.unsubscribe(b"x"), Ok(false));
        assert_eq!(sub.unsubscribe(b"unknown"), Ok(false));
        assert_eq!(sub.topics(), [b""]);
    }

    #[test]
    fn item_40_topics_count_is_of_different_topics() {
        let mut sub = Sub::new();
        for topic in [&b"a"[..], b"ab", b"a", b"abc", b"ab"] {
            sub.subscribe(topic).unwrap();
        }
        assert_eq!(sub.topics_count(), 3);
    }

    #[test]
    fn a_message_half_received_is_received_to_its_end() {
        let (mut rig, [a]) = Rig::with_peers(Sub::new());
        rig.pattern.subscribe(b"").unwrap();
        rig.give(a, &[b"x", b"y"]);
        rig.give(a, &[b"y"]);
        rig.recv_part().unwrap();
        rig.pattern.unsubscribe(b"").unwrap();
        rig.pattern.subscribe(b"x").unwrap();
        assert_eq!(rig.recv_part(), Ok((a, b"y".to_vec(), false)));
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn does_not_send() {
        let (mut rig, [_]) = Rig::with_peers(Sub::new());
        assert!(!rig.can_send());
        assert_eq!(rig.send(&[b"x"]), Err(Refusal::NotSupported));
    }
}
