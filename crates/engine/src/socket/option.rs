// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options: the table of `ferromq-vocabulary`, and what is live.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;

use ferromq_pattern::{AnyPattern, Pattern};
use ferromq_vocabulary::option::{Direction, OptionKey, number};
use ferromq_vocabulary::{Code, OptionError, SocketOptions, SocketType, Value};
use ferromq_zmtp::z85;

use super::conflate::receive_mark;
use super::link::Link;
use super::sending::code_of;
use super::{Socket, looks_each_time};
use crate::command::News;
use crate::transport::inproc::Marks;

impl Socket {
    /// The values of all plain options.
    #[must_use]
    pub fn options(&self) -> &SocketOptions {
        &self.options
    }

    /// Sets an option by name or number. Those of connections count for endpoints bound or
    /// connected afterwards; high-water marks, linger and time-outs at once.
    ///
    /// # Errors
    /// `Invalid` for an unknown option or value, `Terminated`.
    #[expect(single_use_lifetimes, reason = "anonymous ones are unstable here")]
    pub fn set_option<'a>(
        &mut self,
        key: impl Into<OptionKey<'a>>,
        value: impl Into<Value>,
    ) -> Result<(), Code> {
        self.check_alive()?;
        let value = value.into();
        let spec =
            SocketOptions::find_for(self.socket_type(), key).map_err(|_unknown| Code::Invalid)?;
        if spec.direction == Direction::Get {
            return Err(Code::Invalid);
        }
        match (spec.number, &value) {
            (number::SUBSCRIBE, Value::Bytes(topic)) => return self.subscribe(topic),
            (number::UNSUBSCRIBE, Value::Bytes(topic)) => return self.unsubscribe(topic),
            _ => {}
        }
        if is_gssapi(spec.number) && self.context.authentication.gssapi().is_none() {
            return Err(Code::Invalid);
        }
        let value = match (spec.number, value) {
            (
                number::CURVE_PUBLICKEY | number::CURVE_SECRETKEY | number::CURVE_SERVERKEY,
                Value::Bytes(key),
            ) => Value::Bytes(key_of(key)?),
            (_, value) => value,
        };
        spec.write(&mut self.options, value)
            .map_err(|_error: OptionError| Code::Invalid)?;
        self.apply(spec.number);
        Ok(())
    }

    /// What is to be done about an option at once.
    fn apply(&mut self, number: i32) {
        match number {
            number::SNDHWM | number::RCVHWM => self.apply_high_water_marks(),
            number::ROUTER_RAW => self.become_raw(),
            number::LINGER => self.shared.linger.store(self.options.linger, Relaxed),
            _ => {
                self.pattern.configure(&mut self.pipes, &self.options);
                self.pipes.may_refresh = looks_each_time(self.socket_type(), &self.options);
                self.find_short_ways();
            }
        }
    }

    /// ROUTER_RAW: a ROUTER of plain connections is a STREAM in all but its name.
    fn become_raw(&mut self) {
        let like = if self.options.router_raw {
            SocketType::Stream
        } else {
            SocketType::Router
        };
        // Peers that are here stay what they are.
        if !self.pipes.is_empty() {
            return;
        }
        let seed = self.context.random() as u32;
        self.pattern = AnyPattern::new(like, seed);
        self.shared.set_raw(self.options.router_raw);
        self.pattern.configure(&mut self.pipes, &self.options);
    }

    fn apply_high_water_marks(&mut self) {
        let mark = |value: i32| u64::try_from(value).unwrap_or(0);
        let send = mark(self.options.sndhwm);
        let receive = receive_mark(self.socket_type(), &self.options);
        let ids: Vec<_> = self.pipes.ids().collect();
        for id in ids {
            let wire = match self.links.get(id.index()) {
                Some(Some(Link::Wire(wire))) => wire,
                Some(Some(Link::Inproc(link))) => {
                    let connected = self.pipes.get(id).is_some_and(|pipe| pipe.peer.connected);
                    link.tie.change_marks(connected, Marks { send, receive });
                    if let Some(peer) = &link.peer {
                        peer.tell(News::CheckTies);
                    }
                    continue;
                }
                _ => continue,
            };
            let limit = if receive == 0 { u64::MAX } else { receive };
            wire.connection.receive_limit.store(limit, Relaxed);
            if let Some(pipe) = self.pipes.get_mut(id) {
                pipe.set_high_water_mark(send);
                wire.connection.send_limit.store(pipe.limit(), Relaxed);
            }
            self.pattern.writable(id);
        }
        self.pipes.forget_room();
        if self.inproc_pipes > 0 {
            self.check_ties();
        }
    }

    /// Reads an option by name or number.
    ///
    /// # Errors
    /// `Invalid` for an unknown option, `Terminated`.
    #[expect(single_use_lifetimes, reason = "anonymous ones are unstable here")]
    pub fn get_option<'a>(&mut self, key: impl Into<OptionKey<'a>>) -> Result<Value, Code> {
        self.check_alive()?;
        let key = key.into();
        if key == OptionKey::Number(number::ROUTER_NOTIFY) {
            // Others have none, and say so.
            return Ok(Value::Int(self.options.router_notify));
        }
        let spec =
            SocketOptions::find_for(self.socket_type(), key).map_err(|_unknown| Code::Invalid)?;
        let is_missing = is_gssapi(spec.number) && self.context.authentication.gssapi().is_none();
        if spec.direction == Direction::Set || is_missing {
            return Err(Code::Invalid);
        }
        Ok(match spec.number {
            number::RCVMORE => Value::Int(i32::from(self.receive_more)),
            number::THREAD_SAFE => Value::from(self.socket_type().is_thread_safe()),
            number::TYPE => Value::Int(self.socket_type().number()),
            number::ROUTING_ID if self.shared.is_raw() && !self.last_routing_id.is_empty() => {
                Value::Bytes(self.last_routing_id.clone())
            }
            number::LAST_ENDPOINT => Value::Bytes(self.last_endpoint.clone().into_bytes()),
            number::FD => Value::Int(self.readiness_fd()?.as_raw_fd()),
            number::EVENTS => {
                let ready = self.readiness()?;
                Value::Int(i32::from(ready.readable) | i32::from(ready.writable) << 1)
            }
            number::TOPICS_COUNT => {
                self.take_news();
                Value::Int(i32::try_from(self.pattern.topics_count()).unwrap_or(i32::MAX))
            }
            _ => spec
                .read(&self.options)
                .map_err(|_error: OptionError| Code::Invalid)?,
        })
    }

    /// Asks for messages that begin with `topic` (SUB).
    ///
    /// # Errors
    /// `Invalid` on sockets that do not subscribe, `Terminated`.
    pub fn subscribe(&mut self, topic: &[u8]) -> Result<(), Code> {
        self.check_alive()?;
        let before = self.pattern.topics_count();
        let tell = self.pattern.subscribe(topic).map_err(code_of)?;
        self.find_short_ways();
        if tell {
            let news = self.pattern.topics_count() != before;
            self.spread(topic, true, news);
        }
        Ok(())
    }

    /// Takes one [`subscribe`](Self::subscribe) back.
    ///
    /// # Errors
    /// As for `subscribe`.
    pub fn unsubscribe(&mut self, topic: &[u8]) -> Result<(), Code> {
        self.check_alive()?;
        let last = self.pattern.unsubscribe(topic).map_err(code_of)?;
        self.find_short_ways();
        if last {
            self.spread(topic, false, true);
        }
        Ok(())
    }

    /// Tells every publisher of a change, or again what is so already.
    pub(super) fn spread(&mut self, topic: &[u8], add: bool, news: bool) {
        if !matches!(
            self.socket_type(),
            SocketType::Sub | SocketType::Xsub | SocketType::Dish
        ) {
            return;
        }
        self.take_news();
        for connection in self.shared.change_topic(topic, add, news) {
            match self.by_connection.get(&connection.id).copied() {
                // As messages: the first few at once, of many the I/O thread sends most.
                Some(id) => self.sent(id),
                None => {
                    if connection.arming.arm() {
                        let id = connection.id;
                        connection.io.post(crate::command::Order::Arm { id });
                    }
                }
            }
        }
        let ids: Vec<_> = self.pipes.ids().collect();
        for id in ids {
            if matches!(self.links.get(id.index()), Some(Some(Link::Inproc(_)))) {
                self.tell_topic(id, topic, add);
            }
        }
    }
}

/// Options that somebody must be there for.
fn is_gssapi(number: i32) -> bool {
    matches!(
        number,
        number::GSSAPI_SERVER
            | number::GSSAPI_PRINCIPAL
            | number::GSSAPI_SERVICE_PRINCIPAL
            | number::GSSAPI_PLAINTEXT
            | number::GSSAPI_PRINCIPAL_NAMETYPE
            | number::GSSAPI_SERVICE_PRINCIPAL_NAMETYPE
    )
}

/// A key of CURVE: 32 bytes, or text of 40 characters with or without a NUL.
fn key_of(mut key: Vec<u8>) -> Result<Vec<u8>, Code> {
    if key.len() == 41 {
        key.pop_if(|last| *last == 0);
    }
    if key.len() != 40 {
        return Ok(key);
    }
    let text = String::from_utf8(key).map_err(|_binary| Code::Invalid)?;
    z85::decode(&text).map_err(|_invalid| Code::Invalid)
}
