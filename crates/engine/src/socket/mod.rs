// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets: the application's side.
//!
//! 1. [`endpoint`]: bind, connect, and back
//! 2. [`sending`], [`receiving`]: the calls, and who moves their bytes
//! 3. [`holding`]: answers that go out together
//! 4. [`waiting`]: sleeping until there is something to do
//! 5. [`news`]: what I/O threads and other sockets have to tell
//! 6. [`option`]: options, live ones above all
//! 7. [`statistics`]: exact counters per peer
//! 8. [`banning`]: unwelcome peers, and news of those who come

mod banning;
pub(crate) mod conflate;
mod endpoint;
mod holding;
mod link;
mod news;
mod option;
pub(crate) mod peer;
mod receiving;
mod sending;
mod statistics;
mod tempo;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use ferromq_os::epoll::BellSet;
use ferromq_os::{clock, process, thread};
use ferromq_pattern::{AnyPattern, Pattern};
use ferromq_pipe::{PipeId, Pipes, Pool};
use ferromq_vocabulary::{Code, SocketOptions, SocketType};

use crate::by_number::ByNumber;
use crate::command::{Linger, Order};
use crate::connection::Connection;
use crate::context::ContextShared;
use crate::monitor::{EventSink, MonitorEvents};
use crate::policy::{Dice, Policy};
use crate::shared::SocketShared;
use crate::tuning::{FLUSH_GAP_US, SPIN_US};

pub use statistics::PeerStatistics;
pub(crate) use waiting::Sleepers;
pub use waiting::{Readiness, Ticket};

use endpoint::EndpointEntry;
use holding::HeldBack;
use link::Link;

/// How long a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// As the socket's time-out option says.
    #[default]
    Option,
    /// Not at all.
    No,
    /// Until then.
    Until(Instant),
    /// For ever.
    Forever,
}

/// A socket. One thread at a time calls it; it may move between threads.
#[derive(Debug)]
pub struct Socket {
    context: Arc<ContextShared>,
    /// The process it belongs to: what is forked from that has copies of its descriptors.
    born_at: u32,
    shared: Arc<SocketShared>,
    /// What it waits for.
    set: Arc<BellSet>,
    options: SocketOptions,
    pattern: AnyPattern,
    pipes: Pipes,
    links: Vec<Option<Link>>,
    /// Pipes by the number of their connection.
    by_connection: ByNumber<PipeId>,
    /// Connections whose kernel buffer may hold input.
    hot: VecDeque<PipeId>,
    /// About how many bytes have been read and not been received.
    read_ahead: usize,
    /// Pipes whose connection has ended and whose input has not all been received.
    ending: Vec<PipeId>,
    /// Commands that have come and have not been carried out.
    commands: Vec<Claimed>,
    endpoints: Vec<EndpointEntry>,
    last_endpoint: String,
    /// The routing id of the peer connected last (STREAM).
    last_routing_id: Vec<u8>,
    receive_more: bool,
    /// Whose message has been received in part.
    half_received: Option<PipeId>,
    /// A peer that the application has let go of in the middle of its message: the rest of that is still to be received,
    /// and nothing else of it.
    finishing: Option<PipeId>,
    /// Parts of a message have been sent, and not its last one.
    send_more: bool,
    /// The way to the only peer, where every message goes to whichever peer there is.
    short_way: Option<ShortWay>,
    /// The only peer, where every message is received.
    only_source: Option<PipeId>,
    glance: Glance,
    /// Counts receives, for housekeeping.
    received: u32,
    inproc_pipes: usize,
    /// Pipes of datagrams, which only the I/O thread reads.
    carried: usize,
    pace: Pace,
    dice: Dice,
    fan_out: FanOut,
    held_back: HeldBack,
    closed: bool,
}

/// Reads that are only to tell whether there is a message.
#[derive(Debug, Default)]
struct Glance {
    wanted: bool,
    /// What they read into; there from the first one on.
    scratch: Box<[u8]>,
}

/// How long messages to the same many peers need no look at each.
#[derive(Debug, Default)]
struct FanOut {
    /// Which peers: see [`Logged`](ferromq_pipe::Logged).
    generation: u64,
    peers: Vec<Arc<Connection>>,
    /// Up to how many messages and bytes of the log.
    messages: u64,
    bytes: u64,
}

/// What became of the messages that were queued when a socket was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CloseReport {
    /// Handed over, every byte of them: the peer's side has acknowledged it.
    pub delivered: u64,
    /// Given up at the deadline or with their connection, or on their way then: nobody knows how far.
    pub discarded: u64,
}

/// A command from a peer, and whether nobody else has seen to it.
#[derive(Debug)]
struct Claimed {
    body: Box<[u8]>,
    ours: bool,
}

/// The only peer's pipe, and who must know of a message in it.
#[derive(Debug)]
struct ShortWay {
    id: PipeId,
    cover: Cover,
}

