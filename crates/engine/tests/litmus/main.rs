// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine from outside, ordered by fear. Scripted peers speak raw ZMTP; other processes are
//! this binary again, told its role by the environment.
//!
//! 1. [`torn`]: messages that never become whole
//! 2. [`cut`]: connections that break at any byte
//! 3. [`capacity`]: high-water marks, from above and from below
//! 4. [`liveness`]: heartbeats, subscriptions and commands behind piles, readiness by descriptor
//! 5. [`closing`]: what close, linger and disconnect deliver
//! 6. [`termination`]: everybody wakes up
//! 7. [`hostile`]: peers that lie, stall, or are too many
//! 8. [`never_again`]: senders that make no further call
//! 9. [`unrest`]: peers that are killed, stopped and started again
//! 10. [`meeting`]: who comes first, and by which I/O thread
//! 11. [`limits`]: limits, bans, and the lessons of libzmq's advisories
//! 12. [`siege`]: thousands of hostile connections at once
//! 13. [`held`]: answers that wait for others to go with them
//! 14. [`whole`]: messages half received and half sent when a peer is let go of
//! 15. [`anew`]: what has ended, what begins anew, and what is left behind
//! 16. [`churn`]: everything at once, with accounts
//! 17. [`killed`]: peers of each type that are killed in the middle of a conversation
//! 18. [`losses`]: thousands of lost connections of each kind

#[cfg(test)]
mod anew;
#[cfg(test)]
mod capacity;
#[cfg(test)]
mod churn;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod common;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod held;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod liveness;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod meeting;
#[cfg(test)]
mod never_again;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod round;
#[cfg(test)]
mod secured;
#[cfg(test)]
mod siege;
#[cfg(test)]
mod termination;
#[cfg(test)]
mod torn;
#[cfg(test)]
mod unrest;
#[cfg(test)]
mod whole;
