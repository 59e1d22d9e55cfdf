// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real libzmq, loaded from an absolute path, to be measured: bare function pointers.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_short, c_void};
use std::fs;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::library::{Context, Go, Kind, Socket};
use crate::task::Calls;
use crate::{Failure, Outcome};

/// A context of theirs. It lives to the end of the process.
#[derive(Debug, Clone, Copy)]
pub struct Theirs {
    functions: &'static Loaded,
    raw: NonNull<c_void>,
}

// SAFETY: a libzmq context may be used from any thread.
unsafe impl Send for Theirs {}

/// A socket of theirs, closed when dropped.
#[derive(Debug)]
pub struct TheirSocket {
    functions: &'static Loaded,
    raw: NonNull<c_void>,
}

// SAFETY: a libzmq socket may move to another thread with a full fence, which a move is.
unsafe impl Send for TheirSocket {}

impl Theirs {
    /// Loads the library at this absolute path, asserts that it is the only libzmq mapped here and
    /// of which version, and makes a context with the default options.
    pub fn open(path: &Path) -> Outcome<Self> {
        let functions = load(path)?;
        // SAFETY: no arguments.
        let raw = unsafe { (functions.zmq_ctx_new)() };
        let raw = NonNull::new(raw).ok_or_else(|| functions.failure("zmq_ctx_new"))?;
        Ok(Self { functions, raw })
    }
}

/// Whether the library at this path has RADIO and DISH, after the checks of [`Theirs::open`].
pub fn has_drafts(path: &Path) -> Outcome<bool> {
    Ok(load(path)?.drafts.is_some())
}

/// The version of the library at this path, after the checks of [`Theirs::open`].
pub fn version(path: &Path) -> Outcome<String> {
    let functions = load(path)?;
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three valid places for an int.
    unsafe { (functions.zmq_version)(&raw mut major, &raw mut minor, &raw mut patch) };
    Ok(format!("{major}.{minor}.{patch}"))
}

fn load(path: &Path) -> Outcome<&'static Loaded> {
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
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }?;
    // Never unloaded: its threads outlive every handle.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: the types are those of zmq.h, and the library stays.
    let stable = unsafe { Functions::load(library) }?;
    // SAFETY: as above, of zmq_draft.h.
    let drafts = unsafe { Drafts::load(library) }.ok();
    let functions: &'static Loaded = Box::leak(Box::new(Loaded { stable, drafts }));
    let maps = fs::read_to_string("/proc/self/maps")?;
    let strangers = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])))
        .filter(|file| {
            let name = file
                .file_name()
                .map(|name| name.to_string_lossy())
                .unwrap_or_default();
            name.starts_with("libzmq") && name.contains(".so") && *file != path
        })
        .count();
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three valid places for an int.
    unsafe { (functions.zmq_version)(&raw mut major, &raw mut minor, &raw mut patch) };
    if strangers > 0 || (major, minor) != (4, 3) {
        return Err(Failure::new(format!(
            "{}: version {major}.{minor}.{patch}, and {strangers} other libzmq mapped",
            path.display()
        )));
    }
    Ok(functions)
}

impl Context for Theirs {
    type Socket = TheirSocket;

    fn socket(&self, kind: Kind) -> Outcome<TheirSocket> {
        // SAFETY: the context is never terminated.
        let raw = unsafe { (self.functions.zmq_socket)(self.raw.as_ptr(), kind as c_int) };
        let raw = NonNull::new(raw).ok_or_else(|| self.functions.failure("zmq_socket"))?;
        Ok(TheirSocket {
            functions: self.functions,
            raw,
        })
    }
}

