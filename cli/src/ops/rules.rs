//! Event patterns and the deployed rules: does one match, which do, what their
//! targets receive, and who uses a field.

mod template;
mod tested;
mod transformed;

use duet_pattern::{Explanation, Pattern, explain};
use serde::Serialize;
use serde_json::{Value, json};

use crate::shop::contracts::fields::{schemas_with, within};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::{Format, Report, print};
use crate::terminal::table::{self, table};
use crate::world::port::bus::BusTools;
pub use crate::world::port::bus::Rule;

pub use self::template::Template;
pub use self::tested::{Tested, test, test_template};
pub use self::transformed::{Targets, Transformed, transform};

fn event(file: &std::path::Path) -> Outcome<Value> {
    serde_json::from_str(&read::text(file)?)
        .map_err(|e| Problem::usage(format!("{} is no JSON: {e}", file.display())))
}

/// Matches one event against one pattern.
///
/// # Errors
/// [`Problem`] with the reason when the pattern is refused, or a file is no JSON.
pub fn matches(
    pattern: &std::path::Path,
    event_file: &std::path::Path,
    format: Format,
) -> Outcome<Exit> {
    let parsed = Pattern::parse(&read::text(pattern)?)
        .map_err(|e| Problem::usage(format!("{}: {e}", pattern.display())))?;
    let event = event(event_file)?;
    print(&Matched(explain(&parsed, &event)), format)
}

/// The rules of the shop's bus.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// One row each.
    pub rules: Vec<Rule>,
}

/// Reads the rules of the shop's bus.
///
/// # Errors
/// [`Problem`] when there is no bus on this stack, or it does not answer.
pub async fn list<W: BusTools>(world: &W) -> Outcome<Listed> {
    let mut rules = world.rules().await?;
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listed { rules })
}

/// The fields of the nearest alternative that do not hold.
fn why_not(explained: &Explanation) -> String {
    let Some(nearest) = explained.alternatives.first().filter(|a| !a.holds) else {
        return String::new();
    };
    if nearest.split_over_elements {
        return "no one element of an array has it all".to_owned();
    }
    let failing = nearest.fields.iter().filter(|field| !field.holds);
    let said: Vec<_> = failing
        .map(|field| {
            let found = match json!(field.found)["values"].as_array() {
                Some(values) => values
                    .iter()
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                None => "nothing".to_owned(),
            };
            format!(
                "{} wants {}, has {found}",
                field.field,
                field.wanted.join(" or ")
            )
        })
        .collect();
    said.join("; ")
}

/// Who uses a field.
#[derive(Debug, Serialize)]
pub struct Users {
    /// The field.
    pub field: String,
    /// The rules whose pattern uses it.
    pub patterns: Vec<String>,
    /// The rules with a target whose transformer uses it.
    pub transformers: Vec<String>,
    /// The schemas that describe it, as files of the project.
    pub schemas: Vec<String>,
}

/// Who uses `field`, or a field inside it: the rules of the shop's bus and the
/// shop's rules on the account's default bus, and the contracts.
///
/// # Errors
/// [`Problem`] when the bus does not answer.
pub async fn users<W: BusTools>(world: &W, field: &str) -> Outcome<Users> {
    let (mut patterns, mut transformers) = (Vec::new(), Vec::new());
    for rule in world.all_rules().await? {
        if let Ok(pattern) = Pattern::from_value(&rule.pattern)
            && pattern.fields().iter().any(|path| within(field, path))
        {
            patterns.push(rule.name.clone());
        }
        let mut used = rule.transformed.iter();
        if used.any(|path| within(field, path.trim_start_matches("$."))) {
            transformers.push(rule.name);
        }
    }
    Ok(Users {
        field: field.to_owned(),
        patterns,
        transformers,
        schemas: schemas_with(field)?,
    })
}

/// Whether an event matches a pattern, and why not.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Matched(Explanation);

impl Report for Matched {
    fn text(&self) -> String {
        if self.0.matches {
            "match".to_owned()
        } else {
            format!("no match: {}", why_not(&self.0))
        }
    }

    fn exit(&self) -> Exit {
        if self.0.matches {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

impl Report for Listed {
    fn text(&self) -> String {
        let mut rows = table([
            table::word("RULE"),
            table::word("STATE").states().gives_way(1),
            table::word("TARGETS").gives_way(2),
            table::code("PATTERN"),
        ]);
        for rule in &self.rules {
            rows.add_row([
                rule.name.clone(),
                rule.state.clone(),
                rule.targets.join(", "),
                rule.pattern.to_string(),
            ]);
        }
        rows.text()
    }
}

impl Report for Users {
    fn text(&self) -> String {
        let all = [
            ("pattern    ", &self.patterns),
            ("transformer", &self.transformers),
            ("schema     ", &self.schemas),
        ];
        if all.iter().all(|(_, some)| some.is_empty()) {
            return format!("no deployed rule and no schema uses {}", self.field);
        }
        let lines = all
            .iter()
            .flat_map(|(what, some)| some.iter().map(move |one| format!("{what}  {one}")));
        lines.collect::<Vec<_>>().join("\n")
    }
}
