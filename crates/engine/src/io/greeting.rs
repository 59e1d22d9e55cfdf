// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake on a real connection, up to one that is ready for traffic.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ferromq_message::MetadataBuilder;
use ferromq_os::epoll::Interest;
use ferromq_os::stream::Stream;
use ferromq_pipe::{Peer, Pipe, inbound, outbound};
use ferromq_vocabulary::{DisconnectReason, HandshakePeer};
use ferromq_zmtp::handshake::{self, Fault, Handshake, Question, Version};
use ferromq_zmtp::heartbeat::Heartbeat;
use ferromq_zmtp::mechanism::gssapi::Negotiation;
use ferromq_zmtp::transcode::Transcoder;
use zeroize::Zeroizing;

use super::security;
use super::session::{Greeting, Origin, Session, State};
use super::thread::IoThread;
use super::traffic::tell_readable;
use crate::authentication::{Circumstances, Errand, Matter};
use crate::coding;
use crate::command::{Finding, News};
use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::socket::conflate::receive_mark;
use crate::socket::peer::probes;
use ferromq_vocabulary::SocketOptions;

impl IoThread {
    /// Begins the handshake on a fresh connection, of which this has been read already.
    pub(super) fn greet(&mut self, id: u64, rest: Vec<u8>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.socket.is_raw() {
            let peer = handshake::Peer {
                version: Version::V3_1,
                socket_type: None,
                routing_id: Vec::new(),
                properties: Default::default(),
            };
            self.begin_traffic(id, &peer, Some(coding::plain()), &rest);
            return;
        }
        let reviews = self.context.authentication.reviews();
        let security = match &session.origin {
            Origin::Connected(outbound) => outbound.security.as_deref(),
            Origin::Accepted(listener) => self
                .listeners
                .get(listener)
                .and_then(|listening| listening.security.as_deref()),
        };
        let security = security.cloned();
        let begun = security.and_then(|security| security::begin(session, security, reviews));
        let Some(handshake) = begun else {
            self.lost(id, DisconnectReason::Local);
            return;
        };
        session.state = State::Greeting(Box::new(Greeting {
            handshake,
            rest: Zeroizing::new(rest),
            errand: 0,
            wish: None,
        }));
        let limit = u64::try_from(session.options.handshake_ivl).unwrap_or(0);
        session.patience = (limit > 0).then(|| self.now + Duration::from_millis(limit));
        self.schedule(id);
        self.greeting_event(id);
    }

    /// Writes what is ours to say, reads what is theirs.
    pub(super) fn greeting_event(&mut self, id: u64) {
        match self.step(id) {
            Step::More(interest) => self.want(id, interest),
            Step::Ask(question) => self.ask(id, question),
            Step::Negotiate(negotiation) => self.negotiate(id, negotiation),
            Step::Done => self.ready(id),
            Step::Fault(fault) => self.greeting_failed(id, fault),
            Step::Ended(error) => self.greeting_ended(id, &error),
            Step::Gone => {}
        }
    }

    fn step(&mut self, id: u64) -> Step {
        let scratch = &mut self.scratch;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Gone;
        };
        let (State::Greeting(greeting), Some(stream)) = (&mut session.state, &session.stream)
        else {
            return Step::Gone;
        };
        let Greeting {
            handshake, rest, ..
        } = &mut **greeting;
        loop {
            match say(handshake, stream) {
                Ok(true) => {}
                Ok(false) => return Step::More(Interest::WRITE),
                Err(error) => return Step::Ended(error),
            }
            if handshake.is_done() {
                return Step::Done;
            }
            if let Some(question) = handshake.take_question() {
                return Step::Ask(question);
            }
            if let Some(negotiation) = handshake.take_negotiation() {
                return Step::Negotiate(negotiation);
            }
            if handshake.is_waiting() {
                return Step::Gone;
            }
            if rest.is_empty() {
                // One read at a time, and short ones: what follows READY must fit where it goes.
                match stream.recv(&mut scratch[..4096]) {
                    Ok(0) => return Step::Ended(io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => {
                        rest.extend_from_slice(&scratch[..read]);
                        // There may be a password in it.
                        scratch[..read].fill(0);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Step::More(Interest::READ);
                    }
                    Err(error) => return Step::Ended(error),
                }
            }
            match handshake.handle_input(rest) {
                Ok(used) => drop(rest.drain(..used)),
                Err(fault) => return Step::Fault(fault),
            }
        }
    }

    // ---- what is found out elsewhere -------------------------------------------------------------

