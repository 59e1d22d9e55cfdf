// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake on a real connection, up to one that is ready for traffic.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ferromq_message::MetadataBuilder;
use ferromq_os::epoll::Interest;
use ferromq_os::random;
use ferromq_os::stream::Stream;
use ferromq_pipe::{Peer, Pipe, inbound, outbound};
use ferromq_vocabulary::{Code, DisconnectReason, Event, Mechanism, MonitorEvent, SocketType};
use ferromq_zmtp::handshake::{self, Fault, Handshake, Local, Version};
use ferromq_zmtp::heartbeat::Heartbeat;
use ferromq_zmtp::mechanism::curve::{ClientKeys, SecretKey};
use ferromq_zmtp::mechanism::plain::Login;
use ferromq_zmtp::mechanism::{ENTROPY_LEN, Entropy, Security};
use ferromq_zmtp::transcode::Transcoder;
use ferromq_zmtp::zap::{Credentials, Verdict};

use super::session::{Greeting, Session, State};
use super::thread::IoThread;
use crate::authentication::Question;
use crate::coding;
use crate::command::News;
use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::transport::endpoint_of;
use ferromq_vocabulary::SocketOptions;

impl IoThread {
    /// Begins the handshake on a fresh connection, of which this has been read already.
    pub(super) fn greet(&mut self, id: u64, rest: Vec<u8>) {
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
            self.begin_traffic(id, &peer, Some(coding::plain()), &rest);
            return;
        }
        let local = introduce(session);
        let Some(handshake) = secure(local, &session.options) else {
            self.lost(id, DisconnectReason::Local);
            return;
        };
        session.state = State::Greeting(Box::new(Greeting {
            handshake,
            rest,
            question: 0,
        }));
        let limit = u64::try_from(session.options.handshake_ivl).unwrap_or(0);
        session.handshake_deadline = (limit > 0).then(|| self.now + Duration::from_millis(limit));
        self.schedule(id);
        self.greeting_event(id);
    }

    /// Writes what is ours to say, reads what is theirs.
    pub(super) fn greeting_event(&mut self, id: u64) {
        match self.step(id) {
            Step::More(interest) => self.want(id, interest),
            Step::Ask(credentials) => self.ask(id, credentials),
            Step::Done => self.ready(id),
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
                Err(reason) => return Step::Ended(reason),
            }
            if handshake.is_done() {
                return Step::Done;
            }
            if let Some(credentials) = handshake.take_credentials() {
                return Step::Ask(credentials);
            }
            if handshake.is_waiting() {
                return Step::Gone;
            }
            if rest.is_empty() {
                // One read at a time, and short ones: what follows READY must fit where it goes.
                match stream.recv(&mut scratch[..4096]) {
                    Ok(0) => return Step::Ended(DisconnectReason::PeerClosed),
                    Ok(read) => rest.extend_from_slice(&scratch[..read]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Step::More(Interest::READ);
                    }
                    Err(error) => return Step::Ended(reason_of(&error)),
                }
            }
            match handshake.handle_input(rest) {
                Ok(used) => drop(rest.drain(..used)),
                Err(fault) => return Step::Fault(fault),
            }
        }
    }

    // ---- authentication ------------------------------------------------------------------------

    /// A server wants to know whether its peer may come in.
    fn ask(&mut self, id: u64, credentials: Credentials) {
        let question = self.context.next_id();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let State::Greeting(greeting) = &mut session.state else {
            return;
        };
        greeting.question = question;
        let options = &session.options;
        // contract 1.4: "CURVE server without a domain skips ZAP entirely (encryption only)".
        let skips = options.zap_enforce_domain && options.zap_domain.is_empty();
        let question = Question {
            id,
            number: question,
            io: Arc::clone(&self.handle),
            domain: options.zap_domain.clone(),
            address: session.peer_address.clone(),
            routing_id: options.routing_id.clone(),
            credentials,
            deadline: session.handshake_deadline,
        };
        if skips || !self.context.ask(question) {
            let question = greeting.question;
            self.judged(id, question, Verdict::NoHandler);
            return;
        }
        // Nothing is read until there is an answer, but the peer may leave.
        self.want(id, Interest::RDHUP);
    }

    /// The peer has left while an authenticator was being asked about it.
    pub(super) fn left_unjudged(&mut self, id: u64) {
        self.greeting_ended(id, DisconnectReason::PeerClosed);
    }

    /// An authenticator has answered, or there is none.
    pub(super) fn judged(&mut self, id: u64, question: u64, verdict: Verdict) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let State::Greeting(greeting) = &mut session.state else {
            return;
        };
        // It may be about the connection before this one.
        if greeting.question != question {
            return;
        }
        match greeting.handshake.judged(verdict) {
            Ok(()) => self.greeting_event(id),
            Err(fault) => self.greeting_failed(id, fault),
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
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        // The peer may be told why.
        if let (State::Greeting(greeting), Some(stream)) = (&mut session.state, &session.stream) {
            say(&mut greeting.handshake, stream).ok();
        }
        let session = &*session;
        let error = fault.protocol_error();
        let event = match (fault, error) {
            (
                Fault::PeerError {
                    status: Some(status),
                }
                | Fault::Refused { status },
                _,
            ) => Some(Event::HandshakeFailedAuth {
                status: u32::from(status),
            }),
            // contract 3.7: "HANDSHAKE_FAILED_NO_DETAIL EFAULT"
            (Fault::NoHandler, _) => Some(Event::HandshakeFailedNoDetail {
                errno: Code::Fault.errno(),
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
        self.begin_traffic(id, &handshake.into_peer(), transcoder, &rest);
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
        session.handshake_deadline = None;
        let raw = session.socket.socket_type == SocketType::Stream;
        // contract 3.3, of ZMTP 1.0 and 2.0: "No heartbeats, no metadata."
        let speaks_commands = peer.version >= Version::V3_0;
        session.peer_routing_id = Some(peer.routing_id.clone());
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
        let is_coded = transcoder.is_some();
        connection.set_coding(transcoder);
        if (is_coded || !rest.is_empty()) && !self.absorb_rest(id, &connection, rest) {
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

/// What we say about ourselves.
fn introduce(session: &Session) -> Local {
    let options = &session.options;
    let mut local = Local::new(session.socket.socket_type);
    local.routing_id.clone_from(&options.routing_id);
    let metadata = options.metadata.iter();
    local.metadata = metadata
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    local.asks = !options.zap_domain.is_empty();
    local.needs_handler = local.asks && options.zap_enforce_domain;
    local.takes_older = true;
    local
}

/// A handshake with the mechanism of the options. `None` if the system has no randomness for it.
fn secure(local: Local, options: &SocketOptions) -> Option<Handshake> {
    let security = match (options.mechanism, options.as_server) {
        (Mechanism::Null, _) => return Some(Handshake::new(local)),
        (Mechanism::Plain, true) => Security::PlainServer,
        (Mechanism::Plain, false) => Security::PlainClient(
            Login::new(&options.plain_username, options.plain_password.reveal())
                .unwrap_or_default(),
        ),
        (Mechanism::Curve, as_server) => {
            let secret = options.curve_secretkey.reveal().first_chunk()?;
            let secret = SecretKey::new(*secret);
            if as_server {
                Security::CurveServer(secret)
            } else {
                Security::CurveClient(ClientKeys {
                    public: options.curve_publickey,
                    secret,
                    server: options.curve_serverkey,
                })
            }
        }
    };
    let mut random = [0; ENTROPY_LEN];
    random::fill(&mut random).ok()?;
    Some(Handshake::with_security(
        local,
        security,
        Entropy::new(random),
    ))
}

/// Writes what is ours to say; false if the kernel takes no more of it now.
fn say(handshake: &mut Handshake, stream: &Stream) -> Result<bool, DisconnectReason> {
    while !handshake.transmit().is_empty() {
        match stream.send(handshake.transmit()) {
            Ok(sent) => handshake.transmitted(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(reason_of(&error)),
        }
    }
    Ok(true)
}

/// What a step of the handshake came to.
enum Step {
    More(Interest),
    /// An authenticator is to be asked.
    Ask(Credentials),
    Done,
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
    let mut connection = Connection::new(
        id,
        Arc::clone(io),
        drain,
        fill,
        receive.unwrap_or(u64::MAX),
        socket.policy,
        Arc::clone(&socket.undelivered),
        socket.socket_type == SocketType::Stream,
    );
    connection.limit_batches(batch(options.in_batch_size), batch(options.out_batch_size));
    let send = u64::try_from(options.sndhwm).unwrap_or(0);
    (connection, Pipe::new(writer, reader, peer, send))
}

/// Bytes to move at once: as many as it takes, unless the application has chosen.
fn batch(option: i32) -> usize {
    const DEFAULT: i32 = 8192;
    match usize::try_from(option) {
        Ok(bytes) if option != DEFAULT => bytes,
        _ => usize::MAX,
    }
}
