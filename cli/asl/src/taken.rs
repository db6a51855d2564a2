//! Which of its ways a machine has, and which of them an execution took.
//!
//! Owns the names of the ways. The interpreter records them where it takes them,
//! so a coverage that counts them guesses nothing.

use crate::model::{Kind, State, StateMachine};
use std::sync::Arc;

/// A way in, within or out of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The state was entered.
    Entered,
    /// By its `Next`.
    Next,
    /// By its `End`, or as a Succeed state ends its flow.
    End,
    /// By a Choice rule.
    Rule(usize),
    /// By a Choice's `Default`.
    Default,
    /// A retrier named the error, and the work is tried again.
    Retried(usize),
    /// A retrier named the error and had no attempt left; its `MaxAttempts` may be 0.
    Exhausted(usize),
    /// By a catcher.
    Caught(usize),
}

/// A way that an execution took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The state.
    pub state: Arc<str>,
    /// Which of its ways.
    pub way: Way,
    /// The state it led to, if it leads to another one.
    pub to: Option<Arc<str>>,
}

/// A way that a definition has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possible {
    /// The state.
    pub state: Arc<str>,
    /// Which of its ways.
    pub way: Way,
    /// Where it leads, if it leads to another state.
    pub to: Option<Arc<str>>,
    /// Where it is written, as AWS writes it: `/States/Ship/Catch[0]`.
    pub place: String,
    /// The errors a retrier or catcher names.
    pub errors: Vec<String>,
}

impl StateMachine {
    /// Every way of every state, in the order they are written. A retrier whose
    /// `MaxAttempts` is 0 has no [`Way::Retried`].
    #[must_use]
    pub fn ways(&self) -> Vec<Possible> {
        let mut all = Vec::new();
        for state in self.states.iter() {
            self.ways_of(state, &mut all);
        }
        all
    }

    fn ways_of(&self, state: &State, all: &mut Vec<Possible>) {
        let name = |id| self.state(id).name.clone();
        let mut add = |way, to, place: &str, errors: &[Box<str>]| {
            all.push(Possible {
                state: state.name.clone(),
                way,
                to,
                place: format!("{}{place}", state.place),
                errors: errors.iter().map(ToString::to_string).collect(),
            });
        };
        add(Way::Entered, None, "", &[]);
        for (i, retrier) in state.recovery.retry.iter().enumerate() {
            let place = format!("/Retry[{i}]");
            if retrier.max_attempts > 0 {
                add(Way::Retried(i), None, &place, &retrier.errors);
            }
            add(Way::Exhausted(i), None, &place, &retrier.errors);
        }
        for (i, catcher) in state.recovery.catch.iter().enumerate() {
            let place = format!("/Catch[{i}]");
            let to = Some(name(catcher.next));
            add(Way::Caught(i), to, &place, &catcher.errors);
        }
        match (&state.kind, state.next) {
            (Kind::Fail { .. }, _) => {}
            (Kind::Choice(choice), _) => {
                for (i, rule) in choice.rules.iter().enumerate() {
                    let to = Some(name(rule.next));
                    add(Way::Rule(i), to, &format!("/Choices[{i}]"), &[]);
                }
                if let Some(default) = choice.default {
                    add(Way::Default, Some(name(default)), "/Default", &[]);
                }
            }
            (_, Some(next)) => add(Way::Next, Some(name(next)), "/Next", &[]),
            (Kind::Succeed, None) => add(Way::End, None, "", &[]),
            (_, None) => add(Way::End, None, "/End", &[]),
        }
    }

    /// The states that the flows within the state called `name` begin with: of its
    /// branches, or of its iterations.
    #[must_use]
    pub fn within(&self, name: &str) -> Vec<&str> {
        let Some(state) = self.states.iter().find(|known| &*known.name == name) else {
            return Vec::new();
        };
        match &state.kind {
            Kind::Parallel { branches } => {
                branches.iter().map(|id| &*self.state(*id).name).collect()
            }
            Kind::Map(map) => vec![&*self.state(map.start).name],
            _ => Vec::new(),
        }
    }

    /// The state that an execution begins with.
    #[must_use]
    pub fn start(&self) -> &str {
        &self.state(self.start).name
    }
}
