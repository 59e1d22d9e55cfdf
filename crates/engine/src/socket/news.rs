// SPDX-License-Identifier: MIT OR Apache-2.0
//! What I/O threads and other sockets have to tell, and what is done about it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use ferromq_pattern::{Group, Pattern, Subscription};
use ferromq_pipe::{Peer, PipeId};
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::command::{self, Command};

use super::Socket;
use super::link::Link;
use super::receiving::claim_commands;
use crate::command::{News, Order};

impl Socket {
    /// Reads the mailbox.
    pub(super) fn take_news(&mut self) {
        if !self.shared.wake.take_news() {
            return;
        }
        for news in self.shared.news.take_all() {
            self.hear(news);
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Attach { pipe, connection } => self.attach(pipe, connection),
            News::AttachInproc { pipe, tie } => {
                self.attach_inproc(pipe, tie);
                self.check_ties();
            }
            News::Ready { id, peer } => {
                if let Some(id) = self.by_connection.get(&id).copied() {
                    if let Some(pipe) = self.pipes.get_mut(id) {
                        let assigned_id = std::mem::take(&mut pipe.peer.assigned_id);
                        pipe.peer = Peer {
                            assigned_id,
                            ..peer
                        };
                    }
                    self.pattern.identified(&mut self.pipes, id);
                    self.pattern.writable(id);
                    self.heat(id);
                }
            }
            News::Readable { id } => {
                if let Some(id) = self.by_connection.get(&id).copied() {
                    self.input_arrived(id);
                }
            }
            News::Writable { id } => {
                if let Some(id) = self.by_connection.get(&id).copied() {
                    if let Some(pipe) = self.pipes.get_mut(id) {
                        pipe.refresh();
                    }
                    self.pattern.writable(id);
                }
            }
            News::Hiccup { id } => {
                if let Some(id) = self.by_connection.get(&id).copied() {
                    self.say_hiccup(id);
                }
            }
            News::Ended { id } => {
                if let Some(id) = self.by_connection.get(&id).copied() {
                    self.end(id);
                }
            }
            News::CheckTies => self.check_ties(),
        }
    }

    /// The I/O thread has read something.
    fn input_arrived(&mut self, id: PipeId) {
        if let Some(Link::Wire(wire)) = self.links.get(id.index()).and_then(Option::as_ref) {
            wire.connection.announced.store(false, Release);
            // Pairs with the fence of whoever announces: what comes after this is announced again.
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        }
        self.heat(id);
        self.examine(id);
        self.pattern.readable(id);
    }

    /// Looks at a pipe's fresh input: commands, and what a publisher is told.
    pub(super) fn examine(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else {
            return;
        };
        pipe.reader.is_ready();
        self.obey(id);
        if self.takes_input_in() {
            self.pattern.drain_input(&mut self.pipes, id);
            self.resume_if_stalled(id);
        }
    }

    /// Carries out the commands that have come on a pipe.
    #[cold]
    pub(super) fn obey(&mut self, id: PipeId) {
        if let (Some(Some(Link::Wire(wire))), Some(pipe)) =
            (self.links.get(id.index()), self.pipes.get_mut(id))
            && pipe.reader.has_commands()
        {
            let mut rx = wire.connection.wait_rx();
            claim_commands(&mut pipe.reader, &mut rx.fill, &mut self.commands);
        }
        for command in std::mem::take(&mut self.commands) {
            match command::parse(&command.body) {
                Ok(Command::Subscribe(topic)) => {
                    self.pattern
                        .subscription(&mut self.pipes, id, Subscription::Subscribe(topic));
                }
                Ok(Command::Cancel(topic)) => {
                    self.pattern
                        .subscription(&mut self.pipes, id, Subscription::Cancel(topic));
                }
                Ok(Command::Join(group)) => self.pattern.group(id, Group::Join(group)),
                Ok(Command::Leave(group)) => self.pattern.group(id, Group::Leave(group)),
                Ok(Command::Ping { ttl, context }) if command.ours => {
                    self.answer_ping(id, ttl, context);
                }
                // Unknown commands are ignored, as libzmq does.
                Ok(_) | Err(_) => {}
            }
        }
        self.flush_control(id);
    }

