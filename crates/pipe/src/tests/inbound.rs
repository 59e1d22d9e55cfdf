// SPDX-License-Identifier: MIT OR Apache-2.0
use std::collections::{HashMap, VecDeque};

use ferromq_message::{Message, frame};

use super::{Dice, rounds};
use crate::{Fill, FillFault, Pool, Reader, Seen, inbound};

/// A message that the peer is going to send, and where it lies.
struct Sent {
    parts: Vec<Vec<u8>>,
    begin: usize,
    end: usize,
}

/// A command: its position in the queue's stream, whether the reader must come past it.
struct Command {
    body: Vec<u8>,
    seen: bool,
}

struct Model {
    dice: Dice,
    fill: Fill,
    reader: Reader,
    pool: Pool,
    /// The bytes of this connection, and how many of them have been fed.
    wire: Vec<u8>,
    fed: usize,
    /// Where frames end in it, and where in the queue's stream it begins.
    frame_ends: Vec<usize>,
    base: u64,
    messages: VecDeque<(u32, Sent)>,
    /// Parts of the first message that have been taken.
    parts_taken: usize,
    commands: HashMap<u64, Command>,
    fed_bytes: u64,
    generation: u32,
    largest: usize,
}

impl Model {
    fn new(seed: u64, max_frame: u64, largest: usize) -> Self {
        let (fill, reader) = inbound(max_frame);
        let mut model = Self {
            dice: Dice::new(seed),
            fill,
            reader,
            pool: Pool::new(),
            wire: Vec::new(),
            fed: 0,
            frame_ends: Vec::new(),
            base: 0,
            messages: VecDeque::new(),
            parts_taken: 0,
            commands: HashMap::new(),
            fed_bytes: 0,
            generation: 0,
            largest,
        };
        model.invent();
        model
    }

    fn frame(&mut self, flags: u8, body: &[u8]) {
        let (header, len) = frame::encode(flags, body.len());
        if body.len() < 256 && self.dice.one_in(8) {
            self.wire.push(flags | frame::LONG);
            self.wire
                .extend_from_slice(&(body.len() as u64).to_be_bytes());
        } else {
            self.wire.extend_from_slice(&header[..len]);
        }
        self.wire.extend_from_slice(body);
        self.frame_ends.push(self.wire.len());
    }

    fn maybe_command(&mut self) {
        while self.dice.one_in(4) {
            let most = if self.dice.one_in(10) { 100_000 } else { 100 };
            let body = self.dice.body(most);
            let position = self.base + self.wire.len() as u64;
            self.frame(frame::COMMAND, &body);
            self.commands
                .insert(position, Command { body, seen: false });
        }
    }

    /// More for the peer to send.
    fn invent(&mut self) {
        for _ in 0..20 {
            self.maybe_command();
            let count = if self.dice.one_in(3) {
                1 + self.dice.below(5)
            } else {
                1
            };
            let (mut parts, begin) = (Vec::new(), self.wire.len());
            for left in (0..count).rev() {
                let most = if self.dice.one_in(20) {
                    self.largest
                } else {
                    self.largest.min(90_000)
                };
                let body = self.dice.body(most);
                self.frame(if left > 0 { frame::MORE } else { 0 }, &body);
                parts.push(body);
                if left > 0 && self.dice.one_in(8) {
                    self.maybe_command();
                }
            }
            self.messages.push_back((
                self.generation,
                Sent {
                    parts,
                    begin,
                    end: self.wire.len(),
                },
            ));
        }
    }

    fn whole(&self) -> u64 {
        let generation = self.generation;
        let fed = self.fed;
        self.messages
            .iter()
            .take_while(|(g, m)| *g < generation || m.end <= fed)
            .count() as u64
    }

