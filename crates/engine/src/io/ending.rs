// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ends of connections: lost, given up, closed; and what is still delivered then.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::fence;
use std::time::Duration;

use ferromq_os::epoll::Interest;
use ferromq_os::poll::{PollFd, poll};
use ferromq_os::stream::Stream;
use ferromq_pipe::FillFault;
use ferromq_vocabulary::{DisconnectReason, Event, ProtocolError, SocketType};
use ferromq_zmtp::handshake::Fault;

use super::greeting::reason_of;
use super::session::{Closing, State, reconnect_stop};
use super::thread::IoThread;
use super::traffic::tell_readable;
use crate::coding::Breach;
use crate::command::{Linger, News};
use crate::connection::{Absorbed, Connection, Next, Pumped};
use crate::tuning::{CLOSE_TICK, CLOSE_TICK_MAX, TRAIL_TICK};

impl IoThread {
    /// Somebody has met the end of the connection while reading or writing.
    pub(super) fn found_lost(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        match session.state {
            State::Ready => {
                let came = self.absorb_from(id);
                // The word may have been of the last connection, and this one be well.
                if came == Some(Absorbed::Empty) && !self.is_dead(id) {
                    self.register(id);
                } else {
                    self.read_ended(id, came);
                }
            }
            State::Trailing => self.trailing_event(id),
            _ => {}
        }
    }

    /// Whether the connection has been reset, or cannot be written to.
    fn is_dead(&mut self, id: u64) -> bool {
        let Some(stream) = self.sessions.get(&id).and_then(|s| s.stream.clone()) else {
            return true;
        };
        let mut fds = [PollFd::new(stream.as_raw_fd(), 0)];
        let hung_up = poll(&mut fds, Some(Duration::ZERO)).is_ok_and(|ready| ready > 0);
        hung_up || self.pump(id) == Some(Pumped::Failed)
    }

