//! Who may do what.

use super::Rule;
use crate::finding::{Notes, Severity};
use crate::grants::allows_putting;
use crate::model::Model;
use crate::node::Node;

pub(super) static PUTS_EVENTS_ANYWHERE: Rule = Rule {
    name: "puts-events-anywhere",
    severity: Severity::Warning,
    wrong: "Whoever has the grant can speak on every bus of the account, in anybody's name, and so make every consumer act.",
    source: "EventBridge guide, \"Using identity-based policies\" and \"Using IAM policy conditions\"",
    fix: "Name the bus as the Resource, and the service's own name in a Condition on events:source.",
    check: puts_events_anywhere,
};

fn puts_events_anywhere(model: &Model, notes: &mut Notes<'_>) {
    for statement in model.statements() {
        let body = statement.body;
        if !allows_putting(body) || !body["Condition"].is_null() {
            continue;
        }
        let on = body["Resource"].one_or_more();
        let is_all = |it: &Node| {
            let text = it.as_str().unwrap_or_default();
            text == "*" || text.ends_with(":event-bus/*")
        };
        let line = body.line_of("Resource");
        if on.iter().any(is_all) {
            let place = &model.resources[statement.id].place;
            let message = format!("{place} grants events:PutEvents on every bus");
            notes.wrong(statement.id, line, message);
        } else if body["Resource"].is_unknown() && body["Resource"].scalar().is_none() {
            notes.unknown(statement.id, line, "on which buses events may be put");
        }
    }
}