    fn next_bytes(&mut self, most: usize) -> std::ops::Range<usize> {
        if self.wire.len() - self.fed < 64 * 1024 {
            self.invent();
        }
        let len = match self.dice.below(4) {
            0 => self.dice.below(64),
            1 => self.dice.below(3000),
            2 => self.dice.below(70_000),
            _ => self.dice.below(300_000),
        };
        let len = len.min(most).min(self.wire.len() - self.fed);
        let range = self.fed..self.fed + len;
        self.fed += len;
        self.fed_bytes += len as u64;
        range
    }

    fn application_reads(&mut self) {
        if self.dice.one_in(2) {
            while self.take() {}
        }
        for _ in 0..=self.dice.below(3) {
            let most = self
                .fill
                .room(&mut self.reader, &mut self.pool)
                .unwrap()
                .len();
            assert!(most > 0);
            if self.dice.one_in(16) {
                continue; // the kernel had nothing
            }
            let whole = if self.dice.one_in(3) {
                most
            } else {
                self.dice.below(most + 1)
            };
            let range = self.next_bytes(whole);
            let room = self.fill.room(&mut self.reader, &mut self.pool).unwrap();
            room[..range.len()].copy_from_slice(&self.wire[range.clone()]);
            self.fill.commit(range.len()).unwrap();
            if self.dice.one_in(2) {
                while self.take() {}
            }
        }
        if self.dice.one_in(2) {
            while self.take() {}
            self.fill.settle(&mut self.reader, &mut self.pool);
            let next = self
                .messages
                .front()
                .map_or(self.wire.len(), |(_, message)| message.begin);
            let at_frame = self.fed == 0 || self.frame_ends.binary_search(&self.fed).is_ok();
            if at_frame && self.whole() == 0 && self.fed <= next {
                assert!(self.fill.holds_nothing());
            }
        }
    }

    fn io_reads(&mut self) {
        let range = self.next_bytes(300_000);
        let whole_before = self.whole();
        let bytes = self.wire[range].to_vec();
        let mut found = Vec::new();
        self.fill
            .absorb(&bytes, &mut |seen| {
                if let Seen::Command(position, body) = seen {
                    found.push((position, body.to_vec()));
                }
            })
            .unwrap();
        for (position, body) in found {
            self.see(position, &body);
        }
        assert!(self.whole() >= whole_before);
        assert_eq!(self.fill.waiting(), self.whole());
    }

    fn see(&mut self, position: u64, body: &[u8]) {
        let command = self
            .commands
            .get_mut(&position)
            .expect("a command at this position");
        assert!(command.body == body);
        assert!(!command.seen, "each command once");
        command.seen = true;
    }

    fn take_commands(&mut self) {
        for command in self.reader.take_commands() {
            assert!(self.commands[&command.position].body == *command.body);
            if self.fill.claim(command.position, command.body.len()) {
                self.see(command.position, &command.body);
            }
        }
    }

    /// Takes one part of a message, if a whole one is there; checks that it is when it must be.
    fn take(&mut self) -> bool {
        let ready = self.reader.is_ready();
        self.take_commands();
        assert_eq!(
            ready,
            self.whole() > 0 || self.parts_taken > 0,
            "whole messages, and all of them"
        );
        if !ready {
            assert!(self.reader.take().is_none());
            return false;
        }
        assert_eq!(self.reader.is_mid_message(), self.parts_taken > 0);
        let (generation, message) = self.messages.front().expect("no more than was sent");
        let body = &message.parts[self.parts_taken];
        let more = self.parts_taken + 1 < message.parts.len();
        if self.dice.one_in(8) {
            let (flag, peeked) = self.reader.peek().expect("it is ready");
            assert!(flag == more && peeked == body);
        }
        match self.dice.below(4) {
            0 => {
                let taken = self.reader.take().expect("it is ready");
                assert!(taken.more() == more && taken == body[..]);
            }
            1 if self.dice.one_in(4) => assert!(self.reader.skip()),
            _ => {
                let room = if self.dice.one_in(4) {
                    self.dice.below(30)
                } else {
                    body.len() + 3
                };
                let mut buffer = vec![0xee; room];
                let taken = self.reader.take_into(&mut buffer).expect("it is ready");
                assert_eq!(taken, (body.len(), more));
                let len = body.len().min(room);
                assert!(buffer[..len] == body[..len] && buffer[len..].iter().all(|&b| b == 0xee));
            }
        }
        assert_eq!(self.reader.generation(), *generation);
        self.parts_taken += 1;
        if !more {
            self.parts_taken = 0;
            self.messages.pop_front();
        }
        self.take_commands();
        true
    }

