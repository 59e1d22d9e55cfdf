// SPDX-License-Identifier: MIT OR Apache-2.0
//! Listeners, and what they accept.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use ferromq_os::epoll::Interest;
use ferromq_os::stream::Stream;
use ferromq_vocabulary::{Event, MonitorEvent, SocketOptions};
use ferromq_zmtp::mechanism::Security;

use super::admission::{self, Admission};
use super::crowd::Crowd;
use super::security;
use super::session::{Origin, Session};
use super::thread::IoThread;
use crate::command::Linger;
use crate::connection::Next;
use crate::shared::SocketShared;
use crate::transport::{Bound, endpoint_of, peer_address, spare_pacing, stream_tuning};
use crate::tuning::{ACCEPT_BATCH, ACCEPT_PAUSE};

#[derive(Debug)]
pub(crate) struct Listening {
    bound: Bound,
    pub(super) socket: Arc<SocketShared>,
    options: Arc<SocketOptions>,
    pub(super) security: Option<Arc<Security>>,
    pub(super) crowd: Crowd,
}

impl IoThread {
    pub(super) fn listen(
        &mut self,
        id: u64,
        bound: Bound,
        socket: Arc<SocketShared>,
        options: Arc<SocketOptions>,
    ) {
        if self
            .handle
            .epoll
            .add(bound.listener.as_fd(), id, Interest::READ)
            .is_err()
        {
            self.context.session_ended(socket.id);
            return;
        }
        let security = security::prepare(&options, &self.context.authentication);
        self.listeners.insert(
            id,
            Listening {
                bound,
                socket,
                options,
                security: security.map(Arc::new),
                crowd: Crowd::default(),
            },
        );
    }

    pub(super) fn accept_from(&mut self, id: u64) {
        for _ in 0..ACCEPT_BATCH {
            let Some(listening) = self.listeners.get(&id) else {
                return;
            };
            match listening.bound.listener.accept() {
                Ok((stream, _)) => match admission::judge(&stream, &listening.options) {
                    Admission::Granted => self.accepted(id, stream),
                    Admission::Refused => self.turn_away(id, &stream, EPERM),
                    Admission::IfMember { user, groups } => {
                        admission::look_up(&self.handle, id, stream, user, groups);
                    }
                },
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0);
                    let endpoint = listening.bound.endpoint.clone();
                    listening
                        .socket
                        .monitor
                        .report(|| MonitorEvent::new(Event::AcceptFailed { errno }, endpoint, ""));
                    self.pause_accepting(id);
                    return;
                }
            }
        }
    }

    /// What the accept filter says of a connection.
    pub(super) fn admitted(&mut self, listener: u64, stream: Stream, granted: bool) {
        if granted {
            self.accepted(listener, stream);
        } else {
            self.turn_away(listener, &stream, EPERM);
        }
    }

    /// A connection that may not stay, for the reason of this number.
    fn turn_away(&self, listener: u64, stream: &Stream, errno: i32) {
        let Some(listening) = self.listeners.get(&listener) else {
            return;
        };
        listening.socket.monitor.report(|| {
            let remote = endpoint_of(stream.peer_name().ok().as_ref());
            let endpoint = listening.bound.endpoint.clone();
            let mut report = MonitorEvent::new(Event::AcceptFailed { errno }, endpoint, remote);
            report.bound = true;
            report
        });
    }

    /// Out of descriptors, most likely: the listener stays readable, so it must not be waited for.
    fn pause_accepting(&mut self, id: u64) {
        let Some(listening) = self.listeners.get(&id) else {
            return;
        };
        let fd = listening.bound.listener.as_fd();
        if self.handle.epoll.modify(fd, id, Interest::NONE).is_ok() {
            self.schedule_at(self.now + ACCEPT_PAUSE, id);
        }
    }

    pub(super) fn listener_timer(&mut self, id: u64) {
        let Some(listening) = self.listeners.get(&id) else {
            return;
        };
        let fd = listening.bound.listener.as_fd();
        if self.handle.epoll.modify(fd, id, Interest::READ).is_ok() {
            self.accept_from(id);
        }
    }

    fn accepted(&mut self, listener: u64, stream: Stream) {
        let Some(listening) = self.listeners.get_mut(&listener) else {
            return;
        };
        let id = self.context.next_id();
        let address = peer_address(&stream);
        if listening.socket.bans.name_address(&address) {
            self.turn_away(listener, &stream, EPERM);
            return;
        }
        if !listening.crowd.take_in(id, &address, &listening.options) {
            self.turn_away(listener, &stream, EUSERS);
            return;
        }
        let tuning = stream_tuning(&listening.options);
        // A connection whose options cannot be set is still a connection.
        stream.tune(&tuning).ok();
        let (socket, options) = (
            Arc::clone(&listening.socket),
            Arc::clone(&listening.options),
        );
        let origin = Origin::Accepted(listener);
        let mut session = Session::new(id, socket, options, origin, None);
        let fd = stream.as_raw_fd();
        session.note_ends(&stream);
        spare_pacing(&stream);
        session.stream = Some(Arc::new(stream));
        session.report(Event::Accepted { fd }, None);
        self.context.session_began(session.socket.id);
        self.insert(session);
        self.guarded(id, |thread| thread.greet(id, Vec::new()));
    }

    pub(super) fn unlisten(&mut self, id: u64, linger: Linger) {
        self.stop_listening(id);
        let accepted: Vec<u64> = self
            .sessions
            .values()
            .filter(|session| matches!(session.origin, Origin::Accepted(from) if from == id))
            .map(|session| session.id)
            .collect();
        for session in accepted {
            // What has come until now can still be received.
            self.absorb_from(session);
            if let Some(session) = self.sessions.get(&session)
                && let Some(connection) = &session.connection
            {
                connection.uninstall_rx(Next::Nothing);
            }
            self.end_for_application(session);
            self.close(session, linger);
        }
    }

    pub(super) fn stop_listening(&mut self, id: u64) {
        let Some(listening) = self.listeners.remove(&id) else {
            return;
        };
        let fd = listening.bound.listener.as_raw_fd();
        // The descriptor leaves the set when it is closed, at the latest.
        self.handle
            .epoll
            .delete(listening.bound.listener.as_fd())
            .ok();
        let endpoint = listening.bound.endpoint.clone();
        drop(listening.bound);
        let event = Event::Closed { fd };
        listening
            .socket
            .monitor
            .report(|| MonitorEvent::new(event, endpoint, ""));
        self.context.session_ended(listening.socket.id);
    }
}

/// An accept filter or a ban.
const EPERM: i32 = 1;
/// A limit of connections.
const EUSERS: i32 = 87;
