// SPDX-License-Identifier: MIT OR Apache-2.0
//! XPUB: as PUB, and the application sees the subscriptions.

use std::collections::VecDeque;

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::subscription::classify;

use crate::Subscription;
use crate::allowance::Allowance;
use crate::distribute::Distribute;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};
use crate::trie::Trie;

/// Messages of subscribers kept for an application that does not receive; the rest waits in the
/// queues.
const KEPT: usize = 1000;

/// Publishes, and receives what subscribers send: subscriptions and cancellations as messages that
/// begin with 1 and 0, and whatever else.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Xpub {
    peers: Vec<PipeId>,
    trie: Trie,
    /// What the peers asked for, where the application decides.
    wishes: Trie,
    allowance: Allowance,
    distribute: Distribute,
    /// What the application shall receive, and from whom.
    waiting: VecDeque<Waiting>,
    /// Parts of peers' own messages among them.
    kept: usize,
    /// Who sent what was received last.
    last: Option<PipeId>,
    /// A message of this pipe has been taken in part.
    begun: Option<PipeId>,
    verbose: bool,
    verboser: bool,
    manual: bool,
    last_value: bool,
    only_first: bool,
    invert_matching: bool,
    welcome: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    from: Option<PipeId>,
    message: Message,
    /// Sent by the peer as it is, not made of its wishes.
    plain: bool,
}

impl Xpub {
    /// Without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }

    fn choose(&mut self, first: &[u8]) {
        let chosen = self.distribute.choose();
        if self.last_value
            && let Some(last) = self.last.take()
        {
            if self.trie.matches_pipe(first, last) {
                chosen.push(last);
            }
            return;
        }
        self.trie.matches(first, |id| chosen.push(id));
        if self.invert_matching {
            let mut matching = std::mem::take(chosen);
            matching.sort_unstable();
            let others = |id: &&PipeId| matching.binary_search(id).is_err();
            chosen.extend(self.peers.iter().filter(others));
        }
    }

    /// A peer wants something, or no longer.
    fn change(&mut self, id: PipeId, change: Subscription<'_>) {
        if self.allowance.is_over(id) {
            return;
        }
        let asked_for = if self.manual {
            &mut self.wishes
        } else {
            &mut self.trie
        };
        let tell = match change {
            Subscription::Subscribe(topic) => {
                let first = asked_for.subscribers(topic) == 0;
                if asked_for.add(id, topic) {
                    self.allowance.add(id, topic);
                }
                first || self.manual || self.verbose
            }
            Subscription::Cancel(topic) => {
                if asked_for.remove(id, topic) {
                    self.allowance.remove(id, topic);
                }
                asked_for.subscribers(topic) == 0 || self.manual || self.verboser
            }
        };
        if tell {
            self.allowance.tell(id);
            self.tell(Some(id), change);
        }
    }

    fn tell(&mut self, from: Option<PipeId>, change: Subscription<'_>) {
        let body = match change {
            Subscription::Subscribe(topic) => [&[1], topic].concat(),
            Subscription::Cancel(topic) => [&[0], topic].concat(),
        };
        self.waiting.push_back(Waiting {
            from,
            message: Message::from_vec(body),
            plain: false,
        });
    }

    /// Takes in what a peer has sent, up to a message that commands stand before: those come first.
    fn take_in(&mut self, pipes: &mut Pipes, id: PipeId) {
        let Some(pipe) = pipes.get_mut(id) else {
            return;
        };
        while self.kept < KEPT || self.begun == Some(id) {
            if pipe.reader.is_ready() && pipe.reader.has_commands() {
                return;
            }
            let Some((more, body)) = pipe.reader.peek() else {
                return;
            };
            let first = self.begun != Some(id);
            if (first || !self.only_first)
                && let Some(change) = classify(0, body)
            {
                let body = body.to_vec();
                let change = match change {
                    Subscription::Subscribe(_) => Subscription::Subscribe(&body[1..]),
                    Subscription::Cancel(_) => Subscription::Cancel(&body[1..]),
                };
                pipe.reader.skip();
                self.change(id, change);
            } else if let Some(message) = pipe.reader.take() {
                self.kept += 1;
                self.waiting.push_back(Waiting {
                    from: Some(id),
                    message,
                    plain: true,
                });
            }
            self.begun = more.then_some(id);
        }
    }

    fn take_in_all(&mut self, pipes: &mut Pipes) {
        for index in 0..self.peers.len() {
            self.take_in(pipes, self.peers[index]);
        }
    }
}

