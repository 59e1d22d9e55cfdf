// SPDX-License-Identifier: MIT OR Apache-2.0
//! How handshakes end, told to whoever wants to know.

use std::io;

use ferromq_vocabulary::{
    Code, DisconnectReason, Event, HandshakeError, HandshakeFailure, HandshakePeer, MonitorEvent,
};
use ferromq_zmtp::handshake::Fault;

use super::greeting::{reason_of, say};
use super::session::{Session, State};
use super::thread::IoThread;
use crate::transport::endpoint_of;

/// A handshake that has come to nothing.
struct Failed {
    error: HandshakeError,
    event: Event,
    reason: DisconnectReason,
    /// There is no point in trying again.
    permanent: bool,
}

impl IoThread {
    pub(super) fn handshake_timed_out(&mut self, id: u64) {
        self.fail(
            id,
            Failed {
                error: HandshakeError::TimedOut,
                event: no_detail(ETIMEDOUT),
                reason: DisconnectReason::HandshakeTimeout,
                permanent: false,
            },
        );
    }

    /// The stream has ended before the handshake has.
    pub(super) fn greeting_ended(&mut self, id: u64, ended: &io::Error) {
        let (error, errno) = match ended.raw_os_error() {
            Some(errno) => (HandshakeError::Io(errno), errno),
            None => (HandshakeError::Closed, EPIPE),
        };
        let reason = reason_of(ended);
        self.fail(
            id,
            Failed {
                error,
                event: no_detail(errno),
                reason,
                permanent: false,
            },
        );
    }

    /// We have no use for this peer, though it has done nothing wrong.
    pub(super) fn greeting_banned(&mut self, id: u64) {
        self.fail(
            id,
            Failed {
                error: HandshakeError::Banned,
                event: no_detail(EPERM),
                reason: DisconnectReason::Local,
                permanent: false,
            },
        );
    }

    pub(super) fn greeting_failed(&mut self, id: u64, fault: Fault) {
        let protocol = fault.protocol_error();
        let event = match fault {
            Fault::PeerError {
                status: Some(status),
            }
            | Fault::Refused { status } => Event::HandshakeFailedAuth {
                status: u32::from(status),
            },
            // contract 3.7: "HANDSHAKE_FAILED_NO_DETAIL EFAULT"
            Fault::NoHandler | Fault::UnusableHandler => no_detail(Code::Fault.errno()),
            Fault::OutOfMemory => no_detail(Code::NoMemory.errno()),
            _ => match protocol {
                Some(error) => Event::HandshakeFailedProtocol { error },
                None => no_detail(EPROTO),
            },
        };
        let reason = protocol.map_or(DisconnectReason::PeerClosed, DisconnectReason::Protocol);
        self.fail(
            id,
            Failed {
                error: error_of(fault),
                event,
                reason,
                permanent: fault.is_permanent(),
            },
        );
    }

    fn fail(&mut self, id: u64, failed: Failed) {
        const STOP_AFTER_HANDSHAKE: i32 = 2;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let detail = match &mut session.state {
            State::Greeting(greeting) => {
                // The peer may be told why.
                if let Some(stream) = &session.stream {
                    say(&mut greeting.handshake, stream).ok();
                }
                greeting.handshake.detail().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        let options = &session.options;
        let stops =
            options.reconnect_ivl <= 0 || options.reconnect_stop & STOP_AFTER_HANDSHAKE != 0;
        let failure = HandshakeFailure {
            address: session.peer_address(),
            error: failed.error,
            detail,
            retries: session.connects() && !failed.permanent && !stops,
        };
        let mut report = session.event(failed.event);
        report.reason = Some(failed.reason);
        report.failure = Some(failure.clone());
        session.socket.monitor.report(|| report);
        session
            .socket
            .handshakes
            .ended(session.endpoint_name(), Err(failure));
        if failed.permanent {
            self.give_up(id, failed.reason);
        } else {
            self.lost(id, failed.reason);
        }
    }
}

impl Session {
    /// A handshake has succeeded.
    pub(super) fn report_success(&self, peer: HandshakePeer) {
        self.report(Event::HandshakeSucceeded, None);
        self.socket.handshakes.ended(self.endpoint_name(), Ok(peer));
    }

    pub(super) fn report(&self, event: Event, reason: Option<DisconnectReason>) {
        self.socket.monitor.report(|| {
            let mut report = self.event(event);
            report.reason = reason;
            report
        });
    }

    /// Something that happened here.
    fn event(&self, event: Event) -> MonitorEvent {
        let remote = if self.connects() {
            self.endpoint().to_owned()
        } else {
            endpoint_of(self.remote.as_ref())
        };
        let mut report = MonitorEvent::new(event, self.local_name(), remote);
        report.bound = !self.connects();
        report.peer = self.peer_routing_id.as_deref().map(<[u8]>::to_vec);
        report
    }

    /// The name of our end of the connection.
    fn local_name(&self) -> String {
        let stream = self.stream.as_ref();
        endpoint_of(stream.and_then(|stream| stream.local_name().ok()).as_ref())
    }

    /// The endpoint of ours that it belongs to: as it was connected to, or where it is bound.
    fn endpoint_name(&self) -> String {
        if self.connects() {
            self.endpoint().to_owned()
        } else {
            self.local_name()
        }
    }
}

fn error_of(fault: Fault) -> HandshakeError {
    match fault {
        Fault::NoHandler | Fault::UnusableHandler => HandshakeError::NoAuthenticator,
        Fault::OutOfMemory => HandshakeError::Local,
        Fault::PeerError { status } => HandshakeError::RefusedByPeer { status },
        Fault::Refused { status } => HandshakeError::Refused { status },
        Fault::SecurityContext => HandshakeError::SecurityContext,
        Fault::HandshakeTooLarge | Fault::FrameTooLarge => HandshakeError::TooLarge,
        Fault::IncompatibleSocketType => HandshakeError::IncompatibleSocketType,
        Fault::UnsupportedVersion => HandshakeError::UnsupportedVersion,
        other => other
            .protocol_error()
            .map_or(HandshakeError::Closed, HandshakeError::Protocol),
    }
}

fn no_detail(errno: i32) -> Event {
    Event::HandshakeFailedNoDetail { errno }
}

const EPERM: i32 = 1;
const EPIPE: i32 = 32;
const EPROTO: i32 = 71;
const ETIMEDOUT: i32 = 110;
