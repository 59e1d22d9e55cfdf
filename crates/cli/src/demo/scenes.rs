// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is played, and what must come of it.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fmt, process};

use ferromq::Context;

use super::actors::{self, NUMBERS, OFTEN, Part, QUESTIONS, SONGS, TASKS, TOPICS};
use super::stage::{Screen, Stage, Verb};
use crate::Outcome;

/// Over what it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Ipc,
    Inproc,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
        })
    }
}

impl Transport {
    /// Somewhere to bind.
    fn place(self, name: &str) -> String {
        match self {
            Self::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Self::Ipc => {
                format!("ipc://{}", folder().join(name).display())
            }
            Self::Inproc => format!("inproc://{name}"),
        }
    }

    fn stage<'a>(self, screen: &'a mut Screen, title: &str) -> Outcome<Stage<'a>> {
        screen.title(&format!("{self}: {title}"))?;
        Stage::new(screen, self != Self::Inproc)
    }
}

/// Where ipc sockets lie; to be made before and removed afterwards.
pub(super) fn folder() -> PathBuf {
    env::temp_dir().join(format!("ferromq-demo-{}", process::id()))
}

/// A server that connects, and two clients that bind, one after the other.
pub(super) fn echo(transport: Transport, screen: &mut Screen) -> Outcome<()> {
    let title = "an echo service that connects, a client that binds, dies, and comes back";
    let mut stage = transport.stage(screen, title)?;
    let client = stage.enter("client", Part::Client, &[&transport.place("echo"), "1"])?;
    let endpoint = stage.until(client, Verb::Bound)?;
    let server = stage.enter("server", Part::Server, &[&endpoint])?;
    stage.until(client, Verb::Ready)?;
    stage.kill(client)?;
    if transport == Transport::Inproc {
        stage.tell(server, "again")?;
        stage.until(server, Verb::Ready)?;
    }
    let next = (QUESTIONS + 1).to_string();
    let second = stage.enter("next client", Part::Client, &[&endpoint, &next])?;
    stage.until(second, Verb::Ready)?;
    stage.tell(second, "stop")?;
    stage.exit(second)?;
    stage.exit(server)?;

    let all: Vec<_> = (1..=2 * QUESTIONS)
        .map(|number| format!("Hello {number}"))
        .collect();
    same("questions", &stage.said(&[server], Verb::Received), &all)?;
    same(
        "answers",
        &stage.said(&[client, second], Verb::Received),
        &all,
    )?;
    stage.close(2 * all.len());
    Ok(())
}

/// A subscriber on two publishers.
pub(super) fn subscriber(transport: Transport, screen: &mut Screen) -> Outcome<()> {
    let title = "one subscriber on two publishers, with filters";
    let mut stage = transport.stage(screen, title)?;
    let mut publishers = Vec::new();
    let mut endpoints = Vec::new();
    for name in ["A", "B"] {
        let place = transport.place(&format!("publisher-{name}"));
        let role = format!("publisher {name}");
        let publisher = stage.enter(&role, Part::Publisher, &[&place, name])?;
        endpoints.push(stage.until(publisher, Verb::Bound)?);
        publishers.push(publisher);
    }
    let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
    let subscriber = stage.enter("subscriber", Part::Subscriber, &endpoints)?;
    for _ in 0..2 {
        stage.until(subscriber, Verb::Ready)?;
        for publisher in &publishers {
            stage.tell(*publisher, "go")?;
        }
    }
    stage.exit(subscriber)?;
    for publisher in publishers {
        stage.exit(publisher)?;
    }

    let [weather, sport, _news] = TOPICS;
    let mut count = 0;
    for name in ["A", "B"] {
        let first = (1..=NUMBERS)
            .flat_map(|number| [weather, sport].map(|topic| format!("{topic} {name}{number}")));
        let second = (1 + NUMBERS..=2 * NUMBERS).map(|number| format!("{weather} {name}{number}"));
        let expected: Vec<_> = first.chain(second).collect();
        let mut received = stage.said(&[subscriber], Verb::Received);
        received.retain(|text| text.contains(&format!(" {name}")));
        same(&format!("news of {name}"), &received, &expected)?;
        count += expected.len();
    }
    stage.close(count);
    Ok(())
}

