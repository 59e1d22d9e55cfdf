// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transports of datagrams: what the I/O thread does for them.
//!
//! A station is a [`Carrier`] and its two queues. There is no handshake, no reconnect and no peer to be lost; only this
//! thread moves its bytes.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ferromq_os::epoll::{Epoll, Event, Interest};
use ferromq_vocabulary::{Event as Report, MonitorEvent};

use super::thread::IoThread;
use super::traffic::{tell_readable, wake_sender};
use crate::command::{Linger, News};
use crate::connection::{Connection, Pumped};
use crate::multicast::MulticastStatistics;
use crate::shared::SocketShared;
use crate::transport::carrier::{Carrier, Inlet, Waiting};
use crate::tuning::{STATISTICS_TICK, TICK_FIRST};

/// Counters that the application may look at.
pub(crate) type SharedStatistics = Arc<Mutex<Option<MulticastStatistics>>>;

/// A transport of datagrams and what belongs to it.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) id: u64,
    pub(crate) socket: Arc<SocketShared>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) carrier: Box<dyn Carrier>,
    pub(crate) endpoint: String,
    pub(crate) statistics: SharedStatistics,
    /// What its descriptors are registered for; those of which nothing is wanted are not registered.
    registered: Interest,
    /// The timer that is set.
    scheduled: Option<Instant>,
    /// Looks at an empty queue, since the promise to look was given.
    quiet: u8,
    promised: bool,
    /// Messages sent when a sender was last woken.
    woken_at: u64,
    /// It is to end; when at the latest.
    closing: Option<Option<Instant>>,
    /// The carrier has been told.
    ended: bool,
    told: Option<Instant>,
}

impl Station {
    pub(crate) fn new(
        id: u64,
        socket: Arc<SocketShared>,
        connection: Arc<Connection>,
        carrier: Box<dyn Carrier>,
        endpoint: String,
        statistics: SharedStatistics,
    ) -> Self {
        Self {
            id,
            socket,
            connection,
            carrier,
            endpoint,
            statistics,
            registered: Interest::NONE,
            scheduled: None,
            quiet: 0,
            promised: false,
            woken_at: 0,
            closing: None,
            ended: false,
            told: None,
        }
    }

    /// Whether this is the timer that is set.
    pub(super) fn is_scheduled_at(&self, at: Instant) -> bool {
        self.scheduled == Some(at)
    }

    /// Tells the application what is to be known.
    fn report(&self, lost: u64) {
        if lost > 0 {
            self.socket.monitor.report(|| {
                let event = Report::DataLost { packets: lost };
                MonitorEvent::new(event, "", self.endpoint.clone())
            });
        }
    }

    /// Counters are copied out when there is time, and now and then when there is not.
    fn publish_statistics(&mut self, now: Instant, idle: bool) {
        let due = self.told.is_none_or(|told| now - told >= STATISTICS_TICK);
        if (idle || due)
            && let Some(mut statistics) = self.carrier.statistics()
        {
            self.told = Some(now);
            statistics.endpoint.clone_from(&self.endpoint);
            *self
                .statistics
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(statistics);
        }
    }
}

impl Waiting<'_> {
    /// What of this concerns this socket.
    fn among(&self, interest: Interest) -> Interest {
        let mut here = Interest::NONE;
        for (wanted, concerned) in [(Interest::READ, self.reads), (Interest::WRITE, self.writes)] {
            if concerned && interest.contains(wanted) {
                here |= wanted;
            }
        }
        here
    }
}

/// What is to be done about a promise to look at a queue.
enum Promise {
    /// It stands: something is there, and something will wake us.
    Stands,
    /// It stands a little longer, lest the next message have to wake us.
    Soon,
    /// It is taken back.
    Over,
}

impl IoThread {
    pub(super) fn add_station(&mut self, station: Station) {
        let id = station.id;
        self.handle.load.fetch_add(1, Relaxed);
        self.stations.insert(id, Box::new(station));
        self.guarded(id, |thread| thread.begin_station(id));
    }

