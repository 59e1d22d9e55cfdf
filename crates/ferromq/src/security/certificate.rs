// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates: keys of CURVE in files, as CZMQ and pyzmq write and read them.
//!
//! ```text
//! #   a comment
//! metadata
//!     name = "somebody"
//! curve
//!     public-key = "…"      40 characters of Z85
//!     secret-key = "…"      only in the secret file
//! ```
//! That is ZPL ([RFC 4](https://rfc.zeromq.org/spec/4/)) of two levels. The public part of a
//! certificate is in one file, all of it in another whose name ends in `_secret`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{error, fmt};

use zeroize::Zeroizing;

use super::keys::{KeyPair, PublicKey, SecretKey};

/// A public key of CURVE with what is to be known about its owner, and perhaps the secret key that
/// belongs to it.
///
/// ```
/// use ferromq::{Certificate, KeyPair};
///
/// let folder = std::env::temp_dir().join(format!("certificates-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let certificate = Certificate::new(KeyPair::generate()?).with("name", "somebody");
/// certificate.save(&folder.join("somebody.key"))?;
///
/// let public = Certificate::load(&folder.join("somebody.key"))?;
/// assert_eq!(public.public_key(), certificate.public_key());
/// assert_eq!(public.metadata(), [("name".to_owned(), "somebody".to_owned())]);
/// assert!(public.secret_key().is_none());
/// let own = Certificate::load(&folder.join("somebody.key_secret"))?;
/// assert!(own.key_pair().is_some());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Certificate {
    public: PublicKey,
    secret: Option<SecretKey>,
    metadata: Vec<(String, String)>,
}

/// Why a certificate cannot be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file cannot be read or written.
    Io(io::Error),
    /// It is larger than any certificate.
    TooLarge,
    /// There is no public key in it, or one that is none.
    NoKey,
    /// The secret key does not belong to the public one.
    WrongKey,
}

impl Certificate {
    /// Of these keys, without anything about their owner.
    #[must_use]
    pub fn new(keys: KeyPair) -> Self {
        Self {
            public: *keys.public(),
            secret: Some(keys.secret().clone()),
            metadata: Vec::new(),
        }
    }

    /// Adds something that is to be known about the owner. Line ends and quotes are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let plain = |text: &str| -> String {
            let of_files = |c: &char| !c.is_control() && !matches!(c, '"' | '\'');
            text.chars().filter(of_files).collect()
        };
        let name = plain(name).replace(['=', ' ', '#'], "");
        if !name.is_empty() {
            self.metadata.push((name, plain(value)));
        }
        self
    }

    /// Reads a file: a public one, or a secret one.
    ///
    /// # Errors
    /// The file cannot be read, or is no certificate.
    pub fn load(path: &Path) -> Result<Self, CertificateError> {
        let mut text = Zeroizing::new(String::new());
        let mut file = File::open(path)?.take(MOST + 1);
        file.read_to_string(&mut text)?;
        if text.len() as u64 > MOST {
            return Err(CertificateError::TooLarge);
        }
        Self::parse(&text)
    }

    /// Reads what stands in such a file.
    ///
    /// # Errors
    /// It is no certificate.
    pub fn parse(text: &str) -> Result<Self, CertificateError> {
        let (mut public, mut secret, mut metadata) = (None, None, Vec::new());
        let mut section = String::new();
        for line in text.lines() {
            let indented = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if !indented {
                section = line.to_owned();
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let (name, value) = (name.trim_end(), unquote(value.trim_start()));
            match (section.as_str(), name) {
                ("curve", "public-key") => public = value.parse().ok(),
                ("curve", "secret-key") => secret = value.parse().ok(),
                ("metadata", _) => metadata.push((name.to_owned(), value.to_owned())),
                _ => {}
            }
        }
        let public: PublicKey = public.ok_or(CertificateError::NoKey)?;
        let secret: Option<SecretKey> = secret;
        if secret
            .as_ref()
            .is_some_and(|secret| secret.public() != public)
        {
            return Err(CertificateError::WrongKey);
        }
        Ok(Self {
            public,
            secret,
            metadata,
        })
    }

    /// Writes two files: the public part under this name, and everything under this name with
    /// `_secret` behind it, which only its owner may read. Neither must be there.
    ///
    /// # Errors
    /// A file is there, or cannot be written; the certificate has no secret key.
    pub fn save(&self, path: &Path) -> Result<(), CertificateError> {
        let secret = self.secret.as_ref().ok_or(CertificateError::NoKey)?;
        let own = secret_path(path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&own)?;
        let text = Zeroizing::new(self.text(Some(secret)));
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| self.save_public(path));
        if let Err(error) = written {
            // No half of a certificate.
            fs::remove_file(&own).ok();
            return Err(error.into());
        }
        Ok(())
    }

    /// Writes the public part under this name, where no file must be.
    ///
    /// # Errors
    /// A file is there, or cannot be written.
    pub fn save_public(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(self.text(None).as_bytes())
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The secret key, if it is there.
    #[must_use]
    pub const fn secret_key(&self) -> Option<&SecretKey> {
        self.secret.as_ref()
    }

    /// Both keys, if they are there.
    #[must_use]
    pub fn key_pair(&self) -> Option<KeyPair> {
        self.secret.clone().map(KeyPair::from)
    }

    /// What is to be known about the owner, in the order of the file.
    #[must_use]
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    fn text(&self, secret: Option<&SecretKey>) -> String {
        // Of one piece, so that no copy of a secret stays behind.
        let lengths = self
            .metadata
            .iter()
            .map(|(name, value)| name.len() + value.len() + 16);
        let mut text = String::with_capacity(1024 + lengths.sum::<usize>());
        text.push_str(if secret.is_some() {
            "#   ZeroMQ CURVE **Secret** Certificate, written by ferromq\n\
             #   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n"
        } else {
            "#   ZeroMQ CURVE Public Certificate, written by ferromq\n\
             #   Exchange securely, or use a secure mechanism to verify the contents\n\
             #   of this file after exchange.\n\n"
        });
        text.push_str("metadata\n");
        for (name, value) in &self.metadata {
            text.push_str(&format!("    {name} = \"{value}\"\n"));
        }
        text.push_str(&format!("curve\n    public-key = \"{}\"\n", self.public));
        if let Some(secret) = secret {
            text.push_str("    secret-key = \"");
            text.push_str(&secret.reveal());
            text.push_str("\"\n");
        }
        text
    }
}

