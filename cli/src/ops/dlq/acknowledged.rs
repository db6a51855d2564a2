//! Failed executions that nobody will take up again: put away, with a note.
//!
//! An execution cannot be deleted (Step Functions keeps it for 90 days), so what a
//! person decided about it is kept beside it, in the order service's table.

use std::collections::BTreeSet;

use duet_core::Timestamp;
use duet_core::id::of_execution;
use duet_core::store::{Expect, Item, Key, Store, Write};
use serde::{Deserialize, Serialize};

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
    let decided = Acknowledged {
        execution: execution.to_owned(),
        by: signed.by.clone(),
        at: world.now(),
        note: signed.note.clone().unwrap_or_default(),
    };
    let write = Write::put(key(execution), &decided, Expect::Anything);
    let written = world.table(TableOf::Order).commit(vec![write]).await;
    written.map_err(Problem::environment)?;
    let done = format!("execution {execution} put away");
    signed
        .note(world, [(of_execution(execution).to_owned(), done)])
        .await?;
    Ok(decided)
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
