// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Kerberos realm on loopback, made by a test and thrown away with it.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Failure, Outcome};

/// A realm with one service, `zmq/localhost`, and one user, `alice`. Its server ends when this is
/// dropped.
#[derive(Debug)]
pub struct Realm {
    folder: PathBuf,
    server: Child,
}

/// The programs of Debian's krb5-kdc, krb5-admin-server and krb5-user.
const PROGRAMS: [&str; 5] = ["krb5kdc", "kdb5_util", "kadmin.local", "kinit", "ktutil"];

impl Realm {
    /// Whether what it takes is installed; else what is missing.
    pub fn missing() -> Option<&'static str> {
        PROGRAMS.into_iter().find(|name| program(name).is_none())
    }

    /// Makes a realm and waits until its server gives tickets.
    pub fn begin() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("ferromq-realm-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("tickets"))?;
        // Somebody else may take it meanwhile; then the server does not start.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let path = folder.display();
        fs::write(
            folder.join("krb5.conf"),
            format!(
                "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n \
                 dns_lookup_realm = false\n rdns = false\n dns_canonicalize_hostname = false\n\
                 [realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
                 [domain_realm]\n localhost = {REALM}\n"
            ),
        )?;
        fs::write(
            folder.join("kdc.conf"),
            format!(
                "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
                 [realms]\n {REALM} = {{\n  database_name = {path}/principal\n  \
                 key_stash_file = {path}/stash\n  acl_file = {path}/acl\n  max_life = 1h\n }}\n\
                 [logging]\n kdc = FILE:{path}/kdc.log\n"
            ),
        )?;
        let run =
            |name: &str, arguments: &[&str], input: &str| run(&folder, name, arguments, input);
        run(
            "kdb5_util",
            &["create", "-r", REALM, "-s", "-P", "master"],
            "",
        )?;
        for query in ["addprinc -randkey zmq/localhost", "addprinc -randkey alice"] {
            run("kadmin.local", &["-q", query], "")?;
        }
        let keytab = folder.join("keytab").display().to_string();
        for principal in ["zmq/localhost", "alice"] {
            let query = format!("ktadd -k {keytab} {principal}");
            run("kadmin.local", &["-q", &query], "")?;
        }
        let server = command(&folder, "krb5kdc")?
            .arg("-n")
            .stdout(Stdio::null())
            .spawn()?;
        let realm = Self { folder, server };
        realm.await_ticket(&keytab)?;
        Ok(realm)
    }

    fn await_ticket(&self, keytab: &str) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let got = run(&self.folder, "kinit", &["-k", "-t", keytab, "alice"], "");
            if got.is_ok() || Instant::now() > deadline {
                return got;
            }
            std::thread::yield_now();
        }
    }

    /// What a process must have in its environment to live in this realm, as either side.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.folder)
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    let path = folder.display();
    vec![
        ("KRB5_CONFIG", format!("{path}/krb5.conf")),
        ("KRB5_KDC_PROFILE", format!("{path}/kdc.conf")),
        ("KRB5_KTNAME", format!("FILE:{path}/keytab")),
        // libzmq wants credentials for both directions, on either side.
        ("KRB5_CLIENT_KTNAME", format!("FILE:{path}/keytab")),
        ("KRB5CCNAME", format!("DIR:{path}/tickets")),
        ("KRB5RCACHEDIR", format!("{path}")),
    ]
}

fn command(folder: &Path, name: &str) -> Outcome<Command> {
    let program = program(name).ok_or_else(|| Failure::new(format!("no {name}")))?;
    let mut command = Command::new(program);
    command.envs(environment(folder)).stdin(Stdio::null());
    Ok(command)
}

fn run(folder: &Path, name: &str, arguments: &[&str], input: &str) -> Outcome<()> {
    let mut child = command(folder, name)?
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(text).within(format!("{name} {arguments:?}")))
}

/// Debian keeps servers where ordinary users have no path to.
fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .into_iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// The realm's name.
pub const REALM: &str = "FERROMQ.TEST";
