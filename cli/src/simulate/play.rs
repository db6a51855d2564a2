//! One world from its first submission to its judgement.

mod looked;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use duet_core::store::Store;
use duet_core::{CommandMessage, OrderId, Timestamp};
use duet_customer::command::Command as CustomerCommand;
use duet_customer::domain::{Customer, Status as CustomerStatus};
use duet_fraud::Command as FraudCommand;
use duet_fraud::command::{DecideReview, Verdict};
use duet_fraud::review::Status as ReviewStatus;
use duet_lab::{Fault, FaultRule, Plant};
use duet_order::command::Command as OrderCommand;
use duet_order::domain::{Fate, Order};

use super::operator::{REST, ROUNDS};
use super::{End, ready};
use crate::ops::invariants::Findings;
use crate::ops::{place, review};
use crate::shop::message;
use crate::shop::scenario::Person;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::simulate::script::{Script, draw};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::world::World;
use crate::world::lab::Lab;

/// How long a world may run with its faults after the last submission, in
/// milliseconds: past every deadline of a review, an order and its compensation.
const FAULTY: i64 = 3 * 3_600_000;
/// When an archive is replayed: so many milliseconds after the world began, and
/// at most so many more. Before that it keeps nothing yet.
const REPLAYED: (i64, u64) = (605_000, 1_800_000);
/// How long an operator waits for a repair to take effect, in seconds.
const WITHIN: u64 = 300;
/// When the stack of a world that is updated is updated for the first time: so many
/// milliseconds after the world began, and at most so many more.
const UPDATED: (i64, u64) = (60_000, 1_500_000);
/// How long it stays as it is then, in the same way: more than the minute that has
/// to lie between two steps.
const RESTED: (i64, u64) = (60_000, 300_000);
/// How far a clock may be off: see [`Fault::ClockSkew`].
const SKEW: i64 = 3_000;
/// How much later the scripts of such a world begin: within forty minutes, in
/// which two updates and what lies between have room, or the first at least.
const STRETCHED: i64 = 600;
/// How long a script waits for its customers and for a wave to be decided.
const PATIENCE: i64 = 600_000;

/// Whether each step bears what `rule` does under `variant` by being tried again. What
/// keeps a rule of a bus from delivering may last for longer than the rule tries. Where
/// facts keep their order, a message that fails is tried for as long as patience lasts
/// and not longer: others wait behind it.
pub(super) fn is_borne(rule: &FaultRule, variant: &Variant) -> bool {
    let bearable = match rule.kind {
        Fault::Duplicate
        | Fault::TargetUnavailable
        | Fault::BlockedGroup
        | Fault::DoubleSubmission
        | Fault::ExpressTwice
        | Fault::HalfNotStarted
        | Fault::Update => true,
        Fault::CrashBeforeCommit
        | Fault::CrashAfterCommit
        | Fault::Throttle
        | Fault::PartialBatch
        | Fault::PutEvents
        | Fault::StoreConflict
        | Fault::StoreFault
        | Fault::TopicFault => !variant.keeps_order,
        _ => false,
    };
    bearable && rule.rate <= rule.kind.rate()
}

/// A world under way.
pub(super) struct Play {
    pub(super) lab: Lab,
    pub(super) variant: &'static Variant,
    began: i64,
    seed: u64,
    /// What fraud detection is still to be turned to, and when at the earliest.
    turns: RefCell<Vec<&'static str>>,
    next_turn: Cell<i64>,
    /// From when on orders may be placed that nobody screens.
    unscreened: Cell<Option<i64>>,
    /// By how much the beginnings of scripts are stretched.
    stretched: i64,
    /// Whether every step bears all that can strike; see [`is_borne`].
    borne: bool,
    /// The orders whose person asked, and got no answer that stands.
    unheard: RefCell<BTreeSet<OrderId>>,
    /// The orders that an operator had to repair.
    pub(super) parked: RefCell<BTreeSet<String>>,
    /// What was wrong with them while they were parked.
    pub(super) findings: RefCell<Findings>,
}

/// How far a script is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waits,
    Registers { since: i64 },
    Wave { number: usize, since: i64 },
    Over,
}

impl Play {
    /// The world of `seed` in `lab`, in which nothing has happened yet and
    /// `plant` is the mistake, if any; `borne`: every step bears all that can
    /// strike.
    pub(super) fn new(
        lab: Lab,
        variant: &'static Variant,
        seed: u64,
        plant: Option<Plant>,
        borne: bool,
    ) -> Self {
        let screens = lab.deployment().with_fraud;
        let name = format!("{seed}/update");
        let at_once = plant == Some(Plant::UpdateAtOnce);
        // A mistake of whoever updates is made in every world.
        let updated = screens && (at_once || lab.with(|lab| lab.strikes(Fault::Update, &name)));
        // The last comes first.
        let turns = match updated {
            false => vec![],
            true if at_once => vec!["on", "off"],
            true => vec!["on", "listening"],
        };
        let began = lab.now().as_millisecond();
        let first = began + UPDATED.0 + draw(seed, u64::MAX - 1, UPDATED.1) as i64;
        Self {
            began,
            lab,
            variant,
            seed,
            turns: turns.into(),
            next_turn: first.into(),
            unscreened: Cell::default(),
            borne,
            stretched: if updated { STRETCHED } else { 1 },
            unheard: RefCell::default(),
            parked: RefCell::default(),
            findings: RefCell::default(),
        }
    }

