// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bind and connect, unbind and disconnect.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError};

use ferromq_pattern::{Attached, Pattern};
use ferromq_pipe::{Peer, Pipe, PipeId};
use ferromq_vocabulary::{Code, Endpoint, Event, MonitorEvent, SocketType};

use super::Socket;
use super::conflate::receive_mark;
use super::link::{InprocLink, Link, Wire};
use crate::command::{Linger, Order};
use crate::connection::{Connection, Extent};
use crate::io::IoHandle;
use crate::io::greeting::make_pipe;
use crate::io::station::{SharedStatistics, Station};
use crate::multicast::MulticastStatistics;
use crate::transport::inproc::{Greeting, Marks, Tie};
use crate::transport::{self, Bound};
use crate::tuning::UNLISTEN_PATIENCE;

/// After so many messages a sender without limit that waits all the same is woken.
const CREDIT_UNLIMITED: u64 = 500;

/// One bind or connect.
#[derive(Debug)]
pub(crate) struct EndpointEntry {
    /// As it must be given to undo it.
    text: String,
    kind: EndpointKind,
}

#[derive(Debug)]
enum EndpointKind {
    Bound {
        id: u64,
        io: Arc<IoHandle>,
    },
    Connected {
        id: u64,
        io: Arc<IoHandle>,
        /// It has been given up.
        stopped: bool,
    },
    /// Of a transport of datagrams, bound or connected.
    Carried {
        id: u64,
        io: Arc<IoHandle>,
        statistics: SharedStatistics,
    },
    BoundInproc,
    ConnectedInproc {
        tie: Arc<Tie>,
    },
}

impl Socket {
    /// Listens at an endpoint; returns it with wildcards resolved.
    ///
    /// # Errors
    /// Those of `zmq_bind(3)`.
    pub fn bind(&mut self, endpoint: &str) -> Result<&str, Code> {
        self.begin_fully()?;
        Endpoint::check_bind(endpoint, self.socket_type()).map_err(|error| error.code())?;
        let parsed = Endpoint::parse_bind(endpoint).map_err(|error| error.code())?;
        if self.carry(&parsed, endpoint, true)? {
            return Ok(&self.last_endpoint);
        }
        if let Endpoint::Inproc(name) = &parsed {
            let own = Greeting {
                routing_id: self.options.routing_id.clone(),
                hello: self.options.hello_msg.clone(),
            };
            self.context
                .registry
                .bind(name, &self.shared, self.marks(), own)?;
            self.remember(endpoint.to_owned(), EndpointKind::BoundInproc);
            self.take_news();
            return Ok(&self.last_endpoint);
        }
        let io = self
            .context
            .choose_io(self.options.affinity)
            .ok_or(Code::NoThread)?;
        let bound = transport::bind(&parsed, &self.options).inspect_err(|code| {
            let event = Event::BindFailed {
                errno: code.errno(),
            };
            self.shared
                .monitor
                .report(|| MonitorEvent::new(event, endpoint, ""));
        })?;
        self.listen(bound, io);
        Ok(&self.last_endpoint)
    }

    fn listen(&mut self, bound: Bound, io: Arc<IoHandle>) {
        let id = self.context.next_id();
        let text = bound.endpoint.clone();
        let fd = bound.listener.as_raw_fd();
        self.shared
            .monitor
            .report(|| MonitorEvent::new(Event::Listening { fd }, text.clone(), ""));
        self.context.session_began(self.shared.id);
        io.post(Order::Listen {
            id,
            bound: Box::new(bound),
            socket: Arc::clone(&self.shared),
            options: Arc::new(self.options.clone()),
        });
        self.remember(text, EndpointKind::Bound { id, io });
    }

