// SPDX-License-Identifier: MIT OR Apache-2.0
//! PLAIN (RFC 24): user and password, in clear text.
//!
//! ```text
//! client                          server
//! HELLO user password  ─────────►        asks an authenticator
//!                      ◄─────────  WELCOME                    or ERROR
//! INITIATE properties  ─────────►
//!                      ◄─────────  READY properties
//! ```

use std::fmt;

use zeroize::Zeroizing;

use super::{
    Door, Expected, HELLO, INITIATE, Mechanism, READY, Status, WELCOME, expect, properties,
};
use crate::command;
use crate::handshake::Fault;
use crate::metadata::Properties;
use crate::zap::{Credentials, Status as Judgement};

/// The longest user name or password the wire has room for.
pub const MAX_LEN: usize = 255;
/// A name and a password, each behind its length.
const MAX_HELLO: usize = 2 * (1 + MAX_LEN);

/// Who a client says it is.
#[derive(Clone, Default)]
pub struct Login {
    user: Vec<u8>,
    password: Zeroizing<Vec<u8>>,
}

/// A user name or a password is longer than 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Login {
    /// This user with this password.
    pub fn new(user: &[u8], password: &[u8]) -> Result<Self, TooLong> {
        if user.len() > MAX_LEN || password.len() > MAX_LEN {
            return Err(TooLong);
        }
        Ok(Self {
            user: user.to_vec(),
            password: Zeroizing::new(password.to_vec()),
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// The side that logs in.
#[derive(Debug)]
pub struct Client {
    state: ClientState,
    login: Login,
    metadata: Vec<u8>,
    properties: Properties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientState {
    SayHello,
    AwaitWelcome,
    SayInitiate,
    AwaitReady,
    Ready,
    Failed,
}

impl Client {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(login: Login, metadata: Vec<u8>) -> Self {
        Self {
            state: ClientState::SayHello,
            login,
            metadata,
            properties: Properties::new(),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<ClientState, Fault> {
        match self.state {
            ClientState::AwaitWelcome => {
                // contract 3.7: "WELCOME [07 WELCOME] (exactly 8 bytes)"
                if !expect(body, WELCOME)?.is_empty() {
                    return Err(Fault::MalformedWelcome);
                }
                Ok(ClientState::SayInitiate)
            }
            ClientState::AwaitReady => {
                self.properties = properties(expect(body, READY)?)?;
                Ok(ClientState::Ready)
            }
            _ => Err(Fault::UnexpectedCommand),
        }
    }
}

impl Mechanism for Client {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        let outcome = self.take(body);
        self.state = *outcome.as_ref().unwrap_or(&ClientState::Failed);
        outcome.map(|_state| ())
    }

    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        match self.state {
            ClientState::SayHello => {
                let Login { user, password } = &self.login;
                command::append(
                    HELLO,
                    &[&[len(user)], user, &[len(password)], password],
                    out,
                );
                self.login = Login::default();
                self.state = ClientState::AwaitWelcome;
                true
            }
            ClientState::SayInitiate => {
                command::append(INITIATE, &[&self.metadata], out);
                self.state = ClientState::AwaitReady;
                true
            }
            _ => false,
        }
    }

    fn status(&self) -> Status {
        match self.state {
            ClientState::Ready => Status::Ready,
            ClientState::Failed => Status::Failed,
            _ => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        self.state == ClientState::Ready
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        match self.state {
            ClientState::AwaitReady => Expected::up_to(max_metadata, Fault::HandshakeTooLarge),
            _ => Expected::up_to(0, Fault::MalformedWelcome),
        }
    }

    fn take_properties(&mut self) -> Properties {
        std::mem::take(&mut self.properties)
    }
}

/// The side that asks an authenticator.
#[derive(Debug)]
pub struct Server {
    state: ServerState,
    door: Door,
    credentials: Option<Credentials>,
    metadata: Vec<u8>,
    properties: Properties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerState {
    AwaitHello,
    SayWelcome,
    AwaitInitiate,
    SayReady,
    Ready,
    Failed,
}

impl Server {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(metadata: Vec<u8>) -> Self {
        Self {
            state: ServerState::AwaitHello,
            door: Door::Shut,
            credentials: None,
            metadata,
            properties: Properties::new(),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<ServerState, Fault> {
        match self.state {
            ServerState::AwaitHello => {
                let (user, password) =
                    split_hello(expect(body, HELLO)?).ok_or(Fault::MalformedHello)?;
                let shown = [user, password].map(|text| Zeroizing::new(text.to_vec()));
                self.credentials = Some(Credentials::new("PLAIN", shown.into()));
                Ok(ServerState::SayWelcome)
            }
            ServerState::AwaitInitiate => {
                self.properties = properties(expect(body, INITIATE)?)?;
                Ok(ServerState::SayReady)
            }
            _ => Err(Fault::UnexpectedCommand),
        }
    }
}

impl Mechanism for Server {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        let outcome = self.take(body);
        self.state = *outcome.as_ref().unwrap_or(&ServerState::Failed);
        outcome.map(|_state| ())
    }

    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        match self.state {
            ServerState::SayWelcome if self.door == Door::Open => {
                command::append(WELCOME, &[], out);
                self.state = ServerState::AwaitInitiate;
                true
            }
            ServerState::SayWelcome => self.door.refuse(out),
            ServerState::SayReady if self.door != Door::Open => self.door.refuse(out),
            ServerState::SayReady => {
                command::ready(&self.metadata, out);
                self.state = ServerState::Ready;
                true
            }
            _ => false,
        }
    }

    fn status(&self) -> Status {
        match self.state {
            ServerState::Failed => Status::Failed,
            _ if self.door.is_refused() => Status::Failed,
            ServerState::Ready => Status::Ready,
            _ => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        matches!(self.state, ServerState::SayReady | ServerState::Ready)
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        match self.state {
            ServerState::AwaitHello => Expected::up_to(MAX_HELLO, Fault::MalformedHello),
            _ => Expected::up_to(max_metadata, Fault::HandshakeTooLarge),
        }
    }

    fn take_properties(&mut self) -> Properties {
        std::mem::take(&mut self.properties)
    }

    fn take_credentials(&mut self) -> Option<Credentials> {
        self.credentials.take()
    }

    fn judged(&mut self, judgement: Judgement) {
        self.door.judged(judgement);
    }
}

/// User and password, and nothing behind them.
fn split_hello(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (user_len, rest) = data.split_first()?;
    let (user, rest) = rest.split_at_checked(usize::from(*user_len))?;
    let (password_len, password) = rest.split_first()?;
    (password.len() == usize::from(*password_len)).then_some((user, password))
}

fn len(text: &[u8]) -> u8 {
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(from: &mut dyn Mechanism) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(from.next_command(&mut out), "{from:?}");
        out.split_off(2)
    }

    fn client() -> Client {
        Client::new(
            Login::new(b"admin", b"secret").unwrap(),
            b"\x01a\0\0\0\x01c".to_vec(),
        )
    }

    #[test]
    fn the_whole_conversation() {
        let mut client = client();
        let mut server = Server::new(b"\x01a\0\0\0\x01s".to_vec());
        let hello = say(&mut client);
        assert_eq!(hello, b"\x05HELLO\x05admin\x06secret");
        assert_eq!(server.process_command(&hello), Ok(()));
        assert!(!server.next_command(&mut Vec::new()), "nobody has judged");
        let credentials = server.take_credentials().unwrap();
        assert_eq!(credentials.frames[0].as_slice(), b"admin");
        assert_eq!(credentials.frames[1].as_slice(), b"secret");
        assert!(!format!("{credentials:?} {client:?}").contains("secret"));
        server.judged(Judgement::Success);
        let welcome = say(&mut server);
        assert_eq!(welcome, b"\x07WELCOME");
        assert_eq!(client.process_command(&welcome), Ok(()));
        let initiate = say(&mut client);
        assert_eq!(initiate, b"\x08INITIATE\x01a\0\0\0\x01c");
        assert_eq!(server.process_command(&initiate), Ok(()));
        assert!(server.peer_is_ready());
        assert_eq!(client.process_command(&say(&mut server)), Ok(()));
        assert_eq!(
            (client.status(), server.status()),
            (Status::Ready, Status::Ready)
        );
        assert_eq!(client.take_properties(), [("a".to_owned(), b"s".to_vec())]);
        assert_eq!(server.take_properties(), [("a".to_owned(), b"c".to_vec())]);
    }

    #[test]
    fn a_refused_client_hears_why() {
        let mut client = client();
        let mut server = Server::new(Vec::new());
        server.process_command(&say(&mut client)).unwrap();
        server.judged(Judgement::AuthenticationFailure);
        let fault = Fault::PeerError { status: Some(400) };
        assert_eq!(client.process_command(&say(&mut server)), Err(fault));
        assert_eq!(
            (client.status(), server.status()),
            (Status::Failed, Status::Failed)
        );
        assert!(!server.next_command(&mut Vec::new()));
    }

    #[test]
    fn what_a_server_does_not_take() {
        let cases: &[(&[u8], Fault)] = &[
            (b"\x05HELLO", Fault::MalformedHello),
            (b"\x05HELLO\x00", Fault::MalformedHello),
            (b"\x05HELLO\x05admi", Fault::MalformedHello),
            (b"\x05HELLO\x05admin", Fault::MalformedHello),
            (b"\x05HELLO\x05admin\x07secret", Fault::MalformedHello),
            (b"\x05HELLO\x05admin\x05secret", Fault::MalformedHello),
            (b"\x05HELLO\xff\xff", Fault::MalformedHello),
            (b"\x05hello\x00\x00", Fault::UnexpectedCommand),
            (b"\x08INITIATE", Fault::UnexpectedCommand),
            (b"\x05READY", Fault::UnexpectedCommand),
            (b"\x05ERROR\x03400", Fault::PeerError { status: Some(400) }),
            (b"", Fault::MalformedCommand),
        ];
        for (body, fault) in cases {
            let mut server = Server::new(Vec::new());
            assert_eq!(server.process_command(body), Err(*fault), "{body:?}");
            assert_eq!(server.status(), Status::Failed);
            assert_eq!(server.take_credentials(), None);
            assert!(!server.next_command(&mut Vec::new()));
            let again = server.process_command(b"\x05HELLO\0\0");
            assert_eq!(again, Err(Fault::UnexpectedCommand));
        }
        let mut server = Server::new(Vec::new());
        server.process_command(b"\x05HELLO\0\0").unwrap();
        // INITIATE before WELCOME: the authenticator is not to be overtaken.
        let early = server.process_command(b"\x08INITIATE");
        assert_eq!(early, Err(Fault::UnexpectedCommand));
    }

    #[test]
    fn what_a_client_does_not_take() {
        let cases: &[(&[u8], Fault)] = &[
            (b"\x07WELCOMEx", Fault::MalformedWelcome),
            (b"\x05READY", Fault::UnexpectedCommand),
            (b"\x05HELLO\0\0", Fault::UnexpectedCommand),
            (b"\x05ERROR", Fault::MalformedError),
            (b"\x05ERROR\x03300", Fault::PeerError { status: Some(300) }),
        ];
        for (body, fault) in cases {
            let mut client = client();
            say(&mut client);
            assert_eq!(client.process_command(body), Err(*fault), "{body:?}");
            assert_eq!(client.status(), Status::Failed);
        }
        let early = client().process_command(b"\x07WELCOME");
        assert_eq!(early, Err(Fault::UnexpectedCommand));
    }

    #[test]
    fn names_of_255_bytes_fit_and_longer_ones_do_not() {
        let long = [b'x'; 255];
        let mut client = Client::new(Login::new(&long, &long).unwrap(), Vec::new());
        let mut out = Vec::new();
        client.next_command(&mut out);
        let mut server = Server::new(Vec::new());
        assert_eq!(server.process_command(&out[9..]), Ok(()));
        assert_eq!(Login::new(&[0; 256], b"").unwrap_err(), TooLong);
        assert_eq!(Login::new(b"", &[0; 256]).unwrap_err(), TooLong);
    }
}