    fn begin_station(&mut self, id: u64) {
        let Some(station) = self.stations.get_mut(&id) else {
            return;
        };
        let fine = change_interest(&self.handle.epoll, station, Interest::READ);
        // It may have been armed before it was here.
        station.promised = true;
        // If the application has armed it, its order is on its way.
        let _was_given = station.connection.arming.arm();
        if fine {
            self.visit_station(id);
        } else {
            self.remove_station(id);
        }
    }

    pub(super) fn station_event(&mut self, id: u64, _: Event) {
        self.visit_station(id);
    }

    /// The application has left something in the queue.
    pub(super) fn station_armed(&mut self, id: u64) {
        if let Some(station) = self.stations.get_mut(&id) {
            station.promised = true;
            station.quiet = 0;
        }
        self.visit_station(id);
    }

    /// The application has made room.
    pub(super) fn station_resumed(&mut self, id: u64) {
        self.visit_station(id);
    }

    pub(super) fn station_timer(&mut self, id: u64, at: Instant) {
        let Some(station) = self.stations.get_mut(&id) else {
            return;
        };
        if station.scheduled == Some(at) {
            station.scheduled = None;
            self.visit_station(id);
        }
    }

    pub(super) fn visit_station(&mut self, id: u64) {
        let now = Instant::now();
        let frames = &mut self.datagram_frames;
        let Some(station) = self.stations.get_mut(&id) else {
            return;
        };
        let connection = Arc::clone(&station.connection);
        let mut tx = connection.wait_tx();
        let mut inlet = Inlet::new(&connection, frames, station.closing.is_some());
        let mut visit = station.carrier.visit(now, &mut tx.drain, &mut inlet);
        let came = inlet.has_come();
        connection.rests.store(visit.rests, Relaxed);
        connection.stalled.store(visit.stalled, SeqCst);
        if visit.stalled {
            // Whoever makes room from here on says so. Who has just done so has not.
            std::sync::atomic::fence(SeqCst);
            inlet.look();
            if !inlet.is_full() && connection.stalled.swap(false, SeqCst) {
                visit.more = true;
                visit.held = false;
            }
        }
        let taken = tx.drain.taken();
        let drained = tx.drain.is_drained() && !visit.full;
        // It came after the carrier had looked, and whoever left it relies on our promise.
        visit.more |= !(drained || visit.full || visit.wants_room);
        let finished = tx.drain.take_finished();
        drop(tx);
        drop(finished);
        if came || visit.stalled {
            tell_readable(&station.socket, &connection);
        }
        let pumped = if drained {
            Pumped::Drained
        } else {
            Pumped::Paused
        };
        wake_sender(
            &station.socket,
            &connection,
            taken,
            &mut station.woken_at,
            pumped,
        );
        station.report(visit.lost);
        station.publish_statistics(now, !visit.more);
        let mut interest = Interest::NONE;
        if !(visit.held || visit.rests) {
            interest |= Interest::READ;
        }
        if visit.wants_room {
            interest |= Interest::WRITE;
        }
        if visit.more {
            self.unread.push(id);
        }
        self.station_interest(id, interest);
        self.keep_promise(id, drained && !visit.more);
        self.end_if_done(id, drained);
        self.schedule_station(id);
    }

    fn station_interest(&mut self, id: u64, interest: Interest) {
        if let Some(station) = self.stations.get_mut(&id)
            && station.registered != interest
        {
            // What cannot be changed wakes us more often than need be.
            change_interest(&self.handle.epoll, station, interest);
        }
    }

