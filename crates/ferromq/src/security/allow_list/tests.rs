// SPDX-License-Identifier: MIT OR Apache-2.0
use std::fs;
use std::path::PathBuf;

use ferromq_zmtp::zap::Credentials;
use zeroize::Zeroizing;

use super::*;
use crate::security::Certificate;
use crate::security::keys::KeyPair;

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ferromq-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn ask(
    list: &AllowList,
    domain: &str,
    address: &str,
    mechanism: &'static str,
    shown: &[&[u8]],
) -> AuthenticatorReply {
    let shown = shown.iter().map(|text| Zeroizing::new(text.to_vec()));
    let credentials = Credentials::new(mechanism, shown.collect());
    list.authenticate(&AuthenticatorRequest {
        domain: domain.as_bytes(),
        address,
        routing_id: b"",
        credentials: &credentials,
    })
}

fn status(list: &AllowList, address: &str, mechanism: &'static str, shown: &[&[u8]]) -> u16 {
    ask(list, "", address, mechanism, shown).status.code()
}

/// Asks until the answer is this one.
fn until(list: &AllowList, mechanism: &'static str, shown: &[&[u8]], wanted: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while status(list, "127.0.0.1", mechanism, shown) != wanted {
        assert!(Instant::now() < deadline, "{wanted} does not come");
    }
}

/// Cheap to compute; who verifies takes the parameters of the hash.
const SECRET: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$\
                      z6ntjrsjKUVk/XgWAF0BdFwFkVhOtlcSqPaLw+vJgS0";

fn cheap(password: &str) -> String {
    use argon2::{Argon2, Params, PasswordHasher};
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2
        .hash_password(password.as_bytes())
        .unwrap()
        .to_string()
}

#[test]
fn nobody_comes_in_unless_the_rules_say_so() {
    let list = AllowList::new(Rules::new());
    let key = [7; 32];
    for (mechanism, shown) in [
        ("NULL", &[][..]),
        ("PLAIN", &[&b"me"[..], b"secret"][..]),
        ("CURVE", &[&key[..]][..]),
        ("GSSAPI", &[&b"me@REALM"[..]][..]),
        ("OTHER", &[][..]),
    ] {
        assert_eq!(
            status(&list, "127.0.0.1", mechanism, shown),
            400,
            "{mechanism}"
        );
    }
    let list = AllowList::new(Rules::new().null().any_key().any_principal());
    assert_eq!(status(&list, "127.0.0.1", "NULL", &[]), 200);
    assert_eq!(status(&list, "127.0.0.1", "CURVE", &[&key]), 200);
    assert_eq!(status(&list, "127.0.0.1", "CURVE", &[&key[1..]]), 400);
    assert_eq!(status(&list, "127.0.0.1", "GSSAPI", &[b"me@REALM"]), 200);
    assert_eq!(status(&list, "127.0.0.1", "NULL", &[b"more"]), 400);
}

#[test]
fn addresses() {
    let rules = Rules::new()
        .null()
        .allow("192.0.2.0/24".parse().unwrap())
        .allow("2001:db8::/32".parse().unwrap())
        .deny("192.0.2.66".parse().unwrap());
    let list = AllowList::new(rules);
    for (address, expected) in [
        ("192.0.2.1", 200),
        ("::ffff:192.0.2.1", 200),
        ("192.0.2.66", 400),
        ("192.0.3.1", 400),
        ("2001:db8:5::1", 200),
        ("2001:db9::1", 400),
        (":1000:1000:77", 200),
        ("", 400),
    ] {
        assert_eq!(status(&list, address, "NULL", &[]), expected, "{address}");
    }
}

#[test]
fn domains_have_rules_of_their_own() {
    let list = AllowList::new(Rules::new()).domain("open", Rules::new().null());
    assert_eq!(
        ask(&list, "open", "127.0.0.1", "NULL", &[]).status.code(),
        200
    );
    assert_eq!(
        ask(&list, "other", "127.0.0.1", "NULL", &[]).status.code(),
        400
    );
}

