//! Events tried on rules: those of the shop's bus, or those of a template.

use std::path::Path;

use duet_pattern::{Explanation, Pattern, explain};
use serde::Serialize;
use serde_json::Value;

use super::{Template, list, why_not};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::port::bus::BusTools;

/// How rules take events.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Tested {
    /// One event.
    One {
        /// One row for each rule: those that match, then those that nearly do.
        rules: Vec<Verdict>,
    },
    /// Several.
    Several {
        /// How many.
        events: usize,
        /// One row for each rule: those that match most, then those that nearly match one.
        rules: Vec<Count>,
        /// The events that no rule takes, from 1.
        taken_by_none: Vec<usize>,
    },
}

/// How one rule takes an event.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The rule.
    pub name: String,
    /// Whether the event matches.
    pub matches: bool,
    /// Why not: the fields that do not hold.
    pub why_not: String,
    #[serde(skip)]
    far: Far,
}

/// How one rule takes several events.
#[derive(Debug, Serialize)]
pub struct Count {
    /// The rule.
    pub name: String,
    /// How many match.
    pub matches: usize,
    /// Of those that do not, the nearest: which it is, from 1.
    pub nearest: Option<usize>,
    /// Why that one does not.
    pub why_not: String,
    #[serde(skip)]
    far: Far,
}

/// How far an event is from a match: the fields that do not hold, and how many do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Far {
    missing: usize,
    holding: std::cmp::Reverse<usize>,
}

/// A rule's name and its pattern, or a word for why the pattern may be another.
struct Rule {
    name: String,
    pattern: Pattern,
    doubt: &'static str,
}

/// Tries the events in `file` against every rule of the shop's bus.
///
/// # Errors
/// [`Problem`] when one is no event, or the bus does not answer.
pub async fn test<W: BusTools>(world: &W, file: &Path) -> Outcome<Tested> {
    let events = events(file)?;
    let read = |rule: super::Rule| {
        let pattern = Pattern::from_value(&rule.pattern).map_err(|e| {
            Problem::environment(format!("rule {}: its pattern is refused: {e}", rule.name))
        })?;
        Ok(Rule {
            name: rule.name,
            pattern,
            doubt: "",
        })
    };
    let rules = list(world).await?.rules.into_iter().map(read);
    Ok(tried(&rules.collect::<Outcome<Vec<_>>>()?, &events))
}

/// Tries the events in `file` against every rule of a template that has a pattern.
///
/// # Errors
/// [`Problem`] when one is no event, there is no rule, or EventBridge would refuse a pattern.
pub fn test_template(template: &Template, file: &Path) -> Outcome<Tested> {
    let events = events(file)?;
    let mut rules = Vec::new();
    for rule in template.rules()? {
        let Some(pattern) = &rule.pattern else {
            continue;
        };
        let pattern = Pattern::from_value(pattern).map_err(|e| {
            Problem::usage(format!("{}:{}: {}: {e}", rule.file, rule.line, rule.name))
        })?;
        let doubt = if rule.is_doubtful {
            "a part of the pattern is known only once it is deployed; "
        } else {
            ""
        };
        rules.push(Rule {
            name: rule.name,
            pattern,
            doubt,
        });
    }
    Ok(tried(&rules, &events))
}

/// The events in a file: one, a list, or one a line. What lacks `source` or
/// `detail-type` no rule ever sees.
fn events(file: &Path) -> Outcome<Vec<Value>> {
    let name = file.display().to_string();
    let events: Vec<Value> = read::all(&read::text(file)?, &name)?;
    for (n, event) in events.iter().enumerate() {
        for member in ["source", "detail-type"] {
            if event.get(member).is_none() {
                let entry = match events.len() {
                    1 => String::new(),
                    _ => format!(", entry {}", n + 1),
                };
                let why = format!("{name}{entry}: an event has a member {member}");
                return Err(Problem::usage(why).hint(
                    "`duet events tail --output json` shows whole events; `duet rules match` takes any document",
                ));
            }
        }
    }
    Ok(events)
}

fn tried(rules: &[Rule], events: &[Value]) -> Tested {
    if let [event] = events {
        let verdict = |rule: &Rule| {
            let explained = explain(&rule.pattern, event);
            Verdict {
                name: rule.name.clone(),
                matches: explained.matches,
                why_not: rule.why_not(&explained),
                far: far(&explained),
            }
        };
        let mut rules: Vec<Verdict> = rules.iter().map(verdict).collect();
        rules.sort_by(|a, b| (!a.matches, a.far, &a.name).cmp(&(!b.matches, b.far, &b.name)));
        return Tested::One { rules };
    }
    let mut taken = vec![false; events.len()];
    let mut count = |rule: &Rule| {
        let mut count = Count {
            name: rule.name.clone(),
            matches: 0,
            nearest: None,
            why_not: String::new(),
            far: Far::default(),
        };
        for (n, event) in events.iter().enumerate() {
            let explained = explain(&rule.pattern, event);
            let far = far(&explained);
            if explained.matches {
                taken[n] = true;
                count.matches += 1;
            } else if count.nearest.is_none() || far < count.far {
                count.nearest = Some(n + 1);
                count.why_not = rule.why_not(&explained);
                count.far = far;
            }
        }
        count
    };
    let mut rules: Vec<Count> = rules.iter().map(&mut count).collect();
    let order = |it: &Count| (std::cmp::Reverse(it.matches), it.far);
    rules.sort_by(|a, b| (order(a), &a.name).cmp(&(order(b), &b.name)));
    let none = taken.iter().enumerate().filter(|(_, taken)| !**taken);
    Tested::Several {
        events: events.len(),
        rules,
        taken_by_none: none.map(|(n, _)| n + 1).collect(),
    }
}

