// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving, and how the receiving call gets its input.
//!
//! Whole messages wait in the pipes' queues. When there is none, the call reads the connections
//! itself; when there is nothing to read, it looks again for a short while and then sleeps on the
//! connections themselves (`waiting`).

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use ferromq_message::Message;
use ferromq_os::clock::ticks;
use ferromq_os::epoll::Events;
use ferromq_os::stream::Stream;
use ferromq_os::thread::yield_now;
use ferromq_pattern::{Pattern, Received, Refusal};
use ferromq_pipe::{Fill, FillFault, PipeId, Pool, Reader, Seen, interest};
use ferromq_vocabulary::Code;

use super::link::Link;
use super::sending::{Deadline, code_of};
use super::{Claimed, Socket, Wait};
use crate::coding::{Breach, Decoded, Inlet};
use crate::command::Order;
use crate::connection::{Connection, Rx};
use crate::context::ContextShared;
use crate::shared::{BELL, SocketShared};
use crate::tuning::{
    CROWD_BYTES, FEW_PEERS, GLANCE_BYTES, HOT_MOST, HOUSEKEEPING_MASK, MEANWHILE, PILE_BYTES,
    READ_AHEAD, TURNS_LEAST,
};
use ferromq_zmtp::command::{self, Command};
use ferromq_zmtp::transcode::Opened;

impl Socket {
    /// Receives a part of a message; [`Message::more`] says whether others follow.
    ///
    /// # Errors
    /// Those of `zmq_recv(3)`: `Again` if there is none in the time it may wait, `NotSupported`,
    /// `State`, `Terminated`, `Interrupted`.
    #[inline]
    pub fn recv_frame(&mut self, wait: Wait) -> Result<Message, Code> {
        let mut message = Message::new();
        self.recv_to(&mut message, wait)?;
        Ok(message)
    }

    /// The same, to where the part is to be: a message that is handed from call to call is copied
    /// each time, as long as its fields are still on their way to the caches. What was there is
    /// let go.
    ///
    /// # Errors
    /// As for [`recv_frame`](Self::recv_frame); then what was there stays.
    #[inline(always)]
    pub fn recv_to(&mut self, place: &mut Message, wait: Wait) -> Result<(), Code> {
        if let Some(id) = self.quick_source()
            && let Some(pipe) = self.pipes.get_mut(id)
            && pipe.reader.take_plain(place, pipe.peer.metadata.as_ref())
        {
            self.after_quick(id);
            return Ok(());
        }
        self.recv_to_by_pattern(place, wait)
    }

    #[inline(never)]
    fn recv_to_by_pattern(&mut self, place: &mut Message, wait: Wait) -> Result<(), Code> {
        if self.options.conflate && self.conflates() {
            *place = self.recv_newest(wait)?;
            return Ok(());
        }
        self.recv_one(place, wait).map(drop)
    }

    /// Receives a part, and tells whose queue it was in.
    #[inline(always)]
    pub(super) fn recv_one(
        &mut self,
        place: &mut Message,
        wait: Wait,
    ) -> Result<Option<PipeId>, Code> {
        let id = match self.next(wait)? {
            Received::From(id) => id,
            Received::Name(id) => {
                *place = Message::copy_from_slice(self.pattern.routing_id_of(id));
                place.set_more(true);
                self.dress(id, place);
                return Ok(None);
            }
            Received::Own(message) => {
                self.receive_more = message.more();
                *place = message;
                return Ok(None);
            }
            Received::Head(id, message) => {
                *place = message;
                self.dress(id, place);
                return Ok(None);
            }
            Received::Made(id, message) => {
                *place = message;
                self.dress(id, place);
                self.count_receive(id);
                return Ok(None);
            }
        };
        let Some(pipe) = self.pipes.get_mut(id) else {
            return Err(Code::Fault);
        };
        let metadata = pipe.peer.metadata.as_ref();
        if !pipe.reader.take_to(place, metadata) {
            return Err(Code::Fault);
        }
        self.read_ahead = self.read_ahead.saturating_sub(place.len());
        self.after_receive(id, place.more());
        Ok(Some(id))
    }

