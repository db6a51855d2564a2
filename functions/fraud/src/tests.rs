//! The fraud service over a table in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use duet_core::fact::{Fact, NewCustomer, NewOrder, OrderConfirmed, OrderRejected};
use duet_core::order::{Address, Reason};
use duet_core::store::{CommitError, Item, Key, Memory, Store, StoreFault, Write};
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
use crate::history::{EmailUse, History};
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
        service: Frauds::new(table.clone(), now, REVIEW_SECONDS),
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

#[tokio::test]
async fn a_clear_order_goes_on() {
    let world = world();
    let _ = world.tell(customer("c-1", "ada@example.com")).await;
    let handled = world.tell(order("o-1", 1_000, 0)).await;
    assert_eq!(
        handled.answer,
        done(json!({"verdict": "Clear", "score": 0, "reasons": []}))
    );
    assert_eq!(facts(&handled), ["NoFraudDetected"]);
    assert_eq!(
        handled.events[0].fact.data(),
        json!({"kind": "order", "order": "o-1"})
    );
    assert!(handled.timers.is_empty());
    assert_eq!(world.status("o-1").await, Some(Status::Clear));
}

#[tokio::test]
async fn a_doubtful_order_opens_a_review_with_a_clock() {
    let world = world();
    let handled = world.tell(doubtful("o-1")).await;
    let reasons = json!(["large-amount", "unknown-account"]);
    let answer = done(json!({"verdict": "Review", "score": 55, "reasons": reasons}));
    assert_eq!(handled.answer, answer);
    assert_eq!(facts(&handled), ["PossibleFraud"]);
    let data = json!({"kind": "order", "order": "o-1", "score": 55, "reasons": reasons});
    assert_eq!(handled.events[0].fact.data(), data);
    let [timer] = handled.timers.as_slice() else {
        panic!("{handled:?}")
    };
    assert_eq!(
        (timer.due, timer.command.as_str()),
        (at(600), "CloseReview")
    );
    assert_eq!(timer.data, json!({"order": "o-1", "cause": "TimedOut"}));
    let review: Review = world.read(review_key("o-1")).await.unwrap();
    assert_eq!((review.opened_at, review.due), (Some(at(0)), Some(at(600))));
    assert_eq!(
        (review.customer.unwrap().as_str(), review.total),
        ("c-1", Some(money(500_000)))
    );
}

#[tokio::test]
async fn an_order_over_the_mark_is_refused() {
    let world = world();
    let suspect = customer("c-1", "x@mailinator.com");
    let blocked = world.tell(suspect).await;
    let refusal = Refusal::new("PossibleFraud", "disposable-email");
    assert_eq!(blocked.answer, Answer::Declined(refusal));
    let abroad = ScreenOrder {
        country: "DE".into(),
        ..order("o-1", 500_000, 0)
    };
    let handled = world.tell(abroad).await;
    let reasons = "large-amount,country-mismatch,disposable-email";
    assert_eq!(
        handled.answer,
        Answer::Declined(Refusal::new("FraudConfirmed", reasons))
    );
    assert_eq!(facts(&handled), ["FraudConfirmed"]);
    assert_eq!(handled.events[0].fact.data()["score"], 95);
    assert_eq!(world.status("o-1").await, Some(Status::Blocked));
    assert_eq!(
        world.tell(decide("o-1", Verdict::Approve)).await.answer,
        review_closed("Blocked")
    );
}

#[tokio::test]
async fn velocity_counts_order_time_not_arrival() {
    let world = world();
    // (order, minute placed, whether the rule trips), in the order of arrival
    let arrivals = [
        ("o-1", 0, false),
        ("o-4", 30, false), // early
        ("o-3", 20, false),
        ("o-0", -59, false), // very late: nothing was placed in the hour before it
        ("o-2", 1, false),   // late: o-1 came before it, the rest after; o-0 an hour ago
        ("o-5", 59, true),   // o-1 to o-4 are within its hour
        ("o-6", 79, true),   // o-3 (59 minutes ago), o-4 and o-5
        ("o-7", 90, false),  // o-4 is exactly an hour ago: o-5 and o-6 only
        ("o-8", 91, true),   // o-5, o-6 and o-7
    ];
    for (id, minute, trips) in arrivals {
        let handled = world.tell(order(id, 1_000, minute * 60)).await;
        assert_eq!(
            facts(&handled) == ["FraudConfirmed"],
            trips,
            "{id} {handled:?}"
        );
    }
}

