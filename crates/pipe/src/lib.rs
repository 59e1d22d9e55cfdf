// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wire queues: what lies between an application thread and whoever moves its bytes.
//!
//! 1. [`outbound`]: frames in ([`Writer`]), bytes out ([`Drain`]): towards a connection
//! 2. [`inbound`]: bytes in ([`Fill`]), whole messages out ([`Reader`]): from a connection
//! 3. [`inproc`]: frames in, whole messages out: between two sockets of a process
//! 4. [`Pipe`] and [`Pipes`]: the application's ends of a socket's queues, as patterns see them
//! 5. [`TryLock`], [`BiasedLock`], [`Arming`], [`WakeSlot`], [`Mailbox`]: how threads meet
//!
//! The protocol between the ends is described in `ARCHITECTURE.md` and checked with loom
//! (`cargo xtask loom`).
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one SAFETY argument covers one step over a chunk, which takes several reads"
)]

mod arming;
mod assembly;
mod biased_lock;
mod chunk;
mod drain;
mod emptied;
mod fan_out;
mod fill;
mod log;
mod loom;
#[cfg(all(test, loom))]
mod loom_models;
mod mailbox;
mod pipes;
mod pool;
mod queue;
mod reader;
#[cfg(all(test, not(loom)))]
mod tests;
mod try_lock;
mod wake;
mod writer;

pub use arming::Arming;
pub use assembly::{Assembly, BEGINNING};
pub use biased_lock::{BiasedLock, Way};
pub use drain::{Drain, Finished, SLICES};
pub use emptied::Emptied;
pub use fan_out::Logged;
pub use fill::{BY_REFERENCE_IN, Fill, FillFault, Seen};
pub use mailbox::Mailbox;
pub use pipes::{Outgoing, Peer, Pipe, PipeId, Pipes};
pub use pool::{Pool, Stock};
pub use queue::{inbound, inproc, outbound};
pub use reader::{CommandFrame, Reader};
pub use try_lock::{Guard, TryLock};
pub use wake::{Bell, WakeSlot, interest};
pub use writer::{BY_REFERENCE_INPROC, BY_REFERENCE_OUT, MOVED_INPROC, Writer};

/// A full fence, loom's when loom is looking.
pub(crate) fn loom_fence() {
    #[cfg(loom)]
    ::loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    #[cfg(not(loom))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}
