// SPDX-License-Identifier: MIT OR Apache-2.0
//! The verbs for tasks, on the smallest executor there is.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use ferromq::{Error, Multipart, Pair, Pub, Pull, Push, Rep, Req, Sub};

use crate::{await_topics, each, pair, soon};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let deadline = soon();
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Task::from_waker(&waker)) {
            return done;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "nobody woke the task");
        thread::park_timeout(left);
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn wait(&self) {
        let deadline = soon();
        while self.0.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < deadline, "nobody woke the task");
            thread::yield_now();
        }
    }
}

#[test]
fn a_service_of_tasks() {
    each(|context, endpoint| {
        let (mut rep, mut req) = pair::<Rep, Req>(context, endpoint);
        let service = thread::spawn(move || {
            block_on(async {
                loop {
                    let question = match rep.recv_multipart_async().await {
                        Err(Error::Terminated) => return,
                        other => other.unwrap(),
                    };
                    rep.send_async(question).await.unwrap();
                }
            });
        });
        block_on(async {
            for number in 0..500u32 {
                req.send_async([&number.to_be_bytes()[..], b"?"])
                    .await
                    .unwrap();
                assert_eq!(req.recv_async().await.unwrap(), number.to_be_bytes());
                assert_eq!(req.recv_async().await.unwrap(), b"?");
            }
        });
        context.shutdown();
        service.join().unwrap();
    });
}

#[test]
fn a_stream_of_messages_between_tasks() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let sender = thread::spawn(move || {
            block_on(async {
                for number in 0..20_000u32 {
                    push.send_async(&number.to_be_bytes()).await.unwrap();
                }
            });
        });
        block_on(async {
            for number in 0..20_000u32 {
                assert_eq!(pull.recv_async().await.unwrap(), number.to_be_bytes());
            }
        });
        sender.join().unwrap();
    });
}

#[test]
fn a_task_subscribes() {
    each(|context, endpoint| {
        let (mut publisher, mut sub) = pair::<Pub, Sub>(context, endpoint);
        sub.subscribe("").unwrap();
        await_topics(&mut publisher, 1);
        block_on(publisher.send_async("news")).unwrap();
        assert_eq!(
            block_on(sub.recv_multipart_async()).unwrap(),
            Multipart::from_iter(["news"])
        );
    });
}

#[test]
fn a_dropped_future_has_taken_nothing() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        for number in 0..50u32 {
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            let mut task = Task::from_waker(&waker);
            assert!(pin!(pull.recv_async()).poll(&mut task).is_pending());
            push.send([&number.to_be_bytes()[..], b"end"]).unwrap();
            if number % 2 == 0 {
                count.wait();
            }
            // The one that waited is gone, and the message is there.
            let message = block_on(pull.recv_multipart_async()).unwrap();
            assert_eq!(
                message,
                Multipart::from_iter([&number.to_be_bytes()[..], b"end"])
            );
        }
    });
}

#[test]
fn a_dropped_send_has_sent_nothing() {
    each(|context, endpoint| {
        let mut push = context.socket::<Push>().unwrap();
        let bound = push.bind(endpoint).unwrap();
        let waker = Waker::from(Arc::new(Count::default()));
        let mut task = Task::from_waker(&waker);
        assert!(
            pin!(push.send_async(["lost", "too"]))
                .poll(&mut task)
                .is_pending()
        );
        assert!(push.poll_ready_to_send(&mut task).is_pending());

        let mut pull = context.socket::<Pull>().unwrap();
        pull.connect(&bound).unwrap();
        block_on(push.ready_to_send()).unwrap();
        push.try_send("kept").unwrap();
        assert_eq!(pull.recv_deadline(soon()).unwrap(), "kept");
        assert_eq!(pull.try_recv().err(), Some(Error::Again));
    });
}

#[test]
fn errors_reach_the_task() {
    let context = ferromq::Context::new();
    let mut rep = context.socket::<Rep>().unwrap();
    let refused = block_on(rep.send_async(String::from("unasked"))).unwrap_err();
    assert_eq!(
        (refused.error, refused.message.as_str()),
        (Error::State, "unasked")
    );
    let stopper = thread::spawn(move || context.shutdown());
    assert_eq!(block_on(rep.recv_async()).err(), Some(Error::Terminated));
    stopper.join().unwrap();
    let refused = block_on(rep.send_async("late")).unwrap_err();
    assert_eq!(refused.error, Error::Terminated);
}

#[test]
fn halves_and_shared_sockets_in_tasks() {
    each(|context, endpoint| {
        let (here, there) = pair::<Pair, Pair>(context, endpoint);
        let (mut tx, mut rx) = here.split();
        let there = there.shared();
        let echo = {
            let there = there.clone();
            thread::spawn(move || {
                block_on(async {
                    for _ in 0..1000 {
                        let message = there.recv_multipart_async().await.unwrap();
                        there.send_async(message).await.unwrap();
                    }
                });
            })
        };
        let sender = thread::spawn(move || {
            block_on(async {
                for number in 0..1000u32 {
                    tx.send_async(&number.to_be_bytes()).await.unwrap();
                }
            });
            tx
        });
        block_on(async {
            for number in 0..1000u32 {
                assert_eq!(rx.recv_async().await.unwrap(), number.to_be_bytes());
            }
        });
        echo.join().unwrap();
        let tx = sender.join().unwrap();
        assert!(rx.unsplit(tx).is_ok());
        drop(there);
    });
}
