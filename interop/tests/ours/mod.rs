// SPDX-License-Identifier: MIT OR Apache-2.0
//! ferromq as an implementation. Its sides are sockets in this process.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferromq::security::{
    Authenticator, AuthenticatorReply, AuthenticatorRequest, AuthenticatorStatus,
};
use ferromq::{AnySocket, Context, Error, Message, Monitor, SocketType};
use ferromq_interop::script::{Part, Seen};
use ferromq_interop::side::{
    CLIENT_KEY, CLIENT_SECRET, Event, Implementation, Means, PASSWORD, Role, SERVER_KEY,
    SERVER_SECRET, SERVICE, Side, USER,
};
use ferromq_interop::{Failure, Outcome};

/// ferromq; who moves the bytes says the environment variable `FERROMQ_POLICY`.
#[derive(Debug)]
pub(crate) struct Ferromq;

impl Implementation for Ferromq {
    fn name(&self) -> String {
        "ferromq".to_owned()
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Ok(Box::new(OurSide::within(None)))
    }
}

#[derive(Debug)]
pub(crate) struct OurSide {
    shared: Option<Context>,
    open: Option<Open>,
}

/// A socket; if in a context of its own, everything of it is gone when the context is.
#[derive(Debug)]
struct Open {
    socket: AnySocket,
    monitor: Monitor,
    context: Context,
    porter: Option<Arc<Porter>>,
    /// Whom messages of SERVER and PEER are for: who sent the last one.
    number: Option<std::num::NonZeroU32>,
    user: Option<Vec<u8>>,
}

/// Lets in who shows the right things.
#[derive(Debug, Default)]
struct Porter {
    shown: Mutex<Vec<Vec<u8>>>,
}

impl Authenticator for Porter {
    fn authenticate(&self, request: &AuthenticatorRequest<'_>) -> AuthenticatorReply {
        let mut frames = request.frames();
        frames.remove(0);
        *self.shown.lock().expect("nobody panics here") = frames;
        AuthenticatorReply {
            status: AuthenticatorStatus::Success,
            text: "OK".to_owned(),
            user_id: b"ours".to_vec(),
            metadata: Vec::new(),
        }
    }
}

impl OurSide {
    /// A side in this context, or else in one of its own.
    pub(crate) fn within(shared: Option<Context>) -> Self {
        Self { shared, open: None }
    }

    fn open(&mut self) -> Outcome<&mut Open> {
        self.open.as_mut().ok_or_else(|| Failure::new("not open"))
    }

    fn set<V: Into<ferromq::Value>>(&mut self, name: &str, value: V) -> Outcome<()> {
        let socket = &mut self.open()?.socket;
        let set = socket.set_option(name, value);
        set.map_err(|error| failure(error).within(name))
    }
}

