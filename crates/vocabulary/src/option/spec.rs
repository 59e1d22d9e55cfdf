// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a row of an option table says, and how a value is judged by it.

use std::error::Error;
use std::fmt;

use crate::error::Code;
use crate::option::SocketOptions;
use crate::socket_type::SocketType;

/// One row of an option table; `O` is the struct that holds the values.
#[derive(Clone, Copy)]
pub struct OptionSpec<O: 'static = SocketOptions> {
    /// Name of the C interface without its prefix: `"SNDHWM"`.
    pub name: &'static str,
    /// Number of the C interface.
    pub number: i32,
    /// Whether it may be set, read, or both.
    pub direction: Direction,
    /// What values it takes.
    pub kind: Kind,
    /// The default as text; empty where there is none.
    pub default: &'static str,
    /// When a change counts.
    pub scope: Scope,
    /// Which sockets have it.
    pub types: Types,
    /// What it does, in a line.
    pub doc: &'static str,
    /// Who knows the value.
    pub handled: Handled,
    /// How to read it.
    pub get: Option<Getter<O>>,
    /// How to write a value that [`Kind::check`] has accepted.
    pub set: Option<Setter<O>>,
}

/// Reads an option.
pub type Getter<O> = fn(&O) -> Value;
/// Writes an option.
pub type Setter<O> = fn(&mut O, Value) -> Result<(), OptionError>;

impl<O> OptionSpec<O> {
    /// Judges a value and writes it. On an error nothing has changed.
    pub fn write(&self, options: &mut O, value: Value) -> Result<(), OptionError> {
        self.check(&value)?;
        match self.set {
            Some(set) => set(options, value),
            None => Err(OptionError::ByEngine),
        }
    }

    /// Judges a value: may the option be set, and to this?
    pub fn check(&self, value: &Value) -> Result<(), OptionError> {
        if self.direction == Direction::Get {
            return Err(OptionError::ReadOnly);
        }
        self.kind.check(value)
    }

    /// Reads the value.
    pub fn read(&self, options: &O) -> Result<Value, OptionError> {
        if self.direction == Direction::Set {
            return Err(OptionError::WriteOnly);
        }
        self.get
            .map(|get| get(options))
            .ok_or(OptionError::ByEngine)
    }

    /// The row of a name or number, among those that may be used in this direction if several have
    /// the number.
    pub(crate) fn find<'t>(
        table: &'t [Self],
        key: OptionKey<'_>,
        wrong: Direction,
    ) -> Result<&'t Self, OptionError> {
        let begin = match key {
            OptionKey::Name(name) => {
                let named = |row: &Self| row.name.eq_ignore_ascii_case(name);
                table.iter().position(named).unwrap_or(table.len())
            }
            // Bindings ask with every message; the table is in the order of numbers.
            OptionKey::Number(number) => table.partition_point(|row| row.number < number),
        };
        let mut rows = table[begin..].iter().take_while(|row| match key {
            OptionKey::Name(name) => row.name.eq_ignore_ascii_case(name),
            OptionKey::Number(number) => row.number == number,
        });
        let first = rows.clone().next().ok_or(OptionError::Unknown)?;
        Ok(rows.find(|row| row.direction != wrong).unwrap_or(first))
    }
}

impl<O> fmt::Debug for OptionSpec<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionSpec")
            .field("name", &self.name)
            .field("number", &self.number)
            .field("direction", &self.direction)
            .field("kind", &self.kind)
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}

/// What may be done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Read only.
    Get,
    /// Write only.
    Set,
    /// Both.
    Both,
}

/// What values an option takes. The ends of all ranges are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An `int` in a range.
    Int {
        /// The least.
        min: i32,
        /// The greatest.
        max: i32,
    },
    /// An `int` that is 0 or 1 and nothing else.
    Bool,
    /// An `int` that is 0 for no, and any positive number for yes.
    Truth,
    /// An `int` that is 0 for no, and any other number for yes.
    AnyTruth,
    /// A `uint64_t`.
    U64,
    /// An `int64_t`.
    I64,
    /// Bytes, so many.
    Bytes {
        /// The least length.
        min: usize,
        /// The greatest length.
        max: usize,
    },
    /// Text, so many bytes; C reads it with a NUL behind it.
    Str {
        /// The least length.
        min: usize,
        /// The greatest length.
        max: usize,
    },
}

impl Kind {
    /// An `int`, no less than this.
    pub const fn at_least(min: i32) -> Self {
        Self::Int { min, max: i32::MAX }
    }

