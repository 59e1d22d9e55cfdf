// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thousands of connections, made and lost or refused, one after the other: what is left of them is nothing.
//!
//! A few hundred of some kinds are a test; `cargo xtask soak` loses thousands of each, or as many as it is told.

use std::time::{Duration, Instant};

use ferromq_engine::{Context, MonitorEvents, Socket, Wait};
use ferromq_os::memory::{in_use, trim};
use ferromq_vocabulary::SocketType;

use crate::common::{
    PLENTY, POLICIES, after, counts_every_byte, descriptors, send, socket, try_send, turn, until,
    wait_for,
};
use crate::peer::{Listener, Peer, command, greeting, ready};
use crate::secured::{Mechanism, Porter};

/// Which connections are lost.
#[derive(Debug, Clone, Copy)]
struct Kind {
    socket_type: SocketType,
    /// Or else it accepts.
    connects: bool,
    mechanism: Mechanism,
    /// Or else it is lost after the handshake.
    refused: bool,
    /// Whether the application makes calls meanwhile.
    busy: bool,
}

/// What streams lies in blocks of this size and twice this size; of each a context keeps up to four.
const BLOCK: usize = 128 << 10;

const TYPES: [SocketType; 20] = [
    SocketType::Push,
    SocketType::Pull,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Req,
    SocketType::Rep,
    SocketType::Pair,
    SocketType::Xpub,
    SocketType::Xsub,
    SocketType::Server,
    SocketType::Client,
    SocketType::Peer,
    SocketType::Radio,
    SocketType::Dish,
    SocketType::Scatter,
    SocketType::Gather,
    SocketType::Channel,
    SocketType::Stream,
];

const fn counterpart(socket_type: SocketType) -> SocketType {
    match socket_type {
        SocketType::Push => SocketType::Pull,
        SocketType::Pull => SocketType::Push,
        SocketType::Pub => SocketType::Sub,
        SocketType::Sub => SocketType::Pub,
        SocketType::Dealer => SocketType::Router,
        SocketType::Router => SocketType::Dealer,
        SocketType::Req => SocketType::Rep,
        SocketType::Rep => SocketType::Req,
        SocketType::Xpub => SocketType::Xsub,
        SocketType::Xsub => SocketType::Xpub,
        SocketType::Server => SocketType::Client,
        SocketType::Client => SocketType::Server,
        SocketType::Radio => SocketType::Dish,
        SocketType::Dish => SocketType::Radio,
        SocketType::Scatter => SocketType::Gather,
        SocketType::Gather => SocketType::Scatter,
        other => other,
    }
}

/// All there are.
fn kinds() -> impl Iterator<Item = Kind> {
    let cases = [
        (Mechanism::Null, false),
        (Mechanism::Null, true),
        (Mechanism::Plain, false),
        (Mechanism::Plain, true),
        (Mechanism::Curve, false),
        (Mechanism::Curve, true),
    ];
    let sides = [(true, false), (true, true), (false, false), (false, true)];
    TYPES
        .into_iter()
        .flat_map(move |socket_type| {
            cases.into_iter().flat_map(move |(mechanism, refused)| {
                sides.into_iter().map(move |(connects, busy)| Kind {
                    socket_type,
                    connects,
                    mechanism,
                    refused,
                    busy,
                })
            })
        })
        .filter(|kind| {
            kind.socket_type != SocketType::Stream
                || kind.mechanism == Mechanism::Null && !kind.refused
        })
}

impl Kind {
    /// Makes and loses so many connections of this socket, and so many again and again; what is in use afterwards is
    /// what was in use after the first. Says what it was otherwise.
    fn lose(self, context: &Context, first: usize, all: usize) -> Result<(), String> {
        let mut loser = self.loser(context);
        loser.lose(first);
        let before = Account::of(&mut loser);
        loser.lose(all - first);
        let after = Account::of(&mut loser);
        let more = after.bytes.saturating_sub(before.bytes);
        // Tables grow a little; less than a byte for eight connections once there are many.
        let little = (8 << 10) + all / 8;
        let warm = ((more + little) / BLOCK).min(12) * BLOCK;
        let account = format!("{self:?}: {before:?}, {after:?}");
        println!("{account}");
        if after.descriptors <= before.descriptors + 4 && more <= warm + little {
            Ok(())
        } else {
            Err(account)
        }
    }

