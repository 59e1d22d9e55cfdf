// SPDX-License-Identifier: MIT OR Apache-2.0
//! One row per socket option.

use crate::network::InvalidNetwork;
use crate::option::socket::SocketOptions;
use crate::option::spec::Kind::{self, AnyTruth, Bool, Bytes, I64, Int, Str, Truth, U64};
use crate::option::spec::Scope::{AtEndpoint, Live};
use crate::option::spec::Types::{self, All, Only};
use crate::option::spec::{Direction, Getter, Handled, OptionError, OptionSpec, Setter, Value};
use crate::option::{number, security};
use crate::socket_type::SocketType;

/// A field that holds the value as it is.
macro_rules! stored {
    ($field:ident, $variant:ident, $take:ident) => {
        both(
            |o| Value::$variant(o.$field),
            |o, v| {
                o.$field = v.$take()?;
                Ok(())
            },
        )
    };
}

/// A field that is true for every number but zero.
macro_rules! stored_bool {
    ($field:ident) => {
        both(
            |o| Value::from(o.$field),
            |o, v| {
                o.$field = v.int()? != 0;
                Ok(())
            },
        )
    };
}

/// A field of bytes.
macro_rules! stored_bytes {
    ($field:ident) => {
        both(
            |o| Value::Bytes(o.$field.clone()),
            |o, v| {
                o.$field = v.bytes()?;
                Ok(())
            },
        )
    };
}

/// A field that can only be set, true for every number but zero.
macro_rules! write_bool {
    ($field:ident) => {
        write_only(|o, v| {
            o.$field = v.int()? != 0;
            Ok(())
        })
    };
}

/// A field of bytes that can only be set.
macro_rules! write_bytes {
    ($field:ident) => {
        write_only(|o, v| {
            o.$field = v.bytes()?;
            Ok(())
        })
    };
}

