//! The workflows: what Step Functions and the services do together, on the emulator.

use duet_cli::ops::place;
use duet_cli::ops::view::View;
use duet_cli::shop::services::{Subject, TableOf};
use duet_cli::shop::variant;
use duet_cli::world::{Submitted, World};
use duet_core::order::{Part, Reason};
use duet_core::store::Browse;
use duet_order::domain::{Compensation, Fate};
use serde_json::{Value, json};

use crate::harness::fresh;
use crate::shop::{LIMIT, Shop, holds, place_message, standard, until};

/// The input of the execution that places an order.
fn input(message: &duet_core::CommandMessage) -> Value {
    json!({ "metadata": message.metadata, "data": message.data })
}

#[tokio::test]
async fn an_order_submitted_twice_is_one_execution_and_other_content_is_refused() {
    let shop = Shop::open().await;
    let order = shop.order(standard(), "happy").await;
    let id = order.order.as_str();
    let message = place_message(&shop, standard(), &order);
    let submit = async |message| {
        shop.world
            .submit(standard(), Subject::Order, message)
            .await
            .unwrap()
    };
    let (one, two) = futures_util::future::join(submit(&message), submit(&message)).await;
    assert!([one, two].contains(&Submitted::Accepted));
    assert!(![one, two].contains(&Submitted::Clashes));

    let mut forged = order.clone();
    forged.payment_token = "tok_forged".to_owned();
    let forged = place_message(&shop, standard(), &forged);
    assert_eq!(submit(&forged).await, Submitted::Clashes);

    let view = shop.settled(standard(), id).await;
    // Afterwards too: the name stays taken.
    assert_eq!(submit(&message).await, Submitted::Already);
    assert_eq!(submit(&forged).await, Submitted::Clashes);
    assert_eq!(view.order.as_ref().unwrap().fate, Fate::Confirmed);
    assert_eq!(view.charge.as_ref().unwrap().capture_attempts, 1);
    assert_eq!(view.booking.as_ref().unwrap().book_attempts, 1);
    let placed = view
        .steps
        .iter()
        .filter(|step| step.command == "PlaceOrder");
    assert_eq!(placed.count(), 1);
    holds(id, &view);
}

/// Asked twice at once, both are told, or told to ask the order; and it is one order.
#[tokio::test]
async fn whoever_waits_for_the_answer_is_told_what_became_of_the_order() {
    let shop = Shop::open().await;
    let answering = variant::ALL.iter().filter(|variant| variant.answers);
    for variant in answering {
        for (scenario, decision) in [
            ("happy", "Confirmed"),
            ("card-declined", "Rejected"),
            ("review-approve", "UnderReview"),
        ] {
            let order = shop.order(variant, scenario).await;
            let message = place_message(&shop, variant, &order);
            let ask = async || {
                let asked = shop.world.ask(variant, Subject::Order, &message).await;
                asked.unwrap().1.unwrap()
            };
            let (one, two) = futures_util::future::join(ask(), ask()).await;
            let told = [one.decision(), two.decision()];
            assert!(told.contains(&Some(decision)), "{one:?}, {two:?}");
            let open = |told: &Option<&str>| told.is_none_or(|told| told == decision);
            assert!(told.iter().all(open), "{one:?}, {two:?}");
            if decision != "UnderReview" {
                let id = order.order.as_str();
                let view = shop.settled(variant, id).await;
                assert_eq!(view.charge.as_ref().unwrap().capture_attempts, 1);
                holds(id, &view);
            }
        }
    }
}