    fn loser(self, context: &Context) -> Loser {
        let mut near = socket(context, self.socket_type);
        near.set_option("RECONNECT_IVL", 1).unwrap();
        // What waits to be sent is no loss.
        near.set_option("SNDHWM", 10).unwrap();
        match self.socket_type {
            SocketType::Stream => near.set_option("STREAM_NOTIFY", 0).unwrap(),
            _ => listen(&mut near),
        }
        let events = near.monitor();
        let far = if self.connects {
            self.mechanism.ask(&mut near, !self.refused);
            self.connected_to(&mut near, context)
        } else {
            self.mechanism.serve(&mut near);
            let bound = near.bind("tcp://127.0.0.1:*").unwrap().to_owned();
            Far::Comes(bound)
        };
        Loser {
            kind: self,
            context: context.clone(),
            near,
            events,
            far,
        }
    }

    /// Where a socket that connects is let in and dropped, or refused.
    fn connected_to(self, near: &mut Socket, context: &Context) -> Far {
        let far = if self.mechanism == Mechanism::Null {
            Far::Listens(Listener::tcp())
        } else {
            // Nobody else takes the port there.
            let mut server = self.server(context);
            let bound = server.bind("tcp://127.200.0.4:*").unwrap().to_owned();
            Far::Serves(self.refused.then(|| Box::new(server)), bound)
        };
        if !self.refused || self.mechanism == Mechanism::Curve {
            near.connect(&far.endpoint()).unwrap();
        }
        far
    }

    /// Shakes hands and goes; or is refused, for its type.
    fn meet(self, mut peer: Peer) {
        if self.refused {
            peer.try_write(&[greeting().to_vec(), ready("STREAM")].concat());
            peer.until_closed();
        } else {
            if self.socket_type == SocketType::Stream {
                return;
            }
            peer.shake_hands(&counterpart(self.socket_type).to_string());
            if self.is_subscribed_to() {
                let name = if self.socket_type == SocketType::Radio {
                    "JOIN"
                } else {
                    "SUBSCRIBE"
                };
                peer.write(&command(name, TOPIC));
            }
        }
    }

    fn is_subscribed_to(self) -> bool {
        matches!(
            self.socket_type,
            SocketType::Pub | SocketType::Xpub | SocketType::Radio
        )
    }

    fn server(self, context: &Context) -> Socket {
        let mut server = socket(context, counterpart(self.socket_type));
        self.mechanism.serve(&mut server);
        if self.is_subscribed_to() {
            listen(&mut server);
        }
        server
    }
}

/// Subscribes, or joins, if that is what this type does.
fn listen(socket: &mut Socket) {
    match socket.socket_type() {
        SocketType::Sub => socket.subscribe(TOPIC).unwrap(),
        SocketType::Xsub => send(socket, &[b"\x01", TOPIC].concat()),
        SocketType::Dish => socket.join(TOPIC).unwrap(),
        _ => {}
    }
}

/// What is published.
const TOPIC: &[u8] = b"topic";

/// The other side.
enum Far {
    Listens(Listener),
    Serves(
        #[expect(dead_code, reason = "goes on listening")] Option<Box<Socket>>,
        String,
    ),
    Comes(String),
}

impl Far {
    fn endpoint(&self) -> String {
        match self {
            Self::Listens(listener) => listener.endpoint(),
            Self::Serves(_, bound) | Self::Comes(bound) => bound.clone(),
        }
    }
}

/// A socket, and who makes it lose connections.
struct Loser {
    kind: Kind,
    context: Context,
    near: Socket,
    events: MonitorEvents,
    far: Far,
}

impl Loser {
    fn lose(&mut self, count: usize) {
        for _ in 0..count {
            self.lose_one();
            if self.kind.busy {
                // It may have nobody to send to, and nothing to receive.
                try_send(&mut self.near, TOPIC, Wait::No).ok();
                while self.near.recv_frame(Wait::No).is_ok() {}
            }
        }
    }

