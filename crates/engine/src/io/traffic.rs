// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the application leaves to the I/O thread: tails of bursts, peers that take no more,
//! input nobody reads, heartbeats.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Instant;

use ferromq_message::frame;
use ferromq_os::clock::{ticks, ticks_per_us};
use ferromq_os::epoll::{Event, Interest};
use ferromq_os::thread::yield_now;
use ferromq_pipe::{Fill, FillFault, Seen, interest};
use ferromq_vocabulary::DisconnectReason;
use ferromq_zmtp::command::{self, Command};
use ferromq_zmtp::heartbeat::Action;
use ferromq_zmtp::transcode::Opened;

use super::greeting::{heartbeat, reason_of};
use super::session::{State, Watch};
use super::thread::IoThread;
use crate::coding::{Breach, Decoded, MOST_READ};
use crate::command::News;
use crate::connection::{Absorbed, Connection, Extent, Pumped, Rx};
use crate::policy::Policy;
use crate::shared::SocketShared;
use crate::tuning::{ATTENDED_TICK, READ_TICK, SCRATCH, VISIT_BYTES, YIELD_US};

impl IoThread {
    /// A connection has just become ready: sends what has been waiting for it, and sees to its
    /// input.
    pub(super) fn start_traffic(&mut self, id: u64) {
        if self.pump(id) == Some(Pumped::Failed) {
            self.found_lost(id);
            return;
        }
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session.closing.is_some() {
            self.go_on_closing(id);
            return;
        }
        self.watch(id);
        self.register(id);
    }

    /// Registers for what the I/O thread itself waits for on this connection.
    pub(super) fn register(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(connection) = &session.connection else {
            return;
        };
        let mut wanted = Interest::NONE;
        if session.wants_room {
            wanted |= Interest::WRITE;
        }
        if session.socket.reads_itself && session.closing.is_none() {
            // The last data and the end may come in one edge, and a read of the former not show
            // the latter.
            wanted |= Interest::RDHUP;
        } else if connection.stalled.load(Relaxed) {
            // Whoever waits for room need not know, but that a peer has gone must not go unnoticed.
            wanted |= Interest::RDHUP;
        } else {
            wanted |= Interest::READ;
        }
        self.want(id, wanted);
    }

