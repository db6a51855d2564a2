//! What must not be in a world that has come to its end.

use duet_core::fact::Notice;
use duet_core::order::Reason;
use duet_core::store::{Browse, Store};
use duet_customer::domain::Status as CustomerStatus;
use duet_inventory::domain::{Reservation, Stock};
use duet_lab::{Blow, Fault, Status};
use duet_order::domain::{Fate, Order};
use duet_payment::adapters::Charge;
use serde_json::Value;

use super::ending::Case;
use super::play::Play;
use super::{End, Traces, ready};
use crate::ops::faulty::Ending;
use crate::ops::invariants::Findings;
use crate::ops::place::word;
use crate::ops::view::View;
use crate::shop::scenario::Expected;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::simulate::script::Script;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::lab::Lab;

impl Play {
    /// What must not be, and how everything ended.
    pub(super) fn judge(self, scripts: &[Script]) -> Outcome<End> {
        let mut end = End::default();
        self.judge_rest(&mut end);
        let mut findings = self.findings.replace(Findings::default());
        let reservations = self.all::<Reservation>(TableOf::Inventory, "reservation")?;
        for script in scripts {
            for customer in &script.plan.customers {
                self.judge_customer(script, customer.customer.as_str(), &mut end)?;
            }
            let mut traces = Traces {
                contested: matches!(script.expected, Expected::Contested { .. }),
                ..Traces::default()
            };
            self.judge_orders(script, &mut end, &mut findings, &mut traces)?;
            for good in &script.plan.goods {
                let key = duet_inventory::stock_key(&good.sku);
                let found = ready(self.lab.table(TableOf::Inventory).load(&[key]))?
                    .map_err(Problem::environment)?;
                for item in found.into_iter().flatten() {
                    let stock: Stock = item.read()?;
                    findings.stock(&stock, &reservations);
                    let sold = self.sold(script, &stock)?;
                    if stock.reserved != 0 || stock.shipped != sold {
                        findings.broken(
                            2,
                            format!(
                                "{}: {} available, {} reserved, {} shipped at the end, {sold} sold",
                                stock.sku, stock.available, stock.reserved, stock.shipped
                            ),
                        );
                    }
                    let counters = (stock.available, stock.reserved, stock.shipped);
                    traces.stock.push(counters);
                }
            }
            end.traces.push(traces);
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

    /// What the lab itself says: what is lost, left, or does not come to rest.
    fn judge_rest(&self, end: &mut End) {
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
            for (subject, what) in lab.disorder() {
                end.findings
                    .push((6, subject.clone(), format!("{subject}: {what}")));
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
    }

    /// Every order of a script: its invariants, and whether it may have ended so.
    fn judge_orders(
        &self,
        script: &Script,
        end: &mut End,
        findings: &mut Findings,
        traces: &mut Traces,
    ) -> Outcome<()> {
        let struck = !end.struck.is_empty();
        let unmarked = self.unmarked(script)?;
        let unscreened = unmarked > 0 || self.has_unmarked_customer(script)?;
        let with_fraud = self.lab.deployment().with_fraud;
        let orders = || {
            let waves = script.plan.waves.iter().enumerate();
            waves.flat_map(|(n, wave)| wave.iter().map(move |order| (n, order)))
        };
        let mut confirmed = 0;
        let mut refused = 0;
        for (wave, order) in orders() {
            let id = order.order.as_str();
            let view = ready(View::load(&self.lab, id))??;
            let outcome = match &view.order {
                None => "Unplaced".to_owned(),
                Some(there) => word(&there.standing()),
            };
            end.outcomes.push(outcome);
            traces.orders.push(view.print());
            let finding =
                |what: String| (0, id.to_owned(), format!("{id} ({}): {what}", script.name));
            let Some(there) = &view.order else {
                end.findings.push((
                    6,
                    id.to_owned(),
                    format!("{id} ({}): it was never placed", script.name),
                ));
                continue;
            };
            let due = matches!(script.expected, Expected::NeedsAttention(..));
            if self.parked.borrow().contains(id) && !due && !struck {
                end.findings
                    .push(finding("it was parked, and nothing went wrong".to_owned()));
            }
            let twin = script.twin(wave);
            if there.placed.clearance == Some(false)
                && !self.may_be_unmarked(there.placed.placed_at)
            {
                end.findings.push(finding(
                    "it waits for no clearance, though it has to".to_owned(),
                ));
            }
            let verdict = self
                .lab
                .judge(self.variant, script, wave, there, unscreened)?;
            let good = twin == Expected::Confirmed;
            end.book(verdict, (script, id), good);
            match (&there.fate, twin) {
                (Fate::Confirmed, _) => confirmed += 1,
                (Fate::Rejected { reason, .. }, Expected::Contested { reason: of, .. })
                    if *reason == of =>
                {
                    refused += 1;
                }
                _ => {}
            }
            findings.order(order.order.as_str(), &view, with_fraud);
            self.judge_journal(id, &view, end)?;
        }
        if let Some(what) = unfair(script, (confirmed, refused), unmarked) {
            let first = orders().next().map(|(_, order)| order.order.to_string());
            end.findings.push((0, first.unwrap_or_default(), what));
        }
        Ok(())
    }

    /// The journal keeps every fact that the services said of the order or customer `id`.
    fn judge_journal(&self, id: &str, view: &View, end: &mut End) -> Outcome<()> {
        if !self.variant.has_facts {
            return Ok(());
        }
        let said: Vec<_> = view.steps.iter().flat_map(|step| &step.said).collect();
        let keys: Vec<_> = said.iter().map(|fact| duet_journal::key(fact)).collect();
        let kept = ready(self.lab.table(TableOf::Journal).load(&keys))?;
        let kept = kept.map_err(Problem::environment)?;
        for (fact, _) in said.iter().zip(kept).filter(|(_, kept)| kept.is_none()) {
            let what = format!("{id}: the journal has no {} ({})", fact.kind, fact.id);
            end.findings.push((6, id.to_owned(), what));
        }
        Ok(())
    }

    /// How many orders of a script were placed while nobody was screened.
    fn unmarked(&self, script: &Script) -> Outcome<usize> {
        let mut unmarked = 0;
        for order in script.plan.waves.iter().flatten() {
            let there = self.order(order.order.as_str())?;
            let mark = there.and_then(|there| there.placed.clearance);
            unmarked += usize::from(mark == Some(false));
        }
        Ok(unmarked)
    }

    fn has_unmarked_customer(&self, script: &Script) -> Outcome<bool> {
        for customer in &script.plan.customers {
            let there = self.customer(customer.customer.as_str())?;
            if there.is_some_and(|there| there.registered.clearance == Some(false)) {
                return Ok(true);
            }
        }
        Ok(false)
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
        let there = self.customer(id)?;
        let mark = there.as_ref().and_then(|there| there.registered.clearance);
        let expected = match script.plan.suspicious && mark != Some(false) {
            true => CustomerStatus::Blocked,
            false => CustomerStatus::Active,
        };
        if mark == Some(false) && !self.is_updated() {
            let what = format!("{id}: the customer waits for no clearance, though everybody does");
            end.findings.push((0, id.to_owned(), what));
        }
        let status = there.map(|customer| customer.status);
        if status != Some(expected) {
            end.findings.push((
                0,
                id.to_owned(),
                format!(
                    "{id} ({}): the customer is {status:?}, not {expected:?}",
                    script.name
                ),
            ));
            return Ok(());
        }
        let due = match expected {
            CustomerStatus::Blocked => Notice::CustomerBlocked,
            _ => Notice::CustomerActivated,
        };
        let view = ready(View::load(&self.lab, id))??;
        self.judge_journal(id, &view, end)?;
        let told = view.noticed();
        if told != [due.to_string()] {
            let what = format!("{id} ({}): {expected:?}, and told {told:?}", script.name);
            end.findings.push((5, id.to_owned(), what));
        }
        Ok(())
    }

    /// Every document of a table whose sort key is `sk`.
    fn all<T: serde::de::DeserializeOwned>(&self, of: TableOf, sk: &str) -> Outcome<Vec<T>> {
        let items = ready(self.lab.table(of).everything())?.map_err(Problem::environment)?;
        let documents = items.iter().filter(|item| item.key.sk == sk);
        Ok(documents
            .map(|item| item.read())
            .collect::<Result<_, _>>()?)
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
        let charges = self.all::<Charge>(TableOf::Provider, "charge")?;
        let held: i64 = charges.iter().map(Charge::net).sum();
        if held != due {
            findings.broken(
                1,
                format!("all orders: the provider holds {held}, confirmed orders cost {due}"),
            );
        }
        Ok(())
    }
}

impl End {
    /// Takes in how the order `id` of `script` ended; `good` if it is confirmed where nothing
    /// goes wrong.
    fn book(&mut self, verdict: Ending, (script, id): (&Script, &str), good: bool) {
        self.good += u64::from(good);
        let lost = match verdict {
            Ending::Twin => return,
            Ending::Raced(race, why) => {
                *self.races.entry(race).or_default() += 1;
                let row = format!("{id} ({}), {race}: {why}", script.name);
                self.examples.entry(race).or_insert_with(|| row.clone());
                row
            }
            Ending::Wrong(why) => {
                let why = format!("{id} ({}): {why}", script.name);
                self.findings.push((0, id.to_owned(), why.clone()));
                why
            }
        };
        if good {
            self.lost.push((id.to_owned(), lost));
        }
    }
}

impl Lab {
    /// Whether `order`, of wave `wave` of `script`, may have ended as it did.
    /// `unscreened`: an order or a customer of the script was not screened.
    pub(super) fn judge(
        &self,
        variant: &'static Variant,
        script: &Script,
        wave: usize,
        order: &Order,
        unscreened: bool,
    ) -> Outcome<Ending> {
        let id = order.placed.order.as_str();
        let others = script.plan.waves.iter().flatten();
        let others = others.filter(|other| other.order.as_str() != id);
        let (blows, rivals) = self.with(|lab| {
            let rivals: Vec<Blow> = others
                .flat_map(|other| lab.blows(other.order.as_str()))
                .collect();
            (lab.blows(id), rivals)
        });
        let case = Case {
            script,
            variant,
            wave,
            order,
            blows: &blows,
            rivals: &rivals,
            cut: self.cut(variant, id, &blows)?,
            unscreened,
            patience: self.limits(variant),
        };
        Ok(case.judge())
    }

    /// The fault that cut an order's execution short, if that was its end.
    fn cut(&self, variant: &'static Variant, id: &str, blows: &[Blow]) -> Outcome<Option<Fault>> {
        let execution = self.execution(variant, Subject::Order, id);
        let status = ready(execution)??.map(|execution| execution.status);
        let ended = |kind: &Fault| match kind {
            Fault::Abort => status.as_deref() == Some(duet_lab::word(Status::Aborted)),
            Fault::ExecutionTimeout => status.as_deref() == Some(duet_lab::word(Status::TimedOut)),
            _ => false,
        };
        let mut kinds = blows.iter().map(|blow| blow.kind);
        Ok(kinds.find(ended))
    }

    /// How long a step is tried at least, and how long one try may take, where
    /// the deployment says so, in milliseconds.
    fn limits(&self, variant: &Variant) -> Option<(i64, i64)> {
        let patience = i64::from(self.patience(variant));
        self.with(|lab| {
            let definitions = lab.definitions();
            let a_try = definitions.functions.iter().map(|f| f.timeout).max()?;
            Some((patience * 1_000, a_try))
        })
    }
}

/// What is wrong if, of the orders of `script` that contend for something, somebody went
/// without while there was enough, or got what was not there.
fn unfair(
    script: &Script,
    (confirmed, refused): (usize, usize),
    unmarked: usize,
) -> Option<String> {
    let Expected::Contested {
        confirmed: many,
        reason,
        ..
    } = script.expected
    else {
        return None;
    };
    // Whoever is not screened comes on top.
    let many = match reason {
        Reason::FraudConfirmed => many + unmarked,
        _ => many,
    };
    let all = script.plan.waves.iter().flatten().count();
    (confirmed > many || (refused > 0 && all - refused < many)).then(|| {
        format!(
            "{}: {confirmed} of {all} are confirmed and {refused} rejected for {reason}; {many} could be",
            script.name
        )
    })
}

/// Whom a message is about, if it says so.
pub(super) fn subject_of(body: &str) -> String {
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