/// Two pushers, two pullers.
pub(super) fn pipeline(transport: Transport, screen: &mut Screen) -> Outcome<()> {
    let mut stage = transport.stage(screen, "two pushers share the work out to two pullers")?;
    let mut pullers = Vec::new();
    let mut endpoints = Vec::new();
    for number in ["1", "2"] {
        let place = transport.place(&format!("puller-{number}"));
        let puller = stage.enter(&format!("puller {number}"), Part::Puller, &[&place])?;
        endpoints.push(stage.until(puller, Verb::Bound)?);
        pullers.push(puller);
    }
    let names = ["A", "B"];
    let mut pushers = Vec::new();
    for name in names {
        let arguments = [name, &endpoints[0], &endpoints[1]];
        pushers.push(stage.enter(&format!("pusher {name}"), Part::Pusher, &arguments)?);
    }
    for actor in pullers.iter().chain(&pushers) {
        stage.exit(*actor)?;
    }

    for (at, puller) in pullers.iter().enumerate() {
        for name in names {
            // In turns: the first has those with odd numbers.
            let numbers = (1..=TASKS).skip(at).step_by(pullers.len());
            let expected: Vec<_> = numbers
                .map(|number| format!("task {name}{number}"))
                .collect();
            let mut received = stage.said(&[*puller], Verb::Received);
            received.retain(|text| text.contains(name));
            same(
                &format!("tasks of {name} at puller {}", at + 1),
                &received,
                &expected,
            )?;
        }
    }
    stage.close(names.len() * TASKS);
    Ok(())
}

/// A publisher and two subscribers of a multicast group, where this machine lets its processes hear each other so.
pub(super) fn group(screen: &mut Screen) -> Outcome<()> {
    let endpoint = match group_endpoint() {
        Ok(endpoint) => endpoint,
        Err(why) => {
            screen.title("epgm: one publisher, one multicast group, two subscribers")?;
            return screen.line(&format!("  not played: {why}"));
        }
    };
    screen.title(&format!("epgm: one publisher, two subscribers, {endpoint}"))?;
    let mut stage = Stage::new(screen, true)?;
    let mut listeners = Vec::new();
    for number in ["1", "2"] {
        let name = format!("listener {number}");
        let listener = stage.enter(&name, Part::Listener, &[&endpoint])?;
        stage.until(listener, Verb::Bound)?;
        listeners.push(listener);
    }
    let station = stage.enter("station", Part::Station, &[&endpoint])?;
    for listener in &listeners {
        stage.until(*listener, Verb::Ready)?;
    }
    stage.tell(station, "go")?;
    for listener in &listeners {
        stage.exit(*listener)?;
    }
    stage.tell(station, "stop")?;
    stage.exit(station)?;

    let expected: Vec<_> = (1..=SONGS).map(|number| format!("song {number}")).collect();
    for listener in &listeners {
        same(
            "songs",
            &stage.said(&[*listener], Verb::Received),
            &expected,
        )?;
    }
    stage.close(listeners.len() * SONGS);
    Ok(())
}

/// A group on the loopback interface, at a port that nobody else uses now, over which a message has come.
fn group_endpoint() -> Result<String, String> {
    let port = UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    let endpoint = format!("epgm://127.0.0.1;{GROUP}:{port}");
    let heard = hears_itself(&endpoint).map_err(|error| format!("{endpoint}: {error}"))?;
    if !heard {
        return Err(
            "multicast does not come back over the loopback interface of this machine".to_owned(),
        );
    }
    Ok(endpoint)
}

fn hears_itself(endpoint: &str) -> Result<bool, ferromq::Error> {
    let context = Context::new();
    let mut listener = actors::listening(&context, endpoint)?;
    let mut station = actors::sending(&context, endpoint)?;
    let deadline = Instant::now() + TRIAL;
    while Instant::now() < deadline {
        station.send("anybody?").map_err(|failed| failed.error)?;
        match listener.recv_deadline(Instant::now() + OFTEN) {
            Ok(_) => return Ok(true),
            Err(error) if error.is_again() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// A message of several parts, there and back.
pub(super) fn multipart(transport: Transport, screen: &mut Screen) -> Outcome<()> {
    let mut stage = transport.stage(screen, "a message of four parts, one of them empty")?;
    let shop = stage.enter("shop", Part::Shop, &[&transport.place("shop")])?;
    let endpoint = stage.until(shop, Verb::Bound)?;
    let customer = stage.enter("customer", Part::Customer, &[&endpoint])?;
    stage.exit(customer)?;
    stage.exit(shop)?;
    stage.close(2);
    Ok(())
}

fn same(what: &str, received: &[&str], expected: &[String]) -> Outcome<()> {
    if received == expected {
        return Ok(());
    }
    Err(format!("{what}: {expected:?} expected, {received:?} received").into())
}

/// Of the range that stays within an organisation.
const GROUP: &str = "239.192.1.1";
/// How long a message may take to come back, before this machine counts as one where none does.
const TRIAL: Duration = Duration::from_secs(5);
