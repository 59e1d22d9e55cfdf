// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of mechanisms: setting one chooses the mechanism, as libzmq does.

use crate::option::spec::{OptionError, OptionSpec, Value};
use crate::option::table::{both, read_only};
use crate::secret::Secret;

/// A public key of CURVE.
pub type CurveKey = [u8; 32];

/// How peers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// Not at all.
    #[default]
    Null,
    /// With name and password, in clear text.
    Plain,
    /// With keys; everything is encrypted.
    Curve,
    /// With what the system's GSSAPI library says: Kerberos, mostly.
    Gssapi,
}

impl Mechanism {
    /// The number of the C interface.
    pub const fn number(self) -> i32 {
        match self {
            Self::Null => 0,
            Self::Plain => 1,
            Self::Curve => 2,
            Self::Gssapi => 3,
        }
    }
}

pub(super) const MECHANISM: OptionSpec = read_only(|o| Value::Int(o.mechanism.number()));

pub(super) const PLAIN_SERVER: OptionSpec = both(
    |o| Value::from(o.as_server && o.mechanism == Mechanism::Plain),
    |o, v| {
        o.as_server = v.int()? != 0;
        o.mechanism = if o.as_server {
            Mechanism::Plain
        } else {
            Mechanism::Null
        };
        Ok(())
    },
);

pub(super) const PLAIN_USERNAME: OptionSpec = both(
    |o| Value::from(o.plain_username.as_slice()),
    |o, v| {
        let name = v.bytes()?;
        if name.is_empty() {
            o.mechanism = Mechanism::Null;
            return Ok(());
        }
        o.plain_username = name;
        o.as_server = false;
        o.mechanism = Mechanism::Plain;
        Ok(())
    },
);

pub(super) const PLAIN_PASSWORD: OptionSpec = both(
    |o| Value::from(o.plain_password.reveal()),
    |o, v| {
        let password = v.bytes()?;
        if password.is_empty() {
            o.mechanism = Mechanism::Null;
            return Ok(());
        }
        o.plain_password = Secret::new(password);
        o.as_server = false;
        o.mechanism = Mechanism::Plain;
        Ok(())
    },
);

pub(super) const CURVE_SERVER: OptionSpec = both(
    |o| Value::from(o.as_server && o.mechanism == Mechanism::Curve),
    |o, v| {
        o.as_server = v.int()? != 0;
        o.mechanism = if o.as_server {
            Mechanism::Curve
        } else {
            Mechanism::Null
        };
        Ok(())
    },
);

pub(super) const CURVE_PUBLICKEY: OptionSpec = both(
    |o| Value::from(&o.curve_publickey[..]),
    |o, v| {
        o.curve_publickey = key(v)?;
        o.mechanism = Mechanism::Curve;
        Ok(())
    },
);

pub(super) const CURVE_SECRETKEY: OptionSpec = both(
    |o| Value::from(o.curve_secretkey.reveal()),
    |o, v| {
        o.curve_secretkey = Secret::new(v.bytes()?);
        o.mechanism = Mechanism::Curve;
        Ok(())
    },
);

pub(super) const CURVE_SERVERKEY: OptionSpec = both(
    |o| Value::from(&o.curve_serverkey[..]),
    |o, v| {
        o.curve_serverkey = key(v)?;
        o.as_server = false;
        o.mechanism = Mechanism::Curve;
        Ok(())
    },
);

/// What kind of name a principal of GSSAPI has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrincipalNameType {
    /// `service@host`.
    #[default]
    HostBased,
    /// A user of this machine.
    User,
    /// As Kerberos writes it: `service/host@REALM`.
    Krb5Principal,
}

impl PrincipalNameType {
    /// The number of the C interface.
    pub const fn number(self) -> i32 {
        match self {
            Self::HostBased => 0,
            Self::User => 1,
            Self::Krb5Principal => 2,
        }
    }

    fn of(value: Value) -> Result<Self, OptionError> {
        Ok(match value.int()? {
            0 => Self::HostBased,
            1 => Self::User,
            2 => Self::Krb5Principal,
            _ => return Err(OptionError::OutOfRange),
        })
    }
}

pub(super) const GSSAPI_SERVER: OptionSpec = both(
    |o| Value::from(o.as_server && o.mechanism == Mechanism::Gssapi),
    |o, v| {
        o.as_server = v.int()? != 0;
        // No server is a client here, and not NULL again.
        o.mechanism = Mechanism::Gssapi;
        Ok(())
    },
);

pub(super) const GSSAPI_PRINCIPAL: OptionSpec = both(
    |o| Value::from(o.gssapi_principal.as_slice()),
    |o, v| {
        o.gssapi_principal = v.bytes()?;
        o.mechanism = Mechanism::Gssapi;
        Ok(())
    },
);

pub(super) const GSSAPI_SERVICE_PRINCIPAL: OptionSpec = both(
    |o| Value::from(o.gssapi_service_principal.as_slice()),
    |o, v| {
        o.gssapi_service_principal = v.bytes()?;
        o.as_server = false;
        o.mechanism = Mechanism::Gssapi;
        Ok(())
    },
);

pub(super) const GSSAPI_PRINCIPAL_NAMETYPE: OptionSpec = both(
    |o| Value::Int(o.gssapi_principal_nametype.number()),
    |o, v| {
        o.gssapi_principal_nametype = PrincipalNameType::of(v)?;
        Ok(())
    },
);

pub(super) const GSSAPI_SERVICE_PRINCIPAL_NAMETYPE: OptionSpec = both(
    |o| Value::Int(o.gssapi_service_principal_nametype.number()),
    |o, v| {
        o.gssapi_service_principal_nametype = PrincipalNameType::of(v)?;
        Ok(())
    },
);

pub(super) const SOCKS_PASSWORD: OptionSpec = both(
    |o| Value::from(o.socks_password.reveal()),
    |o, v| {
        o.socks_password = Secret::new(v.bytes()?);
        Ok(())
    },
);

fn key(value: Value) -> Result<CurveKey, OptionError> {
    let bytes = value.bytes()?;
    bytes
        .try_into()
        .map_err(|_length: Vec<u8>| OptionError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::SocketOptions;

    #[test]
    fn the_last_word_chooses_the_mechanism() {
        let mut options = SocketOptions::default();
        let number = |options: &SocketOptions| options.get("MECHANISM").unwrap();
        options.set("PLAIN_USERNAME", "me").unwrap();
        assert_eq!(number(&options), Value::Int(1));
        options.set("CURVE_SERVER", 1).unwrap();
        assert_eq!(number(&options), Value::Int(2));
        assert_eq!(options.get("PLAIN_SERVER"), Ok(Value::Int(0)));
        assert_eq!(options.get("CURVE_SERVER"), Ok(Value::Int(1)));
        options.set("CURVE_SERVERKEY", &[7; 32][..]).unwrap();
        assert_eq!(options.get("CURVE_SERVER"), Ok(Value::Int(0)));
        options.set("PLAIN_PASSWORD", "").unwrap();
        assert_eq!(number(&options), Value::Int(0));
    }

    #[test]
    fn secrets_do_not_show() {
        let mut options = SocketOptions::default();
        options.set("PLAIN_PASSWORD", "opensesame").unwrap();
        options.set("CURVE_SECRETKEY", &[231; 32][..]).unwrap();
        let shown = format!("{options:?}");
        assert!(!shown.contains("sesame") && !shown.contains("231"));
    }
}
