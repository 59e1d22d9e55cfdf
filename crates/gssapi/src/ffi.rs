// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C interface of RFC 2744, as far as it is used here.

use std::ffi::{c_int, c_void};
use std::ptr;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// `OM_uint32`.
pub(crate) type Uint32 = u32;
/// `gss_name_t`, `gss_cred_id_t` and `gss_ctx_id_t`: whatever the library makes of them.
pub(crate) type Opaque = *mut c_void;

/// `gss_buffer_desc`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) length: usize,
    pub(crate) value: *mut c_void,
}

impl Buffer {
    /// For the library to fill in.
    pub(crate) fn empty() -> Self {
        Self {
            length: 0,
            value: ptr::null_mut(),
        }
    }

    /// These bytes, which the library only reads; it must not outlive them.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len(),
            value: bytes.as_ptr().cast_mut().cast(),
        }
    }
}

/// `gss_OID_desc`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Oid {
    length: Uint32,
    elements: *const c_void,
}

// SAFETY: it refers to static bytes, which nobody changes.
unsafe impl Sync for Oid {}

impl Oid {
    const fn new<const N: usize>(bytes: &'static [u8; N]) -> Self {
        Self {
            length: N as Uint32,
            elements: bytes.as_ptr().cast(),
        }
    }
}

/// RFC 2743, 4.1: {1(iso), member-body(2), United States(840), mit(113554), infosys(1), gssapi(2),
/// generic(1), service_name(4)}.
pub(crate) static HOST_BASED: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04");
/// RFC 2743, 4.2: … user_name(1).
pub(crate) static USER: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01");
/// RFC 1964, 2.1.1: … gssapi(2), krb5(2), krb5_name(1).
pub(crate) static KRB5_PRINCIPAL: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01");

macro_rules! functions {
    ($($name:ident($($argument:ty),*);)*) => {
        /// The functions of `gssapi.h`; each returns its major status.
        #[derive(Debug)]
        pub(crate) struct Functions {
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) -> Uint32,)*
        }

        impl Functions {
            /// # Safety
            ///
            /// The library must be one of GSSAPI, and stay loaded.
            unsafe fn load(library: &'static Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $(
                        // SAFETY: the types above are those of RFC 2744.
                        $name: *unsafe { library.get(concat!(stringify!($name), "\0")) }?,
                    )*
                })
            }
        }
    };
}

functions! {
    gss_import_name(*mut Uint32, *const Buffer, *const Oid, *mut Opaque);
    gss_release_name(*mut Uint32, *mut Opaque);
    gss_display_name(*mut Uint32, Opaque, *mut Buffer, *mut *const Oid);
    gss_acquire_cred(
        *mut Uint32, Opaque, Uint32, Opaque, c_int, *mut Opaque, *mut Opaque, *mut Uint32
    );
    gss_release_cred(*mut Uint32, *mut Opaque);
    gss_init_sec_context(
        *mut Uint32, Opaque, *mut Opaque, Opaque, *const Oid, Uint32, Uint32, Opaque,
        *const Buffer, *mut *const Oid, *mut Buffer, *mut Uint32, *mut Uint32
    );
    gss_accept_sec_context(
        *mut Uint32, *mut Opaque, Opaque, *const Buffer, Opaque, *mut Opaque,
        *mut *const Oid, *mut Buffer, *mut Uint32, *mut Uint32, *mut Opaque
    );
    gss_delete_sec_context(*mut Uint32, *mut Opaque, *mut Buffer);
    gss_wrap(*mut Uint32, Opaque, c_int, Uint32, *const Buffer, *mut c_int, *mut Buffer);
    gss_unwrap(*mut Uint32, Opaque, *const Buffer, *mut Buffer, *mut c_int, *mut Uint32);
    gss_release_buffer(*mut Uint32, *mut Buffer);
    gss_display_status(*mut Uint32, Uint32, c_int, *const Oid, *mut Uint32, *mut Buffer);
}

impl Functions {
    /// Loads the first of these libraries that is there. It stays loaded.
    pub(crate) fn load_any(names: &[&str]) -> Result<&'static Self, libloading::Error> {
        let mut result = Err(libloading::Error::DlOpenUnknown);
        for name in names {
            result = Self::load_one(name);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn load_one(name: &str) -> Result<&'static Self, libloading::Error> {
        // SAFETY: the initialisers of GSSAPI libraries may run in any process at any time.
        let library = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) }?;
        let library: &'static Library = Box::leak(Box::new(library));
        // SAFETY: a library of this name is one of GSSAPI, and it is never unloaded.
        let functions = unsafe { Self::load(library) }?;
        Ok(Box::leak(Box::new(functions)))
    }
}

/// `GSS_C_BOTH` and its like.
pub(crate) const INITIATE: c_int = 1;
pub(crate) const ACCEPT: c_int = 2;

pub(crate) const MUTUAL_FLAG: Uint32 = 2;
pub(crate) const REPLAY_FLAG: Uint32 = 4;
pub(crate) const SEQUENCE_FLAG: Uint32 = 8;
pub(crate) const CONF_FLAG: Uint32 = 16;
pub(crate) const INTEG_FLAG: Uint32 = 32;

pub(crate) const COMPLETE: Uint32 = 0;
pub(crate) const CONTINUE_NEEDED: Uint32 = 1;
/// Calling and routine errors; what is below says more about a success.
pub(crate) const ERRORS: Uint32 = 0xffff_0000;

/// Status codes of the interface, and of the mechanism behind it.
pub(crate) const GSS_CODE: c_int = 1;
pub(crate) const MECH_CODE: c_int = 2;
