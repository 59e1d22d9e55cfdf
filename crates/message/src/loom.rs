// SPDX-License-Identifier: MIT OR Apache-2.0
//! The only place that names atomics: std's, or loom's under `--cfg loom`.
//!
//! Type aliases and not re-exports, because clippy's ban looks through the latter.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicUsize, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::fence;

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(loom))]
#[expect(
    clippy::disallowed_types,
    reason = "this is the alias everybody else uses"
)]
pub(crate) type AtomicUsize = std::sync::atomic::AtomicUsize;

/// The flag byte inside a message: always std's, because loom's would not fit into the 64 bytes.
/// Nothing is ordered by it.
#[expect(
    clippy::disallowed_types,
    reason = "this is the alias everybody else uses"
)]
pub(crate) type FlagByte = std::sync::atomic::AtomicU8;

/// Always std's: one pointer wide, which loom's is not, and not what the models look at.
#[expect(
    clippy::disallowed_types,
    reason = "this is the alias everybody else uses"
)]
pub(crate) type Arc<T> = std::sync::Arc<T>;
