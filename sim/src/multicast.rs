// SPDX-License-Identifier: MIT OR Apache-2.0
//! A source, its receivers, and a network that loses, doubles, delays and reorders datagrams.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ferromq_pgm::receiver::DownReason;
use ferromq_pgm::{
    Destination, Event, Gsi, Receiver, ReceiverConfig, SendError, Source, SourceConfig, Tsi,
};

use crate::rng::SplitMix64;

/// How bad the network is. Every copy of a datagram has a fate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Datagrams of a thousand that get lost where all receivers miss them.
    pub lost_by_all: u64,
    /// Datagrams of a thousand that get lost on the way to (or from) one receiver.
    pub lost_by_one: u64,
    /// Datagrams of a thousand that arrive twice.
    pub doubled: u64,
    /// Every datagram takes so long.
    pub delay: Duration,
    /// And up to so much longer, which reorders them.
    pub jitter: Duration,
}

impl Weather {
    /// Everything arrives, after a tenth of a millisecond.
    #[must_use]
    pub const fn fair() -> Self {
        Self {
            lost_by_all: 0,
            lost_by_one: 0,
            doubled: 0,
            delay: Duration::from_micros(100),
            jitter: Duration::ZERO,
        }
    }

    /// Bad in a way of the seed's choosing.
    pub fn random(rng: &mut SplitMix64) -> Self {
        Self {
            lost_by_all: rng.below(150),
            lost_by_one: rng.below(300),
            doubled: rng.below(200),
            delay: Duration::from_micros(rng.below(20_000)),
            jitter: Duration::from_micros(rng.below(50_000)),
        }
    }
}

/// What a receiver has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message, by its number.
    Message(u64),
    /// So many packets are lost for good.
    Lost(u32),
    /// The stream has ended.
    Down(DownReason),
}

/// What has gone over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets from the source.
    pub from_source: u64,
    /// Packets from receivers to the source.
    pub to_source: u64,
}

#[derive(Debug)]
struct Node {
    receiver: Receiver,
    heard: Vec<Heard>,
    /// The timer that is set.
    timer: Option<Instant>,
    /// The times in which nothing passes.
    cut: Vec<Range<Instant>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrival {
        to: Place,
        from: Place,
        bytes: Rc<[u8]>,
    },
    Timer(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Source,
    Receiver(usize),
}

impl Place {
    fn address(self) -> IpAddr {
        match self {
            Self::Source => SOURCE,
            Self::Receiver(index) => {
                let number = u32::try_from(index + 1).unwrap_or(1);
                IpAddr::V4(Ipv4Addr::from_bits(0x0a01_0000 + number))
            }
        }
    }
}

/// The whole of it.
#[derive(Debug)]
pub struct Multicast {
    now: Instant,
    begin: Instant,
    source: Source,
    source_timer: Option<Instant>,
    nodes: Vec<Node>,
    weather: Weather,
    rng: SplitMix64,
    events: BinaryHeap<Reverse<(Instant, u64, What)>>,
    order: u64,
    traffic: Traffic,
    next_message: u64,
    /// NAKs vanish.
    deaf: bool,
}

impl Multicast {
    /// A source and so many receivers under this weather.
    #[must_use]
    pub fn new(
        source: SourceConfig,
        receiver: &ReceiverConfig,
        receivers: usize,
        weather: Weather,
        seed: u64,
    ) -> Self {
        let now = crate::epoch();
        let mut rng = SplitMix64::new(seed);
        let nodes = (0..receivers)
            .map(|_| Node {
                receiver: Receiver::new(receiver.clone(), rng.next_u64(), now),
                heard: Vec::new(),
                timer: None,
                cut: Vec::new(),
            })
            .collect();
        let mut net = Self {
            now,
            begin: now,
            source: Source::new(source, now),
            source_timer: None,
            nodes,
            weather,
            rng,
            events: BinaryHeap::new(),
            order: 0,
            traffic: Traffic::default(),
            next_message: 0,
            deaf: false,
        };
        net.settle(Place::Source);
        net
    }

