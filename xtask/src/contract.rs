// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every numbered semantic item of the contract has a test that names its number: `item_26_…` (or,
//! where one test covers two, `item_1_item_3_…`), a test in Rust or a function of a C program that
//! a test runs. And every option has a line in `conformance/options.txt` that names the tests in which
//! it is seen to do something.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::workspace;

/// The items of the section on semantics: what implementers get wrong.
const ITEMS: std::ops::RangeInclusive<u32> = 1..=61;

/// Lists how many tests name each item; fails if one has none.
pub(crate) fn run() -> Result<()> {
    let names = all_tests()?;
    let mut tests: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for name in &names {
        for number in numbers(name) {
            tests.entry(number).or_default().insert(name);
        }
    }
    let count: usize = tests.values().map(BTreeSet::len).sum();
    let missing: Vec<String> = ITEMS
        .filter(|number| !tests.contains_key(number))
        .map(|number| number.to_string())
        .collect();
    if !missing.is_empty() {
        bail!("no test names the items {}", missing.join(", "));
    }
    if let Some((number, _)) = tests.iter().find(|(number, _)| !ITEMS.contains(number)) {
        bail!("there is no item {number}");
    }
    println!(
        "contract: {count} tests name all of the items {} to {}",
        ITEMS.start(),
        ITEMS.end()
    );
    let list = fs::read_to_string(workspace::root().join("conformance/options.txt"))?;
    let options = options()?;
    let faults = option_faults(&options, &list, &names);
    if !faults.is_empty() {
        bail!("conformance/options.txt: {}", faults.join("; "));
    }
    println!(
        "contract: each of {} options is seen by a test",
        options.len()
    );
    Ok(())
}

/// The names of all tests.
fn all_tests() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for folder in ["crates", "interop", "sim"] {
        for path in sources(&workspace::root().join(folder))? {
            let text = fs::read_to_string(&path)?;
            names.extend(tests_in(&path, &text));
        }
    }
    Ok(names)
}

/// The names of the rows of both tables of options; those of contexts with `context ` in front.
fn options() -> Result<BTreeSet<String>> {
    let folder = workspace::root().join("crates/vocabulary/src/option");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let of_contexts = path.ends_with("context.rs");
        let text = if path.is_dir() {
            continue;
        } else {
            fs::read_to_string(&path)?
        };
        let names = text.lines().filter_map(|line| {
            let name = line.trim_start().strip_prefix("name: \"")?;
            name.strip_suffix("\",").filter(|name| !name.is_empty())
        });
        let prefix = if of_contexts { "context " } else { "" };
        found.extend(names.map(|name| format!("{prefix}{name}")));
    }
    Ok(found)
}

/// What is wrong with the list of options and the tests that see them.
fn option_faults(options: &BTreeSet<String>, list: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut listed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let Some((option, seen)) = line.split_once(": ") else {
            faults.push(format!("no test in {line:?}"));
            continue;
        };
        if !options.contains(option) {
            faults.push(format!("there is no option {option}"));
        }
        listed.insert(option);
        if seen.starts_with("- ") {
            continue;
        }
        let missing = seen
            .split(' ')
            .filter(|name| !name.starts_with("libzmq:") && !tests.contains(*name));
        faults.extend(missing.map(|name| format!("{option}: there is no test {name}")));
    }
    let forgotten = options
        .iter()
        .filter(|name| !listed.contains(name.as_str()));
    faults.extend(forgotten.map(|name| format!("{name} is missing")));
    faults
}

/// Every source file beneath a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|is| is == "rs" || is == "c") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The names of the tests of a file: functions behind `#[test]`, and those of a C program.
fn tests_in(path: &Path, text: &str) -> Vec<String> {
    let is_c = path.extension().is_some_and(|is| is == "c");
    let mut is_test = is_c;
    let mut names = Vec::new();
    for line in text.lines().map(str::trim_start) {
        let name = if is_c {
            line.strip_prefix("static void ")
        } else {
            line.strip_prefix("fn ")
                .or_else(|| line.strip_prefix("async fn "))
        };
        if line.starts_with("#[test]") {
            is_test = true;
        } else if let Some(name) = name {
            if is_test {
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                names.push(name[..end.unwrap_or(name.len())].to_owned());
            }
            is_test = is_c;
        } else if !(line.starts_with("#[") || line.starts_with("//") || is_c) {
            is_test = false;
        }
    }
    names
}

/// The items that the name of a test begins with.
fn numbers(name: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut rest = name;
    while let Some(item) = rest.strip_prefix("item_") {
        let end = item.find('_').unwrap_or(item.len());
        let Ok(number) = item[..end].parse() else {
            break;
        };
        numbers.push(number);
        rest = item[end..].trim_start_matches('_');
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_items() {
        assert_eq!(numbers("item_26_fair"), [26]);
        assert_eq!(numbers("item_1_item_3_both"), [1, 3]);
        assert_eq!(numbers("items"), [0u32; 0]);
        assert_eq!(numbers("item_no_number"), [0u32; 0]);
    }

    #[test]
    fn options_are_held_to_their_tests() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (options, tests) = (set(&["A", "B", "C"]), set(&["one"]));
        let good = "# A list\nA: one libzmq:test_a\nB: - nothing to be seen\nC: one\n";
        assert!(option_faults(&options, good, &tests).is_empty());
        let bad = "A: two\nB: one\nD: one\n";
        assert_eq!(option_faults(&options, bad, &tests).len(), 3);
    }

    #[test]
    fn only_tests_count() {
        let text = "#[test]\n/// It.\nfn item_1_is() {\n    x();\n}\nfn item_2_is_none() {}\n";
        assert_eq!(tests_in(Path::new("a.rs"), text), ["item_1_is"]);
        let text = "static void item_3_in_c (void)\n{\n}\nint main (void)\n";
        assert_eq!(tests_in(Path::new("a.c"), text), ["item_3_in_c"]);
    }
}
