// SPDX-License-Identifier: MIT OR Apache-2.0
//! NULL: both sides say READY.
//!
//! ```text
//!            next_command            process_command
//! silent ──────────────► our READY   READY ──► properties
//!                                    ERROR ──► failed
//! ```
//!
//! contract 3.6: "Both sides send READY at once (no client/server order, contrary to RFC 37's
//! 'client first')."

use super::{Door, Expected, Mechanism, READY, Status, expect, properties};
use crate::command;
use crate::handshake::Fault;
use crate::metadata::Properties;
use crate::zap::{Credentials, Status as Judgement};

/// The NULL mechanism.
#[derive(Debug)]
pub struct Null {
    /// Our properties, until they are sent.
    ours: Option<Vec<u8>>,
    theirs: Theirs,
    door: Door,
    /// There is a question that nobody has taken yet.
    asks: bool,
}

#[derive(Debug)]
enum Theirs {
    Awaited,
    Ready(Properties),
    Failed,
}

impl Null {
    /// Will send these encoded properties.
    #[must_use]
    pub fn new(metadata: Vec<u8>) -> Self {
        Self {
            ours: Some(metadata),
            theirs: Theirs::Awaited,
            door: Door::Open,
            asks: false,
        }
    }

    /// The same, but says nothing before an authenticator has been asked.
    ///
    /// contract 3.6: "With ZAP_DOMAIN set (and a handler) each side first asks ZAP, then READY or
    /// ERROR/silent(300)."
    #[must_use]
    pub fn asking(metadata: Vec<u8>) -> Self {
        Self {
            door: Door::Shut,
            asks: true,
            ..Self::new(metadata)
        }
    }

    fn take(&self, body: &[u8]) -> Result<Properties, Fault> {
        // contract 3.6: "READY twice or after ERROR -> UNEXPECTED_COMMAND."
        if !matches!(self.theirs, Theirs::Awaited) {
            return Err(Fault::UnexpectedCommand);
        }
        expect(body, READY).and_then(properties)
    }
}

impl Mechanism for Null {
    fn process_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        match self.take(body) {
            Ok(properties) => {
                self.theirs = Theirs::Ready(properties);
                Ok(())
            }
            Err(fault) => {
                self.theirs = Theirs::Failed;
                Err(fault)
            }
        }
    }

    fn next_command(&mut self, out: &mut Vec<u8>) -> bool {
        if matches!(self.theirs, Theirs::Failed) {
            return false;
        }
        if self.door != Door::Open {
            // Who has heard READY listens for traffic, not for ERROR.
            return self.ours.is_some() && self.door.refuse(out);
        }
        let Some(metadata) = self.ours.take() else {
            return false;
        };
        command::ready(&metadata, out);
        true
    }

    fn status(&self) -> Status {
        match self.theirs {
            Theirs::Failed => Status::Failed,
            _ if self.door.is_refused() => Status::Failed,
            Theirs::Ready(_) if self.ours.is_none() => Status::Ready,
            Theirs::Ready(_) | Theirs::Awaited => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        matches!(self.theirs, Theirs::Ready(_))
    }

    fn expects(&self, max_metadata: usize) -> Expected {
        Expected::up_to(max_metadata, Fault::HandshakeTooLarge)
    }

    fn take_properties(&mut self) -> Properties {
        match &mut self.theirs {
            Theirs::Ready(properties) => std::mem::take(properties),
            Theirs::Awaited | Theirs::Failed => Properties::new(),
        }
    }

    fn take_credentials(&mut self) -> Option<Credentials> {
        std::mem::take(&mut self.asks).then(|| Credentials::new("NULL", Vec::new()))
    }

    fn judged(&mut self, judgement: Judgement) {
        self.door.judged(judgement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_goes_out_once_and_comes_in_once() {
        let mut null = Null::new(b"meta".to_vec());
        assert_eq!(null.status(), Status::Handshaking);
        let mut out = Vec::new();
        assert!(null.next_command(&mut out));
        assert_eq!(out, b"\x04\x0a\x05READYmeta");
        assert!(!null.next_command(&mut out));
        assert_eq!(null.process_command(b"\x05READY\x01a\0\0\0\x01b"), Ok(()));
        assert_eq!(null.status(), Status::Ready);
        assert_eq!(null.take_properties(), [("a".to_owned(), b"b".to_vec())]);
        assert_eq!(
            null.process_command(b"\x05READY"),
            Err(Fault::UnexpectedCommand)
        );
        assert_eq!(null.status(), Status::Failed);
    }

    #[test]
    fn theirs_may_come_before_ours_goes() {
        let mut null = Null::new(Vec::new());
        assert_eq!(null.process_command(b"\x05READY"), Ok(()));
        assert_eq!(null.status(), Status::Handshaking);
        assert!(null.next_command(&mut Vec::new()));
        assert_eq!(null.status(), Status::Ready);
    }

    #[test]
    fn faults_are_told_apart_and_end_it() {
        let cases: &[(&[u8], Fault)] = &[
            (b"\x05ERROR\x03300", Fault::PeerError { status: Some(300) }),
            (b"\x05ERROR\x03400", Fault::PeerError { status: Some(400) }),
            (b"\x05ERROR\x03500", Fault::PeerError { status: Some(500) }),
            (
                b"\x05ERROR\x0a400 denied",
                Fault::PeerError { status: None },
            ),
            (b"\x05ERROR\x03200", Fault::PeerError { status: None }),
            (b"\x05ERROR", Fault::MalformedError),
            (b"\x05HELLO", Fault::UnexpectedCommand),
            (b"\x04PING\0\0", Fault::UnexpectedCommand),
            (b"\x04PING", Fault::UnexpectedCommand),
            (b"\x09SUBSCRIBE", Fault::UnexpectedCommand),
            (b"", Fault::MalformedCommand),
            (b"\xffREADY", Fault::MalformedCommand),
            (b"\x05READY\x01", Fault::InvalidMetadata),
        ];
        for (body, fault) in cases {
            let mut null = Null::new(Vec::new());
            assert_eq!(null.process_command(body), Err(*fault), "{body:?}");
            assert_eq!(null.status(), Status::Failed);
            assert!(!null.next_command(&mut Vec::new()));
            assert_eq!(
                null.process_command(b"\x05READY"),
                Err(Fault::UnexpectedCommand)
            );
        }
    }

    #[test]
    fn an_authenticator_is_asked_before_a_word_is_said() {
        let mut null = Null::asking(Vec::new());
        let mut out = Vec::new();
        assert_eq!(null.process_command(b"\x05READY"), Ok(()));
        assert!(!null.next_command(&mut out));
        assert_eq!(null.take_credentials().unwrap().mechanism, "NULL");
        assert_eq!(null.take_credentials(), None);
        null.judged(Judgement::Success);
        assert!(null.next_command(&mut out));
        assert_eq!(null.status(), Status::Ready);
    }

    #[test]
    fn a_refusal_is_said_once_or_not_at_all() {
        for (judgement, said) in [
            (Judgement::TemporaryError, &b""[..]),
            (
                Judgement::AuthenticationFailure,
                b"\x04\x0a\x05ERROR\x03400",
            ),
            (Judgement::InternalError, b"\x04\x0a\x05ERROR\x03500"),
        ] {
            let mut null = Null::asking(Vec::new());
            null.judged(judgement);
            let mut out = Vec::new();
            while null.next_command(&mut out) {}
            assert_eq!(out, said);
            assert_eq!(null.status(), Status::Failed);
        }
    }
}
