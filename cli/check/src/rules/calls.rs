//! What is sent to queues and topics that keep an order.

use super::Rule;
use crate::finding::{Notes, Severity};
use crate::model::Model;
use crate::node::Node;

pub(super) static CONSTANT_MESSAGE_GROUP: Rule = Rule {
    name: "constant-message-group",
    severity: Severity::Warning,
    wrong: "All messages are of one group, so they are handled one after the other, and one that fails holds up all others.",
    source: "SQS guide, \"Using the Amazon SQS message group ID\"; seen in a published saga",
    fix: "Take the group from the message, such as the order's id; a rule cannot, so send from a pipe, a machine or a function.",
    check: constant_message_group,
};

fn constant_message_group(model: &Model, notes: &mut Notes<'_>) {
    for rule in &model.rules {
        for target in &rule.targets {
            let group = &target.settings["SqsParameters"]["MessageGroupId"];
            if let Some(group) = constant(group) {
                notes.wrong(rule.id, target.line, message(&rule.name, group));
            }
        }
    }
    for (id, pipe) in model.of_kind("AWS::Pipes::Pipe") {
        let parameters = &pipe.properties["TargetParameters"]["SqsQueueParameters"];
        if let Some(group) = constant(&parameters["MessageGroupId"]) {
            let line = parameters.line_of("MessageGroupId");
            notes.wrong(id, line, message(&pipe.place, group));
        }
    }
    for machine in &model.machines {
        for (at, state) in machine.states.iter().enumerate() {
            let given = state.given();
            if let Some(group) = constant(&given["MessageGroupId"]) {
                let line = given.line_of("MessageGroupId");
                notes.wrong(machine.id, line, message(&state.name, group));
                notes.of_state(machine, at, line);
            }
        }
    }
}

/// The text, if it is neither a path nor an expression.
fn constant(group: &Node) -> Option<&str> {
    let text = group.as_str()?;
    let is_computed = text.starts_with(['$', '<', '{']);
    (!is_computed).then_some(text)
}

fn message(who: &str, group: &str) -> String {
    format!("all that {who} sends is of the one group {group:?}")
}
