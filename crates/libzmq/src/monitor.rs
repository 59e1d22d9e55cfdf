// SPDX-License-Identifier: MIT OR Apache-2.0
//! Monitors: the events of a socket's connections as messages, on a socket of their own.
//!
//! That socket is written to by whichever thread has an event to report, mostly an I/O thread,
//! without ever waiting: what finds no room is dropped.

#![expect(
    clippy::host_endian_bytes,
    reason = "contract 1.6: numbers stand in the order of this machine"
)]

use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use ferromq_engine::{self as engine, Linger, Outgoing, Wait};
use ferromq_vocabulary::{
    Code, DisconnectReason, Endpoint, Event, HandshakeError, MonitorEvent, SocketType,
};

use crate::boundary;
use crate::socket::{text, with, with_body};

/// Events kept until somebody connects.
const KEPT: usize = 1000;
/// `ZMQ_EVENT_PIPES_STATS`.
const PIPES_STATS: u64 = 0x1_0000;

type Frames = Vec<Vec<u8>>;

/// A monitor's own socket and what has not gone out yet.
struct Outlet {
    socket: Mutex<Option<engine::Socket>>,
    queue: Mutex<VecDeque<Frames>>,
    /// There is something to look at since the last look.
    pending: AtomicBool,
    events: u64,
    version: c_int,
}

impl Outlet {
    fn report(&self, event: &MonitorEvent) {
        // What the application ends itself is no event for libzmq.
        let own = matches!(event.event, Event::Disconnected { .. })
            && event.reason == Some(DisconnectReason::Local);
        // contract 3.5: a peer's ERROR without a status "ends the handshake without an event".
        let silent = event
            .failure
            .as_ref()
            .is_some_and(|failure| failure.error == HandshakeError::RefusedByPeer { status: None });
        if own || silent {
            return;
        }
        if let Event::BindFailed { errno } = event.event {
            return self.report_bind_failed(event, errno);
        }
        self.post_wanted(event);
    }

    /// As libzmq tells it: the listener that could not be is closed, under no name over tcp, and the address stands
    /// without its scheme, which bindings put in front themselves.
    fn report_bind_failed(&self, event: &MonitorEvent, errno: i32) {
        let (scheme, address) = event.local.split_once("://").unwrap_or_default();
        let had_listener = match scheme {
            "tcp" => !matches!(errno, libc::ENODEV | libc::EINVAL),
            "ipc" => errno != libc::ENAMETOOLONG,
            _ => false,
        };
        if had_listener {
            let name = if scheme == "tcp" { "" } else { &event.local };
            self.post_wanted(&MonitorEvent::new(Event::Closed { fd: -1 }, name, ""));
        }
        self.post_wanted(&MonitorEvent::new(event.event, address, ""));
    }

    fn post_wanted(&self, event: &MonitorEvent) {
        if event.event.number() & self.events != 0 {
            self.post(self.encode(event));
        }
    }

    fn post(&self, frames: Frames) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < KEPT {
            queue.push_back(frames);
        }
        drop(queue);
        self.flush();
    }

    /// Sends what can be sent. If another thread is at it, that one looks again.
    fn flush(&self) {
        self.pending.store(true, SeqCst);
        while self.pending.load(SeqCst) {
            let mut socket = match self.socket.try_lock() {
                Ok(socket) => socket,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.pending.store(false, SeqCst);
            let Some(socket) = socket.as_mut() else {
                return;
            };
            self.send_all(socket);
        }
    }

    fn send_all(&self, socket: &mut engine::Socket) {
        loop {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(frames) = queue.pop_front() else {
                return;
            };
            drop(queue);
            for (index, frame) in frames.iter().enumerate() {
                let more = index + 1 < frames.len();
                let sent = socket.send_frame(&mut Outgoing::Bytes(frame), more, Wait::No);
                if sent == Err(Code::Again) && index == 0 {
                    // Nobody is there yet, or nobody reads.
                    let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                    queue.push_front(frames);
                    return;
                }
            }
        }
    }

    fn close(&self) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = socket.take() {
            socket.close_lingering(Linger::For(std::time::Duration::ZERO));
        }
    }

    fn encode(&self, event: &MonitorEvent) -> Frames {
        let (number, value) = (event.event.number(), event.event.value());
        if self.version == 1 {
            let mut first = (number as u16).to_ne_bytes().to_vec();
            first.extend_from_slice(&(value as u32).to_ne_bytes());
            return vec![first, event.endpoint().as_bytes().to_vec()];
        }
        encode_v2(number, &[value], &event.local, &event.remote)
    }
}

