//! The spans of a timeline and of the functions' log lines.
//!
//! Names of attributes: OpenTelemetry semantic conventions, "Messaging spans",
//! "FaaS spans", "Instrumenting AWS Lambda" (SQS) and "AWS attributes"; what has none
//! there begins with `duet.`.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::Timestamp;

use super::{Line, Link, Role, Span, SpanId, Value, span_id};
use crate::ops::timeline::{Kind, Node, Timeline};

/// How far the clocks of a workflow and of a function may be apart.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_millis(250);

/// Log lines have whole milliseconds.
const ROUNDED: jiff::SignedDuration = jiff::SignedDuration::from_millis(1);

/// What led to attempts: who did what, for which message, and in which state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Work {
    service: String,
    message: String,
    command: String,
    state: Option<String>,
}

/// A state, to find what was done in it.
struct State {
    span: SpanId,
    id: String,
    execution: String,
    command: Option<String>,
    from: Timestamp,
    until: Timestamp,
}

/// A node of the tree, and what it hangs on.
struct Place<'a> {
    node: &'a Node,
    parent: SpanId,
    /// The message that its parent is.
    message: Option<&'a str>,
    /// The execution it is in.
    execution: Option<&'a str>,
}

struct Maker<'a> {
    order: &'a str,
    bus: Option<&'a str>,
    lines: &'a [Line],
    spans: Vec<Span>,
    /// The spans of facts, timers and executions, by the id of the message.
    messages: BTreeMap<String, SpanId>,
    /// When each message was there to be handled.
    said: BTreeMap<String, (Timestamp, String)>,
    states: Vec<State>,
    /// The lines that became spans, by what they did.
    works: BTreeMap<Work, Vec<usize>>,
    /// When the last thing happened that is known.
    last: Timestamp,
}

