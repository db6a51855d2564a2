//! Dead letters, both layers in one view: what a bus could not deliver, what a
//! service could not process, and the executions that failed.
//!
//! Nothing leaves a dead-letter queue before its new home has it. A target's
//! letter goes back to that target only, and only if it is a queue of this stack:
//! whoever may write to a dead-letter queue may write any target there. Listings tell ids, names and causes,
//! never a body: it may hold personal data.

pub mod acknowledged;
mod redrive;
mod report;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use duet_core::Timestamp;
use duet_edge::wires::{QUEUE, REASON};
use duet_order::domain::Order;
use serde::Serialize;
use serde_json::Value;

pub use self::redrive::{Kept, Redrive, redrive};
use crate::ops::place;
use crate::shop::message::{KIND, SUBJECT};
use crate::shop::services::SERVICES;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::port::operate::{FailedExecution, Held, Operate, home_of};

/// How long letters are held while they are looked at, in seconds.
const HOLD_SECONDS: i32 = 60;

/// How long letters are held while they are moved, in seconds. Should the move
/// be cut off, they are seen again after this time.
const MOVE_SECONDS: i32 = 900;

/// The layer a letter died in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// A bus could not deliver it to a target.
    Undelivered,
    /// A service could not process it.
    Unprocessed,
    /// A workflow's execution failed.
    Execution,
}

/// A dead letter, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its id: a message's, or an execution's name.
    pub id: String,
    /// The layer it died in.
    pub layer: Layer,
    /// The dead-letter queue, or the state machine.
    pub place: String,
    /// The queue it goes back to; for an execution, none.
    pub home: Option<String>,
    /// Where it says that it was going, when that is no queue of this stack. It
    /// goes back nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stranger: Option<String>,
    /// The service it was for.
    pub consumer: String,
    /// The fact or command, where that can be read.
    pub kind: Option<String>,
    /// The order or customer it is about, where that can be read.
    pub subject: Option<String>,
    /// Why it died, as far as is known.
    pub cause: String,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Seconds since.
    pub age_seconds: Option<i64>,
}

/// Whether `arn` is the ARN of one of these queues: an SQS queue of that name in
/// the account that their URLs are of
/// (`arn:PARTITION:sqs:REGION:ACCOUNT:NAME`, `https://HOST/ACCOUNT/NAME`).
fn is_of(homes: &BTreeMap<String, String>, arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "sqs", _, account, name] = parts[..] else {
        return false;
    };
    let url = homes.get(name);
    url.is_some_and(|url| url.rsplit('/').nth(1) == Some(account))
}

/// A queue's or machine's name, from its URL or ARN.
fn name(of: &str) -> &str {
    of.rsplit(['/', ':']).next().unwrap_or(of)
}

