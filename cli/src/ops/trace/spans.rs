//! The spans of a timeline and of the functions' log lines.
//!
//! Names of attributes: OpenTelemetry semantic conventions, "Messaging spans",
//! "FaaS spans", "Instrumenting AWS Lambda" (SQS) and "AWS attributes"; what has none
//! there begins with `duet.`.

use std::collections::BTreeMap;

use duet_core::Timestamp;

use super::attempts::{Work, bare};
use super::{Line, Role, Span, SpanId, Value, span_id};
use crate::ops::timeline::{Kind, Node, Timeline};
use crate::shop::variant::Facts;

/// A state, to find what was done in it.
pub(super) struct State {
    pub(super) span: SpanId,
    pub(super) id: String,
    pub(super) execution: String,
    pub(super) command: Option<String>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// A node of the tree, and what it hangs on.
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) parent: SpanId,
    /// The message that its parent is.
    pub(super) message: Option<&'a str>,
    /// The execution it is in.
    pub(super) execution: Option<&'a str>,
}

pub(super) struct Maker<'a> {
    pub(super) order: &'a str,
    facts: Option<&'a Facts>,
    pub(super) lines: &'a [Line],
    pub(super) spans: Vec<Span>,
    /// The spans of facts, timers and executions, by the id of the message.
    pub(super) messages: BTreeMap<String, SpanId>,
    /// When each message was there to be handled.
    pub(super) said: BTreeMap<String, (Timestamp, String)>,
    pub(super) states: Vec<State>,
    /// The lines that became spans, by what they did.
    pub(super) works: BTreeMap<Work, Vec<usize>>,
    /// When each execution ended that has.
    ends: BTreeMap<String, Timestamp>,
    /// When the last thing happened that is known.
    last: Timestamp,
}

