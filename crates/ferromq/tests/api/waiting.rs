// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deadlines, time-outs, and waiting for many.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ferromq::{Context, Error, Interest, Pair, PollItem, Pull, Push, Readiness, poll};

use crate::{LONG, each, pair, soon, unique};

const SHORT: Duration = Duration::from_millis(30);

/// Something that fails with `Again` when its time is over, and not sooner.
fn takes_short<T: std::fmt::Debug>(call: impl FnOnce() -> Result<T, Error>) {
    let start = Instant::now();
    assert_eq!(call().unwrap_err(), Error::Again);
    let taken = start.elapsed();
    assert!(taken >= SHORT, "{taken:?}");
}

#[test]
fn receives_that_wait_in_vain() {
    each(|context, endpoint| {
        let (mut pull, _push) = pair::<Pull, Push>(context, endpoint);
        assert_eq!(pull.try_recv().err(), Some(Error::Again));
        assert_eq!(pull.try_recv_multipart().err(), Some(Error::Again));
        assert_eq!(pull.try_recv_into(&mut [0; 8]).err(), Some(Error::Again));
        takes_short(|| pull.recv_deadline(Instant::now() + SHORT));
        takes_short(|| pull.recv_multipart_deadline(Instant::now() + SHORT));
        pull.set_receive_timeout(Some(SHORT)).unwrap();
        takes_short(|| pull.recv());
        takes_short(|| pull.recv_multipart());
        takes_short(|| pull.recv_into(&mut [0; 8]));
        pull.set_receive_timeout(Some(Duration::ZERO)).unwrap();
        assert_eq!(pull.recv().err(), Some(Error::Again));
    });
}

#[test]
fn sends_that_wait_in_vain() {
    let context = Context::new();
    let mut push = context.socket::<Push>().unwrap();
    push.bind(&unique()).unwrap();
    assert_eq!(push.try_send("x").unwrap_err().error, Error::Again);
    takes_short(|| Ok(push.send_deadline("x", Instant::now() + SHORT)?));
    push.set_send_timeout(Some(SHORT)).unwrap();
    takes_short(|| Ok(push.send("x")?));
    takes_short(|| Ok(push.send(["x", "y"])?));
}

#[test]
fn full_queues() {
    each(|context, endpoint| {
        let mut pull = context
            .socket_builder::<Pull>()
            .receive_high_water_mark(3)
            .open()
            .unwrap();
        let bound = pull.bind(endpoint).unwrap();
        let mut push = context
            .socket_builder::<Push>()
            .send_high_water_mark(3)
            .send_timeout(Some(LONG))
            .open()
            .unwrap();
        push.connect(&bound).unwrap();
        // Large, so that the kernel's buffers do not take for ever to fill.
        let body = vec![1; 100_000];
        let mut sent = 0u32;
        let refused = loop {
            match push.send_deadline([&body[..], b"end"], Instant::now() + SHORT) {
                Ok(()) => sent += 1,
                Err(refused) => break refused,
            }
            assert!(sent < 100_000, "never full");
        };
        assert!(sent >= 3, "{sent}");
        assert_eq!(
            (refused.error, refused.message[0].len()),
            (Error::Again, 100_000)
        );

        // Whole messages only, and room again when they are gone.
        for _ in 0..sent {
            let parts = pull.recv_multipart_deadline(soon()).unwrap();
            assert_eq!((parts.len(), parts.get(0).unwrap().len()), (2, 100_000));
        }
        assert_eq!(pull.try_recv().err(), Some(Error::Again));
        push.send("room").unwrap();
        assert_eq!(pull.recv_deadline(soon()).unwrap(), "room");
    });
}

#[test]
fn polling_sockets_and_descriptors() {
    each(|context, endpoint| {
        let (mut here, mut there) = pair::<Pair, Pair>(context, endpoint);
        let (mut stream, other) = UnixStream::pair().unwrap();
        // There, and not more than that.
        let mut items = [
            PollItem::socket(&mut here, Interest::Input),
            PollItem::fd(other.as_fd(), Interest::Input),
        ];
        let start = Instant::now();
        assert_eq!(poll(&mut items, Some(SHORT)), Ok(0));
        assert!(start.elapsed() >= SHORT);
        assert!(!items[0].is_ready() && !items[1].is_ready());

        stream.write_all(b"x").unwrap();
        assert_eq!(poll(&mut items, Some(LONG)), Ok(1));
        assert!(items[1].is_readable() && !items[0].is_ready());

        there.send("message").unwrap();
        items[1].set_interest(Interest::Output);
        let deadline = soon();
        while !items[0].is_readable() {
            assert!(poll(&mut items, Some(LONG)).unwrap() > 0);
            assert!(items[1].is_writable() && !items[1].is_readable());
            assert!(Instant::now() < deadline);
        }
        assert_eq!(here.try_recv().unwrap(), "message");

        drop(stream);
        let mut items = [
            PollItem::socket(&mut here, Interest::Both),
            PollItem::fd(other.as_fd(), Interest::Both),
        ];
        assert!(poll(&mut items, Some(LONG)).unwrap() > 0);
        assert!(items[1].is_error());
        poll(&mut items[..1], Some(LONG)).unwrap();
        assert!(items[0].is_writable());
    });
}

#[test]
fn polling_wakes_for_a_message_that_comes_later() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let (mut second, mut start) = pair::<Pull, Push>(context, &unique());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..200u32 {
                    second.recv_deadline(soon()).unwrap();
                    push.send(&number.to_be_bytes()).unwrap();
                }
            });
            for number in 0..200u32 {
                start.send("go").unwrap();
                let mut items = [PollItem::socket(&mut pull, Interest::Input)];
                assert_eq!(poll(&mut items, Some(LONG)), Ok(1));
                assert_eq!(pull.try_recv().unwrap(), number.to_be_bytes());
            }
        });
    });
}

#[test]
fn readiness_and_its_descriptor() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let fd = pull.readiness_fd().unwrap().try_clone_to_owned().unwrap();
        let nothing = Readiness {
            readable: false,
            writable: false,
        };
        assert_eq!(pull.readiness().unwrap(), nothing);
        push.send("x").unwrap();
        let deadline = soon();
        while !pull.readiness().unwrap().readable {
            let mut items = [PollItem::fd(fd.as_fd(), Interest::Input)];
            assert_eq!(
                poll(&mut items, Some(LONG)),
                Ok(1),
                "the descriptor shows it"
            );
            assert!(Instant::now() < deadline);
        }
        assert_eq!(pull.try_recv().unwrap(), "x");
        assert_eq!(pull.readiness().unwrap(), nothing);
        assert_eq!(
            push.readiness().unwrap(),
            Readiness {
                readable: false,
                writable: true
            }
        );
    });
}
