// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contexts: I/O threads, names, and the end of it all.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use ferromq_os::event_fd::EventFd;
use ferromq_os::{clock, fence, process, thread};
use ferromq_pipe::Stock;
use ferromq_vocabulary::{Code, ContextOptions, SocketType};

use crate::authentication::Authentication;
use crate::command::Order;
use crate::io::IoHandle;
use crate::io::thread::IoThread;
use crate::policy::Policy;
use crate::shared::SocketShared;
use crate::socket::Socket;
use crate::transport::inproc::Registry;

/// Owns the I/O threads and the names of `inproc://`. Clones are the same context.
#[derive(Debug, Clone)]
pub struct Context {
    shared: Arc<ContextShared>,
}

#[derive(Debug)]
struct Life {
    options: ContextOptions,
    policy: Policy,
    threads: Vec<JoinHandle<()>>,
    io: Vec<Arc<IoHandle>>,
    started: bool,
    sockets: HashMap<u64, Weak<SocketShared>>,
    /// Connections and listeners that I/O threads still have, by socket.
    sessions: HashMap<u64, Sessions>,
    terminated: bool,
    /// Rung at each step towards the end, for those who wait for it on a descriptor.
    end_bells: Vec<Weak<EventFd>>,
}

/// What I/O threads still have of a socket.
#[derive(Debug, Default)]
struct Sessions {
    count: usize,
    /// The socket, once it has closed: its monitor ends with the last of them.
    closed: Option<Arc<SocketShared>>,
}

