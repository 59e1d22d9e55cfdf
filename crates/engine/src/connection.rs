// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket and an I/O thread share of one connection.
//!
//! Each direction has a try-lock. Whoever holds it may move bytes: the application in a call, or
//! the I/O thread. Greeting, commands, errors and the life of the connection belong to the I/O
//! thread alone (see `session`).

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ferromq_message::frame;
use ferromq_os::clock::{ticks, ticks_per_us};
use ferromq_os::stream::Stream;
use ferromq_os::thread::yield_now;
use ferromq_pipe::{Arming, Drain, Fill, Finished, Guard, SLICES, TryLock};

use crate::coding::{self, Breach, Inlet, Outlet};
use crate::delivery::Delivery;
use crate::io::IoHandle;
use crate::policy::{Dice, Policy};
use crate::tuning::{
    ATTENDED_US, BATCH_BYTES, PASSED_MOST, PONGS_MOST, VISIT_BYTES, batches_at_once,
};
use ferromq_zmtp::command;
use ferromq_zmtp::transcode::Transcoder;

/// A connection's way out, under its lock.
#[derive(Debug)]
pub(crate) struct Tx {
    pub(crate) drain: Drain,
    /// The connection, while it is ready for traffic.
    pub(crate) stream: Option<Arc<Stream>>,
    /// Commands on their way.
    control: Option<Box<Control>>,
    /// What the peer speaks, if it is not ZMTP 3 in the clear.
    outlet: Option<Box<Outlet>>,
    /// Nothing more will be sent.
    given_up: bool,
    /// There while somebody wants to know what is delivered.
    delivery: Option<Box<Delivery>>,
}

/// Commands, and how far they have gone. Most connections have none on their way.
#[derive(Debug, Default)]
struct Control {
    bytes: Vec<u8>,
    sent: usize,
}

/// A connection's way in, under its lock.
#[derive(Debug)]
pub(crate) struct Rx {
    pub(crate) fill: Fill,
    /// The connection, while it is ready for traffic.
    pub(crate) stream: Option<Arc<Stream>>,
    /// The I/O thread has been told that the connection has ended.
    pub(crate) ended: bool,
    /// What the peer speaks, if it is not ZMTP 3 in the clear.
    pub(crate) inlet: Option<Box<Inlet>>,
}

/// How much a pump is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything there is.
    All,
    /// Full batches, once there is one: the rest may wait for more.
    Batches,
}

/// How a pump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// Nothing is left.
    Drained,
    /// The kernel takes no more for now.
    Blocked,
    /// There is more, but it is somebody else's turn.
    Paused,
    /// There is no connection.
    Offline,
    /// The connection has ended.
    Failed,
}