impl Letter {
    /// `homes` are the queues that it may go back to, see [`Operate::homes`].
    fn of(held: &Held, homes: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let place = name(&held.queue).to_owned();
        let target = held.attributes.get("TARGET_ARN");
        let layer = match target {
            Some(_) => Layer::Undelivered,
            None => Layer::Unprocessed,
        };
        // A service says where the letter came from, as a bus says where it was going.
        let named = target.or_else(|| held.attributes.get(QUEUE));
        let home = match named {
            Some(arn) => is_of(homes, arn).then(|| name(arn).to_owned()),
            None => home_of(&place).filter(|home| homes.contains_key(home)),
        };
        let stranger = named.filter(|_| home.is_none()).cloned();
        // Its queues are called after it: STACK-SERVICE, STACK-SERVICE-commands, and
        // STACK-VARIANT-SERVICE.fifo.
        let mut parts = home.as_deref().unwrap_or_default().rsplit(['-', '.']);
        let consumer = parts
            .find(|part| SERVICES.contains(part))
            .map(str::to_owned);
        let body: Option<Value> = serde_json::from_str(&held.body).ok();
        let word = |path: &str| {
            let value = body.as_ref()?.pointer(path)?;
            // Names and ids only: whatever else stands there is not for a listing.
            let plain = |text: &&str| {
                let mut bytes = text.bytes();
                text.len() <= 64 && bytes.all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            value.as_str().filter(plain).map(str::to_owned)
        };
        let first = |paths: &[&str]| paths.iter().find_map(|path| word(path));
        let kind = first(&KIND);
        let subject = first(&SUBJECT);
        let told = held.attributes.get("ERROR_CODE");
        let told = told.or_else(|| held.attributes.get(REASON));
        let cause = match (told, &body, &kind) {
            (Some(told), ..) => told.clone(),
            (None, None, _) => "no JSON".to_owned(),
            (None, Some(_), None) => "neither an event nor a command".to_owned(),
            (None, Some(_), Some(_)) => "not processed within its receives".to_owned(),
        };
        Self {
            id: held.id.clone(),
            layer,
            home,
            stranger,
            consumer: consumer.unwrap_or_else(|| "unknown".to_owned()),
            place,
            kind,
            subject,
            cause,
            sent_at: held.sent_at,
            age_seconds: held.sent_at.map(|at| now.duration_since(at).as_secs()),
        }
    }

    /// The failed execution `failed`, by its status where nobody says why it failed.
    fn of_execution(failed: &FailedExecution, now: Timestamp) -> Self {
        Self {
            id: failed.name.clone(),
            layer: Layer::Execution,
            place: failed.machine.clone(),
            home: None,
            stranger: None,
            consumer: "workflow".to_owned(),
            kind: None,
            subject: Some(failed.subject().to_owned()),
            cause: failed.error.as_ref().unwrap_or(&failed.status).clone(),
            sent_at: failed.started_at,
            age_seconds: failed.started_at.map(|at| now.duration_since(at).as_secs()),
        }
    }

    /// Why it goes back nowhere, if it does not.
    fn homeless(&self) -> Option<String> {
        match (&self.home, &self.stranger) {
            (Some(_), _) => None,
            (None, Some(arn)) => Some(format!(
                "it says that it was going to {arn}, which is no queue of this stack"
            )),
            (None, None) => Some("nobody knows where it was going".to_owned()),
        }
    }

    /// What letters that died alike have in common.
    fn likeness(&self) -> Likeness {
        (self.place.clone(), self.kind.clone(), self.cause.clone())
    }
}

/// What letters that died alike have in common: place, kind and cause.
type Likeness = (String, Option<String>, String);

/// Which letters.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this queue: its name, or the service's.
    pub queue: Option<String>,
    /// Only those about this order or customer, or, with a `*` at the end,
    /// about those whose id begins so.
    pub order: Option<String>,
    /// Only those with this in their cause, in capitals or not.
    pub cause: Option<String>,
    /// Only those sent at least so many seconds ago.
    pub older_than: Option<i64>,
    /// At most so many of a list, the oldest.
    pub limit: Option<usize>,
    /// Also the executions that somebody has put away, see [`acknowledged`].
    pub acknowledged: bool,
}

impl Filter {
    /// Refuses the name of a queue that nobody has: it would be no dead letters.
    fn check<W: Operate>(&self, world: &W) -> Outcome<()> {
        let Some(queue) = self.queue.as_deref() else {
            return Ok(());
        };
        let homes = world.homes();
        let dead = world.dead_letter_queues();
        let is_one = SERVICES.contains(&queue)
            || ["workflow", "unknown"].contains(&queue)
            || homes.contains_key(queue)
            || dead.iter().any(|url| name(url) == queue);
        match is_one {
            true => Ok(()),
            false => Err(
                Problem::usage(format!("there is no queue {queue}")).hint(format!(
                    "name a service ({}), `workflow`, or a queue such as {}",
                    SERVICES.join(", "),
                    homes.keys().next().map_or("stack-order", String::as_str)
                )),
            ),
        }
    }

