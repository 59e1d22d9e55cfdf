// SPDX-License-Identifier: MIT OR Apache-2.0
//! `inproc://`: names within a context, and the ties between sockets that met there.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferromq_pipe::{Peer, Pipe, Pool, inproc};
use ferromq_vocabulary::{Code, SocketType};

use crate::command::News;
use crate::shared::SocketShared;

/// What two sockets that met under a name share besides their queues.
#[derive(Debug)]
pub(crate) struct Tie {
    /// The socket that connected, and the one that bound (once there is one).
    pub(crate) connecter: Arc<SocketShared>,
    binder: Mutex<Option<(Arc<SocketShared>, Vec<u8>)>>,
    closed: AtomicBool,
    /// The high-water marks of both, the binder's as soon as there is one.
    marks: Mutex<(Marks, Option<Marks>)>,
}

impl Tie {
    /// Ends it; whether this was the first to do so.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, AcqRel)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    pub(crate) fn binder(&self) -> Option<Arc<SocketShared>> {
        self.binder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|(socket, _)| Arc::clone(socket))
    }

    /// The routing id of the socket that bound; empty if it has none.
    pub(crate) fn binder_id(&self) -> Vec<u8> {
        self.binder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or_else(Vec::new, |(_, routing_id)| routing_id.clone())
    }

    fn marks(&self) -> MutexGuard<'_, (Marks, Option<Marks>)> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages fit into the queue that begins at one side; 0 is no limit.
    pub(crate) fn limit(&self, connecter: bool) -> u64 {
        match (connecter, *self.marks()) {
            (true, (connecter, Some(binder))) => Marks::sum(connecter.send, binder.receive),
            (false, (connecter, Some(binder))) => Marks::sum(binder.send, connecter.receive),
            (_, (connecter, None)) => connecter.send,
        }
    }

    /// How many of the messages in the queue that begins at one side count as being with the other one: as many as it
    /// would have taken over a wire.
    pub(crate) fn share(&self, connecter: bool) -> u64 {
        let mark = match (connecter, *self.marks()) {
            (true, (_, Some(binder))) => binder.receive,
            (false, (connecter, _)) => connecter.receive,
            (true, (_, None)) => return 0,
        };
        if mark == 0 { u64::MAX } else { mark }
    }

    /// One side has other high-water marks.
    pub(crate) fn change_marks(&self, connecter: bool, marks: Marks) {
        let mut both = self.marks();
        if connecter {
            both.0 = marks;
        } else {
            both.1 = Some(marks);
        }
    }

    /// The other socket.
    pub(crate) fn other(&self, one: &SocketShared) -> Option<Arc<SocketShared>> {
        if one.id == self.connecter.id && self.binder().is_none_or(|b| b.id != one.id) {
            self.binder()
        } else {
            Some(Arc::clone(&self.connecter))
        }
    }
}

/// High-water marks of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    pub(crate) send: u64,
    pub(crate) receive: u64,
}

impl Marks {
    /// How many messages fit between a sender and a receiver; 0 is no limit.
    pub(crate) fn sum(send: u64, receive: u64) -> u64 {
        if send == 0 || receive == 0 {
            0
        } else {
            send.saturating_add(receive)
        }
    }
}

#[derive(Debug)]
struct Binder {
    socket: Arc<SocketShared>,
    marks: Marks,
    greeting: Greeting,
}

/// What a socket that binds has for those who connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Greeting {
    pub(crate) routing_id: Vec<u8>,
    /// The first message; empty is none.
    pub(crate) hello: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    pipe: Pipe,
    tie: Arc<Tie>,
}

#[derive(Debug, Default)]
struct Names {
    bound: HashMap<String, Binder>,
    waiting: HashMap<String, Vec<Waiting>>,
}

/// The names of a context.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    names: Mutex<Names>,
}

