// SPDX-License-Identifier: MIT OR Apache-2.0
//! No dependency that is built here is there in two versions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::run::cargo;

/// Lists what is there twice; fails if what we ship has one.
pub(crate) fn run() -> Result<()> {
    let shipped = tree("normal,build")?;
    for (name, versions) in &tree("all")? {
        let who = if shipped.contains_key(name) {
            ""
        } else {
            " (tests only)"
        };
        println!("duplicates: {name} {}{who}", versions.join(", "));
    }
    if !shipped.is_empty() {
        bail!("{} dependencies in several versions", shipped.len());
    }
    println!("duplicates: none in what is shipped");
    Ok(())
}

fn tree(edges: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let text = cargo([
        "tree",
        "--workspace",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--edges",
    ])
    .arguments([edges])
    .output()?;
    Ok(several(&text))
}

/// The packages that have several versions in the lines `name vVERSION …`.
fn several(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, version)) = line.split_once(" v") {
            let version = version.split(' ').next().unwrap_or(version);
            versions.entry(name).or_default().insert(version);
        }
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, set)| {
            (
                name.to_owned(),
                set.into_iter().map(str::to_owned).collect(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::several;

    #[test]
    fn two_versions_are_found_and_repetition_is_not() {
        let found = several("a v1.0.0 (/x)\nb v2.0.0\nb v2.0.0 (*)\nc v1.0.0\nc v0.9.0 (*)\n\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found["c"], ["0.9.0", "1.0.0"]);
    }
}
