//! One world from its first submission to its judgement.

use std::cell::RefCell;
use std::collections::BTreeSet;

use duet_core::store::{Browse, Store};
use duet_core::{CommandMessage, OrderId};
use duet_customer::command::Command as CustomerCommand;
use duet_customer::domain::{Customer, Status as CustomerStatus};
use duet_fraud::Command as FraudCommand;
use duet_fraud::command::{DecideReview, Verdict};
use duet_fraud::review::Status as ReviewStatus;
use duet_inventory::domain::Stock;
use duet_lab::Fault;
use duet_order::command::Command as OrderCommand;
use duet_order::domain::{Fate, Order};
use duet_payment::adapters::Charge;
use serde_json::Value;

use super::{End, ready};
use crate::exit::{Outcome, Problem};
use crate::invariants::Findings;
use crate::place::word;
use crate::scenario::{Expected, Person};
use crate::variant::Variant;
use crate::view::View;
use crate::world::lab::script::{Script, draw};
use crate::world::lab::{Lab, REST, ROUNDS};
use crate::world::{Subject, TableOf, World};
use crate::{message, repair, review};

/// How long a world may run with its faults after the last submission, in
/// milliseconds: past every deadline of a review, an order and its compensation.
const FAULTY: i64 = 3 * 3_600_000;
/// When an archive is replayed: so many milliseconds after the world began, and
/// at most so many more. Before that it keeps nothing yet.
const REPLAYED: (i64, u64) = (605_000, 1_800_000);
/// How long an operator waits for a repair to take effect, in seconds.
const WITHIN: u64 = 300;
/// How long a script waits for its customers and for a wave to be decided.
const PATIENCE: i64 = 600_000;

/// A world under way.
pub(super) struct Play {
    lab: Lab,
    variant: &'static Variant,
    began: i64,
    seed: u64,
    /// The orders that an operator had to repair.
    parked: RefCell<BTreeSet<String>>,
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
    /// The world of `seed` in `lab`, in which nothing has happened yet.
    pub(super) fn new(lab: Lab, variant: &'static Variant, seed: u64) -> Self {
        Self {
            began: lab.now().as_millisecond(),
            lab,
            variant,
            seed,
            parked: RefCell::default(),
        }
    }

