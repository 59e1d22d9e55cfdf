// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real libzmq loaded into this process from an absolute path, and proof of which one it is.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_short, c_void};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::{Failure, Outcome};

/// The library. It stays loaded to the end of the process: its threads outlive every handle.
pub struct LibZmq {
    functions: Functions,
    /// Where it was built with the draft interface.
    draft: Option<Draft>,
    version: (i32, i32, i32),
    path: PathBuf,
}

impl LibZmq {
    /// Loads the library at this absolute path and asserts that it is the one and only libzmq
    /// that is mapped into this process.
    pub fn open(path: &Path) -> Outcome<&'static Self> {
        if !path.is_absolute() {
            return Err(Failure::new(format!(
                "{} is not an absolute path",
                path.display()
            )));
        }
        let path = path
            .canonicalize()
            .map_err(|e| Failure::from(e).within(path.display()))?;
        // SAFETY: libzmq's initialisers may run in any process at any time.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|e| Failure::new(e.to_string()))?;
        let library: &'static Library = Box::leak(Box::new(library));
        // SAFETY: the signatures are those of zmq.h, and the library is never unloaded.
        let functions = unsafe { Functions::load(library) }
            .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        // SAFETY: as above.
        let draft = unsafe { Draft::load(library) }.ok();
        let mapped = mapped_libraries()?;
        if mapped != [path.clone()] {
            return Err(Failure::new(format!(
                "mapped is {mapped:?}, not {} alone",
                path.display()
            )));
        }
        let mut version = (0, 0, 0);
        let (major, minor, patch) = (&raw mut version.0, &raw mut version.1, &raw mut version.2);
        // SAFETY: three valid places for an int.
        unsafe { (functions.zmq_version)(major, minor, patch) };
        Ok(Box::leak(Box::new(Self {
            functions,
            draft,
            version,
            path,
        })))
    }

    /// What `zmq_version` answers.
    pub fn version(&self) -> (i32, i32, i32) {
        self.version
    }

    /// The file that is mapped.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was built with this (`curve`, `ipc`, `ws`, …).
    pub fn has(&self, capability: &CStr) -> bool {
        // SAFETY: a terminated string.
        unsafe { (self.functions.zmq_has)(capability.as_ptr()) == 1 }
    }

    /// What a function answers that is not there.
    fn missing(&self, function: &'static str) -> ZmqError {
        ZmqError {
            function,
            code: 0,
            text: "not built".to_owned(),
        }
    }

    fn last_error(&self, function: &'static str) -> ZmqError {
        // SAFETY: no arguments, and valid in every state.
        let code = unsafe { (self.functions.zmq_errno)() };
        // SAFETY: any number is allowed.
        let text = unsafe { (self.functions.zmq_strerror)(code) };
        // SAFETY: zmq_strerror gives a terminated string that is good until the next call.
        let text = unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned();
        ZmqError {
            function,
            code,
            text,
        }
    }

    fn check(&self, function: &'static str, result: c_int) -> Result<c_int, ZmqError> {
        if result < 0 {
            Err(self.last_error(function))
        } else {
            Ok(result)
        }
    }
}

impl fmt::Debug for LibZmq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LibZmq")
            .field("version", &self.version)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZmqError {
    /// The function that was called.
    pub function: &'static str,
    /// `zmq_errno`.
    pub code: i32,
    /// `zmq_strerror`.
    pub text: String,
}

impl ZmqError {
    /// Nothing was there, or there was no room, in time.
    pub fn is_again(&self) -> bool {
        self.code == EAGAIN
    }
}

impl fmt::Display for ZmqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.function, self.text)
    }
}

impl std::error::Error for ZmqError {}

impl From<ZmqError> for Failure {
    fn from(error: ZmqError) -> Self {
        Self::new(error.to_string())
    }
}

/// A context; terminated when dropped, which waits for its sockets.
#[derive(Debug)]
pub struct Context {
    library: &'static LibZmq,
    raw: *mut c_void,
}

// SAFETY: a libzmq context may be used from any thread.
unsafe impl Send for Context {}
// SAFETY: a libzmq context may be used from several threads at once.
unsafe impl Sync for Context {}