#[derive(Debug)]
pub(crate) struct Connection {
    /// Unique in its context; also the token under which its descriptor is registered.
    pub(crate) id: u64,
    pub(crate) io: Arc<IoHandle>,
    pub(crate) tx: TryLock<Tx>,
    pub(crate) rx: TryLock<Rx>,
    pub(crate) arming: Arming,
    /// The kernel's buffer is full: only the I/O thread, or a sender that waits, tries again.
    pub(crate) blocked: AtomicBool,
    lane: Mutex<Option<Box<Control>>>,
    lane_waiting: AtomicBool,
    /// Writes the application has made, for the I/O thread to see that it looks after itself.
    pub(crate) app_flushes: AtomicU32,
    /// When that was last, in ticks of the clock.
    flushed_at: AtomicU64,
    /// The application itself waits for the kernel to take more.
    pub(crate) waits_for_room: AtomicBool,
    /// The I/O thread has stopped reading: the queue is at the high-water mark.
    pub(crate) stalled: AtomicBool,
    /// Nothing will come before a timer of the I/O thread: who waits for input need not look for it again and again.
    pub(crate) rests: AtomicBool,
    /// News of fresh input are on their way to the application.
    pub(crate) announced: AtomicBool,
    /// The peer has gone; what is left is read by whoever has room for it. Its end comes without another edge.
    pub(crate) trailing: AtomicBool,
    /// The application knows of input in the kernel and has not read it: no edge will tell the
    /// I/O thread, should the application stay away.
    pub(crate) unread: AtomicBool,
    /// Bytes read, for the heartbeat.
    pub(crate) bytes_in: AtomicU64,
    /// Most whole messages that may wait to be received; `u64::MAX` is no limit.
    pub(crate) receive_limit: AtomicU64,
    /// The high-water mark of the way out, for waking a sender at half of it.
    pub(crate) send_limit: AtomicU64,
    /// Subscriptions go out as commands (ZMTP 3.1) rather than as messages.
    pub(crate) subscribes_by_command: AtomicBool,
    /// Of the socket: messages that were queued when their connection ended for good.
    undelivered: Arc<AtomicU64>,
    dice: Dice,
    /// Plain bytes instead of frames.
    pub(crate) raw: bool,
    /// Its bytes travel in datagrams: only the I/O thread moves them.
    pub(crate) carried: bool,
    /// Most bytes to read, and to write, at once.
    read_most: u32,
    write_most: u32,
    /// Whole segments of about [`BATCH_BYTES`].
    least_batch: AtomicU32,
    /// How many bytes are best written at once: see [`batches_at_once`].
    batch: AtomicU32,
}

/// The kernel has taken some bytes.
#[inline]
fn note_written(delivery: &mut Option<Box<Delivery>>, drain: &Drain, bytes: usize) {
    if let Some(delivery) = delivery {
        delivery.written(bytes, drain.taken());
    }
}

impl Drop for Connection {
    /// The last one to let go counts what came after the end.
    fn drop(&mut self) {
        drop(self.give_up());
    }
}

impl Connection {
    pub(crate) fn new(
        id: u64,
        io: Arc<IoHandle>,
        drain: Drain,
        fill: Fill,
        receive_limit: u64,
        policy: Policy,
        undelivered: Arc<AtomicU64>,
        raw: bool,
    ) -> Self {
        Self {
            raw,
            carried: false,
            id,
            io,
            tx: TryLock::new(Tx {
                drain,
                stream: None,
                control: None,
                outlet: None,
                given_up: false,
                delivery: None,
            }),
            rx: TryLock::new(Rx {
                fill,
                stream: None,
                ended: false,
                inlet: None,
            }),
            arming: Arming::default(),
            blocked: AtomicBool::new(false),
            lane: Mutex::new(None),
            lane_waiting: AtomicBool::new(false),
            app_flushes: AtomicU32::new(0),
            flushed_at: AtomicU64::new(0),
            waits_for_room: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            rests: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            trailing: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            bytes_in: AtomicU64::new(0),
            receive_limit: AtomicU64::new(receive_limit),
            send_limit: AtomicU64::new(1),
            subscribes_by_command: AtomicBool::new(true),
            undelivered,
            dice: Dice::new(policy, id),
            read_most: u32::MAX,
            write_most: u32::MAX,
            least_batch: AtomicU32::new(BATCH_BYTES),
            batch: AtomicU32::new(BATCH_BYTES),
        }
    }

    /// The application has written, or tried to.
    pub(crate) fn note_flush(&self, now: u64) {
        let flushes = self.app_flushes.load(Relaxed);
        self.app_flushes.store(flushes.wrapping_add(1), Relaxed);
        self.flushed_at.store(now, Relaxed);
    }

    /// Whether the application is writing just now: the I/O thread would only be in its way.
    pub(crate) fn is_attended(&self) -> bool {
        let since = ticks().wrapping_sub(self.flushed_at.load(Relaxed));
        self.waits_for_room.load(Relaxed) || since < ATTENDED_US * ticks_per_us()
    }

    /// The application leaves it to the I/O thread; whether that may have left it to the application.
    pub(crate) fn leave(&self) -> bool {
        let was_attended = self.is_attended();
        self.flushed_at.store(0, Relaxed);
        was_attended
    }