    /// Plays `scripts` to their end, clears up, and judges what is left.
    pub(super) fn whole(self, scripts: &[Script]) -> Outcome<End> {
        self.seed_goods(scripts)?;
        self.perform(scripts)?;
        self.look_for_work(scripts)?;
        self.operate(scripts)?;
        self.judge(scripts)
    }

    fn seed_goods(&self, scripts: &[Script]) -> Outcome<()> {
        let writes = scripts.iter().flat_map(|script| &script.plan.goods);
        for good in writes {
            let write = duet_inventory::seed(good.sku.clone(), good.price, good.quantity);
            let done = ready(self.lab.table(TableOf::Inventory).commit(vec![write]))?;
            done.map_err(Problem::environment)?;
        }
        Ok(())
    }

    fn submit(&self, subject: Subject, message: &CommandMessage, times: usize) -> Outcome<()> {
        let name = format!("{}/{}", self.seed, message.metadata.subject);
        let again = self
            .lab
            .with(|lab| lab.strikes(Fault::DoubleSubmission, &name));
        for _ in 0..times + usize::from(again) {
            ready(self.lab.submit(self.variant, subject, message))??;
        }
        Ok(())
    }

    pub(super) fn order(&self, id: &str) -> Outcome<Option<Order>> {
        let found = ready(self.lab.table(TableOf::Order).load(&[duet_order::key(id)]))?;
        let item = found.map_err(Problem::environment)?.pop().flatten();
        Ok(item.map(|item| item.read()).transpose()?)
    }

    pub(super) fn customer(&self, id: &str) -> Outcome<Option<Customer>> {
        let found = ready(
            self.lab
                .table(TableOf::Customer)
                .load(&[duet_customer::key(id)]),
        )?;
        let item = found.map_err(Problem::environment)?.pop().flatten();
        Ok(item.map(|item| item.read()).transpose()?)
    }

    fn now(&self) -> i64 {
        self.lab.now().as_millisecond()
    }

    /// Plays the scripts with all that goes wrong.
    fn perform(&self, scripts: &[Script]) -> Outcome<()> {
        let mut stages = vec![Stage::Waits; scripts.len()];
        while stages.iter().any(|stage| *stage != Stage::Over) || self.is_to_turn() {
            self.turn()?;
            for (script, stage) in scripts.iter().zip(&mut stages) {
                *stage = self.advance(script, *stage)?;
            }
            // Soon at first, when things happen; then in longer steps.
            let step = if self.now() - self.began < 30_000 {
                250
            } else {
                5_000
            };
            let to = self.lab.now() + jiff::SignedDuration::from_millis(step);
            self.lab.with(|lab| lab.advance(to));
        }
        self.replay();
        self.lab.with(|lab| lab.settle(FAULTY));
        Ok(())
    }

    /// Whether fraud detection is still to be turned, or is being turned.
    fn is_to_turn(&self) -> bool {
        !self.turns.borrow().is_empty() || self.now() < self.next_turn.get()
    }

    /// Whether the stack was updated.
    pub(super) fn is_updated(&self) -> bool {
        self.unscreened.get().is_some()
    }

    /// Whether an order that was placed at `at` may be one that nobody screens:
    /// from the first update on, for an execution that began while nobody was
    /// screened may be taken up again, and place its order, much later.
    pub(super) fn may_be_unmarked(&self, at: Timestamp) -> bool {
        let since = self.unscreened.get();
        since.is_some_and(|since| at.as_millisecond() >= since - SKEW)
    }

    /// Turns fraud detection one step further, as `duet up` does, when it is time.
    fn turn(&self) -> Outcome<()> {
        if self.now() < self.next_turn.get() || self.lab.with(|lab| lab.updating()) {
            return Ok(());
        }
        let Some(to) = self.turns.borrow_mut().pop() else {
            return Ok(());
        };
        let update = self.lab.with(|lab| {
            let mut parameters: BTreeMap<_, _> = lab.parameters().clone();
            parameters.insert("Fraud".to_owned(), to.to_owned());
            lab.update(&parameters)
        });
        let settled = update.map_err(Problem::usage)?.settled.as_millisecond();
        let since = self.unscreened.get().unwrap_or(self.now());
        self.unscreened.set(Some(since));
        let rests = RESTED.0 + draw(self.seed, u64::MAX - 2, RESTED.1) as i64;
        self.next_turn.set(settled + rests);
        Ok(())
    }