    /// The queue is empty, or not: is the promise to look at it still good for something?
    fn keep_promise(&mut self, id: u64, drained: bool) {
        let Some(station) = self.stations.get_mut(&id) else {
            return;
        };
        if !station.promised {
            return;
        }
        let promise = if !drained {
            station.quiet = 0;
            Promise::Stands
        } else if station.quiet < QUIET_LOOKS {
            station.quiet += 1;
            Promise::Soon
        } else {
            Promise::Over
        };
        match promise {
            Promise::Stands => {}
            Promise::Soon => {
                let at = Instant::now() + TICK_FIRST;
                self.set_station_timer(id, at);
            }
            Promise::Over => {
                let connection = &station.connection;
                connection.arming.disarm();
                station.promised = false;
                let left = !connection.wait_tx().drain.is_drained();
                // If the application has armed anew, its order is on its way.
                if left && connection.arming.arm() {
                    station.promised = true;
                    station.quiet = 0;
                    self.unread.push(id);
                }
            }
        }
    }

    fn schedule_station(&mut self, id: u64) {
        let Some(station) = self.stations.get(&id) else {
            return;
        };
        let deadline = station.closing.flatten().filter(|_| !station.ended);
        let next = station.carrier.poll_timeout().into_iter().chain(deadline);
        if let Some(at) = next.min() {
            self.set_station_timer(id, at);
        }
    }

    fn set_station_timer(&mut self, id: u64, at: Instant) {
        if let Some(station) = self.stations.get_mut(&id)
            && station.scheduled.is_none_or(|set| at < set)
        {
            station.scheduled = Some(at);
            self.schedule_at(at, id);
        }
    }

    // ---- the end -------------------------------------------------------------------------------

    /// The application has let go: sends what is queued, then ends it.
    pub(super) fn close_station(&mut self, id: u64, linger: Linger) {
        let deadline = match linger {
            Linger::Forever => None,
            Linger::For(time) => Some(Instant::now() + time),
        };
        if let Some(station) = self.stations.get_mut(&id) {
            station.closing = Some(deadline);
            self.guarded(id, |thread| thread.visit_station(id));
        }
    }

    fn end_if_done(&mut self, id: u64, drained: bool) {
        let now = Instant::now();
        let Some(station) = self.stations.get_mut(&id) else {
            return;
        };
        let Some(deadline) = station.closing else {
            return;
        };
        let late = deadline.is_some_and(|at| at <= now);
        if !station.ended && (drained || late) {
            station.ended = true;
            station.carrier.close(now, deadline);
            // It may have something to say still.
            self.unread.push(id);
        }
        if self
            .stations
            .get(&id)
            .is_some_and(|station| station.ended && station.carrier.is_closed())
        {
            self.remove_station(id);
        }
    }

    pub(super) fn stations_of(&self, socket: u64) -> Vec<u64> {
        let stations = self.stations.values();
        stations
            .filter(|station| station.socket.id == socket)
            .map(|station| station.id)
            .collect()
    }

    pub(super) fn remove_station(&mut self, id: u64) {
        let Some(mut station) = self.stations.remove(&id) else {
            return;
        };
        change_interest(&self.handle.epoll, &mut station, Interest::NONE);
        drop(station.connection.give_up());
        if station.closing.is_none() {
            station.socket.tell(News::Ended { id, passing: false });
        }
        self.handle.load.fetch_sub(1, Relaxed);
        self.context.session_ended(station.socket.id);
    }
}

/// Waits for this from now on; whether all went well. A socket from which nothing is wanted is waited for no more: the kernel would
/// look for somebody to wake at each packet that it sends or delivers.
fn change_interest(epoll: &Epoll, station: &mut Station, interest: Interest) -> bool {
    let before = std::mem::replace(&mut station.registered, interest);
    let mut fine = true;
    for waiting in station.carrier.sockets() {
        let (fd, here) = (waiting.socket.as_fd(), waiting.among(interest));
        let changed = match (waiting.among(before), here) {
            (old, new) if old == new => Ok(()),
            (Interest::NONE, _) => epoll.add(fd, station.id, here),
            (_, Interest::NONE) => epoll.delete(fd),
            _ => epoll.modify(fd, station.id, here),
        };
        fine &= changed.is_ok();
    }
    fine
}

/// Looks at an empty queue before the promise is taken back.
const QUIET_LOOKS: u8 = 2;
