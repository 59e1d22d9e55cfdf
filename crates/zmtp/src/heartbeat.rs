// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heartbeats: when to PING, and when to give a silent peer up.
//!
//! ```text
//! timer    armed by                              put off by          when it fires
//! ping     the end of the handshake, itself      nothing             SendPing
//! timeout  a PING of ours, if not armed          any received frame  Expired
//! ttl      a PING of theirs that carries one     any received frame  Expired
//! ```

use std::time::{Duration, Instant};

/// When to PING and how long to wait, as the three heartbeat options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Time between two PINGs; zero: none are sent.
    pub interval: Duration,
    /// How long our PINGs ask to be believed alive; zero: not asked. Tenths of a second count.
    pub ttl: Duration,
    /// How long to wait for any frame after a PING; `None`: as long as the interval; zero: forever.
    pub timeout: Option<Duration>,
}

/// What a heartbeat wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The peer is silent for too long: the connection is lost, and may be tried again.
    Expired,
    /// Send a PING with [`Heartbeat::ping_ttl`].
    SendPing,
}

/// The timers of one connection, from the end of its handshake on.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    interval: Duration,
    ttl: u16,
    timeout: Duration,
    ping_at: Option<Instant>,
    timeout_at: Option<Instant>,
    ttl_at: Option<Instant>,
}

impl Heartbeat {
    /// Starts when the handshake ends. See [`Config`] for the three numbers.
    #[must_use]
    pub fn new(interval: Duration, ttl: Duration, timeout: Option<Duration>, now: Instant) -> Self {
        Self {
            interval,
            // contract 1.4, HEARTBEAT_TTL: "stored as deciseconds [...] truncated to 100 ms"
            ttl: u16::try_from(ttl.as_millis() / DECISECOND_MS).unwrap_or(u16::MAX),
            timeout: timeout.unwrap_or(interval),
            ping_at: after(now, interval),
            timeout_at: None,
            ttl_at: None,
        }
    }

    /// Any frame has arrived, be it a message, a command or an answer.
    ///
    /// contract 3.10: "ANY received frame cancels both the timeout timer and the TTL timer." For a
    /// PING call [`on_ping`](Self::on_ping) after this.
    pub fn on_traffic(&mut self, _now: Instant) {
        self.timeout_at = None;
        self.ttl_at = None;
    }

    /// A PING has arrived.
    ///
    /// contract 3.10: "Receiving PING with ttl>0 arms a TTL timer (ttl*100 ms) when none is armed
    /// [...] TTL values above 655 (65.5 s) wrap - do not copy."
    pub fn on_ping(&mut self, ttl_deciseconds: u16, now: Instant) {
        if self.ttl_at.is_none() {
            let ttl = Duration::from_millis(u64::from(ttl_deciseconds).saturating_mul(100));
            self.ttl_at = after(now, ttl);
        }
    }

    /// What is due by now; to be asked until there is nothing more.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Action> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.timeout_at) || is_due(self.ttl_at) {
            self.ping_at = None;
            self.timeout_at = None;
            self.ttl_at = None;
            return Some(Action::Expired);
        }
        if is_due(self.ping_at) {
            self.ping_at = after(now, self.interval);
            // "if no timeout timer is armed, arm TIMEOUT (default IVL; 0 = none)"
            if self.timeout_at.is_none() {
                self.timeout_at = after(now, self.timeout);
            }
            return Some(Action::SendPing);
        }
        None
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.ping_at, self.timeout_at, self.ttl_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The time to live our PINGs carry, in tenths of a second.
    #[must_use]
    pub fn ping_ttl(&self) -> u16 {
        self.ttl
    }
}

/// `None` for a zero duration (switched off) and for one beyond what an instant can hold.
fn after(now: Instant, duration: Duration) -> Option<Instant> {
    if duration.is_zero() {
        return None;
    }
    now.checked_add(duration)
}

