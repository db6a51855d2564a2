//! One order as a tree of cause and effect, across services, whatever
//! coordinates them: what happened, how long it took, what was tried again or
//! told twice, what died, and what is still missing.
//!
//! Names, ids and numbers only: no data of an order is in here.

mod axis;
mod choreography;
mod draw;
mod orchestration;
mod svg;

use duet_core::Timestamp;
use duet_core::store::{Browse, Item};
use duet_journal::Entry;
use duet_order::domain::{Compensation, Fate};
use serde::Serialize;
use serde_json::Value;

use crate::ops::actions::Action;
use crate::ops::view::View;
use crate::ops::{orders, show};
use crate::shop::message::{KIND, SUBJECT};
use crate::shop::parameters::Fraud;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::terminal::exit::Outcome;
use crate::terminal::report::Report;
use crate::world::{DeadLetter, World};

/// An order from its first message to where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The order's id.
    pub order: String,
    /// The variant it runs under; `None` when no service placed it.
    pub variant: Option<&'static str>,
    /// How it stands, in a word.
    pub outcome: String,
    /// When the first thing happened.
    pub began_at: Option<Timestamp>,
    /// From the first thing to the last.
    pub elapsed_ms: i64,
    /// How many attempts were not the first.
    pub retries: u32,
    /// How many facts were told again, replays apart.
    pub duplicates: u32,
    /// How often facts were replayed.
    pub replays: u32,
    /// What died on the way and still lies there.
    pub dead_letters: Vec<Dead>,
    /// What the order waits for, or lacks.
    pub missing: Vec<Missing>,
    /// Why nothing is told of how its executions went, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold: Option<&'static str>,
    /// What happened: causes above their effects, in order of time. More than
    /// one root where more than one thing came from outside.
    pub tree: Vec<Node>,
}

/// Something that happened, or should have.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Node {
    /// What sort of thing.
    pub kind: Kind,
    /// The fact's, command's or state's name.
    pub name: String,
    /// The service that did or said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'static str>,
    /// The id of the message; of a state, the number of the event of the
    /// execution's history by which it was entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id of the state that this one came after; `None` for the first of an
    /// execution or branch, and where the target does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// When; `None` for what has not happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Milliseconds since the order began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// How long it took: a step since its cause was said, a state or execution
    /// from its beginning to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<i64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// How often it was tried.
    #[serde(skip_serializing_if = "is_no_more_than_one")]
    pub attempts: u32,
    /// The errors of the attempts that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// How often a fact was told again, replays apart.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicates: u32,
    /// How often a fact was replayed.
    #[serde(skip_serializing_if = "is_zero")]
    pub replays: u32,
    /// What to mind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What it led to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
    /// The id of the message that asked for a step, where its record tells.
    #[serde(skip)]
    pub(crate) cause: Option<String>,
    /// The command of a state's task; what an operator did, without who and why.
    #[serde(skip)]
    pub(crate) what: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_no_more_than_one(n: &u32) -> bool {
    *n <= 1
}

/// The sorts of things that happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A message from outside, or one that nothing here explains.
    #[default]
    Message,
    /// A service did what a command says.
    Step,
    /// A service said something.
    Fact,
    /// A service set itself a time.
    Timer,
    /// A workflow ran.
    Execution,
    /// A workflow was in a state.
    State,
    /// A service should have done something, and has not.
    Missing,
    /// An operator did something.
    Operator,
}

/// A dead letter of the order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dead {
    /// The dead-letter queue, or the state machine.
    pub place: String,
    /// Its id there.
    pub id: String,
    /// The fact or command.
    pub kind: Option<String>,
    /// Why it died, where that is known.
    pub cause: Option<String>,
    /// The id of the message.
    #[serde(skip)]
    message: Option<String>,
}

