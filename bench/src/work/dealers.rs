// SPDX-License-Identifier: MIT OR Apache-2.0
//! An echo over many connections, the library at both ends: one ROUTER (`crowd`), and one thread
//! with a DEALER for each connection.

use std::time::Instant;

use super::crowd::whole_blocks;
use super::{END, check, put};
use crate::Outcome;
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;

/// Asks a block of questions with each DEALER, takes its answers when its turn comes and asks the next.
pub(super) fn ask<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    let mut dealers = Dealers::gather(context, task, &endpoint)?;
    let begin = Instant::now();
    let blocks = whole_blocks(task);
    for block in 0..blocks + task.extent {
        let at = usize::try_from(block % task.extent)?;
        if block >= task.extent {
            dealers.hear(at)?;
        }
        if block < blocks {
            dealers.ask(at)?;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    company.tell(END)?;
    company.result("rate", (blocks * task.depth) as f64 / seconds)?;
    company.result("seconds", seconds)
}

/// Asks one question at a time, each with the next DEALER.
pub(super) fn ask_in_turn<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    let mut dealers = Dealers::gather(context, task, &endpoint)?;
    let begin = Instant::now();
    for question in 0..task.count {
        let at = usize::try_from(question % task.extent)?;
        dealers.ask(at)?;
        dealers.hear(at)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    company.tell(END)?;
    company.result("rate", task.count as f64 / seconds)?;
    company.result("seconds", seconds)
}

struct Dealers<S> {
    sockets: Vec<S>,
    depth: u64,
    question: Vec<u8>,
    answer: Vec<u8>,
}

impl<S: Socket> Dealers<S> {
    /// Connects, and asks one question over each connection, so that all of them stand.
    fn gather<C: Context<Socket = S>>(context: &C, task: &Task, endpoint: &str) -> Outcome<Self> {
        let mut all = Self {
            sockets: Vec::new(),
            depth: 1,
            question: vec![0x5a; task.size],
            answer: vec![0; task.size],
        };
        for at in 0..usize::try_from(task.extent)? {
            let mut socket = context.socket(Kind::Dealer)?;
            socket.connect(endpoint)?;
            all.sockets.push(socket);
            all.ask(at)?;
        }
        for at in 0..all.sockets.len() {
            all.hear(at)?;
        }
        all.depth = task.depth;
        Ok(all)
    }

    fn ask(&mut self, at: usize) -> Outcome<()> {
        for number in 0..self.depth {
            put(&mut self.question, 0, number);
            self.sockets[at].send(&self.question)?;
        }
        Ok(())
    }

    fn hear(&mut self, at: usize) -> Outcome<()> {
        for number in 0..self.depth {
            let len = self.sockets[at].recv(&mut self.answer)?;
            let seen = len.min(self.answer.len());
            check(&self.answer[..seen], self.question.len(), number)?;
        }
        Ok(())
    }
}
