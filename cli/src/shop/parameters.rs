//! Parameters of the stack that the tool itself chooses, and those of before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::terminal::tell;

/// The parameters of a stack, by name.
pub type Parameters = BTreeMap<String, String>;

/// The parameter that says how far fraud detection is turned on.
pub const FRAUD: &str = "Fraud";

/// How far fraud detection is turned on: the parameter `Fraud`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fraud {
    /// Nothing of it exists.
    #[default]
    Off,
    /// It is there and hears, and nobody waits for it.
    Listening,
    /// New orders and customers wait for its word.
    On,
}

impl Fraud {
    /// What a stack's outputs say: `Fraud`, or `WithFraud` of one from before
    /// there were three states.
    #[must_use]
    pub fn of(output: impl Fn(&str) -> Option<String>) -> Option<Self> {
        match output("Fraud").or_else(|| output("WithFraud"))?.as_str() {
            "off" | "false" => Some(Self::Off),
            "listening" => Some(Self::Listening),
            "on" | "true" => Some(Self::On),
            _ => None,
        }
    }
}

impl Fraud {
    /// Whether a running shop may be turned `to` that at once. Between `off` and
    /// `on`, what was placed before is to be told from what comes after.
    #[must_use]
    pub fn is_step(self, to: Self) -> bool {
        !matches!((self, to), (Self::Off, Self::On) | (Self::On, Self::Off))
    }
}

impl std::fmt::Display for Fraud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Listening => "listening",
            Self::On => "on",
        })
    }
}

/// The patience of a world in which somebody waits to see a step given up.
pub const LITTLE_PATIENCE: (&str, &str) = ("PatienceSeconds", "8");

/// The same for workflows whose steps have a patience of their own, and logs by which
/// somebody sees how an execution went.
pub const WATCHED: [(&str, &str); 2] = [
    ("ExpressPatienceSeconds", LITTLE_PATIENCE.1),
    ("ExpressLogLevel", "ALL"),
];

/// Parameters that suit an emulator: little patience, nothing no emulator has,
/// and reviews short enough that one can be seen to run out.
pub const EMULATED: [(&str, &str); 5] = [
    ("Emulated", "true"),
    LITTLE_PATIENCE,
    WATCHED[0],
    WATCHED[1],
    ("ReviewSeconds", "30"),
];

/// The parameter that `Fraud` came in the place of.
const WITH_FRAUD: &str = "WithFraud";

/// Parameters of older versions that there are no more, and what became of them.
const GONE: [(&str, &str); 2] = [
    ("RetryBudget", WHAT_BECAME_OF_TRIES),
    ("BackoffSeconds", WHAT_BECAME_OF_TRIES),
];

/// What became of counting tries.
pub(crate) const WHAT_BECAME_OF_TRIES: &str = "RetryBudget and BackoffSeconds are no more: a failing step is tried for PatienceSeconds, by the clock, with waits of at most 10 s";

/// `parameters` as this version has them; says what became of those that there
/// are no more.
pub(crate) fn of_today(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let gone = |name: &str| GONE.iter().find(|(gone, _)| *gone == name);
    let became: BTreeSet<&str> = parameters
        .iter()
        .filter_map(|(name, _)| Some(gone(name)?.1))
        .collect();
    became.iter().for_each(|became| tell(became));
    let kept = parameters.iter().filter(|(name, _)| gone(name).is_none());
    let kept = kept.map(|(name, value)| match (name.as_str(), value.as_str()) {
        (WITH_FRAUD, "true" | "false") => {
            let fraud = if value == "true" { "on" } else { "off" };
            tell(&format!("{WITH_FRAUD}={value} is {FRAUD}={fraud} now"));
            (FRAUD.to_owned(), fraud.to_owned())
        }
        _ => (name.clone(), value.clone()),
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_before_are_read_as_what_became_of_them() {
        let given = [
            ("WithFraud", "false"),
            ("RetryBudget", "3"),
            ("ReviewSeconds", "30"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let today = [("Fraud", "off"), ("ReviewSeconds", "30")];
        let today = today.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(of_today(&given), today);
        // What it never was is left for the template to refuse.
        let other = [("WithFraud".to_owned(), "maybe".to_owned())];
        assert_eq!(of_today(&other), other);
    }
}
