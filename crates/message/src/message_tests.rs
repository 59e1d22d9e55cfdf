// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of every kind, whole and moved byte by byte.

use std::ptr;
use std::sync::mpsc::{self, Sender};
use std::sync::{LazyLock, Mutex};
use std::thread;

use super::*;
use crate::loom::Arc;
use crate::metadata::MetadataBuilder;

const SIZES: [usize; 12] = [0, 1, 7, 8, 16, 39, 40, 41, 64, 255, 4096, 100_000];

fn pattern(len: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(len).collect()
}

/// The longest of them, for ever.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(100_000));

/// Every way to make a message of these bytes, which are a pattern.
fn all_kinds(bytes: &[u8]) -> Vec<(&'static str, Message)> {
    let mut zeroed = Message::zeroed(bytes.len()).unwrap();
    assert!(zeroed.iter().all(|&b| b == 0));
    zeroed.as_mut_slice().unwrap().copy_from_slice(bytes);
    let mut buffer = Buffer::with_capacity(10).unwrap();
    buffer.extend_from_slice(bytes).unwrap();
    let (foreign, _freed) = foreign(bytes);
    vec![
        ("copied", Message::copy_from_slice(bytes)),
        ("tried", Message::try_copy_from_slice(bytes).unwrap()),
        ("zeroed", zeroed),
        ("static", Message::from_static(&PATTERN[..bytes.len()])),
        ("vec", Message::from_vec(bytes.to_vec())),
        ("buffer", Message::from_buffer(buffer)),
        ("owner", Message::from_owner(bytes.to_vec())),
        ("foreign", foreign),
    ]
}

/// A foreign message that says when it is freed.
fn foreign(bytes: &[u8]) -> (Message, mpsc::Receiver<()>) {
    struct Foreign {
        bytes: Vec<u8>,
        freed: Mutex<Sender<()>>,
    }
    unsafe extern "C" fn free(data: *mut c_void, hint: *mut c_void) {
        // SAFETY: the hint is the box made below, given back once.
        let foreign = unsafe { Box::from_raw(hint.cast::<Foreign>()) };
        assert_eq!(data.cast_const().cast(), foreign.bytes.as_ptr());
        // The test may have gone on, so nobody may be listening.
        drop(foreign.freed.lock().map(|freed| freed.send(())));
    }
    let (freed, receiver) = mpsc::channel();
    let mut foreign = Box::new(Foreign {
        bytes: bytes.to_vec(),
        freed: Mutex::new(freed),
    });
    let data = foreign.bytes.as_mut_ptr();
    let hint = Box::into_raw(foreign).cast();
    // SAFETY: the vector stays until `free`, which works on any thread.
    let message = unsafe { Message::from_foreign(data, bytes.len(), Some(free), hint) };
    (message.unwrap(), receiver)
}

#[test]
fn every_kind_holds_its_bytes() {
    for len in SIZES {
        let bytes = pattern(len);
        for (kind, message) in all_kinds(&bytes) {
            assert_eq!(message, bytes, "{kind} {len}");
            assert_eq!(message.len(), len, "{kind}");
            assert_eq!(message.is_empty(), len == 0, "{kind}");
            let clone = message.clone();
            let mut copy = message.clone();
            copy.make_mut().fill(9);
            drop(message);
            assert_eq!(clone, bytes, "{kind} {len}");
            assert_eq!(copy, vec![9; len], "{kind} {len}");
        }
    }
}

#[test]
fn a_bytewise_move_keeps_everything() {
    for len in SIZES {
        let bytes = pattern(len);
        for (kind, mut message) in all_kinds(&bytes) {
            message.set_more(true);
            message.set_group(b"news").unwrap();
            message.set_routing_id(NonZeroU32::new(7));
            message.set_metadata(Some(MetadataBuilder::new().build()));
            let mut here = ManuallyDrop::new(message);
            let mut there = MaybeUninit::<Message>::uninit();
            // SAFETY: both have 64 bytes; the first is not used again.
            unsafe { ptr::copy_nonoverlapping(&raw const *here, there.as_mut_ptr().cast(), 1) };
            // SAFETY: nobody looks at the first again; its bytes are overwritten to prove it.
            unsafe { ptr::write_bytes(&raw mut *here, 0, 1) };
            // SAFETY: the bytes of a live message.
            let moved = unsafe { there.assume_init() };
            assert_eq!(moved, bytes, "{kind} {len}");
            assert!(moved.more() && moved.metadata().is_some(), "{kind}");
            assert_eq!(
                (moved.group(), moved.routing_id()),
                (&b"news"[..], NonZeroU32::new(7))
            );
        }
    }
}

