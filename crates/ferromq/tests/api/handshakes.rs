// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends of handshakes: both sides hear why.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ferromq::security::{AuthenticatorReply, AuthenticatorRequest, AuthenticatorStatus};
use ferromq::{
    Authenticator, Context, Error, Event, HandshakeEnd, HandshakeError, KeyPair, Pull, Push,
    Socket, SocketBuilder, Sub, Typed,
};

use crate::{LONG, open};

/// Lets those in who have the password.
struct Porter;

impl Authenticator for Porter {
    fn authenticate(&self, request: &AuthenticatorRequest<'_>) -> AuthenticatorReply {
        let [_, password] = &request.credentials.frames[..] else {
            panic!("not PLAIN");
        };
        let good = password.as_slice() == b"good";
        AuthenticatorReply {
            status: match good {
                true => AuthenticatorStatus::Success,
                false => AuthenticatorStatus::AuthenticationFailure,
            },
            text: String::new(),
            user_id: b"somebody".to_vec(),
            metadata: Vec::new(),
        }
    }
}

/// How the first handshake of two sockets has ended for the one that is bound, and for the other one; each time with the
/// same told to a monitor.
fn ends<K: Typed>(mut bound: Socket<Pull>, mut connected: Socket<K>) -> [HandshakeEnd; 2] {
    let (there, here) = (bound.monitor(), connected.monitor());
    let endpoint = bound.bind("tcp://127.0.0.1:*").unwrap();
    connected.connect(&endpoint).unwrap();
    let ends = [
        bound.next_handshake(LONG).unwrap(),
        connected.next_handshake(LONG).unwrap(),
    ];
    for (end, monitor) in ends.iter().zip([there, here]) {
        assert_eq!(end.endpoint, endpoint.to_string());
        let told = loop {
            let event = monitor.next(Some(LONG)).unwrap();
            match event.event {
                Event::HandshakeSucceeded => break None,
                _ if event.failure.is_some() => break event.failure,
                _ => {}
            }
        };
        match &end.outcome {
            Ok(peer) => assert_eq!((&*peer.address, told), ("127.0.0.1", None)),
            Err(failure) => {
                assert_eq!(failure.address, "127.0.0.1");
                assert_eq!(Some(failure), told.as_ref());
            }
        }
    }
    ends
}

fn builder<K: Typed>(context: &Context) -> SocketBuilder<K> {
    context.socket_builder::<K>().linger(Duration::ZERO)
}

/// Why both have failed.
fn failures<K: Typed>(bound: Socket<Pull>, connected: Socket<K>) -> [HandshakeError; 2] {
    ends(bound, connected).map(|end| end.outcome.unwrap_err().error)
}

#[test]
fn who_comes_in_is_known_to_both() {
    let context = Context::new();
    context.set_authenticator(Some(Arc::new(Porter)));
    let pull = builder::<Pull>(&context).plain_server().open().unwrap();
    let push = builder::<Push>(&context).plain_client("me", "good");
    let [client, server] = ends(pull, push.open().unwrap()).map(|end| end.outcome.unwrap());
    assert_eq!(client.user_id.as_deref(), Some(&b"somebody"[..]));
    assert_eq!(server.user_id, None);
    assert_eq!(client.mechanism, server.mechanism);
    context.terminate(Some(LONG)).unwrap();
}

#[test]
fn a_wrong_password() {
    let context = Context::new();
    context.set_authenticator(Some(Arc::new(Porter)));
    let pull = builder::<Pull>(&context).plain_server().open().unwrap();
    let push = builder::<Push>(&context).plain_client("me", "bad");
    let expected = [
        HandshakeError::Refused { status: 400 },
        HandshakeError::RefusedByPeer { status: Some(400) },
    ];
    assert_eq!(failures(pull, push.open().unwrap()), expected);
    context.terminate(Some(LONG)).unwrap();
}

#[test]
fn nobody_to_ask() {
    let context = Context::new();
    let pull = builder::<Pull>(&context).plain_server().open().unwrap();
    let push = builder::<Push>(&context).plain_client("me", "good");
    let [there, _] = failures(pull, push.open().unwrap());
    assert_eq!(there, HandshakeError::NoAuthenticator);
    context.terminate(Some(LONG)).unwrap();
}

#[test]
fn a_wrong_key() {
    let context = Context::new();
    let [own, server, other] = [(); 3].map(|()| KeyPair::generate().unwrap());
    let pull = builder::<Pull>(&context).curve_server(server.secret());
    let push = builder::<Push>(&context).curve_client(&own, other.public());
    let [there, here] = failures(pull.open().unwrap(), push.open().unwrap());
    assert!(matches!(there, HandshakeError::Protocol(_)), "{there:?}");
    assert!(
        matches!(
            here,
            HandshakeError::Closed | HandshakeError::RefusedByPeer { .. }
        ),
        "{here:?}"
    );
    context.terminate(Some(LONG)).unwrap();
}

#[test]
fn types_that_do_not_talk_to_each_other() {
    let context = Context::new();
    let [there, here] = failures(
        builder::<Pull>(&context).open().unwrap(),
        builder::<Sub>(&context).open().unwrap(),
    );
    for error in [there, here] {
        assert_eq!(error, HandshakeError::IncompatibleSocketType);
    }
    context.terminate(Some(LONG)).unwrap();
}

#[test]
fn a_peer_that_says_nothing() {
    let context = Context::new();
    let time = Duration::from_millis(20);
    let pull = builder::<Pull>(&context).handshake_timeout(time);
    let mut pull = pull.open().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let silent = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    let failure = pull.next_handshake(LONG).unwrap().outcome.unwrap_err();
    assert_eq!(failure.error, HandshakeError::TimedOut);
    assert_eq!(failure.address, "127.0.0.1");
    drop((silent, pull));
    context.terminate(Some(LONG)).unwrap();
}

#[test]
fn a_wait_has_its_deadline() {
    let context = Context::new();
    let mut pull = open::<Pull>(&context);
    pull.bind("tcp://127.0.0.1:*").unwrap();
    let end = pull.next_handshake(Duration::from_millis(5));
    assert!(matches!(end, Err(Error::Again)), "{end:?}");
    drop(pull);
    context.terminate(Some(LONG)).unwrap();
}