    /// Receives a part into a buffer; returns its full length, which may be more than fitted, and
    /// whether others follow.
    ///
    /// # Errors
    /// As for [`recv_frame`](Self::recv_frame).
    #[inline(always)]
    pub fn recv_into(&mut self, buffer: &mut [u8], wait: Wait) -> Result<(usize, bool), Code> {
        if let Some(id) = self.quick_source()
            && let Some(pipe) = self.pipes.get_mut(id)
            && let Some(len) = pipe.reader.take_plain_into(buffer)
        {
            self.after_quick(id);
            return Ok((len, false));
        }
        self.recv_into_by_pattern(buffer, wait)
    }

    /// Where the next message comes from, if there is only one place and nothing else to be seen to.
    #[inline(always)]
    fn quick_source(&self) -> Option<PipeId> {
        self.only_source
            .filter(|_| !self.receive_more && !self.has_to_look())
    }

    /// A message of the only source has been taken.
    #[inline(always)]
    fn after_quick(&mut self, id: PipeId) {
        let taken = self.pipes.get(id).map_or(0, |pipe| pipe.reader.taken());
        if self.inproc_pipes > 0 {
            self.give_credit(id);
        }
        if taken & u64::from(HOUSEKEEPING_MASK) == 0 {
            self.keep_house(id);
        }
    }

    #[inline(never)]
    fn recv_into_by_pattern(
        &mut self,
        buffer: &mut [u8],
        wait: Wait,
    ) -> Result<(usize, bool), Code> {
        if self.conflates() {
            let message = self.recv_newest(wait)?;
            return Ok((copy_to(buffer, &message), message.more()));
        }
        let id = match self.next(wait)? {
            Received::From(id) => id,
            Received::Made(id, message) => {
                self.after_receive(id, message.more());
                return Ok((copy_to(buffer, &message), message.more()));
            }
            Received::Name(id) => {
                let length = copy_to(buffer, self.pattern.routing_id_of(id));
                self.note_part(id, true);
                return Ok((length, true));
            }
            Received::Head(id, message) => {
                self.note_part(id, message.more());
                return Ok((copy_to(buffer, &message), message.more()));
            }
            Received::Own(message) => {
                self.receive_more = message.more();
                return Ok((copy_to(buffer, &message), message.more()));
            }
        };
        let Some(pipe) = self.pipes.get_mut(id) else {
            return Err(Code::Fault);
        };
        let Some((len, more)) = pipe.reader.take_into(buffer) else {
            return Err(Code::Fault);
        };
        self.read_ahead = self.read_ahead.saturating_sub(len);
        self.after_receive(id, more);
        Ok((len, more))
    }

    /// A frame that the pattern has made gets what is known of its peer.
    #[inline]
    fn dress(&mut self, id: PipeId, message: &mut Message) {
        if let Some(pipe) = self.pipes.get(id) {
            message.set_metadata(pipe.peer.metadata.clone());
        }
        self.note_part(id, message.more());
    }

    /// Where the next part comes from.
    #[inline(always)]
    fn next(&mut self, wait: Wait) -> Result<Received, Code> {
        self.begin()?;
        match self.pattern.recv(&mut self.pipes) {
            Ok(received) => Ok(received),
            Err(Refusal::Again) => self.next_slowly(wait),
            Err(refusal) => Err(code_of(refusal)),
        }
    }

    #[inline(never)]
    fn next_slowly(&mut self, wait: Wait) -> Result<Received, Code> {
        self.check_alive()?;
        // The clock is read only if there is nothing to be had at once.
        let mut deadline = None;
        self.read_ahead = 0;
        loop {
            let found = self.input();
            match self.pattern.recv(&mut self.pipes) {
                Ok(received) => return Ok(received),

                Err(Refusal::Again) if self.obey_first() => continue,
                Err(Refusal::Again) => {}
                Err(refusal) => return Err(code_of(refusal)),
            }
            self.report_faulty();
            if found {
                continue;
            }
            let deadline =
                *deadline.get_or_insert_with(|| self.deadline(wait, self.options.rcvtimeo));
            if deadline == Deadline::Now {
                if self.is_contended() {
                    yield_now();
                    continue;
                }
                return Err(Code::Again);
            }
            self.wait_in(deadline)?;
        }
    }

