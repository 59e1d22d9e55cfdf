// SPDX-License-Identifier: MIT OR Apache-2.0
//! Listeners, and what they accept.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use ferromq_os::epoll::Interest;
use ferromq_os::stream::Stream;
use ferromq_vocabulary::{Event, MonitorEvent, SocketOptions};

use super::admission::{self, Admission};
use super::session::{Origin, Session};
use super::thread::IoThread;
use crate::command::Linger;
use crate::shared::SocketShared;
use crate::transport::{Bound, endpoint_of, peer_address, stream_tuning};
use crate::tuning::{ACCEPT_BATCH, ACCEPT_PAUSE};

#[derive(Debug)]
pub(crate) struct Listening {
    bound: Bound,
    pub(super) socket: Arc<SocketShared>,
    options: Arc<SocketOptions>,
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
        self.listeners.insert(
            id,
            Listening {
                bound,
                socket,
                options,
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
                    Admission::Refused => self.admitted(id, stream, false),
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
        const EPERM: i32 = 1;
        if granted {
            self.accepted(listener, stream);
        } else if let Some(listening) = self.listeners.get(&listener) {
            let endpoint = listening.bound.endpoint.clone();
            let event = Event::AcceptFailed { errno: EPERM };
            let remote = endpoint_of(stream.peer_name());
            listening
                .socket
                .monitor
                .report(|| MonitorEvent::new(event, endpoint, remote));
        }
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
        let Some(listening) = self.listeners.get(&listener) else {
            return;
        };
        let tuning = stream_tuning(&listening.options);
        // A connection whose options cannot be set is still a connection.
        stream.tune(&tuning).ok();
        let id = self.context.next_id();
        let (socket, options) = (
            Arc::clone(&listening.socket),
            Arc::clone(&listening.options),
        );
        let mut session = Session::new(id, socket, options, Origin::Accepted(listener), None);
        let fd = stream.as_raw_fd();
        let endpoint = listening.bound.endpoint.clone();
        session.peer_address = peer_address(&stream);
        let remote = endpoint_of(stream.peer_name());
        session.stream = Some(Arc::new(stream));
        session
            .socket
            .monitor
            .report(|| MonitorEvent::new(Event::Accepted { fd }, endpoint, remote));
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