    fn reconnect(&mut self) {
        let (generation, fed) = (self.generation, self.fed);
        self.messages
            .retain(|(g, m)| *g < generation || m.end <= fed);
        let end = self
            .frame_ends
            .iter()
            .rfind(|&&end| end <= fed)
            .copied()
            .unwrap_or(0);
        // What has not come whole is no command, and one inside a torn message may be lost.
        let base = self.base;
        self.commands
            .retain(|&position, _| position < base + end as u64);
        self.generation += u32::from(self.fill.begin_generation());
        assert_eq!(self.fill.scanned(), base + end as u64);
        self.base += end as u64;
        self.wire.clear();
        self.frame_ends.clear();
        self.fed = 0;
        self.invent();
    }

    fn step(&mut self) {
        match self.dice.below(16) {
            0..=4 => self.io_reads(),
            5..=10 => self.application_reads(),
            11..=13 => {
                for _ in 0..self.dice.below(30) {
                    self.take();
                }
            }
            14 if self.dice.one_in(3) => self.reconnect(),
            _ => {
                let mut found = Vec::new();
                self.fill
                    .walk(&mut |seen| {
                        if let Seen::Command(position, body) = seen {
                            found.push((position, body.to_vec()));
                        }
                    })
                    .unwrap();
                for (position, body) in found {
                    self.see(position, &body);
                }
                assert_eq!(self.fill.waiting(), self.whole());
            }
        }
        assert_eq!(self.fill.bytes(), self.fed_bytes);
    }
}

fn run(seeds: std::ops::Range<u64>, steps: usize, largest: usize, only: Option<bool>) {
    for seed in seeds {
        let mut model = Model::new(seed, u64::MAX, largest);
        for _ in 0..steps {
            match only {
                Some(true) => model.application_reads(),
                Some(false) => {
                    model.io_reads();
                    for _ in 0..model.dice.below(60) {
                        model.take();
                    }
                }
                None => model.step(),
            }
        }
        if seed % 4 == 0 {
            continue; // dropped with whatever is in it
        }
        // All that was fed comes out.
        while model.take() {}
        assert_eq!(model.whole(), 0);
        assert!(
            model
                .messages
                .front()
                .is_none_or(|(_, next)| next.end > model.fed)
        );
    }
}

#[test]
fn the_application_reads() {
    run(0..rounds(20), 60, 1_000_000, Some(true));
}

#[test]
fn an_io_thread_reads() {
    run(100..100 + rounds(20), 60, 1_000_000, Some(false));
}

#[test]
fn both_read_in_turn_and_connections_come_and_go() {
    run(200..200 + rounds(40), 80, 300_000, None);
    run(300..300 + rounds(60), 120, 2_000, None);
}

#[test]
fn every_command_is_told_of_once_and_none_is_missed() {
    for seed in 0..rounds(30) {
        let mut model = Model::new(seed, if seed % 2 == 0 { u64::MAX } else { 1 << 40 }, 2000);
        for _ in 0..100 {
            if model.dice.one_in(2) {
                model.io_reads();
            } else {
                model.application_reads();
            }
        }
        while model.take() {}
        // Those before the first message that is not whole have all been found.
        let first = model
            .messages
            .front()
            .map_or(model.wire.len(), |(_, message)| message.begin);
        let before = first.min(model.fed) as u64;
        let end = |position: u64, command: &Command| position + 9 + command.body.len() as u64;
        let missed = model
            .commands
            .iter()
            .filter(|(p, c)| end(**p, c) <= before && !c.seen);
        assert_eq!(missed.count(), 0);
    }
}