const DECISECOND_MS: u128 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(base: Instant, millis: u64) -> Instant {
        base + Duration::from_millis(millis)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "any base will do, only differences count"
    )]
    fn base() -> Instant {
        Instant::now()
    }

    #[test]
    fn off_is_off() {
        let base = base();
        let mut heartbeat = Heartbeat::new(Duration::ZERO, SECOND, Some(SECOND), base);
        assert_eq!(heartbeat.poll_timeout(), None);
        assert_eq!(heartbeat.handle_timeout(at(base, 100_000)), None);
    }

    #[test]
    fn silence_expires_after_interval_and_timeout() {
        let base = base();
        let mut heartbeat = Heartbeat::new(
            SECOND,
            Duration::ZERO,
            Some(Duration::from_millis(300)),
            base,
        );
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 1000)));
        assert_eq!(heartbeat.handle_timeout(at(base, 999)), None);
        assert_eq!(
            heartbeat.handle_timeout(at(base, 1000)),
            Some(Action::SendPing)
        );
        assert_eq!(heartbeat.handle_timeout(at(base, 1000)), None);
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 1300)));
        assert_eq!(
            heartbeat.handle_timeout(at(base, 1300)),
            Some(Action::Expired)
        );
        assert_eq!(heartbeat.poll_timeout(), None);
    }

    #[test]
    fn the_timeout_is_the_interval_unless_said_otherwise() {
        let base = base();
        let mut heartbeat = Heartbeat::new(SECOND, Duration::ZERO, None, base);
        assert_eq!(
            heartbeat.handle_timeout(at(base, 1000)),
            Some(Action::SendPing)
        );
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 2000)));
        assert_eq!(
            heartbeat.handle_timeout(at(base, 2000)),
            Some(Action::Expired)
        );
    }

    #[test]
    fn a_zero_timeout_waits_forever() {
        let base = base();
        let mut heartbeat = Heartbeat::new(SECOND, SECOND, Some(Duration::ZERO), base);
        for second in 1..100 {
            let now = at(base, second * 1000);
            assert_eq!(heartbeat.handle_timeout(now), Some(Action::SendPing));
            assert_eq!(heartbeat.handle_timeout(now), None);
        }
    }

    #[test]
    fn a_timeout_longer_than_the_interval_counts_from_the_first_unanswered_ping() {
        let base = base();
        let mut heartbeat = Heartbeat::new(
            SECOND,
            Duration::ZERO,
            Some(Duration::from_millis(2500)),
            base,
        );
        assert_eq!(
            heartbeat.handle_timeout(at(base, 1000)),
            Some(Action::SendPing)
        );
        assert_eq!(
            heartbeat.handle_timeout(at(base, 2000)),
            Some(Action::SendPing)
        );
        assert_eq!(
            heartbeat.handle_timeout(at(base, 3000)),
            Some(Action::SendPing)
        );
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 3500)));
        assert_eq!(
            heartbeat.handle_timeout(at(base, 3500)),
            Some(Action::Expired)
        );
    }

    #[test]
    fn any_frame_saves_the_connection() {
        let base = base();
        let mut heartbeat = Heartbeat::new(SECOND, Duration::ZERO, None, base);
        assert_eq!(
            heartbeat.handle_timeout(at(base, 1000)),
            Some(Action::SendPing)
        );
        heartbeat.on_traffic(at(base, 1999));
        assert_eq!(
            heartbeat.handle_timeout(at(base, 2000)),
            Some(Action::SendPing)
        );
        assert_eq!(
            heartbeat.handle_timeout(at(base, 3000)),
            Some(Action::Expired)
        );
    }

    #[test]
    fn a_late_call_sends_one_ping_and_goes_on_from_there() {
        let base = base();
        let mut heartbeat = Heartbeat::new(SECOND, Duration::ZERO, None, base);
        assert_eq!(
            heartbeat.handle_timeout(at(base, 5500)),
            Some(Action::SendPing)
        );
        assert_eq!(heartbeat.handle_timeout(at(base, 5500)), None);
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 6500)));
    }

    #[test]
    fn their_ttl_expires_unless_a_frame_comes() {
        let base = base();
        let mut heartbeat = Heartbeat::new(Duration::ZERO, Duration::ZERO, None, base);
        heartbeat.on_traffic(base);
        heartbeat.on_ping(5, base);
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 500)));
        heartbeat.on_ping(1, base);
        assert_eq!(
            heartbeat.poll_timeout(),
            Some(at(base, 500)),
            "one is armed already"
        );
        heartbeat.on_traffic(at(base, 400));
        assert_eq!(heartbeat.poll_timeout(), None);
        heartbeat.on_ping(0, at(base, 400));
        assert_eq!(heartbeat.poll_timeout(), None);
        heartbeat.on_ping(5, at(base, 400));
        assert_eq!(heartbeat.handle_timeout(at(base, 899)), None);
        assert_eq!(
            heartbeat.handle_timeout(at(base, 900)),
            Some(Action::Expired)
        );
    }

    #[test]
    fn long_ttls_do_not_wrap() {
        let base = base();
        let mut heartbeat = Heartbeat::new(Duration::ZERO, Duration::ZERO, None, base);
        heartbeat.on_ping(u16::MAX, base);
        assert_eq!(heartbeat.poll_timeout(), Some(at(base, 6_553_500)));
    }

    #[test]
    fn our_ttl_is_cut_to_tenths_of_a_second() {
        let base = base();
        for (millis, deciseconds) in [
            (0, 0),
            (99, 0),
            (100, 1),
            (1999, 19),
            (65_600, 656),
            (6_553_599, 65_535),
        ] {
            let ttl = Duration::from_millis(millis);
            assert_eq!(
                Heartbeat::new(SECOND, ttl, None, base).ping_ttl(),
                deciseconds
            );
        }
        assert_eq!(
            Heartbeat::new(SECOND, Duration::MAX, None, base).ping_ttl(),
            u16::MAX
        );
    }

    #[test]
    fn endless_intervals_never_fire() {
        let heartbeat = Heartbeat::new(Duration::MAX, Duration::ZERO, None, base());
        assert_eq!(heartbeat.poll_timeout(), None);
    }
}
