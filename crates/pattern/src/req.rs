// SPDX-License-Identifier: MIT OR Apache-2.0
//! REQ: asks each peer in turn and waits for the answer before it asks again.

use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Asks: one request, one reply, which must come from who was asked. Blocks in sending when nobody
/// has room, and in receiving for ever when who was asked has gone.
#[derive(Debug, Default)]
pub struct Req {
    balance: LoadBalance,
    queue: FairQueue,
    state: State,
    /// Who was asked. None: has gone.
    asked: Option<PipeId>,
    faulty: Vec<PipeId>,
    /// A new request may follow one without reply.
    relaxed: bool,
    /// Requests carry a number, and so must replies.
    correlate: bool,
    number: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request.
    #[default]
    Idle,
    /// Parts of the request have been sent and there are more.
    Asking,
    /// The request has been sent.
    Waiting,
    /// The delimiter of the reply has been taken and nothing else of it.
    Found,
    /// Parts of the reply have been given out and there are more.
    Reading,
}

impl Req {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(seed: u32) -> Self {
        Self {
            number: seed,
            ..Self::default()
        }
    }

    /// Finds the reply and takes its delimiter. Everything else is dropped.
    fn find_reply(&mut self, pipes: &mut Pipes) -> bool {
        while let Some((id, well_formed)) = self.look(pipes) {
            if well_formed && self.asked == Some(id) && self.take_envelope(pipes, id) {
                self.queue.begin();
                self.state = State::Found;
                return true;
            }
            self.queue.skip(pipes);
        }
        false
    }

    /// Takes what stands in front of a reply; whether it is one to the request.
    fn take_envelope(&self, pipes: &mut Pipes, id: PipeId) -> bool {
        let Some(pipe) = pipes.get_mut(id) else {
            return false;
        };
        if self.correlate {
            let ours = matches!(pipe.reader.peek(), Some((_, bytes)) if bytes == self.number.to_le_bytes());
            if !ours {
                return false;
            }
            pipe.reader.skip();
            if !matches!(pipe.reader.peek(), Some((true, []))) {
                return false;
            }
        }
        pipe.reader.skip()
    }

    /// What stands in front of a request.
    fn begin_request(&mut self, pipes: &mut Pipes) -> Result<(), Refusal> {
        let sent = if self.correlate {
            // contract item 28: four bytes that mean something here alone, in any order.
            let number = self.number.wrapping_add(1);
            let frame = number.to_le_bytes();
            let sent = self
                .balance
                .send(pipes, &mut Outgoing::Bytes(&frame), true)?;
            self.number = number;
            self.balance.send(pipes, &mut Outgoing::Bytes(&[]), true)?;
            sent
        } else {
            self.balance.send(pipes, &mut Outgoing::Bytes(&[]), true)?
        };
        self.asked = if let Sent::To(id) = sent {
            Some(id)
        } else {
            None
        };
        self.purge(pipes);
        Ok(())
    }

    /// The pipe with the next part of the reply.
    fn next_part(&mut self, pipes: &mut Pipes) -> Result<PipeId, Refusal> {
        if !self.can_recv(pipes) {
            let waiting = self.state == State::Waiting;
            return Err(if waiting {
                Refusal::Again
            } else {
                Refusal::State
            });
        }
        let Some(id) = self.asked else {
            return Err(Refusal::Again);
        };
        let next = pipes.get_mut(id).and_then(|pipe| pipe.reader.peek());
        let Some((more, _)) = next else {
            return Err(Refusal::Again);
        };
        if more {
            self.state = State::Reading;
        } else {
            self.state = State::Idle;
            self.asked = None;
        }
        Ok(id)
    }

    /// Drops what has come in since the last reply, lest it be taken for the next.
    fn purge(&mut self, pipes: &mut Pipes) {
        while self.look(pipes).is_some() {
            self.queue.skip(pipes);
        }
    }

    /// The pipe with the next message, and whether that begins with a delimiter and goes on. A
    /// peer whose message does not is noted.
    fn look(&mut self, pipes: &mut Pipes) -> Option<(PipeId, bool)> {
        let id = self.queue.look(pipes)?.id;
        let well_formed = match pipes.get_mut(id)?.reader.peek() {
            Some((true, [])) => !self.correlate,
            Some((true, bytes)) => self.correlate && bytes.len() == size_of::<u32>(),
            _ => false,
        };
        if !well_formed && !self.faulty.contains(&id) {
            self.faulty.push(id);
        }
        Some((id, well_formed))
    }
}

