//! What a service decided.

use serde::Serialize;

use super::Announced;
use crate::time::is_far;
use crate::{Answer, CalledOff, Fact, Refusal, Reply, Timer, Timestamp, Vocabulary};

/// What a service decided: new state, and what is to be told to whom.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Decision<S> {
    /// The new state; `None` leaves it as it is.
    pub state: Option<S>,
    /// For whoever asked.
    pub answer: Answer,
    /// What happened.
    pub facts: Vec<Fact>,
    /// For the service itself, later.
    pub timers: Vec<Timer>,
    /// Timers that are not needed any more, see [`Decision::call_off`].
    pub called_off: Vec<CalledOff>,
    /// For an earlier asker.
    pub reply: Option<Reply>,
    /// What happened and is kept in the new state, see [`Decision::announce`].
    pub announced: Option<Announced>,
    /// Whether a repeat is to get this very outcome. `false` for a look that
    /// changed nothing and is to be taken afresh next time.
    pub keep: bool,
}

impl<S> Decision<S> {
    /// Done, with a reply for whoever asked.
    pub fn done(reply: impl Serialize) -> Self {
        Self::answer(Answer::Done(
            serde_json::to_value(reply).unwrap_or_default(),
        ))
    }

    /// The business says no.
    pub fn declined(refusal: Refusal) -> Self {
        Self::answer(Answer::Declined(refusal))
    }

    fn answer(answer: Answer) -> Self {
        Self {
            state: None,
            answer,
            facts: Vec::new(),
            timers: Vec::new(),
            called_off: Vec::new(),
            reply: None,
            announced: None,
            keep: true,
        }
    }

    /// … and the state is now `state`.
    pub fn state(self, state: S) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    /// … and `fact` happened.
    pub fn fact(mut self, fact: impl Into<Fact>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// … and `fact` happened, before all others; it is the answer, too. Its data
    /// is kept by the new state, in its `member`: as the text that is said, or
    /// as it is. The record keeps this decision's own answer, which is what is
    /// told when the state has the member no more.
    ///
    /// For a decision about one document, the first that the desk looks for.
    pub fn announce(self, member: &'static str, fact: impl Into<Fact>) -> Self {
        let fact = fact.into();
        Self {
            announced: Some(Announced { member, fact }),
            ..self
        }
    }

    /// … and `command` is to be handled at `due`.
    pub fn timer(mut self, due: Timestamp, command: &impl Vocabulary) -> Self {
        self.timers.push(Timer {
            due,
            command: command.name().to_owned(),
            data: command.data(),
        });
        self
    }

    /// … and `command`, which was set at `set` for `due`, is not needed any more.
    /// One that was never far off is left to come, and one that is due by `now`
    /// may have come: both do nothing then.
    ///
    /// Not kept: what is not called off, because whoever would died, does
    /// nothing either.
    pub fn call_off(
        mut self,
        set: Timestamp,
        due: Timestamp,
        now: Timestamp,
        command: &impl Vocabulary,
    ) -> Self {
        if is_far(set, due) && due > now {
            self.called_off.push(CalledOff {
                due,
                command: command.name(),
            });
        }
        self
    }

    /// … and an earlier asker, if there was one, gets `value`.
    pub fn reply(self, to: Option<String>, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        Self {
            reply: to.map(|to| Reply { to, value }),
            ..self
        }
    }

    /// … and a repeat decides anew.
    pub fn unkept(self) -> Self {
        Self {
            keep: false,
            ..self
        }
    }
}
