// SPDX-License-Identifier: MIT OR Apache-2.0
//! The only peer of a socket that has room for one.

use ferromq_pipe::{PipeId, Pipes};

use crate::pattern::{Attached, Received, Refusal};

/// Its pipe, while it is there; every other is refused.
#[derive(Debug, Default)]
pub(crate) struct Sole {
    pipe: Option<PipeId>,
}

impl Sole {
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<PipeId> {
        self.pipe
    }

    pub(crate) fn attach(&mut self, id: PipeId) -> Attached {
        if self.pipe.is_some() {
            return Attached::Refused;
        }
        self.pipe = Some(id);
        Attached::Yes
    }

    /// Whether that was the one.
    pub(crate) fn detach(&mut self, id: PipeId) -> bool {
        let gone = self.pipe == Some(id);
        if gone {
            self.pipe = None;
        }
        gone
    }

    #[inline(always)]
    pub(crate) fn recv(&self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        if let Some(id) = self.pipe
            && let Some(pipe) = pipes.get_mut(id)
            && pipe.reader.is_ready()
        {
            return Ok(Received::From(id));
        }
        Err(Refusal::Again)
    }
}
