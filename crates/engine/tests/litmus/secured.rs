// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both sides of each mechanism, with what is right and with what is wrong.

use ferromq_engine::{Authenticator, Socket};
use ferromq_zmtp::mechanism::curve::SecretKey;
use ferromq_zmtp::zap::{Reply, Request, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Null,
    Plain,
    Curve,
}

pub(crate) const MECHANISMS: [Mechanism; 3] = [Mechanism::Null, Mechanism::Plain, Mechanism::Curve];

impl Mechanism {
    /// Makes this socket the server.
    pub(crate) fn serve(self, socket: &mut Socket) {
        match self {
            Self::Null => {}
            Self::Plain => socket.set_option("PLAIN_SERVER", 1).unwrap(),
            Self::Curve => {
                socket.set_option("CURVE_SERVER", 1).unwrap();
                let secret = server_key();
                socket
                    .set_option("CURVE_SECRETKEY", &secret.reveal()[..])
                    .unwrap();
            }
        }
    }

    /// Makes this socket a client who is let in, or one who is not: nobody refuses who has nothing to show.
    pub(crate) fn ask(self, socket: &mut Socket, rightly: bool) {
        match self {
            Self::Null => {}
            Self::Plain => {
                let password = if rightly { PASSWORD } else { "bad" };
                socket.set_option("PLAIN_USERNAME", "me").unwrap();
                socket.set_option("PLAIN_PASSWORD", password).unwrap();
            }
            Self::Curve => {
                let own = SecretKey::new([1; 32]);
                let server = if rightly {
                    server_key()
                } else {
                    SecretKey::new([3; 32])
                };
                for (option, key) in [
                    ("CURVE_SERVERKEY", server.public()),
                    ("CURVE_PUBLICKEY", own.public()),
                    ("CURVE_SECRETKEY", *own.reveal()),
                ] {
                    socket.set_option(option, &key[..]).unwrap();
                }
            }
        }
    }
}

fn server_key() -> SecretKey {
    SecretKey::new([2; 32])
}

const PASSWORD: &str = "good";

/// Lets everybody in who has a key, or the right password.
pub(crate) struct Porter;

impl Authenticator for Porter {
    fn authenticate(&self, request: &Request<'_>) -> Reply {
        let frames = &request.credentials.frames;
        let refused =
            request.credentials.mechanism == "PLAIN" && frames[1][..] != *PASSWORD.as_bytes();
        Reply {
            status: if refused {
                Status::AuthenticationFailure
            } else {
                Status::Success
            },
            text: String::new(),
            user_id: Vec::new(),
            metadata: Vec::new(),
        }
    }
}
