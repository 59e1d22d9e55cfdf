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

use super::{Mechanism, Status};
use crate::command::{self, Command, MalformedCommand};
use crate::handshake::Fault;
use crate::metadata::{self, Properties};

/// The NULL mechanism.
#[derive(Debug)]
pub struct Null {
    /// Our properties, until they are sent.
    ours: Option<Vec<u8>>,
    theirs: Theirs,
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
        }
    }

    fn take(&self, body: &[u8]) -> Result<Properties, Fault> {
        // contract 3.6: "READY twice or after ERROR -> UNEXPECTED_COMMAND."
        if !matches!(self.theirs, Theirs::Awaited) {
            return Err(Fault::UnexpectedCommand);
        }
        match command::parse(body) {
            Ok(Command::Ready(properties)) => metadata::parse(properties)
                .map_err(|metadata::InvalidMetadata| Fault::InvalidMetadata),
            Ok(Command::Error { reason }) => Err(Fault::PeerError {
                status: status_of(reason),
            }),
            Ok(_) => Err(Fault::UnexpectedCommand),
            Err(MalformedCommand::Error) => Err(Fault::MalformedError),
            Err(MalformedCommand::Name) => Err(Fault::MalformedCommand),
            // Well-formed or not, this is not the time for them.
            Err(MalformedCommand::Group | MalformedCommand::Ping) => Err(Fault::UnexpectedCommand),
        }
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
        let Some(metadata) = self.ours.take() else {
            return false;
        };
        command::ready(&metadata, out);
        true
    }

    fn status(&self) -> Status {
        match self.theirs {
            Theirs::Failed => Status::Failed,
            Theirs::Ready(_) if self.ours.is_none() => Status::Ready,
            Theirs::Ready(_) | Theirs::Awaited => Status::Handshaking,
        }
    }

    fn peer_is_ready(&self) -> bool {
        matches!(self.theirs, Theirs::Ready(_))
    }

    fn take_properties(&mut self) -> Properties {
        match &mut self.theirs {
            Theirs::Ready(properties) => std::mem::take(properties),
            Theirs::Awaited | Theirs::Failed => Properties::new(),
        }
    }
}

/// contract 3.5: "libzmq clients interpret exactly "300","400","500" as AUTH failure".
fn status_of(reason: &[u8]) -> Option<u16> {
    match reason {
        b"300" => Some(300),
        b"400" => Some(400),
        b"500" => Some(500),
        _ => None,
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
}
