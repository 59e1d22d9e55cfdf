// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ready-made authenticator: who is on the list comes in, and nobody else.
//!
//! 1. `passwords`: names and hashes of passwords
//! 2. `certificates`: a folder of public keys
//! 3. `watch`: noticing that files have changed
//!
//! Nothing here runs on a thread that moves messages: hashing a password takes its time, and so may
//! a folder.

mod certificates;
mod passwords;
mod watch;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ferromq_vocabulary::Network;

use super::keys::PublicKey;
use super::{Authenticator, AuthenticatorReply, AuthenticatorRequest, AuthenticatorStatus};
use certificates::Certificates;
use passwords::Passwords;

pub use passwords::{InvalidHash, hash_password};

/// Lets in who is on the list.
///
/// ```
/// use std::sync::Arc;
/// use ferromq::security::allow_list::hash_password;
/// use ferromq::security::{AllowList, Rules};
/// use ferromq::{Context, Pull, Push};
///
/// let rules = Rules::new()
///     .allow("127.0.0.0/8".parse()?)
///     .user("me", &hash_password("open sesame")?)?;
/// let context = Context::new();
/// context.set_authenticator(Some(Arc::new(AllowList::new(rules))));
///
/// let mut pull = context.socket_builder::<Pull>().plain_server().open()?;
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let mut push = context.socket_builder::<Push>().plain_client("me", "open sesame").open()?;
/// push.connect(&endpoint)?;
/// push.send("hello")?;
/// let message = pull.recv()?;
/// assert_eq!(message.metadata().unwrap().get("User-Id"), Some(&b"me"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What it answers: 200 to who is on the list, with the user's name (of CURVE the key as text, as
/// pyzmq and CZMQ have it) and what the certificate says of its owner; 400 to all others. An
/// address with ten wrong passwords in a minute gets 300 without a look at any further one until
/// the minute is over.
#[derive(Debug)]
pub struct AllowList {
    rules: Rules,
    domains: HashMap<String, Rules>,
    failures: Mutex<HashMap<String, Failures>>,
}

/// Wrong passwords of an address.
#[derive(Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

/// Who may come in. As it begins: nobody.
#[derive(Debug, Default)]
#[must_use]
pub struct Rules {
    allowed: Vec<Network>,
    denied: Vec<Network>,
    null: bool,
    passwords: Passwords,
    certificates: Vec<Certificates>,
    keys: Vec<PublicKey>,
    any_key: bool,
    principals: Vec<String>,
    any_principal: bool,
}

impl AllowList {
    /// These rules, whatever the domain of the asking socket is.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            domains: HashMap::new(),
            failures: Mutex::default(),
        }
    }

    /// Other rules for sockets of this domain (see
    /// [`zap_domain`](crate::SocketBuilder::zap_domain)).
    #[must_use]
    pub fn domain(mut self, domain: &str, rules: Rules) -> Self {
        self.domains.insert(domain.to_owned(), rules);
        self
    }

    fn rules(&self, domain: &[u8]) -> &Rules {
        let domain = std::str::from_utf8(domain).unwrap_or_default();
        self.domains.get(domain).unwrap_or(&self.rules)
    }

    /// Whether an address has had its share of wrong passwords.
    fn has_failed_enough(&self, address: &str) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        failures.retain(|_, failures| now.duration_since(failures.since) < MEMORY);
        failures
            .get(address)
            .is_some_and(|failures| failures.count >= PATIENCE)
    }

    fn note_failure(&self, address: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failures.len();
        match failures.entry(address.to_owned()) {
            Entry::Occupied(mut known) => known.get_mut().count += 1,
            Entry::Vacant(place) if known < MOST_ADDRESSES => {
                place.insert(Failures {
                    since: Instant::now(),
                    count: 1,
                });
            }
            Entry::Vacant(_) => {}
        }
    }

    fn judge(&self, request: &AuthenticatorRequest<'_>) -> AuthenticatorReply {
        let rules = self.rules(request.domain);
        if !rules.takes(request.address) {
            return no("address");
        }
        let shown: Vec<&[u8]> = request
            .credentials
            .frames
            .iter()
            .map(|frame| frame.as_slice())
            .collect();
        match (request.credentials.mechanism, shown.as_slice()) {
            ("NULL", []) if rules.null => yes(Vec::new(), Vec::new()),
            ("PLAIN", [user, password]) => {
                if self.has_failed_enough(request.address) {
                    return AuthenticatorReply {
                        status: AuthenticatorStatus::TemporaryError,
                        text: "too many wrong passwords".to_owned(),
                        ..no("")
                    };
                }
                if rules.passwords.verify(user, password) {
                    return yes(user.to_vec(), Vec::new());
                }
                self.note_failure(request.address);
                no("name or password")
            }
            ("CURVE", [key]) => rules.judge_key(key),
            ("GSSAPI", [principal]) => {
                let on_list = |name: &String| name.as_bytes() == *principal;
                if rules.any_principal || rules.principals.iter().any(on_list) {
                    yes(principal.to_vec(), Vec::new())
                } else {
                    no("principal")
                }
            }
            _ => no("mechanism"),
        }
    }
}