#[tokio::test]
async fn an_order_sent_twice_counts_once() {
    let world = world();
    for n in 1..VELOCITY {
        for _ in 0..3 {
            let handled = world.tell(order(&format!("o-{n}"), 1_000, 0)).await;
            assert_eq!(facts(&handled), ["NoFraudDetected"]);
        }
    }
    let fourth = world.tell(order("o-4", 1_000, 0)).await;
    assert_eq!(facts(&fourth), ["FraudConfirmed"]);
    let history: History = world.read(history_key("c-1")).await.unwrap();
    assert_eq!(history.orders.len(), VELOCITY);
    let changed = world.ask(order("o-4", 1_001, 0)).await;
    assert!(matches!(changed, Err(Failure::Invalid(_))));
}

/// A table whose readers are overtaken by other writers.
#[derive(Clone)]
struct Busy(Memory);

impl Store for Busy {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        let items = self.0.load(keys).await;
        tokio::task::yield_now().await;
        items
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.0.commit(writes).await
    }
}

#[tokio::test]
async fn orders_at_once_do_not_miss_each_other() {
    let World { table, .. } = world();
    let service = Frauds::new(Busy(table.clone()), Arc::new(|| at(0)), REVIEW_SECONDS);
    let busy = World {
        service,
        table,
        clock: Arc::default(),
    };
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| order(&format!("o-{n}"), 1_000, 0));
    let all = tokio::join!(busy.tell(a), busy.tell(b), busy.tell(c), busy.tell(d));
    let refused = [all.0, all.1, all.2, all.3]
        .iter()
        .filter(|h| facts(h) == ["FraudConfirmed"])
        .count();
    assert_eq!(refused, 1, "one of them is the fourth");
}

#[tokio::test]
async fn an_address_is_remembered_across_customers_but_not_kept() {
    let world = world();
    let cases = [
        ("c-1", "Ada@Example.com", "NoFraudDetected", 0),
        ("c-2", "ada@example.com", "NoFraudDetected", 30),
        ("c-3", "x@mailinator.com", "PossibleFraud", 60),
        ("c-4", "X@mailinator.com", "PossibleFraud", 150),
    ];
    for (id, email, fact, score) in cases {
        let handled = world.tell(customer(id, email)).await;
        assert_eq!(facts(&handled), [fact], "{id}");
        assert_eq!(world.tell(customer(id, email)).await.events, handled.events);
        let told = match &handled.answer {
            Answer::Done(finding) => &finding["score"],
            Answer::Declined(_) => &handled.events[0].fact.data()["score"].clone(),
        };
        assert_eq!(*told, score, "{id}");
    }
    let used: EmailUse = world.read(email_key("x@MAILINATOR.com")).await.unwrap();
    assert_eq!((used.customers, used.blocked), (2, 2));
    let everything = duet_core::store::Browse::everything(&world.table)
        .await
        .unwrap();
    let text = format!("{everything:?}").to_lowercase();
    assert!(
        !text.contains("ada@") && !text.contains("x@"),
        "no address is kept"
    );
}

#[tokio::test]
async fn a_verdict_goes_to_whoever_waits_for_it() {
    for (verdict, word, fact) in [
        (Verdict::Approve, "Approved", "NoFraudDetected"),
        (Verdict::Reject, "Rejected", "FraudConfirmed"),
    ] {
        let world = world();
        let _ = world.tell(doubtful("o-1")).await;
        // The first asker gave up and asked again, from another address.
        for token in ["token-1", "token-2"] {
            let opened = world
                .ask_from(open("o-1"), Some(token), "standard")
                .await
                .unwrap();
            assert_eq!(
                (opened.answer, opened.reply),
                (done(json!({"verdict": "Open"})), None)
            );
        }
        let decided = world.tell(decide("o-1", verdict)).await;
        assert_eq!(decided.answer, done(json!({"verdict": word})));
        assert_eq!(facts(&decided), [fact]);
        let reply = decided.reply.clone().unwrap();
        assert_eq!(
            (reply.to.as_str(), reply.value),
            ("token-2", json!({"verdict": word}))
        );
        let again = world.tell(decide("o-1", verdict)).await;
        assert!(again.repeat);
        assert_eq!((again.events, again.reply), (decided.events, decided.reply));
        let review: Review = world.read(review_key("o-1")).await.unwrap();
        assert_eq!(review.note.as_deref(), Some("Kim"));
    }
}

#[tokio::test]
async fn who_asks_after_the_verdict_is_told_at_once() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let _ = world.tell(decide("o-1", Verdict::Approve)).await;
    let opened = world
        .ask_from(open("o-1"), Some("token-1"), "standard")
        .await
        .unwrap();
    let reply = opened.reply.unwrap();
    assert_eq!(
        (reply.to.as_str(), reply.value),
        ("token-1", json!({"verdict": "Approved"}))
    );
    assert!(opened.events.is_empty());
}