    /// Ends the connection for what a read has come to; the input that can still be read has been,
    /// unless the queue is full.
    pub(super) fn read_ended(&mut self, id: u64, came: Option<Absorbed>) {
        let wanted = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.socket.socket_type.receives());
        match came {
            Some(Absorbed::Fault(fault)) => self.give_up_for(id, fault),
            Some(Absorbed::Ended(None)) => self.lost(id, DisconnectReason::PeerClosed),
            Some(Absorbed::Ended(Some(errno))) => {
                self.lost(id, reason_of(&io::Error::from_raw_os_error(errno)));
            }
            // What those have said who have left matters to nobody.
            Some(Absorbed::Full | Absorbed::Paused) | None if !wanted => {
                self.lost(id, DisconnectReason::PeerClosed);
            }
            // The application is reading, or the queue is full: what the peer sent before it left
            // is not thrown away.
            Some(Absorbed::Full) => self.trail(id, None),
            Some(Absorbed::Paused) => self.trail(id, Some(Duration::ZERO)),
            None => self.trail(id, Some(TRAIL_TICK)),
            // A write has failed, and there is nothing to read: a reset.
            Some(Absorbed::Empty) => self.lost(id, DisconnectReason::PeerClosed),
        }
    }

    /// The peer has gone, input remains: reads on when the application has made room, or after
    /// this time.
    fn trail(&mut self, id: u64, after: Option<Duration>) {
        let at = after.map(|after| self.now + after.max(Duration::from_micros(1)));
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.retry_at = at;
        if matches!(session.state, State::Ready) {
            session.state = State::Trailing;
            session.heartbeat = None;
            if let Some(connection) = session.connection.clone() {
                session.socket.stop_telling(&connection);
                drop(connection.uninstall_tx());
                connection.trailing.store(true, Relaxed);
                // An application that has been told before and has not looked yet must see it as well.
                fence(SeqCst);
                tell_readable(&session.socket, &connection);
            }
            self.unwatch(id);
        }
        self.schedule(id);
    }

    pub(super) fn trailing_event(&mut self, id: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.retry_at = None;
        }
        let came = self.absorb_from(id);
        self.read_ended(id, came);
    }

    /// The peer has done what it may not.
    pub(super) fn give_up_for(&mut self, id: u64, breach: Breach) {
        match breach {
            Breach::Limit(FillFault::TooLarge) | Breach::Traffic(Fault::FrameTooLarge) => {
                self.give_up(id, DisconnectReason::TooLarge);
            }
            Breach::Limit(FillFault::OutOfMemory) | Breach::Traffic(Fault::OutOfMemory) => {
                self.lost(id, DisconnectReason::Local);
            }
            Breach::Traffic(fault) => self.traffic_failed(id, fault),
        }
    }

    /// contract 3.8: "violation -> INVALID_SEQUENCE, connection dropped", told as a failed handshake.
    fn traffic_failed(&mut self, id: u64, fault: Fault) {
        let error = fault
            .protocol_error()
            .unwrap_or(ProtocolError::ZmtpUnspecified);
        let reason = DisconnectReason::Protocol(error);
        if let Some(session) = self.sessions.get(&id) {
            session.report(Event::HandshakeFailedProtocol { error }, Some(reason));
        }
        self.give_up(id, reason);
    }

    /// The peer has broken a rule of the pattern.
    pub(super) fn fault(&mut self, id: u64) {
        self.lost(
            id,
            DisconnectReason::Protocol(ProtocolError::ZmtpUnspecified),
        );
    }

    /// A fault in our own code, or in the system: this connection ends.
    pub(super) fn abandon(&mut self, id: u64, reason: DisconnectReason) {
        if self.stations.contains_key(&id) {
            self.remove_station(id);
        } else {
            self.give_up(id, reason);
        }
    }

    /// The connection has ended; a connecting side tries again.
    pub(super) fn lost(&mut self, id: u64, reason: DisconnectReason) {
        self.end(id, reason, true);
    }

    /// The connection has ended, and there is no point in trying again.
    pub(super) fn give_up(&mut self, id: u64, reason: DisconnectReason) {
        self.end(id, reason, false);
    }

    fn end(&mut self, id: u64, reason: DisconnectReason, again: bool) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let was_ready = matches!(session.state, State::Ready | State::Trailing);
        let was_greeting = matches!(session.state, State::Greeting(_));
        session.heartbeat = None;
        session.patience = None;
        let stop = (!was_ready && session.stops_after(reconnect_stop::HANDSHAKE))
            || (session.stops_after(reconnect_stop::DISCONNECT)
                && session.socket.disconnected.load(Relaxed));
        let forgotten = again && (was_ready || !session.stops_after(reconnect_stop::HANDSHAKE));
        let again = again && session.connects() && !stop && session.options.reconnect_ivl > 0;
        let keeps_pipe = again && !session.options.immediate;
        let last_word = if was_ready { session.last_word() } else { None };
        if was_ready
            && session.has_heard()
            && let Some(outbound) = session.outbound()
        {
            outbound.backoff = None;
        }
        if let Some(connection) = session.connection.clone() {
            // First, lest a topic that changes now is told to the next connection twice.
            session.socket.stop_telling(&connection);
            if let Some(stream) = &session.stream {
                connection.doubt_unsent(stream);
            }
            drop(connection.uninstall_tx());
            connection.uninstall_rx(match (keeps_pipe, session.socket.socket_type) {
                (true, SocketType::Xpub) => Next::SupersedesMany,
                (true, socket_type) if !socket_type.receives() => Next::Supersedes,
                (false, _) if last_word.is_none() => Next::Nothing,
                _ => Next::Follows,
            });
            if let Some(body) = last_word {
                connection.slip_in(&body);
                tell_readable(&session.socket, &connection);
            }
            if !keeps_pipe {
                drop(connection.give_up());
            }
            session.socket.connections().remove(&id);
        }
        if !keeps_pipe {
            self.end_for_application(id);
        }
        if !again {
            self.tell_stopped(id, forgotten);
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        // Not before: what is sent by somebody who has seen this must not go to the lost peer.
        if (was_ready || was_greeting)
            && let Some(stream) = &session.stream
        {
            session.report(
                Event::Disconnected {
                    fd: stream.as_raw_fd(),
                },
                Some(reason),
            );
        }
        session.peer_routing_id = None;
        if let Some(stream) = session.stream.take() {
            self.forget_descriptor(id, &stream);
        }
        self.unwatch(id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.registered = None;
        let nothing_left = |connection: &Arc<Connection>| connection.wait_tx().drain.is_drained();
        // A closing session tries again only for what is left to deliver.
        let is_over =
            session.closing.is_some() && session.connection.as_ref().is_none_or(nothing_left);
        if again && !is_over {
            if !keeps_pipe {
                session.connection = None;
            }
            self.wait_to_connect(id);
        } else {
            self.remove(id);
        }
    }

    /// Takes a descriptor out of the sets it is in: others may still hold it open.
    pub(super) fn forget_descriptor(&mut self, id: u64, stream: &Arc<Stream>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.registered.take().is_some() {
            self.handle.epoll.delete(stream.as_fd()).ok();
        }
        session.socket.stop_waiting_for(stream);
        // Dead for whoever still holds it.
        stream.shutdown_both().ok();
    }

    /// Tells the application that this pipe will not come back.
    pub(super) fn end_for_application(&self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if let (None, Some(connection)) = (&session.closing, &session.connection) {
            let leaves_nothing = !session.socket.socket_type.receives() || {
                let rx = connection.wait_rx();
                rx.fill.waiting() == 0 && rx.fill.unclaimed() == 0
            };
            session.socket.tell_ended(id, leaves_nothing);
        }
    }

    /// Tells the application that there will be no connection to this endpoint any more, unless it connects anew.
    pub(super) fn tell_stopped(&self, id: u64, forgotten: bool) {
        if let Some(session) = self.sessions.get(&id)
            && session.connects()
            && session.closing.is_none()
        {
            session.socket.tell(News::Stopped { id, forgotten });
        }
    }

    // ---- linger --------------------------------------------------------------------------------

    pub(super) fn close_socket(&mut self, socket: u64, linger: Linger) {
        let listeners: Vec<u64> = self
            .listeners
            .iter()
            .filter(|(_, listening)| listening.socket.id == socket)
            .map(|(id, _)| *id)
            .collect();
        for id in listeners {
            self.stop_listening(id);
        }
        for id in self.stations_of(socket) {
            self.close_station(id, linger);
        }
        self.drop_lease(socket);
        let sessions: Vec<u64> = self
            .sessions
            .values()
            .filter(|session| session.socket.id == socket)
            .map(|session| session.id)
            .collect();
        for id in sessions {
            self.close(id, linger);
        }
    }

    /// The application has let go of this connection: delivers what is queued, then ends it.
    pub(super) fn close(&mut self, id: u64, linger: Linger) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let deadline = match linger {
            Linger::Forever => None,
            Linger::For(time) => Some(self.now + time),
        };
        let closing = Closing {
            deadline,
            look_at: None,
            tick: CLOSE_TICK,
            shut: false,
        };
        session.closing = Some(Box::new(closing));
        session.heartbeat = None;
        self.unwatch(id);
        self.schedule(id);
        self.guarded(id, |thread| thread.go_on_closing(id));
    }

    pub(super) fn end_linger(&mut self, id: u64) {
        self.finish_close(id);
    }

    /// A closing session: is it done, and if not, what does it wait for?
    pub(super) fn go_on_closing(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(closing) = session.closing.as_mut() {
            closing.look_at = None;
        }
        let session = &*session;
        let Some(connection) = session.connection.clone() else {
            self.finish_close(id);
            return;
        };
        let hopeless = session
            .closing
            .as_ref()
            .is_some_and(|closing| closing.deadline.is_some_and(|at| at <= self.now));
        // The application has let go: nobody else holds this lock for long.
        let left = !connection.wait_tx().drain.is_drained();
        match session.state {
            State::Ready => self.close_ready(id),
            // Nothing to deliver, or nobody to deliver to in time.
            _ if !left || hopeless => self.finish_close(id),
            State::Trailing => self.lost(id, DisconnectReason::Local),
            State::Resolving
            | State::Connecting
            | State::Proxying(_)
            | State::Greeting(_)
            | State::Waiting => {}
        }
    }

    fn close_ready(&mut self, id: u64) {
        match self.pump(id) {
            Some(Pumped::Drained) => self.shut(id),
            Some(Pumped::Failed) => {
                // A connecting side would try again for what is left; the rest is lost.
                self.lost(id, DisconnectReason::PeerClosed);
            }
            Some(Pumped::Blocked) => self.want(id, Interest::WRITE | Interest::READ),
            // Others have their turn first.
            Some(Pumped::Paused) => self.look_at_closing(id, Duration::from_micros(1)),
            Some(Pumped::Offline) | None => self.tick_closing(id),
        }
        self.discard_input(id);
    }

    /// Everything has been written: waits until the peer has it, for unread input would make the
    /// kernel throw it away with a reset.
    fn shut(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(stream) = session.stream.clone() else {
            return;
        };
        let Some(closing) = session.closing.as_mut() else {
            return;
        };
        if !closing.shut {
            closing.shut = true;
            // If that fails the connection is gone, which the next read shows.
            stream.shutdown_write().ok();
        }
        self.discard_input(id);
        // What a reset leaves unsent stays so.
        let is_reset = stream.peer_name().is_err();
        if !is_reset && stream.unsent().is_ok_and(|unsent| unsent > 0) {
            self.tick_closing(id);
        } else {
            self.discard_input(id);
            self.finish_close(id);
        }
    }

    fn tick_closing(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(closing) = session.closing.as_mut() else {
            return;
        };
        let tick = closing.tick;
        closing.tick = (tick * 2).min(CLOSE_TICK_MAX);
        self.look_at_closing(id, tick);
    }

    fn look_at_closing(&mut self, id: u64, after: Duration) {
        let at = self.now + after;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(closing) = session.closing.as_mut() {
            closing.look_at = Some(at);
            self.schedule(id);
        }
    }

    /// Reads and forgets what the peer still sends.
    fn discard_input(&mut self, id: u64) {
        let Some(stream) = self.sessions.get(&id).and_then(|s| s.stream.clone()) else {
            return;
        };
        for _ in 0..64 {
            match stream.recv(&mut self.scratch) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// The end of a closing session.
    fn finish_close(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(connection) = session.connection.take() {
            session.socket.stop_telling(&connection);
            if let Some(stream) = &session.stream {
                connection.doubt_unsent(stream);
            }
            drop(connection.give_up());
            connection.uninstall_rx(Next::Nothing);
            session.socket.connections().remove(&id);
        }
        let was_ready = matches!(session.state, State::Ready | State::Trailing);
        if let Some(stream) = session.stream.take() {
            if was_ready {
                let event = Event::Disconnected {
                    fd: stream.as_raw_fd(),
                };
                session.report(event, Some(DisconnectReason::Local));
            }
            self.forget_closed(id, &stream);
        }
        self.remove(id);
    }

    /// As [`forget_descriptor`](Self::forget_descriptor), without cutting what the kernel still
    /// delivers.
    fn forget_closed(&mut self, id: u64, stream: &Arc<Stream>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.registered.take().is_some() {
            self.handle.epoll.delete(stream.as_fd()).ok();
        }
        session.socket.stop_waiting_for(stream);
    }
}
