// SPDX-License-Identifier: MIT OR Apache-2.0
//! PUB: sends to all subscribers that match.

use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::subscription::classify;

use crate::Subscription;
use crate::allowance::Allowance;
use crate::distribute::Distribute;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, skip_message};
use crate::trie::Trie;

/// Publishes: a message goes to everybody who has subscribed to a prefix of its first part, and
/// the other parts go where the first went. Never blocks: who has no room misses the message.
#[derive(Debug, Default)]
pub struct Pub {
    /// Everybody, subscribed or not.
    peers: Vec<PipeId>,
    trie: Trie,
    allowance: Allowance,
    distribute: Distribute,
    invert_matching: bool,
    welcome: Vec<u8>,
}

impl Pub {
    /// Without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }

    /// Decides who gets the message that begins with this part.
    #[inline]
    fn choose(&mut self, first: &[u8]) {
        let chosen = self.distribute.choose();
        self.trie.matches(first, |id| chosen.push(id));
        if self.invert_matching {
            let mut matching = std::mem::take(chosen);
            matching.sort_unstable();
            let others = |id: &&PipeId| matching.binary_search(id).is_err();
            chosen.extend(self.peers.iter().filter(others));
        }
    }
}

impl Pattern for Pub {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.peers.push(id);
        if pipes.get(id).is_some_and(|pipe| pipe.peer.takes_all) {
            self.trie.add(id, b"");
        }
        if !self.welcome.is_empty() {
            pipes.push(id, &mut Outgoing::Bytes(&self.welcome), false);
        }
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.peers.retain(|&peer| peer != id);
        self.trie.remove_pipe(id);
        self.allowance.detach(id);
        self.distribute.detach(id);
    }

    #[inline]
    fn readable(&mut self, _: PipeId) {}

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    #[inline]
    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if !self.distribute.is_mid_message() {
            self.choose(frame.as_slice());
            self.distribute.make_room(pipes)?;
        }
        Ok(self.distribute.send(pipes, frame, more))
    }

    fn touched(&self) -> &[PipeId] {
        self.distribute.chosen()
    }

    #[inline(always)]
    fn recv(&mut self, _: &mut Pipes) -> Result<Received, Refusal> {
        Err(Refusal::NotSupported)
    }

    /// Always, as in libzmq, even when a message would be refused with `set_no_drop`.
    fn can_send(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn can_recv(&mut self, _: &mut Pipes) -> bool {
        false
    }

    fn subscription(&mut self, _: &mut Pipes, id: PipeId, change: Subscription<'_>) {
        apply(&mut self.trie, &mut self.allowance, id, change);
    }

    fn drain_input(&mut self, pipes: &mut Pipes, id: PipeId) {
        let Some(pipe) = pipes.get_mut(id) else {
            return;
        };
        while let Some((more, body)) = pipe.reader.peek() {
            if !more && let Some(change) = classify(0, body) {
                apply(&mut self.trie, &mut self.allowance, id, change);
            }
            skip_message(&mut pipe.reader);
        }
    }

    fn topics_count(&self) -> usize {
        self.trie.topics()
    }

    fn take_faulty(&mut self) -> Vec<PipeId> {
        self.allowance.take_faulty()
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.allowance.configure(options);
        self.distribute.set_no_drop(options.xpub_nodrop);
        self.invert_matching = options.invert_matching;
        self.welcome.clone_from(&options.xpub_welcome_msg);
    }
}