impl Registry {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name, and whoever has been waiting for it.
    pub(crate) fn bind(
        &self,
        name: &str,
        socket: &Arc<SocketShared>,
        marks: Marks,
        greeting: Greeting,
    ) -> Result<(), Code> {
        let mut names = self.names();
        if names.bound.contains_key(name) {
            return Err(Code::AddressInUse);
        }
        for waiting in names.waiting.remove(name).unwrap_or_default() {
            attach(waiting, socket, marks, &greeting);
        }
        names.bound.insert(
            name.to_owned(),
            Binder {
                socket: Arc::clone(socket),
                marks,
                greeting,
            },
        );
        Ok(())
    }

    /// Which socket has taken a name.
    pub(crate) fn holder(&self, name: &str) -> Option<(u64, SocketType)> {
        let names = self.names();
        let binder = names.bound.get(name)?;
        Some((binder.socket.id, binder.socket.socket_type))
    }

    /// Gives a name back; connections made under it live on.
    pub(crate) fn unbind(&self, name: &str, socket: &SocketShared) -> bool {
        let mut names = self.names();
        let owned = names
            .bound
            .get(name)
            .is_some_and(|binder| binder.socket.id == socket.id);
        owned && names.bound.remove(name).is_some()
    }

    /// A socket is closed: gives back its names, and waits for others no longer, unless there is
    /// something to be `delivered` to them.
    pub(crate) fn leave(&self, socket: &SocketShared, deliver: bool) {
        let mut names = self.names();
        names
            .bound
            .retain(|_, binder| binder.socket.id != socket.id);
        let mut given_up = Vec::new();
        names.waiting.retain(|_, waiting| {
            given_up.extend(waiting.extract_if(.., |waiting| {
                waiting.tie.connecter.id == socket.id
                    && !(deliver && waiting.pipe.reader.is_ready())
            }));
            !waiting.is_empty()
        });
        // Messages are given back to whoever owns their memory outside of the lock.
        drop(names);
        drop(given_up);
    }

    /// The context has ended: nobody will come any more.
    pub(crate) fn end(&self) {
        let waiting = std::mem::take(&mut self.names().waiting);
        drop(waiting);
    }

    /// Connects to a name, bound or not yet; returns the connecter's pipe.
    pub(crate) fn connect(
        &self,
        name: &str,
        socket: &Arc<SocketShared>,
        marks: Marks,
        own: Peer,
    ) -> (Pipe, Arc<Tie>) {
        let (out, their_in) = inproc();
        let (their_out, input) = inproc();
        let tie = Arc::new(Tie {
            connecter: Arc::clone(socket),
            binder: Mutex::new(None),
            closed: AtomicBool::new(false),
            marks: Mutex::new((marks, None)),
        });
        let theirs = Pipe::new(their_out, their_in, own, marks.receive);
        let waiting = Waiting {
            pipe: theirs,
            tie: Arc::clone(&tie),
        };
        let mut names = self.names();
        let limit = if let Some(binder) = names.bound.get(name) {
            let limit = Marks::sum(marks.send, binder.marks.receive);
            attach(waiting, &binder.socket, binder.marks, &binder.greeting);
            limit
        } else {
            names
                .waiting
                .entry(name.to_owned())
                .or_default()
                .push(waiting);
            marks.send
        };
        (Pipe::new(out, input, Peer::default(), limit), tie)
    }
}

/// Hands a connecter's other half to the socket that has the name.
fn attach(waiting: Waiting, socket: &Arc<SocketShared>, marks: Marks, greeting: &Greeting) {
    let Waiting { mut pipe, tie } = waiting;
    *tie.binder.lock().unwrap_or_else(PoisonError::into_inner) =
        Some((Arc::clone(socket), greeting.routing_id.clone()));
    tie.change_marks(false, marks);
    pipe.set_high_water_mark(tie.limit(false));
    if !greeting.hello.is_empty() {
        // The binder may not be called for long.
        pipe.writer
            .append(&mut Pool::default(), &greeting.hello, false);
    }
    tie.connecter.tell(News::CheckTies);
    socket.tell(News::AttachInproc {
        pipe: Box::new(pipe),
        tie,
    });
}
