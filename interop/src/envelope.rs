// SPDX-License-Identifier: MIT OR Apache-2.0
//! Types that show their envelopes, made to look like those that do not.

use std::time::Duration;

use crate::script::{Part, Seen};
use crate::side::{Event, Side};
use crate::{Failure, Outcome};

/// What a type shows of how its messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing.
    None,
    /// So many parts ahead of what it receives, which lead back ahead of what it sends.
    Kept(usize),
    /// An empty part ahead of everything.
    Empty,
    /// Subscriptions are messages that it sends.
    Topics,
    /// The one group that all messages are for, ahead of them.
    Group,
    /// A name of its own, and that of its only peer ahead of all messages.
    Named(&'static str, &'static str),
}

impl Envelope {
    /// A side that shows only what is inside.
    pub fn open(self, side: Box<dyn Side>) -> Box<dyn Side> {
        match self {
            Self::None => side,
            _ => Box::new(Enveloped {
                inner: side,
                envelope: self,
                kept: Vec::new(),
            }),
        }
    }
}

struct Enveloped {
    inner: Box<dyn Side>,
    envelope: Envelope,
    kept: Vec<Part>,
}

impl Enveloped {
    fn tell(&mut self, first: u8, topic: &[u8]) -> Outcome<()> {
        let body = [&[first], topic].concat();
        let sent = self.inner.send(&[Part::Bytes(body)], PATIENCE)?;
        sent.then_some(())
            .ok_or_else(|| Failure::new("no room for a topic"))
    }
}

impl Side for Enveloped {
    fn open(&mut self, kind: &str) -> Outcome<()> {
        self.inner.open(kind)?;
        match self.envelope {
            Envelope::Named(own, _) => self.inner.name(own),
            _ => Ok(()),
        }
    }

    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        self.inner.bind(endpoint)
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        self.inner.connect(endpoint)
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        if self.envelope == Envelope::Topics {
            return self.tell(1, topic);
        }
        if self.envelope == Envelope::Group {
            return self.inner.join(GROUP);
        }
        self.inner.subscribe(topic)
    }

    fn unsubscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        if self.envelope == Envelope::Topics {
            return self.tell(0, topic);
        }
        self.inner.unsubscribe(topic)
    }

    fn send(&mut self, parts: &[Part], patience: Duration) -> Outcome<bool> {
        let head = match self.envelope {
            Envelope::Empty => vec![Part::Bytes(Vec::new())],
            Envelope::Group => vec![Part::text(GROUP)],
            Envelope::Named(_, peer) => vec![Part::text(peer)],
            _ => self.kept.clone(),
        };
        self.inner.send(&[&head, parts].concat(), patience)
    }

    fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<Seen>>> {
        let Some(mut parts) = self.inner.receive(patience)? else {
            return Ok(None);
        };
        let head = match self.envelope {
            Envelope::Kept(parts) => parts,
            Envelope::Empty | Envelope::Group | Envelope::Named(..) => 1,
            Envelope::None | Envelope::Topics => 0,
        };
        if parts.len() <= head {
            return Err(Failure::new(format!(
                "an envelope of {} parts",
                parts.len()
            )));
        }
        let body = parts.split_off(head);
        let kept = parts.into_iter().map(|part| match part {
            Seen::Bytes(bytes) => Ok(Part::Bytes(bytes)),
            Seen::Hashed { len, .. } => Err(Failure::new(format!("an envelope of {len} bytes"))),
        });
        self.kept = kept.collect::<Outcome<_>>()?;
        if self.envelope == Envelope::Empty && self.kept != [Part::Bytes(Vec::new())] {
            return Err(Failure::new("no delimiter"));
        }
        let expected = match self.envelope {
            Envelope::Group => Some(GROUP),
            Envelope::Named(_, peer) => Some(peer),
            _ => None,
        };
        if expected.is_some_and(|expected| self.kept != [Part::text(expected)]) {
            return Err(Failure::new(format!("{expected:?}, but {:?}", self.kept)));
        }
        Ok(Some(body))
    }

    fn event(&mut self, event: Event, patience: Duration) -> Outcome<()> {
        self.inner.event(event, patience)
    }

    fn vanish(&mut self) -> Outcome<()> {
        self.inner.vanish()
    }
}

/// What all RADIOs here send to.
const GROUP: &str = "group";
const PATIENCE: Duration = Duration::from_secs(30);
