// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that never become whole.

use ferromq_engine::{PollItem, Wait, poll};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{STREAMS, after, each, nothing, recv, recv_parts, socket, wait_for};
use crate::peer::{MORE, Peer};

#[test]
fn half_a_message_is_none() {
    each(&STREAMS, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let events = pull.monitor();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut torn = Peer::meet(&bound, "PUSH");
        torn.send(MORE, b"a");
        let mut whole = Peer::meet(&bound, "PUSH");
        whole.send(0, b"first");
        assert_eq!(recv(&mut pull), b"first");
        assert_eq!(pull.recv_frame(Wait::No).err(), Some(Code::Again));
        let mut items = [PollItem::socket(&mut pull, true, false)];
        assert_eq!(poll(&mut items, Some(after(20))), Ok(0));
        for number in 0..100u8 {
            whole.send(MORE, &[number]);
            whole.send(0, &[number]);
            assert_eq!(recv_parts(&mut pull), [[number], [number]]);
        }
        drop(torn);
        wait_for(&events, "DISCONNECTED");
        nothing(&mut pull, 20);
        whole.send(0, b"last");
        assert_eq!(recv(&mut pull), b"last");
        nothing(&mut pull, 5);
    });
}

/// The tail of one connection must not become the head of the next one's first message.
#[test]
fn nothing_of_it_is_glued_to_the_next_connection() {
    each(&["tcp", "ipc"], |context, transport| {
        use crate::peer::Listener;
        let listener = if transport == "tcp" {
            Listener::tcp()
        } else {
            Listener::unix()
        };
        let mut pull = socket(context, SocketType::Pull);
        pull.connect(&listener.endpoint()).unwrap();
        for round in 0..10u8 {
            let mut peer = listener.accept();
            peer.shake_hands("PUSH");
            peer.send(MORE, b"head");
            peer.send(0, &[round]);
            peer.send(MORE, b"torn");
            peer.send(MORE, b"torn again");
            // Half a frame, too.
            peer.write(&[0, 200, 1, 2, 3]);
            if round % 2 == 0 {
                assert_eq!(recv_parts(&mut pull), [b"head".as_slice(), &[round]]);
            }
            drop(peer);
            if round % 2 == 1 {
                assert_eq!(recv_parts(&mut pull), [b"head".as_slice(), &[round]]);
            }
        }
        nothing(&mut pull, 10);
    });
}
