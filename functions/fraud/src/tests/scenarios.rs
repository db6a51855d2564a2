//! What the service does, case by case.

use duet_core::service::reaction;

use super::*;

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
    let reasons = "large-amount,blocked-account,country-mismatch,disposable-email";
    assert_eq!(
        handled.answer,
        Answer::Declined(Refusal::new("FraudConfirmed", reasons))
    );
    assert_eq!(facts(&handled), ["FraudConfirmed"]);
    assert_eq!(handled.events[0].fact.data()["score"], 175);
    assert_eq!(world.status("o-1").await, Some(Status::Blocked));
    assert_eq!(
        world.tell(decide("o-1", Verdict::Approve)).await.answer,
        review_closed("Blocked")
    );
}

#[tokio::test]
async fn velocity_counts_what_was_cleared_in_any_hour() {
    let world = world();
    // (order, minute placed, whether the rule trips), in the order of arrival
    let arrivals = [
        ("o-1", 0, false),
        ("o-4", 30, false),  // early
        ("o-0", -59, false), // very late: o-1 is the only one within an hour of it
        ("o-3", 20, false),
        ("o-2", 1, true),   // late: o-1 before it, o-3 and o-4 after it
        ("o-5", 59, true),  // the same three
        ("o-6", 60, false), // o-1 is exactly an hour ago, and those refused do not count
        ("o-7", 79, true),  // o-3, o-4 and o-6
        ("o-8", 90, false), // o-4 is exactly an hour ago
        ("o-9", 45, true),  // o-3, o-4 and o-6
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
async fn an_approved_order_counts_and_one_that_waits_or_was_refused_does_not() {
    for (verdict, trips) in [
        (Some(Verdict::Approve), true),
        (Some(Verdict::Reject), false),
        (None, false),
    ] {
        let world = world();
        for n in 1..VELOCITY - 1 {
            let _ = world.tell(order(&format!("o-{n}"), 1_000, 0)).await;
        }
        let _ = world.tell(doubtful("o-d")).await;
        if let Some(verdict) = verdict {
            for _ in 0..2 {
                let _ = world.tell(decide("o-d", verdict)).await;
            }
        }
        let next = world.tell(order("o-n", 1_000, 60)).await;
        assert_eq!(
            facts(&next) == ["FraudConfirmed"],
            trips,
            "{verdict:?} {next:?}"
        );
    }
}

#[tokio::test]
async fn an_order_from_before_what_is_remembered_is_a_persons() {
    let world = world();
    let _ = world.tell(customer("c-1", "ada@example.com")).await;
    let _ = world.tell(order("o-1", 1_000, 0)).await;
    let _ = world
        .tell(order("o-2", 1_000, i64::from(KEPT_SECONDS)))
        .await;
    let late = world.tell(order("o-3", 1_000, 3_599)).await;
    assert_eq!(facts(&late), ["PossibleFraud"]);
    let late = world.tell(order("o-4", 1_000, 3_600)).await;
    assert_eq!(facts(&late), ["NoFraudDetected"]);
}

#[tokio::test]
async fn a_blocked_customer_is_not_served() {
    // A throw-away mail box; then one who shares an address with its owner.
    let world = world();
    for id in ["c-1", "c-2"] {
        let blocked = world.tell(customer(id, "x@mailinator.com")).await;
        assert_eq!(facts(&blocked), ["PossibleFraud"]);
        let theirs = ScreenOrder {
            customer: id.parse().unwrap(),
            ..order(&format!("o-{id}"), 1_000, 0)
        };
        let refused = world.tell(theirs).await;
        assert_eq!(facts(&refused), ["FraudConfirmed"], "{id}");
        let reasons = refused.events[0].fact.data()["reasons"].to_string();
        assert!(reasons.contains("blocked-account"), "{reasons}");
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
    assert_eq!(
        history.orders.len(),
        VELOCITY - 1,
        "the refused one does not count"
    );
    let changed = world.ask(order("o-4", 1_001, 0)).await;
    assert!(matches!(changed, Err(Failure::Invalid(_))));
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
        assert_eq!(review.by.as_deref(), Some("kim@shop"));
        assert_eq!(review.open_since, None, "it waits for nobody");
    }
}

#[tokio::test]
async fn who_opens_a_review_without_waiting_takes_nobodys_place() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let waits = world.ask_from(open("o-1"), Some("token-1"), "standard");
    let _ = waits.await.unwrap();
    let _ = world.tell(open("o-1")).await;
    world.clock.store(60, Ordering::Relaxed);
    let decided = world.tell(decide("o-1", Verdict::Approve)).await;
    assert_eq!(decided.reply.unwrap().to, "token-1");
    let review: Review = world.read(review_key("o-1")).await.unwrap();
    assert_eq!(review.closed_at, Some(at(60)));
}

#[tokio::test]
async fn an_order_that_waits_for_no_word_is_not_looked_at() {
    let world = world();
    let mut context = Context {
        message: metadata("standard"),
        reply_to: None,
        clearance: Some(false),
        execution: None,
        last_attempt: false,
        deadline: Timestamp::MAX,
        replay: false,
    };
    for (clearance, status) in [(Some(false), None), (None, Some(Status::Open))] {
        context.clearance = clearance;
        let request = Request {
            command: doubtful("o-1").into(),
            context: context.clone(),
        };
        let handled = world.service.handle(request).await.unwrap();
        assert_eq!(handled.timers.is_empty(), status.is_none());
        assert_eq!(world.status("o-1").await, status);
    }
}

#[test]
fn what_is_remembered_covers_an_hour_and_a_days_delay() {
    assert_eq!(KEPT_SECONDS, 60 * 60 + 24 * 60 * 60);
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
    assert_eq!(world.status("o-2").await, Some(Status::Open));
    let other = world
        .ask_from(decide("o-2", Verdict::Approve), None, "eventbridge")
        .await;
    assert_eq!(
        other,
        Err(Failure::invalid("the order runs under another variant"))
    );
    assert_eq!(world.status("o-2").await, Some(Status::Open));
    let longest = DecideReview {
        note: Some("é".repeat(1000)),
        ..decide("o-2", Verdict::Approve)
    };
    let decided = world.tell(longest).await;
    assert_eq!(decided.answer, done(json!({"verdict": "Approved"})));
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
        clearance: None,
    };
    let registered = customer("c-1", "ada@example.com");
    let new_customer = NewCustomer {
        customer: registered.customer.clone(),
        email: registered.email.clone(),
        country: registered.country.clone(),
        registered_at: registered.registered_at,
        clearance: None,
    };
    let rejected = OrderRejected {
        order: screened.order.clone(),
        customer: screened.customer.clone(),
        total: screened.total,
        reason: Reason::TimedOut,
        detail: None,
        placed_at: Timestamp::UNIX_EPOCH,
    };
    let confirmed = OrderConfirmed {
        order: screened.order.clone(),
        customer: screened.customer.clone(),
        total: screened.total,
        placed_at: Timestamp::UNIX_EPOCH,
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
        let event = Event::new(metadata("eventbridge"), fact);
        assert_eq!(
            reaction::<Frauds::<Memory, Arc<fn() -> Timestamp>>>(&event),
            expected
        );
    }
}
