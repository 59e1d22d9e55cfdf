// SPDX-License-Identifier: MIT OR Apache-2.0
//! REP: receives requests from all in turn and answers each before the next.

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_drop};

/// Answers: one request, one reply, which goes to who asked. Never blocks in sending: a reply to
/// a peer that has gone or has no room goes nowhere.
#[derive(Debug, Default)]
pub struct Rep {
    queue: FairQueue,
    state: State,
    /// Who asked. None: has gone, or will not get the rest of the reply.
    asker: Option<PipeId>,
    /// What stood before the request's empty delimiter and must stand before the reply's.
    envelope: Vec<Message>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request.
    #[default]
    Idle,
    /// The envelope of a request has been taken and nothing else of it.
    Found,
    /// Parts of the request have been given out and there are more.
    Reading,
    /// The request has been given out, nothing of the reply has been sent.
    Asked,
    /// Parts of the reply have been sent.
    Replying,
}

impl Rep {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }

    /// Finds a request and takes its envelope. What has no delimiter before its last part is
    /// dropped.
    fn find_request(&mut self, pipes: &mut Pipes) -> bool {
        loop {
            let Some(turn) = self.queue.look(pipes) else {
                return false;
            };
            if self.take_envelope(pipes, turn.id) {
                self.queue.begin();
                self.state = State::Found;
                self.asker = Some(turn.id);
                return true;
            }
            self.envelope.clear();
            self.queue.skip(pipes);
        }
    }

    fn take_envelope(&mut self, pipes: &mut Pipes, id: PipeId) -> bool {
        let Some(pipe) = pipes.get_mut(id) else {
            return false;
        };
        loop {
            match pipe.reader.peek() {
                Some((true, [])) => return pipe.reader.skip(),
                Some((true, _)) => self.envelope.extend(pipe.reader.take()),
                Some((false, _)) | None => return false,
            }
        }
    }

    /// The pipe with the next part of the request.
    fn next_part(&mut self, pipes: &mut Pipes) -> Result<PipeId, Refusal> {
        if !self.can_recv(pipes) {
            let asked = matches!(self.state, State::Asked | State::Replying);
            return Err(if asked {
                Refusal::State
            } else {
                Refusal::Again
            });
        }
        let Some(id) = self.asker else {
            return Err(Refusal::Again);
        };
        let next = pipes.get_mut(id).and_then(|pipe| pipe.reader.peek());
        let Some((more, _)) = next else {
            return Err(Refusal::Again);
        };
        self.state = if more { State::Reading } else { State::Asked };
        Ok(id)
    }

    /// The first part of a reply, behind the envelope of its request.
    fn begin_reply(&mut self, pipes: &mut Pipes) {
        let Some(id) = self.asker else { return };
        if !pipes.has_room(id) {
            count_drop(pipes, id);
            self.asker = None;
            return;
        }
        for mut message in self.envelope.drain(..) {
            pipes.push(id, &mut Outgoing::Message(&mut message), true);
        }
        pipes.push(id, &mut Outgoing::Bytes(&[]), true);
    }
}