impl Pattern for Req {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.balance.attach(id);
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.balance.detach(id);
        self.queue.detach(id);
        self.faulty.retain(|&faulty| faulty != id);
        if self.asked != Some(id) {
            return;
        }
        self.asked = None;
        match self.state {
            State::Idle | State::Asking | State::Waiting => {}
            State::Found => self.state = State::Waiting,
            // The rest of the reply will not come, and nothing else would ever end this state.
            State::Reading => self.state = State::Idle,
        }
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn writable(&mut self, id: PipeId) {
        self.balance.activate(id);
    }

    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        match self.state {
            State::Idle => self.begin_request(pipes)?,
            State::Waiting if self.relaxed => self.begin_request(pipes)?,
            State::Asking => {}
            State::Waiting | State::Found | State::Reading => return Err(Refusal::State),
        }
        self.state = if more { State::Asking } else { State::Waiting };
        self.balance.send(pipes, frame, more)
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.next_part(pipes).map(Received::From)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        match self.state {
            State::Idle => self.balance.can_send(pipes),
            State::Waiting if self.relaxed => self.balance.can_send(pipes),
            State::Asking => true,
            State::Waiting | State::Found | State::Reading => false,
        }
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        match self.state {
            State::Idle | State::Asking => false,
            State::Waiting => self.find_reply(pipes),
            State::Found | State::Reading => true,
        }
    }

    fn take_faulty(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.faulty)
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.relaxed = options.req_relaxed;
        self.correlate = options.req_correlate;
    }
}

#[cfg(test)]
mod tests {
    use ferromq_pipe::PipeId;

    use super::Req;
    use crate::pattern::{Pattern, Refusal, Sent};
    use crate::testing::{Rig, parts};

    fn rig<const N: usize>() -> (Rig<Req>, [PipeId; N]) {
        Rig::with_peers(Req::new())
    }

