// SPDX-License-Identifier: MIT OR Apache-2.0
//! PULL: receives from all peers in turn.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Takes work in: one message from each peer that has one, in turn.
#[derive(Debug, Default)]
pub struct Pull {
    queue: FairQueue,
}

impl Pull {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Pull {
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
        self.queue
            .take(pipes)
            .map(Received::From)
            .ok_or(Refusal::Again)
    }

    fn can_send(&mut self, _: &mut Pipes) -> bool {
        false
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.look(pipes).is_some()
    }

    #[inline]
    fn receives_all(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Pull;
    use crate::pattern::{Pattern, Refusal};
    use crate::testing::{Random, Rig, parts};

    #[test]
    fn item_26_fair_queue_round_robin() {
        let (mut rig, [a, b, c]) = Rig::with_peers(Pull::new());
        for id in [a, b, c] {
            for number in [b"1", b"2"] {
                rig.give(id, &[number]);
            }
        }
        let from: Vec<_> = (0..6).map(|_| rig.recv().unwrap().0).collect();
        assert_eq!(from, [a, b, c, a, b, c]);
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn item_26_messages_are_not_interleaved() {
        let (mut rig, [a, b]) = Rig::with_peers(Pull::new());
        for id in [a, b] {
            rig.give(id, &[b"1", b"2", b"3"]);
            rig.give(id, &[b"4", b"5"]);
        }
        for id in [a, b] {
            assert_eq!(rig.recv(), Ok((id, parts(&[b"1", b"2", b"3"]))));
        }
        for id in [a, b] {
            assert_eq!(rig.recv(), Ok((id, parts(&[b"4", b"5"]))));
        }
    }

    #[test]
    fn item_26_empty_pipes_are_skipped_until_readable() {
        let (mut rig, [a, b, c]) = Rig::with_peers(Pull::new());
        rig.give(b, &[b"1"]);
        assert_eq!(rig.recv().unwrap().0, b);
        assert_eq!(rig.recv(), Err(Refusal::Again));
        // What arrives unreported is not looked for.
        rig.far
            .push(a, &mut ferromq_pipe::Outgoing::Bytes(b"2"), false);
        assert!(!rig.can_recv());
        rig.give(c, &[b"3"]);
        rig.pattern.readable(a);
        rig.pattern.readable(a);
        assert_eq!(rig.recv().unwrap().0, c);
        assert_eq!(rig.recv().unwrap().0, a);
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn can_recv_changes_nothing() {
        let (mut rig, [a, b]) = Rig::with_peers(Pull::new());
        assert!(!rig.can_recv());
        for id in [a, b] {
            rig.give(id, &[b"1", b"2"]);
            rig.give(id, &[b"3"]);
        }
        let mut from = Vec::new();
        while rig.can_recv() && rig.can_recv() {
            let (id, _, more) = rig.recv_part().unwrap();
            assert_eq!(rig.can_recv(), more || from.len() < 5);
            from.push(id);
        }
        assert_eq!(from, [a, a, b, b, a, b]);
    }

    #[test]
    fn item_26_a_pipe_dies_half_received() {
        let (mut rig, [a, b]) = Rig::with_peers(Pull::new());
        rig.give(a, &[b"1", b"2"]);
        rig.give(b, &[b"3", b"4"]);
        assert_eq!(rig.recv_part(), Ok((a, b"1".to_vec(), true)));
        rig.disconnect(a);
        assert_eq!(rig.recv(), Ok((b, parts(&[b"3", b"4"]))));
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn does_not_send() {
        let (mut rig, [_]) = Rig::with_peers(Pull::new());
        assert!(!rig.can_send());
        assert_eq!(rig.send(&[b"x"]), Err(Refusal::NotSupported));
    }

    /// Peers come, go and send at random: nothing is lost, nothing out of order, and nobody with
    /// a message waits for longer than one round.
    #[test]
    fn item_26_random_peers() {
        let mut random = Random(26);
        let mut rig = Rig::new(Pull::new());
        // For each peer: what was sent, what was received, and who was served since it last was.
        let mut peers = Vec::new();
        for _ in 0..20_000 {
            match random.below(16) {
                0 if peers.len() < 9 => peers.push((rig.connect(0), 0_u32, 0_u32, Vec::new())),
                1 if !peers.is_empty() => {
                    let (id, ..) = peers.swap_remove(random.below(peers.len()));
                    rig.disconnect(id);
                    peers
                        .iter_mut()
                        .for_each(|peer| peer.3.retain(|&served| served != id));
                }
                2..9 if !peers.is_empty() => {
                    let at = random.below(peers.len());
                    let (id, sent, received, served) = &mut peers[at];
                    if sent == received {
                        served.clear();
                    }
                    let parts: [&[u8]; 2] = [&sent.to_be_bytes(), b"rest"];
                    rig.give(*id, &parts[..1 + random.below(2)]);
                    *sent += 1;
                }
                9..13 => drop(rig.can_recv()),
                _ => {
                    let Ok((id, body)) = rig.recv() else {
                        assert!(peers.iter().all(|(_, sent, received, _)| sent == received));
                        continue;
                    };
                    for (other, sent, received, served) in &mut peers {
                        if *other == id {
                            assert_eq!(body[0], received.to_be_bytes());
                            *received += 1;
                            served.clear();
                        } else if sent > received {
                            served.push(id);
                            let times = served.iter().filter(|&&twice| twice == id).count();
                            assert!(times <= 2, "{id:?} has had {times} turns");
                        }
                    }
                }
            }
        }
    }
}