impl Dead {
    fn of(letter: DeadLetter) -> Self {
        let body: Option<Value> = serde_json::from_str(&letter.body).ok();
        let word = |paths: &[&str]| {
            let body = body.as_ref()?;
            let found = paths.iter().find_map(|path| body.pointer(path));
            found.and_then(Value::as_str).map(str::to_owned)
        };
        Self {
            place: letter.place,
            id: letter.id,
            kind: word(&KIND),
            cause: letter.cause,
            message: word(&["/detail/metadata/id", "/metadata/id"]),
        }
    }
}

/// Something the order lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Until when it is waited for, where there is an end to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a timeline is made of.
struct Sources {
    view: View,
    facts: Vec<Entry>,
    dead: Vec<Dead>,
    with_fraud: bool,
}

/// Reads the timeline of the order `id`.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when nobody ever heard of it, or the target does not answer.
pub async fn read<W: World>(world: &W, id: &str) -> Outcome<Timeline> {
    // Refuses an order that nobody knows, and tells how one stands.
    let shown = show::show(world, id).await?;
    let view = shown.view;
    let deployment = world.deployment();
    let runs_under = |variant: &Variant| match &view.order {
        Some(order) => order.variant == variant.name,
        None => true,
    };
    let items = world.table(TableOf::Journal).partition(id).await?;
    let facts = items.iter().map(Item::read::<Entry>);
    let facts: Vec<Entry> = facts.collect::<Result<_, _>>()?;
    let mut dead = Vec::new();
    let mut history = Vec::new();
    for one in world.described() {
        let variant = &one.variant;
        if !runs_under(variant) {
            continue;
        }
        let mut letters = world.dead_letters(variant, id).await?;
        // An execution whose order was made whole since is history.
        if is_whole(&view) {
            letters.retain(|letter| !one.has_machine(&letter.place));
        }
        // What lies in a queue that variants share is told under each.
        letters.retain(|letter| is_about(letter, id) && !dead.contains(letter));
        dead.extend(letters);
        if history.is_empty() {
            history = world.history(variant, Subject::Order, id).await?;
        }
    }
    let by_order = |order: &duet_order::domain::Order| world.variant(&order.variant).ok();
    let variant = view.order.as_ref().and_then(by_order);
    let sources = Sources {
        view,
        facts,
        dead: dead.into_iter().map(Dead::of).collect(),
        with_fraud: deployment.fraud != Fraud::Off,
    };
    let orchestrated = match variant {
        Some(variant) => variant.has_machines,
        None => !history.is_empty(),
    };
    let mut timeline = Timeline {
        order: id.to_owned(),
        variant: variant.map(|variant| variant.name),
        outcome: shown.outcome,
        began_at: None,
        elapsed_ms: 0,
        retries: 0,
        duplicates: 0,
        replays: 0,
        dead_letters: Vec::new(),
        missing: waits(&sources.view),
        untold: shown.untold,
        tree: Vec::new(),
    };
    timeline.tree = if orchestrated {
        let executions = match variant.is_none_or(|variant| variant.keeps_executions) {
            true => shown.execution.as_slice(),
            false => &shown.executions,
        };
        orchestration::tree(&sources, executions, &history)
    } else {
        choreography::tree(&sources)
    };
    let actions = sources.view.actions.iter().map(of_action);
    timeline.tree.extend(actions);
    timeline.tree.sort_by_key(first_time);
    timeline.dead_letters = sources.dead;
    timeline.sum_up();
    Ok(timeline)
}

/// Whether a dead letter is about the order `id`, and not about one whose id
/// only has this one in it.
fn is_about(letter: &DeadLetter, id: &str) -> bool {
    let body: Option<Value> = serde_json::from_str(&letter.body).ok();
    let said = body
        .as_ref()
        .and_then(|body| SUBJECT.iter().find_map(|path| body.pointer(path)));
    letter.id == id || said.and_then(Value::as_str) == Some(id)
}