impl Socket for TheirSocket {
    fn bind(&mut self, endpoint: &str) -> Outcome<String> {
        let endpoint = CString::new(endpoint)?;
        // SAFETY: the socket is open; a terminated string.
        let result = unsafe { (self.functions.zmq_bind)(self.raw.as_ptr(), endpoint.as_ptr()) };
        self.functions.check("zmq_bind", result)?;
        let mut name = [0_u8; 512];
        let mut len = name.len();
        let read = self.functions.zmq_getsockopt;
        // SAFETY: the socket is open; the buffer is as long as stated.
        let result = unsafe {
            read(
                self.raw.as_ptr(),
                LAST_ENDPOINT,
                name.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        self.functions.check("zmq_getsockopt", result)?;
        let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    fn connect(&mut self, endpoint: &str) -> Outcome<()> {
        let endpoint = CString::new(endpoint)?;
        // SAFETY: the socket is open; a terminated string.
        let result = unsafe { (self.functions.zmq_connect)(self.raw.as_ptr(), endpoint.as_ptr()) };
        self.functions.check("zmq_connect", result).map(drop)
    }

    fn set(&mut self, option: i32, value: i32) -> Outcome<()> {
        self.set_raw(option, (&raw const value).cast(), size_of::<i32>())
    }

    fn set_bytes(&mut self, option: i32, value: &[u8]) -> Outcome<()> {
        self.set_raw(option, value.as_ptr().cast(), value.len())
    }

    fn subscribe(&mut self, topic: &[u8]) -> Outcome<()> {
        self.set_raw(SUBSCRIBE, topic.as_ptr().cast(), topic.len())
    }

    fn join(&mut self, group: &str) -> Outcome<()> {
        let group = CString::new(group)?;
        let join = self.functions.drafts()?.zmq_join;
        // SAFETY: the socket is open; a terminated string.
        let result = unsafe { join(self.raw.as_ptr(), group.as_ptr()) };
        self.functions.check("zmq_join", result).map(drop)
    }

    #[inline]
    fn send_to(&mut self, group: &str, bytes: &[u8]) -> Outcome<()> {
        let mut message = MaybeUninit::<RawMessage>::uninit();
        // SAFETY: room for a message.
        let result =
            unsafe { (self.functions.zmq_msg_init_size)(message.as_mut_ptr(), bytes.len()) };
        self.functions.check("zmq_msg_init_size", result)?;
        // SAFETY: the message was initialised.
        let data = unsafe { (self.functions.zmq_msg_data)(message.as_mut_ptr()) };
        // SAFETY: a message has as many bytes as it was made with.
        unsafe {
            data.cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        };
        let mut name = [0_u8; MOST_OF_GROUP + 1];
        let room = name.get_mut(..group.len().min(MOST_OF_GROUP));
        if let Some(room) = room.filter(|room| room.len() == group.len()) {
            room.copy_from_slice(group.as_bytes());
        }
        let set_group = self.functions.drafts()?.zmq_msg_set_group;
        // SAFETY: the message is initialised; the string ends in the array.
        let result = unsafe { set_group(message.as_mut_ptr(), name.as_ptr().cast()) };
        self.functions.check("zmq_msg_set_group", result)?;
        let send = self.functions.zmq_msg_send;
        // SAFETY: the socket is open, the message initialised; it is the socket's afterwards.
        let result = unsafe { send(message.as_mut_ptr(), self.raw.as_ptr(), 0) };
        self.functions.check("zmq_msg_send", result).map(drop)
    }

    #[inline]
    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        let send = self.functions.zmq_send;
        // SAFETY: the socket is open; the bytes can be read.
        let result = unsafe { send(self.raw.as_ptr(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if result < 0 {
            Err(self.functions.failure("zmq_send"))
        } else {
            Ok(())
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> Outcome<usize> {
        let result = self.recv_raw(buffer, 0);
        usize::try_from(result).map_err(|_negative| self.functions.failure("zmq_recv"))
    }

    #[inline]
    fn send_message(&mut self, len: usize, byte: u8, write: impl FnOnce(&mut [u8])) -> Outcome<()> {
        let mut message = MaybeUninit::<RawMessage>::uninit();
        // SAFETY: room for a message.
        let result = unsafe { (self.functions.zmq_msg_init_size)(message.as_mut_ptr(), len) };
        self.functions.check("zmq_msg_init_size", result)?;
        // SAFETY: the message was initialised.
        let data = unsafe { (self.functions.zmq_msg_data)(message.as_mut_ptr()) };
        // SAFETY: a message has as many bytes as it was made with.
        unsafe { data.cast::<u8>().write_bytes(byte, len) };
        // SAFETY: as above; nobody else sees them.
        write(unsafe { slice::from_raw_parts_mut(data.cast(), len) });
        let send = self.functions.zmq_msg_send;
        // SAFETY: the socket is open, the message initialised; it is the socket's afterwards.
        let result = unsafe { send(message.as_mut_ptr(), self.raw.as_ptr(), 0) };
        self.functions.check("zmq_msg_send", result).map(drop)
    }

    #[inline]
    fn send_body(&mut self, body: Vec<u8>) -> Outcome<()> {
        let mut message = MaybeUninit::<RawMessage>::uninit();
        let len = body.len();
        let data = Box::into_raw(body.into_boxed_slice());
        let init = self.functions.zmq_msg_init_data;
        let hint = ptr::without_provenance_mut(len);
        // SAFETY: room for a message; the bytes stay until `drop_body` is called, once, with this length.
        let result = unsafe { init(message.as_mut_ptr(), data.cast(), len, drop_body, hint) };
        self.functions.check("zmq_msg_init_data", result)?;
        let send = self.functions.zmq_msg_send;
        // SAFETY: the socket is open, the message initialised; it is the socket's afterwards.
        let result = unsafe { send(message.as_mut_ptr(), self.raw.as_ptr(), 0) };
        self.functions.check("zmq_msg_send", result).map(drop)
    }

    #[inline]
    fn recv_message<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Outcome<R> {
        let mut message = MaybeUninit::<RawMessage>::uninit();
        // SAFETY: room for a message.
        unsafe { (self.functions.zmq_msg_init)(message.as_mut_ptr()) };
        let recv = self.functions.zmq_msg_recv;
        // SAFETY: the socket is open, the message initialised.
        let result = unsafe { recv(message.as_mut_ptr(), self.raw.as_ptr(), 0) };
        self.functions.check("zmq_msg_recv", result)?;
        // SAFETY: the message is initialised.
        let data = unsafe { (self.functions.zmq_msg_data)(message.as_mut_ptr()) };
        // SAFETY: the message is initialised.
        let len = unsafe { (self.functions.zmq_msg_size)(message.as_mut_ptr()) };
        // SAFETY: that is where its bytes are, until it is closed.
        let found = look(unsafe { slice::from_raw_parts(data.cast(), len) });
        // SAFETY: the message is initialised and not used again.
        unsafe { (self.functions.zmq_msg_close)(message.as_mut_ptr()) };
        Ok(found)
    }

    #[inline]
    fn echo(&mut self) -> Outcome<()> {
        let mut message = MaybeUninit::<RawMessage>::uninit();
        // SAFETY: room for a message.
        unsafe { (self.functions.zmq_msg_init)(message.as_mut_ptr()) };
        loop {
            let recv = self.functions.zmq_msg_recv;
            // SAFETY: the socket is open, the message initialised.
            let result = unsafe { recv(message.as_mut_ptr(), self.raw.as_ptr(), 0) };
            self.functions.check("zmq_msg_recv", result)?;
            // SAFETY: the message is initialised.
            let more = unsafe { (self.functions.zmq_msg_more)(message.as_mut_ptr()) };
            let flags = if more == 0 { 0 } else { SNDMORE };
            let send = self.functions.zmq_msg_send;
            // SAFETY: the socket is open, the message initialised; it is empty afterwards.
            let result = unsafe { send(message.as_mut_ptr(), self.raw.as_ptr(), flags) };
            self.functions.check("zmq_msg_send", result)?;
            if more == 0 {
                return Ok(());
            }
        }
    }

    fn look(&mut self) -> Outcome<bool> {
        let mut item = PollItem {
            socket: self.raw.as_ptr(),
            fd: -1,
            events: POLLIN,
            revents: 0,
        };
        // SAFETY: one item, of an open socket.
        let result = unsafe { (self.functions.zmq_poll)(&raw mut item, 1, 0) };
        Ok(self.functions.check("zmq_poll", result)? > 0)
    }

    fn proxy(front: &mut Self, back: &mut Self) -> Outcome<()> {
        let (functions, none) = (front.functions, ptr::null_mut());
        // SAFETY: both sockets are open, and this thread's as long as it lasts.
        let result = unsafe { (functions.zmq_proxy)(front.raw.as_ptr(), back.raw.as_ptr(), none) };
        functions.check("zmq_proxy", result).map(drop)
    }

    fn read_all(
        sockets: &mut [Self],
        calls: Calls,
        buffer: &mut [u8],
        mut take: impl FnMut(usize, &[u8]) -> Outcome<Go>,
    ) -> Outcome<()> {
        let Some(functions) = sockets.first().map(|socket| socket.functions) else {
            return Ok(());
        };
        let mut waiting = match calls {
            Calls::Poller => Waiting::by_poller(functions, sockets)?,
            _ => Waiting::by_poll(sockets),
        };
        let mut message = MaybeUninit::<RawMessage>::uninit();
        // SAFETY: room for a message.
        unsafe { (functions.zmq_msg_init)(message.as_mut_ptr()) };
        loop {
            for &at in waiting.wait(functions)? {
                let socket = &mut sockets[at];
                loop {
                    let bytes = if calls == Calls::Buffers {
                        let len = socket.try_recv(buffer)?;
                        len.map(|len| &buffer[..len.min(buffer.len())])
                    } else {
                        socket.try_recv_message(&mut message)?
                    };
                    let Some(bytes) = bytes else { break };
                    if take(at, bytes)? == Go::Stop {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Frees the body of a message made by `send_body`.
extern "C" fn drop_body(data: *mut c_void, len: *mut c_void) {
    let body = ptr::slice_from_raw_parts_mut(data.cast::<u8>(), len.addr());
    // SAFETY: that is the box it was, and nobody else has it.
    drop(unsafe { Box::from_raw(body) });
}

/// Waits for input on many sockets.
struct Waiting {
    how: How,
    /// The places of those that have some.
    ready: Vec<usize>,
}

enum How {
    Poll(Vec<PollItem>),
    Poller(NonNull<c_void>, Vec<PollerEvent>),
}

impl Waiting {
    fn by_poll(sockets: &[TheirSocket]) -> Self {
        let item = |socket: &TheirSocket| PollItem {
            socket: socket.raw.as_ptr(),
            fd: -1,
            events: POLLIN,
            revents: 0,
        };
        Self {
            how: How::Poll(sockets.iter().map(item).collect()),
            ready: Vec::new(),
        }
    }

    fn by_poller(functions: &Loaded, sockets: &[TheirSocket]) -> Outcome<Self> {
        let drafts = functions.drafts()?;
        // SAFETY: no arguments.
        let poller = unsafe { (drafts.zmq_poller_new)() };
        let poller = NonNull::new(poller).ok_or_else(|| functions.failure("zmq_poller_new"))?;
        for (at, socket) in sockets.iter().enumerate() {
            let place = ptr::without_provenance_mut(at);
            let add = drafts.zmq_poller_add;
            // SAFETY: poller and socket are open; the place is only given back.
            let result = unsafe { add(poller.as_ptr(), socket.raw.as_ptr(), place, POLLIN) };
            functions.check("zmq_poller_add", result)?;
        }
        let event = || PollerEvent {
            socket: ptr::null_mut(),
            fd: -1,
            place: ptr::null_mut(),
            events: 0,
        };
        Ok(Self {
            how: How::Poller(poller, sockets.iter().map(|_| event()).collect()),
            ready: Vec::new(),
        })
    }

    /// Until one has some at least.
    fn wait(&mut self, functions: &Loaded) -> Outcome<&[usize]> {
        self.ready.clear();
        match &mut self.how {
            How::Poll(items) => {
                let count = c_int::try_from(items.len())?;
                // SAFETY: as many items as stated, of open sockets.
                let result = unsafe { (functions.zmq_poll)(items.as_mut_ptr(), count, -1) };
                functions.check("zmq_poll", result)?;
                let found = items.iter().enumerate();
                let found = found.filter(|(_, item)| item.revents & POLLIN != 0);
                self.ready.extend(found.map(|(at, _)| at));
            }
            How::Poller(poller, events) => {
                let wait = functions.drafts()?.zmq_poller_wait_all;
                let count = c_int::try_from(events.len())?;
                // SAFETY: an open poller, and as many places as stated.
                let result = unsafe { wait(poller.as_ptr(), events.as_mut_ptr(), count, -1) };
                let found = functions.check("zmq_poller_wait_all", result)?;
                let found = events.iter().take(usize::try_from(found)?);
                self.ready.extend(found.map(|event| event.place.addr()));
            }
        }
        Ok(&self.ready)
    }
}

impl TheirSocket {
    fn set_raw(&mut self, option: i32, at: *const c_void, len: usize) -> Outcome<()> {
        // SAFETY: the socket is open; `len` bytes can be read.
        let result = unsafe { (self.functions.zmq_setsockopt)(self.raw.as_ptr(), option, at, len) };
        self.functions.check("zmq_setsockopt", result).map(drop)
    }

    /// Receives into a message that is used again and again.
    #[inline]
    fn try_recv_message<'a>(
        &mut self,
        message: &'a mut MaybeUninit<RawMessage>,
    ) -> Outcome<Option<&'a [u8]>> {
        let recv = self.functions.zmq_msg_recv;
        // SAFETY: the socket is open, the message initialised.
        let result = unsafe { recv(message.as_mut_ptr(), self.raw.as_ptr(), DONTWAIT) };
        if self.received("zmq_msg_recv", result)?.is_none() {
            return Ok(None);
        }
        // SAFETY: the message is initialised.
        let data = unsafe { (self.functions.zmq_msg_data)(message.as_mut_ptr()) };
        // SAFETY: as above.
        let len = unsafe { (self.functions.zmq_msg_size)(message.as_mut_ptr()) };
        // SAFETY: that is where its bytes are, as long as the message is left alone.
        Ok(Some(unsafe { slice::from_raw_parts(data.cast(), len) }))
    }

    /// The length of what was received, if anything was there.
    #[inline]
    fn received(&self, function: &str, result: c_int) -> Outcome<Option<usize>> {
        if let Ok(len) = usize::try_from(result) {
            return Ok(Some(len));
        }
        // SAFETY: no arguments.
        let code = unsafe { (self.functions.zmq_errno)() };
        if code == libc::EAGAIN {
            Ok(None)
        } else {
            Err(self.functions.failure(function))
        }
    }

    #[inline]
    fn try_recv(&mut self, buffer: &mut [u8]) -> Outcome<Option<usize>> {
        let result = self.recv_raw(buffer, DONTWAIT);
        self.received("zmq_recv", result)
    }

    #[inline]
    fn recv_raw(&mut self, buffer: &mut [u8], flags: c_int) -> c_int {
        let recv = self.functions.zmq_recv;
        // SAFETY: the socket is open; the buffer is as long as stated.
        unsafe {
            recv(
                self.raw.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                flags,
            )
        }
    }
}

impl Drop for TheirSocket {
    fn drop(&mut self) {
        // SAFETY: the socket is open and not used again.
        unsafe { (self.functions.zmq_close)(self.raw.as_ptr()) };
    }
}

/// `zmq_msg_t`: 64 bytes, aligned as a pointer.
#[repr(C)]
struct RawMessage([u64; 8]);

/// `zmq_poller_event_t`.
#[repr(C)]
struct PollerEvent {
    socket: *mut c_void,
    fd: c_int,
    place: *mut c_void,
    events: c_short,
}

/// `zmq_free_fn`.
type FreeFn = extern "C" fn(*mut c_void, *mut c_void);

/// `zmq_pollitem_t`.
#[repr(C)]
struct PollItem {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
}

macro_rules! functions {
    ($(#[$doc:meta])* $table:ident: $($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $(#[$doc])*
        #[derive(Debug)]
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
    Functions:
    zmq_version(*mut c_int, *mut c_int, *mut c_int);
    zmq_errno() -> c_int;
    zmq_strerror(c_int) -> *const c_char;
    zmq_ctx_new() -> *mut c_void;
    zmq_socket(*mut c_void, c_int) -> *mut c_void;
    zmq_close(*mut c_void) -> c_int;
    zmq_bind(*mut c_void, *const c_char) -> c_int;
    zmq_connect(*mut c_void, *const c_char) -> c_int;
    zmq_setsockopt(*mut c_void, c_int, *const c_void, usize) -> c_int;
    zmq_getsockopt(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    zmq_send(*mut c_void, *const c_void, usize, c_int) -> c_int;
    zmq_recv(*mut c_void, *mut c_void, usize, c_int) -> c_int;
    zmq_msg_init(*mut RawMessage) -> c_int;
    zmq_msg_init_size(*mut RawMessage, usize) -> c_int;
    zmq_msg_init_data(*mut RawMessage, *mut c_void, usize, FreeFn, *mut c_void) -> c_int;
    zmq_msg_send(*mut RawMessage, *mut c_void, c_int) -> c_int;
    zmq_msg_recv(*mut RawMessage, *mut c_void, c_int) -> c_int;
    zmq_msg_data(*mut RawMessage) -> *mut c_void;
    zmq_msg_size(*mut RawMessage) -> usize;
    zmq_msg_more(*mut RawMessage) -> c_int;
    zmq_msg_close(*mut RawMessage) -> c_int;
    zmq_poll(*mut PollItem, c_int, c_long) -> c_int;
    zmq_proxy(*mut c_void, *mut c_void, *mut c_void) -> c_int;
}

functions! {
    /// Those that a libzmq has only if it was built with drafts.
    Drafts:
    zmq_join(*mut c_void, *const c_char) -> c_int;
    zmq_msg_set_group(*mut RawMessage, *const c_char) -> c_int;
    zmq_poller_new() -> *mut c_void;
    zmq_poller_add(*mut c_void, *mut c_void, *mut c_void, c_short) -> c_int;
    zmq_poller_wait_all(*mut c_void, *mut PollerEvent, c_int, c_long) -> c_int;
}

/// A library that stays.
#[derive(Debug)]
struct Loaded {
    stable: Functions,
    drafts: Option<Drafts>,
}

impl Deref for Loaded {
    type Target = Functions;

    #[inline]
    fn deref(&self) -> &Functions {
        &self.stable
    }
}

impl Loaded {
    fn drafts(&self) -> Outcome<&Drafts> {
        let drafts = self.drafts.as_ref();
        drafts.ok_or_else(|| Failure::new("this libzmq was built without drafts"))
    }
}

impl Functions {
    #[cold]
    fn failure(&self, function: &str) -> Failure {
        // SAFETY: no arguments.
        let code = unsafe { (self.zmq_errno)() };
        // SAFETY: any number is allowed.
        let text = unsafe { (self.zmq_strerror)(code) };
        // SAFETY: a terminated string that is good until the next call.
        let text = unsafe { CStr::from_ptr(text) };
        Failure::new(text.to_string_lossy()).within(function)
    }

    #[inline]
    fn check(&self, function: &str, result: c_int) -> Outcome<c_int> {
        if result < 0 {
            Err(self.failure(function))
        } else {
            Ok(result)
        }
    }
}

const SUBSCRIBE: i32 = 6;
const LAST_ENDPOINT: i32 = 32;
const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;
const POLLIN: c_short = 1;
/// `ZMQ_GROUP_MAX_LENGTH`
const MOST_OF_GROUP: usize = 255;