    pub(super) fn traffic_event(&mut self, id: u64, event: Event) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(connection) = session.connection.clone() else {
            return;
        };
        if session.closing.is_some() {
            self.go_on_closing(id);
            return;
        }
        if event.writable() && connection.is_attended() {
            // Not for us, then: see `look`.
            session.wants_room = false;
            self.look_later(id);
        } else if event.writable() {
            connection.blocked.store(false, Relaxed);
            match self.pump(id) {
                Some(Pumped::Failed) => {
                    self.found_lost(id);
                    return;
                }
                Some(Pumped::Drained) if self.disarms_at_once(id) => self.try_disarm(id),
                _ => self.look_soon(id),
            }
        }
        let is_stalled = connection.stalled.load(Relaxed);
        if event.hangup()
            || event.readable() && session_reads_itself(self, id)
            || event.ended() && is_stalled
        {
            self.found_lost(id);
        } else if event.readable() {
            self.read_in_background(id);
        }
        if self
            .sessions
            .get(&id)
            .is_some_and(|session| matches!(session.state, State::Ready))
        {
            self.register(id);
        }
    }

    // ---- output ------------------------------------------------------------------------------

    /// The application has left something behind.
    pub(super) fn armed(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if !matches!(session.state, State::Ready) {
            return;
        }
        if session.watch.is_some() {
            // The application was at it, and leaves.
            return self.look(id);
        }
        self.watch(id);
        let until = ticks() + YIELD_US * ticks_per_us();
        loop {
            match self.pump(id) {
                Some(Pumped::Failed) => return self.found_lost(id),
                Some(Pumped::Blocked) => return self.register(id),
                None | Some(Pumped::Offline) => return,
                Some(Pumped::Drained) if self.disarms_at_once(id) => return self.try_disarm(id),
                Some(Pumped::Drained | Pumped::Paused) => {}
            }
            // Woken onto the sender's own CPU, perhaps: let it finish its burst, then send the rest.
            if ticks() > until || self.disarms_at_once(id) {
                return;
            }
            yield_now();
        }
    }

    /// Where the application never writes, there is nothing to wait for after a burst.
    fn disarms_at_once(&self, id: u64) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|session| session.socket.policy == Policy::IoOnly)
    }

    /// Promises another look.
    pub(super) fn watch(&mut self, id: u64) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(connection) = &session.connection else {
            return;
        };
        if session.watch.is_some() {
            return;
        }
        // It may stand already, given while there was no connection.
        let _was_given = connection.arming.arm();
        let taken = connection.try_tx().map_or(0, |tx| tx.drain.taken());
        let flushes = connection.app_flushes.load(Relaxed);
        session.watch = Some(Box::new(Watch::new(now, taken, flushes)));
        self.watched.push(id);
    }

    pub(super) fn run_watched(&mut self) {
        let mut index = 0;
        while let Some(&id) = self.watched.get(index) {
            let due = self
                .sessions
                .get(&id)
                .and_then(|s| s.watch.as_ref())
                .map(|w| w.due);
            if due.is_some_and(|due| due <= self.now) {
                self.guarded(id, |thread| thread.look(id));
            }
            // Whoever is looked at may leave the list.
            if self.watched.get(index) == Some(&id) {
                index += 1;
            }
        }
    }

    /// The promised look.
    fn look(&mut self, id: u64) {
        let now = Instant::now();
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(connection) = session.connection.clone() else {
            return;
        };
        let attended = connection.is_attended();
        let pumped = if attended {
            Some(Pumped::Paused)
        } else if connection.blocked.load(Relaxed) {
            Some(Pumped::Blocked)
        } else {
            self.pump(id)
        };
        let taken = connection.try_tx().map(|tx| tx.drain.taken());
        let crowd = u32::try_from(self.watched.len()).unwrap_or(u32::MAX);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(watch) = session.watch.as_mut() else {
            return;
        };
        let flushes = connection.app_flushes.load(Relaxed);
        let quiet = taken.is_some_and(|taken| watch.look(now, taken, flushes, crowd));
        match pumped {
            Some(Pumped::Failed) => self.found_lost(id),
            // Two at it would be in each other's way. Who long leaves nothing behind needs no look.
            Some(Pumped::Paused) if attended => {
                watch.due = now + ATTENDED_TICK;
                if taken.is_some() && watch.long_quiet() {
                    self.try_disarm(id);
                }
            }
            // The kernel says when it takes more; no look until then.
            Some(Pumped::Blocked) => {
                watch.due = now + std::time::Duration::from_secs(1);
                session.wants_room = true;
                self.register(id);
            }
            Some(Pumped::Paused) => watch.go_on(now),
            Some(Pumped::Offline) => self.unwatch(id),
            Some(Pumped::Drained) if quiet => self.try_disarm(id),
            // Somebody else is writing.
            None if taken.is_none() => watch.due = now + watch.tick,
            _ => {}
        }
    }

    /// The kernel takes more again: the promised looks go on.
    fn look_soon(&mut self, id: u64) {
        let now = self.now;
        if let Some(watch) = self.sessions.get_mut(&id).and_then(|s| s.watch.as_mut()) {
            watch.go_on(now);
        }
    }

    /// The application is at it: another look, should it leave.
    fn look_later(&mut self, id: u64) {
        let due = self.now + ATTENDED_TICK;
        if let Some(watch) = self.sessions.get_mut(&id).and_then(|s| s.watch.as_mut()) {
            watch.due = due;
        }
    }

    /// Takes the promise back, unless there is something after all.
    fn try_disarm(&mut self, id: u64) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(connection) = session.connection.clone() else {
            return;
        };
        connection.arming.disarm();
        let left = connection
            .try_tx()
            .is_none_or(|tx| connection.has_output(&tx));
        if !left {
            self.unwatch(id);
        } else if connection.arming.arm() {
            // Nobody else has taken it up: the promise stands again.
            if let Some(watch) = session.watch.as_mut() {
                watch.go_on(now);
            }
        } else if let Some(watch) = session.watch.as_mut() {
            // The application has armed anew; its order is on its way and will find a watch.
            watch.go_on(now);
        }
    }

    pub(super) fn unwatch(&mut self, id: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.watch = None;
        }
        self.watched.retain(|watched| *watched != id);
    }

    /// Writes what can be written. `None` if somebody else is writing, or there is no connection.
    pub(super) fn pump(&mut self, id: u64) -> Option<Pumped> {
        let session = self.sessions.get_mut(&id)?;
        let connection = session.connection.clone()?;
        let mut tx = connection.try_tx()?;
        let pumped = connection.pump(&mut tx, Extent::All);
        let taken = tx.drain.taken();
        let finished = tx.drain.take_finished();
        drop(tx);
        drop(finished);
        session.wants_room = pumped == Pumped::Blocked;
        wake_sender(
            &session.socket,
            &connection,
            taken,
            &mut session.woken_at,
            pumped,
        );
        Some(pumped)
    }

    // ---- input -------------------------------------------------------------------------------

    /// What came in the same read as the end of the handshake. False if the connection has ended.
    pub(super) fn absorb_rest(
        &mut self,
        id: u64,
        connection: &Arc<Connection>,
        rest: &[u8],
    ) -> bool {
        let Some(session) = self.sessions.get(&id) else {
            return false;
        };
        let socket = Arc::clone(&session.socket);
        let mut ttl = None;
        let mut rx = connection.wait_rx();
        let result = absorb(&mut rx, connection, rest, &mut ttl);
        drop(rx);
        self.heard_ping(id, ttl);
        tell_readable(&socket, connection);
        match result {
            Ok(_) => true,
            Err(breach) => {
                self.give_up_for(id, breach);
                false
            }
        }
    }

    /// Reads for an application that does not.
    pub(super) fn read_in_background(&mut self, id: u64) {
        match self.absorb_from(id) {
            Some(Absorbed::Ended(errno)) => {
                let reason = errno.map_or(DisconnectReason::PeerClosed, |errno| {
                    reason_of(&io::Error::from_raw_os_error(errno))
                });
                self.lost(id, reason);
            }
            Some(Absorbed::Fault(fault)) => self.give_up_for(id, fault),
            Some(Absorbed::Paused) => self.read_on(id),
            Some(Absorbed::Empty | Absorbed::Full) => {}
            None => self.read_later(id),
        }
    }

    /// The application was reading, perhaps for the last time before it goes away, and perhaps
    /// before the last of what is there now had come.
    pub(super) fn read_later(&mut self, id: u64) {
        let at = self.now + READ_TICK;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !session.socket.reads_itself || !matches!(session.state, State::Ready) {
            return;
        }
        if let Some(connection) = &session.connection {
            connection.unread.store(true, Relaxed);
            session.retry_at = Some(at);
            self.schedule(id);
        }
    }

    /// There is more to read, and no event will say so where the application reads by edges.
    pub(super) fn read_on(&mut self, id: u64) {
        if session_reads_itself(self, id) {
            self.unread.push(id);
        }
    }

    /// Reads on where the last visit ended early.
    pub(super) fn run_unread(&mut self) {
        for id in std::mem::take(&mut self.unread) {
            if self.stations.contains_key(&id) {
                self.guarded(id, |thread| thread.visit_station(id));
                continue;
            }
            let session = self.sessions.get(&id);
            if session.is_some_and(|session| {
                matches!(session.state, State::Ready) && session.closing.is_none()
            }) {
                self.guarded(id, |thread| thread.read_in_background(id));
            }
        }
    }

    /// Reads until the kernel has no more, or the high-water mark is reached. `None` if somebody
    /// else is reading.
    pub(super) fn absorb_from(&mut self, id: u64) -> Option<Absorbed> {
        let session = self.sessions.get(&id)?;
        let connection = session.connection.clone()?;
        let socket = Arc::clone(&session.socket);
        let mut rx = connection.try_rx()?;
        let stream = rx.stream.clone()?;
        let mut ttl = None;
        let (mut moved, mut news) = (0, false);
        let came = loop {
            let limit =
                socket.input_most(connection.receive_limit.load(Relaxed), rx.fill.mean_size());
            let waiting = rx.fill.waiting();
            // What is no message does not count against the mark, but must not pile up either.
            let commands = rx.fill.unclaimed();
            if waiting >= limit || commands > socket.commands_most() {
                connection.stalled.store(true, Release);
                break Absorbed::Full;
            }
            if moved >= VISIT_BYTES {
                break Absorbed::Paused;
            }
            let room = usize::try_from(limit - waiting).unwrap_or(usize::MAX);
            let most = room.saturating_mul(rx.fill.mean_size()).clamp(64, SCRATCH);
            let most = if connection.raw { MOST_READ } else { most };
            match connection.read(&stream, &mut self.scratch[..most]) {
                Ok((0, _)) => break Absorbed::Ended(None),
                Ok((read, _)) => {
                    moved += read;
                    let bytes = &self.scratch[..read];
                    match absorb(&mut rx, &connection, bytes, &mut ttl) {
                        Ok(kept) => news |= kept,
                        Err(fault) => break Absorbed::Fault(fault),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Absorbed::Empty,
                Err(error) => break Absorbed::Ended(Some(error.raw_os_error().unwrap_or(0))),
            }
        };
        drop(rx);
        if news || came == Absorbed::Full {
            tell_readable(&socket, &connection);
        }
        self.heard_ping(id, ttl);
        self.send_control(id);
        Some(came)
    }

    /// The application has left: what it knew of, and what it had read, is seen to here.
    pub(super) fn look_after(&mut self, connection: &Arc<Connection>) {
        self.look_through(connection);
        if connection.unread.load(Relaxed) {
            self.read_in_background(connection.id);
        }
    }

    /// Looks through what the application has read and not received: PINGs must not wait for it.
    pub(super) fn look_through(&mut self, connection: &Arc<Connection>) {
        let Some(mut rx) = connection.try_rx() else {
            self.read_later(connection.id);
            return;
        };
        let mut ttl = None;
        let walked = rx.fill.walk(&mut |seen| answer(seen, connection, &mut ttl));
        drop(rx);
        self.heard_ping(connection.id, ttl);
        if let Err(fault) = walked {
            self.give_up_for(connection.id, Breach::Limit(fault));
        } else {
            self.send_control(connection.id);
        }
    }

    /// Sends commands that no message would carry along.
    fn send_control(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let waits = session
            .connection
            .as_ref()
            .is_some_and(|connection| connection.has_control());
        if !waits || !matches!(session.state, State::Ready) {
            return;
        }
        match self.pump(id) {
            // The next read or write shows it, too.
            Some(Pumped::Failed | Pumped::Drained | Pumped::Offline) => {}
            Some(Pumped::Blocked) => {
                self.watch(id);
                self.register(id);
            }
            // Whoever is writing may have looked for commands just before.
            Some(Pumped::Paused) | None => self.watch(id),
        }
    }

    /// The application has made room.
    pub(super) fn resume_reading(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if let Some(connection) = &session.connection {
            connection.stalled.store(false, Release);
        }
        match session.state {
            State::Trailing => self.trailing_event(id),
            State::Ready => {
                self.read_in_background(id);
                self.register(id);
            }
            _ => {}
        }
    }

    // ---- heartbeats --------------------------------------------------------------------------

    fn heard_ping(&mut self, id: u64, ttl: Option<u16>) {
        if let Some(ttl) = ttl {
            self.pinged(id, ttl);
        }
    }

    pub(super) fn pinged(&mut self, id: u64, ttl: u16) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if ttl > 0 && session.heartbeat.is_none() && matches!(session.state, State::Ready) {
            // The peer asks for it, though we do not.
            session.heartbeat = Some(Box::new(heartbeat(&session.options, now)));
        }
        if let Some(heartbeat) = session.heartbeat.as_mut() {
            // The PING itself is no sign of life after the PING.
            if let Some(connection) = &session.connection {
                session.heard = connection.bytes_in.load(Relaxed);
            }
            heartbeat.on_traffic(now);
            heartbeat.on_ping(ttl, now);
            self.schedule(id);
        }
    }

    /// A timer of the heartbeat has come.
    pub(super) fn beat(&mut self, id: u64) {
        let now = self.now;
        self.listen_for_life(id);
        loop {
            let Some(session) = self.sessions.get_mut(&id) else {
                return;
            };
            let Some(heartbeat) = session.heartbeat.as_mut() else {
                return;
            };
            match heartbeat.clone().handle_timeout(now) {
                Some(Action::Expired) => {
                    // Perhaps its answer lies in the kernel, unread.
                    if self.is_alive_after_all(id) {
                        continue;
                    }
                    self.lost(id, DisconnectReason::HeartbeatTimeout);
                    return;
                }
                Some(Action::SendPing) => {
                    let ttl = heartbeat.ping_ttl();
                    heartbeat.handle_timeout(now);
                    if let Some(connection) = &session.connection {
                        connection.post_control(|lane| command::ping(ttl, &[], lane));
                    }
                    self.send_control(id);
                }
                None => break,
            }
        }
        self.schedule(id);
    }

    /// Whatever was read since the last look counts as a sign of life.
    fn listen_for_life(&mut self, id: u64) -> bool {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let (Some(connection), Some(heartbeat)) = (&session.connection, &mut session.heartbeat)
        else {
            return false;
        };
        let heard = connection.bytes_in.load(Relaxed);
        let alive = heard != session.heard || connection.stalled.load(Relaxed);
        session.heard = heard;
        if alive {
            heartbeat.on_traffic(now);
        }
        alive
    }

    fn is_alive_after_all(&mut self, id: u64) -> bool {
        // Reads even where the application reads itself: it may be away. If it is at it right now
        // that is no sign of life yet, for it may find nothing.
        let mut came = self.absorb_from(id);
        for _ in 0..100 {
            if came.is_some() {
                break;
            }
            yield_now();
            came = self.absorb_from(id);
        }
        matches!(came, None | Some(Absorbed::Full)) && {
            if let Some(heartbeat) = self
                .sessions
                .get_mut(&id)
                .and_then(|session| session.heartbeat.as_mut())
            {
                heartbeat.on_traffic(self.now);
            }
            true
        } || self.listen_for_life(id)
    }
}

