//! What a state reads of its input, and what becomes of the input after it.

use std::collections::BTreeSet;

use crate::definition::State;
use crate::node::{Kind, Node};

/// What of its input a state reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// All of it, handed on as it is.
    pub(crate) whole: bool,
    /// Fields at the top.
    pub(crate) fields: BTreeSet<String>,
}

/// What the result of a state has, where it takes the place of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// These fields and no others.
    Fields(BTreeSet<String>),
    /// A list: no fields at all.
    List,
    /// Only whoever is asked knows.
    Unknown,
}

/// The fields of a JSONPath state that are paths themselves.
const PATHS: [&str; 9] = [
    "ItemsPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ErrorPath",
    "CausePath",
];

impl State {
    /// What it reads of its input.
    pub(crate) fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        if self.is_jsonata {
            let own = [
                "Arguments",
                "Output",
                "Assign",
                "Items",
                "Condition",
                "Choices",
            ];
            for name in own {
                expressions(&self.body[name], &mut reads);
            }
            return reads;
        }
        let input = &self.body["InputPath"];
        if self.body.has("InputPath") && input.as_str() != Some("$") {
            // What is below goes from there, and not from the input.
            if let Some(path) = input.as_str() {
                paths(path, &mut reads);
            }
            return reads;
        }
        for name in PATHS {
            if let Some(path) = self.body[name].as_str() {
                paths(path, &mut reads);
            }
        }
        for name in ["Parameters", "ItemSelector", "Assign"] {
            parameters(&self.body[name], &mut reads);
        }
        choices(&self.body["Choices"], &mut reads);
        if self.is("Task") && !self.body.has("Parameters") {
            reads.whole = true;
        }
        reads
    }

    /// Whether its input is still there after it, beside its result.
    pub(crate) fn keeps_input(&self) -> bool {
        if self.is_jsonata {
            let asks = ["Task", "Parallel", "Map"].iter().any(|kind| self.is(kind));
            return !asks && !self.body.has("Output");
        }
        let output = self.body["OutputPath"].as_str();
        let is_cut = self.body.has("OutputPath") && output != Some("$");
        !is_cut && !self.replaces_input()
    }

    /// Whether its result takes the place of the input, in JSONPath.
    pub(crate) fn replaces_input(&self) -> bool {
        let has_result = match self.body["Type"].as_str() {
            Some("Task" | "Parallel" | "Map") => true,
            Some("Pass") => self.body.has("Result") || self.body.has("Parameters"),
            _ => false,
        };
        let path = self.body["ResultPath"].as_str();
        let is_placed = self.body.has("ResultPath") && path != Some("$");
        !self.is_jsonata && has_result && !is_placed
    }

    /// What its result has.
    pub(crate) fn shape(&self) -> Shape {
        if self.body.has("OutputPath") && self.body["OutputPath"].as_str() != Some("$") {
            return Shape::Unknown;
        }
        let names = |node: &Node| {
            let names = node.members().iter();
            let names = names.map(|it| it.name.trim_end_matches(".$").to_owned());
            Shape::Fields(names.collect())
        };
        let selector = &self.body["ResultSelector"];
        if !selector.is_null() {
            return names(selector);
        }
        match self.body["Type"].as_str() {
            Some("Parallel" | "Map") => Shape::List,
            Some("Pass") => names(&self.body["Result"]),
            _ => self.answer(),
        }
    }

    /// What the service that a task asks answers.
    fn answer(&self) -> Shape {
        let resource = self.body["Resource"].scalar().unwrap_or_default();
        // With a token, the answer is whoever's who has it.
        if resource.ends_with(".waitForTaskToken") {
            return Shape::Unknown;
        }
        let own: &[&str] = match self.action() {
            Some("lambda:invoke") => &[
                "ExecutedVersion",
                "FunctionError",
                "LogResult",
                "Payload",
                "StatusCode",
            ],
            Some("sqs:sendMessage") => &[
                "MD5OfMessageAttributes",
                "MD5OfMessageBody",
                "MD5OfMessageSystemAttributes",
                "MessageId",
                "SequenceNumber",
            ],
            Some("sns:publish") => &["MessageId", "SequenceNumber"],
            Some("events:putEvents") => &["Entries", "FailedEntryCount"],
            Some("dynamodb:getItem") => &["ConsumedCapacity", "Item"],
            Some("dynamodb:putItem" | "dynamodb:updateItem" | "dynamodb:deleteItem") => {
                &["Attributes", "ConsumedCapacity", "ItemCollectionMetrics"]
            }
            _ => return Shape::Unknown,
        };
        let every = ["SdkHttpMetadata", "SdkResponseMetadata"];
        let all = own.iter().chain(&every).map(|it| (*it).to_owned());
        Shape::Fields(all.collect())
    }
}

