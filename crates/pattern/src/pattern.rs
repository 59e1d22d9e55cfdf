// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket and its pattern say to each other.

use std::fmt::Debug;

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes, Reader};
use ferromq_vocabulary::SocketOptions;

use crate::Subscription;

/// How a socket type routes messages over its pipes.
///
/// The pipes belong to the caller, who moves bytes at their other ends. It reports what changes
/// ([`attach`](Self::attach), [`detach`](Self::detach), [`readable`](Self::readable),
/// [`writable`](Self::writable)) and asks for the rest.
///
/// A pattern tells by [`Reader::is_mid_message`] whether a message has been taken to its end: the
/// caller takes from the readers of attached pipes only the frames it was told to take.
pub trait Pattern: Debug + Send {
    /// A pipe has been added.
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached;

    /// A pipe is about to be removed. A message half received on it is given up; of one half sent
    /// the remaining parts are swallowed.
    fn detach(&mut self, pipes: &mut Pipes, id: PipeId);

    /// The peer of a pipe has gone: nothing more goes to it, and of a message half sent the remaining parts are
    /// swallowed. What it has sent is still received; then comes [`detach`](Self::detach).
    fn stop_sending(&mut self, id: PipeId) {
        let _ = id;
    }

    /// There is new input in a pipe.
    fn readable(&mut self, id: PipeId);

    /// There is room again in a pipe, or may be.
    fn writable(&mut self, id: PipeId);

    /// Sends one part of a message. If it is not refused, a message has been moved out of `frame`,
    /// wherever it went.
    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal>;

    /// The pipes reached by the last send that went to [`Sent::Many`].
    fn touched(&self) -> &[PipeId] {
        &[]
    }

    /// Finds the next part of a message. [`Refusal::Again`]: no whole message is there.
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal>;

    /// Whether a send would go through now.
    fn can_send(&mut self, pipes: &mut Pipes) -> bool;

    /// Whether the message that was refused last would go through now, where that is another
    /// question: a type that names its peers waits for room with one of them.
    fn can_send_refused(&mut self, pipes: &mut Pipes) -> bool {
        self.can_send(pipes)
    }

    /// Whether a receive would find something now. Messages that the application will never see
    /// are dropped on the way.
    fn can_recv(&mut self, pipes: &mut Pipes) -> bool;

    /// In how many pipes there may be something to receive, where peers take turns.
    fn readable_pipes(&self) -> usize {
        0
    }

    /// The peer at the other end of a pipe has changed its subscriptions.
    fn subscription(&mut self, pipes: &mut Pipes, id: PipeId, change: Subscription<'_>) {
        let _ = (pipes, id, change);
    }

    /// Reads what waits in a pipe whose messages are for the pattern and not for the application:
    /// subscriptions of peers that send them as messages.
    fn drain_input(&mut self, pipes: &mut Pipes, id: PipeId) {
        let _ = (pipes, id);
    }

