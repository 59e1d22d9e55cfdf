// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake on a real connection, up to one that is ready for traffic.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ferromq_message::MetadataBuilder;
use ferromq_os::epoll::Interest;
use ferromq_pipe::{Peer, Pipe, inbound, outbound};
use ferromq_vocabulary::{DisconnectReason, Event, MonitorEvent, SocketType};
use ferromq_zmtp::handshake::{self, Fault, Handshake, Local, Version};
use ferromq_zmtp::heartbeat::Heartbeat;

use super::session::{Session, State};
use super::thread::IoThread;
use crate::command::News;
use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::transport::endpoint_of;
use ferromq_vocabulary::SocketOptions;

impl IoThread {
    /// Begins the handshake on a fresh connection.
    pub(super) fn greet(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.socket.socket_type == SocketType::Stream {
            let peer = handshake::Peer {
                version: Version::V3_1,
                socket_type: None,
                routing_id: Vec::new(),
                properties: Default::default(),
            };
            self.begin_traffic(id, &peer, &[]);
            return;
        }
        let mut local = Local::new(session.socket.socket_type);
        local.routing_id.clone_from(&session.options.routing_id);
        let metadata = session.options.metadata.iter();
        local.metadata = metadata
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        session.state = State::Greeting(Box::new(Handshake::new(local)));
        let limit = u64::try_from(session.options.handshake_ivl).unwrap_or(0);
        session.handshake_deadline = (limit > 0).then(|| self.now + Duration::from_millis(limit));
        self.schedule(id);
        self.greeting_event(id);
    }

    /// Writes what is ours to say, reads what is theirs.
    pub(super) fn greeting_event(&mut self, id: u64) {
        match self.step(id) {
            Step::More(interest) => self.want(id, interest),
            Step::Done(rest) => self.ready(id, &rest),
            Step::Fault(fault) => self.greeting_failed(id, fault),
            Step::Ended(reason) => self.greeting_ended(id, reason),
            Step::Gone => {}
        }
    }

    fn step(&mut self, id: u64) -> Step {
        let scratch = &mut self.scratch;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Gone;
        };
        let (State::Greeting(handshake), Some(stream)) = (&mut session.state, &session.stream)
        else {
            return Step::Gone;
        };
        loop {
            while !handshake.transmit().is_empty() {
                match stream.send(handshake.transmit()) {
                    Ok(sent) => handshake.transmitted(sent),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Step::More(Interest::READ | Interest::WRITE);
                    }
                    Err(error) => return Step::Ended(reason_of(&error)),
                }
            }
            if handshake.is_done() {
                return Step::Done(Vec::new());
            }
            // One read at a time, and short ones: what follows READY must fit where it goes.
            let read = match stream.recv(&mut scratch[..4096]) {
                Ok(0) => return Step::Ended(DisconnectReason::PeerClosed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Step::More(Interest::READ);
                }
                Err(error) => return Step::Ended(reason_of(&error)),
            };
            match handshake.handle_input(&scratch[..read]) {
                Err(fault) => return Step::Fault(fault),
                // What is ours has been said before what follows theirs can be there.
                Ok(used) if used < read => {
                    while !handshake.transmit().is_empty() {
                        match stream.send(handshake.transmit()) {
                            Ok(sent) => handshake.transmitted(sent),
                            Err(error) => return Step::Ended(reason_of(&error)),
                        }
                    }
                    return Step::Done(scratch[used..read].to_vec());
                }
                Ok(_) => {}
            }
        }
    }

    pub(super) fn handshake_timed_out(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        const ETIMEDOUT: i32 = 110;
        session.report(Event::HandshakeFailedNoDetail { errno: ETIMEDOUT }, None);
        self.lost(id, DisconnectReason::HandshakeTimeout);
    }

    fn greeting_ended(&mut self, id: u64, reason: DisconnectReason) {
        const EPIPE: i32 = 32;
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let errno = if let DisconnectReason::Io(errno) = reason {
            errno
        } else {
            EPIPE
        };
        session.report(Event::HandshakeFailedNoDetail { errno }, Some(reason));
        self.lost(id, reason);
    }

    fn greeting_failed(&mut self, id: u64, fault: Fault) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let error = fault.protocol_error();
        let event = match (fault, error) {
            (
                Fault::PeerError {
                    status: Some(status),
                },
                _,
            ) => Some(Event::HandshakeFailedAuth {
                status: u32::from(status),
            }),
            (_, Some(error)) => Some(Event::HandshakeFailedProtocol { error }),
            (_, None) => None,
        };
        let reason = error.map_or(DisconnectReason::PeerClosed, DisconnectReason::Protocol);
        if let Some(event) = event {
            session.report(event, Some(reason));
        }
        if fault.is_permanent() {
            self.give_up(id, reason);
        } else {
            self.lost(id, reason);
        }
    }

    /// The handshake is over: traffic flows from here on.
    fn ready(&mut self, id: u64, rest: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let State::Greeting(handshake) = std::mem::replace(&mut session.state, State::Ready) else {
            return;
        };
        self.begin_traffic(id, &handshake.into_peer(), rest);
    }

    fn begin_traffic(&mut self, id: u64, peer: &handshake::Peer, rest: &[u8]) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(stream) = session.stream.clone() else {
            return;
        };
        session.state = State::Ready;
        session.handshake_deadline = None;
        let raw = session.socket.socket_type == SocketType::Stream;
        session.peer_routing_id = Some(peer.routing_id.clone());
        // Who closes waits for nobody's heart.
        session.heartbeat =
            (!raw && session.closing.is_none() && session.options.heartbeat_ivl > 0)
                .then(|| Box::new(heartbeat(&session.options, now)));

        let known = describe(session, peer, stream.as_raw_fd());
        let mut fresh = None;
        let connection = match &session.connection {
            Some(connection) => Arc::clone(connection),
            None => {
                let (connection, pipe) = make_pipe(
                    id,
                    &self.handle,
                    &session.socket,
                    &session.options,
                    known.clone(),
                );
                let connection = Arc::new(connection);
                session.connection = Some(Arc::clone(&connection));
                fresh = Some(pipe);
                connection
            }
        };
        let by_command = peer.version == Version::V3_1;
        connection.subscribes_by_command.store(by_command, Relaxed);
        let socket = Arc::clone(&session.socket);
        socket.connections().insert(id, Arc::clone(&connection));
        // The application hears of the peer before it can meet a message of it.
        match fresh {
            Some(pipe) => {
                let pipe = Box::new(pipe);
                let connection = Arc::clone(&connection);
                socket.tell(News::Attach { pipe, connection });
            }
            None => socket.tell(News::Ready { id, peer: known }),
        }
        // Whoever has seen this can send to the peer.
        if let Some(session) = self.sessions.get(&id).filter(|_| !raw) {
            session.report(Event::HandshakeSucceeded, None);
        }
        let mut preamble = Vec::new();
        if let Some(session) = self.sessions.get(&id)
            && !raw
            && !session.options.hello_msg.is_empty()
        {
            append_message(&session.options.hello_msg, &mut preamble);
        }
        preamble.append(&mut socket.begin_telling(&connection));
        if !rest.is_empty() && !self.absorb_rest(id, &connection, rest) {
            return;
        }
        connection.install(&stream, preamble);
        if socket.reads_itself
            && socket
                .epoll
                .add(stream.as_fd(), id, Interest::READ | Interest::EDGE)
                .is_err()
        {
            self.lost(id, DisconnectReason::Local);
            return;
        }
        socket.settle_at(&self.handle);
        self.schedule(id);
        self.start_traffic(id);
    }
}

