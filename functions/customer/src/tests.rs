//! The customer service over a table in memory.

use std::sync::Arc;

use duet_core::fact::{Fact, NewCustomer, NoFraudDetected, PossibleFraud, Screened};
use duet_core::service::{Reaction, reaction};
use duet_core::store::{Memory, Store};
use duet_core::testing::{HandClock, Stepwise, rehearse};
use duet_core::{Answer, Clock, Context, Event, Failure, Handled, Metadata, Refusal, Request};
use duet_core::{Service, Timestamp, Vocabulary};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::json;

use crate::command::{
    ActivateCustomer, ActivateUnscreened, BlockCustomer, MAX_NAME, RegisterCustomer,
};
use crate::domain::{Customer, Status};
use crate::{Command, Customers, key};

fn metadata(variant: &str) -> Metadata {
    Metadata {
        id: "m-1".into(),
        source: "duet.test".into(),
        kind: "test".into(),
        subject: "c-1".into(),
        time: Timestamp::UNIX_EPOCH,
        schemaversion: "1.0".into(),
        correlationid: "c-1".into(),
        causationid: None,
        traceparent: None,
        variant: variant.into(),
        late: false,
    }
}

fn request(command: impl Into<Command>, variant: &str) -> Request<Command> {
    let context = Context {
        message: metadata(variant),
        reply_to: None,
        clearance: None,
        execution: None,
        last_attempt: false,
        deadline: Timestamp::MAX,
        replay: false,
    };
    Request {
        command: command.into(),
        context,
    }
}

fn register() -> Command {
    RegisterCustomer {
        customer: "c-1".parse().unwrap(),
        name: "Ada".into(),
        email: "ada@example.com".into(),
        country: "SE".into(),
    }
    .into()
}

fn activate() -> Command {
    ActivateCustomer {
        customer: "c-1".parse().unwrap(),
    }
    .into()
}

fn block() -> Command {
    let reasons = vec!["disposable-email".to_owned(), "email-reuse".to_owned()];
    BlockCustomer {
        customer: "c-1".parse().unwrap(),
        reasons,
    }
    .into()
}

fn service() -> (Customers<Memory, impl Clock>, Memory) {
    let table = Memory::default();
    (
        Customers::new(table.clone(), Arc::new(|| Timestamp::UNIX_EPOCH), true),
        table,
    )
}

fn names(handled: &Handled) -> Vec<&'static str> {
    handled
        .events
        .iter()
        .map(|event| event.fact.name())
        .collect()
}

async fn kept(table: &Memory) -> Customer {
    table
        .load(&[key("c-1")])
        .await
        .unwrap()
        .remove(0)
        .unwrap()
        .read()
        .unwrap()
}

#[tokio::test]
async fn a_registration_is_announced_and_replied() {
    let (service, table) = service();
    let handled = service
        .handle(request(register(), "standard"))
        .await
        .unwrap();
    let data = json!({
        "customer": "c-1", "email": "ada@example.com", "country": "SE",
        "registered_at": "1970-01-01T00:00:00Z", "clearance": true,
    });
    assert_eq!(handled.answer, Answer::Done(data.clone()));
    assert_eq!(
        (names(&handled), handled.events[0].fact.data()),
        (vec!["NewCustomer"], data)
    );
    assert_eq!(kept(&table).await.status, Status::Pending);
    let again = service
        .handle(request(register(), "standard"))
        .await
        .unwrap();
    assert!(again.repeat);
    assert_eq!(again.events, handled.events);
}

#[tokio::test]
async fn an_account_is_activated_once() {
    let (service, table) = service();
    let _ = service
        .handle(request(register(), "standard"))
        .await
        .unwrap();
    let handled = service
        .handle(request(activate(), "standard"))
        .await
        .unwrap();
    let reply = json!({"customer": "c-1", "status": "Active"});
    assert_eq!(
        (handled.answer, handled.repeat),
        (Answer::Done(reply), false)
    );
    assert!(
        service
            .handle(request(activate(), "standard"))
            .await
            .unwrap()
            .repeat
    );
    let late = service.handle(request(block(), "standard")).await.unwrap();
    assert_eq!(
        late.answer,
        Answer::Declined(Refusal::new("CustomerActivated", ""))
    );
    assert!(late.events.is_empty());
    assert_eq!(kept(&table).await.status, Status::Active);
}

#[tokio::test]
async fn a_blocked_account_stays_blocked() {
    let (service, table) = service();
    let _ = service
        .handle(request(register(), "standard"))
        .await
        .unwrap();
    let handled = service.handle(request(block(), "standard")).await.unwrap();
    assert_eq!(names(&handled), ["CustomerBlocked"]);
    let reply = json!({"customer": "c-1", "status": "Blocked"});
    assert_eq!(handled.answer, Answer::Done(reply));
    let late = service
        .handle(request(activate(), "standard"))
        .await
        .unwrap();
    let refusal = Refusal::new("CustomerBlocked", "disposable-email,email-reuse");
    assert_eq!(
        (&late.answer, late.events.len()),
        (&Answer::Declined(refusal), 0)
    );
    assert_eq!(kept(&table).await.status, Status::Blocked);
}

#[tokio::test]
async fn what_does_not_fit_is_invalid() {
    let (service, _) = service();
    let unknown = service.handle(request(activate(), "standard")).await;
    assert_eq!(unknown, Err(Failure::invalid("no such customer")));
    let _ = service
        .handle(request(register(), "standard"))
        .await
        .unwrap();
    let other = service.handle(request(activate(), "eventbridge")).await;
    assert_eq!(
        other,
        Err(Failure::invalid("the customer runs under another variant"))
    );
    let Command::RegisterCustomer(command) = register() else {
        unreachable!()
    };
    let renamed = RegisterCustomer {
        name: "Bob".into(),
        ..command
    };
    let refused = service.handle(request(renamed, "standard")).await;
    assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
}