/// The spans of `timeline` and `lines`; its facts travel on `bus`.
pub(super) fn of(timeline: &Timeline, lines: &[Line], bus: Option<&str>) -> Vec<Span> {
    let first = timeline.began_at.or(lines.first().map(|line| line.time));
    let Some(first) = first else {
        return Vec::new();
    };
    let took = jiff::SignedDuration::from_millis(timeline.elapsed_ms);
    let last = first.saturating_add(took).unwrap_or(first);
    let mut maker = Maker {
        order: &timeline.order,
        bus,
        lines,
        spans: Vec::new(),
        messages: BTreeMap::new(),
        said: BTreeMap::new(),
        states: Vec::new(),
        works: BTreeMap::new(),
        last: lines.last().map_or(last, |line| last.max(line.time)),
    };
    let root = maker.whole(timeline, first);
    for node in &timeline.tree {
        maker.note(node, None);
    }
    maker.sort_lines();
    for node in &timeline.tree {
        maker.visit(&Place {
            node,
            parent: root,
            message: None,
            execution: None,
        });
    }
    maker.others(root);
    maker.spans
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// The command without what tells its repetitions apart.
fn bare(command: &str) -> &str {
    command.split(' ').next().unwrap_or(command)
}

impl Line {
    fn began(&self) -> Timestamp {
        let took = jiff::SignedDuration::from_millis(self.duration_ms.max(0));
        self.time.saturating_sub(took).unwrap_or(self.time)
    }

    /// Whether the work was done, whatever came of it for the business.
    fn is_done(&self) -> bool {
        ["done", "declined", "repeat"].contains(&self.outcome.as_str())
    }

    /// Whether it was at it at `at`.
    fn was_at_it(&self, at: Timestamp) -> bool {
        let from = self.began().saturating_sub(ROUNDED);
        let until = self.time.saturating_add(ROUNDED);
        from.is_ok_and(|from| from <= at) && until.is_ok_and(|until| at <= until)
    }
}

impl Maker<'_> {
    fn id(&self, name: &str) -> SpanId {
        span_id(self.order, name)
    }

    fn span(&self, name: &str, of: &str, parent: SpanId, at: (Timestamp, Timestamp)) -> Span {
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
        let began = self.lines.iter().map(Line::began).min();
        let began = began.map_or(first, |began| began.min(first));
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
                // What is not due yet has not happened.
                if at <= self.last {
                    self.messages.insert(id.clone(), span);
                    self.said.insert(id.clone(), (at, node.name.clone()));
                }
            }
            (Kind::Execution, Some(id), _) => {
                let span = self.id(&format!("execution/{id}"));
                self.messages.insert(id.clone(), span);
                inside = Some(id);
            }
            (Kind::State, Some(id), Some(from)) => {
                let execution = execution.unwrap_or_default().to_owned();
                self.states.push(State {
                    span: self.id(&format!("state/{execution}/{id}")),
                    id: id.clone(),
                    execution,
                    command: node.what.as_deref().map(|what| bare(what).to_owned()),
                    from,
                    until: self.end(node, from),
                });
            }
            _ => {}
        }
        for child in &node.children {
            self.note(child, inside);
        }
    }

    /// When a state or execution ended; when the last thing happened, if it has not.
    fn end(&self, node: &Node, from: Timestamp) -> Timestamp {
        let took = node.took_ms.map(jiff::SignedDuration::from_millis);
        let end = took.and_then(|took| from.saturating_add(took).ok());
        end.unwrap_or(self.last.max(from))
    }

    /// Puts each line to what it tries.
    fn sort_lines(&mut self) {
        for (at, line) in self.lines.iter().enumerate() {
            let command = line.command.clone().unwrap_or_default();
            let message = line.message.clone().unwrap_or_default();
            let began = line.began();
            let slack = |at: Timestamp| at.saturating_add(SLACK).unwrap_or(at);
            let state = self.states.iter().find(|state| {
                let asks = state.command.as_deref() == Some(&command);
                asks && state.execution == message
                    && state.from <= slack(began)
                    && line.time <= slack(state.until)
            });
            let work = Work {
                service: line.service.clone(),
                message,
                command,
                state: state.map(|state| state.id.clone()),
            };
            self.works.entry(work).or_default().push(at);
        }
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

    /// The attempts at a step; a moment where no line tells of the one that did it.
    fn step(&mut self, place: &Place<'_>, at: Timestamp) -> SpanId {
        let node = place.node;
        let service = node.service.unwrap_or_default();
        let message = node.cause.as_deref().or(place.message).unwrap_or_default();
        let work = Work {
            service: service.to_owned(),
            message: message.to_owned(),
            command: bare(&node.name).to_owned(),
            state: None,
        };
        let tried = self.works.remove(&work).unwrap_or_default();
        let lines = self.lines;
        let did = |line: &Line| line.is_done() && line.was_at_it(at);
        let done = tried.iter().position(|line| did(&lines[*line]));
        let did = match done {
            Some(_) => None,
            None => {
                let name = format!("step/{service}/{message}/{}", node.name);
                let mut span = self.span(bare(&node.name), &name, place.parent, (at, at));
                span.whose = service.to_owned();
                span.attributes = self.about(&work, node.outcome.as_deref());
                let id = span.id;
                self.spans.push(span);
                Some(id)
            }
        };
        let attempts = self.attempts(&work, &tried, place.parent, did);
        let own = done.and_then(|done| attempts.get(done).copied());
        own.or(did).unwrap_or(place.parent)
    }

    /// What is told of every step.
    fn about(&self, work: &Work, outcome: Option<&str>) -> Vec<(&'static str, Value)> {
        let mut about = vec![("duet.service", text(work.service.as_str()))];
        if !work.command.is_empty() {
            about.push(("duet.command", text(work.command.as_str())));
        }
        if let Some(outcome) = outcome {
            about.push(("duet.outcome", text(outcome)));
        }
        about
    }

    /// Spans for the lines `tried`, in order; `did` has done it already, if it is there.
    fn attempts(
        &mut self,
        work: &Work,
        tried: &[usize],
        parent: SpanId,
        did: Option<SpanId>,
    ) -> Vec<SpanId> {
        let mut spans: Vec<SpanId> = Vec::new();
        let mut done = did;
        for (nth, line) in tried.iter().enumerate() {
            let line = &self.lines[*line];
            let state = work.state.as_deref().unwrap_or_default();
            let name = format!(
                "attempt/{}/{}/{}/{state}/{nth}",
                work.service, work.message, work.command
            );
            let what = match work.command.as_str() {
                "" => "unread",
                command => command,
            };
            let mut span = self.span(what, &name, parent, (line.began(), line.time));
            span.whose = line.service.clone();
            span.attributes = self.about(work, Some(&line.outcome));
            span.attributes
                .push(("duet.attempt", Value::Number(line.attempt)));
            self.called(line, &mut span);
            if !line.is_done() && line.outcome != "later" {
                span.failed = Some(line.outcome.clone());
            }
            match (done, spans.last()) {
                (Some(to), _) => span.links.push(Link {
                    to,
                    why: "duplicate",
                }),
                (None, Some(to)) => span.links.push(Link {
                    to: *to,
                    why: "retry",
                }),
                (None, None) => {}
            }
            if nth == 0 {
                self.on_its_way(work, line);
            }
            if line.is_done() && done.is_none() {
                done = Some(span.id);
            }
            spans.push(span.id);
            self.spans.push(span);
        }
        spans
    }

    /// How the function of `line` was called.
    fn called(&self, line: &Line, span: &mut Span) {
        let trigger = match line.entry.as_str() {
            "queue" => "pubsub",
            "sweep" => "timer",
            _ => "other",
        };
        span.attributes.push(("faas.trigger", text(trigger)));
        if line.entry != "queue" {
            span.kind = Role::Server;
            return;
        }
        span.kind = Role::Consumer;
        span.name = format!("process {}", span.name);
        span.attributes.extend([
            ("messaging.system", text("aws_sqs")),
            ("messaging.operation.name", text("process")),
            ("messaging.operation.type", text("process")),
            ("messaging.message.conversation_id", text(self.order)),
        ]);
        if let Some(message) = &line.message {
            span.attributes
                .push(("messaging.message.id", text(message.as_str())));
        }
    }

    /// From when a message was said until its first attempt began: on the bus and in a
    /// queue. No record tells the one from the other.
    fn on_its_way(&mut self, work: &Work, line: &Line) {
        let (Some((said, what)), Some(parent)) = (
            self.said.get(&work.message),
            self.messages.get(&work.message),
        ) else {
            return;
        };
        let began = line.began();
        if line.entry != "queue" || *said >= began {
            return;
        }
        let name = format!("way/{}/{}/{}", work.message, work.service, work.command);
        let title = format!("{what} to {}", work.service);
        let mut span = self.span(&title, &name, *parent, (*said, began));
        span.whose = "bus and queues".to_owned();
        span.attributes = vec![("messaging.message.id", text(work.message.as_str()))];
        self.spans.push(span);
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
        if let Some(bus) = self.bus {
            // Not among the well-known values, so a word of our own.
            span.attributes
                .push(("messaging.system", text("aws_eventbridge")));
            span.attributes
                .push(("messaging.destination.name", text(bus)));
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
        let ended = self.end(node, at);
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
        self.unfinished(node, &mut span);
        let id = span.id;
        self.spans.push(span);
        id
    }

    fn unfinished(&self, node: &Node, span: &mut Span) {
        if node.took_ms.is_none() {
            span.attributes
                .push(("duet.unfinished", Value::Flag(true)));
        }
    }

    fn state(&mut self, place: &Place<'_>, at: Timestamp) -> SpanId {
        let node = place.node;
        let (execution, id) = (
            place.execution.unwrap_or_default(),
            node.id.as_deref().unwrap_or_default(),
        );
        let of = format!("state/{execution}/{id}");
        let mut span = self.span(&node.name, &of, place.parent, (at, self.end(node, at)));
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
        self.unfinished(node, &mut span);
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

    /// What functions did that no record of the order tells of: what failed to the
    /// end, found that it was late, or is a listener's.
    fn others(&mut self, root: SpanId) {
        let made: BTreeSet<SpanId> = self.spans.iter().map(|span| span.id).collect();
        for (work, tried) in std::mem::take(&mut self.works) {
            let state = self.states.iter().find(|state| {
                work.state.as_deref() == Some(&state.id) && state.execution == work.message
            });
            let message = || self.messages.get(&work.message).copied();
            let parent = state.map(|state| state.span).or_else(message);
            let parent = parent.filter(|parent| made.contains(parent));
            self.attempts(&work, &tried, parent.unwrap_or(root), None);
        }
    }
}
