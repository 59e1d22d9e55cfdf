// SPDX-License-Identifier: MIT OR Apache-2.0
//! Close, drop, shutdown.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use ferromq::{Context, Error, Pub, Pull, Push};

use crate::{LONG, await_true, each, open, pair, soon, unique};

#[test]
fn what_was_sent_is_delivered_after_the_drop() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let receiving = Context::new();
        let mut pull = open::<Pull>(&receiving);
        let bound = pull.bind(endpoint).unwrap();
        let sender = thread::spawn(move || {
            let context = Context::new();
            let mut push = open::<Push>(&context);
            push.connect(&bound).unwrap();
            for number in 0..800u32 {
                push.send(&number.to_be_bytes()).unwrap();
            }
            // Socket, then context: which waits.
        });
        for number in 0..800u32 {
            assert_eq!(pull.recv().unwrap(), number.to_be_bytes());
        }
        sender.join().unwrap();
    }
}

#[test]
fn a_context_may_be_dropped_before_its_sockets() {
    each(|_, endpoint| {
        let context = Context::new();
        let (mut pull, mut push) = pair::<Pull, Push>(&context, endpoint);
        drop(context);
        push.send("still here").unwrap();
        assert_eq!(pull.recv().unwrap(), "still here");
    });
}

#[test]
fn dropping_a_socket_does_not_wait() {
    let lingering = |linger| {
        let context = Context::new();
        let builder = context.socket_builder::<Push>();
        let mut push = builder.linger(linger).open().unwrap();
        // Nobody is there.
        push.connect("tcp://127.0.0.1:1").unwrap();
        push.send("x").unwrap();
        drop(push);
        context
    };
    // Its drop would wait for the linger; so it stays until the process ends.
    static STAYS: OnceLock<Context> = OnceLock::new();
    let context = STAYS.get_or_init(|| lingering(100 * LONG));
    let short = Some(Duration::from_millis(20));
    assert_eq!(context.terminate(short), Err(Error::Again));
    // The context waits for linger, and then it is over.
    let context = lingering(Duration::from_millis(200));
    assert_eq!(context.terminate(Some(LONG)), Ok(()));
}

#[test]
fn without_linger_nothing_is_waited_for() {
    let context = Context::new();
    let mut push = context
        .socket_builder::<Push>()
        .linger(Duration::ZERO)
        .open()
        .unwrap();
    push.connect("tcp://127.0.0.1:1").unwrap();
    push.send("x").unwrap();
    drop(push);
    // Unless told otherwise a socket lingers for half a minute.
    let sooner = Duration::from_secs(20);
    assert_eq!(context.terminate(Some(sooner)), Ok(()));
}

#[test]
fn close_tells_what_became_of_the_messages() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        for _ in 0..100 {
            push.send("delivered").unwrap();
        }
        let receiver = thread::spawn(move || {
            for _ in 0..100 {
                pull.recv().unwrap();
            }
        });
        let report = push.close(LONG);
        assert_eq!(report.discarded, 0);
        receiver.join().unwrap();
    });
    let context = Context::new();
    let mut push = open::<Push>(&context);
    push.connect("tcp://127.0.0.1:1").unwrap();
    push.send("a").unwrap();
    push.send("b").unwrap();
    let report = push.close(Duration::from_millis(5));
    assert_eq!((report.delivered, report.discarded), (0, 2));
}

#[test]
fn shutdown_ends_every_call() {
    each(|_, endpoint| {
        let context = Context::new();
        let (mut pull, mut push) = pair::<Pull, Push>(&context, endpoint);
        let waiting = thread::spawn(move || (pull.recv_deadline(soon()).err(), pull));
        let stopper = context.clone();
        let stopper = thread::spawn(move || stopper.shutdown());
        let (error, mut pull) = waiting.join().unwrap();
        stopper.join().unwrap();
        assert_eq!(error, Some(Error::Terminated));
        assert!(context.is_terminated());
        assert_eq!(push.send("x").unwrap_err().error, Error::Terminated);
        assert_eq!(pull.readiness().err(), Some(Error::Terminated));
        assert_eq!(pull.bind(&unique()).err(), Some(Error::Terminated));
        assert_eq!(pull.connect(&unique()).err(), Some(Error::Terminated));
        assert_eq!(pull.set_option("RCVHWM", 1).err(), Some(Error::Terminated));
        assert_eq!(context.socket::<Pub>().err(), Some(Error::Terminated));
        // Open sockets keep it.
        assert_eq!(
            context.terminate(Some(Duration::from_millis(5))),
            Err(Error::Again)
        );
        drop((push, pull));
        assert_eq!(context.terminate(Some(LONG)), Ok(()));
        assert_eq!(context.terminate(None), Ok(()));
    });
}

#[test]
fn terminate_waits_for_other_threads() {
    let context = Context::new();
    let mut pull = context.socket::<Pull>().unwrap();
    pull.bind(&unique()).unwrap();
    let worker = thread::spawn(move || pull.recv().err());
    assert_eq!(context.terminate(Some(LONG)), Ok(()));
    assert_eq!(worker.join().unwrap(), Some(Error::Terminated));
}

#[test]
fn a_peer_that_comes_late_gets_what_a_dropped_socket_has_sent() {
    let context = Context::new();
    let name = format!("ipc://@ferromq-late-{}", std::process::id());
    let mut push = open::<Push>(&context);
    push.connect(&name).unwrap();
    push.send("late").unwrap();
    drop(push);
    let mut pull = open::<Pull>(&context);
    await_true(|| pull.bind(&name).is_ok());
    assert_eq!(pull.recv().unwrap(), "late");
}