impl Side for OurSide {
    fn open(&mut self, kind: &str) -> Outcome<()> {
        self.vanish()?;
        let kind = SocketType::from_name(kind).ok_or_else(|| Failure::new(kind))?;
        let context = self.shared.clone().unwrap_or_default();
        let builder = context
            .any_socket_builder(kind)
            .linger(Duration::ZERO)
            .reconnect_interval(Duration::from_millis(10));
        let socket = builder.open().map_err(failure)?;
        let monitor = socket.monitor();
        self.open = Some(Open {
            socket,
            monitor,
            context,
            porter: None,
            number: None,
            user: None,
        });
        Ok(())
    }

    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        self.open()?.socket.bind(endpoint).map_err(failure)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        let open = self.open()?;
        if open.socket.socket_type() == SocketType::Peer {
            let number = open.socket.connect_peer(endpoint).map_err(failure)?;
            open.number = std::num::NonZeroU32::new(number);
            return Ok(());
        }
        open.socket.connect(endpoint).map_err(failure)
    }

    fn name(&mut self, name: &str) -> Outcome<()> {
        self.set("ROUTING_ID", name)
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.open()?.socket.subscribe(topic).map_err(failure)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.open()?.socket.unsubscribe(topic).map_err(failure)
    }

    fn send(&mut self, parts: &[Part], patience: Duration) -> Outcome<bool> {
        let deadline = Instant::now() + patience;
        let open = self.open()?;
        let mut messages: Vec<Message> = parts
            .iter()
            .map(|part| Message::from(part.bytes()))
            .collect();
        match open.socket.socket_type() {
            SocketType::Radio => {
                let group = messages.remove(0);
                messages[0].set_group(&group).expect("a short name");
            }
            SocketType::Server | SocketType::Peer => messages[0].set_routing_id(open.number),
            _ => {}
        }
        let sent = open.socket.send_deadline(messages, deadline);
        in_time(sent.map_err(Error::from)).map(|sent| sent.is_some())
    }

    fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<Seen>>> {
        let open = self.open()?;
        let received = open
            .socket
            .recv_multipart_deadline(Instant::now() + patience);
        let Some(parts) = in_time(received)? else {
            return Ok(None);
        };
        let first = parts.get(0).expect("a message has a part");
        open.number = first.routing_id();
        let metadata = first.metadata();
        open.user = metadata
            .and_then(|metadata| metadata.get("User-Id"))
            .map(<[u8]>::to_vec);
        let mut seen: Vec<Seen> = parts.iter().map(|part| Seen::of(part)).collect();
        if open.socket.socket_type() == SocketType::Dish {
            seen.insert(0, Seen::of(first.group()));
        }
        Ok(Some(seen))
    }

    fn event(&mut self, event: Event, patience: Duration) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        let monitor = &self.open()?.monitor;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let next = monitor
                .next(Some(left))
                .ok_or_else(|| Failure::new(format!("{event:?} did not come, but {seen:?}")))?;
            match (next.event, event) {
                (ferromq::Event::Disconnected { .. }, Event::Disconnected)
                | (ferromq::Event::HandshakeSucceeded, Event::HandshakeSucceeded) => return Ok(()),
                _ => seen.push((next.event, next.failure)),
            }
        }
    }

    fn secure(&mut self, role: Role, means: Means) -> Outcome<()> {
        let server = role == Role::Server;
        if server {
            let porter = Arc::new(Porter::default());
            let open = self.open()?;
            let asked: Arc<dyn Authenticator> = Arc::<Porter>::clone(&porter);
            open.context.set_authenticator(Some(asked));
            open.porter = Some(porter);
            self.set("ZAP_DOMAIN", "here")?;
        }
        match (means, role) {
            (Means::Null, _) => {}
            (Means::Plain, Role::Server) => self.set("PLAIN_SERVER", 1)?,
            (Means::Plain, Role::Client) => {
                self.set("PLAIN_USERNAME", USER)?;
                self.set("PLAIN_PASSWORD", PASSWORD)?;
            }
            (Means::Curve, Role::Server) => {
                self.set("CURVE_SERVER", 1)?;
                self.set("CURVE_SECRETKEY", SERVER_SECRET)?;
            }
            (Means::Curve, Role::Client) => {
                self.set("CURVE_SERVERKEY", SERVER_KEY)?;
                self.set("CURVE_PUBLICKEY", CLIENT_KEY)?;
                self.set("CURVE_SECRETKEY", CLIENT_SECRET)?;
            }
            (_, Role::Server) => {
                self.set("GSSAPI_SERVER", 1)?;
                self.set("GSSAPI_PRINCIPAL", SERVICE)?;
            }
            (_, Role::Client) => {
                self.set("GSSAPI_PRINCIPAL", "alice")?;
                self.set("GSSAPI_PRINCIPAL_NAMETYPE", 1)?;
                self.set("GSSAPI_SERVICE_PRINCIPAL", SERVICE)?;
            }
        }
        if means == Means::GssapiPlaintext {
            self.set("GSSAPI_PLAINTEXT", 1)?;
        }
        Ok(())
    }

    fn beat(&mut self) -> Outcome<()> {
        self.set("HEARTBEAT_IVL", 10)?;
        self.set("HEARTBEAT_TTL", 5_000)?;
        self.set("HEARTBEAT_TIMEOUT", 10_000)
    }

    fn join(&mut self, group: &str) -> Outcome<()> {
        self.open()?.socket.join(group).map_err(failure)
    }

    fn user(&mut self) -> Outcome<Option<Vec<u8>>> {
        Ok(self.open()?.user.clone())
    }

    fn shown(&mut self) -> Outcome<Option<Vec<Vec<u8>>>> {
        let porter = self.open()?.porter.as_ref();
        let shown = porter.map(|porter| porter.shown.lock().expect("nobody panics").clone());
        Ok(shown)
    }

    fn vanish(&mut self) -> Outcome<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        drop(open.socket);
        if self.shared.is_some() {
            return Ok(());
        }
        open.context.terminate(Some(PATIENCE)).map_err(failure)
    }
}

impl Drop for OurSide {
    fn drop(&mut self) {
        drop(self.vanish());
    }
}

fn in_time<T>(result: Result<T, Error>) -> Outcome<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Again) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: Error) -> Failure {
    Failure::new(format!("ferromq: {error}"))
}

/// How long a context without messages may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
