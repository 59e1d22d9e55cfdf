// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connecting, and connecting again.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use ferromq_os::connect::{Progress, finish};
use ferromq_os::epoll::Interest;
use ferromq_os::stream::Stream;
use ferromq_os::{resolve, thread};
use ferromq_vocabulary::{Event, MonitorEvent, SocketOptions};

use super::security;
use super::session::{Origin, Outbound, Session, State};
use super::thread::IoThread;
use crate::command::Order;
use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::transport::socks::{Refused, Socks};
use crate::transport::{Attempt, Target, spare_pacing};

impl IoThread {
    pub(super) fn add_connecting(
        &mut self,
        id: u64,
        connection: Option<Arc<Connection>>,
        socket: Arc<SocketShared>,
        options: Arc<SocketOptions>,
        target: Target,
    ) {
        let security = security::prepare(&options, &self.context.authentication);
        let origin = Origin::Connected(Box::new(Outbound {
            target,
            security: security.map(Arc::new),
            addresses: Vec::new(),
            backoff: None,
        }));
        self.insert(Session::new(id, socket, options, origin, connection));
        self.guarded(id, |thread| thread.connect(id));
    }

    /// Makes an attempt, with the addresses found if there are any.
    pub(super) fn connect(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.retry_at = None;
        let Origin::Connected(outbound) = &session.origin else {
            return;
        };
        let addresses = outbound.addresses.as_slice();
        let known = (!addresses.is_empty()).then_some(addresses);
        match outbound.target.connect(known, &session.options) {
            Ok(Attempt::Resolve { host, port, family }) => {
                session.state = State::Resolving;
                self.look_up(id, host, port, family);
            }
            Ok(Attempt::Begun(stream, progress)) => self.begun(id, stream, progress),
            Err(error) => self.not_connected(id, &error),
        }
    }

    /// Looks a name up on a thread of its own: name servers take their time.
    fn look_up(&self, id: u64, host: String, port: u16, family: resolve::Family) {
        let handle = Arc::clone(&self.handle);
        let look = move || {
            thread::set_name("ZMQbg/Resolve");
            let addresses = resolve::lookup(&host, port, family, false);
            handle.post(Order::Resolved { id, addresses });
        };
        let blocked = thread::block_all_signals();
        let spawned = std::thread::Builder::new().spawn(look);
        drop(blocked);
        if let Err(error) = spawned {
            self.handle.post(Order::Resolved {
                id,
                addresses: Err(error),
            });
        }
    }

    pub(super) fn resolved(&mut self, id: u64, addresses: io::Result<Vec<SocketAddr>>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !matches!(session.state, State::Resolving) {
            return;
        }
        match addresses {
            Ok(addresses) if !addresses.is_empty() => {
                if let Some(outbound) = session.outbound() {
                    outbound.addresses = addresses;
                }
                self.connect(id);
            }
            Ok(_) => self.not_connected(id, &io::ErrorKind::NotFound.into()),
            Err(error) => self.not_connected(id, &error),
        }
    }

    fn begun(&mut self, id: u64, stream: Stream, progress: Progress) {
        const EINPROGRESS: i32 = 115;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.stream = Some(Arc::new(stream));
        session.registered = None;
        session.state = State::Connecting;
        match progress {
            Progress::Done => return self.reached(id),
            Progress::Failed(errno) => {
                return self.not_connected(id, &io::Error::from_raw_os_error(errno));
            }
            Progress::InProgress => {}
        }
        let endpoint = session.endpoint().to_owned();
        let event = Event::ConnectDelayed { errno: EINPROGRESS };
        session
            .socket
            .monitor
            .report(|| MonitorEvent::new(event, "", endpoint));
        if let Ok(limit @ 1..) = u64::try_from(session.options.connect_timeout) {
            session.patience = Some(self.now + Duration::from_millis(limit));
            self.schedule(id);
        }
        self.want(id, Interest::WRITE);
    }

