//! Bringing a shop that runs to other parameters, so that nothing in flight dies
//! of it.
//!
//! Fraud detection is turned one step at a time, `off`, `listening`, `on` and
//! back, with a wait before `listening` is left: rules, filters and functions take
//! a while to be in force everywhere. What an update takes away has to be idle
//! before, see [`going`]. How a stack or a lab is updated is the [`Shop`]'s
//! business.

pub mod going;
#[cfg(test)]
mod tests;

use std::future::Future;

use duet_core::Timestamp;
use duet_lab::{Definitions, Files};

use self::going::Going;
use crate::shop::parameters::{FRAUD, Fraud, Parameters};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::World;
use crate::world::port::operate::Operate;

/// A kind of resource whose filter takes effect late: "Additions or changes to a
/// subscription filter policy require up to 15 minutes to fully take effect" (SNS
/// developer guide, subscription filter policies).
const FILTERED: &str = "AWS::SNS::Subscription";

/// How long `listening` lasts at least, in seconds: with such filters, and with
/// rules alone, for which AWS asks to "allow a short period of time" (API_PutRule).
const WAITS: (i64, i64) = (15 * 60, 60);

/// How often it is told that the wait goes on, in seconds.
const TELL_EVERY: i64 = 30;

/// After how long the counts of a queue that nobody sends to are right, in
/// milliseconds: "at least 1 minute" (API_GetQueueAttributes).
const COUNTS_LAG: u64 = 60_000;

/// How a shop stands before an update.
#[derive(Debug, Clone)]
pub struct There {
    /// Its parameters.
    pub parameters: Parameters,
    /// How far fraud detection is turned on.
    pub fraud: Fraud,
    /// When it was last updated, or when that is over everywhere, if it can tell.
    pub since: Timestamp,
}

/// A shop that can be brought to other parameters.
pub trait Shop {
    /// The world that runs there.
    type World: Operate;
    /// What an update tells of itself.
    type Done;
    /// Whether a parameter that is not named keeps the value it has; else it takes
    /// the template's default.
    const KEEPS: bool;

    /// How it stands; `None` when there is none yet.
    fn there(&self) -> impl Future<Output = Outcome<Option<There>>>;

    /// The world there.
    fn world(&self) -> impl Future<Output = Outcome<Self::World>>;

    /// Makes or updates it, and comes back when that is complete.
    fn update(&self, parameters: &Parameters) -> impl Future<Output = Outcome<Self::Done>>;
}

/// Brings `shop`, a stack called `stack` of the templates in `files`, to what is
/// `asked`. `yes` agrees that failed executions can be redriven no more.
///
/// # Errors
/// [`Problem`] when something that is still needed would go, nobody agrees to what
/// would be lost, a parameter is wrong, or the target does not answer.
pub async fn roll_out<S: Shop>(
    shop: &S,
    (stack, files): (&str, &Files),
    asked: &Parameters,
    yes: bool,
) -> Outcome<Vec<S::Done>> {
    let mut done = Vec::new();
    let Some(there) = shop.there().await? else {
        done.push(shop.update(asked).await?);
        return Ok(done);
    };
    let read = |parameters: &Parameters| read(files, stack, parameters);
    let default = read(&Parameters::new())?;
    let mut before = there.parameters.clone();
    // An older template had others.
    before.retain(|name, _| default.values.contains_key(name));
    before.insert(FRAUD.to_owned(), there.fraud.to_string());
    let mut wanted = match S::KEEPS {
        true => before.clone(),
        false => Parameters::new(),
    };
    wanted.extend(asked.clone());
    let to = going::fraud(&read(&wanted)?);
    let steps = steps(there.fraud, to);
    let (mut from, mut since) = (there.fraud, there.since);
    for (n, &step) in steps.iter().enumerate() {
        // What is asked for beside comes with the first step.
        let mut asked = asked.clone();
        // A template that is older knows no such parameter, whose value could be kept.
        if S::KEEPS || steps.len() > 1 || asked.contains_key(FRAUD) {
            asked.insert(FRAUD.to_owned(), step.to_string());
        }
        if steps.len() > 1 {
            tell(&format!(
                "fraud detection is {from} and will be {to}: step {} of {}, to {step}",
                n + 1,
                steps.len()
            ));
        }
        let mut after = wanted.clone();
        after.insert(FRAUD.to_owned(), step.to_string());
        let (old, new) = (read(&before)?, read(&after)?);
        if from == Fraud::Listening && step != from {
            wait(&shop.world().await?, since, &old, step).await?;
        }
        let going = Going::between(&old, &new);
        if !going.is_empty() {
            let world = shop.world().await?;
            may_go(&world, &going, is_emulated(&new), yes).await?;
        }
        done.push(shop.update(&asked).await?);
        // A stack's own time is when its update began.
        let now = shop.world().await?.now();
        since = shop.there().await?.map_or(now, |it| it.since.max(now));
        (from, before) = (step, after);
    }
    Ok(done)
}

/// What `files` deploy.
fn read(files: &Files, stack: &str, parameters: &Parameters) -> Outcome<Definitions> {
    Definitions::read(files.clone(), stack, parameters).map_err(Problem::usage)
}

/// The states that fraud detection goes through.
fn steps(from: Fraud, to: Fraud) -> Vec<Fraud> {
    match from.is_step(to) {
        true => vec![to],
        false => vec![Fraud::Listening, to],
    }
}

fn is_emulated(definitions: &Definitions) -> bool {
    definitions
        .values
        .get("Emulated")
        .is_some_and(|it| it == "true")
}

/// How long what `definitions` deploy has to listen before the next step, in
/// seconds. An emulator does all at once.
fn listening_for(definitions: &Definitions) -> i64 {
    match (is_emulated(definitions), definitions.declares(FILTERED)) {
        (true, _) => 0,
        (false, true) => WAITS.0,
        (false, false) => WAITS.1,
    }
}

/// Waits until the shop has listened long enough `since` its last update, to be
/// turned `to` something else.
async fn wait<W: World>(
    world: &W,
    since: Timestamp,
    there: &Definitions,
    to: Fraud,
) -> Outcome<()> {
    let needed = listening_for(there);
    let left = |world: &W| needed - world.now().duration_since(since).as_secs();
    if left(world) <= 0 {
        return Ok(());
    }
    if world.is_virtual() {
        tell(&format!(
            "fraud detection listens for {needed} s of the lab's clock before it turns {to}"
        ));
    }
    loop {
        let left = left(world);
        if left <= 0 {
            return Ok(());
        }
        if !world.is_virtual() {
            tell(&format!(
                "fraud detection has to listen for {needed} s: it turns {to} in {left} s; stopped and called again, this goes on where it was"
            ));
        }
        world
            .pause(left.min(TELL_EVERY).unsigned_abs() * 1_000)
            .await;
    }
}

/// Refuses to take away what is still needed, and asks about what can be done no
/// more when it is gone.
async fn may_go<W: Operate>(world: &W, going: &Going, emulated: bool, yes: bool) -> Outcome<()> {
    let mut needs = going.needs(world).await?;
    if needs.is_empty() && going.has_queues() && !emulated && !world.is_virtual() {
        tell(&format!(
            "nothing needs {going} any more; queues are counted again in a minute, when their counts are right"
        ));
        world.pause(COUNTS_LAG).await;
        needs = going.needs(world).await?;
    }
    if !needs.is_empty() {
        return Err(going.refusal(&needs));
    }
    going.agree(world, yes).await
}