/// The fields that stand after `before` in `text`, as in `$.field`; nothing after
/// it is all of it.
fn named(text: &str, before: &str, reads: &mut Reads) {
    for (at, _) in text.match_indices(before) {
        // `$$` is the context object, and no input.
        let is_context =
            before == "$" && (text[..at].ends_with('$') || text[at + 1..].starts_with('$'));
        let rest = &text[at + before.len()..];
        let word = |text: &str| -> String {
            let is_word = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '-';
            text.chars().take_while(is_word).collect()
        };
        let bracket = rest.strip_prefix("['").or(rest.strip_prefix("[\""));
        let field = match (rest.strip_prefix('.'), bracket) {
            (Some(rest), _) => word(rest),
            (None, Some(rest)) => rest
                .split(['\'', '"'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            (None, None) => String::new(),
        };
        let is_variable = before == "$" && rest.starts_with(|c: char| c.is_alphabetic());
        match field.is_empty() {
            _ if is_context || is_variable => {}
            // An item of a list, or the whole.
            true if rest.starts_with('[') => {}
            true => reads.whole = true,
            false => _ = reads.fields.insert(field),
        }
    }
}

/// What a JSONPath, or an intrinsic function of some, reads.
fn paths(text: &str, reads: &mut Reads) {
    named(text, "$", reads);
}

/// What the parameters of a JSONPath state read.
fn parameters(node: &Node, reads: &mut Reads) {
    for member in node.members() {
        match member.value.as_str() {
            Some(text) if member.name.ends_with(".$") => paths(text, reads),
            _ => parameters(&member.value, reads),
        }
    }
    for item in node.items() {
        parameters(item, reads);
    }
}

/// What the choices of a JSONPath state read.
fn choices(node: &Node, reads: &mut Reads) {
    for member in node.members() {
        match member.value.as_str() {
            Some(text) if member.name == "Variable" || member.name.ends_with("Path") => {
                paths(text, reads);
            }
            _ => choices(&member.value, reads),
        }
    }
    for item in node.items() {
        choices(item, reads);
    }
}

/// What JSONata expressions read.
fn expressions(node: &Node, reads: &mut Reads) {
    match &node.kind {
        Kind::Text(text) | Kind::Unknown(text) if text.starts_with("{%") => {
            named(text, "$states.input", reads);
        }
        _ => {
            for item in node.items() {
                expressions(item, reads);
            }
            for member in node.members() {
                expressions(&member.value, reads);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_told_by_paths_and_expressions() {
        let read = |text: &str| {
            let mut reads = Reads::default();
            paths(text, &mut reads);
            (reads.whole, reads.fields.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(read("$.order.id"), (false, vec!["order".to_owned()]));
        assert_eq!(read("$['order']"), (false, vec!["order".to_owned()]));
        assert_eq!(read("$"), (true, vec![]));
        assert_eq!(read("$$.Execution.Id"), (false, vec![]));
        assert_eq!(read("$variable.x"), (false, vec![]));
        assert_eq!(read("$[0].x"), (false, vec![]));
        let both = "States.Format('{}-{}', $.a, $.b_2)";
        assert_eq!(read(both), (false, vec!["a".to_owned(), "b_2".to_owned()]));
        let mut reads = Reads::default();
        let node = Node::text(1, "{% $states.input.order & $states.context.x %}");
        expressions(&node, &mut reads);
        assert_eq!(reads.fields.into_iter().collect::<Vec<_>>(), ["order"]);
    }
}
