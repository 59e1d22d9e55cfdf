// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that print answers and events, on the real library and on ours, line by line.

use std::collections::BTreeMap;
use std::path::Path;

use crate::build::{
    OURS, REAL_ONE, Terms, compile, folder_of, here, ours, output_of, real_with_drafts,
};

/// What a program prints with a library.
fn output_with(program: &Path, library: &Path, terms: &Terms) -> String {
    let name = program.file_name().expect("a name").to_string_lossy();
    output_of(program, &folder_of(library, &name), terms)
}

/// Question and answer, line by line; a question that comes again is numbered.
fn ask(program: &Path, library: &Path, terms: &Terms) -> Vec<(String, String)> {
    let mut count = BTreeMap::new();
    output_with(program, library, terms)
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(question, answer)| {
            let number: &mut u32 = count.entry(question.to_owned()).or_default();
            *number += 1;
            (format!("{question} #{number}"), answer.to_owned())
        })
        .collect()
}

/// The lines of a file of known differences: each a pattern, and how often it has been used.
fn patterns(list: &str) -> BTreeMap<&str, u32> {
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(": "))
        .map(|(pattern, _reason)| (pattern, 0))
        .collect()
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            tail.is_empty()
                || (0..=rest.len())
                    .filter(|at| rest.is_char_boundary(*at))
                    .any(|at| fits(tail, &rest[at..]))
        }),
    }
}

#[test]
fn answers_are_those_of_the_real_library() {
    compare_answers("answers.c", "answers-that-differ.txt", 40_000, false);
}

#[test]
fn handles_are_checked() {
    compare_answers("handles.c", "handles-that-differ.txt", 500, true);
}

/// Has both libraries asked, and every difference be one of the list; that libzmq dies may go
/// without saying.
fn compare_answers(program: &str, list: &str, least: usize, may_die: bool) {
    let real = real_with_drafts();
    let flags = ["-w", "-DZMQ_BUILD_DRAFT_API"];
    let library = ours().join("libzmq.so");
    let program = compile("gcc", program, "both", &flags, &library);
    let (expected, found) = (
        ask(&program, &real, &REAL_ONE),
        ask(&program, &library, &OURS),
    );
    let died: Vec<_> = found
        .iter()
        .filter(|(_, answer)| answer == "dies")
        .collect();
    assert!(died.is_empty(), "{died:?}");
    let found: BTreeMap<_, _> = found.into_iter().collect();
    assert!(expected.len() > least);

    let list = here().join("tests").join(list);
    let list = std::fs::read_to_string(list).expect("the list");
    let mut patterns = patterns(&list);
    let mut surprises = Vec::new();
    for (question, expected) in &expected {
        let answer = found.get(question).map_or("none", String::as_str);
        if answer == expected || may_die && expected == "dies" && answer != "none" {
            continue;
        }
        let (plain, _number) = question.rsplit_once(" #").expect("it was numbered");
        let mut known = false;
        for (pattern, used) in &mut patterns {
            if fits(pattern, plain) {
                *used += 1;
                known = true;
            }
        }
        if !known {
            surprises.push(format!("{question}: {answer}, libzmq: {expected}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    // Whether a thread dies before its process has answered is a matter of time.
    let race = "valid handle, threadstart NULL";
    let unused: Vec<_> = patterns
        .iter()
        .filter(|(pattern, used)| **used == 0 && **pattern != race)
        .collect();
    assert!(unused.is_empty(), "no difference any more: {unused:?}");
}

/// The lines of one text that are not in the other, as often as they are there.
fn only_in<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let mut rest: Vec<&str> = other.lines().collect();
    let mut only = Vec::new();
    for line in one.lines() {
        match rest.iter().position(|there| *there == line) {
            Some(at) => drop(rest.swap_remove(at)),
            None => only.push(line),
        }
    }
    only
}

#[test]
fn events_are_those_of_the_real_library() {
    let real = real_with_drafts();
    let library = ours().join("libzmq.so");
    let flags = ["-DZMQ_BUILD_DRAFT_API"];
    let program = compile("gcc", "events.c", "both", &flags, &library);
    let list = here().join("tests/events-that-differ.txt");
    let list = std::fs::read_to_string(list).expect("the list");
    // On a machine with much to do a silence may be none: what differs however long it is waited for differs.
    let mut left = Vec::new();
    for patience in [1, 2, 4, 8] {
        let expected = output_with(
            &program,
            &real,
            &Terms {
                patience,
                ..REAL_ONE
            },
        );
        let found = output_with(&program, &library, &Terms { patience, ..OURS });
        assert!(expected.lines().count() > 200, "{expected}");
        left = surprises(&expected, &found, &list);
        if left.is_empty() {
            return;
        }
    }
    panic!("{}", left.join("\n"));
}

/// What two runs differ in beyond the list, and what of the list is none of it.
fn surprises(expected: &str, found: &str, list: &str) -> Vec<String> {
    let mut patterns = patterns(list);
    let missing = only_in(expected, found).into_iter();
    let more = only_in(found, expected).into_iter();
    let differences = missing
        .map(|line| format!("- {line}"))
        .chain(more.map(|line| format!("+ {line}")));
    let mut surprises = Vec::new();
    for difference in differences {
        let mut known = false;
        for (pattern, used) in &mut patterns {
            if fits(pattern, &difference) {
                *used += 1;
                known = true;
            }
        }
        if !known {
            surprises.push(difference);
        }
    }
    let unused = patterns.iter().filter(|(_, used)| **used == 0);
    surprises.extend(unused.map(|(pattern, _)| format!("no difference any more: {pattern}")));
    surprises
}
