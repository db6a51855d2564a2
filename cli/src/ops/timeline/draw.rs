//! A timeline as text, and as a Mermaid flowchart.

use std::fmt::Write as _;

use super::{Kind, Node, Timeline};
use crate::terminal::table;

/// The timeline for people.
pub(super) fn text(timeline: &Timeline) -> String {
    let under = match timeline.variant {
        Some(variant) => format!("under {variant}"),
        None => "under no variant".to_owned(),
    };
    let mut head = vec![under, format!("{} ms", timeline.elapsed_ms)];
    let counted = [
        (timeline.retries, "retries"),
        (timeline.duplicates, "told again"),
        (timeline.replays, "replayed"),
    ];
    head.extend(
        counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    let mut lines = vec![
        format!("{}  {}", timeline.order, timeline.outcome),
        head.join(", "),
        String::new(),
        format!("{:>10}  {:>10}", "AFTER", "TOOK"),
    ];
    for root in &timeline.tree {
        branch(root, "", "", &mut lines);
    }
    for dead in &timeline.dead_letters {
        let kind = dead.kind.as_deref().unwrap_or("unread");
        let why = dead.cause.as_deref().unwrap_or("not known why");
        lines.push(format!(
            "dead: {kind} in {} ({}): {why}",
            dead.place, dead.id
        ));
    }
    lines.extend(timeline.untold.map(str::to_owned));
    for missing in &timeline.missing {
        let until = missing
            .until
            .map_or(String::new(), |at| format!(" until {at}"));
        lines.push(format!("missing: {}{until}", missing.what));
    }
    lines.join("\n")
}

fn branch(node: &Node, own: &str, below: &str, lines: &mut Vec<String>) {
    let millis = |ms: Option<i64>| ms.map_or(String::new(), |ms| format!("{ms} ms"));
    let times = format!(
        "{:>10}  {:>10}  ",
        millis(node.after_ms),
        millis(node.took_ms)
    );
    // A state that came after the one above it.
    let then = if node.follows.is_some() { "then " } else { "" };
    let line = table::folded_behind(
        &format!("{then}{}", label(node)),
        &format!("{times}{own}"),
        &format!(
            "{:24}{below}{}  ",
            "",
            if node.children.is_empty() { " " } else { "│" }
        ),
    );
    lines.push(line.trim_end().to_owned());
    for (n, child) in node.children.iter().enumerate() {
        let last = n + 1 == node.children.len();
        let (own, rest) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        branch(
            child,
            &format!("{below}{own}"),
            &format!("{below}{rest}"),
            lines,
        );
    }
}

/// What a node says of itself in a picture, which is handed on: not who an operator
/// was, and why.
pub(super) fn caption(node: &Node) -> String {
    match &node.what {
        Some(what) if node.kind == Kind::Operator => format!("operator: {what}"),
        _ => label(node),
    }
}

/// What a node says of itself, in one line.
fn label(node: &Node) -> String {
    let name = &node.name;
    let service = node.service.unwrap_or_default();
    let mut label = match node.kind {
        Kind::Message if node.notes.is_empty() => format!("{name}, from outside"),
        Kind::Message => name.clone(),
        Kind::Step => format!("{service}: {name}"),
        Kind::Fact => format!("{name}!"),
        Kind::Timer => format!("{service}: clock for {name}"),
        Kind::Execution => format!("execution {name}"),
        Kind::State if service.is_empty() => name.clone(),
        Kind::State => format!("{name} ({service})"),
        Kind::Missing => format!("{service}: {name} is missing"),
        Kind::Operator => format!("operator: {name}"),
    };
    if let Some(outcome) = node.outcome.as_deref().filter(|outcome| *outcome != "done") {
        let _ = write!(label, ", {outcome}");
    }
    if node.attempts > 1 {
        let _ = write!(label, ", {} attempts", node.attempts);
    }
    // A refusal is both the error of the task and what the service says.
    let said = |error: &&String| {
        let mut outcome = node.outcome.iter();
        !outcome.any(|outcome| outcome.starts_with(error.as_str()))
    };
    let errors: Vec<_> = node
        .errors
        .iter()
        .filter(said)
        .map(String::as_str)
        .collect();
    if !errors.is_empty() {
        let _ = write!(label, " ({})", errors.join(", "));
    }
    if node.duplicates > 0 {
        let _ = write!(label, ", told {} times", node.duplicates + 1);
    }
    if node.replays > 0 {
        let _ = write!(label, ", replayed {} times", node.replays);
    }
    for note in &node.notes {
        let _ = write!(label, " [{note}]");
    }
    label
}

/// The timeline as a Mermaid flowchart: facts are round, what is missing is dashed,
/// and states hang one on the other in their order.
pub(super) fn mermaid(timeline: &Timeline) -> String {
    let mut lines = vec!["flowchart TD".to_owned()];
    let mut count = 0;
    for root in &timeline.tree {
        arrows(root, None, &mut count, &mut lines);
    }
    for missing in &timeline.missing {
        lines.push(format!(
            "  m{count}[\"{}\"]:::missing",
            quoted(&missing.what)
        ));
        count += 1;
    }
    lines.push("  classDef missing stroke-dasharray: 5 5".to_owned());
    lines.join("\n")
}

fn arrows(node: &Node, parent: Option<usize>, count: &mut usize, lines: &mut Vec<String>) {
    let own = *count;
    *count += 1;
    let is_state = matches!(node.kind, Kind::State | Kind::Execution);
    let mut text = quoted(&caption(node));
    if let Some(ms) = node.took_ms.filter(|_| is_state) {
        let _ = write!(text, ", {ms} ms");
    }
    lines.push(match node.kind {
        Kind::Fact => format!("  n{own}([\"{text}\"])"),
        Kind::Missing => format!("  n{own}[\"{text}\"]:::missing"),
        _ => format!("  n{own}[\"{text}\"]"),
    });
    if let Some(parent) = parent {
        lines.push(match (node.kind, node.took_ms) {
            (Kind::Missing, _) => format!("  n{parent} -.-> n{own}"),
            (_, Some(ms)) if !is_state => format!("  n{parent} -->|{ms} ms| n{own}"),
            _ => format!("  n{parent} --> n{own}"),
        });
    }
    let mut states: Vec<(&str, usize)> = Vec::new();
    for child in &node.children {
        let before = |id: &String| states.iter().rfind(|(state, _)| state == id);
        let before = child.follows.as_ref().and_then(before).map(|(_, at)| *at);
        if let Some(id) = &child.id {
            states.push((id, *count));
        }
        arrows(child, Some(before.unwrap_or(own)), count, lines);
    }
}

/// `text` as it may stand between quotation marks in Mermaid.
fn quoted(text: &str) -> String {
    text.replace('"', "#quot;")
}