    fn takes(&self, letter: &Letter) -> bool {
        let queue = self.queue.as_ref().is_none_or(|queue| {
            [&letter.place, &letter.consumer].contains(&queue)
                || letter.home.as_ref() == Some(queue)
        });
        let subject = letter.subject.as_deref();
        let order = self
            .order
            .as_deref()
            .is_none_or(|order| match order.strip_suffix('*') {
                Some(stem) => subject.is_some_and(|subject| subject.starts_with(stem)),
                None => subject == Some(order),
            });
        let cause = self.cause.as_ref().is_none_or(|cause| {
            let (said, asked) = (letter.cause.to_lowercase(), cause.to_lowercase());
            said.contains(&asked)
        });
        // How old a letter without a date is, nobody knows.
        let old = self
            .older_than
            .is_none_or(|least| letter.age_seconds.is_some_and(|age| age >= least));
        queue && order && cause && old
    }
}

/// Every dead letter there is.
#[derive(Debug, Serialize)]
pub struct Letters {
    /// One row each, the oldest first.
    pub letters: Vec<Letter>,
    /// How many newer ones there are beyond the limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Looks at every dead letter that `filter` takes, and leaves all where they are.
///
/// # Errors
/// [`Problem`] when the target does not answer.
pub async fn list<W: Operate>(world: &W, filter: &Filter) -> Outcome<Letters> {
    let now = world.now();
    let homes = world.homes();
    filter.check(world)?;
    let mut letters = Vec::new();
    for queue in world.dead_letter_queues() {
        let held = world.hold(&queue, HOLD_SECONDS).await?;
        letters.extend(held.iter().map(|held| Letter::of(held, &homes, now)));
        world.release(&held).await?;
    }
    let failed = failed_executions(world, filter.acknowledged).await?;
    // Why an execution failed is asked of each by itself: only of those that are
    // shown, unless it is what they are chosen by.
    let mut unexplained = BTreeMap::new();
    for mut failed in failed {
        if filter.cause.is_some() {
            failed = world.explained(failed).await?;
        }
        letters.push(Letter::of_execution(&failed, now));
        unexplained.insert((failed.machine.clone(), failed.name.clone()), failed);
    }
    letters.retain(|letter| filter.takes(letter));
    letters.sort_by(|a, b| (a.sent_at, &a.id).cmp(&(b.sent_at, &b.id)));
    let limit = filter.limit.unwrap_or(usize::MAX);
    let more = letters.len().saturating_sub(limit);
    letters.truncate(limit);
    for letter in &mut letters {
        let failed = unexplained.remove(&(letter.place.clone(), letter.id.clone()));
        if let Some(failed) = failed.filter(|failed| failed.error.is_none()) {
            let explained = world.explained(failed).await?;
            *letter = Letter::of_execution(&explained, now);
        }
    }
    Ok(Letters { letters, more })
}

/// The executions that failed and are somebody's work: their order is not whole,
/// and nobody has put them away, unless those are asked for, too.
async fn failed_executions<W: Operate>(world: &W, put_away: bool) -> Outcome<Vec<FailedExecution>> {
    let mut failed = world.failed_executions().await?;
    // One whose order was made whole since is history, no dead letter.
    let subjects = failed.iter().map(FailedExecution::subject);
    let orders = place::find_all(world, subjects).await?;
    let is_whole = |order: &Order| order.is_at_rest() && !order.is_parked();
    failed.retain(|one| !orders.get(one.subject()).is_some_and(is_whole));
    if !put_away {
        let names = failed.iter().map(|one| one.name.as_str());
        let away = acknowledged::among(world, names).await?;
        failed.retain(|one| !away.contains(&one.name));
    }
    Ok(failed)
}

/// How often a letter is looked for, a second apart.
const FIND_LOOKS: u32 = 3;

/// One dead letter.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// The letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// What the bus, or the service, said about it.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Its text, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The file its text was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exported: Option<PathBuf>,
}