#[tokio::test]
async fn a_decision_says_when_and_only_who_waits_is_blocked() {
    for decision in [activate(), block()] {
        let (service, table) = service();
        let _ = service.handle(request(register(), "standard")).await;
        assert_eq!(kept(&table).await.decided_at, None);
        let _ = service.handle(request(decision, "standard")).await;
        assert_eq!(kept(&table).await.decided_at, Some(Timestamp::UNIX_EPOCH));
    }
    let (service, table) = service();
    let mut unmarked = request(register(), "standard");
    unmarked.context.clearance = Some(false);
    let _ = service.handle(unmarked.clone()).await.unwrap();
    let ignored = service.handle(request(block(), "standard")).await.unwrap();
    assert!(ignored.events.is_empty());
    assert_eq!(kept(&table).await.status, Status::Pending);
    // Whoever registers it again for the other mark is told so.
    unmarked.context.clearance = Some(true);
    let other = service.handle(unmarked).await.unwrap();
    let Answer::Declined(refusal) = other.answer else {
        panic!("{:?}", other.answer);
    };
    assert_eq!(refusal.name, "OtherMark");
}

#[tokio::test]
async fn an_execution_registers_the_customer_that_it_is_named_after() {
    let (service, _) = service();
    let named = |execution: &str| {
        let mut request = request(register(), "standard");
        request.context.execution = Some(execution.to_owned());
        request
    };
    let refused = service.handle(named("c-2")).await;
    assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
    let handled = service.handle(named("c-1__2")).await.unwrap();
    assert_eq!(names(&handled), ["NewCustomer"]);
}

#[test]
fn a_name_may_be_as_long_as_the_longest() {
    let named = |length: usize| RegisterCustomer {
        customer: "c-1".parse().unwrap(),
        name: "é".repeat(length),
        email: "ada@example.com".into(),
        country: "SE".into(),
    };
    assert!(named(MAX_NAME).check().is_ok());
    assert_eq!(named(MAX_NAME + 1).check().unwrap_err().path, "name");
}

#[test]
fn the_policy_follows_facts_about_customers_only() {
    let of = || Screened::Customer {
        customer: "c-1".parse().unwrap(),
    };
    let order = || Screened::Order {
        order: "o-1".parse().unwrap(),
    };
    let reasons = vec!["disposable-email".to_owned(), "email-reuse".to_owned()];
    let new = NewCustomer {
        customer: "c-1".parse().unwrap(),
        email: "ada@example.com".into(),
        country: "SE".into(),
        registered_at: Timestamp::UNIX_EPOCH,
        clearance: Some(true),
    };
    let cases: [(Fact, Option<Command>); 5] = [
        (
            new.into(),
            Some(
                ActivateUnscreened {
                    customer: "c-1".parse().unwrap(),
                }
                .into(),
            ),
        ),
        (NoFraudDetected { of: of() }.into(), Some(activate())),
        (NoFraudDetected { of: order() }.into(), None),
        (
            PossibleFraud {
                of: of(),
                score: 90,
                reasons: reasons.clone(),
            }
            .into(),
            Some(block()),
        ),
        (
            PossibleFraud {
                of: order(),
                score: 90,
                reasons,
            }
            .into(),
            None,
        ),
    ];
    for (fact, expected) in cases {
        let event = Event::new(metadata("eventbridge"), fact);
        assert_eq!(
            reaction::<Customers::<Memory, Arc<fn() -> Timestamp>>>(&event),
            expected
        );
        let heard = matches!(
            &event.fact,
            Fact::NewCustomer(_) | Fact::NoFraudDetected(_) | Fact::PossibleFraud(_)
        );
        let misled = crate::policy::reaction(&event.fact) == Reaction::NoPolicy;
        assert_ne!(heard, misled, "{}", event.fact.name());
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 200, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default()
    })]

    /// Whatever comes, and however often: the first decision stands, and it is
    /// told by one fact only.
    #[test]
    fn a_decision_is_made_once(blocks in prop::collection::vec(any::<bool>(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (status, facts) = runtime.block_on(async {
            let (service, table) = service();
            let _ = service.handle(request(register(), "standard")).await.unwrap();
            let mut facts = std::collections::BTreeSet::new();
            for block_it in &blocks {
                let command = if *block_it { block() } else { activate() };
                facts.extend(names(&service.handle(request(command, "standard")).await.unwrap()));
            }
            (kept(&table).await.status, facts)
        });
        let expected = if blocks[0] {
            (Status::Blocked, "CustomerBlocked")
        } else {
            (Status::Active, "CustomerActivated")
        };
        prop_assert_eq!((status, facts), (expected.0, [expected.1].into()));
    }

    /// Both decisions at once, killed and redelivered at any point: one stands.
    #[test]
    fn of_two_decisions_at_once_one_stands(
        schedule in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Customers::new(Stepwise(table), clock.clone(), true);
        let _ = rehearse(&service, &clock, &[register()], 9, &[]).unwrap();
        let told = rehearse(&service, &clock, &[activate(), block()], 9, &schedule).unwrap();
        let facts: std::collections::BTreeSet<_> = told.iter().flatten().flat_map(names).collect();
        prop_assert_eq!(facts.len(), 1);
    }
}
