// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of a context, values and table.

use std::collections::BTreeSet;

use crate::option::number::context as number;
use crate::option::socket::SocketOptions;
use crate::option::spec::Scope::{AtSocket, BeforeSockets};
use crate::option::spec::{
    Direction, Getter, Handled, Kind, OptionError, OptionKey, OptionSpec, Setter, Types, Value,
};
use crate::socket_type::SocketType;

/// All options of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextOptions {
    /// How many I/O threads; with 0 only inproc works.
    pub io_threads: i32,
    /// How many sockets at once.
    pub max_sockets: i32,
    /// Scheduling priority of the I/O threads; -1 leaves it to the system.
    pub thread_priority: i32,
    /// Scheduling policy of the I/O threads; -1 leaves it to the system.
    pub thread_sched_policy: i32,
    /// The CPUs the I/O threads may run on; empty is all.
    pub thread_affinity: BTreeSet<i32>,
    /// What the names of the I/O threads start with.
    pub thread_name_prefix: String,
    /// Greatest message size; kept, but not enforced.
    pub max_msgsz: i32,
    /// Received messages may refer to larger buffers.
    pub zero_copy_recv: bool,
    /// New sockets allow IPv6.
    pub ipv6: bool,
    /// New sockets linger for ever.
    pub blocky: bool,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self {
            io_threads: 1,
            max_sockets: 1023,
            thread_priority: -1,
            thread_sched_policy: -1,
            thread_affinity: BTreeSet::new(),
            thread_name_prefix: String::new(),
            max_msgsz: i32::MAX,
            zero_copy_recv: true,
            ipv6: false,
            blocky: true,
        }
    }
}

#[expect(
    single_use_lifetimes,
    reason = "impl Trait in an argument cannot elide them"
)]
impl ContextOptions {
    /// The most sockets that `max_sockets` is meant to ask for.
    pub const SOCKET_LIMIT: i32 = 65_535;
    /// The size of a message.
    pub const MSG_T_SIZE: i32 = 64;

    /// Sets an option by name or number. On an error nothing has changed.
    pub fn set<'a>(
        &mut self,
        key: impl Into<OptionKey<'a>>,
        value: impl Into<Value>,
    ) -> Result<(), OptionError> {
        let spec = OptionSpec::find(CONTEXT_OPTIONS, key.into(), Direction::Get)?;
        let mut value = value.into();
        if let (Kind::Str { .. }, Value::Int(number @ 0..)) = (spec.kind, &value) {
            // zmq_ctx_set has numbers only, so a prefix may be one.
            value = Value::from(number.to_string().as_str());
        }
        spec.write(self, value)
    }

    /// Reads an option by name or number.
    pub fn get<'a>(&self, key: impl Into<OptionKey<'a>>) -> Result<Value, OptionError> {
        OptionSpec::find(CONTEXT_OPTIONS, key.into(), Direction::Set)?.read(self)
    }

    /// What a new socket of a type starts with in this context.
    pub fn socket_defaults(&self, socket_type: SocketType) -> SocketOptions {
        let mut options = SocketOptions::for_type(socket_type);
        options.ipv6 = self.ipv6;
        if !self.blocky {
            options.linger = 0;
        }
        options
    }
}

