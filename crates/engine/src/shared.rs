// SPDX-License-Identifier: MIT OR Apache-2.0
//! What others may touch of a socket: its wake slot, its mailbox, and what I/O threads need.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use ferromq_os::epoll::BellSet;
use ferromq_os::stream::Stream;
use ferromq_pipe::{Arming, Bell, Mailbox, WakeSlot};
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::command;
use ferromq_zmtp::handshake::Version;
use ferromq_zmtp::subscription::{encode_cancel, encode_subscribe};

use crate::bans::Bans;
use crate::by_number::ByNumber;
use crate::command::{News, Order};
use crate::connection::Connection;
use crate::handshakes::Handshakes;
use crate::io::IoHandle;
use crate::monitor::Monitor;
use crate::policy::Policy;
use crate::socket::Sleepers;
use crate::topics::Topics;
use crate::tuning::{COMMANDS_MOST, INPUT_LEAST, SUBSCRIPTIONS_MOST};

/// Token of the bell in a socket's set.
pub(crate) const BELL: u64 = 0;

/// What a socket's user waits for: its bell and, where the application reads, every connection. The descriptor goes when
/// the socket is closed, whoever still knows of the socket, and nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Waitable(RwLock<Option<Arc<BellSet>>>);

impl Waitable {
    /// The set, until the socket is closed.
    pub(crate) fn set(&self) -> Option<Arc<BellSet>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The socket is closed: whoever still waits is woken for good.
    pub(crate) fn close(&self) {
        let set = self
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(set) = set {
            set.ring();
        }
    }
}

impl Bell for Waitable {
    fn ring(&self) {
        if let Some(set) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            set.ring();
        }
    }
}

/// Who looks after a socket's input: the application as long as it keeps reading, the I/O thread
/// when it stays away.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// The I/O thread hears of the next arrival.
    pub(crate) armed: AtomicBool,
    /// The I/O thread looks from time to time.
    pub(crate) watched: AtomicBool,
    /// Moves with each read the application makes.
    pub(crate) reads: AtomicU32,
}

/// Answers that the application holds back for a moment.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The I/O thread looks from time to time.
    pub(crate) promise: Arming,
    /// Something is held.
    pub(crate) any: AtomicBool,
    /// Moves with each answer that is held.
    pub(crate) count: AtomicU32,
}

/// Topics of a subscribing socket and the connections that have been told them.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    topics: Topics,
    live: Vec<Arc<Connection>>,
}

