//! The template as such: what of it cannot be read, and what it tells wrongly.

use super::{Rule, named};
use crate::finding::{Notes, Severity};
use crate::model::Model;
use crate::node::{Kind, Node};
use crate::speech::told;

pub(super) static NOT_READ: Rule = Rule {
    name: "not-read",
    severity: Severity::Info,
    wrong: "A nested template or a definition is elsewhere, so nothing in it was checked.",
    source: "this tool reads files, and no network",
    fix: "Check the template as it is before it is packaged, or that other file by itself.",
    check: not_read,
};

pub(super) static UNCLEAR_METADATA: Rule = Rule {
    name: "unclear-metadata",
    severity: Severity::Warning,
    wrong: "Metadata: Duet: says something that nobody reads: an unknown rule, a reason that is none.",
    source: "what this tool reads, above",
    fix: "Write says: [EVENT, ..], source: NAME, undoes: {STEP: COMPENSATION}, allows: {RULE: reason}.",
    check: unclear_metadata,
};

/// What may stand in the metadata.
const KNOWN: [&str; 4] = ["says", "source", "undoes", "allows"];

fn not_read(model: &Model, notes: &mut Notes<'_>) {
    for (id, line, why) in &model.unread {
        notes.wrong(*id, *line, format!("not known: {why}"));
    }
}

fn unclear_metadata(model: &Model, notes: &mut Notes<'_>) {
    for (id, resource) in model.resources.iter().enumerate() {
        let told = told(&resource.metadata);
        if told.is_null() {
            continue;
        }
        if !matches!(told.kind, Kind::Map(_)) {
            notes.wrong(id, told.line, "Metadata: Duet: is no map".to_owned());
        }
        for member in told.members() {
            if !KNOWN.contains(&member.name.as_str()) {
                let message = format!("nobody reads {}", member.name);
                notes.wrong(id, member.line, message);
            }
        }
        let is_fact = |it: &Node| it.as_str().or(it["detail-type"].as_str()).is_some();
        if !told["says"].one_or_more().iter().all(is_fact) {
            let message = "says is a list of detail-types".to_owned();
            notes.wrong(id, told.line_of("says"), message);
        }
        let mut pairs = told["undoes"].members().iter();
        if pairs.any(|it| it.value.as_str().is_none()) {
            let message = "undoes names a compensation for each step".to_owned();
            notes.wrong(id, told.line_of("undoes"), message);
        }
        for allowed in told["allows"].members() {
            let reasons = match &allowed.value.kind {
                Kind::Map(states) => states.iter().map(|it| &it.value).collect(),
                _ => vec![&allowed.value],
            };
            let is_reason = |it: &&Node| it.as_str().is_some_and(|it| !it.trim().is_empty());
            if named(&allowed.name).is_none() {
                let message = format!("there is no rule {}", allowed.name);
                notes.wrong(id, allowed.line, message);
            } else if !reasons.iter().all(is_reason) {
                let message = format!("it gives no reason to allow {}", allowed.name);
                notes.wrong(id, allowed.line, message);
            }
        }
    }
}
