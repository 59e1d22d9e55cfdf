// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls ferromq stands on, with a safe face.
//!
//! This is the only crate that talks to the kernel, and the only one that knows which kernel it is.
//! Every descriptor made here is close-on-exec and non-blocking, every failure is an
//! [`io::Error`](std::io::Error), and nothing here panics, logs or keeps a thread.
//!
//! 1. [`account`]: the system's users and groups
//! 2. [`address`]: socket names, unix and internet
//! 3. [`cancel`]: where threads may be cancelled
//! 4. [`clock`]: a cycle counter for spin limits
//! 5. [`connect`]: outgoing stream connections
//! 6. [`datagram`]: UDP and raw sockets, multicast groups, batches
//! 7. [`epoll`]: waiting for many descriptors (epoll, or poll(2) with `--cfg zmq_force_poll`)
//! 8. [`event_fd`]: waking a thread that waits for descriptors
//! 9. [`fence`]: the asymmetric memory barrier
//! 10. [`interface`]: network interfaces by name
//! 11. [`limits`]: what the system lets this process have
//! 12. [`listener`]: sockets that accept
//! 13. [`memory`]: memory straight from the system
//! 14. [`poll`]: waiting for few descriptors, with nanosecond timeouts
//! 15. [`process`]: forks, memory, processor time
//! 16. [`resolve`]: host names
//! 17. [`signal`]: signal sets
//! 18. [`stream`]: a connected stream socket
//! 19. [`thread`]: scheduling and names of threads

pub mod account;
pub mod address;
pub mod cancel;
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
