//! What cases took of a definition, all together.

use crate::model::StateMachine;
use crate::taken::{Possible, Taken, Way};
use std::collections::HashMap;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// States that were entered.
    States,
    /// Retriers: tried again, and at the end of their attempts.
    Retriers,
    /// Catchers.
    Catchers,
    /// Choice rules, and each `Default`.
    Choices,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::States, Self::Retriers, Self::Catchers, Self::Choices];

    /// As it is told.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::States => "states",
            Self::Retriers => "retriers",
            Self::Catchers => "catchers",
            Self::Choices => "choices",
        }
    }

    /// What a way counts to; `Next` and `End` are the state's, and count nowhere.
    fn of(way: Way) -> Option<Self> {
        match way {
            Way::Entered => Some(Self::States),
            Way::Retried(_) | Way::Exhausted(_) => Some(Self::Retriers),
            Way::Caught(_) => Some(Self::Catchers),
            Way::Rule(_) | Way::Default => Some(Self::Choices),
            Way::Next | Way::End => None,
        }
    }
}

/// One thing that is counted.
#[derive(Debug, Clone)]
pub struct Covered {
    /// The way.
    pub possible: Possible,
    /// What it counts to.
    pub family: Family,
    /// How often it was taken.
    pub times: u64,
}

impl std::fmt::Display for Covered {
    /// What it is, for those that were not reached.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Possible {
            state, way, errors, ..
        } = &self.possible;
        let errors = errors.join(", ");
        match way {
            Way::Entered => write!(f, "state {state}"),
            Way::Retried(_) => write!(f, "{state} tried again after {errors}"),
            Way::Exhausted(_) => write!(f, "{state} given up after {errors}"),
            Way::Caught(_) => write!(f, "{state} caught {errors}"),
            Way::Rule(at) => write!(f, "{state} chose by rule {at}"),
            Way::Default => write!(f, "{state} chose its default"),
            Way::Next | Way::End => write!(f, "{state} went on"),
        }
    }
}

/// What was taken of a definition.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// Everything that is counted, in the definition's order.
    pub all: Vec<Covered>,
}

impl Coverage {
    /// What `executions` took of `machine`.
    #[must_use]
    pub fn of<'a>(
        machine: &StateMachine,
        executions: impl IntoIterator<Item = &'a [Taken]>,
    ) -> Self {
        let mut times: HashMap<(&str, Way), u64> = HashMap::new();
        for taken in executions.into_iter().flatten() {
            *times.entry((&*taken.state, taken.way)).or_default() += 1;
        }
        let all = machine.ways().into_iter().filter_map(|possible| {
            let family = Family::of(possible.way)?;
            let times = times.get(&(&*possible.state, possible.way));
            Some(Covered {
                family,
                times: times.copied().unwrap_or_default(),
                possible,
            })
        });
        Self { all: all.collect() }
    }

    /// How many were reached, and of how many; of one family, or of all.
    #[must_use]
    pub fn counts(&self, family: Option<Family>) -> (usize, usize) {
        let of = || {
            let all = self.all.iter();
            all.filter(move |it| family.is_none_or(|family| it.family == family))
        };
        (of().filter(|it| it.times > 0).count(), of().count())
    }

    /// How many of a hundred were reached.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let (reached, all) = self.counts(None);
        match all {
            0 => 100.0,
            all => reached as f64 * 100.0 / all as f64,
        }
    }

    /// What was not reached, in the definition's order.
    pub fn missed(&self) -> impl Iterator<Item = &Covered> {
        self.all.iter().filter(|it| it.times == 0)
    }
}
