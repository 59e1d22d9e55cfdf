// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract, run against every back end that was compiled.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Event, Events, Interest};
use crate::event_fd::EventFd;

macro_rules! contract {
    ($back_end:ident) => {
        mod $back_end {
            use super::*;
            use crate::epoll::$back_end::Epoll;

            const SOON: Option<Duration> = Some(Duration::from_millis(20));
            const NOW: Option<Duration> = Some(Duration::ZERO);

            fn wait(epoll: &Epoll, timeout: Option<Duration>) -> Vec<Event> {
                let mut events = Events::with_capacity(16);
                let count = epoll.wait(&mut events, timeout).unwrap();
                assert_eq!(count, events.len());
                assert_eq!(events.is_empty(), count == 0);
                events.iter().collect()
            }

            fn tokens(events: &[Event]) -> Vec<u64> {
                let mut tokens: Vec<u64> = events.iter().map(Event::token).collect();
                tokens.sort_unstable();
                tokens
            }

            fn pair() -> (UnixStream, UnixStream) {
                let (a, b) = UnixStream::pair().unwrap();
                a.set_nonblocking(true).unwrap();
                b.set_nonblocking(true).unwrap();
                (a, b)
            }

            #[test]
            fn reports_as_long_as_it_lasts() {
                let epoll = Epoll::new().unwrap();
                let (a, mut b) = pair();
                epoll.add(a.as_fd(), u64::MAX, Interest::READ).unwrap();
                assert!(wait(&epoll, NOW).is_empty());
                assert!(wait(&epoll, SOON).is_empty());
                b.write_all(b"x").unwrap();
                for timeout in [None, NOW, SOON] {
                    let events = wait(&epoll, timeout);
                    assert_eq!(tokens(&events), [u64::MAX]);
                    assert!(events[0].readable() && !events[0].writable());
                    assert!(!events[0].hangup());
                }
                epoll
                    .modify(a.as_fd(), 7, Interest::READ | Interest::WRITE)
                    .unwrap();
                let events = wait(&epoll, None);
                assert_eq!(tokens(&events), [7]);
                assert!(events[0].readable() && events[0].writable());
                epoll.delete(a.as_fd()).unwrap();
                assert!(wait(&epoll, NOW).is_empty());
            }

            #[test]
            fn the_set_knows_its_members() {
                let epoll = Epoll::new().unwrap();
                let (a, _b) = pair();
                let number = |result: io::Result<()>| result.unwrap_err().raw_os_error();
                let absent = epoll.modify(a.as_fd(), 1, Interest::READ);
                assert_eq!(number(absent), Some(libc::ENOENT));
                assert_eq!(number(epoll.delete(a.as_fd())), Some(libc::ENOENT));
                epoll.add(a.as_fd(), 1, Interest::READ).unwrap();
                let twice = epoll.add(a.as_fd(), 1, Interest::READ);
                assert_eq!(number(twice), Some(libc::EEXIST));
            }

            #[test]
            fn one_shot_is_silent_until_modified() {
                let epoll = Epoll::new().unwrap();
                let (a, mut b) = pair();
                let interest = Interest::READ | Interest::ONESHOT;
                epoll.add(a.as_fd(), 1, interest).unwrap();
                b.write_all(b"x").unwrap();
                assert_eq!(tokens(&wait(&epoll, None)), [1]);
                b.write_all(b"y").unwrap();
                assert!(wait(&epoll, NOW).is_empty());
                epoll.modify(a.as_fd(), 2, interest).unwrap();
                assert_eq!(tokens(&wait(&epoll, None)), [2]);
                drop(b);
                assert!(wait(&epoll, SOON).is_empty(), "not even a hang-up");
                epoll
                    .modify(a.as_fd(), 3, Interest::NONE | Interest::ONESHOT)
                    .unwrap();
                let events = wait(&epoll, None);
                assert!(tokens(&events) == [3] && events[0].hangup());
                assert!(wait(&epoll, NOW).is_empty());
            }

            #[test]
            fn hang_ups_cannot_be_refused() {
                let epoll = Epoll::new().unwrap();
                let (a, b) = pair();
                epoll.add(a.as_fd(), 1, Interest::NONE).unwrap();
                assert!(wait(&epoll, NOW).is_empty());
                drop(b);
                for _ in 0..3 {
                    let events = wait(&epoll, None);
                    assert!(events[0].hangup() && events[0].readable() && events[0].writable());
                }
            }

            #[test]
            fn the_end_of_the_peers_sending_is_reported() {
                let epoll = Epoll::new().unwrap();
                let (a, b) = pair();
                epoll.add(a.as_fd(), 1, Interest::RDHUP).unwrap();
                assert!(wait(&epoll, NOW).is_empty());
                b.shutdown(std::net::Shutdown::Write).unwrap();
                let events = wait(&epoll, None);
                assert!(events[0].readable() && !events[0].hangup());
            }

            #[test]
            fn no_edge_is_missed() {
                let epoll = Epoll::new().unwrap();
                let (mut a, mut b) = pair();
                b.write_all(b"x").unwrap();
                epoll
                    .add(a.as_fd(), 1, Interest::READ | Interest::EDGE)
                    .unwrap();
                let mut buffer = [0; 16];
                for _ in 0..10 {
                    assert_eq!(tokens(&wait(&epoll, None)), [1]);
                    assert_eq!(a.read(&mut buffer).unwrap(), 1);
                    assert!(wait(&epoll, NOW).is_empty());
                    b.write_all(b"y").unwrap();
                }
            }

            #[test]
            fn edges_of_writability() {
                let epoll = Epoll::new().unwrap();
                let (mut a, mut b) = pair();
                epoll
                    .add(a.as_fd(), 1, Interest::WRITE | Interest::EDGE)
                    .unwrap();
                let mut sink = vec![0; 1 << 20];
                for _ in 0..5 {
                    assert!(wait(&epoll, None)[0].writable());
                    while a.write(&[0; 4096]).is_ok() {}
                    assert!(wait(&epoll, NOW).is_empty());
                    while b.read(&mut sink).is_ok() {}
                }
                // A state that lasts must not make a busy loop of the waits.
                let start = Instant::now();
                let mut reports = 0;
                while start.elapsed() < Duration::from_millis(50) {
                    reports += wait(&epoll, SOON).len();
                }
                assert!(reports <= 60, "{reports}");
            }

            #[test]
            fn a_hang_up_is_an_edge_too() {
                let epoll = Epoll::new().unwrap();
                let (a, b) = pair();
                epoll
                    .add(a.as_fd(), 1, Interest::READ | Interest::EDGE)
                    .unwrap();
                drop(b);
                assert!(wait(&epoll, None)[0].hangup());
                let start = Instant::now();
                let mut reports = 0;
                while start.elapsed() < Duration::from_millis(50) {
                    reports += wait(&epoll, SOON).len();
                }
                assert!(reports <= 60, "{reports}");
            }

            #[test]
            fn changes_take_effect_in_a_running_wait() {
                let epoll = Epoll::new().unwrap();
                let ready = EventFd::new().unwrap();
                ready.signal();
                let asleep = EventFd::new().unwrap();
                epoll.add(asleep.as_fd(), 0, Interest::READ).unwrap();
                for round in 0..20_u64 {
                    std::thread::scope(|scope| {
                        let waiter = scope.spawn(|| wait(&epoll, None));
                        if round % 2 == 0 {
                            std::thread::yield_now();
                        }
                        let interest = Interest::READ | Interest::ONESHOT;
                        if round == 0 {
                            epoll.add(ready.as_fd(), round, interest).unwrap();
                        } else {
                            epoll.modify(ready.as_fd(), round, interest).unwrap();
                        }
                        assert_eq!(tokens(&waiter.join().unwrap()), [round]);
                    });
                }
            }

            #[test]
            fn one_shot_goes_to_one_of_several_waits() {
                const ROUNDS: usize = 50;
                let epoll = Epoll::new().unwrap();
                let event = EventFd::new().unwrap();
                let stop = EventFd::new().unwrap();
                let done = EventFd::new().unwrap();
                let interest = Interest::READ | Interest::ONESHOT;
                epoll.add(event.as_fd(), 1, interest).unwrap();
                epoll.add(stop.as_fd(), 2, Interest::READ).unwrap();
                let seen = AtomicUsize::new(0);
                std::thread::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            loop {
                                for event in wait(&epoll, None) {
                                    if event.token() == 2 {
                                        return;
                                    }
                                    seen.fetch_add(1, Ordering::Relaxed);
                                    done.signal();
                                }
                            }
                        });
                    }
                    for _ in 0..ROUNDS {
                        event.signal();
                        let mut fds = [crate::poll::PollFd::new(
                            done.as_raw_fd(),
                            crate::poll::PollFd::IN,
                        )];
                        crate::poll::poll(&mut fds, None).unwrap();
                        done.clear();
                        event.clear();
                        epoll.modify(event.as_fd(), 1, interest).unwrap();
                    }
                    stop.signal();
                });
                assert_eq!(seen.into_inner(), ROUNDS);
            }

            #[test]
            fn a_small_buffer_starves_nobody() {
                let epoll = Epoll::new().unwrap();
                let members: Vec<EventFd> = (0..7).map(|_| EventFd::new().unwrap()).collect();
                for (token, member) in (0..).zip(&members) {
                    member.signal();
                    epoll.add(member.as_fd(), token, Interest::READ).unwrap();
                }
                let mut events = Events::with_capacity(0);
                let mut seen = [false; 7];
                for _ in 0..7 {
                    assert_eq!(epoll.wait(&mut events, None).unwrap(), 1);
                    for event in events.iter() {
                        seen[usize::try_from(event.token()).unwrap()] = true;
                    }
                }
                assert_eq!(seen, [true; 7]);
            }

            #[test]
            fn closed_descriptors_are_forgotten() {
                let epoll = Epoll::new().unwrap();
                let stays = EventFd::new().unwrap();
                let goes = EventFd::new().unwrap();
                epoll.add(goes.as_fd(), 1, Interest::READ).unwrap();
                epoll.add(stays.as_fd(), 2, Interest::READ).unwrap();
                stays.signal();
                goes.signal();
                drop(goes);
                let events = wait(&epoll, None);
                assert!(tokens(&events).contains(&2));
            }

            #[test]
            fn timeouts_are_finer_than_a_millisecond() {
                let epoll = Epoll::new().unwrap();
                let member = EventFd::new().unwrap();
                epoll.add(member.as_fd(), 5, Interest::READ).unwrap();
                for forced in [false, true] {
                    crate::epoll::force_coarse_wait(forced);
                    let time = Duration::from_micros(100);
                    let shortest = (0..50)
                        .map(|_| {
                            let start = Instant::now();
                            assert!(wait(&epoll, Some(time)).is_empty());
                            start.elapsed()
                        })
                        .min()
                        .unwrap();
                    assert!(
                        shortest >= time && shortest < Duration::from_millis(1),
                        "{shortest:?}"
                    );
                    member.signal();
                    assert_eq!(tokens(&wait(&epoll, Some(Duration::from_secs(60)))), [5]);
                    assert_eq!(tokens(&wait(&epoll, Some(Duration::MAX))), [5]);
                    member.clear();
                }
                crate::epoll::force_coarse_wait(false);
            }

            #[test]
            fn signals_interrupt() {
                extern "C" fn ignore(_signal: libc::c_int) {}
                // SAFETY: all bytes zero is a valid sigaction, of no flags.
                let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
                action.sa_sigaction = ignore as *const () as usize;
                // SAFETY: the handler does nothing, and `action` lives through the call.
                let answer = unsafe {
                    libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut())
                };
                assert_eq!(answer, 0);

                let epoll = Arc::new(Epoll::new().unwrap());
                for timeout in [None, Some(Duration::from_secs(3600))] {
                    let epoll = Arc::clone(&epoll);
                    let waiter = std::thread::spawn(move || {
                        epoll.wait(&mut Events::with_capacity(1), timeout)
                    });
                    while !waiter.is_finished() {
                        // SAFETY: the thread is not joined yet, so its handle is good.
                        unsafe { libc::pthread_kill(waiter.as_pthread_t(), libc::SIGUSR2) };
                        std::thread::yield_now();
                    }
                    let error = waiter.join().unwrap().unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
                }
            }
        }
    };
}