impl Rule {
    fn why_not(&self, explained: &Explanation) -> String {
        match explained.matches {
            true => String::new(),
            false => format!("{}{}", self.doubt, why_not(explained)),
        }
    }
}

/// How far the nearest alternative is.
fn far(explained: &Explanation) -> Far {
    let Some(nearest) = explained.alternatives.first() else {
        return Far::default();
    };
    let holding = nearest.fields.iter().filter(|field| field.holds).count();
    Far {
        missing: nearest.fields.len() - holding,
        holding: std::cmp::Reverse(holding),
    }
}

impl Report for Tested {
    fn text(&self) -> String {
        match self {
            Self::One { rules } => {
                let mut rows = table([
                    table::word("RULE"),
                    table::word("MATCH").states(),
                    table::prose("WHY NOT"),
                ]);
                for rule in rules {
                    let word = if rule.matches { "match" } else { "no" };
                    rows.add_row([rule.name.as_str(), word, &rule.why_not]);
                }
                rows.text()
            }
            Self::Several {
                events,
                rules,
                taken_by_none,
            } => {
                let mut rows = table([
                    table::word("RULE"),
                    table::word("MATCHES"),
                    table::word("NEAREST"),
                    table::prose("WHY NOT"),
                ]);
                for rule in rules {
                    rows.add_row([
                        rule.name.clone(),
                        rule.matches.to_string(),
                        rule.nearest.map_or_else(String::new, |n| n.to_string()),
                        rule.why_not.clone(),
                    ]);
                }
                let none: Vec<String> = taken_by_none.iter().map(ToString::to_string).collect();
                let none = match none.as_slice() {
                    [] => format!("{events} events, each taken by some rule"),
                    some => format!("{events} events, taken by no rule: {}", some.join(", ")),
                };
                format!("{}\n\n{none}", rows.text())
            }
        }
    }

    fn exit(&self) -> Exit {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(name: &str, pattern: Value) -> Rule {
        Rule {
            name: name.to_owned(),
            pattern: Pattern::from_value(&pattern).unwrap(),
            doubt: "",
        }
    }

    fn rules() -> [Rule; 3] {
        [
            rule("far", json!({"source": ["x"], "detail-type": ["y"]})),
            rule("near", json!({"source": ["shop"], "detail-type": ["y"]})),
            rule("taken", json!({"source": ["shop"]})),
        ]
    }

    #[test]
    fn of_one_event_what_nearly_matches_comes_before_what_does_not_at_all() {
        let event = json!({"source": "shop", "detail-type": "Paid"});
        let Tested::One { rules } = tried(&rules(), &[event]) else {
            panic!("one event is one");
        };
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["taken", "near", "far"]);
        assert!(rules[0].matches && rules[0].why_not.is_empty());
        assert_eq!(rules[1].why_not, r#"detail-type wants "y", has "Paid""#);
    }

    #[test]
    fn of_several_events_each_rule_has_its_count_and_its_nearest() {
        let events = [
            json!({"source": "other", "detail-type": "Paid"}),
            json!({"source": "other", "detail-type": "y"}),
            json!({"source": "shop", "detail-type": "y"}),
            json!({"source": "shop", "detail-type": "Paid"}),
        ];
        let tested = tried(&rules(), &events);
        let Tested::Several {
            rules,
            taken_by_none,
            ..
        } = &tested
        else {
            panic!("four events are several");
        };
        let told: Vec<_> = rules
            .iter()
            .map(|it| (it.name.as_str(), it.matches, it.nearest))
            .collect();
        assert_eq!(
            told,
            [
                ("taken", 2, Some(1)),
                ("near", 1, Some(2)),
                ("far", 0, Some(2))
            ]
        );
        assert_eq!(taken_by_none, &[1, 2]);
        assert!(tested.text().ends_with("4 events, taken by no rule: 1, 2"));
    }

    #[test]
    fn events_come_alone_as_a_list_or_by_the_line_and_are_events() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            events(&file)
        };
        let one = r#"{"source": "a", "detail-type": "b"}"#;
        assert_eq!(read(one).unwrap().len(), 1);
        assert_eq!(read(&format!("[{one}, {one}]")).unwrap().len(), 2);
        assert_eq!(read(&format!("{one}\n{one}\n{one}\n")).unwrap().len(), 3);
        let why = read(&format!("{one}\n{{\"source\": \"a\"}}")).unwrap_err();
        assert!(
            why.to_string()
                .contains("entry 2: an event has a member detail-type"),
            "{why}"
        );
        assert!(read("").is_err());
    }
}
