// SPDX-License-Identifier: MIT OR Apache-2.0
//! C programs, compiled against `include/zmq.h` and run with our library and, those that do not
//! name what only we define, with the real one: both must give the same answers. And one that asks
//! some 50,000 questions, whose answers are compared one by one (`answers.c`).
#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the real library stands, if it does.
const REAL: &str = "/usr/lib/x86_64-linux-gnu/libzmq.so.5";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with our library: cargo puts it beside the tests.
fn ours() -> PathBuf {
    let folder = std::env::current_exe().expect("a test has a path");
    let folder = folder.parent().expect("it lies in a folder").to_owned();
    assert!(folder.join("libzmq.so").exists(), "{}", folder.display());
    // Programs ask for the library by its soname.
    let link = folder.join("libzmq.so.5");
    if !link.exists() {
        // Another test may be making it.
        let _made = std::os::unix::fs::symlink("libzmq.so", &link);
    }
    folder
}

/// Compiles a program.
fn compile(compiler: &str, name: &str, suffix: &str, flags: &[&str], library: &Path) -> PathBuf {
    let program = ours().join(format!("c-{name}-{suffix}"));
    let source = here().join("tests/c").join(name);
    let status = Command::new(compiler)
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(flags)
        .arg("-I")
        .arg(here().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&program)
        .args(["-x", "none"])
        .arg(library)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "{name} does not compile");
    program
}

fn execute(program: &Path) {
    let output = Command::new(program)
        .env("LD_LIBRARY_PATH", ours())
        .output()
        .expect("just compiled");
    assert!(
        output.status.success(),
        "{}: {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run_ours(name: &str) {
    let library = ours().join("libzmq.so");
    let flags = ["-DFERROMQ", "-DZMQ_BUILD_DRAFT_API"];
    execute(&compile("gcc", name, "ours", &flags, &library));
}

fn run_both(name: &str) {
    run_ours(name);
    if Path::new(REAL).exists() {
        let program = compile("gcc", name, "real", &[], Path::new(REAL));
        let output = Command::new(&program)
            .env("LD_LIBRARY_PATH", "/usr/lib/x86_64-linux-gnu")
            .output()
            .expect("just compiled");
        assert!(
            output.status.success(),
            "the real library: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn messages() {
    run_both("messages.c");
}

#[test]
fn contexts() {
    run_both("contexts.c");
}

#[test]
fn sockets() {
    run_both("sockets.c");
}

#[test]
fn signals() {
    run_both("signals.c");
}

#[test]
fn threads() {
    run_ours("threads.c");
}

#[test]
fn the_header_is_cpp() {
    let library = ours().join("libzmq.so");
    let flags = [
        "-x",
        "c++",
        "-DFERROMQ",
        "-DZMQ_BUILD_DRAFT_API",
        "-fsyntax-only",
    ];
    compile("g++", "messages.c", "cpp", &flags, &library);
}

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
    if !real.exists() {
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

/// The real library of the last release, with drafts: `cargo xtask setup` builds it.
fn real_with_drafts() -> Option<PathBuf> {
    let folder = ours();
    let target = folder.ancestors().nth(2)?;
    let library = target.join("libzmq-4.3.5/libzmq.so");
    library.exists().then_some(library)
}

/// Question and answer, line by line; a question that comes again is numbered.
fn ask(program: &Path, library: &Path, may_die: u32) -> Vec<(String, String)> {
    let name = library.parent().expect("a folder").display().to_string();
    let folder = ours().join(format!("answers-{}", name.len()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let link = folder.join("libzmq.so.5");
    let _gone = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(library, &link).expect("a link");
    let mut tries = 0;
    let output = loop {
        let output = Command::new(program)
            .env("LD_LIBRARY_PATH", &folder)
            .output()
            .expect("just compiled");
        if output.status.success() {
            break output;
        }
        tries += 1;
        // The real one now and then aborts over its own assertions.
        assert!(
            tries < may_die,
            "{}: {}: {}",
            library.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let mut count = BTreeMap::new();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(question, answer)| {
            let number: &mut u32 = count.entry(question.to_owned()).or_default();
            *number += 1;
            (format!("{question} #{number}"), answer.to_owned())
        })
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
    let Some(real) = real_with_drafts() else {
        panic!("no libzmq 4.3.5 here: cargo xtask setup");
    };
    let flags = ["-w", "-DZMQ_BUILD_DRAFT_API"];
    let library = ours().join("libzmq.so");
    let program = compile("gcc", "answers.c", "both", &flags, &library);
    let (expected, found) = (ask(&program, &real, 10), ask(&program, &library, 1));
    let found: BTreeMap<_, _> = found.into_iter().collect();
    assert!(expected.len() > 40_000);

    let list = here().join("tests/answers-that-differ.txt");
    let list = std::fs::read_to_string(list).expect("the list");
    let mut patterns: BTreeMap<&str, u32> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(": "))
        .map(|(pattern, _reason)| (pattern, 0))
        .collect();
    let mut surprises = Vec::new();
    for (question, expected) in &expected {
        let answer = found.get(question).map_or("none", String::as_str);
        if answer == expected {
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
    let unused: Vec<_> = patterns.iter().filter(|(_, used)| **used == 0).collect();
    assert!(unused.is_empty(), "no difference any more: {unused:?}");
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

/// What `cargo xtask install` lays out is enough to build and run a program.
#[test]
fn an_installation_works() {
    let root = here().join("../..");
    let place = ours().join("installed");
    let cargo = std::env::var_os("CARGO").expect("cargo runs the tests");
    let status = Command::new(cargo)
        .args(["xtask", "install", "--debug", "--prefix", "/opt/zmq"])
        .arg("--destdir")
        .arg(&place)
        .current_dir(root)
        .status()
        .expect("cargo");
    assert!(status.success());
    let prefix = place.join("opt/zmq");
    for file in [
        "lib/libzmq.so",
        "lib/libzmq.so.5",
        "lib/libzmq.a",
        "lib/pkgconfig/libzmq.pc",
        "lib/cmake/ZeroMQ/ZeroMQConfig.cmake",
        "lib/cmake/ZeroMQ/ZeroMQConfigVersion.cmake",
        "include/zmq.h",
        "include/zmq_utils.h",
    ] {
        assert!(prefix.join(file).exists(), "{file}");
    }
    let script = r#"
        set -e
        flags="$(PKG_CONFIG_PATH="$1/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$2" pkg-config --cflags --libs libzmq)"
        private="$(sed -n 's/^Libs.private: //p' "$1/lib/pkgconfig/libzmq.pc")"
        printf '%s' '#include <zmq_utils.h>
            int main (void) { void *c = zmq_ctx_new (), *s = zmq_socket (c, ZMQ_PAIR);
                return !(zmq_bind (s, "inproc://a") == 0 && zmq_close (s) == 0 && zmq_ctx_term (c) == 0); }' > "$3/installed.c"
        if command -v pkg-config >/dev/null; then
            gcc "$3/installed.c" -o "$3/installed-shared" $flags
            LD_LIBRARY_PATH="$1/lib" "$3/installed-shared"
        fi
        gcc "$3/installed.c" -I"$1/include" -o "$3/installed-static" "$1/lib/libzmq.a" $private
        "$3/installed-static"
    "#;
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([&prefix, &place, &ours()])
        .status()
        .expect("a shell");
    assert!(status.success());
}