    /// A server wants to know whether its peer may come in.
    fn ask(&mut self, id: u64, question: Question) {
        let Some((session, matter)) = self.begin_errand(id) else {
            return;
        };
        let address = session.peer_address();
        let options = &session.options;
        // contract 1.4: "CURVE server without a domain skips ZAP entirely (encryption only)".
        if options.zap_enforce_domain && options.zap_domain.is_empty() {
            self.found(id, matter.number, Finding::NOBODY);
            return;
        }
        let circumstances = Circumstances {
            domain: options.zap_domain.clone(),
            address,
            routing_id: options.routing_id.clone(),
            deadline: session.patience,
        };
        let number = matter.number;
        let errand = self.context.ask(matter, circumstances, question);
        self.await_errand(id, number, errand);
    }

    /// A security context is to take a step.
    fn negotiate(&mut self, id: u64, negotiation: Negotiation) {
        let Some((session, matter)) = self.begin_errand(id) else {
            return;
        };
        let address = session.peer_address();
        let number = matter.number;
        let errand = self.context.negotiate(matter, &address, negotiation);
        self.await_errand(id, number, errand);
    }

    fn begin_errand(&mut self, id: u64) -> Option<(&Session, Matter)> {
        let number = self.context.next_id();
        let io = Arc::clone(&self.handle);
        let session = self.sessions.get_mut(&id)?;
        let State::Greeting(greeting) = &mut session.state else {
            return None;
        };
        greeting.errand = number;
        Some((&*session, Matter { id, number, io }))
    }

    fn await_errand(&mut self, id: u64, number: u64, errand: Errand) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match (&mut session.state, errand) {
            (State::Greeting(greeting), Ok(wish)) => {
                greeting.wish = Some(wish);
                // Nothing is read until there is an answer, but the peer may leave.
                self.want(id, Interest::RDHUP);
            }
            (_, Ok(_)) => {}
            (_, Err(finding)) => self.found(id, number, finding),
        }
    }

    /// The peer has left while something was being found out for it.
    pub(super) fn left_unjudged(&mut self, id: u64) {
        self.greeting_ended(id, &io::ErrorKind::UnexpectedEof.into());
    }

    /// What has come of an errand.
    pub(super) fn found(&mut self, id: u64, errand: u64, finding: Finding) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let State::Greeting(greeting) = &mut session.state else {
            return;
        };
        // It may be about the connection before this one.
        if greeting.errand != errand {
            return;
        }
        greeting.wish = None;
        let handshake = &mut greeting.handshake;
        let result = match finding {
            Finding::Judged(verdict) => handshake.judged(verdict),
            Finding::Admitted(status) => handshake.admitted(status),
            Finding::Negotiated(outcome) => handshake.negotiated(*outcome),
            Finding::NoThread => Err(Fault::OutOfMemory),
        };
        match result {
            Ok(()) => self.greeting_event(id),
            Err(fault) => self.greeting_failed(id, fault),
        }
    }

    /// The handshake is over: traffic flows from here on.
    fn ready(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let State::Greeting(greeting) = std::mem::replace(&mut session.state, State::Ready) else {
            return;
        };
        let Greeting {
            mut handshake,
            rest,
            ..
        } = *greeting;
        let transcoder = handshake.take_transcoder(session.options.maxmsgsize);
        let peer = handshake.into_peer();
        if session.socket.bans.names(&session.peer_address(), &peer) {
            self.greeting_banned(id);
            return;
        }
        self.begin_traffic(id, &peer, transcoder, &rest);
    }

    fn begin_traffic(
        &mut self,
        id: u64,
        peer: &handshake::Peer,
        transcoder: Option<Transcoder>,
        rest: &[u8],
    ) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(stream) = session.stream.clone() else {
            return;
        };
        session.state = State::Ready;
        session.patience = None;
        let raw = session.socket.is_raw();
        if !raw && let Some(outbound) = session.outbound() {
            // Not before: who accepts, and drops what it has accepted, is to be tried more and more rarely.
            outbound.backoff = None;
        }
        // contract 3.3, of ZMTP 1.0 and 2.0: "No heartbeats, no metadata."
        let speaks_commands = peer.version >= Version::V3_0;
        session.peer_routing_id = Some(peer.routing_id.as_slice().into());
        // Who closes waits for nobody's heart.
        session.heartbeat = (!raw
            && speaks_commands
            && session.closing.is_none()
            && session.options.heartbeat_ivl > 0)
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
        session.heard = connection.bytes_in.load(Relaxed);
        let by_command = peer.version == Version::V3_1;
        connection.subscribes_by_command.store(by_command, Relaxed);
        let socket = Arc::clone(&session.socket);
        socket.connections().insert(id, Arc::clone(&connection));
        // Before the application hears of the peer: what it has to say to an I/O thread then, somebody must hear.
        socket.settle_at(&self.handle);
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
            session.report_success(introduction(session, peer));
        }
        let mut preamble = self.first_words(id);
        preamble.append(&mut socket.begin_telling(&connection));
        let is_coded = transcoder.is_some();
        connection.set_coding(transcoder);
        if raw && self.tells_of_connections(id) {
            connection.slip_in(&[]);
            tell_readable(&socket, &connection);
        }
        if (is_coded || !rest.is_empty()) && !self.absorb_rest(id, &connection, rest) {
            return;
        }
        connection.install(&stream, preamble);
        if socket.reads_itself
            && let Some(set) = socket.set()
            && set
                .set()
                .add(stream.as_fd(), id, Interest::READ | Interest::EDGE)
                .is_err()
        {
            self.lost(id, DisconnectReason::Local);
            return;
        }
        connection.dawdle();
        self.schedule(id);
        self.start_traffic(id);
    }
}