    #[test]
    fn item_27_delimiter_is_added_and_removed() {
        let (mut rig, [a]) = rig();
        assert_eq!(rig.send(&[b"1", b"2"]), Ok(Sent::To(a)));
        assert_eq!(rig.got(a), [parts(&[b"", b"1", b"2"])]);
        rig.give(a, &[b"", b"3", b"", b"4"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"3", b"", b"4"]))));
    }

    #[test]
    fn item_27_strictly_one_after_the_other() {
        let (mut rig, [a]) = rig();
        assert_eq!(rig.recv(), Err(Refusal::State));
        assert!(rig.can_send() && !rig.can_recv());
        rig.send_part(b"1", true).unwrap();
        assert_eq!(rig.recv(), Err(Refusal::State));
        assert!(rig.can_send() && !rig.can_recv());
        rig.send_part(b"2", false).unwrap();
        assert_eq!(rig.send_message(b"3"), Err(Refusal::State));
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert!(!rig.can_send() && !rig.can_recv());
        rig.give(a, &[b"", b"4", b"5"]);
        assert_eq!(rig.send_message(b"3"), Err(Refusal::State));
        assert!(!rig.can_send() && rig.can_recv() && rig.can_recv());
        rig.recv_part().unwrap();
        assert!(!rig.can_send() && rig.can_recv());
        assert_eq!(rig.send_message(b"3"), Err(Refusal::State));
        rig.recv_part().unwrap();
        assert!(rig.can_send() && !rig.can_recv());
        assert_eq!(rig.recv(), Err(Refusal::State));
        assert_eq!(rig.send_message(b"3"), Ok(Sent::To(a)));
    }

    #[test]
    fn item_27_blocks_without_peers_and_without_room() {
        let mut rig = Rig::new(Req::new());
        assert!(!rig.can_send());
        assert_eq!(rig.send_message(b"1"), Err(Refusal::Again));
        assert_eq!(rig.recv(), Err(Refusal::State));
        let id = rig.connect(1);
        rig.send(&[b"1"]).unwrap();
        rig.give(id, &[b"", b"2"]);
        rig.recv().unwrap();
        assert_eq!(rig.send_message(b"3"), Err(Refusal::Again));
        rig.got(id);
        assert_eq!(rig.send_message(b"3"), Ok(Sent::To(id)));
        assert_eq!(rig.got(id), [parts(&[b"", b"3"])]);
    }

    #[test]
    fn item_27_round_robin() {
        let (mut rig, [a, b]) = rig();
        for id in [a, b, a, b] {
            assert_eq!(rig.send(&[b"1"]), Ok(Sent::To(id)));
            rig.give(id, &[b"", b"2"]);
            assert_eq!(rig.recv(), Ok((id, parts(&[b"2"]))));
        }
    }

    #[test]
    fn item_27_replies_from_others_are_dropped() {
        let (mut rig, [a, b]) = rig();
        rig.send(&[b"1"]).unwrap();
        rig.give(b, &[b"", b"wrong", b"wrong"]);
        rig.give(b, &[b"", b"wrong"]);
        assert!(!rig.can_recv());
        rig.give(b, &[b"", b"wrong"]);
        rig.give(a, &[b"", b"right"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"right"]))));
        assert_eq!(rig.pattern.take_faulty(), []);
    }

    #[test]
    fn item_27_stale_input_is_purged() {
        let (mut rig, [a, b]) = rig();
        rig.send(&[b"1"]).unwrap();
        rig.give(a, &[b"", b"2"]);
        rig.give(a, &[b"", b"stale"]);
        rig.give(b, &[b"", b"stale", b"too"]);
        rig.recv().unwrap();
        rig.give(b, &[b"", b"stale"]);
        assert_eq!(rig.send(&[b"3"]), Ok(Sent::To(b)));
        assert_eq!(rig.recv(), Err(Refusal::Again));
        rig.give(b, &[b"", b"4"]);
        assert_eq!(rig.recv(), Ok((b, parts(&[b"4"]))));
    }

    #[test]
    fn item_27_malformed_replies_are_dropped_and_reported() {
        let (mut rig, [a]) = rig();
        rig.send(&[b"1"]).unwrap();
        rig.give(a, &[b"id", b"", b"2"]);
        rig.give(a, &[b"2"]);
        rig.give(a, &[b""]);
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert_eq!(rig.pattern.take_faulty(), [a]);
        assert_eq!(rig.pattern.take_faulty(), []);
        rig.give(a, &[b"", b"3"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"3"]))));
    }

    #[test]
    fn item_27_waits_for_ever_for_a_peer_that_died() {
        let (mut rig, [a, b]) = rig();
        rig.send(&[b"1"]).unwrap();
        rig.give(a, &[b"", b"2"]);
        assert!(rig.can_recv());
        rig.disconnect(a);
        assert!(!rig.can_recv());
        assert_eq!(rig.connect(0), a);
        rig.give(a, &[b"", b"3"]);
        rig.give(b, &[b"", b"3"]);
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert_eq!(rig.send_message(b"4"), Err(Refusal::State));
        // Nobody gets the request again.
        assert_eq!(rig.got(a), [] as [Vec<Vec<u8>>; 0]);
        assert_eq!(rig.got(b), [] as [Vec<Vec<u8>>; 0]);
    }

    #[test]
    fn item_26_the_peer_dies_in_the_middle_of_the_request() {
        let (mut rig, [a, b]) = rig();
        rig.send_part(b"1", true).unwrap();
        rig.disconnect(a);
        assert_eq!(rig.send_message(b"2"), Ok(Sent::Nowhere));
        assert_eq!(rig.recv(), Err(Refusal::Again));
        assert_eq!(rig.got(b), [] as [Vec<Vec<u8>>; 0]);
    }

    #[test]
    fn item_26_the_peer_dies_in_the_middle_of_the_reply() {
        let (mut rig, [a, b]) = rig();
        rig.send(&[b"1"]).unwrap();
        rig.give(a, &[b"", b"2", b"3"]);
        rig.recv_part().unwrap();
        rig.disconnect(a);
        assert_eq!(rig.recv(), Err(Refusal::State));
        assert_eq!(rig.send(&[b"4"]), Ok(Sent::To(b)));
    }

    #[test]
    fn item_28_relaxed_and_correlated() {
        let options = ferromq_vocabulary::SocketOptions {
            req_relaxed: true,
            req_correlate: true,
            ..Default::default()
        };
        let (mut rig, [a]) = rig();
        rig.pattern.configure(&mut rig.near, &options);
        rig.send(&[b"1"]).unwrap();
        rig.send(&[b"2"]).unwrap();
        let asked = rig.got(a);
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0][1..], parts(&[b"", b"1"]));
        rig.give(a, &[&asked[0][0], b"", b"late"]);
        rig.give(a, &[&asked[1][0], b"", b"right"]);
        assert_eq!(rig.recv(), Ok((a, parts(&[b"right"]))));
    }
}