    pub(super) fn connecting_event(&mut self, id: u64) {
        let Some(stream) = self.sessions.get(&id).and_then(|s| s.stream.clone()) else {
            return;
        };
        match finish(&stream) {
            Ok(()) if connected_to_itself(&stream) => {
                self.not_connected(id, &io::ErrorKind::ConnectionRefused.into());
            }
            Ok(()) => self.reached(id),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                self.want(id, Interest::WRITE);
            }
            Err(error) => self.not_connected(id, &error),
        }
    }

    /// The other end of the connection is there: the peer, or a proxy on the way to it.
    fn reached(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Origin::Connected(outbound) = &session.origin else {
            return;
        };
        let Some(destination) = outbound.target.behind_proxy() else {
            self.connected(id, Vec::new());
            return;
        };
        let socks = Socks::new(destination.clone(), &session.options);
        session.state = State::Proxying(Box::new(socks));
        if session.patience.is_none()
            && let Ok(limit @ 1..) = u64::try_from(session.options.handshake_ivl)
        {
            session.patience = Some(self.now + Duration::from_millis(limit));
            self.schedule(id);
        }
        self.proxying_event(id);
    }

    /// Tells the proxy, hears what it says.
    pub(super) fn proxying_event(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (State::Proxying(socks), Some(stream)) = (&mut session.state, &session.stream) else {
            return;
        };
        match converse(socks, stream, &mut self.scratch) {
            Ok(Some(interest)) => self.want(id, interest),
            Ok(None) => {
                let state = std::mem::replace(&mut session.state, State::Connecting);
                if let State::Proxying(socks) = state {
                    self.connected(id, socks.into_rest());
                }
            }
            Err(error) => self.not_connected(id, &error),
        }
    }

    fn connected(&mut self, id: u64, rest: Vec<u8>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(stream) = session.stream.clone() else {
            return;
        };
        session.patience = None;
        if let Some(outbound) = session.outbound() {
            outbound.addresses = Vec::new();
        }
        session.note_ends(&stream);
        spare_pacing(&stream);
        let event = Event::Connected {
            fd: stream.as_raw_fd(),
        };
        session.report(event, None);
        self.greet(id, rest);
    }

    pub(super) fn connect_timed_out(&mut self, id: u64) {
        self.not_connected(id, &io::ErrorKind::TimedOut.into());
    }

    /// An attempt has failed: the next address, or the next attempt.
    fn not_connected(&mut self, id: u64, error: &io::Error) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.patience = None;
        let stops = session.stops_connecting(error);
        if stops {
            // First: who sees the event may connect anew.
            self.end_for_application(id);
            self.tell_stopped(id, true);
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(stream) = session.stream.take() {
            let event = Event::Closed {
                fd: stream.as_raw_fd(),
            };
            let endpoint = session.endpoint().to_owned();
            session
                .socket
                .monitor
                .report(|| MonitorEvent::new(event, "", endpoint));
            self.forget_descriptor(id, &stream);
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(outbound) = session.outbound() {
            if outbound.addresses.len() > 1 {
                outbound.addresses.remove(0);
                self.connect(id);
                return;
            }
            outbound.addresses.clear();
        }
        if stops {
            self.remove(id);
        } else {
            self.wait_to_connect(id);
        }
    }

    /// Waits as the reconnect options say, then tries again.
    pub(super) fn wait_to_connect(&mut self, id: u64) {
        let jitter = self.context.random();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let last = session.outbound().and_then(|outbound| outbound.backoff);
        let Some(wait) = next_wait(&session.options, last, jitter) else {
            self.end_for_application(id);
            self.tell_stopped(id, true);
            self.remove(id);
            return;
        };
        if let Some(outbound) = session.outbound() {
            outbound.backoff = Some(wait);
        }
        session.state = State::Waiting;
        session.retry_at = Some(self.now + wait);
        let interval = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let endpoint = session.endpoint().to_owned();
        let event = Event::ConnectRetried { interval };
        session
            .socket
            .monitor
            .report(|| MonitorEvent::new(event, "", endpoint));
        self.schedule(id);
    }

    /// The wait for another attempt, to connect or to read, is over.
    pub(super) fn retry(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.retry_at = None;
        match session.state {
            State::Waiting => self.connect(id),
            State::Trailing => self.trailing_event(id),
            State::Ready => {
                if let Some(connection) = session.connection.clone() {
                    self.look_after(&connection);
                }
            }
            State::Resolving | State::Connecting | State::Proxying(_) | State::Greeting(_) => {}
        }
    }
}

/// What to wait for in a conversation with a proxy; `None` if that is over.
fn converse(
    socks: &mut Socks,
    stream: &Stream,
    scratch: &mut [u8],
) -> io::Result<Option<Interest>> {
    loop {
        while !socks.transmit().is_empty() {
            match stream.send(socks.transmit()) {
                Ok(sent) => socks.transmitted(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Some(Interest::WRITE));
                }
                Err(error) => return Err(error),
            }
        }
        if socks.is_done() {
            return Ok(None);
        }
        match stream.recv(&mut scratch[..4096]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => socks
                .handle_input(&scratch[..read])
                .map_err(|Refused| io::Error::from(io::ErrorKind::ConnectionAborted))?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Some(Interest::READ));
            }
            Err(error) => return Err(error),
        }
    }
}

/// contract 2.1: without a maximum the interval and up to as much again at random; with one the
/// interval, doubled each time up to the maximum. Not above zero: no further attempt.
fn next_wait(options: &SocketOptions, last: Option<Duration>, random: u64) -> Option<Duration> {
    let interval = u64::try_from(options.reconnect_ivl)
        .ok()
        .filter(|ms| *ms > 0)?;
    let most = u64::try_from(options.reconnect_ivl_max).unwrap_or(0);
    let milliseconds = match (most, last) {
        (0, _) => interval + random % interval,
        (most, None) => interval.min(most),
        (most, Some(last)) => u64::try_from(last.as_millis())
            .unwrap_or(most)
            .saturating_mul(2)
            .min(most),
    };
    Some(Duration::from_millis(milliseconds))
}

/// A port of the ephemeral range that nobody listens at can, by chance, connect to itself.
fn connected_to_itself(stream: &Stream) -> bool {
    match (stream.local_name(), stream.peer_name()) {
        (Ok(local), Ok(peer)) => {
            local.socket_addr().is_some() && local.socket_addr() == peer.socket_addr()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_or_jitter() {
        let mut options = SocketOptions::default();
        for random in [0, 1, 99, 100, 12_345] {
            let wait = next_wait(&options, None, random).unwrap().as_millis();
            assert!((100..200).contains(&wait));
        }
        options.reconnect_ivl_max = 350;
        let mut last = None;
        let mut seen = Vec::new();
        for _ in 0..4 {
            last = next_wait(&options, last, 7);
            seen.push(last.unwrap().as_millis());
        }
        assert_eq!(seen, [100, 200, 350, 350]);
        options.reconnect_ivl = -1;
        assert_eq!(next_wait(&options, None, 7), None);
    }
}