fn encode_v2(number: u64, values: &[u64], local: &str, remote: &str) -> Frames {
    let word = |value: u64| value.to_ne_bytes().to_vec();
    let mut frames = vec![word(number), word(values.len() as u64)];
    frames.extend(values.iter().map(|value| word(*value)));
    frames.push(local.as_bytes().to_vec());
    frames.push(remote.as_bytes().to_vec());
    frames
}

/// Has the events of a socket sent by a PAIR bound to `address`; null ends that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(
    socket: *mut c_void,
    address: *const c_char,
    events: c_int,
) -> c_int {
    let events = u64::from(events.cast_unsigned()) & Event::ALL_V1;
    // SAFETY: as the caller promises.
    unsafe { zmq_socket_monitor_versioned(socket, address, events, 1, SocketType::Pair.number()) }
}

/// The same in one of two formats, by a PAIR, PUB or PUSH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_versioned(
    socket: *mut c_void,
    address: *const c_char,
    events: u64,
    version: c_int,
    kind: c_int,
) -> c_int {
    boundary::answer(|| {
        if version != 1 && version != 2 || version == 1 && events >> 16 != 0 {
            with(socket, |_| Ok(()))?;
            return Err(Code::Invalid);
        }
        if address.is_null() {
            return with_body(socket, |body| {
                if body.context.is_terminated() {
                    return Err(Code::Terminated);
                }
                body.engine.monitor_to(None);
                body.companion = None;
                Ok(())
            });
        }
        // SAFETY: as the caller promises.
        let address = unsafe { text(address) }?;
        with_body(socket, |body| {
            if body.context.is_terminated() {
                return Err(Code::Terminated);
            }
            let endpoint = Endpoint::parse_bind(address).map_err(|error| error.code())?;
            if !matches!(endpoint, Endpoint::Inproc(_)) {
                return Err(Code::ProtocolNotSupported);
            }
            let kind = SocketType::from_number(kind).ok_or(Code::Invalid)?;
            if !matches!(kind, SocketType::Pair | SocketType::Pub | SocketType::Push) {
                return Err(Code::Invalid);
            }
            // One at a time: the last one ends.
            body.engine.monitor_to(None);
            body.companion = None;
            let outlet = open(&body.context, kind, address, events, version)?;
            let sink = Arc::clone(&outlet);
            body.companion = Some(Box::new(Arc::clone(&outlet)));
            body.engine.monitor_to(Some(Box::new(move |event| {
                sink.report(event);
                if event.event == Event::MonitorStopped {
                    sink.close();
                }
            })));
            Ok(())
        })
    })
}

fn open(
    context: &engine::Context,
    kind: SocketType,
    address: &str,
    events: u64,
    version: c_int,
) -> Result<Arc<Outlet>, Code> {
    let mut socket = context.socket(kind)?;
    socket.set_option("LINGER", 0)?;
    socket.bind(address)?;
    let outlet = Arc::new(Outlet {
        socket: Mutex::new(None),
        queue: Mutex::new(VecDeque::new()),
        pending: AtomicBool::new(false),
        events,
        version,
    });
    let listener = Arc::downgrade(&outlet);
    socket.on_news(Box::new(move || {
        if let Some(outlet) = listener.upgrade() {
            outlet.flush();
        }
    }));
    *outlet.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    Ok(outlet)
}

/// Has one event per peer sent that tells how many messages wait, both ways.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_socket_monitor_pipes_stats(socket: *mut c_void) -> c_int {
    boundary::answer(|| {
        with_body(socket, |body| {
            let outlet = body
                .companion
                .as_ref()
                .and_then(|companion| companion.downcast_ref::<Arc<Outlet>>())
                .filter(|outlet| outlet.events & PIPES_STATS != 0)
                .cloned()
                .ok_or(Code::Invalid)?;
            // As in libzmq: whoever has come since the last call is not known yet.
            let peers = body.engine.known_statistics();
            if peers.is_empty() {
                return Err(Code::Again);
            }
            for peer in peers {
                let values = [peer.messages_waiting_in_steps, peer.messages_readable];
                outlet.post(encode_v2(PIPES_STATS, &values, &peer.local, &peer.remote));
            }
            Ok(())
        })
    })
}