#[test]
fn zeros_are_closed_and_drop_without_effect() {
    let message = Message::from("alive");
    // SAFETY: a message.
    assert!(unsafe { Message::is_live(&raw const message) });
    let zeros = MaybeUninit::<Message>::zeroed();
    // SAFETY: 64 bytes of zero.
    assert!(!unsafe { Message::is_live(zeros.as_ptr()) });
    // SAFETY: all fields accept zero, and nothing is done with it but to drop it.
    drop(unsafe { zeros.assume_init() });
}

#[test]
fn foreign_data_are_freed_once_with_the_last_clone() {
    for len in [0, 5, 100] {
        let (message, freed) = foreign(&pattern(len));
        let clones = [message.clone(), message.clone()];
        drop(message);
        assert!(freed.try_recv().is_err(), "clones are left");
        drop(clones);
        assert_eq!(freed.try_recv(), Ok(()));
        assert!(freed.recv().is_err(), "freed again, or the sender kept");
    }
}

#[test]
fn foreign_data_are_freed_once_across_threads() {
    for _ in 0..200 {
        let (message, freed) = foreign(&pattern(300));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let clone = message.clone();
                thread::spawn(move || {
                    let second = clone.clone();
                    drop(clone);
                    assert_eq!(second.len(), 300);
                })
            })
            .collect();
        drop(message);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(freed.iter().count(), 1);
    }
}

#[test]
fn foreign_corner_cases() {
    // SAFETY: null has no bytes, whatever the length says.
    let null = unsafe { Message::from_foreign(ptr::null_mut(), 9, None, ptr::null_mut()) };
    let null = null.unwrap();
    assert!(null.is_empty() && null.is_shared() && null.is_by_reference());
    static TEXT: &[u8] = b"constant";
    let data = TEXT.as_ptr().cast_mut();
    // SAFETY: static bytes, which nobody frees.
    let constant = unsafe { Message::from_foreign(data, TEXT.len(), None, ptr::null_mut()) };
    let mut constant = constant.unwrap();
    assert!(constant.is_shared() && constant.as_mut_slice().is_none());
    assert_eq!(constant, TEXT);
}

#[test]
fn odd_addresses_are_fine() {
    static BYTES: [u8; 80] = [3; 80];
    for start in 0..9 {
        let message = Message::from_static(&BYTES[start..]);
        assert_eq!(message.as_ptr(), BYTES[start..].as_ptr());
        let mut copy = message.clone();
        copy.make_mut()[0] = 4;
        assert_eq!((message[0], copy[0], copy.len()), (3, 4, 80 - start));
        let (foreign, _freed) = foreign(&BYTES[start..]);
        assert_eq!(foreign, BYTES[start..]);
    }
}

#[test]
fn who_may_write_in_place() {
    let bytes = pattern(100);
    for (kind, mut message) in all_kinds(&bytes) {
        let writable = !matches!(kind, "static" | "owner");
        assert_eq!(message.as_mut_slice().is_some(), writable, "{kind}");
        let mut clone = message.clone();
        assert!(message.as_mut_slice().is_none(), "{kind}: shared");
        assert!(clone.as_mut_slice().is_none(), "{kind}: shared");
        drop(clone);
        assert_eq!(message.as_mut_slice().is_some(), writable, "{kind}");
        let before = message.as_ptr();
        message.make_mut()[0] = 0xFF;
        assert_eq!(
            message.as_ptr() == before,
            writable,
            "{kind}: copied only when needed"
        );
        assert_eq!(message[0], 0xFF);
    }
    let mut inline = Message::from("small");
    let clone = inline.clone();
    inline.as_mut_slice().unwrap()[0] = b'S';
    assert_eq!(
        (&inline, &clone),
        (&Message::from("Small"), &Message::from("small"))
    );
}

#[test]
fn cloning_marks_both_as_shared() {
    for (kind, message) in all_kinds(&pattern(41)) {
        assert_eq!(message.is_shared(), kind == "static", "{kind}");
        let clone = message.clone();
        assert!(message.is_shared() && clone.is_shared(), "{kind}");
        assert_eq!(message.as_ptr(), clone.as_ptr(), "{kind}");
        drop(clone);
        assert!(message.is_shared(), "{kind}: it is a flag, not a count");
    }
    let inline = Message::from_vec(pattern(40));
    let clone = inline.clone();
    assert!(!inline.is_shared() && !clone.is_shared() && !clone.is_by_reference());
    let mut message = Message::from_static(b"constant");
    message.make_mut();
    assert!(!message.is_shared(), "the copy is our own");
}

