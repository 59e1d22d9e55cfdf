// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both ends in one thread, for counting instructions: `steps ENDPOINT SIZE COUNT`.
#![expect(clippy::unwrap_used, reason = "a measuring tool")]

use ferromq_engine::{Context, Outgoing, Wait};
use ferromq_vocabulary::SocketType;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let size: usize = args[2].parse().unwrap();
    let count: usize = args[3].parse().unwrap();
    let context = Context::new();
    let mut pull = context.socket(SocketType::Pull).unwrap();
    let endpoint = pull.bind(&args[1]).unwrap().to_owned();
    let mut push = context.socket(SocketType::Push).unwrap();
    push.connect(&endpoint).unwrap();
    let body = vec![7u8; size];
    let mut buffer = vec![0u8; size];
    for _ in 0..count / 100 {
        for _ in 0..100 {
            push.send_frame(&mut Outgoing::Bytes(&body), false, Wait::Forever)
                .unwrap();
        }
        for _ in 0..100 {
            pull.recv_into(&mut buffer, Wait::Forever).unwrap();
        }
    }
}