    fn advance(&self, script: &Script, stage: Stage) -> Outcome<Stage> {
        let now = self.now();
        match stage {
            Stage::Waits if now - self.began < script.begins * self.stretched => Ok(stage),
            Stage::Waits => {
                for customer in &script.plan.customers {
                    let id = customer.customer.as_str();
                    let command = CustomerCommand::from(customer.clone());
                    let message = message::command(&command, id, self.variant.name, self.lab.now());
                    self.submit(Subject::Customer, &message, 1)?;
                }
                Ok(Stage::Registers { since: now })
            }
            Stage::Registers { since } => {
                for customer in &script.plan.customers {
                    let decided = self.customer(customer.customer.as_str())?;
                    let decided =
                        decided.is_some_and(|there| there.status != CustomerStatus::Pending);
                    if !decided && now - since < 10 * PATIENCE {
                        // Whoever registers customers sees to it that they are:
                        // what the scenarios say holds for known customers.
                        self.look_after(since);
                        return Ok(stage);
                    }
                }
                if let Some(hopeless) = &script.plan.hopeless {
                    ready(place::submit_hopeless(&self.lab, self.variant, hopeless))??;
                }
                self.wave(script, 0)
            }
            Stage::Wave { number, since } => {
                let last = number + 1 == script.plan.waves.len();
                for order in script.plan.waves.get(number).into_iter().flatten() {
                    if let (true, Some(Person::Says(verdict))) = (last, script.plan.person) {
                        self.decide(&order.order, verdict)?;
                    }
                    let there = self.order(order.order.as_str())?;
                    // Whoever places orders sees to it that they are placed:
                    // a day later the fraud rules say something else.
                    if there.is_none() && now - since < 10 * PATIENCE {
                        self.look_after(since);
                        return Ok(stage);
                    }
                    let decided = there.is_some_and(|there| there.fate != Fate::Undecided);
                    if !decided && now - since < PATIENCE {
                        return Ok(stage);
                    }
                }
                self.wave(script, number + 1)
            }
            Stage::Over => Ok(stage),
        }
    }

    /// Every now and then somebody looks for what failed, and sends it back.
    fn look_after(&self, since: i64) {
        if (self.now() - since) / 5_000 % 20 == 19 {
            self.redrive(&[]);
        }
    }

    fn wave(&self, script: &Script, number: usize) -> Outcome<Stage> {
        let Some(wave) = script.plan.waves.get(number) else {
            return Ok(Stage::Over);
        };
        for order in wave {
            let command = OrderCommand::from(order.clone());
            let message = message::command(
                &command,
                order.order.as_str(),
                self.variant.name,
                self.lab.now(),
            );
            self.submit(Subject::Order, &message, script.plan.times)?;
        }
        Ok(Stage::Wave {
            number,
            since: self.now(),
        })
    }

    /// A person decides the review of `order`, if it is open. Until that is
    /// heard they say it again: every look sends one more decision.
    fn decide(&self, order: &OrderId, verdict: Verdict) -> Outcome<()> {
        let review = ready(review::find(&self.lab, order.as_str()))??;
        let unheard = self.unheard.borrow().contains(order);
        if unheard || review.is_some_and(|review| review.status == ReviewStatus::Open) {
            let decision = DecideReview {
                order: order.clone(),
                verdict,
                note: None,
                by: None,
            };
            let command = FraudCommand::from(decision);
            let message =
                message::command(&command, order.as_str(), self.variant.name, self.lab.now());
            let answer = match ready(self.lab.command(self.variant, TableOf::Fraud, &message))? {
                // Nobody is there to be told, for fraud detection was taken out.
                Err(why) if why.exit == Exit::Usage => return Ok(()),
                answer => answer?,
            };
            let mut unheard = self.unheard.borrow_mut();
            match answer.may_be_asked_again() {
                true => drop(unheard.insert(order.clone())),
                false => drop(unheard.remove(order)),
            }
        }
        Ok(())
    }

    /// Replays the archive of a bus or topic, if that is to go wrong here: as soon as it
    /// keeps anything, or somewhat later, while timers still run.
    fn replay(&self) {
        let later = REPLAYED.0 + draw(self.seed, u64::MAX, REPLAYED.1) as i64;
        let at = jiff::Timestamp::from_millisecond(self.began + later);
        self.lab.with(|lab| {
            lab.advance(at.unwrap_or(jiff::Timestamp::MAX));
            let archives: Vec<String> = lab.definitions().archives().map(str::to_owned).collect();
            for archive in archives {
                if lab.strikes(Fault::Replay, &format!("{}/{archive}", self.seed)) {
                    let from = jiff::Timestamp::from_millisecond(self.began)
                        .unwrap_or(jiff::Timestamp::MIN);
                    let window = (from, lab.now());
                    // An archive that keeps nothing yet has nothing to replay.
                    let _ = lab.replay(&archive, "again", window, &[]);
                }
            }
        });
    }

    /// Nothing goes wrong any more, and somebody clears up.
    fn operate(&self, scripts: &[Script]) -> Outcome<()> {
        self.lab.with(|lab| {
            lab.stop_faults();
            lab.settle(REST);
        });
        self.look_for_unparked()?;
        for _ in 0..ROUNDS {
            let mut worked = self.redrive(scripts);
            self.lab.with(|lab| lab.settle(REST));
            worked |= self.repair(scripts)?;
            self.lab.with(|lab| lab.settle(REST));
            if !worked {
                break;
            }
        }
        Ok(())
    }
}