/// See [`Socket::on_news`](crate::Socket::on_news).
struct Listener(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

#[derive(Debug)]
pub(crate) struct SocketShared {
    pub(crate) id: u64,
    pub(crate) socket_type: SocketType,
    pub(crate) policy: Policy,
    /// Peers send and get plain bytes.
    raw: AtomicBool,
    pub(crate) wake: WakeSlot<Waitable>,
    pub(crate) news: Mailbox<News>,
    /// Whether connections are read by the application; else the I/O thread reads them.
    pub(crate) reads_itself: bool,
    pub(crate) lease: Lease,
    pub(crate) held: Held,
    /// The I/O thread that has the lease.
    pub(crate) home: Mutex<Option<Arc<IoHandle>>>,
    pub(crate) connections: Mutex<ByNumber<Arc<Connection>>>,
    subscriptions: Mutex<Subscriptions>,
    pub(crate) linger: AtomicI32,
    pub(crate) closed: AtomicBool,
    /// The application has disconnected from something (RECONNECT_STOP_AFTER_DISCONNECT).
    pub(crate) disconnected: AtomicBool,
    pub(crate) monitor: Monitor,
    pub(crate) handshakes: Handshakes,
    pub(crate) bans: Bans,
    listener: OnceLock<Listener>,
    /// Messages that were queued when their connection ended for good.
    pub(crate) undelivered: Arc<AtomicU64>,
    pub(crate) sleepers: Sleepers,
    /// Connections of which a sleeper has learned that they have input.
    pub(crate) harvested: Mutex<Vec<u64>>,
}

impl SocketShared {
    pub(crate) fn new(
        id: u64,
        socket_type: SocketType,
        policy: Policy,
        linger: i32,
    ) -> io::Result<Self> {
        let set = BellSet::new(BELL)?;
        let reads_itself =
            // An XPUB that only sends must learn of subscriptions, too.
            socket_type.receives()
                && !matches!(socket_type, SocketType::Xpub | SocketType::Stream)
                && policy != Policy::IoOnly
                && set.set().as_pollable().is_some();
        Ok(Self {
            id,
            socket_type,
            policy,
            raw: AtomicBool::new(socket_type == SocketType::Stream),
            wake: WakeSlot::new(Waitable(RwLock::new(Some(Arc::new(set))))),
            news: Mailbox::default(),
            reads_itself,
            lease: Lease::default(),
            held: Held::default(),
            home: Mutex::new(None),
            connections: Mutex::new(ByNumber::default()),
            subscriptions: Mutex::new(Subscriptions::default()),
            linger: AtomicI32::new(linger),
            closed: AtomicBool::new(false),
            disconnected: AtomicBool::new(false),
            monitor: Monitor::default(),
            handshakes: Handshakes::default(),
            bans: Bans::default(),
            listener: OnceLock::new(),
            undelivered: Arc::default(),
            sleepers: Sleepers::default(),
            harvested: Mutex::new(Vec::new()),
        })
    }

    /// What its user waits for, until it is closed. Where a set has no descriptor the application never reads for
    /// itself, and hears of everything by the bell.
    pub(crate) fn set(&self) -> Option<Arc<BellSet>> {
        self.wake.bell().set()
    }

    /// A connection is no longer to be waited for.
    pub(crate) fn stop_waiting_for(&self, stream: &Stream) {
        if self.reads_itself
            && let Some(set) = self.set()
        {
            set.set().delete(stream.as_fd()).ok();
        }
    }

    /// Whether peers send and get plain bytes: those of STREAM, and of ROUTER with `ROUTER_RAW`.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw.load(Relaxed)
    }

    /// See [`is_raw`](Self::is_raw); counts for connections made afterwards.
    pub(crate) fn set_raw(&self, raw: bool) {
        self.raw.store(raw, Relaxed);
    }

    /// Puts news into the mailbox and wakes whoever waits.
    pub(crate) fn tell(&self, news: News) {
        match news {
            News::CheckTies => self.news.post_unless(news, News::makes_a_look_superfluous),
            News::Ready { id, .. } => {
                // The last handshake counts, however many there were before an application has looked.
                let earlier =
                    |news: &News| matches!(news, News::Ready { id: theirs, .. } if *theirs == id);
                self.news.post_instead(news, earlier);
            }
            _ => {
                self.news.post(news);
            }
        }
        self.told();
    }

    /// The same for news that depend on those which are there already, and may be none.
    pub(crate) fn tell_made(&self, make: impl FnOnce(&VecDeque<News>) -> Option<News>) {
        self.news.post_made(make);
        self.told();
    }

    /// There are news in the mailbox.
    fn told(&self) {
        self.wake.post_news();
        if let Some(listener) = self.listener.get() {
            (listener.0)();
        }
        if self.closed.load(SeqCst) {
            // Nobody will look; what the news hold must not live for ever.
            drop(self.news.take_all());
        }
    }

    /// Messages of this mean size that are read for an application that does not take them, where `mark` is the
    /// high-water mark.
    pub(crate) fn input_most(&self, mark: u64, mean_size: usize) -> u64 {
        if self.socket_type.receives() {
            return mark;
        }
        // They are no messages but subscriptions of ZMTP 3.0, which the next call takes all at once.
        mark.max(INPUT_LEAST / mean_size as u64)
    }

    /// Bytes of commands that are read for an application which does not look.
    pub(crate) fn commands_most(&self) -> u64 {
        match self.socket_type {
            SocketType::Pub | SocketType::Xpub | SocketType::Radio => SUBSCRIPTIONS_MOST,
            _ => COMMANDS_MOST,
        }
    }

    /// Has a function called with each piece of news.
    pub(crate) fn listen(&self, listener: Box<dyn Fn() + Send + Sync>) {
        // The first one stays.
        drop(self.listener.set(Listener(listener)));
    }

    /// The context ends: every call returns.
    pub(crate) fn terminate(&self) {
        self.wake.end();
        self.handshakes.look_up();
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.wake.has_ended()
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, ByNumber<Arc<Connection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the I/O thread that has the lease, if one has.
    pub(crate) fn tell_home(&self, order: Order) {
        let home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        match home.as_ref() {
            Some(io) => io.post(order),
            None => debug_assert!(
                !matches!(order, Order::Hold { .. }),
                "a peer has come before there was a home"
            ),
        }
    }

    /// Gives the lease to the I/O thread of the first connection.
    pub(crate) fn settle_at(self: &Arc<Self>, io: &Arc<IoHandle>) {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        if home.is_none() {
            *home = Some(Arc::clone(io));
            if self.reads_itself {
                io.post(Order::Lease {
                    socket: Arc::clone(self),
                });
            }
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A topic more (or less): tells every connection; new ones, too, if it is `news` and not
    /// only said again. Returns those that need a pump.
    pub(crate) fn change_topic(&self, topic: &[u8], add: bool, news: bool) -> Vec<Arc<Connection>> {
        let mut subscriptions = self.subscriptions();
        if news {
            subscriptions.topics.change(topic, add);
        }
        for connection in &subscriptions.live {
            let version = version_of(connection);
            connection.post_control(|lane| {
                encode_topic(self.socket_type, version, topic, add, lane);
            });
        }
        subscriptions.live.clone()
    }

    /// Everything a new publisher must be told; changes from now on go to it as well.
    pub(crate) fn begin_telling(&self, connection: &Arc<Connection>) -> Vec<u8> {
        let mut preamble = Vec::new();
        if !self.tells_topics() {
            return preamble;
        }
        let mut subscriptions = self.subscriptions();
        let version = version_of(connection);
        subscriptions.topics.for_each(|topic| {
            encode_topic(self.socket_type, version, topic, true, &mut preamble);
        });
        subscriptions.live.push(Arc::clone(connection));
        preamble
    }

    /// Whether its peers are told what it wants to receive.
    fn tells_topics(&self) -> bool {
        matches!(
            self.socket_type,
            SocketType::Sub | SocketType::Xsub | SocketType::Dish
        )
    }

    pub(crate) fn stop_telling(&self, connection: &Arc<Connection>) {
        if self.tells_topics() {
            self.subscriptions()
                .live
                .retain(|known| !Arc::ptr_eq(known, connection));
        }
    }
}

/// A change of subscriptions, or of the groups a DISH has joined.
fn encode_topic(
    socket_type: SocketType,
    version: Version,
    topic: &[u8],
    add: bool,
    out: &mut Vec<u8>,
) {
    match (socket_type, add) {
        (SocketType::Dish, true) => command::join(topic, out),
        (SocketType::Dish, false) => command::leave(topic, out),
        (_, true) => encode_subscribe(version, topic, out),
        (_, false) => encode_cancel(version, topic, out),
    }
}

fn version_of(connection: &Connection) -> Version {
    if connection.subscribes_by_command.load(Relaxed) {
        Version::V3_1
    } else {
        Version::V3_0
    }
}
