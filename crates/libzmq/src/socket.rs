// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets: making and closing them, and their endpoints.

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use ferromq_engine as engine;
use ferromq_os::cancel::Shield;
use ferromq_vocabulary::{Code, SocketType};

use crate::boundary;
use crate::context;
use crate::handle::{self, Handled, Held};
use crate::send::DONTWAIT;
use crate::sleep::{self, One};

/// A socket behind its handle.
pub(crate) struct Socket {
    pub(crate) engine: engine::Socket,
    pub(crate) context: engine::Context,
    /// What goes with the socket: its monitor.
    pub(crate) companion: Option<Box<dyn Any + Send>>,
    /// Threads that wait for a message, without holding the socket.
    pub(crate) readers: u32,
    /// Threads that wait for room.
    pub(crate) writers: u32,
}

impl Handled for Socket {
    const KIND: u8 = 2;
    const WRONG: Code = Code::NotSocket;
}

impl Socket {
    /// Ends the use of a socket that has, or may have, read from the kernel: what it has read,
    /// those that wait never hear of, so it looks whether there is something for them.
    #[inline(always)]
    pub(crate) fn look_for_others(&mut self) {
        if self.readers | self.writers != 0 {
            self.wake_others();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_others(&mut self) {
        // The end of the context has woken them already.
        if let Ok(ready) = self.engine.readiness()
            && (self.readers > 0 && ready.readable || self.writers > 0 && ready.writable)
        {
            self.engine.wake_others();
        }
    }
}

/// Does something with a socket, while all others wait.
pub(crate) fn with<R>(
    socket: *mut c_void,
    call: impl FnOnce(&mut engine::Socket) -> Result<R, Code>,
) -> Result<R, Code> {
    with_body(socket, |body| call(&mut body.engine))
}

/// As [`with`], with what else there is behind the handle.
pub(crate) fn with_body<R>(
    socket: *mut c_void,
    call: impl FnOnce(&mut Socket) -> Result<R, Code>,
) -> Result<R, Code> {
    handle::with(socket, |body: &mut Socket| {
        let result = call(body);
        body.look_for_others();
        result
    })
}

/// Makes a handle for a socket of the engine.
pub(crate) fn insert(
    engine: engine::Socket,
    context: engine::Context,
) -> Result<*mut c_void, Code> {
    handle::insert(Box::new(Socket {
        engine,
        context,
        companion: None,
        readers: 0,
        writers: 0,
    }))
}

/// What a call waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Input,
    Room,
}

/// That a call may wait, and until when; without a deadline for ever.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) deadline: Option<Instant>,
}

/// How long a call whose first try was refused may wait by its flags and an option in milliseconds; `None`: it may not.
pub(crate) fn limit(milliseconds: i32, flags: c_int, refused: Code) -> Option<Limit> {
    if flags & DONTWAIT != 0 || refused != Code::Again {
        return None;
    }
    let deadline = match u64::try_from(milliseconds) {
        Ok(0) => return None,
        Ok(limit) => Instant::now().checked_add(Duration::from_millis(limit)),
        Err(_forever) => None,
    };
    Some(Limit { deadline })
}

/// A call that has found nothing to do: `Some` is the socket, to look again at once; else it has let the socket go and is
/// to sleep ([`Step::Sleep`](boundary::Step)), and to go on with [`woken`].
pub(crate) fn pause(
    mut held: Held<Socket>,
    socket: *mut c_void,
    what: For,
    deadline: Option<Instant>,
) -> Result<Option<Held<Socket>>, Code> {
    let _shield = Shield::raise();
    let ticket = match what {
        For::Input => held.engine.wait_for_input(deadline),
        For::Room => held.engine.wait_for_room(),
    };
    held.look_for_others();
    match ticket {
        Ok(Some(ticket)) => {
            // Under the lock, so that whoever uses the socket from now on knows.
            let one = One::new(&mut held, socket, what, ticket, deadline);
            held.release();
            sleep::leave_one(one)?;
            Ok(None)
        }
        Ok(None) => {
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return held.refuse(Code::Again);
            }
            Ok(Some(held))
        }
        Err(code) => held.refuse(code),
    }
}

/// The sleep is over: has the socket again, which others have used meanwhile.
pub(crate) fn woken(socket: *mut c_void) -> Result<Held<Socket>, Code> {
    let slept = sleep::take_one()?.end();
    let mut held = handle::hold::<Socket>(socket)?;
    held.engine.woken();
    if let Err(code) = slept {
        // What we have taken in others may wait for.
        held.look_for_others();
        return held.refuse(code);
    }
    Ok(held)
}

/// Makes a socket of a type.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_socket(context: *mut c_void, socket_type: c_int) -> *mut c_void {
    boundary::call(ptr::null_mut(), || {
        let context = context::of(context)?;
        let Some(socket_type) = SocketType::from_number(socket_type) else {
            let ended = context.is_terminated();
            return Err(if ended {
                Code::Terminated
            } else {
                Code::Invalid
            });
        };
        insert(context.socket(socket_type)?, context)
    })
}

/// Closes a socket; what it has queued is delivered in the background, as long as it lingers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_close(socket: *mut c_void) -> c_int {
    boundary::answer(|| {
        let body = handle::remove::<Socket>(socket)?;
        // Who waits in a call finds a stale handle.
        body.engine.wake_others();
        drop(body);
        Ok(())
    })
}

/// Accepts peers at an endpoint.
///
/// `endpoint` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    boundary::answer(|| {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            engine.bind(unsafe { text(endpoint) }?).map(|_resolved| ())
        })
    })
}

/// Connects to an endpoint.
///
/// `endpoint` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    boundary::answer(|| {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            engine.connect(unsafe { text(endpoint) }?)
        })
    })
}

/// Ends a bind.
///
/// `endpoint` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { leave(socket, endpoint) }
}

/// Ends a connect.
///
/// `endpoint` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { leave(socket, endpoint) }
}

/// Both of the above end either kind.
unsafe fn leave(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    boundary::answer(|| {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            let endpoint = unsafe { text(endpoint) }?;
            match engine.unbind(endpoint) {
                Err(Code::NotFound) => engine.disconnect(endpoint),
                done => done,
            }
        })
    })
}

/// A C string as text.
///
/// # Safety
/// Null or a C string that stays while the result is used.
pub(crate) unsafe fn text<'a>(string: *const c_char) -> Result<&'a str, Code> {
    if string.is_null() {
        return Err(Code::Invalid);
    }
    // SAFETY: as the caller promises.
    let string = unsafe { CStr::from_ptr(string) };
    string.to_str().map_err(|_not_text| Code::Invalid)
}
