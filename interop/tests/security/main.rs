// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secured conversations with the real libzmq.

#![forbid(unsafe_code)]

#[path = "../ours/mod.rs"]
mod ours;

use std::io::{Write as _, stderr};
use std::path::PathBuf;
use std::process::Command;

use ferromq_interop::realm::Realm;
use ferromq_interop::side::{Implementation, Means, Real};
use ferromq_interop::versions::RealLibrary;
use ferromq_interop::{Failure, Outcome, secured, versions};

use crate::ours::Ferromq;

fn with_all(means: &[Means], except: secured::Exception, table: &str) -> Outcome<()> {
    with_these(versions::real_libraries()?, means, except, table)
}

fn with_these(
    libraries: Vec<RealLibrary>,
    means: &[Means],
    except: secured::Exception,
    table: &str,
) -> Outcome<()> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_libzmq-peer"));
    let real: Vec<_> = libraries
        .into_iter()
        .map(|library| Real {
            library,
            program: program.clone(),
        })
        .collect();
    let theirs: Vec<&dyn Implementation> = real.iter().map(|real| real as _).collect();
    secured::run(
        &Ferromq,
        &theirs,
        means,
        except,
        &versions::target().join(table),
    )
}

#[test]
fn every_conversation() -> Outcome<()> {
    let means = [Means::Null, Means::Plain, Means::Curve];
    with_all(&means, broken_in_theirs, "interop-security.md")
}

/// With a libzmq that speaks ZMTP 3.0.
#[test]
fn an_old_one() -> Outcome<()> {
    let Some(library) = versions::old_library() else {
        writeln!(stderr(), "SKIPPED: no libzmq 4.1: run `cargo xtask setup`").ok();
        return Ok(());
    };
    let means = [Means::Null, Means::Plain, Means::Curve];
    let table = "interop-security-old.md";
    with_these(vec![library], &means, broken_in_theirs, table)
}

/// In a realm of its own, which takes another process: its environment must be set beforehand.
#[test]
fn kerberos() -> Outcome<()> {
    if let Some(program) = Realm::missing() {
        println!("SKIPPED: no {program} (Debian's krb5-kdc, krb5-admin-server, krb5-user)");
        return Ok(());
    }
    let realm = Realm::begin()?;
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "within_a_realm", "--ignored", "--nocapture"])
        .envs(realm.environment())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(text + &errors))
}

#[test]
#[ignore = "a part of `kerberos`, which makes the realm"]
fn within_a_realm() -> Outcome<()> {
    if std::env::var_os("KRB5_CONFIG").is_none() {
        return Ok(());
    }
    let means = [Means::Gssapi, Means::GssapiPlaintext];
    with_all(&means, broken_in_theirs, "interop-gssapi.md")
}

/// What libzmq cannot do with itself, either.
fn broken_in_theirs(place: &secured::Place<'_>) -> Option<&'static str> {
    if place.first == "REQ" && !place.ours_is_first && !place.ours_serves {
        return Some("a REQ of libzmq that asks an authenticator gets no replies");
    }
    if place.first == "RADIO" && place.ours_is_first && !place.ours_serves {
        return Some("a DISH of libzmq that asks an authenticator hears nothing");
    }
    let topics = matches!(place.first, "PUB" | "XPUB" | "RADIO") && place.ours_is_first;
    if place.means == Means::Gssapi && topics {
        return Some("libzmq wraps a subscription without its command");
    }
    None
}
