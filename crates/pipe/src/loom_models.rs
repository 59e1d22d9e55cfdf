// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the memory model allows, tried out. Chunks hold a message or two here; their bytes, their
//! heads and what a lock protects are watched by loom ([`crate::loom::Track`]).
#![expect(clippy::unwrap_used, reason = "a model that cannot go on has failed")]

use std::io::IoSlice;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::sync::{Condvar, Mutex};
use loom::thread::{spawn, yield_now};

use crate::log::Log;
use crate::loom::{Arc, AtomicBool, AtomicU32};
use crate::{
    Arming, Bell, BiasedLock, Drain, Mailbox, Pool, Reader, SLICES, TryLock, WakeSlot, inbound,
    inproc, interest, outbound,
};

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(f);
}

/// Accepts `most` bytes of what there is and appends them.
fn pump(drain: &mut Drain, received: &mut Vec<u8>, most: usize) {
    let mut out = [IoSlice::new(&[]); SLICES];
    let (count, bytes) = drain.slices(&mut out, 0);
    let accepted = bytes.min(most);
    received.extend(
        out[..count]
            .iter()
            .flat_map(|s| s.iter().copied())
            .take(accepted),
    );
    drain.accept(accepted);
}

fn next_message(reader: &mut Reader) -> Vec<Vec<u8>> {
    while !reader.is_ready() {
        yield_now();
    }
    let mut parts = Vec::new();
    loop {
        let part = reader.take().expect("whole messages only");
        parts.push(part.to_vec());
        if !part.more() {
            return parts;
        }
    }
}