fn apply(trie: &mut Trie, allowance: &mut Allowance, id: PipeId, change: Subscription<'_>) {
    if allowance.is_over(id) {
        return;
    }
    match change {
        Subscription::Subscribe(topic) if trie.add(id, topic) => allowance.add(id, topic),
        Subscription::Cancel(topic) if trie.remove(id, topic) => allowance.remove(id, topic),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use ferromq_message::Message;
    use ferromq_pipe::{Outgoing, PipeId};

    use super::Pub;
    use crate::Subscription;
    use crate::pattern::{Pattern, Refusal, Sent};
    use crate::testing::{Parts, Rig, parts};

    fn rig<const N: usize>() -> (Rig<Pub>, [PipeId; N]) {
        Rig::with_peers(Pub::new())
    }

    impl Rig<Pub> {
        fn subscribe(&mut self, id: PipeId, topic: &[u8]) {
            self.pattern
                .subscription(&mut self.near, id, Subscription::Subscribe(topic));
        }

        fn cancel(&mut self, id: PipeId, topic: &[u8]) {
            self.pattern
                .subscription(&mut self.near, id, Subscription::Cancel(topic));
        }

        fn all_got(&mut self, ids: &[PipeId]) -> Vec<Vec<Parts>> {
            ids.iter().map(|&id| self.got(id)).collect()
        }
    }

    #[test]
    fn item_39_prefixes_of_the_first_part() {
        let (mut rig, [a, b, c]) = rig();
        rig.subscribe(a, b"");
        rig.subscribe(b, b"weather.");
        rig.subscribe(b, b"weather.berlin");
        rig.subscribe(c, b"news");
        assert_eq!(rig.send(&[b"weather.berlin", b"news"]), Ok(Sent::Many));
        assert_eq!(rig.pattern.touched(), [a, b]);
        assert_eq!(rig.send(&[b"weather"]), Ok(Sent::To(a)));
        assert_eq!(rig.send_message(b"news"), Ok(Sent::Many));
        assert_eq!(rig.pattern.touched(), [a, c]);
        let (two, weather) = (parts(&[b"weather.berlin", b"news"]), parts(&[b"weather"]));
        let news = parts(&[b"news"]);
        assert_eq!(
            rig.all_got(&[a, b, c]),
            [
                vec![two.clone(), weather, news.clone()],
                vec![two],
                vec![news]
            ]
        );
        rig.cancel(a, b"");
        assert_eq!(rig.send(&[b"weather"]), Ok(Sent::Nowhere));
        assert_eq!(rig.send_message(b"weather"), Ok(Sent::Nowhere));
    }

    #[test]
    fn section_3_12_one_cancel_ends_a_subscription() {
        let (mut rig, [a]) = rig();
        rig.subscribe(a, b"x");
        rig.subscribe(a, b"x");
        rig.cancel(a, b"x");
        rig.cancel(a, b"x");
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::Nowhere));
    }

    #[test]
    fn who_matches_is_decided_once_a_message() {
        let (mut rig, [a, b, c]) = rig();
        rig.subscribe(a, b"x");
        rig.subscribe(b, b"x");
        assert_eq!(rig.send_part(b"x", true), Ok(Sent::Many));
        rig.cancel(a, b"x");
        rig.subscribe(c, b"");
        assert_eq!(rig.send_part(b"2", true), Ok(Sent::Many));
        rig.disconnect(b);
        // Whoever comes in its place has not got the beginning.
        assert_eq!(rig.connect(0), b);
        rig.subscribe(b, b"");
        assert_eq!(rig.send_part(b"3", false), Ok(Sent::To(a)));
        assert_eq!(
            rig.all_got(&[a, b, c]),
            [vec![parts(&[b"x", b"2", b"3"])], vec![], vec![]]
        );
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::Many));
    }

    #[test]
    fn item_6_drops_for_each_pipe_without_room() {
        let mut rig = Rig::new(Pub::new());
        let (a, b) = (rig.connect(2), rig.connect(0));
        rig.subscribe(a, b"");
        rig.subscribe(b, b"");
        for _ in 0..2 {
            assert_eq!(rig.send(&[b"1", b"2"]), Ok(Sent::Many));
        }
        assert!(rig.can_send());
        assert_eq!(rig.send(&[b"3", b"4"]), Ok(Sent::To(b)));
        // Room comes too late for this message.
        assert_eq!(rig.send_part(b"5", true), Ok(Sent::To(b)));
        assert_eq!(rig.got(a).len(), 2);
        assert_eq!(rig.send_part(b"6", false), Ok(Sent::To(b)));
        assert_eq!(rig.near.get(a).unwrap().dropped, 2);
        assert_eq!(rig.got(b).len(), 4);
        assert_eq!(rig.send(&[b"7"]), Ok(Sent::Many));
        assert_eq!(rig.got(a), [parts(&[b"7"])]);
    }

    #[test]
    fn item_6_no_drop_is_all_or_nothing() {
        let mut rig = Rig::new(Pub::new());
        let (a, b, c) = (rig.connect(0), rig.connect(1), rig.connect(1));
        let options = ferromq_vocabulary::SocketOptions {
            xpub_nodrop: true,
            ..Default::default()
        };
        rig.pattern.configure(&mut rig.near, &options);
        rig.subscribe(a, b"");
        rig.subscribe(b, b"b");
        rig.subscribe(c, b"c");
        assert_eq!(rig.send(&[b"b", b"1"]), Ok(Sent::Many));
        assert_eq!(rig.send_message(b"b"), Err(Refusal::Again));
        assert!(rig.can_send());
        assert_eq!(rig.send(&[b"c"]), Ok(Sent::Many));
        assert_eq!(rig.got(a).len(), 2);
        assert_eq!(rig.got(b).len(), 1);
        assert_eq!(rig.send(&[b"b"]), Ok(Sent::Many));
        let drops = [a, b, c].map(|id| rig.near.get(id).unwrap().dropped);
        assert_eq!(drops, [0, 0, 0]);
    }

    #[test]
    fn item_36_subscriptions_as_messages() {
        let (mut rig, [a]) = rig();
        rig.give(a, &[b"\x01x"]);
        rig.give(a, &[b"\x01y", b"\x01z"]);
        rig.give(a, &[b"\x02w"]);
        rig.give(a, &[b""]);
        rig.give(a, &[b"\x01v"]);
        rig.give(a, &[b"\x00v"]);
        rig.pattern.drain_input(&mut rig.near, a);
        assert!(rig.near.get_mut(a).unwrap().reader.peek().is_none());
        let fates = [b"x", b"y", b"z", b"w", b"v"].map(|topic| rig.send(&[topic]).unwrap());
        let no = Sent::Nowhere;
        assert_eq!(fates, [Sent::To(a), no, no, no, no]);
        rig.give(a, &[b"\x01"]);
        rig.pattern.drain_input(&mut rig.near, a);
        assert_eq!(rig.send(&[b"w"]), Ok(Sent::To(a)));
    }

    #[test]
    fn item_39_inverted_matching() {
        let (mut rig, [a, b]) = rig();
        rig.subscribe(a, b"x");
        let options = ferromq_vocabulary::SocketOptions {
            invert_matching: true,
            ..Default::default()
        };
        rig.pattern.configure(&mut rig.near, &options);
        assert_eq!(rig.send(&[b"xy"]), Ok(Sent::To(b)));
        assert_eq!(rig.send(&[b"y"]), Ok(Sent::Many));
    }

    #[test]
    fn everybody_needs_no_subscription() {
        let mut rig = Rig::new(Pub::new());
        let id = rig.connect_everybody();
        assert_eq!(rig.send(&[b"x", b"y"]), Ok(Sent::To(id)));
        assert_eq!(rig.got(id), [parts(&[b"x", b"y"])]);
    }

    #[test]
    fn a_disconnect_ends_all_subscriptions() {
        let (mut rig, [a, b]) = rig();
        rig.subscribe(a, b"x");
        rig.subscribe(a, b"xy");
        rig.subscribe(b, b"xy");
        rig.disconnect(a);
        assert_eq!(rig.connect(0), a);
        assert_eq!(rig.send(&[b"xyz"]), Ok(Sent::To(b)));
    }

    #[test]
    fn large_bodies_arrive_at_all() {
        let (mut rig, [a, b, c]) = rig();
        for id in [a, b, c] {
            rig.subscribe(id, b"");
        }
        let large = vec![7; 100_000];
        assert_eq!(rig.send(&[&large, b"end"]), Ok(Sent::Many));
        let mut message = Message::from_vec(large.clone());
        let mut frame = Outgoing::Message(&mut message);
        assert_eq!(
            rig.pattern.send(&mut rig.near, &mut frame, false),
            Ok(Sent::Many)
        );
        for id in [a, b, c] {
            assert_eq!(rig.got(id), [parts(&[&large, b"end"]), parts(&[&large])]);
        }
    }

    #[test]
    fn does_not_receive() {
        let (mut rig, [a]) = rig();
        rig.give(a, &[b"x"]);
        assert!(!rig.can_recv());
        assert_eq!(rig.recv(), Err(Refusal::NotSupported));
        assert_eq!(rig.pattern.subscribe(b""), Err(Refusal::NotSupported));
        assert_eq!(rig.pattern.unsubscribe(b""), Err(Refusal::NotSupported));
    }
}