    /// Connects to an endpoint, in the background, and again whenever the connection is lost.
    ///
    /// # Errors
    /// Those of `zmq_connect(3)`.
    pub fn connect(&mut self, endpoint: &str) -> Result<(), Code> {
        self.begin_fully()?;
        Endpoint::check_connect(endpoint, self.socket_type()).map_err(|error| error.code())?;
        let parsed = Endpoint::parse_connect(endpoint).map_err(|error| error.code())?;
        if let Endpoint::Inproc(name) = &parsed {
            return self.connect_inproc(name, endpoint);
        }
        if self.ignores_second_connect(endpoint) {
            return Ok(());
        }
        if self.carry(&parsed, endpoint, false)? {
            return Ok(());
        }
        let target = transport::target(&parsed, &self.options)?;
        let assigned_id = self.next_routing_id()?;
        let io = self
            .context
            .choose_io(self.options.affinity)
            .ok_or(Code::NoThread)?;
        let id = self.context.next_id();
        let mut connection = None;
        if !self.options.immediate {
            let peer = Peer {
                connected: true,
                assigned_id: assigned_id.into(),
                ..Peer::default()
            };
            let made = make_pipe(id, &io, &self.shared, &self.options, peer);
            let made = (Arc::new(made.0), made.1);
            connection = Some(Arc::clone(&made.0));
            self.attach(Box::new(made.1), made.0);
        }
        self.context.session_began(self.shared.id);
        io.post(Order::Connect {
            id,
            connection,
            socket: Arc::clone(&self.shared),
            options: Arc::new(self.options.clone()),
            target: Box::new(target),
        });
        self.options.connect_routing_id.clear();
        // One that has been given up makes way.
        let given_up = |entry: &EndpointEntry| matches!(entry.kind, EndpointKind::Connected { stopped: true, .. } if entry.text == endpoint);
        self.endpoints.retain(|entry| !given_up(entry));
        let kind = EndpointKind::Connected {
            id,
            io,
            stopped: false,
        };
        self.remember(endpoint.to_owned(), kind);
        Ok(())
    }

    /// contract 1.7: "DEALER, SUB, PUB, REQ ignore a second non-inproc connect to the identical
    /// endpoint string (returns 0)".
    fn ignores_second_connect(&self, endpoint: &str) -> bool {
        use SocketType::{Dealer, Pub, Req, Sub};
        matches!(self.socket_type(), Dealer | Sub | Pub | Req)
            && self.endpoints.iter().any(|entry| {
                entry.text == endpoint
                    && matches!(
                        entry.kind,
                        EndpointKind::Connected { stopped: false, .. }
                            | EndpointKind::Carried { .. }
                    )
            })
    }

    /// Opens a transport of datagrams, for which bind and connect are the same. False: it is none.
    fn carry(&mut self, parsed: &Endpoint, endpoint: &str, binds: bool) -> Result<bool, Code> {
        let opened = transport::carrier(parsed, self.socket_type(), &self.options);
        let Some(opened) = opened else {
            return Ok(false);
        };
        let (carrier, chosen) = opened.inspect_err(|code| {
            let event = Event::BindFailed {
                errno: code.errno(),
            };
            if binds {
                self.shared
                    .monitor
                    .report(|| MonitorEvent::new(event, endpoint, ""));
            }
        })?;
        let io = self
            .context
            .choose_io(self.options.affinity)
            .ok_or(Code::NoThread)?;
        let id = self.context.next_id();
        let peer = Peer {
            known: true,
            connected: true,
            takes_all: true,
            ..Peer::default()
        };
        let (mut connection, pipe) = make_pipe(id, &io, &self.shared, &self.options, peer);
        connection.carried = true;
        let connection = Arc::new(connection);
        let text = chosen.unwrap_or_else(|| endpoint.to_owned());
        let statistics = SharedStatistics::default();
        self.context.session_began(self.shared.id);
        io.post(Order::Carry {
            station: Box::new(Station::new(
                id,
                Arc::clone(&self.shared),
                Arc::clone(&connection),
                carrier,
                text.clone(),
                Arc::clone(&statistics),
            )),
        });
        // Not before: the pattern may refuse it, which ends what has begun.
        self.attach(Box::new(pipe), connection);
        let kind = EndpointKind::Carried { id, io, statistics };
        self.remember(text, kind);
        Ok(true)
    }

    /// Counters of every `pgm://` and `epgm://` endpoint, as of a moment ago.
    #[must_use]
    pub fn multicast_statistics(&self) -> Vec<MulticastStatistics> {
        let of = |entry: &EndpointEntry| match &entry.kind {
            EndpointKind::Carried { statistics, .. } => statistics
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            _ => None,
        };
        self.endpoints.iter().filter_map(of).collect()
    }