impl Context {
    /// A new context of this library.
    pub fn new(library: &'static LibZmq) -> Result<Self, ZmqError> {
        // SAFETY: no arguments.
        let raw = unsafe { (library.functions.zmq_ctx_new)() };
        if raw.is_null() {
            Err(library.last_error("zmq_ctx_new"))
        } else {
            Ok(Self { library, raw })
        }
    }

    /// Sets a context option by its number.
    pub fn set(&self, option: i32, value: i32) -> Result<(), ZmqError> {
        // SAFETY: the context is there until it is dropped.
        let result = unsafe { (self.library.functions.zmq_ctx_set)(self.raw, option, value) };
        self.library.check("zmq_ctx_set", result).map(drop)
    }

    /// Makes every call on the context's sockets fail with ETERM.
    pub fn shutdown(&self) -> Result<(), ZmqError> {
        // SAFETY: the context is there until it is dropped.
        let result = unsafe { (self.library.functions.zmq_ctx_shutdown)(self.raw) };
        self.library.check("zmq_ctx_shutdown", result).map(drop)
    }

    /// A socket of this type, by its number. It is to be dropped before the context is.
    pub fn socket(&self, kind: i32) -> Result<Socket, ZmqError> {
        // SAFETY: the context is there until it is dropped.
        let raw = unsafe { (self.library.functions.zmq_socket)(self.raw, kind) };
        if raw.is_null() {
            return Err(self.library.last_error("zmq_socket"));
        }
        Ok(Socket {
            library: self.library,
            raw,
            last: Last::default(),
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is there, and nobody uses it any more. EINTR asks for another try.
        while unsafe { (self.library.functions.zmq_ctx_term)(self.raw) } != 0
            && self.library.last_error("zmq_ctx_term").code == EINTR
        {}
    }
}

/// A socket; closed when dropped, with whatever linger it has.
#[derive(Debug)]
pub struct Socket {
    library: &'static LibZmq,
    raw: *mut c_void,
    last: Last,
}

/// Whom a message is for, where that is no part of it.
#[derive(Debug)]
pub enum To {
    /// The peer with this number.
    Number(u32),
    /// Whoever has joined this group.
    Group(CString),
}

/// What is known of a message besides its bytes.
#[derive(Debug, Default)]
pub struct Last {
    /// The number of its peer (SERVER, PEER), or 0.
    pub number: u32,
    /// Its group (DISH).
    pub group: Vec<u8>,
    /// The user an authenticator knows its peer as.
    pub user: Option<Vec<u8>>,
}

// SAFETY: a libzmq socket may move to another thread with a full fence, which a move is.
unsafe impl Send for Socket {}

impl Socket {
    /// `zmq_bind`.
    pub fn bind(&mut self, endpoint: &str) -> Result<(), ZmqError> {
        self.with_endpoint("zmq_bind", self.library.functions.zmq_bind, endpoint)
    }

    /// `zmq_connect`.
    pub fn connect(&mut self, endpoint: &str) -> Result<(), ZmqError> {
        self.with_endpoint("zmq_connect", self.library.functions.zmq_connect, endpoint)
    }

    /// `zmq_unbind`.
    pub fn unbind(&mut self, endpoint: &str) -> Result<(), ZmqError> {
        self.with_endpoint("zmq_unbind", self.library.functions.zmq_unbind, endpoint)
    }

    /// `zmq_disconnect`.
    pub fn disconnect(&mut self, endpoint: &str) -> Result<(), ZmqError> {
        self.with_endpoint(
            "zmq_disconnect",
            self.library.functions.zmq_disconnect,
            endpoint,
        )
    }

    fn with_endpoint(
        &mut self,
        name: &'static str,
        function: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
        endpoint: &str,
    ) -> Result<(), ZmqError> {
        let endpoint = CString::new(endpoint).unwrap_or_default(); // "" is refused with EINVAL
        // SAFETY: the socket is there until it is dropped; a terminated string.
        let result = unsafe { function(self.raw, endpoint.as_ptr()) };
        self.library.check(name, result).map(drop)
    }

    /// Sets an option of type `int`.
    pub fn set_int(&mut self, option: i32, value: i32) -> Result<(), ZmqError> {
        self.set_raw(option, (&raw const value).cast(), size_of::<i32>())
    }

    /// Sets an option of type `int64_t` or `uint64_t`.
    pub fn set_long(&mut self, option: i32, value: i64) -> Result<(), ZmqError> {
        self.set_raw(option, (&raw const value).cast(), size_of::<i64>())
    }

    /// Sets an option made of bytes.
    pub fn set_bytes(&mut self, option: i32, value: &[u8]) -> Result<(), ZmqError> {
        self.set_raw(option, value.as_ptr().cast(), value.len())
    }

    fn set_raw(&mut self, option: i32, at: *const c_void, len: usize) -> Result<(), ZmqError> {
        // SAFETY: the socket is there until it is dropped; `len` bytes can be read.
        let result = unsafe { (self.library.functions.zmq_setsockopt)(self.raw, option, at, len) };
        self.library.check("zmq_setsockopt", result).map(drop)
    }

    /// Reads an option of type `int`.
    pub fn int(&self, option: i32) -> Result<i32, ZmqError> {
        let mut value: i32 = 0;
        self.read(option, (&raw mut value).cast(), size_of::<i32>())?;
        Ok(value)
    }

    /// Reads an option of type `int64_t` or `uint64_t`.
    pub fn long(&self, option: i32) -> Result<i64, ZmqError> {
        let mut value: i64 = 0;
        self.read(option, (&raw mut value).cast(), size_of::<i64>())?;
        Ok(value)
    }

    /// Reads an option made of bytes.
    pub fn bytes(&self, option: i32) -> Result<Vec<u8>, ZmqError> {
        let mut value = vec![0; 1024];
        let len = self.read(option, value.as_mut_ptr().cast(), value.len())?;
        value.truncate(len);
        Ok(value)
    }

    /// `ZMQ_LAST_ENDPOINT`.
    pub fn last_endpoint(&self) -> Result<String, ZmqError> {
        let bytes = self.bytes(ZMQ_LAST_ENDPOINT)?;
        Ok(String::from_utf8_lossy(&bytes)
            .trim_end_matches('\0')
            .to_owned())
    }

    fn read(&self, option: i32, at: *mut c_void, mut len: usize) -> Result<usize, ZmqError> {
        let function = self.library.functions.zmq_getsockopt;
        // SAFETY: the socket is there until it is dropped; `len` bytes can be written.
        let result = unsafe { function(self.raw, option, at, &raw mut len) };
        self.library.check("zmq_getsockopt", result).map(|_| len)
    }

    /// How long sending and receiving wait.
    pub fn set_patience(&mut self, patience: Duration) -> Result<(), ZmqError> {
        let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        self.set_int(ZMQ_SNDTIMEO, milliseconds)?;
        self.set_int(ZMQ_RCVTIMEO, milliseconds)
    }

    /// Sends one part.
    pub fn send(&mut self, part: &[u8], more: bool) -> Result<(), ZmqError> {
        let flags = if more { ZMQ_SNDMORE } else { 0 };
        let function = self.library.functions.zmq_send;
        loop {
            // SAFETY: the socket is there until it is dropped; the bytes are copied.
            let result = unsafe { function(self.raw, part.as_ptr().cast(), part.len(), flags) };
            match self.library.check("zmq_send", result) {
                Err(error) if error.code == EINTR => {}
                result => return result.map(drop),
            }
        }
    }

    /// Sends one message of these parts.
    pub fn send_parts<P: AsRef<[u8]>>(&mut self, parts: &[P]) -> Result<(), ZmqError> {
        for (at, part) in parts.iter().enumerate() {
            self.send(part.as_ref(), at + 1 < parts.len())?;
        }
        Ok(())
    }

    /// Sends one part to a peer by its number (SERVER, PEER), or into a group (RADIO).
    pub fn send_to(&mut self, part: &[u8], to: &To) -> Result<(), ZmqError> {
        let functions = &self.library.functions;
        let Some(draft) = &self.library.draft else {
            return Err(self.library.missing("zmq_msg_set_routing_id"));
        };
        let mut message = RawMessage([0; 8]);
        let raw = &raw mut message;
        // SAFETY: room for a zmq_msg_t.
        let result = unsafe { (functions.zmq_msg_init_size)(raw, part.len()) };
        self.library.check("zmq_msg_init_size", result)?;
        // SAFETY: an initialised message.
        let data = unsafe { (functions.zmq_msg_data)(raw) };
        // SAFETY: the message has room for the part.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), data.cast(), part.len()) };
        let result = match to {
            // SAFETY: an initialised message.
            To::Number(number) => unsafe { (draft.zmq_msg_set_routing_id)(raw, *number) },
            // SAFETY: an initialised message and a terminated string.
            To::Group(group) => unsafe { (draft.zmq_msg_set_group)(raw, group.as_ptr()) },
        };
        let sent = self.library.check("zmq_msg_set", result).and_then(|_| {
            // SAFETY: the socket is there until it is dropped; an initialised message.
            let result = unsafe { (functions.zmq_msg_send)(raw, self.raw, 0) };
            self.library.check("zmq_msg_send", result)
        });
        if sent.is_err() {
            // SAFETY: an initialised message, not used again.
            unsafe { (functions.zmq_msg_close)(raw) };
        }
        sent.map(drop)
    }

    /// `zmq_join`.
    pub fn join(&mut self, group: &str) -> Result<(), ZmqError> {
        let Some(draft) = &self.library.draft else {
            return Err(self.library.missing("zmq_join"));
        };
        let group = CString::new(group).unwrap_or_default();
        // SAFETY: the socket is there until it is dropped; a terminated string.
        let result = unsafe { (draft.zmq_join)(self.raw, group.as_ptr()) };
        self.library.check("zmq_join", result).map(drop)
    }

    /// `zmq_connect_peer`: the number of the peer.
    pub fn connect_peer(&mut self, endpoint: &str) -> Result<u32, ZmqError> {
        let Some(draft) = &self.library.draft else {
            return Err(self.library.missing("zmq_connect_peer"));
        };
        let endpoint = CString::new(endpoint).unwrap_or_default();
        // SAFETY: the socket is there until it is dropped; a terminated string.
        let number = unsafe { (draft.zmq_connect_peer)(self.raw, endpoint.as_ptr()) };
        if number == 0 {
            return Err(self.library.last_error("zmq_connect_peer"));
        }
        Ok(number)
    }

    /// What is known of the message received last: its peer's number, its group, its user.
    pub fn last(&self) -> &Last {
        &self.last
    }

    /// Looks at a message before it is closed.
    fn note(&mut self, raw: *mut RawMessage) {
        let get = self.library.functions.zmq_msg_gets;
        // SAFETY: an initialised message and a terminated string.
        let user = unsafe { get(raw, c"User-Id".as_ptr()) };
        self.last.user = if user.is_null() {
            None
        } else {
            // SAFETY: a terminated string that is good as long as the message.
            Some(unsafe { CStr::from_ptr(user) }.to_bytes().to_vec())
        };
        let Some(draft) = &self.library.draft else {
            return;
        };
        // SAFETY: an initialised message.
        let number = unsafe { (draft.zmq_msg_routing_id)(raw) };
        if number != 0 {
            self.last.number = number;
        }
        // SAFETY: an initialised message.
        let group = unsafe { (draft.zmq_msg_group)(raw) };
        if !group.is_null() {
            // SAFETY: a terminated string that is good as long as the message.
            self.last.group = unsafe { CStr::from_ptr(group) }.to_bytes().to_vec();
        }
    }

    /// Receives one part, and whether more of the same message follow.
    pub fn receive(&mut self) -> Result<(Vec<u8>, bool), ZmqError> {
        let functions = &self.library.functions;
        let mut message = RawMessage([0; 8]);
        let raw = &raw mut message;
        // SAFETY: room for a zmq_msg_t.
        unsafe { (functions.zmq_msg_init)(raw) };
        let received = loop {
            // SAFETY: the socket is there until it is dropped; an initialised message.
            let result = unsafe { (functions.zmq_msg_recv)(raw, self.raw, 0) };
            match self.library.check("zmq_msg_recv", result) {
                Err(error) if error.code == EINTR => {}
                result => break result,
            }
        };
        let part = received.map(|_| {
            // SAFETY: an initialised message.
            let len = unsafe { (functions.zmq_msg_size)(raw) };
            // SAFETY: an initialised message.
            let data = unsafe { (functions.zmq_msg_data)(raw) }.cast::<u8>();
            let bytes = if len == 0 {
                Vec::new()
            } else {
                // SAFETY: the message holds this many bytes and is not closed yet.
                unsafe { std::slice::from_raw_parts(data, len) }.to_vec()
            };
            // SAFETY: an initialised message.
            (bytes, unsafe { (functions.zmq_msg_more)(raw) } != 0)
        });
        if part.is_ok() {
            self.note(raw);
        }
        // SAFETY: an initialised message, not used again.
        unsafe { (functions.zmq_msg_close)(raw) };
        part
    }

    /// Receives one message, as its parts.
    pub fn receive_parts(&mut self) -> Result<Vec<Vec<u8>>, ZmqError> {
        let mut parts = Vec::new();
        loop {
            let (part, more) = self.receive()?;
            parts.push(part);
            if !more {
                return Ok(parts);
            }
        }
    }

    /// Waits with `zmq_poll` for one of these events; which of them are there.
    pub fn ready(&mut self, events: i16, patience: Duration) -> Result<i16, ZmqError> {
        let mut item = PollItem {
            socket: self.raw,
            fd: -1,
            events,
            revents: 0,
        };
        let patience = c_long::try_from(patience.as_millis()).unwrap_or(c_long::MAX);
        // SAFETY: one item, of a socket that is there.
        let result = unsafe { (self.library.functions.zmq_poll)(&raw mut item, 1, patience) };
        self.library.check("zmq_poll", result).map(|_| item.revents)
    }

    /// Reports these events to a PAIR bound at this inproc endpoint.
    pub fn monitor(&mut self, endpoint: &str, events: i32) -> Result<(), ZmqError> {
        let endpoint = CString::new(endpoint).unwrap_or_default();
        let function = self.library.functions.zmq_socket_monitor;
        // SAFETY: the socket is there until it is dropped; a terminated string.
        let result = unsafe { function(self.raw, endpoint.as_ptr(), events) };
        self.library.check("zmq_socket_monitor", result).map(drop)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the socket is there and is not used again.
        unsafe { (self.library.functions.zmq_close)(self.raw) };
    }
}

/// The files with libzmq in their name that are mapped into this process.
fn mapped_libraries() -> Outcome<Vec<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut mapped: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.starts_with("libzmq") && name.contains(".so"))
        })
        .map(Path::to_path_buf)
        .collect();
    mapped.sort();
    mapped.dedup();
    Ok(mapped)
}

