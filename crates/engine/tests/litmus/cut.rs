// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections that break at any byte.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ferromq_engine::{Context, Outgoing, Policy};
use ferromq_message::Message;
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{IPC, TCP, each, number, numbered, send, socket, soon, turn, within};
use crate::peer::{LONG, Listener, MORE};

const CUTS: u64 = 500;

/// Whole messages at the beginning of a stream: their numbers.
fn whole_messages(mut stream: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut parts = Vec::new();
    loop {
        let (header, len) = match stream {
            [flags, rest @ ..] if flags & LONG != 0 && rest.len() >= 8 => (
                9,
                u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize,
            ),
            [flags, len, ..] if flags & LONG == 0 => (2, usize::from(*len)),
            _ => return numbers,
        };
        let Some(body) = stream.get(header..header + len) else {
            return numbers;
        };
        parts.push(number(body));
        assert_eq!(len, length(number(body), parts.len()));
        if stream[0] & MORE == 0 {
            assert_eq!(parts, [parts[0]; 3], "a message of other messages' parts");
            numbers.push(parts[0]);
            parts.clear();
        }
        stream = &stream[header + len..];
    }
}

fn length(number: u64, part: usize) -> usize {
    8 + (number as usize * 37 + part * 101) % 700
}

#[test]
fn numbers_rise_over_all_connections() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDBUF", 4096).unwrap();
        push.set_option("RECONNECT_IVL", 1).unwrap();
        push.connect(&listener.endpoint()).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                for number in 0u64.. {
                    for part in 1..=3 {
                        let body = numbered(number, length(number, part));
                        let mut frame = Outgoing::Bytes(&body);
                        while let Err(code) = push.send_frame(&mut frame, part < 3, within(50)) {
                            assert_eq!(code, Code::Again);
                            if over.load(Ordering::Relaxed) {
                                return push.undelivered();
                            }
                        }
                    }
                    if over.load(Ordering::Relaxed) {
                        return push.undelivered();
                    }
                }
                unreachable!();
            }
        });
        let mut last = None;
        let mut gaps = 0;
        for round in 0..CUTS {
            let mut peer = listener.accept();
            peer.shake_hands("PULL");
            let target = 1 + (round * 7919 + 13) as usize % 40_000;
            let mut stream = Vec::new();
            while stream.len() < target {
                let read = peer.read(target - stream.len());
                assert!(!read.is_empty());
                stream.extend(read);
            }
            // Dropped with input unread: a reset.
            drop(peer);
            for number in whole_messages(&stream) {
                if let Some(last) = last {
                    assert!(number > last, "{number} after {last}");
                    gaps = gaps.max(number - last - 1);
                }
                last = Some(number);
            }
        }
        over.store(true, Ordering::Relaxed);
        drop(listener);
        assert_eq!(sender.join().unwrap(), 0);
        // What the kernels held: a little of ours, at most its window of theirs.
        assert!(
            gaps < 4 * 1024 * 1024 / 1000,
            "{gaps} messages missing in one place"
        );
    });
}

#[test]
fn a_large_message_comes_again_whole() {
    each(&["tcp", "ipc"], |context, transport| {
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDBUF", 65_536).unwrap();
        push.connect(&listener.endpoint()).unwrap();
        const SIZE: usize = 10 << 20;
        let mut large = Message::from_vec(numbered(7, SIZE));
        push.send_frame(&mut Outgoing::Message(&mut large), false, soon())
            .unwrap();
        let mut copied = numbered(8, SIZE);
        copied[SIZE - 1] = 99;
        push.send_frame(&mut Outgoing::Bytes(&copied), false, soon())
            .unwrap();
        send(&mut push, b"after");
        for cut in [1, 100, 1 << 20, 3 << 20] {
            let mut peer = listener.accept();
            peer.shake_hands("PULL");
            let mut read = 0;
            while read < cut {
                read += peer.read(cut - read).len();
            }
        }
        let mut peer = listener.accept();
        peer.shake_hands("PULL");
        let first = peer.message().unwrap();
        assert_eq!((first.0, first.1.len()), (0, SIZE));
        assert!(first.1 == numbered(7, SIZE));
        let next = peer.message().unwrap();
        assert_eq!(next.0, 0);
        assert!(next.1 == copied);
        assert_eq!(peer.message().unwrap(), (0, b"after".to_vec()));
    });
}

struct Counted {
    body: Arc<Vec<u8>>,
    freed: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

/// More than 4 GiB in one queue, in 8 MiB of memory.
#[test]
fn a_queue_of_more_than_four_gibibytes() {
    let _turn = turn();
    for (policy, endpoint, count) in [
        (Policy::Assisted, TCP, 700),
        (Policy::IoOnly, IPC, 50),
        (Policy::Chaos, TCP, 50),
    ] {
        let context = Context::new();
        context.set_policy(policy);
        let bound = {
            let mut place = socket(&context, SocketType::Pull);
            // Not the name the closing listener takes away with it.
            place
                .bind(endpoint)
                .unwrap()
                .replace("fmq-", "litmus-queue-")
        };
        let body = Arc::new(numbered(3, 8 << 20));
        let freed = Arc::new(AtomicUsize::new(0));
        let mut push = socket(&context, SocketType::Push);
        push.connect(&bound).unwrap();
        for _ in 0..count {
            let counted = Counted {
                body: Arc::clone(&body),
                freed: Arc::clone(&freed),
            };
            let mut message = Message::from_owner(counted);
            push.send_frame(&mut Outgoing::Message(&mut message), false, soon())
                .unwrap();
        }
        assert_eq!(push.statistics()[0].messages_waiting, count as u64);
        assert_eq!(freed.load(Ordering::Relaxed), 0);
        let mut pull = socket(&context, SocketType::Pull);
        pull.set_option("RCVHWM", 2).unwrap();
        let folder = bound
            .strip_prefix("ipc://")
            .and_then(|path| Path::new(path).parent());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).unwrap();
        }
        crate::common::until("the endpoint stays taken", || pull.bind(&bound).is_ok());
        for index in 0..count {
            let message = pull.recv_frame(soon()).unwrap();
            assert_eq!(message.len(), body.len());
            if index % 50 == 0 {
                assert!(*message == **body);
            } else {
                assert_eq!(message[..8], body[..8]);
                assert_eq!(message[message.len() - 8..], body[body.len() - 8..]);
            }
        }
        crate::common::until("a buffer is not freed", || {
            freed.load(Ordering::Relaxed) == count
        });
        assert_eq!(push.statistics()[0].messages_waiting, 0);
        drop(pull);
        if let Some(folder) = folder {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