/// What a step of the handshake came to.
enum Step {
    More(Interest),
    /// Done; this was read beyond it.
    Done(Vec<u8>),
    Fault(Fault),
    Ended(DisconnectReason),
    Gone,
}

impl Session {
    pub(super) fn report(&self, event: Event, reason: Option<DisconnectReason>) {
        self.socket.monitor.report(|| {
            let (local, mut remote) =
                self.stream
                    .as_ref()
                    .map_or_else(Default::default, |stream| {
                        (
                            endpoint_of(stream.local_name()),
                            endpoint_of(stream.peer_name()),
                        )
                    });
            if self.connects() || remote.is_empty() {
                remote = self.endpoint().to_owned();
            }
            let mut report = MonitorEvent::new(event, local, remote);
            report.peer.clone_from(&self.peer_routing_id);
            report.reason = reason;
            report
        });
    }
}

/// A message of one part, as it stands on the wire.
fn append_message(body: &[u8], out: &mut Vec<u8>) {
    let (header, len) = ferromq_message::frame::encode(0, body.len());
    out.extend_from_slice(&header[..len]);
    out.extend_from_slice(body);
}

pub(super) fn reason_of(error: &io::Error) -> DisconnectReason {
    const ECONNRESET: i32 = 104;
    match error.raw_os_error() {
        Some(ECONNRESET) | None => DisconnectReason::PeerClosed,
        Some(errno) => DisconnectReason::Io(errno),
    }
}

pub(super) fn heartbeat(options: &SocketOptions, now: std::time::Instant) -> Heartbeat {
    let duration = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let timeout = (options.heartbeat_timeout >= 0).then(|| duration(options.heartbeat_timeout));
    let interval = duration(options.heartbeat_ivl);
    Heartbeat::new(interval, duration(options.heartbeat_ttl), timeout, now)
}

/// What the application is told of the peer.
fn describe(session: &Session, peer: &handshake::Peer, fd: i32) -> Peer {
    let mut metadata = MetadataBuilder::new();
    metadata.insert("Peer-Address", session.peer_address.as_bytes());
    for (name, value) in &peer.properties {
        metadata.insert(name, value);
    }
    metadata.fd(fd);
    Peer {
        routing_id: peer.routing_id.clone(),
        metadata: Some(metadata.build()),
        known: true,
        connected: session.connects(),
        assigned_id: if session.connects() {
            session.options.connect_routing_id.clone()
        } else {
            Vec::new()
        },
    }
}

/// Both queues of a new connection.
pub(crate) fn make_pipe(
    id: u64,
    io: &Arc<super::IoHandle>,
    socket: &SocketShared,
    options: &SocketOptions,
    peer: Peer,
) -> (Connection, Pipe) {
    let max_frame = u64::try_from(options.maxmsgsize).unwrap_or(u64::MAX);
    let (writer, drain) = outbound();
    let (fill, reader) = inbound(max_frame);
    let receive = u64::try_from(options.rcvhwm)
        .ok()
        .filter(|limit| *limit > 0);
    let connection = Connection::new(
        id,
        Arc::clone(io),
        drain,
        fill,
        receive.unwrap_or(u64::MAX),
        socket.policy,
        Arc::clone(&socket.undelivered),
        socket.socket_type == SocketType::Stream,
    );
    let send = u64::try_from(options.sndhwm).unwrap_or(0);
    (connection, Pipe::new(writer, reader, peer, send))
}