/// The spans of `timeline` and `lines`; its facts travel on what `facts` says.
pub(super) fn of(timeline: &Timeline, lines: &[Line], facts: Option<&Facts>) -> Vec<Span> {
    let first = timeline.began_at.or(lines.first().map(|line| line.time));
    let Some(first) = first else {
        return Vec::new();
    };
    let took = jiff::SignedDuration::from_millis(timeline.elapsed_ms);
    let last = first.saturating_add(took).unwrap_or(first);
    let mut maker = Maker {
        order: &timeline.order,
        facts,
        lines,
        spans: Vec::new(),
        messages: BTreeMap::new(),
        said: BTreeMap::new(),
        states: Vec::new(),
        works: BTreeMap::new(),
        ends: BTreeMap::new(),
        last,
    };
    for node in &timeline.tree {
        maker.note(node, None);
    }
    maker.sort_lines();
    let root = maker.whole(timeline, first);
    for node in &timeline.tree {
        maker.visit(&Place {
            node,
            parent: root,
            message: None,
            execution: None,
        });
    }
    maker.others(root);
    maker.link_repeats();
    maker.spans
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

impl Maker<'_> {
    pub(super) fn id(&self, name: &str) -> SpanId {
        span_id(self.order, name)
    }

    pub(super) fn span(
        &self,
        name: &str,
        of: &str,
        parent: SpanId,
        at: (Timestamp, Timestamp),
    ) -> Span {
        Span {
            id: self.id(of),
            parent: Some(parent),
            name: name.to_owned(),
            kind: Role::Internal,
            whose: String::new(),
            began: at.0,
            ended: at.1.max(at.0),
            attributes: Vec::new(),
            links: Vec::new(),
            failed: None,
        }
    }

    /// The order as a whole: from the first to the last that is known of it, but for
    /// what operators did later.
    fn whole(&mut self, timeline: &Timeline, first: Timestamp) -> SpanId {
        let lines = self.works.values().flatten().map(|at| &self.lines[*at]);
        let began = lines.clone().map(Line::began).min();
        let began = began.map_or(first, |began| began.min(first));
        let ended = lines.map(|line| line.time).max();
        self.last = ended.map_or(self.last, |ended| ended.max(self.last));
        let id = self.id("order");
        let mut span = self.span("order", "order", id, (began, self.last));
        span.parent = None;
        span.whose = "order as a whole".to_owned();
        span.attributes = vec![
            ("duet.order", text(self.order)),
            ("duet.outcome", text(timeline.outcome.as_str())),
        ];
        if let Some(variant) = timeline.variant {
            span.attributes.push(("duet.variant", text(variant)));
        }
        let dead = timeline.dead_letters.iter();
        let dead: Vec<String> = dead.map(|dead| dead.place.clone()).collect();
        let missing = timeline.missing.iter();
        let missing: Vec<String> = missing.map(|missing| missing.what.clone()).collect();
        for (name, all) in [("duet.dead_letters", dead), ("duet.missing", missing)] {
            if !all.is_empty() {
                span.attributes.push((name, Value::Texts(all)));
            }
        }
        self.spans.push(span);
        id
    }

    /// Writes down which messages and states there are.
    fn note(&mut self, node: &Node, execution: Option<&str>) {
        let mut inside = execution;
        match (node.kind, &node.id, node.at) {
            (Kind::Fact | Kind::Timer, Some(id), Some(at)) => {
                let span = self.id(&format!("message/{id}"));
                self.messages.insert(id.clone(), span);
                self.said.insert(id.clone(), (at, node.name.clone()));
            }
            (Kind::Execution, Some(id), at) => {
                let took = node.took_ms.map(jiff::SignedDuration::from_millis);
                let end = at
                    .zip(took)
                    .and_then(|(at, took)| at.saturating_add(took).ok());
                self.ends.extend(end.map(|end| (id.clone(), end)));
                let span = self.id(&format!("execution/{id}"));
                self.messages.insert(id.clone(), span);
                inside = Some(id);
            }
            (Kind::State, Some(id), Some(from)) => {
                let execution = execution.unwrap_or_default().to_owned();
                let runs = node.took_ms.is_none() && !self.ends.contains_key(&execution);
                let until = match runs {
                    true => Timestamp::MAX,
                    false => self.end(node, &execution, from),
                };
                self.states.push(State {
                    span: self.id(&format!("state/{execution}/{id}")),
                    id: id.clone(),
                    execution,
                    command: node.what.as_deref().map(|what| bare(what).to_owned()),
                    from,
                    until,
                });
            }
            _ => {}
        }
        for child in &node.children {
            self.note(child, inside);
        }
    }

    /// When an execution or a state of it ended; when the last thing happened, if it
    /// has not.
    fn end(&self, node: &Node, execution: &str, from: Timestamp) -> Timestamp {
        let took = node.took_ms.map(jiff::SignedDuration::from_millis);
        let end = took.and_then(|took| from.saturating_add(took).ok());
        let whole = self.ends.get(execution).copied();
        end.or(whole).unwrap_or(self.last).max(from)
    }

    fn visit(&mut self, place: &Place<'_>) {
        let Place { node, parent, .. } = *place;
        let mut below = Place {
            node,
            parent,
            message: node.id.as_deref(),
            execution: place.execution,
        };
        match (node.kind, node.at) {
            (Kind::Step, Some(at)) => {
                below.parent = self.step(place, at);
                below.message = None;
            }
            (Kind::Fact, Some(at)) => below.parent = self.fact(place, at),
            (Kind::Timer, Some(due)) => match self.timer(place, due) {
                Some(span) => below.parent = span,
                None => return,
            },
            (Kind::Execution, Some(at)) => {
                below.parent = self.execution(place, at);
                below.execution = node.id.as_deref();
            }
            (Kind::State, Some(at)) => below.parent = self.state(place, at),
            (Kind::Operator, Some(at)) => self.operator(place, at),
            _ => {}
        }
        for child in &node.children {
            self.visit(&Place {
                node: child,
                ..below
            });
        }
    }

    fn fact(&mut self, place: &Place<'_>, at: Timestamp) -> SpanId {
        let node = place.node;
        let id = node.id.as_deref().unwrap_or_default();
        let name = format!("send {}", node.name);
        let mut span = self.span(&name, &format!("message/{id}"), place.parent, (at, at));
        span.whose = node.service.unwrap_or("outside").to_owned();
        span.kind = Role::Producer;
        span.attributes = vec![
            ("duet.fact", text(node.name.as_str())),
            ("messaging.operation.name", text("send")),
            ("messaging.operation.type", text("send")),
            ("messaging.message.id", text(id)),
            ("messaging.message.conversation_id", text(self.order)),
        ];
        let facts = self.facts.zip(node.service);
        if let Some((system, place)) = facts.and_then(|(facts, by)| facts.said_by(by)) {
            span.attributes.push(("messaging.system", text(system)));
            span.attributes
                .push(("messaging.destination.name", text(place)));
        }
        for (name, count) in [
            ("duet.duplicates", node.duplicates),
            ("duet.replays", node.replays),
        ] {
            if count > 0 {
                span.attributes
                    .push((name, Value::Number(i64::from(count))));
            }
        }
        let id = span.id;
        self.spans.push(span);
        id
    }

    /// A clock, from when it was set until it was due; `None` for one that is not.
    fn timer(&mut self, place: &Place<'_>, due: Timestamp) -> Option<SpanId> {
        let node = place.node;
        // What is not due yet has not happened.
        if due > self.last {
            return None;
        }
        let id = node.id.as_deref().unwrap_or_default();
        let parent = self.spans.iter().find(|span| span.id == place.parent);
        let set = parent.map_or(due, |span| span.ended.min(due));
        let name = format!("clock for {}", node.name);
        let mut span = self.span(&name, &format!("message/{id}"), place.parent, (set, due));
        span.whose = "clocks".to_owned();
        span.attributes = vec![
            ("duet.service", text(node.service.unwrap_or_default())),
            ("messaging.message.id", text(id)),
        ];
        let id = span.id;
        self.spans.push(span);
        Some(id)
    }

    fn execution(&mut self, place: &Place<'_>, at: Timestamp) -> SpanId {
        let node = place.node;
        let id = node.id.as_deref().unwrap_or_default();
        let ended = self.end(node, id, at);
        let of = format!("execution/{id}");
        let mut span = self.span("execution", &of, place.parent, (at, ended));
        span.whose = "workflow".to_owned();
        span.attributes = vec![("duet.execution", text(id))];
        // arn:aws:states:region:account:execution:machine:name
        let parts: Vec<&str> = id.split(':').collect();
        if let [a, b, c, d, e, "execution", machine, _] = parts[..] {
            let arn = [a, b, c, d, e, "stateMachine", machine].join(":");
            span.name = format!("execution of {machine}");
            span.attributes
                .push(("aws.step_functions.state_machine.arn", text(arn)));
        }
        if let Some(outcome) = &node.outcome {
            span.attributes
                .push(("duet.outcome", text(outcome.as_str())));
            let well = ["SUCCEEDED", "RUNNING"].contains(&outcome.as_str());
            span.failed = (!well).then(|| {
                let error = node.errors.first();
                error.unwrap_or(outcome).clone()
            });
        }
        self.unfinished(id, &mut span);
        let id = span.id;
        self.spans.push(span);
        id
    }

    fn unfinished(&self, execution: &str, span: &mut Span) {
        if !self.ends.contains_key(execution) {
            span.attributes.push(("duet.unfinished", Value::Flag(true)));
        }
    }

    fn state(&mut self, place: &Place<'_>, at: Timestamp) -> SpanId {
        let node = place.node;
        let (execution, id) = (
            place.execution.unwrap_or_default(),
            node.id.as_deref().unwrap_or_default(),
        );
        let of = format!("state/{execution}/{id}");
        let ended = self.end(node, execution, at);
        let mut span = self.span(&node.name, &of, place.parent, (at, ended));
        span.whose = "workflow".to_owned();
        span.attributes = vec![("duet.state", text(node.name.as_str()))];
        if let Some(before) = &node.follows {
            span.attributes
                .push(("duet.follows", text(before.as_str())));
        }
        if node.attempts > 1 {
            span.attributes
                .push(("duet.attempts", Value::Number(i64::from(node.attempts))));
        }
        if !node.errors.is_empty() {
            span.attributes
                .push(("duet.errors", Value::Texts(node.errors.clone())));
        }
        if node.took_ms.is_none() {
            self.unfinished(execution, &mut span);
        }
        let own = span.id;
        self.spans.push(span);
        // What its task's function did, each attempt.
        let in_it = |work: &Work| work.message == execution && work.state.as_deref() == Some(id);
        let works: Vec<Work> = self.works.keys().filter(|it| in_it(it)).cloned().collect();
        for work in works {
            let tried = self.works.remove(&work).unwrap_or_default();
            self.attempts(&work, &tried, own, None);
        }
        own
    }

    /// What an operator did, but not who.
    fn operator(&mut self, place: &Place<'_>, at: Timestamp) {
        let what = place.node.what.as_deref().unwrap_or_default();
        let of = format!("operator/{at}/{what}");
        let mut span = self.span("operator", &of, place.parent, (at, at));
        span.whose = "operators".to_owned();
        span.attributes = vec![("duet.action", text(what))];
        self.spans.push(span);
    }
}
