//! What each variant promises: by what carries it, each answer with its source;
//! and what a run of the lab shows of it.

use std::sync::LazyLock;

use duet_core::fact::StockReserved;
use duet_core::{Fact, Vocabulary as _};
use duet_lab::{Config, Definitions};
use duet_order::command::PlaceOrder;
use duet_order::domain::Fate;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::worlds::Ask;
use crate::ops::{catalog, place};
use crate::shop::message;
use crate::shop::scenario;
use crate::shop::services::Subject;
use crate::shop::variant::Description;
use crate::simulate::ready;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::lab::Lab;

/// One answer about one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guarantee {
    /// Which variant.
    pub variant: String,
    /// What is asked.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// Who says so: a document, or a run of the lab.
    pub source: String,
}

/// An answer that holds for all that one thing carries.
#[derive(Debug, Deserialize)]
struct Promise {
    question: String,
    carrier: String,
    answer: String,
    source: String,
}

static PROMISES: LazyLock<Vec<Promise>> =
    LazyLock::new(|| serde_json::from_str(include_str!("guarantees.json")).unwrap_or_default());

/// The source of what no document says.
pub(super) const SHOWN: &str = "shown by a run of the lab";

/// So many times a mapping's greatest concurrency is a burst.
const BURST: usize = 20;
/// Bytes that are more than a workflow may hold, and less than an event may have.
const LARGE: usize = 300 * 1_024;
/// How often the queues are looked at during a burst, in milliseconds.
const LOOK: i64 = 100;
/// How long a burst may take, in milliseconds.
const WITHIN: i64 = 3_600_000;

/// What the documents promise for the variant of `description`: of several that answer a
/// question, what is said of the narrowest.
fn promised(description: &Description) -> Vec<Guarantee> {
    let mut carriers = Vec::new();
    if let Some(kind) = description.machine_type() {
        carriers.extend([
            "states".to_owned(),
            format!("states-{}", kind.to_lowercase()),
        ]);
        let sync = description.variant.answers;
        carriers.extend(sync.then(|| format!("states-{}-sync", kind.to_lowercase())));
    }
    if let Some(facts) = description.facts() {
        carriers.extend(facts.bus.as_ref().map(|_| "events".to_owned()));
        let topics = if facts.keeps_order() {
            "sns-fifo"
        } else {
            "sns"
        };
        carriers.extend(facts.topics.first().map(|_| topics.to_owned()));
    }
    let narrowness = |fact: &Promise| carriers.iter().position(|it| *it == fact.carrier);
    let is_said_narrower = |fact: &Promise| {
        let mut others = PROMISES.iter().filter(|it| it.question == fact.question);
        others.any(|other| narrowness(other) > narrowness(fact))
    };
    let its = PROMISES
        .iter()
        .filter(|fact| narrowness(fact).is_some() && !is_said_narrower(fact));
    let told = its.map(|fact| Guarantee {
        variant: description.variant.name.to_owned(),
        question: fact.question.clone(),
        answer: fact.answer.clone(),
        source: fact.source.clone(),
    });
    told.collect()
}

/// What is promised and shown for one variant.
///
/// # Errors
/// [`Problem`] when the definitions do not fit the code.
pub(super) fn of(ask: &Ask<'_>, description: &Description) -> Outcome<Vec<Guarantee>> {
    let mut all = promised(description);
    let shown = |question: &str, answer: String| Guarantee {
        variant: description.variant.name.to_owned(),
        question: question.to_owned(),
        answer,
        source: SHOWN.to_owned(),
    };
    let many = burst(ask.definitions);
    all.push(shown(&format!("{many} orders at once"), ask.burst(many)?));
    all.push(shown("300 KiB of data", ask.large(description)?));
    Ok(all)
}

/// How many orders are a burst.
fn burst(definitions: &Definitions) -> usize {
    let most = definitions.mappings.iter().map(|it| it.concurrency).max();
    most.unwrap_or(1) * BURST
}

