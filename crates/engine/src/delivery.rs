// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known to have reached a peer.
//!
//! A kernel that has taken a message has not delivered it: it tells how many bytes the other side has not acknowledged.
//! Messages that may be among those bytes when the connection ends are not known to be delivered.

/// The account of one connection, over all of its streams.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Bytes that the present stream has taken.
    bytes: u64,
    /// How many messages were taken in all at so many bytes, for those that are not known to be delivered.
    marks: Vec<(u64, u64)>,
    /// Messages taken, as of the last look.
    taken: u64,
    /// Of them, those known to be delivered, and those given up or in doubt.
    known: u64,
    settled: u64,
}

impl Delivery {
    /// Begins when so many messages have been taken.
    pub(crate) fn from(taken: u64) -> Self {
        Self {
            bytes: 0,
            marks: Vec::new(),
            taken,
            known: 0,
            settled: taken,
        }
    }

    /// The kernel has taken some more bytes; so many messages in all.
    pub(crate) fn written(&mut self, bytes: usize, taken: u64) {
        self.bytes += bytes as u64;
        if taken > self.taken {
            self.taken = taken;
            self.marks.push((self.bytes, taken));
        }
    }

    /// So many messages have been given up: they count as taken from here on.
    pub(crate) fn lose(&mut self, messages: u64) {
        if messages > 0 {
            // What the kernel has taken before is settled when its stream ends, which comes first.
            self.taken += messages;
            self.settled = self.taken;
        }
    }

    /// The stream has ended, or is looked at, with so many bytes that nobody has acknowledged.
    pub(crate) fn end_stream(&mut self, unsent: usize) {
        let sure = self.bytes.saturating_sub(unsent as u64);
        let acknowledged = |(bytes, _): &&(u64, u64)| *bytes <= sure;
        if let Some((_, taken)) = self.marks.iter().take_while(acknowledged).last() {
            self.known += taken - self.settled;
        }
        self.marks.clear();
        self.settled = self.taken;
        self.bytes = 0;
    }

    /// Messages known to be delivered.
    pub(crate) fn known(&self) -> u64 {
        self.known
    }
}

#[cfg(test)]
mod tests {
    use super::Delivery;

    #[test]
    fn what_nobody_has_acknowledged_is_in_doubt() {
        let mut delivery = Delivery::from(7);
        for taken in 8..=17 {
            delivery.written(100, taken);
        }
        delivery.end_stream(250);
        assert_eq!(
            delivery.known(),
            7,
            "the eighth ends among the last 250 bytes"
        );
        // Another stream: what was in doubt stays so.
        delivery.written(50, 17);
        delivery.written(50, 18);
        delivery.end_stream(0);
        assert_eq!(delivery.known(), 8);
        delivery.lose(5);
        delivery.written(10, 24);
        delivery.end_stream(0);
        assert_eq!(delivery.known(), 9);
    }

    #[test]
    fn bytes_from_before_count_as_well() {
        let mut delivery = Delivery::from(0);
        delivery.written(100, 1);
        delivery.end_stream(1000);
        assert_eq!(delivery.known(), 0);
    }
}
