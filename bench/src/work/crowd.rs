// SPDX-License-Identifier: MIT OR Apache-2.0
//! An echo over many connections: one ROUTER, and a client that is the same whichever library
//! answers it: bare connections, blocks of questions made beforehand, one thread.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ferromq_os::epoll::{Epoll, Events, Interest};

use super::idle::meet;
use super::{END, bind};
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;
use crate::{Failure, Outcome};

pub(super) fn echo<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Router)?;
    bind(&mut socket, task, company)?;
    for _ in 0..task.extent + whole_blocks(task) * task.depth {
        socket.echo()?;
    }
    company.hear().map(drop)
}

/// Blocks of questions that are asked in all.
pub(super) fn whole_blocks(task: &Task) -> u64 {
    task.count.div_ceil(task.depth)
}

pub(super) fn ask(task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    let address = endpoint.strip_prefix("tcp://").unwrap_or(&endpoint);
    let block = block(task)?;
    let mut crowd = Crowd::gather(task, address, &block)?;
    let begin = Instant::now();
    crowd.ask_all(&block, whole_blocks(task))?;
    let seconds = begin.elapsed().as_secs_f64();
    company.tell(END)?;
    company.result("rate", (whole_blocks(task) * task.depth) as f64 / seconds)?;
    company.result("seconds", seconds)
}

/// The questions that are asked at once, each with its number.
fn block(task: &Task) -> Outcome<Vec<u8>> {
    let len = u8::try_from(task.size)?;
    let mut block = Vec::new();
    for number in 0..task.depth {
        let mut body = vec![0x5a; task.size];
        super::put(&mut body, 0, number);
        block.extend([0, len]);
        block.extend(body);
    }
    Ok(block)
}

struct Crowd {
    peers: Vec<Asker>,
    epoll: Epoll,
    room: Vec<u8>,
}

struct Asker {
    stream: TcpStream,
    /// Bytes of its block's answers that have come.
    heard: usize,
}

impl Crowd {
    /// Connects, and asks one question over each connection, so that all of them stand.
    fn gather(task: &Task, address: &str, block: &[u8]) -> Outcome<Self> {
        let (mut peers, epoll) = (Vec::new(), Epoll::new()?);
        let question = &block[..task.size + 2];
        for number in 0..task.extent {
            let mut stream = meet(address, "DEALER")?;
            stream.write_all(question)?;
            let mut answer = vec![0; question.len()];
            stream.read_exact(&mut answer)?;
            check(&answer, question)?;
            stream.set_nonblocking(true)?;
            epoll.add(stream.as_fd(), number, Interest::READ)?;
            peers.push(Asker { stream, heard: 0 });
        }
        Ok(Self {
            peers,
            epoll,
            room: vec![0; block.len()],
        })
    }

    /// Asks so many blocks in all, over each connection the next when the last has been answered.
    fn ask_all(&mut self, block: &[u8], blocks: u64) -> Outcome<()> {
        let (mut begun, mut answered) = (0, 0);
        for peer in &mut self.peers {
            if begun < blocks {
                peer.ask(block)?;
                begun += 1;
            }
        }
        let mut events = Events::with_capacity(256);
        while answered < blocks {
            if self.epoll.wait(&mut events, Some(PATIENCE))? == 0 {
                return Err(Failure::new("no answer comes any more"));
            }
            for event in events.iter() {
                let peer = &mut self.peers[usize::try_from(event.token())?];
                if !peer.hear(block, &mut self.room)? {
                    continue;
                }
                answered += 1;
                if begun < blocks {
                    peer.ask(block)?;
                    begun += 1;
                }
            }
        }
        Ok(())
    }
}

impl Asker {
    fn ask(&mut self, block: &[u8]) -> Outcome<()> {
        // A block is much less than what the kernel keeps.
        Ok(self.stream.write_all(block)?)
    }

    /// Reads what has come; whether that was the last of a block.
    fn hear(&mut self, block: &[u8], room: &mut [u8]) -> Outcome<bool> {
        let missing = block.len() - self.heard;
        let read = match self.stream.read(&mut room[..missing]) {
            Ok(0) => return Err(Failure::new("a connection has ended")),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        check(&room[..read], &block[self.heard..self.heard + read])?;
        self.heard = (self.heard + read) % block.len();
        Ok(self.heard == 0)
    }
}

fn check(answer: &[u8], question: &[u8]) -> Outcome<()> {
    if answer == question {
        return Ok(());
    }
    Err(Failure::new("an answer that is not its question"))
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