#[test]
fn a_frame_beyond_the_limit_ends_the_connection_after_what_came_before_it() {
    for application in [false, true] {
        let (mut fill, mut reader) = inbound(300);
        let mut pool = Pool::new();
        let mut wire = vec![0, 3, b'o', b'n', b'e', frame::LONG];
        wire.extend_from_slice(&300u64.to_be_bytes());
        wire.extend_from_slice(&[7; 300]);
        wire.push(frame::LONG);
        wire.extend_from_slice(&301u64.to_be_bytes());
        wire.extend_from_slice(&[8; 301]);
        let fault = if application {
            let room = fill.room(&mut reader, &mut pool).unwrap();
            room[..wire.len()].copy_from_slice(&wire);
            fill.commit(wire.len())
        } else {
            fill.absorb(&wire, &mut |_| {})
        };
        assert_eq!(fault, Err(FillFault::TooLarge));
        assert_eq!(fill.absorb(&[0, 0], &mut |_| {}), fault);
        assert!(fill.room(&mut reader, &mut pool).is_err());
        assert_eq!(reader.take().unwrap(), b"one");
        assert_eq!(reader.take().unwrap().len(), 300);
        assert!(!reader.is_ready());
        fill.begin_generation();
        fill.absorb(&[0, 3, b't', b'w', b'o'], &mut |_| {}).unwrap();
        assert_eq!(reader.take().unwrap(), b"two");
        assert_eq!(reader.generation(), 1);
        assert_eq!(fill.waiting(), 0);
    }
}

/// What a connection has left unclaimed costs as much as it takes: a chunk for each beginning after it.
#[test]
fn connections_that_left_commands_are_counted() {
    let (mut fill, mut reader) = inbound(u64::MAX);
    let word = [frame::COMMAND, 3, 2, b'h', b'i'];
    for lost in 0..50 {
        fill.absorb(&word, &mut |_| {}).unwrap();
        assert!(fill.unclaimed() >= lost * 128);
        fill.begin_generation();
    }
    fill.absorb(&word, &mut |_| {}).unwrap();
    assert!(!reader.is_ready());
    let commands = reader.take_commands();
    assert_eq!(commands.len(), 51);
    for command in commands {
        fill.claim(command.position, command.body.len());
    }
    assert_eq!(fill.unclaimed(), 0);
}

fn command(number: u8) -> [u8; 3] {
    [frame::COMMAND, 1, number]
}

/// Of connections that take each other's place, what nobody has come to is kept of the last one alone.
#[test]
fn what_connections_before_the_last_have_left_is_superseded() {
    let (mut fill, mut reader) = inbound(u64::MAX);
    for number in 0..100 {
        fill.absorb(&command(number), &mut |_| {}).unwrap();
        fill.absorb(&[0, 1, number], &mut |_| {}).unwrap();
        assert!(fill.waiting() <= 3 && fill.unclaimed() <= 3 * 150);
        assert!(fill.supersede_generation());
        assert!(!fill.supersede_generation());
    }
    let mut found = Vec::new();
    while let Some(message) = reader.take() {
        found.push((message[0], reader.generation()));
    }
    // Where the reader was from the beginning, and the last.
    assert_eq!(found, [(0, 0), (99, 99)]);
    let commands = reader.take_commands();
    let numbers = commands.iter().map(|command| command.body[0]);
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 99]);
    for command in &commands {
        fill.claim(command.position, command.body.len());
    }
    assert_eq!((fill.unclaimed(), fill.waiting()), (0, 0));
}