#[test]
fn large_bytes_are_not_copied() {
    let vec = pattern(1000);
    let data = vec.as_ptr();
    assert_eq!(Message::from_vec(vec).as_ptr(), data);
    let mut buffer = Buffer::with_capacity(5000).unwrap();
    buffer.extend_from_slice(&pattern(1000)).unwrap();
    let data = buffer.as_slice().as_ptr();
    assert_eq!(Message::from_buffer(buffer).as_ptr(), data);
    let owner: Arc<[u8]> = pattern(10).into();
    let data = owner.as_ptr();
    assert_eq!(Message::from_owner(owner).as_ptr(), data);
}

#[test]
fn an_owner_is_dropped_with_the_last_reference() {
    struct Owner(Vec<u8>, Sender<&'static str>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            self.1.send("dropped").unwrap();
        }
    }
    let (sender, receiver) = mpsc::channel();
    let message = Message::from_owner(Owner(pattern(50), sender));
    let clone = message.clone();
    drop(message);
    assert!(receiver.try_recv().is_err());
    assert_eq!(clone, pattern(50));
    drop(clone);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), ["dropped"]);
}

#[test]
fn an_owner_that_panics_is_dropped() {
    struct Rude {
        _alive: Sender<()>,
    }
    impl AsRef<[u8]> for Rude {
        fn as_ref(&self) -> &[u8] {
            panic!("no bytes for you")
        }
    }
    let (sender, receiver) = mpsc::channel();
    let result = thread::spawn(move || Message::from_owner(Rude { _alive: sender })).join();
    assert!(result.is_err());
    assert!(receiver.recv().is_err(), "the sender went with its owner");
}

#[test]
fn truncate_and_clear() {
    for len in SIZES {
        let bytes = pattern(len);
        for (kind, mut message) in all_kinds(&bytes) {
            let clone = message.clone();
            message.set_more(true);
            message.truncate(usize::MAX);
            assert_eq!(message.len(), len, "{kind}");
            message.truncate(len / 2);
            assert_eq!(message, bytes[..len / 2], "{kind} {len}");
            message.clear();
            assert!(message.is_empty() && !message.is_by_reference() && !message.is_shared());
            assert!(message.more(), "clear is about the bytes");
            assert_eq!(clone, bytes, "{kind}");
        }
    }
}

#[test]
fn what_is_in_front_is_let_go() {
    for len in SIZES {
        let bytes = pattern(len);
        for (kind, mut message) in all_kinds(&bytes) {
            let clone = message.clone();
            message.set_more(true);
            let front = len / 3;
            let (outside, at) = (message.is_by_reference(), message.as_ptr());
            message.advance(front);
            assert_eq!(message, bytes[front..], "{kind} {len}");
            assert!(!outside || message.as_ptr() == at.wrapping_add(front));
            assert!(message.more(), "it is about the bytes");
            message.truncate(1);
            assert_eq!(message, bytes[front..len.min(front + 1)], "{kind} {len}");
            message.advance(usize::MAX);
            assert!(message.is_empty());
            assert_eq!(clone, bytes, "{kind}");
        }
    }
}

#[test]
fn what_else_a_message_carries_is_cloned() {
    let mut builder = MetadataBuilder::new();
    builder.insert("User-Id", b"me");
    let metadata = builder.build();
    for bytes in [pattern(3), pattern(300)] {
        let mut message = Message::from(bytes);
        message.set_more(true);
        message.set_routing_id(NonZeroU32::new(u32::MAX));
        message.set_group(&[b'g'; 255]).unwrap();
        message.set_metadata(Some(metadata.clone()));
        let clone = message.clone();
        message.set_more(false);
        message.set_routing_id(None);
        message.set_group(b"").unwrap();
        message.set_metadata(None);
        assert!(!message.more() && message.routing_id().is_none() && message.metadata().is_none());
        assert_eq!(message.group(), b"");
        assert_eq!(message.group_with_nul(), b"\0");
        assert!(clone.more());
        assert_eq!(clone.routing_id(), NonZeroU32::new(u32::MAX));
        assert_eq!(clone.group(), [b'g'; 255]);
        assert_eq!(clone.group_with_nul().last(), Some(&0));
        assert_eq!(clone.metadata().unwrap().get("User-Id"), Some(&b"me"[..]));
    }
}

#[test]
fn a_group_that_is_too_long_changes_nothing() {
    let mut message = Message::new();
    message.set_group(b"a\0b").unwrap();
    assert_eq!(message.set_group(&[b'g'; 256]), Err(GroupTooLong));
    assert_eq!(message.group(), b"a\0b");
}

