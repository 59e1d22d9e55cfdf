// SPDX-License-Identifier: MIT OR Apache-2.0
//! The option values of a socket.

use std::collections::BTreeMap;

use crate::network::Network;
use crate::option::security::{CurveKey, Mechanism, PrincipalNameType};
use crate::option::spec::{Direction, OptionError, OptionKey, OptionSpec, Value};
use crate::option::table::OPTIONS;
use crate::secret::Secret;
use crate::socket_type::SocketType;

/// All options of a socket that are plain values. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct SocketOptions {
    /// Bit mask of I/O threads; 0 is any.
    pub affinity: u64,
    /// Name towards the peers; empty is none.
    pub routing_id: Vec<u8>,
    /// Messages queued per peer for sending; 0 is no limit.
    pub sndhwm: i32,
    /// Messages queued per peer for receiving; 0 is no limit.
    pub rcvhwm: i32,
    /// How long unsent messages are kept after close; -1 for ever.
    pub linger: i32,
    /// How long a send waits; -1 for ever.
    pub sndtimeo: i32,
    /// How long a receive waits; -1 for ever.
    pub rcvtimeo: i32,
    /// `SO_SNDBUF`; -1 leaves it to the system.
    pub sndbuf: i32,
    /// `SO_RCVBUF`; -1 leaves it to the system.
    pub rcvbuf: i32,
    /// Longest frame taken from a peer; negative is no limit.
    pub maxmsgsize: i64,
    /// Queue only for peers whose handshake is done.
    pub immediate: bool,
    /// First reconnect interval; -1 and 0 are never.
    pub reconnect_ivl: i32,
    /// Greatest reconnect interval; 0 keeps to the first.
    pub reconnect_ivl_max: i32,
    /// When to give up connecting: 1 refused, 2 handshake failed, 4 after disconnect.
    pub reconnect_stop: i32,
    /// Limit for an attempt to connect; 0 is none.
    pub connect_timeout: i32,
    /// Limit for a handshake; 0 is none.
    pub handshake_ivl: i32,
    /// Time between heartbeats; 0 is none.
    pub heartbeat_ivl: i32,
    /// Time after which the peer should give us up; a multiple of 100.
    pub heartbeat_ttl: i32,
    /// Time after which we give the peer up; -1 is the interval.
    pub heartbeat_timeout: i32,
    /// Length of the queue of connections not accepted yet.
    pub backlog: i32,
    /// Allow IPv6.
    pub ipv6: bool,
    /// `SO_KEEPALIVE`; -1 leaves it to the system.
    pub tcp_keepalive: i32,
    /// `TCP_KEEPCNT`; -1 leaves it to the system.
    pub tcp_keepalive_cnt: i32,
    /// `TCP_KEEPIDLE`; -1 leaves it to the system.
    pub tcp_keepalive_idle: i32,
    /// `TCP_KEEPINTVL`; -1 leaves it to the system.
    pub tcp_keepalive_intvl: i32,
    /// `TCP_USER_TIMEOUT`; 0 leaves it to the system.
    pub tcp_maxrt: i32,
    /// `IP_TOS` and `IPV6_TCLASS`.
    pub tos: i32,
    /// `SO_PRIORITY`.
    pub priority: i32,
    /// `SO_BUSY_POLL`.
    pub busy_poll: i32,
    /// `SO_BINDTODEVICE`; empty is none.
    pub bindtodevice: Vec<u8>,
    /// Publishers wait for full subscribers instead of dropping.
    pub xpub_nodrop: bool,
    /// Subscriptions exclude instead of include.
    pub invert_matching: bool,
    /// A ROUTER of plain tcp connections, as a STREAM is.
    pub router_raw: bool,
    /// A ROUTER refuses what it cannot route instead of dropping it.
    pub router_mandatory: bool,
    /// An XPUB passes every subscription on.
    pub xpub_verbose: bool,
    /// Each new peer is sent an empty message.
    pub probe_router: bool,
    /// Requests and replies carry a number.
    pub req_correlate: bool,
    /// A new request may follow one without reply.
    pub req_relaxed: bool,
    /// Only the newest message is kept (PUSH, PULL, PUB, SUB, DEALER).
    pub conflate: bool,
    /// A new peer takes a routing id over from the old one.
    pub router_handover: bool,
    /// Names the peer of the next connect; empty is none.
    pub connect_routing_id: Vec<u8>,
    /// The application decides on subscriptions.
    pub xpub_manual: bool,
    /// First message to each new subscriber; empty is none.
    pub xpub_welcome_msg: Vec<u8>,
    /// A STREAM shows connects and disconnects as empty messages.
    pub stream_notify: bool,
    /// An XPUB passes every cancellation on, too.
    pub xpub_verboser: bool,
    /// A ROUTER shows 1 connects, 2 disconnects as empty messages; a sum.
    pub router_notify: i32,
    /// The message after a manual subscription goes to its subscriber alone.
    pub xpub_manual_last_value: bool,
    /// Only a first part can be a subscription.
    pub only_first_subscribe: bool,
    /// First message on every connection; empty is none.
    pub hello_msg: Vec<u8>,
    /// Delivered here when a peer that was accepted goes; empty is none.
    pub disconnect_msg: Vec<u8>,
    /// Delivered here when a connection that was made is lost; empty is none.
    pub hiccup_msg: Vec<u8>,
    /// An XSUB sends every cancellation to the publishers.
    pub xsub_verbose_unsubscribe: bool,
    /// How peers prove who they are; set by the options of the mechanisms.
    pub mechanism: Mechanism,
    /// The side of the mechanism that asks, not the one that proves.
    pub as_server: bool,
    /// Who a PLAIN client says it is.
    pub plain_username: Vec<u8>,
    /// What a PLAIN client proves it with.
    pub plain_password: Secret,
    /// CURVE: our own public key.
    pub curve_publickey: CurveKey,
    /// CURVE: our own secret key, 32 bytes.
    pub curve_secretkey: Secret,
    /// CURVE: the public key of the server that a client means.
    pub curve_serverkey: CurveKey,
    /// GSSAPI: who we are; empty is whoever the system takes us for.
    pub gssapi_principal: Vec<u8>,
    /// GSSAPI: what kind of name that is.
    pub gssapi_principal_nametype: PrincipalNameType,
    /// GSSAPI: the server that a client means.
    pub gssapi_service_principal: Vec<u8>,
    /// GSSAPI: what kind of name that is.
    pub gssapi_service_principal_nametype: PrincipalNameType,
    /// GSSAPI: the peers know each other, and send their messages unencrypted.
    pub gssapi_plaintext: bool,
    /// What an authenticator is told about the purpose; empty is none.
    pub zap_domain: Vec<u8>,
    /// With a domain and without an authenticator nobody comes in.
    pub zap_enforce_domain: bool,
    /// `host:port` of a SOCKS5 proxy for tcp connects; empty is none.
    pub socks_proxy: Vec<u8>,
    /// Name towards the proxy; empty is no name.
    pub socks_username: Vec<u8>,
    /// Password towards the proxy.
    pub socks_password: Secret,
    /// Networks that may connect over tcp; empty is all.
    pub tcp_accept_filter: Vec<Network>,
    /// Processes that may connect over ipc.
    pub ipc_filter_pid: Vec<i32>,
    /// Users that may connect over ipc.
    pub ipc_filter_uid: Vec<u32>,
    /// Groups that may connect over ipc.
    pub ipc_filter_gid: Vec<u32>,
    /// A listening descriptor to use in place of a new one; -1 is none.
    pub use_fd: i32,
    /// Of Windows alone.
    pub loopback_fastpath: bool,
    /// Most bytes to read at once; the default leaves it to us.
    pub in_batch_size: i32,
    /// Most bytes to write at once; the default leaves it to us.
    pub out_batch_size: i32,
    /// Multicast: kilobits a second.
    pub rate: i32,
    /// Multicast: how long what was sent can be asked for again.
    pub recovery_ivl: i32,
    /// Multicast: how many routers may pass it on.
    pub multicast_hops: i32,
    /// Multicast: most bytes of a packet.
    pub multicast_maxtpdu: i32,
    /// Multicast: whether this host hears itself; `None` if that was not said. It does with udp then, not
    /// with pgm and epgm.
    pub multicast_loop: Option<bool>,
    /// What READY says besides type and routing id; names start with `X-`.
    pub metadata: BTreeMap<String, Vec<u8>>,
    /// Most connections of a listener at once; 0 is no limit.
    pub max_connections: i32,
    /// Most connections of a listener from one address at once; 0 is no limit.
    pub max_connections_per_address: i32,
    /// Most bytes of commands a peer may send in its handshake.
    pub max_handshake_size: i32,
    /// Most bytes of properties a peer may send in its handshake.
    pub max_metadata_size: i32,
    /// Most subscriptions a peer may have; 0 is no limit.
    pub max_subscriptions: i32,
    /// Most bytes that a peer's subscriptions may have together; 0 is no limit.
    pub max_subscription_bytes: i64,
    /// Most bytes that the parts of a message from a peer may have together; 0 is no limit.
    pub max_multipart_size: i64,
}

