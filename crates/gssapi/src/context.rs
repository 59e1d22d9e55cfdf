// SPDX-License-Identifier: MIT OR Apache-2.0
//! A security context of the library.

use std::ffi::c_int;
use std::{fmt, ptr, slice};

use ferromq_zmtp::mechanism::gssapi::{ContextFailed, NameType, Principal, SecurityContext, Step};

use crate::ffi::{self, Buffer, Functions, Oid, Opaque, Uint32};

/// One side of a context, from before its first step on.
pub(crate) struct Context {
    functions: &'static Functions,
    own: Principal,
    /// Whom to talk to; only the side that begins knows.
    service: Option<Principal>,
    credentials: Handle,
    target: Handle,
    context: Opaque,
}

// SAFETY: RFC 2743 objects belong to no thread; this is used by one at a time.
unsafe impl Send for Context {}

/// A name or credentials, or nothing.
struct Handle {
    raw: Opaque,
    release: unsafe extern "C" fn(*mut Uint32, *mut Opaque) -> Uint32,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            let mut minor = 0;
            // SAFETY: it came from the library and is not used again.
            unsafe { (self.release)(&raw mut minor, &raw mut self.raw) };
        }
    }
}

/// Bytes that the library has made.
struct Made {
    functions: &'static Functions,
    buffer: Buffer,
}

impl Made {
    fn new(functions: &'static Functions) -> Self {
        Self {
            functions,
            buffer: Buffer::empty(),
        }
    }

    fn bytes(&self) -> &[u8] {
        if self.buffer.value.is_null() {
            return &[];
        }
        // SAFETY: the library has filled it in: so many bytes lie there until it is released.
        unsafe { slice::from_raw_parts(self.buffer.value.cast(), self.buffer.length) }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: empty, or filled in by the library; not used again.
        unsafe { (self.functions.gss_release_buffer)(&raw mut minor, &raw mut self.buffer) };
    }
}

impl Context {
    pub(crate) fn new(
        functions: &'static Functions,
        own: &Principal,
        service: Option<&Principal>,
    ) -> Self {
        Self {
            functions,
            own: own.clone(),
            service: service.cloned(),
            credentials: nothing(functions.gss_release_cred),
            target: nothing(functions.gss_release_name),
            context: ptr::null_mut(),
        }
    }

