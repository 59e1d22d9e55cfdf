// SPDX-License-Identifier: MIT OR Apache-2.0
//! What I/O threads and other sockets have to tell, and what is done about it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use ferromq_pattern::{Group, Pattern, Subscription};
use ferromq_pipe::{Outgoing, Peer, PipeId};
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::command::{self, Command};

use super::Socket;
use super::link::Link;
use super::receiving::{claim_commands, tell_pinged};
use crate::command::{News, Order};
use crate::connection::Extent;

impl Socket {
    /// Reads the mailbox; whether there was anything.
    pub(super) fn take_news(&mut self) -> bool {
        if !self.shared.wake.take_news() {
            return false;
        }
        self.hear_all();
        true
    }

    /// Reads the mailbox, also what is in it and has not been announced yet.
    pub(super) fn hear_all(&mut self) {
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
            News::Ended { id, .. } => {
                if let Some(id) = self.by_connection.get(&id).copied() {
                    self.end(id);
                }
            }
            News::Stopped { id, forgotten } => self.stop_connecting(id, forgotten),
            News::CheckTies | News::Passed { .. } => self.check_ties(),
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
            while self.has_commands(id) {
                self.obey(id);
                self.pattern.drain_input(&mut self.pipes, id);
            }
            self.resume_if_stalled(id);
            self.report_faulty();
        }
    }

    /// Whether commands were met on the way to a message.
    fn has_commands(&self, id: PipeId) -> bool {
        matches!(self.links.get(id.index()), Some(Some(Link::Wire(_))))
            && self
                .pipes
                .get(id)
                .is_some_and(|pipe| pipe.reader.has_commands())
    }

    /// Carries out the commands before which a pattern has stopped; whether there were any. An XPUB tells of
    /// subscriptions in their order among the messages.
    #[cold]
    pub(super) fn obey_first(&mut self) -> bool {
        if self.socket_type() != SocketType::Xpub {
            return false;
        }
        let mut any = false;
        for index in 0..self.links.len() {
            let id = self.pipes.id_at(index);
            if self.has_commands(id) {
                self.obey(id);
                any = true;
            }
        }
        any
    }

    /// Whether the pattern has something to be received.
    pub(super) fn can_recv(&mut self) -> bool {
        while !self.pattern.can_recv(&mut self.pipes) {
            if !self.obey_first() {
                return false;
            }
        }
        true
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
            drop(rx);
            self.resume_if_stalled(id);
        }
        let mut ttl = None;
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
                Ok(Command::Ping {
                    ttl: theirs,
                    context,
                }) if command.ours => {
                    ttl = Some(theirs);
                    if let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) {
                        wire.connection.post_pong(context);
                    }
                }
                // Unknown commands are ignored, as libzmq does.
                Ok(_) | Err(_) => {}
            }
        }
        if let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) {
            tell_pinged(&wire.connection, ttl.filter(|ttl| *ttl > 0));
        }
        self.flush_control(id);
    }

    /// Commands that no message would carry along.
    pub(super) fn flush_control(&mut self, id: PipeId) {
        if let Some(Some(Link::Wire(wire))) = self.links.get(id.index())
            && wire.connection.has_control()
        {
            self.pump(id, Extent::All);
        }
    }

    /// The connection will not come back: the pipe goes when its input has been received.
    fn end(&mut self, id: PipeId) {
        if !self.ending.contains(&id) {
            // What was queued for the peer has nowhere to go.
            match self.links.get(id.index()) {
                Some(Some(Link::Wire(wire))) => wire.connection.settle(),
                _ => {
                    let lost = self.lost_in_process(id);
                    self.shared.undelivered.fetch_add(lost, Relaxed);
                }
            }
            self.stop_sending(id);
        }
        self.pattern.readable(id);
        self.bury();
    }

    /// Nothing more is sent to this peer; what it has sent can still be received.
    pub(super) fn stop_sending(&mut self, id: PipeId) {
        if let Some(Link::Wire(wire)) = self.links.get_mut(id.index()).and_then(Option::as_mut) {
            wire.ending = true;
        }
        self.pattern.stop_sending(id);
        self.pipes.stop_sending(id);
        if !self.ending.contains(&id) {
            self.ending.push(id);
        }
        self.find_short_ways();
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
        self.report_faulty();
        self.find_short_ways();
    }

    /// The I/O thread stopped reading at the high-water mark: it may go on, or the application goes
    /// on itself when it has received what is there.
    pub(super) fn resume_if_stalled(&mut self, id: PipeId) {
        let Some(Link::Wire(wire)) = self.links.get(id.index()).and_then(Option::as_ref) else {
            return;
        };
        let connection = &wire.connection;
        if !connection.stalled.load(Relaxed) || !connection.stalled.swap(false, AcqRel) {
            return;
        }
        // What has a carrier is read by the I/O thread, whoever reads the rest.
        if self.shared.reads_itself && !connection.carried {
            self.heat(id);
            self.have_lease_watched();
        } else {
            connection.io.post(Order::Resume { id: connection.id });
        }
    }

    /// The kernel holds, or we do, what no edge will tell of: somebody must look, should the
    /// application stay away.
    pub(super) fn have_lease_watched(&self) {
        if self.shared.lease.watched.load(Relaxed) {
            return;
        }
        self.shared.tell_home(Order::Watch {
            socket: self.shared.id,
        });
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
        self.pipes.push(id, &mut Outgoing::Bytes(&body), false);
        if let Some(Link::Inproc(link)) = self.links.get(id.index()).and_then(Option::as_ref)
            && let Some(peer) = &link.peer
        {
            let peer = Arc::clone(peer);
            peer.tell(News::CheckTies);
        }
    }
}