    /// Plays `scripts` to their end, clears up, and judges what is left.
    pub(super) fn whole(self, scripts: &[Script]) -> Outcome<End> {
        self.seed_goods(scripts)?;
        self.perform(scripts)?;
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

    fn order(&self, id: &str) -> Outcome<Option<Order>> {
        let found = ready(self.lab.table(TableOf::Order).load(&[duet_order::key(id)]))?;
        let item = found.map_err(Problem::environment)?.pop().flatten();
        Ok(item.map(|item| item.read()).transpose()?)
    }

    fn customer(&self, id: &str) -> Outcome<Option<Customer>> {
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
        while stages.iter().any(|stage| *stage != Stage::Over) {
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

    fn advance(&self, script: &Script, stage: Stage) -> Outcome<Stage> {
        let now = self.now();
        match stage {
            Stage::Waits if now - self.began < script.begins => Ok(stage),
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
                if let Some(marker) = &script.plan.poison {
                    ready(self.lab.submit_poison(self.variant, marker))??;
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
        if review.is_some_and(|review| review.status == ReviewStatus::Open) {
            let decision = DecideReview {
                order: order.clone(),
                verdict,
                note: None,
            };
            let command = FraudCommand::from(decision);
            let message =
                message::command(&command, order.as_str(), self.variant.name, self.lab.now());
            ready(self.lab.command(self.variant, TableOf::Fraud, &message))??;
        }
        Ok(())
    }

    /// Replays the archive of a bus, if that is to go wrong here: as soon as it
    /// keeps anything, or somewhat later, while timers still run.
    fn replay(&self) {
        let later = REPLAYED.0 + draw(self.seed, u64::MAX, REPLAYED.1) as i64;
        let at = jiff::Timestamp::from_millisecond(self.began + later);
        self.lab.with(|lab| {
            lab.advance(at.unwrap_or(jiff::Timestamp::MAX));
            let archives: Vec<String> = lab
                .definitions()
                .archives()
                .map(|archive| archive.name.clone())
                .collect();
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

    fn redrive(&self, scripts: &[Script]) -> bool {
        // A scenario's own poison is to lie where it is.
        let poisons = scripts
            .iter()
            .filter_map(|script| script.plan.poison.as_deref());
        self.lab.redrive_all(&poisons.collect::<Vec<_>>())
    }

    /// Repairs what is parked, as `duet repair` does.
    fn repair(&self, scripts: &[Script]) -> Outcome<bool> {
        let mut worked = false;
        for order in scripts
            .iter()
            .flat_map(|script| script.plan.waves.iter().flatten())
        {
            let there = self.order(order.order.as_str())?;
            if there.is_some_and(|there| !there.owed.is_empty()) {
                worked = true;
                self.parked.borrow_mut().insert(order.order.to_string());
                // What cannot be repaired now is found when the world is judged.
                let _ = ready(repair::repair(&self.lab, &order.order, WITHIN))?;
            }
        }
        Ok(worked)
    }

    /// What must not be, and how everything ended.
    fn judge(self, scripts: &[Script]) -> Outcome<End> {
        let mut end = End::default();
        self.lab.with(|lab| {
            end.struck = lab.struck();
            end.chances = lab.chances();
            end.touched = lab.touched();
            end.trace = lab.trace_hash();
            end.timeline = lab.timeline().to_vec();
            lab.used().iter().for_each(|used| end.used += used.meter);
            for lost in lab.lost() {
                end.findings.push((
                    6,
                    lost.subject.clone(),
                    format!("{}: lost at {}: {}", lost.subject, lost.place, lost.why),
                ));
            }
            for letter in lab.dead_letters() {
                let subject = subject_of(&letter.body);
                end.findings.push((
                    6,
                    subject.clone(),
                    format!(
                        "{subject}: a message stays in {}: {}",
                        letter.queue, letter.cause
                    ),
                ));
            }
            let (waiting, running) = (lab.waiting_messages(), lab.running_executions());
            if !lab.is_at_rest() || waiting > 0 || running > 0 {
                let what = format!(
                    "it does not come to rest: {waiting} messages wait, {running} executions run"
                );
                end.findings.push((6, String::new(), what));
            }
        });
        let struck = !end.struck.is_empty();
        let with_fraud = self.lab.deployment().with_fraud;
        let mut findings = Findings::default();
        for script in scripts {
            let mut confirmed = 0;
            for customer in &script.plan.customers {
                self.judge_customer(script, customer.customer.as_str(), &mut end)?;
            }
            for (number, order) in script
                .plan
                .waves
                .iter()
                .enumerate()
                .flat_map(|(n, wave)| wave.iter().map(move |o| (n, o)))
            {
                let id = order.order.as_str();
                let view = ready(View::load(&self.lab, id))??;
                let outcome = match &view.order {
                    None => "Unplaced".to_owned(),
                    Some(there) => word(&there.standing()),
                };
                end.outcomes.push(outcome.clone());
                match &view.order {
                    Some(there) => {
                        confirmed += usize::from(there.fate == Fate::Confirmed);
                        let due = matches!(script.expected, Expected::NeedsAttention(..));
                        if self.parked.borrow().contains(id) && !due && !struck {
                            let what = format!(
                                "{id} ({}): it was parked, and nothing went wrong",
                                script.name
                            );
                            end.findings.push((0, id.to_owned(), what));
                        }
                        if let Err(why) = script.allows(number, there, struck) {
                            end.findings.push((
                                0,
                                id.to_owned(),
                                format!("{id} ({}): {why}", script.name),
                            ));
                        }
                        findings.order(id, &view, with_fraud);
                    }
                    None => end.findings.push((
                        6,
                        id.to_owned(),
                        format!("{id} ({}): it was never placed", script.name),
                    )),
                }
            }
            if let Err(why) = script.allows_count(confirmed, struck) {
                let whose = script.plan.waves.iter().flatten().next();
                let id = whose.map_or(String::new(), |order| order.order.to_string());
                let what = format!("{id} ({}): {why}", script.name);
                end.findings.push((0, id, what));
            }
            for good in &script.plan.goods {
                let key = duet_inventory::stock_key(&good.sku);
                let found = ready(self.lab.table(TableOf::Inventory).load(&[key]))?
                    .map_err(Problem::environment)?;
                for item in found.into_iter().flatten() {
                    let stock: Stock = item.read()?;
                    findings.stock(&stock);
                    let sold = self.sold(script, &stock)?;
                    if stock.available < 0 || stock.reserved != 0 || stock.shipped != sold {
                        findings.broken(
                            2,
                            format!(
                                "{}: {} available, {} reserved, {} shipped at the end, {sold} sold",
                                stock.sku, stock.available, stock.reserved, stock.shipped
                            ),
                        );
                    }
                }
            }
        }
        self.judge_ledger(scripts, &mut findings)?;
        for invariant in findings.invariants() {
            for what in invariant.violations {
                let subject = what.split(':').next().unwrap_or_default().to_owned();
                end.findings.push((invariant.number, subject, what));
            }
        }
        Ok(end)
    }

    /// How much of a SKU the confirmed orders of a script took.
    fn sold(&self, script: &Script, stock: &Stock) -> Outcome<i64> {
        let mut sold = 0;
        for order in script.plan.waves.iter().flatten() {
            let there = self.order(order.order.as_str())?;
            if there.is_some_and(|there| there.fate == Fate::Confirmed) {
                let lines = order.lines.iter().filter(|line| line.sku == stock.sku);
                sold += lines
                    .map(|line| i64::from(line.quantity.get()))
                    .sum::<i64>();
            }
        }
        Ok(sold)
    }

    fn judge_customer(&self, script: &Script, id: &str, end: &mut End) -> Outcome<()> {
        let expected = match script.plan.suspicious {
            true => CustomerStatus::Blocked,
            false => CustomerStatus::Active,
        };
        let status = self.customer(id)?.map(|customer| customer.status);
        if status != Some(expected) {
            end.findings.push((
                0,
                id.to_owned(),
                format!(
                    "{id} ({}): the customer is {status:?}, not {expected:?}",
                    script.name
                ),
            ));
        }
        Ok(())
    }

    /// The provider holds, under whatever keys, what the confirmed orders cost.
    fn judge_ledger(&self, scripts: &[Script], findings: &mut Findings) -> Outcome<()> {
        let mut due = 0;
        for order in scripts
            .iter()
            .flat_map(|script| script.plan.waves.iter().flatten())
        {
            if let Some(there) = self.order(order.order.as_str())?
                && there.fate == Fate::Confirmed
            {
                due += there.placed.total.amount;
            }
        }
        let items =
            ready(self.lab.table(TableOf::Provider).everything())?.map_err(Problem::environment)?;
        let mut held = 0;
        for item in items {
            let charge: Charge = item.read()?;
            held += charge.net();
        }
        if held != due {
            findings.broken(
                1,
                format!("all orders: the provider holds {held}, confirmed orders cost {due}"),
            );
        }
        Ok(())
    }
}

/// Whom a message is about, if it says so.
fn subject_of(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let metadata = if body["detail"].is_object() {
        &body["detail"]["metadata"]
    } else {
        &body["metadata"]
    };
    metadata["subject"]
        .as_str()
        .unwrap_or("somebody")
        .to_owned()
}
