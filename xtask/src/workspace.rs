// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `cargo metadata` says of this workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::cargo;

/// One package of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// `lib.rs` and `main.rs` files: where a crate forbids what it never does.
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: Vec<String>,
}

/// A dependency on a package of the workspace, or on another.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) dev: bool,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The packages of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let text = cargo(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    Ok(array(&metadata["packages"]).map(package).collect())
}

fn package(package: &Value) -> Package {
    let manifest = PathBuf::from(string(&package["manifest_path"]));
    Package {
        name: string(&package["name"]),
        folder: manifest.parent().unwrap_or(&manifest).to_path_buf(),
        roots: array(&package["targets"])
            .filter(|target| {
                array(&target["kind"])
                    .any(|kind| !matches!(kind.as_str(), Some("test" | "bench" | "example")))
            })
            .map(|target| PathBuf::from(string(&target["src_path"])))
            .collect(),
        dependencies: array(&package["dependencies"])
            .map(|dependency| Dependency {
                name: string(&dependency["name"]),
                dev: dependency["kind"] == "dev",
            })
            .collect(),
        features: package["features"]
            .as_object()
            .into_iter()
            .flat_map(|features| features.keys().cloned())
            .collect(),
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
