// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls ferromq stands on, with a safe face.
//!
//! This is the only crate that talks to the kernel, and the only one that knows which kernel it is.
//! Every descriptor made here is close-on-exec and non-blocking, every failure is an
//! [`io::Error`](std::io::Error), and nothing here panics, logs or keeps a thread.
//!
//! 1. [`account`]: the system's users and groups
//! 2. [`address`]: socket names, unix and internet
//! 3. [`clock`]: a cycle counter for spin limits
//! 4. [`connect`]: outgoing stream connections
//! 5. [`datagram`]: UDP and raw sockets, multicast groups, batches
//! 6. [`epoll`]: waiting for many descriptors (epoll, or poll(2) with `--cfg zmq_force_poll`)
//! 7. [`event_fd`]: waking a thread that waits for descriptors
//! 8. [`fence`]: the asymmetric memory barrier
//! 9. [`interface`]: network interfaces by name
//! 10. [`limits`]: what the system lets this process have
//! 11. [`listener`]: sockets that accept
//! 12. [`memory`]: memory straight from the system
//! 13. [`poll`]: waiting for few descriptors, with nanosecond timeouts
//! 14. [`process`]: forks, memory, processor time
//! 15. [`resolve`]: host names
//! 16. [`signal`]: signal sets
//! 17. [`stream`]: a connected stream socket
//! 18. [`thread`]: scheduling and names of threads

pub mod account;
pub mod address;
pub mod clock;
pub mod connect;
pub mod datagram;
pub mod epoll;
pub mod event_fd;
pub mod fence;
pub mod interface;
pub mod limits;
pub mod listener;
pub mod memory;
pub mod poll;
pub mod process;
pub mod random;
pub mod resolve;
pub mod signal;
pub mod stream;
mod sys;
pub mod thread;