#[test]
fn a_copy_takes_the_place_of_any_message() {
    for len in SIZES {
        let bytes = pattern(len);
        for (kind, mut message) in all_kinds(&pattern(50)) {
            message.set_more(true);
            message.set_group(b"group").unwrap();
            message.set_metadata(Some(MetadataBuilder::new().build()));
            let other = message.clone();
            message.replace_with_copy(&bytes, None);
            assert_eq!(message, bytes, "{kind} {len}");
            assert!(!message.more() && !message.is_shared() && message.metadata().is_none());
            assert!(message.group().is_empty() && message.as_mut_slice().is_some());
            assert_eq!(other, pattern(50), "{kind}");
        }
    }
    let (mut message, freed) = foreign(&pattern(50));
    message.replace_with_copy(b"short", None);
    freed.recv().unwrap();
    assert_eq!(message, b"short");
}

#[test]
fn a_copy_refers_to_its_own_connection_whatever_was_there() {
    let [first, second] = [1, 2].map(|fd| {
        let mut builder = MetadataBuilder::new();
        builder.fd(fd);
        builder.build()
    });
    for len in SIZES {
        let bytes = pattern(len);
        for (kind, mut message) in all_kinds(&pattern(50)) {
            for metadata in [&first, &first, &second] {
                message.replace_with_copy(&bytes, Some(metadata));
                assert_eq!(message, bytes, "{kind} {len}");
                let known = message.metadata().and_then(Metadata::fd);
                assert_eq!(known, metadata.fd(), "{kind} {len}");
            }
            message.replace_with_copy(&bytes, None);
            assert!(message.metadata().is_none(), "{kind} {len}");
        }
    }
}

#[test]
fn a_block_of_a_like_size_is_used_again_by_a_copy_unless_others_see_it() {
    let mut message = Message::copy_from_slice(&pattern(100));
    let at = message.as_ptr();
    message.advance(10);
    message.replace_with_copy(&pattern(90), None);
    assert_eq!((message.as_ptr(), &*message), (at, &*pattern(90)));
    let other = message.clone();
    message.replace_with_copy(&pattern(80), None);
    assert_ne!(message.as_ptr(), at);
    assert_eq!((&*message, &*other), (&*pattern(80), &*pattern(90)));
    drop(other);
    message.replace_with_copy(&pattern(Message::INLINE_MAX + 1), None);
    let small = message.as_ptr();
    message.replace_with_copy(&pattern(4 * Message::INLINE_MAX), None);
    assert_ne!(message.as_ptr(), small, "too small");
    assert_eq!(message, pattern(4 * Message::INLINE_MAX));
}

#[test]
fn what_is_closed_lets_go_of_everything() {
    for len in SIZES {
        for (kind, message) in all_kinds(&pattern(len)) {
            let mut message = ManuallyDrop::new(message);
            message.set_group(b"group").unwrap();
            message.set_metadata(Some(MetadataBuilder::new().build()));
            let other = (*message).clone();
            // SAFETY: live, and looked at as bytes alone from here on.
            unsafe { Message::close(&raw mut *message) };
            // SAFETY: 64 bytes, all of them written.
            let live = unsafe { Message::is_live(&raw const *message) };
            assert!(!live, "{kind} {len}");
            assert_eq!(other, pattern(len), "{kind}");
        }
    }
    let (message, freed) = foreign(&pattern(50));
    let mut message = ManuallyDrop::new(message);
    // SAFETY: as above.
    unsafe { Message::close(&raw mut *message) };
    freed.recv().unwrap();
}

#[test]
fn sizes_nobody_has_are_errors() {
    for len in [usize::MAX, usize::MAX - 15, isize::MAX as usize, 1 << 62] {
        assert_eq!(Message::zeroed(len), Err(OutOfMemory));
    }
}

#[test]
fn looks_and_comparisons() {
    let mut message = Message::from("a\0b");
    message.set_more(true);
    assert_eq!(
        format!("{message:?}"),
        r#"Message(3 bytes, more: "a\x00b")"#
    );
    let long = Message::from([b'x'; 33]);
    assert!(format!("{long:?}").ends_with(r#"x"..)"#));
    assert_eq!(Message::from(String::from("t")), "t");
    assert_eq!(Message::from(Box::<[u8]>::from(*b"box")), b"box");
    assert_eq!(Message::from(&b"abc"[..]), [b'a', b'b', b'c']);
    assert_eq!(Message::default(), Message::new());
    assert_ne!(Message::from("x"), Message::from("y"));
}

#[test]
fn messages_cross_threads() {
    fn both<T: Send + Sync + 'static>() {}
    both::<Message>();
    both::<Metadata>();
    both::<Buffer>();
}