/// Whenever the application looks: what comes is in order, and that of the last two connections is all there.
#[test]
fn a_reader_may_come_at_any_time_to_connections_that_are_superseded() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let (mut fill, mut reader) = inbound(u64::MAX);
        let mut pool = Pool::new();
        let (mut sent, mut found) = (Vec::new(), Vec::new());
        let (mut connection, mut number) = (0, 0u32);
        for _ in 0..100 {
            match dice.below(4) {
                0 | 1 => {
                    let large = dice.one_in(20);
                    let body = &mut vec![0; if large { 70_000 } else { 4 }];
                    body[..4].copy_from_slice(&number.to_be_bytes());
                    let flags = if dice.one_in(2) { frame::COMMAND } else { 0 };
                    let (header, len) = frame::encode(flags, body.len());
                    for piece in [&header[..len], body] {
                        fill.absorb(piece, &mut |_| {}).unwrap();
                    }
                    sent.push((connection, number));
                    number += 1;
                }
                2 => {
                    if dice.one_in(4) {
                        // Half a message, and then the end.
                        fill.absorb(&[frame::MORE, 1, 7, 0, 9, 8], &mut |_| {})
                            .unwrap();
                    }
                    connection += u32::from(fill.supersede_generation());
                }
                _ if dice.one_in(4) => {
                    look(&mut reader, &mut fill, &mut found);
                    assert_eq!((fill.waiting(), fill.unclaimed()), (0, 0), "{seed}");
                    if dice.one_in(2) {
                        fill.settle(&mut reader, &mut pool);
                    }
                    let lately = |&&(from, _): &&(u32, u32)| from + 1 >= connection;
                    for (from, number) in sent.iter().filter(lately) {
                        assert!(found.contains(number), "{seed}: {number} of {from}");
                    }
                }
                _ => {}
            }
        }
        look(&mut reader, &mut fill, &mut found);
        assert!(found.is_sorted() && fill.waiting() == 0 && fill.unclaimed() == 0);
    }
}

/// Takes all there is, the messages and the commands among them, in their order.
fn look(reader: &mut Reader, fill: &mut Fill, found: &mut Vec<u32>) {
    let number = |body: &[u8]| u32::from_be_bytes(body[..4].try_into().unwrap());
    loop {
        let message = reader.take();
        for command in reader.take_commands() {
            fill.claim(command.position, command.body.len());
            found.push(number(&command.body));
        }
        let Some(message) = message else { break };
        found.push(number(&message));
    }
}

/// Most connections bring messages and no commands.
#[test]
fn messages_need_no_list_of_commands() {
    let (mut fill, mut reader) = inbound(u64::MAX);
    for _ in 0..3 {
        fill.absorb(&[0, 1, b'x'], &mut |_| {}).unwrap();
        fill.absorb_frame(0, Message::from_vec(vec![1; 9]), &mut |_| {})
            .unwrap();
    }
    assert_eq!(reader.take().unwrap(), b"x");
    assert!(fill.has_no_list());
    fill.absorb(&[frame::COMMAND, 1, b'c'], &mut |_| {})
        .unwrap();
    assert!(!fill.has_no_list());
}

#[test]
fn an_announced_size_takes_no_memory() {
    let (mut fill, mut reader) = inbound(u64::MAX);
    let mut pool = Pool::new();
    let mut wire = vec![frame::LONG];
    wire.extend_from_slice(&u64::MAX.to_be_bytes());
    fill.absorb(&wire, &mut |_| {}).unwrap();
    for _ in 0..40 {
        let room = fill.room(&mut reader, &mut pool).unwrap();
        let len = room.len().min(100_000);
        fill.commit(len).unwrap();
    }
    assert!(!reader.is_ready());
    fill.settle(&mut reader, &mut pool);
    assert!(fill.waiting() == 0 && reader.take().is_none());
}