/// The socket options there are, in the order of their numbers.
pub static OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "AFFINITY",
        number: number::AFFINITY,
        kind: U64,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "bit mask of the I/O threads for new connections, 0 for any",
        ..stored!(affinity, U64, u64)
    },
    OptionSpec {
        name: "ROUTING_ID",
        number: number::ROUTING_ID,
        kind: Bytes { min: 1, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "name of the socket towards its peers",
        ..stored_bytes!(routing_id)
    },
    OptionSpec {
        name: "SUBSCRIBE",
        number: number::SUBSCRIBE,
        kind: Bytes {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: Live,
        types: SUBSCRIBERS,
        doc: "adds a subscription; the empty one is for everything",
        ..engine(Direction::Set)
    },
    OptionSpec {
        name: "UNSUBSCRIBE",
        number: number::UNSUBSCRIBE,
        kind: Bytes {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: Live,
        types: SUBSCRIBERS,
        doc: "takes a subscription back",
        ..engine(Direction::Set)
    },
    OptionSpec {
        name: "RATE",
        number: number::RATE,
        kind: Kind::at_least(1),
        default: "100",
        scope: AtEndpoint,
        types: All,
        doc: "multicast: kilobits a second; the largest number is no limit",
        ..stored!(rate, Int, int)
    },
    OptionSpec {
        name: "RECOVERY_IVL",
        number: number::RECOVERY_IVL,
        kind: Kind::at_least(0),
        default: "10000",
        scope: AtEndpoint,
        types: All,
        doc: "multicast: ms for which what was sent can be asked for again",
        ..stored!(recovery_ivl, Int, int)
    },
    OptionSpec {
        name: "SNDBUF",
        number: number::SNDBUF,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "size of the system's send buffer, -1 for its own choice",
        ..stored!(sndbuf, Int, int)
    },
    OptionSpec {
        name: "RCVBUF",
        number: number::RCVBUF,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "size of the system's receive buffer, -1 for its own choice",
        ..stored!(rcvbuf, Int, int)
    },
    OptionSpec {
        name: "RCVMORE",
        number: number::RCVMORE,
        kind: Bool,
        default: "",
        scope: Live,
        types: All,
        doc: "whether more parts follow the one last received",
        ..engine(Direction::Get)
    },
    OptionSpec {
        name: "FD",
        number: number::FD,
        kind: Kind::at_least(0),
        default: "",
        scope: Live,
        types: All,
        doc: "file descriptor that becomes readable when EVENTS may have changed",
        ..engine(Direction::Get)
    },
    OptionSpec {
        name: "EVENTS",
        number: number::EVENTS,
        kind: Int { min: 0, max: 3 },
        default: "",
        scope: Live,
        types: All,
        doc: "1 when a receive, 2 when a send would not wait",
        ..engine(Direction::Get)
    },
    OptionSpec {
        name: "TYPE",
        number: number::TYPE,
        kind: Int { min: 0, max: 20 },
        default: "",
        scope: Live,
        types: All,
        doc: "type of the socket",
        ..engine(Direction::Get)
    },
    OptionSpec {
        name: "LINGER",
        number: number::LINGER,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: Live,
        types: All,
        doc: "ms to keep unsent messages after close, -1 for ever; 0 at first for SUB, XSUB, DISH",
        ..stored!(linger, Int, int)
    },
    OptionSpec {
        name: "RECONNECT_IVL",
        number: number::RECONNECT_IVL,
        kind: Kind::at_least(-1),
        default: "100",
        scope: AtEndpoint,
        types: All,
        doc: "ms before a lost connection is tried again, -1 and 0 for never",
        ..stored!(reconnect_ivl, Int, int)
    },
    OptionSpec {
        name: "BACKLOG",
        number: number::BACKLOG,
        kind: Kind::at_least(0),
        default: "100",
        scope: AtEndpoint,
        types: All,
        doc: "how many connections may wait to be accepted",
        ..stored!(backlog, Int, int)
    },
    OptionSpec {
        name: "RECONNECT_IVL_MAX",
        number: number::RECONNECT_IVL_MAX,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "ms that RECONNECT_IVL doubles up to, 0 for no doubling",
        ..stored!(reconnect_ivl_max, Int, int)
    },
    OptionSpec {
        name: "MAXMSGSIZE",
        number: number::MAXMSGSIZE,
        kind: I64,
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "bytes a received frame may have, negative for no limit; a peer that sends more is cut off",
        ..stored!(maxmsgsize, I64, i64)
    },
    OptionSpec {
        name: "SNDHWM",
        number: number::SNDHWM,
        kind: Kind::at_least(0),
        default: "1000",
        scope: Live,
        types: All,
        doc: "messages to queue for sending per peer, 0 for no limit",
        ..stored!(sndhwm, Int, int)
    },
    OptionSpec {
        name: "RCVHWM",
        number: number::RCVHWM,
        kind: Kind::at_least(0),
        default: "1000",
        scope: Live,
        types: All,
        doc: "messages to queue from each peer, 0 for no limit",
        ..stored!(rcvhwm, Int, int)
    },
    OptionSpec {
        name: "MULTICAST_HOPS",
        number: number::MULTICAST_HOPS,
        kind: Kind::at_least(1),
        default: "1",
        scope: AtEndpoint,
        types: All,
        doc: "multicast: how many routers may pass it on",
        ..stored!(multicast_hops, Int, int)
    },
    OptionSpec {
        name: "RCVTIMEO",
        number: number::RCVTIMEO,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: Live,
        types: All,
        doc: "ms a receive may wait, -1 for ever",
        ..stored!(rcvtimeo, Int, int)
    },
    OptionSpec {
        name: "SNDTIMEO",
        number: number::SNDTIMEO,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: Live,
        types: All,
        doc: "ms a send may wait, -1 for ever",
        ..stored!(sndtimeo, Int, int)
    },
    OptionSpec {
        name: "IPV4ONLY",
        number: number::IPV4ONLY,
        kind: Bool,
        default: "1",
        scope: AtEndpoint,
        types: All,
        doc: "the opposite of IPV6, for old programs",
        ..IPV4ONLY
    },
    OptionSpec {
        name: "LAST_ENDPOINT",
        number: number::LAST_ENDPOINT,
        kind: Str {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: Live,
        types: All,
        doc: "endpoint last bound or connected, wildcards filled in",
        ..engine(Direction::Get)
    },
    OptionSpec {
        name: "ROUTER_MANDATORY",
        number: number::ROUTER_MANDATORY,
        kind: Truth,
        default: "",
        scope: Live,
        types: ROUTERS,
        doc: "a message that cannot be routed is refused instead of dropped",
        ..write_bool!(router_mandatory)
    },
    OptionSpec {
        name: "TCP_KEEPALIVE",
        number: number::TCP_KEEPALIVE,
        kind: Int { min: -1, max: 1 },
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "SO_KEEPALIVE, -1 for the system's choice",
        ..stored!(tcp_keepalive, Int, int)
    },
    OptionSpec {
        name: "TCP_KEEPALIVE_CNT",
        number: number::TCP_KEEPALIVE_CNT,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "TCP_KEEPCNT, -1 for the system's choice",
        ..stored!(tcp_keepalive_cnt, Int, int)
    },
    OptionSpec {
        name: "TCP_KEEPALIVE_IDLE",
        number: number::TCP_KEEPALIVE_IDLE,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "TCP_KEEPIDLE in seconds, -1 for the system's choice",
        ..stored!(tcp_keepalive_idle, Int, int)
    },
    OptionSpec {
        name: "TCP_KEEPALIVE_INTVL",
        number: number::TCP_KEEPALIVE_INTVL,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "TCP_KEEPINTVL in seconds, -1 for the system's choice",
        ..stored!(tcp_keepalive_intvl, Int, int)
    },
    OptionSpec {
        name: "TCP_ACCEPT_FILTER",
        number: number::TCP_ACCEPT_FILTER,
        kind: Str { min: 0, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "a network (address/bits) that may connect; adds up, empty clears",
        ..TCP_ACCEPT_FILTER
    },
    OptionSpec {
        name: "IMMEDIATE",
        number: number::IMMEDIATE,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "queue messages only for peers whose handshake is done",
        ..stored_bool!(immediate)
    },
    OptionSpec {
        name: "XPUB_VERBOSE",
        number: number::XPUB_VERBOSE,
        kind: Truth,
        default: "",
        scope: Live,
        types: XPUBS,
        doc: "every subscription is passed on, not the first of its kind alone",
        ..XPUB_VERBOSE
    },
    OptionSpec {
        name: "ROUTER_RAW",
        number: number::ROUTER_RAW,
        kind: Truth,
        default: "",
        scope: AtEndpoint,
        types: ROUTERS,
        doc: "plain tcp connections, as STREAM has them; to be set before the first endpoint",
        ..write_bool!(router_raw)
    },
    OptionSpec {
        name: "IPV6",
        number: number::IPV6,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "use IPv6 as well; the context says what new sockets start with",
        ..stored_bool!(ipv6)
    },
    OptionSpec {
        name: "MECHANISM",
        number: number::MECHANISM,
        kind: Int { min: 0, max: 3 },
        default: "0",
        scope: Live,
        types: All,
        doc: "security mechanism: 0 NULL, 1 PLAIN, 2 CURVE, 3 GSSAPI",
        ..security::MECHANISM
    },
    OptionSpec {
        name: "PLAIN_SERVER",
        number: number::PLAIN_SERVER,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "PLAIN as the side that asks an authenticator",
        ..security::PLAIN_SERVER
    },
    OptionSpec {
        name: "PLAIN_USERNAME",
        number: number::PLAIN_USERNAME,
        kind: Str { min: 0, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "PLAIN with this name; empty is NULL again",
        ..security::PLAIN_USERNAME
    },
    OptionSpec {
        name: "PLAIN_PASSWORD",
        number: number::PLAIN_PASSWORD,
        kind: Str { min: 0, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "PLAIN with this password; empty is NULL again",
        ..security::PLAIN_PASSWORD
    },
    OptionSpec {
        name: "CURVE_SERVER",
        number: number::CURVE_SERVER,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "CURVE as the side whose key is known",
        ..security::CURVE_SERVER
    },
    OptionSpec {
        name: "CURVE_PUBLICKEY",
        number: number::CURVE_PUBLICKEY,
        kind: Bytes { min: 32, max: 32 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "CURVE: our own public key, 32 bytes",
        ..security::CURVE_PUBLICKEY
    },
    OptionSpec {
        name: "CURVE_SECRETKEY",
        number: number::CURVE_SECRETKEY,
        kind: Bytes { min: 32, max: 32 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "CURVE: our own secret key, 32 bytes",
        ..security::CURVE_SECRETKEY
    },
    OptionSpec {
        name: "CURVE_SERVERKEY",
        number: number::CURVE_SERVERKEY,
        kind: Bytes { min: 32, max: 32 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "CURVE: the server's public key; makes a client, 32 bytes",
        ..security::CURVE_SERVERKEY
    },
    OptionSpec {
        name: "PROBE_ROUTER",
        number: number::PROBE_ROUTER,
        kind: Truth,
        default: "",
        scope: AtEndpoint,
        types: PROBERS,
        doc: "each new peer is sent an empty message",
        ..write_bool!(probe_router)
    },
    OptionSpec {
        name: "REQ_CORRELATE",
        number: number::REQ_CORRELATE,
        kind: Truth,
        default: "",
        scope: Live,
        types: REQS,
        doc: "requests and replies carry a number",
        ..write_bool!(req_correlate)
    },
    OptionSpec {
        name: "REQ_RELAXED",
        number: number::REQ_RELAXED,
        kind: Truth,
        default: "",
        scope: Live,
        types: REQS,
        doc: "a new request may follow one without reply",
        ..write_bool!(req_relaxed)
    },
    OptionSpec {
        name: "CONFLATE",
        number: number::CONFLATE,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "only the newest message is kept",
        ..stored_bool!(conflate)
    },
    OptionSpec {
        name: "ZAP_DOMAIN",
        number: number::ZAP_DOMAIN,
        kind: Str { min: 1, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "what an authenticator is told; with it NULL asks one, too",
        ..stored_bytes!(zap_domain)
    },
    OptionSpec {
        name: "ROUTER_HANDOVER",
        number: number::ROUTER_HANDOVER,
        kind: Truth,
        default: "",
        scope: Live,
        types: ROUTERS,
        doc: "a new peer takes a routing id over from the old one",
        ..write_bool!(router_handover)
    },
    OptionSpec {
        name: "TOS",
        number: number::TOS,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "IP_TOS and IPV6_TCLASS",
        ..stored!(tos, Int, int)
    },
    OptionSpec {
        name: "IPC_FILTER_PID",
        number: number::IPC_FILTER_PID,
        kind: Bytes { min: 0, max: 4 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "a process that may connect over ipc, as the four bytes of its number; adds up, empty clears",
        ..IPC_FILTER_PID
    },
    OptionSpec {
        name: "IPC_FILTER_UID",
        number: number::IPC_FILTER_UID,
        kind: Bytes { min: 0, max: 4 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "a user that may connect over ipc, as the four bytes of its number; adds up, empty clears",
        ..IPC_FILTER_UID
    },
    OptionSpec {
        name: "IPC_FILTER_GID",
        number: number::IPC_FILTER_GID,
        kind: Bytes { min: 0, max: 4 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "a group that may connect over ipc, as the four bytes of its number; adds up, empty clears",
        ..IPC_FILTER_GID
    },
    OptionSpec {
        name: "CONNECT_ROUTING_ID",
        number: number::CONNECT_ROUTING_ID,
        kind: Bytes {
            min: 1,
            max: usize::MAX,
        },
        default: "",
        scope: AtEndpoint,
        types: ROUTING,
        doc: "names the peer of the next connect",
        ..write_bytes!(connect_routing_id)
    },
    OptionSpec {
        name: "GSSAPI_SERVER",
        number: number::GSSAPI_SERVER,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "GSSAPI as the side that is called",
        ..security::GSSAPI_SERVER
    },
    OptionSpec {
        name: "GSSAPI_PRINCIPAL",
        number: number::GSSAPI_PRINCIPAL,
        kind: Str { min: 1, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "GSSAPI: who we are",
        ..security::GSSAPI_PRINCIPAL
    },
    OptionSpec {
        name: "GSSAPI_SERVICE_PRINCIPAL",
        number: number::GSSAPI_SERVICE_PRINCIPAL,
        kind: Str { min: 1, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "GSSAPI: the server that is meant; makes a client",
        ..security::GSSAPI_SERVICE_PRINCIPAL
    },
    OptionSpec {
        name: "GSSAPI_PLAINTEXT",
        number: number::GSSAPI_PLAINTEXT,
        kind: Bool,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "GSSAPI: messages go unencrypted",
        ..stored_bool!(gssapi_plaintext)
    },
    OptionSpec {
        name: "HANDSHAKE_IVL",
        number: number::HANDSHAKE_IVL,
        kind: Kind::at_least(0),
        default: "30000",
        scope: AtEndpoint,
        types: All,
        doc: "ms a handshake may take, 0 for no limit",
        ..stored!(handshake_ivl, Int, int)
    },
    OptionSpec {
        name: "SOCKS_PROXY",
        number: number::SOCKS_PROXY,
        kind: Str { min: 0, max: 1023 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "host:port of a SOCKS5 proxy for tcp connects",
        ..stored_bytes!(socks_proxy)
    },
    OptionSpec {
        name: "XPUB_NODROP",
        number: number::XPUB_NODROP,
        kind: Truth,
        default: "",
        scope: Live,
        types: PUBLISHERS,
        doc: "wait for subscribers whose queue is full instead of dropping for them",
        ..XPUB_NODROP
    },
    OptionSpec {
        name: "XPUB_MANUAL",
        number: number::XPUB_MANUAL,
        kind: Truth,
        default: "",
        scope: Live,
        types: XPUBS,
        doc: "subscriptions are decided by the application",
        ..XPUB_MANUAL
    },
    OptionSpec {
        name: "XPUB_WELCOME_MSG",
        number: number::XPUB_WELCOME_MSG,
        kind: Bytes {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: AtEndpoint,
        types: XPUBS,
        doc: "first message to each new subscriber",
        ..write_bytes!(xpub_welcome_msg)
    },
    OptionSpec {
        name: "STREAM_NOTIFY",
        number: number::STREAM_NOTIFY,
        kind: Bool,
        default: "",
        scope: AtEndpoint,
        types: STREAMS,
        doc: "connects and disconnects show as empty messages",
        ..write_bool!(stream_notify)
    },
    OptionSpec {
        name: "INVERT_MATCHING",
        number: number::INVERT_MATCHING,
        kind: AnyTruth,
        default: "0",
        scope: Live,
        types: All,
        doc: "take what matches no subscription; to be set on both sides",
        ..stored_bool!(invert_matching)
    },
    OptionSpec {
        name: "HEARTBEAT_IVL",
        number: number::HEARTBEAT_IVL,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "ms between heartbeats, 0 for none",
        ..stored!(heartbeat_ivl, Int, int)
    },
    OptionSpec {
        name: "HEARTBEAT_TTL",
        number: number::HEARTBEAT_TTL,
        kind: Int {
            min: -99,
            max: 6_553_599,
        },
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "ms without traffic after which the peer should give up, in steps of 100",
        ..HEARTBEAT_TTL
    },
    OptionSpec {
        name: "HEARTBEAT_TIMEOUT",
        number: number::HEARTBEAT_TIMEOUT,
        kind: Kind::at_least(0),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "ms to wait for traffic after a heartbeat; unset it is HEARTBEAT_IVL",
        ..stored!(heartbeat_timeout, Int, int)
    },
    OptionSpec {
        name: "XPUB_VERBOSER",
        number: number::XPUB_VERBOSER,
        kind: Truth,
        default: "",
        scope: Live,
        types: XPUBS,
        doc: "every subscription and every cancellation is passed on",
        ..XPUB_VERBOSER
    },
    OptionSpec {
        name: "CONNECT_TIMEOUT",
        number: number::CONNECT_TIMEOUT,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "ms an attempt to connect may take, 0 for the system's limit",
        ..stored!(connect_timeout, Int, int)
    },
    OptionSpec {
        name: "TCP_MAXRT",
        number: number::TCP_MAXRT,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "TCP_USER_TIMEOUT in ms, 0 for the system's choice",
        ..stored!(tcp_maxrt, Int, int)
    },
    OptionSpec {
        name: "THREAD_SAFE",
        number: number::THREAD_SAFE,
        kind: Bool,
        default: "0",
        scope: Live,
        types: All,
        doc: "whether several threads may use the socket; not promised for these types",
        ..read_only(|_| Value::Int(0))
    },
    OptionSpec {
        name: "MULTICAST_MAXTPDU",
        number: number::MULTICAST_MAXTPDU,
        kind: Kind::at_least(1),
        default: "1500",
        scope: AtEndpoint,
        types: All,
        doc: "multicast: most bytes of a packet",
        ..stored!(multicast_maxtpdu, Int, int)
    },
    OptionSpec {
        name: "USE_FD",
        number: number::USE_FD,
        kind: Kind::at_least(-1),
        default: "-1",
        scope: AtEndpoint,
        types: All,
        doc: "a listening descriptor to use in place of a new one",
        ..stored!(use_fd, Int, int)
    },
    OptionSpec {
        name: "GSSAPI_PRINCIPAL_NAMETYPE",
        number: number::GSSAPI_PRINCIPAL_NAMETYPE,
        kind: Int { min: 0, max: 2 },
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "GSSAPI: our name is 0 host-based, 1 a user, 2 a principal of Kerberos",
        ..security::GSSAPI_PRINCIPAL_NAMETYPE
    },
    OptionSpec {
        name: "GSSAPI_SERVICE_PRINCIPAL_NAMETYPE",
        number: number::GSSAPI_SERVICE_PRINCIPAL_NAMETYPE,
        kind: Int { min: 0, max: 2 },
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "GSSAPI: the same of the name of the server",
        ..security::GSSAPI_SERVICE_PRINCIPAL_NAMETYPE
    },
    OptionSpec {
        name: "BINDTODEVICE",
        number: number::BINDTODEVICE,
        kind: Str { min: 0, max: 16 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "SO_BINDTODEVICE: the one interface to use",
        ..stored_bytes!(bindtodevice)
    },
    OptionSpec {
        name: "ZAP_ENFORCE_DOMAIN",
        number: number::ZAP_ENFORCE_DOMAIN,
        kind: AnyTruth,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "with a domain and without an authenticator nobody comes in",
        ..stored_bool!(zap_enforce_domain)
    },
    OptionSpec {
        name: "LOOPBACK_FASTPATH",
        number: number::LOOPBACK_FASTPATH,
        kind: AnyTruth,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "of Windows alone: no effect elsewhere",
        ..stored_bool!(loopback_fastpath)
    },
    OptionSpec {
        name: "METADATA",
        number: number::METADATA,
        kind: Str {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "`X-name:value`, a property told to peers; adds up, the first of a name counts",
        ..METADATA
    },
    OptionSpec {
        name: "MULTICAST_LOOP",
        number: number::MULTICAST_LOOP,
        kind: AnyTruth,
        default: "1",
        scope: AtEndpoint,
        types: All,
        doc: "multicast: whether this host hears itself; pgm and epgm: only if it was set to 1",
        ..both(
            |o| Value::from(o.multicast_loop.unwrap_or(true)),
            |o, v| {
                o.multicast_loop = Some(v.int()? != 0);
                Ok(())
            },
        )
    },
    OptionSpec {
        name: "ROUTER_NOTIFY",
        number: number::ROUTER_NOTIFY,
        kind: Int { min: 0, max: 3 },
        default: "0",
        scope: AtEndpoint,
        types: ROUTERS,
        doc: "1 connects, 2 disconnects show as empty messages; a sum",
        ..stored!(router_notify, Int, int)
    },
    OptionSpec {
        name: "XPUB_MANUAL_LAST_VALUE",
        number: number::XPUB_MANUAL_LAST_VALUE,
        kind: Truth,
        default: "",
        scope: Live,
        types: XPUBS,
        doc: "manual, and the next message goes to the last subscriber alone",
        ..XPUB_MANUAL_LAST_VALUE
    },
    OptionSpec {
        name: "SOCKS_USERNAME",
        number: number::SOCKS_USERNAME,
        kind: Str { min: 0, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "name towards the SOCKS5 proxy",
        ..stored_bytes!(socks_username)
    },
    OptionSpec {
        name: "SOCKS_PASSWORD",
        number: number::SOCKS_PASSWORD,
        kind: Str { min: 0, max: 255 },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "password towards the SOCKS5 proxy",
        ..security::SOCKS_PASSWORD
    },
    OptionSpec {
        name: "IN_BATCH_SIZE",
        number: number::IN_BATCH_SIZE,
        kind: Kind::at_least(1),
        default: "8192",
        scope: AtEndpoint,
        types: All,
        doc: "most bytes to read at once; the default leaves it to us",
        ..stored!(in_batch_size, Int, int)
    },
    OptionSpec {
        name: "OUT_BATCH_SIZE",
        number: number::OUT_BATCH_SIZE,
        kind: Kind::at_least(1),
        default: "8192",
        scope: AtEndpoint,
        types: All,
        doc: "most bytes to write at once; the default leaves it to us",
        ..stored!(out_batch_size, Int, int)
    },
    OptionSpec {
        name: "ONLY_FIRST_SUBSCRIBE",
        number: number::ONLY_FIRST_SUBSCRIBE,
        kind: Truth,
        default: "",
        scope: Live,
        types: FORWARDERS,
        doc: "only a first part can be a subscription",
        ..write_bool!(only_first_subscribe)
    },
    OptionSpec {
        name: "RECONNECT_STOP",
        number: number::RECONNECT_STOP,
        kind: Kind::at_least(i32::MIN),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "give up when 1 refused, 2 the handshake failed, 4 disconnected; a sum",
        ..stored!(reconnect_stop, Int, int)
    },
    OptionSpec {
        name: "HELLO_MSG",
        number: number::HELLO_MSG,
        kind: Bytes {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "first message on every connection",
        ..write_bytes!(hello_msg)
    },
    OptionSpec {
        name: "DISCONNECT_MSG",
        number: number::DISCONNECT_MSG,
        kind: Bytes {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "delivered here when a peer that was accepted goes",
        ..write_bytes!(disconnect_msg)
    },
    OptionSpec {
        name: "PRIORITY",
        number: number::PRIORITY,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "SO_PRIORITY",
        ..stored!(priority, Int, int)
    },
    OptionSpec {
        name: "BUSY_POLL",
        number: number::BUSY_POLL,
        kind: Kind::at_least(i32::MIN),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "SO_BUSY_POLL in microseconds",
        ..stored!(busy_poll, Int, int)
    },
    OptionSpec {
        name: "HICCUP_MSG",
        number: number::HICCUP_MSG,
        kind: Bytes {
            min: 0,
            max: usize::MAX,
        },
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "delivered here when a connection that was made is lost",
        ..write_bytes!(hiccup_msg)
    },
    OptionSpec {
        name: "XSUB_VERBOSE_UNSUBSCRIBE",
        number: number::XSUB_VERBOSE_UNSUBSCRIBE,
        kind: Truth,
        default: "",
        scope: Live,
        types: XSUBS,
        doc: "every cancellation is sent to the publishers",
        ..write_bool!(xsub_verbose_unsubscribe)
    },
    OptionSpec {
        name: "TOPICS_COUNT",
        number: number::TOPICS_COUNT,
        kind: Kind::at_least(0),
        default: "",
        scope: Live,
        types: PUB_SUB,
        doc: "how many different subscriptions there are",
        ..engine(Direction::Get)
    },
    OptionSpec {
        name: "MAX_CONNECTIONS",
        number: number::MAX_CONNECTIONS,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "most connections of a listener at once, 0 for no limit",
        ..stored!(max_connections, Int, int)
    },
    OptionSpec {
        name: "MAX_CONNECTIONS_PER_ADDRESS",
        number: number::MAX_CONNECTIONS_PER_ADDRESS,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "the same of connections from one address",
        ..stored!(max_connections_per_address, Int, int)
    },
    OptionSpec {
        name: "MAX_HANDSHAKE_SIZE",
        number: number::MAX_HANDSHAKE_SIZE,
        kind: Kind::at_least(512),
        default: "65536",
        scope: AtEndpoint,
        types: All,
        doc: "most bytes of commands a peer may send in its handshake",
        ..stored!(max_handshake_size, Int, int)
    },
    OptionSpec {
        name: "MAX_METADATA_SIZE",
        number: number::MAX_METADATA_SIZE,
        kind: Kind::at_least(64),
        default: "8192",
        scope: AtEndpoint,
        types: All,
        doc: "most bytes of properties a peer may send in its handshake",
        ..stored!(max_metadata_size, Int, int)
    },
    OptionSpec {
        name: "MAX_SUBSCRIPTIONS",
        number: number::MAX_SUBSCRIPTIONS,
        kind: Kind::at_least(0),
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "most subscriptions a peer may have, 0 for no limit",
        ..stored!(max_subscriptions, Int, int)
    },
    OptionSpec {
        name: "MAX_SUBSCRIPTION_BYTES",
        number: number::MAX_SUBSCRIPTION_BYTES,
        kind: I64,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "most bytes of all subscriptions of a peer, not above 0 for no limit",
        ..stored!(max_subscription_bytes, I64, i64)
    },
    OptionSpec {
        name: "MAX_MULTIPART_SIZE",
        number: number::MAX_MULTIPART_SIZE,
        kind: I64,
        default: "0",
        scope: AtEndpoint,
        types: All,
        doc: "most bytes of all parts of a message from a peer, not above 0 for no limit",
        ..stored!(max_multipart_size, I64, i64)
    },
];

const PUBLISHERS: Types = Only(&[SocketType::Pub, SocketType::Xpub, SocketType::Radio]);
const SUBSCRIBERS: Types = Only(&[SocketType::Sub, SocketType::Xpub]);
const PUB_SUB: Types = Only(&[
    SocketType::Pub,
    SocketType::Sub,
    SocketType::Xpub,
    SocketType::Xsub,
]);

const ROUTERS: Types = Only(&[SocketType::Router]);
const ROUTING: Types = Only(&[SocketType::Router, SocketType::Stream]);
const PROBERS: Types = Only(&[SocketType::Req, SocketType::Dealer, SocketType::Router]);
const REQS: Types = Only(&[SocketType::Req]);
const XPUBS: Types = Only(&[SocketType::Xpub, SocketType::Pub]);
const XSUBS: Types = Only(&[SocketType::Xsub]);
const FORWARDERS: Types = Only(&[SocketType::Xpub, SocketType::Pub, SocketType::Xsub]);
const STREAMS: Types = Only(&[SocketType::Stream]);

/// The newest wish counts: verbose alone is not verboser.
const XPUB_VERBOSE: OptionSpec = write_only(|o, v| {
    o.xpub_verbose = v.int()? != 0;
    o.xpub_verboser = false;
    Ok(())
});

const XPUB_VERBOSER: OptionSpec = write_only(|o, v| {
    o.xpub_verboser = v.int()? != 0;
    o.xpub_verbose = o.xpub_verboser;
    Ok(())
});

const XPUB_MANUAL: OptionSpec = write_only(|o, v| {
    o.xpub_manual = v.int()? != 0;
    Ok(())
});

const XPUB_MANUAL_LAST_VALUE: OptionSpec = write_only(|o, v| {
    o.xpub_manual = v.int()? != 0;
    o.xpub_manual_last_value = o.xpub_manual;
    Ok(())
});

const IPV4ONLY: OptionSpec = both(
    |o| Value::from(!o.ipv6),
    |o, v| {
        o.ipv6 = v.int()? == 0;
        Ok(())
    },
);

const XPUB_NODROP: OptionSpec = write_only(|o, v| {
    o.xpub_nodrop = v.int()? != 0;
    Ok(())
});

/// Travels in tenths of a second.
const HEARTBEAT_TTL: OptionSpec = both(
    |o| Value::Int(o.heartbeat_ttl),
    |o, v| {
        o.heartbeat_ttl = v.int()? / 100 * 100;
        Ok(())
    },
);

const TCP_ACCEPT_FILTER: OptionSpec = write_only(|o, v| {
    if v == Value::from("") {
        o.tcp_accept_filter.clear();
        return Ok(());
    }
    let text = v.text()?;
    let network = text
        .parse()
        .map_err(|_bad: InvalidNetwork| OptionError::OutOfRange)?;
    o.tcp_accept_filter.push(network);
    Ok(())
});

const IPC_FILTER_PID: OptionSpec = write_only(|o, v| {
    match id(v)? {
        Some(id) => o.ipc_filter_pid.push(id),
        None => o.ipc_filter_pid.clear(),
    }
    Ok(())
});

const IPC_FILTER_UID: OptionSpec = write_only(|o, v| {
    match id(v)? {
        Some(id) => o.ipc_filter_uid.push(id.cast_unsigned()),
        None => o.ipc_filter_uid.clear(),
    }
    Ok(())
});

const IPC_FILTER_GID: OptionSpec = write_only(|o, v| {
    match id(v)? {
        Some(id) => o.ipc_filter_gid.push(id.cast_unsigned()),
        None => o.ipc_filter_gid.clear(),
    }
    Ok(())
});

/// Four bytes as the system writes them, or none.
#[expect(
    clippy::host_endian_bytes,
    reason = "memory of this process, not a wire"
)]
fn id(value: Value) -> Result<Option<i32>, OptionError> {
    let bytes = value.bytes()?;
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => Ok(Some(i32::from_ne_bytes(bytes))),
        Err(_length) if bytes.is_empty() => Ok(None),
        Err(_length) => Err(OptionError::OutOfRange),
    }
}

const METADATA: OptionSpec = write_only(|o, v| {
    let text = v.text()?;
    let (name, value) = text.split_once(':').ok_or(OptionError::OutOfRange)?;
    if !name.starts_with("X-") || name.len() > 255 || value.is_empty() {
        return Err(OptionError::OutOfRange);
    }
    o.metadata
        .entry(name.to_owned())
        .or_insert_with(|| value.into());
    Ok(())
});

type Get = Getter<SocketOptions>;
type Set = Setter<SocketOptions>;

pub(super) const fn both(get: Get, set: Set) -> OptionSpec {
    blank(Direction::Both, Handled::Here, Some(get), Some(set))
}

pub(super) const fn read_only(get: Get) -> OptionSpec {
    blank(Direction::Get, Handled::Here, Some(get), None)
}

pub(super) const fn write_only(set: Set) -> OptionSpec {
    blank(Direction::Set, Handled::Here, None, Some(set))
}

const fn engine(direction: Direction) -> OptionSpec {
    blank(direction, Handled::ByEngine, None, None)
}

/// How an option is reached; the row says the rest.
const fn blank(
    direction: Direction,
    handled: Handled,
    get: Option<Get>,
    set: Option<Set>,
) -> OptionSpec {
    OptionSpec {
        name: "",
        number: 0,
        direction,
        kind: Bool,
        default: "",
        scope: AtEndpoint,
        types: All,
        doc: "",
        handled,
        get,
        set,
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
