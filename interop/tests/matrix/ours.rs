// SPDX-License-Identifier: MIT OR Apache-2.0
//! ferromq as an implementation. Its sides are sockets in this process.

use std::time::{Duration, Instant};

use ferromq::{AnySocket, Context, Error, Message, Monitor, SocketType};
use ferromq_interop::script::{Part, Seen};
use ferromq_interop::side::{Event, Implementation, Side, Transport};
use ferromq_interop::{Failure, Outcome};

/// ferromq; who moves the bytes says the environment variable `FERROMQ_POLICY`.
#[derive(Debug)]
pub(crate) struct Ferromq;

impl Implementation for Ferromq {
    fn name(&self) -> String {
        "ferromq".to_owned()
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Ok(Box::new(OurSide {
            shared: None,
            open: None,
        }))
    }
}

/// ferromq, all of it in one context.
#[derive(Debug)]
pub(crate) struct InProcess(pub(crate) Context);

impl Implementation for InProcess {
    fn name(&self) -> String {
        "ferromq".to_owned()
    }

    fn transports(&self) -> &'static [Transport] {
        &[Transport::Inproc]
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Ok(Box::new(OurSide {
            shared: Some(self.0.clone()),
            open: None,
        }))
    }
}

#[derive(Debug)]
struct OurSide {
    shared: Option<Context>,
    open: Option<Open>,
}

/// A socket; if in a context of its own, everything of it is gone when the context is.
#[derive(Debug)]
struct Open {
    socket: AnySocket,
    monitor: Monitor,
    context: Context,
}

impl OurSide {
    fn socket(&mut self) -> Outcome<&mut AnySocket> {
        Ok(&mut self.open()?.socket)
    }

    fn open(&mut self) -> Outcome<&mut Open> {
        self.open.as_mut().ok_or_else(|| Failure::new("not open"))
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
        });
        Ok(())
    }

    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        self.socket()?.bind(endpoint).map_err(failure)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        self.socket()?.connect(endpoint).map_err(failure)
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.socket()?.subscribe(topic).map_err(failure)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.socket()?.unsubscribe(topic).map_err(failure)
    }

    /// Patterns go as messages of our own, which travel by reference; other bytes are copied.
    fn send(&mut self, parts: &[Part], patience: Duration) -> Outcome<bool> {
        let deadline = Instant::now() + patience;
        let socket = self.socket()?;
        let sent = if let [Part::Bytes(bytes)] = parts {
            socket
                .send_deadline(&**bytes, deadline)
                .map_err(Error::from)
        } else {
            let parts: Vec<Message> = parts
                .iter()
                .map(|part| Message::from(part.bytes()))
                .collect();
            socket.send_deadline(parts, deadline).map_err(Error::from)
        };
        in_time(sent).map(|sent| sent.is_some())
    }

    fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<Seen>>> {
        let received = self
            .socket()?
            .recv_multipart_deadline(Instant::now() + patience);
        let parts = in_time(received)?;
        Ok(parts.map(|parts| parts.iter().map(|part| Seen::of(part)).collect()))
    }

    fn event(&mut self, event: Event, patience: Duration) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        let monitor = &self.open()?.monitor;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let next = monitor
                .next(Some(left))
                .ok_or_else(|| Failure::new(format!("{event:?} did not come in time")))?;
            match (next.event, event) {
                (ferromq::Event::Disconnected { .. }, Event::Disconnected)
                | (ferromq::Event::HandshakeSucceeded, Event::HandshakeSucceeded) => return Ok(()),
                _ => {}
            }
        }
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