    /// Between two of them there is no connection, though there may be attempts.
    fn lose_one(&mut self) {
        let kind = self.kind;
        // Who says no, or something wrong, is not asked again by itself.
        let asked_once = kind.connects && kind.refused && kind.mechanism != Mechanism::Curve;
        if asked_once {
            self.near.connect(&self.far.endpoint()).unwrap();
        }
        match &mut self.far {
            Far::Listens(listener) => kind.meet(listener.accept()),
            Far::Serves(..) if kind.refused => {}
            Far::Serves(_, bound) => {
                let mut again = kind.server(&self.context);
                until("the place stays taken", || again.bind(bound).is_ok());
                wait_for(&self.events, "HANDSHAKE_SUCCEEDED");
            }
            Far::Comes(bound) if kind.mechanism == Mechanism::Null => {
                kind.meet(Peer::connect(bound));
            }
            Far::Comes(bound) => {
                let mut client = socket(&self.context, counterpart(kind.socket_type));
                kind.mechanism.ask(&mut client, !kind.refused);
                if kind.is_subscribed_to() {
                    listen(&mut client);
                }
                client.set_option("RECONNECT_IVL", -1).unwrap();
                let events = client.monitor();
                client.connect(bound).unwrap();
                let end = if kind.refused {
                    "DISCONNECTED"
                } else {
                    "HANDSHAKE_SUCCEEDED"
                };
                wait_for(&events, end);
            }
        }
        wait_for(&self.events, "DISCONNECTED");
        if asked_once {
            self.near.disconnect(&self.far.endpoint()).unwrap();
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Account {
    descriptors: usize,
    bytes: usize,
}

impl Account {
    /// When all has been cleaned up that is going to be: for twenty looks in a row, nothing becomes less. Somebody may be
    /// in the middle of an attempt at each.
    fn of(loser: &mut Loser) -> Self {
        let mut least: Option<Self> = None;
        let mut looks = 0;
        let deadline = Instant::now() + Duration::from_millis(PLENTY);
        while looks < 20 && Instant::now() < deadline {
            if loser.kind.busy {
                loser.near.readiness().unwrap();
            }
            std::thread::park_timeout(Duration::from_millis(3));
            // Nobody has looked at these.
            while loser.events.try_next().is_some() {}
            trim();
            let now = Self {
                descriptors: descriptors(),
                bytes: in_use().unwrap_or(0),
            };
            looks += 1;
            if least.is_none_or(|least| now.bytes < least.bytes) {
                least = Some(now);
                looks = 0;
            }
        }
        least.expect("looked at least once")
    }
}

fn each(kinds: impl Iterator<Item = Kind>, first: usize, all: usize) {
    let _turn = turn();
    let mut grown = Vec::new();
    for (index, kind) in kinds.enumerate() {
        let context = Context::new();
        context.set_policy(POLICIES[index % 3]);
        context.set_authenticator(Some(std::sync::Arc::new(Porter)));
        let began = Instant::now();
        grown.extend(kind.lose(&context, first, all).err());
        assert!(context.terminate(Some(after(PLENTY))));
        println!("  {:?}", began.elapsed());
    }
    assert!(grown.is_empty(), "{}", grown.join("\n"));
}

/// Each case once, and each type with some of them; with LOSSES, each case with each type, so many times, but no fewer
/// than it takes until a queue that is bounded is full.
#[test]
fn nothing_is_left_of_lost_connections() {
    if !counts_every_byte("losses::nothing_is_left_of_lost_connections") {
        return;
    }
    match std::env::var("LOSSES") {
        Ok(losses) => {
            let losses = losses.parse::<usize>().unwrap().max(300);
            let only = std::env::var("LOSSES_OF").unwrap_or_default();
            each(
                kinds().filter(|kind| format!("{kind:?}").contains(&only)),
                (losses / 10).max(100),
                losses,
            );
        }
        Err(_) => each(kinds().skip(2).step_by(19), 100, 300),
    }
}