#[tokio::test]
async fn a_review_is_decided_once() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let _ = world.tell(decide("o-1", Verdict::Approve)).await;
    let other = world.tell(decide("o-1", Verdict::Reject)).await;
    assert_eq!(
        (&other.answer, other.events.len()),
        (&review_closed("Approved"), 0)
    );
    let noted = DecideReview {
        note: Some("KIM".into()),
        ..decide("o-1", Verdict::Approve)
    };
    assert_eq!(world.tell(noted).await.answer, review_closed("Approved"));
    let closed = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "Approved"})));
    assert!(closed.events.is_empty());
}

#[tokio::test]
async fn a_review_nobody_decides_times_out() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    world.clock.store(600, Ordering::Relaxed);
    let closed = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "TimedOut"})));
    assert_eq!(
        (facts(&closed), &closed.reply),
        (vec!["ReviewTimedOut"], &None)
    );
    assert_eq!(
        world.tell(close("o-1", Cause::TimedOut)).await.events,
        closed.events
    );
    let late = world.tell(decide("o-1", Verdict::Approve)).await;
    assert_eq!(late.answer, review_closed("TimedOut"));
}

#[tokio::test]
async fn a_rejection_closes_a_review_silently_and_frees_who_waits() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let _ = world
        .ask_from(open("o-1"), Some("token-1"), "standard")
        .await
        .unwrap();
    let closed = world.tell(close("o-1", Cause::OrderRejected)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "Closed"})));
    assert!(closed.events.is_empty());
    assert_eq!(closed.reply.unwrap().value, json!({"verdict": "Closed"}));
    let late = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(
        (late.answer, late.events.len()),
        (done(json!({"verdict": "Closed"})), 0)
    );
}

#[tokio::test]
async fn a_rejection_that_overtakes_the_screening_silences_it() {
    let world = world();
    let closed = world.tell(close("o-1", Cause::OrderRejected)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "Closed"})));
    for screened in [
        world.tell(doubtful("o-1")).await,
        world.tell(doubtful("o-1")).await,
    ] {
        assert!(screened.events.is_empty() && screened.timers.is_empty());
        let Answer::Done(finding) = screened.answer else {
            panic!("declined")
        };
        assert_eq!(finding["verdict"], "Closed");
    }
    assert_eq!(world.status("o-1").await, Some(Status::Closed));
    let history: History = world.read(history_key("c-1")).await.unwrap();
    assert_eq!(history.orders.len(), 1, "the order was placed, and counts");
    let late = world.tell(decide("o-1", Verdict::Approve)).await;
    assert_eq!(late.answer, review_closed("Closed"));
}

#[tokio::test]
async fn what_does_not_fit_is_invalid() {
    let world = world();
    let unscreened = [
        Command::from(open("o-1")),
        decide("o-1", Verdict::Approve).into(),
        close("o-1", Cause::TimedOut).into(),
        customer("c-9", "no address").into(),
    ];
    for command in unscreened {
        let refused = world.ask(command).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
    }
    let _ = world.tell(order("o-1", 1_000, 0)).await;
    assert!(
        world.ask(open("o-1")).await.is_err(),
        "a clear order has no review"
    );
    let _ = world.tell(doubtful("o-2")).await;
    let long = DecideReview {
        note: Some("x".repeat(1001)),
        ..decide("o-2", Verdict::Approve)
    };
    assert!(world.ask(long).await.is_err());
    let other = world
        .ask_from(decide("o-2", Verdict::Approve), None, "eventbridge")
        .await;
    assert_eq!(
        other,
        Err(Failure::invalid("the order runs under another variant"))
    );
    assert_eq!(world.status("o-2").await, Some(Status::Open));
}

