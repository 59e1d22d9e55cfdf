// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers as they come, and those that are not to come again.

use std::time::{Duration, Instant};

use ferromq_engine::HandshakeEnd;

use crate::error::Error;
use crate::kind::Kind;
use crate::socket::Socket;

/// Handshakes and unwelcome peers.
impl<K: Kind> Socket<K> {
    /// Waits for the end of a handshake, with whichever peer, and says how it ended: who the peer
    /// is, or why it is none. Ends that nobody has asked for are kept, the last 16 of them, so this
    /// may be called after the fact. Over inproc there are no handshakes.
    ///
    /// Attempts to connect that find nobody have no handshake; with those, and with peers that
    /// have been refused for the time being, it goes on in the background.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ferromq::{Context, HandshakeError, KeyPair, Pull, Push};
    ///
    /// let context = Context::new();
    /// let mut pull = context.socket::<Pull>()?;
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// let mut push = context
    ///     .socket_builder::<Push>()
    ///     .curve_client(&KeyPair::generate()?, KeyPair::generate()?.public())
    ///     .open()?;
    /// push.connect(&endpoint)?;
    /// let end = push.next_handshake(Duration::from_secs(5))?;
    /// let failure = end.outcome.unwrap_err();
    /// assert!(matches!(failure.error, HandshakeError::Protocol(_)), "one side has no CURVE");
    /// # Ok::<(), ferromq::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Again`](Error::Again) if none ends in time, [`Terminated`](Error::Terminated).
    pub fn next_handshake_deadline(&mut self, deadline: Instant) -> Result<HandshakeEnd, Error> {
        Ok(self.engine.next_handshake(Some(deadline))?)
    }

    /// The same, for so long from now.
    ///
    /// # Errors
    /// As for [`next_handshake_deadline`](Self::next_handshake_deadline).
    pub fn next_handshake(&mut self, time: Duration) -> Result<HandshakeEnd, Error> {
        let deadline = Instant::now().checked_add(time);
        Ok(self.engine.next_handshake(deadline)?)
    }

    /// Ends the connection with a peer at once: what is queued for it is lost. It may come back.
    ///
    /// The routing id is the one messages are sent to (that of a SERVER or a PEER as four bytes,
    /// big-endian), or the one the peer has given itself.
    ///
    /// # Errors
    /// [`HostUnreachable`](Error::HostUnreachable) without such a peer,
    /// [`Terminated`](Error::Terminated).
    pub fn disconnect_routing_id(&mut self, routing_id: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.engine.disconnect_routing_id(routing_id.as_ref())?)
    }

    /// Ends the connection with a peer at once, and all others from its address. For so long, or
    /// until the bans are [lifted](Self::lift_bans), this socket takes no connection from that
    /// address, and none of a peer that gives itself this routing id.
    ///
    /// Peers behind the same router share an address, and those on the same machine, too.
    ///
    /// # Errors
    /// [`HostUnreachable`](Error::HostUnreachable) without such a peer,
    /// [`Terminated`](Error::Terminated).
    pub fn ban_routing_id(
        &mut self,
        routing_id: impl AsRef<[u8]>,
        time: Option<Duration>,
    ) -> Result<(), Error> {
        let engine = &mut self.engine;
        Ok(engine.ban_routing_id(routing_id.as_ref(), until(time))?)
    }

    /// Ends all connections with an address at once, and takes none from it for so long, or until
    /// the bans are [lifted](Self::lift_bans). The address is numeric, as the property
    /// `Peer-Address` of a message has it; for ipc `:user:group:process`.
    ///
    /// # Errors
    /// [`Terminated`](Error::Terminated).
    pub fn ban_address(&mut self, address: &str, time: Option<Duration>) -> Result<(), Error> {
        Ok(self.engine.ban_address(address, until(time))?)
    }

    /// Lets everybody come again.
    pub fn lift_bans(&mut self) {
        self.engine.lift_bans();
    }
}

fn until(time: Option<Duration>) -> Option<Instant> {
    time.and_then(|time| Instant::now().checked_add(time))
}
