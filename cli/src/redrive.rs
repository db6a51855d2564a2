//! Taking failed executions up again where they failed: eligibility first.

use duet_order::domain::{Compensation, Fate};
use serde::Serialize;

use crate::exit::{Exit, Outcome, Problem};
use crate::place;
use crate::report::{Report, table, trimmed};
use crate::world::operate::{FailedExecution, Operate, Redriven};

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
}

/// Takes up again what is eligible, and explains for the others.
///
/// # Errors
/// [`Problem`] when no such execution failed, or the target does not answer.
pub async fn run<W: Operate>(world: &W, which: &Which, dry_run: bool) -> Outcome<Redrive> {
    let now = world.now();
    let mut failed = world.failed_executions().await?;
    match which {
        Which::Named(name) => failed.retain(|one| one.name == *name || one.arn == *name),
        Which::Since(seconds) => failed.retain(|one| {
            one.ended_at
                .is_some_and(|at| now.duration_since(at).as_secs() <= *seconds)
        }),
    }
    if let (Which::Named(name), true) = (which, failed.is_empty()) {
        return Err(
            Problem::failed(format!("no failed execution is called {name}")).hint(
                "an order on the bus has none: `duet repair` and `duet dlq redrive` are for it",
            ),
        );
    }
    let mut executions = Vec::new();
    for one in failed {
        let instead = match obstacle(world, &one).await? {
            Some(why) => Some(why),
            None if dry_run => None,
            None => match world.redrive(&one.arn).await? {
                Redriven::Yes => None,
                Redriven::Refused(why) => Some(why),
                Redriven::Unsupported => Some(format!(
                    "this target has no RedriveExecution; place the order again under another id, or see `duet show {}`",
                    one.name
                )),
            },
        };
        executions.push(Row {
            execution: one.name,
            status: one.status,
            error: one.error,
            redriven: instead.is_none() && !dry_run,
            instead,
        });
    }
    Ok(Redrive { executions })
}

/// Why an execution must not be taken up again, if so. All machines of this
/// system are Standard ones.
async fn obstacle<W: Operate>(world: &W, one: &FailedExecution) -> Outcome<Option<String>> {
    let ago = one
        .ended_at
        .map(|at| world.now().duration_since(at).as_secs());
    if ago.is_some_and(|ago| ago > WINDOW_SECONDS) {
        return Ok(Some(
            "it ended more than 14 days ago; place the order again under another id".to_owned(),
        ));
    }
    if one.error.as_deref() == Some("InvalidCommand") {
        return Ok(Some(
            "its input was refused as invalid and would be again; place a corrected order under another id"
                .to_owned(),
        ));
    }
    let Some(order) = place::find(world, &one.name).await? else {
        return Ok(None);
    };
    Ok(match (&order.fate, order.compensation) {
        (Fate::Rejected { .. }, Compensation::Failed) => Some(format!(
            "the order is rejected and parked, so compensation already ran: `duet repair {}` retries what is missing",
            one.name
        )),
        (Fate::Rejected { .. }, Compensation::Done) => {
            Some("the order is rejected and whole: nothing is left to do".to_owned())
        }
        (Fate::Rejected { .. }, _) => {
            Some("the order is rejected and being undone: going on could undo twice".to_owned())
        }
        (Fate::Confirmed, _) if !order.owed.is_empty() => Some(format!(
            "the order is confirmed and parked: `duet repair {}` does what is missing",
            one.name
        )),
        (Fate::Confirmed | Fate::Undecided, _) => None,
    })
}

impl Report for Redrive {
    fn text(&self) -> String {
        if self.executions.is_empty() {
            return "no execution failed in that time".to_owned();
        }
        let mut rows = table(&["EXECUTION", "STATUS", "ERROR", "REDRIVEN", "INSTEAD"]);
        for one in &self.executions {
            let word = match (&one.instead, one.redriven) {
                (Some(_), _) => "no",
                (None, true) => "yes",
                (None, false) => "would be",
            };
            rows.add_row([
                one.execution.as_str(),
                &one.status,
                one.error.as_deref().unwrap_or("-"),
                word,
                one.instead.as_deref().unwrap_or(""),
            ]);
        }
        trimmed(&rows)
    }

    fn exit(&self) -> Exit {
        if self.executions.iter().all(|one| one.instead.is_none()) {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}
