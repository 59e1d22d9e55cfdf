// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and hashes of passwords: argon2id (RFC 9106) in PHC form.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{error, fmt};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, PasswordHasher, PasswordVerifier};

use super::watch::{LOOK, Watch};

/// A text that is no hash of argon2id in PHC form: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct InvalidHash;

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no hash of argon2id in PHC form")
    }
}

impl error::Error for InvalidHash {}

/// Hashes a password with a salt of its own, for [`Rules::user`](super::Rules::user): argon2id with
/// 19 MiB, two passes and one lane, as OWASP recommends. Takes tens of milliseconds.
///
/// # Errors
/// The system has no randomness, or no memory.
pub fn hash_password(password: &str) -> Result<String, crate::Error> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|_error| crate::Error::NoMemory)
}

/// Users, from the program and from a file.
#[derive(Default)]
pub(super) struct Passwords {
    users: HashMap<String, String>,
    file: Option<(PathBuf, Mutex<FileState>)>,
}

#[derive(Default)]
struct FileState {
    watch: Watch,
    users: HashMap<String, String>,
}

impl Passwords {
    pub(super) fn add(&mut self, name: &str, hash: &str) -> Result<(), InvalidHash> {
        if !is_hash(hash) {
            return Err(InvalidHash);
        }
        self.users.insert(name.to_owned(), hash.to_owned());
        Ok(())
    }

    pub(super) fn read(&mut self, file: PathBuf) {
        self.file = Some((file, Mutex::default()));
    }

    /// Whether this is the password of this user. A user who is not known takes as long as one who
    /// is.
    pub(super) fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        let hash = std::str::from_utf8(user)
            .ok()
            .and_then(|user| self.find(user));
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| nobodys().to_owned());
        let Ok(hash) = PasswordHash::new(&hash) else {
            return false;
        };
        let right = Argon2::default().verify_password(password, &hash).is_ok();
        right && known
    }

    fn find(&self, user: &str) -> Option<String> {
        if let Some(hash) = self.users.get(user) {
            return Some(hash.clone());
        }
        let (path, state) = self.file.as_ref()?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.watch.is_due(LOOK) && state.watch.look(path).is_some() {
            state.users = lines_of(path).unwrap_or_default();
        }
        state.users.get(user).cloned()
    }
}

/// The users in a file.
fn lines_of(path: &PathBuf) -> Option<HashMap<String, String>> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(MOST)
        .read_to_string(&mut text)
        .ok()?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let users = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, hash)| (name.trim(), hash.trim()))
        .filter(|(_, hash)| is_hash(hash));
    Some(
        users
            .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
            .collect(),
    )
}

fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm == Algorithm::Argon2id.ident() && hash.salt.is_some() && hash.hash.is_some()
    })
}

/// A hash that is nobody's.
fn nobodys() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_password("").unwrap_or_default())
}

/// Bytes of the largest file that is read.
const MOST: u64 = 16 << 20;
