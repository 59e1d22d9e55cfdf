// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must be true of every row of both tables.

use std::fmt::Debug;

use super::*;
use crate::error::Code;
use crate::option::spec::OptionKey;
use crate::option::{CONTEXT_OPTIONS, ContextOptions, Scope};

#[test]
fn every_socket_row() {
    every_row(OPTIONS);
}

#[test]
fn every_context_row() {
    every_row(CONTEXT_OPTIONS);
    assert!(
        CONTEXT_OPTIONS
            .iter()
            .all(|row| row.handled == Handled::Here)
    );
}

fn every_row<O: Clone + Debug + Default + PartialEq>(table: &[OptionSpec<O>]) {
    assert!(table.is_sorted_by_key(|row| row.number));
    for (place, row) in table.iter().enumerate() {
        let name = row.name;
        assert!(
            !row.doc.is_empty() && !row.doc.ends_with('.'),
            "{name}: a line of documentation"
        );
        assert!(
            table[..place].iter().all(|other| other.name != name),
            "{name} twice"
        );
        match row.handled {
            Handled::ByEngine => assert!(row.get.is_none() && row.set.is_none(), "{name}"),
            Handled::Here => {
                assert_eq!(row.get.is_some(), row.direction != Direction::Set, "{name}");
                assert_eq!(row.set.is_some(), row.direction != Direction::Get, "{name}");
            }
        }
        default_is_default(row);
        range_ends(row);
        wrong_kinds(row);
    }
}

fn default_is_default<O: Default>(row: &OptionSpec<O>) {
    match row.read(&O::default()) {
        Ok(Value::Bytes(key)) if key.len() == 32 => assert_eq!(key, [0; 32], "{}", row.name),
        Ok(value) => assert_eq!(Ok(value), row.kind.parse(row.default), "{}", row.name),
        Err(error) => {
            assert_eq!(row.default, "", "{}", row.name);
            let expected = match row.direction {
                Direction::Set => OptionError::WriteOnly,
                _ => OptionError::ByEngine,
            };
            assert_eq!(error, expected, "{}", row.name);
        }
    }
}

fn range_ends<O: Clone + Debug + Default + PartialEq>(row: &OptionSpec<O>) {
    let (good, bad) = ends(row.kind);
    for value in good {
        let mut options = O::default();
        let result = row.write(&mut options, value.clone());
        if row.direction == Direction::Get {
            assert_eq!(result, Err(OptionError::ReadOnly), "{}", row.name);
        } else if row.handled == Handled::ByEngine {
            assert_eq!(result, Err(OptionError::ByEngine), "{}", row.name);
        } else if matches!(row.name, "METADATA" | "THREAD_AFFINITY_CPU_REMOVE")
            || row.name == "TCP_ACCEPT_FILTER" && value != Value::from("")
        {
            assert_eq!(
                result,
                Err(OptionError::OutOfRange),
                "{} has a syntax",
                row.name
            );
        } else {
            assert_eq!(result, Ok(()), "{} {value:?}", row.name);
            reads_back(row, &options, &value);
        }
    }
    for value in bad {
        let mut options = O::default();
        let result = row.write(&mut options, value.clone());
        assert!(result.is_err(), "{} {value:?}", row.name);
        assert_eq!(options, O::default(), "{} {value:?}", row.name);
    }
}

fn reads_back<O>(row: &OptionSpec<O>, options: &O, value: &Value) {
    if row.direction != Direction::Both {
        return;
    }
    let expected = match (row.kind, value) {
        (Truth | AnyTruth, Value::Int(value)) => Value::from(*value != 0),
        _ if row.name == "HEARTBEAT_TTL" => Value::Int(value.clone().int().unwrap() / 100 * 100),
        _ => value.clone(),
    };
    assert_eq!(row.read(options), Ok(expected), "{}", row.name);
}

/// Values at the ends of the range, and values just outside.
fn ends(kind: Kind) -> (Vec<Value>, Vec<Value>) {
    let int = |value: i64| i32::try_from(value).map(Value::Int).ok();
    let ints = |min: i32, max: i32| {
        let outside = [i64::from(min) - 1, i64::from(max) + 1]
            .into_iter()
            .filter_map(int);
        (vec![Value::Int(min), Value::Int(max)], outside.collect())
    };
    match kind {
        Int { min, max } => ints(min, max),
        Bool => ints(0, 1),
        Truth => ints(0, i32::MAX),
        AnyTruth => ints(i32::MIN, i32::MAX),
        U64 => (vec![Value::U64(0), Value::U64(u64::MAX)], vec![]),
        I64 => (vec![Value::I64(i64::MIN), Value::I64(i64::MAX)], vec![]),
        Bytes { min, max } | Str { min, max } => {
            let bytes = |len: usize| Value::Bytes(vec![b'a'; len]);
            let good = [min, max].into_iter().filter(|&len| len < usize::MAX);
            let bad = [min.checked_sub(1), max.checked_add(1)]
                .into_iter()
                .flatten();
            (good.map(bytes).collect(), bad.map(bytes).collect())
        }
    }
}

