// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everybody wakes up.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Context, PollItem, Socket, Wait, poll};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{PLENTY, STREAMS, after, each, recv, send, socket, try_send, until, wait_for};
use crate::peer::Peer;

/// Runs a call on a thread of its own, shuts the context down when it sleeps, and sees it return.
fn ends(context: &Context, call: impl FnOnce() -> Result<(), Code> + Send + 'static) {
    let (began, begin) = mpsc::channel();
    let caller = thread::spawn(move || {
        began.send(thread_id()).unwrap();
        (call(), Instant::now())
    });
    asleep(begin.recv().unwrap());
    let shut = Instant::now();
    context.shutdown();
    let (result, returned) = caller.join().unwrap();
    assert_eq!(result, Err(Code::Terminated));
    // It sleeps for ever: who is not woken does not get here.
    println!("  back after {:?}", returned - shut);
    assert_eq!(
        context.socket(SocketType::Pull).err(),
        Some(Code::Terminated)
    );
}

fn thread_id() -> String {
    std::fs::read_link("/proc/thread-self")
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .into()
}

/// Until that thread sleeps in the kernel, for three looks in a row.
fn asleep(thread: String) {
    let mut looks = 0;
    until("does not sleep", || {
        let state = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
        let sleeps = state.rsplit(") ").next().unwrap().starts_with('S');
        looks = if sleeps { looks + 1 } else { 0 };
        thread::park_timeout(Duration::from_millis(2));
        looks == 5
    });
}

fn sleeps_in_recv(peers: usize) {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut pushes: Vec<Socket> = (0..peers)
            .map(|_| {
                let mut push = socket(context, SocketType::Push);
                push.connect(&bound).unwrap();
                send(&mut push, b"hello");
                push
            })
            .collect();
        for _ in 0..peers {
            recv(&mut pull);
        }
        ends(context, move || pull.recv_frame(Wait::Forever).map(drop));
        for push in &mut pushes {
            assert_eq!(try_send(push, b"", Wait::No), Err(Code::Terminated));
            assert_eq!(push.set_option("LINGER", 0), Err(Code::Terminated));
        }
    });
}

#[test]
fn from_a_receive_with_nobody() {
    sleeps_in_recv(0);
}

#[test]
fn from_a_receive_with_one_peer() {
    sleeps_in_recv(1);
}

#[test]
fn from_a_receive_with_fifty_peers() {
    sleeps_in_recv(50);
}

#[test]
fn from_a_send_at_the_high_water_mark() {
    each(&STREAMS, |context, endpoint| {
        let mut pair = socket(context, SocketType::Pair);
        pair.set_option("SNDHWM", 5).unwrap();
        let events = pair.monitor();
        let bound = pair.bind(endpoint).unwrap().to_owned();
        let _peer = Peer::meet(&bound, "PAIR");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        ends(context, move || {
            loop {
                try_send(&mut pair, &vec![0; 50_000], Wait::Forever)?;
            }
        });
    });
    each(&STREAMS, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        push.set_option("SNDHWM", 5).unwrap();
        let events = push.monitor();
        let bound = push.bind(endpoint).unwrap().to_owned();
        let _peer = Peer::meet(&bound, "PULL");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        ends(context, move || {
            loop {
                try_send(&mut push, &vec![0; 50_000], Wait::Forever)?;
            }
        });
    });
}

#[test]
fn from_a_send_to_nobody() {
    each(&STREAMS, |context, endpoint| {
        let mut push = socket(context, SocketType::Push);
        push.bind(endpoint).unwrap();
        ends(context, move || try_send(&mut push, b"", Wait::Forever));
    });
}

#[test]
fn from_a_poll_with_descriptors() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.bind(endpoint).unwrap();
        let mut push = socket(context, SocketType::Push);
        push.bind(endpoint).unwrap();
        let (fd, _other) = UnixStream::pair().unwrap();
        ends(context, move || {
            let mut items = [
                PollItem::fd(fd.as_raw_fd(), true, false),
                PollItem::socket(&mut pull, true, false),
                PollItem::socket(&mut push, false, true),
            ];
            poll(&mut items, None).map(drop)
        });
    });
}

#[test]
fn a_poll_sees_sockets_and_descriptors() {
    use std::io::Write;
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        push.connect(&bound).unwrap();
        let (fd, mut other) = UnixStream::pair().unwrap();
        let look = |pull: &mut Socket, until| {
            let mut items = [
                PollItem::fd(fd.as_raw_fd(), true, false),
                PollItem::socket(pull, true, false),
            ];
            poll(&mut items, Some(until)).unwrap();
            (items[0].found.readable, items[1].found.readable)
        };
        assert_eq!(look(&mut pull, after(10)), (false, false));
        let sender = thread::spawn(move || {
            send(&mut push, b"one");
            push
        });
        assert_eq!(look(&mut pull, after(PLENTY)), (false, true));
        recv(&mut pull);
        assert_eq!(look(&mut pull, after(10)), (false, false));
        other.write_all(b"x").unwrap();
        assert_eq!(look(&mut pull, after(PLENTY)), (true, false));
        drop(sender.join().unwrap());
    });
}

/// The context waits for sockets that others still hold, and no longer.
#[test]
fn the_context_ends_when_the_last_socket_does() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        pull.bind(endpoint).unwrap();
        assert!(!context.terminate(Some(after(10))));
        let ending = thread::spawn({
            let context = context.clone();
            move || context.terminate(Some(after(PLENTY)))
        });
        assert_eq!(pull.recv_frame(Wait::No).err(), Some(Code::Terminated));
        drop(pull);
        assert!(ending.join().unwrap());
    });
}

/// Whatever call the end of the context falls into, none after it succeeds: not for a socket with room and input, nor
/// for one whose pattern would refuse the call.
#[test]
fn the_end_is_for_good() {
    let _turn = crate::common::turn();
    for round in 0..300 {
        let context = Context::new();
        let mut dealer = socket(&context, SocketType::Dealer);
        let bound = dealer.bind(crate::common::TCP).unwrap().to_owned();
        let mut rep = socket(&context, SocketType::Rep);
        rep.connect(&bound).unwrap();
        let (began, begin) = mpsc::channel();
        // Neither waits: each is somewhere in a call when the end comes.
        let busy = [dealer, rep].map(|mut socket| {
            let began = began.clone();
            thread::spawn(move || {
                began.send(()).unwrap();
                loop {
                    let sent = try_send(&mut socket, b"", Wait::No);
                    let received = socket.recv_frame(Wait::No);
                    if Err(Code::Terminated) == sent || received.is_err_and(is_end) {
                        break;
                    }
                }
                for _ in 0..3 {
                    assert_eq!(try_send(&mut socket, b"", Wait::No), Err(Code::Terminated));
                    assert!(socket.recv_frame(Wait::No).is_err_and(is_end));
                    assert!(socket.recv_into(&mut [0; 8], Wait::No).is_err_and(is_end));
                    assert!(socket.readiness().is_err_and(is_end));
                    assert!(socket.set_option("LINGER", 0).is_err_and(is_end));
                }
            })
        });
        for _ in &busy {
            begin.recv().unwrap();
        }
        // Not always at the same moment.
        for _ in 0..round * 20 {
            std::hint::spin_loop();
        }
        context.shutdown();
        for thread in busy {
            thread.join().unwrap();
        }
        assert!(context.terminate(Some(after(PLENTY))));
    }
}

fn is_end(code: Code) -> bool {
    code == Code::Terminated
}
