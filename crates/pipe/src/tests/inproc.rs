// SPDX-License-Identifier: MIT OR Apache-2.0
use std::collections::VecDeque;
use std::ffi::c_void;

use ferromq_message::Message;

use super::{Dice, rounds};
use crate::{Pool, Reader, Writer, inproc};

/// Every allocation handed out is freed once: the address of its counter goes along as the hint.
unsafe extern "C" fn count(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: made in `foreign` from a vector of 100 bytes and a live counter.
    unsafe {
        drop(Box::from_raw(data.cast::<[u8; 100]>()));
        let counter = &*hint.cast::<std::sync::Mutex<u64>>();
        *counter.lock().unwrap() += 1;
    }
}

pub(super) fn foreign(byte: u8, counter: &std::sync::Mutex<u64>) -> Message {
    let data = Box::into_raw(Box::new([byte; 100])).cast::<u8>();
    let hint = std::ptr::from_ref(counter).cast_mut().cast::<c_void>();
    // SAFETY: the box is freed by `count` alone, and the counter outlives the test's messages.
    unsafe { Message::from_foreign(data, 100, Some(count), hint) }.unwrap()
}

struct Model<'a> {
    dice: Dice,
    writer: Option<Writer>,
    reader: Option<Reader>,
    pool: Pool,
    /// Parts that have been published, and whether more follow.
    queue: VecDeque<(Vec<u8>, bool)>,
    pending: Vec<(Vec<u8>, bool)>,
    counter: &'a std::sync::Mutex<u64>,
    made: u64,
    taken: u64,
}

impl Model<'_> {
    fn write(&mut self) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let more = self.dice.one_in(3);
        let body = match self.dice.below(3) {
            0 => {
                self.made += 1;
                writer.append_message(&mut self.pool, &mut foreign(7, self.counter), more);
                vec![7; 100]
            }
            1 => {
                let body = self.dice.body(3000);
                writer.append(&mut self.pool, &body, more);
                body
            }
            _ => {
                let body = self.dice.body(3000);
                writer.append_message(&mut self.pool, &mut Message::from_vec(body.clone()), more);
                body
            }
        };
        self.pending.push((body, more));
        if !more {
            self.queue.extend(self.pending.drain(..));
        }
    }

    fn read(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        assert_eq!(reader.is_ready(), !self.queue.is_empty());
        let Some((body, more)) = self.queue.pop_front() else {
            return;
        };
        match self.dice.below(4) {
            0 => assert_eq!(reader.peek().unwrap(), (more, &body[..])),
            1 => {
                let mut buffer = [0; 50];
                let (len, flag) = reader.take_into(&mut buffer).unwrap();
                assert_eq!((len, flag), (body.len(), more));
                let len = len.min(50);
                assert_eq!(buffer[..len], body[..len]);
                self.taken += u64::from(!more);
                return;
            }
            2 => {
                assert!(reader.skip());
                self.taken += u64::from(!more);
                return;
            }
            _ => {}
        }
        let message = reader.take().unwrap();
        assert!(message == body[..] && message.more() == more);
        self.taken += u64::from(!more);
    }
}

#[test]
fn what_goes_in_comes_out_and_foreign_data_is_freed_once() {
    for seed in 0..rounds(150) {
        let counter = std::sync::Mutex::new(0);
        let (writer, reader) = inproc();
        let mut model = Model {
            dice: Dice::new(seed),
            writer: Some(writer),
            reader: Some(reader),
            pool: Pool::new(),
            queue: VecDeque::new(),
            pending: Vec::new(),
            counter: &counter,
            made: 0,
            taken: 0,
        };
        for step in 0..400 {
            match model.dice.below(20) {
                0..=9 => model.write(),
                10..=17 => model.read(),
                18 => {
                    if let Some(writer) = &mut model.writer {
                        writer.roll_back();
                        model.pending.clear();
                    }
                }
                _ if step > 100 && model.dice.one_in(10) => {
                    // What is published stays readable, what is not is gone.
                    if model.dice.one_in(2) {
                        model.writer = None;
                        model.pending.clear();
                    } else {
                        model.reader = None;
                        model.queue.clear();
                    }
                }
                _ => {}
            }
            if let Some(writer) = &model.writer {
                assert_eq!(writer.taken(), model.taken);
            }
            if let Some(reader) = &model.reader {
                let whole = model.queue.iter().filter(|(_, more)| !more).count();
                assert_eq!(reader.waiting(), whole as u64);
            }
        }
        let made = model.made;
        drop(model);
        assert_eq!(*counter.lock().unwrap(), made);
    }
}
