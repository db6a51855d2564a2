//! What an operator does in the lab: dead letters in hand, executions taken up
//! again.
//!
//! Nobody but operators reads dead-letter queues, so who holds a letter is
//! known here and not in the lab: looking changes nothing there.

use std::collections::BTreeMap;

use duet_core::Timestamp;
use duet_lab::{DeadLetter, WorkflowError};
use jiff::SignedDuration;

use super::inputs::Input;
use super::{Lab, State};
use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::port::express;
use crate::world::port::operate::{
    FailedExecution, Held, Operate, Redriven, RunningExecution, under_way,
};

impl State {
    /// The dead letter that is held.
    fn letter(&mut self, held: &Held) -> Outcome<DeadLetter> {
        let mut letters = self.lab.dead_letters().into_iter();
        let letter = letters.find(|letter| receipt(letter) == held.receipt);
        letter.ok_or_else(|| Problem::failed(format!("{} is in {} no more", held.id, held.queue)))
    }
}

fn receipt(letter: &DeadLetter) -> String {
    let (queue, number) = letter.at;
    format!("{queue}/{number}")
}

impl Operate for Lab {
    fn dead_letter_queues(&self) -> Vec<String> {
        self.with(|lab| {
            let definitions = lab.definitions();
            let queues = definitions.dead_letter_queues().into_iter();
            queues
                .map(|queue| definitions.queues[queue].url.clone())
                .collect()
        })
    }

    async fn hold(&self, queue: &str, seconds: i32) -> Outcome<Vec<Held>> {
        let state = &mut *self.state();
        let of = state.lab.definitions().queue_named(queue);
        let of = of.ok_or_else(|| Problem::environment(format!("there is no queue {queue}")))?;
        let now = state.lab.now();
        let until = now
            .saturating_add(SignedDuration::from_secs(seconds.into()))
            .unwrap_or(Timestamp::MAX);
        state.held.retain(|_, until| *until > now);
        let mut all = Vec::new();
        for letter in state.lab.dead_letters() {
            if letter.at.0 != of || state.held.contains_key(&letter.at) {
                continue;
            }
            state.held.insert(letter.at, until);
            all.push(Held {
                receipt: receipt(&letter),
                group: None,
                carried: BTreeMap::new(),
                queue: queue.to_owned(),
                attributes: state.lab.attributes(&letter).into_iter().collect(),
                sent_at: Some(letter.sent),
                id: letter.id,
                body: letter.body,
            });
        }
        Ok(all)
    }

    async fn release(&self, held: &[Held]) -> Outcome<()> {
        let state = &mut *self.state();
        for one in held {
            let letter = state.letter(one)?;
            state.held.remove(&letter.at);
        }
        Ok(())
    }

    async fn forward(&self, held: &Held, home: &str) -> Outcome<String> {
        let state = &mut *self.state();
        let letter = state.letter(held)?;
        match state.lab.home(&letter) {
            Some(there) if there == home => {}
            Some(there) => {
                return Err(Problem::failed(format!(
                    "{} came from {there}, not from {home}",
                    held.id
                )));
            }
            None => {
                return Err(Problem::failed(format!(
                    "{home}, where {} was going, is not deployed",
                    held.id
                )));
            }
        }
        let now = state.lab.now();
        let sent = state.lab.redrive(&letter);
        state.record(now, || Input::Forward { letter: letter.at });
        state.held.remove(&letter.at);
        Ok(sent.unwrap_or(letter.id))
    }

    async fn discard(&self, held: &Held) -> Outcome<()> {
        let state = &mut *self.state();
        let letter = state.letter(held)?;
        let now = state.lab.now();
        state.lab.discard(&letter);
        state.record(now, || Input::Discard { letter: letter.at });
        state.held.remove(&letter.at);
        Ok(())
    }

