// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options, before and after.

use std::time::Duration;

use ferromq::{Context, Linger, Pub, Pull, Push, ReconnectStop, Sub, Value};

#[test]
fn what_sockets_start_with() {
    let context = Context::new();
    let mut push = context.socket::<Push>().unwrap();
    assert_eq!(push.linger(), Linger::For(Duration::from_secs(30)));
    assert_eq!(push.send_high_water_mark(), 1000);
    assert_eq!(push.send_timeout(), None);
    assert_eq!(push.get_option("TYPE"), Ok(Value::Int(8)));
    assert_eq!(push.get_option("LAST_ENDPOINT"), Ok(Value::from("")));
    let sub = context.socket::<Sub>().unwrap();
    assert_eq!(sub.linger(), Linger::For(Duration::ZERO));
    assert_eq!(sub.receive_high_water_mark(), 1000);
    assert_eq!(sub.receive_timeout(), None);
}

#[test]
fn contexts_say_what_sockets_start_with() {
    let context = Context::builder()
        .ipv6(true)
        .option("BLOCKY", 0)
        .build()
        .unwrap();
    let mut pull = context.socket::<Pull>().unwrap();
    assert_eq!(pull.get_option("IPV6"), Ok(Value::Int(1)));
    assert_eq!(pull.linger(), Linger::For(Duration::ZERO));
    assert_eq!(context.get_option("MAX_SOCKETS"), Ok(Value::Int(1023)));
    context.set_option("MAX_SOCKETS", 2).unwrap();
    assert_eq!(context.get_option("MAX_SOCKETS"), Ok(Value::Int(2)));
}

#[test]
fn all_of_them() {
    let context = Context::new();
    let second = Duration::from_secs(1);
    let mut socket = context
        .socket_builder::<Pub>()
        .affinity(1)
        .backlog(7)
        .bind_to_device("lo")
        .busy_poll(Duration::ZERO)
        .connect_timeout(second)
        .handshake_timeout(second)
        .heartbeat_interval(second)
        .heartbeat_timeout(2 * second)
        .heartbeat_ttl(Duration::from_millis(250))
        .immediate(true)
        .ipv6(true)
        .linger(Linger::Forever)
        .max_message_size(Some(1 << 40))
        .metadata("X-key", "value")
        .no_drop(true)
        .priority(1)
        .receive_buffer(65_536)
        .receive_high_water_mark(3)
        .receive_timeout(Some(Duration::from_nanos(1)))
        .reconnect_interval(Duration::from_millis(5))
        .reconnect_interval_max(second)
        .reconnect_stop(&[ReconnectStop::Refused, ReconnectStop::Disconnected])
        .routing_id(b"me")
        .send_buffer(65_536)
        .send_high_water_mark(4)
        .send_timeout(None)
        .tcp_keepalive(true)
        .tcp_keepalive_count(3)
        .tcp_keepalive_idle(second)
        .tcp_keepalive_interval(second)
        .tcp_max_retransmit(second)
        .tos(8)
        .option("TOS", 16)
        .open()
        .unwrap();
    let expected = [
        ("AFFINITY", Value::U64(1)),
        ("BACKLOG", Value::Int(7)),
        ("HEARTBEAT_TTL", Value::Int(200)),
        ("IMMEDIATE", Value::Int(1)),
        ("LINGER", Value::Int(-1)),
        ("MAXMSGSIZE", Value::I64(1 << 40)),
        ("RCVTIMEO", Value::Int(1)),
        ("RECONNECT_STOP", Value::Int(5)),
        ("ROUTING_ID", Value::from("me")),
        ("SNDTIMEO", Value::Int(-1)),
        ("TCP_KEEPALIVE_IDLE", Value::Int(1)),
        ("TOS", Value::Int(16)),
    ];
    for (name, value) in expected {
        assert_eq!(socket.get_option(name), Ok(value), "{name}");
    }
    socket.set_linger(Duration::from_millis(3)).unwrap();
    assert_eq!(socket.linger(), Linger::For(Duration::from_millis(3)));
    socket.set_send_high_water_mark(9).unwrap();
    assert_eq!(socket.send_high_water_mark(), 9);
    socket.set_send_timeout(Some(second)).unwrap();
    assert_eq!(socket.send_timeout(), Some(second));
    socket.set_no_drop(false).unwrap();
}
