//! The rollout drill: fraud detection is turned on and off under a shop that
//! runs, and nothing in flight is lost, parked or timed out, in any variant.
//!
//! `off`, `listening`, `on`, `listening`, `off`: at every stage orders are placed
//! and customers register, at once and all the while the shop is turned to the
//! next. Orders that a person has to look at are open while it is turned back;
//! before they are decided the shop must refuse to be turned `off`. Every order
//! here is a good one: it ends Confirmed, and nothing is owed of it.
//!
//! How a shop is turned is its own business ([`Turned`]): by the way that `duet up`
//! takes, everywhere.

mod measure;
mod stage;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::future::Future;

use duet_fraud::command::Verdict;
use duet_lab::bundled;
use serde::Serialize;

pub use self::measure::Part;
use self::stage::Stage;
use crate::ops::actions::Signed;
use crate::ops::drill::DRILL;
use crate::ops::{dlq, review, rollout};
use crate::shop::parameters::{FRAUD, Fraud};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::tell;
use crate::world::World;
use crate::world::lab::Lab;
use crate::world::port::operate::Operate;

/// The stages: their names, and what each is turned to when it is over.
const STAGES: [(&str, Fraud); 5] = [
    ("off", Fraud::Off),
    ("listening", Fraud::Listening),
    ("on", Fraud::On),
    ("listening-again", Fraud::Listening),
    ("off-again", Fraud::Off),
];

/// How often orders are placed while the shop is turned, in milliseconds: an
/// update of a lab lasts ten minutes of its clock.
const EVERY: (u64, u64) = (40_000, 3_000);

/// In how many lots a stage's orders are placed.
const LOTS: usize = 20;

/// How long a lab may let a function go on as it was configured before, in
/// milliseconds.
const WARM: u64 = 6 * 60_000;

/// How often it is tried to turn a shop that refuses, in milliseconds.
const TRY_EVERY: u64 = 5_000;

/// A shop whose fraud detection can be turned.
pub trait Turned {
    /// The world that runs there.
    type World: Operate;

    /// The world as it is now.
    fn world(&self) -> impl Future<Output = Outcome<Self::World>>;

    /// Turns it, as `duet up` does.
    fn turn(&self, to: Fraud) -> impl Future<Output = Outcome<()>>;
}

impl Turned for Lab {
    type World = Self;

    async fn world(&self) -> Outcome<Self> {
        Ok(self.clone())
    }