#[derive(Debug)]
enum Cover {
    /// The I/O thread, if it has promised to look.
    Promise(Arc<Connection>),
    /// The socket at the other end, if it waits.
    Peer(Arc<SocketShared>),
}

/// What a socket has learned about its own rhythm.
#[derive(Debug)]
struct Pace {
    /// Shortest time between two writes on the caller's account, in ticks of the clock.
    gap: u64,
    /// How long to look before sleeping, in ticks; 0 on one CPU.
    spin: u64,
    /// Whether that has been worth it lately.
    score: u32,
    probe: u32,
    /// The last write that time asked for, on any connection.
    last_flush: u64,
    /// How much the last read brought, and when, if it was large.
    last_read: usize,
    last_read_at: u64,
    /// When a send that does not wait last looked at full queues again, in ticks.
    last_refresh: u64,
    /// A receive has found nothing since: the next full queue is looked at again in any case.
    has_looked: bool,
    /// Nothing had come since the last send: the next one is no part of a burst.
    has_waited: bool,
    /// For messages to many: whose turn it is to be written to, how many messages there have
    /// been, which of them look at the clock, and when one last did.
    fan_turn: usize,
    fan_count: u32,
    fan_mask: u32,
    last_look: u64,
}

impl Pace {
    fn new(policy: Policy) -> Self {
        let per_us = clock::ticks_per_us();
        let spins = policy != Policy::IoOnly && thread::cpu_count() > 1;
        Self {
            gap: FLUSH_GAP_US * per_us,
            spin: if spins { SPIN_US * per_us } else { 0 },
            score: 0,
            probe: 0,
            last_flush: 0,
            last_read: 0,
            last_read_at: 0,
            last_refresh: 0,
            has_looked: false,
            has_waited: false,
            fan_turn: 0,
            fan_count: 0,
            fan_mask: 0,
            last_look: 0,
        }
    }

    /// Ticks of the clock in a microsecond.
    fn per_us(&self) -> u64 {
        self.gap / FLUSH_GAP_US
    }
}

impl Socket {
    pub(crate) fn new(
        context: Arc<ContextShared>,
        id: u64,
        socket_type: SocketType,
        options: SocketOptions,
        policy: Policy,
    ) -> Result<Self, Code> {
        let seed = context.random() as u32;
        let mut pattern = AnyPattern::new(socket_type, seed);
        let shared = SocketShared::new(id, socket_type, policy, options.linger)
            .map_err(|_error| Code::TooManySockets)?;
        let mut pipes = Pipes::with_pool_of(Pool::with_stock(Arc::clone(&context.slabs)));
        pipes.may_refresh = looks_each_time(socket_type, &options);
        pattern.configure(&mut pipes, &options);
        Ok(Self {
            born_at: context.born_at(),
            context,
            set: shared.set().ok_or(Code::Terminated)?,
            shared: Arc::new(shared),
            options,
            pattern,
            pipes,
            links: Vec::new(),
            by_connection: ByNumber::default(),
            hot: VecDeque::new(),
            read_ahead: 0,
            ending: Vec::new(),
            commands: Vec::new(),
            endpoints: Vec::new(),
            last_endpoint: String::new(),
            last_routing_id: Vec::new(),
            receive_more: false,
            half_received: None,
            finishing: None,
            send_more: false,
            short_way: None,
            only_source: None,
            glance: Glance::default(),
            received: 0,
            inproc_pipes: 0,
            carried: 0,
            pace: Pace::new(policy),
            dice: Dice::new(policy, id),
            fan_out: FanOut::default(),
            held_back: HeldBack::default(),
            closed: false,
        })
    }

    pub(crate) fn shared(&self) -> &Arc<SocketShared> {
        &self.shared
    }

    pub(crate) fn set(&self) -> &BellSet {
        &self.set
    }