/// Finds the message `id`, held; everything else is released. Whoever else looks
/// has letters in hand for a moment, so it is looked for again, for as long as
/// that may last.
async fn find<W: Operate>(world: &W, id: &str) -> Outcome<Held> {
    let mut found = None;
    for look in 0..FIND_LOOKS {
        if look > 0 {
            world.pause(1_000).await;
        }
        for queue in world.dead_letter_queues() {
            let mut others = world.hold(&queue, HOLD_SECONDS).await?;
            if let Some(at) = others.iter().position(|held| held.id == id) {
                found = Some(others.swap_remove(at));
            }
            world.release(&others).await?;
        }
        if found.is_some() {
            break;
        }
    }
    found.ok_or_else(|| {
        Problem::failed(format!("no dead-letter queue has a message {id}"))
            .hint("`duet dlq list` shows ids; failed executions are taken up with `duet redrive` or `duet repair`")
    })
}

/// Shows the message `id`, with its text if `body`.
///
/// # Errors
/// [`Problem`] when there is none.
pub async fn show<W: Operate>(world: &W, id: &str, body: bool) -> Outcome<Shown> {
    shown(world, id, body, None).await
}

/// Shows the message `id`, and writes its text as it is to `file`, which only
/// its owner may read: it may hold personal data.
///
/// # Errors
/// [`Problem`] when there is no such message, or the file is there already or
/// cannot be written.
pub async fn export<W: Operate>(world: &W, id: &str, body: bool, file: &Path) -> Outcome<Shown> {
    shown(world, id, body, Some(file)).await
}

async fn shown<W: Operate>(
    world: &W,
    id: &str,
    body: bool,
    export: Option<&Path>,
) -> Outcome<Shown> {
    let held = find(world, id).await?;
    world.release(std::slice::from_ref(&held)).await?;
    if let Some(file) = export {
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(file);
        let written = opened.and_then(|mut open| open.write_all(held.body.as_bytes()));
        written.map_err(|e| {
            Problem::usage(format!("{} cannot be written: {e}", file.display()))
                .hint("what is there already is not overwritten; name another file")
        })?;
    }
    Ok(Shown {
        exported: export.map(Path::to_path_buf),
        letter: Letter::of(&held, &world.homes(), world.now()),
        body: body.then_some(held.body),
        attributes: held.attributes,
    })
}

/// A letter was dropped.
#[derive(Debug, Serialize)]
pub struct Dropped {
    /// The letter that is no more.
    pub dropped: Letter,
}

/// Removes the message `id` for good.
///
/// # Errors
/// [`Problem`] when there is none.
pub async fn discard<W: Operate>(world: &W, id: &str) -> Outcome<Dropped> {
    let held = find(world, id).await?;
    let dropped = Letter::of(&held, &world.homes(), world.now());
    world.discard(&held).await?;
    Ok(Dropped { dropped })
}

/// Letters were dropped.
#[derive(Debug, Serialize)]
pub struct AllDropped {
    /// The letters that are no more.
    pub dropped: Vec<Letter>,
}

/// Removes every message that `filter` takes, for good. Failed executions stay.
///
/// # Errors
/// [`Problem`] when the target does not answer: what was removed by then is gone.
pub async fn discard_all<W: Operate>(world: &W, filter: &Filter) -> Outcome<AllDropped> {
    let homes = world.homes();
    let mut all = AllDropped {
        dropped: Vec::new(),
    };
    for queue in world.dead_letter_queues() {
        let mut others = Vec::new();
        for held in world.hold(&queue, MOVE_SECONDS).await? {
            let letter = Letter::of(&held, &homes, world.now());
            if filter.takes(&letter) {
                world.discard(&held).await?;
                all.dropped.push(letter);
            } else {
                others.push(held);
            }
        }
        world.release(&others).await?;
    }
    Ok(all)
}
