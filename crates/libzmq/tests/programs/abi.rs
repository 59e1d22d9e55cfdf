// SPDX-License-Identifier: MIT OR Apache-2.0
//! Constants, exported names and layouts, beside the real header and library.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::build::{here, ours, real_is_here};

/// All names with a number that a header defines.
fn constants(header: &Path) -> BTreeMap<String, String> {
    let output = Command::new("gcc")
        .args(["-E", "-dM", "-DZMQ_BUILD_DRAFT_API"])
        .arg(header)
        .output()
        .expect("a C compiler");
    let names = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .filter(|name| name.starts_with("ZMQ_") || ["EFSM", "ETERM"].contains(&name.as_str()))
        .filter(|name| !name.contains('(') && !name.starts_with("ZMQ_VERSION"))
        .collect::<Vec<_>>();
    let mut probe = format!("#include \"{}\"\n", header.display());
    for name in &names {
        probe.push_str(&format!("value_of {name} = {name}\n"));
    }
    let source = ours().join(format!("constants-{}.c", probe.len()));
    std::fs::write(&source, probe).expect("a place for the test");
    let output = Command::new("gcc")
        .args(["-E", "-P", "-DZMQ_BUILD_DRAFT_API"])
        .arg(&source)
        .output()
        .expect("a C compiler");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("value_of "))
        .zip(names)
        .filter_map(|(line, name)| {
            let value = line.rsplit_once(" = ")?.1;
            Some((name, value.replace(['(', ')', ' '], "")))
        })
        .collect()
}

/// Every constant of the real header is in ours, with the same value.
#[test]
fn the_header_has_every_constant() {
    let real = Path::new("/usr/include/zmq.h");
    if !real_is_here() {
        return;
    }
    let ours = constants(&here().join("include/zmq.h"));
    let real = constants(real);
    assert!(real.len() > 200, "{}", real.len());
    // Was 3 until 4.3.4.
    let changed = "ZMQ_RECONNECT_STOP_AFTER_DISCONNECT";
    let missing: Vec<_> = real
        .iter()
        .filter(|(name, value)| {
            *name != changed && !value.is_empty() && ours.get(*name) != Some(value)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What a library exports, or an object file's symbols, as `nm` lists them.
fn exported(library: &Path) -> Vec<String> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(library)
        .output()
        .expect("nm, of binutils");
    let mut names: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Functions that a header declares.
fn declared(header: &Path, drafts: bool) -> Vec<String> {
    let text = std::fs::read_to_string(header).expect("a header");
    let output = Command::new("gcc")
        .args(["-E", "-P", "-DZMQ_EXPORT=ZMQ_EXPORTED"])
        .args(drafts.then_some("-DZMQ_BUILD_DRAFT_API"))
        .arg(header)
        .output()
        .expect("a C compiler");
    let code = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<String> = code
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("zmq_") && text.contains(&format!("{word} (")))
        .filter(|word| !word.ends_with("_t") && !word.ends_with("_fn"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn exactly_the_functions_of_the_header_are_exported() {
    let names = exported(&ours().join("libzmq.so"));
    let header = declared(&here().join("include/zmq.h"), true);
    assert_eq!(names, header);
    assert_eq!(names.len(), 97);
    assert!(names.iter().all(|name| !name.contains('@')), "unversioned");
    assert_eq!(declared(&here().join("include/zmq.h"), false).len(), 70);
    for (real, drafts) in [("/usr/include/zmq.h", true), ("/usr/include/zmq.h", false)] {
        for name in declared(Path::new(real), drafts) {
            assert!(names.contains(&name), "{name}");
        }
    }
    let dynamic = Command::new("readelf")
        .arg("-d")
        .arg(ours().join("libzmq.so"))
        .output()
        .expect("readelf, of binutils");
    let dynamic = String::from_utf8_lossy(&dynamic.stdout).into_owned();
    assert!(dynamic.contains("[libzmq.so.5]"), "{dynamic}");
}

/// Sizes, alignments and offsets, as both headers have them.
#[test]
fn types_are_laid_out_alike() {
    let real = Path::new("/usr/include/zmq.h");
    let layout = |header: &Path| {
        let mut text = format!("#include \"{}\"\n", header.display());
        text.push_str("#include <stddef.h>\n");
        for (index, (what, of)) in LAYOUT.iter().enumerate() {
            let value = match *what {
                "size" => format!("sizeof ({of})"),
                "alignment" => format!("_Alignof ({of})"),
                _ => format!("offsetof ({of})"),
            };
            text.push_str(&format!("unsigned long value_{index} = {value};\n"));
        }
        let source = ours().join(format!("layout-{}.c", header.display().to_string().len()));
        std::fs::write(&source, text).expect("a source");
        let output = Command::new("gcc")
            .args(["-O1", "-S", "-DZMQ_BUILD_DRAFT_API", "-o", "-"])
            .arg(&source)
            .output()
            .expect("a C compiler");
        assert!(output.status.success(), "{}", header.display());
        let code = String::from_utf8_lossy(&output.stdout).into_owned();
        code.lines()
            .filter(|line| {
                line.contains("value_") || line.contains(".quad") || line.contains(".zero")
            })
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(layout(&here().join("include/zmq.h")), layout(real));
}

const LAYOUT: [(&str, &str); 16] = [
    ("size", "zmq_msg_t"),
    ("alignment", "zmq_msg_t"),
    ("size", "zmq_pollitem_t"),
    ("alignment", "zmq_pollitem_t"),
    ("offset", "zmq_pollitem_t, socket"),
    ("offset", "zmq_pollitem_t, fd"),
    ("offset", "zmq_pollitem_t, events"),
    ("offset", "zmq_pollitem_t, revents"),
    ("size", "zmq_poller_event_t"),
    ("offset", "zmq_poller_event_t, socket"),
    ("offset", "zmq_poller_event_t, fd"),
    ("offset", "zmq_poller_event_t, user_data"),
    ("offset", "zmq_poller_event_t, events"),
    ("size", "zmq_fd_t"),
    ("size", "zmq_free_fn *"),
    ("size", "struct iovec *"),
];
