//! Taking failed executions up again where they failed: eligibility first.

use std::collections::BTreeSet;

use duet_core::id::of_execution;
use duet_order::domain::{Compensation, Fate};
use serde::Serialize;

use crate::ops::dlq::acknowledged;
use crate::ops::place;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::port::operate::{FailedExecution, Operate, Redriven};

/// An execution can be taken up again for so long after it ended: 14 days
/// (Step Functions developer guide, "Restarting state machine executions with
/// redrive").
const WINDOW_SECONDS: i64 = 14 * 24 * 60 * 60;

/// What became of one execution.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The execution's name.
    pub execution: String,
    /// `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The error it failed with.
    pub error: Option<String>,
    /// Whether it runs again.
    pub redriven: bool,
    /// The name of the execution that was started in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Why not, and what can be done instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// What became of each.
#[derive(Debug, Serialize)]
pub struct Redrive {
    /// One row each.
    pub executions: Vec<Row>,
}

/// Which executions.
#[derive(Debug, Clone)]
pub enum Which {
    /// The one of this ARN, or of the order or customer of this name.
    Named(String),
    /// All that failed in the last so many seconds.
    Since(i64),
    /// Those of these orders or customers.
    These(BTreeSet<String>),
}

/// Takes up again what is eligible, and explains for the others.
///
/// # Errors
/// [`Problem`] when no such execution failed, or the target does not answer.
pub async fn run<W: Operate>(world: &W, which: &Which, dry_run: bool) -> Outcome<Redrive> {
    let mut executions = Vec::new();
    for one in chosen(world, which).await? {
        let one = world.explained(one).await?;
        let instead = match obstacle(world, &one).await? {
            Some(Obstacle { why, anew: true }) => Some(format!("{why}; {}", offer(&one))),
            Some(Obstacle { why, .. }) => Some(why),
            None if dry_run => None,
            None => match world.redrive(&one.arn).await? {
                Redriven::Yes => None,
                Redriven::Refused(why) => Some(format!("{why}; {}", offer(&one))),
                Redriven::Unsupported => Some(format!(
                    "this target has no RedriveExecution; {}",
                    offer(&one)
                )),
            },
        };
        let redriven = instead.is_none() && !dry_run;
        executions.push(Row::of(one, redriven, None, instead));
    }
    Ok(Redrive { executions })
}

/// Starts a new execution with the same input, under a name of its own, for
/// each that failed. Steps that were done find their own records and are not
/// done again, so this does no harm where going on with the old execution would
/// do none; where the order was rejected, it is refused like that.
///
/// # Errors
/// [`Problem`] when no such execution failed, or the target does not answer.
pub async fn start_again<W: Operate>(world: &W, which: &Which, dry_run: bool) -> Outcome<Redrive> {
    let mut executions = Vec::new();
    // Whoever failed twice is started once.
    let mut done = BTreeSet::new();
    for one in chosen(world, which).await? {
        if !done.insert((one.machine.clone(), one.subject().to_owned())) {
            continue;
        }
        let one = world.explained(one).await?;
        let (started, instead) = match obstacle(world, &one).await? {
            Some(Obstacle { why, anew: false }) => (None, Some(why)),
            _ if dry_run => (None, None),
            _ => match world.start_again(&one).await {
                Ok(name) => (Some(name), None),
                // That it runs already is this one's answer, not the others' end.
                Err(problem) if problem.exit == Exit::Failed => (None, Some(problem.to_string())),
                Err(problem) => return Err(problem),
            },
        };
        executions.push(Row::of(one, started.is_some(), started, instead));
    }
    Ok(Redrive { executions })
}

fn offer(one: &FailedExecution) -> String {
    format!(
        "`duet redrive {} --new` starts a new execution with the same input, in which nothing that was done is done again",
        one.subject()
    )
}

impl Row {
    fn of(
        one: FailedExecution,
        redriven: bool,
        started: Option<String>,
        instead: Option<String>,
    ) -> Self {
        Self {
            execution: one.name,
            status: one.status,
            error: one.error,
            redriven,
            started,
            instead,
        }
    }
}

/// The failed executions that were asked for.
async fn chosen<W: Operate>(world: &W, which: &Which) -> Outcome<Vec<FailedExecution>> {
    let now = world.now();
    let mut failed = world.failed_executions().await?;
    match which {
        Which::Named(name) => {
            failed.retain(|one| [&one.name, &one.arn].contains(&name) || one.subject() == name);
        }
        Which::Since(seconds) => {
            failed.retain(|one| {
                one.ended_at
                    .is_some_and(|at| now.duration_since(at).as_secs() <= *seconds)
            });
            // What somebody has put away is nobody's work any more.
            let names = failed.iter().map(|one| one.name.as_str());
            let away = acknowledged::among(world, names).await?;
            failed.retain(|one| !away.contains(&one.name));
        }
        Which::These(names) => failed.retain(|one| names.contains(one.subject())),
    }
    if let (Which::Named(name), true) = (which, failed.is_empty()) {
        return Err(
            Problem::failed(format!("no failed execution is called {name}")).hint(
                "`duet show` says how an order stands; what did not fail in a workflow is for `duet dlq redrive` and `duet repair`",
            ),
        );
    }
    Ok(failed)
}

