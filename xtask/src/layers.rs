// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layers: who may use whom and where `unsafe` may stand, as `ARCHITECTURE.md` lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::code::{Token, tokens};
use crate::workspace::{self, Package};

/// Checks the workspace; prints every finding.
pub(crate) fn run() -> Result<()> {
    let path = workspace::root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table = Table::parse(&text)?;
    let packages = workspace::packages()?;
    let mut findings = check_arrows(&table, &packages);
    for package in &packages {
        findings.extend(check_unsafe(
            &table,
            package,
            &read_sources(package, &packages)?,
        ));
    }
    for note in upward_dev_dependencies(&table, &packages) {
        println!("layers: note: {note}");
    }
    for finding in &findings {
        println!("layers: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("layers: {} packages as listed", packages.len());
    Ok(())
}

/// The table of `ARCHITECTURE.md`.
#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<String, Row>,
}

#[derive(Debug, Default)]
struct Row {
    may_use: BTreeSet<String>,
    may_be_unsafe: bool,
}

impl Table {
    fn parse(text: &str) -> Result<Self> {
        let (_, text) = text
            .split_once(BEGIN)
            .with_context(|| format!("no {BEGIN}"))?;
        let (text, _) = text.split_once(END).with_context(|| format!("no {END}"))?;
        let mut lines = text
            .lines()
            .filter(|line| line.trim_start().starts_with('|'));
        let head = cells(lines.next().context("no table")?);
        if head != ["crate", "may use", "unsafe"] {
            bail!("the table's columns are {head:?}, not crate, may use, unsafe");
        }
        let mut table = Self::default();
        for line in lines.filter(|line| !line.chars().all(|c| "|-: ".contains(c))) {
            let cells = cells(line);
            let [name, may_use, may_be_unsafe] = cells.as_slice() else {
                bail!("not three columns: {line}");
            };
            let row = Row {
                may_use: list(may_use),
                may_be_unsafe: match may_be_unsafe.as_str() {
                    "yes" => true,
                    "no" => false,
                    other => bail!("{name}: unsafe is yes or no, not {other:?}"),
                },
            };
            if table.rows.insert(name.clone(), row).is_some() {
                bail!("{name} is listed twice");
            }
        }
        Ok(table)
    }

    /// Everything below `from`, by any number of arrows.
    fn below<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let mut below = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(name) = waiting.pop() {
            for next in self.rows.get(name).into_iter().flat_map(|row| &row.may_use) {
                if below.insert(next.as_str()) {
                    waiting.push(next);
                }
            }
        }
        below
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_matches('|');
    line.split('|')
        .map(|cell| cell.replace('`', "").trim().to_owned())
        .collect()
}

fn list(cell: &str) -> BTreeSet<String> {
    let names = cell.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty() && *name != "-")
        .map(str::to_owned)
        .collect()
}