#[test]
fn passwords_and_their_limits() {
    let rules = Rules::new().user("me", &cheap("secret")).unwrap();
    let list = AllowList::new(rules);
    let reply = ask(&list, "", "127.0.0.1", "PLAIN", &[b"me", b"secret"]);
    assert_eq!((reply.status.code(), &reply.user_id[..]), (200, &b"me"[..]));
    assert_eq!(
        status(&list, "127.0.0.1", "PLAIN", &[b"you", b"secret"]),
        400
    );
    assert_eq!(status(&list, "127.0.0.1", "PLAIN", &[b"me", b""]), 400);
    assert_eq!(
        status(&list, "127.0.0.1", "PLAIN", &[b"me\xff", b"secret"]),
        400
    );
    // An address that guesses is not listened to, others are.
    for _ in 0..7 {
        assert_eq!(status(&list, "127.0.0.1", "PLAIN", &[b"me", b"guess"]), 400);
    }
    assert_eq!(
        status(&list, "127.0.0.1", "PLAIN", &[b"me", b"secret"]),
        300
    );
    assert_eq!(
        status(&list, "127.0.0.2", "PLAIN", &[b"me", b"secret"]),
        200
    );
}

#[test]
fn only_hashes_of_argon2id_are_taken() {
    assert!(Rules::new().user("me", SECRET).is_ok());
    for hash in [
        "",
        "secret",
        "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$z6ntjrsjKUVk/XgWAF0BdFwFkVhOtlcSqPaLw+vJgS0",
        "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$z6ntjrsjKUVk",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ",
    ] {
        assert_eq!(
            Rules::new().user("me", hash).unwrap_err(),
            InvalidHash,
            "{hash}"
        );
    }
    let hash = hash_password("open sesame").unwrap();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
}

#[test]
fn a_file_of_users_is_read_again() {
    let folder = Folder::new("users");
    let file = folder.0.join("users");
    let list = AllowList::new(Rules::new().users_in(&file));
    let mine: &[&[u8]] = &[b"me", b"one"];
    assert_eq!(status(&list, "127.0.0.1", "PLAIN", mine), 400);
    let one = format!("# users\nyou:nonsense\n me : {} \n", cheap("one"));
    fs::write(&file, one).unwrap();
    list.failures.lock().unwrap().clear();
    let deadline = Instant::now() + Duration::from_secs(60);
    while status(&list, "127.0.0.1", "PLAIN", mine) != 200 {
        list.failures.lock().unwrap().clear();
        assert!(Instant::now() < deadline);
    }
    fs::write(&file, format!("me:{}\n", cheap("two"))).unwrap();
    while status(&list, "127.0.0.1", "PLAIN", mine) != 400 {
        assert!(Instant::now() < deadline);
    }
    list.failures.lock().unwrap().clear();
    assert_eq!(status(&list, "127.0.0.1", "PLAIN", &[b"me", b"two"]), 200);
}

#[test]
fn certificates_come_and_go() {
    let folder = Folder::new("certificates");
    let keys = KeyPair::generate().unwrap();
    let key = *keys.public();
    let list = AllowList::new(Rules::new().certificates_in(&folder.0));
    assert_eq!(status(&list, "127.0.0.1", "CURVE", &[key.as_bytes()]), 400);
    let certificate = Certificate::new(keys).with("name", "me");
    let deeper = folder.0.join("deeper");
    fs::create_dir(&deeper).unwrap();
    certificate.save(&deeper.join("me.key")).unwrap();
    until(&list, "CURVE", &[key.as_bytes()], 200);
    let reply = ask(&list, "", "127.0.0.1", "CURVE", &[key.as_bytes()]);
    assert_eq!(reply.user_id, key.to_string().into_bytes());
    assert_eq!(reply.metadata, [("name".to_owned(), b"me".to_vec())]);
    // The secret file alone lets nobody in.
    fs::remove_file(deeper.join("me.key")).unwrap();
    until(&list, "CURVE", &[key.as_bytes()], 400);
}
