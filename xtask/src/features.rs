// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every feature works alone, and every crate without any.

use anyhow::Result;

use crate::run::cargo;
use crate::workspace::{self, Package};

/// Builds each package that has features, tests included, without any and with each of them alone.
pub(crate) fn run() -> Result<()> {
    for package in workspace::packages()? {
        for features in choices(&package) {
            println!("features: {} with {features:?}", package.name);
            cargo(["check", "--quiet", "--all-targets", "--no-default-features"])
                .arguments(["--package", &package.name, "--features", &features])
                .status()?;
        }
    }
    Ok(())
}

/// None, and each alone; nothing for a package that has no features, which every build builds.
fn choices(package: &Package) -> Vec<String> {
    let own = package.features.iter().filter(|name| *name != "default");
    let own: Vec<String> = own.cloned().collect();
    if own.is_empty() {
        return own;
    }
    [vec![String::new()], own].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alone_and_none() {
        let mut package = Package::default();
        assert!(choices(&package).is_empty());
        package.features = ["a", "default", "b"].map(str::to_owned).to_vec();
        assert_eq!(choices(&package), ["", "a", "b"]);
    }
}