    /// The configuration of a source here, without a limit.
    #[must_use]
    pub fn source_config() -> SourceConfig {
        let tsi = Tsi {
            gsi: Gsi([2, 3, 5, 7, 11, 13]),
            port: 4000,
        };
        let mut config = SourceConfig::new(tsi, PORT, SOURCE, GROUP);
        config.limit = None;
        config
    }

    /// The configuration of a receiver here.
    #[must_use]
    pub fn receiver_config() -> ReceiverConfig {
        ReceiverConfig::new(PORT)
    }

    /// Another weather from now on.
    pub fn change_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// From now on nothing gets through to the source.
    pub fn silence_receivers(&mut self) {
        self.deaf = true;
    }

    /// Nothing passes between these receivers and anybody else, from now on for so long.
    pub fn cut(&mut self, receivers: Range<usize>, time: Duration) {
        let times = self.now..self.now + time;
        for node in self.nodes.get_mut(receivers).into_iter().flatten() {
            node.cut.push(times.clone());
        }
    }

    /// Sends the next message, of so many bytes (8 at least). Where the rate does not let it, time passes first.
    pub fn send(&mut self, len: usize) {
        let number = self.next_message;
        let mut message = number.to_be_bytes().to_vec();
        message.resize(len.max(8), 0x5a);
        loop {
            match self.source.send(self.now, &message) {
                Ok(_) => break,
                Err(SendError::Backlog) => self.step(),
                Err(error) => unreachable!("a message is not sent: {error}"),
            }
        }
        self.next_message += 1;
        self.settle(Place::Source);
    }

    /// Ends the stream.
    pub fn close(&mut self, linger: Option<Duration>) {
        let deadline = linger.map(|linger| self.now + linger);
        self.source.close(self.now, deadline);
        self.settle(Place::Source);
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.next_event().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until nothing is missing anywhere that could still come, so long at most.
    pub fn pass_until(&mut self, most: Duration, is_done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + most;
        while !is_done(self) {
            if self.next_event().is_none_or(|at| at > end) {
                return false;
            }
            self.step();
        }
        true
    }

    /// Whether every receiver has heard of everything that was sent, or that it is lost.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let last = self.next_message.checked_sub(1);
        self.nodes.iter().all(|node| {
            let last_heard = node.heard.iter().rev().find_map(|heard| match heard {
                Heard::Message(number) => Some(*number),
                _ => None,
            });
            last_heard == last
        })
    }

    /// What a receiver has heard.
    #[must_use]
    pub fn heard(&self, receiver: usize) -> &[Heard] {
        self.nodes
            .get(receiver)
            .map_or(&[], |node| node.heard.as_slice())
    }

    /// What has gone over the network.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// A receiver.
    #[must_use]
    pub fn receiver(&self, index: usize) -> Option<&Receiver> {
        self.nodes.get(index).map(|node| &node.receiver)
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receivers(&self) -> usize {
        self.nodes.len()
    }

    /// Time since the beginning.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.now.duration_since(self.begin)
    }

    fn next_event(&self) -> Option<Instant> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    fn step(&mut self) {
        let Some(Reverse((at, _, what))) = self.events.pop() else {
            return;
        };
        self.now = self.now.max(at);
        let place = match what {
            What::Timer(place) => {
                let timer = match place {
                    Place::Source => &mut self.source_timer,
                    Place::Receiver(index) => &mut self.nodes[index].timer,
                };
                // An entry that another one has overtaken.
                if *timer != Some(at) {
                    return;
                }
                *timer = None;
                place
            }
            What::Arrival { to, from, bytes } => {
                self.arrive(to, from, &bytes);
                to
            }
        };
        self.settle(place);
    }

