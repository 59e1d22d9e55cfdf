// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of patterns.

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::{SocketOptions, SocketType};

use crate::pattern::{Attached, Group, Pattern, Received, Refusal, Sent, Topic};
use crate::{
    Channel, Client, Dealer, Dgram, Dish, Gather, Pair, Peer, Pub, Pull, Push, Radio, Rep, Req,
    Router, Scatter, Server, Stream, Sub, Subscription, Xpub, Xsub,
};

/// Makes [`AnyPattern`] of a table: the socket type, which is also the name of its pattern.
macro_rules! patterns {
    ($($Type:ident),* $(,)?) => {
        /// The pattern of some socket type.
        // A tag of its own is read faster than one folded into a capacity.
        #[repr(u8)]
        #[derive(Debug)]
        pub enum AnyPattern {
            $(
                #[doc = concat!("See [`", stringify!($Type), "`].")]
                $Type($Type),
            )*
        }

        impl AnyPattern {
            /// The pattern of a socket type. Where peers are numbered, the numbers begin at
            /// `seed`.
            #[must_use]
            pub fn new(socket_type: SocketType, seed: u32) -> Self {
                match socket_type {
                    $(SocketType::$Type => Self::$Type($Type::with_seed(seed)),)*
                }
            }
        }

        /// Does the same with whatever it is.
        macro_rules! each {
            ($self:expr, $pattern:ident => $do:expr) => {
                match $self {
                    $(AnyPattern::$Type($pattern) => $do,)*
                }
            };
        }
    };
}

patterns! {
    Channel,
    Client,
    Dealer,
    Dgram,
    Dish,
    Gather,
    Pair,
    Peer,
    Pub,
    Pull,
    Push,
    Radio,
    Rep,
    Req,
    Router,
    Scatter,
    Server,
    Stream,
    Sub,
    Xpub,
    Xsub,
}

impl Pattern for AnyPattern {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        each!(self, pattern => pattern.attach(pipes, id))
    }

    fn detach(&mut self, pipes: &mut Pipes, id: PipeId) {
        each!(self, pattern => pattern.detach(pipes, id));
    }

    fn stop_sending(&mut self, id: PipeId) {
        each!(self, pattern => pattern.stop_sending(id));
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        each!(self, pattern => pattern.readable(id));
    }

    #[inline]
    fn writable(&mut self, id: PipeId) {
        each!(self, pattern => pattern.writable(id));
    }

    #[inline(always)]
    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        each!(self, pattern => pattern.send(pipes, frame, more))
    }

    #[inline]
    fn touched(&self) -> &[PipeId] {
        each!(self, pattern => pattern.touched())
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        each!(self, pattern => pattern.recv(pipes))
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        each!(self, pattern => pattern.can_send(pipes))
    }

    fn can_send_refused(&mut self, pipes: &mut Pipes) -> bool {
        each!(self, pattern => pattern.can_send_refused(pipes))
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        each!(self, pattern => pattern.can_recv(pipes))
    }

    fn readable_pipes(&self) -> usize {
        each!(self, pattern => pattern.readable_pipes())
    }

    fn subscription(&mut self, pipes: &mut Pipes, id: PipeId, change: Subscription<'_>) {
        each!(self, pattern => pattern.subscription(pipes, id, change));
    }

    fn drain_input(&mut self, pipes: &mut Pipes, id: PipeId) {
        each!(self, pattern => pattern.drain_input(pipes, id));
    }

    fn subscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        each!(self, pattern => pattern.subscribe(topic))
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        each!(self, pattern => pattern.unsubscribe(topic))
    }

    fn topics(&self) -> Vec<Vec<u8>> {
        each!(self, pattern => pattern.topics())
    }

    fn topics_count(&self) -> usize {
        each!(self, pattern => pattern.topics_count())
    }

    fn take_faulty(&mut self) -> Vec<PipeId> {
        each!(self, pattern => pattern.take_faulty())
    }

    fn sends_to_any(&self) -> bool {
        each!(self, pattern => pattern.sends_to_any())
    }

    fn receives_all(&self) -> bool {
        each!(self, pattern => pattern.receives_all())
    }

    fn configure(&mut self, pipes: &mut Pipes, options: &SocketOptions) {
        each!(self, pattern => pattern.configure(pipes, options));
    }

    fn identified(&mut self, pipes: &mut Pipes, id: PipeId) {
        each!(self, pattern => pattern.identified(pipes, id));
    }

    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        each!(self, pattern => pattern.find_peer(routing_id))
    }

    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        each!(self, pattern => pattern.routing_id_of(id))
    }

    fn take_closing(&mut self) -> Vec<PipeId> {
        each!(self, pattern => pattern.take_closing())
    }

    fn deliver(&mut self, id: PipeId, message: Message) {
        each!(self, pattern => pattern.deliver(id, message));
    }

    fn group(&mut self, id: PipeId, change: Group<'_>) {
        each!(self, pattern => pattern.group(id, change));
    }

    fn join(&mut self, group: &[u8]) -> Result<(), Refusal> {
        each!(self, pattern => pattern.join(group))
    }

    fn leave(&mut self, group: &[u8]) -> Result<(), Refusal> {
        each!(self, pattern => pattern.leave(group))
    }

    fn take_topics(&mut self) -> Vec<Topic> {
        each!(self, pattern => pattern.take_topics())
    }
}

