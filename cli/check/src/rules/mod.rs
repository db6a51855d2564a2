//! The rules: one file a family, one row a rule.

mod calls;
mod events;
mod flows;
mod grants;
mod queues;
mod sagas;
mod template;

use crate::finding::{Notes, Severity};
use crate::model::Model;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// By what name it is found, and allowed.
    pub name: &'static str,
    /// How bad what it finds is, at most.
    pub severity: Severity,
    /// What goes wrong.
    pub wrong: &'static str,
    /// Where that is known from.
    pub source: &'static str,
    /// What to do.
    pub fix: &'static str,
    pub(crate) check: fn(&Model, &mut Notes<'_>),
}

/// All rules.
pub static RULES: [&Rule; 18] = [
    &queues::HANDLING_WITHOUT_DEAD_LETTERS,
    &queues::DELIVERY_WITHOUT_DEAD_LETTERS,
    &queues::NO_PARTIAL_BATCHES,
    &queues::SHORT_VISIBILITY,
    &queues::FEW_RECEIVES,
    &calls::CONSTANT_MESSAGE_GROUP,
    &events::HEARS_ITSELF,
    &events::NOBODY_SAYS,
    &events::NOBODY_HEARS,
    &events::HEARD_TWICE,
    &grants::PUTS_EVENTS_ANYWHERE,
    &flows::CATCH_LOSES_INPUT,
    &flows::RESULT_OVERWRITES_INPUT,
    &flows::POLL_WITHOUT_BOUND,
    &sagas::STEP_UNGUARDED,
    &sagas::BRANCH_NOT_UNDONE,
    &template::NOT_READ,
    &template::UNCLEAR_METADATA,
];

/// The rule called `name`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Rule> {
    RULES.into_iter().find(|it| it.name == name)
}