    fn arrive(&mut self, to: Place, from: Place, bytes: &[u8]) {
        match to {
            Place::Source => {
                // Whatever it thinks of it has been counted.
                self.source.handle_input(self.now, bytes).ok();
            }
            Place::Receiver(index) => {
                let receiver = &mut self.nodes[index].receiver;
                receiver
                    .handle_input(self.now, from.address(), GROUP, bytes)
                    .ok();
            }
        }
    }

    /// Time, packets and events of a machine that something has happened to.
    fn settle(&mut self, place: Place) {
        let mut out = Vec::new();
        match place {
            Place::Source => {
                self.source.handle_timeout(self.now);
                while let Some(transmit) = self.source.poll_transmit(self.now, &mut out) {
                    let bytes: Rc<[u8]> = out[transmit.range].into();
                    out.clear();
                    self.traffic.from_source += 1;
                    self.multicast(Place::Source, &bytes);
                }
                let next = self.source.poll_timeout();
                if let Some(at) = next.filter(|at| self.source_timer.is_none_or(|set| *at < set)) {
                    self.source_timer = Some(at);
                    self.schedule(at, What::Timer(place));
                }
            }
            Place::Receiver(index) => {
                self.nodes[index].receiver.handle_timeout(self.now);
                while let Some(transmit) =
                    self.nodes[index].receiver.poll_transmit(self.now, &mut out)
                {
                    let bytes: Rc<[u8]> = out[transmit.range].into();
                    out.clear();
                    match transmit.destination {
                        Destination::Host(_) => self.travel(place, Place::Source, &bytes),
                        Destination::Group(_) | Destination::GroupNearby(_) => {
                            self.travel(place, Place::Source, &bytes);
                            self.multicast(place, &bytes);
                        }
                    }
                }
                let node = &mut self.nodes[index];
                listen(&mut node.receiver, &mut node.heard);
                let next = node.receiver.poll_timeout();
                if let Some(at) = next.filter(|at| node.timer.is_none_or(|set| *at < set)) {
                    node.timer = Some(at);
                    self.schedule(at, What::Timer(place));
                }
            }
        }
    }

    fn multicast(&mut self, from: Place, bytes: &Rc<[u8]>) {
        if self.rng.chance(self.weather.lost_by_all) {
            return;
        }
        for index in 0..self.nodes.len() {
            let to = Place::Receiver(index);
            if to != from {
                self.travel(from, to, bytes);
            }
        }
    }

    fn travel(&mut self, from: Place, to: Place, bytes: &Rc<[u8]>) {
        if to == Place::Source {
            self.traffic.to_source += 1;
            if self.deaf {
                return;
            }
        }
        if self.is_cut(from) || self.is_cut(to) || self.rng.chance(self.weather.lost_by_one) {
            return;
        }
        let copies = if self.rng.chance(self.weather.doubled) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let at = self.now + self.weather.delay + self.rng.duration(self.weather.jitter);
            let bytes = Rc::clone(bytes);
            self.schedule(at, What::Arrival { to, from, bytes });
        }
    }

    fn is_cut(&self, place: Place) -> bool {
        match place {
            Place::Source => false,
            Place::Receiver(index) => self.nodes[index]
                .cut
                .iter()
                .any(|times| times.contains(&self.now)),
        }
    }

    fn schedule(&mut self, at: Instant, what: What) {
        self.order += 1;
        self.events
            .push(Reverse((at.max(self.now), self.order, what)));
    }
}

fn listen(receiver: &mut Receiver, heard: &mut Vec<Heard>) {
    while let Some(event) = receiver.poll_event() {
        match event {
            Event::StreamUp { .. } => {}
            Event::Data { payload, .. } => {
                let number = payload.first_chunk().copied().map(u64::from_be_bytes);
                heard.push(Heard::Message(number.unwrap_or(u64::MAX)));
            }
            Event::Lost { packets, .. } => heard.push(Heard::Lost(packets)),
            Event::StreamDown { reason, .. } => heard.push(Heard::Down(reason)),
        }
    }
}

const PORT: u16 = 7500;
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 1, 1));