    /// Finds names and credentials, before the first step.
    fn prepare(&mut self) -> Result<(), ContextFailed> {
        if let Some(service) = self.service.clone()
            && self.target.raw.is_null()
        {
            self.target = self.import(&service)?;
        }
        if !self.credentials.raw.is_null() || self.own.name.is_empty() {
            return Ok(());
        }
        let own = self.own.clone();
        let name = self.import(&own)?;
        let usage = if self.service.is_some() {
            ffi::INITIATE
        } else {
            ffi::ACCEPT
        };
        let (mut minor, mut raw) = (0, ptr::null_mut());
        let acquire = self.functions.gss_acquire_cred;
        // SAFETY: a name of the library's; no time limit, no choice of mechanisms; the rest is not
        // asked for.
        let major = unsafe {
            acquire(
                &raw mut minor,
                name.raw,
                0,
                ptr::null_mut(),
                usage,
                &raw mut raw,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.check("credentials", major, minor)?;
        self.credentials.raw = raw;
        Ok(())
    }

    fn import(&self, principal: &Principal) -> Result<Handle, ContextFailed> {
        let oid: *const Oid = match principal.name_type {
            NameType::HostBased => &raw const ffi::HOST_BASED,
            NameType::User => &raw const ffi::USER,
            NameType::Krb5Principal => &raw const ffi::KRB5_PRINCIPAL,
        };
        let text = Buffer::of(&principal.name);
        let mut name = nothing(self.functions.gss_release_name);
        let mut minor = 0;
        let import = self.functions.gss_import_name;
        // SAFETY: the bytes outlive the call; the type of name is a static.
        let major = unsafe { import(&raw mut minor, &raw const text, oid, &raw mut name.raw) };
        self.check("name", major, minor)?;
        Ok(name)
    }

    /// The next step of the side that begins.
    fn initiate(&mut self, token: &[u8]) -> Result<Step, ContextFailed> {
        let input = Buffer::of(token);
        let mut output = Made::new(self.functions);
        let (mut minor, mut flags) = (0, 0);
        let wanted = ffi::MUTUAL_FLAG
            | ffi::REPLAY_FLAG
            | ffi::SEQUENCE_FLAG
            | ffi::CONF_FLAG
            | ffi::INTEG_FLAG;
        let initiate = self.functions.gss_init_sec_context;
        // SAFETY: handles of the library's or none; buffers that outlive the call.
        let major = unsafe {
            initiate(
                &raw mut minor,
                self.credentials.raw,
                &raw mut self.context,
                self.target.raw,
                ptr::null(),
                wanted,
                0,
                ptr::null_mut(),
                &raw const input,
                ptr::null_mut(),
                &raw mut output.buffer,
                &raw mut flags,
                ptr::null_mut(),
            )
        };
        self.check("context", major, minor)?;
        let token = output.bytes().to_vec();
        if major & ffi::CONTINUE_NEEDED != 0 {
            return Ok(Step::Continue(token));
        }
        if flags & ffi::MUTUAL_FLAG == 0 {
            return Err(failed("context: the server has not proved who it is"));
        }
        let peer = self.display(&self.target)?;
        Ok(Step::Complete { token, peer })
    }

    /// The next step of the side that is called.
    fn accept(&mut self, token: &[u8]) -> Result<Step, ContextFailed> {
        let input = Buffer::of(token);
        let mut output = Made::new(self.functions);
        let mut peer = nothing(self.functions.gss_release_name);
        let mut minor = 0;
        let accept = self.functions.gss_accept_sec_context;
        // SAFETY: handles of the library's or none; buffers that outlive the call. Delegated
        // credentials are not asked for.
        let major = unsafe {
            accept(
                &raw mut minor,
                &raw mut self.context,
                self.credentials.raw,
                &raw const input,
                ptr::null_mut(),
                &raw mut peer.raw,
                ptr::null_mut(),
                &raw mut output.buffer,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.check("context", major, minor)?;
        let token = output.bytes().to_vec();
        if major & ffi::CONTINUE_NEEDED != 0 {
            return Ok(Step::Continue(token));
        }
        let peer = self.display(&peer)?;
        Ok(Step::Complete { token, peer })
    }

    /// A name as text.
    fn display(&self, name: &Handle) -> Result<Vec<u8>, ContextFailed> {
        let mut text = Made::new(self.functions);
        let mut minor = 0;
        let display = self.functions.gss_display_name;
        // SAFETY: a name of the library's.
        let major = unsafe {
            display(
                &raw mut minor,
                name.raw,
                &raw mut text.buffer,
                ptr::null_mut(),
            )
        };
        self.check("name", major, minor)?;
        Ok(text.bytes().to_vec())
    }

    fn check(&self, what: &str, major: Uint32, minor: Uint32) -> Result<(), ContextFailed> {
        if major & ffi::ERRORS == 0 {
            return Ok(());
        }
        let texts = [
            self.explain(major, ffi::GSS_CODE),
            self.explain(minor, ffi::MECH_CODE),
        ];
        Err(failed(&format!("{what}: {}", texts.join(": "))))
    }

    /// What the library has to say about a status, its first sentence.
    fn explain(&self, status: Uint32, kind: c_int) -> String {
        let mut text = Made::new(self.functions);
        let (mut minor, mut more) = (0, 0);
        let display = self.functions.gss_display_status;
        // SAFETY: any status may be asked about.
        unsafe {
            display(
                &raw mut minor,
                status,
                kind,
                ptr::null(),
                &raw mut more,
                &raw mut text.buffer,
            )
        };
        String::from_utf8_lossy(text.bytes()).into_owned()
    }
}

impl SecurityContext for Context {
    fn step(&mut self, token: &[u8]) -> Result<Step, ContextFailed> {
        self.prepare()?;
        if self.service.is_some() {
            self.initiate(token)
        } else {
            self.accept(token)
        }
    }

    fn wrap(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        let input = Buffer::of(text);
        let mut output = Made::new(self.functions);
        let (mut minor, mut encrypted) = (0, 0);
        let wrap = self.functions.gss_wrap;
        // SAFETY: an established context; buffers that outlive the call.
        let major = unsafe {
            wrap(
                &raw mut minor,
                self.context,
                1,
                0,
                &raw const input,
                &raw mut encrypted,
                &raw mut output.buffer,
            )
        };
        self.check("wrap", major, minor)?;
        if encrypted == 0 {
            return Err(failed("wrap: the context does not encrypt"));
        }
        out.extend_from_slice(output.bytes());
        Ok(())
    }

    fn unwrap(&mut self, wrapped: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        let input = Buffer::of(wrapped);
        let mut output = Made::new(self.functions);
        let (mut minor, mut encrypted) = (0, 0);
        let unwrap = self.functions.gss_unwrap;
        // SAFETY: an established context; buffers that outlive the call.
        let major = unsafe {
            unwrap(
                &raw mut minor,
                self.context,
                &raw const input,
                &raw mut output.buffer,
                &raw mut encrypted,
                ptr::null_mut(),
            )
        };
        self.check("unwrap", major, minor)?;
        // A success with an addition: seen before, too old, or out of order.
        if major != ffi::COMPLETE {
            return Err(failed("unwrap: repeated or out of order"));
        }
        if encrypted == 0 {
            return Err(failed("unwrap: not encrypted"));
        }
        out.extend_from_slice(output.bytes());
        Ok(())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.context.is_null() {
            let mut minor = 0;
            let delete = self.functions.gss_delete_sec_context;
            // SAFETY: it came from the library and is not used again; no token is wanted.
            unsafe { delete(&raw mut minor, &raw mut self.context, ptr::null_mut()) };
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

fn nothing(release: unsafe extern "C" fn(*mut Uint32, *mut Opaque) -> Uint32) -> Handle {
    Handle {
        raw: ptr::null_mut(),
        release,
    }
}

fn failed(text: &str) -> ContextFailed {
    ContextFailed {
        text: text.to_owned(),
    }
}
