// SPDX-License-Identifier: MIT OR Apache-2.0
use std::io::IoSlice;
use std::thread::{scope, yield_now};

use super::{Dice, inproc::foreign, rounds};
use crate::{Pool, SLICES, TryLock, inbound, inproc, outbound};

#[test]
fn inproc_in_order_and_every_foreign_message_freed_once() {
    for seed in 0..rounds(20) {
        let counter = std::sync::Mutex::new(0);
        let (mut writer, mut reader) = inproc();
        let made = scope(|scope| {
            let sender = scope.spawn(|| {
                let (mut dice, mut pool, mut made) = (Dice::new(seed), Pool::new(), 0);
                for n in 0..2000u64 {
                    if dice.one_in(4) {
                        writer.append(&mut pool, &n.to_le_bytes(), true);
                        if dice.one_in(8) {
                            writer.roll_back();
                            writer.append(&mut pool, &n.to_le_bytes(), true);
                        }
                        writer.append_message(&mut pool, &mut foreign(n as u8, &counter), false);
                        made += 1;
                    } else {
                        writer.append(&mut pool, &n.to_le_bytes(), false);
                    }
                    if seed % 4 == 1 && n == 777 {
                        break;
                    }
                }
                drop(writer);
                made
            });
            let stop = if seed % 4 < 2 { 778 } else { 2000 };
            let mut n = 0u64;
            while n < stop {
                let Some(first) = reader.take() else {
                    yield_now();
                    continue;
                };
                assert_eq!(first, n.to_le_bytes());
                if first.more() {
                    let second = reader.take().expect("a message is whole");
                    assert!(second == [n as u8; 100] && !second.more());
                }
                n += 1;
            }
            drop(reader);
            sender.join().unwrap()
        });
        assert_eq!(*counter.lock().unwrap(), made);
    }
}

#[test]
fn two_pumps_take_turns_and_the_stream_is_whole() {
    for seed in 0..rounds(6) {
        let (mut writer, drain) = outbound();
        let pump = TryLock::new((drain, Vec::<u8>::new()));
        let done = std::sync::Mutex::new(false);
        let mut sent = Vec::new();
        let turn = |dice: &mut Dice| {
            let Some(mut guard) = pump.try_lock() else {
                return false;
            };
            let (drain, received) = &mut *guard;
            let mut out = [IoSlice::new(&[]); SLICES];
            let (count, bytes) = drain.slices(&mut out, 0);
            let accepted = dice.below(bytes + 1);
            let all: Vec<u8> = out[..count]
                .iter()
                .flat_map(|s| s.iter().copied())
                .collect();
            received.extend_from_slice(&all[..accepted]);
            drain.accept(accepted);
            drain.is_drained()
        };
        scope(|scope| {
            scope.spawn(|| {
                let mut dice = Dice::new(seed + 100);
                loop {
                    let finished = *done.lock().unwrap();
                    if turn(&mut dice) && finished {
                        break;
                    }
                    yield_now();
                }
            });
            let (mut dice, mut pool) = (Dice::new(seed), Pool::new());
            for _ in 0..1500 {
                let body = dice.body(40_000);
                let (header, len) = ferromq_message::frame::encode(0, body.len());
                sent.extend_from_slice(&header[..len]);
                sent.extend_from_slice(&body);
                writer.append(&mut pool, &body, false);
                if dice.one_in(8) {
                    turn(&mut dice);
                }
                if dice.one_in(4)
                    && let Some(mut guard) = pump.try_lock()
                {
                    writer.release(&mut guard.0, &mut pool);
                }
            }
            *done.lock().unwrap() = true;
        });
        assert!(pump.try_lock().unwrap().1 == sent);
    }
}

#[test]
fn an_io_thread_fills_while_the_application_takes() {
    for seed in 0..rounds(6) {
        let (mut fill, mut reader) = inbound(u64::MAX);
        let mut dice = Dice::new(seed);
        let (mut wire, mut bodies) = (Vec::new(), Vec::new());
        for _ in 0..600 {
            let body = dice.body(100_000);
            let flags = u8::from(dice.one_in(3));
            let (header, len) = ferromq_message::frame::encode(flags, body.len());
            wire.extend_from_slice(&header[..len]);
            wire.extend_from_slice(&body);
            bodies.push(body);
        }
        wire.extend_from_slice(&[0, 0]);
        bodies.push(Vec::new());
        scope(|scope| {
            scope.spawn(move || {
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    let len = rest.len().min(1 + dice.below(100_000));
                    fill.absorb(&rest[..len], &mut |_| {}).unwrap();
                    rest = &rest[len..];
                }
            });
            for body in &bodies {
                let message = loop {
                    if let Some(message) = reader.take() {
                        break message;
                    }
                    yield_now();
                };
                assert!(message == body[..]);
            }
            assert!(!reader.is_ready());
        });
    }
}
