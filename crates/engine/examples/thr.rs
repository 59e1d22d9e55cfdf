// SPDX-License-Identifier: MIT OR Apache-2.0
//! Throughput between two processes: `thr ENDPOINT SIZE COUNT`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool")]

use ferromq_engine::{Context, Outgoing, Wait};
use ferromq_vocabulary::SocketType;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let size: usize = args[2].parse().unwrap();
    let count: u64 = args[3].parse().unwrap();
    let context = Context::new();
    if args.get(4).is_some() {
        let mut push = context.socket(SocketType::Push).unwrap();
        push.connect(&args[1]).unwrap();
        let mut body = vec![0u8; size];
        for i in 0..count {
            body[..8].copy_from_slice(&i.to_le_bytes());
            push.send_frame(&mut Outgoing::Bytes(&body), false, Wait::Forever)
                .unwrap();
        }
        drop(push);
        context.terminate(None);
        return;
    }
    let mut pull = context.socket(SocketType::Pull).unwrap();
    let endpoint = pull.bind(&args[1]).unwrap().to_owned();
    let mut child = if endpoint.starts_with("inproc") {
        std::thread::spawn(move || {
            let mut push = context.socket(SocketType::Push).unwrap();
            push.connect(&endpoint).unwrap();
            let mut body = vec![0u8; size];
            for i in 0..count {
                body[..8].copy_from_slice(&i.to_le_bytes());
                push.send_frame(&mut Outgoing::Bytes(&body), false, Wait::Forever)
                    .unwrap();
            }
        });
        None
    } else {
        Some(
            std::process::Command::new(&args[0])
                .args([&endpoint, &args[2], &args[3], "x"])
                .spawn()
                .unwrap(),
        )
    };
    let mut body = vec![0u8; size.max(8)];
    let mut began = Instant::now();
    for i in 0..count {
        let (len, _) = pull.recv_into(&mut body, Wait::Forever).unwrap();
        assert_eq!(
            (len, u64::from_le_bytes(body[..8].try_into().unwrap())),
            (size, i)
        );
        if i == 0 {
            began = Instant::now();
        }
    }
    let t = began.elapsed().as_secs_f64();
    println!(
        "{size} B: {:.2} M/s {:.0} MB/s",
        count as f64 / t / 1e6,
        count as f64 * size as f64 / t / 1e6
    );
    if let Some(child) = &mut child {
        child.wait().unwrap();
    }
}