#[derive(Debug)]
pub(crate) struct ContextShared {
    life: Mutex<Life>,
    changed: Condvar,
    next_id: AtomicU64,
    seed: AtomicU64,
    failed: AtomicBool,
    pub(crate) registry: Registry,
    pub(crate) authentication: Authentication,
    /// Reads that applications have made, for the I/O threads to see that they are alive.
    pub(crate) reads: AtomicU32,
    /// Memory that whichever socket reads uses.
    pub(crate) slabs: Arc<Stock>,
    /// Number of fork()s at its making: a child must leave it alone.
    born_at: u32,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// A context with the default options. Threads start with the first socket.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(ContextOptions::default())
    }

    /// A context with these options.
    #[must_use]
    pub fn with_options(options: ContextOptions) -> Self {
        fence::register();
        process::watch_forks();
        let life = Life {
            options,
            policy: Policy::from_environment(),
            threads: Vec::new(),
            io: Vec::new(),
            started: false,
            sockets: HashMap::new(),
            sessions: HashMap::new(),
            terminated: false,
            end_bells: Vec::new(),
        };
        Self {
            shared: Arc::new(ContextShared {
                life: Mutex::new(life),
                changed: Condvar::new(),
                next_id: AtomicU64::new(1),
                seed: AtomicU64::new(RandomState::new().hash_one(0u8)),
                failed: AtomicBool::new(false),
                registry: Registry::default(),
                authentication: Authentication::default(),
                reads: AtomicU32::new(0),
                slabs: Arc::default(),
                born_at: process::fork_generation(),
            }),
        }
    }

    /// Who moves the bytes of sockets made from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.shared.life().policy = policy;
    }

    /// Reads or changes the options; those of threads count until the first socket is made.
    pub fn options<R>(&self, with: impl FnOnce(&mut ContextOptions) -> R) -> R {
        with(&mut self.shared.life().options)
    }

    /// Makes a socket.
    ///
    /// # Errors
    /// `Invalid` for a type that is not built, `TooManySockets` beyond the option's number or
    /// without descriptors, `Terminated` after [`shutdown`](Self::shutdown), `Interrupted` in a fork of the process
    /// that made the context.
    pub fn socket(&self, socket_type: SocketType) -> Result<Socket, Code> {
        self.shared.check_not_forked()?;
        let mut life = self.shared.life();
        if life.terminated || self.shared.failed.load(Relaxed) {
            return Err(Code::Terminated);
        }
        let most = usize::try_from(life.options.max_sockets).unwrap_or(0);
        life.sockets.retain(|_, socket| socket.strong_count() > 0);
        if life.sockets.len() >= most {
            return Err(Code::TooManySockets);
        }
        self.make_socket(life, socket_type)
    }

    /// A socket of our own, which no limit counts.
    pub(crate) fn socket_inside(&self, socket_type: SocketType) -> Result<Socket, Code> {
        let life = self.shared.life();
        if life.terminated || self.shared.failed.load(Relaxed) {
            return Err(Code::Terminated);
        }
        self.make_socket(life, socket_type)
    }

    pub(crate) fn of(shared: &Arc<ContextShared>) -> Self {
        Self {
            shared: Arc::clone(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<ContextShared> {
        &self.shared
    }

    fn make_socket(
        &self,
        mut life: MutexGuard<'_, Life>,
        socket_type: SocketType,
    ) -> Result<Socket, Code> {
        self.shared.start(&mut life)?;
        let options = life.options.socket_defaults(socket_type);
        let policy = life.policy;
        let id = self.shared.next_id();
        let socket = Socket::new(Arc::clone(&self.shared), id, socket_type, options, policy)?;
        life.sockets.insert(id, Arc::downgrade(socket.shared()));
        Ok(socket)
    }

    /// Makes every call on its sockets return `Terminated`, now and from now on.
    pub fn shutdown(&self) {
        if self.shared.is_forked() {
            // Its sockets' bells would ring in the parent, and its locks may be held for ever.
            return;
        }
        let sockets: Vec<_> = {
            let mut life = self.shared.life();
            life.terminated = true;
            life.sockets.values().filter_map(Weak::upgrade).collect()
        };
        for socket in sockets {
            socket.terminate();
        }
    }

    /// Shuts down, waits until every socket is closed and has delivered or given up what it had
    /// (see linger), and ends the threads. False if the deadline came first; it can be called
    /// again.
    pub fn terminate(&self, deadline: Option<Instant>) -> bool {
        if self.shared.is_forked() {
            return true;
        }
        self.shutdown();
        let mut life = self.shared.life();
        loop {
            let open = life.sockets.values().filter_map(Weak::upgrade);
            let open = open.filter(|socket| !socket.closed.load(SeqCst)).count();
            if open == 0 && life.sessions.is_empty() {
                break;
            }
            life = match deadline {
                None => self
                    .shared
                    .changed
                    .wait(life)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        return false;
                    };
                    self.shared
                        .changed
                        .wait_timeout(life, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        let (threads, io) = (
            std::mem::take(&mut life.threads),
            std::mem::take(&mut life.io),
        );
        drop(life);
        self.shared.authentication.close();
        end_threads(threads, &io);
        self.shared.registry.end();
        true
    }

    /// Shuts down; answers with what becomes readable at each step towards the end. For a caller who waits for that, and
    /// calls [`terminate`](Self::terminate) with a deadline that has come, before the wait and after it.
    ///
    /// # Errors
    /// `TooManySockets` without descriptors.
    pub fn end_bell(&self) -> Result<Arc<EventFd>, Code> {
        let bell = Arc::new(EventFd::new()?);
        if !self.shared.is_forked() {
            self.shutdown();
            let mut life = self.shared.life();
            life.end_bells.retain(|bell| bell.strong_count() > 0);
            life.end_bells.push(Arc::downgrade(&bell));
        }
        Ok(bell)
    }

    /// Whether the context was shut down.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        !self.shared.is_forked() && self.shared.life().terminated
    }
}

fn end_threads(threads: Vec<JoinHandle<()>>, io: &[Arc<IoHandle>]) {
    for handle in io {
        handle.post(Order::Stop);
    }
    for thread in threads {
        // A panic in the thread has been reported where it happened.
        thread.join().ok();
    }
}

impl ContextShared {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the I/O threads, once.
    fn start(self: &Arc<Self>, life: &mut Life) -> Result<(), Code> {
        if life.started {
            return Ok(());
        }
        clock::calibrate();
        let count = usize::try_from(life.options.io_threads).unwrap_or(0);
        for index in 0..count {
            let handle = Arc::new(IoHandle::new().map_err(|_error| Code::TooManySockets)?);
            let worker = IoThread::new(Arc::clone(&handle), Arc::clone(self));
            let options = life.options.clone();
            let blocked = thread::block_all_signals();
            let spawned = std::thread::Builder::new().spawn(move || {
                prepare_thread(&options, index);
                worker.run();
            });
            drop(blocked);
            life.threads
                .push(spawned.map_err(|_error| Code::TooManySockets)?);
            life.io.push(handle);
        }
        life.started = true;
        Ok(())
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    pub(crate) fn random(&self) -> u64 {
        let mut x = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// The I/O thread with the least to do among those of the mask.
    pub(crate) fn choose_io(&self, affinity: u64) -> Option<Arc<IoHandle>> {
        let life = self.life();
        let allowed = |index: &usize| affinity == 0 || index < &64 && affinity >> index & 1 == 1;
        life.io
            .iter()
            .enumerate()
            .filter(|(index, _)| allowed(index))
            .min_by_key(|(_, io)| io.load.load(Relaxed))
            .map(|(_, io)| Arc::clone(io))
    }

    /// An I/O thread is about to have one more connection or listener of this socket.
    pub(crate) fn session_began(&self, socket: u64) {
        self.life().sessions.entry(socket).or_default().count += 1;
    }

    pub(crate) fn session_ended(&self, socket: u64) {
        let mut closed = None;
        let mut life = self.life();
        if let Some(sessions) = life.sessions.get_mut(&socket) {
            sessions.count -= 1;
            if sessions.count == 0 {
                closed = life
                    .sessions
                    .remove(&socket)
                    .and_then(|sessions| sessions.closed);
            }
        }
        drop(life);
        if let Some(closed) = closed {
            closed.monitor.close();
        }
        self.tell_of_end();
    }

    fn tell_of_end(&self) {
        self.changed.notify_all();
        for bell in self.life().end_bells.iter().filter_map(Weak::upgrade) {
            bell.signal();
        }
    }

    /// Waits until nothing of a closed socket is left, or the deadline comes.
    pub(crate) fn wait_for_sessions_of(&self, socket: u64, deadline: Instant) {
        let mut life = self.life();
        while life.sessions.contains_key(&socket) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return;
            };
            life = self
                .changed
                .wait_timeout(life, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    pub(crate) fn socket_closed(
        &self,
        socket: &Arc<SocketShared>,
        linger_to: Vec<(Arc<IoHandle>, Order)>,
    ) {
        let mut life = self.life();
        let last = match life.sessions.get_mut(&socket.id) {
            Some(sessions) => {
                sessions.closed = Some(Arc::clone(socket));
                false
            }
            None => true,
        };
        drop(life);
        if last {
            socket.monitor.close();
        }
        for (io, order) in linger_to {
            io.post(order);
        }
        self.life().sockets.remove(&socket.id);
        self.tell_of_end();
    }

    pub(crate) fn io_handles(&self) -> Vec<Arc<IoHandle>> {
        self.life().io.clone()
    }

    /// An I/O thread cannot go on: every call answers with an error from here on.
    pub(crate) fn fail(&self) {
        self.failed.store(true, SeqCst);
        let sockets: Vec<_> = self
            .life()
            .sockets
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for socket in sockets {
            socket.terminate();
        }
    }

    /// Whether this process is a fork of the one that made the context.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.born_at != process::fork_generation()
    }

    /// The fork generation of the process that made the context.
    pub(crate) fn born_at(&self) -> u32 {
        self.born_at
    }

    fn check_not_forked(&self) -> Result<(), Code> {
        if self.is_forked() {
            Err(Code::Interrupted)
        } else {
            Ok(())
        }
    }
}

fn prepare_thread(options: &ContextOptions, index: usize) {
    let prefix = match options.thread_name_prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    thread::set_name(&format!("{prefix}ZMQbg/IO/{index}"));
    thread::set_timer_slack_ns(1_000);
    let cpus: Vec<usize> = options
        .thread_affinity
        .iter()
        .filter_map(|cpu| usize::try_from(*cpu).ok())
        .collect();
    if !cpus.is_empty() {
        // A thread that may not be placed runs where it can.
        thread::set_affinity(&cpus).ok();
    }
    if options.thread_sched_policy >= 0 || options.thread_priority >= 0 {
        let policy = options.thread_sched_policy.max(0);
        thread::set_scheduling(policy, options.thread_priority.max(0)).ok();
    }
}