/// Whether the order has ended, and nothing is owed or still to be undone.
fn is_whole(view: &View) -> bool {
    view.order.as_ref().is_some_and(|order| {
        let undone = matches!(order.compensation, Compensation::None | Compensation::Done);
        order.fate != Fate::Undecided && undone && order.owed.is_empty()
    })
}

/// What the order as a whole waits for.
fn waits(view: &View) -> Vec<Missing> {
    let Some(order) = &view.order else {
        let what = "the order service never placed it".to_owned();
        return vec![Missing { what, until: None }];
    };
    let review = view.review.as_ref();
    let what = orders::waits_for(order, review.map(|review| &review.status));
    let until = (order.fate == Fate::Undecided).then_some(order.deadline);
    what.map(|what| Missing { what, until })
        .into_iter()
        .collect()
}

impl Timeline {
    /// Works out what the whole tree says.
    fn sum_up(&mut self) {
        let mut tree = std::mem::take(&mut self.tree);
        let (mut first, mut last) = (None::<Timestamp>, None::<Timestamp>);
        each(&mut tree, &mut |node| {
            // An operator may come days later.
            let counts = ![Kind::Timer, Kind::Operator].contains(&node.kind);
            if let Some(at) = node.at.filter(|_| counts) {
                let took = jiff::SignedDuration::from_millis(node.took_ms.unwrap_or(0));
                // A step is done at its time; a state lasts from then on.
                let end = match node.kind {
                    Kind::State | Kind::Execution => at.saturating_add(took).unwrap_or(at),
                    _ => at,
                };
                first = Some(first.map_or(at, |first| first.min(at)));
                last = Some(last.map_or(end, |last| last.max(end)));
            }
        });
        each(&mut tree, &mut |node| {
            let since = |at: Timestamp| Some(at.duration_since(first?).as_millis() as i64);
            node.after_ms = node.at.and_then(since);
            self.retries += node.attempts.saturating_sub(1);
            self.duplicates += node.duplicates;
            self.replays += node.replays;
            if node.kind == Kind::Missing {
                let service = node.service.unwrap_or("somebody");
                let what = format!("{service} has not done {}", node.name);
                self.missing.push(Missing { what, until: None });
            }
        });
        self.began_at = first;
        self.elapsed_ms = first.zip(last).map_or(0, |(first, last)| {
            last.duration_since(first).as_millis() as i64
        });
        self.tree = tree;
    }
}

/// When the first thing of a tree happened; in the far future, if none has.
fn first_time(node: &Node) -> Timestamp {
    let below = node.children.iter().map(first_time).min();
    let own = node.at.unwrap_or(Timestamp::MAX);
    below.map_or(own, |below| below.min(own))
}

/// Visits every node, causes before effects.
fn each(nodes: &mut [Node], visit: &mut impl FnMut(&mut Node)) {
    for node in nodes {
        visit(node);
        each(&mut node.children, visit);
    }
}

/// What an operator did.
fn of_action(action: &Action) -> Node {
    Node {
        kind: Kind::Operator,
        name: action.told(),
        what: Some(action.what.clone()),
        at: Some(action.at),
        ..Node::default()
    }
}

/// A step as a service's record tells it.
fn of_step(step: &crate::ops::view::Step) -> Node {
    Node {
        kind: Kind::Step,
        name: step.command.clone(),
        service: Some(step.service),
        at: Some(step.at),
        outcome: Some(step.outcome.clone()),
        attempts: 1,
        cause: step.cause.clone(),
        ..Node::default()
    }
}

impl Report for Timeline {
    fn text(&self) -> String {
        draw::text(self)
    }
}

impl Timeline {
    /// The timeline as a Mermaid flowchart, for documents.
    #[must_use]
    pub fn mermaid(&self) -> String {
        draw::mermaid(self)
    }

    /// The timeline as a picture: an SVG document that needs nothing else.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::picture(self)
    }
}

#[cfg(test)]
mod tests;