impl Default for SocketOptions {
    #[expect(clippy::too_many_lines, reason = "one for each option")]
    fn default() -> Self {
        Self {
            affinity: 0,
            routing_id: Vec::new(),
            sndhwm: 1000,
            rcvhwm: 1000,
            linger: -1,
            sndtimeo: -1,
            rcvtimeo: -1,
            sndbuf: -1,
            rcvbuf: -1,
            maxmsgsize: -1,
            immediate: false,
            reconnect_ivl: 100,
            reconnect_ivl_max: 0,
            reconnect_stop: 0,
            connect_timeout: 0,
            handshake_ivl: 30_000,
            heartbeat_ivl: 0,
            heartbeat_ttl: 0,
            heartbeat_timeout: -1,
            backlog: 100,
            ipv6: false,
            tcp_keepalive: -1,
            tcp_keepalive_cnt: -1,
            tcp_keepalive_idle: -1,
            tcp_keepalive_intvl: -1,
            tcp_maxrt: 0,
            tos: 0,
            priority: 0,
            busy_poll: 0,
            bindtodevice: Vec::new(),
            xpub_nodrop: false,
            invert_matching: false,
            router_raw: false,
            router_mandatory: false,
            xpub_verbose: false,
            probe_router: false,
            req_correlate: false,
            req_relaxed: false,
            conflate: false,
            router_handover: false,
            connect_routing_id: Vec::new(),
            xpub_manual: false,
            xpub_welcome_msg: Vec::new(),
            stream_notify: true,
            xpub_verboser: false,
            router_notify: 0,
            xpub_manual_last_value: false,
            only_first_subscribe: false,
            hello_msg: Vec::new(),
            disconnect_msg: Vec::new(),
            hiccup_msg: Vec::new(),
            xsub_verbose_unsubscribe: false,
            mechanism: Mechanism::Null,
            as_server: false,
            plain_username: Vec::new(),
            plain_password: Secret::default(),
            curve_publickey: [0; 32],
            curve_secretkey: Secret::new(vec![0; 32]),
            curve_serverkey: [0; 32],
            gssapi_principal: Vec::new(),
            gssapi_principal_nametype: PrincipalNameType::HostBased,
            gssapi_service_principal: Vec::new(),
            gssapi_service_principal_nametype: PrincipalNameType::HostBased,
            gssapi_plaintext: false,
            zap_domain: Vec::new(),
            zap_enforce_domain: false,
            socks_proxy: Vec::new(),
            socks_username: Vec::new(),
            socks_password: Secret::default(),
            tcp_accept_filter: Vec::new(),
            ipc_filter_pid: Vec::new(),
            ipc_filter_uid: Vec::new(),
            ipc_filter_gid: Vec::new(),
            use_fd: -1,
            loopback_fastpath: false,
            in_batch_size: 8192,
            out_batch_size: 8192,
            rate: 100,
            recovery_ivl: 10_000,
            multicast_hops: 1,
            multicast_maxtpdu: 1500,
            multicast_loop: None,
            metadata: BTreeMap::new(),
            max_connections: 0,
            max_connections_per_address: 0,
            max_handshake_size: 65_536,
            max_metadata_size: 8_192,
            max_subscriptions: 0,
            max_subscription_bytes: 0,
            max_multipart_size: 0,
        }
    }
}

