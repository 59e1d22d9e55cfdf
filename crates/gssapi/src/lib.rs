// SPDX-License-Identifier: MIT OR Apache-2.0
//! Security contexts of the system's GSSAPI library: Kerberos, mostly.
//!
//! [`system`] finds MIT's library (`libgssapi_krb5.so.2`) or Heimdal's (`libgssapi.so.3`) at run time;
//! nothing here needs either to be built. Credentials come from where the library looks for them:
//! `KRB5_CLIENT_KTNAME` and `KRB5CCNAME` for a client, `KRB5_KTNAME` for a server.
//!
//! A step of a context may read files and ask servers, so [`Negotiation::run`] is called on threads
//! that may wait. Wrapping and unwrapping only compute.
//!
//! [`Negotiation::run`]: ferromq_zmtp::mechanism::gssapi::Negotiation::run

mod context;
mod ffi;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};

use ferromq_zmtp::mechanism::gssapi::{ContextFailed, Principal, Provider, SecurityContext, Step};

use context::Context;
use ffi::Functions;

/// There is no GSSAPI library on this system, or one that lacks functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoLibrary {
    /// In the words of the loader.
    pub text: String,
}

impl fmt::Display for NoLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no GSSAPI library: {}", self.text)
    }
}

impl Error for NoLibrary {}

/// Contexts of the system's library, which is loaded when the first is wanted, and stays loaded.
pub fn system() -> Arc<dyn Provider> {
    Arc::new(System)
}

/// Loads the library, if that has not been done.
///
/// # Errors
/// There is none.
pub fn load() -> Result<(), NoLibrary> {
    functions().map(drop)
}

fn functions() -> Result<&'static Functions, NoLibrary> {
    static LOADED: OnceLock<Result<&'static Functions, NoLibrary>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        Functions::load_any(&LIBRARIES).map_err(|error| NoLibrary {
            text: error.to_string(),
        })
    });
    loaded.clone()
}

#[derive(Debug)]
struct System;

impl Provider for System {
    fn initiate(&self, own: &Principal, service: &Principal) -> Box<dyn SecurityContext> {
        context(own, Some(service))
    }

    fn accept(&self, own: &Principal) -> Box<dyn SecurityContext> {
        context(own, None)
    }

    fn is_available(&self) -> bool {
        load().is_ok()
    }
}

fn context(own: &Principal, service: Option<&Principal>) -> Box<dyn SecurityContext> {
    match functions() {
        Ok(functions) => Box::new(Context::new(functions, own, service)),
        Err(none) => Box::new(none),
    }
}

/// Without the library every step fails.
impl SecurityContext for NoLibrary {
    fn step(&mut self, _token: &[u8]) -> Result<Step, ContextFailed> {
        Err(self.failed())
    }

    fn wrap(&mut self, _text: &[u8], _out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        Err(self.failed())
    }

    fn unwrap(&mut self, _wrapped: &[u8], _out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        Err(self.failed())
    }
}

impl NoLibrary {
    fn failed(&self) -> ContextFailed {
        ContextFailed {
            text: self.to_string(),
        }
    }
}

const LIBRARIES: [&str; 2] = ["libgssapi_krb5.so.2", "libgssapi.so.3"];
