// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options: one table for sockets, one for contexts.
//!
//! | module | holds |
//! |---|---|
//! | [`number`] | the numbers of the C interface |
//! | `security` | the rows of mechanisms and authenticators |
//! | `socket` | [`SocketOptions`]: the values of a socket |
//! | `table` | [`OPTIONS`]: one row per socket option |
//! | `context` | [`ContextOptions`] and [`CONTEXT_OPTIONS`] |
//! | `spec` | [`OptionSpec`]: what a row says, and how a value is judged by it |
//!
//! A row says everything: name, number, direction, kind and range, default, when a change counts,
//! and how to read and write it. Range checks, defaults and documentation come from there.

mod context;
pub mod number;
mod security;
mod socket;
mod spec;
mod table;

pub use context::{CONTEXT_OPTIONS, ContextOptions};
pub use security::{CurveKey, Mechanism, PrincipalNameType};
pub use socket::SocketOptions;
pub use spec::{
    Direction, Getter, Handled, Kind, OptionError, OptionKey, OptionSpec, Scope, Setter, Types,
    Value,
};
pub use table::OPTIONS;