impl Pattern for Xpub {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.peers.push(id);
        // libzmq, too, tells the application nothing of this one.
        if pipes.get(id).is_some_and(|pipe| pipe.peer.takes_all) {
            self.trie.add(id, b"");
        }
        if !self.welcome.is_empty() {
            pipes.push(id, &mut Outgoing::Bytes(&self.welcome), false);
        }
        Attached::Yes
    }

    fn detach(&mut self, pipes: &mut Pipes, id: PipeId) {
        if pipes.get(id).is_some_and(|pipe| pipe.peer.takes_all) {
            self.trie.remove(id, b"");
        }
        self.peers.retain(|&peer| peer != id);
        self.allowance.detach(id);
        self.distribute.detach(id);
        if self.last == Some(id) {
            self.last = None;
        }
        if self.begun == Some(id) {
            self.begun = None;
        }
        // Its number will be another's.
        for waiting in &mut self.waiting {
            if waiting.from == Some(id) {
                waiting.from = None;
            }
        }
        let mut gone = Vec::new();
        if self.manual {
            self.wishes
                .remove_pipe_telling(id, |topic, _| gone.push(topic));
            self.trie.remove_pipe(id);
        } else {
            let all = self.verboser;
            self.trie.remove_pipe_telling(id, |topic, last| {
                if last || all {
                    gone.push(topic);
                }
            });
        }
        for topic in gone {
            self.tell(None, Subscription::Cancel(&topic));
        }
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

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        if self.waiting.is_empty() {
            self.take_in_all(pipes);
        }
        let next = self.waiting.pop_front().ok_or(Refusal::Again)?;
        self.kept -= usize::from(next.plain);
        if let Some(from) = next.from.filter(|_| !next.plain) {
            self.allowance.told(from);
        }
        if self.manual && !next.plain {
            self.last = next.from;
        }
        Ok(match next.from {
            Some(id) => Received::Head(id, next.message),
            None => Received::Own(next.message),
        })
    }

    /// Always, as in libzmq.
    fn can_send(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        if self.waiting.is_empty() {
            self.take_in_all(pipes);
        }
        !self.waiting.is_empty()
    }

    fn subscription(&mut self, _: &mut Pipes, id: PipeId, change: Subscription<'_>) {
        self.change(id, change);
    }

    fn drain_input(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.take_in(pipes, id);
    }

    /// Where the application decides: for the peer whose wish was received last.
    fn subscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        if !self.manual {
            return Err(Refusal::Invalid);
        }
        if let Some(last) = self.last {
            self.trie.add(last, topic);
        }
        Ok(false)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        if !self.manual {
            return Err(Refusal::Invalid);
        }
        if let Some(last) = self.last {
            self.trie.remove(last, topic);
        }
        Ok(false)
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
        self.verbose = options.xpub_verbose;
        self.verboser = options.xpub_verboser;
        self.manual = options.xpub_manual;
        self.last_value = options.xpub_manual_last_value;
        self.only_first = options.only_first_subscribe;
        self.invert_matching = options.invert_matching;
        self.welcome.clone_from(&options.xpub_welcome_msg);
    }
}

#[cfg(test)]
mod tests {
    use ferromq_vocabulary::SocketOptions;

    use super::Xpub;
    use crate::pattern::{Pattern, Refusal, Sent};
    use crate::testing::{Rig, parts};

    fn rig<const N: usize>(options: &SocketOptions) -> (Rig<Xpub>, [ferromq_pipe::PipeId; N]) {
        let mut rig = Rig::new(Xpub::new());
        rig.pattern.configure(&mut rig.near, options);
        let ids = std::array::from_fn(|_| rig.connect(0));
        (rig, ids)
    }

    fn seen(rig: &mut Rig<Xpub>) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| rig.recv_part().ok().map(|(_, part, _)| part)).collect()
    }

    #[test]
    fn item_36_first_and_last_are_passed_on() {
        let (mut rig, [a, b]) = rig(&SocketOptions::default());
        for id in [a, b] {
            rig.give(id, &[b"\x01x"]);
        }
        assert_eq!(seen(&mut rig), [b"\x01x"]);
        assert_eq!(rig.send(&[b"xy"]), Ok(Sent::Many));
        rig.give(a, &[b"\x00x"]);
        assert!(!rig.can_recv());
        rig.disconnect(b);
        assert_eq!(seen(&mut rig), [b"\x00x"]);
        rig.give(a, &[b"\x00unknown"]);
        assert_eq!(seen(&mut rig), [b"\x00unknown"]);
        rig.give(a, &[b"user", b"\x02x"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"user", b"\x02x"]))));
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn item_36_verbose_and_verboser() {
        let mut options = SocketOptions {
            xpub_verbose: true,
            ..SocketOptions::default()
        };
        let (mut rig, [a, b]) = rig(&options);
        for id in [a, b] {
            rig.give(id, &[b"\x01x"]);
        }
        assert_eq!(seen(&mut rig), [b"\x01x", b"\x01x"]);
        rig.give(a, &[b"\x00x"]);
        assert!(!rig.can_recv());
        options.xpub_verboser = true;
        rig.pattern.configure(&mut rig.near, &options);
        rig.give(a, &[b"\x01x"]);
        rig.give(a, &[b"\x00x"]);
        assert_eq!(seen(&mut rig), [b"\x01x", b"\x00x"]);
    }

    #[test]
    fn everybody_is_not_seen() {
        let (mut rig, [_]) = rig(&SocketOptions::default());
        let id = rig.connect_everybody();
        assert!(!rig.can_recv());
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::To(id)));
        rig.disconnect(id);
        assert!(!rig.can_recv());
        assert_eq!(rig.send(&[b"x"]), Ok(Sent::Nowhere));
    }

    #[test]
    fn item_37_the_application_decides() {
        let options = SocketOptions {
            xpub_manual: true,
            ..SocketOptions::default()
        };
        let (mut rig, [a, b]) = rig(&options);
        rig.give(a, &[b"\x01A"]);
        rig.give(b, &[b"\x01B"]);
        assert_eq!(rig.recv_part().unwrap().1, b"\x01A");
        assert_eq!(rig.pattern.subscribe(b"XA"), Ok(false));
        assert_eq!(rig.recv_part().unwrap().1, b"\x01B");
        assert_eq!(rig.pattern.subscribe(b"XB"), Ok(false));
        assert_eq!(rig.send(&[b"A"]), Ok(Sent::Nowhere));
        assert_eq!(rig.send(&[b"XA"]), Ok(Sent::To(a)));
        assert_eq!(rig.send(&[b"XB"]), Ok(Sent::To(b)));
        rig.disconnect(a);
        assert_eq!(seen(&mut rig), [b"\x00A"]);
    }
}