    #[inline(always)]
    fn after_receive(&mut self, id: PipeId, more: bool) {
        self.count_receive(id);
        if more | self.receive_more {
            self.note_part(id, more);
        }
    }

    /// A part of a message of several has been given out.
    #[inline(never)]
    fn note_part(&mut self, id: PipeId, more: bool) {
        self.receive_more = more;
        self.half_received = more.then_some(id);
        if !more && self.finishing == Some(id) {
            self.detach(id);
        }
    }

    #[inline(always)]
    pub(super) fn count_receive(&mut self, id: PipeId) {
        self.received = self.received.wrapping_add(1);
        if self.inproc_pipes > 0 {
            self.give_credit(id);
        }
        if self.received & HOUSEKEEPING_MASK == 0 {
            self.keep_house(id);
        }
    }

    /// Wakes a sender of this process that waits for room, once per so many messages.
    #[inline]
    fn give_credit(&mut self, id: PipeId) {
        let (Some(Some(Link::Inproc(link))), Some(pipe)) =
            (self.links.get_mut(id.index()), self.pipes.get(id))
        else {
            return;
        };
        let taken = pipe.reader.taken();
        if taken - link.woken_at >= link.credit_step {
            link.woken_at = taken;
            if let Some(peer) = &link.peer {
                peer.wake.notify_light(interest::OUT);
            }
        }
    }

    /// Now and then: other connections have their turn, and stalled readers go on.
    #[inline(never)]
    fn keep_house(&mut self, id: PipeId) {
        if self.pipes.len() > 1 {
            self.input();
        }
        self.resume_if_stalled(id);
        self.report_faulty();
    }

    /// Looks for input everywhere without sleeping; whether there may be some now.
    pub(super) fn input(&mut self) -> bool {
        self.input_if(true)
    }

    /// The same, or without asking the kernel for what it has not told of.
    pub(super) fn input_if(&mut self, asks_kernel: bool) -> bool {
        // The kernel first: with its answer the bell is taken back, and what it rang for is found
        // by the looks that follow.
        if asks_kernel {
            self.ask_kernel();
        } else if self.reads_wires() {
            self.note_reads();
        }
        self.let_others_in();
        let mut found = self.take_news();
        self.pace.has_looked = true;
        if self.inproc_pipes > 0 {
            found |= self.look_inproc();
        }
        if self.reads_wires() {
            found |= self.fill_hot();
            if self.carried > 0 {
                found |= self.look_at_readers();
            }
        } else {
            found |= self.look_at_readers();
        }
        self.bury();
        found
    }

    /// Whether there are connections that the application reads itself.
    fn reads_wires(&self) -> bool {
        self.shared.reads_itself && self.by_connection.len() > self.carried
    }

    /// Which connections may have input.
    fn ask_kernel(&mut self) {
        if !self.reads_wires() {
            return;
        }
        if self.by_connection.len() == 1 {
            // Asking the one connection is cheaper than asking which.
            if let Some(id) = self.by_connection.values().next().copied() {
                self.heat(id);
            }
        } else if self.hot.len() <= HOT_MOST {
            self.harvest();
        }
    }

    /// Under chaos: between two looks there is time for much to happen.
    #[inline]
    fn let_others_in(&self) {
        if self.dice.one_in(2) {
            for _ in 0..MEANWHILE {
                yield_now();
            }
        }
    }

    /// Pipes of this process that have something.
    fn look_inproc(&mut self) -> bool {
        let mut found = false;
        for index in 0..self.links.len() {
            let Some(Link::Inproc(link)) = self.links[index].as_ref() else {
                continue;
            };
            // The last look at an empty queue gives the sender what credit is left.
            let peer = link.peer.clone();
            let id = self.pipes.id_at(index);
            let Some(pipe) = self.pipes.get_mut(id) else {
                continue;
            };
            if pipe.reader.is_ready() {
                self.pattern.readable(id);
                found = true;
            } else if let (Some(peer), Some(Link::Inproc(link))) =
                (peer, self.links[index].as_mut())
                && link.woken_at != pipe.reader.taken()
            {
                link.woken_at = pipe.reader.taken();
                peer.wake.notify_light(interest::OUT);
            }
        }
        found
    }