impl IoThread {
    /// The messages that each connection begins with, the first as well as those after a loss.
    fn first_words(&self, id: u64) -> Vec<u8> {
        let mut words = Vec::new();
        let Some(session) = self.sessions.get(&id) else {
            return words;
        };
        if session.socket.is_raw() {
            return words;
        }
        if probes(session.socket.socket_type, &session.options) {
            append_message(&[], &mut words);
        }
        if !session.options.hello_msg.is_empty() {
            append_message(&session.options.hello_msg, &mut words);
        }
        words
    }

    /// Whether a raw socket is told of new connections by an empty message each.
    fn tells_of_connections(&self, id: u64) -> bool {
        let session = self.sessions.get(&id);
        session.is_some_and(|session| session.options.stream_notify)
    }
}

/// Who a peer is, for those who wait for it.
fn introduction(session: &Session, peer: &handshake::Peer) -> HandshakePeer {
    let known = peer.properties.iter().find(|(name, _)| name == "User-Id");
    HandshakePeer {
        address: session.peer_address(),
        mechanism: session.options.mechanism,
        socket_type: peer.socket_type,
        routing_id: peer.routing_id.clone(),
        user_id: known.map(|(_, user)| user.clone()),
    }
}

/// Writes what is ours to say; false if the kernel takes no more of it now.
pub(super) fn say(handshake: &mut Handshake, stream: &Stream) -> io::Result<bool> {
    while !handshake.transmit().is_empty() {
        match stream.send(handshake.transmit()) {
            Ok(sent) => handshake.transmitted(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// What a step of the handshake came to.
enum Step {
    More(Interest),
    /// An authenticator is to be asked.
    Ask(Question),
    /// A security context is to take a step.
    Negotiate(Negotiation),
    Done,
    Fault(Fault),
    Ended(io::Error),
    Gone,
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
    metadata.insert("Peer-Address", session.peer_address().as_bytes());
    for (name, value) in &peer.properties {
        metadata.insert(name, value);
    }
    metadata.fd(fd);
    Peer {
        routing_id: peer.routing_id.as_slice().into(),
        metadata: Some(metadata.build()),
        known: true,
        takes_all: false,
        connected: session.connects(),
        assigned_id: if session.connects() {
            session.options.connect_routing_id.as_slice().into()
        } else {
            Box::default()
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
    let (mut fill, reader) = inbound(max_frame);
    let most = u64::try_from(options.max_multipart_size).ok();
    fill.limit_messages(most.filter(|most| *most > 0).unwrap_or(u64::MAX));
    let receive = receive_mark(socket.socket_type, options);
    let mut connection = Connection::new(
        id,
        Arc::clone(io),
        drain,
        fill,
        if receive == 0 { u64::MAX } else { receive },
        socket.policy,
        Arc::clone(&socket.undelivered),
        socket.is_raw(),
    );
    connection.limit_batches(batch(options.in_batch_size), batch(options.out_batch_size));
    let send = u64::try_from(options.sndhwm).unwrap_or(0);
    (connection, Pipe::new(writer, reader, peer, send))
}

/// Bytes to move at once: as many as it takes, unless the application has chosen.
fn batch(option: i32) -> u32 {
    const DEFAULT: i32 = 8192;
    match u32::try_from(option) {
        Ok(bytes) if option != DEFAULT => bytes,
        _ => u32::MAX,
    }
}
