//! Whether fields hold together: a choice of one value for each, all within the same array elements.
//!
//! Two searches with one answer. The first just tries, which is quickest for nearly all events, and gives up after
//! [`TRIES`] values. The second remembers what it has tried: whether the fields from the n-th on hold depends only on the
//! elements settled on of those arrays that they have values in, so no such state is tried twice; and from a value that
//! contradicts what is settled it jumps to the next that does not. Since an event is a tree, there are at most as many
//! states as fields times array elements, and the work grows with the event and not with the product of its arrays.
//! (Dotted names such as `{"a.b": [..], "a": {"b": [..]}}` can give one field several arrays side by side; then the bound
//! is the product of these.)
//!
//! This module must not know operators or how patterns are written.

use rustc_hash::FxHashSet;

use crate::event::{Choice, Leaf, Leaves, Settled};
use crate::pattern::FieldTest;

/// Values that the first search looks at before it gives way to the second.
const TRIES: u64 = 64;

/// What was tried without success: a field's position, and the elements that matter from there on.
type Tried = FxHashSet<(usize, Box<[Choice]>)>;

/// A search in the leaves of one event.
pub(crate) struct Search<'l, 'e> {
    leaves: &'l Leaves<'e>,
    settled: Settled,
    /// Values that the first search may look at.
    tries: u64,
    steps: u64,
}

impl<'l, 'e> Search<'l, 'e> {
    pub(crate) fn new(leaves: &'l Leaves<'e>) -> Self {
        Self {
            leaves,
            settled: Settled::new(),
            tries: TRIES,
            steps: 0,
        }
    }

    /// Without the first search: what is true of the second can be seen at small events too.
    pub(crate) fn remembering(leaves: &'l Leaves<'e>) -> Self {
        Self {
            tries: 0,
            ..Self::new(leaves)
        }
    }

    /// How many values were looked at so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether the fields hold together.
    pub(crate) fn hold(&mut self, fields: &[FieldTest]) -> bool {
        self.settled.clear();
        if !self.leaves.within_arrays() {
            return self.try_all(fields, u64::MAX).unwrap_or(false);
        }
        // One field that no element satisfies spares the search.
        for field in fields {
            if field.takes_absence() {
                continue;
            }
            let mut looked = 0;
            let holds = self.leaves.of(field.field).any(|leaf| {
                looked += 1;
                field.accepts(leaf.value)
            });
            self.steps += looked;
            if !holds {
                return false;
            }
        }
        let limit = self.steps + self.tries;
        if let Some(holds) = self.try_all(fields, limit) {
            return holds;
        }
        self.settled.clear();
        let lists: Vec<Vec<Leaf<'e>>> = fields
            .iter()
            .map(|field| {
                let mut list: Vec<_> = self.leaves.of(field.field).collect();
                list.reverse();
                list
            })
            .collect();
        let mut last = vec![0; self.leaves.arrays()];
        for (at, list) in lists.iter().enumerate() {
            for leaf in list {
                self.steps += 1;
                for array in self.leaves.around(*leaf) {
                    last[array as usize] = at;
                }
            }
        }
        self.remember(fields, &lists, &last, 0, &mut Tried::default())
    }

    /// The plain search; no answer once it has looked at `limit` values.
    fn try_all(&mut self, fields: &[FieldTest], limit: u64) -> Option<bool> {
        let Some((field, others)) = fields.split_first() else {
            return Some(true);
        };
        let before = self.settled.len();
        let mut present = false;
        for leaf in self.leaves.of(field.field) {
            self.steps += 1;
            if self.steps > limit {
                return None;
            }
            if self.leaves.settle(leaf, &mut self.settled) {
                present = true;
                if field.accepts(leaf.value) {
                    if self.try_all(others, limit)? {
                        return Some(true);
                    }
                    if self.settled.len() == before && nothing_absent(others) {
                        // This leaf bound no array element, so no other leaf leaves the other fields more freedom.
                        return Some(false);
                    }
                }
            }
            self.settled.truncate(before);
        }
        if present || !field.takes_absence() {
            return Some(false);
        }
        self.try_all(others, limit)
    }

    /// The search that tries nothing twice. `last` has, for each array, the last field with a value in it.
    fn remember(
        &mut self,
        fields: &[FieldTest],
        lists: &[Vec<Leaf<'e>>],
        last: &[usize],
        at: usize,
        tried: &mut Tried,
    ) -> bool {
        let Some(field) = fields.get(at) else {
            return true;
        };
        let mut matters: Vec<Choice> = self
            .settled
            .iter()
            .filter(|choice| last[choice.array as usize] >= at)
            .copied()
            .collect();
        matters.sort_unstable_by_key(|choice| choice.array);
        if !tried.insert((at, matters.into())) {
            return false;
        }
        let before = self.settled.len();
        let list = &lists[at];
        let mut present = false;
        let mut next = 0;
        while let Some(leaf) = list.get(next) {
            self.steps += 1;
            if let Some(beyond) = self.leaves.beyond(*leaf, &self.settled) {
                next += list[next..].partition_point(|leaf| leaf.at < beyond);
                continue;
            }
            next += 1;
            present = true;
            if !field.accepts(leaf.value) {
                continue;
            }
            let fits = self.leaves.settle(*leaf, &mut self.settled);
            let holds = fits && self.remember(fields, lists, last, at + 1, tried);
            let free = fits && self.settled.len() == before && nothing_absent(&fields[at + 1..]);
            self.settled.truncate(before);
            if holds {
                return true;
            }
            if free {
                return false;
            }
        }
        !present && field.takes_absence() && self.remember(fields, lists, last, at + 1, tried)
    }
}

/// Whether none of the fields may hold by being absent, for which an element settled on can only help.
fn nothing_absent(fields: &[FieldTest]) -> bool {
    !fields.iter().any(FieldTest::takes_absence)
}
