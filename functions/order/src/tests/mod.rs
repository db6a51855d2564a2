//! The order service over a table in memory: its decisions, its timers, and
//! that no interleaving of messages gives it two minds.

mod follow;
mod owed;
mod personal;
mod properties;
mod rollout;
mod scenarios;
mod sweep;
mod timers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use duet_core::fact::{
    CustomerNotified, DeliveryCancelled, DeliveryFailed, DeliveryRefusal, DeliveryScheduled, Fact,
    FraudConfirmed, NoFraudDetected, Notice, NoticeOverdue, PaymentDeclined, PaymentRefunded,
    PaymentUnavailable, PossibleFraud, RefundFailed, ReviewTimedOut, Screened, ShipmentOverdue,
    StockRefusal, StockReleased, StockShipped, StockUnavailable,
};
use duet_core::order::{Owed, Part, Reason};
use duet_core::store::{Memory, Store};
use duet_core::testing::{HandClock, Stepwise, Torn, in_turn, rehearse};
use duet_core::{
    Answer, Clock, Context, Event, Failure, Handled, Metadata, Money, OrderId, Refusal, Request,
    Service, Timestamp, Vocabulary,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::{Value, json};

use crate::command::{
    ConfirmOrder, ExpireCompensation, ExpireOrder, ExtendDeadline, NoteUndone, ParkOrder,
    PlaceOrder, RejectOrder,
};
use crate::domain::{Compensation, Fate, Order};
use crate::{Command, Orders, Patience, key};

const PATIENCE: Patience = Patience {
    order: 900,
    review: 600,
    compensation: 300,
};

/// Seconds after the start of the test's world.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn money(amount: i64) -> Money {
    serde_json::from_value(json!({"amount": amount, "currency": "EUR"})).unwrap()
}

fn id() -> OrderId {
    "o-1".parse().unwrap()
}

/// The order service with a clock to turn.
struct World<C, S = Memory> {
    service: Orders<S, C>,
    table: Memory,
    clock: Arc<AtomicI64>,
}

fn world() -> World<impl Clock> {
    world_that_awaits(true)
}

fn world_that_awaits(clearance: bool) -> World<impl Clock> {
    let (table, clock) = (Memory::default(), Arc::new(AtomicI64::new(0)));
    let hands = clock.clone();
    let now = Arc::new(move || at(hands.load(Ordering::Relaxed)));
    World {
        service: Orders::new(table.clone(), now, PATIENCE, clearance),
        table,
        clock,
    }
}

async fn placed() -> World<impl Clock> {
    let world = world();
    let _ = world.tell(place()).await;
    world
}

impl<C: Clock, S: Store> World<C, S> {
    async fn ask(&self, command: impl Into<Command>, variant: &str) -> Result<Handled, Failure> {
        self.by(command, variant, None, None).await
    }

    /// As an execution that says its name and mark asks.
    async fn by(
        &self,
        command: impl Into<Command>,
        variant: &str,
        execution: Option<&str>,
        clearance: Option<bool>,
    ) -> Result<Handled, Failure> {
        let message = Metadata {
            time: at(self.clock.load(Ordering::Relaxed)),
            ..metadata(variant)
        };
        let execution = execution.map(ToOwned::to_owned);
        self.handle(command.into(), message, execution, clearance)
            .await
    }

    /// A message that `source` sent `said` seconds in comes now.
    async fn hears(&self, source: &str, said: i64, command: Command) -> Handled {
        let message = Metadata {
            source: source.to_owned(),
            time: at(said),
            ..metadata("standard")
        };
        self.handle(command, message, None, None).await.unwrap()
    }

    async fn handle(
        &self,
        command: Command,
        message: Metadata,
        execution: Option<String>,
        clearance: Option<bool>,
    ) -> Result<Handled, Failure> {
        let context = Context {
            message,
            reply_to: None,
            clearance,
            execution,
            last_attempt: false,
            deadline: Timestamp::MAX,
            replay: false,
        };
        self.service.handle(Request { command, context }).await
    }

    async fn tell(&self, command: impl Into<Command>) -> Handled {
        self.ask(command, "standard").await.unwrap()
    }

    /// Asserts that `command` is refused as invalid.
    async fn refuses(&self, command: impl Into<Command>, variant: &str) {
        let said = self.ask(command, variant).await;
        assert!(matches!(said, Err(Failure::Invalid(_))), "{said:?}");
    }

    fn turn_to(&self, seconds: i64) {
        self.clock.store(seconds, Ordering::Relaxed);
    }

    async fn order(&self) -> Order {
        self.table
            .load(&[key("o-1")])
            .await
            .unwrap()
            .remove(0)
            .unwrap()
            .read()
            .unwrap()
    }
}

fn metadata(variant: &str) -> Metadata {
    Metadata {
        id: "m-1".into(),
        source: "duet.test".into(),
        kind: "test".into(),
        subject: "o-1".into(),
        time: at(0),
        schemaversion: "1.0".into(),
        correlationid: "o-1".into(),
        causationid: None,
        traceparent: None,
        variant: variant.into(),
        late: false,
    }
}

fn place() -> PlaceOrder {
    serde_json::from_value(json!({
        "order": "o-1",
        "customer": "c-1",
        "lines": [{"sku": "sku-1", "quantity": 2}],
        "total": {"amount": 2_500, "currency": "EUR"},
        "payment_token": "tok_ok",
        "ship_to": {
            "name": "Ada", "street": "1 Road", "city": "Lund", "postcode": "22100", "country": "SE",
        },
    }))
    .unwrap()
}

fn confirm() -> Command {
    ConfirmOrder { order: id() }.into()
}

fn reject(reason: Reason, detail: Option<&str>) -> Command {
    RejectOrder {
        order: id(),
        reason,
        detail: detail.map(ToOwned::to_owned),
        captured: None,
    }
    .into()
}

fn undone(parts: &[Part]) -> Command {
    NoteUndone {
        order: id(),
        parts: parts.to_vec(),
        parking: None,
    }
    .into()
}

fn owed(part: Part, amount: Option<i64>) -> Owed {
    Owed {
        part,
        amount: amount.map(money),
    }
}

fn park(owed: &[Owed]) -> Command {
    ParkOrder {
        owed: owed.to_vec(),
        ..ParkOrder::of(id())
    }
    .into()
}

fn expire() -> Command {
    ExpireOrder { order: id() }.into()
}

fn expire_compensation() -> Command {
    ExpireCompensation { order: id() }.into()
}

fn extend() -> Command {
    ExtendDeadline { order: id() }.into()
}

fn facts(handled: &Handled) -> Vec<&'static str> {
    handled
        .events
        .iter()
        .map(|event| event.fact.name())
        .collect()
}

fn timers(handled: &Handled) -> Vec<(&str, Timestamp)> {
    handled
        .timers
        .iter()
        .map(|timer| (timer.command.as_str(), timer.due))
        .collect()
}