    /// Connections that the I/O thread reads: whether one has a message by now.
    fn look_at_readers(&mut self) -> bool {
        let mut found = false;
        for index in 0..self.links.len() {
            if !matches!(self.links[index], Some(Link::Wire(_))) {
                continue;
            }
            let id = self.pipes.id_at(index);
            let Some(pipe) = self.pipes.get_mut(id) else {
                continue;
            };
            if pipe.reader.is_ready() {
                self.pattern.readable(id);
                found = true;
            } else {
                let commands = pipe.reader.has_commands();
                if commands {
                    self.obey(id);
                }
                self.resume_if_stalled(id);
            }
        }
        found
    }

    /// Asks the kernel which connections have input.
    pub(super) fn harvest(&mut self) {
        let mut events = Events::with_capacity((self.by_connection.len() + 1).min(64));
        if self
            .set
            .set()
            .wait(&mut events, Some(std::time::Duration::ZERO))
            .is_ok()
        {
            self.note_reads();
            self.heat_all(&events);
        }
    }

    pub(super) fn heat_all(&mut self, events: &Events) {
        for event in events.iter() {
            if event.token() == BELL {
                self.set.clear();
            } else if let Some(id) = self.by_connection.get(&event.token()).copied() {
                self.heat(id);
            }
        }
    }

    /// The application is alive and reads: the I/O thread may leave the input to it.
    fn note_reads(&self) {
        note_read(&self.shared, &self.context);
    }

    /// The kernel may hold input for this pipe.
    pub(super) fn heat(&mut self, id: PipeId) {
        if let Some(Some(Link::Wire(wire))) = self.links.get_mut(id.index())
            && !wire.connection.carried
            && !std::mem::replace(&mut wire.hot, true)
        {
            wire.connection.unread.store(true, Relaxed);
            self.hot.push_back(id);
        }
    }

    fn fill_hot(&mut self) -> bool {
        let mut found = false;
        for _ in 0..self.hot.len() {
            if found && self.reads_enough() {
                // Whoever is left must not be forgotten, should the application stay away.
                self.have_lease_watched();
                break;
            }
            let Some(id) = self.hot.pop_front() else {
                break;
            };
            found |= self.fill(id);
            if matches!(self.links.get(id.index()), Some(Some(Link::Wire(wire))) if wire.hot) {
                self.hot.push_back(id);
            }
        }
        found
    }

    /// Whether what has been read will do for a while.
    fn reads_enough(&self) -> bool {
        self.read_ahead >= READ_AHEAD && self.pattern.readable_pipes() >= TURNS_LEAST
    }

    /// Reads a connection if its queue has no message; whether there is one now.
    fn fill(&mut self, id: PipeId) -> bool {
        let is_crowd = self.links.len() > FEW_PEERS;
        let (Some(Some(Link::Wire(wire))), Some((pipe, pool))) =
            (self.links.get_mut(id.index()), self.pipes.with_pool(id))
        else {
            return false;
        };
        if pipe.reader.is_ready() {
            self.pattern.readable(id);
            return true;
        }
        let connection = &wire.connection;
        // If it is taken somebody is reading for us: the connection stays hot.
        let Some(mut rx) = connection.try_rx() else {
            return false;
        };
        note_read(&self.shared, &self.context);
        let scratch = if self.glance.wanted {
            Some(&mut self.glance.scratch()[..GLANCE_BYTES])
        } else if is_crowd && !wire.streams {
            Some(self.glance.scratch())
        } else {
            None
        };
        let filled = read_for(
            &mut pipe.reader,
            pool,
            &mut rx,
            connection,
            &mut self.commands,
            scratch,
        );
        drop(rx);
        if filled.pile {
            self.pace.last_read_at = ticks();
        }
        self.read_ahead += filled.came;
        if filled.read > 0 {
            wire.streams = filled.read >= CROWD_BYTES;
            self.pace.last_read = if filled.pile { filled.read } else { 0 };
        }
        wire.hot = filled.hot;
        connection.unread.store(filled.hot, Relaxed);
        if let Some(order) = filled.order {
            connection.io.post(order);
        }
        if filled.pile {
            // Commands may lie behind what the application takes its time to receive.
            self.have_lease_watched();
        }
        if filled.found {
            self.pattern.readable(id);
        }
        if !self.commands.is_empty() {
            self.obey(id);
        }
        self.flush_control(id);
        filled.found
    }

