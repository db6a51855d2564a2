//! Showing and following one order.

use duet_core::Money;
use duet_order::domain::Fate;
use serde::Serialize;
use serde_json::Value;

use crate::ops::view::{Step, View};
use crate::ops::{orders, place};
use crate::shop::services::Subject;
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::{Format, Report};
use crate::terminal::table::{self, Table, table};
use crate::world::{Execution, World};

/// An order, everywhere.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// How it stands, in a word.
    pub outcome: String,
    /// Its state in every service and ledger, and what they did.
    #[serde(flatten)]
    pub view: View,
    /// The execution that drives it, where a workflow does.
    pub execution: Option<Execution>,
    /// Every execution of it, that one too.
    pub executions: Vec<Execution>,
    /// Whether it is undecided, and nobody drives it.
    pub left: bool,
    /// Why nothing is told of how its executions went, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold: Option<&'static str>,
}

/// What is said where a log group has failures only, and the engine keeps nothing.
const UNTOLD: &str = "how its Express executions went is not logged (ExpressLogLevel=ERROR, not ALL): this is what the services' records say";

/// Reads the order `id` everywhere.
///
/// # Errors
/// [`Problem`] when nobody ever heard of it, or the target does not answer.
pub async fn show<W: World>(world: &W, id: &str) -> Outcome<Shown> {
    let view = View::load(world, id).await?;
    let (mut execution, mut executions, mut untold) = (None, Vec::new(), None);
    for one in world.described() {
        let variant = &one.variant;
        let runs = view
            .order
            .as_ref()
            .is_some_and(|order| order.variant == variant.name);
        if runs && one.logs().is_some_and(|logs| !logs.tells_all()) {
            untold = Some(UNTOLD);
        }
        let known = view
            .order
            .as_ref()
            .is_none_or(|order| order.variant == variant.name);
        if known && execution.is_none() {
            execution = world.execution(variant, Subject::Order, id).await?;
            executions.extend(world.executions(variant, Subject::Order, id).await?);
        }
    }
    let left = match &view.order {
        Some(order) => orders::left_by(world, order).await?.is_some(),
        None => false,
    };
    if view.is_empty() && execution.is_none() {
        return Err(unknown(id));
    }
    let outcome = match (&view.order, &execution) {
        (Some(order), _) => place::word(&order.standing()),
        (None, Some(execution)) => format!("never placed; its execution is {}", execution.status),
        (None, None) => "never placed".to_owned(),
    };
    Ok(Shown {
        id: id.to_owned(),
        outcome,
        view,
        execution,
        executions,
        left,
        untold,
    })
}

impl Report for Shown {
    fn text(&self) -> String {
        let mut parts = vec![format!("{}  {}", self.id, self.outcome)];
        if let Some(order) = &self.view.order {
            let placed = &order.placed;
            let about = format!(
                "under {}, placed {:.0}, total {}, customer {}",
                order.variant, placed.placed_at, placed.total, placed.customer
            );
            parts.push(table::folded(&about, 2));
            if self.left {
                parts.push(format!(
                    "nobody drives it any more; `duet repair {}` parks and mends it",
                    self.id
                ));
            } else if order.fate == Fate::Undecided {
                parts.push(format!(
                    "waits for {} until {}",
                    order.waits_for, order.deadline
                ));
            }
            for owed in &order.owed {
                let amount = owed
                    .amount
                    .map_or("an unknown amount".to_owned(), |amount| amount.to_string());
                parts.push(format!("owed: {:?}, {amount}", owed.part));
            }
        }
        let mut state = table([table::word("WHERE"), table::prose("STATE").states()]);
        for (place, value) in self.states() {
            state.add_row([place, &value]);
        }
        parts.push(String::new());
        parts.push(state.text());
        parts.push(String::new());
        parts.push(steps(&self.view.steps).text());
        if let Some(untold) = self.untold {
            parts.push(String::new());
            parts.push(table::folded(untold, 2));
        }
        if !self.view.actions.is_empty() {
            parts.push(String::new());
            parts.extend(self.view.actions.iter().map(|action| {
                let line = format!("{:.0}  {}", action.at, action.told());
                table::folded(&line, 2)
            }));
        }
        if let Some(execution) = &self.execution {
            parts.push(String::new());
            let error = execution
                .error
                .as_ref()
                .map_or(String::new(), |error| format!(" ({error})"));
            let way = execution.states.join(" > ");
            let way = format!("workflow {}{error}: {way}", execution.status);
            parts.push(table::folded(&way, 2));
            let driving = (&execution.machine, &execution.name);
            for other in &self.executions {
                if (&other.machine, &other.name) != driving {
                    let error = other.error.as_deref().map(|error| format!(" ({error})"));
                    parts.push(format!(
                        "execution {} of {} {}{}",
                        other.name,
                        other.machine,
                        other.status,
                        error.unwrap_or_default()
                    ));
                }
            }
        }
        parts.join("\n")
    }
}