    /// Subscribes. True: the first time, so that the publishers must be told.
    fn subscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        let _ = topic;
        Err(Refusal::NotSupported)
    }

    /// Takes one subscription back. True: it was the last of its kind, so that the publishers must
    /// be told. It is no error if there was none.
    fn unsubscribe(&mut self, topic: &[u8]) -> Result<bool, Refusal> {
        let _ = topic;
        Err(Refusal::NotSupported)
    }

    /// What is subscribed to, each topic once: what a new publisher is told.
    fn topics(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// How many different topics are subscribed to.
    fn topics_count(&self) -> usize {
        0
    }

    /// Pipes whose peers broke the rules of the pattern since the last call, each once: their
    /// connections are to be ended.
    fn take_faulty(&mut self) -> Vec<PipeId> {
        Vec::new()
    }

    /// Whether a message goes to whichever peer there is: with one peer, and no message half sent,
    /// the caller may put it into its pipe without asking.
    fn sends_to_any(&self) -> bool {
        false
    }

    /// Whether every message of every peer is received: with one peer, and no message half
    /// received, the caller may take it from its pipe without asking.
    fn receives_all(&self) -> bool {
        false
    }

    /// The options have changed, or are told for the first time.
    fn configure(&mut self, pipes: &mut Pipes, options: &SocketOptions) {
        let _ = (pipes, options);
    }

    /// The peer of an attached pipe has introduced itself, for the first time or again: see
    /// [`Pipe::peer`](ferromq_pipe::Pipe::peer).
    fn identified(&mut self, pipes: &mut Pipes, id: PipeId) {
        let _ = (pipes, id);
    }

    /// The pipe of a peer by its routing id; that of types with numbers is the number, big-endian.
    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        let _ = routing_id;
        None
    }

    /// The routing id under which a pipe's peer is found; empty if there is none.
    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        let _ = id;
        &[]
    }

    /// Pipes to be closed since the last call, each once: what is queued for them goes out first.
    fn take_closing(&mut self) -> Vec<PipeId> {
        Vec::new()
    }

    /// A message of this side's own is to be received as if it had come from a pipe.
    fn deliver(&mut self, id: PipeId, message: Message) {
        let _ = id;
        drop(message);
    }

    /// The peer at the other end of a pipe has joined or left a group.
    fn group(&mut self, id: PipeId, change: Group<'_>) {
        let _ = (id, change);
    }

    /// Joins a group.
    fn join(&mut self, group: &[u8]) -> Result<(), Refusal> {
        let _ = group;
        Err(Refusal::NotSupported)
    }

    /// Leaves a group.
    fn leave(&mut self, group: &[u8]) -> Result<(), Refusal> {
        let _ = group;
        Err(Refusal::NotSupported)
    }

    /// Changes of subscriptions that sends have made since the last call ([`Sent::Topic`]), in
    /// order; each is for all publishers.
    fn take_topics(&mut self) -> Vec<Topic> {
        Vec::new()
    }
}

/// Whether a pattern has taken a pipe on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Attached {
    /// It has.
    Yes,
    /// It has peers enough: the connection is to be ended.
    Refused,
}

/// Where a part of a message has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Into one pipe.
    To(PipeId),
    /// Into those pipes that [`Pattern::touched`] names.
    Many,
    /// Dropped, as the pattern demands.
    Nowhere,
    /// It was a change of subscriptions: see [`Pattern::take_topics`].
    Topic,
}

/// A change of the groups a peer has joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group<'a> {
    /// One more.
    Join(&'a [u8]),
    /// One less.
    Leave(&'a [u8]),
}

/// A change of subscriptions for all publishers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// What messages begin with.
    pub topic: Vec<u8>,
    /// Whether it is subscribed to, or no longer.
    pub add: bool,
    /// Whether it was not so before; else this is said again.
    pub news: bool,
}

/// Where the next part of a message is.
#[derive(Debug)]
pub enum Received {
    /// At the front of this pipe's reader: the caller takes exactly one frame from it, now.
    From(PipeId),
    /// It is the routing id of this pipe's peer ([`Pattern::routing_id_of`]). What follows is the
    /// message itself.
    Name(PipeId),
    /// Here: the pattern has made it.
    Own(Message),
    /// Here: the pattern has made it, and it tells of this pipe's peer. What follows is the
    /// message itself.
    Head(PipeId, Message),
    /// Here: the pattern has taken it from this pipe's reader.
    Made(PipeId, Message),
}

/// Why something was not done. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not now (EAGAIN).
    Again,
    /// Not in this state (EFSM).
    State,
    /// Not with this socket type (ENOTSUP).
    NotSupported,
    /// Not with this argument (EINVAL).
    Invalid,
    /// There is no such peer (EHOSTUNREACH).
    Unroutable,
}

/// Drops the message at the front, or what is left of it; only when the reader is ready.
pub(crate) fn skip_message(reader: &mut Reader) {
    while reader.skip() && reader.is_mid_message() {}
}

/// Counts a message that found a pipe full.
pub(crate) fn count_stall(pipes: &mut Pipes, id: PipeId) {
    if let Some(pipe) = pipes.get_mut(id) {
        pipe.stalls += 1;
    }
}

/// Counts a message that was dropped because a pipe was full.
pub(crate) fn count_drop(pipes: &mut Pipes, id: PipeId) {
    if let Some(pipe) = pipes.get_mut(id) {
        pipe.stalls += 1;
        pipe.dropped += 1;
    }
}