#[tokio::test]
async fn the_happy_path_takes_these_steps_and_no_more() {
    const INSIDE: [&str; 2] = ["ScreenOrder", "ReserveStock"];
    let shop = Shop::open().await;
    let deployed = shop.order(standard(), "happy").await;
    let here = shop.order(standard(), "happy").await;

    // The very definition, with the deployed functions answering: all of it can be counted.
    let message = place_message(&shop, standard(), &here);
    let driven = shop.drive(here.order.as_str(), input(&message)).await;
    assert_eq!(driven.status, duet_asl::Status::Succeeded);
    assert!(
        driven.transitions <= 14,
        "{} transitions: {:?}",
        driven.transitions,
        driven.states
    );
    let (inside, top): (Vec<String>, Vec<String>) = driven
        .states
        .into_iter()
        .partition(|state| INSIDE.contains(&state.as_str()));
    assert_eq!(inside.len(), INSIDE.len(), "{inside:?}");
    let path = [
        "PlaceOrder",
        "ScreenAndReserve",
        "IsClear",
        "CapturePayment",
        "ScheduleDelivery",
        "ConfirmOrder",
        "ShipStock",
        "NotifyConfirmed",
    ];
    assert_eq!(top, path);
    let view = shop.settled(standard(), here.order.as_str()).await;
    holds(here.order.as_str(), &view);

    // The deployed one takes the same way. Histories of emulators may leave out
    // what is inside the Parallel.
    let view = shop.placed(standard(), &deployed).await;
    let id = deployed.order.as_str();
    let execution = shop
        .world
        .execution(standard(), Subject::Order, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(execution.status, "SUCCEEDED");
    let states: Vec<_> = execution
        .states
        .iter()
        .filter(|state| !INSIDE.contains(&state.as_str()))
        .collect();
    assert_eq!(states, path.iter().collect::<Vec<_>>());
    holds(id, &view);
}

#[tokio::test]
async fn a_poison_input_fails_as_invalid_and_leaves_no_order() {
    let shop = Shop::open().await;
    let began = shop.world.now();
    let (worded, shapeless) = (fresh("poison"), fresh("poison"));
    shop.world.submit_poison(standard(), &worded).await.unwrap();
    // No object at all where the metadata should be: refused before any service is asked.
    let start = shop
        .workflows
        .start_execution()
        .state_machine_arn(shop.order_machine());
    start
        .name(&shapeless)
        .input(json!({ "metadata": 7 }).to_string())
        .send()
        .await
        .unwrap();

    for id in [&worded, &shapeless] {
        let letters = until("the execution fails", LIMIT, async || {
            let letters = shop.world.dead_letters(standard(), id).await.unwrap();
            (!letters.is_empty()).then_some(letters)
        })
        .await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].cause.as_deref(), Some("InvalidCommand"), "{id}");
        // The rule on failed executions has its say, and finds nothing to park.
        until("the order service is told", LIMIT, async || {
            let lines = shop.world.logs(id, began).await.unwrap();
            let parks = |line: &String| line.contains("\"ParkOrder\"") && line.contains("\"done\"");
            lines.iter().any(parks).then_some(())
        })
        .await;
        let view = View::load(&shop.world, id).await.unwrap();
        assert!(view.steps.is_empty(), "{:?}", view.steps);
        assert!(view.order.is_none() && view.charge.is_none() && view.booking.is_none());
        for of in TableOf::SERVICES
            .into_iter()
            .filter(|of| *of != TableOf::Order)
        {
            assert_eq!(
                shop.world.table(of).partition(id).await.unwrap(),
                [],
                "{of:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_rejected_order_is_a_success_and_is_undone_in_reverse_order() {
    let shop = Shop::open().await;
    let order = shop.order(standard(), "undeliverable").await;
    let id = order.order.as_str();
    let view = shop.placed(standard(), &order).await;
    let execution = shop
        .world
        .execution(standard(), Subject::Order, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (execution.status.as_str(), execution.error),
        ("SUCCEEDED", None)
    );
    // Steps come in the order of their time.
    let steps: Vec<_> = view
        .steps
        .iter()
        .map(|step| step.command.split(' ').next().unwrap())
        .collect();
    let from = steps
        .iter()
        .position(|step| *step == "RejectOrder")
        .expect("it was rejected");
    let undoing: Vec<_> = steps[from..]
        .iter()
        .filter(|step| **step != "NotifyCustomer")
        .collect();
    assert_eq!(
        undoing,
        [
            &"RejectOrder",
            &"CancelDelivery",
            &"RefundPayment",
            &"ReleaseStock",
            &"NoteUndone"
        ]
    );
    let order = view.order.as_ref().unwrap();
    assert_eq!(
        place::word(&order.standing()),
        "Rejected(DeliveryFailed, NotServed)"
    );
    assert_eq!(order.compensation, Compensation::Done);
    assert_eq!(view.net(), 0);
    holds(id, &view);
}

#[tokio::test]
async fn the_order_of_an_aborted_execution_is_parked() {
    let shop = Shop::open().await;
    let order = shop.order(standard(), "payment-down").await;
    let id = order.order.as_str();
    place::submit(&shop.world, standard(), &order)
        .await
        .unwrap();
    // In mid-flight: the provider was asked, and did not answer.
    until("the provider is asked", LIMIT, async || {
        View::load(&shop.world, id).await.unwrap().charge
    })
    .await;
    let arn = shop
        .world
        .execution(standard(), Subject::Order, id)
        .await
        .unwrap()
        .unwrap()
        .arn;
    shop.workflows
        .stop_execution()
        .execution_arn(arn)
        .send()
        .await
        .unwrap();

    let parked = until("the order is parked", LIMIT, async || {
        let order = place::find(&shop.world, id).await.unwrap()?;
        (order.fate != Fate::Undecided).then_some(order)
    })
    .await;
    assert_eq!(
        parked.fate,
        Fate::Rejected {
            reason: Reason::Abandoned,
            detail: None
        }
    );
    assert_eq!(parked.compensation, Compensation::Failed);
    let owed: Vec<_> = parked
        .owed
        .iter()
        .map(|owed| (owed.part, owed.amount))
        .collect();
    assert_eq!(owed, Part::COMPENSATED.map(|part| (part, None)));
    let execution = shop
        .world
        .execution(standard(), Subject::Order, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(execution.status, "ABORTED");
    let letters = shop.world.dead_letters(standard(), id).await.unwrap();
    assert_eq!(letters.len(), 1, "listed with the dead letters");
}
