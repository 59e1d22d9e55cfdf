// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands from one thread to another, in order. Never on the path of a message.

use std::collections::VecDeque;

use crate::loom::Mutex;

/// A queue of commands.
#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Mutex<VecDeque<T>>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
        }
    }
}

impl<T> Mailbox<T> {
    /// Appends a command; whether the box was empty before.
    pub fn post(&self, command: T) -> bool {
        let mut queue = self.lock();
        queue.push_back(command);
        queue.len() == 1
    }

    /// Takes everything there is.
    pub fn take_all(&self) -> VecDeque<T> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = VecDeque<T>> + '_ {
        self.queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
