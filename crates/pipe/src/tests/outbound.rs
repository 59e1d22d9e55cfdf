// SPDX-License-Identifier: MIT OR Apache-2.0
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::atomic::Ordering;

use ferromq_message::{Message, frame};

use super::{Dice, rounds};
use crate::loom::AtomicU64;
use crate::{Drain, Pool, SLICES, Writer, outbound};

fn encode(wire: &mut Vec<u8>, body: &[u8], more: bool) {
    let (header, len) = frame::encode(if more { frame::MORE } else { 0 }, body.len());
    wire.extend_from_slice(&header[..len]);
    wire.extend_from_slice(body);
}

struct Model {
    dice: Dice,
    writer: Writer,
    drain: Drain,
    pool: Pool,
    /// Messages of which the kernel has not accepted every byte.
    queue: VecDeque<Vec<u8>>,
    /// How much of the first one it has accepted on this connection.
    partial: usize,
    taken: u64,
    messages: u64,
    bytes: u64,
    pending: Vec<u8>,
    /// Up to how many messages and bytes quick ones are allowed.
    allowed: (u64, u64),
    /// Chunks whose memory was wanted.
    emptied: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let (writer, drain) = outbound();
        Self {
            dice: Dice::new(seed),
            writer,
            drain,
            pool: Pool::new(),
            queue: VecDeque::new(),
            partial: 0,
            taken: 0,
            messages: 0,
            bytes: 0,
            pending: Vec::new(),
            allowed: (0, 0),
            emptied: 0,
        }
    }

    fn write(&mut self) {
        let more = self.dice.one_in(3);
        let body = self.dice.body(200 * 1024);
        let (messages, bytes) = (self.messages, self.bytes);
        encode(&mut self.pending, &body, more);
        if self.dice.one_in(4) {
            let messages = messages + self.dice.below(5) as u64;
            let bytes = bytes + self.dice.below(20_000) as u64;
            self.allowed = (messages, bytes);
            self.writer.allow_quick(messages, bytes);
        }
        let quick = !more && self.dice.one_in(2) && self.writer.append_quick(&body);
        if quick {
            assert!(messages < self.allowed.0);
            assert!(bytes + self.pending.len() as u64 <= self.allowed.1);
        }
        match self.dice.below(3) {
            _ if quick => {}
            0 => self
                .writer
                .append_message(&mut self.pool, &mut Message::from_vec(body), more),
            1 => {
                let mut message = Message::copy_from_slice(&body);
                self.writer
                    .append_message(&mut self.pool, &mut message, more);
            }
            _ => self.writer.append(&mut self.pool, &body, more),
        }
        if !more {
            self.messages += 1;
            self.bytes += self.pending.len() as u64;
            self.queue.push_back(std::mem::take(&mut self.pending));
        }
    }

    /// Checks what is handed out, byte by byte, and accepts some of it.
    fn pump(&mut self) {
        let mut out = [IoSlice::new(&[]); SLICES];
        let unit = if self.dice.one_in(2) {
            1 + self.dice.below(100_000)
        } else {
            0
        };
        let (count, bytes) = self.drain.slices(&mut out, unit);
        assert_eq!(out[..count].iter().map(|s| s.len()).sum::<usize>(), bytes);
        assert!(bytes <= unit || bytes.checked_rem(unit).is_none_or(|r| r == 0));
        assert!(out[..count].iter().all(|s| !s.is_empty()));
        assert_eq!(
            bytes == 0,
            self.queue.is_empty(),
            "something is handed out while there is any"
        );
        let mut expected = self.queue.iter().enumerate().flat_map(|(i, message)| {
            std::iter::once(&message[if i == 0 { self.partial } else { 0 }..])
        });
        let mut rest: &[u8] = &[];
        for mut piece in out[..count].iter().map(|s| &**s) {
            while !piece.is_empty() {
                while rest.is_empty() {
                    rest = expected.next().expect("no more than was sent");
                }
                let n = piece.len().min(rest.len());
                assert!(piece[..n] == rest[..n], "the bytes that were sent");
                (piece, rest) = (&piece[n..], &rest[n..]);
            }
        }
        let accepted = match self.dice.below(4) {
            0 => bytes,
            1 => bytes.min(1 + self.dice.below(20)),
            2 => self.dice.below(bytes + 1),
            _ => bytes - bytes.min(self.dice.below(5)),
        };
        // More may be published between the two steps.
        while self.dice.one_in(3) {
            self.write();
        }
        self.drain.accept(accepted);
        self.partial += accepted;
        while let Some(first) = self.queue.front()
            && first.len() <= self.partial
        {
            self.partial -= first.len();
            self.taken += 1;
            self.queue.pop_front();
        }
    }

    fn check(&self) {
        assert_eq!(self.drain.taken(), self.taken);
        assert_eq!(self.writer.taken(), self.taken);
        assert_eq!(self.writer.messages(), self.messages);
        assert_eq!(self.writer.bytes(), self.bytes);
        assert_eq!(self.writer.is_mid_message(), !self.pending.is_empty());
        assert_eq!(self.drain.is_drained(), self.queue.is_empty());
        assert_eq!(self.drain.is_at_boundary(), self.partial == 0);
    }

    fn step(&mut self) {
        match self.dice.below(33) {
            0..=13 => self.write(),
            14..=24 => self.pump(),
            25..=26 => {
                self.drain.resume();
                self.partial = 0;
            }
            27 => {
                self.writer.roll_back();
                self.pending.clear();
            }
            28 if self.dice.one_in(4) => {
                assert_eq!(self.drain.discard(), self.queue.len() as u64);
                self.taken += self.queue.len() as u64;
                self.queue.clear();
                self.partial = 0;
            }
            // Nothing was handed out for this.
            29 => {
                self.drain.resume();
                self.partial = 0;
                self.drain.accept(0);
            }
            30 => drop(self.drain.take_finished()),
            31 => {
                self.drain.want_emptied(self.dice.below(3));
                while let Some(mut memory) = self.drain.take_emptied() {
                    // Nobody else looks at it.
                    memory.as_mut().fill(0xee);
                    self.emptied += 1;
                }
            }
            _ => self.writer.release(&mut self.drain, &mut self.pool),
        }
        self.check();
    }
}