fn wrong_kinds<O: Clone + Debug + Default + PartialEq>(row: &OptionSpec<O>) {
    let values = [
        Value::Int(1),
        Value::U64(1),
        Value::I64(1),
        Value::Bytes(vec![b'1']),
    ];
    let right = |value: &&Value| row.kind.check(value) != Err(OptionError::WrongKind);
    assert_eq!(values.iter().filter(right).count(), 1, "{}", row.name);
    for value in &values {
        let mut options = O::default();
        if row.write(&mut options, value.clone()).is_err() {
            assert_eq!(options, O::default(), "{}", row.name);
        }
    }
}

#[test]
fn names_and_numbers_find_the_same_row() {
    for row in OPTIONS {
        assert_eq!(SocketOptions::find(row.name).unwrap().number, row.number);
        assert_eq!(SocketOptions::find(row.number).unwrap().name, row.name);
        let lower = row.name.to_lowercase();
        assert_eq!(SocketOptions::find(lower.as_str()).unwrap().name, row.name);
    }
    for key in [
        OptionKey::Name("HWM"),
        OptionKey::Number(1),
        OptionKey::Number(-1),
    ] {
        assert_eq!(SocketOptions::find(key).unwrap_err(), OptionError::Unknown);
    }
    assert_eq!(OptionError::Unknown.code(), Code::Invalid);
}

#[test]
fn some_options_belong_to_some_types() {
    use SocketType::{Pub, Push, Sub};
    let has = |socket_type, name| SocketOptions::find_for(socket_type, name).is_ok();
    assert!(has(Sub, "SUBSCRIBE") && !has(Push, "SUBSCRIBE") && !has(Pub, "UNSUBSCRIBE"));
    assert!(has(Pub, "XPUB_NODROP") && !has(Sub, "XPUB_NODROP"));
    assert!(SocketType::ALL.into_iter().all(|t| has(t, "LINGER")));
}

#[test]
fn subscribers_do_not_linger() {
    assert_eq!(SocketOptions::for_type(SocketType::Sub).linger, 0);
    assert_eq!(SocketOptions::for_type(SocketType::Push).linger, -1);
    let mut context = ContextOptions::default();
    context.set("BLOCKY", 0).unwrap();
    context.set("IPV6", 1).unwrap();
    let options = context.socket_defaults(SocketType::Push);
    assert_eq!((options.linger, options.ipv6), (0, true));
}

#[test]
fn ipv4only_is_the_opposite_of_ipv6() {
    let mut options = SocketOptions::default();
    options.set("IPV4ONLY", 0).unwrap();
    assert_eq!(options.get("IPV6"), Ok(Value::Int(1)));
    options.set("IPV6", 0).unwrap();
    assert_eq!(options.get("IPV4ONLY"), Ok(Value::Int(1)));
}

#[test]
fn metadata_adds_up() {
    let mut options = SocketOptions::default();
    options.set("METADATA", "X-b:2").unwrap();
    options.set("METADATA", "X-a:1:one\0").unwrap();
    options.set("METADATA", "X-b:other").unwrap();
    let all: Vec<_> = options
        .metadata
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_slice()))
        .collect();
    assert_eq!(all, [("X-a", &b"1:one"[..]), ("X-b", b"2")]);
    let long = format!("X-{}:v", "n".repeat(254));
    for bad in [
        "",
        "X-a",
        "X-a:",
        ":v",
        "a:b",
        "x-a:b",
        "X-\0:b",
        long.as_str(),
    ] {
        assert_eq!(
            options.set("METADATA", bad),
            Err(OptionError::OutOfRange),
            "{bad:?}"
        );
    }
    assert_eq!(options.metadata.len(), 2);
}

#[test]
fn heartbeat_timeout_follows_the_interval_until_set() {
    let mut options = SocketOptions::default();
    options.set("HEARTBEAT_IVL", 250).unwrap();
    assert_eq!(options.effective_heartbeat_timeout(), 250);
    options.set("HEARTBEAT_TIMEOUT", 0).unwrap();
    assert_eq!(options.effective_heartbeat_timeout(), 0);
}

#[test]
fn context_number_three_is_two_options() {
    let mut options = ContextOptions::default();
    assert_eq!(options.get(3), Ok(Value::Int(65_535)));
    options.set(3, 7).unwrap();
    assert_eq!(options.thread_priority, 7);
    assert_eq!(options.get("THREAD_PRIORITY"), Err(OptionError::WriteOnly));
    assert_eq!(options.set("SOCKET_LIMIT", 7), Err(OptionError::ReadOnly));
}

#[test]
fn context_thread_options() {
    let mut options = ContextOptions::default();
    options.set("THREAD_NAME_PREFIX", 1234).unwrap();
    assert_eq!(options.get("THREAD_NAME_PREFIX"), Ok(Value::from("1234")));
    assert!(options.set("THREAD_NAME_PREFIX", -1).is_err());
    assert!(options.set("THREAD_NAME_PREFIX", "").is_err());
    options.set("THREAD_AFFINITY_CPU_ADD", 1).unwrap();
    assert!(options.set("THREAD_AFFINITY_CPU_REMOVE", 0).is_err());
    options.set("THREAD_AFFINITY_CPU_REMOVE", 1).unwrap();
    assert!(options.thread_affinity.is_empty());
    let row = CONTEXT_OPTIONS
        .iter()
        .find(|row| row.name == "IO_THREADS")
        .unwrap();
    assert_eq!(row.scope, Scope::BeforeSockets);
}
