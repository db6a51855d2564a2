//! The fraud service over a table in memory.

mod properties;
mod reviews;
mod scenarios;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use duet_core::fact::{Fact, NewCustomer, NewOrder, OrderConfirmed, OrderRejected};
use duet_core::order::{Address, Reason};
use duet_core::store::{Key, Memory, Store};
use duet_core::testing::{HandClock, Stepwise, Torn, in_turn, rehearse};
use duet_core::{
    Answer, Clock, Context, Event, Failure, Handled, Metadata, Money, Refusal, Request, Service,
    Timestamp, Vocabulary,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::command::{
    Cause, CloseReview, DecideReview, OpenReview, ScreenCustomer, ScreenOrder, Verdict,
};
use crate::history::{EmailUse, History, KEPT_SECONDS};
use crate::review::{Review, Status};
use crate::rules::VELOCITY;
use crate::{Command, Frauds, email_key, history_key, review_key};

const REVIEW_SECONDS: u32 = 600;

/// Seconds after the start of the test's world.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn money(amount: i64) -> Money {
    serde_json::from_value(json!({"amount": amount, "currency": "EUR"})).unwrap()
}

/// A shop with the fraud service in it, and a clock to turn.
struct World<C, S = Memory> {
    service: Frauds<S, C>,
    table: Memory,
    clock: Arc<AtomicI64>,
}

fn world() -> World<impl Clock> {
    let (table, clock) = (Memory::default(), Arc::new(AtomicI64::new(0)));
    let hands = clock.clone();
    let now = Arc::new(move || at(hands.load(Ordering::Relaxed)));
    World {
        service: Frauds::new(table.clone(), now, REVIEW_SECONDS, true),
        table,
        clock,
    }
}

impl<C: Clock, S: Store> World<C, S> {
    async fn ask(&self, command: impl Into<Command>) -> Result<Handled, Failure> {
        self.ask_from(command, None, "standard").await
    }

    async fn tell(&self, command: impl Into<Command>) -> Handled {
        self.ask(command).await.unwrap()
    }

    async fn ask_from(
        &self,
        command: impl Into<Command>,
        reply_to: Option<&str>,
        variant: &str,
    ) -> Result<Handled, Failure> {
        let context = Context {
            message: metadata(variant),
            reply_to: reply_to.map(ToOwned::to_owned),
            clearance: None,
            execution: None,
            last_attempt: false,
            deadline: Timestamp::MAX,
            replay: false,
        };
        self.service
            .handle(Request {
                command: command.into(),
                context,
            })
            .await
    }

    async fn read<T: DeserializeOwned>(&self, key: Key) -> Option<T> {
        self.table
            .load(&[key])
            .await
            .unwrap()
            .remove(0)
            .map(|item| item.read().unwrap())
    }

    async fn status(&self, order: &str) -> Option<Status> {
        self.read::<Review>(review_key(order))
            .await
            .map(|review| review.status)
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

fn order(id: &str, amount: i64, placed_at: i64) -> ScreenOrder {
    ScreenOrder {
        order: id.parse().unwrap(),
        customer: "c-1".parse().unwrap(),
        total: money(amount),
        country: "SE".into(),
        placed_at: at(placed_at),
    }
}

/// An order that a person has to look at: large, by an unknown customer.
fn doubtful(id: &str) -> ScreenOrder {
    order(id, 500_000, 0)
}

fn customer(id: &str, email: &str) -> ScreenCustomer {
    ScreenCustomer {
        customer: id.parse().unwrap(),
        email: email.into(),
        country: "SE".into(),
        registered_at: at(-1_000_000),
    }
}

fn open(id: &str) -> OpenReview {
    OpenReview {
        order: id.parse().unwrap(),
    }
}

fn decide(id: &str, verdict: Verdict) -> DecideReview {
    DecideReview {
        order: id.parse().unwrap(),
        verdict,
        note: Some("Kim".into()),
        by: Some("kim@shop".into()),
    }
}

fn close(id: &str, cause: Cause) -> CloseReview {
    CloseReview {
        order: id.parse().unwrap(),
        cause,
    }
}

fn facts(handled: &Handled) -> Vec<&'static str> {
    handled
        .events
        .iter()
        .map(|event| event.fact.name())
        .collect()
}

fn done(value: Value) -> Answer {
    Answer::Done(value)
}

fn review_closed(how: &str) -> Answer {
    Answer::Declined(Refusal::new("ReviewClosed", how))
}
