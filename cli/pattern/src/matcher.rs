//! Many patterns at once. See the crate's documentation for why this is not an automaton.

use rustc_hash::FxHashSet;
use serde_json::Value;

use crate::event::{FieldId, Paths};
use crate::index::Index;
use crate::pattern::{FieldTest, Pattern};
use crate::search::Search;

/// Patterns compiled together, each under a key of the caller's (a rule's name, say).
#[derive(Debug, Clone)]
pub struct Matcher<K> {
    keys: Vec<K>,
    paths: Paths,
    candidates: Vec<Candidate>,
    /// Candidates by what they need in one field.
    indexes: Vec<Index>,
    /// Candidates that hold without any value, and are always tried.
    always: Vec<u32>,
}

/// One alternative of one pattern.
#[derive(Debug, Clone)]
struct Candidate {
    key: u32,
    fields: Vec<FieldTest>,
}

/// Small numbers, each there or not.
struct Bits(Vec<u64>);

impl Bits {
    fn new(most: usize) -> Self {
        Self(vec![0; most.div_ceil(64)])
    }

    /// Whether it was not there yet.
    fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = (&mut self.0[number as usize / 64], 1 << (number % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn contains(&self, number: u32) -> bool {
        self.0[number as usize / 64] & (1 << (number % 64)) != 0
    }

    /// All that are there, in order.
    fn into_numbers(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

impl<K> Default for Matcher<K> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            paths: Paths::default(),
            candidates: Vec::new(),
            indexes: Vec::new(),
            always: Vec::new(),
        }
    }
}

impl<K> Matcher<K> {
    /// A matcher without rules, which nothing matches.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern. Keys need not be unique: each added pattern answers for itself.
    pub fn add(&mut self, key: K, pattern: &Pattern) {
        let key_at = to_u32(self.keys.len());
        self.keys.push(key);
        for alternative in &pattern.alternatives {
            let mut fields = alternative.fields.clone();
            for field in &mut fields {
                field.field = self.paths.add(&field.path);
            }
            let at = to_u32(self.candidates.len());
            match self.most_selective(&fields) {
                Some(field) => {
                    let index = self.index_of(field.field);
                    self.indexes[index].enter(&field.tests, at);
                }
                None => self.always.push(at),
            }
            self.candidates.push(Candidate {
                key: key_at,
                fields,
            });
        }
    }

    /// How many patterns were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of the patterns that the event matches, in the order in which they were added.
    #[must_use]
    pub fn matches(&self, event: &Value) -> Vec<&K> {
        if !event.is_object() {
            return Vec::new();
        }
        let leaves = self.paths.leaves(event);
        let mut search = Search::new(&leaves);
        let mut found = Bits::new(self.keys.len());
        let mut tried = Bits::new(self.candidates.len());
        let mut try_candidate = |at: u32| {
            let candidate = &self.candidates[at as usize];
            if tried.insert(at) && !found.contains(candidate.key) && search.hold(&candidate.fields)
            {
                found.insert(candidate.key);
            }
        };
        self.always.iter().for_each(|at| try_candidate(*at));
        for index in &self.indexes {
            let mut seen: FxHashSet<&str> = FxHashSet::default();
            for (nth, leaf) in leaves.of(index.field).enumerate() {
                if let Value::String(text) = leaf.value {
                    // A text that comes again leads to the same candidates; one value needs no looking back.
                    if (nth > 0 || leaf.has_more()) && !seen.insert(text) {
                        continue;
                    }
                }
                index.follow(leaf.value, &mut try_candidate);
            }
        }
        found
            .into_numbers()
            .filter_map(|key| self.keys.get(key))
            .collect()
    }

    /// The same for an event that is text, of which only what some pattern asks about is read.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn matches_text(&self, event: &str) -> serde_json::Result<Vec<&K>> {
        self.paths.read(event).map(|event| self.matches(&event))
    }

    /// The field through which fewest events (judged by the rules added so far) lead to this alternative for nothing.
    fn most_selective<'f>(&self, fields: &'f [FieldTest]) -> Option<&'f FieldTest> {
        fields
            .iter()
            .filter(|field| !field.takes_absence())
            .min_by_key(|field| {
                let index = self.indexes.iter().find(|index| index.field == field.field);
                Index::crowd(index, &field.tests)
            })
    }

    fn index_of(&mut self, field: FieldId) -> usize {
        let known = self.indexes.iter().position(|index| index.field == field);
        known.unwrap_or_else(|| {
            self.indexes.push(Index::new(field));
            self.indexes.len() - 1
        })
    }
}

impl<K> Extend<(K, Pattern)> for Matcher<K> {
    fn extend<I: IntoIterator<Item = (K, Pattern)>>(&mut self, rules: I) {
        for (key, pattern) in rules {
            self.add(key, &pattern);
        }
    }
}

impl<K> FromIterator<(K, Pattern)> for Matcher<K> {
    fn from_iter<I: IntoIterator<Item = (K, Pattern)>>(rules: I) -> Self {
        let mut matcher = Self::new();
        matcher.extend(rules);
        matcher
    }
}

/// Positions are kept in 32 bits, for the cache's sake; four thousand million rules would not fit in memory anyway.
fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
