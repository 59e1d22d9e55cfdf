// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ferromq keygen` and `ferromq passwd`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ferromq::security::Certificate;
use ferromq::{PublicKey, SecretKey};

fn ferromq(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ferromq"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("an input");
    stdin.write_all(input.as_bytes()).expect("it is read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ferromq-secrets-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn keys_belong_together_and_are_new_each_time() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let said = ferromq(&["keygen"], "");
        let keys = said.trim_end().split_once('\n').expect("two lines");
        let public = keys.0.strip_prefix("public ").expect("a public key");
        let secret = keys.1.strip_prefix("secret ").expect("a secret key");
        let public: PublicKey = public.parse().expect("Z85");
        let secret: SecretKey = secret.parse().expect("Z85");
        assert_eq!(secret.public(), public);
        assert!(!seen.contains(&public));
        seen.push(public);
    }
}

#[test]
fn certificates_are_for_everybody_and_for_the_owner() {
    let folder = Folder::new("certificates");
    let file = folder.0.join("me.key");
    let name = file.to_str().expect("a name");
    let said = ferromq(&["keygen", name, "--metadata", "email=me@example.org"], "");
    let public: PublicKey = said.trim_end().parse().expect("Z85");
    let for_everybody = fs::read_to_string(&file).expect("a certificate");
    assert!(for_everybody.contains(&public.to_string()));
    assert!(for_everybody.contains("me@example.org") && !for_everybody.contains("secret-key"));
    let own = folder.0.join("me.key_secret");
    let mode = fs::metadata(&own)
        .expect("a certificate")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let certificate = Certificate::load(&own).expect("a certificate");
    let keys = certificate.key_pair().expect("both keys");
    assert_eq!(*keys.public(), public);
}

#[test]
fn passwords_are_hashed() {
    let line = ferromq(&["passwd", "me"], "good\n");
    assert!(line.starts_with("me:$argon2id$v=19$"), "{line}");
    assert!(!line.contains("good"));
    assert_ne!(
        line,
        ferromq(&["passwd", "me"], "good\n"),
        "a salt of its own"
    );
}
