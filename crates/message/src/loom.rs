// SPDX-License-Identifier: MIT OR Apache-2.0
//! The only place that names atomics: std's, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
#[expect(clippy::disallowed_types, reason = "this is the alias everybody else uses")]
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// The flag byte inside a message: always std's, because loom's would not fit into the 64 bytes.
/// Nothing is ordered by it.
#[expect(clippy::disallowed_types, reason = "this is the alias everybody else uses")]
pub(crate) use std::sync::atomic::{AtomicU8 as FlagByte, Ordering as FlagOrdering};

/// One pointer wide, which loom's is not; the metadata handle is not what the models look at.
#[expect(clippy::disallowed_types, reason = "this is the alias everybody else uses")]
pub(crate) use std::sync::Arc;
