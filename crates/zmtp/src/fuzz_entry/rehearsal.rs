// SPDX-License-Identifier: MIT OR Apache-2.0
//! A security context that protects nothing, to rehearse the framing of GSSAPI with. What is around
//! it is the same as around Kerberos.

use crate::mechanism::gssapi::{ContextFailed, Principal, Provider, SecurityContext, Step};

/// Makes contexts that find each other in so many tokens of either side.
#[derive(Debug)]
pub struct Rehearsal {
    /// Tokens of the client before its context stands.
    pub rounds: u8,
}

#[derive(Debug)]
struct Context {
    name: Vec<u8>,
    rounds: u8,
    begins: bool,
    stands: bool,
    sent: u64,
    received: u64,
}

impl Provider for Rehearsal {
    fn initiate(&self, own: &Principal, _service: &Principal) -> Box<dyn SecurityContext> {
        self.context(own, true)
    }

    fn accept(&self, own: &Principal) -> Box<dyn SecurityContext> {
        self.context(own, false)
    }
}

impl Rehearsal {
    fn context(&self, own: &Principal, begins: bool) -> Box<dyn SecurityContext> {
        Box::new(Context {
            name: own.name.clone(),
            rounds: self.rounds.max(1),
            begins,
            stands: false,
            sent: 0,
            received: 0,
        })
    }
}

impl SecurityContext for Context {
    fn step(&mut self, token: &[u8]) -> Result<Step, ContextFailed> {
        let Some(rounds) = self.rounds.checked_sub(1) else {
            // The last word of the other side.
            let peer = token.strip_prefix(b"I am ").ok_or_else(failed)?;
            self.stands = true;
            return Ok(Step::Complete {
                token: Vec::new(),
                peer: peer.to_vec(),
            });
        };
        let begins_now = self.begins && token.is_empty();
        let peer = match token.strip_prefix(b"I am ") {
            Some(peer) => peer.to_vec(),
            None if begins_now => Vec::new(),
            None => return Err(failed()),
        };
        self.rounds = rounds;
        let token = [b"I am ", &self.name[..]].concat();
        if !self.begins && rounds == 0 {
            self.stands = true;
            return Ok(Step::Complete { token, peer });
        }
        Ok(Step::Continue(token))
    }

    fn wrap(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        if !self.stands {
            return Err(failed());
        }
        self.sent = self.sent.saturating_add(1);
        out.extend_from_slice(&self.sent.to_be_bytes());
        out.extend(text.iter().map(|byte| byte ^ MASK));
        Ok(())
    }

    fn unwrap(&mut self, wrapped: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        let (number, text) = wrapped.split_first_chunk().ok_or_else(failed)?;
        let number = u64::from_be_bytes(*number);
        if !self.stands || number <= self.received {
            return Err(failed());
        }
        self.received = number;
        out.extend(text.iter().map(|byte| byte ^ MASK));
        Ok(())
    }
}

fn failed() -> ContextFailed {
    ContextFailed {
        text: "that was not in the script".to_owned(),
    }
}

const MASK: u8 = 0x55;