#[test]
fn the_policy_screens_what_is_new_and_drops_what_is_rejected() {
    let screened = order("o-1", 1_000, 5);
    let new_order = NewOrder {
        order: screened.order.clone(),
        customer: screened.customer.clone(),
        lines: Vec::new(),
        total: screened.total,
        payment_token: "tok".into(),
        ship_to: Address {
            name: "Ada".into(),
            street: "1 Road".into(),
            city: "Lund".into(),
            postcode: "22100".into(),
            country: "SE".into(),
        },
        placed_at: screened.placed_at,
    };
    let registered = customer("c-1", "ada@example.com");
    let new_customer = NewCustomer {
        customer: registered.customer.clone(),
        email: registered.email.clone(),
        country: registered.country.clone(),
        registered_at: registered.registered_at,
    };
    let rejected = OrderRejected {
        order: screened.order.clone(),
        customer: screened.customer.clone(),
        total: screened.total,
        reason: Reason::TimedOut,
        detail: None,
    };
    let confirmed = OrderConfirmed {
        order: screened.order.clone(),
        customer: screened.customer.clone(),
        total: screened.total,
    };
    let cases: [(Fact, Option<Command>); 4] = [
        (new_order.into(), Some(screened.into())),
        (new_customer.into(), Some(registered.into())),
        (
            rejected.into(),
            Some(close("o-1", Cause::OrderRejected).into()),
        ),
        (confirmed.into(), None),
    ];
    for (fact, expected) in cases {
        let event = Event {
            metadata: metadata("eventbridge"),
            fact,
        };
        assert_eq!(
            Frauds::<Memory, Arc<fn() -> Timestamp>>::policy(&event),
            expected
        );
    }
}

/// One message of the property tests, by number.
fn message(n: u8) -> Command {
    match n {
        0 => doubtful("o-1").into(),
        1 => decide("o-1", Verdict::Approve).into(),
        2 => decide("o-1", Verdict::Reject).into(),
        3 => close("o-1", Cause::TimedOut).into(),
        4 => close("o-1", Cause::OrderRejected).into(),
        _ => open("o-1").into(),
    }
}

fn config(seed: u64) -> Config {
    Config {
        cases: 300,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(config(2))]

    /// Any messages about one review, in any order and with repeats: it ends
    /// once, and one fact at most tells how.
    #[test]
    fn a_review_ends_once(messages in prop::collection::vec(0_u8..6, 1..24)) {
        block_on(async {
            let world = world();
            let (mut ended, mut told) = (None, BTreeMap::new());
            for n in messages {
                // Facts have stable ids: a repeat tells the same fact again.
                if let Ok(handled) = world.ask(message(n)).await {
                    let about = handled.events.into_iter().map(|e| (e.metadata.id, e.fact));
                    told.extend(about.filter(|(_, fact)| fact.name() != "PossibleFraud"));
                }
                let status = world.status("o-1").await;
                if ended.is_some() {
                    assert_eq!(status, ended, "the end is final");
                } else if status != Some(Status::Open) {
                    ended = status;
                }
            }
            let names: Vec<_> = told.values().map(Vocabulary::name).collect();
            let expected: &[&str] = match ended {
                Some(Status::Approved) => &["NoFraudDetected"],
                Some(Status::Rejected) => &["FraudConfirmed"],
                Some(Status::TimedOut) => &["ReviewTimedOut"],
                _ => &[],
            };
            assert_eq!(names, expected);
        });
    }

    /// Orders that arrive in order time, each any number of times: the rule
    /// trips on exactly those with enough others in the hour before them.
    #[test]
    fn velocity_trips_on_the_nth(
        gaps in prop::collection::vec((0_i64..2_400, 1_usize..3), 1..30),
    ) {
        block_on(async {
            let world = world();
            let mut times: Vec<i64> = Vec::new();
            for (n, (gap, repeats)) in gaps.into_iter().enumerate() {
                let now = times.last().unwrap_or(&0) + gap;
                times.push(now);
                let nth = times.iter().filter(|t| now - **t < 3_600).count();
                for _ in 0..repeats {
                    let handled = world.tell(order(&format!("o-{n}"), 1_000, now)).await;
                    let refused = facts(&handled) == ["FraudConfirmed"];
                    assert_eq!(refused, nth >= VELOCITY, "order {n} is number {nth}");
                }
            }
        });
    }

    /// Orders in any order of arrival, with repeats: each is remembered once,
    /// and none of the last day is forgotten.
    #[test]
    fn history_never_counts_twice(
        arrivals in prop::collection::vec((0_usize..12, 0_i64..60), 1..40),
    ) {
        block_on(async {
            let world = world();
            let mut placed = BTreeMap::new();
            for (n, minute) in arrivals {
                let minute = *placed.entry(n).or_insert(minute);
                let _ = world.tell(order(&format!("o-{n}"), 1_000, minute * 60)).await;
            }
            let history: History = world.read(history_key("c-1")).await.unwrap();
            let kept: BTreeSet<_> = history.orders.iter().map(|o| o.order.to_string()).collect();
            let expected: BTreeSet<_> = placed.keys().map(|n| format!("o-{n}")).collect();
            assert_eq!(history.orders.len(), kept.len(), "each order once");
            assert_eq!(kept, expected);
        });
    }
}