#[expect(
    single_use_lifetimes,
    reason = "impl Trait in an argument cannot elide them"
)]
impl SocketOptions {
    /// The defaults of a type of socket: subscribers do not linger.
    pub fn for_type(socket_type: SocketType) -> Self {
        let subscriber = matches!(
            socket_type,
            SocketType::Sub | SocketType::Xsub | SocketType::Dish
        );
        Self {
            linger: if subscriber { 0 } else { -1 },
            ..Self::default()
        }
    }

    /// Sets an option by name or number. On an error nothing has changed.
    ///
    /// ```
    /// use ferromq_vocabulary::option::{OptionError, SocketOptions, number};
    ///
    /// let mut options = SocketOptions::default();
    /// options.set("SNDHWM", 10)?;
    /// assert_eq!(options.set(number::SNDHWM, -1), Err(OptionError::OutOfRange));
    /// assert_eq!(options.sndhwm, 10);
    /// # Ok::<(), OptionError>(())
    /// ```
    pub fn set<'a>(
        &mut self,
        key: impl Into<OptionKey<'a>>,
        value: impl Into<Value>,
    ) -> Result<(), OptionError> {
        Self::find(key)?.write(self, value.into())
    }

    /// Reads an option by name or number.
    pub fn get<'a>(&self, key: impl Into<OptionKey<'a>>) -> Result<Value, OptionError> {
        Self::find(key)?.read(self)
    }

    /// The row of an option.
    pub fn find<'a>(key: impl Into<OptionKey<'a>>) -> Result<&'static OptionSpec, OptionError> {
        // Numbers are unique here, so the direction does not matter.
        OptionSpec::find(OPTIONS, key.into(), Direction::Get)
    }

    /// The row of an option, if sockets of this type have it.
    pub fn find_for<'a>(
        socket_type: SocketType,
        key: impl Into<OptionKey<'a>>,
    ) -> Result<&'static OptionSpec, OptionError> {
        let spec = Self::find(key)?;
        if spec.types.contains(socket_type) {
            Ok(spec)
        } else {
            Err(OptionError::Unknown)
        }
    }

    /// How long to wait for a sign of life: `heartbeat_timeout`, or the interval without one.
    pub fn effective_heartbeat_timeout(&self) -> i32 {
        if self.heartbeat_timeout < 0 {
            self.heartbeat_ivl
        } else {
            self.heartbeat_timeout
        }
    }
}