#[test]
fn loom_bytes_are_published_across_chunks() {
    model(|| {
        let (mut writer, mut drain) = outbound();
        let sender = spawn(move || {
            let mut pool = Pool::new();
            // Two to a chunk, then one that spans two.
            writer.append(&mut pool, b"ab", false);
            writer.append(&mut pool, b"cd", false);
            writer.append(&mut pool, b"efgh", true);
            writer.append(&mut pool, b"ijklmnopqr", false);
        });
        let mut received = Vec::new();
        while drain.taken() < 3 {
            pump(&mut drain, &mut received, usize::MAX);
            yield_now();
        }
        assert_eq!(received, b"\0\x02ab\0\x02cd\x01\x04efgh\0\x0aijklmnopqr");
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_message_over_several_chunks_appears_at_once() {
    model(|| {
        let (mut writer, mut reader) = inproc();
        let sender = spawn(move || {
            let mut pool = Pool::new();
            writer.append(&mut pool, b"first", true);
            writer.append(&mut pool, b"second part", true);
            writer.append(&mut pool, b"third part", false);
        });
        assert_eq!(
            next_message(&mut reader),
            [&b"first"[..], b"second part", b"third part"]
        );
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_spare_chunk_comes_back_whole() {
    model(|| {
        let (mut writer, mut reader) = inproc();
        let sender = spawn(move || {
            let mut pool = Pool::new();
            for n in 0..4u8 {
                writer.append(&mut pool, &[n; 14], false); // a chunk each
            }
        });
        for n in 0..4u8 {
            assert_eq!(next_message(&mut reader), [[n; 14]]);
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_whichever_end_goes_last_frees_the_rest() {
    model(|| {
        let (mut writer, mut reader) = inproc();
        let sender = spawn(move || {
            let mut pool = Pool::new();
            writer.append(&mut pool, &[1; 14], false);
            writer.append(&mut pool, &[2; 14], false);
            writer.append(&mut pool, &[3; 14], true);
        });
        drop(reader.take());
        drop(reader);
        sender.join().unwrap();
    });
}

/// An outbound queue whose drain is passed around.
struct Tx {
    pump: TryLock<(Drain, Vec<u8>)>,
    arming: Arming,
}

#[test]
fn loom_two_queues_follow_a_log_and_one_leaves() {
    model(|| {
        let mut log = Log::default();
        let mut pool = Pool::new();
        let (mut one, mut drain_one) = outbound();
        let (mut other, mut drain_other) = outbound();
        log.make_room(2);
        one.follow(log.range().unwrap());
        other.follow(log.range().unwrap());
        let reader = spawn(move || {
            let mut received = Vec::new();
            for _ in 0..2 {
                pump(&mut drain_other, &mut received, usize::MAX);
            }
            (drain_other, received)
        });
        log.append(b"ab", false);
        other.unfollow(&mut pool);
        log.append(b"cd", false);
        other.append(&mut pool, b"ef", false);
        let (mut drain_other, mut second) = reader.join().unwrap();
        let mut first = Vec::new();
        while drain_one.taken() < 2 || drain_other.taken() < 2 {
            pump(&mut drain_one, &mut first, usize::MAX);
            pump(&mut drain_other, &mut second, usize::MAX);
        }
        assert_eq!(first, b"\0\x02ab\0\x02cd");
        assert_eq!(second, b"\0\x02ab\0\x02ef");
    });
}

#[test]
fn loom_a_block_is_written_again_when_nobody_reads_it() {
    model(|| {
        let mut log = Log::default();
        let (mut writer, mut drain) = outbound();
        let reader = spawn(move || {
            let mut received = Vec::new();
            while drain.taken() < 3 {
                pump(&mut drain, &mut received, usize::MAX);
                yield_now();
            }
            received
        });
        // A block each.
        for n in 1..4u8 {
            if log.make_room(14) {
                writer.follow(log.range().unwrap());
            }
            log.append(&[n; 14], false);
        }
        let expected: Vec<u8> = (1..4u8)
            .flat_map(|n| [vec![0, 14], vec![n; 14]].concat())
            .collect();
        assert_eq!(reader.join().unwrap(), expected);
    });
}

#[test]
fn loom_no_message_is_left_behind_when_the_pump_changes_hands() {
    model(|| {
        let (mut writer, drain) = outbound();
        let pump_lock = TryLock::new((drain, Vec::new()));
        let tx = Arc::new(Tx {
            pump: pump_lock,
            arming: Arming::default(),
        });
        let told = Arc::new(AtomicBool::new(false));
        assert!(tx.arming.arm());
        let io = {
            let tx = Arc::clone(&tx);
            spawn(move || {
                loop {
                    if let Some(mut held) = tx.pump.try_lock() {
                        let (drain, received) = &mut *held;
                        pump(drain, received, usize::MAX);
                    }
                    tx.arming.disarm();
                    if tx.pump.try_lock().is_some_and(|held| held.0.is_drained()) {
                        return;
                    }
                    if !tx.arming.arm() {
                        return; // the application has told us: we would come again
                    }
                    yield_now();
                }
            })
        };
        let mut pool = Pool::new();
        for body in [b"ab", b"cd"] {
            writer.append(&mut pool, body, false);
            if tx.arming.covers() {
                continue;
            }
            if let Some(mut held) = tx.pump.try_lock() {
                let (drain, received) = &mut *held;
                pump(drain, received, usize::MAX);
                writer.release(drain, &mut pool);
            } else if tx.arming.arm() {
                told.store(true, Release);
            }
        }
        io.join().unwrap();
        let mut held = tx.pump.try_lock().expect("nobody holds it");
        let (drain, received) = &mut *held;
        assert!(
            drain.is_drained() || told.load(Acquire),
            "sent, or somebody will look"
        );
        pump(drain, received, usize::MAX);
        assert_eq!(received, b"\0\x02ab\0\x02cd");
    });
}

/// Queues whose output is held back under one promise: see the engine's `io/held.rs`.
struct HeldBack {
    promise: Arming,
    any: AtomicBool,
    told: AtomicBool,
    pumps: [TryLock<(Drain, Vec<u8>)>; 2],
}

impl HeldBack {
    fn hold(&self) {
        self.any.store(true, Relaxed);
        if !self.promise.covers() && self.promise.arm() {
            self.told.store(true, Release);
        }
    }

    fn write(&self, index: usize) -> bool {
        let Some(mut tx) = self.pumps[index].try_lock() else {
            return false;
        };
        let (drain, received) = &mut *tx;
        pump(drain, received, usize::MAX);
        true
    }
}

#[test]
fn loom_one_promise_covers_what_is_held_for_several_peers() {
    model(|| {
        let ((mut one, first), (mut other, second)) = (outbound(), outbound());
        let held = Arc::new(HeldBack {
            promise: Arming::default(),
            any: AtomicBool::new(false),
            told: AtomicBool::new(false),
            pumps: [first, second].map(|drain| TryLock::new((drain, Vec::new()))),
        });
        assert!(held.promise.arm());
        let io = {
            let held = Arc::clone(&held);
            spawn(move || {
                held.promise.disarm();
                if held.any.load(Relaxed) {
                    (0..2).for_each(|index| assert!(held.write(index) || index == 0));
                }
            })
        };
        let mut pool = Pool::new();
        one.append(&mut pool, b"ab", false);
        held.hold();
        // Written by the application itself, or left to whoever is writing, with a promise of its own.
        let written = held.write(0);
        held.any.store(false, Relaxed);
        other.append(&mut pool, b"cd", false);
        held.hold();
        io.join().unwrap();
        let told = held.told.load(Acquire);
        let drained = |index: usize| held.pumps[index].try_lock().unwrap().0.is_drained();
        assert!(drained(0) || !written, "written by the application");
        assert!(drained(1) || told, "sent, or somebody will look");
    });
}

#[test]
fn loom_a_message_and_the_end_of_the_promise_do_not_miss_each_other() {
    model(|| {
        let (mut writer, drain) = outbound();
        let arming = Arc::new(Arming::default());
        assert!(arming.arm());
        let io = {
            let arming = Arc::clone(&arming);
            spawn(move || {
                arming.disarm();
                !drain.is_drained()
            })
        };
        let mut pool = Pool::new();
        writer.append(&mut pool, b"ab", false);
        let covered = arming.covers();
        let seen = io.join().unwrap();
        assert!(!covered || seen);
    });
}

#[test]
fn loom_of_two_who_arm_one_tells() {
    model(|| {
        let arming = Arc::new(Arming::default());
        let other = {
            let arming = Arc::clone(&arming);
            spawn(move || arming.arm())
        };
        let here = arming.arm();
        assert!(here != other.join().unwrap());
        assert!(arming.covers());
    });
}

#[test]
fn loom_an_owner_and_another_are_never_inside_together() {
    struct Shared {
        lock: BiasedLock,
        count: loom::cell::UnsafeCell<u32>,
        inside: AtomicBool,
    }
    // SAFETY: the count is touched under the lock only, and loom watches that.
    unsafe impl Sync for Shared {}
    // SAFETY: as above.
    unsafe impl Send for Shared {}
    fn turn(shared: &Shared, me: u64) -> u32 {
        let Some(way) = shared.lock.try_lock(me) else {
            return 0;
        };
        assert!(!shared.inside.swap(true, Relaxed));
        // SAFETY: under the lock.
        shared.count.with_mut(|count| unsafe { *count += 1 });
        assert!(shared.inside.swap(false, Relaxed));
        shared.lock.unlock(way);
        1
    }
    model(|| {
        let shared = Arc::new(Shared {
            lock: BiasedLock::new(),
            count: loom::cell::UnsafeCell::new(0),
            inside: AtomicBool::new(false),
        });
        // From here on thread 1 is the owner.
        assert_eq!(turn(&shared, 1), 1);
        let other = {
            let shared = Arc::clone(&shared);
            // The second time as its owner.
            spawn(move || turn(&shared, 2) + turn(&shared, 2))
        };
        let here = turn(&shared, 1) + turn(&shared, 1);
        let there = other.join().unwrap();
        // SAFETY: everybody else has ended.
        let count = shared.count.with(|count| unsafe { *count });
        assert_eq!(count, 1 + here + there);
    });
}

#[derive(Default)]
struct Doorbell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell for Doorbell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

impl Doorbell {
    /// Sleeps until it has rung; loom reports a sleep without end.
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

fn sleeper_gets_every_message(light: bool, messages: u8) {
    model(move || {
        let (mut writer, mut reader) = inproc();
        let slot = Arc::new(WakeSlot::new(Doorbell::default()));
        let sender = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                let mut pool = Pool::new();
                for n in 0..messages {
                    writer.append(&mut pool, &[n], false);
                    if light {
                        slot.notify_light(interest::IN);
                    } else {
                        slot.notify(interest::IN);
                    }
                }
            })
        };
        for n in 0..messages {
            loop {
                if let Some(message) = reader.take() {
                    assert_eq!(message, &[n]);
                    break;
                }
                slot.announce(interest::IN);
                if !reader.is_ready() {
                    slot.bell().wait();
                }
                slot.withdraw(interest::IN);
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_no_wake_up_is_lost() {
    sleeper_gets_every_message(false, 2);
}

#[test]
fn loom_no_light_wake_up_is_lost() {
    sleeper_gets_every_message(true, 2);
}

#[test]
fn loom_who_watches_is_rung_for_every_message() {
    model(|| {
        let (mut writer, mut reader) = inproc();
        let slot = Arc::new(WakeSlot::new(Doorbell::default()));
        let sender = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                let mut pool = Pool::new();
                for n in 0..3u8 {
                    writer.append(&mut pool, &[n], false);
                    slot.notify_light(interest::IN);
                }
            })
        };
        slot.announce(interest::WATCHED);
        let mut n = 0u8;
        while n < 3 {
            if let Some(message) = reader.take() {
                assert_eq!(message, &[n]);
                n += 1;
            } else {
                slot.bell().wait();
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_task_that_registers_is_woken() {
    struct Flag(Arc<Doorbell>);
    impl std::task::Wake for Flag {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.ring();
        }
    }
    model(|| {
        let (mut writer, mut reader) = inproc();
        let slot = Arc::new(WakeSlot::new(Doorbell::default()));
        let sender = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                let mut pool = Pool::new();
                for n in 0..2u8 {
                    writer.append(&mut pool, &[n], false);
                    slot.notify_light(interest::IN);
                }
            })
        };
        let woken = Arc::new(Doorbell::default());
        let waker = std::task::Waker::from(std::sync::Arc::new(Flag(Arc::clone(&woken))));
        for n in 0..2u8 {
            loop {
                if let Some(message) = reader.take() {
                    assert_eq!(message, &[n]);
                    break;
                }
                slot.announce_task(interest::IN, &waker);
                if !reader.is_ready() {
                    woken.wait();
                }
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_no_command_stays_in_the_mailbox() {
    model(|| {
        let shared = Arc::new((Mailbox::default(), WakeSlot::new(Doorbell::default())));
        let posters: Vec<_> = [1, 2]
            .map(|n| {
                let shared = Arc::clone(&shared);
                spawn(move || {
                    shared.0.post(n);
                    shared.1.post_news();
                })
            })
            .into();
        let (mailbox, slot) = &*shared;
        let mut sum = 0;
        while sum < 3 {
            if slot.take_news() {
                sum += mailbox.take_all().into_iter().sum::<i32>();
                continue;
            }
            slot.announce(interest::IN);
            if !slot.is_signalled() {
                slot.bell().wait();
            }
            slot.withdraw(interest::IN);
        }
        for poster in posters {
            poster.join().unwrap();
        }
    });
}

/// Whoever takes the mail while the context ends leaves the end where the next call finds it.
#[test]
fn loom_an_end_is_seen_though_mail_is_taken() {
    model(|| {
        let shared = Arc::new((Mailbox::default(), WakeSlot::new(Doorbell::default())));
        let poster = {
            let shared = Arc::clone(&shared);
            spawn(move || {
                shared.0.post(1);
                shared.1.post_news();
            })
        };
        let ender = {
            let shared = Arc::clone(&shared);
            spawn(move || shared.1.end())
        };
        let (mailbox, slot) = &*shared;
        let mut sum = 0;
        while !slot.has_ended() {
            if slot.take_news() {
                sum += mailbox.take_all().into_iter().sum::<i32>();
                continue;
            }
            slot.announce(interest::IN);
            if !slot.is_signalled() {
                slot.bell().wait();
            }
            slot.withdraw(interest::IN);
        }
        poster.join().unwrap();
        ender.join().unwrap();
        if slot.take_news() {
            sum += mailbox.take_all().into_iter().sum::<i32>();
        }
        assert_eq!(sum, 1);
        assert!(slot.has_ended() && slot.is_signalled() && !slot.take_news());
    });
}

#[test]
fn loom_a_torn_message_is_never_seen_and_the_next_generation_is_whole() {
    model(|| {
        let (mut fill, mut reader) = inbound(u64::MAX);
        let io = spawn(move || {
            fill.absorb(b"\x01\x02ab", &mut |_| {}).unwrap();
            fill.begin_generation();
            fill.absorb(b"\0\x06efghij", &mut |_| {}).unwrap();
            assert!(fill.waiting() <= 1);
        });
        assert_eq!(next_message(&mut reader), [b"efghij"]);
        assert_eq!(reader.generation(), 1);
        io.join().unwrap();
        assert!(!reader.is_ready());
    });
}

#[test]
fn loom_connections_are_superseded_while_a_reader_comes_to_them() {
    model(|| {
        let (mut fill, mut reader) = inbound(u64::MAX);
        for number in 0..2 {
            fill.absorb(&[0, 1, number], &mut |_| {}).unwrap();
            fill.supersede_generation();
        }
        let io = spawn(move || {
            fill.absorb(&[0, 1, 2], &mut |_| {}).unwrap();
            fill.supersede_generation();
            fill.absorb(&[0, 1, 3], &mut |_| {}).unwrap();
            fill
        });
        let mut found = Vec::new();
        while found.last() != Some(&3) {
            let [number] = next_message(&mut reader)[0][..] else {
                panic!("one byte");
            };
            found.push(number);
        }
        let fill = io.join().unwrap();
        assert!(found.is_sorted() && found.contains(&2), "{found:?}");
        assert!(!reader.is_ready() && fill.waiting() == 0);
    });
}

#[test]
fn loom_two_threads_fill_in_turn() {
    model(|| {
        let (fill, mut reader) = inbound(u64::MAX);
        let fill = Arc::new(TryLock::new(fill));
        let begun = Arc::new(AtomicU32::new(0));
        let io = {
            let (fill, begun) = (Arc::clone(&fill), Arc::clone(&begun));
            spawn(move || {
                let Some(mut held) = fill.try_lock() else {
                    return 0;
                };
                begun.store(1, Relaxed);
                held.absorb(b"\0\x05", &mut |_| {}).unwrap();
                held.absorb(b"fghij", &mut |_| {}).unwrap();
                1
            })
        };
        let (mut pool, mut messages) = (Pool::new(), 0);
        if let Some(mut held) = fill.try_lock() {
            while reader.take().is_some_and(|message| message == b"fghij") {
                messages += 1;
            }
            held.room(&mut reader, &mut pool).unwrap()[..7].copy_from_slice(b"\0\x05abcde");
            held.commit(7).unwrap();
        } else {
            messages += 1;
            assert_eq!(next_message(&mut reader), [b"fghij"]);
        }
        let absorbed = io.join().unwrap();
        let mut held = fill.try_lock().unwrap();
        while let Some(message) = reader.take() {
            assert!(message == b"abcde" || message == b"fghij");
            messages += 1;
        }
        held.settle(&mut reader, &mut pool);
        assert_eq!(held.waiting(), 0);
        assert!(messages == 1 || messages == 1 + absorbed);
    });
}