#[cfg(test)]
mod tests {
    use ferromq_vocabulary::SocketType;

    use super::AnyPattern;
    use crate::pattern::{Attached, Pattern, Refusal, Sent};
    use crate::testing::{Rig, parts};

    fn rig(near: SocketType) -> Rig<AnyPattern> {
        Rig::new(AnyPattern::new(near, 1))
    }

    /// The other end of the same pipes becomes this end.
    fn turn(rig: &mut Rig<AnyPattern>, other: &mut AnyPattern) {
        std::mem::swap(&mut rig.near, &mut rig.far);
        std::mem::swap(&mut rig.pattern, other);
    }

    /// contract 1.7: what each type does when nobody is there.
    #[test]
    fn section_1_7_mute_states() {
        use Refusal::{Again, NotSupported, State, Unroutable};
        let nowhere = Ok(Sent::Nowhere);
        let table = [
            (SocketType::Pair, Err(Again), Again, false),
            (SocketType::Pub, nowhere, NotSupported, true),
            (SocketType::Sub, Err(NotSupported), Again, false),
            (SocketType::Req, Err(Again), State, false),
            (SocketType::Rep, Err(State), Again, false),
            (SocketType::Pull, Err(NotSupported), Again, false),
            (SocketType::Push, Err(Again), NotSupported, false),
            (SocketType::Dealer, Err(Again), Again, false),
            (SocketType::Router, nowhere, Again, true),
            (SocketType::Xsub, nowhere, Again, true),
            (SocketType::Xpub, nowhere, Again, true),
            (SocketType::Stream, nowhere, Again, true),
            (SocketType::Server, Err(Unroutable), Again, true),
            (SocketType::Client, Err(Again), Again, false),
            (SocketType::Radio, nowhere, NotSupported, true),
            (SocketType::Dish, Err(NotSupported), Again, true),
            (SocketType::Gather, Err(NotSupported), Again, false),
            (SocketType::Scatter, Err(Again), NotSupported, false),
            (SocketType::Peer, Err(Unroutable), Again, true),
            (SocketType::Channel, Err(Again), Again, false),
        ];
        for (socket_type, send, recv, can_send) in table {
            let mut rig = rig(socket_type);
            assert_eq!(rig.send_message(b"x"), send, "{socket_type:?}");
            assert_eq!(rig.recv(), Err(recv), "{socket_type:?}");
            assert_eq!(rig.can_send(), can_send, "{socket_type:?}");
            assert!(!rig.can_recv(), "{socket_type:?}");
        }
    }

    #[test]
    fn req_and_rep_talk() {
        let mut rig = rig(SocketType::Req);
        let id = rig.connect(0);
        let mut other = AnyPattern::new(SocketType::Rep, 1);
        assert_eq!(other.attach(&mut rig.far, id), Attached::Yes);
        for _ in 0..3 {
            rig.send(&[b"question", b""]).unwrap();
            turn(&mut rig, &mut other);
            rig.pattern.readable(id);
            assert_eq!(rig.recv(), Ok((id, parts(&[b"question", b""]))));
            rig.send(&[b"", b"answer"]).unwrap();
            turn(&mut rig, &mut other);
            rig.pattern.readable(id);
            assert_eq!(rig.recv(), Ok((id, parts(&[b"", b"answer"]))));
        }
    }

    #[test]
    fn pub_and_sub_talk() {
        let mut rig = rig(SocketType::Pub);
        let id = rig.connect(0);
        let mut other = AnyPattern::new(SocketType::Sub, 1);
        assert_eq!(other.attach(&mut rig.far, id), Attached::Yes);
        assert_eq!(other.subscribe(b"x"), Ok(true));
        for topic in other.topics() {
            rig.give(id, &[&[&[0x01], &topic[..]].concat()]);
        }
        rig.pattern.drain_input(&mut rig.near, id);
        assert_eq!(rig.send(&[b"xy", b"z"]), Ok(Sent::To(id)));
        assert_eq!(rig.send(&[b"y"]), Ok(Sent::Nowhere));
        turn(&mut rig, &mut other);
        assert_eq!(rig.recv(), Ok((id, parts(&[b"xy", b"z"]))));
        assert_eq!(rig.recv(), Err(Refusal::Again));
    }
}