/// Where the secret part belongs of what is public under this name.
fn secret_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("_secret");
    name.into()
}

/// A value, without the quotes around it; without them it ends at a comment.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split_once(quote).map_or(rest, |(inside, _)| inside);
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_end()
}

impl From<io::Error> for CertificateError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CertificateError> for io::Error {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::TooLarge => f.write_str("larger than any certificate"),
            Self::NoKey => f.write_str("no key in the certificate"),
            Self::WrongKey => f.write_str("the secret key does not belong to the public one"),
        }
    }
}

impl error::Error for CertificateError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Bytes of the largest file that is read.
const MOST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_read() {
        let pyzmq = "#   ****  Generated on 2026-11-25 13:51:36.917846 by pyzmq  ****\n\
             #   ZeroMQ CURVE **Secret** Certificate\n\n\
             metadata\n    email = x@y\ncurve\n    \
             public-key = \"9hdpLpdJZ>:KPo}s:jQc=XmMDK8H6uo5{K8D>^LZ\"\n    \
             secret-key = \"*Ud?HBbWI:UC?>(8bVJS2LxKH[=bT:?bb1nB^Kn*\"\n";
        let certificate = Certificate::parse(pyzmq).unwrap();
        assert!(certificate.key_pair().is_some());
        assert_eq!(
            certificate.metadata(),
            [("email".to_owned(), "x@y".to_owned())]
        );
        let czmq = "#   ****  Generated on 2013-07-12 by CZMQ  ****\nmetadata\n\tname = 'Bob # 1'\n\
             curve\n\tpublic-key = '9hdpLpdJZ>:KPo}s:jQc=XmMDK8H6uo5{K8D>^LZ'\n";
        let certificate = Certificate::parse(czmq).unwrap();
        assert!(certificate.secret_key().is_none());
        assert_eq!(
            certificate.metadata(),
            [("name".to_owned(), "Bob # 1".to_owned())]
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        let key = "9hdpLpdJZ>:KPo}s:jQc=XmMDK8H6uo5{K8D>^LZ";
        for text in [
            "",
            "curve\n",
            "curve\n    public-key = \"short\"\n",
            &format!("metadata\n    public-key = \"{key}\"\n"),
            &format!("curve\npublic-key = \"{key}\"\n"),
        ] {
            let refused = Certificate::parse(text);
            assert!(matches!(refused, Err(CertificateError::NoKey)), "{text:?}");
        }
        let other = KeyPair::from(SecretKey::from_bytes([3; 32]));
        let text = format!(
            "curve\n    public-key = \"{key}\"\n    secret-key = \"{}\"\n",
            other.secret().reveal().as_str()
        );
        let refused = Certificate::parse(&text);
        assert!(matches!(refused, Err(CertificateError::WrongKey)));
    }

    #[test]
    fn metadata_cannot_break_out() {
        let keys = KeyPair::from(SecretKey::from_bytes([3; 32]));
        let certificate = Certificate::new(keys)
            .with("na=me\n", "x\"\ncurve\n    public-key = 'y'")
            .with("", "nothing");
        let again = Certificate::parse(&certificate.text(certificate.secret_key())).unwrap();
        assert_eq!(again.public_key(), certificate.public_key());
        let expected = [("name".to_owned(), "xcurve    public-key = y".to_owned())];
        assert_eq!(again.metadata(), expected);
    }
}
