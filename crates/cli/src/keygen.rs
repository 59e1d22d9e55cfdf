// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secrets: keys of CURVE, hashes of passwords.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use clap::Args;
use ferromq::security::allow_list::hash_password;
use ferromq::{Certificate, KeyPair};

use crate::Outcome;

/// What for.
#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Write certificates, as CZMQ and pyzmq read them: FILE for everybody, FILE_secret for the owner.
    /// Without it both keys go to the standard output.
    file: Option<PathBuf>,
    /// Say something about the owner in the certificates, as `NAME=VALUE`; adds up.
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::cat::assignment, requires = "file")]
    metadata: Vec<(String, String)>,
}

/// Makes a pair of keys.
pub(crate) fn keygen(arguments: &Keygen) -> Outcome<()> {
    let keys = KeyPair::generate()?;
    let mut output = io::stdout().lock();
    let Some(file) = &arguments.file else {
        writeln!(output, "public {}", keys.public())?;
        writeln!(output, "secret {}", keys.secret().reveal().as_str())?;
        return Ok(());
    };
    let public = *keys.public();
    let with =
        |certificate: Certificate, (name, value): &(String, String)| certificate.with(name, value);
    let certificate = arguments.metadata.iter().fold(Certificate::new(keys), with);
    certificate.save(file)?;
    writeln!(output, "{public}")?;
    Ok(())
}

/// Whose password.
#[derive(Debug, Args)]
pub(crate) struct Passwd {
    /// The name, for a line of a file of users; without it only the hash is written.
    user: Option<String>,
}

/// Hashes the password on the standard input.
pub(crate) fn passwd(arguments: &Passwd) -> Outcome<()> {
    let mut password = String::new();
    io::stdin().lock().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.len() > 255 {
        return Err("a password has 1 to 255 bytes".into());
    }
    let hash = hash_password(password)?;
    let mut output = io::stdout().lock();
    match &arguments.user {
        Some(user) if user.contains(':') || user.starts_with('#') => {
            return Err("no colon in the name, and no # in front".into());
        }
        Some(user) => writeln!(output, "{user}:{hash}")?,
        None => writeln!(output, "{hash}")?,
    }
    Ok(())
}
