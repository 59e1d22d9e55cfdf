// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proxies.

use std::thread;

use ferromq::{
    Error, Multipart, Pair, Pub, Pull, Push, Rep, Req, Socket, Sub, proxy, proxy_steerable,
};

use crate::{await_topics, each, open, pair, unique};

#[test]
fn streamer_with_capture() {
    each(|context, endpoint| {
        let (mut frontend, mut source) = pair::<Pull, Push>(context, endpoint);
        let (mut backend, mut target) = pair::<Push, Pull>(context, &unique());
        let (mut capture, mut seen) = pair::<Push, Pull>(context, &unique());
        let running = thread::spawn(move || proxy(&mut frontend, &mut backend, Some(&mut capture)));
        let expect = |target: &mut Socket<Pull>, number: u32| {
            let expected = Multipart::from_iter([&number.to_be_bytes()[..], b"body"]);
            assert_eq!(target.recv_multipart().unwrap(), expected);
        };
        for number in 0..2500u32 {
            if number < 2000 {
                source.send([&number.to_be_bytes()[..], b"body"]).unwrap();
            }
            if number >= 500 {
                expect(&mut target, number - 500);
                expect(&mut seen, number - 500);
            }
        }
        context.shutdown();
        assert_eq!(running.join().unwrap(), Err(Error::Terminated));
    });
}

#[test]
fn forwarder_of_publications() {
    each(|context, endpoint| {
        let (mut frontend, mut publisher) = pair::<Sub, Pub>(context, endpoint);
        frontend.subscribe("").unwrap();
        await_topics(&mut publisher, 1);
        let (mut backend, mut sub) = pair::<Pub, Sub>(context, &unique());
        sub.subscribe("a").unwrap();
        await_topics(&mut backend, 1);
        let running = thread::spawn(move || proxy(&mut frontend, &mut backend, None));
        publisher.send("b").unwrap();
        publisher.send(["a", "1"]).unwrap();
        assert_eq!(sub.recv_multipart().unwrap().len(), 2);
        context.shutdown();
        assert_eq!(running.join().unwrap(), Err(Error::Terminated));
    });
}

#[test]
fn item_56_both_directions_and_steered() {
    each(|context, endpoint| {
        let (mut frontend, mut client) = pair::<Pair, Pair>(context, endpoint);
        let (mut backend, mut server) = pair::<Pair, Pair>(context, &unique());
        let (mut control, mut steer) = pair::<Rep, Req>(context, &unique());
        let running = thread::spawn(move || {
            proxy_steerable(&mut frontend, &mut backend, None, Some(&mut control))
        });
        let mut tell = |command: &str| {
            steer.send(command).unwrap();
            assert_eq!(steer.recv().unwrap(), "");
        };
        client.send("ping").unwrap();
        assert_eq!(server.recv().unwrap(), "ping");
        server.send("pong").unwrap();
        assert_eq!(client.recv().unwrap(), "pong");
        tell("PAUSE");
        client.send("kept").unwrap();
        assert_eq!(server.try_recv().err(), Some(Error::Again));
        tell("nonsense");
        assert_eq!(server.try_recv().err(), Some(Error::Again));
        tell("RESUME");
        assert_eq!(server.recv().unwrap(), "kept");
        tell("TERMINATE");
        assert_eq!(running.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_proxy_of_sockets_without_a_type() {
    each(|context, endpoint| {
        let (frontend, mut source) = pair::<Pull, Push>(context, endpoint);
        let mut backend = open::<Push>(context).into_any();
        let bound = backend.bind(&unique()).unwrap();
        let mut target = open::<Pull>(context);
        target.connect(&bound).unwrap();
        let mut frontend = frontend.into_any();
        let running = thread::spawn(move || proxy(&mut frontend, &mut backend, None));
        source.send("x").unwrap();
        assert_eq!(target.recv().unwrap(), "x");
        context.shutdown();
        running.join().unwrap().unwrap_err();
    });
}
