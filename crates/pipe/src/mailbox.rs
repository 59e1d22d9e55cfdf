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

    /// Appends a command, unless the last one here makes it superfluous.
    pub fn post_unless(&self, command: T, superfluous: impl FnOnce(&T) -> bool) {
        let mut queue = self.lock();
        if !queue.back().is_some_and(superfluous) {
            queue.push_back(command);
        }
    }

    /// Appends a command, or none, by what is here: nobody takes that in between.
    pub fn post_made(&self, make: impl FnOnce(&VecDeque<T>) -> Option<T>) {
        let mut queue = self.lock();
        let command = make(&queue);
        queue.extend(command);
    }

    /// Puts a command in the place of one that it makes superfluous, or at the end if there is none.
    pub fn post_instead(&self, command: T, superfluous: impl FnMut(&T) -> bool) {
        let mut queue = self.lock();
        match queue.iter().position(superfluous) {
            Some(index) => queue[index] = command,
            None => queue.push_back(command),
        }
    }

    /// Looks at everything there is, in order.
    pub fn for_each(&self, look: impl FnMut(&T)) {
        self.lock().iter().for_each(look);
    }

    /// Takes everything there is.
    pub fn take_all(&self) -> VecDeque<T> {
        std::mem::take(&mut *self.lock())
    }

    /// If a command like this is still here, takes it and everything else out that has become pointless without it.
    pub fn retract(
        &self,
        first: impl FnMut(&T) -> bool,
        mut pointless: impl FnMut(&T) -> bool,
    ) -> VecDeque<T> {
        let mut queue = self.lock();
        if !queue.iter().any(first) {
            return VecDeque::new();
        }
        let (gone, kept) = std::mem::take(&mut *queue)
            .into_iter()
            .partition(|command| pointless(command));
        *queue = kept;
        gone
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = VecDeque<T>> + '_ {
        self.queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Mailbox;

    #[test]
    fn what_is_superfluous_is_not_kept() {
        let mailbox = Mailbox::default();
        for command in [1, 20, 3, 25, 4] {
            mailbox.post_instead(command, |other| other / 10 == 2 && command / 10 == 2);
        }
        mailbox.post_unless(4, |last| *last == 4);
        mailbox.post_made(|queue| (queue.back() != Some(&4)).then_some(4));
        mailbox.post_made(|queue| queue.iter().max().map(|most| most + 1));
        assert_eq!(mailbox.take_all(), [1, 25, 3, 4, 26]);
    }
}
