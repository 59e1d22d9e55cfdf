// SPDX-License-Identifier: MIT OR Apache-2.0
//! Monitors and statistics.

use std::time::Duration;

use ferromq::{Context, Event, Monitor, Pull, Push};

use crate::{LONG, each, open, pair};

fn await_event(monitor: &Monitor, wanted: impl Fn(Event) -> bool) -> ferromq::MonitorEvent {
    loop {
        let event = monitor.next(Some(LONG)).expect("the event never came");
        if wanted(event.event) {
            return event;
        }
    }
}

#[test]
fn the_life_of_a_connection() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let context = Context::new();
        let mut pull = open::<Pull>(&context);
        let mut push = open::<Push>(&context);
        let (there, here) = (pull.monitor(), push.monitor());
        assert!(there.try_next().is_none());
        let bound = pull.bind(endpoint).unwrap();
        let event = await_event(&there, |event| matches!(event, Event::Listening { .. }));
        assert_eq!(event.local, bound);
        push.connect(&bound).unwrap();
        await_event(&here, |event| matches!(event, Event::Connected { .. }));
        await_event(&here, |event| event == Event::HandshakeSucceeded);
        await_event(&there, |event| matches!(event, Event::Accepted { .. }));
        await_event(&there, |event| event == Event::HandshakeSucceeded);

        drop(pull);
        assert_eq!(there.iter().last().unwrap().event, Event::MonitorStopped);
        assert!(there.next(Some(Duration::ZERO)).is_none());
        await_event(&here, |event| matches!(event, Event::Disconnected { .. }));
        await_event(&here, |event| matches!(event, Event::ConnectRetried { .. }));
        assert_eq!(here.lost(), 0);
    }
}

#[test]
fn binding_in_vain_is_reported() {
    let context = Context::new();
    let mut first = open::<Pull>(&context);
    let bound = first.bind("tcp://127.0.0.1:*").unwrap();
    let mut second = open::<Pull>(&context);
    let monitor = second.monitor();
    second.bind(&bound).unwrap_err();
    await_event(&monitor, |event| event == Event::BindFailed { errno: 98 });
}

#[test]
fn a_monitor_in_another_thread() {
    let context = Context::new();
    let mut pull = open::<Pull>(&context);
    let (monitor, own) = (pull.monitor(), pull.monitor());
    let watcher = std::thread::spawn(move || monitor.iter().count());
    pull.bind("tcp://127.0.0.1:*").unwrap();
    await_event(&own, |event| matches!(event, Event::Listening { .. }));
    drop(pull);
    assert!(watcher.join().unwrap() >= 2);
}

#[test]
fn exact_counts() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        for number in 0..1000u32 {
            push.send([&number.to_be_bytes()[..], b"body"]).unwrap();
            pull.recv_multipart().unwrap();
        }
        let sent = push.statistics();
        let received = pull.statistics();
        assert_eq!((sent.len(), received.len()), (1, 1));
        assert_eq!(sent[0].messages_sent, 1000);
        assert_eq!(received[0].messages_received, 1000);
        assert_eq!(sent[0].bytes_sent, received[0].bytes_received);
        assert_eq!(sent[0].messages_dropped, 0);
    });
}