    /// Its type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        self.shared.socket_type
    }

    /// The endpoint last bound or connected, wildcards resolved.
    #[must_use]
    pub fn last_endpoint(&self) -> &str {
        &self.last_endpoint
    }

    /// Whether the part received last has a successor.
    #[must_use]
    pub fn receive_more(&self) -> bool {
        self.receive_more
    }

    /// Opens a monitor: every event of this socket's connections from now on.
    #[must_use]
    pub fn monitor(&self) -> MonitorEvents {
        self.shared.monitor.open()
    }

    /// Has a function called with each event of this socket's connections from now on, in place of
    /// the last such function, which is told that it ends. It is called in the thread where the
    /// event happens, mostly an I/O thread, and must not wait. `None` only ends the last one.
    pub fn monitor_to(&self, sink: Option<EventSink>) {
        self.shared.monitor.tell_to(sink);
    }

    /// Has a function called whenever there are news for this socket: a peer in this process has
    /// come, say. It is called in any thread, with locks held: it must neither wait nor close the
    /// socket. Only the first one counts.
    pub fn on_news(&self, listener: Box<dyn Fn() + Send + Sync>) {
        self.shared.listen(listener);
    }

    /// Peers have come or gone, or the pattern has changed its mind: is there a short way?
    fn find_short_ways(&mut self) {
        let only = self
            .pipes
            .ids()
            .next()
            .filter(|_| self.pipes.len() == 1 && !self.conflates());
        self.short_way = only
            .filter(|_| self.pattern.sends_to_any())
            .and_then(|id| self.short_way_to(id));
        self.only_source = only.filter(|_| self.pattern.receives_all());
    }

    fn short_way_to(&self, id: PipeId) -> Option<ShortWay> {
        let cover = match self.links.get(id.index())?.as_ref()? {
            Link::Wire(wire) => Cover::Promise(Arc::clone(&wire.connection)),
            Link::Inproc(link) => Cover::Peer(Arc::clone(link.peer.as_ref()?)),
        };
        Some(ShortWay { id, cover })
    }

    /// Begins each call: the context may have ended, there may be news, and this process may be a fork of the
    /// socket's.
    #[inline(always)]
    fn begin(&mut self) -> Result<(), Code> {
        if self.has_to_look() {
            return self.begin_with_news();
        }
        Ok(())
    }

    /// Whether a call may not just go on with what the queues hold.
    #[inline(always)]
    fn has_to_look(&self) -> bool {
        self.shared.wake.is_signalled() | self.is_forked()
    }

    /// Whether this process is a fork of the one that made the socket: it has copies of the socket's descriptors, and
    /// whatever it did to them it would do to those of its parent.
    #[inline(always)]
    fn is_forked(&self) -> bool {
        self.born_at != process::fork_generation()
    }

    #[cold]
    #[inline(never)]
    fn begin_with_news(&mut self) -> Result<(), Code> {
        self.check_alive()?;
        self.take_news();
        Ok(())
    }

    fn check_alive(&self) -> Result<(), Code> {
        if self.shared.is_terminated() {
            return Err(Code::Terminated);
        }
        if self.is_forked() {
            return Err(Code::Interrupted);
        }
        Ok(())
    }

    /// Closes it: what is queued is delivered in the background for as long as the linger option
    /// says.
    pub fn close(mut self) {
        self.close_with(None);
    }

    /// Closes it with a linger of its own.
    pub fn close_lingering(mut self, linger: Linger) {
        self.close_with(Some(linger));
    }

    /// Closes it, waits until everything queued is delivered or the deadline comes, and reports.
    /// Messages between sockets of this process count as delivered when they are queued there.
    #[must_use]
    pub fn close_reporting(mut self, deadline: Instant) -> CloseReport {
        if self.is_forked() {
            return CloseReport::default();
        }
        self.take_news();
        let (mut queued, mut connections) = (0, Vec::new());
        for link in self.links.iter().flatten() {
            if let Some(wire) = link.wire()
                && let Some(id) = self.by_connection.get(&wire.connection.id)
                && let Some(pipe) = self.pipes.get(*id)
            {
                wire.connection.watch_delivery();
                // What has gone in between was not queued any more.
                queued += pipe.writer.messages() - pipe.writer.taken();
                connections.push(Arc::clone(&wire.connection));
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.close_with(Some(Linger::For(left)));
        // The I/O thread keeps the deadline; a little more for it to say so.
        let patience = deadline + std::time::Duration::from_secs(1);
        self.context.wait_for_sessions_of(self.shared.id, patience);
        let delivered: u64 = connections.iter().map(|it| it.delivered()).sum();
        let delivered = delivered.min(queued);
        CloseReport {
            delivered,
            discarded: queued - delivered,
        }
    }

    fn close_with(&mut self, linger: Option<Linger>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        if self.is_forked() {
            return;
        }
        let linger =
            linger.unwrap_or_else(|| Linger::from_option(self.shared.linger.load(Relaxed)));
        let lingers = linger != Linger::For(std::time::Duration::ZERO);
        if lingers {
            self.flush_all();
        }
        self.context.registry.leave(&self.shared, lingers);
        for link in self.links.iter().flatten() {
            link.close(&self.shared);
        }
        // The queues' application ends go; the I/O threads keep theirs until they are through.
        self.pipes = Pipes::new();
        self.links.clear();
        let socket = self.shared.id;
        let orders = self
            .context
            .io_handles()
            .into_iter()
            .map(|io| (io, Order::CloseSocket { socket, linger }))
            .collect();
        self.shared.closed.store(true, SeqCst);
        self.shared.wake.bell().close();
        drop(self.shared.news.take_all());
        self.context.socket_closed(&self.shared, orders);
    }
}

/// Whoever drops a message for a full queue must know that it is full. Others are told that a
/// queue was full when they last looked: a tight loop of sends that do not wait is to see it.
fn looks_each_time(socket_type: SocketType, options: &SocketOptions) -> bool {
    match socket_type {
        SocketType::Pub | SocketType::Xpub | SocketType::Radio => !options.xpub_nodrop,
        SocketType::Router => !options.router_mandatory,
        SocketType::Xsub | SocketType::Rep => true,
        _ => false,
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close_with(None);
    }
}
