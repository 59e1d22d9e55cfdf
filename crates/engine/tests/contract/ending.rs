// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linger, close, and the end of a context.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use ferromq_engine::{Context, Outgoing, Wait};
use ferromq_message::Message;
use ferromq_vocabulary::{Code, SocketType, Value};

use crate::common::{
    ALL, PLENTY, STREAMS, after, each, nothing, recv, send, socket, soon, try_send, turn, until,
    wait_for, within,
};

/// The linger of the moment counts, and after the end of the context nothing can be set.
#[test]
fn item_11_linger_is_read_at_the_close() {
    let _turn = turn();
    let context = Context::new();
    let mut push = context.socket(SocketType::Push).unwrap();
    push.set_option("LINGER", 60_000).unwrap();
    push.connect("tcp://127.0.0.1:9").unwrap();
    send(&mut push, b"never");
    push.set_option("LINGER", 0).unwrap();
    drop(push);
    let mut late = context.socket(SocketType::Push).unwrap();
    context.shutdown();
    assert_eq!(late.set_option("LINGER", 0), Err(Code::Terminated));
    assert_eq!(late.get_option("LINGER").err(), Some(Code::Terminated));
    drop(late);
    assert!(context.terminate(Some(after(PLENTY))));
}

/// A disconnect discards what has come from there; what was sent still goes.
#[test]
fn item_13_a_disconnect_discards_input_and_delivers_output() {
    each(&STREAMS, |context, endpoint| {
        let mut near = socket(context, SocketType::Dealer);
        let bound = near.bind(endpoint).unwrap().to_owned();
        let mut far = socket(context, SocketType::Dealer);
        far.set_option("LINGER", 60_000).unwrap();
        far.connect(&bound).unwrap();
        send(&mut far, b"hello");
        assert_eq!(recv(&mut near), b"hello");
        send(&mut near, b"unread");
        until("nothing comes", || far.readiness().unwrap().readable);
        for _ in 0..100 {
            send(&mut far, b"on its way");
        }
        far.disconnect(&bound).unwrap();
        assert!(!far.readiness().unwrap().readable);
        assert_eq!(far.recv_frame(Wait::No).err(), Some(Code::Again));
        for _ in 0..100 {
            assert_eq!(recv(&mut near), b"on its way");
        }
        assert_eq!(far.disconnect(&bound), Err(Code::NotFound));
    });
}

/// Over inproc an unbind takes the name away and nothing else.
#[test]
fn item_13_an_unbind_of_inproc_leaves_pipes() {
    each(&["inproc://named"], |context, endpoint| {
        let mut near = socket(context, SocketType::Pair);
        near.bind(endpoint).unwrap();
        let mut far = socket(context, SocketType::Pair);
        far.connect(endpoint).unwrap();
        near.unbind(endpoint).unwrap();
        send(&mut far, b"still");
        assert_eq!(recv(&mut near), b"still");
        send(&mut near, b"there");
        assert_eq!(recv(&mut far), b"there");
        let mut other = socket(context, SocketType::Pair);
        other.bind(endpoint).unwrap();
    });
}

#[test]
fn item_14_who_only_receives_does_not_linger() {
    let context = Context::new();
    for (kind, linger) in [
        (SocketType::Sub, 0),
        (SocketType::Xsub, 0),
        (SocketType::Dish, 0),
        (SocketType::Pull, -1),
        (SocketType::Push, -1),
        (SocketType::Pub, -1),
    ] {
        let mut socket = context.socket(kind).unwrap();
        assert_eq!(socket.get_option("LINGER"), Ok(Value::Int(linger)));
    }
}

/// A shutdown ends calls and opens nothing more; the end waits until all sockets are closed.
#[test]
fn item_15_every_socket_must_be_closed() {
    let _turn = turn();
    let context = Context::new();
    let mut pull = context.socket(SocketType::Pull).unwrap();
    pull.bind("inproc://end").unwrap();
    let waits = thread::spawn(move || {
        let code = pull.recv_frame(soon()).err();
        (pull, code)
    });
    context.shutdown();
    context.shutdown();
    let (pull, code) = waits.join().unwrap();
    assert_eq!(code, Some(Code::Terminated));
    assert_eq!(
        context.socket(SocketType::Pull).err(),
        Some(Code::Terminated)
    );
    assert!(!context.terminate(Some(after(50))), "with a socket open");
    drop(pull);
    assert!(context.terminate(Some(after(PLENTY))));
}

/// Counts how often it was freed.
struct Owned(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Each buffer is given back once, also when its message was never sent on.
#[test]
fn item_16_what_is_queued_at_the_end_is_given_back_once() {
    let _turn = turn();
    for endpoint in ["tcp://127.0.0.1:9", "inproc://given-back"] {
        let freed = Arc::new(AtomicUsize::new(0));
        let context = Context::new();
        let mut push = socket(&context, SocketType::Push);
        push.connect(endpoint).unwrap();
        for len in [10, 100, 20_000, 200_000] {
            let mut message = Message::from_owner(Owned(vec![1; len], Arc::clone(&freed)));
            push.send_frame(&mut Outgoing::Message(&mut message), false, Wait::No)
                .unwrap();
        }
        drop(push);
        assert!(context.terminate(Some(after(PLENTY))));
        assert_eq!(freed.load(Ordering::SeqCst), 4, "{endpoint}");
    }
}

/// A close does not wait, for ever as the linger may be.
#[test]
fn item_10_a_close_does_not_wait() {
    let _turn = turn();
    let context = Context::new();
    let mut push = context.socket(SocketType::Push).unwrap();
    assert_eq!(push.get_option("LINGER"), Ok(Value::Int(-1)));
    push.connect("tcp://127.0.0.1:9").unwrap();
    send(&mut push, b"undeliverable");
    drop(push);
    let began = Instant::now();
    assert!(!context.terminate(Some(after(200))), "it lingers");
    assert!(began.elapsed().as_millis() >= 200);
    // Whatever is left goes with the process.
}

/// The end of a stream is no reset: what was written arrives although input was never read.
#[test]
fn item_12_unread_input_does_not_cut_the_tail() {
    each(&STREAMS, |context, endpoint| {
        let mut near = socket(context, SocketType::Dealer);
        let bound = near.bind(endpoint).unwrap().to_owned();
        let mut far = socket(context, SocketType::Dealer);
        far.set_option("LINGER", 60_000).unwrap();
        let events = far.monitor();
        far.connect(&bound).unwrap();
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        for _ in 0..50 {
            try_send(&mut near, &[1; 10_000], within(PLENTY)).unwrap();
        }
        for _ in 0..200 {
            send(&mut far, &[2; 10_000]);
        }
        drop(far);
        for _ in 0..200 {
            assert_eq!(recv(&mut near), [2; 10_000]);
        }
        nothing(&mut near, 5);
    });
}

/// What a peer has sent before it went is received, however late and slowly.
#[test]
fn item_61_a_connection_is_read_to_its_end() {
    each(&ALL, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.set_option("RCVHWM", 10).unwrap();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        push.set_option("LINGER", 60_000).unwrap();
        push.set_option("SNDHWM", 0).unwrap();
        push.connect(&bound).unwrap();
        let count = 2_000u32;
        for number in 0..count {
            let sent = try_send(&mut push, &number.to_be_bytes(), Wait::No);
            sent.unwrap();
        }
        drop(push);
        thread::yield_now();
        for number in 0..count {
            assert_eq!(recv(&mut pull), number.to_be_bytes());
        }
    });
}