    async fn turn(&self, to: Fraud) -> Outcome<()> {
        let mut parameters = self.with(|lab| lab.parameters().clone());
        parameters.insert(FRAUD.to_owned(), to.to_string());
        let stack = self.with(|lab| lab.definitions().stack.clone());
        let there = (stack.as_str(), &bundled());
        rollout::roll_out(self, there, &parameters, false)
            .await
            .map(drop)
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The names of the variants; none for all that are deployed.
    pub variants: Vec<String>,
    /// How many orders under each, at every stage.
    pub orders: usize,
    /// After how many seconds without any progress a stage gives up.
    pub within: u64,
}

/// What the drill found.
#[derive(Debug, Serialize)]
pub struct RolloutDrill {
    /// Every stage under every variant.
    pub parts: Vec<Part>,
    /// Whether it refused to turn off what was still needed, and said what for.
    pub refused: bool,
    /// Messages about anything of this drill that died.
    pub dead_letters: usize,
    /// Facts that were on their way to a queue that was gone by then.
    pub unheard: usize,
    /// Whether everything held.
    pub ok: bool,
    /// From the first order to the last look, on the target's clock.
    pub elapsed_ms: i64,
    /// Whether that clock is virtual.
    pub virtual_time: bool,
}

/// Runs the drill.
///
/// # Errors
/// [`Problem`] when the shop cannot be turned, or the target does not answer. What
/// does not end as it should is no error but a part that is not ok.
pub async fn run<T: Turned>(shop: &T, choice: &Choice) -> Outcome<RolloutDrill> {
    // Also brings up a shop that is not there yet, and changes nothing where it is off.
    shop.turn(Fraud::Off).await?;
    let mut world = shop.world().await?;
    let began = world.now();
    let stem = format!("{:x}", began.as_millisecond());
    let mut stages: Vec<Stage> = Vec::new();
    let mut refused = false;
    for (n, (name, state)) in STAGES.into_iter().enumerate() {
        let there = world.deployment().fraud;
        if there != state {
            return Err(Problem::failed(format!(
                "fraud detection is {there} and should be {state}"
            )));
        }
        let mut stage = Stage::new(&world, &stem, name, choice).await?;
        if state == Fraud::On {
            if world.is_virtual() {
                world.pause(WARM).await;
            }
            stage.open_reviews(&world).await?;
        }
        let next = STAGES.get(n + 1).map(|(_, next)| *next);
        if next == Some(Fraud::Off) {
            refused = is_refused(shop).await?;
            for stage in &stages {
                decide(&world, stage, choice.within).await?;
            }
        }
        stage.lots(&world, LOTS / 4).await?;
        match next {
            Some(next) => turn(shop, &world, &mut stage, next, choice.within).await?,
            None => stage.rest(&world).await?,
        }
        stage.rest(&world).await?;
        stages.push(stage);
        world = shop.world().await?;
    }
    let mut parts = Vec::new();
    for stage in &stages {
        parts.extend(stage.measure(&world, choice.within).await?);
    }
    let filter = dlq::Filter {
        order: Some(format!("{stem}-*")),
        ..dlq::Filter::default()
    };
    let letters = dlq::list(&world, &filter).await?.letters;
    // A fact on its way to a queue that is gone by then. Nobody waited for what
    // would have come of it, or it would not be gone.
    let (unheard, dead): (Vec<_>, Vec<_>) = letters
        .into_iter()
        .partition(|letter| letter.layer == dlq::Layer::Undelivered && letter.home.is_none());
    for letter in &dead {
        let kind = letter.kind.as_deref().unwrap_or("a message");
        tell(&format!(
            "{kind} lies in {}: {}",
            letter.place, letter.cause
        ));
    }
    let dead_letters = dead.len();
    Ok(RolloutDrill {
        ok: refused && dead_letters == 0 && parts.iter().all(|part| part.ok),
        parts,
        refused,
        dead_letters,
        unheard: unheard.len(),
        elapsed_ms: world.now().duration_since(began).as_millis() as i64,
        virtual_time: world.is_virtual(),
    })
}

/// Whether the shop refuses to be turned off while reviews are open, and stays.
async fn is_refused<T: Turned>(shop: &T) -> Outcome<bool> {
    match shop.turn(Fraud::Off).await {
        Err(problem) if problem.exit == Exit::Failed => {
            tell(&format!("as it should: {problem}"));
            let there = shop.world().await?.deployment().fraud;
            Ok(there == Fraud::Listening && problem.to_string().contains("open reviews"))
        }
        Err(problem) => Err(problem),
        Ok(()) => Err(Problem::failed(
            "fraud detection was turned off while reviews were open",
        )),
    }
}

/// Approves what a person has to look at.
async fn decide<W: World>(world: &W, stage: &Stage, within: u64) -> Outcome<()> {
    for order in stage.reviewed() {
        let open = review::find(world, order.as_str()).await?;
        if open.is_some_and(|review| review.status == duet_fraud::review::Status::Open) {
            let signed = Signed::by(DRILL);
            review::decide(world, order, Verdict::Approve, Some(&signed), within).await?;
        }
    }
    Ok(())
}

/// Turns the shop, and tries again while what is under way needs what goes; all
/// the while orders are placed and customers register.
async fn turn<T: Turned>(
    shop: &T,
    world: &T::World,
    stage: &mut Stage,
    to: Fraud,
    within: u64,
) -> Outcome<()> {
    tell(&format!("{}: turning fraud detection {to}", stage.name()));
    let over = Cell::new(false);
    let turning = async {
        let began = world.now();
        let turned = loop {
            match shop.turn(to).await {
                Err(problem)
                    if problem.exit == Exit::Failed
                        && world.now().duration_since(began).as_secs() < within as i64 =>
                {
                    world.pause(TRY_EVERY).await;
                }
                other => break other,
            }
        };
        over.set(true);
        turned
    };
    let coming = async {
        let every = if world.is_virtual() { EVERY.0 } else { EVERY.1 };
        while !over.get() {
            stage.lots(world, 1).await?;
            world.pause(every).await;
        }
        Ok::<(), Problem>(())
    };
    let (turned, came) = futures_util::future::join(turning, coming).await;
    turned.and(came)
}
