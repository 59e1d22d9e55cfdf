// SPDX-License-Identifier: MIT OR Apache-2.0
//! Through a proxy, which has a process to itself; both ends are threads of the other.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use super::round_trip::{answer_all, time_trips};
use super::throughput::{receive_all, send_all};
use super::{END, bind, check, ended, put};
use crate::Outcome;
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;

/// Stands between who connects to the first socket and who connects to the second.
pub(super) fn stand<C: Context>(
    context: &C,
    [front, back]: [Kind; 2],
    task: &Task,
    company: &Company,
) -> Outcome<()> {
    let (mut front, mut back) = (context.socket(front)?, context.socket(back)?);
    bind(&mut front, task, company)?;
    bind(&mut back, task, company)?;
    let over = Arc::new(AtomicBool::new(false));
    let expected = Arc::clone(&over);
    // It ends with the process.
    thread::spawn(move || {
        let ended = C::Socket::proxy(&mut front, &mut back);
        if let (Err(error), false) = (ended, expected.load(Relaxed)) {
            writeln!(io::stderr(), "the proxy has ended: {error}").ok();
        }
    });
    company.hear()?;
    over.store(true, Relaxed);
    Ok(())
}

/// PUSH before it, PULL behind it.
pub(super) fn pass<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let [mut push, mut pull] = ends(context, [Kind::Push, Kind::Pull], company)?;
    let sent = *task;
    let sender = thread::spawn(move || send_all(&mut push, &sent).map(|()| push));
    let seconds = receive_all(&mut pull, task)?;
    ended(sender)?;
    company.tell(END)?;
    company.result("rate", (task.count - 1) as f64 / seconds)?;
    company.result("seconds", seconds)
}

/// A DEALER before it with some questions under way, and one behind it that sends them back.
pub(super) fn converse<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let [mut near, mut far] = ends(context, [Kind::Dealer, Kind::Dealer], company)?;
    let count = task.count;
    let answerer = thread::spawn(move || {
        for _ in 0..count {
            far.echo()?;
        }
        Ok(far)
    });
    let (mut question, mut answer) = (vec![0x5a; task.size], vec![0; task.size]);
    let begin = Instant::now();
    for number in 0..task.count + task.depth {
        if number < task.count {
            put(&mut question, 0, number);
            near.send(&question)?;
        }
        if number >= task.depth {
            let len = near.recv(&mut answer)?;
            check(
                &answer[..len.min(task.size)],
                task.size,
                number - task.depth,
            )?;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    ended(answerer)?;
    company.tell(END)?;
    company.result("rate", task.count as f64 / seconds)?;
    company.result("seconds", seconds)
}

/// REQ before it, REP behind it.
pub(super) fn ask<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let [mut req, mut rep] = ends(context, [Kind::Req, Kind::Rep], company)?;
    let asked = *task;
    let answerer = thread::spawn(move || answer_all(&mut rep, &asked).map(|()| rep));
    time_trips(&mut req, task, company)?;
    ended(answerer)
}

/// Sockets connected to the proxy's first socket, and to its second.
fn ends<C: Context>(
    context: &C,
    [near, far]: [Kind; 2],
    company: &Company,
) -> Outcome<[C::Socket; 2]> {
    let mut ends = [context.socket(near)?, context.socket(far)?];
    for end in &mut ends {
        end.connect(&company.hear()?)?;
    }
    Ok(ends)
}