/// Arrows that are not listed, and a table that does not fit the workspace.
fn check_arrows(table: &Table, packages: &[Package]) -> Vec<String> {
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings = Vec::new();
    for (name, row) in &table.rows {
        for name in std::iter::once(name).chain(&row.may_use) {
            if !names.contains(name.as_str()) {
                findings.push(format!("the table names {name}, which is no package here"));
            }
        }
        if table.below(name).contains(name.as_str()) {
            findings.push(format!("{name}: the arrows of the table lead back to it"));
        }
    }
    for package in packages {
        let Some(row) = table.rows.get(&package.name) else {
            findings.push(format!("{} is not in the table", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if !dependency.dev && names.contains(name) && !row.may_use.contains(name) {
                findings.push(format!("{} uses {name}: not a listed arrow", package.name));
            }
        }
    }
    findings
}

/// Tests may use anything below; what they use above is worth a look but no fault.
fn upward_dev_dependencies(table: &Table, packages: &[Package]) -> Vec<String> {
    let mut notes = Vec::new();
    for package in packages {
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.dev)
        {
            if table
                .below(&dependency.name)
                .contains(package.name.as_str())
            {
                notes.push(format!(
                    "{}'s tests use {}, above it",
                    package.name, dependency.name
                ));
            }
        }
    }
    notes
}

/// A source file and its text.
struct Source {
    path: PathBuf,
    text: String,
}

/// `unsafe` outside the packages it is listed for, and packages that do not forbid it.
fn check_unsafe(table: &Table, package: &Package, sources: &[Source]) -> Vec<String> {
    if table
        .rows
        .get(&package.name)
        .is_none_or(|row| row.may_be_unsafe)
    {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for source in sources {
        let tokens = tokens(&source.text);
        for token in tokens.iter().filter(|token| token.text == "unsafe") {
            findings.push(format!("{}:{}: unsafe", source.path.display(), token.line));
        }
        if package.roots.contains(&source.path) && !forbids_unsafe(&tokens) {
            let path = source.path.display();
            findings.push(format!("{path}: does not say #![forbid(unsafe_code)]"));
        }
    }
    findings
}

/// Whether `#![forbid(…, unsafe_code, …)]` is among the tokens.
fn forbids_unsafe(tokens: &[Token<'_>]) -> bool {
    let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let begin = ["#", "!", "[", "forbid", "("];
    words.windows(begin.len()).enumerate().any(|(at, window)| {
        let arguments = words[at + begin.len()..]
            .iter()
            .take_while(|word| **word != ")");
        window == begin && arguments.into_iter().any(|word| *word == "unsafe_code")
    })
}

/// Every Rust file of a package: its tests, examples and benchmarks too.
fn read_sources(package: &Package, packages: &[Package]) -> Result<Vec<Source>> {
    let is_elsewhere = |folder: &Path| {
        folder.ends_with("target")
            || packages
                .iter()
                .any(|other| other.folder == folder && other.name != package.name)
    };
    let mut sources = Vec::new();
    let mut waiting = vec![package.folder.clone()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !is_elsewhere(&path) {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

const BEGIN: &str = "<!-- layers:begin -->";
const END: &str = "<!-- layers:end -->";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const TEXT: &str = "\
# Layers
| crate | may use | unsafe |
<!-- layers:begin -->
| crate      | may use    | unsafe |
|------------|------------|:------:|
| `leaf`     | -          | yes    |
| `middle`   | `leaf`     | no     |
| `top`      | leaf,middle| no     |
<!-- layers:end -->
";

    fn package(name: &str, normal: &[&str], dev: &[&str]) -> Package {
        let dependency = |dev| {
            move |name: &&str| Dependency {
                name: (*name).to_owned(),
                dev,
            }
        };
        Package {
            name: name.to_owned(),
            roots: vec![PathBuf::from("lib.rs")],
            dependencies: normal
                .iter()
                .map(dependency(false))
                .chain(dev.iter().map(dependency(true)))
                .collect(),
            ..Package::default()
        }
    }

    fn packages() -> Vec<Package> {
        vec![
            package("leaf", &["libc"], &[]),
            package("middle", &["leaf"], &[]),
            package("top", &["leaf", "middle"], &[]),
        ]
    }

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: PathBuf::from(path),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_workspace_as_listed_passes() -> Result<()> {
        assert_eq!(check_arrows(&Table::parse(TEXT)?, &packages()), [""; 0]);
        Ok(())
    }

    #[test]
    fn an_arrow_up_or_sideways_is_found() -> Result<()> {
        let mut packages = packages();
        packages[0] = package("leaf", &["top"], &[]);
        let findings = check_arrows(&Table::parse(TEXT)?, &packages);
        assert_eq!(findings, ["leaf uses top: not a listed arrow"]);
        Ok(())
    }

    #[test]
    fn a_dev_dependency_is_no_arrow_but_is_noted_upward() -> Result<()> {
        let mut packages = packages();
        packages[0] = package("leaf", &[], &["top"]);
        packages[2] = package("top", &["middle"], &["leaf"]);
        let table = Table::parse(TEXT)?;
        assert_eq!(check_arrows(&table, &packages), [""; 0]);
        assert_eq!(
            upward_dev_dependencies(&table, &packages),
            ["leaf's tests use top, above it"]
        );
        Ok(())
    }

    #[test]
    fn table_and_workspace_name_the_same_packages() -> Result<()> {
        let mut packages = packages();
        packages[1].name = "other".to_owned();
        packages.truncate(2);
        let findings = check_arrows(&Table::parse(TEXT)?, &packages);
        for expected in [
            "the table names middle, which is no package here",
            "other is not in the table",
        ] {
            assert!(
                findings.iter().any(|finding| finding == expected),
                "{findings:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_circle_in_the_table_is_found() -> Result<()> {
        let table = Table::parse(&TEXT.replace("| -          |", "| top |"))?;
        let findings = check_arrows(&table, &packages());
        assert_eq!(findings.len(), 3, "{findings:?}");
        Ok(())
    }

    #[test]
    fn a_broken_table_is_refused() {
        assert!(Table::parse("no table").is_err());
        assert!(Table::parse(&TEXT.replace("yes", "perhaps")).is_err());
        assert!(Table::parse(&TEXT.replace("`middle`", "leaf")).is_err());
        assert!(Table::parse(&TEXT.replace("| crate      |", "| name |")).is_err());
    }

    #[test]
    fn unsafe_is_found_only_in_code_and_only_where_forbidden() -> Result<()> {
        let table = Table::parse(TEXT)?;
        let root = "#![forbid(unsafe_code)]\n// unsafe\nfn f() { g(\"unsafe\") }\n";
        let top = package("top", &[], &[]);
        assert_eq!(
            check_unsafe(&table, &top, &[source("lib.rs", root)]),
            [""; 0]
        );
        let broken = source("other.rs", "fn f() {\n    unsafe { g() }\n}");
        assert_eq!(
            check_unsafe(&table, &top, &[broken]),
            ["other.rs:2: unsafe"]
        );
        let free = source("lib.rs", "fn f() { unsafe { g() } }");
        assert_eq!(
            check_unsafe(&table, &package("leaf", &[], &[]), &[free]),
            [""; 0]
        );
        Ok(())
    }

    #[test]
    fn roots_forbid_unsafe() -> Result<()> {
        let table = Table::parse(TEXT)?;
        let top = package("top", &[], &[]);
        for (text, expected) in [
            ("#![forbid(missing_docs, unsafe_code)]", 0),
            ("#![ forbid( unsafe_code ) ]", 0),
            ("#![deny(unsafe_code)]", 1),
            ("#![forbid(missing_docs)] fn unsafe_code() {}", 1),
            ("// #![forbid(unsafe_code)]", 1),
        ] {
            let findings = check_unsafe(&table, &top, &[source("lib.rs", text)]);
            assert_eq!(findings.len(), expected, "{text}: {findings:?}");
        }
        Ok(())
    }
}