impl Pattern for Rep {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
        if self.asker != Some(id) {
            return;
        }
        self.asker = None;
        if matches!(self.state, State::Found | State::Reading) {
            self.state = State::Idle;
            self.envelope.clear();
        }
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
        match self.state {
            State::Asked => self.begin_reply(pipes),
            State::Replying => {}
            State::Idle | State::Found | State::Reading => return Err(Refusal::State),
        }
        let to = self.asker;
        if more {
            self.state = State::Replying;
        } else {
            self.state = State::Idle;
            self.asker = None;
            self.envelope.clear();
        }
        let Some(id) = to else {
            return Ok(Sent::Nowhere);
        };
        pipes.push(id, frame, more);
        Ok(Sent::To(id))
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.next_part(pipes).map(Received::From)
    }

    fn can_send(&mut self, _: &mut Pipes) -> bool {
        matches!(self.state, State::Asked | State::Replying)
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        match self.state {
            State::Idle => self.find_request(pipes),
            State::Found | State::Reading => true,
            State::Asked | State::Replying => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use ferromq_pipe::PipeId;

    use super::Rep;
    use crate::pattern::{Refusal, Sent};
    use crate::testing::{Rig, parts};

    fn rig<const N: usize>() -> (Rig<Rep>, [PipeId; N]) {
        Rig::with_peers(Rep::new())
    }

    #[test]
    fn item_29_envelope_is_kept_and_given_back() {
        let (mut rig, [a, b]) = rig();
        rig.give(a, &[b"", b"1", b"", b"2"]);
        rig.give(b, &[b"hop 1", &[7; 5000], b"", b"3"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"1", b"", b"2"]))));
        assert_eq!(rig.send(&[b"4", b"5"]), Ok(Sent::To(a)));
        assert_eq!(rig.recv(), Ok((b, parts(&[b"3"]))));
        assert_eq!(rig.send_message(b"6"), Ok(Sent::To(b)));
        assert_eq!(rig.got(a), [parts(&[b"", b"4", b"5"])]);
        assert_eq!(rig.got(b), [parts(&[b"hop 1", &[7; 5000], b"", b"6"])]);
    }

    #[test]
    fn item_29_strictly_one_after_the_other() {
        let (mut rig, [a]) = rig();
        assert_eq!(rig.send_message(b"0"), Err(Refusal::State));
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert!(!rig.can_send() && !rig.can_recv());
        rig.give(a, &[b"", b"1", b"2"]);
        rig.give(a, &[b"", b"3"]);
        assert!(!rig.can_send() && rig.can_recv() && rig.can_recv());
        assert_eq!(rig.send_message(b"0"), Err(Refusal::State));
        rig.recv_part().unwrap();
        assert!(!rig.can_send() && rig.can_recv());
        assert_eq!(rig.send_message(b"0"), Err(Refusal::State));
        rig.recv_part().unwrap();
        assert!(rig.can_send() && !rig.can_recv());
        assert_eq!(rig.recv(), Err(Refusal::State));
        rig.send_part(b"4", true).unwrap();
        assert!(rig.can_send() && !rig.can_recv());
        assert_eq!(rig.recv(), Err(Refusal::State));
        rig.send_part(b"5", false).unwrap();
        assert_eq!(rig.send_message(b"0"), Err(Refusal::State));
        assert_eq!(rig.recv(), Ok((a, parts(&[b"3"]))));
        assert_eq!(rig.got(a), [parts(&[b"", b"4", b"5"])]);
    }

    #[test]
    fn item_29_requests_without_delimiter_are_skipped() {
        let (mut rig, [a, b]) = rig();
        rig.give(a, &[b"no delimiter"]);
        rig.give(a, &[b"one", b"two", b"three"]);
        rig.give(a, &[b""]);
        rig.give(a, &[b"id", b""]);
        assert!(!rig.can_recv());
        rig.give(a, &[b"id", b"body"]);
        rig.give(a, &[b"", b"1"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"1"]))));
        rig.give(b, &[b"lost", b"lost"]);
        rig.give(b, &[b"", b"2"]);
        assert_eq!(rig.send(&[b"3"]), Ok(Sent::To(a)));
        assert_eq!(rig.recv(), Ok((b, parts(&[b"2"]))));
        assert_eq!(rig.send(&[b"4"]), Ok(Sent::To(b)));
        assert_eq!(rig.got(a), [parts(&[b"", b"3"])]);
        assert_eq!(rig.got(b), [parts(&[b"", b"4"])]);
    }

    #[test]
    fn item_29_replies_to_vanished_peers_are_dropped() {
        let (mut rig, [a]) = rig();
        rig.give(a, &[b"", b"1"]);
        rig.recv().unwrap();
        rig.disconnect(a);
        assert_eq!(rig.connect(0), a);
        assert!(rig.can_send());
        assert_eq!(rig.send(&[b"2", b"3"]), Ok(Sent::Nowhere));
        rig.give(a, &[b"", b"4"]);
        rig.recv().unwrap();
        assert_eq!(rig.send_part(b"5", true), Ok(Sent::To(a)));
        rig.disconnect(a);
        assert_eq!(rig.connect(0), a);
        assert_eq!(rig.send_message(b"6"), Ok(Sent::Nowhere));
        assert_eq!(rig.got(a), [] as [Vec<Vec<u8>>; 0]);
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }

    #[test]
    fn item_29_replies_to_full_peers_are_dropped_whole() {
        let mut rig = Rig::new(Rep::new());
        let a = rig.connect(1);
        for _ in 0..2 {
            rig.give(a, &[b"id", b"", b"1"]);
        }
        rig.recv().unwrap();
        assert_eq!(rig.send(&[b"2"]), Ok(Sent::To(a)));
        rig.recv().unwrap();
        assert_eq!(rig.send_part(b"3", true), Ok(Sent::Nowhere));
        assert_eq!(rig.got(a), [parts(&[b"id", b"", b"2"])]);
        assert_eq!(rig.send_part(b"4", false), Ok(Sent::Nowhere));
        assert_eq!(rig.near.get(a).unwrap().dropped, 1);
        rig.give(a, &[b"", b"5"]);
        rig.recv().unwrap();
        assert_eq!(rig.send(&[b"6"]), Ok(Sent::To(a)));
        assert_eq!(rig.got(a), [parts(&[b"", b"6"])]);
    }

    #[test]
    fn item_26_a_peer_dies_half_received() {
        let (mut rig, [a, b]) = rig();
        rig.give(a, &[b"id", b"", b"1", b"2"]);
        rig.give(b, &[b"", b"3"]);
        assert!(rig.can_recv());
        rig.recv_part().unwrap();
        rig.disconnect(a);
        assert_eq!(rig.recv(), Ok((b, parts(&[b"3"]))));
        assert_eq!(rig.send(&[b"4"]), Ok(Sent::To(b)));
        assert_eq!(rig.got(b), [parts(&[b"", b"4"])]);
    }

    #[test]
    fn item_26_fair_queue_round_robin() {
        let (mut rig, [a, b]) = rig();
        for id in [a, a, b, b] {
            rig.give(id, &[b"", b"1"]);
        }
        for id in [a, b, a, b] {
            assert_eq!(rig.recv().unwrap().0, id);
            rig.send(&[b"2"]).unwrap();
        }
    }
}