fn session_reads_itself(thread: &IoThread, id: u64) -> bool {
    thread
        .sessions
        .get(&id)
        .is_some_and(|session| session.socket.reads_itself)
}

/// Takes bytes into the queue; answers PINGs on the way. Whether anything is there now for the application.
fn absorb(
    rx: &mut Rx,
    connection: &Connection,
    bytes: &[u8],
    ttl: &mut Option<u16>,
) -> Result<bool, Breach> {
    let Rx { fill, inlet, .. } = rx;
    let Some(inlet) = inlet else {
        return Ok(absorb_frames(fill, connection, bytes, ttl)?);
    };
    let mut kept = false;
    inlet.decode(bytes, &mut |decoded| {
        kept |= match decoded {
            Decoded::Frames(frames) => absorb_frames(fill, connection, frames, ttl)?,
            Decoded::Large(Opened { flags, body }) => {
                fill.absorb_frame(flags, body, &mut |seen| answer(seen, connection, ttl))?;
                true
            }
        };
        Ok(())
    })?;
    Ok(kept)
}

fn absorb_frames(
    fill: &mut Fill,
    connection: &Connection,
    mut frames: &[u8],
    ttl: &mut Option<u16>,
) -> Result<bool, FillFault> {
    let mut kept = false;
    while let missing @ 1.. = fill.missing().min(frames.len()) {
        let (end, rest) = frames.split_at(missing);
        fill.absorb(end, &mut |seen| answer(seen, connection, ttl))?;
        (frames, kept) = (rest, true);
    }
    if fill.is_between_frames() {
        frames = without_heartbeats(frames, |ping| answer(ping, connection, ttl));
    }
    if frames.is_empty() {
        return Ok(kept);
    }
    fill.absorb(frames, &mut |seen| answer(seen, connection, ttl))?;
    Ok(true)
}