impl Ask<'_> {
    fn good(&self, many: usize) -> Outcome<(Lab, Vec<PlaceOrder>)> {
        let config = Config {
            seed: self.seed,
            profile: Some(self.profile.clone()),
            assumptions: self.draw,
            ..Config::default()
        };
        let world = Lab::new(self.definitions, config)?;
        let happy = scenario::named("happy").map_err(Problem::usage)?;
        let patience = world.patience(self.variant);
        let plan = happy.plan("guarantee", many, patience);
        ready(catalog::seed(&world, &plan.goods))??;
        Ok((world, plan.waves.into_iter().flatten().collect()))
    }

    /// `many` orders at once: how many are confirmed, and how long the last takes.
    fn burst(&self, many: usize) -> Outcome<String> {
        let (world, orders) = self.good(many)?;
        let began = world.now();
        for order in &orders {
            self.place(&world, order)?;
        }
        let until = began + SignedDuration::from_millis(WITHIN);
        let mut deepest = 0;
        let mut last = began;
        let mut confirmed = 0;
        while world.now() < until && confirmed < orders.len() {
            let next = world.now() + SignedDuration::from_millis(LOOK);
            world.with(|lab| lab.advance(next));
            deepest = deepest.max(world.with(|lab| lab.deepest()));
            confirmed = 0;
            for order in &orders {
                let there = ready(place::find(&world, order.order.as_str()))??;
                if let Some(there) = there.filter(|it| it.fate == Fate::Confirmed) {
                    confirmed += 1;
                    last = last.max(there.decided_at.unwrap_or(last));
                }
            }
        }
        let took = (last.as_millisecond() - began.as_millisecond()) as f64 / 1_000.0;
        let lost = orders.len() - confirmed;
        let lost = match lost {
            0 => "none lost".to_owned(),
            lost => format!("{lost} lost"),
        };
        Ok(format!(
            "{lost}; the last decided after {took:.1} s; at most {deepest} messages waited in one queue"
        ))
    }

    /// What becomes of much data: in an order that enters a workflow, in a fact
    /// on a bus.
    fn large(&self, description: &Description) -> Outcome<String> {
        let (world, orders) = self.good(1)?;
        let mut said = Vec::new();
        let enters = description.entry(Subject::Order).machine().is_some();
        if let Some(mut order) = orders.into_iter().next().filter(|_| enters) {
            order.ship_to.street = "s".repeat(LARGE);
            self.place(&world, &order)?;
            world.with(|lab| lab.settle(WITHIN));
            let id = order.order.as_str();
            let standing = ready(world.execution(self.variant, Subject::Order, id))??;
            let ended = standing.map(|it| it.error.unwrap_or(it.status));
            let ended = ended.unwrap_or_else(|| "nothing".to_owned());
            said.push(format!("the execution ends with {ended}"));
        }
        if let Some(bus) = description.facts().and_then(|facts| facts.bus.as_ref()) {
            let fact = StockReserved {
                order: "large".parse().map_err(Problem::environment)?,
            };
            let id = fact.order.to_string();
            let name = Fact::from(fact.clone()).name();
            let metadata = message::metadata(name, &id, self.variant.name, world.now());
            let mut detail = json!({ "metadata": metadata, "data": fact });
            detail["data"]["note"] = "n".repeat(LARGE).into();
            let put = world.with(|lab| lab.put_event(bus, "duet.inventory", name, &detail));
            put.map_err(Problem::environment)?;
            world.with(|lab| lab.settle(WITHIN));
            let used = world.with(|lab| lab.used()).into_iter();
            let deliveries: u64 = used
                .filter(|it| *it.subject == *id)
                .map(|it| it.meter.deliveries)
                .sum();
            let dead = world.with(|lab| lab.dead_letters().len());
            said.push(format!(
                "the bus delivers it to {deliveries} queues, {dead} dead letters"
            ));
        }
        Ok(said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::world::lab::definitions;

    #[test]
    fn every_variant_has_an_answer_to_every_question_and_each_a_source() {
        let questions: BTreeSet<&str> = PROMISES.iter().map(|it| it.question.as_str()).collect();
        assert!(questions.len() >= 8);
        let definitions = definitions(&BTreeMap::new()).unwrap();
        for description in Description::all(&definitions.outputs).unwrap() {
            let promised = promised(description);
            let answered: BTreeSet<&str> = promised.iter().map(|it| it.question.as_str()).collect();
            assert_eq!(answered, questions, "{}", description.variant.name);
            assert_eq!(promised.len(), questions.len());
            assert!(promised.iter().all(|it| !it.source.is_empty()));
        }
    }
}
