// SPDX-License-Identifier: MIT OR Apache-2.0
//! One ZeroMQ message frame, and how it looks on the wire.
//!
//! | module | holds |
//! |---|---|
//! | `message` | [`Message`]: 64 bytes, 8-aligned, bytewise movable |
//! | `convert` | what turns into a message and what it compares with |
//! | `storage` | reference-counted payloads: heap blocks and foreign owners |
//! | `foreign` | calling the owner of foreign bytes |
//! | `buffer` | [`Buffer`]: a block that grows while a large frame arrives |
//! | `group` | the RADIO/DISH group of a message |
//! | `metadata` | [`Metadata`]: what is known about the connection a message came from |
//! | `spare` | references to it that a thread has let go of and will take again |
//! | `multipart` | [`Multipart`]: the frames of one message |
//! | [`frame`] | the frame header of ZMTP 2.0 to 3.1 |
//!
//! No I/O, no clock, no threads: only reference counts are shared.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the 64-byte layout of a message is drawn for 64-bit pointers");

mod buffer;
mod convert;
mod error;
mod foreign;
pub mod frame;
mod group;
mod inline;
mod loom;
mod message;
mod metadata;
mod multipart;
mod spare;
mod storage;

pub use buffer::Buffer;
pub use error::{GroupTooLong, OutOfMemory};
pub use message::Message;
pub use metadata::{Metadata, MetadataBuilder, Properties};
pub use multipart::{IntoIter, Multipart};
