//! What operators did about an order: who, when, and why, beside the order itself.
//!
//! Kept in the order service's table, in a partition of its own: whoever may note
//! what they did may change no order by it.

use std::collections::BTreeMap;

use duet_core::Timestamp;
use duet_core::store::{Browse, Expect, Item, Key, Store, Write};
use duet_fraud::command::{MAX_BY, MAX_NOTE};
use serde::{Deserialize, Serialize};

use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::inline;
use crate::world::World;

/// How many are written in one go: DynamoDB takes a hundred in a transaction
/// (DynamoDB quotas), and a hundred notes may be longer than its 4 MB.
const AT_ONCE: usize = 25;

/// Who does something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Who.
    pub by: String,
    /// Why.
    pub note: Option<String>,
}

/// Something an operator did about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// When.
    pub at: Timestamp,
    /// What, and what came of it.
    pub what: String,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Action {
    /// What was done, by whom and why, in words.
    #[must_use]
    pub fn told(&self) -> String {
        let why = self
            .note
            .as_deref()
            .map(|note| format!(": {}", inline(note)));
        let (what, by) = (inline(&self.what), inline(&self.by));
        format!("{what}, by {by}{}", why.unwrap_or_default())
    }
}

/// Ids have no `#`, so no order's partition is called so.
fn partition(id: &str) -> String {
    format!("operator#{id}")
}

impl Signed {
    /// Done by `name`, who says no more.
    #[must_use]
    pub fn by(name: &str) -> Self {
        Self {
            by: name.to_owned(),
            note: None,
        }
    }

    /// Refuses what nobody would keep.
    ///
    /// # Errors
    /// [`Problem`] when the name or the note is empty or too long.
    pub fn check(&self) -> Outcome<()> {
        if self.by.trim().is_empty() || self.by.chars().count() > MAX_BY {
            return Err(Problem::usage(format!("--by has 1 to {MAX_BY} characters")));
        }
        let fits = |note: &String| !note.trim().is_empty() && note.chars().count() <= MAX_NOTE;
        match self.note.as_ref().is_none_or(fits) {
            true => Ok(()),
            false => Err(Problem::usage(format!(
                "--note has 1 to {MAX_NOTE} characters"
            ))),
        }
    }

    /// Notes what was done about each of these orders or customers: id, and what.
    ///
    /// # Errors
    /// [`Problem`] when the table does not take it; what was done is done.
    pub async fn note<W: World>(
        &self,
        world: &W,
        done: impl IntoIterator<Item = (String, String)>,
    ) -> Outcome<()> {
        let at = world.now();
        // Of one order there may be several in one go: each has its number.
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let writes = done.into_iter().map(|(id, what)| {
            let number = numbers.entry(id.clone()).or_default();
            *number += 1;
            let key = Key::new(partition(&id), format!("{at}#{number}"));
            let action = Action {
                at,
                what,
                by: self.by.clone(),
                note: self.note.clone(),
            };
            Write::put(key, &action, Expect::Anything)
        });
        let writes: Vec<Write> = writes.collect();
        for some in writes.chunks(AT_ONCE) {
            let noted = world.table(TableOf::Order).commit(some.to_vec()).await;
            noted.map_err(|why| {
                Problem::environment(format!("it was done, but could not be noted: {why}"))
            })?;
        }
        Ok(())
    }
}

/// What operators did about the order `id`, in order of time.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn about<W: World>(world: &W, id: &str) -> Outcome<Vec<Action>> {
    let items = world
        .table(TableOf::Order)
        .partition(&partition(id))
        .await?;
    let actions = items.iter().map(Item::read);
    let mut actions: Vec<Action> = actions.collect::<Result<_, _>>()?;
    actions.sort_by_key(|action| action.at);
    Ok(actions)
}

/// Removes the notes about the order `id`: they may say something of a person. Who
/// did what, and when, stays.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn forget_notes<W: World>(world: &W, id: &str) -> Outcome<()> {
    let table = world.table(TableOf::Order);
    for item in table.partition(&partition(id)).await? {
        let action: Action = item.read()?;
        if action.note.is_some() {
            let bare = Action {
                note: None,
                ..action
            };
            let write = Write::put(item.key, &bare, Expect::Anything);
            let written = table.commit(vec![write]).await;
            written.map_err(Problem::environment)?;
        }
    }
    Ok(())
}