    async fn failed_executions(&self) -> Outcome<Vec<FailedExecution>> {
        let described = self.described();
        let lab = &self.state().lab;
        let failed = lab.failed_executions();
        let mut all = Vec::new();
        for one in described {
            all.extend(express::failed(&Lab::records(lab, one), one));
            for arn in one.all_machines() {
                let machine = arn.rsplit(':').next().unwrap_or(arn);
                let mine = failed.iter().filter(|run| run.machine == machine);
                all.extend(mine.map(|run| {
                    let execution = lab.execution(machine, &run.name);
                    let instant = |millis| Timestamp::from_millisecond(millis).ok();
                    FailedExecution {
                        arn: run.arn.clone(),
                        name: run.name.clone(),
                        machine: run.machine.clone(),
                        variant: one.variant.name,
                        status: duet_lab::word(run.status).to_owned(),
                        error: run.error.clone(),
                        started_at: execution.and_then(|it| instant(it.started())),
                        ended_at: execution.and_then(|it| it.ended()).and_then(instant),
                        // Whether 14 days have passed is seen by its end.
                        redrivable: Some(true),
                    }
                }));
            }
        }
        Ok(all)
    }

    async fn running_executions(&self) -> Outcome<Vec<RunningExecution>> {
        let running = self.with(|lab| lab.running());
        let running = running.into_iter().map(|run| RunningExecution {
            name: run.name,
            machine: run.machine,
        });
        Ok(running.collect())
    }

    async fn messages(&self, queue: &str) -> Outcome<Option<u64>> {
        let messages = self.with(|lab| lab.messages(queue));
        Ok(messages.map(|messages| messages as u64))
    }

    async fn redrive(&self, arn: &str) -> Outcome<Redriven> {
        let state = &mut *self.state();
        let now = state.lab.now();
        match state.lab.redrive_execution(arn) {
            Ok(()) => {
                state.record(now, || Input::RedriveExecution {
                    arn: arn.to_owned(),
                });
                Ok(Redriven::Yes)
            }
            Err(WorkflowError::Redrive(why)) => Ok(Redriven::Refused(why.to_string())),
            Err(other) => Err(Problem::environment(other)),
        }
    }

    async fn start_again(&self, failed: &FailedExecution) -> Outcome<String> {
        let state = &mut *self.state();
        let lab = &mut state.lab;
        let machine = &failed.machine;
        let input = lab
            .execution(machine, &failed.name)
            .map(|execution| serde_json::Value::clone(execution.input()))
            .ok_or_else(|| {
                Problem::environment(format!("there is no execution {}", failed.name))
            })?;
        let mut n = 2;
        while let Some(earlier) = lab.execution_standing(machine, &failed.next(n)) {
            if duet_lab::word(earlier.status) == "RUNNING" {
                return Err(under_way(&earlier.name));
            }
            n += 1;
        }
        let name = failed.next(n);
        state.start((machine, false), &name, input)?;
        Ok(name)
    }

