//! Many patterns at once. See the crate's documentation for why this is not an automaton.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use crate::event::{FieldId, Paths};
use crate::operator::Operator;
use crate::pattern::{FieldTest, Pattern};
use crate::search::Search;

/// Patterns compiled together, each under a key of the caller's (a rule's name, say).
#[derive(Debug, Clone)]
pub struct Matcher<K> {
    keys: Vec<K>,
    paths: Paths,
    candidates: Vec<Candidate>,
    /// Candidates by the exact string they need in one field.
    by_text: Vec<Index>,
    /// Candidates that need no exact string anywhere, and are always tried.
    always: Vec<u32>,
}

/// The candidates that need one of some exact strings in one field.
#[derive(Debug, Clone)]
struct Index {
    field: FieldId,
    by_text: FxHashMap<Box<str>, Vec<u32>>,
}

/// One alternative of one pattern.
#[derive(Debug, Clone)]
struct Candidate {
    key: u32,
    fields: Vec<FieldTest>,
}

impl<K> Default for Matcher<K> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            paths: Paths::default(),
            candidates: Vec::new(),
            by_text: Vec::new(),
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
                Some((field, texts)) => {
                    let index = self.index_of(field);
                    for text in texts {
                        let found = self.by_text[index].by_text.entry(text).or_default();
                        // The same value may be listed twice in one pattern.
                        if found.last() != Some(&at) {
                            found.push(at);
                        }
                    }
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
        let mut found = Vec::new();
        if event.is_object() {
            let leaves = self.paths.leaves(event);
            let mut search = Search::new(&leaves);
            for &at in &self.always {
                self.try_candidate(at, &mut search, &mut found);
            }
            for index in &self.by_text {
                let mut seen: FxHashSet<&str> = FxHashSet::default();
                for (nth, leaf) in leaves.of(index.field).enumerate() {
                    let Value::String(text) = leaf.value else {
                        continue;
                    };
                    let Some(candidates) = index.by_text.get(text.as_str()) else {
                        continue;
                    };
                    // A text that comes again leads to the same candidates; one value needs no looking back.
                    if (nth > 0 || leaf.has_more()) && !seen.insert(text) {
                        continue;
                    }
                    for &at in candidates {
                        self.try_candidate(at, &mut search, &mut found);
                    }
                }
            }
            found.sort_unstable();
        }
        found
            .into_iter()
            .filter_map(|key| self.keys.get(key as usize))
            .collect()
    }

    /// The same for an event that is text, of which only what some pattern asks about is read.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn matches_text(&self, event: &str) -> serde_json::Result<Vec<&K>> {
        self.paths.read(event).map(|event| self.matches(&event))
    }

    fn try_candidate(&self, at: u32, search: &mut Search<'_, '_>, found: &mut Vec<u32>) {
        let candidate = &self.candidates[at as usize];
        if !found.contains(&candidate.key) && search.hold(&candidate.fields) {
            found.push(candidate.key);
        }
    }

    /// The field through which fewest events (judged by the rules added so far) lead to this alternative for nothing.
    fn most_selective(&self, fields: &[FieldTest]) -> Option<(FieldId, Vec<Box<str>>)> {
        fields
            .iter()
            .filter_map(|field| {
                let texts: Vec<Box<str>> = field
                    .tests
                    .iter()
                    .map(|test| match &test.operator {
                        Operator::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect::<Option<_>>()?;
                let index = self.by_text.iter().find(|index| index.field == field.field);
                let crowd_at = |text: &str| index?.by_text.get(text).map(Vec::len);
                let crowd = texts
                    .iter()
                    .filter_map(|text| crowd_at(text))
                    .max()
                    .unwrap_or(0);
                Some((crowd, texts.len(), field.field, texts))
            })
            .min_by_key(|(crowd, values, ..)| (*crowd, *values))
            .map(|(_, _, field, texts)| (field, texts))
    }

    fn index_of(&mut self, field: FieldId) -> usize {
        let known = self.by_text.iter().position(|index| index.field == field);
        known.unwrap_or_else(|| {
            self.by_text.push(Index {
                field,
                by_text: FxHashMap::default(),
            });
            self.by_text.len() - 1
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