/// What is left behind the PINGs and PONGs at the beginning: they are not for the application, and one that stays
/// away must not find a day's worth of them.
fn without_heartbeats(mut frames: &[u8], mut see: impl FnMut(Seen<'_>)) -> &[u8] {
    while let Some(header) = frame::decode(frames)
        && header.command()
        && let Some((body, rest)) = usize::try_from(header.body_len)
            .ok()
            .and_then(|len| frames[header.header_len..].split_at_checked(len))
        && let Ok(Command::Ping { .. } | Command::Pong { .. }) = command::parse(body)
    {
        see(Seen::Command(0, body));
        frames = rest;
    }
    frames
}

fn answer(seen: Seen<'_>, connection: &Connection, ttl: &mut Option<u16>) {
    if let Seen::Command(_, body) = seen
        && let Ok(Command::Ping {
            ttl: theirs,
            context,
        }) = command::parse(body)
    {
        connection.post_pong(context);
        *ttl = Some(theirs);
    }
}

/// Tells the application that there is input it has not read itself, once until it has looked.
pub(super) fn tell_readable(socket: &SocketShared, connection: &Connection) {
    if connection.announce() {
        socket.tell(News::Readable { id: connection.id });
    } else {
        socket.wake.notify(interest::IN);
    }
}

/// Wakes a sender that waits for room: not for each message, but for half a queue.
pub(super) fn wake_sender(
    socket: &SocketShared,
    connection: &Connection,
    taken: u64,
    woken_at: &mut u64,
    pumped: Pumped,
) {
    if taken == *woken_at {
        return;
    }
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    if socket.wake.state() & (interest::OUT | interest::WATCHED | interest::TASK) == 0 {
        return;
    }
    let half = connection.send_limit.load(Relaxed).div_ceil(2).max(1);
    // At multiples, as libzmq does: what lies between a sender's mark and a receiver's can then be
    // counted on to the last message.
    if pumped == Pumped::Drained || taken / half > *woken_at / half {
        *woken_at = taken;
        socket.tell(News::Writable { id: connection.id });
    }
}