    async fn outage(&self, service: TableOf, down: bool) -> Outcome<()> {
        let state = &mut *self.state();
        let now = state.lab.now();
        let service = service.name();
        state.lab.set_down(service, down).map_err(Problem::usage)?;
        state.record(now, || Input::SetDown {
            service: service.to_owned(),
            down,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use duet_core::OrderId;
    use duet_lab::{Config, Definitions};
    use serde_json::json;

    use super::super::definitions;
    use super::*;
    use crate::ops::dlq::{self, Filter, Layer};
    use crate::ops::redrive::Which;
    use crate::ops::{catalog, customer, orders, place, redrive, repair};
    use crate::shop::message;
    use crate::shop::scenario::{self, Scenario};
    use crate::shop::services::Subject;
    use crate::shop::variant::{self, Variant};

    fn variant(name: &str) -> &'static Variant {
        variant::named(name).unwrap()
    }

    fn scenario(name: &str) -> &'static Scenario {
        scenario::named(name).unwrap()
    }

    /// A lab in which `faults` strike.
    fn lab(faults: &[&str]) -> Lab {
        let all: Arc<Definitions> = definitions(&BTreeMap::new()).unwrap();
        let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
        let config = Config {
            seed: 3,
            faults,
            keep_succeeded: true,
            ..Config::default()
        };
        Lab::new(&all, config).unwrap()
    }

    /// Places the order of `of` and lets an hour and a half go by.
    async fn placed(world: &Lab, of: &str, under: &str, stem: &str) -> OrderId {
        let plan = scenario(of).plan(stem, 1, world.deployment().patience_seconds);
        catalog::seed(world, &plan.goods).await.unwrap();
        let order = &plan.waves[0][0];
        place::submit(world, variant(under), order).await.unwrap();
        world.pause(90 * 60_000).await;
        order.order.clone()
    }

    async fn outcome(world: &Lab, order: &OrderId) -> String {
        let order = place::find(world, order.as_str()).await.unwrap();
        order.map_or("unknown".to_owned(), |order| place::word(&order.standing()))
    }

    #[tokio::test]
    async fn an_undelivered_letter_goes_back_to_the_target_that_did_not_take_it() {
        let world = lab(&["target-unavailable@duet-inventory-NewOrder:1"]);
        for n in 0..8 {
            placed(&world, "happy", "eventbridge", &format!("u{n}")).await;
        }
        let all = dlq::list(&world, &Filter::default()).await.unwrap().letters;
        assert!(!all.is_empty());
        for letter in &all {
            assert_eq!(letter.layer, Layer::Undelivered);
            assert_eq!(letter.place, "duet-undelivered");
            assert_eq!(letter.home.as_deref(), Some("duet-inventory"));
            assert_eq!(letter.kind.as_deref(), Some("NewOrder"));
            assert_eq!(letter.cause, "THROTTLING");
        }
        let shown = dlq::show(&world, &all[0].id, false).await.unwrap();
        let about = |name: &str| shown.attributes[name].as_str();
        assert!(about("RULE_ARN").ends_with(":rule/duet-bus/duet-inventory-NewOrder"));
        assert!(about("TARGET_ARN").ends_with(":duet-inventory"));
        assert_eq!(about("ERROR_CODE"), "THROTTLING");

        world.with(duet_lab::Lab::stop_faults);
        let filter = Filter {
            order: all[0].subject.clone(),
            ..Filter::default()
        };
        let moved = dlq::redrive(&world, &filter, false, 10).await.unwrap();
        assert_eq!((moved.redriven.len(), moved.kept.len()), (1, 0));
        let left = dlq::list(&world, &Filter::default()).await.unwrap().letters;
        assert_eq!(left.len(), all.len() - 1, "nobody else's letter moved");
        dlq::redrive(&world, &Filter::default(), false, 10)
            .await
            .unwrap();
        world.pause(60_000).await;
        let left = dlq::list(&world, &Filter::default()).await.unwrap().letters;
        assert!(left.is_empty(), "{left:?}");
        // It came too late for its order, and so did nothing.
        let order: OrderId = all[0].subject.clone().unwrap().try_into().unwrap();
        assert!(outcome(&world, &order).await.starts_with("Rejected("));
    }

    #[tokio::test]
    async fn a_letter_that_comes_back_stays_and_is_dropped_by_id_only() {
        let world = lab(&[]);
        for marker in ["one", "two"] {
            world
                .submit_poison(variant("eventbridge"), marker)
                .await
                .unwrap();
        }
        world.pause(30 * 60_000).await;
        let moved = dlq::redrive(&world, &Filter::default(), false, 10)
            .await
            .unwrap();
        assert!(moved.redriven.len() + moved.kept.len() == 2);
        world.pause(30 * 60_000).await;
        let left = dlq::list(&world, &Filter::default()).await.unwrap().letters;
        assert_eq!(left.len(), 2);
        assert_eq!(left[0].layer, Layer::Unprocessed);
        dlq::discard(&world, &left[0].id).await.unwrap();
        assert!(dlq::show(&world, &left[0].id, false).await.is_err());
        assert!(dlq::show(&world, &left[1].id, false).await.is_ok());
    }

    #[tokio::test]
    async fn a_held_letter_is_seen_by_nobody_else_until_the_hold_is_over() {
        let world = lab(&[]);
        world
            .submit_poison(variant("eventbridge"), "held")
            .await
            .unwrap();
        world.pause(30 * 60_000).await;
        let queue = world
            .dead_letter_queues()
            .into_iter()
            .find(|url| url.ends_with("duet-order-commands-dlq"))
            .unwrap();
        let held = world.hold(&queue, 60).await.unwrap();
        assert_eq!(held.len(), 1);
        assert!(world.hold(&queue, 60).await.unwrap().is_empty());
        world.release(&held[..1]).await.unwrap();
        assert_eq!(world.hold(&queue, 60).await.unwrap().len(), 1);
        world.pause(61_000).await;
        assert_eq!(world.hold(&queue, 60).await.unwrap().len(), 1);
        assert!(world.forward(&held[0], "duet-payment").await.is_err());
        assert!(world.hold("duet-nowhere", 60).await.is_err());
    }

    #[tokio::test]
    async fn a_failed_execution_is_redriven_once_its_fault_is_over() {
        let world = lab(&["store-fault@PlaceOrder:1", "store-fault@NotifyActivated:1"]);
        let order = placed(&world, "happy", "standard", "r").await;
        let register = serde_json::from_value(json!({
            "customer": "ada", "name": "Ada", "email": "ada@example.org", "country": "SE",
        }));
        customer::register(&world, variant("standard"), &register.unwrap(), None)
            .await
            .unwrap();
        world.pause(60 * 60_000).await;
        assert_eq!(outcome(&world, &order).await, "unknown");
        let failed = dlq::list(&world, &Filter::default()).await.unwrap().letters;
        let layers: Vec<_> = failed.iter().map(|letter| letter.layer).collect();
        assert_eq!(layers, [Layer::Execution, Layer::Execution], "{failed:?}");

        world.with(duet_lab::Lab::stop_faults);
        let which = Which::Since(24 * 60 * 60);
        let dry = redrive::run(&world, &which, true).await.unwrap();
        assert!(dry.executions.iter().all(|row| !row.redriven));
        let done = redrive::run(&world, &which, false).await.unwrap();
        assert_eq!(done.executions.len(), 2);
        assert!(done.executions.iter().all(|row| row.redriven), "{done:?}");
        world.pause(60_000).await;
        assert_eq!(outcome(&world, &order).await, "Confirmed");
        let ada = world
            .execution(variant("standard"), Subject::Customer, "ada")
            .await
            .unwrap();
        assert_eq!(ada.unwrap().status, "SUCCEEDED");
        assert!(world.failed_executions().await.unwrap().is_empty());
        let again = redrive::run(&world, &Which::Named(order.to_string()), false).await;
        assert!(again.is_err(), "it did not fail");
    }

    #[tokio::test]
    async fn an_invalid_execution_is_not_redriven_but_explained() {
        let world = lab(&[]);
        world
            .submit_poison(variant("standard"), "bad")
            .await
            .unwrap();
        world.pause(60_000).await;
        let which = Which::Named("bad".to_owned());
        let done = redrive::run(&world, &which, false).await.unwrap();
        let why = done.executions[0].instead.as_deref().unwrap();
        assert!(why.contains("invalid"), "{why}");
    }

    #[tokio::test]
    async fn a_parked_order_is_listed_and_repaired() {
        for under in variant::ALL.iter() {
            let world = lab(&[]);
            let order = placed(&world, "refund-fails", under.name, "p").await;
            let attention = orders::Filter {
                attention: true,
                ..orders::Filter::default()
            };
            let listed = orders::list(&world, &attention).await.unwrap().orders;
            assert_eq!(listed.len(), 1, "{}", under.name);
            let done = repair::repair(&world, &order, 600).await.unwrap();
            assert!(done.missing.is_empty(), "{done:?}");
            assert!(
                !outcome(&world, &order).await.contains("NeedsAttention"),
                "{}",
                under.name
            );
            let listed = orders::list(&world, &attention).await.unwrap().orders;
            assert!(listed.is_empty());
        }
    }

    #[tokio::test]
    async fn a_command_that_no_service_takes_says_so() {
        let world = lab(&[]);
        let command = duet_order::Command::from(duet_order::command::NoteUndone {
            order: "o-none".parse().unwrap(),
            parts: Vec::new(),
            parking: None,
        });
        let message = message::command(&command, "o-none", "standard", world.now());
        let to = crate::shop::services::TableOf::Carrier;
        let refused = world.command(variant("standard"), to, &message).await;
        assert!(refused.is_err());
    }
}
