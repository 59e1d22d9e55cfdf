// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that does what it is told, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use ferromq_os::poll::{PollFd, poll};

use crate::common::PLENTY;

pub(crate) const MORE: u8 = 1;
pub(crate) const LONG: u8 = 2;
pub(crate) const COMMAND: u8 = 4;

trait Both: Read + Write + AsFd + Send {}
impl<T: Read + Write + AsFd + Send> Both for T {}

pub(crate) struct Peer {
    stream: Box<dyn Both>,
}

pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, String),
}

impl Listener {
    pub(crate) fn tcp() -> Self {
        Self::Tcp(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn unix() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/tmp/litmus-{}-{number}", std::process::id());
        std::fs::remove_file(&path).ok();
        Self::Unix(UnixListener::bind(&path).unwrap(), path)
    }

    pub(crate) fn endpoint(&self) -> String {
        match self {
            Self::Tcp(listener) => format!("tcp://{}", listener.local_addr().unwrap()),
            Self::Unix(_, path) => format!("ipc://{path}"),
        }
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Peer {
        self.try_accept(Duration::from_millis(PLENTY))
            .expect("nobody connects")
    }

    pub(crate) fn try_accept(&self, wait: Duration) -> Option<Peer> {
        let fd = match self {
            Self::Tcp(listener) => listener.as_raw_fd(),
            Self::Unix(listener, _) => listener.as_raw_fd(),
        };
        let mut fds = [PollFd::new(fd, PollFd::IN)];
        if poll(&mut fds, Some(wait)).unwrap() == 0 {
            return None;
        }
        Some(match self {
            Self::Tcp(listener) => Peer::tcp(listener.accept().unwrap().0),
            Self::Unix(listener, _) => Peer::unix(listener.accept().unwrap().0),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            std::fs::remove_file(path).ok();
        }
    }
}

impl Peer {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(PLENTY)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_millis(PLENTY)))
            .unwrap();
        Self {
            stream: Box::new(stream),
        }
    }

    pub(crate) fn unix(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_millis(PLENTY)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_millis(PLENTY)))
            .unwrap();
        Self {
            stream: Box::new(stream),
        }
    }

    pub(crate) fn connect(endpoint: &str) -> Self {
        match endpoint.split_once("://").unwrap() {
            ("tcp", address) => Self::tcp(TcpStream::connect(address).unwrap()),
            (_, path) => Self::unix(UnixStream::connect(path).unwrap()),
        }
    }

    /// Connects and shakes hands.
    pub(crate) fn meet(endpoint: &str, socket_type: &str) -> Self {
        let mut peer = Self::connect(endpoint);
        peer.shake_hands(socket_type);
        peer
    }

    pub(crate) fn shake_hands(&mut self, socket_type: &str) {
        self.write(&greeting());
        self.write(&ready(socket_type));
        self.hear_hands_shaken();
    }

    /// The same, with a message in one piece with the last word of the handshake.
    pub(crate) fn shake_hands_and_say(&mut self, socket_type: &str, body: &[u8]) {
        self.write(&greeting());
        self.write(&[ready(socket_type), frame(0, body)].concat());
        self.hear_hands_shaken();
    }

    pub(crate) fn hear_hands_shaken(&mut self) {
        let mut theirs = [0; 64];
        self.stream.read_exact(&mut theirs).unwrap();
        assert_eq!((theirs[0], theirs[9], theirs[10]), (0xff, 0x7f, 3));
        let (flags, body) = self.frame().unwrap();
        assert_eq!(flags & COMMAND, COMMAND);
        assert_eq!(&body[..6], b"\x05READY");
    }

    /// Shakes hands and returns the first message, unless the other side gives up before.
    pub(crate) fn first_message(&mut self, socket_type: &str) -> Option<(u8, Vec<u8>)> {
        self.try_write(&[greeting().to_vec(), ready(socket_type)].concat());
        self.exactly(64)?;
        self.message()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn send(&mut self, flags: u8, body: &[u8]) {
        self.write(&frame(flags, body));
    }

    /// Up to so many bytes; none at the end.
    pub(crate) fn read(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let read = match self.stream.read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        };
        bytes.truncate(read);
        bytes
    }

    /// The next frame: flags and body. `None` at the end of the stream, wherever that is.
    pub(crate) fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let flags = self.exactly(1)?[0];
        let len = if flags & LONG == 0 {
            u64::from(self.exactly(1)?[0])
        } else {
            u64::from_be_bytes(self.exactly(8)?.try_into().unwrap())
        };
        let body = self.exactly(usize::try_from(len).unwrap())?;
        Some((flags & !LONG, body))
    }

    /// The next frame that is no command.
    pub(crate) fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (flags, body) = self.frame()?;
            if flags & COMMAND == 0 {
                return Some((flags, body));
            }
        }
    }

    fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether there is something to read, or the end, within this time.
    pub(crate) fn has_input(&self, wait: Duration) -> bool {
        let mut fds = [PollFd::new(self.stream.as_fd().as_raw_fd(), PollFd::IN)];
        poll(&mut fds, Some(wait)).unwrap() > 0
    }

    /// Reads what comes until the connection ends.
    pub(crate) fn until_closed(&mut self) {
        while !self.read(65_536).is_empty() {}
    }
}

pub(crate) fn greeting() -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[0] = 0xff;
    bytes[8] = 1;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[11] = 1;
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

pub(crate) fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend(u32::try_from(socket_type.len()).unwrap().to_be_bytes());
    body.extend(socket_type.as_bytes());
    frame(COMMAND, &body)
}

pub(crate) fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len()).unwrap()];
    body.extend(name.as_bytes());
    body.extend(data);
    frame(COMMAND, &body)
}

pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 9);
    if let Ok(len) = u8::try_from(body.len()) {
        bytes.extend([flags, len]);
    } else {
        bytes.push(flags | LONG);
        bytes.extend((body.len() as u64).to_be_bytes());
    }
    bytes.extend(body);
    bytes
}
