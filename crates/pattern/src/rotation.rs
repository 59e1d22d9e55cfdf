// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pipes that take turns.

use ferromq_pipe::PipeId;

/// A round of pipes: the active ones take turns, the others wait to be activated. Every step is
/// O(1) (but for [`activate_where`](Self::activate_where)), and whatever comes and goes, the order
/// of the others stays.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    /// A ring of the active ones, by index.
    places: Vec<Option<Place>>,
    /// Whose turn it is.
    current: Option<PipeId>,
    active: usize,
}

/// A pipe's place in the ring. Outside of it a pipe has itself for neighbours.
#[derive(Debug, Clone, Copy)]
struct Place {
    next: PipeId,
    previous: PipeId,
    active: bool,
}

impl Rotation {
    /// Adds a pipe, active, at the end of the round.
    pub(crate) fn insert(&mut self, id: PipeId) {
        if self.places.len() <= id.index() {
            self.places.resize(id.index() + 1, None);
        }
        self.places[id.index()].get_or_insert(Place {
            next: id,
            previous: id,
            active: false,
        });
        self.activate(id);
    }

    /// Takes a pipe out.
    pub(crate) fn remove(&mut self, id: PipeId) {
        self.deactivate(id);
        if let Some(place) = self.places.get_mut(id.index()) {
            *place = None;
        }
    }

    /// Puts a pipe at the end of the round, unless it has a turn in it already.
    #[inline]
    pub(crate) fn activate(&mut self, id: PipeId) {
        if let Some(Some(place)) = self.places.get(id.index())
            && !place.active
        {
            self.link(id);
        }
    }

    /// Activates those pipes that `wanted` says.
    pub(crate) fn activate_where(&mut self, mut wanted: impl FnMut(PipeId) -> bool) {
        for index in 0..self.places.len() {
            if let Some(Place {
                next: id,
                active: false,
                ..
            }) = self.places[index]
                && wanted(id)
            {
                self.link(id);
            }
        }
    }

    /// Leaves a pipe out until it is activated. If it was its turn, the next one has it.
    pub(crate) fn deactivate(&mut self, id: PipeId) {
        let Some(Some(place)) = self.places.get_mut(id.index()) else {
            return;
        };
        let Place {
            next,
            previous,
            active: true,
        } = *place
        else {
            return;
        };
        *place = Place {
            next: id,
            previous: id,
            active: false,
        };
        self.active -= 1;
        self.join(previous, next);
        if self.current == Some(id) {
            self.current = (next != id).then_some(next);
        }
    }

    /// Gives the turn to the next pipe.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        if self.active > 1
            && let Some(id) = self.current
            && let Some(place) = self.places[id.index()]
        {
            self.current = Some(place.next);
        }
    }

    /// Whose turn it is.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<PipeId> {
        self.current
    }

    /// How many take turns.
    #[inline]
    pub(crate) fn active(&self) -> usize {
        self.active
    }

    /// The active pipe, if there is only one.
    #[inline(always)]
    pub(crate) fn only(&self) -> Option<PipeId> {
        self.current.filter(|_| self.active == 1)
    }

    /// Puts a pipe into the ring, before the current one.
    fn link(&mut self, id: PipeId) {
        self.active += 1;
        let next = *self.current.get_or_insert(id);
        let previous = self.places[next.index()].map_or(id, |place| place.previous);
        self.places[id.index()] = Some(Place {
            next,
            previous,
            active: true,
        });
        self.join(previous, id);
        self.join(id, next);
    }

    /// Makes two pipes neighbours.
    fn join(&mut self, previous: PipeId, next: PipeId) {
        if let Some(place) = &mut self.places[previous.index()] {
            place.next = next;
        }
        if let Some(place) = &mut self.places[next.index()] {
            place.previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ferromq_pipe::PipeId;

    use super::Rotation;
    use crate::testing::{Random, names};

    /// Whoever was left out may have another turn in the same round.
    fn forget(oracle: &mut BTreeMap<PipeId, (bool, Vec<PipeId>)>, id: PipeId) {
        oracle
            .values_mut()
            .for_each(|(_, turns)| turns.retain(|&other| other != id));
    }

    #[test]
    fn whatever_happens_every_active_pipe_has_one_turn_a_round() {
        let mut random = Random(7);
        let ids = names(8);
        let mut rotation = Rotation::default();
        // Whether each is active, and who has had a turn since it last had one.
        let mut oracle = BTreeMap::new();
        for _ in 0..100_000 {
            let id = ids[random.below(ids.len())];
            let before = rotation.current();
            match random.below(10) {
                0 => {
                    rotation.insert(id);
                    oracle.entry(id).or_insert((true, Vec::new())).0 = true;
                }
                1 => {
                    rotation.remove(id);
                    oracle.remove(&id);
                    forget(&mut oracle, id);
                }
                2 => {
                    rotation.deactivate(id);
                    oracle
                        .entry(id)
                        .and_modify(|entry| *entry = (false, Vec::new()));
                    forget(&mut oracle, id);
                }
                3 => {
                    rotation.activate(id);
                    oracle.entry(id).and_modify(|entry| entry.0 = true);
                }
                4 => {
                    rotation.activate_where(|other| other < id);
                    oracle.range_mut(..id).for_each(|(_, entry)| entry.0 = true);
                }
                _ => {
                    let Some(id) = before else { continue };
                    rotation.advance();
                    for (active, turns) in oracle.values_mut() {
                        if *active {
                            assert!(!turns.contains(&id), "two turns before another has one");
                            turns.push(id);
                        }
                    }
                    oracle.entry(id).and_modify(|entry| entry.1.clear());
                    continue;
                }
            }
            let active = oracle.values().filter(|entry| entry.0).count();
            assert_eq!(rotation.active, active);
            assert_eq!(rotation.places.iter().flatten().count(), oracle.len());
            assert_eq!(rotation.only().is_some(), active == 1);
            if before.is_some_and(|current| oracle.get(&current).is_some_and(|entry| entry.0)) {
                assert_eq!(rotation.current(), before, "the turn is not taken away");
            }
            let round: BTreeSet<_> = (0..active)
                .filter_map(|_| {
                    let id = rotation.current();
                    rotation.advance();
                    id
                })
                .collect();
            assert_eq!(round.len(), active);
        }
    }
}
