// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `cargo xtask install` lays out and `cargo xtask deb` packs is enough to build and run programs.

use std::ffi::OsStr;
use std::fs;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{here, ours};

#[test]
fn an_installation_works() {
    let place = ours().join("installed");
    let prefix = install(&place);
    for file in FILES {
        assert!(prefix.join("lib").join(file).exists(), "{file}");
    }
    for file in HEADERS {
        assert!(prefix.join("include").join(file).exists(), "{file}");
    }
    shell(
        r#"
        if command -v pkg-config >/dev/null; then
            flags="$(PKG_CONFIG_PATH="$1/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$2" pkg-config --cflags --libs libzmq)"
            gcc "$2/program.c" -o "$2/shared" $flags
            LD_LIBRARY_PATH="$1/lib" "$2/shared"
        fi
        private="$(sed -n 's/^Libs.private: //p' "$1/lib/pkgconfig/libzmq.pc")"
        gcc "$2/program.c" -I"$1/include" -o "$2/static" "$1/lib/libzmq.a" $private
        "$2/static"
        "#,
        &[&prefix, &place],
    );
}

/// By the imported targets, and by the variables of projects from before there were any.
#[test]
fn cmake_finds_an_installation() {
    if Command::new("cmake").arg("--version").output().is_err() {
        writeln!(stderr(), "SKIPPED: no cmake: run `cargo xtask setup`").ok();
        return;
    }
    let place = ours().join("installed-for-cmake");
    let prefix = install(&place);
    fs::rename(place.join("program.c"), place.join("program.cpp")).expect("just written");
    fs::write(place.join("CMakeLists.txt"), PROJECT).expect("a folder of the tests");
    let build = place.join("build");
    if build.exists() {
        fs::remove_dir_all(&build).expect("a folder of the tests");
    }
    shell(
        r#"
        cmake -S "$2" -B "$2/build" -DCMAKE_PREFIX_PATH="$1" -DWHERE="$1"
        cmake --build "$2/build"
        for program in shared static variables; do
            "$2/build/$program"
        done
        readelf -d "$2/build/shared" | grep -q 'NEEDED.*\[libzmq.so.5\]'
        if readelf -d "$2/build/static" | grep -q 'libzmq'; then exit 1; fi
        if cmake -S "$2" -B "$2/build/newer" -DCMAKE_PREFIX_PATH="$1" -DWHERE="$1" -DWANTED=5; then exit 1; fi
        "#,
        &[&prefix, &place],
    );
}

#[test]
fn a_debian_package_takes_the_place_of_libzmq() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        writeln!(stderr(), "SKIPPED: no dpkg-deb: not a Debian").ok();
        return;
    }
    xtask(["deb".as_ref(), "--built".as_ref(), ours().as_os_str()]);
    let package = package_in(&ours());
    for (field, value) in [
        ("Package", "libzmq-ferromq"),
        ("Provides", "libzmq5 (= 4.3.6), libzmq3-dev (= 4.3.6)"),
        ("Conflicts", "libzmq5, libzmq3-dev"),
        ("Replaces", "libzmq5, libzmq3-dev"),
    ] {
        let output = Command::new("dpkg-deb")
            .arg("--field")
            .args([package.as_os_str(), field.as_ref()])
            .output()
            .expect("it is there");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), value);
    }
    let place = ours().join("unpacked");
    if place.exists() {
        fs::remove_dir_all(&place).expect("a folder of the tests");
    }
    fs::create_dir_all(&place).expect("a folder of the tests");
    fs::write(place.join("program.c"), PROGRAM).expect("a folder of the tests");
    shell(
        r#"
        dpkg-deb -x "$1" "$2"
        libraries="$2/usr/lib/$(gcc -print-multiarch)"
        for file in $3; do test -e "$libraries/$file"; done
        for file in $4; do test -e "$2/usr/include/$file"; done
        gcc "$2/program.c" -I"$2/usr/include" -o "$2/shared" -L"$libraries" -lzmq
        LD_LIBRARY_PATH="$libraries" "$2/shared"
        private="$(sed -n 's/^Libs.private: //p' "$libraries/pkgconfig/libzmq.pc")"
        gcc "$2/program.c" -I"$2/usr/include" -o "$2/static" "$libraries/libzmq.a" $private
        "$2/static"
        dpkg-deb --ctrl-tarfile "$1" | tar -xO ./shlibs | grep -qx 'libzmq 5 libzmq5'
        "#,
        &[
            &package,
            &place,
            Path::new(&FILES.join(" ")),
            Path::new(&HEADERS.join(" ")),
        ],
    );
}

/// Lays the libraries out below this folder, with a program beside them; the prefix.
fn install(place: &Path) -> PathBuf {
    xtask([
        "install".as_ref(),
        "--prefix".as_ref(),
        "/opt/zmq".as_ref(),
        // To build them once more here would take them away from the tests beside.
        "--built".as_ref(),
        ours().as_os_str(),
        "--destdir".as_ref(),
        place.as_os_str(),
    ]);
    fs::write(place.join("program.c"), PROGRAM).expect("a folder of the tests");
    place.join("opt/zmq")
}

fn xtask<const N: usize>(words: [&OsStr; N]) {
    let cargo = std::env::var_os("CARGO").expect("cargo runs the tests");
    let status = Command::new(cargo)
        .arg("xtask")
        .args(words)
        .current_dir(here().join("../.."))
        .status()
        .expect("cargo");
    assert!(status.success());
}

fn package_in(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).expect("the folder of the tests");
    let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths
        .find(|path| path.extension() == Some("deb".as_ref()))
        .expect("a package")
}

/// Runs this with these arguments; whatever fails fails all of it.
fn shell(script: &str, arguments: &[&Path]) {
    let status = Command::new("sh")
        .args(["-e", "-u", "-c", script, "sh"])
        .args(arguments)
        .status()
        .expect("a shell");
    assert!(status.success());
}

const FILES: [&str; 6] = [
    "libzmq.so",
    "libzmq.so.5",
    "libzmq.a",
    "pkgconfig/libzmq.pc",
    "cmake/ZeroMQ/ZeroMQConfig.cmake",
    "cmake/ZeroMQ/ZeroMQConfigVersion.cmake",
];

const HEADERS: [&str; 2] = ["zmq.h", "zmq_utils.h"];

/// C and C++ alike.
const PROGRAM: &str = r#"#include <zmq_utils.h>
int main (void) {
    void *context = zmq_ctx_new (), *socket = zmq_socket (context, ZMQ_PAIR);
    return !(zmq_bind (socket, "inproc://a") == 0 && zmq_close (socket) == 0
             && zmq_ctx_term (context) == 0);
}
"#;

const PROJECT: &str = r#"
cmake_minimum_required(VERSION 3.10)
project(installed CXX)
if(NOT WANTED)
  set(WANTED 4.3)
endif()
find_package(ZeroMQ ${WANTED} REQUIRED CONFIG)
if(NOT ZeroMQ_DIR STREQUAL "${WHERE}/lib/cmake/ZeroMQ" OR NOT ZeroMQ_VERSION STREQUAL "4.3.6")
  message(FATAL_ERROR "ZeroMQ ${ZeroMQ_VERSION} in ${ZeroMQ_DIR}")
endif()
add_executable(shared program.cpp)
target_link_libraries(shared libzmq)
add_executable(static program.cpp)
target_link_libraries(static libzmq-static)
add_executable(variables program.cpp)
target_include_directories(variables PRIVATE ${ZeroMQ_INCLUDE_DIR})
target_link_libraries(variables ${ZeroMQ_LIBRARIES})
"#;
