//! What the functions' log lines add to a trace: each attempt, how long it took, and
//! what it repeats.

use std::collections::BTreeSet;

use duet_core::Timestamp;

use super::spans::{Maker, Place, State, text};
use super::{Line, Link, Role, Span, SpanId, Value};

/// How far the clocks of a workflow and of a function may be apart.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_millis(250);

/// Log lines have whole milliseconds.
const ROUNDED: jiff::SignedDuration = jiff::SignedDuration::from_millis(1);

/// What led to attempts: who did what, for which message, and in which state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Work {
    pub(super) service: String,
    pub(super) message: String,
    pub(super) command: String,
    pub(super) state: Option<String>,
}

/// The command without what tells its repetitions apart.
pub(super) fn bare(command: &str) -> &str {
    command.split(' ').next().unwrap_or(command)
}

impl Line {
    pub(super) fn began(&self) -> Timestamp {
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
    /// Puts each line to what it tries.
    pub(super) fn sort_lines(&mut self) {
        for (at, line) in self.lines.iter().enumerate() {
            let command = line.command.clone().unwrap_or_default();
            let message = line.message.clone().unwrap_or_default();
            // A clock that nobody needed any more is no news, as in the timeline.
            let clock = format!("{}/{}/timer/", line.service, self.order);
            let quiet = line.is_done() || line.outcome == "later";
            if quiet && message.starts_with(&clock) && !self.said.contains_key(&message) {
                continue;
            }
            let state = self.state_of(line, &command, &message);
            let work = Work {
                service: line.service.clone(),
                message,
                command,
                state: state.map(|state| state.id.clone()),
            };
            self.works.entry(work).or_default().push(at);
        }
    }

    /// The state in which the execution `message` asked for what `line` tells of: by
    /// time, and where no time fits to the letter, by what clocks may be apart.
    fn state_of(&self, line: &Line, command: &str, message: &str) -> Option<&State> {
        let asks = |state: &&State| {
            state.command.as_deref() == Some(command) && state.execution == message
        };
        let within = |state: &&State, slack| {
            let later = |at: Timestamp| at.saturating_add(slack).unwrap_or(at);
            state.from <= later(line.began()) && line.time <= later(state.until)
        };
        let mut states = self.states.iter().filter(asks);
        let exact = states.find(|state| within(state, jiff::SignedDuration::ZERO));
        exact.or_else(|| {
            let mut states = self.states.iter().filter(asks);
            states.find(|state| within(state, SLACK))
        })
    }

    /// The attempts at a step; a moment where no line tells of the one that did it.
    pub(super) fn step(&mut self, place: &Place<'_>, at: Timestamp) -> SpanId {
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
                Some((id, at))
            }
        };
        let attempts = self.attempts(&work, &tried, place.parent, did);
        let own = done.and_then(|done| attempts.get(done).copied());
        own.or(did.map(|(span, _)| span)).unwrap_or(place.parent)
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

    /// Spans for the lines `tried`, in order; `did` has done it, at its time, if it is there.
    pub(super) fn attempts(
        &mut self,
        work: &Work,
        tried: &[usize],
        parent: SpanId,
        did: Option<(SpanId, Timestamp)>,
    ) -> Vec<SpanId> {
        let mut spans: Vec<SpanId> = Vec::new();
        let mut done = None;
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
            let before = did.filter(|(_, at)| *at <= line.began());
            done = done.or(before.map(|(span, _)| span));
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
            if nth == 0 && before.is_none() {
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

    /// What functions did that no record of the order tells of: what failed to the
    /// end, found that it was late, or is a listener's.
    pub(super) fn others(&mut self, root: SpanId) {
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

    /// Links what found its work done already, under another message, to what did
    /// it; where that may have been one of several, to none.
    pub(super) fn link_repeats(&mut self) {
        let told = |span: &Span, name: &str| {
            let found = span.attributes.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.clone())
        };
        let same = |a: &Span, b: &Span| {
            let names = ["duet.service", "duet.command"];
            a.whose == b.whose && names.iter().all(|name| told(a, name) == told(b, name))
        };
        let repeats = |span: &Span| told(span, "duet.outcome") == Some("repeat".into());
        let mut links = Vec::new();
        for (at, span) in self.spans.iter().enumerate() {
            if !repeats(span) || !span.links.is_empty() {
                continue;
            }
            let did = self.spans.iter().filter(|other| {
                let done = other.failed.is_none() && !repeats(other);
                done && other.ended <= span.began && same(other, span)
            });
            if let [one] = did.collect::<Vec<_>>()[..] {
                links.push((at, one.id));
            }
        }
        for (at, to) in links {
            let why = "duplicate";
            self.spans[at].links.push(Link { to, why });
        }
    }
}