#[test]
fn the_byte_stream_is_what_was_sent() {
    let mut emptied = 0;
    for seed in 0..rounds(60) {
        let mut model = Model::new(seed);
        for _ in 0..300 {
            model.step();
        }
        emptied += model.emptied;
        if seed % 3 == 0 {
            // Whichever end goes first, with messages in between.
            let Model { writer, drain, .. } = model;
            if seed % 2 == 0 {
                drop(writer);
                drop(drain);
            } else {
                drop(drain);
                drop(writer);
            }
            continue;
        }
        while !model.queue.is_empty() {
            model.pump();
            model.check();
        }
    }
    assert!(emptied > 0);
}

#[test]
fn small_messages_fill_many_chunks() {
    let (mut writer, mut drain) = outbound();
    let mut pool = Pool::new();
    let mut dice = Dice::new(1);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for round in 0..rounds(200) {
        for _ in 0..dice.below(400) {
            let body = dice.body(60);
            let more = dice.one_in(8);
            encode(&mut sent, &body, more);
            writer.append(&mut pool, &body, more);
        }
        while dice.below(3) > 0 || round % 16 == 0 && !drain.is_drained() {
            let mut out = [IoSlice::new(&[]); SLICES];
            let (count, bytes) = drain.slices(&mut out, 0);
            let all: Vec<u8> = out[..count]
                .iter()
                .flat_map(|s| s.iter().copied())
                .collect();
            let n = if dice.one_in(2) {
                bytes
            } else {
                dice.below(bytes + 1)
            };
            received.extend_from_slice(&all[..n]);
            drain.accept(n);
        }
        if dice.one_in(3) {
            writer.release(&mut drain, &mut pool);
        }
        assert!(received == sent[..received.len()]);
    }
}

#[test]
fn a_large_message_is_freed_when_it_has_gone_and_not_with_the_next_one() {
    static FREED: AtomicU64 = AtomicU64::new(0);
    struct Counted(Vec<u8>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            FREED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (mut writer, mut drain) = outbound();
    let mut pool = Pool::new();
    for n in 1..4 {
        writer.append_message(
            &mut pool,
            &mut Message::from_owner(Counted(vec![7; 100_000])),
            false,
        );
        let mut out = [IoSlice::new(&[]); SLICES];
        let (_, bytes) = drain.slices(&mut out, 0);
        assert_eq!(bytes, 100_009);
        drain.accept(bytes - 1);
        assert!(drain.take_finished().is_empty());
        let mut out = [IoSlice::new(&[]); SLICES];
        assert_eq!(drain.slices(&mut out, 0), (1, 1));
        drain.accept(1);
        assert_eq!(drain.taken(), n);
        let finished = drain.take_finished();
        assert!(!finished.is_empty());
        assert_eq!(FREED.load(Ordering::Relaxed), n - 1);
        drop(finished);
        assert_eq!(FREED.load(Ordering::Relaxed), n);
    }
    // Not sent, and dropped with the queue.
    writer.append_message(
        &mut pool,
        &mut Message::from_owner(Counted(vec![7; 100_000])),
        false,
    );
    writer.append_message(
        &mut pool,
        &mut Message::from_owner(Counted(vec![7; 100_000])),
        true,
    );
    drop(writer);
    assert_eq!(FREED.load(Ordering::Relaxed), 4);
    drop(drain);
    assert_eq!(FREED.load(Ordering::Relaxed), 5);
}

#[test]
fn an_idle_queue_holds_no_memory() {
    let (mut writer, mut drain) = outbound();
    let mut pool = Pool::new();
    for _ in 0..20_000 {
        writer.append(&mut pool, b"0123456789", false);
    }
    while !drain.is_drained() {
        let mut out = [IoSlice::new(&[]); SLICES];
        let (_, bytes) = drain.slices(&mut out, 0);
        drain.accept(bytes);
    }
    writer.release(&mut drain, &mut pool);
    assert!(writer.shared.take_spare().is_none());
    writer.append(&mut pool, b"again", false);
    let mut out = [IoSlice::new(&[]); SLICES];
    assert_eq!(drain.slices(&mut out, 0), (1, 7));
}