/// A field that holds the value as it is.
macro_rules! stored {
    ($field:ident) => {
        both(
            |o| Value::Int(o.$field),
            |o, v| {
                o.$field = v.int()?;
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

/// The context options there are, in the order of their numbers. Number 3 is one option to read
/// and another one to set.
pub static CONTEXT_OPTIONS: &[OptionSpec<ContextOptions>] = &[
    OptionSpec {
        name: "IO_THREADS",
        number: number::IO_THREADS,
        kind: Kind::at_least(0),
        default: "1",
        doc: "how many I/O threads; with 0 only inproc works",
        ..stored!(io_threads)
    },
    OptionSpec {
        name: "MAX_SOCKETS",
        number: number::MAX_SOCKETS,
        kind: Kind::at_least(1),
        default: "1023",
        doc: "how many sockets there may be at once",
        ..stored!(max_sockets)
    },
    OptionSpec {
        name: "SOCKET_LIMIT",
        number: number::SOCKET_LIMIT,
        kind: Kind::at_least(1),
        default: "65535",
        doc: "the most that MAX_SOCKETS is meant for",
        ..read_only(|_| Value::Int(ContextOptions::SOCKET_LIMIT))
    },
    OptionSpec {
        name: "THREAD_PRIORITY",
        number: number::THREAD_PRIORITY,
        kind: Kind::at_least(0),
        doc: "scheduling priority of the I/O threads",
        ..write_only(|o, v| {
            o.thread_priority = v.int()?;
            Ok(())
        })
    },
    OptionSpec {
        name: "THREAD_SCHED_POLICY",
        number: number::THREAD_SCHED_POLICY,
        kind: Kind::at_least(0),
        default: "-1",
        doc: "scheduling policy of the I/O threads",
        ..stored!(thread_sched_policy)
    },
    OptionSpec {
        name: "MAX_MSGSZ",
        number: number::MAX_MSGSZ,
        kind: Kind::at_least(0),
        default: "2147483647",
        scope: AtSocket,
        doc: "greatest message size; kept, but not enforced",
        ..stored!(max_msgsz)
    },
    OptionSpec {
        name: "MSG_T_SIZE",
        number: number::MSG_T_SIZE,
        kind: Kind::at_least(0),
        default: "64",
        doc: "size of a message in memory",
        ..read_only(|_| Value::Int(ContextOptions::MSG_T_SIZE))
    },
    OptionSpec {
        name: "THREAD_AFFINITY_CPU_ADD",
        number: number::THREAD_AFFINITY_CPU_ADD,
        kind: Kind::at_least(0),
        doc: "allows the I/O threads a CPU; the first one forbids all others",
        ..write_only(|o, v| {
            o.thread_affinity.insert(v.int()?);
            Ok(())
        })
    },
    OptionSpec {
        name: "THREAD_AFFINITY_CPU_REMOVE",
        number: number::THREAD_AFFINITY_CPU_REMOVE,
        kind: Kind::at_least(0),
        doc: "takes an allowed CPU back",
        ..write_only(|o, v| {
            let known = o.thread_affinity.remove(&v.int()?);
            if known {
                Ok(())
            } else {
                Err(OptionError::OutOfRange)
            }
        })
    },
    OptionSpec {
        name: "THREAD_NAME_PREFIX",
        number: number::THREAD_NAME_PREFIX,
        kind: Kind::Str { min: 1, max: 16 },
        doc: "what the names of the I/O threads start with; a number will do",
        ..both(
            |o| Value::from(o.thread_name_prefix.as_str()),
            |o, v| {
                o.thread_name_prefix = v.text()?;
                Ok(())
            },
        )
    },
    OptionSpec {
        name: "ZERO_COPY_RECV",
        number: number::ZERO_COPY_RECV,
        kind: Kind::Truth,
        default: "1",
        scope: AtSocket,
        doc: "received messages may refer to larger buffers",
        ..stored_bool!(zero_copy_recv)
    },
    OptionSpec {
        name: "IPV6",
        number: number::IPV6,
        kind: Kind::Truth,
        default: "0",
        scope: AtSocket,
        doc: "new sockets use IPv6 as well",
        ..stored_bool!(ipv6)
    },
    OptionSpec {
        name: "BLOCKY",
        number: number::BLOCKY,
        kind: Kind::Truth,
        default: "1",
        scope: AtSocket,
        doc: "new sockets linger for ever, otherwise not at all",
        ..stored_bool!(blocky)
    },
];

type Get = Getter<ContextOptions>;
type Set = Setter<ContextOptions>;

const fn both(get: Get, set: Set) -> OptionSpec<ContextOptions> {
    blank(Direction::Both, Some(get), Some(set))
}

const fn read_only(get: Get) -> OptionSpec<ContextOptions> {
    blank(Direction::Get, Some(get), None)
}

const fn write_only(set: Set) -> OptionSpec<ContextOptions> {
    blank(Direction::Set, None, Some(set))
}

/// How an option is reached; the row says the rest.
const fn blank(
    direction: Direction,
    get: Option<Get>,
    set: Option<Set>,
) -> OptionSpec<ContextOptions> {
    OptionSpec {
        name: "",
        number: 0,
        direction,
        kind: Kind::Bool,
        default: "",
        scope: BeforeSockets,
        types: Types::All,
        doc: "",
        handled: Handled::Here,
        get,
        set,
    }
}