    fn connect_inproc(&mut self, name: &str, endpoint: &str) -> Result<(), Code> {
        let own = Peer {
            routing_id: self.options.routing_id.as_slice().into(),
            known: true,
            ..Peer::default()
        };
        let assigned_id = self.next_routing_id()?;
        self.options.connect_routing_id.clear();
        let (mut pipe, tie) = self
            .context
            .registry
            .connect(name, &self.shared, self.marks(), own);
        pipe.peer.connected = true;
        pipe.peer.assigned_id = assigned_id.into();
        if tie.binder().is_some() {
            pipe.peer.known = true;
            pipe.peer.routing_id = tie.binder_id().into();
        }
        self.attach_inproc(Box::new(pipe), Arc::clone(&tie));
        self.remember(endpoint.to_owned(), EndpointKind::ConnectedInproc { tie });
        self.take_news();
        Ok(())
    }

    /// A connection of our own will not be made again.
    pub(super) fn stop_connecting(&mut self, connection: u64, forgotten: bool) {
        self.endpoints.retain_mut(|entry| match &mut entry.kind {
            EndpointKind::Connected { id, stopped, .. } if *id == connection => {
                *stopped = true;
                !forgotten
            }
            _ => true,
        });
    }

    /// The endpoint that a connection was made to, if this side made it.
    pub(super) fn connected_to(&self, connection: u64) -> Option<&str> {
        let made = |entry: &&EndpointEntry| matches!(&entry.kind, EndpointKind::Connected { id, .. } if *id == connection);
        self.endpoints
            .iter()
            .find(made)
            .map(|entry| entry.text.as_str())
    }

    fn marks(&self) -> Marks {
        Marks {
            send: u64::try_from(self.options.sndhwm).unwrap_or(0),
            receive: receive_mark(self.socket_type(), &self.options),
        }
    }

    fn remember(&mut self, text: String, kind: EndpointKind) {
        self.last_endpoint.clone_from(&text);
        self.endpoints.push(EndpointEntry { text, kind });
    }

    fn begin_fully(&mut self) -> Result<(), Code> {
        self.check_alive()?;
        self.take_news();
        Ok(())
    }

    /// Undoes a bind or a connect, all of them if there were several to this endpoint.
    ///
    /// # Errors
    /// `NotFound` if there was none, `Invalid` for a text that is no endpoint.
    pub fn unbind(&mut self, endpoint: &str) -> Result<(), Code> {
        self.begin_fully()?;
        Endpoint::check_scheme(endpoint, self.socket_type()).map_err(|error| error.code())?;
        let mut found = false;
        while let Some(index) = self
            .endpoints
            .iter()
            .position(|entry| entry.text == endpoint)
        {
            let entry = self.endpoints.remove(index);
            self.undo(&entry);
            found = true;
        }
        if found { Ok(()) } else { Err(Code::NotFound) }
    }

    /// The same as [`unbind`](Self::unbind): either undoes either.
    ///
    /// # Errors
    /// As for `unbind`.
    pub fn disconnect(&mut self, endpoint: &str) -> Result<(), Code> {
        self.unbind(endpoint)
    }

    fn undo(&mut self, entry: &EndpointEntry) {
        let linger = Linger::from_option(self.options.linger);
        match &entry.kind {
            EndpointKind::Bound { id, io } => {
                self.flush_all();
                let (done, waits) = channel();
                let id = *id;
                io.post(Order::Unlisten { id, linger, done });
                // What peers send from now on is not for us: we must not be quicker than that.
                let _done = waits.recv_timeout(UNLISTEN_PATIENCE);
                // Nor is anything more for them.
                self.take_news();
            }
            EndpointKind::Connected { id, io, .. } | EndpointKind::Carried { id, io, .. } => {
                self.shared.disconnected.store(true, Relaxed);
                if let Some(pipe) = self.by_connection.get(id).copied() {
                    self.pump(pipe, Extent::All);
                    self.let_go(pipe);
                }
                io.post(Order::Close { id: *id, linger });
            }
            EndpointKind::BoundInproc => {
                let name = entry.text.strip_prefix("inproc://").unwrap_or_default();
                self.context.registry.unbind(name, &self.shared);
            }
            EndpointKind::ConnectedInproc { tie } => {
                let tied = |link: &Option<Link>| matches!(link, Some(Link::Inproc(link)) if Arc::ptr_eq(&link.tie, tie));
                if let Some(index) = self.links.iter().position(tied) {
                    self.let_go(self.pipes.id_at(index));
                }
            }
        }
    }

