//! A parsed pattern: alternatives (one, unless `$or` makes more), each a list of fields that must all hold.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use crate::dialect::Dialect;
use crate::error::PatternError;
use crate::event::{FieldId, Leaves, Paths};
use crate::operator::{Operator, Test};
use crate::parse;
use crate::search::Search;

/// An event pattern that EventBridge would take.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(crate) paths: Paths,
    pub(crate) alternatives: Vec<Alternative>,
}

/// Fields that must hold together, in the order of their paths: Event Ruler goes through them in that order, and what
/// `exists: false` sees depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Alternative {
    pub(crate) fields: Vec<FieldTest>,
}

/// A field and the tests of which one must hold.
#[derive(Debug, Clone)]
pub(crate) struct FieldTest {
    pub(crate) path: Arc<str>,
    pub(crate) field: FieldId,
    pub(crate) tests: Arc<[Test]>,
}

impl Pattern {
    /// Parses an EventBridge pattern.
    ///
    /// # Errors
    /// What EventBridge refuses, with the reason and the place.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parse_in(&Dialect::EVENT_BRIDGE, text)
    }

    /// Parses an EventBridge pattern that is JSON already, such as a rule's `EventPattern` in a template. Duplicate keys
    /// are lost before this can see them.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn from_value(value: &Value) -> Result<Self, PatternError> {
        Self::parse(&value.to_string())
    }

    /// Parses a pattern of another dialect.
    ///
    /// # Errors
    /// What that service refuses, with the reason and the place.
    pub fn parse_in(dialect: &Dialect, text: &str) -> Result<Self, PatternError> {
        let alternatives = parse::alternatives(dialect, text)?;
        let mut paths = Paths::default();
        let alternatives = alternatives
            .into_iter()
            .map(|fields: BTreeMap<Arc<str>, Arc<[Test]>>| Alternative {
                fields: fields
                    .into_iter()
                    .map(|(path, tests)| FieldTest {
                        field: paths.add(&path),
                        path,
                        tests,
                    })
                    .collect(),
            })
            .collect();
        Ok(Self {
            paths,
            alternatives,
        })
    }

    /// Whether the event matches. For many patterns or events, [`Matcher`](crate::Matcher) is the faster way.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        if !event.is_object() {
            return false;
        }
        let leaves = self.paths.leaves(event);
        self.held_by(&mut Search::new(&leaves))
    }

    /// The same, found by the search that large arrays need, and how many values it looked at: for tests of how the work
    /// grows with the event.
    #[must_use]
    pub fn matches_counting(&self, event: &Value) -> (bool, u64) {
        if !event.is_object() {
            return (false, 0);
        }
        let leaves = self.paths.leaves(event);
        let mut search = Search::remembering(&leaves);
        (self.held_by(&mut search), search.steps())
    }

    fn held_by(&self, search: &mut Search<'_, '_>) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| search.hold(&alternative.fields))
    }

    /// The dotted paths of the fields that the pattern looks at, sorted, each once.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let mut fields: Vec<&str> = self
            .alternatives
            .iter()
            .flat_map(|alternative| alternative.fields.iter().map(|field| &*field.path))
            .collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl FieldTest {
    /// Whether the field holds, looked at alone: for some value, or by having none.
    pub(crate) fn holds_alone(&self, leaves: &Leaves<'_>) -> bool {
        let mut values = leaves.of(self.field).peekable();
        if values.peek().is_none() {
            return self.takes_absence();
        }
        values.any(|leaf| self.accepts(leaf.value))
    }

    pub(crate) fn accepts(&self, value: &Value) -> bool {
        self.tests.iter().any(|test| test.operator.accepts(value))
    }

    pub(crate) fn takes_absence(&self) -> bool {
        self.tests
            .iter()
            .any(|test| test.operator == Operator::Absent)
    }
}
