//! The rules of a template, without deploying it: any template, not only ours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use duet_check::{BusRule, rules_of};

use crate::terminal::exit::{Outcome, Problem};

/// A template, and the parameters that it would be deployed with.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its file.
    pub path: PathBuf,
    /// Parameters in place of its defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Template {
    /// Its rules, at least one.
    ///
    /// # Errors
    /// [`Problem`] when it is no template, or has no such parameter, or no rule.
    pub(super) fn rules(&self) -> Outcome<Vec<BusRule>> {
        let read = |path: &std::path::Path| std::fs::read_to_string(path);
        let rules = rules_of(&self.path, &self.parameters, &read).map_err(Problem::usage)?;
        if rules.is_empty() {
            let why = format!("{} has no rule", self.path.display());
            return Err(Problem::usage(why).hint(
                "a rule is an AWS::Events::Rule, or an event of a SAM function of type EventBridgeRule",
            ));
        }
        Ok(rules)
    }

    /// The rule called `name`.
    ///
    /// # Errors
    /// As [`Self::rules`], and when there is none of that name.
    pub(super) fn rule(&self, name: &str) -> Outcome<BusRule> {
        let rules = self.rules()?;
        let known: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
        let found = rules.into_iter().find(|rule| rule.name == name);
        found.ok_or_else(|| {
            let why = format!("{} has no rule {name}", self.path.display());
            Problem::usage(why).hint(format!("it has {}", known.join(", ")))
        })
    }
}
