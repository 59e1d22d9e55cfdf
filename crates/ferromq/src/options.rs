// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of sockets: before they are opened, and while they live.

use std::marker::PhantomData;
use std::time::Duration;

use ferromq_engine as engine;
use ferromq_vocabulary::option::{OptionKey, number};
use ferromq_vocabulary::{OptionError, SocketOptions, SocketType, Value};

use crate::context::Context;
use crate::error::Error;
use crate::kind::{Kind, Publishes, Receives, Sends, Subscribes};
use crate::socket::Socket;

/// How long messages that have not been delivered are kept after their socket was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Linger {
    /// Until they are delivered, however long that takes.
    Forever,
    /// So long, in milliseconds. Zero: not at all.
    For(Duration),
}

impl From<Duration> for Linger {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

impl From<Linger> for engine::Linger {
    fn from(linger: Linger) -> Self {
        match linger {
            Linger::Forever => Self::Forever,
            Linger::For(time) => Self::For(time),
        }
    }
}

/// When a connection that was lost, or not had, is given up instead of tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ReconnectStop {
    /// The peer's machine refused it.
    Refused = 1,
    /// The handshake failed.
    HandshakeFailed = 2,
    /// `disconnect` was called.
    Disconnected = 4,
}

/// A [`Socket`] to be, with its options. What it is asked for is judged by
/// [`open`](Self::open).
///
/// Times count in milliseconds unless said otherwise, parts of one are rounded up; high-water
/// marks count messages per peer. "For new endpoints" are options that count for endpoints bound
/// or connected after a change with [`Socket::set_option`].
///
/// ```
/// use std::time::Duration;
/// use ferromq::{Context, Linger, Push};
///
/// let context = Context::new();
/// let push = context
///     .socket_builder::<Push>()
///     .send_high_water_mark(10)
///     .send_timeout(Some(Duration::from_millis(250)))
///     .linger(Duration::ZERO)
///     .open()?;
/// assert_eq!(push.linger(), Linger::For(Duration::ZERO));
/// # Ok::<(), ferromq::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SocketBuilder<K> {
    context: Context,
    socket_type: SocketType,
    values: Vec<(i32, Value)>,
    subscriptions: Vec<Vec<u8>>,
    wrong: Option<Error>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> SocketBuilder<K> {
    pub(crate) const fn new(context: Context, socket_type: SocketType) -> Self {
        Self {
            context,
            socket_type,
            values: Vec::new(),
            subscriptions: Vec::new(),
            wrong: None,
            kind: PhantomData,
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Option`](Error::Option) for the first option that does not take its value; those of
    /// [`Context::socket`].
    pub fn open(self) -> Result<Socket<K>, Error> {
        if let Some(error) = self.wrong {
            return Err(error);
        }
        let (mut socket, share) = self.context.open(self.socket_type)?;
        if socket.options().linger < 0 {
            socket.set_option(number::LINGER, DEFAULT_LINGER)?;
        }
        for (number, value) in self.values {
            set(&mut socket, OptionKey::Number(number), value)?;
        }
        for topic in &self.subscriptions {
            socket.subscribe(topic)?;
        }
        Ok(Socket::of(socket, share))
    }

    /// Any option, by the name or number of `zmq_setsockopt(3)`.
    #[expect(
        single_use_lifetimes,
        reason = "impl Trait in an argument cannot elide them"
    )]
    pub fn option<'a>(mut self, key: impl Into<OptionKey<'a>>, value: impl Into<Value>) -> Self {
        match SocketOptions::find_for(self.socket_type, key) {
            Ok(spec) => self.values.push((spec.number, value.into())),
            Err(reason) => {
                self.wrong.get_or_insert(Error::Option { name: "", reason });
            }
        }
        self
    }

    pub(crate) fn with(mut self, number: i32, value: Result<Value, OptionError>) -> Self {
        match value {
            Ok(value) => self.values.push((number, value)),
            Err(reason) => {
                self.wrong.get_or_insert_with(|| Error::Option {
                    name: name_of(number),
                    reason,
                });
            }
        }
        self
    }
}

/// One method per row of the option table; a test compares the two.
macro_rules! methods {
    ($table:ident $($(#[$doc:meta])* $method:ident($value:ident: $type:ty) = $default:literal
        => $option:ident: $convert:expr;)*) => {
        $(
            $(#[$doc])*
            #[doc = concat!("\n\n`ZMQ_", stringify!($option), "`.")]
            pub fn $method(self, $value: $type) -> Self {
                self.with(number::$option, $convert)
            }
        )*

        #[cfg(test)]
        const $table: &[(&str, i32, &str)] =
            &[$((stringify!($method), number::$option, $default)),*];
    };
}

impl<K: Kind> SocketBuilder<K> {
    methods! { GENERAL
        /// Which I/O threads look after its connections: bit 0 is the first. 0 is any of them. For
        /// new endpoints. Default: 0.
        affinity(mask: u64) = "0" => AFFINITY: Ok(Value::U64(mask));

        /// How many connections may wait to be accepted, for new endpoints. Default: 100.
        backlog(connections: u32) = "100" => BACKLOG: int(connections);

        /// The one interface to use, for new endpoints: `SO_BINDTODEVICE`. Default: empty, any.
        bind_to_device(interface: &str) = "" => BINDTODEVICE: Ok(Value::from(interface));

        /// `SO_BUSY_POLL`, in microseconds, for new endpoints. Default: zero.
        busy_poll(time: Duration) = "0" => BUSY_POLL: count(time.as_micros());

        /// How long an attempt to connect may take; zero leaves it to the system. For new
        /// endpoints. Default: zero.
        connect_timeout(time: Duration) = "0" => CONNECT_TIMEOUT: millis(time);

        /// Whether peers that know each other by GSSAPI send their messages unencrypted, for new
        /// endpoints; both sides must agree. Default: no.
        gssapi_plaintext(plaintext: bool) = "0" => GSSAPI_PLAINTEXT: Ok(Value::from(plaintext));

        /// How long a handshake may take; zero is for ever. For new endpoints. Default: 30 s.
        handshake_timeout(time: Duration) = "30000" => HANDSHAKE_IVL: millis(time);

        /// Time between heartbeats, which find out that a peer is gone when nothing else does;
        /// zero sends none. For new endpoints. Default: zero. ZMTP 3.1, PING and PONG. Peers of ZMTP
        /// 3.0 do not know them: libzmq 4.1.6 hands each PING to its application as a message.
        heartbeat_interval(time: Duration) = "0" => HEARTBEAT_IVL: millis(time);

        /// How long to wait for traffic after a heartbeat before the connection is given up. For
        /// new endpoints. Default: the interval.
        heartbeat_timeout(time: Duration) = "-1" => HEARTBEAT_TIMEOUT: millis(time);

        /// After how long without traffic the peer should give us up, in steps of 100 ms up to
        /// 6,553,500 ms; zero does not tell it. For new endpoints. Default: zero.
        heartbeat_ttl(time: Duration) = "0" => HEARTBEAT_TTL: millis(time);

        /// Whether messages are queued only for peers whose handshake is done, so that none wait
        /// for a peer that is not there. For new endpoints. Default: no.
        immediate(only_ready_peers: bool) = "0" => IMMEDIATE: Ok(Value::from(only_ready_peers));

        /// Whether IPv6 is used as well, for new endpoints. Default: what the context says, which
        /// is no.
        ipv6(allowed: bool) = "0" => IPV6: Ok(Value::from(allowed));

        /// How long messages that have not been delivered are kept after the socket was closed or
        /// dropped. Default: 30 s; SUB: zero.
        linger(linger: impl Into<Linger>) = "-1" => LINGER: lingering(linger.into());

        /// The longest part taken from a peer, in bytes; who sends more is disconnected. For new
        /// endpoints. Default: none, no limit.
        max_message_size(bytes: Option<u64>) = "-1" => MAXMSGSIZE: size(bytes);

        /// Most bytes to read from a connection at once, for new endpoints. Default: 8192, which
        /// leaves it to the library.
        in_batch_size(bytes: u32) = "8192" => IN_BATCH_SIZE: int(bytes);

        /// Most bytes to write to a connection at once, for new endpoints. Default: 8192, which
        /// leaves it to the library.
        out_batch_size(bytes: u32) = "8192" => OUT_BATCH_SIZE: int(bytes);

        /// Most connections of each endpoint that is bound, at once; who comes beyond is turned away.
        /// For new endpoints. Default: 0, no limit.
        max_connections(connections: u32) = "0" => MAX_CONNECTIONS: int(connections);

        /// The same of connections from one address (with IPv6 its first 64 bits, with ipc one
        /// user). For new endpoints. Default: 0, no limit.
        max_connections_per_address(connections: u32) = "0"
            => MAX_CONNECTIONS_PER_ADDRESS: int(connections);

        /// Most bytes of commands a peer may send in its handshake, 512 or more, for new endpoints.
        /// Default: 65,536; it matters with GSSAPI, whose tokens may have up to 48 KiB, the commands
        /// of the other mechanisms have limits of their own.
        max_handshake_size(bytes: u32) = "65536" => MAX_HANDSHAKE_SIZE: int(bytes);

        /// Most bytes of properties a peer may send in its handshake, 64 or more, for new
        /// endpoints. Default: 8192.
        max_metadata_size(bytes: u32) = "8192" => MAX_METADATA_SIZE: int(bytes);

        /// Most bytes that the parts of a message from a peer may have together; who sends more is
        /// disconnected. For new endpoints. Default: none, no limit.
        max_multipart_size(bytes: Option<u64>) = "0" => MAX_MULTIPART_SIZE: limit(bytes);

        /// `SO_PRIORITY`, for new endpoints. Default: 0.
        priority(priority: u32) = "0" => PRIORITY: int(priority);

        /// Size of the system's receive buffer, in bytes, for new endpoints: `SO_RCVBUF`. Default:
        /// the system's choice.
        receive_buffer(bytes: u32) = "-1" => RCVBUF: int(bytes);

        /// How many messages of each peer wait to be received, before that peer has to wait. 0 is
        /// no limit. Default: 1000.
        receive_high_water_mark(messages: u32) = "1000" => RCVHWM: int(messages);

        /// How long a receive may wait: without a value for ever, with zero not at all. Default:
        /// for ever.
        receive_timeout(time: Option<Duration>) = "-1" => RCVTIMEO: timeout(time);

        /// Time before a lost connection is tried again; zero is never. For new endpoints.
        /// Default: 100 ms.
        reconnect_interval(time: Duration) = "100" => RECONNECT_IVL: millis(time);

        /// Up to where that time doubles with each attempt that fails; zero keeps it as it is.
        /// For new endpoints. Default: zero.
        reconnect_interval_max(time: Duration) = "0" => RECONNECT_IVL_MAX: millis(time);

        /// When to give a connection up instead, for new endpoints. Default: never.
        reconnect_stop(when: &[ReconnectStop]) = "0" => RECONNECT_STOP: stop(when);

        /// The name of this socket towards its peers, 1 to 255 bytes, for new endpoints. Default:
        /// none.
        routing_id(id: &[u8]) = "" => ROUTING_ID: Ok(Value::from(id));

        /// What an authenticator is told about the purpose of this socket, for new endpoints; with
        /// it sockets without mechanism ask it, too. Default: none. RFC 27.
        zap_domain(domain: &str) = "" => ZAP_DOMAIN: Ok(Value::from(domain));

        /// With a domain and without an authenticator nobody comes in, and without a domain nobody
        /// is asked; for new endpoints. Default: no.
        zap_enforce_domain(enforced: bool) = "0" => ZAP_ENFORCE_DOMAIN: Ok(Value::from(enforced));

        /// Size of the system's send buffer, in bytes, for new endpoints: `SO_SNDBUF`. Default:
        /// the system's choice.
        send_buffer(bytes: u32) = "-1" => SNDBUF: int(bytes);

        /// How many messages wait for each peer, before a send has to wait or, with PUB, the
        /// message is dropped for this peer. 0 is no limit. Default: 1000.
        send_high_water_mark(messages: u32) = "1000" => SNDHWM: int(messages);

        /// How long a send may wait: without a value for ever, with zero not at all. Default: for
        /// ever.
        send_timeout(time: Option<Duration>) = "-1" => SNDTIMEO: timeout(time);

        /// Whether the system looks whether silent tcp peers are there, for new endpoints:
        /// `SO_KEEPALIVE`. Default: the system's choice.
        tcp_keepalive(on: bool) = "-1" => TCP_KEEPALIVE: Ok(Value::from(on));

        /// How many such looks may go unanswered, for new endpoints: `TCP_KEEPCNT`. Default: the
        /// system's choice.
        tcp_keepalive_count(looks: u32) = "-1" => TCP_KEEPALIVE_CNT: int(looks);

        /// Silence before the first look, in seconds, for new endpoints: `TCP_KEEPIDLE`. Default:
        /// the system's choice.
        tcp_keepalive_idle(time: Duration) = "-1" => TCP_KEEPALIVE_IDLE: seconds(time);

        /// Time between looks, in seconds, for new endpoints: `TCP_KEEPINTVL`. Default: the
        /// system's choice.
        tcp_keepalive_interval(time: Duration) = "-1" => TCP_KEEPALIVE_INTVL: seconds(time);

        /// How long sent data may stay unacknowledged before the system ends the connection; zero
        /// leaves it to the system. For new endpoints: `TCP_USER_TIMEOUT`. Default: zero.
        tcp_max_retransmit(time: Duration) = "0" => TCP_MAXRT: millis(time);

        /// Type of service, for new endpoints: `IP_TOS` and `IPV6_TCLASS`. Default: 0.
        tos(tos: u8) = "0" => TOS: Ok(Value::Int(i32::from(tos)));
    }

    /// A property told to every peer in the handshake, for new endpoints; the name begins with
    /// `X-`. Can be called several times. Peers see it in [`Message::metadata`].
    ///
    /// `ZMQ_METADATA`.
    ///
    /// [`Message::metadata`]: crate::Message::metadata
    pub fn metadata(self, name: &str, value: &str) -> Self {
        self.with(
            number::METADATA,
            Ok(Value::from(format!("{name}:{value}").as_str())),
        )
    }
}

impl<K: Publishes> SocketBuilder<K> {
    methods! { PUBLISHERS
        /// Whether a send waits for subscribers whose queue is full, instead of dropping the
        /// message for them. Default: no.
        no_drop(wait: bool) = "" => XPUB_NODROP: Ok(Value::from(wait));

        /// Most subscriptions of each subscriber; who asks for more is disconnected. To be set
        /// before the first comes. Default: 0, no limit.
        max_subscriptions(topics: u32) = "0" => MAX_SUBSCRIPTIONS: int(topics);

        /// Most bytes of all subscriptions of each subscriber; who asks for more is disconnected.
        /// To be set before the first comes. Default: none, no limit.
        max_subscription_bytes(bytes: Option<u64>) = "0" => MAX_SUBSCRIPTION_BYTES: limit(bytes);
    }
}

impl<K: Subscribes> SocketBuilder<K> {
    /// Subscribes from the start; see [`Socket::subscribe`].
    pub fn subscribe(mut self, topic: impl AsRef<[u8]>) -> Self {
        self.subscriptions.push(topic.as_ref().to_vec());
        self
    }

    /// Receives what does *not* match a subscription. To be set with
    /// [`Socket::set_option`]`("INVERT_MATCHING", true)` on the publisher, too. Default: no.
    ///
    /// `ZMQ_INVERT_MATCHING`.
    pub fn invert_matching(self, invert: bool) -> Self {
        self.with(number::INVERT_MATCHING, Ok(Value::from(invert)))
    }
}

/// Options while the socket lives. Those not found here are set with
/// [`set_option`](Self::set_option).
impl<K: Kind> Socket<K> {
    /// Sets an option by the name or number of `zmq_setsockopt(3)`. High-water marks, linger and
    /// time-outs count at once, what concerns connections for endpoints bound or connected
    /// afterwards.
    ///
    /// ```
    /// # use ferromq::{Context, Push};
    /// # let mut push = Context::new().socket::<Push>()?;
    /// push.set_option("SNDHWM", 10)?;
    /// push.set_option("routing_id", "me")?;
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Option`](Error::Option) for one that does not exist, or not with this value;
    /// [`Terminated`](Error::Terminated).
    #[expect(
        single_use_lifetimes,
        reason = "impl Trait in an argument cannot elide them"
    )]
    pub fn set_option<'a>(
        &mut self,
        key: impl Into<OptionKey<'a>>,
        value: impl Into<Value>,
    ) -> Result<(), Error> {
        set(&mut self.engine, key.into(), value.into())
    }

    /// Reads an option by the name or number of `zmq_getsockopt(3)`.
    ///
    /// # Errors
    /// [`Option`](Error::Option) for one that does not exist or cannot be read;
    /// [`Terminated`](Error::Terminated).
    #[expect(
        single_use_lifetimes,
        reason = "impl Trait in an argument cannot elide them"
    )]
    pub fn get_option<'a>(&mut self, key: impl Into<OptionKey<'a>>) -> Result<Value, Error> {
        let spec = SocketOptions::find_for(self.engine.socket_type(), key)
            .map_err(|reason| Error::Option { name: "", reason })?;
        self.engine
            .get_option(spec.number)
            .map_err(|code| named(spec.name, code))
    }

    /// Changes how long messages are kept after the socket was closed.
    ///
    /// # Errors
    /// [`Option`](Error::Option) for a time of more than 24 days, [`Terminated`](Error::Terminated).
    pub fn set_linger(&mut self, linger: impl Into<Linger>) -> Result<(), Error> {
        self.set_converted(number::LINGER, lingering(linger.into()))
    }

    /// How long messages are kept after the socket was closed.
    #[must_use]
    pub fn linger(&self) -> Linger {
        u64::try_from(self.engine.options().linger)
            .map_or(Linger::Forever, |ms| Linger::For(Duration::from_millis(ms)))
    }

    fn set_converted(
        &mut self,
        number: i32,
        value: Result<Value, OptionError>,
    ) -> Result<(), Error> {
        let value = value.map_err(|reason| Error::Option {
            name: name_of(number),
            reason,
        })?;
        set(&mut self.engine, OptionKey::Number(number), value)
    }
}

impl<K: Sends> Socket<K> {
    /// Changes how many messages may wait for each peer; 0 is no limit.
    ///
    /// # Errors
    /// As for [`set_option`](Self::set_option).
    pub fn set_send_high_water_mark(&mut self, messages: u32) -> Result<(), Error> {
        self.set_converted(number::SNDHWM, int(messages))
    }

    /// How many messages may wait for each peer; 0 is no limit.
    #[must_use]
    pub fn send_high_water_mark(&self) -> u32 {
        u32::try_from(self.engine.options().sndhwm).unwrap_or(0)
    }

    /// Changes how long a send may wait; without a value for ever.
    ///
    /// # Errors
    /// As for [`set_option`](Self::set_option).
    pub fn set_send_timeout(&mut self, time: Option<Duration>) -> Result<(), Error> {
        self.set_converted(number::SNDTIMEO, timeout(time))
    }

    /// How long a send may wait; without a value for ever.
    #[must_use]
    pub fn send_timeout(&self) -> Option<Duration> {
        as_timeout(self.engine.options().sndtimeo)
    }
}

impl<K: Receives> Socket<K> {
    /// Changes how many messages of each peer may wait to be received; 0 is no limit.
    ///
    /// # Errors
    /// As for [`set_option`](Self::set_option).
    pub fn set_receive_high_water_mark(&mut self, messages: u32) -> Result<(), Error> {
        self.set_converted(number::RCVHWM, int(messages))
    }

    /// How many messages of each peer may wait to be received; 0 is no limit.
    #[must_use]
    pub fn receive_high_water_mark(&self) -> u32 {
        u32::try_from(self.engine.options().rcvhwm).unwrap_or(0)
    }

    /// Changes how long a receive may wait; without a value for ever.
    ///
    /// # Errors
    /// As for [`set_option`](Self::set_option).
    pub fn set_receive_timeout(&mut self, time: Option<Duration>) -> Result<(), Error> {
        self.set_converted(number::RCVTIMEO, timeout(time))
    }

    /// How long a receive may wait; without a value for ever.
    #[must_use]
    pub fn receive_timeout(&self) -> Option<Duration> {
        as_timeout(self.engine.options().rcvtimeo)
    }
}

impl<K: Publishes> Socket<K> {
    /// Changes whether a send waits for subscribers whose queue is full, instead of dropping the
    /// message for them.
    ///
    /// # Errors
    /// As for [`set_option`](Self::set_option).
    pub fn set_no_drop(&mut self, wait: bool) -> Result<(), Error> {
        self.set_converted(number::XPUB_NODROP, Ok(Value::from(wait)))
    }
}

/// Sets an option of the engine's socket; what the table can judge is judged by it, so that the
/// error says more than "invalid".
fn set(socket: &mut engine::Socket, key: OptionKey<'_>, value: Value) -> Result<(), Error> {
    let spec = SocketOptions::find_for(socket.socket_type(), key)
        .map_err(|reason| Error::Option { name: "", reason })?;
    if !is_key_as_text(spec.number, &value) {
        spec.check(&value).map_err(|reason| Error::Option {
            name: spec.name,
            reason,
        })?;
    }
    socket
        .set_option(spec.number, value)
        .map_err(|code| named(spec.name, code))
}

/// Keys are 32 bytes, but their text will do: 40 characters, and perhaps a NUL as C has it.
fn is_key_as_text(number: i32, value: &Value) -> bool {
    let keys = [
        number::CURVE_PUBLICKEY,
        number::CURVE_SECRETKEY,
        number::CURVE_SERVERKEY,
    ];
    keys.contains(&number) && matches!(value, Value::Bytes(text) if matches!(text.len(), 40 | 41))
}

fn named(name: &'static str, code: ferromq_vocabulary::Code) -> Error {
    match code.into() {
        Error::Invalid => Error::Option {
            name,
            reason: OptionError::OutOfRange,
        },
        other => other,
    }
}

fn name_of(number: i32) -> &'static str {
    SocketOptions::find(number).map_or("", |spec| spec.name)
}

fn int(number: u32) -> Result<Value, OptionError> {
    count(number.into())
}

fn count(number: u128) -> Result<Value, OptionError> {
    i32::try_from(number)
        .map(Value::Int)
        .map_err(|_too_large| OptionError::OutOfRange)
}

/// Rounded up: the shortest time is not none.
fn millis(time: Duration) -> Result<Value, OptionError> {
    count(time.as_nanos().div_ceil(1_000_000))
}

fn seconds(time: Duration) -> Result<Value, OptionError> {
    count(time.as_nanos().div_ceil(1_000_000_000))
}

fn timeout(time: Option<Duration>) -> Result<Value, OptionError> {
    time.map_or(Ok(Value::Int(-1)), millis)
}

fn lingering(linger: Linger) -> Result<Value, OptionError> {
    match linger {
        Linger::Forever => Ok(Value::Int(-1)),
        Linger::For(time) => millis(time),
    }
}

fn size(bytes: Option<u64>) -> Result<Value, OptionError> {
    let bytes = bytes.map_or(Ok(-1), i64::try_from);
    bytes
        .map(Value::I64)
        .map_err(|_too_large| OptionError::OutOfRange)
}

/// Zero is no limit; a limit of zero would be none.
fn limit(bytes: Option<u64>) -> Result<Value, OptionError> {
    match bytes {
        Some(0) => Err(OptionError::OutOfRange),
        bytes => size(Some(bytes.unwrap_or(0))),
    }
}

fn stop(when: &[ReconnectStop]) -> Result<Value, OptionError> {
    Ok(Value::Int(
        when.iter()
            .fold(0, |sum, reason| sum | i32::from(*reason as u8)),
    ))
}

fn as_timeout(option: i32) -> Option<Duration> {
    u64::try_from(option).ok().map(Duration::from_millis)
}

/// Of all but subscribers, in milliseconds.
const DEFAULT_LINGER: i32 = 30_000;

#[cfg(test)]
mod tests {
    use ferromq_vocabulary::option::{Direction, Handled, OPTIONS};

    use super::*;
    use crate::kind::Any;

    /// Rows with a method that the macro does not know, or whose purpose another method serves.
    const ELSEWHERE: &[i32] = &[
        number::IPV4ONLY,
        number::METADATA,
        number::INVERT_MATCHING,
        // Of types that have no builder of their own: set by name or number.
        number::ROUTER_MANDATORY,
        number::ROUTER_RAW,
        number::XPUB_VERBOSE,
        number::PROBE_ROUTER,
        number::REQ_CORRELATE,
        number::REQ_RELAXED,
        number::CONFLATE,
        number::ROUTER_HANDOVER,
        number::CONNECT_ROUTING_ID,
        number::XPUB_MANUAL,
        number::XPUB_WELCOME_MSG,
        number::STREAM_NOTIFY,
        number::XPUB_VERBOSER,
        number::ROUTER_NOTIFY,
        number::XPUB_MANUAL_LAST_VALUE,
        number::ONLY_FIRST_SUBSCRIBE,
        number::HELLO_MSG,
        number::DISCONNECT_MSG,
        number::HICCUP_MSG,
        number::XSUB_VERBOSE_UNSUBSCRIBE,
        // Several at once, or with types of their own: see `security`.
        number::PLAIN_SERVER,
        number::PLAIN_USERNAME,
        number::PLAIN_PASSWORD,
        number::CURVE_SERVER,
        number::CURVE_PUBLICKEY,
        number::CURVE_SECRETKEY,
        number::CURVE_SERVERKEY,
        number::GSSAPI_SERVER,
        number::GSSAPI_PRINCIPAL,
        number::GSSAPI_SERVICE_PRINCIPAL,
        number::GSSAPI_PRINCIPAL_NAMETYPE,
        number::GSSAPI_SERVICE_PRINCIPAL_NAMETYPE,
        number::IPC_FILTER_PID,
        number::IPC_FILTER_UID,
        number::IPC_FILTER_GID,
        number::TCP_ACCEPT_FILTER,
        number::SOCKS_USERNAME,
        number::SOCKS_PASSWORD,
        number::SOCKS_PROXY,
        // Of another system, or of other transports.
        number::LOOPBACK_FASTPATH,
        number::RATE,
        number::RECOVERY_IVL,
        number::MULTICAST_HOPS,
        number::MULTICAST_MAXTPDU,
        number::MULTICAST_LOOP,
        // Takes a descriptor over.
        number::USE_FD,
    ];

    #[test]
    fn builder_and_table_agree() {
        let methods: Vec<_> = SocketBuilder::<Any>::GENERAL
            .iter()
            .chain(SocketBuilder::<Any>::PUBLISHERS)
            .collect();
        for (method, number, default) in &methods {
            let spec = SocketOptions::find(*number).unwrap();
            assert_eq!(spec.default, *default, "{method}, {}", spec.name);
        }
        for spec in OPTIONS {
            let settable = spec.direction != Direction::Get && spec.handled == Handled::Here;
            let known = methods.iter().any(|(_, number, _)| *number == spec.number);
            assert_eq!(
                known,
                settable && !ELSEWHERE.contains(&spec.number),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn times_are_rounded_up() {
        assert_eq!(millis(Duration::ZERO), Ok(Value::Int(0)));
        assert_eq!(millis(Duration::from_nanos(1)), Ok(Value::Int(1)));
        assert_eq!(millis(Duration::from_millis(7)), Ok(Value::Int(7)));
        assert_eq!(seconds(Duration::from_millis(1001)), Ok(Value::Int(2)));
        assert_eq!(millis(Duration::MAX), Err(OptionError::OutOfRange));
        assert_eq!(timeout(None), Ok(Value::Int(-1)));
    }
}