    // ---- pipes ---------------------------------------------------------------------------------

    pub(super) fn attach(&mut self, pipe: Box<Pipe>, connection: Arc<Connection>) {
        connection.send_limit.store(pipe.limit(), Relaxed);
        let id = self.pipes.insert(pipe);
        self.carried += usize::from(connection.carried);
        self.by_connection.insert(connection.id, id);
        self.put_link(id, Link::Wire(Box::new(Wire::new(Arc::clone(&connection)))));
        if self.pattern.attach(&mut self.pipes, id) == Attached::Refused {
            connection.io.post(Order::Fault { id: connection.id });
            self.detach_silently(id);
            return;
        }
        self.find_short_ways();
        self.last_routing_id = self.pattern.routing_id_of(id).to_vec();
        self.send_first(id);
        self.heat(id);
        self.pattern.readable(id);
        self.report_faulty();
    }

    pub(super) fn attach_inproc(&mut self, pipe: Box<Pipe>, tie: Arc<Tie>) {
        let peer = tie.other(&self.shared);
        let id = self.pipes.insert(pipe);
        // At half of what this side takes, as far as the sender is concerned.
        let credit_step = match self.marks().receive {
            0 => CREDIT_UNLIMITED,
            receive => receive.div_ceil(2),
        };
        let link = InprocLink {
            tie,
            peer,
            woken_at: 0,
            credit_step,
        };
        self.inproc_pipes += 1;
        self.put_link(id, Link::Inproc(Box::new(link)));
        if self.pattern.attach(&mut self.pipes, id) == Attached::Refused {
            self.detach_silently(id);
            return;
        }
        self.find_short_ways();
        self.last_routing_id = self.pattern.routing_id_of(id).to_vec();
        self.probe_inproc(id);
        self.greet_inproc(id);
        self.send_first(id);
        self.pattern.readable(id);
        self.subscribe_inproc(id);
        self.report_faulty();
    }

    fn put_link(&mut self, id: PipeId, link: Link) {
        if self.links.len() <= id.index() {
            self.links.resize_with(id.index() + 1, || None);
        }
        self.links[id.index()] = Some(link);
    }

    /// The application has let go of a peer: the pipe goes, but of a message half received the rest can still be
    /// received.
    pub(super) fn let_go(&mut self, id: PipeId) {
        if self.half_received != Some(id) {
            self.detach(id);
            return;
        }
        self.finishing = Some(id);
        if let Some(link) = self.links.get(id.index()).and_then(Option::as_ref) {
            link.close(&self.shared);
        }
        self.stop_sending(id);
    }

    /// The pipe goes, with whatever input it still has.
    pub(super) fn detach(&mut self, id: PipeId) {
        self.pattern.detach(&mut self.pipes, id);
        self.detach_silently(id);
    }

    fn detach_silently(&mut self, id: PipeId) {
        self.pipes.remove(id);
        if self.half_received.take_if(|half| *half == id).is_some() {
            self.receive_more = false;
        }
        self.finishing.take_if(|last| *last == id);
        self.find_short_ways();
        self.hot.retain(|hot| *hot != id);
        self.ending.retain(|ending| *ending != id);
        let link = self.links.get_mut(id.index()).and_then(Option::take);
        match link {
            // A new pipe may have come under the same number.
            Some(Link::Wire(wire)) if self.by_connection.get(&wire.connection.id) == Some(&id) => {
                self.by_connection.remove(&wire.connection.id);
                self.carried -= usize::from(wire.connection.carried);
            }
            Some(Link::Wire(_)) => {}
            Some(Link::Inproc(link)) => {
                self.inproc_pipes -= 1;
                link.close(&self.shared);
                let made = |entry: &EndpointEntry| matches!(&entry.kind, EndpointKind::ConnectedInproc { tie } if Arc::ptr_eq(tie, &link.tie));
                self.endpoints.retain(|entry| !made(entry));
            }
            None => {}
        }
    }
}
