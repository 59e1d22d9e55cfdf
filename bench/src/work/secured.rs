// SPDX-License-Identifier: MIT OR Apache-2.0
//! CURVE for sockets, and what its boxes cost on their own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use dryoc::classic::crypto_box::{
    crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace,
};

use crate::Outcome;
use crate::library::Socket;

/// Makes it the side whose key is known.
pub(super) fn serve(socket: &mut impl Socket) -> Outcome<()> {
    socket.set(CURVE_SERVER, 1)?;
    socket.set_bytes(CURVE_SECRETKEY, SERVER_SECRET)
}

/// Makes it the side that knows whom it means.
pub(super) fn ask(socket: &mut impl Socket) -> Outcome<()> {
    socket.set_bytes(CURVE_SERVERKEY, SERVER_KEY)?;
    socket.set_bytes(CURVE_PUBLICKEY, CLIENT_KEY)?;
    socket.set_bytes(CURVE_SECRETKEY, CLIENT_SECRET)
}

/// Messages of this size that can be sealed in a second, and nothing else done.
pub(super) fn sealing(size: usize) -> f64 {
    let mut text = vec![0x5a; size + 1];
    let mut tag = [0; 16];
    rate(|nonce| {
        crypto_box_detached_afternm_inplace(black_box(&mut text), &mut tag, nonce, &KEY);
    })
}

/// The same of opening.
pub(super) fn opening(size: usize) -> f64 {
    let mut text = vec![0x5a; size + 1];
    let (mut tag, nonce) = ([0; 16], [0; 24]);
    crypto_box_detached_afternm_inplace(&mut text, &mut tag, &nonce, &KEY);
    let mut room = text.clone();
    rate(|_| {
        room.copy_from_slice(&text);
        crypto_box_open_detached_afternm_inplace(black_box(&mut room), &tag, &nonce, &KEY).ok();
    })
}

fn rate(mut work: impl FnMut(&[u8; 24])) -> f64 {
    let (begin, mut nonce, mut count) = (Instant::now(), [0; 24], 0_u64);
    while begin.elapsed() < LONG {
        for _ in 0..16 {
            count += 1;
            nonce[..8].copy_from_slice(&count.to_le_bytes());
            work(&nonce);
        }
    }
    count as f64 / begin.elapsed().as_secs_f64()
}

const LONG: Duration = Duration::from_millis(200);
const KEY: [u8; 32] = [7; 32];
const CURVE_SERVER: i32 = 47;
const CURVE_PUBLICKEY: i32 = 48;
const CURVE_SECRETKEY: i32 = 49;
const CURVE_SERVERKEY: i32 = 50;
/// The keys of `zmq_curve(7)`.
const CLIENT_KEY: &[u8] = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const CLIENT_SECRET: &[u8] = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
const SERVER_KEY: &[u8] = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SERVER_SECRET: &[u8] = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