/// Why an execution is not taken up again.
struct Obstacle {
    why: String,
    /// Whether a new execution with the same input would do no harm.
    anew: bool,
}

/// Whether an execution could be taken up again, as far as its order goes.
///
/// # Errors
/// [`Problem`] when the target does not answer.
pub async fn is_eligible<W: Operate>(world: &W, one: &FailedExecution) -> Outcome<bool> {
    Ok(obstacle(world, one).await?.is_none())
}

/// What to do about a failed execution of `id` that the engine does not keep: it can
/// neither be taken up again nor be started anew, for nobody knows its input any more.
async fn without_engine<W: Operate>(world: &W, id: &str) -> Outcome<String> {
    const NEVER: &str = "an Express execution cannot be redriven";
    Ok(match place::find(world, id).await? {
        Some(order) => format!(
            "{NEVER}; the order's own clock rejects and undoes it after {:.0}",
            order.deadline
        ),
        None => format!(
            "{NEVER}; place or register {id} again with the same content: what is done is not done again"
        ),
    })
}

/// Why an execution must not be taken up again, if so.
async fn obstacle<W: Operate>(world: &W, one: &FailedExecution) -> Outcome<Option<Obstacle>> {
    let never = |why: String| Obstacle { why, anew: false };
    if one.error.as_deref() == Some("InvalidCommand") {
        return Ok(Some(never(
            "its input was refused as invalid and would be again; place a corrected order under another id"
                .to_owned(),
        )));
    }
    let id = one.subject();
    if let Some(order) = place::find(world, id).await? {
        let harm = match (&order.fate, order.compensation) {
            (Fate::Rejected { .. }, Compensation::Failed) => Some(format!(
                "the order is rejected and parked, so compensation already ran: `duet repair {id}` retries what is missing"
            )),
            (Fate::Rejected { .. }, Compensation::Done) => {
                Some("the order is rejected and whole: nothing is left to do".to_owned())
            }
            (Fate::Rejected { .. }, _) => {
                Some("the order is rejected and being undone: going on could undo twice".to_owned())
            }
            (Fate::Confirmed, _) if !order.owed.is_empty() => Some(format!(
                "the order is confirmed and parked: `duet repair {id}` does what is missing"
            )),
            (Fate::Confirmed, _) if order.is_unfollowed() => Some(
                "the order is confirmed, and its own clock starts again what follows".to_owned(),
            ),
            // One that failed after the pivot is parked by what it owes.
            (Fate::Confirmed, _) => {
                Some("the order is confirmed and whole: nothing is left to do".to_owned())
            }
            (Fate::Undecided, _) => None,
        };
        if let Some(why) = harm {
            return Ok(Some(never(why)));
        }
    }
    if !world.variant(one.variant)?.keeps_executions {
        return Ok(Some(never(without_engine(world, id).await?)));
    }
    let ago = one
        .ended_at
        .map(|at| world.now().duration_since(at).as_secs());
    Ok(ago
        .is_some_and(|ago| ago > WINDOW_SECONDS)
        .then(|| Obstacle {
            why: "it ended more than 14 days ago".to_owned(),
            anew: true,
        }))
}

impl Redrive {
    /// Whom it was about, and what was done, for the order's timeline.
    #[must_use]
    pub fn noted(&self) -> Vec<(String, String)> {
        let done = self.executions.iter().filter(|one| one.redriven);
        let noted = done.map(|one| {
            let name = &one.execution;
            let what = match &one.started {
                Some(other) => format!("execution {other} started in place of {name}"),
                None => format!("execution {name} taken up again"),
            };
            (of_execution(name).to_owned(), what)
        });
        noted.collect()
    }
}

impl Report for Redrive {
    fn text(&self) -> String {
        if self.executions.is_empty() {
            return "no execution failed in that time".to_owned();
        }
        let mut rows = table([
            table::word("EXECUTION"),
            table::word("STATUS").states().gives_way(1),
            table::prose("ERROR").gives_way(2),
            table::prose("REDRIVEN"),
            table::prose("INSTEAD"),
        ]);
        for one in &self.executions {
            let word = match (&one.instead, &one.started, one.redriven) {
                (Some(_), ..) => "no".to_owned(),
                (None, Some(name), _) => format!("as {name}"),
                (None, None, true) => "yes".to_owned(),
                (None, None, false) => "would be".to_owned(),
            };
            rows.add_row([
                one.execution.as_str(),
                &one.status,
                one.error.as_deref().unwrap_or("-"),
                &word,
                one.instead.as_deref().unwrap_or(""),
            ]);
        }
        rows.text()
    }

    fn exit(&self) -> Exit {
        if self.executions.iter().all(|one| one.instead.is_none()) {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}
