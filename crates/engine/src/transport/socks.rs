// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client's side of SOCKS5 (RFC 1928), with or without a login (RFC 1929), without I/O.
//!
//! ```text
//! Choosing ──► (LoggingIn) ──► Requesting ──► Done
//! ```
//! The proxy looks names up itself. What comes behind its last word belongs to the peer.

use std::net::IpAddr;

use ferromq_vocabulary::SocketOptions;

/// Where the proxy is to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) host: DestinationHost,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DestinationHost {
    Address(IpAddr),
    Name(String),
}

/// The proxy refuses, or does not speak SOCKS5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// A conversation with a proxy.
#[derive(Debug)]
pub(crate) struct Socks {
    state: State,
    destination: Destination,
    username: Vec<u8>,
    password: ferromq_vocabulary::Secret,
    /// To be written.
    out: Vec<u8>,
    /// What has come and has not been understood.
    input: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Choosing,
    LoggingIn,
    Requesting,
    Done,
}

impl Socks {
    pub(crate) fn new(destination: Destination, options: &SocketOptions) -> Self {
        let mut socks = Self {
            state: State::Choosing,
            destination,
            username: options.socks_username.clone(),
            password: options.socks_password.clone(),
            out: Vec::new(),
            input: Vec::new(),
        };
        let method = socks.method();
        socks.out.extend_from_slice(&[VERSION, 1, method]);
        socks
    }

    /// contract 1.4: "non-empty username selects RFC1929 auth"
    fn method(&self) -> u8 {
        if self.username.is_empty() {
            METHOD_NONE
        } else {
            METHOD_LOGIN
        }
    }

    /// What is to be written.
    pub(crate) fn transmit(&self) -> &[u8] {
        &self.out
    }

    pub(crate) fn transmitted(&mut self, bytes: usize) {
        self.out.drain(..bytes.min(self.out.len()));
    }

    /// Takes what the proxy says.
    pub(crate) fn handle_input(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.input.extend_from_slice(bytes);
        while let Some(used) = self.advance()? {
            self.input.drain(..used);
        }
        Ok(())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// What came behind the proxy's last word.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.input
    }

    /// Takes one answer, if it is whole; how many bytes it has.
    fn advance(&mut self) -> Result<Option<usize>, Refused> {
        match (self.state, self.input.as_slice()) {
            (State::Choosing, [version, method, ..]) => {
                if *version != VERSION || *method != self.method() {
                    return Err(Refused);
                }
                if *method == METHOD_LOGIN {
                    self.log_in();
                } else {
                    self.request();
                }
                Ok(Some(2))
            }
            (State::LoggingIn, [LOGIN_VERSION, 0, ..]) => {
                self.request();
                Ok(Some(2))
            }
            (State::LoggingIn, [_, _, ..]) => Err(Refused),
            (State::Requesting, [version, answer, ..]) if *version != VERSION || *answer != 0 => {
                Err(Refused)
            }
            (State::Requesting, [_, _, _, kind, first, ..]) => {
                let len = match *kind {
                    KIND_IPV4 => 4,
                    KIND_IPV6 => 16,
                    KIND_NAME => 1 + usize::from(*first),
                    _ => return Err(Refused),
                };
                let whole = 4 + len + 2;
                if self.input.len() < whole {
                    return Ok(None);
                }
                self.state = State::Done;
                Ok(Some(whole))
            }
            _ => Ok(None),
        }
    }

    fn log_in(&mut self) {
        self.state = State::LoggingIn;
        self.out.push(LOGIN_VERSION);
        // Neither is longer than 255 bytes: the option table sees to it.
        for text in [&self.username[..], self.password.reveal()] {
            let text = &text[..text.len().min(255)];
            self.out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            self.out.extend_from_slice(text);
        }
    }

    fn request(&mut self) {
        self.state = State::Requesting;
        self.out.extend_from_slice(&[VERSION, CONNECT, 0]);
        match &self.destination.host {
            DestinationHost::Address(IpAddr::V4(ip)) => {
                self.out.push(KIND_IPV4);
                self.out.extend_from_slice(&ip.octets());
            }
            DestinationHost::Address(IpAddr::V6(ip)) => {
                self.out.push(KIND_IPV6);
                self.out.extend_from_slice(&ip.octets());
            }
            DestinationHost::Name(name) => {
                let name = &name.as_bytes()[..name.len().min(255)];
                self.out.push(KIND_NAME);
                self.out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                self.out.extend_from_slice(name);
            }
        }
        self.out
            .extend_from_slice(&self.destination.port.to_be_bytes());
    }
}

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const METHOD_NONE: u8 = 0;
const METHOD_LOGIN: u8 = 2;
const CONNECT: u8 = 1;
const KIND_IPV4: u8 = 1;
const KIND_NAME: u8 = 3;
const KIND_IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn socks(username: &str) -> Socks {
        let mut options = SocketOptions::default();
        options.set("SOCKS_USERNAME", username).unwrap();
        options.set("SOCKS_PASSWORD", "pw").unwrap();
        let destination = Destination {
            host: DestinationHost::Name("host".to_owned()),
            port: 5555,
        };
        Socks::new(destination, &options)
    }

    fn said(socks: &mut Socks) -> Vec<u8> {
        let said = socks.transmit().to_vec();
        socks.transmitted(said.len());
        said
    }

    #[test]
    fn with_a_login_and_byte_by_byte() {
        let mut socks = socks("me");
        assert_eq!(said(&mut socks), [5, 1, 2]);
        for byte in [5, 2] {
            socks.handle_input(&[byte]).unwrap();
        }
        assert_eq!(said(&mut socks), b"\x01\x02me\x02pw");
        for byte in [1, 0] {
            socks.handle_input(&[byte]).unwrap();
        }
        assert_eq!(said(&mut socks), b"\x05\x01\0\x03\x04host\x15\xb3");
        for byte in *b"\x05\0\0\x01\x7f\0\0\x01\x12\x34" {
            assert!(!socks.is_done());
            socks.handle_input(&[byte]).unwrap();
        }
        assert!(socks.is_done());
        socks.handle_input(b"\xff\0").unwrap();
        assert_eq!(socks.into_rest(), b"\xff\0");
    }

    #[test]
    fn without_a_login_and_all_at_once() {
        let mut socks = socks("");
        assert_eq!(said(&mut socks), [5, 1, 0]);
        socks
            .handle_input(b"\x05\0\x05\0\0\x03\x02ab\0\0rest")
            .unwrap();
        assert!(socks.is_done());
        assert_eq!(socks.into_rest(), b"rest");
    }

    #[test]
    fn refusals_are_noticed() {
        assert_eq!(socks("").handle_input(b"\x05\xff"), Err(Refused));
        assert_eq!(socks("").handle_input(b"\x05\x02"), Err(Refused));
        assert_eq!(socks("").handle_input(b"HTTP"), Err(Refused));
        assert_eq!(socks("me").handle_input(b"\x05\x02\x01\x01"), Err(Refused));
        assert_eq!(socks("").handle_input(b"\x05\0\x05\x05"), Err(Refused));
        assert_eq!(
            socks("").handle_input(b"\x05\0\x05\0\0\x09xxx"),
            Err(Refused)
        );
    }
}
