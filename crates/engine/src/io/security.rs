// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the options of a socket to the mechanism of its handshakes.

use ferromq_os::random;
use ferromq_vocabulary::{Mechanism, PrincipalNameType, SocketOptions};
use ferromq_zmtp::handshake::{Handshake, Local};
use ferromq_zmtp::mechanism::curve::{ClientKeys, SecretKey, ServerKeys};
use ferromq_zmtp::mechanism::gssapi::{NameType, Principal, Setup};
use ferromq_zmtp::mechanism::plain::Login;
use ferromq_zmtp::mechanism::{ENTROPY_LEN, Entropy, Kind, Security};

use super::session::Session;
use crate::authentication::Authentication;

/// What the options ask for. `None` if it cannot be had: then there are no handshakes at all.
pub(super) fn prepare(
    options: &SocketOptions,
    authentication: &Authentication,
) -> Option<Security> {
    Some(match (options.mechanism, options.as_server) {
        (Mechanism::Null, _) => Security::Null,
        (Mechanism::Plain, true) => Security::PlainServer,
        (Mechanism::Plain, false) => {
            let (user, password) = (&options.plain_username, options.plain_password.reveal());
            Security::PlainClient(Login::new(user, password).ok()?)
        }
        (Mechanism::Curve, as_server) => {
            let secret = options.curve_secretkey.reveal().first_chunk()?;
            let secret = SecretKey::new(*secret);
            if as_server {
                Security::CurveServer(ServerKeys::new(secret))
            } else {
                Security::CurveClient(ClientKeys {
                    public: options.curve_publickey,
                    secret,
                    server: options.curve_serverkey,
                })
            }
        }
        (Mechanism::Gssapi, as_server) => {
            let setup = Setup {
                provider: authentication.gssapi()?,
                own: principal(&options.gssapi_principal, options.gssapi_principal_nametype),
                service: principal(
                    &options.gssapi_service_principal,
                    options.gssapi_service_principal_nametype,
                ),
                plaintext: options.gssapi_plaintext,
            };
            if as_server {
                Security::GssapiServer(setup)
            } else {
                Security::GssapiClient(setup)
            }
        }
    })
}

fn principal(name: &[u8], name_type: PrincipalNameType) -> Principal {
    Principal {
        name: name.to_vec(),
        name_type: match name_type {
            PrincipalNameType::HostBased => NameType::HostBased,
            PrincipalNameType::User => NameType::User,
            PrincipalNameType::Krb5Principal => NameType::Krb5Principal,
        },
    }
}

/// A handshake of this session. `None` if the system has no randomness for it.
pub(super) fn begin(session: &Session, security: Security, reviews: bool) -> Option<Handshake> {
    let entropy = if security.kind() == Kind::Curve {
        let mut random = [0; ENTROPY_LEN];
        random::fill(&mut random).ok()?;
        Entropy::new(random)
    } else {
        Entropy::none()
    };
    let local = introduce(session, reviews);
    Some(Handshake::with_security(local, security, entropy))
}

/// What we say about ourselves, and what we take from the peer.
fn introduce(session: &Session, reviews: bool) -> Local {
    let options = &session.options;
    let mut local = Local::new(session.socket.socket_type);
    local.routing_id.clone_from(&options.routing_id);
    let metadata = options.metadata.iter();
    local.metadata = metadata
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    local.asks = !options.zap_domain.is_empty();
    local.needs_handler = local.asks && options.zap_enforce_domain;
    local.reviews = reviews;
    local.takes_older = true;
    local.max_metadata = usize::try_from(options.max_metadata_size).unwrap_or(0);
    local.max_handshake_bytes = usize::try_from(options.max_handshake_size).unwrap_or(0);
    local
}