#[cfg(not(zmq_force_poll))]
contract!(kernel);
contract!(table);

#[cfg(not(zmq_force_poll))]
#[test]
fn sets_nest() {
    use super::Epoll;
    use crate::poll::{PollFd, poll};

    let inner = Epoll::new().unwrap();
    let outer = Epoll::new().unwrap();
    let member = EventFd::new().unwrap();
    inner
        .add(member.as_fd(), 1, Interest::READ | Interest::EDGE)
        .unwrap();
    let inner_fd = inner.as_pollable().unwrap();
    outer
        .add(inner_fd, 2, Interest::READ | Interest::EDGE)
        .unwrap();
    let mut events = Events::with_capacity(4);
    let now = Some(Duration::ZERO);
    let mut fds = [PollFd::new(inner_fd.as_raw_fd(), PollFd::IN)];

    assert_eq!(outer.wait(&mut events, now).unwrap(), 0);
    for _ in 0..3 {
        member.signal();
        assert_eq!(outer.wait(&mut events, None).unwrap(), 1);
        assert_eq!(
            events.iter().map(|event| event.token()).collect::<Vec<_>>(),
            [2]
        );
        // Readable until harvested, although the member is edge-triggered.
        assert_eq!(poll(&mut fds, now).unwrap(), 1);
        assert_eq!(inner.wait(&mut events, now).unwrap(), 1);
        assert_eq!(poll(&mut fds, now).unwrap(), 0);
        assert_eq!(inner.wait(&mut events, now).unwrap(), 0);
        member.clear();
    }
}

#[test]
fn interests_print_their_names() {
    let mut interest = Interest::NONE;
    assert_eq!(format!("{interest:?}"), "NONE");
    interest |= Interest::READ | Interest::ONESHOT;
    assert_eq!(format!("{interest:?}"), "READ | ONESHOT");
    assert!(interest.contains(Interest::READ) && !interest.contains(Interest::WRITE));
}