impl Authenticator for AllowList {
    fn authenticate(&self, request: &AuthenticatorRequest<'_>) -> AuthenticatorReply {
        self.judge(request)
    }
}

impl Rules {
    /// Nobody comes in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes peers of tcp from these addresses, and of no others that are not allowed as well.
    /// Without, from all. Peers of ipc have no such address: who they are is said by the
    /// permissions of the file and by [`accept_users`](crate::SocketBuilder::accept_users).
    pub fn allow(mut self, network: Network) -> Self {
        self.allowed.push(network);
        self
    }

    /// Takes no peers from these addresses, even if they are allowed.
    pub fn deny(mut self, network: Network) -> Self {
        self.denied.push(network);
        self
    }

    /// Takes peers without any mechanism; their address is all there is to judge. The asking socket
    /// must have a [`zap_domain`](crate::SocketBuilder::zap_domain).
    pub fn null(mut self) -> Self {
        self.null = true;
        self
    }

    /// Takes this user of PLAIN; `hash` is argon2id in PHC form, as [`hash_password`] makes it.
    ///
    /// # Errors
    /// It is no such hash.
    pub fn user(mut self, name: &str, hash: &str) -> Result<Self, InvalidHash> {
        self.passwords.add(name, hash)?;
        Ok(self)
    }

    /// Takes the users of PLAIN in a file of lines `name:hash`, read again whenever it changes.
    /// What begins with `#` is a comment; lines that make no sense count for nothing.
    pub fn users_in(mut self, file: impl Into<PathBuf>) -> Self {
        self.passwords.read(file.into());
        self
    }

    /// Takes this key of CURVE.
    pub fn key(mut self, key: PublicKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Takes the keys of CURVE whose public certificates are in this folder and those below, read
    /// again whenever something changes there: within a quarter of a second. Files whose names end
    /// in `_secret` do not count.
    pub fn certificates_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.certificates.push(Certificates::new(folder.into()));
        self
    }

    /// Takes every key of CURVE: the peers are known afterwards, not before.
    pub fn any_key(mut self) -> Self {
        self.any_key = true;
        self
    }

    /// Takes this principal of GSSAPI, named as `user@REALM`.
    pub fn principal(mut self, name: &str) -> Self {
        self.principals.push(name.to_owned());
        self
    }

    /// Takes every principal that GSSAPI knows.
    pub fn any_principal(mut self) -> Self {
        self.any_principal = true;
        self
    }

    fn takes(&self, address: &str) -> bool {
        let Ok(ip) = address.parse::<IpAddr>() else {
            // ipc; nothing else is without.
            return address.starts_with(':');
        };
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(ip));
        (self.allowed.is_empty() || within(&self.allowed)) && !within(&self.denied)
    }

    fn judge_key(&self, key: &[u8]) -> AuthenticatorReply {
        let Ok(key) = <[u8; 32]>::try_from(key) else {
            return no("key");
        };
        let key = PublicKey::from_bytes(key);
        let user = key.to_string().into_bytes();
        for certificates in &self.certificates {
            if let Some(metadata) = certificates.find(&key) {
                let metadata = metadata
                    .into_iter()
                    .map(|(name, value)| (name, value.into_bytes()));
                return yes(user, metadata.collect());
            }
        }
        if self.any_key || self.keys.contains(&key) {
            yes(user, Vec::new())
        } else {
            no("key")
        }
    }
}

fn yes(user_id: Vec<u8>, metadata: Vec<(String, Vec<u8>)>) -> AuthenticatorReply {
    AuthenticatorReply {
        status: AuthenticatorStatus::Success,
        text: "OK".to_owned(),
        user_id,
        metadata,
    }
}

/// Not on the list; for those who read protocols.
fn no(what: &str) -> AuthenticatorReply {
    AuthenticatorReply {
        status: AuthenticatorStatus::AuthenticationFailure,
        text: format!("no such {what} on the list"),
        user_id: Vec::new(),
        metadata: Vec::new(),
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

/// Wrong passwords of one address before none of its is looked at any more.
const PATIENCE: u32 = 10;
/// How long they are remembered.
const MEMORY: Duration = Duration::from_secs(60);
/// Of so many addresses.
const MOST_ADDRESSES: usize = 10_000;

#[cfg(test)]
mod tests;
