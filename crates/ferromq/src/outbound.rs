// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be sent.

use ferromq_engine::{Outgoing, Socket as Engine, Wait};
use ferromq_message::{Message, Multipart};

use crate::error::Error;

/// One part of a message: bytes, text, or a [`Message`].
///
/// Bytes and text are copied, straight into the queue to the peer. A [`Message`] is moved: a large
/// one travels by reference, from `Message::from(vec)` to the kernel without a copy.
///
/// Sealed; implemented for `&[u8]`, `&[u8; N]`, `&str`, `Vec<u8>`, `String`, references to them,
/// [`Message`] and `&Message`.
pub trait Part: sealed::Sealed {
    /// How it is given to the engine.
    #[doc(hidden)]
    fn with<R>(&mut self, put: impl FnOnce(&mut Outgoing<'_>) -> R) -> R;
}

/// A whole message: one [`Part`], or several in order.
///
/// Besides every [`Part`] that is [`Multipart`] and `&Multipart`, an array `[P; N]`, a slice `&[P]`
/// (whose parts are copied) and a `Vec<P>`. Whatever has no part at all is refused with
/// [`NoParts`](Error::NoParts).
///
/// Several parts are delivered together or not at all.
///
/// ```
/// # use ferromq::{Context, Message, Multipart, Pull, Push};
/// # let context = Context::new();
/// # let mut pull = context.socket::<Pull>()?;
/// # pull.bind("inproc://outbound")?;
/// # let mut push = context.socket::<Push>()?;
/// # push.connect("inproc://outbound")?;
/// push.send("text")?;
/// push.send(b"bytes")?;
/// push.send(["two", "parts"])?;
/// push.send([&b"envelope"[..], b"", b"body"])?;
/// push.send(vec![Message::from("owned"), Message::from(vec![0; 100_000])])?;
/// push.send(Multipart::from_iter(["as it was received"]))?;
/// # assert_eq!(pull.recv_multipart()?.len(), 1);
/// # assert_eq!(pull.recv()?, b"bytes");
/// # assert_eq!(pull.recv_multipart()?.len(), 2);
/// # assert_eq!(pull.recv_multipart()?.len(), 3);
/// # assert_eq!(pull.recv_multipart()?.get(1).unwrap().len(), 100_000);
/// # assert_eq!(pull.recv()?, "as it was received");
/// # Ok::<(), ferromq::Error>(())
/// ```
pub trait Outbound: sealed::Sealed {
    /// Gives the parts to the engine.
    #[doc(hidden)]
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error>;
}

/// Where the parts of a message go.
#[derive(Debug)]
#[doc(hidden)]
#[expect(
    unnameable_types,
    reason = "only named by the hidden method of a sealed trait"
)]
pub struct Sink<'a> {
    engine: &'a mut Engine,
    wait: Wait,
}

impl<'a> Sink<'a> {
    #[inline(always)]
    pub(crate) const fn new(engine: &'a mut Engine, wait: Wait) -> Self {
        Self { engine, wait }
    }

    #[inline(always)]
    fn part(&mut self, part: &mut impl Part, more: bool) -> Result<(), Error> {
        part.with(|outgoing| self.engine.send_frame(outgoing, more, self.wait))?;
        Ok(())
    }

    fn parts<'p, P: Part + 'p>(
        &mut self,
        mut parts: impl ExactSizeIterator<Item = &'p mut P>,
    ) -> Result<(), Error> {
        let mut part = parts.next().ok_or(Error::NoParts)?;
        for next in parts {
            self.part(part, true)?;
            part = next;
        }
        self.part(part, false)
    }
}

macro_rules! bytes {
    (generic [$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> sealed::Sealed for $type {}

        impl<$($generics)*> Part for $type {
            #[inline(always)]
            fn with<R>(&mut self, put: impl FnOnce(&mut Outgoing<'_>) -> R) -> R {
                put(&mut Outgoing::Bytes((*self).as_ref()))
            }
        }
    };
    ($type:ty) => {
        bytes!(generic [] $type);
    };
}

bytes!(&[u8]);
bytes!(generic [const N: usize] &[u8; N]);
bytes!(&str);
bytes!(Vec<u8>);
bytes!(&Vec<u8>);
bytes!(Box<[u8]>);
bytes!(String);
bytes!(&String);

impl sealed::Sealed for Message {}

impl Part for Message {
    #[inline(always)]
    fn with<R>(&mut self, put: impl FnOnce(&mut Outgoing<'_>) -> R) -> R {
        put(&mut Outgoing::Message(self))
    }
}

impl sealed::Sealed for &Message {}

impl Part for &Message {
    #[inline]
    fn with<R>(&mut self, put: impl FnOnce(&mut Outgoing<'_>) -> R) -> R {
        // Large payloads are shared, not copied.
        put(&mut Outgoing::Message(&mut self.clone()))
    }
}

macro_rules! one_part {
    (generic [$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Outbound for $type {
            #[inline(always)]
            fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
                sink.part(self, false)
            }
        }
    };
    ($type:ty) => {
        one_part!(generic [] $type);
    };
}

one_part!(&[u8]);
one_part!(generic [const N: usize] &[u8; N]);
one_part!(&str);
one_part!(Vec<u8>);
one_part!(&Vec<u8>);
one_part!(Box<[u8]>);
one_part!(String);
one_part!(&String);
one_part!(Message);
one_part!(&Message);

impl<P: Part, const N: usize> sealed::Sealed for [P; N] {}

impl<P: Part, const N: usize> Outbound for [P; N] {
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        sink.parts(self.iter_mut())
    }
}

impl<P: Part> sealed::Sealed for Vec<P> {}

impl<P: Part> Outbound for Vec<P> {
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        sink.parts(self.iter_mut())
    }
}

impl<P: Part + Clone> sealed::Sealed for &[P] {}

impl<P: Part + Clone> Outbound for &[P] {
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        sink.parts(self.to_vec().iter_mut())
    }
}

impl sealed::Sealed for Multipart {}

impl Outbound for Multipart {
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        if self.is_empty() {
            return Err(Error::NoParts);
        }
        while let Some(mut part) = self.pop_front() {
            let more = !self.is_empty();
            if let Err(error) = sink.part(&mut part, more) {
                self.push_front(part);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl sealed::Sealed for &Multipart {}

impl Outbound for &Multipart {
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        self.clone().put(sink)
    }
}

/// One part of a message whose others come in other calls.
#[derive(Debug)]
pub(crate) struct PartOf<P> {
    pub(crate) part: P,
    pub(crate) more: bool,
}

impl<P: Part> sealed::Sealed for PartOf<P> {}

impl<P: Part> Outbound for PartOf<P> {
    fn put(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        sink.part(&mut self.part, self.more)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that is how a trait is sealed")]
    pub trait Sealed {}
}