    /// Whether a connection could not be asked, because somebody else was reading it: "nothing
    /// there" is not certain.
    pub(super) fn is_contended(&self) -> bool {
        self.shared.reads_itself && !self.hot.is_empty()
    }

    /// Peers that have broken the rules of the pattern lose their connection.
    pub(super) fn report_faulty(&mut self) {
        for id in self.pattern.take_faulty() {
            match self.links.get(id.index()) {
                Some(Some(Link::Wire(wire))) => wire.connection.io.post(Order::Fault {
                    id: wire.connection.id,
                }),
                Some(Some(Link::Inproc(_))) => self.let_go(id),
                _ => {}
            }
        }
    }
}

/// Copies what fits; returns the full length.
fn copy_to(buffer: &mut [u8], part: &[u8]) -> usize {
    let fits = part.len().min(buffer.len());
    buffer[..fits].copy_from_slice(&part[..fits]);
    part.len()
}

/// The application reads: see [`SocketShared`]'s lease.
fn note_read(socket: &SocketShared, context: &ContextShared) {
    for reads in [&socket.lease.reads, &context.reads] {
        reads.store(reads.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// What reading for a pipe has come to.
struct Filled {
    /// There is a message.
    found: bool,
    /// The kernel may have more.
    hot: bool,
    /// How much was read last.
    read: usize,
    /// How much was read in all.
    came: usize,
    /// Much has been read at once, and nobody has looked through it.
    pile: bool,
    order: Option<Order>,
}

/// Reads until there is a message or the kernel has no more.
fn read_for(
    reader: &mut Reader,
    pool: &mut Pool,
    rx: &mut Rx,
    connection: &Connection,
    commands: &mut Vec<Claimed>,
    mut glance: Option<&mut [u8]>,
) -> Filled {
    let mut filled = Filled {
        found: false,
        hot: false,
        read: 0,
        came: 0,
        pile: false,
        order: None,
    };
    let Rx {
        fill,
        stream,
        ended,
        inlet,
    } = rx;
    loop {
        // It may have been filled between the look and the lock.
        filled.found = reader.is_ready();
        claim_commands(reader, fill, commands);
        if filled.found || !filled.hot && filled.order.is_some() {
            return filled;
        }
        let Some(stream) = stream.as_ref() else {
            return filled;
        };
        let id = connection.id;
        if *ended {
            // It could not be told before there was room for what came before the end.
            filled.order = Some(Order::Lost { id });
            return filled;
        }
        let came = match (inlet.as_mut(), glance.take()) {
            (Some(inlet), _) => read_coded(inlet, fill, stream, connection),
            (None, Some(scratch)) if !fill.has_room() => {
                read_a_little(scratch, fill, stream, connection)
            }
            (None, _) => match fill.read(reader, pool, stream, |room| connection.cut(room)) {
                Ok(came) => came.map_err(|error| came_to(&error, id)),
                Err(fault) => Err(Order::Overrun {
                    id,
                    breach: Breach::Limit(fault),
                }),
            },
        };
        match came {
            Ok((read @ 1.., offered)) => {
                connection.count_read(read);
                // A short read has emptied the kernel's queue, but may not have come to the end.
                filled.hot = read == offered || connection.trailing.load(Relaxed);
                filled.read = read;
                filled.came += read;
                filled.pile = read >= PILE_BYTES;
                filled.found = reader.is_ready();
                claim_commands(reader, fill, commands);
                if !filled.pile {
                    answer_pings(fill, connection);
                }
                if !filled.found && filled.hot && filled.order.is_none() {
                    continue;
                }
                if !filled.found {
                    fill.settle(reader, pool);
                }
            }
            Ok((0, _)) => filled.order = Some(Order::Lost { id }),
            Err(Order::Resume { .. }) => {
                filled.hot = false;
                fill.settle(reader, pool);
                return filled;
            }
            Err(order) => filled.order = Some(order),
        }
        if filled.order.is_some() {
            *ended = true;
            filled.hot = false;
        }
        return filled;
    }
}

/// Reads so much that it becomes clear whether there is a message; returns how much was read and offered.
/// Whoever asks many connections before it receives from any would else have as many large blocks
/// in use, and each cold when its turn comes.
fn read_a_little(
    scratch: &mut [u8],
    fill: &mut Fill,
    stream: &Stream,
    connection: &Connection,
) -> Result<(usize, usize), Order> {
    let id = connection.id;
    let offered = connection.cut(scratch.len());
    let read = stream
        .recv(&mut scratch[..offered])
        .map_err(|error| came_to(&error, id))?;
    match absorb(fill, &scratch[..read], connection) {
        Ok(()) => Ok((read, offered)),
        Err(fault) => Err(Order::Overrun {
            id,
            breach: Breach::Limit(fault),
        }),
    }
}

/// Reads what has to be decoded; returns how much was read and offered.
fn read_coded(
    inlet: &mut Inlet,
    fill: &mut Fill,
    stream: &Stream,
    connection: &Connection,
) -> Result<(usize, usize), Order> {
    let id = connection.id;
    let mut ttl = None;
    let mut take = |decoded: Decoded<'_>| {
        let mut see = |seen: Seen<'_>| answer_ping(&seen, connection, &mut ttl);
        match decoded {
            Decoded::Frames(frames) => fill.absorb(frames, &mut see),
            Decoded::Large(Opened { flags, body }) => fill.absorb_frame(flags, body, &mut see),
        }
    };
    let came = inlet.read(stream, |room| connection.cut(room), &mut take);
    tell_pinged(connection, ttl);
    match came {
        Ok(came) => came.map_err(|error| came_to(&error, id)),
        Err(breach) => Err(Order::Overrun { id, breach }),
    }
}

/// Takes in what has been read elsewhere; answers PINGs on the way.
fn absorb(fill: &mut Fill, bytes: &[u8], connection: &Connection) -> Result<(), FillFault> {
    let mut ttl = None;
    fill.absorb(bytes, &mut |seen| answer_ping(&seen, connection, &mut ttl))?;
    tell_pinged(connection, ttl);
    Ok(())
}

/// What an error of a read means; [`Order::Resume`] stands for "nothing there".
fn came_to(error: &io::Error, id: u64) -> Order {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Order::Resume { id },
        _ => Order::Lost { id },
    }
}

/// Takes the commands that the reader has met, and whether they are ours to carry out: an I/O
/// thread may have seen to them.
pub(super) fn claim_commands(reader: &mut Reader, fill: &mut Fill, commands: &mut Vec<Claimed>) {
    if !reader.has_commands() {
        return;
    }
    for frame in reader.take_commands() {
        let ours = fill.claim(frame.position, frame.body.len());
        commands.push(Claimed {
            body: frame.body,
            ours,
        });
    }
}

/// Answers the PINGs among what has just been read, ahead of the messages before them.
fn answer_pings(fill: &mut Fill, connection: &Connection) {
    // What is too large is met again by the next read.
    let mut ttl = None;
    let _met_again = fill.walk(&mut |seen| answer_ping(&seen, connection, &mut ttl));
    tell_pinged(connection, ttl);
}

fn answer_ping(seen: &Seen<'_>, connection: &Connection, last: &mut Option<u16>) {
    if let Seen::Command(_, body) = seen
        && let Ok(Command::Ping { ttl, context }) = command::parse(body)
    {
        connection.post_pong(context);
        *last = Some(ttl);
    }
}

/// The I/O thread keeps the time. However many PINGs have come, it hears of the last.
pub(super) fn tell_pinged(connection: &Connection, ttl: Option<u16>) {
    if let Some(ttl) = ttl {
        connection.io.post(Order::Pinged {
            id: connection.id,
            ttl,
        });
    }
}