    fn answer_ping(&self, id: PipeId, ttl: u16, context: &[u8]) {
        let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) else {
            return;
        };
        let connection = &wire.connection;
        connection.post_control(|lane| command::pong(context, lane));
        if ttl > 0 {
            connection.io.post(Order::Pinged {
                id: connection.id,
                ttl,
            });
        }
    }

    /// Commands that no message would carry along.
    pub(super) fn flush_control(&mut self, id: PipeId) {
        if let Some(Some(Link::Wire(wire))) = self.links.get(id.index())
            && wire.connection.has_control()
        {
            self.pump(id);
        }
    }

    /// The connection will not come back: the pipe goes when its input has been received.
    fn end(&mut self, id: PipeId) {
        if let Some(Link::Wire(wire)) = self.links.get_mut(id.index()).and_then(Option::as_mut) {
            wire.ending = true;
        }
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.stop_sending();
        }
        if !self.ending.contains(&id) {
            self.ending.push(id);
        }
        self.pattern.readable(id);
        self.bury();
    }

    /// Removes pipes that have ended and have nothing left to be received.
    pub(super) fn bury(&mut self) {
        if self.ending.is_empty() {
            return;
        }
        let receives = self.socket_type().receives() && !self.takes_input_in();
        for id in self.ending.clone() {
            let left = self
                .pipes
                .get_mut(id)
                .is_some_and(|pipe| receives && pipe.reader.is_ready());
            if !left {
                // What was queued for the peer has nowhere to go.
                let lost = self
                    .pipes
                    .get(id)
                    .map_or(0, |pipe| pipe.writer.messages() - pipe.writer.taken());
                self.shared.undelivered.fetch_add(lost, Relaxed);
                self.say_goodbye(id);
                self.detach(id);
            }
        }
    }

    /// Peers in this process: some may have bound, some may have closed.
    pub(super) fn check_ties(&mut self) {
        let ids: Vec<PipeId> = self.pipes.ids().collect();
        for id in ids {
            let Some(Link::Inproc(link)) = self.links.get_mut(id.index()).and_then(Option::as_mut)
            else {
                continue;
            };
            let mut come = false;
            if link.peer.is_none() {
                link.peer = link.tie.other(&self.shared);
                come = link.peer.is_some();
            }
            let tie = Arc::clone(&link.tie);
            let closed = tie.is_closed();
            let peer = link.peer.clone();
            if come {
                let routing_id = link.tie.binder_id();
                self.introduce(id, routing_id);
            }
            if let Some(pipe) = self.pipes.get_mut(id) {
                let limit = tie.limit(pipe.peer.connected);
                if limit != pipe.limit() && pipe.limit() != 0 {
                    pipe.set_high_water_mark(limit);
                    self.pattern.writable(id);
                }
            }
            if let (true, Some(peer)) = (come, peer) {
                // What was sent before the name was bound has been waiting for this.
                peer.wake.notify(ferromq_pipe::interest::IN);
            }
            if self.takes_input_in() {
                self.pattern.drain_input(&mut self.pipes, id);
            }
            if closed {
                self.end(id);
            }
        }
        self.find_short_ways();
    }

    /// The I/O thread stopped reading at the high-water mark: it may go on.
    pub(super) fn resume_if_stalled(&self, id: PipeId) {
        if let Some(Link::Wire(wire)) = self.links.get(id.index()).and_then(Option::as_ref)
            && wire.connection.stalled.load(Relaxed)
            && wire.connection.stalled.swap(false, AcqRel)
        {
            wire.connection.io.post(Order::Resume {
                id: wire.connection.id,
            });
        }
    }

    /// A new peer in this process is told the topics, as messages: there are no commands there.
    pub(super) fn subscribe_inproc(&mut self, id: PipeId) {
        if !matches!(
            self.socket_type(),
            SocketType::Sub | SocketType::Xsub | SocketType::Dish
        ) {
            return;
        }
        for topic in self.pattern.topics() {
            self.tell_topic(id, &topic, true);
        }
    }

    pub(super) fn tell_topic(&mut self, id: PipeId, topic: &[u8], add: bool) {
        let body = if self.socket_type() == SocketType::Dish {
            let name = if add { &b"\x04JOIN"[..] } else { b"\x05LEAVE" };
            [name, topic].concat()
        } else {
            [&[u8::from(add)], topic].concat()
        };
        let Some((pipe, pool)) = self.pipes.with_pool(id) else {
            return;
        };
        pipe.writer.append(pool, &body, false);
        if let Some(Link::Inproc(link)) = self.links.get(id.index()).and_then(Option::as_ref)
            && let Some(peer) = &link.peer
        {
            let peer = Arc::clone(peer);
            peer.tell(News::CheckTies);
        }
    }
}