/// `zmq_msg_t`: 64 bytes, aligned as a pointer.
#[repr(C)]
struct RawMessage([u64; 8]);

/// `zmq_pollitem_t`.
#[repr(C)]
struct PollItem {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
}

macro_rules! functions {
    ($(#[$doc:meta])* $table:ident
        $($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $(#[$doc])*
        struct $table {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl $table {
            /// # Safety
            ///
            /// The library must be a libzmq, and stay loaded.
            unsafe fn load(library: &'static Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $(
                        // SAFETY: the types above are those of zmq.h.
                        $name: *unsafe { library.get(concat!(stringify!($name), "\0")) }?,
                    )*
                })
            }
        }
    };
}

functions! {
    /// The functions of zmq.h that are used here.
    Functions
    zmq_version(*mut c_int, *mut c_int, *mut c_int);
    zmq_has(*const c_char) -> c_int;
    zmq_errno() -> c_int;
    zmq_strerror(c_int) -> *const c_char;
    zmq_ctx_new() -> *mut c_void;
    zmq_ctx_set(*mut c_void, c_int, c_int) -> c_int;
    zmq_ctx_shutdown(*mut c_void) -> c_int;
    zmq_ctx_term(*mut c_void) -> c_int;
    zmq_socket(*mut c_void, c_int) -> *mut c_void;
    zmq_close(*mut c_void) -> c_int;
    zmq_bind(*mut c_void, *const c_char) -> c_int;
    zmq_connect(*mut c_void, *const c_char) -> c_int;
    zmq_unbind(*mut c_void, *const c_char) -> c_int;
    zmq_disconnect(*mut c_void, *const c_char) -> c_int;
    zmq_setsockopt(*mut c_void, c_int, *const c_void, usize) -> c_int;
    zmq_getsockopt(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    zmq_send(*mut c_void, *const c_void, usize, c_int) -> c_int;
    zmq_msg_init(*mut RawMessage) -> c_int;
    zmq_msg_init_size(*mut RawMessage, usize) -> c_int;
    zmq_msg_send(*mut RawMessage, *mut c_void, c_int) -> c_int;
    zmq_msg_gets(*const RawMessage, *const c_char) -> *const c_char;
    zmq_msg_recv(*mut RawMessage, *mut c_void, c_int) -> c_int;
    zmq_msg_data(*mut RawMessage) -> *mut c_void;
    zmq_msg_size(*mut RawMessage) -> usize;
    zmq_msg_more(*mut RawMessage) -> c_int;
    zmq_msg_close(*mut RawMessage) -> c_int;
    zmq_poll(*mut PollItem, c_int, c_long) -> c_int;
    zmq_socket_monitor(*mut c_void, *const c_char, c_int) -> c_int;
}

functions! {
    /// Those of the draft interface.
    Draft
    zmq_join(*mut c_void, *const c_char) -> c_int;
    zmq_connect_peer(*mut c_void, *const c_char) -> u32;
    zmq_msg_set_group(*mut RawMessage, *const c_char) -> c_int;
    zmq_msg_group(*mut RawMessage) -> *const c_char;
    zmq_msg_set_routing_id(*mut RawMessage, u32) -> c_int;
    zmq_msg_routing_id(*mut RawMessage) -> u32;
}

/// Socket types by name, as zmq.h numbers them.
pub const SOCKET_TYPES: &[(&str, i32)] = &[
    ("PAIR", 0),
    ("PUB", 1),
    ("SUB", 2),
    ("REQ", 3),
    ("REP", 4),
    ("DEALER", 5),
    ("ROUTER", 6),
    ("PULL", 7),
    ("PUSH", 8),
    ("XPUB", 9),
    ("XSUB", 10),
    ("STREAM", 11),
    ("SERVER", 12),
    ("CLIENT", 13),
    ("RADIO", 14),
    ("DISH", 15),
    ("GATHER", 16),
    ("SCATTER", 17),
    ("DGRAM", 18),
    ("PEER", 19),
    ("CHANNEL", 20),
];

/// What the value of an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// `int`.
    Int,
    /// `int64_t` or `uint64_t`.
    Long,
    /// A string or binary data.
    Bytes,
}

/// Options by name, as zmq.h numbers them.
pub const OPTIONS: &[(&str, i32, OptionKind)] = &[
    ("affinity", 4, OptionKind::Long),
    ("routing_id", 5, OptionKind::Bytes),
    ("subscribe", ZMQ_SUBSCRIBE, OptionKind::Bytes),
    ("unsubscribe", ZMQ_UNSUBSCRIBE, OptionKind::Bytes),
    ("rate", 8, OptionKind::Int),
    ("recovery_ivl", 9, OptionKind::Int),
    ("sndbuf", 11, OptionKind::Int),
    ("rcvbuf", 12, OptionKind::Int),
    ("rcvmore", 13, OptionKind::Int),
    ("events", 15, OptionKind::Int),
    ("type", 16, OptionKind::Int),
    ("linger", ZMQ_LINGER, OptionKind::Int),
    ("reconnect_ivl", 18, OptionKind::Int),
    ("backlog", 19, OptionKind::Int),
    ("reconnect_ivl_max", 21, OptionKind::Int),
    ("maxmsgsize", 22, OptionKind::Long),
    ("sndhwm", 23, OptionKind::Int),
    ("rcvhwm", 24, OptionKind::Int),
    ("rcvtimeo", ZMQ_RCVTIMEO, OptionKind::Int),
    ("sndtimeo", ZMQ_SNDTIMEO, OptionKind::Int),
    ("last_endpoint", ZMQ_LAST_ENDPOINT, OptionKind::Bytes),
    ("multicast_hops", 25, OptionKind::Int),
    ("router_mandatory", 33, OptionKind::Int),
    ("tcp_keepalive", 34, OptionKind::Int),
    ("immediate", 39, OptionKind::Int),
    ("xpub_verbose", 40, OptionKind::Int),
    ("ipv6", 42, OptionKind::Int),
    ("mechanism", 43, OptionKind::Int),
    ("plain_server", 44, OptionKind::Int),
    ("plain_username", 45, OptionKind::Bytes),
    ("plain_password", 46, OptionKind::Bytes),
    ("curve_server", 47, OptionKind::Int),
    ("curve_publickey", 48, OptionKind::Bytes),
    ("curve_secretkey", 49, OptionKind::Bytes),
    ("curve_serverkey", 50, OptionKind::Bytes),
    ("probe_router", 51, OptionKind::Int),
    ("req_correlate", 52, OptionKind::Int),
    ("req_relaxed", 53, OptionKind::Int),
    ("conflate", 54, OptionKind::Int),
    ("zap_domain", 55, OptionKind::Bytes),
    ("gssapi_server", 62, OptionKind::Int),
    ("gssapi_principal", 63, OptionKind::Bytes),
    ("gssapi_service_principal", 64, OptionKind::Bytes),
    ("gssapi_plaintext", 65, OptionKind::Int),
    ("handshake_ivl", 66, OptionKind::Int),
    ("xpub_nodrop", 69, OptionKind::Int),
    ("invert_matching", 74, OptionKind::Int),
    ("heartbeat_ivl", 75, OptionKind::Int),
    ("heartbeat_ttl", 76, OptionKind::Int),
    ("heartbeat_timeout", 77, OptionKind::Int),
    ("multicast_maxtpdu", 84, OptionKind::Int),
    ("gssapi_principal_nametype", 90, OptionKind::Int),
    ("gssapi_service_principal_nametype", 91, OptionKind::Int),
    ("multicast_loop", 96, OptionKind::Int),
];

/// Monitor events by name, as zmq.h numbers them.
pub const EVENTS: &[(&str, u16)] = &[
    ("connected", 0x0001),
    ("connect_delayed", 0x0002),
    ("connect_retried", 0x0004),
    ("listening", 0x0008),
    ("bind_failed", 0x0010),
    ("accepted", 0x0020),
    ("accept_failed", 0x0040),
    ("closed", 0x0080),
    ("close_failed", 0x0100),
    ("disconnected", 0x0200),
    ("monitor_stopped", 0x0400),
    ("handshake_failed_no_detail", 0x0800),
    ("handshake_succeeded", 0x1000),
    ("handshake_failed_protocol", 0x2000),
    ("handshake_failed_auth", 0x4000),
];

/// Every monitor event.
pub const ZMQ_EVENT_ALL: i32 = 0xffff;
/// `ZMQ_POLLIN`.
pub const ZMQ_POLLIN: i16 = 1;
/// `ZMQ_POLLOUT`.
pub const ZMQ_POLLOUT: i16 = 2;
/// `ZMQ_SUBSCRIBE`.
pub const ZMQ_SUBSCRIBE: i32 = 6;
/// `ZMQ_UNSUBSCRIBE`.
pub const ZMQ_UNSUBSCRIBE: i32 = 7;
/// `ZMQ_LINGER`.
pub const ZMQ_LINGER: i32 = 17;

const ZMQ_RCVTIMEO: i32 = 27;
const ZMQ_SNDTIMEO: i32 = 28;
const ZMQ_LAST_ENDPOINT: i32 = 32;
const ZMQ_SNDMORE: c_int = 2;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
