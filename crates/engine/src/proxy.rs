// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proxies: everything that comes on one socket goes out on another, and back.

use ferromq_vocabulary::Code;

use crate::poll::{PollItem, poll};
use crate::socket::{Socket, Wait};
use ferromq_pipe::Outgoing;

/// Messages passed on in one direction before the other one has its turn.
const BURST: usize = 1000;

/// What steers a proxy, as `zmq_proxy_steerable(3)` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyCommand {
    /// Stop passing messages on; they queue.
    Pause,
    /// Go on.
    Resume,
    /// Return.
    Terminate,
}

impl ProxyCommand {
    /// From its text on the wire.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"PAUSE" => Some(Self::Pause),
            b"RESUME" => Some(Self::Resume),
            b"TERMINATE" => Some(Self::Terminate),
            _ => None,
        }
    }
}

/// Why a proxy has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyEnd {
    /// It was told to.
    Terminated,
}

/// Passes messages between two sockets until an error ends it; a copy of each part goes to
/// `capture`.
///
/// # Errors
/// `Terminated` when the context ends, `Interrupted` by a signal.
pub fn proxy(
    frontend: &mut Socket,
    backend: &mut Socket,
    capture: Option<&mut Socket>,
) -> Result<ProxyEnd, Code> {
    proxy_steerable(frontend, backend, capture, None)
}

/// The same, steered by messages on `control`.
///
/// # Errors
/// As for [`proxy`].
pub fn proxy_steerable(
    frontend: &mut Socket,
    backend: &mut Socket,
    mut capture: Option<&mut Socket>,
    mut control: Option<&mut Socket>,
) -> Result<ProxyEnd, Code> {
    let mut paused = false;
    // A side is waited for only as far as it was missing: its room is not news while there is
    // nothing to send.
    loop {
        let front = frontend.readiness()?;
        let back = backend.readiness()?;
        if let Some(control) = control.as_deref_mut()
            && control.readiness()?.readable
        {
            let command = control.recv_frame(Wait::No)?;
            if control.socket_type() == ferromq_vocabulary::SocketType::Rep {
                control.send_frame(&mut Outgoing::Bytes(b""), false, Wait::Option)?;
            }
            match ProxyCommand::parse(&command) {
                Some(ProxyCommand::Pause) => paused = true,
                Some(ProxyCommand::Resume) => paused = false,
                Some(ProxyCommand::Terminate) => return Ok(ProxyEnd::Terminated),
                None => {}
            }
            continue;
        }
        let there = !paused && front.readable && back.writable;
        let here = !paused && back.readable && front.writable;
        if there {
            pass_on(frontend, backend, capture.as_deref_mut())?;
        }
        if here {
            pass_on(backend, frontend, capture.as_deref_mut())?;
        }
        if !there && !here {
            let mut items = vec![
                PollItem::socket(
                    frontend,
                    !front.readable && !paused,
                    back.readable && !paused,
                ),
                PollItem::socket(
                    backend,
                    !back.readable && !paused,
                    front.readable && !paused,
                ),
            ];
            if let Some(control) = control.as_deref_mut() {
                items.push(PollItem::socket(control, true, false));
            }
            poll(&mut items, None)?;
        }
    }
}

fn pass_on(
    from: &mut Socket,
    to: &mut Socket,
    mut capture: Option<&mut Socket>,
) -> Result<(), Code> {
    for _ in 0..BURST {
        if !to.is_writable()? {
            return Ok(());
        }
        loop {
            let mut part = match from.recv_frame(Wait::No) {
                Err(Code::Again) => return Ok(()),
                other => other?,
            };
            let more = part.more();
            part.set_metadata(None);
            if let Some(capture) = capture.as_deref_mut() {
                let mut copy = part.clone();
                capture.send_frame(&mut Outgoing::Message(&mut copy), more, Wait::Option)?;
            }
            to.send_frame(&mut Outgoing::Message(&mut part), more, Wait::Option)?;
            if !more {
                break;
            }
        }
    }
    Ok(())
}