    /// How many bytes are best written at once.
    #[inline(always)]
    pub(crate) fn batch(&self) -> usize {
        self.batch.load(Relaxed) as usize
    }

    /// The messages have this size in the mean; how many of their bytes are best written at once.
    pub(crate) fn choose_batch(&self, mean: u64) -> u64 {
        let batch = self.least_batch.load(Relaxed) * batches_at_once(mean);
        if batch != self.batch.load(Relaxed) {
            self.batch.store(batch, Relaxed);
        }
        u64::from(batch)
    }

    /// Limits what is read, and written, at once.
    pub(crate) fn limit_batches(&mut self, read_most: u32, write_most: u32) {
        self.read_most = read_most;
        self.write_most = write_most;
    }

    #[inline]
    pub(crate) fn try_tx(&self) -> Option<Guard<'_, Tx>> {
        if self.dice.one_in(8) {
            return None;
        }
        self.tx.try_lock()
    }

    #[inline]
    pub(crate) fn try_rx(&self) -> Option<Guard<'_, Rx>> {
        if self.dice.one_in(8) {
            return None;
        }
        self.rx.try_lock()
    }

    /// The lock of the way out, for the rare moments that cannot be left to the holder.
    pub(crate) fn wait_tx(&self) -> Guard<'_, Tx> {
        wait_for(&self.tx)
    }

    /// The lock of the way in, for the rare moments that cannot be left to the holder.
    pub(crate) fn wait_rx(&self) -> Guard<'_, Rx> {
        wait_for(&self.rx)
    }

    /// Puts commands on their way: they go out at the next end of a message. The caller pumps or
    /// arms afterwards.
    pub(crate) fn post_control(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut lane.get_or_insert_default().bytes);
        self.lane_waiting.store(true, SeqCst);
    }

    /// Answers a PING, as [`post_control`](Self::post_control) does; not if the peer lets answers
    /// pile up.
    pub(crate) fn post_pong(&self, context: &[u8]) {
        self.post_control(|lane| {
            if lane.len() < PONGS_MOST {
                command::pong(context, lane);
            }
        });
    }

    /// Whether there is something to write, as far as can be seen with the lock held.
    pub(crate) fn has_output(&self, tx: &Tx) -> bool {
        tx.control.is_some()
            || self.lane_waiting.load(Acquire)
            || !tx.drain.is_drained()
            || tx
                .outlet
                .as_ref()
                .is_some_and(|outlet| !outlet.rest().is_empty())
    }

    /// Whether commands wait that no message would carry along.
    pub(crate) fn has_control(&self) -> bool {
        self.lane_waiting.load(Acquire)
    }

    /// Writes until nothing is left, or too little, or the kernel takes no more.
    pub(crate) fn pump(&self, tx: &mut Tx, extent: Extent) -> Pumped {
        let Some(stream) = tx.stream.clone() else {
            return Pumped::Offline;
        };
        if tx.outlet.is_some() {
            return self.pump_coded(tx, &stream);
        }
        let (mut moved, batch) = (0, self.batch());
        loop {
            if tx.drain.is_at_boundary() || tx.control.is_some() {
                match self.pump_control(tx, &stream) {
                    Pumped::Drained => {}
                    other => return other,
                }
            }
            let mut pieces = [IoSlice::new(&[]); SLICES];
            let (count, bytes) = tx.drain.slices(&mut pieces, batch);
            if bytes == 0 {
                self.blocked.store(false, Relaxed);
                return if self.lane_waiting.load(Acquire) {
                    continue;
                } else {
                    Pumped::Drained
                };
            }
            if extent == Extent::Batches && moved > 0 && bytes < batch {
                self.blocked.store(false, Relaxed);
                return Pumped::Paused;
            }
            match self.write(&stream, &pieces[..count], bytes) {
                Ok((sent, offered)) => {
                    tx.drain.accept(sent);
                    moved += sent;
                    note_written(&mut tx.delivery, &tx.drain, sent);
                    if sent < offered {
                        return self.is_blocked();
                    }
                }
                Err(error) => return self.not_written(&error),
            }
            if moved >= VISIT_BYTES {
                self.blocked.store(false, Relaxed);
                return if self.has_output(tx) {
                    Pumped::Paused
                } else {
                    Pumped::Drained
                };
            }
        }
    }

    /// Writes what the frames are encoded to. A message counts as taken when the kernel has every byte that it was
    /// encoded to: on another connection, where it would be encoded anew, it begins again otherwise.
    fn pump_coded(&self, tx: &mut Tx, stream: &Stream) -> Pumped {
        let mut moved = 0;
        // Whether what is written next is followed by more: a record does not end where a segment does.
        let mut more = false;
        loop {
            let Some(outlet) = &mut tx.outlet else {
                return Pumped::Drained;
            };
            let before = outlet.rest().len();
            let written = self.write_encoded(outlet, stream, more);
            let sent = before - outlet.rest().len();
            tx.drain.accept_encoded(outlet.take_accepted());
            note_written(&mut tx.delivery, &tx.drain, sent);
            if let Err(error) = written {
                return self.not_written(&error);
            }
            if tx.drain.is_at_boundary() && outlet.is_at_boundary() {
                while let Some(control) = tx.control.take().or_else(|| self.collect_control()) {
                    if outlet.feed_commands(&control.bytes).is_err() {
                        return Pumped::Failed;
                    }
                }
            }
            let mut pieces = [IoSlice::new(&[]); SLICES];
            let (count, bytes) = tx.drain.slices(&mut pieces, 0);
            if bytes == 0 && outlet.rest().is_empty() {
                self.blocked.store(false, Relaxed);
                return Pumped::Drained;
            }
            if moved >= VISIT_BYTES {
                return Pumped::Paused;
            }
            let mut fed = 0;
            for piece in &pieces[..count] {
                if outlet.feed(piece).is_err() {
                    return Pumped::Failed;
                }
                fed += piece.len();
                // What is written while it is warm makes room for the next.
                if outlet.rest().len() >= BATCH_BYTES as usize {
                    break;
                }
            }
            moved += fed;
            more = fed < bytes && moved < VISIT_BYTES;
        }
    }

    /// Writes all that is encoded, or as much as the kernel takes.
    fn write_encoded(&self, outlet: &mut Outlet, stream: &Stream, more: bool) -> io::Result<()> {
        while !outlet.rest().is_empty() {
            let rest = outlet.rest();
            let rest = &rest[..self.dice.cut(rest.len().min(self.write_most as usize))];
            let sent = if more {
                stream.send_more(rest)?
            } else {
                stream.send(rest)?
            };
            outlet.written(sent);
        }
        Ok(())
    }

    /// Takes the commands that wait.
    fn collect_control(&self) -> Option<Box<Control>> {
        if !self.lane_waiting.load(Acquire) {
            return None;
        }
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        self.lane_waiting.store(false, Release);
        lane.take()
    }

    /// Returns how many bytes were written, and how many were offered.
    fn write(
        &self,
        stream: &Stream,
        pieces: &[IoSlice<'_>],
        bytes: usize,
    ) -> io::Result<(usize, usize)> {
        let cut = self.dice.cut(bytes.min(self.write_most as usize));
        let first = &pieces[0];
        if pieces.len() > 1 && cut == bytes {
            return Ok((stream.send_vectored(pieces)?, bytes));
        }
        let offered = cut.min(first.len());
        Ok((stream.send(&first[..offered])?, offered))
    }

    fn pump_control(&self, tx: &mut Tx, stream: &Stream) -> Pumped {
        loop {
            let Some(control) = &mut tx.control else {
                tx.control = self.collect_control();
                if tx.control.is_none() {
                    return Pumped::Drained;
                }
                continue;
            };
            let rest = &control.bytes[control.sent..];
            if rest.is_empty() {
                tx.control = None;
                continue;
            }
            match stream.send(&rest[..self.dice.cut(rest.len().min(self.write_most as usize))]) {
                Ok(sent) => control.sent += sent,
                Err(error) => return self.not_written(&error),
            }
        }
    }

    fn is_blocked(&self) -> Pumped {
        self.blocked.store(true, Relaxed);
        Pumped::Blocked
    }

    fn not_written(&self, error: &io::Error) -> Pumped {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.is_blocked(),
            io::ErrorKind::Interrupted => Pumped::Paused,
            _ => Pumped::Failed,
        }
    }

    /// Reads into `room`, as much as the dice allow; returns how much was read and offered.
    pub(crate) fn read(&self, stream: &Stream, room: &mut [u8]) -> io::Result<(usize, usize)> {
        let cut = self.cut(room.len());
        let read = stream.recv(&mut room[..cut])?;
        self.count_read(read);
        Ok((read, cut))
    }

    /// How much of `length` may be read at once.
    pub(crate) fn cut(&self, length: usize) -> usize {
        self.dice.cut(length.min(self.read_most as usize))
    }

    /// Counts bytes that have been read; only the holder of the lock does.
    pub(crate) fn count_read(&self, bytes: usize) {
        self.bytes_in
            .store(self.bytes_in.load(Relaxed) + bytes as u64, Relaxed);
    }

    /// Whether the pump is drawn, not chosen; true also where it is chosen.
    pub(crate) fn may_assist(&self) -> bool {
        !self.dice.one_in(2)
    }

    /// Under chaos an I/O thread is held up here now and then, for as long as an application needs to do a lot.
    pub(crate) fn dawdle(&self) {
        if self.dice.one_in(4) {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the peer speaks from here on, if it is not ZMTP 3 in the clear.
    pub(crate) fn set_coding(&self, transcoder: Option<Transcoder>) {
        let (outlet, inlet) = transcoder
            .map(|transcoder| coding::ways(transcoder, self.raw))
            .map(|(outlet, inlet)| (Box::new(outlet), Box::new(inlet)))
            .unzip();
        self.wait_tx().outlet = outlet;
        self.wait_rx().inlet = inlet;
    }

    /// A connection stands: traffic may flow. What was begun on the last one begins again.
    pub(crate) fn install(&self, stream: &Arc<Stream>, preamble: Vec<u8>) {
        let mut tx = self.wait_tx();
        tx.control = (!preamble.is_empty()).then(|| {
            Box::new(Control {
                bytes: preamble,
                sent: 0,
            })
        });
        tx.stream = Some(Arc::clone(stream));
        let segment = stream.segment_size().unwrap_or(1).min(BATCH_BYTES);
        let batch = BATCH_BYTES - BATCH_BYTES % segment;
        self.least_batch.store(batch, Relaxed);
        self.batch.store(batch, Relaxed);
        self.blocked.store(false, Relaxed);
        drop(tx);
        let mut rx = self.wait_rx();
        rx.stream = Some(Arc::clone(stream));
        rx.ended = false;
        self.trailing.store(false, Relaxed);
    }

    /// The connection has ended: the next one begins with the first message of which the kernel
    /// had not accepted every byte.
    pub(crate) fn uninstall_tx(&self) -> Finished {
        let mut tx = self.wait_tx();
        tx.stream = None;
        tx.control = None;
        tx.drain.resume();
        tx.outlet = None;
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        *lane = None;
        self.lane_waiting.store(false, Release);
        tx.drain.take_finished()
    }

    /// Nothing more will be sent: what is queued is lost, and counted.
    pub(crate) fn give_up(&self) -> Finished {
        let mut tx = self.wait_tx();
        tx.stream = None;
        tx.given_up = true;
        self.discard(&mut tx);
        tx.drain.take_finished()
    }

    fn discard(&self, tx: &mut Tx) {
        let lost = tx.drain.discard();
        self.undelivered.fetch_add(lost, Relaxed);
        if let Some(delivery) = &mut tx.delivery {
            delivery.lose(lost);
        }
    }

    /// The application has heard that the connection has ended for good: counts what it has sent in between.
    pub(crate) fn settle(&self) {
        let mut tx = self.wait_tx();
        if tx.given_up {
            self.discard(&mut tx);
        }
        let finished = tx.drain.take_finished();
        drop(tx);
        drop(finished);
    }

    /// From here on it is noted what is delivered.
    pub(crate) fn watch_delivery(&self) {
        let mut tx = self.wait_tx();
        tx.delivery = Some(Box::new(Delivery::from(tx.drain.taken())));
    }

    /// This stream is done with: what the peer's kernel has not acknowledged is not known to be delivered.
    pub(crate) fn doubt_unsent(&self, stream: &Stream) {
        let mut tx = self.wait_tx();
        if let Some(delivery) = &mut tx.delivery {
            delivery.end_stream(stream.unsent().unwrap_or(usize::MAX));
        }
    }

    /// How many messages have been delivered since this is noted, as far as is known.
    pub(crate) fn delivered(&self) -> u64 {
        let mut tx = self.wait_tx();
        let tx = &mut *tx;
        let Some(delivery) = &mut tx.delivery else {
            return 0;
        };
        if let Some(stream) = &tx.stream {
            delivery.end_stream(stream.unsent().unwrap_or(usize::MAX));
        }
        delivery.known()
    }

    /// Adds a message of this side's own to what has been read. Nothing half read may lie before
    /// it.
    pub(crate) fn slip_in(&self, body: &[u8]) {
        let (header, len) = frame::encode(0, body.len());
        let mut rx = self.wait_rx();
        for piece in [&header[..len], body] {
            // Too large for the peer's messages, or for the memory there is: not told.
            if rx.fill.absorb(piece, &mut |_| {}).is_err() {
                return;
            }
        }
    }

    /// The way in of an ended connection, and whether another one will follow on this pipe.
    pub(crate) fn uninstall_rx(&self, next: Next) {
        let mut rx = self.wait_rx();
        rx.stream = None;
        rx.inlet = None;
        match next {
            Next::Nothing => {}
            Next::SupersedesMany
                if rx.fill.waiting() == 0 && rx.fill.ended_unclaimed() >= PASSED_MOST =>
            {
                rx.fill.supersede_generation();
            }
            Next::Follows | Next::SupersedesMany => {
                rx.fill.begin_generation();
            }
            Next::Supersedes => {
                rx.fill.supersede_generation();
            }
        }
    }

    /// Announces fresh input once; whether the caller is the one to tell the application.
    pub(crate) fn announce(&self) -> bool {
        !self.announced.swap(true, AcqRel)
    }
}

fn wait_for<T>(lock: &TryLock<T>) -> Guard<'_, T> {
    let mut tries = 0u32;
    loop {
        if let Some(guard) = lock.try_lock() {
            return guard;
        }
        tries += 1;
        if tries < 100 {
            yield_now();
        } else {
            // The holder has been preempted; with real-time priorities a yield would not let it run.
            thread::sleep(Duration::from_micros(50));
        }
    }
}

/// What comes on a pipe behind an ended connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// Another connection, or a message of this side's own: what the ended one has brought stays.
    Follows,
    /// Another connection, whose peer says by itself what the one before has said: what nobody has looked at need not
    /// stay for ever.
    Supersedes,
    /// The same once many have ended that the application was to be told of, and none of them has left a message.
    SupersedesMany,
}

/// What a background read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absorbed {
    /// The kernel has no more.
    Empty,
    /// The high-water mark is reached.
    Full,
    /// There may be more, but it is somebody else's turn.
    Paused,
    /// The peer has closed, or the connection has failed.
    Ended(Option<i32>),
    /// The peer has done what it may not.
    Fault(Breach),
}