impl Shown {
    /// One line per service and ledger: its status, and the fields that matter.
    fn states(&self) -> Vec<(&'static str, String)> {
        let view = &self.view;
        let review = view
            .review
            .as_ref()
            .map(|r| format!("{} (score {}; {})", r.status, r.score, r.reasons.join(", ")));
        let charge = view.charge.as_ref().map(|charge| {
            // A charge has the currency that its capture asked for.
            let money = |amount: i64| match charge.amount {
                Some(asked) => Money { amount, ..asked }.to_string(),
                None => amount.to_string(),
            };
            format!(
                "captured {}, refunded {}, {} attempts",
                money(charge.captured),
                money(charge.refunded),
                charge.capture_attempts
            )
        });
        let notices = (!view.notices.is_empty()).then(|| view.noticed().join(", "));
        [
            ("fraud", review),
            ("inventory", status(&view.reservation)),
            ("payment", status(&view.payment)),
            ("payment provider", charge),
            ("delivery", status(&view.delivery)),
            ("carrier", status(&view.booking)),
            ("notification", notices),
        ]
        .into_iter()
        .map(|(place, state)| (place, state.unwrap_or_else(|| "-".to_owned())))
        .collect()
    }
}

/// The `status` field of a document, as every service has one.
fn status(document: &Option<impl Serialize>) -> Option<String> {
    let value = serde_json::to_value(document.as_ref()?).ok()?;
    value
        .get("status")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn steps(steps: &[Step]) -> Table {
    let mut rows = table([
        table::number("AFTER"),
        table::word("SERVICE"),
        table::word("COMMAND"),
        table::prose("OUTCOME").states(),
        table::prose("FACTS").gives_way(1),
    ]);
    let began = steps.first().map(|step| step.at);
    for step in steps {
        rows.add_row(row(step, began));
    }
    rows
}

fn row(step: &Step, began: Option<duet_core::Timestamp>) -> [String; 5] {
    let after = began.map_or(0, |began| step.at.duration_since(began).as_millis());
    let facts = step.facts.join(", ");
    [
        format!("{after} ms"),
        step.service.to_owned(),
        step.command.clone(),
        step.outcome.clone(),
        facts,
    ]
}

fn unknown(id: &str) -> Problem {
    Problem::failed(format!("no service knows an order {id}"))
        .hint("an order just placed may take a moment; is it on this target and stack?")
}

/// Prints each step of the order `id` as it happens, until the order ends.
///
/// # Errors
/// [`Problem`] when it has not ended after `within` seconds.
pub async fn watch<W: World>(world: &W, id: &str, within: u64, format: Format) -> Outcome<Exit> {
    let began = world.now();
    // What was placed a moment ago may be on its way still; in a lab it is there.
    let grace = if world.is_virtual() { 0 } else { 15 };
    let mut told: Vec<Step> = Vec::new();
    loop {
        let view = View::load(world, id).await?;
        let first = view.steps.first().map(|step| step.at);
        for step in view.steps.iter().filter(|step| !told.contains(step)) {
            match format {
                Format::Json => {
                    terminal::line(&serde_json::to_string(step).map_err(Problem::environment)?)?
                }
                _ => {
                    let [after, service, command, outcome, facts] = row(step, first);
                    terminal::line(
                        format!("{after:>9}  {service:<12}  {command:<29}  {outcome:<5} {facts}")
                            .trim_end(),
                    )?;
                }
            }
        }
        let known = view.order.is_some() || !view.steps.is_empty();
        if !known && world.now().duration_since(began).as_secs() >= grace {
            return Err(unknown(id));
        }
        told = view.steps;
        if let Some(order) = &view.order
            && order.is_at_rest()
        {
            let standing = order.standing();
            if format == Format::Text {
                terminal::line(&place::word(&standing))?;
            }
            return Ok(if order.fate == Fate::Confirmed {
                Exit::Done
            } else {
                Exit::Failed
            });
        }
        if world.now().duration_since(began).as_secs() >= within as i64 {
            return Err(
                Problem::failed(format!("order {id} has not ended after {within} s"))
                    .hint(format!("`duet show {id}` tells what it waits for")),
            );
        }
        world.pause(250).await;
    }
}
