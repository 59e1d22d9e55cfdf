// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder of public certificates.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::watch::{LOOK, LOOK_FOR_STRANGER, Watch};
use crate::security::certificate::Certificate;
use crate::security::keys::PublicKey;

/// What is to be known about an owner.
type Facts = Vec<(String, String)>;

#[derive(Debug)]
pub(super) struct Certificates {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watch: Watch,
    owners: HashMap<PublicKey, Facts>,
}

impl Certificates {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            state: Mutex::default(),
        }
    }

    /// What is known about the owner of a key, if its certificate is here.
    pub(super) fn find(&self, key: &PublicKey) -> Option<Facts> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for pause in [LOOK, LOOK_FOR_STRANGER] {
            if state.watch.is_due(pause) {
                self.look(&mut state);
            }
            if let Some(facts) = state.owners.get(key) {
                return Some(facts.clone());
            }
        }
        None
    }

    fn look(&self, state: &mut State) {
        let Some(files) = state.watch.look(&self.folder) else {
            return;
        };
        let is_public = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.ends_with("_secret") && !name.starts_with('.')
        };
        state.owners = files
            .iter()
            .map(|file| &file.path)
            .filter(|path| is_public(path))
            .filter_map(|path| Certificate::load(path).ok())
            .map(|certificate| (*certificate.public_key(), certificate.metadata().to_vec()))
            .collect();
    }
}
