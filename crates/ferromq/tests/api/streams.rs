// SPDX-License-Identifier: MIT OR Apache-2.0
//! Feature `stream`.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use ferromq::{Error, Multipart, Pull, Push};
use futures_core::Stream;
use futures_sink::Sink;

use crate::tasks::block_on;
use crate::{each, pair};

#[test]
fn a_sink_into_a_stream() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let mut next = 0u32;
        block_on(poll_fn(|task| {
            while next < 100 {
                let mut sink = Pin::new(&mut push);
                if Sink::<Multipart>::poll_ready(sink.as_mut(), task)?.is_pending() {
                    return Poll::Pending;
                }
                sink.start_send(Multipart::from_iter([&next.to_be_bytes()[..], b"x"]))?;
                next += 1;
            }
            Sink::<Multipart>::poll_flush(Pin::new(&mut push), task)
        }))
        .unwrap();
        for number in 0..100u32 {
            let message = block_on(poll_fn(|task| Pin::new(&mut pull).poll_next(task)));
            let message = message.unwrap().unwrap();
            assert_eq!(
                message,
                Multipart::from_iter([&number.to_be_bytes()[..], b"x"])
            );
        }
        context.shutdown();
        assert!(block_on(poll_fn(|task| Pin::new(&mut pull).poll_next(task))).is_none());
        let closed = block_on(poll_fn(|task| {
            Sink::<&str>::poll_ready(Pin::new(&mut push), task)
        }));
        assert_eq!(closed, Err(Error::Terminated));
    });
}