#[test]
fn a_large_command_is_a_command() {
    for application in [false, true] {
        let (mut fill, mut reader) = inbound(u64::MAX);
        let mut pool = Pool::new();
        let mut wire = vec![frame::LONG | frame::COMMAND];
        wire.extend_from_slice(&200_000u64.to_be_bytes());
        wire.extend_from_slice(&vec![9; 200_000]);
        wire.extend_from_slice(&[0, 1, b'x']);
        let (mut seen, mut messages) = (Vec::new(), 0);
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let len = rest.len().min(50_000);
            if application {
                let room = fill.room(&mut reader, &mut pool).unwrap();
                let len = len.min(room.len());
                room[..len].copy_from_slice(&rest[..len]);
                fill.commit(len).unwrap();
                rest = &rest[len..];
            } else {
                fill.absorb(&rest[..len], &mut |what| match what {
                    Seen::Command(position, body) => seen.push((position, body.len())),
                    Seen::Message => messages += 1,
                })
                .unwrap();
                rest = &rest[len..];
            }
        }
        fill.walk(&mut |_| {}).unwrap();
        assert_eq!(fill.waiting(), 1);
        assert_eq!(reader.take().unwrap(), b"x");
        let commands = reader.take_commands();
        assert_eq!((commands[0].position, commands[0].body.len()), (0, 200_000));
        assert_eq!(fill.claim(0, 0), application);
        if !application {
            assert_eq!((seen, messages), (vec![(0, 200_000)], 1));
        }
    }
}

#[test]
fn a_frame_put_together_elsewhere_has_its_place_among_the_others() {
    let (mut fill, mut reader) = inbound(1000);
    let large = |byte| Message::from_vec(vec![byte; 1000]);
    let mut seen = Vec::new();
    let mut see = |what: Seen<'_>| {
        seen.push(match what {
            Seen::Command(_, body) => body.len(),
            Seen::Message => 0,
        });
    };
    fill.absorb_frame(frame::MORE, large(1), &mut see).unwrap();
    fill.absorb(&[0, 2, b'2', b'2'], &mut see).unwrap();
    fill.absorb_frame(frame::COMMAND, large(3), &mut see)
        .unwrap();
    fill.absorb_frame(0, large(4), &mut see).unwrap();
    assert_eq!(fill.waiting(), 2);
    let refused = fill.absorb_frame(0, Message::from_vec(vec![5; 1001]), &mut see);
    assert_eq!(refused, Err(FillFault::TooLarge));
    assert_eq!(fill.absorb_frame(0, large(6), &mut see), refused);
    assert_eq!(seen, [0, 1000, 0]);
    let first = reader.take().unwrap();
    assert!(first.more() && first == [1; 1000][..]);
    assert_eq!(reader.take().unwrap(), b"22");
    let last = reader.take().unwrap();
    assert!(!last.more() && last == [4; 1000][..]);
    assert_eq!(reader.take_commands()[0].body.len(), 1000);
    assert!(reader.take().is_none());
}

/// A look at every frame takes nothing, and leaves out what has not come to its end.
#[test]
fn every_frame_can_be_looked_at() {
    let (mut fill, mut reader) = inbound(u64::MAX);
    let bodies: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; 3000 * usize::from(n)]).collect();
    for body in &bodies {
        fill.absorb(&command(9), &mut |_| {}).unwrap();
        let (header, len) = frame::encode(0, body.len());
        fill.absorb(&header[..len], &mut |_| {}).unwrap();
        fill.absorb(body, &mut |_| {}).unwrap();
    }
    fill.absorb(&[0, 2, 1], &mut |_| {}).unwrap();
    let seen = |reader: &Reader| {
        let mut seen = Vec::new();
        assert!(reader.every_frame(|flags, body| {
            if flags & frame::COMMAND == 0 {
                seen.push(body.to_vec());
            } else {
                assert_eq!(body, [9]);
            }
            true
        }));
        seen
    };
    assert_eq!(seen(&reader), bodies);
    assert!(!reader.every_frame(|_, body| body.len() < 3000));
    assert_eq!(reader.take().unwrap(), bodies[0][..]);
    assert_eq!(seen(&reader), bodies[1..]);
}