    /// Whether the value is of this kind and in range.
    pub fn check(&self, value: &Value) -> Result<(), OptionError> {
        let in_range = match (self, value) {
            (Self::Int { min, max }, Value::Int(value)) => (min..=max).contains(&value),
            (Self::Bool, Value::Int(value)) => matches!(value, 0 | 1),
            (Self::Truth, Value::Int(value)) => *value >= 0,
            (Self::AnyTruth, Value::Int(_))
            | (Self::U64, Value::U64(_))
            | (Self::I64, Value::I64(_)) => true,
            (Self::Bytes { min, max } | Self::Str { min, max }, Value::Bytes(bytes)) => {
                (*min..=*max).contains(&bytes.len())
            }
            _ => return Err(OptionError::WrongKind),
        };
        if in_range {
            Ok(())
        } else {
            Err(OptionError::OutOfRange)
        }
    }

    /// Reads a value of this kind from text, as on a command line. The range is not checked.
    pub fn parse(&self, text: &str) -> Result<Value, OptionError> {
        let bad = OptionError::WrongKind;
        match self {
            Self::Int { .. } | Self::Bool | Self::Truth | Self::AnyTruth => {
                text.parse().map(Value::Int).map_err(|_not_a_number| bad)
            }
            Self::U64 => text.parse().map(Value::U64).map_err(|_not_a_number| bad),
            Self::I64 => text.parse().map(Value::I64).map_err(|_not_a_number| bad),
            Self::Bytes { .. } | Self::Str { .. } => Ok(Value::Bytes(text.into())),
        }
    }
}

/// When a change of an option counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// At once.
    Live,
    /// For endpoints bound or connected afterwards.
    AtEndpoint,
    /// For sockets made afterwards.
    AtSocket,
    /// Only before the first socket is made.
    BeforeSockets,
}

/// Which sockets have an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// All.
    All,
    /// Only these.
    Only(&'static [SocketType]),
}

impl Types {
    /// Whether sockets of this type have the option.
    pub fn contains(&self, socket_type: SocketType) -> bool {
        match self {
            Self::All => true,
            Self::Only(types) => types.contains(&socket_type),
        }
    }
}

/// Who knows the value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// The struct of options.
    Here,
    /// The engine: the value is not stored but found out, or acts when it is set.
    ByEngine,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An `int`; 0 and 1 for no and yes.
    Int(i32),
    /// A `uint64_t`.
    U64(u64),
    /// An `int64_t`.
    I64(i64),
    /// Bytes or text.
    Bytes(Vec<u8>),
}

impl Value {
    pub(crate) fn int(self) -> Result<i32, OptionError> {
        if let Self::Int(value) = self {
            Ok(value)
        } else {
            Err(OptionError::WrongKind)
        }
    }

    pub(crate) fn u64(self) -> Result<u64, OptionError> {
        if let Self::U64(value) = self {
            Ok(value)
        } else {
            Err(OptionError::WrongKind)
        }
    }

    pub(crate) fn i64(self) -> Result<i64, OptionError> {
        if let Self::I64(value) = self {
            Ok(value)
        } else {
            Err(OptionError::WrongKind)
        }
    }

    pub(crate) fn bytes(self) -> Result<Vec<u8>, OptionError> {
        if let Self::Bytes(value) = self {
            Ok(value)
        } else {
            Err(OptionError::WrongKind)
        }
    }

    /// Text; NUL bytes at its end, which C programs like to pass, do not belong to it.
    pub(crate) fn text(self) -> Result<String, OptionError> {
        let mut bytes = self.bytes()?;
        while bytes.pop_if(|last| *last == 0).is_some() {}
        if bytes.contains(&0) {
            return Err(OptionError::OutOfRange);
        }
        String::from_utf8(bytes).map_err(|_not_text| OptionError::OutOfRange)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Bytes(value.into())
    }
}

/// How to name an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKey<'a> {
    /// By its name, in capitals or not.
    Name(&'a str),
    /// By its number in the C interface.
    Number(i32),
}

impl<'a> From<&'a str> for OptionKey<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl From<i32> for OptionKey<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number)
    }
}

/// Why an option could not be set or read. For C all are EINVAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptionError {
    /// The engine knows the value, not the table: ask there.
    ByEngine,
    /// The value is of the right kind, but not one that the option takes.
    OutOfRange,
    /// The option can only be read.
    ReadOnly,
    /// No such option, or not for this kind of socket.
    Unknown,
    /// An `int` where bytes are due, or the other way round.
    WrongKind,
    /// The option can only be set.
    WriteOnly,
}

impl OptionError {
    /// The error code.
    pub const fn code(self) -> Code {
        Code::Invalid
    }
}

impl From<OptionError> for Code {
    fn from(error: OptionError) -> Self {
        error.code()
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByEngine => "the engine knows this option",
            Self::OutOfRange => "the option does not take this value",
            Self::ReadOnly => "the option can only be read",
            Self::Unknown => "no such option",
            Self::WrongKind => "the option takes another kind of value",
            Self::WriteOnly => "the option can only be set",
        })
    }
}

impl Error for OptionError {}
