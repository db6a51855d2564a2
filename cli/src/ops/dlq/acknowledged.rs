//! Failed executions that nobody will take up again: put away, with a note.
//!
//! An execution cannot be deleted (Step Functions keeps it for 90 days), so what a
//! person decided about it is kept beside it, in the order service's table.

use std::collections::BTreeSet;

use duet_core::Timestamp;
use duet_core::id::of_execution;
use duet_core::store::{Expect, Item, Key, Store, Write};
use serde::{Deserialize, Serialize};

use super::{Filter, Layer};
use crate::ops::actions::Signed;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::inline;
use crate::terminal::report::Report;
use crate::world::port::operate::Operate;

/// What somebody decided about a failed execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The execution's name.
    pub execution: String,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why it is left as it is.
    pub note: String,
}

fn key(execution: &str) -> Key {
    Key::new(format!("execution#{execution}"), "acknowledged")
}

/// Those of the executions called `names` that somebody put away.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn among<W: Operate>(
    world: &W,
    names: impl Iterator<Item = &str>,
) -> Outcome<BTreeSet<String>> {
    let keys: Vec<Key> = names.map(key).collect();
    let found = world.table(TableOf::Order).load(&keys).await?;
    let found = found.iter().flatten().map(Item::read::<Acknowledged>);
    let found = found.map(|one| Ok(one?.execution));
    found.collect()
}

/// Puts the failed execution called `execution` away: it is listed no more.
///
/// # Errors
/// [`Problem`] when no execution of that name failed, or the table does not answer.
pub async fn put<W: Operate>(world: &W, execution: &str, signed: &Signed) -> Outcome<Acknowledged> {
    let failed = world.failed_executions().await?;
    if !failed.iter().any(|one| one.name == execution) {
        return Err(
            Problem::failed(format!("no failed execution is called {execution}")).hint(
                "a message is sent back with `duet dlq redrive`, or removed with `duet dlq drop`",
            ),
        );
    }
    let mut all = put_each(world, vec![execution.to_owned()], signed).await?;
    all.pop()
        .ok_or_else(|| Problem::environment(format!("{execution} was not put away")))
}

/// What was put away.
#[derive(Debug, Serialize)]
pub struct AllAcknowledged {
    /// One each.
    pub acknowledged: Vec<Acknowledged>,
}

/// Puts every failed execution away that has `cause` in its cause.
///
/// # Errors
/// [`Problem`] when the target does not answer: what was put away by then is.
pub async fn put_all<W: Operate>(
    world: &W,
    cause: &str,
    signed: &Signed,
) -> Outcome<AllAcknowledged> {
    let filter = Filter {
        cause: Some(cause.to_owned()),
        ..Filter::default()
    };
    let letters = super::list(world, &filter).await?.letters.into_iter();
    let failed = letters.filter(|one| one.layer == Layer::Execution);
    let acknowledged = put_each(world, failed.map(|one| one.id).collect(), signed).await?;
    Ok(AllAcknowledged { acknowledged })
}

async fn put_each<W: Operate>(
    world: &W,
    executions: Vec<String>,
    signed: &Signed,
) -> Outcome<Vec<Acknowledged>> {
    let mut all = Vec::new();
    for execution in executions {
        let decided = Acknowledged {
            by: signed.by.clone(),
            at: world.now(),
            note: signed.note.clone().unwrap_or_default(),
            execution,
        };
        let write = Write::put(key(&decided.execution), &decided, Expect::Anything);
        let written = world.table(TableOf::Order).commit(vec![write]).await;
        written.map_err(Problem::environment)?;
        all.push(decided);
    }
    let done = all.iter().map(|one| {
        let subject = of_execution(&one.execution).to_owned();
        (subject, format!("execution {} put away", one.execution))
    });
    signed.note(world, done).await?;
    Ok(all)
}

impl Report for AllAcknowledged {
    fn text(&self) -> String {
        if self.acknowledged.is_empty() {
            return "no failed execution has that in its cause".to_owned();
        }
        let each = self.acknowledged.iter().map(Report::text);
        each.collect::<Vec<_>>().join("\n")
    }
}

impl Report for Acknowledged {
    fn text(&self) -> String {
        format!(
            "{} is put away, by {} at {:.0}: {}",
            self.execution,
            inline(&self.by),
            self.at,
            inline(&self.note)
        )
    }
}
