//! What services that share the pattern language may differ in.
//!
//! EventBridge is the only dialect so far. SNS filter policies use the same operators with other limits; they become a
//! second constant here. This module must not know how patterns are parsed or matched.

/// What to do with a field that a pattern names more than once on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Refuse the pattern, in the words of Event Ruler's strict mode.
    Refuse,
    /// Keep the last one, as the live `TestEventPattern` was seen to do. The earlier one is lost without a word.
    LastWins,
}

/// The limits and the vocabulary of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// The longest pattern, in characters, spaces between tokens not counted.
    pub max_characters: usize,
    /// The most combinations that the `$or`s of one pattern may multiply to.
    pub max_alternatives: usize,
    /// Whether a field may be named twice.
    pub duplicates: Duplicates,
    /// The operators that the service knows.
    pub operators: &'static [&'static str],
}

impl Dialect {
    /// EventBridge rules: 2,048 characters (service quota), 1,000 `$or` combinations (user guide), every operator.
    ///
    /// Duplicate fields are refused: a rule that drops half of what it says is never what its author meant. To judge a
    /// pattern as the live service does, set [`Duplicates::LastWins`].
    pub const EVENT_BRIDGE: Self = Self {
        max_characters: 2_048,
        max_alternatives: 1_000,
        duplicates: Duplicates::Refuse,
        operators: &[
            "exactly",
            "prefix",
            "suffix",
            "equals-ignore-case",
            "anything-but",
            "numeric",
            "exists",
            "wildcard",
            "cidr",
        ],
    };

    /// The same dialect with another answer to duplicate fields.
    #[must_use]
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }
}
