// SPDX-License-Identifier: MIT OR Apache-2.0
//! What others may touch of a socket: its wake slot, its mailbox, and what I/O threads need.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ferromq_os::epoll::{Epoll, Interest};
use ferromq_os::event_fd::EventFd;
use ferromq_pipe::{Bell, Mailbox, WakeSlot};
use ferromq_vocabulary::SocketType;
use ferromq_zmtp::command;
use ferromq_zmtp::handshake::Version;
use ferromq_zmtp::subscription::{encode_cancel, encode_subscribe};

use crate::command::{News, Order};
use crate::connection::Connection;
use crate::io::IoHandle;
use crate::monitor::Monitor;
use crate::policy::Policy;
use crate::socket::Sleepers;

/// Token of the wake descriptor in a socket's epoll.
pub(crate) const BELL: u64 = 0;

#[derive(Debug)]
pub(crate) struct EventBell(EventFd);

impl EventBell {
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

impl std::os::fd::AsFd for EventBell {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Bell for EventBell {
    fn ring(&self) {
        self.0.signal();
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

/// Topics of a subscribing socket and the connections that have been told them.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    topics: BTreeMap<Vec<u8>, usize>,
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
    pub(crate) wake: WakeSlot<EventBell>,
    pub(crate) news: Mailbox<News>,
    /// The wake descriptor and, where the application reads, every connection.
    pub(crate) epoll: Epoll,
    /// Whether connections are read by the application; else the I/O thread reads them.
    pub(crate) reads_itself: bool,
    pub(crate) lease: Lease,
    /// The I/O thread that has the lease.
    pub(crate) home: Mutex<Option<Arc<IoHandle>>>,
    pub(crate) connections: Mutex<HashMap<u64, Arc<Connection>>>,
    subscriptions: Mutex<Subscriptions>,
    pub(crate) linger: AtomicI32,
    pub(crate) terminated: AtomicBool,
    pub(crate) closed: AtomicBool,
    pub(crate) monitor: Monitor,
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
        let event = EventFd::new()?;
        let epoll = Epoll::new()?;
        epoll.add(std::os::fd::AsFd::as_fd(&event), BELL, Interest::READ)?;
        let reads_itself =
            // An XPUB that only sends must learn of subscriptions, too.
            socket_type.receives()
                && !matches!(socket_type, SocketType::Xpub | SocketType::Stream)
                && policy != Policy::IoOnly
                && epoll.as_pollable().is_some();
        Ok(Self {
            id,
            socket_type,
            policy,
            wake: WakeSlot::new(EventBell(event)),
            news: Mailbox::default(),
            epoll,
            reads_itself,
            lease: Lease::default(),
            home: Mutex::new(None),
            connections: Mutex::new(HashMap::new()),
            subscriptions: Mutex::new(Subscriptions::default()),
            linger: AtomicI32::new(linger),
            terminated: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            monitor: Monitor::default(),
            listener: OnceLock::new(),
            undelivered: Arc::default(),
            sleepers: Sleepers::default(),
            harvested: Mutex::new(Vec::new()),
        })
    }

    /// Puts news into the mailbox and wakes whoever waits.
    pub(crate) fn tell(&self, news: News) {
        self.news.post(news);
        self.wake.post_news();
        if let Some(listener) = self.listener.get() {
            (listener.0)();
        }
        if self.closed.load(SeqCst) {
            // Nobody will look; what the news hold must not live for ever.
            drop(self.news.take_all());
        }
    }

    /// Has a function called with each piece of news.
    pub(crate) fn listen(&self, listener: Box<dyn Fn() + Send + Sync>) {
        // The first one stays.
        drop(self.listener.set(Listener(listener)));
    }

    /// The context ends: every call returns.
    pub(crate) fn terminate(&self) {
        self.terminated.store(true, SeqCst);
        self.wake.post_news();
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Relaxed)
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

    /// A topic more (or less): tells every connection. Returns those that need a pump.
    pub(crate) fn change_topic(&self, topic: &[u8], add: bool) -> Vec<Arc<Connection>> {
        let mut subscriptions = self.subscriptions();
        if add {
            *subscriptions.topics.entry(topic.to_vec()).or_insert(0) += 1;
        } else {
            subscriptions.topics.remove(topic);
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
        for topic in subscriptions.topics.keys() {
            let version = version_of(connection);
            encode_topic(self.socket_type, version, topic, true, &mut preamble);
        }
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
